//! Messages to agents at work: when they arrive, and that each arrives once.

#[path = "steering/cuts.rs"]
mod cuts;
#[path = "steering/requests.rs"]
mod requests;
#[path = "steering/sessions.rs"]
mod sessions;

use futures_util::StreamExt as _;
use serde_json::json;
use std::sync::Arc;
use stepwright::containers::Parallel;
use stepwright::models::{Message, ModelRequest};
use stepwright::prelude::*;
use stepwright::sent::SendMode;
use stepwright::store::RunStore as _;
use stepwright::{AnyStore, ErrorId, ErrorKind, Memory, Runs};
use stepwright_testing::grammar;
use stepwright_testing::model::{FunctionModel, Reply, ScriptedModel};
use tokio::sync::Semaphore;

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Nothing {}

/// A tool that tells when it was called, and waits for permits.
#[derive(Clone)]
struct Gate {
    called: Arc<Semaphore>,
    open: Arc<Semaphore>,
}

impl Gate {
    fn new() -> Self {
        Self { called: Arc::new(Semaphore::new(0)), open: Arc::new(Semaphore::new(0)) }
    }

    fn tool(&self) -> FunctionTool {
        let gate = self.clone();
        let work = move |_: Nothing| {
            let gate = gate.clone();
            async move {
                gate.called.add_permits(1);
                gate.open.acquire().await.unwrap().forget();
                Ok::<_, String>("looked")
            }
        };
        FunctionTool::new("look", "Looks.", work).read_only()
    }

    async fn until_called(&self) {
        self.called.acquire().await.unwrap().forget();
    }

    fn go_on(&self) {
        self.open.add_permits(1);
    }
}

fn look() -> Reply {
    Reply::call("look", json!({}))
}

/// A model that looks once for each message of its user, and then answers.
fn looking() -> FunctionModel {
    FunctionModel::new(|request| {
        let is_result = |message: &&Message| matches!(message, Message::Tool { .. });
        let of_user = |message: &&Message| matches!(message, Message::User { .. });
        let results = request.messages.iter().filter(is_result).count();
        let asked = request.messages.iter().filter(of_user).count();
        if results < asked { look() } else { Reply::text(format!("answer {asked}")) }
    })
}

fn agent(model: impl stepwright::models::Model, tool: FunctionTool) -> Agent {
    Agent::builder("Writer").model(model).unwrap().tool(tool).build().unwrap()
}

fn workflow(agent: Agent, store: &Memory) -> Workflow {
    let write = Step::new("write", agent);
    Workflow::builder("W").step(write).store(store.clone()).build().unwrap()
}

/// Describes the conversation of a request.
fn told(request: &ModelRequest) -> Vec<String> {
    let word = |message: &Message| match message {
        Message::User { .. } => format!("user: {}", message.text()),
        Message::Assistant(turn) if turn.tool_calls().next().is_some() => "model calls".to_owned(),
        Message::Assistant(turn) => format!("model: {}", turn.text()),
        Message::Tool { .. } => "results".to_owned(),
    };
    request.messages.iter().map(word).collect()
}

async fn facts(store: &Memory, run: &str) -> Vec<Event> {
    let facts = store.load(&run.parse().unwrap(), 0, usize::MAX).await.unwrap();
    grammar::check(&facts);
    facts
}

fn names(facts: &[Event]) -> Vec<&str> {
    facts.iter().map(Event::name).collect()
}

#[tokio::test]
async fn a_message_comes_after_the_tool_calls_and_before_the_next_request() {
    let (gate, model, store) = (Gate::new(), looking(), Memory::default());
    let workflow = workflow(agent(model.clone(), gate.tool()), &store);
    let handle = workflow.run("go").run_id("r").background().await.unwrap();
    gate.until_called().await;
    let sent = handle.steer("leave the costs out").by("ada").await.unwrap();
    assert!(!sent.is_for_next_run);
    gate.go_on();
    gate.until_called().await;
    gate.go_on();
    assert_eq!(handle.wait().await.unwrap().content.text(), "answer 2");
    let requests = model.requests();
    assert_eq!(
        told(&requests[1]),
        ["user: go", "model calls", "results", "user: leave the costs out"],
    );
    let facts = facts(&store, "r").await;
    let got = facts.iter().find_map(|fact| match &fact.kind {
        EventKind::MessageReceived { message } => Some((fact.path.to_string(), message.clone())),
        _ => None,
    });
    let (path, message) = got.unwrap();
    assert_eq!((path.as_str(), &*message.id), ("write", &*sent.id));
    assert_eq!((message.by.as_deref(), message.mode), (Some("ada"), SendMode::Steer));
    let order = names(&facts);
    let at = |name: &str| order.iter().position(|found| *found == name).unwrap();
    assert!(at("ToolCallCompleted") < at("MessageReceived"));
    // The output has it in the conversation.
    let output = workflow.get_run("r").await.unwrap();
    let turns = &output.step_executor_runs[0].turns;
    let is_message = |turn: &stepwright::execution::Turn| {
        matches!(turn, stepwright::execution::Turn::Message(_))
    };
    assert_eq!(turns.iter().position(is_message), Some(2), "{turns:?}");
}

#[tokio::test]
async fn an_agent_that_would_end_goes_on_with_the_message() {
    let (store, gate) = (Memory::default(), Gate::new());
    let model = ScriptedModel::new([Reply::text("first"), Reply::text("second")]);
    let slow = Slow { inner: model.clone(), gate: gate.clone() };
    let agent = Agent::builder("Writer").model(slow).unwrap().build().unwrap();
    let workflow = workflow(agent, &store);
    let handle = workflow.run("go").run_id("r").background().await.unwrap();
    // The message arrives while the last answer is written.
    gate.until_called().await;
    handle.steer("and the costs?").await.unwrap();
    gate.go_on();
    gate.go_on();
    assert_eq!(handle.wait().await.unwrap().content.text(), "second");
    assert_eq!(told(&model.requests()[1]), ["user: go", "model: first", "user: and the costs?"]);
}

/// A model that waits for a gate before each answer.
#[derive(Clone)]
struct Slow {
    inner: ScriptedModel,
    gate: Gate,
}

impl stepwright::models::Model for Slow {
    fn id(&self) -> &'static str {
        "scripted:slow"
    }

    fn stream(&self, request: ModelRequest) -> stepwright::models::ModelStream {
        let Self { inner, gate } = self.clone();
        let stream = async move {
            gate.called.add_permits(1);
            gate.open.acquire().await.unwrap().forget();
            inner.stream(request)
        };
        futures_util::stream::once(stream).flatten().boxed()
    }
}

#[tokio::test]
async fn follow_ups_wait_for_the_end_and_each_has_its_answer() {
    let (gate, model, store) = (Gate::new(), looking(), Memory::default());
    let workflow = workflow(agent(model.clone(), gate.tool()), &store);
    let handle = workflow.run("go").run_id("r").background().await.unwrap();
    gate.until_called().await;
    handle.follow_up("one more").await.unwrap();
    handle.follow_up("and another").await.unwrap();
    for _ in 0..3 {
        gate.go_on();
    }
    assert_eq!(handle.wait().await.unwrap().content.text(), "answer 3");
    let last = told(model.requests().last().unwrap());
    let expected = [
        "user: go",
        "model calls",
        "results",
        "model: answer 1",
        "user: one more",
        "model calls",
        "results",
        "model: answer 2",
        "user: and another",
        "model calls",
        "results",
    ];
    assert_eq!(last, expected);
}

#[tokio::test]
async fn an_interruption_cuts_the_answer_off_and_keeps_what_was_said() {
    let store = Memory::default();
    let model =
        ScriptedModel::new([Reply::text("Once upon a time").and_hang(), Reply::text("No.")]);
    let agent = Agent::builder("Writer").model(model.clone()).unwrap().build().unwrap();
    let workflow = workflow(agent, &store);
    let mut events = workflow.run("a tale").run_id("r").stream_events(true).stream();
    let mut said = String::new();
    while let Some(event) = events.next().await {
        if let EventKind::RunContent { content } = &event.kind {
            said.push_str(content);
            if said == "Once upon a time" {
                workflow.send("r", "shorter").mode(SendMode::Interrupt).await.unwrap();
            }
        }
    }
    assert_eq!(events.output().await.unwrap().content.text(), "No.");
    let told = told(&model.requests()[1]);
    assert_eq!(told, ["user: a tale", "model: Once upon a time", "user: shorter"]);
    let facts = facts(&store, "r").await;
    let order = names(&facts);
    let at = order.iter().position(|name| *name == "ModelRequestInterrupted").unwrap();
    assert_eq!(order[at + 1], "MessageReceived");
    let metrics = workflow.get_run("r").await.unwrap().metrics;
    assert_eq!((metrics.model_calls, metrics.cost.unpriced_requests()), (2, 2));
}

#[tokio::test]
async fn each_message_has_as_many_turns_as_the_first() {
    let (gate, model, store) = (Gate::new(), looking(), Memory::default());
    let two = Agent::builder("Writer").model(model.clone()).unwrap().tool(gate.tool());
    let workflow = workflow(two.max_turns(2).build().unwrap(), &store);
    let handle = workflow.run("go").run_id("r").background().await.unwrap();
    gate.until_called().await;
    handle.follow_up("one more").await.unwrap();
    gate.go_on();
    gate.go_on();
    assert_eq!(handle.wait().await.unwrap().content.text(), "answer 2");
}

#[tokio::test]
async fn of_agents_at_work_the_sender_names_one() {
    let (one, two, store) = (Gate::new(), Gate::new(), Memory::default());
    let (model, other) = (looking(), looking());
    let panel = Parallel::new("panel")
        .branch(Step::new("critic", agent(model.clone(), one.tool())))
        .branch(Step::new("author", agent(other.clone(), two.tool())));
    let workflow = Workflow::builder("W").step(panel).store(store.clone()).build().unwrap();
    let handle = workflow.run("go").run_id("r").background().await.unwrap();
    one.until_called().await;
    two.until_called().await;
    let error = handle.steer("hurry").await.unwrap_err();
    assert_eq!(error.id(), ErrorId::MESSAGE_AMBIGUOUS);
    assert!(error.to_string().contains("`panel/critic`, `panel/author`"), "{error}");
    let error = handle.steer("hurry").to("panel/editor").await.unwrap_err();
    assert_eq!(error.id(), ErrorId::MESSAGE_NO_AGENT);
    assert_eq!(error.hint().unwrap(), "its agents are `panel/author`, `panel/critic`");
    handle.steer("hurry").to("panel/critic").await.unwrap();
    for gate in [&one, &one, &two] {
        gate.go_on();
    }
    handle.wait().await.unwrap();
    let got = |model: &FunctionModel| told(model.requests().last().unwrap()).join(" ");
    assert!(got(&model).contains("user: hurry") && !got(&other).contains("hurry"));
}

#[tokio::test]
async fn a_message_that_cannot_be_sent_says_why() {
    let (gate, store) = (Gate::new(), Memory::default());
    let workflow = workflow(agent(looking(), gate.tool()), &store);
    let handle = workflow.run("go").run_id("r").background().await.unwrap();
    gate.until_called().await;
    let id = async |text: &str, to: Option<&str>| {
        let message = handle.steer(text);
        let message = match to {
            Some(to) => message.to(to),
            None => message,
        };
        message.await.map(drop).unwrap_err().id()
    };
    assert_eq!(id(" \n", None).await, ErrorId::MESSAGE_INVALID);
    let long = "a".repeat(stepwright::sent::SENT_BYTES_MAX + 1);
    assert_eq!(id(&long, None).await, ErrorId::MESSAGE_INVALID);
    assert_eq!(id("hi", Some("a//b")).await, ErrorId::MESSAGE_INVALID);
    assert_eq!(id("hi", Some("other")).await, ErrorId::MESSAGE_NO_AGENT);
    let unknown = workflow.send("none", "hi").await.unwrap_err();
    assert_eq!(unknown.kind(), ErrorKind::NotFound);
    gate.go_on();
    handle.wait().await.unwrap();
    let ended = handle.steer("hi").to("write").await.unwrap_err();
    assert_eq!(ended.id(), ErrorId::MESSAGE_NO_AGENT);
    let plain = Workflow::builder("Plain").step(Step::new("wait", |_: StepInput| async { "" }));
    let plain = plain.store(store.clone()).build().unwrap();
    plain.run("go").run_id("p").await.unwrap();
    let none = plain.send("p", "hi").await.unwrap_err();
    assert_eq!(none.id(), ErrorId::MESSAGE_NO_AGENT);
}

#[tokio::test]
async fn an_agent_that_is_a_tool_is_not_spoken_to_unless_it_is_named() {
    let (gate, store) = (Gate::new(), Memory::default());
    let inner_model = looking();
    let inner = Agent::builder("Helper").model(inner_model.clone()).unwrap().tool(gate.tool());
    let inner = inner.build().unwrap();
    let outer_model = FunctionModel::new(|request| match request.messages.len() {
        1 => Reply::call("helper", json!({"message": "look"})),
        _ => Reply::text("done"),
    });
    let outer = Agent::builder("Writer").model(outer_model.clone()).unwrap();
    let outer = outer.tool(inner.as_tool("helper", "Helps.")).build().unwrap();
    let workflow = workflow(outer, &store);
    let handle = workflow.run("go").run_id("r").background().await.unwrap();
    gate.until_called().await;
    handle.steer("for the writer").await.unwrap();
    handle.steer("for the helper").to("write/helper#1").await.unwrap();
    gate.go_on();
    gate.go_on();
    handle.wait().await.unwrap();
    let last = |model: &FunctionModel| told(model.requests().last().unwrap()).join(" | ");
    assert!(last(&outer_model).contains("user: for the writer"), "{}", last(&outer_model));
    assert!(!last(&outer_model).contains("helper |"));
    let inner = last(&inner_model);
    assert!(inner.contains("for the helper") && !inner.contains("for the writer"), "{inner}");
}

#[tokio::test]
async fn a_new_attempt_of_the_step_gets_the_message_again() {
    let (gate, store) = (Gate::new(), Memory::default());
    let model = FunctionModel::new(|request| match request.messages.len() {
        1 => look(),
        // The first attempt fails after it got the message.
        4 => Reply::text("").with_stop(stepwright::models::StopReason::Other("broken".into())),
        _ => Reply::text("done"),
    });
    let write = Step::new("write", agent(model.clone(), gate.tool())).retries(1);
    let workflow = Workflow::builder("W").step(write).store(store.clone()).build().unwrap();
    let handle = workflow.run("go").run_id("r").background().await.unwrap();
    gate.until_called().await;
    handle.steer("hurry").await.unwrap();
    gate.go_on();
    handle.wait().await.unwrap();
    let requests = model.requests();
    assert_eq!(told(requests.last().unwrap()), ["user: go", "user: hurry"]);
    let names = facts(&store, "r").await.iter().filter(|f| f.name() == "MessageReceived").count();
    assert_eq!(names, 2, "once in each attempt");
}

#[tokio::test]
async fn a_reader_without_the_definition_sends_too_and_only_to_its_own_runs() {
    let (gate, model, store) = (Gate::new(), looking(), Memory::default());
    let workflow = workflow(agent(model.clone(), gate.tool()), &store);
    let run = workflow.run("go").run_id("r").user_id("anna");
    let handle = run.background().await.unwrap();
    gate.until_called().await;
    let runs = Runs::of(AnyStore::new(store.clone()));
    let id = "r".parse().unwrap();
    let ben = runs.clone().as_user("ben").unwrap();
    assert_eq!(ben.send(&id, "hi").await.unwrap_err().kind(), ErrorKind::NotFound);
    let refused = workflow.as_user("ben").unwrap().send("r", "hi").await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::NotFound);
    runs.send(&id, "hurry").await.unwrap();
    workflow.as_user("anna").unwrap().send("r", "really").await.unwrap();
    gate.go_on();
    gate.go_on();
    gate.go_on();
    handle.wait().await.unwrap();
    let senders: Vec<_> = facts(&store, "r")
        .await
        .into_iter()
        .filter_map(|fact| match fact.kind {
            EventKind::MessageReceived { message } => Some(message.by.map(|by| by.to_string())),
            _ => None,
        })
        .collect();
    assert_eq!(senders, [None, Some("anna".to_owned())]);
}
