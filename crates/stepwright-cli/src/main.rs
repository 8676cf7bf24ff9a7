//! The `stepwright` command: runs workflow files, talks to them, and checks them.
//!
//! What it prints, and what its exit codes mean, is described in `docs/command.md`.

mod args;
mod chat;
mod check;
mod run;

mod cancel;
mod database;
mod debug;
mod duration;
mod exit;
mod input;
mod open;
mod print;
mod progress;
mod summary;
mod terminal;

use args::{Arguments, Command};
use clap::Parser as _;
use std::process::ExitCode;
use terminal::Stderr;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    arguments.color.into_choice().write_global();
    let stderr = Stderr::new();
    let exit = match &arguments.command {
        Command::Run(run) => run::run(run, stderr),
        Command::Check(check) => check::check(check, stderr),
        Command::Chat(chat) => chat::chat(chat, stderr),
    };
    exit.into()
}
