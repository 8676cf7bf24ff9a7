//! Memories of users.

use crate::backend::{Attempt, Columns, Connection, Value, Work};
use crate::errors::{Failure, damaged_memory, sealed};
use crate::rows::{from_column, moment, to_column};
use crate::sums::{MemoryValues, Sums};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use stepwright_core::store::{
    MEMORIES_MAX, MemoryFilter, MemoryUpdate, MemoryUser, UserMemory, page, too_many_memories,
};
use stepwright_core::{RunId, Timestamp, UserId};

const COLUMNS: &str =
    "SELECT user_id, memory_id, body, run_id, created_at, updated_at, sum, key_id FROM memories";

const USERS: &str = "SELECT user_id, count(*), max(updated_at) FROM memories GROUP BY user_id
    ORDER BY max(updated_at) DESC, user_id LIMIT $1 OFFSET $2";

const COUNT: &str = "SELECT count(*) FROM memories WHERE user_id = $1";

const INSERT: &str = "INSERT INTO memories
    (user_id, memory_id, body, run_id, created_at, updated_at, sum)
    VALUES ($1, $2, $3, $4, $5, $6, $7)";

const UPDATE: &str = "UPDATE memories SET body = $1, run_id = $2, updated_at = $3, sum = $4
    WHERE user_id = $5 AND memory_id = $6";

const DELETE: &str = "DELETE FROM memories WHERE user_id = $1 AND memory_id = $2";

/// The column `body`.
#[derive(Serialize, Deserialize)]
struct Body {
    memory: Arc<str>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    topics: Vec<Arc<str>>,
}

fn read<C: Connection>(row: &C::Row<'_>, sums: Sums) -> Result<UserMemory, Failure<C::Error>> {
    let (user, id, body) = (row.text(0)?, row.text(1)?, row.text(2)?);
    let (run, created_at, updated_at) = (row.maybe_text(3)?, row.number(4)?, row.number(5)?);
    if let Some(key) = row.maybe_text(7)? {
        return Err(sealed(format_args!("memory `{id}` of user `{user}`"), &key).into());
    }
    let values = MemoryValues {
        user_id: &user,
        memory_id: &id,
        body: &body,
        run_id: run.as_deref(),
        created_at,
        updated_at,
    };
    let damage = |what: String| damaged_memory(&user, &id, what);
    sums.verify(Some(row.number(6)?), || sums.memory(&values)).map_err(damage)?;
    let Body { memory, topics } =
        serde_json::from_str(&body).map_err(|error| damage(error.to_string()))?;
    let odd = |error: stepwright_core::IdError| damage(error.to_string());
    Ok(UserMemory {
        user_id: UserId::new(&user).map_err(odd)?,
        memory_id: id.as_str().into(),
        memory,
        topics,
        run_id: run.as_deref().map(RunId::new).transpose().map_err(odd)?,
        created_at: Timestamp(from_column(created_at)),
        updated_at: Timestamp(from_column(updated_at)),
    })
}

/// Lists the memories of a user.
pub(crate) struct List(pub(crate) MemoryFilter);

impl<C: Connection> Work<C> for List {
    type Made = Vec<UserMemory>;

    async fn make(&mut self, c: &mut C, _: Attempt) -> Result<Self::Made, Failure<C::Error>> {
        let MemoryFilter { user_id, limit, offset } = &self.0;
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        let (user, limit) = (user_id.as_str().into(), count(page(*limit)).into());
        let values: [Value<'_>; 3] = [user, limit, count(*offset).into()];
        let sums = c.sums();
        let sql = format!(
            "{COLUMNS} WHERE user_id = $1 ORDER BY updated_at DESC, memory_id LIMIT $2 OFFSET $3"
        );
        c.select(sql, &values, |row| read::<C>(row, sums)).await
    }
}

/// Lists the users who have memories.
pub(crate) struct Users {
    pub(crate) limit: usize,
    pub(crate) offset: usize,
}

impl<C: Connection> Work<C> for Users {
    type Made = Vec<MemoryUser>;

    async fn make(&mut self, c: &mut C, _: Attempt) -> Result<Self::Made, Failure<C::Error>> {
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        let values: [Value<'_>; 2] = [count(page(self.limit)).into(), count(self.offset).into()];
        c.select(USERS, &values, |row| {
            let (user, memories, updated_at) = (row.text(0)?, row.number(1)?, row.number(2)?);
            let odd =
                |error: stepwright_core::IdError| damaged_memory(&user, "", error.to_string());
            Ok(MemoryUser {
                user_id: UserId::new(&user).map_err(odd)?,
                memories: from_column(memories),
                updated_at: Timestamp(from_column(updated_at)),
            })
        })
        .await
    }
}

/// Changes memories of a user, together.
pub(crate) struct Update(pub(crate) MemoryUpdate);

impl<C: Connection> Work<C> for Update {
    type Made = u64;
    const TOGETHER: bool = true;

    async fn make(&mut self, c: &mut C, _: Attempt) -> Result<u64, Failure<C::Error>> {
        let update = &self.0;
        let user = update.user_id.as_str();
        let select = format!("{COLUMNS} WHERE user_id = $1 AND memory_id = $2{}", C::DIALECT.lock);
        let (sums, mut changed, mut added) = (c.sums(), 0, false);
        for change in &update.changes {
            let id: &str = change.memory_id();
            let values = [user.into(), id.into()];
            let found = c.select(select.clone(), &values, |row| read::<C>(row, sums)).await?;
            let before = found.into_iter().next();
            let after = change.applied(before.clone(), update);
            if before == after {
                continue;
            }
            changed += 1;
            match after {
                None => drop(c.execute(DELETE, &values).await?),
                Some(after) => {
                    added |= before.is_none();
                    write(c, &after, before.is_none()).await?;
                }
            }
        }
        if added {
            let count = c.select(COUNT, &[user.into()], |row| row.number(0)).await?;
            let most = i64::try_from(MEMORIES_MAX).unwrap_or(i64::MAX);
            if count.first().is_some_and(|count| *count > most) {
                return Err(too_many_memories(&update.user_id).into());
            }
        }
        Ok(changed)
    }
}

async fn write<C: Connection>(
    c: &mut C,
    memory: &UserMemory,
    is_new: bool,
) -> Result<(), Failure<C::Error>> {
    let UserMemory { memory_id, user_id, memory: text, topics, run_id, created_at, updated_at } =
        memory;
    let body = Body { memory: text.clone(), topics: topics.clone() };
    let body = serde_json::to_string(&body);
    let unwritable =
        |error: serde_json::Error| damaged_memory(user_id.as_str(), memory_id, error.to_string());
    let body = body.map_err(unwritable)?;
    let values = MemoryValues {
        user_id: user_id.as_str(),
        memory_id,
        body: &body,
        run_id: run_id.as_ref().map(RunId::as_str),
        created_at: to_column(created_at.0),
        // Rows are sorted by it.
        updated_at: moment(*updated_at),
    };
    let sum = c.sums().memory(&values);
    let MemoryValues { user_id, memory_id, body, run_id, created_at, updated_at } = values;
    if is_new {
        let values: [Value<'_>; 7] = [
            user_id.into(),
            memory_id.into(),
            body.into(),
            run_id.into(),
            created_at.into(),
            updated_at.into(),
            sum.into(),
        ];
        c.execute(INSERT, &values).await?;
    } else {
        let values: [Value<'_>; 6] = [
            body.into(),
            run_id.into(),
            updated_at.into(),
            sum.into(),
            user_id.into(),
            memory_id.into(),
        ];
        c.execute(UPDATE, &values).await?;
    }
    Ok(())
}
