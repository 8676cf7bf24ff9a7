//! The text of a file, and places in it.

use std::sync::Arc;

/// A range of a source, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) start: usize,
    pub(crate) len: usize,
}

impl Span {
    pub(crate) fn new(start: usize, len: usize) -> Self {
        Self { start, len }
    }

    pub(crate) fn end(self) -> usize {
        self.start + self.len
    }
}

/// The maximum length of the lines of an excerpt, in bytes. Mistakes on longer lines, as in a
/// minified file, are reported without an excerpt.
const EXCERPT_LINE_BYTES_MAX: usize = 4_000;

/// A file that mistakes refer to.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) text: String,
    /// `true` if messages may show the text. `false` for files that are not workflow files.
    pub(crate) is_shown: bool,
    /// The texts of parts of other files, with the places where they begin. All are behind the end
    /// of the text.
    parts: Vec<(usize, Arc<Self>)>,
}

impl Source {
    pub(crate) fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { name: name.into(), text: text.into(), is_shown: true, parts: Vec::new() }
    }

    /// Returns this source with parts of other files, whose places begin behind its end.
    pub(crate) fn with_parts(&self, parts: Vec<(usize, Arc<Self>)>) -> Self {
        let (name, text, is_shown) = (self.name.clone(), self.text.clone(), self.is_shown);
        Self { name, text, is_shown, parts }
    }

    /// Returns the part that a place is in, and its start. `None` for this text itself.
    pub(crate) fn part(&self, span: Span) -> Option<(usize, &Arc<Self>)> {
        let part = self.parts.iter().rev().find(|(start, _)| span.start >= *start);
        part.map(|(start, part)| (*start, part))
    }

    /// Creates a source for another file with any content.
    pub(crate) fn unshown(name: impl Into<String>, text: impl Into<String>) -> Self {
        Self { is_shown: false, ..Self::new(name, text) }
    }

    /// Returns the line and the column of a byte, both from 1. The column counts characters.
    pub(crate) fn position(&self, offset: usize) -> (usize, usize) {
        let before = &self.text[..self.text.floor_char_boundary(offset)];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        (line, before[line_start..].chars().count() + 1)
    }

    /// Returns `true` if an excerpt can show a span: its lines, the one before and the one after
    /// are short enough.
    pub(crate) fn fits_excerpt(&self, span: Span) -> bool {
        let start = self.text.floor_char_boundary(span.start);
        let end = self.text.floor_char_boundary(span.end()).max(start);
        let line_start = self.text[..start].rfind('\n').unwrap_or(0);
        let before = self.text[..line_start].rfind('\n').unwrap_or(0);
        let mut lines = self.text[before..].split('\n');
        let mut at = before;
        // The line behind the span is the last one.
        let mut is_behind = false;
        lines.all(|line| {
            if is_behind {
                return true;
            }
            is_behind = at > end;
            at += line.len() + 1;
            line.len() <= EXCERPT_LINE_BYTES_MAX
        })
    }

    /// Returns the number of characters in a span.
    pub(crate) fn chars(&self, span: Span) -> usize {
        self.slice(span).chars().count()
    }

    pub(crate) fn slice(&self, span: Span) -> &str {
        if let Some((start, part)) = self.part(span) {
            return part.slice(Span::new(span.start - start, span.len));
        }
        let start = self.text.floor_char_boundary(span.start);
        let end = self.text.floor_char_boundary(span.end());
        &self.text[start..end.max(start)]
    }

    /// Returns the span of a line, which is counted from 1.
    pub(crate) fn line(&self, number: usize) -> Span {
        let mut start = 0;
        for (at, line) in self.text.split_inclusive('\n').enumerate() {
            if at + 1 == number {
                return Span::new(start, line.trim_end_matches(['\n', '\r']).len());
            }
            start += line.len();
        }
        Span::new(self.text.len(), 0)
    }

    /// Returns the offset of a line and a column, both counted from 1.
    pub(crate) fn offset(&self, line: usize, column: usize) -> usize {
        let line = self.line(line);
        let text = self.slice(line);
        let within = text.char_indices().nth(column.saturating_sub(1)).map_or(text.len(), |c| c.0);
        line.start + within
    }

    /// Returns the place of a part of a scalar in the source, as precisely as possible.
    ///
    /// The value of a scalar differs from its source: quotes, folded line breaks and indentation
    /// are gone. But a part without any of these occurs in both unchanged and in the same order. So
    /// the third `steps.x` of the value is the third one in the source.
    pub(crate) fn within(&self, scalar: Span, value: &str, piece: Span) -> Span {
        let raw = self.slice(scalar);
        if let Some(found) = raw.find(value) {
            return Span::new(scalar.start + found + piece.start, piece.len);
        }
        let Some(needle) = value.get(piece.start..piece.end()).filter(|text| !text.is_empty())
        else {
            return scalar;
        };
        let which = value[..piece.start].matches(needle).count();
        match raw.match_indices(needle).nth(which) {
            Some((found, _)) => Span::new(scalar.start + found, piece.len),
            None => scalar,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_characters_and_begin_at_one() {
        let source = Source::new("f", "a: ä\nbö: 2\n");
        assert_eq!(source.position(0), (1, 1));
        assert_eq!(source.position(source.text.find('2').unwrap()), (2, 5));
        assert_eq!(source.offset(2, 5), source.text.find('2').unwrap());
    }

    #[test]
    fn a_piece_is_found_again_in_folded_and_quoted_text() {
        let source = Source::new("f", "x: \"a\\n{{ b }} {{ b }}\"\n");
        let scalar = Span::new(3, source.text.len() - 4);
        let value = "a\n{{ b }} {{ b }}";
        let second = value.rfind("{{ b").unwrap();
        let place = source.within(scalar, value, Span::new(second, 7));
        assert_eq!(place.start, source.text.rfind("{{ b").unwrap());
    }
}
