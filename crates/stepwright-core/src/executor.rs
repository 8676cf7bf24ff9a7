//! The interface to executors, which carry out steps: agents, teams and functions.

use crate::BoxFuture;
use crate::budget::BudgetLeft;
use crate::codes::ErrorId;
use crate::content::Content;
use crate::context::StepContext;
use crate::failure::{ErrorData, StepError};
use crate::fingerprint::Fingerprint;
use crate::interrupted::OnInterrupted;
use crate::media::Media;
use crate::path::StepPath;
use crate::scope::{LoopOutcome, Scope};
use crate::session::{Exchange, history_text};
use crate::state::State;
pub use crate::step::{ExecutorType, RunInput, StepOutput};
use crate::world::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt::{self, Write as _};
use std::sync::Arc;

/// An executor carries out a step. Agents and functions are executors, and you can write your own.
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
    /// Returns the name of the executor, which is also the default name of its step.
    fn name(&self) -> &str;

    /// Returns the type of the executor.
    fn executor_type(&self) -> ExecutorType {
        ExecutorType::Function
    }

    /// Returns the texts and settings that determine the executor's behaviour, so that a run is not
    /// resumed with different ones. Called once, when the workflow is built. Empty by default,
    /// because the engine cannot inspect a function; its step may have a version instead.
    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::default()
    }

    /// Returns the policy for an interrupted execution, unless the step, a container around it or
    /// the workflow sets one. Return [`OnInterrupted::Ask`] if the executor has outside effects and
    /// no idempotency key for them.
    ///
    /// The policy applies to executions that a crashed process left behind, to attempts that time
    /// out and would be retried, and to failures with the code
    /// [`OutcomeUnknown`](crate::ErrorCode::OutcomeUnknown).
    fn on_interrupted(&self) -> OnInterrupted {
        OnInterrupted::Retry
    }

    /// Returns `true` if the executor may ask a person, which requires that its run is stored.
    fn asks(&self) -> bool {
        false
    }

    /// Returns `true` if the executor asks for recorded answers itself, with
    /// [`StepContext::played`], wherever it has an effect. In a playback it is then executed, and
    /// any other executor is not: its whole result comes from the recording.
    fn asks_player(&self) -> bool {
        false
    }

    /// Carries out one attempt. Dropping the future cancels it. The engine calls this again after a
    /// crash or a retryable error. [`StepContext::idempotency_key`] is the same for all attempts;
    /// [`StepContext::attempt_key`] is different for each.
    fn execute(
        &self,
        input: StepInput,
        cx: StepContext,
    ) -> impl Future<Output = Result<StepOutput, StepError>> + Send;
}

/// Writes the methods of an [`Executor`] that is put around another one, in its field `$inner`:
/// all but `fingerprint` and `execute`.
///
/// ```
/// use stepwright_core::executor::Executor;
/// use stepwright_core::{Fingerprint, StepContext, StepError, StepInput, StepOutput};
/// /// Does the work, and says so.
/// struct Loud<E>(E);
/// impl<E: Executor> Executor for Loud<E> {
///     stepwright_core::as_inner_executor!(0);
///     fn fingerprint(&self) -> Fingerprint {
///         self.0.fingerprint()
///     }
///     async fn execute(
///         &self,
///         input: StepInput,
///         cx: StepContext,
///     ) -> Result<StepOutput, StepError> {
///         cx.note("it begins");
///         self.0.execute(input, cx).await
///     }
/// }
/// ```
#[doc(hidden)]
#[macro_export]
macro_rules! as_inner_executor {
    ($inner:tt) => {
        fn name(&self) -> &str {
            self.$inner.name()
        }

        fn executor_type(&self) -> $crate::executor::ExecutorType {
            self.$inner.executor_type()
        }

        fn on_interrupted(&self) -> $crate::OnInterrupted {
            self.$inner.on_interrupted()
        }

        fn asks(&self) -> bool {
            self.$inner.asks()
        }

        fn asks_player(&self) -> bool {
            self.$inner.asks_player()
        }
    };
}

trait Erased: Send + Sync {
    fn name(&self) -> &str;
    fn executor_type(&self) -> ExecutorType;
    fn fingerprint(&self) -> Fingerprint;
    fn on_interrupted(&self) -> OnInterrupted;
    fn asks(&self) -> bool;
    fn asks_player(&self) -> bool;
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
    fn asks_player(&self) -> bool {
        Executor::asks_player(self)
    }
    fn execute(
        &self,
        input: StepInput,
        cx: StepContext,
    ) -> BoxFuture<'_, Result<StepOutput, StepError>> {
        Box::pin(Executor::execute(self, input, cx))
    }
}

/// A type-erased executor that is cheap to clone.
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
    /// Erases the type of an executor.
    pub fn new(executor: impl Executor) -> Self {
        Self(Arc::new(executor))
    }

    /// Returns the name of the executor.
    pub fn name(&self) -> &str {
        self.0.name()
    }

    /// Returns the type of the executor.
    pub fn executor_type(&self) -> ExecutorType {
        self.0.executor_type()
    }

    /// Returns the texts and settings that determine its behaviour. See [`Executor::fingerprint`].
    pub fn fingerprint(&self) -> Fingerprint {
        self.0.fingerprint()
    }

    /// Returns the policy for an interrupted execution. See [`Executor::on_interrupted`].
    pub fn on_interrupted(&self) -> OnInterrupted {
        self.0.on_interrupted()
    }

    /// Returns `true` if the executor may ask a person. See [`Executor::asks`].
    pub fn asks(&self) -> bool {
        self.0.asks()
    }

    /// Returns `true` if it asks for recorded answers itself. See [`Executor::asks_player`].
    pub fn asks_player(&self) -> bool {
        self.0.asks_player()
    }

    /// Carries out one attempt. See [`Executor::execute`].
    #[inline]
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

/// The input of a step. Cheap to clone.
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
    /// The input of the run.
    pub run: Arc<RunInput>,
    /// The output of the previous step. `None` for the first step.
    pub previous: Option<Arc<StepOutput>>,
    /// The earlier outputs that this step can see.
    pub scope: Scope,
    /// A snapshot of the session state.
    pub state: Arc<State>,
    /// The current item of a map.
    pub item: Option<Content>,
    /// The number of the turn or item in the innermost loop or map, from 1. 0 elsewhere.
    pub nth: u32,
    /// The inputs and outputs of the session's last completed runs, oldest first. `None` unless the
    /// step or its workflow asks for them.
    pub history: Option<Arc<[Exchange]>>,
    /// The values that a person entered for this step or for a container around it.
    pub user_input: Option<Arc<Value>>,
    /// The feedback of a person on the previous output of this step, or on the last turn of its
    /// loop.
    pub feedback: Option<Arc<Feedback>>,
    /// The outputs of the previous turn of the innermost loop around the step. Empty in the first
    /// turn and outside of loops. See [`StepInput::last_turn`].
    pub turn_before: Scope,
    /// The reason that the steps before did not complete, for steps that run afterwards: under
    /// `on_failure`, `finally` and `undo`. `None` elsewhere, and if the steps before completed.
    pub failure: Option<Arc<FailureInfo>>,
    /// The amounts that are left of the budgets around this step. `None` without a budget.
    pub budget: Option<Arc<BudgetLeft>>,
    /// The time at which this attempt, or this decision, began.
    pub now: Timestamp,
}

/// The reason that steps did not complete, for the steps that run afterwards.
///
/// ```
/// use std::sync::Arc;
/// use stepwright_core::{ErrorCode, ErrorData, FailureInfo, StepInput};
/// fn report(input: &StepInput) -> String {
///     match &input.failure {
///         Some(failure) => format!("{} ({}): {}", failure.path, failure.kind, failure.message),
///         None => "done".to_owned(),
///     }
/// }
/// let code = ErrorCode::TimedOut;
/// let late = ErrorData { code, message: "slow".into(), ..ErrorData::default() };
/// let failure = FailureInfo::of(&late, "load".into());
/// let input = StepInput { failure: Some(Arc::new(failure)), ..StepInput::of("") };
/// assert_eq!(report(&input), "load (timed_out): slow");
/// assert_eq!(report(&StepInput::of("")), "done");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureInfo {
    /// The message.
    pub message: Arc<str>,
    /// The id of the kind of error.
    pub code: ErrorId,
    /// The path of the step or container that failed, or that was stopped. Empty for the run.
    pub path: StepPath,
    /// The class of the failure, as `retry: {on: …}` has it, such as `timed_out`; or `cancelled`.
    pub kind: Arc<str>,
}

impl FailureInfo {
    /// Describes the failure of the step or container at `path`.
    pub fn of(error: &ErrorData, path: StepPath) -> Self {
        let kind = serde_json::to_value(error.code).unwrap_or_default();
        let kind = kind.as_str().unwrap_or_default().into();
        Self { message: error.message.as_str().into(), code: error.id(), path, kind }
    }

    /// Describes that `path` was cancelled.
    pub fn cancelled(reason: impl Into<Arc<str>>, path: StepPath) -> Self {
        let (message, kind) = (reason.into(), "cancelled".into());
        Self { message, code: ErrorId::RUN_CANCELLED, path, kind }
    }
}

/// The feedback of a person who wants a better output.
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
    /// The previous output.
    pub previous: Content,
    /// The comment of the person. May be empty.
    pub feedback: Arc<str>,
}

impl StepInput {
    /// Creates an input with only this content, for tests of executors.
    pub fn of(content: impl Into<Content>) -> Self {
        let run = RunInput { content: content.into(), ..RunInput::default() };
        Self { run: Arc::new(run), ..Self::default() }
    }

    /// Returns the output of the previous step, or the run's input for the first step. Empty after
    /// a step that failed with `on_error: continue`.
    pub fn content(&self) -> &Content {
        self.previous.as_ref().map_or(&self.run.content, |output| &output.content)
    }

    /// Returns [`StepInput::content`] as text.
    pub fn text(&self) -> String {
        self.content().text().into_owned()
    }

    /// Returns the message for an agent: [`StepInput::content`], with a heading for each branch. If
    /// it is empty, returns the item in a map, or the run's input elsewhere.
    pub fn message(&self) -> Content {
        match &self.previous {
            Some(previous) if previous.headed => previous.headings().into(),
            Some(previous) if !previous.content.is_empty() => previous.content.clone(),
            // An empty item stays empty, because the run's input would be a different subject.
            _ => self.item.as_ref().unwrap_or(&self.run.content).clone(),
        }
    }

    /// Returns the prompt for a model: the [history](StepInput::history) if there is any,
    /// [`StepInput::message`], then user input and feedback.
    pub fn prompt(&self) -> Content {
        let message = self.message();
        let history = self.history.as_deref().map(history_text).filter(|text| !text.is_empty());
        if history.is_none() && self.user_input.is_none() && self.feedback.is_none() {
            return message;
        }
        let mut text = history.unwrap_or_default();
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

    /// Returns the output of the completed step with this name that ran last. It can be a sibling,
    /// a container around this step, or a step inside one of these.
    pub fn step(&self, name: &str) -> Option<&Content> {
        self.scope.named(name).filter(|e| e.status().has_output()).map(|e| &e.output().content)
    }

    /// Returns the output of the completed step at this path, such as `revise#2/write`.
    pub fn step_at(&self, path: &str) -> Option<&Content> {
        self.scope.at(path).filter(|e| e.status().has_output()).map(|e| &e.output().content)
    }

    /// Returns the output of the step with this name in the previous turn of the innermost loop
    /// around this step. Returns `None` in the first turn. A writer can find its last draft and the
    /// review of it here.
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

    /// Returns the outcome of the loop with this name that ran last, or `None` if none has run. It
    /// tells whether the condition of the loop was met or its turns were exhausted.
    ///
    /// ```
    /// # use stepwright_core::StepInput;
    /// /// Marks a text that the reviewer never approved.
    /// fn label(input: &StepInput) -> String {
    ///     let exhausted = input.loop_outcome("Revise").is_some_and(|ended| ended.exhausted);
    ///     if exhausted { format!("not approved: {}", input.text()) } else { input.text() }
    /// }
    /// assert_eq!(label(&StepInput::of("A draft.")), "A draft.");
    /// ```
    pub fn loop_outcome(&self, name: &str) -> Option<LoopOutcome> {
        self.scope.loop_named(name).copied()
    }

    /// Returns the media of the run's input, then those of earlier steps, in order.
    pub fn media(&self) -> Vec<Media> {
        let earlier = self.scope.leaves();
        let given = self.run.media.iter();
        given.chain(earlier.iter().flat_map(|entry| &entry.output().media)).cloned().collect()
    }

    /// Returns a value of the session state at the start of the step.
    pub fn state(&self, key: &str) -> Option<&Value> {
        self.state.get(key)
    }
}
