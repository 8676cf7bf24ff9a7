//! The structure of a workflow as plain data, in which names stand for closures.

mod kind;
pub(crate) mod policies;

pub use kind::NodeKind;
pub use policies::{After, ErrorPolicy, Join, OnError, OnExhausted, Rate, Retry};

use crate::budget::Budget;
use crate::fingerprint::{Fingerprint, hex};
use crate::review::HumanReview;
use crate::state::Reducers;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;

/// The maximum nesting depth of containers and workflows.
pub const DEPTH_MAX: usize = 32;
/// The maximum number of nodes of a plan.
pub const NODES_MAX: usize = 100_000;
/// The maximum number of turns of a loop.
pub const ITERATIONS_MAX: u32 = 1_000_000;
/// The maximum number of items of a map.
pub const ITEMS_MAX: usize = 100_000;
/// The maximum number of retries of a step.
pub const RETRIES_MAX: u32 = 1_000;

/// A workflow as plain data. It can be stored, drawn, compared and hashed.
///
/// ```
/// use stepwright_core::Fingerprint;
/// use stepwright_core::plan::{Node, NodeKind, OnError, Plan};
/// let kind = NodeKind::Steps { body: Vec::new() };
/// let on_error = OnError::Fail.into();
/// let name = "Draft".into();
/// let content = Fingerprint::default();
/// let (timeout_ms, review, budgets, after) = (None, None, Vec::new(), Vec::new());
/// let node =
///     Node { index: 0, name, kind, on_error, timeout_ms, review, content, budgets, after };
/// let (body, reducers, after) = (vec![node], Default::default(), Vec::new());
/// let (content, budget) = (Some(Fingerprint::default()), None);
/// let plan = Plan { name: "News".into(), body, nodes: 1, reducers, content, budget, after };
/// let mut changed = plan.clone();
/// changed.body[0].content = Fingerprint::default().with("version", "2");
/// // A run that began with one of them is not resumed with the other.
/// assert_ne!(plan.digest(), changed.digest());
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The name of the workflow.
    pub name: Arc<str>,
    /// The nodes, in order.
    pub body: Vec<Node>,
    /// The number of nodes.
    pub nodes: u32,
    /// The reducers, which merge values that several branches set for one key of the session state.
    #[serde(default, skip_serializing_if = "Reducers::is_empty")]
    pub reducers: Reducers,
    /// The content of the workflow itself. `None` in old plans, which had no content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Fingerprint>,
    /// The nodes to run when the body has ended, as in [`Node::after`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<Node>,
    /// The budget of the workflow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
}

impl Plan {
    /// Returns the SHA-256 of names, structure, limits and content, in hexadecimal. The code of
    /// functions is not included.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(serde_json::to_vec(&self.without_content()).expect("a plan is plain data"));
        if let Some(content) = &self.content {
            // Hash the content, not its serialized form, which shortens texts and leaves out
            // secrets.
            hash.update(b"content");
            content.hash_into(&mut hash);
            for nodes in [&self.body, &self.after] {
                for_each_node(nodes, &mut |node| {
                    hash.update(node.index.to_le_bytes());
                    node.content.hash_into(&mut hash);
                });
            }
        }
        hex(&hash.finalize())
    }

    /// Returns the plan without content. Runs that began before plans had content have its digest.
    #[must_use]
    pub fn without_content(&self) -> Self {
        let mut plan = self.clone();
        plan.content = None;
        for nodes in [&mut plan.body, &mut plan.after] {
            for_each_node_mut(nodes, &mut |node| node.content = Fingerprint::default());
        }
        plan
    }
}

fn for_each_node(body: &[Node], visit: &mut dyn FnMut(&Node)) {
    for node in body {
        visit(node);
        for inner in children(node) {
            for_each_node(inner, visit);
        }
    }
}

/// Calls `change` with each node, including nested ones. [`Plan`] has an example of nodes.
pub fn for_each_node_mut(body: &mut [Node], change: &mut dyn FnMut(&mut Node)) {
    for node in body {
        change(node);
        for inner in node.kind.bodies_mut() {
            for_each_node_mut(inner, change);
        }
        for_each_node_mut(&mut node.after, change);
    }
}

/// One node of a plan.
///
/// ```
/// use stepwright_core::plan::{Node, OnError};
/// let json = r#"{ "index": 0, "name": "Draft", "kind": { "steps": { "body": [] } } }"#;
/// let node: Node = serde_json::from_str(json)?;
/// assert_eq!((&*node.name, node.on_error), ("Draft", OnError::Fail.into()));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Its index in the table of executors and decisions.
    pub index: u32,
    /// Its name, unique in its scope.
    pub name: Arc<str>,
    /// Its kind, with the settings of that kind.
    pub kind: NodeKind,
    /// The policy for its failure.
    #[serde(default)]
    pub on_error: ErrorPolicy,
    /// For a container, its timeout in milliseconds. A step has a timeout per attempt in its kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// The human review of the node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review: Option<Box<HumanReview>>,
    /// The texts and settings that determine its behaviour, as far as they are known.
    #[serde(default, skip_serializing_if = "Fingerprint::is_empty")]
    pub content: Fingerprint,
    /// The nodes to run when it has ended, each an [`NodeKind::After`]: for a container after a
    /// failure and in any case, and for a step to undo it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<Self>,
    /// The budgets of the node. A workflow that is a step can have two: its own, and that of the
    /// step.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub budgets: Vec<Budget>,
}

/// Returns the nodes directly inside a node: its body, the second branch of a condition, and the
/// nodes after it.
///
/// [`Plan`] has an example of nodes.
pub fn children(node: &Node) -> [&[Node]; 3] {
    let [body, other] = node.kind.bodies();
    [body, other, &node.after]
}

/// Returns the node to run on this occasion.
///
/// ```
/// use stepwright_core::plan::{After, after};
/// assert!(after(&[], After::Always).is_none());
/// ```
pub fn after(nodes: &[Node], on: After) -> Option<&Node> {
    nodes.iter().find(|node| matches!(&node.kind, NodeKind::After { on: own, .. } if *own == on))
}
