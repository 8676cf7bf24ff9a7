//! The client: an agent that calls each tool of the kit's server.
//!
//! The kit starts a command with the address of its server as the last argument. That command is
//! this program, with the test that plays the part of the client.

use super::{SESSIONS, STATELESS, assert_conforms, expected, kit};
use crate::support::{agent, ended, log_in, outcomes};
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use stepwright_core::tool::{AnyTool, Tool as _, ToolSource as _};
use stepwright_core::{Answer, ErrorId, RunOutput, RunStatus, StepContext};
use stepwright_engine::Workflow;
use stepwright_mcp::{McpServer, OAuth};

/// The variable with the name of the scenario, which the kit sets.
const SCENARIO: &str = "MCP_CONFORMANCE_SCENARIO";

/// The number of times that a person logs in.
const LOGINS_MAX: u32 = 3;

/// The client metadata document that the kit knows.
const CLIENT_DOCUMENT: &str = "https://conformance-test.local/client-metadata.json";

async fn conforms(version: &str, list: &str) {
    let program = std::env::current_exe().unwrap();
    let part = "conformance::client::the_part_of_the_client";
    let command = format!("{} --exact {part} --nocapture", program.display());
    let list = expected(list);
    let arguments = ["client", "--command", &command, "--suite", "all", "--spec-version", version];
    let output = kit(&[&arguments[..], &["--expected-failures", &list]].concat()).await;
    assert_conforms(output);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_client_conforms_with_sessions() {
    conforms(SESSIONS, "client-sessions").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_client_conforms_without_sessions() {
    conforms(STATELESS, "client-stateless").await;
}

#[tokio::test]
async fn the_part_of_the_client() {
    let Ok(scenario) = std::env::var(SCENARIO) else { return };
    let url = std::env::args().next_back().unwrap();
    let context = std::env::var("MCP_CONFORMANCE_CONTEXT").unwrap_or_default();
    let context: Value = serde_json::from_str(&context).unwrap_or_default();
    let dir = tempfile::tempdir().unwrap();
    let server = McpServer::url("it", url).prefix("");
    let server = match oauth(&scenario, &context, dir.path().join("tokens.json")) {
        Some(oauth) => server.oauth(oauth),
        None => server,
    };
    let tools = tools(&server).await;
    let schemas: Vec<Value> = tools.iter().map(|tool| tool.spec().parameters.clone()).collect();
    let asked = context["toolCalls"].as_array().cloned().unwrap_or_default();
    for asked in &asked {
        call(&server, asked["name"].as_str().unwrap(), asked["arguments"].clone()).await;
    }
    for tool in tools.iter().filter(|_| asked.is_empty()) {
        let mut arguments = arguments(&tool.spec().parameters);
        if scenario == "json-schema-2020-12-preservation" {
            // The tool says what it is told: the schema of the other one.
            arguments["schema"] = schemas[0].clone();
        }
        call(&server, &tool.spec().name, arguments).await;
    }
}

fn oauth(scenario: &str, context: &Value, file: PathBuf) -> Option<OAuth> {
    let text = |name: &str| context[name].as_str().map(ToOwned::to_owned);
    let of_client = |oauth: OAuth| match text("client_id") {
        Some(id) => oauth.client(id, text("client_secret")),
        None => oauth,
    };
    match scenario {
        "auth/client-credentials-basic" => {
            Some(OAuth::client_credentials(text("client_id")?, text("client_secret")?))
        }
        "auth/basic-cimd" => Some(OAuth::new(file).client(CLIENT_DOCUMENT, None)),
        _ if scenario.starts_with("auth/") => Some(of_client(OAuth::new(file))),
        _ => None,
    }
}

/// Returns the tools of the server, after a login if it wants one.
async fn tools(server: &McpServer) -> Vec<AnyTool> {
    for _ in 0..LOGINS_MAX {
        match server.tools(StepContext::detached("s")).await {
            Ok(tools) => return tools,
            Err(error) if error.data.id == Some(ErrorId::MCP_LOGIN_NEEDED) => {
                log_in(server).await.unwrap();
            }
            Err(error) => panic!("{error}"),
        }
    }
    panic!("{LOGINS_MAX} logins are not enough");
}

/// Calls a tool. A question of the server is answered with the defaults of its form.
async fn call(server: &McpServer, tool: &str, arguments: Value) {
    for _ in 0..LOGINS_MAX {
        let step = agent(server.clone(), tool, arguments.clone());
        let workflow = Workflow::builder("W").step(step).build().unwrap();
        let run = completed(&workflow).await;
        let outcome = outcomes(&workflow, &run).await.remove(0);
        if !outcome.text.contains("log in with `log_in`") {
            return;
        }
        // The token is good for the list of tools, and not for this call.
        log_in(server).await.unwrap();
    }
}

/// Runs a workflow to its end.
async fn completed(workflow: &Workflow) -> RunOutput {
    let mut run: RunOutput = ended(workflow.run("go")).await;
    while run.status == RunStatus::Paused {
        let answers: Vec<(String, Answer)> = run
            .requirements
            .iter()
            .map(|request| (request.id.to_string(), Answer::submit(json!({}))))
            .collect();
        run = ended(workflow.continue_run(&run.run_id, answers)).await;
    }
    run
}

/// Makes arguments that fit a schema: the required ones, and those that a header repeats.
fn arguments(schema: &Value) -> Value {
    let empty = Map::new();
    let properties = schema["properties"].as_object().unwrap_or(&empty);
    let values = properties.iter().map(|(name, property)| {
        let value = match property["type"].as_str() {
            Some("number" | "integer") => json!(3),
            Some("boolean") => json!(true),
            Some("array") => json!([]),
            Some("object") => json!({}),
            _ => json!("test"),
        };
        (name.clone(), value)
    });
    Value::Object(values.collect())
}
