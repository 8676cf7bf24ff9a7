//! A change of one store is seen by another, whatever the connection does meanwhile.

use super::proxy::{Cut, Proxy};
use crate::support::{answer, facts, id, start, steps, woken};
use sqlx::{Connection, PgConnection};
use stepwright_core::store::Watched;
use stepwright_core::store::{Inbox as _, RunStore as _};
use stepwright_store::Postgres;
use stepwright_testing::postgres;

#[tokio::test]
async fn two_stores_over_one_database_see_each_others_changes() {
    let Some(server) = postgres::server() else { return };
    let address = server.database();
    let one = Postgres::connect(&address).await.unwrap();
    let other = Postgres::connect(&address).await.unwrap();
    one.append(facts("r", 0, vec![start()])).await.unwrap();
    for sequence in 1..=5 {
        let watched = other.changed(Watched::Signals);
        assert!(one.submit(answer("r", &format!("a{sequence}"))).await.unwrap());
        woken(watched).await;
        seen(&other, Watched::Signals, async || {
            other.inbox(&id("r")).await.unwrap().len() as u64 == sequence
        })
        .await;
        one.append(facts("r", sequence, vec![steps(1)])).await.unwrap();
        seen(&other, Watched::Facts(id("r")), async || {
            other.load(&id("r"), sequence, 9).await.unwrap().len() == 1
        })
        .await;
    }
}

/// Waits as an engine does: looks, and waits for a change, until it is there.
async fn seen(store: &Postgres, watched: Watched, there: impl AsyncFn() -> bool) {
    loop {
        let changed = store.changed(watched.clone());
        if there().await {
            return;
        }
        woken(changed).await;
    }
}

/// A watcher is told by the server, and not by looking often: an append to a run that is
/// watched says so, and one to another run does not.
#[tokio::test]
async fn an_append_to_a_watched_run_is_said_and_no_other() {
    let Some(server) = postgres::server() else { return };
    let address = server.database();
    let one = Postgres::connect(&address).await.unwrap();
    let other = Postgres::connect(&address).await.unwrap();
    for run in ["r", "quiet"] {
        one.append(facts(run, 0, vec![start()])).await.unwrap();
    }
    let watching = tokio::spawn(async move {
        loop {
            other.changed(Watched::Facts(id("r"))).await;
        }
    });
    let mut admin = PgConnection::connect(&address).await.unwrap();
    let marked = "SELECT coalesce(string_agg(run_id, ' '), '') FROM stepwright.runs \
        WHERE watched > now()";
    while sqlx::query_scalar::<_, String>(marked).fetch_one(&mut admin).await.unwrap() != "r" {}

    // Another schema of the same name would be the same; of another name, another channel.
    let mut ear = sqlx::postgres::PgListener::connect(&address).await.unwrap();
    let channel = "SELECT channel FROM (SELECT 'stepwright_facts_' || substr(encode(sha256(\
        'stepwright'), 'hex'), 1, 16) AS channel) AS name";
    let channel: String = sqlx::query_scalar(channel).fetch_one(&mut admin).await.unwrap();
    ear.listen(&channel).await.unwrap();
    one.append(facts("quiet", 1, vec![steps(1)])).await.unwrap();
    one.append(facts("r", 1, vec![steps(1)])).await.unwrap();
    assert_eq!(ear.recv().await.unwrap().payload(), "r");
    let end = sqlx::query("SELECT pg_notify($1, 'end')").bind(&channel);
    end.execute(&mut admin).await.unwrap();
    assert_eq!(ear.recv().await.unwrap().payload(), "end");
    watching.abort();
}

#[tokio::test]
async fn stores_in_different_schemas_do_not_wake_each_other() {
    let Some(server) = postgres::server() else { return };
    let address = server.database();
    let one = Postgres::connect(&address).await.unwrap();
    let other = Postgres::options(&address).schema("other").connect().await.unwrap();
    let mut admin = PgConnection::connect(&address).await.unwrap();
    let _watched = (one.changed(Watched::Signals), other.changed(Watched::Signals));
    let listening = "SELECT count(*) FROM pg_stat_activity \
        WHERE datname = current_database() AND query ILIKE 'LISTEN%stepwright_signals_%'";
    while sqlx::query_scalar::<_, i64>(listening).fetch_one(&mut admin).await.unwrap() < 2 {}
    let channels = "SELECT count(DISTINCT substring(query FROM 'stepwright_signals_[0-9a-f]+')) \
        FROM pg_stat_activity WHERE datname = current_database() AND query ILIKE 'LISTEN%'";
    let channels: i64 = sqlx::query_scalar(channels).fetch_one(&mut admin).await.unwrap();
    assert_eq!(channels, 2);
}

#[tokio::test]
async fn changes_while_no_one_can_listen_are_seen() {
    let Some(server) = postgres::server() else { return };
    let address = server.database();
    let one = Postgres::connect(&address).await.unwrap();
    let other = Postgres::connect(&address).await.unwrap();
    one.append(facts("r", 0, vec![start()])).await.unwrap();
    for sequence in 1..=3 {
        // It may listen already, or be about to.
        let watched = other.changed(Watched::Facts(id("r")));
        let database = address.rsplit('/').next().unwrap();
        server.sql(
            "postgres",
            &format!(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = \
                 '{database}' AND application_name = 'stepwright'"
            ),
        );
        one.append(facts("r", sequence, vec![steps(1)])).await.unwrap();
        woken(watched).await;
        seen(&other, Watched::Facts(id("r")), async || {
            other.load(&id("r"), sequence, 9).await.unwrap().len() == 1
        })
        .await;
    }
}

/// As behind a pooler, where nothing that others say arrives: it is looked for often.
#[tokio::test]
async fn who_cannot_listen_looks() {
    let Some(server) = postgres::server() else { return };
    let address = server.database();
    let proxy = Proxy::start(server.port()).await;
    let through = proxy.through(&address, server.port());
    let one = Postgres::connect(&address).await.unwrap();
    one.append(facts("r", 0, vec![start()])).await.unwrap();
    let other = Postgres::connect(through).await.unwrap();
    other.inbox(&id("r")).await.unwrap();
    // The next request, which is the first of the ear, is kept on the wire for good.
    proxy.hold(Cut::Request(1));
    let watched = other.changed(Watched::Signals);
    proxy.caught().await;
    assert!(one.submit(answer("r", "a")).await.unwrap());
    woken(watched).await;
    woken(other.changed(Watched::Signals)).await;
    proxy.release();
}

/// A signal whose answer got lost is recognised.
#[tokio::test]
async fn a_signal_is_left_once_wherever_the_connection_is_cut() {
    let Some(server) = postgres::server() else { return };
    let address = server.database();
    let proxy = Proxy::start(server.port()).await;
    let through = proxy.through(&address, server.port());
    let store = Postgres::options(through).connections(1).connect().await.unwrap();
    store.append(facts("r", 0, vec![start()])).await.unwrap();
    for cut in [Cut::Request(1), Cut::Answer(1), Cut::Orphan(1)] {
        let name = format!("{cut:?}");
        // Prepares the statement on a new connection, so that it is one round trip.
        assert!(store.submit(answer("r", &format!("warm {name}"))).await.unwrap());
        proxy.cut(cut);
        assert!(store.submit(answer("r", &name)).await.unwrap(), "{name}");
        assert!(!proxy.disarm(), "{name} was not cut");
        assert!(!store.submit(answer("r", &name)).await.unwrap(), "{name}");
    }
    assert_eq!(store.inbox(&id("r")).await.unwrap().len(), 6);
}
