//! The words of a command.

use super::lexer::{Findings, Wrong};
use super::programs::runs_input;
use crate::source::Span;

/// The maximum number of words of a command that are kept.
const WORDS_MAX: usize = 256;
pub(super) const WORD_BYTES_MAX: usize = 512;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Heredoc {
    pub(super) end: String,
    pub(super) is_quoted: bool,
    pub(super) strips_tabs: bool,
    /// The program that runs the text as code.
    pub(super) runner: Option<String>,
}

/// A sequence of commands: the whole text, or the text in brackets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is one thing that was read")]
pub(super) struct Commands {
    pub(super) in_brackets: bool,
    /// `true` if the brackets are a group, not a substitution in a word.
    pub(super) is_group: bool,
    /// `true` if nothing has been read yet.
    pub(super) is_fresh: bool,
    /// The words of the current command.
    pub(super) words: Vec<String>,
    pub(super) word: Option<String>,
    pub(super) is_quoted: bool,
    /// The operator before this character, if it can have more characters.
    pub(super) operator: Option<char>,
    pub(super) next: Next,
    /// `true` inside `[[ … ]]`.
    pub(super) in_test: bool,
    /// The number of open `case`s, in which a closing bracket ends a pattern.
    pub(super) cases: usize,
    /// The last expression.
    pub(super) dynamic: Option<Span>,
    /// The expression in the input of this command.
    pub(super) input: Option<Span>,
    /// `true` if this command does not read the input of the whole.
    pub(super) has_own_input: bool,
    /// `true` directly after a `|`.
    pub(super) after_pipe: bool,
}

/// The role of the next word of a command.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Next {
    #[default]
    Word,
    /// The file of a redirection.
    Target,
    /// The input of the command, after `<` or `<<<`.
    Input,
    /// The end marker of a heredoc. `true` if tabs before it are ignored.
    Heredoc(bool),
}

impl Commands {
    pub(super) fn begin_word(&mut self) {
        self.word.get_or_insert_default();
    }

    pub(super) fn push(&mut self, c: char) {
        let word = self.word.get_or_insert_default();
        if word.len() < WORD_BYTES_MAX {
            word.push(c);
        }
    }

    /// Ends the current word. Returns the heredoc that it introduces, if it does.
    pub(super) fn end_word(&mut self) -> Option<Heredoc> {
        let word = self.word.take()?;
        let is_quoted = std::mem::take(&mut self.is_quoted);
        match std::mem::take(&mut self.next) {
            Next::Heredoc(strips_tabs) => {
                return Some(Heredoc { end: word, is_quoted, strips_tabs, runner: None });
            }
            Next::Target | Next::Input => return None,
            Next::Word => {}
        }
        if self.words.is_empty() && !is_quoted {
            match word.as_str() {
                // A command follows these words.
                "if" | "then" | "else" | "elif" | "do" | "while" | "until" | "!" | "{" | "}"
                | "fi" | "done" => return None,
                "esac" => {
                    self.cases = self.cases.saturating_sub(1);
                    return None;
                }
                "case" => self.cases += 1,
                "[[" => self.in_test = true,
                _ => {}
            }
        }
        let first = self.words.first().map(String::as_str).unwrap_or_default();
        let begins = match first {
            // `function name {`, and `for name do` without a list.
            "function" => self.words.len() == 1,
            "for" | "select" => self.words.len() == 2 && word == "do" && !is_quoted,
            _ => false,
        };
        if begins {
            self.words.clear();
            return None;
        }
        if word == "]]" && !is_quoted {
            self.in_test = false;
        }
        self.after_pipe = false;
        if self.words.len() < WORDS_MAX {
            self.words.push(word);
        }
        None
    }

    pub(super) fn end_command(&mut self, found: &mut Findings) {
        if self.after_pipe && self.words.is_empty() {
            // The command follows on the next line.
            return;
        }
        if let Some(name) = runs_input(&self.words) {
            match self.input {
                Some(span) => found.add(span, Wrong::Input(name)),
                None if !self.has_own_input => found.runs_input = Some(name),
                None => {}
            }
        }
        self.words.clear();
        self.next = Next::Word;
        self.in_test = false;
        (self.input, self.has_own_input) = (None, false);
    }
}
