//! The `stepwright` command. It runs and checks workflow files, chats with them, and manages stored
//! runs.
//!
//! Its output and its exit codes are described in `docs/command.md`.

mod answers;
mod args;
mod completion;
mod config;
mod database;
mod definition_source;
mod dispatcher;
mod dispatcher_address;
mod duration;
mod env_file;
mod exit;
mod folders;
mod input;
mod input_media;
mod input_pairs;
mod input_text;
mod open;
mod program;
mod run_reference;
mod traces;
mod ui;
mod verbs;

use args::{Arguments, Command};
use clap::FromArgMatches as _;
use clap_complete::Shell;
use config::Found;
use exit::Exit;
pub use program::Program;
use std::ffi::OsString;
use stepwright::Error;
use ui::print::Stdout;
use ui::terminal::Stderr;
use ui::usage;
use verbs::{
    attach, cancel, capabilities, chat, check, compare, docs, emit, events, explain, fix, fork,
    init, keeping, man, memories, resume, run, runs, schema, send, sessions, show, test, top,
    verify, worker, workers,
};

/// Carries out a command line of `stepwright`, which begins with the name of the program. Returns
/// the exit code.
pub fn command(given: &[OsString]) -> u8 {
    Program::new("stepwright").carry_out(given)
}

impl Program {
    /// Carries out a command line, which begins with the name of the program. Returns the exit
    /// code.
    pub fn carry_out(&self, given: &[OsString]) -> u8 {
        completion::answer(self.name(), || self.command(), given);
        stepwright_term::survive_size_limits();
        started(self, given).unwrap_or_else(|exit| exit).into()
    }

    fn parse(&self, given: &[OsString]) -> Result<Arguments, Exit> {
        let parsed = self.command().try_get_matches_from(given).and_then(|matches| {
            let arguments = Arguments::from_arg_matches(&matches);
            arguments.map_err(|error| error.format(&mut self.command()))
        });
        parsed.map_err(|error| usage::report(&error))
    }
}

fn started(program: &Program, given: &[OsString]) -> Result<Exit, Exit> {
    // A mistake on the command line is told before one in a file.
    let mut arguments = program.parse(given)?;
    let stderr = |arguments: &Arguments| {
        arguments.color.into_choice().write_global();
        Stderr::new()
    };
    let reported = |error: &Error, stderr: Stderr| {
        stderr.error(error);
        Exit::of(error)
    };
    let found = config::load().map_err(|error| reported(&error, stderr(&arguments)))?;
    if !found.settings.is_empty() {
        let with_settings = config::arguments(&program.command(), given, &found)
            .map_err(|error| reported(&error, stderr(&arguments)))?;
        arguments = program.parse(&with_settings)?;
    }
    let stderr = stderr(&arguments);
    env_file::apply(&arguments.env_file).map_err(|error| reported(&error, stderr))?;
    Ok(carry_out(program, &arguments.command, &found, stderr))
}

fn carry_out(program: &Program, command: &Command, found: &Found, stderr: Stderr) -> Exit {
    match command {
        Command::Run(wanted) => run::run(wanted, program, stderr),
        Command::Check(wanted) => check::check(wanted, stderr),
        Command::Chat(wanted) => chat::chat(wanted, stderr),
        #[cfg(feature = "mcp")]
        Command::Login(wanted) => verbs::login::login(wanted, stderr),
        #[cfg(feature = "mcp")]
        Command::Mcp(wanted) => verbs::mcp::mcp(wanted, stderr),
        #[cfg(feature = "serve")]
        Command::Serve(wanted) => verbs::serve::serve(wanted, program, stderr),
        #[cfg(feature = "serve")]
        Command::Keys(wanted) => verbs::serve::keys(wanted, stderr),
        #[cfg(feature = "serve")]
        Command::Schedules(wanted) => finish(stderr, verbs::schedules::schedules(wanted, stderr)),
        #[cfg(feature = "serve")]
        Command::Webhooks(wanted) => finish(stderr, verbs::webhooks::webhooks(wanted, stderr)),
        #[cfg(feature = "serve")]
        Command::Deliveries(wanted) => {
            finish(stderr, verbs::deliveries::deliveries(wanted, stderr))
        }
        Command::Worker(wanted) => worker::worker(wanted, program, stderr),
        Command::Workers(wanted) => finish(stderr, workers::workers(wanted, stderr)),
        Command::Runs(wanted) => finish(stderr, runs::runs(wanted, stderr)),
        Command::Show(wanted) => finish(stderr, show::show(wanted, stderr)),
        Command::Events(wanted) => finish(stderr, events::events(wanted, stderr)),
        Command::Resume(wanted) => resume::resume(wanted, stderr),
        Command::Rerun(wanted) => fork::rerun(wanted, stderr),
        Command::Fork(wanted) => fork::fork(wanted, stderr),
        Command::Upgrade(wanted) => fork::upgrade(wanted, stderr),
        Command::Test(wanted) => test::test(wanted, stderr),
        Command::Compare(wanted) => finish(stderr, compare::compare(wanted, stderr)),
        Command::Continue(wanted) => resume::continue_run(wanted, stderr),
        Command::Attach(wanted) => finish(stderr, attach::attach(wanted, stderr)),
        Command::Top(wanted) => finish(stderr, top::top(wanted, stderr)),
        Command::Verify(wanted) => finish(stderr, verify::verify(wanted, stderr)),
        Command::Send(wanted) => finish(stderr, send::send(wanted, stderr)),
        Command::Emit(wanted) => finish(stderr, emit::emit(wanted, stderr)),
        Command::Cancel(wanted) => finish(stderr, cancel::cancel_run(wanted, stderr)),
        Command::Prune(wanted) => finish(stderr, keeping::prune(wanted, stderr)),
        Command::Vacuum(wanted) => finish(stderr, keeping::vacuum(wanted, stderr)),
        Command::Export(wanted) => finish(stderr, keeping::export(wanted, stderr)),
        Command::Import(wanted) => finish(stderr, keeping::import(wanted, stderr)),
        Command::Erase(wanted) => finish(stderr, keeping::erase(wanted, stderr)),
        Command::Memories(wanted) => finish(stderr, memories::memories(wanted, stderr)),
        Command::Sessions(wanted) => finish(stderr, sessions::sessions(wanted, stderr)),
        #[cfg(feature = "knowledge")]
        Command::Knowledge(wanted) => verbs::knowledge::knowledge(wanted, stderr),
        Command::Explain(wanted) => explain::explain(wanted, stderr),
        Command::Docs(wanted) => docs::docs(wanted, stderr),
        Command::Config(wanted) => verbs::config::config(wanted, found, stderr),
        Command::Init(wanted) => init::init(wanted, stderr),
        Command::Fix(wanted) => fix::fix(wanted, stderr),
        Command::Schema(wanted) => schema::schema(wanted, stderr),
        Command::Skill(wanted) => init::skill(wanted, stderr),
        Command::Capabilities(wanted) => capabilities::capabilities(wanted, program, stderr),
        Command::Man(wanted) => man::man(wanted, program, stderr),
        Command::Completions { shell } => completions(program, *shell, stderr),
    }
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
fn completions(program: &Program, shell: Shell, stderr: Stderr) -> Exit {
    let mut stdout = Stdout::new();
    stdout.write(&completion::script(program.name(), &shell.to_string()));
    stdout.end(stderr, Exit::Completed)
}
