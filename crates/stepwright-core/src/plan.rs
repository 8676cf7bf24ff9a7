//! The structure of a workflow as plain data, in which names stand for closures.

mod kind;

pub use kind::NodeKind;

use crate::failure::{ErrorCode, ErrorData};
use crate::fingerprint::{Fingerprint, hex};
use crate::review::HumanReview;
use crate::state::Reducers;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
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
/// let node = Node { index: 0, name, kind, on_error, timeout_ms: None, review: None, content };
/// let (body, reducers) = (vec![node], Default::default());
/// let content = Some(Fingerprint::default());
/// let plan = Plan { name: "News".into(), body, nodes: 1, reducers, content };
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
            for_each_node(&self.body, &mut |node| {
                hash.update(node.index.to_le_bytes());
                node.content.hash_into(&mut hash);
            });
        }
        hex(&hash.finalize())
    }

    /// Returns the plan without content. Runs that began before plans had content have its digest.
    #[must_use]
    pub fn without_content(&self) -> Self {
        let mut plan = self.clone();
        plan.content = None;
        for_each_node_mut(&mut plan.body, &mut |node| node.content = Fingerprint::default());
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

/// Calls `change` with each node, including nested ones.
pub fn for_each_node_mut(body: &mut [Node], change: &mut dyn FnMut(&mut Node)) {
    for node in body {
        change(node);
        for inner in node.kind.bodies_mut() {
            for_each_node_mut(inner, change);
        }
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
}

/// The policy for a step that has failed in all its attempts.
///
/// ```
/// use stepwright_core::plan::OnError;
/// // In a file: `on_error: skip`.
/// let written: OnError = serde_json::from_str(r#""skip""#)?;
/// assert_eq!(written, OnError::Skip);
/// assert_eq!(OnError::default(), OnError::Fail);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OnError {
    /// The run fails.
    #[default]
    Fail,
    /// The step counts as skipped, and the next step gets the output before it.
    Skip,
    /// The run continues and finally fails. The next step gets no output.
    Continue,
    /// The run asks a person whether to retry, skip or fail.
    Pause,
}

impl OnError {
    /// Returns this policy with an exception for failures of one class.
    ///
    /// ```
    /// use stepwright_core::ErrorCode;
    /// use stepwright_core::plan::OnError;
    /// let policy = OnError::Fail.but(ErrorCode::TimedOut, OnError::Skip);
    /// assert_eq!(policy.of(ErrorCode::TimedOut), OnError::Skip);
    /// assert_eq!(policy.of(ErrorCode::Model), OnError::Fail);
    /// ```
    pub fn but(self, code: ErrorCode, on_error: Self) -> ErrorPolicy {
        ErrorPolicy::from(self).but(code, on_error)
    }
}

/// The policy for failures, by class.
///
/// ```
/// use stepwright_core::ErrorCode;
/// use stepwright_core::plan::{ErrorPolicy, OnError};
/// // In a file: `on_error: skip`, or different policies for different failures.
/// let written = r#"{ "timed_out": "skip", "otherwise": "fail" }"#;
/// let written: ErrorPolicy = serde_json::from_str(written)?;
/// assert_eq!(written.of(ErrorCode::TimedOut), OnError::Skip);
/// assert_eq!(written.of(ErrorCode::Model), OnError::Fail);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct ErrorPolicy {
    /// The default policy.
    pub otherwise: OnError,
    /// The policies for specific classes.
    pub classes: BTreeMap<ErrorCode, OnError>,
}

impl ErrorPolicy {
    /// Adds an exception for failures of one class. See [`OnError::but`].
    #[must_use]
    pub fn but(mut self, code: ErrorCode, on_error: OnError) -> Self {
        self.classes.insert(code, on_error);
        self
    }

    /// Returns the policy for a failure of this class.
    pub fn of(&self, code: ErrorCode) -> OnError {
        self.classes.get(&code).copied().unwrap_or(self.otherwise)
    }

    /// Returns `true` if the policy for any failure is `what`.
    ///
    /// ```
    /// use stepwright_core::plan::{ErrorPolicy, OnError};
    /// let policy = ErrorPolicy::from(OnError::Skip);
    /// assert!(policy.may(OnError::Skip) && !policy.may(OnError::Pause));
    /// ```
    pub fn may(&self, what: OnError) -> bool {
        self.otherwise == what || self.classes.values().any(|on_error| *on_error == what)
    }
}

impl From<OnError> for ErrorPolicy {
    fn from(otherwise: OnError) -> Self {
        Self { otherwise, classes: BTreeMap::new() }
    }
}

/// The serialized form of a policy: a word, unless it has exceptions.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Always(OnError),
    ByClass {
        #[serde(default)]
        otherwise: OnError,
        #[serde(flatten)]
        classes: BTreeMap<ErrorCode, OnError>,
    },
}

impl From<Written> for ErrorPolicy {
    fn from(written: Written) -> Self {
        match written {
            Written::Always(otherwise) => otherwise.into(),
            Written::ByClass { otherwise, classes } => Self { otherwise, classes },
        }
    }
}

impl From<ErrorPolicy> for Written {
    fn from(policy: ErrorPolicy) -> Self {
        let ErrorPolicy { otherwise, classes } = policy;
        if classes.is_empty() {
            Self::Always(otherwise)
        } else {
            Self::ByClass { otherwise, classes }
        }
    }
}

/// The policy for a loop that made all its turns and whose condition was not met.
///
/// ```
/// use stepwright_core::plan::OnExhausted;
/// // In a file: `on_exhausted: continue`.
/// let written: OnExhausted = serde_json::from_str(r#""continue""#)?;
/// assert_eq!(written, OnExhausted::Continue);
/// assert_eq!(OnExhausted::default(), OnExhausted::Fail);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum OnExhausted {
    /// The loop fails with [`ErrorCode::Exhausted`].
    #[default]
    Fail,
    /// The loop completes with the output of its last turn. Later steps can check
    /// [`StepInput::loop_outcome`](crate::StepInput::loop_outcome).
    Continue,
}

/// The policy of a container for the failure of one of its branches.
///
/// ```
/// use stepwright_core::plan::Join;
/// // In a file: `join: best_effort`.
/// let written: Join = serde_json::from_str(r#""best_effort""#)?;
/// assert_eq!(written, Join::BestEffort);
/// assert_eq!(Join::default(), Join::WaitAll);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Join {
    /// Cancels the other branches, and fails.
    FailFast,
    /// Waits for the other branches, and fails.
    #[default]
    WaitAll,
    /// Waits for the other branches, and completes with their outputs. Failed branches give `null`.
    BestEffort,
}

/// The retry policy of a step.
///
/// ```
/// use stepwright_core::plan::Retry;
/// let patient = Retry { retries: 3, backoff_ms: 2_000, jitter: false, ..Retry::default() };
/// let waits = [1, 2, 3].map(|failed| patient.delay_ms(failed, 0));
/// assert_eq!(waits, [2_000, 4_000, 8_000]);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Retry {
    /// The number of retries after the first attempt.
    pub retries: u32,
    /// The delay before the first retry, in milliseconds.
    pub backoff_ms: u64,
    /// The factor by which the delay grows with each retry.
    pub factor: f64,
    /// The maximum delay, in milliseconds.
    pub backoff_max_ms: u64,
    /// `true` to shorten delays randomly by up to half, so that many retries do not coincide.
    pub jitter: bool,
    /// The classes of failures to retry. Empty for all classes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub on: Vec<ErrorCode>,
}

impl Default for Retry {
    /// Returns a policy without retries. If `retries` is set, delays double from 500 ms to 30 s.
    fn default() -> Self {
        let (backoff_ms, backoff_max_ms) = (500, 30_000);
        Self { retries: 0, backoff_ms, factor: 2.0, backoff_max_ms, jitter: true, on: Vec::new() }
    }
}

impl Retry {
    /// Returns `true` if this failure may be retried. Terminal errors are never retried. Panics are
    /// retried only if their class is listed in `on`.
    ///
    /// ```
    /// use stepwright_core::plan::Retry;
    /// use stepwright_core::{ErrorCode, StepError};
    /// let retry = Retry { retries: 2, on: vec![ErrorCode::TimedOut], ..Retry::default() };
    /// assert!(retry.is_for(&StepError::new("too late").with_code(ErrorCode::TimedOut).data));
    /// assert!(!retry.is_for(&StepError::new("no such host").data));
    /// assert!(!Retry::default().is_for(&StepError::terminal("no such account").data));
    /// ```
    pub fn is_for(&self, error: &ErrorData) -> bool {
        match self.on.as_slice() {
            [] => error.retryable,
            on => {
                on.contains(&error.code) && (error.retryable || error.code == ErrorCode::Panicked)
            }
        }
    }

    /// Returns the delay after `failed` attempts, in milliseconds. `chance` is 64 random bits.
    ///
    /// ```
    /// use stepwright_core::plan::Retry;
    /// let retry = Retry { jitter: false, ..Retry::default() };
    /// let waits: Vec<_> = (1..9).map(|failed| retry.delay_ms(failed, 0)).collect();
    /// assert_eq!(waits, [500, 1000, 2000, 4000, 8000, 16000, 30000, 30000]);
    /// ```
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    pub fn delay_ms(&self, failed: u32, chance: u64) -> u64 {
        let power = i32::try_from(failed.saturating_sub(1)).unwrap_or(i32::MAX);
        let wait = self.backoff_ms as f64 * self.factor.max(1.0).powi(power);
        let wait = wait.min(self.backoff_max_ms as f64) as u64;
        if self.jitter { wait - chance % (wait / 2 + 1) } else { wait }
    }
}

/// Returns the nodes directly inside a node: its body, and the second branch of a condition.
pub fn children(node: &Node) -> [&[Node]; 2] {
    node.kind.bodies()
}
