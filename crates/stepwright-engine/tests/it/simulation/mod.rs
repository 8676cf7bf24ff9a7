//! A run ends as it would have ended undisturbed, whatever happens to it: its process dies at any
//! moment, wakes come twice, late or never, answers come early, twice or too late, and several want
//! to drive it at once.
//!
//! `SIM_SEED=7` runs one seed, `SIM_PLANS=20000` runs more of them.

mod dispatched;
mod disturbed;
mod found;
mod plans;
pub(crate) mod store;

use plans::{DEADLINE, Log, Plans, Shared, said};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use stepwright_core::fold::Fold;
use stepwright_core::journal::Append;
use stepwright_core::requirement::RequirementKind;
use stepwright_core::state::State;
use stepwright_core::store::Signal;
use stepwright_core::store::{Inbox as _, RunStore as _};
use stepwright_core::world::VirtualClock;
use stepwright_core::{
    Answer, Content, Error, ErrorCode, Event, EventKind, Memory, Requirement, RunId, RunOutput,
    RunStatus, StepStatus, World,
};
use stepwright_engine::{Workflow, WorkflowBuilder};
use stepwright_testing::grammar;
use store::Slow;

const PLANS: u64 = 3_000;

/// Every so many plans are cut at every entry of their journals, and the others at a few.
const ALL_CUTS: u64 = 16;

/// The number of times that a run may be taken up until it ends.
const DRIVES_MAX: u32 = 1_000;

/// The end of a run, as far as it must be the same however often it was disturbed.
#[derive(Debug, PartialEq)]
struct Outcome {
    status: RunStatus,
    content: Content,
    error: Option<String>,
    steps: Vec<(String, StepStatus, Content, u32, Option<String>)>,
    state: State,
}

/// Counts of what happened in all plans: so that the simulation is worth its name.
#[derive(Default)]
struct Seen(BTreeMap<&'static str, u64>);

impl Seen {
    fn saw(&mut self, what: &'static str) {
        *self.0.entry(what).or_default() += 1;
    }

    fn add(&mut self, other: &Self) {
        for (what, count) in &other.0 {
            *self.0.entry(what).or_default() += count;
        }
    }

    /// Asserts that each of these was seen often enough.
    #[track_caller]
    fn check(&self, all: &[&str]) {
        for what in all {
            let count = self.0.get(what).copied().unwrap_or_default();
            assert!(count >= 20, "{what}: {:?}", self.0);
        }
    }
}

/// One run of the plan of one seed, and all that lasts longer than a process.
struct Sim {
    seed: u64,
    clock: VirtualClock,
    memory: Memory,
    log: Shared,
    run: RunId,
    /// The time that people with a deadline have.
    deadline: Duration,
}

impl Sim {
    fn new(seed: u64) -> Self {
        let run = "sim".parse().unwrap();
        let (clock, memory) = (VirtualClock::default(), Memory::default());
        Self { seed, clock, memory, log: Shared::default(), run, deadline: DEADLINE }
    }

    fn world(&self) -> World {
        World::new(self.clock.clone(), self.seed)
    }

    /// Returns a workflow that knows nothing but the store.
    fn fresh(&self, store: Slow) -> Workflow {
        self.fresh_with(store, self.world(), |builder| builder)
    }

    fn fresh_with(
        &self,
        store: Slow,
        world: World,
        more: impl FnOnce(WorkflowBuilder) -> WorkflowBuilder,
    ) -> Workflow {
        let plans = Plans::new(self.seed, self.log.clone(), self.deadline);
        more(plans.builder().store(store).world(world)).build().unwrap_or_else(|error| {
            panic!("seed {} is no definition: {}", self.seed, error.report())
        })
    }

    fn quick(&self) -> Workflow {
        self.fresh(Slow::quick(self.memory.clone()))
    }

    async fn facts(&self) -> Vec<Event> {
        self.memory.load(&self.run, 0, usize::MAX).await.unwrap()
    }

    fn journal(&self) -> Vec<Event> {
        self.clock.run(self.facts())
    }

    /// Returns the requests that the run waits for.
    fn open(facts: &[Event]) -> Vec<Requirement> {
        let mut fold = Fold::default();
        for fact in facts {
            fold.apply(fact).unwrap();
        }
        fold.requirements().to_vec()
    }

    /// Returns the answers that people give now.
    fn answers(&self, facts: &[Event]) -> Vec<(String, Answer)> {
        let open = Self::open(facts).into_iter();
        open.filter_map(|asked| said(self.seed, &asked).map(|a| (asked.id.to_string(), a)))
            .collect()
    }

    fn status(&self) -> RunStatus {
        self.clock.run(self.memory.run(&self.run)).unwrap().unwrap().status
    }

    fn sleep_until_due(&self) {
        let row = self.clock.run(self.memory.run(&self.run)).unwrap().unwrap();
        let due = row.wake_at.expect("no answer is due, and it waits for no moment");
        let world = self.world();
        self.clock.run(world.sleep(due.since(world.now())));
    }

    /// Carries the run on until it has ended, and answers whatever it asks at once.
    fn to_the_end(&self, workflow: &Workflow, mut answer: Result<RunOutput, Error>) {
        for _ in 0..DRIVES_MAX {
            match answer {
                Ok(output) if output.is_terminal() => return,
                Ok(output) => assert!(output.is_paused(), "it was left as {}", output.status),
                Err(error) => {
                    assert!(
                        error.output().is_some_and(RunOutput::is_terminal),
                        "it was left with: {}",
                        error.report()
                    );
                    return;
                }
            }
            let before = self.journal();
            let answers = self.answers(&before);
            if answers.is_empty() {
                self.sleep_until_due();
            }
            answer = self.clock.run(workflow.continue_run(&self.run, answers).into_future());
            self.check_drive(&before);
        }
        panic!("it does not end");
    }

    /// Nothing that the journal had was done again, and nothing was done twice.
    fn check_drive(&self, before: &[Event]) {
        let Log { ran, once, .. } = std::mem::take(&mut *self.log.lock().unwrap());
        let mut attempts = HashMap::new();
        let mut recorded = HashSet::new();
        for fact in before {
            match &fact.kind {
                EventKind::StepCompleted { .. }
                | EventKind::StepSkipped { .. }
                | EventKind::StepError { .. }
                | EventKind::StepCancelled { .. } => {
                    attempts.insert(&fact.path, u32::MAX);
                }
                EventKind::StepRetrying { attempt, .. } => {
                    attempts.insert(&fact.path, *attempt);
                }
                EventKind::StepRecorded { key, .. } => {
                    recorded.insert((&fact.path, &**key));
                }
                kind => {
                    if let Some(
                        RequirementKind::OutputReview { attempts: made, .. }
                        | RequirementKind::ErrorDecision { attempts: made, .. },
                    ) = kind.requirement().map(|asked| &asked.kind)
                    {
                        attempts.insert(&fact.path, *made);
                    }
                }
            }
        }
        let mut now = HashSet::new();
        for (path, attempt) in &ran {
            let made = attempts.get(path).copied().unwrap_or(0);
            assert!(*attempt > made, "attempt {attempt} of `{path}` was done again");
            assert!(now.insert((path, *attempt)), "attempt {attempt} of `{path}` was done twice");
        }
        let mut now = HashSet::new();
        for (path, key) in &once {
            assert!(!recorded.contains(&(path, *key)), "`{key}` of `{path}` was done again");
            assert!(now.insert((path, *key)), "`{key}` of `{path}` was done twice");
        }
    }

    /// Checks what holds for every journal of a run that has ended.
    fn check_journal(facts: &[Event]) {
        grammar::check(facts);
        let (mut asked, mut answered) = (HashSet::new(), HashSet::new());
        for (place, fact) in facts.iter().enumerate() {
            assert_eq!(fact.sequence, place as u64, "a number is missing");
            if let Some(requirement) = fact.kind.requirement() {
                assert!(asked.insert(&requirement.id), "`{}` is asked twice", requirement.id);
            }
            if let Some(reply) = fact.kind.reply() {
                let id = &reply.requirement_id;
                assert!(asked.contains(id), "`{id}` is answered and was not asked");
                assert!(answered.insert(id), "`{id}` is answered twice");
            }
        }
    }

    fn outcome(&self, workflow: &Workflow) -> Outcome {
        let output = self.clock.run(workflow.get_run(&self.run)).unwrap();
        let said =
            |error: &stepwright_core::ErrorData| format!("{:?} {}", error.code, error.message);
        let steps = output.walk().map(|step| {
            let error = step.error.as_deref().map(said);
            (step.path.to_string(), step.status, step.content.clone(), step.attempts, error)
        });
        Outcome {
            status: output.status,
            content: output.content.clone(),
            error: output.error.as_ref().map(|f| format!("{:?} {}", f.step, said(&f.error))),
            steps: steps.collect(),
            state: self.clock.run(workflow.get_session_state("s")).unwrap(),
        }
    }
}

/// Compares what must be the same.
fn check_same(seed: u64, expected: &Outcome, actual: &Outcome) {
    // Where a branch may stop another, it is chance how far that one gets.
    if Plans::races(seed) {
        return;
    }
    assert_eq!(actual.status, expected.status);
    if expected.status != RunStatus::Cancelled {
        assert_eq!(actual, expected);
    }
}

/// The run as it goes when nothing happens to it.
fn undisturbed(sim: Sim) -> (Sim, Outcome) {
    let workflow = sim.quick();
    let run = workflow.run("in").run_id(&sim.run).session_id("s");
    let first = sim.clock.run(run.into_future());
    sim.check_drive(&[]);
    sim.to_the_end(&workflow, first);
    Sim::check_journal(&sim.journal());
    let outcome = sim.outcome(&workflow);
    (sim, outcome)
}

/// The run with its process killed after `cut` facts, and taken up by another that knows only the
/// store. `heard` says that the answer which came next was left already.
fn cut(seed: u64, facts: &[Event], cut: usize, heard: bool) -> Outcome {
    let sim = Sim::new(seed);
    let past = facts[..cut].to_vec();
    let (run, clock) = (sim.run.clone(), &sim.clock);
    let world = sim.world();
    clock.run(world.sleep(past[cut - 1].time.since(world.now())));
    let append = Append { run: run.clone(), facts: past.clone(), close: None, driver: None };
    clock.run(sim.memory.append(append)).unwrap();
    if heard {
        let open = Sim::open(&past);
        let next = facts[cut..].iter().filter_map(|fact| fact.kind.reply());
        if let Some(reply) = next
            .into_iter()
            .find(|r| !r.timed_out && open.iter().any(|asked| asked.id == r.requirement_id))
            && open.iter().any(|o| o.id == reply.requirement_id && o.needs_person())
        {
            let signal = Signal::answer(run.clone(), reply.clone(), world.now());
            assert!(clock.run(sim.memory.submit(signal)).unwrap());
        }
    }
    let workflow = sim.quick();
    let again = clock.run(workflow.resume(&run).into_future());
    sim.check_drive(&past);
    sim.to_the_end(&workflow, again);
    let journal = sim.journal();
    Sim::check_journal(&journal);
    assert_eq!(&journal[..cut], &past[..], "the past is rewritten");
    sim.outcome(&workflow)
}

fn simulate(seed: u64, seen: &mut Seen) {
    let (sim, expected) = undisturbed(Sim::new(seed));
    let facts = sim.journal();
    seen.saw("plans");
    for fact in &facts {
        seen.saw(fact.name());
        if let Some(asked) = fact.kind.requirement() {
            seen.saw(match asked.kind {
                RequirementKind::Confirmation { .. } => "confirmation",
                RequirementKind::UserInput { .. } => "user input",
                RequirementKind::RouteSelection { .. } => "route selection",
                RequirementKind::OutputReview { .. } => "output review",
                RequirementKind::IterationReview { .. } => "iteration review",
                RequirementKind::Wait { .. } => "wait",
                RequirementKind::ErrorDecision { .. } => "error decision",
                RequirementKind::Sleep => "sleep",
                RequirementKind::Deadline => "deadline",
                _ => "another question",
            });
        }
        if let EventKind::StepRetrying { error, .. } | EventKind::StepError { error, .. } =
            &fact.kind
            && error.code == ErrorCode::TimedOut
        {
            seen.saw("too long");
        }
        if let Some(reply) = fact.kind.reply() {
            seen.saw(if reply.timed_out { "timed out" } else { reply.answer.word() });
        }
    }
    let chance = World::seeded(seed ^ 0x00C0_FFEE);
    let all = seed.is_multiple_of(ALL_CUTS);
    let undisturbed = || format!("the undisturbed run:\n{}", grammar::transcript(&facts));
    for place in 1..facts.len() {
        if all || chance.chance() % (facts.len() as u64) < 3 {
            let heard = chance.chance().is_multiple_of(2);
            let here =
                || format!("cut {place} of {}, heard {heard}; {}", facts.len(), undisturbed());
            at(here, || check_same(seed, &expected, &cut(seed, &facts, place, heard)));
            seen.saw("cuts");
        }
    }
    at(
        || format!("disturbed; {}", undisturbed()),
        || {
            check_same(seed, &expected, &disturbed::run(seed, &facts, seen));
        },
    );
}

/// Says where it was when it fails.
fn at(place: impl FnOnce() -> String, work: impl FnOnce()) {
    let Err(panic) = catch_unwind(AssertUnwindSafe(work)) else { return };
    let what = panic.downcast_ref::<String>().map(String::as_str);
    let what = what.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
    panic!("{what}\nin {}", place());
}

/// Does this with all seeds, on all processors; gives what was seen, unless one seed was named.
fn with_seeds(plans: u64, simulate: impl Fn(u64, &mut Seen) + Sync) -> Option<Seen> {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let (seeds, only) = match number("SIM_SEED") {
        Some(seed) => (seed..seed + 1, true),
        None => (0..number("SIM_PLANS").unwrap_or(plans), false),
    };
    let next = AtomicU64::new(seeds.start);
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(8);
    let seen = std::thread::scope(|scope| {
        let work = || {
            let mut seen = Seen::default();
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= seeds.end {
                    return seen;
                }
                let place = || {
                    // No thread begins another one.
                    next.store(u64::MAX / 2, Ordering::Relaxed);
                    format!("seed {seed}: `just sim {seed}` (SIM_SEED={seed}) runs it alone")
                };
                at(place, || simulate(seed, &mut seen));
            }
        };
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        let mut all = Seen::default();
        for worker in workers {
            all.add(&worker.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
        all
    });
    (!only).then_some(seen)
}

#[test]
fn whatever_happens_to_a_run_it_ends_as_the_undisturbed_run() {
    let Some(seen) = with_seeds(PLANS, simulate) else { return };
    // The plans are worth their name: everything happens in them.
    seen.check(&[
        "confirmation",
        "user input",
        "route selection",
        "output review",
        "iteration review",
        "wait",
        "error decision",
        "sleep",
        "deadline",
        "DeadlinePassed",
        "timed out",
        "approve",
        "reject",
        "edit",
        "submit",
        "select",
        "retry",
        "skip",
        "elapsed",
        "too long",
        "StepRetrying",
        "StepCancelled",
        "StepRecorded",
        "WorkflowCompleted",
        "WorkflowError",
        "WorkflowCancelled",
        "WorkflowPaused",
        "killed",
        "haunted",
        "haunted answers",
        "thawed",
        "lost wakes",
        "two at once",
        "two who answer",
        "two who answer the same",
        "answers without a listener",
        "early answers",
        "late answers",
        "wrong answers",
        "slow readers",
    ]);
}
