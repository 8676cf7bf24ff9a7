//! Containers of several bodies at once.

use super::flow::{Walked, state_error};
use super::{Flow, count, sequence, visit};
use crate::effects::{Decision, Effects, Fan, Stop};
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};
use std::sync::Arc;
use stepwright_core::plan::{Join, Node};
use stepwright_core::state::{Reducers, join_patches};
use stepwright_core::{Content, EventKind, StepOutput, StepPath, StepStatus};

/// How a branch ended.
type Answer = Result<Flow, Stop>;

pub(super) async fn parallel<E: Effects>(
    fx: &E,
    branches: &[Node],
    join: Join,
    concurrency: Option<u32>,
    path: &StepPath,
    flow: &mut Flow,
) -> Result<Walked, Stop> {
    let at_a_time = concurrency.unwrap_or_else(|| count(branches));
    let before = &*flow;
    let answers = fan_out(fx, branches.len(), at_a_time, join, path, |index| {
        Box::pin(async move {
            let mut own = before.fork();
            let answer = visit(fx, &branches[index], path, &mut own).await;
            fx.settle().await?;
            answer.map(|()| own)
        })
    })
    .await?;
    let paths = |index: usize| path.child(&branches[index].name);
    let (walked, outputs) = join_up(fx.reducers(), path, flow, &answers, paths)?;
    let outputs: Map<String, Value> = branches
        .iter()
        .zip(outputs)
        .map(|(branch, output)| (branch.name.to_string(), output.to_value()))
        .collect();
    let content = Content::from(Value::Object(outputs));
    flow.previous = Some(Arc::new(StepOutput { content, headed: true, ..StepOutput::default() }));
    Ok(walked)
}

pub(super) async fn map<E: Effects>(
    fx: &E,
    node: &Node,
    body: &[Node],
    concurrency: u32,
    join: Join,
    path: &StepPath,
    flow: &mut Flow,
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
    let (before, items) = (&*flow, &items);
    let answers = fan_out(fx, items.len(), concurrency, join, path, |index| {
        let number = number(index);
        let item = items[index].clone();
        Box::pin(one_item(fx, body, join, path.nth(number), number, item, before))
    })
    .await?;
    let paths = |index: usize| path.nth(number(index));
    let (walked, outputs) = join_up(fx.reducers(), path, flow, &answers, paths)?;
    let outputs = outputs.iter().map(Content::to_value).collect();
    flow.previous = Some(Arc::new(StepOutput::from(Content::from(Value::Array(outputs)))));
    Ok(walked)
}

fn number(index: usize) -> u32 {
    u32::try_from(index + 1).unwrap_or(u32::MAX)
}

/// Works on one item of a map. It stands in the scope as one entry, with what was done inside.
async fn one_item<E: Effects>(
    fx: &E,
    body: &[Node],
    join: Join,
    turn: StepPath,
    number: u32,
    item: Content,
    before: &Flow,
) -> Answer {
    if fx.past(&turn).stopped {
        return Err(Stop::Sibling);
    }
    fx.record(&turn, EventKind::MapItemStarted { item: number })?;
    let mut own = before.fork();
    let given = Arc::new(StepOutput::from(item.clone()));
    own.previous = Some(given.clone());
    (own.item, own.nth) = (Some(item), number);
    let answer = sequence(fx, body, &turn, &mut own).await;
    // A failed item may be tolerated: it counts as one that gave nothing.
    let status = match &answer {
        Ok(()) => StepStatus::Completed,
        Err(Stop::Failed(_)) if join == Join::BestEffort => StepStatus::Skipped,
        Err(Stop::Failed(_)) => StepStatus::Failed,
        Err(stop) => return Err(stop.clone()),
    };
    fx.record(&turn, EventKind::MapItemCompleted { item: number, end: status.into() })?;
    fx.settle().await?;
    if status == StepStatus::Skipped {
        let mut nothing = before.fork();
        nothing.skipped(turn, Vec::new());
        return Ok(nothing);
    }
    answer?;
    let inside = std::mem::replace(&mut own.scope, before.scope.clone());
    // What still flows is the item itself if none of its steps gave something. An input is no
    // result: such an item counts as one that gave nothing, as a branch of a parallel does.
    match own.previous.clone().filter(|output| !Arc::ptr_eq(output, &given)) {
        Some(output) => own.passed(turn, output, vec![inside]),
        None => own.skipped(turn, vec![inside]),
    }
    Ok(own)
}

/// Whether something ends with this answer of a branch.
type Ends = fn(&Answer) -> bool;

/// Whether the whole run ends with this.
fn when_lost(answer: &Answer) -> bool {
    matches!(answer, Err(Stop::Lost(_) | Stop::Cancelled(_)))
}

/// Whether all of it ends with this, where no branch stops another: one that was stopped in an
/// earlier life of the run was stopped from outside.
fn when_stopped(answer: &Answer) -> bool {
    when_lost(answer) || matches!(answer, Err(Stop::Sibling))
}

fn when_failed(answer: &Answer) -> bool {
    matches!(answer, Err(Stop::Lost(_) | Stop::Cancelled(_) | Stop::Failed(_)))
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
    let (gives_up, over): (Ends, Ends) = match join {
        Join::FailFast => (when_failed, when_lost),
        _ => (when_stopped, when_stopped),
    };
    let at_a_time = usize::try_from(at_a_time).unwrap_or(usize::MAX).max(1);
    let answers = fx.branches(Fan { count, at_a_time, gives_up }, branch).await;
    if let Some(Err(stop)) = answers.iter().flatten().find(|answer| over(answer)) {
        return Err(stop.clone());
    }
    // Whatever was under way in a branch that was given up has been dropped.
    fx.stop_within(path)?;
    Ok(answers)
}

/// Puts together what branches did, in declaration order, into `flow`; and gives what each of them
/// gave.
///
/// # Errors
/// The failure of the first branch that failed; or that of the container, if two branches
/// contradict each other.
fn join_up(
    reducers: &Reducers,
    path: &StepPath,
    flow: &mut Flow,
    answers: &[Option<Answer>],
    branch_path: impl Fn(usize) -> StepPath,
) -> Result<(Walked, Vec<Content>), Stop> {
    let failed = answers.iter().flatten().find(|answer| when_failed(answer));
    if let Some(Err(failed)) = failed {
        return Err(failed.clone());
    }
    let mut branches = Vec::with_capacity(answers.len());
    for answer in answers {
        match answer {
            Some(Ok(branch)) => branches.push(branch),
            Some(Err(stop)) => return Err(stop.clone()),
            None => return Err(Stop::Sibling),
        }
    }
    if branches.iter().any(|branch| !branch.patches.is_empty()) {
        let patched = branches.iter().enumerate();
        let patched: Vec<_> = patched.map(|(i, b)| (branch_path(i), &b.patches[..])).collect();
        join_patches(&flow.state, &patched, reducers)
            .map_err(state_error)
            .and_then(|joined| flow.apply(&joined))
            .map_err(|error| Stop::failed(path, error, 1))?;
    }
    let mut walked = Walked::begin(flow);
    // Not what was given, even where a branch hands that on: a join always gives something new.
    walked.given = None;
    let mut outputs = Vec::with_capacity(branches.len());
    for branch in branches {
        walked.body(branch);
        flow.ended |= branch.ended;
        if flow.broken.is_none() {
            flow.broken.clone_from(&branch.broken);
        }
        outputs.push(match branch.scope.last() {
            Some(entry) if entry.status().has_output() => entry.output().content.clone(),
            _ => Content::default(),
        });
    }
    Ok((walked, outputs))
}
