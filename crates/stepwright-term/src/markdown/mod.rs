//! Markdown as it comes, piece by piece: what is finished is given once, and what is open can be
//! looked at again and again.

mod lines;
mod render;
mod table;

use crate::styled::{Line, Paint, Span, wrap_code};
use crate::text::Cleaner;
use anstyle::Style;
use lines::{Fence, Item};

/// How long a block may become before its beginning is given as if it were finished, in bytes. An
/// open block is read again for every frame, so this bounds what a frame costs.
const OPEN_BYTES_MAX: usize = 16 * 1024;

/// How Markdown looks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    pub(crate) width: usize,
    pub(crate) paint: Paint,
}

/// Renders Markdown that comes in pieces.
///
/// A block that has ended is rendered once and never again. Only the one at the end, which may
/// still change its meaning, is rendered whenever somebody looks at it.
#[derive(Debug)]
pub(crate) struct Markdown {
    look: Look,
    cleaner: Cleaner,
    /// The lines of the block that is open.
    held: String,
    /// The line that has not ended.
    partial: String,
    block: Block,
    /// Whether a blank line follows what is held.
    blank: bool,
    /// Whether something has been given, so that what follows needs room above it.
    given: bool,
    /// Whether what is held goes on from what was given already.
    goes_on: bool,
    /// How many bytes were read, those read several times counted as often.
    work: u64,
}

#[derive(Debug)]
enum Block {
    Nothing,
    /// A paragraph, a table, indented code: whatever a blank line ends.
    Text,
    Quote,
    List(List),
    /// Code between fences, the lines of which are given at once.
    Code(Fence),
}

#[derive(Debug)]
struct List {
    item: Item,
    /// The number of the item that is held, if the list has numbers.
    number: Option<u64>,
    /// Whether it is not the first item.
    follows: bool,
    /// Whether blank lines stand between items.
    loose: bool,
    /// Code within the item.
    code: Option<Fence>,
}

impl Markdown {
    pub(crate) fn new(look: Look) -> Self {
        Self {
            look,
            cleaner: Cleaner::default(),
            held: String::new(),
            partial: String::new(),
            block: Block::Nothing,
            blank: false,
            given: false,
            goes_on: false,
            work: 0,
        }
    }

    /// From now on, there is more or less room.
    pub(crate) fn resize(&mut self, width: usize) {
        self.look.width = width;
    }

    /// Takes a piece of text. Gives the lines that are finished by it.
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

    /// The lines of what is open, as they would be if nothing followed.
    pub(crate) fn open(&mut self) -> Vec<Line> {
        let mut lines = Vec::new();
        match &self.block {
            Block::Code(_) if !self.partial.is_empty() => {
                self.work += self.partial.len() as u64;
                lines = self.code_line(&self.partial);
            }
            Block::Code(_) => {}
            _ if self.held.is_empty() && self.partial.trim().is_empty() => {}
            // What has begun may be the next block, or belong to this one. Nobody knows yet.
            _ => {
                self.room(&mut lines);
                let text = format!("{}{}", self.held, self.partial);
                lines.extend(self.render(&text));
            }
        }
        lines
    }

    /// Nothing follows. Gives the lines that are left.
    pub(crate) fn finish(&mut self) -> Vec<Line> {
        let mut lines = Vec::new();
        if !self.partial.is_empty() {
            let line = std::mem::take(&mut self.partial);
            self.take(&line, &mut lines);
        }
        self.give(&mut lines);
        self.block = Block::Nothing;
        lines
    }

    /// How many bytes were read, those read several times counted as often.
    #[cfg(test)]
    pub(crate) fn work(&self) -> u64 {
        self.work
    }

    /// Takes a whole line.
    fn take(&mut self, line: &str, lines: &mut Vec<Line>) {
        match &mut self.block {
            Block::Code(fence) => {
                if fence.is_closed_by(line) {
                    self.block = Block::Nothing;
                } else {
                    lines.extend(self.code_line(line));
                }
                return;
            }
            Block::List(list) => {
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
                Block::List(_) => self.hold(line, lines),
                _ => self.end(lines),
            }
            return;
        }
        let blank = std::mem::take(&mut self.blank);
        if let Block::List(list) = &mut self.block {
            let item = Item::of(line);
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

    /// Takes a line that is in no list and no code, and not blank.
    fn take_outside(&mut self, line: &str, lines: &mut Vec<Line>) {
        if let Some(fence) = Fence::of(line) {
            self.end(lines);
            self.room(lines);
            if !fence.language.is_empty() {
                let label = Span::new(fence.language.clone(), Style::new().dimmed());
                lines.extend(wrap_code(&[label], self.look.width));
            }
            self.given = true;
            self.block = Block::Code(fence);
            return;
        }
        if matches!(self.block, Block::Text) && lines::is_underline(line) {
            self.hold(line, lines);
            self.end(lines);
            return;
        }
        if lines::is_heading(line) || lines::is_rule(line) {
            self.end(lines);
            self.block = Block::Text;
            self.hold(line, lines);
            self.end(lines);
            return;
        }
        let begun = match (Item::of(line), &self.block) {
            (Some(item), _) => {
                let number = item.number;
                Block::List(List { item, number, follows: false, loose: false, code: None })
            }
            (None, Block::Text) if line.starts_with('>') => Block::Quote,
            (None, Block::Nothing) if line.starts_with('>') => Block::Quote,
            (None, Block::Nothing) => Block::Text,
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
                Block::List(list) => list.code.take(),
                _ => None,
            };
            let is_list = matches!(self.block, Block::List(_));
            self.give(lines);
            self.goes_on = true;
            match code {
                Some(code) => self.block = Block::Code(code),
                None if is_list => self.block = Block::Nothing,
                None => {}
            }
        }
    }

    /// A line that does not end is given in parts.
    fn split(&mut self, lines: &mut Vec<Line>) {
        let at = self.partial.rfind(' ').map_or(self.partial.len(), |at| at + 1);
        let rest = self.partial.split_off(at);
        let part = std::mem::replace(&mut self.partial, rest);
        if matches!(self.block, Block::Code(_)) {
            lines.extend(self.code_line(&part));
            return;
        }
        if matches!(self.block, Block::Nothing) {
            self.block = Block::Text;
        }
        self.held.push_str(&part);
        self.give(lines);
        self.goes_on = true;
    }

    fn next_item(&mut self, item: Item, blank: bool, lines: &mut Vec<Line>) {
        self.give(lines);
        if let Block::List(list) = &mut self.block {
            list.number = match (list.number, item.number) {
                (Some(last), Some(_)) => Some(last.saturating_add(1)),
                (_, own) => own,
            };
            list.item = item;
            list.follows = true;
            list.loose = blank;
        }
    }

    /// The block has ended.
    fn end(&mut self, lines: &mut Vec<Line>) {
        self.give(lines);
        self.block = Block::Nothing;
        self.goes_on = false;
    }

    /// Gives what is held.
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

    /// Blocks are apart; items of a list only if they were written so.
    fn room(&self, lines: &mut Vec<Line>) {
        let tight = matches!(&self.block, Block::List(list) if list.follows && !list.loose);
        if self.given && !self.goes_on && !tight {
            lines.push(Line::new());
        }
    }

    fn render(&mut self, text: &str) -> Vec<Line> {
        self.work += text.len() as u64;
        let number = match &self.block {
            Block::List(list) => list.number,
            _ => None,
        };
        render::render(text, self.look, number)
    }

    fn code_line(&self, line: &str) -> Vec<Line> {
        render::code_lines(line, self.look)
    }
}

#[cfg(test)]
mod tests;
