//! The recorded effects of steps, and the facts of tool calls.

use rustc_hash::FxHashMap;
use serde_json::Value;
use std::sync::Arc;
use stepwright_core::{EventKind, StepPath};

/// Recorded effects by step and key.
pub(super) type Once = FxHashMap<(StepPath, Arc<str>), Effect>;

/// An effect that a step has once.
#[derive(Debug, Default)]
pub(super) struct Effect {
    /// The number of times that it has begun, if that is recorded.
    pub(super) begun: u32,
    /// `true` if it has begun and not ended.
    pub(super) open: bool,
    /// Its result.
    pub(super) done: Option<Value>,
}

/// Applies a fact about an effect.
pub(super) fn note_effect(once: &mut Option<Box<Once>>, at: &StepPath, kind: &EventKind) {
    use EventKind as E;
    let key = match kind {
        E::StepRecorded { key, .. }
        | E::StepEffectStarted { key }
        | E::StepEffectFailed { key, .. } => key,
        E::GuardrailJudged { judged } if judged.place.is_of_step() => &judged.key,
        _ => return,
    };
    let effect = once.get_or_insert_default().entry((at.clone(), key.clone())).or_default();
    effect.open = matches!(kind, E::StepEffectStarted { .. });
    effect.begun += u32::from(effect.open);
    match kind {
        E::StepRecorded { value, .. } => effect.done = Some(value.clone()),
        E::GuardrailJudged { judged } => {
            effect.done = serde_json::to_value(&judged.verdict).ok();
        }
        _ => {}
    }
}

/// Returns `true` for the verdict of a guard of a step.
pub(super) fn is_of_guarded_step(kind: &EventKind) -> bool {
    matches!(kind, EventKind::GuardrailJudged { judged } if judged.place.is_of_step())
}

/// Returns `true` if a fact belongs to a tool call with a path of its own.
pub(super) fn is_of_call(kind: &EventKind, path: &StepPath) -> bool {
    use EventKind as E;
    match kind {
        E::ToolCallStarted { .. } | E::ToolCallCompleted { .. } | E::ToolCallError { .. } => {
            path.number().is_some()
        }
        E::StepExecutorPaused { .. } => true,
        _ => false,
    }
}
