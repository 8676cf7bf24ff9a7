//! Known secrets, and their removal from texts and values.

use super::REDACTED;
use base64::Engine as _;
use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};
use serde_json::Value;
use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::sync::Arc;

/// The minimum length of a secret, in bytes. A shorter one is a part of ordinary words.
pub const SECRET_BYTES_MIN: usize = 4;

/// The minimum length of a part of a secret, such as one of its lines, in bytes.
const PART_BYTES_MIN: usize = 8;

/// The minimum length of the beginning or the end of a secret that is left of it where a text was
/// cut, in bytes.
const CUT_BYTES_MIN: usize = 12;

/// Known secrets, to be removed from texts, values and events. Cheap to clone. Its debug output
/// shows none of them.
///
/// A secret is recognised as it is, in JSON, in the encodings of an address and in base64, alone or
/// in the middle of an encoded text. Each long line of a secret with several lines is recognised,
/// too, and so is a long part of a secret at the end or the beginning of a text that was cut. A
/// text that was made of a secret in another way is not.
///
/// ```
/// use stepwright_core::redact::Secrets;
/// let secrets = Secrets::new(["correct horse"]);
/// assert_eq!(secrets.redact("key: correct horse"), "key: [redacted]");
/// assert_eq!(secrets.redact("?key=correct%20horse"), "?key=[redacted]");
/// assert_eq!(secrets.redact("Basic YWRhOmNvcnJlY3QgaG9yc2U="), "Basic YWRhOm[redacted]U=");
/// assert_eq!(secrets.redact("a horse"), "a horse");
/// ```
#[derive(Clone, Default)]
pub struct Secrets(Arc<[String]>);

impl Secrets {
    /// Collects secrets. Those with fewer than [`SECRET_BYTES_MIN`] bytes are left out.
    pub fn new<S: AsRef<str>>(secrets: impl IntoIterator<Item = S>) -> Self {
        let mut forms = Vec::new();
        for secret in secrets {
            let secret = secret.as_ref().trim();
            add(secret, SECRET_BYTES_MIN, &mut forms);
            let lines = secret.lines().map(str::trim);
            if secret.contains('\n') {
                lines.for_each(|line| add(line, PART_BYTES_MIN, &mut forms));
            }
        }
        // The longest first, so that no part of a longer one is left.
        forms.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        forms.dedup();
        Self(forms.into())
    }

    /// Returns `true` if there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Replaces the secrets in a text.
    pub fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut text = Cow::Borrowed(text);
        for form in self.0.iter() {
            if text.contains(form.as_str()) {
                text = Cow::Owned(text.replace(form.as_str(), REDACTED));
            }
        }
        self.without_cut(text)
    }

    /// Replaces a part of a secret at the beginning or the end of a text that was cut there.
    fn without_cut<'t>(&self, mut text: Cow<'t, str>) -> Cow<'t, str> {
        let long = || self.0.iter().filter(|form| form.len() > CUT_BYTES_MIN);
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

    /// Returns `true` if a text may have a secret in it, or a part of one that is left where a text
    /// in it was cut.
    pub(crate) fn may_be_in(&self, text: &str) -> bool {
        self.0.iter().any(|form| {
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
fn add(secret: &str, bytes_min: usize, forms: &mut Vec<String>) {
    if secret.len() < bytes_min {
        return;
    }
    forms.push(secret.to_owned());
    let json = Value::from(secret).to_string();
    forms.push(json[1..json.len() - 1].to_owned());
    // Encodings of addresses differ in the characters that they keep, and in that of a space.
    for kept in ["-_.~", "-_.~!'()*", "-_.*"] {
        let encoded = percent(secret, kept);
        forms.push(encoded.replace("%20", "+"));
        forms.push(encoded);
    }
    forms.extend(base64_forms(secret.as_bytes()));
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
