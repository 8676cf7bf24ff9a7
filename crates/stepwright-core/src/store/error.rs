//! The errors of a store.

use crate::codes::ErrorId;
use crate::id::RunId;
use crate::path::StepPath;
use crate::state::PatchError;
use std::error::Error as StdError;

/// An error of a store.
///
/// ```
/// use stepwright_core::{Error, ErrorKind, StoreError};
/// let taken = StoreError::Taken { run: "r-1".parse()?, sequence: 7 };
/// assert_eq!(taken.to_string(), "run `r-1` is driven by another process: fact 7 is taken");
/// assert!(taken.hint().unwrap().starts_with("let the other process finish"));
/// assert_eq!(Error::from(taken).kind(), ErrorKind::Store);
/// # Ok::<(), stepwright_core::IdError>(())
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process drives this run. The driver must stop at once, and record nothing.
    #[error("run `{run}` is driven by another process: fact {sequence} is taken")]
    Taken {
        /// The run.
        run: RunId,
        /// The number that is taken, or that is not the next one.
        sequence: u64,
    },
    /// There is no such run or session, or not for this user.
    #[error("{0} was not found")]
    NotFound(String),
    /// A change of the session state does not fit.
    #[error(transparent)]
    Patch(#[from] PatchError),
    /// The journal of a run is damaged.
    #[error(
        "the journal of run `{run}` is damaged at fact {sequence}{}: {what}", at(.path.as_ref())
    )]
    Corrupt {
        /// The run.
        run: RunId,
        /// The number of the fact.
        sequence: u64,
        /// The path of the fact, if it can be read.
        path: Option<StepPath>,
        /// The damage.
        what: String,
    },
    /// The database cannot be opened, read or written.
    #[error("{what}")]
    Unavailable {
        /// The attempt that failed.
        what: String,
        /// The cause.
        source: Box<dyn StdError + Send + Sync>,
        /// Advice for the user.
        hint: Option<String>,
        /// The id of the kind of error. A store of your own uses
        /// [`ErrorId::STORE_UNAVAILABLE`] if no other fits.
        id: ErrorId,
    },
}

fn at(path: Option<&StepPath>) -> String {
    path.map_or_else(String::new, |path| format!(" (`{path}`)"))
}

impl StoreError {
    /// Returns the id of the kind of error.
    pub fn id(&self) -> ErrorId {
        match self {
            Self::Taken { .. } => ErrorId::FACT_TAKEN,
            Self::NotFound(_) => ErrorId::NOT_FOUND,
            Self::Patch(_) => ErrorId::STATE_CHANGE_INVALID,
            Self::Corrupt { .. } => ErrorId::JOURNAL_DAMAGED,
            Self::Unavailable { id, .. } => *id,
        }
    }

    /// Returns advice for the user, if there is any.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Taken { .. } => {
                Some("let the other process finish, or stop it before resuming the run here".into())
            }
            Self::Unavailable { hint, .. } => hint.clone(),
            _ => None,
        }
    }
}
