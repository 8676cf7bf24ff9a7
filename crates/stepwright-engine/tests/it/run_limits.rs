//! Limits of runs: how many go on at once, and which are the same.

use crate::simulation::store::{Held, Slow};
use futures_util::StreamExt as _;
use futures_util::future::{Either, select};
use serde_json::json;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use stepwright_core::store::{RunFilter, SessionStore as _};
use stepwright_core::world::VirtualClock;
use stepwright_core::{
    Answer, AnyStore, ErrorId, ErrorKind, Event, EventKind, HumanReview, Memory, RunStatus,
    StepInput, World,
};
use stepwright_engine::{
    Concurrency, Dedupe, Erase, Export, Prune, RunStream, Runs, Step, WhenFull, Workflow,
    WorkflowBuilder, real_world,
};
use stepwright_testing::grammar;
use tokio::sync::Semaphore;

/// A workflow whose step waits for a permit of `gate`.
fn held(gate: &Arc<Semaphore>, store: &Memory) -> WorkflowBuilder {
    let gate = gate.clone();
    let step = Step::new("held", move |_: StepInput| {
        let gate = gate.clone();
        async move {
            gate.acquire().await.unwrap().forget();
            "done"
        }
    });
    Workflow::builder("W").store(store.clone()).step(step)
}

fn by_customer(max: u32, then: WhenFull) -> Concurrency {
    let key = |input: &StepInput| input.run.content.to_value()["customer"].clone();
    Concurrency::at_most(max).key(key).then(then)
}

fn of(workflow: &Workflow, customer: &str, run: &str) -> RunStream {
    let run = workflow.run(json!({"customer": customer})).run_id(run);
    run.stream_events(true).stream().in_task()
}

/// Reads events up to one of this name.
async fn until(events: &mut RunStream, name: &str) -> Event {
    loop {
        let event = events.next().await.unwrap_or_else(|| panic!("no {name}"));
        if event.name() == name {
            return event;
        }
        assert!(!event.kind.is_terminal(), "{event:?} before {name}");
    }
}

#[tokio::test]
async fn a_run_waits_until_fewer_runs_of_its_key_are_under_way() {
    let (gate, store) = (Arc::new(Semaphore::new(0)), Memory::default());
    let workflow = held(&gate, &store).concurrency(by_customer(2, WhenFull::Queue));
    let workflow = workflow.build().unwrap();
    let mut first = of(&workflow, "acme", "r-1");
    until(&mut first, "StepStarted").await;
    let mut second = of(&workflow, "acme", "r-2");
    until(&mut second, "StepStarted").await;
    let mut third = of(&workflow, "acme", "r-3");
    let queued = until(&mut third, "WorkflowQueued").await;
    let kind = EventKind::WorkflowQueued { key: "acme".into(), max: 2, ahead: 0 };
    assert_eq!(queued.kind, kind);
    let output = workflow.get_run("r-3").await.unwrap();
    assert_eq!(output.queued.as_ref().unwrap().key.as_ref(), "acme");
    let mut fourth = of(&workflow, "acme", "r-4");
    let queued = until(&mut fourth, "WorkflowQueued").await;
    assert!(matches!(queued.kind, EventKind::WorkflowQueued { ahead: 1, .. }), "{queued:?}");
    // Another key has slots of its own.
    let mut other = of(&workflow, "bolt", "r-5");
    until(&mut other, "StepStarted").await;
    gate.add_permits(5);
    for (events, waits) in [(first, false), (second, false), (third, true), (fourth, true)] {
        let output = events.output().await.unwrap();
        assert_eq!((output.status, &output.queued), (RunStatus::Completed, &None));
        let facts: Vec<_> = workflow.events(&output.run_id, 0).await.unwrap().collect().await;
        let facts: Vec<Event> = facts.into_iter().map(Result::unwrap).collect();
        grammar::check(&facts);
        let names: Vec<_> = facts.iter().map(Event::name).take(4).collect();
        let admitted = ["WorkflowStarted", "WorkflowQueued", "WorkflowAdmitted", "StepStarted"];
        assert_eq!(names == admitted, waits, "{names:?}");
    }
    other.output().await.unwrap();
}

#[tokio::test]
async fn a_run_that_is_skipped_is_no_success_and_leaves_nothing() {
    let (gate, store) = (Arc::new(Semaphore::new(0)), Memory::default());
    let workflow = held(&gate, &store).concurrency(by_customer(1, WhenFull::Skip));
    let workflow = workflow.build().unwrap();
    let mut first = of(&workflow, "acme", "r-1");
    until(&mut first, "StepStarted").await;
    let acme = || workflow.run(json!({"customer": "acme"}));
    for error in [acme().await.unwrap_err(), acme().background().await.unwrap_err()] {
        assert_eq!((error.kind(), error.id()), (ErrorKind::Skipped, ErrorId::RUN_SKIPPED));
        assert!(error.to_string().contains("key `acme`"), "{error}");
        assert!(error.to_string().contains("`r-1` is under way"), "{error}");
        assert!(error.output().is_none());
    }
    let events: Vec<Event> = acme().stream().collect().await;
    assert!(matches!(&events[..], [Event { kind: EventKind::WorkflowError { .. }, .. }]));
    assert_eq!(workflow.runs(RunFilter::default()).await.unwrap().len(), 1);
    gate.add_permits(2);
    first.output().await.unwrap();
    acme().await.unwrap();
}

#[tokio::test]
async fn a_new_run_cancels_the_oldest_of_its_key() {
    let (gate, store) = (Arc::new(Semaphore::new(0)), Memory::default());
    let workflow = held(&gate, &store).concurrency(by_customer(1, WhenFull::CancelRunning));
    let workflow = workflow.build().unwrap();
    let mut first = of(&workflow, "acme", "r-1");
    until(&mut first, "StepStarted").await;
    let mut other = of(&workflow, "bolt", "r-2");
    until(&mut other, "StepStarted").await;
    let mut third = of(&workflow, "acme", "r-3");
    until(&mut third, "StepStarted").await;
    let error = first.output().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    gate.add_permits(2);
    third.output().await.unwrap();
    other.output().await.unwrap();
}

#[tokio::test]
async fn a_user_learns_nothing_of_the_runs_of_others_and_cancels_none() {
    let (gate, store) = (Arc::new(Semaphore::new(0)), Memory::default());
    let skips = held(&gate, &store).concurrency(by_customer(1, WhenFull::Skip)).build().unwrap();
    let acme = |workflow: &Workflow, user: &str, run: &str| {
        workflow.run(json!({"customer": "acme"})).user_id(user).run_id(run).stream_events(true)
    };
    let mut first = acme(&skips, "anna", "r-1").stream().in_task();
    until(&mut first, "StepStarted").await;
    let error = acme(&skips, "bob", "r-2").await.unwrap_err();
    assert_eq!(error.id(), ErrorId::RUN_SKIPPED);
    assert!(error.to_string().contains("and as many are under way"), "{error}");
    assert!(!error.to_string().contains("r-1"), "{error}");
    let error = acme(&skips, "anna", "r-3").await.unwrap_err();
    assert!(error.to_string().contains("`r-1` is under way"), "{error}");

    let cancels = held(&gate, &store).concurrency(by_customer(1, WhenFull::CancelRunning));
    let cancels = cancels.build().unwrap();
    let mut waits = acme(&cancels, "bob", "r-4").stream().in_task();
    until(&mut waits, "WorkflowQueued").await;
    gate.add_permits(2);
    first.output().await.unwrap();
    waits.output().await.unwrap();

    let once = Dedupe::within(Duration::from_mins(1)).key(|_: &StepInput| "k");
    let once = held(&gate, &store).dedupe(once).build().unwrap();
    gate.add_permits(2);
    for (user, run) in [("anna", "r-5"), ("bob", "r-6")] {
        acme(&once, user, run).await.unwrap();
        let again = acme(&once, user, "r-7").await.unwrap_err();
        assert!(again.to_string().contains(&format!("run `{run}`")), "{again}");
    }
}

/// A workflow with one slot, and the answers to its claims.
fn claiming() -> (Workflow, Arc<Held>) {
    let slots = Arc::new(Held::default());
    let store = Slow { slots: Some(slots.clone()), ..Slow::quick(Memory::default()) };
    let step = Step::new("step", |_: StepInput| async { "done" });
    let workflow = Workflow::builder("W").store(AnyStore::new(store)).step(step);
    let limit = Concurrency::at_most(1).then(WhenFull::Skip);
    (workflow.concurrency(limit).build().unwrap(), slots)
}

#[tokio::test]
async fn a_run_that_is_dropped_while_it_gets_its_slot_gives_it_back() {
    let (workflow, slots) = claiming();
    let dropped = Box::pin(workflow.run("in").run_id("r-1").into_future());
    let begun = slots.begun.acquire();
    let Either::Right(_) = select(dropped, pin!(begun)).await else { panic!("it has its slot") };
    assert!(workflow.get_run("r-1").await.is_err(), "it has not begun");
    slots.go_on.add_permits(1_000_000);
    // The slot is given back in a task. Without that, this never ends.
    while workflow.run("in").run_id("r-2").await.is_err() {
        tokio::task::yield_now().await;
    }
    workflow.run("in").run_id("r-1").await.unwrap();
}

#[tokio::test]
async fn a_background_run_whose_caller_leaves_begins_and_ends() {
    let (workflow, slots) = claiming();
    let left = Box::pin(workflow.run("in").run_id("r-1").background());
    let begun = slots.begun.acquire();
    let Either::Right(_) = select(left, pin!(begun)).await else { panic!("it has its slot") };
    assert!(workflow.get_run("r-1").await.is_err(), "it has not begun");
    slots.go_on.add_permits(100);
    while workflow.get_run("r-1").await.map(|run| run.status).ok() != Some(RunStatus::Completed) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_paused_run_keeps_its_slot() {
    let store = Memory::default();
    let asks = HumanReview::new().requires_confirmation("Really?");
    let step = Step::new("asked", |_: StepInput| async { "done" }).human_review(asks);
    let workflow = Workflow::builder("W").store(store).step(step);
    let workflow = workflow.concurrency(Concurrency::at_most(1).then(WhenFull::Skip));
    let workflow = workflow.build().unwrap();
    let paused = workflow.run("one").run_id("r-1").await.unwrap();
    assert!(paused.is_paused());
    let skipped = workflow.run("two").await.unwrap_err();
    assert!(skipped.to_string().contains("lets 1 run go on at once"), "{skipped}");
    workflow.continue_run("r-1", [("asked", Answer::Approve)]).await.unwrap();
    assert!(workflow.run("three").await.unwrap().is_paused());
}

#[tokio::test]
async fn a_run_that_is_cancelled_while_it_waits_leaves_the_queue() {
    let (gate, store) = (Arc::new(Semaphore::new(0)), Memory::default());
    let workflow = held(&gate, &store).concurrency(Concurrency::at_most(1)).build().unwrap();
    let mut first = of(&workflow, "acme", "r-1");
    until(&mut first, "StepStarted").await;
    let mut second = of(&workflow, "acme", "r-2");
    until(&mut second, "WorkflowQueued").await;
    let mut third = of(&workflow, "acme", "r-3");
    until(&mut third, "WorkflowQueued").await;
    assert!(workflow.cancel_run("r-2").await.unwrap());
    assert_eq!(second.output().await.unwrap_err().kind(), ErrorKind::Cancelled);
    // Its future is dropped.
    drop(third);
    gate.add_permits(2);
    first.output().await.unwrap();
    workflow.run("last").await.unwrap();
    let facts: Vec<_> = workflow.events("r-2", 0).await.unwrap().collect().await;
    grammar::check(&facts.into_iter().map(Result::unwrap).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_released_run_that_waits_goes_on_waiting_when_it_is_resumed() {
    let (gate, store) = (Arc::new(Semaphore::new(0)), Memory::default());
    let workflow = held(&gate, &store).concurrency(Concurrency::at_most(1)).build().unwrap();
    let mut first = of(&workflow, "acme", "r-1");
    until(&mut first, "StepStarted").await;
    let mut second = of(&workflow, "acme", "r-2");
    until(&mut second, "WorkflowQueued").await;
    assert!(workflow.release_now("r-2"));
    assert_eq!(second.output().await.unwrap_err().kind(), ErrorKind::Released);
    let mut second = workflow.resume("r-2").stream_events(true).stream().in_task();
    until(&mut second, "WorkflowQueued").await;
    gate.add_permits(2);
    second.output().await.unwrap();
    first.output().await.unwrap();
}

#[tokio::test]
async fn background_runs_that_wait_do_not_keep_others_from_being_driven() {
    let (gate, store) = (Arc::new(Semaphore::new(0)), Memory::default());
    let permits = gate.clone();
    let step = Step::new("held", move |input: StepInput| {
        let permits = permits.clone();
        async move {
            if input.run.content.to_value()["customer"] == "acme" {
                permits.acquire().await.unwrap().forget();
            }
            "done"
        }
    });
    let workflow = Workflow::builder("W").store(store).step(step).concurrent_runs(2);
    let workflow = workflow.concurrency(by_customer(1, WhenFull::Queue)).build().unwrap();
    let mut all = Vec::new();
    for _ in 0..4 {
        all.push(workflow.run(json!({"customer": "acme"})).background().await.unwrap());
    }
    let other = workflow.run(json!({"customer": "bolt"})).background().await.unwrap();
    // The first of acme holds one of the two places, and those that wait leave the other one.
    other.wait().await.unwrap();
    gate.add_permits(4);
    for run in all {
        let output = run.wait().await.unwrap();
        let facts: Vec<_> = run.events(0).await.unwrap().collect().await;
        let facts: Vec<Event> = facts.into_iter().map(Result::unwrap).collect();
        grammar::check(&facts);
        let queued = facts.iter().filter(|fact| fact.name() == "WorkflowQueued").count();
        assert!(queued <= 1, "a run that waits records that once: {facts:#?}");
        assert_eq!(output.status, RunStatus::Completed);
    }
}

#[test]
fn a_run_with_the_same_key_does_not_begin_again_within_the_time() {
    let clock = VirtualClock::default();
    let made = Arc::new(AtomicU32::new(0));
    let count = made.clone();
    let step = Step::new("charge", move |_: StepInput| {
        count.fetch_add(1, Ordering::SeqCst);
        async { "done" }
    });
    let key = |input: &StepInput| input.run.content.to_value()["order"].clone();
    let workflow = Workflow::builder("W")
        .world(World::new(clock.clone(), 7))
        .dedupe(Dedupe::within(Duration::from_mins(1)).key(key))
        .step(step)
        .build()
        .unwrap();
    clock.run(async {
        workflow.run(json!({"order": 7})).run_id("r-1").await.unwrap();
        let again = workflow.run(json!({"order": 7, "more": 1})).await.unwrap_err();
        assert_eq!((again.kind(), again.id()), (ErrorKind::Skipped, ErrorId::RUN_DUPLICATE));
        assert!(again.to_string().contains("run `r-1`"), "{again}");
        workflow.run(json!({"order": 8})).await.unwrap();
    });
    assert_eq!(made.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_run_with_the_same_key_does_not_begin_again_after_the_first_was_deleted() {
    for how in ["prune", "session", "erase"] {
        let store = Memory::default();
        let workflow = Workflow::builder("W")
            .store(store.clone())
            .dedupe(Dedupe::within(Duration::from_hours(24)))
            .step(Step::new("charge", |_: StepInput| async { "done" }))
            .build()
            .unwrap();
        let begin = |run: &str| workflow.run("order 7").run_id(run).session_id("s").user_id("ada");
        begin("r-1").await.unwrap();
        let runs = Runs::of(AnyStore::new(store.clone()));
        match how {
            "prune" => {
                let later = real_world().wall().plus(Duration::from_mins(1));
                assert_eq!(runs.prune(&Prune::ended_before(later)).await.unwrap().runs.len(), 1);
            }
            "session" => assert!(store.delete_session(&"s".parse().unwrap()).await.unwrap()),
            _ => {
                let ada = Erase::User("ada".parse().unwrap());
                assert_eq!(runs.erase(&ada, false).await.unwrap().runs.len(), 1);
            }
        }
        for again in ["r-2", "r-1"] {
            let error = begin(again).await.unwrap_err();
            assert_eq!(error.id(), ErrorId::RUN_DUPLICATE, "{how}: {error}");
            assert!(!error.report().contains("r-1"), "{how}: {}", error.report());
        }
    }
}

#[tokio::test]
async fn slots_and_keys_are_imported_with_their_runs() {
    let on = |store: &Memory| {
        let asks = HumanReview::new().requires_confirmation("?");
        let step = Step::new("charge", |_: StepInput| async { "done" }).human_review(asks);
        let order = |input: &StepInput| input.run.content.to_value()["order"].clone();
        Workflow::builder("W")
            .store(store.clone())
            .concurrency(by_customer(1, WhenFull::Skip))
            .dedupe(Dedupe::within(Duration::from_hours(24)).key(order))
            .step(step)
            .build()
            .unwrap()
    };
    let (here, there) = (Memory::default(), Memory::default());
    let first = on(&here);
    let begun = first.run(json!({"customer": "anna", "order": 7})).run_id("r-1").await.unwrap();
    assert_eq!(begun.status, RunStatus::Paused);
    // The key of a run that was pruned.
    let old = first.run(json!({"customer": "ben", "order": 6})).run_id("r-0").await.unwrap();
    first.cancel_run(&old.run_id).await.unwrap();
    let runs = Runs::of(AnyStore::new(here));
    let later = real_world().wall().plus(Duration::from_mins(1));
    assert_eq!(runs.prune(&Prune::ended_before(later)).await.unwrap().runs.len(), 1);

    let mut lines = Vec::new();
    let collect = |line: &str| {
        lines.push(line.to_owned());
        Ok(())
    };
    runs.export(&Export::default(), collect).await.unwrap();
    Runs::of(AnyStore::new(there.clone())).import(lines, false).await.unwrap();
    for workflow in [first, on(&there)] {
        let begin = |customer: &str, order: u32| {
            workflow.run(json!({"customer": customer, "order": order}))
        };
        let busy = begin("anna", 8).await.unwrap_err();
        assert_eq!(busy.id(), ErrorId::RUN_SKIPPED, "{busy}");
        for order in [6, 7] {
            let known = begin("eva", order).await.unwrap_err();
            assert_eq!(known.id(), ErrorId::RUN_DUPLICATE, "{known}");
        }
        workflow.continue_run("r-1", [("charge!confirm", Answer::Approve)]).await.unwrap();
        begin("anna", 9).await.unwrap();
    }
}

#[tokio::test]
async fn a_key_that_is_none_is_refused_before_the_run_begins() {
    let workflow = |value: serde_json::Value| {
        let limit = Concurrency::at_most(1).key(move |_: &StepInput| value.clone());
        let step = Step::new("a", |_: StepInput| async { "done" });
        Workflow::builder("W").concurrency(limit).step(step).build().unwrap()
    };
    let long = "x".repeat(513);
    for (key, why) in [
        (json!(null), "is nothing"),
        (json!(""), "is empty"),
        (json!([1]), "is a list or an object"),
        (json!({"a": 1}), "is a list or an object"),
        (json!(long), "has 513 bytes"),
    ] {
        let error = workflow(key).run("in").await.unwrap_err();
        assert_eq!(error.id(), ErrorId::RUN_KEY_INVALID);
        assert!(error.to_string().contains(why), "{error}");
    }
    for key in [json!("a"), json!(7), json!(1.5), json!(true)] {
        workflow(key).run("in").await.unwrap();
    }
}

#[test]
fn a_limit_that_no_run_can_keep_is_refused() {
    let step = || Step::new("a", |_: StepInput| async { "done" });
    let none = Workflow::builder("W").concurrency(Concurrency::at_most(0)).step(step()).build();
    assert!(none.unwrap_err().to_string().contains("must be at least 1"));
    let none = Workflow::builder("W").dedupe(Dedupe::within(Duration::ZERO)).step(step()).build();
    assert!(none.unwrap_err().to_string().contains("must be greater than zero"));
    let inner = Workflow::builder("I").concurrency(Concurrency::at_most(1)).step(step());
    let inner = inner.build().unwrap();
    let outer = Workflow::builder("W").step(Step::workflow("inner", inner)).build();
    assert!(outer.unwrap_err().to_string().contains("a nested workflow is not a run"));
}
