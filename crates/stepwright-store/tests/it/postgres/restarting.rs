//! The server goes away and comes back.

use crate::support::{facts, id, start, steps};
use futures_util::future::try_join_all;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use stepwright_core::StoreError;
use stepwright_core::store::RunFilter;
use stepwright_core::store::RunStore as _;
use stepwright_store::Postgres;
use stepwright_testing::postgres::{self, Server};
use tokio::task::spawn_blocking;

const END: &str = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
    WHERE application_name = 'stepwright' AND datname = ";

fn end_connections(server: &Server, address: &str) {
    let database = address.rsplit('/').next().unwrap();
    server.sql("postgres", &format!("{END}'{database}'"));
}

#[tokio::test]
async fn idle_connections_that_died_are_replaced() {
    let Some(server) = postgres::server() else { return };
    let address = server.database();
    let store = Postgres::connect(&address).await.unwrap();
    let begin = |n: usize| store.append(facts(&format!("r{n}"), 0, vec![start()]));
    try_join_all((0..20).map(begin)).await.unwrap();
    end_connections(server, &address);
    try_join_all((20..40).map(begin)).await.unwrap();
    assert_eq!(store.runs(RunFilter::default()).await.unwrap().len(), 40);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_go_on_through_ended_connections_restarts_and_crashes() {
    const FACTS: u64 = 200;
    let Some(server) = Server::start() else { return };
    let server = Arc::new(server);
    let address = server.database();
    let options = Postgres::options(&address).retry_for(Duration::from_mins(2));
    let store = options.connections(4).connect().await.unwrap();
    let appended = Arc::new(AtomicU64::new(0));
    let runs: Vec<_> = (0..8)
        .map(|n| {
            let (store, appended) = (store.clone(), appended.clone());
            tokio::spawn(async move {
                let run = format!("r{n}");
                store.append(facts(&run, 0, vec![start()])).await?;
                for sequence in 1..FACTS {
                    store.append(facts(&run, sequence, vec![steps(n)])).await?;
                    appended.fetch_add(1, Ordering::Relaxed);
                }
                Ok::<(), StoreError>(())
            })
        })
        .collect();
    // Each after some more work was done.
    for (round, at) in (1..).zip([100, 300, 500, 700, 900]) {
        while appended.load(Ordering::Relaxed) < at {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let (server, address) = (server.clone(), address.clone());
        spawn_blocking(move || match round {
            1 | 3 | 5 => end_connections(&server, &address),
            2 => {
                server.stop();
                server.resume();
            }
            _ => {
                server.crash();
                server.resume();
            }
        })
        .await
        .unwrap();
    }
    for run in try_join_all(runs).await.unwrap() {
        run.unwrap();
    }
    for n in 0..8 {
        let journal = store.load(&id(&format!("r{n}")), 0, 1_000).await.unwrap();
        assert_eq!(journal.len() as u64, FACTS, "r{n}");
        assert!(journal[1..].iter().all(|fact| fact.kind == steps(n)), "r{n}");
    }
}

#[tokio::test]
async fn a_server_that_stays_away_is_told_and_one_that_comes_back_is_used() {
    let Some(server) = Server::start() else { return };
    let address = server.database();
    let options = Postgres::options(&address).retry_for(Duration::from_millis(200));
    let store = options.clone().connect().await.unwrap();
    store.append(facts("r", 0, vec![start()])).await.unwrap();
    server.stop();

    let shown = address.rsplit('@').next().unwrap();
    let error = store.append(facts("r", 1, vec![steps(1)])).await.unwrap_err();
    assert_eq!(error.to_string(), format!("cannot write to the database `{shown}`"));
    let hint = format!("start PostgreSQL there, or correct host and port in `{shown}`");
    assert_eq!(error.hint().as_ref(), Some(&hint));
    let error = options.connect().await.unwrap_err();
    assert_eq!(error.to_string(), format!("cannot connect to the database `{shown}`"));
    assert_eq!(error.hint(), Some(hint));

    server.resume();
    store.append(facts("r", 1, vec![steps(1)])).await.unwrap();
    assert_eq!(store.load(&id("r"), 0, 9).await.unwrap().len(), 2);
}
