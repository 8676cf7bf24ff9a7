//! Creates the queue in the schema of a store.

use crate::postgres::connections::{Connections, Server};
use crate::postgres::errors::Failure;
use crate::postgres::link::Link;
use sqlx::{AssertSqlSafe, Executor as _, Row as _};
use stepwright_core::StoreError;

const SCHEMA: &str = include_str!("schema.sql");

/// The comment on the table of a queue of this version.
const MARK: &str = "stepwright queue 1";

/// Asks for the comment on the table, in this schema alone.
const FOUND: &str = "SELECT obj_description(pg_class.oid, 'pg_class') FROM pg_class
    JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE nspname = $1 AND relname = 'queue'";

/// The lock of a process that creates the queue.
const LOCK: &str = "SELECT pg_advisory_xact_lock(hashtextextended('stepwright queue:' || $1, 0))";

/// The time to wait for the lock on `runs`: later statements wait behind it.
const LOCK_WAIT: &str = "SET LOCAL lock_timeout TO '2s'";

/// Creates the queue unless it is there. Several processes may do so at once.
pub(super) async fn install(connections: &Connections) -> Result<(), StoreError> {
    let target = connections.target.clone();
    let work = async move |link: &mut Link, _| {
        // Without any lock: this is how it is nearly always.
        if is_there(link, &target.schema).await? {
            return Ok(());
        }
        link.begin().await?;
        let created = create(link, &target.schema).await;
        link.end(created).await
    };
    connections.run("create the queue in", Server::Known, work).await
}

async fn is_there(link: &mut Link, schema: &str) -> Result<bool, Failure> {
    let found = sqlx::query(FOUND).bind(schema).fetch_optional(&mut link.connection).await?;
    let mark: Option<String> = found.map(|row| row.try_get(0)).transpose()?.flatten();
    Ok(mark.as_deref() == Some(MARK))
}

async fn create(link: &mut Link, schema: &str) -> Result<(), Failure> {
    sqlx::query(LOCK).bind(schema).execute(&mut link.connection).await?;
    // Asked again: another process may have done it while this one waited for the lock.
    if is_there(link, schema).await? {
        return Ok(());
    }
    link.connection.execute(LOCK_WAIT).await?;
    let sql = SCHEMA.replace("{channel}", &link.channels.queue).replace("{mark}", MARK);
    link.connection.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await?;
    Ok(())
}
