//! Deadlines: moments at which steps and containers must have ended.

use crate::support::{mark, text};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use stepwright_core::plan::{OnError, Retry};
use stepwright_core::world::VirtualClock;
use stepwright_core::{
    Answer, ErrorCode, HumanReview, Memory, RunStatus, StepError, StepInput, Timestamp, World,
};
use stepwright_engine::{Parallel, Step, Steps, Workflow, WorkflowBuilder};
use stepwright_testing::grammar;

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// A deadline so long after the beginning.
fn within(count: u64) -> impl Fn(&StepInput) -> Timestamp + Send + Sync + 'static {
    move |input: &StepInput| input.now.plus(seconds(count))
}

fn confirm(name: &str) -> Step {
    mark(name).human_review(HumanReview::new().requires_confirmation("Go on?"))
}

struct Scene(VirtualClock, Memory);

impl Scene {
    fn new() -> Self {
        Self(VirtualClock::default(), Memory::default())
    }

    fn world(&self) -> World {
        World::new(self.0.clone(), 7)
    }

    fn build(&self, builder: WorkflowBuilder) -> Workflow {
        builder.store(self.1.clone()).world(self.world()).build().unwrap()
    }

    fn run<F: Future>(&self, work: F) -> F::Output {
        self.0.run(work)
    }

    fn later(&self, count: u64) {
        self.run(self.world().sleep(seconds(count)));
    }
}

#[test]
fn a_deadline_counts_for_all_attempts_and_no_attempt_follows_it() {
    let scene = Scene::new();
    let attempts = Arc::new(AtomicU32::new(0));
    let counted = attempts.clone();
    let flaky = move || {
        counted.fetch_add(1, Ordering::Relaxed);
        async { Err::<String, _>(StepError::new("busy")) }
    };
    let steady = Retry { retries: 100, backoff_ms: 3_000, factor: 1.0, ..Retry::default() };
    let steady = Retry { jitter: false, ..steady };
    let step = Step::new("ask", flaky).retry(steady).deadline(within(10));
    let workflow = scene.build(Workflow::builder("W").step(step));
    let begun = scene.world().now();
    let failed = scene.run(workflow.run("in").into_future()).unwrap_err();
    assert_eq!(scene.world().now().since(begun), seconds(10));
    assert_eq!(attempts.load(Ordering::Relaxed), 4);
    let failure = failed.into_output().unwrap().error.unwrap();
    assert_eq!(failure.error.code, ErrorCode::TimedOut);
    let moment = begun.plus(seconds(10)).to_rfc3339();
    assert_eq!(failure.error.message, format!("its deadline {moment} has passed"));
}

#[test]
fn nothing_begins_after_a_moment_that_has_passed() {
    for past in [0, 1_780_000_000_000] {
        let never = |_: StepInput| async { panic!("it began") as String };
        let late = move |_: &StepInput| Timestamp(past);
        let inside = Steps::new("box").step(Step::new("never", never)).deadline(late);
        let alone = Step::new("never", never).deadline(late);
        for builder in [Workflow::builder("W").step(inside), Workflow::builder("W").step(alone)] {
            let scene = Scene::new();
            let workflow = scene.build(builder);
            let failed = scene.run(workflow.run("in").into_future()).unwrap_err();
            let failure = failed.into_output().unwrap().error.unwrap();
            assert_eq!(failure.error.code, ErrorCode::TimedOut);
            assert!(failure.error.message.ends_with("had passed before it began"), "{failure:?}");
        }
    }
}

#[test]
fn a_moment_that_cannot_be_computed_fails_the_step_as_its_policy_says() {
    let scene = Scene::new();
    let wrong = |_: &StepInput| "soon".parse::<u64>().map(Timestamp);
    let step = mark("b").deadline(wrong).on_error(OnError::Skip);
    let inside = Steps::new("box").step(mark("c")).deadline(wrong).on_error(OnError::Skip);
    let builder = Workflow::builder("W").step(mark("a")).step(step).step(inside).step(mark("z"));
    let done = scene.run(scene.build(builder).run("-").into_future()).unwrap();
    assert_eq!(text(&done), "-az");
    let error = done.step_at("b").unwrap().error.clone().unwrap();
    assert_eq!(
        (error.code, &*error.message),
        (ErrorCode::Decision, "invalid digit found in string")
    );
}

#[test]
fn a_question_is_open_until_the_deadline_and_an_answer_after_it_is_refused() {
    for inside in [false, true] {
        let scene = Scene::new();
        let builder = Workflow::builder("W");
        let builder = if inside {
            builder.step(Steps::new("box").step(confirm("b")).deadline(within(60)))
        } else {
            builder.step(confirm("b").deadline(within(60)))
        };
        let workflow = scene.build(builder.step(mark("z")));
        let begin = |run: &str| {
            let paused = scene.run(workflow.run("-").run_id(run).into_future()).unwrap();
            assert_eq!(paused.status, RunStatus::Paused);
            paused.requirements.iter().find(|asked| asked.needs_person()).unwrap().id.to_string()
        };
        let id = begin("early");
        scene.later(59);
        let done = workflow.continue_run("early", [(id, Answer::Approve)]);
        assert_eq!(text(&scene.run(done.into_future()).unwrap()), "-bz");
        let id = begin("late");
        scene.later(61);
        let late = workflow.continue_run("late", [(id, Answer::Approve)]);
        scene.run(late.into_future()).unwrap_err();
        let failed = scene.run(workflow.resume("late").into_future()).unwrap_err();
        let error = failed.into_output().unwrap().error.unwrap().error;
        assert_eq!(error.code, ErrorCode::TimedOut);
    }
}

#[test]
fn what_ended_in_time_is_replayed_after_its_time() {
    for with_deadline in [false, true] {
        let scene = Scene::new();
        let limited = Parallel::new("both").branch(mark("a")).branch(mark("b"));
        let limited =
            if with_deadline { limited.deadline(within(5)) } else { limited.timeout(seconds(5)) };
        let step = mark("c").deadline(within(5));
        let builder = Workflow::builder("W").step(limited).step(step).step(confirm("d"));
        let workflow = scene.build(builder);
        let paused = scene.run(workflow.run("-").run_id("r").into_future()).unwrap();
        assert_eq!(paused.status, RunStatus::Paused);
        scene.later(60);
        let done = workflow.continue_run("r", [("d", Answer::Approve)]);
        let done = scene.run(done.into_future()).unwrap();
        assert_eq!(done.status, RunStatus::Completed, "with a deadline: {with_deadline}");
        let facts = scene.run(stepwright_core::store::RunStore::load(
            &scene.1,
            &"r".parse().unwrap(),
            0,
            1_000,
        ));
        grammar::check(&facts.unwrap());
    }
}

#[test]
fn the_earlier_of_a_timeout_and_a_deadline_counts() {
    for (timeout, deadline, why) in [(5, 60, "it took longer than 5s"), (60, 5, "its deadline ")] {
        let scene = Scene::new();
        let hangs = || async { std::future::pending::<String>().await };
        let limited = Steps::new("box").step(Step::new("hang", hangs));
        let limited = limited.timeout(seconds(timeout)).deadline(within(deadline));
        let workflow = scene.build(Workflow::builder("W").step(limited));
        let begun = scene.world().now();
        let failed = scene.run(workflow.run("-").into_future()).unwrap_err();
        assert_eq!(scene.world().now().since(begun), seconds(5));
        let error = failed.into_output().unwrap().error.unwrap().error;
        assert!(error.message.starts_with(why), "{}", error.message);
    }
}

#[test]
fn a_far_moment_is_waited_for_and_a_changed_deadline_is_a_changed_definition() {
    let scene = Scene::new();
    let far = |_: &StepInput| Timestamp(u64::MAX / 2);
    let with = scene.build(Workflow::builder("W").step(confirm("a").deadline(far)));
    let without = scene.build(Workflow::builder("W").step(confirm("a")));
    let paused = scene.run(with.run("-").run_id("r").into_future()).unwrap();
    assert_eq!(paused.status, RunStatus::Paused);
    let refused = scene.run(without.resume("r").into_future()).unwrap_err();
    assert!(refused.to_string().contains("deadline"), "{refused}");
    let done = with.continue_run("r", [("a", Answer::Approve)]);
    assert_eq!(text(&scene.run(done.into_future()).unwrap()), "-a");
}
