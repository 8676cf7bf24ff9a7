//! The events of a run that this process drives, or a worker elsewhere.

use futures_util::StreamExt as _;
use stepwright::{Error, Event, EventKind, Events, RunHandle, RunOutput, RunStatus, RunStream};

/// The events of a run, until it ends or waits.
pub(crate) enum Followed {
    /// It is driven here.
    Here(RunStream),
    /// It was handed to a dispatcher.
    Handed(Box<Handed>),
}

impl From<RunStream> for Followed {
    fn from(events: RunStream) -> Self {
        Self::Here(events)
    }
}

/// A run that was handed to a dispatcher.
pub(crate) struct Handed {
    handle: RunHandle,
    events: Events,
    /// An event that has been read, while the status of its run is asked.
    read: Option<Event>,
    failed: Option<Error>,
    is_paused: bool,
}

impl Followed {
    /// Follows a run from its beginning that was handed to a dispatcher.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub(crate) async fn handed(handle: RunHandle) -> Result<Self, Error> {
        let events = handle.events(0).await?;
        let (read, failed, is_paused) = (None, None, false);
        Ok(Self::Handed(Box::new(Handed { handle, events, read, failed, is_paused })))
    }

    /// Returns the next event. A caller may drop the future: no event is lost.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        match self {
            Self::Here(events) => events.next().await,
            Self::Handed(handed) => handed.next().await,
        }
    }

    /// Cancels the run, if another process drives it. Otherwise a signal has done so already.
    ///
    /// # Errors
    /// If the store fails.
    pub(crate) async fn cancel(&self) -> Result<(), Error> {
        match self {
            Self::Here(_) => Ok(()),
            Self::Handed(handed) => handed.handle.cancel().await.map(drop),
        }
    }

    /// Returns the output of the run that has ended or waits.
    pub(crate) async fn output(self) -> Result<RunOutput, Error> {
        match self {
            Self::Here(events) => events.output().await,
            Self::Handed(handed) => match handed.failed {
                Some(error) => Err(error),
                None => handed.handle.settled().await,
            },
        }
    }
}

impl Handed {
    async fn next(&mut self) -> Option<Event> {
        if self.read.is_none() && !self.is_paused && self.failed.is_none() {
            match self.events.next().await {
                Some(Ok(event)) => self.read = Some(event),
                Some(Err(error)) => self.failed = Some(error),
                None => {}
            }
        }
        if let Some(Event { kind: EventKind::WorkflowPaused { .. }, .. }) = &self.read {
            match self.handle.status().await {
                // An earlier pause is over.
                Ok(status) => self.is_paused = status == RunStatus::Paused,
                Err(error) => self.failed = Some(error),
            }
        }
        self.read.take()
    }
}
