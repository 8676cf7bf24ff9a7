//! The rules that people have permitted for a session, in its state.

use std::sync::Arc;
use stepwright_core::permission::ALLOWED_KEY;
use stepwright_core::requirement::RequirementKind;
use stepwright_core::state::State;
use stepwright_core::{Answer, AnyStore, Error, ErrorId, Patch, SessionId, StoreError, Timestamp};

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

/// Returns the reason to refuse a change of the key of the rules.
pub(crate) fn reserved() -> String {
    format!("state key `{ALLOWED_KEY}` is reserved for the permissions of the session")
}

/// Refuses changes that give a session a rule: only the answer of a person does. Removing all rules
/// only takes permissions away.
pub(crate) fn refuse_rules<'p>(patches: impl IntoIterator<Item = &'p Patch>) -> Result<(), Error> {
    let adds = |patch: &Patch| {
        let removes = matches!(patch, Patch::Set { value, .. } if value.is_null());
        patch.key() == ALLOWED_KEY && !removes
    };
    if !patches.into_iter().any(adds) {
        return Ok(());
    }
    let error = Error::usage(reserved()).with_id(ErrorId::STATE_CHANGE_INVALID);
    Err(error.with_hint("use another key; a permission is remembered by the answer `always`"))
}

/// Returns the rule that an answer makes for the session.
pub(crate) fn rule_of(asked: &RequirementKind, answer: &Answer) -> Option<Arc<str>> {
    match (asked, answer) {
        (RequirementKind::Permission { rule, for_run: false, .. }, Answer::Always) => rule.clone(),
        _ => None,
    }
}
