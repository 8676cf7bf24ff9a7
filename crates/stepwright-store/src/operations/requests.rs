//! Requests to models of the processes that share the database.

use super::slots::lock;
use crate::backend::{Attempt, Columns, Connection, Value, Work};
use crate::errors::Failure;
use crate::rows::{from_column, moment};
use stepwright_core::Timestamp;
use stepwright_core::store::{RequestClaim, RequestEntry, RequestState, RequestTurn, RequestsSent};

/// The entries of scope `$1` that are not sent, with the last signs of their drivers.
const ENTRIES: &str = "SELECT place, holder, driver, state, at, tokens,
      coalesce((SELECT seen_at FROM drivers WHERE drivers.driver = requests.driver), at)
    FROM requests WHERE scope = $1 AND state <> 2 ORDER BY place";

/// Those of scope `$1` that are sent.
const SENT: &str = "SELECT count(*), CAST(coalesce(sum(tokens), 0) AS BIGINT), min(at)
    FROM requests WHERE scope = $1 AND state = 2";

const FORGET: &str = "DELETE FROM requests WHERE scope = $1 AND state = 2 AND at <= $2";

const INSERT: &str = "INSERT INTO requests (scope, holder, driver, state, at, tokens)
    VALUES ($1, $2, $3, $4, $5, $6)";

const REMOVE: &str = "DELETE FROM requests WHERE place = $1";

const SET: &str = "UPDATE requests SET state = $1, at = $2 WHERE place = $3";

const IS_SENT: &str = "UPDATE requests SET state = 2 WHERE place = $1";

/// The number of a state.
fn number(state: RequestState) -> Value<'static> {
    Value::Number(state as i64)
}

/// Lets a request begin, or keeps its place in the queue.
pub(crate) struct Begin(pub(crate) RequestClaim);

impl<C: Connection> Work<C> for Begin {
    type Made = RequestTurn;
    const TOGETHER: bool = true;

    fn is_quick(&self) -> bool {
        true
    }

    async fn make(&mut self, c: &mut C, _: Attempt) -> Result<RequestTurn, Failure<C::Error>> {
        let claim = &self.0;
        let scope: Value<'_> = (&*claim.scope).into();
        lock(c, &claim.scope).await?;
        let window = u64::try_from(claim.window.as_millis()).unwrap_or(u64::MAX);
        let begin = moment(Timestamp(claim.at.0.saturating_sub(window)));
        c.execute(FORGET, &[scope, begin.into()]).await?;
        let read = |row: &C::Row<'_>| {
            let state = RequestState::from_number(row.number(3)?);
            Ok(RequestEntry {
                place: row.number(0)?,
                holder: row.text(1)?.into(),
                driver: row.text(2)?.into(),
                state: state.unwrap_or(RequestState::Waiting),
                at: Timestamp(from_column(row.number(4)?)),
                tokens: from_column(row.number(5)?),
                seen_at: Timestamp(from_column(row.number(6)?)),
            })
        };
        let entries = c.select(ENTRIES, &[scope], read).await?;
        let read = |row: &C::Row<'_>| {
            Ok(RequestsSent {
                requests: from_column(row.number(0)?),
                tokens: from_column(row.number(1)?),
                oldest: row.maybe_number(2)?.map(|at| Timestamp(from_column(at))),
            })
        };
        let sent = c.select(SENT, &[scope], read).await?.pop().unwrap_or_default();
        let changes = claim.judge(&entries, sent);
        for place in &changes.remove {
            c.execute(REMOVE, &[(*place).into()]).await?;
        }
        for place in &changes.sent {
            c.execute(IS_SENT, &[(*place).into()]).await?;
        }
        let begins = changes.turn == RequestTurn::Now;
        let at: Value<'_> = moment(claim.at).into();
        match changes.own {
            Some((place, RequestState::Waiting)) if begins => {
                c.execute(SET, &[number(RequestState::UnderWay), at, place.into()]).await?;
            }
            // A request that waits asks often, and most of the time nothing has changed.
            Some(_) => {}
            None => {
                let state = if begins { RequestState::UnderWay } else { RequestState::Waiting };
                let (holder, driver) = ((&*claim.holder).into(), (&*claim.driver).into());
                let tokens = i64::try_from(claim.tokens).unwrap_or(i64::MAX);
                // Sums of them fit as well.
                let tokens: Value<'_> = tokens.min(TOKENS_MAX).into();
                c.execute(INSERT, &[scope, holder, driver, number(state), at, tokens]).await?;
            }
        }
        Ok(changes.turn)
    }
}

/// The largest number of tokens that is stored for a request.
const TOKENS_MAX: i64 = 1_000_000_000_000;

/// Ends a request, or its wait.
pub(crate) struct End {
    pub(crate) scope: String,
    pub(crate) holder: String,
    pub(crate) counts: bool,
}

impl<C: Connection> Work<C> for End {
    type Made = ();

    fn is_quick(&self) -> bool {
        true
    }

    async fn make(&mut self, c: &mut C, _: Attempt) -> Result<(), Failure<C::Error>> {
        let sql = if self.counts {
            // One that waits counts for nothing, and is removed.
            let sent = "UPDATE requests SET state = 2
                WHERE scope = $1 AND holder = $2 AND state = 1";
            c.execute(sent, &[(&*self.scope).into(), (&*self.holder).into()]).await?;
            "DELETE FROM requests WHERE scope = $1 AND holder = $2 AND state = 0"
        } else {
            "DELETE FROM requests WHERE scope = $1 AND holder = $2"
        };
        c.execute(sql, &[(&*self.scope).into(), (&*self.holder).into()]).await?;
        Ok(())
    }
}

/// Lets no request of a scope begin before a moment.
pub(crate) struct Close {
    pub(crate) scope: String,
    pub(crate) until: Timestamp,
}

impl<C: Connection> Work<C> for Close {
    type Made = ();
    const TOGETHER: bool = true;

    fn is_quick(&self) -> bool {
        true
    }

    async fn make(&mut self, c: &mut C, _: Attempt) -> Result<(), Failure<C::Error>> {
        let (scope, until): (Value<'_>, Value<'_>) =
            ((&*self.scope).into(), moment(self.until).into());
        let later = "UPDATE requests SET at = $1 WHERE scope = $2 AND holder = '' AND at < $3";
        c.execute(later, &[until, scope, until]).await?;
        let first = "INSERT INTO requests (scope, holder, driver, state, at, tokens)
            VALUES ($1, '', '', 3, $2, 0) ON CONFLICT (scope, holder) DO NOTHING";
        c.execute(first, &[scope, until]).await?;
        Ok(())
    }
}
