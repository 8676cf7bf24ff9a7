//! Guardrails: checks before and after agents, requests to models, tool calls and steps.
//!
//! A [`Guardrail`] judges a content. A [`Guard`] is a guardrail at a place. Each verdict is a fact,
//! [`GuardrailJudged`](crate::EventKind::GuardrailJudged), so a resumed run does not judge the same
//! content at the same place again.

pub(crate) mod verdict;

pub use verdict::{GuardPlace, GuardVerdict, Judged};

use crate::BoxFuture;
use crate::content::Content;
use crate::context::StepContext;
use crate::cost::Cost;
use crate::error::{ErrorCode, StepError};
use crate::event::EventKind;
use crate::fingerprint::Fingerprint;
use crate::message::Usage;
use crate::{ErrorId, codes};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::fmt::{self, Write as _};
use std::sync::Arc;

/// The default number of times that a guardrail after a model, an agent or a step asks again.
///
/// ```
/// use stepwright_core::guardrail::{GUARD_RETRIES, GUARD_RETRIES_MAX};
/// assert!(GUARD_RETRIES < GUARD_RETRIES_MAX);
/// ```
pub const GUARD_RETRIES: u32 = 1;

/// The highest number of times that a guardrail asks again. A model that still fails will not
/// succeed.
///
/// ```
/// use stepwright_core::guardrail::GUARD_RETRIES_MAX;
/// assert_eq!(GUARD_RETRIES_MAX, 10);
/// ```
pub const GUARD_RETRIES_MAX: u32 = 10;

/// A content that a guardrail judges.
///
/// ```
/// use stepwright_core::guardrail::{Checked, GuardPlace};
/// let checked = Checked::new(GuardPlace::AfterAgent, "Rust is fast.");
/// assert_eq!(checked.content.text(), "Rust is fast.");
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Checked {
    /// The place.
    pub place: GuardPlace,
    /// The content.
    pub content: Content,
    /// The name of the tool, at [`GuardPlace::BeforeTool`] and [`GuardPlace::AfterTool`].
    pub tool: Option<Arc<str>>,
}

impl Checked {
    /// Creates a content at a place.
    pub fn new(place: GuardPlace, content: impl Into<Content>) -> Self {
        Self { place, content: content.into(), tool: None }
    }

    /// Sets the name of the tool.
    #[must_use]
    pub fn of_tool(mut self, tool: impl Into<Arc<str>>) -> Self {
        self.tool = Some(tool.into());
        self
    }
}

/// The answer of a guardrail: its verdict, and the tokens that it consumed.
///
/// ```
/// use stepwright_core::guardrail::{GuardVerdict, Ruling};
/// let ruling = Ruling::from(GuardVerdict::Allow);
/// assert!(ruling.usage.is_empty());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Ruling {
    /// The verdict.
    pub verdict: GuardVerdict,
    /// The usage of the model that judged, if one did.
    pub usage: Usage,
    /// The cost of that request.
    pub cost: Option<Cost>,
}

impl From<GuardVerdict> for Ruling {
    fn from(verdict: GuardVerdict) -> Self {
        Self { verdict, usage: Usage::default(), cost: None }
    }
}

/// A check of a content.
///
/// ```
/// use stepwright_core::guardrail::{Checked, GuardVerdict, Guardrail, Ruling};
/// use stepwright_core::{BoxFuture, StepContext, StepError};
/// /// Refuses shouting.
/// struct Quiet;
/// impl Guardrail for Quiet {
///     fn name(&self) -> &str { "quiet" }
///     fn check(
///         &self,
///         checked: Checked,
///         _: StepContext,
///     ) -> BoxFuture<'_, Result<Ruling, StepError>> {
///         let verdict = match checked.content.text().contains('!') {
///             true => GuardVerdict::refuse("it shouts"),
///             false => GuardVerdict::Allow,
///         };
///         Box::pin(std::future::ready(Ok(verdict.into())))
///     }
/// }
/// ```
pub trait Guardrail: Send + Sync + 'static {
    /// Returns the name in events and errors.
    fn name(&self) -> &str;

    /// Judges a content. An error fails the step: a guardrail that cannot judge lets nothing pass.
    fn check(&self, checked: Checked, cx: StepContext) -> BoxFuture<'_, Result<Ruling, StepError>>;

    /// Returns the settings that must be the same when a run is resumed.
    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::default()
    }

    /// Returns the mistake in the settings, with what to do.
    fn mistake(&self) -> Option<String> {
        None
    }
}

/// A type-erased guardrail that is cheap to clone.
///
/// ```
/// use stepwright_core::guardrail::{AnyGuardrail, GuardVerdict, Guardrail as _};
/// let quiet = AnyGuardrail::of("quiet", |checked, _| async move {
///     match checked.content.text().contains('!') {
///         true => Ok(GuardVerdict::retry("do not shout")),
///         false => Ok(GuardVerdict::Allow),
///     }
/// });
/// assert_eq!(quiet.name(), "quiet");
/// ```
#[derive(Clone)]
pub struct AnyGuardrail(Arc<dyn Guardrail>);

impl AnyGuardrail {
    /// Wraps a guardrail.
    pub fn new(guardrail: impl Guardrail) -> Self {
        Self(Arc::new(guardrail))
    }

    /// Makes a guardrail of a function. Its code cannot be compared: set the
    /// [version](crate::Fingerprint) of the agent or step when it changes.
    pub fn of<F, W>(name: impl Into<String>, check: F) -> Self
    where
        F: Fn(Checked, StepContext) -> W + Send + Sync + 'static,
        W: Future<Output = Result<GuardVerdict, StepError>> + Send + 'static,
    {
        Self::new(FunctionGuardrail { name: name.into(), check })
    }
}

struct FunctionGuardrail<F> {
    name: String,
    check: F,
}

impl<F, W> Guardrail for FunctionGuardrail<F>
where
    F: Fn(Checked, StepContext) -> W + Send + Sync + 'static,
    W: Future<Output = Result<GuardVerdict, StepError>> + Send + 'static,
{
    fn name(&self) -> &str {
        &self.name
    }

    fn check(&self, checked: Checked, cx: StepContext) -> BoxFuture<'_, Result<Ruling, StepError>> {
        let work = (self.check)(checked, cx);
        Box::pin(async move { work.await.map(Ruling::from) })
    }
}

impl Guardrail for AnyGuardrail {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn check(&self, checked: Checked, cx: StepContext) -> BoxFuture<'_, Result<Ruling, StepError>> {
        self.0.check(checked, cx)
    }

    fn fingerprint(&self) -> Fingerprint {
        self.0.fingerprint()
    }

    fn mistake(&self) -> Option<String> {
        self.0.mistake()
    }
}

impl fmt::Debug for AnyGuardrail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AnyGuardrail").field(&self.name()).finish()
    }
}

/// The side of a guard, before it is known whether a step or an agent has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Before,
    After,
    BeforeModel,
    AfterModel,
    BeforeTool,
    AfterTool,
}

impl Side {
    const fn method(self) -> &'static str {
        match self {
            Self::Before => "before",
            Self::After => "after",
            Self::BeforeModel => "before_model",
            Self::AfterModel => "after_model",
            Self::BeforeTool => "before_tool",
            Self::AfterTool => "after_tool",
        }
    }
}

/// The guards before the steps around an agent. The agent has them judge the messages that it gets
/// while it works, as they have judged the input of their step.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct StepGuards(pub Arc<[Guard]>);

/// A guardrail at a place of an agent or a step.
///
/// ```
/// use stepwright_core::guardrail::{AnyGuardrail, Guard, GuardVerdict};
/// let short = AnyGuardrail::of("short", |checked, _| async move {
///     match checked.content.text().len() {
///         0..=200 => Ok(GuardVerdict::Allow),
///         _ => Ok(GuardVerdict::retry("answer in one sentence")),
///     }
/// });
/// // Asks the agent up to three times for a shorter answer.
/// let guard = Guard::after(short).retries(3);
/// assert!(guard.mistake(false).is_none());
/// ```
#[derive(Clone, Debug)]
#[must_use = "a guard has no effect until an agent or a step has it"]
pub struct Guard {
    guardrail: AnyGuardrail,
    side: Side,
    watches: bool,
    retries: Option<u32>,
    tools: Option<BTreeSet<String>>,
}

impl Guard {
    fn at(side: Side, guardrail: impl Guardrail) -> Self {
        let guardrail = AnyGuardrail::new(guardrail);
        Self { guardrail, side, watches: false, retries: None, tools: None }
    }

    /// Judges the messages of the user to an agent, also those that it gets while it works; or the
    /// input of a step.
    pub fn before(guardrail: impl Guardrail) -> Self {
        Self::at(Side::Before, guardrail)
    }

    /// Judges the answer of an agent, or the output of a step.
    pub fn after(guardrail: impl Guardrail) -> Self {
        Self::at(Side::After, guardrail)
    }

    /// Judges the messages that are new in each request to the model of an agent.
    pub fn before_model(guardrail: impl Guardrail) -> Self {
        Self::at(Side::BeforeModel, guardrail)
    }

    /// Judges the text of each answer of the model of an agent, also of those with tool calls.
    pub fn after_model(guardrail: impl Guardrail) -> Self {
        Self::at(Side::AfterModel, guardrail)
    }

    /// Judges the arguments of each tool call of an agent.
    pub fn before_tool(guardrail: impl Guardrail) -> Self {
        Self::at(Side::BeforeTool, guardrail)
    }

    /// Judges the result of each tool call of an agent.
    pub fn after_tool(guardrail: impl Guardrail) -> Self {
        Self::at(Side::AfterTool, guardrail)
    }

    /// Judges beside the work and not ahead of it, so that the work begins at once. A refusal stops
    /// the work. Only for guardrails [`before`](Self::before) and
    /// [`before_model`](Self::before_model); they can refuse, and not rewrite.
    pub fn watching(mut self) -> Self {
        self.watches = true;
        self
    }

    /// Sets how often [`GuardVerdict::Retry`] has the work done again before it refuses. Default:
    /// [`GUARD_RETRIES`]. Only for guardrails [`after`](Self::after) and
    /// [`after_model`](Self::after_model).
    pub fn retries(mut self, retries: u32) -> Self {
        self.retries = Some(retries);
        self
    }

    /// Judges the calls of these tools only.
    pub fn tools<S: Into<String>>(mut self, tools: impl IntoIterator<Item = S>) -> Self {
        self.tools = Some(tools.into_iter().map(Into::into).collect());
        self
    }

    /// Returns the place of the guard, at a step or at an agent.
    pub fn place(&self, of_step: bool) -> GuardPlace {
        match self.side {
            Side::Before if of_step => GuardPlace::BeforeStep,
            Side::After if of_step => GuardPlace::AfterStep,
            Side::Before => GuardPlace::BeforeAgent,
            Side::After => GuardPlace::AfterAgent,
            Side::BeforeModel => GuardPlace::BeforeModel,
            Side::AfterModel => GuardPlace::AfterModel,
            Side::BeforeTool => GuardPlace::BeforeTool,
            Side::AfterTool => GuardPlace::AfterTool,
        }
    }

    /// Returns the guardrail.
    pub fn guardrail(&self) -> &AnyGuardrail {
        &self.guardrail
    }

    /// Returns the tools whose calls it judges, if it does not judge those of all.
    pub fn tool_names(&self) -> Option<&BTreeSet<String>> {
        self.tools.as_ref()
    }

    /// Returns `true` if the guard judges beside the work.
    pub fn is_watching(&self) -> bool {
        self.watches
    }

    /// Returns how often the work is done again.
    pub fn retry_limit(&self) -> u32 {
        self.retries.unwrap_or(GUARD_RETRIES)
    }

    /// Returns `true` if the guard judges the calls of a tool.
    pub fn is_for(&self, tool: &str) -> bool {
        self.tools.as_ref().is_none_or(|tools| tools.contains(tool))
    }

    /// Returns the settings that must be the same when a run is resumed.
    pub fn fingerprint(&self) -> Value {
        json!({
            "name": self.guardrail.name(),
            "at": self.side.method(),
            "watching": self.watches,
            "retries": self.retries,
            "tools": self.tools,
            "content": self.guardrail.fingerprint(),
        })
    }

    /// Returns the mistake in the guard of a step, or of an agent, with what to do.
    pub fn mistake(&self, of_step: bool) -> Option<String> {
        let (name, at) = (self.guardrail.name(), self.side.method());
        if name.trim().is_empty() {
            return Some("a guardrail has no name; give it one".to_owned());
        }
        if let Some(mistake) = self.guardrail.mistake() {
            return Some(format!("guardrail `{name}`: {mistake}"));
        }
        if of_step && !matches!(self.side, Side::Before | Side::After) {
            return Some(format!(
                "guardrail `{name}` is at `{at}`, which a step does not have; add it to the agent, \
                 or use `before` or `after`"
            ));
        }
        if self.watches && !matches!(self.side, Side::Before | Side::BeforeModel) {
            return Some(format!(
                "guardrail `{name}` is at `{at}` and cannot watch: the work has been done; leave \
                 `watching` out, or use `before` or `before_model`"
            ));
        }
        let retries = self.retry_limit();
        if retries > GUARD_RETRIES_MAX {
            return Some(format!(
                "`retries` of guardrail `{name}` is {retries}; set 0 to {GUARD_RETRIES_MAX}"
            ));
        }
        if self.retries.is_some() && !matches!(self.side, Side::After | Side::AfterModel) {
            return Some(format!(
                "guardrail `{name}` is at `{at}`, where nothing is done again; leave `retries` \
                 out, or use `after` or `after_model`"
            ));
        }
        let of_tools = matches!(self.side, Side::BeforeTool | Side::AfterTool);
        (self.tools.is_some() && !of_tools).then(|| {
            format!(
                "guardrail `{name}` is at `{at}` and names tools; leave `tools` out, or use \
                 `before_tool` or `after_tool`"
            )
        })
    }
}

/// The reason that there is no verdict.
#[doc(hidden)]
#[derive(Debug)]
pub enum Unjudged {
    /// The guardrail failed, and its failure is not recorded yet.
    Failed(StepError),
    /// No more facts can be recorded.
    Lost(StepError),
}

impl Guard {
    /// Returns the key of a verdict. `round` tells contents at one place and attempt apart.
    #[doc(hidden)]
    pub fn key(&self, checked: &Checked, round: &str, nth: usize, attempt: u32) -> Arc<str> {
        let place = checked.place.as_str();
        let digest = Sha256::digest(checked.content.to_value().to_string().as_bytes());
        let mut key = format!("{place}/{attempt}/{round}/{nth}:");
        for byte in digest.iter().take(16) {
            let _ = write!(key, "{byte:02x}");
        }
        key.into()
    }

    /// Judges a content, and records the verdict.
    #[doc(hidden)]
    pub async fn judge(
        &self,
        checked: Checked,
        key: Arc<str>,
        cx: &StepContext,
    ) -> Result<GuardVerdict, Unjudged> {
        let (place, tool) = (checked.place, checked.tool.clone());
        let name = self.guardrail.name();
        let request =
            || json!({"guardrail": name, "place": place, "content": checked.content.to_value()});
        let ruling = match cx.played("guardrail", request).await {
            Some(recorded) => recorded.and_then(|value| {
                let judged: Judged = serde_json::from_value(value).map_err(|error| {
                    let why = format!("the recorded verdict cannot be read: {error}");
                    StepError::terminal(why).with_id(ErrorId::RECORD_UNFIT)
                })?;
                let Judged { verdict, usage, cost, .. } = judged;
                Ok(Ruling { verdict, usage, cost })
            }),
            None => self.guardrail.check(checked, cx.clone()).await,
        };
        let Ruling { verdict, usage, cost } = ruling.map_err(|mut error| {
            error.data.message = format!("guardrail `{name}`: {}", error.data.message);
            Unjudged::Failed(error)
        })?;
        let (guardrail, recorded) = (name.into(), verdict.clone());
        let judged = Judged { guardrail, place, tool, key, verdict: recorded, usage, cost };
        let fact = EventKind::GuardrailJudged { judged: Box::new(judged) };
        cx.record(fact).await.map_err(Unjudged::Lost)?;
        Ok(verdict)
    }

    /// Makes the failure with which a guard refuses.
    #[doc(hidden)]
    pub fn refusal(&self, place: GuardPlace, tool: Option<&str>, reason: &str) -> StepError {
        debug_assert!(codes::find(ErrorId::GUARDRAIL_REFUSED).is_some(), "it has a page");
        let (name, what) = (self.guardrail.name(), place.words());
        let of = tool.map(|tool| format!(" of tool `{tool}`")).unwrap_or_default();
        StepError::terminal(format!("guardrail `{name}` refused {what}{of}: {reason}"))
            .with_code(ErrorCode::Guardrail)
            .with_id(ErrorId::GUARDRAIL_REFUSED)
    }
}
