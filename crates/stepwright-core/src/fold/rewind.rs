//! Folds the facts that take a run back: its retries, and the beginning of a fork.

use super::Fold;
use super::output::Past;
use super::slots::{Mark, Open};
use crate::event::{ContainerKind, EventRef, WorkflowForked};
use crate::output::{Metrics, RunStatus, StepStatus};
use crate::path::StepPath;
use crate::rewind::{Place, Places};
use crate::status::StepType;
use rustc_hash::FxHashMap;
use std::sync::Arc;

impl Fold {
    /// Takes the run up again after its end.
    pub(super) fn retried(
        &mut self,
        event: &EventRef<'_>,
        steps: &[StepPath],
    ) -> Result<(), &'static str> {
        if !matches!(self.status, RunStatus::Error | RunStatus::Cancelled) {
            return Err("the run has not failed");
        }
        let ended = self.metrics();
        self.rewind(steps, &[], true);
        if let Some(head) = &mut self.run {
            (head.content, head.failure) = (crate::Content::default(), None);
            (head.stopping, head.stopped_at) = (false, None);
            let past = head.past.get_or_insert_default();
            (past.retried_at, past.ended) = (Some(event.time), Some(ended));
        }
        Ok(())
    }

    /// Leaves the origin: what the run does from here on is its own.
    pub(super) fn forked(
        &mut self,
        event: &EventRef<'_>,
        forked: &WorkflowForked,
    ) -> Result<(), &'static str> {
        if forked.origin.until != event.sequence {
            return Err("it is not the first fact after those of its origin");
        }
        self.rewind(&forked.steps, &forked.open, false);
        let shared = self.slots.iter().map(super::Slot::usage).sum();
        if let Some(head) = &mut self.run {
            let before = head.past.as_ref().and_then(|past| past.history_until);
            head.past = Some(Box::new(Past {
                origin: Some(forked.origin.clone()),
                history_until: before.or(Some(head.created_at)),
                shared,
                ..Past::default()
            }));
            head.started = Arc::new(forked.started(&head.started));
            head.created_at = event.time;
            (head.content, head.failure) = (crate::Content::default(), None);
            (head.stopping, head.stopped_at, head.queued) = (false, None, None);
            head.awaited_queues = Vec::new();
            head.metrics = Metrics::default();
            head.refused = Vec::new();
        }
        Ok(())
    }

    /// Returns the executions that begin again if the run is retried: those that failed or were
    /// stopped, and those whose failure was passed over until the end of the run.
    pub fn unfinished(&self) -> Vec<StepPath> {
        let tree = Tree::of(self);
        let mut found = Unfinished { tree: &tree, steps: Vec::new(), open: None };
        found.inside(None, false);
        found.steps
    }

    /// Returns the steps that were undone, at least in part.
    pub fn undone(&self) -> Vec<StepPath> {
        let tree = Tree::of(self);
        let undoes = |slot: &super::Slot| {
            slot.mark != Mark::Gone && slot.step_type == StepType::Container(ContainerKind::Undo)
        };
        let slots = (0..).zip(&self.slots).filter(|(_, slot)| undoes(slot));
        let begun = slots.filter(|(index, _)| !tree.children(Some(*index)).is_empty());
        begun.filter_map(|(_, slot)| slot.path.parent()).collect()
    }

    /// Returns the executions that begin again if the run is forked at `path`, and the containers
    /// beside it that go on. `None` if nothing has begun at `path`.
    pub fn beside(&self, path: &StepPath) -> Option<(Vec<StepPath>, Vec<StepPath>)> {
        if path.is_in_called_workflow() {
            // The model of the step around it knows what followed.
            return None;
        }
        let tree = Tree::of(self);
        let asked = || self.requirements().iter().any(|asked| asked.path == *path);
        if !path.is_root() && !tree.known.contains_key(path.as_str()) && !asked() {
            return None;
        }
        let mut found =
            Unfinished { tree: &tree, steps: vec![path.clone()], open: Some(Vec::new()) };
        let mut at = path.clone();
        while let Some(parent) = at.parent() {
            let container = tree.known.get(parent.as_str()).copied();
            if container.is_some_and(|index| tree.is_concurrent(index)) {
                for child in tree.children(container) {
                    if self.slots[*child as usize].path != at {
                        found.unless_ended(*child);
                    }
                }
            }
            at = parent;
        }
        Some((found.steps, found.open.unwrap_or_default()))
    }

    /// Returns the paths of all executions, without tool calls.
    pub fn begun_paths(&self) -> Vec<StepPath> {
        let counts = self.slots.iter().filter(|slot| slot.mark != Mark::Gone);
        let steps = counts.filter(|slot| slot.step_type != StepType::ToolCall);
        steps.map(|slot| slot.path.clone()).collect()
    }

    fn rewind(&mut self, steps: &[StepPath], open: &[StepPath], gently: bool) {
        let counts = self.slots.iter().filter(|slot| slot.mark != Mark::Gone);
        let executions = counts
            .filter(|slot| slot.step_type != StepType::ToolCall)
            .map(|slot| (slot.path.clone(), slot.step_type))
            .collect::<Vec<_>>();
        let executions = executions.iter().map(|(path, step_type)| (path, *step_type));
        let places = Places::of(executions, steps, open, gently);
        for slot in self.slots.iter_mut().filter(|slot| slot.mark != Mark::Gone) {
            let again = gently && places.begins_again(&slot.path);
            let reopens = match places.of_path(&slot.path) {
                Place::Around => true,
                Place::Again if again => {
                    slot.mark = Mark::Again;
                    true
                }
                Place::Again if gently => false,
                Place::Kept if slot.ended_at.is_some() => false,
                Place::Kept | Place::Again | Place::After => {
                    slot.mark = Mark::Gone;
                    false
                }
            };
            if reopens {
                (slot.status, slot.ended_at, slot.output) = (StepStatus::Running, None, None);
                if let Some(more) = &mut slot.more {
                    (more.error, more.exhausted) = (None, false);
                    more.partial.clear();
                }
            } else if slot.ended_at.is_none() {
                // A call that was under way has ended with its step.
                slot.ended_at = Some(slot.started_at);
            }
        }
        self.open = Open::default();
        for (index, slot) in self.slots.iter().enumerate() {
            if slot.ended_at.is_none() {
                let index = u32::try_from(index).unwrap_or(u32::MAX);
                self.open.add(&slot.path, index);
            }
        }
        self.calls = 0;
        self.waits = None;
        self.status = RunStatus::Running;
    }
}

/// The executions that count, by the one that contains them.
struct Tree<'f> {
    fold: &'f Fold,
    inside: FxHashMap<Option<u32>, Vec<u32>>,
    known: FxHashMap<&'f str, u32>,
}

impl<'f> Tree<'f> {
    fn of(fold: &'f Fold) -> Self {
        let mut tree = Self { fold, inside: FxHashMap::default(), known: FxHashMap::default() };
        for (index, slot) in (0..).zip(&fold.slots) {
            if slot.mark != Mark::Gone && slot.step_type != StepType::ToolCall {
                tree.inside.entry(slot.parent).or_default().push(index);
                tree.known.insert(slot.path.as_str(), index);
            }
        }
        tree
    }

    fn children(&self, container: Option<u32>) -> &[u32] {
        self.inside.get(&container).map_or(&[], |children| children)
    }

    fn is_concurrent(&self, index: u32) -> bool {
        let step_type = self.fold.slots[index as usize].step_type;
        matches!(step_type, StepType::Container(kind) if kind.is_concurrent())
    }

    fn status(&self, index: u32) -> StepStatus {
        self.fold.slots[index as usize].status
    }

    /// Returns `true` if something failed in a container that has completed.
    fn is_broken(&self, index: u32) -> bool {
        self.children(Some(index)).iter().any(|child| match self.status(*child) {
            StepStatus::Failed => true,
            StepStatus::Completed => self.is_broken(*child),
            _ => false,
        })
    }
}

struct Unfinished<'t, 'f> {
    tree: &'t Tree<'f>,
    steps: Vec<StepPath>,
    /// The containers that go on. `None` if they are told like steps.
    open: Option<Vec<StepPath>>,
}

impl Unfinished<'_, '_> {
    /// Collects what begins again inside a container. In a container that has completed, only a
    /// failure counts: a stopped branch was given up there.
    fn inside(&mut self, container: Option<u32>, completed: bool) {
        let tree = self.tree;
        let concurrent = container.is_some_and(|index| tree.is_concurrent(index));
        for child in tree.children(container) {
            let unfinished = match tree.status(*child) {
                StepStatus::Completed => tree.is_broken(*child),
                StepStatus::Skipped => false,
                StepStatus::Failed => true,
                StepStatus::Running | StepStatus::Cancelled => !completed,
            };
            if unfinished {
                self.take(*child);
                if !concurrent {
                    // All that follows in a sequence begins again anyhow.
                    return;
                }
            }
        }
    }

    fn unless_ended(&mut self, index: u32) {
        if !matches!(self.tree.status(index), StepStatus::Completed | StepStatus::Skipped) {
            self.take(index);
        }
    }

    fn take(&mut self, index: u32) {
        let slot = &self.tree.fold.slots[index as usize];
        let before = self.steps.len();
        self.inside(Some(index), slot.status == StepStatus::Completed);
        if self.steps.len() > before {
            return;
        }
        match &mut self.open {
            Some(open) if !self.tree.children(Some(index)).is_empty() => {
                open.push(slot.path.clone());
            }
            _ => self.steps.push(slot.path.clone()),
        }
    }
}
