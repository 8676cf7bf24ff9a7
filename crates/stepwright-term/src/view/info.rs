//! The first panel of a run: workflow, session and input.

use super::frame::{BOLD, DIM, PanelFrame, color};
use super::{LastOutput, View};
use crate::json;
use crate::options::Style as Form;
use crate::screen::Screen;
use crate::styled::{Line, StyledSpan, wrap};
use crate::text::{clean, counted, harmless};
use anstyle::AnsiColor;
use stepwright_core::event::WorkflowStarted;
use stepwright_core::{Content, Media, MediaKind, StepPath};
use stepwright_engine::Workflow;

/// The largest number of input lines shown.
const INPUT_LINES_MAX: usize = 12;

/// The largest number of steps named.
const STEPS_MAX: usize = 12;

/// The facts about a workflow shown before it runs.
#[derive(Clone, Debug, Default)]
pub(crate) struct WorkflowInfo {
    pub(crate) description: Option<String>,
    pub(crate) steps: Vec<String>,
    /// `true` if runs are stored and can be found again.
    pub(crate) stored: bool,
}

impl WorkflowInfo {
    pub(crate) fn of(workflow: &Workflow) -> Self {
        Self {
            description: workflow.description().map(str::to_owned),
            steps: workflow.plan().body.iter().map(|node| node.name.to_string()).collect(),
            stored: workflow.has_store(),
        }
    }
}

impl View {
    pub(super) fn info(&mut self, started: &WorkflowStarted, screen: &mut Screen) {
        if !self.options.info {
            return;
        }
        let frame = PanelFrame::new(self.options, screen.size().0);
        let root = StepPath::root();
        let inner = frame.inner(&root);
        self.room(screen, LastOutput::Panel);
        screen.keep(&frame.open_about(&started.workflow_name, color(AnsiColor::Cyan)));
        let mut show = |lines: Vec<Line>| {
            for line in lines {
                screen.keep(&frame.body(&root, line));
            }
        };
        if let Some(description) = &self.about.description {
            show(wrap(&[StyledSpan::plain(clean(description))], inner));
        }
        let mut member = |name: &str, value: String| {
            let name = StyledSpan::new(format!("{name:<9}"), BOLD);
            let lines = wrap(&[StyledSpan::plain(value)], inner.saturating_sub(9));
            let before =
                std::iter::once(name).chain(std::iter::repeat(StyledSpan::plain(" ".repeat(9))));
            show(
                lines
                    .into_iter()
                    .zip(before)
                    .map(|(line, name)| [vec![name], line].concat())
                    .collect(),
            );
        };
        let steps = &self.about.steps;
        if !steps.is_empty() {
            member("steps", format!("{}: {}", steps.len(), names(steps)));
        }
        let input = &started.input;
        if let Content::Text(text) = &input.content {
            member("message", shortened(text));
        }
        if let Some(user) = &started.user_id {
            member("user", harmless(user.as_str()));
        }
        member("session", harmless(started.session_id.as_str()));
        if !input.media.is_empty() {
            member("media", media(&input.media));
        }
        if let Content::Json(value) = &input.content
            && !value.is_null()
        {
            let mut lines = json::lines(value, inner);
            let more = lines.len().saturating_sub(INPUT_LINES_MAX);
            lines.truncate(INPUT_LINES_MAX);
            if more > 0 {
                let more = counted(more as u64, "more line", "more lines");
                lines.push(vec![StyledSpan::new(format!("… {more}"), DIM)]);
            }
            show(vec![vec![StyledSpan::new("input", BOLD)]]);
            show(lines);
        }
        if self.options.style != Form::Plain {
            for line in frame.close(&root, Line::new()) {
                screen.keep(&line);
            }
        }
    }
}

fn names(steps: &[String]) -> String {
    let shown: Vec<String> = steps.iter().take(STEPS_MAX).map(|name| harmless(name)).collect();
    let more = if steps.len() > STEPS_MAX { ", …" } else { "" };
    format!("{}{more}", shown.join(", "))
}

/// Returns the first lines of a message.
fn shortened(text: &str) -> String {
    let text = clean(text.trim_end());
    let mut lines = text.lines();
    let shown: Vec<&str> = lines.by_ref().take(INPUT_LINES_MAX).collect();
    match lines.count() {
        0 => shown.join("\n"),
        more => {
            format!("{}\n… {}", shown.join("\n"), counted(more as u64, "more line", "more lines"))
        }
    }
}

fn media(media: &[Media]) -> String {
    let kinds = [
        (MediaKind::Image, "image", "images"),
        (MediaKind::Video, "video", "videos"),
        (MediaKind::Audio, "sound", "sounds"),
        (MediaKind::File, "file", "files"),
    ];
    let count = |kind| media.iter().filter(|one| one.kind == kind).count() as u64;
    let parts = kinds.iter().map(|(kind, one, many)| (count(*kind), one, many));
    let parts = parts.filter(|(count, ..)| *count > 0);
    parts.map(|(count, one, many)| counted(count, one, many)).collect::<Vec<_>>().join(", ")
}
