//! The interface to tools, which agents call.

use crate::BoxFuture;
use crate::context::StepContext;
use crate::error::Error;
use crate::failure::StepError;
use crate::fingerprint::Fingerprint;
use crate::interrupted::OnInterrupted;
use crate::media::Media;
use crate::permission::Effect;
use serde_json::Value;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The description of a tool for a model.
///
/// ```
/// use stepwright_core::tool::ToolSpec;
/// let weather = ToolSpec {
///     name: "weather".into(),
///     description: "Tells the weather of a city. Use it before planning a walk.".into(),
///     parameters: serde_json::json!({
///         "type": "object",
///         "properties": { "city": { "type": "string" } },
///         "required": ["city"],
///     }),
/// };
/// assert_eq!(weather.parameters["properties"]["city"]["type"], "string");
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ToolSpec {
    /// The name: letters, digits, `_` and `-`.
    pub name: String,
    /// The purpose of the tool, and when to use it.
    pub description: String,
    /// The JSON Schema of the arguments, which must be an object.
    pub parameters: Value,
}

/// An error of a tool.
///
/// ```
/// use serde_json::{Value, json};
/// use stepwright_core::tool::ToolError;
/// fn city(arguments: &Value) -> Result<&str, ToolError> {
///     let missing = || ToolError::Arguments("`city` must be a text".into());
///     arguments["city"].as_str().ok_or_else(missing)
/// }
/// let error = city(&json!({ "city": 7 })).unwrap_err();
/// assert_eq!(error.to_string(), "wrong arguments: `city` must be a text");
/// ```
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ToolError {
    /// The arguments do not match the schema. The model sees this and may correct them.
    #[error("wrong arguments: {0}")]
    Arguments(String),
    /// The tool failed. The model sees this and may try something else.
    #[error("{0}")]
    Failed(String),
    /// The tool failed in a way that the model cannot fix, so the step fails.
    #[error("{}", .0.data.message)]
    Fatal(StepError),
}

/// The answer of a tool: a text, and media such as images.
///
/// ```
/// use stepwright_core::tool::ToolAnswer;
/// use stepwright_core::{Media, MediaKind};
/// let chart = Media::bytes(MediaKind::Image, *b"\x89PNG").with_mime("image/png");
/// let answer = ToolAnswer { text: "The chart of May.".into(), media: vec![chart] };
/// assert!(ToolAnswer::from("no chart".to_owned()).media.is_empty());
/// # assert_eq!(answer.media.len(), 1);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ToolAnswer {
    /// The text for the model.
    pub text: String,
    /// The media for the model. A model that takes none of a kind is told that there was one.
    pub media: Vec<Media>,
}

impl From<String> for ToolAnswer {
    fn from(text: String) -> Self {
        Self { text, media: Vec::new() }
    }
}

/// A tool that an agent may call.
///
/// Most tools are made from an async function with `stepwright_agent::FunctionTool`.
///
/// ```
/// # use futures_util::FutureExt as _;
/// # use serde_json::json;
/// use serde_json::Value;
/// use stepwright_core::{BoxFuture, StepContext, tool::{Tool, ToolError, ToolSpec}};
/// /// Looks up a price in a list.
/// struct Price(ToolSpec);
/// impl Tool for Price {
///     fn spec(&self) -> &ToolSpec {
///         &self.0
///     }
///     fn call(&self, args: Value, _: StepContext) -> BoxFuture<'_, Result<String, ToolError>> {
///         Box::pin(async move {
///             match args["fruit"].as_str() {
///                 Some("apple") => Ok("0.40 EUR".into()),
///                 Some(other) => Err(ToolError::Failed(format!("no price of `{other}`"))),
///                 None => Err(ToolError::Arguments("`fruit` must be a text".into())),
///             }
///         })
///     }
/// }
/// # let (name, description) = ("price".into(), "The price of a fruit.".into());
/// # let price = Price(ToolSpec { name, description, parameters: json!({ "type": "object" }) });
/// # let ask = |args| price.call(args, StepContext::detached("buy")).now_or_never().unwrap();
/// # assert_eq!(ask(json!({ "fruit": "apple" })), Ok("0.40 EUR".into()));
/// # let failed = ToolError::Failed("no price of `plum`".into());
/// # assert_eq!(ask(json!({ "fruit": "plum" })), Err(failed));
/// ```
pub trait Tool: Send + Sync + 'static {
    /// Returns the description for the model.
    fn spec(&self) -> &ToolSpec;

    /// Carries out a call. Dropping the future cancels it.
    fn call(&self, arguments: Value, cx: StepContext) -> BoxFuture<'_, Result<String, ToolError>>;

    /// Carries out a call that may answer with media as well. By default this is [`Tool::call`].
    fn answer(
        &self,
        arguments: Value,
        cx: StepContext,
    ) -> BoxFuture<'_, Result<ToolAnswer, ToolError>> {
        let called = self.call(arguments, cx);
        Box::pin(async move { called.await.map(ToolAnswer::from) })
    }

    /// Returns the timeout of a call, if the tool has one of its own. It overrides that of the
    /// agent.
    fn timeout(&self) -> Option<Duration> {
        None
    }

    /// Returns `true` if a person must confirm each call.
    fn requires_confirmation(&self) -> bool {
        false
    }

    /// Returns the effect of a call on the outside world.
    fn effect(&self) -> ToolEffect {
        ToolEffect::Acts
    }

    /// Returns the policy for an interrupted call. `None` means the default for [`Tool::effect`].
    /// See [`ToolEffect::on_interrupted`].
    fn on_interrupted(&self) -> Option<OnInterrupted> {
        None
    }

    /// Returns the content that determines what a call does, besides the specification, so that a
    /// run is not resumed with another tool. Empty by default, because a function cannot be
    /// inspected.
    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::default()
    }

    /// Returns the effect of a call with these arguments, for the permissions of the run. By
    /// default it is a call of this tool by its name.
    ///
    /// A tool that reads a file or fetches a page names these, so that rules for files and
    /// addresses hold for it too.
    fn access(&self, arguments: &Value) -> Effect {
        Effect::call(self.spec().name.as_str(), arguments)
    }

    /// Returns the effect of a call in this context, for tools that work in the workspace of a step
    /// ([`StepContext::workspace`]). By default this is [`Tool::access`].
    fn access_in(&self, arguments: &Value, _cx: &StepContext) -> Effect {
        self.access(arguments)
    }

    /// Returns `true` if the permissions of the run judge the calls. A tool that reaches nothing
    /// outside the run needs none: one that computes, keeps notes, or asks a person.
    fn needs_permission(&self) -> bool {
        true
    }

    /// Returns `true` if a call may ask a person, which requires that its run is stored.
    fn asks(&self) -> bool {
        self.requires_confirmation()
    }
}

/// The effect of a tool call on the outside world. It determines whether an interrupted call can be
/// repeated.
///
/// ```
/// use stepwright_core::OnInterrupted;
/// use stepwright_core::tool::ToolEffect;
/// assert_eq!(ToolEffect::default(), ToolEffect::Acts);
/// assert_eq!(ToolEffect::Acts.on_interrupted(), OnInterrupted::Ask);
/// assert_eq!(ToolEffect::ReadOnly.on_interrupted(), OnInterrupted::Retry);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ToolEffect {
    /// A call may change something, and a second call may change it again.
    #[default]
    Acts,
    /// A call changes nothing.
    ReadOnly,
    /// A call may change something, but repeating it has no further effect. The service recognises
    /// it by its arguments or by [`StepContext::idempotency_key`].
    Idempotent,
}

impl ToolEffect {
    /// Returns the default policy for an interrupted call: `Ask` for a tool that acts, `Retry` for
    /// one that is read-only or idempotent.
    pub fn on_interrupted(self) -> OnInterrupted {
        match self {
            Self::Acts => OnInterrupted::Ask,
            Self::ReadOnly | Self::Idempotent => OnInterrupted::Retry,
        }
    }
}

/// A type-erased tool that is cheap to clone.
///
/// ```
/// # use serde_json::{Value, json};
/// # use stepwright_core::{BoxFuture, StepContext};
/// # use stepwright_core::tool::{ToolError, ToolSpec};
/// use stepwright_core::tool::{AnyTool, Tool};
/// # struct Named(ToolSpec);
/// # impl Tool for Named {
/// #     fn spec(&self) -> &ToolSpec { &self.0 }
/// #     fn call(&self, _: Value, _: StepContext) -> BoxFuture<'_, Result<String, ToolError>> {
/// #         Box::pin(std::future::ready(Ok(String::new())))
/// #     }
/// # }
/// # let tool = |name: &str| Named(ToolSpec {
/// #     name: name.into(), description: String::new(), parameters: json!({ "type": "object" }),
/// # });
/// # let (price, weather) = (tool("price"), tool("weather"));
/// // An agent finds the tool of a call by its name.
/// let tools = [AnyTool::new(price), AnyTool::new(weather)];
/// let asked = tools.iter().position(|tool| tool.spec().name == "weather");
/// assert_eq!(asked, Some(1));
/// ```
#[derive(Clone)]
pub struct AnyTool(Arc<dyn Tool>);

impl AnyTool {
    /// Erases the type of a tool.
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
    fn answer(
        &self,
        arguments: Value,
        cx: StepContext,
    ) -> BoxFuture<'_, Result<ToolAnswer, ToolError>> {
        self.0.answer(arguments, cx)
    }
    fn timeout(&self) -> Option<Duration> {
        self.0.timeout()
    }
    fn requires_confirmation(&self) -> bool {
        self.0.requires_confirmation()
    }
    fn effect(&self) -> ToolEffect {
        self.0.effect()
    }
    fn on_interrupted(&self) -> Option<OnInterrupted> {
        self.0.on_interrupted()
    }
    fn fingerprint(&self) -> Fingerprint {
        self.0.fingerprint()
    }
    fn access(&self, arguments: &Value) -> Effect {
        self.0.access(arguments)
    }
    fn access_in(&self, arguments: &Value, cx: &StepContext) -> Effect {
        self.0.access_in(arguments, cx)
    }
    fn needs_permission(&self) -> bool {
        self.0.needs_permission()
    }
    fn asks(&self) -> bool {
        self.0.asks()
    }
}

impl fmt::Debug for AnyTool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AnyTool").field(&self.spec().name).finish()
    }
}

/// A source of tools that are known only when a run needs them, such as an MCP server.
///
/// ```
/// # use futures_util::FutureExt as _;
/// use stepwright_core::tool::{AnyTool, AnyToolSource, ToolSource};
/// use stepwright_core::{BoxFuture, StepContext, StepError};
/// /// A source that has no tools today.
/// struct Empty;
/// impl ToolSource for Empty {
///     fn name(&self) -> &str {
///         "empty"
///     }
///     fn tools(&self, _: StepContext) -> BoxFuture<'_, Result<Vec<AnyTool>, StepError>> {
///         Box::pin(async { Ok(Vec::new()) })
///     }
/// }
/// let source = AnyToolSource::new(Empty);
/// let tools = source.tools(StepContext::detached("s")).now_or_never().unwrap()?;
/// assert!(tools.is_empty());
/// # Ok::<(), StepError>(())
/// ```
pub trait ToolSource: Send + Sync + 'static {
    /// Returns the name of the source, for messages.
    fn name(&self) -> &str;

    /// Returns the settings that determine its tools, so that a run is not resumed with others.
    /// Tools that change on their own, such as those of a server, are not part of it.
    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::default()
    }

    /// Checks the settings, without asking the source for anything.
    ///
    /// # Errors
    /// Fails if a setting is wrong. The agent cannot be built then.
    fn check(&self) -> Result<(), Error> {
        Ok(())
    }

    /// Returns the tools for an execution of an agent. Called when the agent begins, and again when
    /// it resumes.
    ///
    /// # Errors
    /// Fails if the tools cannot be had. The step of the agent fails too.
    fn tools(&self, cx: StepContext) -> BoxFuture<'_, Result<Vec<AnyTool>, StepError>>;
}

/// A type-erased source of tools that is cheap to clone. See [`ToolSource`].
///
/// ```
/// # use stepwright_core::tool::AnyTool;
/// # use stepwright_core::{BoxFuture, StepContext, StepError};
/// use stepwright_core::tool::{AnyToolSource, ToolSource};
/// # struct Empty(&'static str);
/// # impl ToolSource for Empty {
/// #     fn name(&self) -> &str { self.0 }
/// #     fn tools(&self, _: StepContext) -> BoxFuture<'_, Result<Vec<AnyTool>, StepError>> {
/// #         Box::pin(async { Ok(Vec::new()) })
/// #     }
/// # }
/// # let (time, files) = (Empty("time"), Empty("files"));
/// let sources = [AnyToolSource::new(time), AnyToolSource::new(files)];
/// assert_eq!(sources.map(|source| source.name().to_owned()), ["time", "files"]);
/// ```
#[derive(Clone)]
pub struct AnyToolSource(Arc<dyn ToolSource>);

impl AnyToolSource {
    /// Erases the type of a source.
    pub fn new(source: impl ToolSource) -> Self {
        Self(Arc::new(source))
    }
}

impl ToolSource for AnyToolSource {
    fn name(&self) -> &str {
        self.0.name()
    }
    fn fingerprint(&self) -> Fingerprint {
        self.0.fingerprint()
    }
    fn check(&self) -> Result<(), Error> {
        self.0.check()
    }
    fn tools(&self, cx: StepContext) -> BoxFuture<'_, Result<Vec<AnyTool>, StepError>> {
        self.0.tools(cx)
    }
}

impl fmt::Debug for AnyToolSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AnyToolSource").field(&self.name()).finish()
    }
}
