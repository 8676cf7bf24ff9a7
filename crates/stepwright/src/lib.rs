#![doc = include_str!("../docs/introduction.md")]

pub mod prelude;

#[doc(hidden)]
pub use stepwright_agent::__private;
pub use stepwright_agent::{
    Agent, AgentBuilder, AgentMemory, AgentTool, Compaction, ContextSource, FunctionTool,
    IntoModel, IntoTools, Member, SessionSummary, Team, TeamBuilder, TeamMode, ToolFunction,
    ToolReply, Toolkit, UnknownTeamMode, WorkflowAgent, WorkflowAgentBuilder, tool,
};
pub use stepwright_core::{
    Answer, AnyExecutor, AnyStore, BoxError, BoxFuture, ContainerKind, Content, Decision, Error,
    ErrorCode, ErrorData, ErrorId, ErrorKind, Event, EventKind, Exchange, Executor, Feedback,
    Fingerprint, HumanReview, IdError, Json, LiveSource, Media, MediaKind, MediaSource, Memory,
    Metrics, OnInterrupted, OnReject, OnTimeout, Once, Patch, Report, Requirement, RunId,
    RunOutput, RunStatus, Session, SessionId, State, StepContext, StepError, StepInput, StepOutput,
    StepPath, StepResult, StepStatus, Store, StoreError, Timestamp, UserId, WorkflowId, World,
};
pub use stepwright_engine::{
    AnyStep, Archived, BlockingEvents, BlockingFn, Concurrency, DeciderFn, Dedupe, Erase, Events,
    Export, FromStep, IntoDeadline, IntoExecutor, IntoHolds, IntoInput, IntoItems, IntoOutput,
    IntoPrompt, IntoRoute, IntoStep, LocalDispatcher, LoopView, MediaInput, Memories, OnBusy,
    Parts, Prune, Removed, Resume, Run, RunHandle, RunStream, Runs, Sessions, Snapshot, Step,
    UserAccess, WhenFull, Workflow, WorkflowBuilder, block_on, real_world,
};
/// The catalogue of errors: an id and a page for each kind. See `docs/errors.md`.
pub mod codes {
    pub use stepwright_core::codes::{AREAS, Area, Entry, ErrorIdError, all, find};
}
#[cfg(feature = "postgres")]
pub use stepwright_store::Postgres;
#[cfg(feature = "sqlite")]
pub use stepwright_store::Sqlite;
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub use stepwright_store::{Durability, LazyStore};

/// The containers: steps that hold steps.
pub mod containers {
    // A new container needs no line here, in the root and in the prelude.
    pub use stepwright_engine::containers::*;
}
pub use containers::*;

/// Language models: the trait, providers, the registry, retries, and the keyless `offline` model.
pub mod models {
    pub use stepwright_core::message::{
        Arguments, AssistantTurn, Message, Part, ToolCall, ToolOutcome, Usage,
    };
    pub use stepwright_core::model::{
        AnyModel, Completion, Model, ModelError, ModelErrorKind, ModelEvent, ModelOptions,
        ModelRequest, ModelStream, Quota, QuotaLeft, ReasoningEffort, RequestGate, StopReason,
        ToolChoice,
    };
    #[cfg(feature = "providers")]
    pub use stepwright_models::Provider;
    pub use stepwright_models::{
        LimitScope, ModelLimits, Models, Offline, RetryPolicy, UnknownModel, guarded, limit, model,
        register, retrying,
    };
}

/// MCP: servers as tools of agents, and workflows as an MCP server. See `docs/mcp.md`.
#[cfg(feature = "mcp")]
pub mod mcp {
    pub use stepwright_mcp::{HttpOptions, McpServer, McpService, OAuth};
}

/// Coding agents as steps. See `docs/harness.md`.
#[cfg(feature = "harness")]
pub mod harness {
    pub use stepwright_harness::{Harness, HarnessKind, Questions};
}

/// Documents that agents search. See `docs/knowledge.md`.
#[cfg(feature = "knowledge")]
pub mod knowledge {
    pub use stepwright_knowledge::{
        Added, AnyEmbedder, Chunk, Document, DocumentKind, EmbedError, Embedder, HashEmbedder,
        Knowledge, KnowledgeContext, KnowledgeTool, LazyKnowledge, OpenAiEmbedder, PASSAGES,
        Passage, SourceInfo, SqliteKnowledge, cut,
    };
}

/// Tools: the trait, and the specifications that a model sees.
pub mod tools {
    pub use stepwright_agent::{
        AgentTool, ExternalTool, FunctionTool, IntoTools, READ_RESULT, SEARCH_TOOLS, ToolOptions,
        ToolReply, ToolSet, Toolkit, tool,
    };
    pub use stepwright_core::tool::{
        AnyTool, AnyToolSource, Tool, ToolAnswer, ToolEffect, ToolError, ToolSource, ToolSpec,
    };
    pub use stepwright_engine::WorkflowTool;
    pub use stepwright_process::{Backend, InSandbox, Sandbox};
    #[cfg(any(feature = "postgres", feature = "sqlite"))]
    pub use stepwright_tools::Sql;
    pub use stepwright_tools::{
        AskUser, Calculator, Clock, Files, Http, InWorkspace, KeptFiles, Python, Scratchpad,
        Skills, SweptFiles, WebPage, Wikipedia, Workspace,
    };
    #[cfg(feature = "duckduckgo")]
    pub use stepwright_tools::{DuckDuckGo, SafeSearch, TimeLimit};
}

/// Guardrails: checks before and after agents, models, tools and steps. See `docs/guardrails.md`.
pub mod guardrails {
    pub use stepwright_core::guardrail::{
        AnyGuardrail, Checked, GUARD_RETRIES, GUARD_RETRIES_MAX, Guard, GuardPlace, GuardVerdict,
        Guardrail, Judged, Ruling,
    };
    pub use stepwright_guardrails::{
        JUDGED_BYTES_MAX, Judge, Length, OnFound, Pattern, PersonalData, PersonalKind,
        PromptInjection, Secrets, Shape,
    };
}

/// Structured outputs while they are written. See `docs/structured.md`.
pub mod structured {
    pub use stepwright_core::partial::{PartialOutputs, partial};
}

/// Permissions: rules for the effects of a workflow, and the gate that every effect passes.
pub mod permissions {
    pub use stepwright_core::gate::{Admission, Demand, Permit, Reservation};
    pub use stepwright_core::permission::{
        Address, CommandLine, Effect, EffectWord, Judgement, PathForm, PathForms, Permissions,
        Rule, RuleError, Subject, Verdict,
    };
}

/// Budgets: limits of what runs may consume, and prices of models.
pub mod budgets {
    pub use stepwright_core::budget::{AtLimit, Budget, BudgetLeft, Limit};
    pub use stepwright_core::cost::{Cost, PRICES_AS_OF, Price, Prices};
}

/// Plans: a workflow as data, with its policies.
pub mod plan {
    pub use stepwright_core::executor::ExecutorType;
    pub use stepwright_core::plan::{
        ErrorPolicy, Join, Node, NodeKind, OnError, OnExhausted, Plan, Retry,
    };
    pub use stepwright_core::state::Reducer;
}

/// The input and the context of executors.
pub mod execution {
    pub use stepwright_core::context::RunInfo;
    pub use stepwright_core::executor::RunInput;
    pub use stepwright_core::once::{Once, ProbeAnswer};
    pub use stepwright_core::output::QueuedFor;
    pub use stepwright_core::output::{ExecutorRun, RunFailure, Turn};
    pub use stepwright_core::provided::{FromContext, State};
    pub use stepwright_core::scope::LoopOutcome;
    pub use stepwright_core::status::StepType;
    pub use stepwright_core::values::HostValues;
}

/// Time: the clock behind a [`World`].
pub mod time {
    pub use stepwright_core::world::{Clock, Timestamp, VirtualClock, World};
}

/// Traces and metrics: an observer of the runs of a process, and the trace context of a run.
pub mod observe {
    pub use stepwright_core::observe::Observer;
    pub use stepwright_core::trace::{
        SpanId, SpanOf, TraceContext, TraceContextError, TraceId, Traced,
    };
}

/// Traces of runs for OpenTelemetry.
#[cfg(feature = "otel")]
pub mod otel {
    pub use stepwright_otel::{Moment, Span, SpanKind, SpanStatus, Spans, Traces, TracesError};
}

/// Stores: the four traits of a store, and their types.
pub mod store {
    pub use stepwright_core::journal::{Append, SessionClose};
    pub use stepwright_core::session::SessionMetrics;
    pub use stepwright_core::state::PatchError;
    pub use stepwright_core::store::{
        Claim, Claimed, Compacted, DeleteRun, DeletedRun, Entered, FirstClaim, Heard, Inbox,
        Leases, MemoryChange, MemoryFilter, MemoryUpdate, MemoryUser, Queued, RequestChanges,
        RequestClaim, RequestEntry, RequestLimits, RequestState, RequestTurn, RequestsSent,
        RunFilter, RunRow, RunStore, SeenDriver, SessionFilter, SessionStore, SharedRequests,
        SharedValue, Signal, SignalKind, SlotChanges, SlotClaim, SlotEntry, SlotHolder, Store,
        StoreError, UserMemories, UserMemory, ValueChange, Verified, Waiting, WaitingFilter,
        Watched,
    };
}

/// Human review: requirements of paused runs, and their answers.
pub mod people {
    pub use stepwright_core::event::{RefusedAnswer, Reply};
    pub use stepwright_core::form::mistakes;
    pub use stepwright_core::requirement::{Answer, OnTimeout, Requirement, RequirementKind};
    pub use stepwright_core::review::{HumanReview, OnReject, UserInput};
    pub use stepwright_core::wait::Wait;
}

/// Events from outside that runs wait for. See `docs/waiting.md`.
pub mod awaited {
    pub use stepwright_core::awaited::{
        EVENT_BYTES_MAX, EVENT_KEY_MAX, EVENT_NAME_MAX, EventComparison, EventField, EventMatch,
        key_text,
    };
    pub use stepwright_core::wait::{WaitFor, check_event_name};
    pub use stepwright_engine::{Emit, Emitted};
}

/// Messages to agents at work. See `docs/messages.md`.
pub mod sent {
    pub use stepwright_core::sent::{
        SENT_BYTES_MAX, SENT_WAITING_MAX, SendMode, SendModeError, SentMessage,
    };
    pub use stepwright_engine::{SendMessage, Sent};
}

/// Dispatchers: how background runs get executed.
pub mod dispatch {
    pub use stepwright_core::dispatch::{
        Cause, DEFAULT_QUEUE, DispatchError, Dispatcher, Drive, Driven, Limits, QUEUE_BYTES_MAX,
        Served, Wake, awaited, queue_mistake,
    };
    pub use stepwright_engine::{LocalDispatcher, Worker};
    #[cfg(feature = "postgres")]
    pub use stepwright_store::{PostgresDispatcher, QueueState, QueueWaiting, QueueWorker};
}

/// Workflows written as YAML or JSON files.
#[cfg(feature = "file")]
pub mod file {
    pub use stepwright_file::{
        ChangedPrompt, Definition, Diagnostic, Diagnostics, Fixed, Functions, Options, Outline,
        ReportStyle, Severity, Variables, effects, fix, json_schema, misspelt_rules,
        parse_duration, read_permissions, read_prices,
    };
    #[cfg(feature = "knowledge")]
    pub use stepwright_file::{KnowledgeBase, KnowledgeProgress, KnowledgeUpdated};
}

/// The examples of `docs/tools.md`.
#[cfg(all(doctest, feature = "duckduckgo", feature = "sqlite"))]
#[doc = include_str!("../../../docs/tools.md")]
struct Tools;

/// The examples of `docs/guardrails.md`.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/guardrails.md")]
struct GuardrailsPage;

/// The examples of `docs/media.md`.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/media.md")]
struct MediaPage;

/// The examples of `docs/structured.md`.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/structured.md")]
struct StructuredPage;

/// The examples of `docs/traces.md`.
#[cfg(all(doctest, feature = "otel"))]
#[doc = include_str!("../../../docs/traces.md")]
struct TracesPage;

/// Terminal output: printed runs and prompts.
#[cfg(feature = "term")]
pub mod term {
    pub use stepwright_term::{
        Asker, CliApp, Conversation, Display, Interrupt, Interrupts, PrintResponse, Printing,
        Speech, Style, Terminal, Ticks, about, answer_inline, harmless, harmless_lines, line,
        on_interrupt, rendered, status_word, summary, utc, waiting,
    };
}
