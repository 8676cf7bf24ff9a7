//! What a step says, as lines: Markdown, JSON, or text as it is.

use crate::json;
use crate::look::Look;
use crate::markdown::{self, Markdown};
use crate::styled::{Line, Span, wrap};
use crate::text::Cleaner;
use stepwright_core::Content;

/// One answer after the other, with room between them.
#[derive(Debug)]
pub(super) struct Body {
    look: Look,
    width: usize,
    answer: Option<Answer>,
    /// What was said and is not part of an answer that can be seen: blanks, or JSON.
    held: String,
    /// Whether lines of this answer were given.
    begun: bool,
    /// Whether lines of an earlier one were.
    follows: bool,
}

#[derive(Debug)]
enum Answer {
    /// Shown when all of it is there.
    Json,
    Markdown(Box<Markdown>),
    /// As it is: only its lines are broken.
    Text {
        cleaner: Cleaner,
        partial: String,
    },
}

impl Body {
    pub(super) fn new(look: Look, width: usize) -> Self {
        Self { look, width, answer: None, held: String::new(), begun: false, follows: false }
    }

    /// From now on, there is more or less room.
    pub(super) fn resize(&mut self, width: usize) {
        self.width = width;
        if let Some(Answer::Markdown(markdown)) = &mut self.answer {
            markdown.resize(width);
        }
    }

    /// Takes a piece of text. Gives the lines that are finished by it.
    pub(super) fn push(&mut self, piece: &str) -> Vec<Line> {
        let lines = match &mut self.answer {
            Some(Answer::Json) => {
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
                    self.answer = Some(Answer::Json);
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

    /// The lines of what has not ended, as they would be if nothing followed.
    pub(super) fn open(&mut self) -> Vec<Line> {
        let mut lines = match &mut self.answer {
            Some(Answer::Markdown(markdown)) => markdown.open(),
            Some(Answer::Text { partial, .. }) if !partial.is_empty() => {
                wrap(&[Span::plain(partial.clone())], self.width)
            }
            _ => Vec::new(),
        };
        if self.follows && !self.begun && !lines.is_empty() {
            lines.insert(0, Line::new());
        }
        lines
    }

    /// The answer has ended.
    pub(super) fn finish(&mut self) -> Vec<Line> {
        let lines = match self.answer.take() {
            Some(Answer::Json) => {
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

    /// A whole answer.
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

    /// Lines of another kind, which stand together.
    pub(super) fn note(&mut self, note: Vec<Line>) -> Vec<Line> {
        let mut lines = self.finish();
        lines.extend(note);
        // An answer that follows has room above it.
        self.follows = true;
        lines
    }

    fn readable(&self) -> Answer {
        if self.look.markdown {
            let look = markdown::Look { width: self.width, paint: self.look.paint };
            Answer::Markdown(Box::new(Markdown::new(look)))
        } else {
            Answer::Text { cleaner: Cleaner::default(), partial: String::new() }
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

impl Answer {
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
                lines.flat_map(|line| wrap(&[Span::plain(line)], width)).collect()
            }
        }
    }

    fn finish(&mut self, width: usize) -> Vec<Line> {
        match self {
            Self::Json => Vec::new(),
            Self::Markdown(markdown) => markdown.finish(),
            Self::Text { partial, .. } if partial.is_empty() => Vec::new(),
            Self::Text { partial, .. } => wrap(&[Span::plain(std::mem::take(partial))], width),
        }
    }
}
