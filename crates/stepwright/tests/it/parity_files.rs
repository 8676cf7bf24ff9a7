//! The page about what Rust says and what a file says.
//!
//! `PARITY=overwrite cargo test -p stepwright --all-features --test it -- parity_files` writes
//! `docs/parity-files.md` from the tables in `parity_files/rows.rs`.

mod rows;

use rows::{OF_FILES, OF_RUST, SOURCES};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use stepwright::file::json_schema;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

const PAGE: &str = "docs/parity-files.md";

/// The counterpart in a file of an item of a builder.
pub(crate) enum Cell {
    /// The keys, each as `mapping.key`.
    Keys(&'static [&'static str]),
    /// The reason why there is no key, and what stands for it.
    Instead(&'static str),
}

/// Returns the public methods and fields of a type in a source.
fn items(source: &str, of: &str) -> BTreeSet<String> {
    let heads = [format!("impl {of} {{"), format!("pub struct {of} {{"), format!("{of} {{")];
    let mut found = BTreeSet::new();
    let mut inside = false;
    for line in source.lines() {
        if heads.iter().any(|head| line == head) {
            inside = true;
        } else if line.starts_with('}') {
            inside = false;
        }
        let Some(rest) = line.trim_start().strip_prefix("pub ").filter(|_| inside) else {
            continue;
        };
        let rest = rest.strip_prefix("async ").unwrap_or(rest);
        let (name, is_method) = match rest.strip_prefix("fn ") {
            Some(method) => (method, true),
            None => (rest, false),
        };
        let end = name.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(0);
        if end > 0 && (is_method || name[end..].starts_with(':')) {
            found.insert(name[..end].to_owned());
        }
    }
    found
}

/// Returns all keys of the format, each as `mapping.key`.
fn keys() -> BTreeSet<String> {
    let schema = json_schema();
    let named = |name: &str, mapping: &serde_json::Value| -> Vec<String> {
        let keys = mapping["properties"].as_object().into_iter().flatten();
        keys.map(|(key, _)| format!("{name}.{key}")).collect()
    };
    let definitions = schema["definitions"].as_object().unwrap().iter();
    let mut all: BTreeSet<String> =
        definitions.flat_map(|(name, mapping)| named(name, mapping)).collect();
    all.extend(named("file", &schema));
    let tools = schema["definitions"]["tool"]["anyOf"][1].clone();
    all.extend(named("tool", &tools));
    all
}

#[test]
fn every_public_item_of_a_builder_is_in_the_table_and_nothing_else() {
    let mut wrong = Vec::new();
    let mut all: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (of, head, path) in SOURCES {
        let source = fs::read_to_string(format!("{ROOT}/crates/{path}")).unwrap();
        let there = items(&source, head);
        assert!(!there.is_empty(), "`{head}` is not found in {path}");
        all.entry(of).or_default().extend(there);
    }
    for (of, there) in all {
        let rows = OF_RUST.iter().filter(|(name, ..)| *name == of);
        let listed: BTreeSet<String> = rows.map(|(_, item, _)| (*item).to_owned()).collect();
        let missing = there.difference(&listed).map(|item| format!("`{of}::{item}` is not listed"));
        wrong.extend(missing);
        let gone = listed.difference(&there).map(|item| format!("there is no `{of}::{item}`"));
        wrong.extend(gone);
    }
    assert!(wrong.is_empty(), "change parity_files/rows.rs:\n{}", wrong.join("\n"));
}

#[test]
fn every_key_of_a_file_has_its_counterpart_in_rust() {
    let all = keys();
    let mut listed = BTreeSet::new();
    for (_, _, cell) in OF_RUST {
        if let Cell::Keys(keys) = cell {
            listed.extend(keys.iter().map(|key| (*key).to_owned()));
        }
    }
    for (keys, _) in OF_FILES {
        for key in *keys {
            match key.strip_suffix(".*") {
                Some(mapping) => {
                    let begin = format!("{mapping}.");
                    listed.extend(all.iter().filter(|key| key.starts_with(&begin)).cloned());
                }
                None => drop(listed.insert((*key).to_owned())),
            }
        }
    }
    let missing: Vec<_> = all.difference(&listed).collect();
    assert!(missing.is_empty(), "list these keys in parity_files/rows.rs: {missing:?}");
    let unknown: Vec<_> = listed.difference(&all).collect();
    assert!(unknown.is_empty(), "these are no keys of the format: {unknown:?}");
}

/// Returns a key as the page shows it.
fn shown(key: &str) -> String {
    match key.split_once('.') {
        Some(("file", key)) => format!("`{key}` of the file"),
        Some(("step", key)) => format!("`{key}` of a step"),
        Some(("agent", key)) => format!("`{key}` of an agent"),
        Some((mapping, "*")) => format!("all of `{mapping}`"),
        Some((mapping, key)) => format!("`{key}` of `{mapping}`"),
        None => key.to_owned(),
    }
}

fn page() -> String {
    let mut page = "# Rust and files, item by item\n\n\
        Each public item of the builders, and what a workflow file has for it; then what only \
        files have, and what\nstands for it in Rust. A test writes this page from one table, and \
        fails if an item of a builder or a key of the\nformat is missing.\n\n\
        ## From Rust to files\n"
        .to_owned();
    let mut last = "";
    for (of, item, cell) in OF_RUST {
        if *of != last {
            let _ = write!(page, "\n### `{of}`\n\n| Rust | File |\n|---|---|\n");
            last = of;
        }
        let cell = match cell {
            Cell::Keys(keys) => keys.iter().map(|key| shown(key)).collect::<Vec<_>>().join(", "),
            Cell::Instead(why) => (*why).to_owned(),
        };
        assert!(!cell.is_empty(), "the cell of `{of}::{item}` is empty");
        let _ = writeln!(page, "| `{item}` | {cell} |");
    }
    page.push_str("\n## From files to Rust\n\n| File | Rust |\n|---|---|\n");
    for (keys, rust) in OF_FILES {
        assert!(!rust.is_empty(), "the cell of {keys:?} is empty");
        let keys: Vec<String> = keys.iter().map(|key| shown(key)).collect();
        let _ = writeln!(page, "| {} | {rust} |", keys.join(", "));
    }
    page
}

#[test]
fn the_page_is_as_the_table() {
    let path = format!("{ROOT}/{PAGE}");
    let page = page();
    if std::env::var_os("PARITY").is_some_and(|what| what == "overwrite") {
        fs::write(&path, &page).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page, "{PAGE} is out of date: run this test with PARITY=overwrite");
}
