//! The runs that wait for events, found by the name and the key of the event.
//!
//! The entries stand in the store beside the runs. A run makes its entry before it records that it
//! waits, and again whenever it is driven on, so that no wait lacks one. An entry alone says
//! nothing: the journal of its run tells if it waits. So an entry that was left behind does no
//! harm, and the next sender removes it.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::sync::Arc;
use stepwright_core::store::{SharedValue, ValueChange};
use stepwright_core::{AnyStore, RunId, StoreError, World};

/// The kind of the entries among the values that processes share.
const KIND: &str = "wait";

/// The number of entries that are read at once.
const PAGE: usize = 500;

/// The largest number of attempts to write an entry that others remove meanwhile.
const ATTEMPTS_MAX: u32 = 10;

/// The entries of a store.
pub(crate) struct WaitIndex<'a> {
    pub(crate) store: &'a AnyStore,
    pub(crate) world: &'a World,
}

/// A run that waits for an event, or has waited.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WaitEntry {
    pub(crate) run: RunId,
    /// The id of the request.
    pub(crate) asked: Arc<str>,
}

/// An entry with its place and the mark of its last change.
pub(crate) struct Found {
    pub(crate) entry: WaitEntry,
    key: Arc<str>,
    version: i64,
}

impl WaitIndex<'_> {
    /// Makes an entry, or marks the one that is there as new, so that a sender that holds it for
    /// old does not remove it.
    pub(crate) async fn put(
        &self,
        event: &str,
        key: Option<&str>,
        entry: &WaitEntry,
    ) -> Result<(), StoreError> {
        let place = place(event, key, entry);
        let value: Arc<str> = serde_json::json!(entry).to_string().into();
        for _ in 0..ATTEMPTS_MAX {
            let seen = self.store.shared_value(KIND, &place).await?.map(|found| found.version);
            let value = Some(value.clone());
            if self.store.change_value(self.change(place.as_str().into(), value, seen)).await? {
                return Ok(());
            }
        }
        Err(StoreError::Unavailable {
            what: format!("cannot store that run `{}` waits for an event", entry.run),
            source: "other processes changed the entry during every attempt".into(),
            hint: None,
            id: stepwright_core::ErrorId::STORE_CONTENDED,
        })
    }

    /// Removes an entry, if there is one.
    pub(crate) async fn remove(
        &self,
        event: &str,
        key: Option<&str>,
        entry: &WaitEntry,
    ) -> Result<(), StoreError> {
        let place = place(event, key, entry);
        if let Some(found) = self.store.shared_value(KIND, &place).await? {
            self.store.change_value(self.change(found.key, None, Some(found.version))).await?;
        }
        Ok(())
    }

    /// Removes an entry that no other process has changed since it was found.
    pub(crate) async fn clear(&self, found: Found) -> Result<(), StoreError> {
        self.store.change_value(self.change(found.key, None, Some(found.version))).await?;
        Ok(())
    }

    fn change(&self, key: Arc<str>, value: Option<Arc<str>>, seen: Option<i64>) -> ValueChange {
        let version = i64::from_ne_bytes(self.world.chance().to_ne_bytes());
        ValueChange { kind: KIND.into(), key, value, seen, version }
    }

    /// Returns the entries for an event, from the first one behind `after`: at most a page. The
    /// second value continues the list, unless it was the last page.
    pub(crate) async fn list(
        &self,
        event: &str,
        key: Option<&str>,
        after: Option<Arc<str>>,
    ) -> Result<(Vec<Found>, Option<Arc<str>>), StoreError> {
        let prefix = prefix(event, key);
        let after = after.unwrap_or_else(|| prefix.as_str().into());
        let values = self.store.shared_values(KIND, &after, PAGE).await?;
        let is_full = values.len() == PAGE;
        let mine: Vec<SharedValue> =
            values.into_iter().take_while(|value| value.key.starts_with(&prefix)).collect();
        let last = mine.last().map(|value| value.key.clone());
        let next = last.filter(|_| is_full && mine.len() == PAGE);
        let found = mine.into_iter().filter_map(|value| {
            let entry = serde_json::from_str(&value.value).ok()?;
            Some(Found { entry, key: value.key, version: value.version })
        });
        Ok((found.collect(), next))
    }
}

/// Returns the beginning of the places of all entries for an event. It is a hash, because keys may
/// be long, and are nothing that should outlive the journal of their run.
fn prefix(event: &str, key: Option<&str>) -> String {
    let mut hash = Sha256::new();
    hash.update(event);
    if let Some(key) = key {
        hash.update([0]);
        hash.update(key);
    }
    format!("{}/", hex(&hash.finalize()))
}

fn place(event: &str, key: Option<&str>, entry: &WaitEntry) -> String {
    let mut hash = Sha256::new();
    hash.update(entry.run.as_str());
    hash.update([0]);
    hash.update(&*entry.asked);
    format!("{}{}", prefix(event, key), hex(&hash.finalize()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use stepwright_core::Memory;

    fn entry(nth: usize) -> WaitEntry {
        WaitEntry { run: format!("r-{nth}").parse().unwrap(), asked: "pay!event:paid".into() }
    }

    #[tokio::test]
    async fn entries_are_found_by_name_and_key_page_by_page() {
        let (store, world) = (AnyStore::new(Memory::default()), World::seeded(7));
        let index = WaitIndex { store: &store, world: &world };
        for nth in 0..PAGE + 3 {
            index.put("paid", Some("o-1"), &entry(nth)).await.unwrap();
        }
        index.put("paid", Some("o-2"), &entry(0)).await.unwrap();
        index.put("paid", None, &entry(1)).await.unwrap();
        let (first, next) = index.list("paid", Some("o-1"), None).await.unwrap();
        let (rest, end) = index.list("paid", Some("o-1"), next).await.unwrap();
        assert_eq!((first.len(), rest.len(), end), (PAGE, 3, None));
        let (keyless, _) = index.list("paid", None, None).await.unwrap();
        assert_eq!(keyless.iter().map(|found| &found.entry).collect::<Vec<_>>(), [&entry(1)]);
        index.remove("paid", None, &entry(1)).await.unwrap();
        assert!(index.list("paid", None, None).await.unwrap().0.is_empty());
    }

    #[tokio::test]
    async fn an_entry_that_was_made_again_is_not_removed_by_who_saw_the_old_one() {
        let (store, world) = (AnyStore::new(Memory::default()), World::seeded(7));
        let index = WaitIndex { store: &store, world: &world };
        index.put("paid", None, &entry(1)).await.unwrap();
        let old = index.list("paid", None, None).await.unwrap().0.remove(0);
        index.put("paid", None, &entry(1)).await.unwrap();
        index.clear(old).await.unwrap();
        assert_eq!(index.list("paid", None, None).await.unwrap().0.len(), 1);
    }
}
