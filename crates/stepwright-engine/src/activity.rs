//! Signs of life of steps that have an idle timeout.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;
use stepwright_core::StepPath;

/// The running steps whose signs of life are counted. Most runs have none.
#[derive(Debug, Default)]
pub(crate) struct Activity {
    count: AtomicUsize,
    watched: Mutex<Vec<(StepPath, Arc<Signs>)>>,
}

/// The signs of life of one step.
#[derive(Debug, Default)]
struct Signs(Mutex<Heard>);

#[derive(Debug, Default)]
struct Heard {
    count: u64,
    /// The pause that the step announced with its last sign, such as a wait for a busy model.
    pause: Duration,
    waker: Option<Waker>,
}

impl Activity {
    /// Counts a sign of life for the step at `at` and for all steps around it. `pause` is the wait
    /// that the step has just announced.
    pub(crate) fn sign(&self, at: &StepPath, pause: Duration) {
        if self.count.load(Ordering::Relaxed) == 0 {
            return;
        }
        for (_, signs) in lock(&self.watched).iter().filter(|(step, _)| step.contains(at)) {
            let waker = {
                let mut heard = lock(&signs.0);
                heard.count += 1;
                heard.pause = pause;
                heard.waker.take()
            };
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }

    /// Counts the signs of life of a step until the returned value is dropped.
    pub(crate) fn watch(&self, step: &StepPath) -> Watch<'_> {
        let signs = Arc::<Signs>::default();
        lock(&self.watched).push((step.clone(), signs.clone()));
        self.count.fetch_add(1, Ordering::Relaxed);
        Watch { activity: self, signs }
    }
}

/// A step whose signs of life are counted.
pub(crate) struct Watch<'a> {
    activity: &'a Activity,
    signs: Arc<Signs>,
}

impl Watch<'_> {
    /// Stops waking the task: the task is running now, and reads the count afterwards.
    pub(crate) fn rest(&self) {
        lock(&self.signs.0).waker = None;
    }

    /// Returns the number of signs so far, and the pause that the last one announced. The next sign
    /// wakes the task, because it may come from another thread or task of the step.
    pub(crate) fn heard(&self, waker: &Waker) -> (u64, Duration) {
        let mut heard = lock(&self.signs.0);
        heard.waker = Some(waker.clone());
        (heard.count, heard.pause)
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        lock(&self.activity.watched).retain(|(_, signs)| !Arc::ptr_eq(signs, &self.signs));
        self.activity.count.fetch_sub(1, Ordering::Relaxed);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
