//! Tools as programs write them, and the toolkit that comes along.

use std::fmt;
use std::sync::{Arc, Mutex};
use stepwright::prelude::*;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

const PAGE: &str = r#"<html><body><div id="links" class="results">
<div class="result results_links web-result">
  <h2 class="result__title"><a rel="nofollow" class="result__a"
    href="//duckduckgo.com/l/?uddg=https%3A%2F%2Fants.example%2F&amp;rut=1">Leafcutter ants</a></h2>
  <a class="result__snippet" href="x"><b>Leafcutter</b> ants carry pieces of leaves to their nest
    and grow a fungus on them.</a>
</div>
<div class="result results_links web-result">
  <h2 class="result__title"><a class="result__a" href="https://nest.example/">Nests</a></h2>
  <a class="result__snippet" href="x">A nest of leafcutter ants may house eight million ants, all of
    them daughters of one queen.</a>
</div>
</div></body></html>"#;

const FEED: &str = r#"{"results": [{"date": 1795376887, "title": "Ants in town",
    "source": "Hill", "url": "https://hill.example/",
    "excerpt": "Leafcutter ants were seen in the park on Friday."}]}"#;

/// A server that answers as `DuckDuckGo` does, and the first lines of what it was asked.
pub(crate) async fn server() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = asked.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = Vec::new();
            while !is_whole(&request) {
                stream.read_buf(&mut request).await.unwrap();
            }
            let request = String::from_utf8(request).unwrap();
            let path = request.split(' ').nth(1).unwrap();
            let body = match path.split('?').next().unwrap() {
                "/html/" => PAGE,
                "/news.js" => FEED,
                _ => "vqd=\"4-1\"",
            };
            let form = request.split("\r\n\r\n").nth(1).unwrap();
            seen.lock().unwrap().push(format!("{path} {form}"));
            let length = body.len();
            let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n");
            stream.write_all((head + body).as_bytes()).await.unwrap();
        }
    });
    (url, asked)
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
    body.len() >= length.map_or(0, |length| length.parse().unwrap())
}

#[derive(Debug)]
struct NoSuchCity;

impl fmt::Display for NoSuchCity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there is no such city")
    }
}

impl std::error::Error for NoSuchCity {}

/// Reads the weather in a city.
#[tool]
async fn weather(
    /// The query: the name of a city.
    query: String,
    fahrenheit: Option<bool>,
    cx: StepContext,
) -> Result<String, NoSuchCity> {
    cx.note("looking out of the window");
    match (query.as_str(), fahrenheit.unwrap_or_default()) {
        ("Bergen", false) => Ok("It rains in Bergen and has 10 degrees.".into()),
        _ => Err(NoSuchCity),
    }
}

#[tokio::test]
async fn a_function_is_a_tool() {
    let agent = Agent::builder("Adviser").model("offline").unwrap().tool(weather).build().unwrap();
    let workflow = Workflow::builder("Advice").step(agent).build().unwrap();
    let output = workflow.run("Bergen").await.unwrap();
    assert_eq!(output.content.text(), "It rains in Bergen and has 10 degrees.");
    assert!(weather::run("Oslo".into(), None, StepContext::detached("here")).await.is_err());
}

#[cfg(feature = "duckduckgo")]
#[tokio::test]
async fn the_keyless_model_searches_and_quotes_what_was_found() {
    let (url, asked) = server().await;
    let agent = Agent::builder("Researcher")
        .model("offline")
        .unwrap()
        .tool(DuckDuckGo::new().base_url(url).max_results(3))
        .instructions("Answer in 5 sentences.")
        .build()
        .unwrap();
    let workflow = Workflow::builder("Research").step(agent).build().unwrap();
    let output = workflow.run("Research leafcutter ants, and write a short report.").await.unwrap();
    let text = output.content.text();
    for found in [
        "Leafcutter ants carry pieces of leaves to their nest and grow a fungus on them.",
        "A nest of leafcutter ants may house eight million ants, all of them daughters of one queen.",
        "Leafcutter ants were seen in the park on Friday.",
    ] {
        assert!(text.contains(found), "{text}");
    }
    assert!(!text.contains("https://") && !text.contains("2026-11-22"), "{text}");
    let mut asked = asked.lock().unwrap().clone();
    asked.sort();
    assert_eq!(asked[1], "/html/ q=leafcutter+ants&b=&kl=&df=&kp=-1");
    assert_eq!(asked.len(), 3);
}

#[cfg(all(feature = "duckduckgo", feature = "file"))]
#[tokio::test]
async fn agents_in_files_search_too() {
    use stepwright::file::{Definition, Options};

    let (url, asked) = server().await;
    let text = format!(
        "format: 1
name: Research
model: offline
agents:
  researcher:
    tools:
      - duckduckgo: {{max_results: 1, region: no-no, timeout: 30s, base_url: '{url}'}}
steps:
  - agent: researcher
"
    );
    let definition = Definition::parse(&text, "research.yaml", &Options::default()).unwrap();
    let output = definition.build().unwrap().run("leafcutter ants").await.unwrap();
    let told = output.content.text();
    assert!(told.contains("grow a fungus") && !told.contains("eight million"), "{told}");
    let asked = asked.lock().unwrap().clone();
    assert!(asked.contains(&"/html/ q=leafcutter+ants&b=&kl=no-no&df=&kp=-1".to_owned()));
}
