//! AG-UI at `/agui`.

use crate::client::Client;
use crate::keys::key;
use crate::world::World;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use stepwright_agent::{Agent, FunctionTool, Team};
use stepwright_core::guardrail::{AnyGuardrail, Guard, GuardVerdict};
use stepwright_core::{Memory, Patch, StepInput, StepOutput};
use stepwright_engine::{Step, Workflow};
use stepwright_server::{ApiKeys, Role};
use stepwright_testing::model::{Reply, ScriptedModel};

fn input(run: &str, text: &str) -> Value {
    let message = json!({"id": "m", "role": "user", "content": text});
    json!({"threadId": "t", "runId": run, "messages": [message]})
}

fn resume(run: &str, interrupt: &Value, payload: &Value) -> Value {
    let entry = json!({"interruptId": interrupt, "status": "resolved", "payload": payload});
    json!({"threadId": "t", "runId": run, "messages": [], "resume": [entry]})
}

/// Runs to the end of the stream, which must be as the protocol wants it.
async fn events(client: &Client, path: &str, input: Value) -> Vec<Value> {
    let run = input["runId"].clone();
    let answer = client.post(path, input).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.headers["content-type"], "text/event-stream");
    let lines = answer.body.split("\n\n").filter_map(|frame| frame.strip_prefix("data: "));
    let events: Vec<Value> = lines.map(|line| serde_json::from_str(line).unwrap()).collect();
    check(&events, &run);
    events
}

/// The members that name what an event opens or closes.
const PAIRS: [(&str, &[&str], &str); 6] = [
    ("STEP_STARTED", &["STEP_FINISHED"], "stepName"),
    ("TEXT_MESSAGE_START", &["TEXT_MESSAGE_END"], "messageId"),
    ("REASONING_START", &["REASONING_END"], "messageId"),
    ("REASONING_MESSAGE_START", &["REASONING_MESSAGE_END"], "messageId"),
    ("TOOL_CALL_START", &["TOOL_CALL_END"], "toolCallId"),
    ("SUBAGENT_STARTED", &["SUBAGENT_FINISHED", "SUBAGENT_ERROR"], "subagentRunId"),
];

/// Checks that all that is opened is closed, in the run.
fn check(events: &[Value], run: &Value) {
    let (first, last) = (&events[0], events.last().unwrap());
    assert_eq!((&first["type"], &first["runId"]), (&json!("RUN_STARTED"), run), "{first}");
    assert_eq!(first["protocolVersion"], "1.0");
    let mut open: Vec<(&str, &Value)> = Vec::new();
    for event in events {
        let kind = event["type"].as_str().unwrap();
        for (starts, ends, by) in PAIRS {
            let named = (starts, &event[by]);
            if kind == starts {
                assert!(!open.contains(&named), "{event} is open already");
                open.push(named);
            } else if ends.contains(&kind) {
                let at = open.iter().position(|one| *one == named);
                open.remove(at.unwrap_or_else(|| panic!("{event} ends nothing")));
            }
        }
        let writes = [("TEXT_MESSAGE_CONTENT", 1), ("REASONING_MESSAGE_CONTENT", 3)];
        if let Some((_, pair)) = writes.iter().find(|(writes, _)| *writes == kind) {
            assert!(open.contains(&(PAIRS[*pair].0, &event["messageId"])), "{event}");
        }
        let of = &event["subagentRunId"];
        let is_of_open = of.is_null()
            || kind.starts_with("SUBAGENT")
            || open.contains(&("SUBAGENT_STARTED", of));
        assert!(is_of_open, "{event}");
        let is_end = ["RUN_FINISHED", "RUN_ERROR"].contains(&kind);
        assert_eq!(is_end, std::ptr::eq(event, last), "{event}");
    }
    assert_eq!(open, [], "{last}");
}

fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().map(|event| event["type"].as_str().unwrap()).collect()
}

fn text(events: &[Value]) -> String {
    let pieces = events.iter().filter(|event| event["type"] == "TEXT_MESSAGE_CONTENT");
    pieces.map(|piece| piece["delta"].as_str().unwrap()).collect()
}

fn outcome(events: &[Value]) -> &Value {
    &events.last().unwrap()["outcome"]
}

#[tokio::test]
async fn a_workflow_is_a_run_with_steps_and_a_message() {
    let world = World::start();
    let events = events(&world.client, "/agui/plain", input("r-1", "x")).await;
    assert_eq!(
        kinds(&events),
        [
            "RUN_STARTED",
            "STATE_SNAPSHOT",
            "STEP_STARTED",
            "STEP_FINISHED",
            "STEP_STARTED",
            "STEP_FINISHED",
            "TEXT_MESSAGE_START",
            "TEXT_MESSAGE_CONTENT",
            "TEXT_MESSAGE_END",
            "RUN_FINISHED",
        ]
    );
    assert_eq!((&events[1]["snapshot"], &events[2]["stepName"]), (&json!({}), &json!("first")));
    assert_eq!(text(&events), "last first x");
    let last = &events[9];
    assert_eq!((&last["threadId"], &last["runId"]), (&json!("t"), &json!("r-1")));
    assert_eq!(
        (&last["result"], &last["outcome"]),
        (&json!("last first x"), &json!({"type": "success"}))
    );
    assert!(events[2]["timestamp"].as_u64().unwrap() > 1_700_000_000_000);
    // The thread is a session, and the run has the id that the client chose.
    let run = world.client.get("/v1/runs/r-1").await.json();
    assert_eq!(run["run"]["session_id"], "t");
    world.end().await;
}

#[tokio::test]
async fn the_path_without_an_id_is_what_is_served_first() {
    let world = World::start();
    let events = events(&world.client, "/agui", input("r-1", "x")).await;
    assert_eq!(text(&events), "last first x");
    world.end().await;
}

#[tokio::test]
async fn a_pause_is_an_interrupt_that_a_later_run_answers() {
    let world = World::start();
    let client = &world.client;
    let paused = events(client, "/agui/asking", input("r-1", "x")).await;
    assert_eq!(outcome(&paused)["type"], "interrupt");
    let asked = &outcome(&paused)["interrupts"][0];
    assert_eq!(
        (&asked["reason"], &asked["message"]),
        (&json!("confirmation"), &json!("Publish it?"))
    );
    let decisions = &asked["responseSchema"]["properties"]["decision"]["enum"];
    assert_eq!(*decisions, json!(["approve", "reject"]));
    assert_eq!(asked["metadata"]["id"], asked["id"]);
    let unknown = resume("r-2", &json!("nothing"), &json!(true));
    assert_eq!(client.post("/agui/asking", unknown).await.status, 404);
    let unfit = resume("r-2", &asked["id"], &json!("perhaps"));
    assert_eq!(client.post("/agui/asking", unfit).await.status, 400);
    let elsewhere = resume("r-2", &asked["id"], &json!(true));
    assert_eq!(client.post("/agui/plain", elsewhere).await.status, 404);
    let answer = resume("r-2", &asked["id"], &json!({"decision": "approve"}));
    let done = events(client, "/agui/asking", answer.clone()).await;
    assert_eq!((text(&done).as_str(), &done[0]["runId"]), ("last first x", &json!("r-2")));
    assert_eq!(done[1], json!({"type": "STATE_SNAPSHOT", "snapshot": {}}));
    assert_eq!(outcome(&done)["type"], "success");
    // It was answered once.
    assert_eq!(client.post("/agui/asking", answer).await.status, 404);
    world.end().await;
}

#[tokio::test]
async fn an_abandoned_interrupt_is_a_rejection() {
    let world = World::start();
    let paused = events(&world.client, "/agui/asking", input("r-1", "x")).await;
    let asked = &outcome(&paused)["interrupts"][0]["id"];
    let mut answer = resume("r-2", asked, &Value::Null);
    answer["resume"][0]["status"] = json!("cancelled");
    let events = events(&world.client, "/agui/asking", answer).await;
    let run = world.client.get("/v1/runs/r-1").await.json();
    assert_ne!(run["run"]["status"], "PAUSED", "{run}");
    assert_ne!(text(&events), "last first x");
    world.end().await;
}

#[tokio::test]
async fn changes_of_the_state_are_patches() {
    let store = Memory::default();
    let count = async |_: StepInput| {
        let seen = Patch::append("seen/all", "home");
        StepOutput::from("done").patch(Patch::increment("visits", 1)).patch(seen)
    };
    let counting = Workflow::builder("counting").store(store.clone());
    let counting = counting.step(Step::new("count", count)).build().unwrap();
    let world = World::with(store, |server| server.workflow(&counting));
    let mut first = input("r-1", "x");
    first["state"] = json!({"visits": 2});
    let events = events(&world.client, "/agui/counting", first).await;
    let of = |kind: &str| events.iter().find(|event| event["type"] == kind).unwrap();
    assert_eq!(of("STATE_SNAPSHOT")["snapshot"], json!({"visits": 2}));
    let mut delta = of("STATE_DELTA")["delta"].as_array().unwrap().clone();
    delta.sort_by_key(|change| change["path"].to_string());
    assert_eq!(
        delta,
        [
            json!({"op": "add", "path": "/seen~1all", "value": ["home"]}),
            json!({"op": "add", "path": "/visits", "value": 3}),
        ]
    );
    let kinds = kinds(&events);
    assert_eq!(kinds.iter().filter(|kind| kind.starts_with("STATE")).count(), 2, "{kinds:?}");
    world.end().await;
}

#[derive(Deserialize, JsonSchema)]
struct Nothing {}

fn agent(name: &str, model: &ScriptedModel) -> stepwright_agent::AgentBuilder {
    Agent::builder(name).model(model.clone()).unwrap()
}

#[tokio::test]
async fn an_agent_thinks_calls_a_tool_that_a_person_allows_and_answers() {
    let store = Memory::default();
    let model = ScriptedModel::new([
        Reply::reasoning("Which city?")
            .and_text("I look.")
            .and_call("weather", json!({}))
            .with_tokens(10, 4),
        Reply::text("Rain.").with_tokens(20, 1),
    ]);
    let weather = FunctionTool::new("weather", "The weather.", |_: Nothing| async { "rain" });
    let agent = agent("Guide", &model).tool(weather.requires_confirmation()).build().unwrap();
    let guide = Workflow::builder("guide").store(store.clone());
    let guide = guide.step(Step::new("guide", agent)).build().unwrap();
    let world = World::with(store, |server| server.agent(&guide));
    let paused = events(&world.client, "/agui/guide", input("r-1", "Bergen?")).await;
    let mut seen = kinds(&paused);
    seen.dedup();
    assert_eq!(
        seen,
        [
            "RUN_STARTED",
            "STATE_SNAPSHOT",
            "STEP_STARTED",
            "REASONING_START",
            "REASONING_MESSAGE_START",
            "REASONING_MESSAGE_CONTENT",
            "REASONING_MESSAGE_END",
            "REASONING_END",
            "TEXT_MESSAGE_START",
            "TEXT_MESSAGE_CONTENT",
            "TEXT_MESSAGE_END",
            "TOOL_CALL_START",
            "TOOL_CALL_ARGS",
            "TOOL_CALL_END",
            "STEP_FINISHED",
            "RUN_FINISHED",
        ]
    );
    let asked = &outcome(&paused)["interrupts"][0];
    let call = paused.iter().find(|event| event["type"] == "TOOL_CALL_START").unwrap();
    assert_eq!(
        (&asked["toolCallId"], &call["toolCallName"]),
        (&call["toolCallId"], &json!("weather"))
    );
    let usage = &paused.last().unwrap()["usage"][0];
    assert_eq!((&usage["inputTokens"], &usage["totalTokens"]), (&json!(10), &json!(14)));
    let answer = resume("r-2", &asked["id"], &json!(true));
    let done = events(&world.client, "/agui/guide", answer).await;
    assert_eq!(text(&done), "Rain.", "{done:?}");
    let result = done.iter().find(|event| event["type"] == "TOOL_CALL_RESULT").unwrap();
    assert_eq!((&result["toolCallId"], &result["content"]), (&call["toolCallId"], &json!("rain")));
    assert!(!kinds(&done).contains(&"TOOL_CALL_START"), "it was shown before: {done:?}");
    assert_eq!(done.last().unwrap()["usage"][0]["totalTokens"], 21);
    world.end().await;
}

#[tokio::test]
async fn a_member_of_a_team_is_a_subagent() {
    let store = Memory::default();
    let leader =
        ScriptedModel::new([Reply::call("scout", json!({"task": "Find."})), Reply::text("Two.")]);
    let scout = agent("Scout", &ScriptedModel::new(["a, b"])).build().unwrap();
    let team = Team::builder("Desk").model(leader).unwrap().member(scout, "Finds sources.");
    let team = team.build().unwrap();
    let desk = Workflow::builder("desk").store(store.clone());
    let desk = desk.step(Step::new("desk", team)).build().unwrap();
    let world = World::with(store, |server| server.agent(&desk));
    let events = events(&world.client, "/agui/desk", input("r-1", "Bridges")).await;
    let begun = events.iter().find(|event| event["type"] == "SUBAGENT_STARTED").unwrap();
    let call = events.iter().find(|event| event["type"] == "TOOL_CALL_START").unwrap();
    assert_eq!(
        (&begun["name"], &begun["parentToolCallId"]),
        (&json!("Scout"), &call["toolCallId"])
    );
    let (inner, own): (Vec<Value>, Vec<Value>) =
        events.iter().cloned().partition(|event| event["subagentRunId"].is_string());
    assert_eq!((text(&inner).as_str(), text(&own).as_str()), ("a, b", "Two."));
    world.end().await;
}

#[tokio::test]
async fn mistakes_are_answers_and_failures_are_events() {
    let store = Memory::default();
    let fail = async |_: StepInput| Err::<String, _>("no luck");
    let failing = Workflow::builder("failing").store(store.clone());
    let failing = failing.step(Step::new("fail", fail)).build().unwrap();
    let world = World::with(store, |server| server.workflow(&failing));
    let failed = events(&world.client, "/agui/failing", input("r-1", "x")).await;
    let last = failed.last().unwrap();
    assert_eq!(last["type"], "RUN_ERROR");
    assert!(last["message"].as_str().unwrap().contains("no luck"), "{last}");
    assert!(last["code"].as_str().unwrap().starts_with("SW"), "{last}");
    let refused = async |path: &str, input: Value| {
        let answer = world.client.post(path, input).await;
        assert_eq!(answer.headers["content-type"], "application/problem+json");
        answer.status.as_u16()
    };
    assert_eq!(refused("/agui/nothing", input("r-2", "x")).await, 404);
    assert_eq!(refused("/agui/failing", input("r-1", "x")).await, 409, "the id is taken");
    let mut silent = input("r-2", "x");
    silent["messages"][0]["role"] = json!("assistant");
    assert_eq!(refused("/agui/failing", silent).await, 400);
    let mut odd = input("r-2", "x");
    odd["state"] = json!([1]);
    assert_eq!(refused("/agui/failing", odd).await, 400);
    assert_eq!(refused("/agui/failing", json!({"threadId": "t"})).await, 422);
    world.end().await;
}

#[tokio::test]
async fn threads_belong_to_users_and_answers_to_approvers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.json");
    let keys = ApiKeys::in_file(&path);
    let world = World::with(Memory::default(), |server| server.keys(&path));
    let anna = world.client.with_key(&key(&keys, Role::Admin, Some("anna")));
    let ben = world.client.with_key(&key(&keys, Role::Admin, Some("ben")));
    let operator = world.client.with_key(&key(&keys, Role::Operator, Some("anna")));
    let approver = world.client.with_key(&key(&keys, Role::Approver, Some("anna")));
    let viewer = world.client.with_key(&key(&keys, Role::Viewer, Some("anna")));
    let paused = events(&operator, "/agui/asking", input("r-1", "x")).await;
    let asked = &outcome(&paused)["interrupts"][0]["id"];
    // Ids of clients are random, so they become those of the user.
    assert_eq!(anna.get("/v1/runs/anna:r-1").await.json()["run"]["session_id"], "anna:t");
    let answer = resume("r-2", asked, &json!(true));
    assert_eq!(ben.post("/agui/asking", answer.clone()).await.status, 404);
    assert_eq!(operator.post("/agui/asking", answer.clone()).await.status, 403);
    assert_eq!(viewer.post("/agui/asking", input("r-3", "x")).await.status, 403);
    assert_eq!(approver.post("/agui/asking", input("r-3", "x")).await.status, 403);
    assert_eq!(text(&events(&approver, "/agui/asking", answer).await), "last first x");
    world.end().await;
}

#[tokio::test]
async fn a_text_that_guardrails_refuse_or_rewrite_is_not_shown() {
    let raw = |verdict: GuardVerdict| {
        AnyGuardrail::of("raw", move |_, _| std::future::ready(Ok(verdict.clone())))
    };
    for of_step in [false, true] {
        for (verdict, expected) in
            [(GuardVerdict::rewrite("cooked"), "cooked"), (GuardVerdict::refuse("it is raw"), "")]
        {
            let (store, guard) = (Memory::default(), Guard::after(raw(verdict)));
            let cook = agent("Cook", &ScriptedModel::new(["raw"]));
            let step = if of_step {
                Step::new("cook", cook.build().unwrap()).guardrail(guard)
            } else {
                Step::new("cook", cook.guardrail(guard).build().unwrap())
            };
            let cook = Workflow::builder("cook").store(store.clone()).step(step).build().unwrap();
            let world = World::with(store, |server| server.agent(&cook));
            let events = events(&world.client, "/agui/cook", input("r-1", "Cook.")).await;
            assert_eq!(text(&events), expected, "{events:?}");
            world.end().await;
        }
    }
}
