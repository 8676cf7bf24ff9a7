//! A coding agent in each container: the process dies at each fact, and questions wait in branches.

use crate::support::{KINDS, Scripted, ended, facts};
use stepwright_core::journal::Append;
use stepwright_core::store::RunStore as _;
use stepwright_core::{Answer, Event, EventKind, Memory, RunId, RunStatus, StepInput};
use stepwright_engine::{
    AnyStep, Condition, IntoStep as _, Loop, Map, Parallel, Router, Step, Steps, Workflow,
};

pub(crate) const PLACES: [&str; 8] =
    ["nothing", "Steps", "Parallel", "Loop", "Condition", "Router", "Map", "Workflow"];

/// A step beside the one with the agent.
fn beside() -> Step {
    Step::new("beside", async |_: String| "beside".to_owned())
}

fn within(place: &str, leaf: impl Fn() -> Step) -> AnyStep {
    match place {
        "Steps" => Steps::new("c").step(leaf()).into_step(),
        "Parallel" => Parallel::new("c").branch(leaf()).branch(beside()).into_step(),
        "Loop" => Loop::new("c").step(leaf()).at_most(1).into_step(),
        "Condition" => Condition::constant("c", true).then(leaf()).into_step(),
        "Router" => Router::constant("c", ["code"]).choice(leaf()).choice(beside()).into_step(),
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

pub(crate) fn workflow(place: &str, store: &Memory, agent: &Scripted) -> Workflow {
    let leaf = || agent.step();
    Workflow::builder("W").step(within(place, leaf)).store(store.clone()).build().unwrap()
}

/// Returns `true` if the agent may have got its message, and its answer is not recorded.
fn is_under_way(facts: &[Event]) -> bool {
    let has = |beginning: &str| {
        facts.iter().any(|fact| {
            matches!(&fact.kind, EventKind::StepRecorded { key, .. } if key.starts_with(beginning))
        })
    };
    has("harness:sent") && !has("harness:turn")
}

fn has_session(facts: &[Event]) -> bool {
    facts.iter().any(|fact| {
        matches!(&fact.kind, EventKind::StepRecorded { key, .. } if &**key == "harness:session")
    })
}

pub(crate) async fn cut_at(run: &str, facts: &[Event], cut: usize) -> Memory {
    let store = Memory::default();
    let (run, past): (RunId, _) = (run.parse().unwrap(), facts[..cut].to_vec());
    store.append(Append { run, facts: past, close: None, driver: None }).await.unwrap();
    store
}

#[tokio::test]
async fn a_run_that_is_cut_at_any_fact_goes_on_with_the_conversation() {
    let (mut cuts, mut continued, mut asked) = (0, 0, 0);
    for kind in KINDS {
        for place in PLACES {
            // Each protocol in one place, and one of them in all.
            if kind != "acp" && place != "Parallel" {
                continue;
            }
            let agent = Scripted::new(kind, "");
            let store = Memory::default();
            let whole = workflow(place, &store, &agent).run("in").run_id("sim").await.unwrap();
            assert_eq!(whole.status, RunStatus::Completed, "{place}");
            let all = facts(&store, "sim").await;
            for cut in 1..all.len() {
                let about = format!("{kind} in {place}, cut {cut} of {}", all.len());
                let (before, known) = (agent.log().len(), has_session(&all[..cut]));
                let open = is_under_way(&all[..cut]);
                let store = cut_at("sim", &all, cut).await;
                let again = workflow(place, &store, &agent);
                let mut output = ended(again.resume("sim")).await;
                if output.status == RunStatus::Paused {
                    asked += 1;
                    assert!(open && !known, "{about}: {output:?}");
                    let since = agent.log().split_off(before);
                    assert!(since.is_empty(), "{about}: {since:?}");
                    let id = output.requirements[0].id.clone();
                    let answer = [(&*id, Answer::submit("by hand"))];
                    output = ended(again.continue_run("sim", answer)).await;
                }
                assert_eq!(output.status, RunStatus::Completed, "{about}: {output:?}");
                let since = agent.log().split_off(before);
                let loads = since.iter().filter(|line| *line == "loaded").count();
                assert_eq!(loads, usize::from(open && known), "{about}: {since:?}");
                if open && known {
                    // The agent knows what it has done.
                    let edits = since.iter().any(|line| line.starts_with("edit"));
                    assert!(!edits, "{about}: {since:?}");
                    continued += 1;
                }
                if facts_have_answer(&all[..cut]) {
                    assert!(since.is_empty(), "{about}: it is not asked again: {since:?}");
                }
                cuts += 1;
            }
        }
    }
    assert!(cuts > 80 && continued > 40 && asked >= 1, "{cuts} {continued} {asked}");
}

fn facts_have_answer(facts: &[Event]) -> bool {
    facts.iter().any(|fact| {
        matches!(&fact.kind, EventKind::StepRecorded { key, .. } if key.starts_with("harness:turn"))
    })
}

#[tokio::test]
async fn a_conversation_that_is_gone_is_asked_about() {
    for kind in KINDS {
        let agent = Scripted::new(kind, "");
        let store = Memory::default();
        workflow("nothing", &store, &agent).run("in").run_id("sim").await.unwrap();
        let all = facts(&store, "sim").await;
        let cut =
            (1..all.len()).find(|cut| is_under_way(&all[..*cut]) && has_session(&all[..*cut]));
        let cut = cut.unwrap() + 1;
        for answer in [Answer::submit("by hand"), Answer::Retry, Answer::reject("no idea")] {
            agent.forget();
            let store = cut_at("sim", &all, cut).await;
            let again = workflow("nothing", &store, &agent);
            let output = ended(again.resume("sim")).await;
            assert_eq!(output.status, RunStatus::Paused, "{kind}: {output:?}");
            let id = output.requirements[0].id.clone();
            let output = ended(again.continue_run("sim", [(&*id, answer.clone())])).await;
            match answer {
                Answer::Retry => assert_eq!(output.content.text(), "Done: in (1)", "{kind}"),
                Answer::Submit { .. } => assert_eq!(output.content.text(), "by hand", "{kind}"),
                _ => assert_eq!(output.status, RunStatus::Error, "{kind}"),
            }
        }
    }
}
