//! The process that opened a store: after a `fork` it is not the one that runs.

use crate::errors::unusable;
use std::fmt;
use stepwright_core::{ErrorId, StoreError};

/// The process that opened a store. A child that was forked from it has neither the threads nor the
/// locks of its parent, so that it must open a store of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opener {
    process: u32,
}

impl Opener {
    /// This process.
    pub(crate) fn new() -> Self {
        Self { process: std::process::id() }
    }

    /// `true` if this is the process that opened the store.
    pub(crate) fn is_here(self) -> bool {
        self.process == std::process::id()
    }

    /// Refuses to work in another process.
    pub(crate) fn check(self, database: impl fmt::Display) -> Result<(), StoreError> {
        if self.is_here() {
            return Ok(());
        }
        let source = format!(
            "process {} opened it, and this is process {}, which was forked from it",
            self.process,
            std::process::id()
        );
        Err(unusable(
            ErrorId::STORE_CLOSED,
            database,
            source,
            "open the store after the fork, in the process that uses it",
        ))
    }
}
