//! Texts about pending requests: their kind, deadline and answer.

use crate::excerpt::{call, short, value_of};
use crate::moment::utc;
use crate::text::harmless;
use serde_json::Value;
use std::fmt::Write as _;
use stepwright_core::event::Reply;
use stepwright_core::message::{Arguments, ToolCall};
use stepwright_core::requirement::{OnTimeout, RequirementId, RequirementKind};
use stepwright_core::{Answer, Requirement};

/// Returns the kind of answer that is needed, such as `a confirmation`.
pub(crate) fn wanted(requirement: &Requirement) -> String {
    use RequirementKind as K;
    match &requirement.kind {
        K::Confirmation { .. } => "a confirmation".to_owned(),
        K::UserInput { .. } => "a form".to_owned(),
        K::RouteSelection { .. } => "a choice".to_owned(),
        K::OutputReview { .. } => "a review".to_owned(),
        K::IterationReview { iteration, max_iterations, .. } => {
            format!("a review of turn {iteration} of at most {max_iterations}")
        }
        K::ToolConfirmation { .. } => "the confirmation of a call".to_owned(),
        K::ExternalExecution { .. } => "the result of a call".to_owned(),
        K::Wait { .. } => "an answer".to_owned(),
        K::ErrorDecision { .. } => "a decision about a failure".to_owned(),
        K::Interrupted { effect, .. } => {
            format!("a decision about {}, whose outcome is unknown", harmless(effect))
        }
        K::Permission { .. } => "a permission".to_owned(),
        K::Budget { limit, .. } => format!("more of a budget: {limit}"),
        K::Event { name, .. } => {
            format!("the event `{}`{}", harmless(name), expected(requirement))
        }
        K::Sleep | K::Deadline => "a moment".to_owned(),
        _ => "something".to_owned(),
    }
}

/// Returns the question. A wait without a message is called by its name.
pub(crate) fn message(requirement: &Requirement) -> String {
    if !requirement.message.trim().is_empty() {
        return requirement.message.to_string();
    }
    match requirement.id_parts() {
        Some(RequirementId { kind, name: Some(name), .. }) if &*kind == "wait" => {
            format!("`{name}`")
        }
        _ => String::new(),
    }
}

/// Returns a line such as `waits for a confirmation: Publish it?`.
pub(crate) fn waits(requirement: &Requirement) -> String {
    if !requirement.needs_answer() {
        return match requirement.due {
            Some(due) => format!("sleeps until {}", utc(due)),
            None => "sleeps".to_owned(),
        };
    }
    let wanted = wanted(requirement);
    match (&requirement.kind, message(requirement)) {
        (RequirementKind::ToolConfirmation { tool }, _) => {
            format!("waits for {wanted}: {}", call(tool))
        }
        (RequirementKind::ExternalExecution { tool, arguments }, _) => {
            let arguments = Arguments::json(Value::clone(arguments));
            let made = ToolCall { id: String::new(), name: tool.to_string(), arguments };
            format!("waits for {wanted}: {}", call(&made))
        }
        (_, message) if message.is_empty() => format!("waits for {wanted}"),
        (_, message) => format!("waits for {wanted}: {}", short(&message)),
    }
}

/// Returns the key and the condition of an event.
fn expected(requirement: &Requirement) -> String {
    let RequirementKind::Event { key, condition, .. } = &requirement.kind else {
        return String::new();
    };
    let mut text = String::new();
    if let Some(key) = key {
        let _ = write!(text, " with the key `{}`", short(key));
    }
    if let Some(condition) = condition {
        let _ = write!(text, " if {}", short(&condition.to_string()));
    }
    text
}

/// Returns the deadline and the answer that it implies.
pub(crate) fn until(requirement: &Requirement) -> Option<String> {
    let due = utc(requirement.due?);
    if !requirement.needs_answer() {
        return Some(format!("resumes at {due}"));
    }
    let then = match &requirement.on_timeout {
        OnTimeout::Fail => "it fails".to_owned(),
        OnTimeout::Default(value) => format!("{} is the answer", value_of(value)),
        _ => match requirement.at_timeout() {
            Some(answer) => format!("it counts as {}", word(&answer)),
            None => "it fails".to_owned(),
        },
    };
    Some(format!("until {due}; then {then}"))
}

/// Returns the name of what the answer `always` holds for.
pub(crate) fn reach(for_run: bool) -> &'static str {
    if for_run { "this run" } else { "the session" }
}

/// Returns a text such as `approved by ada` or `rejected: too long`.
pub(crate) fn replied(reply: &Reply) -> String {
    let mut text = word(&reply.answer);
    if reply.timed_out {
        text = format!("no answer in time: {text}");
    } else if let Some(by) = &reply.by {
        text = format!("{text} by {}", harmless(by));
    }
    match &reply.answer {
        Answer::Reject { feedback: Some(feedback) } if !reply.timed_out && !feedback.is_empty() => {
            format!("{text}: {}", short(feedback))
        }
        Answer::Submit { value } | Answer::Event { payload: value, .. } => {
            format!("{text}: {}", value_of(value))
        }
        Answer::Select { choices } => {
            let choices: Vec<String> = choices.iter().map(|choice| harmless(choice)).collect();
            format!("{text}: {}", choices.join(", "))
        }
        _ => text,
    }
}

fn word(answer: &Answer) -> String {
    match answer {
        Answer::Approve => "approved",
        Answer::Always => "always approved",
        Answer::Reject { .. } => "rejected",
        Answer::Edit { .. } => "edited",
        Answer::Submit { .. } => "answered",
        Answer::Select { choices } if choices.is_empty() => "nothing chosen",
        Answer::Select { .. } => "chosen",
        Answer::Retry => "retried",
        Answer::Skip => "skipped",
        Answer::Event { .. } => "received",
        Answer::Elapsed => "resumed",
        _ => answer.word(),
    }
    .to_owned()
}
