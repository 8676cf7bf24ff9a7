//! The bytes of media on the disk.

use crate::support::{facts, id};
use serde_json::json;
use std::path::Path;
use stepwright_core::media::{Media, MediaKind, StoredMedia};
use stepwright_core::store::{DeleteRun, RunStore as _};
use stepwright_core::{ErrorId, EventKind, StepOutput};
use stepwright_store::Sqlite;

/// The size of the file that goes through a run.
const FILE: usize = 50_000_000;

/// The largest size of the folder beside the bytes of the file.
const BESIDE_MAX: u64 = 4_000_000;

fn started(media: &Media) -> EventKind {
    let input = json!({"content": "in", "media": [media]});
    let mut kind: EventKind = serde_json::from_value(json!({
        "event": "WorkflowStarted", "workflow_id": "w", "workflow_name": "W", "digest": "d",
        "session_id": "s", "input": input,
    }))
    .unwrap();
    kind.fill_media(&[media.stored().unwrap().clone()]);
    kind
}

fn output(media: &Media) -> EventKind {
    EventKind::StepCompleted { output: StepOutput::from("out").medium(media.clone()).into() }
}

fn large(bytes: usize) -> (Media, StoredMedia) {
    let bytes: Vec<u8> = (0..bytes).map(|n| u8::try_from((n * n / 7) % 251).unwrap()).collect();
    let mut media = Media::bytes(MediaKind::File, bytes).with_name("scan.bin");
    media.keep();
    let stored = media.stored().unwrap().clone();
    (media, stored)
}

/// Returns the size on the disk: the file, and the log beside it if there is one.
fn bytes(directory: &Path) -> u64 {
    directory.read_dir().unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
}

#[tokio::test]
async fn a_file_of_fifty_megabytes_is_on_the_disk_once() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    let store = Sqlite::open(&path).await.unwrap();
    let (media, stored) = large(FILE);
    // Five facts of two runs refer to it.
    for run in ["r", "r2"] {
        store.append(facts(run, 0, vec![started(&media)])).await.unwrap();
        for nth in 1..3 {
            store.append(facts(run, nth, vec![output(&media)])).await.unwrap();
        }
    }
    assert_eq!(store.load(&id("r"), 0, 9).await.unwrap().len(), 3);
    let size = bytes(directory.path());
    // The log does not stay as large as the file, also while the database is open.
    let most = FILE as u64 + BESIDE_MAX + 8 * 1024 * 1024;
    assert!((FILE as u64..most).contains(&size), "{size} bytes while it is open");
    drop(store);
    let size = bytes(directory.path());
    assert!((FILE as u64..FILE as u64 + BESIDE_MAX).contains(&size), "{size} bytes");

    let store = Sqlite::open(&path).await.unwrap();
    let found = store.media(&stored).await.unwrap().unwrap();
    assert_eq!(&found, stored.live().unwrap());
    // What only one run has counts for it; what is shared does not.
    let delete = |run, dry_run| DeleteRun { run: id(run), waiting: true, dry_run };
    rusqlite::Connection::open(&path)
        .unwrap()
        .execute("UPDATE runs SET status = 'COMPLETED'", [])
        .unwrap();
    let shared = store.delete_run(delete("r", false)).await.unwrap().unwrap();
    assert!(shared.bytes < 10_000, "{shared:?}");
    let last = store.delete_run(delete("r2", false)).await.unwrap().unwrap();
    assert!(last.bytes > FILE as u64, "{last:?}");
    assert!(store.media(&stored).await.unwrap().is_none());
    let compacted = store.compact().await.unwrap();
    assert!(compacted.after < BESIDE_MAX, "{compacted:?}");
}

#[tokio::test]
async fn damaged_media_are_noticed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.db");
    let store = Sqlite::open(&path).await.unwrap();
    let (media, stored) = large(600_000);
    store.append(facts("r", 0, vec![started(&media)])).await.unwrap();
    store.verify(&id("r")).await.unwrap();
    let change = |sql: &str| {
        let changed = rusqlite::Connection::open(&path).unwrap().execute(sql, []).unwrap();
        assert!(changed > 0, "{sql}");
    };
    for (sql, why) in [
        ("UPDATE media_parts SET body = zeroblob(length(body)) WHERE nth = 1", "another hash"),
        ("UPDATE media_parts SET body = x'00' WHERE nth = 1", "part 1 has another size"),
        ("DELETE FROM media_parts WHERE nth = 1", "part 1 is missing"),
        ("UPDATE media SET size = 1", "1 bytes, and a fact says 600000"),
    ] {
        change(sql);
        for error in
            [store.media(&stored).await.unwrap_err(), store.verify(&id("r")).await.unwrap_err()]
        {
            assert_eq!(error.id(), ErrorId::ROW_DAMAGED, "{sql}");
            let cause = std::error::Error::source(&error).unwrap().to_string();
            assert!(cause.contains(why), "{sql}: {cause}");
        }
    }
    change("DELETE FROM media");
    let error = store.verify(&id("r")).await.unwrap_err();
    assert_eq!(error.id(), ErrorId::MEDIA_MISSING);
}
