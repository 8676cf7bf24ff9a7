//! Corrects mistakes whose correction is certain.

use crate::definition::Definition;
use crate::diagnostic::{Diagnostics, Severity};
use crate::options::Options;
use std::ops::Range;

/// The maximum number of corrections in a file.
const FIXES_MAX: usize = 1_000;

/// A file after its corrections.
///
/// ```
/// use stepwright_file::{Options, fix};
/// let text = "
/// format: 1
/// name: Greeting
/// ## Says hello.
/// steps:
///   - {name: greet, value: '{{ input }}'}
/// ";
/// let fixed = fix(text, "greeting.yaml", &Options::default());
/// assert!(fixed.text.contains("# Says hello.\nsteps:\n  - {name: greet, value: '= input'}"));
/// assert_eq!(fixed.count, 1);
/// assert!(fixed.left.is_none());
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Fixed {
    /// The text. Comments and the form of everything else are kept.
    pub text: String,
    /// The number of corrections.
    pub count: usize,
    /// The mistakes that are left.
    pub left: Option<Diagnostics>,
}

/// Corrects the mistakes in a text whose correction is certain: expressions and templates in place
/// of each other, words that older versions of YAML read as booleans, misspelled keys, and
/// durations in words. Each correction must remove a mistake and bring no other.
///
/// ```
/// use stepwright_file::{Options, fix};
/// let text = "format: 1\nname: Wait\nsteps:\n  - {name: nap, sleep: 5 minutes}\n";
/// let fixed = fix(text, "wait.yaml", &Options::default());
/// assert!(fixed.text.ends_with("sleep: 5m}\n"));
/// ```
pub fn fix(text: &str, file_name: &str, options: &Options) -> Fixed {
    let read = |text: &str| Definition::parse(text, file_name, options).err();
    let mut fixed = Fixed { text: text.to_owned(), count: 0, left: read(text) };
    while fixed.count < FIXES_MAX {
        let Some(better) = better(&fixed, file_name, &read, None) else { break };
        fixed = better;
    }
    fixed
}

/// Returns the text with fewer mistakes. A correction may uncover a mistake that it hid, such as a
/// bad value of a misspelled key: then another correction in that line has to remove it. `line` is
/// the place of that line.
fn better(
    fixed: &Fixed,
    file_name: &str,
    read: &impl Fn(&str) -> Option<Diagnostics>,
    line: Option<&Range<usize>>,
) -> Option<Fixed> {
    let before = errors(fixed.left.as_ref());
    let mistakes = fixed.left.iter().flatten();
    mistakes.filter_map(|mistake| mistake.edit(file_name)).find_map(|(span, new)| {
        fixed.text.get(span.start..span.end())?;
        if line.is_some_and(|line| !line.contains(&span.start)) {
            return None;
        }
        let mut text = fixed.text.clone();
        text.replace_range(span.start..span.end(), &new);
        let left = read(&text);
        let after = errors(left.as_ref());
        let changed = Fixed { text, count: fixed.count + 1, left };
        if after < before {
            return Some(changed);
        }
        if after > before || line.is_some() {
            return None;
        }
        let start = changed.text[..span.start].rfind('\n').map_or(0, |at| at + 1);
        let len = changed.text[start..].find('\n').unwrap_or(changed.text.len() - start);
        better(&changed, file_name, read, Some(&(start..start + len)))
    })
}

fn errors(mistakes: Option<&Diagnostics>) -> usize {
    let all = mistakes.into_iter().flatten();
    all.filter(|mistake| mistake.severity == Severity::Error).count()
}
