//! Append and load: dense, atomic, one writer, byte for byte.

use super::{Outcome, TestRun, cases, completed, same, samples, started, wants};
use crate::conformance::wrong;
use futures_util::future::join_all;
use stepwright_core::{Content, EventKind, RunId, Store, StoreError};

cases![
    what_is_appended_is_loaded_by_pages,
    an_unknown_run_has_no_journal,
    a_number_that_is_not_the_next_is_refused,
    a_batch_is_appended_whole_or_not_at_all,
    a_run_begins_with_its_start,
    a_run_does_not_begin_twice,
    of_two_drivers_at_one_number_one_wins,
    journals_of_different_runs_do_not_mix,
    every_kind_of_fact_comes_back_byte_for_byte,
    a_mebibyte_comes_back,
    texts_that_repeat_come_back_from_any_number_on,
    large_facts_of_another_session_stay,
    a_run_is_verified,
];

async fn what_is_appended_is_loaded_by_pages(store: &dyn Store) -> Outcome {
    let mut run = TestRun::new(store, "r", "s");
    run.begin().await?;
    run.append((1..=6).map(started).collect()).await?;
    run.append(vec![]).await?;
    run.append(vec![started(7), started(8)]).await?;

    let all = run.journal().await?;
    same("numbers", all.iter().map(|fact| fact.sequence).collect(), (0..9).collect::<Vec<_>>())?;
    let limits = [(0, 9, 0..9), (0, 4, 0..4), (3, 3, 3..6), (7, 100, 7..9), (8, usize::MAX, 8..9)];
    let nothing = [(9, 10, 0..0), (1_000, 10, 0..0), (u64::MAX, 10, 0..0), (2, 0, 0..0)];
    for (from, limit, wanted) in limits.into_iter().chain(nothing) {
        let page = store.load(&run.run, from, limit).await?;
        if page != all[wanted.clone()] {
            let asked = format!("the page of {limit} from {from}");
            return Err(wrong(&asked, &page, &&all[wanted]));
        }
    }
    Ok(())
}

async fn an_unknown_run_has_no_journal(store: &dyn Store) -> Outcome {
    let unknown = RunId::new("unknown")?;
    same("the journal", store.load(&unknown, 0, 10).await?, vec![])?;
    same("the row", store.run(&unknown).await?, None)
}

async fn a_number_that_is_not_the_next_is_refused(store: &dyn Store) -> Outcome {
    let mut run = TestRun::new(store, "r", "s");
    run.begin().await?;
    run.append(vec![started(1)]).await?;
    for at in [0, 1, 3, u64::from(u32::MAX)] {
        let refused = store.append(run.append_at(at, vec![started(9)])).await;
        wants!(
            "an append at another number than the next",
            refused,
            Err(StoreError::Taken { ref run, sequence }) if *run == "r" && sequence == at
        );
    }
    run.unchanged("facts after refused appends").await?;
    run.append(vec![started(2)]).await?;
    run.unchanged("facts after going on").await
}

async fn a_batch_is_appended_whole_or_not_at_all(store: &dyn Store) -> Outcome {
    let mut run = TestRun::new(store, "r", "s");
    run.begin().await?;
    run.append(vec![started(1), started(2)]).await?;

    let overlapping = run.append_at(2, vec![started(8), started(9)]);
    wants!(
        "a batch of which the second would fit",
        store.append(overlapping).await,
        Err(StoreError::Taken { .. })
    );
    run.unchanged("facts after an overlapping batch").await?;

    let mut gap = run.append_at(3, vec![started(3), started(4), completed("end")]);
    gap.facts.remove(1);
    wants!("a batch with a gap", store.append(gap).await, Err(StoreError::Taken { .. }));
    run.unchanged("facts after a batch with a gap").await?;
    let row = store.run(&run.run).await?;
    same("whether it ended", row.map(|row| row.status.is_terminal()), Some(false))
}

async fn a_run_begins_with_its_start(store: &dyn Store) -> Outcome {
    let run = TestRun::new(store, "r", "s");
    let headless = store.append(run.append_at(0, vec![started(1)])).await;
    wants!("a first fact that is no start", headless, Err(StoreError::NotFound(_)));
    let late = store.append(run.append_at(1, vec![started(1)])).await;
    wants!("a second fact without a first", late, Err(StoreError::Taken { .. }));
    let late = store.append(run.append_at(1, vec![run.start_kind()])).await;
    wants!("a start that is not the first", late, Err(StoreError::Taken { .. }));
    run.unchanged("facts of a run that did not begin").await?;
    same("the row", store.run(&run.run).await?, None)?;
    same("the session", store.session(&run.start.session_id).await?, None)
}

async fn a_run_does_not_begin_twice(store: &dyn Store) -> Outcome {
    let mut run = TestRun::new(store, "r", "s");
    run.begin().await?;
    let mut again = TestRun::new(store, "r", "other").workflow("other");
    wants!("a second beginning", again.begin().await, Err(StoreError::Taken { .. }));
    run.append(vec![started(1)]).await?;
    run.unchanged("facts of the run").await?;
    // The engine never does this. The store may refuse it, but must not lose data.
    let before = run.journal().await?;
    let _ = store.append(again.append_at(run.next, vec![again.start_kind()])).await;
    same("the facts before a late start", store.load(&run.run, 0, 2).await?, before)?;
    let row = store.run(&run.run).await?;
    same("its session", row.map(|row| row.session_id), Some(run.start.session_id.clone()))?;
    same("the other's session", store.session(&again.start.session_id).await?, None)
}

async fn of_two_drivers_at_one_number_one_wins(store: &dyn Store) -> Outcome {
    let mut run = TestRun::new(store, "r", "s");
    run.begin().await?;
    for round in 1..=20 {
        let drivers = (0..8).map(|driver| {
            let mine = vec![started(driver), started(driver)];
            store.append(run.append_at(run.next, mine))
        });
        let outcomes = join_all(drivers).await;
        let mut winners = Vec::new();
        for (driver, outcome) in (0..).zip(outcomes) {
            match outcome {
                Ok(()) => winners.push(driver),
                Err(StoreError::Taken { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        same("how many of eight drivers won", winners.len(), 1)?;
        let found: Vec<EventKind> =
            store.load(&run.run, run.next, 9).await?.into_iter().map(|fact| fact.kind).collect();
        same("the winner's facts", found, vec![started(winners[0]); 2])?;
        run.next += 2;
        same("the next number", run.next, round * 2 + 1)?;
    }
    Ok(())
}

async fn journals_of_different_runs_do_not_mix(store: &dyn Store) -> Outcome {
    // One id is a prefix of the other, and one differs in case only.
    let mut runs = ["r", "r1", "R", "r/1", "ä", "%"].map(|name| TestRun::new(store, name, "s"));
    for turn in 0..4 {
        for (mark, run) in (0..).zip(&mut runs) {
            match turn {
                0 => run.begin().await?,
                _ => run.append(vec![started(mark)]).await?,
            }
        }
    }
    for (mark, run) in (0..).zip(&runs) {
        let journal = run.journal().await?;
        let own = journal.iter().all(|fact| fact.run == run.run);
        let kinds: Vec<_> = journal.into_iter().skip(1).map(|fact| fact.kind).collect();
        same("facts", kinds, vec![started(mark); 3])?;
        same("whether all facts are of this run", own, true)?;
    }
    Ok(())
}

async fn every_kind_of_fact_comes_back_byte_for_byte(store: &dyn Store) -> Outcome {
    for (n, end) in samples::terminal().into_iter().enumerate() {
        let mut run = TestRun::new(store, &format!("r{n} ä"), "sitzung ü");
        let mut kinds = vec![samples::full_start(&run.start)];
        kinds.extend(samples::middle());
        kinds.push(end);
        let written = run.append_at(0, kinds.clone()).facts;
        // Load them as a batch, and one by one.
        if n == 0 {
            run.append(kinds).await?;
        } else {
            for kind in kinds {
                run.append(vec![kind]).await?;
            }
        }
        let read = run.journal().await?;
        for (read, written) in read.iter().zip(&written) {
            let (found, wanted) = (serde_json::to_string(read)?, serde_json::to_string(written)?);
            same(written.name(), found, wanted)?;
            if read != written {
                return Err(wrong("the fact as a value", read, written));
            }
        }
        same("how many facts came back", read.len(), written.len())?;
    }
    Ok(())
}

async fn a_mebibyte_comes_back(store: &dyn Store) -> Outcome {
    let mut run = TestRun::new(store, "r", "s");
    run.begin().await?;
    let big = "0123456789abcdeß".repeat(1 << 16);
    let content = Content::from(big.as_str());
    run.append(vec![completed("small"), completed(&big), completed("small")]).await?;
    let found = store.load(&run.run, 2, 1).await?.pop().and_then(|fact| fact.content());
    same("whether it is the same", found == Some(content), true)
}

async fn texts_that_repeat_come_back_from_any_number_on(store: &dyn Store) -> Outcome {
    let mut run = TestRun::new(store, "r", "s");
    run.begin().await?;
    let text = |mark: &str| format!("{mark} {}", samples::TEXT.repeat(9));
    let large = text("large").repeat(400);
    let said = |parts: &[&str]| EventKind::StepRecorded {
        key: "said".into(),
        value: parts.iter().map(|part| serde_json::json!({"part": part, "again": part})).collect(),
    };
    let (a, b) = (text("a"), text("b"));
    let kinds = [
        said(&[&a]),
        said(&[&b, &a]),
        said(&[&large, &a]),
        said(&[&b, &large, "", &large, &a]),
        started(1),
        completed(&large),
        completed(&a),
    ];
    // Append one after the other, and all at once.
    for kind in &kinds {
        run.append(vec![kind.clone()]).await?;
    }
    run.append(kinds.to_vec()).await?;
    for after in 1..=2 * kinds.len() {
        for limit in [1, usize::MAX] {
            let facts = store.load(&run.run, after as u64, limit).await?;
            let wanted = kinds.iter().cycle().skip(after - 1);
            let wanted = wanted.take((2 * kinds.len() + 1 - after).min(limit));
            let fine = facts.iter().map(|fact| &fact.kind).eq(wanted);
            same(&format!("whether the facts from {after} on are the same"), fine, true)?;
        }
    }
    // Another run may use these names again.
    store.delete_session(&run.start.session_id).await?;
    run.next = 0;
    run.begin().await?;
    for kind in [&kinds[6], &kinds[0], &kinds[1]] {
        run.append(vec![kind.clone()]).await?;
    }
    let again = run.journal().await?.into_iter().skip(1).map(|fact| fact.kind);
    let fine = again.eq([&kinds[6], &kinds[0], &kinds[1]].map(Clone::clone));
    same("whether those of the other run are the same", fine, true)
}

async fn large_facts_of_another_session_stay(store: &dyn Store) -> Outcome {
    let large = samples::TEXT.repeat(8_000);
    let mut runs =
        [("r1", "s"), ("r2", "s"), ("r3", "t")].map(|(run, s)| TestRun::new(store, run, s));
    for run in &mut runs {
        run.begin().await?;
        run.append(vec![completed(&large)]).await?;
    }
    store.delete_session(&runs[0].start.session_id).await?;
    same("of the session that is gone", runs[1].journal().await?, vec![])?;
    let stays = runs[2].journal().await?.pop().map(|fact| fact.kind);
    same("whether the other's is the same", stays == Some(completed(&large)), true)?;
    // Append once more after the driver was released.
    store.delete_session(&runs[2].start.session_id).await?;
    runs[0].next = 0;
    runs[0].begin().await?;
    runs[0].append(vec![completed(&large)]).await?;
    let again = runs[0].journal().await?.pop().map(|fact| fact.kind);
    same("whether it comes back", again == Some(completed(&large)), true)
}

async fn a_run_is_verified(store: &dyn Store) -> Outcome {
    let mut run = TestRun::new(store, "r", "s");
    run.begin().await?;
    let large = completed(&"large ".repeat(100_000));
    run.append(vec![started(1), started(2), large]).await?;
    let found = store.verify(&run.run).await?;
    same("the number of facts", found.facts, 4)?;
    let unknown = store.verify(&RunId::new("unknown")?).await;
    wants!("an unknown run", unknown, Err(StoreError::NotFound(_)));
    Ok(())
}
