//! Forks, which share the first facts of their origins, and runs that are retried after their end.

use super::deleting::is_lacking;
use super::{
    Nonconformance, Outcome, START, TestRun, cases, completed, same, session_id, started, user_id,
    wants, workflow,
};
use std::sync::Arc;
use stepwright_core::event::{Origin, Reply, WorkflowForked};
use stepwright_core::journal::Append;
use stepwright_core::store::{Claim, Claimed, DeleteRun, RunFilter, RunRow, Signal};
use stepwright_core::{
    Answer, Event, EventKind, RunId, RunStatus, StepPath, Store, StoreError, Timestamp,
};

cases![
    a_fork_has_the_facts_of_its_origin_and_its_own,
    a_fork_of_a_fork_has_the_facts_of_both,
    a_fork_needs_an_origin_with_enough_facts,
    a_fork_begins_once_and_only_in_a_session_of_its_user,
    a_deleted_origin_is_gone_and_its_forks_are_whole,
    an_origin_that_is_deleted_alone_leaves_its_facts_to_its_forks,
    a_run_that_ended_is_taken_up_by_a_retry,
    a_retry_voids_what_was_left_in_the_inbox,
];

pub(super) fn forked(origin: &str, until: u64, session: &str, user: Option<&str>) -> EventKind {
    EventKind::WorkflowForked(Arc::new(WorkflowForked {
        origin: Origin { run: RunId::new(origin).expect("an identifier"), until },
        at: "facts".into(),
        steps: vec!["facts".into()],
        open: Vec::new(),
        workflow_id: workflow("w"),
        digest: "d2".into(),
        session_id: session_id(session),
        user_id: user.map(user_id),
        input: None,
        metadata: serde_json::Map::new(),
        debug: false,
        timeout_ms: None,
        session_used: None,
        background: true,
    }))
}

pub(super) fn append(run: &str, sequence: u64, kind: EventKind) -> Append {
    let run = RunId::new(run).expect("an identifier");
    let (time, path) = (Timestamp(START + 500 + sequence), StepPath::root());
    let fact = Event { sequence, delta: 0, time, run: run.clone(), path, kind };
    Append { run, facts: vec![fact], close: None, driver: None }
}

async fn row(store: &dyn Store, run: &str) -> Result<RunRow, Nonconformance> {
    let run = RunId::new(run).expect("an identifier");
    let found = store.run(&run).await?;
    found.ok_or_else(|| Nonconformance(format!("run `{run}` was not found")))
}

async fn facts(store: &dyn Store, run: &str) -> Result<Vec<Event>, StoreError> {
    store.load(&RunId::new(run).expect("an identifier"), 0, usize::MAX).await
}

/// A run with a start and four more facts.
async fn origin<'a>(store: &'a dyn Store, name: &str) -> Result<TestRun<'a>, Nonconformance> {
    let mut run = TestRun::new(store, name, "s").user("anna");
    run.append(vec![run.start_kind(), started(1), started(2)]).await?;
    run.append(vec![started(3), started(4)]).await?;
    Ok(run)
}

async fn a_fork_has_the_facts_of_its_origin_and_its_own(store: &dyn Store) -> Outcome {
    let mut origin = origin(store, "r").await?;
    store.append(append("f", 3, forked("r", 3, "s", Some("anna")))).await?;
    store.append(append("f", 4, started(9))).await?;
    // What the origin does later is its own.
    origin.append(vec![started(5)]).await?;
    let (theirs, ours) = (facts(store, "r").await?, facts(store, "f").await?);
    same("the number of facts of the origin", theirs.len(), 6)?;
    let kinds = |facts: &[Event]| facts.iter().map(|f| f.kind.clone()).collect::<Vec<_>>();
    same("the shared facts", kinds(&ours[..3]), kinds(&theirs[..3]))?;
    same("the times of the shared facts", ours[2].time, theirs[2].time)?;
    let f = RunId::new("f").expect("an identifier");
    same("the run of every fact", ours.iter().all(|fact| fact.run == f), true)?;
    let numbers: Vec<u64> = ours.iter().map(|fact| fact.sequence).collect();
    same("the numbers", numbers, vec![0, 1, 2, 3, 4])?;
    for from in 0..6 {
        for limit in [1, 2, 3, 9] {
            let page = store.load(&f, from, limit).await?;
            let place = usize::try_from(from).unwrap_or(usize::MAX).min(ours.len());
            let wanted = ours[place..].iter().take(limit).cloned().collect::<Vec<_>>();
            same("a page", page, wanted)?;
        }
    }
    let found = row(store, "f").await?;
    same("the origin", found.origin.map(|o| (o.run.to_string(), o.until)), Some(("r".into(), 3)))?;
    same("the start of the fork", found.created_at, Timestamp(START + 503))?;
    same("its digest", &*found.digest, "d2")?;
    same("its status", found.status, RunStatus::Pending)?;
    same("the background", found.background, true)?;
    same("its origin's origin", row(store, "r").await?.origin, None)?;
    let checked = store.verify(&f).await?;
    same("the verified facts", checked.facts, 5)?;
    wants!("the chain", (checked.chained, checked.head.is_some()), (5, true) | (0, false));
    let listed = store.runs(RunFilter::default()).await?;
    same("the number of runs", listed.len(), 2)
}

async fn a_fork_of_a_fork_has_the_facts_of_both(store: &dyn Store) -> Outcome {
    origin(store, "r").await?;
    store.append(append("f", 3, forked("r", 3, "s", Some("anna")))).await?;
    store.append(append("f", 4, started(9))).await?;
    store.append(append("g", 5, forked("f", 5, "s", Some("anna")))).await?;
    // A fork may also leave where its origin had no facts of its own.
    store.append(append("h", 2, forked("f", 2, "s", Some("anna")))).await?;
    let kinds = |facts: &[Event]| facts.iter().map(|f| f.kind.clone()).collect::<Vec<_>>();
    let (f, g, h) = (facts(store, "f").await?, facts(store, "g").await?, facts(store, "h").await?);
    same("the facts of both", kinds(&g[..5]), kinds(&f))?;
    same("the number of facts", (g.len(), h.len()), (6, 3))?;
    same("the facts of the first", kinds(&h[..2]), kinds(&f[..2]))?;
    for run in ["f", "g", "h"] {
        store.verify(&RunId::new(run).expect("an identifier")).await?;
    }
    let page = store.load(&RunId::new("g").expect("an identifier"), 2, 3).await?;
    same("a page over three journals", kinds(&page), kinds(&g[2..5]))
}

async fn an_origin_that_is_deleted_alone_leaves_its_facts_to_its_forks(
    store: &dyn Store,
) -> Outcome {
    if is_lacking(store).await {
        return Ok(());
    }
    let mut origin = origin(store, "r").await?;
    origin.close(Vec::new()).await?;
    store.append(append("f", 3, forked("r", 3, "s", Some("anna")))).await?;
    let (f, before) = (RunId::new("f").expect("an identifier"), facts(store, "f").await?);
    let deleted = store.delete_run(DeleteRun::ended(origin.run.clone())).await?;
    wants!("what was deleted", deleted, Some(gone) if gone.facts == 0 && gone.shared == 6);
    same("the row of the origin", store.run(&origin.run).await?, None)?;
    same("the facts of the origin", facts(store, "r").await?, vec![])?;
    same("the facts of the fork", facts(store, "f").await?, before)?;
    same("the verified facts of the fork", store.verify(&f).await?.facts, 4)
}

async fn a_fork_needs_an_origin_with_enough_facts(store: &dyn Store) -> Outcome {
    origin(store, "r").await?;
    let none = store.append(append("f", 3, forked("none", 3, "s", Some("anna")))).await;
    wants!("a fork of no run", none, Err(StoreError::NotFound(_)));
    let beyond = store.append(append("f", 9, forked("r", 9, "s", Some("anna")))).await;
    wants!("a fork beyond the end", beyond, Err(StoreError::NotFound(_)));
    same("the runs", store.runs(RunFilter::default()).await?.len(), 1)
}

async fn a_fork_begins_once_and_only_in_a_session_of_its_user(store: &dyn Store) -> Outcome {
    origin(store, "r").await?;
    store.append(append("f", 3, forked("r", 3, "s", Some("anna")))).await?;
    let again = store.append(append("f", 3, forked("r", 3, "s", Some("anna")))).await;
    wants!("a second fork of that name", again, Err(StoreError::Taken { .. }));
    let theirs = store.append(append("g", 3, forked("r", 3, "s", Some("ben")))).await;
    wants!("a session of another user", theirs, Err(StoreError::NotFound(_)));
    store.append(append("h", 3, forked("r", 3, "new", Some("ben")))).await?;
    same("the owner", super::session(store, "new").await?.user_id, Some(user_id("ben")))
}

async fn a_deleted_origin_is_gone_and_its_forks_are_whole(store: &dyn Store) -> Outcome {
    let large = "large ".repeat(100_000);
    let mut run = origin(store, "r").await?;
    run.append(vec![completed(&large)]).await?;
    store.append(append("f", 6, forked("r", 6, "other", Some("anna")))).await?;
    store.append(append("g", 7, forked("f", 7, "third", Some("anna")))).await?;
    let before = facts(store, "g").await?;
    same("the deletion", store.delete_session(&session_id("s")).await?, true)?;
    same("the origin", store.run(&RunId::new("r").expect("an identifier")).await?, None)?;
    same("its facts", facts(store, "r").await?.len(), 0)?;
    same("the listed runs", store.runs(RunFilter::default()).await?.len(), 2)?;
    // Another run of that name is another run.
    origin(store, "r").await?;
    same("the deletion of the fork", store.delete_session(&session_id("other")).await?, true)?;
    same("the facts of the last fork", facts(store, "g").await?, before)?;
    same("its origin", row(store, "g").await?.origin.is_some(), true)?;
    store.verify(&RunId::new("g").expect("an identifier")).await?;
    same("the deletion of the last", store.delete_session(&session_id("third")).await?, true)?;
    same("the facts of a deleted fork", facts(store, "g").await?.len(), 0)?;
    same("the run of the same name", facts(store, "r").await?.len(), 5)
}

fn failed() -> EventKind {
    let error = Box::new(stepwright_core::ErrorData::default());
    EventKind::WorkflowError { error, step: None, attempts: 1 }
}

async fn a_run_that_ended_is_taken_up_by_a_retry(store: &dyn Store) -> Outcome {
    let mut run = origin(store, "r").await?;
    let claim = |driver: &str| Claim {
        run: RunId::new("r").expect("an identifier"),
        driver: driver.into(),
        dead: None,
        stale: Timestamp(START),
    };
    same("the claim", store.claim(claim("d1")).await?, Claimed::Yes)?;
    run.append(vec![failed()]).await?;
    same("the claim after the end", store.claim(claim("d2")).await?, Claimed::Over)?;
    let retried = || EventKind::WorkflowRetried { steps: vec!["a".into()], withdrawn: Vec::new() };
    let late = store.append(append("r", 5, retried())).await;
    wants!("a retry at a taken number", late, Err(StoreError::Taken { .. }));
    store.append(append("r", 6, retried())).await?;
    let twice = store.append(append("r", 6, retried())).await;
    wants!("a second retry", twice, Err(StoreError::Taken { .. }));
    let found = row(store, "r").await?;
    same("the status", (found.status, found.driver), (RunStatus::Pending, None))?;
    same("the claim after the retry", store.claim(claim("d2")).await?, Claimed::Yes)?;
    let mut end = append("r", 7, completed("done"));
    end.close = Some(stepwright_core::journal::SessionClose {
        metrics: super::metrics(),
        retried: true,
        ..Default::default()
    });
    store.append(end).await?;
    same("the end", row(store, "r").await?.status, RunStatus::Completed)?;
    let session = super::session(store, "s").await?;
    same("the runs of the session", (session.metrics.runs, session.metrics.model_calls), (0, 3))?;
    store.verify(&run.run).await?;
    same("the facts", facts(store, "r").await?.len(), 8)
}

async fn a_retry_voids_what_was_left_in_the_inbox(store: &dyn Store) -> Outcome {
    let mut run = origin(store, "r").await?;
    let answer = |id: &str| {
        let (requirement_id, answer) = (id.into(), Answer::Approve);
        let reply = Reply { requirement_id, answer, by: None, timed_out: false };
        Signal::answer(RunId::new("r").expect("an identifier"), reply, Timestamp(START))
    };
    let cancel = || Signal::cancel(run.run.clone(), "no", Timestamp(START));
    let asked = |run: &TestRun<'_>| run.run.clone();
    let name = asked(&run);
    for signal in [answer("a!review"), answer("b!confirm"), cancel()] {
        same("a signal is left", store.submit(signal).await?, true)?;
    }
    run.append(vec![failed()]).await?;
    let withdrawn = vec!["a!review".into()];
    let kind = EventKind::WorkflowRetried { steps: vec!["a".into()], withdrawn };
    store.append(append("r", 6, kind)).await?;
    let left: Vec<String> = store.inbox(&name).await?.iter().map(|s| s.id.to_string()).collect();
    same("the inbox", left, vec!["answer:b!confirm".to_owned()])?;
    same("the same answer", store.submit(answer("a!review")).await?, true)?;
    same("a kept answer", store.submit(answer("b!confirm")).await?, false)?;
    let cancel = Signal::cancel(name, "now", Timestamp(START));
    same("another request to cancel", store.submit(cancel).await?, true)
}
