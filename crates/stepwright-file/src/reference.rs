//! The references of expressions and templates, and their values.

use crate::declared::Declared;
use crate::source::Span;
use serde::{Serialize, Serializer};
use serde_json::{Map, Number, Value};
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;
use stepwright_core::budget::BudgetLeft;
use stepwright_core::scope::LoopOutcome;
use stepwright_core::{Content, FailureInfo, StepInput};

/// The first words of references.
pub(crate) const ROOTS: [&str; 19] = [
    "input",
    "previous",
    "content",
    "steps",
    "last",
    "loops",
    "state",
    "item",
    "index",
    "iteration",
    "user_input",
    "feedback",
    "rejected",
    "error",
    "vars",
    "env",
    "secrets",
    "now",
    "budget",
];

/// The names after the root `budget`.
pub(crate) const BUDGET: [&str; 5] = ["tokens", "usd", "time", "model_calls", "tool_calls"];

/// A reference such as `steps.sources.text`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) root: String,
    /// The names after the root, as far as they are constant.
    pub(crate) path: Vec<String>,
    /// The place in the text of the expression or template.
    pub(crate) span: Span,
    /// The care that the text takes of a value that is not there.
    pub(crate) care: Care,
}

impl Reference {
    /// Returns `true` if `other` is the same value or a part of it.
    pub(crate) fn contains(&self, other: &Self) -> bool {
        self.root == other.root && other.path.starts_with(&self.path)
    }
}

/// The care that a text takes of a value that is not there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Care {
    #[default]
    None,
    /// It looks at the whole too, as in `"n" in state` or `steps.a != null`.
    Whole,
    /// It says what to do then, as in `has(state.n)` or `state.n | default(0)`.
    Optional,
}

/// Extends the care that a text takes of a value to its other references to the same value and to
/// parts of it, as in `has(state.n) ? state.n : 0`.
pub(crate) fn take_care(references: &mut [Reference]) {
    let mut cares: HashMap<(String, Vec<String>), Care> = HashMap::new();
    for reference in references.iter() {
        let care = cares.entry((reference.root.clone(), reference.path.clone())).or_default();
        *care = (*care).max(reference.care);
    }
    for reference in references {
        let mut place = (reference.root.clone(), reference.path.clone());
        loop {
            let is_shorter = place.1.len() < reference.path.len();
            if let Some(care) = cares.get(&place) {
                let care = if is_shorter { Care::Whole.max(*care) } else { *care };
                reference.care = reference.care.max(care);
            }
            if place.1.pop().is_none() {
                break;
            }
        }
    }
}

/// Returns a map with a value for each name that `references` have after this root.
fn named<T>(
    references: &[Reference],
    root: &str,
    value: impl Fn(&str) -> T,
) -> BTreeMap<String, T> {
    let named = references.iter().filter(|reference| reference.root == root);
    let names = named.filter_map(|reference| reference.path.first());
    names.map(|name| (name.clone(), value(name))).collect()
}

/// The values that a step or a decision can refer to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Values<'a> {
    input: &'a StepInput,
    content: &'a Content,
    nth: u32,
}

impl<'a> Values<'a> {
    pub(crate) fn of(input: &'a StepInput) -> Self {
        Self { input, content: input.content(), nth: input.nth }
    }

    /// Creates the values at the end of a loop's turn with the output `content`.
    pub(crate) fn of_turn(input: &'a StepInput, content: &'a Content, iteration: u32) -> Self {
        Self { input, content, nth: iteration }
    }

    /// Returns the value of one of the [`ROOTS`]. Includes only the steps that `references` name.
    pub(crate) fn root<'r>(
        &self,
        name: &str,
        references: &[Reference],
        declared: &'r Declared,
    ) -> Root<'r>
    where
        'a: 'r,
    {
        match name {
            "input" => Root::Content(&self.input.run.content),
            "previous" => {
                let previous = self.input.previous.as_ref();
                previous.map_or(Root::Nothing, |output| Root::Content(&output.content))
            }
            "content" => Root::Content(self.content),
            "steps" => Root::Steps(named(references, "steps", |name| self.input.step(name))),
            "last" => Root::Steps(named(references, "last", |name| self.input.last_turn(name))),
            // A loop that has not run made no turn.
            "loops" => Root::Loops(named(references, "loops", |name| {
                self.input.loop_outcome(name).unwrap_or_default()
            })),
            "state" => Root::Object(&self.input.state),
            "item" => self.input.item.as_ref().map_or(Root::Nothing, Root::Content),
            "index" | "iteration" => Root::Number(self.nth),
            "user_input" => self.input.user_input.as_deref().map_or(Root::Nothing, Root::Json),
            "feedback" => {
                let feedback = self.input.feedback.as_ref();
                feedback.map_or(Root::Nothing, |said| Root::Text(&said.feedback))
            }
            "rejected" => {
                let feedback = self.input.feedback.as_ref();
                feedback.map_or(Root::Nothing, |said| Root::Content(&said.previous))
            }
            "error" => self.input.failure.as_deref().map_or(Root::Nothing, Root::Failure),
            "vars" => Root::Object(&declared.vars),
            "env" => Root::Object(&declared.env),
            "secrets" => Root::Object(&declared.secrets),
            "now" => Root::Now(self.input.now.to_rfc3339()),
            "budget" => self.input.budget.as_deref().map_or(Root::Nothing, Root::Budget),
            _ => Root::Nothing,
        }
    }

    /// Returns all roots that `references` name.
    pub(crate) fn roots<'r>(
        &self,
        references: &'r [Reference],
        declared: &'r Declared,
    ) -> Vec<(&'r str, Root<'r>)>
    where
        'a: 'r,
    {
        let mut roots: Vec<(&str, Root<'r>)> = Vec::new();
        for reference in references {
            let root = reference.root.as_str();
            if !roots.iter().any(|(seen, _)| *seen == root) {
                roots.push((root, self.root(root, references, declared)));
            }
        }
        roots
    }

    /// Clones the values for another thread.
    pub(crate) fn owned(&self) -> OwnedValues {
        OwnedValues { input: self.input.clone(), content: self.content.clone(), nth: self.nth }
    }
}

/// Returns the amounts that are left of the budgets, in tokens, US dollars, seconds and calls.
pub(crate) fn amounts(left: &BudgetLeft) -> [(&'static str, Option<Number>); 5] {
    let seconds = left.time_ms.map(|ms| Duration::from_millis(ms).as_secs_f64());
    let amounts = [
        left.tokens.map(Number::from),
        left.usd.and_then(|cost| Number::from_f64(cost.as_usd())),
        seconds.and_then(Number::from_f64),
        left.model_calls.map(Number::from),
        left.tool_calls.map(Number::from),
    ];
    let mut names = BUDGET.into_iter();
    amounts.map(|amount| (names.next().unwrap_or_default(), amount))
}

/// [`Values`] for another thread. Cheap to create.
#[derive(Clone, Debug)]
pub(crate) struct OwnedValues {
    input: StepInput,
    content: Content,
    nth: u32,
}

impl OwnedValues {
    pub(crate) fn of(input: StepInput) -> Self {
        Self { content: input.content().clone(), nth: input.nth, input }
    }

    /// Creates the values at the end of a loop's turn with the output `content`.
    pub(crate) fn of_turn(input: &StepInput, content: &Content, iteration: u32) -> Self {
        Values::of_turn(input, content, iteration).owned()
    }

    pub(crate) fn values(&self) -> Values<'_> {
        Values { input: &self.input, content: &self.content, nth: self.nth }
    }
}

/// The borrowed value of a root.
#[derive(Clone, Debug)]
pub(crate) enum Root<'a> {
    Nothing,
    Content(&'a Content),
    Json(&'a Value),
    Object(&'a Map<String, Value>),
    Text(&'a str),
    Number(u32),
    /// The reason that the steps before did not complete.
    Failure(&'a FailureInfo),
    Budget(&'a BudgetLeft),
    /// The outputs of earlier steps by name. `None` for those without an output.
    Steps(BTreeMap<String, Option<&'a Content>>),
    /// The outcomes of loops by name.
    Loops(BTreeMap<String, LoopOutcome>),
    /// A moment, as RFC 3339 writes it.
    Now(String),
}

impl Root<'_> {
    /// Returns the approximate size in bytes. Stops counting at `most`.
    pub(crate) fn bytes(&self, most: usize) -> usize {
        match self {
            Self::Nothing | Self::Number(_) | Self::Budget(_) | Self::Loops(_) | Self::Now(_) => 0,
            Self::Text(text) => text.len(),
            Self::Failure(failure) => failure.message.len() + failure.path.as_str().len(),
            Self::Content(content) => content_bytes(content, most),
            Self::Json(value) => json_bytes(value, most),
            Self::Object(members) => members_bytes(members, most),
            Self::Steps(steps) => {
                let given = steps.values().flatten();
                given.fold(0, |bytes: usize, content| bytes + content_bytes(content, most))
            }
        }
    }
}

fn content_bytes(content: &Content, most: usize) -> usize {
    match content {
        Content::Text(text) => text.len(),
        Content::Json(value) => json_bytes(value, most),
    }
}

fn members_bytes(members: &Map<String, Value>, most: usize) -> usize {
    let mut bytes = 8;
    for (key, value) in members {
        bytes += key.len() + json_bytes(value, most);
        if bytes >= most {
            break;
        }
    }
    bytes
}

fn json_bytes(value: &Value, most: usize) -> usize {
    match value {
        Value::String(text) => text.len() + 8,
        Value::Array(list) => {
            let mut bytes = 8;
            for element in list {
                bytes += json_bytes(element, most);
                if bytes >= most {
                    break;
                }
            }
            bytes
        }
        Value::Object(members) => members_bytes(members, most),
        _ => 8,
    }
}

impl Serialize for Root<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Nothing => serializer.serialize_unit(),
            Self::Content(content) => content.serialize(serializer),
            Self::Json(value) => value.serialize(serializer),
            Self::Object(members) => members.serialize(serializer),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Failure(failure) => failure.serialize(serializer),
            Self::Number(number) => serializer.serialize_u32(*number),
            Self::Budget(left) => serializer.collect_map(amounts(left)),
            Self::Steps(steps) => steps.serialize(serializer),
            Self::Loops(loops) => loops.serialize(serializer),
            Self::Now(moment) => serializer.serialize_str(moment),
        }
    }
}
