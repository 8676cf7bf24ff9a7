//! The reason why a server cannot be used.

use std::fmt;

/// The reason why a server cannot be used.
#[derive(Clone, Debug)]
pub(crate) struct Unusable {
    pub(crate) why: String,
    /// `true` if the server wants a login, or a token, that it did not get.
    pub(crate) needs_login: bool,
}

impl Unusable {
    pub(crate) fn login(why: String) -> Self {
        Self { why, needs_login: true }
    }
}

impl From<String> for Unusable {
    fn from(why: String) -> Self {
        Self { why, needs_login: false }
    }
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.why)
    }
}
