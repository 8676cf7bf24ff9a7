//! Drives background runs in this process: one task for each run, and one timer for all runs that
//! are due later.

use crate::process::PerProcess;
use futures_util::FutureExt as _;
use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::{Mutex, PoisonError};
use stepwright_core::dispatch::{DispatchError, Dispatcher, Drive, Driven, Limits, Wake};
use stepwright_core::{BoxFuture, RunId, Timestamp, World};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// The largest number of runs that wait to be driven.
const WAITING_MAX: usize = 100_000;

/// A dispatcher that drives runs as tasks of this process.
///
/// It knows only the runs for which [`wake`](Dispatcher::wake) was called. Runs that another
/// process left behind must be woken, too.
///
/// Every workflow has one for its background runs. On its own, it drives runs with any [`Drive`]:
///
/// ```
/// use std::sync::Arc;
/// use stepwright_core::dispatch::{
///     Cause, Dispatcher as _, Drive, Driven, Limits, Served, Wake,
/// };
/// use stepwright_core::BoxFuture;
/// # use tokio_util::sync::CancellationToken;
/// struct Stopper(CancellationToken);
/// impl Drive for Stopper {
///     fn serves(&self) -> Vec<Served> {
///         Vec::new()
///     }
///     fn drive<'a>(&'a self, wake: &'a Wake) -> BoxFuture<'a, Driven> {
///         assert_eq!(wake.run, "r-1");
///         self.0.cancel();
///         Box::pin(async { Driven::Done })
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let stop = CancellationToken::new();
/// let local = Arc::new(stepwright_engine::LocalDispatcher::new(stepwright_engine::real_world()));
/// let (workflow, run, digest) = ("news".parse()?, "r-1".parse()?, "4be1".into());
/// local.wake(Wake { workflow, run, digest, at: None, cause: Cause::Begun }).await?;
/// local.serve(Arc::new(Stopper(stop.clone())), Limits::default(), stop).await?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct LocalDispatcher {
    world: World,
    /// Per process: a child that was forked must not use the queue of its parent.
    queue: PerProcess<Queue>,
}

#[derive(Debug)]
struct Queue {
    sender: mpsc::Sender<Wake>,
    incoming: Mutex<Option<mpsc::Receiver<Wake>>>,
}

impl Default for Queue {
    fn default() -> Self {
        let (sender, incoming) = mpsc::channel(WAITING_MAX);
        Self { sender, incoming: Mutex::new(Some(incoming)) }
    }
}

impl LocalDispatcher {
    /// Creates a dispatcher. It drives no runs until [`serve`](Dispatcher::serve) is called.
    pub fn new(world: World) -> Self {
        Self { world, queue: PerProcess::new() }
    }

    /// Returns `true` if it has stopped serving.
    pub(crate) fn has_stopped(&self) -> bool {
        self.queue.here().sender.is_closed()
    }
}

fn failed(what: &str) -> DispatchError {
    DispatchError { what: what.to_owned(), source: None }
}

impl Dispatcher for LocalDispatcher {
    fn wake(&self, wake: Wake) -> BoxFuture<'_, Result<(), DispatchError>> {
        let queued = self.queue.here().sender.try_send(wake).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => {
                failed(&format!("more than {WAITING_MAX} runs wait to be driven"))
            }
            mpsc::error::TrySendError::Closed(_) => failed("the dispatcher has stopped"),
        });
        Box::pin(std::future::ready(queued))
    }

    fn serve(
        self: Arc<Self>,
        drive: Arc<dyn Drive>,
        limits: Limits,
        stop: CancellationToken,
    ) -> BoxFuture<'static, Result<(), DispatchError>> {
        Box::pin(async move {
            let incoming = self.queue.here().incoming.lock();
            let incoming = incoming.unwrap_or_else(PoisonError::into_inner).take();
            let Some(mut incoming) = incoming else { return Err(failed("it serves already")) };
            let slots = Arc::new(Semaphore::new(limits.concurrent_runs.max(1)));
            let mut tasks = JoinSet::<(Wake, Driven)>::new();
            let mut timers = Timers::default();
            // Of each run that is driven: the wake that came since.
            let mut driven = HashMap::<RunId, Option<Wake>>::new();
            loop {
                let next = timers.first().map(|at| self.world.sleep(at.since(self.world.now())));
                let next = async {
                    match next {
                        Some(next) => next.await,
                        None => std::future::pending().await,
                    }
                };
                let wake = tokio::select! {
                    wake = incoming.recv() => wake,
                    () = stop.cancelled() => None,
                    Some(ended) = tasks.join_next() => {
                        let Ok((wake, left)) = ended else { continue };
                        let since = driven.remove(&wake.run).flatten();
                        timers.add(wake, self.again(&left));
                        match since {
                            // The driver may have left the run before it could find the reason.
                            Some(since) if left != Driven::Done => Some(since),
                            _ => continue,
                        }
                    }
                    () = next => {
                        let now = self.world.now();
                        match timers.due(now) {
                            Some(wake) => Some(Wake { at: None, ..wake }),
                            None => continue,
                        }
                    }
                };
                let Some(wake) = wake else { break };
                if let Some(at) = wake.at.filter(|at| *at > self.world.now()) {
                    timers.add(wake, Some(at));
                    continue;
                }
                timers.forget(&wake.run);
                match driven.entry(wake.run.clone()) {
                    Entry::Occupied(mut driven) => *driven.get_mut() = Some(wake),
                    Entry::Vacant(vacant) => {
                        vacant.insert(None);
                        let (drive, slots) = (drive.clone(), slots.clone());
                        tasks.spawn(async move {
                            let _slot = slots.acquire().await;
                            // A drive that panics has reported that to the waiters of its run.
                            let left = AssertUnwindSafe(drive.drive(&wake)).catch_unwind().await;
                            (wake, left.unwrap_or(Driven::WaitsForAnswer))
                        });
                    }
                }
            }
            tasks.shutdown().await;
            Ok(())
        })
    }
}

/// Runs that are due later. Each has an entry here, and no task.
#[derive(Debug, Default)]
struct Timers {
    by_time: BTreeSet<(Timestamp, RunId)>,
    by_run: HashMap<RunId, (Timestamp, Wake)>,
}

impl Timers {
    fn add(&mut self, wake: Wake, at: Option<Timestamp>) {
        if let Some(at) = at {
            self.forget(&wake.run);
            self.by_time.insert((at, wake.run.clone()));
            self.by_run.insert(wake.run.clone(), (at, wake));
        }
    }

    fn forget(&mut self, run: &RunId) -> Option<Wake> {
        let (run, (at, wake)) = self.by_run.remove_entry(run)?;
        self.by_time.remove(&(at, run));
        Some(wake)
    }

    fn first(&self) -> Option<Timestamp> {
        self.by_time.first().map(|(at, _)| *at)
    }

    fn due(&mut self, now: Timestamp) -> Option<Wake> {
        let (_, run) = self.by_time.first().filter(|(at, _)| *at <= now).cloned()?;
        self.forget(&run)
    }
}

impl LocalDispatcher {
    /// Returns the time at which a run that was left must be driven again.
    fn again(&self, left: &Driven) -> Option<Timestamp> {
        match left {
            Driven::WaitsUntil(until) => Some(*until),
            Driven::Retry { after } => Some(self.world.now().plus(*after)),
            _ => None,
        }
    }
}
