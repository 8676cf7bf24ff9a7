//! Containers that execute several bodies at the same time.

use super::decide::{decide, no_answer};
use super::flow::{Walked, state_error};
use super::halt::Halt;
use super::pace::Pace;
use super::{Flow, count, sequence, visit};
use crate::effects::{Effects, Stop};
use futures_util::future::BoxFuture;
use serde_json::{Map, Value};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use stepwright_core::event::{ContainerKind, Decision, Turns};
use stepwright_core::plan::{Join, Node, NodeKind};
use stepwright_core::state::{Reducers, join_patches};
use stepwright_core::{
    Content, ErrorId, EventKind, FailureInfo, StepError, StepOutput, StepPath, StepStatus,
};

/// The result of a branch.
pub(super) type Answer = Result<Flow, Stop>;

pub(super) async fn parallel<E: Effects>(
    fx: &E,
    branches: &[Node],
    join: Join,
    concurrency: Option<u32>,
    path: &StepPath,
    flow: &mut Flow,
) -> Result<Walked, Stop> {
    let at_a_time = concurrency.unwrap_or_else(|| count(branches));
    let fan = Fan::new(path, branches.len(), at_a_time, join, flow);
    let (before, shared) = (&*flow, &fan);
    let answers = run(fx, &fan, |index| {
        Box::pin(async move {
            let mut own = shared.fork(before);
            let answer = visit(fx, &branches[index], path, &mut own).await.map(|()| own);
            shared.ended(&answer);
            fx.facts().settle().await?;
            answer
        })
    })
    .await?;
    let paths = |index: usize| path.child(&branches[index].name);
    let outside = flow.is_stopped_before(fx, path, ContainerKind::Parallel.completed());
    let reducers = fx.facts().reducers();
    let Joined { walked, mut outputs } = join_up(reducers, (&fan, outside), flow, answers, paths)?;
    if flow.ended.is_some() {
        return Ok(walked);
    }
    flow.previous = Some(if join == Join::First {
        outputs.pop().flatten().unwrap_or_default()
    } else {
        let named = branches.iter().zip(outputs).map(|(branch, output)| {
            let value = output.map_or(Value::Null, |output| output.content.to_value());
            ((*branch.name).to_owned(), value)
        });
        let content = Content::from(Value::Object(named.collect::<Map<_, _>>()));
        Arc::new(StepOutput { content, headed: true, ..StepOutput::default() })
    });
    Ok(walked)
}

pub(super) async fn map<E: Effects>(
    fx: &E,
    node: &Node,
    path: &StepPath,
    flow: &mut Flow,
) -> Result<Walked, Stop> {
    let NodeKind::Map { body, concurrency, join, rate, .. } = &node.kind else {
        unreachable!("only maps have items");
    };
    let (concurrency, join) = (*concurrency, *join);
    let Decision::Items { items, .. } = decide(fx, node, path, flow, None).await? else {
        return Err(no_answer(path));
    };
    let decision = Decision::Items { items: items.clone(), concurrency };
    fx.facts().record(path, EventKind::ContainerStarted { kind: ContainerKind::Map, decision })?;
    if join.needs().is_some_and(|needed| usize::try_from(needed).is_ok_and(|n| n > items.len())) {
        let needed = join.needs().unwrap_or_default();
        let what = format!("the map has {} items, and {needed} are needed", items.len());
        let error = StepError::terminal(what).with_id(ErrorId::BRANCHES_TOO_FEW);
        return Err(Stop::failed(path, error, 1));
    }
    let fan = Fan::new(path, items.len(), concurrency, join, flow);
    let pace = rate.map(Pace::new);
    let (before, items, shared, pace) = (&*flow, &items, &fan, pace.as_ref());
    let answers = run(fx, &fan, |index| {
        let number = number(index);
        let item = items[index].clone();
        Box::pin(async move {
            let own = shared.fork(before);
            let turn = path.nth(number);
            let answer = async {
                if let Some(pace) = pace {
                    pace.wait(fx, &turn, &own.halt).await?;
                }
                one_item(fx, body, join, turn, number, item, own).await
            };
            let answer = answer.await;
            shared.ended(&answer);
            fx.facts().settle().await?;
            answer
        })
    })
    .await?;
    let paths = |index: usize| path.nth(number(index));
    let outside = flow.is_stopped_before(fx, path, ContainerKind::Map.completed());
    let reducers = fx.facts().reducers();
    let Joined { walked, mut outputs } = join_up(reducers, (&fan, outside), flow, answers, paths)?;
    if flow.ended.is_some() {
        return Ok(walked);
    }
    flow.previous = Some(if join == Join::First {
        outputs.pop().flatten().unwrap_or_default()
    } else {
        let list = outputs.iter().map(|output| match output {
            Some(output) => output.content.to_value(),
            None => Value::Null,
        });
        Arc::new(StepOutput::from(Content::from(Value::Array(list.collect()))))
    });
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
    mut own: Flow,
) -> Answer {
    let kind = ContainerKind::Item;
    own.enter(fx, &turn, kind.started())?;
    let before = (own.scope.clone(), own.previous.clone(), own.item.clone(), own.nth);
    let decision = Decision::Turn { number, at_most: None };
    fx.facts().record(&turn, EventKind::ContainerStarted { kind, decision })?;
    let given = Arc::new(StepOutput::from(item.clone()));
    own.previous = Some(given.clone());
    (own.item, own.nth) = (Some(item), number);
    let answer = sequence(fx, body, &turn, &mut own).await;
    let answer = answer.and_then(|()| own.complete(fx, &turn, kind.completed()));
    // A failed item may be tolerated: it counts as one without an output.
    let status = match &answer {
        Ok(()) => StepStatus::Completed,
        Err(Stop::Failed(_)) if join.tolerates() => StepStatus::Skipped,
        Err(Stop::Failed(_)) => StepStatus::Failed,
        Err(stop) => return Err(stop.clone()),
    };
    let turns = Turns { number, ..Turns::default() };
    fx.facts().record(&turn, EventKind::ContainerCompleted { kind, turns, end: status.into() })?;
    if status == StepStatus::Skipped {
        // Its changes of the state are taken back.
        let (scope, previous, item, nth) = before;
        own = Flow { scope, previous, item, nth, patches: Vec::new(), broken: None, ..own };
        own.skipped(turn, Vec::new());
        return Ok(own);
    }
    answer?;
    let inside = std::mem::replace(&mut own.scope, before.0);
    // If no step had an output, the item itself still flows. An input is no result, so the item
    // counts as one without an output, as a branch of a parallel does.
    match own.previous.clone().filter(|output| !Arc::ptr_eq(output, &given)) {
        Some(output) => own.passed(turn, output, vec![inside]),
        None => own.skipped(turn, vec![inside]),
    }
    Ok(own)
}

/// Branches that run at the same time, and the rule by which one stops the others.
///
/// A branch that ends stops the others at once, before anything else in the run is polled. So no
/// other branch completes after it, and a resumed run finds the same winners.
struct Fan<'p> {
    path: &'p StepPath,
    count: usize,
    at_a_time: usize,
    join: Join,
    /// The part of the walk that the branches are.
    halt: Halt,
    /// The number of branches that have ended with an output, and of those without one.
    with: AtomicU32,
    without: AtomicU32,
}

impl<'p> Fan<'p> {
    fn new(path: &'p StepPath, count: usize, at_a_time: u32, join: Join, flow: &Flow) -> Self {
        let at_a_time = usize::try_from(at_a_time).unwrap_or(usize::MAX).max(1);
        let halt = flow.halt.inside();
        let (with, without) = (AtomicU32::new(0), AtomicU32::new(0));
        Self { path, count, at_a_time, join, halt, with, without }
    }

    /// Returns the flow with which a branch begins.
    fn fork(&self, before: &Flow) -> Flow {
        Flow { halt: self.halt.clone(), ..before.fork() }
    }

    /// Notes the end of a branch, and stops the others if that is the rule.
    fn ended(&self, answer: &Answer) {
        let over = match answer {
            Ok(flow) => {
                let has_output = flow.scope.last().is_some_and(|last| last.status().has_output());
                let counter = if has_output { &self.with } else { &self.without };
                counter.fetch_add(1, Ordering::Relaxed);
                flow.ended.is_some() || self.is_decided()
            }
            Err(Stop::Failed(_)) => {
                self.without.fetch_add(1, Ordering::Relaxed);
                self.join == Join::FailFast || self.is_decided()
            }
            // The branch was stopped from outside, maybe before the run was resumed.
            Err(Stop::Sibling | Stop::Cancelled(_)) => true,
            Err(Stop::Lost(_)) => return,
        };
        if over {
            let why = match answer {
                Err(Stop::Cancelled(reason)) => reason.clone(),
                Err(Stop::Failed(failure)) => format!("`{}` failed", failure.path).into(),
                Ok(Flow { ended: Some(step), .. }) => format!("`{step}` ended the run").into(),
                _ => "another branch was first".into(),
            };
            self.halt.stop(FailureInfo::cancelled(why, self.path.clone()));
        }
    }

    /// Returns `true` if enough branches have an output, or cannot have one any more.
    fn is_decided(&self) -> bool {
        let Some(needed) = self.join.needs() else { return false };
        let (with, without) =
            (self.with.load(Ordering::Relaxed), self.without.load(Ordering::Relaxed));
        let most = u32::try_from(self.count).unwrap_or(u32::MAX).saturating_sub(without);
        with >= needed || most < needed
    }
}

/// Runs the branches to their ends. Records the ones that were stopped.
async fn run<'a, E: Effects>(
    fx: &'a E,
    fan: &Fan<'_>,
    branch: impl Fn(usize) -> BoxFuture<'a, Answer> + Send + Sync,
) -> Result<Vec<Option<Answer>>, Stop> {
    let lost = |answer: &Answer| matches!(answer, Err(Stop::Lost(_)));
    let answers = fx.facts().branches((fan.count, fan.at_a_time), &fan.halt, lost, branch).await;
    let find = |wanted: fn(&Stop) -> bool| {
        let mut stops = answers.iter().flatten().filter_map(|answer| answer.as_ref().err());
        stops.find(|stop| wanted(stop)).cloned()
    };
    if let Some(stop) = find(|stop| matches!(stop, Stop::Lost(_))) {
        return Err(stop);
    }
    // What is left open belongs to branches that were stopped.
    fx.facts().stop_before(fan.path)?;
    match find(|stop| matches!(stop, Stop::Cancelled(_))) {
        Some(stop) => Err(stop),
        None => Ok(answers),
    }
}

/// The branches together.
struct Joined {
    walked: Walked,
    /// The outputs of all branches in declaration order, or only that of the first.
    outputs: Vec<Option<Arc<StepOutput>>>,
}

/// Combines the results of all branches, in declaration order, into `flow`.
///
/// # Errors
/// The failure of the first branch that failed, that of the container if too few branches have an
/// output or two branches make contradicting changes, or the stop from outside.
fn join_up(
    reducers: &Reducers,
    (fan, outside): (&Fan<'_>, bool),
    flow: &mut Flow,
    answers: Vec<Option<Answer>>,
    branch_path: impl Fn(usize) -> StepPath,
) -> Result<Joined, Stop> {
    let decided = fan.join.needs().is_some_and(|needed| fan.with.load(Ordering::Relaxed) >= needed);
    let failed = answers.iter().flatten().find_map(|answer| match answer {
        Err(stop @ Stop::Failed(_)) => Some(stop.clone()),
        _ => None,
    });
    let ended = answers.iter().flatten().any(|answer| matches!(answer, Ok(b) if b.ended.is_some()));
    let stopped =
        answers.iter().any(|answer| !matches!(answer, Some(Ok(_) | Err(Stop::Failed(_)))));
    let branches: Vec<Option<Flow>> =
        answers.into_iter().map(|answer| answer.and_then(Result::ok)).collect();
    if outside && stopped {
        return Err(Stop::Sibling);
    }
    match (fan.join.needs(), failed) {
        (Some(_), _) if decided => {}
        (Some(needed), failed) if !ended && fan.is_decided() => {
            let count = u32::try_from(fan.count).unwrap_or(u32::MAX);
            let error = too_few(fan.with.load(Ordering::Relaxed), needed, count);
            return Err(failed.unwrap_or_else(|| Stop::failed(fan.path, error, 1)));
        }
        (_, Some(_)) if stopped && !ended && fan.join != Join::FailFast => {
            return Err(Stop::Sibling);
        }
        (_, Some(failed)) => return Err(failed),
        (_, None) if stopped && !ended => return Err(Stop::Sibling),
        (_, None) => {}
    }
    let present = || branches.iter().enumerate().filter_map(|(i, b)| Some((i, b.as_ref()?)));
    if present().any(|(_, branch)| !branch.patches.is_empty()) {
        let patched: Vec<_> = present().map(|(i, b)| (branch_path(i), &b.patches[..])).collect();
        join_patches(&flow.state, &patched, reducers)
            .map_err(state_error)
            .and_then(|joined| flow.apply(&joined))
            .map_err(|error| Stop::failed(fan.path, error, 1))?;
    }
    let mut walked = Walked::begin(flow);
    // A join always makes a new output, even if a branch passes its input on.
    walked.given = None;
    let mut outputs = Vec::with_capacity(branches.len());
    for branch in branches {
        let Some(branch) = branch else {
            outputs.push(None);
            continue;
        };
        walked.body(&branch);
        if let (None, Some(step)) = (&flow.ended, &branch.ended) {
            flow.ended = Some(step.clone());
            flow.previous.clone_from(&branch.previous);
        }
        if flow.broken.is_none() {
            flow.broken.clone_from(&branch.broken);
        }
        outputs.push(match branch.scope.last() {
            Some(entry) if entry.status().has_output() => Some(entry.output().clone()),
            _ => None,
        });
    }
    if fan.join == Join::First {
        outputs.retain(Option::is_some);
        outputs.truncate(1);
    }
    Ok(Joined { walked, outputs })
}

/// Makes the failure of a container in which too few branches have an output.
fn too_few(with: u32, needed: u32, count: u32) -> StepError {
    let what = format!("{with} of {count} branches have an output; `join` requires {needed}");
    StepError::terminal(what)
        .with_id(ErrorId::BRANCHES_TOO_FEW)
        .with_hint("the results of the branches say why they have none; or need fewer with `join`")
}
