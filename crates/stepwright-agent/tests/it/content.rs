//! The content of an agent that is compared when a run is resumed.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use std::time::Duration;
use stepwright_agent::{Agent, AgentBuilder, FunctionTool};
use stepwright_core::Executor as _;
use stepwright_core::model::{CacheRetention, HostedTool, ModelOptions, ReasoningEffort};
use stepwright_models::RetryPolicy;
use stepwright_testing::model::ScriptedModel;

#[derive(Deserialize, JsonSchema)]
#[expect(dead_code, reason = "only its schema is looked at")]
struct Query {
    text: String,
}

fn bare(model: &str) -> AgentBuilder {
    Agent::builder("a").model(ScriptedModel::new(["fine"]).named(model)).unwrap()
}

fn tool(description: &str) -> FunctionTool {
    FunctionTool::new("search", description, |_: Query| async { "nothing" })
}

/// Returns the differences between two agents.
fn told(before: AgentBuilder, now: AgentBuilder) -> Vec<String> {
    let [before, now] = [before, now].map(|agent| agent.build().unwrap().fingerprint());
    before.differences(&now).map(|difference| difference.to_string()).collect()
}

fn options(change: impl FnOnce(&mut ModelOptions)) -> AgentBuilder {
    let mut options = ModelOptions::default();
    change(&mut options);
    bare("one").options(options)
}

#[test]
fn all_that_decides_what_an_agent_does_is_compared() {
    let plain = || bare("one").instructions("Be short.").tool(tool("Searches."));
    assert!(told(plain(), plain()).is_empty());
    let second = Duration::from_secs(1);
    let none = || bare("one");
    let cases = vec![
        (bare("two"), "`model` was \"scripted:one\" and is \"scripted:two\""),
        (none().instructions("Lie."), "`instructions` was not set and is \"Lie.\""),
        (none().tool(tool("Searches.")), "`tool search` was not set"),
        (none().max_turns(3), "`max_turns` was not set and is \"3\""),
        (none().tool_timeout(second), "`tool_timeout` was not set and is \"1s\""),
        (none().tool_concurrency(2), "`tool_concurrency` was not set and is \"2\""),
        (none().idle_timeout(second), "`idle_timeout` was not set and is \"1s\""),
        (none().model_retry(RetryPolicy::never()), "`model_retry` was not set and is \"0 times"),
        (none().output::<Query>(), "`output` was not set"),
        (none().version("2"), "`version` was not set and is \"2\""),
        (
            options(|o| o.max_output_tokens = Some(9)),
            "`max_output_tokens` was not set and is \"9\"",
        ),
        (options(|o| o.temperature = Some(0.5)), "`temperature` was not set and is \"0.5\""),
        (options(|o| o.reasoning_effort = Some(ReasoningEffort::High)), "`reasoning_effort` was"),
        (options(|o| o.reasoning_budget = Some(9)), "`reasoning_budget` was not set and is \"9\""),
        (options(|o| o.cache = Some(CacheRetention::Long)), "`cache` was not set and is \"long\""),
        (
            options(|o| o.hosted_tools = vec![HostedTool::WebSearch]),
            "`hosted_tools` was not set and is \"web_search\"",
        ),
        (options(|o| o.timeout = Some(second)), "`timeout` was not set and is \"1s\""),
        (options(|o| o.idle_timeout = Some(second)), "`idle_timeout of the model` was"),
        (options(|o| drop(o.extra.insert("seed".into(), json!(7)))), "`extra seed` was"),
    ];
    for (now, wanted) in cases {
        let told = told(none(), now);
        assert!(told.len() == 1 && told[0].contains(wanted), "{wanted}: {told:?}");
    }
    let described = told(plain(), bare("one").instructions("Be short.").tool(tool("Deletes.")));
    assert!(described[0].contains("Searches") && described[0].contains("Deletes"), "{described:?}");
    let asked = told(plain(), plain().requires_confirmation("search"));
    assert!(asked[0].contains(r#"requires_confirmation\":true"#), "{asked:?}");
}

#[test]
fn the_address_of_a_model_is_compared_and_a_key_in_it_is_not_shown() {
    stepwright_models::register("lan", |_| Ok(ScriptedModel::new(["fine"]).named("m")));
    let at = |address: &str| {
        let model = format!("lan:m@http://{address}");
        Agent::builder("a").model(model).unwrap()
    };
    let moved = told(at("localhost:1/v1"), at("localhost:2/v1"));
    assert_eq!(moved.len(), 1);
    assert!(moved[0].contains("localhost:1") && moved[0].contains("localhost:2"), "{moved:?}");
    let keyed = told(at("localhost:1/v1?k=abc1"), at("localhost:1/v1?k=abc2"));
    assert_eq!(keyed.len(), 1);
    assert!(!keyed[0].contains("abc") && keyed[0].contains("not shown"), "{keyed:?}");
}
