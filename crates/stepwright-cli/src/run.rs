//! `stepwright run`.

use crate::args::Run;
use crate::cancel::Cancel;
use crate::exit::Exit;
use crate::print::{Form, Printer, Stdout};
use crate::progress::Progress;
use crate::speech::Speech;
use crate::summary::{kept, summary};
use crate::terminal::{Terminal, write};
use crate::{debug, input};
use futures_util::StreamExt as _;
use std::time::Duration;
use stepwright::file::Definition;
use stepwright::{Content, Error, ErrorKind, RunOutput, Sqlite};

/// How often lines that move are drawn.
const TICK: Duration = Duration::from_millis(100);

/// How many threads steps share. More would start later than the first step ends; blocking work has
/// threads of its own.
const THREADS: usize = 2;

/// Runs a file.
pub(crate) fn run(arguments: &Run, terminal: Terminal) -> Exit {
    if arguments.debug {
        debug::show(terminal);
    }
    let definition = match definition(arguments, terminal) {
        Ok(definition) => definition,
        Err(exit) => return exit,
    };
    let content = match input::read(arguments, definition.input_schema()) {
        Ok(content) => content,
        Err(error) => {
            terminal.error(&error);
            return Exit::of(&error);
        }
    };
    // One thread more than steps need: this one writes, and whoever reads may be slow.
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            let what = "the threads for the run cannot be started";
            terminal.error(&Error::new(ErrorKind::Run, what).with_source(error));
            return Exit::Failed;
        }
    };
    let cancel = Cancel::on_signals();
    let exit = runtime.block_on(drive(arguments, &definition, content, &cancel, terminal));
    // Work that blocks its thread, a download for one, is not waited for when its run has ended.
    runtime.shutdown_background();
    exit
}

/// The file without mistakes; or what is wrong has been said.
fn definition(arguments: &Run, terminal: Terminal) -> Result<Definition, Exit> {
    if arguments.session_id.is_some() && arguments.db.is_none() {
        terminal.usage_error(
            "`--session-id` needs a database: without one, the session ends with this command",
            "add `--db PATH`; the file is made if there is none",
        );
        return Err(Exit::Usage);
    }
    if let Some(model) = &arguments.definition.model
        && let Err(unknown) = stepwright::models::model(model)
    {
        let error = Error::usage(format!("`--model`: {unknown}"));
        terminal.error(&match unknown.hint() {
            Some(hint) => error.with_hint(hint),
            None => error,
        });
        return Err(Exit::Usage);
    }
    let read = Definition::read(&arguments.definition.file, &arguments.definition.options());
    read.map_err(|mistakes| {
        terminal.mistakes(&mistakes);
        Exit::Usage
    })
}

async fn drive(
    arguments: &Run,
    definition: &Definition,
    content: Content,
    cancel: &Cancel,
    terminal: Terminal,
) -> Exit {
    let form = if arguments.json {
        Form::Json { all: arguments.events }
    } else if arguments.stream {
        Form::Stream(Speech::default())
    } else {
        Form::Output
    };
    let mut printer = Printer { form, stdout: Stdout::default() };
    let mut progress = Progress::new(terminal, arguments);
    let answer = follow(arguments, definition, content, cancel, &mut printer, &mut progress).await;

    progress.clear();
    let output = answer.as_ref().ok().or_else(|| answer.as_ref().err().and_then(Error::output));
    let last = printer.last_text(answer.as_ref().ok());
    if !last.is_empty() {
        if progress.is_beside_output() && matches!(printer.form, Form::Output) {
            write("");
        }
        printer.stdout.write(progress.before_text(&last));
    }
    if let Some(output) = output {
        conclude(arguments, terminal, &progress, output);
    }
    let exit = match &answer {
        Ok(_) => Exit::Completed,
        Err(error) => {
            // Whoever watches has read it in the last line.
            if !(error.kind() == ErrorKind::Cancelled && progress.is_watched()) {
                explain(arguments, terminal, error);
            }
            Exit::of(error)
        }
    };
    printer.stdout.end(terminal, exit)
}

/// Runs the workflow, and shows and writes what happens.
async fn follow(
    arguments: &Run,
    definition: &Definition,
    content: Content,
    cancel: &Cancel,
    printer: &mut Printer,
    progress: &mut Progress,
) -> Result<RunOutput, Error> {
    let mut builder = definition.builder()?;
    if let Some(db) = &arguments.db {
        builder = builder.store(Sqlite::open(db).await?);
    }
    let workflow = builder.build()?;
    // All of them, whatever is written: progress is made of them.
    let mut run = workflow.run(content).debug_mode(arguments.debug).stream_events(true);
    if let Some(session) = &arguments.session_id {
        run = run.session_id(session);
    }
    if let Some(user) = &arguments.user_id {
        run = run.user_id(user);
    }
    if let Some(timeout) = arguments.timeout {
        run = run.timeout(timeout);
    }
    let mut events = run.stream();
    let mut begun = false;
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            event = events.next() => {
                let Some(event) = event else { break };
                if !begun {
                    cancel.begun(&workflow, &event.run);
                    begun = true;
                }
                if let Some(text) = printer.text_of(&event) {
                    printer.stdout.write(progress.before_text(&text));
                }
                progress.event(&event);
            }
            _ = tick.tick(), if progress.is_watched() => progress.tick(),
            () = cancel.requested() => {
                progress.note("cancelling; press Ctrl-C again to stop at once");
            }
        }
    }
    let answer = events.output().await;
    cancel.ended();
    answer
}

/// The last line, for those who watch or have to find the run again.
fn conclude(arguments: &Run, terminal: Terminal, progress: &Progress, output: &RunOutput) {
    if progress.is_watched() {
        if progress.is_beside_output() && output.status == stepwright::RunStatus::Completed {
            write("");
        }
        write(&summary(terminal, output, arguments.db.as_deref()));
    } else if arguments.db.is_some() {
        write(&kept(output));
    }
}

/// What went wrong, and what to do next.
fn explain(arguments: &Run, terminal: Terminal, error: &Error) {
    terminal.error(error);
    match error.kind() {
        ErrorKind::Usage if arguments.input.is_none() && arguments.input_file.is_none() => {
            terminal.hint("give the run an input: INPUT, or `--input-file FILE`");
        }
        ErrorKind::NotFound if arguments.session_id.is_some() => {
            terminal.hint("choose another `--session-id`, or say whose it is with `--user-id`");
        }
        ErrorKind::Run if error.hint().is_none() && !arguments.debug && is_of_agent(error) => {
            terminal.hint("run it again with `--debug` to see every prompt and answer");
        }
        _ => {}
    }
}

/// Whether there are prompts and answers to look at.
fn is_of_agent(error: &Error) -> bool {
    let runs = error.output().map(|output| output.step_executor_runs.as_slice());
    runs.unwrap_or_default().iter().any(|run| Some(&run.path) == error.step())
}
