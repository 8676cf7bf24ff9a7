//! Streams of events.

use crate::client::Frame;
use crate::world::World;
use serde_json::json;

fn ids(frames: &[Frame]) -> Vec<u64> {
    frames.iter().filter_map(|frame| frame.id.as_ref()?.parse().ok()).collect()
}

#[tokio::test]
async fn two_clients_follow_one_run_and_see_the_same_facts() {
    let world = World::start();
    let run = world.run("slow", json!({})).await;
    let path = format!("/v1/runs/{run}/events");
    let mut early = world.client.stream(&path).await;
    let mut first = early.until("StepCompleted").await;
    let mut late = world.client.stream(&path).await;
    world.gate.add_permits(1);
    first.extend(early.rest().await);
    let second = late.rest().await;
    let facts = |all: &[Frame]| -> Vec<Frame> {
        all.iter().filter(|frame| frame.id.is_some()).cloned().collect()
    };
    assert_eq!(facts(&first), facts(&second));
    assert_eq!(second.last().unwrap().event, "WorkflowCompleted");
    let sequence = ids(&second);
    assert_eq!(sequence, (0..sequence.len() as u64).collect::<Vec<_>>(), "without a gap");
    world.end().await;
}

#[tokio::test]
async fn a_client_that_reconnects_in_the_middle_misses_nothing() {
    let world = World::start();
    let run = world.run("slow", json!({})).await;
    let path = format!("/v1/runs/{run}/events");
    let mut frames = world.client.stream(&path).await;
    let before = frames.until("StepCompleted").await;
    let last = before.iter().rev().find_map(|frame| frame.id.clone()).unwrap();
    drop(frames);
    world.gate.add_permits(1);
    let client = world.client.with("last-event-id", last.clone());
    // The header wins over the parameter, which the address of the page may still have.
    let after = client.stream(&format!("{path}?after=0")).await.rest().await;
    let all: Vec<u64> = ids(&before).into_iter().chain(ids(&after)).collect();
    assert_eq!(all, (0..all.len() as u64).collect::<Vec<_>>());
    assert_eq!(after.last().unwrap().event, "WorkflowCompleted");
    let last = after.last().unwrap().id.clone().unwrap();
    assert_eq!(world.client.with("last-event-id", last).stream(&path).await.status, 204);
    world.end().await;
}

#[tokio::test]
async fn a_reader_that_stalls_slows_neither_the_run_nor_others() {
    let world = World::start();
    let run = world.run("slow", json!({})).await;
    let path = format!("/v1/runs/{run}/events");
    // It reads nothing.
    let stalled = world.client.stream(&path).await;
    world.gate.add_permits(1);
    assert_eq!(world.ended(&run).await["run"]["status"], "COMPLETED");
    drop(stalled);
    world.end().await;
}

#[tokio::test]
async fn a_run_is_cancelled_while_it_is_streamed_and_its_stream_ends() {
    let world = World::start();
    let run = world.run("slow", json!({})).await;
    let mut frames = world.client.stream(&format!("/v1/runs/{run}/events")).await;
    frames.until("StepCompleted").await;
    let answer = world.client.post(&format!("/v1/runs/{run}/cancel"), json!({})).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let rest = frames.rest().await;
    assert_eq!(rest.last().unwrap().event, "WorkflowCancelled");
    assert_eq!(world.ended(&run).await["run"]["status"], "CANCELLED");
    world.end().await;
}

#[tokio::test]
async fn a_reader_that_leaves_cancels_no_run() {
    let world = World::start();
    let run = world.run("slow", json!({})).await;
    let mut frames = world.client.stream(&format!("/v1/runs/{run}/events")).await;
    frames.until("StepCompleted").await;
    drop(frames);
    world.gate.add_permits(1);
    assert_eq!(world.ended(&run).await["run"]["status"], "COMPLETED");
    world.end().await;
}

#[tokio::test]
async fn open_streams_end_first_when_the_server_stops() {
    let world = World::start();
    let run = world.run("slow", json!({})).await;
    let mut frames = world.client.stream(&format!("/v1/runs/{run}/events")).await;
    frames.until("StepCompleted").await;
    world.stop.cancel();
    // The run is under way, so that only the stop ends its stream.
    let rest = frames.rest().await;
    assert!(rest.iter().all(|frame| !frame.event.starts_with("Workflow")), "{rest:?}");
    world.end().await;
}
