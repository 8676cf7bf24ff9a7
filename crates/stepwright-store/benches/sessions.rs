//! The time in which a session of 10 000 messages opens: its file is opened, and its state and the
//! last 100 exchanges are read, as a chat that goes on needs them.
//! `cargo bench -p stepwright-store --all-features --bench sessions`.

#![expect(clippy::print_stdout, reason = "a benchmark prints its results")]

use serde_json::json;
use std::time::Instant;
use stepwright_core::journal::{Append, SessionClose};
use stepwright_core::store::RunStore as _;
use stepwright_core::{AnyStore, Event, EventKind, Patch, RunId, StepPath, Timestamp};
use stepwright_engine::Runs;
use stepwright_store::{Durability, Sqlite};

/// The messages of the session: a question and an answer in each run.
const MESSAGES: u64 = 10_000;

/// The exchanges that are read.
const EXCHANGES: u32 = 100;

/// The number of times that the session is opened.
const TIMES: usize = 50;

/// A run of one agent, with a question and an answer of some sentences.
fn run(nth: u64) -> Append {
    let run = RunId::new(format!("01a2b3c4-d5e6-7f80-9a1b-{nth:012x}")).expect("an identifier");
    let kind = |value| serde_json::from_value::<EventKind>(value).expect("an event");
    let question = format!("Question {nth}: how long does the parcel {nth} take to the harbour?");
    let answer = format!("Answer {nth}. It takes three days. ").repeat(8);
    let turn = json!({"parts": [{"type": "text", "text": answer}]});
    let kinds = [
        (
            "",
            kind(json!({"event": "WorkflowStarted", "workflow_id": "desk",
            "workflow_name": "desk", "digest": "d".repeat(64), "session_id": "s",
            "input": {"content": question}})),
        ),
        (
            "desk",
            kind(json!({"event": "StepStarted", "executor_type": "agent",
            "executor_name": "desk"})),
        ),
        (
            "desk",
            kind(json!({"event": "RunStarted", "agent": "desk", "model": "m",
            "message": question})),
        ),
        ("desk", kind(json!({"event": "ModelRequestStarted", "turn": 1}))),
        (
            "desk",
            kind(json!({"event": "ModelRequestCompleted", "turn": 1, "answer": turn,
            "stop": "end_turn"})),
        ),
        ("desk", kind(json!({"event": "RunCompleted", "content": answer}))),
        ("desk", kind(json!({"event": "StepCompleted", "output": {"content": answer}}))),
        ("", EventKind::WorkflowCompleted { content: answer.as_str().into(), stopped_at: None }),
    ];
    let facts = (0..).zip(kinds).map(|(sequence, (path, kind))| {
        let time = Timestamp(1_780_000_000_000 + nth * 1_000 + sequence);
        let path = if path.is_empty() { StepPath::root() } else { StepPath::from(path) };
        Event { sequence, delta: 0, time, run: run.clone(), path, kind }
    });
    let patches = vec![Patch::set("last", nth)];
    let close = Some(SessionClose { patches, ..SessionClose::default() });
    Append { run: run.clone(), facts: facts.collect(), close, driver: None }
}

#[tokio::main]
async fn main() -> Result<(), stepwright_core::Error> {
    let directory = tempfile::tempdir_in(".").expect("a directory on this disk");
    let path = directory.path().join("chat.db");
    let made = Sqlite::options(&path).durability(Durability::Normal).open().await?;
    for nth in 0..MESSAGES / 2 {
        made.append(run(nth)).await?;
    }
    drop(made);
    let mut times = Vec::new();
    for _ in 0..TIMES {
        let begun = Instant::now();
        let sessions = Runs::of(AnyStore::new(Sqlite::open(&path).await?)).sessions();
        let session = sessions.get("s").await?;
        let last = sessions.history("s", EXCHANGES).await?;
        times.push(begun.elapsed().as_secs_f64() * 1e3);
        assert_eq!((session.metrics.runs, last.len()), (MESSAGES / 2, EXCHANGES as usize));
    }
    times.sort_by(f64::total_cmp);
    let at = |percent: usize| times[times.len() * percent / 100];
    println!(
        "a session of {MESSAGES} messages opens in {:.1} ms (median), {:.1} ms (95th percentile)",
        at(50),
        at(95)
    );
    Ok(())
}
