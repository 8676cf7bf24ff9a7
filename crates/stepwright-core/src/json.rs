//! Parses JSON from other programs, models and people, with a limit on its depth.
//!
//! ```
//! use stepwright_core::json;
//! assert_eq!(json::parse(r#"{"score": 7}"#)?["score"], 7);
//!
//! let deep = "[".repeat(60_000);
//! let error = json::parse(&deep).unwrap_err();
//! assert_eq!(error.to_string(), "nested deeper than 100 at line 1 column 101");
//! # Ok::<(), json::JsonError>(())
//! ```

use serde_json::Value;

/// The maximum nesting depth of objects and lists. People and models rarely exceed a dozen, and
/// parsers and other recursive code use stack for each level.
pub const DEPTH_MAX: usize = 100;

/// The reason that a text cannot be used as JSON, with its position.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JsonError {
    /// The text is nested deeper than [`DEPTH_MAX`].
    #[error("nested deeper than {DEPTH_MAX} at line {line} column {column}")]
    TooDeep {
        /// The line of the bracket that is too deep, from 1.
        line: usize,
        /// The column of that bracket, in bytes from 1.
        column: usize,
    },
    /// The text has an integer that does not fit into 64 bits and would be rounded.
    #[error("the integer {number} does not fit into 64 bits; write it as a text, in quotes")]
    Integer {
        /// The integer as written, shortened if it is long.
        number: String,
    },
    /// A key begins like the private markers of `serde_json`, which replaces an object with such a
    /// key by something else.
    #[error("a key cannot begin with `{PRIVATE}`; use another key")]
    Reserved,
    /// The text is not JSON.
    #[error(transparent)]
    Syntax(#[from] serde_json::Error),
}

/// The beginning of the private markers of `serde_json`. It reads an object with such a key as the
/// number or the raw JSON inside, now and each time that the journal is read.
const PRIVATE: &str = "$serde_json::";

/// Checks that no key is a private marker. One that is written with escapes would be one, too.
fn check_keys(text: &[u8]) -> Result<(), JsonError> {
    let marks = |text: &[u8]| {
        let mark = PRIVATE.as_bytes();
        text.windows(mark.len()).any(|window| window == mark)
    };
    // An escape such as `\u0024` may stand for a letter of the marker.
    let is_escaped = text.windows(4).any(|window| window == b"\\u00");
    if (marks(text) || is_escaped) && keys(text).any(|key| key.starts_with(PRIVATE)) {
        return Err(JsonError::Reserved);
    }
    Ok(())
}

/// The keys in a text, without escapes. A key that is not valid is empty: the parser reports it.
fn keys(text: &[u8]) -> impl Iterator<Item = String> {
    let mut at = 0;
    std::iter::from_fn(move || {
        at += text[at..].iter().position(|byte| *byte == b'"')?;
        let (start, mut escaped) = (at, false);
        let end = text[start + 1..].iter().position(|byte| match byte {
            _ if escaped => {
                escaped = false;
                false
            }
            b'\\' => {
                escaped = true;
                false
            }
            byte => *byte == b'"',
        })?;
        at = start + end + 2;
        let is_key = text[at..].iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b':');
        let key = is_key.then(|| serde_json::from_slice(&text[start..at]).unwrap_or_default());
        Some(key)
    })
    .flatten()
}

/// Parses `text`, which may be nested [`DEPTH_MAX`] deep. Time and memory are linear in the length
/// of the text.
///
/// # Errors
/// Fails if the text is nested deeper, has an integer that does not fit into 64 bits, or is not
/// JSON.
pub fn parse(text: &str) -> Result<Value, JsonError> {
    check_depth(text.as_bytes())?;
    check_keys(text.as_bytes())?;
    let value = serde_json::from_str(text)?;
    check_integers(text.as_bytes())?;
    Ok(value)
}

/// Parses `bytes` like [`parse`].
///
/// # Errors
/// Fails for the reasons of [`parse`], or if the bytes are not UTF-8.
pub fn parse_slice(bytes: &[u8]) -> Result<Value, JsonError> {
    check_depth(bytes)?;
    check_keys(bytes)?;
    let value = serde_json::from_slice(bytes)?;
    check_integers(bytes)?;
    Ok(value)
}

/// Checks the nesting depth in one pass without allocation, for text that is deserialized into
/// another type or passed to another parser.
///
/// # Errors
/// Fails if a bracket is nested deeper than [`DEPTH_MAX`].
///
/// ```
/// use stepwright_core::json::check_depth;
/// assert!(check_depth(br#"{"text": "[[[[ is text"}"#).is_ok());
/// assert!(check_depth("[".repeat(101).as_bytes()).is_err());
/// ```
pub fn check_depth(text: &[u8]) -> Result<(), JsonError> {
    let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
    for (at, byte) in text.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'[' | b'{' => {
                depth += 1;
                if depth > DEPTH_MAX {
                    return Err(too_deep(text, at));
                }
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

/// The maximum number of characters of an integer in an error.
const INTEGER_CHARS_MAX: usize = 60;

/// Checks that all integers fit into 64 bits. `serde_json` would read larger ones as a double and
/// round them.
fn check_integers(text: &[u8]) -> Result<(), JsonError> {
    let (mut in_string, mut escaped, mut at) = (false, false, 0);
    while let Some(byte) = text.get(at) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'-' | b'0'..=b'9' => {
                let end = text[at..].iter().position(|byte| {
                    !matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9')
                });
                let number = &text[at..end.map_or(text.len(), |end| at + end)];
                at += number.len();
                let number = std::str::from_utf8(number).unwrap_or_default();
                let is_integer = number.bytes().all(|byte| byte == b'-' || byte.is_ascii_digit());
                // Eighteen digits and a sign always fit.
                let fits = number.len() <= 18
                    || number.parse::<i64>().is_ok()
                    || number.parse::<u64>().is_ok();
                if is_integer && !fits {
                    let number = number.chars().take(INTEGER_CHARS_MAX).collect();
                    return Err(JsonError::Integer { number });
                }
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    Ok(())
}

fn too_deep(text: &[u8], at: usize) -> JsonError {
    let before = &text[..at];
    let line = before.split(|byte| *byte == b'\n').count();
    let begin = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    JsonError::TooDeep { line, column: at - begin + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_markers_of_the_parser_are_refused_and_change_nothing() {
        for text in [
            r#"{"a":{"$serde_json::private::RawValue":"[1]"}}"#,
            r#"{"a":{"\u0024serde_json::private::RawValue":"12345678901234567890123"}}"#,
            r#"{"a":"\\","b":{"$serde_json\u003a:private::RawValue":"1"}}"#,
            r#"{"$serde_json::private::Number" : "1"}"#,
        ] {
            assert!(matches!(parse(text), Err(JsonError::Reserved)), "{text}");
            assert!(matches!(parse_slice(text.as_bytes()), Err(JsonError::Reserved)), "{text}");
        }
        let fine = parse(r#"{"$serde":"\u0024", "b":"\\u0024serde_json::"}"#).unwrap();
        assert_eq!(fine["$serde"], "$");
        // As a value it is a text like any other.
        let text = r#"{"source":"const TOKEN: &str = \"$serde_json::private::Number\";"}"#;
        assert!(parse(text).unwrap()["source"].as_str().unwrap().contains("$serde_json::"));
    }

    #[test]
    fn the_limit_is_where_it_says() {
        for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
            let inner = "1";
            let nested = |depth: usize| open.repeat(depth) + inner + &close.repeat(depth);
            assert!(parse(&nested(DEPTH_MAX)).is_ok());
            assert!(parse_slice(nested(DEPTH_MAX).as_bytes()).is_ok());
            let error = parse(&nested(DEPTH_MAX + 1)).unwrap_err();
            assert!(matches!(error, JsonError::TooDeep { line: 1, .. }), "{error}");
        }
        // The number of siblings is not limited.
        assert!(parse(&format!("[{}[]]", "[],".repeat(10_000))).is_ok());
    }

    #[test]
    fn integers_are_exact_or_refused() {
        let exact =
            format!("[{}, {}, -0, 1e30, 1.5, \"99999999999999999999\"]", u64::MAX, i64::MIN);
        assert!(parse(&exact).is_ok());
        for number in ["18446744073709551616", "-9223372036854775809", "12345678901234567890123"] {
            let error = parse(&format!("{{\"a\": [{number}]}}")).unwrap_err();
            let said = format!("the integer {number} does not fit into 64 bits");
            assert!(error.to_string().starts_with(&said), "{error}");
            assert!(parse_slice(number.as_bytes()).is_err());
        }
    }

    #[test]
    fn brackets_in_texts_have_no_depth() {
        let text = format!(r#"{{"a": "\"{0}", "b": "\\", "{0}": 1}}"#, "[{".repeat(500));
        assert!(parse(&text).is_ok());
        let outside = format!(r#"{{"a": "\\{0}", "b": {0}"#, "[".repeat(500));
        let error = parse(&outside).unwrap_err();
        assert!(matches!(error, JsonError::TooDeep { .. }), "{error}");
    }

    #[test]
    fn an_error_tells_the_place() {
        let deep = format!("[\n  {}", "[".repeat(200));
        assert_eq!(
            parse(&deep).unwrap_err().to_string(),
            "nested deeper than 100 at line 2 column 102"
        );
        let broken = parse("{\n \"a\": nope}").unwrap_err().to_string();
        assert!(broken.contains("line 2"), "{broken}");
        assert!(parse_slice(b"\"\xff\"").is_err());
    }
}
