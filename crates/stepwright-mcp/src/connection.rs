//! One connection to a server.

use crate::handler::{CallsUnderWay, Handler};
use crate::patient::Patient;
use crate::recipe::Recipe;
use crate::stdio::{self, Process};
use rmcp::model::{PaginatedRequestParams, ProtocolVersion, Tool};
use rmcp::service::{
    ClientInitializeError, ClientLifecycleMode, Peer, RoleClient, RunningService, ServiceError,
    serve_client_with_lifecycle,
};
use rmcp::transport::async_rw::AsyncRwTransport;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The time in which a server must answer the first request. Programs such as `npx` may install it
/// first.
pub const START_TIMEOUT: Duration = Duration::from_mins(1);

/// The time in which a server must answer a request for a list.
const LIST_TIMEOUT: Duration = Duration::from_secs(30);

/// The largest number of tools of a server. Further ones are an error: a list without an end would
/// fill the memory, and no model can choose from so many.
pub const TOOLS_MAX: usize = 2000;

/// A connection that is ready.
#[derive(Debug)]
pub(crate) struct Running {
    service: RunningService<RoleClient, Handler>,
    pub(crate) calls: Arc<CallsUnderWay>,
    tools_changed: Arc<AtomicBool>,
    tools: Mutex<Option<Arc<[Tool]>>>,
    /// The process of a server that is a command.
    process: Option<Process>,
    since: Instant,
    /// `true` after a failure of the connection, which a server at an address may outlive.
    is_lost: AtomicBool,
}

impl Running {
    /// Connects. Call this on the runtime of connections.
    pub(crate) async fn start(
        name: &Arc<str>,
        recipe: &Recipe,
        asks: bool,
    ) -> Result<Self, String> {
        let calls = Arc::<CallsUnderWay>::default();
        let tools_changed = Arc::<AtomicBool>::default();
        let handler = Handler {
            server: name.clone(),
            calls: calls.clone(),
            tools_changed: tools_changed.clone(),
            asks,
        };
        // Servers of the newest protocol keep no session. Others answer that they do not know the
        // request, and get a handshake.
        let lifecycle = ClientLifecycleMode::Auto {
            preferred_versions: vec![ProtocolVersion::V_2026_07_28],
            legacy_version: None,
        };
        let (service, process) = match recipe {
            Recipe::Command(command) => {
                let (process, stdout, stdin) = stdio::start(name, command).await?;
                let transport = Patient::new(AsyncRwTransport::new_client(stdout, stdin));
                let served = serve_client_with_lifecycle(handler, transport, lifecycle);
                match Box::pin(in_time(served)).await {
                    Ok(served) => (served, Some(process)),
                    Err(why) => return Err(format!("{why}{}", process.last_words().await)),
                }
            }
            Recipe::Url(endpoint) => {
                let transport = Patient::new(endpoint.transport()?);
                let served = serve_client_with_lifecycle(handler, transport, lifecycle);
                (Box::pin(in_time(served)).await?, None)
            }
        };
        let since = Instant::now();
        let (tools, is_lost) = (Mutex::default(), AtomicBool::new(false));
        Ok(Self { service, calls, tools_changed, tools, process, since, is_lost })
    }

    pub(crate) fn peer(&self) -> &Peer<RoleClient> {
        self.service.peer()
    }

    pub(crate) fn is_over(&self) -> bool {
        self.service.is_closed()
            || self.peer().is_transport_closed()
            || self.is_lost.load(Ordering::Relaxed)
    }

    /// Notes that the connection has failed. Those who need the server next make another one.
    pub(crate) fn lose(&self) {
        self.is_lost.store(true, Ordering::Relaxed);
    }

    pub(crate) fn age(&self) -> Duration {
        self.since.elapsed()
    }

    /// Returns the last lines of stderr, as the end of a message.
    pub(crate) fn told(&self) -> String {
        self.process.as_ref().map(|process| process.said().told()).unwrap_or_default()
    }

    /// Returns the tools of the server.
    pub(crate) async fn tools(&self) -> Result<Arc<[Tool]>, ServiceError> {
        let has_changed = self.tools_changed.swap(false, Ordering::Relaxed);
        let lock = || self.tools.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().clone().filter(|_| !has_changed && self.tells_changes()) {
            return Ok(known);
        }
        let (mut all, mut cursor) = (Vec::new(), None);
        loop {
            let page = PaginatedRequestParams::default().with_cursor(cursor);
            let page = tokio::time::timeout(LIST_TIMEOUT, self.peer().list_tools(Some(page)));
            let page =
                page.await.map_err(|_| ServiceError::Timeout { timeout: LIST_TIMEOUT })??;
            all.extend(page.tools);
            cursor = page.next_cursor;
            if cursor.is_none() || all.len() > TOOLS_MAX {
                break;
            }
        }
        let all: Arc<[Tool]> = all.into();
        *lock() = Some(all.clone());
        Ok(all)
    }

    /// Returns `true` if the server says when its tools change.
    fn tells_changes(&self) -> bool {
        let info = self.peer().peer_info();
        let tools = info.as_ref().and_then(|info| info.capabilities.tools.as_ref());
        tools.and_then(|tools| tools.list_changed).unwrap_or(false)
    }
}

async fn in_time<T>(
    served: impl Future<Output = Result<T, ClientInitializeError>>,
) -> Result<T, String> {
    match tokio::time::timeout(START_TIMEOUT, served).await {
        Ok(Ok(service)) => Ok(service),
        Ok(Err(error)) => Err(explained(&error)),
        Err(_) => Err(format!("no answer within {START_TIMEOUT:?}")),
    }
}

/// Returns the message of an error with its causes, of which many repeat the one beneath.
pub(crate) fn explained(error: &(dyn std::error::Error + 'static)) -> String {
    let mut message = error.to_string();
    let mut cause = error.source();
    // The messages around an error of HTTP have the address, in which a key may be.
    let mut of_http: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = of_http {
        if let Some(error) = error.downcast_ref::<stepwright_http::reqwest::Error>() {
            return stepwright_http::causes(error);
        }
        of_http = error.source();
    }
    while let Some(error) = cause {
        let text = error.to_string();
        if !message.contains(&text) {
            message = format!("{message}: {text}");
        }
        cause = error.source();
    }
    message
}
