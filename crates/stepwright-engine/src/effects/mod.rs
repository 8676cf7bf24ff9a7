//! All that the interpreter may ask of the world, and the layers that answer it.
//!
//! `Retrying(Journaled(Timed(Live)))`: a retry is outside the journal, so that every attempt is a
//! fact; a timeout is inside it, so that it is one of those attempts.

mod interrupted;
mod journaled;
mod live;
mod retrying;
mod timed;

pub(crate) use journaled::{Journaled, Recalled};
pub(crate) use live::Live;
pub(crate) use retrying::Retrying;
pub(crate) use timed::{Timed, too_long};

use futures_util::future::BoxFuture;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use stepwright_core::error::ErrorData;
use stepwright_core::event::Reply;
use stepwright_core::plan::Node;
use stepwright_core::state::Reducers;
use stepwright_core::{
    Content, EventKind, Requirement, StepError, StepInput, StepOutput, StepPath, StoreError,
    Timestamp,
};

/// Why a walk ends early.
#[derive(Clone, Debug)]
pub(crate) enum Stop {
    /// A step failed, after all its attempts.
    Failed(Arc<Failure>),
    /// A sibling failed, and this branch was stopped for it in an earlier life of the run.
    Sibling,
    /// Somebody has decided that the run ends here.
    Cancelled(Arc<str>),
    /// The journal is lost. Nothing may be recorded any more.
    Lost(Arc<StoreError>),
}

/// A step that failed.
#[derive(Debug, PartialEq)]
pub(crate) struct Failure {
    pub(crate) path: StepPath,
    pub(crate) error: ErrorData,
    pub(crate) attempts: u32,
}

impl Stop {
    pub(crate) fn failed(path: &StepPath, error: StepError, attempts: u32) -> Self {
        Self::Failed(Arc::new(Failure { path: path.clone(), error: *error.data, attempts }))
    }
}

/// An attempt of a step. Handed on by reference: each layer keeps it while the step waits.
#[derive(Clone, Copy)]
pub(crate) struct Attempt<'a> {
    pub(crate) node: &'a Node,
    pub(crate) step: &'a StepPath,
    /// Which one, from 1.
    pub(crate) number: u32,
    pub(crate) input: &'a StepInput,
    /// The number of the last one, for whoever wants to know.
    pub(crate) last: Option<&'a AtomicU32>,
}

/// How a branch is decided.
#[derive(Clone, Debug)]
pub(crate) enum Decision {
    /// Whether a condition holds, or whether a loop ends after this turn.
    Holds(bool),
    /// Which steps a router runs.
    Chosen(Arc<[Arc<str>]>),
    /// What a map works on.
    Items(Arc<[Content]>),
}

/// What is known of a step from an earlier life of the run.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Past {
    /// It has ended, so asking for it again is free.
    pub(crate) ended: bool,
    /// It was stopped: nothing more happens in it.
    pub(crate) stopped: bool,
    /// How many attempts failed and were to be followed by another.
    pub(crate) failed_attempts: u32,
    /// When that other one may begin.
    pub(crate) due: Option<Timestamp>,
    /// The attempt whose outcome is unknown, if there is one.
    pub(crate) unknown: Option<Unknown>,
}

/// An attempt that an earlier life of the run began, and did not end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unknown {
    /// Its number, from 1.
    pub(crate) attempt: u32,
    /// The question about it that a person was asked.
    pub(crate) asked: Option<About>,
}

/// What leaves the outcome of an attempt unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum About {
    /// Its process died.
    Death,
    /// It failed in a way that does not tell: it timed out, for one.
    Failure,
}

/// Several branches at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fan<T> {
    pub(crate) count: usize,
    pub(crate) at_a_time: usize,
    /// Whether this answer of one branch ends the others.
    pub(crate) gives_up: fn(&T) -> bool,
}

/// Everything that the interpreter may ask of the world. It has no other window.
pub(crate) trait Effects: Send + Sync {
    /// Carries out one attempt of a step, or all of them, or recalls what it gave.
    fn execute(
        &self,
        attempt: &Attempt<'_>,
    ) -> impl Future<Output = Result<Arc<StepOutput>, Stop>> + Send;

    /// Decides a branch, or recalls how it was decided.
    fn decide(
        &self,
        node: &Node,
        at: &StepPath,
        input: &StepInput,
    ) -> impl Future<Output = Result<Decision, Stop>> + Send;

    /// Asks somebody, and waits for the answer, at most for so many milliseconds; or recalls it.
    fn ask(
        &self,
        requirement: Requirement,
        timeout_ms: Option<u64>,
    ) -> impl Future<Output = Result<Arc<Reply>, Stop>> + Send;

    /// What was asked under this name, now or in an earlier life of the run.
    fn asked(&self, id: &str) -> Option<Arc<Requirement>>;

    /// How values are put together that branches set one key of the state to.
    fn reducers(&self) -> &Reducers;

    /// Notes what happened. It is durable, and shown, no later than before the next thing happens.
    fn record(&self, at: &StepPath, kind: EventKind) -> Result<(), Stop>;

    /// Is ready when all that was noted is durable.
    fn settle(&self) -> impl Future<Output = Result<(), Stop>> + Send;

    /// Works on branches at once: makes each one when its turn comes, and gives their answers in
    /// their own order; nothing for those that were given up.
    fn branches<'a, T: Send + 'a>(
        &'a self,
        fan: Fan<T>,
        branch: impl Fn(usize) -> BoxFuture<'a, T> + Send + Sync + 'a,
    ) -> impl Future<Output = Vec<Option<T>>> + Send;

    /// Notes that everything under way inside `at` was stopped.
    fn stop_within(&self, at: &StepPath) -> Result<(), Stop>;

    /// Whether anything is under way at this address.
    fn is_open(&self, at: &StepPath) -> bool;

    /// What is known of a step from an earlier life of the run.
    fn past(&self, step: &StepPath) -> Past;
}

/// Hands on what a layer does not change.
macro_rules! hand_on {
    ($($what:ident),*) => { $( crate::effects::hand_on!(@ $what); )* };
    (@ decide) => {
        async fn decide(
            &self,
            node: &Node,
            at: &StepPath,
            input: &StepInput,
        ) -> Result<crate::effects::Decision, Stop> {
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
