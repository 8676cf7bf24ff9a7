//! Named steps.

use super::function::{BlockingFn, DeciderFn, IntoExecutor};
use super::into_step::{Made, Whole};
use super::prompt::IntoPrompt;
use super::{
    AnyStep, Body, Common, History, IntoDeadline, IntoStep, StepBody, Work, add_after, asynchronous,
};
use crate::table::{Blocking, Decider};
use crate::workflow::Workflow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use stepwright_core::budget::Budget;
use stepwright_core::guardrail::Guard;
use stepwright_core::plan::{After, ErrorPolicy, Retry};
use stepwright_core::{AnyExecutor, ErrorCode, Fingerprint, HumanReview, OnInterrupted, StepInput};

/// A named step: an executor, and policies for its failures.
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
    /// Creates a step that `executor` carries out: an agent, an `async fn`, or a value that
    /// implements [`Executor`](stepwright_core::Executor).
    pub fn new<M>(name: impl Into<String>, executor: impl IntoExecutor<M>) -> Self {
        Self::of(name.into(), executor.into_executor())
    }

    /// Creates a step whose function blocks its thread, because it reads files, computes for a long
    /// time, or calls a library that does. The function runs on a thread for blocking work.
    ///
    /// The engine cannot stop such a function. If its run is cancelled or its timeout passes, its
    /// result is dropped, but the thread goes on. In a long function, check
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
        let (called, call) = function.into_call();
        Self::made(name.into(), Work::Blocking(Blocking { name: called.into(), call }))
    }

    /// Creates a step that executes a whole workflow. The nested workflow gets the input of this
    /// step, and the session state. It does not see the steps around it. A [`Workflow`] can also be
    /// added as a step directly, under its own name: see [`IntoStep`](crate::IntoStep).
    pub fn workflow(name: impl Into<String>, workflow: Workflow) -> Self {
        Self::made(name.into(), Work::Workflow(workflow))
    }

    pub(super) fn of(name: String, executor: AnyExecutor) -> Self {
        Self::made(name, Work::Executor(executor))
    }

    fn made(name: String, work: Work) -> Self {
        let history = History::default();
        let (prompt, idle, input) = (None, None, None);
        let (retry, guards) = (Retry::default(), Vec::new());
        let body = StepBody { work, retry, history, prompt, idle, input, guards };
        Self { common: Common::named(name), body }
    }

    /// Sets the number of retries, with the default backoff: see [`Retry`]. Errors that are not
    /// retryable are not retried.
    pub fn retries(mut self, retries: u32) -> Self {
        self.body.retry.retries = retries;
        self
    }

    /// Sets the number of retries, and the backoff between them.
    ///
    /// ```
    /// use stepwright_core::plan::Retry;
    /// use stepwright_engine::{Step, Workflow};
    /// # async fn fetch(topic: String) -> String { topic }
    /// let steady = Retry { retries: 5, factor: 1.0, ..Retry::default() };
    /// let step = Step::new("Fetch", fetch).retry(steady);
    /// let workflow = Workflow::builder("News").step(step).build()?;
    /// # Ok::<(), stepwright_core::Error>(())
    /// ```
    pub fn retry(mut self, retry: Retry) -> Self {
        self.body.retry = retry;
        self
    }

    /// Retries after failures with these codes only. By default every retryable failure is retried.
    /// Terminal errors are never retried, except panics if their code is listed here.
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

    /// Sets the timeout of an attempt. An attempt that takes longer is dropped, and fails. The time
    /// in which the step waits for a person does not count. For a nested workflow it counts, as in
    /// containers.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.common.timeout = Some(timeout);
        self
    }

    /// Sets the moment at which the step must have ended, with all of its attempts and every wait
    /// for people. The function gets the input of the step. The moment is recorded, so that a
    /// resumed run has the same one. A step whose deadline has passed before it begins fails at
    /// once. See [`Step::timeout`] for a limit of one attempt.
    ///
    /// ```
    /// use std::time::Duration;
    /// use stepwright_core::{ErrorCode, StepInput};
    /// use stepwright_engine::{Step, Workflow};
    /// async fn answer(question: String) -> String {
    ///     question + " Yes."
    /// }
    /// let by = |input: &StepInput| input.now.plus(Duration::from_secs(60));
    /// let step = Step::new("Answer", answer).deadline(by);
    /// let output = Workflow::builder("Ask").step(step).build()?.run("Now?").blocking()?;
    /// assert_eq!(output.content.text(), "Now? Yes.");
    ///
    /// let late = Step::new("Answer", answer).deadline(|input| input.now);
    /// let late = Workflow::builder("Ask").step(late).build()?.run("Now?").blocking().unwrap_err();
    /// let failure = late.output().unwrap().error.as_ref().unwrap();
    /// assert_eq!(failure.error.code, ErrorCode::TimedOut);
    /// # Ok::<(), stepwright_core::Error>(())
    /// ```
    pub fn deadline<D: IntoDeadline>(
        mut self,
        deadline: impl Fn(&StepInput) -> D + Send + Sync + 'static,
    ) -> Self {
        self.common.deadline = Some(super::deadline(deadline));
        self
    }

    /// Like [`Step::deadline`], with an async function. It takes what a step's function takes.
    pub fn deadline_async<A, F>(mut self, deadline: F) -> Self
    where
        F: DeciderFn<A, Decision: IntoDeadline>,
    {
        self.common.deadline = Some(asynchronous(deadline, IntoDeadline::into_deadline));
        self
    }

    /// Sets the longest time that an attempt may go without a sign of life. An attempt that is
    /// silent for longer is dropped, and fails. So a step that is stuck ends early, and a step that
    /// is merely slow goes on. [`Step::timeout`] limits the whole attempt.
    ///
    /// Everything that the step shows or records is a sign of life: text and reasoning of a model
    /// as they arrive, tool calls and the events inside them, [`StepContext::progress`] and
    /// [`StepContext::note`], your own events, and [`StepContext::keep_alive`], which shows
    /// nothing. The time in which the step waits for a person or a deadline does not count.
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

    /// Makes the step's message, such as the prompt of an agent, from the whole input of the step:
    /// the run's input, earlier outputs by name, the turn before, the session state. An error fails
    /// the attempt.
    ///
    /// Feedback of people and the history are added to this message as to any other.
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

    /// Makes the input of a nested workflow from the whole input of this step, in place of the
    /// output of the previous step. A failure fails the step. Only for steps that are workflows.
    ///
    /// ```
    /// use serde_json::json;
    /// use stepwright_core::{Json, StepInput};
    /// use stepwright_engine::{Step, Workflow};
    /// # async fn greet(name: Json<serde_json::Value>) -> String {
    /// #     format!("Dear {}", name.0["name"])
    /// # }
    /// let letter = Workflow::builder("Letter").step(greet).build()?;
    /// let letter = Step::workflow("Letter", letter)
    ///     .input(|cx: &StepInput| Json(json!({"name": cx.run.content.to_value()})));
    /// let workflow = Workflow::builder("Mail").step(letter).build()?;
    /// assert_eq!(workflow.run("Ada").blocking()?.content.text(), "Dear \"Ada\"");
    /// # Ok::<(), stepwright_core::Error>(())
    /// ```
    pub fn input<R: IntoPrompt>(
        mut self,
        input: impl Fn(&StepInput) -> R + Send + Sync + 'static,
    ) -> Self {
        let decide = move |given: &StepInput| input(given).into_prompt();
        self.body.input = Some(Decider::Sync(Arc::new(decide)));
        self
    }

    /// Makes the input of a nested workflow with an async function: see [`Step::input`].
    ///
    /// ```
    /// use stepwright_core::StepInput;
    /// use stepwright_engine::{Step, Workflow};
    /// # async fn shout(text: String) -> String { text.to_uppercase() }
    /// let loud = Workflow::builder("Loud").step(shout).build()?;
    /// let loud = Step::workflow("Loud", loud)
    ///     .input_async(|cx: StepInput| async move { format!("{}!", cx.text()) });
    /// let workflow = Workflow::builder("Call").step(loud).build()?;
    /// assert_eq!(workflow.run("hey").blocking()?.content.text(), "HEY!");
    /// # Ok::<(), stepwright_core::Error>(())
    /// ```
    pub fn input_async<F>(mut self, input: impl Fn(StepInput) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output: IntoPrompt> + Send + 'static,
    {
        self.body.input = Some(Decider::Async(Arc::new(move |given, _| {
            let input = input(given);
            Box::pin(async move { input.await.into_prompt() })
        })));
        self
    }

    /// Sets whether the step gets the inputs and outputs of earlier runs of its session. It
    /// overrides the setting of the workflow, for which there is
    /// [an example](crate::WorkflowBuilder::add_workflow_history_to_steps). An agent reads the
    /// history before its message. A function finds it in `StepInput::history`.
    pub fn add_workflow_history(mut self, add: bool) -> Self {
        self.body.history.add = Some(add);
        self
    }

    /// Sets the number of earlier runs in the step's history. The default is the setting of the
    /// workflow, or [`HISTORY_RUNS`](stepwright_core::session::HISTORY_RUNS).
    pub fn num_history_runs(mut self, runs: u32) -> Self {
        self.body.history.runs = Some(runs);
        self
    }

    /// Sets whether failed and cancelled runs are left out of the step's history. It overrides the
    /// setting of the workflow. By default the history has them, and marks them.
    pub fn history_completed_only(mut self, only: bool) -> Self {
        self.body.history.completed_only = Some(only);
        self
    }

    /// Sets the policy for a failure of the step after all its attempts. By default the run fails.
    ///
    /// ```
    /// use stepwright_core::{ErrorCode, plan::OnError};
    /// use stepwright_engine::{Step, Workflow};
    /// # use std::time::Duration;
    /// # async fn look_up(topic: String) -> String { topic }
    /// // A slow answer is not worth waiting for, but a wrong one is a failure.
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

    /// Sets the policy for an attempt whose outcome is unknown: its process died during the
    /// attempt, or the attempt timed out and a retry would follow. The attempt may have had its
    /// effect, or not.
    ///
    /// The nearest policy counts: that of the step, of a container around it, of its workflow, of a
    /// workflow around that. Without any, the default of the executor counts
    /// ([`Executor::on_interrupted`](stepwright_core::Executor::on_interrupted)), which is
    /// [`OnInterrupted::Retry`] for functions and agents. On a nested workflow, this sets the
    /// policy of its steps that have none.
    ///
    /// ```
    /// use stepwright_core::OnInterrupted;
    /// use stepwright_engine::{Step, Workflow};
    /// # async fn charge(card: String) -> String { card }
    /// // A card must not be charged twice: if the outcome is unknown, the run fails.
    /// let charge = Step::new("Charge", charge).on_interrupted(OnInterrupted::Fail);
    /// # Workflow::builder("Shop").step(charge).build()?;
    /// # Ok::<(), stepwright_core::Error>(())
    /// ```
    pub fn on_interrupted(mut self, policy: OnInterrupted) -> Self {
        self.common.on_interrupted = Some(policy);
        self
    }

    /// Sets the queue of the step: only a worker that serves this queue carries the step out, such
    /// as one on a machine with the hardware that the step needs. Steps without a queue have that
    /// of the container or the workflow around them, and otherwise the queue `default`. On a nested
    /// workflow, this sets the queue of its steps that have none.
    ///
    /// If the driver of a run does not serve the queue of any step that could go on, it hands the
    /// run over to a worker that does: see [`Worker::queues`](crate::Worker::queues). A run that no
    /// worker drives, but the process that started it, has all queues.
    ///
    /// A queue says where a step runs, and not what it does. So it is no part of the
    /// [digest](crate::Workflow::digest), and runs under way follow when it changes.
    ///
    /// ```
    /// use stepwright_engine::{Step, Workflow};
    /// # async fn load(name: String) -> String { name }
    /// # async fn train(data: String) -> String { data }
    /// let train = Step::new("Train", train).queue("gpu");
    /// let workflow = Workflow::builder("Model").step(load).step(train).build()?;
    /// assert_eq!(workflow.run("digits").blocking()?.content.text(), "digits");
    /// # Ok::<(), stepwright_core::Error>(())
    /// ```
    pub fn queue(mut self, name: impl Into<Arc<str>>) -> Self {
        self.common.queue = Some(name.into());
        self
    }

    /// Sets the budget of the step, with all its attempts: what its agent may consume. On a nested
    /// workflow it holds for everything in it. Budgets around the step hold too.
    ///
    /// ```
    /// use stepwright_core::budget::Budget;
    /// use stepwright_engine::{Step, Workflow};
    /// # async fn research(topic: String) -> String { topic }
    /// let research = Step::new("Research", research).budget(Budget::default().tokens(50_000));
    /// # Workflow::builder("News").step(research).build()?;
    /// # Ok::<(), stepwright_core::Error>(())
    /// ```
    pub fn budget(mut self, budget: Budget) -> Self {
        self.common.budget = Some(budget);
        self
    }

    /// Adds a guardrail before or after the step. Several at one place judge in their order, each
    /// one the content that the one before let through. A refusal fails the step with the class
    /// [`ErrorCode::Guardrail`]; it is not retried. Each attempt is judged.
    ///
    /// A guardrail before the step judges its message, after [`Step::prompt`]. The input of the run
    /// and earlier outputs, which a function can read too, are not judged.
    ///
    /// ```
    /// use stepwright_core::guardrail::{AnyGuardrail, Guard, GuardVerdict};
    /// use stepwright_engine::{Step, Workflow};
    /// # async fn publish(text: String) -> String { text }
    /// let polite = AnyGuardrail::of("polite", |checked, _| async move {
    ///     match checked.content.text().contains('!') {
    ///         true => Ok(GuardVerdict::refuse("it shouts")),
    ///         false => Ok(GuardVerdict::Allow),
    ///     }
    /// });
    /// let step = Step::new("Publish", publish).guardrail(Guard::before(polite));
    /// let error = Workflow::builder("News").step(step).build()?.run("Ants!").blocking();
    /// let message = error.unwrap_err().to_string();
    /// assert!(message.contains("guardrail `polite` refused the input of the step: it shouts"));
    /// # Ok::<(), stepwright_core::Error>(())
    /// ```
    pub fn guardrail(mut self, guard: Guard) -> Self {
        self.body.guards.push(guard);
        self
    }

    /// Asks people before the step begins, or about its output.
    ///
    /// ```
    /// use stepwright_core::HumanReview;
    /// use stepwright_engine::{Step, Workflow};
    /// # async fn publish(text: String) -> String { text }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), stepwright_core::Error> {
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

    /// Adds a step that undoes this one. If the run fails or is cancelled after this step
    /// completed, the undo steps of all completed steps run in reverse order of completion. They
    /// find the output of their step as their input, and the failure in
    /// [`StepInput::failure`](stepwright_core::StepInput). Without a failure of the run they never
    /// run.
    ///
    /// Undoing stops at a step whose outcome is unknown, and at an undo step that fails: the steps
    /// before may depend on them. The report of the run's error says so.
    ///
    /// ```
    /// use stepwright_engine::{Step, Workflow};
    /// # use std::sync::{Arc, Mutex};
    /// # let released = Arc::new(Mutex::new(Vec::new()));
    /// # let seen = released.clone();
    /// async fn reserve(item: String) -> String {
    ///     format!("reservation of {item}")
    /// }
    /// async fn pay() -> Result<String, std::io::Error> {
    ///     Err(std::io::Error::other("the card was declined"))
    /// }
    /// let release = move |reservation: String| {
    ///     released.lock().unwrap().push(reservation);
    ///     async { "released" }
    /// };
    /// let reserve = Step::new("Reserve", reserve).undo(Step::new("Release", release));
    /// let workflow = Workflow::builder("Order").step(reserve).step(pay).build()?;
    /// let error = workflow.run("a book").blocking().unwrap_err();
    /// assert_eq!(error.to_string(), "step `pay` failed: the card was declined");
    /// # assert_eq!(*seen.lock().unwrap(), ["reservation of a book"]);
    /// let undone = error.output().unwrap().step_at("Reserve/undo/Release").unwrap();
    /// assert!(undone.success());
    /// # Ok::<(), stepwright_core::Error>(())
    /// ```
    pub fn undo<M>(mut self, step: impl IntoStep<M>) -> Self {
        add_after(&mut self.common.after, After::Undo, step.into_step());
        self
    }

    /// Sets the version of the step's function. The code of a function cannot be compared, so
    /// change the version when the function does something else. A run that began with the old
    /// version, and approvals given in it, is then not resumed with the new one unless that is
    /// accepted.
    ///
    /// ```
    /// # use stepwright_core::{Answer, HumanReview, Memory};
    /// # use stepwright_engine::{Step, Workflow};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), stepwright_core::Error> {
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

    /// Adds a text that belongs to the step, such as a prompt that its function uses. A run that
    /// began with another text of this name is not resumed unless that is accepted. The plan keeps
    /// the beginning of the text and a hash of all of it. For programs that make steps from data.
    pub fn source(mut self, name: impl Into<Arc<str>>, text: impl AsRef<str>) -> Self {
        self.common.content = self.common.content.with(name, text);
        self
    }

    /// Adds content of the step, for programs that must hide parts of it: see [`Step::source`] and
    /// [`Fingerprint::with_hidden`].
    pub fn fingerprint(mut self, content: Fingerprint) -> Self {
        self.common.content = self.common.content.and(content);
        self
    }
}

impl IntoStep<Whole> for Workflow {
    fn into_step(self) -> AnyStep {
        Step::workflow(self.name().to_owned(), self).into_step()
    }
}

#[diagnostic::do_not_recommend]
impl<M, X: IntoExecutor<M>> IntoStep<Made<M>> for X {
    fn into_step(self) -> AnyStep {
        let executor = self.into_executor();
        Step::of(executor.name().to_owned(), executor).into_step()
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
