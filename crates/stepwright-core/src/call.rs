//! A tool call that a step makes.

use crate::calls::CallPast;
use crate::context::StepContext;
use crate::event::EventKind;
use crate::failure::StepError;
use crate::interrupted::{OnInterrupted, Resolved};
use crate::message::{ToolCall, ToolOutcome};
use crate::path::StepPath;
use std::fmt;

impl StepContext {
    /// Returns the next tool call of this step, with a path and a context of its own. The calls of
    /// a model must be passed in the order in which it requested them. For executors such as
    /// agents.
    ///
    /// ```
    /// # use futures_util::FutureExt as _;
    /// use stepwright_core::StepContext;
    /// use stepwright_core::calls::CallPast;
    /// # use stepwright_core::message::{Arguments, ToolCall, ToolOutcome};
    /// # let tool_call = ToolCall { id: "c-1".into(), name: "charge".into(),
    /// #     arguments: Arguments::json(serde_json::json!({"eur": 5})) };
    /// # async {
    /// let cx = StepContext::detached("order");
    /// let call = cx.call(&tool_call);
    /// assert_eq!(call.path().as_str(), "order/charge#1");
    /// assert_eq!(*call.past(), CallPast::New);
    /// let begun = call.begin().await?;
    /// let text = format!("charged with {}", call.context().idempotency_key());
    /// # let (call_id, name, is_error) = ("c-1".into(), "charge".into(), false);
    /// # let (outcome_unknown, media, whole) = (false, Vec::new(), None);
    /// let outcome = ToolOutcome { call_id, name, text, is_error, outcome_unknown, media, whole };
    /// begun.end(&outcome).await?;
    /// # Ok::<(), stepwright_core::StepError>(()) }.now_or_never().unwrap().unwrap();
    /// ```
    pub fn call(&self, tool: &ToolCall) -> Call {
        let (path, past) = self.host().call(self.path(), tool);
        Call { caller: self.path().clone(), cx: self.beneath(path), tool: tool.clone(), past }
    }
}

/// A tool call of a step, with a path and a context of its own. See [`StepContext::call`].
#[derive(Debug)]
pub struct Call {
    pub(crate) caller: StepPath,
    pub(crate) cx: StepContext,
    pub(crate) tool: ToolCall,
    pub(crate) past: CallPast,
}

impl Call {
    /// Returns the path of the call, such as `order/charge#2`.
    pub fn path(&self) -> &StepPath {
        self.cx.path()
    }

    /// Returns the call as the model requested it.
    pub fn tool(&self) -> &ToolCall {
        &self.tool
    }

    /// Returns the context that the tool of this call gets.
    pub fn context(&self) -> &StepContext {
        &self.cx
    }

    /// Returns the state of the call when its step reached it.
    pub fn past(&self) -> &CallPast {
        &self.past
    }

    /// Begins the call. When this returns, the start of the call is in the journal. To resume a
    /// call that was waiting, use [`Call::go_on`] instead.
    ///
    /// # Errors
    /// Fails if the journal is lost or the step has ended.
    pub async fn begin(&self) -> Result<Begun<'_>, StepError> {
        let begun = self.go_on();
        self.cx.record(EventKind::ToolCallStarted { tool: Box::new(self.tool.clone()) }).await?;
        Ok(begun)
    }

    /// Decides about a call with an unknown outcome. See [`StepContext::resolve_interrupted`].
    ///
    /// # Errors
    /// Fails with [`ErrorCode::OutcomeUnknown`](crate::ErrorCode::OutcomeUnknown) if the policy is
    /// to fail or a person gives up. Also fails if the journal is lost.
    pub async fn resolve_interrupted(
        &self,
        policy: OnInterrupted,
        begun: u32,
    ) -> Result<Resolved, StepError> {
        // The call itself is not running, so its caller asks.
        self.cx.resolve_at(&self.caller, policy, None, begun).await
    }

    /// Resumes a call that has begun.
    pub fn go_on(&self) -> Begun<'_> {
        self.cx.host().call_begins(&self.caller, self.path());
        Begun(self)
    }
}

/// A running tool call. Meanwhile the engine assumes that the step only waits for its calls, so
/// that it can park a run in which all of them wait.
///
/// [`StepContext::call`] has an example.
#[must_use = "a call is at work as long as this is kept"]
pub struct Begun<'a>(&'a Call);

impl Begun<'_> {
    /// Records the end of the call.
    ///
    /// # Errors
    /// Fails if the journal is lost or the step has ended.
    pub async fn end(self, outcome: &ToolOutcome) -> Result<(), StepError> {
        let tool = Box::new(outcome.clone());
        let fact = if tool.is_error {
            EventKind::ToolCallError { tool, error: None }
        } else {
            EventKind::ToolCallCompleted { tool }
        };
        self.0.cx.record(fact).await
    }

    /// Records that the call failed with an error that the model cannot fix. The step fails too.
    ///
    /// # Errors
    /// Fails if the journal is lost or the step has ended.
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
