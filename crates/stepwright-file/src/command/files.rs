//! The files that the steps of a workflow write and run, one step after another.

use super::pieces::pieces;
use super::plain_text;
use super::programs::{SHELLS, base, language_of, lists};
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
    {
        let mut run = rules.written.run.borrow_mut();
        let copied = copied(commands, &run);
        run.extend(copied);
        if commands.iter().any(runs_input) {
            run.extend(commands.iter().flat_map(read));
        }
    }
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

/// The programs that pass on the content of the files that they name.
const READERS: &str = "\
    awk base32 base64 bzcat bzip2 cat cut dd gawk gpg grep gunzip gzip head jq mawk openssl rev \
    sed sort tac tail tr uniq uudecode xxd xz xzcat zcat zstd zstdcat";

/// The programs that make a file of another one.
const COPIERS: &str = "cp install ln mv rsync";

/// The words before a program: keywords, and programs that start another one.
const BEFORE: &str = "\
    ! do doas else env exec if nice nohup command stdbuf sudo then time timeout until while xargs";

/// Returns the program of a command, if it is one of these, with the words behind it.
fn behind(command: &Command, is_one: impl Fn(&str) -> bool) -> Option<(String, &[Word])> {
    let is_before = |word: &Word| {
        let text = &word.text;
        let is_time = text.starts_with(|c: char| c.is_ascii_digit());
        is_time || text.starts_with('-') || text.contains('=') || lists(BEFORE, &base(text))
    };
    let at = command.words.iter().position(|word| !is_before(word))?;
    let name = base(&command.words[at].text);
    is_one(&name).then(|| (name, &command.words[at + 1..]))
}

fn is_operand(word: &Word) -> bool {
    !word.text.starts_with('-')
}

/// Returns `true` for a program that runs its input, or what another command gives, as code:
/// `sh`, `python3 -`, `sh -c "$(…)"`, `eval "$(…)"`.
fn runs_input(command: &Command) -> bool {
    let runs = |name: &str| lists(SHELLS, name) || language_of(name).is_some();
    if let Some((_, rest)) = behind(command, |name| name == "eval") {
        return rest.iter().any(Word::is_dynamic);
    }
    let Some((name, rest)) = behind(command, runs) else { return false };
    let is_code = |word: &Word| word.text.starts_with('-') && word.text.ends_with('c');
    let takes_code = lists(SHELLS, &name) && rest.iter().any(is_code);
    let mut operands = rest.iter().filter(|word| is_operand(word));
    match operands.next() {
        Some(code) => takes_code && code.is_dynamic() && code.text.chars().count() == 1,
        None => true,
    }
}

/// Returns the files that a command passes on.
fn read(command: &Command) -> Vec<(String, Span)> {
    let Some((_, rest)) = behind(command, |name| lists(READERS, name)) else { return Vec::new() };
    let files = rest.iter().filter(|word| is_operand(word)).chain(&command.file);
    files.map(|word| (word.text.clone(), word.span)).collect()
}

/// Returns the files that a command copies or moves to one that is run.
fn copied(commands: &[Command], run: &[(String, Span)]) -> Vec<(String, Span)> {
    let mut copied = Vec::new();
    for command in commands {
        let Some((_, rest)) = behind(command, |name| lists(COPIERS, name)) else { continue };
        let operands: Vec<&Word> = rest.iter().filter(|word| is_operand(word)).collect();
        let Some((to, from)) = operands.split_last() else { continue };
        if run.iter().any(|(path, _)| parts(path) == parts(&to.text)) {
            copied.extend(from.iter().map(|word| (word.text.clone(), word.span)));
        }
    }
    copied
}
