//! The clock of a playback: it stands still while anything works, and then jumps to the next alarm.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use stepwright_core::world::Clock;
use stepwright_core::{BoxFuture, Timestamp};

/// The sleep of the supervisor between two looks. Nothing waits for it, so a jump need not stop
/// there.
const LOOK: Duration = Duration::from_secs(2);

/// The place of plain sleeps among alarms of the same moment: after recorded answers.
const SLEEPS: u64 = u64::MAX;

#[derive(Clone)]
pub(crate) struct PlaybackClock(Arc<Mutex<Alarms>>);

struct Alarms {
    now: Timestamp,
    next: u64,
    /// Counts what has been asked of the clock, so that a driver sees that something works.
    asked: u64,
    waiting: BTreeMap<Key, Waker>,
}

/// The moment of an alarm, its place among those of the same moment, and its number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    at: Timestamp,
    order: u64,
    number: u64,
    is_look: bool,
}

impl PlaybackClock {
    pub(crate) fn new(now: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(Alarms { now, next: 0, asked: 0, waiting: BTreeMap::new() })))
    }

    fn alarms(&self) -> MutexGuard<'_, Alarms> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until a recorded moment. `order` is the number of the recorded fact. Even a moment
    /// that has come waits for its turn: until everything else waits.
    pub(crate) fn until(&self, at: Timestamp, order: u64) -> BoxFuture<'static, ()> {
        self.alarm(at, order, false)
    }

    /// Returns a number that changes whenever something uses the clock.
    pub(crate) fn activity(&self) -> u64 {
        self.alarms().asked
    }

    /// Jumps to the next alarm. Returns `false` if there is none.
    pub(crate) fn advance(&self) -> bool {
        let mut alarms = self.alarms();
        let next = alarms.waiting.keys().find(|key| !key.is_look);
        let Some(key) = next.or_else(|| alarms.waiting.keys().next()).copied() else {
            return false;
        };
        let waker = alarms.waiting.remove(&key);
        alarms.now = alarms.now.max(key.at);
        drop(alarms);
        if let Some(waker) = waker {
            waker.wake();
        }
        true
    }

    fn alarm(&self, at: Timestamp, order: u64, is_look: bool) -> BoxFuture<'static, ()> {
        let mut alarms = self.alarms();
        alarms.next += 1;
        alarms.asked += 1;
        let key = Key { at, order, number: alarms.next, is_look };
        Box::pin(Alarm { clock: self.clone(), key, is_set: false })
    }
}

impl Clock for PlaybackClock {
    fn now(&self) -> Timestamp {
        self.alarms().now
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.alarm(self.now().plus(duration), SLEEPS, duration == LOOK)
    }
}

struct Alarm {
    clock: PlaybackClock,
    key: Key,
    is_set: bool,
}

impl Future for Alarm {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let mut alarms = this.clock.alarms();
        let is_over = match this.key.order {
            SLEEPS => alarms.now >= this.key.at,
            // A jump takes it out.
            _ => this.is_set && !alarms.waiting.contains_key(&this.key),
        };
        if is_over {
            return Poll::Ready(());
        }
        this.is_set = true;
        alarms.waiting.insert(this.key, cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.clock.alarms().waiting.remove(&self.key);
    }
}
