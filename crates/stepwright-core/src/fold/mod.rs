//! Folds events into the output of a run, and refuses histories that cannot be.

mod output;
mod slots;

use crate::content::Content;
use crate::error::ErrorData;
use crate::event::{End, Event, EventKind, WorkflowStarted};
use crate::executor::{ExecutorType, StepOutput};
use crate::message::{ToolOutcome, Usage};
use crate::output::{
    ExecutorRun, Metrics, RunFailure, RunOutput, RunStatus, StepStatus, StepType, Turn,
};
use crate::path::StepPath;
use crate::requirement::{Requirement, RequirementKind};
use crate::world::Timestamp;
use output::{Head, output};
use slots::{Open, Slot, at_least};
use std::sync::Arc;
use std::time::Duration;

/// A history that cannot be: a journal was damaged, or the engine has a bug.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("fact {sequence} ({event} at `{path}`) cannot follow what came before: {why}")]
pub struct IllegalEvent {
    /// Its number.
    pub sequence: u64,
    /// Its kind.
    pub event: &'static str,
    /// Where it claims to have happened.
    pub path: StepPath,
    /// What is wrong with it.
    pub why: &'static str,
}

/// The output of a run so far.
///
/// ```
/// # use stepwright_core::{fold::Fold, event::*, *};
/// # fn started() -> EventKind { EventKind::WorkflowStarted(std::sync::Arc::new(WorkflowStarted {
/// #     workflow_id: WorkflowId::new("w").unwrap(), workflow_name: "W".into(), digest: "".into(),
/// #     session_id: SessionId::new("s").unwrap(), user_id: None, input: Default::default(),
/// #     state: Default::default(), patches: Vec::new(), metadata: Default::default(), debug: false, timeout_ms: None, background: false })) }
/// let event = |sequence, kind| Event {
///     sequence, delta: 0, time: Timestamp(0), run: RunId::new("r").unwrap(),
///     path: StepPath::root(), kind,
/// };
/// let mut fold = Fold::default();
/// fold.apply(&event(0, started()))?;
/// fold.apply(&event(1, EventKind::WorkflowCompleted { content: "done".into() }))?;
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
    /// The number of tool calls that are under way.
    calls: u32,
    /// What is waited for.
    #[expect(clippy::box_collection, reason = "most runs wait for nobody, and keep no room")]
    waits: Option<Box<Vec<Requirement>>>,
}

impl Fold {
    /// Takes in one event.
    ///
    /// # Errors
    /// If it cannot follow what came before: the first event is no start, a number is missing, a
    /// step ends that has not begun, something happens after the end.
    pub fn apply(&mut self, event: &Event) -> Result<(), IllegalEvent> {
        let illegal = |why| IllegalEvent {
            sequence: event.sequence,
            event: event.name(),
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
        if self.status.is_terminal() {
            return Err(illegal("the run has ended"));
        }
        if let EventKind::WorkflowStarted(started) = &event.kind {
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
            }));
            self.status = RunStatus::Running;
            self.next = 1;
            return Ok(());
        }
        let Some(run) = self.run.as_mut() else { return Err(illegal("the run has not begun")) };
        let continues = matches!(event.kind, EventKind::WorkflowContinued { .. });
        if self.status == RunStatus::Paused && !continues {
            return Err(illegal("the run is paused"));
        }
        run.ended_at = event.time;
        self.step_or_end(event).map_err(illegal)?;
        self.next += 1;
        Ok(())
    }

    fn step_or_end(&mut self, event: &Event) -> Result<(), &'static str> {
        use EventKind as E;
        let metrics = |fold: &mut Self, change: fn(&mut Metrics)| {
            if let Some(run) = &mut fold.run {
                change(&mut run.metrics);
            }
        };
        match &event.kind {
            E::WorkflowCompleted { content } => {
                self.end(RunStatus::Completed)?;
                if let Some(run) = &mut self.run {
                    run.content = content.clone();
                }
            }
            E::WorkflowError { error, step, attempts } => {
                self.end(RunStatus::Error)?;
                if let Some(run) = &mut self.run {
                    run.failure = Some(Box::new(RunFailure {
                        error: (**error).clone(),
                        step: step.clone(),
                        attempts: *attempts,
                    }));
                }
            }
            E::WorkflowCancelled { .. } => self.end(RunStatus::Cancelled)?,
            E::WorkflowPaused { .. } => self.status = RunStatus::Paused,
            E::WorkflowContinued { .. } => self.status = RunStatus::Running,

            E::StepPaused { requirement }
            | E::RouterPaused { requirement }
            | E::StepOutputReview { requirement }
            | E::StepExecutorPaused { requirement }
            | E::DeadlineSet { requirement } => self.wait(event, requirement)?,
            E::StepContinued { reply }
            | E::StepExecutorContinued { reply }
            | E::DeadlinePassed { reply } => {
                let waits = self.waits.as_deref_mut().ok_or("nothing is waited for")?;
                let place = waits.iter().position(|wait| wait.id == reply.requirement_id);
                waits.remove(place.ok_or("that is not waited for")?);
            }
            E::AnswerRefused { refused } => {
                if !self.requirements().iter().any(|wait| wait.id == refused.reply.requirement_id) {
                    return Err("that is not waited for");
                }
                if let Some(run) = &mut self.run {
                    run.refused.push((**refused).clone());
                }
            }
            E::StepAttemptStarted { attempt } => self.slot(event)?.attempts = *attempt,
            E::StepRecorded { .. }
            | E::StepEffectStarted { .. }
            | E::StepEffectFailed { .. }
            | E::StepProcessStarted { .. }
            | E::ModelRequestStarted { .. } => {
                self.slot(event)?;
            }
            // A call may begin again. In older journals it stands at the path of its step.
            E::ToolCallStarted { .. } if self.is_open(&event.path) => {}
            E::ToolCallStarted { .. } => {
                let caller = event.path.caller_str().filter(|caller| !caller.is_empty());
                self.start_in(event, StepType::ToolCall, caller.ok_or("it has no caller")?)?;
            }
            E::ModelRequestRetrying { usage, .. } => self.consumed(event, *usage)?,

            E::StepStarted { executor_type, executor_name } => {
                let slot = self.start(event, StepType::Step)?;
                slot.executor = Some((*executor_type, executor_name.clone()));
                slot.attempts = 1;
                metrics(self, |m| m.steps += 1);
            }
            E::StepRetrying { attempt, .. } => {
                self.stop_calls(event);
                let slot = self.slot(event)?;
                slot.attempts = attempt + 1;
                if let Some(more) = &mut slot.more {
                    more.partial.clear();
                    more.before += std::mem::take(&mut more.usage);
                }
                metrics(self, |m| m.retries += 1);
            }
            E::StepCompleted { output } => {
                self.finish(event, StepStatus::Completed)?.output = Some(output.clone());
            }
            E::StepError { error, attempts, .. } => {
                self.failed(event, StepStatus::Failed, error, *attempts)?;
            }
            E::StepSkipped { error, attempts } => {
                self.failed(event, StepStatus::Skipped, error, *attempts)?;
            }
            E::StepCancelled { partial } => {
                let slot = self.finish(event, StepStatus::Cancelled)?;
                slot.output = Some(Arc::new(StepOutput::from(partial.clone())));
            }

            E::StepsExecutionStarted { .. } => {
                self.start(event, StepType::Steps)?;
            }
            E::ParallelExecutionStarted { branches } => {
                let slot = self.start(event, StepType::Parallel)?;
                slot.more().order = Some(branches.clone());
            }
            E::LoopExecutionStarted { .. } => {
                self.start(event, StepType::Loop)?;
            }
            E::LoopIterationStarted { .. } => {
                self.start(event, StepType::Iteration)?;
            }
            E::ConditionExecutionStarted { .. } => {
                self.start(event, StepType::Condition)?;
            }
            E::RouterExecutionStarted { .. } => {
                self.start(event, StepType::Router)?;
            }
            E::MapExecutionStarted { .. } => {
                self.start(event, StepType::Map)?;
            }
            E::MapItemStarted { .. } => {
                self.start(event, StepType::Item)?;
            }
            // Written out, so that a kind that is new is not forgotten here.
            E::LoopExecutionCompleted { end, exhausted, .. } => {
                if *exhausted {
                    self.slot(event)?.more().exhausted = true;
                }
                self.close(event, end)?;
            }
            E::StepsExecutionCompleted { end }
            | E::ParallelExecutionCompleted { end }
            | E::LoopIterationCompleted { end, .. }
            | E::ConditionExecutionCompleted { end }
            | E::RouterExecutionCompleted { end }
            | E::MapItemCompleted { end, .. }
            | E::MapExecutionCompleted { end } => self.close(event, end)?,

            E::RunStarted { agent, model, notice, message } => {
                let run = ExecutorRun {
                    path: event.path.clone(),
                    agent: agent.clone(),
                    model: model.clone(),
                    notice: notice.clone(),
                    message: message.clone(),
                    turns: Vec::new(),
                    content: Content::default(),
                    usage: Usage::default(),
                    error: None,
                };
                self.slot(event)?.more().runs.push(run);
            }
            E::ModelRequestCompleted { answer, usage, .. } => {
                let more = self.slot(event)?.more();
                more.usage += *usage;
                if let Some(run) = more.runs.last_mut() {
                    run.turns.push(Turn::Model((**answer).clone()));
                    run.usage += *usage;
                }
                metrics(self, |m| m.model_calls += 1);
            }
            E::ToolCallCompleted { tool } | E::ToolCallError { tool, .. } => {
                let mut index = self.open.get(event.path.as_str(), &self.slots);
                if let Some(call) = index
                    && self.slots[call as usize].step_type == StepType::ToolCall
                {
                    self.finish(event, StepStatus::Completed)?;
                    index = self.slots[call as usize].parent;
                }
                let index = index.ok_or("it has not begun, or has ended")?;
                if let Some(run) = self.slots[index as usize].run() {
                    told(&mut run.turns, (**tool).clone());
                }
                metrics(self, |m| m.tool_calls += 1);
            }
            E::RunCompleted { content, .. } => {
                if let Some(run) = self.slot(event)?.run() {
                    run.content = content.clone();
                }
            }
            E::RunError { error, usage } => {
                self.consumed(event, *usage)?;
                if let Some(run) = self.slot(event)?.run() {
                    run.error = Some(error.clone());
                }
            }
            E::WorkflowStarted(_)
            | E::StepOutput { .. }
            | E::StepProgress { .. }
            | E::RunContent { .. }
            | E::ReasoningContentDelta { .. }
            | E::RunContentCompleted
            | E::CustomEvent { .. } => return Err("it is no fact of a run under way"),
        }
        Ok(())
    }

    /// Counts what a request consumed that gave no answer.
    fn consumed(&mut self, event: &Event, usage: Usage) -> Result<(), &'static str> {
        let slot = self.slot(event)?;
        if !usage.is_empty() {
            let more = slot.more();
            more.usage += usage;
            if let Some(run) = more.runs.last_mut() {
                run.usage += usage;
            }
        }
        Ok(())
    }

    fn end(&mut self, status: RunStatus) -> Result<(), &'static str> {
        if !self.open.is_empty() {
            return Err("a step has not ended");
        }
        self.status = status;
        self.open = Open::default();
        self.waits = None;
        Ok(())
    }

    fn wait(&mut self, event: &Event, requirement: &Requirement) -> Result<(), &'static str> {
        // A step, or a tool call, may wait before it begins: then what encloses it is under way.
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
        // It was made, whether it is taken or not. What a container gives, its steps have made.
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

    fn start(&mut self, event: &Event, step_type: StepType) -> Result<&mut Slot, &'static str> {
        let parent = event.path.parent_str().ok_or("it has no address")?;
        self.start_in(event, step_type, parent)
    }

    fn start_in(
        &mut self,
        event: &Event,
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
        if self.open.get(event.path.as_str(), &self.slots).is_some() {
            return Err("it has begun already");
        }
        self.open.add(event.path.clone(), index);
        if self.slots.is_empty() {
            // Many runs wait in their first step.
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
        });
        Ok(&mut self.slots[index as usize])
    }

    fn slot(&mut self, event: &Event) -> Result<&mut Slot, &'static str> {
        match self.open.get(event.path.as_str(), &self.slots) {
            Some(index) => Ok(&mut self.slots[index as usize]),
            None => Err("it has not begun, or has ended"),
        }
    }

    /// The calls inside are over, without an end of their own: their step has gone on without them.
    fn stop_calls(&mut self, event: &Event) {
        if self.calls == 0 {
            return;
        }
        for index in self.open.all().collect::<Vec<_>>() {
            let slot = &mut self.slots[index as usize];
            let is_inside = event.path != slot.path && event.path.contains(&slot.path);
            if slot.step_type == StepType::ToolCall && is_inside {
                (slot.status, slot.ended_at) = (StepStatus::Cancelled, Some(event.time));
                let path = slot.path.clone();
                self.open.remove(path.as_str(), &self.slots);
                self.calls -= 1;
            }
        }
    }

    fn finish(&mut self, event: &Event, status: StepStatus) -> Result<&mut Slot, &'static str> {
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

    fn failed(
        &mut self,
        event: &Event,
        status: StepStatus,
        error: &ErrorData,
        attempts: u32,
    ) -> Result<(), &'static str> {
        let slot = self.finish(event, status)?;
        slot.more().error = Some(Box::new(error.clone()));
        slot.attempts = attempts;
        Ok(())
    }

    fn close(&mut self, event: &Event, end: &End) -> Result<(), &'static str> {
        let slot = self.finish(event, end.status)?;
        if end.error.is_some() {
            slot.more().error.clone_from(&end.error);
        }
        Ok(())
    }

    fn delta(&mut self, event: &Event) {
        if let EventKind::RunContent { content } = &event.kind
            && let Ok(slot) = self.slot(event)
        {
            slot.more().partial.push_str(content);
        }
    }

    /// The number of the next fact.
    pub fn next_sequence(&self) -> u64 {
        self.next
    }

    /// When the run began.
    pub fn created_at(&self) -> Timestamp {
        self.run.as_ref().map_or(Timestamp::default(), |head| head.created_at)
    }

    /// Where the run stands.
    pub fn status(&self) -> RunStatus {
        self.status
    }

    /// How the run began, once it has.
    pub fn started(&self) -> Option<&WorkflowStarted> {
        self.run.as_ref().map(|run| &*run.started)
    }

    /// Takes back the end of the run, which was the last fact applied: a store refused it.
    pub fn take_back_end(&mut self) {
        if self.status.is_terminal() {
            self.status = RunStatus::Running;
            self.next -= 1;
            if let Some(run) = &mut self.run {
                (run.content, run.failure) = (Content::default(), None);
            }
        }
    }

    /// The steps and containers that are under way at or beneath `path`, the innermost first, with
    /// what they have said so far. Tool calls end with their steps.
    pub fn open_within(&self, path: &StepPath) -> Vec<(StepPath, StepType, Content)> {
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

    /// The output so far; nothing before the run has begun.
    pub fn output(&self) -> Option<RunOutput> {
        let waits = self.requirements().to_vec();
        self.run.as_ref().map(|head| output(head, self.status, self.slots.clone(), waits))
    }

    /// The output, without a copy; nothing before the run has begun.
    pub fn into_output(self) -> Option<RunOutput> {
        let waits = self.waits.map(|waits| *waits).unwrap_or_default();
        self.run.map(|head| output(&head, self.status, self.slots, waits))
    }

    /// What is waited for, in the order in which it was asked.
    pub fn requirements(&self) -> &[Requirement] {
        self.waits.as_deref().map_or(&[], |waits| waits)
    }

    /// When an answer to the requirement of this name comes too late: after its own deadline, after
    /// that of a container around it, or when the time of the run is over. `None` if it never does,
    /// or if nothing of that name is waited for.
    pub fn answer_due(&self, id: &str) -> Option<Timestamp> {
        let asked = self.requirements().iter().find(|asked| *asked.id == *id)?;
        let around = self.requirements().iter().filter(|other| {
            other.kind == RequirementKind::Deadline && other.path.contains(&asked.path)
        });
        let run = self.run.as_ref().and_then(|head| {
            let limit = Duration::from_millis(head.started.timeout_ms?);
            Some(head.created_at.plus(limit))
        });
        around.filter_map(|around| around.due).chain(asked.due).chain(run).min()
    }

    /// `true` if an answer to the requirement of this name was refused because it came too late.
    pub fn has_refused(&self, id: &str) -> bool {
        let refused = self.run.as_ref().map_or(&[][..], |head| &head.refused);
        refused.iter().any(|refused| *refused.reply.requirement_id == *id)
    }

    /// `true` if the requirement of this name is open.
    pub fn waits_for(&self, id: &str) -> bool {
        self.requirements().iter().any(|wait| *wait.id == *id)
    }

    /// What the run consumed so far.
    pub fn metrics(&self) -> Metrics {
        self.run.as_ref().map_or_else(Metrics::default, |head| head.metrics_now(&self.slots))
    }

    /// Whether the step at `path` is under way, and what carries it out.
    pub fn executor_of(&self, path: &StepPath) -> Option<ExecutorType> {
        let index = self.open.get(path.as_str(), &self.slots)?;
        let slot = &self.slots[index as usize];
        slot.executor.as_ref().map(|(executor_type, _)| *executor_type)
    }

    /// Whether anything is under way at `path`.
    pub fn is_open(&self, path: &StepPath) -> bool {
        self.open.get(path.as_str(), &self.slots).is_some()
    }
}

/// Adds the answer of a tool: answers stand in the order of their calls, whichever comes first.
fn told(turns: &mut Vec<Turn>, answer: ToolOutcome) {
    let asked = turns.iter().rposition(|turn| matches!(turn, Turn::Model(_)));
    let Some(Turn::Model(turn)) = asked.map(|asked| &turns[asked]) else {
        turns.push(Turn::Tool(answer));
        return;
    };
    let place = |id: &str| turn.tool_calls().position(|call| call.id == id);
    let here = place(&answer.call_id);
    let behind = turns.iter().rposition(|turn| match turn {
        Turn::Tool(other) => place(&other.call_id) <= here,
        Turn::Model(_) => true,
    });
    turns.insert(behind.map_or(0, |behind| behind + 1), Turn::Tool(answer));
}
