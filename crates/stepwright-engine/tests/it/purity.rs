//! Names that are absent from the interpreter, and must stay so.

/// The interpreter names no runtime, no clock and no store: `Effects` is its only window.
#[test]
fn the_interpreter_has_one_window() {
    let sources = [
        include_str!("../../src/interpret/mod.rs"),
        include_str!("../../src/interpret/containers.rs"),
        include_str!("../../src/interpret/fan.rs"),
        include_str!("../../src/interpret/flow.rs"),
    ];
    for absent in ["tokio", "std::time", "Instant", "sleep", "Journal", "Store", "World", "spawn"] {
        for source in sources {
            assert!(!source.contains(absent), "the interpreter names `{absent}`");
        }
    }
}
