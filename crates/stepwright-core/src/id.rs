//! Names of things that live longer than a process: runs, sessions, users, workflows.

use serde::{Deserialize, Serialize};
use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// The longest identifier that is accepted, in bytes: it must fit into a URL and an index.
pub const ID_BYTES_MAX: usize = 256;

/// Why a text is no identifier.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdError {
    /// Nothing was given.
    #[error("an identifier cannot be empty")]
    Empty,
    /// More than [`ID_BYTES_MAX`] bytes were given.
    #[error("an identifier has at most {ID_BYTES_MAX} bytes, this one has {0}")]
    TooLong(usize),
    /// A control character, which would spoil logs and terminals.
    #[error("an identifier cannot contain the control character {0:?}")]
    Control(char),
}

fn checked(text: &str) -> Result<Arc<str>, IdError> {
    if text.is_empty() {
        return Err(IdError::Empty);
    }
    if text.len() > ID_BYTES_MAX {
        return Err(IdError::TooLong(text.len()));
    }
    match text.chars().find(|c| c.is_control()) {
        Some(control) => Err(IdError::Control(control)),
        None => Ok(text.into()),
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// Checks `text`: not empty, at most [`ID_BYTES_MAX`] bytes, no control characters.
            pub fn new(text: impl AsRef<str>) -> Result<Self, IdError> {
                checked(text.as_ref()).map(Self)
            }

            /// One that this crate has made, which is known to be right.
            #[allow(dead_code, reason = "not every kind of identifier is made here")]
            pub(crate) fn made(text: &str) -> Self {
                Self(text.into())
            }

            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::new(text)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl PartialEq<str> for $name {
            fn eq(&self, other: &str) -> bool {
                &*self.0 == other
            }
        }

        impl PartialEq<&str> for $name {
            fn eq(&self, other: &&str) -> bool {
                &*self.0 == *other
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }
    };
}

id! {
    /// Names one execution of a workflow.
    ///
    /// ```
    /// use stepwright_core::RunId;
    /// let run: RunId = "nightly-2026-11-22".parse()?;
    /// assert_eq!(run, "nightly-2026-11-22");
    /// assert!(RunId::new("").is_err());
    /// # Ok::<(), stepwright_core::IdError>(())
    /// ```
    RunId
}
id! {
    /// Names a session: runs that share history and state.
    ///
    /// ```
    /// use stepwright_core::SessionId;
    /// let session: SessionId = "anna-support".parse()?;
    /// assert_eq!(session.as_str(), "anna-support");
    /// assert!(SessionId::new("two\nlines").is_err());
    /// # Ok::<(), stepwright_core::IdError>(())
    /// ```
    SessionId
}
id! {
    /// Names the user who owns a session.
    ///
    /// ```
    /// use stepwright_core::UserId;
    /// let user = UserId::new("anna@example.com")?;
    /// assert_eq!(user, "anna@example.com");
    /// # Ok::<(), stepwright_core::IdError>(())
    /// ```
    UserId
}
id! {
    /// Names a workflow: its name in lower case, with `-` for spaces, unless one was given.
    ///
    /// ```
    /// use stepwright_core::WorkflowId;
    /// // Given by hand, it stays when the name changes.
    /// let given = WorkflowId::new("news")?;
    /// assert_eq!(given, WorkflowId::from_name("News")?);
    /// assert_ne!(given, WorkflowId::from_name("Daily News")?);
    /// # Ok::<(), stepwright_core::IdError>(())
    /// ```
    WorkflowId
}

impl WorkflowId {
    /// The identifier that a workflow of this name has when none is given.
    ///
    /// ```
    /// use stepwright_core::WorkflowId;
    /// assert_eq!(WorkflowId::from_name("Content Pipeline").unwrap(), "content-pipeline");
    /// ```
    pub fn from_name(name: &str) -> Result<Self, IdError> {
        Self::new(name.trim().to_lowercase().replace(' ', "-"))
    }
}
