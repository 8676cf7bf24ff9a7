//! The virtual object that drives runs: its key is the run.
//!
//! Its handler calls nothing of Restate. A call would be replayed after a crash, and driving a run
//! twice is not the same twice.

use crate::client::{DRIVE, Restate, Task};
use crate::drives::Drives;
use restate_sdk::endpoint::ContextInternal;
use restate_sdk::errors::{HandlerError, TerminalError};
use restate_sdk::service::macro_support::{ServiceBoxFuture, service_definition};
use restate_sdk::service::{Service, ServiceDefinition};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use stepwright_core::World;
use stepwright_core::dispatch::Driven;
use tokio_util::sync::CancellationToken;

/// The time that Restate gives to one invocation. A step may take hours, and is silent meanwhile.
const PATIENCE: Duration = Duration::from_hours(24 * 365);

/// The first and the longest pause of Restate before it asks a worker again that did not answer.
const RETRIES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// The most attempts, which a worker that is away for a year does not reach.
const ATTEMPTS: u32 = u32::MAX >> 1;

/// The pause between two drives of a run that waits for a moment which has just passed.
const AGAIN_MIN: Duration = Duration::from_millis(10);

/// Drives runs, whichever of its names Restate calls.
#[derive(Clone)]
pub(crate) struct Object {
    pub(crate) restate: Restate,
    pub(crate) drives: Arc<Drives>,
    pub(crate) world: World,
    pub(crate) stop: CancellationToken,
}

impl Object {
    /// Returns the object under a name.
    ///
    /// # Errors
    /// If Restate refuses the name.
    pub(crate) fn named(&self, name: &str) -> Result<ServiceDefinition, serde_json::Error> {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let discovery = serde_json::from_value(json!({
            "name": name,
            "ty": "VIRTUAL_OBJECT",
            "handlers": [{
                "name": DRIVE,
                "ty": "EXCLUSIVE",
                "input": { "contentType": "application/json", "required": true },
                "output": { "setContentTypeIfEmpty": false },
            }],
            "inactivityTimeout": millis(PATIENCE),
            "abortTimeout": millis(PATIENCE),
            // The key of a wake counts until the wake has been carried out.
            "idempotencyRetention": 0,
            "journalRetention": 0,
            "retryPolicyInitialInterval": millis(RETRIES.0),
            "retryPolicyExponentiationFactor": 2.0,
            "retryPolicyMaxInterval": millis(RETRIES.1),
            "retryPolicyMaxAttempts": ATTEMPTS,
        }))?;
        Ok(service_definition(self.clone(), discovery))
    }

    /// Drives the run of a task. `invocation` is the same each time that Restate tries it.
    async fn drive(&self, task: &[u8], invocation: &str) -> Result<(), HandlerError> {
        let Task { wake } = serde_json::from_slice(task)
            .map_err(|error| TerminalError::new(format!("it is not a task: {error}")))?;
        let run = wake.run.clone();
        let after = match self.drives.join(&wake).await {
            Some(Driven::Done | Driven::WaitsForAnswer | Driven::UnderWay) => return Ok(()),
            Some(Driven::WaitsUntil(at)) => at.since(self.world.now()).max(AGAIN_MIN),
            Some(Driven::Retry { after }) => after,
            // Restate asks again, and finds another worker.
            _ if self.stop.is_cancelled() => return Err("the worker is about to end".into()),
            // The supervisors of other workers find it in the store, also of later ones.
            Some(Driven::NotMine { why }) => {
                tracing::warn!(target: "stepwright", %run, "it is not driven here: {why}");
                return Ok(());
            }
            _ => return Ok(()),
        };
        // A key that an earlier wake has not: that one has not ended yet.
        let key = format!("after:{invocation}");
        if !self.restate.send(&Task { wake }, after, Some(&key)).await? {
            return Err("no worker has its workflow".into());
        }
        Ok(())
    }
}

impl Service for Object {
    type Future = ServiceBoxFuture;

    fn handle(&self, cx: ContextInternal) -> Self::Future {
        let object = self.clone();
        Box::pin(async move {
            let (task, about) = cx.input::<Vec<u8>>().await;
            let driven = object.drive(&task, &about.invocation_id).await;
            cx.handle_handler_result(driven);
            cx.end();
            Ok(())
        })
    }
}
