//! Replaces the prompt of one step of a file, for a run that tries another one.

use super::AGENT;
use crate::diagnostic::Diagnostic;
use crate::options::ChangedPrompt;
use crate::source::{Source, Span};
use crate::tree::{Key, Node, Yaml};
use stepwright_core::ErrorId;

/// The name of the text in messages.
pub(super) const SHOWN: &str = "--prompt";

/// Replaces the prompt of the step.
///
/// # Errors
/// If the file has no such step, or if that step has no agent.
pub(super) fn replace(root: &mut Node, changed: &ChangedPrompt) -> Result<(), Box<Diagnostic>> {
    let names: Vec<&str> = changed.step.iter().map(String::as_str).collect();
    let path = names.join("/");
    let wrong = |message: String| Diagnostic::of_file(ErrorId::PATH_NOT_BEGUN, SHOWN, message);
    let Some(step) = find(root, &names) else {
        let message = format!("this file has no step `{path}` whose prompt could be replaced");
        let help = "name a step of the file itself, not of a workflow file that it runs";
        return Err(Box::new(wrong(message).help(help)));
    };
    let span = step.span;
    let Yaml::Map(members) = &mut step.value else { return Ok(()) };
    if !members.iter().any(|(key, _)| key.name == AGENT) {
        let message = format!("step `{path}` has no agent, so it has no prompt");
        return Err(Box::new(wrong(message).help("name a step with an `agent`")));
    }
    let prompt = Node { span, value: Yaml::Text(changed.text.clone()) };
    match members.iter_mut().find(|(key, _)| key.name == "prompt") {
        Some((_, node)) => *node = prompt,
        None => members.push((Key { name: "prompt".to_owned(), span }, prompt)),
    }
    Ok(())
}

/// Returns the source of a replaced prompt, and the place of the text in it.
pub(super) fn source(text: &str) -> (Source, Span) {
    (Source::unshown(SHOWN.to_owned(), text.to_owned()), Span::new(0, text.len()))
}

/// Finds a step by the names from the outside in.
fn find<'n>(node: &'n mut Node, names: &[&str]) -> Option<&'n mut Node> {
    let (first, rest) = names.split_first()?;
    let found = named(&mut node.value, first)?;
    if rest.is_empty() { Some(found) } else { find(found, rest) }
}

/// Finds the nearest step of this name beneath a value, but not beneath another step.
fn named<'n>(value: &'n mut Yaml, name: &str) -> Option<&'n mut Node> {
    let Yaml::Map(members) = value else { return None };
    members.iter_mut().find_map(|(_, node)| match &mut node.value {
        Yaml::List(items) => items.iter_mut().find(|item| is_named(item, name)),
        inner => named(inner, name),
    })
}

fn is_named(item: &Node, name: &str) -> bool {
    let Yaml::Map(members) = &item.value else { return false };
    let text = |key: &str| {
        let found = members.iter().find(|(known, _)| known.name == key);
        found.and_then(|(_, node)| match &node.value {
            Yaml::Text(text) => Some(text.as_str()),
            _ => None,
        })
    };
    match text("name") {
        Some(own) => own == name,
        None => text(AGENT) == Some(name),
    }
}
