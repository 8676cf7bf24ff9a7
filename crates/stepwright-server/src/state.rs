//! The state of a server: handles only.

use crate::auth::{Auth, Who};
use crate::error::Problem;
use crate::limits::STREAMS_MAX;
use crate::links::{Base, Links};
use crate::metrics::Counters;
use crate::row_columns::Known;
use http::StatusCode;
use serde_json::{Map, Value};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use stepwright_core::executor::ExecutorType;
use stepwright_core::json::JsonError;
use stepwright_core::plan::NodeKind;
use stepwright_core::store::RunRow;
use stepwright_core::{Content, Error, RunId, Timestamp};
use stepwright_engine::{Run, Runs, Workflow, real_world};
use stepwright_triggers::{Notifications, Notifier, Receiver, Schedule, Scheduler, Webhook};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

/// A server. Cheap to clone.
#[derive(Clone)]
pub(crate) struct App(Arc<State>);

pub(crate) struct State {
    pub(crate) name: String,
    pub(crate) runs: Runs,
    pub(crate) served: Vec<Served>,
    pub(crate) origins: Origins,
    pub(crate) auth: Auth,
    pub(crate) scheduler: Scheduler,
    pub(crate) receiver: Receiver,
    pub(crate) notifier: Notifier,
    #[cfg_attr(not(feature = "mcp"), expect(dead_code, reason = "there is no MCP"))]
    pub(crate) mcp: McpOptions,
    pub(crate) links: Links,
    /// The address of the server, for links in messages.
    pub(crate) base: Base,
    pub(crate) started: Timestamp,
    pub(crate) counters: Counters,
    pub(crate) columns: Known,
    /// Cancelled when streams must end.
    pub(crate) streams: CancellationToken,
    stopping: AtomicBool,
    slots: Arc<Semaphore>,
}

/// The kind of what is served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ServedKind {
    Workflow,
    Agent,
    Team,
}

/// A workflow, an agent or a team that is served.
#[derive(Clone)]
pub(crate) struct Served {
    pub(crate) workflow: Workflow,
    pub(crate) kind: ServedKind,
    pub(crate) input_schema: Option<Value>,
    pub(crate) metadata: Map<String, Value>,
    pub(crate) model: Option<String>,
    /// The mode of a team.
    pub(crate) mode: Option<String>,
    /// The members of a team.
    pub(crate) members: Vec<MemberOf>,
    pub(crate) schedules: Vec<Schedule>,
    pub(crate) webhooks: Vec<Webhook>,
    pub(crate) notifications: Notifications,
}

/// A member of a team.
#[derive(Clone, Debug)]
pub(crate) struct MemberOf {
    pub(crate) name: String,
    pub(crate) description: Option<String>,
}

/// The settings of MCP.
#[derive(Clone, Default)]
pub(crate) struct McpOptions {
    /// The key that signs the states of calls.
    pub(crate) key: Option<Vec<u8>>,
    /// `true` if agents and teams are tools too.
    pub(crate) agents: bool,
}

/// The parts of a server that work without a caller with a key.
pub(crate) struct Triggers {
    pub(crate) scheduler: Scheduler,
    pub(crate) receiver: Receiver,
    pub(crate) notifier: Notifier,
    pub(crate) links: Links,
    pub(crate) base: Base,
}

/// The pages of other servers that may send requests.
#[derive(Clone, Debug)]
pub(crate) struct Origins(pub(crate) Vec<String>);

/// A run that the caller may see.
pub(crate) struct Found<'a> {
    pub(crate) row: RunRow,
    pub(crate) served: Option<&'a Served>,
}

impl std::ops::Deref for App {
    type Target = State;
    fn deref(&self) -> &State {
        &self.0
    }
}

impl App {
    pub(crate) fn new(
        name: String,
        runs: Runs,
        served: Vec<Served>,
        origins: Origins,
        auth: Auth,
        Triggers { scheduler, receiver, notifier, links, base }: Triggers,
        mcp: McpOptions,
    ) -> Self {
        Self(Arc::new(State {
            name,
            runs,
            served,
            origins,
            auth,
            scheduler,
            receiver,
            notifier,
            mcp,
            links,
            base,
            started: real_world().wall(),
            counters: Counters::default(),
            columns: Known::default(),
            streams: CancellationToken::new(),
            stopping: AtomicBool::new(false),
            slots: Arc::new(Semaphore::new(STREAMS_MAX)),
        }))
    }
}

impl State {
    /// Returns the workflow or agent with this id.
    pub(crate) fn of_id(&self, id: &str) -> Option<&Served> {
        self.served.iter().find(|served| served.workflow.id().as_str() == id)
    }

    /// Returns the runs that the caller may see. There is no other way to them.
    pub(crate) fn seen_by(&self, who: &Who) -> Result<Runs, Error> {
        match who.only() {
            Some(user) => self.runs.clone().as_user(user),
            None => Ok(self.runs.clone()),
        }
    }

    /// Finds a run that the caller may see, and its workflow if it is served here.
    pub(crate) async fn find(&self, who: &Who, run: &str) -> Result<Found<'_>, Error> {
        let row = self.seen_by(who)?.row(&RunId::new(run)?).await?;
        let served = self.of_id(row.workflow_id.as_str());
        Ok(Found { row, served })
    }

    /// Takes a place for a stream of events.
    pub(crate) fn stream_slot(&self) -> Result<OwnedSemaphorePermit, Problem> {
        self.slots.clone().try_acquire_owned().map_err(|_| {
            let what = format!("too many open streams; the limit is {STREAMS_MAX}");
            Problem::new(StatusCode::TOO_MANY_REQUESTS, what).with_help("try again later")
        })
    }

    /// Returns the number of open streams.
    pub(crate) fn open_streams(&self) -> usize {
        STREAMS_MAX - self.slots.available_permits()
    }

    pub(crate) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
}

impl ServedKind {
    /// Returns the word that clients read.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Workflow => "workflow",
            Self::Agent => "agent",
            Self::Team => "team",
        }
    }

    /// Returns the resource in the scopes of tokens.
    pub(crate) fn resource(self) -> &'static str {
        match self {
            Self::Workflow => "workflows",
            Self::Agent => "agents",
            Self::Team => "teams",
        }
    }

    /// Returns the kind of a workflow whose only step is an agent or the leader of a team.
    pub(crate) fn alone(workflow: &Workflow) -> Self {
        let is_team = workflow.plan().body.iter().any(|node| {
            matches!(node.kind, NodeKind::Step { executor_type: ExecutorType::Team, .. })
        });
        if is_team { Self::Team } else { Self::Agent }
    }
}

impl Found<'_> {
    /// Returns the workflow, to drive the run.
    pub(crate) fn driven(&self) -> Result<&Served, Problem> {
        self.served.ok_or_else(|| {
            let (run, workflow) = (&self.row.run_id, &self.row.workflow_id);
            let what = format!("run `{run}` is one of `{workflow}`, which is not served here");
            Problem::new(StatusCode::CONFLICT, what).with_help("serve the file of that workflow")
        })
    }
}

impl Served {
    /// Returns `true` if any text is an input.
    pub(crate) fn takes_text(&self) -> bool {
        self.input_schema.as_ref().is_none_or(|schema| schema["type"] == "string")
    }

    /// Returns the input that a message is: its text, or the value that it is the JSON of.
    pub(crate) fn content(&self, text: String) -> Result<Content, JsonError> {
        if self.takes_text() {
            return Ok(Content::from(text));
        }
        stepwright_core::json::parse(&text).map(Content::from)
    }

    /// Prepares a run of the caller.
    pub(crate) fn run(&self, who: &Who, user: Option<&str>, input: Content) -> Result<Run, Error> {
        let run = match (who.only(), user) {
            (Some(only), _) => self.workflow.as_user(only)?.run(input),
            (None, Some(user)) => self.workflow.run(input).user_id(user),
            (None, None) => self.workflow.run(input),
        };
        Ok(if self.metadata.is_empty() { run } else { run.metadata(self.metadata.clone()) })
    }
}
