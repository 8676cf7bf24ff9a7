//! The course: every example runs without a key, and prints what stands beside it.
//!
//! `EXAMPLES=overwrite cargo test -p stepwright --all-features` writes the outputs anew: read them
//! before you keep them.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// Those whose output is compared. `14_complete` needs servers, and has a test of its own.
const COURSE: [(&str, &str); 23] = [
    ("01_basic", ""),
    ("02_print_response", ""),
    ("03_streaming", ""),
    ("04_event_filtering", ""),
    ("05_async", ""),
    ("06_async_streaming", ""),
    ("07_async_print_response", ""),
    ("08_background", ""),
    ("09_processing_events", ""),
    ("10_sessions", ""),
    ("11_retrieval", ""),
    ("12_debug_mode", ""),
    ("13_cli_app", "Search for AI agents\n\n/session\nexit\n"),
    ("15_structured_output", ""),
    ("16_review_loop", ""),
    ("17_coding_agent", ""),
    ("18_research", ""),
    ("19_data_question", ""),
    ("20_support_desk", ""),
    ("21_investment_report", ""),
    ("22_startup_validator", ""),
    ("23_recruiter", ""),
    ("24_blog_post", ""),
];

/// The program of an example, which Cargo builds together with these tests.
pub(crate) fn program(name: &str) -> Command {
    let test = std::env::current_exe().unwrap();
    let directory = test.parent().and_then(Path::parent).unwrap().join("examples");
    let program = directory.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    assert!(
        program.exists(),
        "{} is not built: run all tests of the crate, or `cargo build --examples`",
        program.display()
    );
    let mut command = Command::new(program);
    for name in ["CI", "NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "COLUMNS"] {
        command.env_remove(name);
    }
    command
}

#[test]
fn every_example_prints_what_stands_beside_it() {
    let mut wrong = Vec::new();
    for (name, input) in COURSE {
        let printed = masked(&printed(&mut program(name), input));
        let expected = PathBuf::from(format!("{ROOT}/examples/output/{name}.txt"));
        if std::env::var_os("EXAMPLES").is_some_and(|value| value == "overwrite") {
            std::fs::write(&expected, &printed).unwrap();
        } else if std::fs::read_to_string(&expected).unwrap_or_default() != printed {
            wrong.push(format!("{name} prints:\n{printed}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[test]
fn every_example_of_the_course_is_compared() {
    let mut files: Vec<String> = Path::new(ROOT)
        .join("examples")
        .read_dir()
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().into_string().ok())
        .filter_map(|name| name.strip_suffix(".rs").map(str::to_owned))
        .filter(|name| name != "course" && name != "14_complete")
        .collect();
    files.sort();
    assert_eq!(files, COURSE.map(|(name, _)| name));
}

/// Runs a program that ends well, and returns its output.
pub(crate) fn printed(command: &mut Command, input: &str) -> String {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

/// Without what differs from run to run: identifiers, points in time, durations.
fn masked(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    for line in text.lines() {
        let mut rest = line;
        while let Some(at) = rest.find(|c: char| c.is_ascii_alphanumeric()) {
            masked.push_str(&rest[..at]);
            rest = &rest[at..];
            let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ':' | '_');
            let end = rest.find(|c| !word(c)).unwrap_or(rest.len());
            let end = rest[..end].trim_end_matches(['.', ':']).len().max(1);
            masked.push_str(&mask_of(&rest[..end]));
            rest = &rest[end..];
        }
        masked.push_str(rest);
        masked.push('\n');
    }
    masked
}

fn mask_of(word: &str) -> String {
    let is_id = word.len() == 36 && word.split('-').map(str::len).eq([8, 4, 4, 4, 12]);
    let number = word.trim_end_matches(['m', 's', 'µ']);
    let is_duration = number != word && number.parse::<f64>().is_ok();
    let is_time = word.len() >= 20 && word.starts_with("20") && word.contains('T');
    let is_milliseconds = word.len() == 13 && word.bytes().all(|b| b.is_ascii_digit());
    match word {
        _ if is_id => "ID".to_owned(),
        _ if is_duration => "TIME".to_owned(),
        _ if is_time || is_milliseconds => "WHEN".to_owned(),
        word => word.to_owned(),
    }
}
