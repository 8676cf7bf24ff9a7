//! The arguments of a call, while they come in fragments.

use serde_json::Value;
use stepwright_core::json::{self, DEPTH_MAX, ValueCounter};

/// The longest arguments that are handed on although they are not JSON, in bytes, so that the model
/// can be told. The library that reads the wires looks for what can be saved of them, in time and
/// memory that grow with each bracket.
const BROKEN_BYTES_MAX: usize = 64 * 1024;

/// The largest number of values in the arguments of a call. Several trees of them exist at a time
/// between the wire and the tool, and a tree takes up to 350 bytes for each value.
pub(super) const ARGUMENTS_VALUES_MAX: usize = 100_000;

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

fn too_many() -> String {
    format!("the arguments of a call have more than {ARGUMENTS_VALUES_MAX} values")
}

/// Arguments that have come so far.
#[derive(Debug, Default)]
pub(super) struct ArgumentsScan {
    text: String,
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
        Ok(())
    }

    /// `true` if they are what a whole object looks like.
    pub(super) fn is_closed(&self) -> bool {
        self.depth == 0 && !self.in_string && self.text.trim_end().ends_with(['}', ']'])
    }

    pub(super) fn is_blank(&self) -> bool {
        self.text.trim().is_empty()
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    /// `true` if a call can be made with them.
    pub(super) fn is_whole(&self) -> bool {
        self.is_blank() || (self.is_closed() && json::parse(&self.text).is_ok())
    }

    /// Looks at them when the call is complete.
    pub(super) fn end(&self) -> Result<(), String> {
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
