//! `stepwright runs`.

use crate::args::Runs;
use crate::exit::Exit;
use crate::open;
use crate::run_reference::{short, short_text};
use crate::ui::print::Stdout;
use crate::ui::table::table;
use crate::ui::terminal::Stderr;
use crate::verbs::show::{standing, took};
use stepwright::Error;
use stepwright::store::{RunFilter, RunRow};
use stepwright_engine::real_world;
use stepwright_term::{ago, utc};

/// Lists runs.
pub(crate) async fn runs(arguments: &Runs, stderr: Stderr) -> Result<Exit, Error> {
    let runs = open::runs(&arguments.kept, None).await?;
    let filter = RunFilter {
        session_id: arguments.session.clone(),
        user_id: arguments.user.clone(),
        workflow_id: arguments.workflow.clone(),
        status: arguments.status,
        limit: arguments.page.limit,
        offset: arguments.page.offset,
    };
    let rows = match arguments.page.limit {
        // The store would take the limit 0 as its maximum.
        0 => Vec::new(),
        _ => runs.list(filter).await?,
    };
    let mut stdout = Stdout::new();
    if arguments.json {
        stdout.write_json_pretty(&rows);
    } else if rows.is_empty() {
        stderr.note("there is no such run");
    } else {
        stdout.write_rows(&listed(&rows, stdout.is_read_by_people()));
    }
    Ok(stdout.end(stderr, Exit::Completed))
}

/// Formats runs as a table: for people with short ids and relative times, and otherwise with whole
/// ids and dates.
pub(crate) fn listed(rows: &[RunRow], is_read_by_people: bool) -> String {
    let now = real_world().wall();
    let row = |row: &RunRow| {
        let id = if is_read_by_people { short(&row.run_id) } else { row.run_id.as_str() };
        let session = row.session_id.as_str();
        let session = if is_read_by_people { short_text(session) } else { session };
        let began = row.created_at;
        [
            id.to_owned(),
            standing(row).0.to_owned(),
            row.workflow_id.to_string(),
            if is_read_by_people { ago(began, now) } else { utc(began) },
            took(row),
            session.to_owned(),
            row.user_id.as_ref().map(ToString::to_string).unwrap_or_default(),
        ]
    };
    let names = ["RUN", "STATUS", "WORKFLOW", "BEGAN", "TOOK", "SESSION", "USER"];
    if rows.iter().all(|row| row.origin.is_none()) {
        return table(names, rows.iter().map(row).collect());
    }
    let with_origin = |it: &RunRow| {
        let origin = it.origin.as_ref().map(|origin| origin.run.to_string()).unwrap_or_default();
        let [run, status, workflow, began, took, session, user] = row(it);
        [run, status, workflow, began, took, session, user, origin]
    };
    let [run, status, workflow, began, took, session, user] = names;
    let names = [run, status, workflow, began, took, session, user, "ORIGIN"];
    table(names, rows.iter().map(with_origin).collect())
}
