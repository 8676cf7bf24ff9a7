//! The settings of the toolkit.

use crate::server::{Answer, Server};
use crate::tool;
use serde_json::json;
use std::time::Duration;
use stepwright_agent::Agent;
use stepwright_core::StepContext;
use stepwright_core::tool::Tool as _;
use stepwright_tools::DuckDuckGo;

fn names(kit: DuckDuckGo) -> Vec<String> {
    let agent = Agent::builder("a").model("offline").unwrap().tool(kit).build().unwrap();
    agent.tools().iter().map(|tool| tool.name.clone()).collect()
}

#[test]
fn each_tool_can_be_switched_off() {
    assert_eq!(names(DuckDuckGo::new()), ["web_search", "search_news"]);
    assert_eq!(names(DuckDuckGo::new().news(false)), ["web_search"]);
    assert_eq!(names(DuckDuckGo::default().web(false)), ["search_news"]);
}

#[test]
fn a_model_is_told_what_to_ask_for() {
    let spec = tool(DuckDuckGo::new().max_results(7), "web_search").spec().clone();
    assert_eq!(
        spec.parameters,
        json!({
            "type": "object",
            "properties": {
                "query": {
                    "type": "string",
                    "description": "The search query: a few words, as one writes them into a search engine.",
                },
                "max_results": {
                    "type": ["integer", "null"], "format": "uint", "minimum": 1, "maximum": 30,
                    "description": "At most how many results.",
                    "default": 7,
                },
            },
            "required": ["query"],
            "additionalProperties": false,
        }),
    );
}

#[test]
fn mistakes_are_told_when_the_agent_is_built() {
    let kit = DuckDuckGo::new;
    let region = "`USA` is not a region; write a country and a language, such as `us-en`";
    let cases = [
        (
            kit().web(false).news(false),
            "the toolkit has neither `web` nor `news`; leave one of them on",
        ),
        (kit().max_results(0), "`max_results` is 0; set 1 to 30"),
        (kit().max_results(31), "`max_results` is 31; set 1 to 30"),
        (kit().timeout(Duration::ZERO), "`timeout` is zero; set a timeout greater than zero"),
        (kit().region("USA"), region),
        (
            kit().base_url("duck"),
            "`duck` is not the address of a server; write one that begins with `https://`",
        ),
        (
            kit().base_url("file:///x"),
            "`file:///x` is not the address of a server; write one that begins with `https://`",
        ),
        (kit().proxy("::"), "`::` is not the address of a proxy"),
    ];
    for (kit, expected) in cases {
        let error = Agent::builder("a").model("offline").unwrap().tool(kit).build().unwrap_err();
        assert_eq!(error.to_string(), format!("agent `a`: {expected}"));
    }
    for region in ["us-en", "hk-tzh", "wt-wt"] {
        assert_eq!(names(kit().region(region)).len(), 2);
    }
}

#[tokio::test]
async fn a_proxy_is_asked_instead() {
    let proxy =
        Server::of([("http://duck.example/html/", Answer::Give(503, "", String::new()))]).await;
    let kit = DuckDuckGo::new().base_url("http://duck.example").proxy(proxy.url());
    let search = tool(kit, "web_search");
    let told = search.call(json!({"query": "ants"}), StepContext::detached("here")).await;
    assert!(told.unwrap_err().to_string().starts_with("DuckDuckGo answered 503"));
    assert!(proxy.asked()[0].starts_with("POST http://duck.example/html/ HTTP/1.1\r\n"));
}
