//! Runs: started, listed, answered, taken up.

use crate::world::World;
use serde_json::{Value, json};
use stepwright_store::Sqlite;

#[tokio::test]
async fn a_run_is_started_followed_and_shown() {
    let world = World::start();
    let all = world.client.get("/v1/workflows").await.json();
    let ids: Vec<&Value> =
        all["workflows"].as_array().unwrap().iter().map(|it| &it["id"]).collect();
    assert_eq!(ids, ["plain", "slow", "asking"]);
    let one = world.client.get("/v1/workflows/plain").await.json();
    assert_eq!(one["plan"]["body"][0]["name"], "first");

    let run = world.run("plain", json!({"run_id": "r-1", "session_id": "s-1"})).await;
    assert_eq!(run, "r-1");
    let shown = world.ended(&run).await;
    assert_eq!(shown["run"]["status"], "COMPLETED");
    assert_eq!(shown["output"]["content"], "last first x");
    assert_eq!(shown["plan"]["body"][1]["name"], "last");
    assert_eq!(world.client.get("/v1/sessions/s-1").await.json()["runs"][0]["run_id"], "r-1");
    world.end().await;
}

#[tokio::test]
async fn events_come_in_pages_until_the_run_has_ended() {
    let world = World::start();
    let run = world.run("plain", json!({})).await;
    world.ended(&run).await;
    let page = world.client.get(&format!("/v1/runs/{run}/events?after=1")).await.json();
    assert_eq!(page["events"][0]["sequence"], 2);
    assert_eq!(page["next"], Value::Null);

    let slow = world.run("slow", json!({})).await;
    let mut frames = world.client.stream(&format!("/v1/runs/{slow}/events")).await;
    frames.until("StepCompleted").await;
    let page = world.client.get(&format!("/v1/runs/{slow}/events")).await.json();
    let last = page["events"].as_array().unwrap().last().unwrap()["sequence"].clone();
    assert_eq!(page["next"], last, "there will be more");
    world.gate.add_permits(1);
    frames.rest().await;
    world.end().await;
}

#[tokio::test]
async fn pages_of_a_list_lose_and_repeat_nothing_while_runs_begin() {
    let world = World::start();
    for nth in 0..5 {
        let run = world.run("plain", json!({"run_id": format!("r-{nth}")})).await;
        world.ended(&run).await;
    }
    let mut seen = Vec::new();
    let mut path = "/v1/runs?limit=2".to_owned();
    loop {
        let page = world.client.get(&path).await.json();
        for run in page["runs"].as_array().unwrap() {
            seen.push(run["run_id"].as_str().unwrap().to_owned());
        }
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/v1/runs?limit=2&cursor={next}");
        let late = world.run("plain", json!({"run_id": format!("late-{}", seen.len())})).await;
        world.ended(&late).await;
    }
    seen.sort();
    assert_eq!(seen, ["r-0", "r-1", "r-2", "r-3", "r-4"]);
    // The last run of a page may be deleted: then its place is lost, and no rows without a word.
    assert_eq!(world.client.get("/v1/runs?cursor=gone").await.status, 400);
    let found = world.client.get("/v1/runs?q=LATE&status=completed").await.json();
    assert_eq!(found["runs"].as_array().unwrap().len(), 2);
    assert_eq!(world.client.get("/v1/runs?status=done").await.status, 400);
    assert_eq!(world.client.get("/v1/runs?limit=0").await.status, 400);
    world.end().await;
}

#[tokio::test]
async fn a_question_is_in_the_inbox_until_it_is_answered() {
    let world = World::start();
    let run = world.run("asking", json!({})).await;
    let mut frames = world.client.stream(&format!("/v1/runs/{run}/events")).await;
    frames.until("WorkflowPaused").await;
    let inbox = world.client.get("/v1/inbox").await.json();
    let request = &inbox["requests"][0]["request"];
    assert_eq!((&request["kind"], &request["path"]), (&json!("confirmation"), &json!("publish")));
    assert_eq!(request["decisions"], json!(["approve", "reject"]));

    let id = request["id"].as_str().unwrap();
    let wrong = json!({"answers": {id: {"decision": "skip"}}});
    let refused = world.client.post(&format!("/v1/runs/{run}/answers"), wrong).await;
    assert_eq!((refused.status.as_u16(), &refused.json()["code"]), (400, &json!("SW0713")));
    let answers = json!({"answers": {id: {"decision": "approve"}}});
    let answer = world.client.post(&format!("/v1/runs/{run}/answers"), answers).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    // The stream from before the pause goes on.
    frames.until("WorkflowCompleted").await;
    assert_eq!(world.client.get("/v1/inbox").await.json()["requests"], json!([]));
    world.end().await;
}

#[tokio::test]
async fn a_run_is_forked_with_another_input_and_rerun_from_a_step() {
    let world = World::start();
    let run = world.run("plain", json!({})).await;
    world.ended(&run).await;
    let fork = json!({"set": {"input": "y"}});
    let fork = world.client.post(&format!("/v1/runs/{run}/fork"), fork).await;
    assert_eq!(fork.status, 202, "{fork:?}");
    let fork = world.ended(fork.json()["run_id"].as_str().unwrap()).await;
    assert_eq!(fork["output"]["content"], "last first y");
    assert_eq!(fork["origin"]["run"], run.as_str());
    let again = world.client.post(&format!("/v1/runs/{run}/rerun"), json!({"from": "last"})).await;
    let again = world.ended(again.json()["run_id"].as_str().unwrap()).await;
    assert_eq!(again["output"]["content"], "last first x");
    let unknown = json!({"at": "last", "model": "offline"});
    let unknown = world.client.post(&format!("/v1/runs/{run}/fork"), unknown).await;
    assert_eq!(unknown.status, 422, "{unknown:?}");
    world.end().await;
}

#[tokio::test]
async fn what_cannot_be_is_a_problem_with_a_code_and_the_id_of_the_request() {
    let world = World::start();
    let client = world.client.with("x-request-id", "abc-1");
    let answer = client.get("/v1/runs/nope").await;
    assert_eq!(answer.status, 404);
    assert_eq!(answer.headers["content-type"], "application/problem+json");
    assert_eq!(answer.headers["x-request-id"], "abc-1");
    let problem = answer.json();
    assert_eq!(problem["code"], "SW0701");
    assert_eq!(problem["request_id"], "abc-1");
    assert_eq!(client.get("/v1/nothing").await.status, 404);
    assert_eq!(client.post("/v1/workflows", json!({})).await.status, 405);
    assert_eq!(client.post("/v1/workflows/nope/runs", json!({"input": 1})).await.status, 404);
    let run = world.run("plain", json!({})).await;
    world.ended(&run).await;
    let late = client.post(&format!("/v1/runs/{run}/cancel"), json!({})).await;
    assert_eq!((late.status.as_u16(), &late.json()["code"]), (409, &json!("SW0707")));
    world.end().await;
}

#[tokio::test]
async fn a_body_that_is_no_object_and_a_parameter_that_is_unknown_are_refused() {
    let world = World::start();
    for body in [json!(["x", null, null, "r-1", null]), json!("x"), json!(7), json!(null)] {
        let refused = world.client.post("/v1/workflows/plain/runs", body).await;
        assert_eq!(refused.status, 422, "{refused:?}");
        assert_eq!(refused.json()["detail"], "the body is not an object");
    }
    assert_eq!(world.client.get("/v1/runs/r-1").await.status, 404);
    for path in ["/v1/runs?statuss=PAUSED", "/v1/sessions?users=a"] {
        let refused = world.client.get(path).await;
        assert_eq!(refused.status, 400, "{refused:?}");
        let detail = refused.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.starts_with("invalid query: "), "{detail}");
        assert!(detail.contains("unknown field"), "{detail}");
    }
    let refused = world.client.get("/v1/runs/r-1/events?after=abc").await;
    let detail = refused.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.starts_with("invalid query: after: "), "{detail}");
    world.end().await;
}

#[tokio::test]
async fn a_name_twice_in_a_body_is_refused_and_begins_nothing() {
    let world = World::start();
    let json = "application/json";
    let body = r#"{"input": "x", "run_id": "r-1", "run_id": "r-2"}"#;
    let refused = world.client.post_text("/v1/workflows/plain/runs", json, body).await;
    assert_eq!(refused.status, 422, "{refused:?}");
    let detail = refused.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("`run_id`"), "{detail}");
    // Within a value, the parser would take the last one.
    let body = r#"{"input": {"to": "ada", "to": "eve"}}"#;
    let refused = world.client.post_text("/v1/workflows/plain/runs", json, body).await;
    assert_eq!(refused.status, 422, "{refused:?}");
    let detail = refused.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.ends_with("an object has `to` twice at line 1 column 25"), "{detail}");
    let body = r#"{"message": "x", "additional_data": "{\"to\": 1, \"to\": 2}"}"#;
    let refused = world.client.post_text("/workflows/plain/runs", json, body).await;
    assert_eq!(refused.status, 400, "{refused:?}");
    assert!(refused.body.contains("an object has `to` twice"), "{refused:?}");
    let listed = world.client.get("/v1/runs").await.json();
    assert_eq!(listed["runs"], serde_json::json!([]), "{listed}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_run_that_ended_a_list_reads_the_first_fact_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    let world = World::with(Sqlite::open(&path).await.unwrap(), |server| server);
    let run = world.run("plain", json!({"input": {"topic": "sea"}})).await;
    world.ended(&run).await;
    // The rest of the journal cannot be read.
    let vandal = rusqlite::Connection::open(&path).unwrap();
    vandal.execute("UPDATE journal SET body = 'damaged' WHERE seq > 0", []).unwrap();
    assert_eq!(world.client.get(&format!("/v1/runs/{run}")).await.status, 503);
    let row = world.client.get("/v1/runs").await.json()["runs"][0].clone();
    assert_eq!(row["input"], r#"{"topic":"sea"}"#, "{row}");
    assert_eq!((&row["tokens"], &row["cost"]), (&json!(0), &json!(0.0)), "{row}");
    world.end().await;
}
