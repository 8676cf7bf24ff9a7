//! A worker: is registered with Restate while it lives, and drives the runs that Restate hands it.

use crate::client::Restate;
use crate::drives::Drives;
use crate::listener::listen;
use crate::names;
use crate::object::Object;
use restate_sdk::endpoint::Endpoint;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use stepwright_core::World;
use stepwright_core::dispatch::{DispatchError, Drive, Limits};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// The pause between two looks whether the server still knows this worker.
const LOOK: Duration = Duration::from_secs(10);

/// The settings of a worker.
#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) restate: Restate,
    pub(crate) world: World,
    pub(crate) listen: SocketAddr,
    pub(crate) advertise: Option<String>,
}

/// Serves until `stop` is cancelled, and every run that is driven then has been left.
pub(crate) async fn serve(
    settings: Settings,
    drive: Arc<dyn Drive>,
    limits: Limits,
    stop: CancellationToken,
) -> Result<(), DispatchError> {
    let Settings { restate, world, listen: at, advertise } = settings;
    let failed = |error: std::io::Error| DispatchError {
        what: format!("cannot listen at `{at}`"),
        source: Some(error.into()),
    };
    let listener = TcpListener::bind(at).await.map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    let uri = advertise.unwrap_or_else(|| format!("http://{bound}"));
    let mut objects = BTreeSet::new();
    for served in drive.serves() {
        objects.insert(names::of_version(&served.workflow, &served.digest));
        objects.insert(names::of_workflow(&served.workflow));
    }
    let drives = Arc::new(Drives::new(drive, limits.concurrent_runs));
    let object = Object {
        restate: restate.clone(),
        drives: drives.clone(),
        world: world.clone(),
        stop: stop.clone(),
    };
    let mut endpoint = Endpoint::builder();
    for name in &objects {
        let named = object.named(name).map_err(|error| DispatchError {
            what: format!("`{name}` is not a name of a Restate object"),
            source: Some(error.into()),
        })?;
        endpoint = endpoint.bind(named);
    }
    let calls = listen(listener, endpoint.build(), limits.concurrent_runs, &stop, drives.end());
    let worker = Registration { restate, uri, objects };
    let work = async {
        let registered = tokio::select! {
            registered = worker.register() => registered,
            () = stop.cancelled() => Ok(()),
        };
        if registered.is_err() {
            stop.cancel();
            return registered;
        }
        tokio::select! {
            () = worker.stay(&world) => {}
            () = stop.cancelled() => {}
        }
        drives.close();
        drives.end().await;
        Ok(())
    };
    let (worked, ()) = tokio::join!(work, calls);
    worked?;
    worker.leave().await
}

/// The entry of the workers at one URL in the server.
struct Registration {
    restate: Restate,
    /// The URL at which the server calls the workers.
    uri: String,
    objects: BTreeSet<String>,
}

impl Registration {
    /// Registers this worker. If workers of other versions were at the URL, they are no more.
    async fn register(&self) -> Result<(), DispatchError> {
        let Self { restate, uri, .. } = self;
        restate.register(uri, false).await?;
        if self.is_known().await? {
            return Ok(());
        }
        let before = restate.known(uri).await?;
        restate.register(uri, true).await?;
        match before {
            Some(before) => self.forget(&before.objects).await,
            None => Ok(()),
        }
    }

    async fn is_known(&self) -> Result<bool, DispatchError> {
        for object in &self.objects {
            if !self.restate.has(object).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Registers again if the server has forgotten this worker: it was set up anew, or workers at
    /// another URL with the same workflows have left.
    async fn stay(&self, world: &World) {
        loop {
            world.sleep(LOOK).await;
            let looked = match self.is_known().await {
                Ok(true) => continue,
                Ok(false) => self.restate.register(&self.uri, true).await,
                Err(error) => Err(error),
            };
            if let Err(error) = looked {
                let uri = &self.uri;
                tracing::warn!(target: "stepwright", %uri, "{error}; it is tried again");
            }
        }
    }

    /// Removes the entry if this was the last worker at the URL.
    async fn leave(&self) -> Result<(), DispatchError> {
        let Self { restate, uri, .. } = self;
        if restate.answers(uri).await {
            return Ok(());
        }
        let Some(known) = restate.known(uri).await? else { return Ok(()) };
        restate.deregister(&known).await?;
        self.forget(&known.objects).await
    }

    /// Removes the invocations of objects that no worker has any more. Restate would try them for
    /// ever, at a URL where no worker is. The supervisors of other workers find their runs in the
    /// store, and wake them anew.
    async fn forget(&self, objects: &[String]) -> Result<(), DispatchError> {
        for object in objects {
            if self.restate.has(object).await? {
                continue;
            }
            let runs = self.restate.forget(object).await?;
            if runs > 0 {
                tracing::info!(target: "stepwright", %object, runs, "runs are left to others");
            }
        }
        Ok(())
    }
}
