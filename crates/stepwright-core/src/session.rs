//! Sessions: runs that share history and state.

use crate::id::{SessionId, UserId, WorkflowId};
use crate::message::Usage;
use crate::output::Metrics;
use crate::state::State;
use crate::world::Timestamp;
use serde::{Deserialize, Serialize};

/// A named thread of runs, owned by a user, with state of its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// Which session.
    pub session_id: SessionId,
    /// Who owns it. To anybody else it does not exist. A session without an owner is everybody's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// The workflow that opened it.
    pub workflow_id: WorkflowId,
    /// What a person calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What its runs share.
    pub state: State,
    /// How often the state has changed.
    pub version: u64,
    /// What its runs consumed, all together.
    pub metrics: SessionMetrics,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When its last run ended, or it was renamed.
    pub updated_at: Timestamp,
}

impl Session {
    /// A session that has had no run yet.
    pub fn new(
        session_id: SessionId,
        user_id: Option<UserId>,
        workflow_id: WorkflowId,
        now: Timestamp,
    ) -> Self {
        Self {
            session_id,
            user_id,
            workflow_id,
            name: None,
            state: State::new(),
            version: 0,
            metrics: SessionMetrics::default(),
            created_at: now,
            updated_at: now,
        }
    }

    /// Whether it exists for this user: it is theirs, or nobody's.
    ///
    /// ```
    /// # use stepwright_core::*;
    /// let anna = UserId::new("anna")?;
    /// let session =
    ///     Session::new("s".parse()?, Some(anna.clone()), "w".parse()?, Timestamp::default());
    /// assert!(session.belongs_to(Some(&anna)));
    /// assert!(!session.belongs_to(Some(&UserId::new("ben")?)) && !session.belongs_to(None));
    /// # Ok::<(), IdError>(())
    /// ```
    pub fn belongs_to(&self, user: Option<&UserId>) -> bool {
        self.user_id.is_none() || self.user_id.as_ref() == user
    }
}

/// What the runs of a session consumed, all together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionMetrics {
    /// How many runs have ended.
    pub runs: u64,
    /// How long they took, in milliseconds.
    pub duration_ms: u64,
    /// How many answers models gave.
    pub model_calls: u64,
    /// How many answers tools gave.
    pub tool_calls: u64,
    /// What models consumed.
    #[serde(default, skip_serializing_if = "Usage::is_empty")]
    pub usage: Usage,
}

impl SessionMetrics {
    /// How long all runs took, in seconds.
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of a session fit into 52 bits")]
    pub fn duration(&self) -> f64 {
        self.duration_ms as f64 / 1000.0
    }

    /// Adds what one run consumed.
    pub fn add(&mut self, run: &Metrics) {
        self.runs += 1;
        self.duration_ms += run.duration_ms;
        self.model_calls += run.model_calls;
        self.tool_calls += run.tool_calls;
        self.usage += run.usage;
    }
}
