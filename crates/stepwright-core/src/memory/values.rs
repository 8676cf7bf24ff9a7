//! The shared values of a store in memory.

use crate::store::{SharedValue, ValueChange};
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

/// The values, in the order of kind and key.
#[derive(Debug, Default)]
pub(super) struct Values(BTreeMap<(Arc<str>, Arc<str>), SharedValue>);

impl Values {
    pub(super) fn find(&self, kind: &str, key: &str) -> Option<SharedValue> {
        self.0.get(&(kind.into(), key.into())).cloned()
    }

    pub(super) fn list(&self, kind: &str, after: &str, limit: usize) -> Vec<SharedValue> {
        let from = Bound::Excluded((kind.into(), after.into()));
        let behind = self.0.range((from, Bound::Unbounded));
        let of_kind = behind.take_while(|((of, _), _)| **of == *kind);
        of_kind.take(limit).map(|(_, value)| value.clone()).collect()
    }

    pub(super) fn change(&mut self, change: ValueChange) -> bool {
        let ValueChange { kind, key, value, seen, version } = change;
        let place = (kind.clone(), key.clone());
        if self.0.get(&place).map(|stored| stored.version) != seen {
            return false;
        }
        match value {
            Some(value) => {
                self.0.insert(place, SharedValue { kind, key, value, version });
            }
            None => {
                self.0.remove(&place);
            }
        }
        true
    }
}
