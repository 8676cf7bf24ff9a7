//! Corrects mistakes whose correction is certain.

use crate::definition::Definition;
use crate::diagnostic::{Diagnostics, Severity};
use crate::options::Options;

/// The maximum number of corrections in a file.
const FIXES_MAX: usize = 1_000;

/// A file after its corrections.
///
/// ```
/// use stepwright_file::{Options, fix};
/// let text = "
/// format: 1
/// name: Greeting
/// # Says hello.
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
/// of each other, words that older versions of YAML read as booleans, misspelled keys, and durations
/// in words. Each correction must remove a mistake and bring no other.
pub fn fix(text: &str, file_name: &str, options: &Options) -> Fixed {
    let mut fixed = Fixed { text: text.to_owned(), count: 0, left: None };
    let read = |text: &str| Definition::parse(text, file_name, options).err();
    let mut left = read(&fixed.text);
    // The corrections that did not help.
    let mut tried: Vec<(usize, String)> = Vec::new();
    while let Some(mistakes) = &left {
        let mut edits = mistakes.iter().filter_map(|mistake| mistake.edit(file_name));
        let Some((span, new)) = edits.find(|(span, new)| {
            let is_new = !tried.iter().any(|(at, text)| *at == span.start && text == new);
            is_new && fixed.text.get(span.start..span.end()).is_some()
        }) else {
            break;
        };
        let mut changed = fixed.text.clone();
        changed.replace_range(span.start..span.end(), &new);
        let after = read(&changed);
        if errors(after.as_ref()) < errors(Some(mistakes)) && fixed.count < FIXES_MAX {
            (fixed.text, left) = (changed, after);
            fixed.count += 1;
            tried.clear();
        } else {
            tried.push((span.start, new));
        }
    }
    fixed.left = left;
    fixed
}

fn errors(mistakes: Option<&Diagnostics>) -> usize {
    let all = mistakes.into_iter().flatten();
    all.filter(|mistake| mistake.severity == Severity::Error).count()
}
