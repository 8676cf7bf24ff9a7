//! The requests to models of a store in memory.

use super::Tables;
use crate::store::{RequestClaim, RequestEntry, RequestState, RequestTurn, RequestsSent};
use crate::world::Timestamp;
use std::sync::Arc;

/// The entries, in the order of their places.
#[derive(Debug, Default)]
pub(super) struct Requests {
    entries: Vec<(Arc<str>, RequestEntry)>,
    next: i64,
}

impl Requests {
    pub(super) fn end(&mut self, scope: &str, holder: &str, counts: bool) {
        self.entries.retain_mut(|(of, entry)| {
            if **of != *scope || *entry.holder != *holder {
                return true;
            }
            let counts = counts && entry.state == RequestState::UnderWay;
            entry.state = RequestState::Sent;
            counts
        });
    }

    pub(super) fn close(&mut self, scope: &str, until: Timestamp) {
        let is_it =
            |(of, entry): &&mut (Arc<str>, RequestEntry)| **of == *scope && entry.holder.is_empty();
        if let Some((_, entry)) = self.entries.iter_mut().find(is_it) {
            entry.at = entry.at.max(until);
            return;
        }
        let entry = RequestEntry {
            place: self.next,
            holder: "".into(),
            driver: "".into(),
            state: RequestState::Closed,
            at: until,
            tokens: 0,
            seen_at: until,
        };
        self.next += 1;
        self.entries.push((scope.into(), entry));
    }
}

impl Tables {
    pub(super) fn begin_request(&mut self, claim: &RequestClaim) -> RequestTurn {
        self.requests.entries.retain(|(scope, entry)| {
            *scope != claim.scope
                || entry.state != RequestState::Sent
                || claim.is_in_window(entry.at)
        });
        let of_scope = self.requests.entries.iter().filter(|(scope, _)| *scope == claim.scope);
        let of_scope = of_scope.map(|(_, entry)| entry.clone());
        let (sent, mut entries): (Vec<_>, Vec<_>) =
            of_scope.partition(|entry| entry.state == RequestState::Sent);
        for entry in &mut entries {
            entry.seen_at = self.drivers.get(&entry.driver).copied().unwrap_or(entry.at);
        }
        let sent = RequestsSent {
            requests: sent.len() as u64,
            tokens: sent.iter().map(|entry| entry.tokens).sum(),
            oldest: sent.iter().map(|entry| entry.at).min(),
        };
        let changes = claim.judge(&entries, sent);
        let requests = &mut self.requests;
        requests.entries.retain(|(_, entry)| !changes.remove.contains(&entry.place));
        for (_, entry) in &mut requests.entries {
            if changes.sent.contains(&entry.place) {
                entry.state = RequestState::Sent;
            }
        }
        let begins = changes.turn == RequestTurn::Now;
        let own = changes.own.map(|(place, _)| place);
        if let Some((_, own)) = requests.entries.iter_mut().find(|(_, e)| Some(e.place) == own) {
            if begins && own.state == RequestState::Waiting {
                (own.state, own.at) = (RequestState::UnderWay, claim.at);
            }
        } else {
            let state = if begins { RequestState::UnderWay } else { RequestState::Waiting };
            let entry = RequestEntry {
                place: requests.next,
                holder: claim.holder.clone(),
                driver: claim.driver.clone(),
                state,
                at: claim.at,
                tokens: claim.tokens,
                seen_at: claim.at,
            };
            requests.next += 1;
            requests.entries.push((claim.scope.clone(), entry));
        }
        changes.turn
    }
}
