//! Containers of one body at a time.

use super::flow::Walked;
use super::{Flow, review, sequence, started, visit};
use crate::effects::{Decision, Effects, Stop};
use std::sync::Arc;
use stepwright_core::event::End;
use stepwright_core::executor::RunInput;
use stepwright_core::plan::{Node, NodeKind};
use stepwright_core::scope::Scope;
use stepwright_core::{EventKind, StepPath, StepStatus};

pub(super) async fn steps<E: Effects>(
    fx: &E,
    node: &Node,
    body: &[Node],
    path: &StepPath,
    flow: &mut Flow,
) -> Result<Walked, Stop> {
    fx.record(path, started(node))?;
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

pub(super) async fn nested<E: Effects>(
    fx: &E,
    node: &Node,
    body: &[Node],
    path: &StepPath,
    flow: &mut Flow,
) -> Result<Walked, Stop> {
    fx.record(path, started(node))?;
    let input = flow.input();
    // What the workflow demands of its input is checked, and completed if it says how.
    let content = match fx.decide(node, path, &input).await? {
        Decision::Items(prepared) if !prepared.is_empty() => prepared[0].clone(),
        _ => input.message(),
    };
    let mut walked = Walked::begin(flow);
    // A workflow of its own: it sees its input, and the session state.
    let run = RunInput {
        content,
        media: input.media(),
        additional_data: flow.run.additional_data.clone(),
    };
    let mut inner = Flow { run: Arc::new(run), previous: None, ..flow.fork() };
    (inner.scope, inner.item, inner.nth) = (Scope::default(), None, 0);
    sequence(fx, body, path, &mut inner).await?;
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

pub(super) async fn condition<E: Effects>(
    fx: &E,
    node: &Node,
    (then, otherwise): (&[Node], &[Node]),
    path: &StepPath,
    flow: &mut Flow,
    known: Option<bool>,
) -> Result<Walked, Stop> {
    let started = |condition_result: Option<bool>, branch: Option<&str>| {
        EventKind::ConditionExecutionStarted { condition_result, branch: branch.map(Into::into) }
    };
    let holds = match known {
        Some(holds) => holds,
        None => match fx.decide(node, path, &flow.input()).await {
            Ok(decision) => matches!(decision, Decision::Holds(true)),
            Err(stop) => {
                fx.record(path, started(None, None))?;
                return Err(stop);
            }
        },
    };
    let (arm, name) = if holds { (then, "if") } else { (otherwise, "else") };
    fx.record(path, started(Some(holds), Some(name).filter(|_| !arm.is_empty())))?;
    one_body(fx, arm, path, flow).await
}

pub(super) async fn router<E: Effects>(
    fx: &E,
    node: &Node,
    choices: &[Node],
    path: &StepPath,
    flow: &mut Flow,
    known: Option<Arc<[Arc<str>]>>,
) -> Result<Walked, Stop> {
    let started = |selected_steps| EventKind::RouterExecutionStarted { selected_steps };
    let chosen = match known {
        Some(chosen) => chosen,
        None => match fx.decide(node, path, &flow.input()).await {
            Ok(Decision::Chosen(chosen)) => chosen,
            Ok(_) => Arc::default(),
            Err(stop) => {
                fx.record(path, started(Arc::default()))?;
                return Err(stop);
            }
        },
    };
    fx.record(path, started(chosen.clone()))?;
    let mut walked = Walked::begin(flow);
    for name in &*chosen {
        // A name that is no choice was refused when it was decided.
        if let Some(choice) = choices.iter().find(|choice| choice.name == *name) {
            visit(fx, choice, path, flow).await?;
        }
        if flow.ended {
            break;
        }
    }
    walked.body(flow);
    Ok(walked)
}

pub(super) async fn repeat<E: Effects>(
    fx: &E,
    node: &Node,
    path: &StepPath,
    flow: &mut Flow,
) -> Result<Walked, Stop> {
    let NodeKind::Loop { body, at_most, forward } = &node.kind else {
        unreachable!("only loops are repeated");
    };
    let (at_most, forward) = (*at_most, *forward);
    fx.record(path, started(node))?;
    let mut walked = Walked::begin(flow);
    let outer = flow.nth;
    loop {
        walked.iterations += 1;
        let iteration = walked.iterations;
        let turn = path.nth(iteration);
        if fx.past(&turn).stopped {
            return Err(Stop::Sibling);
        }
        let kind = EventKind::LoopIterationStarted { iteration, max_iterations: at_most };
        fx.record(&turn, kind)?;
        if !forward {
            flow.previous.clone_from(&walked.given);
        }
        flow.scope = walked.outside.clone();
        flow.nth = iteration;
        let turned = one_turn(fx, node, body, &turn, flow, (iteration, at_most)).await;
        let (status, should_continue) = match &turned {
            Ok(go_on) => (StepStatus::Completed, *go_on),
            Err(Stop::Failed(_)) => (StepStatus::Failed, false),
            Err(stop) => return Err(stop.clone()),
        };
        let error = turned.as_ref().err().and_then(|stop| own_error(stop, &turn));
        let end = End { status, error };
        fx.record(&turn, EventKind::LoopIterationCompleted { iteration, should_continue, end })?;
        walked.body(flow);
        if !turned? {
            flow.nth = outer;
            return Ok(walked);
        }
    }
}

/// A turn of a loop, and whether another one follows.
async fn one_turn<E: Effects>(
    fx: &E,
    node: &Node,
    body: &[Node],
    turn: &StepPath,
    flow: &mut Flow,
    (iteration, at_most): (u32, u32),
) -> Result<bool, Stop> {
    sequence(fx, body, turn, flow).await?;
    if flow.ended || iteration == at_most {
        return Ok(false);
    }
    let review = node.review.as_deref().filter(|review| review.iteration_review.is_some());
    let Some(review) = review else {
        let ends = fx.decide(node, turn, &flow.input()).await?;
        return Ok(!matches!(ends, Decision::Holds(true)));
    };
    // Asked apart from the end of the turn, which may be recorded with what somebody says.
    let asked = fx.asked(&review::question(turn, "review", 1)).is_some();
    if !asked && matches!(fx.decide(node, turn, &flow.input()).await?, Decision::Holds(true)) {
        return Ok(false);
    }
    Ok(!review::after_turn(fx, review, turn, flow, (iteration, at_most)).await?)
}

/// The error of a failure that happened at `at` itself, and not inside it.
fn own_error(stop: &Stop, at: &StepPath) -> Option<Box<stepwright_core::ErrorData>> {
    match stop {
        Stop::Failed(failure) if failure.path == *at => Some(Box::new(failure.error.clone())),
        _ => None,
    }
}
