//! The summary line of a run.

use crate::duration::about;
use crate::styled::{Line, Paint, StyledSpan};
use crate::terminal::Terminal;
use crate::text::counted;
use crate::view::tokens;
use anstyle::{AnsiColor, Style};
use stepwright_core::{RunOutput, RunStatus};

/// Returns the run's status and metrics on one line: `completed in 1.2s · 3 steps`.
///
/// ```
/// use stepwright_term::{Terminal, summary};
/// # use stepwright_engine::Workflow;
/// # async fn greet(name: String) -> String { format!("Hello {name}") }
/// let workflow = Workflow::builder("Greeting").step(greet).build()?;
/// let output = workflow.run("Ada").blocking()?;
/// eprintln!("{}", summary(Terminal::of_stderr(), &output));
/// # let text = summary(Terminal::none(), &output);
/// # assert!(text.starts_with("completed in ") && text.ends_with(" · 1 step"), "{text}");
/// # Ok::<(), stepwright_core::Error>(())
/// ```
pub fn summary(terminal: Terminal, output: &RunOutput) -> String {
    let paint = Paint { color: terminal.color, links: false };
    paint.line(&summary_line(output, true))
}

/// Returns the metrics of a run, to follow a status: ` in 1.2s · 3 steps`. `time` includes the
/// duration.
///
/// ```
/// use stepwright_term::metrics;
/// # use stepwright_engine::Workflow;
/// # async fn greet(name: String) -> String { format!("Hello {name}") }
/// let workflow = Workflow::builder("Greeting").step(greet).build()?;
/// let output = workflow.run("Ada").blocking()?;
/// assert_eq!(metrics(&output, false), " · 1 step");
/// # Ok::<(), stepwright_core::Error>(())
/// ```
pub fn metrics(output: &RunOutput, time: bool) -> String {
    let metrics = &output.metrics;
    let mut parts = Vec::new();
    parts.push(counted(metrics.steps, "step", "steps"));
    if metrics.retries > 0 {
        parts.push(counted(metrics.retries, "retry", "retries"));
    }
    if !metrics.usage.is_empty() {
        parts.push(tokens(metrics.usage));
    }
    if metrics.cost.nano_usd() > 0 {
        parts.push(metrics.cost.to_string());
    }
    let took = if time { format!(" in {}", about(metrics.duration())) } else { String::new() };
    format!("{took} · {}", parts.join(" · "))
}

pub(crate) fn summary_line(output: &RunOutput, time: bool) -> Line {
    let color = match output.status {
        RunStatus::Completed => AnsiColor::Green,
        RunStatus::Error => AnsiColor::Red,
        _ => AnsiColor::Yellow,
    };
    let status = StyledSpan::new(status_word(output.status), color.on_default().bold());
    vec![status, StyledSpan::new(metrics(output, time), Style::new().dimmed())]
}

/// Returns the word for a run's status.
///
/// ```
/// use stepwright_term::status_word;
/// # use stepwright_engine::Workflow;
/// # async fn fail(_: String) -> Result<String, String> { Err("no paper".into()) }
/// let workflow = Workflow::builder("Printer").step(fail).build()?;
/// let error = workflow.run("a page").blocking().unwrap_err();
/// let output = error.output().expect("it had begun");
/// assert_eq!(format!("the run has {}", status_word(output.status)), "the run has failed");
/// # Ok::<(), stepwright_core::Error>(())
/// ```
pub fn status_word(status: RunStatus) -> &'static str {
    match status {
        RunStatus::Completed => "completed",
        RunStatus::Error => "failed",
        RunStatus::Cancelled => "cancelled",
        RunStatus::Paused => "paused",
        // Its driver has left it, so that it can be resumed.
        RunStatus::Pending => "stopped",
        // A run is left in another status only if its journal was lost.
        _ => "interrupted",
    }
}
