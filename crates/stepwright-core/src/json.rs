//! Parses JSON from other programs, models and people, with limits on its depth and on the number
//! of its values.
//!
//! Everything that comes from outside is read here: arguments of tools, answers of models and
//! people, pages, input files. A tree of values takes far more memory than its text, so both limits
//! are checked before the tree is built. An object with a name twice is refused: of several readers
//! of one text, each takes the value that it likes.
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

use crate::number::{Inexact, check_literal};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::HashSet;

/// The maximum nesting depth of objects and lists. People and models rarely exceed a dozen, and
/// parsers and other recursive code use stack for each level.
pub const DEPTH_MAX: usize = 100;

/// The maximum number of values in one text: objects, lists, texts, numbers, `true`, `false` and
/// `null`, at all depths. Keys do not count. A value takes up to some hundred bytes, and a short
/// one two bytes of text: without a limit, the tree of a text is hundreds of times as large.
pub const VALUES_MAX: usize = 1_000_000;

/// The reason that a text cannot be used as JSON, with its position.
///
/// The [module](self) has an example.
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
    /// The text has more than [`VALUES_MAX`] values.
    #[error("more than {VALUES_MAX} values")]
    TooMany,
    /// The text has a number that cannot be held as it is written.
    #[error("the {kind} {number} {why} at line {line} column {column}; {help}",
        kind = if *why == Inexact::Integer { "integer" } else { "number" }, help = why.help())]
    Number {
        /// The number as written, shortened if it is long.
        number: String,
        /// The reason.
        why: Inexact,
        /// The line of the number, from 1.
        line: usize,
        /// The column of its beginning, in bytes from 1.
        column: usize,
    },
    /// A key begins like the private markers of `serde_json`, which replaces an object with such a
    /// key by something else.
    #[error("a key cannot begin with `{PRIVATE}`; use another key")]
    Reserved,
    /// An object has two members of one name.
    #[error("an object has `{name}` twice at line {line} column {column}")]
    Twice {
        /// The name, shortened if it is long.
        name: String,
        /// The line of the second one, from 1.
        line: usize,
        /// The column of its beginning, in bytes from 1.
        column: usize,
    },
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
        let start = at;
        at = string_end(text, start)?;
        Some(is_key(text, at).then(|| unescaped(&text[start..at])))
    })
    .flatten()
}

/// Returns the place behind the string that begins at `start` with its quote.
fn string_end(text: &[u8], start: usize) -> Option<usize> {
    let mut escaped = false;
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
    Some(start + end + 2)
}

/// Returns `true` if the string that ends at `end` is the name of a member.
fn is_key(text: &[u8], end: usize) -> bool {
    text[end..].iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b':')
}

fn unescaped(string: &[u8]) -> String {
    serde_json::from_slice(string).unwrap_or_default()
}

/// Checks that no object has a name twice, in text that is deserialized into another type. The text
/// is JSON; of any other, the result means nothing.
///
/// # Errors
/// Fails if an object has a name twice.
///
/// ```
/// use stepwright_core::json::check_names;
/// assert!(check_names(br#"{"a": {"a": 1}, "b": [{"a": 2}, {"a": 3}]}"#).is_ok());
/// let error = check_names(br#"{"to": "ada", "\u0074o": "eve"}"#).unwrap_err();
/// assert_eq!(error.to_string(), "an object has `to` twice at line 1 column 15");
/// ```
pub fn check_names(text: &[u8]) -> Result<(), JsonError> {
    // The names of each object that is open. A list has none.
    let mut open: Vec<HashSet<Cow<'_, [u8]>>> = Vec::new();
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match byte {
            // What is nested deeper cannot be used for that reason.
            b'{' | b'[' if open.len() == DEPTH_MAX => return Ok(()),
            b'{' | b'[' => open.push(HashSet::new()),
            b'}' | b']' => drop(open.pop()),
            b'"' => {
                let Some(end) = string_end(text, at) else { return Ok(()) };
                let inside = &text[at + 1..end - 1];
                if let Some(names) = open.last_mut().filter(|_| is_key(text, end)) {
                    let name = if inside.contains(&b'\\') {
                        Cow::Owned(unescaped(&text[at..end]).into_bytes())
                    } else {
                        Cow::Borrowed(inside)
                    };
                    if let Some(name) = names.replace(name) {
                        return Err(twice(text, at, &name));
                    }
                }
                at = end;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    Ok(())
}

fn twice(text: &[u8], at: usize, name: &[u8]) -> JsonError {
    let (line, column) = place(text, at);
    let name = String::from_utf8_lossy(name).chars().take(NAME_CHARS_MAX).collect();
    JsonError::Twice { name, line, column }
}

/// Checks the names of a text that was parsed: a name that is there twice is one member of the
/// value, and only then the text is read again.
fn check_names_of(value: &Value, text: &[u8]) -> Result<(), JsonError> {
    fn members(value: &Value) -> usize {
        match value {
            Value::Array(list) => list.iter().map(members).sum(),
            Value::Object(all) => all.len() + all.values().map(members).sum::<usize>(),
            _ => 0,
        }
    }
    let mut counter = ValueCounter::default();
    counter.push(text);
    if counter.keys == members(value) { Ok(()) } else { check_names(text) }
}

/// Parses `text`, which may be nested [`DEPTH_MAX`] deep and have [`VALUES_MAX`] values. Time and
/// memory are linear in the length of the text.
///
/// # Errors
/// Fails if the text is nested deeper, has more values, has a name twice in one object, has a
/// number that [`check_literal`] refuses, or is not JSON.
///
/// ```
/// use stepwright_core::json::parse;
/// let error = parse(r#"{"to": "ada", "to": "eve"}"#).unwrap_err();
/// assert_eq!(error.to_string(), "an object has `to` twice at line 1 column 15");
/// ```
pub fn parse(text: &str) -> Result<Value, JsonError> {
    parse_slice(text.as_bytes())
}

/// Parses `text` like [`parse`], but of equal names in one object the last one counts. For what a
/// protocol has around the texts of others, and whose sender cannot be told.
///
/// # Errors
/// Fails for the reasons of [`parse`], besides names.
///
/// ```
/// use stepwright_core::json::parse_frame;
/// assert_eq!(parse_frame(r#"{"id": 1, "id": 2}"#)?["id"], 2);
/// # Ok::<(), stepwright_core::json::JsonError>(())
/// ```
pub fn parse_frame(text: &str) -> Result<Value, JsonError> {
    parse_frame_slice(text.as_bytes())
}

/// Parses `bytes` like [`parse_frame`].
///
/// # Errors
/// Fails for the reasons of [`parse_frame`], or if the bytes are not UTF-8.
pub fn parse_frame_slice(bytes: &[u8]) -> Result<Value, JsonError> {
    parsed(bytes)
}

/// Parses a text that may be JSON or any other text. `None` if it is not JSON.
///
/// # Errors
/// Fails for the reasons of [`parse`] if the text begins like an object or a list, and would be
/// another value than it says.
///
/// ```
/// use stepwright_core::json::parse_if_json;
/// assert_eq!(parse_if_json("[1]")?.unwrap()[0], 1);
/// assert_eq!(parse_if_json("[draft] write it")?, None);
/// assert!(parse_if_json(r#"{"to": "ada", "to": "eve"}"#).is_err());
/// # Ok::<(), stepwright_core::json::JsonError>(())
/// ```
pub fn parse_if_json(text: &str) -> Result<Option<Value>, JsonError> {
    match parse(text) {
        Ok(value) => Ok(Some(value)),
        Err(JsonError::Syntax(_)) => Ok(None),
        Err(error) if text.trim_start().starts_with(['{', '[']) => Err(error),
        Err(_) => Ok(None),
    }
}

/// Parses `text` like [`parse`], into another type.
///
/// # Errors
/// Fails for the reasons of [`parse`], or if the JSON is not a `T`.
///
/// ```
/// use stepwright_core::json::read;
/// assert_eq!(read::<Vec<u8>>("[1, 2]")?, [1, 2]);
/// assert!(read::<Vec<u8>>("{}").is_err());
/// # Ok::<(), stepwright_core::json::JsonError>(())
/// ```
pub fn read<T: DeserializeOwned>(text: &str) -> Result<T, JsonError> {
    read_slice(text.as_bytes())
}

/// Parses `bytes` like [`read`].
///
/// # Errors
/// Fails for the reasons of [`read`], or if the bytes are not UTF-8.
pub fn read_slice<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, JsonError> {
    let value = parsed(bytes)?;
    check_names(bytes)?;
    Ok(value)
}

/// Parses `bytes` like [`parse`].
///
/// # Errors
/// Fails for the reasons of [`parse`], or if the bytes are not UTF-8.
pub fn parse_slice(bytes: &[u8]) -> Result<Value, JsonError> {
    let value = parsed(bytes)?;
    check_names_of(&value, bytes)?;
    Ok(value)
}

fn parsed<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, JsonError> {
    check_size(bytes)?;
    check_keys(bytes)?;
    let value = serde_json::from_slice(bytes).map_err(|error| too_large(bytes, error))?;
    check_numbers(bytes)?;
    Ok(value)
}

/// Checks the nesting depth and the number of values without allocation.
pub(crate) fn check_size(text: &[u8]) -> Result<(), JsonError> {
    check_depth(text)?;
    // Each value has a byte of its own.
    if text.len() <= VALUES_MAX {
        return Ok(());
    }
    let mut counter = ValueCounter::default();
    counter.push(text);
    if counter.values() > VALUES_MAX { Err(JsonError::TooMany) } else { Ok(()) }
}

/// Counts the values in a JSON text that may come in fragments, for readers that put a text
/// together before it is parsed.
///
/// ```
/// use stepwright_core::json::ValueCounter;
/// let mut counter = ValueCounter::default();
/// counter.push(br#"{"a": [1, "x"#);
/// counter.push(br#", y"], "b": {}}"#);
/// assert_eq!(counter.values(), 5);
/// ```
#[derive(Clone, Debug, Default)]
pub struct ValueCounter {
    begun: usize,
    keys: usize,
    in_string: bool,
    escaped: bool,
    in_word: bool,
}

impl ValueCounter {
    /// Counts the values that begin in this fragment.
    pub fn push(&mut self, fragment: &[u8]) {
        for byte in fragment {
            if self.in_string {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => self.in_string = false,
                    _ => {}
                }
                continue;
            }
            let was_in_word = std::mem::replace(&mut self.in_word, false);
            match byte {
                b'"' => {
                    self.in_string = true;
                    self.begun += 1;
                }
                b'[' | b'{' => self.begun += 1,
                b':' => self.keys += 1,
                b',' | b']' | b'}' | b' ' | b'\t' | b'\n' | b'\r' => {}
                _ => {
                    self.in_word = true;
                    self.begun += usize::from(!was_in_word);
                }
            }
        }
    }

    /// Returns the number of values that have begun, without the keys that a colon follows.
    #[must_use]
    pub fn values(&self) -> usize {
        self.begun.saturating_sub(self.keys)
    }
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

/// The maximum number of characters of a name in an error.
const NAME_CHARS_MAX: usize = 100;

/// The maximum number of characters of a number in an error.
const NUMBER_CHARS_MAX: usize = 60;

/// Describes a number that `serde_json` cannot read because a double cannot hold it.
fn too_large(text: &[u8], error: serde_json::Error) -> JsonError {
    let is_range = error.is_syntax() && error.to_string().starts_with("number out of range");
    match check_numbers(text) {
        Err(number) if is_range => number,
        _ => JsonError::Syntax(error),
    }
}

/// Checks that all numbers can be held as they are written. `serde_json` would round them.
fn check_numbers(text: &[u8]) -> Result<(), JsonError> {
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
                let written = std::str::from_utf8(number).unwrap_or_default();
                if let Err(why) = check_literal(written) {
                    let (line, column) = place(text, at);
                    let number = written.chars().take(NUMBER_CHARS_MAX).collect();
                    return Err(JsonError::Number { number, why, line, column });
                }
                at += number.len();
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    Ok(())
}

fn too_deep(text: &[u8], at: usize) -> JsonError {
    let (line, column) = place(text, at);
    JsonError::TooDeep { line, column }
}

/// Returns the line and the column of a byte, from 1.
fn place(text: &[u8], at: usize) -> (usize, usize) {
    let before = &text[..at];
    let line = before.split(|byte| *byte == b'\n').count();
    let begin = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    (line, at - begin + 1)
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
    fn a_name_twice_in_one_object_is_refused_with_its_place() {
        for (text, wanted) in [
            (r#"{"a": 1, "a": 2}"#, "an object has `a` twice at line 1 column 10"),
            ("[1, {\"b\": {\"a\": 1,\n \"a\": 2}}]", "an object has `a` twice at line 2 column 2"),
            (
                r#"{"a\"": 1, "c": [{}], "a\u0022" : 2}"#,
                "an object has `a\"` twice at line 1 column 23",
            ),
            (r#"{"": 1, "": 1}"#, "an object has `` twice at line 1 column 9"),
        ] {
            assert_eq!(parse(text).unwrap_err().to_string(), wanted, "{text}");
            assert_eq!(parse_slice(text.as_bytes()).unwrap_err().to_string(), wanted, "{text}");
            assert_eq!(read::<Value>(text).unwrap_err().to_string(), wanted, "{text}");
            parse_frame(text).unwrap();
        }
        for text in [
            r#"{"a": {"a": 1}, "b": [{"a": 1}, {"a": 2}]}"#,
            r#"{"a": "\"a\":", "b": "a", "A": ["a", "a"]}"#,
            r#"[{"a": 1}, {"a": 1}, "a", "a"]"#,
        ] {
            parse(text).unwrap();
            read::<Value>(text).unwrap();
        }
        let long = format!(r#"{{"{0}": 1, "{0}": 2}}"#, "x".repeat(10_000));
        assert!(parse(&long).unwrap_err().to_string().len() < 200);
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
    fn the_number_of_values_is_limited() {
        let list = |values: usize| format!("[{}[]]", "[],".repeat(values - 2));
        assert!(parse(&list(VALUES_MAX)).is_ok());
        assert!(matches!(parse(&list(VALUES_MAX + 1)), Err(JsonError::TooMany)));
        assert!(matches!(parse_slice(list(VALUES_MAX + 1).as_bytes()), Err(JsonError::TooMany)));
        assert!(matches!(read::<Vec<()>>(&list(VALUES_MAX + 1)), Err(JsonError::TooMany)));
        // A long text is one value.
        assert!(parse(&format!("\"{}\"", ",[1]".repeat(VALUES_MAX))).is_ok());
    }

    #[test]
    fn values_are_counted_wherever_the_text_is_cut() {
        for (text, expected) in [
            (r#"{"a": [1, "x, \" [y]", null], "b": {"c:d": true}, "e": -1.5e3}"#, 8),
            ("[]", 1),
            (" 17 ", 1),
            ("[\n1,2 , 3\t]", 4),
        ] {
            for size in 1..=text.len() {
                let mut counter = ValueCounter::default();
                text.as_bytes().chunks(size).for_each(|piece| counter.push(piece));
                assert_eq!(counter.values(), expected, "{text} in {size} bytes");
            }
        }
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
    fn numbers_that_a_double_rounds_are_refused_with_their_place() {
        let of = |text: &str| parse(text).unwrap_err().to_string();
        assert_eq!(
            of("{\n \"a\": [1, 9007199254740993.0]}"),
            "the number 9007199254740993.0 would be rounded at line 2 column 11; write it without \
             fraction and exponent, or as a text, in quotes"
        );
        assert!(of("[1e400]").starts_with("the number 1e400 is too large at line 1 column 2"));
        assert!(of("[1e-400]").starts_with("the number 1e-400 is too small"));
        assert!(parse_slice(b"[9007199254740993e0]").is_err());
        assert!(parse_slice(b"1e400").unwrap_err().to_string().contains("too large"));
        // A text with a number is still a text, and one that is not JSON is not.
        assert!(parse("[\"1e400\", \"9007199254740993.0\"]").is_ok());
        assert!(matches!(parse("[1e400"), Err(JsonError::Number { .. })));
        assert!(matches!(parse("[nope, 1e400]"), Err(JsonError::Syntax(_))));
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
