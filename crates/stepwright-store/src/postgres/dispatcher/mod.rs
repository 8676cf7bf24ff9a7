//! Workers that share the background runs of one database.
//!
//! The queue is a table beside those of the store. Triggers write it in the transaction of the
//! append that makes a run ready; workers take rows with `FOR UPDATE SKIP LOCKED`, hear of new ones
//! by `NOTIFY`, and take over from workers that are silent.

mod install;
mod looking;
mod serving;
mod statements;

pub use looking::{QueueState, QueueWaiting, QueueWorker};

use super::connections::{Connections, Server};
use super::link::Link;
use super::store::Postgres;
use statements::wake;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use stepwright_core::dispatch::{Cause, DispatchError, Dispatcher, Drive, Limits, Wake};
use stepwright_core::{BoxFuture, StoreError, World};
use tokio_util::sync::CancellationToken;

/// The interval at which a worker writes a sign of life, and looks for runs of silent workers.
const BEAT: Duration = Duration::from_secs(1);

/// The time after which a silent worker is taken for dead.
const LEASE: Duration = Duration::from_secs(4);

/// The longest gap in the signs of life of a worker that judges others.
const STEADY_GAP: Duration = Duration::from_secs(2);

/// A dispatcher on the PostgreSQL database that stores the runs: any number of workers share them.
///
/// A background run is queued in the transaction that records its beginning, and so is a run whose
/// answer arrives: a process that dies right after it loses no run. A run waits in the database,
/// and not in a worker, until it is due.
///
/// One worker at a time drives a run. A worker that is silent for four seconds loses its runs to
/// others; if it was frozen and wakes up, everything that it appends to them is refused.
///
/// A run goes to a worker with the definition that it began with. If there is none, any worker of
/// the workflow gets it, and goes on with it if nothing that it has done has changed.
///
/// Runs of a higher priority are taken first. Among those of one priority, users take turns: the
/// run of a user who has one is not kept waiting by the thousands of another. Runs without a user
/// count as those of one.
///
/// ```no_run
/// # use std::sync::Arc;
/// # use stepwright_core::{Timestamp, World};
/// # use stepwright_store::{Postgres, PostgresDispatcher};
/// # async fn example(world: World) -> Result<(), Box<dyn std::error::Error>> {
/// let store = Postgres::connect("postgres://anna@db.example/agents").await?;
/// let dispatcher = Arc::new(PostgresDispatcher::open(&store, world).await?);
/// // Of each workflow: `builder.store(store).dispatcher(dispatcher)`. A process that only submits
/// // runs needs no more; `Worker::serve` drives them.
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct PostgresDispatcher {
    connections: Arc<Connections>,
    world: World,
    priority: i16,
}

impl PostgresDispatcher {
    /// Opens the queue in the database of a store, which must be that of the runs. Creates its
    /// tables and triggers if there are none; background runs that are under way are queued then.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the server cannot be reached, or refuses to create them.
    pub async fn open(store: &Postgres, world: World) -> Result<Self, StoreError> {
        let connections = store.backend().connections.clone();
        install::install(&connections).await?;
        Ok(Self { connections, world, priority: 0 })
    }

    /// Returns the workers of the queue in the database of a store, and the runs that wait for
    /// them. `None` if no worker has used the database, or only workers of an earlier version:
    /// nothing is created.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] if the server cannot be reached.
    pub async fn look(store: &Postgres) -> Result<Option<QueueState>, StoreError> {
        looking::look(&store.backend().connections).await
    }

    /// Sets the priority of the runs that this process submits. Runs of a higher one are driven
    /// first. The default is 0.
    #[must_use]
    pub fn priority(mut self, priority: i16) -> Self {
        self.priority = priority;
        self
    }
}

impl Dispatcher for PostgresDispatcher {
    fn wake(&self, wanted: Wake) -> BoxFuture<'_, Result<(), DispatchError>> {
        Box::pin(async move {
            let (priority, run) = (self.priority, wanted.run.clone());
            // The triggers have queued the run already.
            let is_queued = match wanted.cause {
                Cause::Begun => priority == 0,
                Cause::Found { nth, .. } => nth == 0,
                Cause::Due => true,
                _ => false,
            };
            if is_queued {
                return Ok(());
            }
            let work = async move |link: &mut Link, _| wake(link, &wanted, priority).await;
            let queued = self.connections.run("queue a run in", Server::Known, work).await;
            queued.map_err(|error| failed(format!("run `{run}` could not be queued"), error))
        })
    }

    fn serve(
        self: Arc<Self>,
        drive: Arc<dyn Drive>,
        limits: Limits,
        stop: CancellationToken,
    ) -> BoxFuture<'static, Result<(), DispatchError>> {
        let (connections, world) = (self.connections.clone(), self.world.clone());
        Box::pin(async move {
            let serving = serving::serve(connections, world, drive, limits, stop).await;
            serving.map_err(|error| failed("the queue cannot be read".to_owned(), error))
        })
    }

    fn drives_one_at_a_time(&self) -> bool {
        true
    }

    fn has_queues(&self) -> bool {
        true
    }
}

fn failed(what: String, error: StoreError) -> DispatchError {
    DispatchError { what, source: Some(Box::new(error)) }
}

impl fmt::Debug for PostgresDispatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = &self.connections.target.shown;
        f.debug_struct("PostgresDispatcher").field("address", address).finish_non_exhaustive()
    }
}
