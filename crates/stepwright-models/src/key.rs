//! A key that cannot be shown by accident.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

/// The text that replaces a key.
const REDACTED: &str = "[key]";

/// The shortest part of a key, or of its base64, that is taken out of an error, in bytes. Providers
/// repeat parts of keys that they refuse.
const PART_BYTES: usize = 8;

/// The shortest key that is taken out of answers, in bytes. Servers of one's own take keys such as
/// `none` or `ollama`, which are words.
const ANSWER_KEY_BYTES: usize = 16;

/// The key of a provider. Only [`Key::expose`] returns it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Key(Arc<Forms>);

#[derive(PartialEq, Eq)]
struct Forms {
    key: String,
    /// The key in base64, as it stands at each of the three places that it may have in a longer
    /// text, in both alphabets.
    encoded: Vec<String>,
}

impl Key {
    pub(crate) fn new(key: &str) -> Self {
        let key = key.trim().to_owned();
        let mut encoded: Vec<String> = Vec::new();
        for before in 0..3 {
            let text = [" ".repeat(before).as_bytes(), key.as_bytes()].concat();
            for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
                let form = engine.encode(&text);
                // The first and the last letters belong to what stands beside it, too.
                let begin = [0, 2, 3][before];
                let end = form.len() - usize::from(text.len() % 3 != 0);
                let form = form.get(begin..end).unwrap_or_default().to_owned();
                if form.len() >= PART_BYTES && !encoded.contains(&form) {
                    encoded.push(form);
                }
            }
        }
        Self(Arc::new(Forms { key, encoded }))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.key.is_empty()
    }

    /// The key itself. Every caller is a place where it can leak.
    pub(crate) fn expose(&self) -> &str {
        &self.0.key
    }

    /// A text of an error without the key, without each part of it that has 8 letters or more, and
    /// without its base64.
    pub(crate) fn redact(&self, text: &str) -> String {
        if self.is_empty() {
            return text.to_owned();
        }
        let mut text = text.replace(self.expose(), REDACTED);
        for form in std::iter::once(&self.0.key).chain(&self.0.encoded) {
            text = without_parts(text, form);
        }
        text
    }

    /// The texts that are removed from answers: the whole key and its base64. None for a short key.
    pub(crate) fn secrets(&self) -> Vec<String> {
        if self.0.key.len() < ANSWER_KEY_BYTES {
            return Vec::new();
        }
        std::iter::once(&self.0.key).chain(&self.0.encoded).cloned().collect()
    }
}

/// `text` without the parts of `form` that are at least [`PART_BYTES`] long, in one pass.
fn without_parts(text: String, form: &str) -> String {
    let parts: HashSet<&[u8]> = form.as_bytes().windows(PART_BYTES).collect();
    let bytes = text.as_bytes();
    if parts.is_empty() || !bytes.windows(PART_BYTES).any(|part| parts.contains(part)) {
        return text;
    }
    let (mut clean, mut kept, mut at) = (String::new(), 0, 0);
    while let Some(part) = bytes.get(at..at + PART_BYTES) {
        if !parts.contains(part) {
            at += 1;
            continue;
        }
        // Keys are ASCII, so both ends are the ends of letters.
        let mut end = at + PART_BYTES;
        while bytes.get(end + 1 - PART_BYTES..=end).is_some_and(|part| parts.contains(part)) {
            end += 1;
        }
        clean.push_str(&text[kept..at]);
        clean.push_str(REDACTED);
        (kept, at) = (end, end);
    }
    clean.push_str(&text[kept..]);
    clean
}

/// Takes secrets out of a text that comes in pieces.
#[derive(Debug, Default)]
pub(crate) struct Filter {
    secrets: Arc<Vec<String>>,
    /// The end of what has come, which may be the beginning of a secret.
    held: String,
}

impl Filter {
    pub(crate) fn new(secrets: Arc<Vec<String>>) -> Self {
        Self { secrets, held: String::new() }
    }

    /// Returns the text that can be passed on after `piece` has arrived.
    pub(crate) fn push(&mut self, piece: String) -> String {
        if self.secrets.is_empty() {
            return piece;
        }
        let mut all = piece;
        all.insert_str(0, &self.held);
        self.held.clear();
        let mut text = match clean(&all, &self.secrets) {
            Cow::Borrowed(_) => all,
            Cow::Owned(clean) => clean,
        };
        let longest = self.secrets.iter().map(|secret| partial(&text, secret)).max();
        self.held = text.split_off(text.len() - longest.unwrap_or(0));
        text
    }

    /// The rest, after which nothing comes.
    pub(crate) fn end(&mut self) -> String {
        std::mem::take(&mut self.held)
    }
}

/// `text` without these secrets.
pub(crate) fn clean<'a>(text: &'a str, secrets: &[String]) -> Cow<'a, str> {
    let mut text = Cow::Borrowed(text);
    for secret in secrets {
        if text.contains(secret.as_str()) {
            text = text.replace(secret.as_str(), REDACTED).into();
        }
    }
    text
}

/// The length of the end of `text` that is the beginning of `secret`, in bytes.
fn partial(text: &str, secret: &str) -> usize {
    let longest = secret.len().saturating_sub(1).min(text.len());
    (1..=longest)
        .rev()
        .find(|length| text.as_bytes().ends_with(&secret.as_bytes()[..*length]))
        .unwrap_or(0)
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(REDACTED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "sk-test-a1b2c3d4e5f6";

    #[test]
    fn neither_a_part_of_a_key_nor_its_base64_stays_in_an_error() {
        let key = Key::new(KEY);
        assert_eq!(key.redact(&format!("no, {KEY}!")), "no, [key]!");
        assert_eq!(key.redact("no, sk-test-a1b2****"), "no, [key]****");
        assert_eq!(key.redact("ends in b2c3d4e5f6."), "ends in [key].");
        assert_eq!(key.redact("sk-test is short, ü"), "sk-test is short, ü");
        let engine = base64::engine::general_purpose::STANDARD;
        for before in ["", "u:", "user:", "x-"] {
            let header = engine.encode(format!("{before}{KEY}"));
            let told = key.redact(&format!("Basic {header} was refused"));
            assert!(told.contains(REDACTED), "{told}");
            let left = told.split(' ').nth(1).unwrap().replace(REDACTED, "");
            assert!(left.len() <= 12, "{before:?}: {told}");
        }
        // A short key is a word.
        assert_eq!(Key::new("none").redact("none of it"), "[key] of it");
        assert!(Key::new("ollama").secrets().is_empty());
    }

    #[test]
    fn a_key_in_pieces_does_not_pass() {
        let secrets = Arc::new(Key::new(KEY).secrets());
        let text = format!("a {KEY} b sk-test-a1 c");
        for size in 1..text.len() {
            let mut filter = Filter::new(secrets.clone());
            let pieces: Vec<char> = text.chars().collect();
            let mut told = String::new();
            for piece in pieces.chunks(size) {
                told.push_str(&filter.push(piece.iter().collect()));
            }
            told.push_str(&filter.end());
            assert_eq!(told, "a [key] b sk-test-a1 c", "in {size}");
        }
    }

    #[test]
    fn nothing_is_held_that_begins_no_key() {
        let mut filter = Filter::new(Arc::new(Key::new(KEY).secrets()));
        assert_eq!(filter.push("Hello, ".to_owned()), "Hello, ");
        assert_eq!(filter.push("task".to_owned()), "ta");
        assert_eq!(filter.push("s".to_owned()), "sk");
        assert_eq!(filter.end(), "s");
    }
}
