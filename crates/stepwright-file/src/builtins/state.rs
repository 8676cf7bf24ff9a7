//! `set_state`, `increment_state`, `append_state` and `merge_state`: changes of the session state.

use super::passed_on;
use crate::budget::Unfinished;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::effects;
use crate::format::form::Form;
use crate::format::reader::{BuiltinKind, Reader};
use crate::format::{Builtin, Computed, Expr, Referring, Word};
use crate::reference::OwnedValues;
use crate::suggest::listed;
use crate::system::Granted;
use crate::tree::{Node, Yaml};
use crate::work::evaluate;
use serde_json::{Value, json};
use std::sync::Arc;
use stepwright_core::error::ErrorCode;
use stepwright_core::{
    BoxFuture, ErrorId, OnInterrupted, Patch, StepContext, StepError, StepInput, StepOutput,
};

pub(super) const SET: BuiltinKind = BuiltinKind {
    key: "set_state",
    read: |reader, _, value| read(reader, Operation::Set, SET.key, value),
    effects: effects::NONE,
    without: &[],
    form: &CHANGES,
    about: "Sets keys of the session state.",
};
pub(super) const INCREMENT: BuiltinKind = BuiltinKind {
    key: "increment_state",
    read: |reader, _, value| read(reader, Operation::Increment, INCREMENT.key, value),
    effects: effects::NONE,
    without: &[],
    form: &INCREMENTS,
    about: "Adds numbers to keys of the session state.",
};
pub(super) const APPEND: BuiltinKind = BuiltinKind {
    key: "append_state",
    read: |reader, _, value| read(reader, Operation::Append, APPEND.key, value),
    effects: effects::NONE,
    without: &[],
    form: &CHANGES,
    about: "Appends values to lists in the session state.",
};
pub(super) const MERGE: BuiltinKind = BuiltinKind {
    key: "merge_state",
    read: |reader, _, value| read(reader, Operation::Merge, MERGE.key, value),
    effects: effects::NONE,
    without: &[],
    form: &MERGES,
    about: "Adds members to objects in the session state.",
};

const CHANGES: Form = Form::Schema(|| operands(&json!({})));
const INCREMENTS: Form = Form::Schema(|| operands(&computed("number")));
const MERGES: Form = Form::Schema(|| operands(&computed("object")));

/// Returns the schema of the keys that are changed, with their operands.
fn operands(operand: &Value) -> Value {
    json!({"type": "object", "minProperties": 1, "additionalProperties": operand})
}

fn computed(kind: &str) -> Value {
    json!({"anyOf": [{"type": kind}, {"type": "string", "pattern": "^\\s*="}]})
}

#[derive(Debug)]
struct ChangeState {
    by: Operation,
    changes: Arc<[Change]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    Set,
    Increment,
    Append,
    Merge,
}

/// A key of the session state, with its operand.
#[derive(Debug)]
struct Change {
    key: Word,
    value: Computed,
}

fn read(
    reader: &mut Reader<'_>,
    by: Operation,
    word: &str,
    value: &Node,
) -> Option<Arc<dyn Builtin>> {
    let Yaml::Map(map) = &value.value else {
        reader.wrong_type(value, &format!("`{word}` maps keys to values"));
        return None;
    };
    if map.is_empty() {
        let mistake = reader.mistake(value.span, format!("`{word}` changes no key"));
        reader.push(mistake.help(format!("name one: `{word}: {{visits: …}}`")));
    }
    let mut changes: Vec<Change> = Vec::new();
    let mut whole = true;
    for (key, one) in map {
        if let Some(first) = changes.iter().find(|change| change.key.text == key.name) {
            let message = format!("`{}` is there twice", key.name);
            let first = first.key.span;
            let mistake = reader.mistake(key.span, message).label("again here");
            reader.push(mistake.also(first, "first here"));
            continue;
        }
        reader.check_state_key(key);
        // Check the types of constants now. Computed values are checked during the run.
        let wanted = match (by, &one.value) {
            (_, Yaml::Text(text)) if text.trim_start().starts_with('=') => None,
            (Operation::Increment, Yaml::Number(_)) | (Operation::Merge, Yaml::Map(_)) => None,
            (Operation::Increment, _) => Some("a number"),
            (Operation::Merge, _) => Some("an object"),
            (Operation::Set | Operation::Append, _) => None,
        };
        if let Some(wanted) = wanted {
            reader.wrong_type(one, &format!("`{word}` needs {wanted} for `{}`", key.name));
        }
        match reader.computed(one) {
            Some(value) => {
                let key = Word { text: key.name.clone(), span: key.span };
                changes.push(Change { key, value });
            }
            None => whole = false,
        }
    }
    let changes = changes.into();
    if whole { Some(Arc::new(ChangeState { by, changes })) } else { None }
}

impl Builtin for ChangeState {
    fn referring(&self) -> Vec<Referring<'_>> {
        let changes = self.changes.iter();
        changes.flat_map(|change| change.value.expressions()).map(Into::into).collect()
    }

    fn check(&self, mistakes: &mut Diagnostics) {
        if self.by == Operation::Set {
            self.changes.iter().for_each(|change| change.check_set(mistakes));
        }
    }

    fn needs(&self) -> Vec<(&Expr, &str, &'static str)> {
        let wanted = match self.by {
            Operation::Increment => "a number",
            Operation::Merge => "an object",
            Operation::Set | Operation::Append => return Vec::new(),
        };
        let whole = self.changes.iter().filter_map(|change| match &change.value {
            Computed::Expression(expr) => Some((expr, change.key.text.as_str(), wanted)),
            _ => None,
        });
        whole.collect()
    }

    fn sets(&self) -> Vec<&str> {
        self.changes.iter().map(|change| change.key.text.as_str()).collect()
    }

    fn details(&self) -> Option<String> {
        let keys: Vec<&str> = self.changes.iter().map(|change| &*change.key.text).collect();
        Some(listed(&keys))
    }

    // The changes are recorded with the end of the step, so an attempt without an end made none.
    fn on_interrupted(&self) -> OnInterrupted {
        OnInterrupted::Retry
    }

    fn execute<'a>(
        &'a self,
        input: StepInput,
        _: StepContext,
        _: &'a Granted,
    ) -> BoxFuture<'a, Result<StepOutput, StepError>> {
        let (by, changes) = (self.by, self.changes.clone());
        Box::pin(async move {
            // The step only changes the state, and passes its input on.
            let mut output = passed_on(&input);
            let patches = evaluate(OwnedValues::of(input), move |values, budget| {
                let patch = |change: &Change| {
                    let value = change.value.value(values, budget)?;
                    Ok::<_, Unfinished>(by.patch(&change.key.text, value)?)
                };
                changes.iter().map(patch).collect::<Result<Vec<_>, _>>()
            });
            output.patches.extend(patches.await?);
            Ok(output)
        })
    }
}

impl Operation {
    /// Returns the change of one key.
    fn patch(self, key: &str, value: Value) -> Result<Patch, StepError> {
        Ok(match (self, value) {
            (Self::Set, value) => Patch::set(key, value),
            (Self::Append, value) => Patch::append(key, value),
            (Self::Increment, Value::Number(by)) => Patch::increment(key, by),
            (Self::Merge, Value::Object(members)) => Patch::merge(key, members),
            (Self::Increment, _) => {
                return Err(no_change(format!("`increment_state` needs a number for `{key}`")));
            }
            (Self::Merge, _) => {
                return Err(no_change(format!("`merge_state` needs an object for `{key}`")));
            }
        })
    }
}

fn no_change(message: String) -> StepError {
    StepError::terminal(message).with_code(ErrorCode::State)
}

impl Change {
    /// Refuses to set a key to a value made from its old value. If two runs, or two items of a map,
    /// do this at the same time, one change is lost.
    fn check_set(&self, mistakes: &mut Diagnostics) {
        let key = self.key.text.as_str();
        for expr in self.value.expressions() {
            let reads = expr.expression.references().iter().find(|reference| {
                // A reference to the whole state includes the key.
                reference.root == "state" && reference.path.first().is_none_or(|first| first == key)
            });
            let Some(reference) = reads else { continue };
            let message = match reference.path.first() {
                Some(_) => format!("`set_state` reads `state.{key}`, which it sets"),
                None => format!("`set_state` reads all of `state`, and sets `{key}` in it"),
            };
            let span = expr.written.place(reference.span);
            let mistake =
                Diagnostic::new(ErrorId::NAME_UNKNOWN, &expr.written.source, span, message);
            let shown = if key.chars().all(|c| c.is_alphanumeric() || c == '_') {
                key.to_owned()
            } else {
                format!("{key:?}")
            };
            let help = format!(
                "what runs at the same time would be lost; add to it with \
                 `increment_state: {{{shown}: 1}}`, `append_state: {{{shown}: …}}` or \
                 `merge_state: {{{shown}: {{…}}}}`"
            );
            mistakes.push(mistake.label("read here").help(help));
        }
    }
}
