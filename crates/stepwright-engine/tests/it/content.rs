//! A run is not carried on with a definition whose content has changed, unless that is accepted.

use crate::support::{mark, of, part, text};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use stepwright_core::dispatch::{DispatchError, Dispatcher, Drive, Limits, Wake};
use stepwright_core::journal::Append;
use stepwright_core::store::RunStore as _;
use stepwright_core::{
    Answer, BoxFuture, ErrorKind, Event, EventKind, Executor, Fingerprint, HumanReview, Memory,
    RunId, RunStatus, StepContext, StepError, StepInput, StepOutput,
};
use stepwright_engine::{
    AnyStep, Condition, Loop, Map, Parallel, Router, Step, Steps, Workflow, WorkflowBuilder,
};
use tokio_util::sync::CancellationToken;

/// An executor that tells what it is made of.
struct Shell(&'static str);

impl Executor for Shell {
    fn name(&self) -> &'static str {
        "shell"
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::default().with("command", self.0)
    }

    async fn execute(&self, _: StepInput, _: StepContext) -> Result<StepOutput, StepError> {
        Ok(self.0.into())
    }
}

fn asks() -> Step {
    mark("ask").human_review(HumanReview::new().requires_confirmation("Go on?"))
}

/// A workflow that waits for a person, and then does `step`.
fn then(store: &Memory, step: AnyStep) -> Workflow {
    of(asks()).store(store.clone()).step(step).build().unwrap()
}

fn approve() -> [(&'static str, Answer); 1] {
    [("ask", Answer::Approve)]
}

/// Returns the message for a run that began with `before` and is carried on with `now`.
async fn told(before: AnyStep, now: AnyStep) -> String {
    let store = Memory::default();
    then(&store, before).run("in").run_id("r").await.unwrap();
    let now = then(&store, now);
    let error = now.continue_run("r", approve()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Usage);
    let resumed = now.resume("r").await.unwrap_err();
    assert_eq!(resumed.to_string(), error.to_string());
    // Nothing was answered, and the change can be accepted.
    let paused = now.get_run("r").await.unwrap();
    assert_eq!((paused.status, paused.requirements.len()), (RunStatus::Paused, 1));
    let accepted = now.continue_run("r", approve()).accept_changed_definition(true).await;
    assert!(accepted.unwrap().is_terminal());
    let told = error.to_string();
    let lines = told.strip_prefix("workflow `test` has changed since run `r` began\n  ");
    lines.unwrap_or_else(|| panic!("{told}")).to_owned()
}

#[tokio::test]
async fn a_changed_command_is_told_with_the_old_and_the_new_one() {
    let shell = |command| part(Step::new("gate", Shell(command)));
    assert_eq!(
        told(shell("deploy v1"), shell("rm -rf everything")).await,
        r#"~ `gate`: `command` was "deploy v1" and is "rm -rf everything""#,
    );
}

#[tokio::test]
async fn a_change_inside_of_every_container_is_told_with_its_path() {
    type Put = fn(AnyStep) -> AnyStep;
    let around: [(&str, Put); 8] = [
        ("c", |step| part(Steps::new("c").step(step))),
        ("c", |step| part(Parallel::new("c").branch(step))),
        ("c", |step| part(Loop::new("c").step(step).at_most(1))),
        ("c", |step| part(Condition::new("c", |_| true).then(step))),
        ("c", |step| part(Condition::new("c", |_| false).otherwise(step))),
        ("c", |step| part(Router::new("c", |_| "gate").choice(step))),
        ("c", |step| part(Map::new("c").over(|_| vec!["a"]).step(step))),
        ("c", |step| {
            let inner = Workflow::builder("inner").step(step).build().unwrap();
            part(Step::workflow("c", inner))
        }),
    ];
    for (name, put) in around {
        let shell = |command| put(part(Step::new("gate", Shell(command))));
        let wanted = format!(r#"~ `{name}/gate`: `command` was "old" and is "new""#);
        assert_eq!(told(shell("old"), shell("new")).await, wanted);
    }
}

#[tokio::test]
async fn a_changed_version_of_whatever_has_one_is_told() {
    type Make = fn(&str) -> AnyStep;
    let all: [Make; 9] = [
        |version| part(mark("x").version(version)),
        |version| part(Step::blocking("x", |text: String| text).version(version)),
        |version| part(Steps::new("x").step(mark("a")).version(version)),
        |version| part(Parallel::new("x").branch(mark("a")).version(version)),
        |version| part(Loop::new("x").step(mark("a")).at_most(1).version(version)),
        |version| part(Condition::new("x", |_| true).then(mark("a")).version(version)),
        |version| part(Router::new("x", |_| "a").choice(mark("a")).version(version)),
        |version| part(Map::new("x").over(|_| vec!["i"]).step(mark("a")).version(version)),
        |version| {
            let inner = Workflow::builder("inner").step(mark("a")).version(version).build();
            part(Step::workflow("x", inner.unwrap()))
        },
    ];
    for make in all {
        assert_eq!(told(make("1"), make("2")).await, r#"~ `x`: `version` was "1" and is "2""#);
    }
    let none = part(mark("x"));
    let told = told(none, part(mark("x").version("1"))).await;
    assert_eq!(told, r#"~ `x`: `version` was not set and is "1""#);
}

#[tokio::test]
async fn a_changed_constant_and_a_decision_that_is_gone_are_told() {
    let fixed = |holds| part(Condition::constant("x", holds).then(mark("a")));
    let wanted = r#"~ `x`: `if` was "true" and is "false""#;
    assert_eq!(told(fixed(true), fixed(false)).await, wanted);
    let chosen = |name: &'static str| {
        part(Router::constant("x", [name]).choice(mark("a")).choice(mark("b")))
    };
    let wanted = r#"~ `x`: `router` was "a" and is "b""#;
    assert_eq!(told(chosen("a"), chosen("b")).await, wanted);
    let turns = || Loop::new("x").step(mark("a")).at_most(2);
    let wanted = "~ `x`: `on_exhausted` was \"fail\" and is nothing\n  \
                  ~ `x`: `until` was \"a function\" and is not set";
    assert_eq!(told(part(turns().until(|_| true)), part(turns())).await, wanted);
}

#[tokio::test]
async fn an_unchanged_definition_that_is_built_anew_goes_on() {
    let store = Memory::default();
    let build = || then(&store, part(Step::new("gate", Shell("deploy v1"))));
    assert_eq!(build().digest(), build().digest());
    build().run("in").run_id("r").await.unwrap();
    let done = build().continue_run("r", approve()).await.unwrap();
    assert_eq!(text(&done), "deploy v1");
}

/// A workflow that asks twice, with a step of this version.
fn twice(store: &Memory, version: &str) -> WorkflowBuilder {
    let again = mark("again").human_review(HumanReview::new().requires_confirmation("Sure?"));
    of(asks()).store(store.clone()).step(again).step(mark("x").version(version))
}

#[tokio::test]
async fn a_change_that_was_accepted_is_in_the_journal_and_counts_from_then_on() {
    let store = Memory::default();
    let [first, second] = ["1", "2"].map(|version| twice(&store, version).build().unwrap());
    first.run("in").run_id("r").await.unwrap();
    let accepted = second.continue_run("r", approve()).accept_changed_definition(true);
    assert!(accepted.await.unwrap().is_paused());
    // An approval now is for what the second definition says, and not for what the first one said.
    let answer = [("again", Answer::Approve)];
    let error = first.continue_run("r", answer.clone()).await.unwrap_err().to_string();
    assert!(error.contains(r#"`version` was "2" and is "1""#), "{error}");
    assert_eq!(text(&second.continue_run("r", answer).await.unwrap()), "inaskagainx");
}

#[tokio::test]
async fn a_run_is_not_put_into_the_background_with_a_changed_definition() {
    let store = Memory::default();
    let [first, second] = ["1", "2"].map(|version| twice(&store, version).build().unwrap());
    first.run("in").run_id("r").await.unwrap();
    let told = |error: stepwright_core::Error| error.to_string();
    let answered = second.continue_run("r", approve()).background().await;
    let resumed = second.resume("r").background().await;
    for error in [answered.map(drop).unwrap_err(), resumed.map(drop).unwrap_err()].map(told) {
        assert!(error.contains(r#"`version` was "1" and is "2""#), "{error}");
    }
    let resumed = second.continue_run("r", approve()).accept_changed_definition(true);
    let handle = resumed.background().await.unwrap();
    assert!(handle.settled().await.unwrap().is_paused());
    let goes_on = second.continue_run("r", [("again", Answer::Approve)]).background().await;
    assert_eq!(text(&goes_on.unwrap().wait().await.unwrap()), "inaskagainx");
}

/// A dispatcher that drives the woken runs when the test serves.
#[derive(Default)]
struct Told {
    wakes: Mutex<Vec<Wake>>,
}

impl Dispatcher for Told {
    fn wake(&self, wake: Wake) -> BoxFuture<'_, Result<(), DispatchError>> {
        self.wakes.lock().unwrap().push(wake);
        Box::pin(std::future::ready(Ok(())))
    }

    fn serve(
        self: Arc<Self>,
        drive: Arc<dyn Drive>,
        _: Limits,
        _: CancellationToken,
    ) -> BoxFuture<'static, Result<(), DispatchError>> {
        Box::pin(async move {
            let wakes = self.wakes.lock().unwrap().clone();
            for wake in wakes {
                drive.drive(&wake).await;
            }
            Ok(())
        })
    }
}

#[tokio::test]
async fn a_worker_with_a_changed_definition_does_not_drive_a_run() {
    let (store, told) = (Memory::default(), Arc::new(Told::default()));
    let count = Arc::new(AtomicU32::new(0));
    let build = |version: &str| {
        let count = count.clone();
        let work = move |_: StepInput| {
            count.fetch_add(1, Ordering::SeqCst);
            async { "done" }
        };
        let step = Step::new("work", work).version(version);
        of(step).store(store.clone()).dispatcher(told.clone()).build().unwrap()
    };
    build("1").run("in").run_id("r").background().await.unwrap();
    let changed = build("2");
    changed.serve(CancellationToken::new()).await.unwrap();
    assert_eq!(count.load(Ordering::SeqCst), 0);
    // It is still there for a worker with the definition that it began with.
    let first = build("1");
    first.serve(CancellationToken::new()).await.unwrap();
    assert_eq!(count.load(Ordering::SeqCst), 1);
    assert_eq!(first.get_run("r").await.unwrap().status, RunStatus::Completed);
}

/// The journal as it was written before plans had content.
async fn aged(store: &Memory, workflow: &Workflow) -> Memory {
    let run: RunId = "r".parse().unwrap();
    let plan = workflow.plan().without_content();
    let digest: Arc<str> = plan.digest().into();
    let mut facts: Vec<Event> = store.load(&run, 0, usize::MAX).await.unwrap();
    if let EventKind::WorkflowStarted(started) = &mut facts[0].kind {
        Arc::make_mut(started).digest = digest.clone();
    }
    let old = Memory::default();
    old.remember_plan(&digest, &serde_json::to_string(&plan).unwrap()).await.unwrap();
    old.append(Append { run, facts, close: None, driver: None }).await.unwrap();
    old
}

#[tokio::test]
async fn a_run_of_the_time_before_plans_had_content_is_compared_as_it_was_then() {
    let store = Memory::default();
    let first = twice(&store, "1").build().unwrap();
    first.run("in").run_id("r").await.unwrap();
    let old = aged(&store, &first).await;
    // The content that it had is not known, but for its shape.
    let longer = twice(&old, "1").step(mark("more")).build().unwrap();
    let error = longer.resume("r").await.unwrap_err().to_string();
    assert!(error.ends_with("began\n  + `more` is new"), "{error}");
    let second = twice(&old, "2").build().unwrap();
    assert!(second.continue_run("r", approve()).await.unwrap().is_paused());
    // From then on it is.
    let third = twice(&old, "3").build().unwrap();
    let error = third.resume("r").await.unwrap_err().to_string();
    assert!(error.contains(r#"`version` was "2" and is "3""#), "{error}");
}
