//! The indices of steps, as `AgentOS` counts them.

use serde_json::{Value, json};
use stepwright_core::StepPath;
use stepwright_core::plan::{Node, NodeKind, Plan, children};

/// Returns the index of a step: its place in the workflow, and in the containers around it.
pub(super) fn step_index(plan: Option<&Plan>, path: &StepPath) -> Value {
    let mut indices = Vec::new();
    let mut is_choice = false;
    walk(plan, path, |nth, node| {
        if !is_choice {
            indices.push(nth);
        }
        is_choice = matches!(node.kind, NodeKind::Router { .. });
    });
    match indices.as_slice() {
        [] => json!(0),
        [only] => json!(only),
        path => json!(path),
    }
}

/// Returns the node of a step or a container.
pub(super) fn node<'p>(plan: Option<&'p Plan>, path: &StepPath) -> Option<&'p Node> {
    let mut last = None;
    walk(plan, path, |_, node| last = Some(node));
    last
}

/// Visits the nodes on the way to a step, each with its place among its siblings.
fn walk<'p>(plan: Option<&'p Plan>, path: &StepPath, mut visit: impl FnMut(usize, &'p Node)) {
    let Some(plan) = plan else { return };
    let mut nodes: Vec<&Node> = plan.body.iter().collect();
    for part in path.as_str().split('/') {
        let name = part.split('#').next().unwrap_or(part);
        let Some(nth) = nodes.iter().position(|node| *node.name == *name) else { break };
        let node = nodes[nth];
        visit(nth, node);
        nodes = children(node).into_iter().flatten().collect();
    }
}
