//! Finds the references and the function calls in a parsed expression.

use super::Mistake;
use super::names::{ELSEWHERE, GLOBAL, MACROS, METHODS, QUALIFIED};
use crate::reference::{Care, Reference, take_care};
use crate::source::Span;
use crate::suggest::closest;
use cel::Program;
use cel::common::ast::{EntryExpr, Expr, IdedEntryExpr, IdedExpr, LiteralValue};
use stepwright_core::number::{Inexact, check_literal};

pub(super) struct Walk<'a> {
    program: &'a Program,
    text: &'a str,
    /// The variables of the comprehensions around this node.
    bound: Vec<String>,
    pub(super) references: Vec<Reference>,
    pub(super) mistakes: Vec<Mistake>,
    depth: usize,
    pub(super) deepest: usize,
}

impl<'a> Walk<'a> {
    pub(super) fn of(program: &'a Program, text: &'a str) -> Self {
        let mut walk = Self {
            program,
            text,
            bound: vec![],
            references: vec![],
            mistakes: vec![],
            depth: 0,
            deepest: 0,
        };
        walk.expr(program.expression());
        take_care(&mut walk.references);
        walk
    }

    fn expr(&mut self, expr: &IdedExpr) {
        self.depth += 1;
        self.deepest = self.deepest.max(self.depth);
        self.node(expr);
        self.depth -= 1;
    }

    fn node(&mut self, expr: &IdedExpr) {
        if let Some((root, names)) = path(expr) {
            self.deepest = self.deepest.max(self.depth + names.len());
            if !self.bound.contains(&root.1) && !root.1.starts_with('@') {
                let span = self.span_of_path(root.0, &root.1, &names);
                let care = if is_optional(expr) { Care::Optional } else { Care::None };
                self.references.push(Reference { root: root.1, path: names, span, care });
            }
            return;
        }
        match &expr.expr {
            Expr::Literal(LiteralValue::Double(number)) => self.number(expr.id, *number.inner()),
            Expr::Unspecified | Expr::Literal(_) | Expr::Ident(_) => {}
            Expr::Select(select) => self.expr(&select.operand),
            Expr::Call(call) => {
                self.call(expr.id, &call.func_name, call.target.as_deref(), call.args.len());
                let namespace = call.target.as_deref().and_then(|target| {
                    let Expr::Ident(name) = &target.expr else { return None };
                    let prefix = format!("{name}.");
                    QUALIFIED.iter().find(|qualified| qualified.starts_with(&prefix))
                });
                if let (Some(target), None) = (&call.target, namespace) {
                    self.expr(target);
                }
                call.args.iter().for_each(|arg| self.expr(arg));
            }
            Expr::Comprehension(comprehension) => {
                self.expr(&comprehension.iter_range);
                self.expr(&comprehension.accu_init);
                let outside = self.bound.len();
                self.bound.push(comprehension.iter_var.clone());
                self.bound.extend(comprehension.iter_var2.clone());
                self.bound.push(comprehension.accu_var.clone());
                self.expr(&comprehension.loop_cond);
                self.expr(&comprehension.loop_step);
                self.expr(&comprehension.result);
                self.bound.truncate(outside);
            }
            Expr::List(list) => list.elements.iter().for_each(|element| self.expr(element)),
            Expr::Map(map) => map.entries.iter().for_each(|entry| self.entry(entry)),
            Expr::Struct(value) => {
                let span = self.span_of_word(expr.id, &value.type_name);
                let message = format!("there is no type `{}`", value.type_name);
                self.mistakes.push(Mistake { message, span, help: None });
            }
        }
    }

    fn entry(&mut self, entry: &IdedEntryExpr) {
        match &entry.expr {
            EntryExpr::StructField(field) => self.expr(&field.value),
            EntryExpr::MapEntry(entry) => {
                self.expr(&entry.key);
                self.expr(&entry.value);
            }
        }
    }

    fn call(&mut self, id: u64, name: &str, target: Option<&IdedExpr>, args: usize) {
        // Operators are calls of functions whose names cannot be written.
        if !name.chars().all(|c| c.is_alphanumeric() || c == '_') || name.starts_with('_') {
            return;
        }
        let namespace = target.and_then(|target| match &target.expr {
            Expr::Ident(root) => Some(format!("{root}.{name}")),
            _ => None,
        });
        let known = match target {
            None => GLOBAL.contains(&name) || crate::functions::named(name).is_some(),
            Some(_) => {
                METHODS.contains(&name)
                    || crate::functions::named(name).is_some()
                    || namespace.as_ref().is_some_and(|n| QUALIFIED.contains(&n.as_str()))
            }
        };
        if known {
            return;
        }
        let span = self.span_of_word(id, name);
        if let Some((_, usage)) = MACROS.iter().find(|(word, _)| *word == name) {
            let message =
                format!("`{name}` is used in another way than with {args} arguments here");
            self.mistakes.push(Mistake { message, span, help: Some(format!("write `{usage}`")) });
            return;
        }
        let help = if target.is_none() && METHODS.contains(&name) {
            Some(format!("it is called on a value: `x.{name}(…)`"))
        } else if target.is_some() && GLOBAL.contains(&name) {
            Some(format!("it is not called on a value: `{name}(x)`"))
        } else if let Some((_, here)) = ELSEWHERE.iter().find(|(word, _)| *word == name) {
            Some(format!("CEL calls it `{here}`"))
        } else {
            let macros = MACROS.iter().map(|(word, _)| *word);
            let shared = crate::functions::FUNCTIONS.iter().map(|function| function.name);
            let all = GLOBAL.into_iter().chain(METHODS).chain(macros).chain(QUALIFIED);
            let all = all.chain(shared);
            closest(name, all).map(|found| format!("did you mean `{found}`?"))
        };
        let message = format!("there is no function `{name}`");
        self.mistakes.push(Mistake { message, span, help });
    }

    /// Checks that a number is held as it is written.
    fn number(&mut self, id: u64, value: f64) {
        let start = self.start(id);
        // A negative number begins at its sign, which spaces may follow.
        let sign =
            self.text[start..].len() - self.text[start..].trim_start_matches(['-', ' ']).len();
        let start = start + sign;
        let (mut end, bytes) = (start, self.text.as_bytes());
        while let Some(byte) = bytes.get(end)
            && (byte.is_ascii_digit()
                || matches!(byte, b'.' | b'e' | b'E')
                || (matches!(byte, b'+' | b'-') && matches!(bytes[end - 1], b'e' | b'E')))
        {
            end += 1;
        }
        let written = &self.text[start..end];
        let is_it = |read: f64| read.to_bits() == value.abs().to_bits();
        if !written.parse().is_ok_and(is_it) {
            return;
        }
        if let Err(why) = check_literal(written) {
            let (message, span) =
                (format!("the number {written} {why}"), Span::new(start, end - start));
            let help = "write it without fraction and exponent".to_owned();
            let help = Some(help).filter(|_| why == Inexact::Rounded);
            self.mistakes.push(Mistake { message, span, help });
        }
    }

    /// Returns the start of a node according to the parser, in bytes.
    fn start(&self, id: u64) -> usize {
        let (start, _) = self.program.source_info().offset_for(id).unwrap_or_default();
        self.text.floor_char_boundary(usize::try_from(start).unwrap_or(usize::MAX))
    }

    /// Returns the place of a word at or after the start of a node.
    fn span_of_word(&self, id: u64, word: &str) -> Span {
        let start = self.start(id);
        let after = self.text[start..].find(word).map(|at| start + at);
        // A method call starts at its parenthesis, after the name.
        let before = || self.text[..start].rfind(word);
        let found =
            if self.text[..start].ends_with(word) { before() } else { after.or_else(before) };
        found.map_or(Span::new(0, self.text.len()), |at| Span::new(at, word.len()))
    }

    fn span_of_path(&self, id: u64, root: &str, names: &[String]) -> Span {
        let first = self.span_of_word(id, root);
        let mut end = first.end();
        for name in names {
            // Two names are separated by a dot, or by a bracket and a quote.
            let Some(gap) = self.text[end..].find(name.as_str()).filter(|gap| *gap <= 3) else {
                break;
            };
            let bracket = self.text[end..end + gap].contains('[');
            end += gap + name.len();
            if bracket {
                end = self.text[end..].find(']').map_or(end, |close| end + close + 1);
            }
        }
        Span::new(first.start, end - first.start)
    }
}

/// Splits `a.b["c"]` into the node of `a`, the name `a`, and the names after it.
pub(super) fn path(expr: &IdedExpr) -> Option<((u64, String), Vec<String>)> {
    let mut names = Vec::new();
    let mut node = expr;
    loop {
        match &node.expr {
            Expr::Ident(root) => {
                names.reverse();
                return Some(((node.id, root.clone()), names));
            }
            Expr::Select(select) => {
                names.push(select.field.clone());
                node = &select.operand;
            }
            Expr::Call(call) if matches!(call.func_name.as_str(), "_[_]" | "_?._" | "_[?_]") => {
                let [operand, index] = call.args.as_slice() else { return None };
                let Expr::Literal(LiteralValue::String(name)) = &index.expr else { return None };
                names.push(name.inner().to_owned());
                node = operand;
            }
            _ => return None,
        }
    }
}

/// Returns `true` if a path allows for a value that is not there: `has(a.b)`, `a.?b` or `a[?"b"]`.
pub(super) fn is_optional(path: &IdedExpr) -> bool {
    match &path.expr {
        Expr::Select(select) => select.test || is_optional(&select.operand),
        Expr::Call(call) => {
            matches!(call.func_name.as_str(), "_?._" | "_[?_]")
                || call.args.first().is_some_and(is_optional)
        }
        _ => false,
    }
}

/// Returns the names of a plain path such as `a.b.c`.
pub(super) fn plain_path(expr: &IdedExpr) -> Option<Vec<String>> {
    let mut names = Vec::new();
    let mut node = expr;
    loop {
        match &node.expr {
            Expr::Ident(root) => {
                names.push(root.clone());
                names.reverse();
                return Some(names);
            }
            Expr::Select(select) if !select.test => {
                names.push(select.field.clone());
                node = &select.operand;
            }
            _ => return None,
        }
    }
}
