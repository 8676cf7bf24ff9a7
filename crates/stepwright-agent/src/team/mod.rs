//! Teams: agents whose tools are other agents.

pub(crate) mod board;
mod builder;
pub(crate) mod lead;
mod member;
pub(crate) mod mode;

pub use board::TEAM_TASKS_MAX;
pub use builder::TeamBuilder;
pub use member::{MEMBER_TIMEOUT, Member};
pub(crate) use mode::TeamRules;
pub use mode::{
    TEAM_DEPTH_MAX, TEAM_MEMBERS_MAX, TEAM_ROUNDS, TEAM_ROUNDS_MAX, TeamMode, UnknownTeamMode,
};

use crate::as_tool::AgentTool;
use crate::builder::Agent;
use std::fmt;
use std::sync::{Arc, OnceLock};
use stepwright_core::executor::ExecutorType;
use stepwright_core::{
    Executor, Fingerprint, StepContext, StepError, StepInput, StepOutput, WorkflowId,
};
use stepwright_engine::{IntoInput, Run, Workflow};

/// Several agents that work on one message: a leader, and members among its tools. Cheap to clone
/// and never changed by a run.
///
/// The leader is an agent, and a task of a member is a tool call: it has a path
/// (`desk/researcher#2`) under which the events, tool calls and usage of the member are recorded.
/// So a team is streamed, paused, cancelled, resumed and budgeted as every agent is. It is an
/// executor: a step, a tool ([`Team::as_tool`]), or alone ([`Team::run`]). See `docs/teams.md`.
///
/// ```
/// use stepwright_agent::{Agent, Team};
/// # use serde_json::json;
/// # use stepwright_testing::model::{Reply, ScriptedModel};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), stepwright_core::Error> {
/// # let (first, second) = (ScriptedModel::new(["Three sources."]), ScriptedModel::new([
/// #     Reply::call("researcher", json!({"task": "Find sources."})), Reply::text("A report."),
/// # ]));
/// let researcher = Agent::builder("Researcher").model(first)?.build()?;
/// let desk = Team::builder("Desk")
///     .model(second)?
///     .member(&researcher, "Finds sources for a topic.")
///     .instructions("Write a report of one page.")
///     .build()?;
/// assert_eq!(desk.run("Bridges").await?.content.text(), "A report.");
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Team {
    pub(crate) leader: Agent,
    pub(crate) depth: usize,
    alone: Arc<OnceLock<Workflow>>,
}

impl Team {
    /// Starts the definition of a team.
    ///
    /// ```
    /// use stepwright_agent::{Agent, Team, TeamMode};
    /// let german = Agent::builder("German").model("offline")?.build()?;
    /// let french = Agent::builder("French").model("offline")?.build()?;
    /// let desk = Team::builder("Desk")
    ///     .model("offline")?
    ///     .mode(TeamMode::Route)
    ///     .member(&german, "Answers questions in German.")
    ///     .member(&french, "Answers questions in French.")
    ///     .build()?;
    /// assert_eq!(desk.members().collect::<Vec<_>>(), ["german", "french"]);
    /// # Ok::<(), stepwright_core::Error>(())
    /// ```
    pub fn builder(name: impl Into<String>) -> TeamBuilder {
        TeamBuilder::new(name.into())
    }

    pub(crate) fn of(leader: Agent, depth: usize) -> Self {
        Self { leader, depth, alone: Arc::default() }
    }

    /// Returns the team's name.
    pub fn name(&self) -> &str {
        self.leader.name()
    }

    /// Returns the leader: an agent with the members among its tools.
    pub fn leader(&self) -> &Agent {
        &self.leader
    }

    /// Returns the mode.
    pub fn mode(&self) -> TeamMode {
        self.leader.definition.team.as_ref().map_or_else(TeamMode::default, |team| team.mode)
    }

    /// Returns the names of the members: those of their tools, and in the paths of their tasks.
    pub fn members(&self) -> impl Iterator<Item = &str> {
        self.leader.definition.team.iter().flat_map(|team| &team.members).map(String::as_str)
    }

    /// Returns a run of the team on its own, as [`Agent::run`] does for an agent.
    pub fn run(&self, input: impl IntoInput) -> Run {
        self.workflow().run(input)
    }

    /// Returns the workflow of [`Team::run`]: its only step is this team. It has no store: see
    /// [`Agent::workflow`].
    pub fn workflow(&self) -> &Workflow {
        self.alone.get_or_init(|| {
            let step = Self::of(self.leader.clone(), self.depth);
            let builder = Workflow::builder(self.name()).step(step);
            let built = match WorkflowId::from_name(self.name()) {
                Ok(_) => builder.build(),
                // A name without a letter or a digit.
                Err(_) => builder.id("team").build(),
            };
            built.expect("the name of a team is checked, and one step has no other mistake")
        })
    }

    /// Returns this team as a tool of an agent: see [`Agent::as_tool`]. As a member of another
    /// team, give it to [`TeamBuilder::member`].
    #[must_use]
    pub fn as_tool(&self, name: impl Into<String>, description: impl Into<String>) -> AgentTool {
        self.leader.as_tool(name, description)
    }
}

impl Executor for Team {
    fn name(&self) -> &str {
        self.leader.name()
    }

    fn executor_type(&self) -> ExecutorType {
        ExecutorType::Team
    }

    fn fingerprint(&self) -> Fingerprint {
        self.leader.fingerprint()
    }

    fn asks(&self) -> bool {
        self.leader.asks()
    }

    fn asks_player(&self) -> bool {
        true
    }

    async fn execute(&self, input: StepInput, cx: StepContext) -> Result<StepOutput, StepError> {
        self.leader.execute(input, cx).await
    }
}

impl fmt::Debug for Team {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Team")
            .field("name", &self.name())
            .field("mode", &self.mode())
            .field("members", &self.members().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
