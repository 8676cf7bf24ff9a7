//! Agents on their own, outside of a workflow, and outputs that are no objects.

use futures_util::StreamExt as _;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use stepwright_agent::{Agent, FunctionTool, tool};
use stepwright_core::model::{ModelError, ModelErrorKind};
use stepwright_core::{Answer, ErrorId, Executor as _, RunStatus, State, StepContext, StepInput};
use stepwright_engine::{Workflow, real_world};
use stepwright_models::RetryPolicy;
use stepwright_testing::model::{Reply, ScriptedModel};

fn busy() -> Reply {
    Reply::text("").and_error(ModelError::new(ModelErrorKind::Overloaded, "busy"))
}

#[derive(Deserialize, JsonSchema)]
struct By {
    by: Option<u32>,
}

fn agent(model: ScriptedModel) -> Agent {
    Agent::builder("Editor").model(model).unwrap().build().unwrap()
}

#[tokio::test]
async fn an_agent_runs_on_its_own_streams_and_keeps_its_sessions() {
    let agent = agent(ScriptedModel::new(["One.", "Two.", "Three."]));
    assert_eq!(agent.run("a").session_id("s").await.unwrap().content.text(), "One.");
    assert_eq!(tokio::spawn(agent.run("b")).await.unwrap().unwrap().content.text(), "Two.");
    let events = agent.clone().run("c").session_id("s").stream();
    assert!(events.filter_map(|event| async move { event.content() }).count().await > 0);
    assert_eq!(agent.workflow().get_session("s").await.unwrap().metrics.runs, 2);
}

#[tokio::test(start_paused = true)]
async fn a_model_that_is_busy_is_asked_again_after_a_real_pause() {
    let agent = agent(ScriptedModel::new([busy(), Reply::text("Now.")]));
    let begun = tokio::time::Instant::now();
    assert_eq!(agent.run("a").await.unwrap().content.text(), "Now.");
    assert!(begun.elapsed() > Duration::ZERO, "the clock of the runtime has passed");
    // The same with an executor alone.
    let agent = self::agent(ScriptedModel::new([busy(), Reply::text("Now.")]));
    let cx = StepContext::detached_in("step", real_world());
    let output = agent.execute(StepInput::of("a"), cx).await.unwrap();
    assert_eq!(output.content.text(), "Now.");
}

#[test]
fn a_retry_does_not_hang_on_the_time_of_a_detached_context() {
    let retry = RetryPolicy::default();
    let builder = Agent::builder("Editor").model(ScriptedModel::new([busy(), Reply::text("Now.")]));
    let agent = builder.unwrap().model_retry(retry).build().unwrap();
    let work = agent.execute(StepInput::of("a"), StepContext::detached("step"));
    // Nothing drives a clock here.
    let output = futures_util::FutureExt::now_or_never(work).expect("it does not wait");
    assert_eq!(output.unwrap().content.text(), "Now.");
}

#[tokio::test]
async fn an_agent_that_asks_is_continued_on_its_own() {
    let pay = FunctionTool::new("pay", "Pays.", |_: By| async { "paid" });
    let model = ScriptedModel::new([Reply::call("pay", json!({})), Reply::text("Done.")]);
    let builder = Agent::builder("Till").model(model).unwrap().tool(pay.requires_confirmation());
    let agent = builder.build().unwrap();
    let paused = agent.run("5 EUR").await.unwrap();
    assert_eq!(paused.status, RunStatus::Paused);
    let id = paused.requirements[0].id.clone();
    let resumed = agent.workflow().continue_run(&paused.run_id, [(&*id, Answer::Approve)]);
    assert_eq!(resumed.await.unwrap().content.text(), "Done.");
}

#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Urgency {
    Low,
    High,
}

#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Shape {
    Circle { radius: u32 },
    Value(u32),
}

/// Asks an agent for a `T`. Returns its output, and the schema that its model got.
async fn asked<T: serde::de::DeserializeOwned + JsonSchema>(answers: &[&str]) -> (Value, Value) {
    let model = ScriptedModel::new(answers.iter().map(|answer| Reply::text(*answer)));
    let builder = Agent::builder("Judge").model(model.clone()).unwrap().output::<T>();
    let output = builder.build().unwrap().run("?").await.unwrap();
    let schema = model.requests()[0].output_schema.clone().unwrap();
    (output.content.parse().unwrap(), schema)
}

#[tokio::test]
async fn an_output_that_is_no_object_is_wrapped_for_the_model() {
    let (output, schema) = asked::<Urgency>(&[r#"{"value": "high"}"#]).await;
    assert_eq!(output, "high");
    assert_eq!(schema["type"], "object");
    assert_eq!(schema["required"], json!(["value"]));
    assert_eq!(schema["additionalProperties"], false);
    assert_eq!(schema["properties"]["value"]["enum"], json!(["low", "high"]));
    // A model without structured output may leave the wrapping out.
    assert_eq!(asked::<Urgency>(&[r#""low""#]).await.0, "low");
    assert_eq!(asked::<Vec<u32>>(&[r#"{"value": [1, 2]}"#]).await.0, json!([1, 2]));
    assert_eq!(asked::<u32>(&[r#"{"value": 7}"#]).await.0, 7);
    let (output, schema) = asked::<Shape>(&[r#"{"value": {"circle": {"radius": 3}}}"#]).await;
    assert_eq!(output, json!({"circle": {"radius": 3}}));
    assert!(schema["properties"]["value"]["oneOf"].is_array(), "{schema}");
    // A variant that has the name of the wrapping.
    assert_eq!(asked::<Shape>(&[r#"{"value": {"value": 5}}"#]).await.0, json!({"value": 5}));
    assert_eq!(asked::<Shape>(&[r#"{"value": 5}"#]).await.0, json!({"value": 5}));
    // A wrong one is corrected.
    let answers = [r#"{"value": "urgent"}"#, r#"{"value": "high"}"#];
    assert_eq!(asked::<Urgency>(&answers).await.0, "high");
}

#[derive(Debug, PartialEq, Deserialize, JsonSchema)]
struct Note {
    value: String,
}

#[tokio::test]
async fn an_object_is_not_wrapped() {
    let (output, schema) = asked::<Note>(&[r#"{"value": "x"}"#]).await;
    assert_eq!(output, json!({"value": "x"}));
    assert_eq!(schema["properties"]["value"]["type"], "string");
}

/// Counts.
#[tool(crate = "stepwright_agent")]
async fn count(by: u32, State(total): State<Arc<AtomicU32>>, cx: StepContext) -> String {
    let total = total.fetch_add(by, Ordering::SeqCst) + by;
    format!("{total} at {}", cx.path())
}

#[tokio::test]
async fn tools_take_values_of_the_host() {
    let closure = FunctionTool::new(
        "add",
        "Adds.",
        |by: By, total: State<Arc<AtomicU32>>, _: StepContext| async move {
            total.fetch_add(by.by.unwrap_or_default(), Ordering::SeqCst);
        },
    );
    let calls = || {
        ScriptedModel::new([
            Reply::call("count", json!({"by": 3})).and_call("add", json!({"by": 4})),
            Reply::text("Done."),
        ])
    };
    let agent = |model| {
        let builder = Agent::builder("Counter").model(model).unwrap().tool(count);
        builder.tool(closure.clone()).build().unwrap()
    };
    let total = Arc::new(AtomicU32::new(0));
    let workflow = Workflow::builder("w").step(agent(calls())).state(total.clone());
    workflow.build().unwrap().run("go").await.unwrap();
    assert_eq!(total.load(Ordering::SeqCst), 7);
    let alone = agent(calls()).run("go").state(total.clone()).await;
    assert_eq!(alone.unwrap().content.text(), "Done.");
    assert_eq!(total.load(Ordering::SeqCst), 14);
    // The model does not see it, and cannot make up for it.
    let alone = agent(calls());
    assert_eq!(alone.tools()[0].parameters["properties"].as_object().unwrap().len(), 1);
    let error = agent(calls()).run("go").await.unwrap_err();
    assert_eq!(error.id(), ErrorId::HOST_STATE_MISSING);
}
