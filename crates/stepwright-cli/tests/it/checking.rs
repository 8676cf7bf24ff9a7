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
    assert!(place.ran(["check", "flow.yaml"]).ended(2).stderr.contains("--allow-shell"));
    place.ran(["check", "flow.yaml", "--allow-shell"]).ended(0);
    let place = Place::with(GREETING);
    let ran = place.ran(["check", "flow.yaml", "--model", "nobody:x"]).ended(2);
    assert!(ran.stderr.contains("nobody"), "{ran:#?}");
    place.ran(["check", "none.yaml"]).ended(2);
}
