//! The `stepwright` command: runs workflow files, and checks them.
//!
//! What it prints, and what its exit codes mean, is described in `docs/command.md`.

mod args;
mod check;
mod run;

mod cancel;
mod debug;
mod duration;
mod exit;
mod input;
mod lines;
mod live;
mod print;
mod progress;
mod speech;
mod summary;
mod terminal;

use args::{Arguments, Command};
use clap::Parser as _;
use std::process::ExitCode;
use terminal::Terminal;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    arguments.color.into_choice().write_global();
    let terminal = Terminal::of_stderr();
    let exit = match &arguments.command {
        Command::Run(run) => run::run(run, terminal),
        Command::Check(check) => check::check(check, terminal),
    };
    exit.into()
}
