//! The pieces of the template of a command: constant text, values, and control blocks.

use crate::source::Span;
use minijinja::machinery::{self, ast::Stmt};

/// A piece of a template, in the order of the output.
#[derive(Debug)]
pub(super) enum Piece<'a> {
    /// Constant text, and its offset in the template.
    Text(usize, &'a str),
    /// `{{ … }}`
    Value(Span),
    /// An `if`, `for`, `set` or `with`, with the pieces in all of its branches.
    Block(Span, Vec<Self>),
    /// A block that computes its output from its text, such as `filter`, and its name.
    Computed(Span, &'static str),
}

/// Returns the pieces of a valid template. The parser is the one that renders it, so that both
/// agree about the white space around tags, comments and `raw`.
pub(super) fn pieces(text: &str) -> Vec<Piece<'_>> {
    match machinery::parse(text, "<command>", minijinja::syntax::SyntaxConfig::default()) {
        Ok(Stmt::Template(template)) => of(text, &template.children),
        // The caller has reported the error.
        Ok(_) | Err(_) => vec![Piece::Computed(Span::new(0, text.len()), "this template")],
    }
}

fn of<'a>(text: &'a str, body: &[Stmt<'a>]) -> Vec<Piece<'a>> {
    let mut pieces = Vec::new();
    for stmt in body {
        let place = |span: machinery::Span| {
            let (start, end) = (span.start_offset as usize, span.end_offset as usize);
            let open = text.get(..start).and_then(|before| before.rfind('{')).unwrap_or(start);
            let open = if text[..open].ends_with('{') { open - 1 } else { open };
            let close = text.get(end..).and_then(|rest| rest.find('}')).unwrap_or_default();
            let close = (end + close + 1).min(text.len());
            let is_double = text.get(close..).is_some_and(|rest| rest.starts_with('}'));
            let close = if is_double { close + 1 } else { close };
            Span::new(open, close.saturating_sub(open))
        };
        pieces.push(match stmt {
            Stmt::EmitRaw(raw) => {
                // The parser returns parts of the text itself.
                let at = (raw.raw.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
                Piece::Text(at, raw.raw)
            }
            Stmt::EmitExpr(value) => Piece::Value(place(value.span())),
            Stmt::IfCond(s) => {
                let branches = [of(text, &s.true_body), of(text, &s.false_body)];
                Piece::Block(place(s.span()), branches.into_iter().flatten().collect())
            }
            Stmt::ForLoop(s) => {
                let branches = [of(text, &s.body), of(text, &s.else_body)];
                Piece::Block(place(s.span()), branches.into_iter().flatten().collect())
            }
            Stmt::WithBlock(s) => Piece::Block(place(s.span()), of(text, &s.body)),
            Stmt::Set(s) => Piece::Block(place(s.span()), Vec::new()),
            Stmt::SetBlock(s) => Piece::Computed(place(s.span()), "set"),
            Stmt::FilterBlock(s) => Piece::Computed(place(s.span()), "filter"),
            Stmt::AutoEscape(s) => Piece::Computed(place(s.span()), "autoescape"),
            Stmt::Macro(s) => Piece::Computed(place(s.span()), "macro"),
            Stmt::CallBlock(s) => Piece::Computed(place(s.span()), "call"),
            Stmt::Do(s) => Piece::Computed(place(s.span()), "do"),
            Stmt::Template(s) => Piece::Computed(place(s.span()), "a template"),
        });
    }
    pieces
}
