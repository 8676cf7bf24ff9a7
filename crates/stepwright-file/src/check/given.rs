//! The outputs of steps: their shapes, and the decisions on which they depend.

use super::{Checker, Hidden, Place};
use crate::diagnostic::Diagnostic;
use crate::format::{Builtin, Expr, File, Item, Word};
use crate::reference::{Care, Reference};
use crate::schema;
use crate::shape::{NoMember, Shape};
use crate::source::Span;
use crate::suggest::{closest, did_you_mean, step_reference};
use crate::template::Template;
use serde_json::Value;
use stepwright_core::ErrorId;

/// The output of a step that has run, or may have.
#[derive(Debug)]
pub(super) struct Output<'a> {
    pub(super) shape: Shape,
    /// The decisions with which the step has run.
    pub(super) decisions: Vec<Decision<'a>>,
    /// The number of times that the step is among steps that run when others have ended.
    pub(super) afters: usize,
}

/// A decision of a container: the branch that it takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decision<'a> {
    container: &'a Item,
    /// The condition, if its value is the same everywhere in the run.
    test: Option<&'a str>,
    branch: &'a str,
}

impl PartialEq for Decision<'_> {
    fn eq(&self, other: &Self) -> bool {
        let is_same_test = self.test.is_some() && self.test == other.test;
        self.branch == other.branch
            && (is_same_test || std::ptr::eq(self.container, other.container))
    }
}

impl<'a> Decision<'a> {
    pub(super) fn of_arm(container: &'a Item, test: Option<&'a Expr>, is_then: bool) -> Self {
        let test = test.map(|test| &test.expression);
        let is_stable =
            |reference: &Reference| matches!(reference.root.as_str(), "input" | "steps");
        let test = test.filter(|test| test.references().iter().all(is_stable));
        let branch = if is_then { "then" } else { "else" };
        Self { container, test: test.map(|test| test.text().trim()), branch }
    }

    pub(super) fn of_choice(container: &'a Item, choice: &'a Item) -> Self {
        Self { container, test: None, branch: &choice.name.text }
    }
}

impl<'a> Place<'a> {
    /// Adds a decision, and the values that it looks at.
    pub(super) fn decide(&mut self, decision: Decision<'a>, test: Option<&'a Expr>) {
        self.decisions.push(decision);
        self.looked_at.extend(test.iter().flat_map(|test| test.expression.references()));
    }

    /// Returns `true` if a condition around this place looks at a value, or at the whole of it.
    fn is_looked_at(&self, reference: &Reference) -> bool {
        self.looked_at.iter().any(|looked_at| {
            looked_at.contains(reference)
                && !looked_at.path.is_empty()
                && (looked_at.care > Care::None || looked_at.path.len() < reference.path.len())
        })
    }
}

impl<'a> Checker<'a, '_> {
    /// Returns the shape of the answers of an agent.
    pub(super) fn answer(&self, agent: &Word) -> Shape {
        let agent = self.file.agents.iter().find(|other| other.name.text == agent.text);
        match agent.map(|agent| &agent.output) {
            Some(Some(schema)) => Shape::of_schema(schema),
            Some(None) => Shape::Text,
            None => Shape::Unknown,
        }
    }

    /// Returns the shape of an expression.
    pub(super) fn shape(&self, expr: &Expr, place: &Place<'a>) -> Shape {
        expr.expression.shape(&|reference| self.value(reference, place)).0
    }

    /// Returns the shape of the value of a reference.
    pub(super) fn value(&self, reference: &Reference, place: &Place<'a>) -> Shape {
        let (mut shape, from) = self.root(reference, place);
        for name in reference.path.iter().skip(from) {
            shape = shape.member(name).unwrap_or_default();
        }
        shape
    }

    /// Returns the shape of the first part of a reference, and the number of names in that part.
    fn root(&self, reference: &Reference, place: &Place<'a>) -> (Shape, usize) {
        match reference.root.as_str() {
            "input" => (self.file.input.as_ref().map(Shape::of_schema).unwrap_or_default(), 0),
            "content" => (place.content.clone(), 0),
            "user_input" => (place.form.map(Shape::of_schema).unwrap_or_default(), 0),
            "item" => (place.item_shape.clone(), 0),
            "index" | "iteration" => (Shape::Number, 0),
            "feedback" | "now" => (Shape::Text, 0),
            "env" | "secrets" => (Shape::Text, 1),
            "error" if !reference.path.is_empty() => (Shape::Text, 1),
            "vars" if !reference.path.is_empty() => (self.var(&reference.path[0]), 1),
            "steps" => {
                let name = reference.path.first().map(String::as_str).unwrap_or_default();
                // Steps of one name may stand in several places.
                let is_one = self.all.get(name).is_some_and(|(_, count)| *count == 1);
                let output = self.outputs.get(name).filter(|_| is_one);
                let shape = output.filter(|output| has_run(output, place));
                (shape.map(|output| output.shape.clone()).unwrap_or_default(), 1)
            }
            "loops" if reference.path.len() == 2 => match reference.path[1].as_str() {
                "exhausted" => (Shape::Bool, 2),
                _ => (Shape::Number, 2),
            },
            _ => (Shape::Unknown, 0),
        }
    }

    /// Returns the shape of a variable. Its value is a setting of the file, which may change: it
    /// decides nothing for ever.
    fn var(&self, name: &str) -> Shape {
        let value = self.file.declared.vars.get(name);
        value.map(|value| Shape::Constant(value.clone()).changeable()).unwrap_or_default()
    }

    /// Returns the mistake in a reference to a value that is not there, or may not be.
    pub(super) fn member(
        &self,
        reference: &Reference,
        is_template: bool,
        place: &Place<'a>,
        at: &dyn Fn(String) -> Diagnostic,
    ) -> Option<Diagnostic> {
        if reference.care == Care::Optional || self.mistakes.is_full() {
            return None;
        }
        if let ("state", Some(key)) = (reference.root.as_str(), reference.path.first()) {
            return self.key(key, reference, is_template, place, at);
        }
        if reference.root == "steps"
            && let Some(mistake) = self.may_not_have_run(reference, is_template, place, at)
        {
            return Some(mistake);
        }
        let (mut shape, from) = self.root(reference, place);
        for (nth, name) in reference.path.iter().enumerate().skip(from) {
            let why = match shape.member(name) {
                Ok(next) => {
                    shape = next;
                    continue;
                }
                Err(why) => why,
            };
            let of = [std::slice::from_ref(&reference.root), &reference.path[..nth]].concat();
            let of = of.join(".");
            return Some(match why {
                NoMember::Has(what) => {
                    let mistake = at(format!("`{of}` is {what}, which has no property `{name}`"));
                    mistake.help(format!("use it as a whole: `{of}`"))
                }
                NoMember::Lacks(names) => {
                    let names: Vec<&str> = names.iter().map(String::as_str).collect();
                    let mistake = at(match (reference.root.as_str(), nth) {
                        ("steps", 1) => {
                            format!(
                                "the output of `{}` has no property `{name}`",
                                reference.path[0]
                            )
                        }
                        _ => format!("`{of}` has no property `{name}`"),
                    });
                    match closest(name, names.iter().copied()) {
                        Some(meant) => mistake.help(format!("did you mean `{of}.{meant}`?")),
                        None => mistake.maybe_help(did_you_mean(name, &names, "there is")),
                    }
                }
            });
        }
        None
    }

    /// Returns the mistake in a reference to a key of the state that no step sets.
    fn key(
        &self,
        key: &str,
        reference: &Reference,
        is_template: bool,
        place: &Place<'a>,
        at: &dyn Fn(String) -> Diagnostic,
    ) -> Option<Diagnostic> {
        let is_careful = reference.care > Care::None || place.is_looked_at(reference);
        if is_careful || self.keys.contains(key) {
            return None;
        }
        let help = match closest(key, self.keys.iter().copied()) {
            Some(meant) => format!("did you mean `state.{meant}`?"),
            None if is_template => format!(
                "set it in a step before, with `set_state`, or write what stands for it: `{{{{ \
                 state.{key} | default(0) }}}}`"
            ),
            None => format!(
                "set it in a step before, with `set_state`, or write what stands for it: \
                 `state.?{key}.orValue(0)`"
            ),
        };
        Some(at(format!("no step sets `state.{key}`")).help(help))
    }

    /// Returns the mistake in a reference to a part of the output of a step that may not have run.
    fn may_not_have_run(
        &self,
        reference: &Reference,
        is_template: bool,
        place: &Place<'a>,
        at: &dyn Fn(String) -> Diagnostic,
    ) -> Option<Diagnostic> {
        let [name, rest @ ..] = reference.path.as_slice() else { return None };
        if rest.is_empty() || reference.care > Care::None || place.is_looked_at(reference) {
            return None;
        }
        let (there, count) = self.all.get(name.as_str())?;
        let output = self.outputs.get(name.as_str()).filter(|_| *count == 1)?;
        // Steps that run when others have ended see `null` for what did not run: that is their way.
        if output.afters < place.afters {
            return None;
        }
        let missing = output.decisions.iter().find(|other| !place.decisions.contains(other))?;
        let container = &missing.container.name.text;
        let path = format!("{}.{}", step_reference("steps", name), rest.join("."));
        let help = if is_template {
            format!(
                "say what stands for it: `{{% if {} %}}{{{{ {path} }}}}{{% endif %}}`",
                step_reference("steps", name)
            )
        } else {
            let rest = rest.join(".?");
            let of = match step_reference("steps", name) {
                plain if !plain.contains('[') => format!("steps.?{name}"),
                _ => format!("steps[?'{name}']"),
            };
            format!(
                "say what stands for it: `{of}.?{rest}.orValue(…)`, or use it inside of the branch"
            )
        };
        let mistake =
            at(format!("`{name}` may not have run: `{container}` may take another branch"));
        Some(mistake.label("used here").help(help).also(*there, format!("`{name}` is here")))
    }

    /// Reports the mistakes of the types in an expression.
    pub(super) fn types(&mut self, what: &crate::format::Referring<'_>, place: &Place<'a>) {
        let code = ErrorId::EXPRESSION_INVALID;
        let source = &what.written.source;
        for (span, why) in what.template.map(Template::constant_failures).unwrap_or_default() {
            let span = span.map_or(what.written.scalar, |span| what.written.place(span));
            self.mistakes.push(Diagnostic::new(code, source, span, why));
        }
        let Some(expression) = what.expression else { return };
        let (_, found) = expression.shape(&|reference| self.value(reference, place));
        for mistake in found {
            let span = what.written.place_of(&mistake);
            self.mistakes.push(
                Diagnostic::new(code, source, span, mistake.message).maybe_help(mistake.help),
            );
        }
    }

    /// Checks that an expression can be a condition. Returns its value if it is always the same.
    pub(super) fn condition(
        &mut self,
        key: &str,
        test: Option<&Expr>,
        place: &Place<'a>,
    ) -> Option<bool> {
        let test = test?;
        let shape = self.shape(test, place);
        if let Shape::Constant(Value::Bool(holds)) = shape {
            return Some(holds);
        }
        let what = shape.what().filter(|_| !shape.may_be_bool())?;
        let text = test.expression.text().trim();
        let compared = match shape.kind() {
            Shape::Number => format!("{text} > 0"),
            Shape::Text => format!("{text} == \"…\""),
            Shape::List(_) => format!("size({text}) > 0"),
            _ => format!("{text} != null"),
        };
        let message = format!("`{key}` needs a condition, and this gives {what}");
        self.decision(test, message, format!("compare it: `= {compared}`"));
        None
    }

    /// Checks that the choices of a router exist, if they are always the same. Returns their names.
    pub(super) fn route(
        &mut self,
        choose: Option<&Expr>,
        choices: &[Item],
        place: &Place<'a>,
    ) -> Vec<String> {
        let Some(choose) = choose else { return Vec::new() };
        let shape = self.shape(choose, place);
        let named = match &shape {
            Shape::Constant(Value::String(name)) => vec![name.as_str()],
            Shape::Constant(Value::Array(names)) if names.iter().all(Value::is_string) => {
                names.iter().filter_map(Value::as_str).collect()
            }
            Shape::Constant(Value::Null) | Shape::Unknown | Shape::Text | Shape::List(_) => {
                return Vec::new();
            }
            other => {
                let what = other.what().unwrap_or("another value");
                let message = format!("`router` needs the name of a choice, and this gives {what}");
                let choice = choices.first().map(|choice| choice.name.text.as_str());
                let choice = choice.unwrap_or("a");
                let text = choose.expression.text().trim();
                let help = format!("give a name, as in `= {text} == … ? \"{choice}\" : …`");
                self.decision(choose, message, help);
                return Vec::new();
            }
        };
        let choices: Vec<&str> = choices.iter().map(|choice| choice.name.text.as_str()).collect();
        for name in named.iter().filter(|name| !choices.contains(name)) {
            let message = format!("`{name}` is no choice of this router");
            let help = did_you_mean(name, &choices, "its choices are").unwrap_or_default();
            self.decision(choose, message, help);
        }
        if let Some(name) = repeated(&named) {
            let message = format!("`{name}` is chosen twice; a step runs once in a router");
            self.decision(choose, message, "name each choice once".to_owned());
        }
        named.into_iter().map(str::to_owned).collect()
    }

    /// Checks that a map has a list. Returns the shape of its items.
    pub(super) fn over(
        &mut self,
        map: &Item,
        over: Option<&Expr>,
        quorum: Option<u32>,
        place: &Place<'a>,
    ) -> Shape {
        let shape = match over {
            Some(over) => self.shape(over, place),
            None => place.content.clone(),
        };
        if let Some(what) = shape.what().filter(|_| !shape.may_be_list()) {
            if let Some(over) = over {
                let message = format!("`over` needs a list, and this gives {what}");
                let help = match shape.kind() {
                    Shape::Text => {
                        let text = over.expression.text().trim();
                        format!("split it: `= {text}.split(\"\\n\")`")
                    }
                    _ => "name a list, as in `over: = steps.files`".to_owned(),
                };
                self.decision(over, message, help);
            } else {
                let message = format!("a `map` needs a list, and gets {what} from the step before");
                let mistake = Diagnostic::new(
                    ErrorId::KEY_INVALID,
                    &self.file.source,
                    map.name.span,
                    message,
                );
                self.mistakes.push(mistake.help("name the list: `map: {over: = steps.files}`"));
            }
        }
        match shape {
            Shape::List(items) => *items,
            Shape::Constant(Value::Array(items)) => {
                if let (Some(over), Some(needed)) = (over, quorum)
                    && usize::try_from(needed).is_ok_and(|needed| needed > items.len())
                {
                    let count = items.len();
                    let message = format!("the quorum is {needed}, and the list has {count} items");
                    self.decision(over, message, "need fewer, or give more items".to_owned());
                }
                let items = items.into_iter().map(Shape::Constant);
                items.reduce(Shape::or).unwrap_or_default()
            }
            _ => Shape::Unknown,
        }
    }

    /// Checks that the expressions of a function give what it needs.
    pub(super) fn needs(&mut self, word: &str, work: &dyn Builtin, place: &Place<'a>) {
        for (expr, key, wanted) in work.needs() {
            let what = self.shape(expr, place).what();
            if let Some(what) = what.filter(|what| *what != wanted) {
                let message = format!("`{word}` needs {wanted} for `{key}`, and this gives {what}");
                let help = match wanted {
                    "a number" => {
                        "`set_state` takes any value; `double(…)` makes a number of a text"
                    }
                    _ => "`set_state` takes any value",
                };
                self.decision(expr, message, help.to_owned());
            }
        }
    }

    /// Checks the deadline of a step or a container.
    pub(super) fn deadline(&mut self, item: &'a Item, place: &mut Place<'a>) {
        let Some(deadline) = &item.deadline else { return };
        let Some(expr) = deadline.expression() else { return };
        place.hidden.push((&item.name.text, Hidden::Itself));
        self.all_of(std::iter::once(expr.into()), place);
        place.hidden.pop();
        if let Some(why) = deadline.mistake(&self.shape(expr, place)) {
            let message = format!("`deadline` is a moment, but {why}");
            let help = "a moment is a text: `= input.due`, or `= date_add(now, '2h')`";
            self.decision(expr, message, help.to_owned());
        }
    }

    fn decision(&mut self, expr: &Expr, message: String, help: String) {
        let text = expr.expression.text();
        let start = text.len() - text.trim_start().len();
        let span = expr.written.place(Span::new(start, text.trim().len()));
        let code = ErrorId::EXPRESSION_INVALID;
        let mistake = Diagnostic::new(code, &expr.written.source, span, message);
        self.mistakes.push(mistake.help(help));
    }

    /// Checks that a nested workflow accepts what it gets.
    pub(super) fn input_of(&mut self, path: &Word, file: &File, content: &Shape) {
        let Some(schema) = &file.input else { return };
        let wrong = match content {
            Shape::Constant(value) => match schema::compile(schema) {
                Ok(compiled) => {
                    let budget = crate::budget::Budget::inline();
                    match schema::complete(schema, &compiled, value.clone(), &budget) {
                        Ok(_) => None,
                        Err(refusal) => refusal.said(),
                    }
                }
                Err(_) => None,
            },
            other => {
                let wanted = Shape::of_schema(schema);
                match (other.what(), wanted.what()) {
                    (Some(is), Some(wanted)) if is != wanted => {
                        Some(format!("it is {is}, and {wanted} is expected"))
                    }
                    _ => None,
                }
            }
        };
        if let Some(why) = wrong {
            let message = format!("`{}` does not accept what it gets: {why}", path.text);
            let mistake =
                Diagnostic::new(ErrorId::KEY_INVALID, &self.file.source, path.span, message);
            let help = "its `input` says what it accepts: make it in a `value` step before";
            self.mistakes.push(mistake.help(help));
        }
    }
}

/// Returns the first name that is there before.
pub(super) fn repeated<'n>(names: &[&'n str]) -> Option<&'n str> {
    let mut at = names.iter().enumerate();
    at.find(|(nth, name)| names[..*nth].contains(name)).map(|(_, name)| *name)
}

/// Returns `true` if a step has run wherever this place is reached.
fn has_run(output: &Output<'_>, place: &Place<'_>) -> bool {
    output.decisions.iter().all(|decision| place.decisions.contains(decision))
}
