//! The tables, and the migrations from older versions.

use super::connections::{Connections, Server};
use super::errors::{Failure, encoding, foreign, newer, read_only, unprivileged};
use super::link::Link;
use super::target::{Target, quoted};
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Executor, Row};

/// The migrations from each version to the next. Only ever added to: databases out there have been
/// through the ones before.
///
/// Others work while a migration runs, with programs that know nothing of it. So each one
///
/// * only adds: tables, indexes, columns that may be null or have a constant default. An older
///   program that is connected already goes on writing what it knows. Nothing is renamed, dropped
///   or made stricter before a later release, when no program is left that needs it;
/// * takes short locks only: no change of a type and no new default that is computed, which rewrite
///   a table; constraints are added as `NOT VALID` and validated by the next migration. Where a
///   lock is not free within [`LOCK_WAIT`], it gives up and is tried again, so that no other
///   statement queues behind it;
/// * does not fill columns of large tables: readers take null for the old meaning;
/// * is one transaction. An index on a large table, which wants `CREATE INDEX CONCURRENTLY` and can
///   have no transaction, is made by hand as the notes of that release say.
///
/// A program older than the third knows no checksums, one older than the fourth no chain hashes.
/// Rows that it changes look damaged, so that it must be stopped first.
///
/// The second makes indexes on `runs` all the same: it has a row a run, and not one a fact, and
/// nothing was released before.
const MIGRATIONS: &[&str] = &[
    include_str!("schema.sql"),
    include_str!("schema_2.sql"),
    include_str!("schema_3.sql"),
    include_str!("schema_4.sql"),
    include_str!("schema_5.sql"),
    include_str!("schema_6.sql"),
    include_str!("schema_7.sql"),
    include_str!("schema_8.sql"),
    include_str!("schema_9.sql"),
];

/// The time that a migration waits for a lock: later statements wait behind it.
const LOCK_WAIT: &str = "SET LOCAL lock_timeout TO '2s'";

/// The lock of a process that migrates a schema.
const LOCK: &str = "SELECT pg_advisory_xact_lock(hashtextextended('stepwright:' || $1, 0))";

const MAKE: &str = "CREATE TABLE IF NOT EXISTS stepwright_migrations (
    version bigint PRIMARY KEY, made_at timestamptz NOT NULL DEFAULT now())";

/// Asks whether our own table is there, and whether others have the names of ours. Asks the
/// catalogue: `to_regclass` may answer out of a cache from before the lock.
const LOOK: &str = "SELECT coalesce(bool_or(relname = 'stepwright_migrations'), false),
    coalesce(bool_or(relname <> 'stepwright_migrations'), false)
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE nspname = $1 AND relname IN ('stepwright_migrations', 'runs', 'journal', 'sessions',
        'blobs', 'inbox', 'drivers', 'plans', 'kept', 'slots', 'requests', 'memories',
        'shared_values', 'media', 'media_parts', 'media_uses')";

/// Asks for privileges that even reading takes. `USAGE` on a schema first: without it, its tables
/// are as if they were not there.
const MAY_READ: &str = "SELECT has_schema_privilege(oid, 'USAGE'),
    (SELECT min(relname::text) FROM pg_class
        WHERE relnamespace = pg_namespace.oid AND relkind = 'r'
        AND relname IN ('stepwright_migrations', 'runs', 'journal', 'sessions',
            'blobs', 'inbox', 'drivers', 'plans')
        AND NOT has_table_privilege(pg_class.oid, 'SELECT'))
    FROM pg_namespace WHERE nspname = $1";

/// Refuses a user who may not read the tables that are there.
async fn check_privileges(connection: &mut PgConnection, target: &Target) -> Result<(), Failure> {
    let found = sqlx::query(MAY_READ).bind(&*target.schema).fetch_optional(connection).await?;
    let Some(row) = found else { return Ok(()) };
    let schema = quoted(&target.schema);
    if !row.try_get::<bool, _>(0)? {
        let object = format!("schema {schema}");
        return Err(unprivileged(target, "USAGE", &object, &format!("SCHEMA {schema}")).into());
    }
    match row.try_get::<Option<String>, _>(1)? {
        Some(table) => {
            let (object, all) =
                (format!("table {schema}.{table}"), format!("ALL TABLES IN SCHEMA {schema}"));
            Err(unprivileged(target, "SELECT", &object, &all).into())
        }
        None => Ok(()),
    }
}

/// Checks the server, and brings the tables to the version of this program.
pub(super) async fn prepare(connections: &Connections) -> Result<(), stepwright_core::StoreError> {
    let target = connections.target.clone();
    let work = async move |link: &mut Link, _| {
        let token = check(&mut link.connection, &target).await?;
        check_privileges(&mut link.connection, &target).await?;
        migrate(&mut link.connection, &target, MIGRATIONS).await?;
        Ok(token)
    };
    let token = connections.run("prepare", Server::Unknown, work).await?;
    connections.begin_tokens(token);
    Ok(())
}

/// Refuses a server that cannot hold a journal. Returns a random number.
async fn check(connection: &mut PgConnection, target: &Target) -> Result<i64, Failure> {
    let row = sqlx::query(
        "SELECT current_setting('server_encoding'), \
         current_setting('transaction_read_only') = 'on', (random() * 9e18)::bigint",
    )
    .fetch_one(connection)
    .await?;
    let spoken: String = row.try_get(0)?;
    if spoken != "UTF8" {
        return Err(encoding(target, &spoken).into());
    }
    if row.try_get(1)? {
        return Err(read_only(target).into());
    }
    Ok(row.try_get(2)?)
}

/// Brings the schema to the last of these versions. Several may do so at once.
async fn migrate(
    connection: &mut PgConnection,
    target: &Target,
    migrations: &[&'static str],
) -> Result<(), Failure> {
    // Without any lock: this is how it is nearly always.
    while version(connection, target, migrations.len()).await? < migrations.len() {
        let mut changes = connection.begin().await?;
        sqlx::query(LOCK).bind(&*target.schema).execute(&mut *changes).await?;
        changes.execute(LOCK_WAIT).await?;
        match step(&mut changes, target, migrations).await {
            Ok(()) => changes.commit().await?,
            // The connection is given to the next: nothing of this may be left on it.
            Err(failure) => {
                changes.rollback().await?;
                return Err(failure);
            }
        }
    }
    Ok(())
}

async fn step(
    connection: &mut PgConnection,
    target: &Target,
    migrations: &[&'static str],
) -> Result<(), Failure> {
    // Asked again: another process may have done it while this one waited for the lock.
    let version = version(connection, target, migrations.len()).await?;
    let Some(migration) = migrations.get(version) else { return Ok(()) };
    if version == 0 {
        // Asked first: who may use a schema need not be allowed to make one.
        let there = sqlx::query("SELECT FROM pg_namespace WHERE nspname = $1")
            .bind(&*target.schema)
            .fetch_optional(&mut *connection)
            .await?;
        if there.is_none() {
            let make = format!("CREATE SCHEMA {}", quoted(&target.schema));
            connection.execute(AssertSqlSafe(make)).await?;
        }
        connection.execute(MAKE).await?;
    }
    connection.execute(sqlx::raw_sql(*migration)).await?;
    let made = i64::try_from(version + 1).unwrap_or(i64::MAX);
    sqlx::query("INSERT INTO stepwright_migrations (version) VALUES ($1)")
        .bind(made)
        .execute(connection)
        .await?;
    Ok(())
}

/// Returns the version of the schema. Refuses a schema of another program or a newer version.
async fn version(
    connection: &mut PgConnection,
    target: &Target,
    known: usize,
) -> Result<usize, Failure> {
    let row = sqlx::query(LOOK).bind(&*target.schema).fetch_one(&mut *connection).await?;
    let (ours, others): (bool, bool) = (row.try_get(0)?, row.try_get(1)?);
    match (ours, others) {
        (false, false) => return Ok(0),
        (false, true) => return Err(foreign(target).into()),
        (true, _) => {}
    }
    let row = sqlx::query("SELECT coalesce(max(version), 0) FROM stepwright_migrations")
        .fetch_one(connection)
        .await?;
    let version: i64 = row.try_get(0)?;
    match usize::try_from(version) {
        Ok(version) if version <= known => Ok(version),
        _ => Err(newer(target, version, known).into()),
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::Postgres;
    use stepwright_core::journal::Append;
    use stepwright_core::store::RunStore as _;
    use stepwright_core::{ContainerKind, Decision, Event, EventKind, RunId, StepPath, Timestamp};
    use stepwright_testing::postgres;

    fn fact(sequence: u64) -> Append {
        let kind = match sequence {
            0 => serde_json::from_value(serde_json::json!({
                "event": "WorkflowStarted", "workflow_id": "w", "workflow_name": "W",
                "digest": "d1", "session_id": "s", "input": {"content": "in"},
            }))
            .expect("the beginning of a run"),
            _ => EventKind::ContainerStarted {
                kind: ContainerKind::Steps,
                decision: Decision::Count(1),
            },
        };
        let run = RunId::new("r").expect("an identifier");
        let (time, path) = (Timestamp(sequence), StepPath::root());
        let fact = Event { sequence, delta: 0, time, run: run.clone(), path, kind };
        Append { run, facts: vec![fact], close: None, driver: None }
    }

    /// As migrations are to be: what is new may be null.
    const LATER: [&str; 2] = [
        "ALTER TABLE journal ADD COLUMN note text; CREATE TABLE notes (id bigint PRIMARY KEY)",
        "ALTER TABLE runs ADD COLUMN place text DEFAULT 'nowhere'",
    ];

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_program_that_appends_goes_on_while_others_migrate() {
        let Some(server) = postgres::server() else { return };
        let address = server.database();
        let store = Postgres::connect(&address).await.unwrap();
        store.append(fact(0)).await.unwrap();
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let appending = {
            let store = store.clone();
            tokio::spawn(async move {
                let mut next = 1;
                while !*stopped.borrow() {
                    store.append(fact(next)).await.unwrap();
                    next += 1;
                }
                next
            })
        };

        // Four newer programs come at once.
        let newer = (0..4).map(|_| async {
            let migrations = [MIGRATIONS, &LATER[..]].concat();
            let connections = Connections::new(Postgres::options(&address).target().unwrap(), 1);
            let target = connections.target.clone();
            let work = async move |link: &mut Link, _| {
                migrate(&mut link.connection, &target, &migrations).await
            };
            connections.run("prepare", Server::Unknown, work).await
        });
        futures_util::future::try_join_all(newer).await.unwrap();
        let before = store.load(&RunId::new("r").unwrap(), 0, 100_000).await.unwrap().len() as u64;
        while store.load(&RunId::new("r").unwrap(), before, 1).await.unwrap().is_empty() {}
        stop.send(true).unwrap();
        let appended = appending.await.unwrap();
        let facts = store.load(&RunId::new("r").unwrap(), 0, 100_000).await.unwrap();
        assert_eq!(facts.len() as u64, appended);

        let database = address.rsplit('/').next().unwrap();
        let versions = "SELECT version FROM stepwright.stepwright_migrations ORDER BY version";
        let last = MIGRATIONS.len() + LATER.len();
        let all: Vec<String> = (1..=last).map(|version| version.to_string()).collect();
        assert_eq!(server.sql(database, versions), all.join("\n") + "\n");
        // The older program is not let in any more.
        let refused = Postgres::connect(&address).await.unwrap_err();
        assert!(refused.hint().unwrap().contains("use the newer program"), "{refused:?}");
    }

    #[tokio::test]
    async fn tables_of_the_first_version_are_brought_up_to_date() {
        let Some(server) = postgres::server() else { return };
        let address = server.database();
        let connections = Connections::new(Postgres::options(&address).target().unwrap(), 1);
        let target = connections.target.clone();
        let work = async move |link: &mut Link, _| {
            migrate(&mut link.connection, &target, &MIGRATIONS[..1]).await
        };
        connections.run("prepare", Server::Unknown, work).await.unwrap();
        // What a program of that version writes.
        let database = address.rsplit('/').next().unwrap();
        let body = serde_json::to_string(&fact(0).facts[0].kind).unwrap();
        for row in [
            "runs (run_id, session_id, workflow_id, digest, status, created_at, updated_at) \
             VALUES ('r', 's', 'w', 'd1', 'RUNNING', 0, 0)",
            "sessions (session_id, workflow_id, state, version, metrics, created_at, updated_at, \
             token) VALUES ('s', 'w', '{}', 0, '{}', 0, 0, 1)",
            &format!("journal VALUES (1, 0, 0, 1, '', '{body}')"),
        ] {
            server.sql(database, &format!("INSERT INTO stepwright.{row}"));
        }

        let store = Postgres::connect(&address).await.unwrap();
        let run = RunId::new("r").unwrap();
        let row = store.run(&run).await.unwrap().unwrap();
        assert_eq!((row.wake_at, row.background, row.driver), (None, false, None));
        store.append(fact(1)).await.unwrap();
        let facts = store.load(&run, 0, 9).await.unwrap();
        assert_eq!(facts, [fact(0).facts, fact(1).facts].concat());
    }

    #[tokio::test]
    async fn a_migration_that_fails_leaves_nothing() {
        let Some(server) = postgres::server() else { return };
        let address = server.database();
        let connections = Connections::new(Postgres::options(&address).target().unwrap(), 1);
        let target = connections.target.clone();
        let work = async move |link: &mut Link, _| {
            let broken = [MIGRATIONS, &["CREATE TABLE notes (id bigint); SELECT 1 / 0"]].concat();
            migrate(&mut link.connection, &target, &broken).await
        };
        let failed = connections.run("prepare", Server::Unknown, work).await.unwrap_err();
        assert!(failed.to_string().starts_with("cannot prepare the database"), "{failed}");
        let database = address.rsplit('/').next().unwrap();
        let notes = "SELECT to_regclass('stepwright.notes') IS NULL";
        assert_eq!(server.sql(database, notes), "t\n");
        // What came before it stays, and is enough for a program that wants no more.
        Postgres::connect(&address).await.unwrap();
    }
}
