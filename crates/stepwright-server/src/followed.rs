//! Runs that a request follows. Each is a background run: if this process ends before it, the next
//! one goes on with it.

use crate::state::App;
use futures_util::stream::{Stream, StreamExt as _};
use stepwright_core::{Error, Event, RunStatus};
use stepwright_engine::{Events, RunHandle};

/// Cancels a run that is under way when the reader of its events leaves.
struct CancelOnLeave {
    app: App,
    run: RunHandle,
}

impl Drop for CancelOnLeave {
    fn drop(&mut self) {
        // A server that stops ends its streams, and leaves their runs.
        if self.app.streams.is_cancelled() {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let run = self.run.clone();
        runtime.spawn(async move {
            // A run that waits for a person has told its reader so, and goes on with the answer.
            let status = run.status().await;
            if matches!(status, Ok(RunStatus::Pending | RunStatus::Running))
                && let Err(error) = run.cancel().await
            {
                let run = run.run_id();
                tracing::warn!(%run, "a run whose reader left goes on: {}", error.report());
            }
        });
    }
}

/// Returns the events of a run that is cancelled when they are dropped while it is under way. A run
/// that was there before is not: it has other readers.
pub(crate) fn until_left(
    app: &App,
    run: &RunHandle,
    events: Events,
) -> impl Stream<Item = Result<Event, Error>> + Send + use<> {
    let leaving = CancelOnLeave { app: app.clone(), run: run.clone() };
    let leaving = (!run.is_joined()).then_some(leaving);
    events.map(move |event| {
        let _held = &leaving;
        event
    })
}
