//! Questions about the nodes of a plan.

use stepwright_core::OnInterrupted;
use stepwright_core::budget::AtLimit;
use stepwright_core::plan::{Node, NodeKind, OnError, children};

/// Returns `true` if any of these nodes, or of those inside, may ask a person.
pub(crate) fn asks(body: &[Node]) -> bool {
    body.iter().any(|node| {
        node.review.is_some()
            || node.on_error.may(OnError::Pause)
            || node.budgets.iter().any(|budget| budget.at_limit == AtLimit::Pause)
            || asks_about_retries(node)
            || children(node).into_iter().any(asks)
    })
}

/// Returns `true` if a person is asked before a step that timed out is retried.
fn asks_about_retries(node: &Node) -> bool {
    match &node.kind {
        NodeKind::Step { retry, on_interrupted, .. } => {
            retry.retries > 0 && *on_interrupted == OnInterrupted::Ask
        }
        _ => false,
    }
}

/// Returns `true` if any of these nodes, or of those inside, has steps that run afterwards.
pub(crate) fn has_after(body: &[Node]) -> bool {
    body.iter().any(|node| !node.after.is_empty() || children(node).into_iter().any(has_after))
}

/// Returns the depth of the deepest node.
pub(crate) fn deepest(body: &[Node]) -> usize {
    let inside = |node: &Node| children(node).into_iter().map(deepest).max().unwrap_or(0);
    body.iter().map(|node| 1 + inside(node)).max().unwrap_or(0)
}
