//! The arguments about sessions.

use super::In;
use super::runs::Page;
use clap::{Args, Subcommand};
use stepwright::{SessionId, UserId, WorkflowId};

pub(super) const EXAMPLES: &str = "\
Examples:
  stepwright sessions list --db chat.db --user ada
  stepwright sessions show s-1 --db chat.db
  stepwright sessions rename s-1 'About bridges' --db chat.db
  stepwright sessions state s-1 --db chat.db --set language='\"en\"' --increment reports=1
  stepwright sessions delete s-1 --db chat.db --yes";

#[derive(Debug, Subcommand)]
pub(crate) enum Sessions {
    /// List sessions, the last used first
    List(SessionList),
    /// Show a session: its owner, its state, the usage of its runs, and its last runs
    Show {
        #[command(flatten)]
        session: OneSession,
        /// Write it as JSON
        #[arg(long)]
        json: bool,
    },
    /// Give a session a display name
    Rename {
        #[command(flatten)]
        session: OneSession,
        /// The name
        name: String,
    },
    /// Delete a session with all of its runs
    Delete {
        #[command(flatten)]
        session: OneSession,
        /// Delete it; without this option, the command only shows what it would delete
        #[arg(long)]
        yes: bool,
    },
    /// Write the state of a session as JSON, after any changes
    State(SessionState),
}

/// A session in a database.
#[derive(Debug, Args)]
pub(crate) struct OneSession {
    /// The id of the session
    #[arg(value_name = "SESSION_ID")]
    pub(crate) id: SessionId,
    /// Act as this user: sessions of other users, or without a user, are not found
    #[arg(long, value_name = "ID", alias = "user-id")]
    pub(crate) user: Option<UserId>,
    #[command(flatten)]
    pub(crate) kept: In,
}

#[derive(Debug, Args)]
pub(crate) struct SessionList {
    #[command(flatten)]
    pub(crate) kept: In,
    /// Only sessions of this user
    #[arg(long, value_name = "ID")]
    pub(crate) user: Option<UserId>,
    /// Only sessions that this workflow opened
    #[arg(long, value_name = "ID")]
    pub(crate) workflow: Option<WorkflowId>,
    #[command(flatten)]
    pub(crate) page: Page,
    /// Write the sessions as a JSON array
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct SessionState {
    #[command(flatten)]
    pub(crate) session: OneSession,
    /// Set a key to a value; `null` removes it
    #[arg(long, value_name = "KEY=JSON")]
    pub(crate) set: Vec<String>,
    /// Add an element to the end of a list
    #[arg(long, value_name = "KEY=JSON")]
    pub(crate) append: Vec<String>,
    /// Merge an object into an object
    #[arg(long, value_name = "KEY=JSON")]
    pub(crate) merge: Vec<String>,
    /// Add to a number
    #[arg(long, value_name = "KEY=N")]
    pub(crate) increment: Vec<String>,
}
