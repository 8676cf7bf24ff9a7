//! The formats of texts.

use super::keywords::FORMATS;
use super::pattern::Pattern;
use crate::budget::{Budget, Spent};
use jsonschema::Validator;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::LazyLock;

/// The number of bytes of text that count as one operation.
const BYTES_PER_STEP: usize = 16;

/// A validator for each format. Each reads a text once.
static FORMAT: LazyLock<HashMap<&str, Validator>> = LazyLock::new(|| {
    let of = |format: &&'static str| {
        let schema = json!({"type": "string", "format": format});
        let built = jsonschema::options().should_validate_formats(true).build(&schema);
        built.ok().map(|validator| (*format, validator))
    };
    FORMATS.iter().filter_map(of).collect()
});

/// Returns `true` if a text has a format.
pub(super) fn fits(format: &str, text: &str, budget: &Budget<'_>) -> Result<bool, Spent> {
    budget.steps(10 + text.len() / BYTES_PER_STEP)?;
    if format == "regex" {
        return Ok(Pattern::new(text).compile(budget)?.is_some());
    }
    budget.read(text.len())?;
    Ok(FORMAT.get(format).is_none_or(|validator| validator.is_valid(&Value::from(text))))
}
