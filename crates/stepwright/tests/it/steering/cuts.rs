//! A message at each fact of a run with an agent in each container, and the process killed at each
//! fact after that: the message is given exactly once.

use super::{agent, look};
use stepwright::containers::{Condition, Loop, Map, Parallel, Router, Steps};
use stepwright::models::Message;
use stepwright::prelude::*;
use stepwright::sent::SendMode;
use stepwright::store::{Append, Inbox as _, RunStore as _, Signal};
use stepwright::{AnyStore, Memory, Runs, WorkflowBuilder};
use stepwright_testing::grammar;
use stepwright_testing::model::{FunctionModel, Reply};

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Nothing {}

fn writer(model: &FunctionModel) -> Step {
    let tool = FunctionTool::new("look", "Looks.", |_: Nothing| async { Ok::<_, String>("seen") });
    Step::new("write", agent(model.clone(), tool.read_only()))
}

/// A model that looks once, and then answers.
fn model() -> FunctionModel {
    FunctionModel::new(|request| {
        let looked = request.messages.iter().any(|m| matches!(m, Message::Tool { .. }));
        if looked { Reply::text("a text") } else { look() }
    })
}

fn plain(name: &str) -> Step {
    Step::new(name, |input: StepInput| async move { input.text() })
}

type Build = fn(Step) -> WorkflowBuilder;

/// The agent in each container, and beside other steps.
const PLACES: [(&str, Build); 9] = [
    ("alone", |write| Workflow::builder("W").step(write)),
    ("steps", |write| {
        let steps = Steps::new("c").step(plain("before")).step(write).step(plain("after"));
        Workflow::builder("W").step(steps)
    }),
    ("parallel", |write| {
        Workflow::builder("W").step(Parallel::new("c").branch(write).branch(plain("other")))
    }),
    ("loop", |write| Workflow::builder("W").step(Loop::new("c").at_most(2).step(write))),
    ("condition", |write| {
        Workflow::builder("W").step(Condition::new("c", |_: &StepInput| true).then(write))
    }),
    ("router", |write| {
        let router = Router::new("c", |_: &StepInput| "write").choice(write);
        Workflow::builder("W").step(router)
    }),
    ("map", |write| {
        let items = |_: &StepInput| vec!["one", "two"];
        Workflow::builder("W").step(Map::new("c").over(items).concurrency(1).step(write))
    }),
    ("workflow", |write| {
        let inner = Workflow::builder("inner").step(write).build().unwrap();
        Workflow::builder("W").step(Step::workflow("c", inner))
    }),
    ("finally", |write| Workflow::builder("W").step(plain("before")).finally(write)),
];

fn built(build: Build, model: &FunctionModel, store: &Memory) -> Workflow {
    build(writer(model)).store(store.clone()).build().unwrap()
}

async fn journal(store: &Memory, run: &str) -> Vec<Event> {
    store.load(&run.parse().unwrap(), 0, usize::MAX).await.unwrap()
}

/// A store in which a run was cut behind so many facts.
async fn cut(facts: &[Event], at: usize) -> Memory {
    let store = Memory::default();
    let (run, facts) = (facts[0].run.clone(), facts[..at].to_vec());
    store.append(Append { run, facts, close: None, driver: None }).await.unwrap();
    store
}

fn given(facts: &[Event]) -> usize {
    facts.iter().filter(|fact| fact.name() == "MessageReceived").count()
}

/// The largest number of times that a request of the model had the message.
fn seen(model: &FunctionModel) -> usize {
    let times = |request: &stepwright::models::ModelRequest| {
        request.messages.iter().filter(|message| message.text() == "hurry").count()
    };
    model.requests().iter().map(times).max().unwrap_or(0)
}

fn has_ended(facts: &[Event]) -> bool {
    facts.last().is_some_and(|fact| fact.kind.is_terminal())
}

#[tokio::test]
async fn a_message_at_each_fact_is_given_once_in_each_container() {
    let (mut given_here, mut left, mut again) = (0, 0, 0);
    for (name, build) in PLACES {
        let store = Memory::default();
        let run = built(build, &model(), &store).run("go").run_id("r").session_id("s");
        run.await.unwrap();
        let facts = journal(&store, "r").await;
        for at in 1..facts.len() {
            for mode in SendMode::ALL {
                let place = format!("{name}, {mode}, cut at {at} of {}", facts.len());
                let store = cut(&facts, at).await;
                let runs = Runs::of(AnyStore::new(store.clone()));
                let id = "r".parse().unwrap();
                runs.send(&id, "hurry").mode(mode).await.unwrap();
                let signal = store.inbox(&id).await.unwrap().remove(0);
                let told = model();
                let workflow = built(build, &told, &store);
                workflow.resume("r").await.unwrap();
                let resumed = journal(&store, "r").await;
                grammar::check(&resumed);
                if given(&resumed) == 0 {
                    // No agent came to a safe point any more: it is for the next run.
                    workflow.run("next").run_id("n").session_id("s").await.unwrap();
                    assert_eq!(given(&journal(&store, "n").await), 1, "{place}");
                    left += 1;
                } else {
                    given_here += 1;
                }
                assert_eq!(seen(&told), 1, "{place}");
                assert!(given(&resumed) <= 1, "{place}");
                // In turns, because each mode takes the same way from here.
                if mode == SendMode::ALL[at % SendMode::ALL.len()] {
                    again += killed_again(&place, build, &resumed, &signal, at).await;
                }
            }
        }
    }
    assert!(given_here > 150 && left > 30 && again > 300, "{given_here} {left} {again}");
}

/// Kills the process again at each later fact, and resumes the run in another one.
async fn killed_again(
    place: &str,
    build: Build,
    facts: &[Event],
    signal: &Signal,
    from: usize,
) -> usize {
    let mut count = 0;
    for at in from..facts.len() {
        if has_ended(&facts[..at]) {
            break;
        }
        let store = cut(facts, at).await;
        let is_new = store.submit(signal.clone()).await.unwrap();
        assert_eq!(is_new, given(&facts[..at]) == 0, "{place}, then {at}");
        let told = model();
        let workflow = built(build, &told, &store);
        workflow.resume("r").await.unwrap();
        let resumed = journal(&store, "r").await;
        grammar::check(&resumed);
        assert_eq!(given(&resumed), given(facts), "{place}, then {at}");
        assert!(seen(&told) <= 1, "{place}, then {at}");
        // What is asked after the message was given has it, in the agent that got it.
        let got = facts.iter().position(|fact| fact.name() == "MessageReceived");
        if let Some(got) = got
            && at <= got
        {
            assert_eq!(seen(&told), 1, "{place}, then {at}");
        }
        count += 1;
    }
    count
}
