//! What is absent, and must stay so.

/// The interpreter names no runtime, no clock and no store: `Effects` is its only window.
#[test]
fn the_interpreter_has_one_window() {
    let source = include_str!("../../src/interpret.rs");
    for absent in ["tokio", "std::time", "Instant", "sleep", "Journal", "Store", "World", "spawn"] {
        assert!(!source.contains(absent), "the interpreter names `{absent}`");
    }
}
