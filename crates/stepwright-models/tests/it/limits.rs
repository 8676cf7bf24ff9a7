//! Limits of models in the time of a virtual clock.

use std::time::Duration;
use stepwright_core::World;
use stepwright_core::world::VirtualClock;
use stepwright_models::{ModelLimits, close, limit, slot};

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
