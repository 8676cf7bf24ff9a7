//! Rows of runs.

use super::{
    Outcome, START, TestRun, cases, same, samples, session_id, started, user_id, workflow,
};
use stepwright_core::store::{Claim, Claimed, PAGE_MAX, RunFilter};
use stepwright_core::{EventKind, RunId, RunStatus, Store, Timestamp};

cases![
    the_row_of_a_run_is_a_fold_of_its_journal,
    the_row_of_a_run_that_ended_has_its_metrics,
    a_batch_may_begin_and_end_a_run,
    runs_are_listed_newest_first_by_pages,
    a_page_has_a_longest_length,
];

async fn the_row_of_a_run_is_a_fold_of_its_journal(store: &dyn Store) -> Outcome {
    for (n, end) in samples::terminal().into_iter().enumerate() {
        let mut run = TestRun::new(store, &format!("r{n}"), "s").user("anna");
        run.begin().await?;
        let row = |updated_at, status| stepwright_core::store::RunRow {
            run_id: run.run.clone(),
            session_id: session_id("s"),
            user_id: Some(user_id("anna")),
            workflow_id: workflow("w"),
            digest: "d1".into(),
            status,
            created_at: Timestamp(START),
            updated_at: Timestamp(START + updated_at),
            wake_at: None,
            background: false,
            driver: None,
            origin: None,
            metrics: None,
        };
        // No driver was named.
        let begun = row(0, RunStatus::Pending);
        let under_way = row(20, RunStatus::Pending);
        let ended = row(
            30,
            match end {
                EventKind::WorkflowCompleted { .. } => RunStatus::Completed,
                EventKind::WorkflowError { .. } => RunStatus::Error,
                _ => RunStatus::Cancelled,
            },
        );
        let of = async || store.run(&begun.run_id).await;
        let listed = async || store.runs(RunFilter { limit: 1, ..RunFilter::default() }).await;

        same("the row after the start", of().await?, Some(begun.clone()))?;
        run.append(vec![started(1), started(2)]).await?;
        same("the row of a run under way", of().await?, Some(under_way.clone()))?;
        same("the same, in the list", listed().await?, vec![under_way])?;
        run.append(vec![end]).await?;
        same("the row at the end", of().await?, Some(ended.clone()))?;
        same("the same, in the list", listed().await?, vec![ended])?;
    }
    Ok(())
}

async fn the_row_of_a_run_that_ended_has_its_metrics(store: &dyn Store) -> Outcome {
    let mut run = TestRun::new(store, "r", "s");
    let id = run.run.clone();
    let of = async || -> Result<_, super::Nonconformance> {
        let row = store.run(&id).await?.map(|row| row.metrics);
        let listed = store.runs(RunFilter::default()).await?;
        same("the list", listed.first().map(|row| row.metrics), row)?;
        Ok(row.flatten())
    };
    run.begin().await?;
    same("under way", of().await?, None)?;
    run.close(vec![]).await?;
    same("at the end", of().await?, Some(super::metrics()))?;
    let steps = vec!["a".into()];
    run.append(vec![EventKind::WorkflowRetried { steps, withdrawn: Vec::new() }]).await?;
    same("after a retry", of().await?, None)?;
    // A driver that does not tell them.
    run.append(vec![EventKind::WorkflowCancelled { reason: "no".into() }]).await?;
    same("at an end without metrics", of().await?, None)?;

    let mut paused = TestRun::new(store, "r2", "s");
    paused.begin().await?;
    paused.append(vec![EventKind::WorkflowPaused { until: None }]).await?;
    same("of a paused run", store.run(&paused.run).await?.and_then(|row| row.metrics), None)?;
    paused.close(vec![]).await?;
    let found = store.run(&paused.run).await?.and_then(|row| row.metrics);
    same("at the end of a run that was paused", found, Some(super::metrics()))
}

async fn a_batch_may_begin_and_end_a_run(store: &dyn Store) -> Outcome {
    let mut run = TestRun::new(store, "r", "s");
    let end = EventKind::WorkflowCancelled { reason: "no".into() };
    run.append(vec![run.start_kind(), started(1), end]).await?;
    let row = store.run(&run.run).await?;
    let found = row.map(|row| (row.status, row.created_at, row.updated_at));
    let wanted = (RunStatus::Cancelled, Timestamp(START), Timestamp(START + 20));
    same("status and times", found, Some(wanted))
}

async fn runs_are_listed_newest_first_by_pages(store: &dyn Store) -> Outcome {
    // Twelve runs: two sessions, three users, two workflows, every other run ended.
    for n in 0..12_usize {
        let (name, session) = (format!("r{n:02}"), ["s0", "s1"][n % 2]);
        let run = TestRun::new(store, &name, &format!("{session}-{}", n % 3));
        let mut run = run.user(["u0", "u1", "u2"][n % 3]).workflow(["w0", "w1"][n / 6]);
        run.begin().await?;
        if n % 2 == 0 {
            run.close(vec![]).await?;
        }
    }
    let list = async |filter: RunFilter| -> Result<Vec<String>, super::Nonconformance> {
        Ok(store.runs(filter).await?.into_iter().map(|row| row.run_id.to_string()).collect())
    };
    let names = |numbers: &[usize]| numbers.iter().map(|n| format!("r{n:02}")).collect::<Vec<_>>();
    let all = RunFilter::default;
    let down: Vec<usize> = (0..12).rev().collect();

    same("all", list(all()).await?, names(&down))?;
    same("a page", list(RunFilter { limit: 5, ..all() }).await?, names(&down[..5]))?;
    let next = RunFilter { limit: 5, offset: 5, ..all() };
    same("the next page", list(next).await?, names(&down[5..10]))?;
    let before = |run: &str| -> Result<Option<RunId>, super::Nonconformance> {
        run.parse().map(Some).map_err(|_| super::Nonconformance("no name".into()))
    };
    let behind = RunFilter { before: before("r07")?, limit: 3, ..all() };
    same("the page behind a run", list(behind).await?, names(&[6, 5, 4]))?;
    let behind = RunFilter { before: before("r07")?, user_id: Some(user_id("u2")), ..all() };
    same("behind a run, of a user", list(behind).await?, names(&[5, 2]))?;
    let behind = RunFilter { before: before("gone")?, ..all() };
    same("behind a run that is not there", list(behind).await?, names(&[]))?;
    let past = RunFilter { offset: 12, ..all() };
    same("a page past the end", list(past).await?, names(&[]))?;

    let session = RunFilter { session_id: Some(session_id("s1-1")), ..all() };
    same("of a session", list(session).await?, names(&[7, 1]))?;
    let user = RunFilter { user_id: Some(user_id("u2")), ..all() };
    same("of a user", list(user.clone()).await?, names(&[11, 8, 5, 2]))?;
    let of_workflow = RunFilter { workflow_id: Some(workflow("w1")), ..all() };
    same("of a workflow", list(of_workflow.clone()).await?, names(&[11, 10, 9, 8, 7, 6]))?;
    let pending = RunFilter { status: Some(RunStatus::Pending), ..all() };
    same("pending", list(pending.clone()).await?, names(&[11, 9, 7, 5, 3, 1]))?;
    for n in [3, 9] {
        let run =
            format!("r{n:02}").parse().map_err(|_| super::Nonconformance("no name".into()))?;
        let stale = Timestamp(START);
        let claim = Claim { run, driver: "d".into(), dead: None, stale };
        same("a claim", store.claim(claim).await?, Claimed::Yes)?;
    }
    let running = RunFilter { status: Some(RunStatus::Running), ..all() };
    same("running", list(running.clone()).await?, names(&[9, 3]))?;
    same("still pending", list(pending).await?, names(&[11, 7, 5, 1]))?;
    let of_user = RunFilter { user_id: Some(user_id("u0")), ..running };
    same("running, of a user", list(of_user).await?, names(&[9, 3]))?;
    let completed = RunFilter { status: Some(RunStatus::Completed), offset: 1, limit: 2, ..user };
    same("completed, of a user, second page", list(completed.clone()).await?, names(&[2]))?;
    let everything = RunFilter { offset: 0, session_id: Some(session_id("s0-2")), ..completed };
    let everything = RunFilter { workflow_id: of_workflow.workflow_id, ..everything };
    same("all filters at once", list(everything).await?, names(&[8]))?;
    let none = RunFilter { user_id: Some(user_id("u")), ..all() };
    same("of a user without runs", list(none).await?, names(&[]))
}

async fn a_page_has_a_longest_length(store: &dyn Store) -> Outcome {
    let appends: Vec<_> = (0..=PAGE_MAX)
        .map(|n| {
            let run = TestRun::new(store, &format!("r{n}"), "s");
            store.append(run.append_at(0, vec![run.start_kind()]))
        })
        .collect();
    futures_util::future::try_join_all(appends).await?;
    for limit in [0, PAGE_MAX + 1, usize::MAX] {
        let page = store.runs(RunFilter { limit, ..RunFilter::default() }).await?;
        same("how many runs a page has", page.len(), PAGE_MAX)?;
    }
    Ok(())
}
