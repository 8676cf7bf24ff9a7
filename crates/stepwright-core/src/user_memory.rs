//! Memories: what is known of a user over all sessions.

use crate::id::{RunId, UserId};
use crate::world::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::sync::Arc;

/// The longest memory, in bytes.
pub const MEMORY_BYTES_MAX: usize = 4_096;

/// The largest number of topics of a memory.
pub const MEMORY_TOPICS_MAX: usize = 16;

/// The longest topic, in bytes.
pub const MEMORY_TOPIC_BYTES_MAX: usize = 64;

/// The largest number of memories of a user: those of one page of a list.
pub const MEMORIES_MAX: usize = 1_000;

/// The number of hexadecimal digits in the id of a memory.
const ID_DIGITS: usize = 12;

/// A memory of a user: a fact, a wish or a habit that later runs should know.
///
/// ```
/// use stepwright_core::{Timestamp, UserId, store::UserMemory};
/// let memory = UserMemory {
///     memory_id: "m-1".into(),
///     user_id: UserId::new("ada")?,
///     memory: "Prefers short answers.".into(),
///     topics: vec!["style".into()],
///     run_id: None,
///     created_at: Timestamp(0),
///     updated_at: Timestamp(0),
/// };
/// assert_eq!(serde_json::to_value(&memory).unwrap()["memory"], "Prefers short answers.");
/// # Ok::<(), stepwright_core::IdError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserMemory {
    /// The id, which is unique among the memories of the user.
    pub memory_id: Arc<str>,
    /// The user.
    pub user_id: UserId,
    /// The memory.
    pub memory: Arc<str>,
    /// Its topics.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub topics: Vec<Arc<str>>,
    /// The run that changed it last. `None` if a person did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<RunId>,
    /// The time at which it was made.
    pub created_at: Timestamp,
    /// The time of its last change.
    pub updated_at: Timestamp,
}

/// A change of the memories of a user.
///
/// Each change can be made twice with the same result, so that a run which died meanwhile makes it
/// again.
///
/// ```
/// use stepwright_core::store::MemoryChange;
/// let change = MemoryChange::Remove { memory_id: "m-1".into() };
/// let json = serde_json::json!({"change": "remove", "memory_id": "m-1"});
/// assert_eq!(serde_json::to_value(&change).unwrap(), json);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
#[non_exhaustive]
pub enum MemoryChange {
    /// Adds a memory. If there is one of this id, it gets this text and these topics.
    Add {
        /// The id: see [`MemoryChange::id`].
        memory_id: Arc<str>,
        /// The memory.
        memory: Arc<str>,
        /// Its topics.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        topics: Vec<Arc<str>>,
    },
    /// Changes a memory. Does nothing if there is none of this id.
    Edit {
        /// The id.
        memory_id: Arc<str>,
        /// The new memory.
        memory: Arc<str>,
        /// The new topics. `None` leaves them as they are.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        topics: Option<Vec<Arc<str>>>,
    },
    /// Removes a memory. Does nothing if there is none of this id.
    Remove {
        /// The id.
        memory_id: Arc<str>,
    },
    /// Restores a memory of an export, which was changed last at the time of the update. Does
    /// nothing if there is one of this id that was changed later.
    Restore {
        /// The id.
        memory_id: Arc<str>,
        /// The memory.
        memory: Arc<str>,
        /// Its topics.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        topics: Vec<Arc<str>>,
        /// The time at which it was made.
        created_at: Timestamp,
    },
}

impl MemoryChange {
    /// Makes the id of a memory from a key that is the same when its run is resumed, such as
    /// [`StepContext::idempotency_key_for`](crate::StepContext::idempotency_key_for).
    ///
    /// ```
    /// use stepwright_core::store::MemoryChange;
    /// assert_eq!(MemoryChange::id("r-1:desk"), MemoryChange::id("r-1:desk"));
    /// assert!(MemoryChange::id("r-1:desk").starts_with("m-"));
    /// ```
    pub fn id(key: &str) -> Arc<str> {
        let mut id = "m-".to_owned();
        for byte in Sha256::digest(key).iter().take(ID_DIGITS / 2) {
            let _ = write!(id, "{byte:02x}");
        }
        id.into()
    }

    /// Returns the id of the memory that it changes.
    pub fn memory_id(&self) -> &Arc<str> {
        match self {
            Self::Add { memory_id, .. }
            | Self::Edit { memory_id, .. }
            | Self::Remove { memory_id }
            | Self::Restore { memory_id, .. } => memory_id,
        }
    }

    /// Returns the reason that the change cannot be made, if its text or its topics are too long or
    /// empty.
    ///
    /// ```
    /// use stepwright_core::store::MemoryChange;
    /// let add = |memory: &str| MemoryChange::Add {
    ///     memory_id: "m-1".into(), memory: memory.into(), topics: Vec::new(),
    /// };
    /// assert_eq!(add(" ").mistake().as_deref(), Some("the memory is empty"));
    /// assert!(add("Likes tea.").mistake().is_none());
    /// ```
    pub fn mistake(&self) -> Option<String> {
        let (memory, topics) = match self {
            Self::Add { memory, topics, .. } | Self::Restore { memory, topics, .. } => {
                (memory, topics.as_slice())
            }
            Self::Edit { memory, topics, .. } => (memory, topics.as_deref().unwrap_or_default()),
            Self::Remove { .. } => return None,
        };
        if memory.trim().is_empty() {
            return Some("the memory is empty".to_owned());
        }
        if memory.len() > MEMORY_BYTES_MAX {
            let bytes = memory.len();
            return Some(format!("the memory has {bytes} bytes; the limit is {MEMORY_BYTES_MAX}"));
        }
        if topics.len() > MEMORY_TOPICS_MAX {
            let count = topics.len();
            return Some(format!(
                "the memory has {count} topics; the limit is {MEMORY_TOPICS_MAX}"
            ));
        }
        let wrong =
            |topic: &&Arc<str>| topic.trim().is_empty() || topic.len() > MEMORY_TOPIC_BYTES_MAX;
        topics.iter().find(wrong).map(|topic| {
            format!("the topic `{topic}` does not have 1 to {MEMORY_TOPIC_BYTES_MAX} bytes")
        })
    }

    /// Applies the change to the memory of its id, as a store does. Returns the memory afterwards.
    pub fn applied(&self, before: Option<UserMemory>, update: &MemoryUpdate) -> Option<UserMemory> {
        let changed = |before: UserMemory, memory: &Arc<str>, topics: Option<&[Arc<str>]>| {
            let topics = topics.map_or_else(|| before.topics.clone(), <[_]>::to_vec);
            if before.memory == *memory && before.topics == topics {
                return before;
            }
            UserMemory {
                memory: memory.clone(),
                topics,
                run_id: update.run_id.clone(),
                updated_at: update.at.max(before.updated_at),
                ..before
            }
        };
        match (self, before) {
            (Self::Remove { .. }, _) | (Self::Edit { .. }, None) => None,
            (Self::Edit { memory, topics, .. }, Some(before)) => {
                Some(changed(before, memory, topics.as_deref()))
            }
            (Self::Restore { .. }, Some(before)) if before.updated_at > update.at => Some(before),
            (
                Self::Add { memory, topics, .. } | Self::Restore { memory, topics, .. },
                Some(before),
            ) => Some(changed(before, memory, Some(topics))),
            (Self::Restore { memory_id, memory, topics, created_at }, None) => Some(UserMemory {
                memory_id: memory_id.clone(),
                user_id: update.user_id.clone(),
                memory: memory.clone(),
                topics: topics.clone(),
                run_id: update.run_id.clone(),
                created_at: *created_at,
                updated_at: update.at,
            }),
            (Self::Add { memory_id, memory, topics }, None) => Some(UserMemory {
                memory_id: memory_id.clone(),
                user_id: update.user_id.clone(),
                memory: memory.clone(),
                topics: topics.clone(),
                run_id: update.run_id.clone(),
                created_at: update.at,
                updated_at: update.at,
            }),
        }
    }
}

/// Changes of the memories of one user, which a store makes together.
///
/// ```
/// use stepwright_core::{Timestamp, UserId, store::MemoryUpdate};
/// let update = MemoryUpdate::new(UserId::new("ada")?, Vec::new(), Timestamp(0));
/// assert!(update.run_id.is_none());
/// # Ok::<(), stepwright_core::IdError>(())
/// ```
#[derive(Clone, Debug)]
pub struct MemoryUpdate {
    /// The user.
    pub user_id: UserId,
    /// The run that makes the changes.
    pub run_id: Option<RunId>,
    /// The changes, in order.
    pub changes: Vec<MemoryChange>,
    /// The time of the changes.
    pub at: Timestamp,
}

impl MemoryUpdate {
    /// Creates changes that a person makes.
    pub fn new(user_id: UserId, changes: Vec<MemoryChange>, at: Timestamp) -> Self {
        Self { user_id, run_id: None, changes, at }
    }
}

/// A user who has memories.
///
/// ```
/// use stepwright_core::{Timestamp, UserId, store::MemoryUser};
/// let (user_id, updated_at) = (UserId::new("ada")?, Timestamp(7));
/// let ada = MemoryUser { user_id, memories: 3, updated_at };
/// # Ok::<(), stepwright_core::IdError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MemoryUser {
    /// The user.
    pub user_id: UserId,
    /// The number of memories.
    pub memories: u64,
    /// The time of the last change of one of them.
    pub updated_at: Timestamp,
}

/// The memories of a user to list.
///
/// ```
/// use stepwright_core::{UserId, store::MemoryFilter};
/// let newest = MemoryFilter { limit: 10, ..MemoryFilter::of(UserId::new("ada")?) };
/// # Ok::<(), stepwright_core::IdError>(())
/// ```
#[derive(Clone, Debug)]
pub struct MemoryFilter {
    /// The user. There is no list of the memories of all users.
    pub user_id: UserId,
    /// The maximum number of memories. 0 stands for [`MEMORIES_MAX`].
    pub limit: usize,
    /// The number of memories to pass over.
    pub offset: usize,
}

impl MemoryFilter {
    /// Creates a filter for all memories of a user.
    pub fn of(user_id: UserId) -> Self {
        Self { user_id, limit: 0, offset: 0 }
    }
}
