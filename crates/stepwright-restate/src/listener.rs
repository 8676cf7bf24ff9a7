//! Takes the calls of Restate.

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use restate_sdk::endpoint::Endpoint;
use restate_sdk::hyper::HyperEndpoint;
use std::future::Future;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// The pause after a connection that could not be taken, such as for want of file handles.
const PAUSE: Duration = Duration::from_millis(100);

/// The time that answers have to leave when this worker ends.
const PATIENCE: Duration = Duration::from_secs(5);

/// Calls on one connection besides those that drive runs, such as those of a balancer.
const OTHER_CALLS: u32 = 1;

/// Answers calls until `stop` is cancelled. Then no new connection is taken, the others are asked
/// to go elsewhere, and calls under way have until shortly after `ended` is ready.
pub(crate) async fn listen(
    listener: TcpListener,
    endpoint: Endpoint,
    runs: usize,
    stop: &CancellationToken,
    ended: impl Future<Output = ()>,
) {
    let endpoint = HyperEndpoint::new(endpoint);
    let connections = GracefulShutdown::new();
    let mut builder = Builder::new(TokioExecutor::new());
    // A server that has more runs than this worker takes opens another connection, which a balancer
    // leads to another worker.
    let calls = u32::try_from(runs).unwrap_or(u32::MAX).saturating_add(OTHER_CALLS);
    builder.http2().max_concurrent_streams(calls);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(target: "stepwright", "a connection was not taken: {error}");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let _ = stream.set_nodelay(true);
        let connection = builder.serve_connection(TokioIo::new(stream), endpoint.clone());
        let connection = connections.watch(connection.into_owned());
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(target: "stepwright", "a connection of Restate ended: {error}");
            }
        });
    }
    drop(listener);
    let leaving = connections.shutdown();
    tokio::pin!(leaving);
    tokio::select! {
        () = &mut leaving => return,
        () = ended => {}
    }
    let _ = tokio::time::timeout(PATIENCE, leaving).await;
}
