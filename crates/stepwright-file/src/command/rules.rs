//! The rules for each command: where its words may contain values.
//!
//! Every expansion of the shell counts as a value, wherever it comes from. So the path of a value
//! through variables, functions and pipes does not matter.

use super::builtins::{NUMERIC, is_plain_format, printf, test};
use super::interpreters;
use super::programs::{
    BEHIND_DASHES, CODE, CODE_IN_INPUT, CODE_OPTIONS, CONSTANT, DATA, DATA_IN_SCRIPTS, DYNAMIC,
    GUARDED, INSTALLERS, RUNNERS, SHELLS, assigned, base, file_name, is_setting, is_stream,
    language_of, lists,
};
use super::script::{self, Checked, Command, Word, Wrong};
use super::state::{Rules, assignment};
use crate::source::Span;

/// The maximum number of bytes of code that are read for one command. Code within code is read
/// again.
pub(super) const BYTES_MAX: usize = 1_000_000;

/// The maximum number of words of one command.
const WORDS_MAX: usize = 1000;

/// The words of the shell before a command.
const KEYWORDS: &str = "if then else elif fi while until do done esac ! { }";

/// The maximum length of the name of an interpreter.
const NAME_BYTES_MAX: usize = 256;

impl Rules {
    /// Checks a script of a shell.
    pub(super) fn script(&mut self, text: &str, whole: Option<Span>) -> Checked {
        let place = whole.unwrap_or(Span::new(0, text.len()));
        self.bytes = self.bytes.saturating_add(text.len());
        if self.bytes > BYTES_MAX {
            return Err((place, Wrong::TooIntricate));
        }
        let commands = script::commands(text, whole)?;
        for command in &commands {
            self.written.add(command);
        }
        self.deeper(place, |rules| commands.iter().try_for_each(|command| rules.command(command)))
    }

    /// Checks one command, and notes the files that it runs.
    pub(super) fn command(&mut self, command: &Command) -> Checked {
        let mut words = &command.words[..];
        if let Some(word) = words.get(WORDS_MAX) {
            return Err((word.span, Wrong::TooIntricate));
        }
        while let [first, rest @ ..] = words {
            if !first.is_quoted && lists(KEYWORDS, &first.text) {
                words = rest;
            } else if let Some(rest) = after_time(first, rest) {
                words = rest;
            } else if let Some((name, is_element)) = assigned(&first.text) {
                assignment(first, name, is_element)?;
                words = rest;
            } else {
                break;
            }
        }
        let first = words.first().filter(|word| !word.is_quoted);
        match first.map(|word| word.text.as_str()) {
            Some("case") => Ok(()),
            Some("for" | "select") if words.get(1).is_some_and(|word| is_setting(&word.text)) => {
                Err((words[1].span, Wrong::Setting(words[1].text.clone())))
            }
            // `for name do …` has no list.
            Some("for" | "select") if words.get(2).is_some_and(|word| word.text == "do") => {
                self.program(&words[3..], command)
            }
            Some("for" | "select") => Ok(()),
            // Any command can be its body: `function f while …`.
            Some("function") => Err((words[0].span, Wrong::Construct("`function`"))),
            _ => self.program(words, command),
        }
    }

    /// Checks a program and its arguments.
    pub(super) fn program(&mut self, words: &[Word], input: &Command) -> Checked {
        let [first, rest @ ..] = words else { return Ok(()) };
        self.deeper(first.span, |rules| rules.named(first, rest, words, input))
    }

    fn named(&mut self, first: &Word, rest: &[Word], words: &[Word], input: &Command) -> Checked {
        let at = first.span;
        let text = first.text.as_str();
        let dynamic = rest.iter().find(|word| word.is_dynamic());
        // A pattern or an option is no program, but may be a pattern of `case`.
        let is_odd = dynamic.is_some() || text.contains('/');
        let is_pattern = is_odd && text.contains(['*', '?', '[']) && !matches!(text, "[" | "[[");
        let is_list = text.starts_with('{') && text.contains(',');
        let is_option = dynamic.is_some() && text.starts_with('-');
        if first.is_dynamic() || is_option || !first.is_quoted && (is_pattern || is_list) {
            return Err((at, Wrong::Program));
        }
        let (kind, name) = (base(text), file_name(text));
        let kind = kind.as_str();
        self.written.runs_nothing_written(kind, first)?;
        let place = dynamic.map_or(at, |word| word.span);
        if let Some(checked) = self.builtin(kind, first, rest) {
            return checked;
        }
        match kind {
            "find" | "gfind" => return self.find(&name, rest, input),
            "parallel" => return Err((place, Wrong::Code(name))),
            _ => {}
        }
        let is_one_of = |names: &str| lists(names, kind);
        if is_one_of(DATA) || is_one_of(CONSTANT) || is_one_of(DATA_IN_SCRIPTS) {
            return Ok(());
        }
        if lists(SHELLS, kind) {
            return interpreters::shell(self, &name, words, input);
        }
        if let Some(language) = language_of(kind) {
            return interpreters::language(self, language, &name, words, input);
        }
        match kind {
            "awk" | "gawk" | "mawk" | "nawk" | "goawk" => {
                return interpreters::awk(self, &name, words);
            }
            "sed" | "gsed" => return interpreters::sed(self, &name, words),
            "jq" | "gojq" => return interpreters::jq(&name, words),
            _ => {}
        }
        if let Some(runner) = RUNNERS.iter().find(|runner| lists(runner.names, kind)) {
            return self.runner(runner, kind, words, input);
        }
        if is_one_of("make gmake ninja") && rest.iter().any(|word| is_stream(&word.text)) {
            interpreters::constant_input(&name, at, input)?;
        }
        if let Some(word) = dynamic.filter(|_| is_one_of(CODE)) {
            return Err((word.span, Wrong::Code(name)));
        }
        if is_one_of(INSTALLERS) {
            return Ok(());
        }
        if kind == "git" {
            return self.git(words, input);
        }
        let row = GUARDED.iter().find(|row| lists(row.names, kind));
        if row.is_some_and(|row| !row.runs) {
            return Ok(());
        }
        let reads_code = is_one_of(CODE_IN_INPUT);
        if row.is_some() || reads_code {
            self.nested(words, words.len(), input)?;
        }
        if let Some(row) = row {
            return self.guarded(row, &name, words, false);
        }
        if reads_code {
            has_code(kind, &name, at, rest, input)?;
        } else {
            self.unknown(&name, words, input)?;
        }
        self.suspects(rest)
    }

    /// Checks a command with values in its text: the program is known, and the place of each value.
    pub(super) fn inline(&mut self, command: &Command) -> Checked {
        let [first, rest @ ..] = &command.words[..] else { return Ok(()) };
        if first.is_dynamic() {
            return Err((first.span, Wrong::Program));
        }
        let dynamic = rest.iter().find(|word| word.is_dynamic());
        let name = first.text.as_str();
        let row = GUARDED.iter().find(|row| lists(row.names, name));
        match (name, dynamic, row) {
            _ if lists(DATA, name) => Ok(()),
            _ if lists(CONSTANT, name) => match dynamic {
                Some(word) => Err((word.span, Wrong::Unlisted(name.to_owned()))),
                None => Ok(()),
            },
            ("printf", ..) => {
                printf(first.span, rest)?;
                let format = rest.iter().find(|word| word.text != "--");
                let format = format.map(|word| word.text.as_str()).unwrap_or_default();
                if is_plain_format(format) {
                    Ok(())
                } else {
                    Err((first.span, Wrong::Outside("formats of `printf` other than `%s`")))
                }
            }
            ("test", ..) => {
                let numeric = rest.iter().any(|word| lists(NUMERIC, &word.text));
                if numeric {
                    return Err((first.span, Wrong::Evaluates("test".into())));
                }
                test(first.span, rest)
            }
            (_, _, Some(row)) if lists(BEHIND_DASHES, name) => {
                if row.runs {
                    self.nested(&command.words, command.words.len(), &Command::default())?;
                }
                self.guarded(row, name, &command.words, true)
            }
            _ => Err((first.span, Wrong::Unlisted(name.to_owned()))),
        }
    }

    /// Looks for shells and interpreters among the first `end` words of another program.
    pub(super) fn nested(&mut self, words: &[Word], end: usize, input: &Command) -> Checked {
        (1..end.min(words.len())).try_for_each(|at| self.interpreter(&words[at..], input))
    }

    /// Checks a shell or an interpreter and its arguments, if the first word is one.
    fn interpreter(&mut self, words: &[Word], input: &Command) -> Checked {
        let text = words[0].text.rsplit('=').next().unwrap_or_default();
        if text.contains(DYNAMIC) || text.len() > NAME_BYTES_MAX {
            return Ok(());
        }
        let (kind, name) = (base(text), file_name(text));
        if lists(SHELLS, &kind) {
            return interpreters::shell(self, &name, words, input);
        }
        match language_of(&kind).filter(|_| kind.len() > 1) {
            Some(language) => interpreters::language(self, language, &name, words, input),
            None => Ok(()),
        }
    }

    /// Checks constant arguments that may be code for a shell, of a program that may run them.
    pub(super) fn suspects(&mut self, words: &[Word]) -> Checked {
        let is_code = |c: char| " \n;|&$`".contains(c);
        for word in words.iter().filter(|word| !word.is_dynamic() && word.text.contains(is_code)) {
            match self.script(&word.text, Some(word.span)) {
                // It is no code.
                Err((_, Wrong::Unclear(_))) | Ok(()) => {}
                Err(wrong) => return Err(wrong),
            }
        }
        Ok(())
    }

    /// Checks a program that is not known, such as one of the author.
    fn unknown(&mut self, name: &str, words: &[Word], input: &Command) -> Checked {
        for (at, word) in words.iter().enumerate().skip(1) {
            let before = words[at - 1].text.as_str();
            let option = word.text.split_once('=').map(|(option, _)| option).unwrap_or_default();
            let is_code = lists(CODE_OPTIONS, before) || lists(CODE_OPTIONS, option);
            if word.is_dynamic() && is_code {
                return Err((word.span, Wrong::Code(name.to_owned())));
            }
            // The name of an interpreter may also be data, as in `--language python`.
            let is_program = match words.get(at + 1) {
                Some(next) => next.text.starts_with('-'),
                None => !before.starts_with('-'),
            };
            if is_program {
                self.interpreter(&words[at..], input)?;
            }
        }
        Ok(())
    }
}

/// Returns the words after the keyword `time`, which keywords may follow.
fn after_time<'a>(first: &Word, rest: &'a [Word]) -> Option<&'a [Word]> {
    if first.is_quoted || first.text != "time" {
        return None;
    }
    let mut rest = rest;
    while let [option, inner @ ..] = rest
        && matches!(&*option.text, "-p" | "--")
    {
        rest = inner;
    }
    // Other options belong to the program of this name.
    rest.first().is_none_or(|word| !word.text.starts_with('-')).then_some(rest)
}

/// Checks that a program that runs its input has other code.
fn has_code(kind: &str, name: &str, at: Span, rest: &[Word], input: &Command) -> Checked {
    let options = match kind {
        "psql" => "-c -f --command --file",
        "mysql" | "mariadb" => "-e --execute",
        "su" | "runuser" | "script" => "-c --command --session-command",
        "at" | "batch" => "-f",
        "sqlcmd" => "-Q -i",
        "mongosh" | "octave" => "--eval",
        "pwsh" | "powershell" => "-c -Command -File",
        "cmd" => "/c /C",
        "gnuplot" => "-e",
        "expect" => "-c",
        _ => "",
    };
    let of_option = |(at, word): (usize, &Word)| {
        let (option, attached) = word.text.split_once('=').unwrap_or((&word.text, ""));
        let next = rest.get(at + 1).map(|word| word.text.as_str()).unwrap_or_default();
        let code = if attached.is_empty() { next } else { attached };
        lists(options, option) && !is_stream(code)
    };
    // The first operand is the host or the database, and the second one is code.
    let (flags, args) = match kind {
        "ssh" | "rsh" | "mosh" => ("46AaCfGgKkMNnqsTtVvXxYy", ""),
        "sqlite3" | "duckdb" => ("", "-cmd -init -separator -nullvalue -newline -vfs -A"),
        _ => ("", ""),
    };
    let (mut operands, mut next) = (0, 0);
    while let Some(word) = rest.get(next) {
        let letters = word.text.strip_prefix('-').unwrap_or_default();
        let is_flag = letters.chars().all(|c| flags.contains(c)) || flags.is_empty();
        operands += usize::from(letters.is_empty());
        next += if lists(args, &word.text) || !letters.is_empty() && !is_flag { 2 } else { 1 };
    }
    let is_client = matches!(kind, "ssh" | "rsh" | "mosh" | "sqlite3" | "duckdb");
    if is_client && operands > 1 || rest.iter().enumerate().any(of_option) {
        return Ok(());
    }
    interpreters::constant_input(name, at, input)
}
