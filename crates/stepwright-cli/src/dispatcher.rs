//! The dispatcher that `--dispatcher` names: the database of the runs, whose workers share them.

use crate::args::{Kept, Storage};
use crate::database::{Database, Opened};
use std::path::Path;
use std::sync::Arc;
use stepwright::dispatch::Dispatcher;
use stepwright::{Error, WorkflowBuilder};

/// Returns the database that stores the runs: that of the dispatcher, if there is one.
///
/// # Errors
/// If `--db` names another one.
pub(crate) fn storage(
    dispatcher: Option<&Database>,
    kept: &Kept,
    file: &Path,
) -> Result<Option<Storage>, Error> {
    let Some(dispatcher) = dispatcher else { return kept.storage(file) };
    if let Some(db) = kept.said().filter(|db| *db != dispatcher) {
        let what = format!(
            "`--db` is `{db}` and `--dispatcher` is `{dispatcher}`, and a dispatcher is the \
             database that stores the runs"
        );
        return Err(Error::usage(what).with_hint("leave out `--db`"));
    }
    let db = dispatcher.clone();
    Ok(Some(Storage { said: Some(db.clone()), db, is_named: true }))
}

/// Opens the queue of a database. Runs that this process submits have this priority.
///
/// # Errors
/// If the database cannot be reached, or refuses the tables of the queue.
#[cfg(feature = "postgres")]
pub(crate) async fn open(opened: &Opened, priority: i16) -> Result<Arc<dyn Dispatcher>, Error> {
    use stepwright::dispatch::PostgresDispatcher;
    match opened {
        Opened::Server(store) => {
            let queue = PostgresDispatcher::open(store, stepwright_engine::real_world()).await?;
            Ok(Arc::new(queue.priority(priority)))
        }
        Opened::File(_) => Err(no_queue()),
    }
}

#[cfg(not(feature = "postgres"))]
#[expect(clippy::unused_async, reason = "as the one with PostgreSQL")]
pub(crate) async fn open(_: &Opened, _: i16) -> Result<Arc<dyn Dispatcher>, Error> {
    Err(no_queue())
}

fn no_queue() -> Error {
    Error::usage("a SQLite file has no queue for workers")
        .with_hint("name a PostgreSQL database: `--dispatcher postgres://user@host/database`")
}

/// Stores the runs of a workflow in a database, and hands its background runs to the dispatcher.
pub(crate) fn beneath(
    opened: &Opened,
    dispatcher: Option<&Arc<dyn Dispatcher>>,
    builder: WorkflowBuilder,
) -> WorkflowBuilder {
    let builder = opened.clone().beneath(builder);
    match dispatcher {
        Some(dispatcher) => builder.dispatcher(dispatcher.clone()),
        None => builder,
    }
}
