//! Links that answer one pending request each.

use crate::auth::{Answer as MayAnswer, Caller};
use crate::body::{self, JsonBody};
use crate::error::{Problem, ProblemView, Problems};
use crate::limits::{LINK_BODY_BYTES_MAX, LINK_LIFE, LINK_LIFE_MAX, LINK_NAME_BYTES_MAX};
use crate::link_page;
use crate::links::{Held, Link};
use crate::state::App;
use axum::Json;
use axum::extract::{Path, Request, State};
use axum::response::Response;
use http::{StatusCode, header};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use stepwright_core::{Answer, Error, ErrorKind, Requirement};
use utoipa::ToSchema;

/// A link to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewLink {
    /// The id of the pending request.
    request: String,
    /// The name of the person that the link is for. The answer has it.
    to: String,
    /// The seconds for which the link works, at most 31 days; a day by default. It never outlives
    /// the deadline of its request.
    expires_in: Option<u64>,
}

/// A new link.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Link)]
pub(super) struct LinkView {
    /// The path of its address, which is shown only now.
    path: String,
    /// The time from which on it is refused, in milliseconds since 1970.
    expires_at: u64,
}

/// Makes a link by which one person answers one pending request, without a key.
///
/// Its address is the right to answer: send it to that person only. It works once.
#[utoipa::path(
    post, path = "/v1/runs/{id}/links", tag = "runs", request_body = NewLink,
    params(("id" = String, Path, description = "The id of the run.")),
    responses(
        (status = 201, description = "The link.", body = LinkView),
        Problems,
    )
)]
pub(super) async fn make_link(
    Caller(who, _): Caller<MayAnswer>,
    State(app): State<App>,
    Path(id): Path<String>,
    JsonBody(new): JsonBody<NewLink>,
) -> Result<(StatusCode, Json<LinkView>), Problem> {
    let found = app.find(&who, &id).await?;
    let run = found.row.run_id.clone();
    // Only its workflow can go on with the answer.
    found.driven()?;
    let NewLink { request, to, expires_in } = new;
    let is_name = !to.trim().is_empty() && !to.contains(char::is_control);
    if !is_name || to.len() > LINK_NAME_BYTES_MAX {
        let what = format!("`to` is no name of a person: `{}`", to.escape_debug());
        let help = format!("use up to {LINK_NAME_BYTES_MAX} bytes, such as `anna@example.org`");
        return Err(Problem::bad(what).with_help(help));
    }
    let life = expires_in.map_or(LINK_LIFE, Duration::from_secs);
    if life.is_zero() || life > LINK_LIFE_MAX {
        let what = format!("`expires_in` is {} seconds", life.as_secs());
        let help = format!("use from 1 to {}", LINK_LIFE_MAX.as_secs());
        return Err(Problem::bad(what).with_help(help));
    }
    let snapshot = app.seen_by(&who)?.load(&run).await?;
    let pending = snapshot.unanswered();
    let asked = pending.iter().find(|asked| *asked.id == *request);
    let asked = asked.filter(|asked| !asked.answers().is_empty()).ok_or_else(|| {
        let problem = Problem::not_found(format!("run `{run}` has no pending request `{request}`"));
        problem.with_help(format!("`GET /v1/runs/{run}` lists them"))
    })?;
    let end = app.links.end(life);
    let expires_at = asked.due.map_or(end, |due| due.min(end));
    let by = who.signs().map(str::to_owned);
    let asked_at = snapshot.asked_at(&request);
    let link = Link { run, request, asked_at, to, by, expires_at, used_at: None };
    let path = format!("/v1/links/{}", app.links.add(&link).await?);
    Ok((StatusCode::CREATED, Json(LinkView { path, expires_at: expires_at.0 })))
}

/// Shows the question of a link, with a form.
///
/// It changes nothing, so that programs that look into messages answer nothing.
#[utoipa::path(
    get, path = "/v1/links/{id}", tag = "runs", security(()),
    params(("id" = String, Path, description = "The token.")),
    responses(
        (status = 200, description = "The page.", body = String, content_type = "text/html"),
        (status = "4XX", description = "A page that says why, or a problem.", content(
            (String = "text/html"),
            (ProblemView = "application/problem+json"),
        )),
    )
)]
pub(super) async fn show_link(
    State(app): State<App>,
    Path(token): Path<String>,
) -> Result<Response, Problem> {
    Ok(match pending(&app, &token).await? {
        Ok((held, asked)) => link_page::question(&asked, &held.link.to, None),
        Err(page) => page,
    })
}

/// Answers the request of a link.
///
/// The body is the form of the page.
#[utoipa::path(
    post, path = "/v1/links/{id}", tag = "runs", security(()),
    params(("id" = String, Path, description = "The token.")),
    request_body(content = String, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "The answer is stored.", body = String,
            content_type = "text/html"),
        (status = "4XX", description = "A page that says why, or a problem.", content(
            (String = "text/html"),
            (ProblemView = "application/problem+json"),
        )),
    )
)]
pub(super) async fn use_link(
    State(app): State<App>,
    Path(token): Path<String>,
    request: Request,
) -> Result<Response, Problem> {
    let media = request.headers().get(header::CONTENT_TYPE);
    let media = media.and_then(|media| media.to_str().ok()).unwrap_or_default();
    if media.split(';').next() != Some("application/x-www-form-urlencoded") {
        let problem = Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body is no form");
        return Err(problem.with_help("open the link in a browser, and answer there"));
    }
    let form = body::read_at_most(request.into_body(), LINK_BODY_BYTES_MAX).await?;
    let (held, asked) = match pending(&app, &token).await? {
        Ok(found) => found,
        Err(page) => return Ok(page),
    };
    let answer = match link_page::answer(&asked, &form) {
        Ok(answer) => answer,
        Err(mistake) => return Ok(link_page::question(&asked, &held.link.to, Some(&mistake))),
    };
    // Before the answer, so that of two only one counts.
    let Some(taken) = app.links.take(&held).await? else { return Ok(used()) };
    if let Err(error) = submit(&app, &taken.link, answer).await {
        app.links.give_back(&taken).await?;
        return Err(error.into());
    }
    let thanks = "The answer is stored, and the run goes on.";
    Ok(link_page::note(StatusCode::OK, "Thank you", thanks))
}

/// Hands an answer to the run, in the name of the person that the link is for.
async fn submit(app: &App, link: &Link, answer: Answer) -> Result<(), Error> {
    let answers = [(link.request.as_str(), answer)];
    let served = app.runs.row(&link.run).await?.workflow_id;
    match app.of_id(served.as_str()) {
        Some(served) => {
            let resumed = served.workflow.continue_run(&link.run, answers);
            resumed.answered_by(link.to.as_str()).background().await.map(|_| ())
        }
        // Its driver takes it from the inbox, in whichever process it is.
        None => app.runs.submit(&link.run, answers, Some(&link.to)).await,
    }
}

fn used() -> Response {
    let text = "It works once. The answer is stored.";
    link_page::note(StatusCode::GONE, "This link was used", text)
}

/// Finds the link and its pending request, or the page that says why there is none.
async fn pending(app: &App, token: &str) -> Result<Result<(Held, Requirement), Response>, Problem> {
    let gone = |title: &str, text: &str| Ok(Err(link_page::note(StatusCode::GONE, title, text)));
    let Some(held) = app.links.find(token).await? else {
        let text = "It is not complete, or was removed after its end.";
        return Ok(Err(link_page::note(StatusCode::NOT_FOUND, "There is no such link", text)));
    };
    if held.link.used_at.is_some() {
        return Ok(Err(used()));
    }
    if app.links.is_over(&held.link) {
        return gone("This link has expired", "Ask the sender for another one.");
    }
    let snapshot = match app.runs.load(&held.link.run).await {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return gone("The run does not exist any more", "Nothing is left to answer.");
        }
        found => found?,
    };
    let request = &*held.link.request;
    let is_same = held.link.asked_at.is_some() && snapshot.asked_at(request) == held.link.asked_at;
    let asked = snapshot.unanswered().into_iter().find(|asked| is_same && *asked.id == *request);
    match asked {
        Some(asked) => Ok(Ok((held, asked))),
        None => gone("The question was answered", "Another person or a deadline was first."),
    }
}
