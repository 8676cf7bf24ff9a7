//! Waits for events from outside: their entries beside the runs.

use super::Recorder;
use crate::stop::Stop;
use crate::waits::{WaitEntry, WaitIndex};
use std::sync::Arc;
use stepwright_core::requirement::RequirementKind;
use stepwright_core::{ErrorId, Requirement, StepError};

impl Recorder {
    /// Makes senders find this wait. Does nothing for other requests.
    pub(super) async fn expect_event(&self, asked: &Requirement) -> Result<(), Stop> {
        let RequirementKind::Event { name, key, .. } = &asked.kind else { return Ok(()) };
        if self.settings.secrets.redacted(asked.kind.clone()) != asked.kind {
            let what = format!("the wait for `{name}` has the value of a secret");
            let secret = StepError::terminal(what).with_id(ErrorId::WAIT_INVALID);
            let hint = "use no secret in its key and its condition: they are stored and shown";
            return Err(Stop::failed(&asked.path, secret.with_hint(hint), 1));
        }
        let (Some(index), entry) = (self.wait_index(), self.wait_entry(asked)) else {
            return Ok(());
        };
        index.put(name, key.as_deref(), &entry).await.map_err(|error| Stop::Lost(Arc::new(error)))
    }

    /// Removes the entry of a wait that is over. One that stays is removed by the next sender.
    pub(super) async fn forget_event(&self, asked: &Requirement) {
        let RequirementKind::Event { name, key, .. } = &asked.kind else { return };
        let Some(index) = self.wait_index() else { return };
        if let Err(error) = index.remove(name, key.as_deref(), &self.wait_entry(asked)).await {
            tracing::debug!(target: "stepwright", "the entry of a wait stays: {error}");
        }
    }

    /// Removes the entries of all waits of a run that is about to end.
    pub(crate) async fn forget_events(&self) {
        for asked in self.pending.events() {
            self.forget_event(&asked).await;
        }
    }

    fn wait_index(&self) -> Option<WaitIndex<'_>> {
        let store = self.store()?;
        Some(WaitIndex { store, world: self.clock.world() })
    }

    fn wait_entry(&self, asked: &Requirement) -> WaitEntry {
        WaitEntry { run: self.run_id().clone(), asked: asked.id.clone() }
    }
}
