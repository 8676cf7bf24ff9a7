//! Runs that are deleted, erased, exported and imported.

use crate::support::mark;
use serde_json::Value;
use std::time::Duration;
use stepwright_core::store::{
    DeleteRun, KINDS_OF_RUNS, Leases as _, RunFilter, RunStore as _, SessionFilter,
    SessionStore as _, ValueChange,
};
use stepwright_core::{
    Answer, AnyStore, ErrorId, ErrorKind, HumanReview, Memory, Patch, RunId, StepInput, StepOutput,
    Timestamp,
};
use stepwright_engine::{Erase, Export, Prune, Runs, Step, Workflow, real_world};

/// A workflow that asks if its input says so, and remembers the input in the session.
fn workflow(store: &Memory) -> Workflow {
    let note = Step::new("note", |input: StepInput| async move {
        StepOutput::from(input.text()).patch(Patch::set("last", input.text()))
    });
    let asks = mark("ask").human_review(HumanReview::new().requires_confirmation("?"));
    let only = stepwright_engine::Condition::new("asks?", |input| input.text() == "ask");
    Workflow::builder("w").step(note).step(only.then(asks)).store(store.clone()).build().unwrap()
}

fn id(run: &str) -> RunId {
    RunId::new(run).unwrap()
}

fn ids(runs: &[RunId]) -> Vec<&str> {
    runs.iter().map(RunId::as_str).collect()
}

fn later() -> Timestamp {
    real_world().wall().plus(Duration::from_mins(1))
}

async fn some() -> (Memory, Workflow, Runs) {
    let store = Memory::default();
    let workflow = workflow(&store);
    for (run, input, session, user) in [
        ("r-1", "one", "s-1", "ada"),
        ("r-2", "two", "s-1", "ada"),
        ("r-3", "ask", "s-2", "ada"),
        ("r-4", "four", "s-3", "ben"),
    ] {
        let run = workflow.run(input).run_id(run).session_id(session).user_id(user);
        run.await.unwrap();
    }
    let runs = Runs::of(AnyStore::new(store.clone()));
    (store, workflow, runs)
}

#[tokio::test]
async fn old_runs_are_pruned_and_what_waits_or_is_under_way_stays() {
    let (store, workflow, runs) = some().await;
    let hangs = Step::new("h", |_: StepInput| std::future::pending::<String>());
    let other = Workflow::builder("other").step(hangs).store(store.clone()).build().unwrap();
    other.run("-").run_id("r-5").background().await.unwrap();

    let prune = Prune { dry_run: true, ..Prune::ended_before(later()) };
    let would = runs.prune(&prune).await.unwrap();
    assert_eq!(ids(&would.runs), ["r-1", "r-2", "r-4"]);
    assert!(would.content.facts > 6 && would.content.bytes > 0 && would.dry_run);
    assert!(runs.prune(&Prune::ended_before(Timestamp(0))).await.unwrap().runs.is_empty());
    let kept = runs.prune(&Prune { keep: 2, ..Prune::ended_before(later()) }).await.unwrap();
    assert_eq!(ids(&kept.runs), ["r-1"]);
    let elsewhere = Prune { workflow: Some("none".parse().unwrap()), ..prune.clone() };
    assert!(runs.prune(&elsewhere).await.unwrap().runs.is_empty());
    let rest = runs.prune(&Prune::ended_before(later())).await.unwrap();
    assert_eq!(ids(&rest.runs), ["r-2", "r-4"]);
    let mut left = runs.list(RunFilter::default()).await.unwrap();
    left.sort_by(|a, b| a.run_id.cmp(&b.run_id));
    assert_eq!(left.iter().map(|row| row.run_id.as_str()).collect::<Vec<_>>(), ["r-3", "r-5"]);
    // The session keeps its state, and the run that waits goes on.
    assert_eq!(workflow.get_session_state("s-1").await.unwrap()["last"], "two");
    let answers = [("asks?/ask!confirm", Answer::Approve)];
    workflow.continue_run("r-3", answers).await.unwrap();
}

#[tokio::test]
async fn a_user_is_erased_with_everything_and_others_stay() {
    let (store, workflow, runs) = some().await;
    let ada = Erase::User("ada".parse().unwrap());
    let would = runs.erase(&ada, true).await.unwrap();
    assert_eq!(runs.list(RunFilter::default()).await.unwrap().len(), 4);
    let removed = runs.erase(&ada, false).await.unwrap();
    assert_eq!((removed.runs.len(), removed.sessions.len()), (3, 2));
    assert_eq!((&would.runs, would.content), (&removed.runs, removed.content));
    assert_eq!(store.runs(RunFilter::default()).await.unwrap().len(), 1);
    assert_eq!(store.sessions(SessionFilter::default()).await.unwrap().len(), 1);
    assert_eq!(workflow.get_run("r-4").await.unwrap().content.text(), "four");
    assert!(runs.erase(&ada, false).await.unwrap().runs.is_empty());
}

#[tokio::test]
async fn what_is_shared_about_a_run_is_erased_with_it() {
    let (store, _, runs) = some().await;
    let put = async |kind: &str, key: &str, run: &str| {
        let value = serde_json::json!({"run": run, "name": "desk"}).to_string();
        let (kind, key, value) = (kind.into(), key.into(), Some(value.into()));
        let change = ValueChange { kind, key, value, seen: None, version: 7 };
        assert!(store.change_value(change).await.unwrap());
    };
    for kind in KINDS_OF_RUNS {
        put(kind, "a", "r-1").await;
        put(kind, "b", "r-4").await;
    }
    runs.erase(&Erase::User("ada".parse().unwrap()), false).await.unwrap();
    for kind in KINDS_OF_RUNS {
        let left = store.shared_values(kind, "", 0).await.unwrap();
        assert_eq!(left.iter().map(|value| &*value.key).collect::<Vec<_>>(), ["b"], "{kind}");
    }
}

#[tokio::test]
async fn a_run_and_a_session_are_erased_alone() {
    let (_, workflow, runs) = some().await;
    let removed = runs.erase(&Erase::Run(id("r-1")), false).await.unwrap();
    assert_eq!((ids(&removed.runs), removed.sessions.len()), (vec!["r-1"], 0));
    assert!(workflow.get_run("r-2").await.is_ok());
    let removed = runs.erase(&Erase::Session("s-1".parse().unwrap()), false).await.unwrap();
    assert_eq!(ids(&removed.runs), ["r-2"]);
    assert_eq!(removed.sessions.len(), 1);
    for gone in [Erase::Run(id("r-1")), Erase::Session("s-1".parse().unwrap())] {
        let error = runs.erase(&gone, false).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }
}

#[tokio::test]
async fn nothing_is_erased_while_a_run_of_it_is_under_way() {
    let (store, _, runs) = some().await;
    let hangs = Step::new("h", |_: StepInput| std::future::pending::<String>());
    let other = Workflow::builder("other").step(hangs).store(store).build().unwrap();
    other.run("-").run_id("r-5").user_id("ada").background().await.unwrap();
    let error = runs.erase(&Erase::User("ada".parse().unwrap()), false).await.unwrap_err();
    assert_eq!(error.id(), ErrorId::RUN_UNDER_WAY);
    assert_eq!(runs.list(RunFilter::default()).await.unwrap().len(), 5);
}

#[tokio::test]
async fn a_user_erases_only_what_is_theirs() {
    let (_, _, runs) = some().await;
    let ben = runs.clone().as_user("ben").unwrap();
    for others in [
        Erase::User("ada".parse().unwrap()),
        Erase::Session("s-1".parse().unwrap()),
        Erase::Run(id("r-1")),
    ] {
        let error = ben.erase(&others, false).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound, "{others}");
    }
    assert_eq!(runs.list(RunFilter::default()).await.unwrap().len(), 4);
    let own = ben.erase(&Erase::User("ben".parse().unwrap()), false).await.unwrap();
    assert_eq!(ids(&own.runs), ["r-4"]);
}

async fn exported(runs: &Runs, which: &Export) -> Vec<String> {
    let mut lines = Vec::new();
    let written = runs.export(which, |line| {
        lines.push(line.to_owned());
        Ok(())
    });
    written.await.unwrap();
    lines
}

#[tokio::test]
async fn exported_runs_are_imported_as_they_were_and_go_on() {
    let (_, workflow, runs) = some().await;
    let answers = [("asks?/ask!confirm", Answer::Approve)];
    runs.submit(&id("r-3"), answers, None).await.unwrap();
    let lines = exported(&runs, &Export::default()).await;
    let store = Memory::default();
    let there = Runs::of(AnyStore::new(store.clone()));
    let would = there.import(&lines, true).await.unwrap();
    assert!(store.runs(RunFilter::default()).await.unwrap().is_empty());
    let done = there.import(&lines, false).await.unwrap();
    assert_eq!((done.runs, done.sessions), (4, 3));
    assert_eq!(would, done);
    for run in ["r-1", "r-2", "r-3", "r-4"].map(id) {
        assert_eq!(there.row(&run).await.unwrap(), runs.row(&run).await.unwrap());
        let facts =
            (store.load(&run, 0, 999).await.unwrap(), workflow.get_run(&run).await.unwrap());
        assert_eq!(there.get(&run).await.unwrap(), facts.1);
        assert_eq!(facts.0.last().unwrap().sequence + 1, facts.0.len() as u64);
    }
    assert_eq!(exported(&there, &Export::default()).await, lines);
    // The answer came along, and the session continues.
    let next = self::workflow(&store);
    next.resume("r-3").await.unwrap();
    assert_eq!(next.get_session_state("s-1").await.unwrap()["last"], "two");
    // A second time, all is there already, except the run that went on.
    store.delete_run(DeleteRun::ended(id("r-3"))).await.unwrap();
    let again = there.import(&lines, false).await.unwrap();
    assert_eq!((again.runs, again.known), (1, 3));
    let few = Export { runs: vec![id("r-2")], ..Export::default() };
    assert_eq!(exported(&runs, &few).await.iter().filter(|line| is(line, "run")).count(), 1);
    let hers = Export { user: Some("ada".parse().unwrap()), ..Export::default() };
    assert_eq!(exported(&runs, &hers).await.iter().filter(|line| is(line, "run")).count(), 3);
}

fn is(line: &str, kind: &str) -> bool {
    serde_json::from_str::<Value>(line).unwrap()["line"] == kind
}

#[tokio::test]
async fn a_changed_export_is_refused_whatever_was_changed() {
    let (_, _, runs) = some().await;
    let lines = exported(&runs, &Export::default()).await;
    let store = Memory::default();
    let there = Runs::of(AnyStore::new(store.clone()));
    let refused = async |lines: &[String], what: &str| {
        let error = there.import(lines, true).await.expect_err(what);
        assert_eq!(error.id(), ErrorId::IMPORT_INVALID, "{what}: {error}");
    };
    for gone in 0..lines.len() {
        let mut fewer = lines.clone();
        fewer.remove(gone);
        refused(&fewer, &format!("without line {gone}")).await;
        let mut more = lines.clone();
        more.insert(gone, lines[gone].clone());
        refused(&more, &format!("line {gone} twice")).await;
        let mut other = lines.clone();
        other[gone] = other[gone].replacen("one", "two", 1);
        if other[gone] != lines[gone] {
            refused(&other, &format!("another line {gone}")).await;
        }
        refused(&lines[..gone], &format!("the first {gone} lines")).await;
    }
    for wrong in ["", "{}", "[]", "nonsense", r#"{"line": "end", "runs": 0, "sum": ""}"#] {
        refused(&[wrong.to_owned()], wrong).await;
    }
    refused(&[format!("{{\"line\":\"fact\",\"fact\":{}", "[".repeat(100_000))], "deep").await;
    assert!(store.runs(RunFilter::default()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_run_that_is_another_one_there_is_not_overwritten() {
    let (_, _, runs) = some().await;
    let lines = exported(&runs, &Export { runs: vec![id("r-1")], ..Export::default() }).await;
    let store = Memory::default();
    workflow(&store).run("other").run_id("r-1").await.unwrap();
    let there = Runs::of(AnyStore::new(store));
    let error = there.import(&lines, false).await.unwrap_err();
    assert_eq!(error.id(), ErrorId::RUN_ID_TAKEN);
    // Nor is a session of another user.
    let store = Memory::default();
    workflow(&store).run("x").session_id("s-1").user_id("ben").await.unwrap();
    let error = Runs::of(AnyStore::new(store)).import(&lines, true).await.unwrap_err();
    assert!(error.to_string().contains("belongs to another user"), "{error}");
}

/// A run, a fork of it, and a fork of the fork, each with two marks.
async fn forks(store: &Memory) -> Workflow {
    let steps = Workflow::builder("w").step(mark("a")).step(mark("b")).step(mark("c"));
    let workflow = steps.store(store.clone()).build().unwrap();
    workflow.run("x").run_id("r-1").session_id("s-1").await.unwrap();
    workflow.fork("r-1").at("b").run_id("f-1").await.unwrap();
    workflow.fork("f-1").at("c").run_id("f-2").await.unwrap();
    workflow
}

#[tokio::test]
async fn forked_runs_are_exported_whole_and_imported_without_their_origins() {
    let store = Memory::default();
    let workflow = forks(&store).await;
    let runs = Runs::of(AnyStore::new(store.clone()));
    let facts_of = async |runs: &Runs, run: &str| -> Vec<_> {
        let mut events = runs.recorded(&id(run), 0).await.unwrap();
        let mut facts = Vec::new();
        while let Some(event) = futures_util::StreamExt::next(&mut events).await {
            facts.push(event.unwrap());
        }
        facts
    };
    // All of them, the forks alone, and the last fork alone.
    let chosen: [&[&str]; 3] = [&["r-1", "f-1", "f-2"], &["f-2", "f-1"], &["f-2"]];
    for names in chosen {
        let which = Export { runs: names.iter().copied().map(id).collect(), ..Export::default() };
        let lines = exported(&runs, &which).await;
        let there = Memory::default();
        let imported = Runs::of(AnyStore::new(there.clone()));
        imported.import(&lines, false).await.unwrap();
        for name in names {
            let (before, after) = (facts_of(&runs, name).await, facts_of(&imported, name).await);
            assert_eq!(before, after, "{name} of {names:?}");
            assert!(imported.verify(&id(name)).await.is_ok());
            let output = imported.get(&id(name)).await.unwrap();
            assert_eq!(output.content, workflow.get_run(name).await.unwrap().content);
            assert_eq!(output.origin, workflow.get_run(name).await.unwrap().origin);
        }
        assert_eq!(exported(&imported, &which).await, lines, "{names:?}");
        // A fork goes on there, and so does a fork of it.
        let steps = Workflow::builder("w").step(mark("a")).step(mark("b")).step(mark("c"));
        let elsewhere = steps.store(there.clone()).build().unwrap();
        let again = elsewhere.fork("f-2").at("b").run_id("f-3").await.unwrap();
        assert_eq!(again.content, workflow.get_run("f-2").await.unwrap().content);
        // To erase a run is to erase what others share of it.
        let erased = imported.erase(&Erase::Run(id("f-2")), false).await.unwrap();
        let mut erased = ids(&erased.runs);
        erased.sort_unstable();
        assert_eq!(erased, ["f-2", "f-3"], "{names:?}");
    }
}
