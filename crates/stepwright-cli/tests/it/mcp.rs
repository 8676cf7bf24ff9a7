//! `stepwright mcp`, as clients of others see it. Without `STEPWRIGHT_TEST_MCP`, the folder that
//! `scripts/test-mcp.sh` prints, the tests with the Python SDK are skipped.

use crate::support::Place;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

const GREETING: &str = "\
format: 1
name: Greeting
description: Greets.
steps:
  - {name: greet, template: 'Hello {{ input }}!'}
";

const SUM: &str = "\
format: 1
name: Sum
input:
  type: object
  properties: {a: {type: integer}, b: {type: integer}}
  required: [a, b]
steps:
  - {name: add, value: {sum: '= input.a + input.b'}}
";

const ASKING: &str = "\
format: 1
name: Publish
steps:
  - {name: wait, sleep: 300ms}
  - name: publish
    template: 'published {{ input }}'
    human_review: {requires_confirmation: Publish it?, on_reject: fail}
";

fn place() -> Place {
    let place = Place::with(GREETING);
    place.write("sum.yaml", SUM);
    place.write("publish.yaml", ASKING);
    place
}

/// Talks to the server by hand: sends these lines, and returns the answers by id.
fn spoken(place: &Place, arguments: &[&str], messages: &[Value]) -> Vec<Value> {
    let mut child = place
        .command(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut answers = Vec::new();
    for message in messages {
        writeln!(stdin, "{message}").unwrap();
        if message.get("id").is_none() {
            continue;
        }
        loop {
            let line: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
            if line["id"] == message["id"] && line.get("method").is_none() {
                answers.push(line);
                break;
            }
        }
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
    answers
}

fn request(id: u32, method: &str, params: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
}

fn hello() -> [Value; 2] {
    let client = json!({"name": "it", "version": "1"});
    let params = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client});
    [
        request(0, "initialize", &params),
        json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
    ]
}

fn call(id: u32, name: &str, arguments: &Value) -> Value {
    request(id, "tools/call", &json!({"name": name, "arguments": arguments}))
}

#[test]
fn workflows_are_tools_and_calls_are_stored_runs() {
    let place = place();
    let [first, second] = hello();
    let answers = spoken(
        &place,
        &["mcp", "flow.yaml", "sum.yaml", "publish.yaml", "--db", "a.db"],
        &[
            first,
            second,
            request(1, "tools/list", &json!({})),
            call(2, "greeting", &json!({"message": "Ada"})),
            call(3, "sum", &json!({"a": 2, "b": 3})),
            call(4, "sum", &json!({"a": "two"})),
            call(5, "publish", &json!({"message": "news"})),
            call(6, "list_runs", &json!({"status": "completed"})),
            call(7, "continue_run", &json!({"run": "r", "request": "q", "decision": "approve"})),
        ],
    );
    let tools = answers[1]["result"]["tools"].as_array().unwrap();
    let names: Vec<&str> = tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["greeting", "sum", "publish", "list_runs", "show_run", "run_events"]);
    assert_eq!(tools[0]["description"], "Greets.");
    assert_eq!(tools[1]["inputSchema"]["required"], json!(["a", "b"]));
    assert_eq!(answers[2]["result"]["content"][0]["text"], "Hello Ada!");
    assert_eq!(answers[3]["result"]["structuredContent"], json!({"sum": 5}));
    assert!(answers[4].to_string().contains("SW"), "{}", answers[4]);
    // A client that cannot ask is told how the run goes on.
    let paused = &answers[5]["result"]["content"][0]["text"];
    assert!(paused.as_str().unwrap().contains("stepwright continue"), "{paused}");
    assert_eq!(answers[6]["result"]["structuredContent"]["runs"].as_array().unwrap().len(), 2);
    assert!(answers[7].get("error").is_some(), "without --operate: {}", answers[7]);
    let run = answers[5]["result"]["structuredContent"]["run"].as_str().unwrap().to_owned();
    let continued = place.on_db(&["continue", &run, "--approve", "publish"]);
    assert_eq!((continued.code, continued.stdout.as_str()), (0, "published news\n"));
}

#[test]
fn runs_are_operated_only_if_that_is_allowed() {
    let place = place();
    let [first, second] = hello();
    let start = ["mcp", "publish.yaml", "--db", "a.db", "--operate"];
    let answers = spoken(
        &place,
        &start,
        &[first.clone(), second.clone(), call(1, "publish", &json!({"message": "news"}))],
    );
    let waiting = &answers[1]["result"]["structuredContent"];
    let (run, asked) = (&waiting["run"], &waiting["requests"][0]["id"]);
    // Another process goes on.
    let answers = spoken(
        &place,
        &start,
        &[
            first,
            second,
            call(1, "show_run", &json!({ "run": run })),
            call(2, "continue_run", &json!({"run": run, "request": asked, "decision": "approve"})),
            call(3, "run_events", &json!({ "run": run })),
        ],
    );
    assert_eq!(answers[1]["result"]["structuredContent"]["status"], "PAUSED", "{}", answers[1]);
    assert_eq!(answers[2]["result"]["content"][0]["text"], "published news", "{}", answers[2]);
    let events = answers[3]["result"]["structuredContent"]["events"].as_array().unwrap();
    assert!(events.len() > 3);
}

#[test]
fn the_newest_protocol_returns_its_questions_with_a_sealed_state() {
    let place = place();
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "it", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {"elicitation": {"form": {}}},
    });
    let modern = |id: u32, params: Value| {
        let mut params = params;
        params["_meta"] = meta.clone();
        request(id, "tools/call", &params)
    };
    let first = || {
        [
            request(0, "server/discover", &json!({ "_meta": meta })),
            modern(1, json!({"name": "publish", "arguments": {"message": "news"}})),
        ]
    };
    let serve =
        |messages: &[Value]| spoken(&place, &["mcp", "publish.yaml", "--db", "a.db"], messages);
    let answers = serve(&first());
    let asked = &answers[1]["result"];
    assert_eq!(asked["resultType"], "input_required", "{asked}");
    let (key, question) = asked["inputRequests"].as_object().unwrap().iter().next().unwrap();
    assert_eq!(question["params"]["message"], "Publish it?\n\nnews");
    let again = |id: u32, state: &Value| {
        let accepted = json!({"action": "accept", "content": {"decision": "approve"}});
        modern(
            id,
            json!({
                "name": "publish", "arguments": {"message": "news"}, "requestState": state,
                "inputResponses": {key: accepted},
            }),
        )
    };
    // Another process has another key.
    let [discover, _] = first();
    let refused = serve(&[discover.clone(), again(1, &asked["requestState"])]);
    assert!(refused[1]["error"]["message"].as_str().unwrap().contains("requestState"));
    let mut forged = asked["requestState"].as_str().unwrap().to_owned();
    forged.push('A');
    let refused = serve(&[discover, again(1, &json!(forged))]);
    assert!(refused[1].get("error").is_some(), "{}", refused[1]);
}

const TEAM: &str = "\
format: 1
name: Team
model: offline
vars: {tone: kind}
agents:
  planner: {description: Plans a trip., instructions: Plan.}
  editor: {instructions: Edit.}
steps:
  - {name: plan, agent: planner, human_review: {requires_confirmation: Begin?}}
";

fn tools_of(place: &Place, arguments: &[&str]) -> Vec<(String, String)> {
    let [first, second] = hello();
    let listed = spoken(place, arguments, &[first, second, request(1, "tools/list", &json!({}))]);
    let tools = listed[1]["result"]["tools"].as_array().unwrap();
    let of = |tool: &Value, key: &str| tool[key].as_str().unwrap().to_owned();
    let all = tools.iter().map(|tool| (of(tool, "name"), of(tool, "description")));
    all.filter(|(name, _)| !name.contains("run")).collect()
}

#[test]
fn agents_of_files_are_tools_where_that_is_asked_for() {
    let place = Place::with(TEAM);
    let names = |more: &[&str]| -> Vec<String> {
        let arguments = [&["mcp", "flow.yaml", "--no-db"], more].concat();
        tools_of(&place, &arguments).into_iter().map(|(name, _)| name).collect()
    };
    // A call of an agent passes by the reviews of the steps.
    assert_eq!(names(&[]), ["team"]);
    assert_eq!(names(&["--agents"]), ["team", "planner", "editor"]);
    assert_eq!(names(&["--agents=editor"]), ["team", "editor"]);
    assert_eq!(names(&["--agents=editor,planner"]), ["team", "planner", "editor"]);
    let all = tools_of(&place, &["mcp", "--agents", "flow.yaml", "--no-db"]);
    assert_eq!(all[1], ("planner".into(), "Plans a trip.".into()));
    let unknown = place.ran(["mcp", "flow.yaml", "--agents=writer", "--no-db"]);
    assert_eq!(unknown.code, 2);
    assert!(unknown.stderr.contains("no file has an agent `writer`"), "{}", unknown.stderr);
    assert!(unknown.stderr.contains("`planner`, `editor`"), "{}", unknown.stderr);
    place.write("greeting.yaml", GREETING);
    let none = place.ran(["mcp", "greeting.yaml", "--agents", "--no-db"]);
    assert!(none.stderr.contains("the files have no agents"), "{}", none.stderr);
    place.write("second.yaml", TEAM.replace("name: Team", "name: Other"));
    let twice = place.ran(["mcp", "flow.yaml", "second.yaml", "--agents", "--no-db"]);
    assert!(twice.stderr.contains("there are two tools `planner`"), "{}", twice.stderr);
}

#[test]
fn a_call_of_an_agent_is_a_stored_run_that_the_command_knows() {
    let place = Place::with(TEAM);
    let [first, second] = hello();
    let answers = spoken(
        &place,
        &["mcp", "flow.yaml", "--agents", "--db", "a.db"],
        &[first, second, call(1, "planner", &json!({"message": "Go north"}))],
    );
    let text = answers[1]["result"]["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("Go north"), "{text}");
    let shown = place.on_db(&["show", "last", "--json"]);
    assert_eq!(shown.code, 0, "{}", shown.stderr);
    assert!(shown.stdout.contains("planner"), "{}", shown.stdout);
    // The run goes on as one of the agent, in another process too.
    let forked = place.on_db(&["rerun", "last", "--from", "planner"]);
    assert_eq!(forked.code, 0, "{}", forked.stderr);
    assert!(forked.stdout.contains("Go north"), "{}", forked.stdout);
    let test = place.on_db(&["test", "from-run", "last"]);
    assert!(test.stderr.contains("is one of the agent `planner` alone"), "{}", test.stderr);
    place.write("flow.yaml", TEAM.replace("planner", "pilot"));
    let gone = place.on_db(&["rerun", "last", "--from", "planner"]);
    assert!(gone.stderr.contains("has no agent `planner` any more"), "{}", gone.stderr);
}

/// The server over HTTP, and its address.
struct Served(Child, String);

impl Served {
    fn start(place: &Place, more: &[&str]) -> Self {
        let arguments = ["mcp", "flow.yaml", "publish.yaml", "--no-db", "--http", "127.0.0.1:0"];
        Self::of(place.command(arguments.iter().chain(more)))
    }

    /// Starts a command that names its address in its first line.
    fn of(mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).stdin(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let line = lines.next().unwrap().unwrap();
        let address = line.split_whitespace().last().unwrap().to_owned();
        std::thread::spawn(move || lines.for_each(drop));
        Self(child, address)
    }

    /// Sends a request by hand, and returns the status line.
    fn status(&self, headers: &str) -> String {
        let host = self.1.trim_start_matches("http://").split('/').next().unwrap();
        let mut stream = std::net::TcpStream::connect(host).unwrap();
        let body = hello()[0].to_string();
        let headers = if headers.contains("Host:") {
            headers.to_owned()
        } else {
            format!("Host: {host}\r\n{headers}")
        };
        write!(
            stream,
            "POST /mcp HTTP/1.1\r\n{headers}Content-Type: application/json\r\n\
             Accept: application/json, text/event-stream\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line).unwrap();
        line.trim().to_owned()
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn other_hosts_and_pages_are_refused() {
    let place = place();
    let served = Served::start(&place, &[]);
    assert_eq!(served.status(""), "HTTP/1.1 200 OK");
    assert_eq!(served.status("Host: evil.example\r\n"), "HTTP/1.1 403 Forbidden");
    assert_eq!(served.status("Origin: https://evil.example\r\n"), "HTTP/1.1 403 Forbidden");
    let open = place.ran(["mcp", "flow.yaml", "--no-db", "--http", "0.0.0.0:0"]);
    assert_ne!(open.code, 0);
    assert!(open.stderr.contains("there is no token"), "{}", open.stderr);
}

#[test]
fn a_token_is_needed_if_there_is_one() {
    let place = place();
    let arguments = ["mcp", "flow.yaml", "--no-db", "--http", "127.0.0.1:0"];
    let mut command = place.command(arguments);
    command.env("STEPWRIGHT_MCP_TOKEN", "a long secret");
    let served = Served::of(command);
    assert_eq!(served.status(""), "HTTP/1.1 401 Unauthorized");
    assert_eq!(served.status("Authorization: Bearer wrong\r\n"), "HTTP/1.1 401 Unauthorized");
    assert_eq!(served.status("Authorization: Bearer a long secret\r\n"), "HTTP/1.1 200 OK");
}

fn python() -> Option<PathBuf> {
    let home = std::env::var_os("STEPWRIGHT_TEST_MCP").map(PathBuf::from);
    if home.is_none() {
        #[expect(clippy::print_stderr, reason = "a test that is left out must say so")]
        {
            eprintln!("skipped: set STEPWRIGHT_TEST_MCP=$(scripts/test-mcp.sh)");
        }
    }
    home.map(|home| home.join("python/bin/python"))
}

/// Runs the client of the Python SDK, and returns what it saw.
fn client(place: &Place, python: &PathBuf, target: &str, calls: &Value, more: &[&str]) -> String {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/mcp_client.py");
    let mut command = Command::new(python);
    command.arg(script).arg(target).arg(calls.to_string()).args(more);
    command.current_dir(place.path("."));
    for (name, folder) in place.folders_of_user() {
        command.env(name, folder);
    }
    let output = command.output().unwrap();
    let seen = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{seen}\n{}", String::from_utf8_lossy(&output.stderr));
    seen
}

fn saw(place: &Place, python: &PathBuf, target: &str) {
    let calls = json!([
        ["greeting", {"message": "Ada"}],
        ["publish", {"message": "news"}],
    ]);
    let seen = client(place, python, target, &calls, &[]);
    assert!(seen.contains("result greeting Hello Ada!"), "{seen}");
    assert!(seen.contains("result publish published news"), "{seen}");
    assert_eq!(seen.matches("asked Publish it?").count(), 1, "{seen}");
    assert!(seen.contains("progress "), "{seen}");
    let seen = client(place, python, target, &calls, &["--no-elicitation"]);
    assert!(seen.contains("waits for an answer: Publish it?"), "{seen}");
}

#[test]
fn a_client_of_the_python_sdk_calls_workflows() {
    let Some(python) = python() else { return };
    let place = place();
    let program = env!("CARGO_BIN_EXE_stepwright");
    let command = json!([program, "mcp", "flow.yaml", "publish.yaml", "--db", "a.db"]);
    saw(&place, &python, &format!("stdio={command}"));
}

#[test]
fn a_client_of_the_python_sdk_calls_workflows_over_http() {
    let Some(python) = python() else { return };
    let place = place();
    let served = Served::start(&place, &[]);
    saw(&place, &python, &format!("http={}", served.1));
}

#[test]
fn a_client_of_the_python_sdk_calls_workflows_of_the_server() {
    let Some(python) = python() else { return };
    let place = place();
    let arguments = ["serve", "flow.yaml", "publish.yaml", "--db", "a.db", "--port", "0"];
    let served = Served::of(place.command(arguments));
    saw(&place, &python, &format!("http={}/mcp", served.1));
}

#[test]
fn the_server_has_agents_as_tools_where_that_is_asked_for() {
    let place = Place::with(TEAM);
    let tools = |more: &[&str]| {
        let arguments = ["serve", "flow.yaml", "--no-db", "--port", "0"];
        let served = Served::of(place.command(arguments.iter().chain(more)));
        let host = served.1.trim_start_matches("http://").to_owned();
        let params = json!({"_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": {"name": "it", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
        }});
        let body = request(1, "tools/list", &params).to_string();
        let mut stream = std::net::TcpStream::connect(&host).unwrap();
        write!(
            stream,
            "POST /mcp HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n\
             Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2026-07-28\r\n\
             Mcp-Method: tools/list\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        ["team", "planner", "editor"].map(|name| answer.contains(&format!("\"name\":\"{name}\"")))
    };
    assert_eq!(tools(&[]), [true, false, false]);
    assert_eq!(tools(&["--mcp-agents"]), [true, true, true]);
}
