//! The store in memory is a store.

use stepwright_core::Memory;
use stepwright_testing::conformance;

#[tokio::test]
async fn memory_is_a_store() {
    conformance::store(|| async { Memory::default() }).await;
}
