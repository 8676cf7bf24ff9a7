//! The schedules in a store, for readers that have no definition.

use crate::ids::id_of;
use crate::state::{State, States};
use crate::timetable::Timetable;
use stepwright_core::{AnyStore, Error, ErrorId, ErrorKind, RunId, Timestamp, WorkflowId, World};

/// The number of runs of a schedule that people can ask for before a process begins them.
const ASKED_MAX: usize = 100;

/// The number of similar schedules that an error names.
const NAMED_MAX: usize = 3;

/// The schedules in a store: list, pause and resume them, and ask for a run.
///
/// ```
/// # use stepwright_core::{AnyStore, Memory};
/// # use stepwright_engine::{Workflow, real_world};
/// use stepwright_triggers::{Schedule, Scheduler, Schedules, Timetable};
/// # async fn greet(name: String) -> String { format!("Hello {name}") }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), stepwright_core::Error> {
/// # let store = AnyStore::new(Memory::default());
/// # let workflow = Workflow::builder("digest").store(store.clone()).step(greet).build()?;
/// let daily = Schedule::new("daily", Timetable::cron("@daily", None)?)?;
/// let scheduler = Scheduler::new(store.clone(), real_world()).add(&workflow, daily);
/// scheduler.look().await?;
/// let schedules = Schedules::of(store, real_world());
/// assert_eq!(schedules.list().await?[0].id(), "digest.daily");
/// assert!(schedules.pause("digest.daily").await?.paused);
/// assert!(schedules.next("digest.daily", 3).await?.is_empty());
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Schedules(States);

/// A schedule as its store has it.
///
/// ```
/// use stepwright_triggers::StoredSchedule;
/// fn line(schedule: &StoredSchedule) -> String {
///     format!("{} {}", schedule.id(), schedule.timetable)
/// }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct StoredSchedule {
    /// The workflow.
    pub workflow: WorkflowId,
    /// The name, which no other schedule of the workflow has.
    pub name: String,
    /// The times.
    pub timetable: Timetable,
    /// `true` if it was paused: its times pass.
    pub paused: bool,
    /// The last thing that happened.
    pub last: Option<LastFiring>,
    /// All times up to here have been decided.
    done: Timestamp,
}

/// The last thing that happened to a schedule.
///
/// ```
/// use stepwright_triggers::LastFiring;
/// fn failed(last: &LastFiring) -> bool {
///     last.note.is_some()
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LastFiring {
    /// The time.
    pub at: Timestamp,
    /// The last run that began. With a note it belongs to an earlier time.
    pub run: Option<RunId>,
    /// The reason that the time has no run.
    pub note: Option<String>,
}

impl StoredSchedule {
    pub(crate) fn of(state: State) -> Self {
        let State { workflow, name, timetable, paused, done, last, .. } = state;
        let last = last.map(|last| LastFiring { at: last.at, run: last.run, note: last.note });
        Self { workflow, name: name.to_string(), timetable, paused, last, done }
    }

    /// Returns the id: the workflow and the name, with a full stop between them.
    pub fn id(&self) -> String {
        id_of(&self.workflow, &self.name)
    }

    /// Returns the next times after `now`, at most `count` of them, without jitter. None if it is
    /// paused.
    pub fn next(&self, now: Timestamp, count: usize) -> Vec<Timestamp> {
        if self.paused {
            return Vec::new();
        }
        let first = self.timetable.next_after(self.done.max(now));
        std::iter::successors(first, |time| self.timetable.next_after(*time)).take(count).collect()
    }
}

impl Schedules {
    /// Returns the schedules in a store.
    pub fn of(store: AnyStore, world: World) -> Self {
        Self(States { store, world })
    }

    /// Lists the schedules, by workflow and name, without those that no server has any more.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn list(&self) -> Result<Vec<StoredSchedule>, Error> {
        let all = self.0.list().await?.into_iter().map(|held| held.state);
        let there = all.filter(|state| state.gone_since.is_none());
        Ok(there.map(StoredSchedule::of).collect())
    }

    /// Returns a schedule.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if there is none with this id.
    pub async fn find(&self, id: &str) -> Result<StoredSchedule, Error> {
        match self.0.find(id).await? {
            Some(held) => Ok(StoredSchedule::of(held.state)),
            None => Err(self.unknown(id).await),
        }
    }

    /// Returns the next times of a schedule: see [`StoredSchedule::next`].
    ///
    /// # Errors
    /// As [`Schedules::find`].
    pub async fn next(&self, id: &str, count: usize) -> Result<Vec<Timestamp>, Error> {
        Ok(self.find(id).await?.next(self.0.world.wall(), count))
    }

    /// Pauses a schedule: its times pass without runs. Runs that began go on.
    ///
    /// # Errors
    /// As [`Schedules::find`].
    pub async fn pause(&self, id: &str) -> Result<StoredSchedule, Error> {
        self.update(id, |state| state.paused = true).await
    }

    /// Resumes a schedule. Times that passed meanwhile are not caught up.
    ///
    /// # Errors
    /// As [`Schedules::find`].
    pub async fn resume(&self, id: &str) -> Result<StoredSchedule, Error> {
        let now = self.0.world.wall();
        let resume = |state: &mut State| {
            if state.paused {
                state.paused = false;
                state.done = state.done.max(now);
            }
        };
        self.update(id, resume).await
    }

    /// Asks for a run now, also of a paused schedule. A process with the schedule begins it within
    /// seconds. Returns the id that the run will have.
    ///
    /// # Errors
    /// As [`Schedules::find`]. If 100 runs were asked for that no process has begun.
    pub async fn ask(&self, id: &str) -> Result<RunId, Error> {
        let run = self.0.world.run_id();
        let mut is_full = false;
        let ask = |state: &mut State| {
            is_full = state.asked.len() >= ASKED_MAX;
            if !is_full && !state.asked.contains(&run) {
                state.asked.push(run.clone());
            }
        };
        self.update(id, ask).await?;
        if is_full {
            let what =
                format!("schedule `{id}` has {ASKED_MAX} queued runs; the limit is {ASKED_MAX}");
            return Err(Error::usage(what).with_hint("start `stepwright serve` with its file"));
        }
        Ok(run)
    }

    async fn update(
        &self,
        id: &str,
        change: impl FnMut(&mut State),
    ) -> Result<StoredSchedule, Error> {
        match self.0.update(id, change).await? {
            Some(state) => Ok(StoredSchedule::of(state)),
            None => Err(self.unknown(id).await),
        }
    }

    /// Makes the error of a schedule that is not stored, with those that may be meant.
    async fn unknown(&self, id: &str) -> Error {
        let all = self.list().await.unwrap_or_default();
        let error = not_found(id);
        match meant(id, &all) {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }
}

/// Returns the ids of which the wanted one is a part, or the reverse, as a hint.
fn meant(wanted: &str, all: &[StoredSchedule]) -> Option<String> {
    let ids = || all.iter().map(StoredSchedule::id);
    let part = |id: &String| id.contains(wanted) || wanted.contains(id.as_str());
    let named: Vec<String> = ids().filter(part).take(NAMED_MAX).collect();
    let listed = named.iter().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(" or ");
    (!named.is_empty()).then(|| format!("did you mean {listed}?"))
}

pub(crate) fn not_found(id: &str) -> Error {
    let error = Error::new(ErrorKind::NotFound, format!("schedule `{id}` was not found"));
    error
        .with_id(ErrorId::SCHEDULE_NOT_FOUND)
        .with_hint("`stepwright schedules list` lists those that are there")
}
