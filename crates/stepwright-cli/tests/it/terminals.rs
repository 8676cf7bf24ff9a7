//! The screen that a person at a terminal sees.

use crate::support::{AGENTS, FAILING, GREETING, HANGING, Place, Ran, SAYS_HOW_TO_WRITE, code};
use std::process::Command;

/// Runs `stepwright run flow.yaml` with these arguments on a terminal of 80 columns. `None` where
/// there is no `script` to make one.
fn on_terminal(place: &Place, environment: &str, arguments: &str) -> Option<(i32, String)> {
    if !Command::new("script").arg("--version").output().is_ok_and(|o| o.status.success()) {
        return None;
    }
    let binary = env!("CARGO_BIN_EXE_stepwright");
    let line = format!(
        "stty cols 80 rows 24; exec env {environment} '{binary}' run flow.yaml {arguments}"
    );
    let mut on_terminal = Command::new("script");
    on_terminal.args(["-qec", &line, "/dev/null"]).current_dir(place.path("."));
    for name in SAYS_HOW_TO_WRITE {
        on_terminal.env_remove(name);
    }
    on_terminal.env("TERM", "xterm-256color").env("SHELL", "/bin/sh");
    on_terminal.envs(place.folders_of_user());
    let output = on_terminal.stdin(std::process::Stdio::null()).output().unwrap();
    Some((code(output.status), String::from_utf8(output.stdout).unwrap()))
}

/// Returns the lines of the screen in the end.
fn screen(written: &str) -> Vec<String> {
    let size = |n: u16| n.try_into().unwrap();
    let mut terminal = vt100::Parser::new(size(200), size(80), 0);
    terminal.process(written.as_bytes());
    let lines = terminal.screen().rows(0, 80);
    let mut lines: Vec<String> = lines.map(|line| line.trim_end().to_owned()).collect();
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines
}

/// Durations differ from run to run.
fn without_times(lines: &[String]) -> Vec<String> {
    let is_time = |word: &str| {
        let number = word.trim_end_matches(['m', 's']);
        number != word && number.parse::<f64>().is_ok()
    };
    let word = |word: &str| if is_time(word) { "TIME".to_owned() } else { word.to_owned() };
    // Times stand in a column, before which there are more or fewer spaces.
    let line = |line: &String| {
        let words = line.split(' ').map(word).collect::<Vec<_>>().join(" ");
        words.split("TIME").map(|part| part.trim_end_matches(' ')).collect::<Vec<_>>().join(" TIME")
    };
    lines.iter().map(line).collect()
}

#[test]
fn steps_become_lines_and_the_output_follows() {
    let place =
        Place::with(&format!("{AGENTS}  - {{name: wait, shell: 'sleep 0.5; echo slow'}}\n"));
    let Some((code, written)) = on_terminal(&place, "", "--allow-shell --db a.db") else { return };
    assert_eq!(code, 0, "{written}");
    let run = place.runs_in("a.db").remove(0).0;
    assert_eq!(
        without_times(&screen(&written)),
        [
            "note: offline is not a language model: it quotes the most telling sentences of",
            "what it was given",
            "",
            "╭─ Article ────────────────────────────────────────────────────────────────────",
            "│ ✓ draft TIME  Rust is fast.",
            "│ ✓ page TIME  Rust is small.",
            "│ ✓ wait TIME  slow",
            "╰─",
            "",
            "slow",
            "",
            "completed in TIME · 3 steps",
            &format!("run {run} in a.db"),
        ]
    );
    // The tree was redrawn while the step took its time, and was taken away.
    assert!(written.contains("⠹") && written.contains("\x1b[4A\r\x1b[J"), "{written:?}");
}

#[test]
fn failures_are_said_last() {
    let place = Place::with(FAILING);
    let Some((code, written)) = on_terminal(&place, "", "--allow-shell --no-db") else { return };
    assert_eq!(code, 1, "{written}");
    assert_eq!(
        without_times(&screen(&written)),
        [
            "╭─ Failing ────────────────────────────────────────────────────────────────────",
            "│ ✓ first TIME  done",
            "│ ✗ second TIME  attempt 2  the command failed (exit status: 3): oops",
            "╰─",
            "failed in TIME · 2 steps · 1 retry",
            "error[SW0605]: step `second` failed after 2 attempts: the command failed (exit",
            "status: 3): oops",
        ]
    );
}

#[test]
fn what_is_streamed_stands_in_panels() {
    let place = Place::with(&AGENTS.replace("Rust is small.", "*Rust* is small."));
    let Some((code, written)) = on_terminal(&place, "", "--stream --no-db") else { return };
    assert_eq!(code, 0, "{written}");
    assert_eq!(
        without_times(&screen(&written))[2..],
        [
            "",
            "╭─ draft · writer · offline:extract ───────────────────────────────────────────",
            "│ Rust is fast.",
            "╰─ ✓ TIME",
            "",
            "╭─ page · writer · offline:extract ────────────────────────────────────────────",
            "│ Rust is small.",
            "╰─ ✓ TIME",
            "",
            "completed in TIME · 2 steps",
        ]
        .map(str::to_owned)
    );
}

#[test]
fn streamed_text_is_not_disturbed() {
    let place = Place::with(AGENTS);
    let Some((code, written)) = on_terminal(&place, "", "--stream --no-markdown --no-db") else {
        return;
    };
    assert_eq!(code, 0, "{written}");
    let screen = without_times(&screen(&written));
    assert_eq!(
        screen[2..],
        [
            "Rust is fast.",
            "✓ draft TIME",
            "",
            "Rust is small.",
            "✓ page TIME",
            "",
            "completed in TIME · 2 steps",
        ]
        .map(str::to_owned)
    );
    assert!(!written.contains("\x1b[1A"), "{written:?}");
}

#[test]
fn markdown_is_rendered_where_somebody_reads_it() {
    let flow =
        "format: 1\nname: M\nsteps: [{name: a, template: \"1. **one**\\n1. two\\x1b[2J\"}]\n";
    let place = Place::with(flow);
    assert_eq!(place.run::<&str>([]).ended(0).stdout, "1. **one**\n1. two\x1b[2J\n");
    let Some((_, written)) = on_terminal(&place, "", "") else { return };
    assert_eq!(screen(&written)[4..6], ["1. one", "2. two"], "{written:?}");
    let Some((_, written)) = on_terminal(&place, "", "--no-markdown") else { return };
    assert_eq!(screen(&written)[4..6], ["1. **one**", "1. two"], "{written:?}");
    assert!(!written.contains("\x1b[2J"), "{written:?}");
}

#[test]
fn colours_are_used_where_they_are_wanted() {
    let colored = |text: &str| ["\x1b[1m", "\x1b[2m", "\x1b[32m"].iter().any(|c| text.contains(c));
    let place = Place::with(FAILING);
    for (environment, arguments, wanted) in [
        ("", "", true),
        ("NO_COLOR=1", "", false),
        ("", "--color never", false),
        ("NO_COLOR=1", "--color always", true),
        ("TERM=dumb", "", false),
    ] {
        let arguments = format!("--allow-shell {arguments}");
        let Some((_, written)) = on_terminal(&place, environment, &arguments) else { return };
        assert_eq!(colored(&written), wanted, "{environment} {arguments}: {written:?}");
    }
}

#[test]
fn pipes_have_colours_only_if_they_are_asked_for() {
    let place = Place::with(&GREETING.replace("input", "imput"));
    let ran = |environment: Option<&str>, color: &str| {
        let mut command = place.command(["run", "flow.yaml", "--color", color]);
        command.envs(environment.map(|name| (name, "1")));
        Ran::of(&mut command).ended(2).stderr.contains('\x1b')
    };
    assert!(!ran(None, "auto"));
    assert!(ran(None, "always"));
    assert!(ran(Some("CLICOLOR_FORCE"), "auto"));
    assert!(!ran(Some("CLICOLOR_FORCE"), "never"));
    assert!(ran(Some("NO_COLOR"), "always"));
}

#[test]
fn a_terminal_that_cannot_redraw_has_permanent_lines_only() {
    let place = Place::with(&HANGING.replace("sleep 60", "sleep 0.3"));
    for environment in ["TERM=dumb", "-u TERM"] {
        let Some((code, written)) = on_terminal(&place, environment, "--allow-shell") else {
            return;
        };
        assert_eq!(code, 0, "{written}");
        assert!(written.contains("✓ hang") && !written.contains('\x1b'), "{written:?}");
    }
}
