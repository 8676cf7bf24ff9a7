//! `stepwright run`.

use crate::args::Run;
use crate::definition_source::DefinitionSource;
use crate::dispatcher::DispatcherChoice;
use crate::exit::Exit;
use crate::program::Program;
use crate::ui::cancel::Cancel;
use crate::ui::debug;
use crate::ui::driving::Driving;
use crate::ui::followed::Followed;
use crate::ui::resume_command::ResumeCommand;
use crate::ui::terminal::Stderr;
use crate::{dispatcher, input, input_pairs, open, traces};
use std::io::IsTerminal as _;
use stepwright::file::Definition;
use stepwright::{Answer, Content, Error, ErrorId, ErrorKind, Media, Report, RunOutput};
use stepwright_term::Asker;
use tokio::runtime::Runtime;

/// Runs a workflow file.
pub(crate) fn run(arguments: &Run, program: &Program, stderr: Stderr) -> Exit {
    started(arguments, program, stderr).unwrap_or_else(|exit| exit)
}

fn started(arguments: &Run, program: &Program, stderr: Stderr) -> Result<Exit, Exit> {
    if arguments.shown.debug {
        debug::show(stderr.terminal);
    }
    let (address, file) = (arguments.dispatcher.as_ref(), &arguments.definition.file);
    let (kept, priority) = (&arguments.kept, arguments.priority);
    let chosen = dispatcher::choose_named(program, address, priority, kept, file);
    let (storage, chosen) = chosen.map_err(|error| {
        stderr.error(&error);
        Exit::of(&error)
    })?;
    check_session(arguments, storage.is_some(), stderr)?;
    // Without a database and a terminal, no answer can reach the run.
    let is_watched = !arguments.shown.json && std::io::stdin().is_terminal();
    let unattended = !is_watched && storage.is_none();
    let definition = open::definition(&arguments.definition, stderr, unattended)?;
    let given = input::read(arguments, definition.input_schema(), definition.media());
    let (content, media) = given.map_err(|error| {
        stderr.error(&error);
        Exit::of(&error)
    })?;
    let runtime = open::runtime(stderr)?;
    let content = complete(arguments, &definition, content, &runtime).map_err(|error| {
        stderr.error(&error);
        Exit::of(&error)
    })?;
    let (cancel, _signals) = Cancel::on_signals(stderr);
    let storage = open::storage(storage, stderr);
    let words = ResumeCommand {
        db: storage.as_ref().and_then(|storage| storage.said.clone()),
        file: None,
        allow_shell: arguments.definition.allow_shell,
        doors: arguments.definition.doors.clone(),
    };
    let mut driving = Driving::new(&arguments.shown, stderr, &cancel, storage, words);
    driving.is_new = true;
    let answer =
        runtime.block_on(drive(arguments, &definition, (content, media), chosen, &mut driving));
    let exit = driving.end(&answer, |stderr, error| explain(arguments, stderr, error));
    open::end(runtime, stderr);
    Ok(exit)
}

/// Asks the person at the terminal, if there is one, for what the input lacks.
fn complete(
    arguments: &Run,
    definition: &Definition,
    content: Content,
    runtime: &Runtime,
) -> Result<Content, Error> {
    let missing = input_pairs::missing(&content, definition.input_schema());
    let Some(missing) = missing.filter(|_| !arguments.shown.json) else { return Ok(content) };
    let Some(mut asker) = Asker::at_terminal()? else { return Ok(content) };
    let answers = runtime.block_on(asker.ask(&[missing]))?;
    match answers.into_iter().flatten().next() {
        Some((_, Answer::Submit { value })) => Ok(input_pairs::completed(&content, value)),
        _ => Ok(content),
    }
}

/// Checks that a session has a database.
fn check_session(arguments: &Run, is_stored: bool, stderr: Stderr) -> Result<(), Exit> {
    if arguments.kept.session_id.is_some() && !is_stored {
        let what =
            "`--session-id` needs a database: without one, the session ends with this command";
        let report = Report::new(ErrorId::DATABASE_UNSPECIFIED, what);
        stderr.report(&report.help("leave out `--no-db`, or pass `--db DB`"));
        return Err(Exit::Usage);
    }
    Ok(())
}

/// Runs the workflow, and shows its events.
async fn drive(
    arguments: &Run,
    definition: &Definition,
    (content, media): (Content, Vec<Media>),
    chosen: Option<DispatcherChoice>,
    driving: &mut Driving<'_>,
) -> Result<RunOutput, Error> {
    let is_dispatched = chosen.is_some();
    let workflow = match (driving.db(), chosen) {
        (Some(db), Some(chosen)) => {
            let opened = db.open().await?;
            let dispatcher = chosen.open(&opened).await?;
            dispatcher::beneath(&opened, Some(&dispatcher), open::builder(definition)?).build()?
        }
        (db, _) => open::workflow(definition, db).await?,
    };
    // Request all events, because the progress display needs them even if stdout does not.
    let run = workflow.run(content).media(media);
    let run = run.debug_mode(arguments.shown.debug).stream_events(true);
    let mut run = traces::continued(run);
    if let Some(session) = &arguments.kept.session_id {
        run = run.session_id(session);
    }
    if let Some(user) = &arguments.kept.user_id {
        run = run.user_id(user);
    }
    if let Some(id) = &arguments.run_id {
        run = run.run_id(id);
    }
    if let Some(timeout) = arguments.timeout {
        run = run.timeout(timeout);
    }
    if driving.db().is_some() {
        run = run.metadata(DefinitionSource::metadata(&arguments.definition));
    }
    let events = if is_dispatched {
        Followed::handed(run.background().await?).await?
    } else {
        run.stream().in_task().into()
    };
    driving.drive(&workflow, events).await
}

/// Reports an error and the next step.
fn explain(arguments: &Run, stderr: Stderr, error: &Error) {
    let report = error.to_report();
    stderr.report(&match error.kind() {
        ErrorKind::Usage if report.has_help() => report,
        ErrorKind::Usage
            if arguments.input.is_none()
                && arguments.input_file.is_none()
                && arguments.pairs.is_empty() =>
        {
            report.help("give the run an input: INPUT, `-i NAME=VALUE`, or `--input-file FILE`")
        }
        ErrorKind::NotFound if arguments.kept.session_id.is_some() => {
            report.help("choose another `--session-id`, or say whose it is with `--user-id`")
        }
        ErrorKind::Run if !report.has_help() && !arguments.shown.debug && is_of_agent(error) => {
            report.help("run it again with `--debug` to see every prompt and answer")
        }
        _ => report,
    });
}

/// Returns `true` if the failed step has prompts and answers to look at.
fn is_of_agent(error: &Error) -> bool {
    let runs = error.output().map(|output| output.step_executor_runs.as_slice());
    runs.unwrap_or_default().iter().any(|run| Some(&run.path) == error.step())
}
