//! Panels and indentation around the output.

use crate::options::{RenderOptions, Style as Form};
use crate::styled::{Line, StyledSpan, width_of_line, wrap};
use crate::text::{beginning, end, harmless, width_of};
use anstyle::{AnsiColor, Style};
use stepwright_core::StepPath;

pub(super) const DIM: Style = Style::new().dimmed();
pub(super) const BOLD: Style = Style::new().bold();

pub(super) const fn color(color: AnsiColor) -> Style {
    color.on_default().bold()
}

/// The indentation of each nesting level, in columns.
const INDENT: usize = 2;

/// The largest indentation, in columns: text needs the rest.
const INDENTED_MAX: usize = 8;

/// Draws panels and lines in one style and width.
#[derive(Clone, Copy, Debug)]
pub(super) struct PanelFrame {
    pub(super) options: RenderOptions,
    /// The widest line, in columns.
    pub(super) width: usize,
}

/// The title of a panel.
#[derive(Clone, Debug)]
pub(super) struct Title {
    pub(super) path: StepPath,
    /// The agent and its model.
    pub(super) by: Vec<String>,
}

impl PanelFrame {
    pub(super) fn new(options: RenderOptions, columns: usize) -> Self {
        Self { options, width: options.width(columns) }
    }

    fn indent(&self, path: &StepPath) -> usize {
        if self.options.style != Form::Panels {
            return 0;
        }
        let depth = path.as_str().matches('/').count();
        (depth * INDENT).min(INDENTED_MAX).min(self.width / 8)
    }

    /// Returns the width of text inside a panel.
    pub(super) fn inner(&self, path: &StepPath) -> usize {
        match self.options.style {
            Form::Plain => self.width,
            _ => self.width - self.indent(path) - 2,
        }
    }

    /// Returns the first line of a panel.
    pub(super) fn open(&self, title: &Title) -> String {
        let by: Vec<String> = title.by.iter().map(|by| harmless(by)).collect();
        let by = by.join(" · ");
        if self.options.style == Form::Plain {
            let by = if by.is_empty() { by } else { format!(" {by}") };
            return self.write(0, &[StyledSpan::plain(format!("[{}]{by}", label(&title.path)))]);
        }
        let indent = self.indent(&title.path);
        let mut line = vec![StyledSpan::new("╭─ ", DIM)];
        line.extend(Self::path(&title.path, (self.width - indent).saturating_sub(8)));
        let free = (self.width - indent).saturating_sub(width_of_line(&line) + 5);
        if !by.is_empty() && free > 4 {
            line.push(StyledSpan::new(format!(" · {}", beginning(&by, free)), DIM));
        }
        self.rule(indent, line)
    }

    /// Returns the first line of a panel that does not belong to a step.
    pub(super) fn open_about(&self, about: &str, style: Style) -> String {
        if self.options.style == Form::Plain {
            return self.write(0, &[StyledSpan::plain(harmless(about))]);
        }
        let about = beginning(&harmless(about), self.width.saturating_sub(8));
        self.rule(0, vec![StyledSpan::new("╭─ ", DIM), StyledSpan::new(about, style)])
    }

    /// Fills a line up to the edge.
    fn rule(&self, indent: usize, mut line: Line) -> String {
        let rest = (self.width - indent).saturating_sub(width_of_line(&line) + 1);
        line.push(StyledSpan::new(format!(" {}", "─".repeat(rest)), DIM));
        self.write(indent, &line)
    }

    /// Returns a line inside a panel.
    pub(super) fn body(&self, path: &StepPath, mut line: Line) -> String {
        if self.options.style == Form::Plain {
            return self.write(0, &line);
        }
        line.insert(0, StyledSpan::new(if line.is_empty() { "│" } else { "│ " }, DIM));
        self.write(self.indent(path), &line)
    }

    /// Returns the last lines of a panel.
    pub(super) fn close(&self, path: &StepPath, end: Line) -> Vec<String> {
        if self.options.style == Form::Plain {
            return self.aside(path, vec![], end);
        }
        let indent = self.indent(path);
        if end.is_empty() {
            return vec![self.write(indent, &[StyledSpan::new("╰─", DIM)])];
        }
        let mut lines = wrap(&end, self.width - indent - 3).into_iter();
        let first = [vec![StyledSpan::new("╰─ ", DIM)], lines.next().unwrap_or_default()].concat();
        let rest = lines.map(|line| [vec![StyledSpan::plain("   ")], line].concat());
        std::iter::once(first).chain(rest).map(|line| self.write(indent, &line)).collect()
    }

    /// Returns a line outside of panels about this path, after a mark.
    pub(super) fn aside(&self, path: &StepPath, mark: Line, text: Line) -> Vec<String> {
        if self.options.style == Form::Plain {
            let at = vec![StyledSpan::plain(format!("[{}] ", label(path)))];
            let line = if path.is_root() { text } else { [at, text].concat() };
            return wrap(&line, self.width).into_iter().map(|line| self.write(0, &line)).collect();
        }
        let indent = self.indent(path);
        let width = self.width - indent;
        let hang = width_of_line(&mark);
        let mut line = Line::new();
        if !path.is_root() {
            line.extend(Self::path(path, width / 2));
            line.push(StyledSpan::plain("  "));
        }
        line.extend(text);
        // Continuation lines are indented below the start.
        let before = std::iter::once(mark)
            .chain(std::iter::repeat(vec![StyledSpan::plain(" ".repeat(hang))]));
        let lines = wrap(&line, width - hang);
        lines
            .into_iter()
            .zip(before)
            .map(|(line, before)| self.write(indent, &[before, line].concat()))
            .collect()
    }

    /// Returns the path of a step with its name highlighted.
    fn path(path: &StepPath, width: usize) -> Line {
        let path = label(path);
        let name = path.rfind('/').map_or(0, |at| at + 1);
        let (before, name) = path.split_at(name);
        let name = beginning(name, width);
        let before = end(before, width.saturating_sub(width_of(&name)));
        // A truncated name is useless, so remove it.
        let before = match before.strip_prefix('…') {
            Some(rest) => rest.find('/').map_or(String::new(), |at| format!("…{}", &rest[at..])),
            None => before,
        };
        vec![StyledSpan::new(before, DIM), StyledSpan::new(name, BOLD)]
    }

    fn write(&self, indent: usize, line: &[StyledSpan]) -> String {
        let line = self.options.paint.line(line);
        format!("{:indent$}{line}", "").trim_end_matches(' ').to_owned()
    }
}

fn label(path: &StepPath) -> String {
    harmless(path.as_str())
}
