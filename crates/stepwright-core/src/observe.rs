//! Watches the runs of a process.

use crate::event::Event;
use crate::id::RunId;

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
