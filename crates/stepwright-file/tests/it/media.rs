//! Media in files, and the way that a schema goes to a model.

use serde_json::json;
use stepwright_core::model::OutputMode;
use stepwright_core::{Media, MediaKind};
use stepwright_engine::{Parts, Workflow};
use stepwright_file::{Definition, Options};
use stepwright_testing::model::{Reply, ScriptedModel};

fn parsed(text: &str) -> Result<Definition, String> {
    let text = format!("format: 1\nname: Test\n{text}");
    Definition::parse(&text, "test.yaml", &Options::default()).map_err(|error| error.to_string())
}

fn built(text: &str) -> Workflow {
    parsed(text).unwrap().builder().unwrap().build().unwrap()
}

fn register(name: &'static str, model: &ScriptedModel) {
    let model = model.clone();
    stepwright_models::register(name, move |_| Ok(model.clone()));
}

#[tokio::test]
async fn a_file_declares_the_media_of_its_runs_and_its_agents_see_them() {
    let model = ScriptedModel::new(["A bridge."]);
    register("media-sees", &model);
    let flow = built(
        "
media: {photo: image, notes: {type: file, optional: true, many: true}}
agents: {seer: {model: 'media-sees:m'}}
steps: [{agent: seer, prompt: '{{ input }}'}]
",
    );
    let error = flow.run("What is this?").await.unwrap_err();
    assert_eq!(error.to_string(), "the input has no image, and the workflow needs `photo`");
    assert_eq!(error.hint(), Some("workflow `Test` takes `photo` (image), `notes` (file)"));
    let photo = Media::bytes(MediaKind::Image, vec![7; 40_000]).with_mime("image/png");
    let run = flow.run(Parts::default().text("What is this?").media(photo)).await.unwrap();
    assert_eq!(run.content.text(), "A bridge.");
    let asked = &model.requests()[0].messages[0];
    assert!(matches!(
        asked,
        stepwright_core::message::Message::User { parts } if matches!(
            &parts[1],
            stepwright_core::message::Part::Media { media } if media.live().is_some()
        )
    ));
}

#[test]
fn mistakes_in_media_are_told() {
    let steps = "steps: [{name: a, template: x}]";
    for (media, why) in [
        ("media: {photo: picture}", "is one of `image`, `video`, `audio` and `file`"),
        ("media: {photo: {optional: true}}", "a media item needs `type`"),
        ("media: [photo]", "`media` is a mapping of names to kinds"),
        (
            "input: {type: object, properties: {photo: {}}}\nmedia: {photo: image}",
            "`photo` is a member of the input",
        ),
    ] {
        let wrong = parsed(&format!("{media}\n{steps}")).unwrap_err();
        assert!(wrong.contains(why), "{media}: {wrong}");
    }
}

#[tokio::test]
async fn a_file_chooses_how_the_schema_goes_to_the_model() {
    let model = ScriptedModel::new([Reply::text(r#"{"text": "ants"}"#)]);
    register("media-mode", &model);
    let flow = built(
        "
agents:
  writer:
    model: 'media-mode:m'
    output_mode: tool
    output: {type: object, properties: {text: {type: string}}, required: [text]}
steps: [{agent: writer}]
",
    );
    let run = flow.run("go").await.unwrap();
    assert_eq!(run.content.to_value(), json!({"text": "ants"}));
    assert_eq!(model.requests()[0].options.output_mode, Some(OutputMode::Tool));
    let wrong = parsed("agents: {a: {model: offline, output_mode: tol}}\nsteps: [{agent: a}]");
    assert!(wrong.unwrap_err().contains("did you mean `tool`?"));
}
