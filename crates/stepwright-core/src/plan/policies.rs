//! The policies of steps and containers.

use crate::container::ContainerKind;
use crate::failure::{ErrorCode, ErrorData};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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
    /// Completes with the output of the first branch that has one, and cancels the others. Fails if
    /// no branch has an output.
    First,
    /// Completes once this many branches have outputs, and cancels the others, which give `null`.
    /// Fails once so many branches cannot be reached any more.
    Quorum(u32),
}

impl Join {
    /// Returns the number of branches after which the container is over, if the others are
    /// cancelled then.
    ///
    /// ```
    /// use stepwright_core::plan::Join;
    /// assert_eq!((Join::First.needs(), Join::Quorum(3).needs()), (Some(1), Some(3)));
    /// assert_eq!(Join::WaitAll.needs(), None);
    /// ```
    pub fn needs(self) -> Option<u32> {
        match self {
            Self::First => Some(1),
            Self::Quorum(needed) => Some(needed),
            Self::FailFast | Self::WaitAll | Self::BestEffort => None,
        }
    }

    /// Returns `true` if the failure of a branch alone does not fail the container.
    ///
    /// ```
    /// use stepwright_core::plan::Join;
    /// assert!(Join::BestEffort.tolerates() && Join::First.tolerates());
    /// assert!(!Join::FailFast.tolerates());
    /// ```
    pub fn tolerates(self) -> bool {
        self == Self::BestEffort || self.needs().is_some()
    }
}

/// The occasion on which nodes run after others.
///
/// ```
/// use stepwright_core::plan::After;
/// assert_eq!(After::Always.key(), "finally");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum After {
    /// After a failure: `on_failure`.
    Failure,
    /// In any case: `finally`.
    Always,
    /// When the run fails or is cancelled after the step completed: `undo`.
    Undo,
}

impl After {
    /// Returns the key of a workflow file, which is also the name of the node.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Failure => "on_failure",
            Self::Always => "finally",
            Self::Undo => "undo",
        }
    }

    /// Returns the kind of container that its events name.
    pub(crate) const fn container(self) -> ContainerKind {
        match self {
            Self::Failure => ContainerKind::OnFailure,
            Self::Always => ContainerKind::Finally,
            Self::Undo => ContainerKind::Undo,
        }
    }
}

/// The largest number of items of a map that begin within a time.
///
/// ```
/// use stepwright_core::plan::Rate;
/// let rate = Rate { items: 4, per_ms: 1_000 };
/// assert_eq!(rate.interval_ms(), 250);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// The number of items.
    pub items: u32,
    /// The time, in milliseconds.
    pub per_ms: u64,
}

impl Rate {
    /// Returns the time between the beginnings of two items, in milliseconds, rounded up.
    pub fn interval_ms(self) -> u64 {
        self.per_ms.div_ceil(u64::from(self.items.max(1)))
    }
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
