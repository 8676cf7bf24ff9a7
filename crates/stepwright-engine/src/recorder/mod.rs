//! Records events: first in the journal, then for readers.

mod answers;
mod append;
mod called;
mod clock;
mod closing;
mod done;
mod events;
mod host;
mod leaving;
mod mail;
mod media;
mod permits;
mod readers;
mod requests;

pub(crate) use called::CalledPast;
pub(crate) use host::too_late;

use crate::activity::Activity;
use crate::debug::log_trouble;
use crate::gate::{GateSettings, Guards, Ledger};
use crate::journal::fold_all;
use crate::outbox::{Outbox, push_joining};
use crate::pending::PendingRequests;
use crate::stop::Stop;
use answers::Standing;
use append::Journal;
use called::{CalledWorkflows, ends_calls};
use clock::FactClock;
use closing::{closes, is_after, stopped};
use done::{Once, is_of_call, note_effect};
use mail::Mail;
use media::LiveMedia;
use readers::{Observed, Readers};
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Poll;
use stepwright_core::Timestamp;
use stepwright_core::calls::Calls;
use stepwright_core::context::{AtEnd, RunInfo};
use stepwright_core::cost::Prices;
use stepwright_core::event::{Event, EventRef, WorkflowStarted};
use stepwright_core::executor::ExecutorType;
use stepwright_core::fold::Fold;
use stepwright_core::journal::{FACTS_MAX, SessionClose};
use stepwright_core::observe::{BeforeAppend, Observer};
use stepwright_core::rewind::effective;
use stepwright_core::trace::TraceContext;
use stepwright_core::{
    AnyStore, Content, ErrorCode, EventKind, OnInterrupted, Patch, RunId, RunOutput, RunStatus,
    StepError, StepPath, StoreError, World,
};
use tokio_util::sync::CancellationToken;

/// Records the events of one run, in one order.
///
/// A fact enters a queue when it is recorded. The whole queue is appended to the journal in one
/// append, before the run's next effect begins. Readers get facts after that, and deltas in their
/// place between the facts.
pub(crate) struct Recorder {
    run: RunInfo,
    clock: FactClock,
    cancelled: CancellationToken,
    /// Cancelled by the second request to cancel, which ends also the steps that run after others.
    cancelled_again: OnceLock<CancellationToken>,
    /// Cancelled when the driver must leave the run.
    leaving: OnceLock<CancellationToken>,
    state: Mutex<RecorderState>,
    journal: Option<Box<Journal>>,
    pending: PendingRequests,
    mail: Mail,
    media: LiveMedia,
    activity: Activity,
    /// `true` if the run has had a reader from its beginning.
    is_read: bool,
    /// `true` if the journal has ever been lost.
    was_lost: AtomicBool,
    settings: GateSettings,
    prices: Arc<Prices>,
    trace: Trace,
    /// `true` if a tool call has run a workflow.
    calls_workflows: AtomicBool,
    /// `true` if the run may have a budget: the ledger is asked only then.
    has_budgets: AtomicBool,
}

/// The trace of a run, and the number of times that the run was continued.
struct Trace {
    context: Option<TraceContext>,
    is_traced: bool,
    parts: AtomicU32,
}

fn continues(kind: &EventKind) -> bool {
    matches!(kind, EventKind::WorkflowContinued { .. })
}

type Notes = FxHashMap<StepPath, Vec<Event>>;

struct RecorderState {
    fold: Fold,
    /// Recorded facts that are not appended yet, and the deltas between them.
    queue: VecDeque<Event>,
    /// The sequence number of the first fact that is not in the journal.
    durable: u64,
    /// The time of the last event. Clocks differ between machines and can be set back, but the time
    /// in a run never runs backwards.
    last: Timestamp,
    /// The number of deltas since the last fact.
    deltas: u32,
    appending: bool,
    close: Option<Box<SessionClose>>,
    lost: Option<Arc<StoreError>>,
    readers: Readers,
    events: Option<Vec<Event>>,
    /// Facts of executors that were at work when the run's process died.
    notes: Option<Box<Notes>>,
    /// The recorded effects of steps.
    once: Option<Box<Once>>,
    /// The tool calls of steps under way.
    calls: Option<Box<Calls>>,
    /// The workflows that tool calls run.
    called: Option<Box<CalledWorkflows>>,
    driver: Option<Arc<str>>,
    /// `true` if the driver must leave the run to another one.
    released: bool,
    /// `None` if people are asked about effects whose outcome is unknown.
    interrupted: Option<Box<Standing>>,
    /// `None` if no permissions hold in the run.
    guards: Option<Box<Guards>>,
    /// `None` before the first budget or agent.
    ledger: Option<Box<Ledger>>,
    /// The work to do when the run has ended.
    at_end: Vec<(Arc<str>, AtEnd)>,
}

/// The parts of a recorder.
pub(crate) struct Recording {
    pub(crate) run: RunId,
    pub(crate) world: World,
    pub(crate) store: Option<AnyStore>,
    pub(crate) cancelled: CancellationToken,
    pub(crate) outbox: Option<Arc<Outbox>>,
    pub(crate) keep_events: bool,
    pub(crate) debug: bool,
    /// The driver, for a store that other processes may use too.
    pub(crate) driver: Option<Arc<str>>,
    /// The answer to every request about an effect whose outcome is unknown.
    pub(crate) interrupted: Option<OnInterrupted>,
    /// The current time, for a run that begins now.
    pub(crate) now: Option<Timestamp>,
    /// The permissions, prices and the session's budget.
    pub(crate) gate: GateSettings,
    /// Receives the events.
    pub(crate) observer: Option<Arc<dyn Observer>>,
    /// Stores something ahead of the facts.
    pub(crate) before_append: Option<Arc<dyn BeforeAppend>>,
}

impl Recorder {
    /// Creates a recorder that goes on after `past`, which is in the journal already.
    ///
    /// # Errors
    /// If `past` is not a valid history.
    pub(crate) fn new(
        recording: Recording,
        started: &WorkflowStarted,
        past: &[Event],
    ) -> Result<Arc<Self>, StoreError> {
        let Recording { run, world, store, cancelled, outbox, keep_events, debug, .. } = recording;
        let (driver, interrupted) = (recording.driver, recording.interrupted);
        let (settings, observer) = (recording.gate, recording.observer);
        let before = recording.before_append;
        let prices = settings.prices.clone().unwrap_or_else(built_in_prices);
        let clock = FactClock::new(world, recording.now);
        let is_read = outbox.is_some();
        let fold = fold_all(&run, past)?;
        let mut notes: Option<Box<Notes>> = None;
        let mut once: Option<Box<Once>> = None;
        let is_observed = observer.is_some();
        let observed = observer.map(|observer| Observed::begin(observer, &run, past));
        let counts = effective(past);
        for event in &*counts {
            match event.kind {
                EventKind::StepRetrying { .. } => {
                    if let Some(notes) = &mut notes {
                        notes.retain(|step, _| !event.path.contains(step));
                    }
                }
                EventKind::DeciderRecorded { ref fact } => {
                    if !is_of_call(fact, &event.path) {
                        let notes = notes.get_or_insert_default();
                        let note = Event { kind: (**fact).clone(), ..event.clone() };
                        notes.entry(event.path.clone()).or_default().push(note);
                    }
                }
                // Facts of a tool call are looked up by its path, in any order.
                ref kind if is_of_call(kind, &event.path) => {}
                ref kind if kind.is_of_executor() => {
                    let notes = notes.get_or_insert_default();
                    notes.entry(event.path.clone()).or_default().push(event.clone());
                }
                ref kind => note_effect(&mut once, &event.path, kind),
            }
        }
        let calls = counts.iter().any(|event| match &event.kind {
            EventKind::DeciderRecorded { fact } => is_of_call(fact, &event.path),
            kind => is_of_call(kind, &event.path),
        });
        let calls = calls.then(|| Box::new(Calls::of(&counts)));
        let called = CalledWorkflows::of(&counts);
        let calls_workflows = AtomicBool::new(called.is_some());
        let state = RecorderState {
            durable: fold.next_sequence(),
            fold,
            queue: VecDeque::new(),
            last: past.last().map_or(Timestamp::default(), |event| event.time),
            deltas: 0,
            appending: false,
            close: None,
            lost: None,
            readers: Readers::of(outbox, debug, observed),
            events: keep_events.then(|| past.to_vec()),
            notes,
            once,
            calls,
            called,
            driver,
            released: false,
            interrupted: interrupted.and_then(Standing::new),
            guards: permits::guards(&settings, started, past),
            ledger: permits::ledger(&settings, started, past, (&prices, clock.now())),
            at_end: Vec::new(),
        };
        let has_budgets = AtomicBool::new(state.ledger.is_some());
        let parts = past.iter().filter(|event| continues(&event.kind)).count();
        let trace = Trace {
            context: started.trace.clone(),
            is_traced: is_observed || started.trace.is_some(),
            parts: AtomicU32::new(u32::try_from(parts).unwrap_or(u32::MAX)),
        };
        let run = RunInfo {
            run_id: run,
            session_id: started.session_id.clone(),
            user_id: started.user_id.clone(),
            workflow_id: started.workflow_id.clone(),
            workflow_name: started.workflow_name.clone(),
            debug,
        };
        let media = LiveMedia::of(store.as_ref());
        let journal = store.map(|store| Box::new(Journal::of(store, before)));
        let (pending, mail) = (PendingRequests::of(&counts), Mail::of(&counts));
        let state = Mutex::new(state);
        let activity = Activity::default();
        let (cancelled_again, leaving) = (OnceLock::new(), OnceLock::new());
        let was_lost = AtomicBool::new(false);
        Ok(Arc::new(Self {
            run,
            clock,
            cancelled,
            cancelled_again,
            leaving,
            state,
            journal,
            pending,
            mail,
            media,
            activity,
            is_read,
            was_lost,
            settings,
            prices,
            trace,
            calls_workflows,
            has_budgets,
        }))
    }

    fn state(&self) -> MutexGuard<'_, RecorderState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that time may have passed since the last fact.
    pub(crate) fn time_passes(&self) {
        self.clock.time_passes();
    }

    /// Returns the time of the next fact.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Records a fact.
    pub(crate) fn record(&self, at: &StepPath, kind: EventKind) -> Result<(), Stop> {
        self.record_and(at, kind, |_| ())
    }

    /// Records a fact, and changes the state before anyone sees the fact.
    fn record_and(
        &self,
        at: &StepPath,
        mut kind: EventKind,
        change: impl FnOnce(&mut RecorderState),
    ) -> Result<(), Stop> {
        self.media.keep(&mut kind);
        // A workflow that a tool call runs ends with its call, and the call with its attempt.
        if self.calls_workflows.load(Ordering::Acquire) && ends_calls(&kind) {
            self.stop_within(at)?;
        }
        let now = self.clock.now();
        let mut state = self.state();
        let time = state.at(now);
        if let Some(lost) = &state.lost {
            return Err(Stop::Lost(lost.clone()));
        }
        let sequence = state.fold.next_sequence();
        if sequence >= FACTS_MAX && !closes(&kind) {
            let error = StepError::terminal(format!("a run has at most {FACTS_MAX} facts"))
                .with_code(ErrorCode::Limit)
                .with_hint("split the work over several runs");
            return Err(Stop::failed(at, error, 1));
        }
        if continues(&kind) {
            self.trace.parts.fetch_add(1, Ordering::Relaxed);
        }
        let shown_before = state.shown_before(at, &kind);
        let run = &self.run.run_id;
        let fact = EventRef { sequence, delta: 0, time, run, path: at, kind: &kind };
        if let Err(illegal) = state.fold.apply_ref(&fact) {
            // An invalid fact would make the journal unreadable: stop before it is written.
            let what = illegal.to_string();
            let (run, path) = (self.run.run_id.clone(), Some(at.clone()));
            let corrupt = Arc::new(StoreError::Corrupt { run, sequence, path, what });
            self.lose(&mut state, corrupt.clone());
            return Err(Stop::Lost(corrupt));
        }
        if let Some(content) = shown_before {
            let kind = EventKind::StepOutput { content };
            self.delta(&mut state, sequence.saturating_sub(1), time, at, kind);
        }
        state.deltas = 0;
        if let EventKind::StepRetrying { .. } = kind {
            // Facts of executors belong to the failed attempt.
            if let Some(notes) = &mut state.notes {
                notes.retain(|step, _| !at.contains(step));
            }
            self.mail.retries(at, &kind);
        }
        let warnings = state.note_use(&fact, &self.prices);
        let logs = tracing::enabled!(target: "stepwright", tracing::Level::WARN);
        let kept = self.journal.is_some()
            || state.calls.is_some()
            || state.called.is_some()
            || state.events.is_some();
        if !kept && !logs && state.readers.is_idle() {
            change(&mut state);
            drop(state);
            return self.warn(warnings);
        }
        let run = self.run.run_id.clone();
        let fact = Event { sequence, delta: 0, time, run, path: at.clone(), kind };
        if let Some(calls) = &mut state.calls {
            calls.apply(&fact);
        }
        if let Some(called) = &mut state.called {
            called.apply(&fact);
        }
        if let Some(events) = &mut state.events {
            events.push(fact.clone());
        }
        if logs && !state.readers.log_all() {
            log_trouble(&self.run.workflow_id, &fact);
        }
        if self.journal.is_some() {
            state.queue.push_back(fact);
        } else if !state.readers.is_idle() {
            state.readers.show(fact);
        }
        change(&mut state);
        drop(state);
        self.warn(warnings)
    }

    fn warn(&self, warnings: Vec<(StepPath, EventKind)>) -> Result<(), Stop> {
        if warnings.is_empty() {
            return Ok(());
        }
        // A container that decides may not have begun, and has no place for a warning.
        let is_open = |path: &StepPath| path.is_root() || self.is_open(path);
        let warnings = warnings.into_iter().filter(|(path, _)| is_open(path));
        warnings.into_iter().try_for_each(|(path, warning)| self.record(&path, warning))
    }

    /// Records the last fact of the run, with its changes of the session.
    pub(crate) fn end(&self, kind: EventKind, mut patches: Vec<Patch>) -> Result<(), Stop> {
        if self.journal.is_none() {
            return self.record(&StepPath::root(), kind);
        }
        patches.extend(self.remembered());
        // With the fact: another task may append what is recorded at any time.
        self.record_and(&StepPath::root(), kind, |state| {
            let since = state.fold.metrics_since_retry();
            let retried = since.is_some();
            let all = state.fold.metrics();
            let (metrics, run) = (since.unwrap_or(all), Some(all));
            state.close = Some(Box::new(SessionClose { patches, metrics, retried, run }));
        })
    }

    /// Takes back the end of the run, because the store refused its changes of the session state,
    /// and ends the run as failed. All facts before the end are in the journal.
    pub(crate) fn take_back_end(&self, why: String) -> Result<(), Stop> {
        {
            let mut state = self.state();
            state.fold.take_back_end();
            state.lost = None;
            if let Some(events) = &mut state.events {
                events.pop();
            }
        }
        let error = StepError::terminal(why)
            .with_code(ErrorCode::State)
            .with_hint("another run of the session changed the type of that key meanwhile");
        let kind = EventKind::WorkflowError { error: error.data, step: None, attempts: 0 };
        self.end(kind, Vec::new())
    }

    /// Takes back an end that could not be appended: the run has not ended.
    pub(crate) fn forget_end(&self) {
        let mut state = self.state();
        if state.fold.status().is_terminal() && state.durable < state.fold.next_sequence() {
            state.fold.take_back_end();
        }
    }

    fn emit(&self, at: &StepPath, kind: EventKind) {
        let mut state = self.state();
        // Events of a step after its end do not belong to the run.
        if kind.is_fact() || state.lost.is_some() || !state.fold.is_open(at) {
            return;
        }
        let sequence = state.fold.next_sequence().saturating_sub(1);
        let time = state.at(self.clock.world().now());
        self.delta(&mut state, sequence, time, at, kind);
    }

    fn delta(
        &self,
        state: &mut RecorderState,
        sequence: u64,
        time: Timestamp,
        at: &StepPath,
        kind: EventKind,
    ) {
        state.deltas += 1;
        let (delta, run) = (state.deltas, &self.run.run_id);
        // The fold keeps the partial text of a step, in case it is stopped.
        let event = EventRef { sequence, delta, time, run, path: at, kind: &kind };
        let _ = state.fold.apply_ref(&event);
        if state.readers.is_empty() {
            return;
        }
        let event = Event { sequence, delta, time, run: run.clone(), path: at.clone(), kind };
        if state.queue.is_empty() && !state.appending {
            state.readers.show(event);
        } else {
            push_joining(&mut state.queue, event);
        }
    }

    /// Returns `true` if a step or a container at this path is under way.
    pub(crate) fn is_open(&self, at: &StepPath) -> bool {
        self.state().fold.is_open(at)
    }

    fn lose(&self, state: &mut RecorderState, error: Arc<StoreError>) {
        state.lost = Some(error);
        self.was_lost.store(true, Ordering::Release);
    }

    /// Checks that the journal is not lost.
    pub(crate) fn check(&self) -> Result<(), Stop> {
        if !self.was_lost.load(Ordering::Acquire) {
            return Ok(());
        }
        match &self.state().lost {
            Some(lost) => Err(Stop::Lost(lost.clone())),
            None => Ok(()),
        }
    }

    /// Records that everything under way inside `at` was stopped, the innermost first.
    pub(crate) fn stop_within(&self, at: &StepPath) -> Result<(), Stop> {
        let open = self.state().fold.open_within(at);
        for (path, step_type, partial) in open {
            if path != *at {
                self.record(&path, stopped(&path, step_type, partial))?;
            }
        }
        Ok(())
    }

    /// Records that everything under way inside `at` was stopped, besides the steps that run when
    /// others have ended, such as those of a `finally`.
    pub(crate) fn stop_before(&self, at: &StepPath) -> Result<(), Stop> {
        let open = self.state().fold.open_within(at);
        let after = open.iter().filter(|(path, kind, _)| path != at && is_after(*kind));
        let after: Vec<StepPath> = after.map(|(path, ..)| path.clone()).collect();
        for (path, step_type, partial) in open {
            if path != *at && !after.iter().any(|after| after.contains(&path)) {
                self.record(&path, stopped(&path, step_type, partial))?;
            }
        }
        Ok(())
    }

    /// Returns the number of the next fact.
    pub(crate) fn next_sequence(&self) -> u64 {
        self.state().fold.next_sequence()
    }

    /// Does the work that steps have noted for the end of the run, if its end is in the journal.
    pub(crate) fn work_at_end(&self) {
        let mut state = self.state();
        let status = state.fold.status();
        if state.lost.is_none() && status.is_terminal() {
            let work = std::mem::take(&mut state.at_end);
            drop(state);
            for (_, work) in work {
                work(status);
            }
        }
    }

    /// Returns the output so far, once the run has begun.
    pub(crate) fn output(&self) -> Option<RunOutput> {
        let state = self.state();
        let mut output = state.fold.output()?;
        output.events.clone_from(&state.events);
        Some(output)
    }

    /// Returns the final output without a copy. The recorder is empty afterwards.
    pub(crate) fn take_output(&self) -> Option<RunOutput> {
        let mut state = self.state();
        // In place: an output is large, and each step of its way would copy it.
        let mut output = std::mem::take(&mut state.fold).into_output();
        if let Some(output) = &mut output {
            output.events = state.events.take();
        }
        output
    }

    /// Returns the status of the run.
    pub(crate) fn status(&self) -> RunStatus {
        self.state().fold.status()
    }

    /// Returns `true` if the run waits for a slot, as its journal says.
    pub(crate) fn is_queued(&self) -> bool {
        self.state().fold.is_queued()
    }

    /// Ends a run as cancelled, because the future that drove it was dropped.
    pub(crate) async fn abandon(&self) {
        let reason = "its future was dropped".into();
        let noted = self
            .stop_within(&StepPath::root())
            .and_then(|()| self.end(EventKind::WorkflowCancelled { reason }, Vec::new()));
        if noted.is_ok() {
            let _ = self.settle().await;
        }
        self.close_readers();
    }

    /// Tells readers that no more events will come.
    pub(crate) fn close_readers(&self) {
        self.state().readers.close();
    }

    /// Interrupts a run that is driven by the task of its reader, if the reader would have to wait
    /// too long for the events so far. From then on the run has a task of its own.
    pub(crate) async fn give_way(&self) {
        // Without a runtime, no other task could drive the run.
        let can_leave = || tokio::runtime::Handle::try_current().is_ok();
        if self.is_read && self.are_readers_overdue() && can_leave() {
            let mut interrupted = false;
            poll_fn(|cx| {
                if std::mem::replace(&mut interrupted, true) {
                    return Poll::Ready(());
                }
                cx.waker().wake_by_ref();
                Poll::Pending
            })
            .await;
            self.time_passes();
        }
    }

    fn are_readers_overdue(&self) -> bool {
        let now = self.clock.now();
        self.state().readers.are_overdue(now)
    }

    /// Adds a reader, which gets the events from now on. Returns `false` if the driver has left the
    /// run, so that none will come.
    pub(crate) fn read_along(&self, outbox: &Arc<Outbox>) -> bool {
        self.state().readers.add(outbox)
    }

    /// Returns the time from which the timeout of the run counts.
    pub(crate) fn timed_from(&self) -> Timestamp {
        self.state().fold.timed_from()
    }

    /// Returns the run's id.
    pub(crate) fn run_id(&self) -> &RunId {
        &self.run.run_id
    }

    /// Returns the pending requests of the run.
    pub(crate) fn pending(&self) -> &PendingRequests {
        &self.pending
    }

    /// Returns the steps whose signs of life are counted.
    pub(crate) fn activity(&self) -> &Activity {
        &self.activity
    }

    pub(crate) fn cancel_token(&self) -> &CancellationToken {
        &self.cancelled
    }

    /// Returns the token of the second request to cancel.
    pub(crate) fn second_cancel_token(&self) -> &CancellationToken {
        self.cancelled_again.get_or_init(CancellationToken::new)
    }

    /// Returns the token of the request to leave the run.
    pub(crate) fn leaving_token(&self) -> &CancellationToken {
        self.leaving.get_or_init(CancellationToken::new)
    }

    /// Returns `true` if the run was cancelled a second time.
    fn is_ended_early(&self) -> bool {
        self.cancelled_again.get().is_some_and(CancellationToken::is_cancelled)
    }

    /// Cancels the run. If it is about to end already, ends the steps that run after others.
    pub(crate) fn cancel(&self) {
        if self.state().fold.is_stopping() {
            self.second_cancel_token().cancel();
        }
        self.cancelled.cancel();
    }
}

impl RecorderState {
    /// Counts a fact in the ledger. Returns the warnings that follow from it.
    fn note_use(&mut self, fact: &EventRef<'_>, prices: &Prices) -> Vec<(StepPath, EventKind)> {
        let is_agent =
            matches!(fact.kind, EventKind::RunStarted { .. } | EventKind::DeciderRecorded { .. });
        if self.ledger.is_none() && !is_agent {
            return Vec::new();
        }
        self.ledger.get_or_insert_default().apply(fact, prices)
    }

    fn at(&mut self, now: Timestamp) -> Timestamp {
        self.last = self.last.max(now);
        self.last
    }

    /// Returns the output of a function, to be shown as text before the fact. Readers who want only
    /// text would miss it otherwise.
    fn shown_before(&self, at: &StepPath, kind: &EventKind) -> Option<Content> {
        let EventKind::StepCompleted { output } = kind else { return None };
        if self.readers.is_empty() || at.is_in_called_workflow() {
            return None;
        }
        let function = self.fold.executor_of(at) == Some(ExecutorType::Function);
        function.then(|| output.content.clone())
    }
}

/// Returns the built-in prices, which all runs share.
fn built_in_prices() -> Arc<Prices> {
    static PRICES: LazyLock<Arc<Prices>> = LazyLock::new(|| Arc::new(Prices::built_in()));
    PRICES.clone()
}
