//! The seam to what carries out a step: agents, teams, functions.

use crate::BoxFuture;
use crate::content::Content;
use crate::context::StepContext;
use crate::error::StepError;
use crate::fingerprint::Fingerprint;
use crate::interrupted::OnInterrupted;
use crate::media::Media;
use crate::message::Usage;
use crate::scope::{LoopOutcome, Scope};
use crate::session::{Exchange, history_text};
use crate::state::{Patch, State};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fmt::{self, Write as _};
use std::sync::Arc;

/// What carries out a step.
///
/// ```
/// use stepwright_core::{EventKind, executor::ExecutorType};
/// let by_agent = |kind: &EventKind| {
///     matches!(kind, EventKind::StepStarted { executor_type: ExecutorType::Agent, .. })
/// };
/// let (executor_type, executor_name) = (ExecutorType::Agent, "writer".into());
/// assert!(by_agent(&EventKind::StepStarted { executor_type, executor_name }));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ExecutorType {
    /// A function.
    Function,
    /// An agent.
    Agent,
    /// A team of agents.
    Team,
    /// A whole workflow.
    Workflow,
}

/// Carries out a step. Agents and functions are executors, and so is whatever you write.
///
/// ```
/// use stepwright_core::{Executor, StepContext, StepError, StepInput, StepOutput};
///
/// struct Shout;
/// impl Executor for Shout {
///     fn name(&self) -> &str {
///         "shout"
///     }
///     async fn execute(&self, input: StepInput, _: StepContext) -> Result<StepOutput, StepError> {
///         Ok(input.text().to_uppercase().into())
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot carry out a step",
    note = "implement `Executor`, or pass an `Agent` or an `async fn`"
)]
pub trait Executor: Send + Sync + 'static {
    /// What it is called. A step that is given no name of its own takes this one.
    fn name(&self) -> &str;

    /// What kind of executor it is.
    fn executor_type(&self) -> ExecutorType {
        ExecutorType::Function
    }

    /// Returns the texts and settings that decide what it does, so that a run is not taken up
    /// with others than it began with. It is asked once, when a workflow is built. Empty by
    /// default: what a function does cannot be told, and its step may
    /// have a version instead.
    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::default()
    }

    /// The policy for an execution whose outcome is unknown, unless the step, something around it
    /// or the workflow has one. An executor that acts on the outside, and has no key by which the
    /// outside knows a repeated request, says [`OnInterrupted::Ask`].
    ///
    /// It concerns executions that a dead process left behind, attempts that time out where a retry
    /// would follow, and failures with the code
    /// [`OutcomeUnknown`](crate::ErrorCode::OutcomeUnknown).
    fn on_interrupted(&self) -> OnInterrupted {
        OnInterrupted::Retry
    }

    /// `true` if it may ask a person, so that its run must be stored.
    fn asks(&self) -> bool {
        false
    }

    /// Carries out one attempt. Dropping the future cancels it. It may run again after a crash, or
    /// after an error that is retryable; [`StepContext::idempotency_key`] is the same for all
    /// attempts, and [`StepContext::attempt_key`] tells them apart.
    fn execute(
        &self,
        input: StepInput,
        cx: StepContext,
    ) -> impl Future<Output = Result<StepOutput, StepError>> + Send;
}

trait Erased: Send + Sync {
    fn name(&self) -> &str;
    fn executor_type(&self) -> ExecutorType;
    fn fingerprint(&self) -> Fingerprint;
    fn on_interrupted(&self) -> OnInterrupted;
    fn asks(&self) -> bool;
    fn execute(
        &self,
        input: StepInput,
        cx: StepContext,
    ) -> BoxFuture<'_, Result<StepOutput, StepError>>;
}

impl<E: Executor> Erased for E {
    fn name(&self) -> &str {
        Executor::name(self)
    }
    fn executor_type(&self) -> ExecutorType {
        Executor::executor_type(self)
    }
    fn fingerprint(&self) -> Fingerprint {
        Executor::fingerprint(self)
    }
    fn on_interrupted(&self) -> OnInterrupted {
        Executor::on_interrupted(self)
    }
    fn asks(&self) -> bool {
        Executor::asks(self)
    }
    fn execute(
        &self,
        input: StepInput,
        cx: StepContext,
    ) -> BoxFuture<'_, Result<StepOutput, StepError>> {
        Box::pin(Executor::execute(self, input, cx))
    }
}

/// Any executor, behind a cheap handle.
///
/// ```
/// use futures_util::FutureExt as _;
/// use stepwright_core::{AnyExecutor, StepContext, StepInput};
/// # use stepwright_core::{Executor, StepError, StepOutput};
/// # struct Shout;
/// # impl Executor for Shout {
/// #     fn name(&self) -> &str { "shout" }
/// #     async fn execute(&self, i: StepInput, _: StepContext) -> Result<StepOutput, StepError> {
/// #         Ok(i.text().to_uppercase().into())
/// #     }
/// # }
/// # struct Count;
/// # impl Executor for Count {
/// #     fn name(&self) -> &str { "count" }
/// #     async fn execute(&self, i: StepInput, _: StepContext) -> Result<StepOutput, StepError> {
/// #         Ok(i.text().len().to_string().into())
/// #     }
/// # }
/// // Executors of different types fit into one list.
/// let all = [AnyExecutor::new(Shout), AnyExecutor::new(Count)];
/// let give = |executor: &AnyExecutor| {
///     let cx = StepContext::detached(executor.name());
///     executor.execute(StepInput::of("help"), cx).now_or_never().unwrap().unwrap().content
/// };
/// assert_eq!(all.each_ref().map(give), ["HELP".into(), "4".into()]);
/// ```
#[derive(Clone)]
pub struct AnyExecutor(Arc<dyn Erased>);

impl AnyExecutor {
    /// Puts an executor behind a handle.
    pub fn new(executor: impl Executor) -> Self {
        Self(Arc::new(executor))
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        self.0.name()
    }

    /// What kind of executor it is.
    pub fn executor_type(&self) -> ExecutorType {
        self.0.executor_type()
    }

    /// Returns what decides what it does: see [`Executor::fingerprint`].
    pub fn fingerprint(&self) -> Fingerprint {
        self.0.fingerprint()
    }

    /// The policy for an execution whose outcome is unknown: see [`Executor::on_interrupted`].
    pub fn on_interrupted(&self) -> OnInterrupted {
        self.0.on_interrupted()
    }

    /// `true` if it may ask a person: see [`Executor::asks`].
    pub fn asks(&self) -> bool {
        self.0.asks()
    }

    /// Carries out one attempt: see [`Executor::execute`].
    pub fn execute(
        &self,
        input: StepInput,
        cx: StepContext,
    ) -> BoxFuture<'_, Result<StepOutput, StepError>> {
        self.0.execute(input, cx)
    }
}

impl fmt::Debug for AnyExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AnyExecutor").field(&self.name()).finish()
    }
}

/// What a run was given, the same for all of its steps.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunInput {
    /// What the run is about.
    pub content: Content,
    /// Images, videos, sounds and files that came with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub media: Vec<Media>,
    /// Anything else that steps may want to know.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub additional_data: Map<String, Value>,
}

/// What a step is given. Cheap to clone.
///
/// ```
/// use std::sync::Arc;
/// use stepwright_core::{StepInput, StepOutput};
/// let first = StepInput::of("bridges");
/// assert_eq!(first.text(), "bridges");
/// let draft = Arc::new(StepOutput::from("Bridges are old."));
/// let second = StepInput { previous: Some(draft), ..first };
/// assert_eq!(second.text(), "Bridges are old.");
/// assert_eq!(second.run.content.text(), "bridges");
/// ```
#[derive(Clone, Debug, Default)]
pub struct StepInput {
    /// What the run was given.
    pub run: Arc<RunInput>,
    /// What the step before gave; `None` for the first one.
    pub previous: Option<Arc<StepOutput>>,
    /// The earlier outputs that this step can see.
    pub scope: Scope,
    /// A snapshot of the session state.
    pub state: Arc<State>,
    /// In a map, the item that this is about.
    pub item: Option<Content>,
    /// In a loop or a map, which turn or item this is, from 1; 0 elsewhere. The innermost counts.
    pub nth: u32,
    /// What the session's last completed runs were given and gave, the oldest first, if the step
    /// or its workflow wants to know.
    pub history: Option<Arc<[Exchange]>>,
    /// What a person has filled in for this step, or for what is around it.
    pub user_input: Option<Arc<Value>>,
    /// What a person did not like about what this step, or the last turn of this loop, gave before.
    pub feedback: Option<Arc<Feedback>>,
    /// The turn before this one of the innermost loop around the step; empty in the first turn, and
    /// outside of loops. See [`StepInput::last_turn`].
    pub turn_before: Scope,
}

/// What a person did not like, and wants to be better.
///
/// ```
/// use std::sync::Arc;
/// use stepwright_core::{Feedback, StepInput};
/// let feedback = Feedback { previous: "A long draft.".into(), feedback: "shorter".into() };
/// let input = StepInput { feedback: Some(Arc::new(feedback)), ..StepInput::of("ants") };
/// assert!(input.prompt().text().ends_with("Feedback from reviewer:\nshorter"));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Feedback {
    /// What was given before.
    pub previous: Content,
    /// What they said about it. Empty if they said nothing.
    pub feedback: Arc<str>,
}

impl StepInput {
    /// An input that holds nothing but this: for tests of executors.
    pub fn of(content: impl Into<Content>) -> Self {
        let run = RunInput { content: content.into(), ..RunInput::default() };
        Self { run: Arc::new(run), ..Self::default() }
    }

    /// What the step works on: what the step before gave, or the run's input for the first one.
    /// Empty after a step that failed and was passed over by `on_error: continue`.
    pub fn content(&self) -> &Content {
        self.previous.as_ref().map_or(&self.run.content, |output| &output.content)
    }

    /// [`StepInput::content`] as text.
    pub fn text(&self) -> String {
        self.content().text().into_owned()
    }

    /// What an agent is told: [`StepInput::content`]; if that is empty, the run's input or, in a
    /// map, the item. The outputs of branches stand under a heading each.
    pub fn message(&self) -> Content {
        match &self.previous {
            Some(previous) if previous.headed => previous.headings().into(),
            Some(previous) if !previous.content.is_empty() => previous.content.clone(),
            // An empty item stays empty: the run's input is not what this is about.
            _ => self.item.as_ref().unwrap_or(&self.run.content).clone(),
        }
    }

    /// What a model is told: the [history](StepInput::history), if there is one, then
    /// [`StepInput::message`], then what people have said.
    pub fn prompt(&self) -> Content {
        let message = self.message();
        let history = self.history.as_deref().map(history_text).filter(|text| !text.is_empty());
        if history.is_none() && self.user_input.is_none() && self.feedback.is_none() {
            return message;
        }
        let mut text = history.map(|history| history + "\n").unwrap_or_default();
        text.push_str(&message.pretty());
        if let Some(input) = &self.user_input {
            text.push_str("\n\nUser preferences:");
            match &**input {
                Value::Object(members) => {
                    for (name, value) in members {
                        let value = Content::from(value.clone());
                        let _ = write!(text, "\n- {name}: {}", value.pretty());
                    }
                }
                other => {
                    let _ = write!(text, "\n{}", Content::from(other.clone()).pretty());
                }
            }
        }
        if let Some(feedback) = &self.feedback {
            let _ = write!(text, "\n\nYour previous output:\n{}", feedback.previous.pretty());
            if !feedback.feedback.is_empty() {
                let _ = write!(text, "\n\nFeedback from reviewer:\n{}", feedback.feedback);
            }
        }
        text.into()
    }

    /// The completed step of this name that ran last: a sibling, something around it, or inside of
    /// those.
    pub fn step(&self, name: &str) -> Option<&Content> {
        self.scope.named(name).filter(|e| e.status().has_output()).map(|e| &e.output().content)
    }

    /// The completed step at this address, such as `revise#2/write`.
    pub fn step_at(&self, path: &str) -> Option<&Content> {
        self.scope.at(path).filter(|e| e.status().has_output()).map(|e| &e.output().content)
    }

    /// What a step of this name gave in the turn before this one of the innermost loop around the
    /// step; `None` in the first turn. A writer finds its last draft there, and what the reviewer
    /// said about it.
    ///
    /// ```
    /// # use stepwright_core::StepInput;
    /// fn prompt(input: &StepInput) -> String {
    ///     match (input.last_turn("Write"), input.last_turn("Review")) {
    ///         (Some(draft), Some(verdict)) => format!("Improve:\n{draft}\n\nBecause:\n{verdict}"),
    ///         _ => format!("Write about {}", input.run.content),
    ///     }
    /// }
    /// assert_eq!(prompt(&StepInput::of("ants")), "Write about ants");
    /// ```
    pub fn last_turn(&self, name: &str) -> Option<&Content> {
        let entry = self.turn_before.inside_last(name);
        entry.filter(|e| e.status().has_output()).map(|e| &e.output().content)
    }

    /// How the loop of this name ended that ran last; `None` if none has. Tells a loop whose
    /// condition was met from one that ran out of turns and was to continue.
    ///
    /// ```
    /// # use stepwright_core::StepInput;
    /// /// Says so where the reviewer never agreed.
    /// fn label(input: &StepInput) -> String {
    ///     let exhausted = input.loop_outcome("Revise").is_some_and(|ended| ended.exhausted);
    ///     if exhausted { format!("not approved: {}", input.text()) } else { input.text() }
    /// }
    /// assert_eq!(label(&StepInput::of("A draft.")), "A draft.");
    /// ```
    pub fn loop_outcome(&self, name: &str) -> Option<LoopOutcome> {
        self.scope.loop_named(name).copied()
    }

    /// The media that came with the run, then those that earlier steps gave, in order.
    pub fn media(&self) -> Vec<Media> {
        let earlier = self.scope.leaves();
        let given = self.run.media.iter();
        given.chain(earlier.iter().flat_map(|entry| &entry.output().media)).cloned().collect()
    }

    /// A value of the session state, as it was when the step began.
    pub fn state(&self, key: &str) -> Option<&Value> {
        self.state.get(key)
    }
}

/// What a step gives.
///
/// ```
/// use stepwright_core::{Patch, StepOutput};
/// let output = StepOutput::from("done").patch(Patch::increment("visits", 1)).stop();
/// assert!(output.stop);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StepOutput {
    /// What the next step works on.
    pub content: Content,
    /// Images, videos, sounds and files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub media: Vec<Media>,
    /// Changes of the session state.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub patches: Vec<Patch>,
    /// Whether the whole run ends here, as completed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stop: bool,
    /// Whether the content is an object whose members a model shall read under a heading each: the
    /// outputs of branches.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub headed: bool,
    /// What models consumed for it.
    #[serde(default, skip_serializing_if = "Usage::is_empty")]
    pub usage: Usage,
}

impl StepOutput {
    /// Adds a change of the session state.
    #[must_use]
    pub fn patch(mut self, patch: Patch) -> Self {
        self.patches.push(patch);
        self
    }

    /// Adds a medium.
    #[must_use]
    pub fn medium(mut self, medium: Media) -> Self {
        self.media.push(medium);
        self
    }

    /// Ends the whole run here, as completed, from any depth.
    #[must_use]
    pub fn stop(mut self) -> Self {
        self.stop = true;
        self
    }

    fn headings(&self) -> String {
        let Content::Json(value) = &self.content else { return self.content.text().into_owned() };
        let Value::Object(members) = &**value else { return self.content.pretty().into_owned() };
        let mut text = String::new();
        for (name, value) in members {
            let gap = if text.is_empty() { "" } else { "\n\n" };
            let value = Content::from(value.clone());
            let _ = write!(text, "{gap}## {name}\n\n{}", value.pretty());
        }
        text
    }
}

impl<C: Into<Content>> From<C> for StepOutput {
    fn from(content: C) -> Self {
        Self { content: content.into(), ..Self::default() }
    }
}
