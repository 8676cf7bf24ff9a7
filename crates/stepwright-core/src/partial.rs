//! JSON that is still being written.

use crate::event::{Event, EventKind};
use crate::path::StepPath;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The deepest nesting that is read of a text that is not complete.
const DEPTH_MAX: usize = 100;

/// Reads the value at the beginning of a JSON text that is not complete. A text that has begun is
/// there as far as it goes; a number, `true`, `false` and `null` are there when they have ended; a
/// member is there when its value is. `None` if there is no value yet.
///
/// ```
/// use serde_json::json;
/// use stepwright_core::partial::partial;
/// let text = r#"{"name": "Bergen", "people": 2900"#;
/// assert_eq!(partial(text), Some(json!({"name": "Bergen"})));
/// assert_eq!(partial(r#"[{"title": "Ants ar"#), Some(json!([{"title": "Ants ar"}])));
/// assert_eq!(partial("Here it is:"), None);
/// ```
pub fn partial(text: &str) -> Option<Value> {
    let text = text.trim_start();
    // A sentence or a fence may stand before the value.
    let from = if text.starts_with('"') { 0 } else { text.find(['{', '['])? };
    Reader { rest: &text[from..], is_cut: false }.value(0)
}

struct Reader<'t> {
    rest: &'t str,
    /// `true` if the text ended within the value.
    is_cut: bool,
}

impl Reader<'_> {
    fn peek(&mut self) -> Option<char> {
        self.rest = self.rest.trim_start();
        let next = self.rest.chars().next();
        self.is_cut |= next.is_none();
        next
    }

    /// Takes this character.
    fn take(&mut self, expected: char) -> bool {
        if self.peek() != Some(expected) {
            return false;
        }
        self.rest = &self.rest[expected.len_utf8()..];
        true
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        if depth > DEPTH_MAX {
            self.is_cut = true;
            return None;
        }
        match self.peek()? {
            '{' => Some(self.object(depth)),
            '[' => Some(self.list(depth)),
            '"' => self.text().map(Value::String),
            _ => self.word(),
        }
    }

    fn object(&mut self, depth: usize) -> Value {
        let mut members = Map::new();
        self.take('{');
        while !self.is_cut && !self.take('}') {
            let name = match self.peek() {
                Some('"') => self.text(),
                _ => None,
            };
            // A name that is not complete may become another one.
            let Some(name) = name.filter(|_| !self.is_cut) else { break };
            if !self.take(':') {
                break;
            }
            let Some(value) = self.value(depth + 1) else { break };
            members.insert(name, value);
            if !self.is_cut && !self.take(',') && self.peek() != Some('}') {
                break;
            }
        }
        members.into()
    }

    fn list(&mut self, depth: usize) -> Value {
        let mut items = Vec::new();
        self.take('[');
        while !self.is_cut && !self.take(']') {
            let Some(value) = self.value(depth + 1) else { break };
            items.push(value);
            if !self.is_cut && !self.take(',') && self.peek() != Some(']') {
                break;
            }
        }
        items.into()
    }

    fn text(&mut self) -> Option<String> {
        let inside = &self.rest[1..];
        let mut is_escaped = false;
        let end = inside.find(|c| {
            let ends = c == '"' && !is_escaped;
            is_escaped = c == '\\' && !is_escaped;
            ends
        });
        let (mut raw, rest) = match end {
            Some(end) => (&inside[..end], &inside[end + 1..]),
            None => (inside, ""),
        };
        self.is_cut |= end.is_none();
        self.rest = rest;
        // Of a pair of surrogates, the last two escapes may be cut.
        for _ in 0..3 {
            if let Ok(text) = serde_json::from_str(&format!("\"{raw}\"")) {
                return Some(text);
            }
            if end.is_some() {
                break;
            }
            raw = &raw[..raw.rfind('\\')?];
        }
        self.is_cut = true;
        None
    }

    /// Reads a number, `true`, `false` or `null`, which has ended if something follows it.
    fn word(&mut self) -> Option<Value> {
        let belongs = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
        let end = self.rest.find(|c| !belongs(c));
        let value = end.and_then(|end| serde_json::from_str(&self.rest[..end]).ok());
        if let (Some(end), Some(value)) = (end, value) {
            self.rest = &self.rest[end..];
            Some(value)
        } else {
            self.is_cut = true;
            None
        }
    }
}

/// Reads the structured outputs of agents from the events of a run, while they are written. It
/// needs all events of the run: `stream_events(true)`.
///
/// An output that is not an object stands in the member `value` of one, as models write it.
///
/// ```
/// use serde_json::json;
/// use stepwright_core::partial::PartialOutputs;
/// use stepwright_core::{Event, EventKind, RunId, Timestamp};
/// let mut outputs = PartialOutputs::new();
/// # let event = |content: &str| Event {
/// #     sequence: 1, delta: 1, time: Timestamp(0), run: RunId::new("r").unwrap(),
/// #     path: "describe".into(), kind: EventKind::RunContent { content: content.into() },
/// # };
/// # let (one, other) = (event(r#"{"name": "Ber"#), event(r#"gen", "#));
/// assert_eq!(outputs.read(&one), Some(json!({"name": "Ber"})));
/// assert_eq!(outputs.read(&other), Some(json!({"name": "Bergen"})));
/// ```
#[derive(Clone, Debug, Default)]
pub struct PartialOutputs(BTreeMap<StepPath, Writing>);

#[derive(Clone, Debug, Default)]
struct Writing {
    text: String,
    value: Option<Value>,
}

impl PartialOutputs {
    /// Creates a reader that has seen no event.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads an event. Returns the output of its agent as far as it is written, if the event has
    /// changed it.
    pub fn read(&mut self, event: &Event) -> Option<Value> {
        match &event.kind {
            EventKind::RunContent { content } => {
                let writing = self.0.entry(event.path.clone()).or_default();
                writing.text.push_str(content);
                let value = partial(&writing.text)?;
                if writing.value.as_ref() == Some(&value) {
                    return None;
                }
                writing.value = Some(value.clone());
                Some(value)
            }
            // Each answer begins anew: an answer that did not match is written again.
            EventKind::ModelRequestStarted { .. }
            | EventKind::ModelRequestRetrying { .. }
            | EventKind::RunCompleted { .. } => {
                self.0.remove(&event.path);
                None
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_prefix_of_a_value_gives_a_part_of_it_and_the_whole_gives_the_whole() {
        let whole = json!({
            "name": "B\"e\\rgen 🦀\n", "list": [1, -2.5e3, true, null, {"a": []}, "x"],
            "deep": {"b": {"c": "d"}}, "": "",
        });
        for text in [whole.to_string(), format!("{whole:#}"), r#"{"a": "\ud83e\udd80!"}"#.into()] {
            for (end, _) in text.char_indices() {
                let Some(part) = partial(&text[..end]) else { continue };
                assert!(is_part(&part, &serde_json::from_str(&text).unwrap()), "{}", &text[..end]);
            }
            assert_eq!(partial(&text).unwrap(), serde_json::from_str::<Value>(&text).unwrap());
        }
        assert_eq!(partial(&"[".repeat(5000)).map(|value| value.is_array()), Some(true));
        for text in ["", "{\"a", "x", "\"", "{]", "[,"] {
            let empty = partial(text)
                .is_none_or(|value| value == json!({}) || value == json!([]) || value == json!(""));
            assert!(empty, "{text}");
        }
    }

    fn is_part(part: &Value, whole: &Value) -> bool {
        match (part, whole) {
            (Value::String(part), Value::String(whole)) => whole.starts_with(part.as_str()),
            (Value::Array(part), Value::Array(whole)) => {
                part.len() <= whole.len() && part.iter().zip(whole).all(|(a, b)| is_part(a, b))
            }
            (Value::Object(part), Value::Object(whole)) => {
                part.iter().all(|(name, a)| whole.get(name).is_some_and(|b| is_part(a, b)))
            }
            (part, whole) => part == whole,
        }
    }
}
