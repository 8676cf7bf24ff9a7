//! Runs in a store, read without the definition that they are made of.

use crate::support::{mark, of, text};
use futures_util::StreamExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use stepwright_core::store::RunFilter;
use stepwright_core::{
    Answer, AnyStore, Error, ErrorKind, HumanReview, Memory, RunId, RunStatus, StepError, StepInput,
};
use stepwright_engine::{Events, Runs, Step, Workflow};

fn asking(store: &Memory) -> Workflow {
    let asks = mark("ask").human_review(HumanReview::new().requires_confirmation("Go on?"));
    of(asks).store(store.clone()).build().unwrap()
}

fn run(name: &str) -> RunId {
    RunId::new(name).unwrap()
}

async fn names(mut events: Events) -> Result<Vec<&'static str>, Error> {
    let mut names = Vec::new();
    while let Some(event) = events.next().await {
        names.push(event?.name());
    }
    Ok(names)
}

#[tokio::test]
async fn a_reader_without_a_definition_lists_loads_answers_and_follows() {
    let store = Memory::default();
    let workflow = asking(&store);
    workflow.run("in").run_id("r").await.unwrap();
    let runs = Runs::of(AnyStore::new(store));
    assert_eq!(runs.list(RunFilter::default()).await.unwrap().len(), 1);
    let snapshot = runs.load(&run("r")).await.unwrap();
    assert_eq!(snapshot.status(), RunStatus::Paused);
    assert_eq!(&*snapshot.unanswered()[0].id, "ask!confirm");

    runs.submit(&run("r"), [("ask", Answer::Approve)], Some("anna")).await.unwrap();
    let again = runs.submit(&run("r"), [("ask", Answer::Approve)], None).await;
    again.expect("the same answer is accepted again");
    let other = runs.submit(&run("r"), [("ask!confirm", Answer::reject("no"))], None).await;
    assert!(other.unwrap_err().to_string().contains("is already answered"));
    let snapshot = runs.load(&run("r")).await.unwrap();
    assert_eq!(snapshot.unanswered(), []);
    assert!(snapshot.waiting_answer("ask!confirm").is_some());

    let following = runs.follow(&run("r"), 3).await.unwrap();
    let (output, names) = tokio::join!(workflow.resume("r"), names(following));
    assert_eq!(text(&output.unwrap()), "inask");
    assert_eq!(names.unwrap().last(), Some(&"WorkflowCompleted"));
    let output = runs.get(&run("r")).await.unwrap();
    assert_eq!((output.status, text(&output).as_str()), (RunStatus::Completed, "inask"));
    let late = runs.submit(&run("r"), [("ask", Answer::Approve)], None).await.unwrap_err();
    assert_eq!(late.to_string(), "run `r` has ended (COMPLETED), and has no pending requests");
}

#[tokio::test]
async fn a_reader_behind_the_end_of_a_run_is_at_its_end() {
    let store = Memory::default();
    let workflow = of(mark("a")).store(store.clone()).build().unwrap();
    workflow.run("in").run_id("r").await.unwrap();
    let runs = Runs::of(AnyStore::new(store));
    for from in [4, 5, 1_000] {
        let events = runs.follow(&run("r"), from).await.unwrap();
        assert_eq!(names(events).await.unwrap(), Vec::<&str>::new());
        let events = workflow.events("r", from).await.unwrap();
        assert_eq!(names(events).await.unwrap(), Vec::<&str>::new());
    }
    let last = runs.follow(&run("r"), 3).await.unwrap();
    assert_eq!(names(last).await.unwrap(), ["WorkflowCompleted"]);
}

#[tokio::test]
async fn the_facts_that_are_recorded_end_where_the_journal_ends() {
    let store = Memory::default();
    asking(&store).run("in").run_id("r").await.unwrap();
    let recorded = Runs::of(AnyStore::new(store)).recorded(&run("r"), 1).await.unwrap();
    assert_eq!(names(recorded).await.unwrap(), ["StepPaused", "WorkflowPaused"]);
}

#[tokio::test]
async fn a_run_that_is_deleted_ends_its_readers_with_an_error() {
    let store = Memory::default();
    let workflow = asking(&store);
    workflow.run("in").run_id("r").session_id("s").await.unwrap();
    let runs = Runs::of(AnyStore::new(store));
    let mut events = runs.follow(&run("r"), 0).await.unwrap();
    for _ in 0..3 {
        events.next().await.unwrap().unwrap();
    }
    let sessions = runs.sessions();
    let (gone, deleted) = tokio::join!(names(events), sessions.delete("s"));
    deleted.unwrap();
    assert_eq!(gone.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_reader_for_a_user_finds_what_is_theirs() {
    let store = Memory::default();
    asking(&store).run("in").run_id("r").session_id("s").user_id("anna").await.unwrap();
    let all = Runs::of(AnyStore::new(store));
    let (anna, ben) = (all.clone().as_user("anna").unwrap(), all.as_user("ben").unwrap());
    anna.load(&run("r")).await.unwrap();
    let answers = [("ask", Answer::Approve)];
    let errors = [
        ben.load(&run("r")).await.map(drop).unwrap_err(),
        ben.get(&run("r")).await.map(drop).unwrap_err(),
        ben.row(&run("r")).await.map(drop).unwrap_err(),
        ben.input(&run("r")).await.map(drop).unwrap_err(),
        ben.follow(&run("r"), 0).await.map(drop).unwrap_err(),
        ben.recorded(&run("r"), 0).await.map(drop).unwrap_err(),
        ben.submit(&run("r"), answers, None).await.unwrap_err(),
        ben.request_cancel(&run("r")).await.map(drop).unwrap_err(),
    ];
    for error in errors {
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert_eq!(error.to_string(), "run `r` was not found");
    }
    assert!(ben.sessions().get("s").await.is_err());
    assert_eq!(ben.list(RunFilter::default()).await.unwrap(), []);
    assert!(anna.request_cancel(&run("r")).await.unwrap());
}

/// A step that fails while it is not repaired.
fn repairable(name: &str) -> (Step, Arc<AtomicBool>) {
    let repaired = Arc::new(AtomicBool::new(false));
    let (works, mine) = (repaired.clone(), name.to_owned());
    let step = Step::new(name, move |input: StepInput| {
        let (works, text) = (works.load(Ordering::SeqCst), format!("{}{mine}", input.text()));
        async move { if works { Ok(text) } else { Err(StepError::terminal("broken")) } }
    });
    (step, repaired)
}

#[tokio::test]
async fn the_row_of_a_run_that_ended_has_the_metrics_of_its_output() {
    let store = Memory::default();
    let runs = Runs::of(AnyStore::new(store.clone()));
    let of_row = async |name: &str| runs.row(&run(name)).await.unwrap().metrics;
    let of_output = async |name: &str| runs.get(&run(name)).await.unwrap().metrics;
    let (step, repaired) = repairable("b");
    let workflow = of(mark("a")).step(step).store(store.clone()).build().unwrap();
    workflow.run("-").run_id("r").await.unwrap_err();
    assert_eq!(of_row("r").await, Some(of_output("r").await), "of a run that failed");
    let failed = of_output("r").await.steps;
    repaired.store(true, Ordering::SeqCst);
    workflow.retry("r").await.unwrap();
    assert_eq!(of_row("r").await, Some(of_output("r").await), "of a run that was retried");
    assert!(of_output("r").await.steps > failed, "it counts what was before the retry");

    workflow.fork("r").at("b").input("+").run_id("f").await.unwrap();
    assert_eq!(of_row("f").await, Some(of_output("f").await), "of a fork");
    assert!(of_output("f").await.steps < of_output("r").await.steps, "its own steps alone");
    assert_eq!(runs.input(&run("r")).await.unwrap().text(), "-");
    assert_eq!(runs.input(&run("f")).await.unwrap().text(), "+");

    let asking = asking(&store);
    asking.run("in").run_id("p").await.unwrap();
    assert_eq!(of_row("p").await, None, "of a run that may go on");
    asking.cancel_run("p").await.unwrap();
    names(runs.follow(&run("p"), 0).await.unwrap()).await.unwrap();
    assert_eq!(asking.get_run("p").await.unwrap().status, RunStatus::Cancelled);
    assert_eq!(of_row("p").await, Some(of_output("p").await), "of a run that was cancelled");
}
