//! The built-in functions, of which each has a file and a line in a list.

use serde_json::json;
use stepwright_core::Json;
use stepwright_file::{Definition, Diagnostics, Functions, Options};

/// The kinds of steps that are no built-in functions.
const OTHERS: [&str; 9] =
    ["agent", "team", "steps", "parallel", "loop", "if", "router", "map", "workflow"];

/// Each place of a built-in function for expressions, with a reference that is wrong.
const WRONG: [&str; 33] = [
    "function: {name: known, with: {a: = steps.nowhere}}",
    "template: '{{ steps.nowhere }}'",
    "stop: = steps.nowhere",
    "value: = steps.nowhere",
    "value: {a: [1, {b: = steps.nowhere}], c: = steps.nowhere}",
    "set_state: {a: 1, b: = steps.nowhere}",
    "increment_state: {a: = steps.nowhere}",
    "append_state: {a: [= steps.nowhere]}",
    "merge_state: {a: {b: = steps.nowhere}}",
    "read_files: '{{ steps.nowhere }}/*'",
    "read_files: {glob: '{{ steps.nowhere }}/*', max_files: 3}",
    "write_file: '{{ steps.nowhere }}'",
    "write_file: {path: '{{ steps.nowhere }}', text: '{{ steps.nowhere }}'}",
    "sleep: = steps.nowhere",
    "sleep: {until: = steps.nowhere}",
    "wait_for: {event: a, key: = steps.nowhere, match: = event.x == steps.nowhere, timeout: = \
     steps.nowhere, default: [= steps.nowhere]}",
    "append_file: '{{ steps.nowhere }}'",
    "append_file: {path: '{{ steps.nowhere }}', text: '{{ steps.nowhere }}'}",
    "read_files: {glob: a, exclude: ['{{ steps.nowhere }}']}",
    "http_get: 'https://example.org/{{ steps.nowhere }}'",
    "http_get: {url: 'https://example.org/{{ steps.nowhere }}', timeout: 1s}",
    "http: {url: 'https://example.org/{{ steps.nowhere }}'}",
    "http: {url: 'http://a', query: {q: ['{{ steps.nowhere }}', b]}, headers: {x: '{{ steps.nowhere }}'}}",
    "http: {url: 'http://a', query: '= steps.nowhere', auth: {bearer: '{{ steps.nowhere }}'}}",
    "http: {url: 'http://a', auth: {basic: {user: '{{ steps.nowhere }}', password: '{{ steps.nowhere }}'}}}",
    "http: {url: 'http://a', method: PUT, json: {a: [= steps.nowhere]}}",
    "http: {url: 'http://a', method: PUT, form: {a: '{{ steps.nowhere }}'}, headers: {a: b}}",
    "shell: echo {{ steps.nowhere }}",
    "shell: {command: 'echo \"$1\"', args: ['{{ steps.nowhere }}', '{{ steps.nowhere }}']}",
    "shell: {command: cat, stdin: '{{ steps.nowhere }}'}",
    "shell: {command: 'echo \"$A\"', env: {A: '{{ steps.nowhere }}'}}",
    "shell: {argv: [echo, '{{ steps.nowhere }}', '{{ steps.nowhere }}']}",
    "shell: {argv: [echo], stdin: '{{ steps.nowhere }}', env: {A: '{{ steps.nowhere }}'}}",
];

fn mistakes(step: &str) -> Diagnostics {
    let text = format!("format: 1\nname: Example\nsteps:\n  - {step}\n");
    let functions = Functions::new().with("known", |text: String| async move { text });
    let options = Options { allow_shell: true, functions, ..Options::default() };
    Definition::parse(&text, "example.yaml", &options).unwrap_err()
}

/// Returns the keys of all kinds of steps, as the help for a step without one lists them.
pub(crate) fn kinds_of_steps() -> Vec<String> {
    let mistakes = mistakes("name: nothing");
    let help = mistakes.iter().next().unwrap().help.clone().unwrap();
    let kinds: Vec<String> = help.split('`').skip(1).step_by(2).map(ToOwned::to_owned).collect();
    assert!(kinds.len() > 12, "{help}");
    kinds
}

#[test]
fn every_expression_of_a_built_in_function_is_checked() {
    for step in WRONG {
        let mistakes = mistakes(step);
        let messages: Vec<&str> = mistakes.iter().map(|mistake| &*mistake.message).collect();
        let count = step.matches("nowhere").count();
        assert_eq!(messages, vec!["there is no step `nowhere`"; count], "{step}");
    }
    for kind in &kinds_of_steps() {
        let is_here = WRONG.iter().any(|step| step.starts_with(&format!("{kind}: ")));
        assert!(is_here || OTHERS.contains(&&**kind), "`{kind}` is not in the list");
    }
}

#[test]
fn a_key_stands_for_one_kind_of_step() {
    let kinds = kinds_of_steps();
    for kind in &kinds {
        assert_eq!(kinds.iter().filter(|other| *other == kind).count(), 1, "{kind}");
    }
}

#[test]
fn an_option_that_a_function_does_not_have_is_refused_with_the_reason() {
    for option in ["retry: 2", "timeout: 5s", "history: true", "on_interrupted: retry"] {
        let mistakes = mistakes(&format!("{{sleep: 1s, {option}}}"));
        let mistake = mistakes.iter().next().unwrap();
        let key = option.split(':').next().unwrap();
        assert_eq!(mistake.message, format!("a step has no key `{key}`"));
        let help = mistake.help.as_deref().unwrap();
        assert!(help.starts_with("a `sleep` "), "{option}: {help}");
        // Functions that can fail and act have it.
        let text = format!("format: 1\nname: Example\nsteps: [{{template: x, {option}}}]\n");
        Definition::parse(&text, "example.yaml", &Options::default()).unwrap();
    }
}

#[tokio::test]
async fn a_file_calls_functions_of_the_program_by_name() {
    let double = |Json(number): Json<f64>| async move { Json(number * 2.0) };
    let functions = Functions::new().with("double", double);
    let options = Options { functions, ..Options::default() };
    let text = "format: 1\nname: F\nsteps:\n  \
                - {name: once, function: {name: double, with: = input.n}}\n  \
                - {name: twice, function: double, retry: 1}\n";
    let definition = Definition::parse(text, "f.yaml", &options).unwrap();
    let outline = definition.explain();
    assert_eq!((&*outline.steps[0].kind, &*outline.steps[0].detail), ("function", "double"));
    let output = definition.build().unwrap().run(json!({"n": 4})).await.unwrap();
    assert_eq!(output.content.to_value(), json!(16.0));
    let wrong = text.replace("function: double", "function: duoble");
    let mistakes = Definition::parse(&wrong, "f.yaml", &options).unwrap_err();
    let first = mistakes.iter().next().unwrap();
    assert_eq!(first.message, "this program has no function `duoble`");
    assert_eq!(first.help.as_deref(), Some("did you mean `double`?"));
    // A check needs no functions, as it needs no keys.
    let checks = Options { only_checks: true, ..Options::default() };
    Definition::parse(&wrong, "f.yaml", &checks).unwrap();
}
