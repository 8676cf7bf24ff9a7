//! The shapes of values, as far as they are known before a run.

use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The maximum depth of a shape. Deeper parts are unknown.
const DEPTH_MAX: usize = 16;

/// The keywords of a schema whose meaning for the properties is not followed.
const OPEN: [&str; 8] = [
    "patternProperties",
    "allOf",
    "anyOf",
    "oneOf",
    "$ref",
    "if",
    "dependentSchemas",
    "$dynamicRef",
];

/// The knowledge about a value.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) enum Shape {
    #[default]
    Unknown,
    /// This value.
    Constant(Value),
    Bool,
    Number,
    Text,
    /// A list, with the shape of its elements.
    List(Box<Self>),
    /// An object with these members and no others.
    Closed(BTreeMap<String, Self>),
    /// An object with members that are not known.
    Object,
}

impl Shape {
    /// Returns the shape of a list of unknown elements.
    pub(crate) fn list() -> Self {
        Self::List(Box::default())
    }

    /// Returns the shape of the values that fit a schema. Properties that it does not list do not
    /// exist, unless it has `additionalProperties`.
    pub(crate) fn of_schema(schema: &Value) -> Self {
        Self::of_schema_at(schema, 0)
    }

    fn of_schema_at(schema: &Value, depth: usize) -> Self {
        if depth > DEPTH_MAX || OPEN.iter().any(|key| schema.get(key).is_some()) {
            return Self::Unknown;
        }
        match schema.get("type").and_then(Value::as_str) {
            Some("boolean") => Self::Bool,
            Some("number" | "integer") => Self::Number,
            Some("string") => Self::Text,
            Some("array") => {
                let items = schema.get("items").map(|items| Self::of_schema_at(items, depth + 1));
                Self::List(Box::new(items.unwrap_or_default()))
            }
            Some("object") => {
                let more = schema.get("additionalProperties");
                let properties = schema.get("properties").and_then(Value::as_object);
                match properties {
                    Some(properties) if more.is_none_or(|more| *more == Value::Bool(false)) => {
                        let members = properties.iter().map(|(name, schema)| {
                            (name.clone(), Self::of_schema_at(schema, depth + 1))
                        });
                        Self::Closed(members.collect())
                    }
                    _ => Self::Object,
                }
            }
            _ => Self::Unknown,
        }
    }

    /// Returns the shape in which a constant is no longer known: its kind.
    pub(crate) fn kind(&self) -> Self {
        match self {
            Self::Constant(Value::Null) => Self::Unknown,
            Self::Constant(Value::Bool(_)) => Self::Bool,
            Self::Constant(Value::Number(_)) => Self::Number,
            Self::Constant(Value::String(_)) => Self::Text,
            Self::Constant(Value::Array(_)) => Self::list(),
            Self::Constant(Value::Object(_)) => Self::Object,
            other => other.clone(),
        }
    }

    /// Returns the shape with the kind of each constant in place of its value.
    pub(crate) fn changeable(self) -> Self {
        match self {
            Self::Constant(Value::Object(members)) => {
                let members = members.into_iter();
                let of = |(name, value)| (name, Self::Constant(value).changeable());
                Self::Closed(members.map(of).collect())
            }
            other => other.kind(),
        }
    }

    /// Returns the shape of a value that has one of two shapes.
    pub(crate) fn or(self, other: Self) -> Self {
        if self == other {
            return other;
        }
        match (self.kind(), other.kind()) {
            (Self::List(_), Self::List(_)) => Self::list(),
            (Self::Closed(_) | Self::Object, Self::Closed(_) | Self::Object) => Self::Object,
            (one, other) if one == other => one,
            _ => Self::Unknown,
        }
    }

    /// Returns the shape of a list with elements of these shapes.
    pub(crate) fn list_of(elements: Vec<Self>) -> Self {
        let constants: Option<Vec<Value>> = elements.iter().map(Self::constant).collect();
        match constants {
            Some(list) => Self::Constant(Value::Array(list)),
            None => Self::List(Box::new(elements.into_iter().reduce(Self::or).unwrap_or_default())),
        }
    }

    /// Returns the shape of an object with these members.
    pub(crate) fn object_of(members: Vec<(String, Self)>) -> Self {
        let constants: Option<Map<String, Value>> =
            members.iter().map(|(key, shape)| Some((key.clone(), shape.constant()?))).collect();
        match constants {
            Some(members) => Self::Constant(Value::Object(members)),
            None => Self::Closed(members.into_iter().collect()),
        }
    }

    fn constant(&self) -> Option<Value> {
        match self {
            Self::Constant(value) => Some(value.clone()),
            _ => None,
        }
    }

    /// Returns the words for the kind of value, with an article. `None` if it is not known.
    pub(crate) fn what(&self) -> Option<&'static str> {
        match self {
            Self::Unknown => None,
            Self::Constant(Value::Null) => Some("nothing"),
            Self::Constant(_) => self.kind().what(),
            Self::Bool => Some("true or false"),
            Self::Number => Some("a number"),
            Self::Text => Some("a text"),
            Self::List(_) => Some("a list"),
            Self::Closed(_) | Self::Object => Some("an object"),
        }
    }

    /// Returns the shape of a member. `Err` if the value has no such member.
    pub(crate) fn member(&self, name: &str) -> Result<Self, NoMember> {
        match self {
            Self::Unknown | Self::Object | Self::Constant(Value::Null) => Ok(Self::Unknown),
            Self::Constant(Value::Object(members)) => match members.get(name) {
                Some(value) => Ok(Self::Constant(value.clone())),
                None => Err(NoMember::Lacks(members.keys().cloned().collect())),
            },
            Self::Closed(members) => match members.get(name) {
                Some(shape) => Ok(shape.clone()),
                None => Err(NoMember::Lacks(members.keys().cloned().collect())),
            },
            other => Err(NoMember::Has(other.what().unwrap_or("a value"))),
        }
    }

    /// Returns `true` if a value of this shape can be a list.
    pub(crate) fn may_be_list(&self) -> bool {
        matches!(self.kind(), Self::Unknown | Self::List(_))
            && !matches!(self, Self::Constant(Value::Null))
    }

    /// Returns `true` if a value of this shape can be true or false.
    pub(crate) fn may_be_bool(&self) -> bool {
        matches!(self.kind(), Self::Unknown | Self::Bool)
            && !matches!(self, Self::Constant(Value::Null))
    }
}

/// The reason that a value has no member of a name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NoMember {
    /// It is an object with these other members.
    Lacks(Vec<String>),
    /// It is no object, but this.
    Has(&'static str),
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_schema_tells_the_members_that_it_lists() {
        let schema = json!({"type": "object", "properties": {"a": {"type": "string"}}});
        let shape = Shape::of_schema(&schema);
        assert_eq!(shape.member("a"), Ok(Shape::Text));
        assert_eq!(shape.member("b"), Err(NoMember::Lacks(vec!["a".into()])));
        let open = json!({"type": "object", "properties": {}, "additionalProperties": true});
        assert_eq!(Shape::of_schema(&open).member("b"), Ok(Shape::Unknown));
        let either = json!({"type": ["object", "null"], "properties": {}});
        assert_eq!(Shape::of_schema(&either), Shape::Unknown);
    }

    #[test]
    fn two_shapes_are_one_if_they_are_of_one_kind() {
        let (one, two) = (Shape::Constant(json!(1)), Shape::Constant(json!(2)));
        assert_eq!(one.clone().or(two), Shape::Number);
        assert_eq!(one.or(Shape::Text), Shape::Unknown);
    }
}
