//! The bytes of media in a store in memory.

use crate::event::Event;
use crate::media::StoredMedia;
use crate::store::StoreError;
use std::collections::HashMap;
use std::sync::{Arc, Weak};

/// The bytes of media by their hashes. The facts in the journals own them.
#[derive(Debug, Default)]
pub(super) struct MediaIndex(HashMap<Arc<str>, Weak<[u8]>>);

impl MediaIndex {
    /// Gives the media of facts their bytes, the same for each hash.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if neither a fact nor the store has the bytes.
    pub(super) fn share(&mut self, facts: &mut [Event]) -> Result<(), StoreError> {
        for fact in facts {
            let mut live = Vec::new();
            for stored in fact.kind.stored_media() {
                let bytes = self.get(&stored.sha256).or_else(|| stored.live().cloned());
                let bytes = bytes.ok_or_else(|| missing(stored))?;
                if !self.0.contains_key(&stored.sha256) {
                    self.0.retain(|_, bytes| bytes.strong_count() > 0);
                }
                self.0.insert(stored.sha256.clone(), Arc::downgrade(&bytes));
                let mut stored = stored.clone();
                stored.fill(bytes);
                live.push(stored);
            }
            fact.kind.fill_media(&live);
        }
        Ok(())
    }

    /// Returns the bytes of this hash.
    pub(super) fn get(&self, sha256: &str) -> Option<Arc<[u8]>> {
        self.0.get(sha256)?.upgrade()
    }
}

fn missing(stored: &StoredMedia) -> StoreError {
    StoreError::NotFound(format!("media `{}`", stored.sha256))
}
