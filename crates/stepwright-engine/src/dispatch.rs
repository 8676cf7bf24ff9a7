//! Drives background runs in this process: tasks, and a timer for those that are due later.

use std::sync::Arc;
use std::sync::{Mutex, PoisonError};
use stepwright_core::dispatch::{DispatchError, Dispatcher, Drive, Driven, Limits};
use stepwright_core::{BoxFuture, RunId, Timestamp, World};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How many runs may wait to be driven.
const WAITING_MAX: usize = 100_000;

/// Drives runs as tasks of this process.
///
/// It knows only the runs that it was woken for: what another process left behind must be woken.
///
/// Every workflow has one for its runs in the background. By itself it drives whatever you say:
///
/// ```
/// use std::sync::Arc;
/// use stepwright_core::dispatch::{Dispatcher as _, Drive, Driven, Limits};
/// use stepwright_core::{BoxFuture, RunId};
/// # use tokio_util::sync::CancellationToken;
/// struct Stopper(CancellationToken);
/// impl Drive for Stopper {
///     fn drive<'a>(&'a self, run: &'a RunId) -> BoxFuture<'a, Driven> {
///         assert_eq!(run.as_str(), "r-1");
///         self.0.cancel();
///         Box::pin(async { Driven::Done })
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let stop = CancellationToken::new();
/// let local = Arc::new(stepwright_engine::LocalDispatcher::new(stepwright_engine::real_world()));
/// local.wake(&RunId::new("r-1")?, None).await?;
/// local.serve(Arc::new(Stopper(stop.clone())), Limits::default(), stop).await?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct LocalDispatcher {
    world: World,
    queue: mpsc::Sender<Wake>,
    incoming: Mutex<Option<mpsc::Receiver<Wake>>>,
}

#[derive(Clone, Debug)]
struct Wake {
    run: RunId,
    at: Option<Timestamp>,
}

impl LocalDispatcher {
    /// A dispatcher that drives nothing until it serves.
    pub fn new(world: World) -> Self {
        let (queue, incoming) = mpsc::channel(WAITING_MAX);
        Self { world, queue, incoming: Mutex::new(Some(incoming)) }
    }
}

fn failed(what: &str) -> DispatchError {
    DispatchError { what: what.to_owned(), source: None }
}

impl Dispatcher for LocalDispatcher {
    fn wake<'a>(
        &'a self,
        run: &'a RunId,
        at: Option<Timestamp>,
    ) -> BoxFuture<'a, Result<(), DispatchError>> {
        let wake = Wake { run: run.clone(), at };
        let queued = self.queue.try_send(wake).map_err(|error| match error {
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
            let incoming = self.incoming.lock().unwrap_or_else(PoisonError::into_inner).take();
            let Some(mut incoming) = incoming else { return Err(failed("it serves already")) };
            let slots = Arc::new(Semaphore::new(limits.concurrent_runs.max(1)));
            let mut tasks = JoinSet::new();
            loop {
                let wake = tokio::select! {
                    wake = incoming.recv() => wake,
                    () = stop.cancelled() => None,
                    Some(_) = tasks.join_next() => continue,
                };
                let Some(wake) = wake else { break };
                let (drive, slots, this) = (drive.clone(), slots.clone(), self.clone());
                tasks.spawn(async move { this.drive(wake, &*drive, &slots).await });
            }
            tasks.shutdown().await;
            Ok(())
        })
    }
}

impl LocalDispatcher {
    async fn drive(&self, wake: Wake, drive: &dyn Drive, slots: &Semaphore) {
        let mut at = wake.at;
        loop {
            if let Some(at) = at {
                self.world.sleep(at.since(self.world.now())).await;
            }
            let driven = match slots.acquire().await {
                Ok(_slot) => drive.drive(&wake.run).await,
                Err(_) => return,
            };
            at = match driven {
                Driven::Parked { until: Some(until) } => Some(until),
                Driven::Retry { after } => Some(self.world.now().plus(after)),
                _ => return,
            };
        }
    }
}
