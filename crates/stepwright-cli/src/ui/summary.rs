//! The last lines.

use crate::database::Database;
use crate::ui::terminal::Stderr;
use anstyle::Style;
use stepwright::term::{status_word, summary as summed_up};
use stepwright::{RunOutput, RunStatus};

/// How the run ended, what it took, and where it is kept: for somebody who has watched it.
pub(crate) fn summary(stderr: Stderr, output: &RunOutput, db: Option<&Database>) -> String {
    let terminal = stderr.terminal;
    let mut text = summed_up(terminal, output);
    // On a line of its own: it is long, and somebody may want to copy it.
    if let Some(db) = db {
        let kept = format!("run {} in {db}", output.run_id);
        text.push('\n');
        text.push_str(&terminal.paint(Style::new().dimmed(), kept));
    }
    text
}

/// Which run it was, for logs: only that, and only if it can be found again.
pub(crate) fn kept(output: &RunOutput) -> String {
    format!("run {} {}", output.run_id, status_word(output.status))
}

/// How a run ended, as the end of a sentence.
pub(crate) fn how_ended(status: RunStatus) -> &'static str {
    match status {
        RunStatus::Completed => "it completed",
        RunStatus::Cancelled => "it was cancelled",
        _ => "it failed",
    }
}
