//! The files that a workflow file may refer to: those beneath its own folder, and those beneath the
//! directories that the caller allows.

use crate::beneath::{Beneath, Denied, Found, MISSING, goes_down};
use crate::suggest::closest;
use std::fs::File;
use std::io::Read as _;
use std::path::{Component, Path, PathBuf};
use stepwright_tools::__private::folder::acts::without_dots;

/// The maximum size of a file, in bytes. A workflow that needs more should use several files.
pub(crate) const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// The maximum number of files of a workflow.
pub(crate) const FILES_MAX: usize = 256;

/// The maximum size of all files of a workflow, in bytes. Many agents may name one large file.
pub(crate) const ALL_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// The hint for a file in another folder.
const HELP: &str = "references stay beneath the folder of their file: move the file there; if you \
                    trust the workflow file, allow another directory with `--allow-path DIR`";

/// The folder of a workflow file.
#[derive(Clone, Debug)]
pub(crate) enum Home {
    /// A folder that is opened at the first reference.
    Named(PathBuf),
    Opened(Beneath),
}

/// A file that another file refers to.
pub(crate) struct Referred {
    pub(crate) text: String,
    /// The path without symbolic links.
    pub(crate) path: PathBuf,
    pub(crate) home: Home,
}

/// The reason that a file is not read, with a hint.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) why: String,
    pub(crate) help: Option<String>,
}

impl Refused {
    pub(crate) fn new(why: impl Into<String>) -> Self {
        Self { why: why.into(), help: None }
    }
}

/// Returns the folder of a file.
pub(crate) fn folder_of(path: &Path) -> PathBuf {
    path.parent().map_or_else(PathBuf::new, Path::to_path_buf)
}

impl Home {
    /// Returns the folder of the file at `path`.
    pub(crate) fn of(path: &Path) -> Self {
        Self::Named(path.parent().map_or_else(PathBuf::new, Path::to_path_buf))
    }

    /// Reads a file that the file in this folder refers to. Messages call it `shown`. `left` is the
    /// number of bytes that the workflow may still read.
    pub(crate) fn read(
        &self,
        reference: &str,
        shown: &str,
        allowed: &[PathBuf],
        left: u64,
    ) -> Result<Referred, Refused> {
        let found = self.find(reference, allowed).map_err(|refused| match refused.help {
            None if refused.why == MISSING => {
                Refused { help: Some(self.looked_for(reference, shown)), ..refused }
            }
            _ => refused,
        })?;
        let text = read_text(found.file, left)?;
        Ok(Referred { text, path: found.path, home: Self::Opened(found.dir) })
    }

    /// Returns the help for a missing file: the folder that was searched, and a file with a similar
    /// name that exists.
    fn looked_for(&self, reference: &str, shown: &str) -> String {
        let path = Path::new(reference);
        let own = match self {
            Self::Named(dir) => Beneath::open(dir),
            Self::Opened(dir) => Ok(dir.clone()),
        };
        // A file in the current directory has no folder in its path.
        let is_shown = Path::new(shown).parent().is_some_and(|folder| {
            folder.components().any(|part| !matches!(part, Component::CurDir))
        });
        let looked_for = match &own {
            Ok(own) if !is_shown => format!("looked for {shown} in {}", own.path().display()),
            _ => format!("looked for {shown}"),
        };
        let (Some(name), true) = (path.file_name().and_then(|name| name.to_str()), goes_down(path))
        else {
            return looked_for;
        };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let within = folder.unwrap_or(Path::new("."));
        let entries = own.ok().and_then(|dir| dir.entries(within).ok()).unwrap_or_default();
        let names: Vec<&str> = entries.iter().filter_map(|entry| entry.name.to_str()).collect();
        match closest(name, names.iter().copied()) {
            Some(meant) => {
                let meant =
                    folder.map_or_else(|| PathBuf::from(meant), |folder| folder.join(meant));
                format!("did you mean `{}`? {looked_for}", meant.display())
            }
            None => looked_for,
        }
    }

    /// Opens a directory that the file in this folder refers to.
    pub(crate) fn dir(&self, reference: &str, allowed: &[PathBuf]) -> Result<Beneath, Refused> {
        self.open(reference, allowed, Beneath::within)
    }

    fn find(&self, reference: &str, allowed: &[PathBuf]) -> Result<Found, Refused> {
        self.open(reference, allowed, Beneath::file)
    }

    fn open<T>(
        &self,
        reference: &str,
        allowed: &[PathBuf],
        open: impl Fn(&Beneath, &Path) -> Result<T, Denied>,
    ) -> Result<T, Refused> {
        let path = Path::new(reference);
        if path.as_os_str().is_empty() {
            return Err(Refused::new("the path is empty"));
        }
        if reference.contains('\0') {
            return Err(Refused::new("the path has a NUL byte"));
        }
        let own = match self {
            Self::Named(path) => Beneath::open(path),
            Self::Opened(dir) => Ok(dir.clone()),
        };
        let own = own.map_err(|error| {
            Refused::new(format!("the folder of this file cannot be opened: {error}"))
        })?;
        let mut why = "a link on its way leads out of the folder of this file";
        if goes_down(path) {
            match open(&own, path) {
                Err(Denied::Outside) => {}
                found => return found.map_err(|denied| Refused::new(denied.why())),
            }
        } else if path.components().any(|part| part == Component::ParentDir) {
            why = "it leads out of the folder of this file with `..`";
        } else {
            why = "it is an absolute path";
        }
        let whole = own.path().join(path);
        for dir in allowed {
            let Ok(dir) = Beneath::open(dir) else { continue };
            // Report that a file is missing only within the directories that may be read.
            let real = whole.canonicalize().unwrap_or_else(|_| without_dots(&whole));
            let Ok(rest) = real.strip_prefix(dir.path()) else { continue };
            match open(&dir, rest) {
                Err(Denied::Outside) => {}
                found => return found.map_err(|denied| Refused::new(denied.why())),
            }
        }
        Err(Refused { why: why.into(), help: Some(HELP.into()) })
    }
}

/// Reads a text up to the limit, because the size from the file system may be wrong.
pub(crate) fn read_text(file: File, left: u64) -> Result<String, Refused> {
    let bound = FILE_BYTES_MAX.min(left);
    let mut bytes = Vec::new();
    let read = file.take(bound + 1).read_to_end(&mut bytes);
    read.map_err(|error| Refused::new(error.to_string()))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > bound {
        return Err(Refused::new(match bound {
            FILE_BYTES_MAX => format!("it has more than {FILE_BYTES_MAX} bytes"),
            _ => format!("all files of the workflow together have more than {ALL_BYTES_MAX} bytes"),
        }));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let valid = String::from_utf8_lossy(valid);
        let line = valid.matches('\n').count() + 1;
        let column = valid.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let byte = error.as_bytes()[error.utf8_error().valid_up_to()];
        let why =
            format!("it is not UTF-8 text: line {line}, column {column} has the byte {byte:#04x}");
        Refused { why, help: Some("save it as UTF-8".into()) }
    })
}
