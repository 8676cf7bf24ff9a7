//! Warnings about parts of a file that no run uses.

use super::Checker;
use crate::diagnostic::Diagnostic;
use crate::format::{Agent, File, Item, Kind};
use crate::source::Span;
use std::collections::HashSet;
use stepwright_core::ErrorId;

/// Collects the keys of the session state that steps set, in nested workflows too.
pub(super) fn collect_keys<'a>(file: &'a File, keys: &mut HashSet<&'a str>) {
    keys.extend(file.session_state.iter().flat_map(|(state, _)| state.keys()).map(String::as_str));
    for called in file.called() {
        collect_keys(&called.file, keys);
    }
    for items in all_of(file) {
        keys_of(items, keys);
    }
}

fn keys_of<'a>(items: &'a [Item], keys: &mut HashSet<&'a str>) {
    for item in items {
        match &item.kind {
            Kind::Builtin { work, .. } => keys.extend(work.sets()),
            Kind::Workflow { file, .. } => collect_keys(file, keys),
            _ => {}
        }
        for body in item.inside() {
            keys_of(body, keys);
        }
    }
}

/// Returns the steps of a file, and those that run when they have ended.
fn all_of(file: &File) -> impl Iterator<Item = &[Item]> {
    let after = file.after.iter().map(|after| &after.items[..]);
    std::iter::once(&file.steps[..]).chain(after)
}

/// Collects the agents that steps use. Returns `false` if a step has mistakes, so that it may use
/// others.
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
        for body in item.inside() {
            is_whole &= collect_agents(body, agents);
        }
    }
    is_whole
}

impl<'a> Checker<'a, '_> {
    pub(super) fn unused_agents(&mut self) {
        let mut used = HashSet::new();
        if !all_of(self.file).all(|items| collect_agents(items, &mut used)) {
            return;
        }
        // A member is used by its team, and a tool by its agent, whether these are used or not.
        let teams = self.file.agents.iter().filter_map(|agent| agent.team.as_ref());
        used.extend(teams.flat_map(|team| &team.members).map(|member| member.text.as_str()));
        let others = self.file.agents.iter().flat_map(Agent::other_agents);
        used.extend(others.map(|other| other.agent.text.as_str()));
        used.extend(self.file.workflow_agent.iter().map(|front| front.agent.text.as_str()));
        for agent in &self.file.agents {
            let (name, key) = (&agent.name, if agent.team.is_some() { "team" } else { "agent" });
            if !used.contains(name.text.as_str()) {
                let message = format!("no step uses the {key} `{}`", name.text);
                self.warn(
                    name.span,
                    message,
                    &format!("add a step `{key}: {}`, or remove it", name.text),
                );
            }
        }
    }

    pub(super) fn unused_servers(&mut self) {
        for server in self.file.mcp.clone() {
            let name = &server.name;
            if !server.is_used() && !server.is_imported() {
                let message = format!("no agent uses the MCP server `{}`", name.text);
                let help =
                    format!("list it among the tools of an agent: `tools: [mcp:{}]`", name.text);
                self.warn(name.span, message, &help);
            }
        }
    }

    pub(super) fn unused_knowledge(&mut self) {
        for base in self.file.knowledge.iter().filter(|base| !base.is_used()) {
            let name = &base.name;
            let message = format!("no agent searches the knowledge base `{}`", name.text);
            let help = format!("name it at an agent: `knowledge: [{}]`", name.text);
            self.warn(name.span, message, &help);
        }
    }

    /// Warns about the steps behind one that ends the run.
    pub(super) fn unreachable_steps(&mut self, items: &[Item]) {
        // A step that a person rejects may be skipped.
        let ends = |item: &Item| {
            item.review.is_none()
                && matches!(&item.kind, Kind::Builtin { work, .. } if work.ends_the_run())
        };
        let Some(at) = items.iter().position(ends) else { return };
        if let Some(next) = items.get(at + 1) {
            let message =
                format!("`{}` never runs: `{}` ends the run", next.name.text, items[at].name.text);
            let help = "put the `stop` into a condition: `{if: \"= …\", then: [{stop: …}]}`";
            self.warn(next.name.span, message, help);
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

    /// Warns of agents that a text from outside can make send files away: those that read pages,
    /// read files, and can send what they have read to any address.
    pub(super) fn exposed_agents(&mut self) {
        for agent in &self.file.agents {
            let has = |name: &str| agent.tools.iter().any(|chosen| chosen.word == name);
            let is_asked = |name: &str| agent.confirmed.iter().any(|confirmed| confirmed == name);
            if has("http_get") && has("read_file") && !is_asked("http_get") {
                let name = &agent.name;
                let message = format!(
                    "agent `{}` reads pages and files, and fetches addresses: a page can make it \
                     send files away",
                    name.text
                );
                let help = "give the tools to two agents, ask with `requires_confirmation`, or \
                            allow few addresses with `permissions`";
                let code = ErrorId::AGENT_EXPOSED;
                let warning = Diagnostic::new(code, &self.file.source, name.span, message);
                self.mistakes.warn(warning.warning().help(help));
            }
        }
    }

    pub(super) fn warn(&mut self, span: Span, message: String, help: &str) {
        let code = ErrorId::SETTING_USELESS;
        let warning = Diagnostic::new(code, &self.file.source, span, message).warning();
        self.mistakes.warn(warning.help(help));
    }
}
