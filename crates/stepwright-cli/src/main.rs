//! The `stepwright` command: runs workflow files, talks to them and checks them, and looks after
//! the runs that are kept.
//!
//! What it prints, and what its exit codes mean, is described in `docs/command.md`.

mod args;
mod cancel_run;
mod chat;
mod check;
mod events;
mod resume;
mod run;
mod runs;
mod sessions;
mod show;

mod answers;
mod cancel;
mod database;
mod debug;
mod drive;
mod duration;
mod exit;
mod input;
mod look;
mod open;
mod origin;
mod print;
mod progress;
mod summary;
mod table;
mod terminal;
mod words;

use args::{Arguments, Command};
use clap::{CommandFactory as _, Parser as _};
use clap_complete::Shell;
use exit::Exit;
use std::process::ExitCode;
use stepwright::Error;
use terminal::Stderr;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    arguments.color.into_choice().write_global();
    let stderr = Stderr::new();
    let exit = match &arguments.command {
        Command::Run(run) => run::run(run, stderr),
        Command::Check(check) => check::check(check, stderr),
        Command::Chat(chat) => chat::chat(chat, stderr),
        Command::Runs(runs) => looking(stderr, runs::runs(runs, stderr)),
        Command::Show(show) => looking(stderr, show::show(show, stderr)),
        Command::Events(events) => looking(stderr, events::events(events, stderr)),
        Command::Resume(resume) => resume::resume(resume, stderr),
        Command::Continue(answers) => resume::continue_run(answers, stderr),
        Command::Cancel(cancel) => looking(stderr, cancel_run::cancel_run(cancel, stderr)),
        Command::Sessions(sessions) => looking(stderr, sessions::sessions(sessions, stderr)),
        Command::Completions { shell } => completions(*shell, stderr),
    };
    exit.into()
}

/// Does what runs nothing.
fn looking(stderr: Stderr, work: impl Future<Output = Result<Exit, Error>>) -> Exit {
    let runtime = match open::runtime(stderr) {
        Ok(runtime) => runtime,
        Err(exit) => return exit,
    };
    runtime.block_on(work).unwrap_or_else(|error| {
        stderr.error(&error);
        Exit::of(&error)
    })
}

/// Writes what a shell needs to complete command lines.
fn completions(shell: Shell, stderr: Stderr) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "stepwright", &mut script);
    let mut stdout = print::Stdout::new();
    stdout.write(&String::from_utf8_lossy(&script));
    stdout.end(stderr, Exit::Completed)
}
