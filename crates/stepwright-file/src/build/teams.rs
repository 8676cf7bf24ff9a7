//! Builds the teams of a file.

use super::Builder;
use crate::format::{Agent as AgentOf, TeamOf};
use std::collections::HashMap;
use stepwright_agent::{Agent, AgentBuilder, Member, Team};
use stepwright_core::Error;

impl Builder<'_> {
    /// Builds the leader of a team.
    pub(super) fn team(
        &self,
        of: &AgentOf,
        team: &TeamOf,
        leader: AgentBuilder,
    ) -> Result<Agent, Error> {
        let mut builder = Team::builder(&of.name.text).mode(team.mode).leader(|_| leader);
        let mut tools = HashMap::new();
        for word in &team.members {
            let member = Member::from(self.agent(&word.text)?);
            tools.insert(word.text.as_str(), member.name().to_owned());
            let known = self.file.agents.iter().find(|agent| agent.name.text == word.text);
            let about = known.and_then(|agent| agent.description.clone()).unwrap_or_default();
            builder = builder.member(member, about);
        }
        if let Some(rounds) = team.max_rounds {
            builder = builder.max_rounds(rounds);
        }
        if let Some(share) = team.share_interactions {
            builder = builder.share_interactions(share);
        }
        if let Some(share) = team.share_history {
            builder = builder.share_history(share);
        }
        if let Some(pass) = team.pass_input {
            builder = builder.pass_input(pass);
        }
        if let Some(limit) = team.member_timeout {
            builder = builder.member_timeout(limit);
        }
        if let Some(turns) = of.max_turns {
            builder = builder.max_turns(turns);
        }
        for name in &of.confirmed {
            let tool = tools.get(name.as_str()).unwrap_or(name);
            builder = builder.leader(|leader| leader.requires_confirmation(tool));
        }
        Ok(builder.build()?.leader().clone())
    }
}
