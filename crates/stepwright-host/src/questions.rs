//! Questions of a caller about what a workflow has stored, as data.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use stepwright::sent::SendMode;
use stepwright::store::RunFilter;
use stepwright::{Error, Patch, Workflow};

/// A question to a workflow, or a change of what it stores. The answer is data.
///
/// ```
/// use stepwright::{Memory, Workflow};
/// use stepwright_host::Question;
/// # async fn greet(name: String) -> String { format!("Hello {name}") }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let workflow = Workflow::builder("Greeting").store(Memory::default()).step(greet).build()?;
/// workflow.run("Ada").run_id("r-1").await?;
/// let question: Question = serde_json::from_str(r#"{"get_run": {"run_id": "r-1"}}"#)?;
/// assert_eq!(question.ask(workflow).await?["content"], "Hello Ada");
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Question {
    /// The output of a run so far.
    GetRun {
        /// The run.
        run_id: String,
    },
    /// The output of the newest run, or nothing.
    GetLastRun {},
    /// The newest runs, a row for each.
    Runs {
        /// Their number.
        limit: usize,
    },
    /// To cancel a run. The answer tells whether there was something to cancel.
    CancelRun {
        /// The run.
        run_id: String,
    },
    /// To send a message to the agent that is at work in a run.
    Send {
        /// The run.
        run_id: String,
        /// The text.
        text: String,
        /// The moment at which the agent gets it.
        #[serde(default)]
        mode: SendMode,
        /// The path of the agent, if several are at work.
        #[serde(default)]
        to: Option<String>,
        /// The sender.
        #[serde(default)]
        by: Option<String>,
    },
    /// A session.
    GetSession {
        /// The session.
        session_id: String,
    },
    /// All sessions.
    Sessions {},
    /// The inputs and outputs of the last runs of a session.
    History {
        /// The session.
        session_id: String,
        /// The number of runs.
        runs: u32,
    },
    /// To name a session.
    RenameSession {
        /// The session.
        session_id: String,
        /// The name.
        name: String,
    },
    /// To change the state of a session. `null` removes a key.
    UpdateSessionState {
        /// The session.
        session_id: String,
        /// The new values.
        state: Map<String, Value>,
    },
    /// To delete a session with its runs.
    DeleteSession {
        /// The session.
        session_id: String,
    },
}

impl Question {
    /// Asks a workflow.
    ///
    /// # Errors
    /// If the run or the session does not exist, or the store fails.
    pub async fn ask(self, workflow: Workflow) -> Result<Value, Error> {
        match self {
            Self::GetRun { run_id } => data(workflow.get_run(run_id).await?),
            Self::GetLastRun {} => data(workflow.get_last_run_output().await?),
            Self::Runs { limit } => {
                data(workflow.runs(RunFilter { limit, ..RunFilter::default() }).await?)
            }
            Self::CancelRun { run_id } => data(workflow.cancel_run(run_id).await?),
            Self::Send { run_id, text, mode, to, by } => {
                let mut message = workflow.send(run_id, text).mode(mode);
                if let Some(path) = to {
                    message = message.to(path);
                }
                if let Some(sender) = by {
                    message = message.by(sender);
                }
                let sent = message.await?;
                Ok(serde_json::json!({
                    "id": sent.id,
                    "run_id": sent.run_id,
                    "is_for_next_run": sent.is_for_next_run,
                }))
            }
            Self::GetSession { session_id } => data(workflow.get_session(session_id).await?),
            Self::Sessions {} => data(workflow.sessions().list().await?),
            Self::History { session_id, runs } => {
                data(workflow.sessions().history(session_id, runs).await?)
            }
            Self::RenameSession { session_id, name } => {
                data(workflow.sessions().rename(session_id, &name).await?)
            }
            Self::UpdateSessionState { session_id, state } => {
                let patches: Vec<Patch> =
                    state.into_iter().map(|(key, value)| Patch::set(key, value)).collect();
                data(workflow.sessions().patch(session_id, &patches).await?)
            }
            Self::DeleteSession { session_id } => {
                data(workflow.sessions().delete(session_id).await?)
            }
        }
    }
}

pub(crate) fn data(answer: impl Serialize) -> Result<Value, Error> {
    serde_json::to_value(answer)
        .map_err(|error| Error::usage("the answer cannot be written as JSON").with_source(error))
}
