//! The effects that the interpreter may have on the world, and the layers that implement them.
//!
//! The layers are `Retrying(Journaled(Timed(Live)))`. A retry is outside the journal, so that every
//! attempt is a fact. A timeout is inside, so that it belongs to one attempt.

mod interrupted;
mod journaled;
mod live;
mod retrying;
mod timed;

pub(crate) use crate::stop::{Failure, Stop};
pub(crate) use journaled::{Journaled, Recalled};
pub(crate) use live::Live;
pub(crate) use retrying::Retrying;
pub(crate) use timed::{Timed, too_long};

use futures_util::future::BoxFuture;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use stepwright_core::event::{Decision, Reply};
use stepwright_core::plan::Node;
use stepwright_core::state::Reducers;
use stepwright_core::{EventKind, Requirement, StepInput, StepOutput, StepPath, Timestamp};

/// An attempt of a step. Passed by reference, because each layer keeps it while the step waits.
#[derive(Clone, Copy)]
pub(crate) struct Attempt<'a> {
    pub(crate) node: &'a Node,
    pub(crate) step: &'a StepPath,
    /// The number of the attempt, from 1.
    pub(crate) number: u32,
    pub(crate) input: &'a StepInput,
    /// Receives the number of the last attempt, for callers that need it.
    pub(crate) last: Option<&'a AtomicU32>,
}

/// The state of a step from before the run was resumed.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Past {
    /// `true` if it has ended: executing it again only replays its result.
    pub(crate) ended: bool,
    /// `true` if it was stopped: nothing more happens in it.
    pub(crate) stopped: bool,
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

/// Several branches that run at the same time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fan<T> {
    pub(crate) count: usize,
    pub(crate) at_a_time: usize,
    /// Returns `true` if this result of one branch stops the others.
    pub(crate) gives_up: fn(&T) -> bool,
}

/// The effects of the interpreter. It reaches the world through this trait only.
pub(crate) trait Effects: Send + Sync {
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

    /// Makes a request and waits for the reply, for at most `timeout_ms`, or replays the reply.
    fn ask(
        &self,
        requirement: Requirement,
        timeout_ms: Option<u64>,
    ) -> impl Future<Output = Result<Arc<Reply>, Stop>> + Send;

    /// Returns the request with this id, also if it was made before the run was resumed.
    fn asked(&self, id: &str) -> Option<Arc<Requirement>>;

    /// Returns the reducers for keys of the state that several branches set.
    fn reducers(&self) -> &Reducers;

    /// Records a fact. It is durable, and shown to readers, before the next effect begins.
    fn record(&self, at: &StepPath, kind: EventKind) -> Result<(), Stop>;

    /// Waits until all recorded facts are durable.
    fn settle(&self) -> impl Future<Output = Result<(), Stop>> + Send;

    /// Runs branches at the same time. Creates each one when its turn comes, and returns the
    /// results in the order of the branches, with `None` for those that were stopped.
    fn branches<'a, T: Send + 'a>(
        &'a self,
        fan: Fan<T>,
        branch: impl Fn(usize) -> BoxFuture<'a, T> + Send + Sync + 'a,
    ) -> impl Future<Output = Vec<Option<T>>> + Send;

    /// Records that everything under way inside `at` was stopped.
    fn stop_within(&self, at: &StepPath) -> Result<(), Stop>;

    /// Returns `true` if a step or a container at this path is under way.
    fn is_open(&self, at: &StepPath) -> bool;

    /// Returns the state of a step from before the run was resumed.
    fn past(&self, step: &StepPath) -> Past;
}

/// Implements methods that a layer passes on unchanged.
macro_rules! hand_on {
    ($($what:ident),*) => { $( crate::effects::hand_on!(@ $what); )* };
    (@ decide) => {
        async fn decide(
            &self,
            node: &Node,
            at: &StepPath,
            input: &StepInput,
        ) -> Result<stepwright_core::Decision, Stop> {
            self.inner.decide(node, at, input).await
        }
    };
    (@ notes) => {
        fn record(&self, at: &StepPath, kind: stepwright_core::EventKind) -> Result<(), Stop> {
            self.inner.record(at, kind)
        }
        fn settle(&self) -> impl Future<Output = Result<(), Stop>> + Send {
            self.inner.settle()
        }
        fn stop_within(&self, at: &StepPath) -> Result<(), Stop> {
            self.inner.stop_within(at)
        }
        fn is_open(&self, at: &StepPath) -> bool {
            self.inner.is_open(at)
        }
        fn past(&self, step: &StepPath) -> crate::effects::Past {
            self.inner.past(step)
        }
    };
    (@ questions) => {
        fn ask(
            &self,
            requirement: stepwright_core::Requirement,
            timeout_ms: Option<u64>,
        ) -> impl Future<Output = Result<Arc<stepwright_core::event::Reply>, Stop>> + Send {
            self.inner.ask(requirement, timeout_ms)
        }
        fn asked(&self, id: &str) -> Option<Arc<stepwright_core::Requirement>> {
            self.inner.asked(id)
        }
        fn reducers(&self) -> &stepwright_core::state::Reducers {
            self.inner.reducers()
        }
    };
    (@ branches) => {
        fn branches<'a, T: Send + 'a>(
            &'a self,
            fan: crate::effects::Fan<T>,
            branch: impl Fn(usize) -> futures_util::future::BoxFuture<'a, T> + Send + Sync + 'a,
        ) -> impl Future<Output = Vec<Option<T>>> + Send {
            self.inner.branches(fan, branch)
        }
    };
}
pub(crate) use hand_on;
