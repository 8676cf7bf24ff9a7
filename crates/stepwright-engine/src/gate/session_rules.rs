//! The rules that people have permitted for a session, in its state.

use std::sync::Arc;
use stepwright_core::permission::ALLOWED_KEY;
use stepwright_core::requirement::RequirementKind;
use stepwright_core::state::State;
use stepwright_core::{Answer, AnyStore, Patch, SessionId, StoreError, Timestamp};

/// The rules of one session, in its store.
pub(crate) struct SessionRules<'a> {
    pub(crate) store: &'a AnyStore,
    pub(crate) session: &'a SessionId,
}

impl SessionRules<'_> {
    /// Returns the rules of a state.
    pub(crate) fn of(state: &State) -> impl Iterator<Item = &str> {
        let rules = state.get(ALLOWED_KEY).and_then(|rules| rules.as_array());
        rules.into_iter().flatten().filter_map(|rule| rule.as_str())
    }

    /// Loads the rules. A session that does not exist has none.
    pub(crate) async fn load(&self) -> Result<Vec<Arc<str>>, StoreError> {
        let found = self.store.session(self.session).await?;
        Ok(found.iter().flat_map(|found| Self::of(&found.state)).map(Arc::from).collect())
    }

    /// Adds the rules that the session does not have yet. A session that was deleted meanwhile has
    /// no use for them.
    pub(crate) async fn add(&self, rules: &[Arc<str>], now: Timestamp) -> Result<(), StoreError> {
        let known = self.load().await?;
        let missing = rules.iter().filter(|rule| !known.contains(rule));
        let patches: Vec<_> =
            missing.map(|rule| Patch::append(ALLOWED_KEY, rule.to_string())).collect();
        if patches.is_empty() {
            return Ok(());
        }
        match self.store.patch_session(self.session, &patches, now).await {
            Ok(_) | Err(StoreError::NotFound(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Returns the rule that an answer makes for the session.
pub(crate) fn rule_of(asked: &RequirementKind, answer: &Answer) -> Option<Arc<str>> {
    match (asked, answer) {
        (RequirementKind::Permission { rule, for_run: false, .. }, Answer::Always) => rule.clone(),
        _ => None,
    }
}
