//! The state of a run on Python's side. Steps find it as host state of the run.

use crate::jobs;
use crate::process::runtime;
use pyo3::prelude::*;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::thread::ThreadId;
use stepwright_host::Home;
use tokio::sync::oneshot;

/// The caller of a run.
#[derive(Clone)]
pub(crate) struct Caller(Arc<Inner>);

struct Inner {
    home: Arc<Home>,
    event_loop: Option<Arc<LoopLink>>,
    /// The caller's context variables.
    context: Py<PyAny>,
    /// The exception that ends the program, such as `KeyboardInterrupt`, raised inside of a step.
    interrupt: Mutex<Option<PyErr>>,
    /// `true` if functions may compute on the caller's thread.
    inline: bool,
}

/// The way to an event loop.
struct LoopLink {
    event_loop: Py<PyAny>,
    thread: ThreadId,
    wakeup: OnceLock<Py<Wakeup>>,
}

/// The thread of a run is gone, and with it what should have happened there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gone;

impl Caller {
    /// Returns the caller on this thread, which waits for the run. `inline` says whether functions
    /// may compute on it.
    pub(crate) fn blocking(py: Python<'_>, inline: bool) -> PyResult<Self> {
        let home = Arc::new(Home::waiting());
        Self::new(py, home, None, inline)
    }

    /// Returns the caller on the running event loop.
    pub(crate) fn on_loop(py: Python<'_>, event_loop: Bound<'_, PyAny>) -> PyResult<Self> {
        let link = Arc::new(LoopLink {
            event_loop: event_loop.unbind(),
            thread: std::thread::current().id(),
            wakeup: OnceLock::new(),
        });
        let notified = link.clone();
        let home = Arc::new(Home::notifying(move || notified.clone().notify()));
        let wakeup = Wakeup { home: Arc::downgrade(&home), waiting: Mutex::new(None) };
        let _ = link.wakeup.set(Py::new(py, wakeup)?);
        Self::new(py, home, Some(link), false)
    }

    fn new(
        py: Python<'_>,
        home: Arc<Home>,
        event_loop: Option<Arc<LoopLink>>,
        inline: bool,
    ) -> PyResult<Self> {
        runtime(py)?;
        let context = py.import("contextvars")?.call_method0("copy_context")?.unbind();
        let interrupt = Mutex::new(None);
        Ok(Self(Arc::new(Inner { home, event_loop, context, interrupt, inline })))
    }

    pub(crate) fn home(&self) -> &Arc<Home> {
        &self.0.home
    }

    pub(crate) fn context(&self) -> &Py<PyAny> {
        &self.0.context
    }

    /// Returns the event loop, if the caller has one.
    pub(crate) fn event_loop(&self) -> Option<&Py<PyAny>> {
        self.0.event_loop.as_ref().map(|link| &link.event_loop)
    }

    pub(crate) fn wakeup(&self) -> Option<&Py<Wakeup>> {
        self.0.event_loop.as_ref()?.wakeup.get()
    }

    /// Returns `true` if the caller does not wait for its runs any more. A run that goes on after
    /// that, such as one that was paused, needs another thread.
    pub(crate) fn is_closed(&self) -> bool {
        self.0.home.is_closed()
    }

    /// Returns `true` if functions may compute on the caller's thread.
    pub(crate) fn computes(&self) -> bool {
        self.0.inline && self.0.event_loop.is_none()
    }

    /// Notes an exception that ends the program.
    pub(crate) fn interrupt(&self, error: PyErr) {
        *self.0.interrupt.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
        self.0.home.push(Box::new(|| {}));
    }

    pub(crate) fn is_interrupted(&self) -> bool {
        self.0.interrupt.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    pub(crate) fn take_interrupt(&self) -> Option<PyErr> {
        self.0.interrupt.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Executes `work` on the caller's thread.
    pub(crate) async fn at_home<T: Send + 'static>(
        &self,
        work: impl FnOnce(Python<'_>) -> T + Send + 'static,
    ) -> Result<T, Gone> {
        if self.0.home.is_here() {
            return Python::try_attach(work).ok_or(Gone);
        }
        let (sender, receiver) = oneshot::channel();
        self.0.home.push(Box::new(move || {
            if let Some(done) = Python::try_attach(work) {
                let _ = sender.send(done);
            }
        }));
        receiver.await.map_err(|_| Gone)
    }
}

impl LoopLink {
    fn notify(self: Arc<Self>) {
        if std::thread::current().id() == self.thread {
            Python::try_attach(|py| self.notify_here(py));
            return;
        }
        jobs::push(move |py| {
            let Some(wakeup) = self.wakeup.get() else { return };
            let called = self.event_loop.call_method1(py, "call_soon_threadsafe", (wakeup,));
            if called.is_err() {
                // The loop is closed. What waits for it must not wait for ever.
                wakeup.get().close();
            }
        });
    }

    /// Notifies the loop on its own thread.
    fn notify_here(&self, py: Python<'_>) {
        let Some(wakeup) = self.wakeup.get() else { return };
        // Inside of a poll, the poll looks again.
        let home = wakeup.get().home.upgrade();
        if home.is_none_or(|home| home.is_here()) || wakeup.get().wake(py) {
            return;
        }
        if self.event_loop.call_method1(py, "call_soon", (wakeup,)).is_err() {
            wakeup.get().close();
        }
    }
}

/// Called by an event loop when its run has something to do.
#[pyclass(frozen)]
pub(crate) struct Wakeup {
    /// Weak, because the home holds this by way of its loop.
    home: Weak<Home>,
    waiting: Mutex<Option<Py<PyAny>>>,
}

#[pymethods]
impl Wakeup {
    fn __call__(&self, py: Python<'_>) {
        if let Some(home) = self.home.upgrade() {
            home.take_wake();
            home.work();
        }
        self.wake(py);
    }
}

impl Wakeup {
    fn close(&self) {
        if let Some(home) = self.home.upgrade() {
            home.close();
        }
    }

    /// Wakes the coroutine that waits. Returns `false` if none does.
    fn wake(&self, py: Python<'_>) -> bool {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(waiting) = waiting else { return false };
        // A future that was cancelled meanwhile is done.
        if let Ok(done) = waiting.call_method0(py, "done")
            && !done.is_truthy(py).unwrap_or(true)
        {
            let _ = waiting.call_method1(py, "set_result", (py.None(),));
        }
        true
    }

    /// Sets the future of the coroutine that waits. Returns `false` if there is work already.
    pub(crate) fn wait_with(&self, future: Py<PyAny>) -> bool {
        *self.waiting.lock().unwrap_or_else(PoisonError::into_inner) = Some(future);
        if self.home.upgrade().is_none_or(|home| home.take_wake()) {
            self.waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
            return false;
        }
        true
    }
}
