//! A streaming Markdown renderer: finished lines are returned once, and the open block can be
//! rendered repeatedly.

mod lines;
mod render;
mod table;

use crate::styled::{Line, Paint, StyledSpan, wrap_code};
use crate::text::Cleaner;
use anstyle::Style;
use lines::{Fence, ListItem};

/// The size at which an open block is split, in bytes. An open block is rendered for every frame,
/// so this bounds the cost of a frame.
const OPEN_BYTES_MAX: usize = 16 * 1024;

/// The width and colors of rendered Markdown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MarkdownOptions {
    pub(crate) width: usize,
    pub(crate) paint: Paint,
}

/// Renders Markdown that arrives in pieces.
///
/// A finished block is rendered once. Only the last block, whose meaning may still change, is
/// rendered for every frame.
#[derive(Debug)]
pub(crate) struct Markdown {
    options: MarkdownOptions,
    cleaner: Cleaner,
    /// The lines of the open block.
    held: String,
    /// The incomplete last line.
    partial: String,
    block: MarkdownBlock,
    /// `true` if a blank line follows the held text.
    blank: bool,
    /// `true` if lines were returned, so that the next block needs a blank line above it.
    given: bool,
    /// `true` if the held text continues text that was already returned.
    goes_on: bool,
    /// The number of bytes processed, counting repeated reads.
    work: u64,
}

#[derive(Debug)]
enum MarkdownBlock {
    Nothing,
    /// A paragraph, a table or indented code: anything that a blank line ends.
    Text,
    Quote,
    List(OpenList),
    /// Fenced code, whose lines are returned at once.
    Code(Fence),
}

#[derive(Debug)]
struct OpenList {
    item: ListItem,
    /// The number of the held item, in a numbered list.
    number: Option<u64>,
    /// `true` except for the first item.
    follows: bool,
    /// `true` if blank lines separate the items.
    loose: bool,
    /// Fenced code inside the item.
    code: Option<Fence>,
}

impl Markdown {
    pub(crate) fn new(options: MarkdownOptions) -> Self {
        Self {
            options,
            cleaner: Cleaner::default(),
            held: String::new(),
            partial: String::new(),
            block: MarkdownBlock::Nothing,
            blank: false,
            given: false,
            goes_on: false,
            work: 0,
        }
    }

    /// Sets a new width.
    pub(crate) fn resize(&mut self, width: usize) {
        self.options.width = width;
    }

    /// Adds a piece of text and returns the lines that it completes.
    pub(crate) fn push(&mut self, piece: &str) -> Vec<Line> {
        self.work += piece.len() as u64;
        let mut cleaned = String::with_capacity(piece.len());
        self.cleaner.clean(piece, &mut cleaned);
        let mut lines = Vec::new();
        for part in cleaned.split_inclusive('\n') {
            self.partial.push_str(part);
            if self.partial.ends_with('\n') {
                self.partial.pop();
                let line = std::mem::take(&mut self.partial);
                self.take(&line, &mut lines);
            } else if self.partial.len() > OPEN_BYTES_MAX {
                self.split(&mut lines);
            }
        }
        lines
    }

    /// Returns the lines of the open block, as they look if nothing follows.
    pub(crate) fn open(&mut self) -> Vec<Line> {
        let mut lines = Vec::new();
        match &self.block {
            MarkdownBlock::Code(_) if !self.partial.is_empty() => {
                self.work += self.partial.len() as u64;
                lines = self.code_line(&self.partial);
            }
            MarkdownBlock::Code(_) => {}
            _ if self.held.is_empty() && self.partial.trim().is_empty() => {}
            // The partial line may start a new block or belong to this one; assume the latter.
            _ => {
                self.room(&mut lines);
                let text = format!("{}{}", self.held, self.partial);
                lines.extend(self.render(&text));
            }
        }
        lines
    }

    /// Ends the text and returns its remaining lines.
    pub(crate) fn finish(&mut self) -> Vec<Line> {
        let mut lines = Vec::new();
        if !self.partial.is_empty() {
            let line = std::mem::take(&mut self.partial);
            self.take(&line, &mut lines);
        }
        self.give(&mut lines);
        self.block = MarkdownBlock::Nothing;
        lines
    }

    /// Returns the number of bytes processed, counting repeated reads.
    #[cfg(test)]
    pub(crate) fn work(&self) -> u64 {
        self.work
    }

    /// Adds a complete line.
    fn take(&mut self, line: &str, lines: &mut Vec<Line>) {
        match &mut self.block {
            MarkdownBlock::Code(fence) => {
                if fence.is_closed_by(line) {
                    self.block = MarkdownBlock::Nothing;
                } else {
                    lines.extend(self.code_line(line));
                }
                return;
            }
            MarkdownBlock::List(list) => {
                if let Some(fence) = &list.code {
                    if fence.is_closed_by(line) {
                        list.code = None;
                    }
                    self.hold(line, lines);
                    return;
                }
            }
            _ => {}
        }
        if line.trim().is_empty() {
            self.blank = true;
            match self.block {
                MarkdownBlock::List(_) => self.hold(line, lines),
                _ => self.end(lines),
            }
            return;
        }
        let blank = std::mem::take(&mut self.blank);
        if let MarkdownBlock::List(list) = &mut self.block {
            let item = ListItem::of(line);
            match item {
                Some(item) if item.indent < list.item.content => {
                    self.next_item(item, blank, lines);
                    self.hold(line, lines);
                    return;
                }
                _ if lines::indent(line) >= list.item.content => {
                    list.code = Fence::of(line.trim_start());
                    self.hold(line, lines);
                    return;
                }
                _ if blank || lines::begins_block(line) => self.end(lines),
                _ => {
                    self.hold(line, lines);
                    return;
                }
            }
        }
        self.take_outside(line, lines);
    }

    /// Adds a nonblank line outside of lists and code.
    fn take_outside(&mut self, line: &str, lines: &mut Vec<Line>) {
        if let Some(fence) = Fence::of(line) {
            self.end(lines);
            self.room(lines);
            if !fence.language.is_empty() {
                let label = StyledSpan::new(fence.language.clone(), Style::new().dimmed());
                lines.extend(wrap_code(&[label], self.options.width));
            }
            self.given = true;
            self.block = MarkdownBlock::Code(fence);
            return;
        }
        if matches!(self.block, MarkdownBlock::Text) && lines::is_underline(line) {
            self.hold(line, lines);
            self.end(lines);
            return;
        }
        if lines::is_heading(line) || lines::is_rule(line) {
            self.end(lines);
            self.block = MarkdownBlock::Text;
            self.hold(line, lines);
            self.end(lines);
            return;
        }
        let begun = match (ListItem::of(line), &self.block) {
            (Some(item), _) => {
                let number = item.number;
                MarkdownBlock::List(OpenList {
                    item,
                    number,
                    follows: false,
                    loose: false,
                    code: None,
                })
            }
            (None, MarkdownBlock::Text) if line.starts_with('>') => MarkdownBlock::Quote,
            (None, MarkdownBlock::Nothing) if line.starts_with('>') => MarkdownBlock::Quote,
            (None, MarkdownBlock::Nothing) => MarkdownBlock::Text,
            _ => {
                self.hold(line, lines);
                return;
            }
        };
        self.end(lines);
        self.block = begun;
        self.hold(line, lines);
    }

    fn hold(&mut self, line: &str, lines: &mut Vec<Line>) {
        self.held.push_str(line);
        self.held.push('\n');
        if self.held.len() > OPEN_BYTES_MAX {
            let code = match &mut self.block {
                MarkdownBlock::List(list) => list.code.take(),
                _ => None,
            };
            let is_list = matches!(self.block, MarkdownBlock::List(_));
            self.give(lines);
            self.goes_on = true;
            match code {
                Some(code) => self.block = MarkdownBlock::Code(code),
                None if is_list => self.block = MarkdownBlock::Nothing,
                None => {}
            }
        }
    }

    /// Returns part of a line that is too long to hold.
    fn split(&mut self, lines: &mut Vec<Line>) {
        let at = self.partial.rfind(' ').map_or(self.partial.len(), |at| at + 1);
        let rest = self.partial.split_off(at);
        let part = std::mem::replace(&mut self.partial, rest);
        if matches!(self.block, MarkdownBlock::Code(_)) {
            lines.extend(self.code_line(&part));
            return;
        }
        if matches!(self.block, MarkdownBlock::Nothing) {
            self.block = MarkdownBlock::Text;
        }
        self.held.push_str(&part);
        self.give(lines);
        self.goes_on = true;
    }

    fn next_item(&mut self, item: ListItem, blank: bool, lines: &mut Vec<Line>) {
        self.give(lines);
        if let MarkdownBlock::List(list) = &mut self.block {
            list.number = match (list.number, item.number) {
                (Some(last), Some(_)) => Some(last.saturating_add(1)),
                (_, own) => own,
            };
            list.item = item;
            list.follows = true;
            list.loose = blank;
        }
    }

    /// Ends the block.
    fn end(&mut self, lines: &mut Vec<Line>) {
        self.give(lines);
        self.block = MarkdownBlock::Nothing;
        self.goes_on = false;
    }

    /// Renders the held text.
    fn give(&mut self, lines: &mut Vec<Line>) {
        if self.held.trim().is_empty() {
            self.held.clear();
            return;
        }
        self.room(lines);
        let held = std::mem::take(&mut self.held);
        lines.extend(self.render(&held));
        self.given = true;
        self.goes_on = false;
    }

    /// Adds a blank line between blocks, but not between the items of a tight list.
    fn room(&self, lines: &mut Vec<Line>) {
        let tight = matches!(&self.block, MarkdownBlock::List(list) if list.follows && !list.loose);
        if self.given && !self.goes_on && !tight {
            lines.push(Line::new());
        }
    }

    fn render(&mut self, text: &str) -> Vec<Line> {
        self.work += text.len() as u64;
        let number = match &self.block {
            MarkdownBlock::List(list) => list.number,
            _ => None,
        };
        render::render(text, self.options, number)
    }

    fn code_line(&self, line: &str) -> Vec<Line> {
        render::code_lines(line, self.options)
    }
}

#[cfg(test)]
mod tests;
