//! Checks the members of teams.

use super::Checker;
use crate::format::{Agent, TeamOf};
use crate::suggest::did_you_mean;
use stepwright_agent::{TEAM_DEPTH_MAX, TeamMode};
use stepwright_core::ErrorId;

impl<'a> Checker<'a, '_> {
    pub(super) fn teams(&mut self) {
        let file = self.file;
        let names: Vec<&str> = file.agents.iter().map(|agent| agent.name.text.as_str()).collect();
        let mut is_whole = true;
        self.front_agent(&names);
        for (agent, team) in file.agents.iter().filter_map(|it| Some((it, it.team.as_ref()?))) {
            self.settings_of_team(agent, team);
            for member in &team.members {
                if names.contains(&member.text.as_str()) {
                    continue;
                }
                is_whole = false;
                let message = format!("there is no agent or team `{}`", member.text);
                let help = did_you_mean(&member.text, &names, "this file has");
                let help = help.unwrap_or_else(|| "declare it under `agents:` at the top".into());
                self.mistakes.push(self.at(member.span, message).help(help));
            }
        }
        if is_whole {
            for agent in &file.agents {
                let mut around = vec![agent.name.text.as_str()];
                if self.members_of(agent, &mut around) {
                    // One of the teams of a circle stands for all.
                    return;
                }
            }
        }
    }

    /// Checks the agent in front of the workflow.
    fn front_agent(&mut self, names: &[&str]) {
        let Some(front) = &self.file.workflow_agent else { return };
        let word = &front.agent;
        let known = self.file.agents.iter().find(|agent| agent.name.text == word.text);
        let (message, help) = match known {
            Some(agent) if agent.team.is_some() => {
                let message = format!("`{}` is a team", word.text);
                (message, "name an agent; the steps can use the team".to_owned())
            }
            Some(agent) if agent.output.is_some() => (
                format!("`{}` has an `output`, and what it says is for people", word.text),
                "name an agent without `output`".to_owned(),
            ),
            Some(_) => return,
            None => {
                let help = did_you_mean(&word.text, names, "this file has");
                let help = help.unwrap_or_else(|| "declare it under `agents:` at the top".into());
                (format!("there is no agent `{}`", word.text), help)
            }
        };
        self.mistakes.push(self.at(word.span, message).help(help));
    }

    /// Checks the levels beneath a team. Returns `true` if there is a mistake.
    fn members_of(&mut self, agent: &'a Agent, around: &mut Vec<&'a str>) -> bool {
        let Some(team) = &agent.team else { return false };
        for member in &team.members {
            let name = member.text.as_str();
            if around.contains(&name) {
                let circle = around.iter().chain([&name]).map(|name| format!("`{name}`"));
                let circle: Vec<String> = circle.collect();
                let message = format!("`{name}` is a member of itself: {}", circle.join(" → "));
                let mistake = self.at(member.span, message).coded(ErrorId::KEY_INVALID);
                self.mistakes.push(mistake.help("take it out of one of these teams"));
                return true;
            }
            let inner = self.file.agents.iter().find(|other| other.name.text == name);
            let Some(inner) = inner.filter(|inner| inner.team.is_some()) else { continue };
            if around.len() >= TEAM_DEPTH_MAX {
                let message = format!("teams are nested in more than {TEAM_DEPTH_MAX} levels");
                let mistake = self.at(member.span, message).coded(ErrorId::KEY_INVALID);
                self.mistakes.push(mistake.help("give its members to the team above it"));
                return true;
            }
            around.push(name);
            let is_wrong = self.members_of(inner, around);
            around.pop();
            if is_wrong {
                return true;
            }
        }
        false
    }

    /// Reports settings that the mode of a team does not have.
    fn settings_of_team(&mut self, agent: &Agent, team: &TeamOf) {
        let mode = team.mode;
        let once = matches!(mode, TeamMode::Route | TeamMode::Collaborate);
        let useless = [
            ("pass_input", team.pass_input == Some(true) && mode == TeamMode::Tasks),
            ("share_interactions", team.share_interactions == Some(true) && once),
        ];
        for (key, _) in useless.into_iter().filter(|(_, is_useless)| *is_useless) {
            let name = &agent.name;
            let message = format!("`{key}` has no effect for the team `{}`: `{mode}`", name.text);
            let mistake = self.at(name.span, message).coded(ErrorId::SETTING_USELESS);
            self.mistakes.push(mistake.help("leave it out, or choose another mode"));
        }
    }
}
