//! Paths that match a pattern, beneath a directory and nowhere else.
//!
//! The crate `glob` walks by name and over every link, and so would list what lies outside; only
//! its patterns for single names are used.

use crate::beneath::{Beneath, Denied, EntryKind};
use ::glob::{MatchOptions, Pattern};
use std::collections::BTreeSet;
use std::path::Path;

/// The number of names one pattern may look at, in all directories.
pub(crate) const ENTRIES_MAX: usize = 1_000_000;

/// The depth to which `**` goes.
const DEPTH_MAX: usize = 256;

const OPTIONS: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    // `**` does not mean `.git`.
    require_literal_leading_dot: true,
};

/// Reasons why no list of paths is given.
pub(crate) enum Stopped {
    NoPattern(&'static str),
    /// More files match than were asked for.
    TooMany,
    /// [`ENTRIES_MAX`] was reached.
    TooLarge,
    Denied(String, Denied),
}

/// A part of a pattern, between two `/`.
enum Part {
    Name(String),
    Matching(Pattern),
    /// `**`: any number of directories.
    Deep,
}

/// The files that match a pattern, sorted by path: at most `most`.
pub(crate) fn matching(root: &Beneath, pattern: &str, most: usize) -> Result<Vec<String>, Stopped> {
    // Parts are parsed alone, in which `**` would be read as `*`.
    Pattern::new(pattern).map_err(|error| Stopped::NoPattern(error.msg))?;
    let part = |part: &str| match part {
        "**" => Ok(Part::Deep),
        name if !name.contains(['*', '?', '[']) => Ok(Part::Name(name.into())),
        other => match Pattern::new(other) {
            Ok(pattern) => Ok(Part::Matching(pattern)),
            Err(error) => Err(Stopped::NoPattern(error.msg)),
        },
    };
    let parts: Vec<Part> = pattern.split('/').map(part).collect::<Result<_, _>>()?;
    let mut search = Search { root, most, looked_at: 0, found: BTreeSet::new() };
    search.go("", &parts, 0)?;
    Ok(search.found.into_iter().collect())
}

struct Search<'a> {
    root: &'a Beneath,
    most: usize,
    looked_at: usize,
    /// Sorted, and each once, also where `**/**` finds one twice.
    found: BTreeSet<String>,
}

impl Search<'_> {
    /// Looks for the parts that are left of a pattern in a directory.
    fn go(&mut self, dir: &str, parts: &[Part], depth: usize) -> Result<(), Stopped> {
        let Some((part, rest)) = parts.split_first() else { return Ok(()) };
        if depth > DEPTH_MAX {
            return Err(Stopped::TooLarge);
        }
        match part {
            Part::Name(name) => {
                let path = joined(dir, name);
                match self.root.is_dir(Path::new(&path)) {
                    Ok(true) => self.go(&path, rest, depth + 1),
                    Ok(false) => self.file(path, rest),
                    Err(denied) => missing(path, denied),
                }
            }
            Part::Matching(pattern) => {
                for (name, path, is_dir) in self.entries(dir)? {
                    if !pattern.matches_with(&name, OPTIONS) {
                        continue;
                    }
                    match is_dir {
                        Some(true) => self.go(&path, rest, depth + 1)?,
                        Some(false) => self.file(path, rest)?,
                        // A link: what it leads to is asked only if the name matches.
                        None => match self.root.is_dir(Path::new(&path)) {
                            Ok(true) => self.go(&path, rest, depth + 1)?,
                            Ok(false) => self.file(path, rest)?,
                            Err(denied) => missing(path, denied)?,
                        },
                    }
                }
                Ok(())
            }
            Part::Deep => {
                self.go(dir, rest, depth)?;
                for (name, path, is_dir) in self.entries(dir)? {
                    // Links are not followed: they may lead up, and never end.
                    if is_dir == Some(true) && !name.starts_with('.') {
                        self.go(&path, parts, depth + 1)?;
                    }
                }
                Ok(())
            }
        }
    }

    fn file(&mut self, path: String, rest: &[Part]) -> Result<(), Stopped> {
        if rest.is_empty() {
            self.found.insert(path);
        }
        if self.found.len() > self.most { Err(Stopped::TooMany) } else { Ok(()) }
    }

    /// The names in a directory, their paths, and whether they are directories: unknown of links.
    fn entries(&mut self, dir: &str) -> Result<Vec<(String, String, Option<bool>)>, Stopped> {
        let entries = match self.root.entries(Path::new(dir)) {
            Ok(entries) => entries,
            Err(denied) => return missing(dir.to_owned(), denied).map(|()| Vec::new()),
        };
        self.looked_at += entries.len();
        if self.looked_at > ENTRIES_MAX {
            return Err(Stopped::TooLarge);
        }
        let entries = entries.into_iter().map(|entry| {
            let name = entry.name.to_string_lossy().into_owned();
            let is_dir = match entry.kind {
                EntryKind::Directory => Some(true),
                EntryKind::Link => None,
                EntryKind::Other => Some(false),
            };
            (name.clone(), joined(dir, &name), is_dir)
        });
        Ok(entries.collect())
    }
}

/// A pattern does not match what is not there.
fn missing(path: String, denied: Denied) -> Result<(), Stopped> {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    match denied {
        Denied::Failed(error) if matches!(error.kind(), NotFound | NotADirectory) => Ok(()),
        denied => Err(Stopped::Denied(path, denied)),
    }
}

fn joined(dir: &str, name: &str) -> String {
    if dir.is_empty() { name.to_owned() } else { format!("{dir}/{name}") }
}
