//! A run that is taken up again: a builder that is a future.

use super::beside::Beside;
use super::blocking::runtime;
use super::handle::answer;
use super::live::Outcome;
use super::{Known, Live, Outbox, RunStream};
use crate::attend::HEARTBEAT;
use crate::drive::{Job, fold_all, load_all};
use crate::driver::{is_dead, shown};
use crate::recorder::Recording;
use crate::workflow::{Workflow, stop_error};
use futures_util::future::BoxFuture;
use std::fmt;
use std::future::IntoFuture;
use std::sync::Arc;
use stepwright_core::event::Reply;
use stepwright_core::store::{Claim, Claimed, Signal, Watched, Wish};
use stepwright_core::{
    Answer, AnyStore, Error, ErrorKind, EventKind, Requirement, RunId, RunOutput, RunStatus,
    Timestamp,
};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

/// A run that is taken up again, with answers to what it waits for or without. Await it for what
/// comes of it, make it a [`Resume::stream`], put it into the [`Resume::background`], or wait for
/// it with [`Resume::blocking`].
///
/// When awaited, it gives the output of a run that has completed or waits again.
///
/// ```
/// # use stepwright_core::{Answer, HumanReview, Memory};
/// # use stepwright_engine::{Step, Workflow};
/// # async fn pay(bill: String) -> String { format!("paid {bill}") }
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), stepwright_core::Error> {
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
/// As awaiting a run. [`ErrorKind::NotFound`] if there is no such run; [`ErrorKind::Usage`] if an
/// answer does not fit, comes too late or comes twice, if this process awaits the run already, or
/// if the definition has changed since the run began; [`ErrorKind::Store`] if another process
/// drives it and there is no answer for it.
#[must_use = "nothing happens until it is awaited, streamed, put into the background or blocked on"]
pub struct Resume {
    workflow: Workflow,
    run: String,
    answers: Vec<(String, Answer)>,
    by: Option<Arc<str>>,
    accept: bool,
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
            accept: false,
            all_events: false,
            cancel: CancellationToken::new(),
        }
    }

    /// Who gives the answers: it stands in the journal.
    pub fn answered_by(mut self, who: impl Into<Arc<str>>) -> Self {
        self.by = Some(who.into());
        self
    }

    /// Takes the run up although the definition has changed since it began, if all that it has done
    /// so far is still there.
    pub fn accept_changed_definition(mut self, accept: bool) -> Self {
        self.accept = accept;
        self
    }

    /// Whether a stream has all events, or only those with something to read: see
    /// [`Run::stream_events`](super::Run::stream_events).
    pub fn stream_events(mut self, all: bool) -> Self {
        self.all_events = all;
        self
    }

    /// The events from here on, as they happen, whoever drives the run. Dropping the stream cancels
    /// the run.
    pub fn stream(self) -> RunStream {
        RunStream::of_resume(self)
    }

    /// Carries the run on in the background.
    ///
    /// # Errors
    /// If an answer does not fit, comes too late or comes twice; if there is no such run.
    pub async fn background(self) -> Result<super::RunHandle, Error> {
        let run = RunId::new(&self.run)?;
        let handle = self.workflow.handle(&run).await?;
        let store = self.store(&run)?;
        self.submit(&store, &run).await?;
        match self.workflow.live().get(run.as_str()) {
            Some(known) => known.poke(),
            None => self.workflow.dispatch(&run, None).await?,
        }
        Ok(handle)
    }

    /// Carries the run on, on this thread: for programs without async.
    ///
    /// # Errors
    /// As awaiting it; and if it is called inside of async code, which it would block.
    pub fn blocking(self) -> Result<RunOutput, Error> {
        runtime()?.block_on(self.carry_on(None))
    }

    pub(super) fn cancel_token(&self) -> CancellationToken {
        self.cancel.clone()
    }

    pub(super) fn wants_all_events(&self) -> bool {
        self.all_events
    }

    fn store(&self, run: &RunId) -> Result<AnyStore, Error> {
        let store = self.workflow.remembering().cloned();
        store.ok_or_else(|| self.workflow.not_found(&format!("run `{run}`")))
    }

    pub(super) async fn carry_on(self, outbox: Option<Arc<Outbox>>) -> Result<RunOutput, Error> {
        let run = RunId::new(&self.run)?;
        let store = self.store(&run)?;
        let (answered, from) = self.submit(&store, &run).await?;
        let workflow = &self.workflow;
        workflow.attend();
        let mut beside = Beside::new(workflow, &store, &run, outbox.clone(), from);
        let (mut failed, mut cancelled) = (false, false);
        let handed = !answered.is_empty() && workflow.is_handed(&store, &run).await?;
        loop {
            let changed = store.changed(Watched::Facts(run.clone()));
            if handed {
                // Once more each time round: a dispatcher may lose what it is told.
                workflow.dispatch(&run, None).await?;
            } else if let Some(known) = workflow.live().get(run.as_str()) {
                known.poke();
                match known {
                    // Whoever drives it may have begun just now, because its moment has come.
                    Known::Background(live) if answered.is_empty() => {
                        let outcome = beside.wait(self.outcome(&run, &live)).await;
                        beside.left();
                        return outcome;
                    }
                    Known::Foreground(_) if answered.is_empty() => return Err(driven_here(&run)),
                    _ => {}
                }
            } else {
                let cancel = self.cancel.clone();
                let (accept, outbox) = (self.accept, outbox.clone());
                match workflow.take(&run, cancel, accept, outbox).await {
                    // Somebody else drives it, and hears of the answers; or has left it just now.
                    // Where it was driven here, and its journal was lost, it is not driven again.
                    Err(error) if error.kind() == ErrorKind::Store && !answered.is_empty() => {
                        let left = !workflow.is_driven_elsewhere(&store, &run).await?;
                        if left && (failed || error.output().is_some()) {
                            return Err(error);
                        }
                        failed = left;
                        if left {
                            continue;
                        }
                    }
                    // Somebody else here was faster.
                    Err(_)
                        if answered.is_empty() && workflow.live().get(run.as_str()).is_some() =>
                    {
                        continue;
                    }
                    answer => return answer,
                }
            }
            if let Some(rested) = self.rested(&store, &run, &answered).await? {
                beside.left();
                return rested;
            }
            // Whoever drives it may have died, and nothing changes then.
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

    /// How a run is left that somebody else here drives.
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

    /// The run, if it has ended, or waits for something else than what was answered.
    async fn rested(
        &self,
        store: &AnyStore,
        run: &RunId,
        answered: &[Arc<str>],
    ) -> Result<Option<Result<RunOutput, Error>>, Error> {
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

    /// Leaves the answers in the inbox of the run. Gives the names of what they answer, and the
    /// number of the fact that will be the next, if there are answers.
    async fn submit(
        &self,
        store: &AnyStore,
        run: &RunId,
    ) -> Result<(Vec<Arc<str>>, Option<u64>), Error> {
        if self.answers.is_empty() {
            return Ok((Vec::new(), None));
        }
        let facts = load_all(store, run).await?;
        let fold = fold_all(run, &facts)?;
        if facts.is_empty() {
            return Err(self.workflow.not_found(&format!("run `{run}`")));
        }
        if fold.status().is_terminal() {
            let what = format!("run `{run}` has ended ({}), and waits for nothing", fold.status());
            return Err(Error::usage(what));
        }
        // An answer that is given counts: nothing is given to a run that cannot go on.
        if let Some(started) = fold.started() {
            let digest = &started.digest;
            self.workflow.check_plan(store, digest, &facts, self.accept).await?;
        }
        let mut wanted: Vec<(&Requirement, &Answer)> = Vec::new();
        for (key, answer) in &self.answers {
            let asked = find(run, fold.requirements(), &facts, key)?;
            asked.check(answer).map_err(Error::usage)?;
            if wanted.iter().any(|(other, _)| other.id == asked.id) {
                return Err(Error::usage(format!("`{}` is answered twice", asked.id)));
            }
            wanted.push((asked, answer));
        }
        for (asked, answer) in &wanted {
            let reply = Reply {
                requirement_id: asked.id.clone(),
                answer: (*answer).clone(),
                by: self.by.clone(),
                timed_out: false,
            };
            let signal = Signal::answer(run.clone(), reply, self.workflow.world().now());
            if !store.submit(signal).await? {
                return Err(late(&asked.id, "somebody else has answered it"));
            }
        }
        let answered = wanted.iter().map(|(asked, _)| asked.id.clone()).collect();
        Ok((answered, Some(fold.next_sequence())))
    }
}

/// The requirement of this name, or the only one of the step at this path.
fn find<'a>(
    run: &RunId,
    open: &'a [Requirement],
    facts: &[stepwright_core::Event],
    key: &str,
) -> Result<&'a Requirement, Error> {
    if let Some(asked) = open.iter().find(|asked| *asked.id == *key) {
        return Ok(asked);
    }
    let mut here: Vec<&Requirement> =
        open.iter().filter(|asked| asked.path.as_str() == key).collect();
    if here.is_empty() {
        // What the tool calls of a step wait for is waited for by the step.
        here = open.iter().filter(|asked| asked.path.step().as_str() == key).collect();
    }
    match here.as_slice() {
        [asked] => return Ok(asked),
        [] => {}
        several => {
            let names = several.iter().map(|asked| format!("`{}`", asked.id));
            let names = names.collect::<Vec<_>>().join(", ");
            return Err(Error::usage(format!("`{key}` waits for several things: {names}"))
                .with_hint("answer each by its name"));
        }
    }
    let reply = facts.iter().rev().find_map(|fact| {
        let reply = fact.kind.reply()?;
        let same = *reply.requirement_id == *key || fact.path.as_str() == key;
        same.then_some(reply)
    });
    if let Some(reply) = reply {
        let why = if reply.timed_out { "nobody answered in time" } else { "it has been answered" };
        return Err(late(&reply.requirement_id, why));
    }
    let error = Error::usage(format!("run `{run}` does not wait for `{key}`"));
    Err(match open {
        [] => error.with_hint("it waits for nothing"),
        open => {
            let names: Vec<String> = open.iter().map(|asked| format!("`{}`", asked.id)).collect();
            error.with_hint(format!("it waits for {}", names.join(", ")))
        }
    })
}

fn driven_here(run: &RunId) -> Error {
    Error::usage(format!("run `{run}` is being driven by this process"))
}

fn late(id: &str, why: &str) -> Error {
    Error::usage(format!("the answer to `{id}` comes too late: {why}"))
}

impl Workflow {
    /// Takes up a run that this process does not drive, and drives it until it ends or waits.
    pub(crate) async fn take(
        &self,
        run: &RunId,
        cancel: CancellationToken,
        accept: bool,
        outbox: Option<Arc<Outbox>>,
    ) -> Result<RunOutput, Error> {
        let live = Arc::new(Live::of(cancel, None));
        if !self.live().insert(run.clone(), Known::Background(live)) {
            return Err(driven_here(run));
        }
        self.drive(run, false, accept, outbox).await
    }

    /// Drives a run that the store knows, and tells those who wait how it was left.
    pub(crate) async fn drive(
        &self,
        run: &RunId,
        leaves: bool,
        accept: bool,
        outbox: Option<Arc<Outbox>>,
    ) -> Result<RunOutput, Error> {
        let fresh = || Known::Background(Arc::new(Live::of(CancellationToken::new(), None)));
        let live = match self.live().get_or_insert_with(run, fresh) {
            Known::Background(live) if live.take_hold() => live,
            known => {
                // Whoever wants it driven may have left something in its inbox.
                known.poke();
                let what = format!("run `{run}` is being driven by this process");
                return Err(Error::new(ErrorKind::Store, what));
            }
        };
        let left = Left { workflow: self, run, live: live.clone(), over: false };
        let answer = match self.take_up(run, &live, accept, outbox).await {
            Ok(Taken::Job(mut job)) => {
                job.leaves = leaves;
                self.with_events(job.drive().await)
            }
            Ok(Taken::Over(output)) => self.with_events(*output),
            Err(error) => Err(error),
        };
        left.end(&answer);
        if let Ok(output) = &answer
            && output.is_paused()
            && !leaves
        {
            self.wake_later(run, output).await;
        }
        answer
    }

    /// Sees to it that a run that waits goes on by itself when its moment has come.
    pub(crate) async fn wake_later(&self, run: &RunId, output: &RunOutput) {
        self.attend();
        if let Some(due) = self.wakes_at(run, output).await
            && (self.is_dispatched() || Handle::try_current().is_ok())
        {
            // If this fails, whoever attends to the workflow finds it.
            let _ = self.dispatch(run, Some(due)).await;
        }
    }

    /// How a run is left that this process drives, or is about to.
    pub(crate) async fn outcome<'l>(&self, run: &RunId, live: &'l Live) -> &'l Outcome {
        if live.status() == RunStatus::Pending && Handle::try_current().is_ok() {
            // The runtime in which it was to be driven may have ended. Otherwise this is no news.
            let _ = self.dispatch(run, None).await;
        }
        live.outcome().await
    }

    /// Whether somebody drives a run who is not this workflow.
    async fn is_driven_elsewhere(&self, store: &AnyStore, run: &RunId) -> Result<bool, Error> {
        let driver = store.run(run).await?.and_then(|row| row.driver);
        Ok(driver.is_some_and(|driver| *driver != **self.driver_name()))
    }

    /// Whether a run is driven by whoever the dispatcher tells.
    async fn is_handed(&self, store: &AnyStore, run: &RunId) -> Result<bool, Error> {
        let row = if self.is_dispatched() { store.run(run).await? } else { None };
        Ok(row.is_some_and(|row| row.background))
    }

    /// When a run that waits is to be taken up, if nobody says anything: a deadline may come, or
    /// the end of the time that the run may take.
    pub(crate) async fn wakes_at(&self, run: &RunId, output: &RunOutput) -> Option<Timestamp> {
        let row = match self.remembering() {
            Some(store) => store.run(run).await.ok().flatten(),
            None => None,
        };
        let dues = output.requirements.iter().filter_map(|asked| asked.due);
        row.and_then(|row| row.wake_at).or_else(|| dues.min())
    }

    async fn take_up(
        &self,
        run: &RunId,
        live: &Live,
        accept: bool,
        outbox: Option<Arc<Outbox>>,
    ) -> Result<Taken, Error> {
        let unknown = || self.not_found(&format!("run `{run}`"));
        let store = self.store_for(true).ok_or_else(unknown)?;
        // A run that this process has just begun is its own already.
        let fresh = live.take_fresh();
        let mine = fresh || self.claim(&store, run).await?;
        let answer = async {
            let past = load_all(&store, run).await?;
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
            // One that is to end need not be understood.
            if inbox.iter().any(|signal| matches!(signal.wish, Wish::Cancel { .. })) {
                live.cancel.cancel();
            } else {
                self.check_plan(&store, &started.digest, &past, accept).await?;
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
            };
            let job = Job::new(self.shared_plan(), started, recording, &past)?;
            if !fresh {
                let took = job.take_over(self.driver_name().clone()).await;
                took.map_err(|stop| stop_error(&stop))?;
            }
            live.now_driven(job.recorder.clone());
            Ok(Taken::Job(Box::new(job)))
        };
        let answer = answer.await;
        if answer.is_err() && mine {
            // What is wrong with the run is told; this comes second.
            let _ = store.release(run, self.driver_name()).await;
        }
        answer
    }

    /// Makes a run ours to drive. `false` if it has ended.
    async fn claim(&self, store: &AnyStore, run: &RunId) -> Result<bool, Error> {
        let now = self.world().now();
        let lease = crate::attend::LEASE.as_millis();
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

/// A run that was to be taken up.
enum Taken {
    Job(Box<Job>),
    /// It has ended.
    Over(Box<Result<RunOutput, Error>>),
}

/// Whoever drives a run may leave it: a future can be dropped at any moment.
struct Left<'a> {
    workflow: &'a Workflow,
    run: &'a RunId,
    live: Arc<Live>,
    over: bool,
}

impl Left<'_> {
    fn end(mut self, answer: &Result<RunOutput, Error>) {
        self.over = true;
        self.live.end(Outcome::of(answer));
        self.workflow.live().remove(self.run);
    }
}

impl Drop for Left<'_> {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        self.workflow.live().remove(self.run);
        self.live.end(Outcome::Lost("whoever drove the run has left it".into()));
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
