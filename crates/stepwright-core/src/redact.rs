//! Takes secrets out of texts that people and logs get to see.

use std::borrow::Cow;

/// What stands in the place of a secret.
pub const REDACTED: &str = "[redacted]";

/// How the keys of well-known services begin.
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

/// A key is at least this long, in bytes; shorter words only look alike.
const KEY_BYTES_MIN: usize = 16;

/// How the names of secrets end, in lower case.
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

/// How the names of secrets in the query of an address end, in lower case, beside [`SECRET_NAMES`].
const QUERY_NAMES: [&str; 6] = ["key", "sig", "signature", "auth", "pwd", "pass"];

/// The text without what looks like a secret: keys of well-known services, `Bearer` and `Basic`
/// credentials, passwords in addresses, what the query of an address calls a key, a token or a
/// signature, and the values of members and settings whose names say that they are secret.
///
/// It is made for logs and cannot know every secret: a password in the middle of a sentence is a
/// word like any other.
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

/// Where the secret begins and ends that is, or follows, the word at `at`.
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

/// The value of a member or setting whose name ends at `at`: `": "…"`, `=…`, `: …`.
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
    // What is no text is no secret: counts and switches are worth reading.
    let value = &text[begin..end];
    let plain = value.parse::<f64>().is_ok() || matches!(value, "true" | "false" | "null");
    // `Bearer …` is dealt with as such.
    let scheme = value.eq_ignore_ascii_case("bearer") || value.eq_ignore_ascii_case("basic");
    (!value.is_empty() && !plain && !scheme).then_some((begin, end))
}

/// How long the text is until its closing `quote`, which may itself be escaped, as in JSON that
/// stands in JSON.
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

/// The password in `://user:password@` at `at`.
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
            // JSON as a text in JSON.
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
