//! Removes secrets from texts for people and logs.

mod encodings;
mod secrets;

use std::borrow::Cow;

pub use secrets::{SECRET_BYTES_MIN, Secrets};

/// The text that replaces a secret.
pub const REDACTED: &str = "[redacted]";

/// The prefixes of the API keys of well-known services.
const KEY_BEGINNINGS: [&str; 11] = [
    "sk-",
    "sk_",
    "xai-",
    "gsk_",
    "AIza",
    "AKIA",
    "ghp_",
    "gho_",
    "github_pat_",
    "xoxb-",
    "glpat-",
];

/// The minimum length of a key, in bytes. Shorter words only look like one.
const KEY_BYTES_MIN: usize = 16;

/// The endings of the names of secrets, in lower case.
const SECRET_NAMES: [&str; 11] = [
    "password",
    "passwd",
    "secret",
    "token",
    "api_key",
    "api-key",
    "apikey",
    "access_key",
    "private_key",
    "authorization",
    "credential",
];

/// More endings of the names of secrets in the query of a URL, in lower case.
const QUERY_NAMES: [&str; 6] = ["key", "sig", "signature", "auth", "pwd", "pass"];

/// Replaces texts that look like secrets: API keys of well-known services, `Bearer` and `Basic`
/// credentials, passwords in URLs, query parameters named like a key, a token or a signature, and
/// the values of JSON members and settings with the name of a secret.
///
/// It is meant for logs and cannot recognise every secret. A password in the middle of a sentence
/// looks like any other word.
///
/// ```
/// use stepwright_core::redact::redact;
/// assert_eq!(redact("key sk-abcdefghijklmnop."), "key [redacted].");
/// assert_eq!(redact(r#"{"password":"a\"b","n":1}"#), r#"{"password":"[redacted]","n":1}"#);
/// assert_eq!(redact("postgres://ada:pw@host/db"), "postgres://ada:[redacted]@host/db");
/// assert_eq!(redact("https://host/v1?key=abc&n=1"), "https://host/v1?key=[redacted]&n=1");
/// assert_eq!(redact("a token of thanks"), "a token of thanks");
/// ```
pub fn redact(text: &str) -> Cow<'_, str> {
    let mut clean = String::new();
    let mut kept = 0;
    let mut at = 0;
    while at < text.len() {
        match secret_at(text, at) {
            Some((begin, end)) => {
                clean.push_str(&text[kept..begin]);
                clean.push_str(REDACTED);
                kept = end;
                at = end;
            }
            None => at = next_word(text, at),
        }
    }
    if kept == 0 {
        return Cow::Borrowed(text);
    }
    clean.push_str(&text[kept..]);
    Cow::Owned(clean)
}

/// Returns the range of the secret that is, or follows, the word at `at`.
fn secret_at(text: &str, at: usize) -> Option<(usize, usize)> {
    let end = end_of(text, at, is_word);
    let word = &text[at..end];
    if word.is_empty() {
        return address_password(text, at);
    }
    if word.len() >= KEY_BYTES_MIN && KEY_BEGINNINGS.iter().any(|b| word.starts_with(b)) {
        return Some((at, end));
    }
    if word.eq_ignore_ascii_case("bearer") || word.eq_ignore_ascii_case("basic") {
        let begin = end + text[end..].len() - text[end..].trim_start_matches(' ').len();
        let end = end_of(text, begin, is_credential);
        return (end - begin >= KEY_BYTES_MIN).then_some((begin, end));
    }
    let name = word.to_ascii_lowercase();
    if text[..at].ends_with(['?', '&']) {
        let value = text[end..].strip_prefix('=')?;
        let names = || SECRET_NAMES.iter().chain(&QUERY_NAMES);
        let length = value
            .find(|c: char| c.is_whitespace() || "&#\"'`<>".contains(c))
            .unwrap_or(value.len());
        let is_secret = length > 0 && names().any(|secret| name.ends_with(secret));
        return is_secret.then_some((end + 1, end + 1 + length));
    }
    SECRET_NAMES.iter().any(|secret| name.ends_with(secret)).then(|| value_of(text, end))?
}

/// Returns the range of the value of a member or setting whose name ends at `at`.
fn value_of(text: &str, at: usize) -> Option<(usize, usize)> {
    let rest = text[at..].trim_start_matches(['"', '\\', '\'']);
    let rest = rest.trim_start_matches(' ').strip_prefix([':', '='])?.trim_start_matches(' ');
    let quoted = rest.trim_start_matches('\\');
    let begin = text.len() - rest.len();
    if let Some(inside) = quoted.strip_prefix(['"', '\'']) {
        let quote = &text[begin..text.len() - inside.len()];
        let inside_at = text.len() - inside.len();
        return Some((inside_at, inside_at + quoted_length(inside, quote)));
    }
    let end = end_of(text, begin, |c| !c.is_whitespace() && !matches!(c, ',' | '}' | ']' | ')'));
    // Numbers and booleans are not secrets, and useful to read.
    let value = &text[begin..end];
    let plain = value.parse::<f64>().is_ok() || matches!(value, "true" | "false" | "null");
    // The caller finds the credentials after `Bearer` and `Basic` itself.
    let scheme = value.eq_ignore_ascii_case("bearer") || value.eq_ignore_ascii_case("basic");
    (!value.is_empty() && !plain && !scheme).then_some((begin, end))
}

/// Returns the length of the text before its closing `quote`. The quote may be escaped, as in JSON
/// inside JSON.
fn quoted_length(inside: &str, quote: &str) -> usize {
    let slashes = quote.len() - 1;
    let mut before = 0;
    for (at, c) in inside.char_indices() {
        match c {
            '\\' => before += 1,
            c if quote.ends_with(c) && before <= slashes => return at - before,
            _ => before = 0,
        }
    }
    inside.len()
}

/// Returns the range of the password in `://user:password@` at `at`.
fn address_password(text: &str, at: usize) -> Option<(usize, usize)> {
    let rest = text[at..].strip_prefix("://")?;
    let authority = &rest
        [..rest.find(|c: char| c.is_whitespace() || "/?#\"'".contains(c)).unwrap_or(rest.len())];
    let (credentials, _) = authority.rsplit_once('@')?;
    let (user, password) = credentials.split_once(':')?;
    let begin = at + "://".len() + user.len() + 1;
    (!password.is_empty()).then_some((begin, begin + password.len()))
}

fn next_word(text: &str, at: usize) -> usize {
    let end = end_of(text, at, is_word);
    if end > at { end } else { at + text[at..].chars().next().map_or(1, char::len_utf8) }
}

fn end_of(text: &str, at: usize, belongs: impl Fn(char) -> bool) -> usize {
    text[at..].find(|c| !belongs(c)).map_or(text.len(), |length| at + length)
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '-'
}

fn is_credential(c: char) -> bool {
    is_word(c) || matches!(c, '.' | '~' | '+' | '/' | '=')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_taken_out_and_nothing_else() {
        for (text, expected) in [
            ("Authorization: Bearer abcdefghijklmnop.q", "Authorization: Bearer [redacted]"),
            ("the bearer of news", "the bearer of news"),
            ("OPENAI_API_KEY=sk-proj-12345678901234", "OPENAI_API_KEY=[redacted]"),
            ("input_tokens: 5, token: 5", "input_tokens: 5, token: 5"),
            (r#"{"api_key": "x", "b": 2}"#, r#"{"api_key": "[redacted]", "b": 2}"#),
            (r#"{"secret":null}"#, r#"{"secret":null}"#),
            // JSON as a string in JSON.
            (r#""{\"password\":\"pw\",\"n\":1}""#, r#""{\"password\":\"[redacted]\",\"n\":1}""#),
            ("http://host:80/a@b", "http://host:80/a@b"),
            ("http://a:b@c@host/", "http://a:[redacted]@host/"),
            ("`http://h/?api_key=a,b&x=1`", "`http://h/?api_key=[redacted]&x=1`"),
            ("http://h/?sig=a%2B&monkey=", "http://h/?sig=[redacted]&monkey="),
            ("why? key=value", "why? key=value"),
            ("my-sk-learn-and-more-words", "my-sk-learn-and-more-words"),
            ("sk-short ü AIzaSyA1234567890123 ü", "sk-short ü [redacted] ü"),
            ("password:", "password:"),
            ("", ""),
        ] {
            assert_eq!(redact(text), expected, "{text}");
        }
        assert!(matches!(redact("nothing here"), Cow::Borrowed(_)));
    }
}
