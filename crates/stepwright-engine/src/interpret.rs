//! The interpreter: walks a plan, and asks for effects.
//!
//! It names no runtime, no clock and no store: [`Effects`] is its only window.

use crate::effects::{Decision, Effects, Failure, Fan, Stop};
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};
use std::sync::Arc;
use stepwright_core::event::End;
use stepwright_core::executor::{ExecutorType, RunInput};
use stepwright_core::plan::{Join, Node, NodeKind, OnError};
use stepwright_core::scope::Scope;
use stepwright_core::state::{State, check_branches};
use stepwright_core::{
    Content, ErrorCode, EventKind, Patch, StepError, StepInput, StepOutput, StepPath, StepStatus,
};

/// What flows from step to step.
#[derive(Clone, Default)]
pub(crate) struct Flow {
    pub(crate) run: Arc<RunInput>,
    pub(crate) previous: Option<Arc<StepOutput>>,
    pub(crate) scope: Scope,
    pub(crate) state: Arc<State>,
    /// What has changed in the state since the run, or the branch, began.
    pub(crate) patches: Vec<Patch>,
    pub(crate) item: Option<Content>,
    pub(crate) nth: u32,
    /// A step asked to end the run.
    pub(crate) ended: bool,
    /// The first failure that was passed over by `on_error: continue`.
    pub(crate) broken: Option<Arc<Failure>>,
}

impl Flow {
    fn input(&self) -> StepInput {
        StepInput {
            run: self.run.clone(),
            previous: self.previous.clone(),
            scope: self.scope.clone(),
            state: self.state.clone(),
            item: self.item.clone(),
            nth: self.nth,
        }
    }

    /// What a branch begins with: all of this, and no changes of its own yet.
    fn fork(&self) -> Self {
        Self {
            run: self.run.clone(),
            previous: self.previous.clone(),
            scope: self.scope.clone(),
            state: self.state.clone(),
            patches: Vec::new(),
            item: self.item.clone(),
            nth: self.nth,
            ended: false,
            broken: None,
        }
    }

    fn apply(&mut self, patches: &[Patch]) -> Result<(), StepError> {
        if patches.is_empty() {
            return Ok(());
        }
        let mut state = self.state.clone();
        let changed = Arc::make_mut(&mut state);
        for patch in patches {
            patch.apply(changed).map_err(state_error)?;
        }
        self.state = state;
        self.patches.extend_from_slice(patches);
        Ok(())
    }

    fn passed(&mut self, path: StepPath, output: Arc<StepOutput>, inside: Vec<Scope>) {
        self.scope = self.scope.with(path, StepStatus::Completed, output.clone(), inside);
        self.previous = Some(output);
    }
}

fn state_error(error: impl std::error::Error + Send + Sync + 'static) -> StepError {
    StepError::terminal(error.to_string()).with_code(ErrorCode::State)
}

/// Walks `nodes`, which stand at `at`, one after the other.
pub(crate) async fn sequence<E: Effects>(
    fx: &E,
    nodes: &[Node],
    at: &StepPath,
    mut flow: Flow,
) -> Result<Flow, Stop> {
    for node in nodes {
        flow = visit(fx, node, at, flow).await?;
        if flow.ended {
            break;
        }
    }
    Ok(flow)
}

async fn visit<E: Effects>(fx: &E, node: &Node, at: &StepPath, flow: Flow) -> Result<Flow, Stop> {
    let path = at.child(&node.name);
    match &node.kind {
        NodeKind::Step { executor_type, executor_name, .. } => {
            let kind = EventKind::StepStarted {
                executor_type: *executor_type,
                executor_name: executor_name.clone(),
            };
            fx.record(&path, kind)?;
            let answer = fx.execute(node, &path, 1, flow.input()).await;
            step_ended(fx, node, path, flow, answer)
        }
        _ => container(fx, node, path, flow).await,
    }
}

/// Notes how a step ended, and what flows on from it.
fn step_ended<E: Effects>(
    fx: &E,
    node: &Node,
    path: StepPath,
    mut flow: Flow,
    answer: Result<Arc<StepOutput>, Stop>,
) -> Result<Flow, Stop> {
    let answer = answer.and_then(|output| match flow.apply(&output.patches) {
        Ok(()) => Ok(output),
        Err(error) => Err(Stop::failed(&path, error, 1)),
    });
    match answer {
        Ok(output) => {
            fx.record(&path, EventKind::StepCompleted { output: output.clone() })?;
            flow.ended |= output.stop;
            flow.passed(path, output, Vec::new());
            Ok(flow)
        }
        Err(Stop::Failed(failure)) => {
            let (error, attempts) = (Box::new(failure.error.clone()), failure.attempts);
            let kind = match node.on_error {
                OnError::Skip => EventKind::StepSkipped { error, attempts },
                other => {
                    let continues = other == OnError::Continue;
                    EventKind::StepError { error, attempts, continues }
                }
            };
            fx.record(&path, kind)?;
            pass_over(node, path, flow, failure)
        }
        Err(stop) => Err(stop),
    }
}

/// What flows on from a failure, if anything does.
fn pass_over(
    node: &Node,
    path: StepPath,
    mut flow: Flow,
    failure: Arc<Failure>,
) -> Result<Flow, Stop> {
    match node.on_error {
        OnError::Skip => {
            flow.scope = flow.scope.with(path, StepStatus::Skipped, Arc::default(), Vec::new());
            Ok(flow)
        }
        OnError::Continue => {
            let nothing = Arc::<StepOutput>::default();
            flow.scope = flow.scope.with(path, StepStatus::Failed, nothing.clone(), Vec::new());
            flow.previous = Some(nothing);
            flow.broken.get_or_insert(failure);
            Ok(flow)
        }
        _ => Err(Stop::Failed(failure)),
    }
}

/// A container: boxed, because containers contain each other.
fn container<'a, E: Effects>(
    fx: &'a E,
    node: &'a Node,
    path: StepPath,
    flow: Flow,
) -> BoxFuture<'a, Result<Flow, Stop>> {
    Box::pin(async move {
        // Only a container that may fail and be passed over needs to remember what came before.
        let before = (node.on_error != OnError::Fail).then(|| flow.clone());
        let walked = match &node.kind {
            NodeKind::Step { .. } => Ok(Walked::default()),
            NodeKind::Workflow { body } => nested(fx, node, body, &path, flow).await,
            NodeKind::Steps { body } => steps(fx, body, &path, flow).await,
            NodeKind::Parallel { branches, join, concurrency } => {
                parallel(fx, branches, *join, *concurrency, &path, flow).await
            }
            NodeKind::Loop { body, at_most, forward } => {
                repeat(fx, node, body, *at_most, *forward, &path, flow).await
            }
            NodeKind::Condition { then, otherwise } => {
                condition(fx, node, then, otherwise, &path, flow).await
            }
            NodeKind::Router { choices } => router(fx, node, choices, &path, flow).await,
            NodeKind::Map { body, concurrency, join } => {
                map(fx, node, body, *concurrency, *join, &path, flow).await
            }
            _ => Err(Stop::failed(&path, StepError::terminal("it is of an unknown kind"), 1)),
        };
        match walked {
            Ok(walked) => {
                fx.record(&path, ended(node, &walked, StepStatus::Completed, None))?;
                Ok(walked.leave(path))
            }
            Err(Stop::Failed(failure)) => {
                let status = match node.on_error {
                    OnError::Skip => StepStatus::Skipped,
                    _ => StepStatus::Failed,
                };
                let walked = Walked::default();
                fx.record(&path, ended(node, &walked, status, Some((&path, &failure))))?;
                pass_over(node, path, before.unwrap_or_default(), failure)
            }
            Err(stop) => Err(stop),
        }
    })
}

/// What a container hands on when it has done its work.
#[derive(Default)]
struct Walked {
    flow: Flow,
    /// The scope that the container stands in.
    outside: Scope,
    /// The scopes in which its bodies ended.
    inside: Vec<Scope>,
    /// What it gives, if that is not what its last step gave.
    output: Option<Arc<StepOutput>>,
    /// Whether any of its steps gave something.
    produced: bool,
    iterations: u32,
}

impl Walked {
    /// A container of one body, which began with `previous`.
    fn body(outside: Scope, previous: Option<&Arc<StepOutput>>, flow: Flow) -> Self {
        let produced = match (previous, &flow.previous) {
            (Some(before), Some(after)) => !Arc::ptr_eq(before, after),
            (before, after) => before.is_some() != after.is_some(),
        };
        let inside = vec![flow.scope.clone()];
        Self { flow, outside, inside, produced, ..Self::default() }
    }

    fn leave(self, path: StepPath) -> Flow {
        let Self { mut flow, outside, inside, output, produced, .. } = self;
        flow.scope = outside;
        if let Some(output) = output.or_else(|| flow.previous.clone().filter(|_| produced)) {
            flow.passed(path, output, inside);
        } else {
            let nothing = Arc::default();
            flow.scope = flow.scope.with(path, StepStatus::Skipped, nothing, inside);
        }
        flow
    }
}

/// The fact that a container has ended.
fn ended(
    node: &Node,
    walked: &Walked,
    status: StepStatus,
    failed: Option<(&StepPath, &Arc<Failure>)>,
) -> EventKind {
    use EventKind as E;
    // A failure inside stands where it happened. Only one of the container's own is told here.
    let own = failed.filter(|(path, failure)| failure.path == **path);
    let error = own.map(|(_, failure)| Box::new(failure.error.clone()));
    if let (NodeKind::Workflow { .. }, Some((_, failure))) = (&node.kind, failed) {
        let (error, attempts) = (Box::new(failure.error.clone()), 1);
        return match status {
            StepStatus::Skipped => E::StepSkipped { error, attempts },
            _ => {
                let continues = node.on_error == OnError::Continue;
                E::StepError { error, attempts, continues }
            }
        };
    }
    let end = End { status, error };
    match node.kind {
        NodeKind::Steps { .. } => E::StepsExecutionCompleted { end },
        NodeKind::Parallel { .. } => E::ParallelExecutionCompleted { end },
        NodeKind::Loop { .. } => {
            E::LoopExecutionCompleted { total_iterations: walked.iterations, end }
        }
        NodeKind::Condition { .. } => E::ConditionExecutionCompleted { end },
        NodeKind::Router { .. } => E::RouterExecutionCompleted { end },
        NodeKind::Map { .. } => E::MapExecutionCompleted { end },
        _ => {
            let previous = walked.flow.previous.clone().filter(|_| walked.produced);
            E::StepCompleted { output: previous.unwrap_or_default() }
        }
    }
}

fn count(nodes: &[Node]) -> u32 {
    u32::try_from(nodes.len()).unwrap_or(u32::MAX)
}

async fn steps<E: Effects>(
    fx: &E,
    body: &[Node],
    path: &StepPath,
    flow: Flow,
) -> Result<Walked, Stop> {
    fx.record(path, EventKind::StepsExecutionStarted { steps_count: count(body) })?;
    one_body(fx, body, path, flow).await
}

async fn one_body<E: Effects>(
    fx: &E,
    body: &[Node],
    path: &StepPath,
    flow: Flow,
) -> Result<Walked, Stop> {
    let (outside, previous) = (flow.scope.clone(), flow.previous.clone());
    let flow = sequence(fx, body, path, flow).await?;
    Ok(Walked::body(outside, previous.as_ref(), flow))
}

async fn nested<E: Effects>(
    fx: &E,
    node: &Node,
    body: &[Node],
    path: &StepPath,
    flow: Flow,
) -> Result<Walked, Stop> {
    let kind = EventKind::StepStarted {
        executor_type: ExecutorType::Workflow,
        executor_name: node.name.clone(),
    };
    fx.record(path, kind)?;
    let input = flow.input();
    fx.decide(node, path, &input).await?;
    // A workflow of its own: it sees its input, and the session state.
    let run = RunInput {
        content: input.message(),
        media: input.media(),
        additional_data: flow.run.additional_data.clone(),
    };
    let Flow { run: outer_run, previous, scope, item, nth, .. } = flow.clone();
    let inner = Flow {
        run: Arc::new(run),
        previous: None,
        scope: Scope::default(),
        item: None,
        nth: 0,
        ..flow
    };
    let inner = sequence(fx, body, path, inner).await?;
    let produced = inner.previous.is_some();
    let inside = vec![inner.scope.clone()];
    let previous = if produced { inner.previous.clone() } else { previous };
    let outer = Flow { run: outer_run, previous, item, nth, ..inner };
    Ok(Walked { flow: outer, outside: scope, inside, produced, ..Walked::default() })
}

async fn condition<E: Effects>(
    fx: &E,
    node: &Node,
    then: &[Node],
    otherwise: &[Node],
    path: &StepPath,
    flow: Flow,
) -> Result<Walked, Stop> {
    let started = |condition_result: Option<bool>, branch: Option<&str>| {
        EventKind::ConditionExecutionStarted { condition_result, branch: branch.map(Into::into) }
    };
    let holds = match fx.decide(node, path, &flow.input()).await {
        Ok(decision) => matches!(decision, Decision::Holds(true)),
        Err(stop) => {
            fx.record(path, started(None, None))?;
            return Err(stop);
        }
    };
    let (arm, name) = if holds { (then, "if") } else { (otherwise, "else") };
    fx.record(path, started(Some(holds), Some(name).filter(|_| !arm.is_empty())))?;
    one_body(fx, arm, path, flow).await
}

async fn router<E: Effects>(
    fx: &E,
    node: &Node,
    choices: &[Node],
    path: &StepPath,
    flow: Flow,
) -> Result<Walked, Stop> {
    let started = |selected_steps| EventKind::RouterExecutionStarted { selected_steps };
    let chosen = match fx.decide(node, path, &flow.input()).await {
        Ok(Decision::Chosen(chosen)) => chosen,
        Ok(_) => Arc::default(),
        Err(stop) => {
            fx.record(path, started(Arc::default()))?;
            return Err(stop);
        }
    };
    fx.record(path, started(chosen.clone()))?;
    let (outside, previous) = (flow.scope.clone(), flow.previous.clone());
    let mut flow = flow;
    for name in &*chosen {
        // A name that is no choice was refused when it was decided.
        if let Some(choice) = choices.iter().find(|choice| choice.name == *name) {
            flow = visit(fx, choice, path, flow).await?;
        }
        if flow.ended {
            break;
        }
    }
    Ok(Walked::body(outside, previous.as_ref(), flow))
}

async fn repeat<E: Effects>(
    fx: &E,
    node: &Node,
    body: &[Node],
    at_most: u32,
    forward: bool,
    path: &StepPath,
    flow: Flow,
) -> Result<Walked, Stop> {
    fx.record(path, EventKind::LoopExecutionStarted { max_iterations: at_most })?;
    let (outside, given, nth) = (flow.scope.clone(), flow.previous.clone(), flow.nth);
    let mut inside = Vec::new();
    let mut flow = flow;
    let mut iteration = 0;
    loop {
        iteration += 1;
        let turn = path.nth(iteration);
        let kind = EventKind::LoopIterationStarted { iteration, max_iterations: at_most };
        fx.record(&turn, kind)?;
        if !forward {
            flow.previous.clone_from(&given);
        }
        flow.scope = outside.clone();
        flow.nth = iteration;
        let turned = one_turn(fx, node, body, &turn, flow, iteration == at_most).await;
        let (status, should_continue) = match &turned {
            Ok((_, go_on)) => (StepStatus::Completed, *go_on),
            Err(Stop::Failed(_)) => (StepStatus::Failed, false),
            Err(stop) => return Err(stop.clone()),
        };
        let error = turned.as_ref().err().and_then(|stop| own_error(stop, &turn));
        let end = End { status, error };
        fx.record(&turn, EventKind::LoopIterationCompleted { iteration, should_continue, end })?;
        (flow, _) = turned?;
        inside.push(flow.scope.clone());
        if !should_continue {
            break;
        }
    }
    flow.nth = nth;
    let walked = Walked::body(outside, given.as_ref(), flow);
    Ok(Walked { inside, iterations: iteration, ..walked })
}

/// A turn of a loop, and whether another one follows.
async fn one_turn<E: Effects>(
    fx: &E,
    node: &Node,
    body: &[Node],
    turn: &StepPath,
    flow: Flow,
    last: bool,
) -> Result<(Flow, bool), Stop> {
    let flow = sequence(fx, body, turn, flow).await?;
    let go_on = match flow.ended || last {
        true => false,
        false => !matches!(fx.decide(node, turn, &flow.input()).await?, Decision::Holds(true)),
    };
    Ok((flow, go_on))
}

/// The error of a failure that happened at `at` itself, and not inside it.
fn own_error(stop: &Stop, at: &StepPath) -> Option<Box<stepwright_core::ErrorData>> {
    match stop {
        Stop::Failed(failure) if failure.path == *at => Some(Box::new(failure.error.clone())),
        _ => None,
    }
}

type Answer = Result<Flow, Stop>;

fn always_gives_up(answer: &Answer) -> bool {
    matches!(answer, Err(Stop::Lost(_)))
}

fn gives_up_fast(answer: &Answer) -> bool {
    matches!(answer, Err(Stop::Lost(_) | Stop::Failed(_)))
}

async fn parallel<E: Effects>(
    fx: &E,
    branches: &[Node],
    join: Join,
    concurrency: Option<u32>,
    path: &StepPath,
    flow: Flow,
) -> Result<Walked, Stop> {
    let names: Arc<[Arc<str>]> = branches.iter().map(|branch| branch.name.clone()).collect();
    fx.record(path, EventKind::ParallelExecutionStarted { branches: names })?;
    let at_a_time = concurrency.unwrap_or_else(|| count(branches));
    let flow = &flow;
    let answers = fan_out(fx, branches.len(), at_a_time, join, path, |index| {
        Box::pin(async move {
            let answer = visit(fx, &branches[index], path, flow.fork()).await;
            fx.settle().await?;
            answer
        })
    })
    .await?;
    let paths = |index: usize| path.child(&branches[index].name);
    let joined = joined(path, flow, &answers, paths)?;
    let outputs: Map<String, Value> = branches
        .iter()
        .zip(&joined.outputs)
        .map(|(branch, output)| (branch.name.to_string(), output.to_value()))
        .collect();
    let content = Content::from(Value::Object(outputs));
    Ok(joined.walked(flow, StepOutput { content, headed: true, ..StepOutput::default() }))
}

async fn map<E: Effects>(
    fx: &E,
    node: &Node,
    body: &[Node],
    concurrency: u32,
    join: Join,
    path: &StepPath,
    flow: Flow,
) -> Result<Walked, Stop> {
    let started = |items| EventKind::MapExecutionStarted { items, concurrency };
    let items = match fx.decide(node, path, &flow.input()).await {
        Ok(Decision::Items(items)) => items,
        Ok(_) => Arc::default(),
        Err(stop) => {
            fx.record(path, started(Arc::default()))?;
            return Err(stop);
        }
    };
    fx.record(path, started(items.clone()))?;
    let (flow, items) = (&flow, &items);
    let answers = fan_out(fx, items.len(), concurrency, join, path, |index| {
        Box::pin(async move {
            let item = u32::try_from(index + 1).unwrap_or(u32::MAX);
            let turn = path.nth(item);
            fx.record(&turn, EventKind::MapItemStarted { item })?;
            let given = items[index].clone();
            let mut inner = flow.fork();
            inner.previous = Some(Arc::new(StepOutput::from(given.clone())));
            (inner.item, inner.nth) = (Some(given), item);
            let answer = sequence(fx, body, &turn, inner).await;
            let status = match &answer {
                Ok(_) => StepStatus::Completed,
                Err(Stop::Failed(_)) if join == Join::BestEffort => StepStatus::Skipped,
                Err(Stop::Failed(_)) => StepStatus::Failed,
                Err(stop) => return Err(stop.clone()),
            };
            fx.record(&turn, EventKind::MapItemCompleted { item, end: status.into() })?;
            fx.settle().await?;
            match answer {
                // Tolerated: it counts as an item that gave nothing.
                Err(Stop::Failed(_)) if join == Join::BestEffort => Ok(skipped(flow, turn)),
                answer => answer.map(|inner| inside_item(flow, turn, inner)),
            }
        })
    })
    .await?;
    let paths = |index: usize| path.nth(u32::try_from(index + 1).unwrap_or(u32::MAX));
    let joined = joined(path, flow, &answers, paths)?;
    let outputs: Vec<Value> = joined.outputs.iter().map(Content::to_value).collect();
    let content = Content::from(Value::Array(outputs));
    Ok(joined.walked(flow, StepOutput::from(content)))
}

fn skipped(flow: &Flow, path: StepPath) -> Flow {
    let mut item = flow.fork();
    item.scope = item.scope.with(path, StepStatus::Skipped, Arc::default(), Vec::new());
    item
}

/// An item stands in the scope as one entry, with what was done for it inside.
fn inside_item(outer: &Flow, path: StepPath, inner: Flow) -> Flow {
    let output = inner.previous.clone().unwrap_or_default();
    let inside = vec![inner.scope.clone()];
    let scope = outer.scope.with(path, StepStatus::Completed, output, inside);
    Flow { scope, ..inner }
}

/// Works on branches, and stops those that are given up.
async fn fan_out<'a, E: Effects>(
    fx: &'a E,
    count: usize,
    at_a_time: u32,
    join: Join,
    path: &StepPath,
    branch: impl Fn(usize) -> BoxFuture<'a, Answer> + Send + Sync + 'a,
) -> Result<Vec<Option<Answer>>, Stop> {
    let gives_up = match join {
        Join::FailFast => gives_up_fast,
        _ => always_gives_up as fn(&Answer) -> bool,
    };
    let at_a_time = usize::try_from(at_a_time).unwrap_or(usize::MAX).max(1);
    let answers = fx.branches(Fan { count, at_a_time, gives_up }, branch).await;
    if let Some(Some(Err(lost))) = answers.iter().find(|a| matches!(a, Some(Err(Stop::Lost(_))))) {
        return Err(lost.clone());
    }
    // Whatever was under way in a branch that was given up has been dropped.
    fx.stop_within(path)?;
    Ok(answers)
}

struct Joined {
    state: Arc<State>,
    patches: Vec<Patch>,
    /// What each branch gave, in declaration order.
    outputs: Vec<Content>,
    inside: Vec<Scope>,
    ended: bool,
    broken: Option<Arc<Failure>>,
}

/// Puts together what branches gave, in declaration order.
///
/// # Errors
/// The failure of the first branch that failed; or that of the container, if two branches
/// contradict each other.
fn joined(
    path: &StepPath,
    before: &Flow,
    answers: &[Option<Answer>],
    branch_path: impl Fn(usize) -> StepPath,
) -> Result<Joined, Stop> {
    let failed = answers.iter().flatten().find_map(|answer| match answer {
        Err(Stop::Failed(failure)) => Some(failure.clone()),
        _ => None,
    });
    if let Some(failure) = failed {
        return Err(Stop::Failed(failure));
    }
    let mut flows = Vec::with_capacity(answers.len());
    for answer in answers {
        match answer {
            Some(Ok(flow)) => flows.push(flow),
            Some(Err(stop)) => return Err(stop.clone()),
            None => return Err(Stop::Sibling),
        }
    }
    let mut state = before.clone();
    state.patches = Vec::new();
    if flows.iter().any(|flow| !flow.patches.is_empty()) {
        let patched: Vec<_> =
            flows.iter().enumerate().map(|(i, f)| (branch_path(i), &f.patches[..])).collect();
        check_branches(&patched)
            .map_err(state_error)
            .and_then(|()| flows.iter().try_for_each(|flow| state.apply(&flow.patches)))
            .map_err(|error| Stop::failed(path, error, 1))?;
    }
    let output = |flow: &&Flow| match flow.scope.last() {
        Some(entry) if entry.status().has_output() => entry.output().content.clone(),
        _ => Content::default(),
    };
    Ok(Joined {
        outputs: flows.iter().map(output).collect(),
        inside: flows.iter().map(|flow| flow.scope.clone()).collect(),
        ended: flows.iter().any(|flow| flow.ended),
        broken: flows.iter().find_map(|flow| flow.broken.clone()),
        state: state.state,
        patches: state.patches,
    })
}

impl Joined {
    fn walked(self, before: &Flow, output: StepOutput) -> Walked {
        let mut flow = before.clone();
        flow.state = self.state;
        flow.patches.extend(self.patches);
        flow.ended = self.ended;
        if flow.broken.is_none() {
            flow.broken = self.broken;
        }
        let outside = flow.scope.clone();
        let output = Some(Arc::new(output));
        Walked { flow, outside, inside: self.inside, output, produced: true, iterations: 0 }
    }
}
