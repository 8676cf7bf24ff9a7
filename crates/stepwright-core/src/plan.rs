//! The shape of a workflow as plain data: what a definition becomes once its closures are named.

use crate::error::{ErrorCode, ErrorData};
use crate::executor::ExecutorType;
use crate::fingerprint::{Fingerprint, hex};
use crate::interrupted::OnInterrupted;
use crate::review::HumanReview;
use crate::state::Reducers;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How deep containers and workflows may be nested in each other.
pub const DEPTH_MAX: usize = 32;
/// How many nodes a plan may have.
pub const NODES_MAX: usize = 100_000;
/// How often a loop may turn.
pub const ITERATIONS_MAX: u32 = 1_000_000;
/// How many items a map may work on.
pub const ITEMS_MAX: usize = 100_000;
/// How often a step may be tried again.
pub const RETRIES_MAX: u32 = 1_000;

/// A workflow as plain data. It can be stored, drawn, compared and digested.
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
/// // A run that began with the one is not taken up with the other.
/// assert_ne!(plan.digest(), changed.digest());
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The workflow's name.
    pub name: Arc<str>,
    /// What is done, in order.
    pub body: Vec<Node>,
    /// How many nodes there are.
    pub nodes: u32,
    /// How values are put together that branches set one key of the session state to.
    #[serde(default, skip_serializing_if = "Reducers::is_empty")]
    pub reducers: Reducers,
    /// The content of the workflow itself. `None` in plans of the time before plans had content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Fingerprint>,
}

impl Plan {
    /// The fingerprint of names, shapes, limits and content (SHA-256, in hexadecimal). The code of
    /// functions is not part of it.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(serde_json::to_vec(&self.without_content()).expect("a plan is plain data"));
        if let Some(content) = &self.content {
            // Not the plan as it is stored: that shortens texts and leaves out secrets.
            hash.update(b"content");
            content.hash_into(&mut hash);
            for_each_node(&self.body, &mut |node| {
                hash.update(node.index.to_le_bytes());
                node.content.hash_into(&mut hash);
            });
        }
        hex(&hash.finalize())
    }

    /// The plan without content: its digest is the one that runs have that began before plans had
    /// content.
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

/// Calls `change` with each node, those inside of others too.
pub fn for_each_node_mut(body: &mut [Node], change: &mut dyn FnMut(&mut Node)) {
    for node in body {
        change(node);
        match &mut node.kind {
            NodeKind::Workflow { body }
            | NodeKind::Steps { body }
            | NodeKind::Loop { body, .. }
            | NodeKind::Map { body, .. } => for_each_node_mut(body, change),
            NodeKind::Parallel { branches, .. } => for_each_node_mut(branches, change),
            NodeKind::Router { choices } => for_each_node_mut(choices, change),
            NodeKind::Condition { then, otherwise } => {
                for_each_node_mut(then, change);
                for_each_node_mut(otherwise, change);
            }
            NodeKind::Step { .. } => {}
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
    /// Its place in the table of executors and decisions.
    pub index: u32,
    /// Its name, unique in its scope.
    pub name: Arc<str>,
    /// What it does.
    pub kind: NodeKind,
    /// What happens if it fails.
    #[serde(default)]
    pub on_error: ErrorPolicy,
    /// Of a container: how long it may take, in milliseconds. A step has that in its kind, attempt
    /// by attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// What a person has a say in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review: Option<Box<HumanReview>>,
    /// The texts and settings that decide what it does, as far as they are known.
    #[serde(default, skip_serializing_if = "Fingerprint::is_empty")]
    pub content: Fingerprint,
}

/// What a node does.
///
/// ```
/// use stepwright_core::plan::NodeKind;
/// /// How a picture of a plan marks a node.
/// fn mark(kind: &NodeKind) -> char {
///     match kind {
///         NodeKind::Parallel { .. } => '=',
///         NodeKind::Loop { .. } | NodeKind::Map { .. } => '*',
///         NodeKind::Condition { .. } | NodeKind::Router { .. } => '?',
///         _ => '-',
///     }
/// }
/// let (body, on_exhausted) = (Vec::new(), None);
/// let revise = NodeKind::Loop { body, at_most: 3, forward: true, on_exhausted };
/// assert_eq!(mark(&revise), '*');
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum NodeKind {
    /// Asks an executor.
    Step {
        /// What kind of executor.
        executor_type: ExecutorType,
        /// What it is called.
        executor_name: Arc<str>,
        /// How often it is tried again.
        retry: Retry,
        /// How long an attempt may take, in milliseconds.
        timeout_ms: Option<u64>,
        /// The longest time that an attempt may give no sign of life, in milliseconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        idle_ms: Option<u64>,
        /// How many earlier runs of the session it is told of.
        #[serde(default, skip_serializing_if = "is_zero")]
        history_runs: u32,
        /// The policy for an attempt whose outcome is unknown.
        #[serde(default, skip_serializing_if = "OnInterrupted::is_default")]
        on_interrupted: OnInterrupted,
        /// `true` if those that failed or were cancelled are left out.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        history_completed_only: bool,
    },
    /// Runs a whole workflow, whose steps see nothing of what is around it but the session state.
    Workflow {
        /// What that workflow does.
        body: Vec<Node>,
    },
    /// One after the other.
    Steps {
        /// What is done.
        body: Vec<Node>,
    },
    /// All at once.
    Parallel {
        /// The branches.
        branches: Vec<Node>,
        /// When one fails.
        join: Join,
        /// How many at a time.
        concurrency: Option<u32>,
    },
    /// Again and again.
    Loop {
        /// What is done in a turn.
        body: Vec<Node>,
        /// How many turns at most.
        at_most: u32,
        /// Whether a turn begins with what the last one gave, instead of what the loop was given.
        forward: bool,
        /// What happens when it has made all its turns and its condition was not met. `None` for a
        /// loop that has no condition.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        on_exhausted: Option<OnExhausted>,
    },
    /// One or the other.
    Condition {
        /// If it holds.
        then: Vec<Node>,
        /// If not.
        otherwise: Vec<Node>,
    },
    /// Those that are chosen, one after the other.
    Router {
        /// What can be chosen.
        choices: Vec<Node>,
    },
    /// For each item of a list.
    Map {
        /// What is done with an item.
        body: Vec<Node>,
        /// How many at a time.
        concurrency: u32,
        /// When one fails.
        join: Join,
    },
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over in this way")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// What happens when a step has failed, after all its attempts.
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
    /// The failure is tolerated: the step counts as skipped, and what came before flows on.
    Skip,
    /// The run goes on, the next step gets no output, and the run ends as failed.
    Continue,
    /// A person is asked what to do about it: try again, pass over it, or fail.
    Pause,
}

impl OnError {
    /// This, but after failures of this class something else.
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

/// What happens when a step has failed, by the class of its failure.
///
/// ```
/// use stepwright_core::ErrorCode;
/// use stepwright_core::plan::{ErrorPolicy, OnError};
/// // In a file: `on_error: skip`, or one thing for some failures and another for the others.
/// let written = r#"{ "timed_out": "skip", "otherwise": "fail" }"#;
/// let written: ErrorPolicy = serde_json::from_str(written)?;
/// assert_eq!(written.of(ErrorCode::TimedOut), OnError::Skip);
/// assert_eq!(written.of(ErrorCode::Model), OnError::Fail);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct ErrorPolicy {
    /// What happens unless a class says otherwise.
    pub otherwise: OnError,
    /// What happens after failures of a class.
    pub classes: BTreeMap<ErrorCode, OnError>,
}

impl ErrorPolicy {
    /// This, but after failures of this class something else: see [`OnError::but`].
    #[must_use]
    pub fn but(mut self, code: ErrorCode, on_error: OnError) -> Self {
        self.classes.insert(code, on_error);
        self
    }

    /// What happens after a failure of this class.
    pub fn of(&self, code: ErrorCode) -> OnError {
        self.classes.get(&code).copied().unwrap_or(self.otherwise)
    }

    /// Whether this may happen.
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

/// A policy as it is written: a word, unless there is more to say.
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

/// What a loop with a condition does when it has made all its turns and the condition was not met.
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
    /// The loop completes with what its last turn gave. Later steps can ask
    /// [`StepInput::loop_outcome`](crate::StepInput::loop_outcome).
    Continue,
}

/// What a container with branches does when one fails.
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
    /// The others are cancelled, and the container fails.
    FailFast,
    /// The others finish, and the container fails.
    #[default]
    WaitAll,
    /// The others finish, and the container completes with what there is: `null` for those that
    /// failed.
    BestEffort,
}

/// How often, and after how long, a step is tried again.
///
/// ```
/// use stepwright_core::plan::Retry;
/// let patient = Retry { retries: 3, backoff_ms: 2_000, jitter: false, ..Retry::default() };
/// let waits = [1, 2, 3].map(|failed| patient.delay_ms(failed, 0));
/// assert_eq!(waits, [2_000, 4_000, 8_000]);
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Retry {
    /// How often after the first attempt.
    pub retries: u32,
    /// The wait before the first of these, in milliseconds.
    pub backoff_ms: u64,
    /// By how much the wait grows each time.
    pub factor: f64,
    /// The longest wait, in milliseconds.
    pub backoff_max_ms: u64,
    /// Whether waits are shortened by chance, by up to half, so that many do not come at once.
    pub jitter: bool,
    /// After which failures: those of these classes; after all, if there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub on: Vec<ErrorCode>,
}

impl Default for Retry {
    /// No retries; if there are any, 500 ms doubling up to 30 s, with jitter.
    fn default() -> Self {
        let (backoff_ms, backoff_max_ms) = (500, 30_000);
        Self { retries: 0, backoff_ms, factor: 2.0, backoff_max_ms, jitter: true, on: Vec::new() }
    }
}

impl Retry {
    /// Whether this failure may be followed by another attempt: one that says that it will not go
    /// away is not; a panic only where its class is named.
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

    /// How long to wait after `failed` attempts, in milliseconds, where `chance` is any 64 bits.
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

/// What is directly inside a node: its body, and of a condition its other arm.
pub fn children(node: &Node) -> [&[Node]; 2] {
    match &node.kind {
        NodeKind::Workflow { body }
        | NodeKind::Steps { body }
        | NodeKind::Loop { body, .. }
        | NodeKind::Map { body, .. } => [body, &[]],
        NodeKind::Parallel { branches, .. } => [branches, &[]],
        NodeKind::Router { choices } => [choices, &[]],
        NodeKind::Condition { then, otherwise } => [then, otherwise],
        _ => [&[], &[]],
    }
}
