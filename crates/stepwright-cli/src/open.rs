//! Opens the workflow file or the database that the arguments name.

use crate::args::{self, In, OneRun};
use crate::database::Database;
use crate::exit::Exit;
use crate::ui::terminal::Stderr;
use stepwright::file::Definition;
use stepwright::{Error, ErrorId, ErrorKind, UserId, Workflow};
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
    if let Some(model) = &arguments.model
        && let Err(unknown) = stepwright::models::model(model)
    {
        let error = Error::usage(format!("`--model`: {unknown}")).with_id(unknown.id());
        stderr.error(&match unknown.hint() {
            Some(hint) => error.with_hint(hint),
            None => error,
        });
        return Err(Exit::Usage);
    }
    let read = arguments.options().and_then(|mut options| {
        options.unattended = unattended;
        Definition::read(&arguments.file, &options)
    });
    read.map_err(|mistakes| {
        stderr.mistakes(&mistakes);
        Exit::Usage
    })
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

/// Builds the workflow, with its database if there is one.
pub(crate) async fn workflow(
    definition: &Definition,
    db: Option<&Database>,
) -> Result<Workflow, Error> {
    let builder = definition.builder()?;
    match db {
        Some(db) => db.open().await?.beneath(builder).build(),
        None => builder.build(),
    }
}

/// Opens a database to read, restricted to `user` if there is one.
pub(crate) async fn runs(kept: &In, user: Option<&UserId>) -> Result<Runs, Error> {
    kept.database()?.open_existing().await?.runs(user)
}

/// Opens the database of a run.
pub(crate) async fn runs_with(wanted: &OneRun) -> Result<Runs, Error> {
    runs(&wanted.kept, wanted.user.as_ref()).await
}
