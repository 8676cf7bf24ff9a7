//! Restate as a dispatcher: it decides which worker drives which run, and when.
//!
//! The journal stays in the store of the runs, which must be one that all workers reach. Restate
//! holds no results of steps: a virtual object per run calls a worker, again after a crash, and
//! later when the run waits for a moment. So the rules of its own journal (determinism, sizes,
//! retention) do not reach workflows.
//!
//! # Invariants
//!
//! * The handler calls nothing of Restate (`object.rs`): its journal is an input and an output.
//! * A call that breaks off ends no run (`drives.rs`).
//! * A wake that is lost is repaired by the supervisors of the engine, which look into the store.

mod address;
mod client;
#[cfg(feature = "lean-command")]
mod command;
mod drives;
mod listener;
mod names;
mod object;
mod serving;

pub use address::{AddressError, check};
#[cfg(feature = "lean-command")]
pub use command::command;

use address::Address;
use client::{Restate as Client, Task};
use serving::Settings;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use stepwright_core::dispatch::{Cause, DispatchError, Dispatcher, Drive, Limits, Wake};
use stepwright_core::{BoxFuture, World};
use tokio_util::sync::CancellationToken;

/// A dispatcher on a Restate server, for a store that all workers share.
///
/// The server calls the workers, at a URL that it can reach. Several workers share a URL behind a
/// balancer of connections; all of them must have the same versions of the workflows, and each new
/// version gets a URL of its own.
///
/// ```no_run
/// # use std::sync::Arc;
/// # use stepwright_core::World;
/// # use stepwright_restate::RestateDispatcher;
/// # fn example(world: World) -> Result<(), Box<dyn std::error::Error>> {
/// let restate = RestateDispatcher::new("restate://restate.example:8080", world)?
///     .listen("0.0.0.0:9080".parse()?)
///     .advertise("http://workers-v2.example:9080");
/// // Of each workflow: `builder.store(store).dispatcher(Arc::new(restate))`. A process that only
/// // submits runs needs no more than the address; `Worker::serve` drives them.
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct RestateDispatcher {
    settings: Settings,
}

impl RestateDispatcher {
    /// Creates a dispatcher on the server at `restate://HOST[:PORT]`, which is its ingress (port
    /// 8080 by default). The server is not asked yet.
    ///
    /// The query of the address can have these parameters:
    ///
    /// * `admin=HOST:PORT` is the admin API of the server, by default port 9070 of the same host;
    /// * `listen=IP:PORT` is [`listen`](Self::listen), and `advertise=URL` is
    ///   [`advertise`](Self::advertise).
    ///
    /// # Errors
    /// If the address is not valid: see [`check`].
    pub fn new(address: &str, world: World) -> Result<Self, DispatchError> {
        let address = Address::parse(address).map_err(|error| DispatchError {
            what: "the address of the Restate server is not valid".into(),
            source: Some(error.into()),
        })?;
        let only_here = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let listen = address.listen.unwrap_or(only_here);
        let (advertise, restate) = (address.advertise.clone(), Client::new(address)?);
        Ok(Self { settings: Settings { restate, world, listen, advertise } })
    }

    /// Sets the address at which a worker listens for the server. The default is a free port that
    /// only this machine reaches.
    #[must_use]
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.settings.listen = address;
        self
    }

    /// Sets the URL at which the server calls the worker, or a balancer before several of them. The
    /// default is the address at which the worker listens.
    #[must_use]
    pub fn advertise(mut self, url: impl Into<String>) -> Self {
        self.settings.advertise = Some(url.into());
        self
    }
}

impl Dispatcher for RestateDispatcher {
    fn wake(&self, wake: Wake) -> BoxFuture<'_, Result<(), DispatchError>> {
        Box::pin(async move {
            let Settings { restate, world, .. } = &self.settings;
            let after = wake.at.map(|at| at.since(world.now())).unwrap_or_default();
            let key = key(&wake);
            let task = Task { wake };
            if !restate.send(&task, after, key.as_deref()).await? {
                // The first worker that has it finds the run.
                let Wake { run, workflow, .. } = &task.wake;
                tracing::warn!(
                    target: "stepwright", %run, "it waits for a worker of workflow `{workflow}`"
                );
            }
            Ok(())
        })
    }

    fn serve(
        self: Arc<Self>,
        drive: Arc<dyn Drive>,
        limits: Limits,
        stop: CancellationToken,
    ) -> BoxFuture<'static, Result<(), DispatchError>> {
        Box::pin(serving::serve(self.settings.clone(), drive, limits, stop))
    }

    fn drives_one_at_a_time(&self) -> bool {
        true
    }
}

/// Returns the key of a wake, for which Restate has one invocation of the run at a time. It drops
/// repetitions until that has ended, so that a run in a long queue has one entry for each reason.
fn key(wake: &Wake) -> Option<String> {
    match &wake.cause {
        Cause::Begun => Some("begun".into()),
        Cause::Found { .. } => Some("found".into()),
        Cause::Due => Some(format!("due:{}", wake.at.unwrap_or_default().0)),
        _ => None,
    }
}

impl fmt::Debug for RestateDispatcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ingress = &self.settings.restate.address().ingress;
        let ingress = ingress.as_str();
        f.debug_struct("RestateDispatcher").field("ingress", &ingress).finish_non_exhaustive()
    }
}
