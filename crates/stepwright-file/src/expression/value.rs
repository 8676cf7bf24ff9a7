//! The values of expressions. Values of the run are borrowed, not copied.

use serde_json::{Map as JsonMap, Value as Json};
use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;
pub(super) use stepwright_core::number::exact_double;
use stepwright_core::{Content, number};

/// A value in CEL. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) enum Val<'a> {
    Null,
    Bool(bool),
    Int(i64),
    UInt(u64),
    Double(f64),
    Text(Text<'a>),
    Bytes(Arc<[u8]>),
    List(List<'a>),
    Map(Map<'a>),
    Optional(Option<Arc<Self>>),
    /// A type, by its name.
    Type(&'static str),
}

#[derive(Clone, Debug)]
pub(super) enum Text<'a> {
    Borrowed(&'a str),
    Built(Arc<str>),
}

#[derive(Clone, Debug)]
pub(super) enum List<'a> {
    Json(&'a [Json]),
    Built(Arc<Vec<Val<'a>>>),
}

#[derive(Clone, Debug)]
pub(super) enum Map<'a> {
    Json(&'a JsonMap<String, Json>),
    Built(Arc<BTreeMap<Key<'a>, Val<'a>>>),
}

/// A key of a map.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key<'a> {
    Int(i64),
    UInt(u64),
    Bool(bool),
    Text(Cow<'a, str>),
}

/// The memory of an element of a list, in bytes.
pub(super) const ELEMENT_BYTES: usize = size_of::<Val<'static>>();
/// The memory of a member of a map without the text of its key, in bytes.
pub(super) const MEMBER_BYTES: usize = size_of::<(Key<'static>, Val<'static>)>() + 16;

impl<'a> Val<'a> {
    pub(super) fn of(value: &'a Json) -> Self {
        match value {
            Json::Null => Self::Null,
            Json::Bool(value) => Self::Bool(*value),
            // CEL does not add signed and unsigned numbers, so prefer signed ones.
            Json::Number(number) => match (number.as_i64(), number.as_u64()) {
                (Some(number), _) => Self::Int(number),
                (None, Some(number)) => Self::UInt(number),
                (None, None) => Self::Double(number.as_f64().unwrap_or(f64::NAN)),
            },
            Json::String(text) => Self::borrowed(text),
            Json::Array(list) => Self::List(List::Json(list)),
            Json::Object(members) => Self::Map(Map::Json(members)),
        }
    }

    pub(super) fn of_content(content: &'a Content) -> Self {
        match content {
            Content::Text(text) => Self::borrowed(text),
            Content::Json(value) => Self::of(value),
        }
    }

    /// Returns the value of JSON that nothing else owns.
    pub(super) fn of_owned(value: Json) -> Self {
        match value {
            Json::String(text) => Self::text(text),
            Json::Array(list) => Self::list(list.into_iter().map(Self::of_owned).collect()),
            Json::Object(members) => {
                let members = members
                    .into_iter()
                    .map(|(name, one)| (Key::Text(name.into()), Self::of_owned(one)));
                Self::Map(Map::Built(Arc::new(members.collect())))
            }
            Json::Null => Self::Null,
            Json::Bool(value) => Self::Bool(value),
            Json::Number(number) => match (number.as_i64(), number.as_u64()) {
                (Some(number), _) => Self::Int(number),
                (None, Some(number)) => Self::UInt(number),
                _ => Self::Double(number.as_f64().unwrap_or(f64::NAN)),
            },
        }
    }

    pub(super) fn borrowed(text: &'a str) -> Self {
        Self::Text(Text::Borrowed(text))
    }

    pub(super) fn text(text: impl Into<Arc<str>>) -> Self {
        Self::Text(Text::Built(text.into()))
    }

    pub(super) fn list(list: Vec<Self>) -> Self {
        Self::List(List::Built(Arc::new(list)))
    }

    /// Returns an object without members.
    pub(super) fn object() -> Self {
        Self::Map(Map::Built(Arc::default()))
    }

    pub(super) fn some(self) -> Self {
        Self::Optional(Some(Arc::new(self)))
    }

    /// Returns the name of the type of the value.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null_type",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::UInt(_) => "uint",
            Self::Double(_) => "double",
            Self::Text(_) => "string",
            Self::Bytes(_) => "bytes",
            Self::List(_) => "list",
            Self::Map(_) => "map",
            Self::Optional(_) => "optional_type",
            Self::Type(_) => "type",
        }
    }

    pub(super) fn is_number(&self) -> bool {
        matches!(self, Self::Int(_) | Self::UInt(_) | Self::Double(_))
    }

    pub(super) fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text.as_str()),
            _ => None,
        }
    }

    /// Returns a whole number of 64 bits from any type of number.
    pub(super) fn as_whole(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            Self::UInt(number) => i64::try_from(*number).ok(),
            Self::Double(number) => whole(*number),
            _ => None,
        }
    }
}

impl Text<'_> {
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Borrowed(text) => text,
            Self::Built(text) => text,
        }
    }
}

impl<'a> List<'a> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Json(list) => list.len(),
            Self::Built(list) => list.len(),
        }
    }

    pub(super) fn get(&self, at: usize) -> Option<Val<'a>> {
        match self {
            Self::Json(list) => list.get(at).map(Val::of),
            Self::Built(list) => list.get(at).cloned(),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Val<'a>> + '_ {
        (0..self.len()).filter_map(|at| self.get(at))
    }
}

impl<'a> Map<'a> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Json(members) => members.len(),
            Self::Built(members) => members.len(),
        }
    }

    /// Returns the keys, in the order of the run's value, or sorted for a built map.
    pub(super) fn keys(&self) -> Vec<Val<'a>> {
        match self {
            Self::Json(members) => members.keys().map(|key| Val::borrowed(key)).collect(),
            Self::Built(members) => members.keys().map(Key::value).collect(),
        }
    }

    /// Returns the number of bytes that [`Map::keys`] copies.
    pub(super) fn copied_bytes(&self) -> usize {
        match self {
            Self::Json(_) => 0,
            Self::Built(members) => members.keys().map(Key::len).sum(),
        }
    }

    pub(super) fn entries(&self) -> Vec<(Key<'a>, Val<'a>)> {
        match self {
            Self::Json(members) => members
                .iter()
                .map(|(key, value)| (Key::Text(Cow::Borrowed(key.as_str())), Val::of(value)))
                .collect(),
            Self::Built(members) => {
                members.iter().map(|(key, value)| (key.clone(), value.clone())).collect()
            }
        }
    }

    pub(super) fn member(&self, name: &str) -> Option<Val<'a>> {
        match self {
            Self::Json(members) => members.get(name).map(Val::of),
            Self::Built(members) => members.get(&Key::Text(Cow::Borrowed(name))).cloned(),
        }
    }

    /// Returns the value at a key. As in CEL, equal numbers of different types are the same key.
    /// `Err` if the value cannot be a key.
    pub(super) fn get(&self, key: &Val<'_>) -> Result<Option<Val<'a>>, ()> {
        let candidates: [Option<Key<'_>>; 2] = match key {
            Val::Text(text) => return Ok(self.member(text.as_str())),
            Val::Bool(key) => [Some(Key::Bool(*key)), None],
            Val::Int(key) => [Some(Key::Int(*key)), u64::try_from(*key).ok().map(Key::UInt)],
            Val::UInt(key) => [Some(Key::UInt(*key)), i64::try_from(*key).ok().map(Key::Int)],
            Val::Double(key) => [whole(*key).map(Key::Int), whole_unsigned(*key).map(Key::UInt)],
            _ => return Err(()),
        };
        let Self::Built(members) = self else { return Ok(None) };
        Ok(candidates.iter().flatten().find_map(|key| members.get(key)).cloned())
    }
}

impl<'a> Key<'a> {
    pub(super) fn of(value: &Val<'a>) -> Option<Self> {
        Some(match value {
            Val::Int(key) => Self::Int(*key),
            Val::UInt(key) => Self::UInt(*key),
            Val::Bool(key) => Self::Bool(*key),
            Val::Text(Text::Borrowed(key)) => Self::Text(Cow::Borrowed(key)),
            Val::Text(Text::Built(key)) => Self::Text(Cow::Owned((**key).to_owned())),
            _ => return None,
        })
    }

    /// Returns the length of a text, or 0.
    pub(super) fn len(&self) -> usize {
        if let Self::Text(text) = self { text.len() } else { 0 }
    }

    pub(super) fn value(&self) -> Val<'a> {
        match self {
            Self::Int(key) => Val::Int(*key),
            Self::UInt(key) => Val::UInt(*key),
            Self::Bool(key) => Val::Bool(*key),
            Self::Text(Cow::Borrowed(key)) => Val::borrowed(key),
            Self::Text(Cow::Owned(key)) => Val::text(key.as_str()),
        }
    }
}

/// Returns the name of a type if expressions know it.
pub(super) fn known_type(name: &str) -> Option<&'static str> {
    const TYPES: [&str; 11] = [
        "int",
        "uint",
        "double",
        "bool",
        "string",
        "bytes",
        "list",
        "map",
        "null_type",
        "type",
        "optional_type",
    ];
    TYPES.into_iter().find(|known| *known == name)
}

/// Returns the integer that a double is equal to, if there is one.
#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "checked")]
pub(super) fn whole(number: f64) -> Option<i64> {
    // The bounds are -2^63 and 2^63, and the cast saturates at 2^63.
    let fits = number > i64::MIN as f64 && number < i64::MAX as f64;
    (fits && number.fract() == 0.0).then_some(number as i64)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "checked"
)]
fn whole_unsigned(number: f64) -> Option<u64> {
    let fits = number >= 0.0 && number < u64::MAX as f64;
    (fits && number.fract() == 0.0).then_some(number as u64)
}

/// Compares numbers of any types without rounding integers. `None` for a NaN or another type.
pub(super) fn compare_numbers(a: &Val<'_>, b: &Val<'_>) -> Option<Ordering> {
    match (integer(a), integer(b)) {
        (Some(a), Some(b)) => Some(a.cmp(&b)),
        (Some(a), None) => compare_mixed(a, double(b)?),
        (None, Some(b)) => compare_mixed(b, double(a)?).map(Ordering::reverse),
        (None, None) => double(a)?.partial_cmp(&double(b)?),
    }
}

pub(super) fn integer(value: &Val<'_>) -> Option<i128> {
    match value {
        Val::Int(number) => Some((*number).into()),
        Val::UInt(number) => Some((*number).into()),
        _ => None,
    }
}

fn double(value: &Val<'_>) -> Option<f64> {
    match value {
        Val::Double(number) => Some(*number),
        _ => None,
    }
}

fn compare_mixed(integer: i128, double: f64) -> Option<Ordering> {
    (!double.is_nan()).then(|| number::compare_mixed(integer, double))
}
