//! Runs that wait, are resumed and are cancelled, on SQLite: `cargo bench -p stepwright --bench
//! recovery`. Prints the measurements; `-- paused` measures only waiting runs. `FIGURES_SHORT=1`
//! repeats each measurement less often.
#![expect(clippy::print_stdout, reason = "it prints what it measured")]

use futures_util::StreamExt as _;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use stepwright::store::RunFilter;
use stepwright::store::RunStore as _;
use stepwright::{AnyExecutor, Sqlite, StepContext, StepError, StepInput, prelude::*};

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
    async fn execute(&self, _: StepInput, cx: StepContext) -> Result<StepOutput, StepError> {
        cx.emit("waiting");
        std::future::pending().await
    }
}

const PARTS: [&str; 4] = ["at-once", "taken-up", "paused", "cancelled"];

/// Returns `true` if each measurement is repeated less often.
fn is_short() -> bool {
    std::env::var_os("FIGURES_SHORT").is_some()
}

/// Each part has its own process, so that the memory of one does not count for the next.
fn main() {
    let named = std::env::args().skip(1).find(|word| PARTS.contains(&word.as_str()));
    if let Some(part) = named {
        measure(&part);
        return;
    }
    let this = std::env::current_exe().expect("this program");
    for part in PARTS {
        assert!(Command::new(&this).arg(part).status().expect("it starts").success(), "{part}");
    }
}

fn measure(part: &str) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        match part {
            "at-once" => at_once().await,
            "taken-up" => taken_up().await,
            "paused" => paused().await,
            _ => cancelled().await,
        }
    });
}

fn three_steps(store: Sqlite) -> Workflow {
    let step = |name: &str| Step::new(name, AnyExecutor::new(Pass));
    let steps = Workflow::builder("three").step(step("a")).step(step("b")).step(step("c"));
    steps.store(store).build().expect("a workflow")
}

async fn open(path: &Path) -> Sqlite {
    Sqlite::open(path).await.expect("a database")
}

/// Runs many durable runs at once, which share waits for the disk.
async fn at_once() {
    const RUNS: usize = 1_000;
    let rounds = if is_short() { 1 } else { 5 };
    for round in 1..=rounds {
        let directory = tempfile::tempdir_in(".").expect("a directory on this disk");
        let workflow = three_steps(open(&directory.path().join("one.db")).await);
        let began = Instant::now();
        for _ in 0..RUNS {
            workflow.run("in").await.expect("it completes");
        }
        let one = began.elapsed();
        let workflow = three_steps(open(&directory.path().join("all.db")).await);
        let began = Instant::now();
        let mut runs = futures_util::stream::iter(0..RUNS)
            .map(|_| tokio::spawn(workflow.run("in").into_future()))
            .buffer_unordered(RUNS);
        while let Some(run) = runs.next().await {
            run.expect("it does not panic").expect("it completes");
        }
        let all = began.elapsed();
        println!(
            "round {round}: 1 000 durable runs of 3 steps: one after another {one:.2?}, at once \
             {all:.2?}, {:.1} times the throughput",
            one.as_secs_f64() / all.as_secs_f64()
        );
    }
}

/// Loads and folds a long journal.
async fn taken_up() {
    let turns: &[u32] = if is_short() { &[2_500] } else { &[2_500, 10_000, 40_000] };
    for &turns in turns {
        let directory = tempfile::tempdir_in(".").expect("a directory on this disk");
        let store = open(&directory.path().join("long.db")).await;
        let asked = HumanReview::new().requires_confirmation("Go on?");
        let body = Step::new("turn", AnyExecutor::new(Pass));
        let workflow = Workflow::builder("long")
            .step(Loop::new("loop").step(body).at_most(turns))
            .step(Step::new("last", AnyExecutor::new(Pass)).human_review(asked))
            .store(Sqlite::clone(&store))
            .build()
            .expect("a workflow");
        let paused = workflow.run("in").await.expect("it pauses");
        let facts = f64::from(turns) * 4.0;
        let mut rates = Vec::new();
        for _ in 0..5 {
            let began = Instant::now();
            workflow.resume(&paused.run_id).await.expect("it pauses again");
            rates.push(facts / began.elapsed().as_secs_f64());
        }
        rates.sort_by(f64::total_cmp);
        println!("taken up: {facts} facts, {:.0} facts/s (median of 5)", rates[2]);
    }
}

/// Returns the memory of this process in bytes.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok());
    pages.unwrap_or(0) * 4096
}

/// Lets many runs wait for an answer.
async fn paused() {
    const RUNS: usize = 10_000;
    let directory = tempfile::tempdir_in(".").expect("a directory on this disk");
    let store = open(&directory.path().join("paused.db")).await;
    let asked = HumanReview::new().requires_confirmation("Go on?");
    let workflow = Workflow::builder("asks")
        .step(Step::new("first", AnyExecutor::new(Pass)))
        .step(Step::new("last", AnyExecutor::new(Pass)).human_review(asked))
        .store(store.clone())
        .build()
        .expect("a workflow");
    let before = resident();
    let mut runs = futures_util::stream::iter(0..RUNS)
        .map(|n| {
            let run = workflow.run("in").run_id(format!("r-{n}")).into_future();
            tokio::spawn(run)
        })
        .buffer_unordered(200);
    while let Some(run) = runs.next().await {
        assert!(run.expect("it does not panic").expect("it pauses").is_paused());
    }
    drop(runs);
    let held = resident().saturating_sub(before);
    println!(
        "10 000 paused runs: {} KB resident in all, {} KB more than before",
        resident() / 1_000,
        held / 1_000
    );
    let mut times = [const { Vec::new() }; 3];
    for n in (0..RUNS).step_by(97) {
        let run = format!("r-{n}");
        let began = Instant::now();
        workflow.get_run(&run).await.expect("it is found");
        times[0].push(began.elapsed());
        let began = Instant::now();
        let filter = RunFilter {
            status: Some(stepwright::RunStatus::Paused),
            limit: 50,
            ..RunFilter::default()
        };
        assert_eq!(store.runs(filter).await.expect("they are listed").len(), 50);
        times[1].push(began.elapsed());
        let began = Instant::now();
        let answer = [("last", Answer::Approve)];
        workflow.continue_run(&run, answer).await.expect("it completes");
        times[2].push(began.elapsed());
    }
    for (what, times) in ["found", "listed (50)", "answered, to the end"].iter().zip(times) {
        println!("of 10 000 paused runs, one {what}: {}", spread(times));
    }
}

/// Cancels running runs: in the driver's process, and from another one that has only the database.
async fn cancelled() {
    let directory = tempfile::tempdir_in(".").expect("a directory on this disk");
    let path = directory.path().join("cancelled.db");
    let (here, there) = (waits(open(&path).await), waits(open(&path).await));
    for (by, canceller) in [("its handle", &here), ("another program", &there)] {
        let mut times = Vec::new();
        let count = if is_short() { 50 } else { 500 };
        for _ in 0..count {
            let handle = here.run("in").background().await.expect("it begins");
            let mut events = handle.events(0).await.expect("it is followed");
            // Wait until the run is in the middle of its steps.
            while let Some(Ok(event)) = events.next().await {
                if event.name() == "StepStarted" && event.step_name() == "b" {
                    break;
                }
            }
            let began = Instant::now();
            canceller.cancel_run(handle.run_id()).await.expect("it is under way");
            handle.wait().await.expect_err("it was cancelled");
            times.push(began.elapsed());
        }
        println!("cancelled by {by}, to the terminal fact on disk: {}", spread(times));
    }
}

fn waits(store: Sqlite) -> Workflow {
    let wait = |name: &str| Step::new(name, AnyExecutor::new(Wait));
    let both = Parallel::new("both").branch(wait("a")).branch(wait("b"));
    Workflow::builder("waits").step(both).store(store).build().expect("a workflow")
}

fn spread(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let at = |part: usize| times[(times.len() - 1) * part / 100];
    format!("p50 {:.2?}, p99 {:.2?}", at(50), at(99))
}
