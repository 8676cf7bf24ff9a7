//! Tools whose arguments the provider holds to their schemas.

use crate::options::ToolOptions;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Returns the names of the strict tools.
pub(crate) fn names(options: &BTreeMap<String, ToolOptions>) -> BTreeSet<String> {
    let strict = options.iter().filter(|(_, options)| options.is_strict());
    strict.map(|(name, _)| name.clone()).collect()
}

/// Removes optional members that are null. Providers require each property of a strict tool, and
/// models write null for one that they would leave out.
pub(crate) fn leave_out_nulls(schema: &Value, arguments: &mut Value) {
    match arguments {
        Value::Object(members) => {
            let required = |name: &str| {
                let required = schema["required"].as_array();
                required.is_some_and(|names| names.iter().any(|required| required == name))
            };
            members.retain(|name, value| !value.is_null() || required(name));
            for (name, value) in members {
                leave_out_nulls(&schema["properties"][name.as_str()], value);
            }
        }
        Value::Array(list) => {
            for value in list {
                leave_out_nulls(&schema["items"], value);
            }
        }
        _ => {}
    }
}
