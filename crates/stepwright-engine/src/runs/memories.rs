//! Memories of users: list, search, add, change and remove them.

use super::Runs;
use std::sync::Arc;
use stepwright_core::store::{MemoryChange, MemoryFilter, MemoryUser, UserMemories, UserMemory};
use stepwright_core::{Error, ErrorId, ErrorKind, UserId, World};

/// The memories of one user in a store, over all sessions and workflows: see [`Runs::memories`].
///
/// ```
/// # use stepwright_core::{AnyStore, Memory};
/// # use stepwright_engine::Runs;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), stepwright_core::Error> {
/// let memories = Runs::of(AnyStore::new(Memory::default())).memories("ada")?;
/// let tea = memories.add("Drinks green tea.", ["food"]).await?;
/// assert_eq!(memories.search("tea", 3).await?[0].memory_id, tea.memory_id);
/// memories.edit(&tea.memory_id, "Drinks black tea.").await?;
/// memories.remove(&tea.memory_id).await?;
/// assert!(memories.list().await?.is_empty());
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Memories {
    inner: UserMemories,
    world: World,
}

impl Memories {
    /// Lists the memories, the last changed first.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn list(&self) -> Result<Vec<UserMemory>, Error> {
        Ok(self.inner.list(0).await?)
    }

    /// Returns the memories that have words of the query, those with most of them first: at most
    /// `limit`.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn search(&self, query: &str, limit: usize) -> Result<Vec<UserMemory>, Error> {
        Ok(self.inner.search(query, limit).await?)
    }

    /// Adds a memory, and returns it.
    ///
    /// # Errors
    /// If the text or a topic is empty or too long, if the user has too many memories, or if the
    /// store fails.
    pub async fn add<T: Into<Arc<str>>>(
        &self,
        memory: impl Into<Arc<str>>,
        topics: impl IntoIterator<Item = T>,
    ) -> Result<UserMemory, Error> {
        let key = self.world.session_id();
        let memory_id = MemoryChange::id(key.as_str());
        let topics = topics.into_iter().map(Into::into).collect();
        let change =
            MemoryChange::Add { memory_id: memory_id.clone(), memory: memory.into(), topics };
        self.change(change).await?;
        self.get(&memory_id).await
    }

    /// Changes the text of a memory, and returns the memory.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if the user has no memory of this id. As [`Memories::add`].
    pub async fn edit(
        &self,
        memory_id: &str,
        memory: impl Into<Arc<str>>,
    ) -> Result<UserMemory, Error> {
        self.get(memory_id).await?;
        let (id, memory) = (memory_id.into(), memory.into());
        self.change(MemoryChange::Edit { memory_id: id, memory, topics: None }).await?;
        self.get(memory_id).await
    }

    /// Returns a memory.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if there is none of this id.
    pub async fn get(&self, memory_id: &str) -> Result<UserMemory, Error> {
        let all = self.inner.list(0).await?;
        all.into_iter().find(|memory| &*memory.memory_id == memory_id).ok_or_else(|| {
            let user = self.inner.user();
            let message = format!("memory `{memory_id}` of user `{user}` was not found");
            let error = Error::new(ErrorKind::NotFound, message).with_id(ErrorId::NOT_FOUND);
            error.with_hint(format!("`stepwright memories list --user {user}` shows the ids"))
        })
    }

    /// Replaces the text and the topics of a memory, and returns the memory.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if the user has no memory of this id. As [`Memories::add`].
    pub async fn replace<T: Into<Arc<str>>>(
        &self,
        memory_id: &str,
        memory: impl Into<Arc<str>>,
        topics: impl IntoIterator<Item = T>,
    ) -> Result<UserMemory, Error> {
        self.get(memory_id).await?;
        let (id, memory) = (memory_id.into(), memory.into());
        let topics = Some(topics.into_iter().map(Into::into).collect());
        self.change(MemoryChange::Edit { memory_id: id, memory, topics }).await?;
        self.get(memory_id).await
    }

    /// Removes a memory.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if the user has no memory of this id. If the store fails.
    pub async fn remove(&self, memory_id: &str) -> Result<(), Error> {
        self.get(memory_id).await?;
        self.change(MemoryChange::Remove { memory_id: memory_id.into() }).await
    }

    async fn change(&self, change: MemoryChange) -> Result<(), Error> {
        if let Some(why) = change.mistake() {
            return Err(Error::usage(why).with_id(ErrorId::CHANGE_UNREADABLE));
        }
        self.inner.update(vec![change]).await?;
        Ok(())
    }
}

impl Runs {
    /// Lists the users who have memories, at most `limit` of them behind the first `offset`: those
    /// whose memories were changed last come first. A `limit` of 0 stands for
    /// [`PAGE_MAX`](stepwright_core::store::PAGE_MAX).
    ///
    /// ```
    /// # use stepwright_core::{AnyStore, Memory};
    /// # use stepwright_engine::Runs;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), stepwright_core::Error> {
    /// let runs = Runs::of(AnyStore::new(Memory::default()));
    /// runs.memories("ada")?.add("Likes tea.", ["drinks"]).await?;
    /// assert_eq!(runs.memory_users(10, 0).await?[0].user_id.as_str(), "ada");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// If the store fails.
    pub async fn memory_users(
        &self,
        limit: usize,
        offset: usize,
    ) -> Result<Vec<MemoryUser>, Error> {
        let Some(own) = &self.user else {
            return Ok(self.store.memory_users(limit, offset).await?);
        };
        let all = self.store.memories(MemoryFilter::of(own.clone())).await?;
        // The last changed comes first.
        let newest = all.first().filter(|_| offset == 0);
        let user = newest.map(|newest| MemoryUser {
            user_id: own.clone(),
            memories: all.len() as u64,
            updated_at: newest.updated_at,
        });
        Ok(user.into_iter().collect())
    }

    /// Returns the memories of a user, to list, search, add, change and remove them.
    ///
    /// # Errors
    /// If `user` is not a valid user id. [`ErrorKind::NotFound`] if this reader is that of another
    /// user.
    pub fn memories(&self, user: impl AsRef<str>) -> Result<Memories, Error> {
        let user = UserId::new(user)?;
        if self.user.as_ref().is_some_and(|own| *own != user) {
            let error = Error::new(ErrorKind::NotFound, format!("user `{user}` was not found"));
            return Err(error.with_id(ErrorId::NOT_FOUND));
        }
        let world = self.world.clone();
        let inner = UserMemories::new(self.store.clone(), user, None, world.clone());
        Ok(Memories { inner, world })
    }
}
