//! Notifications: requests to other services about what happens to runs.

use crate::ids::check_name;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use stepwright_core::{BoxFuture, Error, ErrorKind, Event, EventKind};
use stepwright_http::reqwest::Url;

/// The time in which a receiver must answer, by default.
const TIMEOUT: Duration = Duration::from_secs(15);

/// The longest time in which a receiver must answer.
pub const NOTIFY_TIMEOUT_MAX: Duration = Duration::from_mins(1);

/// Makes the body of a request.
type MakeBody = Arc<dyn Fn(Value) -> BoxFuture<'static, Result<Value, Error>> + Send + Sync>;

/// Something that happens to a run.
///
/// ```
/// use stepwright_triggers::RunEvent;
/// assert_eq!("paused".parse(), Ok(RunEvent::Paused));
/// assert_eq!(RunEvent::Failed.as_str(), "failed");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RunEvent {
    /// It waits for an answer.
    Paused,
    /// It completed.
    Completed,
    /// It failed.
    Failed,
    /// It was cancelled.
    Cancelled,
}

impl RunEvent {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Paused, Self::Completed, Self::Failed, Self::Cancelled];

    /// Returns the word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Paused => "paused",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Returns what a fact says about its run, if it is one of these.
    pub(crate) fn of(fact: &Event) -> Option<Self> {
        Some(match fact.kind {
            EventKind::WorkflowPaused { .. } => Self::Paused,
            EventKind::WorkflowCompleted { .. } => Self::Completed,
            EventKind::WorkflowError { .. } => Self::Failed,
            EventKind::WorkflowCancelled { .. } => Self::Cancelled,
            _ => return None,
        })
    }
}

impl fmt::Display for RunEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for RunEvent {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|event| event.as_str() == text);
        known.ok_or_else(|| format!("`{text}` is not paused, completed, failed or cancelled"))
    }
}

/// A notification of a workflow: where a request is sent when something happens to a run.
///
/// ```
/// use serde_json::json;
/// use stepwright_triggers::{Notification, RunEvent};
/// let chat = Notification::new("chat", "https://chat.example.org/hooks/7")?
///     .events([RunEvent::Paused, RunEvent::Failed])
///     .signed("whsec_c2VjcmV0")
///     .link_for("#approvals")
///     .body_from(|about| async move { Ok(json!({"text": about["run_id"]})) });
/// assert_eq!(chat.name(), "chat");
/// # Ok::<(), stepwright_core::Error>(())
/// ```
///
/// The function of the body gets `{"delivery", "event", "at", "run_id", "workflow_id",
/// "session_id", "user_id", "error", "requests", "output"}`. The default body is
/// `{"type", "timestamp", "data"}`, as Standard Webhooks has it, without the output.
#[derive(Clone)]
#[must_use]
pub struct Notification {
    name: Arc<str>,
    pub(crate) to: Url,
    events: Arc<[RunEvent]>,
    pub(crate) secret: Option<Arc<str>>,
    pub(crate) link_for: Option<Arc<str>>,
    pub(crate) make_body: Option<MakeBody>,
    pub(crate) timeout: Duration,
}

impl Notification {
    /// Creates a notification about all events, without a signature.
    ///
    /// # Errors
    /// If the name is not made of 1 to 64 letters, digits, `-` and `_` of ASCII, or if the address
    /// is not one of HTTP.
    pub fn new(name: impl AsRef<str>, to: &str) -> Result<Self, Error> {
        let name = name.as_ref();
        check_name("notification", name)?;
        // The address may hold a secret, so the message does not repeat it.
        let url = Url::parse(to.trim()).ok();
        let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let to = url.ok_or_else(|| {
            let what = format!("the address of notification `{name}` is not valid");
            let hint = "an address begins with `https://` or `http://`: `https://example.org/a`";
            Error::new(ErrorKind::Definition, what).with_hint(hint)
        })?;
        Ok(Self {
            name: name.into(),
            to,
            events: RunEvent::ALL.into(),
            secret: None,
            link_for: None,
            make_body: None,
            timeout: TIMEOUT,
        })
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the host that its requests are sent to.
    pub fn host(&self) -> &str {
        self.to.host_str().unwrap_or_default()
    }

    /// Sends only these events.
    pub fn events(mut self, events: impl IntoIterator<Item = RunEvent>) -> Self {
        self.events = events.into_iter().collect();
        self
    }

    /// Signs its requests with this secret, as Standard Webhooks has it.
    pub fn signed(mut self, secret: impl Into<Arc<str>>) -> Self {
        self.secret = Some(secret.into());
        self
    }

    /// Adds a link to each pending request of a pause, by which this person answers it without a
    /// key. It needs a server: see `ServerBuilder::notification`.
    pub fn link_for(mut self, person: impl Into<Arc<str>>) -> Self {
        self.link_for = Some(person.into());
        self
    }

    /// Sets a function that makes the body: JSON.
    pub fn body_from<F, R>(mut self, make: F) -> Self
    where
        F: Fn(Value) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Value, Error>> + Send + 'static,
    {
        self.make_body = Some(Arc::new(move |about| -> BoxFuture<'static, Result<Value, Error>> {
            Box::pin(make(about))
        }));
        self
    }

    /// Sets the time in which the receiver must answer; 15 seconds by default.
    ///
    /// # Errors
    /// If it is zero, or more than [`NOTIFY_TIMEOUT_MAX`].
    pub fn timeout(mut self, timeout: Duration) -> Result<Self, Error> {
        if timeout.is_zero() || timeout > NOTIFY_TIMEOUT_MAX {
            let what = format!("`timeout` of notification `{}` is {timeout:?}", self.name);
            let error = Error::new(ErrorKind::Definition, what);
            return Err(error.with_hint("it must be more than zero and at most 1m"));
        }
        self.timeout = timeout;
        Ok(self)
    }

    /// Returns `true` if this event is sent.
    pub(crate) fn has(&self, event: RunEvent) -> bool {
        self.events.contains(&event)
    }
}

impl fmt::Debug for Notification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The secret is not for logs, and the address may hold another one.
        f.debug_struct("Notification")
            .field("name", &self.name)
            .field("host", &self.host())
            .field("events", &self.events)
            .finish_non_exhaustive()
    }
}
