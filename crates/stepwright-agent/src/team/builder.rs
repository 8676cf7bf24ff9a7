//! The builder of a team.

use super::Team;
use super::board;
use super::member::{MEMBER_TIMEOUT, Member, MemberTool};
use super::mode::{
    TEAM_DEPTH_MAX, TEAM_MEMBERS_MAX, TEAM_ROUNDS, TEAM_ROUNDS_MAX, TeamMode, TeamRules,
};
use crate::builder::{Agent, AgentBuilder};
use crate::definition::TURNS_MAX;
use crate::into_model::IntoModel;
use crate::shape::OutputSchema;
use crate::toolkit::{IntoTools, ToolSet, Toolkit};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use stepwright_core::budget::Budget;
use stepwright_core::tool::{AnyTool, ToolSpec};
use stepwright_core::{Error, ErrorKind, Fingerprint};

/// The builder of a team: see [`Team::builder`].
///
/// ```
/// use stepwright_agent::{Agent, Team, TeamMode};
/// let scout = Agent::builder("Scout").model("offline")?.build()?;
/// let team = Team::builder("Desk").model("offline")?.mode(TeamMode::Tasks).max_rounds(4);
/// let error = team.clone().build().unwrap_err();
/// assert!(error.to_string().contains("it has no members"));
/// assert_eq!(team.member(&scout, "Finds sources.").build()?.mode(), TeamMode::Tasks);
/// # Ok::<(), stepwright_core::Error>(())
/// ```
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of its own")]
#[must_use = "a team is created only by `build`"]
pub struct TeamBuilder {
    name: String,
    leader: AgentBuilder,
    members: Vec<(Member, String)>,
    mode: TeamMode,
    rounds: u32,
    shares_interactions: bool,
    shares_history: bool,
    passes_input: bool,
    timeout: Duration,
    /// `true` if the leader's limit of turns follows from that of the rounds.
    has_turns: bool,
}

impl TeamBuilder {
    pub(super) fn new(name: String) -> Self {
        Self {
            leader: Agent::builder(name.clone()),
            name,
            members: Vec::new(),
            mode: TeamMode::default(),
            rounds: TEAM_ROUNDS,
            shares_interactions: false,
            shares_history: false,
            passes_input: false,
            timeout: MEMBER_TIMEOUT,
            has_turns: false,
        }
    }

    /// Sets the model of the leader: see [`AgentBuilder::model`].
    ///
    /// # Errors
    /// Returns an error if the text names no known model.
    pub fn model<K>(mut self, model: impl IntoModel<K>) -> Result<Self, Error> {
        self.leader = self.leader.model(model)?;
        Ok(self)
    }

    /// Adds a member: an [`Agent`] or another [`Team`]. `description` tells the leader what the
    /// member is good for.
    pub fn member(mut self, member: impl Into<Member>, description: impl Into<String>) -> Self {
        self.members.push((member.into(), description.into()));
        self
    }

    /// Sets the way in which the team works. Default: [`TeamMode::Coordinate`].
    pub fn mode(mut self, mode: TeamMode) -> Self {
        self.mode = mode;
        self
    }

    /// Sets the instructions of the leader. Those of the mode come after them.
    pub fn instructions(self, text: impl Into<String>) -> Self {
        let text = text.into();
        self.leader(|leader| leader.instructions(text))
    }

    /// Adds a tool of the leader: see [`AgentBuilder::tool`].
    pub fn tool<K>(self, tool: impl IntoTools<K>) -> Self {
        self.leader(|leader| leader.tool(tool))
    }

    /// Sets the type of the team's output: see [`AgentBuilder::output`]. In [`TeamMode::Route`] the
    /// members without an output of their own have it too.
    pub fn output<T: DeserializeOwned + JsonSchema>(self) -> Self {
        self.leader(AgentBuilder::output::<T>)
    }

    /// Sets the budget of the whole team, for each time that it is executed: the leader, its
    /// members and what they call. A budget of a member narrows it further.
    pub fn budget(self, budget: Budget) -> Self {
        self.leader(|leader| leader.budget(budget))
    }

    /// Changes any other setting of the leader. The members are among its tools: so
    /// `requires_confirmation("scout")` asks a person before each task of `scout`.
    ///
    /// ```
    /// use stepwright_agent::{Agent, Team};
    /// let scout = Agent::builder("Scout").model("offline")?.build()?;
    /// let team = Team::builder("Desk").model("offline")?.member(&scout, "Finds sources.");
    /// let team = team.leader(|leader| leader.requires_confirmation("scout").tool_concurrency(2));
    /// # team.build()?;
    /// # Ok::<(), stepwright_core::Error>(())
    /// ```
    pub fn leader(mut self, change: impl FnOnce(AgentBuilder) -> AgentBuilder) -> Self {
        self.leader = change(self.leader);
        self
    }

    /// Sets the number of rounds: the turns in which the leader gives tasks to members. After the
    /// last one it answers with what it has. Default: [`TEAM_ROUNDS`].
    pub fn max_rounds(mut self, rounds: u32) -> Self {
        self.rounds = rounds;
        self
    }

    /// Sets the largest number of requests to the leader's model. By default it follows from
    /// [`TeamBuilder::max_rounds`]: two for each round, and ten more.
    pub fn max_turns(mut self, turns: u32) -> Self {
        self.has_turns = true;
        self.leader(|leader| leader.max_turns(turns))
    }

    /// Sets the timeout of one task of a member. Default: [`MEMBER_TIMEOUT`]. When it expires, the
    /// leader is told and goes on.
    pub fn member_timeout(mut self, limit: Duration) -> Self {
        self.timeout = limit;
        self
    }

    /// Sets whether members read the tasks and the answers of members in earlier rounds. Default:
    /// `false`.
    pub fn share_interactions(mut self, share: bool) -> Self {
        self.shares_interactions = share;
        self
    }

    /// Sets whether members read the history of the session, if the step of the team has it.
    /// Default: `false`.
    pub fn share_history(mut self, share: bool) -> Self {
        self.shares_history = share;
        self
    }

    /// Sets whether members get the message of the team as it is, in place of a task that the
    /// leader writes. Default: `false`.
    pub fn pass_input(mut self, pass: bool) -> Self {
        self.passes_input = pass;
        self
    }

    /// Sets the version of the parts that cannot be compared: see [`AgentBuilder::version`].
    pub fn version(self, version: impl AsRef<str>) -> Self {
        self.leader(|leader| leader.version(version))
    }

    /// Builds the team.
    ///
    /// # Errors
    /// Returns an error if the definition has mistakes. It lists all of them, each with a hint.
    pub fn build(self) -> Result<Team, Error> {
        let mistakes = self.mistakes();
        if !mistakes.is_empty() {
            let message = match mistakes.as_slice() {
                [only] => format!("team `{}`: {only}", self.name),
                all => format!(
                    "team `{}` has {} mistakes:\n  - {}",
                    self.name,
                    all.len(),
                    all.join("\n  - "),
                ),
            };
            return Err(Error::new(ErrorKind::Definition, message));
        }
        let is_route = self.mode == TeamMode::Route;
        let output = self.leader.output_schema_of().filter(|_| is_route).cloned();
        let names: Vec<String> = self.members.iter().map(|(it, _)| it.name.clone()).collect();
        let mut rules = TeamRules {
            mode: self.mode,
            direct: if is_route { names.clone() } else { Vec::new() },
            structured: Vec::new(),
            members: names,
            rounds: self.rounds,
            shares_interactions: self.shares_interactions,
            shares_history: self.shares_history,
            passes_input: self.passes_input,
        };
        let (mut tools, mut depth) = (Vec::new(), 0);
        for (member, description) in &self.members {
            let mut member = member.clone();
            depth = depth.max(member.depth);
            if let Some(output) = &output {
                member.agent = member.agent.with_output(output);
            }
            if member.agent.definition.output.is_some() {
                rules.structured.push(member.name.clone());
            }
            tools.push(AnyTool::new(MemberTool::new(&member, description, &rules, self.timeout)));
        }
        let specs = match self.mode {
            TeamMode::Tasks => board::specs(&rules.members),
            _ => Vec::new(),
        };
        let roster = Roster { tools, rules: rules.clone(), timeout: self.timeout };
        let turns = self.rounds.saturating_mul(2).saturating_add(10).min(TURNS_MAX);
        let mut leader = self.leader.tool(roster);
        if !self.has_turns {
            leader = leader.max_turns(turns);
        }
        let leader = leader.build().map_err(|error| {
            let message = error.to_string();
            let rest = message.strip_prefix("agent ").unwrap_or(&message);
            Error::new(ErrorKind::Definition, format!("team {rest}"))
        })?;
        Ok(Team::of(leader.leading(rules, specs), depth + 1))
    }

    /// Returns the mistakes that only a team can have.
    fn mistakes(&self) -> Vec<String> {
        let mut mistakes = Vec::new();
        let (name, count) = (&self.name, self.members.len());
        if count == 0 {
            mistakes.push("it has no members; add one with `.member(&agent, \"…\")`".into());
        }
        if count > TEAM_MEMBERS_MAX {
            mistakes.push(format!(
                "it has {count} members; make teams of at most {TEAM_MEMBERS_MAX}, as members of \
                 this one"
            ));
        }
        let mut names = BTreeSet::new();
        for (member, _) in &self.members {
            let tool = &member.name;
            if !names.insert(tool) {
                mistakes.push(format!(
                    "two members are called `{tool}`; name one with `Member::from(…).named(\"…\")`"
                ));
            }
            if self.mode == TeamMode::Tasks && board::TOOLS.contains(&tool.as_str()) {
                mistakes.push(format!(
                    "a member is called `{tool}`, which is the name of a tool of the mode `tasks`; \
                     name it with `Member::from(…).named(\"…\")`"
                ));
            }
            if member.depth >= TEAM_DEPTH_MAX {
                mistakes.push(format!(
                    "the member `{tool}` has teams in {TEAM_DEPTH_MAX} levels; a team has at most \
                     {TEAM_DEPTH_MAX}, with itself"
                ));
            }
        }
        if !(1..=TEAM_ROUNDS_MAX).contains(&self.rounds) {
            let rounds = self.rounds;
            mistakes.push(format!("`max_rounds` is {rounds}; set 1 to {TEAM_ROUNDS_MAX}"));
        }
        if self.timeout.is_zero() {
            mistakes.push("`member_timeout` must be greater than zero".into());
        }
        if self.passes_input && self.mode == TeamMode::Tasks {
            mistakes.push(format!(
                "`pass_input` has no effect in the mode `tasks`, in which the leader of `{name}` \
                 writes the tasks; leave it out"
            ));
        }
        let in_rounds = matches!(self.mode, TeamMode::Coordinate | TeamMode::Tasks);
        if self.shares_interactions && !in_rounds {
            mistakes.push(format!(
                "`share_interactions` has no effect in the mode `{}`, in which each member is \
                 asked once; leave it out",
                self.mode
            ));
        }
        mistakes
    }
}

/// The members as tools of the leader, with its instructions for the mode.
struct Roster {
    tools: Vec<AnyTool>,
    rules: TeamRules,
    timeout: Duration,
}

impl Toolkit for Roster {
    fn tools(self) -> Result<Vec<AnyTool>, Error> {
        Ok(self.tools)
    }

    fn tool_set(self) -> Result<ToolSet, Error> {
        let TeamRules { mode, rounds, shares_interactions, shares_history, passes_input, .. } =
            self.rules;
        let settings = json!({
            "mode": mode.to_string(),
            "max_rounds": rounds,
            "share_interactions": shares_interactions,
            "share_history": shares_history,
            "pass_input": passes_input,
            "member_timeout": self.timeout.as_millis().to_string(),
        });
        Ok(ToolSet {
            instructions: Some(instructions(&self.rules)),
            content: Fingerprint::default().with("team", settings.to_string()),
            tools: self.tools,
            ..ToolSet::default()
        })
    }
}

/// Returns the text that tells the leader how its team works.
fn instructions(rules: &TeamRules) -> String {
    let mut text = String::from(match rules.mode {
        TeamMode::Coordinate => {
            "You lead a team. Its members are tools: call one to give it a task. Call several in \
             one turn if their tasks do not depend on each other. Answer yourself what needs no \
             member. If an answer misses the point, give the task again with clearer words, or to \
             another member. In the end write one answer from what the members found. If one \
             failed, say what is missing, and add nothing that no member said."
        }
        TeamMode::Route => {
            "You choose who answers. Your team members are tools: call exactly one of them, the \
             one that fits best. Its answer goes to the user as it is, so write nothing yourself, \
             and put what the user wants of the form of the answer into the task."
        }
        TeamMode::Collaborate => {
            "You lead a team. Each member has answered the message of the user; their answers are \
             the results of the calls in the conversation. Write one answer from them: what they \
             agree on once, and where they differ, which view you took and why. If one failed, \
             say what is missing. The members cannot be asked again."
        }
        TeamMode::Tasks => {
            "You lead a team and keep a list of tasks. Create the tasks, with an assignee for each \
             and with `depends_on` where one needs the result of another. Then call the members \
             with the ids of their tasks, several in one turn if the tasks do not depend on each \
             other. Read each result: if a task failed, change the plan. When all is done, or the \
             goal is out of reach, write the answer for the user."
        }
    });
    text.push_str(match (rules.mode, rules.passes_input) {
        (TeamMode::Collaborate, _) => "",
        (_, true) => " A member gets the message of the user as it is.",
        (_, false) if rules.shares_interactions || rules.shares_history => {
            " A member sees its task and what the team shares, not this conversation."
        }
        (_, false) => {
            " A member sees its task alone, not this conversation: put every name, number and \
             earlier result into it that it needs."
        }
    });
    text
}

impl Agent {
    /// Returns the agent as the leader of a team with these rules.
    pub(crate) fn leading(&self, rules: TeamRules, specs: Vec<ToolSpec>) -> Self {
        let mut definition = (*self.definition).clone();
        definition.specs.extend(specs);
        definition.team = Some(Arc::new(rules));
        Self::of(Arc::new(definition))
    }

    /// Returns the agent with an output, unless it has one.
    fn with_output(&self, output: &OutputSchema) -> Self {
        if self.definition.output.is_some() {
            return self.clone();
        }
        let mut definition = (*self.definition).clone();
        let content = output.schema.to_string();
        definition.fingerprint = definition.fingerprint.with("output of the team", content);
        definition.output = Some(output.clone());
        Self::of(Arc::new(definition))
    }
}
