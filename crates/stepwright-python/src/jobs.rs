//! A thread that may wait for the interpreter, so that no other thread of ours has to.

use pyo3::prelude::*;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

type Job = Box<dyn FnOnce(Python<'_>) + Send>;

enum Stage {
    Before,
    Running { jobs: Sender<Job>, thread: JoinHandle<()> },
    Ended,
}

static STAGE: Mutex<Stage> = Mutex::new(Stage::Before);

/// The largest number of jobs for which the interpreter is taken once.
const BATCH_MAX: usize = 256;

/// Adds a job, from any thread, with any lock held. Jobs after the end are dropped.
pub(crate) fn push(job: impl FnOnce(Python<'_>) + Send + 'static) {
    let mut stage = STAGE.lock().unwrap_or_else(PoisonError::into_inner);
    if matches!(*stage, Stage::Before) {
        let (sender, receiver) = channel();
        let thread = std::thread::Builder::new().name("stepwright-python".to_owned());
        if let Ok(thread) = thread.spawn(move || work(&receiver)) {
            *stage = Stage::Running { jobs: sender, thread };
        }
    }
    if let Stage::Running { jobs, .. } = &*stage {
        let _ = jobs.send(Box::new(job));
    }
}

fn work(jobs: &Receiver<Job>) {
    while let Ok(first) = jobs.recv() {
        let batch = std::iter::once(first).chain(jobs.try_iter().take(BATCH_MAX));
        // `None` when the interpreter is ending: the jobs are dropped then.
        let _ = Python::try_attach(|py| batch.for_each(|job| job(py)));
    }
}

/// Ends the thread. Must be called without the interpreter, for which the thread may wait.
pub(crate) fn end() {
    let before = {
        let mut stage = STAGE.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *stage, Stage::Ended)
    };
    if let Stage::Running { jobs, thread } = before {
        drop(jobs);
        let _ = thread.join();
    }
}
