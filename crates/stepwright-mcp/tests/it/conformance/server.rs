//! The server: workflows that are the tools which the kit asks for.

use super::{SESSIONS, STATELESS, assert_conforms, expected, kit};
use serde_json::{Value, json};
use std::time::Duration;
use stepwright_core::{Media, MediaKind, Memory, StepContext, StepError, StepInput, StepOutput};
use stepwright_engine::{Parallel, Step, Workflow, WorkflowBuilder};
use stepwright_mcp::{HttpOptions, McpService};
use stepwright_server::Server;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

const PNG: &[u8] =
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x06\0\0\0\x1f\x15\xc4\x89";
const WAV: &[u8] =
    b"RIFF$\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x44\xac\0\0\x88X\x01\0\x02\0\x10\0data";

/// A run of this time is a task.
const LONGER_THAN_A_CALL: Duration = Duration::from_millis(2500);

fn tool(id: &str) -> WorkflowBuilder {
    Workflow::builder(id).id(id)
}

fn saying(id: &str, text: &'static str) -> WorkflowBuilder {
    tool(id).step(Step::new("say", move |_: StepInput| async move { text }))
}

fn showing(id: &str, text: &'static str, media: Vec<Media>) -> WorkflowBuilder {
    tool(id).step(Step::new("show", move |_: StepInput| {
        let mut output = StepOutput::from(text);
        output.media.clone_from(&media);
        async move { output }
    }))
}

fn image() -> Media {
    Media::bytes(MediaKind::Image, PNG).with_mime("image/png")
}

fn note() -> Media {
    Media::bytes(MediaKind::File, *b"This is an embedded resource content.").with_mime("text/plain")
}

/// A workflow that asks a person, and says what the person answered.
fn asking(id: &str, name: &'static str, message: &'static str, schema: Value) -> WorkflowBuilder {
    tool(id).step(Step::new("ask", move |_: StepInput, cx: StepContext| {
        let asked = cx.wait::<Value>(name).message(message).schema(schema.clone());
        async move {
            let answer = asked.await?;
            Ok::<_, StepError>(format!("Elicitation completed: state-ok, content={answer}"))
        }
    }))
}

fn named(property: &str) -> Value {
    json!({
        "type": "object",
        "properties": {property: {"type": "string"}},
        "required": [property],
    })
}

/// A form with a decision, and a name that can be left out.
fn confirmed(property: &str) -> Value {
    json!({
        "type": "object",
        "properties": {property: {"type": "boolean"}, "name": {"type": "string"}},
        "required": [property],
    })
}

fn with_defaults() -> Value {
    json!({
        "type": "object",
        "properties": {
            "name": {"type": "string", "default": "John Doe"},
            "age": {"type": "integer", "default": 30},
            "score": {"type": "number", "default": 95.5},
            "status": {
                "type": "string", "enum": ["active", "inactive", "pending"], "default": "active",
            },
            "verified": {"type": "boolean", "default": true},
        },
    })
}

fn with_choices() -> Value {
    let values = ["value1", "value2", "value3"];
    let titled: Vec<Value> = values
        .iter()
        .map(|value| json!({"const": value, "title": format!("The {value}")}))
        .collect();
    let options = ["option1", "option2", "option3"];
    json!({
        "type": "object",
        "properties": {
            "untitledSingle": {"type": "string", "enum": options},
            "titledSingle": {"type": "string", "oneOf": titled},
            "legacyEnum": {
                "type": "string", "enum": ["opt1", "opt2", "opt3"],
                "enumNames": ["Option One", "Option Two", "Option Three"],
            },
            "untitledMulti": {"type": "array", "items": {"type": "string", "enum": options}},
            "titledMulti": {"type": "array", "items": {"anyOf": titled}},
        },
    })
}

fn with_2020_12() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": {
            "address": {
                "$anchor": "addressDef",
                "type": "object",
                "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
            },
        },
        "properties": {
            "name": {"type": "string"},
            "address": {"$ref": "#/$defs/address"},
            "contactMethod": {"type": "string", "enum": ["phone", "email"]},
            "phone": {"type": "string"},
            "email": {"type": "string"},
        },
        "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
        "if": {
            "properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"],
        },
        "then": {"required": ["phone"]},
        "else": {"required": ["email"]},
        "additionalProperties": false,
    })
}

fn workflows() -> Vec<WorkflowBuilder> {
    let audio = Media::bytes(MediaKind::Audio, WAV).with_mime("audio/wav");
    vec![
        saying("test_simple_text", "This is a simple text response for testing."),
        showing("test_image_content", "", vec![image()]),
        showing("test_audio_content", "", vec![audio]),
        showing("test_embedded_resource", "", vec![note()]),
        showing(
            "test_multiple_content_types",
            "Multiple content types test:",
            vec![image(), note()],
        ),
        tool("test_error_handling").step(Step::new("fail", async |_: StepInput| {
            Err::<String, _>("This tool intentionally returns an error for testing")
        })),
        tool("test_tool_with_progress").step(Step::new(
            "work",
            async |_: StepInput, cx: StepContext| {
                for part in [0.0, 0.5, 1.0] {
                    cx.progress(part, "working");
                    tokio::time::sleep(Duration::from_millis(150)).await;
                }
                "done"
            },
        )),
        tool("test_elicitation").step(Step::new(
            "ask",
            async |input: StepInput, cx: StepContext| {
                let asked =
                    input.content().to_value()["message"].as_str().unwrap_or_default().to_owned();
                let form = json!({
                    "type": "object",
                    "properties": {
                        "username": {"type": "string", "description": "User's response"},
                        "email": {"type": "string", "description": "User's email address"},
                    },
                    "required": ["username", "email"],
                });
                let answer = cx.wait::<Value>("person").message(asked).schema(form).await?;
                Ok::<_, StepError>(format!("User response: {answer}"))
            },
        )),
        asking("test_elicitation_sep1034_defaults", "person", "Who are you?", with_defaults()),
        asking("test_elicitation_sep1330_enums", "person", "Choose.", with_choices()),
        asking(
            "test_input_required_result_elicitation",
            "user_name",
            "What is your name?",
            named("name"),
        ),
        asking(
            "test_input_required_result_request_state",
            "confirm",
            "Please confirm",
            confirmed("ok"),
        ),
        asking(
            "test_input_required_result_tampered_state",
            "confirm",
            "Please confirm",
            confirmed("ok"),
        ),
        asking(
            "test_input_required_result_capabilities",
            "confirm",
            "Please confirm",
            confirmed("ok"),
        ),
        asking("test_streaming_elicitation", "user_name", "What is your name?", named("name")),
        saying("test_logging_tool", "This tool logs nothing."),
        asking("confirm_delete", "confirm", "Delete it?", confirmed("confirm")),
        tool("test_input_required_result_multi_round").step(Step::new(
            "ask",
            async |_: StepInput, cx: StepContext| {
                let first = cx.wait::<Value>("step1").message("Step 1: What is your name?");
                let first = first.schema(named("name")).await?;
                let second =
                    cx.wait::<Value>("step2").message("Step 2: What is your favorite color?");
                let second = second.schema(named("color")).await?;
                Ok::<_, StepError>(format!("{first} {second}"))
            },
        )),
        tool("multi_input").step(
            Parallel::new("both")
                .branch(Step::new("first", async |_: StepInput, cx: StepContext| {
                    let asked =
                        cx.wait::<Value>("first").message("First?").schema(confirmed("confirm"));
                    asked.await.map(|answer| answer.to_string())
                }))
                .branch(Step::new("second", async |_: StepInput, cx: StepContext| {
                    let asked =
                        cx.wait::<Value>("second").message("Second?").schema(confirmed("confirm"));
                    asked.await.map(|answer| answer.to_string())
                })),
        ),
        tool("slow_compute").step(Step::new("work", async |input: StepInput| {
            let seconds = input.content().to_value()["seconds"].as_f64().unwrap_or(1.0);
            if seconds > 0.0 {
                tokio::time::sleep(LONGER_THAN_A_CALL + Duration::from_secs_f64(seconds)).await;
            }
            "computed"
        })),
        tool("failing_job").step(Step::new("fail", async |_: StepInput| {
            tokio::time::sleep(LONGER_THAN_A_CALL).await;
            Err::<String, _>("This job fails")
        })),
        tool("greet").step(Step::new("greet", async |input: StepInput| {
            format!("Hello, {}!", input.content().to_value()["name"].as_str().unwrap_or_default())
        })),
    ]
}

/// Returns the workflows with the schemas of their inputs.
fn tools() -> Vec<(WorkflowBuilder, Value)> {
    let anything = json!({"type": "object"});
    let mut all: Vec<_> =
        workflows().into_iter().map(|builder| (builder, anything.clone())).collect();
    let headers = json!({
        "type": "object",
        "properties": {
            "region": {"type": "string", "x-mcp-header": "Region"},
            "query": {"type": "string"},
        },
        "required": ["region"],
    });
    all.push((saying("test_headers", "fits"), headers));
    all.push((saying("json_schema_2020_12_tool", "fits"), with_2020_12()));
    all
}

/// Serves the workflows, and returns the address.
async fn served(stop: &CancellationToken) -> String {
    let mut service = McpService::new();
    for (builder, schema) in tools() {
        service = service.workflow(&builder.build().unwrap(), Some(&schema));
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/mcp", listener.local_addr().unwrap());
    let stop = stop.clone();
    tokio::spawn(async move {
        service.serve_http(listener, HttpOptions::new(), stop).await.unwrap();
    });
    address
}

/// Serves the workflows with `stepwright_server`, beside its other APIs.
fn served_by_server(stop: &CancellationToken) -> String {
    let store = Memory::default();
    let mut server = Server::builder().store(store.clone());
    for (builder, schema) in tools() {
        let workflow = builder.store(store.clone()).build().unwrap();
        server = server.workflow(&workflow).input_schema(schema);
    }
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/mcp", listener.local_addr().unwrap());
    tokio::spawn(server.build().unwrap().serve(listener, stop.clone()));
    address
}

async fn conforms(version: &str, list: &str) {
    let stop = CancellationToken::new();
    let _stop = stop.clone().drop_guard();
    for address in [served(&stop).await, served_by_server(&stop)] {
        address_conforms(&address, version, list).await;
    }
}

async fn address_conforms(address: &str, version: &str, list: &str) {
    let list = expected(list);
    let arguments = ["server", "--url", address, "--suite", "all", "--spec-version", version];
    let output = kit(&[&arguments[..], &["--expected-failures", &list]].concat()).await;
    assert_conforms(output);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_conforms_with_sessions() {
    conforms(SESSIONS, "server-sessions").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_conforms_without_sessions() {
    conforms(STATELESS, "server-stateless").await;
}

/// Tasks are an extension, whose scenarios no suite has.
const TASKS: [&str; 9] = [
    "tasks-lifecycle",
    "tasks-capability-negotiation",
    "tasks-wire-fields",
    "tasks-request-state-removal",
    "tasks-mrtr-input",
    "tasks-request-headers",
    "tasks-dispatch-and-envelope",
    "tasks-required-task-error",
    "tasks-mrtr-composition",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_tasks_of_the_server_conform() {
    let stop = CancellationToken::new();
    let _stop = stop.clone().drop_guard();
    let list = expected("server-tasks");
    for address in [served(&stop).await, served_by_server(&stop)] {
        for scenario in TASKS {
            let arguments = ["server", "--url", &address, "--scenario", scenario];
            let arguments = [&arguments[..], &["--expected-failures", &list]].concat();
            assert_conforms(kit(&arguments).await);
        }
    }
}
