//! Requests to people, and their replies.

use super::Recorder;
use crate::stop::Stop;
use std::sync::Arc;
use stepwright_core::event::Reply;
use stepwright_core::requirement::RequirementKind;
use stepwright_core::{Answer, ErrorCode, ErrorId, EventKind, Requirement, StepError, StepPath};

/// The largest number of pending requests in a run.
const REQUIREMENTS_MAX: usize = 10_000;

impl Recorder {
    /// Makes a request, unless it was made before, and waits for the reply. `inside` is the step or
    /// the tool call that makes it. It is `None` if the interpreter makes it, such as for a review
    /// or a deadline.
    pub(crate) async fn ask(
        &self,
        requirement: Requirement,
        inside: Option<&StepPath>,
    ) -> Result<Arc<Reply>, Stop> {
        let id = requirement.id.clone();
        if let Some(reply) = self.pending.reply(&id) {
            return Ok(reply);
        }
        let path = requirement.path.clone();
        if let Some(asked) = self.pending.asked(&id)
            && asked.kind == RequirementKind::Deadline
            && asked.due.is_some_and(|due| due <= self.clock.world().now())
        {
            // The deadline passed while no process drove the run: the work behind it must not
            // begin.
            let requirement_id = id.clone();
            let reply =
                Reply { requirement_id, answer: Answer::Elapsed, by: None, timed_out: false };
            self.answered(&asked, reply.clone())?;
            return Ok(Arc::new(reply));
        }
        // A tool call that ended without a reply has withdrawn its request, and may make it again.
        let is_asked = self.pending.asked(&id).is_some()
            && (inside.is_none() || self.state().fold.waits_for(&id));
        if !is_asked {
            if requirement.needs_answer() && self.journal.is_none() {
                let what = format!("the run needs an answer to `{id}`, but it is not stored");
                let hint = "give the workflow a store with `.store(…)`";
                let unstored = StepError::terminal(what).with_id(ErrorId::REQUEST_UNSTORED);
                return Err(Stop::failed(&path, unstored.with_hint(hint), 1));
            }
            if self.pending.count() >= REQUIREMENTS_MAX {
                let what = format!("a run waits for at most {REQUIREMENTS_MAX} answers at once");
                let error = StepError::terminal(what).with_code(ErrorCode::Limit);
                return Err(Stop::failed(&path, error, 1));
            }
            self.expect_event(&requirement).await?;
            self.time_passes();
            self.record(&path, paused(requirement.clone()))?;
            self.pending.note(requirement);
        } else if let Some(asked) = self.pending.asked(&id) {
            self.expect_event(&asked).await?;
        }
        if let Some(asked) = self.pending.asked(&id)
            && let Some(answer) = self.standing_answer(&asked)
        {
            let requirement_id = id.clone();
            let reply = Reply { requirement_id, answer, by: None, timed_out: false };
            self.answered(&asked, reply.clone())?;
            self.settle().await?;
            return Ok(Arc::new(reply));
        }
        if self.pending.is_open(&id) {
            let what = format!("`{id}` is waited for already; give each wait a name of its own");
            let error = StepError::terminal(what).with_id(ErrorId::WAIT_INVALID);
            return Err(Stop::failed(&path, error, 1));
        }
        let asked = self.pending.asked(&id);
        let waiting = self.pending.wait(id, inside.cloned());
        self.settle().await?;
        let reply = waiting.await;
        self.time_passes();
        if let Some(asked) = asked.filter(|asked| asked.is_event()) {
            self.forget_event(&asked).await;
        }
        Ok(reply)
    }

    /// Records a reply, and passes it to the task that waits for it.
    pub(crate) fn answered(&self, requirement: &Requirement, reply: Reply) -> Result<(), Stop> {
        let reply = self.settings.secrets.redacted(reply);
        let shown = Box::new(reply.clone());
        let kind = match requirement.kind {
            RequirementKind::ToolConfirmation { .. }
            | RequirementKind::ExternalExecution { .. } => {
                EventKind::StepExecutorContinued { reply: shown }
            }
            RequirementKind::Deadline => EventKind::DeadlinePassed { reply: shown },
            _ => EventKind::StepContinued { reply: shown },
        };
        self.time_passes();
        let raised = match requirement.kind {
            RequirementKind::Budget { .. } if !matches!(reply.answer, Answer::Reject { .. }) => {
                let state = self.state();
                state.ledger.as_ref().and_then(|ledger| ledger.asked_about(&requirement.id))
            }
            _ => None,
        };
        self.record(&requirement.path, kind)?;
        self.pending.deliver(reply);
        raised.map_or(Ok(()), |raised| self.answer_alike(&raised))
    }
}

/// Makes the fact that records a request.
fn paused(requirement: Requirement) -> EventKind {
    let requirement = Box::new(requirement);
    match requirement.kind {
        RequirementKind::RouteSelection { .. } => EventKind::RouterPaused { requirement },
        RequirementKind::OutputReview { .. } | RequirementKind::IterationReview { .. } => {
            EventKind::StepOutputReview { requirement }
        }
        RequirementKind::ToolConfirmation { .. } | RequirementKind::ExternalExecution { .. } => {
            EventKind::StepExecutorPaused { requirement }
        }
        RequirementKind::Deadline => EventKind::DeadlineSet { requirement },
        _ => EventKind::StepPaused { requirement },
    }
}
