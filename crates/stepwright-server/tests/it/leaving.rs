//! Clients that leave, servers that stop, and runs that are refused before their stream begins.

use crate::keys::key;
use crate::world::World;
use serde_json::json;
use std::sync::Arc;
use stepwright_core::{HumanReview, Memory};
use stepwright_engine::{Step, Workflow};
use stepwright_server::{ApiKeys, Role};
use tokio::sync::Semaphore;

const FORM: &str = "application/x-www-form-urlencoded";

/// Waits until the only open connection is the one that asks.
async fn all_others_left(world: &World) {
    loop {
        let metrics = world.client.get("/v1/metrics").await.body;
        if metrics.lines().any(|line| line == "stepwright_http_connections 1") {
            return;
        }
        tokio::task::yield_now().await;
    }
}

/// Waits until a run is stored and has completed its first step.
async fn begun(world: &World, run: &str) {
    let path = format!("/v1/runs/{run}/events");
    loop {
        let mut frames = world.client.stream(&path).await;
        if frames.status == 200 {
            frames.until("StepCompleted").await;
            return;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_refused_run_is_refused_before_its_stream_begins() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    let world = World::with(Memory::default(), |server| server.keys(&path));
    let keys = ApiKeys::in_file(&path);
    let owner = world.client.with_key(&key(&keys, Role::Admin, None));
    let form = "message=x&run_id=r-1&session_id=s-1";
    let first = owner.post_text("/workflows/plain/runs", FORM, form).await;
    assert_eq!(first.status, 200, "{first:?}");
    for more in ["", "&stream=false", "&background=true", "&background=true&stream=false"] {
        let form = format!("message=x&run_id=r-1{more}");
        let again = owner.post_text("/workflows/plain/runs", FORM, form).await;
        assert_eq!(again.status, 409, "{more}: {again:?}");
        let detail = again.json()["detail"].to_string();
        assert!(detail.contains("there is a run `r-1` already"), "{detail}");
    }
    let anna = world.client.with_key(&key(&keys, Role::Operator, Some("anna")));
    let form = "message=x&run_id=r-2";
    let foreign = anna.post_text("/workflows/plain/runs", FORM, form).await;
    assert_eq!(foreign.status, 400, "{foreign:?}");
    assert!(foreign.json()["detail"].is_string());
    let mut chat = json!({"model": "plain", "messages": [{"role": "user", "content": "x"}]});
    chat["stream"] = json!(true);
    chat["metadata"] = json!({"run_id": "r-1"});
    let chat = owner.post("/v1/chat/completions", chat).await;
    assert_eq!((chat.status.as_u16(), &chat.json()["error"]["code"]), (409, &json!("SW0715")));
    world.end().await;
}

#[tokio::test]
async fn a_client_that_leaves_a_stream_cancels_its_run() {
    let world = World::start();
    let form = "message=x&run_id=r-1";
    let mut frames = world.client.stream_of("/workflows/slow/runs", FORM, form).await;
    frames.until("StepCompleted").await;
    drop(frames);
    assert_eq!(world.ended("r-1").await["run"]["status"], "CANCELLED");
    let chat = json!({
        "model": "slow", "messages": [{"role": "user", "content": "x"}], "stream": true,
        "metadata": {"run_id": "r-2"},
    });
    let media = "application/json";
    let frames = world.client.stream_of("/v1/chat/completions", media, &chat.to_string()).await;
    begun(&world, "r-2").await;
    drop(frames);
    assert_eq!(world.ended("r-2").await["run"]["status"], "CANCELLED");
    world.end().await;
}

#[tokio::test]
async fn a_client_that_leaves_a_background_stream_or_a_whole_answer_cancels_nothing() {
    let world = World::start();
    let form = "message=x&run_id=r-1&background=true";
    let mut frames = world.client.stream_of("/workflows/slow/runs", FORM, form).await;
    frames.until("StepCompleted").await;
    drop(frames);
    let client = world.client.clone();
    let form = "message=x&run_id=r-2&stream=false";
    let whole =
        tokio::spawn(async move { client.post_text("/workflows/slow/runs", FORM, form).await });
    begun(&world, "r-2").await;
    whole.abort();
    all_others_left(&world).await;
    world.gate.add_permits(2);
    for run in ["r-1", "r-2"] {
        assert_eq!(world.ended(run).await["run"]["status"], "COMPLETED", "{run}");
    }
    world.end().await;
}

#[tokio::test]
async fn a_client_that_leaves_a_continued_run_does_not_cancel_it() {
    let gate = Arc::new(Semaphore::new(0));
    let memory = Memory::default();
    let waiting = gate.clone();
    let publish = move |text: String| {
        let gate = waiting.clone();
        async move {
            gate.acquire().await.unwrap().forget();
            text
        }
    };
    let asked = HumanReview::new().requires_confirmation("Publish it?");
    let workflow = Workflow::builder("gated")
        .store(memory.clone())
        .step(Step::new("publish", publish).human_review(asked))
        .build()
        .unwrap();
    let world = World::with(memory, |server| server.workflow(&workflow));
    for (run, stream) in [("r-1", true), ("r-2", false)] {
        let form = format!("message=x&run_id={run}&stream=false");
        let mut paused = world.client.post_text("/workflows/gated/runs", FORM, form).await.json();
        paused["step_requirements"][0]["confirmed"] = json!(true);
        let body = json!({"step_requirements": paused["step_requirements"], "stream": stream});
        let path = format!("/workflows/gated/runs/{run}/continue");
        let client = world.client.clone();
        if stream {
            let media = "application/json";
            let mut frames = client.stream_of(&path, media, &body.to_string()).await;
            frames.until("StepContinued").await;
        } else {
            let whole = tokio::spawn(async move { client.post(&path, body).await });
            let mut events = world.client.stream(&format!("/v1/runs/{run}/events")).await;
            events.until("StepContinued").await;
            whole.abort();
        }
        all_others_left(&world).await;
        gate.add_permits(1);
        assert_eq!(world.ended(run).await["run"]["status"], "COMPLETED", "{run}");
    }
    world.end().await;
}

#[tokio::test]
async fn a_server_that_stops_leaves_streamed_runs_to_the_next_one() {
    let memory = Memory::default();
    let world = World::with(memory.clone(), |server| server);
    let form = "message=x&run_id=r-1";
    let mut streamed = world.client.stream_of("/workflows/slow/runs", FORM, form).await;
    streamed.until("StepCompleted").await;
    let chat = json!({
        "model": "slow", "messages": [{"role": "user", "content": "x"}], "stream": true,
        "metadata": {"run_id": "r-2"},
    });
    let media = "application/json";
    let chat = world.client.stream_of("/v1/chat/completions", media, &chat.to_string()).await;
    begun(&world, "r-2").await;
    world.stop.cancel();
    streamed.rest().await;
    world.end().await;
    drop(chat);
    let next = World::with(memory, |server| server);
    next.gate.add_permits(2);
    for run in ["r-1", "r-2"] {
        assert_eq!(next.ended(run).await["run"]["status"], "COMPLETED", "{run}");
    }
    next.end().await;
}
