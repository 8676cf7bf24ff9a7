//! The text that goes to stdout, and the text that does not.

use crate::support::{AGENTS, GREETING, Place, Ran};
use std::io::Read as _;
use std::process::Stdio;
use stepwright::Event;
use stepwright_testing::grammar;

#[test]
fn texts_are_written_as_they_are_and_values_indented() {
    let text = "format: 1\nname: T\nsteps: [{name: a, template: \"two\\nlines\\n\"}]\n";
    assert_eq!(Place::with(text).run::<&str>([]).ended(0).stdout, "two\nlines\n");
    let value = "format: 1\nname: V\nsteps: [{name: a, value: {b: 1, a: [x]}}]\n";
    let ran = Place::with(value).run::<&str>([]).ended(0);
    assert_eq!(ran.stdout, "{\n  \"b\": 1,\n  \"a\": [\n    \"x\"\n  ]\n}\n");
    let nothing = "format: 1\nname: N\nsteps: [{name: a, value: null}]\n";
    assert_eq!(Place::with(nothing).run::<&str>([]).ended(0).stdout, "");
}

#[test]
fn what_agents_say_is_streamed_and_not_repeated() {
    let place = Place::with(AGENTS);
    assert_eq!(place.run::<&str>([]).ended(0).stdout, "Rust is small.\n");
    assert_eq!(place.run(["--stream"]).ended(0).stdout, "Rust is fast.\n\nRust is small.\n");
    let other = format!("{AGENTS}  - {{name: last, template: 'Quoted: {{{{ previous }}}}'}}\n");
    let ran = Place::with(&other).run(["--stream"]).ended(0);
    assert_eq!(ran.stdout, "Rust is fast.\n\nRust is small.\n\nQuoted: Rust is small.\n");
}

#[test]
fn a_notice_about_a_model_is_given_once() {
    let ran = Place::with(AGENTS).run::<&str>([]).ended(0);
    assert_eq!(
        ran.stderr,
        "note: offline is not a language model: it quotes the most telling sentences of what it \
         was given\n"
    );
}

#[test]
fn events_are_lines_of_json() {
    let place = Place::with(AGENTS);
    let all = place.run(["--json", "--events"]).ended(0).events();
    grammar::check(&all);
    assert!(all.iter().any(|event| event.name() == "StepStarted"));
    // Without `--events`: how it begins and ends, and what there is to read.
    let some = place.run(["--json"]).ended(0).events();
    let names: Vec<&str> = some.iter().map(Event::name).collect();
    assert_eq!(names.first(), Some(&"WorkflowStarted"));
    assert_eq!(names.last(), Some(&"WorkflowCompleted"));
    assert!(some.iter().all(|event| event.kind.is_content()), "{names:?}");
    assert!(names.contains(&"RunContent"), "{names:?}");
}

#[test]
fn events_are_plain_lines_on_stderr_without_json() {
    let flow = "\
format: 1
name: All
steps:
  - name: both
    parallel: {concurrency: 1}
    branches: [{name: a, template: a}, {name: b, value: = input.none, on_error: skip}]
  - {name: turns, loop: {at_most: 2}, do: [{name: t, template: t}]}
  - {name: each, map: {over: '= [1]'}, do: [{name: m, template: m}]}
  - {name: yes, if: true, then: [{name: c, template: c}]}
  - {name: way, router: r, choices: [{name: r, template: r}]}
";
    let place = Place::with(flow);
    let ran = place.run(["--events"]).ended(0);
    assert_eq!(ran.stdout, "r\n");
    let expected = "\
workflow started: All
started both: branches a, b
started both/a
completed both/a
started both/b
skipped both/b: the expression `input.none` asks `input` for `none`, but that is nothing
completed both
started turns: at most 2 turns
started turns#1: turn 1
started turns#1/t
completed turns#1/t
completed turns#1
started turns#2: turn 2
started turns#2/t
completed turns#2/t
completed turns#2
completed turns
started each: 1 item
started each#1: item 1
started each#1/m
completed each#1/m
completed each#1
completed each
decided yes: true
started yes/c
completed yes/c
completed yes
decided way: r
started way/r
completed way/r
completed way
workflow completed
";
    assert_eq!(ran.stderr, expected);
    assert_eq!(place.run(["--events"]).ended(0).stderr, expected);
    assert_eq!(place.run::<&str>([]).ended(0).stderr, "");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let many = "format: 1\nname: Long\nsteps: [{name: a, value: '= lists.range(100000)'}]\n";
    for arguments in [&["run", "flow.yaml"][..], &["run", "flow.yaml", "--json", "--events"]] {
        let place = Place::with(many);
        let mut child = place
            .command(arguments)
            .args(["--db", "a.db"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut first = [0];
        let mut stdout = child.stdout.take().unwrap();
        stdout.read_exact(&mut first).unwrap();
        drop(stdout);
        let ran = Ran::from(child.wait_with_output().unwrap()).ended(0);
        // And the run does not notice.
        assert!(ran.stderr.starts_with("run ") && ran.stderr.ends_with(" completed\n"), "{ran:?}");
        assert_eq!(place.runs_in("a.db")[0].1, stepwright::RunStatus::Completed);
    }
}

#[test]
fn an_output_that_cannot_be_written_is_a_failure() {
    let Ok(full) = std::fs::OpenOptions::new().write(true).open("/dev/full") else {
        return;
    };
    let place = Place::with(GREETING);
    let mut command = place.command(["run", "flow.yaml", "Ada", "--db", "a.db"]);
    let ran = Ran::of(command.stdout(full)).ended(1);
    assert!(ran.stderr.contains("error[SW0116]: the output could not be written"), "{ran:#?}");
    assert!(ran.stderr.contains("caused by: No space left on device"), "{ran:#?}");
    assert_eq!(place.runs_in("a.db")[0].1, stepwright::RunStatus::Completed);
}
