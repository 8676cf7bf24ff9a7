//! The bytes of media, each once for its hash.

use crate::backend::{Attempt, Columns, Connection, Value, Work};
use crate::errors::{Failure, Said, missing_run};
use crate::rows::to_column;
use std::collections::BTreeMap;
use std::sync::Arc;
use stepwright_core::media::{MEDIA_BYTES_MAX, StoredMedia};
use stepwright_core::{ErrorId, Event, RunId, StoreError};

/// The size of the parts that media are written and read in, in bytes: no more than a few are in
/// memory beside the media.
const PART_BYTES: usize = 256 * 1024;

const FIND_RUN: &str = "SELECT id FROM runs WHERE run_id = $1";

const ADD_USE: &str =
    "INSERT INTO media_uses (run, hash) VALUES ($1, $2) ON CONFLICT (run, hash) DO NOTHING";

/// Counts a use. No row changes if the media are not stored yet.
const USE: &str = "UPDATE media SET uses = media.uses + $1 WHERE hash = $2";

const INSERT: &str = "INSERT INTO media (hash, size, uses) VALUES ($1, $2, 1)
    ON CONFLICT (hash) DO UPDATE SET uses = media.uses + 1";

const INSERT_PART: &str = "INSERT INTO media_parts (hash, nth, body) VALUES ($1, $2, $3)
    ON CONFLICT (hash, nth) DO NOTHING";

const SIZE: &str = "SELECT size FROM media WHERE hash = $1";

const PART: &str = "SELECT body FROM media_parts WHERE hash = $1 AND nth = $2";

/// Returns the media that facts refer to, each once, in the order of their hashes: every
/// transaction that locks several takes them in this order.
pub(crate) fn of(facts: &[Event]) -> Result<Vec<StoredMedia>, StoreError> {
    let mut all = BTreeMap::<&str, &StoredMedia>::new();
    for stored in facts.iter().flat_map(|fact| fact.kind.stored_media()) {
        if stored.bytes > MEDIA_BYTES_MAX {
            return Err(too_large(stored));
        }
        // The one with its bytes, if there is one.
        let known = all.entry(&stored.sha256).or_insert(stored);
        if known.live().is_none() {
            *known = stored;
        }
    }
    Ok(all.into_values().cloned().collect())
}

/// Stores the media of a run that are not stored yet, and counts their uses.
pub(crate) async fn keep<C: Connection>(
    c: &mut C,
    run: &RunId,
    media: &[StoredMedia],
) -> Result<(), Failure<C::Error>> {
    if media.is_empty() {
        return Ok(());
    }
    // Owned, because the compiler would ask for more of a text that it knows.
    let find = FIND_RUN.to_owned();
    let id = c.select(find, &[run.as_str().into()], |row| row.number(0)).await?.pop();
    let id = id.ok_or_else(|| missing_run(run))?;
    for stored in media {
        let hash = &*stored.sha256;
        let added = to_column(c.execute(ADD_USE, &[id.into(), hash.into()]).await?);
        if c.execute(USE, &[added.into(), hash.into()]).await? > 0 {
            continue;
        }
        let bytes = stored.live().ok_or_else(|| missing(stored))?;
        c.execute(INSERT, &[hash.into(), to_column(stored.bytes).into()]).await?;
        for (nth, part) in (0..).zip(bytes.chunks(PART_BYTES)) {
            let values = [hash.into(), Value::Number(nth), Value::Bytes(part)];
            c.execute(INSERT_PART, &values).await?;
        }
    }
    Ok(())
}

/// Loads the bytes of media.
pub(crate) struct Load(pub(crate) StoredMedia);

impl<C: Connection> Work<C> for Load {
    type Made = Option<Arc<[u8]>>;

    async fn make(&mut self, c: &mut C, _: Attempt) -> Result<Self::Made, Failure<C::Error>> {
        load(c, &self.0).await
    }
}

/// Returns the bytes of media, which have their hash. `None` if they are not stored.
pub(crate) async fn load<C: Connection>(
    c: &mut C,
    stored: &StoredMedia,
) -> Result<Option<Arc<[u8]>>, Failure<C::Error>> {
    let hash = &*stored.sha256;
    let size = c.select(SIZE, &[hash.into()], |row| row.number(0)).await?.pop();
    let Some(size) = size else { return Ok(None) };
    if size != to_column(stored.bytes) || stored.bytes > MEDIA_BYTES_MAX {
        let what = format!("they have {size} bytes, and a fact says {}", stored.bytes);
        return Err(damaged(hash, what).into());
    }
    let mut bytes = stored.space();
    for (nth, space) in (0..).zip(space(&mut bytes).chunks_mut(PART_BYTES)) {
        let part = c.select(PART, &[hash.into(), Value::Number(nth)], |row| row.blob(0)).await?;
        match part.first() {
            Some(part) if part.len() == space.len() => space.copy_from_slice(part),
            Some(_) => return Err(damaged(hash, format!("part {nth} has another size")).into()),
            None => return Err(damaged(hash, format!("part {nth} is missing")).into()),
        }
    }
    if !stored.fits(&bytes) {
        return Err(damaged(hash, "they have another hash".to_owned()).into());
    }
    Ok(Some(bytes))
}

fn space(bytes: &mut Arc<[u8]>) -> &mut [u8] {
    Arc::get_mut(bytes).unwrap_or_default()
}

/// Returns the error for media that a fact refers to and that are nowhere.
pub(crate) fn missing(stored: &StoredMedia) -> StoreError {
    StoreError::Unavailable {
        what: format!("media `{}` of {} bytes are missing", stored.sha256, stored.bytes),
        source: Box::new(Said("no row of `media` has their hash".to_owned())),
        hint: Some("begin the run again with the bytes of the media".to_owned()),
        id: ErrorId::MEDIA_MISSING,
    }
}

fn too_large(stored: &StoredMedia) -> StoreError {
    StoreError::Unavailable {
        what: format!("media `{}` cannot be stored", stored.sha256),
        source: Box::new(Said(format!(
            "they have {} bytes; the limit is {MEDIA_BYTES_MAX}",
            stored.bytes
        ))),
        hint: Some("keep the file elsewhere, and give the run its path or address".to_owned()),
        id: ErrorId::MEDIA_TOO_LARGE,
    }
}

fn damaged(hash: &str, what: String) -> StoreError {
    StoreError::Unavailable {
        what: format!("media `{hash}` in `media_parts` are damaged"),
        source: Box::new(Said(what)),
        hint: Some("restore the database from a backup".to_owned()),
        id: ErrorId::ROW_DAMAGED,
    }
}
