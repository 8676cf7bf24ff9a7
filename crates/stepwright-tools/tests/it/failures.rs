//! The errors of searches, as the model reads them.

use crate::server::{Answer, Server};
use crate::{call, on, tool};
use serde_json::json;
use std::time::Duration;
use stepwright_core::StepContext;
use stepwright_core::message::ToolOutcome;
use stepwright_core::tool::Tool as _;
use stepwright_tools::{DuckDuckGo, PAGE_BYTES_MAX};
use tokio::net::TcpListener;

const WEB: &str = include_str!("../fixtures/web.html");
const CHALLENGE: &str = include_str!("../fixtures/challenge.html");
const UNKNOWN: &str = include_str!("../fixtures/unknown.html");

async fn searched(answer: Answer) -> ToolOutcome {
    let server = Server::of([("/html/", answer)]).await;
    let told = call(on(&server), "web_search", json!({"query": "ants"})).await;
    assert!(told.is_error, "{}", told.text);
    told
}

#[tokio::test]
async fn a_refusal_says_so_and_for_how_long() {
    let refused = "DuckDuckGo refuses to search: there were too many requests from this address, \
                   or it takes them for a robot's; do not search again";
    let minutes = format!("{refused} for some minutes, and continue with what you know");
    for status in [202, 403, 418, 429] {
        let told = searched(Answer::Give(status, "", CHALLENGE.into())).await;
        assert_eq!(told.text, minutes);
    }
    // The same page without the number.
    assert_eq!(searched(Answer::ok(CHALLENGE)).await.text, minutes);
    let told = searched(Answer::Give(429, "retry-after: 30\r\n", String::new())).await;
    assert_eq!(told.text, format!("{refused} for 30 seconds, and continue with what you know"));
    let told = searched(Answer::Give(429, "retry-after: soon\r\n", String::new())).await;
    assert_eq!(told.text, minutes);
}

#[tokio::test]
async fn a_page_that_is_not_understood_is_never_an_empty_list() {
    let only_ads = WEB.split("web-result").next().unwrap();
    for page in ["", "ok", "{\"results\": []}", UNKNOWN, only_ads] {
        let told = searched(Answer::ok(page)).await;
        assert_eq!(
            told.text,
            "DuckDuckGo answered, but the format of the page of results is unknown, so there may \
             be results that were not understood; searching again will not help, so continue \
             without the results",
        );
    }
}

#[tokio::test]
async fn other_answers_are_told_as_they_are() {
    let told = searched(Answer::Give(503, "", WEB.into())).await;
    assert!(told.text.starts_with("DuckDuckGo answered 503 Service Unavailable"), "{}", told.text);
    let told =
        searched(Answer::Give(302, "location: https://en.example/\r\n", String::new())).await;
    assert!(told.text.contains("redirected the search to `https://en.example/`"), "{}", told.text);
}

#[tokio::test]
async fn a_page_without_end_is_not_read_to_its_end() {
    let told = searched(Answer::ok("x".repeat(PAGE_BYTES_MAX + 1))).await;
    assert!(told.text.contains("more than 2097152 bytes"), "{}", told.text);
    let told = searched(Answer::ok("x".repeat(PAGE_BYTES_MAX))).await;
    assert!(told.text.contains("page of results is unknown"), "{}", told.text);
}

#[tokio::test]
async fn a_server_that_is_silent_is_given_up() {
    let server = Server::of([("/html/", Answer::Silence)]).await;
    let kit = on(&server).timeout(Duration::from_millis(50));
    let told = call(kit, "web_search", json!({"query": "ants"})).await;
    let expected = "DuckDuckGo did not answer within 50ms; search once more, or continue without \
                    the results";
    assert_eq!((&*told.text, told.is_error), (expected, true));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    let told = call(DuckDuckGo::new().base_url(url), "web_search", json!({"query": "ants"})).await;
    assert!(told.is_error);
    let refused = "DuckDuckGo cannot be reached (Connection refused";
    assert!(told.text.starts_with(refused), "{}", told.text);
    assert!(searched(Answer::Half).await.text.starts_with("DuckDuckGo cannot be reached ("));
}

#[tokio::test]
async fn dropping_a_search_hangs_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let kit = DuckDuckGo::new().base_url(format!("http://{}", listener.local_addr().unwrap()));
    let search = tool(kit, "web_search");
    let calling = tokio::spawn(async move {
        search.call(json!({"query": "ants"}), StepContext::detached("here")).await
    });
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut byte = [0];
    tokio::io::AsyncReadExt::read_exact(&mut stream, &mut byte).await.unwrap();
    calling.abort();
    // The other side is gone when there is nothing more to read.
    let mut rest = Vec::new();
    let _ = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut rest).await;
    assert!(calling.await.unwrap_err().is_cancelled());
}
