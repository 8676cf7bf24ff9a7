//! The files that the steps of a workflow write and run, one step after another.

use super::pieces::pieces;
use super::plain_text;
use super::script::{self, Command, Word};
use super::state::Rules;
use super::written::is_open;
use crate::source::Span;

/// The constant paths in a command.
#[derive(Debug, Default)]
pub(crate) struct Paths {
    /// The files that it writes.
    pub(crate) written: Vec<Path>,
    /// The scripts and programs that it runs, and their places.
    pub(crate) run: Vec<(Path, Span)>,
}

/// A path in a command, or in a step that writes a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Path {
    pub(crate) text: String,
    /// `true` if the command may be in another folder.
    moves: bool,
}

impl Path {
    pub(crate) fn new(text: &str) -> Self {
        Self { text: text.to_owned(), moves: false }
    }

    /// Returns `true` if both may be one file.
    pub(crate) fn may_be(&self, other: &Self) -> bool {
        let (a, b) = (parts(&self.text), parts(&other.text));
        if self.moves || other.moves {
            return a.last() == b.last();
        }
        // One may be absolute.
        let is_absolute = self.text.starts_with('/') != other.text.starts_with('/');
        a == b || is_absolute && (a.ends_with(&b) || b.ends_with(&a))
    }
}

fn parts(path: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => _ = parts.pop(),
            part => parts.push(part),
        }
    }
    parts
}

/// Returns the constant paths in the text of a command.
pub(crate) fn of_line(text: &str) -> Paths {
    let plain = plain_text(&pieces(text));
    let Ok(commands) = script::commands(&plain, None) else { return Paths::default() };
    let moves = plain
        .split(|c: char| !c.is_ascii_alphabetic())
        .any(|word| matches!(word, "cd" | "pushd" | "popd"));
    of(&commands, moves, plain == text)
}

/// Returns the constant paths in the words of a program that runs without a shell.
pub(crate) fn of_words(words: &[&str]) -> Paths {
    let word = |(at, text): (usize, &&str)| {
        let mut word = Word::at(Span::new(at, 0));
        word.text = plain_text(&pieces(text));
        word.is_quoted = true;
        word
    };
    let words = words.iter().enumerate().map(word).collect();
    of(&[Command { words, ..Command::default() }], false, false)
}

fn of(commands: &[Command], moves: bool, has_places: bool) -> Paths {
    let mut rules = Rules::default();
    for command in commands {
        rules.written.add(command);
    }
    for command in commands {
        // What is wrong with it is told elsewhere.
        let _ = rules.command(command);
    }
    let path = |text: &str| Path { text: text.to_owned(), moves };
    let written = rules.written.paths.iter().filter(|text| !is_open(text));
    let run = rules.written.run.borrow();
    let run = run.iter().filter(|(text, _)| !is_open(text));
    Paths {
        written: written.map(|text| path(text)).collect(),
        run: run
            .map(|(text, span)| (path(text), if has_places { *span } else { Span::new(0, 0) }))
            .collect(),
    }
}
