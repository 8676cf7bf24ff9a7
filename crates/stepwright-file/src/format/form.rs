//! The forms of values: each key of the format, as the JSON Schema of the format describes it.
//!
//! A table of keys stands beside the code that reads them. Tests compare the two, so a key that the
//! reader gains has to be described.

use serde_json::{Map, Value, json};

/// The form of a value.
pub(crate) enum Form {
    /// Any value. Texts in it that begin with `=` are expressions.
    Any,
    /// A text or a template.
    Text,
    /// A text that begins with `=`.
    Expression,
    Bool,
    Duration,
    /// Nothing, as in `parallel:`.
    Nothing,
    /// A whole number in a range.
    Whole(u64, u64),
    /// A number from 0 to the given one.
    Fraction(f64),
    /// One of some words.
    Words(fn() -> Vec<&'static str>),
    /// A list with a minimum and a maximum length.
    List(&'static Self, usize, usize),
    /// A mapping of any names to values of one form.
    Names(&'static Self),
    /// The same, in which some names map to values of other forms.
    NamesBut(&'static [Member], &'static Self),
    Mapping(&'static Mapping),
    Either(&'static [Self]),
    /// A step.
    Step,
    /// A tool of an agent.
    Tool,
    /// A form that the others cannot express.
    Schema(fn() -> Value),
}

/// A list of steps.
pub(crate) const STEPS: Form = Form::List(&Form::Step, 1, usize::MAX);

/// A mapping with known keys.
pub(crate) struct Mapping {
    /// The name of its definition in the schema.
    pub(crate) name: &'static str,
    /// The name of the mapping in messages.
    pub(crate) what: &'static str,
    pub(crate) members: &'static [Member],
    /// The sets of keys of which exactly one is required. None if no key is required.
    pub(crate) required: &'static [&'static [&'static str]],
}

/// A key of a mapping.
#[derive(Clone, Copy)]
pub(crate) struct Member {
    pub(crate) name: &'static str,
    pub(crate) form: &'static Form,
    /// The description that editors show.
    pub(crate) about: &'static str,
}

/// Describes a key.
pub(crate) const fn key(name: &'static str, form: &'static Form, about: &'static str) -> Member {
    Member { name, form, about }
}

/// Returns the words of a table of words.
pub(crate) fn words<T>(table: &[(&'static str, T)]) -> Vec<&'static str> {
    table.iter().map(|(word, _)| *word).collect()
}

/// The definitions that a schema refers to.
pub(crate) type Definitions = Map<String, Value>;

impl Form {
    /// Returns the schema of the form. Mappings are added to the definitions.
    pub(crate) fn schema(&self, all: &mut Definitions) -> Value {
        match self {
            Self::Any => json!({}),
            Self::Text => json!({"type": "string"}),
            Self::Expression => json!({"type": "string", "pattern": "^\\s*="}),
            Self::Bool => json!({"type": "boolean"}),
            Self::Duration => {
                let pattern = "^\\s*([0-9.]+(ms|s|sec|m|min|h|d)\\s*)+$";
                json!({"type": "string", "pattern": pattern, "examples": ["30s", "5m", "1h30m"]})
            }
            Self::Nothing => json!({"type": "null"}),
            Self::Whole(least, most) => {
                json!({"type": "integer", "minimum": least, "maximum": most})
            }
            Self::Fraction(most) => json!({"type": "number", "minimum": 0, "maximum": most}),
            Self::Words(words) => json!({"enum": words()}),
            Self::List(of, least, most) => {
                let mut schema = json!({"type": "array", "items": of.schema(all)});
                if *least > 0 {
                    schema["minItems"] = json!(least);
                }
                if *most < usize::MAX {
                    schema["maxItems"] = json!(most);
                }
                schema
            }
            Self::Names(of) => {
                json!({"type": "object", "additionalProperties": of.schema(all)})
            }
            Self::NamesBut(members, of) => json!({
                "type": "object",
                "properties": properties(members.iter(), all),
                "additionalProperties": of.schema(all),
            }),
            Self::Mapping(mapping) => mapping.reference(all),
            Self::Either(forms) => {
                let forms: Vec<Value> = forms.iter().map(|form| form.schema(all)).collect();
                json!({"anyOf": forms})
            }
            Self::Step => reference("step"),
            Self::Tool => reference("tool"),
            Self::Schema(schema) => schema(),
        }
    }
}

impl Mapping {
    /// Returns a reference to the definition of the mapping, and adds it.
    pub(crate) fn reference(&self, all: &mut Definitions) -> Value {
        if !all.contains_key(self.name) {
            // It may refer to itself.
            all.insert(self.name.to_owned(), Value::Null);
            let schema = self.schema(all);
            all.insert(self.name.to_owned(), schema);
        }
        reference(self.name)
    }

    pub(crate) fn schema(&self, all: &mut Definitions) -> Value {
        let mut schema = json!({
            "title": self.what.replace('`', ""),
            "type": "object",
            "properties": properties(self.members.iter(), all),
            "additionalProperties": false,
        });
        match self.required {
            [] => {}
            [required] => schema["required"] = json!(required),
            several => {
                let each: Vec<Value> =
                    several.iter().map(|required| json!({"required": required})).collect();
                schema["oneOf"] = each.into();
            }
        }
        schema
    }
}

/// Returns the schemas of members by name.
pub(crate) fn properties<'a>(
    members: impl Iterator<Item = &'a Member>,
    all: &mut Definitions,
) -> Value {
    let mut properties = Map::new();
    for Member { name, form, about } in members {
        let schema = form.schema(all);
        // Older drafts of JSON Schema ignore what stands beside a reference.
        let mut schema = match schema.get("$ref") {
            Some(_) => json!({"allOf": [schema]}),
            None => schema,
        };
        schema["description"] = json!(about);
        properties.insert((*name).to_owned(), schema);
    }
    properties.into()
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/definitions/{name}")})
}
