//! The form of the tools in toolkits.

use serde_json::Value;
use std::sync::Arc;
use stepwright_agent::FunctionTool;
use stepwright_core::permission::Effect;
use stepwright_core::tool::{AnyTool, Tool, ToolEffect, ToolError, ToolSpec};
use stepwright_core::{
    BoxFuture, Error, ErrorId, ErrorKind, OnInterrupted, StepContext, StepError,
};

type Access = dyn Fn(&Value, Option<&StepContext>) -> Option<Effect> + Send + Sync;

/// A tool that names its effect for permissions, or asks a person.
pub(crate) struct KitTool {
    tool: FunctionTool,
    /// `None` for a tool that reaches nothing outside the run.
    access: Option<Arc<Access>>,
    asks: bool,
}

impl KitTool {
    /// Creates a tool whose effect depends on its arguments. `access` returns `None` for arguments
    /// that make the call fail.
    pub(crate) fn with_access(
        tool: FunctionTool,
        access: impl Fn(&Value) -> Option<Effect> + Send + Sync + 'static,
    ) -> AnyTool {
        Self::with_access_in(tool, move |arguments, _| access(arguments))
    }

    /// Creates a tool whose effect depends on its arguments and on the workspace of its step.
    pub(crate) fn with_access_in(
        tool: FunctionTool,
        access: impl Fn(&Value, Option<&StepContext>) -> Option<Effect> + Send + Sync + 'static,
    ) -> AnyTool {
        AnyTool::new(Self { tool, access: Some(Arc::new(access)), asks: false })
    }

    fn named(&self, arguments: &Value, cx: Option<&StepContext>) -> Effect {
        let named = self.access.as_ref().and_then(|access| access(arguments, cx));
        named.unwrap_or_else(|| Effect::call(self.spec().name.as_str(), arguments))
    }

    /// Creates a tool that asks a person.
    pub(crate) fn asking(tool: FunctionTool) -> AnyTool {
        AnyTool::new(Self { tool, access: None, asks: true })
    }

    /// Creates a tool that reaches nothing outside the run, and needs no permission.
    pub(crate) fn within(tool: FunctionTool) -> AnyTool {
        AnyTool::new(Self { tool, access: None, asks: false })
    }
}

impl Tool for KitTool {
    fn spec(&self) -> &ToolSpec {
        self.tool.spec()
    }

    fn call(&self, arguments: Value, cx: StepContext) -> BoxFuture<'_, Result<String, ToolError>> {
        self.tool.call(arguments, cx)
    }

    fn requires_confirmation(&self) -> bool {
        Tool::requires_confirmation(&self.tool)
    }

    fn effect(&self) -> ToolEffect {
        Tool::effect(&self.tool)
    }

    fn on_interrupted(&self) -> Option<OnInterrupted> {
        Tool::on_interrupted(&self.tool)
    }

    fn access(&self, arguments: &Value) -> Effect {
        self.named(arguments, None)
    }

    fn access_in(&self, arguments: &Value, cx: &StepContext) -> Effect {
        self.named(arguments, Some(cx))
    }

    fn needs_permission(&self) -> bool {
        self.access.is_some()
    }

    fn asks(&self) -> bool {
        self.asks || Tool::asks(&self.tool)
    }
}

/// Returns an error that the model sees. It cannot end the step.
#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
pub(crate) fn told(error: StepError) -> ToolError {
    ToolError::Failed(match &error.data.hint {
        Some(hint) => format!("{}; {hint}", error.data.message),
        None => error.data.message.clone(),
    })
}

/// Returns the error for a wrong setting of a toolkit.
pub(crate) fn mistake(what: impl Into<String>) -> Error {
    Error::new(ErrorKind::Definition, what.into()).with_id(ErrorId::TOOL_MISCONFIGURED)
}

/// Runs blocking work on a thread for such work.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ToolError> + Send + 'static,
) -> Result<T, ToolError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => Err(ToolError::Failed(format!("the tool panicked: {error}"))),
    }
}

/// Puts a note before a text.
pub(crate) fn with_note(text: String, note: Option<String>) -> String {
    match note {
        Some(note) => format!("({note})\n\n{text}"),
        None => text,
    }
}
