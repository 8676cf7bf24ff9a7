//! Figures of the documents that the sources have too: a page that is not true any more fails.
//! `scripts/figures.py` writes the measured figures, with their date.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A figure: the page, the words there, the file or the crate, and how that writes it.
type Figure = (&'static str, &'static str, &'static str, &'static str);

const FIGURES: [Figure; 46] = [
    ("README.md", "Needs Rust 1.95", "Cargo.toml", "rust-version = \"1.95\""),
    ("docs/command.md", "at most 64 MiB", "cli", "INPUT_BYTES_MAX: u64 = 64 * 1024 * 1024"),
    (
        "docs/command.md",
        "at most 20 seconds",
        "cli",
        "WAIT_MAX: Duration = Duration::from_secs(20)",
    ),
    (
        "docs/command.md",
        "silent for ten seconds",
        "engine",
        "LEASE: Duration = Duration::from_secs(10)",
    ),
    (
        "docs/models.md",
        "within 300 ms",
        "models",
        "PROBE_TIMEOUT: Duration = Duration::from_millis(300)",
    ),
    ("docs/stores.md", "A text of 128 bytes or more", "store", "TEXT_BYTES: usize = 128"),
    ("docs/stores.md", "more than 256 KiB", "store", "BODY_BYTES_MAX: usize = 256 * 1024"),
    ("docs/stores.md", "less than 2 MB", "store", "BYTES_MAX: u64 = 2_000_000"),
    (
        "docs/stores.md",
        "asks the file every 20 ms",
        "store",
        "LOOK_EVERY: Duration = Duration::from_millis(20)",
    ),
    (
        "docs/stores.md",
        "after 250 ms",
        "store",
        "LOOK_EVERY: Duration = Duration::from_millis(250)",
    ),
    (
        "docs/stores.md",
        "| `lock_wait` | 5 s |",
        "store",
        "LOCK_WAIT: Duration = Duration::from_secs(5)",
    ),
    (
        "docs/stores.md",
        "| `connect_timeout` | 10 s |",
        "store",
        "CONNECT_TIMEOUT: Duration = Duration::from_secs(10)",
    ),
    (
        "docs/stores.md",
        "| `statement_timeout` | 30 s |",
        "store",
        "STATEMENT_TIMEOUT: Duration = Duration::from_secs(30)",
    ),
    (
        "docs/stores.md",
        "| `retry_for` | 15 s |",
        "store",
        "RETRY_FOR: Duration = Duration::from_secs(15)",
    ),
    (
        "docs/waiting.md",
        "after ten seconds of silence",
        "engine",
        "LEASE: Duration = Duration::from_secs(10)",
    ),
    (
        "docs/waiting.md",
        "wait for it for 15 seconds",
        "store",
        "RETRY_FOR: Duration = Duration::from_secs(15)",
    ),
    (
        "docs/tools.md",
        "| time for one call | 2 minutes |",
        "agent",
        "TOOL_TIMEOUT: Duration = Duration::from_mins(2)",
    ),
    (
        "docs/tools.md",
        "| length of an answer | 1 MiB",
        "agent",
        "TOOL_TEXT_BYTES_MAX: usize = 1024 * 1024",
    ),
    ("docs/tools.md", "| requests to the model for one message | 20 |", "agent", "TURNS: u32 = 20"),
    (
        "docs/tools.md",
        "| the time for one search | 10 seconds |",
        "tools",
        "TIMEOUT: Duration = Duration::from_secs(10)",
    ),
    ("docs/tools.md", "too large (2 MiB)", "tools", "PAGE_BYTES_MAX: usize = 2 * 1024 * 1024"),
    ("docs/workflow-files.md", "reads at most 200 000 bytes", "file", "BYTES_MAX: u64 = 200_000"),
    (
        "docs/workflow-files.md",
        "the time for one search: 10 seconds",
        "tools",
        "TIMEOUT: Duration = Duration::from_secs(10)",
    ),
    (
        "docs/workflow-files.md",
        "Defaults: 1000 files, 10 000 000 bytes",
        "file",
        "FILES_DEFAULT: u64 = 1000",
    ),
    (
        "docs/workflow-files.md",
        "Defaults: 1000 files, 10 000 000 bytes",
        "file",
        "BYTES_DEFAULT: u64 = 10_000_000",
    ),
    (
        "docs/workflow-files.md",
        "30 seconds, and 10 000 000 bytes of output",
        "file",
        "TIMEOUT_DEFAULT: Duration = Duration::from_secs(30)",
    ),
    (
        "docs/workflow-files.md",
        "A file has at most 4 MiB",
        "file",
        "FILE_BYTES_MAX: u64 = 4 * 1024 * 1024",
    ),
    ("docs/workflow-files.md", "at most 256 files", "file", "FILES_MAX: usize = 256"),
    ("docs/workflow-files.md", "and 10 000 steps", "file", "STEPS_MAX: usize = 10_000"),
    (
        "docs/workflow-files.md",
        "an expression at most 2000 bytes",
        "file",
        "LENGTH_MAX: usize = 2000",
    ),
    ("docs/workflow-files.md", "At most 50 mistakes are shown", "file", "MISTAKES_MAX: usize = 50"),
    (
        "docs/adr/0017-what-a-journal-costs.md",
        "A text of 128 bytes or more",
        "store",
        "TEXT_BYTES: usize = 128",
    ),
    (
        "docs/adr/0017-what-a-journal-costs.md",
        "more than 256 KiB",
        "store",
        "BODY_BYTES_MAX: usize = 256 * 1024",
    ),
    // Defaults that are told beside their methods.
    (
        "crates/stepwright-engine/src/define/map.rs",
        "The default is 8",
        "engine",
        "CONCURRENCY: u32 = 8",
    ),
    ("crates/stepwright-engine/src/builder.rs", "The default is 32", "core", "concurrent_runs: 32"),
    // Targets of docs/benchmarks.md that a test or a script holds.
    ("docs/benchmarks.md", "target 2 MB", "store", "BYTES_MAX: u64 = 2_000_000"),
    (
        "docs/benchmarks.md",
        "the other program looks every 20 ms",
        "store",
        "LOOK_EVERY: Duration = Duration::from_millis(20)",
    ),
    ("docs/benchmarks.md", "scripts/figures.py", "scripts/figures.py", "docs/benchmarks.md"),
    ("docs/benchmarks.md", "| 20 MB |", "scripts/figures.py", "BINARY_TARGET_MB = 20"),
    ("docs/benchmarks.md", "| 12 MB |", "scripts/figures.py", "LEAN_TARGET_MB = 12"),
    ("docs/benchmarks.md", "| 3.5 ms |", "scripts/figures.py", "START_TARGET_MS = 3.5"),
    ("docs/benchmarks.md", "| 6 ms |", "scripts/figures.py", "START_DB_TARGET_MS = 6"),
    ("docs/ownership.md", "`as_user` gives a handle", "engine", "pub fn as_user"),
    ("docs/ownership.md", "take `--user`", "cli", "pub(crate) user: Option<UserId>"),
    (
        "docs/waiting.md",
        ".accept_changed_definition(true)",
        "engine",
        "pub fn accept_changed_definition",
    ),
    (
        "docs/adr/0026-content-is-part-of-a-definition.md",
        "`EXCERPT_BYTES_MAX`",
        "core",
        "EXCERPT_BYTES_MAX: usize",
    ),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// All sources of a crate: a constant may move.
fn sources(krate: &str) -> String {
    fn walk(directory: &Path, text: &mut String) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, text);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                text.push_str(&fs::read_to_string(path).unwrap());
            }
        }
    }
    let mut text = String::new();
    let place = root().join("crates").join(format!("stepwright-{krate}"));
    walk(&place, &mut text);
    text
}

/// A text with its line breaks as spaces, and in lower case.
fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase()
}

#[test]
fn the_figures_of_the_documents_are_those_of_the_sources() {
    let mut wrong = Vec::new();
    let mut texts: HashMap<&str, String> = HashMap::new();
    for (page, words, source, written) in FIGURES {
        if !flat(&read(page)).contains(&flat(words)) {
            wrong.push(format!("{page} does not say \"{words}\" any more: correct this list"));
        }
        let place = if source.contains('.') {
            read(source)
        } else {
            texts.entry(source).or_insert_with(|| sources(source)).clone()
        };
        if !place.contains(written) {
            wrong
                .push(format!("{page} says \"{words}\", and {source} has no `{written}` any more"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn what_is_counted_in_the_readme_is_there() {
    let readme = read("README.md");
    let programs = fs::read_dir(root().join("examples")).unwrap();
    let names = programs.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned());
    let numbered = names.filter(|name| {
        let program = name.strip_suffix(".rs");
        program.is_some_and(|program| program.starts_with(|c: char| c.is_ascii_digit()))
    });
    let count = numbered.count();
    assert!(readme.contains(&format!("has {count} programs")), "{count} programs");
    // Without a local Ollama and llama.cpp, and without the second wire of OpenAI.
    let catalogue = read("crates/stepwright-models/src/catalogue.rs");
    let all = catalogue.matches("\n        name: \"").count() - 3;
    assert!(readme.contains(&format!("Models of {all} providers")), "{all} providers");
}

/// A page that tells what was measured says when, and on what.
#[test]
fn what_was_measured_has_a_date_and_a_machine() {
    let page = read("docs/benchmarks.md");
    let sections = page.split("\n## ").skip(1);
    let head = page.split("\n## ").next().unwrap();
    assert!(head.contains("Measured on") && head.contains("cores") && head.contains("Rust 1."));
    let generated = sections.filter(|section| section.contains("<!-- figures"));
    let generated: Vec<_> = generated.collect();
    assert!(!generated.is_empty());
    for section in generated {
        let is_measured = section.contains("Measured on") && section.contains("cores");
        assert!(is_measured || section.contains("Not measured"), "{section}");
    }
}
