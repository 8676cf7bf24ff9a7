//! Embeddings by a server with the API of OpenAI.

use serde_json::{Value, json};
use std::net::SocketAddr;
use stepwright_core::ErrorId;
use stepwright_knowledge::{Embedder as _, OpenAiEmbedder};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// Answers one request, and returns its head and body.
async fn serve(
    status: &'static str,
    body: String,
) -> (SocketAddr, tokio::task::JoinHandle<(String, Value)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let served = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut read = Vec::new();
        let (head, asked) = loop {
            let mut buffer = [0; 4096];
            let n = socket.read(&mut buffer).await.unwrap();
            read.extend_from_slice(&buffer[..n]);
            let text = String::from_utf8_lossy(&read).into_owned();
            if let Some((head, body)) = text.split_once("\r\n\r\n")
                && let Ok(asked) = serde_json::from_str(body)
            {
                break (head.to_owned(), asked);
            }
        };
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        );
        socket.write_all(answer.as_bytes()).await.unwrap();
        (head, asked)
    });
    (address, served)
}

#[tokio::test]
async fn texts_are_sent_and_vectors_are_taken_by_their_index() {
    let body = json!({"data": [
        {"index": 1, "embedding": [0.0, 2.0]},
        {"index": 0, "embedding": [1.0, 0.0]},
    ]});
    let (address, served) = serve("200 OK", body.to_string()).await;
    let embedder = OpenAiEmbedder::new(format!("http://{address}/v1/"), "small").unwrap();
    let embedder = embedder.key("sk-secret");
    assert!(!format!("{embedder:?}").contains("sk-secret"));
    let texts = ["a".to_owned(), "b".to_owned()];
    let vectors = embedder.embed(&texts).await.unwrap();
    assert_eq!(vectors, [vec![1.0, 0.0], vec![0.0, 2.0]]);
    let (head, asked) = served.await.unwrap();
    assert!(head.starts_with("POST /v1/embeddings HTTP/1.1"), "{head}");
    assert!(head.to_lowercase().contains("authorization: bearer sk-secret"), "{head}");
    assert_eq!(asked, json!({"model": "small", "input": ["a", "b"]}));
}

#[tokio::test]
async fn failures_of_a_server_have_their_codes() {
    for (status, body, id) in [
        ("401 Unauthorized", "no key", ErrorId::MODEL_KEY_REFUSED),
        ("429 Too Many Requests", "slow down", ErrorId::MODEL_RATE_LIMITED),
        ("503 Service Unavailable", "busy", ErrorId::MODEL_OVERLOADED),
        ("404 Not Found", "no model", ErrorId::MODEL_REQUEST_INVALID),
        ("200 OK", "<html>", ErrorId::MODEL_ANSWER_MALFORMED),
        (
            "200 OK",
            r#"{"data": [{"index": 7, "embedding": [1.0]}]}"#,
            ErrorId::MODEL_ANSWER_MALFORMED,
        ),
    ] {
        let (address, _served) = serve(status, body.to_owned()).await;
        let embedder = OpenAiEmbedder::new(format!("http://{address}"), "small").unwrap();
        let error = embedder.embed(&["a".to_owned()]).await.unwrap_err();
        let error = stepwright_core::Error::from(error);
        assert_eq!(error.id(), id, "{status}: {error}");
        assert!(error.to_string().contains("`small`"), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unreachable() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let embedder = OpenAiEmbedder::new(format!("http://{address}"), "small").unwrap();
    let error = embedder.embed(&["a".to_owned()]).await.unwrap_err();
    assert_eq!(stepwright_core::Error::from(error).id(), ErrorId::MODEL_UNREACHABLE);
    let error = OpenAiEmbedder::new("localhost:1", "small").unwrap_err();
    assert_eq!(error.id(), ErrorId::HTTP_ADDRESS_REFUSED);
}
