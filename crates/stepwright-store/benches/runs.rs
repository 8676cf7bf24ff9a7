//! The cost of a store in a run of three steps in SQLite: the calls that the engine makes for such
//! a run, each run followed at once by the bare inserts of its rows in the same four transactions.
//! `cargo bench -p stepwright-store --bench runs`.

#![expect(clippy::print_stdout, reason = "a benchmark prints its results")]

use rusqlite::Connection;
use serde_json::json;
use std::time::{Duration, Instant};
use stepwright_core::journal::{Append, SessionClose};
use stepwright_core::{AnyStore, Event, EventKind, RunId, SessionId, StepPath, Timestamp};
use stepwright_store::{Durability, Sqlite};

/// The number of runs that are measured, each with its bare inserts.
const PAIRS: u32 = 1_000;

/// The facts of each of the four appends of a run.
fn appends() -> [Vec<(EventKind, &'static str)>; 4] {
    let kind = |value| serde_json::from_value(value).expect("an event");
    let step = |n: usize| {
        let started = json!({"event": "StepStarted", "executor_type": "function",
            "executor_name": "pass"});
        (kind(started), ["s0", "s1", "s2"][n])
    };
    let done = |n: usize| {
        let done = json!({"event": "StepCompleted", "output": {"content": "in"}});
        (kind(done), ["s0", "s1", "s2"][n])
    };
    let start = json!({"event": "WorkflowStarted", "workflow_id": "chain",
        "workflow_name": "chain", "digest": "d".repeat(64), "session_id": "s",
        "input": {"content": "in"}});
    let end = (EventKind::WorkflowCompleted { content: "in".into(), stopped_at: None }, "");
    [
        vec![(kind(start), ""), step(0)],
        vec![done(0), step(1)],
        vec![done(1), step(2)],
        vec![done(2), end],
    ]
}

/// The appends of one run.
fn run(nth: u32) -> Vec<Append> {
    let run = RunId::new(format!("01a2b3c4-d5e6-7f80-9a1b-{nth:012x}")).expect("an identifier");
    let mut next = 0;
    let append = |(at, kinds): (usize, Vec<(EventKind, &str)>)| {
        let facts = kinds.into_iter().map(|(kind, path)| {
            let (sequence, time) = (next, Timestamp(1_780_000_000_000 + next));
            next += 1;
            let path = if path.is_empty() { StepPath::root() } else { StepPath::from(path) };
            Event { sequence, delta: 0, time, run: run.clone(), path, kind }
        });
        Append {
            run: run.clone(),
            facts: facts.collect(),
            close: (at == 3).then(SessionClose::default),
            driver: Some("host:4711:2a".into()),
        }
    };
    appends().into_iter().enumerate().map(append).collect()
}

async fn ours(store: &AnyStore, session: &SessionId, appends: Vec<Append>) {
    store.session(session).await.expect("it reads");
    for append in appends {
        store.append(append).await.expect("it appends");
    }
}

/// The same rows, with values that were computed before.
fn bare(bare: &Connection, nth: u32, appends: &[Vec<(String, String)>]) {
    let execute = |sql: &str, values: &[&dyn rusqlite::ToSql]| {
        bare.prepare_cached(sql).expect("SQL").execute(values).expect("it is inserted");
    };
    let (mut run, mut next) = (0, 0_u32);
    for (at, facts) in appends.iter().enumerate() {
        execute("BEGIN IMMEDIATE", &[]);
        if at == 0 {
            execute(
                "INSERT INTO runs (run_id, session_id, workflow_id, digest, status, created_at, \
                 updated_at, driver, facts, sum, status_sum, driver_sum) \
                 VALUES (?1, 's', 'chain', ?2, 'RUNNING', 7, 7, 'host:4711:2a', 2, 7, 8, 9)",
                &[&format!("01a2b3c4-d5e6-7f80-9a1b-{nth:012x}"), &"d".repeat(64)],
            );
            run = bare.last_insert_rowid();
        }
        for (path, body) in facts {
            execute(
                "INSERT INTO journal (run, seq, path, at, body, sum) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
                &[
                    &run,
                    &next,
                    path,
                    &(1_780_000_000_000_i64),
                    body,
                    &(-7_000_000_000_000_000_000_i64),
                ],
            );
            next += 1;
        }
        if at == 3 {
            execute(
                "UPDATE runs SET status = 'COMPLETED', updated_at = 9, facts = 8, status_sum = 7, \
                 driver = NULL, driver_sum = 8 WHERE id = ?1",
                &[&run],
            );
            execute(
                "UPDATE sessions SET metrics = ?1, updated_at = 9, sum = 7 WHERE session_id = 's'",
                &[&format!("{{\"runs\":{nth},\"duration_ms\":9,\"model_calls\":0}}")],
            );
        }
        execute("COMMIT", &[]);
    }
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1e6
}

/// The processor time of this process, in microseconds; to a hundredth of a second.
fn processor() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split(' ').collect();
    let ticks = |n: usize| fields.get(n).and_then(|field| field.parse().ok()).unwrap_or(0.0);
    (ticks(12) + ticks(13)) * 10_000.0
}

async fn measure(name: &str, durability: Durability) {
    let directory = tempfile::tempdir_in(".").expect("a directory on this disk");
    let options = Sqlite::options(directory.path().join("ours.db")).durability(durability);
    let store = AnyStore::new(options.open().await.expect("a database"));
    let bare_path = directory.path().join("bare.db");
    let theirs = AnyStore::new(Sqlite::open(&bare_path).await.expect("a database"));
    let session = SessionId::new("s").expect("an identifier");
    ours(&theirs, &session, run(u32::MAX)).await;
    drop(theirs);
    let connection = Connection::open(&bare_path).expect("the same tables");
    connection.pragma_update(None, "journal_mode", "WAL").expect("WAL");
    let synchronous = if durability == Durability::Full { "FULL" } else { "NORMAL" };
    connection.pragma_update(None, "synchronous", synchronous).expect("how it waits");
    let bodies: Vec<Vec<(String, String)>> = appends()
        .into_iter()
        .map(|kinds| {
            let body = |kind: EventKind| serde_json::to_string(&kind).expect("JSON");
            kinds.into_iter().map(|(kind, path)| (path.to_owned(), body(kind))).collect()
        })
        .collect();
    let (mut run_times, mut bare_times) = (Vec::new(), Vec::new());
    for nth in 0..PAIRS {
        let appends = run(nth);
        let begun = Instant::now();
        ours(&store, &session, appends).await;
        run_times.push(begun.elapsed());
        let begun = Instant::now();
        bare(&connection, nth, &bodies);
        bare_times.push(begun.elapsed());
    }
    let before = processor();
    for nth in PAIRS..PAIRS * 3 {
        ours(&store, &session, run(nth)).await;
    }
    let spent = (processor() - before) / f64::from(PAIRS * 2);
    let (run, bare) = (median(run_times), median(bare_times));
    println!(
        "{name:<6}: a run {run:.0} µs, its bare inserts {bare:.0} µs, ratio {:.2}; a run takes \
         {spent:.0} µs of the processor",
        run / bare
    );
}

#[tokio::main]
async fn main() {
    for _ in 0..3 {
        measure("FULL", Durability::Full).await;
        measure("NORMAL", Durability::Normal).await;
    }
}
