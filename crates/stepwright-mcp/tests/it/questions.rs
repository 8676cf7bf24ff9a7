//! Questions of servers, which pause the run.

use crate::support::{Faulty, called, ended, outcomes, with_text, workflow};
use serde_json::json;
use std::time::Duration;
use stepwright_core::requirement::RequirementKind;
use stepwright_core::{Answer, OnInterrupted, RunStatus};
use stepwright_engine::Workflow;
use stepwright_store::Sqlite;

#[tokio::test]
async fn a_question_pauses_the_run_with_its_form() {
    let faulty = Faulty::new("");
    let workflow = workflow(faulty.server.clone(), "it__ask", json!({}));
    let paused = workflow.run("go").await.unwrap();
    assert_eq!(paused.status, RunStatus::Paused, "{paused:?}");
    let asked = paused.requirements[0].clone();
    assert_eq!(&*asked.message, "MCP server `it` asks: Which colour?");
    let RequirementKind::Wait { schema: Some(schema) } = &asked.kind else { panic!("{asked:?}") };
    assert_eq!(schema["required"], json!(["colour"]));
    // What does not fit the form is refused.
    let wrong = [(&*asked.id, Answer::submit(json!({"colour": 7})))];
    assert!(workflow.continue_run(&paused.run_id, wrong).await.is_err());
    let answer = [(&*asked.id, Answer::submit(json!({"colour": "red"})))];
    let run = workflow.continue_run(&paused.run_id, answer).await.unwrap();
    assert_eq!(outcomes(&workflow, &run).await[0].text, r#""accept": "red""#);
    assert_eq!(faulty.log(), ["started", "ask"], "the call is the one that asked");
}

#[tokio::test]
async fn a_rejection_declines_the_question() {
    let faulty = Faulty::new("");
    let workflow = workflow(faulty.server.clone(), "it__ask", json!({}));
    let paused = workflow.run("go").await.unwrap();
    let id = paused.requirements[0].id.clone();
    let answer = [(&*id, Answer::reject("none of your business"))];
    let run = workflow.continue_run(&paused.run_id, answer).await.unwrap();
    assert_eq!(outcomes(&workflow, &run).await[0].text, r#""decline": null"#);
}

#[tokio::test]
async fn questions_can_be_declined_by_policy() {
    let faulty = Faulty::new("");
    let server = faulty.server.clone().answer_questions(false);
    let outcome = called(server, "it__ask", json!({})).await;
    assert_eq!(outcome.text, r#""decline": null"#);
}

#[tokio::test]
async fn the_clock_of_a_call_stands_still_while_a_person_answers() {
    let faulty = Faulty::new("");
    // Nothing parks the run while another branch works.
    let server = faulty.server.clone().timeout(Duration::from_secs(3));
    let agent = crate::support::agent(server, "it__ask", json!({}));
    let workflow = Workflow::builder("W").step(agent).build().unwrap();
    let paused = workflow.run("go").await.unwrap();
    assert_eq!(paused.status, RunStatus::Paused);
    tokio::time::sleep(Duration::from_secs(4)).await;
    let id = paused.requirements[0].id.clone();
    let answer = [(&*id, Answer::submit(json!({"colour": "red"})))];
    let run = workflow.continue_run(&paused.run_id, answer).await.unwrap();
    assert_eq!(outcomes(&workflow, &run).await[0].text, r#""accept": "red""#);
}

fn stored(store: &Sqlite, faulty: &Faulty) -> Workflow {
    let agent = crate::support::agent(faulty.server.clone(), "it__ask", with_text("blue"));
    Workflow::builder("W").step(agent).store(store.clone()).build().unwrap()
}

/// The server object of another process.
fn elsewhere(faulty: &Faulty) -> stepwright_mcp::McpServer {
    faulty.server.clone().answer_questions(true)
}

#[tokio::test]
async fn another_process_cannot_answer_into_a_connection_that_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let store = Sqlite::open(dir.path().join("runs.db")).await.unwrap();
    let faulty = Faulty::new("");
    let paused = stored(&store, &faulty).run("go").await.unwrap();
    assert_eq!(paused.status, RunStatus::Paused);
    let id = paused.requirements[0].id.clone();
    let agent = crate::support::resumed(elsewhere(&faulty));
    let other = Workflow::builder("W").step(agent).store(store).build().unwrap();
    let answer = [(&*id, Answer::submit(json!({"colour": "red"})))];
    let again = other.continue_run(&paused.run_id, answer).await.unwrap();
    assert_eq!(again.status, RunStatus::Paused, "{again:?}");
    assert!(again.requirements[0].message.contains("Was it done?"), "{again:?}");
    assert_eq!(again.requirements.len(), 1, "the first question is answered");
    assert_eq!(faulty.log(), ["started", "ask", "started"], "it is not called again");
    let id = again.requirements[0].id.clone();
    let answer = [(&*id, Answer::submit("painted red"))];
    let run = other.continue_run(&again.run_id, answer).await.unwrap();
    assert_eq!(outcomes(&other, &run).await[0].text, "painted red");
}

#[tokio::test]
async fn the_newest_protocol_goes_on_in_another_process() {
    let dir = tempfile::tempdir().unwrap();
    let store = Sqlite::open(dir.path().join("runs.db")).await.unwrap();
    let faulty = Faulty::new("modern");
    let paused = stored(&store, &faulty).run("go").await.unwrap();
    assert_eq!(paused.status, RunStatus::Paused, "{paused:?}");
    assert_eq!(faulty.log(), ["started", "ask null"]);
    let asked = paused.requirements[0].clone();
    assert_eq!(&*asked.message, "MCP server `it` asks: Which colour?");
    let agent = crate::support::resumed(elsewhere(&faulty));
    let other = Workflow::builder("W").step(agent).store(store).build().unwrap();
    let answer = [(&*asked.id, Answer::submit(json!({"colour": "red"})))];
    let run = other.continue_run(&paused.run_id, answer).await.unwrap();
    assert_eq!(run.status, RunStatus::Completed, "{:?}", (&run.requirements, faulty.log()));
    // The state that the server gave out came back, and the first round was not repeated.
    assert_eq!(outcomes(&other, &run).await[0].text, r#"sealed blue: "red""#);
    assert_eq!(faulty.log(), ["started", "ask null", "started", r#"ask "accept""#]);
}

#[tokio::test]
async fn a_policy_of_the_server_decides_instead_of_a_person() {
    let faulty = Faulty::new("");
    let server = faulty.server.clone().on_interrupted(OnInterrupted::Fail);
    let run = ended(workflow(server, "it__die", json!({})).run("go")).await;
    assert_eq!(run.status, RunStatus::Error);
    assert_eq!(run.error.unwrap().error.code, stepwright_core::ErrorCode::OutcomeUnknown);
}
