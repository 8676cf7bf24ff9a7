//! A client of one request a connection.

use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::net::SocketAddr;
use tokio::net::TcpStream;

/// A client of a server, perhaps with a key.
#[derive(Clone)]
pub(crate) struct Client {
    address: SocketAddr,
    headers: Vec<(String, String)>,
}

/// An answer that has arrived whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: String,
}

/// A stream of events that is read frame by frame.
pub(crate) struct Frames {
    pub(crate) status: StatusCode,
    body: Incoming,
    text: String,
}

/// A frame of a stream.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Frame {
    pub(crate) event: String,
    pub(crate) id: Option<String>,
    pub(crate) data: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }
}

impl Client {
    pub(crate) fn new(address: SocketAddr) -> Self {
        Self { address, headers: Vec::new() }
    }

    /// Returns a client that sends this header too.
    pub(crate) fn with(&self, name: &str, value: impl Into<String>) -> Self {
        let mut client = self.clone();
        client.headers.push((name.to_owned(), value.into()));
        client
    }

    /// Returns a client that does not send this header.
    pub(crate) fn without(&self, name: &str) -> Self {
        let mut client = self.clone();
        client.headers.retain(|(header, _)| header != name);
        client
    }

    pub(crate) fn with_key(&self, key: &str) -> Self {
        self.with("authorization", format!("Bearer {key}"))
    }

    /// Sends a request, and returns the answer with its body to come.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        body: impl Into<Bytes>,
    ) -> http::Response<Incoming> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection.with_upgrades());
        let mut request = Request::builder().method(method).uri(path);
        if !self.headers.iter().any(|(name, _)| name == "host") {
            request = request.header(header::HOST, self.address.to_string());
        }
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        sender.send_request(request.body(Full::new(body.into())).unwrap()).await.unwrap()
    }

    async fn whole(&self, method: Method, path: &str, body: impl Into<Bytes>) -> Answer {
        let answer = self.send(method, path, body).await;
        let (status, headers) = (answer.status(), answer.headers().clone());
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        Answer { status, headers, body: String::from_utf8(body.into()).unwrap() }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.whole(Method::GET, path, Bytes::new()).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        let client = self.with("content-type", "application/json");
        client.whole(Method::POST, path, body.to_string()).await
    }

    pub(crate) async fn post_text(
        &self,
        path: &str,
        media: &str,
        body: impl Into<Bytes>,
    ) -> Answer {
        self.with("content-type", media).whole(Method::POST, path, body).await
    }

    /// Opens a stream of events.
    pub(crate) async fn stream(&self, path: &str) -> Frames {
        let client = self.with("accept", "text/event-stream");
        Frames::of(client.send(Method::GET, path, Bytes::new()).await)
    }

    /// Opens the stream of events that answers a body.
    pub(crate) async fn stream_of(&self, path: &str, media: &str, body: &str) -> Frames {
        let client = self.with("content-type", media);
        Frames::of(client.send(Method::POST, path, body.to_owned()).await)
    }
}

impl Frames {
    fn of(answer: http::Response<Incoming>) -> Self {
        Self { status: answer.status(), body: answer.into_body(), text: String::new() }
    }

    /// Reads the next frame with an event.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        loop {
            while let Some((frame, rest)) = self.text.split_once("\n\n") {
                let (frame, rest) = (frame.to_owned(), rest.to_owned());
                self.text = rest;
                let mut parsed = Frame::default();
                for line in frame.lines() {
                    match line.split_once(": ") {
                        Some(("event", name)) => name.clone_into(&mut parsed.event),
                        Some(("id", id)) => parsed.id = Some(id.to_owned()),
                        Some(("data", data)) => data.clone_into(&mut parsed.data),
                        _ => {}
                    }
                }
                if !parsed.event.is_empty() {
                    return Some(parsed);
                }
            }
            let piece = self.body.frame().await?.ok()?.into_data().ok()?;
            self.text.push_str(core::str::from_utf8(&piece).unwrap());
        }
    }

    /// Reads until an event of this name.
    pub(crate) async fn until(&mut self, name: &str) -> Vec<Frame> {
        let mut all = Vec::new();
        while let Some(frame) = self.next().await {
            let is_it = frame.event == name;
            all.push(frame);
            if is_it {
                return all;
            }
        }
        panic!("the stream ended without `{name}`: {all:?}");
    }

    /// Reads to the end.
    pub(crate) async fn rest(&mut self) -> Vec<Frame> {
        let mut all = Vec::new();
        while let Some(frame) = self.next().await {
            all.push(frame);
        }
        all
    }
}
