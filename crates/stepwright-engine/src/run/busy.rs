//! Runs that begin while others are under way: the limits of their workflow.

use super::RunHandle;
use super::builder::Prepared;
use super::remote::RemoteFollower;
use crate::journal::load_after;
use crate::outbox::Outbox;
use crate::runner::{Admission, HEARTBEAT, Runner, is_dead};
use crate::runs::Sent;
use std::sync::Arc;
use std::time::Duration;
use stepwright_core::event::WorkflowStarted;
use stepwright_core::store::{Signal, Watched};
use stepwright_core::{AnyStore, Error, ErrorKind, RunId, RunOutput, RunStatus};
use tokio::runtime::Handle;

/// The time after which a run is looked for again that has its slot, and has not begun.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

impl Prepared {
    /// Returns `true` if the workflow limits its runs.
    pub(super) fn is_limited(&self) -> bool {
        !self.workflow.definition().limits.is_empty()
    }

    /// Checks that the limits of the workflow let the run begin. Returns the run of its session
    /// that has got its input instead.
    pub(super) async fn admit(&mut self) -> Result<Option<RunId>, Error> {
        if !self.is_limited() {
            return Ok(None);
        }
        // Boxed, because few workflows limit their runs.
        Ok(Box::pin(self.admitted()).await?.map(|sent| sent.run_id))
    }

    async fn admitted(&mut self) -> Result<Option<Sent>, Error> {
        let Self { job, run, workflow, .. } = self;
        let Some(store) = job.recorder.store().cloned() else { return Ok(None) };
        let runner = workflow.runner();
        // The process renews its lease, and passes requests to cancel, while the run waits.
        runner.supervise();
        loop {
            let held = (runner.clone(), store.clone(), run.clone(), job.started.clone());
            let mut entering = Entering(Some(held));
            let admission = runner.admit(&store, run, &job.started).await;
            entering.0 = None;
            let (other, mode) = match admission? {
                Admission::Slot(slot) => {
                    job.slot = slot.map(Box::new);
                    return Ok(None);
                }
                Admission::Busy(other, mode) => (other, mode),
            };
            let text = job.started.input.content.pretty().into_owned();
            let by = job.started.user_id.as_ref().map(|user| user.as_str().to_owned());
            let message = workflow.send(&other, text).mode(mode);
            let message = match by {
                Some(by) => message.by(by),
                None => message,
            };
            match message.await {
                // It ended just now, so that this run may begin after all.
                Ok(sent) if sent.is_for_next_run => {
                    if !take_back(&store, &sent).await? {
                        return Ok(Some(sent));
                    }
                }
                Ok(sent) => return Ok(Some(sent)),
                // It has its slot, and has not begun.
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    runner.world.sleep(LOOK_AGAIN).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Checks that the limits of the workflow let the run begin. If another run of its session gets
    /// its input instead, waits until that run has read it and ends or waits, and returns its
    /// output.
    pub(super) async fn admit_or_join(
        &mut self,
        outbox: Option<Arc<Outbox>>,
    ) -> Result<Option<Result<RunOutput, Error>>, Error> {
        while let Some(sent) = self.admitted().await? {
            let other = &sent.run_id;
            let runs = self.workflow.runner().reader(other)?;
            let from = runs.load(other).await?.fold().next_sequence();
            if !self.is_read(runs.store(), &sent, from).await? {
                continue;
            }
            let mut beside = RemoteFollower::new(&runs, other, outbox, Some(from));
            let handle = RunHandle::new(self.workflow.clone(), other.clone());
            let settled = beside.wait(handle.settled()).await;
            beside.left();
            return Ok(Some(settled));
        }
        Ok(None)
    }

    /// Waits until an agent of the other run has got the message, or until that run pauses. Returns
    /// `false` if it ended without, or its process died: then the message is taken back.
    async fn is_read(&self, store: &AnyStore, sent: &Sent, from: u64) -> Result<bool, Error> {
        let (run, world) = (&sent.run_id, &self.workflow.runner().world);
        let signal = Signal::message_id(&sent.id);
        let mut next = from;
        loop {
            let changed = store.changed(Watched::Facts(run.clone()));
            let facts = load_after(store, run, next).await?;
            next += facts.len() as u64;
            if facts.iter().any(|fact| Signal::settled_by(&fact.kind).as_ref() == Some(&signal)) {
                return Ok(true);
            }
            let Some(row) = store.run(run).await? else { return Ok(false) };
            let is_left = match row.status {
                RunStatus::Paused => return Ok(true),
                RunStatus::Pending | RunStatus::Running => {
                    row.driver.as_deref().is_some_and(is_dead)
                }
                _ => true,
            };
            if is_left {
                return Ok(!take_back(store, sent).await?);
            }
            // If the driver dies, the store reports no change.
            let _ = world.timeout(HEARTBEAT, changed).await;
        }
    }
}

/// A run that is being admitted. If its future is dropped meanwhile, its entries would keep other
/// runs from beginning as long as this process lives, so they are removed. A run that was refused
/// has none, and its id may be used again at once.
struct Entering(Option<(Arc<Runner>, AnyStore, RunId, Arc<WorkflowStarted>)>);

impl Drop for Entering {
    fn drop(&mut self) {
        let Some((runner, store, run, started)) = self.0.take() else { return };
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move { runner.leave_slots(&store, &run, &started).await });
        }
    }
}

/// Takes back a message that no agent has got. Returns `false` if one has.
async fn take_back(store: &AnyStore, sent: &Sent) -> Result<bool, Error> {
    Ok(store.forward(&sent.run_id, &Signal::message_id(&sent.id), None).await?)
}
