//! Compiles a definition into a plan and a table, and reports every mistake in it.

use crate::define::{
    AfterSteps, AnyStep, Body, Common, History, Prompted, StepBody, Work, guarded, prompted,
};
use crate::gate::Guard;
use crate::nodes::{asks, deepest, has_after};
use crate::table::{Compiled, Decider, Entry, InputCheck};
use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::time::Duration;
use stepwright_core::budget::{AtLimit, Budget};
use stepwright_core::executor::ExecutorType;
use stepwright_core::path::name_mistake;
use stepwright_core::plan::{
    After, DEPTH_MAX, ITERATIONS_MAX, Join, NODES_MAX, Node, NodeKind, OnError, Plan, RETRIES_MAX,
    Rate, Retry, for_each_node_mut,
};
use stepwright_core::session::{HISTORY_RUNS, HISTORY_RUNS_MAX};
use stepwright_core::state::Reducers;
use stepwright_core::values::HostValues;
use stepwright_core::{
    AnyExecutor, Error, ErrorKind, Fingerprint, OnInterrupted, StepPath, Timestamp,
};

/// The settings of a workflow, besides its steps.
#[derive(Default)]
pub(crate) struct Settings {
    pub(crate) input: Option<InputCheck>,
    pub(crate) history: History,
    pub(crate) reducers: Reducers,
    pub(crate) on_interrupted: Option<OnInterrupted>,
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
    let Settings { values, after, after_timeout, budget, .. } = settings;
    let after_ms = millis(after_timeout.unwrap_or(AFTER_TIMEOUT));
    let mut compiler =
        Compiler { history, reducers, on_interrupted, after_ms, ..Compiler::default() };
    compiler.values = Values { own: values, inner: HostValues::default() };
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
            let deadlines = self.deadlines;
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
        let Common { after, deadline, .. } = common;
        if let Some(mistake) = budget.as_ref().and_then(Budget::mistake) {
            self.mistake(path, mistake, "set a limit of its `budget`");
        }
        let budgets = own_budget(&body).into_iter().chain(budget).collect();
        if timeout == Some(Duration::ZERO) {
            self.mistake(path, "a timeout of nothing lets nothing happen", "give it more time");
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
        let mut after = self.after(after, &kind.bodies().concat(), path, depth);
        if let Some(nested) = nested {
            // The steps after a nested workflow are those of that workflow.
            let compiled = &nested.definition().compiled;
            after.extend(self.included(compiled, &compiled.plan.after, first));
        }
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
                    self.mistake(path, "no branch may run", "set `concurrency` to at least 1");
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
                            let what = format!("it chooses `{name}`, which is no choice of it");
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
                    self.mistake(
                        path,
                        "no item may be worked on",
                        "set `concurrency` to at least 1",
                    );
                }
                self.table[index] = Entry::Items(over);
                let body = self.body(body, path, depth + 1);
                NodeKind::Map { body, concurrency, join, batch, rate }
            }
        }
    }

    fn step(
        &mut self,
        step: StepBody,
        timeout_ms: Option<u64>,
        path: &StepPath,
        depth: usize,
        index: usize,
    ) -> NodeKind {
        let StepBody { work, retry, history, prompt, idle, input, guards } = step;
        for mistake in guards.iter().filter_map(|guard| guard.mistake(true)) {
            self.mistakes.push(format!("`{path}`: {mistake}"));
        }
        let is_guarded = !guards.is_empty();
        let work = guarded(work, guards);
        if input.is_some() && !matches!(work, Work::Workflow(_)) {
            let what = "only a workflow as a step has an input of its own";
            self.mistake(path, what, "make the message of this step with `.prompt(…)`");
        }
        self.check_retry(&retry, path);
        let idle_ms = self.idle(idle, timeout_ms, path);
        let history_runs = self.history_runs(history, path);
        let mut by_executor = OnInterrupted::Retry;
        let completed_only = history.completed_only.or(self.history.completed_only);
        let history_completed_only = history_runs > 0 && completed_only.unwrap_or(false);
        let (executor_type, executor_name) = match work {
            Work::Executor(executor) => {
                let executor = match prompt {
                    Some(prompt) => AnyExecutor::new(Prompted { executor, prompt }),
                    None => executor,
                };
                let named = (executor.executor_type(), executor.name().into());
                by_executor = executor.on_interrupted();
                self.table[index] = Entry::Executor(executor);
                named
            }
            Work::Blocking(function) => {
                let named = (ExecutorType::Function, function.name.clone());
                let function = match prompt {
                    Some(prompt) => prompted(function, prompt),
                    None => function,
                };
                self.table[index] = Entry::Blocking(function);
                named
            }
            Work::Workflow(workflow) => {
                if prompt.is_some() {
                    let what = "a workflow as a step has no prompt of its own";
                    self.mistake(path, what, "make its input with `.input(…)`");
                }
                if is_guarded {
                    let what = "a workflow as a step has no guardrails of its own";
                    self.mistake(path, what, "add them to its steps");
                }
                if idle.is_some() {
                    let what = "a workflow as a step has no idle timeout of its own";
                    self.mistake(path, what, "set it on its steps");
                }
                if retry.retries > 0
                    || history.add.is_some()
                    || history.runs.is_some()
                    || history.completed_only.is_some()
                {
                    let what = "a workflow as a step has no retries and no history of its own";
                    self.mistake(path, what, "set them on its steps");
                }
                if !workflow.definition().state.is_empty() {
                    let what = "the workflow has a session state, which it has not as a step";
                    self.mistake(path, what, "set it on the workflow around it");
                }
                let compiled = &workflow.definition().compiled;
                for (key, reducer) in &compiled.plan.reducers {
                    if self.reducers.insert(key.clone(), *reducer).is_some_and(|r| r != *reducer) {
                        let what = format!("state key `{key}` has another reducer around it");
                        self.mistake(path, what, "choose one of them");
                    }
                }
                for of in self.values.inner.add_missing(&compiled.values) {
                    if !self.values.own.has(of) {
                        let what = format!("another workflow in a step has a state of type `{of}`");
                        self.mistake(path, what, "set it on the workflow around both");
                    }
                }
                if workflow.definition().gate.session.is_some() {
                    let what = "a nested workflow cannot set the budget of the session";
                    self.mistake(path, what, "set it on the workflow around it");
                }
                if !workflow.definition().limits.is_empty() {
                    let what = "a nested workflow is not a run, so it cannot limit runs";
                    self.mistake(path, what, "set the limit on the workflow around it");
                }
                let node = u32::try_from(index).unwrap_or(u32::MAX);
                let offset = u32::try_from(self.table.len()).unwrap_or(u32::MAX);
                self.guards.extend(workflow.definition().gate.guards.iter().map(|guard| {
                    let inner = guard.node.map(|inner| inner.saturating_add(offset));
                    Guard { node: Some(inner.unwrap_or(node)), ..guard.clone() }
                }));
                self.table[index] = Entry::Workflow { check: compiled.input.clone(), input };
                return self.inline(compiled, path, depth);
            }
        };
        let on_interrupted = self.on_interrupted.unwrap_or_else(|| {
            self.by_executor.insert(u32::try_from(index).unwrap_or(u32::MAX));
            by_executor
        });
        NodeKind::Step {
            executor_type,
            executor_name,
            retry,
            timeout_ms,
            idle_ms,
            history_runs,
            history_completed_only,
            on_interrupted,
        }
    }

    /// Checks the idle timeout of an attempt, and returns it in milliseconds.
    fn idle(
        &mut self,
        idle: Option<Duration>,
        timeout_ms: Option<u64>,
        path: &StepPath,
    ) -> Option<u64> {
        let idle = idle?;
        if idle.is_zero() {
            self.mistake(path, "`idle_timeout` must be greater than zero", "give it more time");
        }
        let idle_ms = u64::try_from(idle.as_millis()).unwrap_or(u64::MAX).max(1);
        if timeout_ms.is_some_and(|timeout| timeout <= idle_ms) {
            let what = "`idle_timeout` is not shorter than `timeout`, so it is never reached";
            self.mistake(path, what, "make it shorter, or leave it out");
        }
        Some(idle_ms)
    }

    /// Returns the number of earlier runs in the history of a step.
    fn history_runs(&mut self, own: History, path: &StepPath) -> u32 {
        if !own.add.or(self.history.add).unwrap_or(own.runs.is_some()) {
            if own.runs.is_some() {
                let what = "it says of how many earlier runs it is told, but not that it is told";
                self.mistake(path, what, "leave out `add_workflow_history(false)`");
            }
            if own.completed_only.is_some() {
                let what = "it says of which earlier runs it is told, but not that it is told";
                self.mistake(path, what, "set `add_workflow_history(true)`, or leave it out");
            }
            return 0;
        }
        let runs = own.runs.or(self.history.runs).unwrap_or(HISTORY_RUNS);
        if !(1..=HISTORY_RUNS_MAX).contains(&runs) {
            let what = format!("it is told of {runs} earlier runs");
            let fix = format!("set `num_history_runs` to 1 to {HISTORY_RUNS_MAX}");
            self.mistake(path, what, &fix);
        }
        runs
    }

    /// Copies the plan and the table of a nested workflow into this one.
    fn inline(&mut self, compiled: &Compiled, path: &StepPath, depth: usize) -> NodeKind {
        let offset = self.table.len();
        if depth + deepest(&compiled.plan.body) > DEPTH_MAX {
            let what = format!("with the workflow in it, it is nested deeper than {DEPTH_MAX}");
            self.mistake(path, what, "nest less deeply");
        }
        if offset + compiled.table.len() > NODES_MAX {
            let what = format!("with the workflow in it, there are more than {NODES_MAX} steps");
            self.mistake(path, what, "use a `Map` or a `Loop` for what repeats itself");
            return NodeKind::Workflow { body: Vec::new() };
        }
        let body = self.included(compiled, &compiled.plan.body, offset);
        self.table.extend(compiled.table.iter().cloned());
        let own = u32::try_from(offset).unwrap_or(u32::MAX);
        let deadlines = compiled.deadlines.iter();
        self.deadlines.extend(deadlines.map(|(index, due)| (index + own, due.clone())));
        NodeKind::Workflow { body }
    }

    /// Returns nodes of a nested workflow whose table begins at `offset` in this one.
    fn included(&mut self, compiled: &Compiled, nodes: &[Node], offset: usize) -> Vec<Node> {
        let mut body = nodes.to_vec();
        let offset = u32::try_from(offset).expect("at most `NODES_MAX` nodes");
        let around = self.on_interrupted;
        for_each_node_mut(&mut body, &mut |node| {
            let silent = compiled.by_executor.contains(&node.index);
            node.index += offset;
            match (&mut node.kind, around) {
                (NodeKind::Step { on_interrupted, .. }, Some(around)) if silent => {
                    *on_interrupted = around;
                }
                _ if silent => {
                    self.by_executor.insert(node.index);
                }
                _ => {}
            }
        });
        body
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
        let fix = "set how many turns it takes at most with `.at_most(…)`";
        match at_most {
            None => self.mistake(path, "the loop has no bound", fix),
            Some(0) => self.mistake(path, "the loop turns not even once", fix),
            Some(turns) if turns > ITERATIONS_MAX => {
                self.mistake(path, format!("a loop turns at most {ITERATIONS_MAX} times"), fix);
            }
            Some(_) => {}
        }
        at_most.unwrap_or(1)
    }

    fn check_retry(&mut self, retry: &Retry, path: &StepPath) {
        if !retry.on.is_empty() && retry.retries == 0 {
            let what = "it says after which failures it is tried again, and is never tried again";
            self.mistake(path, what, "say how often with `.retries(…)`");
        }
        if retry.retries > RETRIES_MAX {
            let what = format!("a step is tried again at most {RETRIES_MAX} times");
            self.mistake(path, what, "retry less often");
        }
        if !retry.factor.is_finite() || retry.factor < 1.0 {
            let what = format!("the waits between attempts shrink by the factor {}", retry.factor);
            self.mistake(path, what, "use a factor of at least 1");
        }
    }
}

/// Returns the timeout that a nested workflow sets for itself.
fn own_timeout(body: &Body) -> Option<Duration> {
    match body {
        Body::Step(StepBody { work: Work::Workflow(workflow), .. }) => {
            workflow.definition().timeout
        }
        _ => None,
    }
}

/// Returns the budget that a nested workflow sets for itself.
fn own_budget(body: &Body) -> Option<Budget> {
    match body {
        Body::Step(StepBody { work: Work::Workflow(workflow), .. }) => {
            workflow.plan().budget.clone()
        }
        _ => None,
    }
}

/// Returns the content of a nested workflow itself.
fn own_content(body: &Body) -> Fingerprint {
    match body {
        Body::Step(StepBody { work: Work::Workflow(workflow), .. }) => {
            workflow.plan().content.clone().unwrap_or_default()
        }
        _ => Fingerprint::default(),
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
