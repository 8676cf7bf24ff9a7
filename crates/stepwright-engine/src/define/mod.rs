//! What the writer of a workflow writes: steps and containers.

mod condition;
mod function;
mod into_step;
mod loops;
mod map;
mod parallel;
mod prompt;
mod router;
mod step;
mod steps;

pub use condition::{Condition, IntoHolds};
pub use function::{FromStep, IntoExecutor, IntoOutput};
pub use into_step::IntoStep;
pub use loops::{Loop, LoopView};
pub use map::{IntoItems, Map};
pub use parallel::Parallel;
pub use prompt::IntoPrompt;
pub use router::{IntoRoute, Router};
pub use step::Step;
pub use steps::Steps;
pub(crate) use stepwright_core::HumanReview;
pub use stepwright_core::Json;

use crate::workflow::Workflow;
use futures_util::future::BoxFuture;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use stepwright_core::plan::{ErrorPolicy, Join, OnExhausted, Retry};
use stepwright_core::{AnyExecutor, Content, Fingerprint, OnInterrupted, StepError, StepInput};

pub(crate) use function::Blocking;
pub(crate) use prompt::{Prompt, Prompted};

/// A step or a container of any kind, as part of a definition.
///
/// Everything that can be a step becomes one of these with [`IntoStep::into_step`], and is one
/// itself, so definitions can be put together at run time.
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

/// What every step and every container has.
pub(crate) struct Common {
    pub(crate) name: String,
    pub(crate) on_error: ErrorPolicy,
    pub(crate) timeout: Option<Duration>,
    pub(crate) review: Option<HumanReview>,
    /// What its writer says it is made of.
    pub(crate) content: Fingerprint,
    /// What it says for itself, or for everything in it that says nothing.
    pub(crate) on_interrupted: Option<OnInterrupted>,
}

impl Common {
    pub(crate) fn named(name: impl Into<String>) -> Self {
        let on_error = ErrorPolicy::default();
        let content = Fingerprint::default();
        let (timeout, review, on_interrupted) = (None, None, None);
        Self { name: name.into(), on_error, timeout, review, content, on_interrupted }
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
    },
}

pub(crate) struct StepBody {
    pub(crate) work: Work,
    pub(crate) retry: Retry,
    pub(crate) history: History,
    pub(crate) prompt: Option<Prompt>,
    pub(crate) idle: Option<Duration>,
}

/// What is said of the earlier runs of a session: by a step, or by its workflow for all that say
/// nothing.
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

/// What decides a branch.
pub(crate) enum Decider<T> {
    Constant(T),
    Sync(Arc<SyncDecider<T>>),
    Async(Arc<AsyncDecider<T>>),
}

type SyncDecider<T> = dyn Fn(&StepInput) -> Result<T, StepError> + Send + Sync;
type AsyncDecider<T> = dyn Fn(StepInput) -> BoxFuture<'static, Result<T, StepError>> + Send + Sync;

impl<T> Clone for Decider<T>
where
    T: Clone,
{
    fn clone(&self) -> Self {
        match self {
            Self::Constant(value) => Self::Constant(value.clone()),
            Self::Sync(decide) => Self::Sync(decide.clone()),
            Self::Async(decide) => Self::Async(decide.clone()),
        }
    }
}

impl AnyStep {
    /// What it is called.
    pub fn name(&self) -> &str {
        &self.common.name
    }
}

impl fmt::Debug for AnyStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AnyStep").field(&self.name()).finish()
    }
}

/// What containers have in common: a debug form, and a way into a definition.
macro_rules! container {
    ($name:ident, $self:ident => $body:expr) => {
        impl $name {
            /// What happens when it has failed: by default the run fails.
            pub fn on_error(mut self, on_error: impl Into<super::ErrorPolicy>) -> Self {
                self.common.on_error = on_error.into();
                self
            }

            /// How long it may take, with everything in it and every wait for people. What is under
            /// way then is stopped, and it fails.
            pub fn timeout(mut self, timeout: std::time::Duration) -> Self {
                self.common.timeout = Some(timeout);
                self
            }

            /// The policy of the steps inside for attempts whose outcome is unknown, where a step
            /// or a container in between has none: see [`Step::on_interrupted`].
            ///
            /// [`Step::on_interrupted`]: crate::Step::on_interrupted
            pub fn on_interrupted(mut self, policy: stepwright_core::OnInterrupted) -> Self {
                self.common.on_interrupted = Some(policy);
                self
            }

            /// What a person has a say in: before it begins, or when it has given something.
            pub fn human_review(mut self, review: super::HumanReview) -> Self {
                self.common.review = Some(review);
                self
            }

            /// Sets the version of the functions that decide for it: see
            /// [`Step::version`](crate::Step::version).
            pub fn version(self, version: impl AsRef<str>) -> Self {
                self.source("version", version)
            }

            /// Adds a text that it is made of: see [`Step::source`](crate::Step::source).
            pub fn source(
                mut self,
                name: impl Into<std::sync::Arc<str>>,
                text: impl AsRef<str>,
            ) -> Self {
                self.common.content = self.common.content.with(name, text);
                self
            }

            /// Adds what it is made of: see [`Step::fingerprint`](crate::Step::fingerprint).
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
