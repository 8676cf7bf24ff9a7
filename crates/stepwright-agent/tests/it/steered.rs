//! Messages of the user to agents at work: guardrails judge them, and history and summaries have
//! them.

use crate::guardrails::about;
use crate::host::on;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use stepwright_agent::{
    Agent, AgentMemory, FunctionTool, SessionSummary, Team, TeamMode, ToolOptions,
};
use stepwright_core::guardrail::{AnyGuardrail, Guard, GuardVerdict};
use stepwright_core::journal::Append;
use stepwright_core::message::Message;
use stepwright_core::model::ModelRequest;
use stepwright_core::sent::SendMode;
use stepwright_core::{AnyStore, Error, ErrorId, Event, Json, Memory, StepContext};
use stepwright_engine::{Runs, Step, Workflow};
use stepwright_testing::model::{FunctionModel, Reply, ScriptedModel};

#[derive(Deserialize, JsonSchema)]
struct Nothing {}

fn store() -> AnyStore {
    AnyStore::new(Memory::default())
}

/// A tool in whose calls a person sends these messages to the run, one list for each call.
fn waits(store: &AnyStore, mode: SendMode, lists: &[&[&'static str]]) -> FunctionTool {
    let lists: Vec<Vec<&'static str>> = lists.iter().rev().map(|list| list.to_vec()).collect();
    let (store, lists) = (store.clone(), Arc::new(Mutex::new(lists)));
    FunctionTool::new("wait", "Waits.", move |_: Nothing, cx: StepContext| {
        let runs = Runs::of(store.clone());
        let texts = lists.lock().unwrap().pop().unwrap_or_default();
        async move {
            for text in texts {
                runs.send(&cx.run().run_id, text).mode(mode).await?;
            }
            Ok::<_, Error>("waited")
        }
    })
    .read_only()
}

fn wait() -> Reply {
    Reply::call("wait", json!({}))
}

fn flow(store: &AnyStore, agent: Agent) -> Workflow {
    Workflow::builder("W").store(store.clone()).step(agent).build().unwrap()
}

fn texts(request: &ModelRequest) -> Vec<String> {
    let of_user = |message: &&Message| matches!(message, Message::User { .. });
    request.messages.iter().filter(of_user).map(Message::text).collect()
}

fn is_refusal(error: &Error) -> bool {
    error.output().unwrap().error.as_ref().unwrap().error.id() == ErrorId::GUARDRAIL_REFUSED
}

/// A guard that judges all texts, and notes them.
fn noting(seen: &Arc<Mutex<Vec<String>>>) -> AnyGuardrail {
    let seen = seen.clone();
    AnyGuardrail::of("noting", move |checked, _| {
        seen.lock().unwrap().push(checked.content.to_string());
        async { Ok(GuardVerdict::Allow) }
    })
}

#[tokio::test]
async fn a_message_to_an_agent_at_work_is_judged_as_the_first_one_is() {
    let bad = || about("bad", GuardVerdict::refuse("it is bad"));
    for guard in [Guard::before(bad()), Guard::before(bad()).watching()] {
        let (store, model) = (store(), ScriptedModel::new([wait(), wait(), Reply::text("done")]));
        let tool = waits(&store, SendMode::Steer, &[&["fine", "a bad word"]]);
        let agent = on(&model).tool(tool).guardrail(guard.clone()).build().unwrap();
        let error = flow(&store, agent).run("go").await.unwrap_err();
        assert!(is_refusal(&error), "{error}");
        let calls = error.output().unwrap().metrics.tool_calls;
        assert_eq!(calls, 1, "nothing follows from an answer to it");
        let asked = model.requests().len();
        assert!(asked <= 1 + usize::from(guard.is_watching()), "one that watches judges beside");
    }
}

#[tokio::test]
async fn all_messages_that_came_at_once_are_rewritten_before_the_model_reads_them() {
    let good = || about("bad", GuardVerdict::rewrite("good"));
    for guard in [Guard::before(good()), Guard::before_model(good())] {
        let (store, model) = (store(), ScriptedModel::new([wait(), Reply::text("done")]));
        let tool = waits(&store, SendMode::Steer, &[&["bad 1", "bad 2", "fine"]]);
        let agent = on(&model).tool(tool).guardrail(guard).build().unwrap();
        flow(&store, agent).run("go").await.unwrap();
        assert_eq!(texts(&model.requests()[1]), ["go", "good", "good", "fine"]);
    }
}

#[tokio::test]
async fn the_guards_of_a_step_judge_the_messages_to_the_agent_in_it() {
    let bad = || about("bad", GuardVerdict::refuse("it is bad"));
    for guard in [Guard::before(bad()), Guard::before(bad()).watching()] {
        let (store, model) = (store(), ScriptedModel::new([wait(), Reply::text("never")]));
        let tool = waits(&store, SendMode::FollowUp, &[&["a bad word"]]);
        let agent = on(&model).tool(tool).build().unwrap();
        let step = Step::new("write", agent).guardrail(guard);
        let flow = Workflow::builder("W").store(store.clone()).step(step).build().unwrap();
        let error = flow.run("go").await.unwrap_err();
        assert!(is_refusal(&error), "{error}");
        let sent: Vec<String> = model.requests().iter().flat_map(texts).collect();
        assert!(sent.iter().all(|text| text == "go"), "{sent:?}");
    }
}

#[tokio::test]
async fn an_agent_that_takes_over_has_its_own_guards_judge_what_the_user_said() {
    for watches in [false, true] {
        let (seen, sent) = (Arc::default(), Arc::default());
        let (store, second) = (store(), ScriptedModel::new(["done"]));
        let first = ScriptedModel::new([wait(), Reply::call("transfer_to_second", json!({}))]);
        let guard = Guard::before(noting(&seen));
        let guard = if watches { guard.watching() } else { guard };
        let rewrite = Guard::before(about("bad", GuardVerdict::rewrite("good")));
        let last = Agent::builder("Second").model(second.clone()).unwrap();
        let last = last.guardrail(rewrite).guardrail(guard);
        let last = last.guardrail(Guard::before_model(noting(&sent))).build().unwrap();
        let tool = waits(&store, SendMode::Steer, &[&["and fast"]]);
        let agent = on(&first).tool(tool).handoff(&last, "Knows.").build().unwrap();
        flow(&store, agent).run("a bad word").await.unwrap();
        assert_eq!(texts(&second.requests()[0]), ["good", "and fast"]);
        assert_eq!(*seen.lock().unwrap(), ["good", "and fast"]);
        let transferred = "`Second` has the conversation now";
        assert_eq!(*sent.lock().unwrap(), ["good", "waited", "and fast", transferred]);
        assert_eq!(texts(&first.requests()[1]), ["a bad word", "and fast"]);
    }
}

#[tokio::test]
async fn limits_of_calls_and_of_guards_count_from_the_last_message() {
    let model = FunctionModel::new(|request| {
        let since = request.messages.iter().rev();
        let since = since.take_while(|it| it.text() != "go" && it.text() != "more");
        match since.count() {
            0 => wait(),
            2 => Reply::text("long"),
            _ => Reply::text("brief"),
        }
    });
    let store = store();
    let tool = waits(&store, SendMode::FollowUp, &[&["more"]]);
    let agent = Agent::builder("a").model(model.clone()).unwrap();
    let agent = agent.tool_with(tool, ToolOptions::new().max_calls(1));
    let short = Guard::after(about("long", GuardVerdict::retry("be short"))).retries(1);
    let agent = agent.guardrail(short).build().unwrap();
    let output = flow(&store, agent).run("go").await.unwrap();
    assert_eq!(output.content.text(), "brief");
    let last = model.requests().pop().unwrap();
    assert_eq!(texts(&last), ["go", "be short", "more", "be short"]);
    let results = last.messages.iter().filter_map(|message| match message {
        Message::Tool { results } => Some(results[0].text.clone()),
        _ => None,
    });
    assert_eq!(results.collect::<Vec<_>>(), ["waited", "waited"]);
}

#[tokio::test]
async fn a_run_that_is_retried_has_all_repetitions_of_its_guards_again() {
    let answers = ["long", "longer", "as long", "brief"];
    let (store, model) = (store(), ScriptedModel::new(answers));
    let short = Guard::after(about("long", GuardVerdict::retry("be short"))).retries(1);
    let agent = on(&model).guardrail(short).build().unwrap();
    let flow = flow(&store, agent);
    let error = flow.run("go").run_id("r").await.unwrap_err();
    assert!(is_refusal(&error), "{error}");
    assert_eq!(flow.retry("r").await.unwrap().content.text(), "brief");
}

#[tokio::test]
async fn the_next_run_of_the_session_knows_the_messages_in_their_order() {
    let (store, model) = (store(), ScriptedModel::new([wait(), "red".into(), "yes".into()]));
    let tool = waits(&store, SendMode::Steer, &[&["in one word", "about cars"]]);
    let agent = on(&model).tool(tool).build().unwrap();
    let flow = Workflow::builder("W").store(store.clone()).step(agent);
    let flow = flow.add_workflow_history_to_steps(true).build().unwrap();
    flow.run("Which colour?").session_id("s").await.unwrap();
    flow.run("Sure?").session_id("s").await.unwrap();
    let asked = model.requests()[2].messages[0].text();
    let expected = "User input: Which colour?\nUser message: in one word\n\
                    User message: about cars\nWorkflow output: red\n";
    assert!(asked.contains(expected), "{asked}");
}

fn is_summary(request: &ModelRequest) -> bool {
    request.instructions.as_deref().unwrap_or_default().starts_with("You keep the summary")
}

fn is_memory(request: &ModelRequest) -> bool {
    request.instructions.as_deref().unwrap_or_default().contains("You keep the memories")
}

/// A model that waits once, answers, and is asked for summaries and memories.
fn keeper() -> FunctionModel {
    FunctionModel::new(|request| match request.messages.len() {
        _ if is_summary(request) => Reply::text("a summary"),
        _ if is_memory(request) => Reply::text(r#"{"changes": []}"#),
        1 => wait(),
        _ => Reply::text("the secret answer"),
    })
}

#[tokio::test]
async fn summaries_and_memories_read_the_messages_and_nothing_that_a_guard_removed() {
    let (store, model) = (store(), keeper());
    let tool = waits(&store, SendMode::Steer, &[&["my card is 1234"]]);
    let agent = Agent::builder("a").model(model.clone()).unwrap().tool(tool);
    let agent = agent.session_summary(SessionSummary::default()).memory(AgentMemory::after_run());
    let agent = agent
        .guardrail(Guard::before(about("1234", GuardVerdict::rewrite("my card is [card]"))))
        .guardrail(Guard::after(about("secret", GuardVerdict::rewrite("the answer"))))
        .build()
        .unwrap();
    flow(&store, agent).run("I pay, 1234").user_id("ada").await.unwrap();
    let kept = model.requests().into_iter().filter(|it| is_summary(it) || is_memory(it));
    let kept: Vec<String> = kept.map(|request| request.messages[0].text()).collect();
    assert_eq!(kept.len(), 2);
    for text in kept {
        let expected = "User: my card is [card]\n\nmy card is [card]\nAssistant: the answer";
        assert!(text.ends_with(expected), "{text}");
        assert!(!text.contains("1234") && !text.contains("secret"), "{text}");
    }
}

#[tokio::test]
async fn after_a_handoff_the_first_agent_keeps_its_summary_and_memories() {
    let (store, second) = (store(), ScriptedModel::new(["Paid."]));
    let last = Agent::builder("Second").model(second.clone()).unwrap().build().unwrap();
    let first = FunctionModel::new(|request| match request.messages.len() {
        _ if is_summary(request) => Reply::text("They paid."),
        _ if is_memory(request) => {
            let add = json!({"changes": [{"change": "add", "memory": "Pays at once."}]});
            Reply::text(add.to_string())
        }
        _ => Reply::call("transfer_to_second", json!({})),
    });
    let agent = Agent::builder("First").model(first.clone()).unwrap().handoff(&last, "Pays.");
    let agent = agent.session_summary(SessionSummary::default()).memory(AgentMemory::after_run());
    let flow = flow(&store, agent.build().unwrap());
    flow.run("my invoice?").user_id("ada").session_id("s").await.unwrap();
    let session = flow.get_session("s").await.unwrap();
    assert_eq!(session.state["session_summary"]["text"], "They paid.");
    let memories = Runs::of(store.clone()).memories("ada").unwrap().list().await.unwrap();
    assert_eq!(&*memories[0].memory, "Pays at once.");
    let asked = first.requests().into_iter().find(is_summary).unwrap().messages[0].text();
    assert!(asked.ends_with("User: my invoice?\nAssistant: Paid."), "{asked}");
}

#[tokio::test]
async fn a_summary_reads_the_runs_in_which_its_agent_has_answered() {
    let model = FunctionModel::new(|request| {
        if is_summary(request) {
            return Reply::text("a summary");
        }
        Reply::text(format!("answer to {}", request.messages[0].text()))
    });
    let refuse = Guard::before(about("boom", GuardVerdict::refuse("no")));
    let agent = Agent::builder("a").model(model.clone()).unwrap().guardrail(refuse);
    let agent = agent.session_summary(SessionSummary::default().every(2)).build().unwrap();
    let store = store();
    let flow = flow(&store, agent);
    for (input, fails) in [("alpha", false), ("boom", true), ("beta", false)] {
        assert_eq!(flow.run(input).session_id("s").await.is_err(), fails);
    }
    let asked: Vec<String> = model
        .requests()
        .iter()
        .filter(|request| is_summary(request))
        .map(|request| request.messages[0].text())
        .collect();
    let expected =
        "User: alpha\nAssistant: answer to alpha\n\nUser: beta\nAssistant: answer to beta";
    assert_eq!(asked.len(), 1);
    assert!(asked[0].ends_with(expected), "{}", asked[0]);
    let state = flow.get_session("s").await.unwrap().state;
    assert_eq!(state["session_summary"], json!({"text": "a summary", "pending": []}));
}

/// A team in the mode `route`, whose member waits once, and whose leader passes the last message
/// of the user on. `sent` are the messages that come while the member waits.
fn routed(store: &AnyStore, sent: &[&[&'static str]], passes_input: bool) -> (Team, FunctionModel) {
    let leader = FunctionModel::new(|request| {
        let of_user = texts(request);
        Reply::call("scout", json!({"task": of_user.last()}))
    });
    let scout = FunctionModel::new(|request| match request.messages.len() {
        1 => wait(),
        _ => Reply::text(format!("found: {}", request.messages[0].text())),
    });
    let tool = waits(store, SendMode::Steer, sent);
    let scout = Agent::builder("Scout").model(scout).unwrap().tool(tool).build().unwrap();
    let team = Team::builder("Desk").model(leader.clone()).unwrap().mode(TeamMode::Route);
    let team = team.member(&scout, "Finds.").pass_input(passes_input).build().unwrap();
    (team, leader)
}

#[tokio::test]
async fn a_message_to_a_team_that_routes_reaches_the_member_that_answers() {
    for (passes_input, expected) in
        [(false, "found: rivers, not lakes"), (true, "found: lakes\n\nrivers, not lakes")]
    {
        let store = store();
        let (team, leader) = routed(&store, &[&["rivers, not lakes"]], passes_input);
        let flow = Workflow::builder("W").store(store.clone()).step(team).build().unwrap();
        let output = flow.run("lakes").run_id("r").await.unwrap();
        assert_eq!(output.content.text(), expected);
        assert_eq!(leader.requests().len(), 2);
        let facts = store.load(&"r".parse().unwrap(), 0, usize::MAX).await.unwrap();
        stepwright_testing::grammar::check(&facts);
        // From its delivery on, a process that dies has the message in its conversation once.
        let given = facts.iter().position(|fact| fact.name() == "MessageReceived").unwrap();
        for at in given + 1..facts.len() {
            let store = cut(&facts, at).await;
            let (team, _) = routed(&store, &[], passes_input);
            let flow = Workflow::builder("W").store(store.clone()).step(team).build().unwrap();
            let again = flow.resume("r").await.unwrap();
            assert_eq!(again.content.text(), expected, "cut at {at}");
        }
    }
}

async fn cut(facts: &[Event], at: usize) -> AnyStore {
    let store = store();
    let (run, facts) = (facts[0].run.clone(), facts[..at].to_vec());
    store.append(Append { run, facts, close: None, driver: None }).await.unwrap();
    store
}

#[tokio::test]
async fn no_member_is_called_before_a_guard_that_watches_has_let_the_message_pass() {
    let models = [ScriptedModel::new(["never"]), ScriptedModel::new(["never"])];
    let [leader, scout] = models.clone();
    let scout = Agent::builder("Scout").model(scout).unwrap().build().unwrap();
    let guard = Guard::before(about("bad", GuardVerdict::refuse("it is bad"))).watching();
    let team = Team::builder("Desk").model(leader).unwrap().mode(TeamMode::Collaborate);
    let team = team.member(&scout, "Finds.").leader(|leader| leader.guardrail(guard));
    let error = team.build().unwrap().run("a bad word").await.unwrap_err();
    assert!(is_refusal(&error), "{error}");
    assert!(models.iter().all(|model| model.requests().is_empty()));
}

#[tokio::test]
async fn arguments_that_do_not_fit_a_workflow_are_corrected_by_the_model() {
    #[derive(Deserialize)]
    struct Numbers {
        n: u64,
    }
    async fn double(Json(number): Json<u64>) -> String {
        (2 * number).to_string()
    }
    async fn double_n(Json(Numbers { n }): Json<Numbers>) -> String {
        (2 * n).to_string()
    }
    let text = Workflow::builder("Double").input::<u64>().step(double).build().unwrap();
    let text = text.as_tool("double", "Doubles.").unwrap();
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}});
    let object = Workflow::builder("Double").step(double_n).build().unwrap();
    let object = object.as_tool("double", "Doubles.").unwrap().parameters(schema);
    for (tool, wrong, right, why) in [
        (text, json!({"message": "many"}), json!({"message": "4"}), "wrong arguments"),
        (object, json!({"n": "many"}), json!({"n": 4}), "`n` must be an integer"),
    ] {
        let calls = [wrong, right].map(|given: Value| Reply::call("double", given));
        let [first, second] = calls;
        let model = ScriptedModel::new([first, second, Reply::text("done")]);
        let agent = on(&model).tool(tool).build().unwrap();
        let output = flow(&store(), agent).run("go").await.unwrap();
        assert_eq!(output.content.text(), "done");
        let asked = model.requests();
        let told = asked.iter().skip(1).map(|it| it.messages.last().unwrap().text());
        let told: Vec<String> = told.collect();
        assert!(told[0].contains(why) && told[0].contains("call `double` again"), "{told:?}");
        assert_eq!(told[1], "8");
    }
}
