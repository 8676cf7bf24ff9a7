//! The arguments about memories of users.

use super::In;
use clap::{Args, Subcommand};
use stepwright::UserId;

pub(super) const EXAMPLES: &str = "\
Memories belong to a user, and all sessions of the user share them. No command shows or changes
those of another user.

Examples:
  stepwright memories list --user ada --db chat.db
  stepwright memories search 'tea' --user ada --db chat.db
  stepwright memories add 'Drinks green tea.' --topic food --user ada --db chat.db
  stepwright memories edit m-6f1a0c93d2b4 'Drinks black tea.' --user ada --db chat.db
  stepwright memories remove m-6f1a0c93d2b4 --user ada --db chat.db";

#[derive(Debug, Subcommand)]
pub(crate) enum Memories {
    /// List the memories of a user, the last changed first
    List {
        #[command(flatten)]
        of: MemoriesOf,
    },
    /// Search the memories of a user by words
    Search {
        /// Words of the memories or of their topics
        query: String,
        /// The maximum number of memories
        #[arg(long, value_name = "N", default_value_t = 20)]
        limit: usize,
        #[command(flatten)]
        of: MemoriesOf,
    },
    /// Add a memory
    Add {
        /// The memory
        memory: String,
        /// A topic of the memory; can be given several times
        #[arg(long, value_name = "TOPIC")]
        topic: Vec<String>,
        #[command(flatten)]
        of: MemoriesOf,
    },
    /// Change the text of a memory
    Edit {
        /// The id of the memory
        #[arg(value_name = "MEMORY_ID")]
        id: String,
        /// The new text
        memory: String,
        #[command(flatten)]
        of: MemoriesOf,
    },
    /// Remove memories
    Remove {
        /// The ids of the memories
        #[arg(value_name = "MEMORY_ID", required = true)]
        ids: Vec<String>,
        #[command(flatten)]
        of: MemoriesOf,
    },
}

/// The user, and the database.
#[derive(Debug, Args)]
pub(crate) struct MemoriesOf {
    /// The user whose memories they are
    #[arg(long, value_name = "ID", alias = "user-id")]
    pub(crate) user: UserId,
    /// Write the answer as JSON
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) kept: In,
}
