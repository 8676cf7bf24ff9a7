//! The part of a history that still counts after a run was retried or forked.
//!
//! A journal only grows. [`EventKind::WorkflowRetried`] and [`EventKind::WorkflowForked`] name the
//! executions that begin again, and this module says what that means for every earlier fact:
//! [`effective`] leaves out the facts that no longer count, and a resumed run replays the rest.

use crate::event::{Event, EventClass, EventKind, WorkflowStarted};
use crate::failure::ErrorCode;
use crate::once::TIME;
use crate::path::{StepPath, is_call};
use crate::requirement::{Answer, Requirement, RequirementKind};
use crate::status::{StepStatus, StepType};
use rustc_hash::{FxHashMap, FxHashSet};
use std::borrow::Cow;
use std::sync::Arc;

/// The relation of a path to the executions that begin again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// It stays as it was: it came before, or belongs to another branch.
    Kept,
    /// It contains an execution that begins again. It has begun, and has not ended any more.
    Around,
    /// It is an execution that begins again, or is inside one.
    Again,
    /// It came after an execution that begins again, and no longer counts.
    After,
}

/// The places of all paths of a run.
pub(crate) struct Places<'p> {
    again: FxHashSet<&'p str>,
    around: FxHashSet<&'p str>,
    after: FxHashSet<&'p str>,
    /// Containers that failed on their own and begin again with all that is in them.
    holding: FxHashSet<&'p str>,
}

impl<'p> Places<'p> {
    /// Computes the places from the executions so far, in the order in which they began, the paths
    /// of those that begin again, and the paths of containers that go on. With `gently`, containers
    /// that begin again keep what is in them.
    ///
    /// Later steps of a sequence and later turns come after them. Branches of a parallel and
    /// items of a map do not depend on each other.
    pub(crate) fn of(
        executions: impl Iterator<Item = (&'p StepPath, StepType)>,
        again: &'p [StepPath],
        open: &'p [StepPath],
        gently: bool,
    ) -> Self {
        let mut known: FxHashMap<&str, (usize, StepType)> = FxHashMap::default();
        let mut inside: FxHashMap<&str, Vec<&str>> = FxHashMap::default();
        for (order, (path, step_type)) in executions.enumerate() {
            known.insert(path.as_str(), (order, step_type));
            if let Some(parent) = path.parent_str() {
                inside.entry(parent).or_default().push(path.as_str());
            }
        }
        let mut places = Self {
            again: again.iter().map(StepPath::as_str).collect(),
            around: FxHashSet::default(),
            after: FxHashSet::default(),
            holding: FxHashSet::default(),
        };
        for path in again {
            if gently && inside.contains_key(path.as_str()) {
                places.holding.insert(path.as_str());
            }
            let mut at = path.as_str();
            while let Some(parent) = parent_of(at) {
                let concurrent = known.get(parent).is_some_and(|(_, step_type)| {
                    matches!(step_type, StepType::Container(kind) if kind.is_concurrent())
                });
                let began = known.get(at).map(|(order, _)| *order);
                if let (false, Some(began)) = (concurrent, began) {
                    let siblings = inside.get(parent).map_or(&[][..], |all| all);
                    let later = |path: &&&str| known[**path].0 > began;
                    places.after.extend(siblings.iter().filter(later));
                }
                let known_already = !places.around.insert(parent);
                if known_already && concurrent {
                    break;
                }
                at = parent;
            }
        }
        for path in open {
            let mut at = Some(path.as_str());
            while let Some(path) = at {
                places.around.insert(path);
                at = parent_of(path);
            }
        }
        places
    }

    /// Returns `true` if this is a container that begins again with all that is in it.
    fn holds(&self, path: &StepPath) -> bool {
        self.holding.contains(path.as_str())
    }

    /// Returns `true` if the execution at exactly this path begins again.
    pub(crate) fn begins_again(&self, path: &StepPath) -> bool {
        self.again.contains(path.as_str())
    }

    /// Returns the place of a path.
    pub(crate) fn of_path(&self, path: &StepPath) -> Place {
        let mut place = Place::Kept;
        let whole = path.as_str();
        let mut at = Some(whole);
        while let Some(path) = at {
            if self.after.contains(path) {
                return Place::After;
            }
            if self.again.contains(path) && (path == whole || !self.holding.contains(path)) {
                place = Place::Again;
            }
            at = parent_of(path);
        }
        if place == Place::Kept && self.around.contains(path.as_str()) {
            place = Place::Around;
        }
        place
    }
}

/// Returns the path of the enclosing node. `None` for the root.
fn parent_of(path: &str) -> Option<&str> {
    (!path.is_empty()).then(|| &path[..path.rfind(['/', '#']).unwrap_or(0)])
}

/// Returns the facts that still count. A run that was neither retried nor forked keeps them all.
///
/// ```
/// use stepwright_core::rewind::effective;
/// assert!(effective(&[]).is_empty());
/// ```
pub fn effective(past: &[Event]) -> Cow<'_, [Event]> {
    let rewinds = |event: &Event| {
        matches!(event.kind.class(), EventClass::RunRetried(_) | EventClass::RunForked(_))
    };
    if !past.iter().any(rewinds) {
        return Cow::Borrowed(past);
    }
    let mut kept: Vec<Event> = Vec::with_capacity(past.len());
    for event in past {
        match event.kind.class() {
            EventClass::RunRetried(steps) => rewind(&mut kept, steps, &[], true),
            EventClass::RunForked(forked) => {
                rewind(&mut kept, &forked.steps, &forked.open, false);
            }
            _ => {}
        }
        // What was to begin again, and was stopped before that, has begun as before the retry.
        if was_stopped(&event.kind) && !kept.iter().any(|fact| begins(fact, &event.path)) {
            let before = past.iter().take_while(|fact| fact.sequence < event.sequence);
            kept.extend(before.filter(|fact| begins(fact, &event.path)).last().cloned());
        }
        kept.push(event.clone());
    }
    Cow::Owned(kept)
}

/// Returns the start of a run, as its fork changed it if it is one. See [`effective`].
pub fn started(past: &[Event]) -> Option<Arc<WorkflowStarted>> {
    let mut started = None;
    for event in past {
        match event.kind.class() {
            EventClass::RunStarted(begun) => started = Some(begun.clone()),
            EventClass::RunForked(forked) => {
                started = started.map(|origin| Arc::new(forked.started(&origin)));
            }
            _ => {}
        }
    }
    started
}

/// Returns the ids of the requests that no longer count if these executions are retried.
///
/// See [`effective`].
pub fn withdrawn(past: &[Event], again: &[StepPath]) -> Vec<Arc<str>> {
    let past = effective(past);
    let places = Places::of(executions(&past), again, &[], true);
    let void = void_requests(&past, &places, true);
    let asked = past.iter().filter_map(|event| event.kind.requirement());
    let open = open_requests(&past);
    let mut ids: Vec<Arc<str>> = asked
        .map(|asked| asked.id.clone())
        .filter(|id| void.contains(&**id) || open.contains(&**id))
        .collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

/// Returns the executions that began, in order, without tool calls.
pub(crate) fn executions(past: &[Event]) -> impl Iterator<Item = (&StepPath, StepType)> {
    past.iter().filter_map(|event| match event.kind.class() {
        EventClass::Started(step_type) => Some((&event.path, step_type)),
        _ => None,
    })
}

/// Returns the number of the first facts of which a fork has need: all others came after, or begin
/// again.
///
/// See [`effective`].
pub fn needed(past: &[Event], again: &[StepPath], open: &[StepPath]) -> u64 {
    let mut kept = effective(past).into_owned();
    let roots = past.iter().rev().find(|event| {
        matches!(event.kind.class(), EventClass::RunRetried(_) | EventClass::RunForked(_))
    });
    let least = roots.map_or(1, |event| event.sequence + 1);
    rewind(&mut kept, again, open, false);
    let last = kept.iter().rev().find(|event| !event.path.is_root());
    last.map_or(least, |event| (event.sequence + 1).max(least))
}

/// Takes the facts out of `kept` that no longer count when these executions begin again.
///
/// With `gently`, as for a retry, they go on where they failed: what happened once in them is not
/// done again, and a model's answers are not paid for again.
fn rewind(kept: &mut Vec<Event>, again: &[StepPath], open: &[StepPath], gently: bool) {
    let places = Places::of(executions(kept), again, open, gently);
    let void = void_requests(kept, &places, gently);
    let mut gone = FxHashSet::default();
    if gently {
        for path in again {
            go_back(kept, path, &places, &mut gone);
        }
    }
    let mut keeps = Vec::with_capacity(kept.len());
    for (at, event) in kept.iter().enumerate() {
        let id = match event.kind.class() {
            EventClass::Asked(asked) => Some(&*asked.id),
            EventClass::Answered(reply) => Some(&*reply.requirement_id),
            EventClass::AnswerRefused(refused) => Some(&*refused.reply.requirement_id),
            _ => None,
        };
        keeps.push(match places.of_path(&event.path) {
            // The run does not end early any more.
            _ if matches!(event.kind.class(), EventClass::RunStopping) => false,
            _ if event.path.is_root() => id.is_none_or(|id| !void.contains(id)),
            // A decision that failed is made anew.
            Place::Again | Place::After if matches!(event.kind.class(), EventClass::Decider(_)) => {
                false
            }
            Place::Kept => id.is_none_or(|id| !void.contains(id)),
            Place::Around => match id {
                Some(id) => !void.contains(id),
                None => !is_end(&event.kind),
            },
            Place::Again if gently => match id {
                Some(id) => !void.contains(id),
                None => !gone.contains(&at),
            },
            // What happened once is not done again in the same run, and a call keeps its path.
            Place::After if gently => {
                is_of_call(event) || (is_once(&event.kind) && !is_time(&event.kind))
            }
            Place::Again | Place::After => false,
        });
    }
    let mut keeps = keeps.into_iter();
    kept.retain(|_| keeps.next().unwrap_or(true));
}

fn is_end(kind: &EventKind) -> bool {
    matches!(kind.class(), EventClass::StepEnded(_) | EventClass::ContainerEnded(_))
}

fn was_stopped(kind: &EventKind) -> bool {
    match kind.class() {
        EventClass::StepEnded(status) => status == StepStatus::Cancelled,
        EventClass::ContainerEnded(end) => end.status == StepStatus::Cancelled,
        _ => false,
    }
}

fn begins(event: &Event, path: &StepPath) -> bool {
    event.path == *path && matches!(event.kind.class(), EventClass::Started(_))
}

fn is_once(kind: &EventKind) -> bool {
    matches!(
        kind,
        EventKind::StepRecorded { .. }
            | EventKind::StepEffectStarted { .. }
            | EventKind::StepEffectFailed { .. }
    )
}

/// Returns `true` for the time that a step has seen. A step that begins again sees a later one.
fn is_time(kind: &EventKind) -> bool {
    matches!(kind, EventKind::StepRecorded { key, .. } if **key == *TIME)
}

fn is_of_call(event: &Event) -> bool {
    let call = matches!(
        event.kind,
        EventKind::ToolCallStarted { .. }
            | EventKind::ToolCallCompleted { .. }
            | EventKind::ToolCallError { .. }
    );
    call && is_call(&event.path)
}

/// Returns the ids of requests without an answer.
fn open_requests(past: &[Event]) -> FxHashSet<Arc<str>> {
    let mut open = FxHashSet::default();
    for event in past {
        if let Some(asked) = event.kind.requirement() {
            open.insert(asked.id.clone());
        }
        if let Some(reply) = event.kind.reply() {
            open.remove(&reply.requirement_id);
        }
    }
    open
}

/// Returns the ids of the requests that no longer count.
fn void_requests(past: &[Event], places: &Places<'_>, gently: bool) -> FxHashSet<Arc<str>> {
    let open = open_requests(past);
    let mut void = FxHashSet::default();
    for event in past {
        match event.kind.class() {
            EventClass::Asked(asked) => {
                let is_open = open.contains(&asked.id);
                let gone = match places.of_path(&asked.path) {
                    Place::After => true,
                    Place::Again if !gently => true,
                    // It is made again: only a request inside of a step knows that by itself.
                    _ if is_open && is_of_interpreter(asked) => true,
                    Place::Kept => false,
                    Place::Around | Place::Again => comes_later(asked),
                };
                if gone {
                    void.insert(asked.id.clone());
                }
            }
            // A retry asks again where the answer was no, and where time ran out.
            EventClass::Answered(reply)
                if gently
                    && places.of_path(&event.path) == Place::Again
                    && (reply.timed_out || matches!(reply.answer, Answer::Reject { .. })) =>
            {
                void.insert(reply.requirement_id.clone());
            }
            _ => {}
        }
    }
    void
}

/// Returns `true` if the interpreter makes this request, and not a function or an agent.
fn is_of_interpreter(asked: &Requirement) -> bool {
    use RequirementKind as K;
    !matches!(
        asked.kind,
        K::ToolConfirmation { .. }
            | K::ExternalExecution { .. }
            | K::Wait { .. }
            | K::Event { .. }
            | K::Sleep
    )
}

/// Returns `true` if this request is made after the work of its node, or while it goes on. One that
/// comes before the work stays answered.
fn comes_later(asked: &Requirement) -> bool {
    use RequirementKind as K;
    matches!(
        asked.kind,
        K::OutputReview { .. }
            | K::IterationReview { .. }
            | K::ErrorDecision { .. }
            | K::Interrupted { .. }
            | K::Deadline
    )
}

/// Collects the facts of an execution that no longer count when it is retried: its beginning and
/// its end, and the failure itself.
fn go_back(past: &[Event], path: &StepPath, places: &Places<'_>, gone: &mut FxHashSet<usize>) {
    let inside: Vec<usize> = (0..past.len())
        .filter(|at| path.contains(&past[*at].path))
        .filter(|at| places.of_path(&past[*at].path) == Place::Again)
        .collect();
    let own = |at: &&usize| past[**at].path == *path;
    // A container that has begun something keeps its decision.
    let holds = places.holds(path);
    let asked_about = inside.iter().filter(own).any(|at| {
        let asked = past[*at].kind.requirement();
        asked.is_some_and(|asked| matches!(asked.kind, RequirementKind::Interrupted { .. }))
    });
    let unknown = inside.iter().filter(own).any(|at| {
        matches!(&past[*at].kind, EventKind::StepError { error, .. }
            if error.code == ErrorCode::OutcomeUnknown)
    });
    for at in inside.iter().filter(own) {
        match past[*at].kind.class() {
            // Of a step that was given up because its outcome is not known, a person is asked.
            EventClass::Started(StepType::Step) if asked_about && unknown => {}
            EventClass::Started(_) if holds => {}
            EventClass::Started(_) | EventClass::StepEnded(_) | EventClass::ContainerEnded(_) => {
                gone.insert(*at);
            }
            _ => {}
        }
    }
    let last_attempt = inside.iter().rposition(|at| {
        past[*at].path == *path && matches!(past[*at].kind, EventKind::StepRetrying { .. })
    });
    let attempt = &inside[last_attempt.map_or(0, |at| at + 1)..];
    failed_calls(past, attempt, gone);
    failed_requests(past, attempt, gone);
}

/// Collects the calls with which the attempt failed: they are made again. Of a call whose outcome
/// is not known, only the failure goes.
fn failed_calls(past: &[Event], attempt: &[usize], gone: &mut FxHashSet<usize>) {
    for (nth, at) in attempt.iter().enumerate() {
        let EventKind::ToolCallError { tool, error: Some(_) } = &past[*at].kind else { continue };
        gone.insert(*at);
        if !tool.outcome_unknown {
            let begins = attempt[..nth].iter().rev().find(|begins| {
                let begins = &past[**begins];
                begins.path == past[*at].path
                    && matches!(begins.kind, EventKind::ToolCallStarted { .. })
            });
            gone.extend(begins.copied());
        }
    }
}

/// Collects the requests to models with which the attempt failed or was stopped. An answer that was
/// the reason of the failure is asked for again; every other answer stays.
fn failed_requests(past: &[Event], attempt: &[usize], gone: &mut FxHashSet<usize>) {
    use EventKind as E;
    let mut agents: FxHashMap<&StepPath, Vec<usize>> = FxHashMap::default();
    for at in attempt {
        let is_of_agent = matches!(
            past[*at].kind,
            E::RunStarted { .. }
                | E::ModelRequestStarted { .. }
                | E::ModelRequestRetrying { .. }
                | E::ModelRequestCompleted { .. }
                | E::ModelRequestInterrupted { .. }
                | E::MessageReceived { .. }
                | E::RunCompleted { .. }
                | E::RunError { .. }
                | E::ContextAdded { .. }
                | E::CompressionCompleted { .. }
                | E::SessionSummaryCompleted { .. }
                | E::MemoryUpdateCompleted { .. }
        );
        if is_of_agent {
            agents.entry(&past[*at].path).or_default().push(*at);
        }
    }
    for (path, mut facts) in agents {
        if let Some(last) = facts.pop_if(|at| matches!(past[*at].kind, E::RunError { .. })) {
            gone.insert(last);
            let is_answer =
                |at: &mut usize| matches!(past[*at].kind, E::ModelRequestCompleted { .. });
            if let Some(answer) = facts.pop_if(is_answer) {
                let called = attempt.iter().any(|at| {
                    *at > answer && past[*at].path != *path && path.contains(&past[*at].path)
                });
                if called {
                    facts.push(answer);
                } else {
                    gone.insert(answer);
                }
            }
        }
        while let Some(request) = facts.pop_if(|at| {
            matches!(past[*at].kind, E::ModelRequestStarted { .. } | E::ModelRequestRetrying { .. })
        }) {
            gone.insert(request);
        }
    }
}
