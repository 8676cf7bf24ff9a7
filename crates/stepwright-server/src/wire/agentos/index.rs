//! The indices of steps, as `AgentOS` counts them.

use serde_json::{Value, json};
use stepwright_core::StepPath;
use stepwright_core::plan::{Plan, children};

/// Returns the index of a step: its place in the workflow, and in the containers around it.
pub(super) fn step_index(plan: Option<&Plan>, path: &StepPath) -> Value {
    let mut indices = Vec::new();
    let Some(plan) = plan else { return json!(0) };
    let mut nodes: Vec<_> = plan.body.iter().collect();
    let mut is_choice = false;
    for part in path.as_str().split('/') {
        let name = part.split('#').next().unwrap_or(part);
        let Some(nth) = nodes.iter().position(|node| *node.name == *name) else { break };
        if !is_choice {
            indices.push(nth);
        }
        let node = nodes[nth];
        is_choice = matches!(node.kind, stepwright_core::plan::NodeKind::Router { .. });
        nodes = children(node).into_iter().flatten().collect();
    }
    match indices.as_slice() {
        [] => json!(0),
        [only] => json!(only),
        path => json!(path),
    }
}
