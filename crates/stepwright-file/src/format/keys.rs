//! The keys of the format, with their forms. The keys of containers, built-in functions and tools
//! stand in the files that read them.

use super::FORMAT;
use super::declare::REDUCERS;
use super::form::{Form, Mapping, Member, STEPS, key, words};
use super::guardrails::{AGENT_GUARDRAILS, STEP_GUARDRAILS};
use super::kinds::{CODES, FACTOR_MAX, ON_ERROR, ON_INTERRUPTED};
use super::media::MEDIA;
use super::model::{
    CHOICES, EFFORTS, FALLBACKS, HOSTED, MODEL_RETRIES_MAX, MODEL_WITH_PLACE, OUTPUT_MODES,
    OUTPUT_TOKENS_MAX, REASONING_TOKENS_MAX, RETENTIONS, STOPS_MAX, TEMPERATURE_MAX,
    TOOL_CALLS_MAX, TOOLS_MAX,
};
use super::moment::DEADLINE;
use super::notify::NOTIFY;
use super::permissions::{AMOUNT_MAX, AT_LIMIT, LIMIT_SCOPES};
use super::read::TURNS_MAX;
use super::review::{ON_REJECT, ON_TIMEOUT};
use super::run_limits::{ON_BUSY, THEN};
use super::sandbox::SANDBOX;
use super::team::OF_TEAM;
use super::texts::TEXT_OR_FILE;
use super::triggers::ON;
use super::upkeep::{COMPACTION, EXAMPLES, MEMORY, SUMMARY};
use super::used::USE;
use super::workflow_agent::WORKFLOW_AGENT;
use super::workspace::WORKSPACE;
use crate::harness::HARNESS;
use crate::knowledge::{BASES, SEARCHED};
use crate::mcp::SERVERS;
use serde_json::json;
use stepwright_agent::{TOOL_RETRIES_MAX, TOOL_TEXT_BYTES_MAX};
use stepwright_core::permission::RULES_MAX;
use stepwright_core::plan::RETRIES_MAX;
use stepwright_core::session::HISTORY_RUNS_MAX;
use stepwright_models::MODELS_MAX;

/// The maximum number of times that a step is tried again.
const RETRIES: Form = Form::Whole(0, RETRIES_MAX as u64);
const AMOUNT: Form = Form::Whole(1, AMOUNT_MAX);
const SMALL: Form = Form::Whole(1, u32::MAX as u64);
const SCHEMA: Form = Form::Schema(|| json!({"type": "object"}));
const INTERRUPTED: Form = Form::Words(|| words(&ON_INTERRUPTED));
const POLICY: Form = Form::Words(|| words(&ON_ERROR));
const MODEL: Form = Form::Either(&[MODEL_WITH_PLACE, Form::List(&MODEL_WITH_PLACE, 1, MODELS_MAX)]);
const NAMES: Form = Form::List(&Form::Text, 0, usize::MAX);
const BUDGETED: Form = Form::Mapping(&BUDGET);

/// A question to a person.
const QUESTION: Form = Form::Either(&[Form::Bool, Form::Text]);

/// The timeout of a container or a workflow.
const TIMEOUT: Form = Form::Either(&[Form::Duration, Form::Mapping(&TOTAL)]);

/// The timeout of a step.
const STEP_TIMEOUT: Form = Form::Either(&[Form::Duration, Form::Mapping(&LIMITS)]);

const EARLIER: Form =
    Form::Either(&[Form::Bool, Form::Whole(0, HISTORY_RUNS_MAX as u64), Form::Mapping(&HISTORY)]);

const TOOL_CHOICE: Form =
    Form::Either(&[Form::Words(|| words(&CHOICES)), Form::Mapping(&ONE_TOOL)]);

static ONE_TOOL: Mapping = Mapping {
    name: "tool_choice",
    what: "`tool_choice`",
    required: &[&["one"]],
    members: &[key("one", &Form::Text, "The tool that the model must call before it answers.")],
};

/// The settings that each tool of an agent can have.
pub(crate) const OF_TOOLS: &[Member] = &[
    key("timeout", &Form::Duration, "The maximum time of one call."),
    key(
        "retries",
        &Form::Whole(0, TOOL_RETRIES_MAX as u64),
        "How often a call that failed is tried again. For tools that only read.",
    ),
    key("max_calls", &SMALL, "The maximum number of calls for one message."),
    key(
        "max_bytes",
        &Form::Whole(1, TOOL_TEXT_BYTES_MAX as u64),
        "The longest part of a result that the model reads at once.",
    ),
    key("cache", &Form::Duration, "How long answers are kept. For tools that only read."),
    key("confirm", &Form::Bool, "Whether a person confirms each call."),
    key("defer", &Form::Bool, "Whether the model knows only the name until it loads the tool."),
    key("strict", &Form::Bool, "Whether the provider holds the arguments to their schema."),
    key(
        "before",
        &HOOK,
        "What judges the arguments, as `content`: true, a reason to refuse, or other arguments.",
    ),
    key("after", &HOOK, "What rewrites the result, as `content`."),
];

/// A hook of a tool.
const HOOK: Form = Form::Either(&[Form::Expression, Form::Mapping(&HOOK_FUNCTION)]);

static HOOK_FUNCTION: Mapping = Mapping {
    name: "tool_hook",
    what: "a hook of a tool",
    required: &[&["function"]],
    members: &[key("function", &Form::Text, "A registered function of the program.")],
};

/// A whole file.
pub(crate) static FILE: Mapping = Mapping {
    name: "file",
    what: "a workflow file",
    required: &[&["format", "name", "steps"]],
    members: &[
        key("format", &Form::Schema(|| json!({"const": FORMAT})), "The version of the format."),
        key(
            "name",
            &Form::Schema(|| json!({"type": "string", "pattern": "\\S"})),
            "The name of \
            the workflow, which runs are listed by.",
        ),
        key("id", &Form::Text, "The id of the workflow. By default it is made of the name."),
        key("description", &Form::Text, "What the workflow does, for people."),
        key(
            "model",
            &MODEL,
            "The model of agents without one, as `provider:model`; or a list in \
            order of preference.",
        ),
        key("timeout", &TIMEOUT, "The maximum time of a run."),
        key("history", &EARLIER, "The earlier runs of the session that each step gets."),
        key(
            "on_interrupted",
            &INTERRUPTED,
            "What to do with steps whose outcome is unknown after \
            a crash.",
        ),
        key("queue", &QUEUE, "The queue in which its runs begin, and of its steps that have none."),
        key("vars", &Form::Names(&Form::Any), "Constants, which `vars.NAME` refers to."),
        key("env", &NAMES, "The environment variables that the file reads, by name."),
        key(
            "secrets",
            &NAMES,
            "The environment variables whose values never appear in outputs, \
            events and journals.",
        ),
        key(
            "session_state",
            &Form::Names(&Form::Any),
            "The state that a new session begins with, which `state.KEY` refers to.",
        ),
        key(
            "reducers",
            &Form::Names(&Form::Words(|| words(&REDUCERS))),
            "How changes of a key by parallel branches are combined.",
        ),
        key("concurrency", &Form::Mapping(&RUNS_AT_ONCE), "How many runs go on at once."),
        key("dedupe", &Form::Mapping(&ONCE_WITHIN), "Which runs are the same, and begin once."),
        key(
            "on_busy",
            &Form::Words(|| words(&ON_BUSY)),
            "What a run does while another one of its session is under way.",
        ),
        key("on", &ON, "What begins runs by itself, where `stepwright serve` serves the file."),
        key("notify", &NOTIFY, "The requests that `stepwright serve` sends about its runs."),
        key("mcp", &SERVERS, "The MCP servers of its agents, by name."),
        key("knowledge", &BASES, "The knowledge bases that agents can search, by name."),
        key("sandbox", &SANDBOX, "The sandbox that the commands of steps and tools run in."),
        key("workspace", &WORKSPACE, "The folder that the steps of a run work in."),
        key("input", &SCHEMA, "The JSON Schema of the input."),
        key("media", &MEDIA, "The images, videos, audio and files that a run takes, by name."),
        key(
            "workflow_agent",
            &WORKFLOW_AGENT,
            "The agent in front of the workflow: it answers from the session, or runs the steps.",
        ),
        key(
            "permissions",
            &Form::Mapping(&PERMISSIONS),
            "Rules that narrow what steps and tools \
            may do.",
        ),
        key("budget", &BUDGETED, "What a run may use."),
        key("session_budget", &BUDGETED, "What all runs of a session together may use."),
        key("limits", &Form::Mapping(&MODEL_LIMITS), "The limits of each model of the file."),
        key(
            "prompts",
            &Form::Names(&TEXT_OR_FILE),
            "Prompts for this file and for others, which `use: FILE#NAME` refers to.",
        ),
        key("agents", &Form::Names(&Form::Mapping(&AGENT)), "The agents, by name."),
        key("teams", &Form::Names(&Form::Mapping(&TEAM)), "The teams, by name."),
        key("steps", &STEPS, "What is done, in order."),
        key("on_failure", &STEPS, "Steps that run when the others have failed; `error` tells why."),
        key("finally", &STEPS, "Steps that run when the others have ended, in whatever way."),
        key(
            "after_timeout",
            &Form::Duration,
            "The time that these steps have after a cancel or a \
            timeout.",
        ),
    ],
};

static RUNS_AT_ONCE: Mapping = Mapping {
    name: "concurrency",
    what: "`concurrency`",
    required: &[&["max"]],
    members: &[
        key("key", &Form::Expression, "The runs that are counted together. By default all."),
        key("max", &SMALL, "The number of runs at once."),
        key("then", &Form::Words(|| words(&THEN)), "What happens to a run that is one too many."),
    ],
};

static ONCE_WITHIN: Mapping = Mapping {
    name: "dedupe",
    what: "`dedupe`",
    required: &[&["within"]],
    members: &[
        key("key", &Form::Expression, "What makes two runs the same. By default their input."),
        key("within", &Form::Duration, "How long a second run with the same key does not begin."),
    ],
};

static AGENT: Mapping =
    Mapping { name: "agent", what: "an agent", required: &[], members: OF_AGENT };

static TEAM: Mapping =
    Mapping { name: "team", what: "a team", required: &[&["members"]], members: &TEAM_KEYS };

/// The keys of a team: those of its leader but `use`, and its own.
static TEAM_KEYS: [Member; OF_AGENT.len() - 1 + OF_TEAM.len()] = {
    let mut all = [OF_TEAM[0]; OF_AGENT.len() - 1 + OF_TEAM.len()];
    let mut nth = 1;
    while nth < OF_TEAM.len() {
        all[nth] = OF_TEAM[nth];
        nth += 1;
    }
    while nth < all.len() {
        all[nth] = OF_AGENT[nth - OF_TEAM.len() + 1];
        nth += 1;
    }
    all
};

const OF_AGENT: &[Member] = &[
    key(
        USE,
        &Form::Text,
        "An agent of another file: `team.yaml#NAME`. The other keys here replace its own.",
    ),
    key("description", &Form::Text, "What it is good for, for programs that call it."),
    key("instructions", &TEXT_OR_FILE, "The system prompt, used as it stands."),
    key(
        "instructions_template",
        &Form::Text,
        "Instructions made for each execution, a template. They stand after `instructions`.",
    ),
    key("examples", &EXAMPLES, "Messages with the answers that the agent should give."),
    key(
        "compaction",
        &Form::Mapping(&COMPACTION),
        "How a long conversation is kept within the window of the model.",
    ),
    key(
        "session_summary",
        &SUMMARY,
        "Whether the agent keeps a summary of its session, which its next runs read.",
    ),
    key(
        "memory",
        &MEMORY,
        "Whether the agent keeps memories of the user, which all sessions of the user share.",
    ),
    key("model", &MODEL, "Its model as `provider:model`, or a list in order of preference."),
    key("temperature", &Form::Fraction(TEMPERATURE_MAX), "How freely the model chooses words."),
    key("top_p", &Form::Fraction(1.0), "The share of likely words that the model chooses from."),
    key("max_output_tokens", &Form::Whole(1, OUTPUT_TOKENS_MAX), "The longest answer."),
    key("seed", &Form::Whole(0, u32::MAX as u64), "The seed of the model's choices."),
    key("reasoning_effort", &Form::Words(|| words(&EFFORTS)), "How long the model thinks."),
    key(
        "stop",
        &Form::Either(&[Form::Text, Form::List(&Form::Text, 1, STOPS_MAX)]),
        "Texts \
            that end an answer.",
    ),
    key("tool_choice", &TOOL_CHOICE, "Whether the model calls tools, or which one first."),
    key("extra", &Form::Names(&Form::Any), "Parameters that are passed to the provider."),
    key("headers", &Form::Names(&Form::Text), "Headers of requests to the provider."),
    key("tools", &Form::List(&Form::Tool, 0, usize::MAX), "The tools that it can call."),
    key(
        "skills",
        &Form::List(&Form::Text, 1, usize::MAX),
        "Folders with skills: instructions in `SKILL.md` files, which the model loads when a \
            task needs them.",
    ),
    key("knowledge", &SEARCHED, "The knowledge bases that it searches, by their names."),
    key("requires_confirmation", &NAMES, "The tools whose calls a person confirms."),
    key(
        "max_turns",
        &Form::Whole(1, TURNS_MAX),
        "The maximum number of requests to the \
            model in one execution.",
    ),
    key("output", &SCHEMA, "The JSON Schema of its answer."),
    key("tool_timeout", &Form::Duration, "The maximum time of one tool call."),
    key(
        "defer_above",
        &Form::Whole(0, TOOLS_MAX),
        "The number of tools above which the model loads those that it needs.",
    ),
    key(
        "tool_concurrency",
        &Form::Whole(1, TOOL_CALLS_MAX),
        "The maximum number of tool calls at once.",
    ),
    key("idle_timeout", &Form::Duration, "How long the model may be silent."),
    key("request_timeout", &Form::Duration, "The maximum time of one request to the model."),
    key(
        "cache",
        &Form::Either(&[Form::Bool, Form::Words(|| words(&RETENTIONS))]),
        "Asks the provider to keep the beginning of the conversation.",
    ),
    key(
        "reasoning_budget",
        &Form::Whole(1, REASONING_TOKENS_MAX),
        "The maximum number of tokens of reasoning.",
    ),
    key(
        "hosted_tools",
        &Form::List(&Form::Words(|| words(&HOSTED)), 0, HOSTED.len()),
        "Tools that the provider itself runs.",
    ),
    key(
        "output_mode",
        &Form::Words(|| words(&OUTPUT_MODES)),
        "How the model gets the schema of its `output`. By default the best way it has.",
    ),
    key(
        "fallback_on",
        &Form::List(&Form::Words(|| words(&FALLBACKS)), 0, FALLBACKS.len()),
        "The failures after which the next model of the list is asked.",
    ),
    key(
        "fallback_restarts",
        &Form::Bool,
        "Whether the next model is asked also in the middle of an answer, which begins again.",
    ),
    key(
        "model_retry",
        &Form::Either(&[MODEL_RETRIES, Form::Mapping(&MODEL_RETRY)]),
        "How often a request that failed before the model said anything is sent again.",
    ),
    key("budget", &BUDGETED, "What each execution may use."),
    AGENT_GUARDRAILS,
];

const MODEL_RETRIES: Form = Form::Whole(0, MODEL_RETRIES_MAX);

const MODEL_RETRY: Mapping = Mapping {
    name: "model_retry",
    what: "`model_retry`",
    required: &[&["max"]],
    members: &[
        key("max", &MODEL_RETRIES, "How often it is sent again."),
        key("backoff", &Form::Duration, "The wait before the first retry; it doubles each time."),
        key("max_backoff", &Form::Duration, "The longest wait."),
        key("max_retry_after", &Form::Duration, "The longest wait that a provider may ask for."),
    ],
};

static TOTAL: Mapping = Mapping {
    name: "total_timeout",
    what: "`timeout`",
    required: &[&["total"]],
    members: &[key("total", &Form::Duration, "The maximum time.")],
};

static LIMITS: Mapping = Mapping {
    name: "timeout",
    what: "`timeout`",
    required: &[],
    members: &[
        key("total", &Form::Duration, "The maximum time of an attempt."),
        key("idle", &Form::Duration, "The maximum time without a sign of life."),
    ],
};

static HISTORY: Mapping = Mapping {
    name: "history",
    what: "`history`",
    required: &[],
    members: &[
        key("runs", &Form::Whole(1, HISTORY_RUNS_MAX as u64), "The number of earlier runs."),
        key("completed_only", &Form::Bool, "Leaves out runs that failed or were cancelled."),
    ],
};

static PERMISSIONS: Mapping = Mapping {
    name: "permissions",
    what: "`permissions`",
    required: &[],
    members: &[
        key("deny", &RULES, "Effects that are refused. These rules win."),
        key("ask", &RULES, "Effects that a person decides about."),
        key("allow", &RULES, "Effects that happen without a question."),
    ],
};

const RULES: Form = Form::List(
    &Form::Schema(|| {
        let pattern = json!({"type": "object", "minProperties": 1, "maxProperties": 1,
            "additionalProperties": {"type": "string"}});
        json!({"anyOf": [{"type": "string", "examples": ["shell: git *"]}, pattern]})
    }),
    0,
    RULES_MAX,
);

static BUDGET: Mapping = Mapping {
    name: "budget",
    what: "a budget",
    required: &[],
    members: &[
        key("tokens", &AMOUNT, "The maximum number of tokens."),
        key(
            "usd",
            &Form::Schema(|| json!({"type": "number", "exclusiveMinimum": 0})),
            "The \
            maximum cost in US dollars.",
        ),
        key("model_calls", &AMOUNT, "The maximum number of requests to models."),
        key("tool_calls", &AMOUNT, "The maximum number of calls of tools."),
        key("time", &Form::Duration, "The maximum time."),
        key("at_limit", &Form::Words(|| words(&AT_LIMIT)), "What happens at a limit."),
    ],
};

static MODEL_LIMITS: Mapping = Mapping {
    name: "model_limits",
    what: "`limits`",
    required: &[],
    members: &[
        key("concurrency", &SMALL, "The maximum number of requests at once."),
        key("per_minute", &SMALL, "The maximum number of requests a minute."),
        key("tokens_per_minute", &AMOUNT, "The maximum number of tokens a minute."),
        key("scope", &Form::Words(|| words(&LIMIT_SCOPES)), "The processes that count."),
    ],
};

static RETRY: Mapping = Mapping {
    name: "retry",
    what: "`retry`",
    required: &[&["max"]],
    members: &[
        key("max", &RETRIES, "How often the step is tried again."),
        key("backoff", &Form::Duration, "The wait before the first retry; it doubles each time."),
        key("max_backoff", &Form::Duration, "The longest wait."),
        key(
            "factor",
            &Form::Schema(|| json!({"type": "number", "minimum": 1, "maximum": FACTOR_MAX})),
            "The factor by which the wait grows with each retry. Default: 2.",
        ),
        key("jitter", &Form::Bool, "Shortens waits by chance, so that many retries spread out."),
        key(
            "on",
            &Form::List(&Form::Words(|| words(&CODES)), 0, usize::MAX),
            "The classes of \
            failures that are tried again.",
        ),
    ],
};

macro_rules! policy {
    ($($class:literal),*) => {
        &[
            key("otherwise", &POLICY, "For failures of all other classes."),
            $(key($class, &POLICY, concat!("For failures of the class `", $class, "`."))),*
        ]
    };
}

static ERROR_POLICY: Mapping = Mapping {
    name: "error_policy",
    what: "`on_error`",
    required: &[],
    members: policy!(
        "failed",
        "panicked",
        "timed_out",
        "bad_input",
        "decision",
        "state",
        "model",
        "tool",
        "limit",
        "exhausted",
        "rejected",
        "outcome_unknown",
        "guardrail"
    ),
};

static REVIEW: Mapping = Mapping {
    name: "human_review",
    what: "`human_review`",
    required: &[],
    members: &[
        key("requires_confirmation", &QUESTION, "Asks before it begins: the question, or true."),
        key(
            "requires_user_input",
            &Form::Mapping(&USER_INPUT),
            "A form to fill in before it \
            begins.",
        ),
        key(
            "requires_route_selection",
            &QUESTION,
            "A person chooses among the choices of a \
            router.",
        ),
        key("allow_multiple_selections", &Form::Bool, "A person may choose several."),
        key("requires_output_review", &QUESTION, "A person reviews the output."),
        key("requires_iteration_review", &QUESTION, "A person reviews each turn of a loop."),
        key("on_reject", &Form::Words(|| words(&ON_REJECT)), "What happens after a rejection."),
        key("max_retries", &RETRIES, "How often a rejected output is made again."),
        key("timeout", &Form::Duration, "How long the answer is waited for."),
        key(
            "on_timeout",
            &Form::Either(&[Form::Words(|| words(&ON_TIMEOUT)), Form::Mapping(&DEFAULT_ANSWER)]),
            "What stands for an answer that did not come.",
        ),
    ],
};

static USER_INPUT: Mapping = Mapping {
    name: "user_input",
    what: "`requires_user_input`",
    required: &[&["schema"]],
    members: &[
        key("message", &Form::Text, "What people are asked."),
        key(
            "schema",
            &Form::Schema(|| {
                let properties = json!({"type": "object", "minProperties": 1});
                json!({"type": "object", "required": ["type", "properties"],
                "properties": {"type": {"const": "object"}, "properties": properties}})
            }),
            "The JSON Schema of the form.",
        ),
    ],
};

static DEFAULT_ANSWER: Mapping = Mapping {
    name: "default_answer",
    what: "`on_timeout`",
    required: &[&["default"]],
    members: &[key("default", &Form::Any, "The answer.")],
};

/// The keys of all steps and containers.
pub(crate) static COMMON: &[Member] = &[
    key(
        "name",
        &Form::Schema(|| json!({"type": "string", "minLength": 1})),
        "The name, by which \
        later steps, events and errors refer to it.",
    ),
    key(
        "on_error",
        &Form::Either(&[POLICY, Form::Mapping(&ERROR_POLICY)]),
        "What happens when it \
        fails: one policy, or one for each class of failures.",
    ),
    key("human_review", &Form::Mapping(&REVIEW), "The points where a person has a say."),
    key("on_interrupted", &INTERRUPTED, "What to do if its outcome is unknown after a crash."),
    key("budget", &BUDGETED, "What it, and everything inside it, may use."),
    key("deadline", &DEADLINE, "The moment at which it must have ended."),
    key("queue", &QUEUE, "The workers that carry it out: those that serve this queue."),
];

const QUEUE: Form = Form::Schema(|| json!({"type": "string", "pattern": "^[A-Za-z0-9._-]{1,64}$"}));

/// The keys of steps that are not containers.
pub(crate) static OF_STEPS: &[Member] = &[
    key("retry", &Form::Either(&[RETRIES, Form::Mapping(&RETRY)]), "How often it is tried again."),
    key("timeout", &STEP_TIMEOUT, "The maximum time of an attempt."),
    key("history", &EARLIER, "The earlier runs of the session that it gets."),
    STEP_GUARDRAILS,
    key("sandbox", &SANDBOX, "The sandbox of its commands, in place of that of the file."),
    key("workspace", &WORKSPACE, "The folder that it works in, in place of that of the run."),
    UNDO,
];

const UNDO: Member = key(
    "undo",
    &Form::Either(&[Form::Step, STEPS]),
    "Steps that undo it when the \
    run fails or is cancelled later.",
);

/// The keys of containers.
pub(crate) static OF_CONTAINERS: &[Member] = &[
    OUTER_TIMEOUT,
    key("on_failure", &STEPS, "Steps that run when it has failed; `error` tells why."),
    key("finally", &STEPS, "Steps that run when it has ended, in whatever way."),
];

const OUTER_TIMEOUT: Member = key("timeout", &TIMEOUT, "The maximum time.");

/// The keys of steps that are workflow files.
pub(crate) static OF_WORKFLOWS: &[Member] = &[OUTER_TIMEOUT, UNDO];

/// The keys of a step with an agent, besides those of all steps.
pub(crate) static AGENT_STEP: &[Member] = &[
    key(
        "agent",
        &Form::Either(&[Form::Text, Form::Mapping(&HARNESS)]),
        "The name of the agent, under `agents`; or a coding agent.",
    ),
    key(
        "prompt",
        &TEXT_OR_FILE,
        "The message to the agent, a template. By default it gets the \
        output of the step before.",
    ),
];

/// The keys of a step with a team, besides those of all steps.
pub(crate) static TEAM_STEP: &[Member] = &[
    key("team", &Form::Text, "The name of the team, under `teams`."),
    key(
        "prompt",
        &TEXT_OR_FILE,
        "The message to the team, a template. By default it gets the output of the step before.",
    ),
];

/// The keys of a step with a workflow file, besides those of all steps.
pub(crate) static WORKFLOW_STEP: &[Member] = &[
    key("workflow", &Form::Text, "The path of the workflow file, relative to this one."),
    key("with", &Form::Any, "Its input. By default it gets the output of the step before."),
];

/// The key of a step that stands for a step of another file.
pub(crate) static USED_STEP: Member = key(
    USE,
    &Form::Text,
    "A step of another file: `steps.yaml#NAME`. The other keys here replace its own.",
);
