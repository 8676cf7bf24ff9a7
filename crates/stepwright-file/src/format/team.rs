//! The teams of a file.

use super::form::{Form, Member, key, words};
use super::reader::{Fields, Reader};
use super::{TeamOf, Word};
use crate::tree::Yaml;
use std::collections::HashMap;
use stepwright_agent::{TEAM_MEMBERS_MAX, TEAM_ROUNDS_MAX, TeamMode};

/// The keys that a team has besides those of its leader.
pub(super) const OF_TEAM: &[Member] = &[
    key(
        "members",
        &Form::List(&Form::Text, 1, TEAM_MEMBERS_MAX),
        "The agents and teams that are its members, by name.",
    ),
    key("mode", &Form::Words(|| words(&TeamMode::NAMES)), "How the team works."),
    key(
        "max_rounds",
        &Form::Whole(1, TEAM_ROUNDS_MAX as u64),
        "The maximum number of turns in which the leader gives tasks.",
    ),
    key(
        "share_interactions",
        &Form::Bool,
        "Whether members read what others answered in earlier rounds.",
    ),
    key("share_history", &Form::Bool, "Whether members read the history of the session."),
    key("pass_input", &Form::Bool, "Whether members get the message of the team as it is."),
    key("member_timeout", &Form::Duration, "The maximum time of one task of a member."),
];

impl Reader<'_> {
    /// Reads the keys of a team that its leader does not have.
    pub(super) fn team(&mut self, fields: &mut Fields<'_>) -> TeamOf {
        let mode = fields.choice(self, "mode", &TeamMode::NAMES);
        let max_rounds = fields.number(self, "max_rounds", (1, TEAM_ROUNDS_MAX.into()));
        let share_interactions = fields.bool(self, "share_interactions");
        let share_history = fields.bool(self, "share_history");
        let pass_input = fields.bool(self, "pass_input");
        let member_timeout = fields.duration(self, "member_timeout");
        let written = fields.need(self, "members", "list its agents: `members: [writer, critic]`");
        let mut members: Vec<Word> = Vec::new();
        let mut known = HashMap::new();
        if let Some((key, node)) = written {
            let list = self.list(node, "members").unwrap_or_default();
            let is_list = matches!(node.value, Yaml::List(_));
            if is_list && (list.is_empty() || list.len() > TEAM_MEMBERS_MAX) {
                let mistake = self.mistake(
                    key.span,
                    format!(
                        "a team has 1 to {TEAM_MEMBERS_MAX} members, and this has {}",
                        list.len()
                    ),
                );
                self.push(mistake.help("make teams of many members, and a team of those"));
            }
            for node in list {
                let Some(word) = self.word(node, "a member") else { continue };
                if let Some(first) = known.insert(word.text.clone(), word.span) {
                    let message = format!("two members are called `{}`", word.text);
                    let mistake = self.mistake(word.span, message).label("again here");
                    let help = "remove one; the leader can give several tasks to one member";
                    self.push(mistake.also(first, "first here").help(help));
                    continue;
                }
                members.push(word);
            }
        }
        TeamOf {
            mode: mode.unwrap_or_default(),
            members,
            max_rounds: max_rounds.and_then(|rounds| u32::try_from(rounds).ok()),
            share_interactions,
            share_history,
            pass_input,
            member_timeout,
        }
    }
}
