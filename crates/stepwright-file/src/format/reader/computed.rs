//! Values that are computed in a run: templates and expressions.

use super::{Fields, Reader};
use crate::diagnostic::Diagnostic;
use crate::expression::{Expression, Mistake};
use crate::format::values::{Computed, Expr, Text, Written};
use crate::format::{Word, literals};
use crate::suggest::without_braces;
use crate::template::{Flavour, Template};
use crate::tree::{Node, Yaml};
use stepwright_core::ErrorId;

impl Fields<'_> {
    pub(crate) fn template(
        &mut self,
        reader: &mut Reader<'_>,
        name: &'static str,
        flavour: Flavour,
    ) -> Option<Text> {
        let (_, node) = self.take(name)?;
        reader.template(node, name, flavour)
    }
}

impl Reader<'_> {
    pub(crate) fn template(&mut self, node: &Node, name: &str, flavour: Flavour) -> Option<Text> {
        let word = self.word(node, name)?;
        if self.is_expression(&word, name) {
            return None;
        }
        let written = self.written(&word, 0);
        self.text(&word.text, flavour, written)
    }

    /// Parses a template.
    pub(crate) fn text(&mut self, text: &str, flavour: Flavour, written: Written) -> Option<Text> {
        let template = self.parsed(Template::parse(text, flavour), &written)?;
        Some(Text { template: template.within(self.declared.clone()), written })
    }

    /// Reports an expression where a template is expected, which would be used as it stands.
    pub(crate) fn is_expression(&mut self, word: &Word, name: &str) -> bool {
        let Some(expression) = literals::expression_in(&word.text) else { return false };
        let message = format!("`{name}` is a template, and this is an expression");
        let help = literals::as_template(&expression, name);
        let correction = literals::template_of(&expression).map(|text| literals::scalar(&text));
        let mistake = self.mistake(word.span, message).label("used as it stands").help(help);
        self.push(mistake.corrected(correction));
        true
    }

    /// Parses a value that must be an expression.
    pub(crate) fn expression(&mut self, node: &Node, name: &str) -> Option<Expr> {
        match &node.value {
            Yaml::Text(text) if text.trim_start().starts_with('=') => self.after_equals(node, text),
            Yaml::Text(text) => {
                let message = format!("`{name}` is an expression, which begins with `=`");
                let help = if let Some(inner) = without_braces(text) {
                    format!("an expression needs no braces: {}", literals::shown(name, &inner))
                } else if let Some(meant) = literals::boolean(text) {
                    match name {
                        "if" => {
                            format!("YAML 1.2 reads `{}` as a text: write `{meant}`", text.trim())
                        }
                        _ => format!("write `{name}: = {meant}`"),
                    }
                } else {
                    format!("write {}", literals::shown(name, &literals::repaired(text)))
                };
                let correction = match literals::boolean(text) {
                    Some(meant) if name == "if" => Some(meant.to_string()),
                    Some(meant) => Some(literals::scalar(&format!("= {meant}"))),
                    None => literals::expression_of(text)
                        .map(|inner| literals::scalar(&format!("= {inner}"))),
                };
                let mistake = self.mistake(node.span, message).label("no `=`").help(help);
                self.push(mistake.corrected(correction));
                None
            }
            _ => {
                self.wrong_type(
                    node,
                    &format!("`{name}` is an expression such as `= size(previous) > 2`"),
                );
                None
            }
        }
    }

    fn after_equals(&mut self, node: &Node, text: &str) -> Option<Expr> {
        let offset = text.find('=').map_or(0, |at| at + 1);
        let word = Word { text: text.to_owned(), span: node.span };
        let written = self.written(&word, offset);
        let expression = self.parsed(Expression::parse(&text[offset..]), &written)?;
        Some(Expr { expression: expression.within(self.declared.clone()), written })
    }

    /// Parses any value, in which texts that begin with `=` are expressions.
    pub(crate) fn computed(&mut self, node: &Node) -> Option<Computed> {
        match &node.value {
            Yaml::Text(text) if text.trim_start().starts_with('=') => {
                self.after_equals(node, text).map(Computed::Expression)
            }
            Yaml::List(list) => {
                let list: Vec<_> = list.iter().map(|one| self.computed(one)).collect();
                list.into_iter().collect::<Option<_>>().map(Computed::List)
            }
            Yaml::Map(map) => {
                let members: Vec<_> = map
                    .iter()
                    .map(|(key, one)| Some((key.name.clone(), self.computed(one)?)))
                    .collect();
                members.into_iter().collect::<Option<_>>().map(Computed::Object)
            }
            Yaml::Text(text) if self.is_template(node, text) => None,
            other => Some(Computed::Literal(other.to_json())),
        }
    }

    /// Reports a template where a value is expected, which would be used as it stands.
    fn is_template(&mut self, node: &Node, text: &str) -> bool {
        if let Some(meant) = literals::boolean(text) {
            let message = format!("`{text}` is a text in YAML 1.2, not {meant}");
            let help = format!("write `{meant}`, or `\"{text}\"` for the text");
            // A text in quotes is meant as one.
            if self.source.slice(node.span) == text {
                let mistake = self.mistake(node.span, message).help(help);
                self.push(mistake.corrected(Some(meant.to_string())));
                return true;
            }
            return false;
        }
        if !crate::command::depends_on_values(text) {
            return false;
        }
        let message = "this is a template, and a value is expected";
        let help = literals::as_expression(text);
        let is_braced = without_braces(text).is_some();
        let correction = literals::expression_of(text).filter(|_| is_braced);
        let correction = correction.map(|inner| literals::scalar(&format!("= {inner}")));
        let mistake = self.mistake(node.span, message).label("used as it stands").help(help);
        self.push(mistake.corrected(correction));
        true
    }

    pub(crate) fn written(&self, word: &Word, offset: usize) -> Written {
        Written {
            source: self.source.clone(),
            scalar: word.span,
            value: word.text.as_str().into(),
            offset,
        }
    }

    /// Returns the result of parsing, if there is one, and reports its mistakes.
    pub(crate) fn parsed<T>(
        &mut self,
        result: Result<(T, Vec<Mistake>), Vec<Mistake>>,
        written: &Written,
    ) -> Option<T> {
        let (parsed, mistakes) = match result {
            Ok((parsed, mistakes)) => (Some(parsed), mistakes),
            Err(mistakes) => (None, mistakes),
        };
        for mistake in mistakes {
            let span = written.place_of(&mistake);
            let code = ErrorId::EXPRESSION_INVALID;
            let diagnostic = Diagnostic::new(code, &written.source, span, mistake.message);
            self.push(diagnostic.label("here").maybe_help(mistake.help));
        }
        parsed
    }
}
