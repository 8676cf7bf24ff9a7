//! A coding agent that runs.

use crate::event::{Decision, HarnessEvent, Question};
use crate::job::{Job, Talk};
use crate::kind::HarnessKind;
use crate::process::{NotStarted, Pipes, Process, Program, Said, start};
use crate::runtime::runtime;
use crate::{acp, streams};
use stepwright_core::StepContext;
use stepwright_core::message::ToolCall;
use tokio::sync::{mpsc, oneshot};

/// The number of events that wait for the step. An agent that says more waits until it is heard.
const EVENTS_WAITING: usize = 256;

/// A question that waits for its answer.
#[derive(Debug)]
pub(crate) struct OpenQuestion {
    pub(crate) question: Question,
    pub(crate) reply: oneshot::Sender<Decision>,
}

/// A tool call of the agent under way.
#[derive(Debug)]
pub(crate) struct OpenCall {
    /// The id that the agent has for it.
    pub(crate) id: String,
    pub(crate) tool: ToolCall,
}

/// A coding agent that runs. Dropping it kills it with all that it has started.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) events: mpsc::Receiver<HarnessEvent>,
    prompts: mpsc::UnboundedSender<String>,
    pub(crate) open: Vec<OpenQuestion>,
    pub(crate) calls: Vec<OpenCall>,
    pub(crate) process: Process,
}

impl Live {
    pub(crate) async fn start(
        program: Program,
        job: Job,
        cx: &StepContext,
    ) -> Result<Self, NotStarted> {
        let (process, pipes, said) = start(program, cx).await?;
        let (sender, events) = mpsc::channel(EVENTS_WAITING);
        let (prompts, receiver) = mpsc::unbounded_channel();
        let talk = Talk { events: sender, prompts: receiver };
        runtime().spawn(drive(job, pipes, said, talk));
        Ok(Self { events, prompts, open: Vec::new(), calls: Vec::new(), process })
    }

    /// Sends a message to the agent.
    pub(crate) fn prompt(&self, text: String) {
        // A process that has ended says so by an event.
        let _ = self.prompts.send(text);
    }

    /// Ends the agent after its last turn.
    pub(crate) async fn finish(self) {
        let Self { events, prompts, process, .. } = self;
        drop((events, prompts));
        process.finish().await;
    }
}

/// Speaks with an agent until it ends, or no more is wanted of it.
async fn drive(job: Job, pipes: Pipes, said: Said, mut talk: Talk) {
    let ended = match job.kind {
        HarnessKind::ClaudeCode => streams::claude::speak(job, pipes, &mut talk).await,
        HarnessKind::Codex => streams::codex::speak(job, pipes, &mut talk).await,
        HarnessKind::OpenCode | HarnessKind::Acp { .. } => {
            Box::pin(acp::speak(job, pipes, &mut talk)).await
        }
    };
    if let Err(why) = ended {
        let why = format!("{why}{}", said.last_words().await);
        let _ = talk.events.send(HarnessEvent::Lost(why)).await;
    }
}
