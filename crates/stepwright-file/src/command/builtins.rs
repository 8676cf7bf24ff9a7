//! The rules for builtins of the shell, which can evaluate their arguments.

use super::programs::{DYNAMIC, assigned, file_name, is_setting, is_stream, lists};
use super::script::{Checked, Word, Wrong};
use super::state::{Rules, assignment};
use crate::source::Span;

/// The unary operators of `test` that treat their argument as text or a file.
const UNARY: &str = "\
    -b -c -d -e -f -g -G -h -k -L -n -O -p -r -s -S -u -w -x -z";

/// The binary operators of `test` that evaluate no variables. The numeric ones do inside `[[`.
const BINARY: &str = "= == != < > -nt -ot -ef";
pub(super) const NUMERIC: &str = "-eq -ne -lt -le -gt -ge";

impl Rules {
    /// Checks a builtin. Returns `None` for other programs.
    pub(super) fn builtin(&mut self, kind: &str, first: &Word, rest: &[Word]) -> Option<Checked> {
        let (at, name) = (first.span, file_name(&first.text));
        let dynamic = rest.iter().find(|word| word.is_dynamic());
        let place = dynamic.map_or(at, |word| word.span);
        let evaluates = |word: &Word| Err((word.span, Wrong::Evaluates(name.clone())));
        Some(match kind {
            "eval" => Err((place, Wrong::Code(name))),
            "let" => Err((place, Wrong::Construct("arithmetic"))),
            "." | "source" => self.source(&name, at, rest),
            "trap" => match rest.iter().find(|word| word.text != "--") {
                Some(code) if code.is_dynamic() => Err((code.span, Wrong::Code(name))),
                Some(code) if code.text != "-" => self.script(&code.text, Some(code.span)),
                Some(_) | None => Ok(()),
            },
            // Later words mean what a value or a table of the shell makes of them.
            "coproc" => Err((at, Wrong::Construct("`coproc`"))),
            "alias" => Err((at, Wrong::Construct("`alias`"))),
            "enable" => Err((at, Wrong::Construct("`enable`"))),
            "jobs" if rest.iter().any(|word| word.is_dynamic() || word.text.contains('x')) => {
                Err((at, Wrong::Construct("`jobs -x`")))
            }
            "hash" if rest.iter().any(|word| word.is_dynamic() || word.text.contains('p')) => {
                Err((at, Wrong::Construct("`hash -p`")))
            }
            "declare" | "typeset" | "local" | "export" | "readonly" | "integer" | "float" => {
                declaration(kind, at, rest)
            }
            // They evaluate the index of `a[…]`, and `mapfile -C` runs code.
            "read" | "mapfile" | "readarray" | "unset" | "getopts" => {
                let count = if kind == "getopts" { 2 } else { rest.len() };
                rest.iter().take(count).try_for_each(|word| {
                    if word.is_dynamic() || word.text.contains('[') || word.text.starts_with("-C") {
                        return evaluates(word);
                    }
                    if is_setting(&word.text) {
                        return Err((word.span, Wrong::Setting(word.text.clone())));
                    }
                    Ok(())
                })
            }
            "wait" => match rest.iter().find(|word| word.text.starts_with('-')) {
                Some(word) => evaluates(word),
                None => Ok(()),
            },
            "set" => {
                let end = rest.iter().position(|word| word.text == "--").unwrap_or(rest.len());
                let odd = rest[..end].iter().find(|word| word.is_dynamic());
                odd.map_or(Ok(()), |word| Err((word.span, Wrong::Option(name))))
            }
            "test" | "[" => test(at, rest),
            "[[" => double_test(at, rest),
            "printf" => printf(at, rest),
            _ => return None,
        })
    }

    fn source(&mut self, name: &str, at: Span, rest: &[Word]) -> Checked {
        match rest.first() {
            Some(file) if file.is_dynamic() => Err((file.span, Wrong::Code(name.to_owned()))),
            Some(file) if is_stream(&file.text) => Err((file.span, Wrong::Input(name.to_owned()))),
            Some(file) => self.written.not_written(file),
            None => Err((at, Wrong::Input(name.to_owned()))),
        }
    }
}

pub(super) fn declaration(name: &str, at: Span, rest: &[Word]) -> Checked {
    if matches!(name, "integer" | "float") {
        return Err((at, Wrong::Evaluates(name.to_owned())));
    }
    for word in rest {
        let options = word.text.strip_prefix(['-', '+']);
        // Numbers, references and arrays evaluate what they are set to.
        if options.is_some_and(|letters| letters.contains(['a', 'A', 'i', 'n', DYNAMIC])) {
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
pub(super) fn test(at: Span, rest: &[Word]) -> Checked {
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
    let is = |word: &Word, list: &str| lists(list, &word.text);
    let is_plain = match words {
        [] | [_] => true,
        [operator, _] => is(operator, UNARY),
        [_, operator, _] => is(operator, BINARY) || is(operator, NUMERIC),
        _ => false,
    };
    if is_plain || dynamic.is_none() { Ok(()) } else { wrong(dynamic) }
}

/// Checks `[[ … ]]`.
pub(super) fn double_test(at: Span, rest: &[Word]) -> Checked {
    if rest.last().is_none_or(|word| word.text != "]]") {
        // For `sh`, another command follows the operator.
        return Err((at, Wrong::Unclear("operators and brackets inside `[[ … ]]`")));
    }
    let is_safe = |word: &&Word| {
        let text = word.text.as_str();
        !text.starts_with('-') || word.is_quoted || lists(UNARY, text) || lists(BINARY, text)
    };
    match rest.iter().find(|word| !is_safe(word)) {
        Some(word) => Err((word.span, Wrong::Construct("this operator of `[[ … ]]`"))),
        None => Ok(()),
    }
}

/// Checks `printf`: its first argument is a constant format.
pub(super) fn printf(at: Span, rest: &[Word]) -> Checked {
    let mut rest = rest;
    if let [first, inner @ ..] = rest
        && first.text == "--"
    {
        rest = inner;
    } else if rest.first().is_some_and(|word| word.text.starts_with('-')) {
        return Err((at, Wrong::Evaluates("printf".into())));
    }
    let Some(format) = rest.first() else { return Ok(()) };
    // `%n` sets the variable that an argument names.
    let sets = conversions(&format.text).any(|kind| kind.starts_with('n'));
    if format.is_dynamic() || sets {
        return Err((format.span, Wrong::Evaluates("printf".into())));
    }
    Ok(())
}

/// Returns `true` if every conversion of a format is `%s`, `%b` or `%c`, which convert no numbers.
pub(super) fn is_plain_format(format: &str) -> bool {
    conversions(format).all(|kind| kind.starts_with(['s', 'b', 'c']))
}

/// Returns the conversions of a format without their flags and widths, and the text after each.
fn conversions(format: &str) -> impl Iterator<Item = String> {
    let format = format.replace("%%", "");
    let parts: Vec<String> = format.split('%').skip(1).map(ToOwned::to_owned).collect();
    parts.into_iter().map(|part| {
        let is_flag = |c: char| c.is_ascii_digit() || "-.+ #0".contains(c);
        part.trim_start_matches(is_flag).to_owned()
    })
}
