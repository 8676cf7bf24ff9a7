//! The places of knowledge: its database and its documents, beneath the folder of a file.

use crate::access::{Home, Refused};
#[cfg(feature = "knowledge")]
use crate::beneath::Beneath;
use crate::beneath::{MISSING, goes_down};
use crate::options::Options;
use std::path::{Path, PathBuf};
use stepwright_tools::__private::folder::glob::{self, Except, Stopped};

/// The maximum number of documents that one pattern may match.
pub(super) const DOCUMENTS_MAX: usize = 100_000;

/// Returns the path of a database, which may not exist yet. Its folder must, and is the folder of
/// the file, beneath it, or one that the caller allows.
pub(super) fn of_database(home: &Home, path: &str, options: &Options) -> Result<PathBuf, Refused> {
    let given = Path::new(path);
    let Some(name) = given.file_name().filter(|_| !path.ends_with('/')) else {
        return Err(Refused::new("it is not the path of a file"));
    };
    let parent = given.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.map_or_else(|| ".".into(), |parent| parent.display().to_string());
    let folder = home.dir(&parent, &options.allow_path).map_err(|refused| {
        if refused.why != MISSING {
            return refused;
        }
        // As for the databases of runs, it is not created: the name may be misspelt.
        let why = format!("its folder `{parent}` does not exist");
        let help = Some(format!("create the folder `{parent}` beside this file"));
        Refused { why, help }
    })?;
    let place = folder.path().join(name);
    match place.symlink_metadata() {
        // A link may lead anywhere.
        Ok(found) if found.is_symlink() => Err(Refused::new("it is a link")),
        Ok(found) if !found.is_file() => Err(Refused::new("it is not a regular file")),
        _ => Ok(place),
    }
}

/// Returns the files that match a path or a pattern, sorted, relative to the folder.
pub(super) fn matching(
    home: &Home,
    pattern: &str,
    options: &Options,
) -> Result<Vec<String>, Refused> {
    let refused = |why: String| Refused::new(why);
    if !goes_down(Path::new(pattern)) {
        return Err(Refused {
            why: "it leads out of the folder of this file".to_owned(),
            help: Some("sources stay beneath the folder of their file".to_owned()),
        });
    }
    let folder = home.dir(".", &options.allow_path)?;
    let within = pattern.trim_start_matches("./");
    let found = glob::matching(&folder, within, DOCUMENTS_MAX, &Except::default());
    found.map(|matched| matched.paths).map_err(|stopped| match stopped {
        Stopped::NoPattern(why) | Stopped::NoExclusion(_, why) => {
            refused(format!("it is not a pattern: {why}"))
        }
        Stopped::TooMany => refused(format!("it matches more than {DOCUMENTS_MAX} files")),
        Stopped::TooLarge => refused(format!("it looks at more than {} names", glob::ENTRIES_MAX)),
        Stopped::Denied(path, denied) => refused(format!("`{path}`: {}", denied.why())),
    })
}

/// Reads a document beneath a folder, of at most `most` bytes. `None` if there is none.
#[cfg(feature = "knowledge")]
pub(super) fn read(folder: &Beneath, path: &str, most: u64) -> Result<Option<String>, String> {
    use crate::beneath::Denied;
    use std::io::{ErrorKind, Read as _};
    let found = match folder.file(Path::new(path)) {
        Ok(found) => found,
        Err(Denied::Failed(error)) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(denied) => return Err(denied.why()),
    };
    let mut bytes = Vec::new();
    found.file.take(most + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > most {
        return Err(format!("it has more than {most} bytes"));
    }
    String::from_utf8(bytes).map(Some).map_err(|_| "it is not UTF-8 text".to_owned())
}
