//! Converts values to text.

use super::members::check_defined;
use super::words::said;
use super::{Flavour, exact, guard, texts};
use crate::budget::Stop;
use crate::functions::{FUNCTIONS, bytes, percent};
use minijinja::value::{Kwargs, Object, ObjectRepr, Rest, Value, ValueKind, ValueOrKwargs};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, State, UndefinedBehavior};
use std::fmt;
use std::sync::{Arc, LazyLock};

/// The maximum number of operations of a template: enough for any prompt, but nested loops end.
/// Creating 64 bytes of text counts as one operation, so this also limits intermediate texts.
pub(super) const FUEL_MAX: u64 = 2_000_000;
/// The number of operations on the caller's thread.
const FUEL_INLINE_MAX: u64 = 20_000;
/// The maximum length of the text of a template, in bytes.
pub(super) const TEXT_BYTES_MAX: usize = 20_000_000;

/// The maximum depth of values in a template. The outputs of steps have at most 128 levels.
const DEPTH_MAX: usize = 200;
/// The number of bytes that a value other than a text counts for.
const NODE_BYTES: usize = 4;
/// The number of bytes of text that count as one element.
const TEXT_BYTES_PER_NODE: usize = 256;
/// The number of elements that count as one operation.
const NODES_PER_OPERATION: u64 = 4;
/// The number of elements between two checks of the remaining operations.
const NODES_PER_CHARGE: u64 = 1024;

/// The message about a value that is nested too deep.
const TOO_DEEP: &str = "a value is nested deeper than 200";

/// The message about a template that was stopped.
pub(super) const STOPPED: &str = "it was stopped";

/// The filters to suggest.
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

/// The tests to suggest.
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

/// Counts the values of one rendering.
#[derive(Clone, Debug, Default)]
struct Eye {
    stop: Stop,
}

static PLAIN: LazyLock<Environment<'static>> =
    LazyLock::new(|| environment(Flavour::Plain, FUEL_INLINE_MAX, Stop::default()));

static SHELL: LazyLock<Environment<'static>> =
    LazyLock::new(|| environment(Flavour::Shell, FUEL_INLINE_MAX, Stop::default()));

static ADDRESS: LazyLock<Environment<'static>> =
    LazyLock::new(|| environment(Flavour::Address, FUEL_INLINE_MAX, Stop::default()));

/// A text that `urlencode` has made. It is not encoded again.
#[derive(Debug)]
struct Encoded(String);

impl Object for Encoded {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Returns the shared environment for the caller's thread, which allows few operations.
pub(super) fn inline(flavour: Flavour) -> &'static Environment<'static> {
    match flavour {
        Flavour::Plain => &PLAIN,
        Flavour::Shell => &SHELL,
        Flavour::Address => &ADDRESS,
    }
}

/// The widest indentation of `tojson`, in spaces.
const INDENT_MAX: i64 = 100;

/// Creates an environment for templates with at most `fuel` operations. Rendering ends soon after
/// `stop` is set.
pub(super) fn environment(flavour: Flavour, fuel: u64, stop: Stop) -> Environment<'static> {
    let mut env = Environment::new();
    env.set_undefined_behavior(UndefinedBehavior::Strict);
    env.set_auto_escape_callback(|_| AutoEscape::None);
    env.set_fuel(Some(fuel));
    let eye = Eye { stop };
    // minijinja counts the text of these filters only after it is written, and shared parts could
    // make it unbounded before that.
    let of = eye.clone();
    env.add_filter(
        "tojson",
        move |state: &State<'_, '_>, value: &Value, indent: Option<Value>, args: Kwargs| {
            of.charges(state, value)?;
            let wide = match &indent {
                Some(indent) => Some(indent.clone()),
                None => args.peek::<Option<Value>>("indent")?,
            };
            // Each line is indented before its length is counted.
            if wide.and_then(|wide| wide.as_i64()).is_some_and(|wide| wide > INDENT_MAX) {
                let what = format!("`indent` is at most {INDENT_MAX}");
                return Err(said(what));
            }
            minijinja::filters::tojson(value, indent, args)
        },
    );
    for function in &FUNCTIONS {
        let of = eye.clone();
        env.add_filter(
            function.name,
            move |state: &State<'_, '_>, value: &Value, args: Rest<Value>| {
                let mut given = Vec::with_capacity(args.len() + 1);
                for arg in std::iter::once(value).chain(args.iter()) {
                    if arg.is_undefined() {
                        return Err(Error::from(ErrorKind::UndefinedError));
                    }
                    of.charges(state, arg)?;
                    given.push(serde_json::to_value(arg).map_err(|error| said(error.to_string()))?);
                }
                state.consume_fuel(function.cost(&given) as u64)?;
                let value = function.call(&given).map_err(said)?;
                state.consume_fuel(bytes(&value) as u64 / 64)?;
                Ok(match value {
                    serde_json::Value::String(text)
                        if function.name == "urlencode" && flavour == Flavour::Address =>
                    {
                        Value::from_object(Encoded(text))
                    }
                    value => Value::from(minijinja::value::Serde(&value)),
                })
            },
        );
    }
    let of = eye.clone();
    env.add_filter("pprint", move |state: &State<'_, '_>, value: &Value| {
        of.charges(state, value)?;
        Ok::<_, Error>(minijinja::filters::pprint(value))
    });
    let of = eye.clone();
    env.add_filter(guard::BOUNDED, move |state: &State<'_, '_>, value: &Value| {
        of.looks_at(state, value, 1)?;
        Ok::<_, Error>(made_whole(value))
    });
    let of = eye.clone();
    env.add_filter(
        exact::EACH,
        move |state: &State<'_, '_>, value: &Value, filter: &str, args: Rest<ValueOrKwargs>| {
            let args = args.into_values();
            let times = value.len().unwrap_or(1) as u64;
            for arg in &args {
                of.looks_at(state, arg, times)?;
            }
            exact::check_each(state, filter, value, &args)?;
            let takes_texts = filter == "map"
                && args
                    .first()
                    .and_then(Value::as_str)
                    .is_some_and(|of| texts::OF_TEXT.contains(&of));
            if !takes_texts {
                return Ok(value.clone());
            }
            let text_of: texts::Writing<'_> = &|state, value| of.text_of(state, value);
            value.try_iter()?.map(|element| texts::texted(state, &element, text_of)).collect()
        },
    );
    env.add_filter(guard::WALKED, |state: &State<'_, '_>, value: &Value| {
        // The characters are counted from the beginning.
        state.consume_fuel(value.as_str().map_or(0, str::len) as u64 / 64)?;
        Ok::<_, Error>(value.clone())
    });
    exact::add_filters(&mut env);
    let of = eye.clone();
    texts::add_filters(&mut env, move |state, value| of.text_of(state, value));
    let of = eye.clone();
    env.add_filter(guard::WATCHED, move |value: &Value| {
        of.watches()?;
        Ok::<_, Error>(value.clone())
    });
    match flavour {
        Flavour::Plain => env.set_formatter(move |out, state, value| {
            out.write_str(&eye.text_of(state, value)?).map_err(Error::from)
        }),
        Flavour::Address => env.set_formatter(move |out, state, value| {
            if let Some(Encoded(text)) = value.downcast_object_ref() {
                return out.write_str(text).map_err(Error::from);
            }
            let text = eye.text_of(state, value)?;
            let mut encoded = String::with_capacity(text.len());
            percent(&text, &mut encoded);
            out.write_str(&encoded).map_err(Error::from)
        }),
        Flavour::Shell => env.set_formatter(move |out, state, value| {
            let text = eye.text_of(state, value)?;
            // A quote in the text closes the word, adds an escaped quote, and opens the word again.
            write!(out, "'{}'", text.replace('\'', r"'\''")).map_err(Error::from)
        }),
    }
    env
}

impl Eye {
    /// Fails if the step has ended.
    fn watches(&self) -> Result<(), Error> {
        if self.stop.is_set() {
            return Err(Error::new(ErrorKind::InvalidOperation, STOPPED));
        }
        Ok(())
    }

    /// Takes the operations to write `value` as JSON. Fails if the text is too long.
    fn charges(&self, state: &State<'_, '_>, value: &Value) -> Result<(), Error> {
        self.watches()?;
        let mut text = Bounded::default();
        // The filter itself reports values that are not JSON.
        let _ = serde_json::to_writer(&mut text, value);
        if text.is_full {
            return Err(too_long());
        }
        check_defined(value)?;
        state.consume_fuel(text.bytes.len() as u64 / 64)
    }

    /// Takes the operations to visit all of `value`, `times` times. Fails if it is nested too deep,
    /// or too long as text.
    fn looks_at(&self, state: &State<'_, '_>, value: &Value, times: u64) -> Result<(), Error> {
        let mut look = Look { bytes: 0, uncharged: 0, times, eye: self };
        look.at(state, value, 0)?;
        look.charge(state)
    }

    /// Converts a value to text. `none` is empty. Objects and lists are indented JSON, which models
    /// read best.
    fn text_of(&self, state: &State<'_, '_>, value: &Value) -> Result<String, Error> {
        match value.kind() {
            ValueKind::Undefined => Err(Error::from(ErrorKind::UndefinedError)),
            ValueKind::None => Ok(String::new()),
            ValueKind::Map | ValueKind::Seq | ValueKind::Iterable => {
                // Shared parts are written out here, within the limit.
                self.looks_at(state, value, 1)?;
                check_defined(value)?;
                let mut text = Bounded::default();
                let written = serde_json::to_writer_pretty(&mut text, value);
                if text.is_full {
                    return Err(too_long());
                }
                let wrong = || said("it is not a value of JSON");
                written.map_err(|_| wrong())?;
                String::from_utf8(text.bytes).map_err(|_| wrong())
            }
            _ => Ok(value.to_string()),
        }
    }
}

struct Look<'e> {
    bytes: usize,
    uncharged: u64,
    times: u64,
    eye: &'e Eye,
}

impl Look<'_> {
    fn at(&mut self, state: &State<'_, '_>, value: &Value, depth: usize) -> Result<(), Error> {
        let bytes = value.as_str().map_or(NODE_BYTES, str::len);
        self.bytes = self.bytes.saturating_add(bytes);
        let is_text = matches!(value.kind(), ValueKind::String | ValueKind::Bytes);
        // A single text is limited where it is created, and intermediate texts may be longer.
        if self.bytes > TEXT_BYTES_MAX && !(is_text && depth == 0) {
            return Err(too_long());
        }
        let is_nested =
            matches!(value.kind(), ValueKind::Seq | ValueKind::Map | ValueKind::Iterable);
        self.uncharged += (bytes / TEXT_BYTES_PER_NODE) as u64 + u64::from(depth > 0);
        if self.uncharged >= NODES_PER_CHARGE {
            self.charge(state)?;
        }
        if !is_nested {
            return Ok(());
        }
        if depth >= DEPTH_MAX {
            return Err(said(TOO_DEEP));
        }
        let is_map = value.kind() == ValueKind::Map;
        for item in value.try_iter()? {
            // If an iterator fails here, it fails again with the same error where it is used.
            self.at(state, &item, depth + 1)?;
            if is_map {
                self.at(state, &value.get_item(&item).unwrap_or_default(), depth + 1)?;
            }
        }
        Ok(())
    }

    fn charge(&mut self, state: &State<'_, '_>) -> Result<(), Error> {
        self.eye.watches()?;
        let nodes = std::mem::take(&mut self.uncharged);
        state.consume_fuel(nodes.div_ceil(NODES_PER_OPERATION).saturating_mul(self.times))
    }
}

/// Evaluates lazy slices, sums and repeated lists. Otherwise they could be nested without limit.
fn made_whole(value: &Value) -> Value {
    let is_made = value.downcast_object_ref::<Vec<Value>>().is_some();
    if !is_made && value.kind() == ValueKind::Iterable {
        return value.try_iter().map_or_else(|_| value.clone(), Iterator::collect);
    }
    value.clone()
}

/// A text with a maximum length.
#[derive(Debug, Default)]
pub(super) struct Bounded {
    pub(super) bytes: Vec<u8>,
    pub(super) is_full: bool,
}

impl std::io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.bytes.len() + bytes.len() > TEXT_BYTES_MAX {
            self.is_full = true;
            return Err(std::io::Error::other("the text is too long"));
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Returns `true` if the filter or test exists.
pub(super) fn knows(env: &Environment<'_>, kind: &str, name: &str) -> bool {
    // The environment cannot list its filters and tests, but a template can test for them.
    let question = format!("name is {kind}");
    let answer = env.compile_expression(&question).and_then(|q| q.eval(minijinja::context!(name)));
    answer.is_ok_and(|answer| answer.is_true())
}

/// The messages about texts that are too long: one of this module, and those of minijinja.
pub(super) const TOO_LARGE: [&str; 3] =
    ["the text is too long", "repeated string is too large", "repeated sequence is too large"];

fn too_long() -> Error {
    Error::new(ErrorKind::InvalidOperation, TOO_LARGE[0])
}
