//! Begins the runs of schedules.
//!
//! A firing has three parts: a process decides it by a change of the shared state, which succeeds
//! for one of them; then any process begins the run, whose id stands in the state, so that the
//! store refuses a second one; then the state says that it has begun. A process that dies in
//! between leaves the rest to the others.

use crate::entries::{Entries, Entry};
use crate::ids::{GONE, id_of, run_id};
use crate::schedule::{Overlap, Schedule};
use crate::schedules::{Schedules, StoredSchedule, not_found};
use crate::state::{Firing, Held, State, States};
use futures_util::future::select;
use serde_json::{Map, Value, json};
use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use stepwright_core::{
    AnyStore, Content, Error, ErrorId, ErrorKind, RunId, Timestamp, WorkflowId, World,
};
use stepwright_engine::{Run, Runs, Workflow};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// The interval at which the store is asked for schedules that were paused, resumed or asked for.
const POLL: Duration = Duration::from_secs(2);

/// Begins the runs of schedules. Cheap to clone. Several processes on one store share the work:
/// each time of a schedule has one run.
///
/// ```no_run
/// # use stepwright_core::{AnyStore, Memory};
/// # use stepwright_engine::{Workflow, real_world};
/// use stepwright_triggers::{Schedule, Scheduler, Timetable};
/// use tokio_util::sync::CancellationToken;
/// # async fn report(_: String) -> String { "all is well".to_owned() }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), stepwright_core::Error> {
/// # let store = AnyStore::new(Memory::default());
/// let workflow = Workflow::builder("report").store(store.clone()).step(report).build()?;
/// let daily = Schedule::new("daily", Timetable::cron("@daily", Some("Asia/Tokyo"))?)?;
/// let scheduler = Scheduler::new(store, real_world()).add(&workflow, daily);
/// scheduler.serve(CancellationToken::new()).await;
/// # Ok(()) }
/// ```
#[derive(Clone)]
#[must_use]
pub struct Scheduler {
    states: States,
    entries: Entries<Schedule>,
    woken: Arc<Notify>,
}

/// The next thing to do.
enum Next {
    /// To store this state, and look again.
    Save(Box<State>),
    /// To wait until then, or until the state changes.
    Wait(Option<Timestamp>),
}

impl Scheduler {
    /// Creates a scheduler without schedules. The store is that of the workflows.
    pub fn new(store: AnyStore, world: World) -> Self {
        let (entries, woken) = (Entries::default(), Arc::default());
        Self { states: States { store, world }, entries, woken }
    }

    /// Adds a schedule of a workflow. A later one of the same name replaces it.
    pub fn add(self, workflow: &Workflow, schedule: Schedule) -> Self {
        self.add_prepared(workflow, schedule, |run| run)
    }

    /// Adds a schedule of a workflow, and a function that sets options of its runs, such as their
    /// metadata.
    pub fn add_prepared(
        mut self,
        workflow: &Workflow,
        schedule: Schedule,
        prepare: impl Fn(Run) -> Run + Send + Sync + 'static,
    ) -> Self {
        let id = id_of(workflow.id(), schedule.name());
        self.entries.add(id, workflow, schedule, prepare);
        self
    }

    /// Returns `true` if it has no schedule.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns `true` if it has this schedule.
    pub fn has(&self, id: &str) -> bool {
        self.entries.find(id).is_some()
    }

    /// Returns the schedules in the store.
    pub fn schedules(&self) -> Schedules {
        Schedules::of(self.states.store.clone(), self.states.world.clone())
    }

    /// Returns its schedules as they are stored.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn stored(&self) -> Result<Vec<StoredSchedule>, Error> {
        let all = self.states.list().await?.into_iter();
        let ours = all.filter(|held| self.has(&held.id));
        Ok(ours.map(|held| StoredSchedule::of(held.state)).collect())
    }

    /// Begins runs until `stop` is cancelled. A store that fails is asked again.
    pub async fn serve(&self, stop: CancellationToken) {
        if self.is_empty() {
            return;
        }
        let mut is_known = false;
        let mut was_failing = false;
        while !stop.is_cancelled() {
            let looked = async {
                if !is_known {
                    self.register().await?;
                    is_known = true;
                }
                self.look().await
            };
            let looked = looked.await;
            if let Err(error) = &looked
                && !was_failing
            {
                let report = error.report();
                tracing::warn!(target: "stepwright", "schedules wait for the store: {report}");
            }
            was_failing = looked.is_err();
            let now = self.states.world.wall();
            let due = looked.ok().flatten().map_or(POLL, |due| due.since(now));
            let nap = self.states.world.sleep(due.min(POLL));
            let woken = pin!(self.woken.notified());
            let stopped = pin!(stop.cancelled());
            let _ = select(select(nap, woken), stopped).await;
        }
    }

    /// Begins what is due, and returns the moment at which the next run is. A program that has a
    /// loop of its own calls it instead of [`Scheduler::serve`].
    ///
    /// # Errors
    /// If the store fails. A run that cannot begin is no error: the state of its schedule says why.
    pub async fn look(&self) -> Result<Option<Timestamp>, Error> {
        let mut next: Option<Timestamp> = None;
        let mut failed = None;
        for entry in self.entries.iter() {
            match self.look_at(entry).await {
                Ok(due) => next = next.into_iter().chain(due).min(),
                // The others must not wait for this one.
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        failed.map_or(Ok(next), Err)
    }

    /// Begins a run of a schedule now, and returns its id.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if the scheduler has no such schedule. The error of the run if it
    /// cannot begin. If the store fails.
    pub async fn run_now(&self, id: &str) -> Result<RunId, Error> {
        let entry = self.entries.find(id).ok_or_else(|| not_found(id))?;
        if self.states.find(id).await?.is_none() {
            self.created(entry).await?;
        }
        let run = self.schedules().ask(id).await?;
        self.look_at(entry).await?;
        let runs = Runs::of(self.states.store.clone());
        match runs.row(&run).await {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let state = self.states.find(id).await?.map(|held| held.state);
                let note = state.and_then(|state| state.last).and_then(|last| last.note);
                let note = note.unwrap_or_else(|| "it waits for the run before it".to_owned());
                Err(Error::usage(format!("the run of schedule `{id}` did not begin: {note}")))
            }
            found => found.map(|_| run),
        }
    }

    /// Stores the schedules, and returns them as they are stored. [`Scheduler::serve`] begins with
    /// it.
    ///
    /// A stored schedule that its workflow does not have any more is left out of lists, and removed
    /// after a week: until then, another server may still have it.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn register(&self) -> Result<Vec<StoredSchedule>, Error> {
        let now = self.states.world.wall();
        for entry in self.entries.iter() {
            let timetable = &entry.trigger.timetable;
            let adopt = |state: &mut State| {
                state.gone_since = None;
                if !state.timetable.is_same(timetable) {
                    // Earlier times of the new timetable are not missed.
                    state.timetable = timetable.clone();
                    state.done = state.done.max(now);
                }
            };
            if !self.states.is_sound(&entry.id).await? {
                continue;
            }
            match self.states.find(&entry.id).await? {
                None => self.created(entry).await?,
                Some(Held { state, .. })
                    if state.timetable.is_same(timetable) && state.gone_since.is_none() => {}
                Some(_) => {
                    self.states.update(&entry.id, adopt).await?;
                }
            }
        }
        let mut ours = Vec::new();
        for mut held in self.states.list().await? {
            let is_ours =
                self.entries.iter().any(|entry| *entry.workflow.id() == held.state.workflow);
            if self.has(&held.id) {
                ours.push(StoredSchedule::of(held.state));
                continue;
            }
            match held.state.gone_since {
                _ if !is_ours => {}
                None => {
                    held.state.gone_since = Some(now);
                    self.states.save(&held).await?;
                }
                Some(since) if now.since(since) > GONE => {
                    self.states.remove(&held).await?;
                }
                Some(_) => {}
            }
        }
        Ok(ours)
    }

    /// Stores the state of a new schedule.
    async fn created(&self, entry: &Entry<Schedule>) -> Result<(), Error> {
        let (workflow, name) = (entry.workflow.id().clone(), entry.trigger.name().into());
        let timetable = entry.trigger.timetable.clone();
        let state = State::new(workflow, name, timetable, self.states.world.wall());
        self.states.save(&Held { id: entry.id.clone(), state, seen: None }).await?;
        Ok(())
    }

    async fn look_at(&self, entry: &Entry<Schedule>) -> Result<Option<Timestamp>, Error> {
        loop {
            let Some(mut held) = self.states.find(&entry.id).await? else {
                self.created(entry).await?;
                continue;
            };
            // Another server does not have it any more, and this one still does.
            if held.state.gone_since.take().is_some() {
                self.states.save(&held).await?;
                continue;
            }
            if let Some(firing) = held.state.firing.clone() {
                let note = self.begin(entry, &firing).await?;
                held.state.fired(firing, note);
                self.states.save(&held).await?;
                continue;
            }
            match self.next(entry, held.state.clone()).await? {
                Next::Wait(next) => return Ok(next),
                Next::Save(state) => {
                    held.state = *state;
                    // If another process was first, its state is looked at next.
                    self.states.save(&held).await?;
                }
            }
        }
    }

    /// Decides what happens next.
    async fn next(&self, entry: &Entry<Schedule>, mut state: State) -> Result<Next, Error> {
        let now = self.states.world.wall();
        let save = |state| Ok(Next::Save(Box::new(state)));
        if !state.asked.is_empty() {
            let run = state.asked.remove(0);
            state.firing = Some(Firing { at: now, run });
            return save(state);
        }
        if state.paused {
            return Ok(Next::Wait(None));
        }
        let pending = entry.trigger.pending(&entry.id, state.done, now);
        let Some(last) = pending.last else { return Ok(Next::Wait(pending.next)) };
        let Some(at) = pending.first else {
            state.done = last;
            let missed = match pending.count {
                1 => "1 run".to_owned(),
                count => format!("{count} runs"),
            };
            state.skipped(last, format!("missed {missed}: no server was running"));
            return save(state);
        };
        let under_way = self.under_way(&state).await?;
        match (state.catch_up_until, pending.last_missed) {
            (Some(until), _) if state.done < until && under_way.is_some() => {
                return Ok(Next::Wait(Some(now.plus(POLL))));
            }
            (Some(until), _) if state.done < until => {}
            (Some(_), missed) => {
                // Times that came while earlier ones were caught up are left out.
                state.catch_up_until = None;
                if let Some(missed) = missed {
                    state.done = missed;
                    state.skipped(missed, "missed times were caught up".to_owned());
                }
                return save(state);
            }
            (None, Some(missed)) if entry.trigger.queues_missed() => {
                state.catch_up_until = Some(missed);
                return save(state);
            }
            _ => {}
        }
        if let Some(run) = under_way {
            match entry.trigger.overlap {
                Overlap::Allow => {}
                Overlap::Queue => return Ok(Next::Wait(Some(now.plus(POLL)))),
                Overlap::Skip => {
                    state.done = at;
                    state.skipped(at, format!("run `{run}` was under way"));
                    return save(state);
                }
                Overlap::Cancel => {
                    let runs = Runs::of(self.states.store.clone());
                    // Repeated after a crash, it is the same request.
                    let request = format!("{}.{}", entry.id, at.0);
                    match runs.request_cancel_once(&run, &request).await {
                        Err(error) if error.kind() == ErrorKind::NotFound => {}
                        asked => {
                            asked?;
                        }
                    }
                }
            }
        }
        state.done = at;
        state.firing =
            Some(Firing { at, run: timed_id(entry.workflow.id(), entry.trigger.name(), at)? });
        save(state)
    }

    /// Returns the last run of a schedule if it has not ended.
    async fn under_way(&self, state: &State) -> Result<Option<RunId>, Error> {
        let Some(run) = state.last.as_ref().and_then(|last| last.run.clone()) else {
            return Ok(None);
        };
        let row = self.states.store.run(&run).await?;
        Ok(row.filter(|row| !row.status.is_terminal()).map(|_| run))
    }

    /// Begins the run of a firing, unless it has begun. Returns the reason that it cannot begin.
    async fn begin(
        &self,
        entry: &Entry<Schedule>,
        firing: &Firing,
    ) -> Result<Option<String>, Error> {
        let Firing { at, run: id } = firing;
        if self.states.store.run(id).await?.is_some() {
            return Ok(None);
        }
        let about = json!({"schedule": entry.trigger.name(), "at": at.to_rfc3339()});
        let begun = async {
            let input: Content = (entry.trigger.make_input)(about.clone()).await?;
            let mut run = entry.workflow.run(input).run_id(id);
            if let Some(session) = &entry.trigger.session {
                run = run.session_id(session);
            }
            let data = Map::from_iter([("trigger".to_owned(), Value::clone(&about))]);
            (entry.prepare)(run.additional_data(data)).background().await
        };
        match begun.await {
            Ok(_) => Ok(None),
            // Another process was first, with the first fact or just before it.
            Err(_) if self.states.store.run(id).await?.is_some() => Ok(None),
            // Nothing is wrong with the run: it begins later, or in another process.
            Err(error)
                if matches!(error.kind(), ErrorKind::Store | ErrorKind::Released)
                    || error.id() == ErrorId::WORKFLOW_SHUT_DOWN =>
            {
                Err(error)
            }
            Err(error) => {
                let (schedule, report) = (&entry.id, error.report());
                tracing::warn!(target: "stepwright", "`{schedule}` began no run: {report}");
                Ok(Some(report))
            }
        }
    }
}

/// Returns the id of the run of a time: `digest.daily.20261130T080000Z`.
fn timed_id(workflow: &WorkflowId, name: &str, at: Timestamp) -> Result<RunId, Error> {
    let mut time = at.to_rfc3339();
    time.retain(|c| !matches!(c, '-' | ':'));
    run_id(workflow, name, &time)
}

impl fmt::Debug for Scheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids = self.entries.ids();
        f.debug_struct("Scheduler").field("schedules", &ids).finish_non_exhaustive()
    }
}
