//! The output of a run: its own data, and the tree of the results of its steps.

use super::slots::{Mark, Slot};
use crate::content::Content;
use crate::event::{Origin, RefusedAnswer, WorkflowStarted};
use crate::id::RunId;
use crate::media::Media;
use crate::message::Usage;
use crate::output::{
    ExecutorRun, Metrics, QueuedFor, RunFailure, RunOutput, RunStatus, StepResult, StepType,
};
use crate::path::StepPath;
use crate::requirement::{Requirement, RequirementKind};
use crate::world::Timestamp;
use rustc_hash::FxHashMap;
use serde_json::{Map, Value};
use std::sync::Arc;

/// The data of the run itself.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub(super) id: RunId,
    pub(super) started: Arc<WorkflowStarted>,
    pub(super) created_at: Timestamp,
    pub(super) ended_at: Timestamp,
    pub(super) content: Content,
    pub(super) failure: Option<Box<RunFailure>>,
    pub(super) metrics: Metrics,
    pub(super) refused: Vec<RefusedAnswer>,
    /// Of a run that was retried or forked.
    pub(super) past: Option<Box<Past>>,
    /// The step that ended the run early.
    pub(super) stopped_at: Option<StepPath>,
    /// `true` if the run is about to end early.
    pub(super) stopping: bool,
    /// The key whose slots are taken, while the run waits for one.
    pub(super) queued: Option<Box<QueuedFor>>,
    /// The queues whose workers the run waits for.
    pub(super) awaited_queues: Vec<Arc<str>>,
}

/// The times and the metrics of a run from before it was retried or forked.
#[derive(Clone, Debug, Default)]
pub(super) struct Past {
    pub(super) origin: Option<Origin>,
    /// The start of the origin.
    pub(super) history_until: Option<Timestamp>,
    /// The time of the last retry.
    pub(super) retried_at: Option<Timestamp>,
    /// The usage of the origin.
    pub(super) shared: Usage,
    /// The metrics at the last end.
    pub(super) ended: Option<Metrics>,
}

impl Head {
    pub(super) fn timed_from(&self) -> Timestamp {
        let retried = self.past.as_ref().and_then(|past| past.retried_at);
        retried.unwrap_or(self.created_at)
    }

    pub(super) fn metrics_now(&self, slots: &[Slot]) -> Metrics {
        let duration = self.ended_at.since(self.created_at).as_millis();
        let duration_ms = u64::try_from(duration).unwrap_or(u64::MAX);
        // That of the agents in deciders is in no slot.
        let users = slots.iter().filter(|slot| slot.has_usage());
        let mut usage: Usage = users.map(Slot::usage).sum();
        usage += self.metrics.usage;
        if let Some(past) = &self.past {
            usage = usage.since(past.shared);
        }
        Metrics { duration_ms, usage, ..self.metrics }
    }
}

/// Computes the output of a run from its head and its slots.
pub(super) fn output(
    head: Head,
    status: RunStatus,
    slots: Vec<Slot>,
    mut requirements: Vec<Requirement>,
) -> RunOutput {
    let metrics = head.metrics_now(&slots);
    let (step_results, step_executor_runs, media) = tree(slots);
    let Head {
        id, started, created_at, content, failure, refused, past, stopped_at, queued, ..
    } = head;
    let awaited_queues = head.awaited_queues;
    let mut metadata = started.metadata.clone();
    for run in &step_executor_runs {
        if let Some(notice) = &run.notice {
            let notices = metadata.entry("notices").or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(notices) = notices {
                notices.insert(run.model.to_string(), Value::from(&**notice));
            }
        }
    }
    // Deadlines limit the run; it does not wait for them.
    requirements.retain(|asked| asked.kind != RequirementKind::Deadline);
    RunOutput {
        run_id: id,
        session_id: started.session_id.clone(),
        user_id: started.user_id.clone(),
        workflow_id: started.workflow_id.clone(),
        workflow_name: started.workflow_name.clone(),
        status,
        input: started.input.content.clone(),
        content,
        step_results,
        step_executor_runs,
        events: None,
        metrics,
        metadata,
        created_at,
        origin: past.and_then(|past| past.origin),
        error: failure.map(|failure| *failure),
        media,
        requirements,
        refused_answers: refused,
        stopped_at,
        queued: queued.map(|queued| *queued),
        awaited_queues,
    }
}

/// Builds the tree of results. Each slot follows the slot that contains it.
fn tree(mut slots: Vec<Slot>) -> (Vec<StepResult>, Vec<ExecutorRun>, Vec<Media>) {
    let counts = slots.iter_mut().filter(|slot| slot.mark != Mark::Gone);
    let more = counts.filter_map(|slot| slot.more.as_mut());
    let runs = more.flat_map(|more| std::mem::take(&mut more.runs)).collect();
    if slots.iter().all(|slot| slot.parent.is_none() && slot.mark != Mark::Gone) {
        // Nothing is inside of anything: the results are the slots as they are.
        let top: Vec<_> = slots.into_iter().map(|slot| slot.into_result(Vec::new())).collect();
        return with_media(top, runs);
    }
    let mut inside: Vec<Vec<StepResult>> = Vec::new();
    inside.resize_with(slots.len(), Vec::new);
    let mut top = Vec::new();
    while let Some(mut slot) = slots.pop() {
        let mut steps = inside.pop().unwrap_or_default();
        if slot.mark == Mark::Gone {
            continue;
        }
        steps.reverse();
        let order = slot.more.as_mut().and_then(|more| more.order.take());
        in_order(&mut steps, slot.step_type, order.as_deref());
        if slot.step_type == StepType::ToolCall {
            // A call is part of its step, so the step also counts the usage of an agent inside the
            // call, and has the steps of a workflow inside it.
            if let Some(parent) = slot.parent {
                let caller = slots[parent as usize].more();
                caller.inside += slot.usage();
                caller.inside += usage_of(&steps);
                // They are collected from the last to the first.
                inside[parent as usize].extend(steps.into_iter().rev());
            }
            continue;
        }
        let siblings = match slot.parent {
            Some(parent) => &mut inside[parent as usize],
            None => &mut top,
        };
        siblings.push(slot.into_result(steps));
    }
    top.reverse();
    with_media(top, runs)
}

/// Adds the media of all steps.
fn with_media(
    top: Vec<StepResult>,
    runs: Vec<ExecutorRun>,
) -> (Vec<StepResult>, Vec<ExecutorRun>, Vec<Media>) {
    let mut media = Vec::new();
    collect_media(&top, &mut media);
    (top, runs, media)
}

/// Returns the usage of `steps` and of everything inside them.
fn usage_of(steps: &[StepResult]) -> Usage {
    steps.iter().flat_map(|step| [step.usage, usage_of(&step.steps)]).sum()
}

/// Collects the media of `steps` and of everything inside them, in tree order.
fn collect_media(steps: &[StepResult], media: &mut Vec<Media>) {
    for step in steps {
        // Most steps have neither.
        if !step.media.is_empty() {
            media.extend_from_slice(&step.media);
        }
        if !step.steps.is_empty() {
            collect_media(&step.steps, media);
        }
    }
}

/// Sorts branches and items into declaration order, because they may start in another order.
fn in_order(steps: &mut [StepResult], step_type: StepType, order: Option<&[Arc<str>]>) {
    if !matches!(step_type, StepType::Container(kind) if kind.is_concurrent()) {
        return;
    }
    let Some(order) = order else {
        // The steps that run in any case come last.
        steps.sort_by_cached_key(|step| step.path.number().unwrap_or(u32::MAX));
        return;
    };
    if steps.iter().map(StepResult::name).ne(order.iter().map(|name| &**name)) {
        let place: FxHashMap<&str, usize> =
            order.iter().enumerate().map(|(place, name)| (&**name, place)).collect();
        steps.sort_by_cached_key(|step| match step.step_type {
            StepType::Container(kind) if kind.is_after() => usize::MAX,
            _ => place.get(step.name()).copied().unwrap_or(usize::MAX),
        });
    }
}
