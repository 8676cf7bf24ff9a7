//! Decodes texts, and maps places in them back to the places in the encoded text.

use std::ops::Range;

/// The minimum length of a line of base64 that continues in the next one, in bytes.
const LINE_BYTES_MIN: usize = 40;

/// A decoded text.
#[derive(Debug, Default)]
pub(super) struct Decoded {
    pub(super) text: String,
    parts: Vec<Part>,
}

/// A part of a text that was decoded.
#[derive(Debug)]
struct Part {
    at: usize,
    len: usize,
    source: Range<usize>,
}

impl Decoded {
    /// Returns the place in the encoded text. It covers an escape as a whole.
    pub(super) fn source(&self, range: &Range<usize>) -> Range<usize> {
        let before = self.parts.partition_point(|part| part.at <= range.start);
        let start = match before.checked_sub(1).map(|last| &self.parts[last]) {
            None => range.start,
            Some(part) if range.start < part.at + part.len => part.source.start,
            Some(part) => part.source.end + (range.start - part.at - part.len),
        };
        let before = self.parts.partition_point(|part| part.at < range.end);
        let end = match before.checked_sub(1).map(|last| &self.parts[last]) {
            None => range.end,
            Some(part) if range.end <= part.at + part.len => part.source.end,
            Some(part) => part.source.end + (range.end - part.at - part.len),
        };
        start..end
    }
}

/// Replaces parts of a text.
struct Decoding<'t> {
    source: &'t str,
    copied: usize,
    decoded: Decoded,
}

impl<'t> Decoding<'t> {
    fn of(source: &'t str) -> Self {
        Self { source, copied: 0, decoded: Decoded::default() }
    }

    fn replace(&mut self, source: Range<usize>, character: Option<char>) {
        let Decoded { text, parts } = &mut self.decoded;
        text.push_str(&self.source[self.copied..source.start]);
        self.copied = source.end;
        parts.push(Part { at: text.len(), len: character.map_or(0, char::len_utf8), source });
        text.extend(character);
    }

    /// Returns the decoded text, or `None` if nothing in it was encoded.
    fn end(mut self) -> Option<Decoded> {
        if self.decoded.parts.is_empty() {
            return None;
        }
        self.decoded.text.push_str(&self.source[self.copied..]);
        Some(self.decoded)
    }
}

/// Decodes the escapes of JSON.
pub(super) fn json(text: &str) -> Option<Decoded> {
    let mut decoding = Decoding::of(text);
    let mut at = 0;
    while let Some(found) = text[at..].find('\\') {
        let start = at + found;
        at = start + 1;
        if let Some((character, len)) = escaped(&text[at..]) {
            at += len;
            decoding.replace(start..at, Some(character));
        }
    }
    decoding.end()
}

/// Returns the character that stands behind a backslash, and the length of its escape.
fn escaped(rest: &str) -> Option<(char, usize)> {
    let first = rest.chars().next()?;
    let character = match first {
        '"' | '\\' | '/' | '\'' => first,
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'u' => return unicode(rest),
        _ => return None,
    };
    Some((character, 1))
}

/// Returns the character of an escape such as `u00fc`, or of two that are a surrogate pair.
fn unicode(rest: &str) -> Option<(char, usize)> {
    let unit = |at: usize| {
        let digits = rest.get(at..at + 5)?.strip_prefix('u')?;
        let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_hex { u16::from_str_radix(digits, 16).ok() } else { None }
    };
    let first = unit(0)?;
    if let Some(character) = char::from_u32(first.into()) {
        return Some((character, 5));
    }
    let second = unit(6).filter(|_| rest.as_bytes()[5] == b'\\')?;
    let pair = char::decode_utf16([first, second]).next()?.ok()?;
    Some((pair, 11))
}

/// Decodes the encoding of addresses. Bytes that are not UTF-8 stay as they are.
pub(super) fn percent(text: &str) -> Option<Decoded> {
    let mut decoding = Decoding::of(text);
    let mut at = 0;
    let mut bytes = Vec::new();
    while let Some(found) = text[at..].find('%') {
        let mut start = at + found;
        at = start;
        bytes.clear();
        while let Some(byte) = percent_byte(text, at) {
            bytes.push(byte);
            at += 3;
        }
        at = at.max(start + 1);
        for chunk in bytes.utf8_chunks() {
            for character in chunk.valid().chars() {
                let end = start + 3 * character.len_utf8();
                decoding.replace(start..end, Some(character));
                start = end;
            }
            start += 3 * chunk.invalid().len();
        }
    }
    decoding.end()
}

fn percent_byte(text: &str, at: usize) -> Option<u8> {
    let [b'%', high, low] = *text.as_bytes().get(at..at + 3)? else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

/// Joins the lines of base64.
pub(super) fn lines(text: &str) -> Option<Decoded> {
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/-_".contains(byte);
    let mut decoding = Decoding::of(text);
    let mut begun = 0;
    for (at, _) in text.match_indices('\n') {
        let line = text[begun..at].trim_end_matches('\r');
        let end = begun + line.len();
        begun = at + 1;
        let next = text[begun..].trim_start_matches([' ', '\t']);
        let continues = next.bytes().next().is_some_and(|byte| is_base64(&byte));
        let encoded = line.bytes().rev().take_while(is_base64).count();
        if continues && encoded >= LINE_BYTES_MIN {
            begun = text.len() - next.len();
            decoding.replace(end..begun, None);
        }
    }
    decoding.end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_in_a_decoded_text_lead_back() {
        let text = r#"a\u00fcb\"\ud83d\ude00c\q"#;
        let decoded = json(text).unwrap();
        assert_eq!(decoded.text, "aüb\"😀c\\q");
        for (part, source) in
            [("a", "a"), ("ü", r"\u00fc"), ("b\"", r#"b\""#), ("😀c", r"\ud83d\ude00c")]
        {
            let at = decoded.text.find(part).unwrap();
            assert_eq!(&text[decoded.source(&(at..at + part.len()))], source);
        }
        let text = "%C3%bc%ff%41x%4%zz%";
        let decoded = percent(text).unwrap();
        assert_eq!(decoded.text, "ü%ffAx%4%zz%");
        assert_eq!(decoded.source(&(0..2)), 0..6);
        assert_eq!(&text[decoded.source(&(5..7))], "%41x");
        for (text, decode) in
            [("a\\q\\u12g4\\ud83dx", json as fn(&str) -> _), ("5% %", percent), ("a\nb", lines)]
        {
            assert!(decode(text).is_none(), "{text}");
        }
    }
}
