//! Tools whose calls the caller of a run carries out.

use serde_json::{Value, json};
use std::time::Duration;
use stepwright::Memory;
use stepwright::prelude::*;
use stepwright::tools::ExternalTool;
use stepwright_core::journal::Append;
use stepwright_core::requirement::RequirementKind;
use stepwright_core::store::RunStore as _;
use stepwright_testing::grammar;
use stepwright_testing::model::{FunctionModel, Reply};

#[derive(serde::Deserialize, schemars::JsonSchema)]
#[allow(dead_code, reason = "only its schema is used")]
struct Open {
    /// The number of the room.
    room: u32,
}

fn open(room: impl Into<Value>) -> Reply {
    Reply::call("open_door", json!({"room": room.into()}))
}

/// A model that says these replies, and then what its tools have answered last.
fn script(replies: impl IntoIterator<Item = Reply>) -> FunctionModel {
    let replies: Vec<Reply> = replies.into_iter().collect();
    FunctionModel::new(move |request| {
        let is_answer = |message: &&stepwright::models::Message| {
            matches!(message, stepwright::models::Message::Assistant(_))
        };
        let turn = request.messages.iter().filter(is_answer).count();
        let last = || Reply::text(request.messages.last().unwrap().text());
        replies.get(turn).cloned().unwrap_or_else(last)
    })
}

fn door() -> ExternalTool {
    ExternalTool::new::<Open>("open_door", "Opens the door of a room.")
}

fn porter(model: FunctionModel, tool: ExternalTool, store: &Memory) -> Workflow {
    let agent = Agent::builder("Porter").model(model).unwrap().tool(tool).build().unwrap();
    Workflow::builder("W").step(Step::new("enter", agent)).store(store.clone()).build().unwrap()
}

#[tokio::test]
async fn a_call_pauses_the_run_and_its_result_continues_it_in_another_process() {
    let (store, model) = (Memory::default(), || script([open(7), open(8)]));
    let first = porter(model(), door(), &store).run("go").run_id("r").await.unwrap();
    assert_eq!(first.status, RunStatus::Paused);
    let asked = &first.requirements[0];
    let RequirementKind::ExternalExecution { tool, arguments } = &asked.kind else {
        panic!("{asked:?}")
    };
    assert_eq!((&**tool, &**arguments), ("open_door", &json!({"room": 7})));
    assert_eq!(&*asked.id, "enter/open_door#1!external");
    let flow = porter(model(), door(), &store);
    let wrong = flow.continue_run("r", [("enter", Answer::Approve)]).await.unwrap_err();
    assert!(wrong.to_string().contains("submit or reject"), "{wrong}");
    let second = flow.continue_run("r", [("enter", Answer::submit("open"))]).await.unwrap();
    assert_eq!(&*second.requirements[0].id, "enter/open_door#2!external");
    let third = porter(model(), door(), &store);
    let answer = Answer::submit(json!({"open": true}));
    let output = third.continue_run("r", [("enter", answer)]).await.unwrap();
    assert_eq!(output.content.text(), r#"{"open":true}"#);
    let facts = store.load(&"r".parse().unwrap(), 0, usize::MAX).await.unwrap();
    grammar::check(&facts);
    // Cut anywhere, an answered call is not made again.
    for at in 1..facts.len() {
        let (run, past) = (facts[0].run.clone(), facts[..at].to_vec());
        let answered = past.iter().filter(|fact| fact.kind.reply().is_some()).count();
        let store = Memory::default();
        store.append(Append { run, facts: past, close: None, driver: None }).await.unwrap();
        let flow = porter(model(), door(), &store);
        let mut output = flow.resume("r").await.unwrap();
        let mut asked = 0;
        while output.status == RunStatus::Paused {
            asked += 1;
            let id = output.requirements[0].id.to_string();
            output = flow.continue_run("r", [(id, Answer::submit("open"))]).await.unwrap();
        }
        assert_eq!(asked, 2 - answered, "cut at {at}");
    }
}

#[tokio::test]
async fn an_error_of_the_caller_is_told_to_the_model_and_so_are_wrong_arguments() {
    let store = Memory::default();
    let flow = porter(script([open("seven"), open(7)]), door(), &store);
    let paused = flow.run("go").run_id("r").await.unwrap();
    // The first call had wrong arguments: the model corrected it, and nothing was asked.
    assert_eq!(&*paused.requirements[0].id, "enter/open_door#2!external");
    let output = flow.continue_run("r", [("enter", Answer::reject("it is jammed"))]).await.unwrap();
    assert_eq!(output.content.text(), "it is jammed");
}

#[tokio::test(start_paused = true)]
async fn a_call_without_a_result_in_time_is_told_to_the_model() {
    let store = Memory::default();
    let tool = door().answer_within(Duration::from_secs(3));
    let flow = porter(script([open(7)]), tool, &store);
    let handle = flow.run("go").run_id("r").background().await.unwrap();
    let output = handle.wait().await.unwrap();
    let output = match output.status {
        RunStatus::Paused => flow.resume("r").await.unwrap(),
        _ => output,
    };
    assert_eq!(output.content.text(), "the result of the call did not come in time");
}
