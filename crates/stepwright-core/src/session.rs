//! Sessions: runs that share history and state.

use crate::content::Content;
use crate::cost::Cost;
use crate::id::{RunId, SessionId, UserId, WorkflowId};
use crate::message::Usage;
use crate::output::{Metrics, RunOutput, RunStatus, StepStatus, Turn};
use crate::state::State;
use crate::world::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

/// The number of earlier runs that a step reads by default.
pub const HISTORY_RUNS: u32 = 3;

/// The largest number of earlier runs that a step may read. Each is read from the store with its
/// whole journal.
pub const HISTORY_RUNS_MAX: u32 = 100;

const HISTORY_BEGINS: &str = "<workflow_history_context>";
const HISTORY_ENDS: &str = "</workflow_history_context>";

/// A named thread of runs, owned by a user, with state of its own.
///
/// ```
/// # use futures_util::FutureExt as _;
/// use stepwright_core::{Memory, Patch, Session, SessionId, Timestamp, store::SessionStore as _};
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
    /// The identifier.
    pub session_id: SessionId,
    /// The owner. For other users the session does not exist. Every user may use a session without
    /// an owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// The workflow that opened it.
    pub workflow_id: WorkflowId,
    /// The display name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The state that its runs share.
    pub state: State,
    /// The number of changes of the state.
    pub version: u64,
    /// The consumption of all of its runs.
    pub metrics: SessionMetrics,
    /// The time at which it was opened.
    pub created_at: Timestamp,
    /// The time at which its last run ended or it was renamed.
    pub updated_at: Timestamp,
}

impl Session {
    /// Creates a session without runs.
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

    /// Returns `true` if the session exists for this user: the user owns it, or it has no owner.
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

/// The consumption of all runs of a session.
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
    /// The number of runs that have ended.
    pub runs: u64,
    /// Their duration, in milliseconds.
    pub duration_ms: u64,
    /// The number of model responses.
    pub model_calls: u64,
    /// The number of tool results.
    pub tool_calls: u64,
    /// The tokens of the models.
    #[serde(default, skip_serializing_if = "Usage::is_empty")]
    pub usage: Usage,
    /// The cost of the models.
    #[serde(default, skip_serializing_if = "Cost::is_zero")]
    pub cost: Cost,
}

impl SessionMetrics {
    /// Returns the duration of all runs, in seconds.
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of a session fit into 52 bits")]
    pub fn duration(&self) -> f64 {
        self.duration_ms as f64 / 1000.0
    }

    /// Adds the consumption of one run.
    pub fn add(&mut self, run: &Metrics) {
        self.runs += 1;
        self.duration_ms += run.duration_ms;
        self.model_calls += run.model_calls;
        self.tool_calls += run.tool_calls;
        self.usage += run.usage;
        self.cost += run.cost;
    }
}

/// The input and the output of a run of a session.
///
/// ```
/// use stepwright_core::Exchange;
/// fn transcript(earlier: &[Exchange]) -> String {
///     earlier.iter().map(|e| format!("> {}\n{}\n", e.input.text(), e.output.text())).collect()
/// }
/// assert_eq!(transcript(&[]), "");
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Exchange {
    /// The run.
    pub run_id: RunId,
    /// The input.
    pub input: Content,
    /// The messages that its agents got while they worked, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<Arc<str>>,
    /// The output; of a run that failed or was cancelled, the output until then.
    pub output: Content,
    /// The status at the end.
    #[serde(default = "completed")]
    pub status: RunStatus,
}

fn completed() -> RunStatus {
    RunStatus::Completed
}

impl Exchange {
    /// Returns the exchange of a run.
    ///
    /// If the run did not complete, its output is the partial output of the steps that were
    /// stopped; without any, the output of the last step that completed.
    pub fn of(run: RunOutput) -> Self {
        let messages = messages(&run);
        let output = match run.status {
            RunStatus::Completed => run.content,
            _ => said_so_far(&run),
        };
        Self { run_id: run.run_id, input: run.input, messages, output, status: run.status }
    }

    /// Returns the mark of a run that did not complete; `None` if it did.
    fn mark(&self) -> Option<&'static str> {
        match self.status {
            RunStatus::Completed => None,
            RunStatus::Error => Some("[failed]"),
            _ => Some("[interrupted]"),
        }
    }
}

/// Returns the messages that the agents of a run got while they worked. One that was given again to
/// the next attempt of its step counts once.
fn messages(run: &RunOutput) -> Vec<Arc<str>> {
    let turns = run.step_executor_runs.iter().flat_map(|agent| &agent.turns);
    let mut seen = BTreeSet::new();
    let messages = turns.filter_map(|turn| match turn {
        Turn::Message(message) => Some(message),
        _ => None,
    });
    let once = messages.filter(|message| seen.insert(&message.id));
    once.map(|message| message.text.clone()).collect()
}

/// Returns the output until the end of a run that did not complete.
fn said_so_far(run: &RunOutput) -> Content {
    let said = |wanted: StepStatus| {
        let leaves = run.walk().filter(move |step| step.status == wanted && step.steps.is_empty());
        leaves.filter(|step| !step.content.is_empty())
    };
    let mut stopped = said(StepStatus::Cancelled);
    match (stopped.next(), stopped.next()) {
        (Some(one), None) => one.content.clone(),
        (Some(_), Some(_)) => {
            // Parallel branches.
            let texts = said(StepStatus::Cancelled).map(|step| step.content.pretty().into_owned());
            texts.collect::<Vec<_>>().join("\n\n").into()
        }
        (None, _) => {
            said(StepStatus::Completed).last().map(|step| step.content.clone()).unwrap_or_default()
        }
    }
}

/// Formats earlier exchanges for a model, before its message. Empty if there are none. A run that
/// was cancelled is marked `[interrupted]`, one that failed `[failed]`. The messages that agents
/// got while they worked stand between the input and the output of their run.
///
/// If a model repeated such a text in its own answer, it is left out: it would grow with each run.
///
/// ```
/// use stepwright_core::RunStatus;
/// use stepwright_core::session::{Exchange, history_text};
/// let earlier = Exchange {
///     run_id: "r-1".parse()?,
///     input: "Name a bridge.".into(),
///     messages: Vec::new(),
///     output: "The Golden Gate Bridge.".into(),
///     status: RunStatus::Completed,
/// };
/// assert_eq!(
///     history_text(&[earlier.clone()]),
///     "<workflow_history_context>\n[Workflow Run-1]\nUser input: Name a bridge.\n\
///      Workflow output: The Golden Gate Bridge.\n\n</workflow_history_context>\n",
/// );
/// let steered = Exchange { messages: vec!["A red one.".into()], ..earlier.clone() };
/// assert!(history_text(&[steered]).contains("Name a bridge.\nUser message: A red one.\nWork"));
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
        let _ = writeln!(text, "[Workflow Run-{nth}]\nUser input: {input}");
        for message in &exchange.messages {
            let _ = writeln!(text, "User message: {}", without_history(message));
        }
        let _ = write!(text, "Workflow output: {output}\n\n");
    }
    text + HISTORY_ENDS + "\n"
}

/// Returns the text without the output of [`history_text`], whole or cut off.
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
            messages: Vec::new(),
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
