//! A worker: takes runs out of the queue, has them driven, and gives back what waits.

use super::statements::{self, Member, Taken};
use super::{BEAT, LEASE};
use crate::postgres::connections::{Connections, Server};
use crate::postgres::link::Link;
use crate::postgres::listen;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use stepwright_core::dispatch::{Drive, Driven, Limits, Served};
use stepwright_core::{StoreError, Timestamp, World};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_util::sync::CancellationToken;

/// The lease of drivers that are no workers, such as a person's command: that of the engine.
const DRIVER_LEASE: Duration = Duration::from_secs(10);

/// The pause between two drives of a run that waits for a moment which has just passed.
const AGAIN_MIN: Duration = Duration::from_millis(10);

/// The pause before a run is looked at again that this process drives by another way.
const UNDER_WAY: Duration = Duration::from_secs(2);

/// The first pause after an attempt that could not drive a run. Each is twice the one before.
const FAILED_FIRST: Duration = Duration::from_secs(1);

/// The longest pause after an attempt that could not drive a run.
const FAILED_MAX: Duration = Duration::from_mins(1);

/// The pause before a change of the queue is tried again that the database refused.
const RETRY: Duration = Duration::from_secs(1);

/// A task that ends with its owner.
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Serves until `stop` is cancelled, and every run that is driven then has been left.
pub(super) async fn serve(
    connections: Arc<Connections>,
    world: World,
    drive: Arc<dyn Drive>,
    limits: Limits,
    stop: CancellationToken,
) -> Result<(), StoreError> {
    let served = drive.serves();
    let texts = |of: fn(&Served) -> String| {
        let mut all: Vec<String> = served.iter().map(of).collect();
        all.sort_unstable();
        all.dedup();
        all
    };
    let queues: Vec<String> = drive.queues().iter().map(ToString::to_string).collect();
    let begins =
        |served: &&Served| queues.is_empty() || queues.iter().any(|queue| **queue == *served.queue);
    let begun = || served.iter().filter(begins);
    let member = Member {
        worker: format!("{}.{:x}", std::process::id(), world.chance()).into(),
        workflows: texts(|served| served.workflow.to_string()),
        digests: texts(|served| served.digest.to_string()),
        drivers: drive.drivers().iter().map(ToString::to_string).collect(),
        begins: (
            begun().map(|served| served.workflow.to_string()).collect(),
            begun().map(|served| served.digest.to_string()).collect(),
        ),
        queues,
    };
    let worker = Worker { connections, world, drive, stop, member: Arc::new(member) };
    worker.beat().await?;
    let beating = Task(tokio::spawn(worker.clone().keep_beating()));
    let woken = Arc::new(Notify::new());
    let _listening = Task(tokio::spawn(hear(worker.connections.clone(), woken.clone())));
    worker.work(limits.concurrent_runs.max(1), &woken).await;
    // Another sign of life would bring the worker back.
    drop(beating);
    worker.leave().await
}

#[derive(Clone)]
struct Worker {
    connections: Arc<Connections>,
    world: World,
    drive: Arc<dyn Drive>,
    stop: CancellationToken,
    member: Arc<Member>,
}

impl Worker {
    async fn beat(&self) -> Result<(), StoreError> {
        let member = self.member.clone();
        let work = async move |link: &mut Link, _| statements::beat(link, &member).await;
        self.connections.run("write to", Server::Known, work).await
    }

    async fn keep_beating(self) {
        let mut ticks = interval(BEAT);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            if let Err(error) = self.beat().await {
                let worker = &self.member.worker;
                tracing::warn!(target: "stepwright", %worker, "no sign of life: {error}");
            }
        }
    }

    /// Drives at most `most` runs at a time.
    async fn work(&self, most: usize, woken: &Notify) {
        let (ended, mut ends) = mpsc::unbounded_channel();
        let mut driven = HashSet::new();
        let mut ticks = interval(BEAT);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut pause, mut is_full, mut looks) = (BEAT, false, 0_usize);
        while !self.stop.is_cancelled() {
            let is_tick = tokio::select! {
                () = self.stop.cancelled() => break,
                Some(row) = ends.recv() => {
                    driven.remove(&row);
                    // If the queue had no more than this worker could take, nothing has changed.
                    if !std::mem::take(&mut is_full) {
                        continue;
                    }
                    false
                }
                _ = ticks.tick() => true,
                () = woken.notified() => false,
                () = sleep(pause), if pause < BEAT => false,
            };
            while let Ok(row) = ends.try_recv() {
                driven.remove(&row);
            }
            let free = most.saturating_sub(driven.len());
            if free == 0 {
                (pause, is_full) = (BEAT, true);
                continue;
            }
            looks = looks.wrapping_add(1);
            let look = self.look(free, (is_tick, looks), &driven);
            let looked = tokio::select! {
                looked = look => looked,
                // What was taken meanwhile is given back with everything else.
                () = self.stop.cancelled() => break,
            };
            let (taken, next) = looked.unwrap_or_else(|error| {
                tracing::warn!(target: "stepwright", "the queue is read again later: {error}");
                (Vec::new(), None)
            });
            is_full = taken.len() >= free;
            pause = next.unwrap_or(BEAT);
            for taken in taken {
                driven.insert(taken.row);
                tokio::spawn(self.clone().drive(taken, ended.clone()));
            }
        }
        // The program that ends this process releases its runs, and their drives end.
        while !driven.is_empty() {
            let Some(row) = ends.recv().await else { return };
            driven.remove(&row);
        }
    }

    /// Takes at most `free` runs. If there are fewer, also returns the time until the next is due.
    async fn look(
        &self,
        free: usize,
        (is_tick, nth): (bool, usize),
        driven: &HashSet<i64>,
    ) -> Result<(Vec<Taken>, Option<Duration>), StoreError> {
        let driven: Vec<i64> = driven.iter().copied().collect();
        let lease = u64::try_from(DRIVER_LEASE.as_millis()).unwrap_or(u64::MAX);
        let stale = Timestamp(self.world.wall().0.saturating_sub(lease));
        let member = self.member.clone();
        let work = async move |link: &mut Link, _| {
            let mut all = Vec::new();
            if is_tick {
                all = statements::take_left(link, &member, free, &driven).await?;
            }
            if all.len() < free {
                statements::make_ready(link).await?;
            }
            for pool in member.pools(nth) {
                if all.len() < free {
                    let more = free - all.len();
                    all.extend(statements::take(link, &member, pool, more, stale).await?);
                }
            }
            let next = if all.len() < free { statements::next(link, &member).await? } else { None };
            Ok((all, next))
        };
        self.connections.run("take runs from", Server::Known, work).await
    }

    async fn drive(self, taken: Taken, ended: mpsc::UnboundedSender<i64>) {
        let _ended = Ended(taken.row, ended);
        let driven = self.drive.drive(&taken.wake).await;
        // Until the database has heard of it, the run is this worker's, and no other drives it.
        while let Err(error) = self.settle(&taken, &driven).await {
            let run = &taken.wake.run;
            tracing::warn!(target: "stepwright", %run, "it is given back again later: {error}");
            sleep(RETRY).await;
        }
    }

    /// Tells the queue what became of a run.
    async fn settle(&self, taken: &Taken, driven: &Driven) -> Result<(), StoreError> {
        let (after, failures) = match driven {
            Driven::Done | Driven::WaitsForAnswer => {
                if self.end(taken).await? {
                    return Ok(());
                }
                self.after_failure(taken)
            }
            Driven::WaitsUntil(until) => (until.since(self.world.now()).max(AGAIN_MIN), 0),
            Driven::UnderWay => (UNDER_WAY, 0),
            Driven::Retry { after } => (*after, 0),
            Driven::WaitsForQueue { queues, until } => {
                return self.hand_over(taken, queues, *until).await;
            }
            Driven::NotMine { why } => {
                let run = &taken.wake.run;
                tracing::warn!(target: "stepwright", %run, "it is not driven here: {why}");
                self.after_failure(taken)
            }
            _ => self.after_failure(taken),
        };
        // The moment may concern any of its steps.
        let how = (after, matches!(driven, Driven::WaitsUntil(_)));
        let (member, taken) = (self.member.clone(), taken.clone());
        let work = async move |link: &mut Link, _| {
            statements::give_back(link, &member.worker, &taken, failures, how).await
        };
        self.connections.run("give a run back to", Server::Known, work).await
    }

    async fn hand_over(
        &self,
        taken: &Taken,
        queues: &[Arc<str>],
        until: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        let queues: Vec<String> = queues.iter().map(ToString::to_string).collect();
        let until = until.map(|until| until.since(self.world.now()));
        let (member, taken) = (self.member.clone(), taken.clone());
        let work = async move |link: &mut Link, _| {
            statements::hand_over(link, &member.worker, &taken, &queues, until).await
        };
        self.connections.run("hand a run over in", Server::Known, work).await
    }

    async fn end(&self, taken: &Taken) -> Result<bool, StoreError> {
        let (member, taken) = (self.member.clone(), taken.clone());
        let work =
            async move |link: &mut Link, _| statements::end(link, &member.worker, &taken).await;
        self.connections.run("write to", Server::Known, work).await
    }

    /// Returns the pause before a run that was not driven is tried again, and the number of such
    /// attempts. A worker that stops leaves its runs to others at once.
    fn after_failure(&self, taken: &Taken) -> (Duration, i32) {
        if self.stop.is_cancelled() {
            return (Duration::ZERO, 0);
        }
        let doublings = u32::try_from(taken.failures.clamp(0, 16)).unwrap_or_default();
        let pause = FAILED_FIRST.saturating_mul(1 << doublings).min(FAILED_MAX);
        (pause, taken.failures.saturating_add(1))
    }

    async fn leave(&self) -> Result<(), StoreError> {
        let member = self.member.clone();
        let work = async move |link: &mut Link, _| {
            statements::leave(link, &member.worker).await?;
            statements::forget(link).await
        };
        self.connections.run("write to", Server::Known, work).await
    }
}

/// Says that a run is no longer driven, also after a panic.
struct Ended(i64, mpsc::UnboundedSender<i64>);

impl Drop for Ended {
    fn drop(&mut self) {
        // Without a receiver, the worker has been dropped.
        let _ = self.1.send(self.0);
    }
}

/// Wakes the worker when a run is queued. While nothing can be heard, it looks once a second.
async fn hear(connections: Arc<Connections>, woken: Arc<Notify>) {
    let channel = connections.target.channels.queue.clone();
    loop {
        match listen::connect(&connections.target, &[&*channel]).await {
            Ok(mut listener) => {
                woken.notify_one();
                while let Ok(Some(_)) = listener.try_recv().await {
                    woken.notify_one();
                }
            }
            Err(error) => {
                let database = &connections.target.shown;
                tracing::debug!(database, %error, "cannot listen to it");
            }
        }
        sleep(RETRY).await;
    }
}

/// A worker is taken for dead only after several signs of life were missed, and its runs are taken
/// over within five seconds.
const _: () = assert!(LEASE.as_secs() >= 3 * BEAT.as_secs());
const _: () = assert!(LEASE.as_secs() + BEAT.as_secs() <= 5);
