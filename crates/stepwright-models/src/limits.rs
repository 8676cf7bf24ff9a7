//! Limits of models, which all agents of the process share.
//!
//! Limits of nested containers multiply, and those of concurrent runs add up. A provider counts all
//! requests together, and so does this.

use futures_util::{Stream, StreamExt as _};
use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;
use stepwright_core::model::{ModelError, ModelEvent, ModelStream, Quota, QuotaLeft};
use stepwright_core::{BoxFuture, Timestamp, World};

/// The length of the window in which requests and tokens are counted.
const WINDOW: Duration = Duration::from_mins(1);

/// The time after which a request that waits gives a sign of life.
const SIGN: Duration = Duration::from_secs(1);

/// The limits of a model or a provider. `None` is no limit.
///
/// ```
/// use stepwright_models::{ModelLimits, limit};
/// // At most three requests at once and sixty a minute, to all models of this provider together.
/// let (concurrency, per_minute) = (Some(3), Some(60));
/// let limits = ModelLimits { concurrency, per_minute, ..ModelLimits::default() };
/// limit("openai:*", limits);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ModelLimits {
    /// The number of requests at the same time.
    pub concurrency: Option<u32>,
    /// The number of requests in a minute.
    pub per_minute: Option<u32>,
    /// The number of tokens in a minute, as far as they can be known ahead: those of the input, and
    /// the largest answer if the request has a limit of it.
    pub tokens_per_minute: Option<u64>,
}

impl ModelLimits {
    /// Returns the stricter of both for each limit.
    fn and(self, other: Self) -> Self {
        fn least<T: Ord>(one: Option<T>, other: Option<T>) -> Option<T> {
            one.into_iter().chain(other).min()
        }
        Self {
            concurrency: least(self.concurrency, other.concurrency),
            per_minute: least(self.per_minute, other.per_minute),
            tokens_per_minute: least(self.tokens_per_minute, other.tokens_per_minute),
        }
    }
}

#[derive(Default)]
struct State {
    limits: ModelLimits,
    /// The number of requests under way.
    under_way: u32,
    /// The requests of the last minute, with their tokens.
    recent: VecDeque<(Timestamp, u64)>,
    /// The time before which the provider wants no request.
    closed_until: Timestamp,
    /// The rest of the provider's own limits, and when they are reset.
    requests_left: Option<(u64, Timestamp)>,
    tokens_left: Option<(u64, Timestamp)>,
    waiting: Vec<Waker>,
}

#[derive(Default)]
struct Limiter(Mutex<State>);

/// The limiters by the name of a model, or by a provider as `openai:*`.
static LIMITERS: Mutex<BTreeMap<String, Arc<Limiter>>> = Mutex::new(BTreeMap::new());

/// Limits the requests of this process to a model, or to all models of a provider: `openai:*`. If a
/// model is limited several times, the strictest limits hold.
pub fn limit(model: &str, limits: ModelLimits) {
    let mut all = LIMITERS.lock().unwrap_or_else(PoisonError::into_inner);
    let limiter = all.entry(model.to_owned()).or_default().clone();
    drop(all);
    let mut state = limiter.state();
    state.limits = state.limits.and(limits);
}

fn limiters(model: &str) -> Vec<Arc<Limiter>> {
    let all = LIMITERS.lock().unwrap_or_else(PoisonError::into_inner);
    let is_for = |name: &str| match name.strip_suffix('*') {
        Some(start) => model.starts_with(start),
        None => model == name,
    };
    // In the order of their names, so that two requests never wait for each other.
    all.iter().filter(|(name, _)| is_for(name)).map(|(_, limiter)| limiter.clone()).collect()
}

/// The permission to send a request. Keep it until the answer has ended.
#[must_use = "the request counts as long as this is kept"]
pub struct Slot(Vec<Arc<Limiter>>);

impl std::fmt::Debug for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Slot").field(&self.0.len()).finish()
    }
}

/// Waits until a request with at most so many tokens may be sent to a model. `waits` is called when
/// the request has to wait, and about once a second meanwhile: `true` for the first time.
///
/// ```
/// # use futures_util::FutureExt as _;
/// # use stepwright_core::World;
/// use stepwright_models::{ModelLimits, limit, slot};
/// limit("in-house:small", ModelLimits { concurrency: Some(1), ..ModelLimits::default() });
/// # let world = World::seeded(0);
/// let first = slot("in-house:small", 100, &world, |_| {}).now_or_never().unwrap();
/// assert!(slot("in-house:small", 100, &world, |_| {}).now_or_never().is_none());
/// drop(first);
/// assert!(slot("in-house:small", 100, &world, |_| {}).now_or_never().is_some());
/// ```
pub async fn slot(model: &str, tokens: u64, world: &World, mut waits: impl FnMut(bool)) -> Slot {
    let mut slot = Slot(Vec::new());
    let mut is_first = true;
    for limiter in limiters(model) {
        loop {
            let entry = limiter.enter(tokens, world.now());
            if matches!(entry, Entry::Entered) {
                break;
            }
            waits(std::mem::take(&mut is_first));
            if let Entry::Later(pause) = entry {
                world.sleep(pause.min(SIGN)).await;
            } else {
                let freed = poll_fn(|cx| limiter.freed(cx.waker()));
                world.timeout(SIGN, freed).await.unwrap_or_default();
            }
        }
        slot.0.push(limiter);
    }
    slot
}

/// Sends no request to a model before `until`, because its provider asked for that.
///
/// ```
/// # use stepwright_core::Timestamp;
/// stepwright_models::close("in-house:large", Timestamp(60_000));
/// ```
pub fn close(model: &str, until: Timestamp) {
    for limiter in limiters(model) {
        let mut state = limiter.state();
        state.closed_until = state.closed_until.max(until);
    }
}

/// Notes the rest of a provider's limits, which its answer told: no request is sent to the model
/// that does not fit into it before it is reset.
///
/// ```
/// # use futures_util::FutureExt as _;
/// # use stepwright_core::World;
/// use std::time::Duration;
/// use stepwright_core::model::{Quota, QuotaLeft};
/// use stepwright_models::{note_quota, slot};
/// # let world = World::seeded(0);
/// let requests = Some(QuotaLeft { left: 1, reset: Duration::from_secs(20) });
/// note_quota("in-house:busy", &Quota { requests, tokens: None }, world.now());
/// assert!(slot("in-house:busy", 100, &world, |_| {}).now_or_never().is_some());
/// assert!(slot("in-house:busy", 100, &world, |_| {}).now_or_never().is_none());
/// ```
pub fn note_quota(model: &str, quota: &Quota, now: Timestamp) {
    let mut all = LIMITERS.lock().unwrap_or_else(PoisonError::into_inner);
    let limiter = all.entry(model.to_owned()).or_default().clone();
    drop(all);
    let mut state = limiter.state();
    let at = |left: Option<QuotaLeft>| left.map(|left| (left.left, now.plus(left.reset)));
    state.requests_left = at(quota.requests).or(state.requests_left);
    state.tokens_left = at(quota.tokens).or(state.tokens_left);
}

/// Returns an answer whose request is sent once the limits of the model let it. While it waits, the
/// stream gives signs of life, and `waits` is called as by [`slot`].
///
/// ```
/// # use futures_util::{FutureExt as _, StreamExt as _, stream};
/// # use stepwright_core::World;
/// use stepwright_core::model::ModelStream;
/// use stepwright_models::throttled;
/// # let world = World::seeded(0);
/// let answer: ModelStream = stream::empty().boxed();
/// let mut answer = throttled("in-house:free", 100, &world, |_| {}, answer);
/// assert!(answer.next().now_or_never().unwrap().is_none());
/// ```
pub fn throttled(
    model: &str,
    tokens: u64,
    world: &World,
    mut waits: impl FnMut(bool) + Send + 'static,
    answer: ModelStream,
) -> ModelStream {
    let (model, world) = (model.to_owned(), world.clone());
    let signs = Arc::new(AtomicU32::new(0));
    let given = signs.clone();
    let entering = async move {
        let waits = |is_first| {
            given.fetch_add(1, Ordering::Relaxed);
            waits(is_first);
        };
        slot(&model, tokens, &world, waits).await
    };
    Throttled { entering: Some(Box::pin(entering)), signs, slot: None, answer }.boxed()
}

/// An answer that waits for a slot, and keeps it.
struct Throttled {
    entering: Option<BoxFuture<'static, Slot>>,
    signs: Arc<AtomicU32>,
    slot: Option<Slot>,
    answer: ModelStream,
}

impl Stream for Throttled {
    type Item = Result<ModelEvent, ModelError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(entering) = &mut self.entering {
            match entering.as_mut().poll(cx) {
                Poll::Ready(slot) => (self.entering, self.slot) = (None, Some(slot)),
                Poll::Pending if self.signs.swap(0, Ordering::Relaxed) > 0 => {
                    return Poll::Ready(Some(Ok(ModelEvent::Heartbeat)));
                }
                Poll::Pending => return Poll::Pending,
            }
        }
        let item = ready!(self.answer.poll_next_unpin(cx));
        if item.is_none() {
            self.slot = None;
        }
        Poll::Ready(item)
    }
}

enum Entry {
    Entered,
    Full,
    Later(Duration),
}

impl Limiter {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, tokens: u64, now: Timestamp) -> Entry {
        let mut state = self.state();
        while state.recent.front().is_some_and(|(at, _)| now.since(*at) >= WINDOW) {
            state.recent.pop_front();
        }
        if state.closed_until > now {
            return Entry::Later(state.closed_until.since(now));
        }
        state.requests_left = state.requests_left.filter(|(_, reset)| *reset > now);
        state.tokens_left = state.tokens_left.filter(|(_, reset)| *reset > now);
        if let Some((0, reset)) = state.requests_left {
            return Entry::Later(reset.since(now));
        }
        if let Some((left, reset)) = state.tokens_left
            && left < tokens.max(1)
        {
            return Entry::Later(reset.since(now));
        }
        if state.limits.concurrency.is_some_and(|most| state.under_way >= most.max(1)) {
            return Entry::Full;
        }
        let requests = u32::try_from(state.recent.len()).unwrap_or(u32::MAX);
        let used: u64 = state.recent.iter().map(|(_, tokens)| tokens).sum();
        let is_over = state.limits.per_minute.is_some_and(|most| requests >= most.max(1))
            // A request that alone is larger than the limit goes when no other was sent.
            || state.limits.tokens_per_minute.is_some_and(|most| {
                !state.recent.is_empty() && used.saturating_add(tokens) > most
            });
        if is_over && let Some((oldest, _)) = state.recent.front() {
            return Entry::Later(oldest.plus(WINDOW).since(now));
        }
        state.under_way += 1;
        // Those under way are not in what the provider has told.
        if let Some((left, _)) = &mut state.requests_left {
            *left -= 1;
        }
        if let Some((left, _)) = &mut state.tokens_left {
            *left -= tokens.min(*left);
        }
        if state.limits.per_minute.is_some() || state.limits.tokens_per_minute.is_some() {
            state.recent.push_back((now, tokens));
        }
        Entry::Entered
    }

    fn freed(&self, waker: &Waker) -> Poll<()> {
        let mut state = self.state();
        if state.limits.concurrency.is_none_or(|most| state.under_way < most.max(1)) {
            return Poll::Ready(());
        }
        if !state.waiting.iter().any(|other| other.will_wake(waker)) {
            state.waiting.push(waker.clone());
        }
        Poll::Pending
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        for limiter in &self.0 {
            let mut state = limiter.state();
            state.under_way = state.under_way.saturating_sub(1);
            let waiting = std::mem::take(&mut state.waiting);
            drop(state);
            waiting.into_iter().for_each(Waker::wake);
        }
    }
}
