//! Resumed runs: a builder that is a future.

use super::blocking::runtime;
use super::handle::answer;
use super::live::Outcome;
use super::remote::RemoteFollower;
use super::{Known, Live, Outbox, RunStream};
use crate::drive::Job;
use crate::driver::{is_dead, shown};
use crate::processes::end_leftovers;
use crate::recorder::Recording;
use crate::runs::{Runs, Submitted, fold_all, load_after, load_all, not_found};
use crate::supervise::HEARTBEAT;
use crate::workflow::{Workflow, stop_error};
use futures_util::future::BoxFuture;
use std::fmt;
use std::future::IntoFuture;
use std::sync::Arc;
use stepwright_core::store::{Claim, Claimed, SignalKind, Watched};
use stepwright_core::{
    Answer, AnyStore, Error, ErrorKind, Event, EventKind, OnInterrupted, RunId, RunOutput,
    RunStatus, Timestamp, UserId,
};
use tokio::runtime::Handle;
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
    run: String,
    pub(super) answers: Vec<(String, Answer)>,
    pub(super) by: Option<Arc<str>>,
    /// The user to whom the run must belong.
    owner: Option<UserId>,
    pub(super) accept: bool,
    interrupted: Option<OnInterrupted>,
    all_events: bool,
    cancel: CancellationToken,
}

impl Resume {
    pub(crate) fn new(workflow: Workflow, run: &str, answers: Vec<(String, Answer)>) -> Self {
        Self {
            workflow,
            run: run.to_owned(),
            answers,
            by: None,
            owner: None,
            accept: false,
            interrupted: None,
            all_events: false,
            cancel: CancellationToken::new(),
        }
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

    /// Sets whether a stream has all events, or only those with content: see
    /// [`Run::stream_events`](super::Run::stream_events).
    pub fn stream_events(mut self, all: bool) -> Self {
        self.all_events = all;
        self
    }

    /// Returns the events from now on, as they happen, in whichever process the run is driven.
    /// Dropping the stream cancels the run. [`RunStream`] has an example.
    pub fn stream(self) -> RunStream {
        RunStream::of_resume(self)
    }

    /// Resumes the run in the background, and returns a handle to it at once.
    ///
    /// # Errors
    /// If an answer does not fit its request, comes too late, comes twice or differs from an
    /// earlier one. If there is no such run.
    pub async fn background(self) -> Result<super::RunHandle, Error> {
        if self.interrupted.is_some() {
            let what = "`interrupted` is not possible in the background";
            return Err(Error::usage(what).with_hint("await the run, or stream it"));
        }
        let run = RunId::new(&self.run)?;
        self.workflow.permit(&run, self.owner.as_ref()).await?;
        let handle = self.workflow.handle(&run).await?;
        let runs = self.workflow.reader(&run)?;
        let late = match self.submit(&runs, &run).await?.0 {
            Submitted::All { .. } => None,
            Submitted::Late(error) => Some(error),
        };
        self.accept_change(runs.store(), &run).await?;
        match self.workflow.live().get(run.as_str()) {
            Some(known) => known.poke(),
            None => self.workflow.dispatch(&run, None).await?,
        }
        late.map_or(Ok(handle), Err)
    }

    /// Resumes the run on this thread, for programs without async.
    ///
    /// # Errors
    /// The errors of awaiting it. An error if the caller is async code, which this would block.
    pub fn blocking(self) -> Result<RunOutput, Error> {
        runtime()?.block_on(self.carry_on(None))
    }

    pub(super) fn cancel_token(&self) -> CancellationToken {
        self.cancel.clone()
    }

    pub(super) fn wants_all_events(&self) -> bool {
        self.all_events
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
        self.workflow.check_plan(runs.store(), snapshot.facts(), self.accept).await?;
        let submitted = runs.leave(&snapshot, &self.answers, self.by.clone()).await?;
        Ok((submitted, snapshot.into_facts()))
    }

    pub(super) async fn carry_on(
        mut self,
        outbox: Option<Arc<Outbox>>,
    ) -> Result<RunOutput, Error> {
        let run = RunId::new(&self.run)?;
        self.workflow.permit(&run, self.owner.as_ref()).await?;
        let runs = self.workflow.reader(&run)?;
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
        let workflow = &self.workflow;
        workflow.supervise();
        let mut beside = RemoteFollower::new(&runs, &run, outbox.clone(), from);
        let (mut failed, mut cancelled) = (false, false);
        let handed = !answered.is_empty() && workflow.is_handed(store, &run).await?;
        loop {
            let changed = store.changed(Watched::Facts(run.clone()));
            // If another process has driven the run for the same answer, do not drive it again.
            if again && let Some(rested) = self.rested(store, &run, &answered).await? {
                beside.left();
                return rested;
            }
            if handed {
                self.accept_change(store, &run).await?;
                // In each round, because a dispatcher may lose a wake.
                workflow.dispatch(&run, None).await?;
            } else if let Some(known) = workflow.live().get(run.as_str()) {
                known.poke();
                match known {
                    _ if self.interrupted.is_some() => return Err(driven_here(&run)),
                    // The driver may have begun just now, because a deadline has passed.
                    Known::Background(live) if answered.is_empty() => {
                        let outcome = beside.wait(self.outcome(&run, &live)).await;
                        beside.left();
                        return outcome;
                    }
                    Known::Foreground(_) if answered.is_empty() => return Err(driven_here(&run)),
                    _ => {}
                }
            } else {
                let (accept, interrupted) = (self.accept, self.interrupted);
                let (outbox, past) = (outbox.clone(), std::mem::take(&mut past));
                let how = TakeUp { accept, interrupted, outbox, past, leaves: false };
                match workflow.take(&run, self.cancel.clone(), how).await {
                    // Another driver has the run, and sees the answers in the inbox, or has just
                    // left the run. Do not drive a run again that was driven here and lost its
                    // journal.
                    Err(error) if error.kind() == ErrorKind::Store && !answered.is_empty() => {
                        let left = !workflow.is_driven_elsewhere(store, &run).await?;
                        if left && (failed || error.output().is_some()) {
                            return Err(error);
                        }
                        failed = left;
                        if left {
                            continue;
                        }
                    }
                    // Another task of this process was faster.
                    Err(_)
                        if answered.is_empty() && workflow.live().get(run.as_str()).is_some() =>
                    {
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
                    _ = workflow.world().timeout(HEARTBEAT, changed) => false,
                    () = self.cancel.cancelled(), if !cancelled => true,
                }
            };
            if beside.wait(wait).await {
                cancelled = true;
                workflow.cancel_run(&run).await?;
            }
        }
    }

    /// Records that the run goes on with a changed definition, if it does. The journal must say so
    /// before another driver resumes the run in the background.
    ///
    /// # Errors
    /// If the definition has changed and the change is not accepted.
    async fn accept_change(&self, store: &AnyStore, run: &RunId) -> Result<(), Error> {
        let workflow = &self.workflow;
        if workflow.live().get(run.as_str()).is_some() {
            return Ok(());
        }
        let facts = load_all(store, run).await?;
        if fold_all(run, &facts)?.status().is_terminal()
            || workflow.check_plan(store, &facts, self.accept).await?.is_none()
        {
            return Ok(());
        }
        let live = Arc::new(Live::of(CancellationToken::new(), None));
        if !workflow.live().insert(run.clone(), Known::Background(live.clone())) {
            return Ok(());
        }
        // Taking up the run records the change. Then it is released for its next driver.
        let how = TakeUp { accept: self.accept, ..TakeUp::default() };
        let taken = workflow.take_up(run, &live, how).await.map(drop);
        workflow.live().remove(run);
        let released = store.release(run, workflow.driver_name()).await;
        live.end(Outcome::Lost("the run was taken up to be handed on".into()));
        taken?;
        Ok(released?)
    }

    /// Waits for the outcome of a run that another task of this process drives.
    async fn outcome(&self, run: &RunId, live: &Live) -> Result<RunOutput, Error> {
        let outcome = tokio::select! {
            outcome = self.workflow.outcome(run, live) => outcome,
            () = self.cancel.cancelled() => {
                self.workflow.cancel_run(run).await?;
                live.outcome().await
            }
        };
        match outcome {
            Outcome::Output(output) => answer((**output).clone()),
            Outcome::Lost(why) => Err(Error::new(ErrorKind::Store, why.clone())),
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

/// Options for taking up a run.
#[derive(Default)]
pub(crate) struct TakeUp {
    /// `true` if the driver leaves the run when only deadlines are pending.
    pub(crate) leaves: bool,
    /// `true` if a changed definition is accepted.
    pub(crate) accept: bool,
    /// The answer to every request about an effect whose outcome is unknown.
    pub(crate) interrupted: Option<OnInterrupted>,
    pub(crate) outbox: Option<Arc<Outbox>>,
    /// The facts that were read already. The rest is read after the claim.
    pub(crate) past: Vec<Event>,
}

fn driven_here(run: &RunId) -> Error {
    Error::usage(format!("run `{run}` is being driven by this process"))
}

impl Workflow {
    /// Takes up a run that this process does not drive, and drives it until it ends or waits.
    pub(crate) async fn take(
        &self,
        run: &RunId,
        cancel: CancellationToken,
        how: TakeUp,
    ) -> Result<RunOutput, Error> {
        let live = Arc::new(Live::of(cancel, None));
        if !self.live().insert(run.clone(), Known::Background(live)) {
            return Err(driven_here(run));
        }
        self.drive(run, how).await
    }

    /// Drives a run that the store has, and reports the outcome to its waiters.
    pub(crate) async fn drive(&self, run: &RunId, how: TakeUp) -> Result<RunOutput, Error> {
        let leaves = how.leaves;
        let fresh = || Known::Background(Arc::new(Live::of(CancellationToken::new(), None)));
        let live = match self.live().get_or_insert_with(run, fresh) {
            Known::Background(live) if live.take_hold() => live,
            known => {
                // The caller may have left a signal in the run's inbox.
                known.poke();
                let what = format!("run `{run}` is being driven by this process");
                return Err(Error::new(ErrorKind::Store, what));
            }
        };
        let guard = DriveGuard { workflow: self, run, live: live.clone(), over: false };
        let answer = match self.take_up(run, &live, how).await {
            Ok(Taken::Job(mut job)) => {
                job.leaves = leaves;
                self.with_events(job.drive().await)
            }
            Ok(Taken::Over(output)) => self.with_events(*output),
            Err(error) => Err(error),
        };
        guard.end(&answer);
        if let Ok(output) = &answer
            && output.is_paused()
            && !leaves
        {
            self.wake_later(run, output).await;
        }
        answer
    }

    /// Schedules a paused run to go on by itself when its deadline passes.
    pub(crate) async fn wake_later(&self, run: &RunId, output: &RunOutput) {
        self.supervise();
        if let Some(due) = self.wakes_at(run, output).await
            && (self.is_dispatched() || Handle::try_current().is_ok())
        {
            // If this fails, the supervisor finds the run.
            let _ = self.dispatch(run, Some(due)).await;
        }
    }

    /// Waits for the outcome of a run that this process drives or is about to drive.
    pub(crate) async fn outcome<'l>(&self, run: &RunId, live: &'l Live) -> &'l Outcome {
        if live.status() == RunStatus::Pending && Handle::try_current().is_ok() {
            // The runtime of its driver may have ended. If not, this wake changes nothing.
            let _ = self.dispatch(run, None).await;
        }
        live.outcome().await
    }

    /// Returns `true` if a run has a driver other than this workflow.
    async fn is_driven_elsewhere(&self, store: &AnyStore, run: &RunId) -> Result<bool, Error> {
        let driver = store.run(run).await?.and_then(|row| row.driver);
        Ok(driver.is_some_and(|driver| *driver != **self.driver_name()))
    }

    /// Returns `true` if a run is driven in the processes to which the dispatcher hands it.
    async fn is_handed(&self, store: &AnyStore, run: &RunId) -> Result<bool, Error> {
        let row = if self.is_dispatched() { store.run(run).await? } else { None };
        Ok(row.is_some_and(|row| row.background))
    }

    /// Returns when a paused run must be taken up if no answer arrives: at its first deadline, or
    /// when its timeout passes.
    pub(crate) async fn wakes_at(&self, run: &RunId, output: &RunOutput) -> Option<Timestamp> {
        let row = match self.remembering() {
            Some(store) => store.run(run).await.ok().flatten(),
            None => None,
        };
        let dues = output.requirements.iter().filter_map(|asked| asked.due);
        row.and_then(|row| row.wake_at).or_else(|| dues.min())
    }

    async fn take_up(&self, run: &RunId, live: &Live, how: TakeUp) -> Result<Taken, Error> {
        let TakeUp { accept, interrupted, outbox, mut past, .. } = how;
        let unknown = || not_found("run", run, !self.has_store());
        let store = self.store_for(true).ok_or_else(unknown)?;
        // This process owns a run that it has just begun.
        let fresh = live.take_fresh();
        let mine = fresh || self.claim(&store, run).await?;
        let answer = async {
            past.extend(load_after(&store, run, past.len() as u64).await?);
            let started = past.first().and_then(|first| match &first.kind {
                EventKind::WorkflowStarted(started) => Some(started.clone()),
                _ => None,
            });
            let started = started.ok_or_else(unknown)?;
            if let Some(outbox) = &outbox {
                outbox.begins_at(past.len() as u64);
            }
            if !mine {
                if let Some(outbox) = &outbox {
                    outbox.miss();
                }
                let output = fold_all(run, &past)?.into_output().ok_or_else(unknown)?;
                return Ok(Taken::Over(Box::new(match output.status {
                    RunStatus::Completed => Ok(output),
                    _ => Err(Error::of_run(output)),
                })));
            }
            let inbox = if fresh { Vec::new() } else { store.inbox(run).await? };
            let mut changed = None;
            // A run that must end need not match the definition.
            if inbox.iter().any(|signal| matches!(signal.kind, SignalKind::Cancel { .. })) {
                live.cancel.cancel();
            } else {
                changed = self.check_plan(&store, &past, accept).await?;
            }
            let recording = Recording {
                run: run.clone(),
                world: self.world().clone(),
                store: Some(store.clone()),
                cancelled: live.cancel.clone(),
                outbox,
                keep_events: self.keeps_events(),
                debug: started.debug,
                driver: Some(self.driver_name().clone()),
                interrupted,
                now: None,
            };
            let job = Job::new(self.shared_plan(), started, recording, &past)?;
            if !fresh {
                let took = job.take_over(self.driver_name().clone(), changed, &inbox).await;
                took.map_err(|stop| stop_error(&stop))?;
                // Before a step runs again, or a person is asked if it was done.
                let recorder = &job.recorder;
                end_leftovers(run, &past, |step| recorder.is_open(step)).await?;
            }
            self.supervisor().forgive(run);
            live.now_driven(job.recorder.clone());
            Ok(Taken::Job(Box::new(job)))
        };
        let answer = answer.await;
        if answer.is_err() && mine {
            // Report the first error, even if the release fails as well.
            let _ = store.release(run, self.driver_name()).await;
        }
        answer
    }

    /// Claims a run for this driver. Returns `false` if the run has ended.
    async fn claim(&self, store: &AnyStore, run: &RunId) -> Result<bool, Error> {
        // Drivers write their heartbeats with the wall clocks of their machines.
        let now = self.world().wall();
        let lease = crate::supervise::LEASE.as_millis();
        let stale = Timestamp(now.0.saturating_sub(u64::try_from(lease).unwrap_or(u64::MAX)));
        let mut claim =
            Claim { run: run.clone(), driver: self.driver_name().clone(), dead: None, stale };
        store.heartbeat(&claim.driver, now).await?;
        loop {
            match store.claim(claim.clone()).await? {
                Claimed::Yes => return Ok(true),
                Claimed::Over => return Ok(false),
                Claimed::By { driver, .. }
                    if claim.dead.as_ref() != Some(&driver) && is_dead(&driver) =>
                {
                    claim.dead = Some(driver);
                }
                Claimed::By { driver, seen_at } => {
                    let ago = now.since(seen_at).as_secs();
                    let what = format!(
                        "run `{run}` is driven by {}, which was there {ago} s ago",
                        shown(&driver)
                    );
                    let hint = "let it finish, or stop it; a driver that is silent for 10 s is \
                                taken for dead";
                    return Err(Error::new(ErrorKind::Store, what).with_hint(hint));
                }
            }
        }
    }
}

/// The result of taking up a run.
enum Taken {
    Job(Box<Job>),
    /// The run has ended.
    Over(Box<Result<RunOutput, Error>>),
}

/// Reports the outcome of a run even if the future that drives it is dropped.
struct DriveGuard<'a> {
    workflow: &'a Workflow,
    run: &'a RunId,
    live: Arc<Live>,
    over: bool,
}

impl DriveGuard<'_> {
    fn end(mut self, answer: &Result<RunOutput, Error>) {
        self.over = true;
        self.live.end(Outcome::of(answer));
        self.workflow.live().remove(self.run);
    }
}

impl Drop for DriveGuard<'_> {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        self.workflow.live().remove(self.run);
        self.live.end(Outcome::Lost("the driver of the run has left it".into()));
        let recorder = Known::Background(self.live.clone()).recorder();
        if let (Some(recorder), Ok(runtime)) = (recorder, Handle::try_current()) {
            recorder.cancel_token().cancel();
            runtime.spawn(async move { recorder.abandon().await });
        }
    }
}

impl IntoFuture for Resume {
    type Output = Result<RunOutput, Error>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.carry_on(None))
    }
}

impl fmt::Debug for Resume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resume").field("run", &self.run).finish_non_exhaustive()
    }
}
