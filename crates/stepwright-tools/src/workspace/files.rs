//! The files in the folder of a workspace, and those that are kept.

use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use stepwright_core::workspace::WorkspaceFile;
use stepwright_core::{ErrorCode, ErrorId, StepError};

use super::swept::locked;
use crate::beneath::{Beneath, EntryKind};

/// The largest number of files in a workspace. All of them are looked at after each step.
pub const WORKSPACE_FILES_MAX: usize = 20_000;

/// The largest size of the files that steps make in a workspace, in bytes. All of them are read
/// after each step.
pub const WORKSPACE_BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// The maximum depth of folders.
const DEPTH_MAX: usize = 64;

/// The folder of a repository, whose content is not a result.
const GIT: &str = ".git";

/// A file that was found.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) path: String,
    folder: Beneath,
}

impl Made {
    /// Returns the file with its size and its hash.
    fn hashed(self, left: &mut u64) -> Result<WorkspaceFile, StepError> {
        let (mut hash, mut bytes) = (Sha256::new(), 0_u64);
        self.read(left, |part| {
            bytes += u64::try_from(part.len()).unwrap_or(u64::MAX);
            hash.update(part);
            Ok(())
        })?;
        let sha256 = hash.finalize();
        Ok(WorkspaceFile { path: self.path.into(), bytes, sha256: hex(&sha256).into() })
    }

    /// Copies the file to the same path in another folder.
    pub(super) fn copy_to(&self, dir: &Path, left: &mut u64) -> Result<(), StepError> {
        let to = dir.join(&self.path);
        let failed = |error: &io::Error| failed(&self.path, "copied", error);
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent).map_err(|error| failed(&error))?;
        }
        let mut file = File::create(&to).map_err(|error| failed(&error))?;
        self.read(left, |part| file.write_all(part))
    }

    /// Reads the file. `left` is the number of bytes that may still be read.
    fn read(
        &self,
        left: &mut u64,
        mut each: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> Result<(), StepError> {
        let found = self.folder.file(Path::new(&self.path)).map_err(|denied| {
            let error = io::Error::other(denied.why());
            failed(&self.path, "read", &error)
        })?;
        let failed = |error: &io::Error| failed(&self.path, "read", error);
        let mut file = found.file;
        let mut part = vec![0; 64 * 1024];
        loop {
            let read = file.read(&mut part).map_err(|error| failed(&error))?;
            if read == 0 {
                return Ok(());
            }
            *left = left
                .checked_sub(u64::try_from(read).unwrap_or(u64::MAX))
                .ok_or_else(|| too_large(&self.path))?;
            each(&part[..read]).map_err(|error| failed(&error))?;
        }
    }
}

fn too_large(path: &str) -> StepError {
    let message = format!(
        "with `{path}` the workspace has more than {WORKSPACE_BYTES_MAX} bytes of new files"
    );
    StepError::terminal(message)
        .with_code(ErrorCode::Limit)
        .with_id(ErrorId::RESULT_TOO_LARGE)
        .with_hint("remove what is not a result before the step ends")
}

fn failed(path: &str, done: &str, error: &io::Error) -> StepError {
    StepError::new(format!("`{path}` in the workspace cannot be {done}: {error}"))
        .with_id(ErrorId::FILE_REFUSED)
}

/// Returns files with their sizes and hashes.
pub(super) fn hashed(
    files: impl IntoIterator<Item = Made>,
) -> Result<Vec<WorkspaceFile>, StepError> {
    let mut left = WORKSPACE_BYTES_MAX;
    files.into_iter().map(|made| made.hashed(&mut left)).collect()
}

/// Returns the regular files beneath a folder, sorted by path, without those of Git. Links are not
/// followed: what they lead to is listed where it is.
pub(super) fn walked(dir: &Path) -> Result<Vec<Made>, StepError> {
    let folder = Beneath::open(dir).map_err(|error| failed(".", "listed", &error))?;
    let mut all = Vec::new();
    walk(&folder, "", 0, &mut all)?;
    all.sort();
    Ok(all.into_iter().map(|path| Made { path, folder: folder.clone() }).collect())
}

/// Returns those of the named files that are there, sorted by path.
pub(super) fn named(dir: &Path, mut paths: Vec<String>) -> Result<Vec<Made>, StepError> {
    let folder = Beneath::open(dir).map_err(|error| failed(".", "listed", &error))?;
    paths.retain(|path| is_regular(&folder, path));
    paths.sort();
    paths.dedup();
    if paths.len() > WORKSPACE_FILES_MAX {
        return Err(too_many());
    }
    Ok(paths.into_iter().map(|path| Made { path, folder: folder.clone() }).collect())
}

fn too_many() -> StepError {
    StepError::terminal(format!("the workspace has more than {WORKSPACE_FILES_MAX} files"))
        .with_code(ErrorCode::Limit)
        .with_id(ErrorId::RESULT_TOO_LARGE)
        .with_hint("remove what is not a result before the step ends")
}

fn walk(
    folder: &Beneath,
    within: &str,
    depth: usize,
    all: &mut Vec<String>,
) -> Result<(), StepError> {
    let here = if within.is_empty() { "." } else { within };
    let listed = |why: String| failed(here, "listed", &io::Error::other(why));
    if depth > DEPTH_MAX {
        return Err(listed(format!("it is more than {DEPTH_MAX} folders deep")));
    }
    let entries = folder.entries(Path::new(here)).map_err(|denied| listed(denied.why()))?;
    for entry in entries {
        let Some(name) = entry.name.to_str() else {
            let name = entry.name.to_string_lossy().into_owned();
            return Err(listed(format!("the name `{name}` is not UTF-8 text")));
        };
        if name == GIT {
            continue;
        }
        let path = if within.is_empty() { name.to_owned() } else { format!("{within}/{name}") };
        match entry.kind {
            EntryKind::Directory => walk(folder, &path, depth + 1, all)?,
            // A pipe or a socket is no result.
            EntryKind::Other if is_regular(folder, &path) => {
                if all.len() == WORKSPACE_FILES_MAX {
                    return Err(too_many());
                }
                all.push(path);
            }
            EntryKind::Other | EntryKind::Link => {}
        }
    }
    Ok(())
}

fn is_regular(folder: &Beneath, path: &str) -> bool {
    let meta = fs::symlink_metadata(folder.path().join(path));
    meta.is_ok_and(|meta| meta.is_file())
}

/// The folder with the files that are kept, each under the hash of its content.
pub(super) struct Kept {
    dir: PathBuf,
}

impl Kept {
    pub(super) fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// Keeps others from removing files until the returned file is dropped.
    pub(super) fn hold(&self) -> Result<File, StepError> {
        let failed = |error: io::Error| failed(".", "kept", &error);
        fs::create_dir_all(&self.dir).map_err(failed)?;
        locked(&self.dir, File::lock_shared).map_err(failed)
    }

    /// Returns the place of a content.
    fn place(&self, sha256: &str) -> PathBuf {
        let (first, _) = sha256.split_at(2.min(sha256.len()));
        self.dir.join(first).join(sha256)
    }

    /// Keeps a file of a folder.
    pub(super) fn keep(&self, dir: &Path, file: &WorkspaceFile) -> Result<(), StepError> {
        let place = self.place(&file.sha256);
        if place.is_file() {
            return Ok(());
        }
        let folder = Beneath::open(dir).map_err(|error| failed(&file.path, "kept", &error))?;
        let made = Made { path: file.path.to_string(), folder };
        let failed = |error: &io::Error| failed(&file.path, "kept", error);
        let parent = place.parent().unwrap_or(&self.dir);
        fs::create_dir_all(parent).map_err(|error| failed(&error))?;
        // Written aside, so that a content under its hash is always whole.
        let aside = parent.join(format!(".{}-{}.tmp", std::process::id(), file.sha256));
        let mut hash = Sha256::new();
        let mut copy = File::create(&aside).map_err(|error| failed(&error))?;
        let mut left = WORKSPACE_BYTES_MAX;
        let written = made.read(&mut left, |part| {
            hash.update(part);
            copy.write_all(part)
        });
        let written = written.and_then(|()| {
            if hex(&hash.finalize()) != *file.sha256 {
                let message = format!("`{}` was changed while the step ended", file.path);
                return Err(StepError::new(message).with_id(ErrorId::FILE_REFUSED));
            }
            copy.sync_all().and_then(|()| fs::rename(&aside, &place)).map_err(|e| failed(&e))
        });
        if written.is_err() {
            let _ = fs::remove_file(&aside);
        }
        written
    }

    /// Puts a kept file into a folder.
    pub(super) fn put(&self, file: &WorkspaceFile, dir: &Path) -> Result<(), StepError> {
        let folder = Beneath::open(&self.dir).map_err(|_| self.lacks(file))?;
        let place = self.place(&file.sha256);
        let within = place.strip_prefix(&self.dir).unwrap_or(&place);
        let found = folder.file(within).map_err(|_| self.lacks(file))?;
        let to = Beneath::open(dir).map_err(|error| failed(&file.path, "copied", &error))?;
        let mut bytes = Vec::new();
        let read = found.file.take(WORKSPACE_BYTES_MAX).read_to_end(&mut bytes);
        read.map_err(|error| failed(&file.path, "copied", &error))?;
        if hex(&Sha256::digest(&bytes)) != *file.sha256 {
            return Err(self.lacks(file));
        }
        let written = to.write(Path::new(&*file.path), &bytes);
        written.map_err(|denied| failed(&file.path, "copied", &io::Error::other(denied.why())))
    }

    fn lacks(&self, file: &WorkspaceFile) -> StepError {
        let dir = self.dir.display();
        let message =
            format!("`{}` of an earlier step is not among the files in `{dir}`", file.path);
        StepError::terminal(message)
            .with_code(ErrorCode::BadInput)
            .with_id(ErrorId::WORKSPACE_GONE)
            .with_hint("keep the files of that step too")
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
