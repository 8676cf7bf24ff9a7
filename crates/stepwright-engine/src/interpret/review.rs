//! Human review: approvals, input and edits.

use super::flow::Flow;
use super::halt::{Halt, unless_stopped};
use crate::effects::{Effects, Stop};
use crate::recorder::too_late;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use stepwright_core::context::rejected;
use stepwright_core::event::{Decision, Reply};
use stepwright_core::plan::{Node, NodeKind};
use stepwright_core::requirement::{RequirementId, RequirementKind};
use stepwright_core::review::REVIEW_RETRIES;
use stepwright_core::{
    Answer, Content, ErrorData, HumanReview, OnReject, OnTimeout, Requirement, StepError,
    StepOutput, StepPath,
};

/// Replies of people from before a node begins.
#[derive(Default)]
pub(super) struct Before {
    /// The decision that a person made for the node: the route of a router, or the arm of a
    /// condition.
    pub(super) decision: Option<Decision>,
    /// The number of turns that a loop has begun. It is kept here so that it is known however the
    /// loop ends.
    pub(super) turns: AtomicU32,
}

/// The decision of a person about an output.
pub(super) enum Verdict {
    /// The output of the node, as it is or edited.
    Good(Arc<StepOutput>),
    /// The node is repeated, with this feedback.
    Again(Option<Arc<str>>),
    /// The node is skipped.
    Out(StepError),
    /// The node fails.
    Failed(StepError),
}

/// Reasons why a node does not begin.
pub(super) enum No {
    /// The node is skipped.
    Skipped(StepError),
    /// The node fails.
    Failed(StepError),
    Stopped(Stop),
}

impl From<Stop> for No {
    fn from(stop: Stop) -> Self {
        Self::Stopped(stop)
    }
}

/// Returns the id of the `nth` request of this kind about a node.
pub(crate) fn question(path: &StepPath, kind: &str, nth: u32) -> Arc<str> {
    match nth {
        1 => RequirementId::new(path.clone(), kind).into(),
        nth => RequirementId::named(path.clone(), kind, nth.to_string()).into(),
    }
}

/// Makes the requests that must be answered before a node begins.
pub(super) async fn before<E: Effects>(
    fx: &E,
    node: &Node,
    review: &HumanReview,
    path: &StepPath,
    flow: &mut Flow,
) -> Result<Before, No> {
    let mut known = Before::default();
    let is_condition = matches!(node.kind, NodeKind::Condition { .. });
    if let Some(message) = &review.confirmation {
        let kind = RequirementKind::Confirmation { input: flow.input().message() };
        let reply =
            ask(fx, &flow.halt, review, path, question(path, "confirm", 1), kind, message).await?;
        match &reply.answer {
            Answer::Reject { .. } if is_condition && on_reject(review, node) == OnReject::Else => {
                known.decision = Some(Decision::answer(false));
            }
            Answer::Reject { feedback } => {
                return Err(refused(review, node, path, feedback.as_deref()));
            }
            _ if is_condition => known.decision = Some(Decision::answer(true)),
            _ => {}
        }
    }
    if let Some(form) = &review.user_input {
        let kind = RequirementKind::UserInput { schema: form.schema.clone() };
        let reply =
            ask(fx, &flow.halt, review, path, question(path, "input", 1), kind, &form.message)
                .await?;
        match &reply.answer {
            Answer::Submit { value } => flow.user_input = Some(Arc::new(value.clone())),
            Answer::Reject { feedback } => {
                return Err(refused(review, node, path, feedback.as_deref()));
            }
            _ => {}
        }
    }
    if let (Some(message), NodeKind::Router { choices }) = (&review.route_selection, &node.kind) {
        let choices = choices.iter().map(|choice| choice.name.clone()).collect();
        let multiple = review.multiple_selections;
        let kind = RequirementKind::RouteSelection { choices, multiple };
        let reply =
            ask(fx, &flow.halt, review, path, question(path, "route", 1), kind, message).await?;
        match &reply.answer {
            Answer::Select { choices } => {
                known.decision = Some(Decision::Names(choices.as_slice().into()));
            }
            Answer::Reject { feedback } => {
                return Err(refused(review, node, path, feedback.as_deref()));
            }
            _ => {}
        }
    }
    Ok(known)
}

/// Asks for a review of a node's output: for the `nth` time, after so many attempts.
pub(super) async fn after<E: Effects>(
    fx: &E,
    node: &Node,
    review: &HumanReview,
    path: &StepPath,
    output: Arc<StepOutput>,
    (nth, attempts): (u32, u32),
    halt: &Halt,
) -> Result<Verdict, Stop> {
    let Some(message) = &review.output_review else { return Ok(Verdict::Good(output)) };
    let on_reject = on_reject(review, node);
    let max = review.max_retries.unwrap_or(REVIEW_RETRIES);
    let retries = on_reject == OnReject::Retry && nth <= max;
    let kind = RequirementKind::OutputReview { output: output.clone(), attempts, retries };
    let id = question(path, "review", nth);
    let reply = match ask(fx, halt, review, path, id, kind, message).await {
        Ok(reply) => reply,
        Err(No::Failed(error) | No::Skipped(error)) => return Ok(Verdict::Failed(error)),
        Err(No::Stopped(stop)) => return Err(stop),
    };
    Ok(match &reply.answer {
        Answer::Edit { content } => {
            Verdict::Good(Arc::new(StepOutput { content: content.clone(), ..(*output).clone() }))
        }
        Answer::Reject { feedback } => match on_reject {
            OnReject::Retry if retries => Verdict::Again(feedback.clone()),
            OnReject::Skip => Verdict::Out(rejected(feedback.as_deref())),
            OnReject::Cancel => return Err(cancelled(path, feedback.as_deref())),
            _ => Verdict::Failed(rejected(feedback.as_deref())),
        },
        _ => Verdict::Good(output),
    })
}

/// Asks for a decision about a failure, for the `nth` time.
pub(super) async fn about_failure<E: Effects>(
    fx: &E,
    review: Option<&HumanReview>,
    path: &StepPath,
    error: &ErrorData,
    (nth, attempts): (u32, u32),
    retries: bool,
    halt: &Halt,
) -> Result<Answer, Stop> {
    let nothing = HumanReview::new();
    let review = review.unwrap_or(&nothing);
    let error = Box::new(error.clone());
    let message = format!("`{path}` failed: {}", error.message).into();
    let kind = RequirementKind::ErrorDecision { error, attempts, retries };
    let id = question(path, "error", nth);
    match ask(fx, halt, review, path, id, kind, &message).await {
        Ok(reply) => Ok(reply.answer.clone()),
        Err(No::Stopped(stop)) => Err(stop),
        // Without a decision in time, the node fails with its own failure.
        Err(_) => Ok(Answer::Reject { feedback: None }),
    }
}

/// Asks for a review of a loop's turn. Returns `true` if that ends the loop.
pub(super) async fn after_turn<E: Effects>(
    fx: &E,
    review: &HumanReview,
    turn: &StepPath,
    flow: &mut Flow,
    content: Content,
    (iteration, max_iterations): (u32, u32),
) -> Result<bool, Stop> {
    let Some(message) = &review.iteration_review else { return Ok(false) };
    let kind =
        RequirementKind::IterationReview { content: content.clone(), iteration, max_iterations };
    let id = question(turn, "review", 1);
    let reply = match ask(fx, &flow.halt, review, turn, id, kind, message).await {
        Ok(reply) => reply,
        Err(No::Stopped(stop)) => return Err(stop),
        Err(No::Failed(error) | No::Skipped(error)) => return Err(Stop::failed(turn, error, 1)),
    };
    match &reply.answer {
        Answer::Reject { feedback } => {
            let feedback = feedback.clone().unwrap_or_default();
            flow.feedback(content, feedback);
            Ok(false)
        }
        Answer::Edit { content } => {
            flow.previous = Some(Arc::new(StepOutput::from(content.clone())));
            Ok(true)
        }
        _ => Ok(true),
    }
}

async fn ask<E: Effects>(
    fx: &E,
    halt: &Halt,
    review: &HumanReview,
    path: &StepPath,
    id: Arc<str>,
    kind: RequirementKind,
    message: &Arc<str>,
) -> Result<Arc<Reply>, No> {
    let on_timeout = review.on_timeout.clone().unwrap_or(OnTimeout::Fail);
    let (path, message) = (path.clone(), message.clone());
    let requirement = Requirement { id, path, kind, message, due: None, on_timeout };
    let fails = requirement.at_timeout().is_none();
    let id = requirement.id.clone();
    let known = fx.facts().has_reply(&id);
    let asked = fx.facts().ask(requirement, review.timeout_ms);
    let reply = unless_stopped!(*halt, known, asked)?;
    if reply.timed_out && fails {
        return Err(No::Failed(too_late(&id)));
    }
    Ok(reply)
}

/// Returns the policy for a rejection: the review's own, or the default of the node's kind.
fn on_reject(review: &HumanReview, node: &Node) -> OnReject {
    review.on_reject.unwrap_or(match node.kind {
        NodeKind::Condition { .. } if review.confirmation.is_some() => OnReject::Else,
        NodeKind::Step { .. } if review.output_review.is_some() => OnReject::Retry,
        _ => OnReject::Skip,
    })
}

/// Returns the reason why a node does not begin after a rejection.
fn refused(review: &HumanReview, node: &Node, path: &StepPath, feedback: Option<&str>) -> No {
    let error = rejected(feedback);
    match on_reject(review, node) {
        OnReject::Cancel => No::Stopped(cancelled(path, feedback)),
        OnReject::Fail => No::Failed(error),
        _ => No::Skipped(error),
    }
}

fn cancelled(path: &StepPath, feedback: Option<&str>) -> Stop {
    Stop::Cancelled(match feedback {
        Some(feedback) => format!("`{path}` was rejected: {feedback}").into(),
        None => format!("`{path}` was rejected").into(),
    })
}

/// Makes the feedback for a step that is repeated.
pub(super) fn again(previous: Content, feedback: Option<Arc<str>>) -> stepwright_core::Feedback {
    stepwright_core::Feedback { previous, feedback: feedback.unwrap_or_default() }
}
