//! The journal: the append-only facts of a run.

use crate::BoxFuture;
use crate::event::Event;
use crate::id::RunId;
use crate::output::Metrics;
use crate::state::Patch;
use crate::store::StoreError;
use std::sync::Arc;

/// How many facts a run may have. Reaching it fails the run.
pub const FACTS_MAX: u64 = 4_000_000;

/// Facts to append, all or none.
///
/// ```
/// use futures_util::FutureExt as _;
/// # use stepwright_core::Event;
/// use stepwright_core::journal::{Append, Journal as _};
/// use stepwright_core::{Memory, StoreError};
/// # let fact: Event = serde_json::from_value(serde_json::json!({
/// #     "event": "WorkflowStarted", "sequence": 0, "time_ms": 7, "run_id": "r-1", "path": "",
/// #     "workflow_id": "news", "workflow_name": "News", "digest": "", "session_id": "s-1",
/// #     "input": { "content": "bridges" },
/// # })).unwrap();
/// // `fact` says that the run began.
/// let (store, run) = (Memory::default(), fact.run.clone());
/// let append = Append { run, facts: vec![fact], close: None, driver: None };
/// store.append(append.clone()).now_or_never().unwrap()?;
/// // The number 0 is taken now: another driver would be refused.
/// let again = store.append(append).now_or_never().unwrap();
/// assert!(matches!(again, Err(StoreError::Taken { sequence: 0, .. })));
/// # Ok::<(), StoreError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Append {
    /// Whose facts.
    pub run: RunId,
    /// The facts, numbered without a gap from the first free number.
    pub facts: Vec<Event>,
    /// What the end of the run does to its session. Goes with the last fact of a run only.
    pub close: Option<SessionClose>,
    /// Who drives the run that begins with these facts. See [`Store::claim`](crate::Store::claim).
    pub driver: Option<Arc<str>>,
}

/// What the end of a run does to its session.
///
/// ```
/// use futures_util::FutureExt as _;
/// # use stepwright_core::{Event, EventKind};
/// use stepwright_core::journal::{Append, Journal as _, SessionClose};
/// use stepwright_core::{Memory, Patch, Store as _};
/// # let fact: Event = serde_json::from_value(serde_json::json!({
/// #     "event": "WorkflowStarted", "sequence": 0, "time_ms": 7, "run_id": "r-1", "path": "",
/// #     "workflow_id": "news", "workflow_name": "News", "digest": "", "session_id": "s-1",
/// #     "input": { "content": "bridges" },
/// # })).unwrap();
/// # let kind = EventKind::WorkflowCompleted { content: "done".into() };
/// # let facts = vec![fact.clone(), Event { sequence: 1, kind, ..fact.clone() }];
/// # let (store, run) = (Memory::default(), fact.run);
/// // `facts` are all that happened in the run.
/// let patches = vec![Patch::increment("reports", 1)];
/// let close = Some(SessionClose { patches, ..SessionClose::default() });
/// store.append(Append { run, facts, close, driver: None }).now_or_never().unwrap()?;
/// let session = store.session(&"s-1".parse().unwrap()).now_or_never().unwrap()?.unwrap();
/// assert_eq!((session.state["reports"].as_i64(), session.metrics.runs), (Some(1), 1));
/// # Ok::<(), stepwright_core::StoreError>(())
/// ```
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
///
/// ```
/// # use futures_util::FutureExt as _;
/// use std::{future::ready, sync::Mutex};
/// use stepwright_core::journal::{Append, Journal};
/// use stepwright_core::{BoxFuture, Event, RunId, StoreError};
/// /// The facts of a single run.
/// #[derive(Default)]
/// struct One(Mutex<Vec<Event>>);
/// impl Journal for One {
///     fn append(&self, append: Append) -> BoxFuture<'_, Result<(), StoreError>> {
///         let Append { run, facts, .. } = append;
///         let mut kept = self.0.lock().unwrap();
///         let stray = (kept.len() as u64..).zip(&facts).find(|(next, f)| f.sequence != *next);
///         if let Some((_, stray)) = stray {
///             return Box::pin(ready(Err(StoreError::Taken { run, sequence: stray.sequence })));
///         }
///         kept.extend(facts);
///         Box::pin(ready(Ok(())))
///     }
///     fn load<'a>(
///         &'a self,
///         _: &'a RunId,
///         after: u64,
///         limit: usize,
///     ) -> BoxFuture<'a, Result<Vec<Event>, StoreError>> {
///         let kept = self.0.lock().unwrap();
///         let wanted = kept.iter().filter(|fact| fact.sequence >= after).take(limit);
///         Box::pin(ready(Ok(wanted.cloned().collect())))
///     }
/// }
/// # let fact: Event = serde_json::from_value(serde_json::json!({
/// #     "event": "WorkflowStarted", "sequence": 0, "time_ms": 7, "run_id": "r-1", "path": "",
/// #     "workflow_id": "news", "workflow_name": "News", "digest": "", "session_id": "s-1",
/// #     "input": { "content": "bridges" },
/// # })).unwrap();
/// # let (journal, run) = (One::default(), fact.run.clone());
/// # let append = Append { run: run.clone(), facts: vec![fact.clone()], close: None, driver: None };
/// # journal.append(append.clone()).now_or_never().unwrap()?;
/// # let again = journal.append(append).now_or_never().unwrap();
/// # assert!(matches!(again, Err(StoreError::Taken { sequence: 0, .. })));
/// # assert_eq!(journal.load(&run, 0, 9).now_or_never().unwrap()?, [fact]);
/// # Ok::<(), StoreError>(())
/// ```
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
