//! The costs of the engine, apart from what steps do: no store, no model, no I/O.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use futures_util::StreamExt as _;
use std::hint::black_box;
use stepwright_core::{
    AnyExecutor, Content, Executor, StepContext, StepError, StepInput, StepOutput,
};
use stepwright_engine::{Loop, Parallel, Step, Workflow};
use tokio::runtime::Runtime;

/// The least that a step can do: it hands on what it is given.
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

async fn nothing(content: Content) -> Content {
    content
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("one")
}

fn steps(c: &mut Criterion) {
    let runtime = runtime();
    let mut group = c.benchmark_group("chain");
    for steps in [1, 3, 10, 100, 1_000, 10_000] {
        let workflow = chain(steps);
        group.throughput(Throughput::Elements(steps as u64));
        group.bench_function(format!("{steps} steps"), |b| {
            b.to_async(&runtime)
                .iter(|| async { black_box(workflow.run("in").await.expect("ok")) });
        });
    }
    let workflow = Workflow::builder("fn").step(nothing).build().expect("no mistakes");
    group.throughput(Throughput::Elements(1));
    group.bench_function("1 step, an async fn", |b| {
        b.to_async(&runtime).iter(|| async { black_box(workflow.run("in").await.expect("ok")) });
    });
    group.finish();
}

fn loops(c: &mut Criterion) {
    let runtime = runtime();
    let mut group = c.benchmark_group("loop");
    for turns in [10, 100, 1_000, 10_000] {
        let body = Loop::new("again").step(pass(0)).at_most(turns);
        let workflow = Workflow::builder("loop").step(body).build().expect("no mistakes");
        group.throughput(Throughput::Elements(u64::from(turns)));
        group.bench_function(format!("{turns} turns of 1 step"), |b| {
            b.to_async(&runtime)
                .iter(|| async { black_box(workflow.run("in").await.expect("ok")) });
        });
    }
    group.finish();
}

fn branches(c: &mut Criterion) {
    let runtime = runtime();
    let mut group = c.benchmark_group("parallel");
    for branches in [10, 1_000] {
        let fan = (0..branches).fold(Parallel::new("fan"), |fan, n| fan.branch(pass(n)));
        let workflow = Workflow::builder("fan").step(fan).build().expect("no mistakes");
        group.throughput(Throughput::Elements(branches as u64));
        group.bench_function(format!("{branches} branches of 1 step"), |b| {
            b.to_async(&runtime)
                .iter(|| async { black_box(workflow.run("in").await.expect("ok")) });
        });
    }
    group.finish();
}

fn events(c: &mut Criterion) {
    let runtime = runtime();
    let mut group = c.benchmark_group("stream");
    let workflow = chain(1_000);
    let count = |workflow: Workflow| async move {
        let mut events = workflow.run("in").stream_events(true).stream();
        let mut count = 0_u64;
        while let Some(event) = events.next().await {
            black_box(event);
            count += 1;
        }
        count
    };
    let events = runtime.block_on(count(workflow.clone()));
    group.throughput(Throughput::Elements(events));
    group.bench_function(format!("{events} events of 1000 steps"), |b| {
        b.to_async(&runtime).iter_batched(
            || workflow.clone(),
            |workflow| async move { black_box(count(workflow).await) },
            BatchSize::SmallInput,
        );
    });
    let talk = |_: StepInput, cx: StepContext| async move {
        for _ in 0..10_000 {
            cx.emit("word ");
        }
        ""
    };
    let talker = Workflow::builder("talk").step(Step::new("talk", talk)).build().expect("ok");
    group.throughput(Throughput::Elements(10_000));
    group.bench_function("10000 deltas of 1 step", |b| {
        b.to_async(&runtime).iter_batched(
            || talker.clone(),
            |workflow| async move { black_box(count(workflow).await) },
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

criterion_group!(benches, steps, loops, branches, events);
criterion_main!(benches);
