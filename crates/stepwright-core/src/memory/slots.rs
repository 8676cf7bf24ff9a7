//! The slots of a store in memory.

use super::Tables;
use crate::store::{Entered, FirstClaim, HeldSlot, Queued, SlotClaim, SlotEntry};
use crate::world::Timestamp;
use std::sync::Arc;

/// The entries, in the order of their places.
#[derive(Debug, Default)]
pub(super) struct Slots {
    entries: Vec<Entry>,
    next: i64,
}

#[derive(Debug)]
struct Entry {
    place: i64,
    scope: Arc<str>,
    holder: Arc<str>,
    driver: Arc<str>,
    held: bool,
    at: Timestamp,
    /// The time until which it is the first of its scope.
    until: Option<Timestamp>,
}

impl Slots {
    fn add(
        &mut self,
        scope: &Arc<str>,
        (holder, driver): (&Arc<str>, &Arc<str>),
        at: Timestamp,
    ) -> &mut Entry {
        let (scope, holder, driver) = (scope.clone(), holder.clone(), driver.clone());
        let place = self.next;
        self.next += 1;
        self.entries.push(Entry { place, scope, holder, driver, held: false, at, until: None });
        let last = self.entries.len() - 1;
        &mut self.entries[last]
    }

    pub(super) fn leave(&mut self, scope: &str, holder: &str) {
        self.entries.retain(|entry| *entry.scope != *scope || *entry.holder != *holder);
    }

    /// Removes the entries of the holders that do not stay. A key of which one run may begin holds
    /// for its time, without the name of the run.
    pub(super) fn forget(&mut self, stays: impl Fn(&str) -> bool) {
        self.entries.retain(|entry| entry.until.is_some() || stays(&entry.holder));
        for entry in self.entries.iter_mut().filter(|entry| !stays(&entry.holder)) {
            entry.holder = "".into();
        }
    }

    pub(super) fn of(&self, holder: &str) -> Vec<HeldSlot> {
        let held = self.entries.iter().filter(|entry| entry.held && *entry.holder == *holder);
        let held = held.map(|entry| HeldSlot {
            scope: entry.scope.clone(),
            holder: entry.holder.clone(),
            at: entry.at,
            until: entry.until,
        });
        held.collect()
    }

    pub(super) fn queued(&self) -> Vec<Queued> {
        let waits = |entry: &&Entry| !entry.held && entry.until.is_none();
        let waiting: Vec<&Entry> = self.entries.iter().filter(waits).collect();
        let queued = waiting.iter().map(|entry| {
            let before = |other: &&&Entry| other.scope == entry.scope && other.place < entry.place;
            Queued {
                holder: entry.holder.clone(),
                scope: entry.scope.clone(),
                ahead: waiting.iter().filter(before).count() as u64,
            }
        });
        queued.collect()
    }
}

impl Tables {
    /// Returns the entries of a scope, with the states of their runs.
    fn entries(&self, scope: &str) -> Vec<SlotEntry> {
        let entries = self.slots.entries.iter().filter(|entry| *entry.scope == *scope);
        let entries = entries.map(|entry| {
            let run = self.runs.iter().find(|(run, _)| run.as_str() == &*entry.holder);
            let run = run.map(|(_, (row, _))| (row.status, row.driver.clone()));
            let driver = match &run {
                Some((_, driver)) => driver.as_ref(),
                None => Some(&entry.driver),
            };
            let seen_at = driver.and_then(|driver| self.drivers.get(driver)).copied();
            let seen_at = seen_at.unwrap_or(entry.at);
            SlotEntry {
                place: entry.place,
                holder: entry.holder.clone(),
                driver: entry.driver.clone(),
                held: entry.held,
                run,
                seen_at,
            }
        });
        entries.collect()
    }

    pub(super) fn enter(&mut self, claim: &SlotClaim) -> Entered {
        let changes = claim.judge(&self.entries(&claim.scope));
        let slots = &mut self.slots;
        slots.entries.retain(|entry| !changes.remove.contains(&entry.place));
        for entry in &mut slots.entries {
            entry.held &= !changes.lose.contains(&entry.place);
        }
        let own = slots.entries.iter().position(|entry| Some(entry.place) == changes.own);
        let own = match own {
            Some(own) => &mut slots.entries[own],
            None => slots.add(&claim.scope, (&claim.holder, &claim.driver), claim.at),
        };
        own.driver = claim.driver.clone();
        own.held = changes.answer == Entered::Held;
        changes.answer
    }

    pub(super) fn first(&mut self, claim: &FirstClaim) -> Option<Arc<str>> {
        let is_past = |until: Timestamp| until <= claim.at;
        self.slots.entries.retain(|entry| !entry.until.is_some_and(is_past));
        let (first, remove) = claim.judge(&self.entries(&claim.scope));
        self.slots.entries.retain(|entry| !remove.contains(&entry.place));
        let other = first.filter(|first| first.is_empty() || *first != claim.holder);
        if other.is_none() {
            self.slots.leave(&claim.scope, &claim.holder);
            let own = self.slots.add(&claim.scope, (&claim.holder, &claim.driver), claim.at);
            (own.held, own.until) = (true, Some(claim.until));
        }
        other
    }
}
