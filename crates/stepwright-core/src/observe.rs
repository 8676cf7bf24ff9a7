//! Watches the runs of a process, and stores what must not be lost about them.

use crate::BoxFuture;
use crate::event::Event;
use crate::id::{RunId, WorkflowId};
use crate::store::{AnyStore, StoreError};

/// Receives every event of the runs that a workflow drives in this process, after it was recorded.
/// For traces and metrics.
///
/// The methods are called on the thread that drives the run, which waits meanwhile: they must be
/// quick, and must not block. Events of one run arrive in their order, those of several runs
/// between each other.
///
/// ```
/// use std::sync::Mutex;
/// use stepwright_core::observe::Observer;
/// use stepwright_core::{Event, RunId};
/// /// Writes a line for each event.
/// #[derive(Default)]
/// struct Lines(Mutex<Vec<String>>);
/// impl Observer for Lines {
///     fn begins(&self, run: &RunId, past: &[Event]) {
///         self.0.lock().unwrap().push(format!("{run} after {} events", past.len()));
///     }
///     fn event(&self, event: &Event) {
///         self.0.lock().unwrap().push(event.name().to_owned());
///     }
/// }
/// let lines = Lines::default();
/// lines.begins(&RunId::new("r-1")?, &[]);
/// assert_eq!(*lines.0.lock().unwrap(), ["r-1 after 0 events"]);
/// # Ok::<(), stepwright_core::IdError>(())
/// ```
pub trait Observer: Send + Sync + 'static {
    /// This process begins to drive a run, whose earlier events are `past`: none for a new run.
    fn begins(&self, run: &RunId, past: &[Event]);

    /// An event was recorded.
    fn event(&self, event: &Event);

    /// This process no longer drives the run: it has ended, waits, or was lost.
    fn leaves(&self, _run: &RunId) {}
}

/// Stores something ahead of the facts that it is about, so that no crash loses it: an outbox.
///
/// The driver of a run calls it before it appends facts, and appends them once the future is ready.
/// If it fails, the facts are not appended. A process may die in between: then what was stored is
/// about facts that the journal does not have, and that it may never have. So a reader of the
/// outbox looks for the fact in the journal first.
///
/// ```
/// use stepwright_core::observe::BeforeAppend;
/// use stepwright_core::store::ValueChange;
/// use stepwright_core::{AnyStore, BoxFuture, Event, StoreError, WorkflowId};
/// /// Stores the number of each fact that ends a run.
/// struct Ends;
/// impl BeforeAppend for Ends {
///     fn before_append(
///         &self,
///         store: &AnyStore,
///         _: &WorkflowId,
///         facts: &[Event],
///     ) -> Option<BoxFuture<'static, Result<(), StoreError>>> {
///         let last = facts.last().filter(|fact| fact.kind.is_terminal())?;
///         let (key, value) = (last.run.as_str().into(), last.sequence.to_string().into());
///         let change =
///             ValueChange { kind: "end".into(), key, value: Some(value), seen: None, version: 1 };
///         let store = store.clone();
///         Some(Box::pin(async move { store.change_value(change).await.map(drop) }))
///     }
/// }
/// ```
pub trait BeforeAppend: Send + Sync + 'static {
    /// Returns the work to do before these facts are appended, if there is any.
    fn before_append(
        &self,
        store: &AnyStore,
        workflow: &WorkflowId,
        facts: &[Event],
    ) -> Option<BoxFuture<'static, Result<(), StoreError>>>;
}
