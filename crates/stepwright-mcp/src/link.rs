//! The link to a server, which runs and agents share: it connects when it is needed first, and
//! again when the connection has ended.

use crate::connection::{Running, wants_login};
use crate::explained::explained;
use crate::live::LiveCall;
use crate::recipe::Recipe;
use crate::runtime::runtime;
use crate::unusable::Unusable;
use rmcp::model::Tool;
use rmcp::service::ServiceError;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// The time for which a call stays open while its run is paused with a question of the server.
/// After it the server is told that the call is cancelled.
pub const PARKED_CALL_KEPT: Duration = Duration::from_mins(30);

/// The delay before a server that ended early is started again. It doubles each time.
const RESTART_DELAY: Duration = Duration::from_millis(200);

/// The longest delay.
const RESTART_DELAY_MAX: Duration = Duration::from_secs(30);

/// A server that lived this long has not ended early.
const STABLE_AFTER: Duration = Duration::from_secs(10);

/// The number of attempts to list the tools. Listing changes nothing, so it is repeated.
const LIST_ATTEMPTS: u32 = 3;

#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) name: Arc<str>,
    pub(crate) recipe: Recipe,
    /// `true` if people answer questions of the server.
    pub(crate) asks: bool,
    state: tokio::sync::Mutex<State>,
    /// The last challenge of a server that refused a token: it says how to get a better one.
    challenge: Mutex<Option<String>>,
    /// The calls whose runs are paused, by the keys of the calls.
    parked: Mutex<HashMap<String, (u64, LiveCall)>>,
}

#[derive(Debug, Default)]
struct State {
    running: Option<Arc<Running>>,
    /// The number of times that the server could not be started or ended early, in a row.
    failures: u32,
    not_before: Option<Instant>,
}

impl Link {
    pub(crate) fn new(name: Arc<str>, recipe: Recipe, asks: bool) -> Self {
        let (state, challenge, parked) = <_>::default();
        Self { name, recipe, asks, state, challenge, parked }
    }

    /// Returns the connection, and makes it if there is none. Callers that find none wait for the
    /// first of them.
    pub(crate) async fn connected(self: &Arc<Self>) -> Result<Arc<Running>, Unusable> {
        let link = self.clone();
        // A caller that is dropped does not stop what others wait for.
        let task = runtime().spawn(async move { Box::pin(link.connect()).await });
        task.await.unwrap_or_else(|error| Err(error.to_string().into()))
    }

    async fn connect(&self) -> Result<Arc<Running>, Unusable> {
        let mut state = self.state.lock().await;
        if let Some(running) = &state.running {
            if !running.is_over() {
                return Ok(running.clone());
            }
            let reason = running.told();
            let server = &*self.name;
            tracing::warn!(target: "stepwright", server, "the MCP server ended{reason}");
            if running.age() < STABLE_AFTER {
                state.fails();
            } else {
                state.failures = 0;
            }
            state.running = None;
        }
        if let Some(moment) = state.not_before.take() {
            tokio::time::sleep_until(moment).await;
        }
        match Box::pin(Running::start(&self.name, &self.recipe, self.asks)).await {
            Ok(running) => {
                let running = Arc::new(running);
                state.running = Some(running.clone());
                Ok(running)
            }
            Err(Unusable { why, needs_login }) => {
                // A person who has logged in does not wait.
                if !needs_login {
                    state.fails();
                }
                Err(Unusable { why: self.cleaned(&why), needs_login })
            }
        }
    }

    /// Returns the tools of the server.
    pub(crate) async fn tools(self: &Arc<Self>) -> Result<Arc<[Tool]>, Unusable> {
        let link = self.clone();
        let task = runtime().spawn(async move {
            let mut attempt = 1;
            loop {
                let running = link.connected().await?;
                match running.tools().await {
                    Ok(tools) => return Ok(tools),
                    Err(error) if attempt < LIST_ATTEMPTS && may_pass(&error) => {
                        running.lose();
                        attempt += 1;
                    }
                    Err(error) if wants_login(&error) => {
                        running.lose();
                        link.challenged(&error);
                        if attempt > 1 {
                            return Err(link.needs_login());
                        }
                        // A connection of its own may get a token of its own.
                        attempt += 1;
                    }
                    Err(error) => {
                        let why = link.cleaned(&explained(&error));
                        let why = format!("its tools cannot be listed: {why}{}", running.told());
                        return Err(why.into());
                    }
                }
            }
        });
        task.await.unwrap_or_else(|error| Err(error.to_string().into()))
    }

    /// Notes the challenge of a server that refused a request.
    pub(crate) fn challenged(&self, error: &ServiceError) {
        if let Some(challenge) = error.auth_challenge() {
            *self.challenge.lock().unwrap_or_else(PoisonError::into_inner) = Some(challenge.into());
        }
    }

    /// Returns the last challenge, for a login.
    pub(crate) fn take_challenge(&self) -> Option<String> {
        self.challenge.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Returns the reason why a server that wants a login cannot be used.
    pub(crate) fn needs_login(&self) -> Unusable {
        match &self.recipe {
            Recipe::Command(_) => Unusable::login("it needs a login".to_owned()),
            Recipe::Url(endpoint) => endpoint.needs_login(),
        }
    }

    /// Removes what may be a secret from a message about the connection.
    pub(crate) fn cleaned(&self, message: &str) -> String {
        match &self.recipe {
            Recipe::Command(_) => message.to_owned(),
            Recipe::Url(endpoint) => endpoint.cleaned(message),
        }
    }

    fn parked(&self) -> std::sync::MutexGuard<'_, HashMap<String, (u64, LiveCall)>> {
        self.parked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a call whose run is paused.
    pub(crate) fn park(self: &Arc<Self>, key: String, call: LiveCall) {
        let number = call.number;
        self.parked().insert(key.clone(), (number, call));
        let link = Arc::downgrade(self);
        runtime().spawn(async move {
            tokio::time::sleep(PARKED_CALL_KEPT).await;
            let Some(link) = link.upgrade() else { return };
            let mut parked = link.parked();
            if parked.get(&key).is_some_and(|(other, _)| *other == number) {
                parked.remove(&key);
            }
        });
    }

    /// Returns the call that a paused run left, if this process has it.
    pub(crate) fn unpark(&self, key: &str) -> Option<LiveCall> {
        self.parked().remove(key).map(|(_, call)| call)
    }
}

impl State {
    fn fails(&mut self) {
        self.failures = self.failures.saturating_add(1);
        let doubled = RESTART_DELAY.saturating_mul(1 << self.failures.min(10).saturating_sub(1));
        self.not_before = Some(Instant::now() + doubled.min(RESTART_DELAY_MAX));
    }
}

/// Returns `true` if the same request may succeed later.
fn may_pass(error: &ServiceError) -> bool {
    let is_final = matches!(error, ServiceError::McpError(_) | ServiceError::UnexpectedResponse);
    !is_final
}
