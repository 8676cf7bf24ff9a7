//! Members of values, and values that are missing.

use super::words::said;
use minijinja::value::{Value, ValueKind};
use minijinja::{Error, ErrorKind};

/// Returns the member of an element at a path, or the element itself.
pub(super) fn attribute(element: &Value, path: Option<&str>) -> Value {
    path.into_iter().flat_map(|path| path.split('.')).fold(element.clone(), |value, name| {
        let key = name.parse::<usize>().map_or_else(|_| Value::from(name), Value::from);
        value.get_item(&key).unwrap_or_default()
    })
}

/// Checks that each element has this member.
pub(super) fn check_members(value: &Value, path: &str) -> Result<(), Error> {
    for element in value.try_iter()? {
        if attribute(&element, Some(path)).is_undefined() {
            return Err(missing(path));
        }
    }
    Ok(())
}

/// Returns the error about an element without a member.
pub(super) fn missing(path: &str) -> Error {
    said(format!("an element has no `{path}`"))
}

/// Fails if a part of a value has no value. JSON would have `null` in its place.
pub(super) fn check_defined(value: &Value) -> Result<(), Error> {
    match value.kind() {
        ValueKind::Undefined => Err(ErrorKind::UndefinedError.into()),
        ValueKind::Seq | ValueKind::Iterable => {
            value.try_iter()?.try_for_each(|element| check_defined(&element))
        }
        ValueKind::Map => {
            let mut keys = value.try_iter()?;
            keys.try_for_each(|key| check_defined(&value.get_item(&key).unwrap_or_default()))
        }
        _ => Ok(()),
    }
}
