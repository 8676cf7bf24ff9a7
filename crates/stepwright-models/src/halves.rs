//! Joins surrogate pairs that a gateway has split.
//!
//! JSON writes letters beyond the first 65 536 as a pair of escapes, `\ud83e\udd80`. A gateway that
//! counts its text in halves may put the first into one event and the second into the next. Neither
//! event is JSON then. The halves are joined; a half without its other is U+FFFD.

use serde_json::{Map, Value};
use std::collections::HashMap;

/// Halves stand here while an event is read: the last private plane, which no text uses.
const PLACE: u32 = 0x10_0000;

const HALVES: std::ops::Range<u32> = 0xd800..0xe000;

/// Joins the halves of letters across the events of one answer.
#[derive(Debug, Default)]
pub(crate) struct Halves {
    /// First halves at the end of a text, by the place of the text in its event.
    held: HashMap<String, char>,
}

impl Halves {
    /// `data` with what stands for its lone halves, if it has any.
    pub(crate) fn readable(data: &str) -> Option<String> {
        let mut readable = String::new();
        let (mut kept, mut at) = (0, 0);
        while let Some(found) = data[at..].find('\\') {
            let begin = at + found;
            let Some(half) = half(data, begin) else {
                // The character behind a backslash may be one itself.
                at = (begin + 2).min(data.len());
                at = data.ceil_char_boundary(at);
                continue;
            };
            at = begin + 6;
            if half < 0xdc00 && self::half(data, at).is_some_and(|other| other >= 0xdc00) {
                at += 6;
                continue;
            }
            readable.push_str(&data[kept..begin]);
            readable.extend(char::from_u32(PLACE + half - HALVES.start));
            kept = at;
        }
        if kept == 0 {
            return None;
        }
        readable.push_str(&data[kept..]);
        Some(readable)
    }

    /// `true` if the next event has to be mended, whatever is in it.
    pub(crate) fn is_waiting(&self) -> bool {
        !self.held.is_empty()
    }

    /// Forgets the halves that wait at the end of an answer. Returns `true` if there were any.
    pub(crate) fn forget(&mut self) -> bool {
        let is_waiting = self.is_waiting();
        self.held.clear();
        is_waiting
    }

    /// Joins the halves in all texts of an event.
    pub(crate) fn mend(&mut self, event: &mut Value) {
        self.walk(event, &mut String::new());
    }

    fn walk(&mut self, value: &mut Value, place: &mut String) {
        match value {
            Value::String(text) => self.join(text, place),
            Value::Array(items) => items.iter_mut().for_each(|item| self.walk(item, place)),
            Value::Object(members) => self.members(members, place),
            _ => {}
        }
    }

    fn members(&mut self, members: &mut Map<String, Value>, place: &mut String) {
        for (name, member) in members {
            let length = place.len();
            place.push('/');
            place.push_str(name);
            self.walk(member, place);
            place.truncate(length);
        }
    }

    fn join(&mut self, text: &mut String, place: &str) {
        // An empty text is no end of what is waited for.
        if text.is_empty() {
            return;
        }
        let held = self.held.remove(place);
        if held.is_none() && !text.chars().any(|c| placed(c).is_some()) {
            return;
        }
        let mut letters = held.into_iter().chain(text.chars()).peekable();
        let mut joined = String::with_capacity(text.len() + 4);
        while let Some(letter) = letters.next() {
            let Some(half) = placed(letter) else {
                joined.push(letter);
                continue;
            };
            let other = letters.peek().map(|other| placed(*other));
            match other {
                Some(Some(other)) if half < 0xdc00 && other >= 0xdc00 => {
                    letters.next();
                    let letter = 0x1_0000 + ((half - 0xd800) << 10) + (other - 0xdc00);
                    joined.push(char::from_u32(letter).unwrap_or(char::REPLACEMENT_CHARACTER));
                }
                None if half < 0xdc00 => {
                    self.held.insert(place.to_owned(), letter);
                }
                _ => joined.push(char::REPLACEMENT_CHARACTER),
            }
        }
        drop(letters);
        *text = joined;
    }
}

/// The half that stands as an escape at `at`.
fn half(data: &str, at: usize) -> Option<u32> {
    let digits = data.get(at..at + 6)?.strip_prefix("\\u")?;
    let half = u32::from_str_radix(digits, 16).ok()?;
    HALVES.contains(&half).then_some(half)
}

/// The half that `letter` stands for.
fn placed(letter: char) -> Option<u32> {
    let half = u32::from(letter).checked_sub(PLACE)? + HALVES.start;
    HALVES.contains(&half).then_some(half)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(events: &[&str]) -> String {
        let mut halves = Halves::default();
        let texts = events.iter().map(|event| {
            let readable = Halves::readable(event).unwrap_or_else(|| (*event).to_owned());
            let mut value: Value = serde_json::from_str(&readable).unwrap();
            halves.mend(&mut value);
            value["text"].as_str().unwrap().to_owned()
        });
        texts.collect()
    }

    #[test]
    fn halves_are_joined_across_events() {
        assert_eq!(read(&[r#"{"text": "crab \ud83e"}"#, r#"{"text": "\udd80!"}"#]), "crab 🦀!");
        assert_eq!(
            read(&[r#"{"text": "\ud83e"}"#, r#"{"text": ""}"#, r#"{"text": "\udd80"}"#]),
            "🦀"
        );
    }

    #[test]
    fn a_half_alone_is_told_as_such() {
        assert_eq!(read(&[r#"{"text": "a\ud83e"}"#, r#"{"text": "b"}"#]), "a\u{fffd}b");
        assert_eq!(read(&[r#"{"text": "\udd80\ud83eb"}"#]), "\u{fffd}\u{fffd}b");
    }

    #[test]
    fn whole_letters_are_left_alone() {
        assert_eq!(Halves::readable(r#"{"text": "\ud83e\udd80 \\ud83e ü\u00fc"}"#), None);
        assert_eq!(Halves::readable("\\"), None);
        assert_eq!(Halves::readable("\\ü"), None);
    }
}
