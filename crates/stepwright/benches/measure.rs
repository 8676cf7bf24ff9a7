//! Durable runs compared with the bare inserts that they consist of, in pairs, because a disk never
//! performs the same twice; and the memory of waiting runs. Prints medians. `cargo bench -p
//! stepwright --bench measure`; `-- waiting` measures only that part. `FIGURES_SHORT=1` measures a
//! tenth of the runs.
#![expect(clippy::print_stdout, reason = "it prints what it measured")]

use rusqlite::{Connection, params};
use std::time::{Duration, Instant};
use stepwright::store::{RunStore as _, SessionStore as _};
use stepwright::{
    AnyExecutor, Event, RunId, Sqlite, StepContext, StepError, StepInput, prelude::*,
};

/// The smallest possible step: it returns its input.
struct Pass;
impl Executor for Pass {
    fn name(&self) -> &'static str {
        "pass"
    }
    async fn execute(&self, input: StepInput, _: StepContext) -> Result<StepOutput, StepError> {
        Ok(StepOutput::from(input.content().clone()))
    }
}

/// A step that waits forever.
struct Wait;
impl Executor for Wait {
    fn name(&self) -> &'static str {
        "wait"
    }
    async fn execute(&self, _: StepInput, _: StepContext) -> Result<StepOutput, StepError> {
        std::future::pending().await
    }
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    // Cargo passes options of its own.
    let asked: Vec<String> =
        std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let is_asked_for = |part: &str| asked.is_empty() || asked.iter().any(|word| word == part);
    runtime.block_on(async {
        if is_asked_for("waiting") {
            waiting().await;
        }
        if is_asked_for("durable") {
            durable().await;
        }
        if is_asked_for("session") {
            one_session().await;
        }
    });
}

/// Returns the number of runs to measure.
fn count(whole: usize) -> usize {
    if std::env::var_os("FIGURES_SHORT").is_some() { whole / 10 } else { whole }
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e6
}

fn three_steps() -> stepwright::WorkflowBuilder {
    let step = |name: &str| Step::new(name, AnyExecutor::new(Pass));
    Workflow::builder("three").step(step("a")).step(step("b")).step(step("c"))
}

/// Returns the memory of this process in bytes.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok());
    pages.unwrap_or(0) * 4096
}

async fn waiting() {
    const RUNS: usize = 10_000;
    let workflow = Workflow::builder("w").step(Step::new("wait", AnyExecutor::new(Wait)));
    let workflow = workflow.build().expect("no mistakes");
    let mut runs = Vec::with_capacity(RUNS);
    let before = resident();
    for _ in 0..RUNS {
        let mut run = workflow.run("in").into_future();
        let _ = futures_util::poll!(&mut run);
        runs.push(run);
    }
    let each = resident().saturating_sub(before) / RUNS;
    println!("{RUNS} waiting runs: {each} bytes each (resident memory)");
}

/// Captures the facts of a real run.
async fn capture(store: &Sqlite) -> Vec<Event> {
    let workflow = three_steps().store(store.clone()).build().expect("no mistakes");
    workflow.run("in").run_id("captured").session_id("s").await.expect("it completes");
    let run: RunId = "captured".parse().expect("an identifier");
    store.load(&run, 0, usize::MAX).await.expect("it is there")
}

async fn durable() {
    let directory = tempfile::tempdir_in(".").expect("a directory on this disk");
    let ours = Sqlite::open(directory.path().join("ours.db")).await.expect("a database");
    let bare_path = directory.path().join("bare.db");
    let theirs = Sqlite::open(&bare_path).await.expect("a database");
    let facts = capture(&theirs).await;
    drop(theirs);
    let bare = Connection::open(&bare_path).expect("the same schema");
    bare.pragma_update(None, "journal_mode", "WAL").expect("WAL");
    bare.pragma_update(None, "synchronous", "FULL").expect("FULL");
    let workflow = three_steps().store(ours.clone()).build().expect("no mistakes");
    let (mut run_times, mut bare_times) = (Vec::new(), Vec::new());
    for n in 0..count(400) {
        let begun = Instant::now();
        workflow.run("in").session_id("s").await.expect("it completes");
        run_times.push(begun.elapsed());
        let begun = Instant::now();
        bare_inserts(&bare, n, &facts);
        bare_times.push(begun.elapsed());
    }
    let (run, bare) = (median(run_times), median(bare_times));
    println!("three durable steps (SQLite, FULL): {run:.0} µs a run");
    println!("  their bare inserts, grouped alike: {bare:.0} µs; ratio {:.2}", run / bare);
}

/// Writes the rows of one run of three steps, in the four transactions that the engine uses.
fn bare_inserts(bare: &Connection, n: usize, facts: &[Event]) {
    let bodies: Vec<String> =
        facts.iter().map(|fact| serde_json::to_string(&fact.kind).expect("JSON")).collect();
    let groups = [0..2, 2..4, 4..6, 6..facts.len()];
    let mut run = 0;
    for (place, group) in groups.into_iter().enumerate() {
        bare.prepare_cached("BEGIN IMMEDIATE").expect("SQL").raw_execute().expect("begun");
        if place == 0 {
            bare.prepare_cached(
                "INSERT INTO runs (run_id, session_id, user_id, workflow_id, digest, status, \
                 created_at, updated_at) VALUES (?1, 's', NULL, 'three', ?2, 'RUNNING', 1, 1)",
            )
            .expect("SQL")
            .execute(params![format!("run-{n}"), "0".repeat(64)])
            .expect("a row");
            run = bare.last_insert_rowid();
        }
        for index in group {
            bare.prepare_cached(
                "INSERT INTO journal (run, seq, path, at, body) VALUES (?1, ?2, ?3, ?4, ?5)",
            )
            .expect("SQL")
            .execute(params![
                run,
                i64::try_from(index).expect("few"),
                facts[index].path.as_str(),
                1,
                bodies[index]
            ])
            .expect("a row");
        }
        if place == 3 {
            bare.prepare_cached(
                "UPDATE runs SET status = 'COMPLETED', updated_at = 2 WHERE id = ?1",
            )
            .expect("SQL")
            .execute([run])
            .expect("a row");
            bare.prepare_cached(
                "UPDATE sessions SET metrics = ?1, updated_at = ?2 WHERE session_id = 's'",
            )
            .expect("SQL")
            .execute(params!["{}", i64::try_from(n).expect("few")])
            .expect("a row");
        }
        bare.prepare_cached("COMMIT").expect("SQL").raw_execute().expect("committed");
    }
}

async fn one_session() {
    let count = count(1_000);
    let directory = tempfile::tempdir_in(".").expect("a directory on this disk");
    let store = Sqlite::open(directory.path().join("session.db")).await.expect("a database");
    let workflow = three_steps().store(store.clone()).build().expect("no mistakes");
    let mut times = Vec::new();
    for _ in 0..count {
        let begun = Instant::now();
        workflow.run("in").session_id("s").await.expect("it completes");
        times.push(begun.elapsed());
    }
    let tenth = count / 10;
    let first = median(times[..tenth].to_vec());
    let last = median(times[count - tenth..].to_vec());
    println!("{count} runs in one session: {first:.0} µs each at first, {last:.0} µs at the end");
    let runs = store.session(&"s".parse().expect("an identifier")).await.expect("a store");
    assert_eq!(runs.map(|session| session.metrics.runs), Some(count as u64));
}
