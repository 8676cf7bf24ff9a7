//! Holds every model to its contract.

use futures_util::stream::{BoxStream, Stream};
use futures_util::{FutureExt as _, StreamExt as _};
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use stepwright_core::model::{
    Model, ModelError, ModelErrorKind, ModelEvent, ModelRequest, ModelStream,
};
use stepwright_core::{BoxFuture, World};

/// How long a model may be silent unless somebody says otherwise. Models that think long before
/// they speak need more than a minute; a lost connection should not hold a run for an hour.
pub const IDLE_TIMEOUT: Duration = Duration::from_mins(2);

/// Holds `model` to the contract of [`Model`], whatever its adapter does:
/// a stream that just ends is an error of kind `Truncated`, nothing comes after `Done` or an error,
/// and silence for longer than [`IDLE_TIMEOUT`] is an error of kind `Timeout`.
///
/// Silence is measured by tokio's clock, so its streams must be polled within a tokio runtime;
/// [`guarded_stream`] takes any clock.
///
/// ```
/// use stepwright_core::model::{ModelErrorKind, ModelRequest};
/// use stepwright_models::guarded;
/// use stepwright_testing::model::{Reply, ScriptedModel, check_stream_contract};
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let careless = ScriptedModel::new([Reply::text("half an ans").and_cut()]);
/// let answer = check_stream_contract(&guarded(careless), ModelRequest::default()).await;
/// assert_eq!(answer.unwrap_err().kind, ModelErrorKind::Truncated);
/// # }
/// ```
pub fn guarded<M: Model>(model: M) -> Guarded<M> {
    Guarded { model, idle: IDLE_TIMEOUT }
}

/// A model that is held to its contract: see [`guarded`].
#[derive(Clone, Debug)]
pub struct Guarded<M> {
    model: M,
    idle: Duration,
}

impl<M> Guarded<M> {
    /// Says how long the model may be silent.
    #[must_use]
    pub fn idle_timeout(mut self, idle: Duration) -> Self {
        self.idle = idle;
        self
    }
}

impl<M: Model> Model for Guarded<M> {
    fn id(&self) -> &str {
        self.model.id()
    }
    fn stream(&self, request: ModelRequest) -> ModelStream {
        enforce(self.model.stream(request), self.idle, |idle| tokio::time::sleep(idle).boxed())
    }
    fn notice(&self) -> Option<&str> {
        self.model.notice()
    }
}

/// Holds one stream to the contract; silence is measured by the clock of `world`.
pub fn guarded_stream(stream: ModelStream, idle: Duration, world: &World) -> ModelStream {
    let world = world.clone();
    enforce(stream, idle, move |idle| world.sleep(idle))
}

fn enforce<S>(stream: ModelStream, idle: Duration, sleep: S) -> ModelStream
where
    S: Fn(Duration) -> BoxFuture<'static, ()> + Send + Unpin + 'static,
{
    Enforced { stream: Some(stream), idle, sleep, alarm: None }.boxed()
}

struct Enforced<S> {
    /// `None` once it has ended: the request is closed at once, not when the reader lets go.
    stream: Option<BoxStream<'static, Result<ModelEvent, ModelError>>>,
    idle: Duration,
    sleep: S,
    /// Set while the model is silent.
    alarm: Option<BoxFuture<'static, ()>>,
}

impl<S: Fn(Duration) -> BoxFuture<'static, ()> + Unpin> Stream for Enforced<S> {
    type Item = Result<ModelEvent, ModelError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let Some(stream) = &mut this.stream else { return Poll::Ready(None) };
        let item = match stream.poll_next_unpin(cx) {
            Poll::Ready(Some(item)) => item,
            Poll::Ready(None) => Err(ModelError::new(
                ModelErrorKind::Truncated,
                "the answer ended before the model had finished",
            )),
            Poll::Pending => {
                let (sleep, idle) = (&this.sleep, this.idle);
                let alarm = this.alarm.get_or_insert_with(|| sleep(idle));
                std::task::ready!(alarm.poll_unpin(cx));
                let message = format!("the model has been silent for {idle:?}");
                Err(ModelError::new(ModelErrorKind::Timeout, message))
            }
        };
        this.alarm = None;
        if matches!(item, Err(_) | Ok(ModelEvent::Done(_))) {
            this.stream = None;
        }
        Poll::Ready(Some(item))
    }
}

impl<S> fmt::Debug for Enforced<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Enforced").field("idle", &self.idle).finish_non_exhaustive()
    }
}
