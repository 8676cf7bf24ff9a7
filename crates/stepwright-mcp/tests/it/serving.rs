//! The server: runs as tasks, signed states, and traces that go on.

use crate::client::{Client, accepted, asks_and_takes_tasks, asks_only, takes_tasks};
use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use stepwright_core::store::AnyStore;
use stepwright_core::store::RunFilter;
use stepwright_core::{
    HumanReview, Memory, OnReject, RunStatus, StepContext, StepError, StepInput,
};
use stepwright_engine::{Parallel, Runs, Step, Workflow, WorkflowBuilder};
use stepwright_mcp::{McpService, SESSIONS_MAX};
use stepwright_store::Sqlite;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

const KEY: [u8; 32] = [7; 32];

fn greeting() -> WorkflowBuilder {
    let greet = async |input: StepInput| format!("Hello {}!", input.text());
    Workflow::builder("Greeting").step(Step::new("greet", greet))
}

fn publish() -> WorkflowBuilder {
    let review = HumanReview::new().requires_confirmation("Publish it?").on_reject(OnReject::Fail);
    let work = async |input: StepInput| format!("published {}", input.text());
    Workflow::builder("Publish").step(Step::new("publish", work).human_review(review))
}

/// A workflow that goes on when it is let.
fn held(then: fn(&str) -> Result<String, &'static str>) -> (Workflow, Arc<Semaphore>) {
    let release = Arc::new(Semaphore::new(0));
    let gate = release.clone();
    let work = move |input: StepInput| {
        let gate = gate.clone();
        async move {
            gate.acquire().await.unwrap().forget();
            then(&input.text())
        }
    };
    (Workflow::builder("Held").step(Step::new("work", work)).build().unwrap(), release)
}

fn waiting() -> WorkflowBuilder {
    let wait = async |_: StepInput| std::future::pending::<String>().await;
    Workflow::builder("Waiting").step(Step::new("wait", wait))
}

fn serve(workflow: &Workflow) -> McpService {
    McpService::new().workflow(workflow, None).state_key(KEY)
}

fn message(text: &str) -> Value {
    json!({ "message": text })
}

/// Calls a tool that becomes a task, and returns the id of its run.
async fn begun(client: &mut Client, tool: &str) -> String {
    let task = client.call(tool, &message("news")).await;
    assert_eq!(
        (&task["resultType"], &task["status"]),
        (&json!("task"), &json!("working")),
        "{task}"
    );
    task["taskId"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_client_that_takes_tasks_gets_a_task_with_the_id_of_the_run() {
    let (workflow, release) = held(|text| Ok(format!("Hello {text}!")));
    let mut client = Client::start(serve(&workflow), takes_tasks());
    let id = begun(&mut client, "held").await;
    release.add_permits(1);
    workflow.handle(&id).await.unwrap().wait().await.unwrap();
    let task = client.request("tasks/get", json!({ "taskId": id })).await.unwrap();
    assert_eq!((&task["taskId"], &task["status"]), (&json!(id), &json!("completed")), "{task}");
    assert_eq!(task["result"]["content"][0]["text"], "Hello news!");
    let (created, updated) = (task["createdAt"].as_str(), task["lastUpdatedAt"].as_str());
    assert!(created < updated, "{task}");
    let is_iso = |text: &str| text.ends_with('Z') && text.as_bytes()[10] == b'T';
    assert!(is_iso(created.unwrap()) && is_iso(updated.unwrap()), "{task}");
}

#[tokio::test]
async fn a_short_call_is_no_task() {
    let workflow = greeting().build().unwrap();
    let mut client = Client::start(serve(&workflow), takes_tasks());
    let result = client.call("greeting", &message("news")).await;
    assert_eq!(result["content"][0]["text"], "Hello news!", "{result}");
}

#[tokio::test]
async fn a_question_of_a_task_is_answered_by_an_update() {
    let workflow = publish().build().unwrap();
    let mut client = Client::start(serve(&workflow), asks_and_takes_tasks());
    let id = begun(&mut client, "publish").await;
    let handle = workflow.handle(&id).await.unwrap();
    handle.settled().await.unwrap();
    let task = client.request("tasks/get", json!({ "taskId": id })).await.unwrap();
    assert_eq!(task["status"], "input_required", "{task}");
    let (key, question) = task["inputRequests"].as_object().unwrap().iter().next().unwrap();
    assert_eq!(question["params"]["message"], "Publish it?\n\nnews");
    // An answer to something that is not asked changes nothing.
    let unknown = json!({"taskId": id, "inputResponses": {"unknown": accepted("approve")}});
    client.request("tasks/update", unknown).await.unwrap();
    let nonsense = json!({"taskId": id, "inputResponses": {key: 7}});
    let refused = client.request("tasks/update", nonsense).await.unwrap_err();
    assert!(refused["message"].as_str().unwrap().contains("no result of an elicitation"));
    let unfit = json!({"taskId": id, "inputResponses": {key: accepted("perhaps")}});
    let refused = client.request("tasks/update", unfit).await.unwrap_err();
    assert!(refused["message"].as_str().unwrap().contains("does not fit its question"));
    let update = json!({"taskId": id, "inputResponses": {key: accepted("approve")}});
    client.request("tasks/update", update).await.unwrap();
    handle.wait().await.unwrap();
    let task = client.request("tasks/get", json!({ "taskId": id })).await.unwrap();
    assert_eq!(task["result"]["content"][0]["text"], "published news", "{task}");
}

#[tokio::test]
async fn an_answer_to_one_of_two_questions_leaves_the_other() {
    let ask = |name: &'static str| {
        Step::new(name, move |_: StepInput, cx: StepContext| async move {
            cx.wait::<String>("it").message(name).await
        })
    };
    let both = Parallel::new("both").branch(ask("first")).branch(ask("second"));
    let workflow = Workflow::builder("Two").step(both).build().unwrap();
    let mut client = Client::start(serve(&workflow), asks_and_takes_tasks());
    let id = begun(&mut client, "two").await;
    let handle = workflow.handle(&id).await.unwrap();
    handle.settled().await.unwrap();
    let mut left = 2;
    while left > 0 {
        let task = client.request("tasks/get", json!({ "taskId": id })).await.unwrap();
        let asked = task["inputRequests"].as_object().cloned().unwrap_or_default();
        assert_eq!(asked.len(), left, "{task}");
        let (key, _) = asked.iter().next().unwrap();
        let response = json!({"action": "accept", "content": {"decision": "submit", "text": "x"}});
        let update = json!({"taskId": id, "inputResponses": {key: response}});
        client.request("tasks/update", update).await.unwrap();
        left -= 1;
    }
    handle.wait().await.unwrap();
}

#[tokio::test]
async fn a_client_that_cannot_ask_reads_what_a_task_waits_for() {
    let workflow = publish().build().unwrap();
    let mut client = Client::start(serve(&workflow), takes_tasks());
    let id = begun(&mut client, "publish").await;
    workflow.handle(&id).await.unwrap().settled().await.unwrap();
    let task = client.request("tasks/get", json!({ "taskId": id })).await.unwrap();
    assert_eq!(task["status"], "working", "{task}");
    let told = task["statusMessage"].as_str().unwrap();
    assert!(told.contains("Publish it?") && told.contains(&id), "{told}");
}

#[tokio::test]
async fn a_cancelled_task_is_a_cancelled_run() {
    let workflow = waiting().build().unwrap();
    let mut client = Client::start(serve(&workflow), takes_tasks());
    let id = begun(&mut client, "waiting").await;
    client.request("tasks/cancel", json!({ "taskId": id })).await.unwrap();
    workflow.handle(&id).await.unwrap().wait().await.unwrap_err();
    let task = client.request("tasks/get", json!({ "taskId": id })).await.unwrap();
    assert_eq!(task["status"], "cancelled", "{task}");
}

#[tokio::test]
async fn a_failed_run_is_a_result_that_the_model_reads() {
    let (workflow, release) = held(|_| Err("the printer is on fire"));
    let mut client = Client::start(serve(&workflow), takes_tasks());
    let id = begun(&mut client, "held").await;
    release.add_permits(1);
    workflow.handle(&id).await.unwrap().wait().await.unwrap_err();
    let task = client.request("tasks/get", json!({ "taskId": id })).await.unwrap();
    assert_eq!((&task["status"], &task["result"]["isError"]), (&json!("completed"), &json!(true)));
    let told = task["result"]["content"][0]["text"].as_str().unwrap();
    assert!(told.contains("the printer is on fire") && told.contains(&id), "{told}");
}

#[tokio::test]
async fn a_task_outlives_its_server() {
    let dir = tempfile::tempdir().unwrap();
    let store = Sqlite::open(dir.path().join("runs.db")).await.unwrap();
    let first = publish().store(store.clone()).build().unwrap();
    let mut client = Client::start(serve(&first), asks_and_takes_tasks());
    let id = begun(&mut client, "publish").await;
    first.handle(&id).await.unwrap().settled().await.unwrap();
    drop(client);
    first.shutdown(Duration::from_secs(5)).await.unwrap();
    let second = publish().store(store).build().unwrap();
    let mut client = Client::start(serve(&second), asks_and_takes_tasks());
    let task = client.request("tasks/get", json!({ "taskId": id })).await.unwrap();
    let (key, _) = task["inputRequests"].as_object().unwrap().iter().next().unwrap();
    let update = json!({"taskId": id, "inputResponses": {key: accepted("approve")}});
    client.request("tasks/update", update).await.unwrap();
    second.handle(&id).await.unwrap().wait().await.unwrap();
    let task = client.request("tasks/get", json!({ "taskId": id })).await.unwrap();
    assert_eq!(task["result"]["content"][0]["text"], "published news", "{task}");
}

#[tokio::test]
async fn a_task_of_another_user_and_a_run_of_another_workflow_are_not_found() {
    let store = Memory::default();
    let workflow = publish().store(store.clone()).build().unwrap();
    let other = waiting().store(store).build().unwrap();
    let mut ada = Client::start(serve(&workflow).user("ada"), takes_tasks());
    let mut bob = Client::start(serve(&workflow).user("bob"), takes_tasks());
    let id = begun(&mut ada, "publish").await;
    assert!(ada.request("tasks/get", json!({ "taskId": id })).await.is_ok());
    let not_served = other.run("x").user_id("ada").background().await.unwrap();
    let not_served_id = not_served.run_id().as_str();
    for (is_bob, id) in
        [(true, id.as_str()), (false, not_served_id), (false, "no-such-run"), (false, "")]
    {
        let client = if is_bob { &mut bob } else { &mut ada };
        for method in ["tasks/get", "tasks/cancel"] {
            let refused = client.request(method, json!({ "taskId": id })).await.unwrap_err();
            let message = refused["message"].as_str().unwrap();
            assert!(message.contains("there is no task"), "{method} {id}: {refused}");
        }
    }
    not_served.cancel().await.unwrap();
}

#[tokio::test]
async fn a_client_without_tasks_gets_none_and_may_not_ask_for_one() {
    let workflow = greeting().build().unwrap();
    let mut client = Client::start(serve(&workflow), asks_only());
    let result = client.call("greeting", &message("Ada")).await;
    assert_eq!(result["content"][0]["text"], "Hello Ada!", "{result}");
    let refused = client.request("tasks/get", json!({"taskId": "r"})).await.unwrap_err();
    assert_eq!(refused["code"], -32021, "{refused}");
}

/// Returns the state and the key of the question that a call returns.
async fn asked(client: &mut Client, tool: &str) -> (String, String) {
    let result = client.call(tool, &message("news")).await;
    assert_eq!(result["resultType"], "input_required", "{result}");
    let (key, _) = result["inputRequests"].as_object().unwrap().iter().next().unwrap();
    (result["requestState"].as_str().unwrap().to_owned(), key.clone())
}

fn again(tool: &str, state: &str, key: &str) -> Value {
    json!({
        "name": tool, "arguments": message("news"), "requestState": state,
        "inputResponses": {key: accepted("approve")},
    })
}

async fn refusal(client: &mut Client, tool: &str, state: &str, key: &str) -> String {
    let refused = client.request("tools/call", again(tool, state, key)).await.unwrap_err();
    assert_eq!(refused["code"], -32602, "{refused}");
    refused["message"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_state_is_good_for_its_run_tool_and_user_alone() {
    let store = Memory::default();
    let workflow = publish().store(store.clone()).build().unwrap();
    let other = publish().id("other").store(store).build().unwrap();
    let service = |user: &str| serve(&workflow).workflow(&other, None).user(user);
    let mut ada = Client::start(service("ada"), asks_only());
    let (state, key) = asked(&mut ada, "publish").await;
    let (second, second_key) = asked(&mut ada, "publish").await;
    // Another process with the same key takes it, for the same user and tool.
    let mut bob = Client::start(service("bob"), asks_only());
    let not_given = "not one that this server gave";
    assert!(refusal(&mut bob, "publish", &state, &key).await.contains(not_given));
    assert!(refusal(&mut ada, "other", &state, &key).await.contains(not_given));
    // Every character counts.
    for at in [0, state.len() / 2, state.len() - 2] {
        let mut forged = state.clone().into_bytes();
        forged[at] = if forged[at] == b'A' { b'B' } else { b'A' };
        let forged = String::from_utf8(forged).unwrap();
        assert!(refusal(&mut ada, "publish", &forged, &key).await.contains(not_given), "{at}");
    }
    // A state answers its run alone.
    assert_eq!(key, second_key);
    let done = ada.request("tools/call", again("publish", &second, &key)).await.unwrap();
    assert_eq!(done["content"][0]["text"], "published news", "{done}");
    let paused = RunFilter { status: Some(RunStatus::Paused), ..RunFilter::default() };
    assert_eq!(workflow.runs(paused).await.unwrap().len(), 1);
    let mut again_ada = Client::start(service("ada"), asks_only());
    let done = again_ada.request("tools/call", again("publish", &state, &key)).await.unwrap();
    assert_eq!(done["content"][0]["text"], "published news", "{done}");
    // Sent once more, it does nothing again.
    let done = ada.request("tools/call", again("publish", &state, &key)).await.unwrap();
    assert_eq!(done["content"][0]["text"], "published news", "{done}");
}

#[tokio::test]
async fn a_state_expires_and_the_run_does_not() {
    let workflow = publish().build().unwrap();
    let service = serve(&workflow).state_lifetime(Duration::from_millis(1));
    let mut client = Client::start(service, asks_only());
    let (state, key) = asked(&mut client, "publish").await;
    // Expiry is counted in whole seconds.
    tokio::time::sleep(Duration::from_millis(2100)).await;
    let message = refusal(&mut client, "publish", &state, &key).await;
    assert!(message.contains("has expired; answer the run where it is stored"), "{message}");
    let zero = Client::refused(serve(&workflow).state_lifetime(Duration::ZERO)).await;
    assert!(zero.contains("`state_lifetime` must be greater than zero"), "{zero}");
}

#[tokio::test]
async fn an_answer_that_is_sent_again_answers_no_other_question() {
    let ask = async |_: StepInput, cx: StepContext| {
        let mut answers = String::new();
        for question in ["The first?", "The second?"] {
            let answer = cx.wait::<String>(question).message(question).await?;
            answers.push_str(&answer);
        }
        Ok::<_, StepError>(answers)
    };
    let workflow = Workflow::builder("Ask").step(Step::new("ask", ask)).build().unwrap();
    let mut client = Client::start(serve(&workflow), asks_only());
    let (state, key) = asked(&mut client, "ask").await;
    let response = json!({"action": "accept", "content": {"decision": "submit", "text": "x"}});
    let call = json!({
        "name": "ask", "arguments": message("go"), "requestState": state,
        "inputResponses": {key: response},
    });
    let next = client.request("tools/call", call.clone()).await.unwrap();
    assert_eq!(next["resultType"], "input_required", "{next}");
    let replayed = client.request("tools/call", call).await.unwrap();
    assert_eq!(replayed["inputRequests"], next["inputRequests"]);
}

#[tokio::test]
async fn a_run_continues_the_trace_of_its_caller() {
    let traced = async |_: StepInput, cx: StepContext| cx.trace_context().trace_id().to_string();
    let workflow = Workflow::builder("Traced").step(Step::new("trace", traced)).build().unwrap();
    let mut client = Client::start(serve(&workflow), asks_only());
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let traced = json!({
        "name": "traced", "arguments": message("x"),
        "_meta": {"traceparent": parent, "tracestate": "vendor=1"},
    });
    let result = client.request("tools/call", traced).await.unwrap();
    assert_eq!(result["content"][0]["text"], "4bf92f3577b34da6a3ce929d0e0e4736");
    // One that is not valid is left out, and the run has a trace of its own.
    let wrong = json!({"name": "traced", "arguments": message("x"), "_meta": {"traceparent": "x"}});
    let result = client.request("tools/call", wrong).await.unwrap();
    assert_eq!(result["content"][0]["text"].as_str().unwrap().len(), 32);
}

#[tokio::test]
async fn runs_are_retried_forked_and_cancelled_by_tools_where_that_is_allowed() {
    let times = Arc::new(AtomicU32::new(0));
    let work = {
        let times = times.clone();
        move |_: StepInput| {
            let nth = times.fetch_add(1, Ordering::Relaxed);
            async move { if nth == 0 { Err("not yet") } else { Ok(format!("done {nth}")) } }
        }
    };
    let store = Memory::default();
    let flaky = Workflow::builder("Flaky").step(Step::new("work", work)).store(store.clone());
    let (flaky, waiting) =
        (flaky.build().unwrap(), waiting().store(store.clone()).build().unwrap());
    let service = |operates: bool| {
        let runs = Runs::of(AnyStore::new(store.clone()));
        let service = serve(&flaky).workflow(&waiting, None).runs(runs);
        service.operate(operates)
    };
    let mut reader = Client::start(service(false), asks_only());
    let failed = reader.call("flaky", &message("x")).await;
    assert_eq!(failed["isError"], true, "{failed}");
    let listed = reader.call("list_runs", &json!({"status": "error"})).await;
    let run = listed["structuredContent"]["runs"][0]["run"].clone();
    let shown = reader.call("show_run", &json!({ "run": run })).await;
    assert_eq!(shown["structuredContent"]["status"], "ERROR", "{shown}");
    let events = reader.call("run_events", &json!({ "run": run })).await;
    assert!(events["structuredContent"]["events"].as_array().unwrap().len() > 2, "{events}");
    for tool in ["retry_run", "fork_run", "cancel_run", "continue_run"] {
        let call = json!({"name": tool, "arguments": {"run": run, "at": "work"}});
        let refused = reader.request("tools/call", call).await.unwrap_err();
        assert!(refused["message"].as_str().unwrap().contains("there is no tool"), "{refused}");
    }
    let mut operator = Client::start(service(true), asks_only());
    let retried = operator.call("retry_run", &json!({ "run": run })).await;
    assert_eq!(retried["content"][0]["text"], "done 1", "{retried}");
    let forked = operator.call("fork_run", &json!({"run": run, "at": "work"})).await;
    assert_eq!(forked["content"][0]["text"], "done 2", "{forked}");
    let handle = waiting.run("x").background().await.unwrap();
    let run = handle.run_id().as_str();
    let cancelled = operator.call("cancel_run", &json!({ "run": run })).await;
    assert_eq!(cancelled["structuredContent"]["cancelled"], true, "{cancelled}");
    handle.wait().await.unwrap_err();
    let gone = operator.call("cancel_run", &json!({"run": "no-such-run"})).await;
    assert_eq!(gone["isError"], true, "{gone}");
}

#[tokio::test]
async fn a_mounted_service_has_so_many_sessions_and_no_more() {
    let stop = CancellationToken::new();
    let mounted = serve(&greeting().build().unwrap()).mounted(stop).unwrap();
    let send = async |method: Method, session: Option<&str>, body: Bytes| {
        let mut request = Request::builder().method(method).uri("/mcp").header("host", "any");
        request = request.header("accept", "application/json, text/event-stream");
        request = request.header("content-type", "application/json");
        if let Some(session) = session {
            request = request.header("mcp-session-id", session);
        }
        let answer = mounted.answer(request.body(body).unwrap()).await;
        let (head, body) = answer.into_parts();
        body.collect().await.unwrap();
        (head.status, head.headers.get("mcp-session-id").cloned())
    };
    let params = json!({
        "protocolVersion": "2025-11-25", "capabilities": {},
        "clientInfo": {"name": "it", "version": "1"},
    });
    let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params});
    let hello = Bytes::from(hello.to_string());
    let mut last = None;
    for _ in 0..SESSIONS_MAX {
        let (status, session) = send(Method::POST, None, hello.clone()).await;
        assert_eq!(status, StatusCode::OK);
        last = session;
    }
    let more = send(Method::POST, None, hello.clone()).await.0;
    assert_eq!(more, StatusCode::TOO_MANY_REQUESTS);
    let last = last.unwrap();
    let ended = send(Method::DELETE, Some(last.to_str().unwrap()), Bytes::new()).await.0;
    assert!(ended.is_success(), "{ended}");
    assert_eq!(send(Method::POST, None, hello).await.0, StatusCode::OK);
}
