//! Sessions: state, ownership, names, metrics.

use crate::support::{fails, mark, of};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use stepwright_core::permission::ALLOWED_KEY;
use stepwright_core::state::State;
use stepwright_core::store::RunFilter;
use stepwright_core::{
    ErrorId, ErrorKind, Memory, Patch, RunStatus, StepError, StepInput, StepOutput,
};
use stepwright_engine::{Json, Step, Workflow};
use tokio::sync::Barrier;

fn counter() -> Step {
    Step::new("count", |input: StepInput| async move {
        let seen = input.state("n").and_then(serde_json::Value::as_u64).unwrap_or(0);
        StepOutput::from(seen.to_string()).patch(Patch::increment("n", 1))
    })
}

fn state(value: &serde_json::Value) -> State {
    value.as_object().unwrap().clone()
}

#[tokio::test]
async fn state_is_carried_from_run_to_run() {
    let workflow = of(counter()).session_state(state(&json!({"n": 10}))).build().unwrap();
    for expected in ["10", "11", "12"] {
        let output = workflow.run("in").session_id("s").await.unwrap();
        assert_eq!(output.content.text(), expected);
    }
    let other = workflow.run("in").session_id("t").session_state(state(&json!({"n": 40})));
    assert_eq!(other.await.unwrap().content.text(), "40");
    assert_eq!(workflow.get_session_state("s").await.unwrap()["n"], 13);
    assert_eq!(workflow.get_session_state("t").await.unwrap()["n"], 41);
}

#[tokio::test]
async fn concurrent_runs_of_a_session_lose_nothing() {
    // None ends before all have begun, and seen the state as it was.
    let barrier = Arc::new(Barrier::new(50));
    let count = Step::new("count", move |input: StepInput| {
        let barrier = barrier.clone();
        async move {
            barrier.wait().await;
            let seen = input.state("n").cloned().unwrap_or_default();
            StepOutput::from(seen.to_string()).patch(Patch::increment("n", 1))
        }
    });
    let workflow = of(count).store(Memory::default()).build().unwrap();
    let runs = (0..50).map(|_| tokio::spawn(workflow.run("in").session_id("s").into_future()));
    for run in runs.collect::<Vec<_>>() {
        assert_eq!(run.await.unwrap().unwrap().content.text(), "null");
    }
    assert_eq!(workflow.get_session_state("s").await.unwrap()["n"], 50);
    let session_id = Some("s".parse().unwrap());
    let of_session = RunFilter { session_id, ..RunFilter::default() };
    let runs = workflow.runs(of_session).await.unwrap();
    assert_eq!(runs.len(), 50);
    assert!(runs.iter().all(|run| run.status == RunStatus::Completed));
    let metrics = workflow.get_session_metrics("s").await.unwrap();
    assert_eq!((metrics.runs, metrics.model_calls), (50, 0));
}

#[tokio::test]
async fn runs_that_set_the_same_key_are_applied_in_the_order_in_which_they_end() {
    let (go, wait) = tokio::sync::watch::channel(0);
    let set = Step::new("set", move |input: StepInput| {
        let mut wait = wait.clone();
        async move {
            let turn: i32 = input.text().parse().unwrap();
            let _ = wait.wait_for(|go| *go >= turn).await;
            StepOutput::from("").patch(Patch::set("last", turn))
        }
    });
    let workflow = of(set).store(Memory::default()).build().unwrap();
    let first_to_begin = workflow.run("2").session_id("s").background().await.unwrap();
    let first_to_end = workflow.run("1").session_id("s").background().await.unwrap();
    for (turn, handle) in [(1, first_to_end), (2, first_to_begin)] {
        go.send(turn).unwrap();
        handle.wait().await.unwrap();
        assert_eq!(workflow.get_session_state("s").await.unwrap()["last"], turn);
    }
}

#[tokio::test]
async fn a_run_that_fails_leaves_the_state_as_it_was() {
    let workflow = of(counter()).step(fails("f")).store(Memory::default()).build().unwrap();
    workflow.run("in").session_id("s").await.unwrap_err();
    let session = workflow.get_session("s").await.unwrap();
    assert!(session.state.is_empty());
    assert_eq!(session.metrics.runs, 1, "it is counted all the same");
}

#[tokio::test]
async fn the_default_state_outlives_a_first_run_that_fails() {
    let seen = Step::new("seen", |input: StepInput| async move {
        match (input.text().as_str(), input.state("n").cloned()) {
            ("fail", _) => Err("as asked".to_owned()),
            (_, n) => Ok(Json(n)),
        }
    });
    let workflow = of(seen).session_state(state(&json!({"n": 10}))).build().unwrap();
    workflow.run("fail").session_id("s").await.unwrap_err();
    assert_eq!(workflow.run("go").session_id("s").await.unwrap().content.text(), "10");
}

#[tokio::test]
async fn another_users_session_is_not_found() {
    let workflow = of(counter()).store(Memory::default()).build().unwrap();
    workflow.run("in").session_id("s").user_id("anna").await.unwrap();
    for run in [workflow.run("in"), workflow.run("in").user_id("ben")] {
        let error = run.session_id("s").await.unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (ErrorKind::NotFound, "session `s` was not found")
        );
    }
    let sessions = workflow.sessions();
    assert!(sessions.clone().of_user("anna").unwrap().get("s").await.is_ok());
    let ben = sessions.clone().of_user("ben").unwrap();
    assert_eq!(ben.get("s").await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(ben.delete("s").await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(ben.list().await.unwrap().len(), 0);
    assert_eq!(
        workflow.get_session_state("s").await.unwrap()["n"],
        1,
        "and nothing was done to it"
    );
}

#[tokio::test]
async fn sessions_are_renamed_changed_listed_and_deleted() {
    let workflow = of(counter()).store(Memory::default()).build().unwrap();
    for session in ["a", "b"] {
        workflow.run("in").session_id(session).run_id(format!("r-{session}")).await.unwrap();
    }
    let sessions = workflow.sessions();
    sessions.rename("a", "Ants").await.unwrap();
    let changed = sessions.patch("a", &[Patch::set("n", 7)]).await.unwrap();
    assert_eq!((changed.name.as_deref(), changed.version), (Some("Ants"), 2));
    assert_eq!(sessions.list().await.unwrap().len(), 2);
    sessions.delete("a").await.unwrap();
    assert_eq!(sessions.get("a").await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(workflow.get_run("r-a").await.unwrap_err().kind(), ErrorKind::NotFound);
    assert!(workflow.get_run("r-b").await.is_ok());
}

#[tokio::test]
async fn without_a_store_only_named_sessions_are_remembered() {
    let workflow = of(mark("a")).build().unwrap();
    let output = workflow.run("in").await.unwrap();
    let error = workflow.get_run(&output.run_id).await.unwrap_err();
    assert!(error.hint().unwrap().contains("`.store(…)`"), "{error:?}");
    assert!(workflow.get_last_run_output().await.unwrap().is_none());
    workflow.run("in").session_id("s").await.unwrap();
    assert_eq!(workflow.get_session("s").await.unwrap().session_id, "s");
    assert!(workflow.get_last_run_output().await.unwrap().is_some());
}

#[tokio::test]
async fn a_state_that_does_not_fit_fails_the_run_whenever_that_is_found() {
    let wrong = Step::new("wrong", |_: StepInput| async {
        StepOutput::from("").patch(Patch::increment("name", 1))
    });
    let named = state(&json!({"name": "x"}));
    let workflow = of(wrong).session_state(named).store(Memory::default()).build().unwrap();
    let error = workflow.run("in").session_id("s").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "step `wrong` failed: state key `name` holds a text, so it cannot be incremented"
    );

    // The step was right when it ran, and another run changed the session meanwhile.
    let (go, wait) = tokio::sync::watch::channel(false);
    let late = Step::new("late", move |_: StepInput| {
        let mut wait = wait.clone();
        async move {
            let _ = wait.wait_for(|go| *go).await;
            StepOutput::from("").patch(Patch::increment("k", 1))
        }
    });
    let workflow = of(late).store(Memory::default()).build().unwrap();
    let handle = workflow.run("in").session_id("s").run_id("r").background().await.unwrap();
    workflow.sessions().patch("s", &[Patch::set("k", "text")]).await.unwrap();
    go.send(true).unwrap();
    let error = handle.wait().await.unwrap_err();
    assert_eq!(error.to_string(), "state key `k` holds a text, so it cannot be incremented");
    let stored = workflow.get_run("r").await.unwrap();
    assert_eq!(stored.status, RunStatus::Error);
    assert_eq!(workflow.get_session_state("s").await.unwrap()["k"], "text");
}

#[tokio::test]
async fn typed_values_go_through_the_state_and_out() {
    let typed =
        Step::new("typed", |input: StepInput| async move { Json(input.state("n").cloned()) });
    let workflow: Workflow = of(typed).session_state(state(&json!({"n": [1]}))).build().unwrap();
    let output = workflow.run("in").session_id("s").await.unwrap();
    assert_eq!(output.parse::<Vec<u8>>().unwrap(), [1]);
}

#[tokio::test]
async fn only_answers_of_people_add_to_the_permissions_of_a_session() {
    let rule = state(&json!({ALLOWED_KEY: ["*"]}));
    let error = of(mark("a")).session_state(rule.clone()).build().unwrap_err();
    assert!(error.to_string().contains("reserved for the permissions"), "{error}");

    let writes = Step::new("writes", |_: StepInput| async {
        StepOutput::from("").patch(Patch::append(ALLOWED_KEY, "*"))
    });
    let workflow = of(writes).store(Memory::default()).build().unwrap();
    let error = workflow.run("in").session_id("s").await.unwrap_err();
    assert!(error.to_string().contains("reserved for the permissions"), "{error}");

    let workflow = of(mark("a")).store(Memory::default()).build().unwrap();
    let error = workflow.run("in").session_id("s").session_state(rule).await.unwrap_err();
    assert_eq!(error.id(), ErrorId::STATE_CHANGE_INVALID);
    workflow.run("in").session_id("s").await.unwrap();
    for patch in [Patch::set(ALLOWED_KEY, json!(["*"])), Patch::append(ALLOWED_KEY, "*")] {
        let error = workflow.sessions().patch("s", &[patch]).await.unwrap_err();
        assert_eq!(error.id(), ErrorId::STATE_CHANGE_INVALID);
    }
    // Taking them away is allowed.
    workflow.sessions().patch("s", &[Patch::set(ALLOWED_KEY, json!(null))]).await.unwrap();
}

#[tokio::test]
async fn the_first_state_of_a_session_overwrites_nothing_that_other_runs_have_changed() {
    let both = Arc::new(Barrier::new(2));
    let meet = Step::new("meet", move |_: StepInput| {
        let both = both.clone();
        async move {
            both.wait().await;
            StepOutput::from("").patch(Patch::increment("n", 1)).patch(Patch::append("seen", "x"))
        }
    });
    let first = state(&json!({"n": 10, "seen": []}));
    let workflow = of(meet).session_state(first).store(Memory::default()).build().unwrap();
    let run = || workflow.run("in").session_id("s");
    let (one, other) = tokio::join!(run(), run());
    one.unwrap();
    other.unwrap();
    let found = workflow.get_session_state("s").await.unwrap();
    assert_eq!(found, state(&json!({"n": 12, "seen": ["x", "x"]})));
}

#[tokio::test]
async fn a_retry_of_the_first_run_of_a_session_keeps_the_state_of_the_later_ones() {
    let failures = Arc::new(AtomicUsize::new(1));
    let count = Step::new("count", move |_: StepInput| {
        let fails = failures.swap(0, Ordering::SeqCst) > 0;
        async move {
            if fails {
                return Err(StepError::terminal("not yet"));
            }
            Ok(StepOutput::from("").patch(Patch::increment("n", 1)))
        }
    });
    let workflow = of(count).session_state(state(&json!({"n": 0}))).store(Memory::default());
    let workflow = workflow.build().unwrap();
    workflow.run("in").session_id("s").run_id("first").await.unwrap_err();
    for _ in 0..2 {
        workflow.run("in").session_id("s").await.unwrap();
    }
    workflow.retry("first").await.unwrap();
    assert_eq!(workflow.get_session_state("s").await.unwrap()["n"], 3);
}
