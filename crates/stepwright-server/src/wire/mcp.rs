//! The server of MCP at `/mcp`: the tools of a caller are what the caller may do at `/v1`.

use crate::auth::{Answer, Caller, Read, Start, Who};
use crate::body;
use crate::error::Problem;
use crate::state::{App, Served, ServedKind};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::get;
use futures_util::StreamExt as _;
use http_body_util::BodyExt as _;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use stepwright_core::Error;
use stepwright_mcp::{McpService, MountedMcp};

/// The callers with a service of their own. The one that was silent for the longest time loses its
/// sessions when another one comes.
const CALLERS_MAX: usize = 1_000;

/// The services, one for each caller, so that no caller reaches the sessions of another.
#[derive(Clone)]
struct Services {
    app: App,
    of: Arc<Mutex<HashMap<Who, Known>>>,
}

/// The service of a caller.
struct Known {
    service: MountedMcp,
    used: Instant,
}

/// Returns the route.
pub(crate) fn router(app: &App) -> Router<App> {
    let services = Services { app: app.clone(), of: Arc::default() };
    Router::new().route("/mcp", get(answer).post(answer).delete(answer).with_state(services))
}

/// Checks that what is served can be the tools of one server.
///
/// # Errors
/// If a workflow has the name of a tool that reads runs, or the key is too short.
pub(crate) fn check(app: &App) -> Result<(), Error> {
    service(app, &Who::owner()).map(drop)
}

fn service(app: &App, who: &Who) -> Result<MountedMcp, Error> {
    let mut service = McpService::new().runs(app.seen_by(who)?).answers(who.may::<Answer>("*"));
    let is_tool = |served: &&Served| {
        let is_offered = app.mcp.agents || served.kind == ServedKind::Workflow;
        is_offered && who.may::<Start>(served.workflow.id().as_str())
    };
    for served in app.served.iter().filter(is_tool) {
        service = service.workflow(&served.workflow, served.input_schema.as_ref());
        service = service.metadata(served.metadata.clone());
    }
    if let Some(user) = who.only() {
        service = service.user(user);
    }
    if let Some(name) = who.signs() {
        service = service.answered_by(name);
    }
    if let Some(key) = &app.mcp.key {
        service = service.state_key(key.clone());
    }
    service.mounted(app.streams.child_token())
}

impl Services {
    fn of(&self, who: &Who) -> Result<MountedMcp, Error> {
        let mut all = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        let used = Instant::now();
        if let Some(known) = all.get_mut(who) {
            known.used = used;
            return Ok(known.service.clone());
        }
        let service = service(&self.app, who)?;
        // An identity provider may have any number of users.
        if all.len() >= CALLERS_MAX {
            let idle = all.iter().min_by_key(|(_, known)| known.used).map(|(who, _)| who.clone());
            idle.and_then(|who| all.remove(&who));
        }
        all.insert(who.clone(), Known { service: service.clone(), used });
        Ok(service)
    }
}

/// Answers a request of MCP, perhaps with a stream.
async fn answer(
    Caller(who, _): Caller<Read>,
    State(services): State<Services>,
    request: Request,
) -> Result<Response, Problem> {
    let slot = services.app.stream_slot()?;
    let (parts, body) = request.into_parts();
    let body = body::read(body).await?;
    let answer = services.of(&who)?.answer(Request::from_parts(parts, body)).await;
    let is_stream = answer.headers().get(http::header::CONTENT_TYPE);
    let is_stream =
        is_stream.is_some_and(|media| media.as_bytes().starts_with(b"text/event-stream"));
    Ok(answer.map(|body| {
        if !is_stream {
            return Body::new(body);
        }
        Body::from_stream(body.into_data_stream().map(move |data| {
            let _held = &slot;
            data
        }))
    }))
}
