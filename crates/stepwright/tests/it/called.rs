//! Workflows that tool calls run, within the run that makes the call.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use stepwright::permissions::Permissions;
use stepwright::prelude::*;
use stepwright::tools::ToolOptions;
use stepwright::{Memory, Patch};
use stepwright_core::journal::Append;
use stepwright_core::state::State;
use stepwright_core::store::RunStore as _;
use stepwright_testing::grammar;
use stepwright_testing::model::{FunctionModel, Reply};

/// The number of times that each step has worked.
type Counts = Arc<Mutex<BTreeMap<&'static str, usize>>>;

fn count(counts: &Counts, step: &'static str) {
    *counts.lock().unwrap().entry(step).or_default() += 1;
}

fn taken(counts: &Counts) -> BTreeMap<&'static str, usize> {
    std::mem::take(&mut *counts.lock().unwrap())
}

/// A model that calls `plan` once, and then repeats what the call has answered.
fn planner() -> FunctionModel {
    FunctionModel::new(|request| match request.messages.len() {
        1 => Reply::call("plan", json!({"message": "bridges"})).with_tokens(10, 1),
        _ => Reply::text(request.messages.last().unwrap().text()).with_tokens(10, 1),
    })
}

/// A workflow of three steps, the second of which is an agent.
fn plan(counts: &Counts) -> Workflow {
    let (first, last) = (counts.clone(), counts.clone());
    let outline = Step::new("outline", move |topic: String| {
        count(&first, "outline");
        async move { format!("outline of {topic}") }
    });
    let writer = FunctionModel::new(|request| {
        Reply::text(format!("draft of {}", request.messages[0].text())).with_tokens(100, 7)
    });
    let writer = Agent::builder("Writer").model(writer).unwrap().build().unwrap();
    let polish = Step::new("polish", move |draft: String| {
        count(&last, "polish");
        async move { format!("{draft}, polished") }
    });
    let steps = Workflow::builder("Plan").step(outline).step(writer).step(polish);
    steps.build().unwrap()
}

fn desk(inner: &Workflow) -> Agent {
    let tool = inner.as_tool("plan", "Plans an article.").unwrap();
    Agent::builder("Desk").model(planner()).unwrap().tool(tool).build().unwrap()
}

fn workflow(agent: Agent, store: &Memory) -> Workflow {
    Workflow::builder("W").step(Step::new("order", agent)).store(store.clone()).build().unwrap()
}

async fn journal(store: &Memory, run: &str) -> Vec<Event> {
    store.load(&run.parse().unwrap(), 0, usize::MAX).await.unwrap()
}

async fn cut(facts: &[Event], at: usize) -> Memory {
    let store = Memory::default();
    let (run, facts) = (facts[0].run.clone(), facts[..at].to_vec());
    store.append(Append { run, facts, close: None, driver: None }).await.unwrap();
    store
}

fn paths<'a>(facts: &'a [Event], name: &str) -> Vec<&'a str> {
    facts.iter().filter(|fact| fact.name() == name).map(|fact| fact.path.as_str()).collect()
}

const TEXT: &str = "draft of outline of bridges, polished";

#[tokio::test]
async fn the_steps_of_a_workflow_that_is_a_tool_are_beneath_its_call_and_their_usage_counts() {
    let (counts, store) = (Counts::default(), Memory::default());
    let flow = workflow(desk(&plan(&counts)), &store);
    let mut run = flow.run("go").run_id("r").stream_events(true).stream();
    let mut events = Vec::new();
    while let Some(event) = run.next().await {
        events.push(event);
    }
    let output = run.output().await.unwrap();
    grammar::check(&events);
    assert_eq!(output.content.text(), TEXT);
    let within = "order/plan#1/(workflow)";
    let steps = ["outline", "Writer", "polish"].map(|name| format!("{within}/{name}"));
    let begun = paths(&events, "StepStarted");
    assert_eq!(begun[..2], ["order", within]);
    assert_eq!(begun[2..], steps);
    // Two requests of the desk, and one of the writer.
    assert_eq!(output.metrics.usage.input_tokens, Some(120));
    assert_eq!(output.step_results[0].usage.input_tokens, Some(120));
    let inner = &output.step_results[0].steps[0];
    assert_eq!((inner.path.as_str(), inner.steps.len()), (within, 3));
    // The text inside of a call is not the text of the run.
    let shown = events.iter().filter(|event| event.is_content() && !event.is_fact());
    let shown: String =
        shown.filter_map(stepwright::Event::content).map(|c| c.text().into_owned()).collect();
    assert_eq!(shown, TEXT);
}

#[tokio::test]
async fn a_run_that_was_cut_anywhere_in_a_called_workflow_repeats_no_step_that_completed() {
    let (counts, store) = (Counts::default(), Memory::default());
    workflow(desk(&plan(&counts)), &store).run("go").run_id("r").await.unwrap();
    assert_eq!(taken(&counts), BTreeMap::from([("outline", 1), ("polish", 1)]));
    let facts = journal(&store, "r").await;
    for at in 1..facts.len() {
        let store = cut(&facts, at).await;
        let flow = workflow(desk(&plan(&counts)), &store);
        let output = flow.resume("r").await.unwrap();
        assert_eq!(output.content.text(), TEXT, "cut at {at}");
        let has = |step: &str| {
            let path = format!("order/plan#1/(workflow)/{step}");
            paths(&facts[..at], "StepCompleted").contains(&&*path)
        };
        let mut expected = BTreeMap::new();
        for step in ["outline", "polish"].into_iter().filter(|step| !has(step)) {
            expected.insert(step, 1);
        }
        assert_eq!(taken(&counts), expected, "cut at {at}");
        let whole = journal(&store, "r").await;
        grammar::check(&whole);
        let ends = paths(&whole, "StepCompleted");
        assert_eq!(ends, paths(&facts, "StepCompleted"), "cut at {at}");
        assert_eq!(output.metrics.usage.input_tokens, Some(120), "cut at {at}");
    }
}

/// A workflow that asks in one branch while another one works.
fn asking(counts: &Counts, gate: &Arc<tokio::sync::Semaphore>) -> Workflow {
    let ask = Step::new("ask", |_: String, cx: StepContext| async move {
        cx.wait::<String>("tone").message("Which tone?").await
    });
    let (seen, open) = (counts.clone(), gate.clone());
    let work = Step::new("work", move |_: String| {
        let (seen, open) = (seen.clone(), open.clone());
        async move {
            open.acquire().await.unwrap().forget();
            count(&seen, "work");
            "worked"
        }
    });
    let review = HumanReview::new().requires_confirmation("Publish it?");
    let publish = Step::new("publish", |_: String| async { "published" }).human_review(review);
    let both = Parallel::new("both").branch(ask).branch(work);
    Workflow::builder("Ask").step(both).step(publish).build().unwrap()
}

#[tokio::test]
async fn a_called_workflow_pauses_in_a_branch_only_when_no_other_one_works_and_goes_on_elsewhere() {
    let (counts, store) = (Counts::default(), Memory::default());
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let flow = workflow(desk(&asking(&counts, &gate)), &store);
    let mut run = flow.run("go").run_id("r").stream_events(true).stream();
    while run.next().await.unwrap().name() != "StepPaused" {}
    // A branch is still at work.
    gate.add_permits(1);
    let paused = run.output().await.unwrap();
    assert_eq!((paused.status, taken(&counts)["work"]), (RunStatus::Paused, 1));
    let asked = &paused.requirements[0];
    assert_eq!(asked.path.as_str(), "order/plan#1/(workflow)/both/ask");
    // Another process goes on.
    let other = workflow(desk(&asking(&counts, &gate)), &store);
    let id = asked.id.to_string();
    let paused = other.continue_run("r", [(id, Answer::submit("dry"))]).await.unwrap();
    assert_eq!(paused.status, RunStatus::Paused);
    assert_eq!(&*paused.requirements[0].id, "order/plan#1/(workflow)/publish!confirm");
    let third = workflow(desk(&asking(&counts, &gate)), &store);
    let id = paused.requirements[0].id.to_string();
    let output = third.continue_run("r", [(id, Answer::Approve)]).await.unwrap();
    assert_eq!(output.content.text(), "published");
    assert_eq!(taken(&counts), BTreeMap::new(), "what had completed is not done again");
    grammar::check(&journal(&store, "r").await);
}

#[tokio::test]
async fn a_run_that_is_cancelled_stops_the_steps_of_a_called_workflow() {
    let (counts, store) = (Counts::default(), Memory::default());
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let flow = workflow(desk(&asking(&counts, &gate)), &store);
    let handle = flow.run("go").run_id("r").background().await.unwrap();
    let mut events = flow.events("r", 0).await.unwrap();
    while events.next().await.unwrap().unwrap().path.as_str() != "order/plan#1/(workflow)/both/work"
    {
    }
    handle.cancel().await.unwrap();
    let error = handle.wait().await.unwrap_err();
    assert_eq!(error.output().unwrap().status, RunStatus::Cancelled);
    let facts = journal(&store, "r").await;
    grammar::check(&facts);
    let stopped = paths(&facts, "StepCancelled");
    assert!(stopped.contains(&"order/plan#1/(workflow)/both/work"), "{stopped:?}");
    assert_eq!(stopped.last(), Some(&"order"));
}

/// A workflow whose second step fails, or is busy, as often as wanted.
fn flaky(
    counts: &Counts,
    act: impl Fn(usize) -> Option<StepError> + Send + Sync + 'static,
) -> Workflow {
    let (first, second) = (counts.clone(), counts.clone());
    let turn = Arc::new(Mutex::new(0));
    let act = Arc::new(act);
    let outline = Step::new("outline", move |topic: String| {
        count(&first, "outline");
        async move { topic }
    });
    let polish = Step::new("polish", move |draft: String| {
        count(&second, "polish");
        let (turn, act) = (turn.clone(), act.clone());
        async move {
            let nth = {
                let mut turn = turn.lock().unwrap();
                *turn += 1;
                *turn
            };
            match act(nth) {
                Some(error) if error.data.message == "hang" => std::future::pending().await,
                Some(error) => Err(error),
                None => Ok(draft),
            }
        }
    });
    Workflow::builder("Flaky").step(outline).step(polish).build().unwrap()
}

#[tokio::test]
async fn another_attempt_of_the_step_does_not_repeat_the_steps_that_completed_in_the_same_call() {
    let counts = Counts::default();
    let inner = flaky(&counts, |nth| (nth == 1).then(|| StepError::new("flaky")));
    let store = Memory::default();
    let step = Step::new("order", desk(&inner)).retries(1);
    let flow = Workflow::builder("W").step(step).store(store.clone()).build().unwrap();
    let output = flow.run("go").run_id("r").await.unwrap();
    assert_eq!(output.content.text(), "bridges");
    assert_eq!(taken(&counts), BTreeMap::from([("outline", 1), ("polish", 2)]));
    grammar::check(&journal(&store, "r").await);
}

#[tokio::test]
async fn a_failure_names_the_step_inside_and_a_retry_of_the_run_goes_on_there() {
    let counts = Counts::default();
    let inner = flaky(&counts, |nth| (nth == 1).then(|| StepError::new("no paper")));
    let store = Memory::default();
    let flow = workflow(desk(&inner), &store);
    let error = flow.run("go").run_id("r").await.unwrap_err();
    assert!(error.to_string().contains("tool `plan`: step `polish`: no paper"), "{error}");
    let output = flow.retry("r").await.unwrap();
    assert_eq!(output.content.text(), "bridges");
    assert_eq!(taken(&counts), BTreeMap::from([("outline", 1), ("polish", 2)]));
    grammar::check(&journal(&store, "r").await);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_takes_too_long_stops_the_steps_inside_and_can_be_made_again() {
    let counts = Counts::default();
    let inner = flaky(&counts, |nth| (nth == 1).then(|| StepError::new("hang")));
    let tool = inner.as_tool("plan", "Plans.").unwrap();
    let options = ToolOptions::new().timeout(Duration::from_secs(5)).retries(1);
    let desk = Agent::builder("Desk").model(planner()).unwrap().tool_with(tool, options);
    let store = Memory::default();
    let flow = workflow(desk.build().unwrap(), &store);
    let output = flow.run("go").run_id("r").await.unwrap();
    assert_eq!(output.content.text(), "bridges");
    assert_eq!(taken(&counts), BTreeMap::from([("outline", 1), ("polish", 2)]));
    let facts = journal(&store, "r").await;
    grammar::check(&facts);
    let stopped = paths(&facts, "StepCancelled");
    assert_eq!(stopped, ["order/plan#1/(workflow)/polish", "order/plan#1/(workflow)"]);
}

#[tokio::test(start_paused = true)]
async fn a_step_that_times_out_in_a_called_workflow_is_stopped_with_everything_inside() {
    let counts = Counts::default();
    let inner = flaky(&counts, |nth| (nth == 1).then(|| StepError::new("hang")));
    let step = Step::new("order", desk(&inner)).timeout(Duration::from_secs(5)).retries(1);
    let store = Memory::default();
    let flow = Workflow::builder("W").step(step).store(store.clone()).build().unwrap();
    flow.run("go").run_id("r").await.unwrap();
    assert_eq!(taken(&counts), BTreeMap::from([("outline", 1), ("polish", 2)]));
    grammar::check(&journal(&store, "r").await);
}

#[tokio::test]
async fn a_step_of_unknown_outcome_in_a_called_workflow_is_asked_about_also_in_another_attempt() {
    let counts = Counts::default();
    let acts = || {
        let seen = counts.clone();
        let charge = Step::new("charge", move |_: String| {
            count(&seen, "charge");
            async { "charged" }
        });
        let charge = charge.on_interrupted(stepwright::OnInterrupted::Ask);
        Workflow::builder("Pay").step(charge).build().unwrap()
    };
    let store = Memory::default();
    workflow(desk(&acts()), &store).run("go").run_id("r").await.unwrap();
    assert_eq!(taken(&counts)["charge"], 1);
    let facts = journal(&store, "r").await;
    let begun = facts
        .iter()
        .position(|fact| fact.name() == "StepStarted" && fact.path.as_str().ends_with("charge"));
    let store = cut(&facts, begun.unwrap() + 1).await;
    let flow = workflow(desk(&acts()), &store);
    let paused = flow.resume("r").await.unwrap();
    assert_eq!(paused.status, RunStatus::Paused);
    assert_eq!(taken(&counts), BTreeMap::new(), "it may have been done");
    let id = paused.requirements[0].id.to_string();
    let output = flow.continue_run("r", [(id, Answer::submit("was charged"))]).await.unwrap();
    assert_eq!(output.content.text(), "was charged");
    assert_eq!(taken(&counts), BTreeMap::new());
}

#[tokio::test]
async fn a_called_workflow_sees_the_session_state_and_cannot_change_it() {
    let look = Step::new("look", |input: StepInput| async move {
        format!("{}", input.state("color").unwrap_or(&Value::Null))
    });
    let look = Workflow::builder("Look").step(look).build().unwrap();
    let set = Step::new("set", |_: StepInput| async {
        Ok::<_, StepError>(StepOutput::default().patch(Patch::set("color", "blue")))
    });
    let mut state = State::default();
    state.insert("color".into(), "red".into());
    let flow = Workflow::builder("W").step(set).step(Step::new("order", desk(&look)));
    let flow = flow.session_state(state.clone()).build().unwrap();
    assert_eq!(flow.run("go").await.unwrap().content.text(), "\"blue\"");
    let change = Step::new("change", |_: StepInput| async {
        Ok::<_, StepError>(StepOutput::default().patch(Patch::set("color", "green")))
    });
    let change = Workflow::builder("Change").step(change).build().unwrap();
    let flow = Workflow::builder("W").step(Step::new("order", desk(&change)));
    let error = flow.session_state(state).build().unwrap().run("go").await.unwrap_err();
    assert!(error.to_string().contains("cannot change the session state"), "{error}");
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Nothing {}

#[tokio::test]
async fn the_permissions_of_a_called_workflow_hold_inside_of_it() {
    let permissions = Permissions::default().deny("pay").unwrap();
    let model = FunctionModel::new(|request| match request.messages.len() {
        1 => Reply::call("pay", json!({})),
        _ => Reply::text(request.messages.last().unwrap().text()),
    });
    let pay = FunctionTool::new("pay", "Pays.", |_: Nothing| async { "paid" });
    let clerk = Agent::builder("Clerk").model(model).unwrap().tool(pay).build().unwrap();
    let inner = Workflow::builder("Till").step(clerk).permissions(permissions).build().unwrap();
    let output = workflow(desk(&inner), &Memory::default()).run("go").await.unwrap();
    assert!(output.content.text().contains("not called"), "{}", output.content.text());
}

#[tokio::test]
async fn a_run_cannot_be_forked_inside_of_a_call() {
    let (counts, store) = (Counts::default(), Memory::default());
    let flow = workflow(desk(&plan(&counts)), &store);
    flow.run("go").run_id("r").await.unwrap();
    let error = flow.fork("r").at("order/plan#1/(workflow)/polish").await.unwrap_err();
    assert!(error.to_string().contains("inside of a tool call"), "{error}");
    assert_eq!(flow.fork("r").at("order").await.unwrap().content.text(), TEXT);
}

#[tokio::test]
async fn a_run_is_not_resumed_with_another_called_workflow() {
    let (counts, store) = (Counts::default(), Memory::default());
    workflow(desk(&plan(&counts)), &store).run("go").run_id("r").await.unwrap();
    let facts = journal(&store, "r").await;
    let store = cut(&facts, 6).await;
    let inner = flaky(&counts, |_| None);
    let error = workflow(desk(&inner), &store).resume("r").await.unwrap_err();
    assert!(error.to_string().contains("changed"), "{error}");
}

#[tokio::test]
async fn a_workflow_with_a_session_of_its_own_cannot_be_a_tool() {
    let mut state = State::default();
    state.insert("n".into(), 1.into());
    let step = |text: String| async move { text };
    let own = Workflow::builder("Own").step(step).session_state(state).build().unwrap();
    let error = own.as_tool("own", "Has a state.").unwrap_err();
    assert!(error.to_string().contains("session state"), "{error}");
}
