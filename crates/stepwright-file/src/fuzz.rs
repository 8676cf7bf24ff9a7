//! Entry points for fuzzing. They parse a text and evaluate it with fixed values.

use crate::budget::{Budget, Unfinished};
use crate::expression::Expression;
use crate::reference::Values;
use crate::stack::with_stack;
use crate::template::{Flavour, Template};
use serde_json::{Value, json};
use stepwright_core::StepInput;

fn scope() -> StepInput {
    StepInput::of(json!({
        "n": 3, "zero": 0, "neg": -7, "half": 2.5, "big": u64::MAX, "yes": true, "none": null,
        "text": "Hello, W\u{f6}rld", "empty": "", "words": ["b", "a", "c", "a"],
        "numbers": [3, 1, 2, 2], "mixed": [1, "x", null, true, 2.5, [1], {"a": 1}],
        "nested": [[1, 2], [3, [4]], []], "o": {"b": 1, "a": {"c": [1, {"d": "e"}]}},
        "lines": [{"id": "x", "count": 2, "price": 1.5}, {"id": "y", "count": 0, "price": 4.0}],
    }))
}

/// Parses and evaluates an expression. Returns its value or its mistakes.
pub fn expression(text: &str) -> Result<Value, String> {
    with_stack(|| {
        let (expression, mistakes) =
            Expression::parse(text).map_err(|mistakes| format!("{mistakes:?}"))?;
        if !mistakes.is_empty() {
            return Err(format!("{mistakes:?}"));
        }
        let input = scope();
        expression.value(&Values::of(&input), &Budget::whole(None)).map_err(said)
    })
}

/// Parses and renders a template. Returns its text or its mistakes.
pub fn template(text: &str) -> Result<String, String> {
    with_stack(|| {
        let (template, mistakes) =
            Template::parse(text, Flavour::Plain).map_err(|mistakes| format!("{mistakes:?}"))?;
        if !mistakes.is_empty() {
            return Err(format!("{mistakes:?}"));
        }
        let input = scope();
        template.render(&Values::of(&input), &Budget::whole(None)).map_err(said)
    })
}

fn said(unfinished: Unfinished) -> String {
    match unfinished {
        Unfinished::Failed(error) => error.to_string(),
        Unfinished::NotHere => "it is not evaluated here".into(),
    }
}
