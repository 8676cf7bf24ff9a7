//! Every container in every container, as background runs of a dispatcher: the test of all
//! dispatchers. Those of stores and of other engines are tested in their crates.

use crate::shapes::{KINDS, around_all, mark};
use futures_util::future::join_all;
use stepwright_core::RunOutput;
use stepwright_engine::{Worker, Workflow, WorkflowBuilder};
use tokio_util::sync::CancellationToken;

/// Runs everything in the background, and compares it with the same in the foreground. `on` adds a
/// store and a dispatcher; with workers, this process is one.
pub(crate) async fn everything_composes(
    on: impl Fn(WorkflowBuilder) -> WorkflowBuilder,
    has_workers: bool,
) {
    let mut seen = 0;
    for outer in KINDS {
        let build = |(shape, plan)| {
            let workflow = Workflow::builder("test").step(plan).step(mark("!"));
            (shape, on(workflow).build().unwrap())
        };
        let all: Vec<(String, Workflow)> = around_all(outer).into_iter().map(build).collect();
        let stop = CancellationToken::new();
        let worker = all.iter().fold(Worker::new(), |worker, (_, one)| worker.workflow(one));
        let worker = has_workers.then(|| tokio::spawn(worker.serve(stop.clone())));
        // Meanwhile, the worker becomes known.
        let plain = all.iter().map(|(_, workflow)| async { workflow.run("in").await.unwrap() });
        let plain = join_all(plain).await;
        let compared =
            join_all(all.iter().zip(plain).map(|((shape, workflow), plain)| async move {
                let handle = workflow.run("in").background().await.unwrap();
                let output = handle.wait().await.unwrap();
                assert_eq!(contents(&plain), contents(&output), "{shape}");
                // And a run that has ended is recalled without running anything.
                assert_eq!(workflow.resume(handle.run_id()).await.unwrap(), output, "{shape}");
            }));
        seen += compared.await.len();
        stop.cancel();
        if let Some(worker) = worker {
            worker.await.unwrap().unwrap();
        }
    }
    assert_eq!(seen, KINDS.len().pow(3));
}

/// The output of a run, and of each of its steps.
fn contents(run: &RunOutput) -> Vec<String> {
    let own = std::iter::once(run.content.to_string());
    own.chain(run.walk().map(|step| format!("{} {}", step.path, step.content))).collect()
}
