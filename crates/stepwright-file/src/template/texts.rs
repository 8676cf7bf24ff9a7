//! Makes texts of values within a template as at its end: `none` is empty, and lists and objects
//! are JSON.

use super::members::{attribute, missing};
use super::words::said;
use minijinja::value::{Kwargs, Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind, State};

/// The filter that makes a text of a value, unless it is a number or a boolean.
pub(super) const TEXT: &str = "__text";
/// The filters that take a text.
pub(super) const OF_TEXT: [&str; 10] = [
    "upper",
    "lower",
    "title",
    "capitalize",
    "trim",
    "indent",
    "replace",
    "split",
    "lines",
    "string",
];
/// The filters whose arguments are texts.
pub(super) const OF_TEXTS: [&str; 2] = ["replace", "format"];

/// Writes a value as a template does at its end.
pub(super) type Writing<'w> = &'w dyn Fn(&State<'_, '_>, &Value) -> Result<String, Error>;

/// Adds the filters that write values as `text_of` does.
pub(super) fn add_filters<W>(env: &mut Environment<'static>, text_of: W)
where
    W: Fn(&State<'_, '_>, &Value) -> Result<String, Error> + Clone + Send + Sync + 'static,
{
    let write = text_of.clone();
    env.add_filter(TEXT, move |state: &State<'_, '_>, value: &Value| texted(state, value, &write));
    env.add_filter(
        "join",
        move |state: &State<'_, '_>,
              value: &Value,
              between: Option<Value>,
              path: Option<String>,
              named: Kwargs| {
            let between = between.or(named.get::<Option<Value>>("d")?);
            let path = path.or(named.get::<Option<String>>("attribute")?);
            named.assert_all_used()?;
            joined(state, value, between.as_ref(), path.as_deref(), &text_of)
        },
    );
}

/// Makes a text of a value, unless it is written as one anyway.
pub(super) fn texted(
    state: &State<'_, '_>,
    value: &Value,
    text_of: Writing<'_>,
) -> Result<Value, Error> {
    use ValueKind as K;
    match value.kind() {
        K::Undefined | K::None | K::Map | K::Seq | K::Iterable => {
            let text = text_of(state, value)?;
            state.consume_fuel(text.len() as u64 / 64)?;
            Ok(text.into())
        }
        _ => Ok(value.clone()),
    }
}

fn joined(
    state: &State<'_, '_>,
    value: &Value,
    between: Option<&Value>,
    path: Option<&str>,
    text_of: Writing<'_>,
) -> Result<Value, Error> {
    let between = between.map(|between| text_of(state, between)).transpose()?.unwrap_or_default();
    let mut text = String::new();
    let mut add = |part: &str, at: usize| {
        let between = if at == 0 { "" } else { &between };
        // Taken before the text grows.
        state.consume_fuel((between.len() + part.len()) as u64 / 64 + 1)?;
        text.push_str(between);
        text.push_str(part);
        Ok::<_, Error>(())
    };
    if let Some(whole) = value.as_str() {
        let mut bytes = [0; 4];
        for (at, character) in whole.chars().enumerate() {
            add(character.encode_utf8(&mut bytes), at)?;
        }
        return Ok(text.into());
    }
    if value.is_undefined() {
        return Err(ErrorKind::UndefinedError.into());
    }
    let elements = value.try_iter().map_err(|_| said("only lists and texts can be joined"))?;
    for (at, element) in elements.enumerate() {
        let element = attribute(&element, path);
        if let Some(path) = path.filter(|_| element.is_undefined()) {
            return Err(missing(path));
        }
        add(&text_of(state, &element)?, at)?;
    }
    Ok(text.into())
}
