//! Checks the keywords of a schema: their values, and that each of them has an effect.

use super::{Mistake, Purpose, pattern};
use crate::budget::Budget;
use crate::suggest::{closest, did_you_mean, listed};
use serde_json::{Map, Value};
use std::collections::{HashMap, HashSet};
use stepwright_core::number;

/// The types of JSON Schema.
pub(super) const TYPES: [&str; 7] =
    ["array", "boolean", "integer", "null", "number", "object", "string"];

/// The formats that are checked.
pub(super) const FORMATS: [&str; 17] = [
    "date",
    "date-time",
    "duration",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "iri",
    "iri-reference",
    "json-pointer",
    "regex",
    "relative-json-pointer",
    "time",
    "uri",
    "uri-reference",
    "uri-template",
    "uuid",
];

/// The kind of value that a keyword has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Schema,
    /// A schema, or a list of schemas.
    Items,
    Schemas,
    Named,
    /// Names with lists of names or with schemas.
    Dependencies,
    Text,
    Names,
    NamesOfEach,
    Count,
    Number,
    Step,
    Boolean,
    Any,
    List,
    Type,
    Format,
    Pattern,
    Reference,
    Draft,
}

/// The keywords, the kind of their values, and the type of value that they restrict.
const KEYWORDS: [(&str, Shape, Option<&str>); 54] = [
    ("$anchor", Shape::Text, None),
    ("$comment", Shape::Text, None),
    ("$defs", Shape::Named, None),
    ("$id", Shape::Text, None),
    ("$ref", Shape::Reference, None),
    ("$schema", Shape::Draft, None),
    ("additionalItems", Shape::Schema, Some("array")),
    ("additionalProperties", Shape::Schema, Some("object")),
    ("allOf", Shape::Schemas, None),
    ("anyOf", Shape::Schemas, None),
    ("const", Shape::Any, None),
    ("contains", Shape::Schema, Some("array")),
    ("default", Shape::Any, None),
    ("definitions", Shape::Named, None),
    ("dependencies", Shape::Dependencies, Some("object")),
    ("dependentRequired", Shape::NamesOfEach, Some("object")),
    ("dependentSchemas", Shape::Named, Some("object")),
    ("deprecated", Shape::Boolean, None),
    ("description", Shape::Text, None),
    ("else", Shape::Schema, None),
    ("enum", Shape::List, None),
    ("examples", Shape::List, None),
    ("exclusiveMaximum", Shape::Number, Some("number")),
    ("exclusiveMinimum", Shape::Number, Some("number")),
    ("format", Shape::Format, Some("string")),
    ("if", Shape::Schema, None),
    ("items", Shape::Items, Some("array")),
    ("maxContains", Shape::Count, Some("array")),
    ("maxItems", Shape::Count, Some("array")),
    ("maxLength", Shape::Count, Some("string")),
    ("maxProperties", Shape::Count, Some("object")),
    ("maximum", Shape::Number, Some("number")),
    ("minContains", Shape::Count, Some("array")),
    ("minItems", Shape::Count, Some("array")),
    ("minLength", Shape::Count, Some("string")),
    ("minProperties", Shape::Count, Some("object")),
    ("minimum", Shape::Number, Some("number")),
    ("multipleOf", Shape::Step, Some("number")),
    ("not", Shape::Schema, None),
    ("oneOf", Shape::Schemas, None),
    ("pattern", Shape::Pattern, Some("string")),
    ("patternProperties", Shape::Named, Some("object")),
    ("prefixItems", Shape::Schemas, Some("array")),
    ("properties", Shape::Named, Some("object")),
    ("propertyNames", Shape::Schema, Some("object")),
    ("readOnly", Shape::Boolean, None),
    ("required", Shape::Names, Some("object")),
    ("then", Shape::Schema, None),
    ("title", Shape::Text, None),
    ("type", Shape::Type, None),
    ("unevaluatedItems", Shape::Schema, Some("array")),
    ("unevaluatedProperties", Shape::Schema, Some("object")),
    ("uniqueItems", Shape::Boolean, Some("array")),
    ("writeOnly", Shape::Boolean, None),
];

/// Also a word of JSON Schema or of a relative of it, which has no effect here, and the advice.
const ELSEWHERE: [(&str, &str); 13] = [
    ("$dynamicAnchor", "use `$defs` and `$ref: '#/$defs/name'`"),
    ("$dynamicRef", "use `$ref: '#/$defs/name'`"),
    ("$recursiveAnchor", "use `$ref: '#'`"),
    ("$recursiveRef", "use `$ref: '#'`"),
    ("$vocabulary", "leave it out"),
    (
        "contentEncoding",
        "leave it out, or tell it in `description`; `pattern` can check the letters",
    ),
    ("contentMediaType", "leave it out, or tell it in `description`"),
    ("contentSchema", "leave it out, or make the value an object with this schema"),
    ("divisibleBy", "write `multipleOf`"),
    ("example", "write `examples: […]`"),
    ("id", "write `$id`, or leave it out"),
    ("nullable", "write `type: [string, \"null\"]`"),
    ("optional", "leave it out: a property is optional unless `required` lists it"),
];

/// The keywords that need another one beside them, and what to do.
const NEEDS: [(&str, &[&str], &str); 6] = [
    ("then", &["if"], "write the condition under `if`"),
    ("else", &["if"], "write the condition under `if`"),
    ("if", &["then", "else"], "write what follows from it under `then` or `else`"),
    ("minContains", &["contains"], "write what is counted under `contains`"),
    ("maxContains", &["contains"], "write what is counted under `contains`"),
    ("additionalItems", &["items"], "write `items: […]` beside it, or `items: {…}` instead"),
];

/// The drafts of JSON Schema that a file may name.
const DRAFTS: [&str; 5] = [
    "https://json-schema.org/draft/2020-12/schema",
    "https://json-schema.org/draft/2019-09/schema",
    "http://json-schema.org/draft-07/schema",
    "http://json-schema.org/draft-06/schema",
    "http://json-schema.org/draft-04/schema",
];

/// The schemas in a schema.
pub(super) struct Places<'s> {
    /// The addresses of the schemas.
    pub(super) schemas: HashSet<usize>,
    pub(super) anchors: HashMap<&'s str, &'s Value>,
    references: Vec<(&'s str, &'s Value)>,
}

/// The address of a part of a schema, to recognise the part.
pub(super) fn address<T>(part: &T) -> usize {
    std::ptr::from_ref(part).addr()
}

/// The steps from the root of a schema to one of its parts.
type Path<'s> = Vec<std::borrow::Cow<'s, str>>;

fn pointer(path: &Path<'_>) -> String {
    path.iter().fold(String::new(), |pointer, name| {
        pointer + "/" + &name.replace('~', "~0").replace('/', "~1")
    })
}

/// Returns the place of a part as a JSON pointer. Places are not kept: names may be long.
pub(super) fn place_of(root: &Value, part: usize) -> String {
    fn find<'s>(here: &'s Value, part: usize, path: &mut Path<'s>) -> bool {
        if address(here) == part {
            return true;
        }
        let mut enter = |name: std::borrow::Cow<'s, str>, inner: &'s Value| {
            path.push(name);
            let found = find(inner, part, path);
            if !found {
                path.pop();
            }
            found
        };
        match here {
            Value::Object(members) => {
                members.iter().any(|(name, inner)| enter(name.as_str().into(), inner))
            }
            Value::Array(parts) => {
                parts.iter().enumerate().any(|(at, inner)| enter(at.to_string().into(), inner))
            }
            _ => false,
        }
    }
    let mut path = Path::new();
    find(root, part, &mut path);
    pointer(&path)
}

struct Walk<'s, 'b> {
    root: &'s Value,
    /// The limits of the regular expressions. `None` if they have been checked.
    budget: Option<&'b Budget<'b>>,
    purpose: Purpose,
    path: Path<'s>,
    places: Places<'s>,
}

/// Checks all keywords of a schema. Returns the places of its parts.
pub(super) fn walk<'s>(
    root: &'s Value,
    purpose: Purpose,
    budget: Option<&Budget<'_>>,
) -> Result<Places<'s>, Mistake> {
    let (schemas, anchors) = (HashSet::new(), HashMap::new());
    let places = Places { schemas, anchors, references: Vec::new() };
    let mut walk = Walk { root, budget, purpose, path: Vec::new(), places };
    walk.schema(root)?;
    for (target, reference) in &walk.places.references {
        if let Err((message, help)) = walk.places.resolve(root, target) {
            let pointer = place_of(root, address(*reference));
            return Err(Mistake { pointer, message, help });
        }
    }
    Ok(walk.places)
}

impl<'s> Places<'s> {
    /// Returns the schema that a reference leads to.
    pub(super) fn resolve(
        &self,
        root: &'s Value,
        target: &str,
    ) -> Result<&'s Value, (String, Option<String>)> {
        let id = root["$id"].as_str().filter(|id| !id.is_empty());
        let within = id.and_then(|id| target.strip_prefix(id.trim_end_matches('#')));
        let within = within.filter(|rest| rest.is_empty() || rest.starts_with('#'));
        let target = within.unwrap_or(target);
        let found = match target.strip_prefix('#') {
            Some("") => Some(root),
            Some(pointer) if pointer.starts_with('/') => root.pointer(pointer),
            Some(anchor) => self.anchors.get(anchor).copied(),
            None if target.is_empty() => Some(root),
            None => {
                let help = "copy it under `$defs` and write `$ref: '#/$defs/name'`".to_owned();
                return Err((format!("`{target}` is not in this schema"), Some(help)));
            }
        };
        match found {
            Some(schema) if self.schemas.contains(&address(schema)) => Ok(schema),
            Some(_) => Err((format!("`{target}` does not lead to a schema"), None)),
            None => {
                let mut known: Vec<String> = Vec::new();
                for group in ["$defs", "definitions"] {
                    let names = root[group].as_object().into_iter().flatten();
                    known.extend(names.map(|(name, _)| format!("#/{group}/{name}")));
                }
                let known: Vec<&str> = known.iter().map(String::as_str).collect();
                let help = did_you_mean(target, &known, "the schema defines");
                Err((format!("`{target}` is not in this schema"), help))
            }
        }
    }
}

impl<'s> Walk<'s, '_> {
    fn mistake<T>(
        &self,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Result<T, Mistake> {
        let help = Some(help.into()).filter(|help| !help.is_empty());
        Err(Mistake { pointer: pointer(&self.path), message: message.into(), help })
    }

    /// Checks a part at a step from here.
    fn inside(
        &mut self,
        name: impl Into<std::borrow::Cow<'s, str>>,
        check: impl FnOnce(&mut Self) -> Result<(), Mistake>,
    ) -> Result<(), Mistake> {
        self.path.push(name.into());
        check(self)?;
        self.path.pop();
        Ok(())
    }

    fn schema(&mut self, schema: &'s Value) -> Result<(), Mistake> {
        let Value::Object(members) = schema else {
            if schema.is_boolean() {
                self.places.schemas.insert(address(schema));
                return Ok(());
            }
            let message = format!("a schema is expected, and this is {}", what(schema));
            return self.mistake(message, "write an object such as `{type: string}`");
        };
        self.places.schemas.insert(address(schema));
        for (key, value) in members {
            self.inside(key, |walk| walk.keyword(schema, members, key, value))?;
        }
        Ok(())
    }

    fn keyword(
        &mut self,
        schema: &'s Value,
        members: &'s Map<String, Value>,
        key: &'s str,
        value: &'s Value,
    ) -> Result<(), Mistake> {
        // Keywords that begin with `x-` are for other programs.
        if key.starts_with("x-") {
            return Ok(());
        }
        let Some((_, shape, of)) = KEYWORDS.iter().find(|(known, ..)| *known == key) else {
            let message = format!("the keyword `{}` has no effect", pattern::excerpt(key));
            let known = KEYWORDS.iter().map(|(known, ..)| *known);
            let elsewhere = ELSEWHERE.iter().find(|(word, _)| *word == key);
            let guess = || {
                let meant = closest(key, known);
                meant.map_or("leave it out".to_owned(), |meant| format!("did you mean `{meant}`?"))
            };
            let help = elsewhere.map_or_else(guess, |(_, help)| (*help).to_owned());
            return self.mistake(message, help);
        };
        self.shape(key, *shape, value)?;
        if let Some(of) = of {
            self.of_type(members, key, of)?;
        }
        for (keyword, beside, help) in NEEDS {
            if keyword == key && !beside.iter().any(|beside| members.contains_key(*beside)) {
                let beside = listed(beside).replace(" and ", " or ");
                let message = format!("the keyword `{key}` has no effect without {beside}");
                return self.mistake(message, help);
            }
        }
        match (key, value) {
            ("additionalItems", _) if !members["items"].is_array() => {
                let message = "the keyword `additionalItems` has no effect beside one schema for \
                               all `items`";
                self.mistake(message, "leave it out")
            }
            ("prefixItems", _) if members.get("items").is_some_and(Value::is_array) => {
                self.mistake("`prefixItems` and a list of `items` say the same", "keep one of them")
            }
            ("$id" | "$schema", _) if address(schema) != address(self.root) => {
                let message = format!("the keyword `{key}` has no effect within a schema");
                self.mistake(
                    message,
                    "leave it out, and refer to this part by `$anchor` or its place",
                )
            }
            ("$anchor", Value::String(anchor)) => {
                match self.places.anchors.insert(anchor, schema) {
                    Some(_) => self.mistake(format!("there are two anchors `{anchor}`"), ""),
                    None => Ok(()),
                }
            }
            ("$ref", Value::String(target)) => {
                self.places.references.push((target, value));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Checks that a keyword restricts one of the types that the schema allows.
    fn of_type(&self, members: &Map<String, Value>, key: &str, of: &str) -> Result<(), Mistake> {
        let types: Vec<&str> = match members.get("type") {
            Some(Value::String(only)) => vec![only],
            Some(Value::Array(types)) => types.iter().filter_map(Value::as_str).collect(),
            _ => return Ok(()),
        };
        let is_of = |allowed: &&str| *allowed == of || (of == "number" && *allowed == "integer");
        if types.iter().any(is_of) || types.iter().any(|name| !TYPES.contains(name)) {
            return Ok(());
        }
        let message = format!("the keyword `{key}` has no effect on {}", listed(&types));
        self.mistake(message, format!("it is for `type: {of}`"))
    }

    fn shape(&mut self, key: &str, shape: Shape, value: &'s Value) -> Result<(), Mistake> {
        let is_count = |value: &Value| {
            value.as_number().is_some_and(|number| {
                number::is_integer(number) && !number.to_string().starts_with('-')
            })
        };
        let wrong = |walk: &Self, wanted: &str, help: &str| {
            walk.mistake(format!("`{key}` is {wanted}, and this is {}", what(value)), help)
        };
        match (shape, value) {
            (Shape::Any, _)
            | (Shape::Text | Shape::Reference, Value::String(_))
            | (Shape::Boolean, Value::Bool(_))
            | (Shape::Number, Value::Number(_)) => Ok(()),
            (Shape::Schema, schema) => self.schema(schema),
            (Shape::Schemas | Shape::Items, Value::Array(schemas)) => {
                if schemas.is_empty() {
                    return self.mistake(format!("`{key}` is empty"), "list at least one schema");
                }
                for (at, schema) in schemas.iter().enumerate() {
                    self.inside(at.to_string(), |walk| walk.schema(schema))?;
                }
                Ok(())
            }
            (Shape::Items, schema) => self.schema(schema),
            (Shape::Schemas, _) => wrong(self, "a list of schemas", "write `[{…}, {…}]`"),
            (Shape::Named, Value::Object(schemas)) => {
                for (name, schema) in schemas {
                    if key == "patternProperties" {
                        self.inside(name.as_str(), |walk| walk.pattern(name))?;
                    }
                    self.inside(name.as_str(), |walk| walk.schema(schema))?;
                }
                Ok(())
            }
            (Shape::Named, _) => {
                wrong(self, "an object of schemas", &format!("write `{key}: {{name: {{…}}}}`"))
            }
            (Shape::Dependencies, Value::Object(of)) => {
                for (name, value) in of {
                    self.inside(name.as_str(), |walk| match value {
                        Value::Array(_) => walk.shape(key, Shape::Names, value),
                        schema => walk.schema(schema),
                    })?;
                }
                Ok(())
            }
            (Shape::NamesOfEach, Value::Object(of)) => {
                for (name, names) in of {
                    self.inside(name.as_str(), |walk| walk.shape(key, Shape::Names, names))?;
                }
                Ok(())
            }
            (Shape::Dependencies | Shape::NamesOfEach, _) => {
                wrong(self, "an object", &format!("write `{key}: {{name: [other]}}`"))
            }
            (Shape::Names, Value::Array(names)) => {
                let mut seen = HashSet::new();
                for (at, name) in names.iter().enumerate() {
                    self.inside(at.to_string(), |walk| match name {
                        Value::String(name) if seen.insert(name) => Ok(()),
                        Value::String(name) => {
                            walk.mistake(format!("`{key}` lists `{name}` twice"), "")
                        }
                        other => {
                            let message =
                                format!("a name is expected, and this is {}", what(other));
                            walk.mistake(message, "")
                        }
                    })?;
                }
                Ok(())
            }
            (Shape::Names, Value::Bool(_)) => {
                let help = "list the names in the object around: `required: [name]`";
                wrong(self, "a list of names", help)
            }
            (Shape::Names, _) => wrong(self, "a list of names", &format!("write `{key}: [name]`")),
            (Shape::Count, count) if is_count(count) => Ok(()),
            (Shape::Count, Value::Number(number)) => {
                self.mistake(format!("`{key}` is a whole number from 0, and not {number}"), "")
            }
            (Shape::Count, _) => wrong(self, "a whole number", ""),
            (Shape::Number, Value::Bool(_)) => {
                wrong(self, "a number", &format!("write `{key}: 0` without `minimum` or `maximum`"))
            }
            (Shape::Step, Value::Number(number)) => {
                if number.as_f64().is_some_and(|number| number > 0.0) {
                    return Ok(());
                }
                self.mistake(format!("`{key}` must be greater than zero, and not {number}"), "")
            }
            (Shape::Number | Shape::Step, _) => wrong(self, "a number", ""),
            (Shape::List, Value::Array(list)) => {
                if list.is_empty() && key == "enum" {
                    return self.mistake("`enum` allows no value", "list what is allowed");
                }
                Ok(())
            }
            (Shape::List, _) => wrong(self, "a list", &format!("write `{key}: […]`")),
            (Shape::Type, Value::String(name)) => self.named_type(name),
            (Shape::Type, Value::Array(names)) if !names.is_empty() => {
                for (at, name) in names.iter().enumerate() {
                    self.inside(at.to_string(), |walk| match name {
                        Value::String(name) => walk.named_type(name),
                        Value::Null => {
                            let message = "a type is a text, and this is nothing";
                            walk.mistake(message, "put it in quotes: `\"null\"`")
                        }
                        other => walk
                            .mistake(format!("a type is a text, and this is {}", what(other)), ""),
                    })?;
                }
                Ok(())
            }
            (Shape::Type, Value::Null) => {
                wrong(self, "a text or a list of texts", "put it in quotes: `\"null\"`")
            }
            (Shape::Type, _) => wrong(self, "a text or a list of texts", "write `type: string`"),
            (Shape::Format, Value::String(format)) => {
                if FORMATS.contains(&format.as_str()) || self.purpose == Purpose::Form {
                    return Ok(());
                }
                let message = format!("there is no format `{format}` that is checked");
                let help = did_you_mean(format, &FORMATS, "formats are");
                self.mistake(message, help.unwrap_or_default())
            }
            (Shape::Pattern, Value::String(pattern)) => self.pattern(pattern),
            (Shape::Draft, Value::String(draft)) => {
                let draft = draft.trim_end_matches('#');
                let name = |draft: &str| draft.split_once("://").map(|(_, name)| name.to_owned());
                if DRAFTS.iter().any(|known| name(known) == name(draft)) {
                    return Ok(());
                }
                let message = format!("there is no draft `{draft}` that is known here");
                self.mistake(message, format!("leave it out, or write `$schema: {}`", DRAFTS[0]))
            }
            (Shape::Text | Shape::Reference | Shape::Format | Shape::Pattern | Shape::Draft, _) => {
                wrong(self, "a text", "")
            }
            (Shape::Boolean, _) => wrong(self, "true or false", ""),
        }
    }

    fn pattern(&self, text: &str) -> Result<(), Mistake> {
        let Some(budget) = self.budget else { return Ok(()) };
        match pattern::check(text, budget) {
            Ok(()) => Ok(()),
            Err(why) => self.mistake(
                format!("`{}` is not a regular expression: {why}", pattern::excerpt(text)),
                "",
            ),
        }
    }

    fn named_type(&self, name: &str) -> Result<(), Mistake> {
        if TYPES.contains(&name) {
            return Ok(());
        }
        let help = did_you_mean(name, &TYPES, "types are").unwrap_or_default();
        self.mistake(format!("there is no type `{name}`"), help)
    }
}

/// Names the kind of a value, with an article.
pub(super) fn what(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
