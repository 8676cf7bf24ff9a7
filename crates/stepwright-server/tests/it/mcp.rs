//! MCP at `/mcp`, behind the keys of the server.

use crate::client::Client;
use crate::issuer::{Hand, Signer, claims, rules};
use crate::keys::key;
use crate::world::World;
use serde_json::{Value, json};
use std::path::Path;
use stepwright_core::Memory;
use stepwright_engine::{Step, Workflow};
use stepwright_server::{ApiKeys, Role, Server};

const STATELESS: &str = "2026-07-28";
const SESSIONS: &str = "2025-11-25";

/// The callers with a service of their own: `CALLERS_MAX` of `wire/mcp.rs`.
const CALLERS: usize = 1_000;

/// The tools that read runs.
const READING: [&str; 3] = ["list_runs", "show_run", "run_events"];

/// A client that can ask its person, and speaks the protocol without sessions.
struct Mcp(Client);

impl Mcp {
    fn new(client: &Client) -> Self {
        let accept = "application/json, text/event-stream";
        Self(client.with("accept", accept).with("mcp-protocol-version", STATELESS))
    }

    /// Sends a request, and returns all messages of the answer. The last one has the result.
    async fn messages(&self, method: &str, mut params: Value) -> Vec<Value> {
        let meta = &mut params["_meta"];
        meta["io.modelcontextprotocol/protocolVersion"] = json!(STATELESS);
        meta["io.modelcontextprotocol/clientInfo"] = json!({"name": "it", "version": "1"});
        meta["io.modelcontextprotocol/clientCapabilities"] = json!({"elicitation": {"form": {}}});
        let mut client = self.0.with("mcp-method", method);
        if let Some(name) = params["name"].as_str() {
            client = client.with("mcp-name", name);
        }
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        messages(&client.post("/mcp", body).await.body)
    }

    async fn result(&self, method: &str, params: Value) -> Value {
        let last = self.messages(method, params).await.pop().unwrap();
        assert!(last["result"].is_object(), "{last}");
        last["result"].clone()
    }

    async fn call(&self, tool: &str, arguments: Value) -> Value {
        self.result("tools/call", json!({"name": tool, "arguments": arguments})).await
    }

    async fn tools(&self) -> Vec<String> {
        let all = self.result("tools/list", json!({})).await;
        let all = all["tools"].as_array().unwrap().iter();
        all.map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
    }
}

/// Reads the messages in an answer, which is one of them or a stream.
fn messages(body: &str) -> Vec<Value> {
    let of_stream = body.lines().filter_map(|line| line.strip_prefix("data:"));
    let all: Vec<Value> = of_stream.filter_map(|data| serde_json::from_str(data).ok()).collect();
    if all.is_empty() { vec![serde_json::from_str(body).unwrap()] } else { all }
}

/// Begins a session, and returns a client with its id.
async fn session(client: &Client) -> Client {
    let client = client.with("accept", "application/json, text/event-stream");
    let params = json!({
        "protocolVersion": SESSIONS, "capabilities": {},
        "clientInfo": {"name": "it", "version": "1"},
    });
    let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params});
    let answer = client.post("/mcp", hello).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let client = client.with("mcp-session-id", answer.headers["mcp-session-id"].to_str().unwrap());
    let ready = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    assert_eq!(client.post("/mcp", ready).await.status, 202);
    client
}

fn keyed(file: &Path) -> (World, ApiKeys) {
    let world = World::with(Memory::default(), |server| server.keys(file));
    (world, ApiKeys::in_file(file))
}

#[tokio::test]
async fn a_workflow_is_a_tool_and_a_call_is_a_run() {
    let world = World::start();
    let mcp = Mcp::new(&world.client);
    assert_eq!(mcp.tools().await, [&["plain", "slow", "asking"][..], &READING[..]].concat());
    let call = json!({
        "name": "plain", "arguments": {"message": "x"}, "_meta": {"progressToken": "p"},
    });
    let all = mcp.messages("tools/call", call).await;
    let (last, told) = all.split_last().unwrap();
    assert_eq!(last["result"]["content"][0]["text"], "last first x", "{last}");
    let progress = told.iter().filter(|told| told["method"] == "notifications/progress");
    assert!(progress.count() >= 1, "{told:?}");
    let runs = world.client.get("/v1/runs").await.json();
    assert_eq!(
        (&runs["runs"][0]["input"], &runs["runs"][0]["status"]),
        (&json!("x"), &json!("COMPLETED"))
    );
    let listed = mcp.call("list_runs", json!({})).await;
    assert_eq!(listed["structuredContent"]["runs"][0]["run"], runs["runs"][0]["run_id"]);
    world.end().await;
}

#[tokio::test]
async fn the_person_at_the_client_answers_in_the_name_of_the_key() {
    let folder = tempfile::tempdir().unwrap();
    let (world, keys) = keyed(&folder.path().join("keys.json"));
    let anna = world.client.with_key(&key(&keys, Role::Admin, Some("anna")));
    let mcp = Mcp::new(&anna);
    let call = json!({"name": "asking", "arguments": {"message": "x"}});
    let asked = mcp.result("tools/call", call.clone()).await;
    assert_eq!(asked["resultType"], "input_required", "{asked}");
    let (name, question) = asked["inputRequests"].as_object().unwrap().iter().next().unwrap();
    assert_eq!(question["params"]["message"], "Publish it?\n\nfirst x");
    let mut again = call;
    again["requestState"] = asked["requestState"].clone();
    let yes = json!({"action": "accept", "content": {"decision": "approve"}});
    again["inputResponses"] = json!({ name: yes });
    // The state is of no use to another user.
    let ben = Mcp::new(&world.client.with_key(&key(&keys, Role::Admin, Some("ben"))));
    let refused = ben.messages("tools/call", again.clone()).await.pop().unwrap();
    let why = refused["error"]["message"].as_str().unwrap();
    assert!(why.contains("not one that this server gave"), "{why}");
    let done = mcp.result("tools/call", again).await;
    assert_eq!(done["content"][0]["text"], "last first x", "{done}");
    let run = anna.get("/v1/runs").await.json()["runs"][0].clone();
    assert_eq!(run["user_id"], "anna");
    let path = format!("/v1/runs/{}/events", run["run_id"].as_str().unwrap());
    let events = anna.get(&path).await.json();
    let events = events["events"].as_array().unwrap();
    let answered = events.iter().find(|event| event["event"] == "StepContinued").unwrap();
    assert!(answered.to_string().contains("\"anna\""), "{answered}");
    world.end().await;
}

#[tokio::test]
async fn each_role_has_the_tools_of_what_it_may_do() {
    let folder = tempfile::tempdir().unwrap();
    let (world, keys) = keyed(&folder.path().join("keys.json"));
    let of = |role| Mcp::new(&world.client.with_key(&key(&keys, role, None)));
    let all = [&["plain", "slow", "asking"][..], &READING[..]].concat();
    assert_eq!(of(Role::Viewer).tools().await, READING);
    assert_eq!(of(Role::Approver).tools().await, READING);
    assert_eq!(of(Role::Admin).tools().await, all);
    let operator = of(Role::Operator);
    assert_eq!(operator.tools().await, all);
    // An operator begins runs, and leaves their questions to others.
    let waiting = operator.call("asking", json!({"message": "x"})).await;
    let text = waiting["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("waits for an answer: Publish it?"), "{waiting}");
    let refused = of(Role::Viewer);
    let call = json!({"name": "plain", "arguments": {"message": "x"}});
    let refused = refused.messages("tools/call", call).await.pop().unwrap();
    assert!(refused["error"]["message"].as_str().unwrap().contains("no tool `plain`"));
    world.end().await;
}

#[tokio::test]
async fn a_caller_reaches_no_run_and_no_session_of_another() {
    let folder = tempfile::tempdir().unwrap();
    let (world, keys) = keyed(&folder.path().join("keys.json"));
    let anna = world.client.with_key(&key(&keys, Role::Admin, Some("anna")));
    let ben_key = key(&keys, Role::Admin, Some("ben"));
    let ben = world.client.with_key(&ben_key);
    Mcp::new(&anna).call("plain", json!({"message": "x"})).await;
    let run = anna.get("/v1/runs").await.json()["runs"][0]["run_id"].clone();
    let mcp = Mcp::new(&ben);
    let listed = mcp.call("list_runs", json!({})).await;
    assert_eq!(listed["structuredContent"]["runs"], json!([]));
    for tool in ["show_run", "run_events"] {
        let hers = mcp.call(tool, json!({ "run": run })).await;
        assert_eq!(hers["isError"], true, "{hers}");
        let none = mcp.call(tool, json!({"run": "none"})).await;
        let of_none = none["content"][0]["text"].as_str().unwrap();
        let of_none = of_none.replace("none", run.as_str().unwrap());
        assert_eq!(hers["content"][0]["text"], of_none);
    }
    let hers = session(&anna).await;
    let list = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {}});
    assert_eq!(hers.post("/mcp", list.clone()).await.status, 200);
    let stolen = hers.without("authorization").with_key(&ben_key);
    assert_eq!(stolen.post("/mcp", list).await.status, 404);
    world.end().await;
}

#[tokio::test]
async fn of_too_many_callers_the_one_that_was_silent_for_longest_loses_its_session() {
    let folder = tempfile::tempdir().unwrap();
    let (signer, hand) = (Signer::new("k1", 1), Hand::new());
    let rules = rules(folder.path(), &signer, &hand);
    let world = World::with(Memory::default(), |server| server.jwt(rules));
    let user = |nth: usize| {
        let token = signer.sign(&claims(&format!("user-{nth}"), &["agent_os:admin"]));
        world.client.with_key(&token)
    };
    let list = json!({"jsonrpc": "2.0", "id": 2, "method": "tools/list", "params": {}});
    let (first, second) = (session(&user(0)).await, session(&user(1)).await);
    let idle = session(&user(2)).await;
    for nth in 3..CALLERS {
        Mcp::new(&user(nth)).tools().await;
    }
    for client in [&first, &second] {
        assert_eq!(client.post("/mcp", list.clone()).await.status, 200, "there is room for all");
    }
    Mcp::new(&user(CALLERS)).tools().await;
    assert_eq!(idle.post("/mcp", list.clone()).await.status, 404, "its session is gone");
    for client in [&first, &second] {
        assert_eq!(client.post("/mcp", list.clone()).await.status, 200);
    }
    world.end().await;
}

#[tokio::test]
async fn the_checks_of_the_server_come_first() {
    let folder = tempfile::tempdir().unwrap();
    let (world, keys) = keyed(&folder.path().join("keys.json"));
    let hello = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    let none = world.client.post("/mcp", hello.clone()).await;
    assert_eq!(
        (none.status.as_u16(), &none.headers["www-authenticate"]),
        (401, &http::HeaderValue::from_static("Bearer"))
    );
    let admin = world.client.with_key(&key(&keys, Role::Admin, None));
    let foreign = admin.with("origin", "https://evil.example");
    assert_eq!(foreign.post("/mcp", hello.clone()).await.status, 403);
    let other = admin.with("host", "evil.example");
    assert_eq!(other.post("/mcp", hello).await.status, 421);
    world.end().await;
}

#[tokio::test]
async fn a_stream_ends_when_the_server_stops() {
    let world = World::start();
    let mut stream = session(&world.client).await.stream("/mcp").await;
    assert_eq!(stream.status, 200);
    assert_eq!(world.client.get("/ready").await.json()["streams"], 1);
    world.end().await;
    stream.rest().await;
}

#[tokio::test]
async fn a_workflow_with_the_name_of_a_tool_is_refused() {
    let store = Memory::default();
    let builder = Workflow::builder("List runs").id("list_runs").store(store.clone());
    let workflow = builder.step(Step::new("say", async |text: String| text)).build().unwrap();
    let refused = Server::builder().store(store).workflow(&workflow).build().unwrap_err();
    assert_eq!(refused.to_string(), "there are two tools `list_runs`");
}
