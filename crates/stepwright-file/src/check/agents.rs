//! Checks the agents of a file, and their models.

use super::Checker;
use crate::format::{Agent, Chosen, Item, Kind, Word};
use crate::suggest::did_you_mean;
use stepwright_core::ErrorId;
use stepwright_core::model::{Model as _, ToolChoice};

impl Checker<'_, '_> {
    pub(super) fn agents(&mut self) {
        self.teams();
        self.other_agents();
        let embedders = self.file.knowledge.iter().filter_map(|base| base.embedder.as_ref());
        self.secrets(embedders.filter_map(|model| model.place.as_ref()?.key.as_ref()));
        for agent in &self.file.agents {
            self.settings(agent);
            self.quoting(agent);
            self.searched(agent);
            if agent.model.is_none() && self.models.is_empty() {
                let what = if agent.team.is_some() { "team" } else { "agent" };
                let message = format!("the {what} `{}` has no model", agent.name.text);
                let help = "give it one, or give one to all agents with `model:` at the top; \
                            `model: offline` needs no key";
                let mistake = self.at(agent.name.span, message).coded(ErrorId::KEY_INVALID);
                self.mistakes.push(mistake.help(help));
            }
        }
    }

    /// Warns of an agent that must write structured output, and whose only model quotes.
    fn quoting(&mut self, agent: &Agent) {
        let own: Vec<&str> =
            agent.model.iter().flatten().map(|model| model.text.as_str()).collect();
        let is_forced = self.forced.is_some();
        let models = if is_forced || own.is_empty() { &self.models } else { &own };
        if agent.output.is_none() || models.as_slice() != ["offline"] {
            return;
        }
        let name = &agent.name.text;
        let message = format!(
            "`offline` quotes texts and cannot write the `output` of the agent `{name}`: its \
             steps will fail"
        );
        let help = "choose a language model, such as `model: openai:gpt-5-mini` or `--model \
                    openai:gpt-5-mini`, or leave `output` out";
        self.warn(agent.name.span, message, help);
    }

    /// Checks that the knowledge bases of an agent exist, and that the secrets of all of them do.
    fn searched(&mut self, agent: &Agent) {
        for searched in agent.tools.iter().filter_map(|chosen| chosen.tool.searched()) {
            let base = &searched.base;
            if let Some(known) = self.file.base(&base.text) {
                known.mark_used();
                continue;
            }
            let known: Vec<&str> =
                self.file.knowledge.iter().map(|base| base.name.text.as_str()).collect();
            let message = format!("there is no knowledge base `{}`", base.text);
            let help = did_you_mean(&base.text, &known, "this file has");
            let help = help.unwrap_or_else(|| "declare it under `knowledge:` at the top".into());
            self.mistakes.push(self.at(base.span, message).help(help));
        }
    }

    /// Checks that the secrets of models are declared.
    fn secrets<'w>(&mut self, secrets: impl Iterator<Item = &'w Word>) {
        for secret in secrets {
            let known = self.file.declared.secret_named();
            if !known.contains(&secret.text.as_str()) {
                let message = format!("there is no secret `{}`", secret.text);
                let help = did_you_mean(&secret.text, &known, "this file declares");
                let help = help.unwrap_or_else(|| "declare it under `secrets:` at the top".into());
                self.mistakes.push(self.at(secret.span, message).help(help));
            }
        }
    }

    /// Checks that the models of an agent have its settings.
    fn settings(&mut self, agent: &Agent) {
        let settings = &agent.settings;
        if settings.tool_choice == ToolChoice::Required
            && agent.tools.is_empty()
            && agent.team.is_none()
        {
            let message = format!("the agent `{}` must call a tool but has none", agent.name.text);
            let mistake = self.at(agent.name.span, message).coded(ErrorId::SETTING_USELESS);
            self.mistakes.push(mistake.help("list its `tools`, or leave `tool_choice` out"));
        }
        if let ToolChoice::One(one) = &settings.tool_choice {
            let known = agent.tools.iter().flat_map(|chosen| chosen.tool.names());
            let known: Vec<&str> = known.collect();
            let may_have = |chosen: &Chosen| chosen.tool.may_have(one);
            let is_member = |word: &Word| word.text == *one;
            let leads = agent.team.as_ref().is_some_and(|it| it.members.iter().any(is_member));
            if !leads && !known.contains(&one.as_str()) && !agent.tools.iter().any(may_have) {
                let place = settings.places.iter().find(|(key, _)| *key == "tool_choice");
                let span = place.map_or(agent.name.span, |(_, span)| *span);
                let message = format!("this agent has no tool `{one}`, which it must call");
                let help = did_you_mean(one, &known, "it has");
                let help = help.unwrap_or_else(|| "list it under `tools` too".into());
                self.mistakes.push(self.at(span, message).help(help));
            }
        }
        let keys =
            agent.model.iter().flatten().filter_map(|model| model.place.as_ref()?.key.as_ref());
        self.secrets(agent.tools.iter().filter_map(|chosen| chosen.tool.secret()).chain(keys));
        let own = agent.model.iter().flatten().map(|model| model.text.as_str());
        let own: Vec<&str> = own.collect();
        let models = match self.forced {
            Some(_) => &self.models,
            None if own.is_empty() => &self.models,
            None => &own,
        };
        let mut told = Vec::new();
        for name in models {
            // A model that cannot be made here has been reported, or its key is missing.
            let own = agent.model.iter().flatten().find(|model| model.text == *name);
            let made = match own {
                Some(own) => crate::models::to_check(own),
                None => stepwright_models::model(name),
            };
            let Ok(model) = made else { continue };
            for (key, span) in &settings.places {
                let Err(error) = model.check(&settings.only(key)) else { continue };
                let message = format!("the model `{name}` does not take `{key}`: {error}");
                let help = error
                    .hint
                    .unwrap_or_else(|| "leave it out, or choose another model".to_owned());
                let mistake = self.at(*span, message).coded(ErrorId::SETTING_USELESS);
                told.push(mistake.help(help));
            }
        }
        for mistake in told {
            self.mistakes.push(mistake);
        }
    }

    /// Checks a step whose files the workspace of another one begins with.
    pub(super) fn files_of(&mut self, step: &Word, item: &Item) {
        let name = step.text.as_str();
        if self.all.contains_key(name) && item.name.text != name {
            return;
        }
        let names: Vec<&str> = self.all.keys().copied().collect();
        let message = if item.name.text == name {
            format!("`{name}` is this step itself")
        } else {
            format!("there is no step `{name}`")
        };
        let help = did_you_mean(name, &names, "this file has");
        let mistake = self.at(step.span, message).coded(ErrorId::NAME_UNKNOWN);
        self.mistakes.push(mistake.maybe_help(help));
    }

    /// Checks that the agent or the team of a step exists. `key` is the key of the step.
    pub(super) fn agent(&mut self, agent: &Word, key: &str) {
        let is_team = key == "team";
        let known = self.file.agents.iter().find(|known| known.name.text == agent.text);
        if let Some(known) = known {
            if known.team.is_some() != is_team {
                let (what, other) =
                    if is_team { ("an agent", "agent") } else { ("a team", "team") };
                let message = format!("`{}` is {what}", agent.text);
                let help = format!("write `{other}: {}`", agent.text);
                self.mistakes.push(self.at(agent.span, message).help(help));
            }
            return;
        }
        if is_team {
            let teams = self.file.agents.iter().filter(|known| known.team.is_some());
            let names: Vec<&str> = teams.map(|team| team.name.text.as_str()).collect();
            let message = format!("there is no team `{}`", agent.text);
            let help = did_you_mean(&agent.text, &names, "this file has");
            let help = help.unwrap_or_else(|| "declare it under `teams:` at the top".into());
            self.mistakes.push(self.at(agent.span, message).help(help));
            return;
        }
        let names: Vec<&str> = self.file.agents.iter().map(|a| a.name.text.as_str()).collect();
        if !names.contains(&agent.text.as_str()) {
            let message = format!("there is no agent `{}`", agent.text);
            let help = did_you_mean(&agent.text, &names, "this file has");
            let help = help.unwrap_or_else(|| "declare it under `agents:` at the top".into());
            self.mistakes.push(self.at(agent.span, message).help(help));
        }
    }

    /// Checks that a step can continue the conversation of another one.
    pub(super) fn session(&mut self, session: &Word, agent: &str, visible: &[&str]) {
        let name = session.text.as_str();
        if !visible.contains(&name) {
            let message =
                format!("`session` names `{name}`, and no such step runs before this one");
            let help = did_you_mean(name, visible, "there are");
            let help = help.unwrap_or_else(|| "name an earlier step of a coding agent".into());
            self.mistakes.push(self.at(session.span, message).help(help));
            return;
        }
        let all = [&self.file.steps[..]].into_iter();
        let all = all.chain(self.file.after.iter().map(|after| &after.items[..]));
        let Some(item) = all.into_iter().find_map(|items| named(items, name)) else { return };
        let other = match &item.kind {
            Kind::Builtin { work, .. } => work.is_agent(),
            _ => None,
        };
        match other {
            Some(other) if other == agent => {}
            Some(other) => {
                let message = format!("`{name}` is a step of `{other}`, and this one of `{agent}`");
                let help = "give both the same `harness`, or leave `session` out";
                self.mistakes.push(self.at(session.span, message).help(help));
            }
            None => {
                let message = format!("`{name}` is no step of a coding agent");
                let help = "name a step with `agent: {harness: …}`";
                self.mistakes.push(self.at(session.span, message).help(help));
            }
        }
    }
}

/// Returns the step with this name, at any depth.
fn named<'i>(items: &'i [Item], name: &str) -> Option<&'i Item> {
    items.iter().find_map(|item| {
        let inside = || item.inside().find_map(|body| named(body, name));
        if item.name.text == name { Some(item) } else { inside() }
    })
}
