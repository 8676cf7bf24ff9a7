//! The journal: the append-only facts of a run.

use crate::BoxFuture;
use crate::event::Event;
use crate::id::RunId;
use crate::output::Metrics;
use crate::state::Patch;
use crate::store::StoreError;

/// How many facts a run may have. Reaching it fails the run.
pub const FACTS_MAX: u64 = 4_000_000;

/// Facts to append, all or none.
#[derive(Clone, Debug)]
pub struct Append {
    /// Whose facts.
    pub run: RunId,
    /// The facts, numbered without a gap from the first free number.
    pub facts: Vec<Event>,
    /// What the end of the run does to its session. Goes with the last fact of a run only.
    pub close: Option<SessionClose>,
}

/// What the end of a run does to its session.
#[derive(Clone, Debug, Default)]
pub struct SessionClose {
    /// Changes of the session state, applied to it as it is at that moment.
    pub patches: Vec<Patch>,
    /// What the run consumed.
    pub metrics: Metrics,
}

/// The append-only facts of runs.
///
/// Only the driver of a run appends to its journal. Two drivers may believe that they drive the
/// same run, after a crash for one: appending at a number that is taken is refused, and that
/// refusal is the lock.
pub trait Journal: Send + Sync {
    /// Appends facts. When it is ready without an error, they are as safe as the store can make
    /// them.
    ///
    /// A [`EventKind::WorkflowStarted`](crate::EventKind) also makes the run known, and its session
    /// if there is none of that name.
    ///
    /// # Errors
    /// [`StoreError::Taken`] if the first number is not the next free one: another process drives
    /// this run. Stop at once then, and record nothing.
    /// [`StoreError::NotFound`] if the run begins in a session that is another user's.
    fn append(&self, append: Append) -> BoxFuture<'_, Result<(), StoreError>>;

    /// The facts of a run numbered `after` and above, in order, at most `limit` of them.
    /// Empty for a run that is not known.
    fn load<'a>(
        &'a self,
        run: &'a RunId,
        after: u64,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Event>, StoreError>>;
}
