//! Budgets: reserved before a call, settled after it, and a fold of the facts.

use serde_json::json;
use std::future::IntoFuture as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use stepwright_agent::{Agent, FunctionTool};
use stepwright_core::budget::{AtLimit, Budget, Limit};
use stepwright_core::cost::{Cost, Price, Prices};
use stepwright_core::journal::Append;
use stepwright_core::model::{AnyModel, ModelError, ModelErrorKind, ModelOptions};
use stepwright_core::permission::Permissions;
use stepwright_core::requirement::RequirementKind;
use stepwright_core::store::RunStore as _;
use stepwright_core::{
    Answer, ErrorId, Event, EventKind, Memory, RunOutput, RunStatus, StepContext, StepError,
    StepInput,
};
use stepwright_engine::{
    Condition, Loop, Map, Parallel, Router, Step, Steps, Workflow, real_world,
};
use stepwright_file::{Definition, Options};
use stepwright_models::Fallback;
use stepwright_testing::grammar;
use stepwright_testing::model::{FunctionModel, Reply, ScriptedModel};

/// The arguments of a tool that looks at none.
type Nothing = std::collections::BTreeMap<String, u64>;

const INPUT: u64 = 10;
const OUTPUT: u64 = 50;

/// A model whose answers take a moment, so that requests overlap.
fn slow() -> FunctionModel {
    FunctionModel::new(|_| Reply::text("fine").with_tokens(INPUT, OUTPUT))
        .delay(&real_world(), Duration::from_millis(2))
}

/// A model without delay.
fn quick() -> FunctionModel {
    FunctionModel::new(|_| Reply::text("fine").with_tokens(INPUT, OUTPUT))
}

fn agent(model: FunctionModel, max_output_tokens: Option<u64>) -> Agent {
    let options = ModelOptions { max_output_tokens, ..ModelOptions::default() };
    Agent::builder("A").model(model).unwrap().options(options).build().unwrap()
}

/// Branches that each ask a model once.
fn branches(count: usize, agent: &Agent) -> Parallel {
    (0..count).fold(Parallel::new("all"), |all, nth| {
        all.branch(Step::new(format!("b{nth}"), agent.clone()))
    })
}

fn failed(answer: Result<RunOutput, stepwright_core::Error>) -> (RunOutput, String) {
    let error = answer.unwrap_err();
    assert_eq!(error.id(), ErrorId::BUDGET_SPENT, "{error}");
    (error.output().unwrap().clone(), error.to_string())
}

async fn journal(store: &Memory, run: &str) -> Vec<Event> {
    store.load(&run.parse().unwrap(), 0, usize::MAX).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixty_four_branches_do_not_exceed_a_budget_by_more_than_one_answer() {
    for (max, tokens) in [(Some(OUTPUT), 1_000), (Some(OUTPUT), 130), (None, 1_000)] {
        let model = slow();
        let budget = Budget::default().tokens(tokens);
        let workflow = Workflow::builder("W").budget(budget);
        let workflow = workflow.step(branches(64, &agent(model.clone(), max))).build().unwrap();
        let (output, error) = failed(workflow.run("hi").await);
        assert!(error.contains("the budget of the run"), "{error}");
        let used = model.requests().len() as u64 * (INPUT + OUTPUT);
        assert!(used <= tokens + OUTPUT + INPUT, "{used} of {tokens} with {max:?}");
        // As much as possible is done.
        assert!(used + INPUT + OUTPUT > tokens, "{used} of {tokens} with {max:?}");
        assert_eq!(output.metrics.usage.total_tokens(), used);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_cut_run_does_not_exceed_its_budget_either() {
    let tokens = 600;
    let build = |model: &FunctionModel, store: &Memory| {
        let agent = agent(model.clone(), Some(OUTPUT));
        let workflow = Workflow::builder("W").budget(Budget::default().tokens(tokens));
        workflow.step(branches(64, &agent)).store(store.clone()).build().unwrap()
    };
    let (model, store) = (slow(), Memory::default());
    failed(build(&model, &store).run("hi").run_id("r").await);
    let facts = journal(&store, "r").await;
    grammar::check(&facts);
    let end = facts.iter().position(|fact| fact.name() == "WorkflowError").unwrap();
    for at in (2..end).step_by(7) {
        let store = Memory::default();
        let (run, facts) = (facts[0].run.clone(), facts[..at].to_vec());
        let count = |name: &str| facts.iter().filter(|fact| fact.name() == name).count();
        // The provider may have answered all requests that had begun.
        let paid = count("ModelRequestStarted") as u64;
        store
            .append(Append { run, facts: facts.clone(), close: None, driver: None })
            .await
            .unwrap();
        let model = slow();
        failed(build(&model, &store).resume("r").await);
        let used = (paid + model.requests().len() as u64) * (INPUT + OUTPUT);
        assert!(used <= tokens + OUTPUT + INPUT, "cut at {at}: {used} of {tokens}");
    }
}

#[tokio::test]
async fn a_budget_that_is_spent_does_not_stop_the_steps_that_run_afterwards() {
    for at_limit in [AtLimit::Fail, AtLimit::Pause, AtLimit::WrapUp] {
        let model = quick();
        let ask = |name: &str| Step::new(name, agent(model.clone(), Some(OUTPUT)));
        let body = Steps::new("body")
            .step(ask("first"))
            .step(Step::new("broken", |_: String| async {
                Err::<String, _>(StepError::terminal("broken"))
            }))
            .finally(ask("last"));
        let budget = Budget::default().model_calls(1).at_limit(at_limit);
        let workflow = Workflow::builder("W").budget(budget).step(body).finally(ask("end"));
        let error = workflow.build().unwrap().run("hi").await.unwrap_err();
        assert!(error.to_string().contains("broken"), "{error}");
        assert_eq!(model.requests().len(), 3, "{at_limit:?}");
        // What they use counts.
        assert_eq!(error.output().unwrap().metrics.model_calls, 3);
    }
}

#[tokio::test]
async fn a_budget_of_steps_that_run_afterwards_holds_for_them() {
    let model = quick();
    let ask = |name: &str| Step::new(name, agent(model.clone(), Some(OUTPUT)));
    let after = Steps::new("after").step(ask("a")).step(ask("b"));
    let after = after.budget(Budget::default().model_calls(1));
    let workflow = Workflow::builder("W").step(ask("first")).finally(after);
    let error = workflow.build().unwrap().run("hi").await;
    assert_eq!(model.requests().len(), 2, "{error:?}");
}

#[tokio::test]
async fn a_retry_of_a_run_counts_what_was_paid_before() {
    let (model, store) = (quick(), Memory::default());
    let build = |calls: u64| {
        let ask = |name: &str| Step::new(name, agent(model.clone(), Some(OUTPUT)));
        let budget = Budget::default().model_calls(calls);
        let workflow = Workflow::builder("W").budget(budget).store(store.clone());
        let workflow = workflow.step(ask("a")).step(ask("b")).step(ask("c")).step(ask("d"));
        workflow.build().unwrap()
    };
    failed(build(2).run("hi").run_id("r").await);
    failed(build(2).retry("r").await);
    assert_eq!(model.requests().len(), 2, "the budget is spent as before");
    failed(build(3).retry("r").accept_changed_definition(true).await);
    assert_eq!(model.requests().len(), 3, "one more than before");
    build(4).retry("r").accept_changed_definition(true).await.unwrap();
    assert_eq!(model.requests().len(), 4);
}

#[tokio::test]
async fn a_fork_counts_its_own_requests() {
    let (model, store) = (quick(), Memory::default());
    let build = |names: &[&str]| {
        let workflow = Workflow::builder("W").budget(Budget::default().model_calls(2));
        let workflow = names.iter().fold(workflow.store(store.clone()), |workflow, name| {
            workflow.step(Step::new(*name, agent(model.clone(), Some(OUTPUT))))
        });
        workflow.build().unwrap()
    };
    build(&["a", "b"]).run("hi").run_id("r").await.unwrap();
    let fork = build(&["a", "b", "c"]).fork("r").at("b").accept_changed_definition(true);
    fork.await.unwrap();
    assert_eq!(model.requests().len(), 4, "it shares one request with its origin, and makes two");
    let fork = build(&["a", "b", "c", "d"]).fork("r").at("b").accept_changed_definition(true);
    failed(fork.await);
    assert_eq!(model.requests().len(), 6);
}

#[tokio::test]
async fn each_model_of_a_chain_is_judged_and_the_one_that_answers_is_priced() {
    let busy = || ModelError::new(ModelErrorKind::Overloaded, "busy");
    let chain = || {
        let first = AnyModel::new(ScriptedModel::new([Reply::from(busy())]).named("first"));
        let reply = Reply::text("fine").with_tokens(1_000_000, 1_000_000);
        let second = AnyModel::new(ScriptedModel::new([reply]).named("second"));
        Fallback::new(first, [second])
    };
    let build = |prices: &[(&str, f64)]| {
        let mut all = Prices::default();
        for (model, price) in prices {
            all.set(*model, Price::new(*price, *price));
        }
        let agent = Agent::builder("A").model(chain()).unwrap().build().unwrap();
        let workflow = Workflow::builder("W").prices(all).store(Memory::default());
        workflow.budget(Budget::default().usd(100.0)).step(Step::new("ask", agent))
    };
    let both = [("scripted:first", 1.0), ("scripted:second", 2.0)];
    let output = build(&both).build().unwrap().run("hi").await.unwrap();
    assert_eq!(output.metrics.cost, Cost::usd(4.0));
    let error = build(&both[..1]).build().unwrap().run("hi").await.unwrap_err();
    assert_eq!(error.id(), ErrorId::PRICE_UNKNOWN);
    assert!(error.to_string().contains("`scripted:second` has no price"), "{error}");
    let denied = Permissions::default().deny("model: scripted:second").unwrap();
    let error = build(&both).permissions(denied).build().unwrap().run("hi").await.unwrap_err();
    assert_eq!(error.id(), ErrorId::EFFECT_REFUSED);
}

#[tokio::test]
async fn an_inner_budget_narrows_an_outer_one_and_never_widens_it() {
    for (outer, inner, calls, whose) in [(180, 10_000, 3, "the run"), (10_000, 120, 2, "`turns`")] {
        let model = quick();
        let turns = Loop::new("turns")
            .step(Step::new("ask", agent(model.clone(), Some(OUTPUT))))
            .at_most(9)
            .budget(Budget::default().tokens(inner));
        let workflow = Workflow::builder("W").budget(Budget::default().tokens(outer)).step(turns);
        let (_, error) = failed(workflow.build().unwrap().run("hi").await);
        assert_eq!(model.requests().len(), calls, "{error}");
        assert!(error.contains(&format!("the budget of {whose} is spent")), "{error}");
    }
}

#[tokio::test]
async fn a_warning_is_recorded_once_when_most_of_a_limit_is_used() {
    let turns = Loop::new("turns").step(Step::new("ask", agent(quick(), None))).at_most(9);
    let budget = Budget::default().tokens(400).model_calls(100);
    let workflow = Workflow::builder("W").budget(budget).step(turns).store_events(true);
    let (output, _) = failed(workflow.build().unwrap().run("hi").await);
    let events = output.events.unwrap();
    let warnings = events.iter().filter_map(|event| match &event.kind {
        EventKind::BudgetWarning { limit, used, of, .. } => Some((*limit, *used, *of)),
        _ => None,
    });
    assert_eq!(warnings.collect::<Vec<_>>(), [(Limit::Tokens, 360, 400)]);
    grammar::check(&events);
}

#[tokio::test]
async fn calls_of_models_and_tools_are_counted_exactly() {
    let model = quick();
    let step = branches(5, &agent(model.clone(), None));
    let budget = Budget::default().model_calls(3);
    failed(Workflow::builder("W").budget(budget).step(step).build().unwrap().run("hi").await);
    assert_eq!(model.requests().len(), 3);

    let called = Arc::new(AtomicUsize::new(0));
    let count = called.clone();
    let tool = FunctionTool::new("look", "Looks.", move |_: Nothing| {
        count.fetch_add(1, Ordering::SeqCst);
        async { "seen" }
    });
    let model = FunctionModel::new(|_| {
        (0..4).fold(Reply::text("looking"), |reply, nth| reply.and_call("look", json!({"n": nth})))
    });
    let agent = Agent::builder("A").model(model).unwrap().tool(tool).build().unwrap();
    let step = Step::new("ask", agent).budget(Budget::default().tool_calls(2));
    let (_, error) = failed(Workflow::builder("W").step(step).build().unwrap().run("hi").await);
    assert!(error.contains("`ask` is spent: it allows 2 tool calls"), "{error}");
    assert_eq!(called.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn as_many_requests_at_once_as_a_budget_allows_are_all_answered() {
    let model = slow();
    let step = branches(3, &agent(model.clone(), None));
    let budget = Budget::default().model_calls(3);
    let workflow = Workflow::builder("W").budget(budget).step(step).build().unwrap();
    let output = workflow.run("hi").await.unwrap();
    assert_eq!(model.requests().len(), 3);
    assert_eq!(output.step_results[0].steps.len(), 3);
}

#[tokio::test]
async fn a_person_gives_more_and_the_run_goes_on_also_in_another_process() {
    let (model, store) = (quick(), Memory::default());
    let build = || {
        let ask = Step::new("ask", agent(model.clone(), Some(OUTPUT)));
        let budget = Budget::default().tokens(100).at_limit(AtLimit::Pause);
        let workflow = Workflow::builder("W").budget(budget);
        workflow.step(Loop::new("turns").step(ask).at_most(6)).store(store.clone()).build().unwrap()
    };
    let paused = build().run("hi").run_id("r").await.unwrap();
    assert_eq!(paused.status, RunStatus::Paused);
    let RequirementKind::Budget { limit, used, of, .. } = &paused.requirements[0].kind else {
        panic!("{:?}", paused.requirements)
    };
    assert_eq!((*limit, *used, *of), (Limit::Tokens, 120, 100));
    let id = paused.requirements[0].id.to_string();
    assert_eq!(id, "turns#3/ask!budget:tokens");
    let wrong = build().continue_run("r", [(id.as_str(), Answer::submit(-5))]).await.unwrap_err();
    assert!(wrong.to_string().contains("a number above zero"), "{wrong}");
    // 100 more: one call, and the next one goes alone.
    let again = build().continue_run("r", [(id.as_str(), Answer::Approve)]).await.unwrap();
    assert_eq!((again.status, model.requests().len()), (RunStatus::Paused, 4));
    let id = again.requirements[0].id.to_string();
    let answer = Answer::submit(1_000);
    let output = build().continue_run("r", [(id.as_str(), answer)]).await.unwrap();
    assert_eq!((output.status, model.requests().len()), (RunStatus::Completed, 6));
    grammar::check(&journal(&store, "r").await);
}

#[tokio::test]
async fn of_several_branches_at_a_limit_one_answer_lets_all_go_on() {
    let (model, store) = (quick(), Memory::default());
    let budget = Budget::default().model_calls(2).at_limit(AtLimit::Pause);
    let workflow = Workflow::builder("W").budget(budget).store(store.clone());
    let workflow = workflow.step(branches(6, &agent(model.clone(), None))).build().unwrap();
    let paused = workflow.run("hi").run_id("r").await.unwrap();
    assert_eq!(paused.requirements.len(), 4);
    let id = paused.requirements[0].id.to_string();
    let answer = [(id.as_str(), Answer::submit(4))];
    let output = workflow.continue_run("r", answer).await.unwrap();
    assert_eq!((output.status, model.requests().len()), (RunStatus::Completed, 6));
    // The first of several answers is theirs too, and the others are not recorded.
    let paused = workflow.run("hi").run_id("p").await.unwrap();
    let ids: Vec<String> = paused.requirements.iter().map(|asked| asked.id.to_string()).collect();
    let answers = ids.iter().map(|id| (id.as_str(), Answer::submit(4)));
    let output = workflow.continue_run("p", answers).await.unwrap();
    assert_eq!(output.status, RunStatus::Completed);
    grammar::check(&journal(&store, "p").await);
    let rejected = workflow.run("hi").run_id("q").await.unwrap();
    let answers = rejected.requirements.iter();
    let answers = answers.map(|asked| (asked.id.to_string(), Answer::reject("no")));
    let answers: Vec<(String, Answer)> = answers.collect();
    let answers = answers.iter().map(|(id, answer)| (id.as_str(), answer.clone()));
    let (_, error) = failed(workflow.continue_run("q", answers).await);
    assert!(error.contains("a person gave no more: no"), "{error}");
}

#[tokio::test]
async fn an_agent_wraps_up_with_its_last_call_and_without_tools() {
    let model = FunctionModel::new(|request| {
        let text = request.messages.last().unwrap().text();
        if text.contains("this is your last turn") {
            Reply::text("what I found").with_tokens(10, 10)
        } else {
            Reply::text("looking").and_call("look", json!({})).with_tokens(10, 10)
        }
    });
    let tool = FunctionTool::new("look", "Looks.", |_: Nothing| async { "seen" });
    for budget in [
        Budget::default().model_calls(3),
        Budget::default().tokens(79),
        Budget::default().tool_calls(2),
    ] {
        let agent = Agent::builder("A").model(model.clone()).unwrap().tool(tool.clone());
        let agent = agent.budget(budget.clone().at_limit(AtLimit::WrapUp)).build().unwrap();
        let workflow = Workflow::builder("W").step(Step::new("ask", agent)).build().unwrap();
        let output = workflow.run("hi").await.unwrap();
        assert_eq!(output.content.text(), "what I found", "{budget:?}");
        assert_eq!(output.metrics.model_calls, 3, "{budget:?}");
    }
}

#[tokio::test]
async fn an_agent_that_cannot_ask_any_more_ends_with_what_it_has_said() {
    let model = FunctionModel::new(|_| {
        Reply::text("so far").and_call("look", json!({})).with_tokens(500, 500)
    });
    let tool = FunctionTool::new("look", "Looks.", |_: Nothing| async { "seen" });
    let agent = Agent::builder("A").model(model.clone()).unwrap().tool(tool).build().unwrap();
    let budget = Budget::default().tokens(100).at_limit(AtLimit::WrapUp);
    let step = Step::new("ask", agent).budget(budget);
    let workflow = Workflow::builder("W").step(step).build().unwrap();
    assert_eq!(workflow.run("hi").await.unwrap().content.text(), "so far");
    assert_eq!(model.requests().len(), 1);
}

#[tokio::test]
async fn money_is_counted_by_the_prices_and_an_unknown_price_is_not_zero() {
    let mut prices = Prices::default();
    prices.set("scripted:function", Price::new(1_000.0, 10_000.0));
    let build = |budget: Budget, prices: Option<&Prices>| {
        let turns = Loop::new("turns").step(Step::new("ask", agent(quick(), Some(OUTPUT))));
        let workflow = Workflow::builder("W").budget(budget).step(turns.at_most(3));
        let workflow = match prices {
            Some(prices) => workflow.prices(prices.clone()),
            None => workflow,
        };
        workflow.build().unwrap()
    };
    // Each call costs $0.51: 10 tokens at $0.001 and 50 at $0.01.
    let output = build(Budget::default().usd(5.0), Some(&prices)).run("hi").await.unwrap();
    assert_eq!(output.metrics.cost, Cost::usd(1.53));
    let (_, error) = failed(build(Budget::default().usd(1.0), Some(&prices)).run("hi").await);
    assert!(error.contains("$1.02 of $1.00 are used"), "{error}");
    let error = build(Budget::default().usd(5.0), None).run("hi").await.unwrap_err();
    assert_eq!(error.id(), ErrorId::PRICE_UNKNOWN, "{error}");
    let output = build(Budget::default().tokens(5_000), None).run("hi").await.unwrap();
    assert_eq!(output.metrics.cost.unpriced_requests(), 3);
    assert_eq!(output.metrics.cost.to_string(), "unknown");
}

#[tokio::test]
async fn the_budget_of_a_session_counts_its_earlier_runs() {
    let (model, store) = (quick(), Memory::default());
    let workflow = Workflow::builder("W")
        .session_budget(Budget::default().tokens(100))
        .step(Step::new("ask", agent(model.clone(), Some(OUTPUT))))
        .store(store)
        .build()
        .unwrap();
    workflow.run("hi").session_id("s").await.unwrap();
    workflow.run("hi").session_id("s").await.unwrap();
    let (_, error) = failed(workflow.run("hi").session_id("s").await);
    assert!(error.contains("the budget of the session is spent"), "{error}");
    workflow.run("hi").session_id("other").await.unwrap();
    assert_eq!(model.requests().len(), 3);
}

#[tokio::test]
async fn nothing_begins_after_the_time_of_a_budget() {
    let begun = Arc::new(AtomicUsize::new(0));
    let count = begun.clone();
    let work = move |_: StepInput, cx: StepContext| {
        count.fetch_add(1, Ordering::SeqCst);
        async move {
            cx.world().sleep(Duration::from_millis(60)).await;
            Ok::<_, stepwright_core::StepError>("x".to_owned())
        }
    };
    let turns = Loop::new("turns").step(Step::new("work", work)).at_most(9);
    let turns = turns.budget(Budget::default().time(Duration::from_millis(50)));
    let (_, error) = failed(Workflow::builder("W").step(turns).build().unwrap().run("x").await);
    assert!(error.contains("the budget of `turns` is spent"), "{error}");
    assert_eq!(begun.load(Ordering::SeqCst), 1);
}

#[test]
fn a_budget_without_a_limit_is_refused() {
    let step = || Step::new("ask", agent(quick(), None));
    let inner = Workflow::builder("W").step(step().budget(Budget::default()));
    let error = inner.build().unwrap_err().to_string();
    assert!(error.contains("`ask`: a budget needs a limit"), "{error}");
    let outer = Workflow::builder("W").step(step()).budget(Budget::default().tokens(0));
    let error = outer.build().unwrap_err().to_string();
    assert!(error.contains("`tokens` must be at least 1"), "{error}");
}

fn file(text: &str) -> Result<Definition, String> {
    let whole = format!("format: 1\nname: Test\n{text}");
    Definition::parse(&whole, "test.yaml", &Options::default()).map_err(|mistakes| {
        let all: Vec<String> = mistakes
            .iter()
            .map(|m| format!("{} ({})", m.message, m.help.clone().unwrap_or_default()))
            .collect();
        all.join("\n")
    })
}

#[tokio::test]
async fn a_file_sets_budgets_everywhere_and_sees_what_is_left() {
    stepwright_models::register("budget-file", |_| Ok(quick()));
    let text = "\
model: budget-file
agents: {a: {budget: {tokens: 5000}}}
budget: {tokens: 1000, model_calls: 9, usd: 1.5, at_limit: pause}
session_budget: {tokens: 100000}
steps:
  - {name: ask, agent: a, budget: {model_calls: 3}}
  - name: left
    template: '{{ budget.tokens }} {{ budget.model_calls }} {{ budget.tool_calls }}'
  - {name: sum, value: '= budget.tokens + 1'}
";
    let mut prices = Prices::default();
    prices.set("scripted:function", Price::new(0.0, 0.0));
    let whole = format!("format: 1\nname: Test\n{text}");
    let options = Options { prices: Some(prices), ..Options::default() };
    let definition = Definition::parse(&whole, "test.yaml", &options).unwrap();
    let output = definition.build().unwrap().run("hi").await.unwrap();
    assert_eq!(output.step_at("left").unwrap().content.text(), "940 8 ");
    assert_eq!(output.content.to_value(), json!(941));
}

#[tokio::test]
async fn the_smallest_file_with_a_budget_ends_at_its_limit() {
    let text = "budget: {tokens: 20}\nagents: {a: {instructions: x, model: offline}}\nsteps:\n  - \
                {name: one, agent: a, prompt: 'Rust is a language. It is fast.'}\n  - {name: two, \
                agent: a, prompt: 'Rust is a language. It is fast.'}\n";
    failed(file(text).unwrap().build().unwrap().run("hi").await);
}

#[test]
fn mistakes_in_budgets_are_reported() {
    for (text, wanted) in [
        ("budget: {}", "a budget needs a limit (set one of `tokens`"),
        ("budget: 1000", "`budget` is a mapping such as `{tokens: 200000}`"),
        ("budget: {tokens: 0}", "`tokens` is a whole number from 1"),
        ("budget: {usd: -1}", "`usd` is an amount of US dollars above zero"),
        ("budget: {usd: x}", "`usd` is an amount of US dollars above zero"),
        ("budget: {time: 5}", "`time` is a duration, but `5` has no unit"),
        ("budget: {token: 5}", "a budget has no key `token` (did you mean `tokens`?)"),
        (
            "budget: {tokens: 5, at_limit: stop}",
            "`at_limit` is one of `fail`, `pause` and `wrap_up`",
        ),
    ] {
        let told = file(&format!("{text}\nsteps: [{{name: a, template: x}}]\n")).unwrap_err();
        assert!(told.contains(wanted), "{text}: {told}");
    }
    let told = file("steps: [{name: a, template: '{{ budget.tokens }}'}]\n").unwrap_err();
    assert!(told.contains("no budget is set for this"), "{told}");
    let told = file("budget: {tokens: 5}\nsteps: [{name: a, template: '{{ budget.token }}'}]\n");
    assert!(told.unwrap_err().contains("a budget has no `token` (did you mean `tokens`?)"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_limit_of_a_model_holds_across_nested_containers_and_runs() {
    static AT_ONCE: [AtomicUsize; 2] = [AtomicUsize::new(0), AtomicUsize::new(0)];
    /// Counts the requests that are under way, and the most at once.
    struct Counting;
    impl stepwright_core::model::Model for Counting {
        fn id(&self) -> &'static str {
            "limited:counting"
        }
        fn stream(
            &self,
            request: stepwright_core::model::ModelRequest,
        ) -> stepwright_core::model::ModelStream {
            use futures_util::StreamExt as _;
            let [now, most] = &AT_ONCE;
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            let inner = slow();
            let stream = stepwright_core::model::Model::stream(&inner, request);
            let stream = stream.inspect(|event| {
                if matches!(event, Ok(stepwright_core::model::ModelEvent::Done(_))) {
                    AT_ONCE[0].fetch_sub(1, Ordering::SeqCst);
                }
            });
            stream.boxed()
        }
    }
    stepwright_models::register("limited", |_| Ok(Counting));
    let branch = |name: &str| {
        format!(
            "{{name: {name}, map: {{over: '= [1,2,3,4]', concurrency: 4}}, do: [{{agent: a, prompt: \
             '{{{{ item }}}}'}}]}}"
        )
    };
    let text = format!(
        "limits: {{concurrency: 3}}\nagents: {{a: {{model: limited}}}}\nsteps: [{{name: p, \
         parallel: {{concurrency: 2}}, branches: [{}, {}]}}]\n",
        branch("one"),
        branch("two")
    );
    let workflow = file(&text).unwrap().build().unwrap();
    let runs = (0..4).map(|_| tokio::spawn(workflow.run("hi").into_future()));
    for run in futures_util::future::join_all(runs).await {
        assert_eq!(run.unwrap().unwrap().metrics.model_calls, 8);
    }
    assert_eq!(AT_ONCE[1].load(Ordering::SeqCst), 3);
}

/// A workflow whose decisions of this kind ask an agent, after a step that asks it once.
fn deciding(kind: &str, agent: &Agent, calls: u64) -> stepwright_engine::WorkflowBuilder {
    let asked = |agent: &Agent| {
        let agent = agent.clone();
        move |input: StepInput, cx: StepContext| {
            let agent = agent.clone();
            async move {
                let answer = stepwright_core::Executor::execute(&agent, input, cx).await?;
                Ok::<_, StepError>(!answer.content.is_empty())
            }
        }
    };
    let done = || Step::new("done", |_: String| async { "done" });
    let holds = asked(agent);
    let budget = Budget::default().model_calls(calls);
    let workflow = Workflow::builder("W").budget(budget).step(Step::new("first", agent.clone()));
    match kind {
        "condition" => workflow.step(Condition::new_async("c", holds).then(done())),
        "loop" => workflow.step(Loop::new("c").step(done()).at_most(3).until_async(holds)),
        "router" => {
            let route = move |input: StepInput, cx: StepContext| {
                let decided = holds(input, cx);
                async move { Ok::<_, StepError>(if decided.await? { "done" } else { "" }) }
            };
            workflow.step(Router::new_async("c", route).choice(done()))
        }
        _ => {
            let items = move |input: StepInput, cx: StepContext| {
                let decided = holds(input, cx);
                async move { Ok::<_, StepError>(vec![decided.await?.to_string()]) }
            };
            workflow.step(Map::new("c").over_async(items).step(done()))
        }
    }
}

const DECIDING: [&str; 4] = ["condition", "loop", "router", "map"];

#[tokio::test]
async fn a_budget_holds_for_agents_in_deciders() {
    for kind in DECIDING {
        let model = quick();
        let agent = agent(model.clone(), Some(OUTPUT));
        let workflow = deciding(kind, &agent, 1).build().unwrap();
        let (output, _) = failed(workflow.run("hi").await);
        assert_eq!(model.requests().len(), 1, "{kind}");
        assert_eq!(output.metrics.model_calls, 1, "{kind}");

        let output = deciding(kind, &agent, 2).build().unwrap().run("hi").await.unwrap();
        assert_eq!(model.requests().len(), 3, "{kind}");
        assert_eq!(output.metrics.model_calls, 2, "{kind}: what a decider uses counts");
        assert_eq!(output.metrics.usage.total_tokens(), 2 * (INPUT + OUTPUT), "{kind}");
    }
}

#[tokio::test]
async fn an_agent_in_a_decider_is_not_asked_again_after_a_crash() {
    for kind in DECIDING {
        let store = Memory::default();
        let agent = agent(quick(), Some(OUTPUT));
        let workflow = deciding(kind, &agent, 4).store(store.clone()).build().unwrap();
        workflow.run("hi").run_id("r").await.unwrap();
        let facts = journal(&store, "r").await;
        grammar::check(&facts);
        for at in 1..facts.len() {
            let store = Memory::default();
            let (run, past) = (facts[0].run.clone(), facts[..at].to_vec());
            let answered = |fact: &&Event| {
                let inner = match &fact.kind {
                    EventKind::DeciderRecorded { fact } => &**fact,
                    kind => kind,
                };
                inner.name() == "ModelRequestCompleted"
            };
            let paid = past.iter().filter(answered).count();
            let append = Append { run, facts: past, close: None, driver: None };
            store.append(append).await.unwrap();
            let model = quick();
            let agent = self::agent(model.clone(), Some(OUTPUT));
            // What was under way may have been answered, and counts.
            let workflow = deciding(kind, &agent, 4).store(store.clone()).build().unwrap();
            workflow.resume("r").await.unwrap();
            assert_eq!(paid + model.requests().len(), 2, "{kind}, cut at {at}");
            grammar::check(&journal(&store, "r").await);
        }
    }
}

#[tokio::test]
async fn the_budget_of_an_agent_in_a_decider_does_not_hold_for_the_steps_inside() {
    let model = quick();
    let own = Budget::default().model_calls(1);
    let small = Agent::builder("A").model(model.clone()).unwrap().budget(own).build().unwrap();
    let decide = move |input: StepInput, cx: StepContext| {
        let small = small.clone();
        async move { stepwright_core::Executor::execute(&small, input, cx).await.map(|_| "b") }
    };
    let inside = Step::new("b", agent(model.clone(), Some(OUTPUT)));
    let workflow = Workflow::builder("W").step(Router::new_async("r", decide).choice(inside));
    workflow.build().unwrap().run("hi").await.unwrap();
    assert_eq!(model.requests().len(), 2);
}

#[tokio::test]
async fn a_budget_that_asks_for_more_fails_a_decision() {
    let agent = agent(quick(), Some(OUTPUT));
    let store = Memory::default();
    let budget = Budget::default().model_calls(1).at_limit(AtLimit::Pause);
    let workflow = deciding("router", &agent, 1).budget(budget).store(store).build().unwrap();
    let (output, error) = failed(workflow.run("hi").await);
    assert!(error.contains("the budget of the run"), "{error}");
    assert!(output.requirements.is_empty());
}
