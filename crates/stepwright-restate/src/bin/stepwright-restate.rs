//! The command `stepwright-restate`.

use std::process::ExitCode;

fn main() -> ExitCode {
    let given: Vec<_> = std::env::args_os().collect();
    ExitCode::from(stepwright_restate::command(&given))
}
