//! The schemas of the input of a workflow and of the answers of its agents.
//!
//! A schema in a file is untrusted like the rest of the file. So its keywords are checked, and
//! values are checked against it within a [`Budget`], by the code of this module: a library could
//! not be stopped.

mod compile;
mod contradictions;
mod defaults;
mod explain;
mod formats;
mod keywords;
mod pattern;
mod validate;

use crate::budget::{BUILT_BYTES_MAX, Budget, STEPS_MAX, Spent, Unfinished};
use serde_json::Value;
use stepwright_core::{ErrorCode, StepError};
use validate::Validator;

/// The index of a part of a schema.
type Id = u32;

/// The reason that a value is not a valid JSON Schema.
pub(crate) struct Mistake {
    /// The place, as a JSON pointer.
    pub(crate) pointer: String,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
}

/// The value that a schema describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// The input of a workflow. Defaults are filled in.
    Input,
    /// The answer of an agent, which is whole.
    Output,
    /// The form that a person fills in. Defaults are filled in, and fewer keywords are checked: the
    /// reader of forms reports the others.
    Form,
}

/// A schema whose values can be checked.
#[derive(Debug)]
pub(crate) struct Schema {
    nodes: Vec<compile::Node>,
}

/// The reason that a value was not checked to the end.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// The value does not fit, for these reasons.
    Unfit(String),
    Spent(Spent),
}

impl From<Spent> for Refusal {
    fn from(spent: Spent) -> Self {
        Self::Spent(spent)
    }
}

/// Checks that `schema` is a valid JSON Schema, that all of its keywords have an effect, and that
/// values can fit them together.
pub(crate) fn check(schema: &Value, purpose: Purpose, budget: &Budget<'_>) -> Result<(), Mistake> {
    let places = keywords::walk(schema, purpose, Some(budget))?;
    let (compiled, ids) = compile::compile(schema, &places)?;
    contradictions::check(schema, &places, (&compiled, &ids), budget)?;
    defaults::check(schema, purpose, &places, (&compiled, &ids), budget)
}

/// Compiles a schema that [`check`] has accepted.
pub(crate) fn compile(schema: &Value) -> Result<Schema, String> {
    let places = keywords::walk(schema, Purpose::Form, None).map_err(|mistake| mistake.message)?;
    let compiled = compile::compile(schema, &places);
    compiled.map(|(schema, _)| schema).map_err(|mistake| mistake.message)
}

impl Schema {
    /// Checks a value.
    pub(crate) fn fits(&self, value: &Value, budget: &Budget<'_>) -> Result<(), Refusal> {
        self.fits_part(0, value, budget)
    }

    fn fits_part(&self, part: Id, value: &Value, budget: &Budget<'_>) -> Result<(), Refusal> {
        let mut validator = Validator::new(self, budget);
        if validator.fits(part, value, None)? {
            return Ok(());
        }
        Err(Refusal::Unfit(explain::reasons(&mut validator, part, value)))
    }
}

/// Returns `true` if a whole value may be missing.
pub(crate) fn has_default(source: &Value) -> bool {
    let mut value = Value::Null;
    // The default comes first, before anything that may exceed the budget.
    let _ = defaults::fill(source, source, &mut value, &Budget::inline());
    !value.is_null()
}

/// Fills in the defaults of a schema and checks the value.
pub(crate) fn complete(
    source: &Value,
    schema: &Schema,
    mut value: Value,
    budget: &Budget<'_>,
) -> Result<Value, Refusal> {
    defaults::fill(source, source, &mut value, budget)?;
    schema.fits(&value, budget)?;
    Ok(value)
}

impl Refusal {
    /// Returns the reasons, or the reason that there is no answer.
    /// Returns the reasons why the value does not fit. `None` if a limit was reached.
    pub(crate) fn said(self) -> Option<String> {
        match self {
            Self::Unfit(why) => Some(why),
            Self::Spent(_) => None,
        }
    }

    pub(crate) fn into_unfinished(self, budget: &Budget<'_>) -> Result<String, Unfinished> {
        let spent = match self {
            Self::Unfit(reasons) => return Ok(reasons),
            Self::Spent(Spent::Steps | Spent::Built) if budget.is_inline() => {
                return Err(Unfinished::NotHere);
            }
            Self::Spent(spent) => spent,
        };
        Err(StepError::terminal(said(spent)).with_code(ErrorCode::Limit).into())
    }
}

/// Describes the limit that a check of a value has reached.
fn said(spent: Spent) -> String {
    match spent {
        Spent::Steps => format!("the schema takes more than {STEPS_MAX} checks for this value"),
        Spent::Built | Spent::Given => {
            format!("the schema takes more than {BUILT_BYTES_MAX} bytes for this value")
        }
        Spent::Depth => "the schema and the value are nested too deep".to_owned(),
        Spent::Stopped => "the check of a value by its schema was stopped".to_owned(),
    }
}

#[cfg(test)]
mod tests;
