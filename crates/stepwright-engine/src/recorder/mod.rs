//! Records events: first in the journal, then for readers.

mod answers;
mod done;
mod host;

pub(crate) use host::too_late;

use crate::activity::Activity;
use crate::debug;
use crate::effects::Stop;
use crate::pending::PendingRequests;
use crate::run::Outbox;
use crate::runs::fold_all;
use answers::Standing;
use done::{Once, is_of_call, note_effect};
use futures_util::future::{BoxFuture, FutureExt as _};
use rustc_hash::FxHashMap;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use stepwright_core::Timestamp;
use stepwright_core::calls::Calls;
use stepwright_core::context::RunInfo;
use stepwright_core::event::{Event, EventClass, Reply, Turns, WorkflowStarted};
use stepwright_core::executor::ExecutorType;
use stepwright_core::fold::Fold;
use stepwright_core::journal::{Append, FACTS_MAX, SessionClose};
use stepwright_core::output::StepType;
use stepwright_core::requirement::RequirementKind;
use stepwright_core::{
    Answer, AnyStore, Content, ErrorCode, EventKind, OnInterrupted, Patch, Requirement, RunId,
    RunOutput, RunStatus, StepError, StepPath, StepStatus, StoreError, World,
};
use tokio_util::sync::CancellationToken;

/// The number of unread events from which on pieces of text are joined.
const UNREAD_MAX: usize = 1_024;

/// The largest size of a joined piece of text, in bytes.
const JOINED_BYTES_MAX: usize = 4_096;

/// The largest number of pending requests in a run.
const REQUIREMENTS_MAX: usize = 10_000;

/// Records the events of one run, in one order.
///
/// A fact enters a queue when it is recorded. The whole queue is appended to the journal in one
/// append, before the run's next effect begins. Readers get facts after that, and deltas in their
/// place between the facts.
pub(crate) struct Recorder {
    run: RunInfo,
    world: World,
    cancelled: CancellationToken,
    /// The cached time of the last fact, in milliseconds; 0 if it is invalid. Facts that directly
    /// follow each other share one reading of the clock.
    noted_at: AtomicU64,
    state: Mutex<RecorderState>,
    journal: Option<Box<Journal>>,
    pending: PendingRequests,
    activity: Activity,
}

/// The journal of a run with a store.
struct Journal {
    store: AnyStore,
    /// The append under way. Any task that waits for it drives it: if that task is dropped, the
    /// next one goes on.
    appending: tokio::sync::Mutex<Option<Appending>>,
}

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
    outboxes: Outboxes,
    events: Option<Vec<Event>>,
    /// Facts of executors that were at work when the run's process died.
    notes: FxHashMap<StepPath, Vec<Event>>,
    /// The recorded effects of steps.
    once: Option<Box<Once>>,
    /// The tool calls of steps under way.
    calls: Option<Box<Calls>>,
    driver: Option<Arc<str>>,
    debug: bool,
    /// `None` if people are asked about effects whose outcome is unknown.
    interrupted: Option<Box<Standing>>,
}

/// The readers of the run: none or one in most runs.
type Outboxes = Vec<Arc<Outbox>>;

struct Appending {
    work: BoxFuture<'static, Result<(), StoreError>>,
    batch: VecDeque<Event>,
    next: u64,
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
    ) -> Result<Self, StoreError> {
        let Recording { run, world, store, cancelled, outbox, keep_events, debug, .. } = recording;
        let (driver, interrupted) = (recording.driver, recording.interrupted);
        let noted_at = recording.now.unwrap_or_default().0.into();
        let fold = fold_all(&run, past)?;
        let mut notes: FxHashMap<StepPath, Vec<Event>> = FxHashMap::default();
        let mut once: Option<Box<Once>> = None;
        for event in past {
            match event.kind {
                EventKind::StepRetrying { .. } => {
                    notes.retain(|step, _| !event.path.contains(step));
                }
                // Facts of a tool call are looked up by its path, in any order.
                ref kind if is_of_call(kind, &event.path) => {}
                ref kind if kind.is_of_executor() => {
                    notes.entry(event.path.clone()).or_default().push(event.clone());
                }
                ref kind => note_effect(&mut once, &event.path, kind),
            }
        }
        let calls = past.iter().any(|event| is_of_call(&event.kind, &event.path));
        let calls = calls.then(|| Box::new(Calls::of(past)));
        let state = RecorderState {
            durable: fold.next_sequence(),
            fold,
            queue: VecDeque::new(),
            last: past.last().map_or(Timestamp::default(), |event| event.time),
            deltas: 0,
            appending: false,
            close: None,
            lost: None,
            outboxes: outbox.into_iter().collect(),
            events: keep_events.then(|| past.to_vec()),
            notes,
            once,
            calls,
            driver,
            debug,
            interrupted: interrupted.and_then(Standing::new),
        };
        let run = RunInfo {
            run_id: run,
            session_id: started.session_id.clone(),
            user_id: started.user_id.clone(),
            workflow_id: started.workflow_id.clone(),
            workflow_name: started.workflow_name.clone(),
            debug,
        };
        let journal = store.map(|store| Box::new(Journal { store, appending: None.into() }));
        let pending = PendingRequests::of(past);
        let state = Mutex::new(state);
        let activity = Activity::default();
        Ok(Self { run, world, cancelled, noted_at, state, journal, pending, activity })
    }

    fn state(&self) -> MutexGuard<'_, RecorderState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Invalidates the cached time.
    pub(crate) fn time_passes(&self) {
        self.noted_at.store(0, Ordering::Relaxed);
    }

    fn now(&self) -> Timestamp {
        match self.noted_at.load(Ordering::Relaxed) {
            0 => {
                let now = self.world.now();
                self.noted_at.store(now.0, Ordering::Relaxed);
                now
            }
            noted_at => Timestamp(noted_at),
        }
    }

    /// Records a fact.
    pub(crate) fn record(&self, at: &StepPath, kind: EventKind) -> Result<(), Stop> {
        let now = self.now();
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
        let shown_before = state.shown_before(at, &kind);
        let run = self.run.run_id.clone();
        let fact = Event { sequence, delta: 0, time, run, path: at.clone(), kind };
        if let Err(illegal) = state.fold.apply(&fact) {
            // An invalid fact would make the journal unreadable: stop before it is written.
            let what = illegal.to_string();
            let (run, path) = (self.run.run_id.clone(), Some(at.clone()));
            let corrupt = Arc::new(StoreError::Corrupt { run, sequence, path, what });
            state.lost = Some(corrupt.clone());
            return Err(Stop::Lost(corrupt));
        }
        if let Some(content) = shown_before {
            let kind = EventKind::StepOutput { content };
            self.delta(&mut state, sequence.saturating_sub(1), time, at, kind);
        }
        state.deltas = 0;
        if let EventKind::StepRetrying { .. } = fact.kind {
            // Facts of executors belong to the failed attempt.
            state.notes.retain(|step, _| !at.contains(step));
        }
        if let Some(calls) = &mut state.calls {
            calls.apply(&fact);
        }
        if let Some(events) = &mut state.events {
            events.push(fact.clone());
        }
        if self.journal.is_some() {
            state.queue.push_back(fact);
        } else if state.is_watched() {
            state.show(fact);
        }
        Ok(())
    }

    /// Records the last fact of the run, with its changes of the session.
    pub(crate) fn end(&self, kind: EventKind, patches: Vec<Patch>) -> Result<(), Stop> {
        self.record(&StepPath::root(), kind)?;
        if self.journal.is_none() {
            return Ok(());
        }
        let mut state = self.state();
        let metrics = state.fold.metrics();
        state.close = Some(Box::new(SessionClose { patches, metrics }));
        Ok(())
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
        let time = state.at(self.world.now());
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
        let delta = state.deltas;
        let event =
            Event { sequence, delta, time, run: self.run.run_id.clone(), path: at.clone(), kind };
        // The fold keeps the partial text of a step, in case it is stopped.
        let _ = state.fold.apply(&event);
        if state.outboxes.is_empty() {
            return;
        }
        if state.queue.is_empty() && !state.appending {
            state.show(event);
        } else {
            push_joining(&mut state.queue, event);
        }
    }

    /// Waits until all facts recorded so far are in the journal, and shown to readers.
    pub(crate) async fn settle(&self) -> Result<(), Stop> {
        match &self.journal {
            // Boxed, so that a step at work does not keep space for this.
            Some(journal) => {
                let _working = self.pending.work();
                let answer = Box::pin(self.append_all(journal)).await;
                self.time_passes();
                answer
            }
            None => Ok(()),
        }
    }

    async fn append_all(&self, journal: &Journal) -> Result<(), Stop> {
        let target = self.state().fold.next_sequence();
        loop {
            {
                let state = self.state();
                if let Some(lost) = &state.lost {
                    return Err(Stop::Lost(lost.clone()));
                }
                if state.durable >= target {
                    return Ok(());
                }
            }
            let mut appending = journal.appending.lock().await;
            if appending.is_none() {
                *appending = self.begin(&journal.store);
            }
            let Some(work) = appending.as_mut() else { continue };
            let answer = (&mut work.work).await;
            let done = appending.take().expect("it is under way");
            self.finish(done, answer);
        }
    }

    /// Returns `true` if the store does not know the run, because the first append failed.
    pub(crate) async fn was_never_begun(&self) -> bool {
        let Some(journal) = &self.journal else { return false };
        let failed = {
            let state = self.state();
            state.durable == 0
                && matches!(state.lost.as_deref(), Some(StoreError::Unavailable { .. }))
        };
        failed && matches!(journal.store.run(&self.run.run_id).await, Ok(None))
    }

    /// Begins an append of the queue, unless it is empty.
    fn begin(&self, store: &AnyStore) -> Option<Appending> {
        let mut state = self.state();
        let facts: Vec<Event> =
            state.queue.iter().filter(|event| event.is_fact()).cloned().collect();
        let last = facts.last()?;
        let next = last.sequence + 1;
        let close = if last.kind.is_terminal() { state.close.take() } else { None };
        state.appending = true;
        let batch = std::mem::take(&mut state.queue);
        let append = Append {
            run: self.run.run_id.clone(),
            facts,
            close: close.map(|close| *close),
            driver: state.driver.clone(),
        };
        let store = store.clone();
        let work = async move { store.append(append).await }.boxed();
        Some(Appending { work, batch, next })
    }

    fn finish(&self, done: Appending, answer: Result<(), StoreError>) {
        let mut state = self.state();
        state.appending = false;
        match answer {
            Ok(()) => {
                state.durable = done.next;
                for event in done.batch {
                    state.show(event);
                }
                // Deltas before the next fact need not wait for an append.
                let facts = state.queue.iter().position(Event::is_fact);
                let free = facts.unwrap_or(state.queue.len());
                let queued: Vec<Event> = state.queue.drain(..free).collect();
                for delta in queued {
                    state.show(delta);
                }
            }
            Err(error) => state.lost = Some(Arc::new(error)),
        }
    }

    /// Returns `true` if a step or a container at this path is under way.
    pub(crate) fn is_open(&self, at: &StepPath) -> bool {
        self.state().fold.is_open(at)
    }

    /// Checks that the journal is not lost.
    pub(crate) fn check(&self) -> Result<(), Stop> {
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
        let mut output = std::mem::take(&mut state.fold).into_output()?;
        output.events = state.events.take();
        Some(output)
    }

    /// Returns the status of the run.
    pub(crate) fn status(&self) -> RunStatus {
        self.state().fold.status()
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
        let outboxes = std::mem::take(&mut self.state().outboxes);
        for outbox in outboxes {
            outbox.close();
        }
    }

    /// Adds a reader, which gets the events from now on.
    pub(crate) fn read_along(&self, outbox: Arc<Outbox>) {
        let mut state = self.state();
        state.outboxes.retain(|outbox| Arc::strong_count(outbox) > 1);
        state.outboxes.push(outbox);
    }

    /// Returns when the run began.
    pub(crate) fn began(&self) -> Timestamp {
        self.state().fold.created_at()
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

    /// Returns the store, if the run has one.
    pub(crate) fn store(&self) -> Option<&AnyStore> {
        self.journal.as_ref().map(|journal| &journal.store)
    }

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
            && asked.due.is_some_and(|due| due <= self.world.now())
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
            if requirement.needs_person() && self.journal.is_none() {
                let what = format!("the run needs an answer to `{id}`, but it is not stored");
                let hint = "give the workflow a store with `.store(…)`";
                return Err(Stop::failed(&path, StepError::terminal(what).with_hint(hint), 1));
            }
            if self.pending.count() >= REQUIREMENTS_MAX {
                let what = format!("a run waits for at most {REQUIREMENTS_MAX} answers at once");
                let error = StepError::terminal(what).with_code(ErrorCode::Limit);
                return Err(Stop::failed(&path, error, 1));
            }
            self.time_passes();
            self.record(&path, paused(requirement.clone()))?;
            self.pending.note(requirement);
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
            return Err(Stop::failed(&path, StepError::terminal(what), 1));
        }
        let waiting = self.pending.wait(id, inside.cloned());
        self.settle().await?;
        let reply = waiting.await;
        self.time_passes();
        Ok(reply)
    }

    /// Records a reply, and passes it to the task that waits for it.
    pub(crate) fn answered(&self, requirement: &Requirement, reply: Reply) -> Result<(), Stop> {
        let shown = Box::new(reply.clone());
        let kind = match requirement.kind {
            RequirementKind::ToolConfirmation { .. } => {
                EventKind::StepExecutorContinued { reply: shown }
            }
            RequirementKind::Deadline => EventKind::DeadlinePassed { reply: shown },
            _ => EventKind::StepContinued { reply: shown },
        };
        self.time_passes();
        self.record(&requirement.path, kind)?;
        self.pending.deliver(reply);
        Ok(())
    }

    pub(crate) fn cancel_token(&self) -> &CancellationToken {
        &self.cancelled
    }
}

impl RecorderState {
    fn at(&mut self, now: Timestamp) -> Timestamp {
        self.last = self.last.max(now);
        self.last
    }

    /// Returns the output of a function, to be shown as text before the fact. Readers who want only
    /// text would miss it otherwise.
    fn shown_before(&self, at: &StepPath, kind: &EventKind) -> Option<Content> {
        let EventKind::StepCompleted { output } = kind else { return None };
        if self.outboxes.is_empty() {
            return None;
        }
        let function = self.fold.executor_of(at) == Some(ExecutorType::Function);
        function.then(|| output.content.clone())
    }

    /// Returns `true` if events are shown to readers, or logged.
    fn is_watched(&self) -> bool {
        self.debug || !self.outboxes.is_empty()
    }

    fn show(&mut self, event: Event) {
        if self.debug {
            debug::log(&event);
        }
        if let Some((last, others)) = self.outboxes.split_last() {
            for outbox in others {
                outbox.push(event.clone());
            }
            last.push(event);
        }
    }
}

/// Adds a delta to a queue. If many events are unread, a piece of text is joined to the one before
/// it.
pub(crate) fn push_joining(queue: &mut VecDeque<Event>, event: Event) {
    if let EventKind::RunContent { content: more } = &event.kind
        && queue.len() >= UNREAD_MAX
        && let Some(last) = queue.back_mut()
        && last.path == event.path
        && let EventKind::RunContent { content } = &mut last.kind
        && content.len() < JOINED_BYTES_MAX
    {
        *content = [&**content, &**more].concat().into();
        return;
    }
    queue.push_back(event);
}

/// Returns `true` if a fact ends a step, a container or the run. Such facts are accepted at the
/// limit, so that the run can end.
fn closes(kind: &EventKind) -> bool {
    use EventClass as C;
    matches!(kind.class(), C::RunEnded(_) | C::StepEnded(_) | C::ContainerEnded(_))
}

/// Makes the fact that records a request.
fn paused(requirement: Requirement) -> EventKind {
    let requirement = Box::new(requirement);
    match requirement.kind {
        RequirementKind::RouteSelection { .. } => EventKind::RouterPaused { requirement },
        RequirementKind::OutputReview { .. } | RequirementKind::IterationReview { .. } => {
            EventKind::StepOutputReview { requirement }
        }
        RequirementKind::ToolConfirmation { .. } => EventKind::StepExecutorPaused { requirement },
        RequirementKind::Deadline => EventKind::DeadlineSet { requirement },
        _ => EventKind::StepPaused { requirement },
    }
}

/// Makes the fact that a step or a container was stopped. Tool calls have no such fact: they end
/// with their steps.
fn stopped(path: &StepPath, step_type: StepType, partial: Content) -> EventKind {
    let StepType::Container(kind) = step_type else { return EventKind::StepCancelled { partial } };
    let turns = Turns { number: path.number().unwrap_or(0), ..Turns::default() };
    EventKind::ContainerCompleted { kind, turns, end: StepStatus::Cancelled.into() }
}
