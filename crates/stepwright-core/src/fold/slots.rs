//! The steps of a run, and an index of the running ones.

use crate::failure::ErrorData;
use crate::message::Usage;
use crate::output::{ExecutorRun, StepResult, StepStatus, StepType};
use crate::path::StepPath;
use crate::step::{ExecutorType, StepOutput};
use crate::world::Timestamp;
use rustc_hash::FxHashMap;
use std::sync::Arc;

/// A step of the run. Small, because a waiting run keeps one for each of its steps.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    pub(super) path: StepPath,
    pub(super) parent: Option<u32>,
    pub(super) step_type: StepType,
    pub(super) status: StepStatus,
    pub(super) executor: Option<(ExecutorType, Arc<str>)>,
    pub(super) attempts: u32,
    pub(super) started_at: Timestamp,
    pub(super) ended_at: Option<Timestamp>,
    pub(super) output: Option<Arc<StepOutput>>,
    pub(super) more: Option<Box<More>>,
    pub(super) mark: Mark,
}

/// The effect of a retry or a fork on a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Mark {
    #[default]
    None,
    /// It is open, and may begin once more.
    Again,
    /// It no longer counts. Its usage does: it was paid.
    Gone,
}

/// The data that only few steps have.
#[derive(Clone, Debug, Default)]
pub(super) struct More {
    pub(super) error: Option<Box<ErrorData>>,
    /// For a parallel, its branches in declaration order.
    pub(super) order: Option<Arc<[Arc<str>]>>,
    pub(super) runs: Vec<ExecutorRun>,
    /// The usage of the earlier attempts.
    pub(super) before: Usage,
    /// The usage of this attempt so far.
    pub(super) usage: Usage,
    /// The usage of its tool calls, once it is computed.
    pub(super) inside: Usage,
    /// The partial text of the step.
    pub(super) partial: String,
    /// The length of the partial text when its agent asked its model last.
    pub(super) asked_at: usize,
    /// `true` if this is a loop that made all its turns and its condition was not met.
    pub(super) exhausted: bool,
}

impl Slot {
    pub(super) fn more(&mut self) -> &mut More {
        self.more.get_or_insert_default()
    }

    /// Returns the running agent.
    pub(super) fn run(&mut self) -> Option<&mut ExecutorRun> {
        self.more.as_mut()?.runs.last_mut()
    }

    /// Returns `false` if the step has used no model. Most steps of most runs are functions.
    pub(super) fn has_usage(&self) -> bool {
        self.more.is_some() || self.output.as_ref().is_some_and(|output| !output.usage.is_empty())
    }

    /// Returns the usage of all attempts.
    pub(super) fn usage(&self) -> Usage {
        let given = self.output.as_ref().map(|output| output.usage).unwrap_or_default();
        let Some(more) = &self.more else { return given };
        [more.before, at_least(more.usage, given), more.inside].into_iter().sum()
    }

    pub(super) fn into_result(self, steps: Vec<StepResult>) -> StepResult {
        let usage = self.usage();
        let Self { executor, output, more, .. } = self;
        let (executor_type, executor_name) = executor.unzip();
        let (content, media, files, stop) = match output.map(Arc::try_unwrap) {
            Some(Ok(output)) => (output.content, output.media, output.files, output.stop),
            Some(Err(shared)) => {
                let (content, media) = (shared.content.clone(), shared.media.clone());
                (content, media, shared.files.clone(), shared.stop)
            }
            None => <_>::default(),
        };
        StepResult {
            path: self.path,
            step_type: self.step_type,
            executor_type,
            executor_name,
            status: self.status,
            content,
            media,
            files,
            exhausted: more.as_ref().is_some_and(|more| more.exhausted),
            error: more.and_then(|more| more.error),
            attempts: self.attempts,
            stop,
            started_at: self.started_at,
            ended_at: self.ended_at,
            usage,
            steps,
        }
    }
}

/// Combines two reports of the usage of an attempt: the sum of its model requests, and its output.
/// Both may be partial and they overlap, so the larger numbers count.
pub(super) fn at_least(requests: Usage, output: Usage) -> Usage {
    Usage {
        input_tokens: requests.input_tokens.max(output.input_tokens),
        output_tokens: requests.output_tokens.max(output.output_tokens),
        cache_read_tokens: requests.cache_read_tokens.max(output.cache_read_tokens),
        cache_write_tokens: requests.cache_write_tokens.max(output.cache_write_tokens),
        reasoning_tokens: requests.reasoning_tokens.max(output.reasoning_tokens),
        image_tokens: requests.image_tokens.max(output.image_tokens),
    }
}

/// The number of running steps that are searched one by one.
const FEW: usize = 16;

/// The running steps by path. A list while they are few, which is the case in most runs.
#[derive(Debug, Default)]
pub(super) struct Open {
    few: Vec<u32>,
    many: Option<Box<FxHashMap<StepPath, u32>>>,
}

impl Open {
    pub(super) fn get(&self, path: &str, slots: &[Slot]) -> Option<u32> {
        let here = |index: &&u32| slots[**index as usize].path.as_str() == path;
        let few = self.few.iter().rev().find(here).copied();
        few.or_else(|| self.many.as_ref()?.get(path).copied())
    }

    pub(super) fn add(&mut self, path: &StepPath, index: u32) {
        match &mut self.many {
            None if self.few.len() < FEW => self.few.push(index),
            many => {
                many.get_or_insert_default().insert(path.clone(), index);
            }
        }
    }

    pub(super) fn remove(&mut self, path: &str, slots: &[Slot]) -> Option<u32> {
        let here = |index: &u32| slots[*index as usize].path.as_str() == path;
        match self.few.iter().rposition(here) {
            // Mostly the step that began last.
            Some(place) if place + 1 == self.few.len() => self.few.pop(),
            Some(place) => Some(self.few.remove(place)),
            None => self.many.as_mut()?.remove(path),
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = u32> {
        let many = self.many.iter().flat_map(|many| many.values());
        self.few.iter().chain(many).copied()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.few.is_empty() && self.many.as_ref().is_none_or(|many| many.is_empty())
    }
}
