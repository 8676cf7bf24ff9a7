//! Questions to databases, and the statements that the databases refuse.

use crate::call;
use rusqlite::Connection;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::time::Duration;
use stepwright_core::message::ToolOutcome;
use stepwright_testing::postgres;
use stepwright_tools::Sql;

async fn query(kit: Sql, sql: &str) -> ToolOutcome {
    call(kit, "sql_query", json!({ "query": sql })).await
}

fn sales(dir: &Path) -> std::path::PathBuf {
    let file = dir.join("sales.db");
    let database = Connection::open(&file).unwrap();
    database
        .execute_batch(
            "CREATE TABLE sales (city TEXT, eur REAL, note BLOB); CREATE INDEX i ON sales (eur);
             INSERT INTO sales VALUES ('Bergen', 10.5, x'00ff'), ('Oslo', 20, NULL);
             INSERT INTO sales VALUES ('Voss', 3, NULL);",
        )
        .unwrap();
    file
}

#[tokio::test]
async fn sqlite_answers_with_rows_and_no_more_than_allowed() {
    let dir = tempfile::tempdir().unwrap();
    let file = sales(dir.path());
    let told =
        query(Sql::sqlite(&file), "SELECT city, eur AS e, note FROM sales WHERE eur > 5;").await;
    let rows = "{\"city\":\"Bergen\",\"e\":10.5,\"note\":\"[2 bytes]\"}\n\
                {\"city\":\"Oslo\",\"e\":20.0,\"note\":null}";
    assert_eq!((told.text.as_str(), told.is_error), (rows, false));
    let told = query(Sql::sqlite(&file).rows(2), "SELECT city FROM sales ORDER BY city").await;
    assert!(told.text.contains("[these are the first 2 rows;"), "{}", told.text);
    assert!(!told.text.contains("Voss"), "{}", told.text);
    let told = call(Sql::sqlite(&file), "sql_schema", json!({})).await;
    assert!(told.text.contains("CREATE TABLE sales"), "{}", told.text);
    let told = query(Sql::sqlite(&file), "SELECT nada FROM sales").await;
    assert!(told.is_error && told.text.contains("no such column: nada"), "{}", told.text);
    let told = query(Sql::sqlite(&file), "PRAGMA table_info(sales)").await;
    assert!(!told.is_error && told.text.contains("eur"), "{}", told.text);
    let long =
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
    let told = query(Sql::sqlite(&file).timeout(Duration::from_millis(100)), long).await;
    assert!(told.is_error && told.text.contains("took longer than 100ms"), "{}", told.text);
    let wide = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 9000) \
                SELECT i, hex(zeroblob(4000)) AS x FROM n";
    let told = query(Sql::sqlite(&file).rows(9000), wide).await;
    assert!(told.text.len() < 210_000 && told.text.contains("more rows are left out after"));
}

/// Each way to write, or to reach another file.
#[tokio::test]
async fn sqlite_refuses_everything_that_does_not_only_read() {
    let dir = tempfile::tempdir().unwrap();
    let file = sales(dir.path());
    let other = dir.path().join("other.db");
    Connection::open(&other)
        .unwrap()
        .execute_batch("CREATE TABLE s (x); INSERT INTO s VALUES ('secret')")
        .unwrap();
    let new = dir.path().join("new.db");
    let (other, made) = (other.display().to_string(), new.display().to_string());
    let before = fs::read(&file).unwrap();
    for sql in [
        "INSERT INTO sales VALUES ('x', 1, NULL)".to_owned(),
        "UPDATE sales SET eur = 0".into(),
        "DELETE FROM sales".into(),
        "DELETE FROM sales RETURNING city".into(),
        "WITH gone AS (SELECT 1) DELETE FROM sales".into(),
        "REPLACE INTO sales VALUES ('x', 1, NULL)".into(),
        "DROP TABLE sales".into(),
        "CREATE TABLE x (a)".into(),
        "CREATE TEMP TABLE x (a)".into(),
        "CREATE VIRTUAL TABLE x USING fts5(a)".into(),
        "CREATE TRIGGER t AFTER INSERT ON sales BEGIN DELETE FROM sales; END".into(),
        "ALTER TABLE sales RENAME TO x".into(),
        "SELECT 1; DELETE FROM sales".into(),
        "SELECT 1 -- \n; DROP TABLE sales".into(),
        "/* SELECT */ DELETE FROM sales".into(),
        "EXPLAIN SELECT 1; DELETE FROM sales".into(),
        "VACUUM".into(),
        format!("VACUUM INTO '{made}'"),
        format!("ATTACH DATABASE '{other}' AS other"),
        format!("ATTACH DATABASE 'file:{other}?mode=rwc' AS other"),
        "PRAGMA query_only = OFF".into(),
        "PRAGMA writable_schema = ON".into(),
        "PRAGMA journal_mode = WAL".into(),
        "PRAGMA user_version = 7".into(),
        "BEGIN IMMEDIATE".into(),
        "SAVEPOINT x".into(),
        "REINDEX".into(),
        "ANALYZE".into(),
        "SELECT load_extension('/tmp/evil.so')".into(),
        "SELECT writefile('/tmp/x', 'y')".into(),
    ] {
        let told = query(Sql::sqlite(&file), &sql).await;
        assert!(told.is_error, "{sql}: {}", told.text);
        assert!(!told.text.contains("secret"), "{sql}: {}", told.text);
    }
    assert_eq!(fs::read(&file).unwrap(), before);
    assert!(!new.exists());
    let told = query(Sql::sqlite(&file), "DELETE FROM sales").await;
    assert!(told.text.starts_with("the database refuses this statement"), "{}", told.text);
    // A file that does not exist is not created.
    let told = query(Sql::sqlite(dir.path().join("none.db")), "SELECT 1").await;
    assert!(told.is_error && told.text.contains("cannot be opened"), "{}", told.text);
    assert!(!dir.path().join("none.db").exists());
}

#[tokio::test]
async fn sqlite_is_changed_only_where_that_is_allowed_and_no_other_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = sales(dir.path());
    let kit = || Sql::sqlite(&file).write(true);
    let execute = async |sql: String| call(kit(), "sql_execute", json!({ "statement": sql })).await;
    let told = execute("UPDATE sales SET eur = 1 WHERE city LIKE '%o%'".into()).await;
    assert_eq!((told.text.as_str(), told.is_error), (r#"{"rows_changed":2}"#, false));
    let told = execute("SELECT 1".into()).await;
    assert!(told.is_error && told.text.contains("use `sql_query`"), "{}", told.text);
    let made = dir.path().join("new.db");
    for sql in [
        format!("ATTACH DATABASE '{}' AS x", made.display()),
        format!("VACUUM INTO '{}'", made.display()),
        "DELETE FROM sales; DROP TABLE sales".to_owned(),
        "BEGIN".into(),
    ] {
        let told = execute(sql.clone()).await;
        assert!(told.is_error, "{sql}: {}", told.text);
    }
    assert!(!made.exists());
    // With the setting a query still only reads.
    let told = query(kit(), "DELETE FROM sales").await;
    assert!(told.is_error, "{}", told.text);
    let told = query(kit(), "SELECT count(*) AS n FROM sales").await;
    assert_eq!(told.text, r#"{"n":3}"#);
    let told =
        call(Sql::sqlite(&file), "sql_execute", json!({"statement": "DELETE FROM sales"})).await;
    assert!(told.text.contains("there is no tool `sql_execute`"), "{}", told.text);
}

#[tokio::test]
async fn postgres_answers_in_a_transaction_that_only_reads() {
    let Some(server) = postgres::server() else {
        assert!(std::env::var_os("STEPWRIGHT_TEST_POSTGRES").is_none());
        return;
    };
    let database = server.database();
    server.sql(
        &database,
        "CREATE TABLE sales (city text, eur numeric); INSERT INTO sales VALUES \
        ('Bergen', 10.5), ('Oslo', 20); CREATE SEQUENCE s;",
    );
    // The role may change the table: it is the transaction that keeps it from that.
    server.sql(
        &database,
        "CREATE ROLE reader LOGIN PASSWORD 'reads'; GRANT ALL ON sales, s TO reader; GRANT ALL ON \
         SCHEMA public TO reader;",
    );
    let as_reader = database.replace("postgres:secret@", "reader:reads@");
    assert_ne!(as_reader, database);
    let kit = || Sql::postgres(&as_reader);
    let told = query(kit(), "SELECT city, eur FROM sales ORDER BY city; -- all").await;
    let rows = "{\"city\":\"Bergen\",\"eur\":10.5}\n{\"city\":\"Oslo\",\"eur\":20}";
    let told_rows = query(kit(), "SELECT city, eur FROM sales ORDER BY city;").await;
    assert_eq!((told_rows.text.as_str(), told_rows.is_error), (rows, false), "{}", told.text);
    let told = query(kit().rows(1), "TABLE sales").await;
    assert!(told.text.contains("[these are the first 1 rows;"), "{}", told.text);
    let told = call(kit(), "sql_schema", json!({})).await;
    assert!(told.text.contains("city text, eur numeric"), "{}", told.text);
    for sql in [
        "INSERT INTO sales VALUES ('x', 1)",
        "DELETE FROM sales",
        "DELETE FROM sales RETURNING *",
        "WITH gone AS (DELETE FROM sales RETURNING *) SELECT * FROM gone",
        "SELECT 1) AS x; DELETE FROM sales; SELECT (1",
        "SELECT 1; DELETE FROM sales",
        "SELECT * INTO copied FROM sales",
        "SELECT * FROM sales FOR UPDATE",
        "COMMIT",
        "SELECT set_config('transaction_read_only', 'off', true)",
        "SELECT nextval('s')",
        "SET TRANSACTION READ WRITE",
        "DROP TABLE sales",
        "COPY sales TO PROGRAM 'cat > /tmp/x'",
        "COPY sales TO '/tmp/x'",
        "DO $$ BEGIN DELETE FROM sales; END $$",
        "SELECT pg_read_file('/etc/passwd')",
        "VACUUM",
        "LOCK TABLE sales",
    ] {
        let told = query(kit(), sql).await;
        assert!(told.is_error, "{sql}: {}", told.text);
    }
    // Some functions write in a transaction that only reads, depending on the version of the
    // server. Its end takes that back.
    query(kit(), "SELECT lo_create(0)").await;
    let kept = server.sql(&database, "SELECT count(*) FROM pg_largeobject_metadata");
    assert_eq!(kept.trim(), "0");
    let told = query(kit(), "SELECT nextval('s')").await;
    assert!(told.text.starts_with("the database refuses this statement"), "{}", told.text);
    let told = query(kit().timeout(Duration::from_millis(200)), "SELECT pg_sleep(60)").await;
    assert!(told.is_error, "{}", told.text);
    assert_eq!(query(kit(), "SELECT count(*) AS n FROM sales").await.text, r#"{"n":2}"#);
    // A superuser would reach files and programs of the server.
    let told = query(Sql::postgres(&database), "SELECT 1").await;
    assert!(told.is_error && told.text.contains("is a superuser"), "{}", told.text);
    // Where that is allowed, one statement changes data.
    let statement: Value = json!({"statement": "UPDATE sales SET eur = 1"});
    let told = call(kit().write(true), "sql_execute", statement).await;
    assert_eq!(told.text, r#"{"rows_changed":2}"#);
    let both = json!({"statement": "DELETE FROM sales; SELECT 1"});
    assert!(call(kit().write(true), "sql_execute", both).await.is_error);
}

#[test]
fn wrong_settings_are_mistakes() {
    use stepwright_agent::Agent;
    for (kit, told) in [
        (Sql::sqlite("x").rows(0), "`rows` is 0"),
        (Sql::sqlite("x").rows(10_001), "`rows` is 10001"),
        (Sql::sqlite("x").timeout(Duration::ZERO), "`timeout` must be greater than zero"),
        (Sql::sqlite(""), "the file of the database is empty"),
        (
            Sql::postgres("mysql://u:hunter2@x/y"),
            "the address of the PostgreSQL database is not valid",
        ),
    ] {
        assert!(!format!("{kit:?}").contains("hunter2"));
        let agent = Agent::builder("A").model("offline").unwrap().tool(kit).build();
        let error = agent.unwrap_err().to_string();
        assert!(error.contains(told) && !error.contains("hunter2"), "{error}");
    }
}
