//! Memories of users in the memory of this process.

use crate::store::{
    MEMORIES_MAX, MemoryFilter, MemoryUpdate, StoreError, UserMemory, page, too_many_memories,
};
use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

/// The memories of users, by user and id.
#[derive(Debug, Default)]
pub(super) struct Memories(HashMap<Arc<str>, HashMap<Arc<str>, UserMemory>>);

impl Memories {
    pub(super) fn list(&self, filter: &MemoryFilter) -> Vec<UserMemory> {
        let own = self.0.get(filter.user_id.as_str());
        let mut own: Vec<&UserMemory> = own.into_iter().flat_map(HashMap::values).collect();
        own.sort_by_key(|memory| (Reverse(memory.updated_at), memory.memory_id.clone()));
        own.into_iter().skip(filter.offset).take(page(filter.limit)).cloned().collect()
    }

    pub(super) fn update(&mut self, update: &MemoryUpdate) -> Result<u64, StoreError> {
        let user: Arc<str> = update.user_id.as_str().into();
        // A copy, so that a refused update changes nothing.
        let mut own = self.0.get(&user).cloned().unwrap_or_default();
        let mut changed = 0;
        for change in &update.changes {
            let before = own.remove(change.memory_id());
            let after = change.applied(before.clone(), update);
            changed += u64::from(before != after);
            if let Some(after) = after {
                own.insert(after.memory_id.clone(), after);
            }
        }
        if own.len() > MEMORIES_MAX {
            return Err(too_many_memories(&update.user_id));
        }
        if own.is_empty() {
            self.0.remove(&user);
        } else {
            self.0.insert(user, own);
        }
        Ok(changed)
    }
}
