//! The real programs, driven by a model that is scripted: a server on this machine that speaks the
//! protocols of their providers. Without `STEPWRIGHT_TEST_HARNESS`, the folder that
//! `scripts/test-harness.sh` prints, these tests are skipped.

use crate::places::cut_at;
use crate::support::{ended, events, facts, outcomes};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use stepwright_core::requirement::RequirementKind;
use stepwright_core::{Answer, Event, EventKind, Memory, RunStatus};
use stepwright_engine::{Step, Workflow};
use stepwright_harness::Harness;
use tempfile::TempDir;

fn home() -> Option<PathBuf> {
    let home = std::env::var_os("STEPWRIGHT_TEST_HARNESS").map(PathBuf::from);
    if home.is_none() {
        eprintln!("skipped: set STEPWRIGHT_TEST_HARNESS=$(scripts/test-harness.sh)");
    }
    home
}

/// A model that asks for one tool, and then says that all is done.
struct Model {
    address: String,
}

impl Model {
    fn start(work: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let work = work.to_owned();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let work = work.clone();
                std::thread::spawn(move || {
                    // A client may hang up whenever it wants.
                    let _ = served(stream, &work);
                });
            }
        });
        Self { address }
    }
}

fn served(stream: TcpStream, work: &Path) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut head, mut length) = (String::new(), 0);
    reader.read_line(&mut head)?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        if line.trim().is_empty() {
            break;
        }
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let request: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let (kind, text) = match head.split(' ').nth(1).unwrap_or_default() {
        path if path.contains("count_tokens") => {
            ("application/json", r#"{"input_tokens":9}"#.into())
        }
        path if path.contains("/messages") => ("text/event-stream", anthropic(&request, work)),
        path if path.ends_with("/responses") => ("text/event-stream", responses(&request)),
        path if path.contains("/completions") => ("text/event-stream", chat(&request)),
        _ => ("application/json", r#"{"data": []}"#.into()),
    };
    let mut stream = stream;
    write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: \
         close\r\n\r\n{text}",
        text.len()
    )
}

fn tools(request: &Value) -> Vec<&str> {
    let tools = request["tools"].as_array().into_iter().flatten();
    tools
        .filter_map(|tool| tool["name"].as_str().or_else(|| tool["function"]["name"].as_str()))
        .collect()
}

fn events_of(all: &[Value]) -> String {
    let event = |it: &Value| format!("event: {}\ndata: {it}\n\n", it["type"].as_str().unwrap());
    all.iter().map(event).collect::<Vec<_>>().concat()
}

fn anthropic(request: &Value, work: &Path) -> String {
    let has_result = request["messages"].to_string().contains("\"tool_result\"");
    let usage = json!({"input_tokens": 11, "cache_read_input_tokens": 100, "output_tokens": 1});
    let message = json!({"id": format!("msg_{}", request.to_string().len()), "type": "message",
        "role": "assistant", "model": request["model"], "content": [], "stop_reason": null,
        "usage": usage});
    let mut all = vec![json!({"type": "message_start", "message": message})];
    let stop = if has_result || !tools(request).contains(&"Write") {
        let block = json!({"type": "text", "text": ""});
        let delta = json!({"type": "text_delta", "text": "All done."});
        all.push(json!({"type": "content_block_start", "index": 0, "content_block": block}));
        all.push(json!({"type": "content_block_delta", "index": 0, "delta": delta}));
        "end_turn"
    } else {
        let block = json!({"type": "tool_use", "id": "toolu_1", "name": "Write", "input": {}});
        let input = json!({"file_path": work.join("hello.txt"), "content": "hi\n"}).to_string();
        let delta = json!({"type": "input_json_delta", "partial_json": input});
        all.push(json!({"type": "content_block_start", "index": 0, "content_block": block}));
        all.push(json!({"type": "content_block_delta", "index": 0, "delta": delta}));
        "tool_use"
    };
    all.push(json!({"type": "content_block_stop", "index": 0}));
    all.push(json!({"type": "message_delta", "delta": {"stop_reason": stop},
        "usage": {"output_tokens": 20}}));
    all.push(json!({"type": "message_stop"}));
    events_of(&all)
}

fn responses(request: &Value) -> String {
    let mut all = vec![json!({"type": "response.created", "response": {"id": "resp_1"}})];
    let has_result = request["input"].to_string().contains("_call_output");
    let item = if has_result {
        json!({"type": "message", "role": "assistant", "id": "msg_1",
            "content": [{"type": "output_text", "text": "All done."}]})
    } else {
        let (name, input) = match tools(request) {
            tools if tools.contains(&"exec_command") => ("exec_command", json!({"cmd": "pwd"})),
            tools if tools.contains(&"shell_command") => {
                ("shell_command", json!({"command": "pwd"}))
            }
            _ => ("shell", json!({"command": ["pwd"]})),
        };
        json!({"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": name,
            "arguments": input.to_string()})
    };
    all.push(json!({"type": "response.output_item.done", "output_index": 0, "item": item}));
    let usage = json!({"input_tokens": 100, "input_tokens_details": {"cached_tokens": 40},
        "output_tokens": 10, "output_tokens_details": {"reasoning_tokens": 2},
        "total_tokens": 110});
    let response = json!({"id": "resp_1", "usage": usage});
    all.push(json!({"type": "response.completed", "response": response}));
    events_of(&all)
}

fn chat(request: &Value) -> String {
    let has_result = request["messages"].to_string().contains("\"role\":\"tool\"");
    let chunk = |delta: Value, stop: Value| {
        let choice = json!({"index": 0, "delta": delta, "finish_reason": stop});
        let usage = json!({"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110});
        json!({"id": "c", "object": "chat.completion.chunk", "created": 1,
            "model": request["model"], "choices": [choice], "usage": usage})
    };
    let all = if has_result || !tools(request).contains(&"bash") {
        let delta = json!({"role": "assistant", "content": "All done."});
        vec![chunk(delta, Value::Null), chunk(json!({}), "stop".into())]
    } else {
        let input = json!({"command": "echo hi > hello.txt", "description": "writes"});
        let function = json!({"name": "bash", "arguments": input.to_string()});
        let call = json!({"index": 0, "id": "call_1", "type": "function", "function": function});
        let delta = json!({"role": "assistant", "tool_calls": [call]});
        vec![chunk(delta, Value::Null), chunk(json!({}), "tool_calls".into())]
    };
    let lines: Vec<String> = all.iter().map(|chunk| format!("data: {chunk}\n\n")).collect();
    lines.concat() + "data: [DONE]\n\n"
}

/// A folder to work in, and a home without anything of this user.
struct Place {
    dir: TempDir,
}

impl Place {
    fn new() -> Self {
        // Codex makes no helpers below the folder of temporary files.
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        for folder in ["work", "home"] {
            std::fs::create_dir(dir.path().join(folder)).unwrap();
        }
        Self { dir }
    }

    fn work(&self) -> PathBuf {
        self.dir.path().join("work").canonicalize().unwrap()
    }

    fn harness(&self, harness: Harness, home: &Path, program: &str) -> Harness {
        let program = home.join("node_modules/.bin").join(program);
        harness
            .program(program.to_str().unwrap())
            .base_dir(self.work())
            .env("HOME", self.dir.path().join("home").to_str().unwrap())
    }
}

fn stored(harness: Harness) -> (Workflow, Memory) {
    let store = Memory::default();
    (again(harness, &store), store)
}

fn again(harness: Harness, store: &Memory) -> Workflow {
    let step = Step::new("code", harness);
    Workflow::builder("W").step(step).store(store.clone()).build().unwrap()
}

/// Returns `true` for the fact that a turn has ended.
fn is_answer(fact: &Event) -> bool {
    match &fact.kind {
        EventKind::StepRecorded { key, .. } => &**key == "harness:turn1",
        _ => false,
    }
}

#[tokio::test]
async fn claude_code_asks_works_and_goes_on_after_a_crash() {
    let Some(home) = home() else { return };
    let place = Place::new();
    let model = Model::start(&place.work());
    let harness = place
        .harness(Harness::claude_code(), &home, "claude")
        .env("ANTHROPIC_BASE_URL", &model.address)
        .env("ANTHROPIC_API_KEY", "scripted")
        .env("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1");
    let (workflow, store) = stored(harness.clone());
    let output = ended(workflow.run("Write hello.txt.").run_id("claude")).await;
    assert_eq!(output.status, RunStatus::Paused, "{output:?}");
    let asked = &output.requirements[0];
    let RequirementKind::Permission { effect, .. } = &asked.kind else { panic!("{asked:?}") };
    assert!(effect.starts_with("write_file: ") && effect.ends_with("hello.txt"), "{effect}");
    assert!(!place.work().join("hello.txt").exists());
    let id = asked.id.clone();
    let output = ended(workflow.continue_run("claude", [(&*id, Answer::Approve)])).await;
    assert_eq!(output.content.text(), "All done.", "{output:?}");
    let written = std::fs::read_to_string(place.work().join("hello.txt")).unwrap();
    assert_eq!(written, "hi\n");
    assert_eq!(output.metrics.usage.total_tokens(), 2 * 131);
    assert_eq!((output.metrics.model_calls, output.metrics.tool_calls), (2, 1));
    assert!(output.metrics.cost.nano_usd() > 0, "{:?}", output.metrics.cost);
    // Its process dies after the message was sent: the conversation is loaded.
    let all = facts(&store, "claude").await;
    let cut = all.iter().position(is_answer).unwrap();
    let store = cut_at("claude", &all, cut).await;
    let output = ended(again(harness, &store).resume("claude")).await;
    assert_eq!(output.content.text(), "All done.", "{output:?}");
}

#[tokio::test]
async fn opencode_asks_and_works() {
    let Some(home) = home() else { return };
    let place = Place::new();
    let model = Model::start(&place.work());
    let settings = json!({"provider": {"scripted": {
        "npm": "@ai-sdk/openai-compatible", "name": "scripted",
        "options": {"baseURL": format!("{}/v1", model.address), "apiKey": "scripted"},
        "models": {"scripted": {"name": "scripted"}}}}});
    let at = place.dir.path().join("home/.config/opencode");
    std::fs::create_dir_all(&at).unwrap();
    std::fs::write(at.join("opencode.json"), settings.to_string()).unwrap();
    let harness = place
        .harness(Harness::opencode(), &home, "opencode")
        .model("scripted/scripted")
        .env("OPENCODE_DISABLE_AUTOUPDATE", "1")
        .env("OPENCODE_DISABLE_MODELS_FETCH", "1");
    let (workflow, store) = stored(harness.clone());
    let output = ended(workflow.run("Write hello.txt.").run_id("opencode")).await;
    assert_eq!(output.status, RunStatus::Paused, "{output:?}");
    let asked = &output.requirements[0];
    let RequirementKind::Permission { effect, .. } = &asked.kind else { panic!("{asked:?}") };
    assert_eq!(&**effect, "shell: echo hi > hello.txt");
    let id = asked.id.clone();
    let output = ended(workflow.continue_run("opencode", [(&*id, Answer::Approve)])).await;
    assert_eq!(output.content.text(), "All done.", "{output:?}");
    assert!(place.work().join("hello.txt").exists());
    assert_eq!(output.metrics.tool_calls, 1);
    let all = facts(&store, "opencode").await;
    let cut = all.iter().position(is_answer).unwrap();
    let store = cut_at("opencode", &all, cut).await;
    let output = ended(again(harness, &store).resume("opencode")).await;
    assert_eq!(output.content.text(), "All done.", "{output:?}");
}

#[tokio::test]
async fn codex_works_and_a_later_step_goes_on() {
    let Some(home) = home() else { return };
    let place = Place::new();
    // There it has no sandbox, and so no command of it runs.
    let is_temporary = place.work().starts_with(std::env::temp_dir());
    assert!(!is_temporary, "Codex runs no command below the folder of temporary files");
    let model = Model::start(&place.work());
    let settings = format!(
        "model = \"scripted\"\nmodel_provider = \"scripted\"\n[model_providers.scripted]\nname = \
         \"scripted\"\nbase_url = \"{}/v1\"\nwire_api = \"responses\"\nrequires_openai_auth = \
         false\n",
        model.address
    );
    let codex = place.dir.path().join("home/.codex");
    std::fs::create_dir_all(&codex).unwrap();
    std::fs::write(codex.join("config.toml"), settings).unwrap();
    let harness = place.harness(Harness::codex(), &home, "codex");
    let workflow = Workflow::builder("W")
        .step(Step::new("code", harness.clone()))
        .step(Step::new("more", harness.session("code")))
        .store(Memory::default())
        .build()
        .unwrap();
    let output = ended(workflow.run("Where are you?")).await;
    assert_eq!(output.content.text(), "All done.", "{output:?}");
    // Two requests, and one: it tells the sum of the conversation each time.
    assert_eq!(output.metrics.usage.total_tokens(), 3 * 110);
    let told = outcomes(&events(&workflow, &output).await);
    assert_eq!(told.len(), 1, "{told:?}");
}
