//! The committed fixture: a cassette of version 1 stays readable, and is written as it was.

use crate::support::recorded;
use std::fs;
use std::path::{Path, PathBuf};
use stepwright_agent::{Agent, tool};
use stepwright_cassette::Replay;
use stepwright_core::message::Message;
use stepwright_core::model::AnyModel;
use stepwright_core::{Answer, HumanReview, StepInput};
use stepwright_engine::{Map, Step, Workflow, WorkflowBuilder};
use stepwright_testing::model::{FunctionModel, Reply};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// The price of a thing.
#[tool(crate = "stepwright_agent")]
fn price(thing: String) -> String {
    format!("{thing} costs 5 EUR")
}

fn workflow() -> WorkflowBuilder {
    let model = AnyModel::new(FunctionModel::new(|request| {
        let last = request.messages.last().map(Message::text).unwrap_or_default();
        match request.messages.len() {
            1 => Reply::call("price", serde_json::json!({"thing": last})),
            _ => Reply::text(format!("I found out:\n\n{last}, token=abcdefghijkl")),
        }
    }));
    let buyer = Agent::builder("buyer").model(model).unwrap().tool(price);
    let buyer = buyer.instructions("You find prices.\nYou are brief.").build().unwrap();
    let review = HumanReview::new().requires_confirmation("Buy them?");
    let buy =
        Step::new("buy", |input: StepInput| async move { format!("bought {}", input.text()) });
    Workflow::builder("Purchase")
        .step(
            Map::new("things")
                .over(|_: &StepInput| vec!["a hammer".to_owned(), "a nail".to_owned()])
                .step(Step::new("price", buyer))
                // One at a time, so that the order of the answers is always the same.
                .concurrency(1),
        )
        .step(buy.human_review(review))
}

/// Returns a file without the times of the run, which differ each time it is made.
fn timeless(text: &str) -> String {
    let is_time =
        |line: &&str| !line.trim_start().starts_with("after_ms:") && !line.starts_with("begun_ms:");
    text.lines().filter(is_time).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn the_fixture_is_replayed() {
    let report = Replay::of(fixture("purchase.cassette.yaml")).run_workflow(workflow()).unwrap();
    assert!(report.differences.is_empty(), "{report}");
}

#[tokio::test]
async fn a_new_recording_is_written_as_the_fixture() {
    let approve: fn(&str) -> Answer = |_| Answer::Approve;
    let recorded = recorded(workflow(), workflow(), "tools", approve).await;
    recorded.made.as_ref().unwrap();
    for (name, text) in
        [("purchase.cassette.yaml", recorded.text()), ("purchase.golden.yaml", recorded.golden())]
    {
        let path = fixture(name);
        if std::env::var("FIXTURES").is_ok_and(|value| value == "overwrite") {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, &text).unwrap();
        }
        let known = fs::read_to_string(&path).unwrap();
        assert_eq!(
            timeless(&text),
            timeless(&known),
            "{name}: `FIXTURES=overwrite` writes it anew"
        );
        assert!(!text.contains("abcdefghijkl"), "{text}");
        assert!(text.contains("I found out") && text.contains("token=[redacted]"), "{text}");
    }
}
