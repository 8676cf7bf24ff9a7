//! The interface to dispatchers, which drive runs: a local task, or a distributed engine.

use crate::BoxFuture;
use crate::id::RunId;
use crate::world::Timestamp;
use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The capacity of a worker.
///
/// ```
/// use stepwright_core::dispatch::Limits;
/// let small = Limits { concurrent_runs: 4 };
/// assert!(small.concurrent_runs < Limits::default().concurrent_runs);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The maximum number of runs that it drives at once. The others wait.
    pub concurrent_runs: usize,
}

impl Default for Limits {
    /// Returns 32 concurrent runs, as in Agno.
    fn default() -> Self {
        Self { concurrent_runs: 32 }
    }
}

/// The result of driving a run.
///
/// ```
/// use std::time::Duration;
/// use stepwright_core::{Timestamp, dispatch::Driven};
/// /// When a dispatcher tries again, if it has to.
/// fn next(driven: Driven, now: Timestamp) -> Option<Timestamp> {
///     match driven {
///         Driven::Retry { after } => Some(now.plus(after)),
///         _ => None,
///     }
/// }
/// let after = Duration::from_secs(2);
/// assert_eq!(next(Driven::Retry { after }, Timestamp(500)), Some(Timestamp(2_500)));
/// assert_eq!(next(Driven::Done, Timestamp(500)), None);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Driven {
    /// The run has ended, successfully or not.
    Done,
    /// The run waits for an answer or a timer, and uses no resources.
    Parked {
        /// The time at which its timer ends, if the run waits for one.
        until: Option<Timestamp>,
    },
    /// This process drives the run already, or the journal is lost.
    Lost,
    /// Another driver, perhaps a dead one of another machine, holds the run until its lease ends.
    Retry {
        /// The time to wait before the next try.
        after: Duration,
    },
}

/// Drives a run from the end of its journal. Driving a run is the same as resuming it.
///
/// ```
/// # use futures_util::FutureExt as _;
/// use std::sync::Mutex;
/// use stepwright_core::{BoxFuture, RunId, dispatch::{Drive, Driven}};
/// /// Records the runs that a dispatcher hands over, for tests of the dispatcher.
/// #[derive(Default)]
/// struct Noted(Mutex<Vec<RunId>>);
/// impl Drive for Noted {
///     fn drive<'a>(&'a self, run: &'a RunId) -> BoxFuture<'a, Driven> {
///         self.0.lock().unwrap().push(run.clone());
///         Box::pin(std::future::ready(Driven::Done))
///     }
/// }
/// # let (noted, run) = (Noted::default(), RunId::new("r-1").unwrap());
/// # assert_eq!(noted.drive(&run).now_or_never(), Some(Driven::Done));
/// # assert_eq!(*noted.0.lock().unwrap(), [run]);
/// ```
pub trait Drive: Send + Sync {
    /// Drives `run` until it ends, waits, or is lost to another process.
    fn drive<'a>(&'a self, run: &'a RunId) -> BoxFuture<'a, Driven>;
}

/// A dispatcher: the part of the engine that a distributed system must provide.
///
/// ```
/// # use stepwright_core::world::VirtualClock;
/// use std::{future::ready, sync::{Arc, Mutex}, time::Duration};
/// use stepwright_core::dispatch::{DispatchError, Dispatcher, Drive, Driven, Limits};
/// use stepwright_core::{BoxFuture, RunId, Timestamp, World};
/// use tokio_util::sync::CancellationToken;
/// /// A list in memory that is polled once a second. Drives one run at a time.
/// struct List {
///     world: World,
///     waiting: Mutex<Vec<(Timestamp, RunId)>>,
/// }
/// impl Dispatcher for List {
///     fn wake<'a>(
///         &'a self,
///         run: &'a RunId,
///         at: Option<Timestamp>,
///     ) -> BoxFuture<'a, Result<(), DispatchError>> {
///         let at = at.unwrap_or_else(|| self.world.now());
///         self.waiting.lock().unwrap().push((at, run.clone()));
///         Box::pin(ready(Ok(())))
///     }
///     fn serve(
///         self: Arc<Self>,
///         drive: Arc<dyn Drive>,
///         _: Limits,
///         stop: CancellationToken,
///     ) -> BoxFuture<'static, Result<(), DispatchError>> {
///         Box::pin(async move {
///             while !stop.is_cancelled() {
///                 let now = self.world.now();
///                 let due = |(at, _): &mut (Timestamp, RunId)| *at <= now;
///                 let due: Vec<_> = self.waiting.lock().unwrap().extract_if(.., due).collect();
///                 for (_, run) in due {
///                     if let Driven::Retry { after } = drive.drive(&run).await {
///                         self.wake(&run, Some(now.plus(after))).await?;
///                     }
///                 }
///                 self.world.sleep(Duration::from_secs(1)).await;
///             }
///             Ok(())
///         })
///     }
/// }
/// # struct Second(Mutex<u32>, CancellationToken);
/// # impl Drive for Second {
/// #     fn drive<'a>(&'a self, _: &'a RunId) -> BoxFuture<'a, Driven> {
/// #         let mut times = self.0.lock().unwrap();
/// #         *times += 1;
/// #         let driven = match *times {
/// #             1 => Driven::Retry { after: Duration::from_secs(5) },
/// #             _ => { self.1.cancel(); Driven::Done }
/// #         };
/// #         Box::pin(ready(driven))
/// #     }
/// # }
/// # let (clock, stop) = (VirtualClock::default(), CancellationToken::new());
/// # let world = World::new(clock.clone(), 0);
/// # let list = Arc::new(List { world: world.clone(), waiting: Mutex::default() });
/// # let (begin, run) = (world.now(), RunId::new("r-1").unwrap());
/// # clock.run(list.wake(&run, Some(begin.plus(Duration::from_secs(3)))))?;
/// # let drive = Arc::new(Second(Mutex::new(0), stop.clone()));
/// # clock.run(list.serve(drive.clone(), Limits::default(), stop))?;
/// # assert_eq!((*drive.0.lock().unwrap(), world.now().since(begin).as_secs()), (2, 9));
/// # Ok::<(), DispatchError>(())
/// ```
pub trait Dispatcher: Send + Sync {
    /// Ensures that a live worker drives `run`, at `at` or now. The run is driven at least once,
    /// and again after a crash until its drive returns [`Driven::Done`] or [`Driven::Parked`].
    /// Waking a run that is being driven has no effect.
    fn wake<'a>(
        &'a self,
        run: &'a RunId,
        at: Option<Timestamp>,
    ) -> BoxFuture<'a, Result<(), DispatchError>>;

    /// Passes runs to `drive` until `stop` is cancelled.
    fn serve(
        self: Arc<Self>,
        drive: Arc<dyn Drive>,
        limits: Limits,
        stop: CancellationToken,
    ) -> BoxFuture<'static, Result<(), DispatchError>>;
}

/// The reason that a run could not be dispatched.
///
/// ```
/// use std::error::Error as _;
/// use stepwright_core::dispatch::DispatchError;
/// let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
/// let what = "run `r-1` could not be queued".into();
/// let error = DispatchError { what, source: Some(refused.into()) };
/// assert_eq!(error.to_string(), "run `r-1` could not be queued");
/// assert_eq!(error.source().unwrap().to_string(), "connection refused");
/// ```
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub struct DispatchError {
    /// The operation that failed.
    pub what: String,
    /// The cause of the failure.
    #[source]
    pub source: Option<Box<dyn StdError + Send + Sync>>,
}
