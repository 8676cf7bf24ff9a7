//! `use`: agents, steps and prompts of other files.

use serde_json::json;
use std::fmt::Write as _;
use std::path::Path;
use stepwright_file::{Definition, Diagnostics, Options};
use tempfile::TempDir;

fn folder(files: &[(&str, &str)]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    dir
}

fn read(dir: &Path) -> Result<Definition, Diagnostics> {
    Definition::read(dir.join("flow.yaml"), &Options::default())
}

/// The first mistake, as `file:line:column: message`, without the folder.
fn mistake(files: &[(&str, &str)]) -> String {
    let dir = folder(files);
    let mistakes = read(dir.path()).unwrap_err();
    let first = mistakes.iter().next().unwrap();
    let help = first.help.as_deref().unwrap_or_default();
    let prefix = format!("{}/", dir.path().display());
    format!("{first} | {help}").replace(&prefix, "")
}

const LIBRARY: &str = "\
format: 1
name: Library
model: offline
vars: {greeting: Dear}
prompts:
  plain: 'In plain words: {{ input }}'
  role: Be plain.
  kept: {file: kept.md}
agents:
  writer: {instructions: {use: '#role'}, max_turns: 3}
  editor: {instructions: Edit.}
steps:
  - {name: greet, template: '{{ vars.greeting }} {{ input }}'}
  - {name: edit, agent: editor, prompt: {use: '#kept'}}
  - name: both
    steps:
      - {use: '#greet', name: first}
      - {use: '#greet', name: second, template: '{{ vars.greeting }} all'}
";

const FLOW: &str = "\
format: 1
name: Flow
agents:
  writer: {use: shared/library.yaml}
  other: {use: shared/library.yaml#writer, max_turns: 5}
steps:
  - {use: shared/library.yaml#greet, name: hello}
  - {use: shared/library.yaml#both}
  - {use: shared/library.yaml#edit}
  - {name: write, agent: writer, prompt: {use: shared/library.yaml#plain}}
  - {name: again, agent: other}
  - {name: end, value: ['= steps.hello', '= steps.first', '= steps.second']}
";

const KEPT: (&str, &str) = ("shared/kept.md", "Keep {{ previous }}");

#[tokio::test]
async fn agents_steps_and_prompts_come_from_another_file() {
    let dir = folder(&[("flow.yaml", FLOW), ("shared/library.yaml", LIBRARY), KEPT]);
    let definition = read(dir.path()).unwrap();
    assert!(definition.warnings().is_empty(), "{}", definition.warnings());
    let output = definition.build().unwrap().run("Ada").await.unwrap();
    assert_eq!(output.content.to_value(), json!(["Dear Ada", "Dear Ada", "Dear all"]));
    // The agent of a used step comes with it.
    assert!(definition.explain().to_string().contains("edit  agent  editor"));
}

#[test]
fn the_digest_covers_what_is_used() {
    let digest = |library: &str, kept: &str| {
        let dir = folder(&[
            ("flow.yaml", FLOW),
            ("shared/library.yaml", library),
            ("shared/kept.md", kept),
        ]);
        read(dir.path()).unwrap().build().unwrap().digest().to_owned()
    };
    let before = digest(LIBRARY, KEPT.1);
    assert_eq!(before, digest(LIBRARY, KEPT.1));
    assert_ne!(before, digest(LIBRARY, "Keep all of {{ previous }}"));
    for (old, new) in [
        ("{{ vars.greeting }} {{ input }}", "{{ vars.greeting }}, {{ input }}"),
        ("Dear", "Hello"),
        ("Edit.", "Edit well."),
        ("In plain words", "In short"),
        ("Be plain.", "Be plain!"),
    ] {
        assert_ne!(before, digest(&LIBRARY.replace(old, new), KEPT.1), "{old}");
    }
}

#[test]
fn an_agent_of_the_file_itself_stands_in_for_one_that_a_used_step_needs() {
    let flow = "format: 1\nname: Flow\nagents: {editor: {model: offline, max_turns: 1}}\n\
                steps:\n  - {use: library.yaml#edit}\n";
    let library = LIBRARY.replace("editor: {instructions: Edit.}", "editor: {tools: [nothing]}");
    let dir =
        folder(&[("flow.yaml", flow), ("library.yaml", &library), ("kept.md", "{{ input }}")]);
    read(dir.path()).unwrap();
}

#[test]
fn a_mistake_in_a_used_part_is_told_in_its_own_file() {
    let library = LIBRARY.replace("{{ vars.greeting }} {{ input }}", "{{ vars.greetin }}");
    let told = mistake(&[("flow.yaml", FLOW), ("shared/library.yaml", &library), KEPT]);
    assert!(told.starts_with("shared/library.yaml:13:33: "), "{told}");
    assert!(told.ends_with("| did you mean `vars.greeting`?"), "{told}");
    let library = LIBRARY.replace("max_turns: 3", "max_turn: 3");
    let told = mistake(&[("flow.yaml", FLOW), ("shared/library.yaml", &library), KEPT]);
    assert!(
        told.starts_with("shared/library.yaml:10:42: an agent has no key `max_turn`"),
        "{told}"
    );
    // What the file itself adds is told in the file itself.
    let flow = FLOW.replace("name: hello", "name: hello, retry: often");
    let told = mistake(&[("flow.yaml", &flow), ("shared/library.yaml", LIBRARY), KEPT]);
    assert!(told.starts_with("flow.yaml:7:58: "), "{told}");
}

#[test]
fn wrong_uses_are_told_with_help() {
    let step = |uses: &str| format!("format: 1\nname: F\nsteps:\n  - {{name: a, use: {uses}}}\n");
    let secret = ("secret.yaml", "password: hunter2\n");
    for (uses, expected) in [
        ("library.yaml#gret", "`library.yaml` has no step `gret` | did you mean `greet`?"),
        ("library.yaml", "`library.yaml` has no step `a` | it has: `greet`, `edit` and `both`"),
        ("'#a'", "the step `a` of this file uses itself | write it out in one of the files"),
        ("7", "`use` is a text | write `use: team.yaml#step`"),
        ("nowhere.yaml#a", "cannot use `nowhere.yaml`: there is no such file"),
        ("../out.yaml#a", "cannot use `../out.yaml`: it leads out of the folder"),
        ("/etc/passwd#a", "cannot use `/etc/passwd`: it is an absolute path"),
        ("secret.yaml#a", "cannot use `secret.yaml`: it is not a workflow file"),
        ("broken.yaml#a", "cannot use `broken.yaml`: line 1 is not valid YAML"),
    ] {
        let told = mistake(&[
            ("flow.yaml", &step(uses)),
            ("library.yaml", LIBRARY),
            ("broken.yaml", "{hunter2"),
            secret,
        ]);
        assert!(told.contains(expected), "{uses}: {told}");
        assert!(told.starts_with("flow.yaml:4:"), "{told}");
        assert!(!told.contains("hunter2"), "{told}");
    }
}

#[test]
fn parts_that_use_each_other_in_a_circle_are_refused() {
    let part =
        |of: &str| format!("format: 1\nname: P\nsteps:\n  - {{name: x, steps: [{{use: {of}}}]}}\n");
    let flow = "format: 1\nname: F\nsteps:\n  - {use: a.yaml#x}\n";
    let told = mistake(&[
        ("flow.yaml", flow),
        ("a.yaml", &part("b.yaml#x")),
        ("b.yaml", &part("a.yaml#x")),
    ]);
    assert!(told.starts_with("b.yaml:4:"), "{told}");
    assert!(told.contains("the step `x` of `a.yaml` uses itself"), "{told}");
}

#[test]
fn parts_that_grow_without_end_are_refused_at_once() {
    let mut text = "format: 1\nname: F\nsteps:\n".to_owned();
    for nth in 0..30 {
        let next = nth + 1;
        let part = |name: &str| format!("{{use: '#s{next}', name: {name}}}");
        let (a, b) = (part("a"), part("b"));
        let _ = writeln!(text, "  - {{name: s{nth}, steps: [{a}, {b}]}}");
    }
    text.push_str("  - {name: s30, template: x}\n");
    let begun = std::time::Instant::now();
    let told = mistake(&[("flow.yaml", &text)]);
    assert!(told.contains("`use` brings more than 200000 values"), "{told}");
    assert!(begun.elapsed().as_secs() < 60);
}

#[test]
fn the_variables_of_both_files_must_agree() {
    let flow = "format: 1\nname: F\nvars: {greeting: Hi}\nsteps:\n  - {use: library.yaml#greet}\n";
    let told = mistake(&[("flow.yaml", flow), ("library.yaml", LIBRARY)]);
    assert!(told.starts_with("flow.yaml:3:8: the variable `greeting` has another value"), "{told}");
}
