//! A run is not carried on with a file that says something else than when it began.

use std::path::Path;
use stepwright_core::{Answer, Memory};
use stepwright_engine::Workflow;
use stepwright_file::{Definition, Options};
use stepwright_testing::model::ScriptedModel;

/// The beginning of every workflow of these tests: a person is asked.
const HEAD: &str = "\
format: 1
name: Test
model: offline
agents:
  writer: {instructions: Be brief.}
  reader:
    model: 'lan:one@http://localhost:1/v1'
    tools: [read_file, {duckduckgo: {timeout: 9s}}]
    output: {type: object, properties: {n: {type: integer}}}
steps:
  - {name: ask, template: asked, human_review: {requires_confirmation: 'Go on?'}}
";

fn build(dir: &Path, text: &str, options: &Options, store: &Memory) -> Workflow {
    // One that has an address, as those of providers have.
    stepwright_models::register("lan", |text| {
        Ok(ScriptedModel::new([""]).named(text.split('@').next().unwrap_or_default()))
    });
    let file = dir.join("flow.yaml");
    std::fs::write(&file, text).unwrap();
    // Steps that are not refused write there.
    let base_dir = options.base_dir.clone().or_else(|| Some(dir.to_owned()));
    let options = Options { base_dir, ..options.clone() };
    let read = Definition::read(&file, &options).unwrap_or_else(|wrong| panic!("{wrong}\n{text}"));
    read.builder().unwrap().store(store.clone()).build().unwrap()
}

fn trusted() -> Options {
    Options { allow_shell: true, ..Options::default() }
}

/// Returns the message if a run began with the one text, and is continued with the other.
async fn told_of(before: &str, now: &str, change: impl FnOnce(&Path)) -> Option<String> {
    let (dir, store) = (tempfile::tempdir().unwrap(), Memory::default());
    std::fs::write(dir.path().join("prompt.md"), "Write {{ input }}").unwrap();
    std::fs::write(dir.path().join("inner.yaml"), inner("inside")).unwrap();
    let paused = build(dir.path(), before, &trusted(), &store).run("in").run_id("r").await;
    assert!(paused.unwrap().is_paused());
    change(dir.path());
    let now = build(dir.path(), now, &trusted(), &store);
    // Refused before anything is done; what is not refused is not carried on here.
    let refused = now.continue_run("r", [("ask", Answer::reject("no"))]).await.err()?;
    let told = refused.to_string();
    let told = told.strip_prefix("workflow `Test` has changed since run `r` began\n  ")?;
    Some(told.to_owned())
}

fn inner(text: &str) -> String {
    format!("format: 1\nname: Inner\nsteps:\n  - {{name: say, template: {text}}}\n")
}

#[tokio::test]
async fn every_key_of_a_step_is_compared() {
    let all: &[(&str, &str, &str, &str)] = &[
        ("{name: x, template: old}", "old", "new", "`x`: `template` was \"old\" and is \"new\""),
        ("{name: x, value: '= 1 + 1'}", "1 + 1", "1 + 2", "`x`: `value` was \"= 1 + 1\""),
        ("{name: x, value: {a: 1, b: '= 2'}}", "a: 1", "a: 7", "`x`: `value.a` was \"1\" and is"),
        ("{name: x, set_state: {n: old}}", "old", "new", "`x`: `set_state.n` was \"old\""),
        ("{name: x, read_files: old}", "old", "new", "`x`: `read_files` was"),
        ("{name: x, read_files: {glob: a, max_files: 3}}", "3", "4", "`read_files.max_files` was"),
        ("{name: x, write_file: {path: old, text: a}}", "old", "new", "`write_file.path` was"),
        ("{name: x, write_file: {path: a, text: old}}", "old", "new", "`write_file.text` was"),
        ("{name: x, http_get: 'http://old'}", "old", "new", "`x`: `http_get` was"),
        (
            "{name: x, http_get: {url: https://a.example, timeout: 3s}}",
            "3s",
            "4s",
            "`http_get.timeout` was",
        ),
        (
            "{name: x, shell: echo old}",
            "old",
            "new",
            "`shell` was \"echo old\" and is \"echo new\"",
        ),
        ("{name: x, shell: {command: a, stdin: old}}", "old", "new", "`shell.stdin` was"),
        ("{name: x, sleep: 3s}", "3s", "4s", "`x`: `sleep` was \"3s\" and is \"4s\""),
        ("{name: x, agent: writer, prompt: old}", "old", "new", "`x`: `prompt` was"),
        ("{name: x, agent: writer}", "brief", "exact", "`x`: `instructions` was \"Be brief.\""),
        ("{name: x, agent: writer}", "offline", "lan:q", "`x`: `model` was \"offline:extract\""),
        ("{name: x, agent: reader}", "lan:one", "lan:two", "`model` was \"scripted:one\""),
        ("{name: x, agent: reader}", "localhost:1", "localhost:2", "`address of the model` was"),
        ("{name: x, agent: reader}", "timeout: 9s", "timeout: 8s", "`tools` was"),
        ("{name: x, agent: reader}", "integer", "string", "`x`: `output` was"),
        ("{name: x, if: '= true', then: [{template: a}]}", "true", "false", "`x`: `if` was"),
        ("{name: x, if: true, then: [{template: a}]}", "if: true", "if: false", "`x`: `if` was"),
        (
            "{name: x, router: '= \"a\"', choices: [{name: a, template: a}, {name: b, template: b}]}",
            "= \"a",
            "= \"b",
            "`x`: `router` was",
        ),
        ("{name: x, map: {over: '= [1]'}, do: [{template: a}]}", "[1]", "[2]", "`map.over` was"),
        (
            "{name: x, loop: {at_most: 2, until: '= true'}, do: [{template: a}]}",
            "true",
            "false",
            "`loop.until` was",
        ),
        (
            "{name: x, loop: {at_most: 2}, do: [{template: a}]}",
            "2",
            "3",
            "`at_most` was 2 and is 3",
        ),
        (
            "{name: x, parallel: {concurrency: 2}, branches: [{template: old, name: y}]}",
            "old",
            "new",
            "`x/y`: `template` was",
        ),
        (
            "{name: x, retry: 1, template: a}",
            "retry: 1",
            "retry: 2",
            "`retry.retries` was 1 and is 2",
        ),
    ];
    for (step, old, new, wanted) in all {
        let before = format!("{HEAD}  - {step}\n");
        let now = before.replace(old, new);
        assert_ne!(before, now);
        let told = told_of(&before, &now, |_| ()).await;
        let told = told.unwrap_or_else(|| panic!("not noticed: {step}, {old} to {new}"));
        assert!(told.contains(wanted), "{step}: {told}");
        assert_eq!(told.lines().count(), 1, "{step}: {told}");
        // The same text, read anew, is the same definition.
        assert_eq!(told_of(&before, &before, |_| ()).await, None, "{step}");
    }
}

#[tokio::test]
async fn the_settings_of_the_workflow_are_compared() {
    let steps = "name: Test\nsteps:\n  - {name: ask, template: asked, \
                 human_review: {requires_confirmation: 'Go on?'}}\n";
    for (before, now, wanted) in [
        (
            "budget: {tokens: 5}\n",
            "budget: {tokens: 7}\n",
            "the workflow: `budget.tokens` was 5 and is 7",
        ),
        ("", "budget: {tokens: 7}\n", "the workflow: `budget` was nothing and is"),
        (
            "reducers: {n: sum}\n",
            "reducers: {n: max}\n",
            "the workflow: `reducers.n` was \"sum\" and is \"max\"",
        ),
    ] {
        let file = |setting: &str| format!("format: 1\n{setting}{steps}");
        let told = told_of(&file(before), &file(now), |_| ()).await.unwrap();
        assert!(told.contains(wanted), "{told}");
    }
}

#[tokio::test]
async fn the_files_that_a_file_refers_to_are_compared() {
    let prompted = format!("{HEAD}  - {{name: x, agent: writer, prompt: {{file: prompt.md}}}}\n");
    let write = |name: &'static str, text: String| {
        move |dir: &Path| std::fs::write(dir.join(name), text).unwrap()
    };
    let told = told_of(&prompted, &prompted, write("prompt.md", "Delete {{ input }}".into())).await;
    let wanted = r#"~ `x`: `prompt` was "Write {{ input }}" and is "Delete {{ input }}""#;
    assert_eq!(told.as_deref(), Some(wanted));
    // A file of another name that says the same is no change.
    let moved = prompted.replace("prompt.md", "moved.md");
    let told = told_of(&prompted, &moved, write("moved.md", "Write {{ input }}".into())).await;
    assert_eq!(told, None);
    let instructed = format!("{HEAD}  - {{name: x, agent: writer}}\n")
        .replace("instructions: Be brief.", "instructions: {file: prompt.md}");
    let told = told_of(&instructed, &instructed, write("prompt.md", "Lie.".into())).await;
    assert!(told.unwrap().starts_with("~ `x`: `instructions` was"));
    let nested = format!("{HEAD}  - {{name: x, workflow: inner.yaml}}\n");
    let told = told_of(&nested, &nested, write("inner.yaml", inner("outside"))).await;
    let wanted = r#"~ `x/say`: `template` was "inside" and is "outside""#;
    assert_eq!(told.as_deref(), Some(wanted));
    let typed = format!("{}input: {{type: string}}\n", inner("inside"));
    let told = told_of(&nested, &nested, write("inner.yaml", typed)).await;
    assert!(told.unwrap().starts_with("~ `x`: `input` was not set and is"));
}

#[tokio::test]
async fn a_model_that_is_forced_is_part_of_the_definition() {
    let (dir, store) = (tempfile::tempdir().unwrap(), Memory::default());
    let text = format!("{HEAD}  - {{name: x, agent: writer}}\n");
    let with = |model: Option<&str>| Options { model: model.map(Into::into), ..trusted() };
    let first = build(dir.path(), &text, &with(None), &store);
    first.run("in").run_id("r").await.unwrap();
    let other = build(dir.path(), &text, &with(Some("lan:q")), &store);
    let error = other.resume("r").await.unwrap_err().to_string();
    let wanted = r#"~ `x`: `model` was "offline:extract" and is "scripted:q""#;
    assert!(error.contains(wanted), "{error}");
}

#[tokio::test]
async fn no_secret_of_a_file_is_in_the_plan() {
    let (dir, store) = (tempfile::tempdir().unwrap(), Memory::default());
    let step = "{name: x, shell: \"curl -H 'Authorization: Bearer sk-abcdefghijklmnopq' a\"}";
    let state = "{name: y, set_state: {password: hunter22}}";
    let text = format!("{HEAD}  - {step}\n  - {state}\n");
    let workflow = build(dir.path(), &text, &trusted(), &store);
    let plan = serde_json::to_string(workflow.plan()).unwrap();
    assert!(plan.contains("curl") && !plan.contains("sk-abc") && !plan.contains("hunter22"));
    workflow.run("in").run_id("r").await.unwrap();
    for (old, new) in [("sk-abcdefghijklmnopq", "sk-abcdefghijklmnopr"), ("hunter22", "hunter23")] {
        let now = build(dir.path(), &text.replace(old, new), &trusted(), &store);
        let error = now.resume("r").await.unwrap_err().to_string();
        assert!(error.contains("SHA-256") && !error.contains(new), "{error}");
    }
}

#[test]
fn a_queue_says_where_a_step_runs_and_is_no_part_of_the_content() {
    let parse = |queue: &str, of_step: &str| {
        let text = format!(
            "format: 1\nname: Test\n{queue}steps:\n  - name: all\n    steps:\n      \
             - {{name: one, template: x{of_step}}}\n"
        );
        Definition::parse(&text, "test.yaml", &Options::default())
    };
    let digest =
        |queue, of_step| parse(queue, of_step).unwrap().build().unwrap().digest().to_owned();
    assert_eq!(digest("", ""), digest("queue: arm\n", ", queue: gpu"));
    assert_ne!(digest("", ""), digest("", ", timeout: 1h"));
    let wrong = parse("queue: 'a b'\n", "").unwrap_err().to_string();
    assert!(wrong.contains("`a b` is no name of a queue: it has characters"), "{wrong}");
}
