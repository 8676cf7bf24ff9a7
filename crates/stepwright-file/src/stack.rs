//! A large stack for recursive code.

/// The size of the stack: enough for a hundred thousand calls of the usual size.
const BYTES: usize = 64 * 1024 * 1024;

/// Runs `work` on a thread with a large stack.
///
/// Parsers and evaluators are recursive, CEL's with many calls for each level. The depth is
/// limited, but the limits exceed the stack of a runtime's thread.
pub(crate) fn with_stack<T: Send>(work: impl Fn() -> T + Sync) -> T {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("workflow-file".into()).stack_size(BYTES);
        match thread.spawn_scoped(scope, &work) {
            Ok(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            // Without a thread, try this one, because most files need no large stack.
            Err(_) => work(),
        }
    })
}
