//! Compiles a definition into a plan and a table, and reports every mistake in it.

mod leaf;
mod nested;

use crate::define::{AfterSteps, AnyStep, Body, Common, History, StepBody, Work};
use crate::gate::Guard;
use crate::nodes::{asks, has_after};
use crate::table::{Compiled, Decider, Entry, InputCheck};
use nested::{own_budget, own_content, own_timeout};
use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;
use stepwright_core::budget::{AtLimit, Budget};
use stepwright_core::dispatch::queue_mistake;
use stepwright_core::path::name_mistake;
use stepwright_core::plan::{
    After, DEPTH_MAX, ITERATIONS_MAX, Join, NODES_MAX, Node, NodeKind, OnError, Plan, Rate,
};
use stepwright_core::state::Reducers;
use stepwright_core::values::HostValues;
use stepwright_core::{Error, ErrorKind, Fingerprint, OnInterrupted, StepPath, Timestamp};

/// The settings of a workflow, besides its steps.
#[derive(Default)]
pub(crate) struct Settings {
    pub(crate) input: Option<InputCheck>,
    pub(crate) history: History,
    pub(crate) reducers: Reducers,
    pub(crate) on_interrupted: Option<OnInterrupted>,
    pub(crate) queue: Option<Arc<str>>,
    pub(crate) values: HostValues,
    /// The steps that run when the others have ended.
    pub(crate) after: AfterSteps,
    /// The time that they have after the others were stopped.
    pub(crate) after_timeout: Option<Duration>,
    pub(crate) budget: Option<Budget>,
}

/// The time that the steps under `finally`, `on_failure` or `undo` have by default when the steps
/// before were stopped.
const AFTER_TIMEOUT: Duration = Duration::from_mins(1);
/// The largest number of items that a map works on as one.
const BATCH_MAX: u32 = 100_000;

/// Compiles the steps of the workflow `name`.
///
/// # Errors
/// All mistakes in the definition, each with its path and a fix.
pub(crate) fn compile(
    name: &str,
    steps: Vec<AnyStep>,
    settings: Settings,
) -> Result<Compiled, Error> {
    let Settings { input, history, reducers, on_interrupted, .. } = settings;
    let Settings { values, after, after_timeout, budget, queue, .. } = settings;
    let after_ms = millis(after_timeout.unwrap_or(AFTER_TIMEOUT));
    let mut compiler =
        Compiler { history, reducers, on_interrupted, after_ms, ..Compiler::default() };
    compiler.values = Values { own: values, inner: HostValues::default() };
    compiler.check_queue(queue.as_ref(), &StepPath::root());
    compiler.queue.clone_from(&queue);
    if after_timeout == Some(Duration::ZERO) {
        let what = "`after_timeout` must be greater than zero";
        compiler.mistake(&StepPath::root(), what, "give the steps more time");
    }
    if name.trim().is_empty() {
        compiler.mistake(&StepPath::root(), "the workflow has no name", "give it one");
    }
    if steps.is_empty() {
        compiler.mistake(&StepPath::root(), "the workflow has no steps", "add one with `.step(…)`");
    }
    let body = compiler.body(steps, &StepPath::root(), 1);
    let after = compiler.after(after, &body, &StepPath::root(), 1);
    if after_timeout.is_some() && !has_after(&body) && after.is_empty() {
        let what = "`after_timeout` is set, but no step has `finally`, `on_failure` or `undo`";
        compiler.mistake(&StepPath::root(), what, "leave it out");
    }
    if let Some(mistake) = budget.as_ref().and_then(Budget::mistake) {
        compiler.mistake(&StepPath::root(), mistake, "set a limit of the workflow's `budget`");
    }
    compiler.queue = queue;
    compiler.finish(name, (body, after), input, budget)
}

#[derive(Default)]
struct Compiler {
    table: Vec<Entry>,
    mistakes: Vec<String>,
    too_many: bool,
    /// The workflow's settings for steps that have none of their own.
    history: History,
    reducers: Reducers,
    /// The policy of the nearest container or workflow that has one.
    on_interrupted: Option<OnInterrupted>,
    by_executor: HashSet<u32>,
    after_ms: u64,
    values: Values,
    /// The permissions of nested workflows.
    guards: Vec<Guard>,
    deadlines: HashMap<u32, Decider<Timestamp>>,
    /// The queue of the nearest container or workflow that has one.
    queue: Option<Arc<str>>,
    queues: HashMap<u32, Arc<str>>,
}

/// The values of the host program.
#[derive(Default)]
struct Values {
    /// Those of the workflow, which override the others.
    own: HostValues,
    /// Those of workflows that are steps.
    inner: HostValues,
}

impl Compiler {
    fn mistake(&mut self, path: &StepPath, what: impl AsRef<str>, fix: &str) {
        let mut line = String::new();
        if !path.is_root() {
            let _ = write!(line, "`{path}`: ");
        }
        let _ = write!(line, "{}; {fix}", what.as_ref());
        self.mistakes.push(line);
    }

    fn finish(
        self,
        name: &str,
        (body, after): (Vec<Node>, Vec<Node>),
        input: Option<InputCheck>,
        budget: Option<Budget>,
    ) -> Result<Compiled, Error> {
        if self.mistakes.is_empty() {
            let nodes = u32::try_from(self.table.len()).expect("at most `NODES_MAX` nodes");
            let reducers = self.reducers;
            let content = None;
            let plan = Plan { name: name.into(), body, nodes, reducers, content, budget, after };
            let asking = |entry: &Entry| matches!(entry, Entry::Executor(it) if it.asks());
            let pauses = plan.budget.iter().any(|budget| budget.at_limit == AtLimit::Pause);
            let asks = pauses || asks(&plan.body) || asks(&plan.after);
            let asks = asks || self.table.iter().any(asking);
            let (table, by_executor, guards) = (self.table, self.by_executor, self.guards);
            let (deadlines, queue, queues) = (self.deadlines, self.queue, self.queues);
            let unwinds = has_after(&plan.body) || !plan.after.is_empty();
            let mut values = self.values.own;
            // The workflow's own values take precedence.
            values.add_missing(&self.values.inner);
            return Ok(Compiled {
                plan,
                table,
                input,
                asks,
                by_executor,
                values,
                unwinds,
                guards,
                deadlines,
                queue,
                queues,
            });
        }
        let mut message = match self.mistakes.len() {
            1 => format!("workflow `{name}` has a mistake"),
            many => format!("workflow `{name}` has {many} mistakes"),
        };
        for mistake in &self.mistakes {
            let _ = write!(message, "\n  {mistake}");
        }
        Err(Error::new(ErrorKind::Definition, message))
    }

    fn body(&mut self, steps: Vec<AnyStep>, at: &StepPath, depth: usize) -> Vec<Node> {
        let mut names = HashSet::new();
        let nodes = steps.into_iter().map(|step| {
            let path = at.child(step.name());
            if !names.insert(step.name().to_owned()) {
                let what = format!("the name `{}` is taken in this place", step.name());
                self.mistake(&path, what, "give each step a name of its own");
            }
            self.node(step, &path, depth)
        });
        nodes.collect()
    }

    fn node(&mut self, step: AnyStep, path: &StepPath, depth: usize) -> Node {
        let AnyStep { common, body } = step;
        let Common { name, on_error, timeout, review, content, on_interrupted, budget, .. } =
            common;
        let Common { after, deadline, queue, .. } = common;
        self.check_queue(queue.as_ref(), path);
        if let Some(mistake) = budget.as_ref().and_then(Budget::mistake) {
            self.mistake(path, mistake, "set a limit of its `budget`");
        }
        let budgets = own_budget(&body).into_iter().chain(budget).collect();
        if timeout == Some(Duration::ZERO) {
            self.mistake(path, "`timeout` must be greater than zero", "give it more time");
        }
        // A workflow that is a step keeps its own timeout: the shorter one counts.
        let timeout = timeout.into_iter().chain(own_timeout(&body)).min();
        let timeout_ms = timeout.map(millis);
        if let Some(what) = name_mistake(&name) {
            self.mistake(path, what, "choose another name");
        }
        let content = own_content(&body).and(content);
        let nested = match &body {
            Body::Step(StepBody { work: Work::Workflow(workflow), .. }) => Some(workflow.clone()),
            _ => None,
        };
        self.check_after(&body, &after, path);
        let index = self.reserve(path);
        let queue_around = self.queue.clone();
        self.queue = queue.or(self.queue.take());
        let mut kind = if depth > DEPTH_MAX {
            let what = format!("it is nested deeper than {DEPTH_MAX}");
            self.mistake(path, what, "nest less deeply");
            NodeKind::Steps { body: Vec::new() }
        } else {
            let around = self.on_interrupted;
            self.on_interrupted = on_interrupted.or(around);
            let kind = self.kind(body, timeout_ms, path, depth, index);
            self.on_interrupted = around;
            kind
        };
        let content = known_content(&self.table[index], &kind, content);
        if let NodeKind::Loop { on_exhausted, .. } = &mut kind {
            let reviewed = review.as_ref().is_some_and(|review| review.iteration_review.is_some());
            if reviewed || matches!(self.table.get(index), Some(Entry::Holds(_))) {
                on_exhausted.get_or_insert_default();
            } else if on_exhausted.is_some() {
                let what = "`on_exhausted` is set, but the loop has no condition";
                self.mistake(path, what, "give it one with `.until(…)`, or leave it out");
            }
        }
        // A step stores the timeout of an attempt in its kind. Here it would count for all
        // attempts.
        let timeout_ms = timeout_ms.filter(|_| !matches!(kind, NodeKind::Step { .. }));
        let first = index + 1;
        let index = u32::try_from(index).unwrap_or(u32::MAX);
        let content = match deadline {
            // A function cannot be compared. Its presence can.
            Some(_) if !content.has("deadline") => content.with("deadline", "a function"),
            _ => content,
        };
        self.deadlines.extend(deadline.map(|deadline| (index, deadline)));
        if let (NodeKind::Step { .. }, Some(queue)) = (&kind, &self.queue) {
            self.queues.insert(index, queue.clone());
        }
        let mut after = self.after(after, &kind.bodies().concat(), path, depth);
        if let Some(nested) = nested {
            // The steps after a nested workflow are those of that workflow.
            let compiled = &nested.definition().compiled;
            after.extend(self.included(compiled, &compiled.plan.after, first));
        }
        self.queue = queue_around;
        let review = review.map(Box::new);
        let wrong = review.as_deref().map(|r| r.mistakes(&kind.reviewed(), &on_error));
        for mistake in wrong.into_iter().flatten() {
            self.mistake(path, mistake.what, mistake.fix);
        }
        let name = name.into();
        Node { index, name, kind, on_error, timeout_ms, review, content, budgets, after }
    }

    /// Checks on which occasions steps run after this one.
    fn check_after(&mut self, body: &Body, after: &AfterSteps, path: &StepPath) {
        for (on, _) in after {
            match (body, on) {
                (Body::Step(_), After::Always | After::Failure) => {
                    let what = format!("a step has no `{}`", on.key());
                    self.mistake(path, what, "put the step into `Steps`, and add it there");
                }
                (Body::Step(_), After::Undo) | (_, After::Always | After::Failure) => {}
                (_, After::Undo) => {
                    self.mistake(path, "a container has no `undo`", "add it to the steps inside");
                }
            }
        }
    }

    /// Compiles the steps that run when the steps `body` at `at` have ended.
    fn after(
        &mut self,
        after: AfterSteps,
        body: &[Node],
        at: &StepPath,
        depth: usize,
    ) -> Vec<Node> {
        let nodes = after.into_iter().map(|(on, steps)| {
            let path = at.child(on.key());
            if body.iter().any(|node| *node.name == *on.key()) {
                let what = format!("a step has the name `{}`, which its path needs", on.key());
                self.mistake(&path, what, "give that step another name");
            }
            let index = u32::try_from(self.reserve(&path)).unwrap_or(u32::MAX);
            let body = self.body(steps, &path, depth + 1);
            if depth + 1 > DEPTH_MAX {
                let what = format!("it is nested deeper than {DEPTH_MAX}");
                self.mistake(&path, what, "nest less deeply");
            }
            Node {
                index,
                name: on.key().into(),
                kind: NodeKind::After { on, body },
                on_error: OnError::Fail.into(),
                timeout_ms: Some(self.after_ms),
                review: None,
                content: Fingerprint::default(),
                budgets: Vec::new(),
                after: Vec::new(),
            }
        });
        nodes.collect()
    }

    fn check_queue(&mut self, queue: Option<&Arc<str>>, path: &StepPath) {
        let Some(queue) = queue else { return };
        if let Some(why) = queue_mistake(queue) {
            let what = format!("`{queue}` is no name of a queue: {why}");
            self.mistake(path, what, "choose another name, such as `gpu`");
        }
    }

    fn reserve(&mut self, path: &StepPath) -> usize {
        if self.table.len() >= NODES_MAX && !self.too_many {
            self.too_many = true;
            let what = format!("the workflow has more than {NODES_MAX} steps");
            self.mistake(path, what, "use a `Map` or a `Loop` for what repeats itself");
        }
        self.table.push(Entry::Nothing);
        self.table.len() - 1
    }

    fn kind(
        &mut self,
        body: Body,
        timeout_ms: Option<u64>,
        path: &StepPath,
        depth: usize,
        index: usize,
    ) -> NodeKind {
        match body {
            Body::Step(step) => self.step(step, timeout_ms, path, depth, index),
            Body::Steps(body) => {
                self.not_empty(&body, path, "the sequence", "`.step(…)`");
                NodeKind::Steps { body: self.body(body, path, depth + 1) }
            }
            Body::Parallel { mut branches, join, concurrency } => {
                self.not_empty(&branches, path, "the parallel", "`.branch(…)`");
                if concurrency == Some(0) {
                    let what = "`concurrency` must be at least 1";
                    self.mistake(path, what, "set it higher, or leave it out");
                }
                self.check_join(join, Some(branches.len()), path);
                if join.tolerates() {
                    for branch in &mut branches {
                        let otherwise = &mut branch.common.on_error.otherwise;
                        if *otherwise == OnError::Fail {
                            *otherwise = OnError::Skip;
                        }
                    }
                }
                let branches = self.body(branches, path, depth + 1);
                NodeKind::Parallel { branches, join, concurrency }
            }
            Body::Loop { body, at_most, forward, until, on_exhausted } => {
                self.not_empty(&body, path, "the loop", "`.step(…)`");
                let at_most = self.bound(at_most, path);
                if let Some(until) = until {
                    self.table[index] = Entry::Holds(until);
                }
                let body = self.body(body, path, depth + 1);
                NodeKind::Loop { body, at_most, forward, on_exhausted }
            }
            Body::Condition { holds, then, otherwise } => {
                if then.is_empty() && otherwise.is_empty() {
                    let fix = "add one with `.then(…)` or `.otherwise(…)`";
                    self.mistake(path, "the condition has no steps", fix);
                }
                self.table[index] = Entry::Holds(holds);
                // The arms share one scope: either arm puts its paths beneath the condition.
                let arm = then.len();
                let mut then =
                    self.body(then.into_iter().chain(otherwise).collect(), path, depth + 1);
                let otherwise = then.split_off(arm);
                NodeKind::Condition { then, otherwise }
            }
            Body::Router { choose, choices } => {
                self.not_empty(&choices, path, "the router", "`.choice(…)`");
                if let Decider::Constant(chosen) = &choose {
                    for name in chosen {
                        if !choices.iter().any(|choice| *choice.name() == **name) {
                            let what = format!("router selects unknown choice `{name}`");
                            self.mistake(path, what, "add that choice, or choose another");
                        }
                    }
                }
                self.table[index] = Entry::Chosen(choose);
                NodeKind::Router { choices: self.body(choices, path, depth + 1) }
            }
            Body::Map { over, body, concurrency, join, batch, rate } => {
                self.check_join(join, None, path);
                if batch.is_some_and(|batch| !(1..=BATCH_MAX).contains(&batch)) {
                    let what = format!("`batch` is {}", batch.unwrap_or_default());
                    self.mistake(path, what, &format!("set it to 1 to {BATCH_MAX}"));
                }
                if let Some(Rate { items, per_ms }) = rate
                    && (items == 0 || per_ms == 0)
                {
                    let what = format!("`rate` is {items} items in {per_ms} ms");
                    self.mistake(path, what, "set both to at least 1");
                }
                self.not_empty(&body, path, "the map", "`.step(…)`");
                if concurrency == 0 {
                    let what = "`concurrency` must be at least 1";
                    self.mistake(path, what, "set it higher, or leave it out");
                }
                self.table[index] = Entry::Items(over);
                let body = self.body(body, path, depth + 1);
                NodeKind::Map { body, concurrency, join, batch, rate }
            }
        }
    }

    /// Checks how many branches a container needs.
    fn check_join(&mut self, join: Join, branches: Option<usize>, path: &StepPath) {
        let Join::Quorum(needed) = join else { return };
        let most = branches.map(|count| u32::try_from(count).unwrap_or(u32::MAX));
        if needed == 0 || most.is_some_and(|most| needed > most) {
            let what = format!("the quorum is {needed}");
            let most = most.map_or(String::new(), |most| format!(" and at most {most}"));
            self.mistake(path, what, &format!("set it to at least 1{most}"));
        }
    }

    fn not_empty(&mut self, body: &[AnyStep], path: &StepPath, what: &str, how: &str) {
        if body.is_empty() {
            self.mistake(path, format!("{what} has no steps"), &format!("add one with {how}"));
        }
    }

    fn bound(&mut self, at_most: Option<u32>, path: &StepPath) -> u32 {
        let fix = "set the largest number of turns with `.at_most(…)`";
        match at_most {
            None => self.mistake(path, "the loop has no bound", fix),
            Some(0) => self.mistake(path, "`at_most` must be at least 1", fix),
            Some(turns) if turns > ITERATIONS_MAX => {
                let what = format!("`at_most` is {turns}; the limit is {ITERATIONS_MAX}");
                self.mistake(path, what, fix);
            }
            Some(_) => {}
        }
        at_most.unwrap_or(1)
    }
}

/// Returns the content of a node: the parts that its author gave, and those of its executor or
/// decider.
fn known_content(entry: &Entry, kind: &NodeKind, said: Fingerprint) -> Fingerprint {
    // A function cannot be compared. Its presence can.
    let function = |name: &str, said: Fingerprint| {
        if said.has(name) { said } else { said.with(name, "a function") }
    };
    match (entry, kind) {
        (Entry::Executor(executor), _) => executor.fingerprint().and(said),
        (Entry::Holds(Decider::Constant(holds)), _) => said.with("if", holds.to_string()),
        (Entry::Chosen(Decider::Constant(chosen)), _) => said.with("router", chosen.join(", ")),
        (Entry::Holds(_), NodeKind::Loop { .. }) => function("until", said),
        (Entry::Items(Some(_)), _) => function("over", said),
        _ => said,
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1)
}
