//! The shape of a content.

use crate::OnFound;
use crate::found::{reacts, ruled};
use schemars::{JsonSchema, schema_for};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt;
use std::sync::Arc;
use stepwright_core::guardrail::{Checked, GuardVerdict, Guardrail, Ruling};
use stepwright_core::{BoxFuture, Content, Fingerprint, StepContext, StepError};

type Check = dyn Fn(&Value) -> Result<(), String> + Send + Sync;

/// The type that a content must have.
///
/// ```
/// use stepwright_core::guardrail::Guard;
/// use stepwright_guardrails::Shape;
/// #[derive(serde::Deserialize, schemars::JsonSchema)]
/// struct Order {
///     article: String,
///     count: u32,
/// }
/// let guard = Guard::before(Shape::of::<Order>());
/// ```
#[derive(Clone)]
#[must_use = "a guardrail has no effect until an agent or a step has it"]
pub struct Shape {
    schema: Value,
    check: Arc<Check>,
    on_found: OnFound,
}

impl Shape {
    /// Lets contents pass that can be read as a `T`.
    pub fn of<T: DeserializeOwned + JsonSchema>() -> Self {
        let check = |value: &Value| {
            let read = Content::from(value.clone()).parse::<T>();
            read.map(drop).map_err(|error| error.to_string())
        };
        Self::new(schema_for!(T).to_value(), check)
    }

    /// Lets contents pass in which `check` finds no mistake. `schema` is what is compared when a
    /// run is resumed.
    pub fn new(
        schema: Value,
        check: impl Fn(&Value) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        Self { schema, check: Arc::new(check), on_found: OnFound::default() }
    }

    reacts!();
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Shape").field(&self.schema).finish()
    }
}

impl Guardrail for Shape {
    fn name(&self) -> &'static str {
        "schema"
    }

    fn check(&self, checked: Checked, _: StepContext) -> BoxFuture<'_, Result<Ruling, StepError>> {
        // A text may be the JSON of a value.
        let value = match checked.content.to_value() {
            Value::String(text) => match stepwright_core::json::parse_if_json(&text) {
                Ok(value) => Ok(value.unwrap_or(Value::String(text))),
                Err(error) => Err(error.to_string()),
            },
            value => Ok(value),
        };
        ruled!(match value.and_then(|value| (self.check)(&value)) {
            Ok(()) => GuardVerdict::Allow,
            Err(why) => {
                let reason = format!("it does not match the schema: {why}");
                self.on_found.verdict(reason, || checked.content.clone())
            }
        })
    }

    fn fingerprint(&self) -> Fingerprint {
        let on = self.on_found.as_str();
        Fingerprint::default().with("settings", format!("{}, {on}", self.schema))
    }

    fn mistake(&self) -> Option<String> {
        (self.on_found == OnFound::Rewrite)
            .then(|| "a value cannot be made to match; use `refuse` or `retry`".to_owned())
    }
}
