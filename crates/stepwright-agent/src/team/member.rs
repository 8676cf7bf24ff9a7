//! The members of a team, as tools of its leader.

use super::lead::TeamMedia;
use super::mode::TeamMode;
use super::{Team, TeamRules};
use crate::builder::Agent;
use crate::voice;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use stepwright_core::executor::RunInput;
use stepwright_core::tool::{Tool, ToolAnswer, ToolError, ToolSpec};
use stepwright_core::{
    BoxFuture, ErrorCode, ErrorId, Executor as _, Fingerprint, OnInterrupted, StepContext,
    StepError, StepInput,
};

/// The default timeout of one task of a member.
pub const MEMBER_TIMEOUT: Duration = Duration::from_mins(30);

/// A member of a team: an [`Agent`] or another [`Team`], which convert into it.
///
/// ```
/// use stepwright_agent::{Agent, Member, Team};
/// let agent = Agent::builder("Researcher").model("offline")?.build()?;
/// let member = Member::from(&agent).named("web");
/// let team = Team::builder("Desk").model("offline")?.member(member, "Finds sources.").build()?;
/// assert_eq!(team.members().collect::<Vec<_>>(), ["web"]);
/// # Ok::<(), stepwright_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Member {
    pub(crate) agent: Agent,
    pub(crate) name: String,
    /// The number of levels of teams in it.
    pub(crate) depth: usize,
}

impl Member {
    /// Returns the name of the tool that stands for the member.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Sets the name of the tool that stands for the member. By default it is the name of the agent
    /// in lower case, with `_` for what is neither a letter nor a digit.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }
}

impl From<&Agent> for Member {
    fn from(agent: &Agent) -> Self {
        Self { agent: agent.clone(), name: tool_name(agent.name()), depth: 0 }
    }
}

impl From<Agent> for Member {
    fn from(agent: Agent) -> Self {
        Self::from(&agent)
    }
}

impl From<&Team> for Member {
    fn from(team: &Team) -> Self {
        let name = tool_name(team.leader.name());
        Self { agent: team.leader.clone(), name, depth: team.depth }
    }
}

impl From<Team> for Member {
    fn from(team: Team) -> Self {
        Self::from(&team)
    }
}

/// Returns the name of a tool for an agent with this name.
fn tool_name(name: &str) -> String {
    let word = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' };
    name.chars().map(word).collect()
}

/// The tool that gives a task to a member.
pub(crate) struct MemberTool {
    spec: ToolSpec,
    member: Agent,
    timeout: Duration,
    /// `true` if the text of the member is shown as that of the team.
    speaks: bool,
}

impl MemberTool {
    pub(crate) fn new(
        member: &Member,
        description: &str,
        rules: &TeamRules,
        timeout: Duration,
    ) -> Self {
        let text = |about: &str| json!({"type": "string", "description": about});
        let properties = match rules.mode {
            TeamMode::Tasks => json!({"task_id": text("The id of the task that it should do.")}),
            _ if rules.passes_input => json!({}),
            TeamMode::Route => json!({"task": text("The whole request of the user.")}),
            _ => json!({"task": text(
                "What the member should do, with everything that it needs to know for that.",
            )}),
        };
        let required: Vec<&String> =
            properties.as_object().into_iter().flatten().map(|(name, _)| name).collect();
        let parameters = json!({
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": false,
        });
        let description = format!("A member of your team. {description}");
        let spec = ToolSpec { name: member.name.clone(), description, parameters };
        let speaks = rules.mode == TeamMode::Route;
        Self { spec, member: member.agent.clone(), timeout, speaks }
    }
}

impl Tool for MemberTool {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn call(&self, arguments: Value, cx: StepContext) -> BoxFuture<'_, Result<String, ToolError>> {
        Box::pin(async move { self.answer(arguments, cx).await.map(|answer| answer.text) })
    }

    fn answer(
        &self,
        arguments: Value,
        cx: StepContext,
    ) -> BoxFuture<'_, Result<ToolAnswer, ToolError>> {
        Box::pin(async move {
            let task = arguments["task"].as_str().unwrap_or_default();
            let media = cx.state::<TeamMedia>().map(|all| all.0.clone()).unwrap_or_default();
            let run = RunInput { content: task.into(), media, ..RunInput::default() };
            let state = cx.session_state().cloned().unwrap_or_default();
            let input = StepInput { run: Arc::new(run), state, ..StepInput::default() };
            let cx = if self.speaks { voice::as_caller(&cx) } else { cx };
            match self.member.execute(input, cx).await {
                Ok(output) => {
                    let text = output.content.text().into_owned();
                    Ok(ToolAnswer { text, media: output.media })
                }
                Err(error) if is_for_leader(&error) => {
                    let message = &error.data.message;
                    Err(ToolError::Failed(format!("the member failed: {message}")))
                }
                Err(error) => Err(ToolError::Fatal(error)),
            }
        })
    }

    fn timeout(&self) -> Option<Duration> {
        Some(self.timeout)
    }

    /// Repeats the call: the recorded answers of its models and tools are replayed, and each of its
    /// own tool calls follows its own policy.
    fn on_interrupted(&self) -> Option<OnInterrupted> {
        Some(OnInterrupted::Retry)
    }

    fn fingerprint(&self) -> Fingerprint {
        let content = serde_json::to_string(&self.member.fingerprint()).unwrap_or_default();
        Fingerprint::default().with("member", content)
    }

    fn asks(&self) -> bool {
        self.member.asks()
    }
}

/// Returns `true` if the leader reads the failure of a member and may go on without it. What stops
/// the run, or must be decided by a person, is not for a model.
fn is_for_leader(error: &StepError) -> bool {
    let codes = [
        ErrorCode::Model,
        ErrorCode::Tool,
        ErrorCode::Failed,
        ErrorCode::Limit,
        ErrorCode::Guardrail,
    ];
    let stops = [ErrorId::AGENT_CHANGED, ErrorId::STEP_STOPPED, ErrorId::RECORD_REFUSED];
    codes.contains(&error.data.code) && !error.data.id.is_some_and(|id| stops.contains(&id))
}
