//! The runs and sessions in a store, for readers that have no definition.
//!
//! The journal says what happened in a run, and the plan is stored beside it. So listing, showing,
//! following, answering and cancelling runs take a store and a clock only.

mod archive;
mod compare;
mod emit;
mod follow;
pub(crate) mod history;
mod keeping;
mod media;
mod memories;
pub(crate) mod near;
mod send;
mod sessions;
mod snapshot;
mod submit;

pub use archive::{Archived, Export, IMPORT_LINE_BYTES_MAX};
pub use compare::{Compared, Comparison, Difference};
pub use emit::{Emit, Emitted};
pub use follow::Events;
pub use keeping::{Erase, Prune, Removed};
pub use memories::Memories;
pub use send::{SendMessage, Sent};
pub use sessions::Sessions;
pub use snapshot::Snapshot;
pub(crate) use submit::Submitted;

use crate::local::{Local, LocalRuns};
use crate::process::PerProcess;
use crate::real::real_world;
use std::fmt;
use std::sync::Arc;
use stepwright_core::plan::Plan;
use stepwright_core::store::{RunFilter, RunRow, Signal, SignalKind, Verified, Watched};
use stepwright_core::{
    AnyStore, BoxFuture, Content, Error, ErrorId, ErrorKind, EventKind, RunId, RunOutput, UserId,
    WorkflowId, World,
};

/// The id of the second request to cancel a run.
pub(crate) const SECOND_CANCEL: &str = "cancel again";

/// The runs and sessions in a store: load, list, follow, answer and cancel them without their
/// definitions.
///
/// For a user, create a reader with [`Runs::as_user`]: it finds only that user's runs and sessions.
/// An answer or a request to cancel goes into the run's inbox. The driver of the run takes it from
/// there, or the next driver if the run has none.
///
/// ```
/// # use stepwright_core::{Answer, AnyStore, HumanReview, Memory};
/// # use stepwright_engine::{Runs, Step, Workflow};
/// # async fn pay(bill: String) -> String { format!("paid {bill}") }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), stepwright_core::Error> {
/// # let asked = HumanReview::new().requires_confirmation("Pay?");
/// # let pay = Step::new("Pay", pay).human_review(asked);
/// # let memory = Memory::default();
/// # let workflow = Workflow::builder("Bills").store(memory.clone()).step(pay).build()?;
/// # let paused = workflow.run("5 EUR").user_id("anna").await?;
/// let runs = Runs::of(AnyStore::new(memory)).as_user("anna")?;
/// let snapshot = runs.load(&paused.run_id).await?;
/// let asked = &snapshot.unanswered()[0];
/// runs.submit(&paused.run_id, [(&*asked.id, Answer::Approve)], None).await?;
/// // The process with the definition goes on from there.
/// let output = workflow.resume(&paused.run_id).await?;
/// assert_eq!(output.content.text(), "paid 5 EUR");
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Runs {
    store: AnyStore,
    world: World,
    /// The runs of this process: their readers need not wait for the store.
    local: Option<Arc<PerProcess<LocalRuns>>>,
    /// The workflow whose runs and sessions are listed, or `None` for all.
    workflow: Option<WorkflowId>,
    user: Option<UserId>,
    /// `true` if the store is the memory of this process, because the workflow has no store.
    volatile: bool,
}

impl Runs {
    /// Creates a reader for the runs and sessions of all workflows and all users in a store.
    pub fn of(store: AnyStore) -> Self {
        Self {
            store,
            world: real_world(),
            local: None,
            workflow: None,
            user: None,
            volatile: false,
        }
    }

    /// Limits the reader to one user: a run or a session of another user, or of none, is not found.
    ///
    /// # Errors
    /// If `user` is not a valid user id.
    pub fn as_user(mut self, user: impl AsRef<str>) -> Result<Self, Error> {
        self.user = Some(UserId::new(user)?);
        Ok(self)
    }

    /// Creates a reader for the runs of a workflow, in the process that drives them.
    pub(crate) fn of_workflow(
        store: AnyStore,
        world: World,
        local: Arc<PerProcess<LocalRuns>>,
        workflow: WorkflowId,
        volatile: bool,
    ) -> Self {
        let (local, workflow) = (Some(local), Some(workflow));
        Self { store, world, local, workflow, user: None, volatile }
    }

    pub(crate) fn store(&self) -> &AnyStore {
        &self.store
    }

    /// Returns the store, for what stands beside its runs, such as schedules. `None` for a reader
    /// of one user, who must not see more.
    ///
    /// ```
    /// # use stepwright_core::{AnyStore, Memory};
    /// # use stepwright_engine::Runs;
    /// let runs = Runs::of(AnyStore::new(Memory::default()));
    /// assert!(runs.whole_store().is_some());
    /// assert!(runs.as_user("anna")?.whole_store().is_none());
    /// # Ok::<(), stepwright_core::Error>(())
    /// ```
    pub fn whole_store(&self) -> Option<&AnyStore> {
        self.user.is_none().then_some(&self.store)
    }

    /// Returns the run if this process drives it or is about to.
    fn known_here(&self, run: &RunId) -> Option<Local> {
        self.local.as_ref()?.here().get(run.as_str())
    }

    /// Returns the row of a run: its status and other columns, without reading its journal.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if there is no run with this id, or it belongs to another user.
    pub async fn row(&self, run: &RunId) -> Result<RunRow, Error> {
        let row = self.store.run(run).await?;
        row.filter(|row| self.user.is_none() || row.user_id == self.user)
            .ok_or_else(|| self.not_found("run", run))
    }

    /// Loads a run: its row, its folded journal, and its inbox.
    ///
    /// # Errors
    /// The errors of [`Runs::row`]. An error if the journal is damaged.
    pub async fn load(&self, run: &RunId) -> Result<Snapshot, Error> {
        Snapshot::load(&self.store, self.row(run).await?, false).await
    }

    /// Loads a run and keeps its facts.
    pub(crate) async fn load_with_facts(&self, run: &RunId) -> Result<Snapshot, Error> {
        Snapshot::load(&self.store, self.row(run).await?, true).await
    }

    /// Returns the plan with which a run began, or that it was upgraded to. `None` if its store has
    /// no plan of that digest.
    ///
    /// # Errors
    /// The errors of [`Runs::row`]. An error if the stored plan is damaged.
    pub async fn plan(&self, run: &RunId) -> Result<Option<Plan>, Error> {
        let row = self.row(run).await?;
        let Some(stored) = self.store.plan(&row.digest).await? else { return Ok(None) };
        serde_json::from_str(&stored).map(Some).map_err(|error| {
            let what = format!("the plan of run `{run}` is damaged");
            Error::new(ErrorKind::Store, what).with_source(error)
        })
    }

    /// Returns the output of a run so far: see [`Runs::load`].
    pub async fn get(&self, run: &RunId) -> Result<RunOutput, Error> {
        Ok(self.load(run).await?.into_output())
    }

    /// Returns the input of a run. It is in the first fact of the run, so the rest of the journal
    /// is not read, except for a fork, whose input may be another.
    ///
    /// # Errors
    /// The errors of [`Runs::load`].
    ///
    /// ```
    /// # use stepwright_core::{AnyStore, Memory};
    /// # use stepwright_engine::{Runs, Workflow};
    /// # async fn echo(text: String) -> String { text }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), stepwright_core::Error> {
    /// let memory = Memory::default();
    /// let workflow = Workflow::builder("Echo").store(memory.clone()).step(echo).build()?;
    /// let output = workflow.run("bridges").await?;
    /// let runs = Runs::of(AnyStore::new(memory));
    /// assert_eq!(runs.input(&output.run_id).await?.text(), "bridges");
    /// # Ok(()) }
    /// ```
    pub async fn input(&self, run: &RunId) -> Result<Content, Error> {
        let row = self.row(run).await?;
        let first = match row.origin {
            None => self.store.load(run, 0, 1).await?.pop(),
            Some(_) => None,
        };
        match first.map(|fact| fact.kind) {
            Some(EventKind::WorkflowStarted(started)) => Ok(started.input.content.clone()),
            _ => Ok(Snapshot::load(&self.store, row, false).await?.into_output().input),
        }
    }

    /// Lists runs, the newest first. A reader for one user lists only that user's runs, even if the
    /// filter names another user.
    pub async fn list(&self, mut filter: RunFilter) -> Result<Vec<RunRow>, Error> {
        if self.workflow.is_some() {
            filter.workflow_id.clone_from(&self.workflow);
        }
        if self.user.is_some() {
            filter.user_id.clone_from(&self.user);
        }
        Ok(self.store.runs(filter).await?)
    }

    /// Returns the facts of a run from the sequence number `from` on. The stream ends after the
    /// last recorded fact.
    ///
    /// # Errors
    /// The errors of [`Runs::row`].
    pub async fn recorded(&self, run: &RunId, from: u64) -> Result<Events, Error> {
        self.row(run).await?;
        Ok(Events::recorded(self.clone(), run.clone(), from))
    }

    /// Returns the events of a run from the fact with sequence number `from` on. The stream first
    /// reads the journal, and then goes on until the run has ended, in whichever process the run is
    /// driven. Any number of readers may follow a run, and a slow one does not slow the others. A
    /// reader that keeps up also gets deltas while this process drives the run. [`Events`] has an
    /// example.
    ///
    /// # Errors
    /// The errors of [`Runs::row`].
    pub async fn follow(&self, run: &RunId, from: u64) -> Result<Events, Error> {
        self.row(run).await?;
        Ok(Events::new(self.clone(), run.clone(), from))
    }

    /// Verifies everything that is stored of a run: checksums, and the chain of its facts. See
    /// [`RunStore::verify`](stepwright_core::store::RunStore::verify).
    ///
    /// # Errors
    /// As [`Runs::row`]; and if anything is not as it was written.
    pub async fn verify(&self, run: &RunId) -> Result<Verified, Error> {
        self.row(run).await?;
        Ok(self.store.verify(run).await?)
    }

    /// Waits until something happens in the run after this call. Call it before you read the run,
    /// so that you miss nothing in between.
    pub fn changed(&self, run: &RunId) -> BoxFuture<'static, ()> {
        self.store.changed(Watched::Facts(run.clone()))
    }

    /// Asks the driver of a run to cancel it, or the next driver if the run has none. Returns
    /// `false` if the run has ended. A second request also ends the steps that run when the others
    /// were stopped, such as those of a `finally`.
    ///
    /// # Errors
    /// The errors of [`Runs::row`].
    pub async fn request_cancel(&self, run: &RunId) -> Result<bool, Error> {
        self.request_cancel_once(run, self.world.run_id().as_str()).await
    }

    /// Asks the driver of a run to cancel it: see [`Runs::request_cancel`]. `request` is an id that
    /// the caller chooses. Repeated with the same id, it is the same request and not a second one,
    /// so a caller may repeat it until the run has ended.
    ///
    /// # Errors
    /// The errors of [`Runs::row`].
    pub async fn request_cancel_once(&self, run: &RunId, request: &str) -> Result<bool, Error> {
        if self.row(run).await?.status.is_terminal() {
            return Ok(false);
        }
        let mut signal = Signal::cancel(run.clone(), "cancelled by request", self.world.now());
        if let SignalKind::Cancel { request: id, .. } = &mut signal.kind {
            *id = Some(request.into());
        }
        let inbox = self.store.inbox(run).await?;
        let mut earlier = inbox.iter().filter_map(|earlier| match &earlier.kind {
            SignalKind::Cancel { request, .. } => Some(request.as_deref()),
            _ => None,
        });
        if let Some(first) = earlier.next() {
            if first == Some(request) || earlier.any(|other| other == Some(request)) {
                return Ok(true);
            }
            // A store keeps one signal of each id.
            signal.id = SECOND_CANCEL.into();
        }
        self.store.submit(signal).await?;
        Ok(true)
    }

    fn not_found(&self, kind: &str, name: &dyn fmt::Display) -> Error {
        not_found(kind, name, self.volatile)
    }

    /// Returns the sessions, to find, list, rename, change and delete them.
    pub fn sessions(&self) -> Sessions {
        Sessions::of(Some(self.clone()))
    }
}

/// Makes the error for a run or a session that is not stored. `volatile` says that the workflow has
/// no store.
pub(crate) fn not_found(kind: &str, name: &dyn fmt::Display, volatile: bool) -> Error {
    let id = if kind == "run" { ErrorId::RUN_NOT_FOUND } else { ErrorId::SESSION_NOT_FOUND };
    let error =
        Error::new(ErrorKind::NotFound, format!("{kind} `{name}` was not found")).with_id(id);
    if volatile {
        return error.with_hint(
            "the workflow has no store: only sessions and background runs of this process are \
             remembered; add one with `.store(…)`",
        );
    }
    error
}

impl fmt::Debug for Runs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runs")
            .field("workflow", &self.workflow)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}
