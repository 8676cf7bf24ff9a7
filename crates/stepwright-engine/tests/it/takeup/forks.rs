//! Forks: where they leave, what they change, and what becomes of their origins.

use crate::support::{mark, of, text};
use futures_util::StreamExt as _;
use stepwright_core::store::{RunFilter, SessionStore as _};
use stepwright_core::{Answer, ErrorId, HumanReview, Memory, RunStatus, StepInput};
use stepwright_engine::{Loop, Map, Step, Workflow};

fn looped(memory: &Memory) -> Workflow {
    let revise = Loop::new("revise").step(mark("w")).step(mark("x")).forward().at_most(3);
    of(mark("a")).step(revise).step(mark("z")).store(memory.clone()).build().unwrap()
}

#[tokio::test]
async fn a_fork_leaves_in_the_middle_of_a_loop() {
    let memory = Memory::default();
    let workflow = looped(&memory);
    let origin = workflow.run("-").run_id("r").await.unwrap();
    assert_eq!(text(&origin), "-awxwxwxz");
    for (at, until) in [("revise#2/x", 14), ("revise#3", 18), ("z", 24), ("", 1)] {
        let fork = workflow.fork("r").at(at).await.unwrap();
        assert_eq!(text(&fork), "-awxwxwxz", "{at}");
        let shared = fork.origin.unwrap();
        assert_eq!(shared.run.as_str(), "r");
        assert!(shared.until <= until, "{at}: {}", shared.until);
    }
    assert_eq!(workflow.get_run("r").await.unwrap().content, origin.content);
}

#[tokio::test]
async fn another_input_counts_from_the_step_on() {
    let memory = Memory::default();
    let told = Step::new("told", |input: StepInput| {
        let text = format!("{} for {}", input.text(), input.run.content.text());
        async move { text }
    });
    let workflow = of(mark("a")).step(told).store(memory).build().unwrap();
    workflow.run("you").run_id("r").await.unwrap();
    let fork = workflow.fork("r").at("told").input("them").run_id("f").await.unwrap();
    assert_eq!(text(&fork), "youa for them");
    assert_eq!(fork.input.text(), "them");
    let stored = workflow.get_run("f").await.unwrap();
    assert_eq!(stored.input.text(), "them");
    // A fork of the fork keeps it.
    assert_eq!(text(&workflow.fork("f").at("told").await.unwrap()), "youa for them");
}

#[tokio::test]
async fn a_path_that_has_not_begun_names_those_that_are_near() {
    let workflow = looped(&Memory::default());
    workflow.run("-").run_id("r").await.unwrap();
    for (at, what, hint) in [
        ("revise#2/y", "run `r` has not begun `revise#2/y`", "`revise#2/w`"),
        ("revise#9", "run `r` has not begun `revise#9`", "`revise#1`"),
        ("revise#0", "`revise#0` is not the path of a step", "names with `/`"),
        ("a/", "`a/` is not the path of a step", "names with `/`"),
    ] {
        let error = workflow.fork("r").at(at).await.unwrap_err();
        assert_eq!(error.id(), ErrorId::PATH_NOT_BEGUN);
        assert!(error.to_string().contains(what), "{error}");
        assert!(error.hint().unwrap().contains(hint), "{error:?}");
    }
    assert_eq!(workflow.runs(RunFilter::default()).await.unwrap().len(), 1, "nothing has begun");
}

#[tokio::test]
async fn a_run_that_waits_is_forked_and_both_go_on() {
    let review = HumanReview::new().requires_confirmation("Go?");
    let workflow = of(mark("a"))
        .step(mark("b").human_review(review))
        .store(Memory::default())
        .build()
        .unwrap();
    workflow.run("-").run_id("r").await.unwrap();
    let fork = workflow.fork("r").at("b").run_id("f").await.unwrap();
    assert_eq!((fork.status, fork.requirements.len()), (RunStatus::Paused, 1));
    for run in ["f", "r"] {
        let done = workflow.continue_run(run, [("b", Answer::Approve)]).await.unwrap();
        assert_eq!(text(&done), "-ab");
    }
    // An approval of the origin is none of the fork.
    let fork = workflow.fork("r").at("b").await.unwrap();
    assert_eq!(fork.status, RunStatus::Paused);
}

#[tokio::test]
async fn items_beside_the_step_stay_if_they_have_completed() {
    let ran = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let noted = ran.clone();
    let work = Step::new("work", move |input: StepInput| {
        noted.lock().unwrap().push(input.text());
        let text = format!("{}!", input.text());
        async move { text }
    });
    let each = Map::new("each").over(|_: &StepInput| vec!["a", "b", "c"]).step(work);
    let workflow = of(each).store(Memory::default()).build().unwrap();
    let origin = workflow.run("-").run_id("r").await.unwrap();
    ran.lock().unwrap().clear();
    let fork = workflow.fork("r").at("each#2/work").await.unwrap();
    assert_eq!(fork.content, origin.content);
    assert_eq!(*ran.lock().unwrap(), ["b"]);
}

#[tokio::test]
async fn the_stream_of_a_fork_begins_with_its_origin() {
    let workflow = looped(&Memory::default());
    workflow.run("-").run_id("r").await.unwrap();
    let mut stream = workflow.fork("r").at("z").run_id("f").stream();
    let mut names = Vec::new();
    while let Some(event) = stream.next().await {
        assert_eq!(event.run.as_str(), "f");
        names.push(event.name());
    }
    assert_eq!(names, ["WorkflowForked", "StepOutput", "WorkflowCompleted"]);
    stream.output().await.unwrap();
}

#[tokio::test]
async fn a_fork_in_another_session_outlives_its_origin() {
    let memory = Memory::default();
    let workflow = looped(&memory);
    let origin = workflow.run("-").run_id("r").session_id("s").await.unwrap();
    let fork = workflow.fork("r").at("z").run_id("f").session_id("other").await.unwrap();
    memory.delete_session(&origin.session_id).await.unwrap();
    assert!(workflow.get_run("r").await.is_err());
    assert_eq!(workflow.get_run("f").await.unwrap().content, fork.content);
    assert_eq!(text(&workflow.fork("f").at("revise#3/x").await.unwrap()), "-awxwxwxz");
}
