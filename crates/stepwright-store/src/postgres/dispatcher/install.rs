//! Creates the queue in the schema of a store.

use crate::postgres::connections::{Connections, Server};
use crate::postgres::errors::Failure;
use crate::postgres::link::Link;
use sqlx::{AssertSqlSafe, Executor as _, Row as _};
use stepwright_core::StoreError;

const SCHEMA: &str = include_str!("schema.sql");
const SCHEMA_2: &str = include_str!("schema_2.sql");
const FUNCTIONS: &str = include_str!("functions.sql");
const TRIGGERS: &str = include_str!("triggers.sql");

/// The comment on the table. It stays the same as long as workers of earlier versions can go on
/// with the queue.
const MARK: &str = "stepwright queue 1";

/// Asks for the comment on the table, in this schema alone, and for a column of this version.
const FOUND: &str = "SELECT obj_description(pg_class.oid, 'pg_class'),
      EXISTS (SELECT FROM pg_attribute WHERE attrelid = pg_class.oid AND attname = 'until')
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE nspname = $1 AND relname = 'queue'";

/// The queue that a schema has.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Found {
    Nothing,
    /// The first version, without turns and pools.
    First,
    Present,
}

/// The lock of a process that creates the queue.
const LOCK: &str = "SELECT pg_advisory_xact_lock(hashtextextended('stepwright queue:' || $1, 0))";

/// The time to wait for the lock on `runs`: later statements wait behind it.
const LOCK_WAIT: &str = "SET LOCAL lock_timeout TO '2s'";

/// Creates the queue unless it is there. Several processes may do so at once.
pub(super) async fn install(connections: &Connections) -> Result<(), StoreError> {
    let target = connections.target.clone();
    let work = async move |link: &mut Link, _| {
        // Without any lock: this is how it is nearly always.
        if found(link, &target.schema).await? == Found::Present {
            return Ok(());
        }
        link.begin().await?;
        let created = create(link, &target.schema).await;
        link.end(created).await
    };
    connections.run("create the queue in", Server::Known, work).await
}

/// Looks which queue the schema has.
pub(super) async fn found(link: &mut Link, schema: &str) -> Result<Found, Failure> {
    let row = sqlx::query(FOUND).bind(schema).fetch_optional(&mut link.connection).await?;
    let Some(row) = row else { return Ok(Found::Nothing) };
    let (mark, is_present): (Option<String>, bool) = (row.try_get(0)?, row.try_get(1)?);
    Ok(match (mark.as_deref() == Some(MARK), is_present) {
        (true, true) => Found::Present,
        (true, false) => Found::First,
        (false, _) => Found::Nothing,
    })
}

async fn create(link: &mut Link, schema: &str) -> Result<(), Failure> {
    sqlx::query(LOCK).bind(schema).execute(&mut link.connection).await?;
    // Asked again: another process may have done it while this one waited for the lock.
    let parts: &[&str] = match found(link, schema).await? {
        Found::Present => return Ok(()),
        Found::First => &[SCHEMA_2, FUNCTIONS],
        Found::Nothing => &[SCHEMA, FUNCTIONS, TRIGGERS],
    };
    link.connection.execute(LOCK_WAIT).await?;
    for part in parts {
        let sql = part.replace("{channel}", &link.channels.queue).replace("{mark}", MARK);
        link.connection.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await?;
    }
    Ok(())
}
