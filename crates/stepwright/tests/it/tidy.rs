//! Checks that no compiler makes: the form of the sources, and that the documents match them.

mod circles;
mod language;

use std::fs;
use std::path::{Path, PathBuf};

/// The longest line of a source, in characters.
const LINE_CHARS_MAX: usize = 100;

/// The longest source, in lines. A longer one hides a noun that wants a file of its own.
const FILE_LINES_MAX: usize = 700;

/// Sources that are longer, each with the reason why.
const LONG: [(&str, &str); 0] = [];

/// Folders that hold nothing of ours.
const SKIPPED: [&str; 4] = [".git", "target", "wip", "node_modules"];

/// Words of the place where a text was written, and not of the project. In two parts, so that this
/// file is held to it as well.
const WORKPLACE: [&str; 8] = [
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/home", "/"),
    concat!("session of", " work"),
    concat!("work", "place/"),
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("as an AI", " "),
];

pub(crate) struct File {
    /// The path from the root of the project, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Returns all texts of the project.
pub(crate) fn files() -> Vec<File> {
    fn walk(directory: &Path, root: &Path, files: &mut Vec<File>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if SKIPPED.contains(&&*name) {
                continue;
            }
            if path.is_dir() {
                walk(&path, root, files);
            } else if let Ok(text) = fs::read_to_string(&path) {
                let path = path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
                files.push(File { path, text });
            }
        }
    }
    let (root, mut files) = (root(), Vec::new());
    walk(&root, &root, &mut files);
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

pub(crate) fn sources() -> impl Iterator<Item = File> {
    files().into_iter().filter(|file| has_extension(&file.path, "rs"))
}

pub(crate) fn has_extension(path: &str, extension: &str) -> bool {
    Path::new(path).extension().is_some_and(|found| found == extension)
}

#[track_caller]
pub(crate) fn none(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_source_says_what_it_is() {
    let silent = |file: &File| {
        let first = file.text.lines().next().unwrap_or_default();
        !first.starts_with("//!") && !first.starts_with("#![doc")
    };
    let wrong = sources().filter(silent).map(|file| file.path + " begins without `//!`");
    none(&wrong.collect::<Vec<_>>());
}

/// Addresses, texts in quotes and hidden lines of examples may be longer.
fn may_be_long(line: &str) -> bool {
    let line = line.trim_start();
    let example = line.strip_prefix("//").map(|rest| rest.trim_start_matches(['/', '!', ' ']));
    let code = example.unwrap_or(line);
    let is_hidden = example.is_some() && code.starts_with("# ");
    line.contains("://") || is_hidden || code.starts_with('"') || code.starts_with("r#\"")
}

#[test]
fn lines_and_files_have_an_end() {
    let mut wrong = Vec::new();
    for File { path, text } in sources() {
        for (number, line) in (1..).zip(text.lines()) {
            let chars = line.chars().count();
            if chars > LINE_CHARS_MAX && !may_be_long(line) {
                wrong.push(format!("{path}:{number} has {chars} characters"));
            }
        }
        let lines = text.lines().count();
        let is_excused = LONG.iter().any(|(long, _)| *long == path);
        if lines > FILE_LINES_MAX && !is_excused {
            wrong.push(format!("{path} has {lines} lines: split it, or say in `LONG` why not"));
        }
        if lines <= FILE_LINES_MAX && is_excused {
            wrong.push(format!("{path} has only {lines} lines: take it out of `LONG`"));
        }
    }
    none(&wrong);
}

#[test]
fn every_crate_takes_the_lints_of_the_workspace() {
    let crates: Vec<File> = files()
        .into_iter()
        .filter(|file| file.path.starts_with("crates/") && file.path.ends_with("/Cargo.toml"))
        .filter(|file| file.path.matches('/').count() == 2)
        .collect();
    assert!(crates.len() > 8, "the crates were not found");
    // The macros of PyO3 write unsafe code, and Restate has a workspace of its own. Both have
    // tables of their own.
    let own =
        |path: &str| path.contains("stepwright-python") || path.contains("stepwright-restate");
    let all = crates.iter().filter(|file| !own(&file.path));
    let without = all.filter(|file| !file.text.contains("[lints]\nworkspace = true\n"));
    none(&without.map(|file| format!("{} has no `[lints]`", file.path)).collect::<Vec<_>>());
}

#[test]
fn decisions_are_numbered_without_a_gap_and_have_one_form() {
    let mut wrong = Vec::new();
    let decisions = files().into_iter().filter(|file| file.path.starts_with("docs/adr/"));
    for (number, File { path, text }) in (1..).zip(decisions) {
        if !path.starts_with(&format!("docs/adr/{number:04}-")) {
            wrong.push(format!("{path} should have the number {number:04}"));
        }
        if !text.starts_with(&format!("# {number}. ")) {
            wrong.push(format!("{path} does not begin with `# {number}. `"));
        }
        for part in ["Context", "Choice", "Rejected", "What would change our mind"] {
            if !text.contains(&format!("\n## {part}\n")) {
                wrong.push(format!("{path} has no part `{part}`"));
            }
        }
    }
    none(&wrong);
}

#[test]
fn the_project_speaks_of_itself_alone() {
    let mut wrong = Vec::new();
    for File { path, text } in files() {
        for (number, line) in (1..).zip(text.lines()) {
            for word in WORKPLACE.iter().filter(|word| line.contains(**word)) {
                wrong.push(format!("{path}:{number} has `{word}`"));
            }
        }
    }
    none(&wrong);
}
