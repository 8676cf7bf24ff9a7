//! Answers that hold for all requests of a kind, and answers that came too late.

use super::Recorder;
use crate::stop::Stop;
use std::collections::HashSet;
use std::sync::Arc;
use stepwright_core::event::RefusedAnswer;
use stepwright_core::requirement::RequirementKind;
use stepwright_core::store::{Signal, SignalKind};
use stepwright_core::{Answer, EventKind, OnInterrupted, Requirement, StepPath};

/// One answer for every request about an effect whose outcome is unknown.
pub(super) struct Standing {
    policy: OnInterrupted,
    /// The paths at which it was used. It concerns the effects that were left behind before the run
    /// was resumed, which is one at each path. If that effect goes wrong again, a person decides.
    given: HashSet<StepPath>,
}

impl Standing {
    /// Returns `None` if people must be asked.
    pub(super) fn new(policy: OnInterrupted) -> Option<Box<Self>> {
        let asks = policy == OnInterrupted::Ask;
        (!asks).then(|| Box::new(Self { policy, given: HashSet::new() }))
    }
}

impl Recorder {
    /// Returns the standing answer if this request is about an effect that was left behind before
    /// the run was resumed.
    pub(super) fn standing_answer(&self, asked: &Requirement) -> Option<Answer> {
        let RequirementKind::Interrupted { .. } = asked.kind else { return None };
        let mut state = self.state();
        let standing = state.interrupted.as_deref_mut()?;
        standing.given.insert(asked.path.clone()).then_some(match standing.policy {
            OnInterrupted::Retry => Answer::Retry,
            _ => Answer::Reject { feedback: None },
        })
    }

    /// Records the answers that came too late, unless they are recorded already. Returns the ids of
    /// their requests.
    pub(crate) fn refuse_late(&self, inbox: &[Signal]) -> Result<Vec<Arc<str>>, Stop> {
        let mut late = Vec::new();
        for signal in inbox {
            let SignalKind::Answer(reply) = &signal.kind else { continue };
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
                let reply = self.settings.secrets.redacted(reply.clone());
                let refused = RefusedAnswer { reply, due, came: signal.at };
                self.time_passes();
                self.record(&path, EventKind::AnswerRefused { refused: Box::new(refused) })?;
            }
        }
        Ok(late)
    }
}
