//! A connection that is lost at the worst moment loses no fact, and records none twice.

use super::proxy::{Cut, Proxy};
use crate::support::{completed, facts, id, start, steps};
use futures_util::future::join;
use sqlx::{Connection, Executor, PgConnection};
use std::time::Duration;
use stepwright_core::journal::{Append, SessionClose};
use stepwright_core::store::{RunStore as _, SessionStore as _};
use stepwright_core::{Patch, StoreError, Timestamp};
use stepwright_store::Postgres;
use stepwright_testing::postgres::{self, Server};

/// More round trips than any call makes.
const TRIPS_MAX: u32 = 8;

/// A store behind a wire, on one connection.
async fn store(server: &Server) -> (Postgres, Proxy, String) {
    let address = server.database();
    let proxy = Proxy::start(server.port()).await;
    let through = proxy.through(&address, server.port());
    let store = Postgres::options(through).connections(1).connect().await.unwrap();
    warm(&store, "warm").await;
    (store, proxy, address)
}

/// Prepares all statements on the connection, so that each request is one round trip.
async fn warm(store: &Postgres, run: &str) {
    for append in all(run) {
        store.append(append).await.unwrap();
    }
    store.append(at_once(&format!("{run} at once"))).await.unwrap();
    store.patch_session(&"s".parse().unwrap(), &[], Timestamp(1)).await.unwrap();
}

/// A run in three appends: beginning, middle, and end with a change of the session.
fn all(run: &str) -> [Append; 3] {
    let mut end = facts(run, 3, vec![completed("done")]);
    end.close = Some(close());
    [facts(run, 0, vec![start()]), facts(run, 1, vec![steps(1), steps(2)]), end]
}

/// A run that begins and ends in one append.
fn at_once(run: &str) -> Append {
    let mut all = facts(run, 0, vec![start(), steps(1), steps(2), completed("done")]);
    all.close = Some(close());
    all
}

fn close() -> SessionClose {
    SessionClose { patches: vec![Patch::increment("n", 1)], ..SessionClose::default() }
}

/// The times that the session was closed and patched.
async fn closed(store: &Postgres) -> (u64, u64) {
    let session = store.session(&"s".parse().unwrap()).await.unwrap().unwrap();
    (session.metrics.runs, session.state["n"].as_u64().unwrap())
}

#[tokio::test]
async fn an_append_is_made_once_wherever_the_connection_is_cut() {
    let Some(server) = postgres::server() else { return };
    let (store, proxy, _) = store(server).await;
    let mut cuts = 0;
    for trip in 1..=TRIPS_MAX {
        for cut in [Cut::Request(trip), Cut::Answer(trip), Cut::Orphan(trip)] {
            for pieces in [true, false] {
                let run = format!("r {cut:?} {pieces}");
                let before = closed(&store).await.0;
                let whole = if pieces { all(&run).to_vec() } else { vec![at_once(&run)] };
                let count = whole.len() as u64;
                for (n, append) in whole.into_iter().enumerate() {
                    warm(&store, &format!("{run} {n}")).await;
                    proxy.cut(cut);
                    let done = store.append(append).await;
                    assert!(done.is_ok(), "{run}: {done:?}");
                    cuts += u32::from(!proxy.disarm());
                }
                let journal = store.load(&id(&run), 0, 9).await.unwrap();
                assert_eq!(journal.len(), 4, "{run}");
                let ended = before + 1 + 2 * count;
                assert_eq!(closed(&store).await, (ended, ended), "{run}");
            }
        }
    }
    // One round trip for a beginning and for the middle, two for an end, five for all at once.
    assert_eq!(cuts, 3 * (1 + 1 + 2 + 5));
}

#[tokio::test]
async fn a_change_of_a_session_is_made_once_wherever_the_connection_is_cut() {
    let Some(server) = postgres::server() else { return };
    let (store, proxy, _) = store(server).await;
    let session = "s".parse().unwrap();
    let mut cuts = 0;
    for trip in 1..=TRIPS_MAX {
        for cut in [Cut::Request(trip), Cut::Answer(trip), Cut::Orphan(trip)] {
            warm(&store, &format!("{cut:?}")).await;
            let before = closed(&store).await.1;
            proxy.cut(cut);
            let patches = [Patch::increment("n", 1)];
            let given = store.patch_session(&session, &patches, Timestamp(2)).await.unwrap();
            cuts += u32::from(!proxy.disarm());
            assert_eq!(given.state["n"].as_u64(), Some(before + 1), "{cut:?}");
            assert_eq!(closed(&store).await.1, before + 1, "{cut:?}");
        }
    }
    assert_eq!(cuts, 3 * 4);
}

#[tokio::test]
async fn a_change_that_others_have_hidden_is_not_made_again_and_not_claimed() {
    let Some(server) = postgres::server() else { return };
    let (store, proxy, address) = store(server).await;
    let other = Postgres::connect(address).await.unwrap();
    let session = "s".parse().unwrap();
    let before = closed(&store).await.1;
    // The fourth is the commit.
    proxy.hold(Cut::Answer(4));
    let patches = [Patch::increment("n", 1)];
    let patched = store.patch_session(&session, &patches, Timestamp(2));
    let (patched, ()) = join(patched, async {
        proxy.caught().await;
        other.patch_session(&session, &patches, Timestamp(2)).await.unwrap();
        proxy.release();
    })
    .await;
    let error = patched.unwrap_err();
    assert_eq!(error.to_string(), "it is not known whether session `s` was changed");
    assert_eq!(closed(&store).await.1, before + 2);
}

/// Both write the same bytes: only the mark of the append tells them apart.
#[tokio::test]
async fn the_same_fact_of_another_driver_is_not_taken_for_ones_own() {
    let Some(server) = postgres::server() else { return };
    let (store, proxy, address) = store(server).await;
    let other = Postgres::connect(address).await.unwrap();
    store.append(facts("r", 0, vec![start()])).await.unwrap();
    proxy.hold(Cut::Request(1));
    let same = || facts("r", 1, vec![steps(1)]);
    let (refused, ()) = join(store.append(same()), async {
        proxy.caught().await;
        other.append(same()).await.unwrap();
        proxy.release();
    })
    .await;
    assert!(matches!(refused, Err(StoreError::Taken { sequence: 1, .. })), "{refused:?}");
}

/// The server is still at the first try when the second one comes.
#[tokio::test]
async fn an_append_that_is_still_under_way_is_waited_for() {
    let Some(server) = postgres::server() else { return };
    let (store, proxy, address) = store(server).await;
    store.append(facts("r", 0, vec![start()])).await.unwrap();
    let mut admin = PgConnection::connect(&address).await.unwrap();
    let mut lock = admin.begin().await.unwrap();
    lock.execute("LOCK TABLE stepwright.journal IN SHARE MODE").await.unwrap();
    proxy.cut(Cut::Orphan(1));
    let append = store.append(facts("r", 1, vec![steps(1)]));
    let (done, ()) = join(append, async {
        waiting(&address, 2).await;
        lock.commit().await.unwrap();
    })
    .await;
    done.unwrap();
    assert_eq!(store.load(&id("r"), 0, 9).await.unwrap().len(), 2);
}

/// Waits until so many wait for a lock.
pub(super) async fn waiting(address: &str, count: i64) {
    let mut admin = PgConnection::connect(address).await.unwrap();
    loop {
        let waiting: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM pg_stat_activity \
             WHERE datname = current_database() AND wait_event_type = 'Lock'",
        )
        .fetch_one(&mut admin)
        .await
        .unwrap();
        if waiting >= count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
