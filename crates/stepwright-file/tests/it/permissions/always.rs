//! The answer "always": what it holds for, from when on, and after a crash.

use super::{Place, steps};
use serde_json::json;
use stepwright_core::event::Reply;
use stepwright_core::permission::{ALLOWED_KEY, Permissions};
use stepwright_core::requirement::RequirementKind;
use stepwright_core::store::{Inbox as _, Signal};
use stepwright_core::{Answer, AnyStore, Memory, Patch, RunOutput, RunStatus, Timestamp};
use stepwright_engine::{Runs, Workflow};
use stepwright_file::Definition;

/// A workflow that asks for two files, one after the other, and its store.
fn asking(place: &Place) -> (Workflow, Memory) {
    let text = steps(
        "  - {name: first, write_file: {path: made, text: x}}\n  - {name: second, write_file: \
         {path: other, text: y}}\n",
    );
    let store = Memory::default();
    let options = place.options(Permissions::default());
    let definition = Definition::parse(&text, "test.yaml", &options).unwrap();
    (definition.builder().unwrap().store(store.clone()).build().unwrap(), store)
}

/// Returns the step that a run waits for.
#[track_caller]
fn waits_at(output: &RunOutput) -> &str {
    assert_eq!(output.status, RunStatus::Paused, "{output:?}");
    output.requirements[0].path.as_str()
}

async fn begun(workflow: &Workflow, run: &str) -> RunOutput {
    workflow.run("x").session_id("s-1").run_id(run).await.unwrap()
}

async fn rules(workflow: &Workflow) -> serde_json::Value {
    let state = workflow.get_session_state("s-1").await.unwrap();
    state.get(ALLOWED_KEY).cloned().unwrap_or_default()
}

#[tokio::test]
async fn always_holds_for_another_run_while_the_first_one_still_waits() {
    let place = Place::new();
    let (workflow, _) = asking(&place);
    assert_eq!(waits_at(&begun(&workflow, "r-1").await), "first");
    let earlier = begun(&workflow, "r-2").await;
    assert_eq!(waits_at(&earlier), "first");
    let output = workflow.continue_run("r-1", [("first", Answer::Always)]).await.unwrap();
    assert_eq!(waits_at(&output), "second");
    assert_eq!(rules(&workflow).await, json!(["write_file: made"]));
    assert_eq!(waits_at(&begun(&workflow, "r-3").await), "second");

    // A run that began before the answer looks again before it asks.
    let output = workflow.continue_run("r-1", [("second", Answer::Always)]).await.unwrap();
    assert_eq!(output.status, RunStatus::Completed);
    let output = workflow.continue_run("r-2", [("first", Answer::Approve)]).await.unwrap();
    assert_eq!(output.status, RunStatus::Completed);
    assert_eq!(rules(&workflow).await, json!(["write_file: made", "write_file: other"]));
}

#[tokio::test]
async fn always_holds_before_a_driver_takes_the_answer() {
    let place = Place::new();
    let (workflow, store) = asking(&place);
    begun(&workflow, "r-1").await;
    let runs = Runs::of(AnyStore::new(store));
    let run = "r-1".parse().unwrap();
    runs.submit(&run, [("first", Answer::Always)], None).await.unwrap();
    assert_eq!(waits_at(&begun(&workflow, "r-2").await), "second");
    let output = workflow.resume("r-1").await.unwrap();
    assert_eq!(waits_at(&output), "second");
    assert_eq!(rules(&workflow).await, json!(["write_file: made"]));
}

#[tokio::test]
async fn always_survives_a_process_that_died_before_the_session_had_the_rule() {
    let place = Place::new();
    let (workflow, store) = asking(&place);
    let asked = begun(&workflow, "r-1").await.requirements.remove(0);
    // A process that left the answer, and died.
    let run = "r-1".parse().unwrap();
    let reply =
        Reply { requirement_id: asked.id, answer: Answer::Always, by: None, timed_out: false };
    assert!(store.submit(Signal::answer(run, reply, Timestamp(1))).await.unwrap());
    let output = workflow.resume("r-1").await.unwrap();
    assert_eq!(waits_at(&output), "second");
    assert_eq!(rules(&workflow).await, json!(["write_file: made"]));
    // A driver that recorded the answer, and died.
    let none = Patch::set(ALLOWED_KEY, serde_json::Value::Null);
    workflow.sessions().patch("s-1", &[none]).await.unwrap();
    let output = workflow.continue_run("r-1", [("second", Answer::Approve)]).await.unwrap();
    assert_eq!(output.status, RunStatus::Completed);
    assert_eq!(rules(&workflow).await, json!(["write_file: made"]));
}

#[tokio::test]
async fn always_in_a_folder_that_is_made_for_the_run_holds_for_the_run_alone() {
    let place = Place::new();
    let text = steps(
        "  - {name: first, write_file: {path: made, text: x}}\n  - {name: second, write_file: \
         {path: made, text: y}}\n",
    )
    .replace("steps:", "workspace: temp\nsteps:");
    let workflow = place.workflow(&text, Permissions::default());
    let paused = workflow.run("x").session_id("s-1").await.unwrap();
    let RequirementKind::Permission { rule: Some(rule), for_run, .. } =
        &paused.requirements[0].kind
    else {
        panic!("{:?}", paused.requirements)
    };
    assert!(*for_run);
    let file = rule.strip_prefix("write_file: ").unwrap();
    assert!(std::path::Path::new(file).is_absolute() && file.ends_with("/made"), "{rule}");
    let answer = [("first", Answer::Always)];
    let output = workflow.continue_run(&paused.run_id, answer).await.unwrap();
    assert_eq!(output.status, RunStatus::Completed, "the second step does not ask again");
    assert_eq!(rules(&workflow).await, json!(null));

    // Neither in another folder of the session, nor in the base directory.
    let again = workflow.run("x").session_id("s-1").await.unwrap();
    assert_eq!(waits_at(&again), "first");
    let (elsewhere, _) = asking(&place);
    assert_eq!(waits_at(&begun(&elsewhere, "r-1").await), "first");
    assert!(!place.made());
}
