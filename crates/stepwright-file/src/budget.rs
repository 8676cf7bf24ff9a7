//! The limits of expressions and templates: operations, bytes, and the end of their step.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use stepwright_core::StepError;

/// The maximum number of operations of the expressions of one step. Enough to filter a list of 100
/// 000 elements with a condition of several operators, and reached after a fraction of a second.
pub(crate) const STEPS_MAX: u64 = 5_000_000;
/// The maximum number of bytes of intermediate texts, lists and objects in one step.
pub(crate) const BUILT_BYTES_MAX: u64 = 64_000_000;
/// The maximum number of bytes of the results of one step, which memory and the journal keep.
pub(crate) const GIVEN_BYTES_MAX: u64 = 20_000_000;
/// The maximum depth of a result. A journal row is parsed to a depth of 128.
pub(crate) const GIVEN_DEPTH_MAX: usize = 100;
/// The number of operations on the caller's thread: about a millisecond. Evaluation that needs more
/// starts again on a thread for blocking work.
const STEPS_INLINE_MAX: u64 = 20_000;
/// The number of bytes that are built on the caller's thread.
const BUILT_BYTES_INLINE_MAX: u64 = 500_000;
/// The number of bytes of input that a template reads on the caller's thread.
pub(crate) const READ_BYTES_INLINE_MAX: usize = 500_000;
/// The number of bytes of text that one operation copies or compares.
const BYTES_PER_STEP: usize = 64;
/// The number of operations between two checks for the end of the step.
const STEPS_PER_LOOK: u64 = 1024;

/// The limit that was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spent {
    /// The operations.
    Steps,
    /// The intermediate bytes.
    Built,
    /// The bytes of the results.
    Given,
    /// The depth of a result.
    Depth,
    /// The step has ended, because it timed out or the run was cancelled.
    Stopped,
}

/// The reason that an evaluation did not finish.
#[derive(Debug)]
pub(crate) enum Unfinished {
    /// It needs more than the caller's thread may do.
    NotHere,
    Failed(StepError),
}

impl From<StepError> for Unfinished {
    fn from(error: StepError) -> Self {
        Self::Failed(error)
    }
}

/// A flag for the end of the step, for code that cannot hold a [`Budget`].
#[derive(Clone, Debug, Default)]
pub(crate) struct Stop(Option<Arc<AtomicBool>>);

impl Stop {
    pub(crate) fn is_set(&self) -> bool {
        self.0.as_ref().is_some_and(|stop| stop.load(Relaxed))
    }
}

/// The rest of the limits, shared by all evaluations of one step. Only one thread at a time uses
/// it.
#[derive(Debug)]
pub(crate) struct Budget<'s> {
    steps: AtomicU64,
    built: AtomicU64,
    given: AtomicU64,
    until_look: AtomicU64,
    stop: Option<&'s Arc<AtomicBool>>,
    inline: bool,
}

impl Default for Budget<'static> {
    fn default() -> Self {
        Self::whole(None)
    }
}

impl Budget<'static> {
    /// Creates a small budget for the caller's thread.
    pub(crate) fn inline() -> Self {
        Self {
            steps: AtomicU64::new(STEPS_INLINE_MAX),
            built: AtomicU64::new(BUILT_BYTES_INLINE_MAX),
            inline: true,
            ..Self::whole(None)
        }
    }
}

impl<'s> Budget<'s> {
    /// Creates a full budget. Evaluation ends soon after `stop` is set.
    pub(crate) fn whole(stop: Option<&'s Arc<AtomicBool>>) -> Self {
        Self {
            steps: AtomicU64::new(STEPS_MAX),
            built: AtomicU64::new(BUILT_BYTES_MAX),
            given: AtomicU64::new(GIVEN_BYTES_MAX),
            until_look: AtomicU64::new(STEPS_PER_LOOK),
            stop,
            inline: false,
        }
    }

    /// Returns `true` for the small budget of the caller's thread.
    pub(crate) fn is_inline(&self) -> bool {
        self.inline
    }

    /// Returns the flag that is set when the step has ended.
    pub(crate) fn stop(&self) -> Stop {
        Stop(self.stop.cloned())
    }

    /// Takes `count` operations.
    pub(crate) fn steps(&self, count: usize) -> Result<(), Spent> {
        let count = count as u64;
        take(&self.steps, count, Spent::Steps)?;
        match self.until_look.load(Relaxed).checked_sub(count) {
            Some(left) => self.until_look.store(left, Relaxed),
            None => self.look()?,
        }
        Ok(())
    }

    /// Checks whether the step has ended.
    #[cold]
    pub(crate) fn look(&self) -> Result<(), Spent> {
        self.until_look.store(STEPS_PER_LOOK, Relaxed);
        match self.stop {
            Some(stop) if stop.load(Relaxed) => Err(Spent::Stopped),
            _ => Ok(()),
        }
    }

    /// Takes the operations to read `bytes` bytes.
    pub(crate) fn read(&self, bytes: usize) -> Result<(), Spent> {
        self.steps(bytes / BYTES_PER_STEP)
    }

    /// Takes `bytes` for a value that is about to be built, and the operations to build it.
    pub(crate) fn build(&self, bytes: usize) -> Result<(), Spent> {
        take(&self.built, bytes as u64, Spent::Built)?;
        self.read(bytes)
    }

    /// Takes `bytes` of a result.
    pub(crate) fn give(&self, bytes: usize) -> Result<(), Spent> {
        take(&self.given, bytes as u64, Spent::Given)
    }
}

fn take(left: &AtomicU64, count: u64, spent: Spent) -> Result<(), Spent> {
    let rest = left.load(Relaxed).checked_sub(count).ok_or(spent)?;
    left.store(rest, Relaxed);
    Ok(())
}
