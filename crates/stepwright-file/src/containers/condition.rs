//! `if`: one of two branches.

use super::with_common;
use crate::format::form::{Form, STEPS, key};
use crate::format::reader::{ContainerKind, Reader, WrittenContainer};
use crate::format::{Container, Expr, Inside, Item};
use crate::reference::OwnedValues;
use crate::tree::Yaml;
use crate::work::evaluate;
use stepwright_core::StepInput;
use stepwright_engine::{AnyStep, IntoStep as _};

#[derive(Debug)]
struct Condition {
    test: Test,
    then: Vec<Item>,
    otherwise: Vec<Item>,
}

#[derive(Debug)]
enum Test {
    Constant(bool),
    Expression(Expr),
    /// A test with mistakes. A file with mistakes is never built.
    Unreadable,
}

pub(super) const KIND: ContainerKind = ContainerKind {
    key: "if",
    read,
    form: &Form::Either(&[Form::Bool, Form::Expression]),
    beside: &[
        key("then", &STEPS, "The steps if the condition holds."),
        key("else", &STEPS, "The steps if it does not."),
    ],
    needs: &["then", "else"],
    about: "One of two branches: a condition such as `= size(previous) > 2`.",
};

#[expect(clippy::unnecessary_wraps, reason = "the functions that read containers have one type")]
fn read(
    reader: &mut Reader<'_>,
    written: &mut WrittenContainer<'_, '_>,
) -> Option<Box<dyn Container>> {
    let WrittenContainer { key, value, fields, .. } = written;
    let test = match &value.value {
        Yaml::Bool(holds) => Some(Test::Constant(*holds)),
        _ => reader.expression(value, "if").map(Test::Expression),
    };
    let then = fields.take("then").map(|(key, node)| reader.items(node, "then", key.span));
    let otherwise = fields.take("else").map(|(key, node)| reader.items(node, "else", key.span));
    if then.is_none() && otherwise.is_none() {
        let mistake = reader.mistake(key.span, "the condition has no steps");
        reader.push(mistake.help("list them under `then:`, `else:` or both"));
    }
    // An invalid condition has been reported, but check the steps too.
    let test = test.unwrap_or(Test::Unreadable);
    let (then, otherwise) = (then.unwrap_or_default(), otherwise.unwrap_or_default());
    Some(Box::new(Condition { test, then, otherwise }))
}

impl Container for Condition {
    fn word(&self) -> &'static str {
        "if"
    }

    fn bodies(&self) -> [&[Item]; 2] {
        [&self.then, &self.otherwise]
    }

    fn inside(&self) -> Inside<'_> {
        match &self.test {
            Test::Constant(holds) => Inside::Arms { test: None, holds: Some(*holds) },
            Test::Expression(test) => Inside::Arms { test: Some(test), holds: None },
            Test::Unreadable => Inside::Arms { test: None, holds: None },
        }
    }

    fn build(&self, item: &Item, [then, otherwise]: [Vec<AnyStep>; 2]) -> AnyStep {
        use stepwright_engine::Condition;
        let name = item.name.text.as_str();
        let condition = match &self.test {
            Test::Unreadable => Condition::constant(name, false),
            Test::Constant(holds) => Condition::constant(name, *holds),
            Test::Expression(test) => {
                let test = test.expression.clone();
                Condition::new_async(name, move |input: StepInput| {
                    let test = test.clone();
                    evaluate(OwnedValues::of(input), move |values, budget| {
                        test.decide(values, budget)
                    })
                })
            }
        };
        let condition = with_common!(condition, item);
        let condition = then.into_iter().fold(condition, Condition::then);
        otherwise.into_iter().fold(condition, Condition::otherwise).into_step()
    }

    fn details(&self) -> Vec<String> {
        vec![match &self.test {
            Test::Unreadable => String::new(),
            Test::Constant(holds) => holds.to_string(),
            Test::Expression(test) => test.expression.text().trim().to_owned(),
        }]
    }
}
