//! Sessions: opened by runs, changed at their ends, owned by users.

use super::{
    Nonconformance, Outcome, START, TestRun, cases, metrics, same, samples, session, session_id,
    started, user_id, wants, workflow,
};
use futures_util::future::{join_all, try_join_all};
use serde_json::{Value, json};
use stepwright_core::session::SessionMetrics;
use stepwright_core::store::{RunFilter, SessionFilter};
use stepwright_core::{Patch, RunStatus, Session, Store, StoreError, Timestamp};

cases![
    a_run_opens_its_session,
    another_users_session_is_not_found,
    nobodys_session_is_everybodys,
    the_end_of_a_run_patches_the_session_as_it_is_then,
    the_order_of_appended_values_is_the_order_of_the_runs,
    what_runs_consumed_adds_up,
    a_patch_that_does_not_fit_records_nothing,
    a_run_may_begin_and_close_at_once,
    a_session_is_opened_once,
    a_session_is_renamed,
    a_session_is_patched,
    concurrent_patches_add_up,
    state_comes_back_byte_for_byte,
    a_session_goes_with_its_runs,
    sessions_are_listed_last_used_first,
];

async fn a_run_opens_its_session(store: &dyn Store) -> Outcome {
    let mut run = TestRun::new(store, "r", "s").user("anna");
    run.begin().await?;
    let wanted =
        Session::new(session_id("s"), Some(user_id("anna")), workflow("w"), Timestamp(START));
    same("the session", session(store, "s").await?, wanted.clone())?;
    // A second run, of another workflow, does not change it.
    TestRun::new(store, "r2", "s").user("anna").workflow("other").begin().await?;
    same("the session after another run", session(store, "s").await?, wanted)
}

async fn another_users_session_is_not_found(store: &dyn Store) -> Outcome {
    TestRun::new(store, "r", "s").user("anna").begin().await?;
    let before = session(store, "s").await?;
    let ben = TestRun::new(store, "r2", "s").user("ben");
    for mut stranger in [ben, TestRun::new(store, "r3", "s")] {
        wants!("a run of a stranger", stranger.begin().await, Err(StoreError::NotFound(_)));
        stranger.unchanged("facts of a run that did not begin").await?;
        same("its row", store.run(&stranger.run).await?, None)?;
    }
    same("the session", session(store, "s").await?, before)
}

async fn nobodys_session_is_everybodys(store: &dyn Store) -> Outcome {
    TestRun::new(store, "r", "s").begin().await?;
    TestRun::new(store, "r2", "s").user("anna").begin().await?;
    TestRun::new(store, "r3", "s").user("ben").begin().await?;
    same("its owner", session(store, "s").await?.user_id, None)?;
    let rows = store.runs(RunFilter::default()).await?;
    same("how many runs there are", rows.len(), 3)
}

async fn the_end_of_a_run_patches_the_session_as_it_is_then(store: &dyn Store) -> Outcome {
    let mut runs: Vec<_> = (0..20).map(|n| TestRun::new(store, &format!("r{n}"), "s")).collect();
    try_join_all(runs.iter_mut().map(TestRun::begin)).await?;
    let patches = |n: usize| vec![Patch::increment("visits", 1), Patch::append("seen", n)];
    try_join_all(runs.iter_mut().enumerate().map(|(n, run)| run.close(patches(n)))).await?;

    let session = session(store, "s").await?;
    same("visits", session.state.get("visits"), Some(&json!(20)))?;
    let mut seen: Vec<u64> = match session.state.get("seen") {
        Some(Value::Array(seen)) => seen.iter().filter_map(Value::as_u64).collect(),
        other => return Err(super::wrong("what was seen", &other, &"a list")),
    };
    seen.sort_unstable();
    same("what was seen", seen, (0..20).collect())?;
    same("its version", session.version, 20)
}

async fn the_order_of_appended_values_is_the_order_of_the_runs(store: &dyn Store) -> Outcome {
    for n in 0..3 {
        let mut run = TestRun::new(store, &format!("r{n}"), "s");
        run.begin().await?;
        run.close(vec![Patch::append("seen", n), Patch::set("last", n)]).await?;
    }
    let state = Value::Object(session(store, "s").await?.state);
    same("the state", state, json!({"seen": [0, 1, 2], "last": 2}))
}

async fn what_runs_consumed_adds_up(store: &dyn Store) -> Outcome {
    for n in 1..=3_u64 {
        let mut run = TestRun::new(store, &format!("r{n}"), "s");
        run.begin().await?;
        run.append(vec![started(1)]).await?;
        run.close(vec![]).await?;
        let session = session(store, "s").await?;
        let mut wanted = SessionMetrics::default();
        (0..n).for_each(|_| wanted.add(&metrics()));
        same("metrics", session.metrics, wanted)?;
        same("the version of a state that did not change", session.version, 0)?;
        same("when it was used last", session.updated_at, Timestamp(START + 20))?;
        same("when it was opened", session.created_at, Timestamp(START))?;
    }
    Ok(())
}

async fn a_patch_that_does_not_fit_records_nothing(store: &dyn Store) -> Outcome {
    let mut first = TestRun::new(store, "r0", "s");
    first.begin().await?;
    first.close(vec![Patch::set("name", "Anna")]).await?;
    let before = session(store, "s").await?;

    let mut run = TestRun::new(store, "r", "s");
    run.begin().await?;
    // Other runs end at the same time and must not be affected.
    let mut others: Vec<_> =
        (1..5).map(|n| TestRun::new(store, &format!("r{n}"), "other")).collect();
    try_join_all(others.iter_mut().map(TestRun::begin)).await?;
    let fine = join_all(others.iter_mut().map(|run| run.close(vec![Patch::increment("n", 1)])));
    let wrong = vec![Patch::set("other", 1), Patch::increment("name", 1)];
    let (refused, fine) = futures_util::future::join(run.close(wrong), fine).await;
    wants!("a patch that does not fit", refused, Err(StoreError::Patch(_)));
    fine.into_iter().collect::<Result<(), _>>()?;
    let n = session(store, "other").await?.state.remove("n");
    same("what the others added", n, Some(json!(4)))?;

    run.unchanged("facts after the refusal").await?;
    let status = async || Ok::<_, Nonconformance>(store.run(&run.run).await?.map(|row| row.status));
    same("the run's status", status().await?, Some(RunStatus::Pending))?;
    same("the session", session(store, "s").await?, before)?;

    let mut end = run.append_at(run.next, vec![super::completed("without patches")]);
    end.close = Some(stepwright_core::journal::SessionClose::default());
    store.append(end).await?;
    same("the run's status at its end", status().await?, Some(RunStatus::Completed))
}

async fn a_run_may_begin_and_close_at_once(store: &dyn Store) -> Outcome {
    let run = TestRun::new(store, "r", "s").user("anna");
    let mut append = run.append_at(0, vec![run.start_kind(), super::completed("done")]);
    append.close = Some(stepwright_core::journal::SessionClose {
        patches: vec![Patch::append("seen", 1), Patch::increment("seen", 1)],
        metrics: metrics(),
        ..Default::default()
    });
    let refused = store.append(append.clone()).await;
    wants!("a patch that does not fit", refused, Err(StoreError::Patch(_)));
    run.unchanged("facts after the refusal").await?;
    same("the run", store.run(&run.run).await?, None)?;
    same("the session", store.session(&session_id("s")).await?, None)?;

    if let Some(close) = &mut append.close {
        close.patches.pop();
    }
    store.append(append).await?;
    let session = session(store, "s").await?;
    same("the state", Value::Object(session.state), json!({"seen": [1]}))?;
    same("how many runs have ended", session.metrics.runs, 1)
}

async fn a_session_is_opened_once(store: &dyn Store) -> Outcome {
    let open = |user: Option<&str>, name: &str| {
        let mut session =
            Session::new(session_id("s"), user.map(user_id), workflow("w"), Timestamp(START + 5));
        session.name = Some(name.to_owned());
        session.state.insert(name.to_owned(), samples::value());
        session.version = 3;
        session.metrics.add(&metrics());
        session
    };
    let first = open(Some("anna"), "first");
    same("opening it", store.open_session(first.clone()).await?, true)?;
    same("the session", session(store, "s").await?, first.clone())?;
    same("opening it again", store.open_session(open(None, "second")).await?, false)?;
    same("the session, opened again", session(store, "s").await?, first)
}

async fn a_session_is_renamed(store: &dyn Store) -> Outcome {
    TestRun::new(store, "r", "s").begin().await?;
    let mut wanted = session(store, "s").await?;
    for (name, at, updated) in [(samples::TEXT, 500, 500), ("ä", 400, 500), ("", 600, 600)] {
        store.rename_session(&session_id("s"), name, Timestamp(START + at)).await?;
        wanted.name = Some(name.to_owned());
        // A clock that runs backwards does not make a session older.
        wanted.updated_at = Timestamp(START + updated);
        same("the session", session(store, "s").await?, wanted.clone())?;
    }
    let missing = store.rename_session(&session_id("S"), "x", Timestamp(START)).await;
    wants!("to rename what is not there", missing, Err(StoreError::NotFound(_)));
    Ok(())
}

async fn a_session_is_patched(store: &dyn Store) -> Outcome {
    TestRun::new(store, "r", "s").begin().await?;
    let id = session_id("s");
    let patches = [Patch::set("z", 1), Patch::set("a", "text"), Patch::increment("z", 2)];
    let given = store.patch_session(&id, &patches, Timestamp(START + 70)).await?;
    let mut wanted = Session::new(id.clone(), None, workflow("w"), Timestamp(START));
    wanted.state = json!({"z": 3, "a": "text"}).as_object().cloned().unwrap_or_default();
    (wanted.version, wanted.updated_at) = (1, Timestamp(START + 70));
    same("what it gave", &given, &wanted)?;
    let found = session(store, "s").await?;
    same("the session", &found, &wanted)?;
    let keys: Vec<&str> = found.state.keys().map(String::as_str).collect();
    same("the order of the keys", keys, vec!["z", "a"])?;

    let wrong = [Patch::set("new", 1), Patch::append("a", 1)];
    let refused = store.patch_session(&id, &wrong, Timestamp(START + 90)).await;
    wants!("a patch that does not fit", refused, Err(StoreError::Patch(_)));
    same("the session after it", session(store, "s").await?, wanted)?;
    let missing = store.patch_session(&session_id("none"), &patches, Timestamp(START)).await;
    wants!("to patch what is not there", missing, Err(StoreError::NotFound(_)));
    Ok(())
}

async fn concurrent_patches_add_up(store: &dyn Store) -> Outcome {
    TestRun::new(store, "r", "s").begin().await?;
    let (id, patch) = (session_id("s"), [Patch::increment("n", 1)]);
    let patched = (0..30).map(|_| store.patch_session(&id, &patch, Timestamp(START)));
    let mut versions: Vec<u64> =
        try_join_all(patched).await?.iter().map(|session| session.version).collect();
    versions.sort_unstable();
    same("the versions", versions, (1..=30).collect())?;
    same("the sum", session(store, "s").await?.state.get("n"), Some(&json!(30)))
}

async fn state_comes_back_byte_for_byte(store: &dyn Store) -> Outcome {
    let mut run = TestRun::new(store, "r", "s");
    run.begin().await?;
    run.close(vec![Patch::set(samples::TEXT, samples::value())]).await?;
    let written = json!({samples::TEXT: samples::value()}).to_string();
    let read = Value::Object(session(store, "s").await?.state).to_string();
    same("the state", read, written)
}

async fn a_session_goes_with_its_runs(store: &dyn Store) -> Outcome {
    let mut gone = TestRun::new(store, "r1", "s");
    let mut stays = TestRun::new(store, "r2", "t");
    // Delete the newest rows: a store that counts may reuse their numbers.
    for run in [&mut stays, &mut gone] {
        run.begin().await?;
        run.append(vec![started(1)]).await?;
    }
    same("whether it was there", store.delete_session(&session_id("s")).await?, true)?;
    same("the session", store.session(&session_id("s")).await?, None)?;
    same("its run", store.run(&gone.run).await?, None)?;
    same("its run's journal", gone.journal().await?, vec![])?;
    same("whether it is there again", store.delete_session(&session_id("s")).await?, false)?;

    let late = gone.append(vec![started(2)]).await;
    wants!(
        "an append to a run that was deleted",
        late,
        Err(StoreError::Taken { .. } | StoreError::NotFound(_))
    );
    stays.append(vec![started(2)]).await?;
    stays.unchanged("facts of the run that stays").await?;
    let left = store.runs(RunFilter::default()).await?;
    same("runs that stay", left.into_iter().map(|row| row.run_id).collect(), vec![stays.run])?;

    // The ids are free again.
    gone.next = 0;
    gone.begin().await?;
    gone.unchanged("facts of a run with the name of one that was deleted").await
}

async fn sessions_are_listed_last_used_first(store: &dyn Store) -> Outcome {
    for (n, at) in [30, 10, 50, 20, 50, 40].into_iter().enumerate() {
        let owner = user_id(["u0", "u1"][n % 2]);
        let workflow = workflow(["w0", "w1"][n / 3]);
        let id = session_id(&format!("s{n}"));
        store.open_session(Session::new(id, Some(owner), workflow, Timestamp(START + at))).await?;
    }
    let list = async |filter: SessionFilter| -> Result<String, Nonconformance> {
        let names = store.sessions(filter).await?.into_iter();
        Ok(names.map(|session| session.session_id.to_string()).collect::<Vec<_>>().join(" "))
    };
    let all = SessionFilter::default;
    let check = async |what: &str, filter, wanted: &str| -> Outcome {
        same(what, list(filter).await?, wanted.to_owned())
    };
    check("all", all(), "s2 s4 s5 s0 s3 s1").await?;
    check("a page", SessionFilter { limit: 2, offset: 1, ..all() }, "s4 s5").await?;
    let behind = Some((Timestamp(START + 50), session_id("s4")));
    let next = SessionFilter { behind, limit: 2, ..all() };
    check("the page behind a session", next, "s5 s0").await?;
    let behind = Some((Timestamp(START + 50), session_id("s2")));
    let next = SessionFilter { behind, limit: 1, ..all() };
    check("the page behind one of two with the same time", next, "s4").await?;
    let user = SessionFilter { user_id: Some(user_id("u1")), ..all() };
    check("of a user", user.clone(), "s5 s3 s1").await?;
    let of_workflow = SessionFilter { workflow_id: Some(workflow("w1")), ..all() };
    check("of a workflow", of_workflow.clone(), "s4 s5 s3").await?;
    let both = SessionFilter { workflow_id: of_workflow.workflow_id, offset: 1, ..user };
    check("of both, second page", both, "s3").await?;
    check("past the end", SessionFilter { offset: 6, ..all() }, "").await?;
    store.rename_session(&session_id("s1"), "used", Timestamp(START + 60)).await?;
    check("after one was used", SessionFilter { limit: 2, ..all() }, "s1 s2").await
}
