//! The WebSocket of `AgentOS`.

use crate::client::Client;
use crate::world::World;
use http::Method;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use stepwright_core::Memory;
use stepwright_server::{ApiKeys, NewKey, Role, SOCKET_RUNS_MAX};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// A socket that sends and receives texts.
struct Socket(TokioIo<Upgraded>);

impl Socket {
    async fn open(client: &Client) -> Self {
        let client = client.with("connection", "upgrade").with("upgrade", "websocket");
        let client = client.with("sec-websocket-version", "13");
        let client = client.with("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        let answer = client.send(Method::GET, "/workflows/ws", "").await;
        assert_eq!(answer.status(), 101);
        Self(TokioIo::new(hyper::upgrade::on(answer).await.unwrap()))
    }

    async fn send(&mut self, command: Value) {
        let text = command.to_string();
        let length = u16::try_from(text.len()).unwrap();
        // A text with a mask of zeros.
        let mut frame = vec![0x81, 0x80 | 0x7e];
        frame.extend(length.to_be_bytes());
        frame.extend([0; 4]);
        frame.extend(text.as_bytes());
        self.0.write_all(&frame).await.unwrap();
    }

    async fn receive(&mut self) -> String {
        let [kind, length] = [self.0.read_u8().await.unwrap(), self.0.read_u8().await.unwrap()];
        assert_eq!(kind, 0x81, "a text");
        let length = match length {
            126 => usize::from(self.0.read_u16().await.unwrap()),
            127 => usize::try_from(self.0.read_u64().await.unwrap()).unwrap(),
            short => usize::from(short),
        };
        let mut text = vec![0; length];
        self.0.read_exact(&mut text).await.unwrap();
        String::from_utf8(text).unwrap()
    }

    /// Receives frames up to one with this text.
    async fn until(&mut self, part: &str) -> String {
        loop {
            let frame = self.receive().await;
            if frame.contains(part) {
                return frame;
            }
        }
    }
}

#[tokio::test]
async fn a_key_that_is_revoked_ends_with_the_next_command() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    let keys = ApiKeys::in_file(&path);
    let world = World::with(Memory::default(), |server| server.keys(&path));
    let new = || NewKey { name: "k".into(), role: Role::Admin, user: None, expires_at: None };
    let (made, secret) = keys.create(new()).unwrap();
    let (_, other) = keys.create(new()).unwrap();
    let other = world.client.with_key(&other);
    let mut open = Socket::open(&world.client).await;
    open.until("requires_auth").await;
    let open_streams = async || other.get("/v1/metrics").await.body;
    assert!(open_streams().await.contains("stepwright_streams_open 0"), "it has shown no key");
    open.send(json!({"action": "authenticate", "token": &secret})).await;
    open.until("Authentication successful").await;
    assert!(open_streams().await.contains("stepwright_streams_open 1"));
    let mut keyed = Socket::open(&world.client.with_key(&secret)).await;
    keyed.until("connected").await;
    let start = json!({"action": "start-workflow", "workflow_id": "plain", "message": "x"});
    for socket in [&mut open, &mut keyed] {
        socket.send(start.clone()).await;
        socket.until("WorkflowCompleted").await;
    }
    assert!(keys.revoke(&made.id).unwrap());
    for socket in [&mut open, &mut keyed] {
        socket.send(start.clone()).await;
        let refused = socket.receive().await;
        assert!(refused.contains("auth_required"), "{refused}");
    }
    let runs = other.get("/v1/runs?workflow=plain").await.json();
    assert_eq!(runs["runs"].as_array().unwrap().len(), 2);
    world.end().await;
}

#[tokio::test]
async fn a_run_that_cannot_be_followed_does_not_begin() {
    let world = World::start();
    let mut socket = Socket::open(&world.client).await;
    let start = json!({"action": "start-workflow", "workflow_id": "slow", "message": "x"});
    for _ in 0..SOCKET_RUNS_MAX {
        socket.send(start.clone()).await;
    }
    socket.send(start).await;
    let refused = socket.until("too many runs").await;
    assert!(refused.contains("the limit is 32"), "{refused}");
    let runs = world.client.get("/v1/runs?workflow=slow&limit=200").await.json();
    assert_eq!(runs["runs"].as_array().unwrap().len(), SOCKET_RUNS_MAX);
    world.end().await;
}
