//! The operations on a workflow: to run, resume, read and cancel runs, and to read sessions.

use crate::local::Local;
use crate::run::{Fork, IntoInput, Resume, Retry, Run, RunHandle};
use crate::runner::serve;
use crate::runs::{Emit, Events, SendMessage, Sent, Sessions, Snapshot};
use crate::workflow::Workflow;
use std::sync::Arc;
use std::time::Duration;
use stepwright_core::session::SessionMetrics;
use stepwright_core::state::State;
use stepwright_core::store::{RunFilter, RunRow, Signal};
use stepwright_core::{Answer, Error, ErrorKind, RunId, RunOutput, Session};
use tokio_util::sync::CancellationToken;

impl Workflow {
    /// Prepares a run with an input: a text, any value that can be written as JSON, or
    /// [`Parts`](crate::Parts). Await the run, stream it, put it into the background or block on
    /// it: see [`Run`].
    #[doc(alias = "arun")]
    pub fn run(&self, input: impl IntoInput) -> Run {
        Run::new(self.clone(), input)
    }

    // --- runs ---

    /// Returns the output of a run so far: from this process if it drives the run, otherwise from
    /// the store.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if there is no run of that name.
    pub async fn get_run(&self, run: impl AsRef<str>) -> Result<RunOutput, Error> {
        let run = RunId::new(run)?;
        if let Some(live) = self.runner().local().get(run.as_str())
            && let Some(output) = live.output()
        {
            return Ok(output);
        }
        self.runner().supervise();
        Ok(self.output_of(self.runner().reader(&run)?.load_with_facts(&run).await?))
    }

    /// Returns the output of the newest run of this workflow, whatever its status.
    pub async fn get_last_run_output(&self) -> Result<Option<RunOutput>, Error> {
        let newest = RunFilter { limit: 1, ..RunFilter::default() };
        match self.runs(newest).await?.first() {
            Some(row) => self.get_run(&row.run_id).await.map(Some),
            None => Ok(None),
        }
    }

    /// Lists runs of this workflow, the newest first.
    ///
    /// ```
    /// # use stepwright_engine::Workflow;
    /// use stepwright_core::{Memory, RunStatus, store::RunFilter};
    /// # async fn greet(name: String) -> String { format!("Hello {name}") }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), stepwright_core::Error> {
    /// let workflow = Workflow::builder("Greeting").store(Memory::default()).step(greet).build()?;
    /// workflow.run("Ada").run_id("r-1").await?;
    /// let completed = RunFilter { status: Some(RunStatus::Completed), ..RunFilter::default() };
    /// assert_eq!(workflow.runs(completed).await?[0].run_id.as_str(), "r-1");
    /// # Ok(()) }
    /// ```
    pub async fn runs(&self, filter: RunFilter) -> Result<Vec<RunRow>, Error> {
        self.runner().supervise();
        match self.runner().stored() {
            Some(runs) => runs.list(filter).await,
            None => Ok(Vec::new()),
        }
    }

    /// Cancels a run, in whichever process it is driven, and also if no process drives it. Returns
    /// `false` if there is nothing to cancel: the run has ended, or there is none of that name.
    ///
    /// This call may return before the run has ended: to wait for that, see [`RunHandle::wait`].
    ///
    /// # Errors
    /// If the store fails.
    pub async fn cancel_run(&self, run: impl AsRef<str>) -> Result<bool, Error> {
        let request = self.runner().world.run_id();
        self.cancel_run_once(run, request.as_str()).await
    }

    /// Cancels a run: see [`Workflow::cancel_run`]. `request` is an id that the caller chooses.
    /// Repeated with the same id, it is the same request: only a request of another id ends the
    /// steps that run when the others were stopped, such as those of a `finally`.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn cancel_run_once(
        &self,
        run: impl AsRef<str>,
        request: &str,
    ) -> Result<bool, Error> {
        let run = RunId::new(run)?;
        let local = self.runner().local().get(run.as_str());
        let ours = local.filter(Local::is_ours);
        if self.cancel_now(&run)
            && let Some(local) = ours
            && self.runner().heeds_cancel(&run, &local).await
        {
            return Ok(true);
        }
        // Another process may turn out to drive a run that this one is about to claim.
        let Some(runs) = self.runner().stored() else { return Ok(false) };
        match runs.load(&run).await {
            Ok(snapshot) if snapshot.status().is_terminal() => return Ok(false),
            // A damaged journal cannot be ended. Report it before anything changes.
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        }
        if !runs.request_cancel_once(&run, request).await? {
            return Ok(false);
        }
        match self.resume(&run).await {
            // Another driver has the run, and the request is in its inbox.
            Err(error) if matches!(error.kind(), ErrorKind::Store | ErrorKind::Usage) => Ok(true),
            Err(error) if error.kind() == ErrorKind::Cancelled => Ok(true),
            Err(error) => Err(error),
            Ok(output) => Ok(!output.is_terminal()),
        }
    }

    /// Prepares a message to an agent of a run, in whichever process the run is driven: see
    /// [`SendMessage`].
    pub fn send(&self, run: impl AsRef<str>, text: impl Into<Arc<str>>) -> SendMessage {
        let run = RunId::new(run).map_err(Error::from);
        let runs = match &run {
            Ok(run) => self.runner().reader(run),
            Err(error) => Err(Error::usage(error.to_string())),
        };
        SendMessage::new(runs, run, text)
    }

    /// Prepares an event from outside, for the runs of this workflow that wait for it: see
    /// [`Emit`].
    pub fn emit(&self, name: impl Into<Arc<str>>) -> Emit {
        match self.runner().stored() {
            Some(runs) => runs.emit(name),
            None => Emit::new(None, self.runner().world.clone(), name),
        }
    }

    /// Takes back a message that no agent has got. Returns `false` if one has, or if another run of
    /// the session has taken it over.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn take_back(&self, sent: &Sent) -> Result<bool, Error> {
        let runs = self.runner().reader(&sent.run_id)?;
        let signal = Signal::message_id(&sent.id);
        Ok(runs.store().forward(&sent.run_id, &signal, None).await?)
    }

    /// Cancels a run that this process drives or is about to drive. For code without async, such as
    /// a handler for Ctrl-C. Returns `false` if this process does not drive it.
    pub fn cancel_now(&self, run: impl AsRef<str>) -> bool {
        match self.runner().local().get(run.as_ref()) {
            Some(local) if !local.status().is_terminal() => {
                local.cancel();
                true
            }
            _ => false,
        }
    }

    /// Leaves a run that this process drives, so that this or another process can resume it. For a
    /// process that must end and whose runs must not: a server at a deployment, or at SIGTERM.
    /// Returns `false` if this process does not drive the run, or if the workflow has no store.
    ///
    /// Nothing is recorded as cancelled. Work under way is dropped, and the commands that it has
    /// started are ended. The run goes on as after a crash: completed steps are recalled, and a
    /// step that was under way follows its policy
    /// [`OnInterrupted`](stepwright_core::OnInterrupted).
    /// The future or stream of the run ends with an error of kind [`ErrorKind::Released`].
    ///
    /// ```
    /// # use stepwright_engine::Workflow;
    /// use futures_util::StreamExt as _;
    /// use stepwright_core::{ErrorKind, EventKind, Memory};
    /// # async fn slow(_: String) -> &'static str {
    /// #     static CALLS: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    /// #     if CALLS.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0 {
    /// #         std::future::pending::<()>().await;
    /// #     }
    /// #     "done"
    /// # }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), stepwright_core::Error> {
    /// let workflow = Workflow::builder("W").store(Memory::default()).step(slow).build()?;
    /// let mut events = workflow.run("in").run_id("r-1").stream_events(true).stream();
    /// while let Some(event) = events.next().await {
    ///     if matches!(event.kind, EventKind::StepStarted { .. }) {
    ///         // The process is asked to end.
    ///         assert!(workflow.release_now("r-1"));
    ///     }
    /// }
    /// assert_eq!(events.output().await.unwrap_err().kind(), ErrorKind::Released);
    /// assert_eq!(workflow.resume("r-1").await?.content.text(), "done");
    /// # Ok(()) }
    /// ```
    pub fn release_now(&self, run: impl AsRef<str>) -> bool {
        self.runner().has_store()
            && self.runner().local().get(run.as_ref()).is_some_and(|local| local.release())
    }

    /// Ends what this process drives, for a program that ends. From now on no run of this workflow
    /// begins or is resumed here. Runs under way have `patience` to end. After that, runs in a
    /// store are left as [`Workflow::release_now`] leaves them, so that another process can resume
    /// them, and other runs are cancelled. When it returns, no task of this workflow is left,
    /// except functions of [`Step::blocking`](crate::Step::blocking), which end by themselves.
    ///
    /// ```
    /// # use stepwright_engine::Workflow;
    /// use std::time::Duration;
    /// # async fn think(topic: String) -> String { topic }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), stepwright_core::Error> {
    /// let workflow = Workflow::builder("Deep Research").step(think).build()?;
    /// let handle = workflow.run("ants").background().await?;
    /// workflow.shutdown(Duration::from_secs(30)).await?;
    /// assert!(handle.status().await?.is_terminal());
    /// assert!(workflow.run("bees").await.is_err());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// If a run does not end although it was told to: for instance one that is awaited by code that
    /// no longer polls it. If the store fails.
    pub async fn shutdown(&self, patience: Duration) -> Result<(), Error> {
        self.runner().shut_down(patience).await
    }

    /// Resumes a run at the end of its journal: one whose process died, or a paused one whose time
    /// has come. Completed steps are replayed from the journal, and the rest is executed. A run
    /// that has ended is not driven again: you get its output, or its error.
    ///
    /// ```
    /// # use stepwright_core::Memory;
    /// # use stepwright_engine::Workflow;
    /// # async fn step(text: String) -> String { text }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), stepwright_core::Error> {
    /// # let workflow = Workflow::builder("W").store(Memory::default()).step(step).build()?;
    /// # workflow.run("in").run_id("r-7").await?;
    /// let output = workflow.resume("r-7").await?;
    /// # assert!(output.is_terminal());
    /// # Ok(()) }
    /// ```
    pub fn resume(&self, run: impl AsRef<str>) -> Resume {
        Resume::new(self.clone(), run.as_ref(), Vec::new())
    }

    /// Takes up a run that has failed: the steps that failed or were stopped begin again, and what
    /// completed is not done again. It is the same run with the same id. See [`Retry`] for more
    /// options.
    ///
    /// An agent goes on where it failed: the answers of its model and its tools from before the
    /// failure are used again. Timeouts and deadlines count anew. To begin a step from its start,
    /// use [`Workflow::fork`].
    ///
    /// ```
    /// # use stepwright_core::Memory;
    /// # use stepwright_engine::Workflow;
    /// # use std::sync::atomic::{AtomicBool, Ordering};
    /// # static UP: AtomicBool = AtomicBool::new(false);
    /// async fn publish(text: String) -> Result<String, &'static str> {
    ///     if UP.load(Ordering::Relaxed) { Ok(format!("published {text}")) } else { Err("down") }
    /// }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), stepwright_core::Error> {
    /// let workflow = Workflow::builder("News").store(Memory::default()).step(publish).build()?;
    /// assert!(workflow.run("it").run_id("r-7").await.is_err());
    /// UP.store(true, Ordering::Relaxed);
    /// assert_eq!(workflow.retry("r-7").await?.content.text(), "published it");
    /// # Ok(()) }
    /// ```
    pub fn retry(&self, run: impl AsRef<str>) -> Retry {
        Retry::new(self.clone(), run.as_ref())
    }

    /// Moves a run that waits, or whose process died, to this definition, and drives it until it
    /// waits again or ends. Everything that the run has done so far must be the same in this
    /// definition; steps that it has not begun may have changed.
    ///
    /// # Errors
    /// The first difference in what the run has done; the run stays as it is then. The errors of
    /// [`Workflow::resume`].
    pub async fn upgrade(&self, run: impl AsRef<str>) -> Result<RunOutput, Error> {
        self.check_upgrade(run.as_ref()).await?;
        self.resume(run).accept_changed_definition(true).await
    }

    /// Checks that [`Workflow::upgrade`] can move a run to this definition. Returns `false` if it
    /// goes on with this definition already.
    ///
    /// # Errors
    /// The errors of [`Workflow::upgrade`].
    pub async fn check_upgrade(&self, run: impl AsRef<str>) -> Result<bool, Error> {
        let run = RunId::new(run)?;
        let runs = self.runner().reader(&run)?;
        let snapshot = runs.load_with_facts(&run).await?;
        snapshot.check_open()?;
        self.runner().check_past(runs.store(), snapshot.facts()).await
    }

    /// Checks that a run may go on with this definition as it is, without accepting a change.
    ///
    /// # Errors
    /// The differences.
    pub async fn check_definition(&self, run: impl AsRef<str>) -> Result<(), Error> {
        let run = RunId::new(run)?;
        let runs = self.runner().reader(&run)?;
        let snapshot = runs.load_with_facts(&run).await?;
        self.runner().check_plan(runs.store(), snapshot.facts(), false).await.map(drop)
    }

    /// Begins a new run that shares the beginning of another one, and goes on by itself from the
    /// step at [`Fork::at`]. The facts before are not copied. The origin may be under way or have
    /// ended, and stays as it is.
    ///
    /// ```
    /// # use stepwright_core::Memory;
    /// # use stepwright_engine::{Step, Workflow};
    /// # async fn look_up(topic: String) -> String { format!("facts about {topic}") }
    /// # async fn write(facts: String) -> String { format!("text with {facts}") }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), stepwright_core::Error> {
    /// # let workflow = Workflow::builder("News").store(Memory::default())
    /// #     .step(Step::new("look up", look_up)).step(Step::new("write", write)).build()?;
    /// # workflow.run("ants").run_id("r-7").await?;
    /// let fork = workflow.fork("r-7").at("write").run_id("r-8").await?;
    /// assert_eq!(fork.origin.unwrap().run.as_str(), "r-7");
    /// # Ok(()) }
    /// ```
    pub fn fork(&self, run: impl AsRef<str>) -> Fork {
        Fork::new(self.clone(), run.as_ref())
    }

    /// Answers pending requests of a run, and drives the run until it ends or pauses again. Each
    /// answer names a pending request by its id, or by the path of its step if that step has only
    /// one.
    ///
    /// All answers are checked before any takes effect. An answer is refused if it does not fit its
    /// request, comes too late, or differs from an earlier answer to the same request. [`Resume`]
    /// has an example, and more options.
    pub fn continue_run<R: AsRef<str>>(
        &self,
        run: impl AsRef<str>,
        answers: impl IntoIterator<Item = (R, Answer)>,
    ) -> Resume {
        let answers = answers.into_iter();
        let answers = answers.map(|(key, answer)| (key.as_ref().to_owned(), answer)).collect();
        Resume::new(self.clone(), run.as_ref(), answers)
    }

    /// Returns a handle to a run, in whichever process the run is driven.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if there is no run of that name.
    pub async fn handle(&self, run: impl AsRef<str>) -> Result<RunHandle, Error> {
        let run = RunId::new(run)?;
        self.runner().supervise();
        if self.runner().local().get(run.as_str()).is_none() {
            self.runner().reader(&run)?.row(&run).await?;
        }
        Ok(RunHandle::new(self.clone(), run))
    }

    /// Returns the events of a run from the fact with sequence number `from` on. The stream goes on
    /// until the run has ended: see [`Runs::follow`](crate::Runs::follow).
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if there is no run of that name, or the run is not stored.
    pub async fn events(&self, run: impl AsRef<str>, from: u64) -> Result<Events, Error> {
        let run = RunId::new(run)?;
        self.runner().supervise();
        self.runner().reader(&run)?.follow(&run, from).await
    }

    /// Resumes runs that other processes left behind: background runs whose process died, and
    /// paused runs whose time has come. Most methods start this when they are called within a Tokio
    /// runtime. Call it in a program that only resumes runs and starts none.
    pub fn recover(&self) {
        self.runner().supervise();
    }

    /// Drives runs in the background until `stop` is cancelled: runs that the
    /// [dispatcher](crate::WorkflowBuilder::dispatcher) hands to this process, and runs that other
    /// processes left behind. The dispatcher decides about runs that are still under way then:
    /// [`LocalDispatcher`](crate::LocalDispatcher) drops them, which cancels them.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] if the workflow has a dispatcher and no store. [`ErrorKind::Store`] if
    /// the dispatcher fails.
    pub async fn serve(&self, stop: CancellationToken) -> Result<(), Error> {
        serve(&[self.runner().clone()], None, stop).await
    }

    fn output_of(&self, snapshot: Snapshot) -> RunOutput {
        let (mut output, facts) = snapshot.into_parts();
        output.events = self.definition().keeps_events().then_some(facts);
        self.definition().leave_out_skipped(&mut output);
        output
    }

    // --- sessions ---

    /// Returns a session, of any user. For the sessions of one user, see [`Sessions::of_user`].
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if there is no session of that name.
    pub async fn get_session(&self, session: impl AsRef<str>) -> Result<Session, Error> {
        self.sessions().get(session).await
    }

    /// Returns the state of a session: see [`Workflow::get_session`].
    pub async fn get_session_state(&self, session: impl AsRef<str>) -> Result<State, Error> {
        Ok(self.get_session(session).await?.state)
    }

    /// Returns the metrics of all runs of a session: see [`Workflow::get_session`].
    pub async fn get_session_metrics(
        &self,
        session: impl AsRef<str>,
    ) -> Result<SessionMetrics, Error> {
        Ok(self.get_session(session).await?.metrics)
    }

    /// Returns the sessions of this workflow, to find, list, rename, change and delete them.
    pub fn sessions(&self) -> Sessions {
        Sessions::of(self.runner().stored())
    }
}
