//! A definition as data. Functions are indices into a table.

use crate::agent_spec::{AgentSpec, GuardSpec, TeamSpec};
use serde::Deserialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use stepwright::budgets::{Budget, Price};
use stepwright::permissions::Permissions;
use stepwright::plan::{Join, OnError, OnExhausted, Reducer};
use stepwright::{HumanReview, OnInterrupted};

/// A workflow as data.
///
/// ```
/// use stepwright_host::WorkflowSpec;
/// let written = r#"{
///     "name": "Letter",
///     "steps": [{ "step": { "name": "write", "work": { "function": 0 } } }]
/// }"#;
/// let spec: WorkflowSpec = serde_json::from_str(written)?;
/// assert_eq!(spec.steps.len(), 1);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
pub struct WorkflowSpec {
    /// The name.
    pub name: String,
    /// The id, if it is not made of the name.
    pub id: Option<String>,
    /// The description.
    pub description: Option<String>,
    /// The steps.
    pub steps: Vec<NodeSpec>,
    /// The steps that run when the others have ended.
    pub finally: Vec<NodeSpec>,
    /// The steps that run when another one has failed.
    pub on_failure: Vec<NodeSpec>,
    /// The session state of new sessions.
    pub session_state: Map<String, Value>,
    /// The reducers of keys of the session state that several branches write.
    pub reducers: Map<String, Value>,
    /// `true` if outputs carry their events.
    pub store_events: bool,
    /// The names of events that outputs leave out.
    pub events_to_skip: Vec<String>,
    /// `true` if runs log in detail.
    pub debug: bool,
    /// `true` if agents see the session's earlier runs.
    pub add_history: bool,
    /// The number of earlier runs that they see.
    pub history_runs: Option<u32>,
    /// The timeout of a run, in seconds.
    pub timeout: Option<f64>,
    /// The budget of a run.
    pub budget: Option<Budget>,
    /// The budget of a session.
    pub session_budget: Option<Budget>,
    /// The prices of models that the built-in list does not have, or has otherwise.
    pub prices: BTreeMap<String, Price>,
    /// The effects that runs may have.
    pub permissions: Option<Permissions>,
    /// `true` if an effect that a person would be asked about is refused.
    pub unattended: bool,
    /// `true` if the history leaves out runs that did not complete.
    pub history_completed_only: bool,
    /// The version of the code behind the steps.
    pub version: Option<String>,
    /// The policy for interrupted steps.
    pub on_interrupted: Option<OnInterrupted>,
    /// The function that checks the input, and may replace it.
    pub input: Option<usize>,
}

impl WorkflowSpec {
    pub(crate) fn reducers(&self) -> Result<Vec<(String, Reducer)>, serde_json::Error> {
        let read = |(key, value): (&String, &Value)| {
            Ok((key.clone(), serde_json::from_value(value.clone())?))
        };
        self.reducers.iter().map(read).collect()
    }
}

/// A step or a container. [`WorkflowSpec`] has an example.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum NodeSpec {
    /// A step.
    Step {
        /// The name.
        name: String,
        /// The executor.
        work: Work,
        /// The policies.
        #[serde(default)]
        policies: Policies,
    },
    /// Steps, one after the other.
    Steps {
        /// The name.
        name: String,
        /// The steps.
        steps: Vec<Self>,
        /// The policies.
        #[serde(default)]
        policies: Policies,
    },
    /// Branches, all at once.
    Parallel {
        /// The name.
        name: String,
        /// The branches.
        steps: Vec<Self>,
        /// The rule by which branches join.
        #[serde(default)]
        join: Join,
        /// The number of branches at a time.
        #[serde(default)]
        concurrency: Option<u32>,
        /// The policies.
        #[serde(default)]
        policies: Policies,
    },
    /// Steps that repeat.
    Loop {
        /// The name.
        name: String,
        /// The steps of a turn.
        steps: Vec<Self>,
        /// The largest number of turns.
        at_most: u32,
        /// `true` if a turn begins with the output of the one before.
        #[serde(default)]
        forward: bool,
        /// The function that ends the loop.
        #[serde(default)]
        until: Option<usize>,
        /// The policy if the loop uses all its turns.
        #[serde(default)]
        on_exhausted: Option<OnExhausted>,
        /// The policies.
        #[serde(default)]
        policies: Policies,
    },
    /// Steps that run if a function says so.
    Condition {
        /// The name.
        name: String,
        /// The function, unless `constant` is set.
        #[serde(default)]
        holds: Option<usize>,
        /// The decision, if it is known beforehand.
        #[serde(default)]
        constant: Option<bool>,
        /// The steps if it holds.
        steps: Vec<Self>,
        /// The steps if it does not.
        #[serde(default)]
        otherwise: Vec<Self>,
        /// The policies.
        #[serde(default)]
        policies: Policies,
    },
    /// Steps that a function chooses.
    Router {
        /// The name.
        name: String,
        /// The function that returns the names of choices. Without it, a person chooses.
        #[serde(default)]
        choose: Option<usize>,
        /// The choices.
        choices: Vec<Self>,
        /// The policies.
        #[serde(default)]
        policies: Policies,
    },
    /// Steps that run for each item.
    Map {
        /// The name.
        name: String,
        /// The function that returns the items. Without it, the items are those of the input.
        #[serde(default)]
        over: Option<usize>,
        /// The steps for an item.
        steps: Vec<Self>,
        /// The number of items at a time.
        #[serde(default)]
        concurrency: Option<u32>,
        /// The rule by which items join.
        #[serde(default)]
        join: Option<Join>,
        /// The policies.
        #[serde(default)]
        policies: Policies,
    },
}

/// The executor of a step. [`WorkflowSpec`] has an example.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Work {
    /// A function.
    Function(usize),
    /// An agent.
    Agent(Box<AgentSpec>),
    /// A team.
    Team(Box<TeamSpec>),
    /// A workflow, all of it.
    Workflow(Box<WorkflowSpec>),
}

/// The policies of a step or a container. Times are in seconds. [`WorkflowSpec`] has an example.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policies {
    /// The number of retries.
    pub retries: Option<u32>,
    /// The wait before the first retry.
    pub backoff: Option<f64>,
    /// The timeout of one attempt.
    pub timeout: Option<f64>,
    /// The timeout without a sign of life.
    pub idle_timeout: Option<f64>,
    /// The policy after a failure.
    pub on_error: Option<OnError>,
    /// The policy if the process dies meanwhile.
    pub on_interrupted: Option<OnInterrupted>,
    /// The budget.
    pub budget: Option<Budget>,
    /// The decisions that people make.
    pub human_review: Option<HumanReview>,
    /// The version of the code.
    pub version: Option<String>,
    /// `true` if an agent sees the session's earlier runs.
    pub add_history: Option<bool>,
    /// The number of earlier runs that it sees.
    pub history_runs: Option<u32>,
    /// The guardrails.
    pub guardrails: Vec<GuardSpec>,
}
