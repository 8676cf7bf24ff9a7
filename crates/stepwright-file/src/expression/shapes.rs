//! Finds what an expression gives, and where it always fails, before it runs.
//!
//! Parts without references are evaluated. For the others, an operator or a function is tried with
//! one value of each kind: the types that it refuses are the same for all values of a kind.

use super::eval::Evaluator;
use super::failure::Failure;
use super::functions;
use super::names::GLOBAL;
use super::regular;
use super::value::Val;
use super::walk::{is_optional, path};
use super::{Expression, Mistake, values};
use crate::budget::Budget;
use crate::reference::Reference;
use crate::shape::{NoMember, Shape};
use crate::source::Span;
use cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue, operators as names,
};

/// The functions and operators that give true or false.
const GIVE_BOOL: [&str; 17] = [
    names::EQUALS,
    names::NOT_EQUALS,
    names::LESS,
    names::LESS_EQUALS,
    names::GREATER,
    names::GREATER_EQUALS,
    names::IN,
    names::LOGICAL_NOT,
    "contains",
    "startsWith",
    "endsWith",
    "matches",
    "hasValue",
    "bool",
    "isInf",
    "isNaN",
    "isFinite",
];
/// The functions that give a number.
const GIVE_NUMBER: [&str; 8] =
    ["size", "int", "uint", "double", "indexOf", "lastIndexOf", "sum", "date_diff"];
/// The functions that give a text.
const GIVE_TEXT: [&str; 18] = [
    "string",
    "lowerAscii",
    "upperAscii",
    "trim",
    "join",
    "replace",
    "substring",
    "to_json",
    "to_yaml",
    "to_csv",
    "urlencode",
    "striptags",
    "html_to_text",
    "truncate",
    "regex_replace",
    "date_add",
    "date_format",
    "date_parse",
];

impl Expression {
    /// Returns what the expression gives, and the mistakes in it. `of` tells the shape of a
    /// reference.
    pub(crate) fn shape(&self, of: &dyn Fn(&Reference) -> Shape) -> (Shape, Vec<Mistake>) {
        if self.0.deep {
            return (Shape::Unknown, Vec::new());
        }
        let mut shapes =
            Shapes { of, expression: self, bound: Vec::new(), perhaps: 0, mistakes: Vec::new() };
        let whole = self.0.program.expression();
        let shape = shapes.expr(whole);
        if shapes.mistakes.is_empty()
            && is_constant(whole, &mut Vec::new())
            && let Some(why) = no_json(whole)
        {
            shapes.push(whole, format!("this expression {why}"));
        }
        (shape, shapes.mistakes)
    }
}

struct Shapes<'a> {
    of: &'a dyn Fn(&Reference) -> Shape,
    expression: &'a Expression,
    /// The variables of the comprehensions around this node.
    bound: Vec<String>,
    /// The number of decisions around this node that may leave it out.
    perhaps: usize,
    mistakes: Vec<Mistake>,
}

impl Shapes<'_> {
    fn expr(&mut self, expr: &IdedExpr) -> Shape {
        if is_constant(expr, &mut Vec::new()) {
            return self.constant(expr);
        }
        if let Some(((_, root), names)) = path(expr) {
            let is_test = matches!(&expr.expr, Expr::Select(select) if select.test);
            return if is_test { Shape::Bool } else { self.reference(&root, &names, expr) };
        }
        match &expr.expr {
            Expr::Select(select) => {
                let of = self.expr(&select.operand);
                if select.test {
                    return Shape::Bool;
                }
                let name = &select.field;
                match of.member(name) {
                    Ok(shape) => return shape,
                    Err(NoMember::Has(what)) => {
                        self.push(expr, format!("there is no member `{name}`: this is {what}"));
                    }
                    Err(NoMember::Lacks(_)) => {
                        self.push(expr, format!("there is no member `{name}`"));
                    }
                }
                Shape::Unknown
            }
            Expr::Call(call) => self.call(call, expr),
            Expr::List(list) => {
                let elements = list.elements.iter().map(|element| self.expr(element)).collect();
                // Optional elements may be left out.
                if list.optional_indices.is_empty() {
                    Shape::list_of(elements)
                } else {
                    Shape::list()
                }
            }
            Expr::Map(map) => {
                let mut members = Some(Vec::new());
                for entry in &map.entries {
                    let EntryExpr::MapEntry(entry) = &entry.expr else { continue };
                    self.expr(&entry.key);
                    let value = self.expr(&entry.value);
                    match &entry.key.expr {
                        Expr::Literal(LiteralValue::String(name)) if !entry.optional => {
                            if let Some(members) = &mut members {
                                members.push((name.inner().to_owned(), value));
                            }
                        }
                        _ => members = None,
                    }
                }
                members.map_or(Shape::Object, Shape::object_of)
            }
            Expr::Comprehension(comprehension) => self.comprehension(comprehension),
            Expr::Ident(_) | Expr::Literal(_) | Expr::Struct(_) | Expr::Unspecified => {
                Shape::Unknown
            }
        }
    }

    /// Returns the shape of a part that may not be evaluated.
    fn maybe(&mut self, expr: &IdedExpr) -> Shape {
        self.perhaps += 1;
        let shape = self.expr(expr);
        self.perhaps -= 1;
        shape
    }

    fn reference(&self, root: &str, names: &[String], expr: &IdedExpr) -> Shape {
        // What an optional access gives is optional.
        if self.bound.iter().any(|bound| bound == root) || is_optional(expr) {
            return Shape::Unknown;
        }
        let references = self.expression.references();
        let known = references.iter().find(|known| known.root == root && known.path == names);
        known.map_or(Shape::Unknown, self.of)
    }

    /// Evaluates an expression without references. If it fails, the smallest part that fails is
    /// the mistake.
    fn constant(&mut self, expr: &IdedExpr) -> Shape {
        match evaluated(expr) {
            Ok(shape) => shape,
            Err(None) => Shape::Unknown,
            // It may be there to fail, in a branch that few values reach.
            Err(Some(why)) if self.perhaps > 0 && !is_about_types(&why) => Shape::Unknown,
            Err(Some(why)) => {
                let before = self.mistakes.len();
                for part in parts(expr) {
                    if is_constant(part, &mut Vec::new()) {
                        self.constant(part);
                    }
                }
                if self.mistakes.len() == before {
                    self.push(expr, failed(&why, expr));
                }
                Shape::Unknown
            }
        }
    }

    fn call(&mut self, call: &CallExpr, expr: &IdedExpr) -> Shape {
        let name = call.func_name.as_str();
        match (name, call.args.as_slice()) {
            (names::CONDITIONAL, [test, then, otherwise]) => {
                let test_shape = self.expr(test);
                self.must_be_bool(&test_shape, test);
                let (then, otherwise) = (self.maybe(then), self.maybe(otherwise));
                return then.or(otherwise);
            }
            (names::LOGICAL_AND | names::LOGICAL_OR, [left, right]) => {
                // Each side may decide without the other one.
                for side in [left, right] {
                    let shape = self.maybe(side);
                    self.must_be_bool(&shape, side);
                }
                return Shape::Bool;
            }
            (names::NOT_STRICTLY_FALSE, [value]) => {
                self.expr(value);
                return Shape::Bool;
            }
            _ => {}
        }
        let namespace = call.target.as_deref().and_then(|target| match &target.expr {
            Expr::Ident(space) if functions::is_qualified(space, name) => Some(space.as_str()),
            _ => None,
        });
        let target = call.target.as_deref().filter(|_| namespace.is_none());
        let args: Vec<&IdedExpr> = target.into_iter().chain(&call.args).collect();
        let shapes: Vec<Shape> = args.iter().map(|arg| self.expr(arg)).collect();
        if name == "matches"
            && let [_, pattern] = args.as_slice()
        {
            self.pattern(pattern);
        }
        // An index depends on the value, and so does an optional access.
        if !matches!(name, names::INDEX | names::OPT_INDEX | names::OPT_SELECT) {
            let samples: Option<Vec<Val<'_>>> = shapes.iter().map(sample).collect();
            if let Some(samples) = samples
                && let Err(Failure::Said(why)) = tried(call, namespace, target, &samples)
                && is_about_types(&why)
            {
                self.push(expr, failed(&why, expr));
            }
        }
        if namespace.is_none() {
            self.settings(name, &shapes, expr);
        }
        let kinds: Vec<Shape> = shapes.iter().map(Shape::kind).collect();
        match (name, kinds.as_slice()) {
            _ if GIVE_BOOL.contains(&name) => Shape::Bool,
            _ if GIVE_NUMBER.contains(&name) || namespace == Some("math") => Shape::Number,
            _ if GIVE_TEXT.contains(&name) => Shape::Text,
            ("split" | "range" | "from_csv", _) => Shape::list(),
            (names::ADD, [Shape::Text, Shape::Text]) => Shape::Text,
            (names::NEGATE, [Shape::Number]) => Shape::Number,
            (
                names::ADD | names::SUBSTRACT | names::MULTIPLY | names::DIVIDE | names::MODULO,
                [Shape::Number, Shape::Number],
            ) => Shape::Number,
            _ => Shape::Unknown,
        }
    }

    /// Checks constant arguments after the first: a unit of time, a format, a pattern.
    fn settings(&mut self, name: &str, shapes: &[Shape], expr: &IdedExpr) {
        let Some((_, others)) = shapes.split_first().filter(|(_, others)| !others.is_empty())
        else {
            return;
        };
        let others = others.iter().map(|shape| match shape {
            Shape::Constant(value) => Some(value.clone()),
            _ => None,
        });
        if let Some(others) = others.collect::<Option<Vec<_>>>()
            && let Some(function) = crate::functions::named(name)
            && let Some(why) = function.refuses(&others)
        {
            self.push(expr, failed(&why, expr));
        }
    }

    fn pattern(&mut self, pattern: &IdedExpr) {
        let Expr::Literal(LiteralValue::String(text)) = &pattern.expr else { return };
        if let Err(why) = regular::compile(text.inner()) {
            self.push(pattern, format!("not a valid regular expression: {why}"));
        }
    }

    fn comprehension(&mut self, of: &ComprehensionExpr) -> Shape {
        let range = self.expr(&of.iter_range);
        let is_repeatable = matches!(
            range.kind(),
            Shape::Unknown | Shape::List(_) | Shape::Object | Shape::Closed(_)
        );
        if let Some(what) = range.what().filter(|_| !is_repeatable) {
            self.push(&of.iter_range, format!("a list is expected, and there is {what}"));
        }
        let start = self.expr(&of.accu_init);
        let outside = self.bound.len();
        self.bound.push(of.iter_var.clone());
        self.bound.extend(of.iter_var2.clone());
        self.bound.push(of.accu_var.clone());
        self.maybe(&of.loop_step);
        self.bound.truncate(outside);
        match start.kind() {
            Shape::Bool => Shape::Bool,
            Shape::List(_) => Shape::list(),
            _ => Shape::Unknown,
        }
    }

    fn must_be_bool(&mut self, shape: &Shape, expr: &IdedExpr) {
        if let Some(what) = shape.what().filter(|_| !shape.may_be_bool()) {
            self.push(expr, format!("true or false is expected, and there is {what}"));
        }
    }

    fn push(&mut self, expr: &IdedExpr, message: String) {
        let span = self.span(expr);
        // A part of a macro occurs several times in the tree.
        if !self.mistakes.iter().any(|other| other.message == message && other.span == span) {
            let is_sum = message.starts_with("`+` cannot be used on")
                && message.contains("a number")
                && message.contains("a text");
            let is_time = parts(expr)
                .iter()
                .any(|part| matches!(&part.expr, Expr::Ident(name) if name == "now"));
            let help = if is_time {
                "a duration is added with `date_add(now, \"1d\")`"
            } else {
                "`string(…)` makes a text of a number"
            };
            let help = is_sum.then(|| help.to_owned());
            self.mistakes.push(Mistake { message, span, help });
        }
    }

    /// Returns the place of an expression: from its first part to its last.
    fn span(&self, expr: &IdedExpr) -> Span {
        let text = self.expression.text();
        let (mut start, mut end) = (usize::MAX, 0);
        self.extent(expr, &mut start, &mut end);
        let start = text.floor_char_boundary(start);
        let mut end = text.ceil_char_boundary(end);
        if start >= end {
            return Span::new(0, text.len());
        }
        // The parser does not count the brackets at the end.
        let is_open = |end: usize| {
            let part = &text[start..end];
            part.matches('(').count() > part.matches(')').count()
        };
        while is_open(end) && text[end..].starts_with(')') {
            end += 1;
        }
        Span::new(start, end - start)
    }

    fn extent(&self, expr: &IdedExpr, start: &mut usize, end: &mut usize) {
        let info = self.expression.0.program.source_info();
        if let Some((from, to)) = info.offset_for(expr.id) {
            let text = self.expression.text();
            let as_usize = |at: u32| usize::try_from(at).unwrap_or(usize::MAX).min(text.len());
            let mut from = text.floor_char_boundary(as_usize(from));
            // A call starts at its bracket, behind the name of the function.
            if let Expr::Call(call) = &expr.expr
                && call.target.is_none()
                && text[..from].ends_with(&call.func_name)
            {
                from -= call.func_name.len();
            }
            *start = (*start).min(from);
            // The last byte belongs to the expression.
            *end = (*end).max((as_usize(to) + 1).min(text.len()));
        }
        for part in parts(expr) {
            self.extent(part, start, end);
        }
    }
}

/// Calls a function with one value of each kind.
fn tried(
    call: &CallExpr,
    namespace: Option<&str>,
    target: Option<&IdedExpr>,
    samples: &[Val<'_>],
) -> Result<(), Failure> {
    let budget = Budget::inline();
    let name = call.func_name.as_str();
    let mut regexes = functions::Regexes::default();
    match (namespace, target, samples) {
        (Some(space), ..) => {
            let name = format!("{space}.{name}");
            functions::call(&name, samples, &budget, &mut regexes)?;
        }
        (None, Some(_), _) => {
            functions::call_method(name, samples, &budget, &mut regexes)?;
        }
        (None, None, samples) => {
            // A function that does not exist is a mistake of its own.
            let is_operator = !name.starts_with(char::is_alphabetic);
            if is_operator || GLOBAL.contains(&name) || crate::functions::named(name).is_some() {
                Evaluator::new(&[], &budget).applied(name, samples)?;
            }
        }
    }
    Ok(())
}

/// Returns `true` for a failure that all values of the same kinds have.
fn is_about_types(why: &str) -> bool {
    let needs = ["needs a text, not ", "needs a list, not "];
    let is_number_of_values = why.contains("` takes ") && why.contains(", and was given ");
    why.starts_with("uses ") || needs.iter().any(|words| why.contains(words)) || is_number_of_values
}

/// Returns the message for a failure at a part of an expression.
fn failed(why: &str, expr: &IdedExpr) -> String {
    let why = why.strip_prefix("fails: ").unwrap_or(why);
    if let Expr::Call(call) = &expr.expr
        && call.func_name == "matches"
        && why.contains("regular expression")
    {
        return format!("not a valid regular expression: {}", last_clause(why));
    }
    match why.strip_prefix("uses ") {
        Some(rest) => match rest.split_once(" on ") {
            Some((operator, types)) => format!("{operator} cannot be used on {types}"),
            None => format!("{rest} is not possible"),
        },
        None => match why.strip_prefix("asks for ") {
            Some(rest) => match rest.split_once(", ") {
                Some((name, "which is not there")) => format!("there is no member {name}"),
                Some((name, rest)) => format!("there is no member {name}, {rest}"),
                None => format!("there is no member {rest}"),
            },
            None => why.to_owned(),
        },
    }
}

fn last_clause(why: &str) -> &str {
    why.rsplit_once(": ").map_or(why, |(_, clause)| clause)
}

/// Evaluates an expression without references. `Err(None)` if a limit was reached.
fn evaluated(expr: &IdedExpr) -> Result<Shape, Option<String>> {
    let budget = Budget::inline();
    let value = Evaluator::new(&[], &budget).eval(expr).map_err(|failure| match failure {
        Failure::Said(why) => Some(why),
        Failure::Spent(_) => None,
    })?;
    // Some values, such as types and bytes, are possible inside an expression only.
    Ok(values::to_json(&value, true, &budget).map_or(Shape::Unknown, Shape::Constant))
}

/// Returns the reason that a constant cannot be the value of an expression, if there is one.
fn no_json(expr: &IdedExpr) -> Option<String> {
    let budget = Budget::inline();
    let value = Evaluator::new(&[], &budget).eval(expr).ok()?;
    match values::to_json(&value, true, &budget) {
        Err(Failure::Said(why)) => Some(why),
        Ok(_) | Err(Failure::Spent(_)) => None,
    }
}

/// Returns a value of a shape.
fn sample<'v>(shape: &Shape) -> Option<Val<'v>> {
    Some(match shape.kind() {
        Shape::Bool => Val::Bool(true),
        Shape::Number => Val::Int(1),
        Shape::Text => Val::text("a"),
        Shape::List(_) => Val::list(Vec::new()),
        Shape::Object | Shape::Closed(_) => Val::object(),
        Shape::Constant(_) | Shape::Unknown => return None,
    })
}

/// Returns `true` if an expression refers to nothing but the `bound` variables.
fn is_constant(expr: &IdedExpr, bound: &mut Vec<String>) -> bool {
    match &expr.expr {
        Expr::Ident(name) => bound.contains(name) || super::value::known_type(name).is_some(),
        Expr::Literal(_) => true,
        Expr::Struct(_) | Expr::Unspecified => false,
        Expr::Comprehension(of) => {
            if !is_constant(&of.iter_range, bound) || !is_constant(&of.accu_init, bound) {
                return false;
            }
            let outside = bound.len();
            bound.push(of.iter_var.clone());
            bound.extend(of.iter_var2.clone());
            bound.push(of.accu_var.clone());
            let inner = [&of.loop_cond, &of.loop_step, &of.result];
            let constant = inner.into_iter().all(|part| is_constant(part, bound));
            bound.truncate(outside);
            constant
        }
        Expr::Call(call) => {
            let namespace = call.target.as_deref().is_some_and(|target| {
                matches!(&target.expr, Expr::Ident(space)
                    if functions::is_qualified(space, &call.func_name))
            });
            let target = call.target.as_deref().filter(|_| !namespace);
            target.into_iter().chain(&call.args).all(|part| is_constant(part, bound))
        }
        _ => parts(expr).into_iter().all(|part| is_constant(part, bound)),
    }
}

/// Returns the parts of an expression that are expressions.
fn parts(expr: &IdedExpr) -> Vec<&IdedExpr> {
    match &expr.expr {
        Expr::Select(select) => vec![&select.operand],
        Expr::Call(call) => call.target.as_deref().into_iter().chain(&call.args).collect(),
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Map(map) => map
            .entries
            .iter()
            .flat_map(|entry| match &entry.expr {
                EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
                EntryExpr::StructField(field) => vec![&field.value],
            })
            .collect(),
        Expr::Comprehension(of) => vec![&of.iter_range, &of.accu_init, &of.loop_step],
        Expr::Ident(_) | Expr::Literal(_) | Expr::Struct(_) | Expr::Unspecified => Vec::new(),
    }
}
