//! Roles, and the rights that they give.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The role of an API key.
///
/// ```
/// use stepwright_server::Role;
/// assert_eq!("approver".parse(), Ok(Role::Approver));
/// assert_eq!(Role::Operator.to_string(), "operator");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Sees runs and sessions.
    Viewer,
    /// Sees runs and sessions, and starts, cancels, retries and forks runs.
    Operator,
    /// Sees runs and sessions, and answers pending requests.
    Approver,
    /// May do everything.
    Admin,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 4] = [Self::Viewer, Self::Operator, Self::Approver, Self::Admin];

    /// Returns the name of the role.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Approver => "approver",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.into_iter().find(|role| role.as_str() == text);
        known.ok_or_else(|| format!("`{text}` is not viewer, operator, approver or admin"))
    }
}

/// Something that a caller may be allowed to do.
pub(crate) trait Right: Send + Sync + 'static {
    /// The right in words, after "may not".
    const WORDS: &'static str;

    /// Returns `true` if the role has the right.
    fn of(role: Role) -> bool;
}

macro_rules! rights {
    ($($(#[doc = $doc:literal])* $name:ident, $words:literal, $($role:ident)*;)*) => {
        $(
            $(#[doc = $doc])*
            #[derive(Debug)]
            pub(crate) enum $name {}

            impl Right for $name {
                const WORDS: &'static str = $words;
                fn of(role: Role) -> bool {
                    matches!(role, Role::Admin $(| Role::$role)*)
                }
            }
        )*
    };
}

rights! {
    /// To see workflows, runs and sessions.
    Read, "see this", Viewer Operator Approver;
    /// To start runs, and to drive those that are there.
    Start, "start or change runs", Operator;
    /// To start runs or to answer requests: for routes that do both.
    Drive, "start runs or answer requests", Operator Approver;
    /// To answer pending requests.
    Answer, "answer requests", Approver;
    /// To change and delete sessions and memories.
    Manage, "change or delete sessions and memories", ;
    /// To see, make and revoke keys.
    HandOut, "see or change keys", ;
}
