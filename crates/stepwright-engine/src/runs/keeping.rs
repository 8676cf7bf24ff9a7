//! Deleting runs: old ones, and those of a person.

use super::Runs;
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use stepwright_core::store::{
    Compacted, DeleteRun, DeletedRun, KINDS_OF_RUNS, MemoryChange, MemoryFilter, MemoryUpdate,
    PAGE_MAX, RunFilter, RunRow, SessionFilter, SharedValue, UserMemory, ValueChange,
};
use stepwright_core::{
    Error, ErrorId, ErrorKind, RunId, RunStatus, SessionId, Timestamp, UserId, WorkflowId,
};

/// The runs that [`Runs::prune`] deletes.
///
/// ```
/// use stepwright_core::Timestamp;
/// use stepwright_engine::Prune;
/// let old = Prune { keep: 100, ..Prune::ended_before(Timestamp(1_780_000_000_000)) };
/// assert!(!old.dry_run);
/// ```
#[derive(Clone, Debug)]
pub struct Prune {
    /// Only runs whose last fact is older than this.
    pub ended_before: Timestamp,
    /// The number of the newest ended runs of each workflow that are kept, however old they are.
    pub keep: usize,
    /// Only runs of this workflow.
    pub workflow: Option<WorkflowId>,
    /// `true` to change nothing, and to return what would be deleted.
    pub dry_run: bool,
}

impl Prune {
    /// Creates a request to delete the runs that ended before this time.
    pub fn ended_before(time: Timestamp) -> Self {
        Self { ended_before: time, keep: 0, workflow: None, dry_run: false }
    }
}

/// The subject of [`Runs::erase`].
///
/// ```
/// use stepwright_core::UserId;
/// use stepwright_engine::Erase;
/// assert_eq!(Erase::User(UserId::new("anna")?).to_string(), "user `anna`");
/// # Ok::<(), stepwright_core::IdError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Erase {
    /// One run.
    Run(RunId),
    /// A session, with all of its runs and its state.
    Session(SessionId),
    /// All sessions, runs and memories of a user.
    User(UserId),
}

impl std::fmt::Display for Erase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Run(run) => write!(f, "run `{run}`"),
            Self::Session(session) => write!(f, "session `{session}`"),
            Self::User(user) => write!(f, "user `{user}`"),
        }
    }
}

/// The data deleted by [`Runs::prune`] or [`Runs::erase`].
///
/// ```
/// use stepwright_engine::Removed;
/// let removed = Removed::default();
/// assert!(removed.runs.is_empty() && removed.content.bytes == 0);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {
    /// The runs.
    pub runs: Vec<RunId>,
    /// The sessions, with their names, states and metrics.
    pub sessions: Vec<SessionId>,
    /// The number of memories of the user.
    #[serde(default)]
    pub memories: u64,
    /// The content of the runs.
    #[serde(flatten)]
    pub content: DeletedRun,
    /// The space that the store gave back, if it was compacted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compacted: Option<Compacted>,
    /// `true` if nothing was changed.
    pub dry_run: bool,
}

/// The part of a shared value that says which run it is about.
#[derive(Deserialize)]
struct AboutRun {
    run: Box<str>,
}

impl Runs {
    /// Deletes old runs that have ended: their journals, inboxes and rows. A run that waits or is
    /// under way is never deleted. Sessions stay, with their states.
    ///
    /// ```
    /// # use stepwright_core::{AnyStore, Memory, Timestamp};
    /// # use stepwright_engine::{Prune, Runs, Workflow, real_world};
    /// # async fn greet(name: String) -> String { format!("Hello {name}") }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), stepwright_core::Error> {
    /// # let memory = Memory::default();
    /// # let workflow = Workflow::builder("Greeting").step(greet).store(memory.clone()).build()?;
    /// for name in ["Ada", "Ben", "Eva"] {
    ///     workflow.run(name).await?;
    /// }
    /// let runs = Runs::of(AnyStore::new(memory));
    /// let now = Timestamp(real_world().wall().0 + 1);
    /// let removed = runs.prune(&Prune { keep: 1, ..Prune::ended_before(now) }).await?;
    /// assert_eq!(removed.runs.len(), 2);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// If the store fails. What was deleted before stays deleted.
    pub async fn prune(&self, prune: &Prune) -> Result<Removed, Error> {
        let mut old = Vec::new();
        let mut seen = HashMap::<WorkflowId, usize>::new();
        let filter = RunFilter { workflow_id: prune.workflow.clone(), ..RunFilter::default() };
        // The newest come first, so that the first of each workflow are those to keep.
        self.each(filter, |row| {
            if !row.status.is_terminal() {
                return;
            }
            let seen = seen.entry(row.workflow_id.clone()).or_default();
            *seen += 1;
            if *seen > prune.keep && row.updated_at < prune.ended_before {
                old.push(row.run_id);
            }
        })
        .await?;
        let mut removed = Removed { dry_run: prune.dry_run, ..Removed::default() };
        // The oldest first: if this stops half-way, what is left has no gap.
        for run in old.into_iter().rev() {
            let delete = DeleteRun { dry_run: prune.dry_run, ..DeleteRun::ended(run) };
            self.delete(delete, &mut removed).await?;
        }
        Ok(removed)
    }

    /// Erases a run, a session or all that is stored of a user: journals with everything in them,
    /// inboxes, sessions with their names and states, memories of the user, and what the store
    /// remembers in memory. Then the store is compacted, so that deleted data is not left in free
    /// space. The forks of an erased run are erased with it, because they share its facts.
    ///
    /// Plans stay: they hold the texts of definitions. Backups, logs and exports are out of reach.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] if a run of it is under way; nothing is erased then.
    /// [`ErrorKind::NotFound`] if there is no such run or session, or it belongs to another user.
    pub async fn erase(&self, what: &Erase, dry_run: bool) -> Result<Removed, Error> {
        let (rows, sessions) = self.subjects(what).await?;
        let rows = self.with_forks(rows).await?;
        let under_way =
            |row: &&RunRow| !row.status.is_terminal() && row.status != RunStatus::Paused;
        if let Some(row) = rows.iter().find(under_way) {
            let run = &row.run_id;
            return Err(Error::usage(format!("run `{run}` of {what} is under way"))
                .with_id(ErrorId::RUN_UNDER_WAY)
                .with_hint("cancel it, or wait for its end; nothing was erased"));
        }
        let mut removed = Removed { dry_run, ..Removed::default() };
        for row in rows {
            let delete = DeleteRun { run: row.run_id, waiting: true, dry_run };
            self.delete(delete, &mut removed).await?;
        }
        for session in sessions {
            if dry_run || self.store.delete_session(&session).await? {
                removed.sessions.push(session);
            }
        }
        if let Erase::User(user) = what {
            removed.memories = self.forget(user, dry_run).await?;
        }
        if !dry_run {
            self.forget_values(&removed.runs).await?;
            removed.compacted = Some(self.store.compact().await?);
        }
        Ok(removed)
    }

    /// Removes the memories of a user, and returns their number.
    async fn forget(&self, user: &UserId, dry_run: bool) -> Result<u64, Error> {
        let all = self.store.memories(MemoryFilter::of(user.clone())).await?;
        if dry_run || all.is_empty() {
            return Ok(all.len() as u64);
        }
        let remove = |memory: UserMemory| MemoryChange::Remove { memory_id: memory.memory_id };
        let changes = all.into_iter().map(remove).collect();
        let update = MemoryUpdate::new(user.clone(), changes, self.world.now());
        Ok(self.store.update_memories(update).await?)
    }

    /// Removes what the processes of the store share about runs, such as links and deliveries.
    async fn forget_values(&self, runs: &[RunId]) -> Result<(), Error> {
        let runs: HashSet<&str> = runs.iter().map(RunId::as_str).collect();
        for kind in KINDS_OF_RUNS {
            let mut after = Arc::<str>::from("");
            loop {
                let page = self.store.shared_values(kind, &after, PAGE_MAX).await?;
                let Some(last) = page.last() else { break };
                after = last.key.clone();
                for SharedValue { kind, key, value, version } in page {
                    let about = serde_json::from_str::<AboutRun>(&value);
                    if !about.is_ok_and(|about| runs.contains(&*about.run)) {
                        continue;
                    }
                    let (value, seen) = (None, Some(version));
                    let version = i64::from_ne_bytes(self.world.chance().to_ne_bytes());
                    let change = ValueChange { kind, key, value, seen, version };
                    self.store.change_value(change).await?;
                }
            }
        }
        Ok(())
    }

    /// Gives the space of deleted data back to the system: see
    /// [`RunStore::compact`](stepwright_core::store::RunStore::compact).
    ///
    /// # Errors
    /// If the store fails.
    pub async fn compact(&self) -> Result<Compacted, Error> {
        Ok(self.store.compact().await?)
    }

    async fn delete(&self, delete: DeleteRun, removed: &mut Removed) -> Result<(), Error> {
        let run = delete.run.clone();
        if let Some(content) = self.store.delete_run(delete).await? {
            removed.content += content;
            removed.runs.push(run);
        }
        Ok(())
    }

    /// Returns the runs and the sessions that belong to it.
    async fn subjects(&self, what: &Erase) -> Result<(Vec<RunRow>, Vec<SessionId>), Error> {
        let mut sessions = Vec::new();
        let mut filter = RunFilter::default();
        match what {
            Erase::Run(run) => return Ok((vec![self.row(run).await?], sessions)),
            Erase::Session(session) => {
                let found = self.store.session(session).await?;
                found
                    .filter(|found| self.user.is_none() || found.user_id == self.user)
                    .ok_or_else(|| self.not_found("session", session))?;
                filter.session_id = Some(session.clone());
                sessions.push(session.clone());
            }
            Erase::User(user) => {
                if self.user.as_ref().is_some_and(|own| own != user) {
                    let error = Error::new(ErrorKind::NotFound, format!("{what} was not found"));
                    return Err(error.with_id(ErrorId::NOT_FOUND));
                }
                filter.user_id = Some(user.clone());
                let mine = SessionFilter { user_id: Some(user.clone()), ..Default::default() };
                loop {
                    let page = SessionFilter { offset: sessions.len(), ..mine.clone() };
                    let found = self.store.sessions(page).await?;
                    let is_last = found.len() < PAGE_MAX;
                    sessions.extend(found.into_iter().map(|session| session.session_id));
                    if is_last {
                        break;
                    }
                }
            }
        }
        let mut rows = Vec::new();
        self.each(filter, |row| rows.push(row)).await?;
        Ok((rows, sessions))
    }

    /// Adds the forks of runs, and the forks of those. Forks come before their origins.
    async fn with_forks(&self, mut rows: Vec<RunRow>) -> Result<Vec<RunRow>, Error> {
        let mut forks = HashMap::<RunId, Vec<RunRow>>::new();
        self.each(RunFilter::default(), |row| {
            if let Some(origin) = &row.origin {
                forks.entry(origin.run.clone()).or_default().push(row);
            }
        })
        .await?;
        let known = rows.iter().map(|row| row.run_id.clone()).collect::<HashSet<_>>();
        let mut next = 0;
        while let Some(row) = rows.get(next) {
            let more = forks.remove(&row.run_id).unwrap_or_default();
            rows.extend(more.into_iter().filter(|fork| !known.contains(&fork.run_id)));
            next += 1;
        }
        // The facts that a fork shares are deleted with the last run that has them.
        rows.reverse();
        rows.sort_by_key(|row| Reverse(row.created_at));
        Ok(rows)
    }

    /// Calls `read` with each run that passes the filter, the newest first.
    pub(super) async fn each(
        &self,
        filter: RunFilter,
        mut read: impl FnMut(RunRow),
    ) -> Result<(), Error> {
        let mut seen = HashSet::new();
        let mut offset = 0;
        loop {
            let page = self.list(RunFilter { offset, limit: PAGE_MAX, ..filter.clone() }).await?;
            offset += page.len();
            let is_last = page.len() < PAGE_MAX;
            // Runs that begin meanwhile move the pages: a run may come twice.
            for row in page {
                if seen.insert(row.run_id.clone()) {
                    read(row);
                }
            }
            if is_last {
                return Ok(());
            }
        }
    }
}
