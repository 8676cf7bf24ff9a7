//! Renders one block of Markdown.

use super::{MarkdownOptions, table};
use crate::styled::{DIM, Line, StyledSpan, width_of_line, wrap, wrap_code};
use crate::text::clean;
use anstyle::{AnsiColor, Style};
use pulldown_cmark::{CodeBlockKind, Event, HeadingLevel, Options, Parser, Tag, TagEnd};
use std::iter::Peekable;
use std::sync::Arc;

/// The deepest nesting of quotes and lists that is rendered; deeper text is shown unchanged.
const DEPTH_MAX: usize = 16;

/// The narrowest width of text in nested lists and quotes.
const WIDTH_MIN: usize = 8;

/// The width of a horizontal rule.
const RULE_WIDTH: usize = 24;

const CODE: Style = AnsiColor::Cyan.on_default();

/// Renders a block. A list at its start begins with `number`.
pub(super) fn render(text: &str, options: MarkdownOptions, number: Option<u64>) -> Vec<Line> {
    let extensions =
        Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS;
    let parser = || Parser::new_ext(text, extensions);
    let mut depth = 0_usize;
    for event in parser() {
        match event {
            Event::Start(_) => depth += 1,
            Event::End(_) => depth -= 1,
            _ => {}
        }
        if depth > DEPTH_MAX {
            return wrap(&[StyledSpan::plain(text.trim_end())], options.width);
        }
    }
    let mut renderer = Renderer { events: parser().peekable(), options, number };
    let lines = renderer.blocks(options.width).into_iter();
    // Deeply nested text may exceed the width.
    let fits = |line: Line| {
        let line = trimmed(line);
        if width_of_line(&line) > options.width {
            wrap_code(&line, options.width)
        } else {
            vec![line]
        }
    };
    lines.flat_map(fits).collect()
}

/// Formats lines of code, indented, and wrapped only where they do not fit.
pub(super) fn code_lines(code: &str, options: MarkdownOptions) -> Vec<Line> {
    let lines = wrap_code(&[StyledSpan::new(code, CODE)], options.width.saturating_sub(2));
    lines.into_iter().map(|line| trimmed(prefixed(StyledSpan::plain("  "), line))).collect()
}

struct Renderer<'t, I: Iterator<Item = Event<'t>>> {
    events: Peekable<I>,
    options: MarkdownOptions,
    /// The first number of the first list.
    number: Option<u64>,
}

impl<'t, I: Iterator<Item = Event<'t>>> Renderer<'t, I> {
    /// Returns the blocks up to the end of the enclosing element.
    fn blocks(&mut self, width: usize) -> Vec<Line> {
        let mut lines = Vec::new();
        // The text of a tight item has no paragraph, and no blank lines around it.
        let mut apart = false;
        loop {
            let Some(event) = self.events.peek() else { return lines };
            let (block, is_apart) = match event {
                Event::End(_) => {
                    self.events.next();
                    return lines;
                }
                Event::Start(tag) if is_block(tag) => {
                    let Some(Event::Start(tag)) = self.events.next() else { return lines };
                    let is_list = matches!(tag, Tag::List(_));
                    (self.block(tag, width), !is_list || apart)
                }
                Event::Rule => {
                    self.events.next();
                    let rule = "─".repeat(width.min(RULE_WIDTH));
                    (vec![vec![StyledSpan::new(rule, DIM)]], true)
                }
                Event::Html(_) => (self.html(width), true),
                _ => (wrap(&self.inline(Style::new()), width), false),
            };
            if !lines.is_empty() && is_apart {
                lines.push(Line::new());
            }
            apart = is_apart;
            lines.extend(block);
        }
    }

    fn block(&mut self, tag: Tag<'t>, width: usize) -> Vec<Line> {
        match tag {
            Tag::Heading { level, .. } => {
                let style = match level {
                    HeadingLevel::H1 => Style::new().bold().underline(),
                    HeadingLevel::H2 => Style::new().bold(),
                    _ => Style::new().bold().italic(),
                };
                let mut spans = self.inline(style);
                self.events.next();
                if !self.options.paint.color {
                    // Without colors, only the marker shows that this is a heading.
                    spans.insert(0, StyledSpan::plain("#".repeat(level as usize) + " "));
                }
                wrap(&spans, width)
            }
            Tag::BlockQuote(_) => {
                let inner = self.blocks(narrower(width, 2));
                let bar = StyledSpan::new("▌ ", DIM);
                inner.into_iter().map(|line| prefixed(bar.clone(), line)).collect()
            }
            Tag::CodeBlock(kind) => self.code(&kind, width),
            Tag::List(first) => {
                let first = self.number.take().or(first);
                self.list(first, width)
            }
            Tag::Table(alignments) => {
                let rows = self.table();
                table::table(&rows, &alignments, width)
            }
            Tag::HtmlBlock => {
                let lines = self.html(width);
                self.events.next();
                lines
            }
            // A paragraph, or an element without special treatment.
            _ => {
                let spans = self.inline(Style::new());
                self.events.next();
                wrap(&spans, width)
            }
        }
    }

    fn list(&mut self, first: Option<u64>, width: usize) -> Vec<Line> {
        let mut lines = Vec::new();
        let mut number = first;
        while let Some(event) = self.events.next() {
            if !matches!(event, Event::Start(Tag::Item)) {
                // The end of the list.
                break;
            }
            let mark = match &mut number {
                Some(number) => {
                    let mark = format!("{number}. ");
                    *number = number.saturating_add(1);
                    mark
                }
                None => "• ".to_owned(),
            };
            let indent = mark.chars().count();
            let mut inner = self.blocks(narrower(width, indent)).into_iter();
            let mark = StyledSpan::new(mark, DIM);
            lines.push(prefixed(mark, inner.next().unwrap_or_default()));
            let room = StyledSpan::plain(" ".repeat(indent));
            lines.extend(inner.map(|line| prefixed(room.clone(), line)));
        }
        lines
    }

    fn code(&mut self, kind: &CodeBlockKind<'t>, width: usize) -> Vec<Line> {
        let mut code = String::new();
        for event in self.events.by_ref() {
            match event {
                Event::Text(text) => code.push_str(&text),
                Event::End(TagEnd::CodeBlock) => break,
                _ => {}
            }
        }
        let options = MarkdownOptions { width, ..self.options };
        let label = match kind {
            CodeBlockKind::Fenced(label) => label.split_whitespace().next().unwrap_or_default(),
            CodeBlockKind::Indented => "",
        };
        let mut lines = Vec::new();
        if !label.is_empty() {
            lines.push(vec![StyledSpan::new(label, DIM)]);
        }
        lines.extend(code_lines(code.trim_end_matches('\n'), options));
        lines
    }

    fn html(&mut self, width: usize) -> Vec<Line> {
        let mut html = String::new();
        while let Some(Event::Html(_)) = self.events.peek() {
            if let Some(Event::Html(text)) = self.events.next() {
                html.push_str(&text);
            }
        }
        wrap(&[StyledSpan::new(html.trim_end(), DIM)], width)
    }

    fn table(&mut self) -> Vec<table::Row> {
        let mut rows: Vec<table::Row> = Vec::new();
        while let Some(event) = self.events.next() {
            match event {
                Event::Start(Tag::TableHead | Tag::TableRow) => rows.push(Vec::new()),
                Event::Start(Tag::TableCell) => {
                    let bold = Style::new().bold();
                    let style = if rows.len() <= 1 { bold } else { Style::new() };
                    let cell = self.inline(style);
                    self.events.next();
                    if let Some(row) = rows.last_mut() {
                        row.push(cell);
                    }
                }
                Event::End(TagEnd::Table) => break,
                _ => {}
            }
        }
        rows
    }

    /// Returns the inline text up to the next block or the end of the enclosing element, neither of
    /// which is consumed.
    fn inline(&mut self, base: Style) -> Vec<StyledSpan> {
        let mut spans = Vec::new();
        let mut styles = vec![base];
        let mut links: Vec<Arc<str>> = Vec::new();
        loop {
            let ends = match self.events.peek() {
                None | Some(Event::Rule) => true,
                Some(Event::Start(tag)) => is_block(tag),
                Some(Event::End(tag)) => !is_inline(*tag),
                _ => false,
            };
            let style = styles.last().copied().unwrap_or_default();
            let event = if ends { None } else { self.events.next() };
            let Some(event) = event else { return spans };
            // Entities such as `&#27;` are decoded before this point, so clean the text here.
            let mut say = |text: &str, style| {
                let text = if text == "\n" { text.to_owned() } else { clean(text) };
                spans.push(StyledSpan { text, style, link: links.last().cloned() });
            };
            match event {
                Event::Text(text) => say(&text, style),
                Event::Code(code) if self.options.paint.color => {
                    say(&code, CODE.effects(CODE.get_effects() | style.get_effects()));
                }
                Event::Code(code) => say(&format!("`{code}`"), style),
                Event::InlineHtml(html) | Event::Html(html) => say(&html, DIM),
                Event::SoftBreak => say(" ", style),
                Event::HardBreak => say("\n", style),
                Event::TaskListMarker(done) => say(if done { "☑ " } else { "☐ " }, style),
                Event::Start(Tag::Emphasis) => styles.push(style.italic()),
                Event::Start(Tag::Strong) => styles.push(style.bold()),
                Event::Start(Tag::Strikethrough) => styles.push(style.strikethrough()),
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    links.push(Arc::from(&*address(&dest_url)));
                    styles.push(style.underline());
                }
                Event::End(TagEnd::Link | TagEnd::Image) => {
                    styles.pop();
                    if let Some(url) = links.pop() {
                        self.tell_address(&mut spans, &url);
                    }
                }
                Event::End(_) => {
                    styles.pop();
                }
                _ => {}
            }
        }
    }

    /// Shows the target of a link as text if the terminal cannot show links.
    fn tell_address(&self, spans: &mut Vec<StyledSpan>, url: &Arc<str>) {
        let of_link = spans.iter().rev().take_while(|span| span.link.as_ref() == Some(url));
        let text: Vec<&str> = of_link.map(|span| span.text.as_str()).collect();
        let text: String = text.into_iter().rev().collect();
        let is_web = ["http://", "https://", "mailto:"].iter().any(|start| url.starts_with(start));
        if self.options.paint.links && is_web {
            return;
        }
        for span in spans.iter_mut().rev().take_while(|span| span.link.as_ref() == Some(url)) {
            span.link = None;
        }
        if !url.is_empty() && text != **url && format!("mailto:{text}") != **url {
            spans.push(StyledSpan::new(format!(" ({url})"), DIM));
        }
    }
}

/// Returns an address without characters that could end it early or control the terminal.
fn address(url: &str) -> String {
    url.chars().filter(|c| !c.is_control() && !c.is_whitespace()).collect()
}

fn is_block(tag: &Tag<'_>) -> bool {
    !matches!(
        tag,
        Tag::Emphasis | Tag::Strong | Tag::Strikethrough | Tag::Link { .. } | Tag::Image { .. }
    )
}

fn is_inline(tag: TagEnd) -> bool {
    matches!(
        tag,
        TagEnd::Emphasis | TagEnd::Strong | TagEnd::Strikethrough | TagEnd::Link | TagEnd::Image
    )
}

fn narrower(width: usize, by: usize) -> usize {
    width.saturating_sub(by).max(WIDTH_MIN)
}

/// Removes trailing spaces.
fn trimmed(mut line: Line) -> Line {
    while let Some(last) = line.last_mut() {
        last.text.truncate(last.text.trim_end_matches(' ').len());
        if !last.text.is_empty() {
            break;
        }
        line.pop();
    }
    line
}

fn prefixed(prefix: StyledSpan, mut line: Line) -> Line {
    line.insert(0, prefix);
    line
}
