//! Questions to people, and the scratchpad: what a run that is resumed has.

use serde_json::json;
use stepwright_agent::Agent;
use stepwright_core::message::Message;
use stepwright_core::{Answer, Memory, RunStatus};
use stepwright_engine::Workflow;
use stepwright_testing::model::{Reply, ScriptedModel};
use stepwright_tools::{AskUser, Scratchpad};

fn workflow(model: &ScriptedModel, store: &Memory) -> Workflow {
    let agent = Agent::builder("Clerk").model(model.clone()).unwrap();
    let agent = agent.tool(Scratchpad).tool(AskUser::new()).build().unwrap();
    Workflow::builder("test").step(agent).store(store.clone()).build().unwrap()
}

/// The results of tools that the last request has.
fn told(model: &ScriptedModel) -> Vec<String> {
    let requests = model.requests();
    let results = requests.last().unwrap().messages.iter().flat_map(|message| match message {
        Message::Tool { results } => results.iter().map(|one| one.text.clone()).collect(),
        _ => Vec::new(),
    });
    results.collect()
}

#[tokio::test]
async fn notes_survive_a_pause_and_another_process() {
    let store = Memory::default();
    let note =
        |title: &str, text: &str| Reply::call("write_note", json!({"title": title, "text": text}));
    let todo = json!({"todos": [
        {"task": "ask", "status": "in_progress"},
        {"task": "write", "status": "pending"},
    ]});
    let model = ScriptedModel::new([
        note("plan", "first").and_call("write_note", json!({"title": "b", "text": "two"})),
        Reply::call("write_todos", todo),
        Reply::call("ask_user", json!({"question": "Which?", "options": ["red", "blue"]})),
    ]);
    let paused = workflow(&model, &store).run("go").await.unwrap();
    assert_eq!(paused.status, RunStatus::Paused);
    let asked = &paused.requirements[0];
    assert_eq!((&*asked.id, &*asked.message), ("Clerk/ask_user#1!wait:answer", "Which?"));
    // An answer that is no option is refused.
    let answer = |value: &str| [(asked.id.to_string(), Answer::submit(json!({"answer": value})))];
    let again = ScriptedModel::new([
        note("plan", "").and_call("write_note", json!({"title": "c", "text": "three"})),
        Reply::call("read_notes", json!({})),
        Reply::call("read_notes", json!({"title": "plan"})),
        Reply::text("done"),
    ]);
    let other = workflow(&again, &store);
    let wrong = other.continue_run(&paused.run_id, answer("green")).await.unwrap_err();
    assert!(wrong.to_string().contains("green") || wrong.to_string().contains("answer"), "{wrong}");
    let output = other.continue_run(&paused.run_id, answer("blue")).await.unwrap();
    assert_eq!(output.content.text(), "done");
    assert_eq!(
        told(&again),
        [
            "kept `plan`; there are 1 notes",
            "kept `b`; there are 2 notes",
            "[~] ask\n[ ] write",
            "blue",
            "removed `plan`; there are 1 notes",
            "kept `c`; there are 2 notes",
            "# b\ntwo\n\n# c\nthree\n\n# To do\n[~] ask\n[ ] write",
            "there is no note `plan`; there are `b`, `c`",
        ]
    );
}

#[tokio::test]
async fn a_rejected_question_is_told_to_the_model() {
    let store = Memory::default();
    let model = ScriptedModel::new([
        Reply::call("ask_user", json!({"question": "Sure?", "kind": "yes_no"})),
        Reply::text("then not"),
    ]);
    let workflow = workflow(&model, &store);
    let paused = workflow.run("go").await.unwrap();
    let id = paused.requirements[0].id.to_string();
    let output =
        workflow.continue_run(&paused.run_id, [(id, Answer::reject("busy"))]).await.unwrap();
    assert_eq!(output.content.text(), "then not");
    assert!(told(&model)[0].contains("no answer") && told(&model)[0].contains("busy"));
}

#[tokio::test]
async fn a_step_that_is_tried_again_makes_no_change_twice() {
    let store = Memory::default();
    let note = || Reply::call("write_note", json!({"title": "a", "text": "one"}));
    let model = ScriptedModel::new([
        note(),
        Reply::text(""),
        Reply::text(""),
        note(),
        Reply::call("read_notes", json!({})),
        Reply::text("done"),
    ]);
    let agent = Agent::builder("Clerk").model(model.clone()).unwrap().tool(Scratchpad);
    let step = stepwright_engine::Step::new("Clerk", agent.build().unwrap()).retries(1);
    let workflow = Workflow::builder("test").step(step).store(store).build().unwrap();
    workflow.run("go").await.unwrap();
    assert_eq!(told(&model), ["kept `a`; there are 1 notes", "# a\none"]);
}
