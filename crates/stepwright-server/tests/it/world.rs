//! A server with workflows for tests.

use crate::client::Client;
use serde_json::{Value, json};
use std::net::TcpListener;
use std::sync::Arc;
use stepwright_core::{Error, HumanReview, Memory, Store};
use stepwright_engine::{Step, Workflow};
use stepwright_server::{Server, ServerBuilder};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A running server.
pub(crate) struct World {
    pub(crate) client: Client,
    /// A step `wait` of the workflow `slow` needs a permit.
    pub(crate) gate: Arc<Semaphore>,
    pub(crate) stop: CancellationToken,
    pub(crate) served: JoinHandle<Result<(), Error>>,
}

async fn first(text: String) -> String {
    format!("first {text}")
}

async fn last(text: String) -> String {
    format!("last {text}")
}

pub(crate) fn workflows(store: impl Store + Clone, gate: &Arc<Semaphore>) -> Vec<Workflow> {
    let plain = Workflow::builder("plain")
        .store(store.clone())
        .step(Step::new("first", first))
        .step(Step::new("last", last))
        .build()
        .unwrap();
    let gate = gate.clone();
    let wait = move |text: String| {
        let gate = gate.clone();
        async move {
            gate.acquire().await.unwrap().forget();
            format!("waited {text}")
        }
    };
    let slow = Workflow::builder("slow")
        .store(store.clone())
        .step(Step::new("first", first))
        .step(Step::new("wait", wait))
        .step(Step::new("last", last))
        .build()
        .unwrap();
    let asked = HumanReview::new().requires_confirmation("Publish it?");
    let asking = Workflow::builder("asking")
        .store(store)
        .step(Step::new("first", first))
        .step(Step::new("publish", last).human_review(asked))
        .build()
        .unwrap();
    vec![plain, slow, asking]
}

impl World {
    pub(crate) fn start() -> Self {
        Self::with(Memory::default(), |server| server)
    }

    pub(crate) fn with(
        store: impl Store + Clone,
        set: impl FnOnce(ServerBuilder) -> ServerBuilder,
    ) -> Self {
        let gate = Arc::new(Semaphore::new(0));
        let mut server = Server::builder().store(store.clone());
        for workflow in workflows(store, &gate) {
            server = server.workflow(&workflow);
        }
        let server = set(server).build().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = Client::new(listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        let served = tokio::spawn(server.serve(listener, stop.clone()));
        Self { client, gate, stop, served }
    }

    /// Starts a run, and returns its id.
    pub(crate) async fn run(&self, workflow: &str, more: Value) -> String {
        let mut body = json!({"input": "x"});
        for (name, value) in more.as_object().unwrap() {
            body[name] = value.clone();
        }
        let answer = self.client.post(&format!("/v1/workflows/{workflow}/runs"), body).await;
        assert_eq!(answer.status, 202, "{answer:?}");
        answer.json()["run_id"].as_str().unwrap().to_owned()
    }

    /// Follows a run to its end, and returns it.
    pub(crate) async fn ended(&self, run: &str) -> Value {
        let mut frames = self.client.stream(&format!("/v1/runs/{run}/events")).await;
        frames.rest().await;
        self.client.get(&format!("/v1/runs/{run}")).await.json()
    }

    /// Stops the server, which must end well.
    pub(crate) async fn end(self) {
        self.stop.cancel();
        self.served.await.unwrap().unwrap();
    }
}
