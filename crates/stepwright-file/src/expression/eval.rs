//! Evaluates the syntax tree of an expression.
//!
//! CEL's own interpreter has no limits: it cannot be stopped, and its memory use is unbounded. So
//! this module evaluates the tree of CEL's parser itself, within a budget and with the same
//! results.

use super::failure::{Evaluated, Failure, fails, type_word, unsupported};
use super::functions;
use super::operators::{
    Arithmetic, arithmetic, compare, contains, elements, equal, has, index, member, negate,
};
use super::value::{ELEMENT_BYTES, Key, MEMBER_BYTES, Map, Val, known_type};
use crate::budget::Budget;
use cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, ListExpr, LiteralValue, MapExpr,
    SelectExpr, operators as names,
};
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) struct Evaluator<'a, 'b> {
    /// The top-level names and their values.
    roots: &'b [(&'a str, Val<'a>)],
    /// The variables of comprehensions, innermost last.
    bound: Vec<(&'a str, Val<'a>)>,
    budget: &'b Budget<'b>,
    regexes: functions::Regexes,
}

impl<'a, 'b> Evaluator<'a, 'b> {
    pub(super) fn new(roots: &'b [(&'a str, Val<'a>)], budget: &'b Budget<'b>) -> Self {
        let regexes = functions::Regexes::default();
        Self { roots, bound: Vec::new(), budget, regexes }
    }

    pub(super) fn eval(&mut self, expr: &'a IdedExpr) -> Evaluated<'a> {
        self.budget.steps(1)?;
        match &expr.expr {
            Expr::Literal(literal) => Ok(literal_value(literal)),
            Expr::Ident(name) => self.variable(name),
            Expr::Select(select) => self.select(select),
            Expr::Call(call) => self.call(call),
            Expr::List(list) => self.list(list),
            Expr::Map(map) => self.map(map),
            Expr::Comprehension(comprehension) => {
                // Unbind variables after a failure too, because the outer expression may ignore it.
                let outside = self.bound.len();
                let result = self.comprehension(comprehension);
                self.bound.truncate(outside);
                result
            }
            Expr::Struct(value) => fails(format_args!("there is no type `{}`", value.type_name)),
            Expr::Unspecified => fails("a part of it is empty"),
        }
    }

    fn variable(&self, name: &'a str) -> Evaluated<'a> {
        let (name, bound) = match name.strip_prefix('.') {
            Some(absolute) => (absolute, None),
            None => (name, self.bound.iter().rev().find(|(bound, _)| *bound == name)),
        };
        let found = bound.or_else(|| self.roots.iter().find(|(root, _)| *root == name));
        match found {
            Some((_, value)) => Ok(value.clone()),
            None => match known_type(name) {
                Some(known) => Ok(Val::Type(known)),
                None => fails(format_args!("there is no `{name}`")),
            },
        }
    }

    fn select(&mut self, select: &'a SelectExpr) -> Evaluated<'a> {
        let of = self.eval(&select.operand)?;
        if select.test {
            return has(&of, &select.field).map(Val::Bool);
        }
        member(&of, &select.field)
    }

    fn list(&mut self, list: &'a ListExpr) -> Evaluated<'a> {
        self.budget.build(list.elements.len() * ELEMENT_BYTES)?;
        let mut values = Vec::with_capacity(list.elements.len());
        for (at, element) in list.elements.iter().enumerate() {
            let value = self.eval(element)?;
            if list.optional_indices.contains(&at) {
                values.extend(unwrapped(value));
            } else {
                values.push(value);
            }
        }
        Ok(Val::list(values))
    }

    fn map(&mut self, map: &'a MapExpr) -> Evaluated<'a> {
        let mut members = BTreeMap::new();
        for entry in &map.entries {
            let EntryExpr::MapEntry(entry) = &entry.expr else {
                return fails("a field stands where a member is expected");
            };
            let key = self.eval(&entry.key)?;
            let Some(key) = Key::of(&key) else {
                let word = type_word(key.type_name());
                return fails(format_args!("{word} cannot be the key of an object"));
            };
            let value = self.eval(&entry.value)?;
            let value = if entry.optional { unwrapped(value) } else { Some(value) };
            let Some(value) = value else { continue };
            let text = if let Key::Text(text) = &key { text.len() } else { 0 };
            self.budget.build(MEMBER_BYTES + text)?;
            // Equal numbers of different types are the same key.
            let is_there = match &key {
                Key::Int(number) => {
                    members.contains_key(&key)
                        || u64::try_from(*number)
                            .is_ok_and(|number| members.contains_key(&Key::UInt(number)))
                }
                Key::UInt(number) => {
                    members.contains_key(&key)
                        || i64::try_from(*number)
                            .is_ok_and(|number| members.contains_key(&Key::Int(number)))
                }
                _ => members.contains_key(&key),
            };
            if is_there {
                return fails("an object has the same key twice");
            }
            members.insert(key, value);
        }
        Ok(Val::Map(Map::Built(Arc::new(members))))
    }

    fn call(&mut self, call: &'a CallExpr) -> Evaluated<'a> {
        if call.target.is_some() {
            return self.call_on(call);
        }
        match (call.func_name.as_str(), call.args.as_slice()) {
            (names::CONDITIONAL, [condition, then, otherwise]) => {
                let condition = self.condition(condition)?;
                self.eval(if condition { then } else { otherwise })
            }
            (names::LOGICAL_OR, [left, right]) => self.logical(left, right, true),
            (names::LOGICAL_AND, [left, right]) => self.logical(left, right, false),
            (names::NOT_STRICTLY_FALSE, [value]) => match self.condition(value) {
                Ok(value) => Ok(Val::Bool(value)),
                Err(Failure::Said(_)) => Ok(Val::Bool(true)),
                Err(spent) => Err(spent),
            },
            (name, args) => {
                let args = self.all(args)?;
                self.applied(name, &args)
            }
        }
    }

    /// Applies an operator or a function to its arguments.
    pub(super) fn applied(&mut self, name: &str, args: &[Val<'a>]) -> Evaluated<'a> {
        match (name, args) {
            (names::LOGICAL_NOT, [Val::Bool(value)]) => Ok(Val::Bool(!value)),
            (names::LOGICAL_NOT, [other]) => unsupported("!", &[other]),
            (names::NEGATE, [value]) => negate(value),
            (operator, [left, right]) if is_binary(operator) => self.binary(operator, left, right),
            (name, args) => functions::call(name, args, self.budget, &mut self.regexes),
        }
    }

    fn binary(&self, operator: &str, left: &Val<'a>, right: &Val<'a>) -> Evaluated<'a> {
        let budget = self.budget;
        let ordered = |sign: &str| compare(sign, left, right, budget);
        let by = |by| arithmetic(by, left, right, budget);
        match operator {
            names::EQUALS => equal(left, right, budget).map(Val::Bool),
            names::NOT_EQUALS => equal(left, right, budget).map(|equal| Val::Bool(!equal)),
            names::ADD => by(Arithmetic::Add),
            names::SUBSTRACT => by(Arithmetic::Subtract),
            names::MULTIPLY => by(Arithmetic::Multiply),
            names::DIVIDE => by(Arithmetic::Divide),
            names::MODULO => by(Arithmetic::Remainder),
            names::LESS => ordered("<").map(|order| Val::Bool(order == Ordering::Less)),
            names::LESS_EQUALS => ordered("<=").map(|order| Val::Bool(order != Ordering::Greater)),
            names::GREATER => ordered(">").map(|order| Val::Bool(order == Ordering::Greater)),
            names::GREATER_EQUALS => ordered(">=").map(|order| Val::Bool(order != Ordering::Less)),
            names::IN => contains(right, left, budget).map(Val::Bool),
            _ => Self::at(operator, left, right, budget),
        }
    }

    /// Evaluates `a[b]`, `a[?b]` and `a.?b`. On an optional value, all results are optional.
    fn at(operator: &str, of: &Val<'a>, at: &Val<'a>, budget: &Budget<'_>) -> Evaluated<'a> {
        let (of, optional) = match of {
            Val::Optional(None) => return Ok(Val::Optional(None)),
            Val::Optional(Some(inner)) => (&**inner, true),
            other => (other, false),
        };
        let result = index(operator, of, at, budget);
        if !optional && operator == names::INDEX {
            return result;
        }
        match result {
            Ok(value) => Ok(value.some()),
            Err(Failure::Said(_)) => Ok(Val::Optional(None)),
            Err(spent) => Err(spent),
        }
    }

    fn condition(&mut self, expr: &'a IdedExpr) -> Result<bool, Failure> {
        match self.eval(expr)? {
            Val::Bool(value) => Ok(value),
            other => {
                let word = type_word(other.type_name());
                fails(format_args!("true or false is expected, and there is {word}"))
            }
        }
    }

    /// Evaluates `||`, which `true` decides, and `&&`, which `false` decides. If one side decides,
    /// a failure of the other is ignored.
    fn logical(&mut self, left: &'a IdedExpr, right: &'a IdedExpr, decides: bool) -> Evaluated<'a> {
        let left = match self.eval(left) {
            Ok(Val::Bool(left)) if left == decides => return Ok(Val::Bool(decides)),
            Err(Failure::Spent(spent)) => return Err(spent.into()),
            left => left,
        };
        let right = self.eval(right)?;
        let sign = if decides { "||" } else { "&&" };
        match (left, &right) {
            (Ok(Val::Bool(_)), Val::Bool(_)) => Ok(right),
            (_, Val::Bool(right)) if *right == decides => Ok(Val::Bool(decides)),
            (Err(error), _) => Err(error),
            (Ok(left), right) => unsupported(sign, &[&left, right]),
        }
    }

    fn all(&mut self, exprs: &'a [IdedExpr]) -> Result<Vec<Val<'a>>, Failure> {
        exprs.iter().map(|expr| self.eval(expr)).collect()
    }

    /// Calls `x.f(y)` or `math.f(y)`.
    fn call_on(&mut self, call: &'a CallExpr) -> Evaluated<'a> {
        let mut args = self.all(&call.args)?;
        let Some(target) = &call.target else { return fails("nothing is called") };
        let name = call.func_name.as_str();
        if let Expr::Ident(namespace) = &target.expr {
            let namespace = namespace.strip_prefix('.').unwrap_or(namespace);
            if functions::is_qualified(namespace, name) {
                let name = format!("{namespace}.{name}");
                return functions::call(&name, &args, self.budget, &mut self.regexes);
            }
        }
        args.insert(0, self.eval(target)?);
        functions::call_method(name, &args, self.budget, &mut self.regexes)
    }

    fn comprehension(&mut self, of: &'a ComprehensionExpr) -> Evaluated<'a> {
        let start = self.eval(&of.accu_init)?;
        let range = self.eval(&of.iter_range)?;
        let Some(items) = elements(&range, self.budget)? else {
            let word = type_word(range.type_name());
            return fails(format_args!("a list is expected, and there is {word}"));
        };
        let is_empty_list = matches!(&start, Val::List(list) if list.len() == 0);
        if let Some(append) = Append::of(of).filter(|_| is_empty_list) {
            return self.append(of, &append, items);
        }
        let result = self.bound.len();
        self.bound.push((&of.accu_var, start));
        let item_at = self.bound.len();
        self.bound.push((&of.iter_var, Val::Null));
        let decides = decides(of);
        // The last failure that a later element may make irrelevant.
        let mut pending = None;
        for item in items {
            // Check before binding the first element, which the condition cannot refer to.
            if !self.condition(&of.loop_cond)? {
                break;
            }
            self.bound[item_at].1 = item;
            match (self.eval(&of.loop_step), decides) {
                (Err(Failure::Said(error)), Some(_)) => pending = Some(Failure::Said(error)),
                (Err(error), _) => return Err(error),
                (Ok(Val::Bool(value)), Some(decides)) if value == decides => {
                    pending = None;
                    self.bound[result].1 = Val::Bool(value);
                }
                (Ok(_), Some(_)) if pending.is_some() => {}
                (Ok(value), _) => self.bound[result].1 = value,
            }
        }
        if let Some(error) = pending {
            return Err(error);
        }
        self.eval(&of.result)
    }

    /// Evaluates `map` and `filter`, which append to a list in each turn.
    fn append(
        &mut self,
        of: &'a ComprehensionExpr,
        append: &Append<'a>,
        items: Vec<Val<'a>>,
    ) -> Evaluated<'a> {
        let mut list = Vec::new();
        let item_at = self.bound.len();
        self.bound.push((&of.iter_var, Val::Null));
        for item in items {
            if !self.condition(&of.loop_cond)? {
                break;
            }
            self.bound[item_at].1 = item;
            if let Some(guard) = append.guard
                && !self.condition(guard)?
            {
                continue;
            }
            if let Val::List(more) = self.list(append.items)? {
                self.budget.build(more.len() * ELEMENT_BYTES)?;
                list.extend(more.iter());
            }
        }
        Ok(Val::list(list))
    }
}

/// The step of `map` and `filter`: `guard ? @result + items : @result`.
struct Append<'a> {
    guard: Option<&'a IdedExpr>,
    items: &'a ListExpr,
}

impl<'a> Append<'a> {
    fn of(comprehension: &'a ComprehensionExpr) -> Option<Self> {
        let is_result = |expr: &IdedExpr| match &expr.expr {
            Expr::Ident(name) => *name == comprehension.accu_var,
            _ => false,
        };
        let added = |expr: &'a IdedExpr| match &expr.expr {
            Expr::Call(call) if call.func_name == names::ADD && call.target.is_none() => {
                match call.args.as_slice() {
                    [left, right] if is_result(left) => match &right.expr {
                        Expr::List(items) => Some(items),
                        _ => None,
                    },
                    _ => None,
                }
            }
            _ => None,
        };
        if !is_result(&comprehension.result)
            || !matches!(comprehension.loop_cond.expr, Expr::Literal(_))
        {
            return None;
        }
        match &comprehension.loop_step.expr {
            Expr::Call(call) if call.func_name == names::CONDITIONAL && call.target.is_none() => {
                match call.args.as_slice() {
                    [guard, step, otherwise] if is_result(otherwise) => {
                        Some(Self { guard: Some(guard), items: added(step)? })
                    }
                    _ => None,
                }
            }
            _ => Some(Self { guard: None, items: added(&comprehension.loop_step)? }),
        }
    }
}

/// Returns the value that decides an `all` (`false`) or an `exists` (`true`) despite failures.
fn decides(of: &ComprehensionExpr) -> Option<bool> {
    let Expr::Call(call) = &of.loop_step.expr else { return None };
    let first = call.args.first().map(|arg| &arg.expr);
    let folds = matches!(first, Some(Expr::Ident(name)) if *name == of.accu_var);
    match call.func_name.as_str() {
        names::LOGICAL_AND if folds && call.target.is_none() => Some(false),
        names::LOGICAL_OR if folds && call.target.is_none() => Some(true),
        _ => None,
    }
}

fn is_binary(operator: &str) -> bool {
    matches!(
        operator,
        names::EQUALS
            | names::NOT_EQUALS
            | names::ADD
            | names::SUBSTRACT
            | names::MULTIPLY
            | names::DIVIDE
            | names::MODULO
            | names::LESS
            | names::LESS_EQUALS
            | names::GREATER
            | names::GREATER_EQUALS
            | names::IN
            | names::INDEX
            | names::OPT_INDEX
            | names::OPT_SELECT
    )
}

fn literal_value(literal: &LiteralValue) -> Val<'_> {
    match literal {
        LiteralValue::Null => Val::Null,
        LiteralValue::Boolean(value) => Val::Bool(*value.inner()),
        LiteralValue::Int(number) => Val::Int(*number.inner()),
        LiteralValue::UInt(number) => Val::UInt(*number.inner()),
        LiteralValue::Double(number) => Val::Double(*number.inner()),
        LiteralValue::String(text) => Val::borrowed(text.inner()),
        LiteralValue::Bytes(bytes) => Val::Bytes(bytes.inner().into()),
    }
}

/// Returns the value inside an optional value, if there is one.
fn unwrapped(value: Val<'_>) -> Option<Val<'_>> {
    match value {
        Val::Optional(None) => None,
        Val::Optional(Some(inner)) => Some(Arc::unwrap_or_clone(inner)),
        value => Some(value),
    }
}
