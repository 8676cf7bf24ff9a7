//! The work of an agent on its context: compression and summaries.

use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The purpose of a request to a model that is not a turn of the conversation.
///
/// ```
/// use stepwright_core::event::RequestPurpose;
/// assert_eq!(serde_json::to_value(RequestPurpose::SessionSummary)?, "session_summary");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RequestPurpose {
    /// The summary of turns that are left out of later requests.
    Compression,
    /// The summary of the session.
    SessionSummary,
    /// The changes of the memories of the user.
    UserMemories,
}

/// The part of a conversation that later requests of an agent leave out.
///
/// ```
/// use stepwright_core::event::Compressed;
/// let read: Compressed = serde_json::from_str(r#"{"method": "drop", "until": 7}"#)?;
/// assert_eq!((&*read.method, read.until, read.summary), ("drop", 7, None));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Compressed {
    /// The method: `summary`, `drop` or `clear_tool_results`.
    pub method: Arc<str>,
    /// The number of the first message of the conversation that is sent as it is, from 0. The
    /// examples and the message to the agent are always sent.
    pub until: u64,
    /// The estimated tokens of a request before.
    #[serde(default)]
    pub tokens_before: u64,
    /// The estimated tokens of a request after.
    #[serde(default)]
    pub tokens_after: u64,
    /// The text that stands in place of the turns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<Arc<str>>,
}
