//! Runs that are handed out by a dispatcher which duplicates, delays, reorders and loses calls, to
//! workers that die.

use super::plans::said;
use super::store::Slow;
use super::{Outcome, Seen, Sim, check_same, undisturbed, with_seeds};
use futures_util::future::{BoxFuture, Either, select, select_all};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use stepwright_core::dispatch::{DispatchError, Dispatcher, Drive, Driven, Limits, Wake};
use stepwright_core::event::Reply;
use stepwright_core::store::Signal;
use stepwright_core::store::{Inbox as _, RunStore as _};
use stepwright_core::{Answer, RunStatus, Timestamp, World};
use stepwright_engine::Workflow;
use tokio_util::sync::CancellationToken;

/// The number of plans that are tried.
const PLANS: u64 = 2_000;

/// The time that people with a deadline have: more than enough for all that happens here.
const DEADLINE: Duration = Duration::from_mins(10);

/// The time that a run may take until something is wrong.
const TIME_MAX: Duration = Duration::from_hours(6);

/// The number of workers at a time.
const WORKERS: usize = 2;

/// The number of workers that are killed until all live on.
const KILLS_MAX: u32 = 5;

/// A dispatcher that does badly whatever it may do badly.
struct Flaky {
    world: World,
    chance: World,
    due: Mutex<BTreeMap<(Timestamp, u64), Wake>>,
    seen: Mutex<Seen>,
}

impl Flaky {
    fn saw(&self, what: &'static str) {
        self.seen.lock().unwrap().saw(what);
    }

    fn later(&self, at: Timestamp, by: u64) -> Timestamp {
        at.plus(Duration::from_millis(self.chance.chance() % by))
    }

    fn put(&self, wake: &Wake, at: Timestamp) {
        self.due.lock().unwrap().insert((at, self.chance.chance()), wake.clone());
    }

    /// Any of those that are due.
    fn take(&self) -> Option<Wake> {
        let now = self.world.now();
        let mut due = self.due.lock().unwrap();
        let ready: Vec<_> = due.keys().take_while(|(at, _)| *at <= now).copied().collect();
        let nth = usize::try_from(self.chance.chance()).unwrap().checked_rem(ready.len())?;
        if nth > 0 {
            self.saw("reordered");
        }
        due.remove(&ready[nth])
    }
}

impl Dispatcher for Flaky {
    fn wake(&self, wake: Wake) -> BoxFuture<'_, Result<(), DispatchError>> {
        let at = wake.at.unwrap_or_else(|| self.world.now());
        match self.chance.chance() % 8 {
            0 | 1 => self.saw("lost"),
            2 => {
                self.put(&wake, at);
                self.put(&wake, self.later(at, 3_000));
                self.put(&wake, self.later(at, 3_000));
                self.saw("duplicated");
            }
            3 | 4 => {
                self.put(&wake, self.later(at, 9_000));
                self.saw("delayed");
            }
            5 => {
                self.saw("refused");
                let what = "the dispatcher is away".to_owned();
                return Box::pin(async { Err(DispatchError { what, source: None }) });
            }
            _ => self.put(&wake, at),
        }
        Box::pin(async { Ok(()) })
    }

    fn serve(
        self: Arc<Self>,
        drive: Arc<dyn Drive>,
        limits: Limits,
        stop: CancellationToken,
    ) -> BoxFuture<'static, Result<(), DispatchError>> {
        Box::pin(async move {
            let mut driving = FuturesUnordered::new();
            while !stop.is_cancelled() {
                while driving.len() < limits.concurrent_runs
                    && let Some(wake) = self.take()
                {
                    let drive = drive.clone();
                    driving.push(Box::pin(async move {
                        let driven = drive.drive(&wake).await;
                        (wake, driven)
                    }));
                }
                let nap = self.world.sleep(Duration::from_millis(100));
                if driving.is_empty() {
                    nap.await;
                    continue;
                }
                if let Either::Left((Some((wake, driven)), _)) = select(driving.next(), nap).await {
                    let at = match driven {
                        Driven::WaitsUntil(at) => at,
                        Driven::Retry { after } => {
                            self.saw("driven by another");
                            self.world.now().plus(after)
                        }
                        _ => continue,
                    };
                    let _ = self.wake(Wake { at: Some(at), ..wake }).await;
                }
            }
            Ok(())
        })
    }
}

/// A run, its workers, and the people who answer.
struct Dispatched {
    sim: Sim,
    chance: World,
    flaky: Arc<Flaky>,
}

impl Dispatched {
    fn new(seed: u64) -> Self {
        let sim = hurried(seed);
        sim.log.lock().unwrap().journal = Some(sim.memory.clone());
        let (chance, its) = (World::seeded(seed ^ 0x0D15), World::seeded(seed ^ 0xF1AC));
        let (world, due, seen) = (sim.world(), Mutex::default(), Mutex::default());
        let flaky = Arc::new(Flaky { world, chance: its, due, seen });
        Self { sim, chance, flaky }
    }

    fn workflow(&self) -> Workflow {
        let world = World::new(self.sim.clock.clone(), self.chance.chance());
        let store = Slow { world: Some(world.clone()), ..Slow::quick(self.sim.memory.clone()) };
        self.sim.fresh_with(store, world, |builder| builder.dispatcher(self.flaky.clone()))
    }

    fn worker(&self) -> BoxFuture<'static, ()> {
        let workflow = self.workflow();
        Box::pin(async move { workflow.serve(CancellationToken::new()).await.unwrap() })
    }

    async fn nap(&self, at_most: u64) {
        let nap = Duration::from_millis(1 + self.chance.chance() % at_most);
        self.sim.world().sleep(nap).await;
    }

    async fn is_over(&self) -> bool {
        let row = self.sim.memory.run(&self.sim.run).await.unwrap().unwrap();
        row.status.is_terminal()
    }

    /// Answers whatever is asked, sooner or later: by leaving the answer where the run finds it, or
    /// by carrying the run on.
    async fn people(&self) {
        let client = self.workflow();
        while !self.is_over().await {
            self.nap(2_000).await;
            let facts = self.sim.facts().await;
            for asked in Sim::open(&facts) {
                let Some(answer) = said(self.sim.seed, &asked) else { continue };
                if self.chance.chance().is_multiple_of(3) {
                    // It may be too late, and hears of it then.
                    let id = asked.id.to_string();
                    let _ = client.continue_run(&self.sim.run, [(id, answer)]).await;
                    self.flaky.saw("carried on");
                } else if self.chance.chance().is_multiple_of(2) {
                    self.submit(&asked.id, answer).await;
                }
            }
        }
    }

    async fn submit(&self, id: &str, answer: Answer) {
        let reply = Reply { requirement_id: id.into(), answer, by: None, timed_out: false };
        let signal = Signal::answer(self.sim.run.clone(), reply, self.sim.world().now());
        self.sim.memory.submit(signal).await.unwrap();
    }

    /// Works until the run is over. Workers die, and others come.
    async fn workers(&self) {
        let mut workers: Vec<_> = (0..WORKERS).map(|_| self.worker()).collect();
        for _ in 0..KILLS_MAX {
            let killed = pin!(self.nap(15_000));
            if let Either::Right(_) = select(killed, select_all(&mut workers)).await {
                unreachable!("a worker works for ever");
            }
            let nth = usize::try_from(self.chance.chance()).unwrap() % WORKERS;
            workers[nth] = self.worker();
            self.flaky.saw("killed workers");
        }
        select_all(&mut workers).await;
    }

    fn run(&self) -> Outcome {
        let (sim, clock) = (&self.sim, &self.sim.clock);
        let over = clock.run(async {
            let run = self.workflow().run("in").run_id(&sim.run).session_id("s");
            let handle = run.background().await.unwrap();
            assert!(!handle.status().await.unwrap().is_terminal());
            let work = pin!(async {
                match select(pin!(self.people()), pin!(self.workers())).await {
                    Either::Left(_) => {}
                    Either::Right(_) => unreachable!("workers work for ever"),
                }
            });
            sim.world().timeout(TIME_MAX, work).await
        });
        let facts = clock.run(sim.facts());
        assert!(over.is_some(), "it does not end:\n{}", super::grammar::transcript(&facts));
        Sim::check_journal(&facts);
        let again = std::mem::take(&mut sim.log.lock().unwrap().again);
        assert!(again.is_empty(), "done again: {again:?}");
        sim.outcome(&self.workflow())
    }
}

fn hurried(seed: u64) -> Sim {
    Sim { deadline: DEADLINE, ..Sim::new(seed) }
}

#[test]
fn whatever_a_dispatcher_does_a_run_ends_as_the_undisturbed_run() {
    let seen = with_seeds(PLANS, |seed, seen| {
        let (_, expected) = undisturbed(hurried(seed));
        let dispatched = Dispatched::new(seed);
        let actual = dispatched.run();
        assert_ne!(actual.status, RunStatus::Paused);
        check_same(seed, &expected, &actual);
        seen.saw("plans");
        seen.add(&dispatched.flaky.seen.lock().unwrap());
    });
    let Some(seen) = seen else { return };
    seen.check(&[
        "lost",
        "duplicated",
        "delayed",
        "reordered",
        "refused",
        "driven by another",
        "killed workers",
        "carried on",
    ]);
}
