//! One client serves every runtime of a process, and outlives each of them.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::thread;
use stepwright_core::message::Message;
use stepwright_core::model::ModelRequest;
use stepwright_models::Provider;

/// Answers every request of a connection with a hello, and keeps the connection open.
fn serve(mut stream: TcpStream) {
    let body = "data: {\"choices\":[{\"delta\":{\"content\":\"hello\"}}]}\n\n\
        data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    let mut seen = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut buffer) {
        seen.extend_from_slice(&buffer[..read]);
        // The request is one JSON object, and its end is the end of the request.
        if !seen.ends_with(b"\"stream\":true}") {
            continue;
        }
        seen.clear();
        let length = body.len();
        let head = format!("content-type: text/event-stream\r\ncontent-length: {length}\r\n\r\n");
        write!(stream, "HTTP/1.1 200 OK\r\n{head}{body}").unwrap();
    }
}

#[test]
fn a_connection_does_not_outlive_its_runtime_and_nobody_notices() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            thread::spawn(|| serve(stream.unwrap()));
        }
    });
    let provider = Provider::named("openai-chat").unwrap().base_url(format!("http://{address}"));
    let model = provider.model("any").unwrap();
    for _ in 0..5 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        // Twice in one runtime: the second request finds the connection of the first.
        for _ in 0..2 {
            let messages = vec![Message::user("hi")];
            let request = ModelRequest { messages, ..ModelRequest::default() };
            let answer = runtime.block_on(model.complete(request)).unwrap();
            assert_eq!(answer.turn.text(), "hello");
        }
    }
}
