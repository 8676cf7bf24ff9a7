//! The flow: data that one step passes to the next.

use super::halt::Halt;
use crate::effects::{Effects, Failure, Stop};
use crate::gate::reserved;
use serde_json::Value;
use std::sync::Arc;
use stepwright_core::executor::RunInput;
use stepwright_core::permission::ALLOWED_KEY;
use stepwright_core::scope::{LoopOutcome, Scope};
use stepwright_core::state::State;
use stepwright_core::{
    Content, ErrorCode, FailureInfo, Feedback, Patch, StepError, StepInput, StepOutput, StepPath,
    StepStatus, Timestamp,
};

/// The data that one step passes to the next.
#[derive(Clone, Default)]
pub(crate) struct Flow {
    pub(crate) run: Arc<RunInput>,
    pub(crate) previous: Option<Arc<StepOutput>>,
    pub(crate) scope: Scope,
    pub(crate) state: Arc<State>,
    /// Changes of the state since the beginning of the run, or of the branch.
    pub(crate) patches: Vec<Patch>,
    pub(crate) item: Option<Content>,
    pub(crate) nth: u32,
    /// The step that asked to end the run.
    pub(crate) ended: Option<StepPath>,
    /// The first failure that was tolerated by `on_error: continue`.
    pub(crate) broken: Option<Arc<Failure>>,
    /// The form that a person filled in for a container around this place.
    pub(crate) user_input: Option<Arc<Value>>,
    /// Feedback of a person on the last turn.
    pub(crate) feedback: Option<Arc<Feedback>>,
    /// The previous turn of the innermost loop around this place.
    pub(crate) turn_before: Scope,
    /// The part of the walk to which this flow belongs.
    pub(crate) halt: Halt,
    /// The reason that the steps before did not complete, for steps that run afterwards.
    pub(crate) failure: Option<Arc<FailureInfo>>,
    /// `true` for steps that run after others were stopped, and have little time.
    pub(crate) is_hurried: bool,
}

impl Flow {
    pub(super) fn input(&self) -> StepInput {
        StepInput {
            run: self.run.clone(),
            previous: self.previous.clone(),
            scope: self.scope.clone(),
            state: self.state.clone(),
            item: self.item.clone(),
            nth: self.nth,
            history: None,
            user_input: self.user_input.clone(),
            feedback: self.feedback.clone(),
            turn_before: self.turn_before.clone(),
            failure: self.failure.clone(),
            budget: None,
            now: Timestamp::default(),
        }
    }

    /// Returns the flow with which a branch begins: a copy, without changes of its own.
    pub(super) fn fork(&self) -> Self {
        Self {
            run: self.run.clone(),
            previous: self.previous.clone(),
            scope: self.scope.clone(),
            state: self.state.clone(),
            patches: Vec::new(),
            item: self.item.clone(),
            nth: self.nth,
            ended: None,
            broken: None,
            user_input: self.user_input.clone(),
            feedback: self.feedback.clone(),
            turn_before: self.turn_before.clone(),
            halt: self.halt.clone(),
            failure: self.failure.clone(),
            is_hurried: self.is_hurried,
        }
    }

    /// Checks that a node may begin, in a part of the walk that may have been stopped.
    ///
    /// # Errors
    /// [`Stop::Sibling`] if it was stopped and the node had not begun. What had begun is replayed.
    pub(super) fn enter<E: Effects>(
        &mut self,
        fx: &E,
        path: &StepPath,
        started: &'static str,
    ) -> Result<(), Stop> {
        if fx.facts().was_stopped(path) {
            // It was stopped before the run was resumed: what it had done is replayed.
            self.halt = self.halt.inside();
            self.halt.stop(FailureInfo::cancelled("it was stopped", path.clone()));
        } else if self.halt.is_stopped() && !fx.facts().has_noted(path, started) {
            return Err(Stop::Sibling);
        }
        Ok(())
    }

    /// Checks that a node may complete.
    ///
    /// # Errors
    /// [`Stop::Sibling`] if this part of the walk was stopped before.
    pub(super) fn complete<E: Effects>(
        &self,
        fx: &E,
        path: &StepPath,
        completed: &'static str,
    ) -> Result<(), Stop> {
        if self.is_stopped_before(fx, path, completed) { Err(Stop::Sibling) } else { Ok(()) }
    }

    /// Returns `true` if this part of the walk was stopped before the node at `path` completed.
    pub(super) fn is_stopped_before<E: Effects>(
        &self,
        fx: &E,
        path: &StepPath,
        completed: &'static str,
    ) -> bool {
        let facts = fx.facts();
        self.halt.is_stopped() && (facts.was_stopped(path) || !facts.has_noted(path, completed))
    }

    /// Sets the feedback of a person on the last turn.
    pub(super) fn feedback(&mut self, previous: Content, feedback: Arc<str>) {
        self.feedback = Some(Arc::new(Feedback { previous, feedback }));
    }

    /// Applies changes to the state.
    pub(super) fn apply(&mut self, patches: &[Patch]) -> Result<(), StepError> {
        if patches.is_empty() {
            return Ok(());
        }
        let mut state = self.state.clone();
        let changed = Arc::make_mut(&mut state);
        for patch in patches {
            if patch.key() == ALLOWED_KEY {
                let error = StepError::terminal(reserved()).with_code(ErrorCode::State);
                return Err(error.with_hint("use another key"));
            }
            patch.apply(changed).map_err(state_error)?;
        }
        self.state = state;
        self.patches.extend_from_slice(patches);
        Ok(())
    }

    /// Passes on the output of a node.
    pub(super) fn passed(&mut self, path: StepPath, output: Arc<StepOutput>, inside: Vec<Scope>) {
        self.enters(path, StepStatus::Completed, output.clone(), inside);
        self.previous = Some(output);
    }

    /// Notes a node without an output: the previous output flows on.
    pub(super) fn skipped(&mut self, path: StepPath, inside: Vec<Scope>) {
        self.enters(path, StepStatus::Skipped, Arc::default(), inside);
    }

    /// Adds an entry to the scope.
    fn enters(
        &mut self,
        path: StepPath,
        status: StepStatus,
        output: Arc<StepOutput>,
        inside: Vec<Scope>,
    ) {
        self.scope = std::mem::take(&mut self.scope).with(path, status, output, inside);
    }

    /// Notes the outcome of a loop whose entry was just added to the scope.
    pub(super) fn looped(&mut self, outcome: Option<LoopOutcome>) {
        if let Some(outcome) = outcome {
            self.scope.note_outcome(outcome);
        }
    }

    /// Notes a failed node, after which the run goes on without an output.
    pub(super) fn failed(&mut self, path: StepPath, failure: Arc<Failure>) {
        let nothing = Arc::<StepOutput>::default();
        self.enters(path, StepStatus::Failed, nothing.clone(), Vec::new());
        self.previous = Some(nothing);
        self.broken.get_or_insert(failure);
    }
}

pub(super) fn state_error(error: impl std::error::Error + Send + Sync + 'static) -> StepError {
    StepError::terminal(error.to_string()).with_code(ErrorCode::State)
}

/// The traces of a container that has done its work, besides the flow.
pub(super) struct Walked {
    /// The scope around the container.
    pub(super) outside: Scope,
    /// The scopes at the end of its bodies.
    pub(super) inside: Vec<Scope>,
    /// Its input, or `None` if it always makes a new output.
    pub(super) given: Option<Arc<StepOutput>>,
    /// The output before it.
    pub(super) before: Option<Arc<StepOutput>>,
    pub(super) iterations: u32,
    /// For a loop: `true` if it made all its turns without meeting its condition, and the run goes
    /// on.
    pub(super) exhausted: bool,
}

impl Walked {
    /// Begins a container.
    pub(super) fn begin(flow: &Flow) -> Self {
        Self {
            outside: flow.scope.clone(),
            inside: Vec::new(),
            given: flow.previous.clone(),
            before: flow.previous.clone(),
            iterations: 0,
            exhausted: false,
        }
    }

    /// Notes the end of a body.
    pub(super) fn body(&mut self, flow: &Flow) {
        self.inside.push(flow.scope.clone());
    }

    /// Returns the output of the container: that of its last step with an output, if there is one.
    pub(super) fn output(&self, flow: &Flow) -> Option<Arc<StepOutput>> {
        let after = flow.previous.as_ref()?;
        match &self.given {
            Some(before) if Arc::ptr_eq(before, after) => None,
            _ => Some(after.clone()),
        }
    }
}
