//! Functions of the host language.

use serde_json::Value;
use std::sync::Arc;
use stepwright::{BoxFuture, Error, StepContext, StepError, StepInput, StepOutput};

/// The surroundings of a call, which decide whether it may hold the caller's thread.
///
/// [`workflow`](crate::workflow) has an example.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// `true` if other steps run at the same time, or a timeout watches. A function that computes
    /// on the caller's thread would hold them up.
    pub beside: bool,
}

/// The question to a function. [`workflow`](crate::workflow) has an example.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Asked {
    /// To carry out a step.
    Step(StepInput),
    /// To decide: a condition, the end of a loop, a route, or the items of a map.
    Decision(StepInput),
    /// To carry out a tool call with these arguments.
    Tool(Value),
    /// To check a value. The answer is `null`, or a text that says what is wrong.
    Check(Arc<Value>),
}

/// A function of the host language. [`workflow`](crate::workflow) has an example.
pub trait HostFunction: Send + Sync + 'static {
    /// Returns the name, as executors show it.
    fn name(&self) -> &str;

    /// Calls the function. There is no context for [`Asked::Check`]. Dropping the future cancels
    /// the call.
    fn call(
        &self,
        asked: Asked,
        cx: Option<StepContext>,
        place: Place,
    ) -> BoxFuture<'static, Result<StepOutput, StepError>>;
}

/// The table of functions: a specification names them by their indices.
///
/// [`workflow`](crate::workflow) has an example.
pub type Functions = [Arc<dyn HostFunction>];

/// Returns a function of the table.
pub(crate) fn function(functions: &Functions, at: usize) -> Result<Arc<dyn HostFunction>, Error> {
    functions.get(at).cloned().ok_or_else(|| {
        Error::usage(format!("function {at} is not in the table of {}", functions.len()))
    })
}
