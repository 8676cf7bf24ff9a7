//! The small grammar of commands in whose text values may stand.
//!
//! It has simple commands of constant words, joined by `|`, `&&`, `||`, `;` and line breaks, with
//! redirections to constant files. Everything in it means the same to every shell. All else is
//! refused, so that nothing depends on how a shell reads it.

use super::pieces::Piece;
use super::programs::DYNAMIC;
use super::script::{Command, Word, Wrong};
use crate::source::Span;

/// Returns the commands of a text with values, or the place of the first thing that is not in the
/// grammar.
pub(super) fn commands(pieces: &[Piece<'_>]) -> Result<Vec<Command>, (Span, Wrong)> {
    let mut reader = Reader::default();
    for piece in pieces {
        match piece {
            Piece::Text(at, text) => reader.text(*at, text)?,
            Piece::Value(span) => reader.value(*span)?,
            Piece::Block(span, _) => return Err((*span, Wrong::Block)),
            Piece::Computed(span, name) => return Err((*span, Wrong::Computed(name))),
        }
    }
    reader.end()
}

#[derive(Default)]
struct Reader {
    state: State,
    commands: Vec<Command>,
    command: Command,
    word: Option<Word>,
    /// `true` if the next word is the file of a redirection.
    redirects: bool,
    /// The characters of an operator that has begun, such as `>`.
    operator: String,
    at: usize,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Plain,
    Single,
    Double,
    Comment,
    /// After a backslash, which may only end the line.
    Escape,
}

impl Reader {
    fn wrong<T>(&self, why: &'static str) -> Result<T, (Span, Wrong)> {
        Err((Span::new(self.at, 1), Wrong::Outside(why)))
    }

    fn value(&mut self, span: Span) -> Result<(), (Span, Wrong)> {
        let inside = |place| Err((span, Wrong::Inside(place)));
        match self.state {
            State::Plain => {}
            State::Single => return inside("single quotes"),
            State::Double => return inside("double quotes"),
            State::Comment => return inside("a comment"),
            State::Escape => return inside("an escape"),
        }
        self.end_operator()?;
        if self.redirects {
            return inside("the name of a redirection");
        }
        let word = self.word.get_or_insert_with(|| Word::at(span));
        word.text.push(DYNAMIC);
        word.is_quoted = true;
        // The value is the place to show.
        word.span = span;
        Ok(())
    }

    fn text(&mut self, from: usize, text: &str) -> Result<(), (Span, Wrong)> {
        for (at, c) in text.char_indices() {
            self.at = from + at;
            self.character(c)?;
        }
        Ok(())
    }

    fn character(&mut self, c: char) -> Result<(), (Span, Wrong)> {
        match self.state {
            State::Comment if c == '\n' => self.state = State::Plain,
            State::Comment => return Ok(()),
            State::Single if c == '\'' => {
                self.state = State::Plain;
                return Ok(());
            }
            State::Double if c == '"' => {
                self.state = State::Plain;
                return Ok(());
            }
            State::Double if matches!(c, '$' | '`' | '\\') => {
                return self.wrong("`$`, backticks and `\\` in double quotes");
            }
            State::Single | State::Double => {
                self.push(c, true);
                return Ok(());
            }
            State::Escape if c == '\n' => {
                self.state = State::Plain;
                return Ok(());
            }
            State::Escape => return self.wrong("`\\` before a character"),
            State::Plain => {}
        }
        if !self.operator.is_empty() {
            let is_longer = match self.operator.as_str() {
                ">" => matches!(c, '>' | '&'),
                "|" => c == '|',
                "&" => c == '&',
                _ => false,
            };
            if is_longer {
                self.operator.push(c);
                return Ok(());
            }
            self.end_operator()?;
        }
        match c {
            ' ' | '\t' => self.end_word()?,
            '\n' | ';' | '|' | '&' => {
                self.end_word()?;
                if self.redirects {
                    return self.wrong("a redirection without a file");
                }
                self.end_command();
                if matches!(c, '|' | '&') {
                    self.operator.push(c);
                }
            }
            '>' | '<' => {
                // `2>`: the number belongs to the operator.
                let is_number =
                    |word: &mut Word| !word.is_quoted && matches!(&*word.text, "1" | "2");
                if self.word.take_if(is_number).is_none() {
                    self.end_word()?;
                }
                if self.redirects {
                    return self.wrong(if c == '<' { "a heredoc" } else { "this redirection" });
                }
                self.operator.push(c);
            }
            '\'' | '"' => {
                self.begin(true);
                self.state = if c == '"' { State::Double } else { State::Single };
            }
            '\\' => self.state = State::Escape,
            '#' if self.word.is_none() => self.state = State::Comment,
            c if c.is_ascii_alphanumeric() || "_./,:=+@%-".contains(c) => self.push(c, false),
            '$' | '`' => return self.wrong("variables and substitutions"),
            '(' | ')' | '{' | '}' => return self.wrong("brackets and braces outside of quotes"),
            '*' | '?' | '[' | ']' | '~' => return self.wrong("patterns outside of quotes"),
            _ => return self.wrong("this character outside of quotes"),
        }
        Ok(())
    }

    fn begin(&mut self, is_quoted: bool) -> &mut Word {
        let at = Span::new(self.at, 1);
        let word = self.word.get_or_insert_with(|| Word::at(at));
        word.is_quoted |= is_quoted;
        word
    }

    fn push(&mut self, c: char, is_quoted: bool) {
        self.begin(is_quoted).text.push(c);
    }

    fn end_operator(&mut self) -> Result<(), (Span, Wrong)> {
        match std::mem::take(&mut self.operator).as_str() {
            "" | "|" | "||" | "&&" => {}
            ">" | ">>" | "<" | ">&" => self.redirects = true,
            _ => return self.wrong("background commands"),
        }
        Ok(())
    }

    fn end_word(&mut self) -> Result<(), (Span, Wrong)> {
        self.end_operator()?;
        match self.word.take() {
            Some(_) if std::mem::take(&mut self.redirects) => {}
            Some(word) => self.command.words.push(word),
            None => {}
        }
        Ok(())
    }

    fn end_command(&mut self) {
        let command = std::mem::take(&mut self.command);
        if !command.words.is_empty() {
            self.commands.push(command);
        }
    }

    fn end(mut self) -> Result<Vec<Command>, (Span, Wrong)> {
        if self.operator == "&" {
            return self.wrong("background commands");
        }
        match self.state {
            State::Plain | State::Comment => {}
            _ => return self.wrong("quotes that are not closed"),
        }
        self.end_word()?;
        if self.redirects {
            return self.wrong("a redirection without a file");
        }
        self.end_command();
        Ok(self.commands)
    }
}
