//! The verbs of the command, one per file.

pub(crate) mod attach;
pub(crate) mod cancel;
pub(crate) mod capabilities;
pub(crate) mod chat;
pub(crate) mod check;
pub(crate) mod compare;
pub(crate) mod config;
pub(crate) mod docs;
pub(crate) mod events;
pub(crate) mod explain;
mod explained_run;
pub(crate) mod fix;
pub(crate) mod fork;
pub(crate) mod init;
pub(crate) mod keeping;
#[cfg(feature = "mcp")]
pub(crate) mod login;
pub(crate) mod man;
#[cfg(feature = "mcp")]
pub(crate) mod mcp;
pub(crate) mod resume;
pub(crate) mod run;
pub(crate) mod runs;
pub(crate) mod schema;
pub(crate) mod send;
#[cfg(feature = "serve")]
pub(crate) mod serve;
pub(crate) mod sessions;
pub(crate) mod show;
pub(crate) mod test;
pub(crate) mod top;
pub(crate) mod verify;
pub(crate) mod worker;
