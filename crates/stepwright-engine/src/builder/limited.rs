//! The methods of the builder that limit the runs of a workflow, and the media that they take.

use super::WorkflowBuilder;
use crate::define::{Concurrency, Dedupe, MediaInput, OnBusy};

impl WorkflowBuilder {
    /// Limits how many runs go on at once, by a key of their input. [`Concurrency`] has an example.
    pub fn concurrency(mut self, limit: Concurrency) -> Self {
        self.run_limits.concurrency = Some(limit);
        self
    }

    /// Adds a media item that each run takes. A run without it, or with others, is refused. Without
    /// any, a run may have all media. [`MediaInput`] has an example.
    pub fn media(mut self, input: MediaInput) -> Self {
        self.media.push(input);
        self
    }

    /// Recognises runs that are the same, by a key of their input. [`Dedupe`] has an example.
    pub fn dedupe(mut self, dedupe: Dedupe) -> Self {
        self.run_limits.dedupe = Some(dedupe);
        self
    }

    /// Sets the behaviour of a run that begins while another run of its session is under way. By
    /// default, runs of a session may go on at the same time. [`OnBusy`] has an example.
    pub fn on_busy(mut self, then: OnBusy) -> Self {
        self.run_limits.on_busy = Some(then);
        self
    }
}
