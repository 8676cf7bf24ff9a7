//! Tools made of async functions.

use crate::shape;
use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use stepwright_core::tool::{Tool, ToolEffect, ToolError, ToolSpec};
use stepwright_core::{BoxFuture, Content, Json, OnInterrupted, StepContext};

/// A tool made of an async function or a closure, which may hold what it needs. Where a function
/// needs nothing but its arguments, [`#[tool]`](crate::tool) is shorter.
///
/// Its arguments are a struct: the comments on its fields are what the model is told about them.
/// The function may also take the [`StepContext`], and gives a text, `Json<T>`, a `Value`,
/// nothing, or a `Result` of one of them with any error. The model is told of an error and may try
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
///     /// What to look for.
///     query: String,
///     /// At most how many results.
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
    call: Arc<Call>,
    confirmed: bool,
    effect: ToolEffect,
    on_interrupted: Option<OnInterrupted>,
}

type Call =
    dyn Fn(Value, StepContext) -> BoxFuture<'static, Result<String, ToolError>> + Send + Sync;

impl FunctionTool {
    /// A tool of this name that does what `function` does. `description` says to the model what
    /// that is and when to use it.
    pub fn new<K, F: ToolFunction<K>>(
        name: impl Into<String>,
        description: impl Into<String>,
        function: F,
    ) -> Self {
        let mut parameters = F::parameters();
        // Some providers refuse an object that does not name its properties, even if it has none.
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

    /// Says that a person must allow each call: see [`Tool::requires_confirmation`].
    #[must_use]
    pub fn requires_confirmation(mut self) -> Self {
        self.confirmed = true;
        self
    }

    /// Marks it as read-only: a call changes nothing, and is repeated if its process dies.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.effect = ToolEffect::ReadOnly;
        self
    }

    /// Marks it as idempotent: a repeated call changes nothing more, because the service knows it
    /// by its arguments or by [`StepContext::idempotency_key`]. It is repeated if its process dies.
    #[must_use]
    pub fn idempotent(mut self) -> Self {
        self.effect = ToolEffect::Idempotent;
        self
    }

    /// Sets the policy for a call that had begun and not ended when its process died. Unless set,
    /// such a call is repeated if the tool is marked as read-only or idempotent, or has recorded
    /// its
    /// effects with [`StepContext::once`] or in an agent inside it; otherwise a person is asked.
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

/// An async function that can be a tool. `K` tells the shapes of functions apart and is inferred.
#[diagnostic::on_unimplemented(
    message = "this function cannot be a tool",
    note = "it must be async and take one struct that is `Deserialize` and `JsonSchema`, and \
            perhaps a `StepContext`",
    note = "write the type of its argument: `|args: Search| async move {{ .. }}`"
)]
pub trait ToolFunction<K>: Send + Sync + 'static {
    /// The JSON Schema of its arguments.
    fn parameters() -> Value;

    /// Carries out one call.
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

impl<F, A, W> ToolFunction<(A, StepContext)> for F
where
    F: Fn(A, StepContext) -> W + Send + Sync + 'static,
    A: DeserializeOwned + JsonSchema,
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
        match read(arguments) {
            Ok(arguments) => reply(self(arguments, cx)),
            Err(error) => Box::pin(std::future::ready(Err(error))),
        }
    }
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

/// What a tool can give: what the model is told.
///
/// Implement it for what your tools find, to say it to models in one way:
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
    message = "`{Self}` cannot be told to a model",
    note = "return `String`, `Json<T>`, `serde_json::Value` or `()`, or a `Result` of one of them"
)]
pub trait ToolReply {
    /// The text that the model reads.
    ///
    /// # Errors
    /// If the tool has failed.
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
        // An empty answer looks like a failure to some models.
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
            ToolError::Failed(format!("the answer of the tool cannot be written as JSON: {error}"))
        })
    }
}

impl<T: ToolReply, E: Into<Box<dyn StdError + Send + Sync>>> ToolReply for Result<T, E> {
    fn into_text(self) -> Result<String, ToolError> {
        let error = match self {
            Ok(value) => return value.into_text(),
            Err(error) => error.into(),
        };
        // A tool that tells its failures apart is heard; others have simply failed.
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
