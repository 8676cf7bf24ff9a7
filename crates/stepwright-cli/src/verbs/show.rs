//! `stepwright show`.

use crate::args::Show;
use crate::database::run_error;
use crate::definition_source::DefinitionSource;
use crate::exit::Exit;
use crate::input_media;
use crate::open::runs_with;
use crate::ui::print::{Stdout, ended};
use crate::ui::resume_command::ResumeCommand;
use crate::ui::terminal::Stderr;
use crate::verbs::workers::waits;
use std::fmt::Write as _;
use std::path::Path;
use stepwright::store::{RunRow, SignalKind};
use stepwright::term::{Terminal, about, harmless, harmless_lines, status_word};
use stepwright::{Error, Media, RunId, RunOutput, RunStatus, Runs, StepResult, StepStatus};
use stepwright_core::workspace::WorkspaceFile;
use stepwright_core::{MediaSource, Requirement, StepPath};
use stepwright_engine::{Snapshot, drivers};
use stepwright_term::{utc, waiting};

/// The maximum number of characters of a step's output that are shown.
const GAVE_CHARS_MAX: usize = 60;

/// Shows a run.
pub(crate) async fn show(arguments: &Show, stderr: Stderr) -> Result<Exit, Error> {
    let (runs, run) = runs_with(&arguments.run).await?;
    let snapshot = runs.load(&run).await.map_err(run_error)?;
    let media = runs.media(&run).await?;
    if let Some(dir) = &arguments.save_media {
        return save(&runs, &run, &media, (dir, stderr)).await;
    }
    let mut stdout = Stdout::new();
    if arguments.json {
        stdout.write_json_pretty(&snapshot.output());
    } else {
        let waits = waits(&arguments.run.kept, &snapshot.output()).await;
        let text = shown((&snapshot, waits), &media, arguments, stdout.terminal());
        stdout.write_wrapped(&stdout.readable(text));
    }
    Ok(stdout.end(stderr, Exit::Completed))
}

/// Returns the status of a run, as a word and as a phrase.
pub(crate) fn standing(row: &RunRow) -> (&'static str, String) {
    match (row.status, &row.driver) {
        (RunStatus::Running, Some(driver)) if drivers::is_dead(driver) => {
            let driver = drivers::shown(driver);
            ("interrupted", format!("interrupted: {driver} drove it, and is gone"))
        }
        (RunStatus::Running, Some(driver)) => {
            ("running", format!("running, driven by {}", drivers::shown(driver)))
        }
        (RunStatus::Pending, _) => {
            ("pending", "pending: no process drives it, and it can be resumed".to_owned())
        }
        (status, _) => (status_word(status), status_word(status).to_owned()),
    }
}

/// Returns the duration of an ended run, or an empty text.
pub(crate) fn took(row: &RunRow) -> String {
    if row.status.is_terminal() {
        about(row.updated_at.since(row.created_at))
    } else {
        String::new()
    }
}

/// Writes the media of a run into a folder, and names the files.
async fn save(
    runs: &Runs,
    run: &RunId,
    media: &[Media],
    (dir, stderr): (&Path, Stderr),
) -> Result<Exit, Error> {
    let mut stdout = Stdout::new();
    for (nth, medium) in (1..).zip(media) {
        let line = match medium.source {
            MediaSource::Url(_) | MediaSource::Path(_) => {
                format!("not in the run: {}", input_media::told(medium))
            }
            _ => {
                let bytes = runs.media_bytes(run, medium).await?;
                input_media::save(dir, nth, medium, &bytes)?.display().to_string()
            }
        };
        let line = stdout.readable(line);
        stdout.write_wrapped(&format!("{line}\n"));
    }
    Ok(stdout.end(stderr, Exit::Completed))
}

/// Formats a run, with what is said about its wait for a worker.
fn shown(
    (snapshot, waits): (&Snapshot, Option<String>),
    media: &[Media],
    arguments: &Show,
    terminal: Terminal,
) -> String {
    let (row, output) = (snapshot.row(), &snapshot.output());
    let origin = DefinitionSource::of(&output.metadata);
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:<10}  {}", harmless(value));
    };
    line("run", output.run_id.as_str());
    line("workflow", &format!("{} ({})", output.workflow_name, output.workflow_id));
    match &output.queued {
        // Its process may be gone, which the row knows.
        Some(queued) if standing(row).0 != "interrupted" => line("status", &queued.to_string()),
        _ => match waits.filter(|_| row.status == RunStatus::Pending) {
            Some(waits) => line("status", &format!("pending: {waits}")),
            None => line("status", &standing(row).1),
        },
    }
    line("session", output.session_id.as_str());
    if let Some(user) = &output.user_id {
        line("user", user.as_str());
    }
    if let Some(origin) = &output.origin {
        line("origin", &origin.to_string());
    }
    line("began", &utc(output.created_at));
    line("last event", &utc(row.updated_at));
    match &origin {
        Some(origin) => line("file", &origin.file.display().to_string()),
        None => line("file", "none: a program began it"),
    }
    if !output.input.is_empty() {
        block(&mut text, "input", &output.input.pretty());
    }
    if !output.step_results.is_empty() || !output.requirements.is_empty() {
        // A step has one line, so that the rules of the tree hold together.
        let mut steps = String::new();
        block(&mut steps, "steps", &tree(output));
        text.push_str(&terminal.cut(&steps));
    }
    let words = ResumeCommand {
        db: arguments.run.kept.said().cloned(),
        file: None,
        allow_shell: origin.as_ref().is_some_and(|origin| origin.allow_shell),
        doors: origin.as_ref().map(DefinitionSource::doors).unwrap_or_default(),
    };
    if !output.requirements.is_empty() && !output.is_terminal() {
        text.push('\n');
        let open = snapshot.unanswered();
        let is_answered = |asked: &Requirement| snapshot.waiting_answer(&asked.id).is_some();
        let mut unanswered = output.requirements.iter().filter(|asked| !is_answered(asked));
        let go_on = match (open.first(), unanswered.find_map(|asked| words.emit(asked))) {
            (Some(asked), _) => words.answer(&output.run_id, asked),
            (None, Some(emit)) => emit,
            (None, None) => words.resume(output.run_id.as_str()),
        };
        text.push_str(&waiting(output, Terminal::none(), Some(&go_on)));
        text.push_str(&answered(snapshot, &output.requirements));
    } else if matches!(standing(row).0, "interrupted" | "pending") {
        let _ = writeln!(text, "\nto go on: {}", words.resume(output.run_id.as_str()));
    }
    for refused in &output.refused_answers {
        let _ = writeln!(text, "\nrefused: {}", harmless(&refused.to_string()));
    }
    if output.error.is_some() {
        text.push('\n');
        text.push_str(&ended(&Error::of_run(output.clone()).report()));
    }
    if output.status == RunStatus::Error {
        let _ = writeln!(text, "\nto retry it: {}", words.retry(output.run_id.as_str()));
    }
    if !output.content.is_empty() {
        block(&mut text, "output", &output.content.pretty());
    }
    if !media.is_empty() {
        let lines: Vec<String> = media.iter().map(input_media::told).collect();
        block(&mut text, "media", &harmless_lines(&lines.join("\n")));
    }
    let files = output.workspace_files();
    if !files.is_empty() {
        block(&mut text, "files", &listed(&files));
    }
    let _ = writeln!(text, "\n{}", metrics(row, output));
    text
}

/// Lists the files that steps made in their workspaces, each with its step.
fn listed(files: &[(&StepPath, &WorkspaceFile)]) -> String {
    let of_file = |(step, file): &(&StepPath, &WorkspaceFile)| {
        let hash = file.sha256.get(..12).unwrap_or(&file.sha256);
        harmless(&format!("{}: {} bytes, sha256 {hash}…, by {step}", file.path, file.bytes))
    };
    files.iter().map(of_file).collect::<Vec<_>>().join("\n")
}

/// Lists the answers that wait in the inbox until the run continues, one per line.
fn answered(snapshot: &Snapshot, requests: &[Requirement]) -> String {
    let mut text = String::new();
    for asked in requests {
        let Some(signal) = snapshot.waiting_answer(&asked.id) else { continue };
        let SignalKind::Answer(reply) = &signal.kind else { continue };
        let due = snapshot.answer_due(&asked.id).filter(|due| signal.at > *due);
        let note = match due {
            Some(due) => format!("too late: the deadline was {due}"),
            None => "the run takes it when it goes on".to_owned(),
        };
        let line = format!("{} is answered: {} at {}", asked.id, reply.answer, signal.at);
        let _ = writeln!(text, "{}; {note}", harmless(&line));
    }
    text
}

/// Writes a body beneath its heading.
fn block(text: &mut String, name: &str, body: &str) {
    let _ = writeln!(text, "\n{name}");
    for line in body.trim_end().lines() {
        let _ = writeln!(text, "{}", format!("  {line}").trim_end());
    }
}

/// Returns the status and the metrics so far.
fn metrics(row: &RunRow, output: &RunOutput) -> String {
    // While the run has not ended, the row knows its status better, because it names the driver.
    // The duration up to the last event means little then, and both times are shown above.
    let time = !matches!(row.status, RunStatus::Running | RunStatus::Pending);
    let mut text = format!("{}{}", standing(row).0, stepwright_term::metrics(output, time));
    let metrics = &output.metrics;
    for (count, one, many) in [
        (metrics.model_calls, "answer of a model", "answers of models"),
        (metrics.tool_calls, "answer of a tool", "answers of tools"),
    ] {
        if count > 0 {
            let _ = write!(text, " · {count} {}", if count == 1 { one } else { many });
        }
    }
    if metrics.cost.nano_usd() == 0 && metrics.cost.unpriced_requests() > 0 {
        text.push_str(" · cost unknown");
    }
    text
}

/// Formats the steps of a run as a tree.
fn tree(output: &RunOutput) -> String {
    let mut text = String::new();
    branches(output, &StepPath::root(), &output.step_results, "", &mut text);
    text
}

fn branches(
    output: &RunOutput,
    at: &StepPath,
    steps: &[StepResult],
    indent: &str,
    text: &mut String,
) {
    let asked = not_begun(output, at, steps);
    let mut left = steps.len() + asked.len();
    let mut edges = || {
        left -= 1;
        if left == 0 { ("└─", "   ") } else { ("├─", "│  ") }
    };
    for step in steps {
        let (edge, inner) = edges();
        let _ = writeln!(text, "{indent}{edge} {}", of_step(step, is_waiting(output, step)));
        branches(output, &step.path, &step.steps, &format!("{indent}{inner}"), text);
    }
    for path in asked {
        let _ = writeln!(text, "{indent}{} ⏸ {}  waiting", edges().0, harmless(path.name()));
    }
}

/// Returns the steps directly beneath a path that wait before they begin.
fn not_begun(output: &RunOutput, at: &StepPath, steps: &[StepResult]) -> Vec<StepPath> {
    let mut found: Vec<StepPath> = Vec::new();
    for asked in output.requirements.iter().filter(|_| !output.is_terminal()) {
        let path = asked.path.step();
        let is_here = path.parent().is_some_and(|parent| parent == *at);
        let has_begun = steps.iter().any(|step| step.path == path);
        if is_here && !has_begun && !found.contains(&path) {
            found.push(path);
        }
    }
    found
}

/// Returns `true` if a step waits: it has a pending request, or nothing of the run is under way.
fn is_waiting(output: &RunOutput, step: &StepResult) -> bool {
    let asks = |asked: &Requirement| asked.path.step() == step.path;
    step.status == StepStatus::Running
        && (output.status == RunStatus::Paused || output.requirements.iter().any(asks))
}

/// Formats a step as a line.
fn of_step(step: &StepResult, waits: bool) -> String {
    let mark = match step.status {
        _ if waits => '⏸',
        StepStatus::Completed => '✓',
        StepStatus::Failed => '✗',
        StepStatus::Running => '…',
        _ => '–',
    };
    let name = match step.path.number() {
        Some(number) => format!("{}#{number}", base_name(step)),
        None => step.name().to_owned(),
    };
    let mut text = format!("{mark} {}", harmless(&name));
    if waits {
        text.push_str("  waiting");
    } else if step.status != StepStatus::Completed {
        let _ = write!(text, "  {}", step.status);
    }
    if step.ended_at.is_some() {
        let _ = write!(text, "  {}", about(step.duration()));
    }
    if step.attempts > 1 {
        let _ = write!(text, "  {} attempts", step.attempts);
    }
    if step.exhausted && step.error.is_none() {
        text.push_str("  its condition was not met");
    }
    if let Some(error) = &step.error {
        let _ = write!(text, "  {}", beginning(&error.message));
    } else if step.steps.is_empty() && !step.content.is_empty() {
        let _ = write!(text, "  {}", beginning(&step.content.text()));
    }
    text
}

/// Returns the name without the number of the turn.
fn base_name(step: &StepResult) -> &str {
    step.name().split('#').next().unwrap_or_default()
}

/// Returns the beginning of a text on one line.
fn beginning(text: &str) -> String {
    let text = harmless(text.trim());
    match text.char_indices().nth(GAVE_CHARS_MAX) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}
