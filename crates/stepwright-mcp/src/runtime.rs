//! The runtime of connections to servers, which outlives the runtimes of the runs that use them.

use std::sync::OnceLock;
use tokio::runtime::{Builder, Runtime};

/// Returns the runtime. It has one thread, which is started with the first server.
pub(crate) fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("stepwright-mcp")
            .enable_all()
            .build()
            .expect("a thread can be started")
    })
}
