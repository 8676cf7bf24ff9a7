//! Summaries of sessions, which agents keep up to date.

use crate::compaction::SUMMARISED_TEXT_BYTES_MAX;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use stepwright_core::message::Message;
use stepwright_core::model::{AnyModel, Model as _, ModelRequest};
use stepwright_core::session::HISTORY_RUNS_MAX;
use stepwright_core::state::State;

/// The key of the session state that holds the summary, by default.
pub const SESSION_SUMMARY: &str = "session_summary";

const SUMMARY_INSTRUCTIONS: &str = "You keep the summary of a conversation that goes on over many \
    messages. You get the summary so far and the newest messages. Answer with the new summary and \
    nothing else. Keep every fact, name, number, preference, decision and open question that may \
    be asked about later; leave out greetings and repetitions.";

/// Settings for the summary of a session: see
/// [`AgentBuilder::session_summary`](crate::AgentBuilder::session_summary).
///
/// After its answer, the agent asks a model for the new summary. It is stored in the state of the
/// session when the run completes, and stands in the instructions of the next runs. With
/// [`num_history_runs`](stepwright_engine::WorkflowBuilder::num_history_runs), a conversation of
/// any length takes a constant number of tokens.
///
/// ```
/// use stepwright_agent::{Agent, SessionSummary};
/// let agent = Agent::builder("Adviser")
///     .model("offline")?
///     .session_summary(SessionSummary::default().every(5))
///     .build()?;
/// # Ok::<(), stepwright_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct SessionSummary {
    pub(crate) key: String,
    pub(crate) every: u32,
    pub(crate) model: Option<AnyModel>,
    instructions: Option<String>,
}

impl Default for SessionSummary {
    fn default() -> Self {
        Self { key: SESSION_SUMMARY.to_owned(), every: 1, model: None, instructions: None }
    }
}

impl SessionSummary {
    /// Updates the summary after each `runs`-th run in which the agent works. Default: 1. Until
    /// then, the state of the session holds what was said.
    ///
    /// Give the steps at least as many runs of history: the agent knows the runs since the last
    /// update from there.
    #[must_use]
    pub fn every(mut self, runs: u32) -> Self {
        self.every = runs;
        self
    }

    /// Sets the key of the session state that holds the summary. Default: [`SESSION_SUMMARY`].
    /// Agents that run in one workflow need keys of their own.
    #[must_use]
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = key.into();
        self
    }

    /// Sets the model that writes the summary. By default it is the model of the agent.
    #[must_use]
    pub fn model(mut self, model: AnyModel) -> Self {
        self.model = Some(model);
        self
    }

    /// Sets the instructions of the model that writes the summary, in place of the built-in ones.
    #[must_use]
    pub fn instructions(mut self, text: impl Into<String>) -> Self {
        self.instructions = Some(text.into());
        self
    }

    pub(crate) fn mistake(&self) -> Option<String> {
        if self.key.is_empty() {
            return Some("`session_summary` has an empty key; name a key of the state".into());
        }
        (!(1..=HISTORY_RUNS_MAX).contains(&self.every)).then(|| {
            let every = self.every;
            format!("`session_summary` is updated every {every} runs; set 1 to {HISTORY_RUNS_MAX}")
        })
    }

    pub(crate) fn written(&self) -> String {
        json!({
            "key": self.key,
            "every": self.every,
            "model": self.model.as_ref().map(|model| model.id().to_owned()),
            "instructions": self.instructions,
        })
        .to_string()
    }

    /// Returns the summary in a session state, and what was said since it was written.
    pub(crate) fn stored(&self, state: &State) -> (Option<String>, Vec<Said>) {
        let Some(stored) = state.get(self.key.as_str()) else { return (None, Vec::new()) };
        let text = stored["text"].as_str().filter(|text| !text.is_empty()).map(ToOwned::to_owned);
        (text, Vec::deserialize(&stored["pending"]).unwrap_or_default())
    }

    /// Returns the value that the session state holds.
    pub(crate) fn value(text: Option<&str>, pending: &[Said]) -> Value {
        json!({"text": text.unwrap_or_default(), "pending": pending})
    }

    /// Returns the text for the instructions of the agent.
    pub(crate) fn context(&self, state: &State) -> Option<String> {
        let text = self.stored(state).0?;
        Some(format!("<session_summary>\n{text}\n</session_summary>"))
    }

    /// Returns the request for the new summary.
    pub(crate) fn request(&self, stored: Option<&str>, said: &[Said]) -> ModelRequest {
        let stored = stored.unwrap_or("(none)");
        let said: Vec<String> = said
            .iter()
            .map(|Said { user, assistant }| format!("User: {user}\nAssistant: {assistant}"))
            .collect();
        let text = format!("Summary so far:\n{stored}\n\nNewest messages:\n{}", said.join("\n\n"));
        let instructions = self.instructions.as_deref().unwrap_or(SUMMARY_INSTRUCTIONS);
        ModelRequest {
            instructions: Some(instructions.to_owned()),
            messages: vec![Message::user(text)],
            ..ModelRequest::default()
        }
    }
}

/// The messages of the user and the answer of a run, as guardrails let them pass.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Said {
    user: String,
    assistant: String,
}

impl Said {
    /// Returns what was said, as far as a summary reads it.
    pub(crate) fn of((user, assistant): (&str, &str)) -> Self {
        let part =
            |text: &str| text[..text.floor_char_boundary(SUMMARISED_TEXT_BYTES_MAX)].to_owned();
        Self { user: part(user), assistant: part(assistant) }
    }
}

/// Returns the latest of what was said, as much as is kept.
pub(crate) fn latest(said: &[Said]) -> &[Said] {
    &said[said.len().saturating_sub(HISTORY_RUNS_MAX as usize)..]
}
