//! Events as JSON.
//!
//! In Rust all containers share two kinds of events. In JSON each container has kinds of its own,
//! with Agno's names where Agno has the event: this file translates by the table of containers.

use super::kind::{TAGGED, Tagged};
use super::{End, EventKind};
use crate::container::{ContainerKind, Decision, Ends, Starts, Turns};
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeOwned, DeserializeSeed, Error as _, IntoDeserializer, MapAccess};
use serde::ser::{Error as _, SerializeMap};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::{Map, Value};
use std::borrow::Cow;
use std::fmt;

/// The field with the name of the kind.
const TAG: &str = "event";

impl Serialize for EventKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::ContainerStarted { kind, decision } => {
                let mut map = serializer.serialize_map(None)?;
                map.serialize_entry(TAG, kind.started())?;
                write_start(&mut map, *kind, decision)?;
                map.end()
            }
            Self::ContainerCompleted { kind, turns, end } => {
                let mut map = serializer.serialize_map(None)?;
                map.serialize_entry(TAG, kind.completed())?;
                write_end(&mut map, kind.row().ends, *turns, end)?;
                map.end()
            }
            other => Tagged::serialize(other, serializer),
        }
    }
}

fn write_start<M: SerializeMap>(
    map: &mut M,
    kind: ContainerKind,
    decision: &Decision,
) -> Result<(), M::Error> {
    match (kind.row().starts, decision) {
        (Starts::Count(field), Decision::Count(count))
        | (Starts::AtMost(field), Decision::AtMost(count)) => map.serialize_entry(field, count),
        (Starts::Turn(field, most), Decision::Turn { number, at_most })
            if most.is_some() == at_most.is_some() =>
        {
            map.serialize_entry(field, number)?;
            most.zip(*at_most).map_or(Ok(()), |(most, at_most)| map.serialize_entry(most, &at_most))
        }
        (Starts::Holds(field, way), Decision::Holds { holds, branch }) => {
            map.serialize_entry(field, holds)?;
            match branch {
                Some(branch) => map.serialize_entry(way, branch),
                None => Ok(()),
            }
        }
        (Starts::Names(field), Decision::Names(names)) => map.serialize_entry(field, names),
        (Starts::Items(field, most), Decision::Items { items, concurrency }) => {
            map.serialize_entry(field, items)?;
            map.serialize_entry(most, concurrency)
        }
        _ => Err(M::Error::custom(format_args!("`{kind}` does not start with {decision:?}"))),
    }
}

fn write_end<M: SerializeMap>(
    map: &mut M,
    fields: Ends,
    turns: Turns,
    end: &End,
) -> Result<(), M::Error> {
    if let Some(field) = fields.number {
        map.serialize_entry(field, &turns.number)?;
    }
    if fields.should_continue {
        map.serialize_entry("should_continue", &turns.should_continue)?;
    }
    if fields.exhausted && turns.exhausted {
        map.serialize_entry("exhausted", &true)?;
    }
    let End { status, error } = end;
    map.serialize_entry("status", status)?;
    match error {
        Some(error) => map.serialize_entry("error", error),
        None => Ok(()),
    }
}

impl<'de> Deserialize<'de> for EventKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Reading)
    }
}

struct Reading;

enum Field {
    Tag,
    Other(String),
}

/// The name of an event.
enum Name {
    Started(ContainerKind),
    Completed(ContainerKind),
    Tagged(Cow<'static, str>),
}

/// Implements `Deserialize` for a text of which the known values need no copy.
macro_rules! from_text {
    ($name:ident, $text:ident => $value:expr) => {
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;
                impl de::Visitor<'_> for Text {
                    type Value = $name;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("a string")
                    }

                    fn visit_str<E: de::Error>(self, $text: &str) -> Result<$name, E> {
                        Ok($value)
                    }
                }
                deserializer.deserialize_str(Text)
            }
        }
    };
}
from_text!(Field, text => if text == TAG { Field::Tag } else { Field::Other(text.to_owned()) });
from_text!(Name, text => Name::of(text));

impl Name {
    fn of(text: &str) -> Self {
        for kind in ContainerKind::ALL {
            match text {
                started if started == kind.started() => return Self::Started(*kind),
                completed if completed == kind.completed() => return Self::Completed(*kind),
                _ => {}
            }
        }
        let known = TAGGED.iter().copied().find(|known| *known == text);
        Self::Tagged(known.map_or_else(|| Cow::Owned(text.to_owned()), Cow::Borrowed))
    }
}

impl<'de> de::Visitor<'de> for Reading {
    type Value = EventKind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<EventKind, A::Error> {
        // Programs write the name first. A store may have put the fields into another order.
        let mut before = Map::new();
        let name = loop {
            match map.next_key()? {
                Some(Field::Tag) => break map.next_value()?,
                Some(Field::Other(field)) => {
                    before.insert(field, map.next_value()?);
                }
                None => return Err(A::Error::missing_field(TAG)),
            }
        };
        let (kind, ends) = match name {
            Name::Started(kind) => (kind, false),
            Name::Completed(kind) => (kind, true),
            Name::Tagged(name) => {
                let whole =
                    Whole { name: Some(name), value: None, before: before.into_iter(), map };
                return Tagged::deserialize(MapAccessDeserializer::new(whole));
            }
        };
        let mut fields = before;
        while let Some(field) = map.next_key()? {
            match field {
                Field::Tag => return Err(A::Error::duplicate_field(TAG)),
                Field::Other(field) => fields.insert(field, map.next_value()?),
            };
        }
        if !ends {
            let decision = read_start(kind.row().starts, &mut fields)?;
            return Ok(EventKind::ContainerStarted { kind, decision });
        }
        let turns = read_turns(kind.row().ends, &mut fields)?;
        let end = serde_json::from_value(Value::Object(fields)).map_err(A::Error::custom)?;
        Ok(EventKind::ContainerCompleted { kind, turns, end })
    }
}

fn read_start<E: de::Error>(
    starts: Starts,
    fields: &mut Map<String, Value>,
) -> Result<Decision, E> {
    Ok(match starts {
        Starts::Count(field) => Decision::Count(required(fields, field)?),
        Starts::AtMost(field) => Decision::AtMost(required(fields, field)?),
        Starts::Turn(field, most) => Decision::Turn {
            number: required(fields, field)?,
            at_most: most.map(|most| required(fields, most)).transpose()?,
        },
        Starts::Holds(field, way) => {
            Decision::Holds { holds: optional(fields, field)?, branch: optional(fields, way)? }
        }
        Starts::Names(field) => Decision::Names(required(fields, field)?),
        Starts::Items(field, most) => Decision::Items {
            items: required(fields, field)?,
            concurrency: required(fields, most)?,
        },
    })
}

fn read_turns<E: de::Error>(ends: Ends, fields: &mut Map<String, Value>) -> Result<Turns, E> {
    let number = ends.number.map(|field| required(fields, field)).transpose()?;
    let should_continue =
        if ends.should_continue { required(fields, "should_continue")? } else { false };
    let exhausted = if ends.exhausted { fields.remove("exhausted") } else { None };
    let exhausted = exhausted.map(read).transpose()?.unwrap_or_default();
    Ok(Turns { number: number.unwrap_or_default(), should_continue, exhausted })
}

fn required<T: DeserializeOwned, E: de::Error>(
    fields: &mut Map<String, Value>,
    field: &'static str,
) -> Result<T, E> {
    read(fields.remove(field).ok_or_else(|| E::missing_field(field))?)
}

/// Takes a field that may be missing or `null`.
fn optional<T: DeserializeOwned, E: de::Error>(
    fields: &mut Map<String, Value>,
    field: &str,
) -> Result<Option<T>, E> {
    fields.remove(field).map_or(Ok(None), read)
}

fn read<T: DeserializeOwned, E: de::Error>(value: Value) -> Result<T, E> {
    T::deserialize(value).map_err(E::custom)
}

/// The whole of an object of which the beginning has been read: its name first, then what stood
/// before the name, then the rest.
struct Whole<A> {
    name: Option<Cow<'static, str>>,
    value: Option<Next>,
    before: serde_json::map::IntoIter,
    map: A,
}

enum Next {
    Name(Cow<'static, str>),
    Before(Value),
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Whole<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        if let Some(name) = self.name.take() {
            self.value = Some(Next::Name(name));
            return seed.deserialize(TAG.into_deserializer()).map(Some);
        }
        match self.before.next() {
            Some((field, value)) => {
                self.value = Some(Next::Before(value));
                seed.deserialize(field.into_deserializer()).map(Some)
            }
            None => self.map.next_key_seed(seed),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        match self.value.take() {
            Some(Next::Name(name)) => seed.deserialize(name.into_deserializer()),
            Some(Next::Before(value)) => seed.deserialize(value).map_err(A::Error::custom),
            None => self.map.next_value_seed(seed),
        }
    }
}
