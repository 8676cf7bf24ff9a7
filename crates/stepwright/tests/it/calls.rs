//! Tool calls as executions of their own: what they do durably, and what a dead process leaves
//! behind.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use stepwright::prelude::*;
use stepwright::tools::ToolError;
use stepwright::{ErrorCode, Memory, OnInterrupted, Sqlite};
use stepwright_core::journal::Append;
use stepwright_core::output::{ExecutorRun, Turn};
use stepwright_core::store::RunStore as _;
use stepwright_testing::grammar;
use stepwright_testing::model::{FunctionModel, Reply};

/// A record of what was really done, in order.
type Done = Arc<Mutex<Vec<String>>>;

fn done(done: &Done) -> Vec<String> {
    std::mem::take(&mut *done.lock().unwrap())
}

/// A model that gives these answers, turn by turn, and then what its tools have said last.
fn script(replies: impl IntoIterator<Item = Reply>) -> FunctionModel {
    let replies: Vec<Reply> = replies.into_iter().collect();
    FunctionModel::new(move |request| {
        let answered = |m: &&stepwright::models::Message| {
            matches!(m, stepwright::models::Message::Assistant(_))
        };
        let turn = request.messages.iter().filter(answered).count();
        let last = || Reply::text(request.messages.last().unwrap().text());
        replies.get(turn).cloned().unwrap_or_else(last).with_tokens(10, 1)
    })
}

fn pay(eur: u64) -> Reply {
    Reply::call("pay", json!({ "eur": eur }))
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Pay {
    eur: u64,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Ask {
    question: String,
}

/// Pays once, and says under which key.
fn paying(paid: &Done) -> FunctionTool {
    let paid = paid.clone();
    FunctionTool::new("pay", "Pays.", move |pay: Pay, cx: StepContext| {
        let paid = paid.clone();
        async move {
            let key = cx.idempotency_key();
            let receipt = cx.once("pay", async {
                paid.lock().unwrap().push(format!("{} with {key}", pay.eur));
                Ok::<_, StepError>(format!("receipt {}", pay.eur))
            });
            receipt.await.map_err(ToolError::Fatal)
        }
    })
}

/// Asks a person.
fn asking() -> FunctionTool {
    FunctionTool::new("ask", "Asks.", |ask: Ask, cx: StepContext| async move {
        cx.wait::<String>("customer").message(ask.question).await.map_err(ToolError::Fatal)
    })
}

fn agent(name: &str, model: FunctionModel, tools: impl IntoIterator<Item = FunctionTool>) -> Agent {
    Agent::builder(name).model(model).unwrap().tools(tools).build().unwrap()
}

fn workflow(agent: Agent, store: &Memory) -> Workflow {
    Workflow::builder("W").step(Step::new("Till", agent)).store(store.clone()).build().unwrap()
}

async fn journal(store: &Memory, run: &str) -> Vec<Event> {
    store.load(&run.parse().unwrap(), 0, usize::MAX).await.unwrap()
}

/// A store in which a run was cut behind so many facts.
async fn cut(facts: &[Event], at: usize) -> Memory {
    let store = Memory::default();
    let (run, facts) = (facts[0].run.clone(), facts[..at].to_vec());
    store.append(Append { run, facts, close: None, driver: None }).await.unwrap();
    store
}

fn paths(facts: &[Event], name: &str) -> Vec<String> {
    facts.iter().filter(|fact| fact.name() == name).map(|fact| fact.path.to_string()).collect()
}

#[tokio::test]
async fn two_calls_of_one_tool_pay_twice_and_have_keys_of_their_own() {
    let (paid, store) = (Done::default(), Memory::default());
    let twice = script([pay(5).and_call("pay", json!({"eur": 9})), pay(5)]);
    let till = workflow(agent("Till", twice, [paying(&paid)]), &store);
    till.run("go").run_id("r").await.unwrap();
    assert_eq!(
        done(&paid),
        ["5 with r:Till/pay#1", "9 with r:Till/pay#2", "5 with r:Till/pay#3"],
        "the same call again is another effect",
    );
    let facts = journal(&store, "r").await;
    grammar::check(&facts);
    let calls = ["Till/pay#1", "Till/pay#2", "Till/pay#3"];
    assert_eq!(paths(&facts, "ToolCallStarted"), calls);
    assert_eq!(paths(&facts, "StepRecorded"), calls);
    assert_eq!(paths(&facts, "ToolCallCompleted"), calls);
}

#[tokio::test]
async fn two_questions_are_asked_one_after_the_other_and_each_has_its_answer() {
    let ask = |question: &str| Reply::call("ask", json!({ "question": question }));
    let store = Memory::default();
    let till = workflow(
        agent(
            "Till",
            script([ask("size?"), ask("colour?").and_call("ask", json!({"question": "size?"}))]),
            [asking()],
        ),
        &store,
    );
    let first = till.run("go").run_id("r").await.unwrap();
    assert_eq!(first.status, RunStatus::Paused);
    assert_eq!(&*first.requirements[0].id, "Till/ask#1!wait:customer");
    assert_eq!(&*first.requirements[0].message, "size?");
    // The name of the step is enough while only one thing is waited for.
    let second = till.continue_run("r", [("Till", Answer::submit("XL"))]).await.unwrap();
    let open: Vec<(&str, &str)> =
        second.requirements.iter().map(|asked| (&*asked.id, &*asked.message)).collect();
    assert_eq!(
        open,
        [("Till/ask#2!wait:customer", "colour?"), ("Till/ask#3!wait:customer", "size?")],
    );
    let several = till.continue_run("r", [("Till", Answer::submit("?"))]).await.unwrap_err();
    assert!(several.to_string().contains("waits for several things"), "{several}");
    let answers = [("Till/ask#3", Answer::submit("S")), ("Till/ask#2", Answer::submit("red"))];
    let output = till.continue_run("r", answers).await.unwrap();
    assert_eq!(output.content.text(), "red\nS");
    grammar::check(&journal(&store, "r").await);
}

#[tokio::test]
async fn a_call_that_works_goes_on_while_another_waits_for_a_person() {
    let (worked, store) = (Done::default(), Memory::default());
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let (seen, open) = (worked.clone(), gate.clone());
    let work = FunctionTool::new("pay", "Pays.", move |pay: Pay| {
        let (seen, open) = (seen.clone(), open.clone());
        async move {
            open.acquire().await.unwrap().forget();
            seen.lock().unwrap().push(pay.eur.to_string());
            "paid"
        }
    });
    let both = Reply::call("ask", json!({"question": "size?"})).and_call("pay", json!({"eur": 5}));
    let till = workflow(agent("Till", script([both]), [asking(), work]), &store);
    let mut run = till.run("go").run_id("r").stream_events(true).stream();
    while run.next().await.unwrap().name() != "StepPaused" {}
    // The run is not left: a call is still at work.
    gate.add_permits(1);
    let paused = run.output().await.unwrap();
    assert_eq!((paused.status, done(&worked)), (RunStatus::Paused, vec!["5".to_owned()]));
    let output = till.continue_run("r", [("Till", Answer::submit("XL"))]).await.unwrap();
    assert_eq!(output.content.text(), "XL\npaid");
    assert_eq!(done(&worked), [""; 0], "what had ended is not done again");
}

#[tokio::test]
async fn a_retried_step_uses_the_same_keys_and_what_its_calls_have_recorded() {
    // The first attempt pays 5 and 9; the second pays 9, 7 and 5: the order is its own.
    let paid = Done::default();
    let attempts = Arc::new(Mutex::new(0));
    let model = FunctionModel::new(move |request| {
        let mut attempt = attempts.lock().unwrap();
        let first = request.messages.len() == 1;
        *attempt += u32::from(first);
        match (*attempt, first) {
            (1, true) => pay(5).and_call("pay", json!({"eur": 9})),
            (1, false) => Reply::text("half an an").and_cut(),
            (_, true) => {
                pay(9).and_call("pay", json!({"eur": 7})).and_call("pay", json!({"eur": 5}))
            }
            _ => Reply::text(request.messages.last().unwrap().text()),
        }
    });
    let step = Step::new("Till", agent("Till", model, [paying(&paid)])).retries(1);
    let store = Memory::default();
    let till = Workflow::builder("W").step(step).store(store.clone()).build().unwrap();
    let output = till.run("go").run_id("r").await.unwrap();
    assert_eq!(output.content.text(), "receipt 9\nreceipt 7\nreceipt 5");
    assert_eq!(
        done(&paid),
        ["5 with r:Till/pay#1", "9 with r:Till/pay#2", "7 with r:Till/pay#3"],
        "nothing is paid twice, and nothing is left out",
    );
    let facts = journal(&store, "r").await;
    grammar::check(&facts);
    // Cut anywhere, it pays for each once, and ends alike.
    for at in 1..facts.len() {
        let recorded = paths(&facts[..at], "StepRecorded").len();
        let (paid, store) = (Done::default(), cut(&facts, at).await);
        let retried = paths(&facts[..at], "StepRetrying").len();
        let model = FunctionModel::new(move |request| {
            let first = request.messages.len() == 1;
            match (retried, first) {
                (0, true) => pay(5).and_call("pay", json!({"eur": 9})),
                (_, true) => {
                    pay(9).and_call("pay", json!({"eur": 7})).and_call("pay", json!({"eur": 5}))
                }
                _ => Reply::text(request.messages.last().unwrap().text()),
            }
        });
        let tool = paying(&paid).on_interrupted(OnInterrupted::Retry);
        let step = Step::new("Till", agent("Till", model, [tool])).retries(1);
        let till = Workflow::builder("W").step(step).store(store.clone()).build().unwrap();
        let output = till.resume("r").await.unwrap();
        let all = if retried == 0 { 2 } else { 3 };
        assert_eq!(done(&paid).len(), all - recorded, "cut at {at}");
        assert!(output.content.text().contains("receipt 9"), "cut at {at}: {}", output.content);
        grammar::check(&journal(&store, "r").await);
    }
}

#[tokio::test]
async fn the_key_of_an_effect_is_the_same_for_every_attempt() {
    let bank: Arc<Mutex<BTreeMap<String, u32>>> = Arc::default();
    let charges = bank.clone();
    let step = Step::new("Order", move |cx: StepContext| {
        let bank = charges.clone();
        async move {
            let keys = [cx.idempotency_key(), cx.idempotency_key_for("mail"), cx.attempt_key()];
            let work = async {
                for key in keys {
                    *bank.lock().unwrap().entry(key).or_default() += 1;
                }
                if cx.attempt() == 1 {
                    return Err(std::io::Error::other("reset after the charge was made"));
                }
                Ok("receipt".to_owned())
            };
            cx.once("charge", work).await
        }
    });
    let order = Workflow::builder("W").step(step.retries(1)).build().unwrap();
    order.run("go").run_id("r").await.unwrap();
    let bank: Vec<(String, u32)> = bank.lock().unwrap().clone().into_iter().collect();
    let seen: Vec<(&str, u32)> = bank.iter().map(|(key, times)| (key.as_str(), *times)).collect();
    assert_eq!(seen, [("r:Order", 2), ("r:Order##1", 1), ("r:Order##2", 1), ("r:Order//mail", 2)]);
}

/// A tool that says that it was called, and whose process dies then, if there is no gate.
fn acting(calls: &Done) -> FunctionTool {
    let calls = calls.clone();
    FunctionTool::new("pay", "Pays.", move |pay: Pay| {
        calls.lock().unwrap().push(pay.eur.to_string());
        async move { format!("paid {}", pay.eur) }
    })
}

/// The facts of a run whose process died in the call, and a store that has them.
async fn died_in_a_call(mark: impl Fn(FunctionTool) -> FunctionTool) -> (Workflow, Done, Memory) {
    let (calls, store) = (Done::default(), Memory::default());
    let make =
        |store: &Memory| workflow(agent("Till", script([pay(5)]), [mark(acting(&calls))]), store);
    make(&store).run("go").run_id("r").await.unwrap();
    assert_eq!(done(&calls), ["5"]);
    let facts = journal(&store, "r").await;
    let begun = facts.iter().position(|fact| fact.name() == "ToolCallStarted").unwrap();
    let store = cut(&facts, begun + 1).await;
    (make(&store), calls, store)
}

#[tokio::test]
async fn a_person_is_asked_whether_a_call_was_done_in_which_the_process_died() {
    for (answer, calls_again, said) in [
        (Answer::submit("paid before"), 0, "paid before"),
        (Answer::submit(json!({"receipt": 7})), 0, r#"{"receipt":7}"#),
        (Answer::Retry, 1, "paid 5"),
    ] {
        let (till, calls, store) = died_in_a_call(|tool| tool).await;
        let paused = till.resume("r").await.unwrap();
        assert_eq!((paused.status, done(&calls)), (RunStatus::Paused, Vec::new()));
        let asked = &paused.requirements[0];
        assert_eq!((&*asked.id, asked.path.as_str()), ("Till/pay#1!interrupted", "Till/pay#1"));
        let done_now = till.continue_run("r", [("Till/pay#1", answer)]).await.unwrap();
        assert_eq!((done_now.content.text().as_ref(), done(&calls).len()), (said, calls_again));
        grammar::check(&journal(&store, "r").await);
    }
    let (till, calls, _) = died_in_a_call(|tool| tool).await;
    till.resume("r").await.unwrap();
    let error =
        till.continue_run("r", [("Till", Answer::reject("too late now"))]).await.unwrap_err();
    let failure = error.output().unwrap().error.clone().unwrap();
    assert_eq!(failure.error.code, ErrorCode::OutcomeUnknown);
    assert!(failure.error.message.contains("too late now"), "{}", failure.error.message);
    assert!(done(&calls).is_empty());
}

#[tokio::test]
async fn a_marked_tool_is_called_again_and_one_that_is_to_fail_fails() {
    let marks: [fn(FunctionTool) -> FunctionTool; 3] =
        [FunctionTool::read_only, FunctionTool::idempotent, |tool| {
            tool.on_interrupted(OnInterrupted::Retry)
        }];
    for mark in marks {
        let (till, calls, store) = died_in_a_call(mark).await;
        assert_eq!(till.resume("r").await.unwrap().content.text(), "paid 5");
        assert_eq!(done(&calls), ["5"]);
        grammar::check(&journal(&store, "r").await);
    }
    let (till, calls, _) =
        died_in_a_call(|tool| tool.read_only().on_interrupted(OnInterrupted::Fail)).await;
    let error = till.resume("r").await.unwrap_err();
    assert_eq!(
        error.output().unwrap().error.as_ref().unwrap().error.code,
        ErrorCode::OutcomeUnknown
    );
    assert!(done(&calls).is_empty());
}

#[tokio::test]
async fn a_call_that_dies_again_is_asked_about_again() {
    let (till, _, store) = died_in_a_call(|tool| tool).await;
    till.resume("r").await.unwrap();
    till.continue_run("r", [("Till", Answer::Retry)]).await.unwrap();
    let facts = journal(&store, "r").await;
    let begun = facts.iter().rposition(|fact| fact.name() == "ToolCallStarted").unwrap();
    let store = cut(&facts, begun + 1).await;
    let calls = Done::default();
    let till = workflow(agent("Till", script([pay(5)]), [acting(&calls)]), &store);
    let paused = till.resume("r").await.unwrap();
    assert_eq!(&*paused.requirements[0].id, "Till/pay#1!interrupted:2");
    till.continue_run("r", [("Till", Answer::submit("it was"))]).await.unwrap();
    assert!(done(&calls).is_empty());
}

#[tokio::test]
async fn a_step_that_timed_out_in_a_call_asks_before_its_next_attempt_repeats_it() {
    let (calls, store) = (Done::default(), Memory::default());
    let seen = calls.clone();
    let hanging = FunctionTool::new("pay", "Pays.", move |pay: Pay| {
        seen.lock().unwrap().push(pay.eur.to_string());
        std::future::pending::<String>()
    });
    let limit = Duration::from_millis(20);
    let step =
        Step::new("Till", agent("Till", script([pay(5)]), [hanging])).retries(1).timeout(limit);
    let till = Workflow::builder("W").step(step).store(store.clone()).build().unwrap();
    let paused = till.run("go").run_id("r").await.unwrap();
    assert_eq!((paused.status, done(&calls)), (RunStatus::Paused, vec!["5".to_owned()]));
    let output = till.continue_run("r", [("Till", Answer::submit("paid"))]).await.unwrap();
    assert_eq!((output.content.text().as_ref(), done(&calls)), ("paid", Vec::new()));
    grammar::check(&journal(&store, "r").await);
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Message {
    message: String,
}

/// An agent that asks an expert who has a tool, as a tool made in this way.
fn nested(made: &str, log: &Done) -> Agent {
    let (models, seen) = (log.clone(), log.clone());
    let look = FunctionTool::new("look", "Looks up.", move |ask: Ask| {
        seen.lock().unwrap().push(format!("look {}", ask.question));
        async move { format!("found {}", ask.question) }
    });
    let look = look.read_only();
    let expert = FunctionModel::new(move |request| {
        models.lock().unwrap().push(format!("expert {}", request.messages.len()));
        match request.messages.len() {
            1 => Reply::call("look", json!({"question": "ants"}))
                .and_call("look", json!({"question": "bees"}))
                .with_tokens(100, 10),
            _ => Reply::text("INNER").with_tokens(100, 10),
        }
    });
    let expert = agent("Expert", expert, [look]);
    let models = log.clone();
    let boss = FunctionModel::new(move |request| {
        models.lock().unwrap().push(format!("boss {}", request.messages.len()));
        match request.messages.len() {
            1 => Reply::call("ask", json!({"message": "why?"})).with_tokens(10, 1),
            _ => Reply::text("OUTER FINAL").with_tokens(10, 1),
        }
    });
    let boss = Agent::builder("Boss").model(boss).unwrap();
    if made == "as_tool" {
        return boss.tool(expert.as_tool("ask", "Asks the expert.")).build().unwrap();
    }
    let ask = FunctionTool::new("ask", "Asks the expert.", move |ask: Message, cx: StepContext| {
        let expert = expert.clone();
        async move {
            let answer = expert.execute(StepInput::of(ask.message), cx).await;
            answer.map(|output| output.content.text().into_owned()).map_err(ToolError::Fatal)
        }
    });
    boss.tool(ask).build().unwrap()
}

#[tokio::test]
async fn an_agent_inside_a_tool_works_under_the_path_of_the_call_and_resumes_there() {
    for made in ["as_tool", "closure"] {
        let (log, store) = (Done::default(), Memory::default());
        let output = workflow(nested(made, &log), &store).run("go").run_id("r").await.unwrap();
        assert_eq!(output.content.text(), "OUTER FINAL");
        let all = done(&log);
        assert_eq!(all, ["boss 1", "expert 1", "look ants", "look bees", "expert 3", "boss 3"]);
        let runs = output.step_executor_runs.iter();
        let runs: Vec<String> =
            runs.map(|run| format!("{} {}: {}", run.path, run.agent, run.content)).collect();
        assert_eq!(runs, ["Till Boss: OUTER FINAL", "Till/ask#1 Expert: INNER"], "{made}");
        let told = |run: &ExecutorRun| {
            let told = run.turns.iter().filter_map(|turn| match turn {
                Turn::Tool(outcome) => Some(outcome.text.clone()),
                Turn::Model(_) | Turn::Message(_) => None,
            });
            told.collect::<Vec<_>>()
        };
        assert_eq!(told(&output.step_executor_runs[0]), ["INNER"]);
        assert_eq!(told(&output.step_executor_runs[1]), ["found ants", "found bees"]);
        assert_eq!(output.metrics.usage.input_tokens, Some(220), "the inner agent counts");
        assert_eq!(output.step_results[0].usage.input_tokens, Some(220));
        assert_eq!((output.metrics.model_calls, output.metrics.tool_calls), (4, 3));
        assert_eq!(output.step_results.len(), 1, "a call is no step");

        let facts = journal(&store, "r").await;
        grammar::check(&facts);
        assert_eq!(paths(&facts, "RunCompleted"), ["Till/ask#1", "Till"]);
        let calls = ["Till/ask#1", "Till/ask#1/look#1", "Till/ask#1/look#2"];
        assert_eq!(paths(&facts, "ToolCallStarted"), calls);
        for at in 1..facts.len() {
            let (log, store) = (Done::default(), cut(&facts, at).await);
            let again = workflow(nested(made, &log), &store).resume("r").await.unwrap();
            let begun = paths(&facts[..at], "ToolCallStarted");
            let inner = paths(&facts[..at], "RunStarted").len() > 1;
            if made == "closure" && begun.len() == 1 && !inner {
                // Nothing tells that an agent would have worked in it.
                assert_eq!(again.status, RunStatus::Paused, "{made}, cut at {at}");
                continue;
            }
            assert_eq!(again.content.text(), "OUTER FINAL", "{made}, cut at {at}");
            let answered = paths(&facts[..at], "ModelRequestCompleted").len();
            let asked = done(&log).into_iter().filter(|line| !line.starts_with("look")).count();
            assert_eq!(asked, 4 - answered, "{made}, cut at {at}: no model is asked twice");
            let journal = journal(&store, "r").await;
            grammar::check(&journal);
            let again = workflow(nested(made, &log), &store).get_run("r").await.unwrap();
            assert_eq!(again.metrics.usage, output.metrics.usage, "{made}, cut at {at}");
        }
    }
}

#[tokio::test]
async fn text_of_an_agent_inside_a_tool_is_no_text_of_the_step() {
    let (log, store) = (Done::default(), Memory::default());
    let till = workflow(nested("as_tool", &log), &store);
    let mut stream = till.run("go").stream();
    let mut text = String::new();
    while let Some(event) = stream.next().await {
        if let EventKind::RunContent { content } = &event.kind {
            text.push_str(content);
        }
    }
    assert_eq!(text, "OUTER FINAL");
}

#[tokio::test]
async fn an_agent_two_tools_deep_asks_and_is_answered() {
    let ask = Reply::call("ask", json!({"question": "size?"}));
    let inner = agent("Inner", script([ask]), [asking()]);
    let middle = Reply::call("inner", json!({"message": "go"}));
    let middle = Agent::builder("Middle").model(script([middle])).unwrap();
    let middle = middle.tool(inner.as_tool("inner", "Asks.")).build().unwrap();
    let outer = Reply::call("middle", json!({"message": "go"}));
    let outer = Agent::builder("Outer").model(script([outer])).unwrap();
    let outer = outer.tool(middle.as_tool("middle", "Asks.")).build().unwrap();
    let store = Memory::default();
    let till = workflow(outer, &store);
    let paused = till.run("go").run_id("r").await.unwrap();
    let id = "Till/middle#1/inner#1/ask#1!wait:customer";
    assert_eq!(&*paused.requirements[0].id, id);
    let output = till.continue_run("r", [(id, Answer::submit("XL"))]).await.unwrap();
    assert_eq!(output.content.text(), "XL");
    grammar::check(&journal(&store, "r").await);
}

/// A step that charges once, with a probe or a policy.
fn charging(how: &'static str, charges: &Done, probed: Option<u64>) -> Step {
    let charges = charges.clone();
    Step::new("Order", move |cx: StepContext| {
        let charges = charges.clone();
        async move {
            let work = async {
                charges.lock().unwrap().push("charge".into());
                if how == "fails" && cx.attempt() == 1 {
                    return Err(StepError::new("card refused"));
                }
                Ok(7_u64)
            };
            let probe = async {
                charges.lock().unwrap().push("probe".into());
                probed
            };
            let once = cx.once("charge", work);
            let receipt: u64 = match how {
                "reconcile" => once.reconcile(probe).await?,
                "plain" => once.await?,
                "fail" => once.on_interrupted(OnInterrupted::Fail).await?,
                _ => once.on_interrupted(OnInterrupted::Ask).await?,
            };
            Ok::<_, StepError>(format!("receipt {receipt}"))
        }
    })
    .retries(1)
}

/// A run that was cut while the charge was under way.
async fn died_in_a_charge(how: &'static str, probed: Option<u64>) -> (Workflow, Done, Vec<Event>) {
    let (charges, store) = (Done::default(), Memory::default());
    let make = |store: &Memory| {
        let step = charging(how, &charges, probed);
        Workflow::builder("W").step(step).store(store.clone()).build().unwrap()
    };
    make(&store).run("go").run_id("r").await.unwrap();
    let facts = journal(&store, "r").await;
    grammar::check(&facts);
    let recorded = facts.iter().position(|fact| fact.name() == "StepRecorded").unwrap();
    let store = cut(&facts, recorded).await;
    done(&charges);
    (make(&store), charges, facts)
}

#[tokio::test]
async fn an_interrupted_once_asks_the_service_or_a_person_or_fails() {
    let (order, charges, facts) = died_in_a_charge("plain", None).await;
    assert_eq!(paths(&facts, "StepEffectStarted").len(), 0, "a plain one costs nothing more");
    assert_eq!(order.resume("r").await.unwrap().content.text(), "receipt 7");
    assert_eq!(done(&charges), ["charge"], "at least once");

    let (order, charges, _) = died_in_a_charge("reconcile", Some(6)).await;
    assert_eq!(order.resume("r").await.unwrap().content.text(), "receipt 6");
    assert_eq!(done(&charges), ["probe"]);
    let (order, charges, _) = died_in_a_charge("reconcile", None).await;
    assert_eq!(order.resume("r").await.unwrap().content.text(), "receipt 7");
    assert_eq!(done(&charges), ["probe", "charge"]);

    let (order, charges, _) = died_in_a_charge("fail", None).await;
    let error = order.resume("r").await.unwrap_err();
    assert_eq!(
        error.output().unwrap().error.as_ref().unwrap().error.code,
        ErrorCode::OutcomeUnknown
    );
    assert!(done(&charges).is_empty());

    for (answer, said, again) in
        [(Answer::submit(6), "receipt 6", 0), (Answer::Retry, "receipt 7", 1)]
    {
        let (order, charges, _) = died_in_a_charge("ask", None).await;
        let paused = order.resume("r").await.unwrap();
        assert_eq!(&*paused.requirements[0].id, "Order!once:charge");
        let output = order.continue_run("r", [("Order", answer)]).await.unwrap();
        assert_eq!((output.content.text().as_ref(), done(&charges).len()), (said, again));
    }
}

#[tokio::test]
async fn a_once_that_failed_is_known_not_to_have_happened() {
    let (charges, store) = (Done::default(), Memory::default());
    let step = charging("fails", &charges, None);
    let order = Workflow::builder("W").step(step).store(store.clone()).build().unwrap();
    let output = order.run("go").run_id("r").await.unwrap();
    assert_eq!(output.content.text(), "receipt 7", "no person is asked");
    assert_eq!(done(&charges), ["charge", "charge"]);
    let facts = journal(&store, "r").await;
    assert_eq!(paths(&facts, "StepEffectFailed"), ["Order"]);
    grammar::check(&facts);
}

#[tokio::test]
async fn a_confirmation_of_a_call_stands_at_its_path_and_needs_no_store() {
    let calls = Done::default();
    let till = agent("Till", script([pay(5)]), [acting(&calls).requires_confirmation()]);
    let till = Workflow::builder("W").step(Step::new("Till", till)).build().unwrap();
    let paused = till.run("go").await.unwrap();
    assert_eq!(&*paused.requirements[0].id, "Till/pay#1!confirm");
    assert_eq!(paused.requirements[0].path.as_str(), "Till/pay#1");
    let answer = [("Till/pay#1", Answer::Approve)];
    let output = till.continue_run(&paused.run_id, answer).await.unwrap();
    assert_eq!((output.content.text().as_ref(), done(&calls).len()), ("paid 5", 1));
}

/// Dies in a tool, when a test below starts it in a process of its own.
#[tokio::test]
async fn a_child_dies_in_a_tool() {
    let (Ok(how), Ok(db)) =
        (std::env::var("STEPWRIGHT_TEST_DIES"), std::env::var("STEPWRIGHT_TEST_DB"))
    else {
        return;
    };
    programs::of(&how, true, &db).await.run("go").run_id("x").await.unwrap();
    unreachable!("it has died before");
}

mod programs;

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_whose_process_really_died_goes_on_and_does_nothing_twice() {
    for (how, said, log) in [
        ("once", "receipt", vec!["charged"]),
        ("agent", "INNER", vec!["expert asked"]),
        ("plain", "", vec!["paid"]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let db = folder.path().join("runs.db").display().to_string();
        programs::died(how, &db);
        let output = programs::of(how, false, &db).await.resume("x").await.unwrap();
        assert_eq!(programs::log(&db), log, "{how}");
        if how == "plain" {
            assert_eq!(output.status, RunStatus::Paused, "nothing tells whether it was paid");
        } else {
            assert_eq!(output.content.text(), said, "{how}");
        }
    }
}

#[test]
fn the_value_of_a_person_is_what_the_tool_answered() {
    assert_eq!(Content::from(Value::from("paid")).text(), "paid");
}
