//! The cost of runs, in counts that do not depend on the machine.

use crate::support::mark;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use stepwright_core::world::Clock;
use stepwright_core::{Timestamp, World};
use stepwright_engine::Workflow;

/// A clock that counts its readings.
#[derive(Clone, Default)]
struct Counted(Arc<AtomicU64>);

impl Clock for Counted {
    fn now(&self) -> Timestamp {
        Timestamp(1_780_000_000_000 + self.0.fetch_add(1, Ordering::SeqCst))
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
}

/// Returns how often a run of this many steps reads the clock.
fn readings(steps: usize) -> u64 {
    let clock = Counted::default();
    let (count, world) = (clock.0.clone(), World::new(clock, 7));
    let chain = (0..steps).fold(Workflow::builder("test"), |chain, n| {
        let name = format!("s{n}");
        chain.step(mark(&name))
    });
    let run = chain.world(world).build().unwrap().run("in");
    let output = run.now_or_never().expect("it does not wait").unwrap();
    assert_eq!(output.step_results.len(), steps);
    count.load(Ordering::SeqCst)
}

#[test]
fn a_step_reads_the_clock_once() {
    assert_eq!(readings(5) - readings(2), 3);
}
