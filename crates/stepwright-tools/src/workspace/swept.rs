//! Removes the kept files that no run refers to any more.

use super::KeptFiles;
use futures_util::StreamExt as _;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use stepwright_core::store::{PAGE_MAX, RunFilter};
use stepwright_core::{Error, ErrorId, ErrorKind, RunId};
use stepwright_engine::Runs;

/// The file that is locked while files are kept and while they are removed.
const LOCK: &str = ".lock";

/// The length of a hash in hexadecimal.
const HASH_CHARS: usize = 64;

/// The end of the names of files that are not whole yet.
const ASIDE: &str = ".tmp";

/// The beginning of a hash in a fact.
const IN_FACT: &str = "\"sha256\":\"";

/// The kept files that [`KeptFiles::sweep`] has removed.
///
/// ```
/// use stepwright_tools::SweptFiles;
/// assert_eq!(SweptFiles::default().files, 0);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweptFiles {
    /// The number of contents. The same content is there once, whatever runs made it.
    pub files: u64,
    /// Their size.
    pub bytes: u64,
}

impl KeptFiles {
    /// Removes the files that no run has in its journal, after runs were deleted. Steps that keep
    /// files meanwhile wait. `runs` are all runs whose files are in this folder, and those of
    /// `gone` do not count. With `dry_run`, nothing is removed.
    ///
    /// ```
    /// # use stepwright_core::{AnyStore, Memory};
    /// # use stepwright_engine::Runs;
    /// # use stepwright_tools::KeptFiles;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), stepwright_core::Error> {
    /// # let runs = Runs::of(AnyStore::new(Memory::default()));
    /// let swept = KeptFiles::beneath("runs.db.files").sweep(&runs, &[], false).await?;
    /// assert_eq!(swept.files, 0, "there is no such folder");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// If a run or the folder cannot be read. Nothing is removed then.
    pub async fn sweep(
        &self,
        runs: &Runs,
        gone: &[RunId],
        dry_run: bool,
    ) -> Result<SweptFiles, Error> {
        let dir = self.0.clone();
        if !dir.is_dir() {
            return Ok(SweptFiles::default());
        }
        let (held, mut unused) = blocking(move || {
            let held = locked(&dir, File::lock)?;
            Ok((held, contents(&dir)?))
        })
        .await?;
        let gone: HashSet<&RunId> = gone.iter().collect();
        let mut read = HashSet::new();
        // Runs that are deleted meanwhile move the pages, so that one could be missed.
        while !unused.is_empty() && mark(runs, &gone, &mut read, &mut unused).await? {}
        blocking(move || {
            let swept = remove(&unused, dry_run)?;
            drop(held);
            Ok(swept)
        })
        .await
    }
}

/// Reads the journals of runs that were not read yet, and takes the files that they refer to out of
/// `unused`. Returns `true` if there were such runs.
async fn mark(
    runs: &Runs,
    gone: &HashSet<&RunId>,
    read: &mut HashSet<RunId>,
    unused: &mut HashMap<String, Content>,
) -> Result<bool, Error> {
    let (mut offset, mut any) = (0, false);
    loop {
        let page = runs.list(RunFilter { offset, limit: PAGE_MAX, ..RunFilter::default() }).await?;
        offset += page.len();
        let is_last = page.len() < PAGE_MAX;
        for row in page {
            if gone.contains(&row.run_id) || !read.insert(row.run_id.clone()) {
                continue;
            }
            any = true;
            let mut facts = match runs.recorded(&row.run_id, 0).await {
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                facts => facts?,
            };
            while let Some(fact) = facts.next().await {
                let fact = serde_json::to_string(&fact?.kind).unwrap_or_default();
                for (at, start) in fact.match_indices(IN_FACT) {
                    let hash = fact.get(at + start.len()..at + start.len() + HASH_CHARS);
                    hash.map(|hash| unused.remove(hash));
                }
            }
            if unused.is_empty() {
                return Ok(false);
            }
        }
        if is_last {
            return Ok(any);
        }
    }
}

/// A kept content.
struct Content {
    place: PathBuf,
    bytes: u64,
}

/// Returns the contents in a folder, by their hashes, and removes what was not finished: no step
/// keeps files now.
fn contents(dir: &Path) -> io::Result<HashMap<String, Content>> {
    let mut all = HashMap::new();
    for part in fs::read_dir(dir)? {
        let part = part?;
        if part.file_name().len() != 2 || !part.file_type()?.is_dir() {
            continue;
        }
        for entry in fs::read_dir(part.path())? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let is_hash = name.len() == HASH_CHARS && name.chars().all(|c| c.is_ascii_hexdigit());
            if is_hash && entry.file_type()?.is_file() {
                let bytes = entry.metadata()?.len();
                all.insert(name, Content { place: entry.path(), bytes });
            } else if name.starts_with('.') && name.ends_with(ASIDE) {
                fs::remove_file(entry.path())?;
            }
        }
    }
    Ok(all)
}

fn remove(unused: &HashMap<String, Content>, dry_run: bool) -> io::Result<SweptFiles> {
    let mut swept = SweptFiles::default();
    for content in unused.values() {
        if !dry_run {
            fs::remove_file(&content.place)?;
            // The folder stays if there is anything else in it.
            let _ = content.place.parent().map(fs::remove_dir);
        }
        swept.files += 1;
        swept.bytes += content.bytes;
    }
    Ok(swept)
}

/// Waits for the lock of a folder. It is free again when the file is dropped.
pub(super) fn locked(dir: &Path, lock: fn(&File) -> io::Result<()>) -> io::Result<File> {
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(dir.join(LOCK))?;
    lock(&file)?;
    Ok(file)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Error> {
    let failed = |error: io::Error| {
        Error::new(ErrorKind::Store, "the kept files cannot be read")
            .with_source(error)
            .with_id(ErrorId::FILE_REFUSED)
    };
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(io::Error::other).and_then(|done| done).map_err(failed)
}
