//! Enforces the contract of every model.

use futures_util::stream::{BoxStream, Stream};
use futures_util::{FutureExt as _, StreamExt as _};
use std::fmt;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;
use stepwright_core::model::{
    Model, ModelError, ModelErrorKind, ModelEvent, ModelRequest, ModelStream,
};
use stepwright_core::world::Clock;
use stepwright_core::{BoxFuture, Timestamp, World};

/// The default limit of a model's silence. Models that think for long before
/// they speak need more than a minute; a lost connection should not hold a run for an hour.
pub const IDLE_TIMEOUT: Duration = Duration::from_mins(2);

/// The number of events that a stream gives before it lets the other tasks of its thread run. A
/// timeout around a stream that always has more could not end it otherwise.
const EVENTS_AT_ONCE: u32 = 64;

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

/// A model that is held to its contract: see [`guarded`]. It heeds `idle_timeout` and `timeout` of
/// a request's options.
#[derive(Clone, Debug)]
pub struct Guarded<M> {
    model: M,
    idle: Duration,
}

impl<M> Guarded<M> {
    /// Sets how long the model may be silent.
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

    fn ids(&self) -> Vec<&str> {
        self.model.ids()
    }
    fn stream(&self, request: ModelRequest) -> ModelStream {
        let idle = request.options.idle_timeout.unwrap_or(self.idle);
        let timeout = request.options.timeout;
        let clock = TokioClock(tokio::time::Instant::now());
        enforce(self.model.stream(request), idle, timeout, World::new(clock, 0))
    }
    fn notice(&self) -> Option<&str> {
        self.model.notice()
    }
    fn check(&self, request: &ModelRequest) -> Result<(), ModelError> {
        self.model.check(request)
    }
}

/// Tells how long ago it was made, not what day it is: it is there to wait by.
pub(crate) struct TokioClock(pub(crate) tokio::time::Instant);

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        Timestamp(0).plus(self.0.elapsed())
    }
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// Holds one stream to the contract; silence is measured by the clock of `world`.
pub fn guarded_stream(stream: ModelStream, idle: Duration, world: &World) -> ModelStream {
    enforce(stream, idle, None, world.clone())
}

/// As [`guarded_stream`], and the whole answer must come within `timeout`.
pub(crate) fn enforce(
    stream: ModelStream,
    idle: Duration,
    timeout: Option<Duration>,
    world: World,
) -> ModelStream {
    let heard = Timestamp(0);
    let stream = Some(stream);
    Enforced {
        stream,
        idle,
        timeout,
        world,
        alarm: None,
        heard,
        spoke: false,
        at_once: 0,
        end: None,
    }
    .boxed()
}

struct Enforced {
    /// `None` once it has ended: the request is closed at once, not when the reader lets go.
    stream: Option<BoxStream<'static, Result<ModelEvent, ModelError>>>,
    idle: Duration,
    timeout: Option<Duration>,
    world: World,
    /// Set from the first silence. It is not set anew for every event, which would cost more than
    /// the events: when it rings, it is asked whether the model has been silent all the time.
    alarm: Option<BoxFuture<'static, ()>>,
    /// The time at which the model last fell silent.
    heard: Timestamp,
    /// `true` if it has spoken since.
    spoke: bool,
    /// The number of events since the stream last had none.
    at_once: u32,
    /// Set from the first poll, if the whole answer has a time.
    end: Option<BoxFuture<'static, ()>>,
}

impl Enforced {
    /// Is ready when the model has been silent for too long.
    fn poll_silence(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.alarm.is_none() || self.spoke {
            self.heard = self.world.now();
            self.spoke = false;
        }
        loop {
            let alarm = self.alarm.get_or_insert_with(|| self.world.deadline(self.idle));
            std::task::ready!(alarm.poll_unpin(cx));
            let silent = self.world.now().since(self.heard);
            if silent >= self.idle {
                return Poll::Ready(());
            }
            self.alarm = Some(self.world.deadline(self.idle.saturating_sub(silent)));
        }
    }
}

impl Stream for Enforced {
    type Item = Result<ModelEvent, ModelError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let Some(stream) = &mut this.stream else { return Poll::Ready(None) };
        if let (None, Some(timeout)) = (&this.end, this.timeout) {
            this.end = Some(this.world.deadline(timeout));
        }
        let polled =
            if this.at_once < EVENTS_AT_ONCE { stream.poll_next_unpin(cx) } else { yielded(cx) };
        this.at_once = if polled.is_ready() { this.at_once + 1 } else { 0 };
        let item = match polled {
            Poll::Ready(Some(item)) => item,
            Poll::Ready(None) => Err(ModelError::new(
                ModelErrorKind::Truncated,
                "the answer ended before the model had finished",
            )),
            Poll::Pending => {
                let is_over = this.end.as_mut().is_some_and(|end| end.poll_unpin(cx).is_ready());
                let message = if let Some(timeout) = this.timeout.filter(|_| is_over) {
                    format!("the model has not finished within {timeout:?}")
                } else {
                    std::task::ready!(this.poll_silence(cx));
                    format!("the model has been silent for {:?}", this.idle)
                };
                Err(ModelError::new(ModelErrorKind::Timeout, message))
            }
        };
        this.spoke = true;
        if matches!(item, Err(_) | Ok(ModelEvent::Done(_))) {
            this.stream = None;
        }
        Poll::Ready(Some(item))
    }
}

/// Returns `Pending`, and wakes the task when the runtime has looked at its timers.
fn yielded<T>(cx: &mut Context<'_>) -> Poll<T> {
    let polled = pin!(tokio::task::yield_now()).poll(cx);
    debug_assert!(polled.is_pending(), "a new `yield_now` is pending once");
    Poll::Pending
}

impl fmt::Debug for Enforced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Enforced").field("idle", &self.idle).finish_non_exhaustive()
    }
}
