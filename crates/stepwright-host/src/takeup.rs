//! Runs that go on, as data.

use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::future::IntoFuture as _;
use stepwright::people::Answer;
use stepwright::{BoxFuture, Content, Error, RunOutput, RunStream, Workflow};

/// A run that is there, and in which way it goes on.
///
/// ```
/// use stepwright_host::TakeUp;
/// let written = r#"{"retry": {"run_id": "r-1"}}"#;
/// let retry: TakeUp = serde_json::from_str(written)?;
/// assert_eq!(retry.run_id(), "r-1");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum TakeUp {
    /// A run that waits, or that a process left behind.
    Resume {
        /// The run.
        run_id: String,
        /// The answers, by the ids of the requests.
        #[serde(default)]
        answers: HashMap<String, Answer>,
        /// The person who answered.
        #[serde(default)]
        answered_by: Option<String>,
        /// `true` if the definition may have changed.
        #[serde(default)]
        accept_changed_definition: bool,
    },
    /// A run that failed begins its failed steps again.
    Retry {
        /// The run.
        run_id: String,
        /// `true` if a cancelled run is retried too.
        #[serde(default)]
        cancelled_too: bool,
        /// `true` if the definition may have changed.
        #[serde(default)]
        accept_changed_definition: bool,
    },
    /// A new run shares the steps of another one before a step.
    Fork {
        /// The run.
        run_id: String,
        /// The path of that step. Without it the new run begins anew.
        #[serde(default)]
        at: Option<String>,
        /// Another input.
        #[serde(default)]
        input: Option<Content>,
        /// The id of the new run.
        #[serde(default)]
        new_run_id: Option<String>,
        /// Another session.
        #[serde(default)]
        session_id: Option<String>,
        /// The metadata of the new run.
        #[serde(default)]
        metadata: Option<Map<String, Value>>,
        /// `true` if the definition may have changed.
        #[serde(default)]
        accept_changed_definition: bool,
    },
}

/// A run that goes on. [`TakeUp`] has an example.
#[must_use = "nothing happens until it is driven or streamed"]
pub enum TakenUp {
    /// See [`TakeUp::Resume`].
    Resume(stepwright::Resume),
    /// See [`TakeUp::Retry`].
    Retry(stepwright_engine::Retry),
    /// See [`TakeUp::Fork`].
    Fork(stepwright_engine::Fork),
}

impl TakeUp {
    /// Returns the run.
    pub fn run_id(&self) -> &str {
        match self {
            Self::Resume { run_id, .. } | Self::Retry { run_id, .. } => run_id,
            Self::Fork { run_id, new_run_id, .. } => new_run_id.as_ref().unwrap_or(run_id),
        }
    }

    /// Makes the run go on. `state` is a value of the host for its functions.
    pub fn of<T: Clone + Send + Sync + 'static>(
        self,
        workflow: &Workflow,
        state: T,
        all_events: bool,
    ) -> TakenUp {
        match self {
            Self::Resume { run_id, answers, answered_by, accept_changed_definition } => {
                let mut made = if answers.is_empty() {
                    workflow.resume(&run_id)
                } else {
                    workflow.continue_run(&run_id, answers)
                };
                if let Some(person) = answered_by {
                    made = made.answered_by(person);
                }
                let made = made.accept_changed_definition(accept_changed_definition);
                TakenUp::Resume(made.stream_events(all_events).state(state))
            }
            Self::Retry { run_id, cancelled_too, accept_changed_definition } => {
                let made = workflow.retry(&run_id).cancelled_too(cancelled_too);
                let made = made.accept_changed_definition(accept_changed_definition);
                TakenUp::Retry(made.stream_events(all_events).state(state))
            }
            Self::Fork {
                run_id,
                at,
                input,
                new_run_id,
                session_id,
                metadata,
                accept_changed_definition,
            } => {
                let mut made = workflow.fork(&run_id);
                if let Some(at) = at {
                    made = made.at(at);
                }
                if let Some(input) = input {
                    made = made.input(input);
                }
                if let Some(run) = new_run_id {
                    made = made.run_id(run);
                }
                if let Some(session) = session_id {
                    made = made.session_id(session);
                }
                if let Some(metadata) = metadata {
                    made = made.metadata(metadata);
                }
                let made = made.accept_changed_definition(accept_changed_definition);
                TakenUp::Fork(made.stream_events(all_events).state(state))
            }
        }
    }
}

impl TakenUp {
    /// Drives the run to its end, or until it waits.
    pub fn drive(self) -> BoxFuture<'static, Result<RunOutput, Error>> {
        match self {
            Self::Resume(run) => Box::pin(run.into_future()),
            Self::Retry(run) => run.into_future(),
            Self::Fork(run) => run.into_future(),
        }
    }

    /// Returns the events from now on.
    pub fn stream(self) -> RunStream {
        match self {
            Self::Resume(run) => run.stream(),
            Self::Retry(run) => run.stream(),
            Self::Fork(run) => run.stream(),
        }
    }
}

impl std::fmt::Debug for TakenUp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TakenUp")
    }
}
