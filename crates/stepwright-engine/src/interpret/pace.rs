//! The pace at which the items of a map begin.

use super::halt::{Halt, unless_stopped};
use super::review::question;
use crate::effects::{Effects, Stop};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use stepwright_core::event::ContainerKind;
use stepwright_core::plan::Rate;
use stepwright_core::requirement::RequirementKind;
use stepwright_core::{OnTimeout, Requirement, StepPath, Timestamp};

/// The longest wait that is not in the journal, in milliseconds. A longer one is a timer that
/// survives the process, and during which the run may be left.
const SHORT_WAIT_MS: u64 = 1_000;

/// Gives each item the time at which it may begin.
pub(super) struct Pace {
    interval_ms: u64,
    /// The time at which the next item may begin.
    next: Mutex<Option<Timestamp>>,
}

impl Pace {
    pub(super) fn new(rate: Rate) -> Self {
        Self { interval_ms: rate.interval_ms(), next: Mutex::new(None) }
    }

    /// Returns the time at which an item may begin, and notes that the next one begins later.
    fn reserve(&self, known: Option<Timestamp>, now: Timestamp) -> Timestamp {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let due = known.unwrap_or_else(|| next.map_or(now, |next| next.max(now)));
        let after = due.plus(Duration::from_millis(self.interval_ms));
        *next = Some(next.map_or(after, |next| next.max(after)));
        due
    }

    /// Waits until the item at `turn` may begin. An item that began before the run was resumed does
    /// not wait again.
    pub(super) async fn wait<E: Effects>(
        &self,
        fx: &E,
        turn: &StepPath,
        halt: &Halt,
    ) -> Result<(), Stop> {
        let facts = fx.facts();
        let id = question(turn, "rate", 1);
        let now = facts.now();
        if facts.has_noted(turn, ContainerKind::Item.started()) {
            // It may have begun just before the process died.
            self.reserve(Some(now), now);
            return Ok(());
        }
        let due = self.reserve(facts.asked(&id).and_then(|asked| asked.due), now);
        let wait = due.since(now);
        if wait.is_zero() {
            return Ok(());
        }
        if wait.as_millis() <= u128::from(SHORT_WAIT_MS) && facts.asked(&id).is_none() {
            return unless_stopped!(*halt, false, async {
                facts.sleep(due).await;
                Ok(())
            });
        }
        let timer = Requirement {
            id,
            path: turn.clone(),
            kind: RequirementKind::Sleep,
            message: "".into(),
            due: Some(due),
            on_timeout: OnTimeout::default(),
        };
        unless_stopped!(*halt, false, facts.ask(timer, None)).map(drop)
    }
}
