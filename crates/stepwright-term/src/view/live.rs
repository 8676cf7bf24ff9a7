//! The redrawn lines: the current text, and a line for each running step.

use super::View;
use super::frame::{DIM, PanelFrame};
use super::step::VisibleStep;
use crate::duration::about;
use crate::styled::{Line, StyledSpan, width_of_line};
use crate::text::{beginning, end, harmless, width_of};
use anstyle::AnsiColor;
use std::time::Duration;

const SPINNER: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];

/// The duration of one spinner frame.
const PICTURE: Duration = Duration::from_millis(100);

/// The largest number of lines for running steps. More would push permanent output off the screen.
const LINES_MAX: usize = 12;

/// The narrowest width for redrawn lines, in columns. Narrower terminals get permanent lines only.
const COLUMNS_MIN: usize = 24;

impl View {
    /// Returns the redrawn lines with their widths.
    pub(crate) fn moving(&mut self, (columns, rows): (usize, usize)) -> Vec<(String, usize)> {
        if columns < COLUMNS_MIN {
            return Vec::new();
        }
        let frame = PanelFrame::new(self.options, columns);
        let steps = self.step_lines(columns, rows);
        // Lines that scrolled off the screen cannot be erased.
        let free = rows.saturating_sub(steps.len() + 2);
        let said = self.said_lines(&frame);
        let said = said.into_iter().rev().take(free).rev();
        let said: Vec<(String, usize)> = said.collect();
        let steps = steps.into_iter();
        let steps = steps.map(|line| (self.options.paint.line(&line), width_of_line(&line)));
        said.into_iter().chain(steps).collect()
    }

    fn said_lines(&mut self, frame: &PanelFrame) -> Vec<(String, usize)> {
        let Some(panel) = &mut self.panel else { return Vec::new() };
        let path = &panel.path;
        let inner = frame.inner(path);
        panel.body.resize(inner);
        let lines = panel.body.open().into_iter();
        // The widths must be exact: they decide how many rows are erased after the terminal became
        // narrower.
        let before = frame.width - inner;
        lines
            .map(|line| (before + width_of_line(&line), line))
            .map(|(w, l)| (frame.body(path, l), w))
            .collect()
    }

    fn step_lines(&self, columns: usize, rows: usize) -> Vec<Line> {
        if self.rests.is_some() {
            return Vec::new();
        }
        // A nested workflow has no line while its own steps have theirs.
        let encloses = |step: &VisibleStep| {
            self.steps.iter().any(|o| o.path != step.path && step.path.contains(&o.path))
        };
        let leaves: Vec<&VisibleStep> = self.steps.iter().filter(|step| !encloses(step)).collect();
        let most = LINES_MAX.min(rows.saturating_sub(2)).max(1);
        let waiting = self.waiting_line(columns).into_iter();
        let shown = if leaves.len() > most { most - 1 } else { leaves.len() };
        let mut lines: Vec<Line> =
            waiting.chain(leaves[..shown].iter().map(|step| self.line(step, columns))).collect();
        if shown < leaves.len() {
            let more = format!("  … and {} more", leaves.len() - shown);
            lines.push(vec![StyledSpan::new(beginning(&more, columns), DIM)]);
        }
        lines
    }

    /// Returns a line about steps that have ended and whose panel is shown next.
    fn waiting_line(&self, columns: usize) -> Option<Line> {
        if self.waiting.is_empty() {
            return None;
        }
        let names: Vec<String> = self.waiting.iter().map(|path| harmless(path.as_str())).collect();
        let text = format!("done, and shown next: {}", names.join(", "));
        let mark = StyledSpan::new("✓ ", AnsiColor::Green.on_default());
        Some(vec![mark, StyledSpan::new(beginning(&text, columns.saturating_sub(3)), DIM)])
    }

    /// Returns the line of a running step. One column stays free: terminals break a line that fills
    /// the last one.
    fn line(&self, step: &VisibleStep, columns: usize) -> Line {
        if let Some(wait) = step.waits.last() {
            let path = beginning(&harmless(step.path.as_str()), columns.saturating_sub(12));
            let free = columns.saturating_sub(width_of(&path) + 5);
            return vec![
                StyledSpan::new("⏸", AnsiColor::Yellow.on_default()),
                StyledSpan::plain(format!(" {path}")),
                StyledSpan::new(format!("  {}", beginning(&harmless(&wait.text), free)), DIM),
            ];
        }
        let since = step.since.elapsed();
        let picture = usize::try_from(since.as_millis() / PICTURE.as_millis()).unwrap_or_default();
        let spinner = SPINNER[picture % SPINNER.len()];
        let path = harmless(step.path.as_str());
        let path = beginning(&path, columns.saturating_sub(12));
        let mut known = Vec::new();
        if self.options.time {
            known.push(about(since));
        }
        if step.attempt > 1 {
            known.push(format!("attempt {}", step.attempt));
        }
        let used = 2 + width_of(&path) + 2;
        if let Some(call) = step.calls.last() {
            known.push(harmless(&call.text));
        } else if !self.speaks(&step.path) {
            let used = used + width_of(&known.join("  ")) + 2;
            let tail = end(harmless(&step.tail).trim(), columns.saturating_sub(used + 1));
            known.extend((!tail.is_empty() && tail != "…").then_some(tail));
        }
        let known = beginning(&known.join("  "), columns.saturating_sub(used + 1));
        vec![
            StyledSpan::new(spinner, AnsiColor::Cyan.on_default()),
            StyledSpan::plain(format!(" {path}")),
            StyledSpan::new(if known.is_empty() { known } else { format!("  {known}") }, DIM),
        ]
    }
}
