//! The functions that expressions and templates have in common: `f(x)` and `x.f()` in an
//! expression, `x | f` in a template.
//!
//! Each gets and gives JSON values. The callers charge for what it reads and builds; a function
//! that could build much more than it reads stops at [`RESULT_BYTES_MAX`].

mod csv;
mod dates;
mod html;
mod texts;

use serde_json::Value;

pub(crate) use dates::{moment, zone};
pub(crate) use texts::percent;

/// The maximum length of the result of a function, in bytes.
pub(crate) const RESULT_BYTES_MAX: usize = 20_000_000;

/// The result of a function, or the reason why there is none.
pub(crate) type Given = Result<Value, String>;

/// A function.
pub(crate) struct Function {
    pub(crate) name: &'static str,
    /// The least and the largest number of arguments.
    args: (usize, usize),
    call: fn(&[Value]) -> Given,
    /// A first argument that the function takes, so that the others can be tried before a run.
    sample: Option<&'static str>,
}

const MOMENT: Option<&str> = Some("2026-01-01T00:00:00Z");

/// All functions.
pub(crate) static FUNCTIONS: [Function; 16] = [
    Function { name: "from_json", args: (1, 1), call: texts::from_json, sample: None },
    Function { name: "to_json", args: (1, 1), call: texts::to_json, sample: None },
    Function { name: "from_yaml", args: (1, 1), call: texts::from_yaml, sample: None },
    Function { name: "to_yaml", args: (1, 1), call: texts::to_yaml, sample: None },
    Function { name: "from_csv", args: (1, 2), call: csv::from_csv, sample: None },
    Function { name: "to_csv", args: (1, 2), call: csv::to_csv, sample: None },
    Function { name: "urlencode", args: (1, 1), call: texts::urlencode, sample: None },
    Function { name: "striptags", args: (1, 1), call: html::striptags, sample: None },
    Function { name: "html_to_text", args: (1, 1), call: html::html_to_text, sample: None },
    Function { name: "truncate", args: (2, 3), call: texts::truncate, sample: Some("a") },
    Function { name: "regex_replace", args: (3, 3), call: texts::regex_replace, sample: Some("a") },
    Function { name: "sum", args: (1, 1), call: texts::sum, sample: None },
    Function { name: "date_add", args: (2, 3), call: dates::date_add, sample: MOMENT },
    Function { name: "date_diff", args: (2, 2), call: dates::date_diff, sample: None },
    Function { name: "date_format", args: (2, 3), call: dates::date_format, sample: MOMENT },
    Function { name: "date_parse", args: (1, 3), call: dates::date_parse, sample: None },
];

/// Returns the function of this name.
pub(crate) fn named(name: &str) -> Option<&'static Function> {
    FUNCTIONS.iter().find(|function| function.name == name)
}

impl Function {
    /// Returns the operations that a call takes.
    pub(crate) fn cost(&self, args: &[Value]) -> usize {
        let read = args.iter().map(bytes).sum::<usize>() / 16 + 1;
        match args {
            [_, Value::String(pattern), ..] if self.name == "regex_replace" => {
                read.saturating_add(texts::regex_cost(pattern))
            }
            _ => read,
        }
    }

    /// Returns why the function refuses the arguments after the first, if it does so whatever the
    /// first is.
    pub(crate) fn refuses(&self, others: &[Value]) -> Option<String> {
        let first = self.sample?;
        let args: Vec<Value> =
            std::iter::once(first.into()).chain(others.iter().cloned()).collect();
        self.call(&args).err()
    }

    /// Calls the function.
    pub(crate) fn call(&self, args: &[Value]) -> Given {
        let (least, most) = self.args;
        if !(least..=most).contains(&args.len()) {
            let wanted =
                if least == most { least.to_string() } else { format!("{least} to {most}") };
            let name = self.name;
            return Err(format!("`{name}` takes {wanted} values, and was given {}", args.len()));
        }
        (self.call)(args).map_err(|why| format!("`{}`: {why}", self.name))
    }
}

/// Returns the approximate length of a value, in bytes.
pub(crate) fn bytes(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len() + 8,
        Value::Array(list) => list.iter().map(bytes).sum::<usize>() + 8,
        Value::Object(members) => {
            members.iter().map(|(name, one)| name.len() + bytes(one)).sum::<usize>() + 8
        }
        _ => 8,
    }
}

/// Returns a text argument.
fn text(value: &Value) -> Result<&str, String> {
    value.as_str().ok_or_else(|| format!("needs a text, not {}", what(value)))
}

fn what(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests;
