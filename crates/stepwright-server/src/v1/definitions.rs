//! Workflows and agents.

use super::views::WorkflowView;
use crate::auth::{Caller, Read};
use crate::error::{Problem, Problems};
use crate::state::{App, Served, State as Shared};
use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;
use utoipa::ToSchema;

/// The workflows and agents.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Workflows {
    /// In the order in which they were given.
    workflows: Vec<WorkflowView>,
}

/// Returns the workflow with this id, or the problem that there is none.
pub(super) fn served<'a>(app: &'a Shared, id: &str) -> Result<&'a Served, Problem> {
    app.of_id(id).ok_or_else(|| {
        let names: Vec<String> =
            app.served.iter().map(|it| format!("`{}`", it.workflow.id())).collect();
        let what = format!("workflow `{id}` is not served here");
        Problem::not_found(what).with_help(format!("there are {}", names.join(", ")))
    })
}

/// Lists the workflows and agents that are served.
///
/// Without their plans.
#[utoipa::path(
    get, path = "/v1/workflows", tag = "workflows",
    responses(
        (status = 200, description = "The workflows.", body = Workflows),
        Problems,
    )
)]
pub(super) async fn list_workflows(
    Caller(who, _): Caller<Read>,
    State(app): State<App>,
) -> Json<Workflows> {
    let seen = app.served.iter().filter(|it| who.sees("workflows", it.workflow.id().as_str()));
    let workflows = seen.map(|served| WorkflowView::of(served, false)).collect();
    Json(Workflows { workflows })
}

/// Returns a workflow or an agent, with its plan.
///
/// The plan is the tree of its steps.
#[utoipa::path(
    get, path = "/v1/workflows/{id}", tag = "workflows",
    params(("id" = String, Path, description = "The id of the workflow.")),
    responses(
        (status = 200, description = "The workflow.", body = WorkflowView),
        Problems,
    )
)]
pub(super) async fn get_workflow(
    _: Caller<Read>,
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Json<WorkflowView>, Problem> {
    Ok(Json(WorkflowView::of(served(&app, &id)?, true)))
}
