//! Checks the agents of a file, and their models.

use super::Checker;
use crate::format::{Agent, Item, Word};
use crate::suggest::did_you_mean;
use stepwright_core::ErrorId;
use stepwright_core::model::{Model as _, ToolChoice};

impl Checker<'_, '_> {
    pub(super) fn agents(&mut self) {
        for agent in &self.file.agents {
            self.settings(agent);
            if agent.model.is_none() && self.models.is_empty() {
                let message = format!("the agent `{}` has no model", agent.name.text);
                let help = "give it one, or give one to all agents with `model:` at the top; \
                            `model: offline` needs no key";
                let mistake = self.at(agent.name.span, message).coded(ErrorId::KEY_INVALID);
                self.mistakes.push(mistake.help(help));
            }
        }
    }

    /// Checks that the models of an agent have its settings.
    fn settings(&mut self, agent: &Agent) {
        let settings = &agent.settings;
        if settings.tool_choice == ToolChoice::Required && agent.tools.is_empty() {
            let message = format!("the agent `{}` must call a tool but has none", agent.name.text);
            let mistake = self.at(agent.name.span, message).coded(ErrorId::SETTING_USELESS);
            self.mistakes.push(mistake.help("list its `tools`, or leave `tool_choice` out"));
        }
        if let ToolChoice::One(one) = &settings.tool_choice {
            let known = agent.tools.iter().flat_map(|chosen| chosen.tool.known_as());
            let known: Vec<&str> = known.copied().collect();
            if !known.contains(&one.as_str()) {
                let place = settings.places.iter().find(|(key, _)| *key == "tool_choice");
                let span = place.map_or(agent.name.span, |(_, span)| *span);
                let message = format!("this agent has no tool `{one}`, which it must call");
                let help = did_you_mean(one, &known, "it has");
                let help = help.unwrap_or_else(|| "list it under `tools` too".into());
                self.mistakes.push(self.at(span, message).help(help));
            }
        }
        for secret in agent.tools.iter().filter_map(|chosen| chosen.tool.secret()) {
            let known = self.file.declared.secret_named();
            if !known.contains(&secret.text.as_str()) {
                let message = format!("there is no secret `{}`", secret.text);
                let help = did_you_mean(&secret.text, &known, "this file declares");
                let help = help.unwrap_or_else(|| "declare it under `secrets:` at the top".into());
                self.mistakes.push(self.at(secret.span, message).help(help));
            }
        }
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
            let Ok(model) = stepwright_models::model(name) else { continue };
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

    /// Checks that the agent of a step exists.
    pub(super) fn agent(&mut self, agent: &Word) {
        let names: Vec<&str> = self.file.agents.iter().map(|a| a.name.text.as_str()).collect();
        if !names.contains(&agent.text.as_str()) {
            let message = format!("there is no agent `{}`", agent.text);
            let help = did_you_mean(&agent.text, &names, "this file has");
            let help = help.unwrap_or_else(|| "declare it under `agents:` at the top".into());
            self.mistakes.push(self.at(agent.span, message).help(help));
        }
    }
}
