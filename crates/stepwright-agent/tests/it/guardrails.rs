//! Guardrails of agents.

use crate::host::{Host, on};
use futures_util::StreamExt as _;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use stepwright_agent::{Agent, FunctionTool, Team, TeamMode, ToolOptions};
use stepwright_core::budget::{AtLimit, Budget};
use stepwright_core::guardrail::{AnyGuardrail, Guard, GuardPlace, GuardVerdict};
use stepwright_core::{
    ErrorCode, ErrorId, EventKind, Memory, StepContext, StepError, StepInput, StepOutput, StepPath,
};
use stepwright_engine::{Step, Workflow};
use stepwright_testing::model::{FunctionModel, Reply, ScriptedModel};

#[derive(Deserialize, JsonSchema)]
struct Look {
    up: String,
}

fn look() -> FunctionTool {
    FunctionTool::new("look", "Looks up.", |args: Look| async move { format!("<{}>", args.up) })
        .read_only()
}

/// A guardrail that has a verdict about texts with `word`.
pub(crate) fn about(word: &'static str, verdict: GuardVerdict) -> AnyGuardrail {
    AnyGuardrail::of("words", move |checked, _| {
        let found = checked.content.text().contains(word);
        let verdict = if found { verdict.clone() } else { GuardVerdict::Allow };
        async move { Ok(verdict) }
    })
}

fn refused(result: Result<StepOutput, StepError>) -> String {
    let error = result.unwrap_err();
    assert_eq!(error.data.code, ErrorCode::Guardrail);
    assert_eq!(error.data.id, Some(ErrorId::GUARDRAIL_REFUSED));
    assert!(!error.data.retryable, "a refusal is no failure of transport");
    error.data.message.clone()
}

#[tokio::test]
async fn a_message_that_is_refused_reaches_no_model() {
    let model = ScriptedModel::new(["never"]);
    let guard = Guard::before(about("bad", GuardVerdict::refuse("it is bad")));
    let agent = on(&model).guardrail(guard).build().unwrap();
    let host = Host::new();
    let said = refused(host.run(&agent, "a bad word").await);
    assert_eq!(said, "guardrail `words` refused the message to the agent: it is bad");
    assert!(model.requests().is_empty());
    assert_eq!(host.fact_names(), ["RunStarted", "GuardrailJudged", "RunError"]);
}

#[tokio::test]
async fn a_message_a_request_and_an_answer_are_rewritten_and_the_old_ones_are_not_used() {
    let model = ScriptedModel::new(["the answer is raw"]);
    let agent = on(&model)
        .guardrail(Guard::before(about("bad", GuardVerdict::rewrite("good"))))
        .guardrail(Guard::before_model(about("good", GuardVerdict::rewrite("better"))))
        .guardrail(Guard::after_model(about("raw", GuardVerdict::rewrite("the answer is cooked"))))
        .guardrail(Guard::after(about("cooked", GuardVerdict::rewrite("served"))))
        .build()
        .unwrap();
    let host = Host::new();
    let output = host.run(&agent, "bad").await.unwrap();
    assert_eq!(output.content.text(), "served");
    assert_eq!(model.requests()[0].messages[0].text(), "better");
    assert_eq!(host.shown(), "served", "what was rewritten is not shown");
}

#[tokio::test]
async fn a_model_is_asked_again_with_the_reason_and_not_more_often_than_the_guard_says() {
    let again = || Guard::after(about("long", GuardVerdict::retry("be short"))).retries(2);
    let model = ScriptedModel::new(["long", "still long", "brief"]);
    let host = Host::new();
    let agent = on(&model).guardrail(again()).build().unwrap();
    let output = host.run(&agent, "go").await.unwrap();
    assert_eq!(output.content.text(), "brief");
    let told: Vec<String> =
        model.requests()[2].messages.iter().map(stepwright_core::message::Message::text).collect();
    assert_eq!(told, ["go", "long", "be short", "still long", "be short"]);
    assert_eq!(host.shown(), "brief", "answers that did not pass are not shown");

    let model = ScriptedModel::new(["long", "long", "long", "never asked"]);
    let agent = on(&model).guardrail(again()).build().unwrap();
    let said = refused(Host::new().run(&agent, "go").await);
    assert_eq!(said, "guardrail `words` refused the answer of the agent: be short");
    assert_eq!(model.requests().len(), 3);
}

#[tokio::test]
async fn text_that_is_refused_is_never_shown_and_without_guards_text_is_shown_as_it_arrives() {
    let model = ScriptedModel::new(["the secret plan"]);
    let guard = Guard::after(about("secret", GuardVerdict::refuse("it is secret")));
    let agent = on(&model).guardrail(guard).build().unwrap();
    let host = Host::new();
    refused(host.run(&agent, "go").await);
    assert_eq!(host.shown(), "");
    let completed = |event: &EventKind| matches!(event, EventKind::RunContentCompleted);
    assert!(!host.events().iter().any(completed), "no reader is told that the text is final");

    let before = Guard::before(about("x", GuardVerdict::refuse("x")));
    let model = ScriptedModel::new([Reply::text("half ").and_error(
        stepwright_core::model::ModelError::new(
            stepwright_core::model::ModelErrorKind::Refused,
            "no",
        ),
    )]);
    let agent = on(&model).guardrail(before).build().unwrap();
    let host = Host::new();
    host.run(&agent, "go").await.unwrap_err();
    assert_eq!(host.shown(), "half ", "guards before the agent do not hold text back");
}

#[tokio::test]
async fn calls_are_judged_before_and_after_and_only_those_of_the_named_tools() {
    let model = ScriptedModel::new([
        Reply::call("look", json!({"up": "ant"})),
        Reply::call("look", json!({"up": "bee"})),
        Reply::call("look", json!({"up": "cat"})),
        Reply::text("done"),
    ]);
    let agent = on(&model)
        .tool(look())
        .guardrail(Guard::before_tool(about("ant", GuardVerdict::retry("no ants"))))
        .guardrail(Guard::before_tool(about("bee", GuardVerdict::rewrite(json!({"up": "fly"})))))
        .guardrail(Guard::after_tool(about("cat", GuardVerdict::rewrite("<dog>"))).tools(["look"]))
        .build()
        .unwrap();
    let host = Host::new();
    host.run(&agent, "go").await.unwrap();
    assert_eq!(host.tool_answers(), ["!look: not called: no ants", "look: <fly>", "look: <dog>"]);

    let model = ScriptedModel::new([Reply::call("look", json!({"up": "ant"}))]);
    let guard = Guard::after_tool(about("ant", GuardVerdict::refuse("it bites")));
    let agent = on(&model).tool(look()).guardrail(guard).build().unwrap();
    let host = Host::new();
    let said = refused(host.run(&agent, "go").await);
    assert_eq!(said, "guardrail `words` refused the result of tool `look`: it bites");
    assert_eq!(host.tool_answers(), [format!("!look: {said}")], "the call has an end");
}

#[tokio::test]
async fn a_kept_result_of_a_tool_is_judged_like_a_new_one() {
    let look_at = || Reply::call("look", json!({"up": "cat"}));
    let model = ScriptedModel::new([look_at(), look_at(), Reply::text("done")]);
    let options = ToolOptions::new().cache(Duration::from_mins(1));
    let agent = on(&model)
        .tool_with(look(), options)
        .guardrail(Guard::after_tool(about("cat", GuardVerdict::rewrite("<dog>"))))
        .build()
        .unwrap();
    let host = Host::new();
    host.run(&agent, "go").await.unwrap();
    assert_eq!(host.tool_answers(), ["look: <dog>", "look: <dog>"]);
}

#[tokio::test]
async fn a_guard_that_watches_does_not_hold_up_the_request_and_stops_it_when_it_refuses() {
    let model = ScriptedModel::new([Reply::text("half").and_hang()]);
    let (asked, watched) = (model.clone(), Arc::new(Mutex::new(0)));
    let seen = watched.clone();
    let slow = AnyGuardrail::of("slow", move |_, _| {
        let (asked, seen) = (asked.clone(), seen.clone());
        async move {
            while asked.requests().is_empty() {
                tokio::task::yield_now().await;
            }
            *seen.lock().unwrap() += 1;
            Ok(GuardVerdict::refuse("not that"))
        }
    });
    let agent = on(&model).guardrail(Guard::before(slow).watching()).build().unwrap();
    let host = Host::new();
    let ended = tokio::time::timeout(Duration::from_mins(1), host.run(&agent, "go")).await;
    let said = refused(ended.expect("the request is dropped"));
    assert_eq!(said, "guardrail `slow` refused the message to the agent: not that");
    assert_eq!(*watched.lock().unwrap(), 1);
}

#[tokio::test]
async fn no_tool_is_called_before_the_guards_that_watch_let_the_request_pass() {
    let model = ScriptedModel::new([Reply::call("look", json!({"up": "ant"}))]);
    let host = Host::new();
    let answered = host.clone();
    let late = AnyGuardrail::of("late", move |_, _| {
        let host = answered.clone();
        async move {
            while !host.fact_names().contains(&"ModelRequestCompleted") {
                tokio::task::yield_now().await;
            }
            Ok(GuardVerdict::refuse("too late for a tool"))
        }
    });
    let guard = Guard::before_model(late).watching();
    let agent = on(&model).tool(look()).guardrail(guard).build().unwrap();
    refused(host.run(&agent, "go").await);
    assert!(host.tool_answers().is_empty());
}

type Fact = (StepPath, EventKind);

#[tokio::test]
async fn a_run_that_is_cut_anywhere_judges_nothing_twice() {
    let judged: Arc<Mutex<Vec<(GuardPlace, String)>>> = Arc::default();
    let counting = |place: fn(AnyGuardrail) -> Guard, word: &'static str, other: GuardVerdict| {
        let judged = judged.clone();
        place(AnyGuardrail::of("counting", move |checked, _| {
            judged.lock().unwrap().push((checked.place, checked.content.to_string()));
            let found = checked.content.text().contains(word);
            let verdict = if found { other.clone() } else { GuardVerdict::Allow };
            async move { Ok(verdict) }
        }))
    };
    let model = FunctionModel::new(|request| match request.messages.len() {
        1 => Reply::call("look", json!({"up": "ant"})).and_text("I look. "),
        3 => Reply::text("rude"),
        _ => Reply::text("polite"),
    });
    let agent = on_function(&model)
        .tool(look())
        .guardrail(counting(Guard::before, "go", GuardVerdict::rewrite("do it")))
        .guardrail(counting(|g| Guard::before(g).watching(), "zz", GuardVerdict::Allow))
        .guardrail(counting(Guard::before_model, "zz", GuardVerdict::Allow))
        .guardrail(counting(Guard::after_model, "zz", GuardVerdict::Allow))
        .guardrail(counting(Guard::before_tool, "ant", GuardVerdict::rewrite(json!({"up": "b"}))))
        .guardrail(counting(Guard::after_tool, "zz", GuardVerdict::Allow))
        .guardrail(counting(Guard::after, "rude", GuardVerdict::retry("be polite")))
        .build()
        .unwrap();
    let host = Host::new();
    let whole = host.run(&agent, "go").await.unwrap();
    assert_eq!(whole.content.text(), "polite");
    let facts: Vec<Fact> = host.journal();
    let all = std::mem::take(&mut *judged.lock().unwrap());
    let verdicts =
        |facts: &[Fact]| facts.iter().filter(|(_, kind)| kind.name() == "GuardrailJudged").count();
    assert_eq!(verdicts(&facts), all.len());
    assert!(all.len() >= 12, "{all:?}");
    for at in 0..=facts.len() {
        let requests = model.requests().len();
        let host = Host::after(facts[..at].to_vec());
        let output = host.run(&agent, "go").await.unwrap();
        assert_eq!(output.content, whole.content, "cut at {at}");
        let again = std::mem::take(&mut *judged.lock().unwrap()).len();
        assert_eq!(again, all.len() - verdicts(&facts[..at]), "cut at {at}");
        let answered =
            facts[..at].iter().filter(|(_, kind)| kind.name() == "ModelRequestCompleted").count();
        assert_eq!(model.requests().len() - requests, 3 - answered, "cut at {at}");
    }
}

fn on_function(model: &FunctionModel) -> stepwright_agent::AgentBuilder {
    stepwright_agent::Agent::builder("a").model(model.clone()).unwrap()
}

#[test]
fn mistakes_in_guards_are_told_when_the_agent_is_built() {
    let words = || about("x", GuardVerdict::Allow);
    let mistake = |guard: Guard| {
        let model = ScriptedModel::new(["x"]);
        on(&model).tool(look()).guardrail(guard).build().unwrap_err().to_string()
    };
    for (guard, said) in [
        (Guard::after(words()).watching(), "cannot watch: the work has been done"),
        (Guard::before(words()).retries(1), "where nothing is done again"),
        (Guard::after(words()).retries(11), "`retries` of guardrail `words` is 11; set 0 to 10"),
        (Guard::before(words()).tools(["look"]), "names tools; leave `tools` out"),
        (Guard::before_tool(words()).tools(["gaze"]), "names the tool `gaze`, which the agent"),
    ] {
        let told = mistake(guard);
        assert!(told.contains(said), "{told}");
    }
}

/// A team that routes to a member, which gives this answer.
fn routed(answer: &str, guard: Guard, of_member: Option<Guard>) -> Team {
    let leader = ScriptedModel::new([
        Reply::call("scout", json!({"task": "Find."})),
        Reply::text("the leader answers"),
    ]);
    let scout = Agent::builder("Scout").model(ScriptedModel::new([answer])).unwrap();
    let scout = match of_member {
        Some(guard) => scout.guardrail(guard),
        None => scout,
    };
    let mode = if guard.place(false) == GuardPlace::BeforeAgent {
        TeamMode::Coordinate
    } else {
        TeamMode::Route
    };
    let team = Team::builder("Desk").model(leader).unwrap().mode(mode);
    let team = team.member(scout.build().unwrap(), "Finds.");
    team.leader(|leader| leader.guardrail(guard)).build().unwrap()
}

#[tokio::test]
async fn the_answer_of_a_member_that_is_that_of_its_team_is_judged_as_such() {
    let host = Host::new();
    let team = routed("raw", Guard::after(about("raw", GuardVerdict::refuse("it is raw"))), None);
    refused(host.run(team.leader(), "go").await);
    assert_eq!(host.shown_at("step"), "", "nothing of it is the text of the team");
    let host = Host::new();
    let team = routed("raw", Guard::after(about("raw", GuardVerdict::rewrite("cooked"))), None);
    assert_eq!(host.run(team.leader(), "go").await.unwrap().content.text(), "cooked");
    assert_eq!(host.shown_at("step"), "cooked");
}

#[tokio::test]
async fn a_leader_reads_that_a_member_was_refused() {
    let never = Guard::before(about("never", GuardVerdict::Allow));
    let of_member = Guard::after(about("raw", GuardVerdict::refuse("it is raw")));
    let team = routed("raw", never, Some(of_member));
    let output = Host::new().run(team.leader(), "go").await.unwrap();
    assert_eq!(output.content.text(), "the leader answers");
}

#[tokio::test]
async fn text_beside_a_call_is_not_shown_where_the_answer_is_judged() {
    let beside = Reply::text("raw text").and_call("look", json!({"up": "x"}));
    let model = ScriptedModel::new([beside, Reply::text("done")]);
    let guard = Guard::after(about("raw", GuardVerdict::refuse("it is raw")));
    let agent = on(&model).tool(look()).guardrail(guard).build().unwrap();
    let host = Host::new();
    assert_eq!(host.run(&agent, "go").await.unwrap().content.text(), "done");
    assert_eq!(host.shown(), "done");
}

#[tokio::test]
async fn a_refusal_names_the_guardrail_that_asked_again_in_vain() {
    let named = |name: &'static str, verdict: GuardVerdict| {
        AnyGuardrail::of(name, move |_, _| std::future::ready(Ok(verdict.clone())))
    };
    let leader = ScriptedModel::new([Reply::call("scout", json!({"task": "Find."}))]);
    let scout = Agent::builder("Scout").model(ScriptedModel::new(["raw"])).unwrap();
    let team = Team::builder("Desk").model(leader).unwrap().mode(TeamMode::Route);
    let team = team.member(scout.build().unwrap(), "Finds.").leader(|leader| {
        let first = Guard::after(named("first", GuardVerdict::Allow));
        leader.guardrail(first).guardrail(Guard::after(named("second", GuardVerdict::retry("no"))))
    });
    let said = refused(Host::new().run(team.build().unwrap().leader(), "go").await);
    assert_eq!(said, "guardrail `second` refused the answer of the agent: no");
}

/// Runs a workflow of this step. Returns the text that was shown, the number of times that it was
/// said to be complete, and the output.
async fn streamed(step: Step) -> (String, usize, Result<String, String>) {
    let flow = Workflow::builder("W").store(Memory::default()).step(step).build().unwrap();
    let mut run = flow.run("go").stream_events(true).stream();
    let (mut shown, mut completed) = (String::new(), 0);
    while let Some(event) = run.next().await {
        match event.kind {
            EventKind::RunContent { content } => shown.push_str(&content),
            EventKind::RunContentCompleted => completed += 1,
            _ => {}
        }
    }
    let output = run.output().await;
    let output = output.map(|output| output.content.text().into_owned());
    (shown, completed, output.map_err(|error| error.to_string()))
}

#[tokio::test]
async fn the_text_of_a_step_is_shown_as_its_guardrails_let_it_pass() {
    let writer = |answers: &[&'static str]| on(&ScriptedModel::new(answers.to_vec()));
    let step = |agent: stepwright_agent::AgentBuilder, verdict: GuardVerdict| {
        Step::new("write", agent.build().unwrap()).guardrail(Guard::after(about("raw", verdict)))
    };
    let rewritten = step(writer(&["raw text"]), GuardVerdict::rewrite("cooked"));
    assert_eq!(streamed(rewritten).await, ("cooked".into(), 1, Ok("cooked".into())));

    let again = step(writer(&["raw text", "a better one"]), GuardVerdict::retry("cook it"));
    let expected = "a better one".to_owned();
    assert_eq!(streamed(again).await, (expected.clone(), 1, Ok(expected)));

    let refused = step(writer(&["raw text"]), GuardVerdict::refuse("it is raw"));
    let (shown, completed, error) = streamed(refused).await;
    assert_eq!((&*shown, completed), ("", 0));
    assert!(error.unwrap_err().contains("it is raw"));

    // What the guards of the agent let pass is not shown before those of the step have judged it.
    let both =
        writer(&["text"]).guardrail(Guard::after(about("text", GuardVerdict::rewrite("raw"))));
    let both = step(both, GuardVerdict::rewrite("cooked"));
    assert_eq!(streamed(both).await, ("cooked".into(), 1, Ok("cooked".into())));

    // A function that emits its text, and one that only returns it.
    let emits = |emitted: bool| {
        let work = move |_: StepInput, cx: StepContext| async move {
            if emitted {
                cx.emit("raw text");
            }
            "raw text"
        };
        let guard = Guard::after(about("raw", GuardVerdict::rewrite("cooked")));
        Step::new("write", work).guardrail(guard)
    };
    assert_eq!(streamed(emits(true)).await, ("cooked".into(), 0, Ok("cooked".into())));
    assert_eq!(streamed(emits(false)).await, (String::new(), 0, Ok("cooked".into())));
}

#[tokio::test]
async fn an_agent_that_wraps_up_does_not_end_with_a_text_that_was_refused() {
    let model = FunctionModel::new(|_| {
        Reply::text("raw, so far").and_call("look", json!({"up": "x"})).with_tokens(500, 500)
    });
    let budget = Budget::default().tokens(100).at_limit(AtLimit::WrapUp);
    for verdict in [GuardVerdict::refuse("it is raw"), GuardVerdict::retry("it is raw")] {
        let guard = Guard::after(about("raw", verdict));
        let agent = on_function(&model).tool(look()).guardrail(guard).build().unwrap();
        let step = Step::new("write", agent).budget(budget.clone());
        let (shown, _, output) = streamed(step).await;
        let error = output.unwrap_err();
        assert!(error.contains("guardrail `words` refused the answer of the agent"), "{error}");
        assert_eq!(shown, "");
    }
}
