//! Notifications: requests to a receiver on loopback, of servers that live, die and share a store.

use crate::client::Client;
use crate::crash::Process;
use crate::world::World;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;
use stepwright_core::{HumanReview, Memory, Store};
use stepwright_engine::{Condition, Step, Workflow};
use stepwright_server::{Server, ServerBuilder};
use stepwright_store::{Postgres, Sqlite};
use stepwright_triggers::{Notification, Notifications};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_util::sync::CancellationToken;

/// The database of a server that is a process of its own, and the address that it notifies.
const DB: &str = "STEPWRIGHT_TEST_NOTIFIER_DB";
const TO: &str = "STEPWRIGHT_TEST_NOTIFIER_TO";

/// A receiver on loopback, with the requests that it gets.
struct Service {
    address: String,
    got: UnboundedReceiver<Got>,
}

#[derive(Debug)]
struct Got {
    id: String,
    body: Value,
}

impl Service {
    /// Starts a receiver with these answers, one for each connection, and 200 when there are no
    /// more. An empty answer is none: the connection stays open.
    fn start(answers: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}/hook", listener.local_addr().unwrap());
        let mut answers: Vec<String> = answers.iter().rev().map(|one| (*one).to_owned()).collect();
        let (send, got) = unbounded_channel();
        std::thread::spawn(move || {
            let mut open = Vec::new();
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let Some(one) = read(&mut stream) else { continue };
                let _ = send.send(one);
                let answer = answers.pop().unwrap_or_else(|| "200 OK".to_owned());
                if answer.is_empty() {
                    open.push(stream);
                    continue;
                }
                let whole =
                    format!("HTTP/1.1 {answer}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
                let _ = stream.write_all(whole.as_bytes());
            }
        });
        Self { address, got }
    }

    async fn next(&mut self) -> Got {
        self.got.recv().await.unwrap()
    }
}

fn read(stream: &mut std::net::TcpStream) -> Option<Got> {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let read = stream.read(&mut buffer).ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&buffer[..read]);
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name));
        if body.len() >= header("content-length: ")?.parse().ok()? {
            let id = header("webhook-id: ")?.to_owned();
            return Some(Got { id, body: serde_json::from_str(body).ok()? });
        }
    }
}

fn desk(to: &str) -> Notification {
    Notification::new("desk", to).unwrap().link_for("anna")
}

/// Adds a workflow `told` that asks if its input is `ask`, and fails if it is `fail`.
fn told(server: ServerBuilder, store: impl Store, desk: Notification) -> ServerBuilder {
    async fn write(text: String) -> Result<String, String> {
        if text == "fail" { Err("no paper".to_owned()) } else { Ok(text) }
    }
    let notifications = Notifications::new([desk]);
    let asked = HumanReview::new().requires_confirmation("Publish it?");
    let asked = Step::new("ask", |text: String| async move { text }).human_review(asked);
    let write = Step::new("write", write);
    let told = Workflow::builder("told")
        .store(store)
        .before_append(Arc::new(notifications.clone()))
        .step(write)
        .step(Condition::new("asks", |input| input.text() == "ask").then(asked))
        .build()
        .unwrap();
    server.workflow(&told).notifications(notifications)
}

async fn begin(client: &Client, input: &str, run: &str) {
    let new = json!({"input": input, "run_id": run});
    assert_eq!(client.post("/v1/workflows/told/runs", new).await.status, 202);
}

#[tokio::test]
async fn a_person_answers_a_pause_by_the_link_of_its_notification() {
    let mut service = Service::start(&[]);
    let memory = Memory::default();
    let world = World::with(memory.clone(), |server| told(server, memory, desk(&service.address)));
    begin(&world.client, "ask", "r-1").await;
    let paused = service.next().await.body;
    assert_eq!(paused["type"], "run.paused");
    let request = &paused["data"]["requests"][0];
    assert_eq!(request["message"], "Publish it?");
    let url = request["answer_url"].as_str().unwrap();
    let (_, path) = url.split_once("/v1/links/").unwrap();
    let path = format!("/v1/links/{path}");
    let page = world.client.get(&path).await;
    assert!(page.body.contains("Publish it?"), "{page:?}");
    let form = "application/x-www-form-urlencoded";
    let answered = world.client.post_text(&path, form, "decision=approve").await;
    assert_eq!(answered.status, 200, "{answered:?}");
    let completed = service.next().await.body;
    assert_eq!(completed["type"], "run.completed");
    assert_eq!(completed["data"]["run_id"], "r-1");
    let events = world.client.get("/v1/runs/r-1/events").await;
    assert!(events.body.contains("\"by\":\"anna\""), "{events:?}");
    world.end().await;
}

#[tokio::test]
async fn dead_deliveries_are_listed_and_sent_again() {
    let mut service = Service::start(&["410 Gone"]);
    let memory = Memory::default();
    let world = World::with(memory.clone(), |server| told(server, memory, desk(&service.address)));
    begin(&world.client, "fail", "r-1").await;
    let first = service.next().await;
    assert_eq!(first.body["type"], "run.failed");
    let dead = loop {
        let listed = world.client.get("/v1/deliveries").await.json();
        if listed["total"] == 1 {
            break listed["deliveries"][0].clone();
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(dead["id"], first.id);
    assert_eq!(dead["error"], "the receiver answered 410: it is gone");
    assert_eq!((&dead["state"], &dead["event"]), (&json!("dead"), &json!("failed")));
    let unknown = world.client.post("/v1/deliveries/msg_0/redeliver", json!({})).await;
    assert_eq!((unknown.status.as_u16(), &unknown.json()["code"]), (404, &json!("SW0739")));
    assert_eq!(world.client.get("/v1/deliveries?state=lost").await.status, 400);
    let path = format!("/v1/deliveries/{}/redeliver", first.id);
    let again = world.client.post(&path, json!({})).await;
    assert_eq!((again.status.as_u16(), &again.json()["state"]), (202, &json!("pending")));
    assert_eq!(service.next().await.id, first.id);
    assert_eq!(world.client.get("/v1/deliveries").await.json()["total"], 0);
    world.end().await;
}

/// Serves in this process, if a test of this file has started it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_of_a_notifying_test() {
    let (Some(db), Ok(to)) = (std::env::var_os(DB), std::env::var(TO)) else { return };
    let store = Sqlite::open(db).await.unwrap();
    // Another server takes over soon.
    let desk = desk(&to).timeout(Duration::from_secs(1)).unwrap();
    let server = told(Server::builder().store(store.clone()), store, desk);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    writeln!(std::io::stdout(), "\nlistening {}", listener.local_addr().unwrap()).unwrap();
    server.build().unwrap().serve(listener, CancellationToken::new()).await.unwrap();
}

#[tokio::test]
async fn a_delivery_of_a_killed_server_is_sent_by_the_next_one() {
    let mut service = Service::start(&[""]);
    let folder = tempfile::tempdir().unwrap();
    let start = || {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "notifying::child_of_a_notifying_test", "--nocapture"])
            .env(DB, folder.path().join("runs.db"))
            .env(TO, &service.address)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let process = Process(child);
        let address = lines.find_map(|line| {
            line.unwrap().strip_prefix("listening ").map(|address| address.parse().unwrap())
        });
        (process, Client::new(address.unwrap()))
    };
    let (killed, client) = start();
    begin(&client, "x", "r-1").await;
    // The receiver has the request, and does not answer. The process dies by SIGKILL.
    let first = service.got.recv().await.unwrap();
    drop(killed);
    let (_next, client) = start();
    let again = service.got.recv().await.unwrap();
    assert_eq!((&again.id, &again.body), (&first.id, &first.body));
    while client.get("/v1/deliveries?state=pending").await.json()["total"] != 0 {
        tokio::task::yield_now().await;
    }
    assert!(service.got.try_recv().is_err(), "it has arrived");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_on_one_postgresql_send_each_delivery_once() {
    const RUNS: usize = 20;
    let Some(database) = stepwright_testing::postgres::Server::start() else { return };
    let address = database.database();
    let mut service = Service::start(&[]);
    let mut worlds = Vec::new();
    for _ in 0..2 {
        let store = Postgres::connect(&address).await.unwrap();
        worlds
            .push(World::with(store.clone(), |server| told(server, store, desk(&service.address))));
    }
    for nth in 0..RUNS {
        begin(&worlds[nth % 2].client, "x", &format!("r-{nth}")).await;
    }
    let mut ids = Vec::new();
    while ids.len() < RUNS {
        ids.push(service.next().await.id);
    }
    while worlds[0].client.get("/v1/deliveries?state=pending").await.json()["total"] != 0 {
        tokio::task::yield_now().await;
    }
    for world in worlds {
        world.end().await;
    }
    assert!(service.got.try_recv().is_err(), "each was sent once");
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), RUNS);
}
