//! Attempts whose outcome is unknown: the journal has their beginning and no end.

use super::{About, Attempt, Effects, Failure, Stop, Unknown};
use crate::interpret::question;
use std::collections::HashMap;
use std::sync::Arc;
use stepwright_core::event::Event;
use stepwright_core::executor::ExecutorType;
use stepwright_core::requirement::RequirementKind;
use stepwright_core::{
    Answer, Content, ErrorCode, ErrorData, ErrorId, EventKind, OnInterrupted, OnTimeout,
    Requirement, StepError, StepOutput, StepPath,
};

impl About {
    /// Returns the kind of the request about it, as it stands in the request's id. The kinds differ
    /// so that a resumed run knows what follows the reply: after a failed attempt, the next one;
    /// after a death, the same one again.
    fn question(self) -> &'static str {
        match self {
            Self::Death => "interrupted",
            Self::Failure => "outcome",
        }
    }

    /// Returns what a request asks about the step at this path. `None` if it concerns something
    /// inside the step.
    fn of(path: &StepPath, id: &str) -> Option<Self> {
        let rest = id.strip_prefix(path.as_str())?.strip_prefix('!')?;
        [Self::Death, Self::Failure].into_iter().find(|about| {
            rest.strip_prefix(about.question())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
        })
    }
}

/// Steps that began and did not end, as the facts tell.
#[derive(Clone, Debug, Default)]
pub(super) struct Begun {
    steps: HashMap<StepPath, State>,
}

#[derive(Clone, Copy, Debug)]
struct State {
    attempt: u32,
    stage: Stage,
    /// The number of replies and deadlines that it waits for. It does nothing else meanwhile.
    waits: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Its executor works, or waits for a reply.
    UnderWay,
    /// An attempt has ended, and no decision about the next one is recorded.
    Between,
    /// A person was asked about an attempt whose outcome is unknown.
    Asked(About),
}

impl Begun {
    /// Applies the next fact.
    pub(super) fn note(&mut self, event: &Event) {
        use EventKind as E;
        let path = &event.path;
        match &event.kind {
            E::StepStarted { executor_type, .. } if *executor_type != ExecutorType::Workflow => {
                let begun = State { attempt: 1, stage: Stage::UnderWay, waits: 0 };
                self.steps.insert(path.clone(), begun);
            }
            E::StepAttemptStarted { attempt } => self.change(path, *attempt, Stage::UnderWay),
            E::StepRetrying { attempt, .. } => {
                self.change(path, attempt.saturating_add(1), Stage::Between);
            }
            E::StepCompleted { .. }
            | E::StepError { .. }
            | E::StepSkipped { .. }
            | E::StepCancelled { .. } => {
                self.steps.remove(path);
            }
            // Of these, only a step whose outcome is not known has begun.
            E::WorkflowRetried { steps, .. } => {
                for step in steps {
                    self.change(step, 1, Stage::UnderWay);
                }
            }
            kind => {
                if let Some(asked) = kind.requirement() {
                    self.asked(asked);
                }
                if kind.reply().is_some() {
                    self.replied(path);
                }
            }
        }
    }

    /// Moves a step to another stage. The next attempt does not wait for what a failed one waited
    /// for.
    fn change(&mut self, path: &StepPath, attempt: u32, stage: Stage) {
        if let Some(step) = self.steps.get_mut(path) {
            *step = State { attempt, stage, waits: 0 };
        }
    }

    fn asked(&mut self, asked: &Requirement) {
        use RequirementKind as K;
        let Some((path, step)) = self.around(&asked.path) else { return };
        match (&asked.kind, About::of(&path, &asked.id)) {
            (K::Interrupted { .. }, Some(about)) => step.stage = Stage::Asked(about),
            // The attempt has ended: a person decides what follows.
            (K::OutputReview { .. } | K::ErrorDecision { .. }, _) => step.stage = Stage::Between,
            _ => step.waits += 1,
        }
        // The step that runs a workflow by a tool call waits with it.
        let mut at = path.parent();
        while let Some((path, step)) = at.and_then(|at| self.around(&at)) {
            step.waits += 1;
            at = path.parent();
        }
    }

    fn replied(&mut self, path: &StepPath) {
        let mut at = Some(path.clone());
        while let Some((path, step)) = at.and_then(|at| self.around(&at)) {
            if step.stage == Stage::UnderWay {
                step.waits = step.waits.saturating_sub(1);
            }
            at = path.parent();
        }
    }

    /// Returns the step at this path, or the one around it: a tool call lies beneath its step.
    fn around(&mut self, path: &StepPath) -> Option<(StepPath, &mut State)> {
        let mut at = path.clone();
        while !self.steps.contains_key(&at) {
            at = at.parent()?;
        }
        self.steps.get_mut(&at).map(|step| (at, step))
    }

    /// Returns the attempt of this step whose outcome is unknown.
    ///
    /// An attempt that waits is not one of them: its work before the wait has ended, and its work
    /// after the wait has not begun.
    pub(super) fn unknown(&self, step: &StepPath) -> Option<Unknown> {
        let State { attempt, stage, waits } = *self.steps.get(step)?;
        match stage {
            Stage::UnderWay if waits == 0 => Some(Unknown { attempt, asked: None }),
            Stage::Asked(about) => Some(Unknown { attempt, asked: Some(about) }),
            _ => None,
        }
    }
}

/// The decision about an attempt whose outcome is unknown.
pub(super) enum Settled {
    /// The attempt was done, with this output.
    Done(Arc<StepOutput>),
    /// The attempt was not done: carry it out.
    Again,
}

/// Returns `true` if this failure leaves the outcome of an attempt unknown. An attempt that may
/// have had its effect must not be repeated without a decision. If no retry is left (`over`),
/// nothing would repeat it, and it has failed.
pub(super) fn is_unknown(error: &ErrorData, over: bool) -> bool {
    error.code == ErrorCode::OutcomeUnknown || (may_be_done(error) && !over)
}

/// Returns `true` if a failed attempt may have had its effect: it timed out, or it sent a request
/// whose answer was lost.
pub(crate) fn may_be_done(error: &ErrorData) -> bool {
    error.code == ErrorCode::TimedOut || error.id == Some(ErrorId::HTTP_LOST)
}

/// Decides about an attempt whose outcome is unknown, by the policy of its step. `asked` is the
/// request about it that was made before the run was resumed. `failure` is its failure since then.
///
/// # Errors
/// [`ErrorCode::OutcomeUnknown`], by the policy or because a person gives it up.
pub(super) async fn settle<E: Effects>(
    fx: &E,
    attempt: &Attempt<'_>,
    policy: OnInterrupted,
    asked: Option<About>,
    failure: Option<&Failure>,
) -> Result<Settled, Stop> {
    let Attempt { step, number, .. } = *attempt;
    let fails = |error: StepError| Stop::failed(step, error, number);
    let about = asked.unwrap_or(if failure.is_some() { About::Failure } else { About::Death });
    let why = match (failure, about) {
        (Some(failure), _) => failure.error.message.clone(),
        (None, About::Death) => "its process died while it was under way".to_owned(),
        (None, About::Failure) => "how it failed does not tell".to_owned(),
    };
    let question = |nth| question(step, about.question(), nth);
    if policy == OnInterrupted::Fail {
        return Err(fails(unknown(&why, failure, HINT)));
    }
    let next = (1..u32::MAX).find(|nth| fx.facts().asked(&question(*nth)).is_none());
    let nth = next.unwrap_or(u32::MAX) - u32::from(asked.is_some());
    let requirement = Requirement {
        id: question(nth),
        path: step.clone(),
        kind: RequirementKind::Interrupted {
            effect: format!("step {step}").into(),
            attempt: number,
        },
        message: format!("Was `{step}` done? {}", sentence(&why)).into(),
        due: None,
        on_timeout: OnTimeout::Fail,
    };
    let reply = match fx.facts().ask(requirement, None).await {
        Ok(reply) => reply,
        // A run without a store cannot wait for a person.
        Err(Stop::Failed(cannot)) => {
            let hint = format!("a person cannot be asked: {}", cannot.error.message);
            return Err(fails(unknown(&why, failure, &hint)));
        }
        Err(stop) => return Err(stop),
    };
    match &reply.answer {
        Answer::Submit { value } => {
            let output = StepOutput::from(Content::from(value.clone()));
            Ok(Settled::Done(Arc::new(output)))
        }
        Answer::Retry => Ok(Settled::Again),
        Answer::Reject { feedback: Some(feedback) } => {
            Err(fails(unknown(&format!("{why}; it was given up: {feedback}"), failure, HINT)))
        }
        _ => Err(fails(unknown(&format!("{why}; it was given up"), failure, HINT))),
    }
}

const HINT: &str = "look at what the step acts on; `on_interrupted` says what happens in such a \
                    case: retry, fail or ask";

/// Makes the reason of the retry that follows when a person says that an attempt was not done.
pub(super) fn not_done() -> StepError {
    StepError::new("a person said that it was not done").with_code(ErrorCode::OutcomeUnknown)
}

/// Makes the failure of an attempt whose outcome is unknown.
fn unknown(why: &str, failure: Option<&Failure>, hint: &str) -> StepError {
    let message = match failure {
        // The executor reported the unknown outcome itself.
        Some(failure) if failure.error.code == ErrorCode::OutcomeUnknown => why.to_owned(),
        _ => format!("{why}: it may have been done, or not"),
    };
    StepError::terminal(message).with_code(ErrorCode::OutcomeUnknown).with_hint(hint)
}

/// Makes a sentence from a reason.
fn sentence(why: &str) -> String {
    let mut characters = why.chars();
    let first = characters.next().map(char::to_uppercase);
    first.into_iter().flatten().chain(characters).chain(['.']).collect()
}
