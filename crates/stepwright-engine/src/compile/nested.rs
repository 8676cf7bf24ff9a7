//! Copies the plans of workflows that are steps into the plan around them.

use super::Compiler;
use crate::define::{Body, StepBody, Work};
use crate::nodes::deepest;
use crate::table::Compiled;
use std::time::Duration;
use stepwright_core::budget::Budget;
use stepwright_core::plan::{DEPTH_MAX, NODES_MAX, Node, NodeKind, children, for_each_node_mut};
use stepwright_core::{Fingerprint, StepPath};

impl Compiler {
    /// Copies the plan and the table of a nested workflow into this one.
    pub(super) fn inline(
        &mut self,
        compiled: &Compiled,
        path: &StepPath,
        depth: usize,
    ) -> NodeKind {
        let offset = self.table.len();
        if depth + deepest(&compiled.plan.body) > DEPTH_MAX {
            let what = format!("with the workflow in it, it is nested deeper than {DEPTH_MAX}");
            self.mistake(path, what, "nest less deeply");
        }
        if offset + compiled.table.len() > NODES_MAX {
            let what = format!("with the workflow in it, there are more than {NODES_MAX} steps");
            self.mistake(path, what, "use a `Map` or a `Loop` for what repeats itself");
            return NodeKind::Workflow { body: Vec::new() };
        }
        let body = self.included(compiled, &compiled.plan.body, offset);
        self.table.extend(compiled.table.iter().cloned());
        let own = u32::try_from(offset).unwrap_or(u32::MAX);
        let deadlines = compiled.deadlines.iter();
        self.deadlines.extend(deadlines.map(|(index, due)| (index + own, due.clone())));
        if self.queue.is_some() || !compiled.queues.is_empty() {
            self.include_queues(compiled, &compiled.plan.body, own);
            self.include_queues(compiled, &compiled.plan.after, own);
        }
        NodeKind::Workflow { body }
    }

    /// Adds the queues of the steps among these nodes of a nested workflow. Those that have none
    /// get that of the place where the workflow stands.
    fn include_queues(&mut self, compiled: &Compiled, nodes: &[Node], offset: u32) {
        for node in nodes {
            let queue = compiled.queues.get(&node.index).or(self.queue.as_ref()).cloned();
            if let (NodeKind::Step { .. }, Some(queue)) = (&node.kind, queue) {
                self.queues.insert(node.index + offset, queue);
            }
            for inner in children(node) {
                self.include_queues(compiled, inner, offset);
            }
        }
    }

    /// Returns nodes of a nested workflow whose table begins at `offset` in this one.
    pub(super) fn included(
        &mut self,
        compiled: &Compiled,
        nodes: &[Node],
        offset: usize,
    ) -> Vec<Node> {
        let mut body = nodes.to_vec();
        let offset = u32::try_from(offset).expect("at most `NODES_MAX` nodes");
        let around = self.on_interrupted;
        for_each_node_mut(&mut body, &mut |node| {
            let silent = compiled.by_executor.contains(&node.index);
            node.index += offset;
            match (&mut node.kind, around) {
                (NodeKind::Step { on_interrupted, .. }, Some(around)) if silent => {
                    *on_interrupted = around;
                }
                _ if silent => {
                    self.by_executor.insert(node.index);
                }
                _ => {}
            }
        });
        body
    }
}

/// Returns the timeout that a nested workflow sets for itself.
pub(super) fn own_timeout(body: &Body) -> Option<Duration> {
    match body {
        Body::Step(StepBody { work: Work::Workflow(workflow), .. }) => {
            workflow.definition().timeout
        }
        _ => None,
    }
}

/// Returns the budget that a nested workflow sets for itself.
pub(super) fn own_budget(body: &Body) -> Option<Budget> {
    match body {
        Body::Step(StepBody { work: Work::Workflow(workflow), .. }) => {
            workflow.plan().budget.clone()
        }
        _ => None,
    }
}

/// Returns the content of a nested workflow itself.
pub(super) fn own_content(body: &Body) -> Fingerprint {
    match body {
        Body::Step(StepBody { work: Work::Workflow(workflow), .. }) => {
            workflow.plan().content.clone().unwrap_or_default()
        }
        _ => Fingerprint::default(),
    }
}
