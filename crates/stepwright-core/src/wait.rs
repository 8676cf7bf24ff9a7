//! Durable waits of functions: for answers, and for events from outside.

use crate::BoxFuture;
use crate::awaited::{EVENT_KEY_MAX, EVENT_NAME_MAX, EventMatch};
use crate::codes::ErrorId;
use crate::context::{StepContext, rejected};
use crate::error::Error;
use crate::failure::{ErrorCode, StepError};
use crate::requirement::{Answer, OnTimeout, Requirement, RequirementId, RequirementKind};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt;
use std::future::IntoFuture;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

impl StepContext {
    /// Makes a pending request, and waits until a caller of the run answers it. Meanwhile the run
    /// may pause for any length of time, and uses no resources. Then this step begins again, and
    /// repeats everything before the wait that is not inside [`StepContext::once`].
    ///
    /// The answer counts for all attempts of a round. When a person rejects the output of the step,
    /// or has it tried again after a failure, the next [round](StepContext::round) waits anew, with
    /// a new deadline.
    ///
    /// `name` distinguishes several waits of one step.
    ///
    /// ```no_run
    /// use stepwright_core::{StepContext, StepError};
    /// # use std::time::Duration;
    /// async fn order(cx: StepContext) -> Result<String, StepError> {
    ///     let price: u64 = cx.wait("price").message("What may it cost?").await?;
    ///     Ok(format!("ordered for {price} EUR"))
    /// }
    /// ```
    ///
    /// # Errors
    /// When awaited, fails if the request is rejected, if no answer arrives in time, or if the
    /// answer is not a `T`.
    pub fn wait<T: DeserializeOwned>(&self, name: &str) -> Wait<T> {
        Wait {
            cx: self.clone(),
            name: name.into(),
            message: "".into(),
            schema: None,
            timeout: None,
            on_timeout: OnTimeout::default(),
            wanted: PhantomData,
        }
    }

    /// Waits until an event of this name comes from outside, and returns its payload. As with
    /// [`StepContext::wait`], the run may pause meanwhile, and then this step begins again. Each
    /// [round](StepContext::round) of the step waits for an event of its own.
    ///
    /// A sender sends the event to the store of the run: `stepwright emit`, `POST /v1/events`, or
    /// `Runs::emit`. It reaches every run that waits for it at that moment, and each wait receives
    /// one event.
    ///
    /// ```no_run
    /// use stepwright_core::{StepContext, StepError};
    /// # use std::time::Duration;
    /// #[derive(serde::Deserialize)]
    /// struct Paid { amount: f64 }
    ///
    /// async fn settle(order: String, cx: StepContext) -> Result<String, StepError> {
    ///     let week = Duration::from_secs(7 * 86_400);
    ///     let paid: Paid = cx.wait_for("order.paid").key(order).timeout(week).await?;
    ///     Ok(format!("{} EUR", paid.amount))
    /// }
    /// ```
    ///
    /// # Errors
    /// When awaited, fails if no event comes in time, if the name or the key cannot be used, or if
    /// the payload is not a `T`.
    pub fn wait_for<T: DeserializeOwned>(&self, event: &str) -> WaitFor<T> {
        WaitFor {
            cx: self.clone(),
            event: event.into(),
            name: event.into(),
            key: None,
            condition: None,
            message: "".into(),
            timeout: None,
            on_timeout: OnTimeout::default(),
            wanted: PhantomData,
        }
    }
}

/// A durable wait of a function. See [`StepContext::wait`].
///
/// ```no_run
/// use stepwright_core::{StepContext, StepError};
/// async fn discount(cx: StepContext) -> Result<u64, StepError> {
///     let day = std::time::Duration::from_secs(86_400);
///     cx.wait("percent").message("How much off?").timeout(day).default_answer(5).await
/// }
/// ```
#[must_use = "a wait does nothing until it is awaited"]
pub struct Wait<T> {
    cx: StepContext,
    name: Arc<str>,
    message: Arc<str>,
    schema: Option<Arc<Value>>,
    timeout: Option<Duration>,
    on_timeout: OnTimeout,
    wanted: PhantomData<fn() -> T>,
}

impl<T> Wait<T> {
    /// Sets the question for the person who answers.
    pub fn message(mut self, message: impl Into<Arc<str>>) -> Self {
        self.message = message.into();
        self
    }

    /// Sets the JSON Schema of the answer. Answers that do not match are refused when they are
    /// submitted. See [`form`](crate::form).
    pub fn schema(mut self, schema: Value) -> Self {
        self.schema = Some(Arc::new(schema));
        self
    }

    /// Sets the timeout. When it has passed, the wait fails, unless it has a default answer.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sets the answer to use if none arrives in time.
    pub fn default_answer(mut self, value: impl Into<Value>) -> Self {
        self.on_timeout = OnTimeout::Default(Arc::new(value.into()));
        self
    }
}

impl<T: DeserializeOwned + 'static> IntoFuture for Wait<T> {
    type Output = Result<T, StepError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { cx, name, message, schema, timeout, on_timeout, .. } = self;
        Box::pin(async move {
            let requirement = Requirement {
                id: request_id(&cx, "wait", &name),
                path: cx.path().clone(),
                kind: RequirementKind::Wait { schema },
                message,
                due: timeout.map(|timeout| cx.world().now().plus(timeout)),
                on_timeout,
            };
            match cx.ask(requirement).await? {
                Answer::Submit { value } => serde_json::from_value(value).map_err(|error| {
                    StepError::terminal(format!("the answer to `{name}` does not fit: {error}"))
                        .with_code(ErrorCode::Rejected)
                        .with_id(ErrorId::WAIT_INVALID)
                        .with_hint("give the wait a `schema`, so that such answers are refused")
                }),
                Answer::Reject { feedback } => Err(rejected(feedback.as_deref())),
                other => Err(StepError::terminal(format!("`{name}` was answered with {other}"))
                    .with_id(ErrorId::WAIT_INVALID)),
            }
        })
    }
}

impl<T> fmt::Debug for Wait<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Wait").field(&self.name).finish()
    }
}

/// A durable wait of a function for an event. See [`StepContext::wait_for`].
///
/// ```no_run
/// use stepwright_core::{EventMatch, StepContext, StepError};
/// async fn large(cx: StepContext) -> Result<serde_json::Value, StepError> {
///     cx.wait_for("order.paid").matching(EventMatch::field("amount").at_least(1_000)).await
/// }
/// ```
#[must_use = "a wait does nothing until it is awaited"]
pub struct WaitFor<T> {
    cx: StepContext,
    event: Arc<str>,
    name: Arc<str>,
    key: Option<Arc<str>>,
    condition: Option<Box<EventMatch>>,
    message: Arc<str>,
    timeout: Option<Duration>,
    on_timeout: OnTimeout,
    wanted: PhantomData<fn() -> T>,
}

impl<T> WaitFor<T> {
    /// Sets the key that the event must have, such as the number of an order. A store finds the
    /// runs that wait for a key without reading the others.
    pub fn key(mut self, key: impl Into<Arc<str>>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Sets the condition that the payload must meet. Events that do not meet it pass the run by.
    pub fn matching(mut self, condition: EventMatch) -> Self {
        self.condition = Some(Box::new(condition));
        self
    }

    /// Sets the name of the wait, by default that of the event. It distinguishes several waits of
    /// one step for the same event.
    pub fn named(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = name.into();
        self
    }

    /// Sets a text for people who look at the run.
    pub fn message(mut self, message: impl Into<Arc<str>>) -> Self {
        self.message = message.into();
        self
    }

    /// Sets the timeout. When it has passed, the wait fails, unless it has a default payload.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Sets the payload to use if no event comes in time.
    pub fn default_payload(mut self, payload: impl Into<Value>) -> Self {
        self.on_timeout = OnTimeout::Default(Arc::new(payload.into()));
        self
    }
}

impl<T: DeserializeOwned + 'static> IntoFuture for WaitFor<T> {
    type Output = Result<T, StepError>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { cx, event, name, key, condition, message, timeout, on_timeout, .. } = self;
        Box::pin(async move {
            check_awaited(&event, key.as_deref())?;
            let requirement = Requirement {
                id: request_id(&cx, "event", &name),
                path: cx.path().clone(),
                kind: RequirementKind::Event { name: event.clone(), key, condition },
                message,
                due: timeout.map(|timeout| cx.world().now().plus(timeout)),
                on_timeout,
            };
            let answer = cx.ask(requirement).await.map_err(|error| match error.data.id {
                Some(ErrorId::ANSWER_NOT_IN_TIME) => late(&event),
                _ => error,
            });
            let payload = match answer? {
                Answer::Event { payload, .. } => payload,
                // The default.
                Answer::Submit { value } => value,
                other => {
                    let what = format!("the wait for `{event}` was answered with {other}");
                    return Err(StepError::terminal(what).with_id(ErrorId::WAIT_INVALID));
                }
            };
            serde_json::from_value(payload).map_err(|error| {
                StepError::terminal(format!("the payload of `{event}` does not fit: {error}"))
                    .with_code(ErrorCode::Rejected)
                    .with_id(ErrorId::WAIT_INVALID)
                    .with_hint("take it as a `serde_json::Value`, or give the wait a `match`")
            })
        })
    }
}

/// Returns the id of a wait. Each round of its step waits anew: what the last one received was
/// rejected, or did not come.
fn request_id(cx: &StepContext, kind: &str, name: &str) -> Arc<str> {
    let path = cx.path().clone();
    match cx.round() {
        1 => RequirementId::named(path, kind, name),
        round => RequirementId::named(path, kind, format!("{name}#{round}")),
    }
    .into()
}

/// Checks the name of an event: letters, digits, and `.`, `-`, `_`, `:` and `/` between them.
///
/// ```
/// use stepwright_core::wait::check_event_name;
/// assert!(check_event_name("order.paid").is_ok());
/// let error = check_event_name("order paid").unwrap_err();
/// assert_eq!(error.to_string(), "the name of an event cannot be `order paid`");
/// ```
///
/// # Errors
/// If the name has other characters, is empty, or has more than [`EVENT_NAME_MAX`] bytes.
pub fn check_event_name(name: &str) -> Result<(), Error> {
    let is_valid = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '/');
    if !name.is_empty() && name.len() <= EVENT_NAME_MAX && name.chars().all(is_valid) {
        return Ok(());
    }
    let shown: String = name.chars().take(60).collect();
    let what = format!("the name of an event cannot be `{shown}`");
    Err(Error::usage(what).with_id(ErrorId::EVENT_INVALID).with_hint(format!(
        "use letters, digits, `.`, `-`, `_`, `:` and `/`, at most {EVENT_NAME_MAX} bytes: \
         `order.paid`"
    )))
}

fn late(event: &str) -> StepError {
    StepError::terminal(format!("the event `{event}` did not come in time"))
        .with_code(ErrorCode::TimedOut)
        .with_id(ErrorId::ANSWER_NOT_IN_TIME)
        .with_hint("give it more time, or a payload for this case with `default`")
}

fn check_awaited(event: &str, key: Option<&str>) -> Result<(), StepError> {
    let unusable = |what: String, hint: Option<&str>| {
        let error = StepError::terminal(what).with_id(ErrorId::EVENT_INVALID);
        hint.map_or(error.clone(), |hint| error.with_hint(hint))
    };
    check_event_name(event).map_err(|error| unusable(error.to_string(), error.hint()))?;
    let bytes = key.map_or(0, str::len);
    if bytes > EVENT_KEY_MAX {
        let what = format!("the key of `{event}` has {bytes} bytes; the limit is {EVENT_KEY_MAX}");
        return Err(unusable(what, Some("use a short name, such as the number of an order")));
    }
    Ok(())
}

impl<T> fmt::Debug for WaitFor<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitFor")
            .field("event", &self.event)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}
