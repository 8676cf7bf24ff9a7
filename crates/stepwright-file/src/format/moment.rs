//! Moments of a file: those that a `sleep` waits for, and deadlines.

use super::Expr;
use super::form::{Form, Mapping, key};
use super::reader::{Fields, Reader};
use crate::functions::{moment, zone};
use crate::reference::OwnedValues;
use crate::shape::Shape;
use crate::system::refused;
use crate::tree::{Node, Yaml};
use crate::work::evaluate;
use serde_json::Value;
use stepwright_core::{StepError, StepInput, Timestamp};

/// A moment, or an expression for one, in a time zone if it has none itself.
#[derive(Clone, Debug)]
pub(crate) struct Moment {
    written: Written,
    zone: Option<String>,
}

#[derive(Clone, Debug)]
enum Written {
    Constant(String),
    Computed(Expr),
}

/// The form of `deadline`.
pub(crate) const DEADLINE: Form = Form::Either(&[Form::Text, Form::Mapping(&SETTINGS)]);

static SETTINGS: Mapping = Mapping {
    name: "deadline",
    what: "`deadline`",
    required: &[&["at"]],
    members: &[
        key("at", &Form::Text, "The moment, or an expression for it."),
        key("zone", &Form::Text, "The time zone of a moment without one, such as `Europe/Berlin`."),
    ],
};

impl Reader<'_> {
    /// Parses a moment, or an expression for one.
    pub(crate) fn moment(
        &mut self,
        node: &Node,
        name: &str,
        zone_name: Option<String>,
    ) -> Option<Moment> {
        let word = self.word(node, name)?;
        if word.text.trim_start().starts_with('=') {
            let written = Written::Computed(self.expression(node, name)?);
            return Some(Moment { written, zone: zone_name });
        }
        // A zone that does not exist has been reported.
        if let Ok(zone) = zone(zone_name.as_deref())
            && let Err(why) = moment(&word.text, &zone)
        {
            let mistake = self.mistake(word.span, format!("`{name}` is a moment, but {why}"));
            let help = match crate::duration::parse(word.text.trim()) {
                Ok(_) if name == "deadline" => {
                    format!("for a length of time, write `timeout: {}`", word.text)
                }
                Ok(_) => format!("for a length of time, write `duration: {}`", word.text),
                Err(_) => format!("an expression begins with `=`: `{name}: = input.at`"),
            };
            self.push(mistake.help(help));
            return None;
        }
        Some(Moment { written: Written::Constant(word.text), zone: zone_name })
    }

    /// Parses the name of a time zone.
    pub(crate) fn zone(&mut self, node: &Node) -> Option<String> {
        let word = self.word(node, "zone")?;
        if let Err(why) = zone(Some(&word.text)) {
            let mistake = self.mistake(word.span, why);
            self.push(mistake);
        }
        Some(word.text)
    }

    /// Parses `deadline: = input.due` or `deadline: {at: …, zone: …}`.
    pub(crate) fn deadline(&mut self, node: &Node) -> Option<Moment> {
        let Yaml::Map(_) = node.value else { return self.moment(node, "deadline", None) };
        let mut fields = Fields::of(self, node, "`deadline`")?;
        let at = fields.take("at");
        let zone = fields.take("zone").and_then(|(_, node)| self.zone(node));
        fields.finish(self);
        let Some((_, at)) = at else {
            let how = "until when: `deadline: {at: = input.due, zone: Europe/Berlin}`";
            self.lacks(node, "deadline", "at", how);
            return None;
        };
        self.moment(at, "at", zone)
    }
}

impl Moment {
    pub(crate) fn expression(&self) -> Option<&Expr> {
        match &self.written {
            Written::Computed(expr) => Some(expr),
            Written::Constant(_) => None,
        }
    }

    /// Returns it as written.
    pub(crate) fn shown(&self) -> &str {
        match &self.written {
            Written::Constant(moment) => moment,
            Written::Computed(expr) => expr.expression.text().trim(),
        }
    }

    /// Returns the reason why a value of this shape is no moment.
    pub(crate) fn mistake(&self, shape: &Shape) -> Option<String> {
        match shape {
            Shape::Constant(Value::String(text)) => {
                let zone = zone(self.zone.as_deref()).ok()?;
                moment(text, &zone).err()
            }
            shape => match shape.what() {
                None | Some("a text") => None,
                Some(what) => Some(format!("this gives {what}")),
            },
        }
    }

    /// Returns the moment. `name` is its key.
    pub(crate) async fn at(&self, name: &str, input: &StepInput) -> Result<Timestamp, StepError> {
        let text = match &self.written {
            Written::Constant(text) => text.clone(),
            Written::Computed(expr) => computed(name, expr, input).await?,
        };
        let at = zone(self.zone.as_deref()).and_then(|zone| moment(&text, &zone));
        let at = at.map_err(|why| refused(format!("`{name}` is a moment, but {why}")))?;
        // A moment before 1970 has passed as well.
        Ok(Timestamp(u64::try_from(at.as_millisecond()).unwrap_or_default()))
    }
}

/// Evaluates an expression whose value must be a text.
async fn computed(name: &str, expr: &Expr, input: &StepInput) -> Result<String, StepError> {
    let expression = expr.expression.clone();
    let value = evaluate(OwnedValues::of(input.clone()), move |values, budget| {
        expression.value(values, budget)
    });
    match value.await? {
        Value::String(text) => Ok(text),
        other => Err(refused(format!(
            "`{name}` needs a text such as `2026-12-01T09:00:00+01:00`, not {other}"
        ))),
    }
}
