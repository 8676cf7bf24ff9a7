//! Agents: a turn with one tool call, a token on its way to a reader of server-sent events, and
//! agents that wait for their model. `cargo bench -p stepwright --bench agents`; arguments are
//! parts of the names of the lines that are measured. `FIGURES_SHORT=1` measures a tenth.
//!
//! `-- count turn N` makes N turns and nothing else, for tools that count instructions or
//! allocations, which do not depend on the load of the machine: the difference between two counts.
#![expect(clippy::print_stdout, reason = "it prints what it measured")]

mod work;

use futures_util::stream;
use rig_core::completion::CompletionRequest;
use rig_core::message::Message as RigMessage;
use rig_core::providers::openai::wire::{OPENAI, OpenAIConfig};
use rig_reqwest::ReqwestClient;
use serde::Deserialize;
use serde_json::json;
use std::hint::black_box;
use std::io::{BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;
use stepwright::Team;
use stepwright::models::{
    AnyModel, Arguments, AssistantTurn, Completion, Message, Model, ModelEvent, ModelRequest,
    ModelStream, Part, Provider, StopReason, ToolCall,
};
use stepwright::prelude::*;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _};
use work::{asked, drained, parks, unparks, worked};

const TURN: &str = "a turn with one tool call";
const TURN_HTTP: &str = "the same over HTTP";
const TOKEN: &str = "a token through agent, stream and SSE";
const TEAM: &str = "a delegation of a team";
const WAITING: &str = "agents that wait";

const TURNS: usize = 200;
/// The delegations of one run of the team, each in a round of its own.
const DELEGATIONS: usize = 10;
const TOKENS: usize = 20_000;
const PACKET: usize = 40;
const AGENTS: usize = 1_000;

fn rounds(whole: usize) -> usize {
    if std::env::var_os("FIGURES_SHORT").is_some() { whole.div_ceil(10) } else { whole }
}

fn words() -> Vec<String> {
    // Cargo passes options of its own.
    std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect()
}

fn is_asked_for(name: &str) -> bool {
    let words = words();
    words.is_empty() || words.iter().any(|part| name.contains(part))
}

/// A model in this process, which calls the tool and then answers.
#[derive(Clone, Copy)]
struct Caller;

impl Model for Caller {
    fn id(&self) -> &'static str {
        "bench:caller"
    }

    fn stream(&self, request: ModelRequest) -> ModelStream {
        let events = if matches!(request.messages.last(), Some(Message::Tool { .. })) {
            let turn = AssistantTurn::text_only("It is 3.");
            let done = Completion { turn, ..Completion::default() };
            vec![ModelEvent::TextDelta("It is 3.".into()), ModelEvent::Done(done)]
        } else {
            let arguments = Arguments::json(json!({"a": 1, "b": 2}));
            let call = ToolCall { id: "c1".into(), name: "add".into(), arguments };
            let turn = AssistantTurn { parts: vec![Part::ToolCall(call.clone())], native: None };
            let stop = StopReason::ToolCalls;
            vec![
                ModelEvent::ToolCallStart { index: 0, name: "add".into() },
                ModelEvent::ToolCallReady { index: 0, call },
                ModelEvent::Done(Completion { turn, stop, ..Completion::default() }),
            ]
        };
        stream::iter(events.into_iter().map(Ok)).boxed()
    }
}

/// The model of a leader, which gives one task in each round and then answers.
#[derive(Clone, Copy)]
struct Leader;

impl Model for Leader {
    fn id(&self) -> &'static str {
        "bench:leader"
    }

    fn stream(&self, request: ModelRequest) -> ModelStream {
        let is_result = |message: &&Message| matches!(message, Message::Tool { .. });
        let done = request.messages.iter().filter(is_result).count();
        if done >= DELEGATIONS {
            return Member.stream(request);
        }
        let arguments = Arguments::json(json!({"task": "Find one."}));
        let call = ToolCall { id: format!("c{done}"), name: "scout".into(), arguments };
        let turn = AssistantTurn { parts: vec![Part::ToolCall(call.clone())], native: None };
        let stop = StopReason::ToolCalls;
        let events = vec![
            ModelEvent::ToolCallStart { index: 0, name: "scout".into() },
            ModelEvent::ToolCallReady { index: 0, call },
            ModelEvent::Done(Completion { turn, stop, ..Completion::default() }),
        ];
        stream::iter(events.into_iter().map(Ok)).boxed()
    }
}

/// The model of a member, which answers at once.
#[derive(Clone, Copy)]
struct Member;

impl Model for Member {
    fn id(&self) -> &'static str {
        "bench:member"
    }

    fn stream(&self, _: ModelRequest) -> ModelStream {
        let turn = AssistantTurn::text_only("There is one.");
        let done = Completion { turn, ..Completion::default() };
        let events = [ModelEvent::TextDelta("There is one.".into()), ModelEvent::Done(done)];
        stream::iter(events.into_iter().map(Ok)).boxed()
    }
}

/// A model that never answers.
struct Silent;

impl Model for Silent {
    fn id(&self) -> &'static str {
        "bench:silent"
    }

    fn stream(&self, _: ModelRequest) -> ModelStream {
        stream::pending().boxed()
    }
}

/// Adds two numbers.
#[tool(read_only)]
fn add(a: i64, b: i64) -> String {
    (a + b).to_string()
}

fn workflow(model: impl Into<stepwright::models::AnyModel>) -> Workflow {
    let agent = Agent::builder("a").model(model.into()).expect("a model").tool(add);
    let agent = agent.build().expect("an agent");
    Workflow::builder("w").step(agent).build().expect("no mistakes")
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .on_thread_park(parks)
        .on_thread_unpark(unparks)
        .build()
        .expect("a runtime");
    let words = words();
    runtime.block_on(async {
        if let [count, turn, number] = &*words
            && count == "count"
            && turn == "turn"
        {
            let workflow = workflow(stepwright::models::AnyModel::new(Caller));
            for _ in 0..number.parse().expect("a number of turns") {
                black_box(workflow.run("1 + 2?").await.expect("it completes"));
            }
            return;
        }
        if is_asked_for(TURN) {
            turn().await;
        }
        if is_asked_for(TURN_HTTP) {
            turn_over_http().await;
        }
        if is_asked_for(TEAM) {
            delegation().await;
        }
        if is_asked_for(TOKEN) {
            token().await;
        }
        if is_asked_for(WAITING) {
            waiting().await;
        }
    });
}

#[expect(clippy::cast_precision_loss, reason = "there are not that many")]
fn micros(time: Duration, parts: usize) -> f64 {
    time.as_secs_f64() * 1e6 / parts as f64
}

/// Prints the shortest times, since the others have the time of other programs.
fn report(name: &str, parts: usize, alone: &[Duration], through: &[Duration]) {
    let least = |times: &[Duration]| micros(*times.iter().min().expect("a round"), parts);
    println!("{name}: {:.2} alone, {:.2} through", least(alone), least(through));
}

/// Compares a run with the two requests to its model and the call by themselves.
async fn turn() {
    let workflow = workflow(stepwright::models::AnyModel::new(Caller));
    let request = |messages| ModelRequest { messages, ..ModelRequest::default() };
    let (mut alone, mut through) = (Vec::new(), Vec::new());
    for _ in 0..rounds(51) {
        alone.push(
            worked(async {
                for _ in 0..TURNS {
                    let messages = vec![Message::user("1 + 2?")];
                    drained(Caller.stream(request(messages))).await;
                    black_box(add::run(1, 2));
                    let messages = vec![Message::Tool { results: Vec::new() }];
                    drained(Caller.stream(request(messages))).await;
                }
            })
            .await,
        );
        through.push(
            worked(async {
                for _ in 0..TURNS {
                    black_box(workflow.run("1 + 2?").await.expect("it completes"));
                }
            })
            .await,
        );
    }
    report(TURN, TURNS, &alone, &through);
}

/// Compares delegations of a team with the requests to its models by themselves: one of the leader
/// and one of the member for each.
async fn delegation() {
    let scout = Agent::builder("scout").model(AnyModel::new(Member)).expect("a model").build();
    let team = Team::builder("desk").model(AnyModel::new(Leader)).expect("a model").max_rounds(20);
    let team = team.member(scout.expect("an agent"), "Finds.").build().expect("a team");
    let workflow = Workflow::builder("w").step(team).build().expect("no mistakes");
    let request = |messages| ModelRequest { messages, ..ModelRequest::default() };
    let runs = TURNS / DELEGATIONS;
    let (mut alone, mut through) = (Vec::new(), Vec::new());
    for _ in 0..rounds(51) {
        alone.push(
            worked(async {
                for _ in 0..runs * DELEGATIONS {
                    drained(Leader.stream(request(vec![Message::user("Report.")]))).await;
                    drained(Member.stream(request(vec![Message::user("Find one.")]))).await;
                }
            })
            .await,
        );
        through.push(
            worked(async {
                for _ in 0..runs {
                    black_box(workflow.run("Report.").await.expect("it completes"));
                }
            })
            .await,
        );
    }
    report(TEAM, runs * DELEGATIONS, &alone, &through);
}

/// Compares the same turn over HTTP with rig's model alone, which a loop of two requests asks.
async fn turn_over_http() {
    let address = format!("http://{}/v1", provider());
    // The library's HTTP client requires a TLS provider, although nothing is encrypted here.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let library = OpenAIConfig::with_key(&OPENAI, "key").with_base_url(address.as_str());
    let library = rig_core::Model::new(library.chat("small"), ReqwestClient::default());
    let workflow = workflow(model(&address));
    let (mut alone, mut through) = (Vec::new(), Vec::new());
    for _ in 0..rounds(11) {
        alone.push(
            worked(async {
                for _ in 0..TURNS / 4 {
                    for message in ["1 + 2?", "tool_call_id"] {
                        let request = CompletionRequest::from(vec![RigMessage::user(message)]);
                        drained(library.stream(request).expect("a request")).await;
                        black_box(add::run(1, 2));
                    }
                }
            })
            .await,
        );
        through.push(
            worked(async {
                for _ in 0..TURNS / 4 {
                    black_box(workflow.run("1 + 2?").await.expect("it completes"));
                }
            })
            .await,
        );
    }
    report(TURN_HTTP, TURNS / 4, &alone, &through);
}

fn model(address: &str) -> stepwright::models::AnyModel {
    let provider = Provider::named("openai-chat").expect("it is known");
    provider.base_url(address).api_key("key").model("small").expect("a model")
}

/// The part of a chunk that a bare reader needs.
#[derive(Deserialize)]
struct Chunk {
    choices: Vec<Choice>,
}

#[derive(Deserialize)]
struct Choice {
    delta: Delta,
}

#[derive(Deserialize)]
struct Delta {
    content: Option<String>,
}

/// Compares the events of a workflow, written as server-sent events, with a bare reader of the
/// provider's stream that writes the text of each chunk in the same way.
async fn token() {
    let host = provider();
    let address = format!("http://{host}/v1");
    let agent = Agent::builder("a").model(model(&address)).expect("a model").build();
    let workflow = Workflow::builder("w").step(agent.expect("an agent")).build();
    let workflow = workflow.expect("no mistakes");
    let (mut alone, mut through) = (Vec::new(), Vec::new());
    for _ in 0..rounds(21) {
        alone.push(worked(async { drop(black_box(bare(host).await)) }).await);
        through.push(
            worked(async {
                let mut written = Vec::new();
                let mut events = workflow.run("words").stream();
                while let Some(event) = events.next().await {
                    written.extend_from_slice(b"data: ");
                    serde_json::to_writer(&mut written, &event).expect("JSON");
                    written.extend_from_slice(b"\n\n");
                }
                black_box(written);
            })
            .await,
        );
    }
    report(TOKEN, TOKENS, &alone, &through);
}

/// Reads the provider's stream with no library but a parser of JSON.
async fn bare(host: SocketAddr) -> Vec<u8> {
    let mut socket = tokio::net::TcpStream::connect(host).await.expect("the provider");
    let body = json!({"model": "small", "stream": true, "messages": [{"content": "words"}]});
    let body = body.to_string();
    let head = format!("POST /v1/chat/completions HTTP/1.1\r\ncontent-length: {}", body.len());
    socket.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).await.expect("sent");
    let mut lines = tokio::io::BufReader::new(socket).lines();
    let mut written = Vec::new();
    while let Some(line) = lines.next_line().await.expect("a line") {
        let Some(data) = line.strip_prefix("data: ") else { continue };
        if data == "[DONE]" {
            break;
        }
        let chunk: Chunk = serde_json::from_str(data).expect("a chunk");
        let Some(text) = chunk.choices.into_iter().find_map(|it| it.delta.content) else {
            continue;
        };
        written.extend_from_slice(b"data: ");
        serde_json::to_writer(&mut written, &json!({ "content": text })).expect("JSON");
        written.extend_from_slice(b"\n\n");
    }
    written
}

/// Starts a server that speaks OpenAI's chat completions: it calls the tool and answers, or repeats
/// `word` if it is asked for words.
fn provider() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let chunk = |delta: &str, stop: &str| {
        format!(
            "data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\
             \"model\":\"small\",\"choices\":[{{\"index\":0,\"delta\":{delta},\
             \"finish_reason\":{stop}}}]}}\n\n"
        )
    };
    let end = |stop: &str| chunk("{}", stop) + "data: [DONE]\n\n";
    let function = json!({"name": "add", "arguments": "{\"a\": 1, \"b\": 2}"});
    let call = json!({"index": 0, "id": "c1", "type": "function", "function": function});
    let call = json!({ "tool_calls": [call] }).to_string();
    let call = chunk(&call, "null") + &end("\"tool_calls\"");
    let text = chunk("{\"content\":\"It is 3.\"}", "null") + &end("\"stop\"");
    let packet = chunk("{\"content\":\"word \"}", "null").repeat(PACKET);
    let last = end("\"stop\"");
    std::thread::spawn(move || {
        for socket in listener.incoming().flatten() {
            let (call, text) = (call.clone(), text.clone());
            let (packet, last) = (packet.clone(), last.clone());
            std::thread::spawn(move || {
                let _ = socket.set_nodelay(true);
                let mut reader = BufReader::new(socket.try_clone().expect("a socket"));
                while let Some(body) = asked(&mut reader) {
                    let has =
                        |what: &str| body.windows(what.len()).any(|part| part == what.as_bytes());
                    let mut socket = &socket;
                    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n";
                    if has("words") {
                        let length = packet.len() * (TOKENS / PACKET) + last.len();
                        let _ = write!(socket, "{head}content-length: {length}\r\n\r\n");
                        for _ in 0..TOKENS / PACKET {
                            let _ = socket.write_all(packet.as_bytes());
                            std::thread::sleep(Duration::from_millis(2));
                        }
                        let _ = socket.write_all(last.as_bytes());
                        continue;
                    }
                    let answer = if has("tool_call_id") { &text } else { &call };
                    let length = answer.len();
                    let _ = write!(socket, "{head}content-length: {length}\r\n\r\n{answer}");
                }
            });
        }
    });
    address
}

/// Returns the memory of this process in bytes.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok());
    pages.unwrap_or(0) * 4096
}

/// Measures the memory of agents of which each waits for its model, in runs of one workflow.
async fn waiting() {
    let workflow = workflow(stepwright::models::AnyModel::new(Silent));
    let mut runs = Vec::with_capacity(AGENTS);
    let started = async |runs: &mut Vec<_>| {
        let mut run = workflow.run("in").into_future();
        let _ = futures_util::poll!(&mut run);
        runs.push(run);
    };
    // The first ones bring what all share.
    for _ in 0..AGENTS / 10 {
        started(&mut runs).await;
    }
    let before = resident();
    for _ in 0..AGENTS {
        started(&mut runs).await;
    }
    let each = resident().saturating_sub(before) / AGENTS;
    println!("{AGENTS} {WAITING}: {each} bytes each (resident memory)");
}
