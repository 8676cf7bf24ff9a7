//! Every file in `mistakes/` has a report beside it, to the letter.
//!
//! `UPDATE_REPORTS=1 cargo test -p stepwright-file` writes the reports anew: read them before you
//! keep them.

use std::path::{Path, PathBuf};
use stepwright_file::{Definition, MISTAKES_MAX, Options, ReportStyle};

fn files() -> Vec<PathBuf> {
    let entries = Path::new("tests/it/mistakes").read_dir().unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "yaml" || e == "json"));
    files.sort();
    files
}

#[test]
fn every_mistake_has_its_report() {
    let mut wrong = Vec::new();
    for file in files() {
        let mistakes = Definition::read(&file, &Options::default()).expect_err("it has mistakes");
        let report = mistakes.to_string();
        let expected = file.with_extension("txt");
        if std::env::var_os("UPDATE_REPORTS").is_some() {
            std::fs::write(&expected, &report).unwrap();
        } else if std::fs::read_to_string(&expected).unwrap_or_default() != report {
            wrong.push(format!("{}:\n{report}", expected.display()));
        }
    }
    assert!(wrong.is_empty(), "reports have changed:\n{}", wrong.join("\n"));
}

#[test]
fn a_report_shows_the_place_and_what_was_meant() {
    let text = r#"
format: 1
name: Digest
steps:
  - {name: sources, value: "= [1]"}
  - name: notes
    map: {over: "= steps.sorces"}
    do: [{name: note, template: "{{ item }}"}]
"#;
    let mistakes = Definition::parse(text, "digest.yaml", &Options::default()).unwrap_err();
    assert_eq!(
        mistakes.to_string(),
        "error[SW0205]: there is no step `sorces`
   ╭─[digest.yaml:7:20]
 6 │   - name: notes
 7 │     map: {over: \"= steps.sorces\"}
   ·                    ────────────
 8 │     do: [{name: note, template: \"{{ item }}\"}]
   ╰────
help: did you mean `steps.sources`?
"
    );
    let ascii = mistakes.report(ReportStyle { unicode: false, ..ReportStyle::default() });
    assert!(ascii.is_ascii(), "{ascii}");
    let color = mistakes.report(ReportStyle { color: true, ..ReportStyle::default() });
    assert!(color.contains("\u{1b}["), "{color}");
}

/// The renderer of excerpts cannot pad as far as that.
#[test]
fn a_mistake_on_a_very_long_line_has_its_place_without_an_excerpt() {
    let long = "a".repeat(70_000);
    let text = format!(
        r#"{{"format": 1, "name": "T", "description": "{long}", "steps": [{{"name": "v", "valu": 1}}]}}"#
    );
    let mistakes = Definition::parse(&text, "long.json", &Options::default()).unwrap_err();
    let report = mistakes.to_string();
    assert!(report.contains("long.json:1:700"), "{}", &report[..report.len().min(400)]);
    assert!(report.len() < 1_000, "{} bytes", report.len());
    // The lines around it count, too, and lines further away do not.
    let text = format!(
        "format: 1\nname: T\ndescription: {long}\nsteps:\n  - {{name: v, value: 1}}\n  - {{name: w, valu: 1}}\n"
    );
    let mistakes = Definition::parse(&text, "long.yaml", &Options::default()).unwrap_err();
    assert!(mistakes.to_string().contains("valu: 1}"), "{mistakes}");
}

#[test]
fn mistakes_are_data_too() {
    let text = "format: 1\nname: A\nsteps:\n  - {name: a, template: a, tmeout: 3s}\n";
    let mistakes = Definition::parse(text, "a.yaml", &Options::default()).unwrap_err();
    assert_eq!(
        serde_json::to_value(&mistakes).unwrap(),
        serde_json::json!([{
            "code": "SW0204",
            "message": "a step has no key `tmeout`",
            "file": "a.yaml",
            "line": 4,
            "column": 28,
            "length": 6,
            "label": "unknown",
            "help": "did you mean `timeout`?",
        }])
    );
    let error = stepwright_core::Error::from(mistakes);
    assert_eq!(error.to_string(), "a.yaml:4:28: a step has no key `tmeout`");
    assert_eq!(error.hint(), Some("did you mean `timeout`?"));
}

#[test]
fn a_file_with_very_many_mistakes_is_not_shown_whole() {
    let steps: Vec<String> = (0..200).map(|n| format!("  - {{name: s{n}, tmplate: x}}")).collect();
    let text = format!("format: 1\nname: A\nsteps:\n{}", steps.join("\n"));
    let mistakes = Definition::parse(&text, "a.yaml", &Options::default()).unwrap_err();
    assert_eq!((mistakes.len(), mistakes.left_out()), (MISTAKES_MAX, 150));
    assert!(mistakes.to_string().ends_with("\nand 150 more\n"));
}

#[test]
fn files_that_do_not_exist_or_contain_each_other_are_mistakes() {
    let dir = tempfile::tempdir().unwrap();
    let missing = Definition::read(dir.path().join("none.yaml"), &Options::default()).unwrap_err();
    assert!(missing.to_string().contains("cannot be read: there is no such file"), "{missing}");

    let write = |name: &str, other: &str| {
        let text = format!("format: 1\nname: {name}\nsteps:\n  - {{workflow: {other}.yaml}}\n");
        std::fs::write(dir.path().join(format!("{name}.yaml")), text).unwrap();
    };
    write("a", "b");
    write("b", "a");
    let cycle = Definition::read(dir.path().join("a.yaml"), &Options::default()).unwrap_err();
    let only = cycle.iter().next().unwrap();
    let message = "cannot use `a.yaml`: it contains itself: a.yaml -> b.yaml -> a.yaml";
    assert_eq!((cycle.len(), only.message.as_str()), (1, message));
    assert!(only.file.ends_with("b.yaml"));
}

#[test]
fn hostile_files_end_soon() {
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\n\
                c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\n\
                e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n\
                g: &g [*f,*f,*f,*f,*f,*f,*f,*f,*f]\nh: [*g,*g,*g,*g,*g,*g,*g,*g,*g]\n";
    Definition::parse(bomb, "bomb.yaml", &Options::default()).unwrap_err();
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    Definition::parse(&deep, "deep.yaml", &Options::default()).unwrap_err();
    let value = |expression: String| {
        format!("format: 1\nname: A\nsteps: [{{name: a, value: \"= {expression}\"}}]\n")
    };
    let bracket = format!("{}1{}", "(".repeat(5000), ")".repeat(5000));
    let long = "1 + ".repeat(5000) + "1";
    for hostile in [bracket, long, "!".repeat(4000) + "true", "input.a".repeat(600)] {
        Definition::parse(&value(hostile), "hostile.yaml", &Options::default()).unwrap_err();
    }
    let within_limits = [
        "1 + ".repeat(480) + "1",
        "!".repeat(1000) + "true",
        "input".to_owned() + &".a".repeat(450),
        "true ? 1 : ".repeat(150) + "2",
        format!("{}1{}", "[".repeat(30), "]".repeat(30)),
    ];
    for hard in within_limits {
        // Whatever comes of it: it must come to an end.
        if let Ok(definition) = Definition::parse(&value(hard), "hard.yaml", &Options::default()) {
            let _ = definition.build().unwrap().run("x").blocking();
        }
    }
    let template = format!("{{{{ {}1{} }}}}", "(".repeat(5000), ")".repeat(5000));
    let template = format!("format: 1\nname: A\nsteps: [{{name: a, template: '{template}'}}]\n");
    Definition::parse(&template, "template.yaml", &Options::default()).unwrap_err();
}

#[test]
fn large_files_are_checked_in_a_moment() {
    let steps = |each: &str| {
        let steps: Vec<String> = (0..2_000).map(|n| each.replace('N', &n.to_string())).collect();
        format!("format: 1\nname: Large\nsteps:\n{}", steps.join("\n"))
    };
    let right = steps("  - {name: sN, template: \"{{ previous }}\"}");
    Definition::parse(&right, "right.yaml", &Options::default()).unwrap();
    let wrong = steps("  - {name: sN, template: \"{{ steps.t }}\", colour: red}");
    let mistakes = Definition::parse(&wrong, "wrong.yaml", &Options::default()).unwrap_err();
    assert_eq!((mistakes.len(), mistakes.left_out()), (MISTAKES_MAX, 4_000 - MISTAKES_MAX));
    let many = vec!["  - {value: 1}"; 10_001].join("\n");
    let many = format!("format: 1\nname: Many\nsteps:\n{many}");
    let mistakes = Definition::parse(&many, "many.yaml", &Options::default()).unwrap_err();
    assert!(mistakes.to_string().contains("a workflow has at most 10000 steps"));
}

/// The words of the libraries that read files are not those of their authors.
#[test]
fn mistakes_are_in_words_of_this_project() {
    let broken = [
        "a: [1, 2",
        "a: {b: 1",
        "a: 'x",
        "a: \"x",
        "a: b: c",
        "a: *none",
        "a: &x\n  &y 1",
        "a:\n\t- b",
        "- a\nb: 1",
        "a: 1\n  b: 2",
        "a: \"\\q\"",
        "a: |x\n  b",
        "%YAML 9.9\n---\na: 1",
        "a: 1\n---\nb: 2",
        "a: !!int x",
        "a: !<",
        "a: }",
        "a: ]",
        ": :",
        "? a\n? b",
        "a: .nan",
        "a: .inf",
        "a: @x",
        "a: `x`",
        "a: 1e999",
        "a: !!binary x",
        "a: \u{1}",
        "[a, b]: c",
        "{",
        "[",
        "-",
        "- - -\na",
        "a: >-\nb",
        "*x",
        "&x",
        "a: [b: c: d]",
        "a: {b, c: }",
        "<<: 1",
        "a: !!set {b}",
        "\u{feff}a: [",
        "a: 0x",
        "a: !!float x",
    ];
    let words = [
        "scalar",
        "token",
        "stream",
        "node",
        "simple key",
        "while parsing",
        "did not find",
        "serde",
        "deserializ",
        "flow sequence",
        "flow mapping",
        "expected <",
        "EOF",
        "Budget",
        "unit",
        "Rust",
        "visitor",
        "untagged",
        "variant",
        "invalid type",
    ];
    for text in broken {
        let Err(mistakes) = Definition::parse(text, "b.yaml", &Options::default()) else {
            continue;
        };
        for mistake in &mistakes {
            let report = mistake.message.as_str();
            for word in words {
                assert!(!report.contains(word), "{text:?}: {report}");
            }
        }
    }
}

#[test]
fn a_constant_that_fails_is_found_in_the_file_of_a_prompt() {
    let dir = tempfile::tempdir().unwrap();
    let flow = dir.path().join("flow.yaml");
    let prompt = "{prompt: {file: write.md}, agent: a}";
    let text =
        format!("format: 1\nname: T\nmodel: offline\nagents: {{a: {{}}}}\nsteps: [{prompt}]\n");
    std::fs::write(&flow, text).unwrap();
    std::fs::write(dir.path().join("write.md"), "About\n{{ input }}: {{ [] | max }}\n").unwrap();
    let mistakes = Definition::read(&flow, &Options::default()).unwrap_err();
    let first = mistakes.iter().next().unwrap();
    assert_eq!(first.message, "`[] | max` in a template has no value");
    assert!(first.file.ends_with("write.md"), "{first:?}");
    assert_eq!((first.line, first.column), (2, 14));
}

/// The help of the first mistake that contains `words`, and the number of all mistakes.
fn helped(text: &str, words: &str) -> (String, usize) {
    let text = format!("format: 1\nname: T\n{text}\n");
    let mistakes = Definition::parse(&text, "t.yaml", &Options::default()).unwrap_err();
    let one = mistakes.iter().find(|mistake| mistake.message.contains(words));
    let one = one.unwrap_or_else(|| panic!("{words}: {mistakes}"));
    (one.help.clone().unwrap_or_default(), mistakes.len())
}

#[test]
fn keys_of_other_tools_are_answered_with_those_of_this_format() {
    let steps = "steps: [{name: a, template: x}]";
    for (text, words, help) in [
        (
            format!("schedule: {{cron: '@daily'}}\n{steps}"),
            "no key `schedule`",
            "write it under `on`",
        ),
        (format!("webhook: {{}}\n{steps}"), "no key `webhook`", "`on: {webhook: …}`"),
        (
            "steps: [{name: a, template: x, approval: true}]".into(),
            "no key `approval`",
            "human_review",
        ),
        ("steps: [{name: a, template: x, retry: {times: 3}}]".into(), "no key `times`", "`max`"),
        (
            "steps: [{name: a, template: x, retry: {max: 1, delay: 2}}]".into(),
            "no key `delay`",
            "`backoff`",
        ),
        ("steps: [{name: a, loop: {at_most: 3}, steps: []}]".into(), "one kind", "under `do:`"),
        ("steps: [{name: a, value: '= len(input) > 3'}]".into(), "no function `len`", "`size`"),
        (
            format!("on: {{schedule: {{cron: 61 2 * * *}}}}\n{steps}"),
            "`61` is no minute, which is 0 to 59",
            "",
        ),
        (format!("on: {{schedule: {{cron: 1 2 * mai *}}}}\n{steps}"), "`mai` is no month", ""),
        (
            format!("on: {{schedule: {{cron: daily}}}}\n{steps}"),
            "it has 1 field of 5",
            "did you mean `@daily`?",
        ),
    ] {
        let (found, count) = helped(&text, words);
        assert!(found.contains(help), "{text}: {found}");
        assert_eq!(count, 1, "{text}");
    }
    let (all, _) = helped(&format!("zzz: 1\n{steps}"), "no key `zzz`");
    assert!(all.contains("`steps`") && all.contains("`agents`"), "{all}");
}

#[test]
fn a_check_warns_of_structured_output_that_only_offline_would_write() {
    let text = "format: 1\nname: T\nmodel: offline\nagents:\n  \
                sorter: {output: {type: object, properties: {a: {type: string}}}}\n\
                steps: [{agent: sorter}]\n";
    let warned = Definition::parse(text, "t.yaml", &Options::default()).unwrap();
    let warning = warned.warnings().iter().next().unwrap();
    assert!(warning.message.contains("`offline` quotes texts and cannot write the `output`"));
    assert!(warning.help.as_deref().unwrap().contains("choose a language model"));
    let other = Options { model: Some("ollama:llama3".into()), ..Options::default() };
    assert!(Definition::parse(text, "t.yaml", &other).unwrap().warnings().is_empty());
}
