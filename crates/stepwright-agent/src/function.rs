//! Tools built from async functions.

use crate::shape;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use stepwright_core::provided::FromContext;
use stepwright_core::tool::{Tool, ToolEffect, ToolError, ToolSpec};
use stepwright_core::{BoxFuture, Content, Json, OnInterrupted, StepContext};

/// A tool built from an async function or a closure that may capture state. For a function that
/// needs only its arguments, [`#[tool]`](crate::tool) is shorter.
///
/// The arguments are a struct, and the comments on its fields describe them to the model. The
/// function may also take the [`StepContext`], or a [`State`](stepwright_core::State) of the host
/// program, or both. It returns a text, `Json<T>`, a `Value`, nothing, or
/// a `Result` of one of these with any error. Errors are returned to the model, which may try
/// something else; only [`ToolError::Fatal`] fails the step.
///
/// ```
/// use schemars::JsonSchema;
/// use serde::Deserialize;
/// use stepwright_agent::FunctionTool;
/// use stepwright_core::StepContext;
///
/// #[derive(Deserialize, JsonSchema)]
/// struct Search {
///     /// The words to look for.
///     query: String,
///     /// The largest number of results.
///     limit: Option<u32>,
/// }
///
/// let search = FunctionTool::new("search", "Searches the web.", |args: Search| async move {
///     if args.query.is_empty() { Err("the query is empty") } else { Ok("three results") }
/// });
/// let slow = FunctionTool::new("slow", "As above.", |args: Search, cx: StepContext| async move {
///     cx.note(format!("searching for {}", args.query));
///     "nothing"
/// });
/// ```
#[derive(Clone)]
pub struct FunctionTool {
    spec: ToolSpec,
    call: Arc<ToolFn>,
    confirmed: bool,
    effect: ToolEffect,
    on_interrupted: Option<OnInterrupted>,
}

type ToolFn =
    dyn Fn(Value, StepContext) -> BoxFuture<'static, Result<String, ToolError>> + Send + Sync;

impl FunctionTool {
    /// Creates a tool that runs `function`. `description` tells the model what the tool does and
    /// when to use it.
    pub fn new<K, F: ToolFunction<K>>(
        name: impl Into<String>,
        description: impl Into<String>,
        function: F,
    ) -> Self {
        let mut parameters = F::parameters();
        // Some providers refuse an object schema without `properties`, even an empty one.
        if parameters["type"] == "object"
            && let Some(object) = parameters.as_object_mut()
        {
            object.entry("properties").or_insert_with(|| Map::new().into());
        }
        let spec = ToolSpec { name: name.into(), description: description.into(), parameters };
        let call = Arc::new(move |arguments, cx| function.call(arguments, cx));
        let effect = ToolEffect::default();
        Self { spec, call, confirmed: false, effect, on_interrupted: None }
    }

    /// Requires a confirmation for each call: see [`Tool::requires_confirmation`].
    #[must_use]
    pub fn requires_confirmation(mut self) -> Self {
        self.confirmed = true;
        self
    }

    /// Marks the tool as read-only: a call changes nothing and is repeated if its process dies.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.effect = ToolEffect::ReadOnly;
        self
    }

    /// Marks the tool as idempotent: repeating a call changes nothing more, because the service
    /// recognizes it by its arguments or by [`StepContext::idempotency_key`]. The call is repeated
    /// if its process dies.
    #[must_use]
    pub fn idempotent(mut self) -> Self {
        self.effect = ToolEffect::Idempotent;
        self
    }

    /// Sets the policy for a call that had started but not ended when its process died. By default
    /// the call is repeated if the tool is read-only or idempotent, or if it recorded its effects
    /// with [`StepContext::once`] or in an agent inside it. Otherwise a person decides.
    #[must_use]
    pub fn on_interrupted(mut self, policy: OnInterrupted) -> Self {
        self.on_interrupted = Some(policy);
        self
    }
}

impl Tool for FunctionTool {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }
    fn call(&self, arguments: Value, cx: StepContext) -> BoxFuture<'_, Result<String, ToolError>> {
        (self.call)(arguments, cx)
    }
    fn requires_confirmation(&self) -> bool {
        self.confirmed
    }
    fn effect(&self) -> ToolEffect {
        self.effect
    }
    fn on_interrupted(&self) -> Option<OnInterrupted> {
        self.on_interrupted
    }
}

impl fmt::Debug for FunctionTool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FunctionTool").field(&self.spec.name).finish()
    }
}

/// An async function that can be a tool. `K` distinguishes the function signatures and is inferred.
///
/// ```
/// use stepwright_agent::{FunctionTool, ToolFunction};
/// /// How this program makes its tools.
/// fn harmless<K>(name: &str, function: impl ToolFunction<K>) -> FunctionTool {
///     FunctionTool::new(name, "Changes nothing.", function).read_only()
/// }
/// let _ = harmless("echo", |text: serde_json::Value| async move { text });
/// ```
#[diagnostic::on_unimplemented(
    message = "this function cannot be a tool",
    note = "it must be async and take one struct that is `Deserialize` and `JsonSchema`, and \
            perhaps a `StepContext` or a `State<T>`, or both",
    note = "write the type of its argument: `|args: Search| async move {{ .. }}`",
    note = "it is called again for each call of the model: a closure clones what it uses, \
            and moves the clone into its `async move` block"
)]
pub trait ToolFunction<K>: Send + Sync + 'static {
    /// Returns the JSON Schema of the arguments.
    fn parameters() -> Value;

    /// Executes one call.
    fn call(
        &self,
        arguments: Value,
        cx: StepContext,
    ) -> BoxFuture<'static, Result<String, ToolError>>;
}

impl<F, A, W> ToolFunction<(A,)> for F
where
    F: Fn(A) -> W + Send + Sync + 'static,
    A: DeserializeOwned + JsonSchema,
    W: Future<Output: ToolReply> + Send + 'static,
{
    fn parameters() -> Value {
        shape::schema_of::<A>()
    }
    fn call(
        &self,
        arguments: Value,
        _: StepContext,
    ) -> BoxFuture<'static, Result<String, ToolError>> {
        match read(arguments) {
            Ok(arguments) => reply(self(arguments)),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }
}

impl<F, A, C, W> ToolFunction<(A, C)> for F
where
    F: Fn(A, C) -> W + Send + Sync + 'static,
    A: DeserializeOwned + JsonSchema,
    C: FromContext,
    W: Future<Output: ToolReply> + Send + 'static,
{
    fn parameters() -> Value {
        shape::schema_of::<A>()
    }
    fn call(
        &self,
        arguments: Value,
        cx: StepContext,
    ) -> BoxFuture<'static, Result<String, ToolError>> {
        match (read(arguments), given(&cx)) {
            (Ok(arguments), Ok(first)) => reply(self(arguments, first)),
            (Err(error), _) | (_, Err(error)) => Box::pin(std::future::ready(Err(error))),
        }
    }
}

impl<F, A, C, D, W> ToolFunction<(A, C, D)> for F
where
    F: Fn(A, C, D) -> W + Send + Sync + 'static,
    A: DeserializeOwned + JsonSchema,
    C: FromContext,
    D: FromContext,
    W: Future<Output: ToolReply> + Send + 'static,
{
    fn parameters() -> Value {
        shape::schema_of::<A>()
    }
    fn call(
        &self,
        arguments: Value,
        cx: StepContext,
    ) -> BoxFuture<'static, Result<String, ToolError>> {
        match (read(arguments), given(&cx), given(&cx)) {
            (Ok(arguments), Ok(first), Ok(second)) => reply(self(arguments, first, second)),
            (Err(error), ..) | (_, Err(error), _) | (.., Err(error)) => {
                Box::pin(std::future::ready(Err(error)))
            }
        }
    }
}

/// Takes an argument from the context. No model can provide one that is missing.
fn given<C: FromContext>(cx: &StepContext) -> Result<C, ToolError> {
    C::from_context(cx).map_err(ToolError::Fatal)
}

fn reply<W>(work: W) -> BoxFuture<'static, Result<String, ToolError>>
where
    W: Future<Output: ToolReply> + Send + 'static,
{
    Box::pin(async move { work.await.into_text() })
}

fn read<A: DeserializeOwned>(arguments: Value) -> Result<A, ToolError> {
    shape::read(arguments).map_err(ToolError::Arguments)
}

/// A value that a tool can return to the model.
///
/// Implement it for your own result types:
///
/// ```
/// use stepwright_agent::{ToolReply, tool};
/// use stepwright_core::tool::ToolError;
/// struct Found(Vec<String>);
/// impl ToolReply for Found {
///     fn into_text(self) -> Result<String, ToolError> {
///         if self.0.is_empty() { return Err(ToolError::Failed("nothing was found".into())); }
///         Ok(self.0.join("\n"))
///     }
/// }
/// /// Searches the notes.
/// #[tool(crate = "stepwright_agent")]
/// fn search(word: String) -> Found { Found(vec![format!("{word}: see page 7")]) }
/// assert_eq!(search::run("ants".into()).into_text()?, "ants: see page 7");
/// # Ok::<(), ToolError>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the result of a tool",
    note = "return `String`, `Json<T>`, `serde_json::Value` or `()`, or a `Result` of one of them"
)]
pub trait ToolReply {
    /// Returns the text that the model reads.
    ///
    /// # Errors
    /// Returns an error if the tool has failed.
    fn into_text(self) -> Result<String, ToolError>;
}

impl ToolReply for String {
    fn into_text(self) -> Result<String, ToolError> {
        Ok(self)
    }
}

impl ToolReply for &'static str {
    fn into_text(self) -> Result<String, ToolError> {
        Ok(self.to_owned())
    }
}

impl ToolReply for () {
    fn into_text(self) -> Result<String, ToolError> {
        // Some models take an empty result for a failure.
        Ok("done".to_owned())
    }
}

impl ToolReply for Content {
    fn into_text(self) -> Result<String, ToolError> {
        Ok(self.text().into_owned())
    }
}

impl ToolReply for Value {
    fn into_text(self) -> Result<String, ToolError> {
        Ok(Content::from(self).text().into_owned())
    }
}

impl<T: Serialize> ToolReply for Json<T> {
    fn into_text(self) -> Result<String, ToolError> {
        serde_json::to_string(&self.0).map_err(|error| {
            ToolError::Failed(format!("the result of the tool cannot be written as JSON: {error}"))
        })
    }
}

impl<T: ToolReply, E: Into<Box<dyn StdError + Send + Sync>>> ToolReply for Result<T, E> {
    fn into_text(self) -> Result<String, ToolError> {
        let error = match self {
            Ok(value) => return value.into_text(),
            Err(error) => error.into(),
        };
        // Keep the error class if the tool set one; any other error is a plain failure.
        let error = match error.downcast::<ToolError>() {
            Ok(error) => return Err(*error),
            Err(error) => error,
        };
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(next) = cause {
            text.push_str(": ");
            text.push_str(&next.to_string());
            cause = next.source();
        }
        Err(ToolError::Failed(text))
    }
}
