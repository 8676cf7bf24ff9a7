//! The bodies of facts: as they are in their rows, or apart if they are large.

use crate::errors::Said;
use crate::sums::{FactDigest, Sums};
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::{Read, Write};
use stepwright_core::{ErrorId, Event, RunId, StepPath, StoreError, Timestamp};

/// The largest body of a fact that is in its row, in bytes. A larger one is kept apart,
/// compressed, once for all facts that have the same.
pub(crate) const BODY_BYTES_MAX: usize = 256 * 1024;

/// The largest body that is put together or unpacked, in bytes: no database takes a
/// larger one.
pub(crate) const BYTES_MAX: usize = 1024 * 1024 * 1024;

/// A fact as its row has it.
#[derive(Debug)]
pub(crate) struct FactRow {
    pub(crate) sequence: u64,
    pub(crate) path: StepPath,
    pub(crate) at: Timestamp,
    /// JSON. Texts that the run has recorded before are cut out of it; of a body that is kept
    /// apart, only the kind is left.
    pub(crate) body: String,
    /// The places of the texts that were cut out: see [`shared`](crate::shared).
    pub(crate) shared: Option<String>,
    /// The body that is kept apart.
    pub(crate) blob: Option<String>,
    /// Of the whole fact, whatever was cut out of its body.
    pub(crate) digest: FactDigest,
}

/// A body that is kept apart, by its digest, and compressed.
#[derive(Debug)]
pub(crate) struct Blob {
    pub(crate) hash: String,
    pub(crate) packed: Vec<u8>,
    /// The number of facts of this append that have it.
    pub(crate) uses: i64,
}

impl FactRow {
    /// The rows of these facts.
    pub(crate) fn all(facts: &[Event], sums: Sums) -> Result<Vec<Self>, StoreError> {
        facts.iter().map(|fact| Self::of(fact, sums)).collect()
    }

    fn of(fact: &Event, sums: Sums) -> Result<Self, StoreError> {
        debug_assert!(fact.is_fact(), "a delta is not remembered: {fact:?}");
        let body = serde_json::to_string(&fact.kind).map_err(|error| unwritable(fact, error))?;
        let path = fact.path.as_str().as_bytes();
        let digest = sums.fact(&fact.run, fact.sequence, path, fact.time, body.as_bytes());
        Ok(Self {
            digest,
            sequence: fact.sequence,
            path: fact.path.clone(),
            at: fact.time,
            body,
            shared: None,
            blob: None,
        })
    }

    /// Returns its size in bytes, without the columns that are numbers.
    pub(crate) fn bytes(&self) -> usize {
        let shared = self.shared.as_ref().map_or(0, String::len);
        self.path.as_str().len() + self.body.len() + shared
    }
}

fn unwritable(fact: &Event, error: serde_json::Error) -> StoreError {
    StoreError::Unavailable {
        what: format!("fact {} (`{}`) cannot be written as JSON", fact.sequence, fact.path),
        source: error.into(),
        hint: None,
        id: ErrorId::FACT_UNWRITABLE,
    }
}

/// Takes large bodies out of their rows, on a thread for work that takes a while.
pub(crate) async fn apart(mut rows: Vec<FactRow>) -> Result<(Vec<FactRow>, Vec<Blob>), StoreError> {
    if rows.iter().all(|row| row.body.len() <= BODY_BYTES_MAX) {
        return Ok((rows, Vec::new()));
    }
    let packing = tokio::task::spawn_blocking(move || {
        let blobs = set_apart(&mut rows)?;
        Ok((rows, blobs))
    });
    match packing.await {
        Ok(packed) => packed,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(stopped()),
        },
    }
}

fn set_apart(rows: &mut [FactRow]) -> Result<Vec<Blob>, StoreError> {
    // In the order of their digests: every transaction that locks several takes them in this order.
    let mut blobs = BTreeMap::<String, Blob>::new();
    for row in rows.iter_mut().filter(|row| row.body.len() > BODY_BYTES_MAX) {
        let hash = digest(row.body.as_bytes());
        if let Some(blob) = blobs.get_mut(&hash) {
            blob.uses += 1;
        } else {
            let packed = pack(row.body.as_bytes()).map_err(|error| StoreError::Unavailable {
                what: format!("fact {} (`{}`) cannot be compressed", row.sequence, row.path),
                source: error.into(),
                hint: None,
                id: ErrorId::FACT_UNWRITABLE,
            })?;
            blobs.insert(hash.clone(), Blob { hash: hash.clone(), packed, uses: 1 });
        }
        row.body = kind_only(&row.body);
        row.blob = Some(hash);
    }
    Ok(blobs.into_values().collect())
}

/// Returns the kind of a body, for people who look into the tables.
fn kind_only(body: &str) -> String {
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Kind {
        event: String,
    }
    let kind = serde_json::from_str::<Kind>(body).and_then(|kind| serde_json::to_string(&kind));
    kind.unwrap_or_else(|_| "{}".to_owned())
}

fn digest(body: &[u8]) -> String {
    hex(&Sha256::digest(body))
}

/// Bytes as people write them.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let digit = |half| char::from(b"0123456789abcdef"[usize::from(half)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn pack(body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut packed = ZlibEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(body)?;
    packed.finish()
}

/// The body that was kept apart. `packed` is nothing if it is not there.
pub(crate) fn unpack(hash: &str, packed: Option<&[u8]>) -> Result<Vec<u8>, String> {
    let packed = packed.ok_or_else(|| format!("its body `{hash}` is missing in `blobs`"))?;
    let mut body = Vec::new();
    ZlibDecoder::new(packed)
        .take(BYTES_MAX as u64)
        .read_to_end(&mut body)
        .map_err(|error| format!("its body `{hash}` in `blobs` is damaged: {error}"))?;
    if digest(&body) == hash {
        Ok(body)
    } else {
        Err(format!("its body `{hash}` in `blobs` is damaged: it has another digest"))
    }
}

/// A fact that is read is damaged.
pub(crate) fn corrupt(run: &RunId, sequence: u64, path: &[u8], what: String) -> StoreError {
    let path = str::from_utf8(path).ok().map(StepPath::from);
    StoreError::Corrupt { run: run.clone(), sequence, path, what }
}

/// The runtime is shutting down.
fn stopped() -> StoreError {
    StoreError::Unavailable {
        what: "a large fact was not compressed".to_owned(),
        source: Box::new(Said("the program is ending".to_owned())),
        hint: None,
        id: ErrorId::STORE_CLOSED,
    }
}
