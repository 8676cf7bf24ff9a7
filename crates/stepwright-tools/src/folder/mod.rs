//! The files of one directory.

pub mod acts;
pub mod glob;

use self::glob::{Except, Matched};
use crate::beneath::{Beneath, Denied, EntryKind, Found};
use serde_json::{Value, json};
use std::io;
use std::path::{Component, Path, PathBuf};
use stepwright_core::{ErrorCode, ErrorId, StepContext, StepError};

/// A directory that steps and tools cannot leave: not with `..`, an absolute path or a symbolic
/// link.
#[derive(Clone, Debug)]
pub struct Folder {
    dir: PathBuf,
    /// The path of the directory within the one that steps work in.
    within: Option<String>,
    /// The paths, without links, of the directories that it is in or takes the place of.
    around: Vec<PathBuf>,
}

/// The limits of one read.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    pub max_files: usize,
    pub max_bytes: u64,
}

/// The files that were read.
#[derive(Debug)]
pub struct Read {
    /// The files as `[{path, text}]`, with a `note` if a text is incomplete.
    pub list: Value,
    pub files: usize,
    pub bytes: u64,
    /// The reasons why others were not.
    pub skipped: Vec<String>,
}

/// Some lines of a file.
#[derive(Debug)]
pub struct Lines {
    pub text: String,
    /// The number of lines in the text.
    pub count: u64,
    /// `true` if the file has more after them.
    pub more: bool,
    /// `true` if the last line is cut.
    pub is_cut: bool,
    pub note: Option<String>,
}

impl Folder {
    pub fn new(dir: Option<PathBuf>) -> Self {
        Self { dir: dir.unwrap_or_else(|| PathBuf::from(".")), within: None, around: Vec::new() }
    }

    /// Returns the directory that takes the place of this one in a step with a workspace.
    pub fn of_step(&self, cx: &StepContext) -> Result<Self, StepError> {
        let Some(workspace) = cx.workspace() else { return Ok(self.clone()) };
        let mut workspace = Self::new(Some(workspace.to_owned()));
        workspace.around.clone_from(&self.around);
        // A directory that cannot be opened has no files for rules.
        workspace.around.extend(self.root());
        match &self.within {
            Some(within) => workspace.within(within),
            None => Ok(workspace),
        }
    }

    /// Returns the path of the directory without symbolic links.
    pub fn root(&self) -> Result<PathBuf, StepError> {
        Ok(self.open()?.path().to_owned())
    }

    /// Checks that a path stays beneath the directory, as far as the path alone tells it.
    pub fn check_path(&self, path: &str) -> Result<(), StepError> {
        if !Path::new(path).is_absolute() {
            return relative(Path::new(""), path).map(drop);
        }
        match self.root() {
            Ok(root) => relative(&root, path).map(drop),
            // The directory may exist by the time that the workflow runs.
            Err(_) => Ok(()),
        }
    }

    /// Returns a directory within this one.
    pub fn within(&self, path: &str) -> Result<Self, StepError> {
        let root = self.open()?;
        let within = relative(root.path(), path)?;
        match root.is_dir(Path::new(&within)) {
            Ok(true) => {}
            Ok(false) => return Err(refused(format!("`{path}` is not a directory"))),
            Err(denied) => return Err(told(path, "used", &denied)),
        }
        // Its links are resolved, and it stays beneath this one.
        let dir = root.path().join(&within);
        let whole = dir.canonicalize().map_err(|error| failed(&format!("`{path}`"), &error))?;
        if !whole.starts_with(root.path()) {
            return Err(outside(path));
        }
        let mut around = self.around.clone();
        around.push(root.path().to_owned());
        Ok(Self { dir: whole, within: Some(path.to_owned()), around })
    }

    /// Returns the path, without links, of a file or a directory that exists in this one.
    pub fn real(&self, path: &str) -> Result<PathBuf, StepError> {
        let root = self.open()?;
        if matches!(path, "." | "./") {
            return Ok(root.path().to_owned());
        }
        let within = relative(root.path(), path)?;
        let whole = root.path().join(&within).canonicalize();
        let whole = whole.map_err(|error| failed(&format!("`{path}`"), &error))?;
        if whole.starts_with(root.path()) { Ok(whole) } else { Err(outside(path)) }
    }

    fn open(&self) -> Result<Beneath, StepError> {
        Beneath::open(&self.dir).map_err(|error| {
            let message = format!("the base directory {} cannot be used", self.dir.display());
            failed(&message, &error)
        })
    }

    /// Reads lines of a file: those from the line `first`, counted from 1, at most `most` of them,
    /// and at most `max_bytes` bytes.
    pub fn read_lines(
        &self,
        path: &str,
        first: u64,
        most: u64,
        max_bytes: u64,
    ) -> Result<Lines, StepError> {
        use io::{BufRead as _, Read as _};
        let root = self.open()?;
        let within = relative(root.path(), path)?;
        let found = root.file(Path::new(&within)).map_err(|denied| told(path, "read", &denied))?;
        let failed = |error| failed(&format!("`{path}` cannot be read"), &error);
        let mut reader = io::BufReader::new(found.file);
        for _ in 1..first {
            if reader.skip_until(b'\n').map_err(failed)? == 0 {
                break;
            }
        }
        let (mut bytes, mut count, mut is_cut) = (Vec::new(), 0, false);
        while count < most && !is_cut {
            let left = max_bytes - u64::try_from(bytes.len()).unwrap_or(u64::MAX);
            let before = bytes.len();
            let mut line = (&mut reader).take(left);
            if line.read_until(b'\n', &mut bytes).map_err(failed)? == 0 {
                break;
            }
            if bytes.ends_with(b"\n") || reader.fill_buf().map_err(failed)?.is_empty() {
                count += 1;
            } else if before == 0 {
                // The first line alone is too long.
                (count, is_cut) = (1, true);
            } else {
                bytes.truncate(before);
                let (text, note) = text_of(bytes);
                return Ok(Lines { text, count, more: true, is_cut, note });
            }
        }
        let more = is_cut || !reader.fill_buf().map_err(failed)?.is_empty();
        let (text, note) = text_of(bytes);
        Ok(Lines { text, count, more, is_cut, note })
    }

    /// Appends to a file, which is created if it is missing. Creates missing directories.
    pub fn append(&self, path: &str, text: &str) -> Result<Value, StepError> {
        let root = self.open()?;
        let within = relative(root.path(), path)?;
        root.append(Path::new(&within), text.as_bytes())
            .map_err(|denied| told(path, "written", &denied))?;
        Ok(json!({"path": path, "bytes": text.len()}))
    }

    /// Returns the names in a directory, sorted. Those of directories end with `/`.
    pub fn list(&self, path: &str) -> Result<Vec<String>, StepError> {
        let root = self.open()?;
        let within = match path.trim_start_matches("./") {
            "" | "." => String::from("."),
            path => relative(root.path(), path)?,
        };
        let entries = root.entries(Path::new(&within));
        let mut names = Vec::new();
        for entry in entries.map_err(|denied| told(path, "listed", &denied))? {
            let name = entry.name.to_string_lossy().into_owned();
            let is_dir = entry.kind == EntryKind::Directory;
            names.push(if is_dir { format!("{name}/") } else { name });
        }
        names.sort();
        Ok(names)
    }

    /// Returns the paths of the files that match a pattern, sorted, at most `most`. What cannot be
    /// read is left out.
    pub fn find(&self, pattern: &str, most: usize) -> Result<Vec<String>, StepError> {
        let root = self.open()?;
        let within = relative(root.path(), pattern)?;
        let except = Except { patterns: Vec::new(), unreadable: true };
        let matched = glob::matching(&root, &within, most, &except);
        let matched = matched.map_err(|stopped| match stopped {
            glob::Stopped::NoPattern(why) | glob::Stopped::NoExclusion(_, why) => {
                refused(format!("`{pattern}` is not a pattern: {why}"))
            }
            glob::Stopped::TooMany => {
                refused(format!("`{pattern}` matches more than {most} files"))
                    .with_hint("narrow the pattern")
            }
            glob::Stopped::TooLarge => {
                refused(format!("`{pattern}` looks at more than {} names", glob::ENTRIES_MAX))
                    .with_hint("begin the pattern with the folder that is meant")
            }
            glob::Stopped::Denied(path, denied) => told(&path, "read", &denied),
        })?;
        if matched.paths.is_empty() {
            is_no_directory(&root, pattern, &within)?;
        }
        Ok(matched.paths)
    }

    /// Returns the text of a whole file, of at most `max_bytes` bytes.
    pub fn read_whole(&self, path: &str, max_bytes: u64) -> Result<String, StepError> {
        let root = self.open()?;
        let within = relative(root.path(), path)?;
        let (text, note, _) = read_text(&root, &within, path, (max_bytes, max_bytes))?;
        match note {
            None => Ok(text),
            Some(_) => Err(refused(format!("`{path}` is not a text: it is not all UTF-8"))),
        }
    }

    /// Reads all files that match a pattern, sorted by path.
    ///
    /// # Errors
    /// Fails for the reasons of `permit`, which is asked about each file.
    pub fn read_all(
        &self,
        pattern: &str,
        except: &Except,
        limits: Limits,
        permit: &dyn Fn(&str) -> Result<(), StepError>,
    ) -> Result<Read, StepError> {
        let root = self.open()?;
        let within = relative(root.path(), pattern)?;
        let max_files = limits.max_files;
        let too_many =
            || over(format!("`{pattern}` matches more than {max_files} files"), "max_files");
        let matched = glob::matching(&root, &within, max_files, except);
        let Matched { paths, unreadable } = matched.map_err(|stopped| match stopped {
            glob::Stopped::NoPattern(why) => {
                refused(format!("`{pattern}` is not a pattern: {why}"))
            }
            glob::Stopped::NoExclusion(pattern, why) => {
                refused(format!("`{pattern}` is not a pattern: {why}"))
            }
            glob::Stopped::TooMany => too_many(),
            glob::Stopped::TooLarge => {
                let most = glob::ENTRIES_MAX;
                refused(format!("`{pattern}` looks at more than {most} names"))
                    .with_hint("begin the pattern with the folder that is meant")
            }
            glob::Stopped::Denied(path, denied) => told(&path, "read", &denied),
        })?;
        let mut list = Vec::new();
        let mut skipped: Vec<String> = unreadable
            .iter()
            .map(|(path, denied)| told(path, "read", denied).to_string())
            .collect();
        let mut bytes = 0;
        for path in paths {
            permit(&path)?;
            let left = limits.max_bytes - bytes;
            let (text, note, size) = match read_text(&root, &path, &path, (left, limits.max_bytes))
            {
                Err(error) if except.unreadable && error.data.id == Some(ErrorId::FILE_REFUSED) => {
                    skipped.push(error.to_string());
                    continue;
                }
                read => read?,
            };
            bytes += size;
            list.push(match note {
                Some(note) => json!({"path": path, "text": text, "note": note}),
                None => json!({"path": path, "text": text}),
            });
        }
        if list.is_empty() && skipped.is_empty() {
            is_no_directory(&root, pattern, &within)?;
            must_exist(&root, pattern, &within)?;
        }
        Ok(Read { files: list.len(), bytes, list: Value::Array(list), skipped })
    }

    /// Writes a file atomically. Creates missing directories.
    pub fn write(&self, path: &str, text: &str) -> Result<Value, StepError> {
        let root = self.open()?;
        let within = relative(root.path(), path)?;
        root.write(Path::new(&within), text.as_bytes())
            .map_err(|denied| told(path, "written", &denied))?;
        Ok(json!({"path": path, "bytes": text.len()}))
    }
}

/// Returns the error for a file that could not be read or written.
fn told(path: &str, done: &str, denied: &Denied) -> StepError {
    match denied {
        Denied::Outside => outside(path),
        Denied::Irregular("a directory") => refused(format!("`{path}` is a directory")),
        Denied::Irregular(what) => refused(format!("`{path}` is not a regular file, but {what}")),
        Denied::Failed(error) => failed(&format!("`{path}` cannot be {done}"), error),
    }
}

fn failed(what: &str, error: &io::Error) -> StepError {
    match error.kind() {
        io::ErrorKind::NotFound => refused(format!("{what}: it does not exist")),
        io::ErrorKind::PermissionDenied => refused(format!("{what}: permission denied")),
        _ => StepError::new(format!("{what}: {error}")).with_id(ErrorId::FILE_REFUSED),
    }
}

fn refused(message: impl Into<String>) -> StepError {
    StepError::terminal(message).with_code(ErrorCode::BadInput).with_id(ErrorId::FILE_REFUSED)
}

/// Decodes bytes as text. Returns a note if they are not valid UTF-8.
pub fn text_of(bytes: Vec<u8>) -> (String, Option<String>) {
    match String::from_utf8(bytes) {
        Ok(text) => (text, None),
        Err(error) => {
            let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
            let note = "it is not all UTF-8: what is not was replaced by `\u{fffd}`".to_owned();
            (text, Some(note))
        }
    }
}

/// Returns the error of a limit that was reached.
pub fn over(message: impl Into<String>, limit: &str) -> StepError {
    StepError::terminal(message)
        .with_code(ErrorCode::Limit)
        .with_id(ErrorId::RESULT_TOO_LARGE)
        .with_hint(format!("raise `{limit}`, or ask for less"))
}

fn outside(path: &str) -> StepError {
    refused(format!("`{path}` is outside of the base directory"))
        .with_hint("a path stays beneath that directory, which `--base-dir` names")
}

/// Makes a path relative to `root`. Refuses `..`.
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

/// Reads a file. Returns its text, a note and its size. `left` of `max_bytes` may still be read.
fn read_text(
    root: &Beneath,
    within: &str,
    shown: &str,
    (left, max_bytes): (u64, u64),
) -> Result<(String, Option<String>, u64), StepError> {
    use io::Read as _;
    let Found { file, .. } =
        root.file(Path::new(within)).map_err(|denied| told(shown, "read", &denied))?;
    let mut bytes = Vec::new();
    // The size from the file system may be wrong by now, so limit the read.
    let read = file.take(left.saturating_add(1)).read_to_end(&mut bytes);
    read.map_err(|error| failed(&format!("`{shown}` cannot be read"), &error))?;
    let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    if size > left {
        let message = format!("with `{shown}` there are more than {max_bytes} bytes to read");
        return Err(over(message, "max_bytes"));
    }
    let (text, note) = text_of(bytes);
    Ok((text, note, size))
}

/// Fails if a pattern without matches names a directory.
fn is_no_directory(root: &Beneath, pattern: &str, within: &str) -> Result<(), StepError> {
    let is_plain = !within.contains(['*', '?', '[']);
    if !is_plain || !root.is_dir(Path::new(within)).unwrap_or_default() {
        return Ok(());
    }
    Err(refused(format!("`{pattern}` is a directory, and the pattern is one of files"))
        .with_hint(format!("write `{within}/**` for all files beneath it")))
}

/// Fails if the fixed part of a pattern without matches does not exist.
fn must_exist(root: &Beneath, pattern: &str, within: &str) -> Result<(), StepError> {
    let plain = within.split('/').take_while(|part| !part.contains(['*', '?', '[']));
    let place = plain.fold(PathBuf::new(), |place, part| place.join(part));
    match root.is_dir(&place) {
        Err(Denied::Failed(error)) if error.kind() == io::ErrorKind::NotFound => {
            let missing = place.display();
            Err(refused(format!("`{pattern}` matches nothing: `{missing}` does not exist")))
        }
        Err(Denied::Outside) => Err(outside(pattern)),
        _ => Ok(()),
    }
}
