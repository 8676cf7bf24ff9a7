//! Stops a part of a walk without dropping it, so that the steps that run afterwards can run.

use std::sync::{Arc, OnceLock};
use stepwright_core::FailureInfo;

/// A part of a walk that can be stopped: a branch, the work under a deadline, or the whole walk.
///
/// To stop is to set a flag and to poll the walk once more. Each place where the walk waits looks
/// at the flag first, and ends with [`Stop::Sibling`](crate::effects::Stop::Sibling). Recorded
/// effects are still replayed, so that a resumed run finds the same results.
#[derive(Clone, Default)]
pub(crate) struct Halt(Arc<Inner>);

#[derive(Default)]
struct Inner {
    why: OnceLock<Arc<FailureInfo>>,
    around: Option<Halt>,
}

impl Halt {
    /// Returns a part of this part.
    pub(crate) fn inside(&self) -> Self {
        Self(Arc::new(Inner { why: OnceLock::new(), around: Some(self.clone()) }))
    }

    /// Returns a part that only the outermost one stops, for steps that run after others were
    /// stopped.
    pub(crate) fn shield(&self) -> Self {
        let mut outermost = self;
        while let Some(around) = &outermost.0.around {
            outermost = around;
        }
        outermost.inside()
    }

    /// Stops this part. The caller polls its work afterwards.
    pub(crate) fn stop(&self, why: FailureInfo) {
        let _ = self.0.why.set(Arc::new(why));
    }

    /// Returns `true` if this part, or one around it, was stopped.
    pub(crate) fn is_stopped(&self) -> bool {
        let mut parts = std::iter::successors(Some(self), |part| part.0.around.as_ref());
        parts.any(|part| part.0.why.get().is_some())
    }

    /// Returns the reason for which this part was stopped: that of the outermost one.
    pub(crate) fn why(&self) -> Option<Arc<FailureInfo>> {
        let around = self.0.around.as_ref().and_then(Self::why);
        around.or_else(|| self.0.why.get().cloned())
    }
}

/// Awaits `work`, unless this part of the walk is stopped. `known` tells that the journal has the
/// result, which is replayed in any case. A macro, because a function would keep the work twice.
macro_rules! unless_stopped {
    ($halt:expr, $known:expr, $work:expr) => {{
        let (halt, known) = (&$halt, $known);
        let mut work = std::pin::pin!($work);
        std::future::poll_fn(|cx| {
            if !known && halt.is_stopped() {
                return std::task::Poll::Ready(Err(crate::effects::Stop::Sibling));
            }
            std::future::Future::poll(work.as_mut(), cx)
        })
        .await
    }};
}
pub(super) use unless_stopped;
