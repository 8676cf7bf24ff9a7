//! The names of the channels on which processes tell each other of changes.

use crate::bodies::hex;
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// The channels for notifications. A channel belongs to a whole database, so each schema has names
/// of its own; a digest, because the name of a channel is as short as that of a schema.
#[derive(Clone, Debug)]
pub(super) struct Channels {
    /// A signal was left.
    pub(super) signals: Arc<str>,
    /// Facts were appended to the run in the payload.
    pub(super) facts: Arc<str>,
    /// A run was queued for workers.
    pub(super) queue: Arc<str>,
    /// Nothing: the listener notifies itself, to see whether notifications arrive.
    pub(super) echo: Arc<str>,
}

impl Channels {
    pub(super) fn of(schema: &str) -> Self {
        let mark = hex(&Sha256::digest(schema)[..8]);
        Self {
            signals: format!("stepwright_signals_{mark}").into(),
            facts: format!("stepwright_facts_{mark}").into(),
            queue: format!("stepwright_queue_{mark}").into(),
            echo: format!("stepwright_echo_{mark}").into(),
        }
    }
}
