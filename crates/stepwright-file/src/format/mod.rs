//! The format: the content of a file after reading.

mod bases;
mod called;
mod changed_prompt;
mod content;
mod declare;
pub(crate) mod form;
mod guardrails;
mod hooks;
pub(crate) mod keys;
mod kinds;
mod literals;
mod media;
mod model;
mod moment;
mod notify;
mod permissions;
mod read;
pub(crate) mod reader;
mod review;
mod run_limits;
mod sandbox;
mod servers;
mod skills;
mod team;
pub(crate) mod texts;
mod tools;
mod triggers;
mod upkeep;
mod used;
mod values;
mod workflow_agent;
mod workspace;

pub(crate) use bases::{Base, Searched};
pub(crate) use called::{Called, OtherAgent};
pub(crate) use guardrails::WrittenGuard;
pub(crate) use kinds::ON_INTERRUPTED;
pub(crate) use model::MODEL_WITH_PLACE;
pub(crate) use moment::Moment;
pub(crate) use notify::Notify;
pub(crate) use permissions::effect_names;
pub(crate) use read::{read_named, read_text};
pub use read::{read_permissions, read_prices};
pub(crate) use run_limits::{OnceWithin, RunsAtOnce, WhenBusy};
pub(crate) use sandbox::Apart;
pub(crate) use servers::{Choice, Declaration, Login, LoginClient, Recipe};
pub(crate) use triggers::Triggers;
pub(crate) use upkeep::{CompactBy, CompactWhen, Context, RememberBy, Remembered, SummariseWhen};
pub(crate) use values::{Computed, Expr, Referring, Text, Written};
pub(crate) use workflow_agent::FrontAgent;
pub(crate) use workspace::{Place, Workplace};

use crate::declared::Declared;
use crate::diagnostic::Diagnostics;
use crate::shape::Shape;
use crate::source::{Source, Span};
use crate::system::Granted;
use crate::tree::Node;
use serde_json::Value;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use stepwright_agent::{AgentBuilder, TeamMode, ToolOptions};
use stepwright_core::budget::Budget;
use stepwright_core::executor::ExecutorType;
use stepwright_core::message::Message;
use stepwright_core::model::{ModelOptions, ModelRequest, ToolChoice};
use stepwright_core::permission::Permissions;
use stepwright_core::plan::{After, ErrorPolicy, Retry};
use stepwright_core::redact::redact;
use stepwright_core::review::Reviewed;
use stepwright_core::state::{Reducer, State};
use stepwright_core::{
    BoxFuture, Fingerprint, HumanReview, OnInterrupted, StepContext, StepError, StepInput,
    StepOutput,
};
use stepwright_engine::{AnyStep, MediaInput};
use stepwright_models::{FallbackReason, ModelLimits, RetryPolicy};

/// The supported version of the format.
const FORMAT: u64 = 1;

/// The key of a step with an agent.
const AGENT: &str = "agent";

/// The key of a step with a team.
const TEAM: &str = "team";

/// A text and its place.
#[derive(Clone, Debug)]
pub(crate) struct Word {
    pub(crate) text: String,
    pub(crate) span: Span,
}

/// A model that a file names.
#[derive(Clone, Debug)]
pub(crate) struct ModelName {
    /// Its name as `provider:model`.
    pub(crate) text: String,
    pub(crate) span: Span,
    /// Its place in the network, if the file says more than the name.
    pub(crate) place: Option<WrittenPlace>,
}

/// The place of a model in the network.
#[derive(Clone, Debug, Default)]
pub(crate) struct WrittenPlace {
    pub(crate) base_url: Option<Word>,
    pub(crate) proxy: Option<Word>,
    /// The secret of the file that is its key.
    pub(crate) key: Option<Word>,
}

impl WrittenPlace {
    /// Adds the place to the content of an agent.
    pub(crate) fn written_to(content: Fingerprint, place: &Self) -> Fingerprint {
        let parts = [&place.base_url, &place.proxy, &place.key].map(|part| {
            part.as_ref().map(|word| redact(&word.text).into_owned()).unwrap_or_default()
        });
        content.with("place of the model", parts.join(" "))
    }
}

/// A whole file.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) source: Arc<Source>,
    /// The whole file, with its parts of other files.
    pub(crate) root: Node,
    pub(crate) name: Word,
    pub(crate) id: Option<Word>,
    pub(crate) description: Option<String>,
    /// The models of its agents, in order of preference.
    pub(crate) model: Option<Vec<ModelName>>,
    pub(crate) timeout: Option<Duration>,
    /// The history that its steps get.
    pub(crate) history: Option<Earlier>,
    /// The policy of its steps for interrupted attempts.
    pub(crate) on_interrupted: Option<OnInterrupted>,
    /// The queue of its steps that have none, in which its runs begin.
    pub(crate) queue: Option<String>,
    pub(crate) input: Option<Value>,
    /// The media that each run takes.
    pub(crate) media: Vec<MediaInput>,
    /// The agent in front of the steps.
    pub(crate) workflow_agent: Option<FrontAgent>,
    /// The state that a session begins with, and the place of its key.
    pub(crate) session_state: Option<(State, Span)>,
    pub(crate) reducers: Vec<(String, Reducer)>,
    /// Its variables, environment and secrets.
    pub(crate) declared: Arc<Declared>,
    /// The permissions that the file narrows its effects to.
    pub(crate) permissions: Option<Permissions>,
    pub(crate) budget: Option<Budget>,
    /// The limits of each model of its agents.
    pub(crate) limits: Option<ModelLimits>,
    /// The budget of the session, and its place.
    pub(crate) session_budget: Option<(Budget, Span)>,
    /// The number of its runs at once.
    pub(crate) concurrency: Option<RunsAtOnce>,
    /// The time within which the same run does not begin again.
    pub(crate) dedupe: Option<OnceWithin>,
    /// The behaviour of a run while another one of its session is under way.
    pub(crate) on_busy: Option<WhenBusy>,
    /// The schedules and webhooks that begin its runs.
    pub(crate) on: Option<Triggers>,
    /// The requests to other services about its runs.
    pub(crate) notify: Option<Notify>,
    /// The MCP servers that agents can use.
    pub(crate) mcp: Vec<Arc<Declaration>>,
    /// The knowledge bases that agents can search.
    pub(crate) knowledge: Vec<Arc<Base>>,
    /// The sandbox of the commands of all its steps.
    pub(crate) sandbox: Option<Apart>,
    /// The workspace of all its steps.
    pub(crate) workspace: Option<Workplace>,
    /// Its agents, and its teams after them.
    pub(crate) agents: Vec<Agent>,
    pub(crate) steps: Vec<Item>,
    /// The steps that run when the others have ended.
    pub(crate) after: Vec<AfterItems>,
    /// The time that they have after the others were stopped.
    pub(crate) after_timeout: Option<Duration>,
}

impl File {
    /// Returns the knowledge base of this name.
    pub(crate) fn base(&self, name: &str) -> Option<&Arc<Base>> {
        self.knowledge.iter().find(|base| base.name.text == name)
    }

    /// Returns `true` if a step of the file, or of a file within it, is an agent.
    pub(crate) fn has_agents(&self) -> bool {
        fn any(items: &[Item]) -> bool {
            items.iter().any(|item| match &item.kind {
                // One with mistakes may be an agent.
                Kind::Agent { .. } | Kind::Unreadable => true,
                Kind::Workflow { file, .. } => file.has_agents(),
                _ => item.inside().any(any),
            })
        }
        any(&self.steps) || self.after.iter().any(|after| any(&after.items))
    }
}

/// Steps that run when others have ended.
#[derive(Debug)]
pub(crate) struct AfterItems {
    pub(crate) on: After,
    pub(crate) items: Vec<Item>,
}

/// The history that a step gets: earlier runs of its session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Earlier {
    /// The number of runs. 0 for none.
    pub(crate) runs: u32,
    /// `true` to leave out runs that failed or were cancelled.
    pub(crate) completed_only: Option<bool>,
}

/// The timeouts of a step.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Limits {
    pub(crate) total: Option<Duration>,
    pub(crate) idle: Option<Duration>,
}

/// An agent.
#[derive(Debug)]
pub(crate) struct Agent {
    pub(crate) name: Word,
    /// The tasks that it is good for, for programs that call it as a tool.
    pub(crate) description: Option<String>,
    pub(crate) instructions: Option<String>,
    /// Its context: instructions made for a run, examples, compaction and summaries.
    pub(crate) context: Context,
    pub(crate) model: Option<Vec<ModelName>>,
    pub(crate) settings: Settings,
    pub(crate) tools: Vec<Chosen>,
    pub(crate) max_turns: Option<u32>,
    pub(crate) limits: AgentLimits,
    /// The tools whose calls a person must confirm, by the names that models see.
    pub(crate) confirmed: Vec<String>,
    /// The budget for each time that it is executed.
    pub(crate) budget: Option<Budget>,
    /// The JSON Schema of the answer.
    pub(crate) output: Option<Value>,
    pub(crate) guardrails: Vec<WrittenGuard>,
    /// The rest of its content as written.
    pub(crate) content: Fingerprint,
    /// The settings of the team that it leads, if it is one.
    pub(crate) team: Option<TeamOf>,
}

/// The settings of a team. `None` for the default.
#[derive(Debug, Default)]
pub(crate) struct TeamOf {
    pub(crate) mode: TeamMode,
    /// The agents and teams that are its members, in order.
    pub(crate) members: Vec<Word>,
    pub(crate) max_rounds: Option<u32>,
    pub(crate) share_interactions: Option<bool>,
    pub(crate) share_history: Option<bool>,
    pub(crate) pass_input: Option<bool>,
    pub(crate) member_timeout: Option<Duration>,
}

/// The limits of an agent. `None` for the default.
#[derive(Debug, Default)]
pub(crate) struct AgentLimits {
    pub(crate) tool_timeout: Option<Duration>,
    /// The number of tools above which they are deferred.
    pub(crate) defer_above: Option<usize>,
    pub(crate) tool_concurrency: Option<usize>,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) model_retry: Option<RetryPolicy>,
    /// The failures after which the next model of a list is asked.
    pub(crate) fallback_on: Option<Vec<FallbackReason>>,
    /// `true` if the next model is asked also in the middle of an answer.
    pub(crate) fallback_restarts: bool,
}

/// The settings of an agent's model.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    pub(crate) options: ModelOptions,
    pub(crate) tool_choice: ToolChoice,
    /// The keys that are set, with their places.
    pub(crate) places: Vec<(&'static str, Span)>,
}

impl Settings {
    /// Returns a request with one of the settings alone, to find out if a model has it.
    pub(crate) fn only(&self, key: &str) -> ModelRequest {
        let all = &self.options;
        let mut request = ModelRequest {
            messages: vec![Message::user("a check of settings, which is not sent")],
            ..ModelRequest::default()
        };
        let options = &mut request.options;
        match key {
            "temperature" => options.temperature = all.temperature,
            "top_p" => options.top_p = all.top_p,
            "max_output_tokens" => options.max_output_tokens = all.max_output_tokens,
            "seed" => options.seed = all.seed,
            "reasoning_effort" => options.reasoning_effort = all.reasoning_effort,
            "reasoning_budget" => options.reasoning_budget = all.reasoning_budget,
            "cache" => options.cache = all.cache,
            "hosted_tools" => options.hosted_tools.clone_from(&all.hosted_tools),
            "output_mode" => {
                options.output_mode = all.output_mode;
                request.output_schema = Some(serde_json::json!({"type": "object"}));
            }
            "stop" => options.stop.clone_from(&all.stop),
            "extra" => options.extra.clone_from(&all.extra),
            "headers" => options.headers.clone_from(&all.headers),
            _ => request.tool_choice = self.tool_choice.clone(),
        }
        request
    }
}

/// A step or a container.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) name: Word,
    pub(crate) kind: Kind,
    pub(crate) retry: Option<Retry>,
    pub(crate) timeout: Option<Duration>,
    /// The maximum time without a sign of life.
    pub(crate) idle: Option<Duration>,
    /// The moment at which it must have ended.
    pub(crate) deadline: Option<Moment>,
    /// The queue whose workers carry it out, or the steps inside it.
    pub(crate) queue: Option<String>,
    /// The history that the step gets.
    pub(crate) history: Option<Earlier>,
    pub(crate) on_error: ErrorPolicy,
    /// The policy for interrupted attempts, of this step or of the steps inside it.
    pub(crate) on_interrupted: Option<OnInterrupted>,
    /// The budget of this step, or of everything inside it.
    pub(crate) budget: Option<Budget>,
    /// The sandbox of its commands.
    pub(crate) sandbox: Option<Apart>,
    /// The folder that the step works in.
    pub(crate) workspace: Option<Workplace>,
    /// The human review.
    pub(crate) review: Option<HumanReview>,
    /// The content as written.
    pub(crate) content: Fingerprint,
    pub(crate) guardrails: Vec<WrittenGuard>,
    /// The steps that run when it has ended, or that undo it.
    pub(crate) after: Vec<AfterItems>,
}

impl Item {
    /// Returns `true` for a step, and `false` for a container.
    pub(crate) fn is_leaf(&self) -> bool {
        matches!(self.kind, Kind::Agent { .. } | Kind::Builtin { .. })
    }

    /// Returns the steps directly inside, and those that run afterwards.
    pub(crate) fn inside(&self) -> impl Iterator<Item = &[Self]> {
        let after = self.after.iter().map(|after| &after.items[..]);
        self.kind.bodies().into_iter().chain(after)
    }

    /// Returns the schema of the form to fill in before the step starts.
    pub(crate) fn form(&self) -> Option<&Value> {
        self.review.as_ref()?.user_input.as_ref().map(|form| &*form.schema)
    }
}

#[derive(Debug)]
pub(crate) enum Kind {
    Agent {
        /// Its key in the file: `agent` or `team`.
        word: &'static str,
        agent: Word,
        prompt: Option<Text>,
    },
    Builtin {
        /// Its key in the file.
        word: &'static str,
        work: Arc<dyn Builtin>,
    },
    Container(Box<dyn Container>),
    Workflow {
        path: Word,
        file: Box<File>,
        /// Its input, and the place of that.
        with: Option<(Computed, Span)>,
    },
    /// A step with mistakes. A file with mistakes is never built.
    Unreadable,
}

/// A built-in function: the work of a step that needs no model. Each kind implements this in a file
/// of its own.
pub(crate) trait Builtin: fmt::Debug + Send + Sync {
    /// Returns all its expressions and templates.
    fn referring(&self) -> Vec<Referring<'_>>;

    /// Reports mistakes that its references make, beyond names that do not exist.
    fn check(&self, _: &mut Diagnostics) {}

    /// Returns the shape of its output. `of` tells the shape of an expression.
    fn gives(&self, _: &dyn Fn(&Expr) -> Shape) -> Shape {
        Shape::Unknown
    }

    /// Returns its expressions that must give a value of one kind: each with the key of its value
    /// and the kind, with an article.
    fn needs(&self) -> Vec<(&Expr, &str, &'static str)> {
        Vec::new()
    }

    /// Returns the keys of the session state that it changes.
    fn sets(&self) -> Vec<&str> {
        Vec::new()
    }

    /// Returns its content beyond what the file has.
    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::default()
    }

    /// Returns `true` if it may ask a person.
    fn asks(&self) -> bool {
        false
    }

    /// Returns `true` if it ends the run.
    fn ends_the_run(&self) -> bool {
        false
    }

    /// Returns the type of its executor.
    fn executor_type(&self) -> ExecutorType {
        ExecutorType::Function
    }

    /// Returns the earlier step whose conversation it continues, and the coding agent that it needs
    /// for that.
    fn continues(&self) -> Option<(&Word, &str)> {
        None
    }

    /// Returns the name of the coding agent that carries it out, if one does.
    fn is_agent(&self) -> Option<&str> {
        None
    }

    /// Returns `true` if it asks the recording of a playback by itself.
    fn asks_player(&self) -> bool {
        true
    }

    /// Returns its settings in words, for the tree of steps.
    fn details(&self) -> Option<String>;

    /// Returns the policy for an interrupted execution, unless the file sets one.
    fn on_interrupted(&self) -> OnInterrupted;

    /// Carries out one attempt. Dropping the future cancels it.
    fn execute<'a>(
        &'a self,
        input: StepInput,
        cx: StepContext,
        granted: &'a Granted,
    ) -> BoxFuture<'a, Result<StepOutput, StepError>>;
}

/// A tool of an agent.
#[derive(Debug)]
pub(crate) struct Chosen {
    /// Its name in the file.
    pub(crate) word: &'static str,
    pub(crate) tool: Box<dyn AgentTool>,
    /// Its settings, if it has any that all tools can have.
    pub(crate) options: Option<ToolOptions>,
}

/// A tool with its settings. Each kind implements this in a file of its own.
pub(crate) trait AgentTool: fmt::Debug + Send + Sync {
    /// Returns the names that models see. Some tools have several.
    fn known_as(&self) -> &'static [&'static str];

    /// Returns the names that models see, also those that the file gives.
    fn names(&self) -> Vec<&str> {
        self.known_as().to_vec()
    }

    /// Returns the workflow file that its calls run.
    fn called(&self) -> Option<&Called> {
        None
    }

    /// Returns the agent of the file that its calls ask, or that goes on in their place.
    fn other_agent(&self) -> Option<&OtherAgent> {
        None
    }

    /// Returns the knowledge base that its calls search.
    fn searched(&self) -> Option<&Searched> {
        None
    }

    /// Returns `true` if models may see a tool of this name. For tools whose names are not known
    /// ahead of a run.
    fn may_have(&self, _name: &str) -> bool {
        false
    }

    /// Returns `true` if its calls change nothing, so that they can be repeated.
    fn only_reads(&self) -> bool {
        true
    }

    /// Returns the secret of the file that it needs, by its name.
    fn secret(&self) -> Option<&Word> {
        None
    }

    /// Adds the tool to an agent.
    fn give_to(&self, agent: AgentBuilder, granted: &Granted) -> AgentBuilder;
}

/// A container. Each kind implements this in a file of its own.
pub(crate) trait Container: fmt::Debug + Send + Sync {
    /// Returns its key in the file.
    fn word(&self) -> &'static str;

    /// Returns the steps directly inside: the body, and the second branch of a condition.
    fn bodies(&self) -> [&[Item]; 2];

    /// Returns the form of the steps inside, and its expressions.
    fn inside(&self) -> Inside<'_>;

    /// Builds it for the engine, from the built steps inside.
    fn build(&self, item: &Item, bodies: [Vec<AnyStep>; 2]) -> AnyStep;

    /// Returns its settings in words.
    fn details(&self) -> Vec<String>;
}

/// The form of the steps inside a container: it determines the names that each step can refer to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Inside<'a> {
    /// One after the other.
    Sequence,
    /// One after the other, again and again until the expression holds.
    Turns { until: Option<&'a Expr> },
    /// At once, so that they do not see each other.
    Branches,
    /// One of two sequences. `holds` is the decision if it is always the same.
    Arms { test: Option<&'a Expr>, holds: Option<bool> },
    /// Any of them, in any order: those that the expression chooses, or these.
    Choices { choose: Option<&'a Expr>, chosen: &'a [Word] },
    /// One after the other, for each item of a list, or for each batch of its items. `quorum` is
    /// the number of items that must have an output, if there is one.
    Items { over: Option<&'a Expr>, batched: bool, quorum: Option<u32> },
}

impl Kind {
    /// Returns the steps directly inside.
    pub(crate) fn bodies(&self) -> [&[Item]; 2] {
        match self {
            Self::Container(container) => container.bodies(),
            Self::Agent { .. }
            | Self::Builtin { .. }
            | Self::Workflow { .. }
            | Self::Unreadable => [&[], &[]],
        }
    }

    /// Returns the questions that a review may ask.
    pub(crate) fn reviewed(&self) -> Reviewed<'_> {
        let container = match self {
            Self::Agent { .. } | Self::Builtin { .. } => return Reviewed::Step,
            Self::Workflow { .. } | Self::Unreadable => return Reviewed::Container,
            Self::Container(container) => container,
        };
        match container.inside() {
            Inside::Turns { .. } => Reviewed::Loop,
            Inside::Arms { .. } => Reviewed::Condition,
            Inside::Choices { .. } => {
                let [choices, _] = container.bodies();
                Reviewed::Router(choices.iter().map(|choice| choice.name.text.as_str()).collect())
            }
            Inside::Sequence | Inside::Branches | Inside::Items { .. } => Reviewed::Container,
        }
    }

    /// Returns the form of the steps inside. `None` for steps that are no containers.
    pub(crate) fn inside(&self) -> Option<Inside<'_>> {
        match self {
            Self::Container(container) => Some(container.inside()),
            Self::Agent { .. }
            | Self::Builtin { .. }
            | Self::Workflow { .. }
            | Self::Unreadable => None,
        }
    }

    /// Returns the key that determines this kind.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Agent { word, .. } | Self::Builtin { word, .. } => word,
            Self::Container(container) => container.word(),
            Self::Workflow { .. } => "workflow",
            Self::Unreadable => "",
        }
    }
}
