//! The walk of each kind of container, and the containers that execute one body at a time.

use super::decide::{decide, no_answer};
use super::flow::Walked;
use super::halt::unless_stopped;
use super::review::Before;
use super::{Flow, after, fan, review, sequence, started, visit};
use crate::effects::{Effects, Stop};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use stepwright_core::event::{ContainerKind, Decision, End, Turns};
use stepwright_core::executor::RunInput;
use stepwright_core::plan::{Node, NodeKind, OnExhausted};
use stepwright_core::scope::Scope;
use stepwright_core::{ErrorCode, EventKind, StepError, StepOutput, StepPath, StepStatus};

/// Walks the steps inside a container, after recording that it starts.
pub(super) async fn walk<E: Effects>(
    fx: &E,
    node: &Node,
    path: &StepPath,
    flow: &mut Flow,
    known: &Before,
) -> Result<Walked, Stop> {
    let walked = match &node.kind {
        NodeKind::Workflow { body } => nested(fx, node, body, path, flow).await,
        NodeKind::Steps { body } => steps(fx, node, body, path, flow).await,
        NodeKind::Loop { .. } => repeat(fx, node, path, flow, &known.turns).await,
        NodeKind::Condition { then, otherwise } => {
            let arms = (&then[..], &otherwise[..]);
            condition(fx, node, arms, path, flow, known.decision.clone()).await
        }
        NodeKind::Router { choices } => {
            router(fx, node, choices, path, flow, known.decision.clone()).await
        }
        NodeKind::Parallel { branches, join, concurrency } => {
            fx.facts().record(path, started(node))?;
            fan::parallel(fx, branches, *join, *concurrency, path, flow).await
        }
        NodeKind::Map { .. } => fan::map(fx, node, path, flow).await,
        // Its beginning is recorded already.
        NodeKind::After { body, .. } => one_body(fx, body, path, flow).await,
        NodeKind::Step { .. } => {
            Err(Stop::failed(path, StepError::terminal("internal error: a step holds no steps"), 1))
        }
    };
    if node.after.is_empty() || matches!(node.kind, NodeKind::Workflow { .. }) {
        return walked;
    }
    let body = walked.as_ref().map(drop).map_err(Stop::clone);
    ended(fx, node, path, flow, body).await?;
    walked
}

/// Runs the steps after those of a container, which ended as `body` tells.
///
/// # Errors
/// Their failure, if the container itself has completed.
async fn ended<E: Effects>(
    fx: &E,
    node: &Node,
    path: &StepPath,
    flow: &mut Flow,
    body: Result<(), Stop>,
) -> Result<(), Stop> {
    let facts = fx.facts();
    // A container that was never decided has not begun. One that was stopped before the run was
    // resumed has done all that it had to do.
    let has_begun = facts.is_open(path)
        || (facts.has_noted(path, super::names(node).0) && !facts.was_stopped(path));
    if !has_begun || matches!(body, Err(Stop::Lost(_))) {
        return body;
    }
    let failed = Box::pin(after::run(fx, &node.after, path, flow, &body)).await?;
    match (body, failed) {
        (Ok(()), Some(failure)) => Err(Stop::Failed(failure)),
        (body, _) => body,
    }
}

async fn steps<E: Effects>(
    fx: &E,
    node: &Node,
    body: &[Node],
    path: &StepPath,
    flow: &mut Flow,
) -> Result<Walked, Stop> {
    fx.facts().record(path, started(node))?;
    one_body(fx, body, path, flow).await
}

async fn one_body<E: Effects>(
    fx: &E,
    body: &[Node],
    path: &StepPath,
    flow: &mut Flow,
) -> Result<Walked, Stop> {
    let mut walked = Walked::begin(flow);
    sequence(fx, body, path, flow).await?;
    walked.body(flow);
    Ok(walked)
}

async fn nested<E: Effects>(
    fx: &E,
    node: &Node,
    body: &[Node],
    path: &StepPath,
    flow: &mut Flow,
) -> Result<Walked, Stop> {
    fx.facts().record(path, started(node))?;
    fx.facts().guard(node, path);
    let input = super::limited(fx, path, flow);
    // The check of the workflow's input may also complete the input.
    // Its result is not in the journal, and a check has no effects.
    let known = fx.facts().has_noted(path, super::STEP_STARTED);
    let content = match unless_stopped!(flow.halt, known, fx.decide(node, path, &input))? {
        Decision::Items { items: prepared, .. } if !prepared.is_empty() => prepared[0].clone(),
        _ => input.message(),
    };
    let mut walked = Walked::begin(flow);
    // A nested workflow sees its own input, and the session state, but no steps around it.
    let run = RunInput {
        content,
        media: input.media(),
        additional_data: flow.run.additional_data.clone(),
    };
    let mut inner = Flow { run: Arc::new(run), previous: None, ..flow.fork() };
    (inner.scope, inner.item, inner.nth) = (Scope::default(), None, 0);
    inner.turn_before = Scope::default();
    let ended = sequence(fx, body, path, &mut inner).await;
    if node.after.is_empty() {
        ended?;
    } else {
        self::ended(fx, node, path, &mut inner, ended).await?;
    }
    walked.body(&inner);
    if inner.previous.is_some() {
        flow.previous = inner.previous;
    }
    flow.state = inner.state;
    flow.patches.extend(inner.patches);
    flow.ended = inner.ended;
    if flow.broken.is_none() {
        flow.broken = inner.broken;
    }
    Ok(walked)
}

async fn condition<E: Effects>(
    fx: &E,
    node: &Node,
    (then, otherwise): (&[Node], &[Node]),
    path: &StepPath,
    flow: &mut Flow,
    known: Option<Decision>,
) -> Result<Walked, Stop> {
    let holds = decide(fx, node, path, flow, known).await?.is_met();
    let (arm, name) = if holds { (then, "if") } else { (otherwise, "else") };
    let branch = Some(name.into()).filter(|_| !arm.is_empty());
    let decision = Decision::Holds { holds: Some(holds), branch };
    fx.facts()
        .record(path, EventKind::ContainerStarted { kind: ContainerKind::Condition, decision })?;
    one_body(fx, arm, path, flow).await
}

async fn router<E: Effects>(
    fx: &E,
    node: &Node,
    choices: &[Node],
    path: &StepPath,
    flow: &mut Flow,
    known: Option<Decision>,
) -> Result<Walked, Stop> {
    let Decision::Names(chosen) = decide(fx, node, path, flow, known).await? else {
        return Err(no_answer(path));
    };
    let decision = Decision::Names(chosen.clone());
    fx.facts()
        .record(path, EventKind::ContainerStarted { kind: ContainerKind::Router, decision })?;
    let mut walked = Walked::begin(flow);
    for name in &*chosen {
        // A decision with an unknown name has failed already.
        if let Some(choice) = choices.iter().find(|choice| choice.name == *name) {
            visit(fx, choice, path, flow).await?;
        }
        if flow.ended.is_some() {
            break;
        }
    }
    walked.body(flow);
    Ok(walked)
}

async fn repeat<E: Effects>(
    fx: &E,
    node: &Node,
    path: &StepPath,
    flow: &mut Flow,
    turns: &AtomicU32,
) -> Result<Walked, Stop> {
    let NodeKind::Loop { body, at_most, forward, on_exhausted } = &node.kind else {
        unreachable!("only loops are repeated");
    };
    let (at_most, forward) = (*at_most, *forward);
    fx.facts().record(path, started(node))?;
    let mut walked = Walked::begin(flow);
    let outer = (flow.nth, std::mem::take(&mut flow.turn_before));
    loop {
        walked.iterations += 1;
        let iteration = walked.iterations;
        turns.store(iteration, Ordering::Relaxed);
        let turn = path.nth(iteration);
        let decision = Decision::Turn { number: iteration, at_most: Some(at_most) };
        let kind = ContainerKind::Iteration;
        flow.enter(fx, &turn, kind.started())?;
        fx.facts().record(&turn, EventKind::ContainerStarted { kind, decision })?;
        if !forward {
            flow.previous.clone_from(&walked.given);
        }
        flow.scope = walked.outside.clone();
        flow.nth = iteration;
        let turned = one_turn(fx, node, body, &turn, flow, (iteration, at_most)).await;
        let turned =
            turned.and_then(|after| flow.complete(fx, &turn, kind.completed()).map(|()| after));
        let (status, after) = match &turned {
            Ok(after) => (StepStatus::Completed, *after),
            Err(Stop::Failed(_)) => (StepStatus::Failed, After::Ended),
            Err(stop) => return Err(stop.clone()),
        };
        let error = turned.as_ref().err().and_then(|stop| own_error(stop, &turn));
        let end = End { status, error };
        let (should_continue, exhausted) = (after == After::Another, after == After::Exhausted);
        let turns = Turns { number: iteration, should_continue, exhausted };
        fx.facts().record(&turn, EventKind::ContainerCompleted { kind, turns, end })?;
        walked.body(flow);
        match turned? {
            After::Another => flow.turn_before = turn_before(&walked.outside, turn, flow),
            After::Exhausted if *on_exhausted == Some(OnExhausted::Fail) => {
                return Err(Stop::failed(path, ran_out(node, at_most), 1));
            }
            after => {
                walked.exhausted = after == After::Exhausted;
                (flow.nth, flow.turn_before) = outer;
                return Ok(walked);
            }
        }
    }
}

/// The continuation of a loop after a turn.
#[derive(Clone, Copy, PartialEq)]
enum After {
    /// Another turn follows.
    Another,
    /// No turn follows: the condition was met, the run must end, or the loop has no condition and
    /// this was its last turn.
    Ended,
    /// No turn follows: this was the last turn, and the condition was not met.
    Exhausted,
}

/// Returns the scope in which the next turn finds the outputs of this one.
fn turn_before(outside: &Scope, turn: StepPath, flow: &Flow) -> Scope {
    let output = flow.previous.clone().unwrap_or_default();
    outside.clone().with_one(turn, StepStatus::Completed, output, flow.scope.clone())
}

/// Makes the failure of a loop whose last turn did not meet the condition.
fn ran_out(node: &Node, at_most: u32) -> StepError {
    let reviewed = node.review.as_deref().is_some_and(|review| review.iteration_review.is_some());
    let turns = if at_most == 1 { "its only turn".into() } else { format!("its {at_most} turns") };
    let without = if reviewed { "being accepted" } else { "meeting `until`" };
    StepError::terminal(format!("loop `{}` made {turns} without {without}", node.name))
        .with_code(ErrorCode::Exhausted)
        .with_hint(
            "raise `at_most`, or set `on_exhausted` to continue with what the last turn gave",
        )
}

/// Executes a turn of a loop, and decides what follows.
async fn one_turn<E: Effects>(
    fx: &E,
    node: &Node,
    body: &[Node],
    turn: &StepPath,
    flow: &mut Flow,
    (iteration, at_most): (u32, u32),
) -> Result<After, Stop> {
    let given = flow.previous.clone();
    sequence(fx, body, turn, flow).await?;
    let last = iteration == at_most;
    let has_condition = matches!(node.kind, NodeKind::Loop { on_exhausted: Some(_), .. });
    if flow.ended.is_some() || (last && !has_condition) {
        return Ok(After::Ended);
    }
    let not_met = if last { After::Exhausted } else { After::Another };
    let review = node.review.as_deref().filter(|review| review.iteration_review.is_some());
    if !has_condition && review.is_none() && !fx.facts().is_resumed() {
        // Nothing decides here, and the journal has no decision.
        return Ok(not_met);
    }
    // If every step of the turn was skipped, the turn has no output. Its input is no result, so the
    // condition must not see it.
    let mut looked_at = super::limited(fx, turn, flow);
    if same(given.as_ref(), looked_at.previous.as_ref()) {
        looked_at.previous = Some(Arc::default());
    }
    let Some(review) = review else {
        let known = fx.facts().has_decided(turn);
        let ends = unless_stopped!(flow.halt, known, fx.decide(node, turn, &looked_at))?;
        return Ok(if ends.is_met() { After::Ended } else { not_met });
    };
    // A recorded end of the turn may come from the reply of a person, so it does not tell if the
    // condition was met. A recorded request does: the condition was not met.
    let asked = fx.facts().asked(&review::question(turn, "review", 1)).is_some();
    if !asked {
        let known = fx.facts().has_decided(turn);
        if unless_stopped!(flow.halt, known, fx.decide(node, turn, &looked_at))?.is_met() {
            return Ok(After::Ended);
        }
    }
    let shown = looked_at.content().clone();
    let accepted = review::after_turn(fx, review, turn, flow, shown, (iteration, at_most)).await?;
    Ok(if accepted { After::Ended } else { not_met })
}

/// Returns `true` if both are the same output, or both are `None`.
fn same(one: Option<&Arc<StepOutput>>, other: Option<&Arc<StepOutput>>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => Arc::ptr_eq(one, other),
        (one, other) => one.is_none() && other.is_none(),
    }
}

/// Returns the error of a failure at `at` itself. `None` if it happened inside.
fn own_error(stop: &Stop, at: &StepPath) -> Option<Box<stepwright_core::ErrorData>> {
    match stop {
        Stop::Failed(failure) if failure.path == *at => Some(Box::new(failure.error.clone())),
        _ => None,
    }
}
