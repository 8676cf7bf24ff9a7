//! The journal: the append-only facts of a run.

use crate::event::Event;
use crate::id::RunId;
use crate::output::Metrics;
use crate::session::SessionMetrics;
use crate::state::Patch;
use std::sync::Arc;

/// The largest number of facts of a run. Reaching it fails the run.
pub const FACTS_MAX: u64 = 4_000_000;

/// Facts to append, all or none.
///
/// ```
/// use futures_util::FutureExt as _;
/// # use stepwright_core::Event;
/// use stepwright_core::journal::Append;
/// use stepwright_core::{Memory, StoreError, store::RunStore as _};
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
    /// The run.
    pub run: RunId,
    /// The facts, numbered without a gap from the first free number.
    pub facts: Vec<Event>,
    /// The changes of the session at the end of the run. Only with the last fact of a run.
    pub close: Option<SessionClose>,
    /// The driver of the run that begins with these facts: see
    /// [`Leases::claim`](crate::store::Leases::claim).
    pub driver: Option<Arc<str>>,
}

/// The changes that the end of a run makes to its session, and to its row.
///
/// ```
/// use futures_util::FutureExt as _;
/// # use stepwright_core::{Event, EventKind};
/// use stepwright_core::journal::{Append, SessionClose};
/// use stepwright_core::store::{RunStore as _, SessionStore as _};
/// use stepwright_core::{Memory, Patch};
/// # let fact: Event = serde_json::from_value(serde_json::json!({
/// #     "event": "WorkflowStarted", "sequence": 0, "time_ms": 7, "run_id": "r-1", "path": "",
/// #     "workflow_id": "news", "workflow_name": "News", "digest": "", "session_id": "s-1",
/// #     "input": { "content": "bridges" },
/// # })).unwrap();
/// # let kind = EventKind::WorkflowCompleted { content: "done".into(), stopped_at: None };
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
    /// The consumption of the run. Of a run that was retried, that since the retry.
    pub metrics: Metrics,
    /// `true` if the run had ended before, and was counted then.
    pub retried: bool,
    /// The consumption of the whole run, which its row has from then on.
    pub run: Option<Metrics>,
}

impl SessionClose {
    /// Adds the consumption of the run to that of its session.
    pub fn count(&self, session: &mut SessionMetrics) {
        session.add(&self.metrics);
        session.runs -= u64::from(self.retried);
    }
}
