//! Databases that programs of every format wrote: they open, and have what was written.
//!
//! The fixtures are named after the version of their tables. The first version has none: its tables
//! are made where they are tested.

use crate::support::{answer, completed, facts, id, start, steps};
use stepwright_core::event::Reply;
use stepwright_core::store::{MemoryChange, MemoryFilter, MemoryUpdate, RunFilter, SignalKind};
use stepwright_core::{Answer, Event, EventKind, RunStatus, Store, Timestamp, UserId};

/// Without the first two, which have no chain hashes in PostgreSQL.
#[cfg(all(unix, feature = "postgres"))]
const CHAINED_FROM: u32 = 4;

/// The first format with memories of users.
const REMEMBERS_FROM: u32 = 8;

/// The first format with metrics in the rows of runs.
const MEASURES_FROM: u32 = 9;

fn remembered(user: UserId, id: &str, memory: &str) -> MemoryUpdate {
    let add = MemoryChange::Add {
        memory_id: id.into(),
        memory: memory.into(),
        topics: vec!["places".into()],
    };
    MemoryUpdate::new(user, vec![add], Timestamp(1_780_000_000_000))
}

/// The facts of the fixtures' first run.
fn first_run() -> Vec<Event> {
    let text = "a text that is long enough to be written once. ".repeat(9);
    let step = EventKind::StepCancelled { partial: text.as_str().into() };
    let large = EventKind::StepCancelled { partial: "large ".repeat(60_000).as_str().into() };
    let kinds = vec![start(), steps(1), step.clone(), step, large, completed(&text)];
    facts("r", 0, kinds).facts
}

/// Checks what the program that wrote a fixture has written. `chained` if the facts are linked.
async fn check(store: &dyn Store, format: u32, chained: bool) {
    assert_eq!(store.load(&id("r"), 0, 99).await.unwrap(), first_run());
    assert_eq!(store.load(&id("r"), 3, 1).await.unwrap(), first_run()[3..4]);
    let runs = store.runs(RunFilter::default()).await.unwrap();
    let found: Vec<_> = runs.iter().map(|row| (row.run_id.as_str(), row.status)).collect();
    let wanted =
        [("r3", RunStatus::Running), ("r2", RunStatus::Paused), ("r", RunStatus::Completed)];
    assert_eq!(found, wanted);
    assert_eq!(runs[0].driver.as_deref(), Some("host:1"));
    let measured = runs.iter().map(|row| row.metrics.map(|metrics| metrics.steps));
    let wanted = [None, None, (format >= MEASURES_FROM).then_some(2)];
    assert!(measured.eq(wanted), "{format}");
    let session = store.session(&"s".parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(session.name.as_deref(), Some("Bridges"));
    assert_eq!((session.state["seen"].as_i64(), session.metrics.runs), (Some(1), 1));
    let inbox = store.inbox(&id("r2")).await.unwrap();
    assert_eq!(inbox, [answer("r2", "a")]);
    let approves = |reply: &Reply| matches!(reply.answer, Answer::Approve);
    assert!(matches!(&inbox[0].kind, SignalKind::Answer(reply) if approves(reply)));
    assert_eq!(store.plan("d1").await.unwrap().as_deref(), Some(r#"{"steps": []}"#));
    for (run, facts) in [("r", 6), ("r2", 2), ("r3", 1)] {
        let verified = store.verify(&id(run)).await.unwrap();
        assert_eq!((verified.facts, verified.is_chained()), (facts, chained), "{run}");
        assert_eq!(verified.head.is_some(), chained, "{run}");
    }

    let ada: UserId = "ada".parse().unwrap();
    let memories = store.memories(MemoryFilter::of(ada.clone())).await.unwrap();
    let found: Vec<_> = memories.iter().map(|it| (&*it.memory_id, &*it.memory)).collect();
    let wanted: &[_] = if format >= REMEMBERS_FROM { &[("m-1", "Likes bridges.")] } else { &[] };
    assert_eq!(found, wanted, "{format}");
    store.update_memories(remembered(ada, "m-2", "Likes boats.")).await.unwrap();

    // And it goes on: what is appended now is linked.
    store.append(facts("r3", 1, vec![steps(1), completed("done")])).await.unwrap();
    let verified = store.verify(&id("r3")).await.unwrap();
    assert_eq!((verified.facts, verified.chained), (3, if chained { 3 } else { 2 }));
    assert!(store.delete_session(&"s".parse().unwrap()).await.unwrap());
    assert!(store.runs(RunFilter::default()).await.unwrap().is_empty());
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn sqlite_files_of_every_format_open_and_have_what_was_written() {
    for format in [2, 3, 4, 5, 6, 7, 8, 9] {
        let fixture = format!("{}/tests/fixtures/format-{format}.db", env!("CARGO_MANIFEST_DIR"));
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.db");
        std::fs::copy(&fixture, &path).unwrap_or_else(|error| panic!("{fixture}: {error}"));
        let version = |path: &std::path::Path| {
            let file = rusqlite::Connection::open(path).unwrap();
            file.pragma_query_value(None, "user_version", |row| row.get::<_, u32>(0)).unwrap()
        };
        assert_eq!(version(&path), format, "the fixture is not of its format");
        let store = stepwright_store::Sqlite::open(&path).await.unwrap();
        check(&store, format, true).await;
        drop(store);
        assert_eq!(version(&path), 9);
    }
}

#[cfg(all(unix, feature = "postgres"))]
#[tokio::test]
async fn postgresql_dumps_of_every_format_open_and_have_what_was_written() {
    let Some(server) = stepwright_testing::postgres::server() else { return };
    for format in [2, 3, 4, 5, 6, 7, 8, 9] {
        let fixture = format!("{}/tests/fixtures/format-{format}.sql", env!("CARGO_MANIFEST_DIR"));
        let dump = std::fs::read_to_string(&fixture).unwrap();
        let statements: Vec<&str> =
            dump.lines().filter(|line| !line.is_empty() && !line.starts_with("--")).collect();
        let address = server.database();
        let database = address.rsplit('/').next().unwrap();
        server.sql(database, &statements.join(" "));
        let versions = "SELECT max(version) FROM stepwright.stepwright_migrations";
        assert_eq!(server.sql(database, versions), format!("{format}\n"));
        let store = stepwright_store::Postgres::connect(&address).await.unwrap();
        check(&store, format, format >= CHAINED_FROM).await;
        assert_eq!(server.sql(database, versions), "9\n");
    }
}

/// Writes the fixtures of the format that this program writes: `cargo test -p stepwright-store
/// --all-features -- --ignored the_fixtures_of_this_format`. Only for a new format.
#[cfg(all(unix, feature = "postgres", feature = "sqlite"))]
#[tokio::test]
#[ignore = "writes into the source tree"]
async fn the_fixtures_of_this_format_are_written() {
    use stepwright_core::journal::SessionClose;
    use stepwright_core::{Metrics, Patch};

    async fn write(store: &dyn Store) {
        let mut begin = facts("r", 0, vec![]);
        begin.facts = first_run();
        let last = begin.facts.pop().unwrap();
        store.append(begin).await.unwrap();
        let mut end = facts("r", 0, vec![]);
        end.facts = vec![last];
        let patches = vec![Patch::set("seen", 1)];
        let run = Some(Metrics { steps: 2, ..Metrics::default() });
        end.close = Some(SessionClose { patches, run, ..SessionClose::default() });
        store.append(end).await.unwrap();
        let paused = vec![start(), EventKind::WorkflowPaused { until: None }];
        let driver = Some("host:1".into());
        let mut append = facts("r2", 0, paused);
        append.driver.clone_from(&driver);
        store.append(append).await.unwrap();
        store.submit(answer("r2", "a")).await.unwrap();
        let mut append = facts("r3", 0, vec![start()]);
        append.driver = driver;
        store.append(append).await.unwrap();
        let (session, now) = ("s".parse().unwrap(), Timestamp(1_780_000_000_009));
        store.rename_session(&session, "Bridges", now).await.unwrap();
        store.remember_plan("d1", r#"{"steps": []}"#).await.unwrap();
        let ada = "ada".parse().unwrap();
        store.update_memories(remembered(ada, "m-1", "Likes bridges.")).await.unwrap();
        store.heartbeat("host:1", Timestamp(1_780_000_000_000)).await.unwrap();
    }

    let fixture = format!("{}/tests/fixtures/format-9", env!("CARGO_MANIFEST_DIR"));
    let _ = std::fs::remove_file(format!("{fixture}.db"));
    write(&stepwright_store::Sqlite::open(format!("{fixture}.db")).await.unwrap()).await;
    let server = stepwright_testing::postgres::server().expect("a server");
    let address = server.database();
    write(&stepwright_store::Postgres::connect(&address).await.unwrap()).await;
    let dump = std::process::Command::new("pg_dump")
        .args(["--schema=stepwright", "--inserts", "--no-owner", "--no-privileges", &address])
        .output()
        .unwrap();
    assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
    let text = String::from_utf8(dump.stdout).unwrap();
    // Commands of `psql`, which older ones do not know.
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('\\')).collect();
    std::fs::write(format!("{fixture}.sql"), lines.join("\n") + "\n").unwrap();
}
