//! Runs with a past: retried, forked, with earlier runs and a state of their session.

use crate::support::of_run;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use stepwright_agent::Agent;
use stepwright_core::model::AnyModel;
use stepwright_core::world::VirtualClock;
use stepwright_core::{Memory, Patch, StepError, StepInput, StepOutput, World};
use stepwright_engine::{Loop, Parallel, Step, Workflow, WorkflowBuilder};
use stepwright_testing::model::{FunctionModel, Reply};

fn agent(live: bool) -> Agent {
    let model = AnyModel::new(FunctionModel::new(move |request| {
        assert!(live, "a model was asked in a replay");
        Reply::text(format!("said {}", request.messages.last().unwrap().text()))
    }));
    Agent::builder("writer").model(model).unwrap().build().unwrap()
}

fn flaky(live: bool, fixed: &Arc<AtomicBool>) -> WorkflowBuilder {
    let fixed = fixed.clone();
    let fails = Step::new("flaky", move |input: StepInput| {
        assert!(live, "a function was called in a replay");
        let is_fixed = fixed.load(Ordering::Relaxed);
        async move { if is_fixed { Ok(input.text()) } else { Err(StepError::terminal("broken")) } }
    });
    let both = Parallel::new("Both").branch(Step::new("write", agent(live))).branch(fails);
    Workflow::builder("Flow")
        .step(Step::new("plan", agent(live)))
        .step(Loop::new("Again").step(both).forward().at_most(2))
        .step(Step::new("end", agent(live)))
}

async fn is_repeated(store: Memory, build: impl Fn() -> WorkflowBuilder) -> String {
    let recorded = of_run(store, build()).await;
    if let Err(error) = &recorded.made {
        panic!("{}", error.report());
    }
    let report = recorded.replay(build());
    assert!(report.differences.is_empty(), "{report}\n{}", recorded.text());
    recorded.text()
}

#[tokio::test]
async fn a_retried_run_is_replayed_as_the_run_that_it_became() {
    let (fixed, store) = (Arc::new(AtomicBool::new(false)), Memory::default());
    let workflow = flaky(true, &fixed).store(store.clone()).build().unwrap();
    workflow.run("ants").run_id("r-1").await.unwrap_err();
    is_repeated(store.clone(), || flaky(false, &fixed)).await;
    fixed.store(true, Ordering::Relaxed);
    workflow.retry("r-1").await.unwrap();
    is_repeated(store, || flaky(false, &fixed)).await;
}

#[tokio::test]
async fn a_fork_is_replayed_from_the_beginning() {
    let (fixed, store) = (Arc::new(AtomicBool::new(true)), Memory::default());
    let workflow = flaky(true, &fixed).store(store.clone()).build().unwrap();
    workflow.run("ants").run_id("r-0").await.unwrap();
    workflow.fork("r-0").at("Again#2/Both/write").run_id("r-1").await.unwrap();
    is_repeated(store, || flaky(false, &fixed)).await;
}

#[tokio::test]
async fn the_state_and_the_history_of_the_session_come_from_the_cassette() {
    let build = |live: bool| {
        let count = Step::new("count", move |input: StepInput| {
            assert!(live, "a function was called in a replay");
            let runs = input.state.get("runs").and_then(serde_json::Value::as_i64).unwrap_or(0);
            let output = StepOutput::from(format!("run {runs}"));
            async move { output.patch(Patch::increment("runs", 1)) }
        });
        Workflow::builder("Flow")
            .add_workflow_history_to_steps(true)
            .num_history_runs(2)
            .session_state([("runs".into(), json!(1))].into_iter().collect())
            .step(count)
            .step(Step::new("write", agent(live)))
    };
    let store = Memory::default();
    // All runs begin and end in the same millisecond.
    let world = World::new(VirtualClock::default(), 7);
    let workflow = build(true).store(store.clone()).world(world).build().unwrap();
    for run in ["r-8", "r-9", "r-1", "r-2"] {
        workflow.run(format!("input of {run}")).session_id("s-1").run_id(run).await.unwrap();
    }
    let text = is_repeated(store, || build(false)).await;
    assert!(text.contains("input of r-9") && !text.contains("input of r-2"), "{text}");
    assert!(text.contains("runs: 3"), "{text}");
}
