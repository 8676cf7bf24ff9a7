//! Checks that the values in a command stay values, and never become code.
//!
//! A value is inserted as one quoted word. This is safe only where a word stands: inside other
//! quotes the added quotes end these, and other interpreters do not know shell quotes.

mod lexer;
mod pieces;
mod programs;
mod words;

use crate::expression::Mistake;
use crate::source::Span;
use lexer::{Findings, State, Wrong};
use pieces::{Odd, Piece};
use programs::Danger;

/// The maximum number of readings of a command with control blocks.
const WAYS_MAX: usize = 64;

/// The maximum number of characters that are read, in all readings together.
const CHARACTERS_MAX: usize = 4_000_000;

/// The maximum length of an expression in a message about it, in characters.
const SHOWN_MAX: usize = 40;

/// Checks a shell command. `tainted` are the variables and arguments that contain expressions.
/// `has_input` is `true` if the input of the command contains expressions.
///
/// Returns the mistakes in the command, and the mistake of its input.
pub(crate) fn check_line(
    text: &str,
    tainted: &[String],
    has_input: bool,
) -> (Vec<Mistake>, Option<Mistake>) {
    if !has_input && tainted.is_empty() && !text.contains("{{") {
        return (Vec::new(), None);
    }
    let pieces = match pieces::pieces(text) {
        Ok(pieces) => pieces,
        Err(Odd { span, why }) => return (vec![mistake(span, why, Some(SAFE.into()))], None),
    };
    let mut reader = Reader { text, tainted, found: Findings::default(), left: CHARACTERS_MAX };
    let states = reader.read(&pieces, vec![State::new()]);
    let Some(states) = states else {
        let message = "the command is too intricate to be checked";
        return (vec![mistake(Span::new(0, text.len()), message, Some(SAFE.into()))], None);
    };
    for mut state in states {
        state.end(tainted, &mut reader.found);
    }
    let Findings { mut list, runs_input } = reader.found;
    list.sort_by_key(|(span, _)| span.start);
    let mistakes = list.into_iter().map(|(span, wrong)| told(text, span, &wrong)).collect();
    let input = runs_input.filter(|_| has_input).map(|name| {
        let message = format!("`{name}` runs its input as code, which expressions are in");
        let help = "give the program its code in the command, and values with `args:` or `env:`";
        mistake(Span::default(), message, Some(help.into()))
    });
    (mistakes, input)
}

/// Checks the words of a program that runs without a shell. Returns mistakes with word numbers.
pub(crate) fn check_argv(words: &[&str], has_input: bool) -> Vec<(usize, Mistake)> {
    let mut mistakes = Vec::new();
    let mut before: Vec<String> = Vec::new();
    for (at, word) in words.iter().enumerate() {
        let mut plain = String::new();
        for piece in pieces::pieces(word).unwrap_or_default() {
            match piece {
                Piece::Text(span) => plain.push_str(&word[span.start..span.end()]),
                Piece::Expression(_) | Piece::OneOf(_) | Piece::Repeated(_) => {
                    let span = match piece {
                        Piece::Expression(span) => span,
                        _ => Span::new(0, word.len()),
                    };
                    if let Some(danger) = programs::danger(&before, &plain) {
                        mistakes.push((at, told(word, span, &Wrong::Danger(danger))));
                    }
                    plain.push(programs::DYNAMIC);
                }
            }
        }
        before.push(plain);
    }
    if has_input && let Some(name) = programs::runs_input(&before) {
        let message = format!("`{name}` runs its input as code, which expressions are in");
        mistakes.push((0, mistake(Span::default(), message, Some(SAFE.into()))));
    }
    mistakes
}

struct Reader<'a> {
    text: &'a str,
    tainted: &'a [String],
    found: Findings,
    /// The number of characters that may still be read.
    left: usize,
}

impl Reader<'_> {
    /// Returns the states after these pieces, for each of the states before them.
    fn read(&mut self, pieces: &[Piece], mut states: Vec<State>) -> Option<Vec<State>> {
        for piece in pieces {
            match piece {
                Piece::Text(span) => self.text(*span, &mut states)?,
                Piece::Expression(span) => {
                    for state in &mut states {
                        state.expression(*span, self.tainted, &mut self.found);
                    }
                }
                Piece::OneOf(branches) => {
                    // It is also possible that no branch is taken.
                    let mut after = states.clone();
                    for branch in branches {
                        after.extend(self.read(branch, states.clone())?);
                    }
                    states = after;
                }
                Piece::Repeated(body) => {
                    // Two turns are enough, because further turns add nothing new.
                    let once = self.read(body, states.clone())?;
                    let twice = self.read(body, once.clone())?;
                    states.extend(once);
                    states.extend(twice);
                }
            }
            let mut distinct: Vec<State> = Vec::new();
            for state in states {
                if !distinct.contains(&state) {
                    distinct.push(state);
                }
            }
            states = distinct;
            if states.len() > WAYS_MAX {
                return None;
            }
        }
        Some(states)
    }

    fn text(&mut self, span: Span, states: &mut Vec<State>) -> Option<()> {
        for (at, c) in self.text[span.start..span.end()].char_indices() {
            let at = span.start + at;
            self.left = self.left.checked_sub(states.len())?;
            let mut others = Vec::new();
            for state in states.iter_mut() {
                others.extend(state.character(at, c, self.tainted, &mut self.found));
            }
            if !others.is_empty() {
                states.extend(others);
                if states.len() > WAYS_MAX {
                    return None;
                }
            }
        }
        Some(())
    }
}

/// The default hint at a safe form.
const SAFE: &str = "pass values with `args:` and write `\"$1\"`, or with `env:` and write \
                    `\"$NAME\"`; `argv:` runs a program without a shell";

fn mistake(span: Span, message: impl Into<String>, help: Option<String>) -> Mistake {
    Mistake { message: message.into(), span, help }
}

fn told(text: &str, span: Span, wrong: &Wrong) -> Mistake {
    let written = text.get(span.start..span.end()).unwrap_or_default();
    let is_expression = written.starts_with("{{");
    let shown =
        if is_expression && written.chars().count() <= SHOWN_MAX { written } else { "{{ … }}" };
    let variable =
        if is_expression { "the expression".to_owned() } else { format!("`${written}`") };
    let (message, help) = match wrong {
        Wrong::Inside("a heredoc") => (
            "an expression inside a heredoc is run by the shell".to_owned(),
            format!("pass the text with `stdin: \"{shown}\"`"),
        ),
        Wrong::Inside("a comment") => (
            "an expression inside a comment can end it, and be run by the shell".to_owned(),
            "take it out of the comment".to_owned(),
        ),
        Wrong::Inside(quotes @ ("single quotes" | "double quotes")) => (
            format!("an expression inside {quotes} can end them, and be run by the shell"),
            format!(
                "leave out the quotes: {shown} becomes one quoted word by itself; or pass it with \
                 `args: [\"{shown}\"]` and write `\"$1\"`"
            ),
        ),
        Wrong::Inside(place) if is_expression => (
            format!("an expression inside {place} can be run by the shell"),
            format!("pass it with `args: [\"{shown}\"]` and write `\"$1\"`"),
        ),
        Wrong::Inside(place) => (
            format!("{variable} is an expression, which can be run inside {place}"),
            "compute it in a step with `value: = …`".to_owned(),
        ),
        Wrong::Behind(sign) => (
            format!("`{sign}` before an expression changes the quotes that are put around it"),
            format!("leave out the `{sign}`, or write a space between"),
        ),
        Wrong::Danger(Danger::Program) => (
            format!("{variable} would name the program that is run"),
            "write the name of the program; a `router` chooses between several".to_owned(),
        ),
        Wrong::Danger(Danger::Variable(name)) => (
            format!("{variable} would be the value of `{name}`, which programs run"),
            "use a variable of another name".to_owned(),
        ),
        Wrong::Danger(Danger::Code(name)) => (
            format!("{variable} would be code for `{name}`"),
            match name.as_str() {
                "sh" | "bash" | "dash" | "zsh" | "ksh" => format!(
                    "write the code out, and give it the value as an argument: `{name} -c 'echo \
                     \"$1\"' _ {shown}`"
                ),
                _ => "write the code out, and give it the value as an argument, or with `env:` or \
                      `stdin:`"
                    .to_owned(),
            },
        ),
        Wrong::Input(name) => (
            format!("`{name}` would run what {variable} gives"),
            "write the code out, and give it the value as an argument, or with `env:`".to_owned(),
        ),
        Wrong::TooDeep => {
            ("the quotes of this command are nested too deep".to_owned(), SAFE.to_owned())
        }
    };
    mistake(span, message, Some(help))
}

#[cfg(test)]
mod tests;
