//! The lines of a live tree: as many as fit, with the running steps in any case.

use super::{LiveTree, Node, State};
use crate::duration::about;
use crate::options::RenderOptions;
use crate::styled::{DIM, Line, StyledSpan, width_of_line, wrap};
use crate::text::{beginning, end, harmless_lines, width_of};
use anstyle::{AnsiColor, Style};
use std::time::Duration;
use stepwright_core::cost::Cost;
use stepwright_core::{StepPath, StepStatus};

const SPINNER: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];

/// The duration of one spinner frame.
const PICTURE: Duration = Duration::from_millis(100);

/// The largest number of rows of a live tree. More would push what is above it off the screen.
const LIVE_ROWS_MAX: usize = 30;

/// The largest number of lines of a tree that is permanent.
const SETTLED_ROWS_MAX: usize = 60;

/// The narrowest terminal that shows the texts of branches side by side, in columns.
const BESIDE_COLUMNS_MIN: usize = 72;

/// The narrowest column of a branch.
const BRANCH_COLUMNS_MIN: usize = 30;

/// The number of lines that are shown of the text of each branch.
const BRANCH_ROWS: usize = 4;

/// The widest tree of names, in columns: times stand in a column behind it.
const NAMES_COLUMNS_MAX: usize = 40;

/// A node that is shown, with the rules before its name.
struct Row<'t> {
    rules: String,
    node: Shown<'t>,
}

enum Shown<'t> {
    Node {
        node: &'t Node,
        hidden: usize,
    },
    /// Nodes that have ended and are not shown.
    Ended(usize),
}

/// The children that are shown.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Detail {
    All,
    /// Those of nodes that have not ended.
    OfRunning,
    /// Only nodes that have not ended themselves.
    Running,
}

impl LiveTree {
    /// Returns the lines to redraw.
    pub(crate) fn moving(
        &self,
        options: RenderOptions,
        (columns, rows): (usize, usize),
    ) -> Vec<Line> {
        if !self.is_live || self.nodes.is_empty() {
            return Vec::new();
        }
        // One column stays free: terminals break a line that fills the last one.
        let width = columns.saturating_sub(1);
        let most = rows.saturating_sub(2).clamp(1, LIVE_ROWS_MAX);
        let mut beside = self.side_by_side(width);
        if beside.len() + 3 > most {
            beside.clear();
        }
        let is_beside = !beside.is_empty();
        let mut lines = vec![self.title(options)];
        lines.extend(self.tree(options, width, most - 1 - beside.len(), is_beside));
        lines.truncate(most);
        lines.extend(beside);
        lines
    }

    /// Returns the lines of the tree to keep.
    pub(crate) fn settled(&self, options: RenderOptions, width: usize) -> Vec<Line> {
        self.tree(options, width, SETTLED_ROWS_MAX, false)
    }

    /// Returns the name of the workflow.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    fn title(&self, options: RenderOptions) -> Line {
        let name = crate::text::harmless(&self.name);
        let mut line = vec![StyledSpan::new(name, Style::new().bold())];
        if options.time {
            line.push(StyledSpan::new(format!("  {}", about(self.since.elapsed())), DIM));
        }
        line
    }

    fn tree(
        &self,
        options: RenderOptions,
        width: usize,
        most: usize,
        is_beside: bool,
    ) -> Vec<Line> {
        let mut rows = Vec::new();
        for detail in [Detail::All, Detail::OfRunning, Detail::Running] {
            rows.clear();
            self.rows(&StepPath::root(), "", detail, &mut rows);
            if rows.len() <= most {
                break;
            }
        }
        let left_out = rows.len().saturating_sub(most);
        if left_out > 0 {
            rows.truncate(most.saturating_sub(1));
        }
        let names = rows.iter().map(|row| width_of(&row.rules) + row.name_width()).max();
        let names = names.unwrap_or_default().min(NAMES_COLUMNS_MAX).min(width / 2);
        let mut lines: Vec<Line> =
            rows.iter().map(|row| row.line(options, width, names, is_beside)).collect();
        if left_out > 0 {
            let more = format!("… and {} more", left_out + 1);
            lines.push(vec![StyledSpan::new(beginning(&more, width), DIM)]);
        }
        lines
    }

    /// Adds the rows beneath a path.
    fn rows<'t>(&'t self, at: &StepPath, indent: &str, detail: Detail, rows: &mut Vec<Row<'t>>) {
        let children: Vec<&Node> = self.children(at).collect();
        let is_shown = |node: &&Node| detail != Detail::Running || node.is_running();
        let shown: Vec<&Node> = children.iter().copied().filter(is_shown).collect();
        let ended = children.len() - shown.len();
        let count = shown.len() + usize::from(ended > 0);
        let rules = |nth: usize| match (at.is_root(), nth + 1 == count) {
            (true, _) => (String::new(), String::new()),
            (false, true) => (format!("{indent}└ "), format!("{indent}  ")),
            (false, false) => (format!("{indent}├ "), format!("{indent}│ ")),
        };
        if ended > 0 {
            rows.push(Row { rules: rules(0).0, node: Shown::Ended(ended) });
        }
        for (nth, node) in shown.into_iter().enumerate() {
            let (edge, inner) = rules(nth + usize::from(ended > 0));
            let hides = detail != Detail::All && !node.is_running();
            let hidden = if hides { self.children(&node.path).count() } else { 0 };
            rows.push(Row { rules: edge, node: Shown::Node { node, hidden } });
            if !hides {
                self.rows(&node.path, &inner, detail, rows);
            }
        }
    }

    /// Returns the nodes directly beneath a path. A node whose parent was not seen is beneath the
    /// root.
    fn children<'t>(&'t self, at: &StepPath) -> impl Iterator<Item = &'t Node> {
        self.nodes.iter().filter(move |node| {
            let mut parent = node.path.parent();
            while let Some(path) = &parent
                && !path.is_root()
                && !self.nodes.iter().any(|other| other.path == *path)
            {
                parent = path.parent();
            }
            parent.unwrap_or_else(StepPath::root) == *at
        })
    }

    /// Returns the texts of the steps that write at the same time, in columns. Empty if there is
    /// no room, or if at most one of them writes.
    fn side_by_side(&self, width: usize) -> Vec<Line> {
        let speakers: Vec<&Node> = self.nodes.iter().filter(|node| node.speaks()).collect();
        if speakers.len() < 2 || width < BESIDE_COLUMNS_MIN {
            return Vec::new();
        }
        let count = speakers.len().min(width / BRANCH_COLUMNS_MIN);
        let column = (width + 1) / count - 1;
        let texts: Vec<Vec<Line>> =
            speakers[..count].iter().map(|node| said(node, column.saturating_sub(2))).collect();
        let mut lines = vec![Line::new()];
        let mut head = Line::new();
        for (nth, node) in speakers[..count].iter().enumerate() {
            let more = speakers.len() - count;
            let is_last = nth + 1 == count;
            let more = if is_last && more > 0 { format!(" +{more}") } else { String::new() };
            let name = beginning(&node.name(), column.saturating_sub(5 + more.len()));
            let text = vec![
                StyledSpan::new("╭ ", DIM),
                StyledSpan::new(name, Style::new().bold()),
                StyledSpan::new(more, DIM),
            ];
            head.extend(filled(text, if is_last { 0 } else { column + 1 }));
        }
        lines.push(head);
        for row in 0..BRANCH_ROWS {
            let mut line = Line::new();
            for (nth, text) in texts.iter().enumerate() {
                let mut part = vec![StyledSpan::new("│ ", DIM)];
                part.extend(text.get(row).cloned().unwrap_or_default());
                let is_last = nth + 1 == count;
                line.extend(filled(part, if is_last { 0 } else { column + 1 }));
            }
            lines.push(line);
        }
        lines
    }
}

/// Returns the last lines of what a step has written.
fn said(node: &Node, width: usize) -> Vec<Line> {
    let text = harmless_lines(node.tail.trim());
    let mut lines = Vec::new();
    for line in text.lines() {
        lines.extend(wrap(&[StyledSpan::plain(line)], width));
    }
    lines.split_off(lines.len().saturating_sub(BRANCH_ROWS))
}

/// Fills a line with spaces up to a width.
fn filled(mut line: Line, width: usize) -> Line {
    let free = width.saturating_sub(width_of_line(&line));
    line.push(StyledSpan::plain(" ".repeat(free)));
    line
}

impl Row<'_> {
    fn name_width(&self) -> usize {
        match &self.node {
            Shown::Node { node, .. } => 2 + width_of(&node.name()),
            Shown::Ended(_) => 0,
        }
    }

    /// Returns the line. `names` is the width of the names with the rules before them.
    fn line(&self, options: RenderOptions, width: usize, names: usize, is_beside: bool) -> Line {
        let rules = beginning(&self.rules, width / 2);
        let mut line = vec![StyledSpan::new(rules, DIM)];
        let (node, hidden) = match &self.node {
            Shown::Node { node, hidden } => (node, *hidden),
            Shown::Ended(count) => {
                line.push(StyledSpan::new("✓ ", AnsiColor::Green.on_default()));
                line.push(StyledSpan::new(format!("{count} ended"), DIM));
                return line;
            }
        };
        let (mark, color) = node.mark();
        line.push(StyledSpan::new(format!("{mark} "), color.on_default()));
        let free = names.saturating_sub(width_of_line(&line)).max(8);
        let name = beginning(&node.name(), free);
        line.push(StyledSpan::plain(name));
        let mut known = Vec::new();
        if options.time {
            known.push(format!("{:>5}", about(node.elapsed())));
        }
        if node.attempt > 1 {
            known.push(format!("attempt {}", node.attempt));
        }
        let tokens = node.usage.total_tokens();
        if tokens > 0 {
            known.push(counted(tokens, width));
        }
        if node.cost.nano_usd() > 0 {
            known.push(cost(node.cost));
        }
        let known = known.join("  ");
        let mut line = filled(line, names);
        let used = width_of_line(&line) + 2;
        line.push(StyledSpan::new(
            format!("  {}", beginning(&known, width.saturating_sub(used))),
            DIM,
        ));
        let used = used + width_of(&known) + 2;
        let free = width.saturating_sub(used);
        let detail = node.detail(hidden, is_beside);
        if free > 3 && !detail.is_empty() {
            let detail = if node.speaks() { end(&detail, free) } else { beginning(&detail, free) };
            line.push(StyledSpan::new(format!("  {detail}"), DIM));
        }
        line
    }
}

impl Node {
    fn mark(&self) -> (&'static str, AnsiColor) {
        match self.state {
            State::Running if self.is_container => ("◆", AnsiColor::Cyan),
            State::Running => {
                let picture = self.since.elapsed().as_millis() / PICTURE.as_millis();
                let picture = usize::try_from(picture).unwrap_or_default();
                (SPINNER[picture % SPINNER.len()], AnsiColor::Cyan)
            }
            State::Retrying => ("↻", AnsiColor::Yellow),
            State::Waiting => ("⏸", AnsiColor::Yellow),
            State::Ended(StepStatus::Completed) => ("✓", AnsiColor::Green),
            State::Ended(StepStatus::Failed) => ("✗", AnsiColor::Red),
            State::Ended(_) => ("–", AnsiColor::Yellow),
        }
    }

    /// Returns the words behind the numbers.
    fn detail(&self, hidden: usize, is_beside: bool) -> String {
        if hidden > 0 {
            return format!("{hidden} inside");
        }
        match self.calls.last() {
            Some((_, call)) => call.clone(),
            None if self.speaks() && is_beside => String::new(),
            None if self.speaks() => self.last_line(),
            None => self.note.clone(),
        }
    }
}

/// Formats a cost. One with requests of unknown price is a least amount.
fn cost(cost: Cost) -> String {
    let known = Cost::of_nano_usd(cost.nano_usd());
    if cost.unpriced_requests() > 0 { format!("over {known}") } else { known.to_string() }
}

/// Formats a number of tokens.
fn counted(tokens: u64, width: usize) -> String {
    let unit = if width < 60 { "tok" } else { "tokens" };
    match tokens {
        0..10_000 => format!("{tokens} {unit}"),
        10_000..1_000_000 => format!("{}k {unit}", tokens / 1_000),
        _ => format!("{}.{}M {unit}", tokens / 1_000_000, tokens / 100_000 % 10),
    }
}
