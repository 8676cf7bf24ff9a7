//! Real runs, and the spans that their events make.

use futures_util::StreamExt as _;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use stepwright_agent::{Agent, FunctionTool};
use stepwright_core::observe::Observer;
use stepwright_core::trace::{SpanId, TraceContext};
use stepwright_core::{
    Answer, AnyStore, Event, EventKind, HumanReview, Memory, RunId, StepContext, StepError,
    StepInput,
};
use stepwright_engine::{Parallel, Step, Workflow, WorkflowBuilder};
use stepwright_otel::{Span, SpanKind, SpanStatus, Spans};
use stepwright_testing::model::{Reply, ScriptedModel};

const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// Keeps the spans of the runs that it observes.
struct Collected {
    fold: Mutex<Spans>,
    spans: Mutex<Vec<Span>>,
}

impl Collected {
    fn new(with_content: bool) -> Arc<Self> {
        Arc::new(Self { fold: Mutex::new(Spans::new(with_content)), spans: Mutex::default() })
    }

    fn take(&self) -> Vec<Span> {
        std::mem::take(&mut *self.spans.lock().unwrap())
    }
}

impl Observer for Collected {
    fn begins(&self, run: &RunId, past: &[Event]) {
        self.fold.lock().unwrap().begin(run, past);
    }

    fn event(&self, event: &Event) {
        self.spans.lock().unwrap().extend(self.fold.lock().unwrap().event(event));
    }

    fn leaves(&self, run: &RunId) {
        self.fold.lock().unwrap().leave(run);
    }
}

/// Writes spans as a tree, each below its parent, sorted by name.
fn tree(spans: &[Span]) -> String {
    let known: BTreeSet<u64> = spans.iter().map(|span| span.id.0).collect();
    let mut inside: BTreeMap<Option<u64>, Vec<&Span>> = BTreeMap::new();
    for span in spans {
        let parent = span.parent.map(|id| id.0).filter(|id| known.contains(id));
        inside.entry(parent).or_default().push(span);
    }
    let mut lines = String::new();
    write(&inside, None, 0, &mut lines);
    lines
}

fn write(
    inside: &BTreeMap<Option<u64>, Vec<&Span>>,
    of: Option<u64>,
    depth: usize,
    lines: &mut String,
) {
    let mut spans = inside.get(&of).cloned().unwrap_or_default();
    spans.sort_by_key(|span| span.name.clone());
    for span in spans {
        let status = match &span.status {
            SpanStatus::Unset => String::new(),
            SpanStatus::Error(why) => format!(" failed: {why}"),
        };
        writeln!(lines, "{}{}{status}", "  ".repeat(depth), span.name).unwrap();
        write(inside, Some(span.id.0), depth + 1, lines);
    }
}

fn named<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    let found: Vec<&Span> = spans.iter().filter(|span| span.name == name).collect();
    assert_eq!(found.len(), 1, "{name}: {spans:#?}");
    found[0]
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct City {
    city: String,
}

fn researcher(model: &ScriptedModel) -> Agent {
    let weather = FunctionTool::new("weather", "Tells the weather.", |at: City| async move {
        format!("rain in {}", at.city)
    });
    Agent::builder("Researcher")
        .model(model.clone())
        .unwrap()
        .tool(weather.read_only())
        .build()
        .unwrap()
}

fn model() -> ScriptedModel {
    ScriptedModel::new([
        Reply::call("weather", json!({"city": "Bergen"})).with_tokens(20, 5),
        Reply::text("Take an umbrella.").with_tokens(40, 6),
    ])
}

async fn pass(text: String) -> String {
    text
}

fn observed(collected: &Arc<Collected>, store: &AnyStore) -> WorkflowBuilder {
    Workflow::builder("Trip").store(store.clone()).observer(collected.clone())
}

#[tokio::test]
async fn a_run_its_steps_agents_requests_and_calls_have_spans_inside_one_another() {
    let (collected, store) = (Collected::new(false), AnyStore::new(Memory::default()));
    let facts = Parallel::new("facts").branch(researcher(&model())).branch(Step::new("map", pass));
    let workflow = observed(&collected, &store).step(facts).step(pass).build().unwrap();
    let context = TraceContext::parse(TRACEPARENT, None).unwrap();
    workflow.run("Norway").run_id("r-1").trace_context(context.clone()).await.unwrap();

    let spans = collected.take();
    assert_eq!(
        tree(&spans),
        "\
invoke_workflow Trip
  parallel facts
    step Researcher
      invoke_agent Researcher
        chat replies
        chat replies
        execute_tool weather
    step map
  step pass
"
    );
    let root = named(&spans, "invoke_workflow Trip");
    assert_eq!((root.parent, root.parent_is_remote), (Some(context.span_id()), true));
    assert!(spans.iter().all(|span| span.trace == context.trace_id()));
    assert_eq!(root.attribute("stepwright.run"), Some(&json!("r-1")));
    assert_eq!(root.attribute("stepwright.status"), Some(&json!("COMPLETED")));
    assert_eq!(root.attribute("gen_ai.operation.name"), Some(&json!("invoke_workflow")));
    let chats: Vec<&Span> = spans.iter().filter(|span| span.kind == SpanKind::Client).collect();
    let tokens: Vec<_> =
        chats.iter().map(|chat| chat.attribute("gen_ai.usage.input_tokens").unwrap()).collect();
    assert_eq!(tokens, [&json!(20), &json!(40)]);
    assert_eq!(chats[1].attribute("gen_ai.response.finish_reasons"), Some(&json!(["stop"])));
    let tool = named(&spans, "execute_tool weather");
    assert_eq!(tool.attribute("stepwright.path"), Some(&json!("facts/Researcher/weather#1")));
    // What people and models said is not in a span unless it was asked for.
    let said = format!("{spans:?}");
    assert!(!said.contains("Bergen") && !said.contains("umbrella") && !said.contains("Norway"));
}

#[tokio::test]
async fn content_is_in_spans_if_it_was_asked_for() {
    let (collected, store) = (Collected::new(true), AnyStore::new(Memory::default()));
    let workflow = observed(&collected, &store).step(researcher(&model())).build().unwrap();
    workflow.run("Norway").await.unwrap();
    let spans = collected.take();
    let tool = named(&spans, "execute_tool weather");
    assert_eq!(tool.attribute("gen_ai.tool.call.arguments"), Some(&json!(r#"{"city":"Bergen"}"#)));
    assert_eq!(tool.attribute("gen_ai.tool.call.result"), Some(&json!("rain in Bergen")));
    let agent = named(&spans, "invoke_agent Researcher");
    let said = agent.attribute("gen_ai.output.messages").unwrap().as_str().unwrap();
    assert!(said.contains("Take an umbrella."), "{said}");
}

#[tokio::test]
async fn a_failure_stands_in_the_spans_of_what_failed_and_of_the_run() {
    let (collected, store) = (Collected::new(false), AnyStore::new(Memory::default()));
    let fails = |_: String| async { Err::<String, _>(StepError::new("the line is busy")) };
    let step = Step::new("call", fails).retries(1);
    let workflow = observed(&collected, &store).step(step).build().unwrap();
    workflow.run("x").await.unwrap_err();
    let spans = collected.take();
    let step = named(&spans, "step call");
    assert_eq!(step.status, SpanStatus::Error("the line is busy".into()));
    assert_eq!(step.moments.len(), 1);
    assert_eq!(step.moments[0].name, "retry");
    assert!(step.attribute("error.type").is_some());
    assert!(matches!(named(&spans, "invoke_workflow Trip").status, SpanStatus::Error(_)));
}

#[tokio::test]
async fn a_pause_ends_the_spans_and_another_process_goes_on_in_the_same_trace() {
    let store = AnyStore::new(Memory::default());
    let workflow = |collected: &Arc<Collected>| {
        let ask = HumanReview::new().requires_confirmation("Go?");
        let step = Step::new("book", pass).human_review(ask);
        observed(collected, &store).step(Parallel::new("both").branch(step)).build().unwrap()
    };
    let (first, second) = (Collected::new(false), Collected::new(false));
    let paused = workflow(&first).run("x").run_id("r-2").await.unwrap();
    assert!(paused.is_paused());
    let before = first.take();
    assert_eq!(tree(&before), "invoke_workflow Trip\n  parallel both\n");
    let status = named(&before, "parallel both").attribute("stepwright.status");
    assert_eq!(status, Some(&json!("PAUSED")));

    let answers = [("both/book", Answer::Approve)];
    workflow(&second).continue_run("r-2", answers).await.unwrap();
    let after = second.take();
    assert_eq!(tree(&after), "invoke_workflow Trip\n  parallel both\n    step book\n");
    let (old, new) =
        (named(&before, "invoke_workflow Trip"), named(&after, "invoke_workflow Trip"));
    assert_eq!(old.trace, new.trace);
    assert_ne!(old.id, new.id);
    assert_eq!((new.parent, new.links.clone()), (Some(old.id), vec![(old.trace, old.id)]));
    assert!(new.start >= old.end);
}

#[tokio::test]
async fn a_step_knows_the_id_of_its_span_before_it_ends() {
    let (collected, store) = (Collected::new(false), AnyStore::new(Memory::default()));
    let tell = |_: StepInput, cx: StepContext| async move {
        assert!(cx.is_traced());
        cx.trace_context().traceparent().to_owned()
    };
    let workflow = observed(&collected, &store).step(Step::new("tell", tell)).build().unwrap();
    let output = workflow.run("x").await.unwrap();
    let told = TraceContext::parse(&output.content.text(), None).unwrap();
    let spans = collected.take();
    let step = named(&spans, "step tell");
    assert_eq!((told.trace_id(), told.span_id()), (step.trace, step.id));
}

#[tokio::test]
async fn a_retry_and_a_fork_have_spans_with_parents() {
    let (collected, store) = (Collected::new(false), AnyStore::new(Memory::default()));
    let tries = Arc::new(Mutex::new(0));
    let seen = tries.clone();
    let shaky = move |_: String| {
        *seen.lock().unwrap() += 1;
        let fails = *seen.lock().unwrap() == 1;
        let answer = Ok("done".to_owned());
        async move { if fails { Err(StepError::terminal("not yet")) } else { answer } }
    };
    let workflow =
        observed(&collected, &store).step(pass).step(Step::new("shaky", shaky)).build().unwrap();
    workflow.run("x").run_id("r-3").await.unwrap_err();
    let failed = collected.take();
    workflow.retry("r-3").await.unwrap();
    let retried = collected.take();
    assert_eq!(tree(&retried), "invoke_workflow Trip\n  step shaky\n");
    let (old, new) =
        (named(&failed, "invoke_workflow Trip"), named(&retried, "invoke_workflow Trip"));
    assert_eq!((old.trace, Some(old.id)), (new.trace, new.parent));

    let fork = workflow.fork("r-3").at("shaky").await.unwrap();
    let forked = collected.take();
    assert_eq!(tree(&forked), "invoke_workflow Trip\n  step shaky\n");
    let root = named(&forked, "invoke_workflow Trip");
    assert_ne!(root.trace, old.trace);
    assert_eq!((root.parent, root.links[0].0), (None, old.trace));
    assert_eq!(root.attribute("stepwright.run"), Some(&json!(fork.run_id.as_str())));
}

#[tokio::test]
async fn what_a_dead_process_left_open_is_exported_by_the_one_that_continues() {
    let store = AnyStore::new(Memory::default());
    let collected = Collected::new(false);
    let gate = Arc::new(tokio::sync::Notify::new());
    let begun = gate.clone();
    let workflow = |hangs: bool, collected: &Arc<Collected>| {
        let begun = begun.clone();
        let work = move |_: String| {
            let begun = begun.clone();
            async move {
                if hangs {
                    begun.notify_one();
                    std::future::pending::<()>().await;
                }
                "done".to_owned()
            }
        };
        observed(collected, &store).step(Step::new("work", work).version("1")).build().unwrap()
    };
    let first = Collected::new(false);
    let hanging = workflow(true, &first);
    hanging.run("x").run_id("r-4").background().await.unwrap();
    gate.notified().await;
    hanging.shutdown(std::time::Duration::ZERO).await.unwrap();
    assert_eq!(first.take(), [], "a process that leaves a run exports nothing that is unfinished");
    drop(hanging);

    workflow(false, &collected).resume("r-4").await.unwrap();
    let spans = collected.take();
    let interrupted: Vec<&str> = spans
        .iter()
        .filter(|span| span.attribute("stepwright.status") == Some(&json!("INTERRUPTED")))
        .map(|span| span.name.as_str())
        .collect();
    assert_eq!(interrupted, ["invoke_workflow Trip", "step work"]);
    let ids: BTreeSet<u64> = spans.iter().map(|span| span.id.0).collect();
    assert_eq!(ids.len(), 4, "each part has spans of its own: {spans:#?}");
}

#[tokio::test]
async fn a_request_that_a_dead_process_had_sent_has_a_span_in_each_process() {
    let store = AnyStore::new(Memory::default());
    let workflow = |collected: &Arc<Collected>, model: &ScriptedModel| {
        observed(collected, &store).step(researcher(model)).build().unwrap()
    };
    let (first, second) = (Collected::new(false), Collected::new(false));
    let silent = ScriptedModel::new([Reply::text("Take an").and_hang()]);
    let hanging = workflow(&first, &silent);
    let mut events = hanging.run("x").run_id("r-5").stream_events(true).stream();
    while let Some(event) = events.next().await {
        if matches!(event.kind, EventKind::RunContent { .. }) {
            break;
        }
    }
    hanging.shutdown(std::time::Duration::ZERO).await.unwrap();
    drop(hanging);

    let answering = ScriptedModel::new([Reply::text("Take an umbrella.").with_tokens(40, 6)]);
    workflow(&second, &answering).resume("r-5").await.unwrap();
    let spans = second.take();
    let chats: Vec<&Span> = spans.iter().filter(|span| span.kind == SpanKind::Client).collect();
    let tokens: Vec<_> =
        chats.iter().map(|chat| chat.attribute("gen_ai.usage.output_tokens")).collect();
    assert_eq!(tokens, [None, Some(&json!(6))], "{spans:#?}");
    assert_ne!(chats[0].id, chats[1].id);
    let agents: Vec<SpanId> = spans
        .iter()
        .filter(|span| span.name == "invoke_agent Researcher")
        .map(|span| span.id)
        .collect();
    assert_eq!(chats.iter().filter_map(|chat| chat.parent).collect::<Vec<_>>(), agents);
}
