//! Timeouts of containers, and deadlines of containers and steps.

use super::containers::walk;
use super::flow::{Flow, Walked};
use super::review::{Before, question};
use super::{limited, started, step, step_ended};
use crate::effects::{Effects, Stop, too_long};
use futures_util::future::{Either, select};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use stepwright_core::plan::Node;
use stepwright_core::requirement::RequirementKind;
use stepwright_core::{
    ErrorCode, FailureInfo, OnTimeout, Requirement, StepError, StepPath, Timestamp,
};

/// The end of the time of a container or a step.
///
/// It is a request to which only time replies. It is in the journal, so that it stays the same for
/// every driver, and while no process drives the run.
pub(super) struct TimeLimit {
    request: Requirement,
    limit_ms: Option<u64>,
    /// The deadline, unless the timeout comes first.
    moment: Option<Timestamp>,
}

impl TimeLimit {
    /// Returns the limit of a node, from its timeout and its deadline. `ended` is the name of the
    /// fact with which it ends.
    pub(super) async fn of<E: Effects>(
        fx: &E,
        node: &Node,
        path: &StepPath,
        limit_ms: Option<u64>,
        ended: &'static str,
        flow: &Flow,
    ) -> Result<Option<Self>, Stop> {
        if limit_ms.is_none() && !fx.has_deadline(node) {
            return Ok(None);
        }
        let id = question(path, "deadline", 1);
        if fx.facts().has_noted(path, ended) && !fx.facts().has_reply(&id) {
            // It ended in time, and is only replayed.
            return Ok(None);
        }
        let moment = if let Some(asked) = fx.facts().asked(&id) {
            // The message of a timeout is empty.
            asked.due.filter(|_| !asked.message.is_empty())
        } else {
            let now = fx.facts().now();
            let due = fx.due(node, path, &limited(fx, path, flow)).await?;
            if let Some(due) = due.filter(|due| *due <= now) {
                return Err(Stop::failed(path, passed_before(due), 1));
            }
            let ends = limit_ms.map(|limit| now.plus(Duration::from_millis(limit)));
            due.filter(|due| ends.is_none_or(|ends| *due < ends))
        };
        let request = Requirement {
            id,
            path: path.clone(),
            kind: RequirementKind::Deadline,
            message: moment.map(Timestamp::to_rfc3339).unwrap_or_default().into(),
            due: moment,
            on_timeout: OnTimeout::default(),
        };
        Ok(Some(Self { request, limit_ms, moment }))
    }

    /// Makes the failure of what takes too long.
    fn failure(&self) -> StepError {
        match (self.moment, self.limit_ms) {
            (Some(moment), _) => {
                let what = format!("its deadline {} has passed", moment.to_rfc3339());
                too_late(what).with_hint("give it a later `deadline`, or less to do")
            }
            (None, limit) => {
                let limit = Duration::from_millis(limit.unwrap_or_default());
                too_long(limit, "give it a longer `timeout`, or its steps shorter ones")
            }
        }
    }
}

fn too_late(what: String) -> StepError {
    // An attempt after the deadline would be too late as well.
    StepError::terminal(what).with_code(ErrorCode::TimedOut)
}

fn passed_before(due: Timestamp) -> StepError {
    too_late(format!("its deadline {} had passed before it began", due.to_rfc3339()))
        .with_hint("begin the run earlier, or compute a later `deadline`")
}

/// Walks a container whose time is limited.
pub(super) async fn within<E: Effects>(
    fx: &E,
    node: &Node,
    path: &StepPath,
    limit: TimeLimit,
    flow: &mut Flow,
    known: &Before,
) -> Result<Walked, Stop> {
    let outer = flow.halt.clone();
    let own = outer.inside();
    flow.halt = own.clone();
    let passed = pin!(fx.facts().ask(limit.request.clone(), limit.limit_ms));
    let work = Box::pin(walk(fx, node, path, flow, known));
    // The deadline is polled first: if it passed before the run was resumed, nothing more begins.
    let walked = match select(passed, work).await {
        Either::Left((passed, work)) => {
            passed?;
            let error = limit.failure();
            own.stop(FailureInfo::of(&error.data, path.clone()));
            // The work ends, and the steps inside run that follow.
            if let Err(stop @ (Stop::Lost(_) | Stop::Cancelled(_))) = work.await {
                return Err(stop);
            }
            if !fx.facts().is_open(path) {
                // The container was still deciding, and had not begun.
                fx.facts().record(path, started(node))?;
            }
            fx.facts().stop_before(path)?;
            Err(Stop::failed(path, error, 1))
        }
        Either::Right((walked, _)) => walked,
    };
    flow.halt = outer;
    walked
}

/// Executes a step with a deadline, which counts for all of its attempts and for every wait.
pub(super) async fn step_within<E: Effects>(
    fx: &E,
    node: &Node,
    path: StepPath,
    flow: &mut Flow,
) -> Result<(), Stop> {
    let limit = match TimeLimit::of(fx, node, &path, None, "StepCompleted", flow).await {
        Ok(None) => return step(fx, node, path, flow).await,
        Ok(Some(limit)) => limit,
        Err(stop) => return failed(fx, node, path, flow, stop),
    };
    let outer = flow.halt.clone();
    let own = outer.inside();
    flow.halt = own.clone();
    // The result of the work, unless it is too late.
    let ended = {
        let passed = pin!(fx.facts().ask(limit.request.clone(), None));
        let work = Box::pin(step(fx, node, path.clone(), flow));
        match select(passed, work).await {
            Either::Right((ended, _)) => Some(ended),
            Either::Left((passed, work)) => {
                passed?;
                own.stop(FailureInfo::of(&limit.failure().data, path.clone()));
                match work.await {
                    Err(Stop::Sibling) => None,
                    ended => Some(ended),
                }
            }
        }
    };
    flow.halt = outer;
    match ended {
        Some(ended) => ended,
        None if flow.halt.is_stopped() => Err(Stop::Sibling),
        None => failed(fx, node, path.clone(), flow, Stop::failed(&path, limit.failure(), 1)),
    }
}

/// Records the failure of a step by its deadline.
fn failed<E: Effects>(
    fx: &E,
    node: &Node,
    path: StepPath,
    flow: &mut Flow,
    stop: Stop,
) -> Result<(), Stop> {
    if !fx.facts().is_open(&path) {
        fx.facts().record(&path, started(node))?;
    }
    fx.facts().stop_before(&path)?;
    let failed: Result<Arc<stepwright_core::StepOutput>, Stop> = Err(stop);
    step_ended(fx, node, path, flow, failed)
}
