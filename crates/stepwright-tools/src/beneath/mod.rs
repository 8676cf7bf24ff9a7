//! Access to files beneath a directory, without leaving it.
//!
//! A path is followed part by part from the open directory, not by name from the root of the file
//! system. So no part can be replaced by a link to the outside between the check and the use.

#[cfg(not(unix))]
mod other;
#[cfg(unix)]
mod unix;

#[cfg(not(unix))]
pub use other::{Beneath, open_regular};
#[cfg(unix)]
pub use unix::{Beneath, open_regular};

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// An open regular file.
#[derive(Debug)]
pub struct Found {
    pub file: File,
    /// The path without symbolic links.
    pub path: PathBuf,
    /// The directory that contains the file.
    pub dir: Beneath,
}

/// The message about a missing file.
pub const MISSING: &str = "there is no such file";

/// The reason that a file is not opened.
#[derive(Debug)]
pub enum Denied {
    /// The path leads outside the directory.
    Outside,
    /// The path is not a regular file. The text says what it is, with an article.
    Irregular(&'static str),
    Failed(io::Error),
}

impl From<io::Error> for Denied {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

impl Denied {
    /// Describes the reason as the end of a sentence about the file.
    pub fn why(&self) -> String {
        match self {
            Self::Outside => "it is outside of the directory".into(),
            Self::Irregular(what) => format!("it is not a regular file, but {what}"),
            Self::Failed(error) => match error.kind() {
                io::ErrorKind::NotFound => MISSING.into(),
                io::ErrorKind::PermissionDenied => "permission denied".into(),
                _ => error.to_string(),
            },
        }
    }
}

/// An entry of a directory.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    pub name: OsString,
    pub kind: EntryKind,
}

/// The kind of a directory entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntryKind {
    Directory,
    /// A symbolic link to anything.
    Link,
    /// A file, regular or not.
    Other,
}

/// Returns `true` if a path only goes down: it is not absolute and has no `..`.
pub fn goes_down(path: &Path) -> bool {
    path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}

/// Returns a unique name for a file that is renamed once it is complete. Short, because the final
/// name may have the maximum length.
fn temporary_name() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!(".stepwright-{}-{}.tmp", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The number of temporary names to try. A dead process with the same id may have left some.
const NAME_ATTEMPTS_MAX: u32 = 1_000;

#[cfg(all(test, unix))]
mod tests;
