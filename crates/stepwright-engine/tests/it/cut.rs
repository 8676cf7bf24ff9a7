//! A run cut at any fact of its journal and taken up again ends as the uncut run ends, and does no
//! completed step twice.

use crate::support::call_tools;
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use stepwright_core::StepStatus;
use stepwright_core::journal::Append;
use stepwright_core::plan::{Join, OnError, OnExhausted, Retry};
use stepwright_core::store::RunStore as _;
use stepwright_core::world::VirtualClock;
use stepwright_core::{
    ContainerKind, Content, Error, Event, EventKind, Executor, Memory, Patch, RunOutput,
    StepContext, StepError, StepInput, StepOutput, StepPath, World,
};
use stepwright_engine::{
    AnyStep, Condition, IntoStep as _, Loop, LoopView, Map, Parallel, Router, Step, Steps,
    Workflow, WorkflowBuilder,
};
use stepwright_testing::grammar;

const PLANS: u64 = 500;
const DEPTH: u32 = 3;

pub(crate) type Calls = Arc<Mutex<HashMap<StepPath, u32>>>;

/// A step whose work is a function of its address, its attempt and its input.
struct Leaf {
    name: String,
    calls: Calls,
    /// `true` once what was broken works.
    repaired: Arc<AtomicBool>,
}

impl Leaf {
    async fn once(&self, cx: &StepContext, key: &str) -> Result<u64, StepError> {
        let work = async {
            *self.calls.lock().unwrap().entry(cx.path().child(key)).or_default() += 1;
            Ok::<_, StepError>(hash(cx.path().as_str()) % 100)
        };
        cx.once(key, work).await
    }
}

fn hash(text: &str) -> u64 {
    text.bytes().fold(7, |h: u64, b| h.wrapping_mul(31).wrapping_add(b.into())) >> 3
}

impl Executor for Leaf {
    fn name(&self) -> &str {
        &self.name
    }

    async fn execute(&self, input: StepInput, cx: StepContext) -> Result<StepOutput, StepError> {
        *self.calls.lock().unwrap().entry(cx.path().clone()).or_default() += 1;
        let h = hash(cx.path().as_str());
        if h.is_multiple_of(3) {
            cx.world().sleep(Duration::from_millis(h % 50)).await;
        }
        cx.emit(format!("{} works", cx.path()));
        if h.is_multiple_of(13) {
            // A turn of an agent whose tool does two things once, under the same names in each
            // call.
            let told = call_tools(&cx, &[1, 1], |number, cx| async move {
                let first = self.once(&cx, "a").await?;
                Ok(first + number * self.once(&cx, "b").await?)
            });
            told.await?;
        }
        if h.is_multiple_of(5) && cx.attempt() == 1 {
            return Err(StepError::new("flaky"));
        }
        if h.is_multiple_of(17) && !self.repaired.load(Ordering::Relaxed) {
            return Err(StepError::terminal("broken"));
        }
        let seen = input.scope.leaves().len() + input.state.len();
        let text = format!("{}", (hash(&input.text()) ^ h).wrapping_add(seen as u64) % 10_000);
        let output = StepOutput::from(text);
        Ok(match h % 7 {
            0 => output.patch(Patch::increment("count", 1)),
            1 => output.patch(Patch::append("log", cx.path().as_str())),
            2 if h.is_multiple_of(11) => output.stop(),
            _ => output,
        })
    }
}

pub(crate) struct Plans {
    world: World,
    calls: Calls,
    repaired: Arc<AtomicBool>,
}

impl Plans {
    fn below(&self, n: u64) -> u64 {
        self.world.chance() % n
    }

    fn body(&self, depth: u32) -> Vec<AnyStep> {
        (0..=self.below(3)).map(|i| self.node(depth, &format!("s{i}"))).collect()
    }

    fn on_error(&self) -> OnError {
        match self.below(6) {
            0 => OnError::Skip,
            1 => OnError::Continue,
            _ => OnError::Fail,
        }
    }

    fn join(&self) -> Join {
        [Join::WaitAll, Join::FailFast, Join::BestEffort][usize::try_from(self.below(3)).unwrap()]
    }

    fn node(&self, depth: u32, name: &str) -> AnyStep {
        let kind = if depth == 0 { 0 } else { self.below(9) };
        let on_error = self.on_error();
        let body = || self.body(depth - 1);
        match kind {
            1 => body()
                .into_iter()
                .fold(Steps::new(name), Steps::step)
                .on_error(on_error)
                .into_step(),
            2 => {
                let parallel = Parallel::new(name).join(self.join());
                let parallel = match self.below(2) {
                    0 => parallel,
                    _ => parallel.concurrency(2),
                };
                body().into_iter().fold(parallel, Parallel::branch).on_error(on_error).into_step()
            }
            3 => {
                let turns = 1 + u32::try_from(self.below(3)).unwrap();
                let repeat = Loop::new(name)
                    .at_most(turns)
                    .until(|turn: &LoopView| hash(&turn.text()).is_multiple_of(3));
                let repeat = if self.below(2) == 0 { repeat.forward() } else { repeat };
                let repeat = match self.below(3) {
                    0 => repeat,
                    _ => repeat.on_exhausted(OnExhausted::Continue),
                };
                body().into_iter().fold(repeat, Loop::step).on_error(on_error).into_step()
            }
            4 => {
                let holds = |input: &StepInput| hash(&input.text()).is_multiple_of(2);
                let then = body().into_iter().fold(Condition::new(name, holds), Condition::then);
                let other = self.node(depth - 1, "other");
                then.otherwise(other).on_error(on_error).into_step()
            }
            5 => {
                let router = Router::new(name, |input: &StepInput| match hash(&input.text()) % 3 {
                    0 => vec!["s0"],
                    1 => vec!["last", "s0"],
                    _ => vec![],
                });
                let router = body().into_iter().fold(router, Router::choice);
                router.choice(self.node(depth - 1, "last")).on_error(on_error).into_step()
            }
            6 => {
                let over = |input: &StepInput| {
                    let items = hash(&input.text()) % 4;
                    (0..items).map(|i| format!("item {i}")).collect::<Vec<_>>()
                };
                let map = Map::new(name).over(over).join(self.join()).concurrency(2);
                body().into_iter().fold(map, Map::step).on_error(on_error).into_step()
            }
            7 => {
                let inner = body().into_iter().fold(Workflow::builder("w"), WorkflowBuilder::step);
                Step::workflow(name, inner.build().unwrap()).on_error(on_error).into_step()
            }
            _ => {
                let (calls, repaired) = (self.calls.clone(), self.repaired.clone());
                let leaf = Leaf { name: name.to_owned(), calls, repaired };
                let retry = Retry { retries: 2, ..Retry::default() };
                Step::new(name, leaf).retry(retry).on_error(on_error).into_step()
            }
        }
    }

    /// The plan of this seed, on this store. The same seed gives the same plan.
    fn workflow(seed: u64, store: Memory, clock: VirtualClock, calls: Calls) -> Workflow {
        Self::repairable(seed, store, clock, calls, Arc::default())
    }

    /// The plan of this seed, in which nothing is broken for good once `repaired` is set.
    pub(crate) fn repairable(
        seed: u64,
        store: Memory,
        clock: VirtualClock,
        calls: Calls,
        repaired: Arc<AtomicBool>,
    ) -> Workflow {
        let plans = Self { world: World::seeded(seed), calls, repaired };
        let steps = plans.body(DEPTH);
        let builder = steps.into_iter().fold(Workflow::builder("sim"), WorkflowBuilder::step);
        builder.store(store).world(World::new(clock, seed)).build().unwrap()
    }
}

/// Returns the end of a run, as far as it must be the same however often it was cut.
pub(crate) fn outcome(answer: Result<RunOutput, Error>) -> (String, Content, Option<String>) {
    let output = answer
        .unwrap_or_else(|error| error.into_output().expect("a run that failed says what was done"));
    let error =
        output.error.map(|failure| format!("{:?}: {}", failure.step, failure.error.message));
    (output.status.to_string(), output.content, error)
}

/// Returns the completed steps and the decisions, in whatever order branches made them.
fn done(facts: &[Event]) -> BTreeMap<String, String> {
    let kept = facts.iter().filter_map(|fact| match &fact.kind {
        EventKind::StepCompleted { output } => Some((fact, format!("{:?}", output.content))),
        EventKind::ContainerCompleted { kind: ContainerKind::Iteration, turns, .. } => {
            Some((fact, format!("{} {}", turns.should_continue, turns.exhausted)))
        }
        EventKind::ContainerCompleted { kind: ContainerKind::Loop, turns, end }
            if end.status != StepStatus::Cancelled =>
        {
            Some((fact, format!("{} {} {}", turns.number, turns.exhausted, end.status)))
        }
        EventKind::ContainerStarted { kind: ContainerKind::Router, decision } => {
            Some((fact, format!("{decision:?}")))
        }
        _ => None,
    });
    kept.map(|(fact, what)| (format!("{} {}", fact.path, fact.name()), what)).collect()
}

/// Returns `true` if a step ends the run early while others run beside it.
fn races(facts: &[Event]) -> bool {
    facts.iter().any(|fact| match &fact.kind {
        EventKind::StepCompleted { output } if output.stop => facts.iter().any(|around| {
            let concurrent = match around.kind {
                EventKind::ContainerStarted { kind, .. } => kind.is_concurrent(),
                _ => false,
            };
            concurrent && around.path.contains(&fact.path)
        }),
        _ => false,
    })
}

#[test]
fn a_cut_run_ends_as_the_uncut_run() {
    let (mut cuts, mut failed, mut retried, mut stopped) = (0, 0, 0, 0);
    for seed in 0..PLANS {
        let clock = VirtualClock::default();
        let store = Memory::default();
        let workflow = Plans::workflow(seed, store.clone(), clock.clone(), Calls::default());
        let run = workflow.run("in").run_id("sim").session_id("s");
        let expected = outcome(clock.run(run.into_future()));
        let run: stepwright_core::RunId = "sim".parse().unwrap();
        let facts = clock.run(store.load(&run, 0, usize::MAX)).unwrap();
        let state = clock.run(workflow.get_session_state("s")).unwrap();
        grammar::check(&facts);
        failed += usize::from(expected.0 == "ERROR");
        let is = |name: &str| facts.iter().filter(|fact| fact.name() == name).count();
        retried += is("StepRetrying");
        stopped += is("StepCancelled");

        for cut in 1..facts.len() {
            let place = format!("seed {seed}, cut {cut} of {}", facts.len());
            let past = facts[..cut].to_vec();
            let calls = Calls::default();
            let (clock, store) = (VirtualClock::default(), Memory::default());
            let append =
                Append { run: run.clone(), facts: past.clone(), close: None, driver: None };
            clock.run(store.append(append)).unwrap();
            let again = Plans::workflow(seed, store.clone(), clock.clone(), calls.clone());
            let actual = outcome(clock.run(again.resume("sim").into_future()));
            let journal = clock.run(store.load(&run, 0, usize::MAX)).unwrap();
            // The first of two branches that both want to end the run wins, and attempts that begin
            // anew may take another order.
            let races = races(&facts) || races(&journal);
            assert!(races || actual == expected, "{place}: {actual:?} is not {expected:?}");
            grammar::check(&journal);
            assert_eq!(&journal[..cut], &past[..], "{place}: the past is rewritten");
            for fact in &past {
                if matches!(fact.kind, EventKind::StepCompleted { .. }) {
                    let again = calls.lock().unwrap().get(&fact.path).copied();
                    assert_eq!(again, None, "{place}: `{}` was done again", fact.path);
                }
                if let EventKind::StepRecorded { key, .. } = &fact.kind {
                    let again = calls.lock().unwrap().get(&fact.path.child(key)).copied();
                    assert_eq!(again, None, "{place}: `{key}` of `{}` was done again", fact.path);
                }
            }
            // A sibling that was stopped, or did not begin because another one had failed, may get
            // further, or less far, than in the uncut run.
            let gave_up = facts.iter().any(|fact| match &fact.kind {
                EventKind::ContainerCompleted { kind, end, .. } if kind.is_concurrent() => {
                    end.status != StepStatus::Completed
                }
                _ => false,
            });
            if is("StepCancelled") == 0 && !gave_up && !races {
                assert_eq!(done(&journal), done(&facts), "{place}");
            }
            let state_now = clock.run(again.get_session_state("s")).unwrap();
            assert!(races || state_now == state, "{place}: the session state");
            cuts += 1;
        }
    }
    // The plans are worth their name: things fail, are tried again, and are stopped in them.
    assert!(failed > 20 && retried > 100 && stopped > 5, "{failed} {retried} {stopped}");
    assert!(cuts > 5_000, "{cuts}");
}
