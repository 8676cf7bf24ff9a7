//! Finds paths that match a pattern beneath a directory.
//!
//! The crate `glob` follows all links, and so would list files outside the directory. Only its
//! patterns for single names are used.

use crate::beneath::{Beneath, Denied, EntryKind};
use ::glob::{MatchOptions, Pattern};
use std::collections::BTreeSet;
use std::path::Path;

/// The maximum number of names that one pattern may look at, in all directories.
pub const ENTRIES_MAX: usize = 1_000_000;

/// The maximum depth of `**`.
const DEPTH_MAX: usize = 256;

const OPTIONS: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    // `**` does not match `.git`.
    require_literal_leading_dot: true,
};

/// The reason that a search stopped.
#[derive(Debug)]
pub enum Stopped {
    NoPattern(&'static str),
    /// A pattern of files to leave out is not valid.
    NoExclusion(String, &'static str),
    /// More files match than allowed.
    TooMany,
    /// The search reached [`ENTRIES_MAX`] or the maximum depth.
    TooLarge,
    Denied(String, Denied),
}

/// A part of a pattern between two `/`.
enum Part {
    Name(String),
    Matching(Pattern),
    /// `**`: any number of directories.
    Deep,
}

/// The files that a search leaves out.
#[derive(Clone, Debug, Default)]
pub struct Except {
    /// Patterns of paths.
    pub patterns: Vec<String>,
    /// `true` to pass over directories and files that cannot be read.
    pub unreadable: bool,
}

/// The files that a search has found.
#[derive(Debug)]
pub struct Matched {
    /// Their paths, sorted.
    pub paths: Vec<String>,
    /// The files that could not be read, with the reasons.
    pub unreadable: Vec<(String, Denied)>,
}

/// Returns the files that match a pattern. Fails if there are more than `most`.
pub fn matching(
    root: &Beneath,
    pattern: &str,
    most: usize,
    except: &Except,
) -> Result<Matched, Stopped> {
    // The parts are parsed alone below, so check the pattern as a whole first.
    parsed(pattern).map_err(Stopped::NoPattern)?;
    let part = |part: &str| match part {
        "**" => Ok(Part::Deep),
        name if !name.contains(['*', '?', '[']) => Ok(Part::Name(name.into())),
        other => match Pattern::new(other) {
            Ok(pattern) => Ok(Part::Matching(pattern)),
            Err(error) => Err(Stopped::NoPattern(error.msg)),
        },
    };
    let mut parts: Vec<Part> = pattern.split('/').map(part).collect::<Result<_, _>>()?;
    // `docs/**` means all files beneath `docs`, as in the rules of permissions.
    if matches!(parts.last(), Some(Part::Deep)) {
        let all = Pattern::new("*").map_err(|error| Stopped::NoPattern(error.msg))?;
        parts.push(Part::Matching(all));
    }
    let excluded = except
        .patterns
        .iter()
        .map(|pattern| parsed(pattern).map_err(|why| Stopped::NoExclusion(pattern.clone(), why)));
    let excluded = excluded.collect::<Result<_, _>>()?;
    let unreadable = except.unreadable.then(Vec::new);
    let found = BTreeSet::new();
    let mut search = Search { root, most, excluded, unreadable, looked_at: 0, found };
    search.go("", &parts, 0)?;
    let unreadable = search.unreadable.unwrap_or_default();
    Ok(Matched { paths: search.found.into_iter().collect(), unreadable })
}

fn parsed(pattern: &str) -> Result<Pattern, &'static str> {
    if pattern.split('/').any(|part| part.contains("**") && part != "**") {
        return Err("`**` stands alone between slashes: write `**/*.md` in place of `**.md`");
    }
    Pattern::new(pattern).map_err(|error| error.msg)
}

struct Search<'a> {
    root: &'a Beneath,
    most: usize,
    excluded: Vec<Pattern>,
    /// The files that could not be read, if they are passed over.
    unreadable: Option<Vec<(String, Denied)>>,
    looked_at: usize,
    /// The matching files, sorted and without duplicates, which `**/**` would find.
    found: BTreeSet<String>,
}

impl Search<'_> {
    /// Searches a directory for the remaining parts of a pattern.
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
                    Err(denied) => self.missing(path, denied),
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
                        // Resolve a link only if its name matches.
                        None => match self.root.is_dir(Path::new(&path)) {
                            Ok(true) => self.go(&path, rest, depth + 1)?,
                            Ok(false) => self.file(path, rest)?,
                            Err(denied) => self.missing(path, denied)?,
                        },
                    }
                }
                Ok(())
            }
            Part::Deep => {
                self.go(dir, rest, depth)?;
                for (name, path, is_dir) in self.entries(dir)? {
                    // Do not follow links, because they may lead up and create a cycle.
                    if is_dir == Some(true) && !name.starts_with('.') {
                        self.go(&path, parts, depth + 1)?;
                    }
                }
                Ok(())
            }
        }
    }

    fn file(&mut self, path: String, rest: &[Part]) -> Result<(), Stopped> {
        let is_excluded =
            |path: &str| self.excluded.iter().any(|pattern| pattern.matches_with(path, OPTIONS));
        if rest.is_empty() && !is_excluded(&path) {
            self.found.insert(path);
        }
        if self.found.len() > self.most { Err(Stopped::TooMany) } else { Ok(()) }
    }

    /// Returns the names in a directory, their paths, and whether they are directories. `None` for
    /// links.
    fn entries(&mut self, dir: &str) -> Result<Vec<(String, String, Option<bool>)>, Stopped> {
        let entries = match self.root.entries(Path::new(dir)) {
            Ok(entries) => entries,
            Err(denied) => return self.missing(dir.to_owned(), denied).map(|()| Vec::new()),
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

    /// Ignores a missing path, which just does not match, and one that is passed over.
    fn missing(&mut self, path: String, denied: Denied) -> Result<(), Stopped> {
        use std::io::ErrorKind::{NotADirectory, NotFound};
        match denied {
            Denied::Failed(error) if matches!(error.kind(), NotFound | NotADirectory) => Ok(()),
            denied => match &mut self.unreadable {
                Some(unreadable) => {
                    unreadable.push((path, denied));
                    Ok(())
                }
                None => Err(Stopped::Denied(path, denied)),
            },
        }
    }
}

fn joined(dir: &str, name: &str) -> String {
    if dir.is_empty() { name.to_owned() } else { format!("{dir}/{name}") }
}
