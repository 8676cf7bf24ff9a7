//! Looks at the workers of a queue, and at the runs that wait for them.

use super::LEASE;
use super::install::{Found, found};
use crate::postgres::connections::{Connections, Server};
use crate::postgres::errors::Failure;
use crate::postgres::link::Link;
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use std::sync::Arc;
use std::time::Duration;
use stepwright_core::StoreError;

/// The largest number of workers that are listed.
const WORKERS_MAX: i64 = 1_000;

/// The workers of a queue, and the runs that wait for them.
///
/// ```
/// use stepwright_store::QueueState;
/// /// Returns `true` if runs wait that no worker takes.
/// fn needs_workers(state: &QueueState) -> bool {
///     state.waiting.iter().any(|waiting| waiting.unserved > 0)
/// }
/// assert!(!needs_workers(&QueueState::default()));
/// ```
#[derive(Clone, Debug, Default)]
pub struct QueueState {
    /// The workers, by name: at most 1000. A worker that was killed stays in the list for a day.
    pub workers: Vec<QueueWorker>,
    /// The runs that could be taken now, by the queue that they wait for.
    pub waiting: Vec<QueueWaiting>,
}

/// A worker of a queue.
///
/// ```
/// use stepwright_store::QueueWorker;
/// fn is_lost(worker: &QueueWorker) -> bool {
///     !worker.is_alive && worker.runs > 0
/// }
/// # let _ = is_lost;
/// ```
#[derive(Clone, Debug)]
pub struct QueueWorker {
    /// Its name: the id of its process, and a number.
    pub worker: Arc<str>,
    /// The queues that it serves. `None` for all of them.
    pub queues: Option<Vec<Arc<str>>>,
    /// The ids of the workflows whose runs it drives.
    pub workflows: Vec<Arc<str>>,
    /// The number of runs that it drives.
    pub runs: u64,
    /// The time since its last sign of life.
    pub silent_for: Duration,
    /// `false` if it has been silent for so long that others take its runs.
    pub is_alive: bool,
}

/// The runs that wait for the workers of a queue.
///
/// ```
/// use stepwright_store::QueueWaiting;
/// fn told(waiting: &QueueWaiting) -> String {
///     format!("{} of {} runs are served by no worker", waiting.unserved, waiting.runs)
/// }
/// # let _ = told;
/// ```
#[derive(Clone, Debug)]
pub struct QueueWaiting {
    /// The queue. `None` for runs that begin, and for those that any worker of their workflow may
    /// take, because an answer or a moment has come.
    pub queue: Option<Arc<str>>,
    /// The number of runs.
    pub runs: u64,
    /// The time for which the first of them has waited.
    pub longest: Duration,
    /// The number of runs among them that no worker takes: none that lives has their workflow and
    /// serves their queue.
    pub unserved: u64,
}

const WORKERS: &str = "SELECT worker, queues, workflows,
      extract(epoch FROM now() - seen_at)::float8,
      (SELECT count(*) FROM queue WHERE queue.worker = workers.worker),
      seen_at > now() - $1::float8 * interval '1 second'
    FROM workers ORDER BY worker LIMIT $2";

/// A worker of an earlier version names no workflows.
const WAITING: &str = "SELECT CASE takers WHEN 'queue' THEN pool END, count(*),
      greatest(extract(epoch FROM now() - min(due))::float8, 0),
      count(*) FILTER (WHERE NOT EXISTS (
        SELECT FROM workers WHERE seen_at > now() - $1::float8 * interval '1 second'
          AND (queues IS NULL OR queue.workflow_id = ANY(workflows))
          AND coalesce(CASE queue.takers WHEN 'queue' THEN queue.pool = ANY(queues)
            WHEN 'begin' THEN queue.digest = ANY(begins) OR queue.digest <> ALL(digests) END,
            true)))
    FROM queue WHERE ready AND worker IS NULL GROUP BY 1 ORDER BY 1";

/// Returns the state of the queue. `None` if the schema has no queue of this version.
pub(super) async fn look(connections: &Connections) -> Result<Option<QueueState>, StoreError> {
    let schema = connections.target.schema.clone();
    let work = async move |link: &mut Link, _| {
        if found(link, &schema).await? != Found::Present {
            return Ok(None);
        }
        let lease = LEASE.as_secs_f64();
        let workers = sqlx::query(WORKERS).bind(lease).bind(WORKERS_MAX);
        let workers = workers.fetch_all(&mut link.connection).await?;
        let waiting = sqlx::query(WAITING).bind(lease).fetch_all(&mut link.connection).await?;
        Ok(Some(QueueState {
            workers: workers.iter().map(worker).collect::<Result<_, Failure>>()?,
            waiting: waiting.iter().map(waiting_runs).collect::<Result<_, Failure>>()?,
        }))
    };
    connections.run("read the queue of", Server::Known, work).await
}

fn worker(row: &PgRow) -> Result<QueueWorker, Failure> {
    let names = |names: Vec<String>| names.into_iter().map(Into::into).collect();
    let queues: Option<Vec<String>> = row.try_get(1)?;
    Ok(QueueWorker {
        worker: row.try_get::<&str, _>(0)?.into(),
        queues: queues.map(names),
        workflows: names(row.try_get(2)?),
        runs: count(row.try_get(4)?),
        silent_for: seconds(row.try_get(3)?),
        is_alive: row.try_get(5)?,
    })
}

fn waiting_runs(row: &PgRow) -> Result<QueueWaiting, Failure> {
    Ok(QueueWaiting {
        queue: row.try_get::<Option<&str>, _>(0)?.map(Into::into),
        runs: count(row.try_get(1)?),
        longest: seconds(row.try_get(2)?),
        unserved: count(row.try_get(3)?),
    })
}

fn count(count: i64) -> u64 {
    u64::try_from(count).unwrap_or_default()
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}
