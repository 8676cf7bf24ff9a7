//! The rules for each command: where its words may contain values.
//!
//! Every expansion of the shell counts as a value, wherever it comes from. So it does not matter
//! how a value flows through variables, functions and pipes.

use super::interpreters;
use super::programs::{
    BEHIND_DASHES, CODE, CODE_IN_INPUT, CODE_OPTIONS, CONSTANT, DATA, DATA_IN_SCRIPTS, DYNAMIC,
    FIND_TESTS, GIT, GIT_COMMANDS, GUARDED, Guarded, INSTALLERS, RUNNERS, Runner, SHELLS, assigned,
    base, is_setting, language_of,
};
use super::script::{self, Command, DEPTH_MAX, Word, Wrong};
use crate::source::Span;

/// The maximum number of bytes of code that are read for one command. Code within code is read
/// again.
pub(super) const BYTES_MAX: usize = 1_000_000;

/// The maximum number of words of one command.
const WORDS_MAX: usize = 1000;

/// The words of the shell before a command.
const KEYWORDS: &[&str] =
    &["if", "then", "else", "elif", "fi", "while", "until", "do", "done", "esac", "!", "{", "}"];

/// The unary operators of `test` that treat their argument as text or a file.
const UNARY: &[&str] = &[
    "-b", "-c", "-d", "-e", "-f", "-g", "-G", "-h", "-k", "-L", "-n", "-O", "-p", "-r", "-s", "-S",
    "-u", "-w", "-x", "-z",
];

/// The binary operators of `test` that evaluate no variables. The numeric ones do inside `[[`.
const BINARY: &[&str] = &["=", "==", "!=", "<", ">", "-nt", "-ot", "-ef"];
const NUMERIC: &[&str] = &["-eq", "-ne", "-lt", "-le", "-gt", "-ge"];

/// The programs that write the files that they name.
const WRITERS: &[&str] =
    &["cp", "curl", "dd", "install", "ln", "mv", "rsync", "sponge", "tee", "wget"];

/// The maximum length of the name of an interpreter.
const NAME_BYTES_MAX: usize = 256;

pub(super) type Checked = Result<(), (Span, Wrong)>;

/// The state of the check of one command.
#[derive(Default)]
pub(super) struct Rules {
    /// The names of the files that the script writes, without their folders.
    written: Vec<String>,
    depth: usize,
    bytes: usize,
}

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
            self.written.extend(command.targets.iter().map(|word| file_name(&word.text)));
            let name = command.words.first().map(|word| base(&word.text)).unwrap_or_default();
            if WRITERS.contains(&name.as_str()) {
                self.written.extend(command.words[1..].iter().map(|word| file_name(&word.text)));
            }
        }
        self.deeper(place, |rules| commands.iter().try_for_each(|command| rules.command(command)))
    }

    /// Does the work one level deeper.
    fn deeper(&mut self, at: Span, work: impl FnOnce(&mut Self) -> Checked) -> Checked {
        if self.depth >= DEPTH_MAX {
            return Err((at, Wrong::TooIntricate));
        }
        self.depth += 1;
        let done = work(self);
        self.depth -= 1;
        done
    }

    fn command(&mut self, command: &Command) -> Checked {
        let mut words = &command.words[..];
        if let Some(word) = words.get(WORDS_MAX) {
            return Err((word.span, Wrong::TooIntricate));
        }
        while let [first, rest @ ..] = words {
            if !first.is_quoted && KEYWORDS.contains(&first.text.as_str()) {
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
            Some("function") => {
                let rest = words.get(2..).unwrap_or_default();
                let is_brace = rest.first().is_some_and(|word| word.text == "{");
                self.program(&rest[usize::from(is_brace)..], command)
            }
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
        if text.contains('/') {
            self.not_written(first)?;
        }
        let (kind, name) = (base(text), file_name(text));
        let kind = kind.as_str();
        let place = dynamic.map_or(at, |word| word.span);
        match kind {
            "eval" => return Err((place, Wrong::Code(name))),
            "let" => return Err((place, Wrong::Construct("arithmetic"))),
            "." | "source" => return self.source(&name, at, rest),
            "trap" => {
                return match rest.first() {
                    Some(code) if code.is_dynamic() => Err((code.span, Wrong::Code(name))),
                    Some(code) if code.text != "-" => self.script(&code.text, Some(code.span)),
                    Some(_) | None => Ok(()),
                };
            }
            "declare" | "typeset" | "local" | "export" | "readonly" | "integer" | "float" => {
                return declaration(kind, at, rest);
            }
            "read" | "mapfile" | "readarray" | "unset" => {
                for word in rest {
                    if word.is_dynamic() || word.text.contains('[') || word.text.starts_with("-C") {
                        return Err((word.span, Wrong::Evaluates(name)));
                    }
                    if is_setting(&word.text) {
                        return Err((word.span, Wrong::Setting(word.text.clone())));
                    }
                }
                return Ok(());
            }
            "getopts" => {
                let odd = rest.iter().take(2).find(|word| word.is_dynamic());
                return odd.map_or(Ok(()), |word| Err((word.span, Wrong::Evaluates(name))));
            }
            "wait" if rest.iter().any(|word| word.text.starts_with('-')) => {
                return Err((place, Wrong::Evaluates(name)));
            }
            "set" => {
                let end = rest.iter().position(|word| word.text == "--").unwrap_or(rest.len());
                let odd = rest[..end].iter().find(|word| word.is_dynamic());
                return odd.map_or(Ok(()), |word| Err((word.span, Wrong::Option(name))));
            }
            "test" | "[" => return test(at, rest),
            "[[" => return double_test(at, rest),
            "printf" => return printf(at, rest),
            "find" | "gfind" => return self.find(&name, rest, input),
            "parallel" => return Err((place, Wrong::Code(name))),
            _ => {}
        }
        let is_one_of = |names: &[&str]| names.contains(&kind);
        if is_one_of(DATA) || is_one_of(CONSTANT) || is_one_of(DATA_IN_SCRIPTS) {
            return Ok(());
        }
        if SHELLS.contains(&kind) {
            return interpreters::shell(self, &name, words, input);
        }
        if let Some(language) = language_of(kind) {
            return interpreters::language(self, language, &name, words, input);
        }
        match kind {
            "awk" | "gawk" | "mawk" | "nawk" => return interpreters::awk(&name, words),
            "sed" | "gsed" => return interpreters::sed(&name, words),
            "jq" | "gojq" => return interpreters::jq(&name, words),
            _ => {}
        }
        if let Some(runner) = RUNNERS.iter().find(|runner| runner.names.contains(&kind)) {
            return self.runner(runner, kind, words, input);
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
        let row = GUARDED.iter().find(|row| row.names.contains(&kind));
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
            has_code(&name, at, rest, input)?;
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
        let row = GUARDED.iter().find(|row| row.names.contains(&name));
        match (name, dynamic, row) {
            _ if DATA.contains(&name) => Ok(()),
            _ if CONSTANT.contains(&name) => match dynamic {
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
                let numeric = rest.iter().any(|word| NUMERIC.contains(&word.text.as_str()));
                if numeric {
                    return Err((first.span, Wrong::Evaluates("test".into())));
                }
                test(first.span, rest)
            }
            (_, _, Some(row)) if BEHIND_DASHES.contains(&name) => {
                if row.runs {
                    self.nested(&command.words, command.words.len(), &Command::default())?;
                }
                self.guarded(row, name, &command.words, true)
            }
            _ => Err((first.span, Wrong::Unlisted(name.to_owned()))),
        }
    }

    /// Looks for shells and interpreters among the first `end` words of another program.
    fn nested(&mut self, words: &[Word], end: usize, input: &Command) -> Checked {
        (1..end.min(words.len())).try_for_each(|at| self.interpreter(&words[at..], input))
    }

    /// Checks a shell or an interpreter and its arguments, if the first word is one.
    fn interpreter(&mut self, words: &[Word], input: &Command) -> Checked {
        let text = words[0].text.rsplit('=').next().unwrap_or_default();
        if text.contains(DYNAMIC) || text.len() > NAME_BYTES_MAX {
            return Ok(());
        }
        let (kind, name) = (base(text), file_name(text));
        if SHELLS.contains(&kind.as_str()) {
            return interpreters::shell(self, &name, words, input);
        }
        match language_of(&kind).filter(|_| kind.len() > 1) {
            Some(language) => interpreters::language(self, language, &name, words, input),
            None => Ok(()),
        }
    }

    /// Checks constant arguments that may be code for a shell, of a program that may run them.
    fn suspects(&mut self, words: &[Word]) -> Checked {
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
            let is_code = CODE_OPTIONS.contains(&before) || CODE_OPTIONS.contains(&option);
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

    fn runner(&mut self, row: &Runner, name: &str, words: &[Word], input: &Command) -> Checked {
        if name == "command" && words.get(1).is_some_and(|word| matches!(&*word.text, "-v" | "-V"))
        {
            return Ok(());
        }
        let mut at = 1;
        let mut replaced = None;
        while let Some(word) = words.get(at) {
            let text = word.text.as_str();
            if text == "--" {
                at += 1;
                break;
            }
            if let Some((variable, is_element)) = assigned(text) {
                assignment(word, variable, is_element)?;
                if word.splits {
                    return Err((word.span, Wrong::Option(name.to_owned())));
                }
                at += 1;
                continue;
            }
            if !text.starts_with('-') || text.len() < 2 {
                break;
            }
            let option = text.chars().nth(1).unwrap_or_default();
            if matches!(name, "xargs" | "gxargs") {
                let next = words.get(at + 1).map(|word| word.text.clone()).unwrap_or_default();
                match text {
                    "-I" | "-J" => replaced = Some(next),
                    "-i" | "--replace" => replaced = Some("{}".to_owned()),
                    _ if matches!(option, 'I' | 'J' | 'i') => replaced = Some(text[2..].to_owned()),
                    _ if text.starts_with("--replace=") => replaced = Some(text[10..].to_owned()),
                    _ => {}
                }
            }
            let is_split = name == "env" && (text.contains('S') || text.starts_with("--split"));
            let is_code = name == "flock" && matches!(text, "-c" | "--command");
            if is_split || is_code || word.is_dynamic() {
                return Err((word.span, Wrong::Option(name.to_owned())));
            }
            let next = words.get(at + 1);
            let is_long = text.starts_with("--");
            if text.contains('=') && is_long
                || !is_long && text[1..].chars().all(|c| row.flags.contains(c))
                || matches!(text, "--replace" | "-i")
            {
                at += 1;
            } else if !is_long && row.args.contains(option) {
                let is_alone = text.chars().count() == 2;
                if is_alone && next.is_some_and(|next| next.splits) {
                    return Err((word.span, Wrong::Option(name.to_owned())));
                }
                at += if is_alone { 2 } else { 1 };
            } else {
                // Perhaps the next word is its argument, and perhaps the program.
                if let Some(next) = next.filter(|next| next.is_dynamic()) {
                    return Err((next.span, Wrong::Program));
                }
                at += 2;
            }
        }
        for word in words.iter().skip(at).take(row.operands) {
            if word.is_dynamic() {
                return Err((word.span, Wrong::Option(name.to_owned())));
            }
        }
        self.nested(words, at, input)?;
        at = (at + row.operands).min(words.len());
        let mut inner = words[at..].to_vec();
        while inner.first().is_some_and(|word| word.text == "--") {
            inner.remove(0);
        }
        if name == "flock"
            && inner.first().is_some_and(|word| matches!(&*word.text, "-c" | "--command"))
        {
            let mut shell = Word::at(inner[0].span);
            "sh".clone_into(&mut shell.text);
            "-c".clone_into(&mut inner[0].text);
            inner.insert(0, shell);
        }
        if matches!(name, "xargs" | "gxargs") {
            // The input becomes arguments.
            let of_input = DYNAMIC.to_string();
            match replaced.filter(|text| !text.is_empty()) {
                Some(text) => {
                    for word in &mut inner {
                        word.text = word.text.replace(&text, &of_input);
                    }
                }
                None if inner.is_empty() => return Ok(()),
                None => {
                    let mut word = Word::at(words[0].span);
                    (word.text, word.splits) = (of_input, true);
                    inner.push(word);
                }
            }
        }
        while let Some((variable, is_element)) = inner.first().and_then(|word| assigned(&word.text))
        {
            assignment(&inner[0], variable, is_element)?;
            inner.remove(0);
        }
        self.program(&inner, input)
    }

    fn find(&mut self, name: &str, rest: &[Word], input: &Command) -> Checked {
        let mut at = 0;
        while let Some(word) = rest.get(at) {
            at += 1;
            if matches!(&*word.text, "-exec" | "-execdir" | "-ok" | "-okdir") {
                let is_end = |word: &Word| matches!(&*word.text, ";" | "+");
                let len = rest[at..].iter().position(is_end).unwrap_or(rest.len() - at);
                let mut inner = rest[at..at + len].to_vec();
                for word in &mut inner {
                    // The name of a file may be a value.
                    word.text = word.text.replace("{}", &DYNAMIC.to_string());
                }
                self.program(&inner, input)?;
                at += len;
            } else if FIND_TESTS.contains(&word.text.as_str()) {
                if rest.get(at).is_some_and(|word| word.splits) {
                    return Err((rest[at].span, Wrong::Option(name.to_owned())));
                }
                at += 1;
            } else if word.is_dynamic() && !is_operand(word) {
                return Err((word.span, Wrong::Option(name.to_owned())));
            }
        }
        Ok(())
    }

    fn git(&mut self, words: &[Word], input: &Command) -> Checked {
        let mut at = 1;
        while let Some(word) = words.get(at).filter(|word| word.text.starts_with('-')) {
            at += if matches!(&*word.text, "-C" | "-c" | "--git-dir" | "--work-tree") {
                2
            } else {
                1
            };
        }
        let before = &words[1..at.min(words.len())];
        let odd = before.iter().chain(words.get(at)).find(|word| word.is_dynamic());
        if let Some(word) = odd {
            return Err((word.span, Wrong::Option("git".into())));
        }
        let rest = words.get(at..).unwrap_or_default();
        let Some(command) = rest.first() else { return Ok(()) };
        let is_listed = GIT_COMMANDS.contains(&command.text.as_str());
        if let Some(word) = rest.iter().find(|word| word.is_dynamic() && !is_listed) {
            return Err((word.span, Wrong::Code(format!("git {}", command.text))));
        }
        if !is_listed {
            self.nested(words, words.len(), input)?;
        }
        self.guarded(&GIT, "git", rest, false)
    }

    /// Checks the arguments of a program whose options are not data. The first word is its name.
    fn guarded(&mut self, row: &Guarded, name: &str, words: &[Word], strict: bool) -> Checked {
        let refuse = |word: &Word| Err((word.span, Wrong::Option(name.to_owned())));
        // `true` after an option that may take the next word, such as `--`.
        let mut is_open = false;
        let mut at = 1;
        while let Some(word) = words.get(at) {
            at += 1;
            let text = word.text.as_str();
            if word.is_dynamic() {
                let is_data = text
                    .split_once('=')
                    .is_some_and(|(option, _)| row.data.contains(&option) && !word.splits);
                if !is_data && (is_open || !is_operand(word)) {
                    return refuse(word);
                }
                continue;
            }
            if text == "--" && !is_open {
                // A value that becomes several words is data here, too.
                return Ok(());
            }
            // `tar cf name`
            let is_tar = at == 2 && row.names.first() == Some(&"tar");
            let is_bundle = is_tar && !text.starts_with('-');
            let takes_next = match text.strip_prefix('-').or(is_bundle.then_some(text)) {
                None | Some("") => Some(false),
                Some(_) if text.starts_with("--") => {
                    if strict && text != "--" && !row.data.contains(&text) {
                        return refuse(word);
                    }
                    let is_whole = text.contains('=') || row.longs.contains(&text);
                    if row.data.contains(&text) { Some(true) } else { is_whole.then_some(false) }
                }
                Some(letters) => takes_next(row, letters),
            };
            if is_bundle {
                let before = text.char_indices().next_back().map_or(0, |(last, _)| last);
                let is_odd = takes_next.is_none() || text[..before].contains(['f', 'C']);
                if let Some(value) = words.iter().find(|word| word.is_dynamic() && is_odd) {
                    return refuse(value);
                }
            }
            is_open = takes_next.is_none();
            if takes_next == Some(true) {
                let last = text.chars().last().unwrap_or_default();
                let is_data = row.data.contains(&text) || row.data.contains(&&*format!("-{last}"));
                let next = words.get(at);
                if let Some(next) =
                    next.filter(|next| next.is_dynamic() && (!is_data || next.splits))
                {
                    return refuse(next);
                }
                at += 1;
            } else if row.runs {
                self.suspects(std::slice::from_ref(word))?;
            }
        }
        Ok(())
    }

    fn source(&mut self, name: &str, at: Span, rest: &[Word]) -> Checked {
        match rest.first() {
            Some(file) if file.is_dynamic() => Err((file.span, Wrong::Code(name.to_owned()))),
            Some(file) if is_stream(&file.text) => Err((file.span, Wrong::Input(name.to_owned()))),
            Some(file) => self.not_written(file),
            None => Err((at, Wrong::Input(name.to_owned()))),
        }
    }

    /// Refuses a program or script that the command itself writes.
    pub(super) fn not_written(&self, file: &Word) -> Checked {
        let name = file_name(&file.text);
        if self.written.contains(&name) {
            return Err((file.span, Wrong::Written(name)));
        }
        Ok(())
    }
}

fn file_name(path: &str) -> String {
    path.rsplit('/').next().unwrap_or(path).to_owned()
}

/// Returns `true` for the names of files that are the input of a process.
pub(super) fn is_stream(path: &str) -> bool {
    path == "-" || path.starts_with("/dev/") || path.starts_with("/proc/")
}

/// Returns `true` if a word is no option, whatever its value is.
fn is_operand(word: &Word) -> bool {
    !word.splits && !word.text.starts_with(['-', '+', DYNAMIC])
}

/// Returns whether a group of single-letter options takes the next word, or `None` if that is not
/// known.
fn takes_next(row: &Guarded, letters: &str) -> Option<bool> {
    for (at, letter) in letters.char_indices() {
        if row.args.contains(letter) {
            return Some(at + letter.len_utf8() == letters.len());
        }
        if !row.flags.contains(letter) {
            return None;
        }
    }
    Some(false)
}

fn assignment(word: &Word, name: &str, is_element: bool) -> Checked {
    if is_element {
        return Err((word.span, Wrong::Construct("the index of an array")));
    }
    if word.is_dynamic() && is_setting(name) {
        return Err((word.span, Wrong::Setting(name.to_owned())));
    }
    Ok(())
}

fn declaration(name: &str, at: Span, rest: &[Word]) -> Checked {
    if matches!(name, "integer" | "float") {
        return Err((at, Wrong::Evaluates(name.to_owned())));
    }
    for word in rest {
        let options = word.text.strip_prefix(['-', '+']);
        // Variables with the attribute `i` or `n` evaluate what they are set to.
        if options.is_some_and(|letters| letters.contains(['i', 'n', DYNAMIC])) {
            return Err((word.span, Wrong::Evaluates(name.to_owned())));
        }
        match assigned(&word.text) {
            Some((variable, is_element)) => assignment(word, variable, is_element)?,
            None if word.is_dynamic() => {
                return Err((word.span, Wrong::Evaluates(name.to_owned())));
            }
            None => {}
        }
        if word.splits {
            return Err((word.span, Wrong::Evaluates(name.to_owned())));
        }
    }
    Ok(())
}

/// Checks `test` and `[`. With a value in place of an operator, it could be `-v`, which evaluates.
fn test(at: Span, rest: &[Word]) -> Checked {
    let wrong = |word: Option<&Word>| {
        Err((word.map_or(at, |word| word.span), Wrong::Evaluates("test".into())))
    };
    let mut words = rest;
    if let [inner @ .., last] = words
        && last.text == "]"
    {
        words = inner;
    }
    let dynamic = words.iter().find(|word| word.is_dynamic());
    if let Some(word) = words.iter().find(|word| matches!(&*word.text, "-v" | "-R") || word.splits)
    {
        return wrong(Some(word));
    }
    while let [first, inner @ ..] = words
        && first.text == "!"
        && !inner.is_empty()
    {
        words = inner;
    }
    let is = |word: &Word, list: &[&str]| list.contains(&word.text.as_str());
    let is_plain = match words {
        [] | [_] => true,
        [operator, _] => is(operator, UNARY),
        [_, operator, _] => is(operator, BINARY) || is(operator, NUMERIC),
        _ => false,
    };
    if is_plain || dynamic.is_none() { Ok(()) } else { wrong(dynamic) }
}

/// Checks `[[ … ]]`.
fn double_test(at: Span, rest: &[Word]) -> Checked {
    if rest.last().is_none_or(|word| word.text != "]]") {
        // For `sh`, another command follows the operator.
        return Err((at, Wrong::Unclear("operators and brackets inside `[[ … ]]`")));
    }
    let is_safe = |word: &&Word| {
        let text = word.text.as_str();
        !text.starts_with('-') || word.is_quoted || UNARY.contains(&text) || BINARY.contains(&text)
    };
    match rest.iter().find(|word| !is_safe(word)) {
        Some(word) => Err((word.span, Wrong::Construct("this operator of `[[ … ]]`"))),
        None => Ok(()),
    }
}

/// Checks `printf`: its first argument is a constant format.
fn printf(at: Span, rest: &[Word]) -> Checked {
    let mut rest = rest;
    if let [first, inner @ ..] = rest
        && first.text == "--"
    {
        rest = inner;
    } else if rest.first().is_some_and(|word| word.text.starts_with('-')) {
        return Err((at, Wrong::Evaluates("printf".into())));
    }
    match rest.first().filter(|word| word.is_dynamic()) {
        Some(word) => Err((word.span, Wrong::Evaluates("printf".into()))),
        None => Ok(()),
    }
}

/// Returns `true` if every conversion of a format is `%s`, `%b` or `%c`, which convert no numbers.
fn is_plain_format(format: &str) -> bool {
    format.replace("%%", "").split('%').skip(1).all(|part| {
        let kind = part.trim_start_matches(|c: char| c.is_ascii_digit() || c == '-' || c == '.');
        kind.starts_with(['s', 'b', 'c'])
    })
}

/// Checks that a program that runs its input has other code.
fn has_code(name: &str, at: Span, rest: &[Word], input: &Command) -> Checked {
    let is_code = |word: &&Word| {
        ["-c", "-e", "-f", "-x", "--c", "--e", "--f"].iter().any(|code| word.text.starts_with(code))
    };
    let operands = rest.iter().filter(|word| !word.text.starts_with('-')).count();
    if operands > 1 || rest.iter().any(|word| is_code(&word)) {
        return Ok(());
    }
    interpreters::constant_input(name, at, input)
}
