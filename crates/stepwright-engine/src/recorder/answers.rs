//! Answers that count before they are given, and answers that came too late.

use super::Recorder;
use crate::effects::Stop;
use std::collections::HashSet;
use std::sync::Arc;
use stepwright_core::event::RefusedAnswer;
use stepwright_core::requirement::RequirementKind;
use stepwright_core::store::{Signal, Wish};
use stepwright_core::{Answer, EventKind, OnInterrupted, Requirement, StepPath};

/// The answer to every question about an effect whose outcome is unknown.
pub(super) struct Standing {
    policy: OnInterrupted,
    /// Where it was given. It concerns what an earlier life of the run left behind, which is one
    /// effect at each address: if that goes wrong again, a person decides.
    given: HashSet<StepPath>,
}

impl Standing {
    /// Nothing if people are to be asked.
    pub(super) fn new(policy: OnInterrupted) -> Option<Box<Self>> {
        let asks = policy == OnInterrupted::Ask;
        (!asks).then(|| Box::new(Self { policy, given: HashSet::new() }))
    }
}

impl Recorder {
    /// The answer that was given for all effects whose outcome is unknown, if this asks about one
    /// that an earlier life of the run left behind.
    pub(super) fn standing_answer(&self, asked: &Requirement) -> Option<Answer> {
        let RequirementKind::Interrupted { .. } = asked.kind else { return None };
        let mut state = self.state();
        let standing = state.interrupted.as_deref_mut()?;
        standing.given.insert(asked.path.clone()).then_some(match standing.policy {
            OnInterrupted::Retry => Answer::Retry,
            _ => Answer::Reject { feedback: None },
        })
    }

    /// Records which of these answers came too late, unless that is recorded already. Gives the
    /// names of what they answer.
    pub(crate) fn refuse_late(&self, inbox: &[Signal]) -> Result<Vec<Arc<str>>, Stop> {
        let mut late = Vec::new();
        for signal in inbox {
            let Wish::Answer(reply) = &signal.wish else { continue };
            let id = &reply.requirement_id;
            let (due, path, known) = {
                let state = self.state();
                let asked = state.fold.requirements().iter().find(|asked| asked.id == *id);
                let Some(asked) = asked else { continue };
                let Some(due) = state.fold.answer_due(id) else { continue };
                (due, asked.path.clone(), state.fold.has_refused(id))
            };
            if signal.at <= due {
                continue;
            }
            late.push(id.clone());
            if !known {
                let refused = RefusedAnswer { reply: reply.clone(), due, came: signal.at };
                self.time_passes();
                self.record(&path, EventKind::AnswerRefused { refused: Box::new(refused) })?;
            }
        }
        Ok(late)
    }
}
