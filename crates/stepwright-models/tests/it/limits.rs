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
            let slot = slot(model, tokens, &world, |_| {}).await;
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
        close("limits-e:one", begin.plus(Duration::from_secs(30)));
        let mut told = 0;
        drop(slot("limits-e:one", 0, &world, |is_first| told += u32::from(is_first)).await);
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
            drop(slot("limits-f:one", tokens, &world, |_| {}).await);
            times.push(world.now().since(begin).as_secs());
        };
        note_quota("limits-f:one", &Quota { requests: left(2, 20), tokens: None }, world.now());
        for _ in 0..3 {
            send(10).await;
        }
        note_quota("limits-f:one", &Quota { requests: None, tokens: left(100, 30) }, world.now());
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
        throttled(model, 0, &self.0, waits, answer)
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
        let held = slot("scripted:limits-second", 0, &world, |_| {}).await;
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
