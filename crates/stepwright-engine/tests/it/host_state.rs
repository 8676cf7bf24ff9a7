//! Values of the host program, which steps, deciders and tools take.

use crate::support::mark;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use stepwright_core::{
    Answer, ErrorId, ErrorKind, HumanReview, Memory, State, StepContext, StepError, StepInput,
};
use stepwright_engine::{
    AnyStep, Condition, IntoStep as _, Loop, LoopView, Map, Parallel, Router, Step, Steps, Workflow,
};

#[derive(Clone)]
struct Pool(&'static str);

async fn read(State(pool): State<Pool>) -> String {
    pool.0.to_owned()
}

fn outer(step: AnyStep) -> Workflow {
    Workflow::builder("outer").step(step).state(Pool("shared")).build().unwrap()
}

#[tokio::test]
async fn a_step_anywhere_takes_a_value_of_the_workflow_or_of_the_run() {
    let inner = || Workflow::builder("inner").step(read).build().unwrap();
    let inside: [AnyStep; 9] = [
        read.into_step(),
        Step::blocking("b", |State(pool): State<Pool>| pool.0.to_owned()).into_step(),
        Steps::new("s").step(read).into_step(),
        Parallel::new("p").branch(read).into_step(),
        Loop::new("l").step(read).at_most(1).into_step(),
        Condition::constant("c", true).then(read).into_step(),
        Router::constant("r", ["read"]).choice(read).into_step(),
        Map::new("m").over(|_| vec!["x"]).step(read).into_step(),
        inner().into_step(),
    ];
    for step in inside {
        let name = step.name().to_owned();
        let workflow = outer(step);
        assert!(workflow.run("-").await.unwrap().content.text().contains("shared"), "{name}");
        let own = workflow.run("-").state(Pool("own")).await.unwrap();
        assert!(own.content.text().contains("own"), "{name}");
        let again = workflow.run("-").background().await.unwrap().wait().await.unwrap();
        assert!(again.content.text().contains("shared"), "{name}");
        let own = workflow.run("-").state(Pool("own")).background().await.unwrap();
        assert!(own.wait().await.unwrap().content.text().contains("own"), "{name}");
    }
}

#[tokio::test]
async fn an_async_decider_takes_what_a_step_takes() {
    async fn holds(text: String, cx: StepContext, State(pool): State<Pool>) -> bool {
        text == "-" && cx.run().run_id.as_str() == "r" && pool.0 == "shared"
    }
    let named = |State(pool): State<Pool>| async move { pool.0 };
    let turns = |turn: LoopView, cx: StepContext| async move {
        turn.iteration() == 2 && cx.state::<Pool>().is_some()
    };
    let items = |_: StepInput, State(pool): State<Pool>| async move { vec![pool.0; 3] };
    let workflow = Workflow::builder("w")
        .step(Condition::new_async("c", holds).otherwise(mark("wrong")))
        .step(Router::new_async("r", named).choice(Step::new("shared", read)))
        .step(Loop::new("l").step(read).at_most(9).until_async(turns))
        .step(Map::new("m").over_async(items).step(read))
        .state(Pool("shared"))
        .build()
        .unwrap();
    let output = workflow.run("-").run_id("r").await.unwrap();
    assert_eq!(output.content.text(), r#"["shared","shared","shared"]"#);
    assert!(output.step_at("c/wrong").is_none());
}

#[tokio::test]
async fn a_decider_records_nothing_beside_its_decision() {
    let once =
        |cx: StepContext| async move { cx.once("k", async { Ok::<_, StepError>(true) }).await };
    let wait = |cx: StepContext| async move { cx.wait::<bool>("k").await };
    let conditions = [Condition::new_async("c", once), Condition::new_async("c", wait)];
    for condition in conditions {
        let condition = condition.then(mark("x"));
        let workflow = Workflow::builder("w").step(condition).store(Memory::default());
        let error = workflow.build().unwrap().run("-").await.unwrap_err();
        assert_eq!(error.id(), ErrorId::RECORD_REFUSED, "{error:?}");
        assert!(error.to_string().contains("a decider cannot"), "{error}");
    }
}

#[tokio::test]
async fn a_missing_value_fails_the_step_and_says_what_to_do() {
    let workflow = Workflow::builder("w").step(Step::new("s", read).retries(3)).build().unwrap();
    let error = workflow.run("-").state(7_u8).await.unwrap_err();
    assert_eq!(error.id(), ErrorId::HOST_STATE_MISSING);
    assert!(error.to_string().ends_with("the run has no state of type `it::host_state::Pool`"));
    assert!(error.hint().unwrap().contains(".state("));
    assert_eq!(error.output().unwrap().error.as_ref().unwrap().attempts, 1, "no retry helps");
}

#[tokio::test]
async fn a_nested_workflow_brings_its_values_and_the_outer_one_overrides_them() {
    let inner = |pool| Workflow::builder("in").step(read).state(Pool(pool)).build().unwrap();
    let alone = Workflow::builder("out").step(inner("inner")).build().unwrap();
    assert_eq!(alone.run("-").await.unwrap().content.text(), "inner");
    let over = outer(inner("inner").into_step());
    assert_eq!(over.run("-").await.unwrap().content.text(), "shared");
    let two = || {
        Workflow::builder("out")
            .step(Step::workflow("a", inner("a")))
            .step(Step::workflow("b", inner("b")))
    };
    let error = two().build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Definition);
    assert!(error.to_string().contains("has a state of type `it::host_state::Pool`"), "{error}");
    assert!(two().state(Pool("both")).build().is_ok());
}

#[tokio::test]
async fn a_run_that_waits_keeps_its_values_and_a_resumed_one_can_bring_others() {
    let asks = || Step::new("s", read).human_review(HumanReview::new().requires_confirmation("?"));
    let store = Memory::default();
    let workflow = || Workflow::builder("w").step(asks()).store(store.clone()).build().unwrap();
    let answers = [("s!confirm", Answer::Approve)];
    let here = workflow();
    here.run("-").run_id("kept").state(Pool("own")).await.unwrap();
    let output = here.continue_run("kept", answers.clone()).await.unwrap();
    assert_eq!(output.content.text(), "own");
    here.run("-").run_id("moved").state(Pool("own")).await.unwrap();
    // Another process has not the values of this one.
    let there = workflow();
    let output = there.continue_run("moved", answers.clone()).state(Pool("theirs")).await.unwrap();
    assert_eq!(output.content.text(), "theirs");
    here.run("-").run_id("lost").state(Pool("own")).await.unwrap();
    let error = there.continue_run("lost", answers).await.unwrap_err();
    assert_eq!(error.id(), ErrorId::HOST_STATE_MISSING);
}

#[tokio::test]
async fn one_value_is_shared_by_all_runs() {
    let count = |State(count): State<Arc<AtomicU32>>| async move {
        count.fetch_add(1, Ordering::SeqCst);
    };
    let shared = Arc::new(AtomicU32::new(0));
    let workflow = Workflow::builder("w").step(Step::new("s", count)).state(shared.clone());
    let workflow = workflow.build().unwrap();
    for _ in 0..3 {
        workflow.run("-").await.unwrap();
    }
    assert_eq!(shared.load(Ordering::SeqCst), 3);
}
