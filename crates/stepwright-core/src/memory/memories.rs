//! Memories of users in the memory of this process.

use crate::store::{
    MEMORIES_MAX, MemoryFilter, MemoryUpdate, MemoryUser, StoreError, UserMemory, page,
    too_many_memories,
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

    pub(super) fn users(&self, limit: usize, offset: usize) -> Vec<MemoryUser> {
        let user = |own: &HashMap<Arc<str>, UserMemory>| {
            let newest = own.values().max_by_key(|memory| memory.updated_at)?;
            let (user_id, updated_at) = (newest.user_id.clone(), newest.updated_at);
            Some(MemoryUser { user_id, memories: own.len() as u64, updated_at })
        };
        let mut users: Vec<MemoryUser> = self.0.values().filter_map(user).collect();
        users.sort_by(|a, b| {
            b.updated_at.cmp(&a.updated_at).then_with(|| a.user_id.as_str().cmp(b.user_id.as_str()))
        });
        users.into_iter().skip(offset).take(page(limit)).collect()
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
