//! How values become text.

use super::Flavour;
use minijinja::value::{Value, ValueKind};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Output, State, UndefinedBehavior};
use std::sync::LazyLock;

/// How many operations a template may take: enough for any prompt, and an end for a loop in a loop.
pub(super) const FUEL_MAX: u64 = 10_000_000;

/// The filters that are worth suggesting.
pub(super) const FILTERS: [&str; 34] = [
    "abs",
    "attr",
    "batch",
    "bool",
    "capitalize",
    "default",
    "dictsort",
    "first",
    "float",
    "format",
    "groupby",
    "indent",
    "int",
    "items",
    "join",
    "last",
    "length",
    "lines",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "reject",
    "replace",
    "reverse",
    "round",
    "select",
    "slice",
    "sort",
    "split",
    "tojson",
    "trim",
    "upper",
];

/// The tests that are worth suggesting.
pub(super) const TESTS: [&str; 14] = [
    "defined",
    "undefined",
    "none",
    "string",
    "number",
    "sequence",
    "mapping",
    "iterable",
    "true",
    "false",
    "startingwith",
    "endingwith",
    "in",
    "containing",
];

static PLAIN: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut env = common();
    env.set_formatter(|out, state, value| write_plain(out, state, value));
    env
});

static SHELL: LazyLock<Environment<'static>> = LazyLock::new(|| {
    let mut env = common();
    env.set_formatter(|out, state, value| {
        let text = text_of(state, value)?;
        // Whatever is in it: a quote ends the word, stands for itself, and begins the next.
        write!(out, "'{}'", text.replace('\'', r"'\''")).map_err(Error::from)
    });
    env
});

fn common() -> Environment<'static> {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_auto_escape_callback(|_| AutoEscape::None);
    env.set_fuel(Some(FUEL_MAX));
    env
}

pub(super) fn environment(flavour: Flavour) -> &'static Environment<'static> {
    match flavour {
        Flavour::Plain => &PLAIN,
        Flavour::Shell => &SHELL,
    }
}

/// Whether there is such a filter, or such a test.
pub(super) fn knows(env: &Environment<'_>, kind: &str, name: &str) -> bool {
    // The environment has no list to ask for, but templates can ask.
    let question = format!("name is {kind}");
    let answer = env.compile_expression(&question).and_then(|q| q.eval(minijinja::context!(name)));
    answer.is_ok_and(|answer| answer.is_true())
}

fn write_plain(out: &mut Output<'_>, state: &State<'_, '_>, value: &Value) -> Result<(), Error> {
    out.write_str(&text_of(state, value)?).map_err(Error::from)
}

/// Nothing is no text; objects and lists are indented JSON, which models read best.
fn text_of(state: &State<'_, '_>, value: &Value) -> Result<String, Error> {
    match value.kind() {
        ValueKind::Undefined => {
            let _ = state;
            Err(Error::from(ErrorKind::UndefinedError))
        }
        ValueKind::None => Ok(String::new()),
        ValueKind::Map | ValueKind::Seq | ValueKind::Iterable => {
            serde_json::to_string_pretty(value)
                .map_err(|error| Error::new(ErrorKind::BadSerialization, error.to_string()))
        }
        _ => Ok(value.to_string()),
    }
}
