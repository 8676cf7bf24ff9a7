//! The listener, the connections, and their end.

use crate::drivers::Drivers;
use crate::layers::{self, Front};
use crate::limits::{ACCEPT_DELAY, CONNECTIONS_MAX, GRACE, HEADERS_TIMEOUT};
use crate::router;
use crate::server::Server;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::pin::pin;
use std::sync::Arc;
use stepwright_core::{Error, ErrorKind};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

impl Server {
    /// Serves at `listener` until `stop` is cancelled. Then streams end, requests under way are
    /// answered, and runs under way are left in the store for the next process.
    ///
    /// # Errors
    /// If other machines reach the listener, and the server has no keys and is not
    /// [`insecure`](crate::ServerBuilder::insecure). If the listener fails, or a dispatcher of a
    /// workflow.
    pub async fn serve(self, listener: TcpListener, stop: CancellationToken) -> Result<(), Error> {
        serve(self, listener, stop).await
    }

    /// Checks that the server may listen at an address: see [`Server::serve`].
    ///
    /// # Errors
    /// If other machines reach it, and the server has no keys and is not
    /// [`insecure`](crate::ServerBuilder::insecure).
    pub fn check_address(&self, address: SocketAddr) -> Result<(), Error> {
        if address.ip().is_loopback() || self.is_open_elsewhere {
            return Ok(());
        }
        let what = format!("other machines reach `{address}`, and the server has no keys");
        let hint = "make a key with `stepwright keys create NAME`, or listen on 127.0.0.1";
        Err(Error::usage(what).with_hint(hint))
    }
}

async fn serve(
    server: Server,
    listener: TcpListener,
    stop: CancellationToken,
) -> Result<(), Error> {
    let failed =
        |error: std::io::Error| Error::new(ErrorKind::Run, "cannot serve HTTP").with_source(error);
    let address = listener.local_addr().map_err(failed)?;
    server.check_address(address)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let listener = tokio::net::TcpListener::from_std(listener).map_err(failed)?;
    let Server { app, hosts, drives, .. } = server;
    app.base.listens_at(address);
    let front = Arc::new(Front::new(app.clone(), &hosts, address));
    let service = TowerToHyperService::new(router::router(&app));

    let mut drivers = Drivers::start(&app, drives).await;
    let connections = TaskTracker::new();
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut ended = Ok(());
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
            error = drivers.failed() => {
                ended = Err(error);
                break;
            }
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(ACCEPT_DELAY).await;
            continue;
        };
        // A connection beyond the limit is closed at once: it must not wait in silence.
        let Ok(place) = places.clone().try_acquire_owned() else { continue };
        let (front, service) = (front.clone(), service.clone());
        let (counted, streams) = (app.clone(), app.streams.clone());
        connections.spawn(async move {
            let _counted = counted.counters.connection();
            connection(stream, front, service, streams).await;
            drop(place);
        });
    }
    // Not ready, no new connections, streams end, requests end, and then the runs are left.
    app.stop();
    drop(listener);
    drivers.stop_scheduling().await;
    app.streams.cancel();
    connections.close();
    let _ = tokio::time::timeout(GRACE, connections.wait()).await;
    ended.and(drivers.stop().await)
}

async fn connection(
    stream: TcpStream,
    front: Arc<Front>,
    service: TowerToHyperService<axum::Router>,
    stop: CancellationToken,
) {
    let _ = stream.set_nodelay(true);
    let answer = service_fn(move |request: http::Request<Incoming>| {
        let (front, service) = (front.clone(), service.clone());
        let request = request.map(Body::new);
        async move { Ok::<_, Infallible>(layers::answered(&front, service, request).await) }
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADERS_TIMEOUT)
            .serve_connection(TokioIo::new(stream), answer)
            .with_upgrades()
    );
    tokio::select! {
        _ = connection.as_mut() => return,
        () = stop.cancelled() => {}
    }
    connection.as_mut().graceful_shutdown();
    // A client that does not read its answer must not hold up the end.
    let _ = tokio::time::timeout(GRACE, connection).await;
}
