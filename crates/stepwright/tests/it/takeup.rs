//! Agents in runs that are retried and forked: what a provider answered is not asked for again.

use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use stepwright::Memory;
use stepwright::prelude::*;
use stepwright::tools::ToolError;
use stepwright_core::model::{ModelError, ModelErrorKind};
use stepwright_testing::model::{Reply, ScriptedModel};

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Nothing {}

/// A tool that counts its calls, and fails the step at the first so many.
fn tool(calls: &Arc<AtomicUsize>, fails: usize) -> FunctionTool {
    let calls = calls.clone();
    FunctionTool::new("look", "Looks.", move |_: Nothing| {
        let nth = calls.fetch_add(1, Ordering::SeqCst);
        async move {
            if nth < fails {
                return Err(ToolError::Fatal(StepError::terminal("the tool is down")));
            }
            Ok("seen".to_owned())
        }
    })
    .read_only()
}

fn down() -> Reply {
    Reply::text("").and_error(ModelError::new(ModelErrorKind::BadRequest, "down"))
}

fn workflow(model: &ScriptedModel, tool: FunctionTool) -> Workflow {
    let agent = Agent::builder("looker").model(model.clone()).unwrap().tool(tool).build().unwrap();
    let before = |input: String| async move { Ok::<_, StepError>(format!("about {input}")) };
    Workflow::builder("News")
        .store(Memory::default())
        .step(Step::new("before", before))
        .step(Step::new("look", agent))
        .build()
        .unwrap()
}

#[tokio::test]
async fn a_retried_agent_goes_on_after_the_answers_that_it_has() {
    let calls = Arc::new(AtomicUsize::new(0));
    let model =
        ScriptedModel::new([Reply::call("look", json!({})), down(), Reply::text("all is well")]);
    let workflow = workflow(&model, tool(&calls, 0));
    let failed = workflow.run("ants").run_id("r-1").await.unwrap_err();
    let spent = failed.output().unwrap().metrics;
    let output = workflow.retry("r-1").await.unwrap();
    assert_eq!(output.content.text(), "all is well");
    assert_eq!(model.requests().len(), 3, "the first answer is not asked for again");
    let last = &model.requests()[2];
    assert_eq!(last.messages.len(), 3, "the model is told what it said and what the tool said");
    assert_eq!(calls.load(Ordering::SeqCst), 1, "the tool is not called again");
    assert_eq!((spent.model_calls, output.metrics.model_calls), (1, 2));
    let session = workflow.get_session(&output.session_id).await.unwrap();
    assert_eq!((session.metrics.runs, session.metrics.model_calls), (1, 2));
}

#[tokio::test]
async fn an_answer_that_was_the_reason_is_asked_for_again() {
    let model = ScriptedModel::new([Reply::text(""), Reply::text("now it is there")]);
    let calls = Arc::new(AtomicUsize::new(0));
    let workflow = workflow(&model, tool(&calls, 0));
    workflow.run("ants").run_id("r-1").await.unwrap_err();
    assert_eq!(workflow.retry("r-1").await.unwrap().content.text(), "now it is there");
    assert_eq!(model.requests().len(), 2);
}

#[tokio::test]
async fn a_fork_asks_the_model_from_the_start_of_its_step_only() {
    let calls = Arc::new(AtomicUsize::new(0));
    let model = ScriptedModel::new([
        Reply::call("look", json!({})).with_tokens(10, 2),
        Reply::text("one").with_tokens(20, 4),
        Reply::text("two").with_tokens(40, 8),
    ]);
    let workflow = workflow(&model, tool(&calls, 0));
    let origin = workflow.run("ants").run_id("r-1").await.unwrap();
    let fork = workflow.fork("r-1").at("look").run_id("r-2").await.unwrap();
    assert_eq!((origin.content.text(), fork.content.text()), ("one".into(), "two".into()));
    assert_eq!(model.requests()[2].messages.len(), 1, "the step begins from its start");
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    let usage = fork.metrics.usage;
    assert_eq!((usage.input_tokens, usage.output_tokens), (Some(40), Some(8)));
    let session = workflow.get_session(&fork.session_id).await.unwrap();
    assert_eq!((session.metrics.runs, session.metrics.model_calls), (2, 3));
    assert_eq!(fork.origin.unwrap().run.as_str(), "r-1");
}

#[tokio::test]
async fn a_tool_that_failed_is_called_again_and_the_model_is_not() {
    let calls = Arc::new(AtomicUsize::new(0));
    let model = ScriptedModel::new([Reply::call("look", json!({})), Reply::text("seen it")]);
    let workflow = workflow(&model, tool(&calls, 1));
    workflow.run("ants").run_id("r-1").await.unwrap_err();
    let output = workflow.retry("r-1").await.unwrap();
    assert_eq!(output.content.text(), "seen it");
    assert_eq!((model.requests().len(), calls.load(Ordering::SeqCst)), (2, 2));
}
