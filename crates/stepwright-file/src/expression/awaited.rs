//! Conditions on the payload of an event, `match` of a `wait_for`, as data.
//!
//! A sender of an event has no workflow file, and no scope of a step. So everything in a condition
//! that does not depend on the event is computed when the wait begins, and the rest is comparisons
//! of its fields, which any process can judge.

use super::eval::Evaluator;
use super::failure::Failure;
use super::{Expression, Mistake, values, walk};
use crate::budget::{Budget, Unfinished};
use crate::reference::{Reference, Values};
use crate::source::Span;
use cel::common::ast::{EntryExpr, Expr, IdedExpr, operators as names};
use serde_json::Value;
use stepwright_core::EventMatch;
use stepwright_core::awaited::{EventComparison, EventField};

/// The name of the payload in a condition.
const EVENT: &str = "event";

const HELP: &str = "compare fields of the event with values: `= event.order == input.order && \
                    event.amount > 5`; more can be decided in a step behind this one";

/// The reason why a condition cannot be data.
enum Unfit {
    /// It does something else with the event than to compare a field.
    Shape(String),
    Failed(Failure),
}

impl Expression {
    /// Returns the references besides those to the event.
    pub(crate) fn references_beside_event(&self) -> Vec<Reference> {
        self.references().iter().filter(|reference| reference.root != EVENT).cloned().collect()
    }

    /// Returns the mistake in a condition that cannot be data.
    pub(crate) fn event_mistake(&self) -> Option<Mistake> {
        let span = Span::new(0, self.text().len());
        let mistake =
            |message: String| Some(Mistake { message, span, help: Some(HELP.to_owned()) });
        if !self.references().iter().any(|reference| reference.root == EVENT) {
            return mistake("`match` is a condition on the event, and this has no `event`".into());
        }
        match read(self.0.program.expression(), &mut |_| Ok(Value::Bool(true))) {
            Err(Unfit::Shape(what)) => mistake(what),
            _ => None,
        }
    }

    /// Computes everything that does not depend on the event.
    pub(crate) fn event_match(
        &self,
        values: &Values<'_>,
        budget: &Budget<'_>,
    ) -> Result<EventMatch, Unfinished> {
        let references = self.references_beside_event();
        let roots = values.roots(&references, &self.1);
        let roots: Vec<_> =
            roots.into_iter().map(|(name, root)| (name, values::of_root(root))).collect();
        let mut evaluator = Evaluator::new(&roots, budget);
        let mut constant = |expr| {
            let value = evaluator.eval(expr)?;
            values::to_json(&value, true, budget)
        };
        read(self.0.program.expression(), &mut constant).map_err(|unfit| match unfit {
            Unfit::Shape(what) => {
                self.failed(Failure::Said(format!("is no condition: {what}")), budget)
            }
            Unfit::Failed(failure) => self.failed(failure, budget),
        })
    }
}

/// Reads a condition. `constant` computes what does not depend on the event.
fn read<'e>(
    expr: &'e IdedExpr,
    constant: &mut dyn FnMut(&'e IdedExpr) -> Result<Value, Failure>,
) -> Result<EventMatch, Unfit> {
    if !mentions_event(expr) {
        return match constant(expr).map_err(Unfit::Failed)? {
            Value::Bool(true) => Ok(EventMatch::All(Vec::new())),
            Value::Bool(false) => Ok(EventMatch::Any(Vec::new())),
            other => Err(Unfit::Failed(Failure::Said(format!(
                "has a part that is neither true nor false, but {other}"
            )))),
        };
    }
    if let Expr::Select(select) = &expr.expr
        && select.test
    {
        return field(expr).map(EventField::exists);
    }
    let Expr::Call(call) = &expr.expr else {
        return field(expr).map(|field| field.is(true));
    };
    match (call.func_name.as_str(), call.args.as_slice()) {
        (names::LOGICAL_AND, [left, right]) => {
            Ok(read(left, constant)?.and(read(right, constant)?))
        }
        (names::LOGICAL_OR, [left, right]) => Ok(read(left, constant)?.or(read(right, constant)?)),
        (names::LOGICAL_NOT, [one]) => Ok(EventMatch::Not(Box::new(read(one, constant)?))),
        (name, [left, right]) => match (comparison(name), mentions_event(left)) {
            (None, _) => field(expr).map(|field| field.is(true)),
            (Some(_), _) if mentions_event(left) && mentions_event(right) => Err(Unfit::Shape(
                "`match` compares two parts of the event, and can only compare one with a value"
                    .into(),
            )),
            (Some((is, _)), true) => {
                let to = constant(right).map_err(Unfit::Failed)?;
                Ok(field(left)?.compared(is, to))
            }
            (Some((_, turned)), false) => {
                let to = constant(left).map_err(Unfit::Failed)?;
                Ok(field(right)?.compared(turned, to))
            }
        },
        _ => field(expr).map(|field| field.is(true)),
    }
}

/// Returns a comparison, and the same one with its sides exchanged.
fn comparison(name: &str) -> Option<(EventComparison, EventComparison)> {
    use EventComparison as C;
    Some(match name {
        names::EQUALS => (C::Equal, C::Equal),
        names::NOT_EQUALS => (C::Different, C::Different),
        names::LESS => (C::Less, C::Greater),
        names::LESS_EQUALS => (C::AtMost, C::AtLeast),
        names::GREATER => (C::Greater, C::Less),
        names::GREATER_EQUALS => (C::AtLeast, C::AtMost),
        names::IN => (C::In, C::Contains),
        _ => return None,
    })
}

/// Returns the field of the event that a path names.
fn field(expr: &IdedExpr) -> Result<EventField, Unfit> {
    let is_test = matches!(&expr.expr, Expr::Select(select) if select.test);
    match walk::path(expr) {
        Some(((_, root), path)) if root == EVENT && (is_test || !walk::is_optional(expr)) => {
            Ok(EventField(path.into_iter().map(Into::into).collect()))
        }
        _ => Err(Unfit::Shape(
            "`match` can only compare fields of the event, such as `event.order`".into(),
        )),
    }
}

fn mentions_event(expr: &IdedExpr) -> bool {
    match &expr.expr {
        Expr::Ident(name) => name == EVENT,
        Expr::Select(select) => mentions_event(&select.operand),
        Expr::Call(call) => {
            call.target.as_deref().is_some_and(mentions_event)
                || call.args.iter().any(mentions_event)
        }
        Expr::List(list) => list.elements.iter().any(mentions_event),
        Expr::Map(map) => map.entries.iter().any(|entry| match &entry.expr {
            EntryExpr::MapEntry(entry) => {
                mentions_event(&entry.key) || mentions_event(&entry.value)
            }
            EntryExpr::StructField(field) => mentions_event(&field.value),
        }),
        Expr::Comprehension(all) => {
            [&all.iter_range, &all.accu_init, &all.loop_cond, &all.loop_step, &all.result]
                .into_iter()
                .any(mentions_event)
        }
        Expr::Literal(_) | Expr::Struct(_) | Expr::Unspecified => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::OwnedValues;
    use stepwright_core::StepInput;

    fn parsed(text: &str) -> Expression {
        let (expression, mistakes) = Expression::parse(text).unwrap();
        assert_eq!(mistakes, [], "{text}");
        expression
    }

    #[test]
    fn what_does_not_depend_on_the_event_is_computed() {
        let input = StepInput::of(serde_json::json!({"order": 17, "ids": ["a"], "open": true}));
        let values = OwnedValues::of(input);
        for (text, shown) in [
            ("event.order == input.order", "event.order == 17"),
            ("input.order + 1 < event.n", "event.n > 18"),
            ("event.id in input.ids", r#"event.id in ["a"]"#),
            (r#""x" in event.tags"#, r#""x" in event.tags"#),
            ("event.ok && input.open", "event.ok == true"),
            ("!has(event.a.b) || event['c d'] >= 2", r#"!(has(event.a.b)) || event["c d"] >= 2"#),
            ("event == input.order", "event == 17"),
            ("input.ids.exists(id, id == 'a') && event.x != null", "event.x != null"),
        ] {
            let expression = parsed(text);
            assert_eq!(expression.event_mistake(), None, "{text}");
            let budget = Budget::whole(None);
            let Ok(read) = expression.event_match(&values.values(), &budget) else {
                panic!("{text}")
            };
            assert_eq!(read.to_string(), shown);
        }
    }

    #[test]
    fn a_condition_that_needs_the_event_for_more_is_a_mistake() {
        for (text, what) in [
            ("input.order == 1", "this has no `event`"),
            ("event.a == event.b", "compares two parts of the event"),
            ("event.a + 1 == 2", "can only compare fields of the event"),
            ("event.name.startsWith('a')", "can only compare fields of the event"),
            ("size(event.list) > 1", "can only compare fields of the event"),
            ("event.?a == 1", "can only compare fields of the event"),
        ] {
            let mistake = parsed(text).event_mistake().unwrap_or_else(|| panic!("{text}"));
            assert!(mistake.message.contains(what), "{text}: {}", mistake.message);
        }
    }
}
