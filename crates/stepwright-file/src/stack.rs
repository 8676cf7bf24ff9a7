//! Room for what calls itself.

/// How much: a hundred thousand calls of the usual size.
const BYTES: usize = 64 * 1024 * 1024;

/// Does `work` on a thread with a large stack.
///
/// Parsers and evaluators call themselves for everything that is nested, CEL's many times over.
/// What is nested has its limits, but these do not fit the stack that a thread of a runtime has.
pub(crate) fn with_stack<T: Send>(work: impl Fn() -> T + Sync) -> T {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("workflow-file".into()).stack_size(BYTES);
        match thread.spawn_scoped(scope, &work) {
            Ok(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            // No thread to be had: most files need no room at all.
            Err(_) => work(),
        }
    })
}
