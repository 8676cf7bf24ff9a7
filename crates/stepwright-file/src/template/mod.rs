//! Templates in minijinja: text with values.

mod depth;
mod exact;
mod guard;
mod members;
mod order;
mod render;
mod tags;
mod texts;
mod words;

use crate::budget::{Budget, READ_BYTES_INLINE_MAX, Unfinished};
use crate::declared::Declared;
use crate::expression::Mistake;
use crate::reference::{Reference, Root, Values};
use crate::source::Span;
use crate::suggest::{closest, spaced_step};
use minijinja::Environment;
use minijinja::machinery::{self, CodeGenerator};
use std::collections::BTreeMap;
use std::sync::Arc;
use stepwright_core::error::ErrorCode;
use stepwright_core::number::{self, Inexact};
use stepwright_core::{ErrorId, StepError, StepInput};

/// The kind of text that a template gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavour {
    /// Text for models and people.
    Plain,
    /// A command, in which each value becomes one quoted word of the shell.
    Shell,
    /// A part of an address, in which each value is encoded, so that it stays within its part.
    Address,
}

/// A parsed template. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Template(Arc<Inner>, Arc<Declared>);

#[derive(Debug)]
struct Inner {
    text: String,
    flavour: Flavour,
    references: Vec<Reference>,
    /// The `{{ … }}` that are the same in each run.
    constants: Vec<Span>,
    has_variables: bool,
}

/// The functions that templates may call.
const GLOBALS: [&str; 3] = ["range", "dict", "namespace"];

impl Template {
    /// Parses `text` and checks its filters. Returns unknown ones as mistakes next to the template.
    /// The caller checks the references.
    pub(crate) fn parse(
        text: &str,
        flavour: Flavour,
    ) -> Result<(Self, Vec<Mistake>), Vec<Mistake>> {
        depth::check(text).map_err(|mistake| vec![mistake])?;
        let env = render::inline(flavour);
        let parsed = parse(text).map_err(|e| vec![syntax_mistake(text, &e)])?;
        let mut guard = guard::Guard::default();
        guard.stmt(&parsed);
        if let Some(range) = guard.repeated {
            let span = Span::new(range.start, range.len());
            let message = "a list cannot be repeated in a template".to_owned();
            let help = Some("write a loop: `{% for i in range(10) %}…{% endfor %}`".to_owned());
            return Err(vec![Mistake { message, span, help }]);
        }
        if let Some((key, place)) = guard.twice {
            let span = Span::new(place.start, place.len());
            let message = format!("an object has `{key}` twice");
            return Err(vec![Mistake { message, span, help: Some("keep one of them".to_owned()) }]);
        }
        let template = env.template_from_str(text).map_err(|e| vec![syntax_mistake(text, &e)])?;
        let mut undeclared = template.undeclared_variables(false);
        let sliced = guard.sliced.iter().filter(|name| !guard.set.contains(name));
        undeclared.extend(sliced.cloned());
        let tags = tags::scan(text);
        let mut mistakes = unknown_words(env, text, &tags.filters, &tags.tests);
        mistakes.extend(tags.numbers.iter().filter_map(|span| inexact(text, *span)));
        let references = tags.paths.into_iter().filter(|reference| {
            let root = reference.root.as_str();
            undeclared.contains(root) && !(GLOBALS.contains(&root) && reference.path.is_empty())
        });
        let references = references.collect();
        let (constants, has_variables) = (tags.constants, guard.has_variables);
        let inner = Inner { text: text.into(), flavour, references, constants, has_variables };
        Ok((Self(Arc::new(inner), Arc::default()), mistakes))
    }

    /// Sets the values that the file of the template declares.
    pub(crate) fn within(self, declared: Arc<Declared>) -> Self {
        Self(self.0, declared)
    }

    pub(crate) fn text(&self) -> &str {
        &self.0.text
    }

    /// Renders what is the same in each run: a template without references, and otherwise each
    /// `{{ … }}` without variables. Returns the failures with their places, or without a place for
    /// the whole template.
    pub(crate) fn constant_failures(&self) -> Vec<(Option<Span>, String)> {
        if self.0.references.is_empty() {
            return self.constant_failure().map(|why| (None, why)).into_iter().collect();
        }
        let failure = |span: &Span| {
            let text = &self.0.text[span.start..span.end()];
            let (part, _) = Self::parse(text, self.0.flavour).ok()?;
            Some((Some(*span), part.within(self.1.clone()).constant_failure()?))
        };
        self.0.constants.iter().filter_map(failure).collect()
    }

    /// Renders a template without references. Returns its failure, if it always fails.
    fn constant_failure(&self) -> Option<String> {
        if !self.0.references.is_empty() || !self.0.text.contains('{') {
            return None;
        }
        let input = StepInput::of("");
        match self.render(&Values::of(&input), &Budget::inline()) {
            // A value that is missing may be one that the scan of the tags has not found.
            Err(Unfinished::Failed(error)) => Some(error.data.message)
                .filter(|why| !self.0.has_variables || !why.ends_with("has no value")),
            _ => None,
        }
    }

    pub(crate) fn references(&self) -> &[Reference] {
        &self.0.references
    }

    /// Renders the template with the values.
    pub(crate) fn render(
        &self,
        values: &Values<'_>,
        budget: &Budget<'_>,
    ) -> Result<String, Unfinished> {
        self.render_within(values, budget, render::FUEL_MAX)
    }

    /// Renders the template with at most `fuel` operations outside the caller's thread.
    fn render_within(
        &self,
        values: &Values<'_>,
        budget: &Budget<'_>,
        fuel: u64,
    ) -> Result<String, Unfinished> {
        let roots = values.roots(&self.0.references, &self.1);
        let read = |bytes, (_, root): &(_, Root<'_>)| bytes + root.bytes(READ_BYTES_INLINE_MAX);
        if budget.is_inline() && roots.iter().fold(0, read) > READ_BYTES_INLINE_MAX {
            return Err(Unfinished::NotHere);
        }
        let whole;
        let env = if budget.is_inline() {
            render::inline(self.0.flavour)
        } else {
            whole = render::environment(self.0.flavour, fuel, budget.stop());
            &whole
        };
        let roots: BTreeMap<_, _> = roots.into_iter().collect();
        let parsed = parse(&self.0.text).map_err(|error| self.failed(&error))?;
        let mut code = CodeGenerator::new("<template>", &self.0.text);
        code.compile_stmt(&guard::Guard::default().stmt(&parsed));
        let (code, blocks) = code.finish();
        let roots = minijinja::Value::from(minijinja::value::Serde(&roots));
        let mut text = String::new();
        let mut output = machinery::make_string_output(&mut text);
        exact::begin();
        let rendered =
            machinery::eval(env, &code, roots, &blocks, &mut output, minijinja::AutoEscape::None);
        match rendered {
            Ok(_) if text.len() > render::TEXT_BYTES_MAX => Err(Self::too_long().into()),
            Ok(_) => Ok(text),
            Err(error) if budget.is_inline() && is_out_of_fuel(&error) => Err(Unfinished::NotHere),
            Err(error) => Err(self.failed(&error).into()),
        }
    }

    fn too_long() -> StepError {
        let message = format!("the text is longer than {} bytes", render::TEXT_BYTES_MAX);
        StepError::terminal(message)
            .with_code(ErrorCode::Limit)
            .with_hint("put less into it, or write it to a file in pieces")
    }

    // The error is terminal, because the same values would give the same failure.
    fn failed(&self, error: &minijinja::Error) -> StepError {
        use minijinja::ErrorKind;
        let line = error.line().and_then(|line| self.0.text.lines().nth(line.saturating_sub(1)));
        let place = error
            .range()
            .and_then(|range| self.0.text.get(range))
            .or(line)
            .unwrap_or(&self.0.text)
            .trim();
        let what = match (error.kind(), error.detail()) {
            (ErrorKind::UndefinedError, _) => "has no value".to_owned(),
            (_, Some(detail)) if render::TOO_LARGE.contains(&detail) => return Self::too_long(),
            _ if is_stopped(error) => {
                return StepError::terminal("a template was stopped")
                    .with_code(ErrorCode::Limit)
                    .with_hint("its step has ended");
            }
            _ if is_out_of_fuel(error) => {
                let message = format!(
                    "`{place}` in a template takes more than {} operations, or the text is longer \
                     than {} bytes on the way",
                    render::FUEL_MAX,
                    render::FUEL_MAX * 64
                );
                return StepError::terminal(message)
                    .with_code(ErrorCode::Limit)
                    .with_hint("put less into it, or do the work in `value` steps before");
            }
            _ => format!("fails: {}", words::failure(error)),
        };
        let error = StepError::terminal(format!("`{place}` in a template {what}"));
        error.with_code(ErrorCode::BadInput).with_id(ErrorId::TEMPLATE_FAILED)
    }
}

fn parse(text: &str) -> Result<machinery::ast::Stmt<'_>, minijinja::Error> {
    machinery::parse(text, "<template>", minijinja::syntax::SyntaxConfig::default())
}

/// Returns `true` if a template has used up its operations.
fn is_out_of_fuel(error: &minijinja::Error) -> bool {
    is_caused_by(error, |error| error.kind() == minijinja::ErrorKind::OutOfFuel)
}

/// Returns `true` if a template was stopped.
fn is_stopped(error: &minijinja::Error) -> bool {
    is_caused_by(error, |error| error.detail() == Some(render::STOPPED))
}

/// Returns `true` if the predicate holds for an error or one of its causes. Inside a filter, the
/// original error becomes the cause of another one.
fn is_caused_by(error: &minijinja::Error, is_it: impl Fn(&minijinja::Error) -> bool) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.downcast_ref::<minijinja::Error>().is_some_and(&is_it) {
            return true;
        }
        cause = error.source();
    }
    false
}

fn syntax_mistake(text: &str, error: &minijinja::Error) -> Mistake {
    let mut what = words::syntax(error);
    let at_end = error.detail().is_some_and(|detail| detail.contains("unexpected end of"));
    // The last tag that was opened is the one that was not closed.
    let opened = text.rfind("{{").max(text.rfind("{%")).filter(|_| at_end);
    let opened = opened.map(|start| {
        let tag = &text[start..];
        let end = ["}}", "%}"].iter().filter_map(|close| tag.find(close)).min();
        Span::new(start, end.map_or(2, |end| end + 2))
    });
    if let Some(span) = opened {
        let tag = &text[span.start..span.end()];
        let open = &tag[..2];
        what = if tag.len() > 2 && tag.ends_with('}') {
            format!("`{tag}` has no end")
        } else {
            format!("`{open}` is not closed")
        };
    }
    let range = error.range().filter(|range| !range.is_empty() && range.end <= text.len());
    let range = range.map(|range| Span::new(range.start, range.len()));
    let span = opened.or(range).unwrap_or(Span::new(0, text.len()));
    let spaced = spaced_step(text).filter(|_| !at_end);
    let help = match spaced {
        Some(reference) => {
            Some(format!("a name with spaces stands in brackets: `{{{{ {reference} }}}}`"))
        }
        None => at_end.then(|| {
            "close every `{{` with `}}`, and every `{% if … %}` with `{% endif %}`".to_owned()
        }),
    };
    Mistake { message: format!("not a valid template: {what}"), span, help }
}

/// Returns the mistake of a number that is not held as it is written.
fn inexact(text: &str, span: Span) -> Option<Mistake> {
    let written = text[span.start..span.end()].replace('_', "");
    // Integers have 128 bits here.
    let why = number::check_literal(&written).err().filter(|why| *why != Inexact::Integer)?;
    let help =
        (why == Inexact::Rounded).then(|| "write it without fraction and exponent".to_owned());
    Some(Mistake { message: format!("the number {written} {why}"), span, help })
}

fn unknown_words(
    env: &Environment<'_>,
    text: &str,
    filters: &[Span],
    tests: &[Span],
) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    let kinds = [("filter", filters, &render::FILTERS[..]), ("test", tests, &render::TESTS[..])];
    for (kind, places, all) in kinds {
        for span in places {
            let name = &text[span.start..span.end()];
            if !render::knows(env, kind, name) {
                let message = format!("there is no {kind} `{name}`");
                let shared = crate::functions::FUNCTIONS.iter().map(|function| function.name);
                let shared = shared.filter(|_| kind == "filter");
                let help = closest(name, all.iter().copied().chain(shared));
                let help = help.map(|found| format!("did you mean `{found}`?"));
                mistakes.push(Mistake { message, span: *span, help });
            }
        }
    }
    mistakes
}

#[cfg(test)]
mod tests;
