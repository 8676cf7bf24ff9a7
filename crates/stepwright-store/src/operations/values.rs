//! Values that the processes of a database share beside its runs.

use crate::backend::{Attempt, Columns, Connection, Value, Work};
use crate::errors::Failure;
use stepwright_core::store::{SharedValue, ValueChange, page};

const FIND: &str = "SELECT kind, key, value, version FROM shared_values
    WHERE kind = $1 AND key = $2";

const LIST: &str = "SELECT kind, key, value, version FROM shared_values
    WHERE kind = $1 AND key > $2 ORDER BY key LIMIT $3";

const INSERT: &str = "INSERT INTO shared_values (kind, key, value, version)
    VALUES ($1, $2, $3, $4) ON CONFLICT (kind, key) DO NOTHING";

const UPDATE: &str = "UPDATE shared_values SET value = $1, version = $2
    WHERE kind = $3 AND key = $4 AND version = $5";

const DELETE: &str = "DELETE FROM shared_values WHERE kind = $1 AND key = $2 AND version = $3";

/// Reads the columns of a query.
macro_rules! read {
    () => {
        |row: &C::Row<'_>| {
            Ok(SharedValue {
                kind: row.text(0)?.into(),
                key: row.text(1)?.into(),
                value: row.text(2)?.into(),
                version: row.number(3)?,
            })
        }
    };
}

/// Finds a value.
pub(crate) struct Find {
    pub(crate) kind: String,
    pub(crate) key: String,
}

impl<C: Connection> Work<C> for Find {
    type Made = Option<SharedValue>;

    async fn make(&mut self, c: &mut C, _: Attempt) -> Result<Self::Made, Failure<C::Error>> {
        let place = [(&*self.kind).into(), (&*self.key).into()];
        Ok(c.select(FIND, &place, read!()).await?.pop())
    }
}

/// Lists values of a kind, in the order of their keys.
pub(crate) struct List {
    pub(crate) kind: String,
    pub(crate) after: String,
    pub(crate) limit: usize,
}

impl<C: Connection> Work<C> for List {
    type Made = Vec<SharedValue>;

    async fn make(&mut self, c: &mut C, _: Attempt) -> Result<Self::Made, Failure<C::Error>> {
        let limit = i64::try_from(page(self.limit)).unwrap_or(i64::MAX);
        let values = [(&*self.kind).into(), (&*self.after).into(), limit.into()];
        c.select(LIST, &values, read!()).await
    }
}

/// Changes a value that no other process has changed.
pub(crate) struct Change(pub(crate) ValueChange);

impl<C: Connection> Work<C> for Change {
    type Made = bool;
    const TOGETHER: bool = true;

    fn is_quick(&self) -> bool {
        true
    }

    async fn make(&mut self, c: &mut C, attempt: Attempt) -> Result<bool, Failure<C::Error>> {
        let ValueChange { kind, key, value, seen, version } = &self.0;
        let (kind, key): (Value<'_>, Value<'_>) = ((&**kind).into(), (&**key).into());
        if attempt.lost {
            // The earlier attempt may have taken effect, and only its answer was lost.
            let stored = c.select(FIND, &[kind, key], read!()).await?.pop();
            let is_done = match &stored {
                Some(stored) => stored.version == *version,
                None => value.is_none(),
            };
            if is_done {
                return Ok(true);
            }
        }
        let mark = Value::from(*version);
        let changed = match (value, seen) {
            (Some(value), None) => c.execute(INSERT, &[kind, key, (&**value).into(), mark]).await?,
            (Some(value), Some(seen)) => {
                let values = [(&**value).into(), mark, kind, key, (*seen).into()];
                c.execute(UPDATE, &values).await?
            }
            (None, Some(seen)) => c.execute(DELETE, &[kind, key, (*seen).into()]).await?,
            (None, None) => {
                let stored = c.select(FIND, &[kind, key], read!()).await?;
                return Ok(stored.is_empty());
            }
        };
        Ok(changed > 0)
    }
}
