//! Events from outside that runs wait for: their names, and the conditions on their payloads.

use crate::number;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// The largest length of the name of an event, in bytes.
///
/// ```
/// use stepwright_core::{awaited::EVENT_NAME_MAX, wait::check_event_name};
/// assert!(check_event_name(&"e".repeat(EVENT_NAME_MAX)).is_ok());
/// assert!(check_event_name(&"e".repeat(EVENT_NAME_MAX + 1)).is_err());
/// ```
pub const EVENT_NAME_MAX: usize = 200;

/// The largest length of the key and of the id of an event, in bytes.
///
/// ```
/// let order = "orders/2026/o-17";
/// assert!(order.len() <= stepwright_core::awaited::EVENT_KEY_MAX);
/// ```
pub const EVENT_KEY_MAX: usize = 1_000;

/// The largest payload of an event, in bytes as JSON.
///
/// ```
/// let payload = serde_json::json!({"order": "o-17", "amount": 5});
/// assert!(payload.to_string().len() <= stepwright_core::awaited::EVENT_BYTES_MAX);
/// ```
pub const EVENT_BYTES_MAX: usize = 1_000_000;

/// A condition on the payload of an event, as data: any process that has the store can judge it.
///
/// In a comparison with a field that the event lacks, and between values that have no order, the
/// result is unknown, as with an error in CEL. An event meets a condition only if the result is
/// true.
///
/// ```
/// use serde_json::json;
/// use stepwright_core::EventMatch;
/// let paid = EventMatch::field("order").is(17).and(EventMatch::field("amount").at_least(5));
/// assert_eq!(paid.to_string(), "event.order == 17 && event.amount >= 5");
/// assert!(paid.holds(&json!({"order": 17, "amount": 5.5})));
/// assert!(!paid.holds(&json!({"order": 17})));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EventMatch {
    /// All of these hold. Without any, it is true.
    All(Vec<Self>),
    /// One of these holds. Without any, it is false.
    Any(Vec<Self>),
    /// This does not hold.
    Not(Box<Self>),
    /// The event has this field.
    Has(EventField),
    /// The field compares with a value in this way.
    Compare {
        /// The field.
        field: EventField,
        /// The comparison.
        is: EventComparison,
        /// The value.
        to: Value,
    },
}

/// A comparison of a field with a value: see [`EventMatch::Compare`].
///
/// ```
/// use stepwright_core::awaited::EventComparison;
/// assert_eq!(serde_json::to_string(&EventComparison::AtLeast)?, r#""at_least""#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EventComparison {
    /// `==`
    Equal,
    /// `!=`
    Different,
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
    /// The field is an element of the value, which is a list, or a name in it.
    In,
    /// The value is an element of the field, or a name in it.
    Contains,
}

/// A field of the payload of an event: the names on the way to it. Without a name, it is the
/// payload itself.
///
/// ```
/// use stepwright_core::EventMatch;
/// let paid = EventMatch::field("order").member("id").is("o-7");
/// assert_eq!(paid.to_string(), r#"event.order.id == "o-7""#);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EventField(pub Vec<Arc<str>>);

impl EventMatch {
    /// Returns a field of the payload, to compare it.
    pub fn field(name: impl Into<Arc<str>>) -> EventField {
        EventField(vec![name.into()])
    }

    /// Returns a condition that holds if both hold.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let mut all = match self {
            Self::All(all) => all,
            one => vec![one],
        };
        match other {
            Self::All(more) => all.extend(more),
            one => all.push(one),
        }
        Self::All(all)
    }

    /// Returns a condition that holds if one of both holds.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        let mut any = match self {
            Self::Any(any) => any,
            one => vec![one],
        };
        match other {
            Self::Any(more) => any.extend(more),
            one => any.push(one),
        }
        Self::Any(any)
    }

    /// Returns `true` if this payload meets the condition.
    pub fn holds(&self, payload: &Value) -> bool {
        self.judge(payload) == Some(true)
    }

    /// `None` if the result is unknown.
    fn judge(&self, payload: &Value) -> Option<bool> {
        match self {
            Self::All(all) => {
                let mut result = Some(true);
                for one in all {
                    match one.judge(payload) {
                        Some(true) => {}
                        Some(false) => return Some(false),
                        None => result = None,
                    }
                }
                result
            }
            Self::Any(any) => {
                let mut result = Some(false);
                for one in any {
                    match one.judge(payload) {
                        Some(false) => {}
                        Some(true) => return Some(true),
                        None => result = None,
                    }
                }
                result
            }
            Self::Not(one) => one.judge(payload).map(|holds| !holds),
            Self::Has(field) => Some(field.of(payload).is_some()),
            Self::Compare { field, is, to } => compare(field.of(payload)?, *is, to),
        }
    }

    fn is_compound(&self) -> bool {
        match self {
            Self::All(several) | Self::Any(several) => several.len() > 1,
            _ => false,
        }
    }
}

impl EventField {
    /// Returns a member of this field.
    #[must_use]
    pub fn member(mut self, name: impl Into<Arc<str>>) -> Self {
        self.0.push(name.into());
        self
    }

    /// Returns the condition that the event has this field.
    pub fn exists(self) -> EventMatch {
        EventMatch::Has(self)
    }

    /// Returns the condition that the field equals a value.
    pub fn is(self, value: impl Into<Value>) -> EventMatch {
        self.compared(EventComparison::Equal, value)
    }

    /// Returns the condition that the field is greater than a value, or equal.
    pub fn at_least(self, value: impl Into<Value>) -> EventMatch {
        self.compared(EventComparison::AtLeast, value)
    }

    /// Returns the condition that the field is less than a value, or equal.
    pub fn at_most(self, value: impl Into<Value>) -> EventMatch {
        self.compared(EventComparison::AtMost, value)
    }

    /// Returns the condition that the field compares with a value in this way.
    pub fn compared(self, is: EventComparison, to: impl Into<Value>) -> EventMatch {
        EventMatch::Compare { field: self, is, to: to.into() }
    }

    fn of<'a>(&self, payload: &'a Value) -> Option<&'a Value> {
        self.0.iter().try_fold(payload, |value, name| value.get(&**name))
    }
}

fn compare(field: &Value, is: EventComparison, to: &Value) -> Option<bool> {
    use EventComparison as C;
    match is {
        C::Equal => Some(equal(field, to)),
        C::Different => Some(!equal(field, to)),
        C::Less => Some(order(field, to)?.is_lt()),
        C::AtMost => Some(order(field, to)?.is_le()),
        C::Greater => Some(order(field, to)?.is_gt()),
        C::AtLeast => Some(order(field, to)?.is_ge()),
        C::In => contains(to, field),
        C::Contains => contains(field, to),
    }
}

fn contains(list: &Value, element: &Value) -> Option<bool> {
    match list {
        Value::Array(list) => Some(list.iter().any(|one| equal(one, element))),
        Value::Object(members) => Some(members.contains_key(element.as_str()?)),
        _ => None,
    }
}

/// As in CEL, a number is equal to a number of the same value.
fn equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(_), Value::Number(_)) => order(one, other) == Some(Ordering::Equal),
        (Value::Array(these), Value::Array(those)) => {
            these.len() == those.len()
                && these.iter().zip(those).all(|(this, that)| equal(this, that))
        }
        (Value::Object(these), Value::Object(those)) => {
            these.len() == those.len()
                && these
                    .iter()
                    .all(|(name, this)| those.get(name).is_some_and(|that| equal(this, that)))
        }
        _ => one == other,
    }
}

fn order(one: &Value, other: &Value) -> Option<Ordering> {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => Some(number::compare(one, other)),
        (Value::String(one), Value::String(other)) => Some(one.cmp(other)),
        (Value::Bool(one), Value::Bool(other)) => Some(one.cmp(other)),
        _ => None,
    }
}

/// The condition in CEL.
impl fmt::Display for EventMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let several = |f: &mut fmt::Formatter<'_>, several: &[Self], sign: &str, none: &str| {
            if several.is_empty() {
                return f.write_str(none);
            }
            for (at, one) in several.iter().enumerate() {
                if at > 0 {
                    write!(f, " {sign} ")?;
                }
                if one.is_compound() { write!(f, "({one})")? } else { write!(f, "{one}")? }
            }
            Ok(())
        };
        match self {
            Self::All(all) => several(f, all, "&&", "true"),
            Self::Any(any) => several(f, any, "||", "false"),
            Self::Not(one) => write!(f, "!({one})"),
            Self::Has(field) => write!(f, "has({field})"),
            Self::Compare { field, is: EventComparison::Contains, to } => {
                write!(f, "{to} in {field}")
            }
            Self::Compare { field, is, to } => write!(f, "{field} {} {to}", is.sign()),
        }
    }
}

impl EventComparison {
    fn sign(self) -> &'static str {
        match self {
            Self::Equal => "==",
            Self::Different => "!=",
            Self::Less => "<",
            Self::AtMost => "<=",
            Self::Greater => ">",
            Self::AtLeast => ">=",
            Self::In | Self::Contains => "in",
        }
    }
}

impl fmt::Display for EventField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("event")?;
        for name in &self.0 {
            let is_plain = !name.starts_with(|c: char| c.is_ascii_digit())
                && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            if is_plain && !name.is_empty() {
                write!(f, ".{name}")?;
            } else {
                write!(f, "[{}]", Value::from(&**name))?;
            }
        }
        Ok(())
    }
}

/// Returns the text of a key: a text as it is, a number or a truth value as JSON has it. `None` for
/// other values.
///
/// ```
/// use serde_json::json;
/// use stepwright_core::awaited::key_text;
/// assert_eq!(key_text(&json!(17)).as_deref(), Some("17"));
/// assert_eq!(key_text(&json!("o-17")).as_deref(), Some("o-17"));
/// assert_eq!(key_text(&json!(["o-17"])), None);
/// ```
pub fn key_text(key: &Value) -> Option<String> {
    match key {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(value) => Some(value.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_condition_holds_only_where_its_result_is_true() {
        let field = || EventMatch::field("n");
        let less = field().compared(EventComparison::Less, 3);
        for (condition, payload, holds) in [
            (field().is(1), json!({"n": 1.0}), true),
            (field().is(1), json!({"n": "1"}), false),
            (field().is(json!({"a": [1]})), json!({"n": {"a": [1.0]}}), true),
            (less.clone(), json!({"n": 2}), true),
            (less.clone(), json!({"n": "2"}), false),
            (EventMatch::Not(Box::new(less.clone())), json!({"n": 5}), true),
            (EventMatch::Not(Box::new(less.clone())), json!({}), false),
            (field().compared(EventComparison::Different, 1), json!({}), false),
            (field().is(9).or(EventMatch::field("m").is(1)), json!({"m": 1}), true),
            (field().compared(EventComparison::In, json!([1, 2])), json!({"n": 2}), true),
            (field().compared(EventComparison::Contains, "a"), json!({"n": ["b", "a"]}), true),
            (field().exists(), json!({"n": null}), true),
            (field().exists(), json!(7), false),
            (EventMatch::All(vec![]), json!(7), true),
            (EventMatch::Any(vec![]), json!(7), false),
            (EventField::default().is(7), json!(7), true),
        ] {
            assert_eq!(condition.holds(&payload), holds, "{condition} for {payload}");
            let json = serde_json::to_string(&condition).unwrap();
            assert_eq!(serde_json::from_str::<EventMatch>(&json).unwrap(), condition, "{json}");
        }
    }

    #[test]
    fn whole_numbers_are_compared_exactly() {
        let exact = EventMatch::field("n").is(9_007_199_254_740_993_u64);
        assert!(exact.holds(&json!({"n": 9_007_199_254_740_993_u64})));
        assert!(!exact.holds(&json!({"n": 9_007_199_254_740_992_u64})));
    }

    #[test]
    fn a_condition_is_displayed_as_an_expression() {
        let a = EventMatch::field("a b").member("c").is("x");
        let either = EventMatch::field("n").is(1).or(EventMatch::field("m").exists());
        let both = a.and(EventMatch::Not(Box::new(either.clone()))).and(EventMatch::All(vec![]));
        assert_eq!(both.to_string(), r#"event["a b"].c == "x" && !(event.n == 1 || has(event.m))"#);
        let nested = EventMatch::All(vec![either, EventMatch::field("t").is(true)]);
        assert_eq!(nested.to_string(), "(event.n == 1 || has(event.m)) && event.t == true");
    }
}
