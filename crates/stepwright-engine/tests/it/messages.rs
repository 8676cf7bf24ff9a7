//! The compiler's messages about beginners' mistakes: their first lines must say what to do.

use std::process::Command;

/// Half of the words are the compiler's own, and change with it: they are compared where it is the
/// version that the workspace asks for, and nowhere else.
///
/// After a change of ours: `TRYBUILD=overwrite cargo test -p stepwright-engine --test it messages`.
#[test]
fn the_compiler_says_what_to_do() {
    let version = Command::new("rustc").arg("--version").output().unwrap().stdout;
    let ours = concat!("rustc ", env!("CARGO_PKG_RUST_VERSION"), ".");
    if String::from_utf8_lossy(&version).starts_with(ours) {
        trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
    }
}
