//! JSON with long strings, parsed with one copy of each.
//!
//! A parser copies a string with escapes twice while the text of the whole is there as well. Here
//! the long strings are decoded in place and taken out first.

use crate::long::{LONG_BYTES, MARK};
use serde_json::Value;
use std::ops::Range;
use stepwright_core::json::{self, JsonError};

/// Parses `data` as [`json::parse_frame`] does. A long string for which `given` returns another
/// text is replaced by that. If `data` is not JSON, it is given back. If all of its long strings
/// are replaced, `spare` becomes its memory.
pub(crate) fn parse(
    data: String,
    given: impl Fn(&str) -> Option<String>,
    spare: &mut Option<Vec<u8>>,
) -> Result<Value, (String, JsonError)> {
    let may_be_long = data.len() > LONG_BYTES && !has_mark(&data);
    let long = if may_be_long { long_strings(data.as_bytes()) } else { Vec::new() };
    if long.is_empty() {
        return json::parse_frame(&data).map_err(|error| (data, error));
    }
    // What is wrong elsewhere is found while the text is still as it came.
    let mut small = Vec::new();
    let mut kept = 0;
    for (number, place) in long.iter().enumerate() {
        small.extend_from_slice(&data.as_bytes()[kept..place.start]);
        small.extend_from_slice(format!("{MARK}{number}").as_bytes());
        kept = place.end;
    }
    small.extend_from_slice(&data.as_bytes()[kept..]);
    let Ok(mut value) = json::parse_frame_slice(&small) else {
        return json::parse_frame(&data).map_err(|error| (data, error));
    };
    drop(small);
    let mut bytes = data.into_bytes();
    let mut texts = Vec::with_capacity(long.len());
    let mut is_spare = true;
    // From the end, so that what has been read is given back to the system.
    for place in long.into_iter().rev() {
        let length = decode(&mut bytes[place.clone()]);
        let text = String::from_utf8_lossy(&bytes[place.start..place.start + length]);
        texts.push(Some(given(&text).unwrap_or_else(|| {
            is_spare = false;
            text.into_owned()
        })));
        bytes.truncate(place.start);
    }
    if is_spare {
        bytes.clear();
        *spare = Some(bytes);
    }
    texts.reverse();
    put_back(&mut value, &mut texts);
    Ok(value)
}

/// `true` if the letter that marks a place may stand in one of the strings.
fn has_mark(data: &str) -> bool {
    let mut escapes = data.match_indices("\\u");
    let is_half = |digits: &[u8]| digits.eq_ignore_ascii_case(b"dbff");
    data.contains(MARK)
        || escapes.any(|(at, _)| data.as_bytes().get(at + 2..at + 6).is_some_and(is_half))
}

fn put_back(value: &mut Value, texts: &mut [Option<String>]) {
    match value {
        Value::String(text) => {
            let number = text.strip_prefix(MARK).and_then(|number| number.parse::<usize>().ok());
            if let Some(long) = number.and_then(|number| texts.get_mut(number)?.take()) {
                *text = long;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| put_back(item, texts)),
        Value::Object(members) => {
            members.values_mut().for_each(|member| put_back(member, texts));
        }
        _ => {}
    }
}

/// The places of the long strings that are values, without their quotes. None if a string is not
/// what JSON allows, or has half of a letter.
fn long_strings(data: &[u8]) -> Vec<Range<usize>> {
    let mut long = Vec::new();
    let mut at = 0;
    while let Some(open) = find(data, at, |byte| byte == b'"') {
        let start = open + 1;
        at = start;
        let end = loop {
            match find(data, at, |byte| matches!(byte, b'"' | b'\\')) {
                Some(end) if data[end] == b'"' => break end,
                Some(escape) => at = escape + 2,
                None => return Vec::new(),
            }
        };
        at = end + 1;
        if end - start <= LONG_BYTES {
            continue;
        }
        let behind = data[at..].iter().find(|byte| !byte.is_ascii_whitespace());
        if behind == Some(&b':') {
            continue;
        }
        if !is_right(&data[start..end]) {
            return Vec::new();
        }
        long.push(start..end);
    }
    long
}

fn find(data: &[u8], from: usize, is: impl Fn(u8) -> bool) -> Option<usize> {
    let rest = data.get(from..)?;
    rest.iter().position(|byte| is(*byte)).map(|at| from + at)
}

/// `true` if a string is what JSON allows, with whole letters only.
fn is_right(string: &[u8]) -> bool {
    let mut at = 0;
    while let Some(byte) = string.get(at) {
        match byte {
            0..0x20 => return false,
            b'\\' => match escape(&string[at..]) {
                Some((_, length)) => at += length,
                None => return false,
            },
            _ => at += 1,
        }
    }
    true
}

/// The letter that an escape stands for, and the length of the escape.
fn escape(string: &[u8]) -> Option<(char, usize)> {
    let unit = |at: usize| {
        let digits = string.get(at..at + 6)?.strip_prefix(b"\\u")?;
        let is_hex = digits.iter().all(u8::is_ascii_hexdigit);
        u32::from_str_radix(std::str::from_utf8(digits).ok().filter(|_| is_hex)?, 16).ok()
    };
    let letter = match string.get(1)? {
        b'"' => '"',
        b'\\' => '\\',
        b'/' => '/',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => {
            let first = unit(0)?;
            if !(0xd800..0xdc00).contains(&first) {
                return char::from_u32(first).map(|letter| (letter, 6));
            }
            let second = unit(6).filter(|second| (0xdc00..0xe000).contains(second))?;
            let letter = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
            return char::from_u32(letter).map(|letter| (letter, 12));
        }
        _ => return None,
    };
    Some((letter, 2))
}

/// Decodes a string in place, and returns its length then. An escape is never shorter than its
/// letter.
fn decode(string: &mut [u8]) -> usize {
    let (mut from, mut to) = (0, 0);
    while from < string.len() {
        let plain = find(string, from, |byte| byte == b'\\').unwrap_or(string.len());
        string.copy_within(from..plain, to);
        (to, from) = (to + plain - from, plain);
        if let Some((letter, length)) = escape(&string[from..]) {
            let mut buffer = [0; 4];
            let letter = letter.encode_utf8(&mut buffer).as_bytes();
            string[to..to + letter.len()].copy_from_slice(letter);
            to += letter.len();
            from += length;
        } else if from < string.len() {
            break;
        }
    }
    to
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn long_strings_are_what_the_parser_makes_of_them() {
        let long = |text: &str| text.repeat(LONG_BYTES);
        for text in [r"\u00e4\ud83e\udd80\n\t\b\f\r\/\\\u0041", r#"\"a"#, "日本ü🦀", "x", r"\\\\"]
        {
            let data = format!(
                r#"{{"a": ["{}", 1, "short\n"], "b": {{"c": "{}"}}, "{}": "d"}}"#,
                long(text),
                long("y"),
                long("k"),
            );
            let value = parse(data.clone(), |_| None, &mut None).unwrap();
            assert!(value == json::parse_frame(&data).unwrap(), "{text}");
        }
    }

    #[test]
    fn what_is_not_json_is_given_back_with_the_reason() {
        let x = "x".repeat(LONG_BYTES);
        for end in [r"\q", r"\ud83e", "\n", r"\u00g0", "\\"] {
            let data = format!(r#"{{"a": "{x}", "b": "{x}{end}"}}"#);
            let (back, error) = parse(data.clone(), |_| None, &mut None).unwrap_err();
            assert!(back == data, "{end}");
            assert_eq!(error.to_string(), json::parse_frame(&data).unwrap_err().to_string());
        }
        let data = format!(r#"{{"a": "{x}", "b": }}"#);
        let (back, error) = parse(data.clone(), |_| None, &mut None).unwrap_err();
        assert!(
            back == data && error.to_string() == json::parse_frame(&data).unwrap_err().to_string()
        );
    }

    #[test]
    fn a_text_that_is_known_is_not_copied() {
        let data = json!({"a": "x\n".repeat(LONG_BYTES), "b": 1}).to_string();
        let known = |text: &str| text.starts_with("x\nx").then(|| "known".to_owned());
        let mut spare = None;
        assert_eq!(parse(data, known, &mut spare).unwrap(), json!({"a": "known", "b": 1}));
        assert!(spare.unwrap().capacity() > LONG_BYTES);
    }
}
