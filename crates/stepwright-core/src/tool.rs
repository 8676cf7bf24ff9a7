//! The seam to tools: what an agent may call.

use crate::BoxFuture;
use crate::error::StepError;
use crate::executor::StepContext;
use serde_json::Value;
use std::fmt;
use std::sync::Arc;

/// What a model is told about a tool.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolSpec {
    /// Its name: letters, digits, `_` and `-`.
    pub name: String,
    /// What it does and when to use it.
    pub description: String,
    /// The JSON Schema of its arguments: an object.
    pub parameters: Value,
}

/// Why a tool did not do what was asked.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ToolError {
    /// The arguments do not fit the schema. The model is told, and may correct them.
    #[error("wrong arguments: {0}")]
    Arguments(String),
    /// The tool tried and failed. The model is told, and may try something else.
    #[error("{0}")]
    Failed(String),
    /// The tool failed in a way that the model cannot mend: the step fails.
    #[error("{}", .0.data.message)]
    Fatal(StepError),
}

/// Something that an agent may call.
///
/// Most tools are made of an async function by `stepwright_agent::FunctionTool`.
pub trait Tool: Send + Sync + 'static {
    /// What a model is told about it.
    fn spec(&self) -> &ToolSpec;

    /// Carries out one call. Dropping the future cancels it.
    fn call(&self, arguments: Value, cx: StepContext) -> BoxFuture<'_, Result<String, ToolError>>;
}

/// Any tool, behind a cheap handle.
#[derive(Clone)]
pub struct AnyTool(Arc<dyn Tool>);

impl AnyTool {
    /// Puts a tool behind a handle.
    pub fn new(tool: impl Tool) -> Self {
        Self(Arc::new(tool))
    }
}

impl Tool for AnyTool {
    fn spec(&self) -> &ToolSpec {
        self.0.spec()
    }
    fn call(&self, arguments: Value, cx: StepContext) -> BoxFuture<'_, Result<String, ToolError>> {
        self.0.call(arguments, cx)
    }
}

impl fmt::Debug for AnyTool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AnyTool").field(&self.spec().name).finish()
    }
}
