//! Slots: the holders of limited keys, and the first of a key.

use super::{Outcome, START, TestRun, cases, completed, same};
use futures_util::future::try_join_all;
use std::sync::Arc;
use stepwright_core::store::{
    DeleteRun, Entered, FirstClaim, HeldSlot, Queued, SlotClaim, SlotHolder,
};
use stepwright_core::{EventKind, Store, Timestamp};

cases![
    a_key_has_so_many_holders_and_the_others_wait_in_order,
    of_many_that_come_at_once_so_many_get_a_slot,
    a_slot_is_free_when_its_run_has_ended,
    a_slot_is_free_when_the_lease_of_its_driver_has_ended,
    a_paused_run_keeps_its_slot,
    one_holder_is_the_first_of_a_key_within_a_time,
    of_many_one_is_the_first,
    slots_go_with_their_run,
    a_key_holds_for_its_time_after_its_run_was_deleted,
    the_slots_of_a_holder_are_listed,
];

/// A key with every kind of character that a store may meet.
const SCOPE: &str = "runs:wörk:a'\"%_\\ \u{1f600}";

fn claim(holder: &str, max: u32) -> SlotClaim {
    SlotClaim {
        scope: SCOPE.into(),
        holder: holder.into(),
        driver: "d".into(),
        max,
        at: Timestamp(START),
        stale: Timestamp(START),
        dead: Vec::new(),
    }
}

async fn enter(store: &dyn Store, holder: &str, max: u32) -> Result<bool, super::Nonconformance> {
    Ok(store.enter(claim(holder, max)).await? == Entered::Held)
}

fn first(holder: &str, at: u64) -> FirstClaim {
    FirstClaim {
        scope: SCOPE.into(),
        holder: holder.into(),
        driver: "d".into(),
        at: Timestamp(START + at),
        until: Timestamp(START + at + 1_000),
        stale: Timestamp(START),
        dead: Vec::new(),
    }
}

async fn a_key_has_so_many_holders_and_the_others_wait_in_order(store: &dyn Store) -> Outcome {
    store.heartbeat("d", Timestamp(START + 9)).await?;
    for (holder, held) in [("a", true), ("b", true), ("c", false), ("e", false), ("a", true)] {
        same(holder, enter(store, holder, 2).await?, held)?;
    }
    let before =
        |holder: &str, held| SlotHolder { holder: holder.into(), driver: Some("d".into()), held };
    let behind =
        Entered::Behind { before: vec![before("a", true), before("b", true), before("c", false)] };
    same("those before the last", store.enter(claim("e", 2)).await?, behind)?;
    let queued = |holder: &str, ahead| Queued { holder: holder.into(), scope: SCOPE.into(), ahead };
    same("the queue", store.queued().await?, vec![queued("c", 0), queued("e", 1)])?;
    // Another key has slots of its own.
    let other = SlotClaim { scope: "other".into(), ..claim("e", 2) };
    same("another key", store.enter(other).await?, Entered::Held)?;
    store.leave(SCOPE, "a").await?;
    same("the second of those that wait", enter(store, "e", 2).await?, false)?;
    same("the first of those that wait", enter(store, "c", 2).await?, true)?;
    store.leave(SCOPE, "c").await?;
    store.leave(SCOPE, "c").await?;
    same("the second after the first", enter(store, "e", 2).await?, true)?;
    same("the queue at the end", store.queued().await?, Vec::new())
}

async fn of_many_that_come_at_once_so_many_get_a_slot(store: &dyn Store) -> Outcome {
    store.heartbeat("d", Timestamp(START + 9)).await?;
    let names: Vec<String> = (0..24).map(|nth| format!("r-{nth}")).collect();
    let entered = names.iter().map(|name| store.enter(claim(name, 3)));
    let entered = try_join_all(entered).await?;
    let held = entered.iter().filter(|entered| **entered == Entered::Held).count();
    same("the number of holders", held, 3)
}

async fn a_slot_is_free_when_its_run_has_ended(store: &dyn Store) -> Outcome {
    store.heartbeat("d", Timestamp(START + 9)).await?;
    let mut run = TestRun::new(store, "slot-run", "slot-session");
    same("the run", enter(store, "slot-run", 1).await?, true)?;
    run.begin().await?;
    let claimed = stepwright_core::store::Claim {
        run: run.run.clone(),
        driver: "d".into(),
        dead: None,
        stale: Timestamp(START),
    };
    store.claim(claimed).await?;
    same("another one", enter(store, "b", 1).await?, false)?;
    run.append(vec![completed("done")]).await?;
    same("another one after the end", enter(store, "b", 1).await?, true)
}

async fn a_slot_is_free_when_the_lease_of_its_driver_has_ended(store: &dyn Store) -> Outcome {
    store.heartbeat("d", Timestamp(START + 9)).await?;
    store.heartbeat("x", Timestamp(START + 9)).await?;
    let of = |holder: &str, driver: &str| SlotClaim { driver: driver.into(), ..claim(holder, 1) };
    same("the first", store.enter(of("a", "x")).await?, Entered::Held)?;
    let wants = |entered: Entered| matches!(entered, Entered::Behind { .. });
    same("the second", wants(store.enter(of("b", "d")).await?), true)?;
    let late = SlotClaim { stale: Timestamp(START + 10), ..of("b", "d") };
    store.heartbeat("d", Timestamp(START + 20)).await?;
    same("the second after the lease", store.enter(late).await?, Entered::Held)?;
    // A driver that is known to be dead needs no lease to end.
    let third = SlotClaim { dead: vec![Arc::from("d")], ..of("c", "x") };
    store.heartbeat("x", Timestamp(START + 20)).await?;
    same("the third", store.enter(third).await?, Entered::Held)?;
    same("the second comes back", wants(store.enter(of("b", "d")).await?), true)
}

async fn a_paused_run_keeps_its_slot(store: &dyn Store) -> Outcome {
    store.heartbeat("d", Timestamp(START + 9)).await?;
    let mut run = TestRun::new(store, "slot-paused", "slot-session");
    same("the run", enter(store, "slot-paused", 1).await?, true)?;
    run.begin().await?;
    run.append(vec![EventKind::WorkflowPaused { until: None }]).await?;
    let late = SlotClaim { stale: Timestamp(START + 99_999), ..claim("b", 1) };
    let entered = store.enter(late).await?;
    same("another one", matches!(entered, Entered::Behind { .. }), true)
}

async fn one_holder_is_the_first_of_a_key_within_a_time(store: &dyn Store) -> Outcome {
    store.heartbeat("d", Timestamp(START + 9)).await?;
    same("the first", store.first(first("a", 0)).await?, None)?;
    same("the first again", store.first(first("a", 5)).await?, None)?;
    let named = Some(Arc::from("a"));
    same("another one", store.first(first("b", 999)).await?, named.clone())?;
    let other = FirstClaim { scope: "other".into(), ..first("b", 999) };
    same("another key", store.first(other).await?, None)?;
    // It never began, and its process is gone.
    let gone = FirstClaim { stale: Timestamp(START + 10), ..first("c", 999) };
    store.heartbeat("d2", Timestamp(START + 20)).await?;
    let gone = FirstClaim { driver: "d2".into(), ..gone };
    same("one whose process is gone", store.first(gone).await?, None)?;
    same("after the time", store.first(first("b", 5_000)).await?, None)?;
    store.leave(SCOPE, "b").await?;
    same("after it has left", store.first(first("e", 5_001)).await?, None)?;
    same("the queue", store.queued().await?, Vec::new())
}

async fn of_many_one_is_the_first(store: &dyn Store) -> Outcome {
    store.heartbeat("d", Timestamp(START + 9)).await?;
    let names: Vec<String> = (0..24).map(|nth| format!("r-{nth}")).collect();
    let all = names.iter().map(|name| store.first(first(name, 0)));
    let all = try_join_all(all).await?;
    same("the number of firsts", all.iter().filter(|other| other.is_none()).count(), 1)
}

async fn slots_go_with_their_run(store: &dyn Store) -> Outcome {
    store.heartbeat("d", Timestamp(START + 9)).await?;
    let mut run = TestRun::new(store, "slot-gone", "slot-session");
    same("the run", enter(store, "slot-gone", 1).await?, true)?;
    run.begin().await?;
    run.append(vec![EventKind::WorkflowPaused { until: None }]).await?;
    same("another one", enter(store, "b", 1).await?, false)?;
    store.delete_run(DeleteRun { waiting: true, ..DeleteRun::ended(run.run.clone()) }).await?;
    same("after it was deleted", enter(store, "b", 1).await?, true)
}

async fn the_slots_of_a_holder_are_listed(store: &dyn Store) -> Outcome {
    store.heartbeat("d", Timestamp(START + 9)).await?;
    let mut run = TestRun::new(store, "slot-listed", "slot-session");
    same("the slot", enter(store, "slot-listed", 1).await?, true)?;
    let key = FirstClaim { scope: "key".into(), ..first("slot-listed", 0) };
    same("the key", store.first(key.clone()).await?, None)?;
    same("one that waits", enter(store, "b", 1).await?, false)?;
    let listed = |scope: &str, holder: &str, until| {
        let (scope, holder) = (scope.into(), holder.into());
        HeldSlot { scope, holder, at: Timestamp(START), until }
    };
    let all = vec![
        listed(SCOPE, "slot-listed", None),
        listed("key", "slot-listed", Some(Timestamp(START + 1_000))),
    ];
    same("the slots", store.slots_of("slot-listed").await?, all)?;
    same("those of one that waits", store.slots_of("b").await?, Vec::new())?;
    run.begin().await?;
    run.append(vec![completed("done")]).await?;
    store.delete_run(DeleteRun::ended(run.run.clone())).await?;
    same("those of the deleted run", store.slots_of("slot-listed").await?, Vec::new())?;
    let key = listed("key", "", Some(Timestamp(START + 1_000)));
    same("the keys of deleted runs", store.slots_of("").await?, vec![key])
}

async fn a_key_holds_for_its_time_after_its_run_was_deleted(store: &dyn Store) -> Outcome {
    let scopes = ["deleted-1", "deleted-2"];
    let ids = ["slot-deleted", "slot-of-session"];
    let of = |nth: usize, holder: &str, at| {
        let (scope, driver) = (scopes[nth].into(), "d2".into());
        // The driver of the first claim is not seen any more.
        let stale = Timestamp(START + 99_999);
        FirstClaim { scope, driver, stale, ..first(holder, at) }
    };
    for (nth, id) in ids.into_iter().enumerate() {
        let mut run = TestRun::new(store, id, "slot-session");
        same("the first", store.first(of(nth, id, 0)).await?, None)?;
        run.begin().await?;
        run.append(vec![completed("done")]).await?;
        same("another one", store.first(of(nth, "b", 1)).await?, Some(Arc::from(id)))?;
        match nth {
            0 => drop(store.delete_run(DeleteRun::ended(run.run.clone())).await?),
            _ => drop(store.delete_session(&run.start.session_id).await?),
        }
        let deleted = Some(Arc::from(""));
        same("after it was deleted", store.first(of(nth, "b", 2)).await?, deleted.clone())?;
        same("the same run again", store.first(of(nth, id, 999)).await?, deleted)?;
        same("after the time", store.first(of(nth, "b", 1_000)).await?, None)?;
    }
    Ok(())
}
