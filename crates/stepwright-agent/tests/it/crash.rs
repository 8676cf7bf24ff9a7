//! Crashes: recorded work is not repeated.

use crate::host::{Host, on};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use stepwright_agent::{Agent, FunctionTool};
use stepwright_core::message::Message;
use stepwright_core::model::{ModelError, ModelErrorKind};
use stepwright_core::{EventKind, StepOutput, StepPath};
use stepwright_testing::model::{FunctionModel, Reply, ScriptedModel};

#[derive(Deserialize, JsonSchema)]
struct Look {
    up: String,
}

type Fact = (StepPath, EventKind);

/// The number of lookups of each word.
type Counts = Arc<Mutex<BTreeMap<String, usize>>>;

/// An agent that looks up several words in two turns, one of which is not there.
fn agent() -> (Agent, FunctionModel, Counts) {
    let model = FunctionModel::new(|request| {
        let reply = match request.messages.len() {
            1 => Reply::reasoning("two words").and_call("look", json!({"up": "ant"})),
            3 => Reply::text("More. ").and_call("look", json!({"up": "cat"})),
            _ => {
                let told: Vec<String> = request.messages[1..]
                    .iter()
                    .filter(|message| matches!(message, Message::Tool { .. }))
                    .map(Message::text)
                    .collect();
                return Reply::text(told.join(", ")).with_tokens(3, 1);
            }
        };
        let reply = reply.and_call("look", json!({"up": "bee"})).and_call("gaze", json!({}));
        reply.with_tokens(10, 1)
    });
    let counts = Counts::default();
    let seen = counts.clone();
    let look = FunctionTool::new("look", "Looks up a word.", move |args: Look| {
        *seen.lock().unwrap().entry(args.up.clone()).or_default() += 1;
        async move {
            tokio::task::yield_now().await;
            if args.up == "bee" { Err("not there") } else { Ok(format!("{} is there", args.up)) }
        }
    });
    let look = look.read_only();
    let agent = Agent::builder("a").model(model.clone()).unwrap().tool(look).build().unwrap();
    (agent, model, counts)
}

fn count(facts: &[Fact], name: &str) -> usize {
    facts.iter().filter(|(_, fact)| fact.name() == name).count()
}

fn answered(facts: &[Fact]) -> usize {
    let answers = facts.iter().filter(|(_, fact)| match fact {
        EventKind::ToolCallCompleted { tool } | EventKind::ToolCallError { tool, .. } => {
            tool.name == "look"
        }
        _ => false,
    });
    answers.count()
}

/// Facts without those that say that a call begins: one that was cut begins twice.
fn sorted(facts: &[Fact]) -> Vec<String> {
    let begins = |kind: &EventKind| matches!(kind, EventKind::ToolCallStarted { .. });
    let facts = facts.iter().filter(|(_, kind)| !begins(kind));
    let mut facts: Vec<String> = facts.map(|fact| format!("{fact:?}")).collect();
    facts.sort();
    facts
}

async fn uncut() -> (StepOutput, Vec<Fact>) {
    let (agent, model, counts) = agent();
    let host = Host::new();
    let output = host.run(&agent, "go").await.unwrap();
    assert_eq!(model.requests().len(), 3);
    assert_eq!(counts.lock().unwrap().values().sum::<usize>(), 4);
    (output, host.journal())
}

#[tokio::test]
async fn a_cut_run_ends_as_the_uncut_run() {
    let (expected, facts) = uncut().await;
    assert_eq!(facts.len(), 20);
    for cut in 0..=facts.len() {
        let past = facts[..cut].to_vec();
        let (agent, model, counts) = agent();
        let host = Host::after(past.clone());
        let output = host.run(&agent, "go").await.unwrap();
        assert_eq!(output, expected, "cut at {cut}");
        let (missing, recorded) = (sorted(&facts[cut..]), sorted(&host.journal()));
        assert_eq!(recorded, missing, "cut at {cut}: only what is missing is recorded");
        let asked = 3 - count(&past, "ModelRequestCompleted");
        assert_eq!(model.requests().len(), asked, "cut at {cut}: answers are not asked again");
        let called = 4 - answered(&past);
        let counted: usize = counts.lock().unwrap().values().sum();
        assert_eq!(counted, called, "cut at {cut}: tools are not called again");
    }
}

#[tokio::test]
async fn a_lost_journal_stops_the_agent_at_once() {
    let (_, facts) = uncut().await;
    for room in 0..facts.len() {
        let (agent, model, _) = agent();
        let host = Host::with_room(Vec::new(), room);
        let error = host.run(&agent, "go").await.unwrap_err();
        assert_eq!(error.data.message, "the journal is lost");
        assert_eq!(host.journal(), facts[..room], "nothing is recorded behind the gap");
        let asked = count(&facts[..=room], "ModelRequestCompleted");
        assert_eq!(model.requests().len(), asked, "nothing more is asked");
    }
}

/// A model that is busy for so long at first, and then answers.
fn busy(times: usize) -> ScriptedModel {
    let busy = ModelError {
        retry_after: Some(Duration::from_secs(7)),
        ..ModelError::new(ModelErrorKind::RateLimited, "too many requests")
    };
    let busy = std::iter::repeat_n(Reply::from(busy), times);
    ScriptedModel::new(busy.chain([Reply::text("Hello.")]))
}

fn patient(model: &ScriptedModel) -> Agent {
    Agent::builder("Tester").model(model.clone()).unwrap().build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_a_busy_model_is_not_begun_anew_and_its_attempts_are_counted_on() {
    let host = Host::new();
    let expected = host.run(&patient(&busy(2)), "go").await.unwrap();
    let facts = host.journal();
    let names: Vec<_> = facts.iter().map(|(_, fact)| fact.name()).collect();
    let [again, started] = ["ModelRequestRetrying", "ModelRequestStarted"];
    let answered = ["ModelRequestCompleted", "RunCompleted"];
    assert_eq!(names, [&["RunStarted", started, again, again][..], &answered].concat());
    for cut in 0..=facts.len() {
        let retries = count(&facts[..cut], again);
        let model = busy(2 - retries);
        let (host, began) = (Host::after(facts[..cut].to_vec()), tokio::time::Instant::now());
        tokio::time::advance(Duration::from_secs(3)).await;
        assert_eq!(host.run(&patient(&model), "go").await.unwrap(), expected, "cut at {cut}");
        assert_eq!(host.journal(), facts[cut..], "cut at {cut}");
        // Three of the seven seconds had passed already, but for waits that had not begun.
        let (over, waits) = (cut > 4, 2 - retries as u64);
        let waited = if over {
            0
        } else if retries == 0 {
            7 * waits
        } else {
            4 + 7 * waits
        };
        assert_eq!(began.elapsed().as_secs(), 3 + waited, "cut at {cut}");
        assert_eq!(model.requests().len(), if over { 0 } else { 3 - retries }, "cut at {cut}");
    }
    // Where that cannot be recorded, the model is not asked again.
    let (host, model) = (Host::with_room(Vec::new(), 2), busy(2));
    let error = host.run(&patient(&model), "go").await.unwrap_err();
    assert_eq!((error.data.message.as_str(), model.requests().len()), ("the journal is lost", 1));
    // It is asked three times in all, however often the process dies.
    let (host, model) = (Host::after(facts[..3].to_vec()), busy(9));
    host.run(&patient(&model), "go").await.unwrap_err();
    assert_eq!(model.requests().len(), 2);
}

#[tokio::test]
async fn a_recorded_failure_is_not_tried_again() {
    let failing = || ScriptedModel::new([ModelError::new(ModelErrorKind::Overloaded, "busy")]);
    let host = Host::new();
    let error = host.run(&on(&failing()).build().unwrap(), "go").await.unwrap_err();
    let model = failing();
    let again = Host::after(host.journal());
    let recalled = again.run(&on(&model).build().unwrap(), "go").await.unwrap_err();
    assert_eq!(recalled, error);
    assert_eq!((again.facts(), model.requests().len()), (Vec::new(), 0));
}

#[tokio::test]
async fn a_past_of_another_agent_is_refused() {
    let (_, facts) = uncut().await;
    let model = ScriptedModel::new(["hello"]);
    // Without its answer the next fact is one that cannot be there.
    let past: Vec<Fact> =
        facts.into_iter().filter(|(_, fact)| fact.name() != "ModelRequestCompleted").collect();
    let host = Host::after(past);
    let error = host.run(&on(&model).build().unwrap(), "go").await.unwrap_err();
    assert!(error.data.message.contains("`ModelRequestStarted` where"), "{error}");
    assert!(!error.data.retryable && error.data.hint.is_some());
    assert!(model.requests().is_empty() && host.facts().is_empty());
}
