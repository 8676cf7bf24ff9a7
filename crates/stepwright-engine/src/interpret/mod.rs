//! The interpreter: walks a plan and carries out its effects.
//!
//! It uses no runtime, no clock and no store directly. It reaches all of them through [`Effects`].

mod after;
mod containers;
mod deadline;
mod decide;
mod fan;
mod flow;
mod halt;
mod pace;
mod review;
mod step;

pub(crate) use after::{Walk, whole, whole_at};
pub(crate) use flow::Flow;
pub(crate) use halt::Halt;
pub(crate) use review::question;

use crate::effects::{Attempt, Effects, Failure, Stop};
use deadline::TimeLimit;
use flow::Walked;
use futures_util::future::BoxFuture;
use halt::unless_stopped;
use review::{Before, No, Verdict};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use stepwright_core::context::rejected;
use stepwright_core::event::{ContainerKind, End, Turns};
use stepwright_core::plan::{After, ErrorPolicy, Node, NodeKind, OnError, after};
use stepwright_core::scope::LoopOutcome;
use stepwright_core::{
    Answer, ErrorCode, ErrorData, EventKind, StepError, StepInput, StepOutput, StepPath, StepStatus,
};

/// Walks `nodes`, which lie beneath the path `at`, one after the other.
async fn sequence<E: Effects>(
    fx: &E,
    nodes: &[Node],
    at: &StepPath,
    flow: &mut Flow,
) -> Result<(), Stop> {
    for node in nodes {
        visit(fx, node, at, flow).await?;
        if flow.ended.is_some() {
            break;
        }
    }
    Ok(())
}

async fn visit<E: Effects>(
    fx: &E,
    node: &Node,
    at: &StepPath,
    flow: &mut Flow,
) -> Result<(), Stop> {
    let path = at.child_shared(&node.name);
    if !node.budgets.is_empty() {
        fx.facts().enter(node, &path);
    }
    if !matches!(node.kind, NodeKind::Step { .. }) {
        return container(fx, node, path, flow).await;
    }
    flow.enter(fx, &path, STEP_STARTED)?;
    if fx.has_deadline(node) {
        // Boxed, because few steps have a deadline, and every step would keep the space.
        return Box::pin(deadline::step_within(fx, node, path, flow)).await;
    }
    step(fx, node, path, flow).await
}

/// Executes a step.
async fn step<E: Effects>(
    fx: &E,
    node: &Node,
    path: StepPath,
    flow: &mut Flow,
) -> Result<(), Stop> {
    if asks(node) {
        // Boxed, because few steps ask people, and every step would keep the space.
        return Box::pin(step::asking(fx, node, path, flow)).await;
    }
    if fx.facts().has_routes() {
        // Boxed, because every step would keep the space.
        Box::pin(fx.facts().wait_for_driver(node, &path, &flow.halt)).await?;
    }
    fx.facts().record(&path, started(node))?;
    let known = fx.facts().had_ended(&path);
    let answer = {
        let flow = &*flow;
        let input = || limited(fx, &path, flow);
        let first = Attempt { node, step: &path, number: 1, round: 1, input: &input, last: None };
        unless_stopped!(flow.halt, known, fx.execute(&first))
    };
    step_ended(fx, node, path, flow, answer)
}

/// The name of the fact with which a step begins.
const STEP_STARTED: &str = "StepStarted";

/// Returns the input of a step or a decision at `path`, with what is left of the budgets there.
fn limited<E: Effects>(fx: &E, path: &StepPath, flow: &Flow) -> StepInput {
    let mut input = flow.input();
    input.budget = fx.facts().budget_left(path);
    input
}

/// Returns `true` if people are asked about this node.
fn asks(node: &Node) -> bool {
    node.review.is_some() || node.on_error.may(OnError::Pause)
}

/// Makes the fact that a node begins, without a decision in it.
fn started(node: &Node) -> EventKind {
    node.kind.started(&node.name)
}

/// Records the end of a step, and passes its output on.
fn step_ended<E: Effects>(
    fx: &E,
    node: &Node,
    path: StepPath,
    flow: &mut Flow,
    answer: Result<Arc<StepOutput>, Stop>,
) -> Result<(), Stop> {
    let answer = answer.and_then(|output| match flow.apply(&output.patches) {
        Ok(()) => Ok(output),
        Err(error) => Err(Stop::failed(&path, error, 1)),
    });
    // Only some steps matter if the run fails later.
    let notes = !node.after.is_empty() || answer.is_err();
    let ended_at = if notes { fx.facts().ended_at(&path) } else { 0 };
    match answer {
        Ok(output) => {
            fx.facts().record(&path, EventKind::StepCompleted { output: output.clone() })?;
            if output.stop && flow.ended.is_none() {
                flow.ended = Some(path.clone());
            }
            let noted = notes.then(|| path.clone());
            flow.passed(path, output, Vec::new());
            if let Some(path) = noted {
                after::note(fx, node, &path, flow, &Ok(()), ended_at);
            }
            Ok(())
        }
        Err(stop) => {
            let ended = Err(stop);
            after::note(fx, node, &path, flow, &ended, ended_at);
            match ended {
                Err(Stop::Failed(failure)) => {
                    let on_error = node.on_error.of(failure.error.code);
                    fx.facts().record(&path, step_failed(on_error, &failure))?;
                    pass_over(on_error, path, flow, failure)
                }
                ended => ended,
            }
        }
    }
}

/// Makes the fact that a step has failed.
fn step_failed(on_error: OnError, failure: &Failure) -> EventKind {
    let (error, attempts) = (Box::new(failure.error.clone()), failure.attempts);
    match on_error {
        OnError::Skip => EventKind::StepSkipped { error, attempts },
        other => {
            let continues = other == OnError::Continue;
            EventKind::StepError { error, attempts, continues }
        }
    }
}

/// Goes on after a failure, as the policy `on_error` says.
fn pass_over(
    on_error: OnError,
    path: StepPath,
    flow: &mut Flow,
    failure: Arc<Failure>,
) -> Result<(), Stop> {
    match on_error {
        OnError::Skip => {
            flow.skipped(path, Vec::new());
            Ok(())
        }
        OnError::Continue => {
            flow.failed(path, failure);
            Ok(())
        }
        _ => Err(Stop::Failed(failure)),
    }
}

/// Walks a container. Boxed, because containers contain each other.
fn container<'a, E: Effects>(
    fx: &'a E,
    node: &'a Node,
    path: StepPath,
    flow: &'a mut Flow,
) -> BoxFuture<'a, Result<(), Stop>> {
    Box::pin(async move {
        let (began, ended) = names(node);
        let was_stopped = fx.facts().was_stopped(&path);
        flow.enter(fx, &path, began)?;
        // Only a container whose failure may be tolerated needs the flow from before it.
        let before = (node.on_error != ErrorPolicy::default()).then(|| flow.clone());
        let outer = (flow.user_input.clone(), flow.feedback.clone());
        let mut known = Before::default();
        let looped = |turns: &Before, exhausted| {
            let iterations = turns.turns.load(Ordering::Relaxed);
            let is_loop = matches!(node.kind, NodeKind::Loop { .. });
            is_loop.then_some(LoopOutcome { iterations, exhausted })
        };
        if let Some(review) = &node.review {
            known = match Box::pin(review::before(fx, node, review, &path, flow)).await {
                Ok(known) => known,
                Err(no) => return not_done(fx, node, path, flow, no),
            };
        }
        if let NodeKind::After { .. } = node.kind {
            // Before its deadline is set: what encloses it may have ended.
            fx.facts().record(&path, started(node))?;
        }
        let limit_ms = limit(node, flow);
        let walked = match TimeLimit::of(fx, node, &path, limit_ms, ended, flow).await {
            Ok(Some(limit)) => deadline::within(fx, node, &path, limit, flow, &known).await,
            Ok(None) => containers::walk(fx, node, &path, flow, &known).await,
            Err(stop) => {
                if !fx.facts().is_open(&path) {
                    fx.facts().record(&path, started(node))?;
                }
                Err(stop)
            }
        };
        (flow.user_input, flow.feedback) = outer;
        let answer = match walked {
            Ok(walked) => given(fx, node, &path, flow, walked).await,
            Err(stop) => Err(stop),
        };
        let answer = answer.and_then(|given| flow.complete(fx, &path, ended).map(|()| given));
        let answer = match answer {
            Err(Stop::Failed(_)) if was_stopped => Err(Stop::Sibling),
            answer => answer,
        };
        let is_undone = after(&node.after, After::Undo).is_some();
        let ended_at = if is_undone { fx.facts().ended_at(&path) } else { 0 };
        if is_undone && let Err(stop) = &answer {
            after::note(fx, node, &path, flow, &Err(stop.clone()), ended_at);
        }
        match answer {
            Ok(Given::This(walked, output)) => {
                let outcome = looped(&known, walked.exhausted);
                fx.facts().record(&path, completed(node, outcome, output.as_ref()))?;
                flow.scope = walked.outside;
                match output {
                    Some(output) => flow.passed(path.clone(), output, walked.inside),
                    None => flow.skipped(path.clone(), walked.inside),
                }
                flow.looped(outcome);
                if is_undone {
                    after::note(fx, node, &path, flow, &Ok(()), ended_at);
                }
                Ok(())
            }
            Ok(Given::Nothing(walked, error)) => {
                let outcome = looped(&known, walked.exhausted);
                fx.facts().record(&path, left_out(node, outcome, error))?;
                flow.scope = walked.outside;
                flow.previous = walked.before;
                flow.skipped(path, walked.inside);
                flow.looped(outcome);
                Ok(())
            }
            Err(Stop::Failed(failure)) => {
                let on_error = decide_failure(fx, node, &path, &failure, &flow.halt).await?;
                let own = failure.path == path;
                let outcome = looped(&known, own && failure.error.code == ErrorCode::Exhausted);
                fx.facts().record(&path, failed(node, on_error, &path, &failure, outcome))?;
                if let Some(before) = before {
                    *flow = before;
                }
                pass_over(on_error, path, flow, failure)?;
                flow.looped(outcome);
                Ok(())
            }
            Err(stop) => Err(stop),
        }
    })
}

/// Returns the names of the facts with which a container begins and ends.
fn names(node: &Node) -> (&'static str, &'static str) {
    match node.kind.container() {
        Some(kind) => (kind.started(), kind.completed()),
        None => (STEP_STARTED, "StepCompleted"),
    }
}

/// Returns the timeout of a container. Steps that run after others have one only if those were
/// stopped.
fn limit(node: &Node, flow: &Flow) -> Option<u64> {
    let is_after = matches!(node.kind, NodeKind::After { .. });
    node.timeout_ms.filter(|_| !is_after || flow.is_hurried)
}

/// The result of a container.
enum Given {
    This(Walked, Option<Arc<StepOutput>>),
    /// A person has rejected the output.
    Nothing(Walked, StepError),
}

/// Returns the result of a container, after the review of its output if it has one.
async fn given<E: Effects>(
    fx: &E,
    node: &Node,
    path: &StepPath,
    flow: &Flow,
    walked: Walked,
) -> Result<Given, Stop> {
    let output = walked.output(flow);
    let Some(review) = node.review.as_deref().filter(|review| review.output_review.is_some())
    else {
        return Ok(Given::This(walked, output));
    };
    let shown = output.clone().or_else(|| flow.previous.clone()).unwrap_or_default();
    Ok(match review::after(fx, node, review, path, shown.clone(), (1, 1), &flow.halt).await? {
        Verdict::Good(good) if Arc::ptr_eq(&good, &shown) => Given::This(walked, output),
        Verdict::Good(edited) => Given::This(walked, Some(edited)),
        Verdict::Out(error) => Given::Nothing(walked, error),
        Verdict::Failed(error) => return Err(Stop::failed(path, error, 1)),
        // A container cannot be repeated, and its definition is checked for that.
        Verdict::Again(feedback) => {
            return Err(Stop::failed(path, rejected(feedback.as_deref()), 1));
        }
    })
}

/// Returns the policy for a failure. With [`OnError::Pause`], asks a person for it.
async fn decide_failure<E: Effects>(
    fx: &E,
    node: &Node,
    path: &StepPath,
    failure: &Failure,
    halt: &Halt,
) -> Result<OnError, Stop> {
    let on_error = node.on_error.of(failure.error.code);
    if on_error != OnError::Pause {
        return Ok(on_error);
    }
    let review = node.review.as_deref();
    let asked = (1, failure.attempts);
    let error = &failure.error;
    Ok(match review::about_failure(fx, review, path, error, asked, false, halt).await? {
        Answer::Skip => OnError::Skip,
        _ => OnError::Fail,
    })
}

/// Records a node that a person rejected before it began. The journal shows the node all the same.
fn not_done<E: Effects>(
    fx: &E,
    node: &Node,
    path: StepPath,
    flow: &mut Flow,
    no: No,
) -> Result<(), Stop> {
    let (error, skipped) = match no {
        No::Stopped(stop) => return Err(stop),
        No::Skipped(error) => (error, true),
        No::Failed(error) => (error, false),
    };
    fx.facts().record(&path, started(node))?;
    if skipped {
        fx.facts().record(&path, left_out(node, None, error))?;
        flow.skipped(path, Vec::new());
        return Ok(());
    }
    let failure = Arc::new(Failure { path: path.clone(), error: *error.data, attempts: 0 });
    let on_error = not_asked(node, &failure.error);
    fx.facts().record(&path, failed(node, on_error, &path, &failure, None))?;
    pass_over(on_error, path, flow, failure)
}

/// Returns the policy for a failure that a person caused by a rejection, without asking again.
fn not_asked(node: &Node, error: &ErrorData) -> OnError {
    match node.on_error.of(error.code) {
        OnError::Pause => OnError::Fail,
        other => other,
    }
}

/// Makes the fact that a node is skipped, because a person rejected it.
fn left_out(node: &Node, outcome: Option<LoopOutcome>, error: StepError) -> EventKind {
    let error = error.data;
    match node.kind.container() {
        Some(kind) => ended(kind, outcome, End { status: StepStatus::Skipped, error: Some(error) }),
        None => EventKind::StepSkipped { error, attempts: 0 },
    }
}

/// Makes the fact that a container has completed.
fn completed(
    node: &Node,
    outcome: Option<LoopOutcome>,
    output: Option<&Arc<StepOutput>>,
) -> EventKind {
    let Some(kind) = node.kind.container() else {
        // The facts of its steps have the media, the usage and the changes of the state.
        let content = output.map(|output| output.content.clone()).unwrap_or_default();
        return EventKind::StepCompleted { output: Arc::new(StepOutput::from(content)) };
    };
    ended(kind, outcome, StepStatus::Completed.into())
}

/// Makes the fact that a container has failed. It has an error only if the container failed on its
/// own: a failure inside is in the facts of the step that failed.
fn failed(
    node: &Node,
    on_error: OnError,
    path: &StepPath,
    failure: &Failure,
    outcome: Option<LoopOutcome>,
) -> EventKind {
    let Some(kind) = node.kind.container() else { return step_failed(on_error, failure) };
    let status = match on_error {
        OnError::Skip => StepStatus::Skipped,
        _ => StepStatus::Failed,
    };
    let error = (failure.path == *path).then(|| Box::new(failure.error.clone()));
    ended(kind, outcome, End { status, error })
}

fn ended(kind: ContainerKind, outcome: Option<LoopOutcome>, end: End) -> EventKind {
    let LoopOutcome { iterations, exhausted } = outcome.unwrap_or_default();
    let turns = Turns { number: iterations, exhausted, should_continue: false };
    EventKind::ContainerCompleted { kind, turns, end }
}

fn count(nodes: &[Node]) -> u32 {
    u32::try_from(nodes.len()).unwrap_or(u32::MAX)
}
