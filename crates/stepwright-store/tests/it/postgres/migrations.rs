//! The tables are made once, by the first process.

use crate::support::{facts, start};
use futures_util::future::try_join_all;
use stepwright_core::store::RunFilter;
use stepwright_core::store::RunStore as _;
use stepwright_store::Postgres;
use stepwright_testing::postgres;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn several_may_connect_to_an_empty_database_at_once() {
    let Some(server) = postgres::server() else { return };
    for _ in 0..3 {
        let address = server.database();
        let connected = (0..8).map(|_| tokio::spawn(Postgres::connect(address.clone())));
        let connected: Vec<_> = try_join_all(connected).await.unwrap();
        let stores: Vec<_> = connected.into_iter().collect::<Result<_, _>>().unwrap();
        try_join_all(
            stores
                .iter()
                .enumerate()
                .map(|(n, store)| store.append(facts(&format!("r{n}"), 0, vec![start()]))),
        )
        .await
        .unwrap();
        assert_eq!(stores[0].runs(RunFilter::default()).await.unwrap().len(), 8);
        let database = address.rsplit('/').next().unwrap();
        let versions = "SELECT version FROM stepwright.stepwright_migrations ORDER BY version";
        assert_eq!(server.sql(database, versions), "1\n2\n3\n4\n5\n6\n7\n8\n9\n");
    }
}

#[tokio::test]
async fn stores_in_different_schemas_know_nothing_of_each_other() {
    let Some(server) = postgres::server() else { return };
    let address = server.database();
    let one = Postgres::connect(&address).await.unwrap();
    let other = Postgres::options(&address).schema("other").connect().await.unwrap();
    for store in [&one, &other] {
        store.append(facts("r", 0, vec![start()])).await.unwrap();
        assert_eq!(store.runs(RunFilter::default()).await.unwrap().len(), 1);
    }
}

/// Tables of another program beside ours are left alone.
#[tokio::test]
async fn a_schema_that_is_shared_with_other_tables_will_do() {
    let Some(server) = postgres::server() else { return };
    let address = server.database();
    let database = address.rsplit('/').next().unwrap();
    server.sql(database, "CREATE TABLE public.customers (id int)");
    let store = Postgres::options(&address).schema("public").connect().await.unwrap();
    store.append(facts("r", 0, vec![start()])).await.unwrap();
    assert_eq!(server.sql(database, "SELECT run_id FROM public.runs"), "r\n");
}

/// Sorting and comparing must not depend on the language of the database.
#[tokio::test]
async fn all_text_is_compared_byte_by_byte() {
    let Some(server) = postgres::server() else { return };
    let address = server.database();
    Postgres::connect(&address).await.unwrap();
    let other = "SELECT table_name, column_name FROM information_schema.columns \
        WHERE table_schema = 'stepwright' AND data_type = 'text' \
        AND collation_name IS DISTINCT FROM 'C'";
    assert_eq!(server.sql(address.rsplit('/').next().unwrap(), other), "");
}
