//! Questions of a caller about the memories of users, as data.

use crate::questions::data;
use serde::Deserialize;
use serde_json::Value;
use stepwright::{AnyStore, Error, Runs};

/// A question about the memories of a user, or a change of them. The answer is data.
///
/// ```
/// use stepwright::{AnyStore, Memory};
/// use stepwright_host::{MemoryAsked, MemoryQuestion};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = AnyStore::new(Memory::default());
/// let add: MemoryQuestion =
///     serde_json::from_str(r#"{"user": "ada", "ask": {"add": {"memory": "Likes tea."}}}"#)?;
/// add.ask(store.clone()).await?;
/// let list = MemoryQuestion { user: "ada".into(), ask: MemoryAsked::List {} };
/// assert_eq!(list.ask(store).await?[0]["memory"], "Likes tea.");
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemoryQuestion {
    /// The user.
    pub user: String,
    /// The question.
    pub ask: MemoryAsked,
}

/// The part of a [`MemoryQuestion`] that is the same for every user.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum MemoryAsked {
    /// All memories, the last changed first.
    List {},
    /// The memories that fit words best.
    Search {
        /// The words.
        query: String,
        /// The largest number of memories.
        limit: usize,
    },
    /// A memory.
    Get {
        /// The memory.
        memory_id: String,
    },
    /// To add a memory.
    Add {
        /// The text.
        memory: String,
        /// The topics.
        #[serde(default)]
        topics: Vec<String>,
    },
    /// To change a memory.
    Edit {
        /// The memory.
        memory_id: String,
        /// The new text.
        memory: String,
        /// The new topics. Without them, they stay as they are.
        #[serde(default)]
        topics: Option<Vec<String>>,
    },
    /// To remove a memory.
    Remove {
        /// The memory.
        memory_id: String,
    },
}

impl MemoryQuestion {
    /// Asks a store.
    ///
    /// # Errors
    /// If the memory does not exist, or cannot be stored.
    pub async fn ask(self, store: AnyStore) -> Result<Value, Error> {
        let memories = Runs::of(store).memories(&self.user)?;
        match self.ask {
            MemoryAsked::List {} => data(memories.list().await?),
            MemoryAsked::Search { query, limit } => data(memories.search(&query, limit).await?),
            MemoryAsked::Get { memory_id } => data(memories.get(&memory_id).await?),
            MemoryAsked::Add { memory, topics } => data(memories.add(memory, topics).await?),
            MemoryAsked::Edit { memory_id, memory, topics } => data(match topics {
                Some(topics) => memories.replace(&memory_id, memory, topics).await?,
                None => memories.edit(&memory_id, memory).await?,
            }),
            MemoryAsked::Remove { memory_id } => data(memories.remove(&memory_id).await?),
        }
    }
}
