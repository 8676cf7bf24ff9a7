//! Answers of a shape that is asked for.

use crate::host::{Host, on};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use stepwright_agent::FunctionTool;
use stepwright_core::error::ErrorCode;
use stepwright_core::message::{Message, Usage};
use stepwright_core::{Executor as _, RunId, RunStatus, StepInput, session::Exchange};
use stepwright_testing::model::{Reply, ScriptedModel};

#[derive(Debug, PartialEq, Deserialize, JsonSchema)]
struct City {
    name: String,
    /// The number of people who live there.
    people: u64,
}

const BERGEN: &str = r#"{"name": "Bergen", "people": 290000}"#;

fn bergen() -> City {
    City { name: "Bergen".into(), people: 290_000 }
}

#[tokio::test]
async fn an_answer_that_fits_is_given_as_a_value() {
    let model = ScriptedModel::new([BERGEN]);
    let agent = on(&model).output::<City>().build().unwrap();
    let host = Host::new();
    let output = host.run(&agent, "Bergen").await.unwrap();
    assert_eq!(output.content.type_name(), "json");
    assert_eq!(output.content.parse::<City>().unwrap(), bergen());
    assert_eq!(host.shown(), BERGEN, "it is shown as it is written");
    let schema = model.requests()[0].output_schema.clone().unwrap();
    assert_eq!(
        schema["properties"]["people"]["description"],
        "The number of people who live there."
    );
    assert_eq!(schema["required"], json!(["name", "people"]));
}

#[tokio::test]
async fn an_answer_that_does_not_fit_is_asked_for_once_more() {
    let wrong = r#"{"name": "Bergen", "people": "many"}"#;
    let model = ScriptedModel::new([
        Reply::text(wrong).with_tokens(10, 5),
        Reply::text(BERGEN).with_tokens(20, 5),
    ]);
    let agent = on(&model).output::<City>().build().unwrap();
    let host = Host::new();
    let output = host.run(&agent, "Bergen").await.unwrap();
    assert_eq!(output.content.parse::<City>().unwrap(), bergen());
    let paid = Usage { input_tokens: Some(30), output_tokens: Some(10), ..Usage::default() };
    assert_eq!(output.usage, paid, "both answers are paid for");
    let told = &model.requests()[1].messages;
    assert_eq!(told[1].text(), wrong);
    assert_eq!(
        told[2],
        Message::user(
            "Your answer does not match the required schema: at `people`: invalid type: string \
             \"many\", expected u64. Answer again with JSON that matches the schema, and nothing \
             else."
        )
    );
}

#[tokio::test]
async fn a_second_answer_that_does_not_fit_fails() {
    let model = ScriptedModel::new(["Bergen, of course.", "I said Bergen.", BERGEN]);
    let agent = on(&model).output::<City>().build().unwrap();
    let host = Host::new();
    let error = host.run(&agent, "Bergen").await.unwrap_err();
    assert_eq!((error.data.code, error.data.retryable), (ErrorCode::Model, true));
    assert!(error.data.message.contains("it is not JSON (expected value"), "{error:?}");
    assert_eq!(model.requests().len(), 2);
    assert_eq!(host.fact_names().last(), Some(&"RunError"));
}

#[tokio::test]
async fn a_correction_is_a_turn_like_any_other() {
    let model = ScriptedModel::new(["no", BERGEN]);
    let agent = on(&model).output::<City>().max_turns(1).build().unwrap();
    let error = Host::new().run(&agent, "Bergen").await.unwrap_err();
    assert!(error.data.message.contains("does not match the output schema"), "{error:?}");
    assert_eq!(model.requests().len(), 1);
}

#[tokio::test]
async fn tools_come_before_the_answer() {
    #[derive(Deserialize, JsonSchema)]
    struct Of {
        city: String,
    }
    let count = FunctionTool::new("count", "Counts people.", |of: Of| async move {
        format!("290000 in {}", of.city)
    });
    let model =
        ScriptedModel::new([Reply::call("count", json!({"city": "Bergen"})), Reply::text(BERGEN)]);
    let agent = on(&model).tool(count).output::<City>().build().unwrap();
    let host = Host::new();
    let output = host.run(&agent, "Bergen").await.unwrap();
    assert_eq!(output.content.parse::<City>().unwrap(), bergen());
    assert_eq!(host.tool_answers(), ["count: 290000 in Bergen"]);
    assert!(model.requests().iter().all(|request| request.output_schema.is_some()));
}

#[tokio::test]
async fn a_crash_in_the_correction_pays_for_nothing_twice() {
    let script = || ScriptedModel::new(["no", BERGEN]);
    let whole = Host::new();
    let first = script();
    let agent = on(&first).output::<City>().build().unwrap();
    let expected = whole.run(&agent, "Bergen").await.unwrap();
    let facts = whole.journal();
    for cut in 0..=facts.len() {
        let paid = facts[..cut].iter().filter(|(_, f)| f.name() == "ModelRequestCompleted").count();
        let model = ScriptedModel::new(["no", BERGEN].into_iter().skip(paid));
        let agent = on(&model).output::<City>().build().unwrap();
        let host = Host::after(facts[..cut].to_vec());
        assert_eq!(host.run(&agent, "Bergen").await.unwrap(), expected, "cut at {cut}");
        assert_eq!([&facts[..cut], &host.journal()].concat(), facts, "cut at {cut}");
        assert_eq!(model.requests().len(), 2 - paid, "cut at {cut}");
    }
}

#[tokio::test]
async fn history_stands_before_the_message() {
    let model = ScriptedModel::new(["Bergen, again."]);
    let agent = on(&model).build().unwrap();
    let earlier = Exchange {
        messages: Vec::new(),
        run_id: RunId::new("r").unwrap(),
        input: json!({"of": "Norway"}).into(),
        output: "Oslo".into(),
        status: RunStatus::Completed,
    };
    let input = StepInput { history: Some(Arc::from([earlier])), ..StepInput::of("And west?") };
    agent.execute(input, Host::new().cx()).await.unwrap();
    assert_eq!(
        model.requests()[0].messages,
        [Message::user(
            "<workflow_history_context>\n[Workflow Run-1]\nUser input: {\n  \"of\": \"Norway\"\n}\n\
             Workflow output: Oslo\n\n</workflow_history_context>\nAnd west?"
        )]
    );
}
