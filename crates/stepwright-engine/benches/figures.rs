//! Engine runs beside bare code that does the same work, in turns, so that a busy machine slows
//! both. Prints a line of JSON for each row of `docs/benchmarks.md`; `scripts/figures.py` reads
//! them. Arguments are parts of the names of the rows that are measured:
//! `cargo bench -p stepwright-engine --bench figures -- turn`. `FIGURES_SHORT=1` measures for a
//! tenth of the time.
//!
//! `-- count ROW N` does the work of a row N times and nothing else, for tools that count
//! instructions or allocations, which do not depend on the load of the machine: the difference
//! between two counts. Rows `step`, `turn` and `branches` do a thousand pieces of work each time.
#![expect(clippy::print_stdout, reason = "it prints what it measured")]

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use std::future::Future;
use std::hint::black_box;
use std::time::Instant;
use stepwright_core::{
    AnyExecutor, Content, Executor, StepContext, StepError, StepInput, StepOutput,
};
use stepwright_engine::{Loop, Parallel, Step, Workflow};
use tokio::runtime::Runtime;

/// The number of measurements of a row. The shortest ones are compared: on a busy machine, the
/// others include the time of other programs.
fn rounds() -> usize {
    if std::env::var_os("FIGURES_SHORT").is_some() { 21 } else { 201 }
}

/// Returns the arguments, without the options that Cargo passes.
fn words() -> impl Iterator<Item = String> {
    std::env::args().skip(1).filter(|part| !part.starts_with('-'))
}

/// Returns `true` if the row of this name is measured.
fn is_asked_for(name: &str) -> bool {
    let mut parts = words().peekable();
    parts.peek().is_none() || parts.any(|part| name.contains(&part))
}

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

fn pass(n: usize) -> Step {
    Step::new(format!("s{n}"), AnyExecutor::new(Pass))
}

fn chain(steps: usize) -> Workflow {
    let chain = (0..steps).fold(Workflow::builder("chain"), |chain, n| chain.step(pass(n)));
    chain.build().expect("no mistakes")
}

/// A step without an engine.
type Bare = Box<dyn Fn(Content) -> BoxFuture<'static, Result<Content, StepError>> + Send + Sync>;

fn bare_chain(steps: usize) -> Vec<Bare> {
    let step = |_| -> Bare { Box::new(|input| Box::pin(async move { Ok(input) })) };
    (0..steps).map(step).collect()
}

async fn through(steps: &[Bare], turns: usize) -> Content {
    let mut content = Content::from("in");
    for _ in 0..turns {
        for step in steps {
            content = step(content).await.expect("it never fails");
        }
    }
    content
}

/// Returns the microseconds of one of `count` pieces of work.
async fn time<F: Future>(repeats: usize, count: usize, work: impl Fn() -> F) -> f64 {
    let began = Instant::now();
    for _ in 0..repeats {
        black_box(work().await);
    }
    let all = u32::try_from(repeats * count).unwrap_or(u32::MAX);
    began.elapsed().as_secs_f64() * 1e6 / f64::from(all)
}

/// Like [`time`], for work without async.
fn repeat<T>(repeats: u32, work: impl Fn() -> T) -> f64 {
    let began = Instant::now();
    for _ in 0..repeats {
        black_box(work());
    }
    began.elapsed().as_secs_f64() * 1e6 / f64::from(repeats)
}

fn shortest(times: &[f64]) -> f64 {
    times.iter().copied().fold(f64::INFINITY, f64::min)
}

/// Measures `ours` and `bare` in turns: each `repeats` times, with `count` pieces of work.
fn row<F: Future, G: Future>(
    runtime: &Runtime,
    name: &str,
    (repeats, count): (usize, usize),
    ours: impl Fn() -> F,
    bare: impl Fn() -> G,
) {
    if !is_asked_for(name) {
        return;
    }
    let (mut all_ours, mut all_bare) = (Vec::new(), Vec::new());
    runtime.block_on(async {
        for _ in 0..rounds() {
            all_ours.push(time(repeats, count, &ours).await);
            all_bare.push(time(repeats, count, &bare).await);
        }
    });
    let row = serde_json::json!({
        "row": name,
        "ours_us": shortest(&all_ours),
        "bare_us": shortest(&all_bare),
    });
    println!("{row}");
}

/// Counts the events of a run, on the task that calls it.
async fn read(workflow: Workflow) -> usize {
    let mut events = workflow.run("in").stream_events(true).stream();
    let mut count = 0;
    while let Some(event) = events.next().await {
        black_box(event);
        count += 1;
    }
    count
}

/// Sends as many messages from one task to another.
async fn send(count: usize) {
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    let task = tokio::spawn(async move {
        for n in 0..count {
            let _ = sender.send((n, Content::from("in")));
            tokio::task::yield_now().await;
        }
    });
    while let Some(message) = receiver.recv().await {
        black_box(message);
    }
    task.await.expect("it ends");
}

async fn at_once(count: usize) {
    let task = |_| tokio::spawn(async { black_box(Content::from("in")) });
    let tasks: Vec<_> = (0..count).map(task).collect();
    for task in tasks {
        black_box(task.await.expect("it ends"));
    }
}

fn loop_of(turns: u32) -> Workflow {
    let again = Loop::new("again").step(pass(0)).at_most(turns);
    Workflow::builder("loop").step(again).build().expect("no mistakes")
}

fn fan_of(branches: usize) -> Workflow {
    let fan = (0..branches).fold(Parallel::new("fan"), |fan, n| fan.branch(pass(n)));
    Workflow::builder("fan").step(fan).build().expect("no mistakes")
}

/// Does the work of a row several times.
fn repeat_only(runtime: &Runtime, row: &str, times: usize) {
    let workflow = match row {
        "run 1" => chain(1),
        "step" => chain(1_000),
        "turn" => loop_of(1_000),
        "branches" => fan_of(1_000),
        _ => chain(3),
    };
    for _ in 0..times {
        match row {
            "blocking" => {
                black_box(workflow.run("in").blocking().expect("it completes"));
            }
            "events, main" => {
                black_box(runtime.block_on(read(workflow.clone())));
            }
            "events, task" => {
                let reader = runtime.spawn(read(workflow.clone()));
                black_box(runtime.block_on(reader).expect("it ends"));
            }
            _ => {
                black_box(
                    runtime.block_on(workflow.run("in").into_future()).expect("it completes"),
                );
            }
        }
    }
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    if let [count, row, times] = &*words().collect::<Vec<_>>()
        && count == "count"
    {
        return repeat_only(&runtime, row, times.parse().expect("a number"));
    }
    let (one, three, thousand) = (chain(1), chain(3), chain(1_000));
    let (bare_one, bare_three, bare_thousand) = (bare_chain(1), bare_chain(3), bare_chain(1_000));
    row(&runtime, "run 3", (200, 1), || three.run("in").into_future(), || through(&bare_three, 1));
    row(&runtime, "run 1", (200, 1), || one.run("in").into_future(), || through(&bare_one, 1));
    row(
        &runtime,
        "step",
        (1, 1_000),
        || thousand.run("in").into_future(),
        || through(&bare_thousand, 1),
    );
    let again = loop_of(1_000);
    row(
        &runtime,
        "turn",
        (1, 1_000),
        || again.run("in").into_future(),
        || through(&bare_one, 1_000),
    );
    let fan = fan_of(1_000);
    row(&runtime, "branches", (1, 1), || fan.run("in").into_future(), || at_once(1_000));
    let events = runtime.block_on(read(three.clone()));
    row(&runtime, "events, main", (50, 1), || read(three.clone()), || send(events));
    row(
        &runtime,
        "events, task",
        (50, 1),
        || async { tokio::spawn(read(three.clone())).await },
        || async { tokio::spawn(send(events)).await },
    );
    if !is_asked_for("blocking") {
        return;
    }
    let (mut ours, mut bare) = (Vec::new(), Vec::new());
    for _ in 0..rounds() {
        ours.push(repeat(50, || three.run("in").blocking().expect("it completes")));
        bare.push(repeat(50, || poll_to_end(through(&bare_three, 1))));
    }
    let row = serde_json::json!({
        "row": "blocking", "ours_us": shortest(&ours), "bare_us": shortest(&bare),
    });
    println!("{row}");
}

/// Polls a future that never waits.
fn poll_to_end<T>(work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    loop {
        if let std::task::Poll::Ready(value) = work.as_mut().poll(&mut cx) {
            return value;
        }
    }
}
