//! The table of a definition: the code that belongs to the nodes of its plan.

use crate::gate::Guard;
use futures_util::future::BoxFuture;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use stepwright_core::plan::Plan;
use stepwright_core::values::HostValues;
use stepwright_core::{
    AnyExecutor, Content, StepContext, StepError, StepInput, StepOutput, Timestamp,
};

/// Checks an input. Returns an error message for an input that it refuses, or the content that
/// replaces an input that it completes.
pub(crate) type InputCheck =
    Arc<dyn Fn(Content) -> BoxFuture<'static, Result<Option<Content>, String>> + Send + Sync>;

/// The table entry of a node: the parts of the definition that a plan, being data, cannot hold.
#[derive(Clone)]
pub(crate) enum Entry {
    /// A container that decides nothing.
    Nothing,
    Executor(AnyExecutor),
    Blocking(Blocking),
    Workflow {
        check: Option<InputCheck>,
        /// Makes its input, in place of the message of its step.
        input: Option<Decider<Content>>,
    },
    Holds(Decider<bool>),
    Chosen(Decider<Vec<Arc<str>>>),
    Items(Option<Decider<Vec<Content>>>),
}

pub(crate) struct Compiled {
    pub(crate) plan: Plan,
    pub(crate) table: Vec<Entry>,
    pub(crate) input: Option<InputCheck>,
    /// `true` if any of its steps may ask a person.
    pub(crate) asks: bool,
    /// Indices of the steps whose policy for unknown outcomes is their executor's default. A policy
    /// around this workflow overrides it.
    pub(crate) by_executor: HashSet<u32>,
    /// The values of the host program that all runs share.
    pub(crate) values: HostValues,
    /// `true` if steps run when others have ended, so that those are stopped and not dropped.
    pub(crate) unwinds: bool,
    /// The permissions of nested workflows.
    pub(crate) guards: Vec<Guard>,
    /// The deadlines of nodes, by their index.
    pub(crate) deadlines: HashMap<u32, Decider<Timestamp>>,
    /// The queue in which runs begin.
    pub(crate) queue: Option<Arc<str>>,
    /// The queues of steps, by their index. They are not in the plan: they say where a step runs,
    /// and not what it does.
    pub(crate) queues: HashMap<u32, Arc<str>>,
}

/// A function that blocks its thread. Its arguments are taken from the step, and its result becomes
/// the output.
#[derive(Clone)]
pub(crate) struct Blocking {
    pub(crate) name: Arc<str>,
    pub(crate) call: BlockingCall,
}

pub(crate) type BlockingCall =
    Arc<dyn Fn(&StepInput, &StepContext) -> Result<StepOutput, StepError> + Send + Sync>;

/// Decides a branch: a constant, a function or an async function.
pub(crate) enum Decider<T> {
    Constant(T),
    Sync(Arc<SyncDecider<T>>),
    Async(Arc<AsyncDecider<T>>),
}

type SyncDecider<T> = dyn Fn(&StepInput) -> Result<T, StepError> + Send + Sync;
type AsyncDecider<T> =
    dyn Fn(StepInput, StepContext) -> BoxFuture<'static, Result<T, StepError>> + Send + Sync;

impl<T> Clone for Decider<T>
where
    T: Clone,
{
    fn clone(&self) -> Self {
        match self {
            Self::Constant(value) => Self::Constant(value.clone()),
            Self::Sync(decide) => Self::Sync(decide.clone()),
            Self::Async(decide) => Self::Async(decide.clone()),
        }
    }
}
