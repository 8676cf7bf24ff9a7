//! The media of a run: their bytes in memory, and those in its store.

use super::Recorder;
use rustc_hash::FxHashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use stepwright_core::media::{MEDIA_BYTES_MAX, Media, StoredMedia};
use stepwright_core::{AnyStore, ErrorCode, ErrorId, EventKind, StepError, StepOutput};

/// The media whose bytes are in memory, by their hashes. The outputs of the run own them.
pub(super) struct LiveMedia {
    /// `false` if the store of the run has media only within facts.
    keeps: bool,
    known: Mutex<FxHashMap<Arc<str>, Weak<[u8]>>>,
}

impl LiveMedia {
    pub(super) fn of(store: Option<&AnyStore>) -> Self {
        Self { keeps: store.is_none_or(|store| store.keeps_media()), known: Mutex::default() }
    }

    fn note(&self, stored: &StoredMedia, bytes: &Arc<[u8]>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(stored.sha256.clone(), Arc::downgrade(bytes));
    }

    fn get(&self, stored: &StoredMedia) -> Option<Arc<[u8]>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&stored.sha256)?.upgrade()
    }

    /// Replaces the larger bytes in an event by their hashes.
    pub(super) fn keep(&self, kind: &mut EventKind) {
        // Most events have none.
        if self.keeps && kind.has_media() {
            kind.keep_media();
            for stored in kind.stored_media() {
                if let Some(bytes) = stored.live() {
                    self.note(stored, bytes);
                }
            }
        }
    }
}

impl Recorder {
    /// Replaces the larger bytes in an output by their hashes, as its fact has them.
    pub(crate) fn keep_output(&self, output: &mut StepOutput) -> Result<(), StepError> {
        for media in &mut output.media {
            if media.size().is_some_and(|size| size > MEDIA_BYTES_MAX) {
                return Err(too_large(media));
            }
            if self.media.keeps {
                media.keep();
            }
        }
        Ok(())
    }

    /// Returns the bytes of media that a fact of the run refers to.
    pub(super) async fn bytes_of(&self, stored: &StoredMedia) -> Result<Arc<[u8]>, StepError> {
        if let Some(bytes) = self.media.get(stored) {
            return Ok(bytes);
        }
        let found = match self.store() {
            Some(store) => store.media(stored).await.map_err(|error| {
                let failed = StepError::new(error.to_string()).with_id(error.id());
                match error.hint() {
                    Some(hint) => failed.with_hint(hint),
                    None => failed,
                }
            })?,
            None => None,
        };
        let bytes = found.ok_or_else(|| missing(stored))?;
        self.media.note(stored, &bytes);
        Ok(bytes)
    }
}

fn missing(stored: &StoredMedia) -> StepError {
    let StoredMedia { sha256, bytes, .. } = stored;
    StepError::terminal(format!("the store does not have media `{sha256}` of {bytes} bytes"))
        .with_id(ErrorId::MEDIA_MISSING)
        .with_hint("begin the run again with the media; `stepwright verify` checks what is stored")
}

fn too_large(media: &Media) -> StepError {
    let name = media.name.as_deref().unwrap_or(media.kind.as_str());
    let size = media.size().unwrap_or_default();
    StepError::terminal(format!("`{name}` has {size} bytes; the limit is {MEDIA_BYTES_MAX}"))
        .with_code(ErrorCode::Limit)
        .with_id(ErrorId::MEDIA_TOO_LARGE)
        .with_hint("keep the file elsewhere, and return its path or address")
}
