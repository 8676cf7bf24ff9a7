//! The memories of the user of a run, in the store of the run.

use crate::codes::ErrorId;
use crate::id::{RunId, UserId};
use crate::redact::Secrets;
use crate::store::{AnyStore, SessionStore as _, StoreError};
use crate::user_memory::{MEMORIES_MAX, MemoryChange, MemoryFilter, MemoryUpdate, UserMemory};
use crate::world::World;
use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

/// The memories of the user of a run.
/// [`StepContext::memories`](crate::StepContext::memories) returns them.
///
/// ```
/// # use futures_util::FutureExt as _;
/// use stepwright_core::{AnyStore, Memory, UserId, World};
/// use stepwright_core::store::{MemoryChange, UserMemories};
/// # futures_util::FutureExt::now_or_never(async {
/// let world = World::seeded(0);
/// let store = AnyStore::new(Memory::default());
/// let memories = UserMemories::new(store, UserId::new("ada").unwrap(), None, world);
/// let add = MemoryChange::Add {
///     memory_id: "m-1".into(),
///     memory: "Drinks green tea.".into(),
///     topics: vec!["food".into()],
/// };
/// memories.update(vec![add]).await?;
/// assert_eq!(memories.search("tea", 3).await?[0].memory_id.as_ref(), "m-1");
/// # Ok::<(), stepwright_core::StoreError>(())
/// # }).unwrap().unwrap();
/// ```
#[derive(Clone)]
pub struct UserMemories {
    store: AnyStore,
    user: UserId,
    run: Option<RunId>,
    world: World,
    secrets: Option<Secrets>,
}

impl UserMemories {
    /// Creates the memories of a user in a store. `run` makes the changes.
    pub fn new(store: AnyStore, user: UserId, run: Option<RunId>, world: World) -> Self {
        Self { store, user, run, world, secrets: None }
    }

    /// Replaces secrets in the texts that are stored.
    #[must_use]
    pub fn redacted(self, secrets: Secrets) -> Self {
        Self { secrets: Some(secrets), ..self }
    }

    /// Returns the user.
    pub fn user(&self) -> &UserId {
        &self.user
    }

    /// Returns the memories that were changed last, at most `limit` of them, the newest first. 0
    /// stands for all.
    ///
    /// # Errors
    /// Fails if the store does.
    pub async fn list(&self, limit: usize) -> Result<Vec<UserMemory>, StoreError> {
        let filter = MemoryFilter { limit, ..MemoryFilter::of(self.user.clone()) };
        self.store.memories(filter).await
    }

    /// Returns the memories that fit words best, at most `limit` of them: those that have more of
    /// the words in their texts and topics come first, then the newer ones.
    ///
    /// # Errors
    /// Fails if the store does.
    pub async fn search(&self, query: &str, limit: usize) -> Result<Vec<UserMemory>, StoreError> {
        Ok(found(self.list(0).await?, query, limit))
    }

    /// Makes changes, and returns the number of memories that were added, changed or removed.
    ///
    /// # Errors
    /// Fails if the store does, or if the user would have more than [`MEMORIES_MAX`].
    pub async fn update(&self, mut changes: Vec<MemoryChange>) -> Result<u64, StoreError> {
        for change in &mut changes {
            self.redact(change);
        }
        let (user_id, run_id) = (self.user.clone(), self.run.clone());
        let at = self.world.now();
        self.store.update_memories(MemoryUpdate { user_id, run_id, changes, at }).await
    }

    fn redact(&self, change: &mut MemoryChange) {
        let Some(secrets) = &self.secrets else { return };
        let clean = |text: &mut Arc<str>| *text = secrets.redact(text).as_ref().into();
        match change {
            MemoryChange::Add { memory, topics, .. }
            | MemoryChange::Restore { memory, topics, .. } => {
                clean(memory);
                topics.iter_mut().for_each(clean);
            }
            MemoryChange::Edit { memory, topics, .. } => {
                clean(memory);
                topics.iter_mut().flatten().for_each(clean);
            }
            MemoryChange::Remove { .. } => {}
        }
    }
}

impl fmt::Debug for UserMemories {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("UserMemories").field(&self.user).finish()
    }
}

fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
}

/// Returns the memories that have words of a query, the best first.
fn found(memories: Vec<UserMemory>, query: &str, limit: usize) -> Vec<UserMemory> {
    let wanted: BTreeSet<String> = words(query).collect();
    let score = |memory: &UserMemory| {
        let topics = memory.topics.iter().flat_map(|topic| words(topic));
        let has: BTreeSet<String> = words(&memory.memory).chain(topics).collect();
        // A word may be the beginning of another, as in `tea` and `teas`.
        let is_there = |word: &&String| {
            has.contains(*word) || (word.len() > 2 && has.iter().any(|it| it.starts_with(*word)))
        };
        wanted.iter().filter(is_there).count()
    };
    let mut ranked: Vec<(usize, UserMemory)> =
        memories.into_iter().map(|memory| (score(&memory), memory)).collect();
    ranked.retain(|(score, _)| *score > 0);
    // Stable, so that the newer of equals stay first.
    ranked.sort_by_key(|(score, _)| Reverse(*score));
    ranked.into_iter().take(limit).map(|(_, memory)| memory).collect()
}

/// Returns the error of a user who has as many memories as a user may have. See [`UserMemories`].
pub fn too_many_memories(user: &UserId) -> StoreError {
    StoreError::Unavailable {
        what: format!("user `{user}` has {MEMORIES_MAX} memories, and cannot have more"),
        source: "the limit is reached".into(),
        hint: Some(format!("remove some: `stepwright memories list --user {user}` shows them")),
        id: ErrorId::MEMORIES_FULL,
    }
}
