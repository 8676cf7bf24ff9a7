//! Checks that no compiler makes: the form of the sources, and that the documents match them.

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

struct File {
    /// From the root of the project, with `/`.
    path: String,
    text: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// All texts of the project.
fn files() -> Vec<File> {
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

fn sources() -> impl Iterator<Item = File> {
    files().into_iter().filter(|file| has_extension(&file.path, "rs"))
}

fn has_extension(path: &str, extension: &str) -> bool {
    Path::new(path).extension().is_some_and(|found| found == extension)
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

#[track_caller]
fn none(wrong: &[String]) {
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
    let without = crates.iter().filter(|file| !file.text.contains("[lints]\nworkspace = true\n"));
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

/// A named maximum: its name, its value as the source writes it, and where it is.
type Limit = (String, String, String);

/// What stands in the table of ARCHITECTURE.md: ``| `NAME` | `value` | `place` | … |``.
fn limits_told() -> Vec<Limit> {
    let text = read("ARCHITECTURE.md");
    let rows = text.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.split(" | ").map(|cell| cell.replace('`', ""));
        let (name, value, place) = (cells.next()?, cells.next()?, cells.next()?);
        let is_constant = name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
        is_constant.then_some((name, value, place))
    });
    rows.collect()
}

fn limits_there() -> Vec<Limit> {
    let mut limits = Vec::new();
    for File { path, text } in sources() {
        let Some((krate, place)) = path.strip_prefix("crates/").and_then(|p| p.split_once("/src/"))
        else {
            continue;
        };
        // What follows belongs to the tests of the file.
        for line in text.lines().take_while(|line| !line.starts_with("mod tests")) {
            let Some((_, constant)) = line.split_once("const ") else { continue };
            let Some((name, rest)) = constant.split_once(':') else { continue };
            let Some((_, value)) = rest.split_once('=') else { continue };
            let value = value.trim().trim_end_matches(';').to_owned();
            let krate = krate.strip_prefix("stepwright-").unwrap_or(krate);
            limits.push((name.to_owned(), value, format!("{krate}: {place}")));
        }
    }
    limits
}

#[test]
fn every_limit_is_in_the_architecture() {
    let (told, there) = (limits_told(), limits_there());
    assert!(told.len() > 20, "the table of limits was not found");
    let mut wrong = Vec::new();
    for limit @ (name, value, place) in &told {
        if !there.contains(limit) {
            wrong
                .push(format!("ARCHITECTURE.md tells `{name}` = {value} in {place}, which is not"));
        }
    }
    for limit @ (name, value, place) in &there {
        if name.ends_with("_MAX") && !told.contains(limit) {
            wrong.push(format!("ARCHITECTURE.md does not tell `{name}` = {value} in {place}"));
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
