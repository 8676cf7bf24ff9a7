//! A file that is run or talked to: read, checked, and with a database beneath.

use crate::args;
use crate::database::Database;
use crate::exit::Exit;
use crate::ui::terminal::Stderr;
use stepwright::file::Definition;
use stepwright::{Error, ErrorKind, Workflow};
use tokio::runtime::Runtime;

/// How many threads steps share. More would start later than the first step ends; blocking work has
/// threads of its own.
const THREADS: usize = 2;

/// The file without mistakes; or what is wrong has been said.
pub(crate) fn definition(arguments: &args::Definition, stderr: Stderr) -> Result<Definition, Exit> {
    if let Some(model) = &arguments.model
        && let Err(unknown) = stepwright::models::model(model)
    {
        let error = Error::usage(format!("`--model`: {unknown}"));
        stderr.error(&match unknown.hint() {
            Some(hint) => error.with_hint(hint),
            None => error,
        });
        return Err(Exit::Usage);
    }
    Definition::read(&arguments.file, &arguments.options()).map_err(|mistakes| {
        stderr.mistakes(&mistakes);
        Exit::Usage
    })
}

/// Where steps run. One thread more than they need: the first one writes, and whoever reads may be
/// slow.
pub(crate) fn runtime(stderr: Stderr) -> Result<Runtime, Exit> {
    let threads =
        tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_all().build();
    threads.map_err(|error| {
        let what = "the threads for the run cannot be started";
        stderr.error(&Error::new(ErrorKind::Run, what).with_source(error));
        Exit::Failed
    })
}

/// The workflow, which keeps what it does where somebody wants it.
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
