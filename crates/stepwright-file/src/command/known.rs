//! The variables of a script whose values are known from its beginning on: numbers, for arithmetic,
//! and names of fresh temporary files.

/// The variables that hold nothing but what the script itself puts there.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    numbers: Vec<String>,
    files: Vec<String>,
}

/// Returns `true` for a character of the name of a variable.
fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

impl Known {
    /// Finds the variables that the script sets before it does anything else, and that it sets to
    /// nothing else later.
    pub(super) fn of(script: &str) -> Self {
        let mut known = Self::default();
        let mut rest = script;
        while let Some(after) = known.statement(rest) {
            rest = after;
        }
        known.numbers.retain(|name| keeps(script, name, true));
        known.files.retain(|name| keeps(script, name, false));
        known
    }

    /// Reads one statement at the beginning of a script. `None` if another command begins there.
    fn statement<'s>(&mut self, text: &'s str) -> Option<&'s str> {
        let text = text.trim_start_matches([' ', '\t', '\n', ';']);
        if text.starts_with('#') {
            return Some(text.split_once('\n')?.1);
        }
        let (line, rest) = text.split_once(['\n', ';'])?;
        let line = line.trim();
        if let Some(options) = line.strip_prefix("set ") {
            let is_plain = |word: &str| {
                word == "pipefail"
                    || word.strip_prefix('-').is_some_and(|o| o.chars().all(|c| "euxo".contains(c)))
            };
            return options.split_whitespace().all(is_plain).then_some(rest);
        }
        let (name, value) = line.split_once('=')?;
        if name.is_empty() || !name.chars().all(is_name) || super::programs::is_setting(name) {
            return None;
        }
        let value = value.strip_suffix("|| exit 1").unwrap_or(value).trim_end();
        let value = value.strip_suffix("|| exit").unwrap_or(value).trim_end();
        let inner = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        if !value.is_empty() && value.bytes().all(|c| c.is_ascii_digit()) {
            self.numbers.push(name.to_owned());
        } else if matches!(inner.unwrap_or(value), "$(mktemp)" | "$(mktemp -d)" | "`mktemp`") {
            self.files.push(name.to_owned());
        } else {
            return None;
        }
        Some(rest)
    }

    pub(super) fn is_file(&self, name: &str) -> bool {
        self.files.iter().any(|file| file == name)
    }

    /// Returns the length of arithmetic up to and with its `))`, if all its variables are numbers.
    /// `text` begins behind `$((`.
    pub(super) fn arithmetic(&self, text: &str) -> Option<usize> {
        let len = arithmetic(text)?;
        let mut names =
            text[..len - 2].split(|c: char| !is_name(c)).filter(|name| !name.is_empty());
        // `$1` is an argument, and `1` a number.
        let has_argument = text[..len].contains('$')
            && text[..len].split('$').skip(1).any(|after| {
                after.trim_start_matches('{').starts_with(|c: char| c.is_ascii_digit())
            });
        let is_number = |name: &str| {
            name.starts_with(|c: char| c.is_ascii_digit()) || self.numbers.iter().any(|n| n == name)
        };
        (!has_argument && names.all(is_number)).then_some(len)
    }
}

/// Returns the length of text that can only be arithmetic, up to and with its `))`.
fn arithmetic(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' if depth > 0 => depth -= 1,
            ')' => return text[at..].starts_with("))").then_some(at + 2),
            '$' if text[at + 1..].starts_with(|c| is_name(c) || c == '{') => {}
            c if is_name(c) || " \t+-*/%<>=!&|^~?:,{}".contains(c) => {}
            _ => return None,
        }
    }
    None
}

/// Returns `true` if a script mentions a variable only to read it and to set it: to numbers if it
/// is one, and otherwise once, at the beginning.
fn keeps(script: &str, name: &str, is_number: bool) -> bool {
    let mut is_first = true;
    let mut at = 0;
    while let Some(found) = script[at..].find(name) {
        let start = at + found;
        let (before, after) = (&script[..start], &script[start + name.len()..]);
        at = start + name.len();
        if before.ends_with(is_name) || after.starts_with(is_name) {
            continue;
        }
        let is_set = after.strip_prefix('=').is_some_and(|value| {
            let begins = before.is_empty() || before.ends_with([' ', '\t', '\n', ';', '(', '{']);
            let ends = |rest: &str| {
                rest.is_empty() || rest.starts_with([' ', '\t', '\n', ';', '&', '|', ')'])
            };
            let digits = value.trim_start_matches(|c: char| c.is_ascii_digit());
            // Nothing may follow: it would become a part of the value.
            let is_sum = value
                .strip_prefix("$((")
                .is_some_and(|value| arithmetic(value).is_some_and(|len| ends(&value[len..])));
            let sets_number = digits.len() < value.len() && ends(digits) || is_sum;
            begins && if is_number { sets_number } else { is_first }
        });
        is_first = false;
        let is_read = before.ends_with('$') || before.ends_with("${") && after.starts_with('}');
        if !is_set && !is_read && !is_in_arithmetic(before, script, start) {
            return false;
        }
    }
    true
}

/// Returns `true` if a place stands between `$((` and `))`, with nothing that could end it before.
fn is_in_arithmetic(before: &str, script: &str, at: usize) -> bool {
    before
        .rfind("$((")
        .is_some_and(|open| arithmetic(&script[open + 3..]).is_some_and(|len| open + 3 + len > at))
}
