//! Runs that are taken up again: a retry of a failed run, and a fork that begins a new one.

use super::opening::{ForkOptions, Opening};
use super::{IntoInput, Resume, RunHandle, RunStream};
use crate::workflow::Workflow;
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};
use std::fmt;
use std::future::IntoFuture;
use std::time::Duration;
use stepwright_core::{Error, OnInterrupted, RunId, RunOutput, UserId};

/// Implements the ways to drive a run that is taken up.
macro_rules! driven {
    ($name:ident, $what:literal) => {
        impl $name {
            #[doc = concat!("Limits the ", $what, " to runs of this user.")]
            pub(crate) fn owned_by(mut self, user: &UserId) -> Self {
                self.resume = self.resume.owned_by(user);
                self
            }

            /// Goes on although the definition has changed, if the new definition still has all
            /// steps that stay as they were.
            pub fn accept_changed_definition(mut self, accept: bool) -> Self {
                self.resume = self.resume.accept_changed_definition(accept);
                self
            }

            /// Sets whether a stream has all events, or only those with content: see
            /// [`Run::stream_events`](crate::Run::stream_events).
            pub fn stream_events(mut self, all: bool) -> Self {
                self.resume = self.resume.stream_events(all);
                self
            }

            /// Adds a value of the host program for the rest of this run: see
            /// [`Run::state`](crate::Run::state).
            pub fn state<T: Clone + Send + Sync + 'static>(mut self, value: T) -> Self {
                self.resume = self.resume.state(value);
                self
            }

            /// Returns the events from now on, as they happen. Dropping the stream cancels the run.
            pub fn stream(self) -> RunStream {
                self.into_resume().stream()
            }

            /// Drives the run in the background, and returns a handle to it at once.
            ///
            /// # Errors
            /// The errors of awaiting it, as far as they come before the run goes on.
            pub async fn background(self) -> Result<RunHandle, Error> {
                self.into_resume().background().await
            }

            /// Drives the run on this thread, for programs without async.
            ///
            /// # Errors
            /// The errors of awaiting it. An error if the caller is async code, which this would
            /// block.
            pub fn blocking(self) -> Result<RunOutput, Error> {
                self.into_resume().blocking()
            }
        }

        impl IntoFuture for $name {
            type Output = Result<RunOutput, Error>;
            type IntoFuture = BoxFuture<'static, Self::Output>;

            fn into_future(self) -> Self::IntoFuture {
                Box::pin(self.into_resume())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple(stringify!($name)).field(&self.resume).finish()
            }
        }
    };
}

/// A failed run to take up again: see [`Workflow::retry`].
///
/// # Errors
/// The errors of awaiting a run, and of a [`Resume`]. [`ErrorKind::Usage`] if the run has not
/// failed.
///
/// [`ErrorKind::Usage`]: stepwright_core::ErrorKind::Usage
#[must_use = "nothing happens until it is awaited, streamed, put into the background or blocked on"]
pub struct Retry {
    resume: Resume,
    cancelled_too: bool,
}

driven!(Retry, "retry");

impl Retry {
    pub(crate) fn new(workflow: Workflow, run: &str) -> Self {
        Self { resume: Resume::new(workflow, run, Vec::new()), cancelled_too: false }
    }

    /// Retries the run also if it was cancelled.
    pub fn cancelled_too(mut self, too: bool) -> Self {
        self.cancelled_too = too;
        self
    }

    /// Answers every request about an effect whose outcome is unknown: see
    /// [`Resume::interrupted`].
    pub fn interrupted(mut self, answer: OnInterrupted) -> Self {
        self.resume = self.resume.interrupted(answer);
        self
    }

    fn into_resume(self) -> Resume {
        self.resume.opened_by(Opening::Retry { cancelled_too: self.cancelled_too })
    }
}

/// A new run that shares the beginning of another one: see [`Workflow::fork`].
///
/// # Errors
/// The errors of awaiting a run, and of a [`Resume`]. [`ErrorKind::Usage`] if the origin has not
/// begun the step, or if the definition has changed.
///
/// [`ErrorKind::Usage`]: stepwright_core::ErrorKind::Usage
#[must_use = "nothing happens until it is awaited, streamed, put into the background or blocked on"]
pub struct Fork {
    resume: Resume,
    options: Box<ForkOptions>,
}

driven!(Fork, "fork");

impl Fork {
    pub(crate) fn new(workflow: Workflow, run: &str) -> Self {
        let resume = Resume::new(workflow, run, Vec::new());
        Self { resume, options: Box::default() }
    }

    /// Sets the step at which the fork leaves its origin, by its path: `write`, `facts/web`, or
    /// `revise#2/write` for the second turn of a loop. Without this, the fork begins anew with the
    /// input of its origin.
    ///
    /// Everything before the step stays as it was. In a parallel or a map around it, the branches
    /// and items that have completed stay as well, and the others begin again.
    pub fn at(mut self, path: impl AsRef<str>) -> Self {
        path.as_ref().clone_into(&mut self.options.at);
        self
    }

    /// Sets the input from the step on. Steps before it keep what they made of the earlier input.
    pub fn input(mut self, input: impl IntoInput) -> Self {
        self.options.input = Some(input.into_input());
        self
    }

    /// Sets the id of the new run, as for [`Run::run_id`](crate::Run::run_id).
    pub fn run_id(mut self, run: impl AsRef<str>) -> Self {
        self.options.run_id = Some(run.as_ref().to_owned());
        self
    }

    /// Sets the session of the new run. Without this, it is a run of the same session as its
    /// origin.
    pub fn session_id(mut self, session: impl AsRef<str>) -> Self {
        self.options.session_id = Some(session.as_ref().to_owned());
        self
    }

    /// Sets the metadata of the new run. Without this, it has the metadata of its origin.
    pub fn metadata(mut self, metadata: Map<String, Value>) -> Self {
        self.options.metadata = Some(metadata);
        self
    }

    /// Sets the timeout of the new run. Without this, it has that of its origin.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.options.timeout = Some(timeout);
        self
    }

    /// Logs every prompt, call, answer and decision: see
    /// [`Run::debug_mode`](crate::Run::debug_mode).
    pub fn debug_mode(mut self, debug: bool) -> Self {
        self.options.debug = debug;
        self
    }

    /// Begins the fork without driving it, and returns its id. [`Workflow::resume`] drives it.
    ///
    /// # Errors
    /// If the fork cannot begin.
    pub async fn create(self) -> Result<RunId, Error> {
        let mut resume = self.into_resume();
        resume.open(false).await?;
        Ok(RunId::new(resume.run())?)
    }

    fn into_resume(self) -> Resume {
        self.resume.opened_by(Opening::Fork(self.options))
    }
}
