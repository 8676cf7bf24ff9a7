//! `http_get`, against a server in this process.

use crate::runs::{fails, gives};
use serde_json::json;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;

/// Answers every request with this, as often as it is asked.
fn server(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    address
}

fn file(address: &str, more: &str) -> String {
    format!("  - {{name: page, http_get: {{url: \"{address}/{{{{ input }}}}\"{more}}}}}\n")
}

#[tokio::test]
async fn text_is_text_and_json_is_a_value() {
    let text = server("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello");
    gives(&file(&text, ""), json!("x"), json!("hello")).await;
    let value = server(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: \
         7\r\nConnection: close\r\n\r\n{\"a\":1}",
    );
    gives(&file(&value, ""), json!("x"), json!({"a": 1})).await;
}

#[tokio::test]
async fn what_goes_wrong_is_told() {
    let none = server("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    let error = fails(&file(&none, ""), json!("x")).await;
    assert!(error.to_string().ends_with("answered 404 Not Found"), "{error}");
    let long = server("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello");
    let error = fails(&file(&long, ", max_bytes: 4"), json!("x")).await;
    assert!(error.to_string().ends_with("has more than 4 bytes"), "{error}");
    assert_eq!(error.hint(), Some("raise `max_bytes`, or ask for less"));
    let error = fails("  - {name: page, http_get: \"{{ input }}\"}\n", json!("file:///etc")).await;
    assert!(error.to_string().contains("is no address that begins with `https://`"), "{error}");
}
