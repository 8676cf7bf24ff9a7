//! Describes why a value does not fit its schema.

use super::Id;
use super::compile::{Check, Measure, Side, Types};
use super::keywords::{TYPES, address, what};
use super::validate::{Looked, Validator};
use crate::budget::Spent;
use serde_json::Value;
use std::collections::HashSet;

/// The maximum number of reasons that are given for one value.
const REASONS_MAX: usize = 5;
/// The maximum number of characters of a value in a reason.
const SHOWN_CHARS_MAX: usize = 80;

struct Explainer<'x, 'a> {
    validator: &'x mut Validator<'a>,
    found: Vec<String>,
    /// The parts of the schema and of the value that have been described.
    seen: HashSet<(Id, usize)>,
    path: Vec<String>,
}

/// Returns the reasons that a value does not fit. It has been found not to.
pub(super) fn reasons(validator: &mut Validator<'_>, part: Id, value: &Value) -> String {
    let mut explainer =
        Explainer { validator, found: Vec::new(), seen: HashSet::new(), path: Vec::new() };
    // Within the rest of the budget: the answer itself is known.
    let _ = explainer.part(part, value);
    if explainer.found.is_empty() {
        return "it does not fit its schema".to_owned();
    }
    explainer.found.join("; ")
}

impl<'a> Explainer<'_, 'a> {
    /// Describes the restrictions of a part that do not hold.
    fn part(&mut self, part: Id, value: &Value) -> Result<(), Spent> {
        if !self.seen.insert((part, address(value))) || self.found.len() >= REASONS_MAX {
            return Ok(());
        }
        self.validator.deeper()?;
        let node = self.validator.node(part);
        let mut looked = node.collects.then(Looked::default);
        for check in &node.checks {
            if self.found.len() >= REASONS_MAX {
                break;
            }
            if !self.validator.holds(check, value, looked.as_mut())? {
                self.check(check, value, looked.as_ref())?;
                // Values of another type fail the other checks for that reason.
                if matches!(check, Check::Type(_)) {
                    break;
                }
            }
        }
        self.validator.leave();
        Ok(())
    }

    /// Describes a part if the value does not fit it.
    fn unfit(&mut self, part: Id, value: &Value) -> Result<(), Spent> {
        if self.found.len() < REASONS_MAX && !self.validator.fits(part, value, None)? {
            self.part(part, value)?;
        }
        Ok(())
    }

    fn member(&mut self, part: Id, name: &str, member: &Value) -> Result<(), Spent> {
        let name = cut(name);
        self.path.push(if self.path.is_empty() { name } else { format!(".{name}") });
        let unfit = self.unfit(part, member);
        self.path.pop();
        unfit
    }

    fn element(&mut self, part: Id, at: usize, element: &Value) -> Result<(), Spent> {
        self.path.push(format!("[{at}]"));
        let unfit = self.unfit(part, element);
        self.path.pop();
        unfit
    }

    fn name(&self) -> String {
        if self.path.is_empty() { "it".to_owned() } else { format!("`{}`", self.path.concat()) }
    }

    fn inner(&self, name: &str) -> String {
        let dot = if self.path.is_empty() { "" } else { "." };
        format!("`{}{dot}{}`", self.path.concat(), cut(name))
    }

    fn say(&mut self, what: impl AsRef<str>) {
        self.found.push(format!("{} {}", self.name(), what.as_ref()));
    }

    /// Describes a restriction that does not hold.
    fn check(
        &mut self,
        check: &'a Check,
        value: &Value,
        looked: Option<&Looked<'_>>,
    ) -> Result<(), Spent> {
        match (check, value) {
            (Check::Never, _) => self.say("is not allowed here"),
            (Check::Type(types), value) => {
                self.say(format!("must be {}, and is {}", named(*types), what(value)));
            }
            (Check::Const(only), _) => self.say(format!("must be {}", shown(only))),
            (Check::Enum(allowed), _) => {
                let allowed: Vec<String> = allowed.iter().map(shown).collect();
                self.say(format!("must be one of {}", cut(&allowed.join(", "))));
            }
            (Check::Bound(side, limit), value) => {
                self.say(format!("must be {} {limit}, and is {}", word(*side), shown(value)));
            }
            (Check::MultipleOf(step), value) => {
                self.say(format!("must be a multiple of {step}, and is {}", shown(value)));
            }
            (Check::Size(measure, side, limit), value) => {
                let counted = match measure {
                    Measure::Characters => "characters",
                    Measure::Elements => "elements",
                    Measure::Members => "members",
                };
                let size = self.validator.measure(*measure, value)?.unwrap_or_default();
                let side = word(*side);
                self.say(format!("must have {side} {limit} {counted}, and has {size}"));
            }
            (Check::Required(names), Value::Object(members)) => {
                for name in names.iter().filter(|name| !members.contains_key(*name)) {
                    let missing = format!("{} is missing", self.inner(name));
                    self.found.push(missing);
                }
            }
            (Check::DependentRequired(given, names), Value::Object(members)) => {
                for name in names.iter().filter(|name| !members.contains_key(*name)) {
                    let missing =
                        format!("{} is missing beside `{}`", self.inner(name), cut(given));
                    self.found.push(missing);
                }
            }
            (Check::Format(format), value) => {
                self.say(format!("must have the format `{format}`, and is {}", shown(value)));
            }
            (Check::Pattern(pattern), value) => {
                let pattern = cut(pattern.text());
                self.say(format!("must match `{pattern}`, and is {}", shown(value)));
            }
            (Check::Unique, _) => self.say("has the same element twice"),
            (Check::Refer(part) | Check::DependentSchema(_, part), value) => {
                self.unfit(*part, value)?;
            }
            (Check::AllOf(parts), value) => {
                for part in parts {
                    self.unfit(*part, value)?;
                }
            }
            (Check::AnyOf(parts), value) => self.alternatives("anyOf", parts, value)?,
            (Check::OneOf(parts), value) => {
                if self.validator.fitting(parts, value, None)? > 1 {
                    self.say("fits more than one of the alternatives under `oneOf`");
                } else {
                    self.alternatives("oneOf", parts, value)?;
                }
            }
            (Check::Not(_), _) => self.say("fits the schema under `not`"),
            (Check::If { test, then, otherwise }, value) => {
                let holds = self.validator.fits(*test, value, None)?;
                if let Some(part) = if holds { then } else { otherwise } {
                    self.unfit(*part, value)?;
                }
            }
            (Check::Object { .. }, value) => {
                for (part, name, member) in self.validator.members(check, value)? {
                    self.member(part, name, member)?;
                }
            }
            (Check::PropertyNames(part), Value::Object(members)) => {
                for name in members.keys() {
                    if !self.validator.name_fits(*part, name)? {
                        self.say(format!("has the name `{}`, which is not allowed", cut(name)));
                        break;
                    }
                }
            }
            (Check::Items { first, rest }, Value::Array(elements)) => {
                for (at, element) in elements.iter().enumerate() {
                    let Some(part) = first.get(at).or(rest.as_ref()) else { break };
                    self.element(*part, at, element)?;
                }
            }
            (Check::Contains { least, most, .. }, _) => {
                let most = most.map_or(String::new(), |most| format!(" and at most {most}"));
                let wanted = "elements that fit the schema under `contains`";
                self.say(format!("must have at least {least}{most} {wanted}"));
            }
            (Check::UnevaluatedItems(part), Value::Array(elements)) => {
                for (at, element) in elements.iter().enumerate() {
                    if looked.is_some_and(|looked| !looked.has_element(at)) {
                        self.element(*part, at, element)?;
                    }
                }
            }
            (Check::UnevaluatedProperties(part), Value::Object(members)) => {
                for (name, member) in members {
                    if looked.is_some_and(|looked| !looked.has_member(name)) {
                        self.member(*part, name, member)?;
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Describes why no alternative fits: by the only one for this type of value, if there is one.
    fn alternatives(&mut self, keyword: &str, parts: &[Id], value: &Value) -> Result<(), Spent> {
        let mut of_this_type = Vec::new();
        for part in parts {
            let first = self.validator.node(*part).checks.first();
            let is_other = match first {
                Some(check @ (Check::Type(_) | Check::Never)) => {
                    !self.validator.holds(check, value, None)?
                }
                _ => false,
            };
            if !is_other {
                of_this_type.push(*part);
            }
        }
        if let [only] = of_this_type.as_slice() {
            return self.unfit(*only, value);
        }
        self.say(format!("fits none of the alternatives under `{keyword}`"));
        Ok(())
    }
}

fn word(side: Side) -> &'static str {
    match side {
        Side::AtLeast => "at least",
        Side::AtMost => "at most",
        Side::Above => "more than",
        Side::Below => "less than",
    }
}

fn named(types: Types) -> String {
    let words = TYPES.iter().enumerate().filter(|(at, _)| types.0 & (1 << at) != 0);
    let words = words.map(|(_, name)| match *name {
        "array" => "a list",
        "boolean" => "true or false",
        "integer" => "an integer",
        "null" => "nothing",
        "number" => "a number",
        "object" => "an object",
        _ => "a text",
    });
    words.collect::<Vec<_>>().join(" or ")
}

fn shown(value: &Value) -> String {
    match value {
        Value::Array(_) | Value::Object(_) => what(value).to_owned(),
        // A text may be very long: do not quote all of it.
        Value::String(text) => Value::from(cut(text)).to_string(),
        other => other.to_string(),
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(SHOWN_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
