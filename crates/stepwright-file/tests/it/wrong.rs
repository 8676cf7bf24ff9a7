//! Small wrong definitions, each with its whole report.
//!
//! Each file in `wrong/` has cases that begin with a line `### title`. A case is a list of steps,
//! or a whole file if it begins with a key. `UPDATE_REPORTS=1 cargo test -p stepwright-file` writes
//! the reports anew: read them before you keep them.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use stepwright_file::{Definition, Options};

const HEAD: &str = "format: 1\nname: T\nmodel: offline\nsteps:\n";

pub(crate) fn cases() -> Vec<(PathBuf, Vec<(String, String)>)> {
    let entries = Path::new("tests/it/wrong").read_dir().unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "cases"));
    files.sort();
    let read = |file: PathBuf| {
        let text = std::fs::read_to_string(&file).unwrap();
        let cases = text.split("### ").skip(1).map(|case| {
            let (title, body) = case.split_once('\n').unwrap();
            let is_steps = body.starts_with([' ', '-']) && !body.starts_with("---");
            let head = if is_steps { HEAD } else { "" };
            (title.to_owned(), format!("{head}{}\n", body.trim_end()))
        });
        (file, cases.collect())
    };
    files.into_iter().map(read).collect()
}

fn options() -> Options {
    Options { allow_shell: true, only_checks: true, ..Options::default() }
}

#[test]
fn every_wrong_definition_has_its_whole_report() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for (file, cases) in cases() {
        let mut reports = String::new();
        for (title, text) in cases {
            count += 1;
            let report = match Definition::parse(&text, "flow.yaml", &options()) {
                Err(mistakes) => mistakes.to_string(),
                Ok(definition) if !definition.warnings().is_empty() => {
                    definition.warnings().to_string()
                }
                Ok(_) => "ACCEPTED\n".to_owned(),
            };
            if report == "ACCEPTED\n" {
                wrong.push(format!("{}: {title}: it is accepted", file.display()));
            }
            let _ = writeln!(reports, "### {title}\n{report}");
        }
        let expected = file.with_extension("txt");
        if std::env::var_os("UPDATE_REPORTS").is_some() {
            std::fs::write(&expected, &reports).unwrap();
        } else if std::fs::read_to_string(&expected).unwrap_or_default() != reports {
            wrong.push(format!("{} has changed:\n{reports}", expected.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(count >= 150, "there are {count} wrong definitions");
}

#[test]
fn no_report_names_rust_or_a_library() {
    let words = [
        "Options::",
        "Provider::",
        "Int(",
        "serde",
        "minijinja",
        "cel::",
        " struct",
        " enum ",
        "unwrap",
        ".over(",
        "from_str",
        "budget breached",
        "token",
        "identifier",
        "scalar",
    ];
    for (file, cases) in cases() {
        for (title, text) in cases {
            let Err(mistakes) = Definition::parse(&text, "flow.yaml", &options()) else { continue };
            for mistake in &mistakes {
                let said =
                    format!("{} {}", mistake.message, mistake.help.clone().unwrap_or_default());
                for word in words {
                    assert!(!said.contains(word), "{}: {title}: {said}", file.display());
                }
            }
        }
    }
}

/// Careful uses of values that may not be there.
#[test]
fn definitions_that_are_right_are_accepted() {
    let right = [
        "  - {name: a, value: '= has(state.n) ? state.n : 0'}",
        "  - {name: a, value: '= state.?n.orValue(0)'}",
        "  - {name: a, value: '= \"n\" in state ? state.n : 0'}",
        "  - {name: a, template: '{{ state.n | default(0) }}'}",
        "  - {name: a, template: '{% if state.n is defined %}{{ state.n }}{% endif %}'}",
        "  - {name: s, set_state: {n: 1}}\n  - {name: a, template: '{{ state.n }}'}",
        "  - {name: c, if: '= size(content) > 3', then: [{name: i, value: {x: 1}}]}\n  \
         - {name: u, value: '= steps.?i.?x.orValue(0)'}",
        "  - {name: c, if: '= size(content) > 3', then: [{name: i, value: {x: 1}}]}\n  \
         - {name: u, value: '= steps.i == null ? 0 : steps.i.x'}",
        "  - {name: c, if: '= size(content) > 3', then: [{name: i, value: {x: 1}}]}\n  \
         - {name: u, template: '{% if steps.i %}{{ steps.i.x }}{% endif %}'}",
        "  - {name: c, if: '= size(content) > 3', then: [{name: i, value: {x: 1}}, \
         {name: u, value: '= steps.i.x'}]}",
        "  - {name: c, if: '= input == \"a\"', then: [{name: i, value: {x: 1}}]}\n  \
         - {name: d, if: '= input == \"a\"', then: [{name: u, value: '= steps.i.x'}]}",
        "  - {name: c, if: '= size(content) > 3', then: [{name: i, value: {x: 1}}]}\n  \
         - {name: d, if: '= has(steps.i.x)', then: [{name: u, value: '= steps.i.x'}]}",
        // Steps that run afterwards see `null` for what did not run.
        "  - {name: c, if: '= size(content) > 3', then: [{name: i, value: {x: 1}}]}\n\
         finally: [{name: u, value: '= steps.i.x'}]",
        "  - name: g\n    steps: [{name: a, template: x}, {name: c, if: '= size(content) > 3', \
         then: [{name: i, value: {x: 1}}]}]\n    on_failure: [{name: u, value: '= steps.i.x + \
         error.message'}]",
        "  - {name: c, if: '= size(content) > 3', then: [{stop: done}]}\n  - {name: a, value: 1}",
        "  - {name: a, value: '= vars.limits.max + 1'}\nvars: {limits: {max: 3}}",
        "  - {name: c, if: '= vars.on', then: [{template: x}]}\nvars: {on: true}",
        "  - {name: a, value: '= date_add(now, \"7d\") < now'}",
        "  - {name: a, value: '= from_json(input).x + 1'}",
        "  - {name: a, http: {url: 'https://example.org/{{ input }}', result: full}}\n  \
         - {name: b, value: '= steps.a.status == 200 ? steps.a.body.x : 0'}",
        "  - {name: a, append_file: {path: a/b.txt, text: x}}\n  - {name: b, value: '= \
         steps.a.bytes'}",
        "  - {name: s, set_state: {n: 1}}\nfinally: [{name: a, template: '{{ state.n }}'}]",
        "  - {name: a, template: x}\nfinally: [{name: w, agent: w}]\nagents: {w: {}}",
        "  - {name: a, template: '{{ state.n }}'}\nfinally: [{name: s, set_state: {n: 1}}]",
        "  - {name: c, if: true, then: [{name: i, value: {x: 1}}]}\n  \
         - {name: u, value: '= steps.i.x'}",
        "  - {name: c, if: true, then: [{name: i, template: x}], else: [{name: j, template: y}], \
         human_review: {requires_confirmation: true, on_reject: else}}",
        "  - {name: a, value: '= [1, 2][?5].orValue(0)'}",
        "  - {name: a, value: '= true || 1 / 0 == 1'}",
        "  - {name: a, value: '= \"{{ x }}\"'}",
        "  - {name: a, template: '= Results'}",
        "  - {name: a, template: '=========='}",
        "  - {name: a, template: \"= Results\\n\\nA text.\"}",
        "  - {name: a, value: \"yes\"}",
        "  - {name: m, map: {over: '= input.split(\",\")'}, do: [{name: n, template: '{{ item }}'}]}",
        "  - {name: r, router: '= \"a\"', choices: [{name: a, template: x}]}",
        "  - {name: a, value: '= input.matches(\"[a-z]+\")'}",
        "  - {name: a, value: '= [1, 2].map(x, x * 2).filter(x, x > 2)'}",
        "  - {name: a, value: '= input.x + 1'}",
        "  - {name: a, value: '= [1] + input.list'}",
        "  - {name: v, value: {a: {b: 1}}}\n  - {name: u, template: '{{ steps.v.a.b }}'}",
        "  - {name: my-step, template: x}\n  - {name: u, value: \"= steps['my-step']\"}",
        "  - {name: a, http_get: 'https://example.org/a'}",
        "  - {name: a, write_file: {path: out/a.md, text: x}}",
    ];
    for steps in right {
        let text = format!("{HEAD}{steps}\n");
        match Definition::parse(&text, "flow.yaml", &options()) {
            Err(mistakes) => panic!("{steps}:\n{mistakes}"),
            Ok(definition) => assert!(definition.warnings().is_empty(), "{steps}"),
        }
    }
}

#[test]
fn keys_that_begin_with_x_hold_anchors() {
    let text = "format: 1\nname: T\nx-base: &b {template: x}\nsteps:\n  - {name: a, <<: *b}\n";
    Definition::parse(text, "flow.yaml", &options()).unwrap();
}

#[test]
fn an_excerpt_of_a_long_line_is_as_wide_as_the_report() {
    use stepwright_file::ReportStyle;
    let brackets = format!("format: 1\nname: T\nsteps: {}\n", "[".repeat(5_000));
    let long = format!(
        "{{\"format\": 1, \"name\": \"T\", \"steps\": [{}{{\"name\": \"z\", \"valu\": 1}}]}}",
        "{\"name\": \"a\", \"value\": 1}, ".repeat(9)
    );
    let wide = format!(
        "format: 1\nname: T\nsteps:\n  - {{name: a, template: \"{}{{{{ imput }}}}{}\"}}\n",
        "ä".repeat(300),
        "b".repeat(300)
    );
    for text in [brackets, long, wide] {
        let mistakes = Definition::parse(&text, "flow.yaml", &options()).unwrap_err();
        for unicode in [true, false] {
            let style = ReportStyle { unicode, width: 60, ..ReportStyle::default() };
            let report = mistakes.report(style);
            let widest = report
                .lines()
                .filter(|line| !line.starts_with("help"))
                .map(|line| line.chars().count())
                .max();
            assert!(widest <= Some(60), "{report}");
        }
    }
}

#[test]
fn a_narrow_report_breaks_between_words_and_points_below_the_mistake() {
    use stepwright_file::ReportStyle;
    use unicode_width::UnicodeWidthStr as _;
    let text = "format: 1\nname: T\nsteps:\n  \
                - {name: a, template: \"日本語テキスト {{ imput }} and more\"}\n  \
                - {name: b, value: 1, retry: {max: 2, wibble: 1s}}\n";
    let mistakes = Definition::parse(text, "flow.yaml", &options()).unwrap_err();
    let style = ReportStyle { width: 40, ..ReportStyle::default() };
    let report = mistakes.report(style);
    let lines: Vec<&str> = report.lines().collect();
    assert!(lines.iter().all(|line| line.width() <= 40), "{report}");
    // A word is whole, and the lines after the first one are indented.
    assert!(
        report.contains(
            "help: it has: `max`, `backoff`,\n  `max_backoff`, `factor`, `jitter` and\n  `on`\n"
        ),
        "{report}"
    );
    let shown = lines.iter().position(|line| line.contains("imput }}")).unwrap();
    let before = |line: &str, mark: &str| line[..line.find(mark).unwrap()].width();
    assert_eq!(before(lines[shown], "imput"), before(lines[shown + 1], "─"), "{report}");
    // In colour it is the same text.
    let colored = mistakes.report(ReportStyle { color: true, ..style });
    assert!(colored.contains("\u{1b}[31merror[SW0205]:\u{1b}[0m"), "{colored}");
    let mut plain = String::new();
    for part in colored.split('\u{1b}') {
        plain.push_str(
            part.strip_prefix('[').and_then(|part| part.split_once('m')).map_or(part, |it| it.1),
        );
    }
    assert_eq!(plain, report);
}

#[test]
fn a_file_that_is_not_utf_8_has_the_place_of_the_first_wrong_byte() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("flow.yaml");
    std::fs::write(&file, b"format: 1\nname: Caf\xe9\n").unwrap();
    let mistakes = Definition::read(&file, &options()).unwrap_err();
    let first = mistakes.iter().next().unwrap();
    assert!(first.message.contains("line 2, column 10 has the byte 0xe9"), "{first}");
    assert_eq!(first.help.as_deref(), Some("save it as UTF-8"));
}

#[test]
fn a_missing_workflow_is_looked_for_among_similar_names() {
    let dir = tempfile::tempdir().unwrap();
    let inner = format!("{HEAD}  - {{name: a, template: x}}\n");
    std::fs::write(dir.path().join("review.yaml"), inner).unwrap();
    let outer = format!("{HEAD}  - {{name: a, workflow: reviews.yaml}}\n");
    std::fs::write(dir.path().join("outer.yaml"), outer).unwrap();
    let mistakes = Definition::read(dir.path().join("outer.yaml"), &options()).unwrap_err();
    let help = mistakes.iter().next().unwrap().help.clone().unwrap();
    assert!(help.starts_with("did you mean `review.yaml`? looked for "), "{help}");
}

#[test]
fn a_nested_workflow_is_checked_against_what_it_gets() {
    let dir = tempfile::tempdir().unwrap();
    let inner = "format: 1\nname: I\ninput: {type: object, properties: {a: {type: number}}, \
                 required: [a]}\nsteps:\n  - {name: a, template: '{{ input.a }}'}\n";
    std::fs::write(dir.path().join("inner.yaml"), inner).unwrap();
    let read = |step: &str| {
        let outer = format!("{HEAD}  - {step}\n  - {{name: w, workflow: inner.yaml}}\n");
        std::fs::write(dir.path().join("outer.yaml"), outer).unwrap();
        Definition::read(dir.path().join("outer.yaml"), &options())
    };
    read("{name: v, value: {a: 1}}").unwrap();
    read("{name: v, value: {a: '= size(input)'}}").unwrap();
    for wrong in ["{name: v, value: {b: 1}}", "{name: v, template: x}", "{name: v, value: [1]}"] {
        let mistakes = read(wrong).expect_err(wrong);
        let first = mistakes.iter().next().unwrap();
        assert!(first.message.contains("does not accept what it gets"), "{first}");
    }
}
