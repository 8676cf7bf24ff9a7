//! The rules for programs whose options run code, and for programs that run other programs.

use super::programs::{DYNAMIC, FIND_TESTS, GIT, Guarded, Runner, assigned, lists};
use super::script::{Checked, Command, Word, Wrong};
use super::state::{Rules, assignment};

impl Rules {
    pub(super) fn runner(
        &mut self,
        row: &Runner,
        name: &str,
        words: &[Word],
        input: &Command,
    ) -> Checked {
        if name == "command" && words.get(1).is_some_and(|word| matches!(&*word.text, "-v" | "-V"))
        {
            return Ok(());
        }
        if matches!(name, "xargs" | "gxargs") {
            return self.xargs(name, words, input);
        }
        let mut at = 1;
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
            if text == "-" && name == "env" {
                at += 1;
                continue;
            }
            if !text.starts_with('-') || text.len() < 2 {
                break;
            }
            let option = text.chars().nth(1).unwrap_or_default();
            let is_split = name == "env" && (text.contains('S') || text.starts_with("--split"));
            let is_code = name == "flock" && matches!(text, "-c" | "--command");
            if is_split || is_code || word.is_dynamic() {
                return Err((word.span, Wrong::Option(name.to_owned())));
            }
            let next = words.get(at + 1);
            let is_long = text.starts_with("--");
            if text.contains('=') && is_long
                || !is_long && text[1..].chars().all(|c| row.flags.contains(c))
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
        if lists("cargo go", name)
            && words
                .get(at)
                .is_some_and(|word| lists("bench build check clippy run test", &word.text))
            && let Some(end) = words.iter().position(|word| word.text == "--")
            && !words[..end].iter().any(Word::is_dynamic)
        {
            // The project's own program gets them.
            return Ok(());
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
        if inner.is_empty() && matches!(name, "sudo" | "doas" | "chroot") {
            return Err((words[0].span, Wrong::Input(name.to_owned())));
        }
        while let Some((variable, is_element)) = inner.first().and_then(|word| assigned(&word.text))
        {
            assignment(&inner[0], variable, is_element)?;
            inner.remove(0);
        }
        self.program(&inner, input)
    }

    /// Checks `xargs`: its input becomes arguments, or replaces a text in them.
    fn xargs(&mut self, name: &str, words: &[Word], input: &Command) -> Checked {
        let mut replaced = Vec::new();
        let (mut at, mut appends) = (1, false);
        while let Some(word) = words.get(at).filter(|word| word.text.len() > 1) {
            let refused = Err((word.span, Wrong::Option(name.to_owned())));
            let Some(letters) = word.text.strip_prefix('-') else { break };
            at += 1;
            if word.is_dynamic() && !word.text.starts_with("--arg-file=") {
                return refused;
            }
            if let Some(long) = letters.strip_prefix('-') {
                let (option, argument) = long.split_once('=').unwrap_or((long, ""));
                match option {
                    "" => break,
                    // A beginning of the name is enough.
                    _ if "replace".starts_with(option) => {
                        replaced.push(if argument.is_empty() { "{}" } else { argument });
                    }
                    "null" | "no-run-if-empty" | "verbose" | "exit" | "interactive"
                    | "open-tty" | "show-limits" | "eof" => {}
                    "max-lines" => appends = true,
                    "max-args" | "max-procs" | "max-chars" | "arg-file" | "delimiter" => {
                        appends |= matches!(option, "max-args" | "max-chars");
                        at += usize::from(!long.contains('='));
                    }
                    _ => return refused,
                }
                continue;
            }
            for (index, letter) in letters.char_indices() {
                let attached = &letters[index + letter.len_utf8()..];
                appends |= "Lln".contains(letter);
                match letter {
                    '0' | 'r' | 't' | 'x' | 'p' | 'o' => continue,
                    'i' => replaced.push(if attached.is_empty() { "{}" } else { attached }),
                    'e' | 'l' => {}
                    'a' | 'd' | 'E' | 'I' | 'J' | 'L' | 'n' | 'P' | 's' | 'R' | 'S' => {
                        let next = words.get(at).filter(|_| attached.is_empty());
                        if next
                            .is_some_and(|next| next.splits || next.is_dynamic() && letter != 'a')
                        {
                            return refused;
                        }
                        at += usize::from(attached.is_empty());
                        if matches!(letter, 'I' | 'J') {
                            replaced.push(next.map_or(attached, |next| &next.text));
                        }
                    }
                    _ => return refused,
                }
                break;
            }
        }
        let mut inner = words.get(at..).unwrap_or_default().to_vec();
        if inner.is_empty() {
            return Ok(());
        }
        let of_input = DYNAMIC.to_string();
        replaced.retain(|text| !text.is_empty());
        for text in &replaced {
            for word in &mut inner {
                word.text = word.text.replace(text, &of_input);
            }
        }
        if replaced.is_empty() || appends {
            let mut word = Word::at(words[0].span);
            (word.text, word.splits) = (of_input, true);
            inner.push(word);
        }
        self.program(&inner, input)
    }

    pub(super) fn find(&mut self, name: &str, rest: &[Word], input: &Command) -> Checked {
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
            } else if lists(FIND_TESTS, &word.text) {
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

    pub(super) fn git(&mut self, words: &[Word], input: &Command) -> Checked {
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
        for word in before {
            // `-c alias.a='!command'`
            if let Some((_, setting)) = word.text.split_once('=') {
                let mut code = word.clone();
                setting.trim_start_matches('!').clone_into(&mut code.text);
                self.suspects(std::slice::from_ref(&code))?;
            }
        }
        let Some(row) = GIT.iter().find(|row| lists(row.names, &command.text)) else {
            self.nested(words, words.len(), input)?;
            return match rest.iter().find(|word| word.is_dynamic()) {
                Some(word) => Err((word.span, Wrong::Code(format!("git {}", command.text)))),
                None => self.suspects(rest),
            };
        };
        let name = if command.text == "checkout" { "git checkout" } else { "git" };
        self.guarded(row, name, rest, false)
    }

    /// Checks the arguments of a program whose options are not data. The first word is its name.
    pub(super) fn guarded(
        &mut self,
        row: &Guarded,
        name: &str,
        words: &[Word],
        strict: bool,
    ) -> Checked {
        let refuse = |word: &Word| Err((word.span, Wrong::Option(name.to_owned())));
        let is_tar = row.names.starts_with("tar");
        // The name of an archive can be `host:file`, but not behind a folder.
        let is_local = |word: &Word, text: &str| {
            is_tar
                && !word.splits
                && (text.starts_with(['.', '/']) && text.contains('/') && slash_is_first(text)
                    || words.iter().any(|word| word.text == "--force-local"))
        };
        // `true` after an option that may take the next word, such as `--`.
        let mut is_open = false;
        let mut at = 1;
        while let Some(word) = words.get(at) {
            at += 1;
            let text = word.text.as_str();
            if word.is_dynamic() {
                let is_data = text.split_once('=').is_some_and(|(option, argument)| {
                    lists(row.data, option) && !word.splits
                        || option == "--file" && is_local(word, argument)
                });
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
            let is_bundle = is_tar && at == 2 && !text.starts_with('-');
            let takes_next = match text.strip_prefix('-').or(is_bundle.then_some(text)) {
                None | Some("") => Some(false),
                Some(_) if text.starts_with("--") => {
                    if strict && text != "--" && !lists(row.data, text) {
                        return refuse(word);
                    }
                    let is_whole = text.contains('=') || lists(row.longs, text);
                    if lists(row.data, text) { Some(true) } else { is_whole.then_some(false) }
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
                let is_data = lists(row.data, text) || lists(row.data, &format!("-{last}"));
                let next = words.get(at);
                let is_data =
                    is_data || last == 'f' && next.is_some_and(|next| is_local(next, &next.text));
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
}

/// Returns `true` if a slash stands before the first value.
fn slash_is_first(text: &str) -> bool {
    text.split(DYNAMIC).next().is_some_and(|constant| constant.contains('/'))
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
