//! The store in PostgreSQL is a store.

use std::sync::atomic::{AtomicU32, Ordering};
use stepwright_store::{Durability, Postgres};
use stepwright_testing::{conformance, postgres};

#[tokio::test]
async fn postgres_is_a_store() {
    let Some(server) = postgres::server() else { return };
    let (address, opened) = (server.database(), AtomicU32::new(0));
    conformance::store(|| async {
        let schema = format!("case {}", opened.fetch_add(1, Ordering::Relaxed));
        Postgres::options(&address).schema(schema).connect().await.unwrap()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_is_a_store_over_a_socket_with_one_connection_and_normal_durability() {
    let Some(server) = postgres::server() else { return };
    server.database();
    server.sql("postgres", "CREATE DATABASE \"by socket\"");
    let (address, opened) = (server.socket_address("by%20socket"), AtomicU32::new(0));
    conformance::store(|| async {
        let schema = format!("\"{}\"", opened.fetch_add(1, Ordering::Relaxed));
        let options = Postgres::options(&address).schema(schema).connections(1);
        options.durability(Durability::Normal).connect().await.unwrap()
    })
    .await;
}
