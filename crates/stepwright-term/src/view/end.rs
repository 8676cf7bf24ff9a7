//! The end of a run: the output if no step has shown it, the summary and the error.

use super::body::PanelBody;
use super::frame::{DIM, PanelFrame, color};
use super::{LastOutput, View};
use crate::options::{RenderOptions, Style as Form};
use crate::screen::Screen;
use crate::styled::{Line, StyledSpan, wrap, wrapped_lines};
use crate::summary::summary_line;
use crate::terminal::word_of;
use crate::text::clean;
use anstyle::AnsiColor;
use stepwright_core::{Content, Error, ErrorKind, RunOutput, StepPath};

impl View {
    /// Shows the result of the run, or its pending requests.
    pub(crate) fn conclude(
        &mut self,
        answer: &Result<RunOutput, Error>,
        to_continue: Option<&str>,
        screen: &mut Screen,
    ) {
        if let Ok(output) = answer
            && !self.options.shows_steps()
            && !output.is_paused()
        {
            self.output(&output.content, screen);
        }
        let output = answer.as_ref().ok().or_else(|| answer.as_ref().err().and_then(Error::output));
        if let Some(output) = output
            && self.options.summary
        {
            self.room(screen, LastOutput::Panel);
            let summary = summary_line(output, self.options.time);
            let frame = PanelFrame::new(self.options, screen.size().0);
            for line in wrap(&summary, frame.width) {
                screen.keep(&self.options.paint.line(&line));
            }
            if self.about.stored {
                let kept = format!("run {} · session {}", output.run_id, output.session_id);
                for line in wrap(&[StyledSpan::new(kept, self.dim())], frame.width) {
                    screen.keep(&self.options.paint.line(&line));
                }
            }
        }
        if let Ok(output) = answer
            && output.is_paused()
        {
            self.waiting(output, to_continue, screen);
        }
        // A cancellation needs no explanation: the person at the terminal requested it.
        if let Err(error) = answer
            && !(error.kind() == ErrorKind::Cancelled && self.options.summary)
        {
            self.error(error, screen);
        }
    }

    /// Shows the output of a run.
    pub(crate) fn output(&mut self, content: &Content, screen: &mut Screen) {
        let frame = PanelFrame::new(self.options, screen.size().0);
        let lines = content_lines(content, self.options, frame.width);
        if lines.is_empty() {
            return;
        }
        self.room(screen, LastOutput::Panel);
        for line in lines {
            screen.keep(&self.options.paint.line(&line));
        }
        self.above = LastOutput::Panel;
    }

    /// Wraps a text into lines.
    pub(crate) fn broken(&self, text: &str, columns: usize) -> Vec<String> {
        let width = self.options.width(columns);
        let lines = wrapped_lines(text, width).into_iter();
        lines.map(|line| line.trim_end_matches(' ').to_owned()).collect()
    }

    /// Shows an error and its hint.
    pub(crate) fn error(&mut self, error: &Error, screen: &mut Screen) {
        let frame = PanelFrame::new(self.options, screen.size().0);
        let root = StepPath::root();
        let is_panel = self.options.style == Form::Panels;
        self.room(screen, if is_panel { LastOutput::Panel } else { self.above });
        let red = color(AnsiColor::Red);
        if is_panel {
            screen.keep(&frame.open_about("failed", red));
        }
        let width = if is_panel { frame.inner(&root) } else { frame.width };
        for line in clean(&error.report()).lines() {
            let spans = match word_of(line) {
                Some((word, style)) => {
                    vec![StyledSpan::new(word, style), StyledSpan::plain(&line[word.len()..])]
                }
                None => vec![StyledSpan::plain(line)],
            };
            for line in wrap(&spans, width) {
                let line = if is_panel { bar(line) } else { line };
                screen.keep(&self.options.paint.line(&line));
            }
        }
        if is_panel {
            screen.keep(&self.options.paint.line(&[StyledSpan::new("╰─", DIM)]));
        }
        self.above = LastOutput::Panel;
    }
}

/// Formats the content of a run or step as lines. Empty content has none.
pub(crate) fn content_lines(content: &Content, options: RenderOptions, width: usize) -> Vec<Line> {
    if content.is_empty() { Vec::new() } else { PanelBody::new(options, width).content(content) }
}

fn bar(line: Line) -> Line {
    [vec![StyledSpan::new("│ ", AnsiColor::Red.on_default())], line].concat()
}
