//! Text of a step that is not shown before guardrails have judged its output.

use crate::event::EventKind;
use crate::path::StepPath;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The mark of a step whose text is held back: what it emits at this path is not shown. For the
/// executor that judges its output.
///
/// ```
/// use stepwright_core::StepContext;
/// use stepwright_core::held_text::HeldText;
/// let cx = StepContext::detached("Write");
/// let held = HeldText::at(cx.path().clone());
/// cx.clone().and_state(held.clone()).emit("a draft");
/// assert!(held.was_said() && !held.was_completed());
/// ```
#[derive(Clone, Debug)]
pub struct HeldText {
    path: StepPath,
    said: Arc<AtomicBool>,
    completed: Arc<AtomicBool>,
}

impl HeldText {
    /// Creates the mark of the step at this path.
    pub fn at(path: StepPath) -> Self {
        Self { path, said: Arc::default(), completed: Arc::default() }
    }

    /// Returns `true` if the step has emitted text.
    pub fn was_said(&self) -> bool {
        self.said.load(Ordering::Relaxed)
    }

    /// Returns `true` if the step has emitted that its text is complete.
    pub fn was_completed(&self) -> bool {
        self.completed.load(Ordering::Relaxed)
    }

    /// Returns `true` if an event at `path` is held back, and notes it.
    pub(crate) fn holds(&self, path: &StepPath, event: &EventKind) -> bool {
        let noted = match event {
            EventKind::RunContent { .. } => &self.said,
            EventKind::RunContentCompleted => &self.completed,
            _ => return false,
        };
        if *path != self.path {
            return false;
        }
        noted.store(true, Ordering::Relaxed);
        true
    }
}
