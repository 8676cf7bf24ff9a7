//! Documents in chunks, which are embedded and found.

use crate::csv;
use crate::document::{Document, DocumentKind};
use std::fmt::Write as _;
use stepwright_tools::__private::readable::html_to_text;

/// The size of a chunk, in bytes. Most embedding models read about 256 tokens well.
pub const CHUNK_BYTES: usize = 1_200;

/// The largest chunk, in bytes: a paragraph or row that is longer is cut.
pub const CHUNK_BYTES_MAX: usize = 2_400;

/// A part of a document.
///
/// ```
/// use stepwright_knowledge::{Document, cut};
/// let text = "# Returns\n\n## Deadline\n\nGoods can be sent back for 30 days.";
/// let chunks = cut(&Document::markdown("returns.md", text));
/// assert_eq!(chunks[0].heading, "Returns > Deadline");
/// assert_eq!(chunks[0].text, "Goods can be sent back for 30 days.");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// The headings above it. Empty if it has none.
    pub heading: String,
    /// The text.
    pub text: String,
}

impl Chunk {
    /// Returns the text that is embedded: with the headings, which often say what it is about.
    pub fn embedded(&self) -> String {
        match self.heading.as_str() {
            "" => self.text.clone(),
            heading => format!("{heading}\n{}", self.text),
        }
    }
}

/// Cuts a document into chunks of about [`CHUNK_BYTES`], between paragraphs or rows where that is
/// possible.
pub fn cut(document: &Document) -> Vec<Chunk> {
    match document.kind {
        DocumentKind::Text => paragraphs("", &document.text),
        DocumentKind::Html => paragraphs("", &html_to_text(&document.text)),
        DocumentKind::Markdown => markdown(&document.text),
        DocumentKind::Csv => rows(&document.text),
    }
}

/// Joins pieces into chunks.
struct Joined<'a> {
    heading: &'a str,
    between: &'static str,
    text: String,
    chunks: Vec<Chunk>,
}

impl Joined<'_> {
    fn add(&mut self, piece: &str) {
        if !self.text.is_empty() && self.text.len() + self.between.len() + piece.len() > CHUNK_BYTES
        {
            self.end();
        }
        if !self.text.is_empty() {
            self.text.push_str(self.between);
        }
        self.text.push_str(piece);
    }

    fn end(&mut self) {
        let text = std::mem::take(&mut self.text);
        if !text.trim().is_empty() {
            self.chunks.push(Chunk { heading: self.heading.to_owned(), text });
        }
    }
}

fn joined<'p>(
    heading: &str,
    between: &'static str,
    pieces: impl Iterator<Item = &'p str>,
) -> Vec<Chunk> {
    let mut joined = Joined { heading, between, text: String::new(), chunks: Vec::new() };
    for piece in pieces {
        let mut rest = piece.trim();
        while rest.len() > CHUNK_BYTES_MAX {
            let end = end_of_sentence(rest);
            joined.add(&rest[..end]);
            rest = rest[end..].trim_start();
        }
        if !rest.is_empty() {
            joined.add(rest);
        }
    }
    joined.end();
    joined.chunks
}

/// Returns the place at which a long text is cut: after a sentence, a word, or at the size.
fn end_of_sentence(text: &str) -> usize {
    let head = &text[..text.floor_char_boundary(CHUNK_BYTES)];
    let least = CHUNK_BYTES / 2;
    let sentence = head.rmatch_indices(['.', '!', '?', '。', '\n']).map(|(at, m)| at + m.len());
    let word = head.rmatch_indices(char::is_whitespace).map(|(at, m)| at + m.len());
    let far = |at: &usize| *at >= least;
    sentence.into_iter().find(far).or_else(|| word.into_iter().find(far)).unwrap_or(head.len())
}

fn paragraphs(heading: &str, text: &str) -> Vec<Chunk> {
    let text = text.replace("\r\n", "\n");
    joined(heading, "\n\n", text.split("\n\n"))
}

/// Cuts Markdown below its headings. Lines of code fences are no headings.
fn markdown(text: &str) -> Vec<Chunk> {
    let mut chunks = Vec::new();
    let mut headings: Vec<(usize, String)> = Vec::new();
    let (mut body, mut fenced) = (String::new(), false);
    let path = |headings: &[(usize, String)]| {
        headings.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>().join(" > ")
    };
    for line in text.lines() {
        let begin = line.trim_start();
        fenced ^= begin.starts_with("```") || begin.starts_with("~~~");
        let level = line.bytes().take_while(|byte| *byte == b'#').count();
        let is_heading = !fenced && (1..=6).contains(&level) && line[level..].starts_with(' ');
        if is_heading {
            chunks.extend(paragraphs(&path(&headings), &std::mem::take(&mut body)));
            headings.retain(|(above, _)| *above < level);
            headings.push((level, line[level..].trim().trim_end_matches('#').trim().to_owned()));
        } else {
            body.push_str(line);
            body.push('\n');
        }
    }
    chunks.extend(paragraphs(&path(&headings), &body));
    chunks
}

/// Writes each row with the names of its columns, so that it can be understood alone.
fn rows(text: &str) -> Vec<Chunk> {
    let rows = csv::rows(text);
    let Some((names, rows)) = rows.split_first() else { return Vec::new() };
    let written: Vec<String> = rows
        .iter()
        .map(|row| {
            let mut line = String::new();
            for (nth, field) in row.iter().enumerate().filter(|(_, field)| !field.is_empty()) {
                let between = if line.is_empty() { "" } else { "; " };
                let name = names.get(nth).map_or("", |name| name.trim());
                let _ = write!(line, "{between}{name}: {}", field.trim());
            }
            line
        })
        .collect();
    joined("", "\n", written.iter().map(String::as_str))
}
