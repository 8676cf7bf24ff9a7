//! The size of long conversations on the disk.

use crate::support::{facts, id};
use serde_json::json;
use std::path::Path;
use stepwright_core::EventKind;
use stepwright_core::journal::SessionClose;
use stepwright_core::store::{RunStore as _, SessionStore as _};
use stepwright_store::Sqlite;

/// The largest size of four hundred turns, in bytes.
const BYTES_MAX: u64 = 2_000_000;

/// Text that looks like what people write, another one each time, of so many bytes.
fn text(seed: u64, bytes: usize) -> String {
    const WORDS: &str = "the of and a to in he have it that for they with as not on she at by this \
        we you do but from or which one would all will there say who make when can more if no man \
        out other so what time up go about than into could state only new year some take come \
        these know see use get like then first any work now may such give over think most even \
        find day also after way many must look before great back through long where much should \
        well people down own just because good each those feel seem how high too place little \
        world very still nation hand old life tell write become here show house both between need \
        mean call develop under last right move thing general school never same another begin \
        while number part turn real leave might want point form off child few small since against \
        ask late home interest large person end open public follow during present without again \
        hold govern around possible head consider word program problem however lead system set \
        order eye plan run keep face fact group play stand increase early course change help line";
    let words: Vec<&str> = WORDS.split_whitespace().collect();
    let (mut state, mut text) = (seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1, String::new());
    while text.len() < bytes {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let word = words[usize::try_from(state >> 33).unwrap() % words.len()];
        text.push_str(word);
        text.push(if state % 11 == 0 { ',' } else { ' ' });
        if state % 97 == 0 {
            text.push_str(&state.to_string());
            text.push('\n');
        }
    }
    text.truncate(bytes);
    text
}

fn kind(value: serde_json::Value) -> EventKind {
    serde_json::from_value(value).unwrap()
}

fn started(input: &str) -> EventKind {
    kind(json!({
        "event": "WorkflowStarted", "workflow_id": "talk", "workflow_name": "Talk",
        "digest": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        "session_id": "s", "user_id": "anna", "input": {"content": input},
    }))
}

fn step_started() -> EventKind {
    kind(json!({"event": "StepStarted", "executor_type": "agent", "executor_name": "Talker"}))
}

fn answered(turn: u64, answer: &str) -> EventKind {
    kind(json!({
        "event": "ModelRequestCompleted", "turn": turn, "stop": "end_turn",
        "answer": {"parts": [{"type": "text", "text": answer}]},
        "usage": {"input_tokens": 4_321, "output_tokens": 234},
    }))
}

/// Returns the size on the disk: the file, and the log beside it if there is one.
fn bytes(directory: &Path) -> u64 {
    directory.read_dir().unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
}

#[tokio::test]
async fn a_step_of_four_hundred_turns_takes_less_than_two_megabytes() {
    let directory = tempfile::tempdir().unwrap();
    let store = Sqlite::open(directory.path().join("a.db")).await.unwrap();
    store.append(facts("r", 0, vec![started(&text(1, 1_024)), step_started()])).await.unwrap();
    for turn in 1..=400_u64 {
        let tool = kind(json!({"event": "ToolCallCompleted", "tool": {
            "call_id": format!("call_{turn}"), "name": "read_file", "text": text(turn * 2, 1_024),
            "is_error": false,
        }}));
        let answered = answered(turn, &text(turn * 2 + 1, 1_024));
        store.append(facts("r", turn * 2, vec![answered])).await.unwrap();
        store.append(facts("r", turn * 2 + 1, vec![tool])).await.unwrap();
    }
    let journal = store.load(&id("r"), 0, 10_000).await.unwrap();
    assert_eq!(journal.len(), 802);
    drop(store);
    let bytes = bytes(directory.path());
    assert!(bytes < BYTES_MAX, "{bytes} bytes");
    // Each text is another one, and none is left out.
    assert!(bytes > 800 * 1_024, "{bytes} bytes");
}

#[tokio::test]
async fn four_hundred_runs_of_a_session_take_less_than_two_megabytes() {
    let directory = tempfile::tempdir().unwrap();
    let store = Sqlite::open(directory.path().join("a.db")).await.unwrap();
    for n in 1..=400_u64 {
        let run = format!("01a2b3c4-d5e6-7f80-9a1b-{n:012x}");
        let (input, answer) = (text(n * 2, 1_024), text(n * 2 + 1, 1_024));
        // As the engine appends: before a step, and after whatever an agent notes.
        let run_started = kind(json!({
            "event": "RunStarted", "agent": "Talker", "model": "openai:gpt-5-mini",
            "message": input,
        }));
        let model_asked = kind(json!({"event": "ModelRequestStarted", "turn": 1}));
        let run_completed = kind(json!({
            "event": "RunCompleted", "content": answer,
            "usage": {"input_tokens": 4_321, "output_tokens": 234},
        }));
        let step_completed = kind(json!({
            "event": "StepCompleted", "output": {
                "content": answer, "usage": {"input_tokens": 4_321, "output_tokens": 234},
            },
        }));
        let completed = kind(json!({"event": "WorkflowCompleted", "content": answer}));
        let appends = [
            vec![started(&input), step_started()],
            vec![run_started],
            vec![model_asked],
            vec![answered(1, &answer)],
            vec![run_completed],
            vec![step_completed, completed],
        ];
        let mut next = 0;
        for kinds in appends {
            let count = kinds.len() as u64;
            let mut append = facts(&run, next, kinds);
            append.close = (next == 6).then(SessionClose::default);
            append.driver = Some("host:4711:2a".into());
            store.append(append).await.unwrap();
            next += count;
        }
        let last = store.load(&id(&run), 5, 9).await.unwrap();
        let content = |n: usize| last[n].content().map(|content| content.to_string());
        assert_eq!(
            (content(0), content(1), content(2)),
            (Some(answer.clone()), Some(answer.clone()), Some(answer))
        );
    }
    assert_eq!(store.session(&"s".parse().unwrap()).await.unwrap().unwrap().metrics.runs, 400);
    drop(store);
    let bytes = bytes(directory.path());
    assert!(bytes < BYTES_MAX, "{bytes} bytes");
    assert!(bytes > 800 * 1_024, "{bytes} bytes");
}

/// The largest size of a fork of a run, in bytes, whatever the run has recorded.
const FORK_BYTES_MAX: u64 = 100_000;

#[tokio::test]
async fn a_fork_of_a_run_with_a_hundred_megabytes_takes_less_than_a_hundred_kilobytes() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    let store = Sqlite::open(&path).await.unwrap();
    store.append(facts("r", 0, vec![started("in"), step_started()])).await.unwrap();
    for part in 0..10_u64 {
        let kinds = (0..50).map(|nth| {
            let value = text(1 + part * 50 + nth, 200_000);
            kind(json!({"event": "StepRecorded", "key": format!("k{nth}"), "value": value}))
        });
        store.append(facts("r", 2 + part * 50, kinds.collect())).await.unwrap();
    }
    let count = |sql: &'static str| {
        let connection = rusqlite::Connection::open(&path).unwrap();
        connection.pragma_update(None, "wal_checkpoint", "TRUNCATE").unwrap();
        connection.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap()
    };
    let rows = "SELECT (SELECT count(*) FROM journal) + (SELECT count(*) FROM blobs)";
    let pages = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size";
    let bodies = "SELECT sum(length(body)) FROM journal";
    assert!(count(bodies) > 100_000_000);
    let (rows_before, bytes_before) = (count(rows), count(pages));
    let until = 502;
    let forked = kind(json!({
        "event": "WorkflowForked", "origin": {"run": "r", "until": until}, "at": "facts/web",
        "steps": ["facts/web"], "workflow_id": "talk", "digest": "d", "session_id": "s",
        "user_id": "anna",
    }));
    let mut fork = facts("f", until, vec![forked]);
    fork.facts[0].path = stepwright_core::StepPath::root();
    store.append(fork).await.unwrap();
    assert_eq!(count(rows), rows_before + 1, "no fact is copied");
    let grown = u64::try_from(count(pages) - bytes_before).unwrap();
    assert!(grown < FORK_BYTES_MAX, "{grown} bytes");
    let last = store.load(&id("f"), 500, 9).await.unwrap();
    assert_eq!(last.len(), 3);
    assert_eq!(last[1].kind, store.load(&id("r"), 501, 1).await.unwrap()[0].kind);
}
