//! Steps that run when others have ended, stops, races, batches and rates in files.

use crate::runs::{fails, gives};
use serde_json::json;
use stepwright_core::{Error, RunOutput, StepStatus};
use stepwright_file::{Definition, Options};

async fn run(text: &str) -> Result<RunOutput, Error> {
    let options = Options { allow_shell: true, ..Options::default() };
    let text = format!("format: 1\nname: Test\n{text}");
    let definition = Definition::parse(&text, "test.yaml", &options);
    let definition = definition.unwrap_or_else(|mistakes| panic!("{mistakes}"));
    definition.build().unwrap().run("in").await
}

fn mistakes(text: &str) -> String {
    let text = format!("format: 1\nname: Test\n{text}");
    Definition::parse(&text, "test.yaml", &Options::default()).unwrap_err().to_string()
}

fn said(output: &RunOutput, path: &str) -> String {
    output.step_at(path).unwrap_or_else(|| panic!("no `{path}`")).content.text().into_owned()
}

#[tokio::test]
async fn finally_and_on_failure_know_the_error() {
    let error = run("
steps:
  - {name: first, value: 1}
  - {name: work, shell: 'echo no >&2; exit 3'}
  - {name: never, value: 2}
on_failure:
  - name: tell
    value: {path: = error.path, kind: = error.kind, code: = error.code}
finally:
  - {name: clean, template: '{{ error.path }} {{ error.kind }} {{ steps.first }} {{ steps.never }}'}
  - {name: message, value: = error.message}
")
    .await
    .unwrap_err();
    assert_eq!(error.step().unwrap().as_str(), "work");
    let output = error.output().unwrap();
    let told = output.step_at("on_failure/tell").unwrap().content.to_value();
    assert_eq!(told["path"], "work");
    assert_eq!(told["kind"], "failed");
    assert!(told["code"].as_str().unwrap().starts_with("SW"), "{told}");
    assert_eq!(said(output, "finally/clean"), "work failed 1 ");
    assert!(said(output, "finally/message").contains('3'));
}

#[tokio::test]
async fn the_error_is_null_when_all_completed() {
    let output = run("
steps: [{name: work, value: done}]
on_failure: [{name: tell, value: failed}]
finally:
  - {name: clean, value: = error == null}
  - {name: text, template: \"{{ 'after a failure' if error else 'after success' }}\"}
")
    .await
    .unwrap();
    assert_eq!(output.content.text(), "done");
    assert_eq!(output.step_at("finally/clean").unwrap().content.to_value(), true);
    assert_eq!(said(&output, "finally/text"), "after success");
    assert!(output.step_at("on_failure").is_none());
}

#[tokio::test]
async fn each_container_has_a_finally() {
    for container in [
        "steps: [{name: x, value: = 1/(size(input) * 0)}]",
        "parallel:\n    branches: [{name: x, value: = 1/(size(input) * 0)}, {name: y, value: 1}]",
        "loop: {at_most: 2}\n    do: [{name: x, value: = 1/(size(input) * 0)}]",
        "if: true\n    then: [{name: x, value: = 1/(size(input) * 0)}]",
        "router: x\n    choices: [{name: x, value: = 1/(size(input) * 0)}]",
        "map: {over: '= [1]'}\n    do: [{name: x, value: = 1/(size(input) * 0)}]",
    ] {
        let text = format!(
            "steps:\n  - name: c\n    {container}\n    on_failure: [{{name: t, value: = error.kind}}]\n    \
             finally: [{{name: f, value: = error.path}}]\n"
        );
        let error = run(&text).await.unwrap_err();
        let output = error.output().unwrap();
        assert_eq!(said(output, "c/on_failure/t"), "decision", "{text}");
        assert!(said(output, "c/finally/f").ends_with("/x"), "{text}");
    }
}

#[tokio::test]
async fn steps_are_undone_with_their_output_in_scope() {
    let steps = "  - name: a
    value: seat 7
    undo: {name: free, template: 'free {{ previous }} because {{ error.path }} failed'}
  - name: b
    value: ticket
    undo:
      - {name: look, value: = steps.a}
      - {name: void, template: 'void {{ previous }}'}
  - {name: c, value: = 1/(size(input) * 0)}
";
    let error = fails(steps, json!("in")).await;
    let output = error.output().unwrap();
    assert_eq!(said(output, "a/undo/free"), "free seat 7 because c failed");
    assert_eq!(said(output, "b/undo/look"), "seat 7");
    assert_eq!(said(output, "b/undo/void"), "void seat 7");
    let order: Vec<_> = output.step_results.iter().map(|step| step.path.as_str()).collect();
    assert_eq!(order, ["a", "b", "c", "b/undo", "a/undo"]);
}

#[tokio::test]
async fn a_stop_ends_the_run_with_its_value() {
    let steps = "  - {name: check, value: = input}
  - {name: known, if: = previous == 'seen', then: [{name: done, stop: nothing to do}]}
  - {name: work, template: 'working on {{ input }}'}
";
    gives(steps, json!("seen"), json!("nothing to do")).await;
    gives(steps, json!("new"), json!("working on new")).await;
    let steps = "  - name: m
    map: {over: '= [1, 2, 3]', concurrency: 1}
    do:
      - {name: two, if: = item == 2, then: [{stop: {found: = item}}]}
      - {name: three, if: = item == 3, then: [{name: never, value: = 1/(size(input) * 0)}]}
";
    gives(steps, json!("in"), json!({"found": 2})).await;
}

#[tokio::test]
async fn the_first_branch_wins_and_a_quorum_is_enough() {
    let steps = "  - name: p
    parallel: {join: first}
    branches: [{name: a, sleep: 10s}, {name: b, template: b}]
";
    gives(steps, json!("in"), json!("b")).await;
    let steps = "  - name: p
    parallel: {join: {quorum: 2}}
    branches:
      - {name: a, value: 1}
      - {name: b, value: = 1/(size(input) * 0)}
      - {name: c, value: 3}
      - {name: d, sleep: 9h}
";
    gives(steps, json!("in"), json!({"a": 1, "b": null, "c": 3, "d": null})).await;
}

#[tokio::test]
async fn a_map_has_batches_and_a_rate() {
    let steps = "  - name: m
    map: {over: '= [1, 2, 3, 4, 5]', batch: 2, rate: 1000/s}
    do: [{name: x, value: = size(item)}]
";
    gives(steps, json!("in"), json!([2, 2, 1])).await;
}

#[test]
fn the_tree_shows_the_steps_that_run_afterwards() {
    let text = "format: 1
name: Test
steps:
  - {name: a, value: 1, undo: {name: u, value: 2}}
  - name: m
    map: {over: '= [1]', batch: 2, rate: 5/m, join: {quorum: 1}}
    do: [{name: x, value: 1}]
finally: [{name: f, stop: 3}]
";
    let tree =
        Definition::parse(text, "t.yaml", &Options::default()).unwrap().explain().to_string();
    let expected = "\
Test
├─ a  value
│  └─ undo
│     └─ u  value
├─ m  map  over [1], 1 are enough, 2 as one, 5 in 1m
│  └─ x  value
└─ finally
   └─ f  stop  ends the run
";
    assert_eq!(tree, expected);
}

#[test]
fn wrong_places_are_told_with_help() {
    let cases = [
        (
            "steps: [{name: a, value: 1, finally: [{name: b, value: 1}]}]",
            "a step has no key `finally`",
        ),
        (
            "steps: [{name: a, value: 1, finally: [{name: b, value: 1}]}]",
            "put the step into `steps: […]`",
        ),
        (
            "steps: [{name: s, steps: [{name: a, value: 1}], undo: {name: b, value: 1}}]",
            "give it to the steps in this `steps`",
        ),
        (
            "steps: [{name: a, value: = error.message}]",
            "use it under `on_failure`, `finally` or `undo`",
        ),
        (
            "steps: [{name: a, value: 1}]\nfinally: [{name: b, value: = error.mesage}]",
            "it has `message`, `code`, `path` and `kind`",
        ),
        (
            "steps: [{name: finally, value: 1}]\nfinally: [{name: b, value: 1}]",
            "a step is called `finally`",
        ),
        (
            "steps: [{name: a, value: 1}]\nfinally: [{name: b, value: = steps.c}]",
            "there is no step `c`",
        ),
        ("steps: [{name: a, value: 1}]\nfinally: []", "`finally` has no steps"),
        (
            "steps: [{name: p, parallel: {join: {quorum: 3}}, branches: [{name: a, value: 1}]}]",
            "the quorum is 3, and there are 1 branches",
        ),
        (
            "steps: [{name: p, parallel: {join: {}}, branches: [{name: a, value: 1}]}]",
            "`join` needs `quorum`",
        ),
        (
            "steps: [{name: p, parallel: {join: frist}, branches: [{name: a, value: 1}]}]",
            "did you mean `first`?",
        ),
        (
            "steps: [{name: m, map: {over: '= [1]', rate: 5}, do: [{name: a, value: 1}]}]",
            "`rate` is a text",
        ),
        (
            "steps: [{name: m, map: {over: '= [1]', rate: 5/x}, do: [{name: a, value: 1}]}]",
            "and not `5/x`",
        ),
        (
            "steps: [{name: m, map: {over: '= [1]', rate: 0/s}, do: [{name: a, value: 1}]}]",
            "write how many may begin in which time",
        ),
        (
            "steps: [{name: m, map: {over: '= [1]', batch: 0}, do: [{name: a, value: 1}]}]",
            "`batch` is a whole number from 1 to 100000",
        ),
    ];
    for (text, told) in cases {
        let report = mistakes(text);
        assert!(report.contains(told), "{text}\n{report}");
    }
}

#[tokio::test]
async fn a_file_in_a_file_brings_its_own_finally() {
    let dir = tempfile::tempdir().unwrap();
    let inner = "format: 1
name: Inner
steps: [{name: x, value: = 1/(size(input) * 0)}]
finally: [{name: f, value: = error.path}]
";
    let outer = "format: 1\nname: Outer\nsteps: [{name: w, workflow: inner.yaml}]\n";
    std::fs::write(dir.path().join("inner.yaml"), inner).unwrap();
    std::fs::write(dir.path().join("outer.yaml"), outer).unwrap();
    let definition = Definition::read(dir.path().join("outer.yaml"), &Options::default()).unwrap();
    let error = definition.build().unwrap().run("in").await.unwrap_err();
    let found = error.output().unwrap().step_at("w/finally/f").unwrap();
    assert_eq!((found.status, &*found.content.text()), (StepStatus::Completed, "w/x"));
}
