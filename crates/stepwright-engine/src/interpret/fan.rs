//! Containers that execute several bodies at the same time.

use super::decide::{decide, no_answer};
use super::flow::{Walked, state_error};
use super::{Flow, count, sequence, visit};
use crate::effects::{Effects, Fan, Stop};
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};
use std::sync::Arc;
use stepwright_core::event::{ContainerKind, Decision, Turns};
use stepwright_core::plan::{Join, Node};
use stepwright_core::state::{Reducers, join_patches};
use stepwright_core::{Content, EventKind, StepOutput, StepPath, StepStatus};

/// The result of a branch.
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
            fx.facts().settle().await?;
            answer.map(|()| own)
        })
    })
    .await?;
    let paths = |index: usize| path.child(&branches[index].name);
    let (walked, outputs) = join_up(fx.facts().reducers(), path, flow, &answers, paths)?;
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
    let Decision::Items { items, .. } = decide(fx, node, path, flow, None).await? else {
        return Err(no_answer(path));
    };
    let decision = Decision::Items { items: items.clone(), concurrency };
    fx.facts().record(path, EventKind::ContainerStarted { kind: ContainerKind::Map, decision })?;
    let (before, items) = (&*flow, &items);
    let answers = fan_out(fx, items.len(), concurrency, join, path, |index| {
        let number = number(index);
        let item = items[index].clone();
        Box::pin(one_item(fx, body, join, path.nth(number), number, item, before))
    })
    .await?;
    let paths = |index: usize| path.nth(number(index));
    let (walked, outputs) = join_up(fx.facts().reducers(), path, flow, &answers, paths)?;
    let outputs = outputs.iter().map(Content::to_value).collect();
    flow.previous = Some(Arc::new(StepOutput::from(Content::from(Value::Array(outputs)))));
    Ok(walked)
}

fn number(index: usize) -> u32 {
    u32::try_from(index + 1).unwrap_or(u32::MAX)
}

/// Works on one item of a map. The scope has one entry for the item, with its steps inside.
async fn one_item<E: Effects>(
    fx: &E,
    body: &[Node],
    join: Join,
    turn: StepPath,
    number: u32,
    item: Content,
    before: &Flow,
) -> Answer {
    if fx.facts().past(&turn).stopped {
        return Err(Stop::Sibling);
    }
    let kind = ContainerKind::Item;
    let decision = Decision::Turn { number, at_most: None };
    fx.facts().record(&turn, EventKind::ContainerStarted { kind, decision })?;
    let mut own = before.fork();
    let given = Arc::new(StepOutput::from(item.clone()));
    own.previous = Some(given.clone());
    (own.item, own.nth) = (Some(item), number);
    let answer = sequence(fx, body, &turn, &mut own).await;
    // A failed item may be tolerated: it counts as one without an output.
    let status = match &answer {
        Ok(()) => StepStatus::Completed,
        Err(Stop::Failed(_)) if join == Join::BestEffort => StepStatus::Skipped,
        Err(Stop::Failed(_)) => StepStatus::Failed,
        Err(stop) => return Err(stop.clone()),
    };
    let turns = Turns { number, ..Turns::default() };
    fx.facts().record(&turn, EventKind::ContainerCompleted { kind, turns, end: status.into() })?;
    fx.facts().settle().await?;
    if status == StepStatus::Skipped {
        let mut nothing = before.fork();
        nothing.skipped(turn, Vec::new());
        return Ok(nothing);
    }
    answer?;
    let inside = std::mem::replace(&mut own.scope, before.scope.clone());
    // If no step had an output, the item itself still flows. An input is no result, so the item
    // counts as one without an output, as a branch of a parallel does.
    match own.previous.clone().filter(|output| !Arc::ptr_eq(output, &given)) {
        Some(output) => own.passed(turn, output, vec![inside]),
        None => own.skipped(turn, vec![inside]),
    }
    Ok(own)
}

/// Decides if the result of a branch ends something.
type Ends = fn(&Answer) -> bool;

/// Returns `true` if the result ends the whole run.
fn when_lost(answer: &Answer) -> bool {
    matches!(answer, Err(Stop::Lost(_) | Stop::Cancelled(_)))
}

/// Returns `true` if the result ends the container, where no branch stops another: a branch that
/// was stopped before the run was resumed was stopped from outside.
fn when_stopped(answer: &Answer) -> bool {
    when_lost(answer) || matches!(answer, Err(Stop::Sibling))
}

fn when_failed(answer: &Answer) -> bool {
    matches!(answer, Err(Stop::Lost(_) | Stop::Cancelled(_) | Stop::Failed(_)))
}

/// Runs the branches, and records the ones that were stopped.
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
    let answers = fx.facts().branches(Fan { count, at_a_time, gives_up }, branch).await;
    if let Some(Err(stop)) = answers.iter().flatten().find(|answer| over(answer)) {
        return Err(stop.clone());
    }
    // The work of a branch that was stopped has been dropped with it.
    fx.facts().stop_within(path)?;
    Ok(answers)
}

/// Combines the results of all branches, in declaration order, into `flow`. Returns the output of
/// each branch.
///
/// # Errors
/// The failure of the first branch that failed, or that of the container if two branches make
/// contradicting changes.
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
    // A join always makes a new output, even if a branch passes its input on.
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
