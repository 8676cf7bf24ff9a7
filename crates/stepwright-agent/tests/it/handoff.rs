//! Conversations that another agent takes over, and tools that are made for a run.

use crate::host::{Host, on};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use stepwright_agent::{Agent, FunctionTool};
use stepwright_core::StepError;
use stepwright_core::message::Message;
use stepwright_core::tool::AnyTool;
use stepwright_testing::model::{Reply, ScriptedModel};

#[derive(Deserialize, JsonSchema)]
struct Nothing {}

fn named(name: &'static str) -> FunctionTool {
    FunctionTool::new(name, "Is a tool.", move |_: Nothing| async move { name }).read_only()
}

fn desk(first: &ScriptedModel, second: &ScriptedModel) -> Agent {
    let billing = Agent::builder("Billing & More").model(second.clone()).unwrap();
    let billing = billing.instructions("You know invoices.").tool(named("invoice"));
    let billing = billing.build().unwrap();
    on(first).instructions("You greet.").handoff(&billing, "Knows invoices.").build().unwrap()
}

const TRANSFER: &str = "transfer_to_billing___more";

#[tokio::test]
async fn another_agent_goes_on_with_the_conversation() {
    let first = ScriptedModel::new([Reply::call(TRANSFER, json!({"reason": "an invoice"}))]);
    let second = ScriptedModel::new([Reply::call("invoice", json!({})), Reply::text("Paid.")]);
    let host = Host::new();
    let output = host.run(&desk(&first, &second), "my invoice?").await.unwrap();
    assert_eq!(output.content.text(), "Paid.");
    let asked = &second.requests()[0];
    assert_eq!(asked.instructions.as_deref(), Some("You know invoices."));
    assert_eq!(asked.tools.iter().map(|tool| &*tool.name).collect::<Vec<_>>(), ["invoice"]);
    assert_eq!(asked.messages[0], Message::user("my invoice?"));
    assert_eq!(
        host.tool_answers(),
        [
            format!("{TRANSFER}: `Billing & More` has the conversation now"),
            "invoice: invoice".into(),
        ]
    );
}

#[tokio::test]
async fn a_run_that_was_cut_anywhere_goes_on_with_the_agent_that_had_taken_over() {
    let replies = [
        vec![Reply::call(TRANSFER, json!({}))],
        vec![Reply::call("invoice", json!({})), Reply::text("Paid.")],
    ];
    let [first, second] = replies.clone().map(ScriptedModel::new);
    let host = Host::new();
    host.run(&desk(&first, &second), "my invoice?").await.unwrap();
    let journal = host.journal();
    for cut in 0..journal.len() {
        let past = journal[..cut].to_vec();
        let answered =
            past.iter().filter(|(_, kind)| kind.name() == "ModelRequestCompleted").count();
        let mut left = replies.clone();
        let from_first = answered.min(1);
        left[0].drain(..from_first);
        left[1].drain(..answered - from_first);
        let [first, second] = left.map(ScriptedModel::new);
        let again = Host::after(past);
        let output = again.run(&desk(&first, &second), "my invoice?").await.unwrap();
        assert_eq!(output.content.text(), "Paid.", "cut at {cut}");
        let names: Vec<_> = journal[cut..].iter().map(|(_, kind)| kind.name()).collect();
        let mut facts = again.fact_names();
        // A call that had begun begins again.
        if facts.len() > names.len() {
            facts.remove(0);
        }
        assert_eq!(facts, names, "cut at {cut}");
    }
}

#[tokio::test]
async fn a_handoff_that_a_person_rejects_does_not_happen() {
    let first = ScriptedModel::new([Reply::call(TRANSFER, json!({})), Reply::text("I stay.")]);
    let second = ScriptedModel::new(["never"]);
    let billing = Agent::builder("Billing & More").model(second.clone()).unwrap().build().unwrap();
    let desk = on(&first).handoff(&billing, "Knows invoices.").requires_confirmation(TRANSFER);
    let host = Host::new();
    let id = format!("step/{TRANSFER}#1!confirm");
    host.answer(&id, stepwright_core::Answer::reject("no"));
    let output = host.run(&desk.build().unwrap(), "my invoice?").await.unwrap();
    assert_eq!(output.content.text(), "I stay.");
    assert!(second.requests().is_empty());
}

#[test]
fn two_agents_whose_tools_would_have_one_name_are_a_mistake() {
    let agent = |name: &str| Agent::builder(name).model("offline").unwrap().build().unwrap();
    let desk = Agent::builder("Desk").model("offline").unwrap();
    let desk = desk.handoff(&agent("A b"), "One.").handoff(&agent("a-b"), "Two.").build();
    let error = desk.unwrap_err().to_string();
    assert!(error.contains("two tools are called `transfer_to_a_b`"), "{error}");
}

#[tokio::test]
async fn tools_are_made_from_the_input_and_the_context() {
    let model = ScriptedModel::new([
        Reply::call("for_go", json!({})),
        Reply::text("done"),
        Reply::call("for_go", json!({})),
        Reply::text("done"),
    ]);
    let agent = on(&model).tools_from(|input, cx| {
        assert_eq!(cx.run().run_id.as_str(), "r-1");
        let name: &'static str = format!("for_{}", input.text()).leak();
        Ok(vec![AnyTool::new(named(name))])
    });
    let agent = agent.build().unwrap();
    assert!(agent.tools().is_empty());
    let host = Host::new();
    host.run(&agent, "go").await.unwrap();
    assert_eq!(host.tool_answers(), ["for_go: for_go"]);
    assert_eq!(model.requests()[0].tools[0].name, "for_go");
    // Another input, and other tools.
    let host = Host::new();
    host.run(&agent, "stay").await.unwrap();
    let told = "!for_go: there is no tool `for_go`; the tools are `for_stay`";
    assert_eq!(host.tool_answers(), [told]);
}

#[tokio::test]
async fn tools_that_cannot_be_made_fail_the_step() {
    let model = ScriptedModel::new(["never"]);
    let none = on(&model).tools_from(|_, _| Err(StepError::terminal("no list of tools")));
    let error = Host::new().run(&none.build().unwrap(), "go").await.unwrap_err();
    assert_eq!(error.data.message, "no list of tools");
    let twice = on(&model).tool(named("a")).tools_from(|_, _| Ok(vec![AnyTool::new(named("a"))]));
    let error = Host::new().run(&twice.build().unwrap(), "go").await.unwrap_err();
    assert!(error.data.message.contains("two tools called `a` in this run"), "{error}");
    assert!(model.requests().is_empty());
}
