//! Takes up a stored run, and drives it until it ends or waits.

use super::lease::LEASE;
use super::{Runner, is_dead, shown};
use crate::held::Held;
use crate::job::Job;
use crate::journal::{fold_all, load_after, load_all};
use crate::local::{Hold, Outcome};
use crate::outbox::Outbox;
use crate::processes::end_leftovers;
use crate::recorder::Recording;
use crate::runs::SECOND_CANCEL;
use crate::slot::queued;
use crate::stop::stop_error;
use std::sync::Arc;
use stepwright_core::rewind;
use stepwright_core::store::{Claim, Claimed, SignalKind};
use stepwright_core::{
    AnyStore, Error, ErrorId, ErrorKind, Event, EventKind, OnInterrupted, RunId, RunOutput,
    RunStatus, Timestamp,
};
use tokio_util::sync::CancellationToken;

/// Options for taking up a run.
#[derive(Default)]
pub(crate) struct TakeUp {
    /// `true` if the driver leaves the run when only deadlines are pending.
    pub(crate) leaves: bool,
    /// The queues that the driver serves. `None` if it carries out all steps.
    pub(crate) served: Option<Arc<[Arc<str>]>>,
    /// `true` if a changed definition is accepted.
    pub(crate) accept: bool,
    /// The answer to every request about an effect whose outcome is unknown.
    pub(crate) interrupted: Option<OnInterrupted>,
    pub(crate) outbox: Option<Arc<Outbox>>,
    /// The facts that were read already. The rest is read after the claim.
    pub(crate) past: Vec<Event>,
}

pub(crate) fn driven_here(run: &RunId) -> Error {
    Error::usage(format!("run `{run}` is being driven by this process"))
        .with_id(ErrorId::RUN_DRIVEN_HERE)
}

impl Runner {
    /// Takes up a run that this process does not drive, and drives it until it ends or waits.
    pub(crate) async fn take(
        self: &Arc<Self>,
        run: &RunId,
        cancel: CancellationToken,
        how: TakeUp,
    ) -> Result<RunOutput, Error> {
        self.local().check_open()?;
        match self.local().claim_new(run, cancel) {
            Some(hold) => self.drive_held(run, hold, how).await,
            None => Err(driven_here(run)),
        }
    }

    /// Drives a run that the store has, and reports the outcome to its waiters.
    pub(super) async fn drive(
        self: &Arc<Self>,
        run: &RunId,
        how: TakeUp,
    ) -> Result<RunOutput, Error> {
        match self.local().claim(run) {
            Ok(hold) => self.drive_held(run, hold, how).await,
            Err(local) => {
                // The caller may have left a signal in the run's inbox.
                local.poke();
                let what = format!("run `{run}` is being driven by this process");
                Err(Error::new(ErrorKind::Store, what).with_id(ErrorId::RUN_DRIVEN_HERE))
            }
        }
    }

    /// Drives a run that this process has begun in a task of its own, and shows its events to
    /// `outbox`.
    pub(crate) fn drive_in_task(self: &Arc<Self>, run: &RunId, outbox: Arc<Outbox>) {
        let (runner, run, shown) = (self.clone(), run.clone(), CloseAtEnd(outbox.clone()));
        tokio::spawn(async move {
            let how = TakeUp { outbox: Some(outbox), ..TakeUp::default() };
            // The waiters of the run get its outcome.
            let _ = runner.drive(&run, how).await;
            drop(shown);
        });
    }

    async fn drive_held(
        self: &Arc<Self>,
        run: &RunId,
        mut hold: Hold,
        how: TakeUp,
    ) -> Result<RunOutput, Error> {
        let leaves = how.leaves;
        let answer = match self.take_up(run, &mut hold, how).await {
            Ok(Taken::Job(job)) => match job.drive().await {
                Ok(()) => self.finished(job.output()),
                Err(error) => Err(error),
            },
            Ok(Taken::Over(output)) => self.finished(*output),
            Err(error) => Err(error),
        };
        let outcome = Outcome::of(&answer);
        let is_lost = matches!(outcome, Outcome::Lost(_));
        hold.end(outcome);
        if is_lost {
            self.supervision.here().lose();
        }
        if let Ok(output) = &answer
            && output.is_paused()
            && !leaves
        {
            self.wake_later(run, output).await;
        }
        answer
    }

    /// Records that a run goes on with a changed definition, if it does, and leaves the run to its
    /// next driver.
    ///
    /// # Errors
    /// If the definition has changed and the change is not accepted.
    pub(crate) async fn accept_change(
        &self,
        store: &AnyStore,
        run: &RunId,
        accept: bool,
    ) -> Result<(), Error> {
        if self.local().get(run.as_str()).is_some() {
            return Ok(());
        }
        let facts = load_all(store, run).await?;
        if fold_all(run, &facts)?.status().is_terminal()
            || self.check_plan(store, &facts, accept).await?.is_none()
        {
            return Ok(());
        }
        let Some(mut hold) = self.local().claim_new(run, CancellationToken::new()) else {
            return Ok(());
        };
        // Taking up the run records the change. Then it is released for its next driver.
        let how = TakeUp { accept, ..TakeUp::default() };
        let taken = self.take_up(run, &mut hold, how).await.map(drop);
        let released = store.release(run, self.driver_name()).await;
        hold.end(Outcome::Lost("the run was taken up to be handed on".into()));
        taken?;
        Ok(released?)
    }

    /// Returns `true` if a run has a driver other than this runner.
    pub(crate) async fn is_driven_elsewhere(
        &self,
        store: &AnyStore,
        run: &RunId,
    ) -> Result<bool, Error> {
        let driver = store.run(run).await?.and_then(|row| row.driver);
        Ok(driver.is_some_and(|driver| *driver != **self.driver_name()))
    }

    /// Returns `true` if a run is driven in the processes to which the dispatcher hands it.
    pub(crate) async fn is_handed(&self, store: &AnyStore, run: &RunId) -> Result<bool, Error> {
        let row = if self.is_dispatched() { store.run(run).await? } else { None };
        Ok(row.is_some_and(|row| row.background))
    }

    async fn take_up(&self, run: &RunId, hold: &mut Hold, how: TakeUp) -> Result<Taken, Error> {
        let TakeUp { leaves, served, accept, interrupted, outbox, mut past } = how;
        let unknown = || self.unknown(run);
        let store = self.store_for(true).ok_or_else(unknown)?;
        // This process owns a run that it has just begun.
        let fresh = hold.is_fresh();
        let mine = fresh || self.claim(&store, run, leaves).await?;
        let answer = async {
            past.extend(load_after(&store, run, past.len() as u64).await?);
            let started = rewind::started(&past).ok_or_else(unknown)?;
            if let Some(outbox) = &outbox {
                // The stream of a retry or a fork begins with the fact that says so.
                let told = past.last().is_some_and(|last| {
                    matches!(
                        last.kind,
                        EventKind::WorkflowRetried { .. } | EventKind::WorkflowForked(_)
                    )
                });
                outbox.begins_at(past.len() as u64 - u64::from(told));
                if let Some(first) = past.last().filter(|_| told) {
                    outbox.push(first.clone());
                }
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
            let ends = inbox.iter().any(|signal| matches!(signal.kind, SignalKind::Cancel { .. }));
            let mut fits = true;
            if ends {
                hold.cancel_token().cancel();
                // The steps that run afterwards are those of the definition.
                fits = matches!(self.check_plan(&store, &past, accept).await, Ok(None));
            } else {
                changed = self.check_plan(&store, &past, accept).await?;
            }
            let recording = Recording {
                run: run.clone(),
                world: self.world.clone(),
                store: Some(store.clone()),
                cancelled: hold.cancel_token().clone(),
                outbox,
                keep_events: self.definition.keeps_events(),
                debug: started.debug,
                driver: Some(self.driver_name().clone()),
                interrupted,
                now: None,
                gate: self.definition.gate.clone(),
                observer: self.observer.clone(),
                before_append: self.before_append.clone(),
            };
            let compiled = self.definition.compiled.clone();
            let mut job = Job::new(compiled, started, recording, &past)?;
            (job.leaves, job.served) = (leaves, served);
            if !ends {
                let began = past.first().map_or(Timestamp::default(), |first| first.time);
                job.slot = self.slot(&store, &job.started, began).await?.map(Box::new);
            }
            if let Some(slot) = job.slot.as_ref().filter(|_| leaves && job.recorder.is_queued()) {
                // It waits as before, so that there is nothing new to record.
                if !slot.is_free(&store, run, self.world.wall()).await? {
                    return Err(still_queued(&job));
                }
            }
            job.add_values(self.local().values_of(run));
            job.unwinds &= fits;
            if job.is_stopping() && inbox.iter().any(|signal| *signal.id == *SECOND_CANCEL) {
                job.recorder.second_cancel_token().cancel();
            }
            if !fresh {
                let took = job.take_over(self.driver_name().clone(), changed, &inbox).await;
                took.map_err(|stop| stop_error(&stop))?;
                // Before a step runs again, or a person is asked if it was done.
                let recorder = &job.recorder;
                let counts = rewind::effective(&past);
                end_leftovers(run, &counts, |step| recorder.is_open(step), !ends).await?;
            }
            self.supervision.here().forgive(run);
            hold.drives(job.recorder.clone(), job.left());
            Ok(Taken::Job(Box::new(job)))
        };
        let answer = answer.await;
        if answer.is_err() && mine {
            // Report the first error, even if the release fails as well.
            let _ = store.release(run, self.driver_name()).await;
        }
        answer
    }

    /// Claims a run for this driver. Returns `false` if the run has ended. With `handed`, the
    /// dispatcher has handed it to this driver just now.
    async fn claim(&self, store: &AnyStore, run: &RunId, handed: bool) -> Result<bool, Error> {
        // Drivers write their heartbeats with the wall clocks of their machines.
        let now = self.world.wall();
        let lease = LEASE.as_millis();
        let stale = Timestamp(now.0.saturating_sub(u64::try_from(lease).unwrap_or(u64::MAX)));
        let mut claim =
            Claim { run: run.clone(), driver: self.driver_name().clone(), dead: None, stale };
        store.heartbeat(&claim.driver, now).await?;
        loop {
            match store.claim(claim.clone()).await? {
                Claimed::Yes => return Ok(true),
                Claimed::Over => return Ok(false),
                Claimed::By { driver, seen_at }
                    if claim.dead.as_ref() != Some(&driver)
                        && (is_dead(&driver) || self.is_silent(&driver, seen_at)) =>
                {
                    claim.dead = Some(driver);
                }
                // The dispatcher says that no other driver is at work.
                Claimed::By { driver, .. }
                    if handed
                        && claim.dead.as_ref() != Some(&driver)
                        && self.is_driven_one_at_a_time()
                        && self.is_handed(store, run).await? =>
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
                    let lease = seen_at.plus(LEASE).since(now);
                    let error = Error::new(ErrorKind::Store, what).with_source(Held::by(lease));
                    return Err(error.with_id(ErrorId::RUN_DRIVEN_ELSEWHERE).with_hint(hint));
                }
            }
        }
    }

    /// Returns `true` if this process has seen that a driver is silent since `seen_at`.
    fn is_silent(&self, driver: &str, seen_at: Timestamp) -> bool {
        self.supervision.here().observed().is_silent(driver, seen_at, self.world.now())
    }
}

/// Makes the error of a run that still waits for a slot.
fn still_queued(job: &Job) -> Error {
    match job.recorder.output() {
        Some(output) => queued(output),
        None => Error::new(ErrorKind::Store, "the run waits for a slot"),
    }
}

/// Closes an outbox also if its driver panics, or fails before it shows anything.
struct CloseAtEnd(Arc<Outbox>);

impl Drop for CloseAtEnd {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// The result of taking up a run.
enum Taken {
    Job(Box<Job>),
    /// The run has ended.
    Over(Box<Result<RunOutput, Error>>),
}
