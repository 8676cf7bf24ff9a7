//! Checks that the values in a command stay values, and never become code.
//!
//! There are two ways for a value into a command. In the text of the command it becomes one quoted
//! word; [`inline`] accepts that only in a small grammar, with programs that treat their arguments
//! as data. Through an argument, a variable or the input, the shell never reads it; then [`script`]
//! and [`rules`] refuse what would read it later: `eval`, arithmetic, other interpreters.

mod builtins;
mod effects;
mod files;
mod inline;
mod interpreters;
mod known;
mod modules;
mod options;
mod pieces;
mod programs;
mod rules;
mod script;
mod state;
mod written;

pub(crate) use effects::{argv, line};

use crate::expression::Mistake;
use crate::source::Span;
pub(crate) use files::{Path, of_line as paths_of_line, of_words as paths_of_words};
use pieces::Piece;
use programs::{BEHIND_DASHES, DATA, DYNAMIC, SHELLS, lists};
use script::{Checked, Command, Word, Wrong};
use state::Rules;

/// The maximum length of an expression in a message about it, in characters.
const SHOWN_MAX: usize = 40;

/// The maximum length of a command that a message shows in its safe form, in characters.
const COMMAND_SHOWN_MAX: usize = 120;

/// Constructs for which a plainer one exists.
const WORDS_OF_SHELLS: [&str; 6] =
    ["`alias`", "`coproc`", "`enable`", "`function`", "`hash -p`", "`jobs -x`"];

/// The values of a command outside of its text.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Given {
    /// The number of arguments, with or without values.
    pub(crate) args: usize,
    /// `true` if an argument, a variable or the input is a value.
    pub(crate) has_values: bool,
}

/// Returns `true` if what a template gives depends on values.
/// Splits a command line of another program, for the permissions of the run.
#[cfg(feature = "harness")]
pub(crate) fn line_of(text: &str) -> stepwright_core::permission::CommandLine {
    line(text, &[])
}

pub(crate) fn depends_on_values(template: &str) -> bool {
    pieces::pieces(template).iter().any(|piece| !matches!(piece, Piece::Text(..)))
}

/// A piece of a template and its place.
pub(crate) enum Place<'a> {
    /// Constant text, and its offset.
    Text(usize, &'a str),
    Value(Span),
    /// A block, with all constant text in it. `None` if it contains anything else.
    Block(Span, Option<String>),
}

/// Returns the pieces of a template.
pub(crate) fn places(template: &str) -> Vec<Place<'_>> {
    fn constant(pieces: &[Piece<'_>]) -> Option<String> {
        pieces.iter().try_fold(String::new(), |all, piece| match piece {
            Piece::Text(_, text) => Some(all + text),
            Piece::Block(_, inner) => Some(all + &constant(inner)?),
            Piece::Value(_) | Piece::Computed(..) => None,
        })
    }
    let place = |piece| match piece {
        Piece::Text(at, text) => Place::Text(at, text),
        Piece::Value(span) => Place::Value(span),
        Piece::Block(span, inner) => Place::Block(span, constant(&inner)),
        Piece::Computed(span, _) => Place::Block(span, None),
    };
    pieces::pieces(template).into_iter().map(place).collect()
}

/// Checks a shell command. Returns the first mistake.
pub(crate) fn check_line(text: &str, given: Given) -> Option<Mistake> {
    let pieces = pieces::pieces(text);
    let has_inline = has_value(&pieces);
    let wrong = if has_inline {
        check_inline(&pieces)
    } else {
        check_script(text, &pieces, given.has_values)
    };
    wrong.err().map(|(span, wrong)| told(text, &pieces, given, span, &wrong))
}

/// Checks the words of a program that runs without a shell. Returns the number of the word with the
/// first mistake.
pub(crate) fn check_argv(words: &[&str], has_values: bool) -> Option<(usize, Mistake)> {
    let mut plain = Vec::new();
    for (at, text) in words.iter().enumerate() {
        // The place is the number of the word.
        let mut word = Word::at(Span::new(at, 0));
        word.is_quoted = true;
        word.text = plain_text(&pieces::pieces(text));
        plain.push(word);
    }
    if !has_values && !plain.iter().any(Word::is_dynamic) {
        return None;
    }
    let (span, wrong) = Rules::default().program(&plain, &Command::default()).err()?;
    let at = span.start.min(words.len().saturating_sub(1));
    let word = words[at];
    let place = first_value(&pieces::pieces(word)).unwrap_or(Span::new(0, word.len()));
    let (message, help) = message(&wrong, shown(word, place), Way::Argv);
    Some((at, Mistake { message, span: place, help: Some(help) }))
}

fn has_value(pieces: &[Piece<'_>]) -> bool {
    first_value(pieces).is_some()
}

fn first_value(pieces: &[Piece<'_>]) -> Option<Span> {
    pieces.iter().find_map(|piece| match piece {
        Piece::Value(span) => Some(*span),
        Piece::Block(_, inner) => first_value(inner),
        Piece::Text(..) | Piece::Computed(..) => None,
    })
}

/// Returns the text of a word, with [`DYNAMIC`] for each value.
fn plain_text(pieces: &[Piece<'_>]) -> String {
    let mut plain = String::new();
    for piece in pieces {
        match piece {
            Piece::Text(_, text) => plain.push_str(text),
            // What a block gives depends on values.
            Piece::Value(_) | Piece::Block(..) | Piece::Computed(..) => plain.push(DYNAMIC),
        }
    }
    plain
}

fn check_inline(pieces: &[Piece<'_>]) -> Checked {
    let mut rules = Rules::default();
    inline::commands(pieces)?.iter().try_for_each(|command| rules.inline(command))
}

fn check_script(text: &str, pieces: &[Piece<'_>], has_values: bool) -> Checked {
    if let Some((span, wrong)) = pieces.iter().find_map(|piece| block(piece, has_values)) {
        return Err((span, wrong));
    }
    if !has_values {
        return Ok(());
    }
    match pieces {
        [] => Ok(()),
        [Piece::Text(at, script)] => Rules::default()
            .script(script, None)
            .map_err(|(span, wrong)| (Span::new(at + span.start, span.len), wrong)),
        // Comments of the template and `raw` divide the text.
        pieces => Rules::default().script(&plain_text(pieces), Some(Span::new(0, text.len()))),
    }
}

/// Returns the reason why a block cannot stand in a command.
fn block(piece: &Piece<'_>, has_values: bool) -> Option<(Span, Wrong)> {
    match piece {
        Piece::Text(..) | Piece::Value(_) => None,
        Piece::Computed(span, name) => Some((*span, Wrong::Computed(name))),
        Piece::Block(span, _) if has_values => Some((*span, Wrong::Block)),
        Piece::Block(_, inner) => inner.iter().find_map(|piece| block(piece, has_values)),
    }
}

/// The ways to pass values that a help may show.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Script,
    Argv,
}

/// Returns an expression for a message: itself if it is short.
fn shown(text: &str, span: Span) -> &str {
    let written = text.get(span.start..span.end()).unwrap_or_default();
    let is_short = written.chars().count() <= SHOWN_MAX && !written.contains('\n');
    if written.starts_with("{{") && is_short { written } else { "{{ … }}" }
}

fn told(text: &str, pieces: &[Piece<'_>], given: Given, span: Span, wrong: &Wrong) -> Mistake {
    let start = text.floor_char_boundary(span.start);
    let span = Span::new(start, text.ceil_char_boundary(span.end()).saturating_sub(start));
    let value = first_value(pieces);
    let expression = shown(text, value.unwrap_or(span));
    let (mut said, mut help) = message(wrong, expression, Way::Script);
    if value.is_some() && !matches!(wrong, Wrong::Block | Wrong::Computed(_) | Wrong::Option(_)) {
        let (script, list) = with_arguments(text, pieces, given.args);
        match Rules::default().script(&script, Some(span)) {
            _ if text.contains("<<") => {
                help = format!("pass the text with `stdin: \"{expression}\"`, or with `args:`");
            }
            Ok(()) if script.chars().count() <= COMMAND_SHOWN_MAX && !script.contains('\n') => {
                let script = script.replace('\'', "''");
                help =
                    format!("pass it as an argument: `command: '{script}'` with `args: [{list}]`");
            }
            Ok(()) | Err((_, Wrong::Unclear(_) | Wrong::TooIntricate)) => {
                let number = given.args + 1;
                help = format!("write `\"${number}\"` in its place, with `args: [{list}]`");
            }
            Err((_, other)) => {
                // The same mistake remains with an argument, and is the one to explain.
                (said, help) = message(&other, expression, Way::Script);
            }
        }
    }
    Mistake { message: said, span, help: Some(help) }
}

/// Returns the command with arguments in place of the expressions, and these as a list.
fn with_arguments(text: &str, pieces: &[Piece<'_>], args: usize) -> (String, String) {
    let (mut script, mut list) = (String::new(), Vec::new());
    let mut quote = None;
    for piece in pieces {
        match piece {
            Piece::Text(_, text) => {
                for c in text.chars() {
                    match (quote, c) {
                        (None, '\'' | '"') => quote = Some(c),
                        (Some(open), c) if open == c => quote = None,
                        _ => {}
                    }
                }
                script.push_str(text);
            }
            Piece::Value(span) => {
                list.push(format!("\"{}\"", shown(text, *span).replace('"', "\\\"")));
                let number = args + list.len();
                let (open, close) = match quote {
                    None => ("\"", "\""),
                    Some('"') => ("", ""),
                    Some(_) => ("'\"", "\"'"),
                };
                script.extend([open, "$", &number.to_string(), close]);
            }
            Piece::Block(..) | Piece::Computed(..) => {}
        }
    }
    // Quotes that the value alone stood in are empty now.
    (script.replace("''\"", "\"").replace("\"''", "\""), list.join(", "))
}

/// Returns a message about a mistake, and the help.
fn message(wrong: &Wrong, expression: &str, way: Way) -> (String, String) {
    let safe = match way {
        Way::Script => format!(
            "pass values with `args: [\"{expression}\"]` and write `\"$1\"`, or with `env:` and \
             write `\"$NAME\"`"
        ),
        Way::Argv => format!("pass the value as an argument of its own: `\"{expression}\"`"),
    };
    match wrong {
        Wrong::Inside(place) => {
            (format!("an expression inside {place} can be run by the shell"), safe)
        }
        Wrong::Outside(what) => {
            (format!("a command with an expression in its text cannot contain {what}"), safe)
        }
        Wrong::Unlisted(name) => {
            let known = lists(DATA, name) || lists(BEHIND_DASHES, name);
            let why = if known { "this value" } else { "values" };
            (format!("`{name}` is not known to treat {why} in the text of a command as data"), safe)
        }
        Wrong::Block => (
            "a command with values cannot contain a control block".to_owned(),
            "pass the condition as a value, and decide in the shell: `if [ \"$1\" = true ]; then \
             …; fi`; or choose between two steps with a `router`"
                .to_owned(),
        ),
        Wrong::Computed(name) => (
            format!("`{name}` cannot stand in a command, where it could undo the quotes of values"),
            "compute the text in a step before, and pass it with `args:`".to_owned(),
        ),
        Wrong::Program => (
            "a value would name the program that is run".to_owned(),
            "write the name of the program; a `router` chooses between several".to_owned(),
        ),
        Wrong::Code(name) => (
            format!("a value would be code for `{name}`"),
            match (lists(SHELLS, name), way) {
                (true, Way::Script) => format!(
                    "write the code out, and give it the value as an argument: `{name} -c 'echo \
                     \"$1\"' _ \"$1\"` with `args: [\"{expression}\"]`"
                ),
                (true, Way::Argv) => format!(
                    "write the code out, and give it the value as an argument: `argv: [{name}, \
                     -c, 'echo \"$1\"', _, \"{expression}\"]`"
                ),
                (false, _) => {
                    "write the code out, and pass the value after it as an argument, with \
                               `env:` or with `stdin:`; or write a script file: `sh script.sh \
                               \"$1\"`"
                        .to_owned()
                }
            },
        ),
        Wrong::Input(name) => (
            format!("`{name}` would run its input as code, and values can reach it"),
            "give it code in the command or in a file, and values with `args:` or `env:`"
                .to_owned(),
        ),
        Wrong::Option(name) => (
            format!("`{name}` could take a value here for an option"),
            match name.as_str() {
                "find" => "write `./` before the value, or give it to a test such as `-name`",
                "git checkout" => {
                    "write `git switch -- \"$1\"` for a branch, and `git checkout -- \"$1\"` for files"
                }
                "tar" | "gtar" | "bsdtar" => {
                    "write `--` before files, and `./` before the name of an archive: `tar -xzf \
                     \"./$1\"`"
                }
                "grep" | "egrep" | "fgrep" => {
                    "write `-e` before a value that is the pattern, and `--` before files"
                }
                _ => "write `--` before the values, and quote them; `--option=argument` before it",
            }
            .to_owned(),
        ),
        Wrong::Setting(name) => (
            format!("programs may run what `{name}` holds, or find code by it"),
            "write its value out, or use a name of your own, such as `INPUT_TEXT`".to_owned(),
        ),
        Wrong::Evaluates(name) => (
            format!("`{name}` can evaluate a value here as code"),
            match name.as_str() {
                "printf" => "begin with a constant format: `printf '%s' \"$1\"`",
                "test" => {
                    "write one test with quoted values: `[ \"$1\" = yes ]`, and join tests with \
                     `&&`"
                }
                _ => "write the names of variables out, and quote their values",
            }
            .to_owned(),
        ),
        Wrong::Construct(what) if WORDS_OF_SHELLS.contains(what) => (
            format!("{what} can run a value as code"),
            "write plain commands, and functions as `name() { …; }`; or write a script file: \
             `command: sh script.sh \"$1\"`"
                .to_owned(),
        ),
        Wrong::Construct(what) => (
            format!("{what} can evaluate a value as code"),
            "compute it in a step before, `value: = …`, and pass the result with `args:`; compare \
             numbers with `[ \"$1\" -gt 3 ]`"
                .to_owned(),
        ),
        Wrong::Written(name) => (
            format!("the command writes `{name}`, perhaps with a value, and runs it"),
            "pass values to a constant script with `args:`, `env:` or `stdin:`".to_owned(),
        ),
        Wrong::MayRun(name) => (
            format!("the command writes a file, perhaps with a value, and `{name}` may run it"),
            "write only files with constant names of data, such as `out.txt`, or pass values to a \
             constant script with `args:`, `env:` or `stdin:`"
                .to_owned(),
        ),
        Wrong::Unclear(what) => (
            format!("shells read {what} in different ways, so values in this command are not safe"),
            "write it in a simpler way, or in a script file: `command: sh script.sh \"$1\"`"
                .to_owned(),
        ),
        Wrong::TooIntricate => (
            "the command is too intricate to be checked".to_owned(),
            "write it in a script file: `command: sh script.sh \"$1\"`".to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests;
