//! Changes of the list of tools, as a server tells them.
//!
//! Servers of earlier protocols tell them without being asked. Those of the newest one tell a
//! client that listens.

use rmcp::model::{ServerNotification, SubscriptionFilter};
use rmcp::service::{Peer, RoleClient};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The changes of which one connection knows.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// `true` if the list that is known is out of date.
    outdated: AtomicBool,
    /// `true` while a task listens, or begins to.
    listening: AtomicBool,
    /// `true` while the server tells that task of changes.
    told: AtomicBool,
}

impl Changes {
    /// Notes that the list has changed.
    pub(crate) fn note(&self) {
        self.outdated.store(true, Ordering::Release);
    }

    /// Returns `true` if the list has changed since the last call.
    pub(crate) fn take(&self) -> bool {
        self.outdated.swap(false, Ordering::AcqRel)
    }

    /// Returns `true` while the server tells changes to a listener. Begins to listen if nothing
    /// does. Call this on the runtime of connections.
    pub(crate) fn are_told(self: &Arc<Self>, peer: &Peer<RoleClient>) -> bool {
        if !self.listening.swap(true, Ordering::AcqRel) {
            let (changes, peer) = (self.clone(), peer.clone());
            tokio::spawn(async move {
                changes.listen(&peer).await;
                changes.told.store(false, Ordering::Release);
                changes.listening.store(false, Ordering::Release);
            });
        }
        self.told.load(Ordering::Acquire)
    }

    /// Listens until the server or the connection ends that. The next caller listens again.
    async fn listen(&self, peer: &Peer<RoleClient>) {
        let filter = SubscriptionFilter::builder().tools_list_changed().build();
        let Ok(mut subscription) = peer.listen(filter).await else { return };
        if subscription.acknowledged().tools_list_changed != Some(true) {
            return;
        }
        // The list may have changed before the server began to tell.
        self.note();
        self.told.store(true, Ordering::Release);
        while let Ok(Some(told)) = subscription.next().await {
            if matches!(told, ServerNotification::ToolListChangedNotification(_)) {
                self.note();
            }
        }
    }
}
