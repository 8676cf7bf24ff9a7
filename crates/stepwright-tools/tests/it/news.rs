//! Searching the news.

use crate::server::{Answer, Server};
use crate::{call, on};
use serde_json::{Value, json};
use stepwright_tools::{SafeSearch, TimeLimit};

const TOKEN: &str = include_str!("../fixtures/token.html");
const NEWS: &str = include_str!("../fixtures/news.json");
const CHALLENGE: &str = include_str!("../fixtures/challenge.html");

fn feed(body: &str) -> [(&'static str, Answer); 2] {
    [("/", Answer::ok(TOKEN)), ("/news.js", Answer::ok(body))]
}

#[tokio::test]
async fn the_news_are_told_with_their_dates_and_sources() {
    let server = Server::of(feed(NEWS)).await;
    let told = call(on(&server), "search_news", json!({"query": "ants"})).await;
    assert!(!told.is_error, "{}", told.text);
    assert_eq!(
        serde_json::from_str::<Value>(&told.text).unwrap(),
        json!([
            {
                "title": "Ants move into the town hall",
                "url": "https://hill.example/ants?utm=1",
                "snippet": "A colony of ants has moved into the town hall of Köpenick, the mayor said on Friday – \"they vote\".",
                "date": "2026-11-22T19:48:07Z",
                "source": "The Daily Hill",
            },
            {
                "title": "The ants' queen",
                "url": "https://koloni.example/dronning",
                "snippet": "蟻の女王",
                "date": "2026-11-21T19:48:07Z",
            },
            {"title": "Undated", "url": "https://undated.example/", "snippet": ""},
        ]),
    );
    let [token, news] = &*server.asked() else { panic!("first the token and then the feed") };
    assert!(token.starts_with("GET /?q=ants HTTP/1.1\r\n"), "{token}");
    let asked = "GET /news.js?o=json&noamp=1&q=ants&vqd=4-45349705446566505857056509601508987595\
                 &l=wt-wt&p=-1 HTTP/1.1\r\n";
    assert!(news.starts_with(asked), "{news}");
}

#[tokio::test]
async fn the_settings_reach_the_feed() {
    let server = Server::of(feed(NEWS)).await;
    let kit = on(&server).region("no-no").time_limit(TimeLimit::Week).max_results(1);
    let kit = kit.safe_search(SafeSearch::Strict).web(false);
    let told = call(kit, "search_news", json!({"query": "maur & sopp"})).await;
    assert_eq!(serde_json::from_str::<Vec<Value>>(&told.text).unwrap().len(), 1);
    let news = server.asked().remove(1);
    assert!(news.contains("&q=maur+%26+sopp&"), "{news}");
    assert!(news.contains("&l=no-no&p=1&df=w HTTP"), "{news}");
}

#[tokio::test]
async fn no_news_is_an_answer() {
    let server = Server::of(feed(r#"{"results": [], "query": "xqzzyv"}"#)).await;
    let told = call(on(&server), "search_news", json!({"query": "xqzzyv"})).await;
    let expected = "There are no results for `xqzzyv`. Other words may find some.";
    assert_eq!((&*told.text, told.is_error), (expected, false));
}

#[tokio::test]
async fn what_is_no_feed_is_a_failure() {
    let unknown = "the format of the";
    let refused = "refuses to search";
    let cases = [
        (feed("{\"items\": []}"), "feed of news"),
        (feed("{\"results\": [{\"name\": \"no title\"}]}"), unknown),
        (feed("if (DDG.news) { }"), unknown),
        (feed(CHALLENGE), refused),
        (feed(""), unknown),
        ([("/", Answer::ok("<p>")), ("/news.js", Answer::ok(NEWS))], "page with the token"),
        ([("/", Answer::ok(CHALLENGE)), ("/news.js", Answer::ok(NEWS))], refused),
        ([("/", Answer::ok(TOKEN)), ("/news.js", Answer::Give(403, "", String::new()))], refused),
        ([("/", Answer::ok(TOKEN)), ("/news.js", Answer::Half)], "cannot be reached"),
    ];
    for (answers, expected) in cases {
        let server = Server::of(answers).await;
        let told = call(on(&server), "search_news", json!({"query": "ants"})).await;
        assert!(told.is_error && told.text.contains(expected), "{expected}: {}", told.text);
    }
}
