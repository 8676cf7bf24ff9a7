//! Runs that wait for events from outside.

use crate::shapes::{KINDS, around, part};
use futures_util::FutureExt as _;
use serde_json::{Value, json};
use std::time::Duration;
use stepwright_core::event::Reply;
use stepwright_core::journal::Append;
use stepwright_core::plan::OnError;
use stepwright_core::requirement::RequirementKind;
use stepwright_core::store::{Inbox as _, Leases as _, RunStore as _, SharedValue};
use stepwright_core::world::VirtualClock;
use stepwright_core::{
    Answer, AnyStore, ErrorCode, ErrorId, Event, EventKind, EventMatch, HumanReview, Json, Memory,
    RunId, RunOutput, RunStatus, StepContext, StepError, World,
};
use stepwright_engine::{Loop, Parallel, Runs, Step, Workflow, WorkflowBuilder};
use stepwright_testing::grammar;

/// A step that waits for `order.paid` with the input of the run as the key.
async fn paid(order: String, cx: StepContext) -> Result<String, StepError> {
    let payload: Value = cx.wait_for("order.paid").key(order).await?;
    Ok(payload.to_string())
}

fn orders(memory: &Memory) -> WorkflowBuilder {
    Workflow::builder("Orders").store(memory.clone()).step(Step::new("paid", paid))
}

fn runs(memory: &Memory) -> Runs {
    Runs::of(AnyStore::new(memory.clone()))
}

async fn entries(memory: &Memory) -> Vec<SharedValue> {
    memory.shared_values("wait", "", 0).await.unwrap()
}

fn text(output: &RunOutput) -> String {
    output.content.text().into_owned()
}

#[tokio::test]
async fn an_event_reaches_all_runs_that_wait_for_its_key_and_no_other() {
    let memory = Memory::default();
    let workflow = orders(&memory).build().unwrap();
    for (run, order) in [("a", "o-1"), ("b", "o-1"), ("c", "o-2")] {
        let paused = workflow.run(order).run_id(run).await.unwrap();
        assert_eq!(paused.status, RunStatus::Paused);
        let asked = &paused.requirements[0];
        assert_eq!(&*asked.id, "paid!event:order.paid");
        assert!(!asked.needs_person());
        assert!(matches!(&asked.kind, RequirementKind::Event { key, .. }
            if key.as_deref() == Some(order)));
    }
    let mut emitted = runs(&memory).emit("order.paid").key("o-1").payload(5).await.unwrap();
    emitted.received.sort();
    let received: Vec<&str> = emitted.received.iter().map(RunId::as_str).collect();
    assert_eq!(received, ["a", "b"]);
    for (run, status) in [("a", RunStatus::Completed), ("c", RunStatus::Paused)] {
        let output = workflow.resume(run).await.unwrap();
        assert_eq!(output.status, status, "{run}");
    }
    assert_eq!(text(&workflow.resume("b").await.unwrap()), "5");
    // Another name, another key and no key reach none; nor does a second event the same wait.
    for (name, key) in
        [("order.sent", Some("o-2")), ("order.paid", Some("o-3")), ("order.paid", None)]
    {
        let event = runs(&memory).emit(name);
        let event = if let Some(key) = key { event.key(key) } else { event };
        assert_eq!(event.await.unwrap().received.len(), 0, "{name} {key:?}");
    }
    assert_eq!(runs(&memory).emit("order.paid").key("o-2").await.unwrap().received.len(), 1);
    assert_eq!(runs(&memory).emit("order.paid").key("o-2").await.unwrap().received.len(), 0);
    assert_eq!(text(&workflow.resume("c").await.unwrap()), "null");
    assert_eq!(entries(&memory).await, [], "the entries are gone with the waits");
}

#[tokio::test]
async fn a_wait_without_a_key_takes_any_and_judges_by_its_condition() {
    let memory = Memory::default();
    let step = Step::new("large", |Json(limit): Json<u64>, cx: StepContext| async move {
        let large = EventMatch::field("amount").at_least(limit);
        cx.wait_for::<Value>("order.paid")
            .matching(large)
            .await
            .map(|paid| Json(paid["amount"].clone()))
    });
    let workflow = Workflow::builder("Large").store(memory.clone()).step(step).build().unwrap();
    for (run, limit) in [("small", 10), ("large", 100)] {
        workflow.run(json!(limit)).run_id(run).await.unwrap();
    }
    let emit = |payload: Value| runs(&memory).emit("order.paid").key("o-1").payload(payload);
    assert_eq!(emit(json!({"total": 500})).await.unwrap().received.len(), 0);
    let received = emit(json!({"amount": 50})).await.unwrap().received;
    assert_eq!(received, [RunId::new("small").unwrap()]);
    assert_eq!(text(&workflow.resume("small").await.unwrap()), "50");
    assert_eq!(workflow.resume("large").await.unwrap().status, RunStatus::Paused);
}

#[tokio::test]
async fn an_id_reaches_a_run_once_whatever_it_waits_for_next() {
    let memory = Memory::default();
    let twice = Step::new("one", |_: String, cx: StepContext| async move {
        cx.wait_for::<u64>("tick").await.map(|tick| tick.to_string())
    });
    let workflow = Workflow::builder("Twice")
        .store(memory.clone())
        .step(Loop::new("twice").at_most(2).step(twice))
        .build()
        .unwrap();
    workflow.run("-").run_id("r").await.unwrap();
    let emit = |id: &str, tick: u64| runs(&memory).emit("tick").id(id).payload(tick);
    assert_eq!(emit("e-1", 1).await.unwrap().received.len(), 1);
    // Before the run has taken it, and afterwards.
    for _ in 0..2 {
        let again = emit("e-1", 1).await.unwrap();
        assert_eq!((again.received.len(), again.before.len()), (0, 1));
        assert_eq!(workflow.resume("r").await.unwrap().status, RunStatus::Paused);
    }
    assert_eq!(emit("e-2", 2).await.unwrap().received.len(), 1);
    let output = workflow.resume("r").await.unwrap();
    assert_eq!((output.status, text(&output).as_str()), (RunStatus::Completed, "2"));
}

#[test]
fn a_person_who_rejects_the_payload_or_tries_again_gets_a_new_wait() {
    let memory = Memory::default();
    let clock = VirtualClock::default();
    let step = |timeout: Duration| {
        Step::new("paid", move |_: String, cx: StepContext| async move {
            cx.wait_for::<u64>("order.paid").timeout(timeout).await.map(|paid| paid.to_string())
        })
    };
    let review = HumanReview::new().requires_output_review("Enough?");
    let hour = Duration::from_hours(1);
    let builder = |name: &str| {
        Workflow::builder(name).store(memory.clone()).world(World::new(clock.clone(), 7))
    };
    let reviewed = builder("Reviewed").step(step(hour).human_review(review)).build().unwrap();
    let late = builder("Late").step(step(hour).on_error(OnError::Pause)).build().unwrap();
    let emit = |to: &Workflow, amount: u64| to.emit("order.paid").payload(amount);
    clock.run(async {
        reviewed.run("-").run_id("a").await.unwrap();
        assert_eq!(emit(&reviewed, 1).await.unwrap().received.len(), 1);
        let shown = reviewed.resume("a").await.unwrap();
        assert_eq!(&*shown.requirements[0].id, "paid!review");
        let rejected = [("paid!review", Answer::Reject { feedback: Some("not that one".into()) })];
        let again = reviewed.continue_run("a", rejected).await.unwrap();
        assert_eq!(&*again.requirements[0].id, "paid!event:order.paid#2");
        assert_eq!(emit(&reviewed, 2).await.unwrap().received.len(), 1);
        reviewed.resume("a").await.unwrap();
        let output = reviewed.continue_run("a", [("paid!review:2", Answer::Approve)]).await;
        assert_eq!(text(&output.unwrap()), "2");

        late.run("-").run_id("b").await.unwrap();
        World::new(clock.clone(), 8).sleep(hour * 2).await;
        let failed = late.resume("b").await.unwrap();
        assert_eq!(&*failed.requirements[0].id, "paid!error");
        let again = late.continue_run("b", [("paid!error", Answer::Retry)]).await.unwrap();
        assert_eq!(again.status, RunStatus::Paused);
        let asked = &again.requirements[0];
        assert_eq!(&*asked.id, "paid!event:order.paid#2");
        assert!(asked.due.unwrap() > World::new(clock.clone(), 9).now());
        assert_eq!(emit(&late, 3).await.unwrap().received.len(), 1);
        assert_eq!(text(&late.resume("b").await.unwrap()), "3");
    });
    assert_eq!(memory.shared_values("wait", "", 0).now_or_never().unwrap().unwrap(), []);
}

#[tokio::test]
async fn what_comes_too_early_or_too_late_reaches_no_run() {
    let memory = Memory::default();
    let step = Step::new("paid", |order: String, cx: StepContext| async move {
        cx.wait_for::<Value>("order.paid")
            .key(order)
            .timeout(Duration::from_millis(1))
            .await
            .map(Json)
    });
    let late = Workflow::builder("Late").store(memory.clone()).step(step).build().unwrap();
    assert_eq!(runs(&memory).emit("order.paid").key("o-1").await.unwrap().received.len(), 0);
    let paused = late.run("o-1").run_id("r").await;
    // By then the deadline may have passed, or not.
    let error = match paused {
        Err(error) => error,
        Ok(_) => loop {
            match late.resume("r").await {
                Err(error) => break error,
                Ok(_) => tokio::task::yield_now().await,
            }
        },
    };
    assert_eq!(error.id(), ErrorId::ANSWER_NOT_IN_TIME);
    let step = error.output().and_then(|output| output.step_at("paid")).unwrap();
    assert_eq!(step.error.as_ref().unwrap().code, ErrorCode::TimedOut);
    assert!(error.to_string().contains("the event `order.paid` did not come in time"), "{error}");
    assert_eq!(runs(&memory).emit("order.paid").key("o-1").await.unwrap().received.len(), 0);
    assert_eq!(entries(&memory).await, []);

    let step = Step::new("paid", |order: String, cx: StepContext| async move {
        let wait = cx.wait_for::<String>("order.paid").key(order);
        wait.timeout(Duration::from_millis(1)).default_payload("none came").await
    });
    let calm = Workflow::builder("Calm").store(memory.clone()).step(step).build().unwrap();
    let mut output = calm.run("o-1").run_id("calm").await.unwrap();
    while output.status == RunStatus::Paused {
        output = calm.resume("calm").await.unwrap();
    }
    assert_eq!(text(&output), "none came");
}

#[tokio::test]
async fn a_user_reaches_only_their_own_runs_and_people_answer_none() {
    let memory = Memory::default();
    let workflow = orders(&memory).build().unwrap();
    for user in ["anna", "ben"] {
        let run = format!("{user}:r");
        workflow.as_user(user).unwrap().run("o-1").run_id(run).await.unwrap();
    }
    let ben = workflow.as_user("ben").unwrap();
    let emitted = ben.emit("order.paid").key("o-1").payload(1).await.unwrap();
    assert_eq!(emitted.received, [RunId::new("ben:r").unwrap()]);
    let output = ben.resume("ben:r").await.unwrap();
    assert_eq!(text(&output), "1");
    let facts = memory_facts(&workflow, "ben:r").await;
    let by = facts.iter().find_map(|kind| kind.reply()).and_then(|reply| reply.by.clone());
    assert_eq!(by.as_deref(), Some("ben"));

    let forged = Answer::Event { id: "e".into(), payload: json!(1) };
    for answer in [Answer::submit(1), Answer::reject("no"), forged] {
        let refused = workflow.continue_run("anna:r", [("paid", answer)]).await.unwrap_err();
        assert_eq!(refused.id(), ErrorId::ANSWER_UNFIT, "{refused}");
    }
}

async fn memory_facts(workflow: &Workflow, run: &str) -> Vec<EventKind> {
    use futures_util::StreamExt as _;
    let events = workflow.events(run, 0).await.unwrap();
    events.map(|event| event.unwrap().kind).collect().await
}

#[tokio::test]
async fn a_branch_waits_while_another_works_and_a_cancelled_run_leaves_no_entry() {
    let memory = Memory::default();
    let build = || {
        let board = Parallel::new("board")
            .branch(Step::new("paid", paid))
            .branch(Step::new("other", |order: String| async move { format!("{order} packed") }));
        Workflow::builder("Board").store(memory.clone()).step(board).build().unwrap()
    };
    build().run("o-1").run_id("r").await.unwrap();
    let emitted = runs(&memory).emit("order.paid").key("o-1").payload(7).await.unwrap();
    assert_eq!(emitted.received.len(), 1);
    let output = build().resume("r").await.unwrap();
    assert_eq!(output.status, RunStatus::Completed);
    assert_eq!(output.step_at("board/paid").unwrap().content.text(), "7");

    build().run("o-2").run_id("gone").await.unwrap();
    assert_eq!(entries(&memory).await.len(), 1);
    assert!(build().cancel_run("gone").await.unwrap());
    assert_eq!(runs(&memory).emit("order.paid").key("o-2").await.unwrap().received.len(), 0);
    assert_eq!(entries(&memory).await, []);
}

#[tokio::test]
async fn an_entry_that_was_left_behind_does_no_harm_and_is_removed() {
    let memory = Memory::default();
    let workflow = orders(&memory).build().unwrap();
    workflow.run("o-1").run_id("r").session_id("s").await.unwrap();
    assert_eq!(entries(&memory).await.len(), 1);
    workflow.sessions().delete("s").await.unwrap();
    assert_eq!(runs(&memory).emit("order.paid").key("o-1").await.unwrap().received.len(), 0);
    assert_eq!(entries(&memory).await, []);
}

#[tokio::test]
async fn a_fork_of_a_waiting_run_waits_for_itself() {
    let memory = Memory::default();
    let workflow = orders(&memory).build().unwrap();
    workflow.run("o-1").run_id("r").await.unwrap();
    let fork = workflow.fork("r").run_id("f").await.unwrap();
    assert_eq!(fork.status, RunStatus::Paused);
    let received = runs(&memory).emit("order.paid").key("o-1").payload(3).await.unwrap().received;
    assert_eq!(received.len(), 2);
    for run in ["r", "f"] {
        assert_eq!(text(&workflow.resume(run).await.unwrap()), "3", "{run}");
    }
}

#[tokio::test]
async fn an_event_survives_the_death_of_the_driver_at_every_entry() {
    let memory = Memory::default();
    let workflow = orders(&memory).step(Step::new("end", |paid: String| async { paid + "!" }));
    let workflow = workflow.build().unwrap();
    workflow.run("o-1").run_id("r").await.unwrap();
    // The sender is gone before a driver reads the inbox.
    runs(&memory).emit("order.paid").key("o-1").id("e-1").payload(9).await.unwrap();
    let inbox = memory.inbox(&"r".parse().unwrap()).await.unwrap();
    assert_eq!(inbox.len(), 1, "it waits in the inbox");
    let output = workflow.resume("r").await.unwrap();
    assert_eq!(text(&output), "9!");
    let facts = memory_facts(&workflow, "r").await;
    let received: Vec<&Reply> = facts.iter().filter_map(EventKind::reply).collect();
    assert_eq!(received.len(), 1);
    let wanted = Answer::Event { id: "e-1".into(), payload: json!(9) };
    assert_eq!(received[0].answer, wanted);
}

/// A run with a wait in this container, which goes on with an event at each pause.
async fn carried_on(container: &str, facts: Vec<Event>) -> (RunOutput, Vec<Event>) {
    let memory = Memory::default();
    let wait = Step::new("wait", |input: String, cx: StepContext| async move {
        let came: String = cx.wait_for("go").await?;
        Ok::<_, StepError>(format!("{input}{came}"))
    });
    let plan = around(container, "one", part(wait));
    let workflow = Workflow::builder("Waits").store(memory.clone()).step(plan).build().unwrap();
    let mut output = if facts.is_empty() {
        workflow.run("in").run_id("r").await.unwrap()
    } else {
        let (run, close, driver) = ("r".parse().unwrap(), None, None);
        memory.append(Append { run, facts, close, driver }).await.unwrap();
        workflow.resume("r").await.unwrap()
    };
    while output.status == RunStatus::Paused {
        let event = runs(&memory).emit("go").payload("!");
        assert_eq!(event.await.unwrap().received.len(), 1, "{container}");
        output = workflow.resume("r").await.unwrap();
    }
    assert_eq!(entries(&memory).await, [], "{container}");
    let facts = memory.load(&"r".parse().unwrap(), 0, 1_000).await.unwrap();
    grammar::check(&facts);
    (output, facts)
}

#[tokio::test]
async fn a_wait_in_each_container_receives_its_event_whenever_the_process_dies() {
    for container in KINDS.into_iter().filter(|kind| *kind != "step") {
        let (whole, facts) = carried_on(container, Vec::new()).await;
        assert_eq!(whole.status, RunStatus::Completed);
        let received = |facts: &[Event]| {
            let replies = facts.iter().filter_map(|fact| fact.kind.reply());
            replies.filter(|reply| matches!(reply.answer, Answer::Event { .. })).count()
        };
        assert!(received(&facts) >= 1, "{container}");
        for cut in 1..facts.len() {
            let (output, again) = carried_on(container, facts[..cut].to_vec()).await;
            assert_eq!(text(&output), text(&whole), "{container}, cut at {cut}");
            assert_eq!(received(&again), received(&facts), "{container}, cut at {cut}");
        }
    }
}

#[tokio::test]
async fn an_event_that_cannot_be_used_is_refused() {
    let runs = runs(&Memory::default());
    let long = "x".repeat(2_000);
    for event in [
        runs.emit("order paid"),
        runs.emit(""),
        runs.emit("order.paid").key(long.clone()),
        runs.emit("order.paid").id(long),
        runs.emit("order.paid").id(""),
        runs.emit("order.paid").payload("x".repeat(1_000_001)),
    ] {
        let refused = event.await.unwrap_err();
        assert_eq!(refused.id(), ErrorId::EVENT_INVALID, "{refused}");
    }
    let step = Step::new("paid", |_: String, cx: StepContext| async move {
        cx.wait_for::<Value>("order paid").await.map(Json)
    });
    let workflow = Workflow::builder("Wrong").store(Memory::default()).step(step).build().unwrap();
    let failed = workflow.run("-").await.unwrap_err();
    assert_eq!(failed.id(), ErrorId::EVENT_INVALID, "{failed}");
}
