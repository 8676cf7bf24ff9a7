//! The shapes of answers.

use crate::row_columns::Columns;
use crate::state::Served;
use serde::Serialize;
use serde_json::Value;
use stepwright_core::requirement::RequirementKind;
use stepwright_core::store::RunRow;
use stepwright_core::{Requirement, Session};
use utoipa::ToSchema;

/// A workflow or an agent.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Workflow)]
pub(crate) struct WorkflowView {
    /// The id.
    id: String,
    /// The name for people.
    name: String,
    /// The purpose.
    #[schema(required)]
    description: Option<String>,
    /// `workflow`, `agent` or `team`.
    kind: &'static str,
    /// The digest of its plan and content.
    digest: String,
    /// The JSON Schema of its input; `null` if any text is an input.
    #[schema(required, value_type = Option<Object>)]
    input_schema: Option<Value>,
    /// The plan, of a single workflow.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    plan: Option<Value>,
}

impl WorkflowView {
    pub(super) fn of(served: &Served, with_plan: bool) -> Self {
        let workflow = &served.workflow;
        Self {
            id: workflow.id().to_string(),
            name: workflow.name().to_owned(),
            description: workflow.description().map(str::to_owned),
            kind: served.kind.as_str(),
            digest: workflow.digest().to_owned(),
            input_schema: served.input_schema.clone(),
            plan: with_plan.then(|| serde_json::to_value(workflow.plan()).unwrap_or_default()),
        }
    }
}

/// The row of a run: what lists show.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Run)]
pub(crate) struct RowView {
    /// The id of the run.
    run_id: String,
    /// The id of its session.
    session_id: String,
    /// The owner of the session.
    #[schema(required)]
    user_id: Option<String>,
    /// The id of the workflow.
    workflow_id: String,
    /// The digest of the plan.
    digest: String,
    /// `PENDING`, `RUNNING`, `PAUSED`, `COMPLETED`, `CANCELLED` or `ERROR`.
    status: &'static str,
    /// The start, in milliseconds since 1970.
    created_at: u64,
    /// The time of the last fact.
    updated_at: u64,
    /// The time at which a paused run goes on by itself.
    #[schema(required)]
    wake_at: Option<u64>,
    /// `true` for a background run.
    background: bool,
    /// The driver.
    #[schema(required)]
    driver: Option<String>,
    /// The run from which it was forked: `{run, until}`.
    #[schema(required, value_type = Option<Object>)]
    origin: Option<Value>,
    /// The first 200 characters of the input; `null` if the facts of the run cannot be read.
    #[schema(required)]
    input: Option<String>,
    /// The tokens of its models so far.
    #[schema(required)]
    tokens: Option<u64>,
    /// The cost of its models so far, in US dollars; `null` if the price of a model is not known.
    #[schema(required)]
    cost: Option<f64>,
}

impl RowView {
    pub(super) fn of(row: RunRow, columns: Option<Columns>) -> Self {
        let cost = columns.as_ref().and_then(|columns| columns.cost);
        let (input, tokens) = columns.map(|columns| (columns.input, columns.tokens)).unzip();
        Self {
            input,
            tokens,
            cost,
            run_id: row.run_id.to_string(),
            session_id: row.session_id.to_string(),
            user_id: row.user_id.map(|user| user.to_string()),
            workflow_id: row.workflow_id.to_string(),
            digest: row.digest.to_string(),
            status: row.status.as_str(),
            created_at: row.created_at.0,
            updated_at: row.updated_at.0,
            wake_at: row.wake_at.map(|at| at.0),
            background: row.background,
            driver: row.driver.map(|driver| stepwright_engine::drivers::shown(&driver).clone()),
            origin: row.origin.and_then(|origin| serde_json::to_value(origin).ok()),
        }
    }
}

/// A run that begins or goes on.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Accepted)]
pub(crate) struct AcceptedView {
    /// The id of the run.
    run_id: String,
    /// The id of its session.
    session_id: String,
    /// Its status now.
    status: &'static str,
}

impl From<&RunRow> for AcceptedView {
    fn from(row: &RunRow) -> Self {
        Self {
            run_id: row.run_id.to_string(),
            session_id: row.session_id.to_string(),
            status: row.status.as_str(),
        }
    }
}

/// A pending request.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Request)]
pub(crate) struct RequestView {
    /// The id.
    id: String,
    /// The path of the step that asks.
    path: String,
    /// The kind, such as `confirmation`.
    kind: String,
    /// The question.
    message: String,
    /// The deadline, in milliseconds since 1970.
    #[schema(required)]
    deadline: Option<u64>,
    /// The JSON Schema of the value to submit.
    #[schema(required, value_type = Option<Object>)]
    form: Option<Value>,
    /// The routes to choose from.
    #[schema(required)]
    choices: Option<Vec<String>>,
    /// `true` if several routes may be chosen.
    multiple: bool,
    /// The decisions that the request accepts.
    decisions: Vec<String>,
    /// Everything else that the kind knows.
    #[schema(value_type = Object)]
    detail: Value,
}

impl From<&Requirement> for RequestView {
    fn from(asked: &Requirement) -> Self {
        let mut detail = serde_json::to_value(&asked.kind).unwrap_or_default();
        let kind = detail.as_object_mut().and_then(|detail| detail.remove("requires"));
        let kind = kind.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned();
        let form = match &asked.kind {
            RequirementKind::UserInput { schema } => Some((**schema).clone()),
            RequirementKind::Wait { schema } => schema.as_deref().cloned(),
            _ => None,
        };
        let (choices, multiple) = match &asked.kind {
            RequirementKind::RouteSelection { choices, multiple } => {
                (Some(choices.iter().map(ToString::to_string).collect()), *multiple)
            }
            _ => (None, false),
        };
        Self {
            id: asked.id.to_string(),
            path: asked.path.to_string(),
            kind,
            message: asked.message.to_string(),
            deadline: asked.due.map(|due| due.0),
            form,
            choices,
            multiple,
            decisions: asked.answers().iter().map(|&word| word.to_owned()).collect(),
            detail,
        }
    }
}

/// A thread of runs.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Session)]
pub(crate) struct SessionView {
    /// The id.
    session_id: String,
    /// The owner.
    #[schema(required)]
    user_id: Option<String>,
    /// The workflow that opened it.
    workflow_id: String,
    /// The name for people.
    #[schema(required)]
    name: Option<String>,
    /// The state that its runs share.
    #[schema(value_type = Object)]
    state: Value,
    /// The sums of its runs.
    #[schema(value_type = Object)]
    metrics: Value,
    /// The first use, in milliseconds since 1970.
    created_at: u64,
    /// The last use.
    updated_at: u64,
}

impl From<Session> for SessionView {
    fn from(session: Session) -> Self {
        Self {
            session_id: session.session_id.to_string(),
            user_id: session.user_id.map(|user| user.to_string()),
            workflow_id: session.workflow_id.to_string(),
            name: session.name,
            state: serde_json::to_value(&session.state).unwrap_or_default(),
            metrics: serde_json::to_value(session.metrics).unwrap_or_default(),
            created_at: session.created_at.0,
            updated_at: session.updated_at.0,
        }
    }
}
