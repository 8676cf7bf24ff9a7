//! Continues a run that pauses, as long as its questions are answered.

use super::ask;
use crate::display::Display;
use crate::prompt::Prompt;
use futures_util::StreamExt as _;
use stepwright_core::{Error, Event, EventKind, RunId, RunOutput, RunStatus};
use stepwright_engine::{RunStream, Workflow};

/// Tracks what was shown of a run, and asks its questions.
pub(crate) struct Continuation<'a> {
    workflow: Workflow,
    /// `None` if the run is left paused.
    prompt: Option<&'a Prompt>,
    /// The run that was answered last.
    answered: Option<RunId>,
    /// The sequence number of the first fact that was not shown.
    unseen: u64,
}

impl<'a> Continuation<'a> {
    pub(crate) fn new(workflow: Workflow, prompt: Option<&'a Prompt>) -> Self {
        Self { workflow, prompt, answered: None, unseen: 0 }
    }

    pub(crate) fn workflow(&self) -> &Workflow {
        &self.workflow
    }

    /// Notes that an event was shown.
    pub(crate) fn sees(&mut self, event: &Event) {
        if event.is_fact() {
            self.unseen = event.sequence + 1;
        }
    }

    /// Returns the continued run if the run is paused and its questions were answered. Otherwise
    /// `None`.
    pub(crate) async fn next(
        &mut self,
        answer: &mut Result<RunOutput, Error>,
        display: &mut Display,
    ) -> Option<RunStream> {
        loop {
            match answer {
                Ok(output) if output.is_paused() => {
                    return self.ask(output, display).await;
                }
                // The answer failed, not the run: it may have come too late.
                Err(error) if error.output().is_none() => {
                    let run = self.answered.clone()?;
                    display.clear();
                    display.complaint(error);
                    *answer = self.follow(&run, display).await;
                    if answer.as_ref().is_err_and(|error| error.output().is_none()) {
                        return None;
                    }
                }
                _ => return None,
            }
        }
    }

    async fn ask(&mut self, output: &RunOutput, display: &mut Display) -> Option<RunStream> {
        let prompt = self.prompt?;
        display.clear();
        let answers = match ask(display, prompt, &output.requirements).await {
            Ok(answers) => answers?,
            Err(error) => {
                display.complaint(&error);
                return None;
            }
        };
        self.answered = Some(output.run_id.clone());
        let mut resume = self.workflow.continue_run(&output.run_id, answers);
        if let Some(user) = &output.user_id {
            resume = resume.answered_by(user.as_str());
        }
        Some(resume.stream_events(true).stream().in_task())
    }

    /// Follows a run that another driver has, until it ends or pauses.
    async fn follow(&mut self, run: &RunId, display: &mut Display) -> Result<RunOutput, Error> {
        let output = self.workflow.get_run(run).await?;
        if output.status == RunStatus::Paused {
            return Ok(output);
        }
        let mut events = self.workflow.events(run, self.unseen).await?;
        let mut ticks = display.ticks();
        loop {
            tokio::select! {
                biased;
                () = ticks.next() => display.tick(),
                event = events.next() => {
                    let Some(event) = event.transpose()? else { break };
                    self.sees(&event);
                    display.event(&event);
                    if matches!(event.kind, EventKind::WorkflowPaused { .. }) {
                        break;
                    }
                }
            }
        }
        display.clear();
        self.workflow.handle(run).await?.settled().await
    }
}
