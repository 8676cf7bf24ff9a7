//! The context of an agent: instructions of a run, examples, compaction and session summaries.

use crate::host::Host;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use stepwright_agent::{Agent, Compaction, FunctionTool, SessionSummary};
use stepwright_core::gate::Demand;
use stepwright_core::message::Message;
use stepwright_core::model::ModelRequest;
use stepwright_core::{EventKind, StepError, StepPath};
use stepwright_engine::Workflow;
use stepwright_testing::model::{FunctionModel, Reply, ScriptedModel};

#[derive(Deserialize, JsonSchema)]
struct Page {
    number: usize,
}

/// Returns a tool whose page N says that code N is 7 N, in many words.
fn pages() -> FunctionTool {
    let read = FunctionTool::new("read", "Reads a page.", |page: Page| async move {
        let nth = page.number;
        format!("code {nth} is {}. {}", nth * 7, "Nothing else is of interest. ".repeat(40))
    });
    read.read_only()
}

fn tokens(request: &ModelRequest) -> u64 {
    match Demand::of_request("m", request) {
        Demand::Request { tokens: (input, _), .. } => input / 4,
        _ => unreachable!(),
    }
}

/// Returns the text of a request, with the results of tools.
fn texts(request: &ModelRequest) -> String {
    let texts = request.messages.iter().map(|message| match message {
        Message::Tool { results } => {
            results.iter().map(|result| result.text.as_str()).collect::<Vec<_>>().join("\n")
        }
        message => message.text(),
    });
    texts.collect::<Vec<_>>().join("\n")
}

/// Returns the sentences of a text that say what a code is.
fn codes(text: &str) -> BTreeSet<String> {
    let from = text.match_indices("code ").map(|(at, _)| &text[at..]);
    let sentence = |text: &str| {
        let (end, _) = text.match_indices('.').next()?;
        let said = &text[..end];
        said.contains(" is ").then(|| said.to_owned())
    };
    from.filter_map(sentence).collect()
}

fn is_summary(request: &ModelRequest) -> bool {
    request.instructions.as_deref().unwrap_or_default().starts_with("You summarise")
}

/// A model that reads pages 1 to `last`, one in each turn, and then tells the codes that it was
/// sent. It summarises a conversation by its codes. It takes no more than `window` tokens.
fn reader(last: usize, window: u64) -> (FunctionModel, Arc<AtomicUsize>) {
    let turns = Arc::new(AtomicUsize::new(0));
    let counted = turns.clone();
    let model = FunctionModel::new(move |request| {
        assert!(tokens(request) <= window, "{} tokens do not fit {window}", tokens(request));
        if is_summary(request) {
            let all: Vec<String> = codes(&texts(request)).into_iter().collect();
            return Reply::text(format!("{}.", all.join(". ")));
        }
        let read = codes(&texts(request))
            .into_iter()
            .filter_map(|code| code.split(' ').nth(1).and_then(|nth| nth.parse::<usize>().ok()));
        let next = read.max().unwrap_or(0) + 1;
        if next <= last {
            counted.fetch_add(1, Ordering::Relaxed);
            return Reply::text("").and_call("read", json!({"number": next}));
        }
        Reply::text(codes(&texts(request)).into_iter().collect::<Vec<_>>().join(". "))
    });
    (model, turns)
}

fn agent(model: &FunctionModel, compaction: Compaction) -> Agent {
    let builder = Agent::builder("a").model(model.clone()).unwrap().tool(pages()).max_turns(300);
    builder.compaction(compaction).build().unwrap()
}

#[tokio::test]
async fn two_hundred_turns_stay_within_the_window_and_facts_are_still_answered() {
    let (model, turns) = reader(200, 6_000);
    let host = Host::new();
    let agent = agent(&model, Compaction::summary(4_000));
    let output = host.run(&agent, "Read all pages, and tell me the codes.").await.unwrap();
    assert_eq!(turns.load(Ordering::Relaxed), 200);
    let told = output.content.text().into_owned();
    for nth in 1..=200 {
        assert!(
            codes(&format!("{told}.")).contains(&format!("code {nth} is {}", nth * 7)),
            "{nth}"
        );
    }
    let longest = model.requests().iter().map(tokens).max().unwrap();
    assert!(longest <= 6_000, "{longest}");
    let compressed = host.journal().into_iter().filter_map(|(_, fact)| match fact {
        EventKind::CompressionCompleted { compressed } => Some(*compressed),
        _ => None,
    });
    let compressed: Vec<_> = compressed.collect();
    assert!(compressed.len() > 5, "{}", compressed.len());
    assert!(compressed.iter().all(|it| it.tokens_after < it.tokens_before), "{compressed:?}");
}

#[tokio::test]
async fn without_compaction_the_same_conversation_does_not_fit() {
    let (model, _) = reader(30, 6_000);
    let builder = Agent::builder("a").model(model.clone()).unwrap().tool(pages()).max_turns(300);
    let agent = builder.build().unwrap();
    let run = tokio::spawn(async move { Host::new().run(&agent, "Read.").await });
    assert!(run.await.unwrap_err().is_panic(), "the model refuses what does not fit");
}

#[tokio::test]
async fn dropped_turns_and_cleared_results_are_not_sent() {
    for (compaction, note) in [
        (Compaction::drop_turns(2_000).keep(2), "Earlier turns of this conversation"),
        (Compaction::clear_tool_results(2_000).keep(2), "This result was removed"),
    ] {
        let (model, _) = reader(12, 3_000);
        let host = Host::new();
        let agent = agent(&model, compaction);
        let output = host.run(&agent, "Read.").await.unwrap();
        let last = texts(model.requests().last().unwrap());
        assert!(last.contains(note) && last.starts_with("Read."), "{last}");
        assert!(!last.contains("code 1 is 7.") && last.contains("code 12 is 84."), "{last}");
        assert!(output.content.text().contains("code 12 is 84"));
        let asked = model.requests();
        assert!(asked.iter().all(|request| !is_summary(request)), "no model is asked");
    }
}

#[tokio::test]
async fn a_run_that_is_cut_anywhere_sends_the_same_compressed_requests() {
    for compaction in [
        Compaction::summary(2_000).keep(2),
        Compaction::drop_turns(2_000).keep(2),
        Compaction::clear_tool_results(2_000).keep(2),
    ] {
        let (model, _) = reader(9, 4_000);
        let host = Host::new();
        let whole = host.run(&agent(&model, compaction.clone()), "Read.").await.unwrap();
        let (facts, asked) = (host.journal(), model.requests());
        let name = |(_, fact): &(StepPath, EventKind)| fact.name();
        assert!(facts.iter().any(|fact| name(fact) == "CompressionCompleted"));
        for cut in 0..=facts.len() {
            let (model, _) = reader(9, 4_000);
            let host = Host::after(facts[..cut].to_vec());
            let agent = agent(&model, compaction.clone());
            let output = host.run(&agent, "Read.").await.unwrap();
            assert_eq!(output, whole, "cut at {cut}");
            let answered = facts[..cut].iter().filter(|it| name(it) == "ModelRequestCompleted");
            let rest = &asked[answered.count()..];
            assert_eq!(model.requests(), rest, "cut at {cut}: the same requests, each once");
        }
    }
}

#[tokio::test]
async fn the_summary_of_a_conversation_is_not_part_of_the_answer() {
    let (model, _) = reader(9, 4_000);
    let host = Host::new();
    let agent = agent(&model, Compaction::summary(2_000).keep(2));
    host.run(&agent, "Read.").await.unwrap();
    let shown = host.shown();
    assert_eq!(shown.matches("code 1 is 7").count(), 1, "{shown}");
}

#[tokio::test]
async fn instructions_made_for_a_run_are_recorded_and_not_made_again() {
    let made = Arc::new(AtomicUsize::new(0));
    let agent = |model: &ScriptedModel| {
        let made = made.clone();
        let builder = Agent::builder("a").model(model.clone()).unwrap().instructions("Be short.");
        let builder = builder.instructions_from(move |input, _| {
            let nth = made.fetch_add(1, Ordering::Relaxed) + 1;
            async move { Ok::<_, StepError>(format!("Made {nth} for `{}`.", input.text())) }
        });
        builder.build().unwrap()
    };
    let model = ScriptedModel::new(["Yes."]);
    let host = Host::new();
    host.run(&agent(&model), "go").await.unwrap();
    let expected = Some("Be short.\n\nMade 1 for `go`.");
    assert_eq!(model.requests()[0].instructions.as_deref(), expected);
    let facts = host.journal();
    let begun = facts.iter().position(|(_, fact)| fact.name() == "ContextAdded").unwrap();
    let model = ScriptedModel::new(["Yes."]);
    Host::after(facts[..=begun].to_vec()).run(&agent(&model), "go").await.unwrap();
    assert_eq!(model.requests()[0].instructions.as_deref(), expected);
    assert_eq!(made.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn examples_stand_before_the_message_and_are_no_answer() {
    let model = ScriptedModel::new(["neutral"]);
    let builder = Agent::builder("a").model(model.clone()).unwrap();
    let agent = builder.example("Bad.", "negative").example("Good.", "positive").build().unwrap();
    let output = Host::new().run(&agent, "So so.").await.unwrap();
    assert_eq!(output.content.text(), "neutral");
    let sent: Vec<String> = model.requests()[0].messages.iter().map(Message::text).collect();
    assert_eq!(sent, ["Bad.", "negative", "Good.", "positive", "So so."]);
}

#[tokio::test]
async fn the_facts_of_two_hundred_runs_are_in_the_summary_of_the_session() {
    let model = FunctionModel::new(|request| {
        assert!(tokens(request) <= 3_000, "{}", tokens(request));
        let instructions = request.instructions.as_deref().unwrap_or_default();
        let all = format!("{instructions}\n{}", texts(request));
        let facts: Vec<String> = codes(&all).into_iter().collect();
        if instructions.starts_with("You keep the summary") {
            return Reply::text(format!("{}.", facts.join(". ")));
        }
        let asked = request.messages[0].text();
        if asked.contains("Which codes?") {
            return Reply::text(facts.join(". "));
        }
        Reply::text("Noted.")
    });
    let builder = Agent::builder("Clerk").model(model.clone()).unwrap();
    let agent = builder.session_summary(SessionSummary::default().every(3)).build().unwrap();
    let chat = Workflow::builder("Chat").step(agent).add_workflow_history_to_steps(true);
    let chat = chat.num_history_runs(3).build().unwrap();
    for nth in 1..=199 {
        let said = format!("code {nth} is {}.", nth * 7);
        chat.run(said).session_id("s").await.unwrap();
    }
    let output = chat.run("Which codes?").session_id("s").await.unwrap();
    let told = codes(&format!("{}.", output.content.text()));
    assert_eq!(told.len(), 199);
    let session = chat.get_session("s").await.unwrap();
    let summary = &session.state["session_summary"];
    assert!(summary["text"].as_str().unwrap().contains("code 1 is 7"), "{summary}");
}

#[tokio::test]
async fn mistakes_of_the_context_are_reported_together() {
    let error = Agent::builder("a")
        .model("offline")
        .unwrap()
        .example("x", " ")
        .compaction(Compaction::drop_turns(0))
        .session_summary(SessionSummary::default().every(0))
        .instructions_from(|_, _| async { Ok::<_, StepError>(String::new()) })
        .instructions_from(|_, _| async { Ok::<_, StepError>(String::new()) })
        .build()
        .unwrap_err()
        .to_string();
    for part in ["4 mistakes", "an example has", "above 0 tokens", "every 0 runs", "`instructions`"]
    {
        assert!(error.contains(part), "{part}: {error}");
    }
}
