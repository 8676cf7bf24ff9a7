//! The `stepwright` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    let given: Vec<_> = std::env::args_os().collect();
    ExitCode::from(stepwright_cli::command(&given))
}
