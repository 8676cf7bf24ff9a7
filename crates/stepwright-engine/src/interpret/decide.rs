//! Decisions of containers.

use super::flow::Flow;
use super::halt::unless_stopped;
use super::started;
use crate::effects::{Effects, Stop};
use stepwright_core::event::Decision;
use stepwright_core::plan::Node;
use stepwright_core::{ErrorCode, StepError, StepPath};

/// Takes the decision that a person made, or asks for one. If that fails, records that the
/// container starts without one.
pub(super) async fn decide<E: Effects>(
    fx: &E,
    node: &Node,
    path: &StepPath,
    flow: &Flow,
    known: Option<Decision>,
) -> Result<Decision, Stop> {
    if let Some(known) = known {
        return Ok(known);
    }
    let (input, known) = (super::limited(fx, path, flow), fx.facts().has_decided(path));
    match unless_stopped!(flow.halt, known, fx.decide(node, path, &input)) {
        Ok(decision) => Ok(decision),
        Err(Stop::Sibling) => Err(Stop::Sibling),
        Err(stop) => {
            fx.facts().record(path, started(node))?;
            Err(stop)
        }
    }
}

/// Makes the failure of a container whose decider gives another kind of decision than it needs.
pub(super) fn no_answer(path: &StepPath) -> Stop {
    let error = StepError::terminal("internal error: the decision is of another kind");
    Stop::failed(path, error.with_code(ErrorCode::Decision), 1)
}
