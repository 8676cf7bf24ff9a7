//! A named leaf.

use super::function::{Blocking, BlockingFn, IntoExecutor};
use super::into_step::Whole;
use super::prompt::IntoPrompt;
use super::{AnyStep, Body, Common, History, IntoStep, StepBody, Work};
use crate::workflow::Workflow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use stepwright_core::plan::{ErrorPolicy, Retry};
use stepwright_core::{AnyExecutor, ErrorCode, Fingerprint, HumanReview, OnInterrupted, StepInput};

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
        let body = StepBody { work, retry: Retry::default(), history, prompt: None, idle: None };
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

    /// How long an attempt may give no sign of life. One that is silent for longer is dropped and
    /// counts as failed, so that what is stuck ends early and what is merely slow goes on: see
    /// [`Step::timeout`] for how long an attempt may take in all.
    ///
    /// A sign of life is whatever the step shows or records: text and reasoning of a model as they
    /// come, tool calls and what is shown inside of them, [`StepContext::progress`] and
    /// [`StepContext::note`], events of your own, and [`StepContext::keep_alive`], which shows
    /// nothing. Time in which the step waits for a person or a moment does not count.
    ///
    /// [`StepContext::progress`]: stepwright_core::StepContext::progress
    /// [`StepContext::note`]: stepwright_core::StepContext::note
    /// [`StepContext::keep_alive`]: stepwright_core::StepContext::keep_alive
    ///
    /// ```
    /// use stepwright_core::StepContext;
    /// use stepwright_engine::{Step, Workflow};
    /// use std::time::Duration;
    /// async fn convert(text: String, cx: StepContext) -> String {
    ///     cx.progress(0.5, "page 5 of 10");
    ///     text.to_uppercase()
    /// }
    /// let step = Step::new("Convert", convert)
    ///     .timeout(Duration::from_secs(600))
    ///     .idle_timeout(Duration::from_secs(60));
    /// let workflow = Workflow::builder("Book").step(step).build()?;
    /// # Ok::<(), stepwright_core::Error>(())
    /// ```
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.body.idle = Some(timeout);
        self
    }

    /// Makes what the step works on, and so the message of an agent, of all that the step is given:
    /// the run's input, earlier outputs by name, the turn before, the session state. An error fails
    /// the attempt.
    ///
    /// What people have said, and the history, are added to the message as to any other.
    ///
    /// ```
    /// use stepwright_core::StepInput;
    /// use stepwright_engine::{Loop, Step, Workflow};
    /// # async fn write(prompt: String) -> String { format!("<{prompt}>") }
    /// # async fn review(draft: String) -> String { "too short".into() }
    /// let write = Step::new("Write", write).prompt(|cx: &StepInput| {
    ///     let topic = &cx.run.content;
    ///     match (cx.last_turn("Write"), cx.last_turn("review")) {
    ///         (Some(draft), Some(verdict)) => format!("{topic}; was {draft}, is {verdict}"),
    ///         _ => format!("{topic}"),
    ///     }
    /// });
    /// let revise = Loop::new("Revise").step(write).step(review).at_most(2);
    /// let workflow = Workflow::builder("Article").step(revise).build()?;
    /// let output = workflow.run("ants").blocking()?;
    /// let second = &output.step_at("Revise#2/Write").unwrap().content;
    /// assert_eq!(second.text(), "<ants; was <ants>, is too short>");
    /// # Ok::<(), stepwright_core::Error>(())
    /// ```
    pub fn prompt<R: IntoPrompt>(
        mut self,
        prompt: impl Fn(&StepInput) -> R + Send + Sync + 'static,
    ) -> Self {
        self.body.prompt = Some(Arc::new(move |input| prompt(input).into_prompt()));
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

    /// Whether runs that failed or were cancelled are left out of what it is told of earlier runs,
    /// instead of what its workflow says. They are among them unless set, and marked.
    pub fn history_completed_only(mut self, only: bool) -> Self {
        self.body.history.completed_only = Some(only);
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

    /// Sets the version of the function that carries it out. The code of a function cannot be
    /// compared: change the version when the function does something else, so that a run that
    /// began with the old one, and what people approved in it, is not carried on with the new one
    /// unless that is accepted.
    ///
    /// ```
    /// # use stepwright_core::{Answer, HumanReview, Memory};
    /// # use stepwright_engine::{Step, Workflow};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), stepwright_core::Error> {
    /// # let store = Memory::default();
    /// let deploy = |version: &str| {
    ///     let asked = HumanReview::new().requires_confirmation("Deploy?");
    ///     let step = Step::new("Deploy", async |text: String| text).human_review(asked);
    ///     Workflow::builder("Release").store(store.clone()).step(step.version(version)).build()
    /// };
    /// let paused = deploy("1")?.run("now").await?;
    /// let answers = [("Deploy", Answer::Approve)];
    /// let error = deploy("2")?.continue_run(&paused.run_id, answers).await.unwrap_err();
    /// assert!(error.to_string().contains(r#"`version` was "1" and is "2""#));
    /// # Ok(()) }
    /// ```
    pub fn version(self, version: impl AsRef<str>) -> Self {
        self.source("version", version)
    }

    /// Adds a text that it is made of, such as a prompt that its function uses: a run that began
    /// with another text of this name is not carried on unless that is accepted. The plan keeps
    /// the beginning of the text and a hash of all of it. For programs that make steps of data.
    pub fn source(mut self, name: impl Into<Arc<str>>, text: impl AsRef<str>) -> Self {
        self.common.content = self.common.content.with(name, text);
        self
    }

    /// Adds what it is made of, for programs that keep part of that from being shown: see
    /// [`Step::source`] and [`Fingerprint::with_hidden`].
    pub fn fingerprint(mut self, content: Fingerprint) -> Self {
        self.common.content = self.common.content.and(content);
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
