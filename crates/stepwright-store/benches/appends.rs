//! The time of an append, in SQLite and in PostgreSQL: `cargo bench -p stepwright-store
//! --all-features`. Both wait for the disk with every commit, on the same machine; PostgreSQL also
//! with 32 connections, and without waiting (`Durability::Normal`).

#![expect(clippy::print_stdout, reason = "a benchmark prints its results")]

use std::time::Instant;
use stepwright_core::journal::{Append, SessionClose};
use stepwright_core::{AnyStore, Event, EventKind, RunId, StepPath, Timestamp};
use stepwright_store::Sqlite;

/// The number of facts that each run appends, one after the other.
const FACTS: u64 = 100;

fn append(run: &str, sequence: u64) -> Append {
    let run = RunId::new(run).expect("an identifier");
    let kind = if sequence == 0 {
        serde_json::from_value(serde_json::json!({
            "event": "WorkflowStarted", "workflow_id": "w", "workflow_name": "W", "digest": "d1",
            "session_id": "s", "input": {"content": "in"},
        }))
        .expect("the beginning of a run")
    } else {
        // Two kilobytes, as an answer of a model has, and another one each time.
        let partial = format!("{run} {sequence:08} ").repeat(2_048 / (run.as_str().len() + 10));
        EventKind::StepCancelled { partial: partial.as_str().into() }
    };
    let (time, path) = (Timestamp(sequence), StepPath::from("facts/web"));
    let fact = Event { sequence, delta: 0, time, run: run.clone(), path, kind };
    Append { run, facts: vec![fact], close: None, driver: None }
}

fn end(run: &str, sequence: u64) -> Append {
    let mut end = append(run, sequence);
    end.facts[0].kind = EventKind::WorkflowCompleted { content: "done".into(), stopped_at: None };
    end.close = Some(SessionClose::default());
    end
}

async fn measure(name: &str, store: AnyStore) {
    for runs in [1_usize, 8, 64] {
        let (began, mut tasks) = (Instant::now(), Vec::new());
        for n in 0..runs {
            let store = store.clone();
            tasks.push(tokio::spawn(async move {
                let run = format!("{runs}/{n}");
                let mut each = Vec::new();
                for sequence in 0..=FACTS {
                    let began = Instant::now();
                    let append = if sequence == FACTS { end } else { append };
                    store.append(append(&run, sequence)).await.expect("it appends");
                    each.push(began.elapsed());
                }
                each
            }));
        }
        let mut each = Vec::new();
        for task in tasks {
            each.extend(task.await.expect("it does not panic"));
        }
        let all = began.elapsed();
        each.sort();
        let at = |part: usize| each[(each.len() - 1) * part / 100].as_secs_f64() * 1_000.0;
        let rate = f64::from(u32::try_from(each.len()).unwrap_or(u32::MAX)) / all.as_secs_f64();
        let (half, most) = (at(50), at(99));
        println!(
            "{name:<12} {runs:>3} runs: {rate:>6.0} appends/s, p50 {half:.2} ms, p99 {most:.2} ms"
        );
    }
}

#[tokio::main]
async fn main() {
    let directory = tempfile::tempdir().expect("a directory");
    let sqlite = Sqlite::open(directory.path().join("a.db")).await.expect("a database");
    measure("SQLite", AnyStore::new(sqlite)).await;
    #[cfg(all(unix, feature = "postgres"))]
    if let Some(server) = stepwright_testing::postgres::Server::start_with("-c fsync=on") {
        use stepwright_store::{Durability, Postgres};
        let options = Postgres::options(server.database());
        for (name, options) in [
            ("PostgreSQL", options.clone()),
            ("… of 32", options.clone().connections(32)),
            ("… Normal", options.clone().durability(Durability::Normal)),
        ] {
            let store = options.schema(name).connect().await.expect("a database");
            measure(name, AnyStore::new(store)).await;
        }
    }
}
