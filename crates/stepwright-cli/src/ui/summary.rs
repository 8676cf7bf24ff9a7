//! The last lines about a run.

use crate::args::Storage;
use crate::run_reference::short;
use crate::ui::terminal::Stderr;
use anstyle::Style;
use stepwright::term::{status_word, summary as summed_up};
use stepwright::{RunOutput, RunStatus};

/// Returns the status, the metrics and the database of a run, for a person who has watched it.
pub(crate) fn summary(stderr: Stderr, output: &RunOutput, storage: Option<&Storage>) -> String {
    let terminal = stderr.terminal;
    let mut text = summed_up(terminal, output);
    // A line of its own is easy to copy, and this one is long.
    if let Some(Storage { db, is_named, .. }) = storage {
        let kept = match is_named {
            true => format!("run {} in {db}", output.run_id),
            false => format!("run {}; `stepwright show last` shows it", short(&output.run_id)),
        };
        text.push('\n');
        text.push_str(&terminal.paint(Style::new().dimmed(), kept));
    }
    text
}

/// Returns the id and the status of a run, for logs.
pub(crate) fn kept(output: &RunOutput) -> String {
    format!("run {} {}", output.run_id, status_word(output.status))
}

/// Returns the status of an ended run as the end of a sentence.
pub(crate) fn how_ended(status: RunStatus) -> &'static str {
    match status {
        RunStatus::Completed => "it completed",
        RunStatus::Cancelled => "it was cancelled",
        _ => "it failed",
    }
}
