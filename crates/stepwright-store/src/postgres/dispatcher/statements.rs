//! The statements of the queue. Times are those of the server's clock.

use super::{LEASE, STEADY_GAP};
use crate::postgres::errors::Failure;
use crate::postgres::link::Link;
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use std::sync::Arc;
use std::time::Duration;
use stepwright_core::dispatch::{Cause, DEFAULT_QUEUE, Wake};
use stepwright_core::{RunId, Timestamp, WorkflowId};

/// The largest number of runs that one look makes ready. The next look is a moment later.
const READY_MAX: i64 = 1_000;

/// A worker, and what it drives.
#[derive(Clone, Debug)]
pub(super) struct Member {
    /// The name of the worker, which no other has.
    pub(super) worker: Arc<str>,
    pub(super) workflows: Vec<String>,
    pub(super) digests: Vec<String>,
    /// The names under which it claims runs in the store.
    pub(super) drivers: Vec<String>,
    /// The queues whose steps it carries out. Empty for all.
    pub(super) queues: Vec<String>,
    /// The workflows whose runs begin in one of its queues, and their digests.
    pub(super) begins: (Vec<String>, Vec<String>),
}

impl Member {
    /// Returns the pools in which it looks for runs, from the `nth` on, so that none is always the
    /// last. Runs that begin, and those that any worker may take, are in the default pool. `None`
    /// stands for all pools at once.
    pub(super) fn pools(&self, nth: usize) -> Vec<Option<&str>> {
        if self.queues.is_empty() {
            return vec![None];
        }
        let mut pools: Vec<Option<&str>> = self.queues.iter().map(|pool| Some(&**pool)).collect();
        if !self.serves(DEFAULT_QUEUE) {
            pools.push(Some(DEFAULT_QUEUE));
        }
        let first = nth % pools.len();
        pools.rotate_left(first);
        pools
    }

    /// Returns `true` if it carries out the steps of a queue.
    fn serves(&self, queue: &str) -> bool {
        self.queues.iter().any(|served| served == queue)
    }
}

/// A run that a worker has taken out of the queue.
#[derive(Clone, Debug)]
pub(super) struct Taken {
    /// `runs.id`.
    pub(super) row: i64,
    pub(super) wake: Wake,
    /// The fencing number: a later worker has a larger one.
    pub(super) claim: i64,
    pub(super) version: i64,
    pub(super) failures: i32,
}

/// Writes a sign of life.
const BEAT: &str = "INSERT INTO workers
      (worker, seen_at, steady_since, digests, workflows, queues, begins)
    VALUES ($1, now(), now(), $2, $4, $5, $6)
    ON CONFLICT (worker) DO UPDATE SET seen_at = now(), digests = excluded.digests,
      steady_since = CASE WHEN workers.seen_at < now() - $3::float8 * interval '1 second'
        THEN now() ELSE workers.steady_since END";

/// Forgets workers that have been silent for a day.
const FORGET: &str = "DELETE FROM workers WHERE seen_at < now() - interval '1 day'
    AND NOT EXISTS (SELECT FROM queue WHERE queue.worker = workers.worker)";

/// A run goes to a worker with its definition, while there is one that lives and may take it.
macro_rules! is_for_me {
    () => {
        "queue.workflow_id = ANY($2) AND (queue.digest = ANY($3) OR NOT EXISTS (
            SELECT FROM workers WHERE queue.digest = ANY(workers.digests)
              AND workers.seen_at > now() - $4::float8 * interval '1 second'
              AND coalesce(CASE queue.takers WHEN 'queue' THEN queue.pool = ANY(workers.queues)
                WHEN 'begin' THEN queue.digest = ANY(workers.begins) END, true)))"
    };
}

/// Takes what the rows of `chosen` say.
macro_rules! take {
    () => {
        ") UPDATE queue SET worker = $1, claim = queue.claim + 1, until = NULL FROM chosen
        JOIN runs ON runs.id = chosen.run WHERE queue.run = chosen.run
        RETURNING queue.run, runs.run_id, queue.workflow_id, queue.digest, queue.claim,
          queue.version, queue.failures"
    };
}

/// Makes runs ready whose moment has come. Several workers do that at once.
const READY: &str = "UPDATE queue SET ready = true,
      turn = queue_turn(queue.user_id, queue.pool, queue.priority) WHERE run IN (
      SELECT run FROM queue WHERE NOT ready AND due <= now()
      ORDER BY due LIMIT $1 FOR UPDATE SKIP LOCKED)";

/// Lets any worker take runs that wait for a queue while one of their deadlines passes.
const GIVE_UP: &str = "UPDATE queue SET takers = 'any', pool = 'default', until = NULL,
      turn = queue_turn(queue.user_id, 'default', queue.priority) WHERE run IN (
      SELECT run FROM queue WHERE until <= now()
      ORDER BY until LIMIT $1 FOR UPDATE SKIP LOCKED)";

/// Takes runs that are ready and that no worker has. A driver that is no worker, such as a person's
/// command, keeps its run until it is silent for the time of its lease.
macro_rules! take_ready {
    ($which:literal) => {
        concat!(
            "WITH chosen AS (
              SELECT queue.run FROM queue JOIN runs ON runs.id = queue.run
              WHERE queue.ready AND queue.worker IS NULL AND ",
            $which,
            " AND ",
            is_for_me!(),
            " AND (runs.driver IS NULL OR runs.driver = ANY($6) OR coalesce(
                (SELECT seen_at FROM drivers WHERE drivers.driver = runs.driver),
                runs.created_at) < $7)
              ORDER BY queue.priority DESC, queue.turn, queue.due LIMIT $5
              FOR UPDATE OF queue SKIP LOCKED
            ",
            take!()
        )
    };
}

/// Takes runs of one pool.
const TAKE: &str = take_ready!(
    "queue.pool = $8 AND (queue.takers = 'any' OR queue.takers = 'queue' AND $9
        OR queue.takers = 'begin' AND (queue.digest = ANY($10)
          OR queue.digest <> ALL($3) AND queue.workflow_id = ANY($11)))"
);

/// Takes runs of all pools.
const TAKE_ALL: &str = take_ready!("true");

/// Takes runs of workers that are silent for a lease, and runs that this worker got in an answer
/// that was lost. A worker judges others only when it has been heard itself for a lease: after an
/// interruption of the server, all are silent.
const TAKE_LEFT: &str = concat!(
    "WITH chosen AS (
      SELECT queue.run FROM queue WHERE queue.worker IS NOT NULL
        AND (queue.worker = $1 AND queue.run <> ALL($6)
          OR queue.worker <> $1 AND ",
    is_for_me!(),
    "     AND NOT EXISTS (SELECT FROM workers WHERE workers.worker = queue.worker
              AND workers.seen_at > now() - $4::float8 * interval '1 second')
            AND EXISTS (SELECT FROM workers WHERE workers.worker = $1
              AND workers.steady_since <= now() - $4::float8 * interval '1 second'))
      LIMIT $5 FOR UPDATE SKIP LOCKED
    ",
    take!()
);

/// Asks how long it is until the next run is due.
const NEXT: &str = "SELECT extract(epoch FROM min(due) - now())::float8 FROM queue
    WHERE NOT ready AND worker IS NULL AND workflow_id = ANY($1)";

/// Takes a run out that has ended, or that waits for an answer which has not come meanwhile.
const END: &str = "DELETE FROM queue USING runs
    WHERE queue.run = $1 AND queue.worker = $2 AND queue.claim = $3 AND runs.id = queue.run
      AND (runs.status IN ('COMPLETED', 'CANCELLED', 'ERROR')
        OR runs.status = 'PAUSED' AND runs.wake_at IS NULL AND queue.version = $4)";

/// Gives a run back, to be driven after so many seconds, or at once if there is a new reason.
const GIVE_BACK: &str = "UPDATE queue SET worker = NULL,
      failures = CASE WHEN version = $4 THEN $5 ELSE 0 END,
      ready = version <> $4 OR $6::float8 <= 0,
      due = CASE WHEN version = $4 THEN now() + $6::float8 * interval '1 second' ELSE now() END,
      takers = CASE WHEN $7 THEN 'any' ELSE takers END,
      pool = CASE WHEN $7 THEN 'default' ELSE pool END
    WHERE run = $1 AND worker = $2 AND claim = $3";

/// Gives a run to the workers of one of the queues that it waits for: the first that is served, or
/// else the first. With a new reason, any worker looks at it.
const HAND_OVER: &str = "WITH live AS (
      SELECT queues FROM workers WHERE seen_at > now() - $6::float8 * interval '1 second'
    ), wanted AS (
      SELECT pool FROM unnest($5::text[]) WITH ORDINALITY AS wanted (pool, nth)
      ORDER BY NOT EXISTS (SELECT FROM live WHERE coalesce(wanted.pool = ANY(live.queues), true)),
        nth LIMIT 1
    ), handed AS (
      UPDATE queue SET worker = NULL, failures = 0, ready = true, due = now(),
        takers = CASE WHEN version = $4 THEN 'queue' ELSE 'any' END,
        pool = CASE WHEN version = $4 THEN wanted.pool ELSE 'default' END,
        until = CASE WHEN version = $4 THEN now() + $7::float8 * interval '1 second' END,
        turn = queue_turn(queue.user_id,
          CASE WHEN version = $4 THEN wanted.pool ELSE 'default' END, queue.priority)
      FROM wanted WHERE run = $1 AND worker = $2 AND claim = $3 RETURNING 1
    )
    SELECT pg_notify($8, '') FROM handed";

/// Gives everything back that a worker still has, and forgets the worker.
const LEAVE: &str = "WITH left_over AS (
      UPDATE queue SET worker = NULL, due = now(), ready = true WHERE worker = $1 RETURNING 1
    ), gone AS (DELETE FROM workers WHERE worker = $1)
    SELECT pg_notify($2, '') WHERE EXISTS (SELECT FROM left_over)";

/// Queues a run that a program asks for, with the definition that the program has.
const ASK: &str = "WITH asked AS (
      INSERT INTO queue (run, workflow_id, digest, due, ready, priority, user_id, turn)
      SELECT id, workflow_id, $2, now(), true, $3, coalesce(user_id, ''),
        queue_turn(coalesce(user_id, ''), 'default', $3) FROM runs
      WHERE run_id = $1 AND status NOT IN ('COMPLETED', 'CANCELLED', 'ERROR')
      ON CONFLICT (run) DO UPDATE SET due = now(), ready = true, digest = excluded.digest,
        version = queue.version + 1,
        turn = CASE WHEN queue.ready THEN queue.turn ELSE excluded.turn END
      RETURNING worker
    )
    SELECT pg_notify($4, '') FROM asked WHERE worker IS NULL";

/// Queues a run that has no row, for instance because the database was restored from a backup.
const FIND: &str = "INSERT INTO queue (run, workflow_id, digest, due, ready, user_id, turn)
    SELECT id, workflow_id, digest, now(), true, coalesce(user_id, ''),
      queue_turn(coalesce(user_id, ''), 'default', 0::smallint) FROM runs
    WHERE run_id = $1 AND status NOT IN ('COMPLETED', 'CANCELLED', 'ERROR')
    ON CONFLICT (run) DO NOTHING";

const PRIORITY: &str = "UPDATE queue SET priority = $2,
      turn = queue_turn(queue.user_id, queue.pool, $2) FROM runs
    WHERE runs.id = queue.run AND runs.run_id = $1";

/// Writes a sign of life of a worker.
pub(super) async fn beat(link: &mut Link, member: &Member) -> Result<(), Failure> {
    sqlx::query(BEAT)
        .bind(&*member.worker)
        .bind(&member.digests)
        .bind(STEADY_GAP.as_secs_f64())
        .bind(&member.workflows)
        .bind((!member.queues.is_empty()).then_some(&member.queues))
        .bind((!member.queues.is_empty()).then_some(&member.begins.1))
        .execute(&mut link.connection)
        .await?;
    Ok(())
}

/// Forgets workers of long ago.
pub(super) async fn forget(link: &mut Link) -> Result<(), Failure> {
    sqlx::query(FORGET).execute(&mut link.connection).await?;
    Ok(())
}

/// Makes runs ready whose moment has come.
pub(super) async fn make_ready(link: &mut Link) -> Result<(), Failure> {
    for statement in [READY, GIVE_UP] {
        sqlx::query(statement).bind(READY_MAX).execute(&mut link.connection).await?;
    }
    Ok(())
}

/// Takes at most `limit` runs of a pool, or of all pools, that are ready. Drivers that were last
/// seen before `stale` are dead.
pub(super) async fn take(
    link: &mut Link,
    member: &Member,
    pool: Option<&str>,
    limit: usize,
    stale: Timestamp,
) -> Result<Vec<Taken>, Failure> {
    let take = sqlx::query(if pool.is_some() { TAKE } else { TAKE_ALL })
        .bind(&*member.worker)
        .bind(&member.workflows)
        .bind(&member.digests)
        .bind(LEASE.as_secs_f64())
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .bind(&member.drivers)
        .bind(i64::try_from(stale.0).unwrap_or(i64::MAX));
    let take = match pool {
        Some(pool) => {
            take.bind(pool).bind(member.serves(pool)).bind(&member.begins.1).bind(&member.begins.0)
        }
        None => take,
    };
    let rows = take.fetch_all(&mut link.connection).await?;
    taken(&rows)
}

/// Takes at most `limit` runs of dead workers, and runs of this one that are not among `driven`.
pub(super) async fn take_left(
    link: &mut Link,
    member: &Member,
    limit: usize,
    driven: &[i64],
) -> Result<Vec<Taken>, Failure> {
    let rows = sqlx::query(TAKE_LEFT)
        .bind(&*member.worker)
        .bind(&member.workflows)
        .bind(&member.digests)
        .bind(LEASE.as_secs_f64())
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .bind(driven)
        .fetch_all(&mut link.connection)
        .await?;
    taken(&rows)
}

fn taken(rows: &[PgRow]) -> Result<Vec<Taken>, Failure> {
    let mut all = Vec::with_capacity(rows.len());
    for row in rows {
        let (run, workflow): (&str, &str) = (row.try_get(1)?, row.try_get(2)?);
        // A name that this version cannot read is left to another one.
        let (Ok(run), Ok(workflow)) = (RunId::new(run), WorkflowId::new(workflow)) else {
            continue;
        };
        let digest: &str = row.try_get(3)?;
        let wake = Wake { workflow, run, digest: digest.into(), at: None, cause: Cause::Asked };
        let (claim, version) = (row.try_get(4)?, row.try_get(5)?);
        all.push(Taken { row: row.try_get(0)?, wake, claim, version, failures: row.try_get(6)? });
    }
    Ok(all)
}

/// Returns the time until the next run is due.
pub(super) async fn next(link: &mut Link, member: &Member) -> Result<Option<Duration>, Failure> {
    let row = sqlx::query(NEXT).bind(&member.workflows).fetch_one(&mut link.connection).await?;
    let seconds: Option<f64> = row.try_get(0)?;
    Ok(seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()))
}

/// Takes a run out of the queue that has ended or waits for an answer. Returns `false` if it is to
/// be driven again.
pub(super) async fn end(link: &mut Link, worker: &str, taken: &Taken) -> Result<bool, Failure> {
    let ended = sqlx::query(END)
        .bind(taken.row)
        .bind(worker)
        .bind(taken.claim)
        .bind(taken.version)
        .execute(&mut link.connection)
        .await?;
    Ok(ended.rows_affected() > 0)
}

/// Gives a run back to the queue. With `to_any`, any worker may take it.
pub(super) async fn give_back(
    link: &mut Link,
    worker: &str,
    taken: &Taken,
    failures: i32,
    (after, to_any): (Duration, bool),
) -> Result<(), Failure> {
    sqlx::query(GIVE_BACK)
        .bind(taken.row)
        .bind(worker)
        .bind(taken.claim)
        .bind(taken.version)
        .bind(failures)
        .bind(after.as_secs_f64())
        .bind(to_any)
        .execute(&mut link.connection)
        .await?;
    Ok(())
}

/// Gives a run to the workers of one of `queues`, and to any worker after `until`.
pub(super) async fn hand_over(
    link: &mut Link,
    worker: &str,
    taken: &Taken,
    queues: &[String],
    until: Option<Duration>,
) -> Result<(), Failure> {
    let channel = link.channels.queue.clone();
    sqlx::query(HAND_OVER)
        .bind(taken.row)
        .bind(worker)
        .bind(taken.claim)
        .bind(taken.version)
        .bind(queues)
        .bind(LEASE.as_secs_f64())
        .bind(until.map(|until| until.as_secs_f64()))
        .bind(&*channel)
        .execute(&mut link.connection)
        .await?;
    Ok(())
}

/// Gives back what a worker still has, and forgets the worker.
pub(super) async fn leave(link: &mut Link, worker: &str) -> Result<(), Failure> {
    let channel = link.channels.queue.clone();
    sqlx::query(LEAVE).bind(worker).bind(&*channel).execute(&mut link.connection).await?;
    Ok(())
}

/// Queues the run of a wake, as far as the triggers have not done so.
pub(super) async fn wake(link: &mut Link, wake: &Wake, priority: i16) -> Result<(), Failure> {
    let run = wake.run.as_str();
    match wake.cause {
        Cause::Asked => {
            let channel = link.channels.queue.clone();
            sqlx::query(ASK)
                .bind(run)
                .bind(&*wake.digest)
                .bind(priority)
                .bind(&*channel)
                .execute(&mut link.connection)
                .await?;
        }
        Cause::Begun if priority != 0 => {
            let set = sqlx::query(PRIORITY).bind(run).bind(priority);
            set.execute(&mut link.connection).await?;
        }
        // A run that was found again and again has no row.
        Cause::Found { nth, .. } if nth > 0 => {
            sqlx::query(FIND).bind(run).execute(&mut link.connection).await?;
        }
        _ => {}
    }
    Ok(())
}
