//! Finds the words inside the tags of a template, with their places.
//!
//! minijinja reports undeclared variables without places, and unknown filters only when they run.
//! This scan finds the candidates, and minijinja confirms them.

use crate::reference::{Care, Reference, take_care};
use crate::source::Span;

#[derive(Debug, Default)]
pub(super) struct Tags {
    /// The possible variables, with the names that follow them.
    pub(super) paths: Vec<Reference>,
    /// The words after `|`, which are always filters.
    pub(super) filters: Vec<Span>,
    /// The words after `is` and `is not`.
    pub(super) tests: Vec<Span>,
    /// The numbers.
    pub(super) numbers: Vec<Span>,
    /// The `{{ … }}` in which no word may be a variable.
    pub(super) constants: Vec<Span>,
}

/// The words inside tags that are never variables.
const WORDS: [&str; 13] = [
    "true", "false", "none", "True", "False", "None", "and", "or", "not", "in", "is", "if", "else",
];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Token<'a> {
    Word(&'a str),
    Text(&'a str),
    Sign(char),
    Number,
}

/// Scans the tags of a valid template.
pub(super) fn scan(text: &str) -> Tags {
    let mut tags = Tags::default();
    let mut at = 0;
    while let Some(open) = text[at..]
        .find("{{")
        .into_iter()
        .chain(text[at..].find("{%"))
        .chain(text[at..].find("{#"))
        .min()
    {
        let start = at + open + 2;
        let close = match &text[start - 2..start] {
            "{{" => "}}",
            "{%" => "%}",
            _ => {
                at = text[start..].find("#}").map_or(text.len(), |end| start + end + 2);
                continue;
            }
        };
        let (tokens, end) = tokens(text, start, close);
        let before = tags.paths.len();
        look(&tokens, &mut tags);
        let is_word = |path: &Reference| WORDS.contains(&path.root.as_str());
        if close == "}}" && tags.paths[before..].iter().all(is_word) {
            tags.constants.push(Span::new(start - 2, end - (start - 2)));
        }
        at = end;
        // Skip raw text, which has no tags.
        if matches!(tokens.first(), Some((Token::Word("raw"), _))) && close == "%}" {
            at = text[at..].find("endraw").map_or(text.len(), |raw| at + raw);
        }
    }
    take_care(&mut tags.paths);
    tags
}

/// Returns the tokens from `start` to `close`, and the end of the tag.
fn tokens<'a>(text: &'a str, start: usize, close: &str) -> (Vec<(Token<'a>, Span)>, usize) {
    let mut tokens = Vec::new();
    let mut at = start;
    while at < text.len() {
        let rest = &text[at..];
        if rest.starts_with(close) {
            return (tokens, at + close.len());
        }
        let c = rest.chars().next().unwrap_or(' ');
        let len = if c.is_alphabetic() || c == '_' {
            rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
        } else if c.is_ascii_digit() {
            number_len(rest, text[..at].ends_with('.'))
        } else if c == '"' || c == '\'' {
            string_len(rest, c)
        } else {
            c.len_utf8()
        };
        let span = Span::new(at, len);
        let piece = &rest[..len];
        if c.is_alphabetic() || c == '_' {
            tokens.push((Token::Word(piece), span));
        } else if c == '"' || c == '\'' {
            tokens.push((Token::Text(piece.trim_matches(c)), span));
        } else if c.is_ascii_digit() {
            tokens.push((Token::Number, span));
        } else if !c.is_whitespace() {
            tokens.push((Token::Sign(c), span));
        }
        at += len;
    }
    (tokens, text.len())
}

/// Returns the length of a number. Behind a dot it is an index, without a fraction.
fn number_len(rest: &str, is_index: bool) -> usize {
    let is_digit = |c: char| c.is_ascii_digit() || c == '_';
    let digits = |at: usize| rest[at..].find(|c| !is_digit(c)).map_or(rest.len(), |len| at + len);
    if ["0x", "0X", "0o", "0O", "0b", "0B"].iter().any(|radix| rest.starts_with(radix)) {
        return rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
    }
    let exponent = |at: usize| {
        let after = rest[at..].strip_prefix(['e', 'E'])?;
        let after = after.strip_prefix(['+', '-']).unwrap_or(after);
        after.starts_with(is_digit).then(|| digits(rest.len() - after.len()))
    };
    let mut end = digits(0);
    let fraction = rest[end..].strip_prefix('.').filter(|_| !is_index);
    if let Some(after) = fraction
        && (after.starts_with(is_digit) || exponent(end + 1).is_some())
    {
        end = digits(end + 1);
    }
    exponent(end).unwrap_or(end)
}

fn string_len(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

fn look(tokens: &[(Token<'_>, Span)], tags: &mut Tags) {
    let mut at = 0;
    // The first word of `{% filter upper %}` is a filter too.
    let filter_block = matches!(tokens.first(), Some((Token::Word("filter"), _)));
    while let Some((token, span)) = tokens.get(at) {
        let before = at.checked_sub(1).map(|before| tokens[before].0);
        if *token == Token::Number {
            tags.numbers.push(*span);
        }
        let Token::Word(word) = token else {
            at += 1;
            continue;
        };
        let twice_before = at.checked_sub(2).map(|before| tokens[before].0);
        let is_not = before == Some(Token::Word("not")) && twice_before == Some(Token::Word("is"));
        if before == Some(Token::Sign('|')) || (filter_block && at == 1) {
            tags.filters.push(*span);
        } else if *word == "not" && before == Some(Token::Word("is")) {
        } else if before == Some(Token::Word("is")) || is_not {
            tags.tests.push(*span);
        } else if before != Some(Token::Sign('.')) {
            let (path, after, end) = path(&tokens[at + 1..], *span);
            let span = Span::new(span.start, end - span.start);
            let care = care(&tokens[at + 1 + after..]);
            tags.paths.push(Reference { root: (*word).to_owned(), path, span, care });
            at += after;
        }
        at += 1;
    }
}

/// Returns the care that a filter or a test behind a variable takes.
fn care(after: &[(Token<'_>, Span)]) -> Care {
    let after: Vec<Token<'_>> = after.iter().take(3).map(|(token, _)| *token).collect();
    let is_careful = match after.as_slice() {
        [Token::Sign('|'), Token::Word("default" | "d"), ..] => true,
        [Token::Word("is"), Token::Word("not"), Token::Word(test)]
        | [Token::Word("is"), Token::Word(test), ..] => {
            matches!(*test, "defined" | "undefined" | "none")
        }
        _ => false,
    };
    if is_careful { Care::Optional } else { Care::None }
}

/// Returns the names that follow a variable, the number of their tokens, and their end.
fn path(tokens: &[(Token<'_>, Span)], root: Span) -> (Vec<String>, usize, usize) {
    let mut names = Vec::new();
    let mut at = 0;
    let mut end = root.end();
    loop {
        match &tokens[at.min(tokens.len())..] {
            // The last name of `a.b()` is a function.
            [(Token::Sign('.'), _), (Token::Word(_), _), (Token::Sign('('), _), ..] => {
                return (names, at, end);
            }
            [(Token::Sign('.'), _), (Token::Word(name), span), ..] => {
                names.push((*name).to_owned());
                end = span.end();
                at += 2;
            }
            [(Token::Sign('['), _), (Token::Text(name), _), (Token::Sign(']'), span), ..] => {
                names.push((*name).to_owned());
                end = span.end();
                at += 3;
            }
            _ => return (names, at, end),
        }
    }
}
