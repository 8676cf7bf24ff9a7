//! Compares the visible output of runs with files.
//!
//! They are written by these tests, run as `SNAPSHOTS=overwrite cargo test -p stepwright-term`.

use crate::screen::{Written, seen, seen_on, world};
use crate::{moving, scenarios};
use std::fmt::Write as _;
use std::path::Path;
use stepwright_term::{Printing, Style, Terminal};

fn printing(scenario: &str) -> Printing {
    let printing = Printing::of(scenarios::run(scenario, &world()));
    match scenarios::answers(scenario) {
        // The time that an answer takes depends on the machine.
        Some(answers) => printing.answers_from(answers.as_bytes()).show_time(false),
        None => printing,
    }
}

/// Prints it on a terminal of so many columns. Gives what was written.
pub(crate) async fn printed(
    scenario: &str,
    columns: usize,
    how: impl FnOnce(Printing) -> Printing,
) -> String {
    let written = Written::default();
    let printing = printing(scenario);
    let terminal = Terminal::of_size(columns, 24);
    let _ = how(printing.to_terminal(written.clone(), terminal)).await;
    written.text()
}

/// Returns the output for a file or another program.
async fn piped(scenario: &str, how: impl FnOnce(Printing) -> Printing) -> String {
    let written = Written::default();
    let printing = printing(scenario);
    let _ = how(printing.to(written.clone())).await;
    written.text()
}

async fn snapshot(scenario: &str) -> String {
    let mut text = String::new();
    for columns in [40, 80, 200] {
        let written = printed(scenario, columns, |printing| printing).await;
        let _ = write!(text, "=== {columns} columns\n{}", seen(&written, columns));
    }
    // While it runs.
    for (moves, ms) in [("article", 1_600), ("nested", 170), ("paused", 1_000)] {
        if moves == scenario {
            let _ = write!(text, "=== after {ms} ms\n{}", moving::after(scenario, ms).await);
        }
    }
    let still = piped(scenario, |p| p.style(Style::Panels).color(true).width(80)).await;
    let _ = write!(text, "=== colours\n{}", still.replace('\x1b', "␛"));
    let compact = printed(scenario, 80, |p| p.style(Style::Compact)).await;
    let _ = write!(text, "=== compact\n{}", seen(&compact, 80));
    for columns in [40, 80, 200] {
        let tree = printed(scenario, columns, |p| p.style(Style::Tree)).await;
        let _ = write!(text, "=== tree, {columns} columns\n{}", seen(&tree, columns));
    }
    for (moves, ms) in [("article", 1_600), ("nested", 170), ("failing", 60), ("paused", 1_000)] {
        for columns in [40, 80, 200] {
            if moves == scenario {
                let tree = moving::tree_after(scenario, ms, columns).await;
                let _ = write!(text, "=== tree of {columns} columns after {ms} ms\n{tree}");
            }
        }
    }
    let _ = write!(text, "=== pipe\n{}", piped(scenario, |printing| printing).await);
    text
}

fn overwrites() -> bool {
    std::env::var("SNAPSHOTS").is_ok_and(|what| what == "overwrite")
}

/// A part of a snapshot.
fn section<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    let begin = format!("=== {name}\n");
    let from = text.find(&begin)? + begin.len();
    let rest = &text[from..];
    Some(&rest[..rest.find("=== ").unwrap_or(rest.len())])
}

/// Each block behind `<!-- seen: article, 80 columns -->` is the output that the tests see.
#[tokio::test(start_paused = true)]
async fn the_page_shows_what_is_seen() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/terminal.md");
    let before = std::fs::read_to_string(&path).unwrap();
    let mut parts = before.split("<!-- seen: ");
    let mut now = parts.next().unwrap_or_default().to_owned();
    let mut count = 0;
    for part in parts {
        let (what, rest) = part.split_once(" -->\n```text\n").expect(part);
        let (_, rest) = rest.split_once("```\n").expect(part);
        let (scenario, name) = what.split_once(", ").expect(what);
        let seen = snapshot(scenario).await;
        let seen = section(&seen, name).expect(what);
        let _ = write!(now, "<!-- seen: {what} -->\n```text\n{seen}```\n{rest}");
        count += 1;
    }
    assert!(count > 3, "the page was not found");
    if overwrites() {
        std::fs::write(&path, now).unwrap();
    } else {
        assert_eq!(before, now, "run with SNAPSHOTS=overwrite");
    }
}

#[tokio::test(start_paused = true)]
async fn runs_look_as_they_did() {
    let overwrite = overwrites();
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots");
    let mut different = Vec::new();
    for name in scenarios::NAMES {
        let now = snapshot(name).await;
        let path = directory.join(format!("{name}.txt"));
        if overwrite {
            std::fs::create_dir_all(&directory).unwrap();
            std::fs::write(&path, &now).unwrap();
            continue;
        }
        let before = std::fs::read_to_string(&path).unwrap_or_default();
        let lines = before.lines().zip(now.lines());
        if before != now {
            let first = lines.into_iter().position(|(before, now)| before != now);
            different.push(format!("{name}.txt, line {}:\n{now}", first.unwrap_or_default() + 1));
        }
    }
    assert!(
        different.is_empty(),
        "what is seen has changed; if it should, run with SNAPSHOTS=overwrite\n{}",
        different.join("\n")
    );
}

#[tokio::test(start_paused = true)]
async fn streamed_or_not_the_same_is_left_on_the_screen() {
    for name in scenarios::NAMES {
        for columns in [40, 80] {
            let streamed = printed(name, columns, |printing| printing).await;
            let whole = printed(name, columns, |printing| printing.stream(false)).await;
            // Of a run that is cut off, other pieces are there.
            if name != "cancelled" && name != "nested" {
                assert_eq!(seen(&streamed, columns), seen(&whole, columns), "{name} {columns}");
            }
        }
    }
}

/// The order and the durations of branches may differ, but the output of a function is shown at any
/// depth.
#[tokio::test(start_paused = true)]
async fn what_nested_functions_give_is_left_on_the_screen_streamed_or_not() {
    for columns in [40, 80] {
        let streamed = printed("nested", columns, |printing| printing).await;
        let whole = printed("nested", columns, |printing| printing.stream(false)).await;
        let [streamed, whole] = [streamed, whole].map(|written| seen(&written, columns));
        for (text, times) in [
            ("12 000 species", 2),
            ("the short way", 1),
            ("the long way", 0),
            ("worked", 2),
            ("no mistakes", 1),
        ] {
            assert_eq!(streamed.matches(text).count(), times, "{columns} {text}: {streamed}");
            assert_eq!(whole.matches(text).count(), times, "{columns} {text}: {whole}");
        }
    }
}

/// Whatever has scrolled away has its last form.
#[tokio::test(start_paused = true)]
async fn a_low_terminal_has_the_same_above_it() {
    for name in scenarios::NAMES {
        let written = printed(name, 80, |printing| printing).await;
        assert_eq!(seen_on(&written, 80, 24), seen(&written, 80), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_line_reaches_the_edge() {
    for name in scenarios::NAMES {
        for columns in [24, 40, 80, 200] {
            for style in [Style::Panels, Style::Compact] {
                let written = printed(name, columns, |p| p.style(style).color(false)).await;
                // No line is wrapped, so a wider terminal shows the same.
                let wider = seen(&written, columns + 100);
                let shown = seen(&written, columns);
                assert_eq!(shown, wider, "{name} {columns} {style:?}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn without_colours_nothing_is_coloured_and_pipes_have_no_sequences() {
    for name in scenarios::NAMES {
        let written = printed(name, 80, |printing| printing.color(false)).await;
        let obeyed: Vec<&str> = written.split('\x1b').skip(1).collect();
        // Up and erase, which is how lines move.
        let moves = |obeyed: &str| {
            let end = obeyed.find(|c: char| c.is_ascii_alphabetic()).unwrap_or_default();
            matches!(obeyed.as_bytes()[end], b'A' | b'J')
        };
        assert!(obeyed.iter().all(|obeyed| moves(obeyed)), "{name}: {obeyed:?}");
        let piped = piped(name, |printing| printing).await;
        let control = |c: &char| c.is_control() && *c != '\n';
        assert_eq!(piped.chars().find(control), None, "{name}: {piped:?}");
    }
}

/// Only what is drawn here is obeyed, whatever models and tools say.
#[tokio::test(start_paused = true)]
async fn a_terminal_is_told_nothing_but_to_draw() {
    for scenario in ["hostile", "hostile-asked"] {
        let written = printed(scenario, 80, |printing| printing).await;
        for obeyed in written.split('\x1b').skip(1) {
            let end = obeyed.find(|c: char| c.is_ascii_alphabetic()).unwrap();
            let known =
                obeyed.starts_with('[') && matches!(obeyed.as_bytes()[end], b'A' | b'J' | b'm');
            assert!(known, "{obeyed:?}");
        }
        assert!(!written.contains(['\u{9b}', '\u{9d}', '\u{202e}', '\x07', '\x08']));
    }
}
