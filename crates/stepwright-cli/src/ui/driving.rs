//! Drives a run until it ends or waits, and shows its events. Asks the person at the terminal for
//! answers to its pending requests.

use crate::args::{Shown, Storage};
use crate::database::Database;
use crate::exit::Exit;
use crate::ui::cancel::{Cancel, Requested};
use crate::ui::followed::Followed;
use crate::ui::print::{Form, Printer, Stdout};
use crate::ui::progress::{Progress, has_panels};
use crate::ui::resume_command::{FORGOTTEN, ResumeCommand};
use crate::ui::summary::{kept, summary};
use crate::ui::terminal::{Stderr, write};
use futures_util::StreamExt as _;
use std::collections::BTreeSet;
use std::pin::Pin;
use std::time::Duration;
use stepwright::term::Speech;
use stepwright::{Error, ErrorKind, Event, EventKind, RunOutput, RunStatus, StepPath};
use stepwright::{RunId, Workflow};
use stepwright_engine::Runs;
use stepwright_term::{Asker, waiting};
use tokio::time::Sleep;

/// The maximum number of steps in the message about a cancellation.
const NAMED_MAX: usize = 5;

/// The time in which a run ends that cannot be released because it has just ended. A run of another
/// process goes on there.
const LEAVE_AFTER: Duration = Duration::from_secs(2);

/// The message after a SIGTERM.
const STOPPING: &str = "stopping: the run is left so that it can be resumed";

/// Drives a run and shows its events.
pub(crate) struct Driving<'a> {
    pub(crate) shown: &'a Shown,
    pub(crate) stderr: Stderr,
    pub(crate) cancel: &'a Cancel,
    /// The database that stores the run, if there is one.
    storage: Option<Storage>,
    /// The command that resumes the run.
    pub(crate) words: ResumeCommand,
    /// `true` if the run is a new one, which has not begun while its input is checked.
    pub(crate) is_new: bool,
    printer: Printer,
    progress: Progress,
    /// The running steps.
    open: BTreeSet<StepPath>,
}

impl<'a> Driving<'a> {
    pub(crate) fn new(
        shown: &'a Shown,
        stderr: Stderr,
        cancel: &'a Cancel,
        storage: Option<Storage>,
        words: ResumeCommand,
    ) -> Self {
        let form = if shown.json {
            Form::Json { all: shown.events }
        } else if has_panels(stderr, shown) {
            Form::Shown
        } else if shown.stream {
            Form::Stream(Speech::default())
        } else {
            Form::Output { markdown: !shown.no_markdown }
        };
        let printer = Printer { form, stdout: Stdout::new() };
        let progress = Progress::new(stderr, shown);
        let (is_new, open) = (false, BTreeSet::new());
        Self { shown, stderr, cancel, storage, words, is_new, printer, progress, open }
    }

    /// Returns the database that stores the run, if there is one.
    pub(crate) fn db(&self) -> Option<&Database> {
        self.storage.as_ref().map(|storage| &storage.db)
    }

    /// Shows the events of the run from before it was resumed as part of its tree.
    pub(crate) async fn recall(&mut self, runs: &Runs, run: &RunId) -> Result<(), Error> {
        if self.progress.is_watched() {
            let mut past = runs.recorded(run, 0).await?;
            while let Some(event) = past.next().await {
                self.progress.past(&event?);
            }
        }
        Ok(())
    }

    /// Drives the run until it ends, or until it waits and there is no person to ask.
    pub(crate) async fn drive(
        &mut self,
        workflow: &Workflow,
        events: impl Into<Followed>,
    ) -> Result<RunOutput, Error> {
        let mut events = events.into();
        loop {
            let mut answer = self.follow(workflow, events).await;
            let answers = loop {
                let output = match &answer {
                    Ok(output) if output.is_paused() => output,
                    _ => return answer,
                };
                if self.cancel.is_stopped() {
                    return answer;
                }
                let Some(mut asker) = self.asker()? else { return answer };
                self.cancel.asking(Some(self.go_on(output)));
                let answers = asker.ask(&output.requirements).await;
                self.cancel.asking(None);
                let Some(answers) = answers? else { return answer };
                // Meanwhile its timer may have ended, or another process may have answered.
                let handle = workflow.handle(&output.run_id).await?;
                let now = handle.settled().await;
                match &now {
                    Ok(now) if now.requirements == output.requirements => break answers,
                    _ => {
                        self.progress.note("it went on before that was answered");
                        answer = now;
                    }
                }
            };
            let Ok(output) = answer else { return answer };
            let resumed = workflow.continue_run(&output.run_id, answers);
            events = resumed.stream_events(true).stream().in_task().into();
        }
    }

    /// Returns a prompt for the person at the terminal, if there is one.
    pub(crate) fn asker(&mut self) -> Result<Option<Asker>, Error> {
        if self.shown.json {
            return Ok(None);
        }
        self.progress.clear();
        Asker::at_terminal()
    }

    /// Shows the events until the run ends or waits.
    async fn follow(
        &mut self,
        workflow: &Workflow,
        mut events: Followed,
    ) -> Result<RunOutput, Error> {
        let mut begun = false;
        let mut ticks = self.progress.ticks();
        let mut leave_at = None;
        loop {
            tokio::select! {
                event = events.next() => {
                    let Some(event) = event else { break };
                    if !begun {
                        let run = event.run.as_str();
                        let resume = self.db().map(|_| self.words.resume(run));
                        self.cancel.begun(workflow, &event.run, resume);
                        (begun, self.is_new) = (true, false);
                    }
                    self.note_open(&event);
                    if let Some(text) = self.printer.text_of(&event) {
                        self.printer.stdout.write(self.progress.before_text(&text));
                    }
                    self.progress.event(&event);
                }
                () = ticks.next() => self.progress.tick(),
                requested = self.cancel.requested() => {
                    // A large input takes time, and nothing of the run is stored yet.
                    if self.is_new {
                        let what = "stopped while the input was checked; no step has begun";
                        return Err(Error::new(ErrorKind::Cancelled, what));
                    }
                    match requested {
                        Requested::Cancel => {
                            let what = cancelling(&self.open);
                            self.progress.note(&what);
                            events.cancel().await?;
                        }
                        Requested::Stop => self.progress.note(STOPPING),
                        Requested::Leave => {
                            leave_at = Some(Box::pin(tokio::time::sleep(LEAVE_AFTER)));
                        }
                    }
                }
                () = after(&mut leave_at) => self.leave(),
            }
        }
        let answer = events.output().await;
        self.cancel.ended();
        answer
    }

    /// Ends this command beside a run that another process drives.
    fn leave(&mut self) {
        self.progress.clear();
        self.progress.note("this command ends; the run goes on in the process that drives it");
        std::process::exit(Exit::Stopped as i32);
    }

    fn note_open(&mut self, event: &Event) {
        match event.kind {
            EventKind::StepStarted { .. } => {
                self.open.insert(event.path.clone());
            }
            EventKind::StepCompleted { .. }
            | EventKind::StepError { .. }
            | EventKind::StepSkipped { .. }
            | EventKind::StepCancelled { .. } => {
                self.open.remove(&event.path);
            }
            _ => {}
        }
    }

    /// Writes the output at the end. `explain` reports an error.
    pub(crate) fn end(
        mut self,
        answer: &Result<RunOutput, Error>,
        explain: impl FnOnce(Stderr, &Error),
    ) -> Exit {
        self.progress.clear();
        if answer.as_ref().is_err_and(|error| error.kind() == ErrorKind::Released) {
            // No event ends it.
            self.progress.settle();
        }
        let output = answer.as_ref().ok().or_else(|| answer.as_ref().err().and_then(Error::output));
        let given = answer.as_ref().ok().filter(|output| !output.is_paused());
        let last = self.printer.last_text(given);
        if !last.is_empty() {
            if self.progress.is_beside_output() && matches!(self.printer.form, Form::Output { .. })
            {
                write("");
            }
            self.printer.stdout.write(self.progress.before_text(&last));
        }
        if let Some(output) = output {
            self.conclude(output);
        }
        match answer {
            Err(error) if error.kind() == ErrorKind::Released => {
                self.explain_stop(error);
            }
            // A person at the terminal has seen the cancellation in the last line.
            Err(error) if error.kind() == ErrorKind::Cancelled && self.progress.is_watched() => {}
            Err(error) => explain(self.stderr, error),
            Ok(_) => {}
        }
        self.printer.stdout.end(self.stderr, Exit::of_answer(answer))
    }

    /// Says how to go on with a run that was stopped.
    fn explain_stop(&self, error: &Error) {
        let report = error.to_report();
        self.stderr.report(&match error.output() {
            Some(output) => {
                let resume = self.words.resume(output.run_id.as_str());
                report.only_help(format!("to go on: {resume}"))
            }
            None => report,
        });
    }

    /// Writes the last lines: for people who watch, and to find or answer the run later.
    fn conclude(&self, output: &RunOutput) {
        if self.progress.is_watched() {
            if self.progress.is_beside_output() && output.status == RunStatus::Completed {
                write("");
            }
            write(&summary(self.stderr, output, self.storage.as_ref()));
        } else if self.storage.as_ref().is_some_and(|storage| storage.is_named)
            || output.is_paused()
        {
            write(&kept(output));
        }
        if output.is_paused() {
            self.say_open(output);
        }
    }

    /// Shows the pending requests of the run and how to answer them.
    pub(crate) fn say_open(&self, output: &RunOutput) {
        let open = waiting(output, self.stderr.terminal, Some(&self.go_on(output)));
        write(open.trim_end_matches('\n'));
    }

    fn go_on(&self, output: &RunOutput) -> String {
        match self.storage {
            Some(_) => self.words.go_on(output),
            None => FORGOTTEN.to_owned(),
        }
    }
}

/// Waits for a timer, if there is one.
async fn after(timer: &mut Option<Pin<Box<Sleep>>>) {
    match timer {
        Some(timer) => timer.await,
        None => std::future::pending().await,
    }
}

/// Returns the message after a Ctrl-C.
fn cancelling(open: &BTreeSet<StepPath>) -> String {
    let again = "press Ctrl-C again to stop at once";
    let named: Vec<String> = open.iter().take(NAMED_MAX).map(|path| format!("`{path}`")).collect();
    let more = match open.len().saturating_sub(NAMED_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    if named.is_empty() {
        return format!("cancelling; {again}");
    }
    format!("cancelling: stopping {}{more}; {again}", named.join(", "))
}
