//! The interpreter: walks a plan, and asks for effects.
//!
//! It names no runtime, no clock and no store: [`Effects`] is its only window.

mod containers;
mod fan;
mod flow;

pub(crate) use flow::Flow;

use crate::effects::{Attempt, Effects, Failure, Stop};
use futures_util::future::BoxFuture;
use std::sync::Arc;
use stepwright_core::event::End;
use stepwright_core::plan::{Node, NodeKind, OnError};
use stepwright_core::{EventKind, StepError, StepOutput, StepPath, StepStatus};

/// Walks `nodes`, which stand at `at`, one after the other.
pub(crate) async fn sequence<E: Effects>(
    fx: &E,
    nodes: &[Node],
    at: &StepPath,
    flow: &mut Flow,
) -> Result<(), Stop> {
    for node in nodes {
        visit(fx, node, at, flow).await?;
        if flow.ended {
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
    let path = at.child(&node.name);
    match &node.kind {
        NodeKind::Step { executor_type, executor_name, .. } => {
            let kind = EventKind::StepStarted {
                executor_type: *executor_type,
                executor_name: executor_name.clone(),
            };
            fx.record(&path, kind)?;
            let input = flow.input();
            let first = Attempt { node, step: &path, number: 1, input: &input };
            let answer = fx.execute(&first).await;
            step_ended(fx, node, path, flow, answer)
        }
        _ => container(fx, node, path, flow).await,
    }
}

/// Notes how a step ended, and what flows on from it.
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
    match answer {
        Ok(output) => {
            fx.record(&path, EventKind::StepCompleted { output: output.clone() })?;
            flow.ended |= output.stop;
            flow.passed(path, output, Vec::new());
            Ok(())
        }
        Err(Stop::Failed(failure)) => {
            fx.record(&path, step_failed(node, &failure))?;
            pass_over(node, path, flow, failure)
        }
        Err(stop) => Err(stop),
    }
}

/// The fact that a step has failed.
fn step_failed(node: &Node, failure: &Failure) -> EventKind {
    let (error, attempts) = (Box::new(failure.error.clone()), failure.attempts);
    match node.on_error {
        OnError::Skip => EventKind::StepSkipped { error, attempts },
        other => {
            let continues = other == OnError::Continue;
            EventKind::StepError { error, attempts, continues }
        }
    }
}

/// What flows on from a failure, if anything does.
fn pass_over(
    node: &Node,
    path: StepPath,
    flow: &mut Flow,
    failure: Arc<Failure>,
) -> Result<(), Stop> {
    match node.on_error {
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

/// A container: boxed, because containers contain each other.
fn container<'a, E: Effects>(
    fx: &'a E,
    node: &'a Node,
    path: StepPath,
    flow: &'a mut Flow,
) -> BoxFuture<'a, Result<(), Stop>> {
    Box::pin(async move {
        // Only a container that may fail and be passed over needs to remember what came before.
        let before = (node.on_error != OnError::Fail).then(|| flow.clone());
        let walked = match &node.kind {
            NodeKind::Workflow { body } => containers::nested(fx, node, body, &path, flow).await,
            NodeKind::Steps { body } => containers::steps(fx, body, &path, flow).await,
            NodeKind::Loop { body, at_most, forward } => {
                containers::repeat(fx, node, body, *at_most, *forward, &path, flow).await
            }
            NodeKind::Condition { then, otherwise } => {
                containers::condition(fx, node, then, otherwise, &path, flow).await
            }
            NodeKind::Router { choices } => {
                containers::router(fx, node, choices, &path, flow).await
            }
            NodeKind::Parallel { branches, join, concurrency } => {
                fan::parallel(fx, branches, *join, *concurrency, &path, flow).await
            }
            NodeKind::Map { body, concurrency, join } => {
                fan::map(fx, node, body, *concurrency, *join, &path, flow).await
            }
            _ => Err(Stop::failed(&path, StepError::terminal("it is of an unknown kind"), 1)),
        };
        match walked {
            Ok(walked) => {
                let output = walked.output(flow);
                fx.record(&path, completed(node, walked.iterations, output.as_ref()))?;
                flow.scope = walked.outside;
                match output {
                    Some(output) => flow.passed(path, output, walked.inside),
                    None => flow.skipped(path, walked.inside),
                }
                Ok(())
            }
            Err(Stop::Failed(failure)) => {
                fx.record(&path, failed(node, &path, &failure))?;
                if let Some(before) = before {
                    *flow = before;
                }
                pass_over(node, path, flow, failure)
            }
            Err(stop) => Err(stop),
        }
    })
}

/// The fact that a container has done its work.
fn completed(node: &Node, iterations: u32, output: Option<&Arc<StepOutput>>) -> EventKind {
    match node.kind {
        // Its media, usage and changes of state are told by its steps.
        NodeKind::Workflow { .. } => {
            let content = output.map(|output| output.content.clone()).unwrap_or_default();
            EventKind::StepCompleted { output: Arc::new(StepOutput::from(content)) }
        }
        _ => ended(node, iterations, StepStatus::Completed.into()),
    }
}

/// The fact that a container has failed. A failure inside of it stands where it happened; only one
/// of the container's own is told here.
fn failed(node: &Node, path: &StepPath, failure: &Failure) -> EventKind {
    if let NodeKind::Workflow { .. } = node.kind {
        return step_failed(node, failure);
    }
    let status = match node.on_error {
        OnError::Skip => StepStatus::Skipped,
        _ => StepStatus::Failed,
    };
    let error = (failure.path == *path).then(|| Box::new(failure.error.clone()));
    ended(node, 0, End { status, error })
}

fn ended(node: &Node, iterations: u32, end: End) -> EventKind {
    use EventKind as E;
    match node.kind {
        NodeKind::Parallel { .. } => E::ParallelExecutionCompleted { end },
        NodeKind::Loop { .. } => E::LoopExecutionCompleted { total_iterations: iterations, end },
        NodeKind::Condition { .. } => E::ConditionExecutionCompleted { end },
        NodeKind::Router { .. } => E::RouterExecutionCompleted { end },
        NodeKind::Map { .. } => E::MapExecutionCompleted { end },
        _ => E::StepsExecutionCompleted { end },
    }
}

fn count(nodes: &[Node]) -> u32 {
    u32::try_from(nodes.len()).unwrap_or(u32::MAX)
}
