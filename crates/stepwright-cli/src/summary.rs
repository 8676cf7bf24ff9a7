//! The last lines.

use crate::duration::about;
use crate::terminal::Terminal;
use anstyle::{AnsiColor, Style};
use std::path::Path;
use stepwright::{RunOutput, RunStatus};

/// How the run ended, what it took, and where it is kept: for somebody who has watched it.
pub(crate) fn summary(terminal: Terminal, output: &RunOutput, db: Option<&Path>) -> String {
    let metrics = &output.metrics;
    let color = match output.status {
        RunStatus::Completed => AnsiColor::Green,
        RunStatus::Error => AnsiColor::Red,
        _ => AnsiColor::Yellow,
    };
    let status = terminal.paint(color.on_default().bold(), status(output.status));
    let counted =
        |n: u64, one: &str, many: &str| format!("{n} {}", if n == 1 { one } else { many });
    let mut rest = format!(" in {}", about(metrics.duration()));
    let mut add = |part: String| {
        rest.push_str(" · ");
        rest.push_str(&part);
    };
    add(counted(metrics.steps, "step", "steps"));
    if metrics.retries > 0 {
        add(counted(metrics.retries, "retry", "retries"));
    }
    if !metrics.usage.is_empty() {
        let (read, written) = (metrics.usage.input_tokens, metrics.usage.output_tokens);
        add(format!("{} tokens in, {} out", read.unwrap_or(0), written.unwrap_or(0)));
    }
    let dim = Style::new().dimmed();
    let mut text = status + &terminal.paint(dim, rest);
    // On a line of its own: it is long, and somebody may want to copy it.
    if let Some(db) = db {
        text.push('\n');
        text.push_str(&terminal.paint(dim, format!("run {} in {}", output.run_id, db.display())));
    }
    text
}

/// Which run it was, for logs: only that, and only if it can be found again.
pub(crate) fn kept(output: &RunOutput) -> String {
    format!("run {} {}", output.run_id, status(output.status))
}

fn status(status: RunStatus) -> &'static str {
    match status {
        RunStatus::Completed => "completed",
        RunStatus::Error => "failed",
        RunStatus::Cancelled => "cancelled",
        RunStatus::Paused => "paused",
        // What the journal's loss leaves behind.
        _ => "interrupted",
    }
}
