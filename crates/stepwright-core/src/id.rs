//! The identifiers of runs, sessions, users and workflows.

use serde::{Deserialize, Serialize};
use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

/// The maximum length of an identifier, in bytes. It must fit into a URL and an index.
pub const ID_BYTES_MAX: usize = 256;

/// The reason that a text is not a valid identifier.
///
/// ```
/// use stepwright_core::{IdError, RunId};
/// assert_eq!(RunId::new("").unwrap_err(), IdError::Empty);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdError {
    /// The text is empty.
    #[error("an identifier cannot be empty")]
    Empty,
    /// The text has more than [`ID_BYTES_MAX`] bytes.
    #[error("an identifier has at most {ID_BYTES_MAX} bytes, this one has {0}")]
    TooLong(usize),
    /// The text contains a control character, which could corrupt logs and terminals.
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

            /// Creates an identifier without checks, from a text that is known to be valid.
            #[allow(dead_code, reason = "not every kind of identifier is made here")]
            pub(crate) fn made(text: &str) -> Self {
                Self(text.into())
            }

            /// Returns the identifier as text.
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
    /// The id of a run, which is one execution of a workflow.
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
    /// The id of a session, in which runs share history and state.
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
    /// The id of the user who owns a session.
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
    /// The id of a workflow. The default is its name in lower case with `-` for spaces.
    ///
    /// ```
    /// use stepwright_core::WorkflowId;
    /// // An explicit id stays the same when the name changes.
    /// let given = WorkflowId::new("news")?;
    /// assert_eq!(given, WorkflowId::from_name("News")?);
    /// assert_ne!(given, WorkflowId::from_name("Daily News")?);
    /// # Ok::<(), stepwright_core::IdError>(())
    /// ```
    WorkflowId
}

impl WorkflowId {
    /// Derives the default id of a workflow from its name.
    ///
    /// ```
    /// use stepwright_core::WorkflowId;
    /// assert_eq!(WorkflowId::from_name("Content Pipeline").unwrap(), "content-pipeline");
    /// ```
    pub fn from_name(name: &str) -> Result<Self, IdError> {
        Self::new(name.trim().to_lowercase().replace(' ', "-"))
    }
}
