//! Files of one directory, and none outside of it.

use super::{over, refused, text_of};
use glob::{MatchOptions, Pattern};
use serde_json::{Value, json};
use std::ffi::OsString;
use std::io;
use std::path::{Component, Path, PathBuf};
use stepwright_core::StepError;

/// A directory that steps and tools do not leave: neither with `..`, nor with an absolute path, nor
/// over a symbolic link.
#[derive(Clone, Debug)]
pub(crate) struct Folder {
    dir: PathBuf,
}

/// How much is read at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) max_files: usize,
    pub(crate) max_bytes: u64,
}

/// Files that were read.
pub(crate) struct Read {
    /// `[{path, text}]`, with a `note` where something is to be said.
    pub(crate) list: Value,
    pub(crate) files: usize,
    pub(crate) bytes: u64,
}

impl Folder {
    pub(crate) fn new(dir: Option<PathBuf>) -> Self {
        Self { dir: dir.unwrap_or_else(|| PathBuf::from(".")) }
    }

    /// The directory itself, without symbolic links.
    pub(crate) fn root(&self) -> Result<PathBuf, StepError> {
        self.dir.canonicalize().map_err(|error| {
            let message = format!("the base directory {} cannot be used", self.dir.display());
            failed(&message, &error)
        })
    }

    /// The text of a file, and a note if it is not all text.
    pub(crate) fn read(
        &self,
        path: &str,
        max_bytes: u64,
    ) -> Result<(String, Option<String>), StepError> {
        let root = self.root()?;
        let place = inside(&root, path, &root.join(path))?;
        let (text, note, _) = read_text(&place, path, max_bytes, max_bytes)?;
        Ok((text, note))
    }

    /// The texts of all files that match a pattern, sorted by path.
    pub(crate) fn read_all(&self, pattern: &str, limits: Limits) -> Result<Read, StepError> {
        let root = self.root()?;
        let within = relative(&root, pattern)?;
        // What the pattern says begins beneath the directory, whatever letters are in its name.
        let whole = format!("{}/{within}", Pattern::escape(&root.to_string_lossy()));
        let options = MatchOptions {
            case_sensitive: true,
            require_literal_separator: true,
            // `**` does not mean `.git`.
            require_literal_leading_dot: true,
        };
        let places = glob::glob_with(&whole, options)
            .map_err(|error| refused(format!("`{pattern}` is not a pattern: {}", error.msg)))?;
        let mut list = Vec::new();
        let mut bytes = 0;
        for place in places {
            let place = place.map_err(|error| {
                failed(&format!("{} cannot be read", error.path().display()), error.error())
            })?;
            if place.is_dir() {
                continue;
            }
            let shown = place.strip_prefix(&root).unwrap_or(&place).to_string_lossy().into_owned();
            let place = inside(&root, &shown, &place)?;
            if list.len() >= limits.max_files {
                let most = limits.max_files;
                return Err(over(
                    format!("`{pattern}` matches more than {most} files"),
                    "max_files",
                ));
            }
            let (text, note, size) =
                read_text(&place, &shown, limits.max_bytes - bytes, limits.max_bytes)?;
            bytes += size;
            list.push(match note {
                Some(note) => json!({"path": shown, "text": text, "note": note}),
                None => json!({"path": shown, "text": text}),
            });
        }
        if list.is_empty() {
            must_exist(&root, pattern, &within)?;
        }
        Ok(Read { files: list.len(), bytes, list: Value::Array(list) })
    }

    /// Writes a file, with the directories around it: all of it or nothing.
    pub(crate) fn write(&self, path: &str, text: &str) -> Result<Value, StepError> {
        let root = self.root()?;
        let place = to_write(&root, path)?;
        let wrong = |error: io::Error| failed(&format!("`{path}` cannot be written"), &error);
        if place.is_dir() {
            return Err(refused(format!("`{path}` is a directory")));
        }
        if let Some(parent) = place.parent() {
            std::fs::create_dir_all(parent).map_err(wrong)?;
        }
        let mut name = OsString::from(".");
        name.push(place.file_name().unwrap_or_default());
        name.push(format!(".{}.tmp", std::process::id()));
        let aside = place.with_file_name(name);
        let written = std::fs::write(&aside, text).and_then(|()| std::fs::rename(&aside, &place));
        if let Err(error) = written {
            // Nothing is lost if it stays: the next attempt writes it anew.
            let _ = std::fs::remove_file(&aside);
            return Err(wrong(error));
        }
        Ok(json!({"path": path, "bytes": text.len()}))
    }
}

fn failed(what: &str, error: &io::Error) -> StepError {
    match error.kind() {
        io::ErrorKind::NotFound => refused(format!("{what}: it does not exist")),
        io::ErrorKind::PermissionDenied => refused(format!("{what}: permission denied")),
        _ => StepError::new(format!("{what}: {error}")),
    }
}

fn outside(path: &str) -> StepError {
    refused(format!("`{path}` is outside of the base directory")).with_hint(
        "whoever runs the workflow chooses that directory: `--base-dir`, or `Options::base_dir`",
    )
}

/// A path that may be absolute, as one that begins at `root`; `..` is out of the question.
fn relative(root: &Path, path: &str) -> Result<String, StepError> {
    let given = Path::new(path);
    if given.components().any(|part| part == Component::ParentDir) {
        return Err(outside(path));
    }
    let within = if given.is_absolute() {
        given.strip_prefix(root).map_err(|_| outside(path))?
    } else {
        given
    };
    let parts: Vec<_> = within
        .components()
        .filter_map(|part| match part {
            Component::Normal(part) => Some(part.to_string_lossy()),
            _ => None,
        })
        .collect();
    if parts.is_empty() { Err(refused("the path is empty")) } else { Ok(parts.join("/")) }
}

/// Where a file is that exists, without symbolic links.
fn inside(root: &Path, shown: &str, place: &Path) -> Result<PathBuf, StepError> {
    // Asked first, so that nobody learns whether something outside exists.
    relative(root, shown)?;
    let real = place
        .canonicalize()
        .map_err(|error| failed(&format!("`{shown}` cannot be read"), &error))?;
    if real.starts_with(root) { Ok(real) } else { Err(outside(shown)) }
}

/// Where a file is that may not exist yet: what of its path exists must lie inside.
fn to_write(root: &Path, path: &str) -> Result<PathBuf, StepError> {
    let place = root.join(relative(root, path)?);
    let mut exists = place.as_path();
    // `symlink_metadata`, because a link that leads nowhere yet would be written through.
    while exists.symlink_metadata().is_err() {
        match exists.parent() {
            Some(parent) => exists = parent,
            None => return Err(outside(path)),
        }
    }
    let real = exists.canonicalize().map_err(|_| outside(path))?;
    if !real.starts_with(root) {
        return Err(outside(path));
    }
    match place.strip_prefix(exists) {
        Ok(rest) if rest.as_os_str().is_empty() => Ok(real),
        Ok(rest) => Ok(real.join(rest)),
        Err(_) => Err(outside(path)),
    }
}

fn read_text(
    place: &Path,
    shown: &str,
    left: u64,
    max_bytes: u64,
) -> Result<(String, Option<String>, u64), StepError> {
    use io::Read as _;
    let wrong = |error: io::Error| failed(&format!("`{shown}` cannot be read"), &error);
    let file = std::fs::File::open(place).map_err(wrong)?;
    if file.metadata().map_err(wrong)?.is_dir() {
        return Err(refused(format!("`{shown}` is a directory")));
    }
    let mut bytes = Vec::new();
    // The size that the file system tells may be wrong by the time the file is read.
    file.take(left + 1).read_to_end(&mut bytes).map_err(wrong)?;
    let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    if size > left {
        let message = format!("with `{shown}` there are more than {max_bytes} bytes to read");
        return Err(over(message, "max_bytes"));
    }
    let (text, note) = text_of(bytes);
    Ok((text, note, size))
}

/// A pattern that matches nothing is an empty list, unless the directory in it does not even exist.
fn must_exist(root: &Path, pattern: &str, within: &str) -> Result<(), StepError> {
    let plain = within.split('/').take_while(|part| !part.contains(['*', '?', '[']));
    let place = plain.fold(root.to_path_buf(), |place, part| place.join(part));
    if place.exists() {
        Ok(())
    } else {
        let missing = place.strip_prefix(root).unwrap_or(&place).display().to_string();
        Err(refused(format!("`{pattern}` matches nothing: `{missing}` does not exist")))
    }
}
