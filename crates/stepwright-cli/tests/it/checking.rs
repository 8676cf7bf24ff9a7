//! `stepwright check`.

use crate::support::{FAILING, GREETING, Place};
use serde_json::Value;

#[test]
fn a_file_without_mistakes_is_shown_as_a_tree() {
    let place = Place::with(GREETING);
    let ran = place.ran(["check", "flow.yaml"]).ended(0);
    assert_eq!(ran.stdout, "flow.yaml: ok\nGreeting\n└─ greet  template\n");
    assert_eq!(ran.stderr, "");
    let json = place.ran(["check", "flow.yaml", "--json"]).ended(0);
    let outline: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(outline["name"], "Greeting");
    assert_eq!(outline["steps"][0]["kind"], "template");
}

#[test]
fn mistakes_are_shown_with_excerpts_or_as_json() {
    let place = Place::with(
        &GREETING
            .replace("input", "imput")
            .replace("steps:", "steps:\n  - {template: '{{ inpt }}'}"),
    );
    let ran = place.ran(["check", "flow.yaml"]).ended(2);
    assert_eq!(ran.stdout, "");
    assert!(ran.stderr.contains("did you mean `input`?"), "{ran:#?}");
    assert!(ran.stderr.contains(" mistakes in `flow.yaml`"), "{ran:#?}");
    let json = place.ran(["check", "flow.yaml", "--json"]).ended(2);
    let mistakes: Vec<Value> = serde_json::from_str(&json.stdout).unwrap();
    assert!(mistakes.len() > 1, "{mistakes:?}");
    let about_input = mistakes.iter().find(|m| m["line"] == 5).unwrap();
    assert_eq!(about_input["file"], "flow.yaml");
    assert_eq!(about_input["message"], "there is no `imput`");
    assert_eq!(about_input["help"], "did you mean `input`?");
    assert!(about_input["column"].is_number());
    assert_eq!(json.stderr, "");
}

#[test]
fn a_check_says_what_a_run_with_the_same_options_would_say() {
    let place = Place::with(FAILING);
    // A check runs nothing, so it needs no permission.
    place.ran(["check", "flow.yaml"]).ended(0);
    place.ran(["check", "flow.yaml", "--allow-shell"]).ended(0);
    let ran = place.ran(["run", "flow.yaml", "x"]).ended(2);
    assert!(
        ran.stderr.contains("help: to run a file that you trust, allow it with `--allow-shell`")
    );
    let place = Place::with(GREETING);
    let ran = place.ran(["check", "flow.yaml", "--model", "nobody:x"]).ended(2);
    assert!(ran.stderr.contains("nobody"), "{ran:#?}");
    place.ran(["check", "none.yaml"]).ended(2);
}

#[test]
fn warnings_are_shown_and_the_file_is_right() {
    let unused = "model: offline\nagents: {idle: {instructions: Wait.}}\nsteps:";
    let place = Place::with(&GREETING.replace("steps:", unused));
    let ran = place.ran(["check", "flow.yaml"]).ended(0);
    assert!(ran.stdout.starts_with("flow.yaml: ok\n"), "{ran:#?}");
    assert!(ran.stderr.contains("warning[SW0206]: no step uses the agent `idle`"), "{ran:#?}");
    let json = place.ran(["check", "flow.yaml", "--json"]).ended(0);
    let checked: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(checked["warnings"][0]["severity"], "warning");
    assert_eq!(checked["steps"][0]["kind"], "template");
}

#[test]
fn a_check_needs_no_key_and_a_run_names_the_variable() {
    let model = "model: openai:gpt-5-mini\nagents: {w: {instructions: x}}\n\
                 steps:\n  - {agent: w}";
    let place = Place::with(&GREETING.replace("steps:", model));
    place.ran(["check", "flow.yaml"]).ended(0);
    let ran = place.ran(["run", "flow.yaml", "x"]);
    assert!(ran.stderr.contains("set the environment variable `OPENAI_API_KEY`"), "{ran:#?}");
    assert!(!ran.stderr.contains("Provider::"), "{ran:#?}");
}
