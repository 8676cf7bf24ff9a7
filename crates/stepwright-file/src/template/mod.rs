//! Templates: text with values in it, in minijinja.

mod render;
mod tags;

use crate::expression::Mistake;
use crate::reference::{Reference, Values};
use crate::source::Span;
use crate::suggest::closest;
use minijinja::Environment;
use std::collections::BTreeMap;
use std::sync::Arc;
use stepwright_core::StepError;
use stepwright_core::error::ErrorCode;

/// What text a template gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flavour {
    /// Text for models and people.
    Plain,
    /// A command: every value becomes one word of the shell, whatever is in it.
    Shell,
}

/// A parsed template. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Template(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    text: String,
    flavour: Flavour,
    references: Vec<Reference>,
}

/// Functions that templates may call.
const GLOBALS: [&str; 3] = ["range", "dict", "namespace"];

impl Template {
    /// Parses `text` and checks its filters: unknown ones are told beside the template. Its
    /// references are for the caller to check.
    pub(crate) fn parse(
        text: &str,
        flavour: Flavour,
    ) -> Result<(Self, Vec<Mistake>), Vec<Mistake>> {
        let env = render::environment(flavour);
        let template = env.template_from_str(text).map_err(|e| vec![syntax_mistake(text, &e)])?;
        let undeclared = template.undeclared_variables(false);
        let tags = tags::scan(text);
        let mistakes = unknown_words(env, text, &tags.filters, &tags.tests);
        let references = tags.paths.into_iter().filter(|reference| {
            let root = reference.root.as_str();
            undeclared.contains(root) && !(GLOBALS.contains(&root) && reference.path.is_empty())
        });
        let references = references.collect();
        Ok((Self(Arc::new(Inner { text: text.into(), flavour, references })), mistakes))
    }

    pub(crate) fn text(&self) -> &str {
        &self.0.text
    }

    pub(crate) fn references(&self) -> &[Reference] {
        &self.0.references
    }

    /// The text with the values in it.
    pub(crate) fn render(&self, values: &Values<'_>) -> Result<String, StepError> {
        let env = render::environment(self.0.flavour);
        let roots: BTreeMap<_, _> = values.roots(&self.0.references).collect();
        let template = env.template_from_str(&self.0.text);
        template
            .and_then(|template| template.render(minijinja::value::Serde(&roots)))
            .map_err(|error| self.failed(&error))
    }

    // The same values give the same failure, so trying again is of no use.
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
            (ErrorKind::OutOfFuel, _) => {
                format!("does more than {} operations", render::FUEL_MAX)
            }
            (_, Some(detail)) => format!("fails: {detail}"),
            (kind, None) => format!("fails: {kind}"),
        };
        let error = StepError::terminal(format!("`{place}` in a template {what}"));
        error.with_code(ErrorCode::BadInput)
    }
}

fn syntax_mistake(text: &str, error: &minijinja::Error) -> Mistake {
    let what = error.detail().map_or_else(|| error.kind().to_string(), ToOwned::to_owned);
    let at_end = what.contains("unexpected end of");
    // What was opened last is what was not closed.
    let opened = text.rfind("{{").max(text.rfind("{%")).filter(|_| at_end);
    let opened = opened.map(|start| {
        let tag = &text[start..];
        let end = ["}}", "%}"].iter().filter_map(|close| tag.find(close)).min();
        Span::new(start, end.map_or(2, |end| end + 2))
    });
    let range = error.range().filter(|range| !range.is_empty() && range.end <= text.len());
    let range = range.map(|range| Span::new(range.start, range.len()));
    let span = opened.or(range).unwrap_or(Span::new(0, text.len()));
    let help = at_end.then(|| {
        "close every `{{` with `}}`, and every `{% if … %}` with `{% endif %}`".to_owned()
    });
    Mistake { message: format!("not a valid template: {what}"), span, help }
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
                let help = closest(name, all.iter().copied());
                let help = help.map(|found| format!("did you mean `{found}`?"));
                mistakes.push(Mistake { message, span: *span, help });
            }
        }
    }
    mistakes
}

#[cfg(test)]
mod tests;
