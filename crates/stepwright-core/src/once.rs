//! Effects that happen once.

use crate::codes::ErrorId;
use crate::context::StepContext;
use crate::event::EventKind;
use crate::failure::{ErrorCode, StepError};
use crate::interrupted::{OnInterrupted, Resolved};
use crate::{BoxError, BoxFuture};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt;
use std::future::IntoFuture;
use std::sync::Arc;

/// The key of the time that a step sees. A step that a retry of the run begins anew records it
/// anew: it is no effect on the world.
///
/// ```
/// use stepwright_core::once::TIME;
/// assert_eq!(TIME, "now");
/// ```
pub const TIME: &str = "now";

impl StepContext {
    /// Runs `work` once, even if this step is retried or resumed. The result is in the journal
    /// before the caller gets it; later attempts get it from there. A failure is not recorded, so
    /// the next attempt runs `work` again. Inside a tool call, `key` belongs to that call. The key
    /// [`TIME`] is that of the time that the step sees.
    ///
    /// The process may die after `work` has ended and before its result is recorded. Then the next
    /// attempt runs `work` again, so the guarantee is at least once. To narrow it, pass the key of
    /// the effect to a service that recognises repeated requests
    /// ([`StepContext::idempotency_key`]), query the service first ([`Once::reconcile`]), or ask a
    /// person ([`Once::on_interrupted`]).
    ///
    /// ```
    /// # use futures_util::FutureExt as _;
    /// use stepwright_core::{StepContext, StepError};
    /// # async fn charge(_: &str) -> Result<u64, std::io::Error> { Ok(7) }
    /// async fn order(cx: StepContext) -> Result<String, StepError> {
    ///     let receipt: u64 = cx.once("charge", charge(&cx.idempotency_key())).await?;
    ///     Ok(format!("receipt {receipt}"))
    /// }
    /// let done = order(StepContext::detached("Order")).now_or_never().unwrap()?;
    /// assert_eq!(done, "receipt 7");
    /// # Ok::<(), StepError>(())
    /// ```
    ///
    /// # Errors
    /// When awaited, fails with the error from `work`, if the recorded value is not a `T`, or if
    /// the journal is lost. Also fails if the outcome of an earlier attempt is unknown and the
    /// policy is to fail.
    pub fn once<T, E, W>(&self, key: &str, work: W) -> Once<'_, T, W>
    where
        T: Serialize + DeserializeOwned,
        E: Into<BoxError>,
        W: Future<Output = Result<T, E>>,
    {
        Once::new(self, key, work)
    }
}

/// An effect that happens once. See [`StepContext::once`]. It begins when it is awaited.
///
/// The process may die while `work` is running. Then the effect may or may not have happened, and
/// by default the next attempt runs it again, so it happens at least once. [`Once::reconcile`]
/// queries the service first, and [`Once::on_interrupted`] fails or asks a person. Both record the
/// start of the work, which costs one append; a plain `once` does not.
///
/// ```
/// # use futures_util::FutureExt as _;
/// use stepwright_core::{StepContext, StepError};
/// # async fn charge(_: &str) -> Result<u64, std::io::Error> { Ok(7) }
/// # async fn find_charge(_: &str) -> Result<Option<u64>, std::io::Error> { Ok(None) }
/// async fn order(cx: StepContext) -> Result<u64, StepError> {
///     let key = cx.idempotency_key();
///     cx.once("charge", charge(&key)).reconcile(find_charge(&key)).await
/// }
/// assert_eq!(order(StepContext::detached("Order")).now_or_never().unwrap()?, 7);
/// # Ok::<(), StepError>(())
/// ```
#[must_use = "an effect does not happen until it is awaited"]
pub struct Once<'a, T, W> {
    cx: &'a StepContext,
    key: Arc<str>,
    work: W,
    probe: Option<BoxFuture<'a, Result<Option<T>, StepError>>>,
    policy: Option<OnInterrupted>,
}

impl<'a, T, W> Once<'a, T, W> {
    pub(crate) fn new(cx: &'a StepContext, key: &str, work: W) -> Self {
        Self { cx, key: key.into(), work, probe: None, policy: None }
    }

    /// Sets a probe that checks whether an interrupted effect has happened. It returns the result
    /// of the effect, or `None` if the effect did not happen; then `work` runs. If the probe fails,
    /// the step fails with its error, and `work` does not run.
    ///
    /// A probe takes precedence over the policy.
    pub fn reconcile<P>(mut self, probe: P) -> Self
    where
        P: Future<Output: ProbeAnswer<T>> + Send + 'a,
        T: 'a,
    {
        self.probe = Some(Box::pin(async move { probe.await.into_answer() }));
        self
    }

    /// Sets the policy for an interrupted effect. The default is `Retry`.
    pub fn on_interrupted(mut self, policy: OnInterrupted) -> Self {
        self.policy = Some(policy);
        self
    }
}

/// The answer of a probe: an `Option<T>`, or a `Result` of one. See [`Once::reconcile`].
///
/// ```
/// use stepwright_core::once::ProbeAnswer;
/// // A probe answers with the result of the effect, or with nothing if it did not happen.
/// let found: Result<Option<u32>, std::io::Error> = Ok(Some(7));
/// assert_eq!(found.into_answer().unwrap(), Some(7));
/// ```
pub trait ProbeAnswer<T> {
    /// Returns the result of the effect, or `None` if it did not happen.
    ///
    /// # Errors
    /// Fails if the probe fails.
    fn into_answer(self) -> Result<Option<T>, StepError>;
}

impl<T> ProbeAnswer<T> for Option<T> {
    fn into_answer(self) -> Result<Self, StepError> {
        Ok(self)
    }
}

impl<T, E: Into<BoxError>> ProbeAnswer<T> for Result<Option<T>, E> {
    fn into_answer(self) -> Result<Option<T>, StepError> {
        self.map_err(StepError::from_error)
    }
}

impl<'a, T, E, W> IntoFuture for Once<'a, T, W>
where
    T: Serialize + DeserializeOwned + Send + 'a,
    E: Into<BoxError> + 'a,
    W: Future<Output = Result<T, E>> + Send + 'a,
{
    type Output = Result<T, StepError>;
    type IntoFuture = BoxFuture<'a, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.done())
    }
}

impl<T: Serialize + DeserializeOwned + Send, W> Once<'_, T, W> {
    async fn done<E>(self) -> Result<T, StepError>
    where
        E: Into<BoxError>,
        W: Future<Output = Result<T, E>> + Send,
    {
        let Self { cx, key, work, probe, policy } = self;
        if let Some(value) = cx.recorded(&key) {
            return read(&key, value);
        }
        let policy = policy.filter(|policy| *policy != OnInterrupted::Retry);
        let is_noted = probe.is_some() || policy.is_some();
        if is_noted {
            if let Some(begun) = cx.effect_interrupted(&key) {
                if let Some(probe) = probe {
                    if let Some(done) = probe.await? {
                        cx.record(recorded(&key, &done)?).await?;
                        return Ok(done);
                    }
                } else {
                    let policy = policy.unwrap_or(OnInterrupted::Retry);
                    match cx.resolve_interrupted(policy, Some(&key), begun).await? {
                        Resolved::Done(value) => {
                            let done = read(&key, value)?;
                            cx.record(recorded(&key, &done)?).await?;
                            return Ok(done);
                        }
                        Resolved::Again => {}
                    }
                }
            }
            cx.record(EventKind::StepEffectStarted { key: key.clone() }).await?;
        }
        let done: Result<T, StepError> = work.await.map_err(StepError::from_error);
        match done {
            Ok(done) => {
                cx.record(recorded(&key, &done)?).await?;
                Ok(done)
            }
            Err(error) => {
                if is_noted && error.data.code != ErrorCode::OutcomeUnknown {
                    let data = error.data.clone();
                    cx.record(EventKind::StepEffectFailed { key, error: data }).await?;
                }
                Err(error)
            }
        }
    }
}

fn read<T: DeserializeOwned>(key: &str, value: Value) -> Result<T, StepError> {
    serde_json::from_value(value).map_err(|error| {
        StepError::terminal(format!("the recorded value of `{key}` has another type: {error}"))
            .with_id(ErrorId::RECORD_UNFIT)
            .with_hint("use another key when the type of the result changes")
    })
}

/// Returns the event that records the result of an effect.
fn recorded<T: Serialize>(key: &Arc<str>, done: &T) -> Result<EventKind, StepError> {
    let value = serde_json::to_value(done).map_err(|error| {
        StepError::terminal(format!("the result of `{key}` cannot be written as JSON: {error}"))
            .with_id(ErrorId::RECORD_UNFIT)
    })?;
    Ok(EventKind::StepRecorded { key: key.clone(), value })
}

impl<T, W> fmt::Debug for Once<'_, T, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Once")
            .field("key", &self.key)
            .field("reconciles", &self.probe.is_some())
            .field("on_interrupted", &self.policy)
            .finish_non_exhaustive()
    }
}
