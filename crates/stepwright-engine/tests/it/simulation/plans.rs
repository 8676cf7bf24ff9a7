//! Random plans, in which everything happens, and what people say in them: both by a seed.

use crate::support::call_tools;
use futures_util::FutureExt as _;
use serde_json::json;
use std::cell::Cell;
use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use stepwright_core::plan::{ErrorPolicy, Join, OnError, OnExhausted, Retry};
use stepwright_core::requirement::{OnTimeout, RequirementKind};
use stepwright_core::review::Reviewed;
use stepwright_core::store::RunStore as _;
use stepwright_core::{
    Answer, ErrorCode, EventKind, Executor, HumanReview, Memory, OnReject, Patch, Requirement,
    StepContext, StepError, StepInput, StepOutput, StepPath, World,
};
use stepwright_engine::{
    AnyStep, Condition, IntoStep as _, Loop, LoopView, Map, Parallel, Router, Step, Steps,
    Workflow, WorkflowBuilder,
};

const DEPTH: u32 = 2;

/// The time that people with a deadline have. Everything else takes seconds.
pub(crate) const DEADLINE: Duration = Duration::from_hours(24);

/// The time that an attempt may take of a step that may never end.
const TIMEOUT: Duration = Duration::from_secs(20);

/// The time that a container may take that is done long before.
const LONG: Duration = Duration::from_hours(100_000);

/// A log of what was really done.
#[derive(Debug, Default)]
pub(crate) struct Log {
    /// Attempts of steps that began.
    pub(crate) ran: Vec<(StepPath, u32)>,
    /// Bodies of `once` that began.
    pub(crate) once: Vec<(StepPath, &'static str)>,
    /// Where to look whether what begins was done already.
    pub(crate) journal: Option<Memory>,
    /// The work that was done already when it began.
    pub(crate) again: Vec<String>,
}

impl Log {
    fn begins(&mut self, path: &StepPath, attempt: u32) {
        self.ran.push((path.clone(), attempt));
        self.look(path, |kind| match kind {
            EventKind::StepRetrying { attempt: failed, .. } => *failed >= attempt,
            EventKind::StepCompleted { .. }
            | EventKind::StepSkipped { .. }
            | EventKind::StepError { .. }
            | EventKind::StepCancelled { .. } => true,
            _ => false,
        });
    }

    fn begins_once(&mut self, path: &StepPath, key: &'static str) {
        self.once.push((path.clone(), key));
        self.look(path, |kind| match kind {
            EventKind::StepRecorded { key: recorded, .. } => **recorded == *key,
            _ => false,
        });
    }

    fn look(&mut self, path: &StepPath, is_done: impl Fn(&EventKind) -> bool) {
        let Some(memory) = &self.journal else { return };
        let run = "sim".parse().unwrap();
        let facts = memory.load(&run, 0, usize::MAX).now_or_never().unwrap().unwrap();
        if facts.iter().any(|fact| fact.path == *path && is_done(&fact.kind)) {
            self.again.push(path.to_string());
        }
    }
}

pub(crate) type Shared = Arc<Mutex<Log>>;

pub(crate) fn hash(text: &str) -> u64 {
    let hashed = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |h: u64, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    (hashed ^ (hashed >> 29)) >> 3
}

/// A step whose work is a function of the seed, its address, its attempt and its input.
struct Leaf {
    seed: u64,
    name: String,
    log: Shared,
    deadline: Duration,
    /// `true` if its first attempt may never end: it has a timeout then.
    hangs: bool,
    /// `true` if it may end the run. Beside others it would race with them.
    stops: bool,
}

impl Leaf {
    async fn once(&self, cx: &StepContext, key: &'static str, h: u64) -> Result<u64, StepError> {
        let work = async {
            self.log.lock().unwrap().begins_once(cx.path(), key);
            if h.is_multiple_of(2) {
                cx.world().sleep(Duration::from_millis(h % 9)).await;
            }
            Ok::<_, StepError>(h % 100)
        };
        cx.once(key, work).await
    }

    async fn wait(&self, cx: &StepContext, name: &str, h: u64) -> Result<u64, StepError> {
        let wait = cx.wait::<u64>(name).message("How many?");
        match h % 4 {
            0 => wait.await,
            1 => wait.schema(json!({ "type": "integer" })).await,
            2 => wait.timeout(self.deadline).await,
            _ => wait.timeout(self.deadline).default_answer(7).await,
        }
    }
}

impl Executor for Leaf {
    fn name(&self) -> &str {
        &self.name
    }

    async fn execute(&self, input: StepInput, cx: StepContext) -> Result<StepOutput, StepError> {
        self.log.lock().unwrap().begins(cx.path(), cx.attempt());
        let h = hash(&format!("{} {}", self.seed, cx.path()));
        if h.is_multiple_of(3) {
            cx.world().sleep(Duration::from_millis(h % 50)).await;
        }
        cx.emit(format!("{} works", cx.path()));
        let mut told = 0;
        match (h / 64) % 16 {
            0 => told = self.once(&cx, "a", h).await?,
            1 => told = self.wait(&cx, "one", h / 1024).await?,
            2 => cx.sleep_for("nap", Duration::from_millis(h % 5_000)).await?,
            3 => {
                told = self.once(&cx, "a", h).await?;
                told += self.wait(&cx, "one", h / 1024).await?;
                told += self.once(&cx, "b", h / 3).await?;
            }
            4 => {
                cx.sleep_for("nap", Duration::from_millis(h % 2_000)).await?;
                told = self.wait(&cx, "one", h / 1024).await?;
                told += self.wait(&cx, "two", h / 4096).await?;
            }
            // Two turns of an agent whose tool does something, asks and naps, under the same names.
            5 => {
                for numbers in [&[1, 1][..], &[2]] {
                    let told_now = call_tools(&cx, numbers, |number, cx| async move {
                        let h = hash(&format!("{h} {}", cx.path()));
                        let mut told = self.once(&cx, "a", h).await? * number;
                        // Of those at once only one asks: two could be rejected in either order.
                        if h.is_multiple_of(3) && cx.path().number() != Some(1) {
                            told += self.wait(&cx, "one", h / 1024).await?;
                        }
                        if h.is_multiple_of(4) {
                            cx.sleep_for("nap", Duration::from_millis(h % 3_000)).await?;
                        }
                        Ok(told + self.once(&cx, "b", h / 3).await?)
                    });
                    told += told_now.await?.into_iter().sum::<u64>();
                }
            }
            _ => {}
        }
        if self.hangs && h.is_multiple_of(2) && cx.attempt() == 1 {
            pending::<()>().await;
        }
        if h.is_multiple_of(5) && cx.attempt() == 1 {
            return Err(StepError::new("flaky"));
        }
        if h.is_multiple_of(17) {
            return Err(StepError::terminal("broken"));
        }
        let seen = input.scope.leaves().len() + input.state.len();
        let given = hash(&input.prompt().text());
        let text = format!("{}", (given ^ h).wrapping_add(seen as u64 + told) % 10_000);
        let output = StepOutput::from(text.clone());
        Ok(match h % 9 {
            0 => output.patch(Patch::increment("count", 1)),
            1 => output.patch(Patch::append("log", cx.path().as_str())),
            2 if h.is_multiple_of(11) && self.stops => output.stop(),
            3 if h.is_multiple_of(2) => output.patch(Patch::set("last", text)),
            _ => output,
        })
    }
}

pub(crate) struct Plans {
    seed: u64,
    world: World,
    log: Shared,
    deadline: Duration,
    /// The number of containers around this place whose bodies run at once.
    beside: Cell<u32>,
}

/// The kind of node that a review is for.
#[derive(Clone, Copy, PartialEq)]
enum Of {
    Step,
    Container,
    Condition,
    Router,
    Loop,
}

impl Plans {
    /// Returns `true` if the plan of this seed lets branches race: then the same answers may end in
    /// different ways.
    pub(crate) fn races(seed: u64) -> bool {
        seed % 5 == 4
    }

    fn below(&self, n: u64) -> u64 {
        self.world.chance() % n
    }

    fn one_in(&self, n: u64) -> bool {
        self.below(n) == 0
    }

    /// Returns steps that run at once, or for several items at once.
    fn beside(&self, depth: u32) -> Vec<AnyStep> {
        self.beside.set(self.beside.get() + 1);
        let body = self.body(depth);
        self.beside.set(self.beside.get() - 1);
        body
    }

    fn body(&self, depth: u32) -> Vec<AnyStep> {
        (0..=self.below(3)).map(|i| self.node(depth, &format!("s{i}"))).collect()
    }

    fn on_error(&self) -> ErrorPolicy {
        let one = || match self.below(7) {
            0 => OnError::Skip,
            1 => OnError::Continue,
            2 => OnError::Pause,
            _ => OnError::Fail,
        };
        let policy = ErrorPolicy::from(one());
        match self.below(8) {
            0 => policy.but(ErrorCode::TimedOut, one()),
            1 => policy.but(ErrorCode::Decision, one()).but(ErrorCode::State, one()),
            2 => policy.but(ErrorCode::Rejected, one()),
            _ => policy,
        }
    }

    fn retry(&self) -> Retry {
        let on = match self.below(8) {
            0 => vec![ErrorCode::TimedOut],
            1 => vec![ErrorCode::Failed, ErrorCode::Model],
            _ => Vec::new(),
        };
        Retry { retries: 2, on, ..Retry::default() }
    }

    fn join(&self) -> Join {
        match self.below(3) {
            0 if Self::races(self.seed) => Join::FailFast,
            1 => Join::BestEffort,
            _ => Join::WaitAll,
        }
    }

    fn review(&self, of: Of, choices: &[String], on_error: &ErrorPolicy) -> Option<HumanReview> {
        if !self.one_in(4) {
            return None;
        }
        let mut review = HumanReview::new();
        let (mut form, mut route) = (false, false);
        match (of, self.below(5)) {
            (Of::Router, 0..=2) => {
                review = review.requires_route_selection("Where?");
                route = true;
                if self.one_in(2) {
                    review = review.allow_multiple_selections();
                }
            }
            (Of::Loop, 0..=2) => review = review.requires_iteration_review("Enough?"),
            (_, 0) => {
                let schema = json!({
                    "type": "object", "required": ["n"],
                    "properties": { "n": { "type": "integer" } },
                });
                review = review.requires_user_input("How?", schema);
                form = true;
            }
            (_, 1 | 2) => review = review.requires_output_review("Good?"),
            _ => review = review.requires_confirmation("Go on?"),
        }
        if self.one_in(6) && review.output_review.is_none() {
            review = review.requires_output_review("And this?");
        }
        let output = review.output_review.is_some();
        review = match self.below(8) {
            0 => review.on_reject(OnReject::Cancel),
            1 => review.on_reject(OnReject::Fail),
            2 => review.on_reject(OnReject::Skip),
            3 if of == Of::Step && output => review.on_reject(OnReject::Retry).max_retries(1),
            4 if of == Of::Condition && review.confirmation.is_some() => {
                review.on_reject(OnReject::Else)
            }
            _ => review,
        };
        if self.one_in(2) {
            review = review.timeout(self.deadline);
            review = match self.below(4) {
                0 => review.on_timeout(OnTimeout::Reject),
                1 if !form && !route => review.on_timeout(OnTimeout::Approve),
                2 if review.confirmation.is_none() => {
                    let value = match (form, route) {
                        (true, _) => json!({ "n": 3 }),
                        (_, true) => json!([choices[0]]),
                        _ => json!("by default"),
                    };
                    review.on_timeout(OnTimeout::Default(value.into()))
                }
                3 => review.on_timeout(OnTimeout::Fail),
                _ => review,
            };
        }
        let about = match of {
            Of::Step => Reviewed::Step,
            Of::Loop => Reviewed::Loop,
            Of::Condition => Reviewed::Condition,
            Of::Router => Reviewed::Router(choices.iter().map(String::as_str).collect()),
            Of::Container => Reviewed::Container,
        };
        // Settings that a definition refuses are left out.
        while let Some(mistake) = review.mistakes(&about, on_error).first() {
            match mistake.setting {
                "on_reject" => review.on_reject = None,
                "max_retries" => review.max_retries = None,
                "on_timeout" => review.on_timeout = None,
                other => panic!("{other}: {}", mistake.what),
            }
        }
        Some(review)
    }

    fn node(&self, depth: u32, name: &str) -> AnyStep {
        let kind = if depth == 0 { 0 } else { self.below(10) };
        let on_error = self.on_error();
        let body = || self.body(depth - 1);
        // Each kind has its own type, and all have the same settings.
        macro_rules! whole {
            ($node:expr, $of:expr, $choices:expr) => {{
                let node = $node.on_error(on_error.clone());
                let timed = $of != Of::Step && self.one_in(5);
                let node = if timed { node.timeout(LONG) } else { node };
                match self.review($of, $choices, &on_error) {
                    Some(review) => node.human_review(review).into_step(),
                    None => node.into_step(),
                }
            }};
        }
        match kind {
            1 => whole!(body().into_iter().fold(Steps::new(name), Steps::step), Of::Container, &[]),
            2 => {
                let parallel = Parallel::new(name).join(self.join());
                let parallel = match self.below(2) {
                    0 => parallel,
                    _ => parallel.concurrency(2),
                };
                let branches = self.beside(depth - 1).into_iter();
                whole!(branches.fold(parallel, Parallel::branch), Of::Container, &[])
            }
            3 => {
                let turns = 1 + u32::try_from(self.below(3)).unwrap();
                let repeat = Loop::new(name).at_most(turns).until(|turn: &LoopView| {
                    match hash(&turn.text()) % 7 {
                        6 => Err(StepError::new("no end")),
                        other => Ok(other < 3),
                    }
                });
                let repeat = if self.below(2) == 0 { repeat.forward() } else { repeat };
                let repeat = match self.below(2) {
                    0 => repeat,
                    _ => repeat.on_exhausted(OnExhausted::Continue),
                };
                whole!(body().into_iter().fold(repeat, Loop::step), Of::Loop, &[])
            }
            4 => {
                let holds = |input: &StepInput| match hash(&input.text()) % 9 {
                    8 => Err(StepError::new("neither yes nor no")),
                    other => Ok(other % 2 == 0),
                };
                let then = body().into_iter().fold(Condition::new(name, holds), Condition::then);
                let other = self.node(depth - 1, "other");
                whole!(then.otherwise(other), Of::Condition, &[])
            }
            5 => {
                let router = Router::new(name, |input: &StepInput| match hash(&input.text()) % 4 {
                    0 => vec!["s0"],
                    1 => vec!["last", "s0"],
                    2 => vec!["unknown"],
                    _ => vec![],
                });
                let choices = body();
                let mut names: Vec<_> = choices.iter().map(|step| step.name().to_owned()).collect();
                names.push("last".to_owned());
                let router = choices.into_iter().fold(router, Router::choice);
                whole!(router.choice(self.node(depth - 1, "last")), Of::Router, &names)
            }
            6 => {
                let over = |input: &StepInput| match hash(&input.text()) % 5 {
                    4 => Err(StepError::new("no list")),
                    items => Ok((0..items).map(|i| format!("item {i}")).collect::<Vec<_>>()),
                };
                let map = Map::new(name).over(over).join(self.join()).concurrency(2);
                let body = self.beside(depth - 1).into_iter();
                whole!(body.fold(map, Map::step), Of::Container, &[])
            }
            7 => {
                let inner = body().into_iter().fold(Workflow::builder("w"), WorkflowBuilder::step);
                let step = Step::workflow(name, inner.build().unwrap());
                whole!(step, Of::Container, &[])
            }
            8 if self.one_in(3) => {
                // It is over before it has decided, whenever it is taken up. Nothing else decides.
                let never = |_: StepInput| pending::<Result<bool, StepError>>();
                let step = Condition::new_async(name, never).then(self.node(depth - 1, "s0"));
                step.timeout(TIMEOUT).on_error(on_error).into_step()
            }
            _ => {
                let hangs = self.one_in(6);
                let (seed, log, deadline) = (self.seed, self.log.clone(), self.deadline);
                let stops = self.beside.get() == 0 || Self::races(seed);
                let leaf = Leaf { seed, name: name.to_owned(), log, deadline, hangs, stops };
                let step = Step::new(name, leaf);
                let step = step.retry(self.retry());
                let step = if hangs { step.timeout(TIMEOUT) } else { step };
                whole!(step, Of::Step, &[])
            }
        }
    }

    pub(crate) fn new(seed: u64, log: Shared, deadline: Duration) -> Self {
        Self { seed, world: World::seeded(seed), log, deadline, beside: Cell::new(0) }
    }

    /// The plan of this seed. The same seed gives the same plan.
    pub(crate) fn builder(&self) -> WorkflowBuilder {
        let steps = self.body(DEPTH).into_iter();
        steps.fold(Workflow::builder("sim"), WorkflowBuilder::step)
    }
}

/// Returns the answer to this request in the world of this seed: always the same. `None` if no
/// person answers.
pub(crate) fn said(seed: u64, asked: &Requirement) -> Option<Answer> {
    let h = hash(&format!("{seed} {}", asked.id));
    if !asked.needs_person() || (asked.due.is_some() && h.is_multiple_of(3)) {
        return None;
    }
    let words = asked.answers();
    let word = words[usize::try_from(h / 8).unwrap() % words.len()];
    let many = h / 64;
    Some(match word {
        "approve" => Answer::Approve,
        "reject" => Answer::reject(format!("no {}", many % 5)),
        "edit" => Answer::edit(format!("edited {}", many % 10)),
        "retry" => Answer::Retry,
        "skip" => Answer::Skip,
        "select" => {
            let RequirementKind::RouteSelection { choices, multiple } = &asked.kind else {
                unreachable!("only a router has routes");
            };
            let len = choices.len();
            let first = usize::try_from(many).unwrap() % len;
            let count = if *multiple { 1 + usize::try_from(many / 8).unwrap() % len } else { 1 };
            Answer::select((0..count).map(|i| choices[(first + i) % len].clone()))
        }
        _ => match &asked.kind {
            RequirementKind::UserInput { .. } => Answer::submit(json!({ "n": many % 10 })),
            RequirementKind::Wait { schema: None } if many.is_multiple_of(8) => {
                Answer::submit("not a number")
            }
            _ => Answer::submit(many % 10),
        },
    })
}
