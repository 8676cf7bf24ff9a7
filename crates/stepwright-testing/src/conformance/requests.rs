//! Requests to models that all processes of a store count.

use super::{Outcome, START, cases, same};
use futures_util::future::try_join_all;
use std::sync::Arc;
use std::time::Duration;
use stepwright_core::store::{RequestClaim, RequestTurn};
use stepwright_core::{Store, Timestamp};

cases![
    a_scope_has_so_many_requests_and_the_others_wait_in_order,
    of_many_requests_at_once_so_many_begin,
    a_request_that_leaves_the_queue_lets_the_next_one_go,
    a_request_of_a_dead_driver_gives_its_turn_back,
    a_window_has_so_many_requests_and_tokens,
    what_a_dead_driver_has_sent_counts_for_its_window,
    no_request_begins_while_its_scope_is_closed,
];

/// A scope with every kind of character that a store may meet.
const SCOPE: &str = "model:wörk:a'\"%_\\ \u{1f600}";

fn claim(holder: &str, concurrency: Option<u32>) -> RequestClaim {
    RequestClaim {
        scope: SCOPE.into(),
        holder: holder.into(),
        driver: "d".into(),
        concurrency,
        requests: None,
        tokens_at_most: None,
        window: Duration::from_mins(1),
        tokens: 0,
        at: Timestamp(START),
        stale: Timestamp(START),
        dead: Vec::new(),
    }
}

/// Returns `true` if the request may be sent.
async fn begins(
    store: &dyn Store,
    claim: RequestClaim,
) -> Result<bool, stepwright_core::StoreError> {
    Ok(store.begin_request(claim).await? == RequestTurn::Now)
}

async fn seen(store: &dyn Store, driver: &str, at: u64) -> Outcome {
    store.heartbeat(driver, Timestamp(START + at)).await?;
    Ok(())
}

async fn a_scope_has_so_many_requests_and_the_others_wait_in_order(store: &dyn Store) -> Outcome {
    seen(store, "d", 9).await?;
    for (holder, now) in [("a", true), ("b", true), ("c", false), ("e", false), ("a", true)] {
        same(holder, begins(store, claim(holder, Some(2))).await?, now)?;
    }
    let behind = store.begin_request(claim("e", Some(2))).await?;
    let drivers = vec![Arc::from("d"); 3];
    same("the drivers before the last", behind, RequestTurn::Behind { drivers })?;
    let other = RequestClaim { scope: "other".into(), ..claim("e", Some(2)) };
    same("another scope", begins(store, other).await?, true)?;
    same("one without a limit", begins(store, claim("f", None)).await?, true)?;
    store.end_request(SCOPE, "f", false).await?;
    store.end_request(SCOPE, "a", false).await?;
    same("the second of those that wait", begins(store, claim("e", Some(2))).await?, false)?;
    same("the first of those that wait", begins(store, claim("c", Some(2))).await?, true)?;
    store.end_request(SCOPE, "c", true).await?;
    store.end_request(SCOPE, "c", true).await?;
    same("the second after the first", begins(store, claim("e", Some(2))).await?, true)?;
    same("the queue of runs", store.queued().await?, Vec::new())
}

async fn of_many_requests_at_once_so_many_begin(store: &dyn Store) -> Outcome {
    seen(store, "d", 9).await?;
    let names: Vec<String> = (0..24).map(|nth| format!("r-{nth}")).collect();
    let all = names.iter().map(|name| begins(store, claim(name, Some(3))));
    let all = try_join_all(all).await?;
    same("the number of requests", all.iter().filter(|begins| **begins).count(), 3)
}

async fn a_request_that_leaves_the_queue_lets_the_next_one_go(store: &dyn Store) -> Outcome {
    seen(store, "d", 9).await?;
    for (holder, now) in [("a", true), ("b", false), ("c", false)] {
        same(holder, begins(store, claim(holder, Some(1))).await?, now)?;
    }
    // It was not sent, so it does not count.
    store.end_request(SCOPE, "b", true).await?;
    store.end_request(SCOPE, "a", false).await?;
    same("the one behind it", begins(store, claim("c", Some(1))).await?, true)?;
    let rate = RequestClaim { requests: Some(2), ..claim("e", None) };
    same("the rate", begins(store, rate).await?, true)
}

async fn a_request_of_a_dead_driver_gives_its_turn_back(store: &dyn Store) -> Outcome {
    seen(store, "d", 9).await?;
    seen(store, "x", 9).await?;
    let of = |holder: &str, driver: &str| {
        let driver = driver.into();
        RequestClaim { driver, ..claim(holder, Some(1)) }
    };
    same("the first", begins(store, of("a", "x")).await?, true)?;
    same("one that waits", begins(store, of("w", "x")).await?, false)?;
    same("the second", begins(store, of("b", "d")).await?, false)?;
    seen(store, "d", 20).await?;
    let late = RequestClaim { stale: Timestamp(START + 10), ..of("b", "d") };
    same("the second after the lease", begins(store, late).await?, true)?;
    // A driver that is known to be dead needs no lease to end.
    seen(store, "x", 20).await?;
    let third = RequestClaim { dead: vec![Arc::from("d")], ..of("c", "x") };
    same("the third", begins(store, third).await?, true)
}

async fn a_window_has_so_many_requests_and_tokens(store: &dyn Store) -> Outcome {
    seen(store, "d", 9).await?;
    let requests = |holder: &str, at: u64| RequestClaim {
        requests: Some(2),
        at: Timestamp(START + at),
        ..claim(holder, None)
    };
    same("the first", begins(store, requests("a", 0)).await?, true)?;
    store.end_request(SCOPE, "a", true).await?;
    same("the second", begins(store, requests("b", 1_000)).await?, true)?;
    let later = RequestTurn::Later { until: Timestamp(START + 60_000) };
    same("the third", store.begin_request(requests("c", 2_000)).await?, later.clone())?;
    same("the fourth", store.begin_request(requests("e", 59_999)).await?, later)?;
    same("the third after the window", begins(store, requests("c", 60_000)).await?, true)?;
    let later = RequestTurn::Later { until: Timestamp(START + 61_000) };
    same("the fourth after it", store.begin_request(requests("e", 60_000)).await?, later)?;
    let tokens = |holder: &str, tokens: u64, at: u64| RequestClaim {
        scope: "tokens".into(),
        tokens_at_most: Some(250),
        tokens,
        at: Timestamp(START + at),
        ..claim(holder, None)
    };
    // A request that alone is larger goes when no other was sent.
    same("a large one", begins(store, tokens("a", 900, 0)).await?, true)?;
    store.end_request("tokens", "a", true).await?;
    same("the next", begins(store, tokens("b", 200, 1)).await?, false)?;
    same("the next after the window", begins(store, tokens("b", 200, 60_001)).await?, true)?;
    same("one that fits", begins(store, tokens("c", 50, 60_002)).await?, true)?;
    same("one that does not", begins(store, tokens("e", 1, 60_003)).await?, false)
}

async fn what_a_dead_driver_has_sent_counts_for_its_window(store: &dyn Store) -> Outcome {
    seen(store, "x", 9).await?;
    let sent = RequestClaim { driver: "x".into(), requests: Some(1), ..claim("a", Some(1)) };
    same("the first", begins(store, sent).await?, true)?;
    seen(store, "d", 20_000).await?;
    let (at, stale) = (Timestamp(START + 20_000), Timestamp(START + 10_000));
    let next = RequestClaim { requests: Some(1), at, stale, ..claim("b", Some(1)) };
    let later = RequestTurn::Later { until: Timestamp(START + 60_000) };
    same("the second", store.begin_request(next.clone()).await?, later)?;
    let at = Timestamp(START + 60_000);
    let next = RequestClaim { at, ..next };
    same("the second after the window", begins(store, next).await?, true)
}

async fn no_request_begins_while_its_scope_is_closed(store: &dyn Store) -> Outcome {
    seen(store, "d", 9).await?;
    store.close_requests(SCOPE, Timestamp(START + 30_000)).await?;
    // An earlier moment opens nothing.
    store.close_requests(SCOPE, Timestamp(START + 10_000)).await?;
    let at = |at: u64| RequestClaim { at: Timestamp(START + at), ..claim("a", Some(1)) };
    let later = RequestTurn::Later { until: Timestamp(START + 30_000) };
    same("the first", store.begin_request(at(29_999)).await?, later)?;
    same("the first at that moment", begins(store, at(30_000)).await?, true)?;
    let other = RequestClaim { scope: "other".into(), ..claim("b", Some(1)) };
    same("another scope", begins(store, other).await?, true)?;
    store.close_requests(SCOPE, Timestamp(START + 90_000)).await?;
    let next = RequestClaim { holder: "e".into(), ..at(31_000) };
    let later = RequestTurn::Later { until: Timestamp(START + 90_000) };
    same("closed again", store.begin_request(next).await?, later)
}
