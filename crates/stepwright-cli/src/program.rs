//! The program that carries out command lines: its name, and the dispatchers that it adds.

use crate::args::Arguments;
use clap::CommandFactory as _;
use std::fmt;
use std::sync::Arc;
use stepwright::Error;
use stepwright::dispatch::Dispatcher;
use stepwright_core::World;

/// Makes the dispatcher at an address.
type Open = Arc<dyn Fn(&str, World) -> Result<Arc<dyn Dispatcher>, Error> + Send + Sync>;

/// A program with all verbs of `stepwright`. It may have dispatchers of its own, besides the queue
/// of a PostgreSQL database.
///
/// ```no_run
/// # use std::sync::Arc;
/// # use stepwright::dispatch::Dispatcher;
/// # fn example(acme: Arc<dyn Dispatcher>) {
/// use stepwright_cli::Program;
/// let given: Vec<_> = std::env::args_os().collect();
/// // Takes `--dispatcher acme://…`.
/// let program = Program::new("stepwright-acme").dispatcher("acme", move |_, _| Ok(acme.clone()));
/// std::process::exit(program.carry_out(&given).into());
/// # }
/// ```
#[derive(Clone)]
pub struct Program {
    name: &'static str,
    dispatchers: Vec<(&'static str, Open)>,
}

impl Program {
    /// Creates a program with the name of its file, for its help, manual page and completions.
    pub fn new(name: &'static str) -> Self {
        Self { name, dispatchers: Vec::new() }
    }

    /// Adds the dispatcher of addresses `SCHEME://…`. Its runs are stored in the PostgreSQL
    /// database of `--db`.
    ///
    /// `open` gets the whole address, which it checks, and does not connect yet: it is called
    /// before the database is opened. Its error tells the user what is wrong with `--dispatcher`.
    #[must_use]
    pub fn dispatcher(
        mut self,
        scheme: &'static str,
        open: impl Fn(&str, World) -> Result<Arc<dyn Dispatcher>, Error> + Send + Sync + 'static,
    ) -> Self {
        self.dispatchers.push((scheme, Arc::new(open)));
        self
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the schemes of all addresses that `--dispatcher` takes.
    pub(crate) fn schemes(&self) -> Vec<&'static str> {
        let of_databases = cfg!(feature = "postgres").then_some("postgres");
        of_databases.into_iter().chain(self.dispatchers.iter().map(|(scheme, _)| *scheme)).collect()
    }

    /// Makes the dispatcher at an address. `None` if no dispatcher has this scheme.
    pub(crate) fn open(
        &self,
        scheme: &str,
        address: &str,
        world: World,
    ) -> Option<Result<Arc<dyn Dispatcher>, Error>> {
        let (_, open) = self.dispatchers.iter().find(|(known, _)| *known == scheme)?;
        Some(open(address, world))
    }

    /// Returns the definition of the command line.
    pub(crate) fn command(&self) -> clap::Command {
        Arguments::command().name(self.name)
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let schemes = self.schemes();
        let mut shown = f.debug_struct("Program");
        shown.field("name", &self.name).field("schemes", &schemes).finish_non_exhaustive()
    }
}
