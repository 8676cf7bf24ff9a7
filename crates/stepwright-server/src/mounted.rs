//! A server inside of another one, which receives the requests.

use crate::drivers::Drivers;
use crate::layers::{self, Front};
use crate::router;
use crate::server::Server;
use crate::state::App;
use axum::body::Body;
use axum::response::Response;
use http::Request;
use hyper_util::service::TowerToHyperService;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use stepwright_core::Error;
use tokio_util::sync::CancellationToken;

/// A server that answers requests which another server has received.
///
/// ```
/// use axum::body::Body;
/// use stepwright_core::Memory;
/// use stepwright_engine::Workflow;
/// use stepwright_server::Server;
/// # async fn greet(name: String) -> String { format!("Hello {name}") }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let memory = Memory::default();
/// let greeting = Workflow::builder("Greeting").store(memory.clone()).step(greet).build()?;
/// let server = Server::builder().store(memory).workflow(&greeting).build()?;
/// let mounted = server.mounted("127.0.0.1:8000".parse()?);
/// let request = http::Request::get("/v1/workflows").header("host", "localhost");
/// let answer = mounted.answer(request.body(Body::empty())?).await;
/// assert_eq!(answer.status(), 200);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Mounted {
    app: App,
    front: Arc<Front>,
    service: TowerToHyperService<axum::Router>,
    is_open_elsewhere: bool,
    drives: bool,
}

impl Server {
    /// Returns the server for another one, which listens at `address`.
    pub fn mounted(self, address: SocketAddr) -> Mounted {
        let Self { app, hosts, is_open_elsewhere, drives } = self;
        app.base.listens_at(address);
        let front = Arc::new(Front::new(app.clone(), &hosts, address));
        let service = TowerToHyperService::new(router::router(&app));
        Mounted { app, front, service, is_open_elsewhere, drives }
    }
}

impl Mounted {
    /// Answers a request.
    pub async fn answer(&self, request: Request<Body>) -> Response {
        layers::answered(&self.front, self.service.clone(), request).await
    }

    /// Returns `true` if other machines may reach it: it has keys, or is insecure on purpose.
    pub fn is_open_elsewhere(&self) -> bool {
        self.is_open_elsewhere
    }

    /// Drives the runs of its workflows, and begins those of their schedules, until `stop` is
    /// cancelled. Then streams end, and runs under way are left in the store for the next process.
    ///
    /// # Errors
    /// If a driver of runs or the scheduler fails or panics.
    pub async fn drive(&self, stop: CancellationToken) -> Result<(), Error> {
        let mut drivers = Drivers::start(&self.app, self.drives).await;
        let ended = tokio::select! {
            () = stop.cancelled() => Ok(()),
            error = drivers.failed() => Err(error),
        };
        self.app.stop();
        drivers.stop_scheduling().await;
        self.app.streams.cancel();
        ended.and(drivers.stop().await)
    }
}

impl fmt::Debug for Mounted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mounted").field("name", &self.app.name).finish_non_exhaustive()
    }
}
