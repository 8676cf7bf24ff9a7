//! The future that a builder becomes when it is first polled.

use futures_util::future::BoxFuture;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};
use stepwright_core::{Error, RunOutput};

/// A run that is being driven by the caller. The mutex is never contended: it makes the builder
/// `Sync`, so that references to it may be held across an `await`.
pub(super) struct Driven(Mutex<BoxFuture<'static, Result<RunOutput, Error>>>);

impl Driven {
    pub(super) fn new(
        driven: impl Future<Output = Result<RunOutput, Error>> + Send + 'static,
    ) -> Self {
        Self(Mutex::new(Box::pin(driven)))
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<RunOutput, Error>> {
        let driven = self.0.get_mut().unwrap_or_else(PoisonError::into_inner);
        driven.as_mut().poll(cx)
    }
}
