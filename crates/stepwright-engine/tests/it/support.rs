//! What the tests have in common.

use futures_util::StreamExt as _;
use stepwright_core::{Content, Error, Event, RunOutput, StepContext, StepInput, StepOutput};
use stepwright_engine::{AnyStep, IntoStep, Run, Step, Workflow, WorkflowBuilder};
use stepwright_testing::grammar;

/// A workflow of one step.
pub(crate) fn of<M>(step: impl IntoStep<M>) -> WorkflowBuilder {
    Workflow::builder("test").step(step)
}

/// A step that writes its name behind what it is given.
pub(crate) fn mark(name: &str) -> Step {
    let mine = name.to_owned();
    Step::new(name, move |input: StepInput| {
        let text = format!("{}{mine}", input.text());
        async move { text }
    })
}

/// A step that fails, for good.
pub(crate) fn fails(name: &str) -> Step {
    Step::new(name, |_: StepInput| async { Err::<String, _>("kaput") })
}

/// A step that never ends.
pub(crate) fn hangs(name: &str) -> Step {
    Step::new(name, |_: StepInput, cx: StepContext| async move {
        cx.emit("so far");
        std::future::pending::<StepOutput>().await
    })
}

pub(crate) fn part<M>(step: impl IntoStep<M>) -> AnyStep {
    step.into_step()
}

/// Streams a run to its end, and checks the grammar of its events.
pub(crate) async fn streamed(run: Run) -> (Vec<Event>, Result<RunOutput, Error>) {
    let mut stream = run.stream_events(true).stream();
    let mut events = Vec::new();
    while let Some(event) = stream.next().await {
        events.push(event);
    }
    grammar::check(&events);
    (events, stream.output().await)
}

/// The transcript of a run, whatever becomes of it.
pub(crate) async fn transcript(run: Run) -> String {
    grammar::transcript(&streamed(run).await.0)
}

pub(crate) fn text(output: &RunOutput) -> String {
    output.content.text().into_owned()
}

pub(crate) fn json(text: &str) -> Content {
    Content::from(serde_json::from_str::<serde_json::Value>(text).unwrap())
}
