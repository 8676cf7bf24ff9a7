//! An HTTP server as small as it can be.

use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// The server's reaction to a request.
#[derive(Clone)]
pub(crate) enum Answer {
    /// Answers with a number, more lines of the head, and a body.
    Give(u16, &'static str, String),
    /// Never answers.
    Silence,
    /// Gives a body without an end.
    Endless,
    /// Promises more than it gives, and hangs up.
    Half,
}

impl Answer {
    pub(crate) fn ok(body: impl Into<String>) -> Self {
        Self::Give(200, "content-type: text/html; charset=UTF-8\r\n", body.into())
    }
}

pub(crate) struct Server {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Server {
    /// A server that answers by the path, without what follows a `?`; with 404 where there is none.
    pub(crate) async fn of(answers: impl IntoIterator<Item = (&'static str, Answer)>) -> Self {
        let answers: Arc<Vec<(&str, Answer)>> = Arc::new(answers.into_iter().collect());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = asked.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, answers.clone(), seen.clone()));
            }
        });
        Self { url, asked, task }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The requests so far: head and body.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    mut stream: TcpStream,
    answers: Arc<Vec<(&str, Answer)>>,
    asked: Arc<Mutex<Vec<String>>>,
) {
    let mut request = String::new();
    let mut buffer = [0; 4096];
    while !is_whole(&request) {
        match stream.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(read) => request.push_str(&String::from_utf8_lossy(&buffer[..read])),
        }
    }
    let path = request.split(' ').nth(1).unwrap().split('?').next().unwrap().to_owned();
    asked.lock().unwrap().push(request);
    let missing = Answer::Give(404, "", String::new());
    let answer =
        answers.iter().find(|(place, _)| *place == path).map_or(missing, |(_, a)| a.clone());
    let text = match answer {
        Answer::Give(status, head, body) => {
            let length = body.len();
            format!("HTTP/1.1 {status} Status\r\n{head}content-length: {length}\r\n\r\n{body}")
        }
        Answer::Endless => {
            let head = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n";
            let mut sent = stream.write_all(head.as_bytes()).await;
            while sent.is_ok() {
                sent = stream.write_all(&[b'a'; 8_192]).await;
            }
            return;
        }
        Answer::Half => "HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n<html>".to_owned(),
        Answer::Silence => {
            // Until the other side has had enough.
            while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
            return;
        }
    };
    // A client that refuses to read to the end hangs up.
    let _ = stream.write_all(text.as_bytes()).await;
    let _ = stream.shutdown().await;
}

fn is_whole(request: &str) -> bool {
    let Some((head, body)) = request.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().unwrap())
    });
    body.len() >= length.unwrap_or(0)
}
