//! The real world: the system's clock, and Tokio's timers.

use futures_util::future::BoxFuture;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::LazyLock;
use std::time::{Duration, UNIX_EPOCH};
use stepwright_core::world::Clock;
use stepwright_core::{Timestamp, World};

struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the system's clock")]
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// The real world, the same for all workflows of the process: the system's clock, Tokio's timers,
/// and chance that is seeded anew in each process.
pub fn real_world() -> World {
    static REAL: LazyLock<World> = LazyLock::new(|| {
        let seed = RandomState::new().hash_one(SystemClock.now());
        World::new(SystemClock, seed)
    });
    REAL.clone()
}
