//! Schedules and webhooks over HTTP.

use crate::keys::key;
use crate::world::World;
use axum::body::Body;
use http::Request;
use http_body_util::BodyExt as _;
use serde_json::json;
use std::time::Duration;
use stepwright_core::Memory;
use stepwright_engine::Workflow;
use stepwright_server::{ApiKeys, HOOK_BODY_BYTES_MAX, Role, Server, ServerBuilder};
use stepwright_triggers::{Schedule, Signature, Timetable, Webhook};
use tokio_util::sync::CancellationToken;

const SECRET: &str = concat!("It's a Secret to Every", "body");

/// The signature of `Hello, World!`.
const SIGNED: &str = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";

/// Adds a workflow `news` with a schedule that does not come during a test, and two webhooks.
fn news(server: ServerBuilder, store: &Memory) -> ServerBuilder {
    async fn told(input: String) -> String {
        format!("news of {input}")
    }
    let news = Workflow::builder("news").store(store.clone()).step(told).build().unwrap();
    let yearly = Timetable::every(Duration::from_hours(24 * 366)).unwrap();
    let signed = Webhook::new("signed").unwrap().signed(Signature::GitHub, SECRET);
    server
        .workflow(&news)
        .schedule(Schedule::new("yearly", yearly).unwrap().input("the year"))
        .webhook(Webhook::new("open").unwrap())
        .webhook(signed)
}

fn world() -> World {
    let memory = Memory::default();
    World::with(memory.clone(), |server| news(server, &memory))
}

/// Returns the path of the address of a webhook.
async fn path(world: &World, webhook: &str) -> String {
    let made = world.client.post(&format!("/v1/webhooks/{webhook}/token"), json!({})).await;
    assert_eq!(made.status, 200, "{made:?}");
    made.json()["path"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_schedule_is_listed_paused_resumed_and_run() {
    let world = world();
    let client = &world.client;
    let listed = client.get("/v1/schedules").await.json();
    let yearly = &listed["schedules"][0];
    assert_eq!(yearly["id"], "news.yearly");
    assert_eq!(yearly["timetable"], "every 366d");
    assert_eq!(yearly["next"].as_array().unwrap().len(), 5);
    assert_eq!(yearly["last"], json!(null));
    let paused = client.post("/v1/schedules/news.yearly/pause", json!({})).await.json();
    assert_eq!((&paused["paused"], &paused["next"]), (&json!(true), &json!([])));
    let run = client.post("/v1/schedules/news.yearly/run", json!({})).await;
    assert_eq!(run.status, 202, "{run:?}");
    let run = run.json()["run_id"].as_str().unwrap().to_owned();
    assert_eq!(world.ended(&run).await["output"]["content"], "news of the year");
    let resumed = client.post("/v1/schedules/news.yearly/resume", json!({})).await.json();
    assert_eq!(resumed["paused"], json!(false));
    assert_eq!(resumed["last"]["run_id"], run.as_str());
    for verb in ["pause", "resume", "run"] {
        let unknown = client.post(&format!("/v1/schedules/news.daily/{verb}"), json!({})).await;
        assert_eq!(unknown.status, 404, "{verb}");
    }
    world.end().await;
}

#[tokio::test]
async fn a_webhook_begins_a_run_once() {
    let world = world();
    let path = path(&world, "news.open").await;
    let client = world.client.with("idempotency-key", "1");
    let begun = client.post(&path, json!("bees")).await;
    assert_eq!((begun.status.as_u16(), &begun.json()["status"]), (202, &json!("begun")));
    let run = begun.json()["run_id"].as_str().unwrap().to_owned();
    assert_eq!(world.ended(&run).await["output"]["content"], "news of bees");
    let again = client.post(&path, json!("bees")).await;
    assert_eq!((again.status.as_u16(), &again.json()["status"]), (200, &json!("duplicate")));
    assert_eq!(again.json()["run_id"], run.as_str());
    let listed = world.client.get("/v1/webhooks").await;
    assert!(!listed.body.contains(&path[10..]), "the token is not shown");
    assert_eq!(listed.json()["webhooks"][0]["id"], "news.open");
    world.end().await;
}

#[tokio::test]
async fn lists_change_nothing_and_a_server_keeps_what_another_one_lacks() {
    let memory = Memory::default();
    let world = World::with(memory.clone(), |server| news(server, &memory));
    let path = path(&world, "news.open").await;
    assert_eq!(world.client.post(&path, json!("bees")).await.status, 202);
    let other = World::with(memory.clone(), |server| {
        let news = Workflow::builder("news").store(memory.clone());
        let news = news.step(|text: String| async move { text }).build().unwrap();
        server.workflow(&news).webhook(Webhook::new("new").unwrap())
    });
    for _ in 0..2 {
        let listed = other.client.get("/v1/webhooks").await.json();
        assert_eq!(listed["webhooks"][0]["id"], "news.new");
        assert_eq!(listed["webhooks"].as_array().unwrap().len(), 1);
        assert_eq!(other.client.get("/v1/schedules").await.json()["schedules"], json!([]));
        // The first server has what it had.
        let listed = world.client.get("/v1/webhooks").await.json();
        assert_eq!(listed["webhooks"].as_array().unwrap().len(), 2);
        let listed = world.client.get("/v1/schedules").await.json();
        assert_eq!(listed["schedules"][0]["id"], "news.yearly");
    }
    assert_eq!(world.client.post(&path, json!("wasps")).await.status, 202);
    other.end().await;
    world.end().await;
}

#[tokio::test]
async fn a_mounted_server_begins_the_runs_of_its_schedules() {
    let memory = Memory::default();
    let news = Workflow::builder("news").store(memory.clone());
    let news = news.step(|text: String| async move { text }).build().unwrap();
    let often = Timetable::every(Duration::from_secs(1)).unwrap();
    let server = Server::builder().store(memory).workflow(&news);
    let server = server.schedule(Schedule::new("often", often).unwrap()).build().unwrap();
    let mounted = server.mounted("127.0.0.1:8000".parse().unwrap());
    let stop = CancellationToken::new();
    let (driven, stopped) = (mounted.clone(), stop.clone());
    let driving = tokio::spawn(async move { driven.drive(stopped).await });
    loop {
        let request = Request::get("/v1/runs?workflow=news").header("host", "localhost");
        let answer = mounted.answer(request.body(Body::empty()).unwrap()).await;
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        let listed: serde_json::Value = serde_json::from_slice(&body).unwrap();
        if listed["runs"].as_array().is_some_and(|runs| !runs.is_empty()) {
            break;
        }
        tokio::task::yield_now().await;
    }
    stop.cancel();
    driving.await.unwrap().unwrap();
}

#[tokio::test]
async fn forged_replayed_and_oversized_requests_begin_no_run() {
    let world = world();
    let path = path(&world, "news.signed").await;
    let github = |id: &str, signature: &str| {
        let client = world.client.with("x-github-delivery", id);
        client.with("x-hub-signature-256", signature)
    };
    let body = "Hello, World!";
    let forged = github("1", SIGNED).post_text(&path, "text/plain", "Hello, Mars!").await;
    assert_eq!(forged.status, 401, "{forged:?}");
    let unsigned = world.client.post_text(&path, "text/plain", body).await;
    assert_eq!(unsigned.status, 401, "{unsigned:?}");
    let guessed = github("1", SIGNED).post_text("/v1/hooks/news.signed", "text/plain", body).await;
    assert_eq!(guessed.status, 404, "{guessed:?}");
    let large = "x".repeat(HOOK_BODY_BYTES_MAX + 1);
    let large = github("1", SIGNED).post_text(&path, "text/plain", large).await;
    assert_eq!(large.status, 413, "{large:?}");
    let broken = github("1", SIGNED).post_text(&path, "application/json", body).await;
    assert_eq!(broken.status, 422, "{broken:?}");
    let runs = world.client.get("/v1/runs?workflow=news").await.json();
    assert_eq!(runs["runs"], json!([]));
    let right = github("1", SIGNED).post_text(&path, "text/plain", body).await;
    assert_eq!(right.status, 202, "{right:?}");
    // A copy under another name, which GitHub does not sign.
    let replayed = github("2", SIGNED).post_text(&path, "text/plain", body).await;
    assert_eq!((replayed.status.as_u16(), &replayed.json()["status"]), (200, &json!("duplicate")));
    world.client.post("/v1/webhooks/news.signed/token", json!({})).await;
    let revoked = github("3", SIGNED).post_text(&path, "text/plain", body).await;
    assert_eq!(revoked.status, 404, "{revoked:?}");
    world.end().await;
}

#[tokio::test]
async fn a_key_of_one_user_sees_no_triggers() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    let memory = Memory::default();
    let world = World::with(memory.clone(), |server| news(server, &memory).keys(&file));
    let keys = ApiKeys::in_file(&file);
    let key = |user| world.client.with_key(&key(&keys, Role::Admin, user));
    let (anna, owner) = (key(Some("anna")), key(None));
    assert_eq!(anna.get("/v1/schedules").await.json()["schedules"], json!([]));
    assert_eq!(anna.get("/v1/webhooks").await.json()["webhooks"], json!([]));
    for path in
        ["schedules/news.yearly/run", "schedules/news.yearly/pause", "webhooks/news.open/token"]
    {
        assert_eq!(anna.post(&format!("/v1/{path}"), json!({})).await.status, 404, "{path}");
        assert_ne!(owner.post(&format!("/v1/{path}"), json!({})).await.status, 404, "{path}");
    }
    // The token is the key of a webhook: the sender needs no other.
    let made = owner.post("/v1/webhooks/news.open/token", json!({})).await.json();
    let path = made["path"].as_str().unwrap();
    assert_eq!(world.client.post(path, json!("x")).await.status, 202);
    world.end().await;
}
