//! The settings of single tools.

use crate::host::{Host, on};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use stepwright_agent::{Agent, FunctionTool, READ_RESULT, ToolOptions};
use stepwright_core::model::ToolChoice;
use stepwright_core::tool::{
    AnyTool, AnyToolSource, Tool, ToolAnswer, ToolEffect, ToolError, ToolSource, ToolSpec,
};
use stepwright_core::{BoxFuture, EventKind, Media, MediaKind, StepContext, StepError};
use stepwright_testing::model::{Reply, ScriptedModel};

#[derive(Deserialize, JsonSchema)]
struct Word {
    word: String,
}

/// A read-only tool that fails so often, then repeats its word; and the number of its calls.
fn echo(failures: usize) -> (FunctionTool, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let seen = calls.clone();
    let tool = FunctionTool::new("echo", "Repeats a word.", move |args: Word| {
        let nth = seen.fetch_add(1, Ordering::SeqCst);
        async move { if nth < failures { Err("busy") } else { Ok(args.word) } }
    });
    (tool.read_only(), calls)
}

fn says(word: &str) -> Reply {
    Reply::call("echo", json!({ "word": word }))
}

#[tokio::test(start_paused = true)]
async fn a_tool_has_a_timeout_of_its_own() {
    let slow = FunctionTool::new("slow", "Is slow.", |_: Nothing, cx: StepContext| async move {
        cx.world().sleep(Duration::from_secs(30)).await;
        "done"
    });
    let model = ScriptedModel::new([Reply::call("slow", json!({})), Reply::text("gave up")]);
    let options = ToolOptions::new().timeout(Duration::from_secs(5));
    let agent = on(&model).tool_with(slow.read_only(), options).build().unwrap();
    let host = Host::new();
    host.run(&agent, "go").await.unwrap();
    let told = "!slow: the tool took longer than 5s and was stopped; it can be called again";
    assert_eq!(host.tool_answers(), [told]);
}

#[derive(Deserialize, JsonSchema)]
struct Nothing {}

#[tokio::test(start_paused = true)]
async fn a_call_that_can_be_repeated_is_tried_again_and_the_model_sees_the_last_answer() {
    for (retries, told) in [(2, "echo: hello"), (1, "!echo: busy")] {
        let (tool, calls) = echo(2);
        let model = ScriptedModel::new([says("hello"), Reply::text("done")]);
        let options = ToolOptions::new().retries(retries);
        let agent = on(&model).tool_with(tool, options).build().unwrap();
        let host = Host::new();
        let began = tokio::time::Instant::now();
        host.run(&agent, "go").await.unwrap();
        assert_eq!(host.tool_answers(), [told]);
        assert_eq!(calls.load(Ordering::SeqCst), usize::try_from(retries).unwrap() + 1);
        let waited = [0, 500, 1500][usize::try_from(retries).unwrap()];
        assert_eq!(began.elapsed().as_millis(), waited);
        let notes = host.events().into_iter().filter(|event| {
            matches!(event, EventKind::StepProgress { content, .. }
                if content.text().contains("it is tried again"))
        });
        assert_eq!(notes.count(), usize::try_from(retries).unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_panics_or_has_wrong_arguments_is_not_tried_again() {
    let calls = Arc::new(AtomicUsize::new(0));
    let seen = calls.clone();
    let tool = FunctionTool::new("echo", "Panics.", move |args: Word| {
        seen.fetch_add(1, Ordering::SeqCst);
        async move {
            assert!(args.word.is_empty(), "no such luck");
            "empty"
        }
    });
    let wrong = Reply::call("echo", json!({"word": 7}));
    let model = ScriptedModel::new([says("x"), wrong, Reply::text("done")]);
    let options = ToolOptions::new().retries(3);
    let agent = on(&model).tool_with(tool.read_only(), options).build().unwrap();
    let host = Host::new();
    host.run(&agent, "go").await.unwrap();
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    let told = host.tool_answers();
    assert_eq!(told[0], "!echo: the tool panicked: no such luck");
    assert!(told[1].contains("wrong arguments: at `word`"), "{told:?}");
}

#[tokio::test]
async fn calls_above_the_limit_of_a_tool_are_not_made() {
    let (tool, calls) = echo(0);
    let model = ScriptedModel::new([
        says("a").and_call("echo", json!({"word": "b"})),
        says("c"),
        Reply::text("done"),
        says("d"),
        Reply::text("done"),
    ]);
    let agent = on(&model).tool_with(tool, ToolOptions::new().max_calls(2)).build().unwrap();
    let host = Host::new();
    host.run(&agent, "go").await.unwrap();
    assert_eq!(calls.load(Ordering::SeqCst), 2);
    let refused = "!echo: not called: `echo` can be called 2 times for one message, and was; go on \
                   without it";
    assert_eq!(host.tool_answers(), ["echo: a", "echo: b", refused]);
    // The next message has the whole number again.
    let host = Host::new();
    host.run(&agent, "go").await.unwrap();
    assert_eq!(host.tool_answers(), ["echo: d"]);
}

#[tokio::test]
async fn the_rest_of_a_long_result_is_read_by_offset() {
    let (tool, calls) = echo(0);
    let long = format!("{}ü{}", "a".repeat(99), "b".repeat(100));
    let read = |result: u64, offset: u64| {
        Reply::call(READ_RESULT, json!({"result": result, "offset": offset}))
    };
    let script = || {
        ScriptedModel::new([
            says("short"),
            says(&long),
            read(2, 99),
            read(1, 0),
            read(2, 500),
            read(7, 0),
            Reply::text("done"),
        ])
    };
    let options = || ToolOptions::new().max_bytes(100);
    let agent = on(&script()).tool_with(tool.clone(), options()).build().unwrap();
    assert_eq!(
        agent.tools().iter().map(|tool| &*tool.name).collect::<Vec<_>>(),
        ["echo", READ_RESULT]
    );
    let host = Host::new();
    host.run(&agent, "go").await.unwrap();
    let told = host.tool_answers();
    assert_eq!(told[0], "echo: short");
    // A character is not cut in half.
    let note = "[these are the bytes 0 to 99 of 201; read on with `read_result`: {\"result\": 2, \
                \"offset\": 99}]";
    assert_eq!(told[1], format!("echo: {}\n{note}", "a".repeat(99)));
    assert_eq!(told[2], format!("read_result: ü{}", "b".repeat(100)));
    assert_eq!(told[3], "!read_result: result 1 does not go on; these go on: 2");
    assert!(told[4].contains("`offset` is 500, and the result has 201 bytes"), "{told:?}");
    assert!(told[5].contains("result 7 does not go on"), "{told:?}");

    // A run that was cut after any fact reads the same, and repeats no completed call.
    let journal = host.journal();
    for cut in 1..journal.len() {
        calls.store(0, Ordering::SeqCst);
        let past: Vec<_> = journal[..cut].to_vec();
        let done = past.iter().filter(|(_, kind)| {
            matches!(kind, EventKind::ToolCallCompleted { tool } if tool.name == "echo")
        });
        let (done, asked) = (
            done.count(),
            past.iter()
                .filter(|(_, kind)| matches!(kind, EventKind::ModelRequestCompleted { .. }))
                .count(),
        );
        let model = ScriptedModel::new(
            [
                says("short"),
                says(&long),
                read(2, 99),
                read(1, 0),
                read(2, 500),
                read(7, 0),
                Reply::text("done"),
            ]
            .into_iter()
            .skip(asked),
        );
        let agent = on(&model).tool_with(tool.clone(), options()).build().unwrap();
        let again = Host::after(past);
        again.run(&agent, "go").await.unwrap();
        assert_eq!(calls.load(Ordering::SeqCst), 2 - done, "cut at {cut}");
        let answers = again.tool_answers();
        assert!(told.ends_with(&answers), "cut at {cut}: {answers:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_kept_for_the_same_arguments_and_as_long_as_set() {
    let (tool, calls) = echo(0);
    let script = [says("a"), Reply::text("x")];
    let script = script.into_iter().cycle().take(4).chain([says("b"), Reply::text("x")]);
    let model = ScriptedModel::new(script.chain([says("a"), Reply::text("x")]));
    let options = ToolOptions::new().cache(Duration::from_mins(1));
    let agent = on(&model).tool_with(tool, options).build().unwrap();
    let host = Host::new();
    let count = async |seconds: u64| {
        tokio::time::advance(Duration::from_secs(seconds)).await;
        host.run(&agent, "go").await.unwrap();
        calls.load(Ordering::SeqCst)
    };
    assert_eq!(count(0).await, 1);
    assert_eq!(count(59).await, 1);
    assert_eq!(count(0).await, 2, "other arguments");
    assert_eq!(count(1).await, 3, "the answer is too old");
    assert_eq!(host.tool_answers(), ["echo: a", "echo: a", "echo: b", "echo: a"]);
}

#[tokio::test]
async fn agents_with_the_same_settings_do_not_share_their_answers() {
    let options = ToolOptions::new().cache(Duration::from_mins(1));
    for word in ["one", "two"] {
        let tool = FunctionTool::new("echo", "Says a word.", move |_: Word| async move { word });
        let model = ScriptedModel::new([says("same"), Reply::text("x")]);
        let agent = on(&model).tool_with(tool.read_only(), options.clone()).build().unwrap();
        let host = Host::new();
        host.run(&agent, "go").await.unwrap();
        assert_eq!(host.tool_answers(), [format!("echo: {word}")]);
    }
}

#[tokio::test]
async fn hooks_change_refuse_and_rewrite() {
    let (tool, calls) = echo(0);
    let model = ScriptedModel::new([says("ann"), says("secret"), says("long"), Reply::text("x")]);
    let options = ToolOptions::new()
        .before(|mut arguments, _| async move {
            if arguments["word"] == "secret" {
                return Err(ToolError::Failed("this word is not for you".into()));
            }
            arguments["word"] = format!("{}!", arguments["word"].as_str().unwrap()).into();
            Ok(arguments)
        })
        .after(|answer, cx| async move {
            if answer == "long!" {
                return Err(ToolError::Failed("nothing to see".into()));
            }
            Ok(format!("{answer} at {}", cx.path()))
        })
        .requires_confirmation();
    let agent = on(&model).tool_with(tool, options).build().unwrap();
    let host = Host::new();
    for nth in [1, 3] {
        let id = format!("step/echo#{nth}!confirm");
        host.answer(&id, stepwright_core::Answer::Approve);
    }
    host.run(&agent, "go").await.unwrap();
    assert_eq!(
        host.tool_answers(),
        [
            "echo: ann! at step/echo#1",
            "!echo: not called: this word is not for you",
            "!echo: nothing to see",
        ]
    );
    assert_eq!(calls.load(Ordering::SeqCst), 2);
    // A person confirms what is done.
    let asked = serde_json::to_value(&host.asked.lock().unwrap()[0]).unwrap();
    assert_eq!(asked["tool"]["arguments"]["json"]["word"].as_str(), Some("ann!"), "{asked:#}");
}

#[tokio::test]
async fn one_tool_can_be_the_choice_until_it_was_called() {
    let (tool, _) = echo(0);
    let model = ScriptedModel::new([says("a"), Reply::text("done")]);
    let one = ToolChoice::One("echo".into());
    let agent = on(&model).tool(tool).tool_choice(one.clone()).build().unwrap();
    Host::new().run(&agent, "go").await.unwrap();
    let choices: Vec<_> = model.requests().into_iter().map(|it| it.tool_choice).collect();
    assert_eq!(choices, [one, ToolChoice::Auto]);
    let error = on(&model).tool_choice(ToolChoice::One("search".into())).build().unwrap_err();
    assert!(error.to_string().contains("it must call `search`, but has no such tool"), "{error}");
}

#[test]
fn settings_that_a_tool_cannot_have_are_mistakes() {
    let acts = || FunctionTool::new("pay", "Pays.", |args: Word| async move { args.word });
    let zero = Duration::ZERO;
    for (options, told) in [
        (ToolOptions::new().retries(1), "`retries` of tool `pay` would repeat a call"),
        (ToolOptions::new().retries(11), "`retries` of tool `pay` is 11; set 0 to 10"),
        (ToolOptions::new().cache(Duration::from_secs(1)), "`cache` of tool `pay` would leave out"),
        (ToolOptions::new().timeout(zero), "`timeout` of tool `pay` must be greater than zero"),
        (ToolOptions::new().cache(zero), "`cache` of tool `pay` must be greater than zero"),
        (ToolOptions::new().max_calls(0), "`max_calls` of tool `pay` must be at least 1"),
        (ToolOptions::new().max_bytes(0), "`max_bytes` of tool `pay` is 0; set 1 to 1048576"),
    ] {
        let model = ScriptedModel::new(["x"]);
        let error = on(&model).tool_with(acts(), options).build().unwrap_err().to_string();
        assert!(error.contains(told), "{error}");
    }
    let own = FunctionTool::new(READ_RESULT, "Is mine.", |args: Word| async move { args.word });
    let model = ScriptedModel::new(["x"]);
    let agent = on(&model).tool(own).tool_with(acts(), ToolOptions::new().max_bytes(9)).build();
    let error = agent.unwrap_err().to_string();
    assert!(error.contains("a tool is called `read_result`"), "{error}");
}

/// A tool that draws: a text, and an image.
struct Draws(ToolSpec, Arc<AtomicUsize>);

impl Tool for Draws {
    fn spec(&self) -> &ToolSpec {
        &self.0
    }

    fn effect(&self) -> ToolEffect {
        ToolEffect::ReadOnly
    }

    fn call(&self, _: Value, _: StepContext) -> BoxFuture<'_, Result<String, ToolError>> {
        Box::pin(async { unreachable!("the agent wants the whole answer") })
    }

    fn answer(&self, _: Value, _: StepContext) -> BoxFuture<'_, Result<ToolAnswer, ToolError>> {
        self.1.fetch_add(1, Ordering::SeqCst);
        let image = Media::bytes(MediaKind::Image, *b"\x89PNG").with_mime("image/png");
        Box::pin(async { Ok(ToolAnswer { text: "a bridge".into(), media: vec![image] }) })
    }
}

/// A source with the tool `draw`.
struct Studio(Arc<AtomicUsize>);

impl ToolSource for Studio {
    fn name(&self) -> &'static str {
        "studio"
    }

    fn tools(&self, _: StepContext) -> BoxFuture<'_, Result<Vec<AnyTool>, StepError>> {
        let (name, description) = ("draw".into(), "Draws.".into());
        let spec = ToolSpec { name, description, parameters: json!({"type": "object"}) };
        let tool = AnyTool::new(Draws(spec, self.0.clone()));
        Box::pin(async { Ok(vec![tool]) })
    }
}

fn images(host: &Host) -> Vec<usize> {
    let outcomes = host.events().into_iter().filter_map(|event| match event {
        EventKind::ToolCallCompleted { tool } => Some(tool.media.len()),
        _ => None,
    });
    outcomes.collect()
}

#[tokio::test]
async fn settings_hold_for_the_tools_of_a_source_and_keep_the_media_of_answers() {
    let draw = || Reply::call("draw", json!({}));
    let model = ScriptedModel::new([draw(), draw(), draw(), Reply::text("done")]);
    let calls = Arc::new(AtomicUsize::new(0));
    let options = ToolOptions::new()
        .max_calls(2)
        .cache(Duration::from_mins(1))
        .after(|text, _| async move { Ok(text.to_uppercase()) });
    let studio = AnyToolSource::new(Studio(calls.clone()));
    let agent = on(&model).tool_with(studio, options).build().unwrap();
    let host = Host::new();
    host.run(&agent, "go").await.unwrap();
    let refused = "!draw: not called: `draw` can be called 2 times for one message, and was; go on \
                   without it";
    assert_eq!(host.tool_answers(), ["draw: A BRIDGE", "draw: A BRIDGE", refused]);
    assert_eq!(images(&host), [1, 1]);
    assert_eq!(calls.load(Ordering::SeqCst), 1, "the second answer is the kept one");
}

#[tokio::test]
async fn settings_that_do_not_fit_a_tool_of_a_source_fail_the_step() {
    let model = ScriptedModel::new([Reply::text("done")]);
    let agent = |name: &str, options: ToolOptions| {
        let studio = AnyToolSource::new(Studio(Arc::default()));
        on(&model).tool(studio).tool_options(name, options).build().unwrap()
    };
    let told = async |agent| {
        let error = Host::new().run(&agent, "go").await.unwrap_err();
        error.data.message.clone()
    };
    let missing = told(agent("paint", ToolOptions::new().max_calls(2))).await;
    assert!(missing.contains("`tool_options` names `paint`"), "{missing}");
    let many = told(agent("draw", ToolOptions::new().retries(1000))).await;
    assert!(many.contains("`retries` of tool `draw` is 1000"), "{many}");
}

#[tokio::test]
async fn an_agent_that_takes_over_asks_its_own_sources() {
    let artist = ScriptedModel::new([Reply::call("draw", json!({})), Reply::text("here it is")]);
    let studio = AnyToolSource::new(Studio(Arc::default()));
    let artist = Agent::builder("Artist").model(artist).unwrap().tool(studio).build().unwrap();
    let model = ScriptedModel::new([Reply::call("transfer_to_artist", json!({}))]);
    let agent = on(&model).handoff(&artist, "Draws.").build().unwrap();
    let host = Host::new();
    let output = host.run(&agent, "go").await.unwrap();
    assert_eq!(output.content.text(), "here it is");
    assert_eq!(images(&host), [0, 1]);
}
