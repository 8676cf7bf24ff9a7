//! The options, and what must be seen of each. Every check fails if its option is ignored.

use super::subject::{Act, NAME, Options, Place, Probe, subject};
use super::world::{Scene, open};
use crate::support::{mark, part};
use futures_util::future::join;
use futures_util::stream::StreamExt as _;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use stepwright_core::event::Reply;
use stepwright_core::executor::ExecutorType;
use stepwright_core::plan::OnError;
use stepwright_core::store::Inbox as _;
use stepwright_core::store::Signal;
use stepwright_core::{
    Answer, Content, Error, ErrorCode, ErrorKind, Event, EventKind, HumanReview, OnInterrupted,
    OnReject, OnTimeout, Requirement, RunOutput, RunStatus, StepResult, StepStatus,
};
use stepwright_engine::{AnyStep, Condition, Parallel, Step, Workflow};
use stepwright_testing::grammar;

/// The subject of an option, and where that stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case {
    pub(super) kind: &'static str,
    pub(super) place: Place,
}

/// The result of an option.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Cell {
    Works,
    /// The definition is refused, for this reason.
    Refused(String),
    /// The type has no such setting: a program with it does not compile.
    NotOffered,
    /// A function that blocks its thread cannot await anything.
    Blocks,
}

/// A workflow of a case, and what is really done in it.
struct Built {
    scene: Scene,
    workflow: Workflow,
    probe: Arc<Probe>,
}

impl Case {
    pub(super) fn definition(
        &self,
        scene: &Scene,
        act: Act,
        options: &Options,
        probe: &Arc<Probe>,
    ) -> Result<Workflow, Cell> {
        self.definition_in(scene, act, options, probe, &workflow)
    }

    /// Like [`Case::definition`], with the workflow that `last` makes.
    fn definition_in(
        &self,
        scene: &Scene,
        act: Act,
        options: &Options,
        probe: &Arc<Probe>,
        last: &dyn Fn(AnyStep) -> stepwright_engine::WorkflowBuilder,
    ) -> Result<Workflow, Cell> {
        let refused = |error: Error| {
            assert_eq!(error.kind(), ErrorKind::Definition);
            let text = error.to_string();
            let why = text.lines().nth(1).unwrap_or_default().trim();
            Cell::Refused(why.split_once(": ").map_or(why, |(_, why)| why).to_owned())
        };
        let subject = subject(self.kind, act, options, probe).map_err(refused)?;
        let whole = self.place.put(subject.ok_or(Cell::NotOffered)?).map_err(refused)?;
        scene.build(last(whole)).map_err(refused)
    }

    fn build(&self, act: Act, options: &Options) -> Result<Built, Cell> {
        let (scene, probe) = (Scene::new(self.kind), Arc::new(Probe::default()));
        let workflow = self.definition(&scene, act, options, &probe)?;
        Ok(Built { scene, workflow, probe })
    }

    /// The run with nothing set on the subject.
    fn plain(&self) -> (RunOutput, usize) {
        let built = self.build(Act::Works, &Options::default()).unwrap();
        let output = built.begin("plain").unwrap();
        assert_eq!(output.status, RunStatus::Completed);
        (output, built.probe.count())
    }

    /// The run with this in place of the subject.
    fn instead(&self, step: AnyStep) -> RunOutput {
        let scene = Scene::new(self.kind);
        let workflow = scene.build(workflow(self.place.put(step).unwrap())).unwrap();
        let output = scene.run(Scene::begin(&workflow, "instead").into_future()).unwrap();
        assert_eq!(output.status, RunStatus::Completed);
        output
    }

    /// The run in which the subject gives nothing.
    fn without(&self) -> RunOutput {
        self.instead(part(Condition::constant(NAME, false).then(mark("n"))))
    }
}

impl Built {
    fn begin(&self, run: &str) -> Result<RunOutput, Error> {
        self.scene.run(Scene::begin(&self.workflow, run).into_future())
    }

    fn to_the_end(&self, first: RunOutput, answer: &Answer) -> Result<RunOutput, Error> {
        self.scene.to_the_end(&self.workflow, Ok(first), |_| answer.clone())
    }
}

fn workflow(whole: AnyStep) -> stepwright_engine::WorkflowBuilder {
    Workflow::builder("matrix").step(mark("<")).step(whole).step(mark(">"))
}

fn confirm() -> HumanReview {
    HumanReview::new().requires_confirmation("Go on?")
}

/// The results of the subject.
fn subjects(output: &RunOutput) -> Vec<&StepResult> {
    let own = |step: &&StepResult| step.name() == NAME && step.path.number().is_none();
    output.walk().filter(own).collect()
}

/// Returns the parts of a run that must be the same in two runs.
pub(super) fn same(
    output: &RunOutput,
) -> (RunStatus, &Content, Vec<(String, StepStatus, &Content)>) {
    let steps = output.walk().map(|step| (step.path.to_string(), step.status, &step.content));
    (output.status, &output.content, steps.collect())
}

/// Asserts that a run is paused, and that all its requests are of the subject.
fn waits(output: &RunOutput, question: &str) {
    assert_eq!(output.status, RunStatus::Paused);
    assert!(!output.requirements.is_empty());
    for asked in &output.requirements {
        assert!(asked.id.ends_with(&format!("{NAME}!{question}")), "{}", asked.id);
    }
}

macro_rules! built {
    ($built:expr) => {
        match $built {
            Ok(built) => built,
            Err(cell) => return cell,
        }
    };
}

// Behind the macro, which it uses.
mod after;
mod limits;

pub(super) use after::{finally, inside_finally, undo};
pub(super) use limits::{concurrency, deadline, dedupe, on_failure};

pub(super) fn approve(case: &Case) -> Cell {
    let built = built!(case.build(Act::Works, &Options::review(confirm())));
    let paused = built.begin("r").unwrap();
    waits(&paused, "confirm");
    assert_eq!(built.probe.count(), 0, "it did not wait");
    let done = built.to_the_end(paused, &Answer::Approve).unwrap();
    let (plain, count) = case.plain();
    assert_eq!(same(&done), same(&plain));
    assert_eq!(built.probe.count(), count);
    Cell::Works
}

pub(super) fn reject(case: &Case) -> Cell {
    let review = confirm().on_reject(OnReject::Skip);
    let built = built!(case.build(Act::Works, &Options::review(review)));
    let paused = built.begin("r").unwrap();
    waits(&paused, "confirm");
    let done = built.to_the_end(paused, &Answer::reject("no")).unwrap();
    assert_eq!(done.status, RunStatus::Completed);
    assert_eq!(done.content, case.without().content);
    assert_eq!(built.probe.count(), 0, "what was rejected is done");
    let left = subjects(&done);
    assert!(!left.is_empty());
    for step in left {
        assert_eq!(step.status, StepStatus::Skipped, "{}", step.path);
        let why = step.error.as_ref().map(|error| (error.code, &*error.message));
        assert_eq!(why, Some((ErrorCode::Rejected, "it was rejected: no")));
    }
    Cell::Works
}

pub(super) fn edit(case: &Case) -> Cell {
    let review = HumanReview::new().requires_output_review("Good?");
    let built = built!(case.build(Act::Works, &Options::review(review)));
    let paused = built.begin("r").unwrap();
    waits(&paused, "review");
    let done = built.to_the_end(paused, &Answer::edit("edited")).unwrap();
    let edited = case.instead(part(Step::new(NAME, || async { "edited" })));
    assert_eq!((done.status, &done.content), (edited.status, &edited.content));
    assert_eq!(built.probe.count(), subjects(&done).len());
    Cell::Works
}

pub(super) fn two_pauses(case: &Case) -> Cell {
    let (scene, probe) = (Scene::new(case.kind), Arc::new(Probe::default()));
    let two = |review: Option<HumanReview>| {
        let options = Options { review, ..Options::default() };
        let mut both = Parallel::new("both");
        for name in ["one", "other"] {
            let inside = subject(case.kind, Act::Works, &options, &probe).unwrap().unwrap();
            let inside = case.place.put(inside).unwrap();
            both = both.branch(stepwright_engine::Steps::new(name).step(inside));
        }
        scene.build(workflow(part(both))).unwrap()
    };
    let plain = scene.run(Scene::begin(&two(None), "plain").into_future()).unwrap();
    let count = probe.count();
    let workflow = two(Some(confirm()));
    let mut output = scene.run(Scene::begin(&workflow, "r").into_future()).unwrap();
    assert_eq!(probe.count(), count, "it did not wait");
    let mut together = 0;
    while output.is_paused() {
        waits(&output, "confirm");
        together = together.max(output.requirements.len());
        let branches: HashSet<_> =
            output.requirements.iter().map(|r| r.path.as_str().starts_with("both/one/")).collect();
        // As long as both have something to ask, both ask.
        let last = output.requirements.last().unwrap().id.to_string();
        let before = output.requirements.len();
        let answer = [(last.clone(), Answer::Approve)];
        output = scene.run(workflow.continue_run("r", answer).into_future()).unwrap();
        if output.is_paused() && branches.len() == 2 {
            assert!(output.requirements.len() + 1 >= before);
            assert!(output.requirements.iter().all(|r| *r.id != *last));
        }
    }
    assert!(together >= 2, "they did not wait at the same time");
    assert_eq!(same(&output), same(&plain));
    assert_eq!(probe.count(), 2 * count);
    Cell::Works
}

pub(super) fn cancel(case: &Case) -> Cell {
    // While it works.
    let built = built!(case.build(Act::Hangs, &Options::default()));
    let watch = async {
        while built.probe.count() == 0 {
            built.scene.world().sleep(Duration::from_millis(1)).await;
        }
        assert!(built.workflow.cancel_run("r").await.unwrap());
    };
    let run = Scene::begin(&built.workflow, "r").into_future();
    let (cancelled, ()) = built.scene.run(join(run, watch));
    let cancelled = cancelled.unwrap_err();
    assert_eq!(cancelled.kind(), ErrorKind::Cancelled);
    let output = cancelled.into_output().unwrap();
    assert_eq!(output.status, RunStatus::Cancelled);
    let stopped: Vec<_> = subjects(&output).into_iter().map(|step| step.status).collect();
    assert!(stopped.contains(&StepStatus::Cancelled), "{stopped:?}");
    assert!(output.step_at(">").is_none(), "it went on");

    // While it waits, through a workflow that does not drive it.
    let built = built!(case.build(Act::Works, &Options::review(confirm())));
    let paused = built.begin("r").unwrap();
    waits(&paused, "confirm");
    let other = case
        .definition(&built.scene, Act::Works, &Options::review(confirm()), &built.probe)
        .unwrap();
    assert!(built.scene.run(other.cancel_run("r")).unwrap());
    let output = built.scene.run(other.get_run("r")).unwrap();
    assert_eq!(output.status, RunStatus::Cancelled);
    assert!(output.requirements.is_empty());
    assert_eq!(built.probe.count(), 0);
    let late = [(paused.requirements[0].id.to_string(), Answer::Approve)];
    let late = built.scene.run(built.workflow.continue_run("r", late).into_future()).unwrap_err();
    assert_eq!(late.kind(), ErrorKind::Usage);
    Cell::Works
}

pub(super) fn kill(case: &Case) -> Cell {
    // Reviews come before and after it, so that there are many entries.
    let review = confirm().requires_output_review("Good?");
    let options = Options::review(review);
    let built = built!(case.build(Act::Works, &options));
    let paused = built.begin("r").unwrap();
    let expected = built.to_the_end(paused, &Answer::Approve).unwrap();
    let facts = built.scene.journal("r");
    let count = built.probe.count();
    for cut in 1..facts.len() {
        let place = format!("cut {cut} of {}: {:?}", facts.len(), facts[cut - 1]);
        let past = &facts[..cut];
        let (scene, probe) = (Scene::after(case.kind, past), Arc::new(Probe::default()));
        let workflow = case.definition(&scene, Act::Works, &options, &probe).unwrap();
        let again = scene.run(workflow.resume("r").into_future());
        let done = scene.to_the_end(&workflow, again, |_| Answer::Approve).unwrap();
        assert_eq!(same(&done), same(&expected), "{place}");
        assert_eq!(&scene.journal("r")[..cut], past, "{place}");
        // Together both lives did everything once, but for what was under way.
        let is = |name: &'static str| move |fact: &&Event| fact.name() == name;
        let answered: HashSet<_> = past
            .iter()
            .filter(|fact| match &fact.kind {
                EventKind::StepCompleted { .. } => true,
                // A step whose output is under review is done.
                kind => kind.requirement().is_some_and(|asked| asked.id.ends_with("!review")),
            })
            .map(|fact| fact.path.to_string())
            .collect();
        for path in &*probe.ran.lock().unwrap() {
            assert!(!answered.contains(path), "{place}: `{path}` is done again");
        }
        let models = past.iter().filter(is("ModelRequestCompleted"));
        let models: HashSet<_> = models.map(|fact| fact.path.to_string()).collect();
        for path in &*probe.asked.lock().unwrap() {
            assert!(!models.contains(path), "{place}: the model of `{path}` is asked again");
        }
        assert!(probe.count() <= count, "{place}");
    }
    // The first life has done it all, and the last one nothing.
    assert!(count > 0 && facts.len() > 8);
    Cell::Works
}

pub(super) fn tools(case: &Case) -> Cell {
    if case.kind == "blocking function" {
        return Cell::Blocks;
    }
    // Each call has the answer that its own question gets.
    let say = |asked: &Requirement| match asked.path.number() {
        Some(1) => Answer::submit(10),
        _ => Answer::submit(20),
    };
    let built = case.build(Act::CallsTools, &Options::default()).unwrap();
    let paused = built.begin("r").unwrap();
    let twos = paused.requirements.iter().map(|asked| asked.path.caller());
    assert!(twos.clone().all(|caller| twos.clone().filter(|other| *other == caller).count() == 2));
    let expected = built.scene.to_the_end(&built.workflow, Ok(paused), say).unwrap();
    assert_eq!(same(&expected).1, same(&case.plain().0).1);
    let charged = built.probe.asked.lock().unwrap().clone();
    let (_, count) = case.plain();
    let each: HashSet<&String> = charged.iter().collect();
    assert_eq!((charged.len(), each.len()), (2 * count, 2 * count), "{charged:?}");
    let facts = built.scene.journal("r");
    for cut in 1..facts.len() {
        let place = format!("cut {cut} of {}: {:?}", facts.len(), facts[cut - 1]);
        let past = &facts[..cut];
        let (scene, probe) = (Scene::after(case.kind, past), Arc::new(Probe::default()));
        let options = Options::default();
        let workflow = case.definition(&scene, Act::CallsTools, &options, &probe).unwrap();
        let again = scene.run(workflow.resume("r").into_future());
        let done = scene.to_the_end(&workflow, again, say).unwrap();
        assert_eq!(same(&done), same(&expected), "{place}");
        let recorded = past.iter().filter(|fact| fact.name() == "StepRecorded");
        let recorded: HashSet<String> = recorded.map(|fact| fact.path.to_string()).collect();
        for path in &*probe.asked.lock().unwrap() {
            assert!(!recorded.contains(path), "{place}: `{path}` charges again");
        }
    }
    Cell::Works
}

pub(super) fn retry(case: &Case) -> Cell {
    let options = Options { retries: Some(1), ..Options::default() };
    let built = built!(case.build(Act::Flaky, &options));
    let done = built.begin("r").unwrap();
    let (plain, count) = case.plain();
    assert_eq!(same(&done), same(&plain));
    assert_eq!(built.probe.count(), 2 * count);
    for step in subjects(&done) {
        assert_eq!(step.attempts, 2);
    }
    Cell::Works
}

pub(super) fn timeout(case: &Case) -> Cell {
    let limit = Duration::from_secs(1);
    let options = Options { timeout: Some(limit), ..Options::default() };
    let built = built!(case.build(Act::Hangs, &options));
    let failed = built.begin("r").unwrap_err();
    built.probe.released.store(true, Ordering::SeqCst);
    let failure = failed.output().unwrap().error.clone().unwrap();
    assert_eq!(
        (failure.error.code, &*failure.error.message),
        (ErrorCode::TimedOut, "it took longer than 1s")
    );
    assert_eq!(failure.step.unwrap().name(), NAME);
    assert_eq!(subjects(failed.output().unwrap())[0].status, StepStatus::Failed);
    // A run that goes on after any cut ends the same. (Blocking threads take real time.)
    let facts = built.scene.journal("r");
    let cuts = if case.kind == "blocking function" { 0 } else { facts.len() };
    for cut in 1..cuts {
        let place = format!("cut {cut} of {}: {:?}", facts.len(), facts[cut - 1]);
        let (scene, probe) = (Scene::after(case.kind, &facts[..cut]), Arc::new(Probe::default()));
        let workflow = case.definition(&scene, Act::Hangs, &options, &probe).unwrap();
        let again = scene.run(workflow.resume("r").into_future()).unwrap_err();
        let (again, first) = (again.output().unwrap(), failed.output().unwrap());
        assert_eq!(again.error, first.error, "{place}");
        assert_eq!(same(again), same(first), "{place}");
        grammar::check(&scene.journal("r"));
    }
    Cell::Works
}

pub(super) fn skip(case: &Case) -> Cell {
    let options = Options { on_error: Some(OnError::Skip), ..Options::default() };
    let built = built!(case.build(Act::Fails, &options));
    let done = built.begin("r").unwrap();
    assert_eq!(done.status, RunStatus::Completed);
    assert_eq!(done.content, case.without().content);
    assert!(built.probe.count() > 0);
    for step in subjects(&done) {
        assert_eq!(step.status, StepStatus::Skipped, "{}", step.path);
    }
    Cell::Works
}

pub(super) fn attach(case: &Case) -> Cell {
    let built = built!(case.build(Act::Works, &Options::review(confirm())));
    let paused = built.begin("r").unwrap();
    let so_far = built.scene.journal("r").len();
    // A workflow that knows nothing but the store.
    let reader = case
        .definition(&built.scene, Act::Works, &Options::review(confirm()), &built.probe)
        .unwrap();
    let follow = |after: usize| built.scene.run(reader.events("r", after as u64)).unwrap();
    let early: Vec<_> = (0..=so_far).map(|after| (after, Box::pin(follow(after)))).collect();
    built.to_the_end(paused, &Answer::Approve).unwrap();
    let facts = built.scene.journal("r");
    let late = (so_far + 1..facts.len()).map(|after| (after, Box::pin(follow(after))));
    for (after, events) in early.into_iter().chain(late) {
        let got: Vec<_> = built.scene.run(events.map(Result::unwrap).collect());
        assert_eq!(got, facts[after..], "after {after} of {}", facts.len());
    }
    assert!(open(&facts).is_empty());
    Cell::Works
}

pub(super) fn changed(case: &Case) -> Cell {
    let of = |version| Options { version: Some(version), ..Options::review(confirm()) };
    let built = built!(case.build(Act::Works, &of("1")));
    let paused = built.begin("r").unwrap();
    let Built { scene, probe, .. } = &built;
    let now = case.definition(scene, Act::Works, &of("2"), probe).unwrap();
    let answer = |asked: &stepwright_core::Requirement| (asked.id.to_string(), Answer::Approve);
    let answers: Vec<_> = paused.requirements.iter().map(answer).collect();
    let facts = scene.journal("r").len();
    let told = r#"`version` was "1" and is "2""#;
    let refused = |error: Error| {
        assert_eq!(error.kind(), ErrorKind::Usage);
        assert!(error.to_string().contains(told), "{error}");
    };
    refused(scene.run(now.resume("r").into_future()).unwrap_err());
    refused(scene.run(now.continue_run("r", answers.clone()).into_future()).unwrap_err());
    refused(scene.run(now.resume("r").background()).unwrap_err());
    assert_eq!((probe.count(), scene.journal("r").len()), (0, facts));
    let accepted = now.continue_run("r", answers).accept_changed_definition(true);
    let first = scene.run(accepted.into_future());
    let done = scene.to_the_end(&now, first, |_| Answer::Approve).unwrap();
    assert_eq!(same(&done), same(&case.plain().0));
    Cell::Works
}

pub(super) fn concurrent(case: &Case) -> Cell {
    let built = built!(case.build(Act::Works, &Options::review(confirm())));
    let begin = |run| Scene::begin(&built.workflow, run).into_future();
    let (one, other) = built.scene.run(join(begin("one"), begin("other")));
    // Both wait at once, and are carried on at once.
    let (mut one, mut other) = (one.unwrap(), other.unwrap());
    while one.is_paused() || other.is_paused() {
        let go_on = async |output: RunOutput| {
            if !output.is_paused() {
                return output;
            }
            let open = output.requirements.iter();
            let answers: Vec<_> = open.map(|r| (r.id.to_string(), Answer::Approve)).collect();
            built.workflow.continue_run(&output.run_id, answers).await.unwrap()
        };
        (one, other) = built.scene.run(join(go_on(one), go_on(other)));
    }
    let (plain, count) = case.plain();
    assert_eq!(same(&one), same(&plain));
    assert_eq!(same(&other), same(&plain));
    let session = built.scene.run(built.workflow.get_session("s")).unwrap();
    assert_eq!(session.state["count"], 2 * count);
    assert_eq!(session.metrics.runs, 2);
    Cell::Works
}

/// The steps that these facts leave under way.
fn under_way(facts: &[Event]) -> HashSet<String> {
    let mut open = HashSet::new();
    for fact in facts {
        match &fact.kind {
            EventKind::StepStarted { executor_type, .. }
                if *executor_type != ExecutorType::Workflow =>
            {
                open.insert(fact.path.to_string());
            }
            EventKind::StepCompleted { .. } => {
                open.remove(fact.path.as_str());
            }
            _ => {}
        }
    }
    open.retain(|path| path.split(['/', '#']).any(|name| name == NAME));
    open
}

pub(super) fn interrupted(case: &Case) -> Cell {
    let asks = Options { on_interrupted: Some(OnInterrupted::Ask), ..Options::default() };
    let built = built!(case.build(Act::Works, &asks));
    let expected = built.begin("r").unwrap();
    let facts = built.scene.journal("r");
    let mut asked = 0;
    for cut in 1..facts.len() {
        let place = format!("cut {cut} of {}: {:?}", facts.len(), facts[cut - 1]);
        let past = &facts[..cut];
        let unknown = under_way(past);
        let open = |output: &RunOutput| -> HashSet<String> {
            let open = output.requirements.iter().map(|asked| asked.path.to_string());
            open.collect()
        };
        // Not done: it runs, and the same comes of it.
        let (scene, probe) = (Scene::after(case.kind, past), Arc::new(Probe::default()));
        let workflow = case.definition(&scene, Act::Works, &asks, &probe).unwrap();
        let first = scene.run(workflow.resume("r").into_future()).unwrap();
        assert_eq!(open(&first), unknown, "{place}");
        for path in &*probe.ran.lock().unwrap() {
            assert!(!unknown.contains(path), "{place}: `{path}` is done before a person says so");
        }
        let done = scene.to_the_end(&workflow, Ok(first), |_| Answer::Retry).unwrap();
        assert_eq!(same(&done), same(&expected), "{place}");
        assert_eq!(&scene.journal("r")[..cut], past, "{place}");
        if unknown.is_empty() {
            continue;
        }
        asked += 1;
        // Given up, by a person or by the definition: it fails, and is not done.
        let fails = Options { on_interrupted: Some(OnInterrupted::Fail), ..Options::default() };
        for options in [&asks, &fails] {
            let (scene, probe) = (Scene::after(case.kind, past), Arc::new(Probe::default()));
            let workflow = case.definition(&scene, Act::Works, options, &probe).unwrap();
            let accept = workflow.resume("r").accept_changed_definition(true);
            let first = scene.run(accept.into_future());
            let failed = match first {
                Ok(paused) => {
                    let answers: Vec<_> = open(&paused)
                        .into_iter()
                        .map(|path| (path, Answer::reject("no")))
                        .collect();
                    let go_on = workflow.continue_run("r", answers);
                    scene.run(go_on.into_future()).unwrap_err()
                }
                Err(failed) => failed,
            };
            let failure = failed.output().unwrap().error.clone().unwrap();
            assert_eq!(failure.error.code, ErrorCode::OutcomeUnknown, "{place}");
            assert!(
                probe.ran.lock().unwrap().iter().all(|path| !unknown.contains(path)),
                "{place}"
            );
        }
    }
    assert!(asked > 0);
    Cell::Works
}

pub(super) fn answer_in_a_crash(case: &Case) -> Cell {
    let options = Options::review(confirm());
    let built = built!(case.build(Act::Works, &options));
    let mut output = built.begin("r").unwrap();
    waits(&output, "confirm");
    while output.is_paused() {
        for asked in &output.requirements {
            let reply = Reply {
                requirement_id: asked.id.clone(),
                answer: Answer::Approve,
                by: None,
                timed_out: false,
            };
            let signal = Signal::answer(output.run_id.clone(), reply, built.scene.world().now());
            assert!(built.scene.run(built.scene.memory.submit(signal)).unwrap());
        }
        // Another process, that finds them.
        let next = case.definition(&built.scene, Act::Works, &options, &built.probe).unwrap();
        let first = output.requirements[0].id.to_string();
        let other = next.continue_run("r", [(first.clone(), Answer::reject("no"))]);
        let refused = built.scene.run(other.into_future()).unwrap_err();
        assert!(refused.to_string().contains("is already answered"), "{refused}");
        let again = next.continue_run("r", [(first, Answer::Approve)]);
        output = built.scene.run(again.into_future()).unwrap();
    }
    let (plain, count) = case.plain();
    assert_eq!(same(&output), same(&plain));
    assert_eq!(built.probe.count(), count);
    Cell::Works
}

pub(super) fn late(case: &Case) -> Cell {
    let minute = Duration::from_mins(1);
    let review = confirm().on_reject(OnReject::Skip).timeout(minute).on_timeout(OnTimeout::Reject);
    let options = Options::review(review);
    let built = built!(case.build(Act::Works, &options));
    let mut output = built.begin("r").unwrap();
    waits(&output, "confirm");
    let mut refused = 0;
    while output.is_paused() {
        built.scene.run(built.scene.world().sleep(minute + minute));
        let answers: Vec<_> = output
            .requirements
            .iter()
            .map(|asked| (asked.id.to_string(), Answer::Approve))
            .collect();
        refused += answers.len();
        let late = built.workflow.continue_run("r", answers).into_future();
        let late = built.scene.run(late).unwrap_err();
        assert_eq!(late.kind(), ErrorKind::Usage);
        assert!(late.to_string().contains("came too late: its deadline was"), "{late}");
        output = late.into_output().unwrap();
    }
    assert_eq!(output.status, RunStatus::Completed);
    assert_eq!(output.content, case.without().content);
    assert_eq!(built.probe.count(), 0, "what came too late counts");
    assert_eq!(output.refused_answers.len(), refused);
    for answer in &output.refused_answers {
        assert_eq!(answer.came.since(answer.due), minute);
    }
    grammar::check(&built.scene.journal("r"));
    Cell::Works
}
