//! Slots: the holders of limited keys.

use crate::backend::{Attempt, Columns, Connection, Value, Work};
use crate::errors::Failure;
use crate::rows::{from_column, moment};
use std::sync::Arc;
use stepwright_core::store::{Entered, FirstClaim, HeldSlot, Queued, SlotClaim, SlotEntry};
use stepwright_core::{RunStatus, Timestamp};

/// The entries of scope `$1` with the states of their runs and the last signs of their drivers.
const ENTRIES: &str = "SELECT place, holder, slots.driver, held, status, runs.driver,
      coalesce((SELECT seen_at FROM drivers WHERE drivers.driver =
        CASE WHEN runs.run_id IS NULL THEN slots.driver ELSE runs.driver END), at)
    FROM slots LEFT JOIN runs ON runs.run_id = slots.holder
    WHERE scope = $1 ORDER BY place";

const INSERT: &str = "INSERT INTO slots (scope, holder, driver, held, at, until)
    VALUES ($1, $2, $3, $4, $5, $6)";

const LEAVE: &str = "DELETE FROM slots WHERE scope = $1 AND holder = $2";

async fn entries<C: Connection>(
    c: &mut C,
    scope: &str,
) -> Result<Vec<SlotEntry>, Failure<C::Error>> {
    let read = |row: &C::Row<'_>| {
        let status = row.maybe_text(4)?.map(|status| RunStatus::from_word(&status));
        let run_driver: Option<Arc<str>> = row.maybe_text(5)?.map(Into::into);
        Ok(SlotEntry {
            place: row.number(0)?,
            holder: row.text(1)?.into(),
            driver: row.text(2)?.into(),
            held: row.number(3)? != 0,
            run: status.map(|status| (status.unwrap_or_default(), run_driver)),
            seen_at: Timestamp(from_column(row.number(6)?)),
        })
    };
    c.select(ENTRIES, &[scope.into()], read).await
}

/// Keeps other claims of a scope away until the transaction ends.
pub(super) async fn lock<C: Connection>(c: &mut C, scope: &str) -> Result<(), Failure<C::Error>> {
    for sql in C::DIALECT.lock_scope {
        c.execute(sql, &[scope.into()]).await?;
    }
    Ok(())
}

async fn remove<C: Connection>(c: &mut C, places: &[i64]) -> Result<(), Failure<C::Error>> {
    for place in places {
        c.execute("DELETE FROM slots WHERE place = $1", &[(*place).into()]).await?;
    }
    Ok(())
}

/// Gives a slot to a holder, or a place in the queue.
pub(crate) struct Enter(pub(crate) SlotClaim);

impl<C: Connection> Work<C> for Enter {
    type Made = Entered;
    const TOGETHER: bool = true;

    fn is_quick(&self) -> bool {
        true
    }

    async fn make(&mut self, c: &mut C, _: Attempt) -> Result<Entered, Failure<C::Error>> {
        let claim = &self.0;
        lock(c, &claim.scope).await?;
        let entries = entries(c, &claim.scope).await?;
        let changes = claim.judge(&entries);
        remove(c, &changes.remove).await?;
        for place in &changes.lose {
            c.execute("UPDATE slots SET held = 0 WHERE place = $1", &[(*place).into()]).await?;
        }
        let held = i64::from(changes.answer == Entered::Held);
        match changes.own {
            Some(own) => {
                // A holder that waits asks often, and most of the time nothing has changed.
                let is_same = entries.iter().any(|entry| {
                    let is_held = i64::from(entry.held);
                    entry.place == own && is_held == held && entry.driver == claim.driver
                });
                if !is_same {
                    let sql = "UPDATE slots SET held = $1, driver = $2 WHERE place = $3";
                    c.execute(sql, &[held.into(), (&*claim.driver).into(), own.into()]).await?;
                }
            }
            None => insert(c, (&claim.scope, &claim.holder, &claim.driver), held, claim.at).await?,
        }
        Ok(changes.answer)
    }
}

async fn insert<C: Connection>(
    c: &mut C,
    (scope, holder, driver): (&str, &str, &str),
    held: i64,
    at: Timestamp,
) -> Result<(), Failure<C::Error>> {
    let sql = "INSERT INTO slots (scope, holder, driver, held, at) VALUES ($1, $2, $3, $4, $5)";
    let values = [scope.into(), holder.into(), driver.into(), held.into(), moment(at).into()];
    c.execute(sql, &values).await?;
    Ok(())
}

/// Removes a holder from a scope.
pub(crate) struct Leave {
    pub(crate) scope: String,
    pub(crate) holder: String,
}

impl<C: Connection> Work<C> for Leave {
    type Made = ();

    fn is_quick(&self) -> bool {
        true
    }

    async fn make(&mut self, c: &mut C, _: Attempt) -> Result<(), Failure<C::Error>> {
        c.execute(LEAVE, &[(&*self.scope).into(), (&*self.holder).into()]).await?;
        Ok(())
    }
}

/// Reads the runs that wait for a slot.
pub(crate) struct Waiting;

impl<C: Connection> Work<C> for Waiting {
    type Made = Vec<Queued>;

    fn is_quick(&self) -> bool {
        true
    }

    async fn make(&mut self, c: &mut C, _: Attempt) -> Result<Self::Made, Failure<C::Error>> {
        let sql = "SELECT holder, scope, (SELECT count(*) FROM slots AS other
              WHERE other.scope = slots.scope AND other.held = 0 AND other.place < slots.place)
            FROM slots WHERE held = 0 AND until IS NULL ORDER BY place";
        let read = |row: &C::Row<'_>| {
            Ok(Queued {
                holder: row.text(0)?.into(),
                scope: row.text(1)?.into(),
                ahead: from_column(row.number(2)?),
            })
        };
        c.select(sql, &[], read).await
    }
}

/// Reads the slots of a holder.
pub(crate) struct Of(pub(crate) String);

impl<C: Connection> Work<C> for Of {
    type Made = Vec<HeldSlot>;

    fn is_quick(&self) -> bool {
        true
    }

    async fn make(&mut self, c: &mut C, _: Attempt) -> Result<Self::Made, Failure<C::Error>> {
        let sql = "SELECT scope, at, until FROM slots WHERE holder = $1 AND held <> 0
            ORDER BY place";
        let holder: Arc<str> = (&*self.0).into();
        let read = |row: &C::Row<'_>| {
            Ok(HeldSlot {
                scope: row.text(0)?.into(),
                holder: holder.clone(),
                at: Timestamp(from_column(row.number(1)?)),
                until: row.maybe_number(2)?.map(|until| Timestamp(from_column(until))),
            })
        };
        c.select(sql, &[(&*self.0).into()], read).await
    }
}

/// Makes a holder the first of its scope, or returns the one that is.
pub(crate) struct First(pub(crate) FirstClaim);

impl<C: Connection> Work<C> for First {
    type Made = Option<Arc<str>>;
    const TOGETHER: bool = true;

    fn is_quick(&self) -> bool {
        true
    }

    async fn make(&mut self, c: &mut C, _: Attempt) -> Result<Self::Made, Failure<C::Error>> {
        let claim = &self.0;
        lock(c, &claim.scope).await?;
        let past = "DELETE FROM slots WHERE until IS NOT NULL AND until <= $1 AND scope = $2";
        c.execute(past, &[moment(claim.at).into(), (&*claim.scope).into()]).await?;
        let (first, gone) = claim.judge(&entries(c, &claim.scope).await?);
        remove(c, &gone).await?;
        match first {
            Some(first) if first == claim.holder && !first.is_empty() => Ok(None),
            Some(first) => Ok(Some(first)),
            None => {
                let values: [Value<'_>; 6] = [
                    (&*claim.scope).into(),
                    (&*claim.holder).into(),
                    (&*claim.driver).into(),
                    1.into(),
                    moment(claim.at).into(),
                    moment(claim.until).into(),
                ];
                c.execute(INSERT, &values).await?;
                // Those of other keys would stay for ever.
                let other = "DELETE FROM slots WHERE place IN (SELECT place FROM slots
                    WHERE until IS NOT NULL AND until <= $1 ORDER BY until LIMIT 100)";
                c.execute(other, &[moment(claim.at).into()]).await?;
                Ok(None)
            }
        }
    }
}
