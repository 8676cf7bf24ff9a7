//! The kinds of nodes: a step, a workflow that is a step, and the containers.

use super::{After, Join, Node, OnExhausted, Rate, Retry};
use crate::container::{ContainerKind, Decision};
use crate::event::EventKind;
use crate::interrupted::OnInterrupted;
use crate::review::Reviewed;
use crate::step::ExecutorType;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The kind of a node.
///
/// Not `non_exhaustive`, so that the compiler names the places that a new kind concerns. Keep a `_`
/// arm all the same: a later version may add one.
///
/// ```
/// use stepwright_core::plan::NodeKind;
/// /// Returns the symbol of a node in a drawing of the plan.
/// fn mark(kind: &NodeKind) -> char {
///     match kind {
///         NodeKind::Parallel { .. } => '=',
///         NodeKind::Loop { .. } | NodeKind::Map { .. } => '*',
///         NodeKind::Condition { .. } | NodeKind::Router { .. } => '?',
///         _ => '-',
///     }
/// }
/// let (body, on_exhausted) = (Vec::new(), None);
/// let revise = NodeKind::Loop { body, at_most: 3, forward: true, on_exhausted };
/// assert_eq!(mark(&revise), '*');
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeKind {
    /// Calls an executor.
    Step {
        /// The type of the executor.
        executor_type: ExecutorType,
        /// The name of the executor.
        executor_name: Arc<str>,
        /// The retry policy.
        retry: Retry,
        /// The timeout of an attempt, in milliseconds.
        timeout_ms: Option<u64>,
        /// The maximum time without a sign of life from an attempt, in milliseconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        idle_ms: Option<u64>,
        /// The number of earlier runs of the session that the step gets as history.
        #[serde(default, skip_serializing_if = "is_zero")]
        history_runs: u32,
        /// The policy for interrupted attempts.
        #[serde(default, skip_serializing_if = "OnInterrupted::is_default")]
        on_interrupted: OnInterrupted,
        /// `true` to leave runs that failed or were cancelled out of the history.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        history_completed_only: bool,
    },
    /// Runs a whole workflow. Its steps share only the session state with the outer workflow.
    Workflow {
        /// The nodes of that workflow.
        body: Vec<Node>,
    },
    /// Runs its nodes one after the other.
    Steps {
        /// The nodes.
        body: Vec<Node>,
    },
    /// Runs its branches concurrently.
    Parallel {
        /// The branches.
        branches: Vec<Node>,
        /// The policy for the failure of a branch.
        join: Join,
        /// The maximum number of branches that run at once.
        concurrency: Option<u32>,
    },
    /// Runs its nodes repeatedly.
    Loop {
        /// The nodes of a turn.
        body: Vec<Node>,
        /// The maximum number of turns.
        at_most: u32,
        /// `true` if each turn gets the output of the previous one, instead of the loop's input.
        forward: bool,
        /// The policy for a loop that made all its turns and whose condition was not met. `None` if
        /// the loop has no condition.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        on_exhausted: Option<OnExhausted>,
    },
    /// Runs one of two branches.
    Condition {
        /// The nodes to run if the condition is true.
        then: Vec<Node>,
        /// The nodes to run if it is false.
        otherwise: Vec<Node>,
    },
    /// Runs the chosen nodes one after the other.
    Router {
        /// The nodes to choose from.
        choices: Vec<Node>,
    },
    /// Runs its nodes for each item of a list.
    Map {
        /// The nodes to run for an item.
        body: Vec<Node>,
        /// The maximum number of items that run at once.
        concurrency: u32,
        /// The policy for the failure of an item.
        join: Join,
        /// The number of items that are worked on as one, which is then a list. `None` for items
        /// one by one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        batch: Option<u32>,
        /// The largest number of items, or of batches, that begin within a time.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rate: Option<Rate>,
    },
    /// Runs its nodes after the node that has it, or at the end of the run: see [`Node::after`].
    After {
        /// The occasion.
        on: After,
        /// The nodes.
        body: Vec<Node>,
    },
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over in this way")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// Matches a [`NodeKind`] to the nodes directly inside it.
macro_rules! bodies {
    ($kind:expr, $none:expr) => {
        match $kind {
            Self::Step { .. } => [$none, $none],
            Self::Workflow { body }
            | Self::Steps { body }
            | Self::Loop { body, .. }
            | Self::Map { body, .. }
            | Self::After { body, .. } => [body, $none],
            Self::Parallel { branches, .. } => [branches, $none],
            Self::Router { choices } => [choices, $none],
            Self::Condition { then, otherwise } => [then, otherwise],
        }
    };
}

/// The facts about a kind that the rest of the project asks for. Each function has an arm for every
/// kind, so that the compiler names the places that a new kind concerns.
impl NodeKind {
    /// Returns the nodes directly inside: the body, and the second branch of a condition.
    ///
    /// ```
    /// use stepwright_core::plan::NodeKind;
    /// let kind = NodeKind::Steps { body: Vec::new() };
    /// assert!(kind.bodies().iter().all(|body| body.is_empty()));
    /// ```
    pub fn bodies(&self) -> [&[Node]; 2] {
        bodies!(self, &[])
    }

    pub(super) fn bodies_mut(&mut self) -> [&mut [Node]; 2] {
        bodies!(self, &mut [])
    }

    /// Returns the kind of container that its events name. `None` for a step, and for a workflow
    /// that is a step, which have events of their own.
    ///
    /// ```
    /// use stepwright_core::ContainerKind;
    /// use stepwright_core::plan::NodeKind;
    /// let kind = NodeKind::Router { choices: Vec::new() };
    /// assert_eq!(kind.container(), Some(ContainerKind::Router));
    /// ```
    pub fn container(&self) -> Option<ContainerKind> {
        Some(match self {
            Self::Step { .. } | Self::Workflow { .. } => return None,
            Self::Steps { .. } => ContainerKind::Steps,
            Self::Parallel { .. } => ContainerKind::Parallel,
            Self::Loop { .. } => ContainerKind::Loop,
            Self::Condition { .. } => ContainerKind::Condition,
            Self::Router { .. } => ContainerKind::Router,
            Self::Map { .. } => ContainerKind::Map,
            Self::After { on, .. } => on.container(),
        })
    }

    /// Returns the event with which such a node starts, as far as the plan determines it: without
    /// the decision of a condition, a router or a map. `name` is the name of the node.
    ///
    /// ```
    /// use stepwright_core::plan::NodeKind;
    /// let kind = NodeKind::Steps { body: Vec::new() };
    /// assert_eq!(kind.started(&"Article".into()).name(), "StepsExecutionStarted");
    /// ```
    pub fn started(&self, name: &Arc<str>) -> EventKind {
        let (kind, decision) = match self {
            Self::Step { executor_type, executor_name, .. } => {
                let (executor_type, executor_name) = (*executor_type, executor_name.clone());
                return EventKind::StepStarted { executor_type, executor_name };
            }
            Self::Workflow { .. } => {
                let (executor_type, executor_name) = (ExecutorType::Workflow, name.clone());
                return EventKind::StepStarted { executor_type, executor_name };
            }
            Self::Steps { body } => (ContainerKind::Steps, Decision::Count(count(body))),
            Self::After { on, body } => (on.container(), Decision::Count(count(body))),
            Self::Parallel { branches, .. } => {
                let names = branches.iter().map(|branch| branch.name.clone()).collect();
                (ContainerKind::Parallel, Decision::Names(names))
            }
            Self::Loop { at_most, .. } => (ContainerKind::Loop, Decision::AtMost(*at_most)),
            Self::Condition { .. } => {
                (ContainerKind::Condition, Decision::Holds { holds: None, branch: None })
            }
            Self::Router { .. } => (ContainerKind::Router, Decision::Names(Arc::default())),
            Self::Map { concurrency, .. } => {
                let (items, concurrency) = (Arc::default(), *concurrency);
                (ContainerKind::Map, Decision::Items { items, concurrency })
            }
        };
        EventKind::ContainerStarted { kind, decision }
    }

    /// Returns the questions that a review of such a node may ask.
    ///
    /// ```
    /// use stepwright_core::plan::NodeKind;
    /// use stepwright_core::review::Reviewed;
    /// let kind = NodeKind::Router { choices: Vec::new() };
    /// assert_eq!(kind.reviewed(), Reviewed::Router(Vec::new()));
    /// ```
    pub fn reviewed(&self) -> Reviewed<'_> {
        match self {
            Self::Step { .. } => Reviewed::Step,
            Self::Loop { .. } => Reviewed::Loop,
            Self::Condition { .. } => Reviewed::Condition,
            Self::Router { choices } => {
                Reviewed::Router(choices.iter().map(|choice| &*choice.name).collect())
            }
            Self::Workflow { .. }
            | Self::Steps { .. }
            | Self::Parallel { .. }
            | Self::Map { .. }
            | Self::After { .. } => Reviewed::Container,
        }
    }
}

fn count(nodes: &[Node]) -> u32 {
    u32::try_from(nodes.len()).unwrap_or(u32::MAX)
}
