//! Limits the depth of a template before it is parsed.
//!
//! minijinja limits nested brackets and statements, but not operators in a row, and each of them is
//! a level of the syntax tree. Code that walks the tree needs stack for every level.

use crate::expression::Mistake;
use crate::source::Span;
use minijinja::machinery::{Token, tokenize};
use minijinja::syntax::SyntaxConfig;

/// The maximum number of operators in a row, counted with the brackets around them.
const OPERATORS_MAX: usize = 500;
/// The maximum number of `elif` in an `if`, counted with those around it.
const BRANCHES_MAX: usize = 200;

/// Checks the depth of the syntax tree that a template will have.
pub(super) fn check(text: &str) -> Result<(), Mistake> {
    // The depth at each bracket that is open, and here.
    let mut depths = vec![0_usize];
    let (mut branches, mut of_each_if) = (0_usize, Vec::new());
    let mut is_first = false;
    for token in tokenize(text, false, SyntaxConfig::default()) {
        // The parser reports mistakes.
        let Ok((token, span)) = token else { return Ok(()) };
        let here = depths.len() - 1;
        let was_first = std::mem::replace(&mut is_first, matches!(token, Token::BlockStart));
        match token {
            Token::VariableStart | Token::BlockStart => depths = vec![0],
            Token::ParenOpen | Token::BracketOpen | Token::BraceOpen => {
                depths[here] += 1;
                depths.push(depths[here]);
            }
            Token::ParenClose | Token::BracketClose | Token::BraceClose if here > 0 => {
                depths.pop();
            }
            // An element begins where its list began.
            Token::Comma => depths[here] = here.checked_sub(1).map_or(0, |around| depths[around]),
            Token::Ident("if") if was_first => of_each_if.push(0_usize),
            Token::Ident("elif") if was_first => {
                branches += 1;
                if let Some(of_this) = of_each_if.last_mut() {
                    *of_this += 1;
                }
            }
            Token::Ident("endif") if was_first => branches -= of_each_if.pop().unwrap_or(0),
            Token::Ident("not" | "and" | "or" | "is" | "in" | "if" | "else")
            | Token::Plus
            | Token::Minus
            | Token::Mul
            | Token::Div
            | Token::FloorDiv
            | Token::Pow
            | Token::Mod
            | Token::Dot
            | Token::Tilde
            | Token::Pipe
            | Token::Eq
            | Token::Ne
            | Token::Gt
            | Token::Gte
            | Token::Lt
            | Token::Lte => depths[here] += 1,
            _ => {}
        }
        let is_deep = depths.last().is_some_and(|depth| *depth > OPERATORS_MAX);
        if is_deep || branches > BRANCHES_MAX {
            let start = (span.start_offset as usize).min(text.len());
            let len = (span.end_offset as usize).min(text.len()).saturating_sub(start);
            let message = if is_deep {
                format!("a template has at most {OPERATORS_MAX} operators in a row")
            } else {
                format!("an `if` has at most {BRANCHES_MAX} `elif`")
            };
            let help = Some("compute parts of it in `value` steps before".to_owned());
            return Err(Mistake { message, span: Span::new(start, len), help });
        }
    }
    Ok(())
}
