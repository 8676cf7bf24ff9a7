#![doc = include_str!("../docs/introduction.md")]

pub mod prelude;

#[doc(hidden)]
pub use stepwright_agent::__private;
pub use stepwright_agent::{
    Agent, AgentBuilder, AgentTool, FunctionTool, IntoModel, IntoTools, ToolReply, Toolkit, tool,
};
pub use stepwright_core::{
    Answer, AnyExecutor, AnyStore, ContainerKind, Content, Decision, Error, ErrorCode, ErrorData,
    ErrorId, ErrorKind, Event, EventKind, Executor, Feedback, Fingerprint, HumanReview, Json,
    Media, MediaKind, MediaSource, Memory, Metrics, OnInterrupted, OnReject, OnTimeout, Once,
    Patch, Report, Requirement, RunId, RunOutput, RunStatus, Session, SessionId, StepContext,
    StepError, StepInput, StepOutput, StepPath, StepResult, StepStatus, Store, StoreError,
    Timestamp, UserId, WorkflowId, World,
};
pub use stepwright_engine::{
    AnyStep, Events, FromStep, IntoExecutor, IntoInput, IntoOutput, IntoStep, LocalDispatcher,
    LoopView, Parts, Resume, Run, RunHandle, RunStream, Runs, Sessions, Snapshot, Step, UserAccess,
    Workflow, WorkflowBuilder,
};
/// The catalogue of errors: an id and a page for each kind. See `docs/errors.md`.
pub mod codes {
    pub use stepwright_core::codes::{AREAS, Area, Entry, ErrorIdError, all, find};
}
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub use stepwright_store::Durability;
#[cfg(feature = "postgres")]
pub use stepwright_store::Postgres;
#[cfg(feature = "sqlite")]
pub use stepwright_store::Sqlite;

/// The containers: steps that hold steps.
pub mod containers {
    // A new container needs no line here, in the root and in the prelude.
    pub use stepwright_engine::containers::*;
}
pub use containers::*;

/// Language models: the trait, providers, the registry, retries, and the keyless `offline` model.
pub mod models {
    pub use stepwright_core::message::{AssistantTurn, Message, Part, ToolCall, Usage};
    pub use stepwright_core::model::{
        AnyModel, Completion, Model, ModelError, ModelErrorKind, ModelEvent, ModelOptions,
        ModelRequest, ModelStream, ReasoningEffort, StopReason,
    };
    #[cfg(feature = "providers")]
    pub use stepwright_models::Provider;
    pub use stepwright_models::{
        Models, Offline, RetryPolicy, UnknownModel, guarded, model, register, retrying,
    };
}

/// Tools: the trait, and the specifications that a model sees.
pub mod tools {
    pub use stepwright_agent::{AgentTool, FunctionTool, IntoTools, ToolReply, Toolkit, tool};
    pub use stepwright_core::tool::{AnyTool, Tool, ToolEffect, ToolError, ToolSpec};
    #[cfg(feature = "duckduckgo")]
    pub use stepwright_tools::{DuckDuckGo, SafeSearch, TimeLimit};
}

/// Plans: a workflow as data, with its policies.
pub mod plan {
    pub use stepwright_core::executor::ExecutorType;
    pub use stepwright_core::plan::{
        ErrorPolicy, Join, Node, NodeKind, OnError, OnExhausted, Plan, Retry,
    };
    pub use stepwright_core::state::Reducer;
}

/// Stores: the four traits of a store, and their types.
pub mod store {
    pub use stepwright_core::journal::{Append, SessionClose};
    pub use stepwright_core::session::SessionMetrics;
    pub use stepwright_core::store::{
        Claim, Claimed, Inbox, Leases, RunFilter, RunRow, RunStore, SessionFilter, SessionStore,
        Signal, SignalKind, Store, StoreError, Verified, Watched,
    };
}

/// Human review: requirements of paused runs, and their answers.
pub mod people {
    pub use stepwright_core::context::Wait;
    pub use stepwright_core::event::{RefusedAnswer, Reply};
    pub use stepwright_core::form::mistakes;
    pub use stepwright_core::requirement::{Answer, OnTimeout, Requirement, RequirementKind};
    pub use stepwright_core::review::{HumanReview, OnReject, UserInput};
}

/// Dispatchers: how background runs get executed.
pub mod dispatch {
    pub use stepwright_core::dispatch::{DispatchError, Dispatcher, Drive, Driven, Limits};
    pub use stepwright_engine::LocalDispatcher;
}

/// Workflows written as YAML or JSON files.
#[cfg(feature = "file")]
pub mod file {
    pub use stepwright_file::{
        Definition, Diagnostic, Diagnostics, Options, Outline, ReportStyle, Severity,
        parse_duration,
    };
}

/// The examples of `docs/tools.md`.
#[cfg(all(doctest, feature = "duckduckgo"))]
#[doc = include_str!("../../../docs/tools.md")]
struct Tools;

/// Terminal output: printed runs and prompts.
#[cfg(feature = "term")]
pub mod term {
    pub use stepwright_term::{
        Asker, CliApp, Conversation, Display, Interrupt, Interrupts, PrintResponse, Printing,
        Speech, Style, Terminal, Ticks, about, answer_inline, harmless, harmless_lines, line,
        on_interrupt, rendered, status_word, summary, utc, waiting,
    };
}
