//! The arguments of a call, while they come in fragments.

use serde_json::Value;
use stepwright_core::json::{self, DEPTH_MAX, JsonError, ValueCounter};

/// The longest arguments that are handed on although they are not JSON, in bytes, so that the model
/// can be told. The library that reads the wires looks for what can be saved of them, in time and
/// memory that grow with each bracket.
const BROKEN_BYTES_MAX: usize = 64 * 1024;

/// The largest number of values in the arguments of a call. Several trees of them exist at a time
/// between the wire and the tool, and a tree takes up to 350 bytes for each value.
pub(super) const ARGUMENTS_VALUES_MAX: usize = 100_000;

/// The longest white space at either end of the arguments so far that is handed on, in bytes. The
/// library looks through it again with each fragment.
const SPACE_BYTES: usize = 256;

/// Checks the number of values in arguments that came as JSON within an event.
pub(super) fn check_values(arguments: &Value) -> Result<(), String> {
    fn count(value: &Value) -> usize {
        match value {
            Value::Array(items) => 1 + items.iter().map(count).sum::<usize>(),
            Value::Object(members) => 1 + members.values().map(count).sum::<usize>(),
            _ => 1,
        }
    }
    if count(arguments) > ARGUMENTS_VALUES_MAX { Err(too_many()) } else { Ok(()) }
}

/// Returns a key that one object in `json` has twice. A parser takes the last of them and does not
/// tell, so that a reader before it may have seen another value.
pub(super) fn twice(json: &str) -> Option<String> {
    match json::check_names(json.as_bytes()) {
        Err(JsonError::Twice { name, .. }) => Some(name),
        _ => None,
    }
}

pub(super) fn repeated(key: &str) -> String {
    format!("the arguments of a call have the key `{key}` twice")
}

fn too_many() -> String {
    format!("the arguments of a call have more than {ARGUMENTS_VALUES_MAX} values")
}

/// Arguments that have come so far.
#[derive(Debug, Default)]
pub(super) struct ArgumentsScan {
    text: String,
    /// The last letter that is no white space.
    last: Option<char>,
    /// The length of the white space at the end of what was handed on, in bytes, or at its
    /// beginning while there is nothing else.
    space: usize,
    /// White space that is not handed on yet.
    waiting: String,
    depth: usize,
    in_string: bool,
    escaped: bool,
    values: ValueCounter,
}

impl ArgumentsScan {
    /// Reads on. Every byte is looked at once.
    pub(super) fn push(&mut self, fragment: &str) -> Result<(), String> {
        for byte in fragment.bytes() {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' if self.in_string => self.escaped = true,
                b'"' => self.in_string = !self.in_string,
                _ if self.in_string => {}
                b'[' | b'{' => self.depth += 1,
                b']' | b'}' => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
            if self.depth > DEPTH_MAX {
                return Err(format!("the arguments of a call are nested deeper than {DEPTH_MAX}"));
            }
        }
        self.values.push(fragment.as_bytes());
        if self.values.values() > ARGUMENTS_VALUES_MAX {
            return Err(too_many());
        }
        self.text.push_str(fragment);
        self.last = fragment.trim_end().chars().next_back().or(self.last);
        Ok(())
    }

    /// Reads on as [`ArgumentsScan::push`] does, and returns the part of `fragment` that the
    /// library may read, with what waited before it. Long white space waits for what follows it. At
    /// the beginning and at the end it means nothing, and is left out.
    pub(super) fn hand_on(&mut self, fragment: &str) -> Result<String, String> {
        let is_begun = !self.is_blank();
        self.push(fragment)?;
        let body = fragment.trim();
        let mut given = String::new();
        let (before, after) = if body.is_empty() {
            ("", fragment)
        } else {
            let begin = fragment.len() - fragment.trim_start().len();
            (&fragment[..begin], &fragment[begin + body.len()..])
        };
        if !body.is_empty() {
            if is_begun {
                given.push_str(&std::mem::take(&mut self.waiting));
                given.push_str(before);
            } else {
                self.waiting.clear();
                let room = SPACE_BYTES.saturating_sub(self.space);
                given.push_str(&before[..before.floor_char_boundary(room)]);
            }
            given.push_str(body);
            self.space = 0;
        }
        let room = SPACE_BYTES.saturating_sub(self.space);
        let (now, later) = after.split_at(after.floor_char_boundary(room));
        if self.waiting.is_empty() {
            given.push_str(now);
            self.space += now.len();
            self.waiting.push_str(later);
        } else {
            self.waiting.push_str(after);
        }
        Ok(given)
    }

    /// `true` if they are what a whole object looks like.
    pub(super) fn is_closed(&self) -> bool {
        self.depth == 0 && !self.in_string && matches!(self.last, Some('}' | ']'))
    }

    pub(super) fn is_blank(&self) -> bool {
        self.last.is_none()
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    /// `true` if a call can be made with them.
    pub(super) fn is_whole(&self) -> bool {
        self.is_blank() || (self.is_closed() && json::parse_frame(&self.text).is_ok())
    }

    /// Looks at them when the call is complete.
    pub(super) fn end(&self) -> Result<(), String> {
        if let Some(key) = twice(&self.text) {
            return Err(repeated(&key));
        }
        if self.len() <= BROKEN_BYTES_MAX || self.is_whole() {
            return Ok(());
        }
        Err(format!("{} bytes of arguments of a call are not JSON", self.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn depth_is_counted_across_fragments() {
        let mut scan = ArgumentsScan::default();
        for _ in 0..DEPTH_MAX {
            scan.push("[").unwrap();
        }
        assert!(scan.push("\"").is_ok());
        assert!(scan.push("[[").is_ok());
        assert!(scan.push("\"[").is_err());
    }

    #[test]
    fn values_are_counted_across_fragments() {
        let mut scan = ArgumentsScan::default();
        scan.push("[").unwrap();
        for _ in 0..ARGUMENTS_VALUES_MAX - 1 {
            scan.push("[],").unwrap();
        }
        assert!(scan.push("[]]").is_err());
        let list = |count| Value::Array(vec![Value::Null; count]);
        assert!(check_values(&list(ARGUMENTS_VALUES_MAX - 1)).is_ok());
        assert!(check_values(&list(ARGUMENTS_VALUES_MAX)).is_err());
    }

    /// The library trims what it has with each fragment. The bytes that it looks at are counted.
    #[test]
    fn trimming_the_arguments_with_each_fragment_stays_linear() {
        const COUNT: usize = 20_000;
        let looked_at =
            |text: &str| 2 * text.len() - text.trim_start().len() - text.trim_end().len();
        for (begin, end) in [("", "{}"), ("{\"a\": \"", "b\"}"), ("{", "}"), ("{}", ""), ("", "")] {
            let (mut scan, mut given, mut work) = (ArgumentsScan::default(), String::new(), 0);
            let spaces = std::iter::repeat_n(" ", COUNT);
            for fragment in std::iter::once(begin).chain(spaces).chain([end]) {
                given.push_str(&scan.hand_on(fragment).unwrap());
                work += looked_at(&given);
            }
            assert!(work <= 2 * SPACE_BYTES * (COUNT + 2), "{begin:?}: {work}");
            assert_eq!(scan.text(), format!("{begin}{}{end}", " ".repeat(COUNT)));
            if !begin.is_empty() && !end.is_empty() {
                assert_eq!(given, scan.text(), "{begin:?}");
            }
            assert_eq!(given.trim(), scan.text().trim(), "{begin:?}");
        }
    }

    #[test]
    fn white_space_is_handed_on_wherever_fragments_are_cut() {
        let text = format!("\n{{\"a\":{}[1, \u{a0}2]{}}} ", " ".repeat(700), "\t".repeat(300));
        for size in [1, 2, 7, 256, 300, 5_000] {
            let (mut scan, mut given) = (ArgumentsScan::default(), String::new());
            let letters: Vec<char> = text.chars().collect();
            for fragment in letters.chunks(size) {
                given.push_str(&scan.hand_on(&fragment.iter().collect::<String>()).unwrap());
            }
            assert_eq!(given, text, "in {size} letters");
        }
    }

    #[test]
    fn a_key_that_comes_twice_is_found_at_any_depth() {
        for json in [r#"{"a":1,"a":1}"#, r#"[{"b":{"a":1,"c":[],"\u0061":2}}]"#, r#"{"a":1,"a":2"#]
        {
            assert_eq!(twice(json).as_deref(), Some("a"), "{json}");
        }
        for json in [r#"{"a":{"a":1},"b":[{"a":1},{"a":1}]}"#, "", "{\"a\"", r#"{"a":"a\",\"a"}"#] {
            assert_eq!(twice(json), None, "{json}");
        }
    }

    #[test]
    fn arguments_that_are_broken_and_long_are_an_error() {
        let mut scan = ArgumentsScan::default();
        scan.push("{\"a\": ").unwrap();
        assert!(!scan.is_closed() && scan.end().is_ok());
        scan.push(&"1,".repeat(BROKEN_BYTES_MAX)).unwrap();
        assert!(scan.end().is_err());
        let mut long = ArgumentsScan::default();
        long.push(&format!("{{\"a\": \"{}\"}}", "x".repeat(BROKEN_BYTES_MAX))).unwrap();
        assert!(long.is_closed() && long.end().is_ok());
    }
}
