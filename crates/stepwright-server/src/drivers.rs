//! Everything that begins and drives runs without a request.

use crate::limits::GRACE;
use crate::state::App;
use futures_util::future::join_all;
use stepwright_core::{Error, ErrorKind};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

/// The scheduler, the notifier, and the drivers of the workflows.
pub(crate) struct Drivers {
    app: App,
    driving: CancellationToken,
    workflows: JoinSet<Result<(), Error>>,
    scheduling: JoinSet<()>,
}

impl Drivers {
    /// Stores the triggers, and starts the scheduler and the notifier. Starts the drivers of the
    /// workflows unless other processes drive their runs.
    pub(crate) async fn start(app: &App, drives: bool) -> Self {
        let registered = async {
            app.scheduler.register().await?;
            app.receiver.register().await
        };
        if let Err(error) = registered.await {
            // The scheduler tries it again.
            tracing::warn!("the triggers are not stored: {}", error.report());
        }
        let driving = CancellationToken::new();
        let mut workflows = JoinSet::new();
        for served in app.served.iter().filter(|_| drives) {
            let (workflow, driving) = (served.workflow.clone(), driving.clone());
            workflows.spawn(async move { workflow.serve(driving).await });
        }
        let mut scheduling = JoinSet::new();
        let scheduler = app.scheduler.clone();
        scheduling.spawn(async move { scheduler.serve(CancellationToken::new()).await });
        let notifier = app.notifier.clone();
        scheduling.spawn(async move { notifier.serve(CancellationToken::new()).await });
        Self { app: app.clone(), driving, workflows, scheduling }
    }

    /// Waits until one of them fails or panics.
    pub(crate) async fn failed(&mut self) -> Error {
        loop {
            let failed = tokio::select! {
                Some(ended) = self.workflows.join_next() => match ended {
                    Ok(ended) => ended.err(),
                    Err(error) => panicked("a driver of runs", error),
                },
                Some(ended) = self.scheduling.join_next() => {
                    ended.err().and_then(|error| panicked("the scheduler or the notifier", error))
                }
                else => std::future::pending().await,
            };
            if let Some(error) = failed {
                return error;
            }
        }
    }

    /// Stops the scheduler and the notifier: a firing that was decided, and a delivery under way,
    /// are left to another server.
    pub(crate) async fn stop_scheduling(&mut self) {
        self.scheduling.shutdown().await;
    }

    /// Stops the drivers, and leaves runs under way in the store.
    pub(crate) async fn stop(mut self) -> Result<(), Error> {
        self.stop_scheduling().await;
        // First, so that a dispatcher hands over no more runs.
        self.driving.cancel();
        let shut = self.app.served.iter().map(|served| served.workflow.shutdown(GRACE));
        let ended = join_all(shut).await.into_iter().collect();
        let drained = async { while self.workflows.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(GRACE, drained).await;
        self.workflows.shutdown().await;
        ended
    }
}

fn panicked(what: &str, error: JoinError) -> Option<Error> {
    let why = format!("{what} panicked");
    error.is_panic().then(|| Error::new(ErrorKind::Run, why).with_source(error))
}
