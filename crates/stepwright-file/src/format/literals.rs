//! Texts in the other language: a template where an expression is expected, or the reverse.

use crate::expression::Expression;
use crate::reference::ROOTS;
use crate::template::{Flavour, Template};

/// Returns the expression in a text that begins with `=`, if it is meant as one. Titles such as
/// `= Results` and rules such as `=====` are texts.
pub(super) fn expression_in(text: &str) -> Option<String> {
    let rest = text.trim().strip_prefix('=')?;
    if text.trim().contains('\n') {
        return None;
    }
    let rest = rest.trim();
    let first = rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
    let begins_with_root = ROOTS.contains(&first);
    let is_meant = match Expression::parse(rest) {
        Ok((expression, _)) => {
            let is_word = rest.chars().all(|c| c.is_alphanumeric() || c == '_');
            !is_word || expression.references().iter().any(|r| ROOTS.contains(&r.root.as_str()))
        }
        Err(_) => begins_with_root,
    };
    is_meant.then(|| rest.to_owned())
}

/// Returns the help for an expression where a template is expected.
pub(super) fn as_template(expression: &str, name: &str) -> String {
    let size = expression.strip_prefix("size(").and_then(|rest| rest.strip_suffix(')'));
    let inner = match size {
        Some(of) if is_path(of) => Some(format!("{of} | length")),
        _ if is_path(expression) => Some(expression.to_owned()),
        _ => None,
    };
    match inner {
        Some(inner) if name == "template" => {
            format!("write `template: \"{{{{ {inner} }}}}\"`, or `value: \"= {expression}\"`")
        }
        Some(inner) => format!("write `{name}: \"{{{{ {inner} }}}}\"`"),
        None if name == "template" => format!("write {}", shown("value", expression)),
        None => format!(
            "compute it in a step before, {}, and write `{{{{ steps.NAME }}}}` here",
            shown("value", expression)
        ),
    }
}

/// Returns the template for an expression that is a path or the size of one.
pub(super) fn template_of(expression: &str) -> Option<String> {
    let size = expression.strip_prefix("size(").and_then(|rest| rest.strip_suffix(')'));
    match size {
        Some(of) if is_path(of) => Some(format!("{{{{ {of} | length }}}}")),
        _ if is_path(expression) => Some(format!("{{{{ {expression} }}}}")),
        _ => None,
    }
}

/// Returns the expression that a text stands for, if that is certain: an expression as it stands,
/// or braces around a path. Operators and filters of templates mean something else.
pub(super) fn expression_of(text: &str) -> Option<String> {
    let text = text.trim();
    let inner = text.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}")).map(str::trim);
    let is_right = |text: &str| Expression::parse(text).is_ok_and(|(_, wrong)| wrong.is_empty());
    let found = match inner {
        Some(inner) => Some(inner).filter(|inner| is_path(inner)),
        None => Some(text).filter(|text| !text.contains("{{")),
    };
    found.filter(|found| is_right(found)).map(ToOwned::to_owned)
}

/// Returns a text as YAML reads it.
pub(super) fn scalar(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Returns the help for a template where an expression is expected.
pub(super) fn as_expression(text: &str) -> String {
    let trimmed = text.trim();
    let inner = trimmed.strip_prefix("{{").and_then(|rest| rest.strip_suffix("}}"));
    match inner.map(str::trim) {
        Some(inner) if Expression::parse(inner).is_ok_and(|(_, mistakes)| mistakes.is_empty()) => {
            format!("write `= {inner}`, or make a text with a `template` step")
        }
        _ => "write an expression, as in `= \"Dear \" + input.name`, or make the text in a \
              `template` step before and use `= steps.NAME`; `= \"{{ … }}\"` is a text with braces"
            .to_owned(),
    }
}

/// Shows a key with an expression, in quotes that YAML reads.
pub(super) fn shown(name: &str, expression: &str) -> String {
    if expression.contains('"') {
        format!("`{name}: '= {}'`", expression.replace('\'', "''"))
    } else {
        format!("`{name}: \"= {expression}\"`")
    }
}

/// Returns the boolean that a word stood for in YAML 1.1.
pub(super) fn boolean(text: &str) -> Option<bool> {
    match text.trim() {
        "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Some(true),
        "no" | "No" | "NO" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

/// The operators in words, and the functions that they stand for.
const METHODS: [(&str, &str); 6] = [
    (" contains ", "contains"),
    (" includes ", "contains"),
    (" matches ", "matches"),
    (" starts with ", "startsWith"),
    (" startsWith ", "startsWith"),
    (" ends with ", "endsWith"),
];

/// Returns the expression that a condition in words stands for, such as `content contains 'x'`.
pub(super) fn repaired(text: &str) -> String {
    let text = text.trim();
    if Expression::parse(text).is_ok() {
        return text.to_owned();
    }
    let called = METHODS.iter().find_map(|(word, method)| {
        let (of, what) = text.split_once(word)?;
        let what = what.trim();
        let what =
            if what.starts_with(['"', '\'']) { what.to_owned() } else { format!("'{what}'") };
        Some(format!("{}.{method}({what})", of.trim()))
    });
    let words = text
        .replace(" and ", " && ")
        .replace(" or ", " || ")
        .replace(" is not ", " != ")
        .replace(" is ", " == ")
        .replace(" = ", " == ");
    let words = match words.strip_prefix("not ") {
        Some(rest) => format!("!({rest})"),
        None => words,
    };
    let repaired = called.into_iter().chain([words]);
    repaired
        .into_iter()
        .find(|text| Expression::parse(text).is_ok())
        .unwrap_or_else(|| "size(content) > 2".to_owned())
}

fn is_path(text: &str) -> bool {
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '.');
    text.chars().all(is_name)
        && Template::parse(&format!("{{{{ {text} }}}}"), Flavour::Plain).is_ok()
}

/// Returns `true` if a text is meant as a template with values of the run.
pub(super) fn names_values(text: &str) -> bool {
    match Template::parse(text, Flavour::Plain) {
        Ok((template, _)) => template.references().iter().any(|r| ROOTS.contains(&r.root.as_str())),
        Err(_) => false,
    }
}
