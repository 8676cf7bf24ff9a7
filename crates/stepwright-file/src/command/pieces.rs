//! The pieces of a template: text, expressions, and repeated or optional parts.

use crate::source::Span;

/// The maximum nesting depth of control blocks in a command.
const DEPTH_MAX: usize = 8;

/// A piece of a template.
#[derive(Debug)]
pub(super) enum Piece {
    /// Text without the white space that adjacent tags remove.
    Text(Span),
    /// `{{ … }}`
    Expression(Span),
    /// One of these branches, or none.
    OneOf(Vec<Vec<Self>>),
    /// A part that is repeated any number of times.
    Repeated(Vec<Self>),
}

/// A tag that is not allowed in a command, with the reason.
#[derive(Debug)]
pub(super) struct Odd {
    pub(super) span: Span,
    pub(super) why: String,
}

#[derive(Debug)]
enum Token<'a> {
    Text(Span),
    Expression(Span),
    /// A control tag with its words.
    Tag(Span, &'a str),
}

/// Returns the pieces of a valid template.
pub(super) fn pieces(text: &str) -> Result<Vec<Piece>, Odd> {
    let tokens = tokens(text);
    let mut parser = Parser { tokens: &tokens, at: 0 };
    let (pieces, end) = parser.until(&[], 0)?;
    match end {
        None => Ok(pieces),
        Some((span, word)) => Err(odd(span, word)),
    }
}

fn odd(span: Span, word: &str) -> Odd {
    let why =
        format!("`{word}` cannot stand in a command, where it could undo the quotes of values");
    Odd { span, why }
}

struct Parser<'t, 'a> {
    tokens: &'t [Token<'a>],
    at: usize,
}

/// The tag that ended a sequence of pieces: its place and its first word.
type End<'a> = Option<(Span, &'a str)>;

impl<'a> Parser<'_, 'a> {
    fn until(&mut self, ends: &[&str], depth: usize) -> Result<(Vec<Piece>, End<'a>), Odd> {
        let mut pieces = Vec::new();
        while let Some(token) = self.tokens.get(self.at) {
            self.at += 1;
            let (span, tag) = match token {
                Token::Text(span) => {
                    pieces.push(Piece::Text(*span));
                    continue;
                }
                Token::Expression(span) => {
                    pieces.push(Piece::Expression(*span));
                    continue;
                }
                Token::Tag(span, tag) => (*span, *tag),
            };
            let word = first_word(tag);
            if ends.contains(&word) {
                return Ok((pieces, Some((span, word))));
            }
            if depth >= DEPTH_MAX {
                let why =
                    format!("control blocks of a command are nested at most {DEPTH_MAX} deep");
                return Err(Odd { span, why });
            }
            match word {
                "if" => {
                    let mut branches = Vec::new();
                    loop {
                        let ends = ["elif", "else", "endif"];
                        let (branch, end) = self.until(&ends, depth + 1)?;
                        branches.push(branch);
                        match end {
                            Some((_, "endif")) | None => break,
                            Some(_) => {}
                        }
                    }
                    pieces.push(Piece::OneOf(branches));
                }
                "for" => {
                    let (body, end) = self.until(&["else", "endfor"], depth + 1)?;
                    pieces.push(Piece::Repeated(body));
                    if matches!(end, Some((_, "else"))) {
                        let (otherwise, _) = self.until(&["endfor"], depth + 1)?;
                        pieces.push(Piece::OneOf(vec![otherwise]));
                    }
                }
                // A `set` block without `=` would remove a piece of the command.
                "set" if tag.contains('=') => {}
                "with" | "endwith" => {}
                word => return Err(odd(span, word)),
            }
        }
        Ok((pieces, None))
    }
}

fn first_word(tag: &str) -> &str {
    let tag = tag.trim_start_matches(['-', '+']).trim_start();
    tag.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default()
}

fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut at = 0;
    // `true` if the last tag removes the white space after it.
    let mut trims = false;
    while at < text.len() {
        let rest = &text[at..];
        let open = ["{{", "{%", "{#"].iter().filter_map(|open| rest.find(open)).min();
        let end = open.map_or(text.len(), |open| at + open);
        let tag = text.get(end..end + 2).unwrap_or_default();
        let trims_before = text[end..].get(2..3) == Some("-");
        push_text(&mut tokens, text, Span::new(at, end - at), trims, trims_before);
        if tag.is_empty() {
            break;
        }
        let close = match tag {
            "{{" => "}}",
            "{%" => "%}",
            _ => "#}",
        };
        let inside = end + 2;
        let closed = match tag {
            "{#" => text[inside..].find("#}").map_or(text.len(), |found| inside + found),
            _ => tag_end(text, inside, close),
        };
        let after = (closed + 2).min(text.len());
        trims = text[..closed].ends_with('-') && closed > inside;
        at = after;
        let span = Span::new(end, after - end);
        let words = &text[inside..closed];
        match tag {
            "{{" => tokens.push(Token::Expression(span)),
            "{%" if first_word(words) == "raw" => {
                let (raw, next, trims_raw, trims_next) = raw(text, at);
                push_text(&mut tokens, text, raw, trims, trims_raw);
                (at, trims) = (next, trims_next);
            }
            "{%" => tokens.push(Token::Tag(span, words)),
            _ => {}
        }
    }
    tokens
}

fn push_text(tokens: &mut Vec<Token<'_>>, text: &str, span: Span, start: bool, end: bool) {
    let mut piece = &text[span.start..span.end()];
    let mut from = span.start;
    if start {
        let kept = piece.trim_start();
        from += piece.len() - kept.len();
        piece = kept;
    }
    if end {
        piece = piece.trim_end();
    }
    if !piece.is_empty() {
        tokens.push(Token::Text(Span::new(from, piece.len())));
    }
}

/// Returns the text before `{% endraw %}`, the end of that tag, and whether the tag removes the
/// white space before and after it.
fn raw(text: &str, from: usize) -> (Span, usize, bool, bool) {
    let mut at = from;
    while let Some(open) = text[at..].find("{%").map(|open| at + open) {
        let inside = open + 2;
        let close = text[inside..].find("%}").map_or(text.len(), |found| inside + found);
        let words = &text[inside..close];
        if first_word(words) == "endraw" {
            let after = (close + 2).min(text.len());
            return (
                Span::new(from, open - from),
                after,
                words.starts_with('-'),
                words.ends_with('-'),
            );
        }
        at = inside;
    }
    (Span::new(from, text.len() - from), text.len(), false, false)
}

/// Returns the end of a tag, ignoring strings and brackets.
fn tag_end(text: &str, from: usize, close: &str) -> usize {
    let mut brackets = 0_usize;
    let mut quote = None;
    let mut escaped = false;
    for (at, c) in text[from..].char_indices() {
        if let Some(end) = quote {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                c if c == end => quote = None,
                _ => {}
            }
            continue;
        }
        if brackets == 0 && text[from + at..].starts_with(close) {
            return from + at;
        }
        match c {
            '"' | '\'' => quote = Some(c),
            '(' | '[' | '{' => brackets += 1,
            ')' | ']' | '}' => brackets = brackets.saturating_sub(1),
            _ => {}
        }
    }
    text.len()
}
