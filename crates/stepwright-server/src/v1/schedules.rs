//! Schedules.

use super::drive::{Accepted, accepted};
use super::triggers;
use super::views::AcceptedView;
use crate::auth::{Caller, Read, Start, Who};
use crate::error::{Problem, Problems};
use crate::state::App;
use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;
use stepwright_core::Timestamp;
use stepwright_engine::real_world;
use stepwright_triggers::StoredSchedule;
use utoipa::ToSchema;

/// The number of next times that a schedule shows.
const NEXT: usize = 5;

/// The schedules of the workflows that are served here.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ScheduleList {
    /// By workflow and name.
    schedules: Vec<ScheduleView>,
}

/// A schedule.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Schedule)]
pub(super) struct ScheduleView {
    /// The id: that of the workflow and the name, with a full stop between them.
    id: String,
    /// The id of the workflow.
    workflow_id: String,
    /// The name.
    name: String,
    /// The times, for people.
    timetable: String,
    /// `true` if it was paused: its times pass without runs.
    paused: bool,
    /// The next times, in milliseconds since 1970 and without jitter. Empty if it is paused.
    next: Vec<u64>,
    /// The last thing that happened.
    #[schema(required)]
    last: Option<LastView>,
}

/// The last thing that happened to a schedule.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = LastFiring)]
pub(super) struct LastView {
    /// The time, in milliseconds since 1970.
    at: u64,
    /// The last run that began.
    #[schema(required)]
    run_id: Option<String>,
    /// The reason that the time has no run.
    #[schema(required)]
    note: Option<String>,
}

impl ScheduleView {
    fn of(schedule: &StoredSchedule, now: Timestamp) -> Self {
        let last = schedule.last.as_ref().map(|last| LastView {
            at: last.at.0,
            run_id: last.run.as_ref().map(ToString::to_string),
            note: last.note.clone(),
        });
        Self {
            id: schedule.id(),
            workflow_id: schedule.workflow.to_string(),
            name: schedule.name.clone(),
            timetable: schedule.timetable.to_string(),
            paused: schedule.paused,
            next: schedule.next(now, NEXT).into_iter().map(|time| time.0).collect(),
            last,
        }
    }
}

fn check(app: &App, who: &Who, id: &str) -> Result<(), Problem> {
    triggers::check(who, "schedule", id, app.scheduler.has(id))
}

/// Pauses or resumes a schedule, and answers with it.
async fn set_paused(
    app: &App,
    who: &Who,
    id: &str,
    paused: bool,
) -> Result<Json<ScheduleView>, Problem> {
    check(app, who, id)?;
    let schedules = app.scheduler.schedules();
    let schedule = if paused { schedules.pause(id).await? } else { schedules.resume(id).await? };
    Ok(Json(ScheduleView::of(&schedule, real_world().wall())))
}

/// Lists the schedules of the workflows that are served, with their next times.
///
/// Callers who see the runs of one user only get an empty list.
#[utoipa::path(
    get, path = "/v1/schedules", tag = "schedules",
    responses(
        (status = 200, description = "The schedules.", body = ScheduleList),
        Problems,
    )
)]
pub(super) async fn list_schedules(
    Caller(who, _): Caller<Read>,
    State(app): State<App>,
) -> Result<Json<ScheduleList>, Problem> {
    let now = real_world().wall();
    let mut schedules = Vec::new();
    if triggers::are_seen_by(&who) && !app.scheduler.is_empty() {
        let all = app.scheduler.stored().await?;
        schedules = all.iter().map(|schedule| ScheduleView::of(schedule, now)).collect();
    }
    Ok(Json(ScheduleList { schedules }))
}

/// Pauses a schedule: its times pass without runs.
///
/// Runs that began go on.
#[utoipa::path(
    post, path = "/v1/schedules/{id}/pause", tag = "schedules",
    params(("id" = String, Path, description = "The id of the schedule.")),
    responses(
        (status = 200, description = "The schedule.", body = ScheduleView),
        Problems,
    )
)]
pub(super) async fn pause_schedule(
    Caller(who, _): Caller<Start>,
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Json<ScheduleView>, Problem> {
    set_paused(&app, &who, &id, true).await
}

/// Resumes a schedule.
///
/// Times that passed meanwhile are not caught up.
#[utoipa::path(
    post, path = "/v1/schedules/{id}/resume", tag = "schedules",
    params(("id" = String, Path, description = "The id of the schedule.")),
    responses(
        (status = 200, description = "The schedule.", body = ScheduleView),
        Problems,
    )
)]
pub(super) async fn resume_schedule(
    Caller(who, _): Caller<Start>,
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Json<ScheduleView>, Problem> {
    set_paused(&app, &who, &id, false).await
}

/// Begins a run of a schedule now, also of a paused one.
///
/// It begins beside the last run, if that is under way.
#[utoipa::path(
    post, path = "/v1/schedules/{id}/run", tag = "schedules",
    params(("id" = String, Path, description = "The id of the schedule.")),
    responses(
        (status = 202, description = "The run is stored.", body = AcceptedView),
        Problems,
    )
)]
pub(super) async fn run_schedule(
    Caller(who, _): Caller<Start>,
    State(app): State<App>,
    Path(id): Path<String>,
) -> Result<Accepted, Problem> {
    check(&app, &who, &id)?;
    let run = app.scheduler.run_now(&id).await?;
    accepted(&app, &who, &run).await
}
