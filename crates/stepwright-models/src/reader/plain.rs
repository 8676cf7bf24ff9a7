//! Pieces of text and nothing else: nearly all events of an answer.
//!
//! The library that reads the wires parses each event into a tree, which costs more than everything
//! else that is done with a token. So it gets only the first piece of a text, with a token in place
//! of the text, and the pieces behind it add to that text: see [`long`](crate::long).

use super::{Dialect, Reader};
use crate::long::MARK;
use crate::shape::{PlainPlace, PlainText, plain_text};
use serde_json::Value;

impl Reader {
    /// Reads an event that is a piece of text and nothing else: what is right is seen at a fraction
    /// of the price of looking at everything. Returns whether it did no more than let a text grow,
    /// and `None` if the event is to be looked at.
    pub(super) fn plain(&mut self, data: &str, out: &mut Vec<u8>) -> Option<bool> {
        if self.failure.is_some() || self.halves.is_waiting() {
            return None;
        }
        let PlainText { text, place } = plain_text(self.wire, data)?;
        if text.contains(MARK) {
            return None;
        }
        match place {
            PlainPlace::Form(form) if self.cutter.grow(&text, form) => {
                self.say(&text);
                return Some(true);
            }
            // The library treats a blank text in its own way, and what comes behind the end of an
            // answer waits until the answer is over.
            PlainPlace::Form(form) if !text.trim().is_empty() && !self.is_finished => {
                let mut event: Value = serde_json::from_str(data).ok()?;
                *text_of(&mut event)? = self.cutter.begin(&text, form).into();
                self.emit(&event.to_string(), out);
                self.has_begun = true;
            }
            _ if self.cutter.is_long() => return None,
            PlainPlace::Form(_) => {
                self.cutter.pass(&text);
                self.emit(data, out);
            }
            PlainPlace::Item { item, part } => {
                let streamed = self.cutter.streamed();
                streamed.piece(item, part, &text);
                streamed.give(item, part, &text);
                self.cutter.pass(&text);
                self.emit(data, out);
            }
        }
        self.say(&text);
        Some(false)
    }

    /// Takes notice of a piece of text.
    fn say(&mut self, text: &str) {
        if let Dialect::Chat(chat) = &mut self.dialect {
            chat.say(text);
        }
    }
}

/// The text of an event that is a piece of text and nothing else.
fn text_of(event: &mut Value) -> Option<&mut Value> {
    let is_chat = event.get("choices").is_some();
    event.pointer_mut(if is_chat { "/choices/0/delta/content" } else { "/delta/text" })
}

#[cfg(test)]
mod tests {
    use super::super::Read;
    use super::*;
    use crate::catalogue::Wire;
    use crate::failure::Speaker;
    use serde_json::json;
    use std::sync::Arc;

    /// Reads these events, and returns what the library gets of each.
    fn handed_on(wire: Wire, events: &[&str]) -> Vec<String> {
        let (provider, model) = ("p", "m".to_owned());
        let speaker = Speaker { provider, model, key_variables: &[], key: None };
        let mut reader = Reader::new(wire, Arc::new(speaker), Arc::default());
        let read = |event: &&str| {
            reader.push(format!("data: {event}\n\n").as_bytes());
            let mut out = Vec::new();
            let grown = reader.read(&mut out).unwrap() == Read::Grown;
            if grown { "grown".to_owned() } else { String::from_utf8(out).unwrap() }
        };
        events.iter().map(read).collect()
    }

    fn chat(id: &str, delta: &str) -> String {
        format!(r#"{{"id":"{id}","choices":[{{"index":0,"delta":{delta},"finish_reason":null}}]}}"#)
    }

    #[test]
    fn the_library_gets_the_first_piece_of_a_text() {
        let events = [
            chat("a", r#"{"content":"one "}"#),
            chat("a", r#"{"content":"t\u0077o "}"#),
            chat("a", r#"{"content":" "}"#),
            // Another member: the library may learn something from it.
            chat("b", r#"{"content":"three "}"#),
            chat("b", r#"{"reasoning_content":"so"}"#),
            chat("b", r#"{"content":"four"}"#),
            // What looks like a token is a text.
            chat("b", r#"{"content":"\udbff\udffd0\udbff\udffd"}"#),
        ];
        let events: Vec<&str> = events.iter().map(String::as_str).collect();
        let handed_on = handed_on(Wire::OpenAiChat, &events);
        let token = |number: usize| crate::long::token(number);
        for (at, begins) in [(0, 0), (3, 1), (5, 2)] {
            assert!(handed_on[at].contains(&token(begins)), "{}", handed_on[at]);
        }
        assert_eq!([&*handed_on[1], &*handed_on[2]], ["grown", "grown"]);
        assert!(handed_on[4].contains("so"), "{}", handed_on[4]);
        assert!(handed_on[6].contains(&token(3)), "{}", handed_on[6]);
    }

    #[test]
    fn a_block_of_claude_grows_alone() {
        let delta = |index: u64, text: &str| {
            let delta = json!({"type": "text_delta", "text": text});
            json!({"type": "content_block_delta", "index": index, "delta": delta}).to_string()
        };
        let events = [delta(0, "a"), delta(0, "b"), delta(1, "c")];
        let events: Vec<&str> = events.iter().map(String::as_str).collect();
        let handed_on = handed_on(Wire::Anthropic, &events);
        assert_eq!(handed_on[1], "grown");
        assert!(handed_on[0].contains(&crate::long::token(0)), "{}", handed_on[0]);
        assert!(handed_on[2].contains(&crate::long::token(1)), "{}", handed_on[2]);
    }
}
