//! The front matter of a `SKILL.md`.

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_saphyr::{DuplicateKeyPolicy, Spanned};
use std::collections::HashSet;
use std::fmt;

/// The longest name of a skill, in characters.
const NAME_CHARS_MAX: usize = 64;

/// The longest description of a skill, in characters.
const DESCRIPTION_CHARS_MAX: usize = 1_024;

/// The longest description of what a skill needs, in characters.
const COMPATIBILITY_CHARS_MAX: usize = 500;

/// The largest number of own entries of a skill.
const METADATA_MAX: usize = 64;

/// The maximum depth of a front matter, whose values are texts.
const DEPTH_MAX: usize = 8;

/// The keys of the format.
const KEYS: [&str; 6] =
    ["name", "description", "license", "compatibility", "allowed-tools", "metadata"];

/// The content of a front matter.
#[derive(Debug, Default)]
pub(super) struct Front {
    pub(super) name: String,
    pub(super) description: String,
    pub(super) notes: Vec<(&'static str, String)>,
}

/// A mistake in a text, with its place.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) start: usize,
    pub(super) len: usize,
    pub(super) message: String,
    pub(super) help: Option<String>,
}

fn wrong((start, len): (usize, usize), message: impl Into<String>, help: &str) -> Wrong {
    let help = (!help.is_empty()).then(|| help.to_owned());
    Wrong { start, len, message: message.into(), help }
}

/// The members of a mapping as written.
struct Members(Vec<(Spanned<String>, Spanned<Value>)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;
        impl<'de> Visitor<'de> for Read {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mapping")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = access.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Read)
    }
}

/// Parses a `SKILL.md` in the folder `folder`. Returns the front matter, and the start of the body.
///
/// # Errors
/// Returns all mistakes in it.
pub(super) fn parse(text: &str, folder: &str) -> Result<(Front, usize), Vec<Wrong>> {
    let (start, end, body) = split(text).map_err(|wrong| vec![wrong])?;
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_depth: DEPTH_MAX },
        strict_booleans: true,
        // Reported below, with the place.
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        with_snippet: false,
        emit_comments: false,
    };
    let read = serde_saphyr::from_str_with_options::<Members>(&text[start..end], options);
    let members = read.map_err(|error| {
        let at = error.location().map_or(start, |location| {
            start + offset(&text[start..end], location.line(), location.column())
        });
        let message = error.without_snippet().to_string();
        let message = match message.lines().next().unwrap_or_default() {
            line if line.contains("budget breached") => {
                format!("it is nested deeper than {DEPTH_MAX}, or too large")
            }
            line => line.to_owned(),
        };
        let help = "the front matter is a YAML mapping: put a text that contains `: ` in quotes";
        vec![wrong((at, 0), format!("the front matter is not valid YAML: {message}"), help)]
    })?;
    let mut mistakes = Vec::new();
    let mut front = Front::default();
    let place = |location: &serde_saphyr::Location| {
        let span = location.span();
        let number = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        match (span.byte_offset(), span.byte_len()) {
            (Some(at), Some(len)) => {
                let at = start.saturating_add(number(at)).min(end);
                let len = number(len).min(end - at);
                let len = text.get(at..at + len).map_or(0, |text| text.trim_end().len());
                (at, len)
            }
            _ => (start + offset(&text[start..end], location.line(), location.column()), 0),
        }
    };
    let mut known = HashSet::new();
    for (key, value) in &members.0 {
        let at = place(&value.referenced);
        if !known.insert(key.value.as_str()) {
            let message = format!("`{}` is there twice", key.value);
            mistakes.push(wrong(place(&key.referenced), message, "keep one of them"));
            continue;
        }
        match key.value.as_str() {
            "metadata" => {
                mistakes.extend(metadata(&value.value).map(|(what, help)| wrong(at, what, help)));
            }
            name if KEYS.contains(&name) => match &value.value {
                Value::String(text) => {
                    let told = member(&mut front, name, text, folder);
                    mistakes.extend(told.map(|(what, help)| wrong(at, what, &help)));
                }
                _ => mistakes.push(wrong(at, format!("`{name}` is a text"), "put it in quotes")),
            },
            other => {
                let known = KEYS.map(|key| format!("`{key}`")).join(", ");
                let message = format!("a skill has no key `{other}`");
                let help = format!("it has {known}; put keys of your own under `metadata`");
                mistakes.push(wrong(place(&key.referenced), message, &help));
            }
        }
    }
    for needed in ["name", "description"] {
        if !members.0.iter().any(|(key, _)| key.value == needed) {
            let help = match needed {
                "name" => format!("write `name: {folder}`"),
                _ => "tell what the skill does and when to use it: `description: …`".to_owned(),
            };
            mistakes.push(wrong((0, 3), format!("the front matter has no `{needed}`"), &help));
        }
    }
    if text[body..].trim().is_empty() {
        let help = "write what the model should do below the front matter";
        mistakes.push(wrong((0, 3), "the skill has no instructions", help));
    }
    if mistakes.is_empty() { Ok((front, body)) } else { Err(mistakes) }
}

/// Returns the start and the end of the front matter, and the start of the body.
fn split(text: &str) -> Result<(usize, usize, usize), Wrong> {
    let begin = text.len() - text.trim_start_matches('\u{feff}').len();
    let mut at = begin;
    let mut start = None;
    for line in text[begin..].split_inclusive('\n') {
        let is_fence = line.trim_end() == "---";
        let next = at + line.len();
        match (start, is_fence) {
            (None, true) => start = Some(next),
            (None, false) => break,
            (Some(start), true) => return Ok((start, at, next)),
            (Some(_), false) => {}
        }
        at = next;
    }
    let help = "begin the file with `---`, `name:` and `description:`, and `---` on a line below";
    Err(match start {
        None => wrong((begin, 0), "the file does not begin with front matter", help),
        Some(_) => wrong((begin, 3), "the front matter does not end", help),
    })
}

/// Returns the byte of a line and a column, both from 1.
fn offset(text: &str, line: u64, column: u64) -> usize {
    let number = |number: u64| usize::try_from(number.saturating_sub(1)).unwrap_or(usize::MAX);
    let mut at = 0;
    for (nth, one) in text.split_inclusive('\n').enumerate() {
        if nth == number(line) {
            let within = one.char_indices().nth(number(column)).map_or(one.len(), |(at, _)| at);
            return at + within;
        }
        at += one.len();
    }
    text.len()
}

/// Sets a member with a text. Returns what is wrong with it, and the help.
fn member(front: &mut Front, name: &str, text: &str, folder: &str) -> Option<(String, String)> {
    let text = text.trim();
    let chars = text.chars().count();
    let long = |most: usize| {
        (chars > most).then(|| {
            let message = format!("`{name}` has {chars} characters, and may have {most}");
            (message, "shorten it, and move the rest below the front matter".to_owned())
        })
    };
    if text.is_empty() {
        return Some((format!("`{name}` is empty"), "write a text, or leave it out".to_owned()));
    }
    match name {
        "name" => {
            text.clone_into(&mut front.name);
            let is_letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            let is_valid = text.chars().all(is_letter)
                && chars <= NAME_CHARS_MAX
                && !text.starts_with('-')
                && !text.ends_with('-')
                && !text.contains("--");
            if !is_valid {
                let help = format!(
                    "a name has 1 to {NAME_CHARS_MAX} small letters, digits and single `-` between \
                     them, such as `pdf-forms`"
                );
                return Some((format!("`{text}` cannot be the name of a skill"), help));
            }
            (text != folder).then(|| {
                let message = format!("the skill is called `{text}`, and its folder `{folder}`");
                (message, format!("write `name: {folder}`, or rename the folder"))
            })
        }
        "description" => {
            front.description = text.split_whitespace().collect::<Vec<_>>().join(" ");
            long(DESCRIPTION_CHARS_MAX)
        }
        "license" => {
            front.notes.push(("License", text.to_owned()));
            long(DESCRIPTION_CHARS_MAX)
        }
        "compatibility" => {
            front.notes.push(("Needs", text.to_owned()));
            long(COMPATIBILITY_CHARS_MAX)
        }
        _ => {
            front.notes.push(("Made for these tools, if you have them", text.to_owned()));
            long(DESCRIPTION_CHARS_MAX)
        }
    }
}

/// Checks own entries, which are for people and other programs. Returns what is wrong with them.
fn metadata(value: &Value) -> Option<(String, &'static str)> {
    let help = "write `metadata: {author: Ada, version: \"1.0\"}`";
    let Value::Object(members) = value else {
        return Some(("`metadata` maps names to texts".to_owned(), help));
    };
    if members.len() > METADATA_MAX {
        let message =
            format!("`metadata` has {} entries, and may have {METADATA_MAX}", members.len());
        return Some((message, "leave some out"));
    }
    let odd = members
        .iter()
        .find(|(_, value)| !matches!(value, Value::String(_) | Value::Number(_) | Value::Bool(_)));
    odd.map(|(name, _)| (format!("`{name}` in `metadata` is a text"), help))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<String> {
        match parse(text, "pdf") {
            Ok(_) => Vec::new(),
            Err(wrong) => wrong
                .into_iter()
                .map(|wrong| {
                    let text = &text[wrong.start..wrong.start + wrong.len];
                    format!("{} [{text}]", wrong.message)
                })
                .collect(),
        }
    }

    #[test]
    fn each_mistake_of_a_front_matter_has_its_place() {
        let right = "---\nname: pdf\ndescription: >\n  Fills\n  forms.\n---\nDo it.\n";
        let (front, body) = parse(right, "pdf").unwrap();
        assert_eq!((front.name.as_str(), front.description.as_str()), ("pdf", "Fills forms."));
        assert_eq!(&right[body..], "Do it.\n");
        for (text, wanted) in [
            ("", &["the file does not begin with front matter []"][..]),
            ("# Pdf\n", &["the file does not begin with front matter []"]),
            ("---\nname: pdf\n", &["the front matter does not end [---]"]),
            (
                "---\nname: Pdf\ndescription: 7\n---\nx",
                &["`Pdf` cannot be the name of a skill [Pdf]", "`description` is a text [7]"],
            ),
            (
                "---\nname: doc\ndescription: x\nmodel: y\n---\nx",
                &[
                    "the skill is called `doc`, and its folder `pdf` [doc]",
                    "a skill has no key `model` [model]",
                ],
            ),
            (
                "---\nname: pdf\n---\n",
                &[
                    "the front matter has no `description` [---]",
                    "the skill has no instructions [---]",
                ],
            ),
            (
                "---\nname: pdf\ndescription: ''\nmetadata: 7\n---\nx",
                &["`description` is empty ['']", "`metadata` maps names to texts [7]"],
            ),
        ] {
            assert_eq!(told(text), wanted, "{text}");
        }
        let text = "---\nname: pdf\ndescription: [x\n---\nx";
        assert!(told(text)[0].starts_with("the front matter is not valid YAML: "), "{text}");
        let windows = "\u{feff}---\r\nname: pdf\r\ndescription: x\r\n---\r\nDo it.\r\n";
        assert_eq!(parse(windows, "pdf").unwrap().0.name, "pdf");
    }
}
