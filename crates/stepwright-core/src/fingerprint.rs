//! The fingerprint of a definition: the texts and settings that determine what its steps do.

use crate::redact::redact;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::sync::Arc;

/// The maximum length of a text in a plan, in bytes. A longer text is replaced by an excerpt and a
/// hash, because a plan is stored with every version of a definition.
pub const EXCERPT_BYTES_MAX: usize = 1_000;
/// The maximum number of characters of a text in the display of a difference.
const TOLD_CHARS_MAX: usize = 160;
/// The number of common characters that are displayed before a difference.
const BEFORE_CHARS: usize = 40;

/// The content of one node of a definition as named parts, such as the command of a shell step or
/// the instructions of an agent.
///
/// Two fingerprints are equal if all parts have the same names and texts. A plan keeps at most
/// [`EXCERPT_BYTES_MAX`] bytes of a text, and masks the secrets that [`redact`] finds.
///
/// ```
/// use stepwright_core::fingerprint::Fingerprint;
/// let approved = Fingerprint::default().with("shell", "deploy v1");
/// let now = Fingerprint::default().with("shell", "rm -rf everything");
/// let told: Vec<String> = approved.differences(&now).map(|d| d.to_string()).collect();
/// assert_eq!(told, [r#"`shell` was "deploy v1" and is "rm -rf everything""#]);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Fingerprint(BTreeMap<Arc<str>, Part>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
enum Part {
    Whole(Arc<str>),
    Hashed { excerpt: Arc<str>, sha256: Arc<str> },
}

impl Fingerprint {
    /// Adds a part. Replaces a part of the same name.
    #[must_use]
    pub fn with(mut self, name: impl Into<Arc<str>>, text: impl AsRef<str>) -> Self {
        let text = text.as_ref();
        let part = match redact(text) {
            Cow::Borrowed(text) if text.len() <= EXCERPT_BYTES_MAX => Part::Whole(text.into()),
            shown => {
                let end = shown.floor_char_boundary(EXCERPT_BYTES_MAX);
                Part::Hashed { excerpt: shown[..end].into(), sha256: sha256(text) }
            }
        };
        self.0.insert(name.into(), part);
        self
    }

    /// Adds a part of which only a hash is stored, so that a change is detected and the text never
    /// shown.
    #[must_use]
    pub fn with_hidden(mut self, name: impl Into<Arc<str>>, text: impl AsRef<str>) -> Self {
        let part = Part::Hashed { excerpt: "".into(), sha256: sha256(text.as_ref()) };
        self.0.insert(name.into(), part);
        self
    }

    /// Adds bytes, of which only a hash is stored.
    ///
    /// ```
    /// use stepwright_core::Fingerprint;
    /// let before = Fingerprint::default().with_bytes("logo.png", [137, 80]);
    /// let now = Fingerprint::default().with_bytes("logo.png", [137, 81]);
    /// assert_eq!(before.differences(&now).count(), 1);
    /// ```
    #[must_use]
    pub fn with_bytes(mut self, name: impl Into<Arc<str>>, bytes: impl AsRef<[u8]>) -> Self {
        let sha256 = hex(Sha256::digest(bytes.as_ref()).as_slice()).into();
        self.0.insert(name.into(), Part::Hashed { excerpt: "".into(), sha256 });
        self
    }

    /// Adds all parts of another fingerprint. Replaces parts of the same names.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Returns `true` if there are no parts.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns `true` if there is a part of this name.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Returns the parts that differ between this fingerprint and a later one, by name.
    pub fn differences<'a>(&'a self, now: &'a Self) -> impl Iterator<Item = Difference<'a>> {
        let new = now.0.iter().filter(|(name, _)| !self.0.contains_key(*name));
        let all = self.0.iter().map(|(name, part)| (name, Some(part), now.0.get(name)));
        let all = all.chain(new.map(|(name, part)| (name, None, Some(part))));
        let differ = |before: Option<&Part>, now: Option<&Part>| {
            before.map(Part::hash) != now.map(Part::hash)
        };
        all.filter(move |(_, before, now)| differ(*before, *now))
            .map(|(name, before, now)| Difference { name, before, now })
    }

    /// Adds the names and the full texts to a hash, even if only excerpts are stored.
    pub(crate) fn hash_into(&self, hash: &mut Sha256) {
        for (name, part) in &self.0 {
            hash.update(name.len().to_le_bytes());
            hash.update(name.as_bytes());
            hash.update(part.hash().as_bytes());
        }
    }
}

impl Part {
    fn hash(&self) -> Cow<'_, str> {
        match self {
            Self::Whole(text) => Cow::Owned(sha256(text).to_string()),
            Self::Hashed { sha256, .. } => Cow::Borrowed(sha256),
        }
    }

    fn text(&self) -> &str {
        match self {
            Self::Whole(text) => text,
            Self::Hashed { excerpt, .. } => excerpt,
        }
    }
}

/// A part that differs between two fingerprints. Displays the old and the new text.
///
/// ```
/// use stepwright_core::fingerprint::Fingerprint;
/// let now = Fingerprint::default().with("version", "2");
/// let none = Fingerprint::default();
/// let told = none.differences(&now).next().unwrap();
/// assert_eq!(told.to_string(), r#"`version` was not set and is "2""#);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Difference<'a> {
    name: &'a str,
    before: Option<&'a Part>,
    now: Option<&'a Part>,
}

impl Difference<'_> {
    /// Writes one of the two texts, from shortly before the difference on.
    fn told(&self, part: Option<&Part>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(part) = part else { return f.write_str("not set") };
        if let Part::Hashed { excerpt, sha256 } = part
            && excerpt.is_empty()
        {
            return write!(f, "a text that is not shown (SHA-256 {}…)", short(sha256));
        }
        let texts = [self.before, self.now].map(|part| part.map_or("", Part::text));
        let [before, now] = texts.map(str::chars);
        let alike = before.zip(now).take_while(|(before, now)| before == now).count();
        let longest = texts.iter().map(|text| text.chars().count()).max().unwrap_or(0);
        let from = if longest > TOLD_CHARS_MAX { alike.saturating_sub(BEFORE_CHARS) } else { 0 };
        let shown: String = part.text().chars().skip(from).take(TOLD_CHARS_MAX).collect();
        if from > 0 {
            f.write_char('…')?;
        }
        // Debug escapes control characters, which would act on a terminal.
        write!(f, "{shown:?}")?;
        if part.text().chars().count() > from + TOLD_CHARS_MAX {
            f.write_char('…')?;
        }
        match part {
            Part::Hashed { sha256, .. } => write!(f, " (SHA-256 {}…)", short(sha256)),
            Part::Whole(_) => Ok(()),
        }
    }
}

impl fmt::Display for Difference<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` was ", self.name)?;
        self.told(self.before, f)?;
        f.write_str(" and is ")?;
        self.told(self.now, f)
    }
}

fn short(hash: &str) -> &str {
    hash.get(..8).unwrap_or(hash)
}

/// Returns the SHA-256 of a text in hexadecimal.
fn sha256(text: &str) -> Arc<str> {
    hex(Sha256::digest(text.as_bytes()).as_slice()).into()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(before: &Fingerprint, now: &Fingerprint) -> Vec<String> {
        before.differences(now).map(|difference| difference.to_string()).collect()
    }

    #[test]
    fn a_change_behind_the_excerpt_is_noticed() {
        let long = "a".repeat(2 * EXCERPT_BYTES_MAX);
        let before = Fingerprint::default().with("prompt", &long);
        let now = Fingerprint::default().with("prompt", long + "b");
        let told = told(&before, &now);
        assert_eq!(told.len(), 1);
        assert!(told[0].contains("SHA-256"), "{told:?}");
        assert!(serde_json::to_string(&before).unwrap().len() < 2 * EXCERPT_BYTES_MAX);
    }

    #[test]
    fn a_difference_in_the_middle_is_shown_where_it_is() {
        let (head, tail) = ("x".repeat(300), "y".repeat(300));
        let before = Fingerprint::default().with("prompt", format!("{head}old{tail}"));
        let now = Fingerprint::default().with("prompt", format!("{head}new{tail}"));
        let told = told(&before, &now);
        assert!(told[0].contains("xold") && told[0].contains("xnew"), "{told:?}");
        assert!(told[0].len() < 450, "{}", told[0].len());
    }

    #[test]
    fn a_secret_is_kept_as_a_hash_alone() {
        let with = |key: &str| {
            Fingerprint::default().with("shell", format!("curl -H 'Authorization: Bearer {key}'"))
        };
        let (before, now) = (with("sk-abcdefghijklmnop"), with("sk-ponmlkjihgfedcba"));
        assert!(!serde_json::to_string(&before).unwrap().contains("sk-abcdef"));
        assert_eq!(told(&before, &now).len(), 1);
        let hidden = Fingerprint::default().with_hidden("env", "hunter2");
        assert!(!serde_json::to_string(&hidden).unwrap().contains("hunter2"));
        assert!(told(&hidden, &now)[0].contains("not shown"));
    }

    #[test]
    fn it_is_read_as_it_was_written() {
        let long = "a".repeat(2 * EXCERPT_BYTES_MAX);
        let written = Fingerprint::default().with("a", "b").with("c", long);
        let read = serde_json::from_str(&serde_json::to_string(&written).unwrap()).unwrap();
        assert_eq!(written, read);
    }
}
