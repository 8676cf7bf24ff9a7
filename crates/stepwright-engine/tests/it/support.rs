//! Helpers that the tests share.

pub(crate) use crate::shapes::{mark, part};

use futures_util::StreamExt as _;
use futures_util::future::try_join_all;
use serde_json::json;
use stepwright_core::calls::CallPast;
use stepwright_core::error::StepError;
use stepwright_core::interrupted::Resolved;
use stepwright_core::message::{Arguments, ToolCall, ToolOutcome};
use stepwright_core::{
    Content, Error, Event, OnInterrupted, RunOutput, StepContext, StepInput, StepOutput,
};
use stepwright_engine::{IntoStep, Run, Step, Workflow, WorkflowBuilder};
use stepwright_testing::grammar;

/// A workflow of one step.
pub(crate) fn of<M>(step: impl IntoStep<M>) -> WorkflowBuilder {
    Workflow::builder("test").step(step)
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

/// Calls the tool `act` with each of these numbers, all at once, as an agent does: what had begun
/// and not ended is done again.
pub(crate) async fn call_tools<W: Future<Output = Result<u64, StepError>>>(
    cx: &StepContext,
    numbers: &[u64],
    tool: impl Fn(u64, StepContext) -> W,
) -> Result<Vec<u64>, StepError> {
    let calls = numbers.iter().enumerate().map(|(nth, number)| {
        let arguments = Arguments::json(json!({ "number": number }));
        cx.call(&ToolCall { id: format!("call-{nth}"), name: "act".into(), arguments })
    });
    let calls: Vec<_> = calls.collect();
    let tool = &tool;
    let answers = calls.iter().zip(numbers).map(|(call, number)| async move {
        let begun = match call.past() {
            CallPast::Ended(outcome) => return Ok(outcome.text.parse().unwrap()),
            CallPast::Waiting { open: true } => call.go_on(),
            CallPast::Interrupted { begun, .. } => {
                let policy = OnInterrupted::Retry;
                assert_eq!(call.resolve_interrupted(policy, *begun).await?, Resolved::Again);
                call.begin().await?
            }
            _ => call.begin().await?,
        };
        let answer = tool(*number, call.context().clone()).await?;
        let (call_id, name, text) = (call.tool().id.clone(), "act".into(), answer.to_string());
        let (is_error, outcome_unknown, whole) = (false, false, None);
        let media = Vec::new();
        let outcome = ToolOutcome { call_id, name, text, is_error, outcome_unknown, media, whole };
        begun.end(&outcome).await?;
        Ok(answer)
    });
    try_join_all(answers).await
}
