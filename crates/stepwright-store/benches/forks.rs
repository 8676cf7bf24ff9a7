//! The time of a fork of a run with a hundred megabytes of facts, in SQLite: `cargo bench -p
//! stepwright-store --all-features --bench forks`.

#![expect(clippy::print_stdout, reason = "a benchmark prints its results")]

use std::path::Path;
use std::time::{Duration, Instant};
use stepwright_core::journal::Append;
use stepwright_core::store::RunStore as _;
use stepwright_core::{Event, EventKind, RunId, StepPath, Timestamp};
use stepwright_store::Sqlite;

/// The number of facts of the origin. Each has a hundred kilobytes.
const FACTS: u64 = 1_000;

/// The number of forks that are timed.
const FORKS: u64 = 50;

fn append(run: &str, sequence: u64, value: serde_json::Value) -> Append {
    let run = RunId::new(run).expect("an identifier");
    let kind: EventKind = serde_json::from_value(value).expect("an event");
    let (time, path) = (Timestamp(sequence), StepPath::root());
    let fact = Event { sequence, delta: 0, time, run: run.clone(), path, kind };
    Append { run, facts: vec![fact], close: None, driver: None }
}

/// Returns the size of the file without free pages.
async fn compacted(store: &Sqlite, path: &Path) -> u64 {
    store.compact().await.expect("it compacts");
    std::fs::metadata(path).expect("a file").len()
}

#[tokio::main]
async fn main() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("a.db");
    let store = Sqlite::open(&path).await.expect("it opens");
    let start = serde_json::json!({
        "event": "WorkflowStarted", "workflow_id": "w", "workflow_name": "W", "digest": "d",
        "session_id": "s", "input": {"content": "in"},
    });
    store.append(append("r", 0, start)).await.expect("it appends");
    for sequence in 1..FACTS {
        let partial = format!("{sequence:08} ").repeat(11_500);
        let fact = serde_json::json!({"event": "StepCancelled", "partial": partial});
        store.append(append("r", sequence, fact)).await.expect("it appends");
    }
    let before = compacted(&store, &path).await;
    let mut times: Vec<Duration> = Vec::new();
    for nth in 0..FORKS {
        let forked = serde_json::json!({
            "event": "WorkflowForked", "origin": {"run": "r", "until": FACTS}, "at": "a",
            "steps": ["a"], "workflow_id": "w", "digest": "d", "session_id": "s",
        });
        let fork = append(&format!("f{nth}"), FACTS, forked);
        let began = Instant::now();
        store.append(fork).await.expect("it forks");
        times.push(began.elapsed());
    }
    let added = compacted(&store, &path).await.saturating_sub(before) / FORKS;
    times.sort_unstable();
    let at = |part: usize| times[times.len() * part / 100].as_secs_f64() * 1e3;
    println!("{FORKS} forks of {FACTS} facts: median {:.2} ms, 95 % {:.2} ms", at(50), at(95));
    println!("a fork adds {:.2} kB", f64::from(u32::try_from(added).expect("small")) / 1e3);
}
