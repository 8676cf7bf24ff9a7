//! Searching the web.

use crate::server::{Answer, Server};
use crate::{call, on};
use serde_json::{Value, json};
use stepwright_tools::{SafeSearch, TimeLimit};

const WEB: &str = include_str!("../fixtures/web.html");
const NOTHING: &str = include_str!("../fixtures/nothing.html");

#[tokio::test]
async fn the_results_of_the_page_are_told_and_its_advertisements_are_not() {
    let server = Server::of([("/html/", Answer::ok(WEB))]).await;
    let told = call(on(&server), "web_search", json!({"query": " leafcutter ants "})).await;
    assert!(!told.is_error, "{}", told.text);
    assert_eq!(
        serde_json::from_str::<Value>(&told.text).unwrap(),
        json!([
            {
                "title": "Leafcutter ant - Encyclopædia & more",
                "url": "https://en.example/wiki/Leafcutter_ant?oldid=1&action=view",
                "snippet": "Leafcutter ants cut leaves \"to order\", don't eat them, and grow a fungus on them.",
            },
            {
                "title": "Blattschneiderameisen – Größe, Königin, Überleben 🐜",
                "url": "https://ameisen.example/blattschneider?gr%C3%B6%C3%9Fe=klein",
                "snippet": "Die Königin wird bis zu 22 mm groß; 蟻 lebt in Kolonien.",
            },
            {
                "title": "Ants everywhere",
                "url": "https://broken.example/ants?a=1",
                "snippet": "A page with 1 < 2 & no end",
            },
            {"title": "No snippet here", "url": "https://silent.example/", "snippet": ""},
        ]),
    );
    let [asked] = &*server.asked() else { panic!("one request is enough") };
    let (head, body) = asked.split_once("\r\n\r\n").unwrap();
    let head = head.to_lowercase();
    assert!(head.starts_with("post /html/ http/1.1\r\n"), "{head}");
    assert!(head.contains("content-type: application/x-www-form-urlencoded"), "{head}");
    assert!(head.contains("user-agent: mozilla/5.0 (compatible; stepwright/"), "{head}");
    assert_eq!(body, "q=leafcutter+ants&b=&kl=&df=&kp=-1");
}

#[tokio::test]
async fn the_settings_reach_the_server() {
    let server = Server::of([("/html/", Answer::ok(WEB))]).await;
    let kit = on(&server)
        .region("de-de")
        .time_limit(TimeLimit::Month)
        .safe_search(SafeSearch::Off)
        .user_agent("ant/1");
    call(kit, "web_search", json!({"query": "größe & 蟻"})).await;
    let asked = server.asked().remove(0);
    assert!(asked.contains("user-agent: ant/1\r\n"), "{asked}");
    let body = "q=gr%C3%B6%C3%9Fe+%26+%E8%9F%BB&b=&kl=de-de&df=m&kp=-2";
    assert!(asked.ends_with(body), "{asked}");
}

#[tokio::test]
async fn as_many_results_are_told_as_were_wanted() {
    let server = Server::of([("/html/", Answer::ok(WEB))]).await;
    let count = |text: &str| serde_json::from_str::<Vec<Value>>(text).unwrap().len();
    let two = on(&server).max_results(2);
    let told = call(two.clone(), "web_search", json!({"query": "ants"})).await;
    assert_eq!(count(&told.text), 2);
    let told = call(two, "web_search", json!({"query": "ants", "max_results": 3})).await;
    assert_eq!(count(&told.text), 3);
}

#[tokio::test]
async fn finding_nothing_is_an_answer() {
    let server = Server::of([("/html/", Answer::ok(NOTHING))]).await;
    let told = call(on(&server), "web_search", json!({"query": "xqzzyv"})).await;
    assert!(!told.is_error);
    assert_eq!(told.text, "There are no results for `xqzzyv`. Other words may find some.");
}

#[tokio::test]
async fn wrong_arguments_never_reach_the_server() {
    let server = Server::of([("/html/", Answer::ok(WEB))]).await;
    let long = "ants ".repeat(100) + "!";
    let cases = [
        (json!({"query": "  "}), "`query` is empty"),
        (json!({"query": long}), "`query` has 501 characters, of at most 499"),
        (json!({"query": "a", "max_results": 31}), "`max_results` is 31; it must be 1 to 30"),
        (json!({"query": "a", "max_results": 0}), "`max_results` is 0; it must be 1 to 30"),
        (
            json!({"query": "a", "limit": 3}),
            "at `limit`: unknown field `limit`, expected `query` or `max_results`",
        ),
    ];
    for (arguments, expected) in cases {
        let told = call(on(&server), "web_search", arguments).await;
        let expected =
            format!("wrong arguments: {expected}; correct them and call `web_search` again");
        assert_eq!((told.text, told.is_error), (expected, true));
    }
    assert!(server.asked().is_empty());
}
