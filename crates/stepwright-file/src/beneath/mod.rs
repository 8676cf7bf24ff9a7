//! Files beneath a directory, reached without leaving it.
//!
//! A path is followed part by part from the opened directory, never by name from the root of the
//! file system: between a check and its use, no part can be exchanged for a link that leads out.

#[cfg(not(unix))]
mod other;
#[cfg(unix)]
mod unix;

#[cfg(not(unix))]
pub(crate) use other::{Beneath, open_regular};
#[cfg(unix)]
pub(crate) use unix::{Beneath, open_regular};

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// A regular file that was opened.
pub(crate) struct Found {
    pub(crate) file: File,
    /// Its path without symbolic links.
    pub(crate) path: PathBuf,
    /// The directory that it was found in.
    pub(crate) dir: Beneath,
}

/// What is said of a file that is not there.
pub(crate) const MISSING: &str = "there is no such file";

/// Reasons why a file is not opened.
#[derive(Debug)]
pub(crate) enum Denied {
    /// The path leads out of the directory.
    Outside,
    /// It is something else than a regular file: what it is, with an article.
    Irregular(&'static str),
    Failed(io::Error),
}

impl From<io::Error> for Denied {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

impl Denied {
    /// What is wrong with the file, as the end of a sentence about it.
    pub(crate) fn why(&self) -> String {
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

/// A name in a directory.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Entry {
    pub(crate) name: OsString,
    pub(crate) kind: EntryKind,
}

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum EntryKind {
    Directory,
    /// A symbolic link, to whatever.
    Link,
    /// A file, regular or not.
    Other,
}

/// `true` if a path only goes down: neither absolute nor with `..` in it.
pub(crate) fn goes_down(path: &Path) -> bool {
    path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}

/// A name for a file that is renamed when it is whole: no other writer has it, in this process or
/// another. Short, because the name of the file itself may be as long as names can be.
fn temporary_name() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!(".stepwright-{}-{}.tmp", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// How many temporary names are tried: those of a process that died with the same id may be left.
const NAME_ATTEMPTS_MAX: u32 = 1_000;

#[cfg(all(test, unix))]
mod tests;
