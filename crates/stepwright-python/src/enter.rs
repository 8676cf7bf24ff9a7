//! The one way in for calls that wait.

use crate::caller::Caller;
use crate::process::runtime;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use stepwright_host::Home;

/// The interval at which Python is asked for signals while a call waits.
const CHECK_SIGNALS_EVERY: Duration = Duration::from_millis(50);

/// The longest time that a cancelled run may take to end.
const END_WITHIN: Duration = Duration::from_secs(2);

/// Leaves the home at the end.
pub(crate) struct Inside<'h>(&'h Home);

impl<'h> Inside<'h> {
    pub(crate) fn enter(home: &'h Home) -> PyResult<Self> {
        match home.enter() {
            true => Ok(Self(home)),
            false => Err(PyRuntimeError::new_err("another thread reads this stream already")),
        }
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// Drives `work` on this thread to its end. The interpreter is kept between steps, and released
/// where there is something to wait for. Ctrl-C calls `cancel`, waits for the end, and is raised.
pub(crate) fn block<T: Send>(
    py: Python<'_>,
    caller: &Caller,
    cancel: impl FnOnce(),
    work: impl Future<Output = T> + Send,
) -> PyResult<T> {
    let runtime = runtime(py)?;
    let _entered = runtime.enter();
    let home = caller.home().clone();
    let _inside = Inside::enter(&home)?;
    let waker = home.waker();
    let mut cx = Context::from_waker(&waker);
    let mut work = Box::pin(work);
    let interrupt = loop {
        home.take_wake();
        if let Poll::Ready(done) = work.as_mut().poll(&mut cx) {
            match caller.take_interrupt() {
                Some(interrupt) => return Err(interrupt),
                None => return Ok(done),
            }
        }
        // What is there to read comes first, so that nothing is computed ahead of its reader.
        let worked = home.work();
        let pumped = caller.pump(py);
        if let Some(interrupt) = caller.take_interrupt() {
            break interrupt;
        }
        if worked || pumped {
            continue;
        }
        py.detach(|| home.wait(CHECK_SIGNALS_EVERY));
        if let Err(interrupt) = py.check_signals() {
            break interrupt;
        }
    };
    cancel();
    finish(py, &home, work.as_mut(), &mut cx);
    Err(interrupt)
}

/// Gives cancelled work the time to end.
fn finish<T>(
    py: Python<'_>,
    home: &Home,
    mut work: Pin<&mut (impl Future<Output = T> + Send)>,
    cx: &mut Context<'_>,
) {
    let begun = Instant::now();
    while begun.elapsed() < END_WITHIN {
        home.take_wake();
        home.work();
        if work.as_mut().poll(cx).is_ready() {
            return;
        }
        py.detach(|| home.wait(CHECK_SIGNALS_EVERY));
    }
}

/// The number of times that work is polled before the event loop gets its turn.
const POLLS_MAX: u32 = 256;

/// Polls `work` on the event loop's thread. `None` if it waits.
pub(crate) fn poll_once<T>(
    py: Python<'_>,
    caller: &Caller,
    mut work: Pin<&mut (dyn Future<Output = T> + Send)>,
) -> PyResult<Option<T>> {
    let runtime = runtime(py)?;
    let _entered = runtime.enter();
    let home = caller.home().clone();
    let _inside = Inside::enter(&home)?;
    let waker = home.waker();
    let mut cx = Context::from_waker(&waker);
    for _ in 0..POLLS_MAX {
        home.take_wake();
        home.work();
        if let Poll::Ready(done) = work.as_mut().poll(&mut cx) {
            return Ok(Some(done));
        }
        if !home.is_woken() {
            return Ok(None);
        }
    }
    Ok(None)
}
