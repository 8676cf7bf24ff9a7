//! Splits a rendered command line into commands, for the permissions of the run.

use super::programs::DYNAMIC;
use super::script::{self, Word};
use stepwright_core::permission::{CommandLine, EffectWord};

/// The largest nesting depth of commands inside arguments.
const INSIDE_DEPTH_MAX: usize = 4;

/// The characters of an unquoted word that a shell may expand to other words.
const EXPANDED: [char; 4] = ['*', '?', '[', '{'];

/// The files that a redirection may use without an effect: descriptors, and nothing.
const HARMLESS: [&str; 6] = ["1", "2", "/dev/null", "/dev/stdin", "/dev/stdout", "/dev/stderr"];

/// Splits a command line for the shell, with its arguments.
pub(crate) fn line(text: &str, args: &[String]) -> CommandLine {
    let shown = if args.is_empty() {
        text.to_owned()
    } else {
        let words = args.iter().map(|arg| format!("{arg:?}")).collect::<Vec<_>>().join(" ");
        format!("{text} -- {words}")
    };
    // The name of a variable that the shell expands is not known to the lexer, and `cmd` of Windows
    // has a grammar of its own.
    if cfg!(windows) || text.contains(DYNAMIC) {
        return unclear(shown);
    }
    let Ok(split) = script::commands(text, None) else {
        let mut line = unclear(shown);
        inside(text, &mut line.inside, 0);
        return line;
    };
    let mut line = CommandLine { shown, ..CommandLine::default() };
    for command in split {
        let words: Vec<EffectWord> = command.words.iter().map(shell_word).collect();
        for text in &command.words {
            inside(&text.text, &mut line.inside, 0);
        }
        if let Some(here) = &command.here {
            inside(&here.text, &mut line.inside, 0);
        }
        for file in command.targets.iter().chain(&command.sources) {
            if !HARMLESS.contains(&file.text.as_str()) {
                // Only a rule for all commands allows the shell to read or write any file.
                line.commands.push(vec![EffectWord::Unknown]);
            }
        }
        if !words.is_empty() {
            line.commands.push(words);
        }
    }
    for arg in args {
        inside(arg, &mut line.inside, 0);
    }
    line
}

/// Returns the command of a program with its arguments.
pub(crate) fn argv(words: &[String]) -> CommandLine {
    let mut line = CommandLine::of_words(words.iter().cloned());
    for word in words.iter().skip(1) {
        inside(word, &mut line.inside, 0);
    }
    line
}

fn shell_word(word: &Word) -> EffectWord {
    if word.splits || !word.is_quoted && word.text.contains(EXPANDED) {
        return EffectWord::Several;
    }
    // Of a word that is quoted in part, the part with `*` may be the other one.
    let is_home = !word.is_quoted && word.text.starts_with('~');
    if word.is_dynamic() || is_home || word.text.contains(EXPANDED) {
        return EffectWord::Unknown;
    }
    EffectWord::Text(word.text.clone())
}

/// Adds the commands that a text may be, if it looks like one: `sh -c` and many others run their
/// arguments.
fn inside(text: &str, all: &mut Vec<Vec<EffectWord>>, depth: usize) {
    let is_command = text.contains(|c: char| c.is_whitespace() || ";|&$(`".contains(c));
    if !is_command || depth >= INSIDE_DEPTH_MAX {
        return;
    }
    // Also where it cannot be split, or is no shell: its words may be those of a command.
    let is_part = |c: char| c.is_whitespace() || ";|&()`'\"{},".contains(c);
    let plain = text.split(is_part).filter(|part| !part.is_empty());
    all.push(plain.map(word).collect());
    if let Ok(split) = script::commands(text, None) {
        for command in split {
            for word in &command.words {
                if word.text.len() < text.len() {
                    inside(&word.text, all, depth + 1);
                }
            }
            all.push(command.words.iter().map(shell_word).collect());
        }
    }
}

/// Returns the word of a command for rules.
fn word(text: &str) -> EffectWord {
    EffectWord::Text(text.to_owned())
}

/// Returns a command line that cannot be split.
fn unclear(shown: String) -> CommandLine {
    CommandLine { shown, is_unclear: true, ..CommandLine::default() }
}
