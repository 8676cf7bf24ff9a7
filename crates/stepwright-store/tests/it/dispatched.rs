//! The tests of all dispatchers, over a SQLite file and by workers on PostgreSQL.

use crate::everywhere::everything_composes;
use crate::killed::{WORKER, logged, survive, work, worker};
use std::path::PathBuf;
use std::sync::Arc;
use stepwright_core::BoxFuture;
use stepwright_core::dispatch::{DispatchError, Dispatcher, Drive, Limits, Wake};
use stepwright_engine::{WorkflowBuilder, real_world};
use stepwright_store::{Postgres, PostgresDispatcher, Sqlite};
use stepwright_testing::postgres;
use tokio_util::sync::CancellationToken;

#[tokio::test]
async fn everything_composes_over_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(folder.path().join("a.db")).await.unwrap();
    everything_composes(|workflow| workflow.store(store.clone()), false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_composes_by_workers() {
    let Some(server) = postgres::server() else { return };
    let store = Postgres::connect(server.database()).await.unwrap();
    let queue = Arc::new(PostgresDispatcher::open(&store, real_world()).await.unwrap());
    let on = |workflow: WorkflowBuilder| workflow.store(store.clone()).dispatcher(queue.clone());
    everything_composes(on, true).await;
}

/// A dispatcher of a process that only submits: workers find the runs in the store.
pub(crate) struct Nowhere;

impl Dispatcher for Nowhere {
    fn wake(&self, _: Wake) -> BoxFuture<'_, Result<(), DispatchError>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn serve(
        self: Arc<Self>,
        _: Arc<dyn Drive>,
        _: Limits,
        stop: CancellationToken,
    ) -> BoxFuture<'static, Result<(), DispatchError>> {
        Box::pin(async move {
            stop.cancelled().await;
            Ok(())
        })
    }
}

#[tokio::test]
async fn runs_in_a_file_survive_the_processes_that_drive_them() {
    const TEST: &str = "dispatched::runs_in_a_file_survive_the_processes_that_drive_them";
    if let Ok(folder) = std::env::var(WORKER) {
        let folder = PathBuf::from(folder);
        let store = Sqlite::open(folder.join("a.db")).await.unwrap();
        let workflow = logged(&folder.join("steps.log")).store(store).build().unwrap();
        return work(&workflow).await;
    }
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("steps.log");
    let store = Sqlite::open(folder.path().join("a.db")).await.unwrap();
    let workflow = logged(&log).store(store).dispatcher(Arc::new(Nowhere)).build().unwrap();
    let about = folder.path().display().to_string();
    survive(&workflow, log, || worker(TEST, &about)).await;
}

#[tokio::test]
async fn runs_in_a_server_survive_the_workers_that_drive_them() {
    const TEST: &str = "dispatched::runs_in_a_server_survive_the_workers_that_drive_them";
    let on = async |address: &str, log: PathBuf| {
        let store = Postgres::connect(address).await.unwrap();
        let queue = Arc::new(PostgresDispatcher::open(&store, real_world()).await.unwrap());
        logged(&log).store(store).dispatcher(queue).build().unwrap()
    };
    if let Ok(about) = std::env::var(WORKER) {
        let (address, log) = about.split_once(' ').unwrap();
        return work(&on(address, log.into()).await).await;
    }
    let Some(server) = postgres::server() else { return };
    let (address, folder) = (server.database(), tempfile::tempdir().unwrap());
    let log = folder.path().join("steps.log");
    let about = format!("{address} {}", log.display());
    let workflow = on(&address, log.clone()).await;
    survive(&workflow, log, || worker(TEST, &about)).await;
}
