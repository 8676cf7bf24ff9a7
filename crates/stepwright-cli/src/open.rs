//! Opens the workflow file or the database that the arguments name.

use crate::args::{self, In, OneRun, Storage};
use crate::database::Database;
use crate::exit::Exit;
use crate::traces;
use crate::ui::terminal::Stderr;
use stepwright::file::Definition;
use stepwright::models::UnknownModel;
use stepwright::{Error, ErrorId, ErrorKind, Memory, RunId, UserId, Workflow, WorkflowBuilder};
use stepwright_engine::Runs;
use tokio::runtime::Runtime;

/// The number of threads that steps share. More threads would only start after the first step has
/// ended, and blocking work has its own threads.
const THREADS: usize = 2;

/// Reads the file, or reports its mistakes.
/// With `unattended`, effects that need a person's permission are refused.
pub(crate) fn definition(
    arguments: &args::Definition,
    stderr: Stderr,
    unattended: bool,
) -> Result<Definition, Exit> {
    check_model(arguments.model.as_deref(), "--model").map_err(|error| {
        stderr.error(&error);
        Exit::Usage
    })?;
    let read = arguments.options().and_then(|mut options| {
        options.unattended = unattended;
        Definition::read(&arguments.file, &options)
    });
    let read = read.map_err(|mistakes| {
        stderr.mistakes(&mistakes);
        Exit::Usage
    })?;
    let Some(agent) = &arguments.agent else { return Ok(read) };
    read.agent(agent).ok_or_else(|| {
        let what = format!("`{}` has no agent `{agent}` any more", arguments.file.display());
        let error = Error::usage(what).with_id(ErrorId::WORKFLOW_FILE_GONE);
        stderr.error(&error.with_hint("name a file that has it: `--file FILE`"));
        Exit::Usage
    })
}

/// Reads files, each followed by its agents.
pub(crate) fn definitions(
    sources: impl IntoIterator<Item = args::Definition>,
    stderr: Stderr,
) -> Result<Vec<(args::Definition, Definition)>, Exit> {
    let mut all = Vec::new();
    for source in sources {
        let definition = definition(&source, stderr, false)?;
        all.push((source, definition));
    }
    let mut agents = Vec::new();
    for (source, definition) in &all {
        for name in definition.agents() {
            let Some(agent) = definition.agent(name) else { continue };
            let source = args::Definition { agent: Some(name.to_owned()), ..source.clone() };
            agents.push((source, agent));
        }
    }
    all.extend(agents);
    Ok(all)
}

/// Checks that a model exists. `option` is where the user wrote it.
pub(crate) fn check_model(model: Option<&str>, option: &str) -> Result<(), Error> {
    let Some(Err(unknown)) = model.map(stepwright::models::model) else { return Ok(()) };
    let error = Error::usage(format!("`{option}`: {unknown}")).with_id(unknown.id());
    Err(match hint(&unknown) {
        Some(hint) => error.with_hint(hint),
        None => error,
    })
}

/// Returns advice for a caller of the command.
fn hint(unknown: &UnknownModel) -> Option<String> {
    let listed = |words: &[&str]| {
        let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
        words.join(", ")
    };
    match unknown {
        UnknownModel::Provider { suggestion: None, known, .. } => {
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            let known = listed(&known);
            Some(format!("a model is named `provider:model`, and the providers are {known}"))
        }
        UnknownModel::NoKey { variables, .. } => Some(format!(
            "set the environment variable {}, or read it from a file with `--env-file FILE`; \
             `--model offline` needs no key",
            listed(variables)
        )),
        other => other.hint(),
    }
}

/// Creates the runtime for steps. The main thread is separate, because it writes output and its
/// reader may be slow.
pub(crate) fn runtime(stderr: Stderr) -> Result<Runtime, Exit> {
    let threads =
        tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_all().build();
    threads.map_err(|error| {
        let what = "the threads for the run cannot be started";
        let failed = Error::new(ErrorKind::Run, what).with_id(ErrorId::THREADS_UNAVAILABLE);
        stderr.error(&failed.with_source(error));
        Exit::Failed
    })
}

/// Builds the workflow, with its database if there is one. Without one, the run is kept in memory
/// until this command ends, so that its questions can be asked.
pub(crate) async fn workflow(
    definition: &Definition,
    db: Option<&Database>,
) -> Result<Workflow, Error> {
    let builder = builder(definition)?;
    match db {
        Some(db) => db.open().await?.beneath(builder).build(),
        None => builder.store(Memory::default()).build(),
    }
}

/// Returns the builder of a workflow, whose runs are traced if the environment asks for that. Must
/// be called on the runtime of the runs.
pub(crate) fn builder(definition: &Definition) -> Result<WorkflowBuilder, Error> {
    traces::observed(definition.builder()?)
}

/// Ends the runtime: sends the rest of the traces, and does not wait for blocking work of runs that
/// have ended, such as a download.
pub(crate) fn end(runtime: Runtime, stderr: Stderr) {
    runtime.block_on(traces::finish(stderr));
    runtime.shutdown_background();
}

/// Makes the folder of a database that the user did not name. Returns the database to use: none if
/// the folder cannot be made, as in a container without a home, with a note that says so.
pub(crate) fn storage(storage: Option<Storage>, stderr: Stderr) -> Option<Storage> {
    let storage = storage?;
    if !storage.is_named
        && let Err(error) = storage.db.make_folder()
    {
        let db = &storage.db;
        stderr
            .note(&format!("the run is not stored: the folder of `{db}` cannot be made: {error}"));
        return None;
    }
    Some(storage)
}

/// Opens a database to read, restricted to `user` if there is one.
pub(crate) async fn runs(kept: &In, user: Option<&UserId>) -> Result<Runs, Error> {
    kept.database()?.open_to_read().await?.runs(user)
}

/// Opens a database to change, restricted to `user` if there is one.
pub(crate) async fn runs_to_change(kept: &In, user: Option<&UserId>) -> Result<Runs, Error> {
    kept.database()?.open_existing().await?.runs(user)
}

/// Opens the database of a run, and finds the run.
pub(crate) async fn runs_with(wanted: &OneRun) -> Result<(Runs, RunId), Error> {
    let runs = runs(&wanted.kept, wanted.user.as_ref()).await?;
    let run = wanted.find(&runs).await?;
    Ok((runs, run))
}
