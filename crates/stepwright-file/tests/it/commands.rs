//! Commands: what they are given, and what becomes of what they start.

#![cfg(unix)]

use futures_util::StreamExt as _;
use std::path::Path;
use stepwright_core::{Content, Error, EventKind};
use stepwright_file::{Definition, Options};

fn options(dir: &Path) -> Options {
    Options { allow_shell: true, base_dir: Some(dir.to_path_buf()), ..Options::default() }
}

async fn run_with(options: &Options, step: &str, input: &str) -> Result<String, Error> {
    let text = format!("format: 1\nname: Test\nsteps:\n  - {step}\n");
    let definition = Definition::parse(&text, "test.yaml", options);
    let workflow = definition.unwrap_or_else(|mistakes| panic!("{text}\n{mistakes}")).build()?;
    Ok(workflow.run(Content::from(input)).await?.content.text().into_owned())
}

async fn run(step: &str, input: &str) -> String {
    let dir = tempfile::tempdir().unwrap();
    run_with(&options(dir.path()), step, input).await.unwrap()
}

/// A text that a shell would run if it read it.
const HOSTILE: &str = "a'b\"c`id`$(touch hacked)\n;touch hacked #\\";

#[tokio::test]
async fn values_reach_a_command_as_they_are() {
    let steps = [
        "{name: a, shell: \"printf %s {{ input }}\"}",
        "{name: a, shell: {command: 'printf %s \"$1\"', args: [\"{{ input }}\"]}}",
        "{name: a, shell: {command: 'printf %s \"$TEXT\"', env: {TEXT: \"{{ input }}\"}}}",
        "{name: a, shell: {argv: [printf, '%s', \"{{ input }}\"]}}",
        "{name: a, shell: {command: cat, stdin: \"{{ input }}\"}}",
        "{name: a, shell: {argv: [cat], stdin: \"{{ input }}\"}}",
        "{name: a, shell: {argv: [sh, -c, 'printf %s \"$1\"', sh, \"{{ input }}\"]}}",
    ];
    let dir = tempfile::tempdir().unwrap();
    for step in steps {
        let got = run_with(&options(dir.path()), step, HOSTILE).await.unwrap();
        assert_eq!(got, HOSTILE, "{step}");
    }
    assert_eq!(dir.path().read_dir().unwrap().count(), 0, "nothing of it was run");
}

#[tokio::test]
async fn an_output_loses_its_last_line_break_and_tells_of_bytes_that_are_no_text() {
    for (printed, wanted) in
        [("a\\n", "a"), ("a\\n\\n", "a\n"), ("a\\r\\n", "a"), ("\\n", ""), (" a ", " a ")]
    {
        let step = format!(
            "{{name: a, shell: {{argv: [printf, \"{}\"]}}}}",
            printed.replace('\\', "\\\\")
        );
        assert_eq!(run(&step, "").await, wanted, "{printed}");
    }
    let text = "format: 1\nname: T\nsteps:\n  - {name: a, shell: \"printf 'a\\\\377'\"}\n";
    let dir = tempfile::tempdir().unwrap();
    let workflow = Definition::parse(text, "test.yaml", &options(dir.path())).unwrap().build();
    let events: Vec<_> = workflow.unwrap().run("x").stream_events(true).stream().collect().await;
    let notes = events.iter().filter_map(|event| match &event.kind {
        EventKind::StepProgress { content, .. } => Some(content.text().into_owned()),
        _ => None,
    });
    let note = "the command wrote bytes that are not UTF-8; `\u{fffd}` stands for them";
    assert_eq!(notes.collect::<Vec<_>>(), [note]);
}

#[tokio::test]
async fn arguments_are_numbered_and_the_rest_of_a_command_is_as_it_was() {
    let step = "{name: a, shell: {command: 'echo \"$#:$2:$1\"; cat', \
                args: [a, \"{{ input }}\"], stdin: end}}";
    assert_eq!(run(step, "b c").await, "2:b c:a\nend");
    let dir = tempfile::tempdir().unwrap();
    let failed = |step: &'static str, input: &'static str| {
        let options = options(dir.path());
        async move { run_with(&options, step, input).await.unwrap_err() }
    };
    let error = failed("{name: a, shell: 'echo oops >&2; exit 3'}", "").await;
    assert_eq!(error.to_string(), "step `a` failed: the command failed (exit status: 3): oops");
    let error = failed("{name: a, shell: 'kill -TERM $$'}", "").await;
    assert!(error.to_string().contains("signal: 15"), "{error}");
    let error = failed("{name: a, shell: {argv: [no-such-program]}}", "").await;
    assert!(error.to_string().contains("no-such-program"), "{error}");
    let error = failed("{name: a, shell: \"echo {{ input }}\"}", "a\0b").await;
    assert_eq!(error.to_string(), "step `a` failed: the command contains a NUL byte");
}

#[tokio::test]
async fn commands_are_given_no_variables_but_the_usual_ones() {
    // Tests are given these by Cargo, as a server is given its keys.
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
    let dir = tempfile::tempdir().unwrap();
    let step = "{name: a, shell: {command: env, env: {MINE: \"{{ input }}\"}}}";
    let given = |options: Options| async move {
        let text = run_with(&options, step, "x").await.unwrap();
        let names = text.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name);
        names.map(ToOwned::to_owned).collect::<Vec<_>>()
    };
    let usual = [
        "PATH",
        "HOME",
        "LANG",
        "LANGUAGE",
        "TZ",
        "TERM",
        "COLORTERM",
        "NO_COLOR",
        "USER",
        "LOGNAME",
        "SHELL",
        "TMPDIR",
        "TEMP",
        "TMP",
        "PWD",
        "OLDPWD",
        "SHLVL",
        "_",
        "STEPWRIGHT_PROCESS_GROUP",
        "MINE",
    ];
    let names = given(options(dir.path())).await;
    for name in &names {
        assert!(usual.contains(&name.as_str()) || name.starts_with("LC_"), "{name}");
    }
    assert!(names.iter().any(|name| name == "PATH") && names.iter().any(|name| name == "MINE"));
    let pass_env = vec!["CARGO_MANIFEST_DIR".to_owned()];
    let names = given(Options { pass_env, ..options(dir.path()) }).await;
    assert!(names.iter().any(|name| name == "CARGO_MANIFEST_DIR"), "{names:?}");
    assert!(!names.iter().any(|name| name == "CARGO_PKG_NAME"), "{names:?}");
    let pass_env = vec!["A=1".to_owned()];
    let wrong = Options { pass_env, ..options(dir.path()) };
    let text = "format: 1\nname: T\nsteps: [{template: x}]\n";
    let mistakes = Definition::parse(text, "t.yaml", &wrong).unwrap_err();
    assert!(mistakes.to_string().contains("`A=1` is not the name"), "{mistakes}");
}

#[test]
fn what_is_wrong_with_a_command_is_told_with_the_safe_form() {
    let said = |step: &str| {
        let text = format!("format: 1\nname: Test\nsteps:\n  - {{name: a, shell: {step}}}\n");
        let dir = tempfile::tempdir().unwrap();
        let mistakes = Definition::parse(&text, "test.yaml", &options(dir.path())).unwrap_err();
        assert_eq!(mistakes.len(), 1, "{mistakes}");
        let first = mistakes.iter().next().unwrap().clone();
        (first.message, first.help.unwrap_or_default(), first.column)
    };
    let (message, help, column) = said("'echo \"{{ input }}\"'");
    assert_eq!(message, "an expression inside double quotes can be run by the shell");
    assert!(help.contains("`command: 'echo \"$1\"'` with `args: [\"{{ input }}\"]`"), "{help}");
    assert_eq!(column, 29);
    assert!(said("\"cat <<EOF\\n{{ input }}\\nEOF\\n\"").1.contains("stdin: \"{{ input }}\""));
    assert!(said("\"bash -c {{ input }}\"").1.contains("bash -c 'echo \"$1\"' _ \"$1\""));
    assert!(said("{argv: [sh, -c, \"{{ input }}\"]}").0.contains("code for `sh`"));
    assert!(said("{argv: [\"{{ input }}\"]}").0.contains("name the program"));
    assert!(said("{argv: []}").0.contains("has no program"));
    assert!(said("{argv: [a], command: b}").0.contains("with all its arguments"));
    assert!(said("{argv: [a], args: [b]}").0.contains("with all its arguments"));
    assert!(said("{command: sh, stdin: \"{{ input }}\"}").0.contains("run its input"));
    assert!(said("{argv: [python3, '-'], stdin: \"{{ input }}\"}").0.contains("run its input"));
    assert!(
        said("{argv: [sh, -c, 'eval \"$A\"'], env: {A: \"{{ input }}\"}}").0.contains("`eval`")
    );
    assert!(said("{command: ls, env: {LD_PRELOAD: \"{{ input }}\"}}").0.contains("`LD_PRELOAD`"));
    assert!(said("{command: ls, env: {TAR_OPTIONS: \"{{ input }}\"}}").1.contains("`INPUT_TEXT`"));
    assert!(said("{command: ls, env: {A-B: a}}").0.contains("`A-B`"));
    assert!(
        said("{command: 'eval \"$A\"', env: {A: \"{{ input }}\"}}").0.contains("code for `eval`")
    );
    assert!(said("{command: 'sh -c \"$1\"', args: [\"{{ input }}\"]}").0.contains("code for `sh`"));
    // A template can give a value without an expression in braces.
    let hidden = "{% filter replace('a', input) %}a{% endfilter %}";
    assert!(
        said(&format!("{{command: 'eval \"$1\"', args: [\"{hidden}\"]}}")).0.contains("`eval`")
    );
    assert!(said(&format!("\"{hidden}\"")).0.contains("`filter` cannot stand"));
    // References of each are checked.
    for step in [
        "{command: a, args: [\"{{ imput }}\"]}",
        "{command: a, env: {A: \"{{ imput }}\"}}",
        "{argv: [a, \"{{ imput }}\"]}",
    ] {
        assert_eq!(said(step).0, "there is no `imput`", "{step}");
    }
}

#[test]
fn no_command_runs_a_file_that_a_step_writes_with_values() {
    let parse = |steps: &[&str]| {
        let steps = steps.iter().fold(String::new(), |all, step| all + "  - " + step + "\n");
        let text = format!("format: 1\nname: Test\nsteps:\n{steps}");
        Definition::parse(&text, "test.yaml", &options(Path::new("."))).map_err(|e| e.to_string())
    };
    let writes = [
        "{name: w, write_file: tools/go.sh}",
        "{name: w, write_file: {path: ./tools/x/../go.sh, text: 'echo {{ input }}'}}",
        "{name: w, shell: \"echo {{ input }} > tools/go.sh\"}",
        "{name: w, shell: {command: 'cat > tools/go.sh', stdin: \"{{ input }}\"}}",
        "{name: w, shell: {command: 'printf %s \"$1\" | tee tools/go.sh', args: [\"{{ input }}\"]}}",
        "{name: w, shell: {command: 'cd tools; cat > go.sh', stdin: \"{{ input }}\"}}",
    ];
    let runs = [
        "{name: r, shell: sh tools/go.sh}",
        "{name: r, shell: ./tools/go.sh}",
        "{name: r, shell: '. tools/go.sh'}",
        "{name: r, shell: {command: 'bash -eu tools/go.sh \"$1\"', args: [\"{{ input }}\"]}}",
        "{name: r, shell: {command: 'for f in a b; do python3 tools/go.sh $f; done'}}",
        "{name: r, shell: 'if true; then source ./tools/go.sh; fi'}",
        "{name: r, shell: 'cd tools && sh go.sh'}",
        "{name: r, shell: {argv: [sh, tools/go.sh]}}",
        "{name: r, shell: 'cat tools/go.sh | sh'}",
        "{name: r, shell: 'base64 -d < tools/go.sh | bash -s'}",
        "{name: r, shell: 'head -n 3 tools/go.sh | python3 -'}",
        "{name: r, shell: 'eval \"$(cat tools/go.sh)\"'}",
        "{name: r, shell: 'sh -c \"$(cat tools/go.sh)\"'}",
        "{name: r, shell: 'cp tools/go.sh x.sh; sh x.sh'}",
        "{name: r, shell: {argv: [./tools/go.sh, \"{{ input }}\"]}}",
        "{name: r, shell: \"bash -c 'sh tools/go.sh'\"}",
        "{name: r, parallel: {}, branches: [{name: a, shell: sh tools/go.sh}, {name: b, template: x}]}",
    ];
    for write in writes {
        for run in runs {
            let report = parse(&[write, run]).expect_err(&format!("{write} {run}"));
            assert!(report.contains("this command runs `"), "{write} {run}\n{report}");
            assert!(report.contains("give its name to a constant script"), "{report}");
            // The next turn of a loop, or the next run, comes after it.
            let report = parse(&[run, write]).expect_err(&format!("{run} {write}"));
            assert!(report.contains("this step writes `"), "{run} {write}\n{report}");
        }
    }
    for steps in [
        [
            "{name: w, write_file: {path: go.sh, text: 'echo constant'}}",
            "{name: r, shell: sh go.sh}",
        ],
        ["{name: w, shell: echo true > go.sh}", "{name: r, shell: sh go.sh}"],
        ["{name: w, write_file: data/go.sh}", "{name: r, shell: sh tools/go.sh}"],
        ["{name: w, write_file: data.txt}", "{name: r, shell: sh go.sh data.txt}"],
        ["{name: w, write_file: go.sh}", "{name: r, shell: cat go.sh}"],
        ["{name: w, write_file: a.txt}", "{name: r, shell: 'cat a.txt | wc -l; sh go.sh'}"],
        ["{name: w, write_file: a.txt}", "{name: r, shell: 'cp a.txt b.txt; sh go.sh'}"],
    ] {
        parse(&steps).unwrap_or_else(|report| panic!("{steps:?}\n{report}"));
    }
}

fn is_alive(process: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // A zombie that its parent has not looked at yet does nothing any more.
    !stat.is_empty() && !stat.contains(") Z ")
}

async fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..3_000 {
        if holds() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("{what}");
}

#[tokio::test]
async fn what_a_command_leaves_running_lives_on_and_no_zombie_is_left() {
    let dir = tempfile::tempdir().unwrap();
    let step = "{name: a, shell: 'sleep 300 >/dev/null 2>&1 & echo $!'}";
    let process = run_with(&options(dir.path()), step, "").await.unwrap();
    assert!(is_alive(&process), "a server for later steps");
    for _ in 0..3 {
        run_with(&options(dir.path()), "{name: a, shell: 'true'}", "").await.unwrap();
    }
    let slow = "{name: a, shell: {command: 'sleep 300 & sleep 300', timeout: 50ms}}";
    run_with(&options(dir.path()), slow, "").await.unwrap_err();
    let own = format!(") Z {} ", std::process::id());
    wait_until("zombies are left", || {
        let stats = std::fs::read_dir("/proc").unwrap().flatten();
        let mut stats =
            stats.filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok());
        !stats.any(|stat| stat.contains(&own) && stat.contains("(sh)"))
    })
    .await;
    let kill = std::process::Command::new("kill").arg(&process).status().unwrap();
    assert!(kill.success());
}

#[tokio::test]
async fn writers_of_one_file_do_not_disturb_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let text = "
format: 1
name: Same
steps:
  - name: m
    map: {over: '= lists.range(40)', concurrency: 40}
    do: [{name: w, write_file: {path: out/same.txt, text: \"{{ item }}{{ input }}\"}}]
";
    let workflow =
        Definition::parse(text, "same.yaml", &options(dir.path())).unwrap().build().unwrap();
    let tail = "x".repeat(100_000);
    let output = workflow.run(tail.as_str()).await.unwrap();
    assert_eq!(output.content.to_value().as_array().unwrap().len(), 40);
    let written = std::fs::read_to_string(dir.path().join("out/same.txt")).unwrap();
    let (number, rest) = written.split_at(written.find('x').unwrap());
    assert!(number.parse::<u32>().unwrap() < 40 && rest == tail, "it is one text, whole");
    assert_eq!(
        dir.path().join("out").read_dir().unwrap().count(),
        1,
        "nothing is left lying about"
    );
}
