//! A key that nobody reads by accident.

use std::fmt;
use std::sync::Arc;

/// What stands in place of a key.
const REDACTED: &str = "[key]";

/// The key of a provider. It shows itself only to whoever calls [`Key::expose`].
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Key(Arc<str>);

impl Key {
    pub(crate) fn new(key: &str) -> Self {
        Self(key.trim().into())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The key itself. Every caller is a place where it can leak.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// `text` without the key.
    pub(crate) fn redact(&self, text: &str) -> String {
        if self.is_empty() { text.to_owned() } else { text.replace(&*self.0, REDACTED) }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}
