//! Deleting single runs.

use super::{Outcome, TestRun, cases, same, session, session_id, started, wants};
use stepwright_core::event::Reply;
use stepwright_core::store::{Claim, Claimed, DeleteRun, RunFilter, Signal};
use stepwright_core::{Answer, ErrorId, EventKind, Store, StoreError, Timestamp};

cases![
    a_run_that_has_ended_is_deleted_and_leaves_others,
    a_run_that_waits_or_is_under_way_stays,
    a_large_body_goes_with_the_last_run_that_has_it,
];

/// Returns `true` if the store has this operation, which is optional.
pub(super) async fn is_lacking(store: &dyn Store) -> bool {
    let delete = DeleteRun::ended("r-0".parse().expect("an identifier"));
    matches!(
        store.delete_run(delete).await,
        Err(StoreError::Unavailable { id: ErrorId::STORE_UNAVAILABLE, .. })
    )
}

fn answered(run: &TestRun<'_>) -> Signal {
    let (requirement_id, answer) = ("a!confirm".into(), Answer::Approve);
    let reply = Reply { requirement_id, answer, by: None, timed_out: false };
    Signal::answer(run.run.clone(), reply, Timestamp(super::START))
}

async fn a_run_that_has_ended_is_deleted_and_leaves_others(store: &dyn Store) -> Outcome {
    if is_lacking(store).await {
        return Ok(());
    }
    let mut gone = TestRun::new(store, "gone", "s");
    let mut stays = TestRun::new(store, "stays", "s");
    for run in [&mut gone, &mut stays] {
        run.begin().await?;
        run.append(vec![started(1)]).await?;
        store.submit(answered(run)).await?;
        run.close(Vec::new()).await?;
    }
    let delete = || DeleteRun::ended(gone.run.clone());
    let would = store.delete_run(DeleteRun { dry_run: true, ..delete() }).await?;
    gone.unchanged("facts after a dry run").await?;
    let deleted = store.delete_run(delete()).await?;
    same("what was deleted, as a dry run said", deleted, would)?;
    wants!("what was deleted", deleted, Some(all) if all.facts == 3 && all.signals == 1);
    wants!("its size", deleted, Some(all) if all.bytes > 0);
    same("its row", store.run(&gone.run).await?, None)?;
    same("its journal", gone.journal().await?, vec![])?;
    same("its inbox", store.inbox(&gone.run).await?, vec![])?;
    same("a second deletion", store.delete_run(delete()).await?, None)?;

    stays.unchanged("facts of the other run").await?;
    let left = store.runs(RunFilter::default()).await?;
    same("the runs", left.into_iter().map(|row| row.run_id).collect(), vec![stays.run.clone()])?;
    same("the runs of its session", session(store, "s").await?.session_id, session_id("s"))?;
    store.verify(&stays.run).await?;

    // The id is free again.
    gone.next = 0;
    gone.begin().await?;
    gone.append(vec![started(1)]).await?;
    gone.unchanged("facts of a run with the name of one that was deleted").await?;
    store.verify(&gone.run).await?;
    store.compact().await?;
    gone.unchanged("facts after the store was compacted").await
}

async fn a_run_that_waits_or_is_under_way_stays(store: &dyn Store) -> Outcome {
    if is_lacking(store).await {
        return Ok(());
    }
    let mut run = TestRun::new(store, "r", "s");
    run.begin().await?;
    let delete = |waiting| DeleteRun { waiting, ..DeleteRun::ended(run.run.clone()) };
    let (ended, waiting) = (delete(false), delete(true));
    same("a run without a driver", store.delete_run(waiting.clone()).await?, None)?;
    let claim = Claim { run: run.run.clone(), driver: "d".into(), dead: None, stale: Timestamp(0) };
    same("the claim", store.claim(claim).await?, Claimed::Yes)?;
    same("a run under way", store.delete_run(waiting.clone()).await?, None)?;
    run.append(vec![EventKind::WorkflowPaused { until: None }]).await?;
    same("a run that waits", store.delete_run(ended).await?, None)?;
    run.unchanged("facts of a run that waits").await?;
    wants!("a run that waits, if allowed", store.delete_run(waiting).await?, Some(_));
    same("its journal", run.journal().await?, vec![])
}

async fn a_large_body_goes_with_the_last_run_that_has_it(store: &dyn Store) -> Outcome {
    if is_lacking(store).await {
        return Ok(());
    }
    let text = "a large text. ".repeat(20_000);
    let mut both = [TestRun::new(store, "r1", "s"), TestRun::new(store, "r2", "s")];
    for run in &mut both {
        run.begin().await?;
        run.append(vec![super::completed(&text)]).await?;
    }
    for run in &both {
        let facts = run.journal().await?;
        wants!("the large text", &facts[1].kind, EventKind::WorkflowCompleted { content, .. }
            if content.text() == text);
        wants!("the deletion", store.delete_run(DeleteRun::ended(run.run.clone())).await?, Some(_));
    }
    same("the runs", store.runs(RunFilter::default()).await?, vec![])
}
