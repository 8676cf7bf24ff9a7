//! The failures of expressions, in terms of their author.

use super::value::Val;
use crate::budget::Spent;

/// The maximum number of characters of a text in a failure.
const EXCERPT_CHARS_MAX: usize = 80;

/// The reason that an expression has no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// A limit was reached, which no `||` can ignore.
    Spent(Spent),
    /// The message after "the expression `…`".
    Said(String),
}

impl From<Spent> for Failure {
    fn from(spent: Spent) -> Self {
        Self::Spent(spent)
    }
}

pub(super) type Evaluated<'a> = Result<Val<'a>, Failure>;

pub(super) fn fails<T>(why: impl std::fmt::Display) -> Result<T, Failure> {
    Err(Failure::Said(format!("fails: {why}")))
}

pub(super) fn no_member<T>(name: &str) -> Result<T, Failure> {
    Err(Failure::Said(format!("asks for `{}`, which is not there", excerpt(name))))
}

/// Fails because an operator or a function does not support these types.
pub(super) fn unsupported<T>(function: &str, on: &[&Val<'_>]) -> Result<T, Failure> {
    let operation = operation(function);
    if on.is_empty() {
        return Err(Failure::Said(format!("uses {operation} without a value")));
    }
    let types: Vec<&str> = on.iter().map(|value| type_word(value.type_name())).collect();
    if operation == "`%`" && types.iter().all(|word| *word == "a number") {
        let words = "uses `%` on numbers with a fraction: it gives the remainder of integers";
        return Err(Failure::Said(words.to_owned()));
    }
    Err(Failure::Said(format!("uses {operation} on {}", types.join(" and "))))
}

pub(super) fn overflow<T>(calculation: impl std::fmt::Display) -> Result<T, Failure> {
    fails(format_args!("overflow: `{calculation}` is beyond 64 bits"))
}

pub(super) fn type_word(name: &str) -> &str {
    match name {
        "null_type" | "null" => "nothing",
        "bool" => "true or false",
        "int" | "uint" | "double" | "float" => "a number",
        "string" => "a text",
        "list" => "a list",
        "map" => "an object",
        "optional_type" => "an optional value",
        "type" => "a type",
        other => other,
    }
}

/// Returns the beginning of a text of any length.
pub(super) fn excerpt(text: &str) -> std::borrow::Cow<'_, str> {
    match text.char_indices().nth(EXCERPT_CHARS_MAX) {
        Some((cut, _)) => format!("{}…", &text[..cut]).into(),
        None => text.into(),
    }
}

fn operation(function: &str) -> String {
    match function.trim_matches(['_', '@']) {
        "[]" | "[_]" | "[?_]" | "?." => "an index".into(),
        "." => "a member".into(),
        "-unary" => "`-`".into(),
        "max" => "`math.greatest`".into(),
        "min" => "`math.least`".into(),
        "math.@max" => "`math.greatest`".into(),
        "math.@min" => "`math.least`".into(),
        operator => format!("`{operator}`"),
    }
}
