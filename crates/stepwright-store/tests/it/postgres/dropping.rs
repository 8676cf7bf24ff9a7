//! A future that is dropped leaves nothing behind that is in the way of the next.

use super::losing::waiting;
use crate::support::{completed, facts, id, start, steps};
use futures_util::future::{Either, poll_fn, select};
use sqlx::{Connection, Executor, PgConnection};
use std::pin::pin;
use std::task::Poll;
use stepwright_core::journal::SessionClose;
use stepwright_core::store::RunFilter;
use stepwright_core::store::{RunStore as _, SessionStore as _};
use stepwright_core::{Patch, Timestamp};
use stepwright_store::Postgres;
use stepwright_testing::postgres;

/// Returns the output of a future, or `None` when it still waits after it was polled `polls` times.
/// With `answered` it is left alone until its answer has come.
async fn polled<T>(polls: u32, answered: bool, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut count = 0;
    poll_fn(|cx| {
        if count == polls {
            return Poll::Ready(None);
        }
        count += 1;
        match future.as_mut().poll(cx) {
            Poll::Pending if count < polls || answered => Poll::Pending,
            Poll::Pending => Poll::Ready(None),
            Poll::Ready(value) => Poll::Ready(Some(value)),
        }
    })
    .await
}

#[tokio::test]
async fn calls_that_are_dropped_anywhere_leave_the_connections_fit_for_use() {
    let Some(server) = postgres::server() else { return };
    let address = server.socket_address(server.database().rsplit('/').next().unwrap());
    let store = Postgres::options(address).connections(2).connect().await.unwrap();
    let session = "s".parse().unwrap();
    let (mut runs, mut dropped, mut done) = (Vec::new(), 0, 0);
    // With requests that are on their way and with answers that no caller reads. How many polls the
    // calls take is for the machine to say, so it goes on until there was enough of both.
    for n in 0..4_000 {
        let run = format!("r{n}");
        store.append(facts(&run, 0, vec![start()])).await.unwrap();
        let mut end = facts(&run, 1, vec![completed("done")]);
        let patches = vec![Patch::increment("n", 1)];
        end.close = Some(SessionClose { patches, ..SessionClose::default() });
        let calls = polled(1 + n / 2 % 20, n % 2 == 1, async {
            store.append(end).await.unwrap();
            store.patch_session(&session, &[Patch::set("x", n)], Timestamp(1)).await.unwrap();
            store.runs(RunFilter::default()).await.unwrap();
        });
        match calls.await {
            Some(()) => done += 1,
            None => dropped += 1,
        }
        runs.push(run);
        if dropped >= 10 && done >= 10 {
            break;
        }
    }
    assert!(dropped >= 10 && done >= 10, "{dropped} were dropped, {done} were done");

    // Appends that got through are whole: a run has ended if and only if its session says so.
    let mut count = 0;
    for run in runs {
        let journal = store.load(&id(&run), 0, 9).await.unwrap();
        count += u64::from(journal.len() == 2);
    }
    let found = store.session(&session).await.unwrap().unwrap();
    assert_eq!((found.metrics.runs, found.state["n"].as_u64()), (count, Some(count)));
}

#[tokio::test]
async fn a_call_that_is_dropped_while_it_waits_gives_its_place_back() {
    let Some(server) = postgres::server() else { return };
    let address = server.database();
    let store = Postgres::options(&address).connections(1).connect().await.unwrap();
    store.append(facts("r", 0, vec![start()])).await.unwrap();
    let mut admin = PgConnection::connect(&address).await.unwrap();
    let mut lock = admin.begin().await.unwrap();
    lock.execute("LOCK TABLE stepwright.journal IN SHARE MODE").await.unwrap();
    {
        let append = pin!(store.append(facts("r", 1, vec![steps(1)])));
        let seen = pin!(waiting(&address, 1));
        let first = select(append, seen).await;
        assert!(matches!(first, Either::Right(_)), "the lock was not waited for");
    }
    // There is one place, and the caller that had it is gone.
    assert_eq!(store.load(&id("r"), 0, 9).await.unwrap().len(), 1);
    lock.commit().await.unwrap();
}
