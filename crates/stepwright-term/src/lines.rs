//! Events as plain lines without times or colors, so that equal runs print equal lines.

use crate::excerpt::{short, value_of};
use crate::moment::utc;
use crate::text::{counted, harmless, percent};
use crate::waiting::{replied, waits};
use stepwright_core::dispatch::awaited;
use stepwright_core::guardrail::GuardVerdict;
use stepwright_core::output::QueuedFor;
use stepwright_core::permission::Verdict;
use stepwright_core::{ContainerKind, Decision, Event, EventKind, StepStatus};

/// Formats an event as one line. Returns `None` for pieces of text: their number depends on the
/// speed of the reader, and the fact that follows contains the whole text.
///
/// ```
/// use futures_util::StreamExt as _;
/// # use stepwright_engine::Workflow;
/// # async fn greet(name: String) -> String { format!("Hello {name}") }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), stepwright_core::Error> {
/// let workflow = Workflow::builder("Greeting").step(greet).build()?;
/// let events = workflow.run("Ada").stream_events(true).stream().collect::<Vec<_>>().await;
/// let log: Vec<String> = events.iter().filter_map(stepwright_term::line).collect();
/// assert_eq!(log[..2], ["workflow started: Greeting", "started greet"]);
/// assert_eq!(log[2..], ["completed greet", "workflow completed"]);
/// # Ok(()) }
/// ```
pub fn line(event: &Event) -> Option<String> {
    use EventKind as E;
    let path = harmless(event.path.as_str());
    Some(match &event.kind {
        E::RunContent { .. }
        | E::ReasoningContentDelta { .. }
        | E::ToolCallArgumentsDelta { .. }
        | E::RunContentCompleted
        | E::StepOutput { .. } => return None,

        E::WorkflowStarted(started) => {
            format!("workflow started: {}", short(&started.workflow_name))
        }
        E::WorkflowCompleted { stopped_at: Some(step), .. } => {
            format!("workflow completed: stopped by {}", harmless(step.as_str()))
        }
        E::WorkflowCompleted { stopped_at: None, .. } => "workflow completed".to_owned(),
        E::WorkflowStopping { reason, .. } => format!("workflow stopping: {}", short(reason)),
        E::WorkflowError { error, .. } => format!("workflow failed: {}", short(&error.message)),
        E::WorkflowCancelled { reason } => format!("workflow cancelled: {}", short(reason)),

        E::WorkflowPaused { until: Some(until) } => {
            format!("workflow paused, at the longest until {}", utc(*until))
        }
        E::WorkflowPaused { until: None } => "workflow paused".to_owned(),
        E::WorkflowContinued { .. } => "workflow continued".to_owned(),
        E::WorkflowRetried { steps, .. } => match &steps[..] {
            [] => "workflow retried".to_owned(),
            [one] => format!("workflow retried: {} begins again", harmless(one.as_str())),
            [one, more @ ..] => {
                let (one, more) = (harmless(one.as_str()), more.len());
                format!("workflow retried: {one} and {more} more begin again")
            }
        },
        E::WorkflowQueued { key, max, ahead } => {
            let queued = QueuedFor { key: short(key).into(), max: *max, ahead: *ahead };
            let ahead = match ahead {
                0 => String::new(),
                1 => ", behind 1 other".to_owned(),
                count => format!(", behind {count} others"),
            };
            format!("workflow {queued}{ahead}")
        }
        E::WorkflowAdmitted => "workflow goes on: a slot is free".to_owned(),
        E::WorkflowHandedOver { queues, .. } => {
            format!("workflow {}", harmless(&awaited(queues)))
        }
        E::DeciderRecorded { fact } => {
            let inner = Event { kind: (**fact).clone(), ..event.clone() };
            return line(&inner);
        }
        E::WorkflowForked(forked) if forked.at.is_root() => {
            format!("workflow forked from {}", harmless(forked.origin.run.as_str()))
        }
        E::WorkflowForked(forked) => {
            let origin = harmless(forked.origin.run.as_str());
            format!("workflow forked from {origin} at {}", harmless(forked.at.as_str()))
        }

        E::DeadlineSet { requirement } => match requirement.due {
            Some(due) => format!("limited {path}: until {}", utc(due)),
            None => format!("limited {path}"),
        },
        E::DeadlinePassed { .. } => format!("stopping {path}: it takes too long"),
        kind if let Some(requirement) = kind.requirement() => {
            format!("paused {path}: {}", waits(requirement))
        }
        kind if let Some(reply) = kind.reply() => format!("continued {path}: {}", replied(reply)),
        E::StepRecorded { key, value } => {
            format!("recorded {path}: {} {}", short(key), value_of(value))
        }

        E::AnswerRefused { refused } => format!("refused {path}: {}", short(&refused.to_string())),

        E::EffectJudged { effect, verdict, .. } => {
            format!("{} {path}: {}", judged(*verdict), short(effect))
        }
        E::GuardrailJudged { judged } => {
            let (guard, place) = (&judged.guardrail, judged.place.as_str());
            let said = match &judged.verdict {
                GuardVerdict::Allow => "allowed".to_owned(),
                GuardVerdict::Rewrite { .. } => "rewrote it".to_owned(),
                GuardVerdict::Retry { reason } => format!("asks again: {}", short(reason)),
                GuardVerdict::Refuse { reason } => format!("refused: {}", short(reason)),
            };
            format!("guardrail {path}: {guard} {place}: {said}")
        }
        E::BudgetWarning { limit, used, of, .. } => {
            let whose = if event.path.is_root() { "run".to_owned() } else { path };
            let (used, of) = (limit.amount(*used), limit.amount(*of));
            format!("budget {whose}: {used} of {of} are used")
        }
        E::StepStarted { .. } => format!("started {path}"),
        E::StepAttemptStarted { attempt } => format!("started {path}: attempt {attempt}"),
        E::StepProcessStarted { process } => {
            format!("started {path}: process group {}", process.group)
        }
        E::StepRetrying { attempt, error, .. } => {
            format!("retrying {path}: attempt {attempt} failed: {}", short(&error.message))
        }
        E::StepProgress { content, progress } => {
            let done = progress.map(|done| format!(" {}", percent(done))).unwrap_or_default();
            format!("progress {path}{done}: {}", short(&content.text()))
        }
        E::StepCompleted { .. } => format!("completed {path}"),
        E::StepError { error, .. } => format!("failed {path}: {}", short(&error.message)),
        E::StepSkipped { error, .. } => format!("skipped {path}: {}", short(&error.message)),
        E::StepCancelled { .. } => format!("cancelled {path}"),

        E::ContainerStarted { kind, decision } => begun(&path, *kind, decision),
        E::ContainerCompleted { kind: ContainerKind::Loop, turns, end }
            if turns.exhausted && end.error.is_none() =>
        {
            format!("{} {path}: its condition was not met", ended(end.status))
        }
        E::ContainerCompleted { end, .. } => match &end.error {
            Some(error) => format!("{} {path}: {}", ended(end.status), short(&error.message)),
            None => format!("{} {path}", ended(end.status)),
        },

        E::RunStarted { agent, model, .. } => {
            format!("agent {path}: {} with {}", short(agent), short(model))
        }
        E::ModelRequestStarted { turn, .. } => format!("asked {path}: turn {turn}"),
        E::ModelRequestRetrying { attempt, error, .. } => {
            format!("asking again {path}: request {attempt} failed: {}", short(&error.message))
        }
        E::ModelRequestCompleted { turn, warning: Some(warning), .. } => {
            format!("answered {path}: turn {turn}; {}", short(warning))
        }
        E::ModelRequestCompleted { turn, .. } => format!("answered {path}: turn {turn}"),
        E::ModelRequestInterrupted { turn, .. } => format!("cut off {path}: turn {turn}"),
        E::MessageReceived { message } => {
            format!("message {path}: {}", short(&message.text))
        }
        E::ToolCallStarted { tool } => format!("calling {path}: {}", short(&tool.name)),
        E::ToolCallCompleted { tool } => format!("called {path}: {}", short(&tool.name)),
        E::ToolCallError { tool, .. } => {
            format!("called {path}: {} failed: {}", short(&tool.name), short(&tool.text))
        }
        E::ContextAdded { source, .. } => format!("context {path}: {}", short(source)),
        E::CompressionCompleted { compressed } => format!(
            "compressed {path}: {} to {} tokens ({})",
            compressed.tokens_before,
            compressed.tokens_after,
            short(&compressed.method),
        ),
        E::SessionSummaryCompleted { .. } => format!("summarised {path}: the session"),
        E::MemoryUpdateCompleted { changes } => {
            format!("remembered {path}: {} changes of memories", changes.len())
        }
        E::RunCompleted { .. } => format!("agent {path}: completed"),
        E::RunError { error, .. } => format!("agent {path}: failed: {}", short(&error.message)),
        E::CustomEvent { name, data } => {
            format!("event {path}: {} {}", short(name), short(&data.to_string()))
        }
        _ => format!("{} {path}", event.name()),
    })
}

fn judged(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Allow => "allowed",
        Verdict::Deny => "denied",
        _ => "asking about",
    }
}

/// Formats the start of a container.
fn begun(path: &str, kind: ContainerKind, decision: &Decision) -> String {
    let [part, parts] = kind.parts();
    let counted = |count: u64| counted(count, part, parts);
    match decision {
        Decision::Count(count) => format!("started {path}: {}", counted(u64::from(*count))),
        Decision::AtMost(count) => {
            format!("started {path}: at most {}", counted(u64::from(*count)))
        }
        Decision::Turn { number, .. } => format!("started {path}: {} {number}", kind.word()),
        Decision::Holds { holds: Some(holds), branch: Some(_) } => {
            format!("decided {path}: {holds}")
        }
        Decision::Holds { holds: Some(holds), branch: None } => {
            format!("decided {path}: {holds}, nothing to do")
        }
        Decision::Holds { holds: None, .. } => format!("started {path}"),
        Decision::Names(names) if !kind.decides() => {
            format!("started {path}: {parts} {}", listed(names))
        }
        Decision::Names(names) if names.is_empty() => format!("decided {path}: nothing"),
        Decision::Names(names) => format!("decided {path}: {}", listed(names)),
        Decision::Items { items, .. } => {
            format!("started {path}: {}", counted(items.len() as u64))
        }
    }
}

fn ended(status: StepStatus) -> &'static str {
    status.as_str()
}

fn listed(names: &[std::sync::Arc<str>]) -> String {
    names.iter().map(|name| short(name)).collect::<Vec<_>>().join(", ")
}
