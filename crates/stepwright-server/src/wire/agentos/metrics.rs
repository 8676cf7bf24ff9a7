//! Metrics by day. They are computed from sessions and runs at each request.

use super::convert;
use super::fault::Fault;
use super::query::Asked;
use super::sessions::{every_session, kind_of};
use crate::auth::{Caller, Manage, Read, Who};
use crate::limits::SEARCH_ROWS_MAX;
use crate::state::{App, ServedKind};
use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};
use stepwright_core::message::Usage;
use stepwright_core::store::{PAGE_MAX, RunFilter};
use stepwright_core::{Timestamp, UserId};

/// The kinds, in the order of their counts.
const KINDS: [ServedKind; 3] = [ServedKind::Agent, ServedKind::Team, ServedKind::Workflow];

/// The sums of one day.
#[derive(Default)]
struct Day {
    runs: [u64; 3],
    sessions: [u64; 3],
    users: BTreeSet<UserId>,
    usage: Usage,
    models: BTreeMap<String, u64>,
    first: Option<Timestamp>,
    last: Option<Timestamp>,
}

impl Day {
    fn see(&mut self, at: Timestamp) {
        self.first = Some(self.first.map_or(at, |first| first.min(at)));
        self.last = Some(self.last.map_or(at, |last| last.max(at)));
    }

    fn shown(&self, date: &str) -> Value {
        let mut day = Map::new();
        for (nth, kind) in KINDS.into_iter().enumerate() {
            day.insert(format!("{}_runs_count", kind.as_str()), json!(self.runs[nth]));
            day.insert(format!("{}_sessions_count", kind.as_str()), json!(self.sessions[nth]));
        }
        let model = |(name, count): (&String, &u64)| {
            let (provider, id) = convert::model(name);
            json!({"model_id": id, "model_provider": provider, "count": count})
        };
        let time = |at: Option<Timestamp>| at.map(Timestamp::to_rfc3339);
        day.insert("id".to_owned(), json!(date));
        day.insert("users_count".to_owned(), json!(self.users.len()));
        day.insert("token_metrics".to_owned(), convert::usage(&self.usage));
        day.insert("model_metrics".to_owned(), self.models.iter().map(model).collect());
        day.insert("date".to_owned(), json!(format!("{date}T00:00:00Z")));
        day.insert("created_at".to_owned(), json!(time(self.first)));
        day.insert("updated_at".to_owned(), json!(time(self.last)));
        day.into()
    }
}

/// Returns the place of a kind among the counts.
fn place(kind: ServedKind) -> usize {
    KINDS.iter().position(|known| *known == kind).unwrap_or_default()
}

/// Returns the day of a time in UTC.
fn date(at: Timestamp) -> String {
    at.to_rfc3339().chars().take("2026-11-22".len()).collect()
}

/// Returns the days, the oldest first. Tokens count for the day on which their session began.
async fn days(app: &App, who: &Who, asked: &Asked) -> Result<BTreeMap<String, Day>, Fault> {
    let mut days: BTreeMap<String, Day> = BTreeMap::new();
    let wanted = asked.get("user_id");
    for session in every_session(app, who).await? {
        let user = session.user_id.as_ref();
        if wanted.is_some_and(|wanted| user.map(UserId::as_str) != Some(wanted)) {
            continue;
        }
        let day = days.entry(date(session.created_at)).or_default();
        day.sessions[place(kind_of(app, &session))] += 1;
        day.usage += session.metrics.usage;
        day.users.extend(user.cloned());
        day.see(session.created_at);
        day.see(session.updated_at);
    }
    let runs = app.seen_by(who)?;
    let mut filter = RunFilter { limit: PAGE_MAX, ..<_>::default() };
    loop {
        let rows = runs.list(filter.clone()).await?;
        filter.offset += rows.len();
        let is_last = rows.len() < PAGE_MAX || filter.offset >= SEARCH_ROWS_MAX;
        for row in rows {
            let user = row.user_id.as_ref().map(UserId::as_str);
            if wanted.is_some_and(|wanted| user != Some(wanted)) {
                continue;
            }
            let served = app.of_id(row.workflow_id.as_str());
            let kind = served.map_or(ServedKind::Workflow, |served| served.kind);
            let day = days.entry(date(row.created_at)).or_default();
            day.runs[place(kind)] += 1;
            day.see(row.updated_at);
            if let Some(model) = served.and_then(|served| served.model.clone()) {
                *day.models.entry(model).or_default() += 1;
            }
        }
        if is_last {
            return Ok(days);
        }
    }
}

/// Checks a date such as `2026-11-22`, whose texts sort as the dates do.
fn bound<'a>(asked: &'a Asked, name: &str) -> Result<Option<&'a str>, Fault> {
    let Some(text) = asked.get(name) else { return Ok(None) };
    let digits = |(at, letter): (usize, char)| match at {
        4 | 7 => letter == '-',
        _ => letter.is_ascii_digit(),
    };
    if text.len() == "2026-11-22".len() && text.char_indices().all(digits) {
        return Ok(Some(text));
    }
    let why = "Input should be a valid date in the format YYYY-MM-DD";
    Err(Fault::invalid("date_from_datetime_parsing", "query", name, why, text))
}

/// `GET /metrics`.
pub(super) async fn list(
    Caller(who, _): Caller<Read>,
    State(app): State<App>,
    asked: Asked,
) -> Result<Json<Value>, Fault> {
    asked.kind()?;
    let (from, until) = (bound(&asked, "starting_date")?, bound(&asked, "ending_date")?);
    let mut days = days(&app, &who, &asked).await?;
    days.retain(|date, _| {
        from.is_none_or(|from| date.as_str() >= from)
            && until.is_none_or(|until| date.as_str() <= until)
    });
    let updated = days.values().filter_map(|day| day.last).max();
    let metrics: Vec<Value> = days.iter().map(|(date, day)| day.shown(date)).collect();
    let updated = updated.map(Timestamp::to_rfc3339);
    Ok(Json(json!({"metrics": metrics, "updated_at": updated})))
}

/// `POST /metrics/refresh`. Each request computes the figures, so there is nothing to wait for.
pub(super) async fn refresh(
    Caller(who, _): Caller<Manage>,
    State(app): State<App>,
    asked: Asked,
) -> Result<(StatusCode, Json<Value>), Fault> {
    asked.kind()?;
    if asked.get("background").is_some_and(|flag| flag.eq_ignore_ascii_case("true")) {
        let body = json!({"status": "completed", "message": "Each request computes the metrics"});
        return Ok((StatusCode::OK, Json(body)));
    }
    let days = days(&app, &who, &asked).await?;
    let shown: Vec<Value> = days.iter().map(|(date, day)| day.shown(date)).collect();
    Ok((StatusCode::OK, Json(shown.into())))
}

/// `GET /metrics/refresh/status`.
pub(super) async fn status(_: Caller<Read>, asked: Asked) -> Result<Json<Value>, Fault> {
    asked.kind()?;
    let nothing = Value::Null;
    Ok(Json(json!({
        "status": "idle", "started_at": nothing, "finished_at": nothing, "error": nothing,
    })))
}
