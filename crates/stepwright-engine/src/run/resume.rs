//! Resumed runs: a builder that is a future.

use super::builder::state_of_dispatched;
use super::driven::Driven;
use super::handle::answer;
use super::opening::{Opener, Opening};
use super::remote::RemoteFollower;
use super::runtime::{block_on_given, runtime};
use crate::journal::{fold_all, load_all};
use crate::local::{Local, Outcome};
use crate::outbox::Outbox;
use crate::runner::{HEARTBEAT, TakeUp, driven_here};
use crate::runs::{Runs, Submitted};
use crate::workflow::Workflow;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use stepwright_core::dispatch::Cause;
use stepwright_core::store::Watched;
use stepwright_core::values::HostValues;
use stepwright_core::{
    Answer, AnyStore, BoxFuture, Error, ErrorId, ErrorKind, Event, OnInterrupted, RunId, RunOutput,
    RunStatus, UserId,
};
use tokio_util::sync::CancellationToken;

/// A run to resume, with or without answers to its pending requests. Await it for its output, make
/// it a [`Resume::stream`], put it into the [`Resume::background`], or wait for it with
/// [`Resume::blocking`].
///
/// Awaiting it returns the output of a run that has completed or pauses again.
///
/// ```
/// # use stepwright_core::{Answer, HumanReview, Memory};
/// # use stepwright_engine::{Step, Workflow};
/// # async fn pay(bill: String) -> String { format!("paid {bill}") }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), stepwright_core::Error> {
/// let asked = HumanReview::new().requires_confirmation("Pay?");
/// let pay = Step::new("Pay", pay).human_review(asked);
/// let workflow = Workflow::builder("Bills").store(Memory::default()).step(pay).build()?;
/// let paused = workflow.run("5 EUR").await?;
/// let answers = [("Pay!confirm", Answer::Approve)];
/// let output = workflow.continue_run(&paused.run_id, answers).answered_by("anna").await?;
/// assert_eq!(output.content.text(), "paid 5 EUR");
/// # Ok(()) }
/// ```
///
/// # Errors
/// The errors of awaiting a run. [`ErrorKind::NotFound`] if there is no such run.
/// [`ErrorKind::Usage`] if an answer does not fit its request, comes too late, comes twice or
/// differs from an earlier one, if this process awaits the run already, or if the definition has
/// changed since the run began. [`ErrorKind::Store`] if another driver has the run and there is no
/// answer to leave for it.
#[must_use = "nothing happens until it is awaited, streamed, put into the background or blocked on"]
pub struct Resume {
    pub(super) workflow: Workflow,
    pub(super) run: String,
    pub(super) opening: Option<Opening>,
    pub(super) answers: Vec<(String, Answer)>,
    pub(super) by: Option<Arc<str>>,
    /// The user to whom the run must belong.
    pub(super) owner: Option<UserId>,
    pub(super) accept: bool,
    interrupted: Option<OnInterrupted>,
    all_events: bool,
    values: HostValues,
    cancel: CancellationToken,
    /// Set when it is first polled. The other fields have moved into the future then.
    driven: Option<Driven>,
}

impl Resume {
    pub(crate) fn new(workflow: Workflow, run: &str, answers: Vec<(String, Answer)>) -> Self {
        Self {
            workflow,
            run: run.to_owned(),
            opening: None,
            answers,
            by: None,
            owner: None,
            accept: false,
            interrupted: None,
            all_events: false,
            values: HostValues::default(),
            cancel: CancellationToken::new(),
            driven: None,
        }
    }

    /// Sets what is recorded before the run is resumed.
    pub(super) fn opened_by(mut self, opening: Opening) -> Self {
        self.opening = Some(opening);
        self
    }

    /// Records what is recorded before the run is resumed. Afterwards this resumes that run.
    pub(super) async fn open(&mut self, background: bool) -> Result<(), Error> {
        let Some(opening) = self.opening.take() else { return Ok(()) };
        let Self { workflow, run, owner, accept, .. } = self;
        let (owner, accept) = (owner.as_ref(), *accept);
        let opener = Opener { workflow, run, owner, accept, background };
        let opened = opener.open(opening).await?;
        self.run = opened.to_string();
        Ok(())
    }

    pub(super) fn run(&self) -> &str {
        &self.run
    }

    /// Limits it to runs of this user.
    pub(crate) fn owned_by(mut self, user: &UserId) -> Self {
        self.owner = Some(user.clone());
        self
    }

    /// Sets the name under which the journal records the answers.
    pub fn answered_by(mut self, who: impl Into<Arc<str>>) -> Self {
        self.by = Some(who.into());
        self
    }

    /// Resumes the run although its definition has changed, if the new definition still has all
    /// steps that the run has executed. [`Step::version`](crate::Step::version) has an example of
    /// such a change.
    pub fn accept_changed_definition(mut self, accept: bool) -> Self {
        self.accept = accept;
        self
    }

    /// Answers every request about an effect whose outcome is unknown because its process died.
    /// With [`OnInterrupted::Retry`] the effect counts as not done, and is carried out. With
    /// [`OnInterrupted::Fail`] it is given up. With [`OnInterrupted::Ask`] people are asked, as by
    /// default. Effects with a policy other than to ask follow their policy.
    ///
    /// ```
    /// use stepwright_core::{Memory, OnInterrupted};
    /// use stepwright_engine::{Step, Workflow};
    /// # async fn deploy(tag: String) -> String { format!("deployed {tag}") }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), stepwright_core::Error> {
    /// let workflow = Workflow::builder("Release")
    ///     .store(Memory::default())
    ///     .on_interrupted(OnInterrupted::Ask)
    ///     .step(deploy)
    ///     .build()?;
    /// # workflow.run("1.2").run_id("r-7").await?;
    /// let output = workflow.resume("r-7").interrupted(OnInterrupted::Retry).await?;
    /// assert_eq!(output.content.text(), "deployed 1.2");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] if the run is put into the background, or is driven in this process
    /// already: the answer is for the driver that resumes the run.
    pub fn interrupted(mut self, answer: OnInterrupted) -> Self {
        self.interrupted = Some(answer);
        self
    }

    /// Adds a value of the host program for the rest of this run: see
    /// [`Run::state`](super::Run::state). The values that this process has for the run are replaced
    /// together.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] if a dispatcher may hand the run to another process, or if this process
    /// drives the run already.
    pub fn state<T: Clone + Send + Sync + 'static>(mut self, value: T) -> Self {
        self.values.set(value);
        self
    }

    /// Keeps the values of the host program for the driver of the run.
    fn keep_values(&self, run: &RunId) -> Result<(), Error> {
        let runner = self.workflow.runner();
        if self.values.is_empty() {
            return Ok(());
        }
        if runner.is_dispatched() {
            return Err(state_of_dispatched());
        }
        if runner.local().get(run.as_str()).is_some() {
            return Err(driven_here(run).with_hint("its `state` was set when it began"));
        }
        runner.local().keep_values(run, &self.values);
        Ok(())
    }

    /// Sets whether a stream has all events, or only those with content: see
    /// [`Run::stream_events`](super::Run::stream_events).
    pub fn stream_events(mut self, all: bool) -> Self {
        self.all_events = all;
        self
    }

    /// Resumes the run in the background, and returns a handle to it at once.
    ///
    /// # Errors
    /// If an answer does not fit its request, comes too late, comes twice or differs from an
    /// earlier one. If there is no such run.
    pub async fn background(mut self) -> Result<super::RunHandle, Error> {
        if self.interrupted.is_some() {
            let what = "`interrupted` is not possible in the background";
            let error = Error::usage(what).with_id(ErrorId::BACKGROUND_UNSUPPORTED);
            return Err(error.with_hint("await the run, or stream it"));
        }
        self.workflow.runner().local().check_open()?;
        self.open(true).await?;
        let run = RunId::new(&self.run)?;
        self.workflow.permit(&run, self.owner.as_ref()).await?;
        self.keep_values(&run)?;
        let handle = self.workflow.handle(&run).await?;
        let runner = self.workflow.runner();
        let runs = runner.reader(&run)?;
        // Before anything is left for the driver: from then on there may be new facts.
        let before = self.facts_of_pause(&runs, &run).await?;
        let handle = match before {
            Some(facts) => handle.resumed_after(facts),
            None => handle,
        };
        let late = match self.submit(&runs, &run).await?.0 {
            Submitted::All { .. } => None,
            Submitted::Late(error) => Some(error),
        };
        // The journal must say so before another driver resumes the run in the background.
        runner.accept_change(runs.store(), &run, self.accept).await?;
        match runner.local().get(run.as_str()) {
            Some(local) => local.poke(),
            None => runner.dispatch(&run, None, Cause::Asked).await?,
        }
        late.map_or(Ok(handle), Err)
    }

    /// Returns the number of facts of a paused run.
    async fn facts_of_pause(&self, runs: &Runs, run: &RunId) -> Result<Option<u64>, Error> {
        if runs.row(run).await?.status != RunStatus::Paused {
            return Ok(None);
        }
        let snapshot = runs.load(run).await?;
        let is_paused = snapshot.status() == RunStatus::Paused;
        Ok(is_paused.then(|| snapshot.fold().next_sequence()))
    }

    /// Resumes the run on this thread, for programs without async.
    ///
    /// # Errors
    /// The errors of awaiting it. An error if the caller is async code, which this would block.
    pub fn blocking(self) -> Result<RunOutput, Error> {
        runtime()?.block_on(self)
    }

    /// Resumes the run on a runtime of yours: see [`Run::blocking_on`](super::Run::blocking_on).
    ///
    /// # Errors
    /// The errors of awaiting it. An error if `block_on` returns before the work has ended.
    pub fn blocking_on(self, block_on: impl FnOnce(BoxFuture<'_, ()>)) -> Result<RunOutput, Error> {
        block_on_given(block_on, self)
    }

    pub(super) fn cancel_token(&self) -> CancellationToken {
        self.cancel.clone()
    }

    pub(super) fn wants_all_events(&self) -> bool {
        self.all_events
    }

    /// Returns the id of the run, if it is one.
    pub(super) fn chosen_run_id(&self) -> Option<RunId> {
        RunId::new(&self.run).ok()
    }

    /// Leaves the answers in the inbox of the run. Returns the facts that were read for it, too.
    async fn submit(&self, runs: &Runs, run: &RunId) -> Result<(Submitted, Vec<Event>), Error> {
        if self.answers.is_empty() {
            let none = Submitted::All { answered: Vec::new(), from: None, again: false };
            return Ok((none, Vec::new()));
        }
        let snapshot = runs.load_with_facts(run).await?;
        snapshot.check_open()?;
        // An accepted answer counts, so none may be accepted for a run that cannot go on.
        self.workflow.runner().check_plan(runs.store(), snapshot.facts(), self.accept).await?;
        let submitted = runs.leave(&snapshot, &self.answers, self.by.clone()).await?;
        Ok((submitted, snapshot.into_facts()))
    }

    pub(super) async fn carry_on(
        mut self,
        outbox: Option<Arc<Outbox>>,
    ) -> Result<RunOutput, Error> {
        self.open(false).await?;
        let run = RunId::new(&self.run)?;
        self.workflow.permit(&run, self.owner.as_ref()).await?;
        self.keep_values(&run)?;
        let runs = self.workflow.runner().reader(&run)?;
        let store = runs.store();
        let (submitted, mut past) = self.submit(&runs, &run).await?;
        let (answered, from, again) = match submitted {
            Submitted::All { answered, from, again } => (answered, from, again),
            Submitted::Late(error) => {
                // The deadline has passed for the run, too: it follows its `on_timeout` policy.
                self.answers.clear();
                let resumed = Box::pin(self.carry_on(outbox)).await;
                let output = match &resumed {
                    Ok(output) => Some(output),
                    Err(error) => error.output(),
                };
                return Err(match output {
                    Some(output) => error.with_output(output.clone()),
                    None => error,
                });
            }
        };
        let runner = self.workflow.runner();
        runner.supervise();
        let mut beside = RemoteFollower::new(&runs, &run, outbox.clone(), from);
        let (mut failed, mut cancelled) = (false, false);
        let handed = !answered.is_empty() && runner.is_handed(store, &run).await?;
        loop {
            let changed = store.changed(Watched::Facts(run.clone()));
            // If another process has driven the run for the same answer, do not drive it again.
            if again && let Some(rested) = self.rested(store, &run, &answered).await? {
                beside.left();
                return rested;
            }
            if handed {
                runner.accept_change(store, &run, self.accept).await?;
                // In each round, because a dispatcher may lose a wake.
                runner.dispatch(&run, None, Cause::Asked).await?;
            } else if let Some(local) = runner.local().get(run.as_str()) {
                local.poke();
                if self.interrupted.is_some() {
                    return Err(driven_here(&run));
                }
                if answered.is_empty() {
                    // The driver may have begun just now, because a deadline has passed.
                    let outcome = beside.wait(self.outcome(&run, &local)).await;
                    beside.left();
                    return outcome;
                }
            } else {
                let (accept, interrupted) = (self.accept, self.interrupted);
                let (outbox, past) = (outbox.clone(), std::mem::take(&mut past));
                let how = TakeUp { accept, interrupted, outbox, past, ..TakeUp::default() };
                match runner.take(&run, self.cancel.clone(), how).await {
                    // Another driver has the run, and sees the answers in the inbox, or has just
                    // left the run. Do not drive a run again that was driven here and lost its
                    // journal.
                    Err(error) if error.kind() == ErrorKind::Store && !answered.is_empty() => {
                        let left = !runner.is_driven_elsewhere(store, &run).await?;
                        if left && (failed || error.output().is_some()) {
                            return Err(error);
                        }
                        failed = left;
                        if left {
                            continue;
                        }
                    }
                    // Another task of this process was faster.
                    Err(_) if answered.is_empty() && runner.local().get(run.as_str()).is_some() => {
                        continue;
                    }
                    answer => return answer,
                }
            }
            if let Some(rested) = self.rested(store, &run, &answered).await? {
                beside.left();
                return rested;
            }
            // If the driver dies, the store reports no change.
            let wait = async {
                tokio::select! {
                    _ = runner.world.timeout(HEARTBEAT, changed) => false,
                    () = self.cancel.cancelled(), if !cancelled => true,
                }
            };
            if beside.wait(wait).await {
                cancelled = true;
                self.workflow.cancel_run(&run).await?;
            }
        }
    }

    /// Waits for the outcome of a run that another task of this process drives.
    async fn outcome(&self, run: &RunId, local: &Local) -> Result<RunOutput, Error> {
        let runner = self.workflow.runner();
        let outcome = tokio::select! {
            outcome = runner.outcome(run, local) => outcome,
            () = self.cancel.cancelled() => {
                self.workflow.cancel_run(run).await?;
                runner.outcome(run, local).await
            }
        };
        match outcome {
            Some(Outcome::Output(output)) => answer(*output),
            Some(Outcome::Lost(why) | Outcome::Elsewhere(why)) => {
                Err(Error::new(ErrorKind::Store, why))
            }
            None => Err(driven_here(run)),
        }
    }

    /// Returns the output of the run if it has ended, or if it has pending requests and none of the
    /// answered ones.
    async fn rested(
        &self,
        store: &AnyStore,
        run: &RunId,
        answered: &[Arc<str>],
    ) -> Result<Option<Result<RunOutput, Error>>, Error> {
        // The journal need not be read while the run is driven.
        let row = store.run(run).await?;
        if row.is_some_and(|row| matches!(row.status, RunStatus::Running | RunStatus::Pending)) {
            return Ok(None);
        }
        let output = fold_all(run, &load_all(store, run).await?)?.into_output();
        let Some(output) = output else { return Ok(None) };
        let open = |id: &Arc<str>| output.requirements.iter().any(|asked| asked.id == *id);
        let waits_on = output.is_paused() && !answered.iter().any(open);
        Ok(match output.status {
            RunStatus::Completed => Some(Ok(output)),
            _ if output.is_terminal() => Some(Err(Error::of_run(output))),
            _ if waits_on => Some(Ok(output)),
            _ => None,
        })
    }
}

impl Future for Resume {
    type Output = Result<RunOutput, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if self.driven.is_none() {
            let rest = Self::new(self.workflow.clone(), &self.run, Vec::new());
            let resume = std::mem::replace(&mut *self, rest);
            self.driven = Some(Driven::new(resume.carry_on(None)));
        }
        self.driven.as_mut().expect("it is driven since it was first polled").poll(cx)
    }
}

impl fmt::Debug for Resume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resume").field("run", &self.run).finish_non_exhaustive()
    }
}
