//! Error messages when the server, the address or the database has trouble.

use crate::support::{facts, id, start, steps};
use sqlx::{Connection, Executor, PgConnection};
use std::error::Error as _;
use std::time::Duration;
use stepwright_core::StoreError;
use stepwright_core::store::{RunFilter, RunStore as _, SessionStore as _};
use stepwright_store::{Postgres, PostgresOptions};
use stepwright_testing::postgres;

/// The attempt, the answer of the server, and the advice. Never a password.
fn told(error: &StoreError) -> String {
    assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
    assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    let source = error.source().map(ToString::to_string).unwrap_or_default();
    format!("{error}\n{source}\n{}", error.hint().unwrap_or_default())
}

async fn refusal(options: PostgresOptions) -> String {
    let options = options.retry_for(Duration::from_millis(100));
    assert!(!format!("{options:?}").contains("secret"), "{options:?}");
    told(&options.connect().await.expect_err("no user is let in"))
}

/// Host, port and database of an address.
fn shown(address: &str) -> &str {
    address.rsplit('@').next().unwrap()
}

fn database(address: &str) -> &str {
    address.rsplit('/').next().unwrap()
}

#[tokio::test]
async fn a_wrong_password_is_told_without_it() {
    let Some(server) = postgres::server() else { return };
    let address = server.database();
    let told = refusal(Postgres::options(address.replace("secret", "secretive"))).await;
    assert_eq!(
        told,
        format!(
            "cannot connect to the database `{}`\n\
             password authentication failed for user \"postgres\" (SQLSTATE 28P01)\n\
             check user `postgres` and its password in the address, and who may connect from here \
             in `pg_hba.conf` of the server",
            shown(&address)
        )
    );
    let store = Postgres::connect(&address).await.unwrap();
    assert_eq!(store.address(), shown(&address));
    assert!(!format!("{store:?}").contains("secret"));
}

#[tokio::test]
async fn a_missing_database_is_named() {
    let Some(server) = postgres::server() else { return };
    let told = refusal(Postgres::options(server.address("nowhere"))).await;
    assert_eq!(
        told,
        format!(
            "cannot connect to the database `127.0.0.1:{}/nowhere`\n\
             database \"nowhere\" does not exist (SQLSTATE 3D000)\n\
             create the database: `createdb nowhere`, or name another one",
            server.port()
        )
    );
}

#[tokio::test]
async fn who_may_not_make_tables_is_told_what_an_administrator_must_do() {
    let Some(server) = postgres::server() else { return };
    let address = server.database();
    let name = database(&address);
    server.sql(name, &format!("CREATE ROLE guest_{name} LOGIN PASSWORD 'secret'"));
    let guest = address.replace("postgres:secret", &format!("guest_{name}:secret"));
    assert_eq!(
        refusal(Postgres::options(&guest)).await,
        format!(
            "cannot prepare the database `{}`\n\
             permission denied for database {name} (SQLSTATE 42501)\n\
             let an administrator run `CREATE SCHEMA IF NOT EXISTS \"stepwright\" AUTHORIZATION \
             \"guest_{name}\"` in \"{name}\", or `GRANT CREATE ON DATABASE \"{name}\" TO \
             \"guest_{name}\"`",
            shown(&address)
        )
    );
    // And that it is enough.
    let advice = format!("CREATE SCHEMA IF NOT EXISTS stepwright AUTHORIZATION guest_{name}");
    server.sql(name, &advice);
    let store = Postgres::connect(&guest).await.unwrap();
    store.append(facts("r", 0, vec![start()])).await.unwrap();
}

/// The statement that the advice tells the owner to run: it is in backticks.
fn advised(told: &str) -> &str {
    told.split('`').nth(3).unwrap()
}

#[tokio::test]
async fn a_missing_privilege_is_told_with_the_grant_that_gives_it() {
    let Some(server) = postgres::server() else { return };
    let address = server.database();
    let name = database(&address);
    let owner = Postgres::connect(&address).await.unwrap();
    owner.append(facts("r", 0, vec![start()])).await.unwrap();
    server.sql(name, &format!("CREATE ROLE reader_{name} LOGIN PASSWORD 'secret'"));
    let guest = address.replace("postgres:secret", &format!("reader_{name}:secret"));

    // The server itself would say that the tables do not exist.
    let told = refusal(Postgres::options(&guest)).await;
    assert!(told.contains("lacks the privilege USAGE on schema \"stepwright\""), "{told}");
    server.sql(name, advised(&told));
    let told = refusal(Postgres::options(&guest)).await;
    assert!(told.contains("lacks the privilege SELECT on table \"stepwright\".blobs"), "{told}");
    server.sql(name, advised(&told));
    // Reading needs no more.
    let store = Postgres::connect(&guest).await.unwrap();
    assert_eq!(store.load(&id("r"), 0, 9).await.unwrap().len(), 1);
    let error = store.append(facts("r", 1, vec![steps(1)])).await.unwrap_err();
    assert_eq!(error.id(), stepwright_core::ErrorId::DATABASE_FORBIDDEN);
    let told = self::told(&error);
    assert!(told.contains("permission denied for table"), "{told}");
    server.sql(name, advised(&told));
    store.append(facts("r", 1, vec![steps(1)])).await.unwrap();
}

#[tokio::test]
async fn a_lazy_store_connects_when_the_server_is_there() {
    let Some(server) = postgres::server() else { return };
    assert!(Postgres::options("postgres://:port").lazy().is_err(), "the address is read at once");
    let nowhere = Postgres::options("postgres://u:secret@127.0.0.1:1/d");
    let store = nowhere.retry_for(Duration::ZERO).lazy().unwrap();
    for _ in 0..2 {
        assert!(told(&store.run(&id("r")).await.unwrap_err()).contains("127.0.0.1:1/d"));
    }
    let store = Postgres::options(server.database()).lazy().unwrap();
    let appends = (0..8).map(|n| store.append(facts(&format!("r-{n}"), 0, vec![start()])));
    futures_util::future::try_join_all(appends).await.unwrap();
    assert_eq!(store.clone().runs(RunFilter::default()).await.unwrap().len(), 8);
}

#[tokio::test]
async fn a_database_for_which_there_are_too_many_is_waited_for_and_told() {
    let Some(server) = postgres::server() else { return };
    let address = server.database();
    let name = database(&address);
    server
        .sql(name, &format!("CREATE ROLE only_{name} LOGIN PASSWORD 'secret' CONNECTION LIMIT 0"));
    let options =
        Postgres::options(address.replace("postgres:secret", &format!("only_{name}:secret")));
    let told = refusal(options).await;
    assert!(told.contains("(SQLSTATE 53300)\nraise `max_connections` of the server"), "{told}");
}

#[tokio::test]
async fn tables_of_another_program_stay_as_they_are() {
    let Some(server) = postgres::server() else { return };
    let address = server.database();
    let name = database(&address);
    server.sql(name, "CREATE TABLE public.runs (x int)");
    assert_eq!(
        refusal(Postgres::options(&address).schema("public")).await,
        format!(
            "cannot use the database `{}`\n\
             its schema `public` holds tables of another program\n\
             choose another `schema`: a store has one of its own",
            shown(&address)
        )
    );
    let tables = "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'";
    assert_eq!(server.sql(name, tables), "runs\n");
}

#[tokio::test]
async fn tables_of_a_newer_version_are_refused() {
    let Some(server) = postgres::server() else { return };
    let address = server.database();
    Postgres::connect(&address).await.unwrap();
    let newer = "INSERT INTO stepwright.stepwright_migrations (version) VALUES (10)";
    server.sql(database(&address), newer);
    assert_eq!(
        refusal(Postgres::options(&address)).await,
        format!(
            "cannot use the database `{}`\n\
             its tables are of version 10, and this program knows 9\n\
             use the newer program that made them, or choose another `schema` or database",
            shown(&address)
        )
    );
}

#[tokio::test]
async fn a_database_that_cannot_hold_every_text_is_refused() {
    let Some(server) = postgres::server() else { return };
    server.sql("postgres", "CREATE DATABASE latin ENCODING LATIN1 TEMPLATE template0");
    let told = refusal(Postgres::options(server.address("latin"))).await;
    assert!(told.contains("its encoding is LATIN1, which cannot hold every text"), "{told}");
}

#[tokio::test]
async fn a_server_that_only_reads_is_refused() {
    let Some(server) = postgres::server() else { return };
    let address = server.database();
    let name = database(&address);
    server.sql(name, &format!("ALTER DATABASE {name} SET default_transaction_read_only TO on"));
    let told = refusal(Postgres::options(&address)).await;
    assert!(told.contains("the server only reads\nconnect to the primary"), "{told}");
}

#[tokio::test]
async fn an_encrypted_connection_that_there_is_not_is_told() {
    let Some(server) = postgres::server() else { return };
    let address = format!("{}?sslmode=require", server.database());
    let told = refusal(Postgres::options(&address)).await;
    assert!(told.contains("server does not support TLS\ncheck `sslmode`"), "{told}");
}

#[tokio::test]
async fn a_name_that_no_schema_can_have_is_refused() {
    for name in ["", "a\nb", "pg_mine", &"x".repeat(64)] {
        let options = Postgres::options("postgres://u:secret@127.0.0.1:1/d").schema(name);
        let told = refusal(options).await;
        assert!(told.contains("cannot be the name of a schema\n"), "{told}");
    }
}

#[tokio::test]
async fn a_lock_that_stays_is_told() {
    let Some(server) = postgres::server() else { return };
    let address = server.database();
    // The tables are made without so short a time, which a busy machine may need.
    Postgres::connect(&address).await.unwrap();
    let options = Postgres::options(&address).statement_timeout(Duration::from_millis(50));
    let store = options.connect().await.unwrap();
    store.append(facts("r", 0, vec![start()])).await.unwrap();
    let mut admin = PgConnection::connect(&address).await.unwrap();
    let mut lock = admin.begin().await.unwrap();
    lock.execute("LOCK TABLE stepwright.journal IN SHARE MODE").await.unwrap();
    let error = store.append(facts("r", 1, vec![steps(1)])).await.unwrap_err();
    assert_eq!(
        told(&error),
        format!(
            "cannot write to the database `{}`\n\
             canceling statement due to statement timeout (SQLSTATE 57014)\n\
             raise `statement_timeout` of the store if the server needs so long, then resume the \
             run",
            shown(&address)
        )
    );
    lock.commit().await.unwrap();
    store.append(facts("r", 1, vec![steps(1)])).await.unwrap();
}

#[tokio::test]
async fn damaged_facts_and_rows_are_named() {
    let Some(server) = postgres::server() else { return };
    let address = server.database();
    let store = Postgres::connect(&address).await.unwrap();
    store.append(facts("r", 0, vec![start(), steps(1), steps(2), steps(3)])).await.unwrap();
    let vandal = |statement: &str| server.sql(database(&address), statement);

    vandal("UPDATE stepwright.journal SET body = '{\"event\":\"Ste' WHERE seq = 2");
    let error = store.load(&id("r"), 0, 9).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the journal of run `r` is damaged at fact 2 (`facts/web`): its checksum does not match: \
         it is not as it was written"
    );
    vandal("DELETE FROM stepwright.journal WHERE seq = 2");
    let error = store.load(&id("r"), 0, 9).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the journal of run `r` is damaged at fact 2: it is missing, 3 follows"
    );
    // The facts before the damage can be read.
    assert_eq!(store.load(&id("r"), 0, 2).await.unwrap().len(), 2);

    vandal("UPDATE stepwright.runs SET status = 'FINE'");
    let error = store.run(&id("r")).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the journal of run `r` is damaged at fact 0: in its row of `runs`: its checksum does not \
         match: it is not as it was written"
    );
    vandal("UPDATE stepwright.sessions SET state = '[]'");
    let error = store.session(&"s".parse().unwrap()).await.unwrap_err();
    assert_eq!(error.to_string(), "what is stored of session `s` is damaged");
    vandal("DROP SCHEMA stepwright CASCADE");
    let told = told(&store.run(&id("r")).await.unwrap_err());
    assert!(told.contains("the tables in schema `stepwright` are gone"), "{told}");
}
