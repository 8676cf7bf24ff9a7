//! Variables, the environment, secrets, and the input of nested workflows.

use crate::requests::{answer, server};
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::path::Path;
use stepwright_core::store::RunStore as _;
use stepwright_core::{Answer, Error, Memory};
use stepwright_file::{Definition, Diagnostics, Options, Variables};

fn options(variables: &[(&str, &str)]) -> Options {
    let variables = variables.iter().copied().collect::<Variables>();
    Options { allow_shell: true, variables, ..Options::default() }
}

fn read(text: &str, options: &Options) -> Result<Definition, Diagnostics> {
    Definition::parse(&format!("format: 1\nname: Test\n{text}"), "test.yaml", options)
}

async fn gives(text: &str, options: &Options, expected: Value) {
    let workflow = read(text, options).unwrap().build().unwrap();
    assert_eq!(workflow.run("x").await.unwrap().content.to_value(), expected, "{text}");
}

fn mistakes(text: &str) -> Vec<(String, String)> {
    let mistakes = read(text, &options(&[])).unwrap_err();
    mistakes.iter().map(|one| (one.message.clone(), one.help.clone().unwrap_or_default())).collect()
}

fn not_built(text: &str, options: &Options) -> Error {
    read(text, options).unwrap().build().unwrap_err()
}

#[tokio::test]
async fn variables_and_the_declared_environment_are_values() {
    let text = "vars: {base: 'http://a', list: [1, {deep: two}]}\nenv: [PLACE]\nsteps:\n  \
                - {value: {a: '= vars.list[1].deep', b: '= env.PLACE + vars.base'}}\n  \
                - {template: '{{ previous.a }} {{ previous.b }} {{ env.PLACE }}'}\n";
    let options = options(&[("PLACE", "Bergen")]);
    gives(text, &options, json!("two Bergenhttp://a Bergen")).await;
}

#[test]
fn a_variable_of_the_environment_is_read_if_it_is_allowed_and_set() {
    let text = "env: [CARGO_MANIFEST_DIR]\nsteps: [{template: '{{ env.CARGO_MANIFEST_DIR }}'}]\n";
    // A check needs no permission, and no value.
    let error = not_built(text, &options(&[]));
    let name = "CARGO_MANIFEST_DIR";
    let message = format!("the file reads the environment variable `{name}`, which is not allowed");
    assert_eq!(error.to_string(), message);
    let help =
        format!("if you trust the file, allow it: `--pass-env {name}`, or `Options::pass_env`");
    assert_eq!(error.hint(), Some(&*help));
    let allowed = Options { pass_env: vec![name.to_owned()], ..Options::default() };
    let workflow = read(text, &allowed).unwrap().build().unwrap();
    let output = workflow.run("").blocking().unwrap();
    assert_eq!(output.content.text(), std::env::var(name).unwrap());
    // It must be set.
    let text = text.replace(name, "STEPWRIGHT_UNSET");
    let allowed = Options { pass_env: vec!["STEPWRIGHT_UNSET".into()], ..Options::default() };
    let error = not_built(&text, &allowed).to_string();
    assert!(error.ends_with("`STEPWRIGHT_UNSET`, which the file declares, is not set"), "{error}");
    // A secret that is as short as a word of every text cannot be removed from it.
    let text =
        "secrets: [KEY]\nsteps: [{http: {url: 'http://a', auth: {bearer: '{{ secrets.KEY }}'}}}]\n";
    let error = not_built(text, &options(&[("KEY", "abc")]));
    assert_eq!(error.to_string(), "the secret `KEY` has fewer than 4 bytes");
}

#[test]
fn names_that_are_not_declared_or_not_usable_there_are_mistakes() {
    for (text, message, help) in [
        (
            "steps: [{template: '{{ env.KEY }}'}]",
            "the file declares no `KEY` under `env`",
            "add `env: [KEY]` at the top, or `secrets: [KEY]` and write `secrets.KEY`",
        ),
        (
            "secrets: [KEY]\nsteps: [{template: '{{ env.KEY }}'}]",
            "the file declares no `KEY` under `env`",
            "it is a secret: write `secrets.KEY`",
        ),
        (
            "env: [PLACE]\nsteps: [{value: '= env.PLAACE'}]",
            "the file declares no `PLAACE` under `env`",
            "did you mean `env.PLACE`?",
        ),
        (
            "vars: {a: 1}\nsteps: [{value: '= vars.base'}]",
            "the file declares no `base` under `vars`",
            "add it at the top: `vars: {base: …}`",
        ),
        (
            "env: [A]\nsteps: [{value: '= env'}]",
            "`env` needs a name, written out",
            "write `env.NAME`",
        ),
        (
            "vars: {a: '= input'}\nsteps: [{value: 1}]",
            "the variable `a` is constant",
            "compute it in a `value` step",
        ),
        (
            "vars: {a: ['{{ input }}']}\nsteps: [{value: 1}]",
            "the variable `a` is constant",
            "render it in a `template` step",
        ),
        ("env: {A: b}\nsteps: [{value: 1}]", "`env` is a list of names", ""),
        (
            "env: ['A=b']\nsteps: [{value: 1}]",
            "`A=b` is not the name of an environment variable",
            "names are made of letters, digits and `_`",
        ),
        (
            "env: [A]\nsecrets: [A]\nsteps: [{value: 1}]",
            "`A` is under `env` too",
            "a secret is listed under `secrets` alone",
        ),
    ] {
        assert_eq!(mistakes(text), [(message.to_owned(), help.to_owned())], "{text}");
    }
}

/// Places in which the value of a secret would be stored, shown, or sent to a model.
#[test]
fn a_secret_is_usable_only_where_it_goes_out() {
    for step in [
        "{template: '{{ secrets.KEY }}'}",
        "{value: '= secrets.KEY'}",
        "{value: {a: ['= size(secrets.KEY)']}}",
        "{set_state: {a: '= secrets.KEY'}}",
        "{append_state: {a: '= secrets.KEY'}}",
        "{write_file: {path: x, text: '{{ secrets.KEY }}'}}",
        "{write_file: '{{ secrets.KEY }}'}",
        "{read_files: '{{ secrets.KEY }}'}",
        "{shell: {command: 'echo \"$1\"', args: ['{{ secrets.KEY }}']}}",
        "{shell: {argv: [echo, '{{ secrets.KEY }}']}}",
        "{shell: 'echo {{ secrets.KEY }}'}",
        "{name: a, if: '= secrets.KEY == \"x\"', then: [{value: 1}]}",
        "{name: a, map: {over: '= [secrets.KEY]'}, do: [{value: 1}]}",
        "{name: a, loop: {at_most: 2, until: '= secrets.KEY == \"x\"'}, do: [{value: 1}]}",
        "{name: a, router: '= secrets.KEY', choices: [{name: b, value: 1}]}",
        "{agent: writer, prompt: '{{ secrets.KEY }}'}",
    ] {
        let text = format!(
            "secrets: [KEY]\nmodel: offline\nagents: {{writer: {{}}}}\nsteps:\n  - {step}\n"
        );
        let told = mistakes(&text);
        let expected = "a secret cannot be used here, where it would be stored or shown";
        assert_eq!(told.len(), 1, "{step}: {told:?}");
        assert_eq!(told[0].0, expected, "{step}");
    }
}

/// Everything that a run leaves behind: its events, its journal, its output, its error.
async fn traces(text: &str, options: &Options, input: Value) -> String {
    let store = Memory::default();
    let builder = read(text, options).unwrap().builder().unwrap();
    let workflow = builder.store(store.clone()).build().unwrap();
    let input = stepwright_core::Content::from(input);
    let mut run = workflow.run(input).run_id("r-1").stream_events(true).stream();
    let mut all = String::new();
    while let Some(event) = run.next().await {
        all.push_str(&serde_json::to_string(&event).unwrap());
    }
    match run.output().await {
        Ok(output) => all.push_str(&serde_json::to_string(&output).unwrap()),
        Err(error) => write!(all, "{error} {error:?} {:?}", error.hint()).unwrap(),
    }
    let id = stepwright_core::RunId::new("r-1").unwrap();
    for fact in store.load(&id, 0, 10_000).await.unwrap() {
        all.push_str(&serde_json::to_string(&fact).unwrap());
    }
    write!(all, "{:?}", store.run(&id).await.unwrap()).unwrap();
    all
}

#[tokio::test]
async fn a_secret_leaves_no_trace() {
    const KEY: &str = "p\"w ä/hunter2";
    let forms =
        ["hunter2", "aHVudGVyM", "1bnRlcj", "odW50ZXIy", "%C3%A4%2Fhunter2", "%C3%A4/hunter2"];
    // A server that says what it was told, in its answer and in its headers.
    let echo = answer("200 OK", "Content-Type: application/json\r\nX-Echo: p\"w ä/hunter2\r\n", {
        r#"{"key": "p\"w ä/hunter2", "of": ["Basic YWRhOnAidyDDpC9odW50ZXIy"], "p\"w ä/hunter2": 1}"#
    });
    let (address, requests) = server(&echo);
    let (failing, _requests) = server(&answer("500 Oh", "", "p\"w ä/hunter2"));
    let text = format!(
        "secrets: [KEY]
steps:
  - name: call
    http:
      method: POST
      url: '{address}/p'
      query: {{k: '{{{{ secrets.KEY }}}}'}}
      headers: {{x-key: '{{{{ secrets.KEY }}}}'}}
      auth: {{basic: {{user: ada, password: '{{{{ secrets.KEY }}}}'}}}}
      json: {{deep: ['= secrets.KEY']}}
      result: full
  - {{set_state: {{told: '= previous'}}}}
  - name: command
    shell:
      command: 'cat; printf %s \"$KEY\"; printf %s \"$KEY\" | base64; echo \"$KEY\" >&2'
      env: {{KEY: '{{{{ secrets.KEY }}}}'}}
      stdin: 'in {{{{ secrets.KEY }}}}'
  - {{name: note, template: '{{{{ input.text }}}}{{{{ steps.command }}}}{{{{ state.told }}}}'}}
  - name: complains
    shell: {{command: 'echo \"$KEY\" >&2; exit 3', env: {{KEY: '{{{{ secrets.KEY }}}}'}}}}
    on_error: skip
  - {{name: wrong, http: {{url: '{address}/{{{{ secrets.KEY }}}}'}}, on_error: skip}}
  - name: down
    http: {{url: '{failing}', query: {{k: '{{{{ secrets.KEY }}}}'}}}}
    retry: {{max: 1, backoff: 1ms}}
"
    );
    let input = json!({"text": format!("I know {KEY}")});
    let traces = traces(&text, &options(&[("KEY", KEY)]), input).await;
    for form in forms {
        assert!(!traces.contains(form), "{form} in {traces}");
    }
    assert!(traces.matches("[redacted]").count() > 10, "{traces}");
    // The server got it.
    let got = requests.recv().unwrap();
    assert_eq!(got.header("x-key"), Some(KEY));
    assert_eq!(serde_json::from_str::<Value>(&got.body).unwrap(), json!({"deep": [KEY]}));
}

#[tokio::test]
async fn no_part_of_a_secret_is_left_where_a_message_is_cut() {
    const KEY: &str = "secret-token-abcdefghijklmnopqrstuvwxyz0123456789";
    for before in [1955, 1990, 1999] {
        let text = format!(
            "secrets: [KEY]
steps:
  - name: complains
    shell:
      command: 'printf %{before}s x >&2; echo \"$KEY\" >&2; exit 3'
      env: {{KEY: '{{{{ secrets.KEY }}}}'}}
    on_error: skip
"
        );
        let traces = traces(&text, &options(&[("KEY", KEY)]), json!("go")).await;
        assert!(traces.contains("the command failed"), "{traces}");
        assert!(!traces.contains("secret-tok"), "{before}: {traces}");
    }
}

#[tokio::test]
async fn a_secret_that_a_person_answers_with_is_not_kept() {
    const KEY: &str = "secret-token-abcdef";
    let text = "secrets: [KEY]
steps:
  - name: f
    human_review:
      requires_user_input:
        message: Which?
        schema: {type: object, properties: {tone: {type: string}}}
    template: '{{ user_input.tone }} {{ input }}'
";
    let store = Memory::default();
    let builder = read(text, &options(&[("KEY", KEY)])).unwrap().builder().unwrap();
    let workflow = builder.store(store.clone()).build().unwrap();
    let more = json!({"k": KEY}).as_object().cloned().unwrap();
    let paused = workflow.run("go").run_id("r-1").additional_data(more).await.unwrap();
    let asked = paused.requirements[0].id.clone();
    let value = json!({"tone": format!("my {KEY}")});
    workflow.continue_run("r-1", [(&*asked, Answer::Submit { value })]).await.unwrap();
    let facts = store.load(&"r-1".parse().unwrap(), 0, usize::MAX).await.unwrap();
    let facts = serde_json::to_string(&facts).unwrap();
    assert!(!facts.contains(KEY), "{facts}");
    assert!(facts.contains(r#""tone":"my [redacted]""#), "{facts}");
    assert!(facts.contains(r#""k":"[redacted]""#), "{facts}");
}

#[tokio::test]
async fn a_command_gets_a_secret_only_where_the_file_passes_it_on() {
    let text =
        "secrets: [CARGO_MANIFEST_DIR]\nsteps:\n  - {shell: 'echo \"<$CARGO_MANIFEST_DIR>\"'}\n";
    let pass_env = vec!["CARGO_MANIFEST_DIR".to_owned()];
    let options = Options { allow_shell: true, pass_env, ..Options::default() };
    gives(text, &options, json!("<>")).await;
}

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

const INNER: &str = "\
format: 1
name: Inner
input:
  type: object
  required: [topic]
  properties: {topic: {type: string}, words: {type: integer, default: 3}}
steps:
  - {template: '{{ input.topic }} in {{ input.words }}'}
";

fn checked(dir: &Path) -> Vec<(String, String)> {
    let mistakes = Definition::read(dir.join("outer.yaml"), &Options::default()).unwrap_err();
    mistakes.iter().map(|one| (one.message.clone(), one.help.clone().unwrap_or_default())).collect()
}

#[test]
fn files_that_run_afterwards_need_their_values_too() {
    let inner = "format: 1\nname: Inner\nenv: [STEPWRIGHT_NOWHERE]\n\
                 steps: [{template: '{{ env.STEPWRIGHT_NOWHERE }}'}]\n";
    for (step, file) in [
        ("{name: a, template: x, undo: {name: u, workflow: inner.yaml}}", ""),
        ("{name: a, template: x}", "finally: [{workflow: inner.yaml}]"),
        ("{name: a, template: x}", "on_failure: [{workflow: inner.yaml}]"),
        ("{name: s, steps: [{name: a, template: x}], finally: [{workflow: inner.yaml}]}", ""),
    ] {
        let outer = format!("format: 1\nname: Outer\nsteps: [{step}]\n{file}\n");
        let dir = folder(&[("inner.yaml", inner), ("outer.yaml", &outer)]);
        let read = Definition::read(dir.path().join("outer.yaml"), &Options::default()).unwrap();
        let error = read.build().unwrap_err();
        assert!(error.to_string().contains("`STEPWRIGHT_NOWHERE`"), "{step} {file}: {error}");
    }
}

#[tokio::test]
async fn a_nested_workflow_gets_the_input_that_the_file_makes() {
    let outer = "format: 1\nname: Outer\nsteps:\n  - {name: one, value: {t: bees}}\n  \
                 - name: each\n    map: {over: '= [1, 2]'}\n    do:\n      \
                 - {workflow: inner.yaml, with: {topic: '= steps.one.t + string(item)', \
                 words: 7}}\n  - {workflow: inner.yaml, with: {topic: ants}}\n  \
                 - {value: ['= steps.each', '= previous']}\n";
    let dir = folder(&[("inner.yaml", INNER), ("outer.yaml", outer)]);
    let definition = Definition::read(dir.path().join("outer.yaml"), &Options::default()).unwrap();
    let output = definition.build().unwrap().run("x").await.unwrap();
    assert_eq!(output.content.to_value(), json!([["bees1 in 7", "bees2 in 7"], "ants in 3"]));
}

#[test]
fn the_input_of_a_nested_workflow_is_typed() {
    for (with, message, help) in [
        ("{words: 3}", "that workflow needs `topic` in its input", "add it: `with: {topic: …}`"),
        (
            "{topic: '= input', word: '= 3'}",
            "the input of that workflow has no `word`",
            "did you mean `words`?",
        ),
        ("{topic: '= input', words: many}", "`words`: it must be an integer, and is a text", ""),
        ("[1]", "the input does not fit that workflow: it must be an object, and is a list", ""),
        (
            "{topic: '= now'}",
            "`with` cannot refer to `now`",
            "compute it in a `value` step before this one",
        ),
        (
            "{topic: '= steps.nowhere'}",
            "there is no step `nowhere`",
            "no step runs before this one",
        ),
    ] {
        let outer =
            format!("format: 1\nname: Outer\nsteps:\n  - {{workflow: inner.yaml, with: {with}}}\n");
        let dir = folder(&[("inner.yaml", INNER), ("outer.yaml", &outer)]);
        assert_eq!(checked(dir.path()), [(message.to_owned(), help.to_owned())], "{with}");
    }
}

#[tokio::test]
async fn the_time_of_a_step_is_recorded() {
    let store = Memory::default();
    let text = "steps:\n  - {name: a, template: '{{ now }}'}\n  - {name: b, value: '= now'}\n";
    let builder = read(text, &Options::default()).unwrap().builder().unwrap();
    let workflow = builder.store(store.clone()).build().unwrap();
    let output = workflow.run("x").run_id("r-1").await.unwrap();
    let moment = output.content.text().into_owned();
    assert!(moment.len() >= 20 && moment.ends_with('Z') && moment.contains('T'), "{moment}");
    let id = stepwright_core::RunId::new("r-1").unwrap();
    let facts = store.load(&id, 0, 100).await.unwrap();
    let recorded = facts.iter().filter(|fact| fact.kind.name() == "StepRecorded").count();
    assert_eq!(recorded, 2, "{facts:?}");
}
