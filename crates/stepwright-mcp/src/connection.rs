//! One connection to a server.

use crate::changes::Changes;
use crate::explained::explained;
use crate::handler::{CallsUnderWay, Handler};
use crate::patient::Patient;
use crate::recipe::Recipe;
use crate::stdio::{self, Process};
use crate::unusable::Unusable;
use crate::watched::Watched;
use crate::web::Endpoint;
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
    changes: Arc<Changes>,
    pub(crate) watched: Arc<Watched>,
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
    ) -> Result<Self, Unusable> {
        let calls = Arc::<CallsUnderWay>::default();
        let changes = Arc::<Changes>::default();
        let watched = Arc::<Watched>::default();
        let handler = Handler {
            server: name.clone(),
            calls: calls.clone(),
            changes: changes.clone(),
            watched: watched.clone(),
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
                    Err(error) => {
                        let why = error.why();
                        return Err(format!("{why}{}", process.last_words().await).into());
                    }
                }
            }
            Recipe::Url(endpoint) => {
                let authorized = endpoint.authorized().await;
                let served = if let Some(client) =
                    authorized.map_err(|why| endpoint.not_authorized(&why))?
                {
                    let transport = Patient::new(endpoint.transport(client)?);
                    let served = serve_client_with_lifecycle(handler, transport, lifecycle);
                    Box::pin(in_time(served)).await
                } else {
                    let transport = Patient::new(endpoint.transport(Endpoint::client()?)?);
                    let served = serve_client_with_lifecycle(handler, transport, lifecycle);
                    Box::pin(in_time(served)).await
                };
                let served = served.map_err(|error| match error {
                    NotServed::Login => endpoint.needs_login(),
                    error @ NotServed::Other(_) => error.why().into(),
                })?;
                (served, None)
            }
        };
        let since = Instant::now();
        let (tools, is_lost) = (Mutex::default(), AtomicBool::new(false));
        Ok(Self { service, calls, changes, watched, tools, process, since, is_lost })
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
        let (is_told, has_changed) = (self.tells_changes(), self.changes.take());
        let lock = || self.tools.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().clone().filter(|_| is_told && !has_changed) {
            return Ok(known);
        }
        match self.listed().await {
            Ok(all) => {
                let all: Arc<[Tool]> = all.into();
                *lock() = Some(all.clone());
                Ok(all)
            }
            Err(error) => {
                // The list that is known is still out of date.
                self.changes.note();
                Err(error)
            }
        }
    }

    async fn listed(&self) -> Result<Vec<Tool>, ServiceError> {
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
        Ok(all)
    }

    /// Returns `true` if the server says when its tools change.
    fn tells_changes(&self) -> bool {
        let Some(info) = self.peer().peer_info() else { return false };
        let declares = info.capabilities.tools.as_ref().and_then(|tools| tools.list_changed);
        if declares != Some(true) {
            return false;
        }
        !self.is_modern() || self.changes.are_told(self.peer())
    }

    /// Returns `true` for a server of the newest protocol.
    pub(crate) fn is_modern(&self) -> bool {
        let newest = ProtocolVersion::V_2026_07_28;
        let info = self.peer().peer_info();
        info.is_some_and(|info| info.protocol_version.as_str() >= newest.as_str())
    }
}

/// The reason why there is no connection.
enum NotServed {
    Login,
    Other(String),
}

impl NotServed {
    fn why(self) -> String {
        match self {
            Self::Login => "it needs a login".to_owned(),
            Self::Other(why) => why,
        }
    }
}

fn not_served(error: &ClientInitializeError) -> NotServed {
    // The first attempt is that with the newest protocol, which the server may not know.
    if let ClientInitializeError::LegacyFallbackFailed { fallback, .. } = error {
        return not_served(fallback);
    }
    let why = explained(error);
    let is_challenged = error.is_authorization_required() || error.auth_challenge().is_some();
    if is_challenged || is_unauthorized(&why) {
        return NotServed::Login;
    }
    NotServed::Other(why)
}

async fn in_time<T>(
    served: impl Future<Output = Result<T, ClientInitializeError>>,
) -> Result<T, NotServed> {
    match tokio::time::timeout(START_TIMEOUT, served).await {
        Ok(Ok(service)) => Ok(service),
        Ok(Err(error)) => Err(not_served(&error)),
        Err(_) => Err(NotServed::Other(format!("no answer within {START_TIMEOUT:?}"))),
    }
}

/// Returns `true` if a server refused a request because it wants a login, or a token.
pub(crate) fn wants_login(error: &ServiceError) -> bool {
    let is_challenged = error.is_authorization_required() || error.auth_challenge().is_some();
    is_challenged || is_unauthorized(&explained(error))
}

/// Returns `true` for the message about a refusal that does not say how to log in.
fn is_unauthorized(message: &str) -> bool {
    message.contains("HTTP 401")
}
