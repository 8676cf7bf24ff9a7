//! Arguments that a tool does not have.

use serde_json::Value;
use stepwright_core::tool::{ToolError, ToolSpec};

/// Checks that a tool has all the arguments of a call.
///
/// # Errors
/// Names an argument that the tool does not have, and those that it has.
pub(crate) fn check_names(spec: &ToolSpec, arguments: &Value) -> Result<(), ToolError> {
    let known = spec.parameters["properties"].as_object();
    let is_known = |name: &&String| known.is_some_and(|known| known.contains_key(*name));
    let Some(unknown) = arguments.as_object().and_then(|all| all.keys().find(|it| !is_known(it)))
    else {
        return Ok(());
    };
    let known: Vec<String> =
        known.into_iter().flatten().map(|(name, _)| format!("`{name}`")).collect();
    let known = match known.as_slice() {
        [] => "there are none".to_owned(),
        known => format!("the arguments are {}", known.join(", ")),
    };
    Err(ToolError::Arguments(format!("there is no argument `{unknown}`; {known}")))
}
