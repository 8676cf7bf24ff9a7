//! The tool calls of a run: the path of each call, and its state in the journal.

use crate::event::{Event, EventKind};
use crate::failure::ErrorData;
use crate::message::{Arguments, ToolCall, ToolOutcome};
use crate::path::{StepPath, call_name, is_call};
use crate::requirement::{Requirement, RequirementKind};
use rustc_hash::{FxHashMap, FxHashSet};
use std::sync::Arc;

/// The state of a tool call when its step reaches it.
///
/// [`StepContext::call`](crate::StepContext::call) has an example.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum CallPast {
    /// The call has not begun.
    New,
    /// The call has ended in this attempt of its step.
    Ended(Box<ToolOutcome>),
    /// The call has failed in this attempt, and the step with it.
    Failed(Box<ErrorData>),
    /// The call had begun and was waiting for an answer or a timer. It resumes.
    Waiting {
        /// `true` if no later attempt of its step has begun, so the call is still open.
        open: bool,
    },
    /// The call had begun and did not end, so its outcome is unknown.
    Interrupted {
        /// The number of times that the call has begun.
        begun: u32,
        /// `true` if the call has recorded effects of its own, through `once` or an agent inside
        /// it. Such a call can begin again, because recorded effects are not repeated.
        resumable: bool,
        /// `true` if no later attempt of its step has begun, so the call is still open.
        open: bool,
    },
}

/// The tool calls of a run by path, computed from its facts in order.
///
/// A call is identified by its tool and its arguments. If a later attempt of a step makes the same
/// call, it gets the same path, and with it the results that
/// [`StepContext::once`](crate::StepContext::once) has recorded there. A call with other arguments
/// gets a new number.
///
/// ```
/// use serde_json::json;
/// use stepwright_core::StepPath;
/// use stepwright_core::calls::{CallPast, Calls};
/// use stepwright_core::message::{Arguments, ToolCall};
/// let charge = |eur: u64| ToolCall {
///     id: "c".into(),
///     name: "charge".into(),
///     arguments: Arguments::json(json!({ "eur": eur })),
/// };
/// let (mut calls, step) = (Calls::default(), StepPath::from("order"));
/// assert_eq!(calls.call(&step, &charge(5)), ("order/charge#1".into(), CallPast::New));
/// assert_eq!(calls.call(&step, &charge(9)), ("order/charge#2".into(), CallPast::New));
/// ```
#[derive(Debug, Default)]
pub struct Calls {
    /// The calls that each caller has made. A caller is a step, or a call that makes calls.
    made: FxHashMap<StepPath, FxHashMap<String, Made>>,
    known: FxHashMap<StepPath, Known>,
    /// The pending requests inside calls: their ids, and the paths that wait for them.
    waits: Vec<(Arc<str>, StepPath)>,
}

/// The calls of one tool by one caller.
#[derive(Debug, Default)]
struct Made {
    calls: Vec<MadeCall>,
    numbers: FxHashSet<u32>,
    /// The number of these calls that the current attempt has made.
    taken: u32,
}

#[derive(Debug)]
struct MadeCall {
    id: String,
    number: u32,
    arguments: Arguments,
    /// `true` if the current attempt has made this call.
    taken: bool,
}

impl Made {
    fn add(&mut self, call: &ToolCall, number: u32, taken: bool) {
        let ToolCall { id, arguments, .. } = call;
        let (id, arguments) = (id.clone(), arguments.clone());
        self.calls.push(MadeCall { id, number, arguments, taken });
        self.numbers.insert(number);
        self.taken += u32::from(taken);
    }

    /// Returns the number of the next call.
    fn next(&mut self, call: &ToolCall) -> u32 {
        if self.calls.len() > self.taken as usize {
            // Among equal calls, prefer the one with the model's call id, then the first.
            let same = self.calls.iter_mut();
            let same = same.filter(|made| !made.taken && made.arguments == call.arguments);
            if let Some(made) = same.min_by_key(|made| (made.id != call.id, made.number)) {
                made.taken = true;
                self.taken += 1;
                return made.number;
            }
        }
        // The journal of a cut run may know the second of two calls, and not the first.
        let is_free = |number: &u32| !self.numbers.contains(number);
        let number = (self.taken + 1..=u32::MAX).find(is_free).unwrap_or(u32::MAX);
        self.add(call, number, true);
        number
    }
}

#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own about a call")]
struct Known {
    begun: u32,
    /// The end of the call in this attempt.
    ended: Option<CallPast>,
    /// `true` if the call began and did not end, or ended with an unknown outcome.
    unknown: bool,
    /// `true` if the call was waiting when its process stopped or its attempt ended.
    waiting: bool,
    /// `true` if the call began in this attempt and has not ended.
    open: bool,
    resumable: bool,
}

impl Calls {
    /// Computes the calls from the journal of a run that another process has left.
    pub fn of(past: &[Event]) -> Self {
        let mut calls = Self::default();
        for event in past {
            calls.apply(event);
        }
        calls.leave();
        calls
    }

    /// Marks the calls that were waiting when the driver stopped. Only these resume.
    fn leave(&mut self) {
        for (path, known) in &mut self.known {
            known.waiting = self.waits.iter().any(|(_, at)| path.contains(at));
        }
    }

    /// Applies a fact.
    pub fn apply(&mut self, fact: &Event) {
        use EventKind as E;
        match &fact.kind {
            E::DeciderRecorded { fact: kind } => {
                self.apply(&Event { kind: (**kind).clone(), ..fact.clone() });
            }
            E::ToolCallStarted { tool } if is_call(&fact.path) => {
                self.make(&fact.path, tool);
                let known = self.known.entry(fact.path.clone()).or_default();
                known.begun += 1;
                (known.unknown, known.open) = (true, true);
            }
            E::ToolCallCompleted { tool } | E::ToolCallError { tool, .. }
                if is_call(&fact.path) =>
            {
                if let Some(known) = self.known.get_mut(&fact.path) {
                    (known.unknown, known.open) = (tool.outcome_unknown, false);
                    known.ended = Some(match &fact.kind {
                        E::ToolCallError { error: Some(error), .. } => {
                            CallPast::Failed(error.clone())
                        }
                        _ => CallPast::Ended(tool.clone()),
                    });
                }
                self.waits.retain(|(_, at)| !fact.path.contains(at));
            }
            E::StepRetrying { .. } if !self.made.is_empty() => self.begin_again(&fact.path),
            E::WorkflowRetried { steps, .. } => self.retried(steps),
            E::StepCompleted { .. }
            | E::StepError { .. }
            | E::StepSkipped { .. }
            | E::StepCancelled { .. }
                if !self.made.is_empty() =>
            {
                self.made.retain(|step, _| !fact.path.contains(step));
                self.known.retain(|call, _| !fact.path.contains(call));
                self.waits.retain(|(_, at)| !fact.path.contains(at));
            }
            E::RunStarted { .. } | E::StepRecorded { .. } if !self.known.is_empty() => {
                let mut at = Some(fact.path.clone());
                while let Some(path) = at {
                    if let Some(known) = self.known.get_mut(&path) {
                        known.resumable = true;
                    }
                    at = path.caller();
                }
            }
            kind => {
                if let Some(requirement) = kind.requirement() {
                    let mut at = requirement.path.clone();
                    match &requirement.kind {
                        RequirementKind::ToolConfirmation { tool } if is_call(&at) => {
                            self.make(&at, tool);
                        }
                        // A question about an interrupted call does not make the call wait, but its
                        // caller.
                        RequirementKind::Interrupted { .. } if is_about_call(requirement) => {
                            at = at.caller().unwrap_or_default();
                        }
                        _ => {}
                    }
                    if !self.known.is_empty() {
                        self.waits.push((requirement.id.clone(), at));
                    }
                } else if let Some(reply) = kind.reply()
                    && !self.waits.is_empty()
                {
                    self.waits.retain(|(id, _)| *id != reply.requirement_id);
                }
            }
        }
    }

    /// Goes on after a retry of the run. The steps that are retried go on where they failed; every
    /// other step of which calls are known begins anew.
    fn retried(&mut self, steps: &[StepPath]) {
        let goes_on = |at: &StepPath| steps.iter().any(|step| step.contains(at));
        let anew: Vec<_> = self.made.keys().filter(|at| !goes_on(at)).map(StepPath::step).collect();
        for step in anew {
            self.begin_again(&step);
        }
        // They ended together with their step, so they begin again in the journal.
        self.known.values_mut().for_each(|known| known.open = false);
    }

    /// Resets the calls of `step`, because its next attempt makes them again.
    fn begin_again(&mut self, step: &StepPath) {
        for (_, made) in self.made.iter_mut().filter(|(at, _)| step.contains(at)) {
            for made in made.values_mut() {
                made.taken = 0;
                made.calls.iter_mut().for_each(|call| call.taken = false);
            }
        }
        for (path, known) in self.known.iter_mut().filter(|(at, _)| step.contains(at)) {
            known.waiting = known.open && self.waits.iter().any(|(_, at)| path.contains(at));
            (known.ended, known.open) = (None, false);
        }
    }

    /// Adds a call that the journal knows of and the current attempt has not made yet.
    fn make(&mut self, path: &StepPath, call: &ToolCall) {
        let (Some(caller), Some(number)) = (path.caller(), path.number()) else { return };
        let made = self.made.entry(caller).or_default();
        let made = made.entry(call_name(&call.name).into_owned()).or_default();
        if !made.numbers.contains(&number) {
            made.add(call, number, false);
        }
    }

    /// Returns the path and the state of the next call by the step, or by the call, at `caller`. A
    /// caller must pass its calls in the order in which the model requested them.
    pub fn call(&mut self, caller: &StepPath, call: &ToolCall) -> (StepPath, CallPast) {
        let name = call_name(&call.name);
        let made = self.made.entry(caller.clone()).or_default();
        let number = made.entry(name.clone().into_owned()).or_default().next(call);
        let path = caller.call(&name, number);
        let past = match self.known.get_mut(&path) {
            None => CallPast::New,
            Some(known) => match known.ended.take() {
                Some(ended) => ended,
                None if known.waiting => CallPast::Waiting { open: known.open },
                None if known.unknown => {
                    let Known { begun, resumable, open, .. } = *known;
                    CallPast::Interrupted { begun, resumable, open }
                }
                None => CallPast::New,
            },
        };
        (path, past)
    }
}

/// Returns `true` if a question is about a whole call, not about one of its effects.
fn is_about_call(requirement: &Requirement) -> bool {
    requirement.id_parts().is_some_and(|id| &*id.kind == "interrupted")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::StepError;
    use crate::id::RunId;
    use crate::world::Timestamp;
    use serde_json::json;

    fn call(id: &str, eur: u64) -> ToolCall {
        let arguments = Arguments::json(json!({ "eur": eur }));
        ToolCall { id: id.into(), name: "pay".into(), arguments }
    }

    fn fact(path: &str, kind: EventKind) -> Event {
        let run = RunId::new("r").unwrap();
        Event { sequence: 0, delta: 0, time: Timestamp(0), run, path: path.into(), kind }
    }

    fn started(path: &str, tool: ToolCall) -> Event {
        fact(path, EventKind::ToolCallStarted { tool: Box::new(tool) })
    }

    fn retrying() -> Event {
        let error = StepError::new("flaky").data;
        fact("s", EventKind::StepRetrying { attempt: 1, error, delay_ms: 0 })
    }

    #[test]
    fn another_attempt_finds_the_same_calls_whatever_order_it_makes_them_in() {
        let (mut calls, step) = (Calls::default(), StepPath::from("s"));
        let next = |calls: &mut Calls, tool| calls.call(&step, &tool).0.to_string();
        assert_eq!(next(&mut calls, call("a", 5)), "s/pay#1");
        assert_eq!(next(&mut calls, call("b", 9)), "s/pay#2");
        assert_eq!(next(&mut calls, call("c", 5)), "s/pay#3", "the same twice is done twice");
        calls.apply(&retrying());
        assert_eq!(next(&mut calls, call("d", 9)), "s/pay#2");
        assert_eq!(
            next(&mut calls, call("e", 7)),
            "s/pay#4",
            "what is new has a number of its own"
        );
        assert_eq!(next(&mut calls, call("f", 5)), "s/pay#1");
        assert_eq!(next(&mut calls, call("g", 5)), "s/pay#3");
    }

    #[test]
    fn a_cut_run_finds_its_calls_where_only_the_second_had_begun() {
        let mut calls = Calls::of(&[started("s/pay#2", call("b", 9))]);
        let step = StepPath::from("s");
        assert_eq!(calls.call(&step, &call("a", 5)), ("s/pay#1".into(), CallPast::New));
        let interrupted = CallPast::Interrupted { begun: 1, resumable: false, open: true };
        assert_eq!(calls.call(&step, &call("b", 9)), ("s/pay#2".into(), interrupted));
    }

    #[test]
    fn a_call_that_an_attempt_left_behind_has_an_unknown_outcome_in_the_next() {
        let step = StepPath::from("s");
        let mut calls = Calls::default();
        calls.call(&step, &call("a", 5));
        calls.apply(&started("s/pay#1", call("a", 5)));
        calls.apply(&retrying());
        let interrupted = CallPast::Interrupted { begun: 1, resumable: false, open: false };
        assert_eq!(calls.call(&step, &call("a", 5)).1, interrupted);
        // A call that ended is made again.
        let mut calls = Calls::of(&[
            started("s/pay#1", call("a", 5)),
            {
                let (call_id, name, text) = ("a".into(), "pay".into(), "paid".into());
                let (is_error, outcome_unknown, whole) = (false, false, None);
                let media = Vec::new();
                let outcome =
                    ToolOutcome { call_id, name, text, is_error, outcome_unknown, media, whole };
                fact("s/pay#1", EventKind::ToolCallCompleted { tool: Box::new(outcome) })
            },
            retrying(),
        ]);
        assert_eq!(calls.call(&step, &call("a", 5)), ("s/pay#1".into(), CallPast::New));
    }
}
