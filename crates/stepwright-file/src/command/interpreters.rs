//! The rules for shells and interpreters: their code is constant, and values are arguments.

use super::modules::{MODULES, MODULES_WITHOUT_VALUES, is_own_module};
use super::programs::{DYNAMIC, Language, is_stream, lists};
use super::script::{Checked, Command, Word, Wrong};
use super::state::Rules;
use crate::source::Span;

/// The maximum length of a script of `sed`.
const SED_BYTES_MAX: usize = 10_000;

/// Returns `true` if letters of options let Perl open the files that its arguments name.
fn perl_reads_files(letters: &str) -> bool {
    for letter in letters.chars() {
        match letter {
            'n' | 'p' | 'a' | 'i' | 'F' => return true,
            // The rest is an argument.
            'M' | 'm' | 'I' | 'D' | 'C' | 'V' | 'd' | '-' => return false,
            _ => {}
        }
    }
    false
}

/// Returns `true` if an option lets an interpreter read code from its input, although it has other
/// code.
fn stays(language: &Language, text: &str) -> bool {
    let is = |name| lists(language.names, name);
    let Some(letters) = text.strip_prefix('-') else { return text == "inspect" && is("node") };
    if letters.starts_with('-') {
        return matches!(text, "--interactive" | "--repl" | "--pry" | "--irb");
    }
    if is("perl") {
        let argument = letters.find(|c| "MmICFVix".contains(c)).unwrap_or(letters.len());
        return letters[..argument].contains('d');
    }
    if is("python") {
        let argument = letters.find(|c| "cmWX".contains(c)).unwrap_or(letters.len());
        return letters[..argument].contains('i');
    }
    let is_letter = letters.len() == 1;
    is("php") && (letters.contains('a') && is_letter) || is_letter && letters == "i" && !is("ruby")
}

/// Checks the arguments behind code. Most interpreters go on to read options there, such as `-e`.
fn after_code(language: &Language, name: &str, rest: &[Word]) -> Checked {
    for word in rest {
        if word.is_dynamic() {
            let is_operand = !word.splits && !word.text.starts_with(['-', '+', DYNAMIC]);
            if lists(language.names, "lua") {
                return Err((word.span, Wrong::Code(name.to_owned())));
            }
            if is_operand {
                continue;
            }
            return Err((word.span, Wrong::Option(name.to_owned())));
        }
        match word.text.as_str() {
            "--" if !lists(language.names, "lua") => return Ok(()),
            text if stays(language, text) => {
                return Err((word.span, Wrong::Input(name.to_owned())));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Checks that a program that runs its input has a constant one.
pub(super) fn constant_input(name: &str, at: Span, input: &Command) -> Checked {
    if input.is_input_unclear {
        return Err((at, Wrong::Input(name.to_owned())));
    }
    if let Some(here) = &input.here {
        return if here.is_dynamic() {
            Err((here.span, Wrong::Code(name.to_owned())))
        } else {
            Ok(())
        };
    }
    match &input.file {
        Some(file) if !file.is_dynamic() && !is_stream(&file.text) => Ok(()),
        _ => Err((at, Wrong::Input(name.to_owned()))),
    }
}

/// Checks a shell and its arguments. The first word is its name.
pub(super) fn shell(rules: &mut Rules, name: &str, words: &[Word], input: &Command) -> Checked {
    let code = |word: &Word| Err((word.span, Wrong::Code(name.to_owned())));
    let mut at = 1;
    while let Some(word) = words.get(at) {
        let text = word.text.as_str();
        if word.is_dynamic() {
            return code(word);
        }
        let Some(options) = text.strip_prefix(['-', '+']).filter(|_| text != "-") else { break };
        at += 1;
        match options {
            "-" => break,
            "-norc" | "-noprofile" | "-posix" | "-login" => {}
            "o" | "O" => at += 1,
            _ if options.chars().all(|c| c.is_ascii_alphabetic() && c != 's' && c != 'i') => {
                // `-euo pipefail`
                let takes_next = options.ends_with('o');
                if takes_next && words.get(at).is_some_and(Word::is_dynamic) {
                    return code(word);
                }
                at += usize::from(takes_next);
                if options.contains('c') {
                    return match words.get(at) {
                        // An option here would be one of the shell, and the code would follow.
                        Some(next) if next.is_dynamic() || next.text.starts_with(['-', '+']) => {
                            code(next)
                        }
                        Some(next) => rules.script(&next.text, Some(next.span)),
                        None => code(word),
                    };
                }
            }
            _ => return code(word),
        }
    }
    match words.get(at) {
        Some(file) if file.is_dynamic() => code(file),
        Some(file) if !is_stream(&file.text) => rules.written.not_written(file),
        Some(file) => Err((file.span, Wrong::Input(name.to_owned()))),
        None => here_script(rules, name, words[0].span, input),
    }
}

/// Checks a shell that reads its code from its input.
fn here_script(rules: &mut Rules, name: &str, at: Span, input: &Command) -> Checked {
    constant_input(name, at, input)?;
    match (&input.here, &input.file) {
        (Some(here), _) => rules.script(&here.text, Some(here.span)),
        (None, Some(file)) => rules.written.not_written(file),
        (None, None) => Ok(()),
    }
}

/// Checks the interpreter of a language and its arguments. The first word is its name.
pub(super) fn language(
    rules: &mut Rules,
    language: &Language,
    name: &str,
    words: &[Word],
    input: &Command,
) -> Checked {
    rules.written.loads_nothing_written(name, words[0].span)?;
    let code = |word: &Word| Err((word.span, Wrong::Code(name.to_owned())));
    let mut at = 1;
    // `true` if the code reads the files that its arguments name, as `perl -n` does.
    let mut reads_files = false;
    while let Some(word) = words.get(at) {
        let text = word.text.as_str();
        at += 1;
        if word.is_dynamic() {
            return code(word);
        }
        if text == "-" {
            return constant_input(name, word.span, input);
        }
        let is_cluster = |text: &str| {
            text.starts_with('-')
                && text[1..].chars().all(|c| c.is_ascii_alphanumeric() || c == '.')
        };
        let last = text.chars().last().unwrap_or_default();
        // `-lne` is `-l -n -e`.
        let is_code = lists(language.code, text)
            || is_cluster(text) && text.len() > 2 && lists(language.code, &format!("-{last}"));
        let is_perl = lists(language.names, "perl");
        if is_perl && text.starts_with('-') {
            reads_files |= perl_reads_files(&text[1..]);
        }
        if stays(language, text) {
            return Err((word.span, Wrong::Input(name.to_owned())));
        }
        if is_code {
            let Some(next) = words.get(at) else { return code(word) };
            if next.is_dynamic() {
                return code(next);
            }
            let rest = &words[at + 1..];
            let value = rest.iter().find(|word| word.is_dynamic());
            if lists(language.names, "python") {
                let is_module = text.ends_with('m');
                let takes = if value.is_some() { MODULES } else { MODULES_WITHOUT_VALUES };
                let is_known = lists(MODULES, &next.text)
                    || lists(takes, &next.text)
                    || is_own_module(&next.text);
                if is_module && !is_known {
                    return code(value.unwrap_or(next));
                }
                // A module is found in the folder of the command.
                return if is_module { rules.written.not_module(next) } else { Ok(()) };
            }
            // Perl runs the name of a file that ends with `|`.
            reads_files |= next.text.contains("<>") || next.text.contains("ARGV>");
            return match value {
                Some(value) if is_perl && reads_files => code(value),
                _ => after_code(language, name, rest),
            };
        }
        if text == "--" {
            continue;
        }
        if matches!(name, "deno" | "bun") && !text.starts_with('-') && !text.contains(['.', '/']) {
            // Other subcommands, such as `bun x`, install or run what a value names.
            match words[at..].iter().find(|word| word.is_dynamic()) {
                Some(value) if text != "run" => return code(value),
                Some(_) | None => continue,
            }
        }
        let Some(letters) = text.strip_prefix('-') else {
            let value = words[at..].iter().find(|word| word.is_dynamic());
            return match value {
                _ if is_stream(text) => Err((word.span, Wrong::Input(name.to_owned()))),
                Some(value) if reads_files && lists(language.names, "perl") => code(value),
                Some(_) | None => rules.written.not_written(word),
            };
        };
        let is_attached =
            letters.len() > 1 && letters.starts_with(|c| language.attached.contains(c));
        let is_whole = letters.chars().all(|c| language.flags.contains(c))
            || is_attached
            || letters.starts_with('-') && letters.contains('=');
        if !is_whole {
            // Perhaps the next word is its argument, and perhaps the script.
            let Some(next) = words.get(at) else { break };
            if next.is_dynamic() {
                return code(next);
            }
            at += usize::from(!next.text.starts_with('-'));
        }
    }
    constant_input(name, words[0].span, input)?;
    input.file.as_ref().map_or(Ok(()), |file| rules.written.not_written(file))
}

/// Checks `awk`: its code is constant and runs no programs.
pub(super) fn awk(rules: &Rules, name: &str, words: &[Word]) -> Checked {
    let code = |word: &Word| Err((word.span, Wrong::Code(name.to_owned())));
    let mut at = 1;
    let mut has_file = false;
    while let Some(word) = words.get(at) {
        let text = word.text.as_str();
        at += 1;
        let next = words.get(at);
        match text {
            "--" => break,
            "-v" | "--assign" => {
                // The name of the variable is constant.
                let is_named = |word: &Word| super::programs::assigned(&word.text).is_some();
                if let Some(next) = next.filter(|next| next.splits || !is_named(next)) {
                    return code(next);
                }
                at += 1;
            }
            "-F" => {
                if let Some(next) = next.filter(|next| next.splits) {
                    return code(next);
                }
                at += 1;
            }
            "-f" | "--file" => {
                if let Some(next) = next.filter(|next| next.is_dynamic() || is_stream(&next.text)) {
                    return code(next);
                }
                next.map_or(Ok(()), |file| rules.written.not_written(file))?;
                (at, has_file) = (at + 1, true);
            }
            _ if word.splits => return code(word),
            _ if text.starts_with("-v") && super::programs::assigned(&text[2..]).is_some() => {}
            _ if text.starts_with("-F") => {}
            _ if text.starts_with('-') || word.is_dynamic() => return code(word),
            _ if has_file => {}
            _ => return awk_code(name, word),
        }
    }
    match words.get(at).filter(|_| !has_file) {
        Some(word) if word.is_dynamic() => code(word),
        Some(word) => awk_code(name, word),
        None => Ok(()),
    }
}

fn awk_code(name: &str, word: &Word) -> Checked {
    let plain = without_literals(&word.text);
    let text = plain.as_deref().unwrap_or(&word.text).replace("||", "");
    let runs = text.contains(['|', '@'])
        || text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(|word| {
            // The input of `getline` may be another program, or a file that a value names.
            matches!(word, "system" | "getline")
        });
    if runs || word.is_dynamic() {
        return Err((word.span, Wrong::Code(name.to_owned())));
    }
    Ok(())
}

/// Returns code of `awk` without its texts, patterns and comments, or `None` if it is not certain
/// where they end.
fn without_literals(code: &str) -> Option<String> {
    let mut plain = String::new();
    let (mut brackets, mut is_condition) = (Vec::new(), false);
    let mut chars = code.chars();
    while let Some(c) = chars.next() {
        let trimmed = plain.trim_end_matches([' ', '\t']);
        let before = trimmed.chars().next_back();
        match c {
            '(' => {
                // Behind the condition of a statement stands a pattern, and behind a value a sign.
                brackets.push(matches!(last_name(trimmed), "if" | "while" | "for" | "switch"));
                plain.push(c);
            }
            ')' => {
                is_condition = brackets.pop()?;
                plain.push(c);
            }
            '/' if is_value(trimmed, is_condition) => plain.push(c),
            '#' => {
                chars.find(|c| *c == '\n');
                plain.push('\n');
            }
            '"' => {
                literal(&mut chars, '"')?;
                plain.push('"');
            }
            // Elsewhere it divides, or that is not certain.
            '/' if before.is_none_or(|c| "{}(;,!~&\n".contains(c)) => {
                literal(&mut chars, '/')?;
                plain.push('"');
            }
            '/' | '\\' => return None,
            c => plain.push(c),
        }
    }
    Some(plain)
}

/// Returns the name or number at the end of code of `awk`.
fn last_name(code: &str) -> &str {
    let start = code.rfind(|c: char| !c.is_ascii_alphanumeric() && c != '_').map_or(0, |at| at + 1);
    &code[start..]
}

/// Returns `true` if code of `awk` certainly ends with a value, so that `/` divides it.
fn is_value(code: &str, is_condition: bool) -> bool {
    const STATEMENTS: &str = "\
        BEGIN END case continue default delete do else exit getline in next nextfile print printf \
        return";
    match code.chars().next_back() {
        Some(']') => true,
        Some(')') => !is_condition,
        Some(c) if c.is_ascii_alphanumeric() || c == '_' => !lists(STATEMENTS, last_name(code)),
        _ => false,
    }
}

/// Skips a literal after its beginning. Programs differ about its end in brackets.
fn literal(chars: &mut std::str::Chars<'_>, end: char) -> Option<()> {
    loop {
        match chars.next()? {
            '\\' => _ = chars.next()?,
            c if c == end => return Some(()),
            '\n' => return None,
            '[' if end == '/' => return None,
            _ => {}
        }
    }
}

/// Checks `sed`: its code is constant and runs no programs, and files stand behind `--`.
pub(super) fn sed(rules: &Rules, name: &str, words: &[Word]) -> Checked {
    let code = |word: &Word| Err((word.span, Wrong::Code(name.to_owned())));
    let (mut at, mut has_code, mut is_ended) = (1, false, false);
    while let Some(word) = words.get(at) {
        let text = word.text.as_str();
        at += 1;
        if is_ended && has_code {
            continue;
        }
        if word.is_dynamic() {
            let is_operand = !word.splits && !text.starts_with(['-', DYNAMIC]);
            if has_code && is_operand {
                continue;
            }
            let wrong = if has_code {
                Wrong::Option(name.to_owned())
            } else {
                Wrong::Code(name.to_owned())
            };
            return Err((word.span, wrong));
        }
        match text {
            "--" => is_ended = true,
            "-i" | "-E" | "-n" | "-r" | "-s" | "-u" | "-z" | "--quiet" | "--regexp-extended"
                if !is_ended => {}
            _ if text.starts_with("-i") && !is_ended => {}
            _ if !is_ended
                && text.len() > 1
                && text.starts_with('-')
                && text[1..].chars().all(|c| "Enrsuzef".contains(c)) =>
            {
                // `-e`, `-ne` or `-f`
                let Some(next) = words.get(at) else { return Ok(()) };
                at += 1;
                let is_file = text.ends_with('f');
                let is_code = text.ends_with('e');
                if is_file && (next.is_dynamic() || is_stream(&next.text)) {
                    return code(next);
                }
                if is_file {
                    rules.written.not_written(next)?;
                }
                if is_code && (next.is_dynamic() || !is_plain_sed(&next.text)) {
                    return code(next);
                }
                if !is_file && !is_code {
                    at -= 1;
                }
                has_code |= is_file || is_code;
            }
            _ if text.starts_with('-') && !is_ended => return code(word),
            _ if !has_code => {
                if !is_plain_sed(text) {
                    return code(word);
                }
                has_code = true;
            }
            _ => {}
        }
    }
    Ok(())
}

/// Returns `true` if a script of `sed` has only commands that run nothing: not `e`, and `s` without
/// the flag `e`.
fn is_plain_sed(script: &str) -> bool {
    if script.len() > SED_BYTES_MAX {
        return false;
    }
    let mut rest = script;
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\n', ';', '{', '}']);
        // Addresses.
        loop {
            rest = rest.trim_start_matches(|c: char| c.is_ascii_digit() || " ,$!~+".contains(c));
            let Some(regex) = rest.strip_prefix('/') else { break };
            let Some(after) = delimited(regex, '/') else { return false };
            rest = after.trim_start_matches('I');
        }
        rest = rest.trim_start_matches('{').trim_start();
        let Some(command) = rest.chars().next() else { return true };
        rest = &rest[command.len_utf8()..];
        match command {
            'p' | 'P' | 'd' | 'D' | 'n' | 'N' | 'g' | 'G' | 'h' | 'H' | 'x' | '=' | 'l' | 'F'
            | 'z' | '}' => {}
            'q' | 'Q' => rest = rest.trim_start_matches(|c: char| c == ' ' || c.is_ascii_digit()),
            ';' | '\n' | ' ' => {}
            // A label, or a text, goes on until the end of the line.
            'b' | 't' | 'T' | ':' | 'a' | 'i' | 'c' => {
                // A text can go on after `\`.
                if rest.contains('\\') {
                    return false;
                }
                rest = rest.split_once('\n').map_or("", |(_, rest)| rest);
            }
            's' | 'y' => {
                let Some(delimiter) = rest.chars().next() else { return false };
                rest = &rest[delimiter.len_utf8()..];
                let Some(after) = both_parts(rest, delimiter) else { return false };
                rest =
                    after.trim_start_matches(|c: char| c.is_ascii_digit() || "gpIiMm".contains(c));
            }
            _ => return false,
        }
        if !rest.is_empty() && !rest.starts_with([';', '\n', '}', ' ']) {
            return false;
        }
    }
}

/// Returns the text after the pattern and the replacement of `s`.
fn both_parts(text: &str, delimiter: char) -> Option<&str> {
    if let Some(after) = delimited(text, delimiter) {
        return delimited(after, delimiter);
    }
    // A delimiter inside brackets, as in `s/[^/]*$//`. Where it counts as one, flags must follow
    // that no program knows, and then nothing runs.
    let (first, rest) = text.split_once('[')?;
    let (inside, rest) = rest.split_once(']')?;
    if format!("{first}{inside}{rest}").contains(['\\', '[', ']']) || first.contains(delimiter) {
        return None;
    }
    let (_, replaced) = rest.split_once(delimiter)?;
    let (replacement, after) = replaced.split_once(delimiter)?;
    let naive = inside.matches(delimiter).count() == 1 && replacement.is_empty();
    // `s/[^/` and `]*$/` leave the last delimiter for the flags.
    (naive && !after.starts_with(delimiter)).then_some(after)
}

/// Returns the text after the next delimiter that is neither escaped nor in brackets.
fn delimited(text: &str, delimiter: char) -> Option<&str> {
    if text.contains('[') && text.contains(delimiter) {
        // Whether a delimiter inside brackets counts depends on the program.
        let open = text.find('[')?;
        let first = text.find(delimiter)?;
        let close = text[open..].find(']').map(|close| open + close)?;
        if open < first && text[open..close].contains(delimiter) {
            return None;
        }
    }
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if c == delimiter {
            return Some(&text[at + c.len_utf8()..]);
        }
    }
    None
}

/// Checks `jq`: its filter is constant.
pub(super) fn jq(name: &str, words: &[Word]) -> Checked {
    let mut at = 1;
    while let Some(word) = words.get(at) {
        let text = word.text.as_str();
        at += 1;
        if word.is_dynamic() {
            return Err((word.span, Wrong::Code(name.to_owned())));
        }
        let count = match text {
            "--arg" | "--argjson" | "--slurpfile" | "--rawfile" => 2,
            "--indent" => 1,
            "--args" | "--jsonargs" => 0,
            "-f" | "--from-file" | "-L" => {
                let file = words.get(at);
                return match file.filter(|file| file.is_dynamic() || is_stream(&file.text)) {
                    Some(file) => Err((file.span, Wrong::Code(name.to_owned()))),
                    None => Ok(()),
                };
            }
            _ if text.starts_with('-') => 0,
            _ => return Ok(()),
        };
        if let Some(word) = words.iter().skip(at).take(count).find(|word| word.splits) {
            return Err((word.span, Wrong::Code(name.to_owned())));
        }
        at += count;
    }
    Ok(())
}
