//! Durable waits of functions.

use crate::BoxFuture;
use crate::codes::ErrorId;
use crate::context::{StepContext, rejected};
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
                id: RequirementId::named(cx.path().clone(), "wait", &*name).into(),
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
