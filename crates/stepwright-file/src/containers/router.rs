//! `router`: chosen steps.

use super::with_common;
use crate::format::form::{Form, STEPS, key};
use crate::format::reader::{ContainerKind, Reader, WrittenContainer};
use crate::format::{Container, Expr, Inside, Item, Word};
use crate::reference::OwnedValues;
use crate::suggest::listed;
use crate::tree::{Node, Yaml};
use crate::work::evaluate;
use stepwright_core::StepInput;
use stepwright_engine::{AnyStep, IntoStep as _};

#[derive(Debug)]
struct Router {
    choose: Choice,
    choices: Vec<Item>,
}

/// The decision of a router.
#[derive(Debug)]
enum Choice {
    Constant(Vec<Word>),
    Expression(Expr),
    Person,
}

pub(super) const KIND: ContainerKind = ContainerKind {
    key: "router",
    read,
    form: &Form::Either(&[Form::Nothing, Form::Text, Form::List(&Form::Text, 0, usize::MAX)]),
    beside: &[key("choices", &STEPS, "The steps that can be chosen.")],
    needs: &["choices"],
    about: "Chosen steps: an expression for a name, or for a list of names.",
};

fn read(
    reader: &mut Reader<'_>,
    written: &mut WrittenContainer<'_, '_>,
) -> Option<Box<dyn Container>> {
    let WrittenContainer { key, value, fields, review } = written;
    let nothing = matches!(value.value, Yaml::Null);
    let choose = if review.is_some_and(|review| review.route_selection.is_some()) {
        if !nothing {
            let message = "a person chooses here, so that this is never asked";
            let help = "leave `router:` empty, or leave out `requires_route_selection`";
            reader.push(reader.mistake(value.span, message).help(help));
        }
        Some(Choice::Person)
    } else if nothing {
        let help = "write an expression such as `router: = input.kind`, or let a person \
                    choose with `human_review: {requires_route_selection: Which way?}`";
        reader.push(reader.mistake(key.span, "nothing says which way to go").help(help));
        None
    } else {
        choice(reader, value)
    };
    let choices = reader.body(fields, "choices", key)?;
    // An invalid choice has been reported, but check the steps too.
    let choose = choose.unwrap_or(Choice::Constant(Vec::new()));
    Some(Box::new(Router { choose, choices }))
}

fn choice(reader: &mut Reader<'_>, value: &Node) -> Option<Choice> {
    match &value.value {
        Yaml::Text(text) if text.trim_start().starts_with('=') => {
            reader.expression(value, "router").map(Choice::Expression)
        }
        Yaml::Text(text) => {
            Some(Choice::Constant(vec![Word { text: text.clone(), span: value.span }]))
        }
        Yaml::List(list) => {
            let words: Vec<_> =
                list.iter().filter_map(|one| reader.word(one, "a choice")).collect();
            Some(Choice::Constant(words))
        }
        _ => {
            reader.wrong_type(
                value,
                "`router` is an expression, the name of a choice, or a list of names",
            );
            None
        }
    }
}

impl Container for Router {
    fn word(&self) -> &'static str {
        "router"
    }

    fn bodies(&self) -> [&[Item]; 2] {
        [&self.choices, &[]]
    }

    fn inside(&self) -> Inside<'_> {
        match &self.choose {
            Choice::Person => Inside::Choices { choose: None, chosen: &[] },
            Choice::Expression(choose) => Inside::Choices { choose: Some(choose), chosen: &[] },
            Choice::Constant(chosen) => Inside::Choices { choose: None, chosen },
        }
    }

    fn build(&self, item: &Item, [choices, _]: [Vec<AnyStep>; 2]) -> AnyStep {
        let router = with_common!(self.unbuilt(&item.name.text), item);
        choices.into_iter().fold(router, stepwright_engine::Router::choice).into_step()
    }

    fn details(&self) -> Vec<String> {
        vec![match &self.choose {
            Choice::Person => "a person chooses".to_owned(),
            Choice::Expression(choose) => choose.expression.text().trim().to_owned(),
            Choice::Constant(words) => {
                listed(&words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>())
            }
        }]
    }
}

impl Router {
    /// Returns the router of the engine, without its choices.
    fn unbuilt(&self, name: &str) -> stepwright_engine::Router {
        use stepwright_engine::Router;
        match &self.choose {
            Choice::Constant(words) => {
                Router::constant(name, words.iter().map(|word| word.text.as_str()))
            }
            Choice::Person => Router::constant(name, [""; 0]),
            Choice::Expression(choose) => {
                let choose = choose.expression.clone();
                Router::new_async(name, move |input: StepInput| {
                    let choose = choose.clone();
                    evaluate(OwnedValues::of(input), move |values, budget| {
                        choose.names(values, budget)
                    })
                })
            }
        }
    }
}
