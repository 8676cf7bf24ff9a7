//! The chat API of `OpenAI`, in front of any workflow, agent or team.

mod chat;
mod fault;
mod prompt;
mod shapes;
mod stream;

pub(crate) use fault::rendered;

use self::fault::{ErrorView, Fault};
use self::shapes::{ModelList, ModelView};
use crate::auth::{Caller, Read};
use crate::state::App;
use axum::Json;
use axum::extract::{Path, State};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

/// Returns `true` for a path of this API.
pub(crate) fn is_of(path: &str) -> bool {
    path == "/v1/chat/completions" || path == "/v1/models" || path.starts_with("/v1/models/")
}

/// Returns the routes, with the part of the document that describes them.
pub(crate) fn router() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(chat::complete_chat))
        .routes(routes!(list_models))
        .routes(routes!(get_model))
}

/// Lists the workflows, agents and teams as models.
///
/// The id of each is the `model` of a chat.
#[utoipa::path(
    get, path = "/v1/models", tag = "chat",
    responses(
        (status = 200, description = "The models.", body = ModelList),
        (status = "4XX", description = "An error.", body = ErrorView),
    )
)]
async fn list_models(_: Caller<Read>, State(app): State<App>) -> Json<ModelList> {
    Json(ModelList::of(&app))
}

/// Returns a workflow, an agent or a team as a model.
///
/// It says no more than the list.
#[utoipa::path(
    get, path = "/v1/models/{id}", tag = "chat",
    params(("id" = String, Path, description = "The id of the workflow, agent or team.")),
    responses(
        (status = 200, description = "The model.", body = ModelView),
        (status = "4XX", description = "An error.", body = ErrorView),
    )
)]
async fn get_model(
    _: Caller<Read>,
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Json<ModelView>, Fault> {
    let served = app.of_id(&id).ok_or_else(|| Fault::unknown_model(&id))?;
    Ok(Json(ModelView::of(&app, served)))
}
