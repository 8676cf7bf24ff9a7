//! Servers with schedules on one store and one virtual clock.

use std::sync::Arc;
use std::time::Duration;
use stepwright_core::dispatch::{DispatchError, Dispatcher, Drive, Limits, Wake};
use stepwright_core::store::{Leases as _, RunFilter, RunRow, RunStore as _, ValueChange};
use stepwright_core::world::VirtualClock;
use stepwright_core::{AnyStore, BoxFuture, Memory, RunStatus, Timestamp, World};
use stepwright_engine::Workflow;
use stepwright_triggers::{Schedule, Scheduler, StoredSchedule, Timetable};
use tokio_util::sync::CancellationToken;

/// A dispatcher that leaves the runs where they are, so that each test ends them when it wants.
struct Parked;

impl Dispatcher for Parked {
    fn wake(&self, _: Wake) -> BoxFuture<'_, Result<(), DispatchError>> {
        Box::pin(async { Ok(()) })
    }

    fn serve(
        self: Arc<Self>,
        _: Arc<dyn Drive>,
        _: Limits,
        stop: CancellationToken,
    ) -> BoxFuture<'static, Result<(), DispatchError>> {
        Box::pin(async move {
            stop.cancelled().await;
            Ok(())
        })
    }
}

/// A store and a clock that several servers share.
pub(crate) struct Place {
    pub(crate) clock: VirtualClock,
    pub(crate) memory: Memory,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self { clock: VirtualClock::default(), memory: Memory::default() }
    }

    pub(crate) fn world(&self, seed: u64) -> World {
        World::new(self.clock.clone(), seed)
    }

    pub(crate) fn store(&self) -> AnyStore {
        AnyStore::new(self.memory.clone())
    }

    pub(crate) fn workflow(&self, seed: u64) -> Workflow {
        self.workflow_on(self.store(), seed)
    }

    pub(crate) fn workflow_on(&self, store: AnyStore, seed: u64) -> Workflow {
        async fn told(input: String) -> String {
            input
        }
        let builder = Workflow::builder("digest").store(store).world(self.world(seed));
        builder.dispatcher(Arc::new(Parked)).step(told).build().unwrap()
    }

    /// Returns the scheduler of a server.
    pub(crate) fn server(&self, seed: u64, schedule: Schedule) -> Scheduler {
        Scheduler::new(self.store(), self.world(seed)).add(&self.workflow(seed), schedule)
    }

    /// Lets the time pass.
    pub(crate) fn pass(&self, time: Duration) {
        self.clock.run(self.world(0).sleep(time));
    }

    /// Lets a server look again and again for as long as this.
    pub(crate) fn serve(&self, server: &Scheduler, time: Duration) {
        let until = self.now().plus(time);
        while self.now() < until {
            self.clock.run(server.look()).unwrap();
            self.pass(Duration::from_secs(1));
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.world(0).wall()
    }

    /// Returns the runs, the oldest first.
    pub(crate) fn runs(&self) -> Vec<RunRow> {
        let mut rows = self.clock.run(self.memory.runs(RunFilter::default())).unwrap();
        rows.reverse();
        rows
    }

    /// Returns the ids of the runs, the oldest first.
    pub(crate) fn ids(&self) -> Vec<String> {
        self.runs().iter().map(|row| row.run_id.to_string()).collect()
    }

    /// Drives all runs to their ends.
    pub(crate) fn end_runs(&self) {
        let workflow = self.workflow(99);
        for row in self.runs() {
            if !row.status.is_terminal() {
                let _ = self.clock.run(workflow.resume(&row.run_id));
            }
        }
        let all_ended = self.runs().iter().all(|row| row.status.is_terminal());
        assert!(all_ended, "{:?}", self.runs());
    }

    /// Stores a schedule or a webhook that cannot be read.
    pub(crate) fn damage(&self, kind: &str, id: &str) {
        let value = Some("{}".into());
        let change =
            ValueChange { kind: kind.into(), key: id.into(), value, seen: None, version: 1 };
        assert!(self.clock.run(self.store().change_value(change)).unwrap());
    }

    pub(crate) fn statuses(&self) -> Vec<RunStatus> {
        self.runs().iter().map(|row| row.status).collect()
    }

    pub(crate) fn stored(&self, server: &Scheduler) -> StoredSchedule {
        self.clock.run(server.schedules().list()).unwrap().remove(0)
    }
}

pub(crate) fn hourly() -> Schedule {
    every(Duration::from_hours(1))
}

pub(crate) fn every(step: Duration) -> Schedule {
    Schedule::new("often", Timetable::every(step).unwrap()).unwrap().input("news")
}
