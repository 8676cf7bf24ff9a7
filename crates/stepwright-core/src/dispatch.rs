//! The seam to what sees to it that runs are driven: a task here, a distributed engine elsewhere.

use crate::BoxFuture;
use crate::id::RunId;
use crate::world::Timestamp;
use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How much a worker takes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many runs it drives at once; the others wait.
    pub concurrent_runs: usize,
}

impl Default for Limits {
    /// 32 runs at once, as Agno.
    fn default() -> Self {
        Self { concurrent_runs: 32 }
    }
}

/// How a drive ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Driven {
    /// The run has ended, well or not.
    Done,
    /// The run waits, for somebody or for a moment. Nothing is held for it.
    Parked {
        /// The moment, if it waits for one.
        until: Option<Timestamp>,
    },
    /// Another process drives it.
    Lost,
    /// It could not be driven now.
    Retry {
        /// When to try again.
        after: Duration,
    },
}

/// Drives a run from where its journal ends. Driving is resuming.
pub trait Drive: Send + Sync {
    /// Drives `run` until it ends, waits or is lost.
    fn drive<'a>(&'a self, run: &'a RunId) -> BoxFuture<'a, Driven>;
}

/// Everything that a distributed engine has to do for us.
pub trait Dispatcher: Send + Sync {
    /// Sees to it that `run` is driven on a live worker, at `at` or now: at least once, and again
    /// after a crash until its drive says [`Driven::Done`] or [`Driven::Parked`]. Waking a run that
    /// is being driven is harmless.
    fn wake<'a>(
        &'a self,
        run: &'a RunId,
        at: Option<Timestamp>,
    ) -> BoxFuture<'a, Result<(), DispatchError>>;

    /// Hands runs to `drive` until `stop` is cancelled.
    fn serve(
        self: Arc<Self>,
        drive: Arc<dyn Drive>,
        limits: Limits,
        stop: CancellationToken,
    ) -> BoxFuture<'static, Result<(), DispatchError>>;
}

/// Why a run could not be handed on.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct DispatchError {
    /// What was tried.
    pub what: String,
    /// Why it failed.
    #[source]
    pub source: Option<Box<dyn StdError + Send + Sync>>,
}
