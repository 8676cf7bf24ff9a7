//! The requests of all processes that share a store, as the run of one of them sees them.

use crate::store::{AnyStore, Leases as _, RequestClaim, RequestTurn, StoreError};
use crate::world::{Timestamp, World};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The requests to models of all processes that share the store of a run.
/// [`StepContext::shared_requests`](crate::StepContext::shared_requests) returns it.
///
/// ```
/// # use futures_util::FutureExt as _;
/// use stepwright_core::store::SharedRequests;
/// use std::time::Duration;
/// use stepwright_core::{StepContext, StoreError};
/// async fn close(cx: &StepContext, wait: Duration) -> Result<(), StoreError> {
///     match cx.shared_requests() {
///         Some(shared) => shared.close("model:in-house:small", wait).await,
///         None => Ok(()),
///     }
/// }
/// let cx = StepContext::detached("Ask");
/// assert!(cx.shared_requests().is_none(), "it has no store");
/// # close(&cx, Duration::ZERO).now_or_never().unwrap()?;
/// # let _ = |shared: SharedRequests| shared.clone();
/// # Ok::<(), StoreError>(())
/// ```
#[derive(Clone)]
pub struct SharedRequests {
    store: AnyStore,
    driver: Arc<str>,
    lease: Duration,
    is_dead: fn(&str) -> bool,
    world: World,
}

/// The limits of a request, without the state of the store.
///
/// ```
/// use stepwright_core::store::RequestLimits;
/// let limits = RequestLimits { concurrency: Some(3), ..RequestLimits::default() };
/// assert_eq!(limits.requests, None);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestLimits {
    /// See [`RequestClaim::concurrency`].
    pub concurrency: Option<u32>,
    /// See [`RequestClaim::requests`].
    pub requests: Option<u32>,
    /// See [`RequestClaim::tokens_at_most`].
    pub tokens_at_most: Option<u64>,
    /// See [`RequestClaim::window`].
    pub window: Duration,
}

impl SharedRequests {
    /// Creates the requests of a store. `driver` has a lease of `lease`, and `is_dead`
    /// returns `true` for a driver that is known to be dead. Only the engine needs this.
    pub fn new(
        store: AnyStore,
        driver: Arc<str>,
        lease: Duration,
        is_dead: fn(&str) -> bool,
        world: World,
    ) -> Self {
        Self { store, driver, lease, is_dead, world }
    }

    /// Asks for the turn of a request, which `holder` names.
    ///
    /// # Errors
    /// Fails if the store does.
    pub async fn begin(
        &self,
        scope: &str,
        holder: &str,
        limits: RequestLimits,
        tokens: u64,
    ) -> Result<RequestTurn, StoreError> {
        let RequestLimits { concurrency, requests, tokens_at_most, window } = limits;
        let mut dead = Vec::new();
        loop {
            // Other processes compare these times with their own clocks.
            let at = self.world.wall();
            let lease = u64::try_from(self.lease.as_millis()).unwrap_or(u64::MAX);
            let claim = RequestClaim {
                scope: scope.into(),
                holder: holder.into(),
                driver: self.driver.clone(),
                concurrency,
                requests,
                tokens_at_most,
                window,
                tokens,
                at,
                stale: Timestamp(at.0.saturating_sub(lease)),
                dead: dead.clone(),
            };
            let turn = self.store.begin_request(claim).await?;
            let RequestTurn::Behind { drivers } = &turn else { return Ok(turn) };
            let known = dead.len();
            for driver in drivers {
                if !dead.contains(driver) && (self.is_dead)(driver) {
                    dead.push(driver.clone());
                }
            }
            if dead.len() == known {
                return Ok(turn);
            }
        }
    }

    /// Ends a request, or its wait. With `counts` it counts for its window.
    ///
    /// # Errors
    /// Fails if the store does.
    pub async fn end(&self, scope: &str, holder: &str, counts: bool) -> Result<(), StoreError> {
        self.store.end_request(scope, holder, counts).await
    }

    /// Lets no request of a scope begin for so long.
    ///
    /// # Errors
    /// Fails if the store does.
    pub async fn close(&self, scope: &str, wait: Duration) -> Result<(), StoreError> {
        self.store.close_requests(scope, self.now().plus(wait)).await
    }

    /// Returns the time by the clock that all processes share.
    pub fn now(&self) -> Timestamp {
        self.world.wall()
    }

    /// Returns the name of the driver of the run.
    pub fn driver(&self) -> &str {
        &self.driver
    }
}

impl fmt::Debug for SharedRequests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SharedRequests").field(&self.driver).finish()
    }
}
