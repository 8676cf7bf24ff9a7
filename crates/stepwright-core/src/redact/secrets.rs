//! Known secrets, and their removal from texts and values.

use super::{REDACTED, encodings};
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};
use serde_json::Value;
use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::ops::Range;
use std::sync::Arc;

/// The minimum length of a secret, in bytes. A shorter one is a part of ordinary words.
pub const SECRET_BYTES_MIN: usize = 4;

/// The minimum length of a part of a secret, such as one of its lines, in bytes.
const PART_BYTES_MIN: usize = 8;

/// The minimum length of the beginning or the end of a secret that is left of it where a text was
/// cut, in bytes.
const CUT_BYTES_MIN: usize = 12;

/// The number of encodings within each other that a secret is looked for in.
const ENCODINGS_MAX: u32 = 3;

/// Known secrets, to be removed from texts, values and events. Cheap to clone. Its debug output
/// shows none of them.
///
/// A secret is recognised as it is, in JSON, in the encodings of an address and in base64, alone or
/// in the middle of an encoded text, whichever of its characters are encoded. Up to three encodings
/// may be within each other, such as an address in JSON in a text of JSON. Each long line of a
/// secret with several lines is recognised, too, and so is a long part of a secret at the end or
/// the beginning of a text that was cut. A text that was made of a secret in another way is not.
///
/// ```
/// use stepwright_core::redact::Secrets;
/// let secrets = Secrets::new(["correct horse"]);
/// assert_eq!(secrets.redact("key: correct horse"), "key: [redacted]");
/// assert_eq!(secrets.redact("?key=correct%20horse"), "?key=[redacted]");
/// assert_eq!(secrets.redact(r"key: \u0063orrect\u0020hors\u0065"), "key: [redacted]");
/// assert_eq!(secrets.redact("Basic YWRhOmNvcnJlY3QgaG9yc2U="), "Basic YWRhOm[redacted]U=");
/// assert_eq!(secrets.redact("a horse"), "a horse");
/// ```
#[derive(Clone, Default)]
pub struct Secrets(Arc<Forms>);

#[derive(Default)]
struct Forms {
    /// Everything that a text is searched for.
    all: Vec<String>,
    /// The forms without the encodings of JSON and addresses, to be found in a decoded text.
    plain: Vec<String>,
}

impl Secrets {
    /// Collects secrets. Those with fewer than [`SECRET_BYTES_MIN`] bytes are left out.
    pub fn new<S: AsRef<str>>(secrets: impl IntoIterator<Item = S>) -> Self {
        let mut forms = Forms::default();
        for secret in secrets {
            let secret = secret.as_ref().trim();
            add(secret, SECRET_BYTES_MIN, &mut forms);
            let lines = secret.lines().map(str::trim);
            if secret.contains('\n') {
                lines.for_each(|line| add(line, PART_BYTES_MIN, &mut forms));
            }
        }
        for forms in [&mut forms.all, &mut forms.plain] {
            // The longest first, so that no part of a longer one is left.
            forms.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
            forms.dedup();
        }
        Self(forms.into())
    }

    /// Returns `true` if there are none.
    pub fn is_empty(&self) -> bool {
        self.0.all.is_empty()
    }

    /// Replaces the secrets in a text.
    pub fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut found = Vec::new();
        if !self.is_empty() {
            for form in &self.0.all {
                let places = text.match_indices(form.as_str());
                found.extend(places.map(|(at, form)| at..at + form.len()));
            }
            self.find_encoded(text, ENCODINGS_MAX, &mut found);
        }
        self.without_cut(if found.is_empty() {
            Cow::Borrowed(text)
        } else {
            Cow::Owned(without(text, found))
        })
    }

    /// Finds the secrets that a text has in up to `depth` encodings within each other.
    fn find_encoded(&self, text: &str, depth: u32, found: &mut Vec<Range<usize>>) {
        for decode in [encodings::json, encodings::percent, encodings::lines] {
            let Some(decoded) = decode(text) else { continue };
            let mut within = Vec::new();
            for form in &self.0.plain {
                let places = decoded.text.match_indices(form.as_str());
                within.extend(places.map(|(at, form)| at..at + form.len()));
            }
            if depth > 1 {
                self.find_encoded(&decoded.text, depth - 1, &mut within);
            }
            found.extend(within.iter().map(|range| decoded.source(range)));
        }
    }

    /// Replaces a part of a secret at the beginning or the end of a text that was cut there.
    fn without_cut<'t>(&self, mut text: Cow<'t, str>) -> Cow<'t, str> {
        let long = || self.0.all.iter().filter(|form| form.len() > CUT_BYTES_MIN);
        let cut = text.trim_end_matches('…');
        let begun = long().find_map(|form| {
            let lengths = (CUT_BYTES_MIN..form.len()).rev();
            let mut left = lengths.filter(|len| cut.as_bytes().ends_with(&form.as_bytes()[..*len]));
            Some(cut.len() - left.next()?)
        });
        if let Some(at) = begun {
            let rest = &text[cut.len()..];
            text = Cow::Owned(format!("{}{REDACTED}{rest}", &text[..at]));
        }
        let cut = text.trim_start_matches('…');
        let ended = long().find_map(|form| {
            let mut left = (1..=form.len() - CUT_BYTES_MIN).map(|from| &form.as_bytes()[from..]);
            left.find(|part| cut.as_bytes().starts_with(part)).map(<[u8]>::len)
        });
        if let Some(len) = ended {
            let before = text.len() - cut.len();
            text = Cow::Owned(format!("{}{REDACTED}{}", &text[..before], &cut[len..]));
        }
        text
    }

    /// Replaces the secrets in all texts of a value, and in the names of its members.
    ///
    /// ```
    /// use stepwright_core::redact::Secrets;
    /// let value = serde_json::json!({"args": ["Bearer hunter2"], "hunter2": 1});
    /// let expected = serde_json::json!({"args": ["Bearer [redacted]"], "[redacted]": 1});
    /// assert_eq!(Secrets::new(["hunter2"]).redact_value(value), expected);
    /// ```
    #[must_use]
    pub fn redact_value(&self, value: Value) -> Value {
        self.redact_within(value, true)
    }

    /// Returns `true` if texts that were written as JSON may have a secret in them, or a part of
    /// one that is left where one of them was cut. Texts without escapes stand there unchanged.
    pub(crate) fn may_be_in(&self, text: &str) -> bool {
        let may_be_encoded = || text.contains(['\\', '%']);
        !self.is_empty() && (may_be_encoded() || self.is_written_in(text))
    }

    fn is_written_in(&self, text: &str) -> bool {
        self.0.all.iter().any(|form| {
            let ends =
                [form.get(..CUT_BYTES_MIN), form.get(form.len().saturating_sub(CUT_BYTES_MIN)..)];
            text.contains(form.as_str())
                || form.len() > CUT_BYTES_MIN
                    && ends.into_iter().flatten().any(|end| text.contains(end))
        })
    }

    /// Replaces the secrets in a value. A number that has one becomes a text, if it may.
    pub(crate) fn redact_within(&self, value: Value, numbers: bool) -> Value {
        match value {
            Value::String(text) => match self.redact(&text) {
                Cow::Borrowed(_) => Value::String(text),
                Cow::Owned(clean) => Value::String(clean),
            },
            Value::Number(number) if numbers => {
                // A secret of digits becomes a number in JSON.
                let text = number.to_string();
                match self.redact(&text) {
                    Cow::Borrowed(_) => Value::Number(number),
                    Cow::Owned(clean) => Value::String(clean),
                }
            }
            Value::Array(list) => {
                list.into_iter().map(|one| self.redact_within(one, numbers)).collect()
            }
            Value::Object(members) => members
                .into_iter()
                .map(|(name, one)| {
                    (self.redact(&name).into_owned(), self.redact_within(one, numbers))
                })
                .collect(),
            other => other,
        }
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").finish_non_exhaustive()
    }
}

/// Adds a secret in all its forms.
fn add(secret: &str, bytes_min: usize, all: &mut Forms) {
    if secret.len() < bytes_min {
        return;
    }
    let Forms { all: forms, plain } = all;
    let base64 = base64_forms(secret.as_bytes());
    plain.push(secret.to_owned());
    // A `+` that is not encoded is a space.
    plain.push(secret.replace(' ', "+"));
    plain.extend(base64.iter().cloned());
    forms.push(secret.to_owned());
    let json = Value::from(secret).to_string();
    forms.push(json[1..json.len() - 1].to_owned());
    // Encodings of addresses differ in the characters that they keep, and in that of a space.
    for kept in ["-_.~", "-_.~!'()*", "-_.*"] {
        let encoded = percent(secret, kept);
        forms.push(encoded.replace("%20", "+"));
        forms.push(encoded);
    }
    forms.extend(base64);
}

/// Replaces parts of a text, which may overlap.
fn without(text: &str, mut parts: Vec<Range<usize>>) -> String {
    parts.sort_by_key(|part| part.start);
    let mut clean = String::with_capacity(text.len());
    let mut copied = 0;
    for part in parts {
        if part.start >= copied {
            clean.push_str(&text[copied..part.start]);
            clean.push_str(REDACTED);
        }
        copied = copied.max(part.end);
    }
    clean.push_str(&text[copied..]);
    clean
}

fn percent(text: &str, kept: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        let character = char::from(byte);
        if byte.is_ascii_alphanumeric() || kept.contains(character) {
            encoded.push(character);
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// Returns the parts of a base64 text that depend on nothing but these bytes, for each of the three
/// places at which they may begin.
fn base64_forms(bytes: &[u8]) -> Vec<String> {
    let mut forms = Vec::new();
    for before in 0..3 {
        let all = [&vec![0; before][..], bytes].concat();
        // Six bits are a character. Those that share bits with other bytes are left out.
        let (begin, end) = ((before * 8).div_ceil(6), all.len() * 8 / 6);
        for engine in [BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD] {
            let text = engine.encode(&all);
            if end.saturating_sub(begin) >= PART_BYTES_MIN {
                forms.push(text[begin..end].to_owned());
            }
        }
    }
    forms
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::prelude::BASE64_STANDARD;

    #[test]
    fn a_secret_is_recognised_in_its_encodings() {
        let secret = "p\"w ä/+\n=hunter2";
        let secrets = Secrets::new([secret]);
        let json = serde_json::json!({ "key": secret }).to_string();
        assert_eq!(secrets.redact(&json), r#"{"key":"[redacted]"}"#);
        for encoded in [percent(secret, "-_.~"), percent(secret, "-_.~").replace("%20", "+")] {
            assert_eq!(secrets.redact(&encoded), REDACTED);
        }
        for around in ["", "a", "ab", "abc"] {
            let whole = BASE64_STANDARD.encode(format!("{around}:{secret}:{around}"));
            let clean = secrets.redact(&whole).into_owned();
            assert!(clean.contains(REDACTED), "{clean}");
            // At most two characters at each end share bits with the secret.
            assert!(whole.len() - (clean.len() - REDACTED.len()) >= secret.len() * 8 / 6 - 4);
        }
    }

    /// Encodes each character in a way that `choose` gives.
    fn mixed(text: &str, is_json: bool, choose: &mut impl FnMut() -> u32) -> String {
        let mut encoded = String::new();
        for character in text.chars() {
            let must = if is_json {
                matches!(character, '"' | '\\') || character.is_control()
            } else {
                matches!(character, '%' | '+')
            };
            match choose() % 3 {
                0 if !must => encoded.push(character),
                way if is_json => {
                    let mut units = [0; 2];
                    for unit in character.encode_utf16(&mut units) {
                        let _ = match way {
                            1 => write!(encoded, "\\u{unit:04x}"),
                            _ => write!(encoded, "\\u{unit:04X}"),
                        };
                    }
                }
                way => {
                    let mut bytes = [0; 4];
                    for byte in character.encode_utf8(&mut bytes).bytes() {
                        let _ = match way {
                            1 => write!(encoded, "%{byte:02x}"),
                            _ => write!(encoded, "%{byte:02X}"),
                        };
                    }
                }
            }
        }
        encoded
    }

    #[test]
    fn a_secret_is_recognised_however_its_characters_are_encoded() {
        let secrets_of =
            ["ab\"cd\\ef", "wJal/K7M+bPx=R", "a&b<c>d", "pass wörd😀long", "100%\n2\t3"];
        let mut state = 0x9E37_79B9_u32;
        let mut choose = move || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state >> 16
        };
        for secret in secrets_of {
            let secrets = Secrets::new([secret]);
            for _ in 0..500 {
                let mut text = secret.to_owned();
                for _ in 0..=choose() % ENCODINGS_MAX {
                    text = mixed(&text, choose() % 2 == 0, &mut choose);
                }
                let clean = secrets.redact(&format!("k: ({text}) ({text})")).into_owned();
                assert_eq!(clean, "k: ([redacted]) ([redacted])", "{text}");
                // The same in a fact of a run.
                let known = serde_json::json!({"k": [format!("<{text}>")]});
                let expected = serde_json::json!({"k": ["<[redacted]>"]});
                assert_eq!(secrets.redacted(known), expected, "{text}");
            }
        }
        let secrets = Secrets::new(["wJal/K7M"]);
        assert_eq!(secrets.redact(r#"{"k":"wJal\/K7M"}"#), r#"{"k":"[redacted]"}"#);
    }

    #[test]
    fn a_secret_is_recognised_in_lines_of_base64() {
        let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".repeat(4);
        let secrets = Secrets::new([&secret]);
        for (width, end) in [(76, "\n"), (64, "\r\n"), (60, "\n    ")] {
            let encoded = BASE64_STANDARD.encode(format!("user:{secret}!"));
            let lines: Vec<&str> = (0..encoded.len())
                .step_by(width)
                .map(|at| &encoded[at..encoded.len().min(at + width)])
                .collect();
            let text = lines.join(end);
            for text in [text.clone(), Value::from(text).to_string()] {
                let clean = secrets.redact(&text).into_owned();
                assert!(clean.contains(REDACTED) && clean.len() < 30, "{clean}");
            }
        }
    }

    #[test]
    fn a_long_text_of_escapes_takes_time_as_its_length() {
        let secrets = Secrets::new(["hunter2-hunter2", "wJalrXUtnFEMI"]);
        for piece in ["\\\\", "%25", "\\u005cu0025", "\\n%0a", "%", "\\u", "%C3"] {
            let text = piece.repeat(20_000);
            assert!(matches!(secrets.redact(&text), Cow::Borrowed(_)), "{piece}");
        }
    }

    #[test]
    fn what_is_short_is_no_secret_and_lines_of_a_long_one_are() {
        assert!(Secrets::new(["", "abc", " a "]).is_empty());
        let key = "-----BEGIN KEY-----\nMIIEvgIBADANBg\nab\n-----END KEY-----";
        let secrets = Secrets::new([key]);
        assert_eq!(secrets.redact("> MIIEvgIBADANBg"), "> [redacted]");
        assert_eq!(secrets.redact("ab"), "ab");
    }

    #[test]
    fn its_debug_output_shows_nothing() {
        let shown = format!("{:?}", Secrets::new(["hunter2"]));
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
