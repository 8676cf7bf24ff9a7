//! Folds events into the output of a run, and rejects impossible histories.

mod agent;
mod output;
mod rewind;
mod slots;

use crate::content::Content;
use crate::event::{
    ContainerKind, Decision, End, Event, EventClass, EventKind, EventRef, RefusedAnswer, Reply,
    WorkflowStarted,
};
use crate::output::{Metrics, QueuedFor, RunFailure, RunOutput, RunStatus, StepStatus, StepType};
use crate::path::StepPath;
use crate::requirement::{Requirement, RequirementKind};
use crate::step::{ExecutorType, StepOutput};
use crate::world::Timestamp;
use output::{Head, output};
use slots::{Mark, Open, Slot, at_least};
use std::sync::Arc;
use std::time::Duration;

/// An event that cannot follow the previous ones: the journal is damaged, or the engine has a bug.
///
/// [`Fold`] has an example.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("fact {sequence} ({event} at `{path}`) cannot follow what came before: {why}")]
pub struct IllegalEvent {
    /// The number of the event.
    pub sequence: u64,
    /// The kind of the event.
    pub event: &'static str,
    /// The path of the event.
    pub path: StepPath,
    /// The reason that it cannot follow.
    pub why: &'static str,
}

/// Computes the output of a run from its events so far.
///
/// ```
/// # use stepwright_core::{fold::Fold, event::*, *};
/// # fn started() -> EventKind { EventKind::WorkflowStarted(std::sync::Arc::new(WorkflowStarted {
/// #     workflow_id: WorkflowId::new("w").unwrap(), workflow_name: "W".into(), digest: "".into(),
/// #     session_id: SessionId::new("s").unwrap(), user_id: None, input: Default::default(),
/// #     state: Default::default(), patches: Vec::new(), metadata: Default::default(), debug: false, timeout_ms: None, background: false, session_used: None, trace: None })) }
/// let event = |sequence, kind| Event {
///     sequence, delta: 0, time: Timestamp(0), run: RunId::new("r").unwrap(),
///     path: StepPath::root(), kind,
/// };
/// let mut fold = Fold::default();
/// fold.apply(&event(0, started()))?;
/// let ended = EventKind::WorkflowCompleted { content: "done".into(), stopped_at: None };
/// fold.apply(&event(1, ended))?;
/// assert_eq!(fold.output().unwrap().content.text(), "done");
/// # Ok::<(), fold::IllegalEvent>(())
/// ```
#[derive(Debug, Default)]
pub struct Fold {
    run: Option<Box<Head>>,
    status: RunStatus,
    next: u64,
    slots: Vec<Slot>,
    open: Open,
    /// The number of tool calls that are running.
    calls: u32,
    /// The pending requests.
    #[expect(clippy::box_collection, reason = "most runs wait for nothing, and keep no room")]
    waits: Option<Box<Vec<Requirement>>>,
}

impl Fold {
    /// Applies one event.
    ///
    /// # Errors
    /// Fails if the event cannot follow the previous ones. For example, the first event does not
    /// start the run, a number is missing, a step ends that has not started, or the run has already
    /// ended.
    pub fn apply(&mut self, event: &Event) -> Result<(), IllegalEvent> {
        self.apply_ref(&event.into())
    }

    /// Applies one event whose parts belong to another owner. See [`Fold::apply`].
    ///
    /// # Errors
    /// Fails if the event cannot follow the previous ones.
    pub fn apply_ref(&mut self, event: &EventRef<'_>) -> Result<(), IllegalEvent> {
        let illegal = |why| IllegalEvent {
            sequence: event.sequence,
            event: event.kind.name(),
            path: event.path.clone(),
            why,
        };
        if !event.is_fact() {
            self.delta(event);
            return Ok(());
        }
        if event.sequence != self.next {
            return Err(illegal("its number is not the next one"));
        }
        let retries = matches!(event.kind, EventKind::WorkflowRetried { .. });
        let forks = matches!(event.kind, EventKind::WorkflowForked(_));
        if self.status.is_terminal() && !retries && !forks {
            return Err(illegal("the run has ended"));
        }
        if let EventKind::WorkflowStarted(started) = event.kind {
            if self.run.is_some() {
                return Err(illegal("the run has begun already"));
            }
            self.run = Some(Box::new(Head {
                id: event.run.clone(),
                started: started.clone(),
                created_at: event.time,
                ended_at: event.time,
                content: Content::default(),
                failure: None,
                metrics: Metrics::default(),
                refused: Vec::new(),
                past: None,
                stopped_at: None,
                stopping: false,
                queued: None,
                awaited_queues: Vec::new(),
            }));
            self.status = RunStatus::Running;
            self.next = 1;
            return Ok(());
        }
        let Some(run) = self.run.as_mut() else { return Err(illegal("the run has not begun")) };
        let continues = matches!(event.kind, EventKind::WorkflowContinued { .. });
        if self.status == RunStatus::Paused && !continues && !forks {
            return Err(illegal("the run is paused"));
        }
        run.ended_at = event.time;
        self.transition(event).map_err(illegal)?;
        self.next += 1;
        Ok(())
    }

    /// Applies a fact of a running run.
    fn transition(&mut self, event: &EventRef<'_>) -> Result<(), &'static str> {
        use EventClass as C;
        match event.kind.class() {
            C::RunStarted(_) | C::Delta => Err("it is no fact of a run under way"),
            C::RunEnded(status) => {
                self.end(status)?;
                self.note_end(event.kind);
                Ok(())
            }
            C::RunStopping => {
                if let Some(run) = &mut self.run {
                    run.stopping = true;
                }
                Ok(())
            }
            C::RunPaused => {
                self.status = RunStatus::Paused;
                Ok(())
            }
            C::RunContinued => {
                self.go_on();
                Ok(())
            }
            C::RunRetried(steps) => self.retried(event, steps),
            C::RunForked(forked) => self.forked(event, forked),
            C::Asked(requirement) => self.wait(event, requirement),
            C::Answered(reply) => self.answered(reply),
            C::AnswerRefused(refused) => self.refused(refused),
            C::Started(step_type) => self.begun(event, step_type),
            C::StepEnded(status) => self.step_ended(event, status),
            C::ContainerEnded(end) => self.close(event, end),
            C::Attempt => self.attempt(event),
            // The workspace of a run belongs to all of its steps.
            C::Effect if event.path.is_root() && is_recorded(event.kind) => Ok(()),
            C::Effect if matches!(event.kind, EventKind::GuardrailJudged { .. }) => {
                self.agent(event)
            }
            C::Effect => self.slot(event).map(drop),
            C::Budget if event.path.is_root() => Ok(()),
            C::Budget => self.slot(event).map(drop),
            C::Agent => self.agent(event),
            C::Decider(fact) => self.decider(fact),
            C::RunQueued => {
                self.status = RunStatus::Pending;
                if let (Some(run), EventKind::WorkflowQueued { key, max, ahead }) =
                    (&mut self.run, event.kind)
                {
                    let (key, max, ahead) = (key.clone(), *max, *ahead);
                    run.queued = Some(Box::new(QueuedFor { key, max, ahead }));
                }
                Ok(())
            }
            C::RunAdmitted => {
                self.go_on();
                Ok(())
            }
            C::RunHandedOver => {
                self.status = RunStatus::Pending;
                if let (Some(run), EventKind::WorkflowHandedOver { queues, .. }) =
                    (&mut self.run, event.kind)
                {
                    run.awaited_queues.clone_from(queues);
                }
                Ok(())
            }
        }
    }

    fn go_on(&mut self) {
        self.status = RunStatus::Running;
        if let Some(run) = &mut self.run {
            run.queued = None;
            run.awaited_queues.clear();
        }
    }

    /// Stores the output of the run, or its failure.
    fn note_end(&mut self, kind: &EventKind) {
        let Some(run) = &mut self.run else { return };
        match kind {
            EventKind::WorkflowCompleted { content, stopped_at } => {
                (run.content, run.stopped_at) = (content.clone(), stopped_at.clone());
            }
            EventKind::WorkflowError { error, step, attempts } => {
                let (error, step) = ((**error).clone(), step.clone());
                run.failure = Some(Box::new(RunFailure { error, step, attempts: *attempts }));
            }
            _ => {}
        }
    }

    fn metrics_mut(&mut self) -> Option<&mut Metrics> {
        self.run.as_mut().map(|run| &mut run.metrics)
    }

    fn answered(&mut self, reply: &Reply) -> Result<(), &'static str> {
        let waits = self.waits.as_deref_mut().ok_or("no request is pending")?;
        let place = waits.iter().position(|wait| wait.id == reply.requirement_id);
        waits.remove(place.ok_or("the request is not pending")?);
        Ok(())
    }

    fn refused(&mut self, refused: &RefusedAnswer) -> Result<(), &'static str> {
        if !self.waits_for(&refused.reply.requirement_id) {
            return Err("the request is not pending");
        }
        if let Some(run) = &mut self.run {
            run.refused.push(refused.clone());
        }
        Ok(())
    }

    fn begun(&mut self, event: &EventRef<'_>, step_type: StepType) -> Result<(), &'static str> {
        // What undoes a step stands beside the steps: the containers of that step have ended.
        let undoes = step_type == StepType::Container(ContainerKind::Undo);
        let slot = if undoes {
            self.start_in(event, step_type, "")?
        } else {
            self.start(event, step_type)?
        };
        match event.kind {
            EventKind::StepStarted { executor_type, executor_name } => {
                slot.executor = Some((*executor_type, executor_name.clone()));
                slot.attempts = 1;
                if let Some(metrics) = self.metrics_mut() {
                    metrics.steps += 1;
                }
            }
            EventKind::ContainerStarted { kind, decision: Decision::Names(branches) }
                if kind.is_concurrent() =>
            {
                slot.more().order = Some(branches.clone());
            }
            EventKind::ContainerStarted { kind, .. } if kind.is_after() => {
                // The steps before have ended, and no answer to their requests counts any more.
                self.withdraw(if undoes { None } else { event.path.parent_str() });
            }
            _ => {}
        }
        Ok(())
    }

    /// Drops the pending requests inside of `path`, or all of them.
    fn withdraw(&mut self, path: Option<&str>) {
        let path = path.map_or_else(StepPath::root, StepPath::from);
        if let Some(waits) = self.waits.as_deref_mut() {
            waits.retain(|wait| !path.contains(&wait.path));
        }
    }

    fn step_ended(&mut self, event: &EventRef<'_>, status: StepStatus) -> Result<(), &'static str> {
        let slot = self.finish(event, status)?;
        match event.kind {
            EventKind::StepCompleted { output } => slot.output = Some(output.clone()),
            EventKind::StepCancelled { partial } => {
                slot.output = Some(Arc::new(StepOutput::from(partial.clone())));
            }
            EventKind::StepError { error, attempts, .. }
            | EventKind::StepSkipped { error, attempts } => {
                slot.more().error = Some(error.clone());
                slot.attempts = *attempts;
            }
            _ => {}
        }
        Ok(())
    }

    fn attempt(&mut self, event: &EventRef<'_>) -> Result<(), &'static str> {
        match *event.kind {
            EventKind::StepRetrying { attempt, .. } => {
                self.stop_calls(event);
                let slot = self.slot(event)?;
                slot.attempts = attempt + 1;
                if let Some(more) = &mut slot.more {
                    more.partial.clear();
                    more.before += std::mem::take(&mut more.usage);
                }
                if let Some(metrics) = self.metrics_mut() {
                    metrics.retries += 1;
                }
            }
            EventKind::StepAttemptStarted { attempt } => self.slot(event)?.attempts = attempt,
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, status: RunStatus) -> Result<(), &'static str> {
        if !self.open.is_empty() {
            return Err("a step has not ended");
        }
        self.status = status;
        if let Some(run) = &mut self.run {
            run.queued = None;
            run.awaited_queues.clear();
        }
        self.open = Open::default();
        self.waits = None;
        Ok(())
    }

    fn wait(
        &mut self,
        event: &EventRef<'_>,
        requirement: &Requirement,
    ) -> Result<(), &'static str> {
        // A step or tool call may wait before it starts. Then what encloses it must be running.
        let is_open = |path: &str| path.is_empty() || self.open.get(path, &self.slots).is_some();
        let parent = event.path.parent_str().ok_or("it has no address")?;
        let encloses = is_open(parent) || event.path.caller_str().is_some_and(is_open);
        if !encloses && self.open.get(event.path.as_str(), &self.slots).is_none() {
            return Err("what waits is not under way");
        }
        let waits = self.waits.get_or_insert_default();
        if waits.iter().any(|wait| wait.id == requirement.id) {
            return Err("that is waited for already");
        }
        waits.push(requirement.clone());
        // The output counts even if it is rejected. The usage of a container is that of its steps.
        if let RequirementKind::OutputReview { output, .. } = &requirement.kind
            && !output.usage.is_empty()
            && let Ok(slot) = self.slot(event)
            && slot.step_type == StepType::Step
        {
            let more = slot.more();
            more.usage = at_least(more.usage, output.usage);
        }
        Ok(())
    }

    fn start(
        &mut self,
        event: &EventRef<'_>,
        step_type: StepType,
    ) -> Result<&mut Slot, &'static str> {
        let parent = event.path.parent_str().ok_or("it has no address")?;
        self.start_in(event, step_type, parent)
    }

    fn start_in(
        &mut self,
        event: &EventRef<'_>,
        step_type: StepType,
        parent: &str,
    ) -> Result<&mut Slot, &'static str> {
        let parent = match parent {
            "" => None,
            parent => match self.open.get(parent, &self.slots) {
                Some(index) => Some(index),
                None => return Err("what encloses it is not under way"),
            },
        };
        if step_type == StepType::ToolCall {
            let caller = parent.map(|index| self.slots[index as usize].step_type);
            if !matches!(caller, Some(StepType::Step | StepType::ToolCall)) {
                return Err("no step makes this call");
            }
            self.calls += 1;
        }
        let index = u32::try_from(self.slots.len()).map_err(|_| "there are too many steps")?;
        if let Some(index) = self.open.get(event.path.as_str(), &self.slots) {
            let slot = &mut self.slots[index as usize];
            if std::mem::take(&mut slot.mark) != Mark::Again {
                return Err("it has begun already");
            }
            (slot.step_type, slot.started_at) = (step_type, event.time);
            return Ok(slot);
        }
        self.open.add(event.path, index);
        if self.slots.is_empty() {
            // Reserve one slot only, because many runs wait in their first step.
            self.slots.reserve_exact(1);
        }
        self.slots.push(Slot {
            path: event.path.clone(),
            parent,
            step_type,
            status: StepStatus::Running,
            executor: None,
            attempts: 0,
            started_at: event.time,
            ended_at: None,
            output: None,
            more: None,
            mark: Mark::None,
        });
        Ok(&mut self.slots[index as usize])
    }

    fn slot(&mut self, event: &EventRef<'_>) -> Result<&mut Slot, &'static str> {
        match self.open.get(event.path.as_str(), &self.slots) {
            Some(index) => Ok(&mut self.slots[index as usize]),
            None => Err("it has not begun, or has ended"),
        }
    }

    /// Closes the calls inside a step. They have no end of their own, because the step ended first.
    fn stop_calls(&mut self, event: &EventRef<'_>) {
        if self.calls == 0 {
            return;
        }
        for index in self.open.all().collect::<Vec<_>>() {
            let slot = &mut self.slots[index as usize];
            let is_inside = *event.path != slot.path && event.path.contains(&slot.path);
            if slot.step_type == StepType::ToolCall && is_inside {
                (slot.status, slot.ended_at) = (StepStatus::Cancelled, Some(event.time));
                let path = slot.path.clone();
                self.open.remove(path.as_str(), &self.slots);
                self.calls -= 1;
            }
        }
    }

    fn finish(
        &mut self,
        event: &EventRef<'_>,
        status: StepStatus,
    ) -> Result<&mut Slot, &'static str> {
        self.stop_calls(event);
        let index = self.open.remove(event.path.as_str(), &self.slots);
        let index = index.ok_or("it has not begun, or has ended")?;
        if let Some(waits) = self.waits.as_deref_mut() {
            waits.retain(|wait| !event.path.contains(&wait.path));
        }
        let slot = &mut self.slots[index as usize];
        if slot.step_type == StepType::ToolCall {
            self.calls -= 1;
        }
        slot.status = status;
        slot.ended_at = Some(event.time);
        if let Some(more) = &mut slot.more {
            more.partial = String::new();
        }
        Ok(slot)
    }

    fn close(&mut self, event: &EventRef<'_>, end: &End) -> Result<(), &'static str> {
        let slot = self.finish(event, end.status)?;
        if let EventKind::ContainerCompleted { kind: ContainerKind::Loop, turns, .. } = *event.kind
            && turns.exhausted
        {
            slot.more().exhausted = true;
        }
        if end.error.is_some() {
            slot.more().error.clone_from(&end.error);
        }
        Ok(())
    }

    fn delta(&mut self, event: &EventRef<'_>) {
        if let EventKind::RunContent { content } = event.kind
            && let Ok(slot) = self.slot(event)
        {
            slot.more().partial.push_str(content);
        }
    }

    /// Returns the number of the next fact.
    pub fn next_sequence(&self) -> u64 {
        self.next
    }

    /// Returns the time at which the run started.
    pub fn created_at(&self) -> Timestamp {
        self.run.as_ref().map_or(Timestamp::default(), |head| head.created_at)
    }

    /// Returns the time from which the timeout of the run counts: its start, or its last retry.
    pub fn timed_from(&self) -> Timestamp {
        self.run.as_ref().map_or(Timestamp::default(), |head| head.timed_from())
    }

    /// Returns the time up to which the run sees the history of its session: its start, or that of
    /// its origin.
    pub fn history_until(&self) -> Timestamp {
        let head = self.run.as_ref();
        head.map_or(Timestamp::default(), |head| {
            head.past.as_ref().and_then(|past| past.history_until).unwrap_or(head.created_at)
        })
    }

    /// Returns the metrics since the run ended last, if it was retried.
    pub fn metrics_since_retry(&self) -> Option<Metrics> {
        let ended = self.run.as_ref()?.past.as_ref()?.ended?;
        let now = self.metrics();
        Some(Metrics {
            duration_ms: now.duration_ms.saturating_sub(ended.duration_ms),
            steps: now.steps - ended.steps,
            retries: now.retries - ended.retries,
            model_calls: now.model_calls - ended.model_calls,
            tool_calls: now.tool_calls - ended.tool_calls,
            usage: now.usage.since(ended.usage),
            cost: now.cost.since(ended.cost),
        })
    }

    /// Returns the status of the run.
    pub fn status(&self) -> RunStatus {
        self.status
    }

    /// Returns `true` if the run waits for a slot: see [`EventKind::WorkflowQueued`].
    pub fn is_queued(&self) -> bool {
        self.run.as_ref().is_some_and(|run| run.queued.is_some())
    }

    /// Returns `true` if the run was cancelled or timed out, and the steps run that follow.
    pub fn is_stopping(&self) -> bool {
        self.run.as_ref().is_some_and(|run| run.stopping)
    }

    /// Returns the start of the run, once it has started.
    pub fn started(&self) -> Option<&WorkflowStarted> {
        self.run.as_ref().map(|run| &*run.started)
    }

    /// Undoes the end of the run, which was the last fact applied, because a store refused it.
    pub fn take_back_end(&mut self) {
        if self.status.is_terminal() {
            self.status = RunStatus::Running;
            self.next -= 1;
            if let Some(run) = &mut self.run {
                (run.content, run.failure, run.stopped_at) = (Content::default(), None, None);
            }
        }
    }

    /// Returns the running steps and containers at or beneath `path`, innermost first, with their
    /// partial outputs. Tool calls are left out, because they end with their steps.
    pub fn open_within(&self, path: &StepPath) -> Vec<(StepPath, StepType, Content)> {
        if self.open.is_empty() {
            return Vec::new();
        }
        let mut open: Vec<u32> = self.open.all().collect();
        open.retain(|index| {
            let slot = &self.slots[*index as usize];
            slot.step_type != StepType::ToolCall && path.contains(&slot.path)
        });
        open.sort_unstable_by_key(|index| std::cmp::Reverse(*index));
        open.into_iter()
            .map(|index| {
                let slot = &self.slots[index as usize];
                let partial = match &slot.more {
                    Some(more) if !more.partial.is_empty() => Content::from(&more.partial),
                    _ => Content::default(),
                };
                (slot.path.clone(), slot.step_type, partial)
            })
            .collect()
    }

    /// Returns the output so far, or `None` before the run has started.
    pub fn output(&self) -> Option<RunOutput> {
        let waits = self.requirements().to_vec();
        let head = self.run.as_deref().cloned()?;
        Some(output(head, self.status, self.slots.clone(), waits))
    }

    /// Returns the output without a copy, or `None` before the run has started.
    pub fn into_output(self) -> Option<RunOutput> {
        let waits = self.waits.map(|waits| *waits).unwrap_or_default();
        self.run.map(|head| output(*head, self.status, self.slots, waits))
    }

    /// Returns the pending requests, in the order in which they were made.
    pub fn requirements(&self) -> &[Requirement] {
        self.waits.as_deref().map_or(&[], |waits| waits)
    }

    /// Returns the time after which an answer to the requirement with this id is refused. It is the
    /// earliest of its own deadline, those of the containers around it, and that of the run.
    /// Returns `None` if there is no deadline, or no such pending request.
    pub fn answer_due(&self, id: &str) -> Option<Timestamp> {
        let asked = self.requirements().iter().find(|asked| *asked.id == *id)?;
        let around = self.requirements().iter().filter(|other| {
            other.kind == RequirementKind::Deadline && other.path.contains(&asked.path)
        });
        let run = self.run.as_ref().and_then(|head| {
            // The steps that run after the timeout have a time of their own.
            let limit = head.started.timeout_ms.filter(|_| !head.stopping)?;
            let limit = Duration::from_millis(limit);
            Some(head.timed_from().plus(limit))
        });
        around.filter_map(|around| around.due).chain(asked.due).chain(run).min()
    }

    /// Returns `true` if a late answer to the requirement with this id was refused.
    pub fn has_refused(&self, id: &str) -> bool {
        let refused = self.run.as_ref().map_or(&[][..], |head| &head.refused);
        refused.iter().any(|refused| *refused.reply.requirement_id == *id)
    }

    /// Returns `true` if the requirement with this id is pending.
    pub fn waits_for(&self, id: &str) -> bool {
        self.requirements().iter().any(|wait| *wait.id == *id)
    }

    /// Returns the metrics of the run so far.
    pub fn metrics(&self) -> Metrics {
        self.run.as_ref().map_or_else(Metrics::default, |head| head.metrics_now(&self.slots))
    }

    /// Returns the type of the executor of the step at `path`, if the step is running.
    pub fn executor_of(&self, path: &StepPath) -> Option<ExecutorType> {
        let index = self.open.get(path.as_str(), &self.slots)?;
        let slot = &self.slots[index as usize];
        slot.executor.as_ref().map(|(executor_type, _)| *executor_type)
    }

    /// Returns `true` if this path is inside of steps that run when others have ended, such as
    /// those of a `finally`, and these are running.
    pub fn runs_after(&self, path: &StepPath) -> bool {
        self.after_around(path).is_some()
    }

    /// Returns the path of the outermost steps that run when others have ended, and contain `path`.
    pub fn after_around(&self, path: &StepPath) -> Option<&StepPath> {
        let open = self.open.all().map(|index| &self.slots[index as usize]);
        let around = open.filter(|slot| {
            let is_after = matches!(slot.step_type, StepType::Container(kind) if kind.is_after());
            is_after && slot.path.contains(path)
        });
        around.map(|slot| &slot.path).min_by_key(|path| path.as_str().len())
    }

    /// Returns the time at which the step or container that is running at `path` started. For the
    /// root, that of the run.
    pub fn started_at(&self, path: &StepPath) -> Option<Timestamp> {
        if path.is_root() {
            return self.run.as_ref().map(|run| run.created_at);
        }
        let index = self.open.get(path.as_str(), &self.slots)?;
        Some(self.slots[index as usize].started_at)
    }

    /// Returns `true` if anything is running at `path`.
    pub fn is_open(&self, path: &StepPath) -> bool {
        self.open.get(path.as_str(), &self.slots).is_some()
    }
}

/// Returns `true` for the result of an effect that happens once.
fn is_recorded(kind: &EventKind) -> bool {
    matches!(kind, EventKind::StepRecorded { .. })
}
