//! Patterns of paths: `*` within a name, `**` for any number of directories.

use super::effect::{PathForm, PathForms};
use super::globs;

/// The pattern of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    parts: Vec<String>,
    is_absolute: bool,
}

impl Pattern {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let text = text.replace('\\', "/");
        let is_absolute = text.starts_with('/') || has_drive(&text);
        let parts: Vec<&str> = parts(&text).collect();
        if parts.contains(&"..") {
            return Err("it contains `..`".to_owned());
        }
        if parts.is_empty() && !is_absolute {
            return Err("it names no file".to_owned());
        }
        if let Some(part) = parts.iter().find(|part| part.contains("**") && **part != "**") {
            return Err(format!("`**` stands alone between slashes, unlike in `{part}`"));
        }
        Ok(Self { parts: parts.into_iter().map(ToOwned::to_owned).collect(), is_absolute })
    }

    /// Returns `true` if it matches a form for certain.
    pub(super) fn covers(&self, form: &PathForm, is_pattern: bool) -> bool {
        self.form(form).is_some_and(|form| {
            let given: Vec<&str> = parts(form).collect();
            covers(&self.parts, &given, is_pattern)
        })
    }

    /// Returns `true` if it matches any form of the path, or may match a file of the pattern.
    pub(super) fn touches(&self, path: &PathForms) -> bool {
        path.forms.iter().chain(&path.around).filter_map(|form| self.form(form)).any(|form| {
            let given: Vec<&str> = parts(form).collect();
            if path.is_pattern {
                meets(&self.parts, &given)
            } else {
                covers(&self.parts, &given, false)
            }
        })
    }

    fn form<'f>(&self, form: &'f PathForm) -> Option<&'f str> {
        if self.is_absolute { form.absolute.as_deref() } else { form.relative.as_deref() }
    }
}

fn has_drive(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() > 1 && bytes[1] == b':' && bytes[0].is_ascii_alphabetic()
}

fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split('/').filter(|part| !part.is_empty() && *part != ".")
}

/// Returns `true` if every path that `given` stands for is matched.
fn covers(pattern: &[String], given: &[&str], is_pattern: bool) -> bool {
    // `**` of the given pattern stands for several names, which only `**` can.
    let is_same = |part: &String, name: &&str| {
        !(is_pattern && *name == "**") && name_covers(part, name, is_pattern)
    };
    globs::matches(pattern, given, |part| part == "**", is_same)
}

fn name_covers(pattern: &str, given: &str, is_pattern: bool) -> bool {
    // A wildcard of the given pattern stands for more than itself, which only `*` can.
    let is_same = |one: &u8, other: &u8| {
        one == other && !(is_pattern && matches!(other, b'*' | b'?' | b'[' | b']'))
    };
    globs::matches(pattern.as_bytes(), given.as_bytes(), |byte| *byte == b'*', is_same)
}

/// Returns `true` if some name may be matched by both patterns.
fn may_be_same(one: &str, other: &str) -> bool {
    match (one.contains('*'), other.contains(['*', '?', '['])) {
        (false, false) => one == other,
        (true, false) => name_covers(one, other, false),
        // A set of characters may contain any of them.
        (false, true) if !other.contains('[') => {
            let is_same = |piece: &u8, c: &u8| *piece == b'?' || piece == c;
            globs::matches(other.as_bytes(), one.as_bytes(), |byte| *byte == b'*', is_same)
        }
        _ => true,
    }
}

/// Returns `true` if some path may be matched by both patterns.
fn meets(one: &[String], other: &[&str]) -> bool {
    // `row[m]` tells whether the rest of `one` meets `other[m..]`.
    let mut row = vec![false; other.len() + 1];
    for n in (0..=one.len()).rev() {
        let below = std::mem::replace(&mut row, vec![false; other.len() + 1]);
        for m in (0..=other.len()).rev() {
            row[m] = match (one.get(n), other.get(m)) {
                (None, None) => true,
                (Some(part), _) if part == "**" => below[m] || (m < other.len() && row[m + 1]),
                (part, Some(&"**")) => row[m + 1] || (part.is_some() && below[m]),
                (Some(part), Some(name)) => may_be_same(part, name) && below[m + 1],
                _ => false,
            };
        }
    }
    row[0]
}
