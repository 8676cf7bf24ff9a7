//! The engine on PostgreSQL: several programs, one database.

use futures_util::future::try_join_all;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use stepwright::prelude::*;
use stepwright::{ErrorKind, Postgres};
use stepwright_testing::postgres;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;

/// The progress of one program's steps, and how far they may go.
#[derive(Clone)]
struct Program {
    first: Arc<AtomicU32>,
    reached: Arc<Semaphore>,
    may_end: Arc<Semaphore>,
}

impl Program {
    fn new(may_end: usize) -> Self {
        let none = || Arc::new(Semaphore::new(0));
        let may_end = Arc::new(Semaphore::new(may_end));
        Self { first: Arc::default(), reached: none(), may_end }
    }

    /// The workflow, on connections of its own.
    async fn workflow(&self, address: &str) -> Workflow {
        let (this, that) = (self.clone(), self.clone());
        let first = move |input: StepInput| {
            this.first.fetch_add(1, Ordering::SeqCst);
            async move {
                let output = StepOutput::from(format!("{} first", input.text()));
                output.patch(Patch::increment("visits", 1)).patch(Patch::append("seen", 1))
            }
        };
        let second = move |input: StepInput| {
            let program = that.clone();
            async move {
                program.reached.add_permits(1);
                program.may_end.acquire().await.unwrap().forget();
                format!("{} second", input.text())
            }
        };
        Workflow::builder("Pipeline")
            .step(Step::new("First", first))
            .step(Step::new("Second", second))
            .store(Postgres::options(address).connections(4).connect().await.unwrap())
            .build()
            .unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_of_two_programs_in_one_session_lose_nothing() {
    let Some(server) = postgres::server() else { return };
    let address = server.database();
    let (one, other) = (Program::new(1_000), Program::new(1_000));
    let workflows = [one.workflow(&address).await, other.workflow(&address).await];
    let runs = (0..40).map(|n| {
        let workflow = &workflows[n % 2];
        let run = workflow.run(format!("input {n}")).run_id(format!("r{n}"));
        tokio::spawn(run.session_id("s").user_id("anna").into_future())
    });
    let outputs: Vec<_> = try_join_all(runs).await.unwrap();
    for (n, output) in outputs.into_iter().enumerate() {
        let output = output.unwrap();
        assert_eq!(output.content.text(), format!("input {n} first second"));
        // The other program finds it.
        let found = workflows[(n + 1) % 2].get_run(format!("r{n}")).await.unwrap();
        assert_eq!(found.content, output.content);
        assert_eq!(found.step_results, output.step_results);
    }
    let session = workflows[0].get_session("s").await.unwrap();
    assert_eq!(session.metrics.runs, 40);
    assert_eq!(session.state["visits"], 40);
    assert_eq!(session.state["seen"].as_array().unwrap().len(), 40);
    let stranger = workflows[1].run("in").session_id("s").user_id("ben").await.unwrap_err();
    assert_eq!(stranger.kind(), ErrorKind::NotFound);
}

/// The process of the first program dies, as far as one can die without taking the test along: its
/// runtime is gone, so nothing of it is polled again.
#[test]
fn a_run_whose_program_died_is_taken_up_by_another() {
    let Some(server) = postgres::server() else { return };
    let address = server.database();
    let dies = Program::new(0);
    let runtime = Runtime::new().unwrap();
    let half_done = runtime.block_on(async {
        let workflow = dies.workflow(&address).await;
        let mut run = Box::pin(workflow.run("input").run_id("r").session_id("s").into_future());
        tokio::select! {
            output = &mut run => panic!("it does not wait: {output:?}"),
            _ = dies.reached.acquire() => {}
        }
        [run]
    });
    runtime.shutdown_background();
    drop(half_done);
    assert_eq!(dies.first.load(Ordering::SeqCst), 1);

    let heir = Program::new(1);
    Runtime::new().unwrap().block_on(async {
        let workflow = heir.workflow(&address).await;
        assert_eq!(workflow.get_run("r").await.unwrap().status, RunStatus::Running);
        let output = workflow.resume("r").await.unwrap();
        assert_eq!(output.content.text(), "input first second");
        assert_eq!(heir.first.load(Ordering::SeqCst), 0, "what was done is done again");
        let session = workflow.get_session("s").await.unwrap();
        assert_eq!((session.metrics.runs, session.state["visits"].as_u64()), (1, Some(1)));
    });
}

/// Two programs believe that a run is theirs: one is told that it is not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_programs_that_drive_a_run_one_stops() {
    let Some(server) = postgres::server() else { return };
    let address = server.database();
    let (slow, quick) = (Program::new(0), Program::new(1));
    let workflows = [slow.workflow(&address).await, quick.workflow(&address).await];
    let first = workflows[0].run("input").run_id("r").session_id("s");
    let first = tokio::spawn(first.into_future());
    slow.reached.acquire().await.unwrap().forget();
    let error = workflows[1].resume("r").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Store);
    assert!(error.report().contains("run `r` is driven by process"), "{}", error.report());
    assert_eq!(quick.first.load(Ordering::SeqCst), 0, "it has begun nothing");
    slow.may_end.add_permits(1);
    assert_eq!(first.await.unwrap().unwrap().content.text(), "input first second");
    let session = workflows[0].get_session("s").await.unwrap();
    assert_eq!((session.metrics.runs, session.state["visits"].as_u64()), (1, Some(1)));
}
