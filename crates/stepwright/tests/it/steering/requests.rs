//! Requests that are repeated, and handles to runs that were just resumed.

use super::Gate;
use futures_util::StreamExt as _;
use std::sync::{Arc, Mutex};
use stepwright::prelude::*;
use stepwright::store::Inbox as _;
use stepwright::{AnyStore, HumanReview, Memory, Runs};

#[tokio::test]
async fn a_repeated_request_to_cancel_is_one_request() {
    for (again, tidied) in [("c-1", true), ("c-2", false)] {
        let (store, gate) = (Memory::default(), Gate::new());
        let done = Arc::new(Mutex::new(Vec::new()));
        let (held, log) = (gate.clone(), done.clone());
        let tidy = Step::new("tidy", move |_: StepInput| {
            let (gate, log) = (held.clone(), log.clone());
            async move {
                gate.called.add_permits(1);
                gate.open.acquire().await.unwrap().forget();
                log.lock().unwrap().push("tidied");
                ""
            }
        });
        let work = Step::new("work", |_: StepInput| std::future::pending::<&str>());
        let workflow = Workflow::builder("W").step(work).finally(tidy).store(store.clone());
        let workflow = workflow.build().unwrap();
        let handle = workflow.run("go").run_id("r").background().await.unwrap();
        let mut events = handle.events(0).await.unwrap();
        while events.next().await.unwrap().unwrap().name() != "StepStarted" {}
        let (runs, id) = (Runs::of(AnyStore::new(store.clone())), "r".parse().unwrap());
        assert!(runs.request_cancel_once(&id, "c-1").await.unwrap());
        gate.until_called().await;
        assert!(runs.request_cancel_once(&id, again).await.unwrap());
        let requests = store.inbox(&id).await.unwrap().len();
        assert_eq!(requests, if tidied { 1 } else { 2 }, "{again}");
        if tidied {
            // As often as a caller likes.
            assert!(workflow.cancel_run_once("other", "c-1").await.is_ok_and(|there| !there));
            runs.request_cancel_once(&id, "c-1").await.unwrap();
            gate.go_on();
        }
        let error = handle.wait().await.unwrap_err();
        assert_eq!(error.kind(), stepwright::ErrorKind::Cancelled);
        assert_eq!(done.lock().unwrap().len(), usize::from(tidied), "{again}");
    }
}

#[tokio::test]
async fn a_handle_to_a_run_that_was_just_resumed_does_not_return_its_old_pause() {
    let asks = |text: &str| HumanReview::new().requires_confirmation(text);
    let echo = |name: &str| Step::new(name, |input: StepInput| async move { input.text() });
    let workflow = Workflow::builder("W")
        .step(echo("pay").human_review(asks("Pay?")))
        .step(echo("tell").human_review(asks("Tell?")))
        .store(Memory::default())
        .build()
        .unwrap();
    let paused = workflow.run("5 EUR").run_id("r").await.unwrap();
    assert_eq!(&*paused.requirements[0].id, "pay!confirm");
    let approve = |id: &str| workflow.continue_run("r", [(id.to_owned(), Answer::Approve)]);
    let handle = approve("pay!confirm").background().await.unwrap();
    let next = handle.settled().await.unwrap();
    assert_eq!(&*next.requirements[0].id, "tell!confirm");
    let handle = approve("tell!confirm").background().await.unwrap();
    let last = handle.settled().await.unwrap();
    assert_eq!((last.status, &*last.content.text()), (RunStatus::Completed, "5 EUR"));
    // A run that is resumed without an answer pauses again.
    let again = workflow.run("7 EUR").run_id("r-2").await.unwrap();
    let handle = workflow.resume(&again.run_id).background().await.unwrap();
    assert_eq!(&*handle.settled().await.unwrap().requirements[0].id, "pay!confirm");
}
