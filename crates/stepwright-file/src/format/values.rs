//! Texts, templates and expressions with their places.

use crate::budget::{Budget, Unfinished};
use crate::expression::{Expression, Mistake};
use crate::reference::{Reference, Values};
use crate::shape::Shape;
use crate::source::{Source, Span};
use crate::template::Template;
use serde_json::{Map, Value};
use std::sync::Arc;

/// The place of an expression or a template.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) source: Arc<Source>,
    /// The place of the whole scalar.
    pub(crate) scalar: Span,
    /// The value of the scalar.
    pub(crate) value: Arc<str>,
    /// The start of the text in the scalar: after the `=` of an expression.
    pub(crate) offset: usize,
}

impl Written {
    /// Returns the place of a part of the text.
    pub(crate) fn place(&self, piece: Span) -> Span {
        let piece = Span::new(piece.start + self.offset, piece.len);
        self.source.within(self.scalar, &self.value, piece)
    }

    pub(crate) fn place_of(&self, mistake: &Mistake) -> Span {
        self.place(mistake.span)
    }
}

/// An expression with its place.
#[derive(Clone, Debug)]
pub(crate) struct Expr {
    pub(crate) expression: Expression,
    pub(crate) written: Written,
}

/// A template with its place.
#[derive(Clone, Debug)]
pub(crate) struct Text {
    pub(crate) template: Template,
    pub(crate) written: Written,
}

impl Text {
    pub(crate) fn render(
        &self,
        values: &Values<'_>,
        budget: &Budget<'_>,
    ) -> Result<String, Unfinished> {
        self.template.render(values, budget)
    }

    /// Returns `true` if the text depends on values.
    pub(crate) fn has_expressions(&self) -> bool {
        crate::command::depends_on_values(self.template.text())
    }
}

/// A value that may contain expressions.
#[derive(Clone, Debug)]
pub(crate) enum Computed {
    Literal(Value),
    Expression(Expr),
    List(Vec<Self>),
    Object(Vec<(String, Self)>),
}

impl Computed {
    pub(crate) fn value(
        &self,
        values: &Values<'_>,
        budget: &Budget<'_>,
    ) -> Result<Value, Unfinished> {
        match self {
            Self::Literal(value) => Ok(value.clone()),
            Self::Expression(expr) => expr.expression.value(values, budget),
            Self::List(list) => {
                let list: Result<Vec<Value>, _> =
                    list.iter().map(|one| one.value(values, budget)).collect();
                list.map(Value::Array)
            }
            Self::Object(members) => {
                let members =
                    members.iter().map(|(key, one)| Ok((key.clone(), one.value(values, budget)?)));
                members.collect::<Result<Map<_, _>, Unfinished>>().map(Value::Object)
            }
        }
    }

    /// Returns the shape of the value. `of` tells the shape of an expression.
    pub(crate) fn shape(&self, of: &dyn Fn(&Expr) -> Shape) -> Shape {
        match self {
            Self::Literal(value) => Shape::Constant(value.clone()),
            Self::Expression(expr) => of(expr),
            Self::List(list) => Shape::list_of(list.iter().map(|one| one.shape(of)).collect()),
            Self::Object(members) => {
                let members = members.iter().map(|(key, one)| (key.clone(), one.shape(of)));
                Shape::object_of(members.collect())
            }
        }
    }

    /// Returns all expressions in it.
    pub(crate) fn expressions(&self) -> Vec<&Expr> {
        match self {
            Self::Literal(_) => Vec::new(),
            Self::Expression(expr) => vec![expr],
            Self::List(list) => list.iter().flat_map(Self::expressions).collect(),
            Self::Object(members) => {
                members.iter().flat_map(|(_, one)| one.expressions()).collect()
            }
        }
    }
}

/// An expression or a template, with its references.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Referring<'a> {
    pub(crate) references: &'a [Reference],
    pub(crate) written: &'a Written,
    /// `true` if it may refer to secrets: its value goes to a server or a command, and nowhere
    /// else.
    pub(crate) takes_secrets: bool,
    /// `None` for a template.
    pub(crate) expression: Option<&'a Expression>,
    /// `None` for an expression.
    pub(crate) template: Option<&'a Template>,
}

impl Referring<'_> {
    /// Allows references to secrets.
    pub(crate) fn taking_secrets(self) -> Self {
        Self { takes_secrets: true, ..self }
    }
}

impl<'a> From<&'a Expr> for Referring<'a> {
    fn from(expr: &'a Expr) -> Self {
        let expression = Some(&expr.expression);
        let references = expr.expression.references();
        let written = &expr.written;
        Self { references, written, takes_secrets: false, expression, template: None }
    }
}

impl<'a> From<&'a Text> for Referring<'a> {
    fn from(text: &'a Text) -> Self {
        let references = text.template.references();
        let template = Some(&text.template);
        let written = &text.written;
        Self { references, written, takes_secrets: false, expression: None, template }
    }
}
