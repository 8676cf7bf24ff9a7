//! Limits of what expressions and templates may take: operations, bytes, and the end of their step.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use stepwright_core::StepError;

/// How many operations the expressions of one step may take: enough to filter a list of 100 000
/// elements with a condition of several operators, and an end after a fraction of a second.
pub(crate) const STEPS_MAX: u64 = 5_000_000;
/// How many bytes of texts, lists and objects the expressions of one step may build on the way.
pub(crate) const BUILT_BYTES_MAX: u64 = 64_000_000;
/// How many bytes the expressions of one step may give: what a step gives is kept in memory and in
/// the journal.
pub(crate) const GIVEN_BYTES_MAX: u64 = 20_000_000;
/// How deep the value of an expression may be nested: a journal row is read to a depth of 128.
pub(crate) const GIVEN_DEPTH_MAX: usize = 100;
/// How many operations are done on the thread of the caller: about a millisecond. What takes more
/// begins again on a thread for blocking work.
const STEPS_INLINE_MAX: u64 = 20_000;
/// The number of bytes that are built on the thread of the caller.
const BUILT_BYTES_INLINE_MAX: u64 = 500_000;
/// The number of bytes of input a template reads on the thread of the caller.
pub(crate) const READ_BYTES_INLINE_MAX: usize = 500_000;
/// The number of bytes an operation of copying or comparing text stands for.
const BYTES_PER_STEP: usize = 64;
/// The number of operations between two looks at whether the step has ended.
const STEPS_PER_LOOK: u64 = 1024;

/// Which limit was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Spent {
    /// The operations.
    Steps,
    /// The bytes built on the way.
    Built,
    /// The bytes given.
    Given,
    /// Nested too deep.
    Depth,
    /// The step has ended: it took too long, or the run was cancelled.
    Stopped,
}

/// Why something was not evaluated.
#[derive(Debug)]
pub(crate) enum Unfinished {
    /// It takes more than is done on the thread of the caller.
    NotHere,
    Failed(StepError),
}

impl From<StepError> for Unfinished {
    fn from(error: StepError) -> Self {
        Self::Failed(error)
    }
}

/// Tells that the step has ended, to what cannot hold on to a [`Budget`].
#[derive(Clone, Debug, Default)]
pub(crate) struct Stop(Option<Arc<AtomicBool>>);

impl Stop {
    pub(crate) fn is_set(&self) -> bool {
        self.0.as_ref().is_some_and(|stop| stop.load(Relaxed))
    }
}

/// What is left of the limits, shared by everything that one step evaluates. One thread at a time
/// takes from it.
#[derive(Debug)]
pub(crate) struct Budget<'s> {
    steps: AtomicU64,
    built: AtomicU64,
    given: AtomicU64,
    until_look: AtomicU64,
    stop: Option<&'s Arc<AtomicBool>>,
    inline: bool,
}

impl Budget<'static> {
    /// A small budget, for the thread of the caller.
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
    /// The whole budget. Evaluation ends soon after `stop` is set.
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

    /// `true` if the limits are those of the caller's thread, and more is possible elsewhere.
    pub(crate) fn is_inline(&self) -> bool {
        self.inline
    }

    /// Returns what is set when the step has ended.
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

    /// Looks at whether the step has ended.
    #[cold]
    pub(crate) fn look(&self) -> Result<(), Spent> {
        self.until_look.store(STEPS_PER_LOOK, Relaxed);
        match self.stop {
            Some(stop) if stop.load(Relaxed) => Err(Spent::Stopped),
            _ => Ok(()),
        }
    }

    /// Takes the operations for reading `bytes` bytes.
    pub(crate) fn read(&self, bytes: usize) -> Result<(), Spent> {
        self.steps(bytes / BYTES_PER_STEP)
    }

    /// Takes `bytes` for something that is about to be built, and the operations for it.
    pub(crate) fn build(&self, bytes: usize) -> Result<(), Spent> {
        take(&self.built, bytes as u64, Spent::Built)?;
        self.read(bytes)
    }

    /// Takes `bytes` of what the step gives.
    pub(crate) fn give(&self, bytes: usize) -> Result<(), Spent> {
        take(&self.given, bytes as u64, Spent::Given)
    }
}

fn take(left: &AtomicU64, count: u64, spent: Spent) -> Result<(), Spent> {
    let rest = left.load(Relaxed).checked_sub(count).ok_or(spent)?;
    left.store(rest, Relaxed);
    Ok(())
}
