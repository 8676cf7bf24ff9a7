//! A YAML or JSON document with the places of all its values.
//!
//! Deriving `Deserialize` for the format itself would stop at the first mistake. A tree with places
//! makes it possible to find all of them.

use crate::diagnostic::Diagnostic;
use crate::source::{Source, Span};
use granit_parser::{Event, Parser};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::{DuplicateKeyPolicy, NonFiniteFloatPolicy, Spanned};
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use stepwright_core::ErrorId;
use stepwright_core::number::{self, Inexact};

/// The maximum depth of a document.
const DEPTH_MAX: usize = 100;

/// A value and its place.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) span: Span,
    pub(crate) value: Yaml,
}

/// A key of a mapping and its place.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    pub(crate) name: String,
    pub(crate) span: Span,
}

#[derive(Clone, Debug)]
pub(crate) enum Yaml {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    /// The members as written. A key may occur twice.
    Map(Vec<(Key, Node)>),
}

impl Yaml {
    /// Returns the kind of value, with an article.
    pub(crate) fn what(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Bool(_) => "true or false",
            Self::Number(_) => "a number",
            Self::Text(_) => "a text",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }

    pub(crate) fn to_json(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(*value),
            Self::Number(value) => Value::Number(value.clone()),
            Self::Text(text) => Value::String(text.clone()),
            Self::List(list) => list.iter().map(|node| node.value.to_json()).collect(),
            Self::Map(map) => {
                let members =
                    map.iter().map(|(key, node)| (key.name.clone(), node.value.to_json()));
                Value::Object(members.collect::<Map<_, _>>())
            }
        }
    }
}

impl Node {
    /// Returns a name that a mapping in this value has twice.
    pub(crate) fn name_twice(&self) -> Option<&str> {
        match &self.value {
            Yaml::List(list) => list.iter().find_map(Self::name_twice),
            Yaml::Map(map) => {
                let mut names = HashSet::new();
                let twice = map.iter().find(|(key, _)| !names.insert(&*key.name));
                let twice = twice.map(|(key, _)| &*key.name);
                twice.or_else(|| map.iter().find_map(|(_, node)| node.name_twice()))
            }
            _ => None,
        }
    }

    /// Returns the node at a JSON pointer such as `/properties/folder`, or its last existing
    /// ancestor.
    pub(crate) fn at_pointer(&self, pointer: &str) -> &Self {
        let mut node = self;
        for segment in pointer.split('/').skip(1) {
            let segment = segment.replace("~1", "/").replace("~0", "~");
            let next = match &node.value {
                Yaml::Map(map) => map.iter().find(|(key, _)| key.name == segment).map(|(_, n)| n),
                Yaml::List(list) => segment.parse().ok().and_then(|at: usize| list.get(at)),
                _ => None,
            };
            match next {
                Some(next) => node = next,
                None => break,
            }
        }
        node
    }
}

/// Parses a document. JSON is a subset of YAML, so this also parses JSON files.
pub(crate) fn read(source: &Arc<Source>) -> Result<Node, Box<Diagnostic>> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_depth: DEPTH_MAX },
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        // Duplicates are reported later, with both places.
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        // Refused here, with the place.
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        with_snippet: false,
        emit_comments: false,
    };
    let read = serde_saphyr::from_str_with_options::<Spanned<Raw>>(&source.text, options);
    let node = read
        .map(|raw| place(source, raw))
        .map_err(|error| Box::new(syntax_mistake(source, &error)))?;
    if let Some((tag, start)) = unknown_tag(&source.text) {
        let (span, what) = (Span::new(start, 0), format!("the tag `{tag}` is not known"));
        let mistake = Diagnostic::new(ErrorId::SYNTAX_INVALID, source, span, what);
        return Err(Box::new(mistake.help("write the value itself, or a text in quotes")));
    }
    match inexact_number(source, &node) {
        None => Ok(node),
        Some((span, why)) => {
            let kind = if why == Inexact::Integer { "integer" } else { "number" };
            let what = format!("the {kind} {} {why}", source.slice(span));
            let mistake = Diagnostic::new(ErrorId::KEY_INVALID, source, span, what);
            Err(Box::new(mistake.help(why.help())))
        }
    }
}

/// Returns the first tag that has no effect, with the place of its value. `serde-saphyr` passes
/// over tags, and its places do not include them.
fn unknown_tag(text: &str) -> Option<(String, usize)> {
    if !text.contains('!') {
        return None;
    }
    Parser::new_from_str(text).map_while(Result::ok).find_map(|(event, place)| {
        let (Event::Scalar(_, _, _, tag)
        | Event::SequenceStart(_, _, tag)
        | Event::MappingStart(_, _, tag)) = event
        else {
            return None;
        };
        let tag = tag.filter(|tag| !tag.is_yaml_core_schema() && !tag.suffix().is_empty())?;
        Some((tag.original(), place.start.byte_offset().unwrap_or_default()))
    })
}

/// The first number that the parser has changed, with its place.
fn inexact_number(source: &Source, node: &Node) -> Option<(Span, Inexact)> {
    match &node.value {
        Yaml::Number(number) if number.is_f64() => {
            let mut text = &source.text[node.span.start..];
            // A tag or the name of an anchor may stand before the number.
            while let Some(rest) = text.strip_prefix(['!', '&']) {
                let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
                text = rest[end..].trim_start();
            }
            let start = source.text.len() - text.len();
            let end = text.find(|c: char| !c.is_ascii_digit() && !"+-.eE".contains(c));
            let text = &text[..end.unwrap_or(text.len())];
            // With a tag, an integer is a double too.
            let checked = number::check_literal(text).and_then(|()| number::check_double(text));
            checked.err().map(|why| (Span::new(start, text.len()), why))
        }
        Yaml::List(list) => list.iter().find_map(|node| inexact_number(source, node)),
        Yaml::Map(map) => map.iter().find_map(|(_, node)| inexact_number(source, node)),
        _ => None,
    }
}

fn syntax_mistake(source: &Arc<Source>, error: &serde_saphyr::Error) -> Diagnostic {
    let location = error.location();
    let (line, column) = location.map_or((1, 1), |l| (as_usize(l.line()), as_usize(l.column())));
    let start = source.offset(line, column);
    let here = source.slice(source.line(line));
    let message = error.without_snippet().to_string();
    let what = if message.contains("Depth {") || message.contains("recursion limit") {
        format!("it is nested deeper than {DEPTH_MAX}")
    } else {
        plain_syntax(&message).to_owned()
    };
    let len = source.text[start..].chars().next().filter(|c| *c != '\n').map_or(0, char::len_utf8);
    let value = here.split_once(": ").map_or(here, |(_, value)| value).trim_start();
    let is_braces = value.trim_start_matches("- ").starts_with("{{");
    let what = if is_braces { "a text that begins with `{{` needs quotes".into() } else { what };
    let (span, text) = (Span::new(start, len), format!("not valid YAML: {what}"));
    let mistake = Diagnostic::new(ErrorId::SYNTAX_INVALID, source, span, text);
    if what == MANY_DOCUMENTS {
        mistake.help("a file has one workflow: remove the `---` line, or make two files")
    } else if what == MANY_ALIASES {
        mistake.help("write less with aliases, or make a list in a `value` step")
    } else if what == NOT_FINITE {
        mistake.help("write it as a text, in quotes")
    } else if is_braces {
        mistake.help("put a text that begins with `{{` in quotes: `\"{{ … }}\"`")
    } else if here.starts_with('\t') || here.trim_start_matches(' ').starts_with('\t') {
        mistake.help("indent with spaces, not with tabs")
    } else if message.contains("nchor") {
        mistake.help("`&name` before a value makes the anchor that `*name` stands for")
    } else if message.contains("':'") || here.matches(": ").count() > 1 {
        mistake.help("put a text that contains `: ` in quotes, or write it as a block after `|`")
    } else {
        mistake
    }
}

/// The mistake of a number that a double cannot hold.
const NOT_FINITE: &str = "a number must be finite";

/// The mistake of a file with several documents.
const MANY_DOCUMENTS: &str = "there is more than one document";

/// The mistake of a file whose aliases stand for too much.
const MANY_ALIASES: &str = "the aliases (`*name`) of this file make more than 250 000 values";

/// Returns the parser's message in plain words.
fn plain_syntax(message: &str) -> &'static str {
    const KNOWN: [(&str, &str); 37] = [
        // Messages of this module.
        (NOT_FINITE, NOT_FINITE),
        ("the number is too large", "a number does not fit into 64 bits"),
        ("binary data", "binary data has no place here"),
        // Messages of the parser.
        ("multiple documents", MANY_DOCUMENTS),
        ("multiple yaml documents", MANY_DOCUMENTS),
        ("nodes {", MANY_ALIASES),
        ("string scalar", "a key must be a text"),
        ("'-'", "the indentation does not match that of the list"),
        ("bracket '['", "a `[` is not closed"),
        ("bracket '{'", "a `{` is not closed"),
        ("mapping values", "`:` is not expected here"),
        ("':'", "`:` is missing or not expected here"),
        ("unknown anchor", "there is no anchor of this name"),
        ("nchor", "an anchor (`&name`) is not expected here"),
        ("lias", "its aliases (`*name`) are not valid, or stand for too much"),
        ("udget", "its parts, or what its aliases stand for, are too many"),
        ("tab", "a tab is not allowed here"),
        ("expected ','", "a `,` or a closing bracket is missing"),
        ("',' or", "a `,` or a closing bracket is missing"),
        ("flow sequence", "a list in `[…]` is not complete"),
        ("flow mapping", "a mapping in `{…}` is not complete"),
        ("quoted scalar", "a text in quotes is not closed, or not valid"),
        ("quote", "a text in quotes is not closed, or not valid"),
        ("escape", "a text in quotes has an escape that is not known"),
        ("block scalar", "a block of text after `|` or `>` is not valid"),
        ("block entry", "`-` is not expected here"),
        ("block sequence", "the indentation does not match that of the list"),
        ("expected key", "the indentation does not match that of the mapping"),
        ("simple key", "a key needs a `:` after it"),
        ("block mapping", "the indentation does not match that of the mapping"),
        ("indent", "the indentation is not valid"),
        ("directive", "a directive (`%…`) is not expected here"),
        ("document", "a document is not expected to begin or end here"),
        ("tag", "a tag (`!…`) is not valid here"),
        ("ontrol character", "there is a character that is not allowed"),
        ("invalid UTF-8", "it is not UTF-8 text"),
        ("end of", "it ends too early"),
    ];
    let lower = message.to_lowercase();
    let known = KNOWN.iter().find(|(words, _)| message.contains(words) || lower.contains(words));
    known.map_or("this is not expected here", |(_, plain)| plain)
}

fn as_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

enum Raw {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Spanned<Self>>),
    Map(Vec<(Spanned<String>, Spanned<Self>)>),
}

fn place(source: &Source, raw: Spanned<Raw>) -> Node {
    let mut span = span_of(source, &raw.referenced);
    let value = match raw.value {
        Raw::Null => Yaml::Null,
        Raw::Bool(value) => Yaml::Bool(value),
        Raw::Number(value) => Yaml::Number(value),
        Raw::Text(text) => Yaml::Text(text),
        Raw::List(list) => Yaml::List(list.into_iter().map(|node| place(source, node)).collect()),
        Raw::Map(map) => {
            let mut members = Vec::with_capacity(map.len());
            for (key, node) in map {
                let key = Key { span: span_of(source, &key.referenced), name: key.value };
                members.push((key, place(source, node)));
            }
            // The parser gives a block mapping no width, so use its first key.
            if let Some((key, _)) = members.first().filter(|_| span.len == 0) {
                span = key.span;
            }
            Yaml::Map(members)
        }
    };
    Node { span, value }
}

fn span_of(source: &Source, location: &serde_saphyr::Location) -> Span {
    let span = location.span();
    let span = if let (Some(start), Some(len)) = (span.byte_offset(), span.byte_len()) {
        Span::new(as_usize(start), as_usize(len))
    } else {
        let at = source.offset(as_usize(location.line()), as_usize(location.column()));
        Span::new(at, 0)
    };
    // The span of a block text extends to the next key.
    Span::new(span.start, source.slice(span).trim_end().len())
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Raw, E> {
        let number = Number::from_f64(value);
        number.map(Raw::Number).ok_or_else(|| E::custom(NOT_FINITE))
    }

    fn visit_i128<E: serde::de::Error>(self, _: i128) -> Result<Raw, E> {
        Err(E::custom("the number is too large"))
    }

    fn visit_u128<E: serde::de::Error>(self, _: u128) -> Result<Raw, E> {
        Err(E::custom("the number is too large"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Raw, E> {
        Ok(Raw::Text(value))
    }

    fn visit_bytes<E: serde::de::Error>(self, _: &[u8]) -> Result<Raw, E> {
        Err(E::custom("binary data has no place here"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut list = Vec::new();
        while let Some(node) = access.next_element()? {
            list.push(node);
        }
        Ok(Raw::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = access.next_entry()? {
            map.push(entry);
        }
        Ok(Raw::Map(map))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, _: D) -> Result<Raw, D::Error> {
        Err(D::Error::custom("a value was expected"))
    }
}
