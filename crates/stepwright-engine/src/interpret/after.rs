//! Steps that run when others have ended: `on_failure`, `finally` and `undo`.

use super::{Flow, visit};
use crate::effects::{Done, Effects, Failure, Stop, may_be_done};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use stepwright_core::event::{ContainerKind, Decision, End, Turns};
use stepwright_core::plan::{After, Node, Plan, after};
use stepwright_core::{
    ErrorCode, ErrorId, EventKind, FailureInfo, StepError, StepPath, StepStatus,
};

/// The end of a whole walk.
pub(crate) struct Walk {
    /// The end of the steps.
    pub(crate) body: Result<(), Stop>,
    /// The first failure among the steps that ran afterwards.
    pub(crate) after: Option<Arc<Failure>>,
}

/// Walks a whole plan: its steps, then those that undo them if they did not complete, and those
/// that run afterwards.
pub(crate) async fn whole<E: Effects>(fx: &E, plan: &Plan, flow: &mut Flow) -> Result<Walk, Stop> {
    whole_at(fx, plan, &StepPath::root(), flow).await
}

/// Walks a whole plan whose steps lie beneath the path `root`.
pub(crate) async fn whole_at<E: Effects>(
    fx: &E,
    plan: &Plan,
    root: &StepPath,
    flow: &mut Flow,
) -> Result<Walk, Stop> {
    let body = super::sequence(fx, &plan.body, root, flow).await;
    if let Err(Stop::Lost(_)) = body {
        return Ok(Walk { body, after: None });
    }
    let failure = reason(&body, root, flow);
    let mut first = None;
    if let Some(failure) = &failure {
        fx.facts().stop_before(root)?;
        first = undo(fx, failure, flow).await?;
    }
    let then = run(fx, &plan.after, root, flow, &body).await?;
    Ok(Walk { body, after: first.or(then) })
}

/// Returns the reason that the steps at `at` did not complete.
fn reason(body: &Result<(), Stop>, at: &StepPath, flow: &Flow) -> Option<Arc<FailureInfo>> {
    match body {
        Ok(()) => {
            let failure = flow.broken.as_ref()?;
            Some(Arc::new(FailureInfo::of(&failure.error, failure.path.clone())))
        }
        Err(Stop::Failed(failure)) => {
            Some(Arc::new(FailureInfo::of(&failure.error, failure.path.clone())))
        }
        Err(Stop::Cancelled(reason)) => {
            Some(Arc::new(FailureInfo::cancelled(reason.clone(), at.clone())))
        }
        Err(Stop::Sibling | Stop::Lost(_)) => Some(
            flow.halt
                .why()
                .unwrap_or_else(|| Arc::new(FailureInfo::cancelled("it was stopped", at.clone()))),
        ),
    }
}

/// Runs the steps after those at `at`, which ended as `body` tells. Returns the first failure
/// among them.
///
/// # Errors
/// Only a stop that ends the run.
pub(super) async fn run<E: Effects>(
    fx: &E,
    nodes: &[Node],
    at: &StepPath,
    flow: &mut Flow,
    body: &Result<(), Stop>,
) -> Result<Option<Arc<Failure>>, Stop> {
    if nodes.is_empty() {
        return Ok(None);
    }
    if matches!(body, Err(Stop::Sibling)) && fx.facts().is_resumed() {
        // The branch that stopped this one may be replayed only after it. It is the reason.
        yield_once().await;
    }
    let failure = reason(body, at, flow);
    if failure.is_some() {
        fx.facts().stop_before(at)?;
    }
    let mut own = shielded(flow, failure.clone());
    let mut first = None;
    if let (Some(_), Some(node)) = (&failure, after(nodes, After::Failure)) {
        first = one(fx, node, at, &mut own).await?;
    }
    if let Some(node) = after(nodes, After::Always) {
        first = first.or(one(fx, node, at, &mut own).await?);
    }
    if body.is_ok() && first.is_none() {
        // Changes of the state count as those of other steps do.
        flow.state = own.state;
        flow.patches.append(&mut own.patches);
    }
    Ok(first)
}

/// Lets what runs at the same time be polled once.
async fn yield_once() {
    let mut is_over = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut is_over, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Returns the flow of steps that run after others. What stopped those does not stop these.
fn shielded(flow: &Flow, failure: Option<Arc<FailureInfo>>) -> Flow {
    let halt = flow.halt.shield();
    let is_hurried = flow.is_hurried || flow.halt.is_stopped();
    Flow { halt, failure, is_hurried, ..flow.fork() }
}

/// Runs the steps of one occasion. Returns their failure.
async fn one<E: Effects>(
    fx: &E,
    node: &Node,
    at: &StepPath,
    own: &mut Flow,
) -> Result<Option<Arc<Failure>>, Stop> {
    let previous = own.previous.clone();
    let ended = Box::pin(visit(fx, node, at, own)).await;
    own.previous = previous;
    own.ended = None;
    match ended {
        Ok(()) => Ok(own.broken.take()),
        Err(Stop::Failed(failure)) => Ok(Some(failure)),
        Err(Stop::Lost(error)) => Err(Stop::Lost(error)),
        // Stopped by a second request to cancel, or by a person.
        Err(Stop::Sibling | Stop::Cancelled(_)) => {
            fx.facts().stop_within(&at.child(&node.name))?;
            Ok(None)
        }
    }
}

/// Undoes the completed steps, the last that completed first. Returns the first failure.
async fn undo<E: Effects>(
    fx: &E,
    failure: &Arc<FailureInfo>,
    flow: &Flow,
) -> Result<Option<Arc<Failure>>, Stop> {
    let done = fx.facts().take_done();
    for (nth, Done { step, undo, has_undo, .. }) in done.iter().enumerate() {
        let Some(undo) = undo else {
            let before = done[nth + 1..].iter().filter(|done| done.undo.is_some());
            let before: Vec<&StepPath> = before.map(|done| &done.step).collect();
            if !has_undo && before.is_empty() {
                continue;
            }
            return refuse(fx, step, &before);
        };
        let (node, at) = &**undo;
        let mut own = shielded(at, Some(failure.clone()));
        own.halt = flow.halt.shield();
        own.is_hurried |= flow.halt.is_stopped();
        let failed = one(fx, node, step, &mut own).await?;
        if failed.is_some() || own.halt.is_stopped() {
            return Ok(failed);
        }
    }
    Ok(None)
}

/// Records that nothing is undone from the step at `step` on, because its outcome is unknown.
fn refuse<E: Effects>(
    fx: &E,
    step: &StepPath,
    before: &[&StepPath],
) -> Result<Option<Arc<Failure>>, Stop> {
    let path = step.child(After::Undo.key());
    let mut what = format!("the outcome of `{step}` is unknown, so it is not undone");
    if !before.is_empty() {
        let names: Vec<String> = before.iter().map(|path| format!("`{path}`")).collect();
        what += ", and neither are the steps before it: ";
        what += &names.join(", ");
    }
    let error = StepError::terminal(what)
        .with_code(ErrorCode::OutcomeUnknown)
        .with_id(ErrorId::UNDO_STOPPED)
        .with_hint("find out what the step did, and undo the steps by hand");
    let (kind, decision) = (ContainerKind::Undo, Decision::Count(0));
    fx.facts().record(&path, EventKind::ContainerStarted { kind, decision })?;
    let end = End { status: StepStatus::Failed, error: Some(error.data.clone()) };
    let turns = Turns::default();
    fx.facts().record(&path, EventKind::ContainerCompleted { kind, turns, end })?;
    Ok(Some(Arc::new(Failure { path, error: *error.data, attempts: 1 })))
}

/// Notes the end of a step for the case that the run fails.
pub(super) fn note<E: Effects>(
    fx: &E,
    node: &Node,
    path: &StepPath,
    flow: &Flow,
    ended: &Result<(), Stop>,
    ended_at: u64,
) {
    let undo = after(&node.after, After::Undo);
    let is_unknown = |error: &stepwright_core::ErrorData| {
        error.code == ErrorCode::OutcomeUnknown || (undo.is_some() && may_be_done(error))
    };
    let undo = match (ended, undo) {
        (Ok(()), Some(undo)) => Some(Box::new((undo.clone(), flow.clone()))),
        (Err(Stop::Failed(failure)), _) if is_unknown(&failure.error) => None,
        (Err(Stop::Sibling), Some(_)) => None,
        _ => return,
    };
    let has_undo = after(&node.after, After::Undo).is_some();
    fx.facts().note_done(Done { step: path.clone(), ended_at, undo, has_undo });
}
