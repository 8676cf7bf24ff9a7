//! Waiting runs, their inboxes, and claims.

use super::{Outcome, START, TestRun, cases, completed, same, samples, started, wants, workflow};
use futures_util::future::{Either, join_all, select};
use std::pin::pin;
use std::sync::Arc;
use stepwright_core::WorkflowId;
use stepwright_core::event::Reply;
use stepwright_core::store::{
    Claim, Claimed, RunFilter, RunRow, SeenDriver, Signal, WaitingFilter, Watched,
};
use stepwright_core::{Answer, EventKind, RunId, RunStatus, Store, StoreError, Timestamp};

cases![
    a_run_is_driven_until_it_waits_or_ends,
    a_batch_may_begin_and_pause_a_run,
    a_signal_is_left_once,
    a_signal_comes_back_as_it_was_left,
    what_was_answered_is_not_answered_again,
    a_heartbeat_brings_what_is_open_for_the_runs_of_a_driver,
    a_run_is_claimed_from_nobody_who_is_alive,
    of_many_that_claim_one_gets_the_run,
    a_run_is_given_up_by_whom_it_belongs_to,
    runs_that_may_have_to_be_taken_up_are_found,
    runs_of_drivers_that_live_are_left_out,
    pages_of_runs_that_need_a_driver_go_to_the_end,
    an_inbox_goes_with_its_session,
    a_plan_is_remembered_by_its_digest,
    who_watches_is_woken,
];

/// The largest number of reads after which a change must be visible.
const READS_MAX: usize = 100_000;

fn reply(requirement: &str) -> Reply {
    Reply {
        requirement_id: requirement.into(),
        answer: Answer::reject(samples::TEXT),
        by: Some("änne".into()),
        timed_out: false,
    }
}

fn answer(run: &TestRun<'_>, requirement: &str) -> Signal {
    Signal::answer(run.run.clone(), reply(requirement), Timestamp(START + 5))
}

fn answered(requirement: &str) -> EventKind {
    EventKind::StepContinued { reply: Box::new(reply(requirement)) }
}

fn paused(until: Option<u64>) -> EventKind {
    EventKind::WorkflowPaused { until: until.map(|at| Timestamp(START + at)) }
}

fn continued(driver: &str) -> EventKind {
    EventKind::WorkflowContinued { driver: driver.into(), digest: None }
}

fn claim(run: &TestRun<'_>, driver: &str) -> Claim {
    Claim { run: run.run.clone(), driver: driver.into(), dead: None, stale: Timestamp(START) }
}

async fn row(run: &TestRun<'_>) -> Result<RunRow, super::Nonconformance> {
    let found = run.store.run(&run.run).await?;
    found.ok_or_else(|| super::Nonconformance(format!("run `{}` is not there", run.run)))
}

/// Starts a run driven by `driver`.
async fn begin(run: &mut TestRun<'_>, driver: &str) -> Outcome {
    let mut append = run.append_at(0, vec![run.start_kind()]);
    append.driver = Some(driver.into());
    run.store.append(append).await?;
    run.next = 1;
    Ok(())
}

async fn a_run_is_driven_until_it_waits_or_ends(store: &dyn Store) -> Outcome {
    let mut run = TestRun::new(store, "r", "s");
    let stands = async |run: &TestRun<'_>| -> Result<_, super::Nonconformance> {
        let row = row(run).await?;
        Ok((row.status, row.wake_at, row.driver))
    };
    let by = |driver: &str| Some(Arc::<str>::from(driver));
    begin(&mut run, "one").await?;
    same("when it began", stands(&run).await?, (RunStatus::Running, None, by("one")))?;
    run.append(vec![started(1)]).await?;
    same("under way", stands(&run).await?, (RunStatus::Running, None, by("one")))?;
    run.append(vec![paused(Some(500))]).await?;
    let wake_at = Some(Timestamp(START + 500));
    same("while it waits", stands(&run).await?, (RunStatus::Paused, wake_at, None))?;
    wants!("a claim", store.claim(claim(&run, "two")).await?, Claimed::Yes);
    same("when it is claimed", stands(&run).await?, (RunStatus::Paused, wake_at, by("two")))?;
    run.append(vec![continued("two")]).await?;
    same("when it goes on", stands(&run).await?, (RunStatus::Running, None, by("two")))?;
    run.append(vec![paused(None)]).await?;
    same("when it waits again", stands(&run).await?, (RunStatus::Paused, None, None))?;
    run.append(vec![continued("three"), completed("done")]).await?;
    same("at the end", stands(&run).await?, (RunStatus::Completed, None, None))?;
    let ended = row(&run).await?;
    same("when it changed last", ended.updated_at, Timestamp(START + 60))?;
    let listed = store.runs(RunFilter::default()).await?;
    same("the same, in the list", listed, vec![ended])
}

async fn a_batch_may_begin_and_pause_a_run(store: &dyn Store) -> Outcome {
    let mut run = TestRun::new(store, "r", "s");
    run.start.background = true;
    let mut append = run.append_at(0, vec![run.start_kind(), answered("a"), paused(Some(7))]);
    append.driver = Some("one".into());
    store.append(append).await?;
    let row = row(&run).await?;
    let found = (row.status, row.wake_at, row.driver, row.background);
    let wanted = (RunStatus::Paused, Some(Timestamp(START + 7)), None, true);
    same("the row", found, wanted)?;
    same("whether a late answer counts", store.submit(answer(&run, "a")).await?, false)
}

async fn a_signal_is_left_once(store: &dyn Store) -> Outcome {
    let mut run = TestRun::new(store, "r", "s");
    let early = store.submit(answer(&run, "a")).await;
    wants!("a signal for a run that there is not", early, Err(StoreError::NotFound(_)));
    run.begin().await?;
    same("its inbox", store.inbox(&run.run).await?, vec![])?;
    same("the first", store.submit(answer(&run, "a")).await?, true)?;
    let mut second = answer(&run, "a");
    second.at = Timestamp(START + 9);
    same("the second of that name", store.submit(second).await?, false)?;
    same("the inbox", store.inbox(&run.run).await?, vec![answer(&run, "a")])?;

    let many = (0..8).map(|n| {
        let mut signal = answer(&run, "b");
        signal.at = Timestamp(START + n);
        store.submit(signal)
    });
    let mut firsts = 0;
    for left in join_all(many).await {
        firsts += u32::from(left?);
    }
    same("how many of eight at once were the first", firsts, 1)
}

async fn a_signal_comes_back_as_it_was_left(store: &dyn Store) -> Outcome {
    let (mut run, mut other) = (TestRun::new(store, "r", "s"), TestRun::new(store, "r2", "s"));
    run.begin().await?;
    other.begin().await?;
    // Neither sorted by name nor by time.
    let cancel = Signal::cancel(run.run.clone(), samples::TEXT, Timestamp(START));
    let mut submitted = answer(&run, "z");
    submitted.kind = stepwright_core::store::SignalKind::Answer(Reply {
        answer: Answer::submit(samples::value()),
        by: None,
        ..reply("z")
    });
    let left = vec![submitted, cancel, answer(&run, "a/ä#2!review")];
    for signal in &left {
        same("whether it is the first", store.submit(signal.clone()).await?, true)?;
    }
    let found = store.inbox(&run.run).await?;
    let json = |signals: &[Signal]| serde_json::to_string(signals);
    same("the inbox as JSON", json(&found)?, json(&left)?)?;
    same("the inbox", found, left)?;
    same("the other's inbox", store.inbox(&other.run).await?, vec![])
}

async fn what_was_answered_is_not_answered_again(store: &dyn Store) -> Outcome {
    let mut run = TestRun::new(store, "r", "s");
    begin(&mut run, "one").await?;
    same("an answer", store.submit(answer(&run, "a")).await?, true)?;
    same("another", store.submit(answer(&run, "b")).await?, true)?;
    let open = async || -> Result<Vec<Signal>, StoreError> {
        Ok(store.heartbeat("one", Timestamp(START)).await?.signals)
    };
    same("open", open().await?, vec![answer(&run, "a"), answer(&run, "b")])?;
    // One signal was in the inbox; the other answer had none, such as a timeout.
    let asked = EventKind::StepExecutorContinued { reply: Box::new(reply("c")) };
    run.append(vec![answered("a"), asked]).await?;
    same("open after the facts", open().await?, vec![answer(&run, "b")])?;
    for name in ["a", "b", "c"] {
        same("whether it is the first", store.submit(answer(&run, name)).await?, false)?;
    }
    let left = vec![answer(&run, "a"), answer(&run, "b")];
    same("the inbox", store.inbox(&run.run).await?, left)?;

    let refused = store.append(run.append_at(1, vec![answered("d")])).await;
    wants!("an append at a number that is taken", refused, Err(StoreError::Taken { .. }));
    same("what it did not answer", store.submit(answer(&run, "d")).await?, true)
}

async fn a_heartbeat_brings_what_is_open_for_the_runs_of_a_driver(store: &dyn Store) -> Outcome {
    let mut runs = ["r0", "r1", "r2"].map(|name| TestRun::new(store, name, "s"));
    for (run, driver) in runs.iter_mut().zip(["one", "two", "one"]) {
        begin(run, driver).await?;
        store.submit(answer(run, "a")).await?;
    }
    let of = async |driver: &str| -> Result<Vec<String>, StoreError> {
        let mut found: Vec<String> = store
            .heartbeat(driver, Timestamp(START))
            .await?
            .signals
            .into_iter()
            .map(|signal| signal.run.to_string())
            .collect();
        found.sort();
        Ok(found)
    };
    same("of one", of("one").await?, vec!["r0".to_owned(), "r2".to_owned()])?;
    same("of two", of("two").await?, vec!["r1".to_owned()])?;
    same("of a driver without runs", of("three").await?, vec![])?;
    runs[0].append(vec![paused(None)]).await?;
    runs[2].append(vec![completed("done")]).await?;
    same("of one, whose runs wait or have ended", of("one").await?, vec![])
}

async fn a_run_is_claimed_from_nobody_who_is_alive(store: &dyn Store) -> Outcome {
    let mut run = TestRun::new(store, "r", "s");
    wants!("a claim of nothing", store.claim(claim(&run, "two")).await?, Claimed::Over);
    begin(&mut run, "one").await?;
    wants!("one's own", store.claim(claim(&run, "one")).await?, Claimed::Yes);
    // A driver never seen counts as seen when the run started.
    let by_one = |at| Claimed::By { driver: "one".into(), seen_at: Timestamp(START + at) };
    same("another's", store.claim(claim(&run, "two")).await?, by_one(0))?;
    let stale = |at| Claim { stale: Timestamp(START + at), ..claim(&run, "two") };
    store.heartbeat("one", Timestamp(START + 100)).await?;
    same("seen just then", store.claim(stale(100)).await?, by_one(100))?;
    let other = Claim { dead: Some("three".into()), ..stale(50) };
    same("of a run whose other driver is dead", store.claim(other).await?, by_one(100))?;
    wants!("seen too long ago", store.claim(stale(101)).await?, Claimed::Yes);
    same("whose it is then", row(&run).await?.driver.as_deref(), Some("two"))?;

    store.heartbeat("two", Timestamp(START + 200)).await?;
    let dead = Claim { dead: Some("two".into()), ..claim(&run, "three") };
    wants!("of one that is known to be dead", store.claim(dead).await?, Claimed::Yes);
    let last = Claim { stale: Timestamp(u64::MAX), ..claim(&run, "four") };
    wants!("when every driver is dead", store.claim(last).await?, Claimed::Yes);
    run.append(vec![completed("done")]).await?;
    wants!("a run that has ended", store.claim(claim(&run, "four")).await?, Claimed::Over);
    same("whose it is at the end", row(&run).await?.driver, None)
}

async fn of_many_that_claim_one_gets_the_run(store: &dyn Store) -> Outcome {
    let drivers: Vec<String> = (0..8).map(|n| format!("driver {n}")).collect();
    for driver in &drivers {
        store.heartbeat(driver, Timestamp(START + 1_000)).await?;
    }
    for round in 0..10 {
        let mut run = TestRun::new(store, &format!("r{round}"), "s");
        begin(&mut run, "dead").await?;
        let stale = Timestamp(START + 1_000);
        let claims =
            drivers.iter().map(|driver| store.claim(Claim { stale, ..claim(&run, driver) }));
        let mut winners = Vec::new();
        for (driver, claimed) in drivers.iter().zip(join_all(claims).await) {
            match claimed? {
                Claimed::Yes => winners.push(driver.clone()),
                Claimed::By { driver, .. } if drivers.iter().any(|known| **known == *driver) => {}
                other => return Err(super::wrong("a claim", &other, &"one of them")),
            }
        }
        same("how many of eight got it", winners.len(), 1)?;
        let driver = row(&run).await?.driver;
        same("whose it is", driver.as_deref(), Some(&*winners[0]))?;
    }
    Ok(())
}

async fn a_run_is_given_up_by_whom_it_belongs_to(store: &dyn Store) -> Outcome {
    let mut run = TestRun::new(store, "r", "s");
    begin(&mut run, "one").await?;
    run.append(vec![paused(None)]).await?;
    wants!("a claim", store.claim(claim(&run, "two")).await?, Claimed::Yes);
    store.release(&run.run, "one").await?;
    same("after another driver's release", row(&run).await?.driver.as_deref(), Some("two"))?;
    store.release(&run.run, "two").await?;
    same("after its driver", row(&run).await?.driver, None)?;
    store.release(&RunId::new("unknown")?, "two").await?;
    wants!("the next claim", store.claim(claim(&run, "three")).await?, Claimed::Yes);
    run.unchanged("facts after all that").await
}

async fn runs_that_may_have_to_be_taken_up_are_found(store: &dyn Store) -> Outcome {
    let mut runs = Vec::new();
    for n in 0..12 {
        let mut run = TestRun::new(store, &format!("r{n:02}"), "s");
        run.start.background = matches!(n, 6..=9);
        if n == 11 {
            run = run.workflow("other");
        }
        begin(&mut run, "one").await?;
        match n {
            0 | 4 | 11 => run.append(vec![paused(Some(100))]).await?,
            1 => run.append(vec![paused(Some(200))]).await?,
            2 | 3 | 5 => run.append(vec![paused(None)]).await?,
            8 => run.append(vec![completed("done")]).await?,
            9 => run.append(vec![paused(None)]).await?,
            _ => {}
        }
        runs.push(run);
    }
    // Three signals: for a waiting run, for one whose answer is a fact already, and for a running
    // one.
    for name in ["a", "b", "c"] {
        store.submit(answer(&runs[3], name)).await?;
    }
    store.submit(answer(&runs[2], "a")).await?;
    runs[2].append(vec![continued("one"), answered("a"), paused(None)]).await?;
    store.submit(answer(&runs[10], "a")).await?;

    let w = workflow("w");
    let at = async |now: u64, limit| -> Result<String, super::Nonconformance> {
        let found = store.waiting(WaitingFilter::new(w.clone(), Timestamp(now), limit)).await?;
        Ok(names(&found.runs))
    };
    let check = async |what: &str, now, limit, wanted: &str| -> Outcome {
        same(what, at(now, limit).await?, wanted.to_owned())
    };
    check("before any moment", START + 99, 100, "r03 r06 r07").await?;
    check("at the first", START + 100, 100, "r00 r03 r04 r06 r07").await?;
    check("at the end of time", u64::MAX, 100, "r00 r01 r03 r04 r06 r07").await?;
    check("the oldest", START + 100, 2, "r00 r03").await?;
    check("none", START + 100, 0, "").await?;
    let first = |workflow: WorkflowId, limit| {
        store.waiting(WaitingFilter::new(workflow, Timestamp(START + 100), limit))
    };
    let found = first(w.clone(), 1).await?;
    same("the row", found.runs, vec![row(&runs[0]).await?])?;
    let found = first(workflow("other"), 9).await?;
    same("of the other workflow", found.runs, vec![row(&runs[11]).await?])?;
    runs[3].append(vec![continued("one")]).await?;
    check("when one has gone on", START + 99, 100, "r06 r07").await
}

fn names(rows: &[RunRow]) -> String {
    rows.iter().map(|row| row.run_id.as_str()).collect::<Vec<_>>().join(" ")
}

async fn runs_of_drivers_that_live_are_left_out(store: &dyn Store) -> Outcome {
    let drivers = ["one", "two", "one", "two", "three", "one"];
    for (n, driver) in drivers.into_iter().enumerate() {
        let mut run = TestRun::new(store, &format!("r{n}"), "s");
        run.start.background = n != 4;
        begin(&mut run, driver).await?;
        if n == 3 {
            store.release(&run.run, driver).await?;
        }
        if n == 5 {
            run.append(vec![paused(Some(100))]).await?;
        }
    }
    store.heartbeat("two", Timestamp(START + 70)).await?;
    let mut seen = store.drivers(&workflow("w")).await?;
    seen.sort_by(|a, b| a.driver.cmp(&b.driver));
    let of =
        |driver: &str, at| SeenDriver { driver: driver.into(), seen_at: Timestamp(START + at) };
    same("the drivers of runs under way", seen, vec![of("one", 0), of("two", 70)])?;
    same("of another workflow", store.drivers(&workflow("other")).await?, vec![])?;

    let found = async |alive: &[&str]| -> Result<String, super::Nonconformance> {
        let mut filter = WaitingFilter::new(workflow("w"), Timestamp(START + 100), 9);
        filter.alive = alive.iter().map(|driver| Arc::from(*driver)).collect();
        Ok(names(&store.waiting(filter).await?.runs))
    };
    same("if none lives", found(&[]).await?, "r0 r1 r2 r3 r5".to_owned())?;
    same("if one lives", found(&["one", "none"]).await?, "r1 r3 r5".to_owned())?;
    same("if both live", found(&["two", "one"]).await?, "r3 r5".to_owned())
}

/// The last run is on one of the pages, with any number of runs before it.
async fn pages_of_runs_that_need_a_driver_go_to_the_end(store: &dyn Store) -> Outcome {
    let mut wanted = Vec::new();
    for n in 0..7 {
        let mut run = TestRun::new(store, &format!("r{n}"), "s");
        run.start.background = true;
        begin(&mut run, "one").await?;
        if n % 3 == 0 {
            run.append(vec![paused(Some(100))]).await?;
        }
        wanted.push(run.run.to_string());
    }
    for limit in [1, 2, 3, 7, 8] {
        let mut filter = WaitingFilter::new(workflow("w"), Timestamp(START + 100), limit);
        let mut found = Vec::new();
        loop {
            let page = store.waiting(filter.clone()).await?;
            wants!("a page that is not too long", page.runs.len() <= limit, true);
            found.extend(page.runs.into_iter().map(|row| row.run_id.to_string()));
            let Some(next) = page.next else { break };
            wants!("a place behind the one before", next > filter.after, true);
            filter.after = next;
        }
        same(&format!("pages of {limit}"), found, wanted.clone())?;
    }
    Ok(())
}

async fn an_inbox_goes_with_its_session(store: &dyn Store) -> Outcome {
    let (mut stays, mut gone) = (TestRun::new(store, "r1", "t"), TestRun::new(store, "r2", "s"));
    for run in [&mut stays, &mut gone] {
        begin(run, "one").await?;
        store.submit(answer(run, "a")).await?;
    }
    store.delete_session(&gone.start.session_id).await?;
    same("its inbox", store.inbox(&gone.run).await?, vec![])?;
    same("the other's", store.inbox(&stays.run).await?, vec![answer(&stays, "a")])?;
    let open = store.heartbeat("one", Timestamp(START)).await?;
    same("what is open", open.signals, vec![answer(&stays, "a")])?;
    let late = store.submit(answer(&gone, "b")).await;
    wants!("a signal for a run that is gone", late, Err(StoreError::NotFound(_)));
    // A new run with the same id.
    begin(&mut gone, "one").await?;
    same("whether it is the first", store.submit(answer(&gone, "a")).await?, true)
}

async fn a_plan_is_remembered_by_its_digest(store: &dyn Store) -> Outcome {
    same("an unknown plan", store.plan("d1").await?, None)?;
    let plan =
        serde_json::json!({"nodes": [samples::TEXT], "big": "x".repeat(300_000)}).to_string();
    for _ in 0..2 {
        store.remember_plan("d1", &plan).await?;
    }
    store.remember_plan("d2", "{}").await?;
    same("whether it is the same", store.plan("d1").await?.as_ref() == Some(&plan), true)?;
    same("another", store.plan("d2").await?, Some("{}".to_owned()))
}

async fn who_watches_is_woken(store: &dyn Store) -> Outcome {
    let mut run = TestRun::new(store, "r", "s");
    // A run that has not started can be watched too.
    let facts = || Watched::Facts(RunId::new("r").expect("an identifier"));
    let watched = store.changed(facts());
    run.begin().await?;
    woken("by the beginning of a run", watched, store).await?;
    let (first, second) = (store.changed(facts()), store.changed(facts()));
    run.append(vec![started(1)]).await?;
    woken("by a fact", first, store).await?;
    woken("by a fact, as another is", second, store).await?;
    let watched = store.changed(Watched::Signals);
    // A dropped watcher must not block the others.
    drop(store.changed(Watched::Signals));
    store.submit(answer(&run, "a")).await?;
    woken("by a signal", watched, store).await
}

/// Waits until a change is visible, for at most a large number of reads.
async fn woken(
    what: &str,
    watched: stepwright_core::BoxFuture<'static, ()>,
    store: &dyn Store,
) -> Outcome {
    let reads = pin!(async {
        for _ in 0..READS_MAX {
            store.inbox(&RunId::new("r")?).await?;
        }
        Ok::<(), super::Nonconformance>(())
    });
    match select(watched, reads).await {
        Either::Left(_) => Ok(()),
        Either::Right((read, _)) => {
            read?;
            Err(super::wrong(what, &"a sleeping watcher", &"a woken watcher"))
        }
    }
}
