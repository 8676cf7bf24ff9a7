//! Writes and reads values as YAML that people can read: long texts as blocks, in a stable order.

use serde_json::Value;
use std::fmt::Write as _;

/// The longest text that is written without quotes, in bytes.
const PLAIN_BYTES_MAX: usize = 100;

/// Returns the value as YAML. If the text would be read as another value, returns it as JSON.
pub(crate) fn write(value: &Value, about: &str) -> String {
    let mut text = String::new();
    for line in about.lines() {
        let _ = writeln!(text, "# {line}");
    }
    node(value, 0, &mut text);
    let text = text.trim_start_matches('\n').to_owned();
    match read(&text) {
        Ok(same) if same == *value => text,
        _ => format!("{value:#}\n"),
    }
}

/// Reads a value from YAML or JSON.
pub(crate) fn read(text: &str) -> Result<Value, String> {
    if text.trim_start().starts_with('{') {
        return stepwright_core::json::parse(text).map_err(|error| error.to_string());
    }
    serde_saphyr::from_str(text).map_err(|error| {
        let text = error.to_string();
        text.lines().next().unwrap_or_default().to_owned()
    })
}

/// Writes a value after its key or dash.
fn node(value: &Value, indent: usize, text: &mut String) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            text.push('\n');
            fields(members, indent, text);
        }
        Value::Array(items) if !items.is_empty() => {
            text.push('\n');
            for item in items {
                let _ = write!(text, "{:indent$}-", "");
                match item {
                    Value::Object(members) if !members.is_empty() => {
                        let at = text.len();
                        fields(members, indent + 2, text);
                        // The first member stands beside the dash.
                        text.replace_range(at..at + indent + 2, " ");
                    }
                    item => node(item, indent + 2, text),
                }
            }
        }
        Value::String(said) if is_block(said) => {
            let kept = if said.ends_with('\n') { "|" } else { "|-" };
            let _ = writeln!(text, " {kept}");
            for line in said.strip_suffix('\n').unwrap_or(said).split('\n') {
                if line.is_empty() {
                    text.push('\n');
                } else {
                    let _ = writeln!(text, "{:indent$}{line}", "");
                }
            }
        }
        value => {
            let _ = writeln!(text, " {}", scalar(value));
        }
    }
}

fn fields(members: &serde_json::Map<String, Value>, indent: usize, text: &mut String) {
    for (name, value) in members {
        let _ = write!(text, "{:indent$}{}:", "", scalar(&Value::String(name.clone())));
        node(value, indent + 2, text);
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) if is_plain(text) => text.clone(),
        Value::String(text) => quoted(text),
        Value::Object(_) => "{}".to_owned(),
        Value::Array(_) => "[]".to_owned(),
        value => value.to_string(),
    }
}

/// Returns `true` if a text can be a block: no character of it would get lost.
fn is_block(text: &str) -> bool {
    let body = text.strip_suffix('\n').unwrap_or(text);
    let is_safe = |line: &str| {
        !line.ends_with([' ', '\t']) && line.chars().all(|c| c == '\t' || !is_special(c))
    };
    body.contains('\n')
        && !body.starts_with([' ', '\t', '\n'])
        && !body.ends_with('\n')
        && body.split('\n').all(is_safe)
}

/// Returns `true` if a text needs no quotes.
fn is_plain(text: &str) -> bool {
    let is_word = |c: char| c.is_alphanumeric() || " _-./()+".contains(c);
    let reserved = ["null", "true", "false", "yes", "no", "on", "off", "y", "n", "nan", "inf"];
    text.len() <= PLAIN_BYTES_MAX
        && text.starts_with(char::is_alphabetic)
        && !text.ends_with(' ')
        && text.chars().all(is_word)
        && !reserved.contains(&&*text.to_lowercase())
}

/// Returns a text in double quotes, as JSON and YAML have them.
fn quoted(text: &str) -> String {
    let json = Value::from(text).to_string();
    let mut safe = String::with_capacity(json.len());
    for c in json.chars() {
        if is_special(c) {
            let _ = write!(safe, "\\u{:04x}", u32::from(c));
        } else {
            safe.push(c);
        }
    }
    safe
}

/// Returns `true` for characters that YAML does not have as they are, or treats as line breaks.
fn is_special(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_value_is_read_as_it_was_written() {
        let texts = [
            "",
            " ",
            "a",
            "yes",
            "null",
            "1",
            "1e3",
            "a: b",
            "- a",
            "# no",
            "a #b",
            "a\nb",
            "a\nb\n",
            "a\n\nb\n\n",
            "\na",
            " a\nb",
            "a \nb",
            "a\tb\nc",
            "a\r\nb",
            "\u{1}",
            "\u{2028}",
            "\u{85}",
            "🙂",
            "\"",
            "\\",
            "{{ x }}",
            "*a",
            "&a",
            "!a",
            "|",
            ">",
            "%",
            "@",
            "`",
            "2026-11-29",
            "~",
            "a\n  b\n c",
            "# a\n\n- b\n",
            "---\na",
            "a\n---\nb",
            "\u{feff}a",
            "0x1",
            "0o7",
            "1_000",
            ".inf",
            "é\nü",
        ];
        for text in texts {
            for value in [json!(text), json!({"a": text}), json!([text, [text], {"b": text}])] {
                let written = write(&json!({"top": value}), "a comment");
                assert_eq!(read(&written).unwrap(), json!({"top": value}), "{written}");
                assert!(written.starts_with('#'), "{text:?} was written as JSON: {written}");
            }
            let named = json!({text: 1});
            assert_eq!(read(&write(&named, "")).unwrap(), named);
        }
        let numbers = json!({"n": [0, -1, 1.5, 1e300, u64::MAX, i64::MIN, true, null, {}, []]});
        assert_eq!(read(&write(&numbers, "")).unwrap(), numbers);
    }

    #[test]
    fn a_long_text_is_a_block() {
        let written = write(&json!({"prompt": "Write.\n\nBriefly."}), "");
        assert_eq!(written, "prompt: |-\n  Write.\n\n  Briefly.\n");
    }
}
