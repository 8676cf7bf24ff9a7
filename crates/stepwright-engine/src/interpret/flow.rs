//! What flows from step to step.

use crate::effects::Failure;
use serde_json::Value;
use std::sync::Arc;
use stepwright_core::executor::RunInput;
use stepwright_core::scope::{LoopOutcome, Scope};
use stepwright_core::state::State;
use stepwright_core::{
    Content, ErrorCode, Feedback, Patch, StepError, StepInput, StepOutput, StepPath, StepStatus,
};

/// What flows from step to step.
#[derive(Clone, Default)]
pub(crate) struct Flow {
    pub(crate) run: Arc<RunInput>,
    pub(crate) previous: Option<Arc<StepOutput>>,
    pub(crate) scope: Scope,
    pub(crate) state: Arc<State>,
    /// What has changed in the state since the run, or the branch, began.
    pub(crate) patches: Vec<Patch>,
    pub(crate) item: Option<Content>,
    pub(crate) nth: u32,
    /// A step asked to end the run.
    pub(crate) ended: bool,
    /// The first failure that was passed over by `on_error: continue`.
    pub(crate) broken: Option<Arc<Failure>>,
    /// What a person has filled in for what is around here.
    pub(crate) user_input: Option<Arc<Value>>,
    /// What a person did not like about the last turn.
    pub(crate) feedback: Option<Arc<Feedback>>,
    /// The turn before of the innermost loop around here.
    pub(crate) turn_before: Scope,
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
        }
    }

    /// What a branch begins with: all of this, and no changes of its own yet.
    pub(super) fn fork(&self) -> Self {
        Self {
            run: self.run.clone(),
            previous: self.previous.clone(),
            scope: self.scope.clone(),
            state: self.state.clone(),
            patches: Vec::new(),
            item: self.item.clone(),
            nth: self.nth,
            ended: false,
            broken: None,
            user_input: self.user_input.clone(),
            feedback: self.feedback.clone(),
            turn_before: self.turn_before.clone(),
        }
    }

    /// A person did not like what the last turn gave.
    pub(super) fn feedback(&mut self, previous: Content, feedback: Arc<str>) {
        self.feedback = Some(Arc::new(Feedback { previous, feedback }));
    }

    /// Changes the state.
    pub(super) fn apply(&mut self, patches: &[Patch]) -> Result<(), StepError> {
        if patches.is_empty() {
            return Ok(());
        }
        let mut state = self.state.clone();
        let changed = Arc::make_mut(&mut state);
        for patch in patches {
            patch.apply(changed).map_err(state_error)?;
        }
        self.state = state;
        self.patches.extend_from_slice(patches);
        Ok(())
    }

    /// A node has given something.
    pub(super) fn passed(&mut self, path: StepPath, output: Arc<StepOutput>, inside: Vec<Scope>) {
        self.scope = self.scope.with(path, StepStatus::Completed, output.clone(), inside);
        self.previous = Some(output);
    }

    /// A node had nothing to give: what came before flows on.
    pub(super) fn skipped(&mut self, path: StepPath, inside: Vec<Scope>) {
        self.scope = self.scope.with(path, StepStatus::Skipped, Arc::default(), inside);
    }

    /// Notes how the loop ended that was passed, skipped or passed over last.
    pub(super) fn looped(&mut self, outcome: Option<LoopOutcome>) {
        if let Some(outcome) = outcome {
            self.scope.note_outcome(outcome);
        }
    }

    /// A node has failed, and the run goes on without its output.
    pub(super) fn failed(&mut self, path: StepPath, failure: Arc<Failure>) {
        let nothing = Arc::<StepOutput>::default();
        self.scope = self.scope.with(path, StepStatus::Failed, nothing.clone(), Vec::new());
        self.previous = Some(nothing);
        self.broken.get_or_insert(failure);
    }
}

pub(super) fn state_error(error: impl std::error::Error + Send + Sync + 'static) -> StepError {
    StepError::terminal(error.to_string()).with_code(ErrorCode::State)
}

/// What a container leaves behind when it has done its work, beside what flows on.
pub(super) struct Walked {
    /// The scope that the container stands in.
    pub(super) outside: Scope,
    /// The scopes in which its bodies ended.
    pub(super) inside: Vec<Scope>,
    /// What it was given, unless it gives something new in any case.
    pub(super) given: Option<Arc<StepOutput>>,
    /// What came before it.
    pub(super) before: Option<Arc<StepOutput>>,
    pub(super) iterations: u32,
    /// Of a loop: it made all its turns, its condition was not met, and it goes on all the same.
    pub(super) exhausted: bool,
}

impl Walked {
    /// A container that begins now.
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

    /// A body has ended.
    pub(super) fn body(&mut self, flow: &Flow) {
        self.inside.push(flow.scope.clone());
    }

    /// What the container gives: what its last step gave, if any of its steps gave something.
    pub(super) fn output(&self, flow: &Flow) -> Option<Arc<StepOutput>> {
        let after = flow.previous.as_ref()?;
        match &self.given {
            Some(before) if Arc::ptr_eq(before, after) => None,
            _ => Some(after.clone()),
        }
    }
}
