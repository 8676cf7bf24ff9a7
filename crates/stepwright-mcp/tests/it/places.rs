//! An agent with calls of a server in each container: the process dies at each fact, questions wait
//! in branches, and runs are cancelled in the middle of a call.

use crate::support::{Faulty, ended, resumed, with_text};
use serde_json::json;
use std::collections::BTreeMap;
use stepwright_agent::Agent;
use stepwright_core::journal::Append;
use stepwright_core::store::RunStore as _;
use stepwright_core::{Answer, Event, EventKind, Memory, RunId, RunOutput, RunStatus, StepInput};
use stepwright_engine::{
    AnyStep, Condition, IntoStep as _, Loop, Map, Parallel, Router, Step, Steps, Workflow,
};
use stepwright_testing::model::{FunctionModel, Reply};

const PLACES: [&str; 8] =
    ["nothing", "Steps", "Parallel", "Loop", "Condition", "Router", "Map", "Workflow"];

/// A step beside the one with the calls.
fn beside() -> Step {
    Step::new("beside", async |_: String| "beside".to_owned())
}

fn within(place: &str, leaf: impl Fn() -> Step) -> AnyStep {
    match place {
        "Steps" => Steps::new("c").step(leaf()).into_step(),
        "Parallel" => Parallel::new("c").branch(leaf()).branch(beside()).into_step(),
        "Loop" => Loop::new("c").step(leaf()).at_most(1).into_step(),
        "Condition" => Condition::constant("c", true).then(leaf()).into_step(),
        "Router" => Router::constant("c", ["leaf"]).choice(leaf()).choice(beside()).into_step(),
        "Map" => {
            Map::new("c").over(|_: &StepInput| vec!["item".to_owned()]).step(leaf()).into_step()
        }
        "Workflow" => {
            let inner = Workflow::builder("inner").step(leaf()).build().unwrap();
            Step::workflow("c", inner).into_step()
        }
        _ => leaf().into_step(),
    }
}

/// An agent that writes twice, one call after the other.
fn writer(faulty: &Faulty) -> Agent {
    let model = FunctionModel::new(|request| match request.messages.len() {
        1 => Reply::call("it__write", with_text("a")),
        3 => Reply::call("it__write", with_text("b")),
        _ => Reply::text("Done."),
    });
    Agent::builder("leaf").model(model).unwrap().tool(faulty.server.clone()).build().unwrap()
}

fn workflow(place: &str, store: &Memory, leaf: impl Fn() -> Step) -> Workflow {
    Workflow::builder("W").step(within(place, leaf)).store(store.clone()).build().unwrap()
}

/// The state of each call in a journal: `true` if it has ended.
fn calls_in(facts: &[Event]) -> BTreeMap<String, bool> {
    let mut calls = BTreeMap::new();
    for fact in facts {
        match &fact.kind {
            EventKind::ToolCallStarted { tool } => {
                let text = format!("{:?}", tool.arguments);
                let name = if text.contains("\"a\"") { "a" } else { "b" };
                calls.insert(name.to_owned(), false);
            }
            EventKind::ToolCallCompleted { .. } => {
                for ended in calls.values_mut() {
                    *ended = true;
                }
            }
            _ => {}
        }
    }
    calls
}

#[tokio::test]
async fn a_process_that_dies_at_any_fact_repeats_no_call_in_silence() {
    let faulty = Faulty::new("");
    let run: RunId = "sim".parse().unwrap();
    let (mut cuts, mut asked) = (0, 0);
    for place in PLACES {
        let store = Memory::default();
        let leaf = || Step::new("leaf", writer(&faulty));
        let whole = workflow(place, &store, leaf).run("in").run_id("sim").await.unwrap();
        assert_eq!(whole.status, RunStatus::Completed, "{place}");
        let facts = store.load(&run, 0, usize::MAX).await.unwrap();
        for cut in 1..facts.len() {
            let about = format!("{place}, cut {cut} of {}", facts.len());
            let before = faulty.log().len();
            let store = Memory::default();
            let past = facts[..cut].to_vec();
            let known = calls_in(&past);
            let append = Append { run: run.clone(), facts: past, close: None, driver: None };
            store.append(append).await.unwrap();
            let again = workflow(place, &store, leaf);
            let mut output = ended(again.resume("sim")).await;
            if output.status == RunStatus::Paused {
                asked += 1;
                let open = known.iter().find(|(_, ended)| !**ended);
                let (call, _) = open.unwrap_or_else(|| panic!("{about}: {output:?}"));
                let since = faulty.log().split_off(before);
                assert!(!since.contains(&format!("write {call}")), "{about}: {since:?}");
                let id = output.requirements[0].id.clone();
                let answer = [(&*id, Answer::submit("written"))];
                output = ended(again.continue_run("sim", answer)).await;
            }
            assert_eq!(output.status, RunStatus::Completed, "{about}: {output:?}");
            let since = faulty.log().split_off(before);
            for call in ["a", "b"] {
                let times = since.iter().filter(|it| **it == format!("write {call}")).count();
                assert_eq!(times, usize::from(!known.contains_key(call)), "{about}: {since:?}");
            }
            cuts += 1;
        }
    }
    assert!(cuts > 80 && asked >= 2 * PLACES.len(), "{cuts} {asked}");
}

/// An agent that asks the server, which asks back.
fn asker(faulty: &Faulty) -> Step {
    Step::new("leaf", crate::support::agent(faulty.server.clone(), "it__ask", json!({})))
}

async fn answered(workflow: &Workflow, paused: &RunOutput) -> RunOutput {
    assert_eq!(paused.status, RunStatus::Paused, "{paused:?}");
    let id = paused.requirements[0].id.clone();
    let answer = [(&*id, Answer::submit(json!({"colour": "red"})))];
    ended(workflow.continue_run(&paused.run_id, answer)).await
}

#[tokio::test]
async fn questions_wait_in_every_container() {
    for mode in ["", "modern"] {
        for place in PLACES {
            let faulty = Faulty::new(mode);
            let store = Memory::default();
            let workflow = workflow(place, &store, || asker(&faulty));
            let paused = ended(workflow.run("in")).await;
            let run = answered(&workflow, &paused).await;
            assert_eq!(run.status, RunStatus::Completed, "{mode} {place}: {run:?}");
            let asks = faulty.log().iter().filter(|line| line.starts_with("ask")).count();
            // The newest protocol makes the call again with the answer.
            assert_eq!(asks, if mode == "modern" { 2 } else { 1 }, "{mode} {place}");
        }
    }
}

#[tokio::test]
async fn a_question_in_a_branch_goes_on_in_another_process() {
    let faulty = Faulty::new("modern");
    let store = Memory::default();
    let first = workflow("Parallel", &store, || asker(&faulty));
    let paused = ended(first.run("in")).await;
    let elsewhere = faulty.server.clone().answer_questions(true);
    let leaf = || Step::new("leaf", resumed(elsewhere.clone()));
    let other = workflow("Parallel", &store, leaf);
    let run = answered(&other, &paused).await;
    assert_eq!(run.status, RunStatus::Completed, "{run:?}");
    assert_eq!(faulty.log(), ["started", "ask null", "started", r#"ask "accept""#]);
}

#[tokio::test]
async fn runs_are_cancelled_in_the_middle_of_a_call() {
    for place in PLACES {
        let faulty = Faulty::new("");
        let store = Memory::default();
        let leaf = || {
            Step::new("leaf", crate::support::agent(faulty.server.clone(), "it__hang", json!({})))
        };
        let workflow = workflow(place, &store, leaf);
        let handle = workflow.run("in").background().await.unwrap();
        let begun = faulty.logged("hang").await;
        workflow.cancel_run(handle.run_id()).await.unwrap();
        assert_eq!(faulty.logged("cancelled").await, begun.replace("hang", "cancelled"), "{place}");
        assert_eq!(ended(handle.wait()).await.status, RunStatus::Cancelled, "{place}");
    }
}
