//! The models of agents, and their settings.

use futures_util::StreamExt as _;
use std::time::Duration;
use stepwright_core::EventKind;
use stepwright_core::model::{
    CacheRetention, Model, ModelError, ModelErrorKind, ModelRequest, ModelStream, ReasoningEffort,
    ToolChoice,
};
use stepwright_file::{Definition, Options, Variables};
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
                 tools: [read_file], extra: {user: me, deep: {n: 1}}, headers: {x-team: red}, \
                 cache: true, request_timeout: 5s}";
    read(agent).unwrap().build().unwrap().run("hi").await.unwrap();
    let request = model.requests().remove(0);
    let options = request.options;
    assert_eq!((options.temperature, options.top_p), (Some(0.0), Some(0.5)));
    assert_eq!((options.max_output_tokens, options.seed), (Some(4000), Some(7)));
    assert_eq!(options.reasoning_effort, Some(ReasoningEffort::Low));
    assert_eq!(options.stop, ["END", "---"]);
    assert_eq!(options.extra["deep"]["n"], 1);
    assert_eq!(options.headers["x-team"], "red");
    assert_eq!(
        (options.cache, options.timeout),
        (Some(CacheRetention::Short), Some(Duration::from_secs(5)))
    );
    assert_eq!(request.tool_choice, ToolChoice::None);
}

#[tokio::test]
async fn the_limits_of_an_agent_are_those_of_the_file() {
    let busy = || Reply::from(ModelError::new(ModelErrorKind::Overloaded, "busy"));
    for (retries, requests) in [("0", 1), ("{max: 3, backoff: 1ms, max_backoff: 2ms}", 4)] {
        let model = ScriptedModel::new([busy(), busy(), busy(), busy(), busy()]);
        let (given, name) = (model.clone(), format!("busy{requests}"));
        stepwright_models::register(&name, move |_| Ok(given.clone()));
        let agent = format!("{{model: '{name}:m', model_retry: {retries}}}");
        read(&agent).unwrap().build().unwrap().run("hi").await.unwrap_err();
        assert_eq!(model.requests().len(), requests, "{retries}");
    }
    let model = ScriptedModel::new([Reply::text("a").and_hang()]);
    stepwright_models::register("silent", move |_| Ok(model.clone()));
    let silent =
        read("{model: 'silent:m', idle_timeout: 50ms, model_retry: 0}").unwrap().build().unwrap();
    silent.run("hi").await.expect_err("the default of minutes does not hold");
    for (wrong, message) in [
        ("tool_concurrency: 0", "`tool_concurrency` is a whole number from 1 to 1000"),
        ("model_retry: 101", "`model_retry` is a whole number from 0 to 100"),
        ("model_retry: {backoff: 1s}", "`model_retry` needs `max`"),
        ("tool_timeout: soon", "`tool_timeout` is a duration, but `soon` is not a duration"),
    ] {
        let mistakes = read(&format!("{{model: offline, {wrong}}}")).unwrap_err();
        assert_eq!(mistakes[0].0, message);
    }
}

#[tokio::test]
async fn a_file_has_an_id_a_state_and_reducers() {
    let text = "format: 1
name: Test
id: my-id
session_state: {visits: 1}
reducers: {votes: sum}
steps:
  - name: p
    parallel: {}
    branches:
      - {name: a, set_state: {votes: 2}}
      - {name: b, set_state: {votes: 3}}
  - {name: c, value: ['= state.visits', '= state.votes']}
";
    let read = |text: &str| Definition::parse(text, "test.yaml", &Options::default());
    let workflow = read(text).unwrap().build().unwrap();
    assert_eq!(workflow.id().as_str(), "my-id");
    let output = workflow.run("hi").session_id("s").await.unwrap();
    assert_eq!(output.content.to_value(), serde_json::json!([1, 5]));
    let other = read(&text.replace("visits: 1", "visits: 2")).unwrap().build().unwrap();
    assert_ne!(workflow.digest(), other.digest());
    let wrong = read(&text.replace("votes: sum", "votes: add")).unwrap_err();
    assert!(wrong.to_string().contains("`votes` is one of `first`, `last`, `sum`"), "{wrong}");
}

#[test]
fn the_waits_of_a_retry_grow_as_the_file_says() {
    let text = "format: 1\nname: Test\nsteps:\n  \
                - {name: a, template: x, retry: {max: 2, backoff: 1s, factor: 3, jitter: false}}\n";
    let read = |text: &str| Definition::parse(text, "test.yaml", &Options::default());
    let workflow = read(text).unwrap().build().unwrap();
    let plan = serde_json::to_value(workflow.plan()).unwrap().to_string();
    assert!(plan.contains("\"factor\":3.0,") && plan.contains("\"jitter\":false"), "{plan}");
    let wrong = read(&text.replace("factor: 3", "factor: 0.5")).unwrap_err();
    assert_eq!(wrong.iter().next().unwrap().message, "`factor` is a number from 1 to 100");
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

#[test]
fn a_model_may_say_where_it_is() {
    let at = "base_url: 'http://localhost:9/v1', proxy: 'http://localhost:9'";
    read(&format!("{{model: {{name: 'openai-chat:qwen3', {at}}}}}")).unwrap().build().unwrap();
    read(&format!("{{model: [offline, {{name: 'google:g', {at}}}], fallback_on: [refused]}}"))
        .unwrap()
        .build()
        .unwrap();
    for (model, message, help) in [
        (
            "{base_url: 'http://localhost:9'}",
            "`model` needs `name`",
            "write `name: provider:model`",
        ),
        ("{name: offline, proxy: 'http://x'}", "`offline` names no model", ""),
        ("{name: 'ollama:q', proxy: 'x y'}", "is not the address of a proxy", ""),
        ("{name: 'ollama:q', base_url: 'x y'}", "is not the address of a server", ""),
        ("{name: 'olama:q'}", "there is no model provider `olama`", "did you mean `ollama:q`?"),
        (
            "{name: 'ollama:q', key: NOT_THERE}",
            "there is no secret `NOT_THERE`",
            "declare it under `secrets:` at the top",
        ),
    ] {
        let mistakes = read(&format!("{{model: {model}}}")).unwrap_err();
        assert!(mistakes[0].0.contains(message), "{model}: {mistakes:?}");
        assert_eq!(mistakes[0].1, help, "{model}");
    }
}

/// The key of a model is a secret of the file. It reaches the server, and nothing else.
#[tokio::test]
async fn a_secret_of_the_file_is_the_key_of_its_model() {
    let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", server.local_addr().unwrap());
    let text = format!(
        "format: 1\nname: Test\nsecrets: [MODEL_KEY]\nagents:\n  a: {{model: {{name: \
         'openai-chat:m', base_url: '{url}', key: MODEL_KEY}}, model_retry: 0}}\nsteps: [{{agent: \
         a}}]\n"
    );
    let variables = Variables::from([("MODEL_KEY", "sk-of-the-file-1234")]);
    let options = Options { variables, ..Options::default() };
    let workflow = Definition::parse(&text, "test.yaml", &options).unwrap().build().unwrap();
    let asked = tokio::spawn(async move {
        use tokio::io::AsyncReadExt as _;
        let (mut stream, _) = server.accept().await.unwrap();
        let mut asked = Vec::new();
        while !String::from_utf8_lossy(&asked).contains("\r\n\r\n") {
            if stream.read_buf(&mut asked).await.unwrap() == 0 {
                break;
            }
        }
        String::from_utf8(asked).unwrap()
    });
    let error = workflow.run("hi").await.unwrap_err();
    assert!(!format!("{error:?}").contains("sk-of-the-file"), "{error:?}");
    let asked = asked.await.unwrap();
    assert!(asked.contains("Bearer sk-of-the-file-1234"), "{asked}");
}

#[test]
fn settings_that_only_some_models_have_are_checked() {
    let at = "base_url: 'http://localhost:9'";
    let gemini = format!("{{name: 'google:gemini-2.5-flash', {at}}}");
    read(&format!("{{model: {gemini}, reasoning_budget: 2000, hosted_tools: [web_search]}}"))
        .unwrap();
    let ollama = format!("{{name: 'ollama:qwen3', {at}}}");
    for (setting, key) in [
        ("reasoning_budget: 2000", "reasoning_budget"),
        ("hosted_tools: [web_search]", "hosted_tools"),
        ("cache: long", "cache"),
    ] {
        let mistakes = read(&format!("{{model: {ollama}, {setting}}}")).unwrap_err();
        let begin = format!("the model `ollama:qwen3` does not take `{key}`: ");
        assert!(mistakes[0].0.starts_with(&begin), "{mistakes:?}");
    }
    for (setting, message) in [
        ("hosted_tools: [search]", "`hosted_tools` is one of `web_search` and `code_execution`"),
        ("hosted_tools: web_search", "`hosted_tools` is a list"),
        ("fallback_on: [refused, refused]", "`refused` is there twice"),
        ("cache: forever", "`cache` is one of `short` and `long`"),
    ] {
        let mistakes = read(&format!("{{model: offline, {setting}}}")).unwrap_err();
        assert_eq!(mistakes[0].0, message);
    }
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

#[tokio::test]
async fn an_answer_that_breaks_off_begins_again_where_the_file_says_so() {
    let broken = ModelError::new(ModelErrorKind::Transport, "the line is dead");
    stepwright_models::register("breaks", move |_| {
        let reply = Reply::text("half an ans").and_error(broken.clone());
        Ok(ScriptedModel::new([reply]).named("breaks"))
    });
    stepwright_models::register("whole", |_| Ok(ScriptedModel::new(["all of it"]).named("whole")));
    let models = "model: ['breaks:m', 'whole:m'], model_retry: 0";
    let workflow = read(&format!("{{{models}, fallback_restarts: true}}")).unwrap();
    let workflow = workflow.build().unwrap();
    let mut run = workflow.run("hi").stream_events(true).stream();
    let (mut said, mut speech) = (String::new(), Vec::new());
    while let Some(event) = run.next().await {
        match &event.kind {
            EventKind::RunContent { content } => said.push_str(content),
            EventKind::ModelRequestRetrying { attempt: 1, error, delay_ms: 0, .. } => {
                assert!(error.message.contains("the line is dead"), "{}", error.message);
                speech.push(std::mem::take(&mut said));
            }
            _ => {}
        }
    }
    speech.push(said);
    assert_eq!(speech, ["half an ans", "all of it"]);
    assert_eq!(run.output().await.unwrap().content.text(), "all of it");
    let workflow = read(&format!("{{{models}}}")).unwrap().build().unwrap();
    let failed = workflow.run("hi").await.unwrap_err();
    assert!(failed.to_string().contains("the line is dead"), "{failed}");
}
