//! The place at which the text of an agent is shown.

use stepwright_core::{EventKind, StepContext, StepPath};

/// The context at whose path the text of an execution is shown, because its answer is the answer
/// there.
#[derive(Clone)]
struct Voice {
    speaker: StepPath,
    shown: StepContext,
}

/// The mark of a tool call whose text is not that of its caller, because the answer of the caller
/// is still to be judged.
struct Held;

/// Returns the context of a tool call whose text is not shown as that of its caller.
pub(crate) fn held(cx: &StepContext) -> StepContext {
    cx.clone().and_state(Held)
}

/// Returns the context of a tool call whose text is shown as that of its caller. Executions beneath
/// the call keep their own place.
pub(crate) fn as_caller(cx: &StepContext) -> StepContext {
    if cx.state::<Held>().is_some() {
        return cx.clone();
    }
    let caller = cx.of_caller();
    // The caller may itself speak for the one around it.
    let shown = match caller.state::<Voice>() {
        Some(voice) if voice.speaker == *caller.path() => voice.shown.clone(),
        _ => caller,
    };
    cx.clone().and_state(Voice { speaker: cx.path().clone(), shown })
}

/// Shows a text of the agent at work in `cx`.
pub(crate) fn say(cx: &StepContext, text: String) {
    let said = EventKind::RunContent { content: text.into() };
    match cx.state::<Voice>() {
        Some(voice) if voice.speaker == *cx.path() => voice.shown.emit_event(said),
        _ => cx.emit_event(said),
    }
}
