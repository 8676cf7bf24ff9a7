//! Changes that are committed together.

use super::database::{Database, at_once};
use super::errors::{Failure, unavailable};
use super::file::DatabaseFile;
use crate::backend::{Attempt, Told, Work};
use crate::watch::Watchers;
use rusqlite::Error as SqlError;
use std::sync::Arc;
use stepwright_core::StoreError;
use tokio::sync::oneshot;

/// The largest number of changes in one commit. One wait for the disk serves them all; more
/// would make the first of them wait for the last.
const GROUP_MAX: usize = 256;

/// A change that waits to be made, whatever its result.
pub(super) trait Change: Send {
    fn make(&mut self, connection: &mut Database) -> Result<(), Failure>;
    fn answer(self: Box<Self>, committed: Result<(), StoreError>, watchers: &Watchers);
}

/// A change, and the caller that waits for its result.
pub(super) struct Waiting<W: Work<Database>> {
    work: W,
    made: Option<W::Made>,
    told: Told,
    reply: Reply<W::Made>,
}

type Reply<T> = oneshot::Sender<Result<T, StoreError>>;

impl<W: Work<Database>> Waiting<W> {
    pub(super) fn new(work: W, told: Told, reply: Reply<W::Made>) -> Self {
        Self { work, made: None, told, reply }
    }
}

impl<W: Work<Database>> Change for Waiting<W> {
    fn make(&mut self, connection: &mut Database) -> Result<(), Failure> {
        self.made = Some(at_once(self.work.make(connection, Attempt::ONLY))?);
        Ok(())
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>, watchers: &Watchers) {
        match &self.told {
            Told::Those(watched) if committed.is_ok() => watchers.wake(watched),
            Told::All if committed.is_ok() => watchers.wake_all(),
            _ => {}
        }
        // The caller may be gone; the change is made all the same.
        let _ = match (committed, self.made) {
            (Ok(()), Some(made)) => self.reply.send(Ok(made)),
            (Err(error), _) => self.reply.send(Err(error)),
            // Not reached: `make` comes before `answer`. Dropping the reply says `closed`.
            (Ok(()), None) => return,
        };
    }
}

/// Changes that are committed together.
pub(super) struct Group<'a> {
    file: &'a DatabaseFile,
    made: Vec<Made>,
    committed: bool,
    /// `true` if each change can be taken back alone. That has its price: SQLite keeps every page
    /// as it was before each of them. So it begins when one has to be taken back, with all of them
    /// made once more.
    apart: bool,
}

/// The reason why nothing of a group was committed.
pub(super) enum Uncommitted {
    Sql(SqlError),
    /// The file was deleted or replaced.
    Moved(String),
}

impl From<SqlError> for Uncommitted {
    fn from(error: SqlError) -> Self {
        Self::Sql(error)
    }
}

/// A change, and its outcome.
type Made = (Box<dyn Change>, Result<(), StoreError>);

impl<'a> Group<'a> {
    pub(super) fn new(file: &'a DatabaseFile) -> Self {
        Self { file, made: Vec::new(), committed: false, apart: false }
    }

    /// The number of changes.
    pub(super) fn len(&self) -> usize {
        self.made.len()
    }

    /// Makes a change, and those that `more` gives, and commits them.
    pub(super) fn commit(
        &mut self,
        connection: &mut Database,
        first: Box<dyn Change>,
        more: impl FnMut() -> Option<Box<dyn Change>>,
    ) {
        // The lock comes first: changes that arrive while another process has it come along.
        match execute(connection, "BEGIN IMMEDIATE") {
            Ok(()) => self.commit_begun(connection, first, more),
            Err(error) => {
                self.made.push((first, Ok(())));
                self.fail(error.into());
            }
        }
    }

    /// Makes a change at once and commits it. Gives it back if a transaction cannot begin, because
    /// another process writes for instance.
    pub(super) fn commit_at_once(
        &mut self,
        connection: &mut Database,
        change: Box<dyn Change>,
    ) -> Option<Box<dyn Change>> {
        if execute(connection, "BEGIN IMMEDIATE").is_err() {
            return Some(change);
        }
        self.commit_begun(connection, change, || None);
        None
    }

    fn commit_begun(
        &mut self,
        connection: &mut Database,
        first: Box<dyn Change>,
        more: impl FnMut() -> Option<Box<dyn Change>>,
    ) {
        match self.make(connection, first, more) {
            Ok(()) => self.committed = true,
            Err(error) => {
                if !connection.is_autocommit() {
                    let _ = connection.execute_batch("ROLLBACK");
                }
                self.fail(error);
            }
        }
    }

    fn make(
        &mut self,
        connection: &mut Database,
        first: Box<dyn Change>,
        mut more: impl FnMut() -> Option<Box<dyn Change>>,
    ) -> Result<(), Uncommitted> {
        let mut next = Some(first);
        while let Some(change) = next.take() {
            self.made.push((change, Ok(())));
            let begun = connection.total_changes();
            let kept = self.one(connection, self.made.len() - 1)?;
            if !kept && !self.apart && connection.total_changes() != begun {
                self.once_more(connection)?;
            }
            if self.made.len() < GROUP_MAX {
                next = more();
            }
        }
        // As late as possible: changes that are committed to a file that is gone are lost.
        if let Some(why) = self.file.moved() {
            return Err(Uncommitted::Moved(why));
        }
        Ok(execute(connection, "COMMIT")?)
    }

    /// Takes all changes back, and makes them so that each can be taken back alone.
    fn once_more(&mut self, connection: &mut Database) -> Result<(), SqlError> {
        execute(connection, "ROLLBACK")?;
        execute(connection, "BEGIN IMMEDIATE")?;
        self.apart = true;
        (0..self.made.len()).try_for_each(|nth| self.one(connection, nth).map(drop))
    }

    /// Makes one change, and returns whether it is kept. A change that is not kept may have left
    /// something behind, unless the group is apart.
    fn one(&mut self, connection: &mut Database, nth: usize) -> Result<bool, SqlError> {
        if self.apart {
            execute(connection, "SAVEPOINT change")?;
        }
        let (change, outcome) = &mut self.made[nth];
        *outcome = match change.make(connection) {
            Ok(()) => Ok(()),
            Err(Failure::Refused(error)) => Err(error),
            // A fact that is too long for a row, say. When SQLite has given up the whole
            // transaction (the disk is full), or may have, so does the group.
            Err(Failure::Sql(error)) if connection.is_autocommit() || is_grave(&error) => {
                return Err(error);
            }
            Err(failure) => Err(failure.into_error("write to", &self.file.path)),
        };
        let kept = outcome.is_ok();
        if self.apart {
            execute(connection, if kept { "RELEASE change" } else { "ROLLBACK TO change" })?;
        }
        Ok(kept)
    }

    /// Nothing of the group was committed. Changes that were refused keep their own reasons.
    fn fail(&mut self, why: Uncommitted) {
        let file = self.file;
        let error: Box<dyn Fn() -> StoreError> = match why {
            Uncommitted::Sql(error) => {
                let error = Arc::new(error);
                Box::new(move || unavailable("write to", &file.path, &error))
            }
            Uncommitted::Moved(why) => Box::new(move || file.moved_error(&why)),
        };
        for (_, outcome) in &mut self.made {
            if outcome.is_ok() {
                *outcome = Err(error());
            }
        }
    }

    /// Tells the callers and the watchers.
    pub(super) fn answer(self, watchers: &Watchers) {
        for (change, outcome) in self.made {
            debug_assert!(self.committed || outcome.is_err(), "an answer before the commit");
            change.answer(outcome, watchers);
        }
    }
}

fn execute(connection: &Database, command: &str) -> Result<(), SqlError> {
    connection.prepare_cached(command)?.raw_execute().map(drop)
}

/// Returns `true` if the database itself has trouble, and not the statement.
fn is_grave(error: &SqlError) -> bool {
    use rusqlite::ErrorCode as E;
    matches!(
        error.sqlite_error_code(),
        Some(
            E::DiskFull
                | E::SystemIoFailure
                | E::OutOfMemory
                | E::DatabaseCorrupt
                | E::NotADatabase
                | E::ReadOnly
                | E::DatabaseBusy
                | E::CannotOpen
        )
    )
}
