//! Runs whose agents got messages while they worked, and questions of steps that are answered
//! whole.

use crate::support::{approve, of_run, recorded};
use futures_util::StreamExt as _;
use serde_json::json;
use stepwright_agent::{Agent, FunctionTool};
use stepwright_core::gate::Permit;
use stepwright_core::model::AnyModel;
use stepwright_core::permission::Effect;
use stepwright_core::sent::SendMode;
use stepwright_core::{AnyStore, EventKind, Memory, StepContext, StepError, StepInput};
use stepwright_engine::{Runs, Step, Workflow, WorkflowBuilder};
use stepwright_testing::model::{FunctionModel, Reply};

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Nothing {}

/// A tool that sends messages to the run that calls it.
fn looking(store: Option<Memory>) -> FunctionTool {
    FunctionTool::new("look", "Looks.", move |_: Nothing| {
        let store = store.clone().expect("a tool was called in a replay");
        async move {
            let (runs, run) = (Runs::of(AnyStore::new(store)), "r-1".parse().unwrap());
            runs.send(&run, "Be brief.").await.unwrap();
            runs.send(&run, "And in German.").mode(SendMode::FollowUp).await.unwrap();
            Ok::<_, String>("seen")
        }
    })
}

fn flow(store: Option<Memory>) -> WorkflowBuilder {
    let live = store.is_some();
    let model = FunctionModel::new(move |request| {
        assert!(live, "a model was asked in a replay");
        match request.messages.len() {
            1 => Reply::call("look", json!({})),
            count => Reply::text(format!("answer after {count} messages")),
        }
    });
    let agent = Agent::builder("writer").model(AnyModel::new(model)).unwrap();
    let agent = agent.tool(looking(store)).build().unwrap();
    Workflow::builder("Flow").step(Step::new("write", agent))
}

#[tokio::test]
async fn messages_to_an_agent_are_given_at_the_same_points_of_a_replay() {
    let store = Memory::default();
    let workflow = flow(Some(store.clone())).store(store.clone()).build().unwrap();
    let output = workflow.run("ants").run_id("r-1").await.unwrap();
    assert_eq!(output.content.text(), "answer after 6 messages");
    let recorded = of_run(store, flow(None)).await;
    if let Err(error) = &recorded.made {
        panic!("{}", error.report());
    }
    let text = recorded.text();
    assert!(text.contains("Be brief.") && text.contains("And in German."), "{text}");
    assert!(recorded.golden().contains("MessageReceived"), "{}", recorded.golden());
    let report = recorded.replay(flow(None));
    assert!(report.differences.is_empty(), "{report}\n{text}");

    // Without them, the run is another one.
    let (messages, _) = text.split_once("\nmessages:").unwrap();
    std::fs::write(recorded.cassette(), format!("{messages}\n")).unwrap();
    let report = recorded.replay(flow(None)).to_string();
    assert!(report.contains("recorded: \"Be brief.\""), "{report}");
}

fn interrupted(live: bool) -> WorkflowBuilder {
    let model = FunctionModel::new(move |request| {
        assert!(live, "a model was asked in a replay");
        match request.messages.len() {
            1 => Reply::text("A long story").and_hang(),
            _ => Reply::text("Short."),
        }
    });
    let agent = Agent::builder("writer").model(AnyModel::new(model)).unwrap();
    Workflow::builder("Flow").step(Step::new("write", agent.build().unwrap()))
}

#[tokio::test]
async fn an_answer_that_a_message_cut_off_is_cut_off_in_the_replay() {
    let store = Memory::default();
    let workflow = interrupted(true).store(store.clone()).build().unwrap();
    let mut events = workflow.run("ants").run_id("r-1").stream_events(true).stream();
    let mut said = String::new();
    while let Some(event) = events.next().await {
        if matches!(event.kind, EventKind::RunContent { .. }) {
            let run = event.run.clone();
            said += &event
                .kind
                .content()
                .map(|content| content.text().into_owned())
                .unwrap_or_default();
            if said == "A long story" {
                workflow.send(&run, "Stop.").mode(SendMode::Interrupt).await.unwrap();
            }
        }
    }
    assert_eq!(events.output().await.unwrap().content.text(), "Short.");
    let recorded = of_run(store, interrupted(false)).await;
    if let Err(error) = &recorded.made {
        panic!("{}", error.report());
    }
    let report = recorded.replay(interrupted(false));
    assert!(report.differences.is_empty(), "{report}\n{}", recorded.text());
    assert!(recorded.text().contains("interrupted: A long story"), "{}", recorded.text());
}

/// A step that asks for permissions while it works, as a coding agent does.
fn asking(live: bool) -> WorkflowBuilder {
    let work = move |_: StepInput, cx: StepContext| async move {
        assert!(live, "a step was carried out in a replay");
        let mut told = Vec::new();
        for command in ["make", "make install"] {
            let permit = cx.permit(&Effect::tool(command).asked()).await?;
            told.push(format!("{command}: {}", matches!(permit, Permit::Granted)));
        }
        Ok::<_, StepError>(told.join(", "))
    };
    Workflow::builder("Flow").step(Step::new("fix", work))
}

#[tokio::test]
async fn questions_of_a_step_that_is_answered_whole_are_answered_with_it() {
    let recorded = recorded(asking(true), asking(false), "ants", approve).await;
    if let Err(error) = &recorded.made {
        panic!("{}", error.report());
    }
    assert!(recorded.text().contains("make install: true"), "{}", recorded.text());
    let report = recorded.replay(asking(false));
    assert!(report.differences.is_empty(), "{report}\n{}", recorded.text());
}
