//! The server that connections go to.

use super::address::Address;
use super::channels::Channels;
use std::time::Duration;

/// A name as SQL has it.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The server, and the settings of connections to it.
pub(super) struct Target {
    pub(super) address: Address,
    /// The address without secrets.
    pub(super) shown: String,
    pub(super) schema: String,
    pub(super) channels: Channels,
    pub(super) connect_timeout: Duration,
    pub(super) statement_timeout: Duration,
    pub(super) retry_for: Duration,
    /// The first statements on each new connection.
    pub(super) greeting: String,
}
