//! Messages that their runs have not read.

use super::Tables;
use crate::id::{RunId, SessionId};
use crate::store::{Signal, StoreError};

impl Tables {
    /// Returns the messages that runs of a session ended without, in the order of the runs.
    pub(super) fn unread(&self, session: &SessionId) -> Vec<Signal> {
        let is_over = |run: &&RunId| {
            self.inboxes.contains_key(*run)
                && self
                    .runs
                    .get(*run)
                    .is_some_and(|(row, _)| row.session_id == *session && row.status.is_terminal())
        };
        let mut runs: Vec<&RunId> = self.inboxes.keys().filter(is_over).collect();
        runs.sort_by_key(|run| self.runs.get(*run).map(|(_, number)| *number));
        let open = runs.into_iter().flat_map(|run| self.open_signals(run));
        open.filter(|signal| signal.is_message()).cloned().collect()
    }

    /// Takes a signal out of an inbox, and leaves it in another one if there is `to`.
    pub(super) fn forward(
        &mut self,
        run: &RunId,
        id: &str,
        to: Option<&RunId>,
    ) -> Result<bool, StoreError> {
        if let Some(to) = to.filter(|to| !self.runs.contains_key(*to)) {
            return Err(StoreError::NotFound(format!("run `{to}`")));
        }
        let Some(inbox) = self.inboxes.get_mut(run) else { return Ok(false) };
        let place = inbox.iter().position(|letter| &*letter.id == id && !letter.done);
        let Some(place) = place else { return Ok(false) };
        let letter = inbox.remove(place);
        match (to, letter.signal) {
            (Some(to), Some(signal)) => self.submit(signal.forwarded_to(to.clone())).map(|_| true),
            _ => Ok(true),
        }
    }
}
