//! Expressions in CEL, for values and decisions.
//!
//! CEL itself has no limits and no check before the evaluation. So this module checks variables and
//! functions on the syntax tree, and evaluates the tree within a [`Budget`].

mod awaited;
mod eval;
mod failure;
mod functions;
mod names;
mod operators;
pub(crate) mod regular;
mod shapes;
mod value;
mod values;
mod walk;

use crate::budget::{
    BUILT_BYTES_MAX, Budget, GIVEN_BYTES_MAX, GIVEN_DEPTH_MAX, STEPS_MAX, Spent, Unfinished,
};
use crate::declared::Declared;
use crate::reference::{Reference, Values};
use crate::source::Span;
use crate::stack::with_stack;
use cel::{Env, Program, extensions};
use eval::Evaluator;
use failure::{Failure, type_word};
use serde_json::Value;
use std::sync::{Arc, LazyLock};
use stepwright_core::StepError;
use stepwright_core::error::ErrorCode;
use value::Val;

/// The maximum length of an expression, in bytes.
const LENGTH_MAX: usize = 2000;
/// The maximum nesting depth of brackets in an expression.
const DEPTH_MAX: usize = 24;
/// The maximum depth of the syntax tree of an expression.
const NODES_DEEP_MAX: usize = 500;
/// The maximum depth for evaluation on any thread. In a debug build a level takes some KiB of
/// stack, and threads of a runtime have 2 MiB.
const NODES_SHALLOW_MAX: usize = 64;

static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut env = Env::stdlib();
    env.add_extension(extensions::strings).expect("nothing else declares these");
    env.add_extension(extensions::lists).expect("nothing else declares these");
    env.add_extension(extensions::math).expect("nothing else declares these");
    Arc::new(env)
});

/// A parsed expression. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Expression(Arc<Inner>, Arc<Declared>);

#[derive(Debug)]
struct Inner {
    text: String,
    program: Program,
    references: Vec<Reference>,
    /// The names in the expression if it is a plain path, which needs no conversion of values.
    path: Option<Vec<String>>,
    /// `true` if the evaluation needs a larger stack.
    deep: bool,
}

/// A mistake at a place in the text of an expression.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mistake {
    pub(crate) message: String,
    pub(crate) span: Span,
    pub(crate) help: Option<String>,
}

impl Expression {
    /// Parses `text` and checks its functions. Returns unknown ones as mistakes next to the
    /// expression. The caller checks the references.
    pub(crate) fn parse(text: &str) -> Result<(Self, Vec<Mistake>), Vec<Mistake>> {
        within_limits(text)?;
        let program = ENV.compile(text).map_err(|errors| syntax_mistakes(text, &errors))?;
        let walk::Walk { references, mistakes, deepest, .. } = walk::Walk::of(&program, text);
        if deepest > NODES_DEEP_MAX {
            return too_complex(text, "an expression has too many operations in a row".into());
        }
        let path = walk::plain_path(program.expression());
        let inner = Inner {
            text: text.into(),
            program,
            references,
            path,
            deep: deepest > NODES_SHALLOW_MAX,
        };
        Ok((Self(Arc::new(inner), Arc::default()), mistakes))
    }

    /// Sets the values that the file of the expression declares.
    pub(crate) fn within(self, declared: Arc<Declared>) -> Self {
        Self(self.0, declared)
    }

    pub(crate) fn text(&self) -> &str {
        &self.0.text
    }

    pub(crate) fn references(&self) -> &[Reference] {
        &self.0.references
    }

    /// Evaluates the expression.
    pub(crate) fn value(
        &self,
        values: &Values<'_>,
        budget: &Budget<'_>,
    ) -> Result<Value, Unfinished> {
        let evaluated = match &self.0.path {
            Some(path) => self.follow(path, values, budget),
            None if self.0.deep => with_stack(|| self.evaluate(values, budget)),
            None => self.evaluate(values, budget),
        };
        evaluated.map_err(|failure| self.failed(failure, budget))
    }

    fn evaluate(&self, values: &Values<'_>, budget: &Budget<'_>) -> Result<Value, Failure> {
        let roots = values.roots(&self.0.references, &self.1);
        let roots: Vec<_> =
            roots.into_iter().map(|(name, root)| (name, values::of_root(root))).collect();
        let mut evaluator = Evaluator::new(&roots, budget);
        let value = evaluator.eval(self.0.program.expression())?;
        values::to_json(&value, true, budget)
    }

    /// Evaluates the expression, whose value must be `true` or `false`.
    pub(crate) fn decide(
        &self,
        values: &Values<'_>,
        budget: &Budget<'_>,
    ) -> Result<bool, Unfinished> {
        match self.value(values, budget)? {
            Value::Bool(value) => Ok(value),
            other => Err(self.error(&format!("gives {}, not true or false", what(&other))).into()),
        }
    }

    /// Evaluates the expression, whose value must be a list.
    pub(crate) fn list(
        &self,
        values: &Values<'_>,
        budget: &Budget<'_>,
    ) -> Result<Vec<Value>, Unfinished> {
        match self.value(values, budget)? {
            Value::Array(list) => Ok(list),
            other => Err(self.error(&format!("gives {}, not a list", what(&other))).into()),
        }
    }

    /// Evaluates the expression, whose value must be a text, a list of texts, or null for none.
    pub(crate) fn names(
        &self,
        values: &Values<'_>,
        budget: &Budget<'_>,
    ) -> Result<Vec<String>, Unfinished> {
        let wrong = |other: &Value| {
            self.error(&format!("gives {}, not the name of a choice", what(other))).into()
        };
        match self.value(values, budget)? {
            Value::Null => Ok(Vec::new()),
            Value::String(name) => Ok(vec![name]),
            Value::Array(list) => list
                .into_iter()
                .map(|one| match one {
                    Value::String(name) => Ok(name),
                    other => Err(wrong(&other)),
                })
                .collect(),
            other => Err(wrong(&other)),
        }
    }

    /// Returns the value of a path without a conversion of the values around it.
    fn follow(
        &self,
        path: &[String],
        values: &Values<'_>,
        budget: &Budget<'_>,
    ) -> Result<Value, Failure> {
        let said = |what: String| Err(Failure::Said(what));
        let mut value = values::of_root(values.root(&path[0], &self.0.references, &self.1));
        for (at, name) in path.iter().enumerate().skip(1) {
            let of = || path[..at].join(".");
            let Val::Map(members) = &value else {
                let word = type_word(value.type_name());
                return said(format!("asks `{}` for `{name}`, but that is {word}", of()));
            };
            value = match members.member(name) {
                Some(member) => member,
                None => return said(format!("asks `{}` for `{name}`, which it lacks", of())),
            };
        }
        values::to_json(&value, false, budget)
    }

    fn failed(&self, failure: Failure, budget: &Budget<'_>) -> Unfinished {
        let spent = match failure {
            Failure::Said(what) => return self.error(&what).into(),
            Failure::Spent(Spent::Steps | Spent::Built) if budget.is_inline() => {
                return Unfinished::NotHere;
            }
            Failure::Spent(spent) => spent,
        };
        let (what, hint) = match spent {
            Spent::Steps => (
                format!("takes more than {STEPS_MAX} operations"),
                "filter or cut the list first, or do the work in a step of its own",
            ),
            Spent::Built => (
                format!("gives more than {BUILT_BYTES_MAX} bytes, with all that it builds for it"),
                "keep less of what it works on",
            ),
            Spent::Given => (
                format!("gives more than {GIVEN_BYTES_MAX} bytes"),
                "keep less of it, or write it to a file and hand on the path",
            ),
            Spent::Depth => (
                format!("gives a value that is nested deeper than {GIVEN_DEPTH_MAX}"),
                "hand on less of what came before",
            ),
            Spent::Stopped => ("was stopped".to_owned(), "its step has ended"),
        };
        self.error(&what).with_code(ErrorCode::Limit).with_hint(hint).into()
    }

    // The error is terminal, because the same values would give the same failure.
    fn error(&self, what: &str) -> StepError {
        StepError::terminal(format!("the expression `{}` {what}", self.0.text.trim()))
            .with_code(ErrorCode::Decision)
    }
}

fn what(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// Checks the limits before parsing, because CEL's parser is recursive.
fn within_limits(text: &str) -> Result<(), Vec<Mistake>> {
    if text.len() > LENGTH_MAX {
        return too_complex(text, format!("an expression has at most {LENGTH_MAX} bytes"));
    }
    let mut depth = 0_usize;
    for c in text.chars() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > DEPTH_MAX {
            return too_complex(text, format!("an expression is nested at most {DEPTH_MAX} deep"));
        }
    }
    Ok(())
}

fn too_complex<T>(text: &str, message: String) -> Result<T, Vec<Mistake>> {
    let help = Some("compute parts of it in `value` steps before".to_owned());
    Err(vec![Mistake { message, span: Span::new(0, text.len()), help }])
}

fn syntax_mistakes(text: &str, errors: &cel::ParseErrors) -> Vec<Mistake> {
    let mistakes = errors.errors.iter().map(|error| {
        let (line, column) = error.pos;
        let source = crate::source::Source::new("", text);
        let start = match (usize::try_from(line), usize::try_from(column)) {
            (Ok(line), Ok(column)) if line > 0 => source.offset(line, column.max(1)),
            _ => 0,
        };
        let len = text[start..].chars().next().map_or(0, char::len_utf8);
        let what = match BINARY.iter().find(|sign| text.trim().starts_with(*sign)) {
            Some(sign) => format!("the left side of `{}` is missing", operator(sign)),
            None => plain_syntax(&error.msg),
        };
        let message = format!("not a valid expression: {what}");
        Mistake { message, span: Span::new(start, len), help: syntax_help(text) }
    });
    // After one mistake the parser reports several, and the first is the most precise. Some are
    // about the inside of the parser.
    let mut mistakes: Vec<Mistake> = mistakes.collect();
    let first = mistakes.iter().position(|mistake| !mistake.message.ends_with(NOT_COMPLETE));
    mistakes.drain(..first.unwrap_or(0));
    mistakes.truncate(1);
    mistakes
}

/// The mistake of an expression that the parser describes in words of its own.
const NOT_COMPLETE: &str = "a part of it is missing or not complete";

/// Returns the parser's message in plain words, without its list of expected tokens.
fn plain_syntax(message: &str) -> String {
    let message = message.strip_prefix("Syntax error: ").unwrap_or(message);
    let message = message.split(" expecting ").next().unwrap_or(message).trim();
    if message.ends_with("<EOF>'") || message.ends_with("<EOF>") {
        return match message.strip_prefix("missing ").and_then(|rest| rest.split(' ').next()) {
            Some(missing) => format!("`{}` is missing at the end", missing.trim_matches('\'')),
            None => "it ends too early".to_owned(),
        };
    }
    if message.contains("Recursion limit") {
        return "it is nested too deeply".to_owned();
    }
    let unexpected = [
        "mismatched input ",
        "extraneous input ",
        "token recognition error at: ",
        "no viable alternative at input ",
    ];
    match unexpected.iter().find_map(|prefix| message.strip_prefix(prefix)) {
        Some(what) => format!("`{}` is not expected here", what.trim_matches('\'').trim()),
        None => known_syntax(message).to_owned(),
    }
}

fn known_syntax(message: &str) -> &'static str {
    let message = message.to_lowercase();
    let known = [
        ("int literal", "a number does not fit into 64 bits"),
        ("uint literal", "a number does not fit into 64 bits"),
        ("invalid int", "a number does not fit into 64 bits"),
        ("invalid uint", "a number does not fit into 64 bits"),
        ("double", "a number is not valid, or too large"),
        ("escape", "a text has an escape that is not known"),
        ("string literal", "a text in quotes is not valid"),
        ("bytes", "bytes in quotes are not valid"),
        ("simple name", "the first argument must be the name of a variable"),
        ("expected ')'", "a `)` is missing"),
        ("expected ']'", "a `]` is missing"),
        ("expected '}'", "a `}` is missing"),
        ("expected ':'", "a `:` is missing"),
        ("reserved", "a word is reserved in CEL, and cannot be a name"),
        ("attempt limit", "it cannot be read"),
        ("at least one argument", "`math.greatest` and `math.least` need at least one number"),
        ("single argument value", "`math.greatest` and `math.least` need at least one number"),
        ("must be numeric", "`math.greatest` and `math.least` take numbers"),
    ];
    let found = known.iter().find(|(words, _)| message.contains(words));
    found.map_or(NOT_COMPLETE, |(_, plain)| plain)
}

/// The operators that need a left side.
const BINARY: [&str; 12] = ["==", "!=", "<=", ">=", "<", ">", "&&", "||", "+", "*", "/", "="];

/// Returns the operator that a sign at the start of an expression is the rest of. The first `=` of
/// `== 3` begins the expression.
fn operator(sign: &str) -> &str {
    if sign == "=" { "==" } else { sign }
}

/// Returns the call for an operator in words, such as `content contains 'x'`.
fn in_words(text: &str) -> Option<String> {
    let calls = [
        (" contains ", "contains"),
        (" includes ", "contains"),
        (" matches ", "matches"),
        (" starts with ", "startsWith"),
        (" ends with ", "endsWith"),
    ];
    calls.iter().find_map(|(words, method)| {
        let (of, what) = text.trim().split_once(words)?;
        let meant = format!("{}.{method}({})", of.trim(), what.trim());
        ENV.compile(&meant).is_ok().then_some(meant)
    })
}

fn syntax_help(text: &str) -> Option<String> {
    let words = |word: &str| text.split_whitespace().any(|other| other == word);
    let trimmed = text.trim();
    let begins = BINARY.iter().find(|sign| trimmed.starts_with(*sign));
    if let Some(inner) = crate::suggest::without_braces(text) {
        Some(format!("an expression needs no braces: `= {inner}`"))
    } else if let Some(reference) = crate::suggest::spaced_step(text) {
        Some(format!("a name with spaces stands in brackets: `{reference}`"))
    } else if let Some(sign) = begins {
        let right = trimmed[sign.len()..].trim_start_matches('=').trim();
        let sign = operator(sign);
        let left =
            if matches!(sign, "==" | "!=" | "&&" | "||") { "content" } else { "size(content)" };
        let right = if right.is_empty() { "3" } else { right };
        Some(format!("write `= {left} {sign} {right}`"))
    } else if let Some(sign) = BINARY.iter().find(|sign| trimmed.ends_with(*sign)) {
        Some(format!("the right side of `{sign}` is missing"))
    } else if let Some(meant) = in_words(text) {
        Some(format!("write `= {meant}`"))
    } else if words("and") || words("or") || words("not") {
        Some("CEL writes `&&`, `||` and `!` for and, or and not".into())
    } else if text
        .replace("==", "")
        .replace("!=", "")
        .replace("<=", "")
        .replace(">=", "")
        .contains('=')
    {
        Some("compare with `==`".into())
    } else {
        None
    }
}

#[cfg(test)]
mod differential;
#[cfg(test)]
mod tests;
