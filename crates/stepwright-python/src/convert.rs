//! Values between JSON and Python.

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Number, Value};
use stepwright::Content;

/// The deepest nesting of a value that Python passes. A list that contains itself would not end.
const DEPTH_MAX: usize = 128;

/// Returns a function of `stepwright._bridge`.
pub(crate) fn bridge<'p>(py: Python<'p>, name: &str) -> PyResult<Bound<'p, PyAny>> {
    static MODULE: PyOnceLock<Py<PyModule>> = PyOnceLock::new();
    let module = MODULE.get_or_try_init(py, || -> PyResult<Py<PyModule>> {
        Ok(py.import("stepwright._bridge")?.unbind())
    })?;
    module.bind(py).getattr(name)
}

pub(crate) fn to_python<'p>(py: Python<'p>, value: &Value) -> PyResult<Bound<'p, PyAny>> {
    Ok(match value {
        Value::Null => py.None().into_bound(py),
        Value::Bool(value) => PyBool::new(py, *value).to_owned().into_any(),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => number.into_pyobject(py)?.into_any(),
            (None, Some(number)) => number.into_pyobject(py)?.into_any(),
            (None, None) => PyFloat::new(py, number.as_f64().unwrap_or_default()).into_any(),
        },
        Value::String(text) => PyString::new(py, text).into_any(),
        Value::Array(items) => {
            let list = PyList::empty(py);
            for item in items {
                list.append(to_python(py, item)?)?;
            }
            list.into_any()
        }
        Value::Object(members) => members_to_python(py, members)?.into_any(),
    })
}

pub(crate) fn members_to_python<'p>(
    py: Python<'p>,
    members: &Map<String, Value>,
) -> PyResult<Bound<'p, PyDict>> {
    let dict = PyDict::new(py);
    for (key, value) in members {
        dict.set_item(key, to_python(py, value)?)?;
    }
    Ok(dict)
}

pub(crate) fn content_to_python<'p>(
    py: Python<'p>,
    content: &Content,
) -> PyResult<Bound<'p, PyAny>> {
    match content {
        Content::Text(text) => Ok(PyString::new(py, text).into_any()),
        other => to_python(py, &other.to_value()),
    }
}

/// Returns a serialisable value as Python's dictionaries and lists.
pub(crate) fn data_to_python<'p>(
    py: Python<'p>,
    data: &impl Serialize,
) -> PyResult<Bound<'p, PyAny>> {
    let value = serde_json::to_value(data).map_err(|e| PyValueError::new_err(e.to_string()))?;
    to_python(py, &value)
}

pub(crate) fn from_python(value: &Bound<'_, PyAny>) -> PyResult<Value> {
    read(value, 0)
}

fn read(value: &Bound<'_, PyAny>, depth: usize) -> PyResult<Value> {
    if depth > DEPTH_MAX {
        return Err(PyValueError::new_err(format!(
            "a value may be nested {DEPTH_MAX} deep, and this one is nested deeper"
        )));
    }
    if value.is_none() {
        return Ok(Value::Null);
    }
    if let Ok(text) = value.cast_exact::<PyString>() {
        return Ok(Value::String(text.to_cow()?.into_owned()));
    }
    if let Ok(value) = value.cast::<PyBool>() {
        return Ok(Value::Bool(value.is_true()));
    }
    if value.is_exact_instance_of::<PyInt>() {
        return integer(value);
    }
    if value.is_exact_instance_of::<PyFloat>() {
        let number: f64 = value.extract()?;
        return Number::from_f64(number)
            .map(Value::Number)
            .ok_or_else(|| PyValueError::new_err(format!("{number} cannot be written as JSON")));
    }
    if let Ok(dict) = value.cast_exact::<PyDict>() {
        let mut members = Map::new();
        for (key, item) in dict {
            let key = match key.cast_exact::<PyString>() {
                Ok(text) => text.to_cow()?.into_owned(),
                Err(_) => key.str()?.to_cow()?.into_owned(),
            };
            members.insert(key, read(&item, depth + 1)?);
        }
        return Ok(Value::Object(members));
    }
    if let Ok(list) = value.cast_exact::<PyList>() {
        return list.iter().map(|item| read(&item, depth + 1)).collect();
    }
    if let Ok(tuple) = value.cast_exact::<PyTuple>() {
        return tuple.iter().map(|item| read(&item, depth + 1)).collect();
    }
    // Models, dataclasses, enums, dates and the like: Python says how they are written.
    let plain = bridge(value.py(), "plain")?.call1((value,))?;
    if plain.is(value) {
        let of = value.get_type().qualname()?;
        return Err(PyTypeError::new_err(format!(
            "a value of type `{of}` cannot be written as JSON"
        )));
    }
    read(&plain, depth + 1)
}

fn integer(value: &Bound<'_, PyAny>) -> PyResult<Value> {
    if let Ok(number) = value.extract::<i64>() {
        return Ok(number.into());
    }
    if let Ok(number) = value.extract::<u64>() {
        return Ok(number.into());
    }
    let message = format!("{value} is larger than JSON's integers of 64 bits; pass it as text");
    Err(PyValueError::new_err(message))
}

/// Reads a value of this type from Python's dictionaries and lists.
pub(crate) fn data_from_python<T: DeserializeOwned>(value: &Bound<'_, PyAny>) -> PyResult<T> {
    serde_json::from_value(from_python(value)?).map_err(|e| PyValueError::new_err(e.to_string()))
}

pub(crate) fn content_from_python(value: &Bound<'_, PyAny>) -> PyResult<Content> {
    match value.cast_exact::<PyString>() {
        Ok(text) => Ok(Content::from(text.to_cow()?)),
        Err(_) => Ok(Content::from(from_python(value)?)),
    }
}
