//! Limits of models, which all agents of the process share, and all processes of a store.
//!
//! Limits of nested containers multiply, and those of concurrent runs add up. A provider counts all
//! requests together, and so does this.
//!
//! A request first passes the limits of its process. Only then it enters the queue of the store, so
//! that a process has no more requests there than may be under way.

use futures_util::{Stream, StreamExt as _};
use std::collections::{BTreeMap, VecDeque};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;
use stepwright_core::model::{
    ModelError, ModelErrorKind, ModelEvent, ModelStream, Quota, QuotaLeft,
};
use stepwright_core::store::{RequestLimits, RequestTurn, SharedRequests};
use stepwright_core::{BoxFuture, StoreError, Timestamp, World};

/// The length of the window in which requests and tokens are counted.
const WINDOW: Duration = Duration::from_mins(1);

/// The time after which a request that waits gives a sign of life.
const SIGN: Duration = Duration::from_secs(1);

/// The first and the longest time between two looks at the requests of other processes.
const LOOK: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(500));

/// The longest name of a model in a store, in bytes. A longer one is shortened to a prefix and a
/// hash.
const NAME_BYTES_MAX: usize = 200;

/// The processes whose requests count for limits.
///
/// ```
/// use stepwright_models::{LimitScope, ModelLimits};
/// // A model of this machine, in runs of a database that many machines share.
/// let limits = ModelLimits { concurrency: Some(1), ..ModelLimits::default() };
/// let limits = ModelLimits { scope: LimitScope::Process, ..limits };
/// # assert_ne!(limits.scope, ModelLimits::default().scope);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LimitScope {
    /// All processes that share the store of the run. Without such a store: this process.
    #[default]
    Store,
    /// This process.
    Process,
}

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
    /// The processes whose requests count.
    pub scope: LimitScope,
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
            scope: self.scope,
        }
    }

    /// Returns the limits in the words of a store. `None` if there is none.
    fn shared(self) -> Option<RequestLimits> {
        let Self { concurrency, per_minute, tokens_per_minute, .. } = self;
        let is_limited =
            concurrency.is_some() || per_minute.is_some() || tokens_per_minute.is_some();
        let window = WINDOW;
        is_limited.then_some(RequestLimits {
            concurrency,
            requests: per_minute,
            tokens_at_most: tokens_per_minute,
            window,
        })
    }
}

#[derive(Default)]
struct State {
    /// The strictest of all limits. They hold in the process.
    limits: ModelLimits,
    /// The strictest limits over all processes of a store.
    shared: ModelLimits,
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

/// The number of the next request in a store. With the name of the driver it is unique.
static REQUESTS: AtomicU64 = AtomicU64::new(0);

/// The limiters by the name of a model, or by a provider as `openai:*`.
static LIMITERS: Mutex<BTreeMap<String, Arc<Limiter>>> = Mutex::new(BTreeMap::new());

/// Limits the requests to a model, or to all models of a provider: `openai:*`. If a model is
/// limited several times, the strictest limits hold.
///
/// The requests of this process count, and by default those of all processes that share the store
/// of the run and limit the model too: see [`LimitScope`].
pub fn limit(model: &str, limits: ModelLimits) {
    let mut all = LIMITERS.lock().unwrap_or_else(PoisonError::into_inner);
    let limiter = all.entry(model.to_owned()).or_default().clone();
    drop(all);
    let mut state = limiter.state();
    state.limits = state.limits.and(limits);
    if limits.scope == LimitScope::Store {
        state.shared = state.shared.and(limits);
    }
}

fn limiters(model: &str) -> Vec<(String, Arc<Limiter>)> {
    let all = LIMITERS.lock().unwrap_or_else(PoisonError::into_inner);
    let is_for = |name: &str| match name.strip_suffix('*') {
        Some(start) => model.starts_with(start),
        None => model == name,
    };
    // In the order of their names, so that two requests never wait for each other.
    let limiters = all.iter().filter(|(name, _)| is_for(name));
    limiters.map(|(name, limiter)| (name.clone(), limiter.clone())).collect()
}

/// Returns the name of a limit in a store. It is the same in every process.
fn scope_of(name: &str) -> String {
    if name.len() <= NAME_BYTES_MAX {
        return format!("model:{name}");
    }
    // FNV-1a, because the hashes of the standard library differ from version to version.
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325, step);
    let end = name.floor_char_boundary(NAME_BYTES_MAX);
    format!("model:{}…{hash:016x}", &name[..end])
}

/// The permission to send a request. Keep it until the answer has ended, and give it back with
/// [`Slot::leave`]. Dropped, it is given back soon.
#[must_use = "the request counts as long as this is kept"]
#[derive(Default)]
pub struct Slot {
    limiters: Vec<Arc<Limiter>>,
    /// The entries in the store.
    entries: Vec<Entered>,
}

/// An entry of the store, of a request that is sent or waits.
struct Entered {
    shared: SharedRequests,
    scope: String,
    holder: String,
    /// `true` if it counts for longer than it is under way.
    counts: bool,
}

impl Entered {
    async fn end(self) {
        // If it fails, the entry counts until the lease of its driver ends.
        let _ = self.shared.end(&self.scope, &self.holder, self.counts).await;
    }
}

impl Slot {
    /// Gives the permission back. Other processes know it when the future is ready.
    pub async fn leave(mut self) {
        for entry in std::mem::take(&mut self.entries) {
            entry.end().await;
        }
    }

    /// Waits for the turn of a request among those of all processes.
    async fn enter(
        &mut self,
        (name, limits): (&str, RequestLimits),
        (tokens, shared, world): (u64, &SharedRequests, &World),
        mut waits: impl FnMut(),
    ) -> Result<(), StoreError> {
        let nth = REQUESTS.fetch_add(1, Ordering::Relaxed);
        let (scope, holder) = (scope_of(name), format!("{}#{nth}", shared.driver()));
        let counts = limits.requests.is_some() || limits.tokens_at_most.is_some();
        // Before its first look: the entry goes if this future is dropped while it waits.
        let (own, entry_scope) = (holder.clone(), scope.clone());
        self.entries.push(Entered {
            shared: shared.clone(),
            scope: entry_scope,
            holder: own,
            counts,
        });
        let mut pause = LOOK.0;
        loop {
            let wait = match shared.begin(&scope, &holder, limits, tokens).await? {
                RequestTurn::Now => return Ok(()),
                RequestTurn::Behind { .. } => pause,
                RequestTurn::Later { until } => until.since(shared.now()).clamp(pause, SIGN),
            };
            waits();
            world.sleep(wait).await;
            pause = pause.saturating_mul(2).min(LOOK.1);
        }
    }
}

impl std::fmt::Debug for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Slot").field(&self.limiters.len()).finish()
    }
}

/// Waits until a request with at most so many tokens may be sent to a model. `waits` is called when
/// the request has to wait, and about once a second meanwhile: `true` for the first time.
/// `shared` are the requests of the processes that share the store of the run.
///
/// # Errors
/// Fails if the store does.
///
/// ```
/// # use futures_util::FutureExt as _;
/// # use stepwright_core::World;
/// use stepwright_models::{ModelLimits, limit, slot};
/// limit("in-house:small", ModelLimits { concurrency: Some(1), ..ModelLimits::default() });
/// # let world = World::seeded(0);
/// let first = slot("in-house:small", 100, &world, None, |_| {}).now_or_never().unwrap()?;
/// assert!(slot("in-house:small", 100, &world, None, |_| {}).now_or_never().is_none());
/// drop(first);
/// assert!(slot("in-house:small", 100, &world, None, |_| {}).now_or_never().is_some());
/// # Ok::<(), stepwright_core::StoreError>(())
/// ```
pub async fn slot(
    model: &str,
    tokens: u64,
    world: &World,
    shared: Option<&SharedRequests>,
    mut waits: impl FnMut(bool),
) -> Result<Slot, StoreError> {
    let mut slot = Slot::default();
    let mut is_first = true;
    for (name, limiter) in limiters(model) {
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
        let limits = limiter.state().shared.shared();
        slot.limiters.push(limiter);
        if let (Some(shared), Some(limits)) = (shared, limits) {
            let waits = || waits(std::mem::take(&mut is_first));
            slot.enter((&name, limits), (tokens, shared, world), waits).await?;
        }
    }
    Ok(slot)
}

/// Sends no request to a model for so long, because its provider asked for that. Other processes
/// that limit the model over the same store know it soon.
///
/// ```
/// # use stepwright_core::World;
/// use std::time::Duration;
/// # let world = World::seeded(0);
/// stepwright_models::close("in-house:large", Duration::from_secs(60), &world, None);
/// ```
pub fn close(model: &str, wait: Duration, world: &World, shared: Option<&SharedRequests>) {
    let until = world.now().plus(wait);
    for (_, limiter) in limiters(model) {
        let mut state = limiter.state();
        state.closed_until = state.closed_until.max(until);
    }
    close_for_others(model, wait, shared);
}

/// Lets other processes send no request to a model for so long.
fn close_for_others(model: &str, wait: Duration, shared: Option<&SharedRequests>) {
    let Some(shared) = shared else { return };
    for (name, limiter) in limiters(model) {
        if limiter.state().shared.shared().is_none() {
            continue;
        }
        let (shared, scope) = (shared.clone(), scope_of(&name));
        in_background(async move {
            // If it fails, the provider tells the other processes itself.
            let _ = shared.close(&scope, wait).await;
        });
    }
}

/// Runs a future if there is a runtime.
fn in_background(future: impl Future<Output = ()> + Send + 'static) {
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        runtime.spawn(future);
    }
}

/// Notes the rest of a provider's limits, which its answer told: no request is sent to the model
/// that does not fit into it before it is reset. If nothing is left, other processes that limit the
/// model over the same store wait too.
///
/// ```
/// # use futures_util::FutureExt as _;
/// # use stepwright_core::World;
/// use std::time::Duration;
/// use stepwright_core::model::{Quota, QuotaLeft};
/// use stepwright_models::{note_quota, slot};
/// # let world = World::seeded(0);
/// let requests = Some(QuotaLeft { left: 1, reset: Duration::from_secs(20) });
/// note_quota("in-house:busy", &Quota { requests, tokens: None }, &world, None);
/// assert!(slot("in-house:busy", 100, &world, None, |_| {}).now_or_never().is_some());
/// assert!(slot("in-house:busy", 100, &world, None, |_| {}).now_or_never().is_none());
/// ```
pub fn note_quota(model: &str, quota: &Quota, world: &World, shared: Option<&SharedRequests>) {
    let now = world.now();
    let mut all = LIMITERS.lock().unwrap_or_else(PoisonError::into_inner);
    let limiter = all.entry(model.to_owned()).or_default().clone();
    drop(all);
    let mut state = limiter.state();
    let at = |left: Option<QuotaLeft>| left.map(|left| (left.left, now.plus(left.reset)));
    state.requests_left = at(quota.requests).or(state.requests_left);
    state.tokens_left = at(quota.tokens).or(state.tokens_left);
    drop(state);
    let resets = [quota.requests, quota.tokens].into_iter().flatten();
    if let Some(wait) = resets.filter(|left| left.left == 0).map(|left| left.reset).max() {
        close_for_others(model, wait, shared);
    }
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
/// let mut answer = throttled("in-house:free", 100, (&world, None), |_| {}, answer);
/// assert!(answer.next().now_or_never().unwrap().is_none());
/// ```
pub fn throttled(
    model: &str,
    tokens: u64,
    (world, shared): (&World, Option<SharedRequests>),
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
        slot(&model, tokens, &world, shared.as_ref(), waits).await
    };
    Throttled { entering: Some(Box::pin(entering)), signs, slot: None, answer }.boxed()
}

/// An answer that waits for a slot, and keeps it.
struct Throttled {
    entering: Option<BoxFuture<'static, Result<Slot, StoreError>>>,
    signs: Arc<AtomicU32>,
    slot: Option<Slot>,
    answer: ModelStream,
}

impl Stream for Throttled {
    type Item = Result<ModelEvent, ModelError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(entering) = &mut self.entering {
            match entering.as_mut().poll(cx) {
                Poll::Ready(Ok(slot)) => (self.entering, self.slot) = (None, Some(slot)),
                Poll::Ready(Err(error)) => {
                    self.entering = None;
                    let what = format!("the limits of the model: {error}");
                    return Poll::Ready(Some(Err(ModelError::new(ModelErrorKind::Provider, what))));
                }
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
        let entries = std::mem::take(&mut self.entries);
        if !entries.is_empty() {
            in_background(async move {
                for entry in entries {
                    entry.end().await;
                }
            });
        }
        for limiter in &self.limiters {
            let mut state = limiter.state();
            state.under_way = state.under_way.saturating_sub(1);
            let waiting = std::mem::take(&mut state.waiting);
            drop(state);
            waiting.into_iter().for_each(Waker::wake);
        }
    }
}
