//! JSON to CEL and back.

use cel::Value as Cel;
use cel::objects::{Key, Map};
use serde_json::{Number, Value};
use std::collections::HashMap;
use std::sync::Arc;

pub(super) fn from_json(value: Value) -> Cel {
    match value {
        Value::Null => Cel::Null,
        Value::Bool(value) => Cel::Bool(value),
        // CEL does not add an unsigned to a signed number, so whatever fits is signed.
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Cel::Int(number),
            (None, Some(number)) => Cel::UInt(number),
            (None, None) => Cel::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => Cel::String(Arc::new(text)),
        Value::Array(list) => Cel::List(Arc::new(list.into_iter().map(from_json).collect())),
        Value::Object(members) => {
            let members = members.into_iter().map(|(key, value)| (key.into(), from_json(value)));
            Cel::Map(Map { map: Arc::new(members.collect::<HashMap<Key, Cel>>()) })
        }
    }
}

/// The value as JSON, or what it is instead.
pub(super) fn to_json(value: &Cel) -> Result<Value, String> {
    Ok(match value {
        Cel::Null => Value::Null,
        Cel::Bool(value) => Value::Bool(*value),
        Cel::Int(number) => Value::from(*number),
        Cel::UInt(number) => Value::from(*number),
        Cel::Float(number) => match Number::from_f64(*number) {
            Some(number) => Value::Number(number),
            None => return Err("a number that is not finite".into()),
        },
        Cel::String(text) => Value::String((**text).clone()),
        Cel::List(list) => Value::Array(list.iter().map(to_json).collect::<Result<_, _>>()?),
        Cel::Map(map) => {
            let members = map.map.iter().map(|(key, value)| {
                let key = match key {
                    Key::String(key) => (**key).clone(),
                    Key::Int(key) => key.to_string(),
                    Key::Uint(key) => key.to_string(),
                    Key::Bool(key) => key.to_string(),
                };
                Ok((key, to_json(value)?))
            });
            let mut members: Vec<(String, Value)> = members.collect::<Result<_, String>>()?;
            // CEL's maps have no order; a run that is repeated must give the same text.
            members.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(members.into_iter().collect())
        }
        other => return Err(format!("a {}", other.type_of())),
    })
}
