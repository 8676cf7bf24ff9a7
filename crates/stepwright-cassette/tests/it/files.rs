//! Workflow files: each built-in function is answered from the cassette.

use std::path::Path;
use stepwright_cassette::{Journal, Made, Replay, Report, Source, record};
use stepwright_core::permission::Permissions;
use stepwright_core::{AnyStore, Error, Memory, RunId};
use stepwright_engine::Runs;
use stepwright_file::{Definition, Options, Variables};

/// Runs a file in a folder, and makes a test of the run.
async fn recorded(folder: &Path, text: &str, input: &str, options: Options) -> Result<Made, Error> {
    let file = folder.join("flow.yaml");
    std::fs::write(&file, text).unwrap();
    let options = Options { base_dir: Some(folder.to_owned()), ..options };
    let store = Memory::default();
    let definition = Definition::read(&file, &options).map_err(|e| Error::usage(e.to_string()))?;
    let workflow = definition.builder()?.store(store.clone()).build()?;
    let _ = workflow.run(input).run_id("r-1").await;
    let runs = Runs::of(AnyStore::new(store));
    let journal = Journal::of(&runs, &RunId::new("r-1")?).await?;
    record(&journal, Source::File(&file, &options), &folder.join("run.cassette.yaml"))
}

fn replay(folder: &Path) -> Report {
    Replay::of(folder.join("run.cassette.yaml")).run().unwrap()
}

fn trusted() -> Options {
    Options { allow_shell: true, ..Options::default() }
}

const EVERYTHING: &str = r#"
format: 1
name: Everything
env: [PLACE]
secrets: [NEWS_TOKEN]
model: offline
agents: {writer: {instructions: "Answer in 1 sentence."}}
steps:
  - {name: files, read_files: {glob: "*.txt", exclude: ["b*"]}}
  - {name: count, shell: {command: "wc -w", stdin: "{{ previous[0].text }}"}}
  - {name: secret, shell: {command: "echo \"$TOKEN\"", env: {TOKEN: "{{ secrets.NEWS_TOKEN }}"}}}
  - {name: now, template: "{{ now }} in {{ env.PLACE }}"}
  - {name: write, agent: writer, prompt: "Ants carry leaves. They feed a fungus. At {{ now }}."}
  - {name: kept, write_file: {path: out.md, text: "{{ steps.count }} {{ steps.write }}"}}
  - {name: log, append_file: {path: log.txt, text: "{{ now }}"}}
  - {name: rest, sleep: 20ms}
  - {name: state, set_state: {last: "= steps.count"}}
  - name: retried
    retry: {max: 1, backoff: 10ms}
    shell: "test -e again || { touch again; exit 3; }; echo twice"
  - {name: fails, shell: "exit 4", on_error: skip}
  - {name: said, template: "{{ steps.write }} ({{ steps.count }})"}
"#;

#[tokio::test]
async fn every_function_is_answered_from_the_cassette() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    std::fs::write(dir.join("a.txt"), "one two three").unwrap();
    std::fs::write(dir.join("b.txt"), "left out").unwrap();
    let variables = Variables::from([("PLACE", "Bergen"), ("NEWS_TOKEN", "hunter2-hunter2")]);
    let options = Options { variables, ..trusted() };
    let made = recorded(dir, EVERYTHING, "", options).await.unwrap_or_else(|error| {
        panic!("{}", error.report());
    });
    assert_eq!(made.effects, 9);
    let text = std::fs::read_to_string(&made.cassette).unwrap();
    assert!(!text.contains("hunter2"), "{text}");
    assert!(text.contains("NEWS_TOKEN") && text.contains("Bergen"), "{text}");
    // Nothing that the run needed is there any more, and nothing is made again.
    for name in ["a.txt", "b.txt", "out.md", "log.txt", "again"] {
        std::fs::remove_file(dir.join(name)).unwrap();
    }
    let report = replay(dir);
    assert!(report.differences.is_empty(), "{report}\n{text}");
    let mut left: Vec<_> =
        dir.read_dir().unwrap().map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
    left.sort();
    assert_eq!(left, ["flow.yaml", "run.cassette.yaml", "run.golden.yaml"]);

    // Each change is found where it is.
    for (before, after, at, told) in [
        ("wc -w", "wc -l", "count", "the request of `shell`, `command` differs"),
        ("*.txt", "*.md", "files", "the request of `read_files`, `glob` differs"),
        ("out.md", "out.txt", "kept", "the request of `write_file`, `path` differs"),
        ("in 1 sentence", "in 2 sentences", "write", "the request to the model, `instructions`"),
        ("in {{ env", "at {{ env", "now", "`StepCompleted`, `output.content` differs"),
        ("steps.write }} (", "steps.write }} [", "said", "`StepCompleted`, `output.content`"),
    ] {
        std::fs::write(dir.join("flow.yaml"), EVERYTHING.replacen(before, after, 1)).unwrap();
        let report = replay(dir).to_string();
        let first = report.lines().nth(1).unwrap_or_default();
        assert!(first.contains(&format!("at `{at}`: {told}")), "{before}: {report}");
    }
}

#[tokio::test]
async fn permissions_of_the_run_hold_in_the_replay() {
    let folder = tempfile::tempdir().unwrap();
    let text = "
format: 1
name: Denied
steps:
  - {name: fine, shell: 'echo fine'}
  - {name: denied, shell: 'touch denied', on_error: skip}
";
    let permissions: Permissions = serde_json::from_value(
        serde_json::json!({"allow": ["shell: echo *"], "deny": ["shell: touch *"]}),
    )
    .unwrap();
    let options = Options { permissions: Some(permissions), ..Options::default() };
    let made = recorded(folder.path(), text, "", options).await.unwrap();
    assert_eq!(made.effects, 1);
    let report = replay(folder.path());
    assert!(report.differences.is_empty(), "{report}");
}

#[tokio::test]
async fn a_file_that_is_gone_or_wrong_is_an_error_and_no_difference() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path();
    let text = "{format: 1, name: Hello, steps: [{name: greet, template: 'Hello {{ input }}'}]}";
    recorded(dir, text, "Ada", Options::default()).await.unwrap();
    assert!(replay(dir).differences.is_empty());
    std::fs::write(dir.join("flow.yaml"), text.replace("greet,", "greet, colour: red,")).unwrap();
    let run = || Replay::of(dir.join("run.cassette.yaml")).run();
    let error = run().unwrap_err().report();
    assert!(error.contains("the workflow file") && error.contains("colour"), "{error}");
    std::fs::remove_file(dir.join("flow.yaml")).unwrap();
    let error = run().unwrap_err().report();
    assert!(error.contains("cannot be read"), "{error}");
    std::fs::write(dir.join("run.cassette.yaml"), "cassette: 9\n").unwrap();
    let error = run().unwrap_err().report();
    assert!(error.contains("it has version 9 of the format"), "{error}");
    assert!(error.contains("reads version 1"), "{error}");
}
