//! Timeouts of containers.

use super::containers::walk;
use super::flow::{Flow, Walked};
use super::review::{Before, question};
use super::started;
use crate::effects::{Effects, Stop, too_long};
use futures_util::future::{Either, select};
use std::pin::pin;
use std::time::Duration;
use stepwright_core::plan::Node;
use stepwright_core::requirement::RequirementKind;
use stepwright_core::{FailureInfo, OnTimeout, Requirement, StepPath};

/// Walks a container with a timeout, in milliseconds.
///
/// The deadline is a request to which only time replies. It is in the journal, so that it stays the
/// same for every driver, and while no process drives the run.
pub(super) async fn within<E: Effects>(
    fx: &E,
    node: &Node,
    path: &StepPath,
    limit_ms: u64,
    flow: &mut Flow,
    known: &Before,
) -> Result<Walked, Stop> {
    let deadline = Requirement {
        id: question(path, "deadline", 1),
        path: path.clone(),
        kind: RequirementKind::Deadline,
        message: "".into(),
        due: None,
        on_timeout: OnTimeout::default(),
    };
    let outer = flow.halt.clone();
    let own = outer.inside();
    flow.halt = own.clone();
    let passed = pin!(fx.facts().ask(deadline, Some(limit_ms)));
    let work = Box::pin(walk(fx, node, path, flow, known));
    // The deadline is polled first: if it passed before the run was resumed, nothing more begins.
    let walked = match select(passed, work).await {
        Either::Left((passed, work)) => {
            passed?;
            let hint = "give it a longer `timeout`, or its steps shorter ones";
            let error = too_long(Duration::from_millis(limit_ms), hint);
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
