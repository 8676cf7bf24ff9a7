//! How it ended: the output if no step has shown it, the summary, and what went wrong.

use super::body::Body;
use super::frame::{DIM, Frame, color};
use super::{Above, View};
use crate::look::{Look, Style as Form};
use crate::screen::Screen;
use crate::styled::{Line, Span, wrap};
use crate::summary::summary_line;
use crate::terminal::word_of;
use crate::text::clean;
use anstyle::AnsiColor;
use stepwright_core::{Content, Error, ErrorKind, RunOutput, StepPath};

impl View {
    /// Shows how it ended, or what it waits for.
    pub(crate) fn conclude(
        &mut self,
        answer: &Result<RunOutput, Error>,
        to_continue: Option<&str>,
        screen: &mut Screen,
    ) {
        if let Ok(output) = answer
            && !self.look.shows_steps()
            && !output.is_paused()
        {
            self.output(&output.content, screen);
        }
        let output = answer.as_ref().ok().or_else(|| answer.as_ref().err().and_then(Error::output));
        if let Some(output) = output
            && self.look.summary
        {
            self.room(screen, Above::Panel);
            let summary = summary_line(output, self.look.time);
            let frame = Frame::new(self.look, screen.size().0);
            for line in wrap(&summary, frame.width) {
                screen.keep(&self.look.paint.line(&line));
            }
            if self.about.stored {
                let kept = format!("run {} · session {}", output.run_id, output.session_id);
                for line in wrap(&[Span::new(kept, self.dim())], frame.width) {
                    screen.keep(&self.look.paint.line(&line));
                }
            }
        }
        if let Ok(output) = answer
            && output.is_paused()
        {
            self.waiting(output, to_continue, screen);
        }
        // Whoever cancelled a run knows why it ended.
        if let Err(error) = answer
            && !(error.kind() == ErrorKind::Cancelled && self.look.summary)
        {
            self.error(error, screen);
        }
    }

    /// Shows what a run gives.
    pub(crate) fn output(&mut self, content: &Content, screen: &mut Screen) {
        let frame = Frame::new(self.look, screen.size().0);
        let lines = content_lines(content, self.look, frame.width);
        if lines.is_empty() {
            return;
        }
        self.room(screen, Above::Panel);
        for line in lines {
            screen.keep(&self.look.paint.line(&line));
        }
        self.above = Above::Panel;
    }

    /// The lines of a text, as they fit.
    pub(crate) fn broken(&self, text: &str, columns: usize) -> Vec<String> {
        let width = self.look.width(columns);
        wrap(&[Span::plain(text)], width).iter().map(|line| line_text(line)).collect()
    }

    /// Says what went wrong, and what to do.
    pub(crate) fn error(&mut self, error: &Error, screen: &mut Screen) {
        let frame = Frame::new(self.look, screen.size().0);
        let root = StepPath::root();
        let is_panel = self.look.style == Form::Panels;
        self.room(screen, if is_panel { Above::Panel } else { self.above });
        let red = color(AnsiColor::Red);
        if is_panel {
            screen.keep(&frame.open_about("failed", red));
        }
        let width = if is_panel { frame.inner(&root) } else { frame.width };
        for line in clean(&error.report()).lines() {
            let spans = match word_of(line) {
                Some((word, style)) => {
                    vec![Span::new(word, style), Span::plain(&line[word.len()..])]
                }
                None => vec![Span::plain(line)],
            };
            for line in wrap(&spans, width) {
                let line = if is_panel { bar(line) } else { line };
                screen.keep(&self.look.paint.line(&line));
            }
        }
        if is_panel {
            screen.keep(&self.look.paint.line(&[Span::new("╰─", DIM)]));
        }
        self.above = Above::Panel;
    }
}

/// What a run or a step gives, as lines. Nothing has none.
pub(crate) fn content_lines(content: &Content, look: Look, width: usize) -> Vec<Line> {
    if content.is_empty() { Vec::new() } else { Body::new(look, width).content(content) }
}

fn line_text(line: &[Span]) -> String {
    line.iter().map(|span| span.text.as_str()).collect()
}

fn bar(line: Line) -> Line {
    [vec![Span::new("│ ", AnsiColor::Red.on_default())], line].concat()
}
