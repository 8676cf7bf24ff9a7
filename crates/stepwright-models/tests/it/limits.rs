//! Limits of models in the time of a virtual clock.

use futures_util::StreamExt as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use stepwright_core::World;
use stepwright_core::model::{
    AnyModel, Model as _, ModelError, ModelErrorKind, ModelEvent, ModelRequest, ModelStream, Quota,
    QuotaLeft, RequestGate,
};
use stepwright_core::world::VirtualClock;
use stepwright_models::{Fallback, ModelLimits, close, limit, note_quota, slot, throttled};
use stepwright_testing::model::{Reply, ScriptedModel};

/// Sends so many requests one after the other, and returns the seconds at which each was sent.
fn sent(model: &str, requests: usize, tokens: u64) -> Vec<u64> {
    let clock = VirtualClock::default();
    let world = World::new(clock.clone(), 7);
    clock.run(async {
        let begin = world.now();
        let mut times = Vec::new();
        for _ in 0..requests {
            let slot = slot(model, tokens, &world, None, |_| {}).await;
            times.push(world.now().since(begin).as_secs());
            drop(slot);
            world.sleep(Duration::from_secs(1)).await;
        }
        times
    })
}

#[test]
fn a_minute_has_so_many_requests() {
    let limits = ModelLimits { per_minute: Some(2), ..ModelLimits::default() };
    limit("limits-a:one", limits);
    assert_eq!(sent("limits-a:one", 5, 0), [0, 1, 60, 61, 120]);
    assert_eq!(sent("limits-a:other", 5, 0), [0, 1, 2, 3, 4]);
}

#[test]
fn a_minute_has_so_many_tokens_and_a_request_that_is_larger_goes_alone() {
    let limits = ModelLimits { tokens_per_minute: Some(250), ..ModelLimits::default() };
    limit("limits-b:*", limits);
    assert_eq!(sent("limits-b:one", 4, 100), [0, 1, 60, 61]);
    let limits = ModelLimits { tokens_per_minute: Some(250), ..ModelLimits::default() };
    limit("limits-c:one", limits);
    assert_eq!(sent("limits-c:one", 3, 900), [0, 60, 120]);
}

#[test]
fn the_strictest_of_several_limits_holds() {
    for per_minute in [3, 1, 2] {
        let limits = ModelLimits { per_minute: Some(per_minute), ..ModelLimits::default() };
        limit("limits-d:one", limits);
    }
    assert_eq!(sent("limits-d:one", 2, 0), [0, 60]);
}

#[test]
fn no_request_is_sent_before_the_provider_wants_one() {
    limit("limits-e:one", ModelLimits { concurrency: Some(9), ..ModelLimits::default() });
    let clock = VirtualClock::default();
    let world = World::new(clock.clone(), 7);
    let waited = clock.run(async {
        let begin = world.now();
        close("limits-e:one", Duration::from_secs(30), &world, None);
        let mut told = 0;
        let tell = |is_first| told += u32::from(is_first);
        drop(slot("limits-e:one", 0, &world, None, tell).await);
        (world.now().since(begin).as_secs(), told)
    });
    assert_eq!(waited, (30, 1));
}

#[test]
fn no_request_goes_where_the_provider_has_said_that_nothing_is_left() {
    let clock = VirtualClock::default();
    let world = World::new(clock.clone(), 7);
    let times = clock.run(async {
        let begin = world.now();
        let left = |left, seconds| Some(QuotaLeft { left, reset: Duration::from_secs(seconds) });
        let mut times = Vec::new();
        let mut send = async |tokens| {
            drop(slot("limits-f:one", tokens, &world, None, |_| {}).await);
            times.push(world.now().since(begin).as_secs());
        };
        note_quota("limits-f:one", &Quota { requests: left(2, 20), tokens: None }, &world, None);
        for _ in 0..3 {
            send(10).await;
        }
        note_quota("limits-f:one", &Quota { requests: None, tokens: left(100, 30) }, &world, None);
        for _ in 0..2 {
            send(60).await;
        }
        times
    });
    assert_eq!(times, [0, 0, 20, 20, 50]);
}

/// A gate that tells what passes.
struct Gate(World, Arc<Mutex<Vec<String>>>);

impl RequestGate for Gate {
    fn pass(&self, model: &str, _: &ModelRequest, answer: ModelStream) -> ModelStream {
        let (told, name) = (self.1.clone(), model.to_owned());
        let waits = move |is_first| {
            if is_first {
                told.lock().unwrap().push(format!("{name} waits"));
            }
        };
        throttled(model, 0, (&self.0, None), waits, answer)
    }
    fn failed(&self, model: &str, error: &ModelError) {
        self.1.lock().unwrap().push(format!("{model}: {error}"));
    }
}

#[test]
fn each_model_of_a_chain_waits_for_its_own_limits() {
    let clock = VirtualClock::default();
    let world = World::new(clock.clone(), 7);
    let down = || Reply::from(ModelError::new(ModelErrorKind::Overloaded, "too busy"));
    limit("scripted:limits-second", ModelLimits { concurrency: Some(1), ..ModelLimits::default() });
    let chain = || {
        let first = ScriptedModel::new([down()]).named("limits-first");
        let second = ScriptedModel::new(["hello"]).named("limits-second");
        Fallback::new(AnyModel::new(first), [AnyModel::new(second)])
    };
    let told = Arc::default();
    let gate = Arc::new(Gate(world.clone(), Arc::clone(&told)));
    clock.run(async {
        let held = slot("scripted:limits-second", 0, &world, None, |_| {}).await;
        let begin = world.now();
        let answering = chain().stream_through(ModelRequest::default(), gate.clone());
        let answering = answering.collect::<Vec<_>>();
        let freeing = async {
            world.sleep(Duration::from_secs(5)).await;
            drop(held);
        };
        let (events, ()) = futures_util::future::join(answering, freeing).await;
        assert!(matches!(events.last(), Some(Ok(ModelEvent::Done(_)))), "{events:?}");
        // While it waits, the stream gives signs of life.
        assert!(events.iter().filter(|e| matches!(e, Ok(ModelEvent::Heartbeat))).count() >= 4);
        assert_eq!(world.now().since(begin), Duration::from_secs(5));
    });
    let told = told.lock().unwrap();
    assert_eq!(*told, ["scripted:limits-first: too busy", "scripted:limits-second waits"]);
}

mod shared {
    //! Limits over all processes of a store. Two drivers stand for two processes.

    use super::*;
    use stepwright_core::store::{Leases as _, RequestLimits, RequestTurn, SharedRequests};
    use stepwright_core::{AnyStore, Memory};
    use stepwright_models::LimitScope;

    fn process(store: &Memory, world: &World, driver: &str) -> SharedRequests {
        let is_dead = |driver: &str| driver == "dead";
        let lease = Duration::from_secs(10);
        SharedRequests::new(
            AnyStore::new(store.clone()),
            driver.into(),
            lease,
            is_dead,
            world.clone(),
        )
    }

    async fn seen(store: &Memory, world: &World, drivers: &[&str]) {
        for driver in drivers {
            store.heartbeat(driver, world.wall()).await.unwrap();
        }
    }

    #[test]
    fn a_request_waits_for_those_of_another_process_and_not_for_those_of_a_dead_one() {
        let clock = VirtualClock::default();
        let (world, store) = (World::new(clock.clone(), 7), Memory::default());
        // More in each process than in all of them.
        limit("limits-s1:one", ModelLimits { concurrency: Some(1), ..ModelLimits::default() });
        clock.run(async {
            let (a, dead) = (process(&store, &world, "a"), process(&store, &world, "dead"));
            seen(&store, &world, &["a", "dead"]).await;
            let lost = dead.begin(
                "model:limits-s1:one",
                "dead#1",
                RequestLimits { concurrency: Some(1), ..Default::default() },
                0,
            );
            lost.await.unwrap();
            let begun = world.now();
            let held = slot("limits-s1:one", 0, &world, Some(&a), |_| {}).await.unwrap();
            assert_eq!(world.now(), begun, "it waited for a process that is dead");
            // As another process would.
            let limits = RequestLimits { concurrency: Some(1), ..Default::default() };
            let b = process(&store, &world, "b");
            seen(&store, &world, &["a", "b"]).await;
            let turn = b.begin("model:limits-s1:one", "b#1", limits, 0).await.unwrap();
            assert_ne!(turn, RequestTurn::Now);
            held.leave().await;
            let turn = b.begin("model:limits-s1:one", "b#1", limits, 0).await.unwrap();
            assert_eq!(turn, RequestTurn::Now);
            let mut waited = Vec::new();
            let waits = |is_first| waited.push(is_first);
            let entering = slot("limits-s1:one", 0, &world, Some(&a), waits);
            let ends = async {
                world.sleep(Duration::from_secs(3)).await;
                b.end("model:limits-s1:one", "b#1", false).await.unwrap();
            };
            let (held, ()) = futures_util::future::join(entering, ends).await;
            assert!(world.now().since(begun) >= Duration::from_secs(3));
            assert_eq!(waited.first(), Some(&true));
            assert!(waited[1..].iter().all(|is_first| !is_first));
            held.unwrap().leave().await;
        });
    }

    #[test]
    fn a_limit_of_the_process_asks_no_store() {
        let clock = VirtualClock::default();
        let (world, store) = (World::new(clock.clone(), 7), Memory::default());
        let limits = ModelLimits {
            concurrency: Some(1),
            scope: LimitScope::Process,
            ..ModelLimits::default()
        };
        limit("limits-s2:one", limits);
        clock.run(async {
            let [a, b] = ["a", "b"].map(|driver| process(&store, &world, driver));
            let held = slot("limits-s2:one", 0, &world, Some(&a), |_| {}).await.unwrap();
            let limits = RequestLimits { concurrency: Some(1), ..Default::default() };
            let turn = b.begin("model:limits-s2:one", "b#1", limits, 0).await.unwrap();
            assert_eq!(turn, RequestTurn::Now);
            held.leave().await;
        });
    }

    #[tokio::test]
    async fn a_pause_of_the_provider_holds_for_other_processes() {
        let (world, store) = (World::seeded(7), Memory::default());
        limit("limits-s3:one", ModelLimits { concurrency: Some(9), ..ModelLimits::default() });
        let [a, b] = ["a", "b"].map(|driver| process(&store, &world, driver));
        seen(&store, &world, &["a", "b"]).await;
        let limits = RequestLimits { concurrency: Some(9), ..Default::default() };
        let turn =
            async |holder: &str| b.begin("model:limits-s3:one", holder, limits, 0).await.unwrap();
        assert_eq!(turn("b#1").await, RequestTurn::Now);
        close("limits-s3:one", Duration::from_secs(30), &world, Some(&a));
        let begun = world.wall();
        let closed_for = async |seconds| {
            let least = begun.plus(Duration::from_secs(seconds));
            loop {
                match turn("b#2").await {
                    RequestTurn::Later { until } if until >= least => return,
                    // It began before the pause was in the store, and must ask again.
                    _ => b.end("model:limits-s3:one", "b#2", false).await.unwrap(),
                }
                tokio::task::yield_now().await;
            }
        };
        closed_for(20).await;
        let left = Some(QuotaLeft { left: 0, reset: Duration::from_secs(90) });
        let quota = Quota { requests: None, tokens: left };
        note_quota("limits-s3:one", &quota, &world, Some(&a));
        closed_for(80).await;
    }

    #[tokio::test]
    async fn a_slot_that_is_dropped_leaves_the_store() {
        let (world, store) = (World::seeded(7), Memory::default());
        limit("limits-s4:one", ModelLimits { concurrency: Some(1), ..ModelLimits::default() });
        let [a, b] = ["a", "b"].map(|driver| process(&store, &world, driver));
        seen(&store, &world, &["a", "b"]).await;
        drop(slot("limits-s4:one", 0, &world, Some(&a), |_| {}).await.unwrap());
        let limits = RequestLimits { concurrency: Some(1), ..Default::default() };
        while b.begin("model:limits-s4:one", "b#1", limits, 0).await.unwrap() != RequestTurn::Now {
            tokio::task::yield_now().await;
        }
    }
}
