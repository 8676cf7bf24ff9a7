//! Runs one answer, which Ctrl-C stops.

use super::commands::{self, PromptCommand};
use crate::asking::Continuation;
use crate::display::Display;
use crate::interrupt::{Interrupt, on_interrupt};
use crate::keys::Keys;
use futures_util::StreamExt as _;
use std::sync::{Arc, Mutex, PoisonError};
use stepwright_core::sent::SendMode;
use stepwright_core::{Error, ErrorKind, Event, EventKind, RunId, RunOutput};
use stepwright_engine::{Fork, Run, Sent, Workflow};
use tokio::sync::Notify;

/// The result of an answer.
pub(super) struct FinishedAnswer {
    pub(super) answer: Result<RunOutput, Error>,
    /// `true` if the process was asked to end.
    pub(super) quits: bool,
    /// The text that was typed meanwhile.
    pub(super) typed: String,
    /// The moment at which an agent gets a line, as a command has set it meanwhile.
    pub(super) sends: SendMode,
}

/// The signals received during an answer.
#[derive(Default)]
struct SignalState {
    interrupts: u32,
    quits: bool,
    run: Option<(Workflow, RunId)>,
}

/// The work to start with.
pub(super) enum Start {
    Run(Box<Run>),
    Fork(Box<Fork>),
    /// A paused run whose questions are asked now.
    Paused(Box<RunOutput>),
}

/// Cancels a run. If the process was asked to end, it leaves a stored run so that the run can be
/// resumed.
fn stop(workflow: &Workflow, run: &RunId, quits: bool) {
    if !(quits && workflow.release_now(run)) {
        workflow.cancel_now(run);
    }
}

/// The prompt beside an answer.
pub(super) struct Answering {
    /// `true` if keys are read.
    pub(super) reads_keys: bool,
    /// The moment at which an agent gets a line that was typed.
    pub(super) sends: SendMode,
    /// The prompt before such a line.
    pub(super) sign: String,
    /// The words that end the conversation. They are for no agent, as commands are.
    pub(super) exit_on: Vec<String>,
}

impl Answering {
    /// Returns `true` for a line that is handled after the answer.
    fn is_for_later(&self, line: &str) -> bool {
        let text = line.trim().to_lowercase();
        let leaves = |word: &String| word.trim().to_lowercase() == text;
        text.is_empty() || text.starts_with('/') || self.exit_on.iter().any(leaves)
    }
}

/// Tells when an agent gets what is typed while it works.
pub(super) fn sent_when(mode: SendMode) -> &'static str {
    match mode {
        SendMode::FollowUp => "what you type while an agent works, it gets when it would end",
        SendMode::Interrupt => "what you type while an agent works cuts its answer off",
        _ => "what you type while an agent works, it gets before its next request",
    }
}

/// The messages that were sent while an answer was written, and not seen to arrive.
#[derive(Default)]
struct Outgoing(Vec<(Sent, String)>);

impl Outgoing {
    /// Sends a line to an agent at work.
    ///
    /// # Errors
    /// The reason for which no agent gets it.
    async fn send(
        &mut self,
        (workflow, run): (&Workflow, &RunId),
        line: &str,
        mode: SendMode,
    ) -> Result<(), Error> {
        let sent = workflow.send(run, line).mode(mode).await?;
        self.0.push((sent, line.to_owned()));
        Ok(())
    }

    fn sees(&mut self, event: &Event) {
        if let EventKind::MessageReceived { message } = &event.kind {
            self.0.retain(|(sent, _)| sent.id != message.id);
        }
    }

    /// Takes back the messages that no agent has got, as the lines that were typed.
    async fn take_back(self, workflow: &Workflow) -> String {
        let mut lines = String::new();
        for (sent, line) in self.0 {
            if workflow.take_back(&sent).await.is_ok_and(|is_back| is_back) {
                lines.push_str(&line);
                lines.push('\n');
            }
        }
        lines
    }
}

/// Runs the workflow and shows its events, and continues it as long as its pending requests are
/// answered. The first Ctrl-C or Esc cancels the run and keeps what was said so far; the second
/// stops waiting for that, and lines that no agent has got are at the prompt again. Notices about
/// models go to the error output.
pub(super) async fn answer(
    start: Start,
    mut continuation: Continuation<'_>,
    display: &mut Display,
    mut errors: Option<&mut Display>,
    prompt: Answering,
) -> FinishedAnswer {
    let (reads_keys, mut sends) = (prompt.reads_keys, prompt.sends);
    let state = Arc::new(Mutex::new(SignalState::default()));
    let (notify, typing) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let listen = || {
        let (state, notify) = (state.clone(), notify.clone());
        let interrupted = Arc::new(move |interrupt| {
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            state.interrupts += 1;
            state.quits |= interrupt == Interrupt::Terminate;
            if let Some((workflow, run)) = &state.run {
                stop(workflow, run, state.quits);
            }
            notify.notify_one();
        });
        let escaped = interrupted.clone();
        // Escape stops the answer, as Ctrl-C does.
        let text = typing.clone();
        let keys = reads_keys
            .then(|| Keys::read(move || escaped(Interrupt::Stop), move || text.notify_one()));
        let keys = keys.flatten();
        (on_interrupt(move |interrupt| interrupted(interrupt)), keys)
    };
    let mut signals = Some(listen());
    let mut typed = String::new();
    let locked = || state.lock().unwrap_or_else(PoisonError::into_inner);
    let workflow = continuation.workflow().clone();
    let (mut events, mut answer) = match start {
        Start::Run(run) => (Some(run.stream_events(true).stream().in_task()), None),
        Start::Fork(fork) => (Some(fork.stream_events(true).stream().in_task()), None),
        Start::Paused(output) => (None, Some(Ok(*output))),
    };
    let mut ticks = display.ticks();
    let mut begun = false;
    let mut outgoing = Outgoing::default();
    loop {
        if let Some(mut answer) = answer.take() {
            // While a question is asked, no run is in flight that a signal could stop.
            if let Some((_, Some(keys))) = signals.take() {
                typed.push_str(&keys.end());
            }
            display.types(None);
            let Some(more) = continuation.next(&mut answer, display).await else {
                // A run that waits keeps its messages for the agent that goes on.
                if !answer.as_ref().is_ok_and(RunOutput::is_paused) {
                    typed.insert_str(0, &outgoing.take_back(&workflow).await);
                }
                return FinishedAnswer { answer, quits: locked().quits, typed, sends };
            };
            (events, signals) = (Some(more), Some(listen()));
        }
        let Some(reading) = &mut events else { continue };
        tokio::select! {
            biased;
            () = notify.notified() => {
                if locked().interrupts > 1 {
                    let error = Error::new(ErrorKind::Cancelled, "the answer was cancelled");
                    let (answer, quits) = (Err(error), locked().quits);
                    display.types(None);
                    display.clear();
                    // A store that does not answer is not waited for, either.
                    let lines = tokio::select! {
                        lines = outgoing.take_back(&workflow) => lines,
                        () = notify.notified() => String::new(),
                    };
                    let rest = match signals.take() {
                        Some((_, Some(keys))) => keys.end(),
                        _ => String::new(),
                    };
                    // To edit: nothing begins by itself after this.
                    typed.push_str(&(lines + &rest).trim_end().replace('\n', " "));
                    return FinishedAnswer { answer, quits, typed, sends };
                }
                display.note("stopping; press Ctrl-C or Esc again to stop waiting");
            }
            () = typing.notified() => {
                let Some((_, Some(keys))) = &signals else { continue };
                while let Some(line) = keys.take_line() {
                    if let Some(Ok(PromptCommand::Send(mode))) = commands::parse(&line) {
                        sends = mode;
                        display.note(sent_when(mode));
                        continue;
                    }
                    let run = locked().run.clone();
                    let sent = match run {
                        Some((workflow, run)) if !prompt.is_for_later(&line) => {
                            outgoing.send((&workflow, &run), &line, sends).await
                        }
                        _ => {
                            typed.extend([&*line, "\n"]);
                            continue;
                        }
                    };
                    if let Err(why) = sent {
                        display.note(&format!("after this answer: {}; {why}", line.trim()));
                        typed.extend([&*line, "\n"]);
                    }
                }
                let line = keys.line();
                display.types((!line.is_empty()).then(|| format!("{}{line}", prompt.sign)));
            }
            () = ticks.next() => display.tick(),
            event = reading.next() => {
                let Some(event) = event else {
                    answer = match events.take() {
                        Some(read) => Some(read.output().await),
                        None => None,
                    };
                    continue;
                };
                if !begun {
                    begun = true;
                    let mut state = locked();
                    if state.interrupts > 0 {
                        stop(&workflow, &event.run, state.quits);
                    }
                    state.run = Some((workflow.clone(), event.run.clone()));
                }
                if let Some(errors) = &mut errors {
                    errors.notice(&event);
                }
                continuation.sees(&event);
                outgoing.sees(&event);
                display.event(&event);
            }
        }
    }
}
