//! `stepwright run`.

use crate::args::Run;
use crate::cancel::Cancel;
use crate::exit::Exit;
use crate::print::{Form, Printer, Stdout};
use crate::progress::{Progress, has_panels};
use crate::summary::{kept, summary};
use crate::terminal::{Stderr, write};
use crate::{debug, input, open};
use futures_util::StreamExt as _;
use stepwright::file::Definition;
use stepwright::term::Speech;
use stepwright::{Content, Error, ErrorKind, RunOutput};

/// Runs a file.
pub(crate) fn run(arguments: &Run, stderr: Stderr) -> Exit {
    started(arguments, stderr).unwrap_or_else(|exit| exit)
}

fn started(arguments: &Run, stderr: Stderr) -> Result<Exit, Exit> {
    if arguments.debug {
        debug::show(stderr.terminal);
    }
    check_session(arguments, stderr)?;
    let definition = open::definition(&arguments.definition, stderr)?;
    let content = input::read(arguments, definition.input_schema()).map_err(|error| {
        stderr.error(&error);
        Exit::of(&error)
    })?;
    let runtime = open::runtime(stderr)?;
    let (cancel, _signals) = Cancel::on_signals();
    let exit = runtime.block_on(drive(arguments, &definition, content, &cancel, stderr));
    // Work that blocks its thread, a download for one, is not waited for when its run has ended.
    runtime.shutdown_background();
    Ok(exit)
}

/// A session needs something that remembers it.
fn check_session(arguments: &Run, stderr: Stderr) -> Result<(), Exit> {
    if arguments.kept.session_id.is_some() && arguments.kept.db.is_none() {
        stderr.usage_error(
            "`--session-id` needs a database: without one, the session ends with this command",
            "add `--db DB`; a file is made if there is none",
        );
        return Err(Exit::Usage);
    }
    Ok(())
}

async fn drive(
    arguments: &Run,
    definition: &Definition,
    content: Content,
    cancel: &Cancel,
    stderr: Stderr,
) -> Exit {
    let form = if arguments.json {
        Form::Json { all: arguments.events }
    } else if has_panels(stderr, arguments) {
        Form::Shown
    } else if arguments.stream {
        Form::Stream(Speech::default())
    } else {
        Form::Output { markdown: !arguments.no_markdown }
    };
    let mut printer = Printer { form, stdout: Stdout::new() };
    let mut progress = Progress::new(stderr, arguments);
    let answer = follow(arguments, definition, content, cancel, &mut printer, &mut progress).await;

    progress.clear();
    let output = answer.as_ref().ok().or_else(|| answer.as_ref().err().and_then(Error::output));
    let last = printer.last_text(answer.as_ref().ok());
    if !last.is_empty() {
        if progress.is_beside_output() && matches!(printer.form, Form::Output { .. }) {
            write("");
        }
        printer.stdout.write(progress.before_text(&last));
    }
    if let Some(output) = output {
        conclude(arguments, stderr, &progress, output);
    }
    let exit = match &answer {
        Ok(_) => Exit::Completed,
        Err(error) => {
            // Whoever watches has read it in the last line.
            if !(error.kind() == ErrorKind::Cancelled && progress.is_watched()) {
                explain(arguments, stderr, error);
            }
            Exit::of(error)
        }
    };
    printer.stdout.end(stderr, exit)
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
    let workflow = open::workflow(definition, &arguments.kept).await?;
    // All of them, whatever is written: progress is made of them.
    let mut run = workflow.run(content).debug_mode(arguments.debug).stream_events(true);
    if let Some(session) = &arguments.kept.session_id {
        run = run.session_id(session);
    }
    if let Some(user) = &arguments.kept.user_id {
        run = run.user_id(user);
    }
    if let Some(timeout) = arguments.timeout {
        run = run.timeout(timeout);
    }
    let mut events = run.stream();
    let mut begun = false;
    let mut ticks = progress.ticks();
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
            () = ticks.next() => progress.tick(),
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
fn conclude(arguments: &Run, stderr: Stderr, progress: &Progress, output: &RunOutput) {
    if progress.is_watched() {
        if progress.is_beside_output() && output.status == stepwright::RunStatus::Completed {
            write("");
        }
        write(&summary(stderr, output, arguments.kept.db.as_ref()));
    } else if arguments.kept.db.is_some() {
        write(&kept(output));
    }
}

/// What went wrong, and what to do next.
fn explain(arguments: &Run, stderr: Stderr, error: &Error) {
    stderr.error(error);
    match error.kind() {
        ErrorKind::Usage if arguments.input.is_none() && arguments.input_file.is_none() => {
            stderr.hint("give the run an input: INPUT, or `--input-file FILE`");
        }
        ErrorKind::NotFound if arguments.kept.session_id.is_some() => {
            stderr.hint("choose another `--session-id`, or say whose it is with `--user-id`");
        }
        ErrorKind::Run if error.hint().is_none() && !arguments.debug && is_of_agent(error) => {
            stderr.hint("run it again with `--debug` to see every prompt and answer");
        }
        _ => {}
    }
}

/// Whether there are prompts and answers to look at.
fn is_of_agent(error: &Error) -> bool {
    let runs = error.output().map(|output| output.step_executor_runs.as_slice());
    runs.unwrap_or_default().iter().any(|run| Some(&run.path) == error.step())
}
