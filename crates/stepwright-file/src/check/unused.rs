//! Warnings about parts of a file that no run uses.

use super::Checker;
use crate::diagnostic::Diagnostic;
use crate::format::{Item, Kind};
use crate::source::Span;
use std::collections::HashSet;
use stepwright_core::ErrorId;

/// Collects the keys of the session state that steps set, in nested workflows too.
pub(super) fn collect_keys<'a>(items: &'a [Item], keys: &mut HashSet<&'a str>) {
    for item in items {
        match &item.kind {
            Kind::Builtin { work, .. } => keys.extend(work.sets()),
            Kind::Workflow { file, .. } => collect_keys(&file.steps, keys),
            _ => {}
        }
        for body in item.kind.bodies() {
            collect_keys(body, keys);
        }
    }
}

fn collect_agents<'a>(items: &'a [Item], agents: &mut HashSet<&'a str>) -> bool {
    let mut is_whole = true;
    for item in items {
        match &item.kind {
            Kind::Agent { agent, .. } => {
                agents.insert(&agent.text);
            }
            Kind::Unreadable => is_whole = false,
            _ => {}
        }
        for body in item.kind.bodies() {
            is_whole &= collect_agents(body, agents);
        }
    }
    is_whole
}

impl<'a> Checker<'a, '_> {
    pub(super) fn unused_agents(&mut self) {
        let mut used = HashSet::new();
        if !collect_agents(&self.file.steps, &mut used) {
            return;
        }
        for agent in &self.file.agents {
            let name = &agent.name;
            if !used.contains(name.text.as_str()) {
                let message = format!("no step uses the agent `{}`", name.text);
                self.warn(
                    name.span,
                    message,
                    &format!("add a step `agent: {}`, or remove it", name.text),
                );
            }
        }
    }

    /// Warns about the branch of a condition that never runs. `holds` is its decision if it is
    /// always the same.
    pub(super) fn unreachable_arms(
        &mut self,
        item: &Item,
        [then, otherwise]: [&'a [Item]; 2],
        holds: Option<bool>,
    ) {
        let (never, key) = match holds {
            Some(true) => (otherwise, "else"),
            Some(false) => (then, "then"),
            None => return,
        };
        if let Some(first) = never.first() {
            let value = if holds == Some(true) { "true" } else { "false" };
            let message = format!(
                "the steps under `{key}` never run: the condition of `{}` is always {value}",
                item.name.text
            );
            self.warn(
                first.name.span,
                message,
                "write a condition that depends on a value, or remove them",
            );
        }
    }

    /// Warns about the choices of a router that always takes others.
    pub(super) fn unreachable_choices(&mut self, chosen: &[&str], choices: &'a [Item]) {
        let is_chosen = |choice: &&Item| chosen.contains(&choice.name.text.as_str());
        if chosen.is_empty() || !choices.iter().any(|choice| is_chosen(&choice)) {
            return;
        }
        for choice in choices.iter().filter(|choice| !is_chosen(choice)) {
            let message =
                format!("`{}` never runs: the router always chooses another one", choice.name.text);
            self.warn(
                choice.name.span,
                message,
                "write a route that depends on a value, or remove it",
            );
        }
    }

    fn warn(&mut self, span: Span, message: String, help: &str) {
        let code = ErrorId::SETTING_USELESS;
        let warning = Diagnostic::new(code, &self.file.source, span, message).warning();
        self.mistakes.warn(warning.help(help));
    }
}
