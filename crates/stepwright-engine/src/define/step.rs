//! A named leaf.

use super::function::{Blocking, BlockingFn, IntoExecutor};
use super::into_step::Whole;
use super::{AnyStep, Body, Common, History, IntoStep, StepBody, Work};
use crate::workflow::Workflow;
use std::fmt;
use std::time::Duration;
use stepwright_core::plan::{ErrorPolicy, Retry};
use stepwright_core::{AnyExecutor, ErrorCode, HumanReview, OnInterrupted};

/// A named step: an executor, and what happens if that fails.
///
/// ```
/// use stepwright_engine::{Step, Workflow};
/// use std::time::Duration;
/// # async fn fetch(topic: String) -> Result<String, std::io::Error> { Ok(topic) }
/// let workflow = Workflow::builder("News")
///     .step(Step::new("Fetch", fetch).retries(2).timeout(Duration::from_secs(10)))
///     .build()?;
/// # Ok::<(), stepwright_core::Error>(())
/// ```
#[must_use = "a step does nothing until it is part of a workflow"]
pub struct Step {
    common: Common,
    body: StepBody,
}

impl Step {
    /// A step that `executor` carries out: an agent, an `async fn`, or anything that implements
    /// [`Executor`](stepwright_core::Executor).
    pub fn new<M>(name: impl Into<String>, executor: impl IntoExecutor<M>) -> Self {
        Self::of(name.into(), executor.into_executor())
    }

    /// A step that a function carries out which blocks its thread: it reads files, computes for
    /// long, or calls a library that does. It runs on a thread for such functions.
    ///
    /// It cannot be stopped from outside: when its run is cancelled or it takes longer than its
    /// timeout, its result is thrown away, but the thread goes on. Ask
    /// [`StepContext::is_cancelled`](stepwright_core::StepContext::is_cancelled) now and then.
    ///
    /// ```
    /// use stepwright_engine::{Step, Workflow};
    /// let count = |text: String| text.split_whitespace().count().to_string();
    /// let workflow = Workflow::builder("Count").step(Step::blocking("Words", count)).build()?;
    /// assert_eq!(workflow.run("one two three").blocking()?.content.text(), "3");
    /// # Ok::<(), stepwright_core::Error>(())
    /// ```
    pub fn blocking<A>(name: impl Into<String>, function: impl BlockingFn<A>) -> Self {
        Self::made(name.into(), Work::Blocking(Blocking::new(function)))
    }

    /// A step that runs a whole workflow. That workflow sees what this step is given as its input,
    /// and the session state, but no steps around it.
    pub fn workflow(name: impl Into<String>, workflow: Workflow) -> Self {
        Self::made(name.into(), Work::Workflow(workflow))
    }

    pub(super) fn of(name: String, executor: AnyExecutor) -> Self {
        Self::made(name, Work::Executor(executor))
    }

    fn made(name: String, work: Work) -> Self {
        let history = History::default();
        let body = StepBody { work, retry: Retry::default(), history };
        Self { common: Common::named(name), body }
    }

    /// How often it is tried again, with the default backoff: see [`Retry`]. Errors that are not
    /// retryable are not tried again.
    pub fn retries(mut self, retries: u32) -> Self {
        self.body.retry.retries = retries;
        self
    }

    /// How often, and after how long, it is tried again.
    pub fn retry(mut self, retry: Retry) -> Self {
        self.body.retry = retry;
        self
    }

    /// After failures of which classes it is tried again: after all of them unless set. What says
    /// of itself that it will not go away is not tried again in any case, a panic only if it is
    /// named here.
    ///
    /// ```
    /// use stepwright_core::ErrorCode;
    /// use stepwright_engine::{Step, Workflow};
    /// # async fn fetch(topic: String) -> String { topic }
    /// let codes = [ErrorCode::TimedOut, ErrorCode::Model];
    /// let workflow = Workflow::builder("News")
    ///     .step(Step::new("Fetch", fetch).retries(2).retry_on(codes))
    ///     .build()?;
    /// # Ok::<(), stepwright_core::Error>(())
    /// ```
    pub fn retry_on(mut self, codes: impl IntoIterator<Item = ErrorCode>) -> Self {
        self.body.retry.on = codes.into_iter().collect();
        self
    }

    /// How long an attempt may take. One that takes longer is dropped and counts as failed. Time in
    /// which the step waits for somebody does not count, but for a workflow as a step, which is
    /// timed as containers are.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.common.timeout = Some(timeout);
        self
    }

    /// Whether it is told what earlier runs of its session were given and gave, whatever its
    /// workflow says. An agent reads that before its message; a function finds it in
    /// `StepInput::history`.
    pub fn add_workflow_history(mut self, add: bool) -> Self {
        self.body.history.add = Some(add);
        self
    }

    /// How many earlier runs it is told of, instead of what its workflow says, which is
    /// [`HISTORY_RUNS`](stepwright_core::session::HISTORY_RUNS) unless set.
    pub fn num_history_runs(mut self, runs: u32) -> Self {
        self.body.history.runs = Some(runs);
        self
    }

    /// What happens when it has failed, after all its attempts: by default the run fails.
    ///
    /// ```
    /// use stepwright_core::{ErrorCode, plan::OnError};
    /// use stepwright_engine::{Step, Workflow};
    /// # use std::time::Duration;
    /// # async fn look_up(topic: String) -> String { topic }
    /// // Nobody waits for long, but a wrong answer is a failure.
    /// let step = Step::new("Look up", look_up)
    ///     .timeout(Duration::from_secs(2))
    ///     .on_error(OnError::Fail.but(ErrorCode::TimedOut, OnError::Skip));
    /// # Workflow::builder("News").step(step).build()?;
    /// # Ok::<(), stepwright_core::Error>(())
    /// ```
    pub fn on_error(mut self, on_error: impl Into<ErrorPolicy>) -> Self {
        self.common.on_error = on_error.into();
        self
    }

    /// The policy for an attempt whose outcome is unknown: its process died while it was under way,
    /// or it timed out where a retry would follow. It may have had its effect, or not.
    ///
    /// The nearest policy counts: that of the step, of a container around it, of its workflow, of a
    /// workflow around that; otherwise the one of the executor
    /// ([`Executor::on_interrupted`](stepwright_core::Executor::on_interrupted)), which is
    /// [`OnInterrupted::Retry`] for functions and agents. Of a workflow as a step it is the policy
    /// of the steps of that workflow that have none.
    ///
    /// ```
    /// use stepwright_core::OnInterrupted;
    /// use stepwright_engine::{Step, Workflow};
    /// # async fn charge(card: String) -> String { card }
    /// // A card is not charged twice: where that is unknown, the run fails and says so.
    /// let charge = Step::new("Charge", charge).on_interrupted(OnInterrupted::Fail);
    /// # Workflow::builder("Shop").step(charge).build()?;
    /// # Ok::<(), stepwright_core::Error>(())
    /// ```
    pub fn on_interrupted(mut self, policy: OnInterrupted) -> Self {
        self.common.on_interrupted = Some(policy);
        self
    }

    /// What a person has a say in: before it begins, or when it has given something.
    ///
    /// ```
    /// use stepwright_core::HumanReview;
    /// use stepwright_engine::{Step, Workflow};
    /// # async fn publish(text: String) -> String { text }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), stepwright_core::Error> {
    /// let asked = HumanReview::new().requires_confirmation("Publish it?");
    /// let workflow = Workflow::builder("News")
    ///     .store(stepwright_core::Memory::default())
    ///     .step(Step::new("Publish", publish).human_review(asked))
    ///     .build()?;
    /// let paused = workflow.run("Ants").await?;
    /// assert_eq!(&*paused.requirements[0].message, "Publish it?");
    /// let answers = [("Publish", stepwright_core::Answer::Approve)];
    /// let output = workflow.continue_run(&paused.run_id, answers).await?;
    /// assert_eq!(output.content.text(), "Ants");
    /// # Ok(()) }
    /// ```
    pub fn human_review(mut self, review: HumanReview) -> Self {
        self.common.review = Some(review);
        self
    }
}

impl IntoStep<Whole> for Step {
    fn into_step(self) -> AnyStep {
        AnyStep { common: self.common, body: Body::Step(self.body) }
    }
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Step").field(&self.common.name).finish()
    }
}
