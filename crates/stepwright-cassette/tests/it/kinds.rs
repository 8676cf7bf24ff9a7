//! For each kind of step and of container: a run becomes a test, and its replay equals it. In the
//! replay, models, tools and functions panic.

use crate::support::{approve, of_run, recorded, repeats};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use stepwright_agent::{Agent, tool};
use stepwright_core::message::Message;
use stepwright_core::model::{AnyModel, ModelError, ModelErrorKind};
use stepwright_core::plan::{Join, OnError};
use stepwright_core::{HumanReview, Memory, Patch, StepContext, StepError, StepInput, StepOutput};
use stepwright_engine::{
    AnyStep, Condition, IntoStep, Loop, Map, Parallel, Router, Step, Steps, Workflow,
    WorkflowBuilder,
};
use stepwright_models::RetryPolicy;
use stepwright_testing::model::{FunctionModel, Reply};

/// Fails in a replay: effects must not happen there.
fn effect(live: bool) {
    assert!(live, "an effect happened in a replay");
}

fn model(live: bool) -> AnyModel {
    AnyModel::new(FunctionModel::new(move |request| {
        effect(live);
        let last = request.messages.last().map(Message::text).unwrap_or_default();
        let is_result = request.messages.len() > 1;
        match request.tools.first() {
            Some(tool) if !is_result && tool.name == "ask" => {
                Reply::call("ask", serde_json::json!({"message": last}))
            }
            Some(tool) if !is_result => {
                Reply::call(tool.name.clone(), serde_json::json!({"word": last}))
                    .and_call(tool.name.clone(), serde_json::json!({"word": "second"}))
            }
            _ => Reply::text(format!("said {last}")),
        }
    }))
}

/// Looks a word up.
#[tool(crate = "stepwright_agent")]
fn look_up(word: String) -> String {
    format!("the meaning of {word}")
}

/// Must not be called.
mod silent {
    use super::tool;

    /// Looks a word up.
    #[tool(crate = "stepwright_agent")]
    pub(super) fn look_up(word: String) -> String {
        drop(word);
        panic!("a tool was called in a replay")
    }
}

fn agent(name: &str, live: bool) -> Agent {
    Agent::builder(name).model(model(live)).unwrap().build().unwrap()
}

fn with_tool(name: &str, live: bool) -> Agent {
    let agent = Agent::builder(name).model(model(live)).unwrap();
    let agent = if live { agent.tool(look_up) } else { agent.tool(silent::look_up) };
    agent.build().unwrap()
}

fn with_agent(name: &str, live: bool) -> Agent {
    let expert = with_tool("expert", live).as_tool("ask", "Asks an expert.");
    Agent::builder(name).model(model(live)).unwrap().tool(expert).build().unwrap()
}

type Make = fn(&'static str, bool) -> AnyStep;

const STEPS: &[(&str, Make)] = &[
    ("function", |name, live| {
        Step::new(name, move |input: StepInput| async move {
            effect(live);
            StepOutput::from(format!("{} done", input.text())).patch(Patch::increment("n", 1))
        })
        .into_step()
    }),
    ("function with once", |name, live| {
        Step::new(name, move |input: StepInput, cx: StepContext| async move {
            effect(live);
            let id: u64 = cx.once("id", async { Ok::<_, StepError>(7) }).await?;
            cx.note("half");
            Ok::<_, StepError>(format!("{} {id}", input.text()))
        })
        .into_step()
    }),
    ("agent", |name, live| Step::new(name, agent("writer", live)).into_step()),
    ("agent with tools", |name, live| Step::new(name, with_tool("writer", live)).into_step()),
    ("agent with an agent", |name, live| Step::new(name, with_agent("writer", live)).into_step()),
    ("agent with prompt", |name, live| {
        Step::new(name, agent("writer", live))
            .prompt(|input: &StepInput| format!("About {}", input.text()))
            .into_step()
    }),
    ("workflow", |name, live| {
        let inner = Workflow::builder("Inner").step(Step::new("write", agent("writer", live)));
        Step::workflow(name, inner.build().unwrap()).into_step()
    }),
    ("approved", |name, live| {
        let review = HumanReview::new().requires_confirmation("Go on?");
        Step::new(name, agent("writer", live)).human_review(review).into_step()
    }),
    ("edited", |name, live| {
        let review = HumanReview::new().requires_output_review("Is it good?");
        Step::new(name, agent("writer", live)).human_review(review).into_step()
    }),
    ("waits for a person", |name, live| {
        Step::new(name, move |input: StepInput, cx: StepContext| async move {
            effect(live);
            let colour: String = cx.wait("colour").message("Which colour?").await?;
            Ok::<_, StepError>(format!("{} {colour}", input.text()))
        })
        .into_step()
    }),
    ("sleeps", |name, live| {
        Step::new(name, move |input: StepInput, cx: StepContext| async move {
            effect(live);
            cx.sleep_for("nap", Duration::from_millis(5)).await?;
            Ok::<_, StepError>(input.text())
        })
        .into_step()
    }),
    ("retried", |name, live| {
        let tries = Arc::new(AtomicU32::new(0));
        Step::new(name, move |input: StepInput| {
            effect(live);
            let nth = tries.fetch_add(1, Ordering::Relaxed);
            async move {
                if nth.is_multiple_of(2) {
                    return Err(StepError::new("not yet"));
                }
                Ok(format!("{} at last", input.text()))
            }
        })
        .retries(1)
        .into_step()
    }),
    ("skipped", |name, live| {
        Step::new(name, move |_: StepInput| async move {
            effect(live);
            Err::<String, _>(StepError::terminal("broken"))
        })
        .on_error(OnError::Skip)
        .into_step()
    }),
    ("failing model", |name, live| {
        let asked = AtomicU32::new(0);
        let model = FunctionModel::new(move |_| {
            effect(live);
            match asked.fetch_add(1, Ordering::Relaxed) {
                0 => Reply::from(ModelError::new(ModelErrorKind::Overloaded, "busy")),
                _ => Reply::text("at last"),
            }
        });
        let agent = Agent::builder("writer").model(AnyModel::new(model)).unwrap();
        let retry = RetryPolicy { delay: Duration::from_millis(1), ..RetryPolicy::default() };
        Step::new(name, agent.model_retry(retry).build().unwrap()).into_step()
    }),
];

type Around = fn(Make, bool) -> WorkflowBuilder;

const CONTAINERS: &[(&str, Around)] = &[
    ("alone", |make, live| flow().step(make("one", live)).step(make("two", live))),
    ("steps", |make, live| {
        flow().step(Steps::new("Group").step(make("one", live)).step(make("two", live)))
    }),
    ("parallel", |make, live| {
        flow().step(Parallel::new("Both").branch(make("one", live)).branch(make("two", live)))
    }),
    ("loop", |make, live| {
        flow().step(Loop::new("Again").step(make("one", live)).forward().at_most(2))
    }),
    ("condition", |make, live| {
        let holds = |input: &StepInput| input.text().contains("ants");
        flow().step(Condition::new("If", holds).then(make("one", live)))
    }),
    ("router", |make, live| {
        let choose = |_: &StepInput| "second".to_owned();
        flow().step(
            Router::new("Which", choose).choice(make("first", live)).choice(make("second", live)),
        )
    }),
    ("map", |make, live| {
        let items = |_: &StepInput| vec!["ants".to_owned(), "bees".to_owned(), "owls".to_owned()];
        flow().step(Map::new("Each").step(make("one", live)).over(items).concurrency(2))
    }),
    ("nested", |make, live| {
        let both = Parallel::new("Both").branch(make("one", live)).branch(make("two", live));
        flow().step(Loop::new("Again").step(Steps::new("Group").step(both)).forward().at_most(2))
    }),
    ("finally", |make, live| {
        let fails = Step::new("fails", move |_: StepInput| async move {
            effect(live);
            Err::<String, _>(StepError::terminal("broken"))
        });
        flow().step(make("one", live)).step(fails).finally(make("two", live))
    }),
];

fn flow() -> WorkflowBuilder {
    Workflow::builder("Flow")
}

#[tokio::test]
async fn every_kind_of_step_is_replayed_in_every_container() {
    for (container, around) in CONTAINERS {
        for (step, make) in STEPS {
            let name = format!("{step} in {container}");
            let recorded =
                recorded(around(*make, true), around(*make, false), "ants", approve).await;
            if let Err(error) = &recorded.made {
                panic!("{name}: {}", error.report());
            }
            let report = recorded.replay(around(*make, false));
            assert!(report.differences.is_empty(), "{name}: {report}\n{}", recorded.text());
        }
    }
}

#[tokio::test]
async fn a_failing_branch_stops_the_same_branches_again() {
    repeats(
        "failing parallel",
        |live| {
            let step = |name: &'static str, ms: u64, fails: bool| {
                Step::new(name, move |_: StepInput| async move {
                    effect(live);
                    tokio::time::sleep(Duration::from_millis(ms)).await;
                    if fails {
                        return Err(StepError::terminal("broken"));
                    }
                    Ok("fine".to_owned())
                })
            };
            let long = Steps::new("Long").step(step("a", 1, false)).step(step("b", 60_000, false));
            flow().step(
                Parallel::new("Both").join(Join::FailFast).branch(long).branch(step("c", 30, true)),
            )
        },
        "ants",
    )
    .await;
}

#[tokio::test]
async fn a_timeout_passes_again_without_waiting() {
    repeats(
        "timeout",
        |live| {
            let slow = Step::new("slow", move |_: StepInput| async move {
                effect(live);
                std::future::pending::<String>().await
            });
            flow().step(slow.timeout(Duration::from_millis(30)).on_error(OnError::Skip))
        },
        "ants",
    )
    .await;
}

#[tokio::test]
async fn a_cancelled_run_is_cancelled_again() {
    let build = |live: bool| {
        flow().step(Step::new("slow", move |_: StepInput| async move {
            effect(live);
            std::future::pending::<String>().await
        }))
    };
    let store = Memory::default();
    let workflow = build(true).store(store.clone()).build().unwrap();
    let handle = workflow.run("ants").run_id("r-1").background().await.unwrap();
    let mut events = handle.events(0).await.unwrap();
    while let Some(event) = futures_util::StreamExt::next(&mut events).await {
        if event.unwrap().name() == "StepStarted" {
            break;
        }
    }
    handle.cancel().await.unwrap();
    let _ = handle.wait().await;
    let recorded = of_run(store, build(false)).await;
    recorded.made.as_ref().unwrap();
    let report = recorded.replay(build(false));
    assert!(report.differences.is_empty(), "{report}");
}
