//! One bounded text about a run, for a person or a model: why it failed, and what to do next.

use crate::definition_source::DefinitionSource;
use crate::ui::resume_command::ResumeCommand;
use std::fmt::Write as _;
use stepwright::term::harmless;
use stepwright::{Error, RunOutput, RunStatus, StepPath, StepResult, StepStatus};
use stepwright_core::message::Part;
use stepwright_core::output::{ExecutorRun, Turn};
use stepwright_engine::Snapshot;

/// The maximum size of the whole text, in bytes.
pub(crate) const EXPLAINED_BYTES_MAX: usize = 12_000;

/// The maximum size of an input, an output or a message in it, in characters.
const PART_CHARS_MAX: usize = 1_200;

/// The maximum number of messages of the failing agent.
const MESSAGES_MAX: usize = 6;

/// The maximum number of other steps that failed.
const OTHERS_MAX: usize = 5;

/// Explains a run.
pub(super) fn explained(snapshot: &Snapshot, words: &ResumeCommand) -> String {
    let output = &snapshot.output();
    let mut text = String::new();
    let run = output.run_id.as_str();
    let (name, id) = (&output.workflow_name, &output.workflow_id);
    let status = stepwright::term::status_word(output.status);
    let _ = writeln!(text, "Run {run} of workflow {name} ({id}): {status}.");
    if let Some(origin) = &output.origin {
        let _ = writeln!(text, "It was forked from {origin}.");
    }
    if let Some(source) = DefinitionSource::of(&output.metadata) {
        let _ = writeln!(text, "File: {}", source.file.display());
    }
    section(&mut text, "Input of the run", &output.input.pretty());
    let failing = failing(output);
    if let Some(path) = &failing {
        let _ = writeln!(text, "\n## Failing step\n{path}");
        if let Some(step) = output.step_at(path.as_str()) {
            of_step(&mut text, output, step);
        }
    }
    if output.error.is_some() {
        section(&mut text, "Error", &Error::of_run(output.clone()).report());
    }
    let others: Vec<&StepResult> = output
        .walk()
        .filter(|step| step.status == StepStatus::Failed && Some(&step.path) != failing.as_ref())
        .filter(|step| step.error.is_some())
        .collect();
    if !others.is_empty() {
        let lines: Vec<String> = others.iter().take(OTHERS_MAX).map(|step| failed(step)).collect();
        section(&mut text, "Other steps that failed", &lines.join("\n"));
    }
    let open = snapshot.unanswered();
    if !open.is_empty() && !output.is_terminal() {
        let lines: Vec<String> = open
            .iter()
            .take(OTHERS_MAX)
            .map(|asked| format!("{}: {}", asked.id, asked.message))
            .collect();
        section(&mut text, "It waits for", &lines.join("\n"));
    }
    let text = shortened(&harmless_lines(&text), EXPLAINED_BYTES_MAX);
    format!("{text}\n## Next commands\n{}", next(output, failing.as_ref(), words))
}

/// Returns the path of the step that failed, or of the one that is under way.
fn failing(output: &RunOutput) -> Option<StepPath> {
    let failed = output.error.as_ref().and_then(|failure| failure.step.clone());
    failed.or_else(|| {
        let deepest = output.walk().filter(|step| {
            matches!(step.status, StepStatus::Running | StepStatus::Failed | StepStatus::Cancelled)
                && step.steps.is_empty()
        });
        deepest.last().map(|step| step.path.clone())
    })
}

fn of_step(text: &mut String, output: &RunOutput, step: &StepResult) {
    let executor = step.executor_name.as_deref().unwrap_or_default();
    let kind = step.executor_type.map(|kind| format!("{kind:?}").to_lowercase());
    let kind = kind.unwrap_or_else(|| step.step_type.as_str().to_lowercase());
    let tried = match step.attempts {
        0 => String::new(),
        1 => " after 1 attempt".to_owned(),
        attempts => format!(" after {attempts} attempts"),
    };
    let _ = writeln!(text, "{kind} {executor}, {}{tried}", step.status);
    let agent = output.step_executor_runs.iter().rfind(|run| step.path.contains(&run.path));
    if let Some(agent) = agent {
        let _ = writeln!(text, "agent {} with model {}", agent.agent, agent.model);
        section(text, "Message to the agent", &agent.message.pretty());
        let messages = messages(agent);
        let first = messages.len().saturating_sub(MESSAGES_MAX);
        section(text, "Last messages", &messages[first..].join("\n"));
        return;
    }
    let before = output.walk().take_while(|other| other.path != step.path);
    let before =
        before.filter(|other| other.status == StepStatus::Completed && other.steps.is_empty());
    if let Some(before) = before.last() {
        let title = format!("Output of the step before, {}", before.path);
        section(text, &title, &before.content.pretty());
    }
}

fn messages(agent: &ExecutorRun) -> Vec<String> {
    let turn = |turn: &Turn| match turn {
        Turn::Model(answer) => answer.parts.iter().filter_map(part).collect::<Vec<_>>().join("\n"),
        Turn::Message(message) => format!("message: {}", brief(&message.text)),
        Turn::Tool(outcome) => format!("tool {}: {}", outcome.name, brief(&outcome.text)),
    };
    agent.turns.iter().map(turn).filter(|text| !text.is_empty()).collect()
}

fn part(part: &Part) -> Option<String> {
    match part {
        Part::Text { text } => Some(format!("model: {}", brief(text))),
        Part::ToolCall(call) => Some(format!("model calls {}", call.name)),
        _ => None,
    }
}

fn failed(step: &StepResult) -> String {
    let message = step.error.as_ref().map(|error| error.message.as_str()).unwrap_or_default();
    format!("{}: {}", step.path, brief(message))
}

fn section(text: &mut String, title: &str, body: &str) {
    if !body.trim().is_empty() {
        let _ = writeln!(text, "\n## {title}\n{}", brief(body.trim_end()));
    }
}

fn brief(text: &str) -> String {
    match text.char_indices().nth(PART_CHARS_MAX) {
        Some((at, _)) => format!("{}… ({} bytes)", &text[..at], text.len()),
        None => text.to_owned(),
    }
}

fn harmless_lines(text: &str) -> String {
    text.lines().flat_map(|line| [harmless(line), "\n".into()]).collect()
}

fn shortened(text: &str, bytes: usize) -> String {
    if text.len() <= bytes {
        return text.to_owned();
    }
    format!("{}…\n", &text[..text.floor_char_boundary(bytes)])
}

/// Returns the commands that make sense next.
fn next(output: &RunOutput, failing: Option<&StepPath>, words: &ResumeCommand) -> String {
    let run = output.run_id.as_str();
    let mut commands = Vec::new();
    match output.status {
        RunStatus::Error => commands.push(words.retry(run)),
        RunStatus::Cancelled => commands.push(format!("{}=cancelled", words.retry(run))),
        RunStatus::Paused => commands.push(words.go_on(output)),
        RunStatus::Running | RunStatus::Pending => commands.push(words.resume(run)),
        _ => {}
    }
    let path = failing.map_or("", |path| path.as_str());
    commands.push(words.rerun(run, path));
    commands.push(words.show(run));
    commands.join("\n") + "\n"
}
