//! The events of a run. All other views of a run are computed from this stream.

mod class;
mod end;
mod fork;
mod kind;
mod media;
mod process;
mod upkeep;
mod wire;

pub use crate::container::{ContainerKind, Decision, Turns};
pub use class::EventClass;
pub use end::{End, RefusedAnswer, Reply};
pub use fork::{Origin, WorkflowForked};
pub use kind::{EventKind, NAMES};
pub use process::ProcessGroup;
pub use upkeep::{Compressed, RequestPurpose};

use crate::content::Content;
use crate::cost::Cost;
use crate::id::{RunId, SessionId, UserId, WorkflowId};
use crate::path::{StepPath, is_call};
use crate::state::{Patch, State};
use crate::step::RunInput;
use crate::trace::TraceContext;
use crate::world::Timestamp;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fmt;
use std::sync::Arc;

/// An event of a run.
///
/// A *fact* is in the journal before any reader gets it. Facts are numbered from 0 without a gap. A
/// *delta*, such as a piece of text or progress, is not stored. It carries the number of the fact
/// that it follows, and counts up from there on its own.
///
/// As JSON, an event is one flat object: `sequence`, `time_ms`, `run_id`, `path`, `step_name`,
/// `event` with the name of its kind, and the fields of that kind. A delta also has `delta`.
///
/// ```
/// use stepwright_core::{Event, EventKind, RunId, StepPath, Timestamp};
/// let event = Event {
///     sequence: 4,
///     delta: 1,
///     time: Timestamp(1_780_000_000_000),
///     run: RunId::new("r-1")?,
///     path: StepPath::from("Write"),
///     kind: EventKind::RunContent { content: "Once".into() },
/// };
/// assert_eq!(event.content().unwrap().text(), "Once");
/// assert_eq!(
///     serde_json::to_string(&event).unwrap(),
///     r#"{"sequence":4,"delta":1,"time_ms":1780000000000,"run_id":"r-1","path":"Write","step_name":"Write","event":"RunContent","content":"Once"}"#,
/// );
/// # Ok::<(), stepwright_core::IdError>(())
/// ```
#[derive(Clone, PartialEq)]
pub struct Event {
    /// The number of this fact, or of the fact that this delta follows.
    pub sequence: u64,
    /// 0 for a fact. For a delta, its number since that fact, from 1.
    pub delta: u32,
    /// The time of the event.
    pub time: Timestamp,
    /// The id of the run.
    pub run: RunId,
    /// The path of the step. The root for events of the run as a whole.
    pub path: StepPath,
    /// The kind of the event, with its data.
    pub kind: EventKind,
}

impl Event {
    /// Returns `true` if the event is in the journal.
    pub fn is_fact(&self) -> bool {
        self.delta == 0
    }

    /// Returns the name of the step without the path to it. Empty for the run itself.
    pub fn step_name(&self) -> &str {
        self.path.name()
    }

    /// Returns the text of the event, if it has any: a piece of text, an output, an error message.
    pub fn content(&self) -> Option<Content> {
        self.kind.content()
    }

    /// Returns `true` if readers without `stream_events` get this event. See
    /// [`EventKind::is_content`]. Text inside a tool call, such as that of an agent there, is not
    /// text of the step.
    pub fn is_content(&self) -> bool {
        let is_text =
            matches!(self.kind, EventKind::RunContent { .. } | EventKind::StepOutput { .. });
        let is_inside = || is_call(&self.path) || self.path.is_in_called_workflow();
        self.kind.is_content() && !(is_text && is_inside())
    }

    /// Returns the name of the kind, which is Agno's where Agno has the event.
    pub fn name(&self) -> &'static str {
        self.kind.name()
    }
}

/// An event whose parts belong to another owner. [`Fold`](crate::fold::Fold) reads it without a
/// copy.
///
/// ```
/// use stepwright_core::event::{EventKind, EventRef};
/// use stepwright_core::{RunId, StepPath, Timestamp};
/// let (run, path) = (RunId::new("r-1")?, StepPath::from("Write"));
/// let kind = EventKind::RunContent { content: "Once".into() };
/// let (sequence, delta, time) = (4, 1, Timestamp(1_780_000_000_000));
/// let event = EventRef { sequence, delta, time, run: &run, path: &path, kind: &kind };
/// assert!(!event.is_fact());
/// # Ok::<(), stepwright_core::IdError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct EventRef<'e> {
    /// See [`Event::sequence`].
    pub sequence: u64,
    /// See [`Event::delta`].
    pub delta: u32,
    /// See [`Event::time`].
    pub time: Timestamp,
    /// See [`Event::run`].
    pub run: &'e RunId,
    /// See [`Event::path`].
    pub path: &'e StepPath,
    /// See [`Event::kind`].
    pub kind: &'e EventKind,
}

impl EventRef<'_> {
    /// Returns `true` if the event is in the journal.
    pub fn is_fact(&self) -> bool {
        self.delta == 0
    }
}

impl<'e> From<&'e Event> for EventRef<'e> {
    fn from(event: &'e Event) -> Self {
        let Event { sequence, delta, time, ref run, ref path, ref kind } = *event;
        Self { sequence, delta, time, run, path, kind }
    }
}

/// The consumption of a session before a run, for the budget of the session.
///
/// [`Budget`](crate::budget::Budget) has an example.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionUsed {
    /// The tokens of models.
    pub tokens: u64,
    /// The cost of models.
    pub cost: Cost,
    /// The answers of models.
    pub model_calls: u64,
    /// The tool calls.
    pub tool_calls: u64,
    /// The duration of the runs, in milliseconds.
    pub time_ms: u64,
}

/// The start of a run, with everything that is needed to resume it. [`Event`] has an example.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WorkflowStarted {
    /// The id of the workflow.
    pub workflow_id: WorkflowId,
    /// The name of the workflow.
    pub workflow_name: Arc<str>,
    /// The digest of its plan.
    pub digest: Arc<str>,
    /// The id of the session.
    pub session_id: SessionId,
    /// The owner of the session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
    /// The input of the run.
    pub input: Arc<RunInput>,
    /// The session state that its steps see.
    #[serde(default, skip_serializing_if = "no_state")]
    pub state: Arc<State>,
    /// The changes of the session state at the start of the run, which `state` already contains.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub patches: Vec<Patch>,
    /// Any data that the caller wants to keep with the run.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub metadata: Map<String, Value>,
    /// `true` if prompts, calls and decisions are logged in detail.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub debug: bool,
    /// The timeout of the run, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// `true` for a background run. If its process dies, another process resumes it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub background: bool,
    /// The consumption of the session before this run, if the session has a budget.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_used: Option<SessionUsed>,
    /// The trace that the run continues, if its caller has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<TraceContext>,
}

fn no_state(state: &Arc<State>) -> bool {
    state.is_empty()
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.sequence)?;
        if self.delta > 0 {
            write!(f, ".{}", self.delta)?;
        }
        write!(f, " {} {:?}", self.path, self.kind)
    }
}

#[derive(Serialize)]
struct Written<'a> {
    sequence: u64,
    #[serde(skip_serializing_if = "is_zero")]
    delta: u32,
    time_ms: Timestamp,
    run_id: &'a RunId,
    path: &'a StepPath,
    step_name: &'a str,
    #[serde(flatten)]
    kind: &'a EventKind,
}

#[derive(Deserialize)]
struct Read {
    sequence: u64,
    #[serde(default)]
    delta: u32,
    time_ms: Timestamp,
    run_id: RunId,
    path: StepPath,
    /// Part of the path. Named, so that it is not kept aside for `kind`.
    #[serde(default, rename = "step_name")]
    _step_name: IgnoredAny,
    #[serde(flatten)]
    kind: EventKind,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(delta: &u32) -> bool {
    *delta == 0
}

impl Serialize for Event {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Written {
            sequence: self.sequence,
            delta: self.delta,
            time_ms: self.time,
            run_id: &self.run,
            path: &self.path,
            step_name: self.step_name(),
            kind: &self.kind,
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Read { sequence, delta, time_ms, run_id, path, kind, .. } =
            Read::deserialize(deserializer)?;
        Ok(Self { sequence, delta, time: time_ms, run: run_id, path, kind })
    }
}
