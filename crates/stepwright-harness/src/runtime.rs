//! The runtime of the processes of coding agents. A process outlives the execution of its step
//! while its run is paused with a question.

use std::sync::OnceLock;
use tokio::runtime::{Builder, Runtime};

/// Returns the runtime. It has one thread, which is started with the first agent.
pub(crate) fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("stepwright-harness")
            .enable_all()
            .build()
            .expect("a thread can be started")
    })
}
