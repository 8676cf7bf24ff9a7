//! The effects that the interpreter may have on the world, and the layers that implement them.
//!
//! The layers are `Retrying(Journaled(Timed(Live)))`. A retry is outside the journal, so that every
//! attempt is a fact. A timeout is inside, so that it belongs to one attempt.

mod decider;
mod facts;
mod interrupted;
mod journaled;
mod live;
mod recalled;
mod retrying;
mod timed;

pub(crate) use crate::stop::{Failure, Stop};
pub(crate) use facts::{Done, Facts, Routes};
pub(crate) use interrupted::may_be_done;
pub(crate) use journaled::Journaled;
pub(crate) use live::Live;
pub(crate) use recalled::Recalled;
pub(crate) use retrying::Retrying;
pub(crate) use timed::{Timed, too_long};

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use stepwright_core::event::Decision;
use stepwright_core::plan::Node;
use stepwright_core::{StepInput, StepOutput, StepPath, Timestamp};

/// An attempt of a step. Passed by reference, because each layer keeps it while the step waits.
#[derive(Clone, Copy)]
pub(crate) struct Attempt<'a> {
    pub(crate) node: &'a Node,
    pub(crate) step: &'a StepPath,
    /// The number of the attempt, from 1.
    pub(crate) number: u32,
    /// The round of the step, from 1: see [`StepContext::round`].
    ///
    /// [`StepContext::round`]: stepwright_core::StepContext::round
    pub(crate) round: u32,
    /// Makes the input when the executor takes it, so that a waiting step does not hold it twice.
    pub(crate) input: &'a (dyn Fn() -> StepInput + Send + Sync),
    /// Receives the number of the last attempt, for callers that need it.
    pub(crate) last: Option<&'a AtomicU32>,
}

/// The state of a step from before the run was resumed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Past {
    /// `true` if it has ended: executing it again only replays its result.
    pub(crate) ended: bool,
    /// The number of attempts that failed and were to be retried.
    pub(crate) failed_attempts: u32,
    /// The time at which the next attempt may begin.
    pub(crate) due: Option<Timestamp>,
    /// The attempt whose outcome is unknown, if there is one.
    pub(crate) unknown: Option<Unknown>,
}

/// An attempt that began before the run was resumed, and has no recorded end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unknown {
    /// Its number, from 1.
    pub(crate) attempt: u32,
    /// The request about it that a person was sent.
    pub(crate) asked: Option<About>,
}

/// Reasons why the outcome of an attempt is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum About {
    /// The death of its process.
    Death,
    /// A failure that leaves the outcome open, such as a timeout.
    Failure,
}

/// The effects of the interpreter. It reaches the world through this trait, and through the facts
/// of its run.
pub(crate) trait Effects: Send + Sync {
    /// Returns the facts of the run.
    fn facts(&self) -> &Facts<'_>;

    /// Executes an attempt of a step, with its retries in the outer layer, or replays the result.
    fn execute(
        &self,
        attempt: &Attempt<'_>,
    ) -> impl Future<Output = Result<Arc<StepOutput>, Stop>> + Send;

    /// Decides a branch, or replays the decision.
    fn decide(
        &self,
        node: &Node,
        at: &StepPath,
        input: &StepInput,
    ) -> impl Future<Output = Result<Decision, Stop>> + Send;

    /// Returns `true` if a node has a deadline.
    fn has_deadline(&self, node: &Node) -> bool;

    /// Computes the deadline of a node.
    fn due(
        &self,
        node: &Node,
        at: &StepPath,
        input: &StepInput,
    ) -> impl Future<Output = Result<Option<Timestamp>, Stop>> + Send;
}
