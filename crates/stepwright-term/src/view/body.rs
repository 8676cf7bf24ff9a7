//! The body of a panel: Markdown, JSON or plain text.

use crate::json;
use crate::markdown::{self, Markdown};
use crate::options::RenderOptions;
use crate::styled::{Line, StyledSpan, wrap};
use crate::text::Cleaner;
use stepwright_core::Content;

/// A sequence of answers, separated by blank lines.
#[derive(Debug)]
pub(super) struct PanelBody {
    options: RenderOptions,
    width: usize,
    answer: Option<AnswerFormat>,
    /// Text that is not visible yet: blanks, or incomplete JSON.
    held: String,
    /// `true` if lines of the current answer were returned.
    begun: bool,
    /// `true` if an earlier answer had lines.
    follows: bool,
}

#[derive(Debug)]
enum AnswerFormat {
    /// Shown when it is complete.
    Json,
    Markdown(Box<Markdown>),
    /// Shown unchanged, except for wrapping.
    Text {
        cleaner: Cleaner,
        partial: String,
    },
}

impl PanelBody {
    pub(super) fn new(options: RenderOptions, width: usize) -> Self {
        Self { options, width, answer: None, held: String::new(), begun: false, follows: false }
    }

    /// Sets a new width.
    pub(super) fn resize(&mut self, width: usize) {
        self.width = width;
        if let Some(AnswerFormat::Markdown(markdown)) = &mut self.answer {
            markdown.resize(width);
        }
    }

    /// Adds a piece of text and returns the lines that it completes.
    pub(super) fn push(&mut self, piece: &str) -> Vec<Line> {
        let lines = match &mut self.answer {
            Some(AnswerFormat::Json) => {
                self.held.push_str(piece);
                Vec::new()
            }
            Some(answer) => answer.push(piece, self.width),
            None => {
                self.held.push_str(piece);
                if self.held.trim().is_empty() {
                    return Vec::new();
                }
                if json::may_be(&self.held) {
                    self.answer = Some(AnswerFormat::Json);
                    return Vec::new();
                }
                let text = std::mem::take(&mut self.held);
                let mut answer = self.readable();
                let lines = answer.push(text.trim_start_matches(['\n', '\r']), self.width);
                self.answer = Some(answer);
                lines
            }
        };
        self.apart(lines)
    }

    /// Returns the lines of the unfinished text, as they look if nothing follows.
    pub(super) fn open(&mut self) -> Vec<Line> {
        let mut lines = match &mut self.answer {
            Some(AnswerFormat::Markdown(markdown)) => markdown.open(),
            Some(AnswerFormat::Text { partial, .. }) if !partial.is_empty() => {
                wrap(&[StyledSpan::plain(partial.clone())], self.width)
            }
            _ => Vec::new(),
        };
        if self.follows && !self.begun && !lines.is_empty() {
            lines.insert(0, Line::new());
        }
        lines
    }

    /// Ends the answer and returns its remaining lines.
    pub(super) fn finish(&mut self) -> Vec<Line> {
        let lines = match self.answer.take() {
            Some(AnswerFormat::Json) => {
                let text = std::mem::take(&mut self.held);
                if let Some(value) = json::parse(&text) {
                    json::lines(&value, self.width)
                } else {
                    let mut answer = self.readable();
                    let mut lines = answer.push(text.trim_start_matches('\n'), self.width);
                    lines.extend(answer.finish(self.width));
                    lines
                }
            }
            Some(mut answer) => answer.finish(self.width),
            None => {
                self.held.clear();
                Vec::new()
            }
        };
        let lines = self.apart(lines);
        self.follows |= std::mem::take(&mut self.begun);
        lines
    }

    /// Returns the lines of a complete answer.
    pub(super) fn content(&mut self, content: &Content) -> Vec<Line> {
        let mut lines = self.finish();
        match content {
            Content::Text(text) => lines.extend(self.push(text)),
            Content::Json(value) => {
                let value = json::lines(value, self.width);
                lines.extend(self.apart(value));
            }
        }
        lines.extend(self.finish());
        lines
    }

    /// Adds a note, whose lines stay together.
    pub(super) fn note(&mut self, note: Vec<Line>) -> Vec<Line> {
        let mut lines = self.finish();
        lines.extend(note);
        // Leave a blank line above the next answer.
        self.follows = true;
        lines
    }

    fn readable(&self) -> AnswerFormat {
        if self.options.markdown {
            let options =
                markdown::MarkdownOptions { width: self.width, paint: self.options.paint };
            AnswerFormat::Markdown(Box::new(Markdown::new(options)))
        } else {
            AnswerFormat::Text { cleaner: Cleaner::default(), partial: String::new() }
        }
    }

    fn apart(&mut self, mut lines: Vec<Line>) -> Vec<Line> {
        if !lines.is_empty() {
            if self.follows && !self.begun {
                lines.insert(0, Line::new());
            }
            self.begun = true;
        }
        lines
    }
}

impl AnswerFormat {
    fn push(&mut self, piece: &str, width: usize) -> Vec<Line> {
        match self {
            Self::Json => Vec::new(),
            Self::Markdown(markdown) => markdown.push(piece),
            Self::Text { cleaner, partial } => {
                cleaner.clean(piece, partial);
                let Some(end) = partial.rfind('\n') else { return Vec::new() };
                let rest = partial.split_off(end + 1);
                let whole = std::mem::replace(partial, rest);
                let lines = whole[..end].split('\n');
                lines.flat_map(|line| wrap(&[StyledSpan::plain(line)], width)).collect()
            }
        }
    }

    fn finish(&mut self, width: usize) -> Vec<Line> {
        match self {
            Self::Json => Vec::new(),
            Self::Markdown(markdown) => markdown.finish(),
            Self::Text { partial, .. } if partial.is_empty() => Vec::new(),
            Self::Text { partial, .. } => {
                wrap(&[StyledSpan::plain(std::mem::take(partial))], width)
            }
        }
    }
}
