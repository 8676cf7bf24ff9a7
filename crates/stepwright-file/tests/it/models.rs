//! The models of agents, and their settings.

use futures_util::StreamExt as _;
use stepwright_core::EventKind;
use stepwright_core::model::{
    Model, ModelError, ModelErrorKind, ModelRequest, ModelStream, ReasoningEffort, ToolChoice,
};
use stepwright_file::{Definition, Options};
use stepwright_testing::model::{Reply, ScriptedModel};

fn read(agent: &str) -> Result<Definition, Vec<(String, String)>> {
    let text = format!("format: 1\nname: Test\nagents: {{a: {agent}}}\nsteps: [{{agent: a}}]\n");
    Definition::parse(&text, "test.yaml", &Options::default()).map_err(|mistakes| {
        mistakes
            .iter()
            .map(|one| (one.message.clone(), one.help.clone().unwrap_or_default()))
            .collect()
    })
}

#[tokio::test]
async fn settings_reach_the_model() {
    let model = ScriptedModel::new(["fine"]);
    let given = model.clone();
    stepwright_models::register("settings", move |_| Ok(given.clone()));
    let agent = "{model: 'settings:m', temperature: 0, top_p: 0.5, max_output_tokens: 4000, \
                 seed: 7, reasoning_effort: low, stop: [END, '---'], tool_choice: none, \
                 tools: [read_file], extra: {user: me, deep: {n: 1}}, headers: {x-team: red}}";
    read(agent).unwrap().build().unwrap().run("hi").await.unwrap();
    let request = model.requests().remove(0);
    let options = request.options;
    assert_eq!((options.temperature, options.top_p), (Some(0.0), Some(0.5)));
    assert_eq!((options.max_output_tokens, options.seed), (Some(4000), Some(7)));
    assert_eq!(options.reasoning_effort, Some(ReasoningEffort::Low));
    assert_eq!(options.stop, ["END", "---"]);
    assert_eq!(options.extra["deep"]["n"], 1);
    assert_eq!(options.headers["x-team"], "red");
    assert_eq!(request.tool_choice, ToolChoice::None);
}

#[test]
fn a_setting_that_is_wrong_or_that_a_model_does_not_have_is_a_mistake() {
    for (agent, message, help) in [
        ("{model: offline, temperature: 3}", "`temperature` is a number from 0 to 2", ""),
        ("{model: offline, top_p: '0.5'}", "`top_p` is a number", ""),
        ("{model: offline, stop: ['']}", "an empty text ends every answer", "leave it out"),
        (
            "{model: offline, tool_choice: required}",
            "the agent `a` must call a tool but has none",
            "list its `tools`, or leave `tool_choice` out",
        ),
        (
            "{model: offline, tool_choice: any}",
            "`tool_choice` is one of `auto`, `none` and `required`",
            "for one tool, write `tool_choice: {one: http_get}`",
        ),
        (
            "{model: offline, reasoning_effort: hi}",
            "`reasoning_effort` is one of `none`, `minimal`, `low`, `medium`, `high` and `max`",
            "did you mean `high`?",
        ),
        ("{model: []}", "`model` lists 1 to 16 models", ""),
        ("{model: [offline, offline]}", "`offline` is there twice", ""),
    ] {
        let mistakes = read(agent).unwrap_err();
        assert_eq!(mistakes[0], (message.to_owned(), help.to_owned()), "{agent}");
    }
    // A model says what it does not have.
    stepwright_models::register("picky", |_| Ok(Picky));
    for (setting, key) in [("seed: 7", "seed"), ("stop: END", "stop")] {
        for model in ["'picky:m'", "[offline, 'picky:m']"] {
            let mistakes = read(&format!("{{model: {model}, top_p: 0.5, {setting}}}")).unwrap_err();
            let message = format!("the model `picky:m` does not take `{key}`: not here");
            let help = "leave it out, or choose another model".to_owned();
            assert_eq!(mistakes, [(message, help)]);
        }
    }
    read("{model: 'picky:m', top_p: 0.5, temperature: 1}").unwrap();
}

/// A model that has neither a seed nor texts that end an answer.
struct Picky;

impl Model for Picky {
    fn id(&self) -> &'static str {
        "picky:m"
    }

    fn stream(&self, _: ModelRequest) -> ModelStream {
        unreachable!("nothing is sent")
    }

    fn check(&self, request: &ModelRequest) -> Result<(), ModelError> {
        if request.options.seed.is_some() || !request.options.stop.is_empty() {
            return Err(ModelError::new(ModelErrorKind::BadRequest, "not here"));
        }
        Ok(())
    }
}

#[tokio::test]
async fn the_next_model_of_a_list_answers_and_stands_in_the_events() {
    let down = ModelError::new(ModelErrorKind::Overloaded, "busy");
    stepwright_models::register("down", move |_| {
        Ok(ScriptedModel::new(vec![Reply::from(down.clone()); 5]).named("down"))
    });
    stepwright_models::register("up", |_| Ok(ScriptedModel::new(["here"]).named("up")));
    let workflow = read("{model: ['down:m', 'up:m']}").unwrap().build().unwrap();
    let mut run = workflow.run("hi").stream_events(true).stream();
    let mut answered = Vec::new();
    while let Some(event) = run.next().await {
        if let EventKind::ModelRequestCompleted { model, warning, .. } = &event.kind {
            answered.push((model.as_deref().unwrap().to_owned(), warning.clone().unwrap()));
        }
    }
    let warning = "`scripted:down` did not answer: busy".into();
    assert_eq!(answered, [("scripted:up".to_owned(), warning)]);
    assert_eq!(run.output().await.unwrap().content.text(), "here");
}
