//! Drivers of runs, and the runs that need one.

use super::Tables;
use crate::id::WorkflowId;
use crate::status::RunStatus;
use crate::store::{Claim, Claimed, Heard, RunRow, SeenDriver, Waiting, WaitingFilter};
use crate::world::Timestamp;
use std::collections::BTreeMap;
use std::sync::Arc;

impl Tables {
    pub(super) fn claim(&mut self, claim: Claim) -> Claimed {
        let Some((row, _)) = self.runs.get_mut(&claim.run) else { return Claimed::Over };
        if row.status.is_terminal() {
            return Claimed::Over;
        }
        if let Some(driver) = &row.driver
            && *driver != claim.driver
            && Some(driver) != claim.dead.as_ref()
        {
            let seen_at = self.drivers.get(driver).copied().unwrap_or(row.created_at);
            if seen_at >= claim.stale {
                return Claimed::By { driver: driver.clone(), seen_at };
            }
        }
        row.drive(Some(claim.driver));
        Claimed::Yes
    }

    pub(super) fn heartbeat(&mut self, driver: &str, now: Timestamp) -> Heard {
        self.drivers.insert(driver.into(), now);
        let driven = self.runs.values().filter(|(row, _)| row.driver.as_deref() == Some(driver));
        let signals = driven.flat_map(|(row, _)| self.open_signals(&row.run_id)).cloned();
        Heard { signals: signals.collect(), damaged: Vec::new() }
    }

    pub(super) fn drivers(&self, workflow: &WorkflowId) -> Vec<SeenDriver> {
        let mut drivers = BTreeMap::<Arc<str>, Timestamp>::new();
        let rows = self.runs.values().map(|(row, _)| row);
        for row in rows.filter(|row| row.workflow_id == *workflow && is_under_way(row)) {
            let Some(driver) = &row.driver else { continue };
            let seen_at = self.drivers.get(driver).copied().unwrap_or(row.created_at);
            let newest = drivers.entry(driver.clone()).or_insert(seen_at);
            *newest = seen_at.max(*newest);
        }
        drivers.into_iter().map(|(driver, seen_at)| SeenDriver { driver, seen_at }).collect()
    }

    pub(super) fn waiting(&self, filter: &WaitingFilter) -> Waiting {
        // The numbers of runs grow in the order in which they began.
        let place = |number: u64| number + 1;
        let found =
            self.order.iter().filter_map(|run| self.runs.get(run)).filter(|(row, number)| {
                row.workflow_id == filter.workflow
                    && place(*number) > filter.after
                    && self.is_waiting(row, filter)
            });
        let (runs, places): (Vec<_>, Vec<_>) =
            found.take(filter.limit).map(|(row, number)| (row.clone(), place(*number))).unzip();
        let next = places.last().copied().filter(|_| places.len() == filter.limit);
        Waiting { runs, damaged: Vec::new(), next }
    }

    fn is_waiting(&self, row: &RunRow, filter: &WaitingFilter) -> bool {
        match row.status {
            RunStatus::Paused => {
                row.wake_at.is_some_and(|at| at <= filter.now)
                    || self.open_signals(&row.run_id).any(|signal| !signal.is_message())
            }
            _ if !is_under_way(row) => false,
            _ => row.driver.as_ref().is_none_or(|driver| !filter.alive.contains(driver)),
        }
    }
}

fn is_under_way(row: &RunRow) -> bool {
    row.background && matches!(row.status, RunStatus::Running | RunStatus::Pending)
}
