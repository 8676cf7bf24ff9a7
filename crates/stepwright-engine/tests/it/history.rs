//! The history that steps get of the earlier runs of their session.

use crate::support::of;
use futures_util::StreamExt as _;
use stepwright_core::session::{HISTORY_RUNS_MAX, history_text};
use stepwright_core::{
    ErrorKind, Exchange, Memory, RunStatus, StepContext, StepError, StepInput, StepStatus,
};
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

/// A workflow that fails when it is told so, and hangs in the middle of an answer when told that.
fn moody(store: &Memory, only: Option<bool>) -> Workflow {
    let moody = Step::new("moody", |input: StepInput, cx: StepContext| async move {
        match input.text().as_str() {
            "fail" => Err("as asked"),
            "hang" => {
                cx.emit("Once upon ");
                cx.emit("a time");
                std::future::pending().await
            }
            other => Ok(format!("{other}?")),
        }
    });
    let first = Step::new("first", |input: StepInput| async move {
        let told = input.history.as_deref().map(history_text).unwrap_or_default();
        let lines = told.lines().filter(|line| line.starts_with(['U', 'W']));
        lines.collect::<Vec<_>>().join("|")
    });
    let builder = Workflow::builder("moody").step(moody).step(first).store(store.clone());
    let builder = builder.add_workflow_history_to_steps(true).num_history_runs(9);
    match only {
        Some(only) => builder.history_completed_only(only).build().unwrap(),
        None => builder.build().unwrap(),
    }
}

#[tokio::test]
async fn runs_that_failed_or_were_cancelled_are_history_and_marked() {
    let store = Memory::default();
    let workflow = moody(&store, None);
    workflow.run("a").session_id("s").await.unwrap();
    workflow.run("fail").session_id("s").await.unwrap_err();
    let mut hanging = workflow.run("hang").session_id("s").run_id("h").stream();
    // It has said something when it is cancelled.
    while let Some(event) = hanging.next().await {
        if event.content().is_some_and(|content| content.text() == "a time") {
            workflow.cancel_run("h").await.unwrap();
        }
    }
    drop(hanging);

    let exchanges = workflow.sessions().history("s", 9).await.unwrap();
    let told: Vec<_> = exchanges
        .iter()
        .map(|e| (e.input.text().into_owned(), e.output.text().into_owned(), e.status))
        .collect();
    let expected = [
        ("a", "", RunStatus::Completed),
        ("fail", "", RunStatus::Error),
        ("hang", "Once upon a time", RunStatus::Cancelled),
    ];
    assert_eq!(told, expected.map(|(i, o, status)| (i.to_owned(), o.to_owned(), status)));

    let output = workflow.run("b").session_id("s").await.unwrap();
    let expected = "User input: a|Workflow output: |User input: fail|Workflow output: [failed]|\
                    User input: hang|Workflow output: Once upon a time [interrupted]";
    assert_eq!(output.content.text(), expected);

    let only = moody(&store, Some(true));
    let output = only.run("c").session_id("s").await.unwrap();
    let told = output.content.text();
    assert!(told.starts_with("User input: a|Workflow output: |User input: b|"), "{told}");
}

#[tokio::test]
async fn a_run_that_did_not_complete_had_given_what_its_last_step_gave() {
    let store = Memory::default();
    let fails = Step::new("b", |_: StepInput| async { Err::<String, _>("kaput") });
    let draft = Step::new("a", |_: StepInput| async { "a draft" });
    let workflow = Workflow::builder("w").step(draft).step(fails).store(store).build().unwrap();
    workflow.run("x").session_id("s").await.unwrap_err();
    let exchange = workflow.sessions().history("s", 1).await.unwrap().remove(0);
    assert_eq!((exchange.output.text(), exchange.status), ("a draft".into(), RunStatus::Error));
}

#[tokio::test]
async fn a_step_may_leave_out_what_did_not_complete() {
    let store = Memory::default();
    let build = |step: Step| {
        let fails = Step::new("f", |input: StepInput| async move {
            if input.text() == "fail" { Err("as asked") } else { Ok(input.text()) }
        });
        let builder = Workflow::builder("w").step(fails).step(step).store(store.clone());
        builder.add_workflow_history_to_steps(true).build().unwrap()
    };
    build(told("t")).run("fail").session_id("s").await.unwrap_err();
    let all = build(told("t")).run("a").session_id("s").await.unwrap();
    assert_eq!(all.content.text(), "fail>0 a");
    let only = build(told("t").history_completed_only(true));
    assert_eq!(only.run("b").session_id("s").await.unwrap().content.text(), "a>8 b");
    let asks = Step::new("t", |input: StepInput, cx: StepContext| async move {
        let ids = |history: &[Exchange]| history.len();
        let (all, completed) = (cx.history(9).await?, cx.completed_history(9).await?);
        drop(input);
        Ok::<_, StepError>(format!("{} {}", ids(&all), ids(&completed)))
    });
    assert_eq!(build(asks).run("c").session_id("s").await.unwrap().content.text(), "3 2");
}

#[tokio::test]
async fn only_runs_of_the_session_that_have_ended_are_history() {
    let store = Memory::default();
    let workflow = |name: &str, step: Step| Workflow::builder(name).step(step).store(store.clone());
    let ours = workflow("ours", told("t")).add_workflow_history_to_steps(true).build().unwrap();
    let theirs = workflow("theirs", told("other")).build().unwrap();
    let waits = Step::new("t", |cx: StepContext| async move {
        let answer: Result<String, StepError> = cx.wait("x").await;
        answer
    });
    let waiting = workflow("ours", waits).build().unwrap();
    ours.run("a").session_id("s").await.unwrap();
    waiting.run("waits").session_id("s").await.unwrap();
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
        (told("t").num_history_runs(0), "`t`: `num_history_runs` is 0"),
        (told("t").num_history_runs(HISTORY_RUNS_MAX + 1), "set `num_history_runs` to 1 to 100"),
        (
            told("t").add_workflow_history(false).num_history_runs(3),
            "leave out `add_workflow_history(false)`",
        ),
        (
            told("t").add_workflow_history(false).history_completed_only(true),
            "set `add_workflow_history(true)`, or leave it out",
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
