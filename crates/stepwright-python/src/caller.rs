//! The state of a run on Python's side. Steps find it as host state of the run.

use crate::jobs;
use crate::process::runtime;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
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
    /// `true` if functions may hold the caller: its thread, or the task that awaits the run.
    inline: bool,
    /// `true` if the caller reads events.
    reads: bool,
    /// `true` while the task that awaits the run polls it.
    in_task: AtomicBool,
    /// The generator that this thread goes on with when there is nothing to read.
    pump: Mutex<Option<Box<dyn Generating>>>,
    /// The function that the task of the caller goes on with.
    suspended: Mutex<Option<Box<dyn Suspends>>>,
}

/// A generator on the way to its output.
pub(crate) trait Generating: Send {
    /// Shows the next piece. Returns `None` at the end, or if the run does not want more.
    fn next(self: Box<Self>, py: Python<'_>, caller: &Caller) -> Option<Box<dyn Generating>>;
}

/// An async function that waits, in the task of the caller.
pub(crate) trait Suspends: Send {
    /// Returns the coroutine, and what it waits for.
    fn parts(&self, py: Python<'_>) -> [Py<PyAny>; 2];

    /// Returns `true` if the run does not need the answer any more.
    fn is_abandoned(&self) -> bool;

    /// Ends with what the function returned.
    fn done(self: Box<Self>, py: Python<'_>, value: &Bound<'_, PyAny>);

    /// Ends with what the function raised.
    fn failed(self: Box<Self>, py: Python<'_>, error: PyErr);
}

/// The wishes of a caller for a run.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Manner {
    /// `true` if functions may hold the caller.
    pub(crate) inline: bool,
    /// `true` if the caller reads events.
    pub(crate) reads: bool,
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
    /// Returns the caller on this thread, or on this running event loop.
    pub(crate) fn of(
        py: Python<'_>,
        event_loop: Option<Bound<'_, PyAny>>,
        manner: Manner,
    ) -> PyResult<Self> {
        match event_loop {
            Some(event_loop) => Self::on_loop(py, event_loop, manner),
            None => Self::new(py, Arc::new(Home::waiting()), None, manner),
        }
    }

    fn on_loop(py: Python<'_>, event_loop: Bound<'_, PyAny>, manner: Manner) -> PyResult<Self> {
        let link = Arc::new(LoopLink {
            event_loop: event_loop.unbind(),
            thread: std::thread::current().id(),
            wakeup: OnceLock::new(),
        });
        let notified = link.clone();
        let home = Arc::new(Home::notifying(move || notified.clone().notify()));
        let wakeup = Wakeup { home: Arc::downgrade(&home), waiting: Mutex::new(None) };
        let _ = link.wakeup.set(Py::new(py, wakeup)?);
        Self::new(py, home, Some(link), manner)
    }

    fn new(
        py: Python<'_>,
        home: Arc<Home>,
        event_loop: Option<Arc<LoopLink>>,
        manner: Manner,
    ) -> PyResult<Self> {
        runtime(py)?;
        let context = copy_context(py)?.call0()?.unbind();
        let Manner { inline, reads } = manner;
        let in_task = AtomicBool::new(false);
        let (interrupt, pump, suspended) = (Mutex::default(), Mutex::default(), Mutex::default());
        let inner =
            Inner { home, event_loop, context, interrupt, inline, reads, in_task, pump, suspended };
        Ok(Self(Arc::new(inner)))
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

    /// Notes that the caller does not wait for its run any more. What it would have gone on with
    /// holds the caller, so it must be let go.
    pub(crate) fn close(&self) {
        self.0.home.close();
        let pump = self.0.pump.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop((pump, self.take_suspended()));
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

    /// Returns `true` if async functions may run in the task that awaits the run.
    pub(crate) fn awaits(&self) -> bool {
        let may = self.0.inline && !self.0.reads && self.0.event_loop.is_some();
        may && self.0.in_task.load(Ordering::Relaxed)
    }

    /// Notes whether the run is polled by the task that awaits it, and not by a callback.
    pub(crate) fn set_in_task(&self, in_task: bool) {
        self.0.in_task.store(in_task, Ordering::Relaxed);
    }

    /// Returns `true` if the caller reads events.
    pub(crate) fn reads(&self) -> bool {
        self.0.reads
    }

    /// Sets the generator that this thread goes on with when there is nothing to read.
    pub(crate) fn set_pump(&self, pump: Box<dyn Generating>) {
        *self.0.pump.lock().unwrap_or_else(PoisonError::into_inner) = Some(pump);
    }

    /// Gets the next piece of the generator that was set. Returns `false` if there is none.
    pub(crate) fn pump(&self, py: Python<'_>) -> bool {
        let pump = self.0.pump.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(pump) = pump else { return false };
        // Not while it is locked: the generator may do anything.
        if let Some(pump) = pump.next(py, self)
            && !self.is_closed()
        {
            self.set_pump(pump);
        }
        true
    }

    /// Sets the function that the task of the caller goes on with.
    pub(crate) fn suspend(&self, suspended: Box<dyn Suspends>) {
        *self.0.suspended.lock().unwrap_or_else(PoisonError::into_inner) = Some(suspended);
    }

    /// Takes the function that the task of the caller goes on with.
    pub(crate) fn take_suspended(&self) -> Option<Box<dyn Suspends>> {
        self.0.suspended.lock().unwrap_or_else(PoisonError::into_inner).take()
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

/// Returns the function that copies the context variables.
fn copy_context(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static FUNCTION: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let found = FUNCTION.get_or_try_init(py, || -> PyResult<Py<PyAny>> {
        Ok(py.import("contextvars")?.getattr("copy_context")?.unbind())
    })?;
    Ok(found.bind(py))
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
