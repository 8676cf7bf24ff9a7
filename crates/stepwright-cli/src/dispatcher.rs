//! The dispatcher that `--dispatcher` names, whose workers share the runs of a database.

use crate::args::{Kept, Storage};
use crate::database::{Database, Opened};
use crate::dispatcher_address::DispatcherAddress;
use crate::program::Program;
use std::path::Path;
use std::sync::Arc;
use stepwright::dispatch::Dispatcher;
use stepwright::{Error, WorkflowBuilder};
use stepwright_engine::real_world;

/// Dispatchers that other programs have.
const ELSEWHERE: [(&str, &str); 1] = [("restate", "stepwright-restate")];

/// A dispatcher whose address is valid.
#[derive(Clone)]
pub(crate) enum DispatcherChoice {
    /// The queue of the database that stores the runs.
    OfDatabase {
        /// The priority of runs that this process submits.
        priority: i16,
    },
    /// A dispatcher beside that database.
    Other(Arc<dyn Dispatcher>),
}

/// Returns the database that stores the runs of a file, if there is one, and their dispatcher, if
/// the command line names one.
///
/// # Errors
/// As [`choose`].
pub(crate) fn choose_named(
    program: &Program,
    address: Option<&DispatcherAddress>,
    priority: i16,
    kept: &Kept,
    file: &Path,
) -> Result<(Option<Storage>, Option<DispatcherChoice>), Error> {
    let Some(address) = address else { return Ok((kept.storage(file)?, None)) };
    let (storage, chosen) = choose(program, address, priority, kept, file)?;
    Ok((Some(storage), Some(chosen)))
}

/// Returns the database that stores the runs of a file, and their dispatcher. Connects to neither.
///
/// # Errors
/// If there is no such dispatcher, or it cannot be used with this database or priority.
pub(crate) fn choose(
    program: &Program,
    address: &DispatcherAddress,
    priority: i16,
    kept: &Kept,
    file: &Path,
) -> Result<(Storage, DispatcherChoice), Error> {
    match address {
        DispatcherAddress::Database(queue) => {
            Ok((of_queue(queue, kept)?, DispatcherChoice::OfDatabase { priority }))
        }
        DispatcherAddress::Other { scheme, address: whole } => {
            let opened = program.open(scheme, whole, real_world());
            let dispatcher = opened.ok_or_else(|| unknown(program, scheme))??;
            if priority != 0 {
                let what =
                    format!("`--priority` is `{priority}`, and `{address}` has no priorities");
                return Err(Error::usage(what).with_hint("leave out `--priority`"));
            }
            Ok((shared(address, kept.storage(file)?)?, DispatcherChoice::Other(dispatcher)))
        }
    }
}

/// Returns the database of a queue as that of the runs.
fn of_queue(queue: &Database, kept: &Kept) -> Result<Storage, Error> {
    if let Some(db) = kept.said().filter(|db| *db != queue) {
        let what = format!(
            "`--db` is `{db}` and `--dispatcher` is `{queue}`, and the queue of a database is for \
             the runs that it stores"
        );
        return Err(Error::usage(what).with_hint("leave out `--db`"));
    }
    Ok(Storage { said: Some(queue.clone()), db: queue.clone(), is_named: true })
}

/// Returns the database if workers on other machines can reach it.
fn shared(address: &DispatcherAddress, storage: Option<Storage>) -> Result<Storage, Error> {
    let what = match storage {
        Some(storage) if matches!(storage.db, Database::Server(_)) => return Ok(storage),
        Some(Storage { db, .. }) => format!(
            "the workers of `{address}` cannot share the SQLite file `{db}`: they may be on \
             several machines"
        ),
        None => format!("the workers of `{address}` need a database that stores the runs"),
    };
    let hint = "name a PostgreSQL database: `--db postgres://user@host/database`";
    Err(Error::usage(what).with_hint(hint))
}

fn unknown(program: &Program, scheme: &str) -> Error {
    let name = program.name();
    let has: Vec<_> = program.schemes().iter().map(|it| format!("`{it}://…`")).collect();
    let mut hint = match has.as_slice() {
        [] => "build `stepwright-cli` with the feature `postgres`".to_owned(),
        _ => format!("`{name}` has {}", has.join(" and ")),
    };
    if let Some((_, other)) = ELSEWHERE.iter().find(|(known, _)| *known == scheme) {
        hint = format!("{hint}; use `{other}` for `{scheme}://…`: see `{name} docs scaling`");
    }
    Error::usage(format!("`{name}` has no dispatcher `{scheme}://…`")).with_hint(hint)
}

impl DispatcherChoice {
    /// Opens the dispatcher. `opened` is the database that stores the runs.
    ///
    /// # Errors
    /// If the database cannot be reached, or refuses the tables of the queue.
    pub(crate) async fn open(self, opened: &Opened) -> Result<Arc<dyn Dispatcher>, Error> {
        match self {
            Self::Other(dispatcher) => Ok(dispatcher),
            Self::OfDatabase { priority } => queue(opened, priority).await,
        }
    }
}

#[cfg(feature = "postgres")]
async fn queue(opened: &Opened, priority: i16) -> Result<Arc<dyn Dispatcher>, Error> {
    use stepwright::dispatch::PostgresDispatcher;
    match opened {
        Opened::Server(store) => {
            let queue = PostgresDispatcher::open(store, real_world()).await?;
            Ok(Arc::new(queue.priority(priority)))
        }
        Opened::File(_) => Err(no_queue()),
    }
}

#[cfg(not(feature = "postgres"))]
#[expect(clippy::unused_async, reason = "as the one with PostgreSQL")]
async fn queue(_: &Opened, _: i16) -> Result<Arc<dyn Dispatcher>, Error> {
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
