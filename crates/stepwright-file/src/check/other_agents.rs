//! Checks the agents that agents have as tools.

use super::Checker;
use crate::format::Agent;
use crate::suggest::did_you_mean;
use std::collections::HashSet;
use stepwright_core::ErrorId;

impl<'a> Checker<'a, '_> {
    pub(super) fn other_agents(&mut self) {
        let file = self.file;
        let names: Vec<&str> = file.agents.iter().map(|agent| agent.name.text.as_str()).collect();
        for other in file.agents.iter().flat_map(Agent::other_agents) {
            let name = other.agent.text.as_str();
            let known = file.agents.iter().find(|agent| agent.name.text == name);
            let (message, help) = match known {
                None => {
                    let help = did_you_mean(name, &names, "this file has");
                    let help =
                        help.unwrap_or_else(|| "declare it under `agents:` at the top".into());
                    (format!("there is no agent `{name}`"), help)
                }
                Some(known) if known.description.is_none() && other.description.is_none() => {
                    let help = "give the tool, or the agent, a `description`";
                    (format!("the model is not told what `{name}` is good for"), help.to_owned())
                }
                Some(_) => continue,
            };
            self.mistakes.push(self.at(other.agent.span, message).help(help));
        }
        let mut seen = HashSet::new();
        for agent in &file.agents {
            let mut around = vec![(agent.name.text.as_str(), false)];
            if self.leads_to_itself(agent, &mut around, &mut seen) {
                // One agent of a circle stands for all.
                return;
            }
        }
    }

    /// Returns `true`, and reports it, if an agent has itself as a tool, or a tool of a tool.
    /// Circles that consist of teams and their members alone are reported with the teams. `around`
    /// are the agents on the way here, each with `true` if the one before it has it as a tool.
    fn leads_to_itself(
        &mut self,
        agent: &'a Agent,
        around: &mut Vec<(&'a str, bool)>,
        seen: &mut HashSet<&'a str>,
    ) -> bool {
        let members = agent.team.iter().flat_map(|team| &team.members).map(|word| (word, false));
        let tools = agent.other_agents().map(|other| (&other.agent, true));
        for (word, is_tool) in tools.chain(members) {
            let name = word.text.as_str();
            let first = around.iter().position(|(other, _)| *other == name);
            if let Some(first) = first {
                if !is_tool && !around[first + 1..].iter().any(|(_, is_tool)| *is_tool) {
                    continue;
                }
                let circle = around[first..].iter().map(|(name, _)| *name).chain([name]);
                let circle: Vec<String> = circle.map(|name| format!("`{name}`")).collect();
                let message = format!("`{name}` has itself as a tool: {}", circle.join(" → "));
                let mistake = self.at(word.span, message).coded(ErrorId::KEY_INVALID);
                self.mistakes.push(mistake.help("take it out of the tools of one of these agents"));
                return true;
            }
            let inner = self.file.agents.iter().find(|other| other.name.text == name);
            let Some(inner) = inner.filter(|_| !seen.contains(name)) else { continue };
            around.push((name, is_tool));
            let is_wrong = self.leads_to_itself(inner, around, seen);
            around.pop();
            if is_wrong {
                return true;
            }
        }
        seen.insert(&agent.name.text);
        false
    }
}
