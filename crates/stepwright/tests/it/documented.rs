//! Every item that the facade offers is shown by an example.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const CRATES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Items whose definition is not written out, or is that of another crate.
const MADE_OTHERWISE: [&str; 7] =
    ["RunId", "SessionId", "StreamExt", "UserId", "WorkflowId", "__private", "parse_duration"];

/// The names that the facade re-exports.
fn offered() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for file in ["lib.rs", "prelude.rs"] {
        let text = fs::read_to_string(format!("{CRATES}/stepwright/src/{file}")).unwrap();
        for group in text.split("pub use ").skip(1) {
            let group = group.split(';').next().unwrap();
            let words = group.split(|c: char| !c.is_alphanumeric() && c != '_' && c != ':');
            names.extend(
                words
                    .filter(|word| !word.is_empty() && !word.ends_with(':'))
                    .filter_map(|word| word.rsplit("::").next())
                    .map(str::to_owned),
            );
        }
    }
    names.extend(containers());
    names
}

/// The names in the module `containers`, which the facade re-exports as a whole.
fn containers() -> Vec<String> {
    let text = fs::read_to_string(format!("{CRATES}/stepwright-engine/src/define/mod.rs")).unwrap();
    let module = text.split("pub mod containers {").nth(1).unwrap();
    let module = module.split("\n}").next().unwrap();
    let names: Vec<_> = module
        .lines()
        .filter_map(|line| line.trim().strip_suffix(';')?.rsplit("::").next())
        .map(str::to_owned)
        .collect();
    assert!(names.len() >= 6, "{names:?}");
    names
}

fn sources(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// The item that a line defines, if it does.
fn defined(line: &str) -> Option<&str> {
    let mut words = line.trim_start().strip_prefix("pub ")?.split(' ');
    let kind = words.find(|word| !["async", "const", "unsafe"].contains(word))?;
    let name = match kind {
        "struct" | "enum" | "trait" | "fn" | "type" => words.next()?,
        // A constant: `const` was passed over.
        other => other.strip_suffix(':')?,
    };
    name.split(|c: char| !c.is_alphanumeric() && c != '_').next()
}

#[test]
fn every_item_of_the_facade_has_an_example() {
    let offered = offered();
    let (mut known, mut shown) = (BTreeSet::new(), BTreeSet::new());
    let mut files = Vec::new();
    for entry in fs::read_dir(CRATES).unwrap() {
        let directory = entry.unwrap().path().join("src");
        if directory.is_dir() {
            sources(&directory, &mut files);
        }
    }
    for file in files {
        let text = fs::read_to_string(file).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            let Some(name) = defined(line).filter(|name| offered.contains(*name)) else { continue };
            known.insert(name.to_owned());
            // Up to what comes before it: the comments and attributes of an item have no empty
            // line.
            let above = lines[..at].iter().rev().take_while(|line| {
                let line = line.trim();
                !line.is_empty() && line != "}" && !line.ends_with(';')
            });
            if above.into_iter().any(|line| line.trim_start().starts_with("/// ```")) {
                shown.insert(name.to_owned());
            }
        }
    }
    let lost: Vec<_> = offered
        .iter()
        .filter(|name| !known.contains(*name) && !MADE_OTHERWISE.contains(&name.as_str()))
        .collect();
    assert!(lost.is_empty(), "where are these defined? {lost:?}");
    let bare: Vec<_> = known.difference(&shown).collect();
    assert!(bare.is_empty(), "{} have no example: {bare:?}", bare.len());
}

/// Returns the features of the facade, each with `true` if it is on by default.
fn features() -> BTreeSet<(String, bool)> {
    let manifest = fs::read_to_string(format!("{CRATES}/stepwright/Cargo.toml")).unwrap();
    let table = manifest.split("[features]\n").nth(1).unwrap().split("\n[").next().unwrap();
    let default = table.lines().next().unwrap();
    let names = table.lines().skip(1).filter_map(|line| Some(line.split_once(" = [")?.0));
    names.map(|name| (name.to_owned(), default.contains(&format!("\"{name}\"")))).collect()
}

#[test]
fn the_first_page_has_every_feature() {
    let page = fs::read_to_string(format!("{CRATES}/stepwright/docs/introduction.md")).unwrap();
    let row = |line: &str| {
        let (name, rest) = line.strip_prefix("| `")?.split_once("` |")?;
        Some((name.to_owned(), rest.ends_with("| yes |")))
    };
    let rows: BTreeSet<_> = page.lines().filter_map(row).collect();
    assert_eq!(rows, features());
    assert!(rows.len() > 5);
}
