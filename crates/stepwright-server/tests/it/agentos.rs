//! The API of `AgentOS`.

use crate::client::Frame;
use crate::world::World;
use http::Method;
use serde_json::{Value, json};
use stepwright_core::review::OnReject;
use stepwright_core::{Content, HumanReview, Memory};
use stepwright_engine::{Condition, Loop, Step, Workflow};

const FORM: &str = "application/x-www-form-urlencoded";

async fn told(text: String) -> String {
    text
}

async fn run(world: &World, workflow: &str, form: &str) -> Value {
    let path = format!("/workflows/{workflow}/runs");
    let answer = world.client.post_text(&path, FORM, form.to_owned()).await;
    assert!(answer.status.is_success(), "{answer:?}");
    answer.json()
}

fn events(text: &str) -> Vec<Value> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("data: "));
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn a_client_of_agno_discovers_what_is_served() {
    let world = World::start();
    let config = world.client.get("/config").await.json();
    assert_eq!(config["workflows"][0]["id"], "plain");
    assert_eq!(config["workflows"][0]["db_id"], config["session"]["dbs"][0]["db_id"]);
    assert_eq!(world.client.get("/health").await.json()["status"], "ok");
    let plain = world.client.get("/workflows/plain/").await.json();
    assert_eq!(plain["steps"][0]["name"], "first");
    let unknown = world.client.get("/workflows/nope").await;
    assert_eq!(
        (unknown.status.as_u16(), unknown.json()),
        (404, json!({"detail": "Workflow not found"}))
    );
    assert_eq!(world.client.get("/").await.json()["health"], "/health");
    world.end().await;
}

#[tokio::test]
async fn a_run_is_awaited_and_streamed() {
    let world = World::start();
    let output = run(&world, "plain", "message=x&stream=false&session_id=s-1").await;
    assert_eq!(output["content"], "last first x");
    assert_eq!(output["status"], "COMPLETED");
    assert_eq!(output["step_results"][0]["step_name"], "first");
    let streamed = world.client.post_text("/workflows/plain/runs", FORM, "message=x").await;
    assert_eq!(streamed.headers["content-type"], "text/event-stream; charset=utf-8");
    let names: Vec<String> = events(&streamed.body)
        .iter()
        .map(|event| event["event"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        names,
        [
            "WorkflowStarted",
            "StepStarted",
            "StepOutput",
            "StepCompleted",
            "StepStarted",
            "StepOutput",
            "StepCompleted",
            "WorkflowCompleted",
        ]
    );
    let listed = world.client.get("/sessions?type=workflow&limit=1").await.json();
    assert_eq!(listed["meta"]["total_count"], 2);
    assert_eq!(world.client.get("/sessions/s-1/runs").await.json()[0]["run_input"], "x");
    let delete = world.client.send(Method::DELETE, "/sessions/s-1", "").await;
    assert_eq!(delete.status(), 204);
    assert_eq!(world.client.get("/sessions/s-1").await.status, 404);
    world.end().await;
}

#[tokio::test]
async fn a_line_separator_in_a_text_does_not_end_its_line() {
    let world = World::start();
    let form = "message=a%E2%80%A8b";
    let streamed = world.client.post_text("/workflows/plain/runs", FORM, form).await;
    assert!(!streamed.body.contains('\u{2028}'), "{}", streamed.body);
    let last = events(&streamed.body).pop().unwrap();
    assert_eq!(last["content"], "last first a\u{2028}b");
    world.end().await;
}

#[tokio::test]
async fn a_missing_message_and_a_wrong_flag_are_pydantics_errors() {
    let world = World::start();
    let missing = world.client.post_text("/workflows/plain/runs", FORM, "message=").await;
    assert_eq!(missing.status, 422);
    assert_eq!(missing.json()["detail"][0]["loc"], json!(["body", "message"]));
    let flag =
        world.client.post_text("/workflows/plain/runs", FORM, "message=x&stream=maybe").await;
    assert_eq!(flag.json()["detail"][0]["type"], "bool_parsing");
    world.end().await;
}

#[tokio::test]
async fn a_background_run_is_polled_resumed_by_index_and_cancelled() {
    let world = World::start();
    let begun = run(&world, "slow", "message=x&stream=false&background=true&run_id=r-9").await;
    assert_eq!((&begun["run_id"], &begun["status"]), (&json!("r-9"), &json!("PENDING")));
    let session = begun["session_id"].as_str().unwrap();
    let mut frames = world.client.stream("/v1/runs/r-9/events").await;
    frames.until("StepCompleted").await;
    let cancelled = world.client.post("/workflows/slow/runs/r-9/cancel", json!({})).await;
    assert_eq!((cancelled.status.as_u16(), cancelled.json()), (200, json!({})));
    let rest: Vec<Frame> = frames.rest().await;
    assert_eq!(rest.last().unwrap().event, "WorkflowCancelled");
    let polled = world.client.get(&format!("/workflows/slow/runs/r-9?session_id={session}")).await;
    assert_eq!(polled.json()["status"], "CANCELLED");

    let all = world.client.post_text("/workflows/slow/runs/r-9/resume", FORM, "").await;
    let all: Vec<Value> = events(&all.body);
    assert_eq!(all[0]["total_events"], all.len() - 1, "{}", all[0]);
    let indices: Vec<u64> = all.iter().filter_map(|event| event["event_index"].as_u64()).collect();
    assert!(indices.is_sorted_by(|one, other| one < other), "{indices:?}");
    assert_eq!(all.last().unwrap()["event"], "WorkflowCancelled", "and nothing after it");
    let form = format!("last_event_index={}", indices[1]);
    let rest = world.client.post_text("/workflows/slow/runs/r-9/resume", FORM, form).await;
    let rest: Vec<u64> =
        events(&rest.body).iter().filter_map(|event| event["event_index"].as_u64()).collect();
    assert_eq!(rest, indices[2..]);
    let unknown = world.client.post_text("/workflows/slow/runs/none/resume", FORM, "").await;
    assert_eq!(events(&unknown.body)[0]["event"], "error");
    world.end().await;
}

#[tokio::test]
async fn a_paused_run_is_continued_with_its_requirements() {
    let world = World::start();
    let mut paused = run(&world, "asking", "message=x&stream=false").await;
    assert_eq!(paused["status"], "PAUSED");
    let run = paused["run_id"].as_str().unwrap().to_owned();
    let path = format!("/workflows/asking/runs/{run}/continue");
    let wrong = world.client.post_text(&path, FORM, "step_requirements=x&stream=false").await;
    assert_eq!(
        (wrong.status.as_u16(), &wrong.json()["detail"]),
        (400, &json!("Invalid JSON in step_requirements field"))
    );
    paused["step_requirements"][0]["confirmed"] = json!(true);
    let body = json!({"step_requirements": paused["step_requirements"], "stream": false});
    let output = world.client.post(&path, body.clone()).await;
    assert_eq!(output.json()["content"], "last first x", "{output:?}");
    let again = world.client.post(&path, body).await;
    assert_eq!(
        (again.status.as_u16(), &again.json()["detail"]),
        (409, &json!("run is already completed"))
    );
    world.end().await;
}

#[tokio::test]
async fn the_ends_of_containers_have_the_results_of_their_steps() {
    let memory = Memory::default();
    let turn = Loop::new("revise").step(Step::new("write", told)).forward().at_most(2);
    let fits = Condition::new("fits", |input| input.text() == "x").then(Step::new("yes", told));
    let built = Workflow::builder("built").store(memory.clone()).step(turn).step(fits);
    let built = built.build().unwrap();
    let world = World::with(memory, |server| server.workflow(&built));
    let streamed = world.client.post_text("/workflows/built/runs", FORM, "message=x").await;
    let all = events(&streamed.body);
    let named = |name: &str| {
        let found = all.iter().filter(|event| event["event"] == name);
        found.cloned().collect::<Vec<_>>()
    };
    let turns = named("LoopIterationCompleted");
    assert_eq!(turns.len(), 2, "{all:?}");
    assert_eq!(turns[1]["iteration_results"][0]["content"], "x");
    let ended = &named("LoopExecutionCompleted")[0];
    assert_eq!((&ended["total_iterations"], &ended["max_iterations"]), (&json!(2), &json!(2)));
    assert_eq!(ended["all_results"].as_array().unwrap().len(), 2);
    assert_eq!(ended["all_results"][1][0]["step_name"], "write");
    let ended = &named("ConditionExecutionCompleted")[0];
    assert_eq!((&ended["branch"], &ended["executed_steps"]), (&json!("if"), &json!(["yes"])));
    assert_eq!(ended["step_results"][0]["content"], "x");
    world.end().await;
}

#[tokio::test]
async fn a_requirement_has_the_policies_of_its_review() {
    let memory = Memory::default();
    let asked = HumanReview::new().requires_confirmation("Publish it?");
    let asked = asked.on_reject(OnReject::Cancel);
    let publish = Step::new("publish", told).human_review(asked);
    let strict = Workflow::builder("strict").store(memory.clone()).step(publish).build().unwrap();
    let world = World::with(memory, |server| server.workflow(&strict));
    let paused = run(&world, "strict", "message=x&stream=false").await;
    assert_eq!(paused["step_requirements"][0]["on_reject"], "cancel", "{paused}");
    let paused = run(&world, "asking", "message=x&stream=false").await;
    assert_eq!(paused["step_requirements"][0]["on_reject"], "skip", "{paused}");
    world.end().await;
}

#[tokio::test]
async fn an_input_that_does_not_fit_is_refused_in_each_mode() {
    let memory = Memory::default();
    let check = |_: &Content| Err("it is no number".to_owned());
    let typed = Workflow::builder("typed").store(memory.clone()).check_input(check);
    let typed = typed.step(told).build().unwrap();
    let world = World::with(memory, |server| server.workflow(&typed));
    for more in ["", "&stream=false", "&background=true", "&background=true&stream=false"] {
        let form = format!("message=x{more}");
        let refused = world.client.post_text("/workflows/typed/runs", FORM, form).await;
        assert_eq!(refused.status, 400, "{more}: {refused:?}");
        let detail = refused.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.starts_with("Input failed schema validation: "), "{detail}");
        assert!(detail.ends_with("it is no number"), "{detail}");
    }
    world.end().await;
}

#[tokio::test]
async fn sessions_are_opened_changed_listed_and_deleted() {
    let world = World::start();
    let client = &world.client;
    let new = json!({
        "session_id": "s-1", "session_name": "First", "session_state": {"n": 1, "m": 2},
        "user_id": "u-1", "workflow_id": "plain", "metadata": null,
    });
    let made = client.post("/sessions?type=workflow", new.clone()).await;
    assert_eq!((made.status.as_u16(), &made.json()["session_name"]), (201, &json!("First")));
    assert_eq!(client.post("/sessions?type=workflow", new).await.status, 409);
    let none = client.post("/sessions?type=workflow", json!({})).await;
    assert_eq!(none.json()["detail"][0]["loc"], json!(["body", "workflow_id"]), "there are three");
    let unknown = json!({"agent_id": "plain"});
    assert_eq!(client.post("/sessions", unknown).await.status, 404, "it is no agent");
    let change = json!({"session_state": {"n": 5}}).to_string();
    let json = client.with("content-type", "application/json");
    let changed = json.send(Method::PATCH, "/sessions/s-1", change).await;
    assert_eq!(changed.status(), 200);
    let shown = client.get("/sessions/s-1").await.json();
    assert_eq!(shown["session_state"], json!({"n": 5}), "`m` is gone");
    assert_eq!(client.get("/sessions/s-1?user_id=u-2").await.status, 404);
    run(&world, "plain", "message=x&stream=false&session_id=s-2").await;
    let listed = client.get("/sessions?sort_by=created_at&sort_order=asc&limit=1&page=2").await;
    assert_eq!(listed.json()["data"][0]["session_id"], "s-2", "{listed:?}");
    assert_eq!(client.get("/sessions/s-2/runs?status=paused").await.json(), json!([]));
    assert_eq!(client.get("/sessions/s-2/runs?status=done").await.status, 400);
    let days = client.get("/metrics").await.json();
    assert_eq!(days["metrics"][0]["workflow_sessions_count"], 2, "{days}");
    assert_eq!(days["metrics"][0]["workflow_runs_count"], 1);
    assert_eq!(client.get("/metrics?ending_date=2000-01-01").await.json()["metrics"], json!([]));
    let both = json!({"session_ids": ["s-1", "s-2"], "session_types": ["workflow", "workflow"]});
    let deleted = json.send(Method::DELETE, "/sessions", both.to_string()).await;
    assert_eq!(deleted.status(), 204);
    assert_eq!(client.get("/sessions").await.json()["meta"]["total_count"], 0);
    let uneven = json!({"session_ids": ["s-1"], "session_types": []}).to_string();
    assert_eq!(json.send(Method::DELETE, "/sessions", uneven).await.status(), 400);
    world.end().await;
}

#[tokio::test]
async fn a_file_of_text_arrives_as_it_was_sent() {
    let world = World::start();
    let files = json!([
        {"content": "abcd", "filename": "a.csv", "mime_type": "text/csv"},
        {"content": "no base64!", "filename": "b"},
        {"content": "AP8=", "filename": "c.bin", "mime_type": "application/octet-stream"},
    ]);
    let fields = [("message", "x".to_owned()), ("stream", "false".to_owned())];
    let fields = fields.into_iter().chain([("input_files", files.to_string())]);
    let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let output = run(&world, "plain", &form).await;
    assert_eq!(output["status"], "COMPLETED");
    let path = format!("/v1/runs/{}/events", output["run_id"].as_str().unwrap());
    let begun = world.client.get(&path).await.json()["events"][0].clone();
    let sent = begun["input"]["media"].as_array().unwrap_or_else(|| panic!("{begun}")).clone();
    let bytes: Vec<&str> =
        sent.iter().map(|media| media["source"]["bytes"].as_str().unwrap()).collect();
    assert_eq!(bytes, ["YWJjZA==", "bm8gYmFzZTY0IQ==", "AP8="]);
    world.end().await;
}

#[tokio::test]
async fn an_address_of_media_that_is_not_of_the_web_is_refused() {
    let world = World::start();
    let send = async |field: &str, url: &str| {
        let media = json!([{ "url": url }]).to_string();
        let fields = [("message", "x"), ("stream", "false"), (field, &*media)];
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        world.client.post_text("/workflows/plain/runs", FORM, form).await
    };
    for field in ["images", "audio", "videos", "input_files"] {
        for url in ["file:///etc/passwd", "FILE:///etc/passwd", "/etc/passwd", "ftp://x/y", ""] {
            let refused = send(field, url).await;
            assert_eq!(refused.status, 422, "{field} {url}: {refused:?}");
        }
    }
    assert_eq!(world.client.get("/v1/runs").await.json()["runs"], json!([]), "nothing began");
    let output = send("images", "https://pictures.example/ants.png").await.json();
    assert_eq!(output["status"], "COMPLETED", "{output}");
    world.end().await;
}
