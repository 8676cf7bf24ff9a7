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
    // A check runs nothing, so it needs no permission for it: the tree shows what runs.
    let shown = place.ran(["check", "flow.yaml"]).ended(0).stdout;
    assert!(shown.contains("shell"), "{shown}");
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
fn several_files_folders_and_stdin_are_checked() {
    let place = Place::with(GREETING);
    std::fs::create_dir_all(place.path("flows/inner/node_modules")).unwrap();
    place.write("flows/b.yml", FAILING);
    place
        .write("flows/inner/a.json", r#"{"format": 1, "name": "J", "steps": [{"template": "x"}]}"#);
    // What is no workflow file is passed over.
    place.write("flows/package.json", r#"{"name": "x", "version": "1"}"#);
    place.write("flows/compose.yaml", "services: {}\n");
    place.write("flows/inner/node_modules/c.yaml", GREETING);
    let ran = place.ran(["check", "flow.yaml", "flows"]).ended(0);
    assert_eq!(
        ran.stdout,
        "flow.yaml: ok, Greeting\nflows/b.yml: ok, Failing\nflows/inner/a.json: ok, J\n"
    );
    let stdin = place.ran_on(&["check", "-"], GREETING.as_bytes()).ended(0);
    assert_eq!(stdin.stdout, "stdin: ok\nGreeting\n└─ greet  template\n");
    let wrong = GREETING.replace("input", "imput");
    let stdin = place.ran_on(&["check", "-"], wrong.as_bytes()).ended(2);
    assert!(stdin.stderr.contains("1 mistake in `stdin`"), "{stdin:#?}");

    place.write("flows/c.yaml", &wrong);
    let ran = place.ran(["check", "flows"]).ended(2);
    assert!(ran.stdout.contains("flows/b.yml: ok"), "{ran:#?}");
    assert!(ran.stderr.contains("did you mean `input`?"), "{ran:#?}");
    for how in [&["--format", "json"][..], &["--json"]] {
        let json = place.ran([&["check", "flows"], how].concat()).ended(2);
        let all: Vec<Value> = serde_json::from_str(&json.stdout).unwrap();
        let of = |file: &str| all.iter().find(|one| one["file"] == file).unwrap();
        assert_eq!(of("flows/b.yml")["ok"], true);
        assert_eq!(of("flows/b.yml")["tree"]["name"], "Failing");
        assert_eq!(of("flows/c.yaml")["ok"], false);
        assert_eq!(of("flows/c.yaml")["mistakes"][0]["message"], "there is no `imput`");
    }
    std::fs::create_dir(place.path("empty")).unwrap();
    let none = place.ran(["check", "empty"]).ended(2);
    assert!(none.stderr.contains("there is no workflow file in `empty`"), "{none:#?}");
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
    // Several files have them too.
    place.write("other.yaml", GREETING);
    let ran = place.ran(["check", "flow.yaml", "other.yaml"]).ended(0);
    assert!(ran.stdout.starts_with("flow.yaml: ok, Greeting\n"), "{ran:#?}");
    assert!(ran.stderr.contains("warning[SW0206]: no step uses the agent `idle`"), "{ran:#?}");
    let json = place.ran(["check", "flow.yaml", "other.yaml", "--json"]).ended(0);
    let checked: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(checked[0]["warnings"][0]["message"], "no step uses the agent `idle`");
    assert_eq!(checked[1].get("warnings"), None);
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
