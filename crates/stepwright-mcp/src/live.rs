//! A call of a tool while it is under way.

use crate::elicit::Question;
use crate::events::CallEvent;
use rmcp::model::ElicitResult;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::{CancellationToken, DropGuard};

/// A call under way, which goes on if the run that made it is paused. Dropping it tells the server
/// that the call is cancelled.
#[derive(Debug)]
pub(crate) struct LiveCall {
    pub(crate) number: u64,
    pub(crate) events: mpsc::UnboundedReceiver<CallEvent>,
    /// The question that the paused run waits for.
    pub(crate) open: Option<(Question, oneshot::Sender<ElicitResult>)>,
    /// The number of questions so far.
    pub(crate) questions: usize,
    _cancel: DropGuard,
}

impl LiveCall {
    pub(crate) fn new(
        events: mpsc::UnboundedReceiver<CallEvent>,
        cancel: CancellationToken,
    ) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self { number, events, open: None, questions: 0, _cancel: cancel.drop_guard() }
    }
}
