//! New folders in the temporary directory of the system.

use std::fs::{self, DirBuilder};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// The number of names to try. A dead process with the same id may have left some.
const NAME_ATTEMPTS_MAX: u32 = 1_000;

/// The beginning of the names.
const PREFIX: &str = "stepwright-";

/// Creates a folder that only this user can use. `what` is a part of its name.
pub(crate) fn new_folder(what: &str) -> io::Result<PathBuf> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let parent = std::env::temp_dir().canonicalize()?;
    #[cfg_attr(not(unix), expect(unused_mut, reason = "of Unix"))]
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    for _ in 0..NAME_ATTEMPTS_MAX {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = parent.join(format!("{PREFIX}{what}-{}-{number}", std::process::id()));
        match builder.create(&dir) {
            Ok(()) => return Ok(dir),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Removes a folder that [`new_folder`] made, or the one that contains it.
///
/// The path is from a journal, so no other folder is removed.
pub(crate) fn remove(dir: &Path) {
    let is_ours = |dir: &&Path| {
        let name = dir.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with(PREFIX))
    };
    if let Some(dir) = dir.ancestors().take(2).find(is_ours) {
        let _ = fs::remove_dir_all(dir);
    }
}
