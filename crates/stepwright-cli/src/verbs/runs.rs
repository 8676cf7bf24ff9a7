//! `stepwright runs`.

use crate::args::Runs;
use crate::exit::Exit;
use crate::open;
use crate::run_reference::{short, short_text};
use crate::ui::print::Stdout;
use crate::ui::table::table;
use crate::ui::terminal::Stderr;
use crate::verbs::show::{standing, took};
use serde_json::{Value, json};
use std::sync::Arc;
use stepwright::Error;
use stepwright::budgets::Cost;
use stepwright::store::{RunFilter, RunRow};
use stepwright_core::output::QueuedFor;
use stepwright_engine::real_world;
use stepwright_term::{ago, harmless, utc};

/// A run of the list, with what its facts tell.
pub(crate) struct Listed {
    pub(crate) row: RunRow,
    /// The cost so far. `None` if the facts cannot be read, which `stepwright verify` explains.
    cost: Option<Cost>,
    /// The key that the run waits for.
    queued: Option<QueuedFor>,
    /// The queues whose workers the run waits for.
    awaited: Vec<Arc<str>>,
}

/// Lists runs.
pub(crate) async fn runs(arguments: &Runs, stderr: Stderr) -> Result<Exit, Error> {
    let runs = open::runs(&arguments.kept, None).await?;
    let filter = RunFilter {
        session_id: arguments.session.clone(),
        user_id: arguments.user.clone(),
        workflow_id: arguments.workflow.clone(),
        status: arguments.status,
        before: None,
        limit: arguments.page.limit,
        offset: arguments.page.offset,
    };
    let rows = match arguments.page.limit {
        // The store would take the limit 0 as its maximum.
        0 => Vec::new(),
        _ => told(&runs, runs.list(filter).await?).await,
    };
    let mut stdout = Stdout::new();
    if arguments.json {
        let rows: Vec<Value> = rows.iter().map(object).collect();
        stdout.write_json_pretty(&rows);
    } else if rows.is_empty() {
        stderr.note("there is no such run");
    } else {
        stdout.write_rows(&listed(&rows, stdout.is_read_by_people()));
    }
    Ok(stdout.end(stderr, Exit::Completed))
}

/// Reads what the facts of runs tell beside their rows. The rows of runs that have ended tell it
/// themselves.
pub(crate) async fn told(runs: &stepwright::Runs, rows: Vec<RunRow>) -> Vec<Listed> {
    let mut all = Vec::with_capacity(rows.len());
    for row in rows {
        if let Some(metrics) = row.metrics {
            let (cost, queued, awaited) = (Some(metrics.cost), None, Vec::new());
            all.push(Listed { row, cost, queued, awaited });
            continue;
        }
        let output = runs.get(&row.run_id).await.ok();
        let cost = output.as_ref().map(|output| output.metrics.cost);
        let (queued, awaited) =
            output.map(|output| (output.queued, output.awaited_queues)).unwrap_or_default();
        all.push(Listed { row, cost, queued, awaited });
    }
    all
}

/// Returns a run as JSON: its row, its cost, and the key that it waits for.
fn object(listed: &Listed) -> Value {
    let mut object = json!(listed.row);
    object["cost"] = json!(listed.cost);
    if let Some(queued) = &listed.queued {
        object["queued"] = json!(queued);
    }
    if !listed.awaited.is_empty() {
        object["awaited_queues"] = json!(listed.awaited);
    }
    object
}

/// Formats runs as a table: for people with short ids and relative times, and otherwise with whole
/// ids and dates.
pub(crate) fn listed(rows: &[Listed], is_read_by_people: bool) -> String {
    let now = real_world().wall();
    let row = |listed: &Listed| {
        let row = &listed.row;
        let id = if is_read_by_people { short(&row.run_id) } else { row.run_id.as_str() };
        let session = row.session_id.as_str();
        let session = if is_read_by_people { short_text(session) } else { session };
        let began = row.created_at;
        let status = match &listed.queued {
            Some(queued) if queued.key.is_empty() => "queued".to_owned(),
            Some(queued) => format!("queued for key {}", harmless(&queued.key)),
            None if !listed.awaited.is_empty() => {
                format!("for queue {}", harmless(&listed.awaited.join(", ")))
            }
            None => standing(row).0.to_owned(),
        };
        [
            id.to_owned(),
            status,
            row.workflow_id.to_string(),
            if is_read_by_people { ago(began, now) } else { utc(began) },
            took(row),
            cost(listed),
            session.to_owned(),
            row.user_id.as_ref().map(ToString::to_string).unwrap_or_default(),
        ]
    };
    let names = ["RUN", "STATUS", "WORKFLOW", "BEGAN", "TOOK", "COST", "SESSION", "USER"];
    if rows.iter().all(|listed| listed.row.origin.is_none()) {
        return table(names, rows.iter().map(row).collect());
    }
    let with_origin = |it: &Listed| {
        let origin = it.row.origin.as_ref();
        let origin = origin.map(|origin| origin.run.to_string()).unwrap_or_default();
        let [run, status, workflow, began, took, cost, session, user] = row(it);
        [run, status, workflow, began, took, cost, session, user, origin]
    };
    let [run, status, workflow, began, took, cost, session, user] = names;
    let names = [run, status, workflow, began, took, cost, session, user, "ORIGIN"];
    table(names, rows.iter().map(with_origin).collect())
}

/// Returns the cost, and nothing for a run that asked no model. A sum with requests of unknown
/// price is a least amount.
fn cost(listed: &Listed) -> String {
    match listed.cost {
        None => "?".to_owned(),
        Some(cost) if cost.is_zero() => String::new(),
        Some(cost) if cost.unpriced_requests() == 0 => cost.to_string(),
        Some(cost) if cost.nano_usd() == 0 => "unknown".to_owned(),
        Some(cost) => format!("over {}", Cost::of_nano_usd(cost.nano_usd())),
    }
}
