//! What expressions and templates refer to.

use crate::source::Span;
use serde_json::Value;
use stepwright_core::{Content, StepInput};

/// The words that expressions and templates begin with.
pub(crate) const ROOTS: [&str; 13] = [
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
];

/// A path such as `steps.sources.text`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) root: String,
    /// The names after it, as far as they are written out.
    pub(crate) path: Vec<String>,
    /// Its place in the text of the expression or template.
    pub(crate) span: Span,
}

/// An object with a member for each name that `references` have after this root.
fn named(references: &[Reference], root: &str, value: impl Fn(&str) -> Value) -> Value {
    let named = references.iter().filter(|reference| reference.root == root);
    let names = named.filter_map(|reference| reference.path.first());
    Value::Object(names.map(|name| (name.clone(), value(name))).collect())
}

/// What there is to refer to while a step runs or a decision is made.
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

    /// For the end of a turn of a loop, which gave `content`.
    pub(crate) fn of_turn(input: &'a StepInput, content: &'a Content, iteration: u32) -> Self {
        Self { input, content, nth: iteration }
    }

    /// The value of one of the [`ROOTS`]. Of the steps, only those that `references` name.
    pub(crate) fn root(&self, name: &str, references: &[Reference]) -> Value {
        match name {
            "input" => self.input.run.content.to_value(),
            "previous" => {
                let previous = self.input.previous.as_ref();
                previous.map_or(Value::Null, |output| output.content.to_value())
            }
            "content" => self.content.to_value(),
            "steps" => named(references, "steps", |name| {
                self.input.step(name).map_or(Value::Null, Content::to_value)
            }),
            "last" => named(references, "last", |name| {
                self.input.last_turn(name).map_or(Value::Null, Content::to_value)
            }),
            // A loop that was not reached made no turn.
            "loops" => named(references, "loops", |name| {
                serde_json::to_value(self.input.loop_outcome(name).unwrap_or_default())
                    .unwrap_or_default()
            }),
            "state" => Value::Object((*self.input.state).clone()),
            "item" => self.input.item.as_ref().map_or(Value::Null, Content::to_value),
            "index" | "iteration" => self.nth.into(),
            "user_input" => self.input.user_input.as_deref().cloned().unwrap_or_default(),
            "feedback" => {
                let feedback = self.input.feedback.as_ref();
                feedback.map_or(Value::Null, |said| (*said.feedback).into())
            }
            "rejected" => {
                let feedback = self.input.feedback.as_ref();
                feedback.map_or(Value::Null, |said| said.previous.to_value())
            }
            _ => Value::Null,
        }
    }

    /// All roots that `references` name.
    pub(crate) fn roots<'r>(
        &self,
        references: &'r [Reference],
    ) -> impl Iterator<Item = (&'r str, Value)> {
        let mut seen: Vec<&str> = Vec::new();
        references
            .iter()
            .filter_map(|reference| {
                let root = reference.root.as_str();
                let first = !seen.contains(&root);
                seen.push(root);
                first.then(|| (root, self.root(root, references)))
            })
            .collect::<Vec<_>>()
            .into_iter()
    }
}
