//! A server that is killed, and the next one on the same file.

use crate::client::Client;
use crate::world::{World, workflows};
use serde_json::json;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use stepwright_server::Server;
use stepwright_store::Sqlite;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// The database of a server that is a process of its own.
const DB: &str = "STEPWRIGHT_TEST_SERVER_DB";
/// The permits of its gate.
const PERMITS: &str = "STEPWRIGHT_TEST_SERVER_PERMITS";

/// The process of a server, which a failing test must not leave behind.
pub(crate) struct Process(pub(crate) Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Serves in this process, if a test of this file has started it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child_of_a_test() {
    let Some(db) = std::env::var_os(DB) else { return };
    let permits = std::env::var(PERMITS).unwrap().parse().unwrap();
    let store = Sqlite::open(db).await.unwrap();
    let gate = Arc::new(Semaphore::new(permits));
    let mut server = Server::builder().store(store.clone());
    for workflow in workflows(store, &gate) {
        server = server.workflow(&workflow);
    }
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    writeln!(std::io::stdout(), "\nlistening {}", listener.local_addr().unwrap()).unwrap();
    server.build().unwrap().serve(listener, CancellationToken::new()).await.unwrap();
}

fn server(db: &Path, permits: usize) -> (Process, Client) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::child_of_a_test", "--nocapture"])
        .env(DB, db)
        .env(PERMITS, permits.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let process = Process(child);
    for line in lines {
        if let Some(address) = line.unwrap().strip_prefix("listening ") {
            return (process, Client::new(address.parse().unwrap()));
        }
    }
    panic!("the server did not begin to listen");
}

#[tokio::test]
async fn a_run_of_a_killed_server_goes_on_in_the_next_one() {
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("runs.db");
    let (mut killed, client) = server(&db, 0);
    let new = json!({"input": "x", "run_id": "r-1"});
    assert_eq!(client.post("/v1/workflows/slow/runs", new).await.status, 202);
    // A run that a client of AgentOS reads as it goes.
    let (form, media) = ("message=x&run_id=r-2", "application/x-www-form-urlencoded");
    let mut streamed = client.stream_of("/workflows/slow/runs", media, form).await;
    streamed.until("StepCompleted").await;
    let mut frames = client.stream("/v1/runs/r-1/events").await;
    let seen = frames.until("StepCompleted").await;
    killed.0.kill().unwrap();
    killed.0.wait().unwrap();

    let (_next, client) = server(&db, 2);
    let last = seen.iter().rev().find_map(|frame| frame.id.clone()).unwrap();
    let rest = client.with("last-event-id", last).stream("/v1/runs/r-1/events").await.rest().await;
    assert_eq!(rest.last().unwrap().event, "WorkflowCompleted");
    client.stream("/v1/runs/r-2/events").await.until("WorkflowCompleted").await;
    let run = client.get("/v1/runs/r-1").await.json();
    assert_eq!(run["output"]["content"], "last waited first x");
    let events = client.get("/v1/runs/r-1/events").await.json();
    let events = events["events"].as_array().unwrap();
    let firsts =
        events.iter().filter(|event| event["path"] == "first" && event["event"] == "StepCompleted");
    assert_eq!(firsts.count(), 1, "a completed step does not run again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_id_that_two_servers_take_at_once_is_a_conflict() {
    let folder = tempfile::tempdir().unwrap();
    let db = folder.path().join("runs.db");
    let worlds = [
        World::with(Sqlite::open(&db).await.unwrap(), |server| server),
        World::with(Sqlite::open(&db).await.unwrap(), |server| server),
    ];
    for nth in 0..20 {
        let starts = worlds.iter().map(|world| {
            let new = json!({"input": "x", "run_id": format!("r-{nth}")});
            let client = world.client.clone();
            tokio::spawn(async move { client.post("/v1/workflows/plain/runs", new).await })
        });
        let mut statuses = Vec::new();
        for start in starts.collect::<Vec<_>>() {
            statuses.push(start.await.unwrap().status.as_u16());
        }
        statuses.sort_unstable();
        assert_eq!(statuses, [202, 409], "{nth}");
    }
    for world in worlds {
        world.end().await;
    }
}
