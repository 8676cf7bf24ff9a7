//! The messages that agents in files get, and the outputs that they give.

use stepwright::file::{Definition, Options};
use stepwright::models::register;
use stepwright::{Error, Workflow};
use stepwright_testing::model::{FunctionModel, Reply, ScriptedModel};

fn workflow(text: &str) -> Workflow {
    Definition::parse(text, "test.yaml", &Options::default()).unwrap().build().unwrap()
}

async fn said(workflow: &Workflow, input: &str) -> Result<String, Error> {
    let output = workflow.run(input).session_id("s").await?;
    Ok(output.content.text().into_owned())
}

#[tokio::test]
async fn steps_are_told_of_earlier_runs() {
    register("echo", |_| Ok(FunctionModel::new(|request| Reply::text(request.messages[0].text()))));
    let file = |of_file: &str, of_step: &str| {
        workflow(&format!(
            "format: 1\nname: Test\nmodel: echo\n{of_file}\nagents: {{a: {{}}}}\nsteps:\n  \
             - {{agent: a, {of_step}}}\n"
        ))
    };
    let earlier = |text: &str| text.matches("[Workflow Run-").count();
    for (of_file, of_step, expected) in [
        ("", "", [0, 0, 0]),
        ("history: true", "", [0, 1, 2]),
        ("history: 1", "", [0, 1, 1]),
        ("history: 1", "history: 2", [0, 1, 2]),
        ("history: 5", "history: false", [0, 0, 0]),
        ("", "history: 1", [0, 1, 1]),
        ("history: 0", "history: true", [0, 1, 2]),
    ] {
        let workflow = file(of_file, of_step);
        for (input, expected) in ["a", "b", "c"].into_iter().zip(expected) {
            let text = said(&workflow, input).await.unwrap();
            assert_eq!(earlier(&text), expected, "{of_file} {of_step}: {text}");
            assert!(text.ends_with(input), "{text}");
        }
    }
}

/// The object may be the output of a step or the input of the run.
#[tokio::test]
async fn an_object_reaches_an_agent_as_json() {
    let model = ScriptedModel::new(["1", "2"].map(Reply::text));
    let registered = model.clone();
    register("told-of-objects", move |_| Ok(registered.clone()));
    let workflow = workflow(
        "format: 1
name: Test
model: told-of-objects
agents: {a: {}}
steps:
  - {agent: a, name: first}
  - {name: count, value: {n: 1, deep: [true, x]}}
  - {agent: a, name: last}
",
    );
    workflow.run(serde_json::json!({"topic": "ants"})).await.unwrap();
    let told = model.requests().into_iter().map(|request| request.messages[0].text());
    let told: Vec<serde_json::Value> = told.map(|t| serde_json::from_str(&t).expect(&t)).collect();
    let expected =
        [serde_json::json!({"topic": "ants"}), serde_json::json!({"n": 1, "deep": [true, "x"]})];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn an_answer_has_the_shape_that_the_file_asks_for() {
    register("rater", |answers| {
        let answers: Vec<String> = answers.split('|').map(str::to_owned).collect();
        Ok(ScriptedModel::new(answers.into_iter().map(Reply::text)))
    });
    let file = |answers: &str| {
        workflow(&format!(
            "format: 1
name: Test
agents:
  rater:
    model: 'rater:{answers}'
    output:
      type: object
      required: [stars]
      properties: {{stars: {{type: integer, maximum: 5}}}}
steps:
  - {{agent: rater}}
  - {{name: good, value: '= previous.stars > 3'}}
"
        ))
    };
    assert_eq!(said(&file(r#"{"stars": 4}"#), "a").await.unwrap(), "true");
    assert_eq!(said(&file(r#"{"stars": 9}|{"stars": 3}"#), "a").await.unwrap(), "false");
    let error = said(&file(r#"{"stars": 9}|{"stars": 8}"#), "a").await.unwrap_err();
    let what = "does not match the output schema: `stars` must be at most 5, and is 8";
    assert!(error.to_string().contains(what), "{error}");
}

#[tokio::test]
async fn the_workflows_of_the_course_are_files_too() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let options = Options { base_dir: Some(root.clone()), ..Options::default() };
    let workflow = Definition::read(root.join("examples/my-workflow.yaml"), &options).unwrap();
    let workflow = workflow.build().unwrap();
    for input in ["AI agents in production", "quantum computers"] {
        let text = said(&workflow, input).await.unwrap();
        let bullets = text.lines().filter(|line| line.starts_with("- ")).count();
        assert_eq!(bullets, 2, "{text}");
        let about = input.split(' ').next().unwrap();
        assert!(text.to_lowercase().contains(&about.to_lowercase()), "{about}: {text}");
    }
    let pipeline = Definition::read(root.join("examples/pipeline.yaml"), &options).unwrap();
    assert_eq!(pipeline.build().unwrap().name(), "Content Pipeline");
}

#[tokio::test]
async fn the_writer_of_the_review_loop_knows_its_draft_and_the_verdict() {
    use stepwright_testing::model::ScriptedModel;
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let no = r#"{"accept": false, "notes": "too vague"}"#;
    let yes = r#"{"accept": true, "notes": ""}"#;
    for (name, script, ending) in [
        ("review-met", vec!["draft 1", no, "draft 2", yes], "draft 2\n\n(accepted after 2 turns)"),
        (
            "review-exhausted",
            vec!["draft 1", no, "draft 2", no, "draft 3", no],
            "draft 3\n\n(not accepted after 3 turns)",
        ),
    ] {
        let model = ScriptedModel::new(script);
        let given = model.clone();
        stepwright::models::register(name, move |_| Ok(given.clone()));
        let options = Options { model: Some(name.to_owned()), ..Options::default() };
        let file = root.join("examples/review-loop.yaml");
        let workflow = Definition::read(file, &options).unwrap().build().unwrap();
        assert_eq!(said(&workflow, "Bridges").await.unwrap().trim_end(), ending);
        let told = serde_json::to_string(&model.requests()[2].messages).unwrap();
        for wanted in ["Bridges", "draft 1", "too vague"] {
            assert!(told.contains(wanted), "{wanted} is missing in {told}");
        }
    }
    // Without a language model it says so, and does not make a verdict up.
    let options = Options { model: Some("offline".to_owned()), ..Options::default() };
    let file = root.join("examples/review-loop.yaml");
    let workflow = Definition::read(file, &options).unwrap().build().unwrap();
    let error = said(&workflow, "Bridges sing in the wind.").await.unwrap_err();
    assert!(error.to_string().contains("cannot write structured output"), "{error}");
}
