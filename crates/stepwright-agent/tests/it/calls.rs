//! Calls of tools: in order, at once, and when they go wrong.

use crate::host::{Host, on};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use stepwright_agent::{FunctionTool, Json};
use stepwright_core::error::ErrorCode;
use stepwright_core::message::{Message, Usage};
use stepwright_core::model::StopReason;
use stepwright_core::tool::ToolError;
use stepwright_core::{Content, EventKind, OnInterrupted, StepContext, StepError};
use stepwright_testing::model::{Reply, ScriptedModel};

#[derive(Deserialize, JsonSchema)]
struct Add {
    numbers: Vec<i64>,
}

#[derive(Deserialize, JsonSchema)]
struct Wait {
    seconds: u64,
}

#[derive(Deserialize, JsonSchema)]
struct Nothing {}

fn luck() -> &'static str {
    panic!("no such luck")
}

fn add() -> FunctionTool {
    FunctionTool::new("add", "Adds numbers.", |args: Add| async move {
        Json(args.numbers.iter().sum::<i64>())
    })
}

/// A tool that takes as long as it is told, and the most that ever ran of it at once.
fn wait() -> (FunctionTool, Arc<AtomicUsize>) {
    let most = Arc::new(AtomicUsize::new(0));
    let (now, seen) = (Arc::new(AtomicUsize::new(0)), most.clone());
    let tool = FunctionTool::new("wait", "Waits.", move |args: Wait, cx: StepContext| {
        let (now, seen) = (now.clone(), seen.clone());
        async move {
            seen.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            cx.note(format!("waiting for {}", args.seconds));
            cx.world().sleep(Duration::from_secs(args.seconds)).await;
            now.fetch_sub(1, Ordering::SeqCst);
            format!("waited {}", args.seconds)
        }
    });
    (tool, most)
}

#[tokio::test]
async fn a_model_calls_its_tools_until_it_has_an_answer() {
    let model = ScriptedModel::new([
        Reply::text("I add. ").and_call("add", json!({"numbers": [1, 2]})).with_tokens(10, 2),
        Reply::call("add", json!({"numbers": [3, 4]})).with_tokens(20, 3),
        Reply::text("Ten.").with_tokens(30, 4),
    ]);
    let agent = on(&model).tool(add()).build().unwrap();
    let host = Host::new();
    let output = host.run(&agent, "add them").await.unwrap();
    assert_eq!(output.content.text(), "Ten.");
    let usage = Usage { input_tokens: Some(60), output_tokens: Some(9), ..Usage::default() };
    assert_eq!(output.usage, usage);
    assert_eq!(host.tool_answers(), ["add: 3", "add: 7"]);
    let facts = [
        "RunStarted",
        "ModelRequestStarted",
        "ModelRequestCompleted",
        "ToolCallStarted",
        "ToolCallCompleted",
        "ModelRequestStarted",
        "ModelRequestCompleted",
        "ToolCallStarted",
        "ToolCallCompleted",
        "ModelRequestStarted",
        "ModelRequestCompleted",
        "RunCompleted",
    ];
    assert_eq!(host.fact_names(), facts);

    let last = &model.requests()[2];
    assert_eq!(last.tools[0].name, "add");
    let [_, Message::Assistant(first), Message::Tool { results }, ..] = &*last.messages else {
        panic!("{:?}", last.messages);
    };
    assert_eq!(first.text(), "I add. ");
    assert_eq!(results[0].call_id, first.tool_calls().next().unwrap().id);
}

#[tokio::test(start_paused = true)]
async fn calls_of_one_turn_run_at_once_and_answer_in_order() {
    let seconds = [5, 1, 3, 2, 4];
    let calls = seconds.iter().fold(Reply::text(""), |reply, seconds| {
        reply.and_call("wait", json!({"seconds": seconds}))
    });
    for (limit, expected) in [(8, 5), (2, 2)] {
        let model = ScriptedModel::new([calls.clone(), Reply::text("done")]);
        let (tool, most) = wait();
        let agent = on(&model).tool(tool).tool_concurrency(limit).build().unwrap();
        let host = Host::new();
        let began = tokio::time::Instant::now();
        host.run(&agent, "wait").await.unwrap();
        let answers = seconds.map(|seconds| format!("waited {seconds}"));
        let Message::Tool { results } = &model.requests()[1].messages[2] else { panic!() };
        assert!(results.iter().map(|result| &result.text).eq(&answers), "{results:?}");
        assert_eq!(host.tool_answers().len(), 5);
        assert_eq!(most.load(Ordering::SeqCst), expected);
        if limit == 8 {
            assert_eq!(began.elapsed().as_secs(), 5);
        }
        let progress = EventKind::StepProgress { content: "waiting for 1".into(), progress: None };
        assert!(host.events().contains(&progress));
    }
}

#[tokio::test]
async fn wrong_arguments_are_told_to_the_model_which_corrects_them() {
    let model = ScriptedModel::new([
        Reply::call("add", json!({"numbers": [1, "two"]})),
        Reply::broken_call("add", "{\"numbers\": [1, 2"),
        Reply::call("sum", json!({})),
        Reply::call("add", json!({"numbers": [1, 2]})),
        Reply::text("Three."),
    ]);
    let agent = on(&model).tool(add()).build().unwrap();
    let host = Host::new();
    assert_eq!(host.run(&agent, "add").await.unwrap().content.text(), "Three.");
    let answers = host.tool_answers();
    assert_eq!(
        answers,
        [
            "!add: wrong arguments: at `numbers[1]`: invalid type: string \"two\", expected i64; \
             correct them and call `add` again",
            "!add: wrong arguments: they are not JSON (EOF while parsing a list at line 1 column \
             17): {\"numbers\": [1, 2; correct them and call `add` again",
            "!sum: there is no tool `sum`; the tools are `add`",
            "add: 3",
        ],
    );
    let Message::Tool { results } = &model.requests()[1].messages[2] else { panic!() };
    assert!(results[0].is_error);
}

#[tokio::test]
async fn a_tool_without_arguments_may_be_called_with_nothing() {
    let tool = FunctionTool::new("now", "The time.", |_: Nothing| async {});
    let model = ScriptedModel::new([
        Reply::broken_call("now", " ").and_call("now", json!(null)),
        Reply::text("ok"),
    ]);
    let agent = on(&model).tool(tool).build().unwrap();
    let host = Host::new();
    host.run(&agent, "go").await.unwrap();
    assert_eq!(host.tool_answers(), ["now: done", "now: done"]);
}

#[tokio::test(start_paused = true)]
async fn a_tool_that_fails_panics_or_hangs_is_told_to_the_model() {
    let fail = FunctionTool::new("fail", "", |_: Nothing| async {
        Err::<(), _>(std::io::Error::other("disk full"))
    });
    let panic = FunctionTool::new("panic", "", |_: Nothing| async { luck() });
    let (wait, _) = wait();
    let model = ScriptedModel::new([
        Reply::call("wait", json!({"seconds": 60}))
            .and_call("panic", json!({}))
            .and_call("fail", json!({})),
        Reply::text("I give up."),
    ]);
    let agent =
        on(&model).tools([fail, panic, wait]).tool_timeout(Duration::from_secs(9)).build().unwrap();
    let host = Host::new();
    assert_eq!(host.run(&agent, "try").await.unwrap().content.text(), "I give up.");
    let answers = [
        "!panic: the tool panicked: no such luck",
        "!fail: disk full",
        "!wait: the tool took longer than 9s and was stopped; its outcome is unknown: it may have been \
         done. Do not call it again for the same purpose until you know that it was not done",
    ];
    assert_eq!(host.tool_answers(), answers);
}

#[tokio::test(start_paused = true)]
async fn only_a_tool_that_can_be_repeated_may_be_called_again_when_it_took_too_long() {
    let tool = || wait().0;
    for (tool, can_repeat) in [
        (tool(), false),
        (tool().read_only(), true),
        (tool().idempotent(), true),
        (tool().on_interrupted(OnInterrupted::Retry), true),
        (tool().read_only().on_interrupted(OnInterrupted::Fail), false),
    ] {
        let model = ScriptedModel::new([
            Reply::call("wait", json!({"seconds": 60})),
            Reply::text("I see."),
        ]);
        let limit = Duration::from_secs(9);
        let agent = on(&model).tool(tool).tool_timeout(limit).build().unwrap();
        let host = Host::new();
        host.run(&agent, "go").await.unwrap();
        let told = host.tool_answers().remove(0);
        assert_eq!(told.ends_with("; it can be called again"), can_repeat, "{told}");
        let unknown = host.facts().into_iter().any(|fact| match fact {
            EventKind::ToolCallError { tool, .. } => tool.outcome_unknown,
            _ => false,
        });
        assert_eq!(unknown, !can_repeat, "the fact says so, too");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_at_work_beside_a_fatal_failure_ends_and_nothing_more_begins() {
    let fatal = FunctionTool::new("pay", "", |_: Nothing| async {
        Err::<String, _>(ToolError::Fatal(StepError::terminal("closed")))
    });
    let model = ScriptedModel::new([Reply::call("wait", json!({"seconds": 5}))
        .and_call("pay", json!({}))
        .and_call("wait", json!({"seconds": 6}))]);
    let agent = on(&model).tools([fatal, wait().0]).tool_concurrency(2).build().unwrap();
    let host = Host::new();
    host.run(&agent, "go").await.unwrap_err();
    assert_eq!(host.tool_answers(), ["!pay: tool `pay`: closed", "wait: waited 5"]);
    assert_eq!(host.fact_names().last(), Some(&"RunError"));
}

#[tokio::test]
async fn only_a_fatal_failure_of_a_tool_fails_the_step() {
    let pay = FunctionTool::new("pay", "", |_: Nothing| async {
        let error = StepError::terminal("the account is closed").with_hint("open it");
        Err::<String, _>(ToolError::Fatal(error))
    });
    let model = ScriptedModel::new([Reply::call("pay", json!({}))]);
    let agent = on(&model).tool(pay).build().unwrap();
    let host = Host::new();
    let error = host.run(&agent, "pay").await.unwrap_err();
    assert_eq!(error.data.message, "tool `pay`: the account is closed");
    assert_eq!((error.data.code, error.data.retryable), (ErrorCode::Tool, false));
    assert_eq!(error.data.hint.as_deref(), Some("open it"));
    assert_eq!(host.fact_names().last(), Some(&"RunError"));
}

#[tokio::test]
async fn a_model_that_never_ends_reaches_its_limit() {
    let model = ScriptedModel::new(vec![Reply::call("add", json!({"numbers": []})); 9]);
    let agent = on(&model).tool(add()).max_turns(3).build().unwrap();
    let host = Host::new();
    let error = host.run(&agent, "go").await.unwrap_err();
    assert_eq!((error.data.code, error.data.retryable), (ErrorCode::Limit, false));
    assert_eq!(
        error.data.message,
        "agent `Tester` reached its limit of 3 turns and still wants to call `add`",
    );
    assert!(error.data.hint.unwrap().contains("max_turns"));
    assert_eq!((model.requests().len(), host.tool_answers().len()), (3, 2));
}

#[tokio::test]
async fn a_huge_answer_of_a_tool_is_cut_and_says_so() {
    let tool = FunctionTool::new("dump", "", |_: Nothing| async { "é".repeat(1 << 20) });
    let model = ScriptedModel::new([Reply::call("dump", json!({})), Reply::text("ok")]);
    let agent = on(&model).tool(tool).build().unwrap();
    let host = Host::new();
    host.run(&agent, "go").await.unwrap();
    assert!(host.tool_answers()[0].ends_with("é\n[cut off here: 1048576 more bytes]"));
}

#[tokio::test]
async fn a_run_of_calls_is_bounded() {
    let many =
        (0..130).fold(Reply::text(""), |reply, _| reply.and_call("add", json!({"numbers": []})));
    let model = ScriptedModel::new([many, Reply::text("ok")]);
    let agent = on(&model).tool(add()).build().unwrap();
    let host = Host::new();
    host.run(&agent, "go").await.unwrap();
    let answers = host.tool_answers();
    assert_eq!(answers[127], "add: 0");
    assert_eq!(answers[128], "!add: not called: one turn may call at most 128 tools");
}

/// An empty output would pass the input of the step on as its result.
#[tokio::test]
async fn an_empty_answer_after_tools_is_asked_for_once_more() {
    let call = || Reply::call("add", json!({"numbers": []}));
    let model = ScriptedModel::new([call(), Reply::text(" "), Reply::text("It is 0.")]);
    let agent = on(&model).tool(add()).build().unwrap();
    let output = Host::new().run(&agent, "go").await.unwrap();
    assert_eq!(output.content, Content::from("It is 0."));
    let last = model.requests()[2].messages.last().unwrap().text();
    assert_eq!(last, "Your answer was empty. Answer now with what you found out or did.");

    let model = ScriptedModel::new([call(), Reply::text(""), Reply::text("")]);
    let agent = on(&model).tool(add()).build().unwrap();
    let error = Host::new().run(&agent, "go").await.unwrap_err();
    assert!(error.data.message.ends_with("ended its turn without an answer"), "{error:?}");
}

/// Calls of an answer that the provider itself marks as broken are not executed.
#[tokio::test]
async fn calls_of_an_answer_that_did_not_end_well_are_not_made() {
    let other = |reason: &str| StopReason::Other(reason.to_owned());
    let stops =
        [other("MALFORMED_FUNCTION_CALL"), other("error"), StopReason::Length, StopReason::Refused];
    for stop in stops {
        let call = Reply::call("add", json!({"numbers": [1]})).with_stop(stop.clone());
        let model = ScriptedModel::new([call, Reply::text("Done.")]);
        let agent = on(&model).tool(add()).build().unwrap();
        let host = Host::new();
        let error = host.run(&agent, "go").await.unwrap_err();
        assert!(host.tool_answers().is_empty(), "{stop:?}");
        if let StopReason::Other(reason) = &stop {
            assert!(error.data.message.contains(reason.as_str()), "{error:?}");
            assert!(error.data.retryable, "{error:?}");
        }
    }
    let nothing = Reply::text("I look it up.").with_stop(StopReason::ToolCalls);
    let agent = on(&ScriptedModel::new([nothing])).tool(add()).build().unwrap();
    let error = Host::new().run(&agent, "go").await.unwrap_err();
    assert!(error.data.message.ends_with("but called none"), "{error:?}");
}

#[tokio::test]
async fn calls_that_people_must_allow_are_asked_for_together_and_then_made() {
    let model = ScriptedModel::new([
        Reply::call("add", json!({"numbers": [1, 2]}))
            .and_call("add", json!({"numbers": [5]}))
            .and_call("wait", json!({"seconds": 0})),
        Reply::call("add", json!({"numbers": [9]})),
        Reply::text("Done."),
    ]);
    let (wait, _) = wait();
    let agent = on(&model).tool(add().requires_confirmation()).tool(wait).build().unwrap();
    let host = Host::new();
    host.answer("step/add#1!confirm", stepwright_core::Answer::Approve);
    host.answer("step/add#2!confirm", stepwright_core::Answer::edit(json!({"numbers": [6, 7]})));
    host.answer("step/add#3!confirm", stepwright_core::Answer::reject("not today"));
    host.run(&agent, "add").await.unwrap();
    assert_eq!(
        host.tool_answers(),
        ["add: 3", "add: 13", "wait: waited 0", "!add: a person rejected this call: not today"]
    );
    let asked = host.asked.lock().unwrap();
    let ids: Vec<&str> = asked.iter().map(|asked| &*asked.id).collect();
    assert_eq!(ids, ["step/add#1!confirm", "step/add#2!confirm", "step/add#3!confirm"]);
    assert_eq!(&*asked[0].message, "May agent `Tester` call `add`?");
}

#[tokio::test]
async fn only_tools_that_are_there_can_be_confirmed() {
    let model = ScriptedModel::new(["-"]);
    let error = on(&model).requires_confirmation("delete").build().unwrap_err();
    assert!(error.to_string().contains("`requires_confirmation` names `delete`"), "{error}");
    let agent = on(&model).tool(add()).requires_confirmation("add").build();
    assert!(agent.is_ok());
}
