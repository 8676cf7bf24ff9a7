//! Each mutant of `mutants.toml` changes code that is there: one that fits nothing would prove
//! nothing.

use crate::tidy::{none, root};
use std::fs;

/// The values of this key in a TOML file of basic strings.
fn values(text: &str, key: &str) -> Vec<String> {
    let start = format!("{key} = \"");
    let values = text.lines().filter_map(|line| line.strip_prefix(&start)?.strip_suffix('"'));
    values.map(unescaped).collect()
}

fn unescaped(text: &str) -> String {
    let mut plain = String::new();
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        plain.push(match char {
            '\\' => match chars.next() {
                Some('n') => '\n',
                Some(other) => other,
                None => '\\',
            },
            other => other,
        });
    }
    plain
}

#[test]
fn every_mutant_changes_code_that_is_there_once() {
    let read = |path: &str| fs::read_to_string(root().join(path)).unwrap_or_default();
    let table = read("mutants.toml");
    let (files, from) = (values(&table, "file"), values(&table, "from"));
    assert_eq!(files.len(), table.matches("[[mutant]]").count());
    assert_eq!(files.len(), from.len());
    assert!(files.len() >= 40, "there are only {}", files.len());
    let wrong = files.iter().zip(&from).filter_map(|(file, from)| {
        let found = read(file).matches(from.as_str()).count();
        (found != 1).then(|| format!("{file} has {found} times {from:?}"))
    });
    none(&wrong.collect::<Vec<_>>());
}
