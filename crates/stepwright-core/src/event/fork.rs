//! The beginning of a run that shares the first facts of another.

use super::{SessionUsed, WorkflowStarted};
use crate::id::{RunId, SessionId, UserId, WorkflowId};
use crate::path::StepPath;
use crate::step::RunInput;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fmt;
use std::sync::Arc;

/// The run from which a run was forked, and how many of its facts they share.
///
/// ```
/// use stepwright_core::{RunId, event::Origin};
/// let origin = Origin { run: RunId::new("r-1")?, until: 12 };
/// assert_eq!(origin.to_string(), "r-1 (its first 12 facts)");
/// # Ok::<(), stepwright_core::IdError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// The id of that run.
    pub run: RunId,
    /// The number of facts that the runs share. The first own fact of the fork has this number.
    pub until: u64,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (its first {} facts)", self.run, self.until)
    }
}

/// The first fact of a fork: see [`EventKind::WorkflowForked`](super::EventKind::WorkflowForked).
/// Everything that it does not name is as in the origin.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkflowForked {
    /// The run whose facts come before this one.
    pub origin: Origin,
    /// The path at which the fork leaves its origin. The root if it begins anew.
    pub at: StepPath,
    /// The executions that begin again: the one at `at`, and those beside it that had not
    /// completed.
    pub steps: Vec<StepPath>,
    /// Containers beside it that had not ended, with all that is in them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub open: Vec<StepPath>,
    /// The id of the workflow.
    pub workflow_id: WorkflowId,
    /// The digest of its plan from here on.
    pub digest: Arc<str>,
    /// The id of the session.
    pub session_id: SessionId,
    /// The owner of the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// The input from here on, if it is another than that of the origin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Arc<RunInput>>,
    /// The metadata of the fork.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
    /// `true` if prompts, calls and decisions are logged in detail.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub debug: bool,
    /// The timeout of the fork, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// `true` for a background run.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub background: bool,
    /// The consumption of its session before the fork, if the session has a budget.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_used: Option<SessionUsed>,
}

impl WorkflowForked {
    /// Returns the start of the fork, given that of its origin.
    pub fn started(&self, origin: &WorkflowStarted) -> WorkflowStarted {
        WorkflowStarted {
            workflow_id: self.workflow_id.clone(),
            workflow_name: origin.workflow_name.clone(),
            digest: self.digest.clone(),
            session_id: self.session_id.clone(),
            user_id: self.user_id.clone(),
            input: self.input.clone().unwrap_or_else(|| origin.input.clone()),
            state: origin.state.clone(),
            patches: origin.patches.clone(),
            metadata: self.metadata.clone(),
            debug: self.debug,
            timeout_ms: self.timeout_ms,
            background: self.background,
            session_used: self.session_used,
            trace: None,
        }
    }
}
