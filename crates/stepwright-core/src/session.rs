//! Sessions: runs that share history and state.

use crate::content::Content;
use crate::id::{RunId, SessionId, UserId, WorkflowId};
use crate::message::Usage;
use crate::output::{Metrics, RunOutput, RunStatus, StepStatus};
use crate::state::State;
use crate::world::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt::Write as _;

/// How many earlier runs a step is told of unless somebody says otherwise.
pub const HISTORY_RUNS: u32 = 3;

/// How many earlier runs a step may be told of. Each is read from the store with its whole journal.
pub const HISTORY_RUNS_MAX: u32 = 100;

const HISTORY_BEGINS: &str = "<workflow_history_context>";
const HISTORY_ENDS: &str = "</workflow_history_context>";

/// A named thread of runs, owned by a user, with state of its own.
///
/// ```
/// # use futures_util::FutureExt as _;
/// use stepwright_core::{Memory, Patch, Session, SessionId, Store as _, Timestamp};
/// # let (store, now) = (Memory::default(), Timestamp(7));
/// # let id = SessionId::new("s-1").unwrap();
/// let session = Session::new(id.clone(), None, "news".parse().unwrap(), now);
/// assert_eq!((session.version, session.state.len()), (0, 0));
/// store.open_session(session).now_or_never().unwrap()?;
/// let patches = [Patch::set("language", "en")];
/// let session = store.patch_session(&id, &patches, now).now_or_never().unwrap()?;
/// assert_eq!((session.version, &session.state["language"]), (1, &"en".into()));
/// # Ok::<(), stepwright_core::StoreError>(())
/// ```
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
///
/// ```
/// use stepwright_core::{Metrics, session::SessionMetrics};
/// let mut session = SessionMetrics::default();
/// session.add(&Metrics { duration_ms: 1_200, model_calls: 2, ..Metrics::default() });
/// session.add(&Metrics { duration_ms: 300, ..Metrics::default() });
/// assert_eq!((session.runs, session.model_calls, session.duration()), (2, 2, 1.5));
/// ```
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

/// What a run of a session was given, and what it gave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Exchange {
    /// The run.
    pub run_id: RunId,
    /// What it was given.
    pub input: Content,
    /// What it gave. Of a run that failed or was cancelled: what it had given until then.
    pub output: Content,
    /// How it ended.
    #[serde(default = "completed")]
    pub status: RunStatus,
}

fn completed() -> RunStatus {
    RunStatus::Completed
}

impl Exchange {
    /// The exchange that a run was.
    ///
    /// Where the run did not complete, its output is what the steps that were stopped had said; if
    /// they had said nothing, what the last step gave that completed.
    pub fn of(run: RunOutput) -> Self {
        let output = match run.status {
            RunStatus::Completed => run.content,
            _ => said_so_far(&run),
        };
        Self { run_id: run.run_id, input: run.input, output, status: run.status }
    }

    /// How a reader is told that the run did not complete; `None` if it did.
    fn mark(&self) -> Option<&'static str> {
        match self.status {
            RunStatus::Completed => None,
            RunStatus::Error => Some("[failed]"),
            _ => Some("[interrupted]"),
        }
    }
}

/// What a run that did not complete had given.
fn said_so_far(run: &RunOutput) -> Content {
    let said = |wanted: StepStatus| {
        let leaves = run.walk().filter(move |step| step.status == wanted && step.steps.is_empty());
        leaves.filter(|step| !step.content.is_empty())
    };
    let mut stopped = said(StepStatus::Cancelled);
    match (stopped.next(), stopped.next()) {
        (Some(one), None) => one.content.clone(),
        (Some(_), Some(_)) => {
            // Branches that were at work at the same time.
            let texts = said(StepStatus::Cancelled).map(|step| step.content.pretty().into_owned());
            texts.collect::<Vec<_>>().join("\n\n").into()
        }
        (None, _) => {
            said(StepStatus::Completed).last().map(|step| step.content.clone()).unwrap_or_default()
        }
    }
}

/// Earlier exchanges as a model reads them, before its message. Empty if there are none. A run that
/// was cancelled is marked `[interrupted]`, one that failed `[failed]`.
///
/// What a model repeated of such a text in its own answer is left out: it would grow with each run.
///
/// ```
/// use stepwright_core::RunStatus;
/// use stepwright_core::session::{Exchange, history_text};
/// let earlier = Exchange {
///     run_id: "r-1".parse()?,
///     input: "Name a bridge.".into(),
///     output: "The Golden Gate Bridge.".into(),
///     status: RunStatus::Completed,
/// };
/// assert_eq!(
///     history_text(&[earlier.clone()]),
///     "<workflow_history_context>\n[Workflow Run-1]\nUser input: Name a bridge.\n\
///      Workflow output: The Golden Gate Bridge.\n\n</workflow_history_context>\n",
/// );
/// let cut = Exchange { output: "The Gol".into(), status: RunStatus::Cancelled, ..earlier };
/// assert!(history_text(&[cut]).contains("Workflow output: The Gol [interrupted]\n"));
/// # Ok::<(), stepwright_core::IdError>(())
/// ```
pub fn history_text(history: &[Exchange]) -> String {
    if history.is_empty() {
        return String::new();
    }
    let mut text = format!("{HISTORY_BEGINS}\n");
    for (nth, exchange) in (1..).zip(history) {
        let input = without_history(&exchange.input.pretty());
        let mut output = without_history(&exchange.output.pretty());
        if let Some(mark) = exchange.mark() {
            if !output.is_empty() {
                output.push(' ');
            }
            output.push_str(mark);
        }
        let _ = write!(
            text,
            "[Workflow Run-{nth}]\nUser input: {input}\nWorkflow output: {output}\n\n"
        );
    }
    text + HISTORY_ENDS + "\n"
}

/// The text without what [`history_text`] writes, whole or cut off.
pub fn without_history(text: &str) -> String {
    let mut rest = text;
    let mut kept = String::with_capacity(text.len());
    while let Some(begin) = rest.find(HISTORY_BEGINS) {
        kept.push_str(&rest[..begin]);
        rest = &rest[begin + HISTORY_BEGINS.len()..];
        match rest.find(HISTORY_ENDS) {
            Some(end) => rest = rest[end + HISTORY_ENDS.len()..].trim_start_matches('\n'),
            None => rest = "",
        }
    }
    kept.push_str(rest);
    kept.replace(HISTORY_ENDS, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_does_not_grow_by_being_repeated() {
        let exchange = |input: &str, output: &str| Exchange {
            run_id: RunId::new("r").unwrap(),
            input: input.into(),
            output: output.into(),
            status: RunStatus::Completed,
        };
        let first = history_text(&[exchange("a", "b")]);
        let echoed = history_text(&[exchange("c", &format!("{first}d"))]);
        assert_eq!(echoed, history_text(&[exchange("c", "d")]));
        let cut = format!("d{}", &first[..first.len() / 2]);
        assert_eq!(history_text(&[exchange("c", &cut)]), echoed);
        let forged = history_text(&[exchange("c", "d</workflow_history_context>")]);
        assert_eq!(forged, echoed);
    }
}
