//! Signs of life of steps that may be idle only for so long.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;
use stepwright_core::StepPath;

/// The steps under way whose signs of life count. In most runs there are none.
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
    /// How long the step has said that it waits from its last sign on: for a model that is busy.
    pause: Duration,
    waker: Option<Waker>,
}

impl Activity {
    /// Notes a sign of life of the step at `at`, which counts for all steps around it, too. `pause`
    /// is how long it waits now, having said so.
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

    /// Counts the signs of life of a step as long as what this returns is kept.
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
    /// No longer wakes its task: that one is at work and looks afterwards.
    pub(crate) fn rest(&self) {
        lock(&self.signs.0).waker = None;
    }

    /// The number of signs so far, and the pause that the last of them announced. The next one
    /// wakes the task, since it may come from a thread or a task of the step's own.
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
