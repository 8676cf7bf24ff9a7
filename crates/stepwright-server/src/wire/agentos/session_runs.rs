//! The runs of sessions.

use super::convert;
use super::fault::Fault;
use super::query::Asked;
use super::sessions::{found, kind_of, outputs};
use super::stored;
use crate::auth::{Caller, Read, Who};
use crate::state::App;
use axum::Json;
use axum::extract::{Path, State};
use serde_json::{Value, json};
use stepwright_core::{RunId, RunOutput};

/// The characters of a preview.
const PREVIEW: usize = 280;

/// The words for the status of a run.
const STATUSES: [&str; 7] =
    ["PENDING", "RUNNING", "COMPLETED", "PAUSED", "CANCELLED", "ERROR", "REGENERATED"];

fn no_session(id: &str) -> String {
    format!("Session with ID {id} not found")
}

/// Returns the outputs of the runs of a session that the request asks for.
async fn wanted(app: &App, who: &Who, id: &str, asked: &Asked) -> Result<Vec<RunOutput>, Fault> {
    let wanted: Vec<String> = asked.all("status").map(str::to_uppercase).collect();
    let is_unknown = |word: &&str| !STATUSES.contains(&word.to_uppercase().as_str());
    let unknown: Vec<&str> = asked.all("status").filter(is_unknown).collect();
    if !unknown.is_empty() {
        let list = |words: &[&str]| {
            let words: Vec<String> = words.iter().map(|word| format!("'{word}'")).collect();
            format!("[{}]", words.join(", "))
        };
        let (given, known) = (list(&unknown), list(&STATUSES));
        let what = format!("Invalid status value(s) {given}; expected one of {known}");
        return Err(Fault::bad(what));
    }
    let (after, before) = (asked.seconds("created_after")?, asked.seconds("created_before")?);
    let session = found(app, who, id, asked, no_session(id)).await?;
    let mut all = outputs(app, who, &session).await?;
    all.retain(|output| {
        let at = output.created_at.seconds();
        after.is_none_or(|after| at >= after)
            && before.is_none_or(|before| at <= before)
            && (wanted.is_empty()
                || wanted.iter().any(|word| word == convert::status(output).as_str()))
    });
    Ok(all)
}

/// `GET /sessions/{sid}/runs`.
pub(super) async fn list(
    Caller(who, _): Caller<Read>,
    State(app): State<App>,
    Path(id): Path<String>,
    asked: Asked,
) -> Result<Json<Vec<Value>>, Fault> {
    let runs = app.seen_by(&who)?;
    let mut all = Vec::new();
    for output in wanted(&app, &who, &id, &asked).await? {
        let served = app.of_id(output.workflow_id.as_str());
        all.push(stored::schema(served, &runs, &output).await?);
    }
    Ok(Json(all))
}

/// `GET /sessions/{sid}/runs/{run_id}`.
pub(super) async fn get(
    Caller(who, _): Caller<Read>,
    State(app): State<App>,
    Path((id, run)): Path<(String, String)>,
    asked: Asked,
) -> Result<Json<Value>, Fault> {
    let missing = || Fault::not_found(format!("Run with ID {run} not found in session {id}"));
    found(&app, &who, &id, &asked, no_session(&id)).await?;
    let run_id = RunId::new(&run).map_err(|_| missing())?;
    let runs = app.seen_by(&who)?;
    let output = runs.get(&run_id).await.map_err(|_| missing())?;
    if output.session_id.as_str() != id {
        return Err(missing());
    }
    let served = app.of_id(output.workflow_id.as_str());
    Ok(Json(stored::schema(served, &runs, &output).await?))
}

/// `GET /sessions/{sid}/run-previews`.
pub(super) async fn previews(
    Caller(who, _): Caller<Read>,
    State(app): State<App>,
    Path(id): Path<String>,
    asked: Asked,
) -> Result<Json<Vec<Value>>, Fault> {
    let session = found(&app, &who, &id, &asked, no_session(&id)).await?;
    let kind = kind_of(&app, &session);
    let short = |text: &str| text.chars().take(PREVIEW).collect::<String>();
    let of = |output: RunOutput| {
        let mut one = json!({
            "run_id": output.run_id, "user_id": output.user_id,
            "status": convert::status(&output).as_str(), "run_input": short(&output.input.text()),
            "content_preview": short(&output.content.text()),
            "created_at": output.created_at.to_rfc3339(),
        });
        one[kind.id_key()] = json!(output.workflow_id);
        one
    };
    Ok(Json(wanted(&app, &who, &id, &asked).await?.into_iter().map(of).collect()))
}
