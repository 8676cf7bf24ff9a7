//! What steps are told of the earlier runs of their session.

use crate::support::of;
use stepwright_core::session::HISTORY_RUNS_MAX;
use stepwright_core::{ErrorKind, Memory, StepContext, StepInput, StepStatus};
use stepwright_engine::{Parallel, Step, Steps, Workflow};

/// A step that gives what it is told of earlier runs, and what it was given.
fn told(name: &str) -> Step {
    Step::new(name, |input: StepInput| async move {
        let earlier = input.history.iter().flat_map(|history| history.iter());
        let mut told: Vec<String> =
            earlier.map(|e| format!("{}>{}", e.input.text(), e.output.text().len())).collect();
        told.push(input.run.content.text().into_owned());
        told.join(" ")
    })
}

async fn answers(workflow: &Workflow, inputs: &[&str]) -> Vec<String> {
    let mut answers = Vec::new();
    for input in inputs {
        let output = workflow.run(*input).session_id("s").await.unwrap();
        answers.push(output.content.text().into_owned());
    }
    answers
}

#[tokio::test]
async fn steps_are_told_of_the_last_runs_the_oldest_first() {
    let workflow = of(told("t")).add_workflow_history_to_steps(true).build().unwrap();
    let expected = ["a", "a>1 b", "a>1 b>5 c", "a>1 b>5 c>9 d", "b>5 c>9 d>13 e"];
    assert_eq!(answers(&workflow, &["a", "b", "c", "d", "e"]).await, expected);

    let workflow =
        of(told("t")).add_workflow_history_to_steps(true).num_history_runs(1).build().unwrap();
    assert_eq!(answers(&workflow, &["a", "b", "c"]).await, ["a", "a>1 b", "b>5 c"]);
}

#[tokio::test]
async fn a_step_may_say_otherwise_at_any_depth() {
    let steps = Parallel::new("p")
        .branch(told("default"))
        .branch(told("none").add_workflow_history(false))
        .branch(Steps::new("in").step(told("one").num_history_runs(1)));
    let workflow = of(steps).add_workflow_history_to_steps(true).build().unwrap();
    let last = answers(&workflow, &["a", "b", "c"]).await.pop().unwrap();
    let gave: serde_json::Value = serde_json::from_str(&last).unwrap();
    let history = |branch: &str| gave[branch].as_str().unwrap().split(' ').count() - 1;
    assert_eq!((history("default"), history("none"), history("in")), (2, 0, 1));

    let silent = of(told("t")).step(told("own").add_workflow_history(true)).build().unwrap();
    let output = silent.run("a").session_id("s").await.unwrap();
    assert_eq!(output.content.text(), "a");
    let output = silent.run("b").session_id("s").await.unwrap();
    assert_eq!(output.step_at("t").unwrap().content.text(), "b");
    assert_eq!(output.content.text(), "a>1 b");
}

#[tokio::test]
async fn only_completed_runs_of_the_session_are_history() {
    let fails = Step::new("fails", |input: StepInput| async move {
        if input.text() == "fail" { Err("as asked") } else { Ok(input.text()) }
    });
    let store = Memory::default();
    let workflow = |name: &str, step: Step| {
        Workflow::builder(name).step(step).step(told("t")).store(store.clone())
    };
    let ours = workflow("ours", fails).add_workflow_history_to_steps(true).build().unwrap();
    let theirs = workflow("theirs", told("other")).build().unwrap();
    ours.run("a").session_id("s").await.unwrap();
    ours.run("fail").session_id("s").await.unwrap_err();
    ours.run("b").session_id("another").await.unwrap();
    ours.run("c").await.unwrap();
    theirs.run("d").session_id("s").await.unwrap();
    let output = ours.run("e").session_id("s").await.unwrap();
    assert_eq!(output.content.text(), "a>1 e");
}

#[tokio::test]
async fn functions_may_ask_for_history() {
    async fn asks(input: StepInput, cx: StepContext) -> String {
        let earlier = cx.history(2).await.unwrap();
        assert!(input.history.is_none());
        earlier.iter().map(|exchange| exchange.input.text().into_owned()).collect()
    }
    let workflow = of(asks).build().unwrap();
    assert_eq!(answers(&workflow, &["a", "b", "c", "d"]).await, ["", "a", "ab", "bc"]);

    let exchanges = workflow.sessions().history("s", 3).await.unwrap();
    let outputs: Vec<_> = exchanges.iter().map(|e| e.output.text().into_owned()).collect();
    assert_eq!(outputs, ["a", "ab", "bc"]);
    let missing = workflow.sessions().history("t", 3).await.unwrap_err();
    assert_eq!(missing.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_run_that_is_not_in_a_session_has_no_history() {
    let of_all = of(told("t")).add_workflow_history_to_steps(true).build().unwrap();
    let of_one = of(told("t").add_workflow_history(true)).build().unwrap();
    for workflow in [of_all, of_one] {
        assert!(!workflow.has_store());
        for input in ["a", "b"] {
            let output = workflow.run(input).await.unwrap();
            assert_eq!(output.content.text(), input);
            assert_eq!(output.step_at("t").unwrap().status, StepStatus::Completed);
        }
    }
}

#[test]
fn mistakes_about_history_are_found() {
    for (step, what) in [
        (told("t").num_history_runs(0), "`t`: it is told of 0 earlier runs"),
        (told("t").num_history_runs(HISTORY_RUNS_MAX + 1), "set `num_history_runs` to 1 to 100"),
        (
            told("t").add_workflow_history(false).num_history_runs(3),
            "leave out `add_workflow_history(false)`",
        ),
    ] {
        let error = of(step).build().unwrap_err().to_string();
        assert!(error.contains(what), "{error}");
    }
    let inner = of(told("t")).build().unwrap();
    for step in [
        Step::workflow("inner", inner.clone()).add_workflow_history(true),
        Step::workflow("inner", inner).num_history_runs(2),
    ] {
        let error = of(step).build().unwrap_err().to_string();
        assert!(error.contains("no history of its own"), "{error}");
    }
}
