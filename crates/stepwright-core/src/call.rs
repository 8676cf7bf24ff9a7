//! A tool call at work.

use crate::calls::CallPast;
use crate::context::StepContext;
use crate::error::StepError;
use crate::event::EventKind;
use crate::interrupted::{OnInterrupted, Resolved};
use crate::message::{ToolCall, ToolOutcome};
use crate::path::StepPath;
use std::fmt;

/// A tool call of a step, as an execution of its own: see [`StepContext::call`].
#[derive(Debug)]
pub struct Call {
    pub(crate) caller: StepPath,
    pub(crate) cx: StepContext,
    pub(crate) tool: ToolCall,
    pub(crate) past: CallPast,
}

impl Call {
    /// The address of the call: `order/charge#2`.
    pub fn path(&self) -> &StepPath {
        self.cx.path()
    }

    /// The call, as the model wants it.
    pub fn tool(&self) -> &ToolCall {
        &self.tool
    }

    /// The surroundings of the call, for its tool.
    pub fn context(&self) -> &StepContext {
        &self.cx
    }

    /// The state in which the step finds the call.
    pub fn past(&self) -> &CallPast {
        &self.past
    }

    /// Begins the call: its beginning is in the journal when this is ready. A call that waited
    /// goes on with [`Call::go_on`].
    ///
    /// # Errors
    /// If the journal is lost, or the step has ended.
    pub async fn begin(&self) -> Result<Begun<'_>, StepError> {
        let begun = self.go_on();
        self.cx.record(EventKind::ToolCallStarted { tool: Box::new(self.tool.clone()) }).await?;
        Ok(begun)
    }

    /// Decides about a call whose outcome is unknown: see [`StepContext::resolve_interrupted`].
    ///
    /// # Errors
    /// With [`ErrorCode::OutcomeUnknown`](crate::ErrorCode::OutcomeUnknown) if the policy is to
    /// fail, or a person gives up; if the journal is lost.
    pub async fn resolve_interrupted(
        &self,
        policy: OnInterrupted,
        begun: u32,
    ) -> Result<Resolved, StepError> {
        // The call is not at work: its step asks.
        self.cx.resolve_at(&self.caller, policy, None, begun).await
    }

    /// Goes on with a call that has begun.
    pub fn go_on(&self) -> Begun<'_> {
        self.cx.host().call_begins(&self.caller, self.path());
        Begun(self)
    }
}

/// A tool call that is at work. Its step is taken to do nothing but wait for its calls meanwhile,
/// so that a run can be left in which all of them wait.
#[must_use = "a call is at work as long as this is kept"]
pub struct Begun<'a>(&'a Call);

impl Begun<'_> {
    /// Records the end of the call.
    ///
    /// # Errors
    /// If the journal is lost, or the step has ended.
    pub async fn end(self, outcome: &ToolOutcome) -> Result<(), StepError> {
        let tool = Box::new(outcome.clone());
        let fact = if tool.is_error {
            EventKind::ToolCallError { tool, error: None }
        } else {
            EventKind::ToolCallCompleted { tool }
        };
        self.0.cx.record(fact).await
    }

    /// Records that the call has failed in a way that the model cannot mend: the step fails.
    ///
    /// # Errors
    /// If the journal is lost, or the step has ended.
    pub async fn fail(self, outcome: ToolOutcome, error: &StepError) -> Result<(), StepError> {
        let (tool, error) = (Box::new(outcome), Some(error.data.clone()));
        self.0.cx.record(EventKind::ToolCallError { tool, error }).await
    }
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        self.0.cx.host().call_ends(&self.0.caller, self.0.path());
    }
}

impl fmt::Debug for Begun<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Begun").field(self.0.path()).finish()
    }
}
