//! The metrics of the server.

use crate::auth::{Caller, Read};
use crate::error::{Problem, Problems};
use crate::limits::SEARCH_ROWS_MAX;
use crate::metrics::Text;
use crate::state::{App, ServedKind};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use stepwright_core::RunStatus;
use stepwright_core::store::{PAGE_MAX, RunFilter};

/// The media type of Prometheus.
const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Returns the metrics of this server, as Prometheus reads them.
///
/// Runs that are open are counted up to 10 000 for each status. A key of one user is refused: they
/// are those of all users.
#[utoipa::path(
    get, path = "/v1/metrics", tag = "server",
    responses(
        (status = 200, description = "The metrics.", body = String, content_type = "text/plain"),
        Problems,
    )
)]
pub(super) async fn get_metrics(
    Caller(who, _): Caller<Read>,
    State(app): State<App>,
) -> Result<Response, Problem> {
    if !who.sees_metrics() {
        let what = "a key of one user may not see the metrics of all";
        return Err(Problem::new(StatusCode::FORBIDDEN, what));
    }
    let runs = app.seen_by(&who)?;
    let mut text = Text::default();
    text.head("stepwright_runs_open", "gauge", "Runs that have not ended.");
    for status in [RunStatus::Pending, RunStatus::Running, RunStatus::Paused] {
        let mut count = 0;
        while count < SEARCH_ROWS_MAX {
            let filter = RunFilter { status: Some(status), offset: count, ..<_>::default() };
            let rows = runs.list(filter).await?.len();
            count += rows;
            if rows < PAGE_MAX {
                break;
            }
        }
        text.value("stepwright_runs_open", &[("status", status.as_str())], count);
    }
    text.head("stepwright_served", "gauge", "Workflows, agents and teams that are served.");
    for kind in [ServedKind::Workflow, ServedKind::Agent, ServedKind::Team] {
        let count = app.served.iter().filter(|served| served.kind == kind).count();
        text.value("stepwright_served", &[("kind", kind.as_str())], count);
    }
    text.head("stepwright_streams_open", "gauge", "Open streams of events and WebSockets.");
    text.value("stepwright_streams_open", &[], app.open_streams());
    text.head("stepwright_start_time_seconds", "gauge", "The start, in seconds since 1970.");
    text.value("stepwright_start_time_seconds", &[], app.started.seconds());
    app.counters.write(&mut text);
    Ok(([(header::CONTENT_TYPE, MEDIA_TYPE)], text.0).into_response())
}
