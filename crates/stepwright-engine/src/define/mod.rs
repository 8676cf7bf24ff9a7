//! The parts of a definition: steps and containers.

mod condition;
mod function;
mod guarded;
mod into_step;
mod loops;
mod map;
pub(crate) mod media_input;
mod parallel;
mod prompt;
mod router;
pub(crate) mod run_limits;
mod step;
mod steps;

pub use condition::IntoHolds;
pub use function::{BlockingFn, DeciderFn, FromStep, IntoExecutor, IntoOutput};
pub use into_step::IntoStep;
pub use loops::LoopView;
pub use map::IntoItems;
pub use media_input::MediaInput;
pub use prompt::IntoPrompt;
pub use router::IntoRoute;
pub use run_limits::{Concurrency, Dedupe, OnBusy, WhenFull};
pub(crate) use run_limits::{KEY_BYTES_MAX, RunLimits, key_of};
pub use step::Step;
pub(crate) use stepwright_core::HumanReview;
pub use stepwright_core::Json;

/// The containers: steps that hold steps.
pub mod containers {
    pub use super::condition::Condition;
    pub use super::loops::Loop;
    pub use super::map::Map;
    pub use super::parallel::Parallel;
    pub use super::router::Router;
    pub use super::steps::Steps;
}

use crate::table::{Blocking, Decider};
use crate::workflow::Workflow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use stepwright_core::budget::Budget;
use stepwright_core::guardrail::Guard;
use stepwright_core::plan::{After, ErrorPolicy, Join, OnExhausted, Rate, Retry};
use stepwright_core::{
    AnyExecutor, BoxError, Content, Fingerprint, OnInterrupted, StepError, StepInput, Timestamp,
};

pub(crate) use guarded::guarded;
pub use guarded::guarded_executor;
pub(crate) use prompt::{Prompt, Prompted, prompted};

/// Makes a decider of an async function.
fn asynchronous<A, F, T>(function: F, read: fn(F::Decision) -> Result<T, StepError>) -> Decider<T>
where
    F: DeciderFn<A>,
    T: 'static,
{
    Decider::Async(Arc::new(move |input, cx| {
        let deciding = function.decide(input, cx);
        Box::pin(async move { read(deciding.await?) })
    }))
}

/// A step or a container of any kind, as part of a definition.
///
/// Every value that can be a step converts into an `AnyStep` with [`IntoStep::into_step`], and an
/// `AnyStep` is a step itself. So a program can build definitions at run time.
///
/// ```
/// use stepwright_engine::{AnyStep, IntoStep as _, Workflow};
/// # async fn trim(text: String) -> String { text.trim().to_owned() }
/// # async fn shout(text: String) -> String { text.to_uppercase() }
/// # let is_loud = true;
/// let mut steps: Vec<AnyStep> = vec![trim.into_step()];
/// if is_loud {
///     steps.push(shout.into_step());
/// }
/// assert_eq!(steps[1].name(), "shout");
/// let builder = steps.into_iter().fold(Workflow::builder("Tidy"), |all, step| all.step(step));
/// assert_eq!(builder.build()?.run(" hi ").blocking()?.content.text(), "HI");
/// # Ok::<(), stepwright_core::Error>(())
/// ```
#[must_use = "a step does nothing until it is part of a workflow"]
pub struct AnyStep {
    pub(crate) common: Common,
    pub(crate) body: Body,
}

/// The settings that every step and every container has.
pub(crate) struct Common {
    pub(crate) name: String,
    pub(crate) on_error: ErrorPolicy,
    pub(crate) timeout: Option<Duration>,
    pub(crate) review: Option<HumanReview>,
    /// The content that the author of the definition gave.
    pub(crate) content: Fingerprint,
    /// The policy of this step, or of the steps inside this container that have none.
    pub(crate) on_interrupted: Option<OnInterrupted>,
    pub(crate) budget: Option<Budget>,
    /// The steps that run when it has ended.
    pub(crate) after: AfterSteps,
    pub(crate) deadline: Option<Decider<Timestamp>>,
    /// The queue of this step, or of the steps inside that have none.
    pub(crate) queue: Option<Arc<str>>,
}

/// The steps that run when others have ended, by occasion.
pub(crate) type AfterSteps = Vec<(After, Vec<AnyStep>)>;

/// Adds a step to those that run on this occasion.
pub(crate) fn add_after(all: &mut AfterSteps, on: After, step: AnyStep) {
    match all.iter_mut().find(|(other, _)| *other == on) {
        Some((_, steps)) => steps.push(step),
        None => all.push((on, vec![step])),
    }
}

impl Common {
    pub(crate) fn named(name: impl Into<String>) -> Self {
        let on_error = ErrorPolicy::default();
        let content = Fingerprint::default();
        let (timeout, review, on_interrupted, budget) = (None, None, None, None);
        let (name, after, deadline, queue) = (name.into(), Vec::new(), None, None);
        Self {
            name,
            on_error,
            timeout,
            review,
            content,
            on_interrupted,
            budget,
            after,
            deadline,
            queue,
        }
    }
}

pub(crate) enum Body {
    Step(StepBody),
    Steps(Vec<AnyStep>),
    Parallel {
        branches: Vec<AnyStep>,
        join: Join,
        concurrency: Option<u32>,
    },
    Loop {
        body: Vec<AnyStep>,
        at_most: Option<u32>,
        forward: bool,
        until: Option<Decider<bool>>,
        on_exhausted: Option<OnExhausted>,
    },
    Condition {
        holds: Decider<bool>,
        then: Vec<AnyStep>,
        otherwise: Vec<AnyStep>,
    },
    Router {
        choose: Decider<Vec<Arc<str>>>,
        choices: Vec<AnyStep>,
    },
    Map {
        over: Option<Decider<Vec<Content>>>,
        body: Vec<AnyStep>,
        concurrency: u32,
        join: Join,
        batch: Option<u32>,
        rate: Option<Rate>,
    },
}

pub(crate) struct StepBody {
    pub(crate) work: Work,
    pub(crate) retry: Retry,
    pub(crate) history: History,
    pub(crate) prompt: Option<Prompt>,
    pub(crate) idle: Option<Duration>,
    /// Makes the input of a nested workflow.
    pub(crate) input: Option<Decider<Content>>,
    pub(crate) guards: Vec<Guard>,
}

/// The history settings of a step, or of a workflow for its steps that have none.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct History {
    pub(crate) add: Option<bool>,
    pub(crate) runs: Option<u32>,
    pub(crate) completed_only: Option<bool>,
}

pub(crate) enum Work {
    Executor(AnyExecutor),
    Blocking(Blocking),
    Workflow(Workflow),
}

impl AnyStep {
    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.common.name
    }

    /// Adds a step that runs when this container has ended: see
    /// [`WorkflowBuilder::finally`](crate::WorkflowBuilder::finally). A step has none: put it into
    /// a container.
    ///
    /// ```
    /// use stepwright_engine::{IntoStep as _, Steps, Workflow};
    /// # async fn load(text: String) -> String { text } async fn clean(text: String) -> String { text }
    /// let load = Steps::new("Load").step(load).into_step().finally(clean);
    /// let output = Workflow::builder("Job").step(load).build()?.run("go").blocking()?;
    /// assert!(output.step_at("Load/finally/clean").unwrap().success());
    /// # Ok::<(), stepwright_core::Error>(())
    /// ```
    pub fn finally<M>(mut self, step: impl IntoStep<M>) -> Self {
        add_after(&mut self.common.after, After::Always, step.into_step());
        self
    }

    /// Adds a step that runs when this container has failed or was stopped: see
    /// [`WorkflowBuilder::on_failure`](crate::WorkflowBuilder::on_failure), and
    /// [`AnyStep::finally`] for an example.
    pub fn on_failure<M>(mut self, step: impl IntoStep<M>) -> Self {
        add_after(&mut self.common.after, After::Failure, step.into_step());
        self
    }

    /// Adds a step that undoes this one: see [`Step::undo`](crate::Step::undo). A container has
    /// none: its steps have.
    pub fn undo<M>(mut self, step: impl IntoStep<M>) -> Self {
        add_after(&mut self.common.after, After::Undo, step.into_step());
        self
    }
}

impl fmt::Debug for AnyStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AnyStep").field(&self.name()).finish()
    }
}

/// Implements the methods, the debug form and the conversion that all containers share.
macro_rules! container {
    ($name:ident, $self:ident => $body:expr) => {
        impl $name {
            /// Sets the policy for a failure of the container. By default the run fails. See
            /// [`Step::on_error`](crate::Step::on_error).
            pub fn on_error(mut self, on_error: impl Into<super::ErrorPolicy>) -> Self {
                self.common.on_error = on_error.into();
                self
            }

            /// Sets the timeout of the container, with everything in it and every wait for people.
            /// When it passes, the steps under way are stopped and the container fails.
            pub fn timeout(mut self, timeout: std::time::Duration) -> Self {
                self.common.timeout = Some(timeout);
                self
            }

            /// Sets the moment at which the container must have ended, with every wait for people
            /// in it. The function gets the input of the container. The moment is recorded, so that
            /// a resumed run has the same one. See [`Step::deadline`](crate::Step::deadline).
            pub fn deadline<D: super::IntoDeadline>(
                mut self,
                deadline: impl Fn(&stepwright_core::StepInput) -> D + Send + Sync + 'static,
            ) -> Self {
                self.common.deadline = Some(super::deadline(deadline));
                self
            }

            /// Like `deadline`, with an async function. It takes what a step's function takes.
            pub fn deadline_async<A, F>(mut self, deadline: F) -> Self
            where
                F: super::DeciderFn<A, Decision: super::IntoDeadline>,
            {
                let into = super::IntoDeadline::into_deadline;
                self.common.deadline = Some(super::asynchronous(deadline, into));
                self
            }

            /// Sets the policy for attempts whose outcome is unknown, for the steps inside. A
            /// policy of a step, or of a container in between, overrides it: see
            /// [`Step::on_interrupted`].
            ///
            /// [`Step::on_interrupted`]: crate::Step::on_interrupted
            pub fn on_interrupted(mut self, policy: stepwright_core::OnInterrupted) -> Self {
                self.common.on_interrupted = Some(policy);
                self
            }

            /// Sets the queue of the steps inside, for workers: see [`Step::queue`]. The queue of a
            /// step, or of a container in between, overrides it.
            ///
            /// [`Step::queue`]: crate::Step::queue
            pub fn queue(mut self, name: impl Into<std::sync::Arc<str>>) -> Self {
                self.common.queue = Some(name.into());
                self
            }

            /// Sets the budget of the container, for everything in it: see
            /// [`Step::budget`](crate::Step::budget).
            pub fn budget(mut self, budget: stepwright_core::budget::Budget) -> Self {
                self.common.budget = Some(budget);
                self
            }

            /// Asks people before the container begins, or about its output: see
            /// [`Step::human_review`](crate::Step::human_review).
            pub fn human_review(mut self, review: super::HumanReview) -> Self {
                self.common.review = Some(review);
                self
            }

            /// Adds a step that runs when the container has ended, however that was: it completed,
            /// failed, timed out or was stopped. See [`WorkflowBuilder::finally`].
            ///
            /// [`WorkflowBuilder::finally`]: crate::WorkflowBuilder::finally
            pub fn finally<M>(mut self, step: impl IntoStep<M>) -> Self {
                let on = stepwright_core::plan::After::Always;
                super::add_after(&mut self.common.after, on, step.into_step());
                self
            }

            /// Adds a step that runs when the container has failed or was stopped, before those of
            /// `finally`. See [`WorkflowBuilder::on_failure`].
            ///
            /// [`WorkflowBuilder::on_failure`]: crate::WorkflowBuilder::on_failure
            pub fn on_failure<M>(mut self, step: impl IntoStep<M>) -> Self {
                let on = stepwright_core::plan::After::Failure;
                super::add_after(&mut self.common.after, on, step.into_step());
                self
            }

            /// Sets the version of the functions that decide for the container: see
            /// [`Step::version`](crate::Step::version).
            pub fn version(self, version: impl AsRef<str>) -> Self {
                self.source("version", version)
            }

            /// Adds a text that belongs to the container: see
            /// [`Step::source`](crate::Step::source).
            pub fn source(
                mut self,
                name: impl Into<std::sync::Arc<str>>,
                text: impl AsRef<str>,
            ) -> Self {
                self.common.content = self.common.content.with(name, text);
                self
            }

            /// Adds content of the container: see [`Step::fingerprint`](crate::Step::fingerprint).
            pub fn fingerprint(mut self, content: super::Fingerprint) -> Self {
                self.common.content = self.common.content.and(content);
                self
            }
        }

        impl IntoStep<super::into_step::Whole> for $name {
            fn into_step($self) -> AnyStep {
                AnyStep { common: $self.common, body: $body }
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_tuple(stringify!($name)).field(&self.common.name).finish()
            }
        }
    };
}
pub(crate) use container;

/// A deadline: [`Timestamp`], or a `Result` of it. See [`Step::deadline`].
///
/// ```
/// use stepwright_core::{StepInput, Timestamp};
/// use stepwright_engine::{IntoDeadline, Step};
/// # async fn answer(question: String) -> String { question }
/// fn by<D: IntoDeadline + 'static>(deadline: fn(&StepInput) -> D) -> Step {
///     Step::new("Answer", answer).deadline(deadline)
/// }
/// let _ = by(|_| Timestamp(1_900_000_000_000));
/// let _ = by(|input| input.text().parse::<u64>().map(Timestamp));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the moment of a deadline",
    note = "return a `Timestamp`, or `Result<Timestamp, E>`"
)]
pub trait IntoDeadline {
    /// Returns the moment.
    fn into_deadline(self) -> Result<Timestamp, StepError>;
}

impl IntoDeadline for Timestamp {
    fn into_deadline(self) -> Result<Timestamp, StepError> {
        Ok(self)
    }
}

impl<E: Into<BoxError>> IntoDeadline for Result<Timestamp, E> {
    fn into_deadline(self) -> Result<Timestamp, StepError> {
        self.map_err(StepError::from_error)
    }
}

/// Makes a decider of a function.
fn deadline<D: IntoDeadline>(
    deadline: impl Fn(&StepInput) -> D + Send + Sync + 'static,
) -> Decider<Timestamp> {
    Decider::Sync(Arc::new(move |input: &StepInput| deadline(input).into_deadline()))
}
