//! Runs that become tests.

use std::path::PathBuf;
use stepwright_cassette::{Journal, Made, Replay, Report, Source, record};
use stepwright_core::{Answer, AnyStore, Error, Memory, RunId};
use stepwright_engine::{Runs, WorkflowBuilder};

/// A workflow whose effects are allowed, or must not happen.
pub(crate) type Build = fn(bool) -> WorkflowBuilder;

/// A folder with the cassette of a run.
pub(crate) struct Recorded {
    folder: tempfile::TempDir,
    pub(crate) made: Result<Made, Error>,
}

impl Recorded {
    pub(crate) fn cassette(&self) -> PathBuf {
        self.folder.path().join("run.cassette.yaml")
    }

    pub(crate) fn text(&self) -> String {
        std::fs::read_to_string(self.cassette()).unwrap()
    }

    pub(crate) fn golden(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("run.golden.yaml")).unwrap()
    }

    pub(crate) fn replay(&self, workflow: WorkflowBuilder) -> Report {
        Replay::of(self.cassette()).run_workflow(workflow).unwrap()
    }
}

/// Answers every question with yes, and edits what can be edited.
pub(crate) fn approve(kind: &str) -> Answer {
    match kind {
        "output_review" => Answer::Edit { content: "edited".into() },
        "wait" => Answer::Submit { value: "blue".into() },
        "user_input" => Answer::Submit { value: serde_json::json!({"colour": "blue"}) },
        "route_selection" => Answer::Select { choices: vec!["second".into()] },
        _ => Answer::Approve,
    }
}

/// Runs a workflow, answers its questions, and makes a cassette of the run.
pub(crate) async fn recorded(
    builder: WorkflowBuilder,
    with: WorkflowBuilder,
    input: &str,
    answer: fn(&str) -> Answer,
) -> Recorded {
    let store = Memory::default();
    let workflow = builder.store(store.clone()).build().unwrap();
    let mut output = workflow.run(input).run_id("r-1").session_id("s-1").await;
    while let Ok(paused) = &output
        && paused.is_paused()
    {
        let answers: Vec<_> = paused
            .requirements
            .iter()
            .map(|asked| {
                let kind = serde_json::to_value(&asked.kind).unwrap();
                (asked.id.to_string(), answer(kind["requires"].as_str().unwrap()))
            })
            .collect();
        output = workflow.continue_run("r-1", answers).await;
    }
    of_run(store, with).await
}

/// Makes a cassette of the run `r-1`.
pub(crate) async fn of_run(store: Memory, with: WorkflowBuilder) -> Recorded {
    let folder = tempfile::tempdir().unwrap();
    let runs = Runs::of(AnyStore::new(store));
    let journal = Journal::of(&runs, &RunId::new("r-1").unwrap()).await.unwrap();
    let path = folder.path().join("run.cassette.yaml");
    let made = record(&journal, Source::Workflow(Box::new(with)), &path);
    Recorded { folder, made }
}

/// Records a run of a workflow, and replays it where nothing may happen.
pub(crate) async fn repeats(name: &str, build: Build, input: &str) {
    let recorded = recorded(build(true), build(false), input, approve).await;
    if let Err(error) = &recorded.made {
        panic!("{name}: {}", error.report());
    }
    let report = recorded.replay(build(false));
    assert!(report.differences.is_empty(), "{name}: {report}\n{}", recorded.text());
    let again = Replay::of(recorded.cassette()).update(true).run_workflow(build(false)).unwrap();
    assert!(!again.updated && again.differences.is_empty(), "{name}: {again}");
}
