//! Inboxes and leases.

use crate::backend::{Attempt, Columns, Connection, Work};
use crate::errors::{Failure, Said, missing_run};
use crate::query::{DRIVER_KEPT_MS, UNREAD, inbox, open_signal, open_signals};
use crate::rows::{SignalColumns, SignalValues, driven_by, from_column, moment, to_column, wish};
use stepwright_core::store::{Claim, Claimed, Signal};
use stepwright_core::{ErrorId, RunId, RunStatus, SessionId, StoreError, Timestamp};

/// The largest number of attempts to claim a run that other drivers claim and release meanwhile.
const CLAIM_ATTEMPTS_MAX: u32 = 10;

/// Leaves a signal. `false` if there is one of that name.
pub(crate) struct Submit(pub(crate) Signal);

impl<C: Connection> Work<C> for Submit {
    type Made = bool;

    fn is_quick(&self) -> bool {
        true
    }

    async fn make(&mut self, c: &mut C, attempt: Attempt) -> Result<bool, Failure<C::Error>> {
        submit(c, &self.0, attempt).await
    }
}

async fn submit<C: Connection>(
    c: &mut C,
    signal: &Signal,
    attempt: Attempt,
) -> Result<bool, Failure<C::Error>> {
    let Signal { run, id, at, .. } = signal;
    let (wish, at, sums) = (wish(signal)?, to_column(at.0), c.sums());
    let signal = SignalValues {
        run: run.as_str(),
        id,
        wish: &wish,
        at,
        sum: sums.signal(run.as_str(), id, Some(&wish), at),
        done_sum: sums.done(run.as_str(), id, false),
    };
    let submitted = c.submit(&signal, attempt).await?;
    Ok(submitted.ok_or_else(|| missing_run(run))?)
}

/// Reads the messages that runs of a session ended without.
pub(crate) struct Unread(pub(crate) SessionId);

impl<C: Connection> Work<C> for Unread {
    type Made = Vec<Signal>;

    fn is_quick(&self) -> bool {
        true
    }

    async fn make(&mut self, c: &mut C, _: Attempt) -> Result<Self::Made, Failure<C::Error>> {
        let sums = c.sums();
        let read = |row: &C::Row<'_>| Ok(signal(row)?.signal(sums)?);
        c.select(UNREAD, &[self.0.as_str().into()], read).await
    }
}

/// Takes a signal out of an inbox, and leaves it in another one if there is `to`.
pub(crate) struct Forward {
    pub(crate) run: RunId,
    pub(crate) id: String,
    pub(crate) to: Option<RunId>,
}

impl<C: Connection> Work<C> for Forward {
    type Made = bool;
    const TOGETHER: bool = true;

    fn is_quick(&self) -> bool {
        true
    }

    async fn make(&mut self, c: &mut C, attempt: Attempt) -> Result<bool, Failure<C::Error>> {
        let sums = c.sums();
        let values = [self.run.as_str().into(), (&*self.id).into()];
        let read = |row: &C::Row<'_>| Ok(signal(row)?.signal(sums)?);
        let Some(found) = c.select(open_signal(), &values, read).await?.pop() else {
            if !attempt.lost {
                return Ok(false);
            }
            // The earlier attempt may have taken it. One that its run has read is still there.
            let there = "SELECT 1 FROM inbox WHERE run = (SELECT id FROM runs WHERE run_id = $1)
                AND id = $2";
            return Ok(c.select(there, &values, |_| Ok(())).await?.is_empty());
        };
        // Of two that take the same signal, one finds the row.
        let taken = "DELETE FROM inbox WHERE run = (SELECT id FROM runs WHERE run_id = $1)
            AND id = $2 AND NOT done";
        if c.execute(taken, &values).await? == 0 {
            return Ok(false);
        }
        match &self.to {
            Some(to) => {
                let found = found.forwarded_to(to.clone());
                submit(c, &found, attempt).await.map(|_| true)
            }
            None => Ok(true),
        }
    }
}

/// Reads a row of a query for signals.
fn signal<R: Columns>(row: &R) -> Result<SignalColumns, Failure<R::Error>> {
    Ok(SignalColumns {
        run_id: row.text(0)?,
        id: row.text(1)?,
        wish: row.text(2)?,
        at: row.number(3)?,
        done: row.flag(4)?,
        sum: row.maybe_number(5)?,
        done_sum: row.maybe_number(6)?,
        key_id: row.maybe_text(7)?,
    })
}

/// Reads the inbox of a run.
pub(crate) struct Inbox(pub(crate) RunId);

impl<C: Connection> Work<C> for Inbox {
    type Made = Vec<Signal>;

    fn is_quick(&self) -> bool {
        true
    }

    async fn make(&mut self, c: &mut C, _: Attempt) -> Result<Self::Made, Failure<C::Error>> {
        let sums = c.sums();
        let read = |row: &C::Row<'_>| Ok(signal(row)?.signal(sums)?);
        c.select(inbox(), &[self.0.as_str().into()], read).await
    }
}

/// A driver that was never seen counts as seen when its run began.
const LEASE: &str = "SELECT id, status, runs.driver, coalesce(seen_at, created_at)
    FROM runs LEFT JOIN drivers ON drivers.driver = runs.driver WHERE run_id = $1";

/// Changes the driver of a run that is still as it was when its lease was read.
const TAKE: &str = "UPDATE runs SET driver = $1, driver_sum = $2
    WHERE id = $3 AND status = $4 AND driver IS NOT DISTINCT FROM $5";

/// Claims a run.
pub(crate) struct ClaimRun(pub(crate) Claim);

impl<C: Connection> Work<C> for ClaimRun {
    type Made = Claimed;

    fn is_quick(&self) -> bool {
        true
    }

    async fn make(&mut self, c: &mut C, _: Attempt) -> Result<Claimed, Failure<C::Error>> {
        let Claim { run, driver, dead, stale } = &self.0;
        let sum = c.sums().driver(run.as_str(), Some(driver));
        for _ in 0..CLAIM_ATTEMPTS_MAX {
            let read = |row: &C::Row<'_>| {
                Ok((row.number(0)?, row.text(1)?, row.maybe_text(2)?, row.number(3)?))
            };
            let lease = c.select(LEASE, &[run.as_str().into()], read).await?.pop();
            let Some((id, status, held_by, seen_at)) = lease else { return Ok(Claimed::Over) };
            if RunStatus::from_word(&status).is_some_and(RunStatus::is_terminal) {
                return Ok(Claimed::Over);
            }
            let free = match held_by.as_deref() {
                None => true,
                Some(holder) => holder == &**driver || Some(holder) == dead.as_deref(),
            };
            if !free && moment(Timestamp(from_column(seen_at))) >= moment(*stale) {
                return Ok(driven_by(held_by, seen_at));
            }
            let values = [
                (&**driver).into(),
                sum.into(),
                id.into(),
                (&*status).into(),
                held_by.as_deref().into(),
            ];
            if c.execute(TAKE, &values).await? > 0 {
                return Ok(Claimed::Yes);
            }
            // Another driver was faster: the next look at the lease shows it.
        }
        Err(StoreError::Unavailable {
            what: format!("cannot claim run `{run}`"),
            source: Box::new(Said(
                "other drivers claimed or released it during every attempt".to_owned(),
            )),
            hint: None,
            id: ErrorId::STORE_CONTENDED,
        }
        .into())
    }
}

/// Releases a run.
pub(crate) struct Release {
    pub(crate) run: RunId,
    pub(crate) driver: String,
}

impl<C: Connection> Work<C> for Release {
    type Made = ();

    fn is_quick(&self) -> bool {
        true
    }

    async fn make(&mut self, c: &mut C, _: Attempt) -> Result<(), Failure<C::Error>> {
        let sum = c.sums().driver(self.run.as_str(), None);
        let sql = "UPDATE runs SET driver = NULL, driver_sum = $1
            WHERE run_id = $2 AND driver = $3";
        c.execute(sql, &[sum.into(), self.run.as_str().into(), (&*self.driver).into()]).await?;
        Ok(())
    }
}

const SEEN: &str = "INSERT INTO drivers (driver, seen_at) VALUES ($1, $2)
    ON CONFLICT (driver) DO UPDATE SET seen_at = excluded.seen_at";

/// Records that a driver is alive, forgets drivers of long ago, and returns the open signals of its
/// runs.
pub(crate) struct Heartbeat {
    pub(crate) driver: String,
    pub(crate) now: Timestamp,
}

impl<C: Connection> Work<C> for Heartbeat {
    /// As they were read: a damaged signal does not take the heartbeat back.
    type Made = Vec<SignalColumns>;

    fn is_quick(&self) -> bool {
        true
    }

    async fn make(&mut self, c: &mut C, _: Attempt) -> Result<Self::Made, Failure<C::Error>> {
        c.execute(SEEN, &[(&*self.driver).into(), moment(self.now).into()]).await?;
        let long_ago = Timestamp(self.now.0.saturating_sub(DRIVER_KEPT_MS));
        c.execute(C::DIALECT.forget_drivers, &[moment(long_ago).into()]).await?;
        let read = |row: &C::Row<'_>| signal(row);
        c.select(open_signals(), &[(&*self.driver).into()], read).await
    }
}
