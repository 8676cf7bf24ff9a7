//! Ends what this process drives.

use super::{Dispatching, Runner};
use crate::local::{Local, LocalRun};
use std::sync::Arc;
use std::time::Duration;
use stepwright_core::{Error, ErrorId, ErrorKind, RunId};

/// The longest wait for a run that was told to end. A run ends at once unless its store is slow, or
/// the caller that awaits it does not poll it.
pub(crate) const SHUTDOWN_GRACE: Duration = Duration::from_secs(10);

/// The interval at which runs are told to end again. A driver that has just claimed a run can be
/// told only when it begins to walk.
const AGAIN: Duration = Duration::from_millis(20);

fn is_stored(local: &Local) -> bool {
    local.recorder().is_some_and(|recorder| recorder.store().is_some())
}

impl Runner {
    /// Accepts no more runs, waits for those of this process, and ends those that take longer.
    pub(crate) async fn shut_down(self: &Arc<Self>, patience: Duration) -> Result<(), Error> {
        let local = self.local();
        local.close();
        if !patience.is_zero() {
            let ended = async {
                loop {
                    let left = local.next_left();
                    if local.is_empty() {
                        return;
                    }
                    left.await;
                }
            };
            self.world.timeout(patience, ended).await;
        }
        let end = self.world.now().plus(SHUTDOWN_GRACE);
        loop {
            let left = local.next_left();
            self.tell_to_end().await?;
            if local.is_empty() {
                break;
            }
            if self.world.now() >= end {
                self.stop_tasks().await;
                return Err(self.still_there());
            }
            self.world.timeout(AGAIN, left).await;
        }
        self.stop_tasks().await;
        Ok(())
    }

    /// Leaves the runs that a store has, so that they can be resumed, and cancels the others.
    async fn tell_to_end(&self) -> Result<(), Error> {
        for (run, local) in self.local().all() {
            if !self.has_store() {
                local.cancel();
                continue;
            }
            match &local.run {
                LocalRun::Queued { .. } => {
                    if self.local().remove_queued(&run)
                        && let Some(store) = self.remembering()
                    {
                        store.release(&run, self.driver_name()).await?;
                    }
                }
                LocalRun::Claimed { .. } => {}
                LocalRun::Driving(_) if local.waiters.is_some() || is_stored(&local) => {
                    local.release();
                }
                LocalRun::Driving(_) => local.cancel(),
            }
        }
        Ok(())
    }

    /// Stops the dispatcher and the supervisor of this process.
    async fn stop_tasks(&self) {
        if let Dispatching::Local(dispatcher) = &self.dispatching {
            dispatcher.here().stop().await;
        }
        self.supervision.here().stop().await;
    }

    fn still_there(&self) -> Error {
        let runs = self.local().all();
        let ids: Vec<RunId> = runs.into_iter().map(|(run, _)| run).collect();
        let shown: Vec<String> = ids.iter().take(5).map(|run| format!("`{run}`")).collect();
        let more = if ids.len() > shown.len() { ", …" } else { "" };
        let many = ids.len();
        let what = match many {
            1 => format!("run {} has not ended", shown[0]),
            _ => format!("{many} runs have not ended: {}{more}", shown.join(", ")),
        };
        Error::new(ErrorKind::Run, what)
            .with_id(ErrorId::WORKFLOW_SHUT_DOWN)
            .with_hint("a run that the program awaits ends only while it is polled")
    }
}
