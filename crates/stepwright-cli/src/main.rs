//! The `stepwright` command. It runs and checks workflow files, chats with them, and manages stored
//! runs.
//!
//! Its output and its exit codes are described in `docs/command.md`.

mod answers;
mod args;
mod database;
mod definition_source;
mod duration;
mod exit;
mod input;
mod open;
mod ui;
mod verbs;

use args::{Arguments, Command};
use clap::{CommandFactory as _, Parser as _};
use clap_complete::Shell;
use exit::Exit;
use std::process::ExitCode;
use stepwright::Error;
use ui::print::Stdout;
use ui::terminal::Stderr;
use ui::usage;
use verbs::{
    cancel, chat, check, compare, events, explain, fork, resume, run, runs, sessions, show, verify,
};

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return usage::report(&error).into(),
    };
    arguments.color.into_choice().write_global();
    let stderr = Stderr::new();
    let exit = match &arguments.command {
        Command::Run(wanted) => run::run(wanted, stderr),
        Command::Check(wanted) => check::check(wanted, stderr),
        Command::Chat(wanted) => chat::chat(wanted, stderr),
        Command::Runs(wanted) => finish(stderr, runs::runs(wanted, stderr)),
        Command::Show(wanted) => finish(stderr, show::show(wanted, stderr)),
        Command::Events(wanted) => finish(stderr, events::events(wanted, stderr)),
        Command::Resume(wanted) => resume::resume(wanted, stderr),
        Command::Rerun(wanted) => fork::rerun(wanted, stderr),
        Command::Fork(wanted) => fork::fork(wanted, stderr),
        Command::Upgrade(wanted) => fork::upgrade(wanted, stderr),
        Command::Compare(wanted) => finish(stderr, compare::compare(wanted, stderr)),
        Command::Continue(wanted) => resume::continue_run(wanted, stderr),
        Command::Verify(wanted) => finish(stderr, verify::verify(wanted, stderr)),
        Command::Cancel(wanted) => finish(stderr, cancel::cancel_run(wanted, stderr)),
        Command::Sessions(wanted) => finish(stderr, sessions::sessions(wanted, stderr)),
        Command::Explain(wanted) => explain::explain(wanted, stderr),
        Command::Completions { shell } => completions(*shell, stderr),
    };
    exit.into()
}

/// Runs a verb that drives no run.
fn finish(stderr: Stderr, work: impl Future<Output = Result<Exit, Error>>) -> Exit {
    let runtime = match open::runtime(stderr) {
        Ok(runtime) => runtime,
        Err(exit) => return exit,
    };
    runtime.block_on(work).unwrap_or_else(|error| {
        stderr.error(&error);
        Exit::of(&error)
    })
}

/// Writes the completion script of a shell.
fn completions(shell: Shell, stderr: Stderr) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "stepwright", &mut script);
    let mut stdout = Stdout::new();
    stdout.write(&String::from_utf8_lossy(&script));
    stdout.end(stderr, Exit::Completed)
}
