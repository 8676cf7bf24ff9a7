//! Every mistake in a definition is found when it is built, with its path and what to do.

use crate::support::{mark, of, part};
use std::time::Duration;
use stepwright_core::plan::{DEPTH_MAX, ITERATIONS_MAX};
use stepwright_core::{ErrorKind, StepInput};
use stepwright_engine::{
    AnyStep, Condition, Loop, Map, Parallel, Router, Step, Steps, Workflow, WorkflowBuilder,
};

fn mistakes(builder: WorkflowBuilder) -> Vec<String> {
    let error = builder.build().expect_err("it has mistakes");
    assert_eq!(error.kind(), ErrorKind::Definition);
    error.to_string().lines().skip(1).map(|line| line.trim().to_owned()).collect()
}

#[test]
fn all_mistakes_are_told_at_once() {
    let builder = Workflow::builder("w")
        .step(mark("a/b"))
        .step(Steps::new("empty"))
        .step(Parallel::new("p").branch(mark("x")).branch(mark("x")).concurrency(0))
        .step(Loop::new("l").step(mark("x")))
        .step(Loop::new("never").step(mark("x")).at_most(0))
        .step(Loop::new("long").step(mark("x")).at_most(ITERATIONS_MAX + 1))
        .step(Condition::constant("c", true))
        .step(Router::constant("r", ["b"]).choice(mark("a")))
        .step(Map::new("m").step(mark("x")).concurrency(0))
        .step(mark("t").timeout(Duration::ZERO))
        .step(mark("again").retries(1_000_000))
        .step(mark("again"));
    assert_eq!(
        mistakes(builder),
        [
            "`a/b`: a name cannot contain '/', which has a meaning in paths; choose another name",
            "`empty`: the sequence has no steps; add one with `.step(…)`",
            "`p`: `concurrency` must be at least 1; set it higher, or leave it out",
            "`p/x`: the name `x` is taken in this place; give each step a name of its own",
            "`l`: the loop has no bound; set the largest number of turns with `.at_most(…)`",
            "`never`: `at_most` must be at least 1; set the largest number of turns with `.at_most(…)`",
            "`long`: `at_most` is 1000001; the limit is 1000000; set the largest number of turns with `.at_most(…)`",
            "`c`: the condition has no steps; add one with `.then(…)` or `.otherwise(…)`",
            "`r`: router selects unknown choice `b`; add that choice, or choose another",
            "`m`: `concurrency` must be at least 1; set it higher, or leave it out",
            "`t`: `timeout` must be greater than zero; give it more time",
            "`again`: `retries` is 1000000; the limit is 1000; retry less often",
            "`again`: the name `again` is taken in this place; give each step a name of its own",
        ]
    );
}

#[test]
fn a_workflow_needs_a_name_and_steps() {
    assert_eq!(
        mistakes(Workflow::builder(" ")),
        [
            "the workflow has no name; give it one",
            "the workflow has no steps; add one with `.step(…)`",
        ]
    );
    let unknown = of(mark("a")).store_events(true).events_to_skip(["StepStart"]).build();
    assert_eq!(unknown.unwrap_err().to_string(), "there is no event `StepStart`");
}

#[test]
fn the_arms_of_a_condition_share_one_scope() {
    let both = Condition::constant("c", true).then(mark("x")).otherwise(mark("x"));
    let wrong = mistakes(of(both));
    assert_eq!(
        wrong,
        ["`c/x`: the name `x` is taken in this place; give each step a name of its own"]
    );
}

fn nested(depth: usize) -> AnyStep {
    (1..depth).fold(part(mark("leaf")), |inside, _| part(Steps::new("s").step(inside)))
}

#[tokio::test]
async fn nesting_has_a_limit_through_workflows_too() {
    let deepest = of(nested(DEPTH_MAX)).build().unwrap();
    assert_eq!(deepest.run("in").await.unwrap().content.text(), "inleaf");
    assert!(of(nested(DEPTH_MAX + 1)).build().is_err());
    let inner = of(nested(DEPTH_MAX - 1)).build().unwrap();
    assert!(of(Step::workflow("w", inner.clone())).build().is_ok());
    let wrong = mistakes(of(Steps::new("s").step(Step::workflow("w", inner))));
    assert_eq!(wrong.len(), 1);
    assert!(wrong[0].starts_with("`s/w`: with the workflow in it, it is nested deeper than 32"));
}

#[test]
fn the_digest_is_of_names_shapes_and_limits() {
    let digest = |builder: WorkflowBuilder| builder.build().unwrap().digest().to_owned();
    let one = digest(of(mark("a")));
    assert_eq!(one, digest(of(mark("a"))));
    assert_eq!(one.len(), 64);
    assert_ne!(one, digest(of(mark("b"))));
    assert_ne!(one, digest(of(mark("a").retries(1))));
    assert_ne!(one, digest(of(mark("a").timeout(Duration::from_secs(1)))));
    let plan = of(Loop::new("l").step(mark("a")).at_most(2)).build().unwrap().plan().clone();
    let read: stepwright_core::plan::Plan =
        serde_json::from_value(serde_json::to_value(&plan).unwrap()).unwrap();
    assert_eq!(read, plan);
}

#[test]
fn functions_are_named_after_themselves() {
    async fn outline(input: StepInput) -> String {
        input.text()
    }
    let workflow = of(outline).build().unwrap();
    assert_eq!(&*workflow.plan().body[0].name, "outline");
}
