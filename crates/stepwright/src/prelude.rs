//! The names that most programs use: `use stepwright::prelude::*;`

pub use crate::containers::*;
pub use crate::plan::{Join, OnError, OnExhausted, Retry};
pub use crate::{
    Agent, Answer, BoxError, ContainerKind, Content, Decision, Error, Event, EventKind, Executor,
    FunctionTool, HumanReview, Json, Media, MediaKind, Memory, OnReject, OnTimeout, Parts, Patch,
    RunOutput, RunStatus, State, Step, StepContext, StepError, StepInput, StepOutput, Workflow,
    tool,
};
pub use futures_util::StreamExt;

#[cfg(feature = "postgres")]
pub use crate::Postgres;
#[cfg(feature = "sqlite")]
pub use crate::Sqlite;
#[cfg(feature = "term")]
pub use crate::term::PrintResponse;
#[cfg(feature = "duckduckgo")]
pub use crate::tools::DuckDuckGo;
