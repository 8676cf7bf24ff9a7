//! The one layer that tries again.

use crate::guard::{IDLE_TIMEOUT, TokioClock, enforce};
use futures_util::{FutureExt as _, Stream, StreamExt as _, future};
use std::hash::{BuildHasher as _, RandomState};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use stepwright_core::model::{AnyModel, Model, ModelError, ModelEvent, ModelRequest, ModelStream};
use stepwright_core::{BoxFuture, World};

/// The default number of retries of a request.
const RETRIES: u32 = 2;

/// The delay before the first retry, unless the provider asks for another.
const DELAY: Duration = Duration::from_millis(500);

/// The longest wait between two requests that a policy comes to by itself.
const DELAY_MAX: Duration = Duration::from_secs(30);

/// The longest wait that a provider may ask for. When it asks for more, the error is given at once:
/// a step that can wait for that long has retries of its own, or another model.
const RETRY_AFTER_MAX: Duration = Duration::from_mins(1);

/// The rules for retries of a failed request.
///
/// Waits grow: the first is about `delay`, each further one about twice as long, up to `delay_max`.
/// Chance takes up to half of each away, so that many who failed together do not come back
/// together. Where the provider says how long to wait, that is how long.
///
/// ```
/// use std::time::Duration;
/// use stepwright_core::model::{AnyModel, ModelError, ModelErrorKind, ModelRequest};
/// use stepwright_models::{RetryPolicy, retrying};
/// use stepwright_testing::model::{Reply, ScriptedModel};
/// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
/// let busy = || Reply::from(ModelError::new(ModelErrorKind::Overloaded, "too busy"));
/// let model = ScriptedModel::new([busy(), busy(), busy(), Reply::text("hello")]);
/// let patient = RetryPolicy { max: 5, delay: Duration::from_secs(1), ..RetryPolicy::default() };
/// let model = AnyModel::new(retrying(model).policy(patient));
/// let answer = model.complete(ModelRequest::default()).await;
/// assert_eq!(answer.unwrap().turn.text(), "hello");
///
/// let model = retrying(ScriptedModel::new([busy(), Reply::text("hello")]));
/// let impatient = AnyModel::new(model.policy(RetryPolicy::never()));
/// assert!(impatient.complete(ModelRequest::default()).await.is_err());
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// The highest number of retries. 0 means none.
    pub max: u32,
    /// The delay before the first retry.
    pub delay: Duration,
    /// The longest delay.
    pub delay_max: Duration,
    /// The longest delay that a provider may ask for. If it asks for more, the error is returned at
    /// once.
    pub retry_after_max: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { max: RETRIES, delay: DELAY, delay_max: DELAY_MAX, retry_after_max: RETRY_AFTER_MAX }
    }
}

impl RetryPolicy {
    /// Never tries again.
    pub fn never() -> Self {
        Self { max: 0, ..Self::default() }
    }

    /// Returns the policy for the requests after `retries` retries.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use stepwright_models::RetryPolicy;
    /// let second = Duration::from_secs(1);
    /// let policy = RetryPolicy { max: 5, delay: second, ..RetryPolicy::default() };
    /// let left = policy.after(2);
    /// assert_eq!((left.max, left.delay), (3, Duration::from_secs(4)));
    /// ```
    #[must_use]
    pub fn after(&self, retries: u32) -> Self {
        let times = 1_u32.checked_shl(retries).unwrap_or(u32::MAX);
        let delay = self.delay.saturating_mul(times);
        Self { max: self.max.saturating_sub(retries), delay, ..self.clone() }
    }

    /// Returns the delay after `error`, the failure of attempt `attempt` counted from 1; `None` if
    /// it is not retried.
    fn delay(&self, error: &ModelError, attempt: u32, world: &World) -> Option<Duration> {
        if attempt > self.max || !error.retryable {
            return None;
        }
        if let Some(wait) = error.retry_after {
            return (wait <= self.retry_after_max).then_some(wait);
        }
        let doubled = self.delay.saturating_mul(1_u32.checked_shl(attempt - 1).unwrap_or(u32::MAX));
        let longest = doubled.min(self.delay_max);
        let thousandths = u32::try_from(world.chance() % 1000).unwrap_or(0);
        Some(longest.saturating_sub(longest / 2000 * thousandths))
    }
}

/// Sends the requests of `model` again when they fail before anything was answered, by
/// [`RetryPolicy::default`]. Waits by Tokio's clock.
///
/// For models that a program asks itself: agents try again by themselves, and a model that is
/// wrapped in this as well would be asked too often.
///
/// ```
/// use stepwright_core::message::Message;
/// use stepwright_core::model::{AnyModel, ModelError, ModelErrorKind, ModelRequest};
/// use stepwright_models::retrying;
/// use stepwright_testing::model::{Reply, ScriptedModel};
/// # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() {
/// let busy = ModelError::new(ModelErrorKind::Overloaded, "too busy");
/// let model = ScriptedModel::new([Reply::from(busy), Reply::text("hello")]);
/// let answer = AnyModel::new(retrying(model)).complete(ModelRequest::default()).await.unwrap();
/// assert_eq!(answer.turn.text(), "hello");
/// # }
/// ```
pub fn retrying(model: impl Model) -> Retrying {
    // Any seed will do that others do not have.
    let seed = RandomState::new().hash_one(0);
    let world = World::new(TokioClock(tokio::time::Instant::now()), seed);
    Retrying { model: AnyModel::new(model), policy: RetryPolicy::default(), world }
}

/// A model whose requests are sent again: see [`retrying`].
#[derive(Clone, Debug)]
pub struct Retrying {
    model: AnyModel,
    policy: RetryPolicy,
    world: World,
}

impl Retrying {
    /// Says how often, and after how long.
    #[must_use]
    pub fn policy(mut self, policy: RetryPolicy) -> Self {
        self.policy = policy;
        self
    }
}

impl Model for Retrying {
    fn id(&self) -> &str {
        self.model.id()
    }

    fn ids(&self) -> Vec<&str> {
        self.model.ids()
    }
    fn stream(&self, request: ModelRequest) -> ModelStream {
        let idle = request.options.idle_timeout.unwrap_or(IDLE_TIMEOUT);
        let on_retry = |_: &ModelError, _, _| future::ok(()).boxed();
        retrying_stream(&self.model, request, self.policy.clone(), idle, &self.world, on_retry)
    }
    fn notice(&self) -> Option<&str> {
        self.model.notice()
    }
    fn check(&self, request: &ModelRequest) -> Result<(), ModelError> {
        self.model.check(request)
    }
}

/// Asks `model`, and asks again when an attempt fails before its first event was handed on. Each
/// attempt is held to the contract of [`Model`]; it may be silent for `idle`, and take the whole
/// `timeout` of the request's options. Waits in `world`.
///
/// `on_retry` is told of each failure that is tried again: the error, which attempt it was, counted
/// from 1, and how long it waits when `on_retry` is done. If that fails, its error is the end.
///
/// Signs of life are no events: they are not handed on before the model speaks.
///
/// ```
/// use futures_util::{FutureExt as _, StreamExt as _};
/// use stepwright_core::World;
/// use stepwright_core::model::{AnyModel, ModelError, ModelErrorKind, ModelRequest};
/// use stepwright_core::world::VirtualClock;
/// use stepwright_models::guard::IDLE_TIMEOUT;
/// use stepwright_models::{RetryPolicy, retrying_stream};
/// use stepwright_testing::model::{Reply, ScriptedModel};
///
/// let clock = VirtualClock::default();
/// let world = World::new(clock.clone(), 42);
/// let busy = ModelError::new(ModelErrorKind::Overloaded, "too busy");
/// let model = AnyModel::new(ScriptedModel::new([Reply::from(busy), Reply::text("hello")]));
/// let told = |error: &ModelError, attempt, _| {
///     assert_eq!((error.message.as_str(), attempt), ("too busy", 1));
///     std::future::ready(Ok(())).boxed()
/// };
/// let (request, policy) = (ModelRequest::default(), RetryPolicy::default());
/// let events = retrying_stream(&model, request, policy, IDLE_TIMEOUT, &world, told);
/// let events = clock.run(events.collect::<Vec<_>>());
/// assert!(events.iter().all(Result::is_ok));
/// ```
pub fn retrying_stream(
    model: &AnyModel,
    mut request: ModelRequest,
    policy: RetryPolicy,
    idle: Duration,
    world: &World,
    on_retry: impl FnMut(&ModelError, u32, Duration) -> Told + Send + 'static,
) -> ModelStream {
    // The guards below this one shall not be more impatient.
    let idle = *request.options.idle_timeout.get_or_insert(idle);
    let (model, world) = (model.clone(), world.clone());
    let on_retry = Box::new(on_retry);
    let asking = Asking { model, request, policy, idle, world, on_retry };
    Asked { asking, state: State::Begin(1) }.boxed()
}

struct Asking {
    model: AnyModel,
    request: ModelRequest,
    policy: RetryPolicy,
    idle: Duration,
    world: World,
    on_retry: Box<OnRetry>,
}

type OnRetry = dyn FnMut(&ModelError, u32, Duration) -> Told + Send;

/// A callback that runs before the delay of a retry begins.
type Told = BoxFuture<'static, Result<(), ModelError>>;

impl Asking {
    fn ask(&self) -> ModelStream {
        let request = self.request.clone();
        let timeout = request.options.timeout;
        enforce(self.model.stream(request), self.idle, timeout, self.world.clone())
    }
}

struct Asked {
    asking: Asking,
    state: State,
}

enum State {
    /// This attempt is to be made.
    Begin(u32),
    /// Nothing has come yet.
    Waiting(ModelStream, u32),
    /// The attempt before this one has failed, and that is told.
    Telling(Told, Duration, u32),
    /// The delay before this attempt.
    Pausing(BoxFuture<'static, ()>, u32),
    /// Something was handed on: there is no way back.
    Speaking(ModelStream),
    Over,
}

impl Stream for Asked {
    type Item = Result<ModelEvent, ModelError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Self { asking, state } = &mut *self;
        loop {
            *state = match state {
                State::Speaking(answer) => return answer.poll_next_unpin(cx),
                State::Begin(attempt) => State::Waiting(asking.ask(), *attempt),
                State::Telling(told, wait, attempt) => match ready!(told.poll_unpin(cx)) {
                    Ok(()) => State::Pausing(asking.world.sleep(*wait), *attempt),
                    Err(error) => {
                        *state = State::Over;
                        return Poll::Ready(Some(Err(error)));
                    }
                },
                State::Pausing(pause, attempt) => {
                    ready!(pause.poll_unpin(cx));
                    State::Begin(*attempt)
                }
                State::Waiting(answer, attempt) => {
                    let attempt = *attempt;
                    match ready!(answer.poll_next_unpin(cx)) {
                        Some(Ok(ModelEvent::Heartbeat)) => continue,
                        Some(Err(error)) => {
                            let wait = asking.policy.delay(&error, attempt, &asking.world);
                            // The request is closed before the next one is made.
                            *state = State::Over;
                            let Some(wait) = wait else { return Poll::Ready(Some(Err(error))) };
                            let told = (asking.on_retry)(&error, attempt, wait);
                            State::Telling(told, wait, attempt + 1)
                        }
                        event => {
                            if let State::Waiting(answer, _) = std::mem::replace(state, State::Over)
                            {
                                *state = State::Speaking(answer);
                            }
                            return Poll::Ready(event);
                        }
                    }
                }
                State::Over => return Poll::Ready(None),
            };
        }
    }
}
