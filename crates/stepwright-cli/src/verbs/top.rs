//! `stepwright top`.

use crate::args::Top;
use crate::exit::Exit;
use crate::open;
use crate::run_reference::short;
use crate::ui::print::Stdout;
use crate::ui::table::table;
use crate::ui::terminal::Stderr;
use crate::verbs::show::standing;
use anstyle::{AnsiColor, Style};
use std::collections::HashMap;
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;
use stepwright::store::{RunFilter, RunRow};
use stepwright::term::{about, harmless, on_interrupt};
use stepwright::{Error, RunId, RunStatus, StepResult, StepStatus, Timestamp};
use stepwright_engine::{Runs, real_world};
use stepwright_term::ago;
use tokio::sync::Notify;

/// The time between two looks at the database.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The largest number of runs of which the steps are loaded: those that are shown first.
const LOADED_MAX: usize = 20;

/// The rows of the terminal that are no runs: the title, the headings, and the line of the cursor.
const OTHER_ROWS: usize = 4;

/// The steps of a run as of its last event.
struct Known {
    as_of: Timestamp,
    steps: String,
    now: String,
}

/// Shows all runs, those under way first. At a terminal it is redrawn until Ctrl-C; otherwise it is
/// written once.
pub(crate) async fn top(arguments: &Top, stderr: Stderr) -> Result<Exit, Error> {
    let runs = open::runs(&arguments.kept, arguments.user.as_ref()).await?;
    let mut stdout = Stdout::new();
    let mut known = HashMap::new();
    if !stdout.is_read_by_people() || !stdout.redraws() {
        let rows = look(&runs, arguments.limit, &mut known).await?;
        stdout.write_rows(&stdout.readable(shown(&rows, &known)));
        return Ok(stdout.end(stderr, Exit::Completed));
    }
    let left = Arc::new(Notify::new());
    let leave = left.clone();
    let _signals = on_interrupt(move |_| leave.notify_one());
    // The other screen of the terminal, so that the lines before come back afterwards.
    let _screen = OtherScreen::enter();
    loop {
        let (_, height) = stdout.size();
        let limit = arguments.limit.min(height.saturating_sub(OTHER_ROWS)).max(1);
        let rows = look(&runs, limit, &mut known).await?;
        stdout.write(&frame(&shown(&rows, &known), &rows, &stdout));
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            () = left.notified() => return Ok(Exit::Completed),
        }
        if stdout.is_closed() {
            return Ok(Exit::Completed);
        }
    }
}

/// Returns the runs to show, and loads the steps of those that are under way and have changed.
async fn look(
    runs: &Runs,
    limit: usize,
    known: &mut HashMap<RunId, Known>,
) -> Result<Vec<RunRow>, Error> {
    let mut rows: Vec<RunRow> = Vec::new();
    for status in [RunStatus::Running, RunStatus::Pending, RunStatus::Paused] {
        let filter = RunFilter { status: Some(status), limit, ..RunFilter::default() };
        rows.extend(runs.list(filter).await?);
    }
    let newest = runs.list(RunFilter { limit, ..RunFilter::default() }).await?;
    rows.extend(newest.into_iter().filter(|row| row.status.is_terminal()));
    rows.truncate(limit);
    known.retain(|run, _| rows.iter().any(|row| row.run_id == *run));
    for row in rows.iter().take(LOADED_MAX) {
        if known.get(&row.run_id).is_some_and(|known| known.as_of == row.updated_at) {
            continue;
        }
        // A run may be deleted meanwhile, or damaged: its row is shown all the same.
        let Ok(snapshot) = runs.load(&row.run_id).await else { continue };
        let output = snapshot.output();
        let (mut done, mut all, mut now) = (0, 0, Vec::new());
        count(&output.step_results, &mut done, &mut all, &mut now);
        let waits = output.requirements.iter().find(|asked| asked.needs_person());
        let now = match waits {
            Some(asked) if !row.status.is_terminal() => format!("waits: {}", asked.message),
            _ => now.join(", "),
        };
        let known_now = Known { as_of: row.updated_at, steps: format!("{done}/{all}"), now };
        known.insert(row.run_id.clone(), known_now);
    }
    Ok(rows)
}

/// Counts steps, and collects the paths of those under way.
fn count(steps: &[StepResult], done: &mut usize, all: &mut usize, now: &mut Vec<String>) {
    for step in steps {
        if !step.steps.is_empty() {
            count(&step.steps, done, all, now);
            continue;
        }
        *all += 1;
        match step.status {
            StepStatus::Running => now.push(step.path.to_string()),
            _ => *done += 1,
        }
    }
}

fn shown(rows: &[RunRow], known: &HashMap<RunId, Known>) -> String {
    let now = real_world().wall();
    let row = |row: &RunRow| {
        let known = known.get(&row.run_id);
        let lasted = if row.status.is_terminal() { row.updated_at } else { now };
        [
            short(&row.run_id).to_owned(),
            standing(row).0.to_owned(),
            row.workflow_id.to_string(),
            ago(row.created_at, now),
            about(lasted.since(row.created_at)),
            known.map(|known| known.steps.clone()).unwrap_or_default(),
            known.map(|known| harmless(&known.now)).unwrap_or_default(),
        ]
    };
    let names = ["RUN", "STATUS", "WORKFLOW", "BEGAN", "LASTS", "STEPS", "NOW"];
    table(names, rows.iter().map(row).collect())
}

/// Returns a whole screen: each line is cut to the width, and the rest of it erased.
fn frame(table: &str, rows: &[RunRow], stdout: &Stdout) -> String {
    let under_way = rows.iter().filter(|row| !row.status.is_terminal()).count();
    let title = format!("{under_way} under way, {} shown · Ctrl-C leaves", rows.len());
    let mut text = String::from("\x1b[H");
    let mut line = |line: &str, style: Style| {
        text.push_str(&stdout.paint(style, &stdout.terminal().cut(line)));
        text.push_str("\x1b[K\r\n");
    };
    line(&title, Style::new().dimmed());
    for (nth, shown) in table.lines().enumerate() {
        let style = match nth.checked_sub(1).and_then(|nth| rows.get(nth)).map(|row| row.status) {
            None => Style::new().bold(),
            Some(RunStatus::Error) => AnsiColor::Red.on_default(),
            Some(RunStatus::Paused | RunStatus::Pending) => AnsiColor::Yellow.on_default(),
            Some(RunStatus::Running) => AnsiColor::Cyan.on_default(),
            Some(_) => Style::new().dimmed(),
        };
        line(shown, style);
    }
    text + "\x1b[J"
}

/// The other screen of the terminal, until it is dropped.
struct OtherScreen;

impl OtherScreen {
    fn enter() -> Self {
        Self::write("\x1b[?1049h\x1b[?25l");
        Self
    }

    fn write(text: &str) {
        let mut stdout = std::io::stdout().lock();
        let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    }
}

impl Drop for OtherScreen {
    fn drop(&mut self) {
        Self::write("\x1b[?25h\x1b[?1049l");
    }
}
