//! Schedules: when a run begins, with which input, and what happens to times that are missed.

use crate::ids::{check_name, mixed};
use crate::input::MakeInput;
use crate::timetable::Timetable;
use serde_json::Value;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use stepwright_core::{BoxFuture, Content, Error, ErrorKind, SessionId, Timestamp};

/// The longest time that [`Schedule::catch_up_within`] can be.
pub const CATCH_UP_MAX: Duration = Duration::from_hours(24 * 31);

/// The longest [`Schedule::jitter`].
pub const JITTER_MAX: Duration = Duration::from_hours(24);

/// The time within which missed times are caught up by default.
const WITHIN: Duration = Duration::from_hours(24);

/// The delay after which a time counts as missed.
const LATE: Duration = Duration::from_mins(1);

/// The number of missed times that [`CatchUp::All`] catches up. Older ones are left out.
pub(crate) const ALL_MAX: usize = 1_000;

/// The treatment of a time of a schedule while its last run is under way. A paused run is, too.
///
/// ```
/// use stepwright_triggers::Overlap;
/// assert_eq!(Overlap::default(), Overlap::Skip);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Overlap {
    /// The time is left out.
    #[default]
    Skip,
    /// The run begins when the last one has ended. Of several times that came meanwhile, the last
    /// one counts.
    Queue,
    /// The run begins beside the last one.
    Allow,
    /// The last run is cancelled, and the run begins at once.
    Cancel,
}

/// The treatment of times that passed while no process looked after the schedule. A time that is at
/// most a minute ago is not missed.
///
/// ```
/// use stepwright_triggers::CatchUp;
/// assert_eq!(CatchUp::default(), CatchUp::Latest);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum CatchUp {
    /// They are left out.
    None,
    /// The last of them has a run.
    #[default]
    Latest,
    /// Each has a run, up to the 1000 last ones. They run one after the other, unless the schedule
    /// has [`Overlap::Allow`]; times that come meanwhile are left out.
    All,
}

/// A schedule of a workflow.
///
/// ```
/// use std::time::Duration;
/// use stepwright_triggers::{CatchUp, Overlap, Schedule, Timetable};
/// let mornings = Timetable::cron("0 9 * * mon-fri", Some("Europe/Berlin"))?;
/// let digest = Schedule::new("morning", mornings)?
///     .input("the news of today")
///     .jitter(Duration::from_mins(5))?
///     .overlap(Overlap::Queue)
///     .catch_up(CatchUp::None);
/// assert_eq!(digest.name(), "morning");
/// # Ok::<(), stepwright_core::Error>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct Schedule {
    name: Arc<str>,
    pub(crate) timetable: Timetable,
    pub(crate) make_input: MakeInput,
    pub(crate) session: Option<SessionId>,
    jitter: Duration,
    pub(crate) overlap: Overlap,
    catch_up: CatchUp,
    within: Duration,
}

impl Schedule {
    /// Creates a schedule with an empty input.
    ///
    /// # Errors
    /// If the name is not made of 1 to 64 letters, digits, `-` and `_` of ASCII: it is a part of
    /// the ids of runs.
    pub fn new(name: impl AsRef<str>, timetable: Timetable) -> Result<Self, Error> {
        let name = name.as_ref();
        check_name("schedule", name)?;
        let (overlap, catch_up) = (Overlap::default(), CatchUp::default());
        let made = Self {
            name: name.into(),
            timetable,
            make_input: Arc::new(|_| Box::pin(async { Ok(Content::default()) })),
            session: None,
            jitter: Duration::ZERO,
            overlap,
            catch_up,
            within: WITHIN,
        };
        Ok(made)
    }

    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the times.
    pub fn timetable(&self) -> &Timetable {
        &self.timetable
    }

    /// Sets the input of its runs.
    pub fn input(self, input: impl Into<Content>) -> Self {
        let input = input.into();
        self.input_from(move |_| {
            let input = input.clone();
            async move { Ok(input) }
        })
    }

    /// Sets a function that makes the input of each run. Its argument is `{"schedule": name, "at":
    /// time}`, with the time as RFC 3339 writes it in UTC. It is called again after a crash, and
    /// must then return the same.
    pub fn input_from<F, R>(mut self, make: F) -> Self
    where
        F: Fn(Value) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Content, Error>> + Send + 'static,
    {
        self.make_input = Arc::new(move |firing| -> BoxFuture<'static, Result<Content, Error>> {
            Box::pin(make(firing))
        });
        self
    }

    /// Sets the session that its runs continue. By default each has a session of its own.
    ///
    /// # Errors
    /// If it is no valid id of a session.
    pub fn session_id(mut self, session: impl AsRef<str>) -> Result<Self, Error> {
        self.session = Some(SessionId::new(session)?);
        Ok(self)
    }

    /// Delays each run by up to `jitter`, so that many schedules do not begin at once. The delay of
    /// a time is the same in all processes.
    ///
    /// # Errors
    /// If it is longer than [`JITTER_MAX`].
    pub fn jitter(mut self, jitter: Duration) -> Result<Self, Error> {
        if jitter > JITTER_MAX {
            let what = "`jitter` must be at most 24h";
            return Err(Error::new(ErrorKind::Definition, what));
        }
        self.jitter = jitter;
        Ok(self)
    }

    /// Sets what happens while its last run is under way.
    pub fn overlap(mut self, overlap: Overlap) -> Self {
        self.overlap = overlap;
        self
    }

    /// Sets what happens to missed times.
    pub fn catch_up(mut self, catch_up: CatchUp) -> Self {
        self.catch_up = catch_up;
        self
    }

    /// Leaves out missed times that are longer ago than this. The default is a day.
    ///
    /// # Errors
    /// If it is longer than [`CATCH_UP_MAX`].
    pub fn catch_up_within(mut self, within: Duration) -> Result<Self, Error> {
        if within > CATCH_UP_MAX {
            let what = "`catch_up_within` must be at most 31d";
            return Err(Error::new(ErrorKind::Definition, what));
        }
        self.within = within;
        Ok(self)
    }

    /// Returns the moment at which the run of a time begins.
    fn due(&self, id: &str, time: Timestamp) -> Timestamp {
        match u64::try_from(self.jitter.as_millis()) {
            Ok(0) | Err(_) => time,
            Ok(jitter) => Timestamp(time.0.saturating_add(mixed(id, time.0) % (jitter + 1))),
        }
    }

    /// Returns `true` if missed times run one after the other.
    pub(crate) fn queues_missed(&self) -> bool {
        let queues = matches!(self.overlap, Overlap::Skip | Overlap::Cancel);
        self.catch_up == CatchUp::All && queues
    }

    /// Looks at the times after `done`.
    pub(crate) fn pending(&self, id: &str, done: Timestamp, now: Timestamp) -> Pending {
        let within = u64::try_from(self.within.max(LATE).as_millis()).unwrap_or(u64::MAX);
        let mut at = Timestamp(done.0.max(now.0.saturating_sub(within)));
        let mut times = std::collections::VecDeque::new();
        let (mut last, mut last_missed) = (None, None);
        let mut count = 0;
        let next = loop {
            let Some(time) = self.timetable.next_after(at) else { break None };
            let due = self.due(id, time);
            if due > now {
                break Some(due);
            }
            (at, last) = (time, Some(time));
            count += 1;
            let is_missed = now.since(due) > LATE;
            if is_missed {
                last_missed = Some(time);
            }
            match self.catch_up {
                CatchUp::None if is_missed => continue,
                CatchUp::All if times.len() == ALL_MAX => {
                    times.pop_front();
                }
                CatchUp::Latest => times.clear(),
                _ => {}
            }
            times.push_back(time);
        };
        let first = match self.overlap {
            Overlap::Queue if self.catch_up != CatchUp::All => times.back(),
            _ => times.front(),
        };
        Pending { first: first.copied(), last, last_missed, count, next }
    }
}

/// The times of a schedule that have come.
#[derive(Debug)]
pub(crate) struct Pending {
    /// The first one that has a run.
    pub(crate) first: Option<Timestamp>,
    /// The last of all.
    pub(crate) last: Option<Timestamp>,
    /// The last one that came more than a minute ago.
    pub(crate) last_missed: Option<Timestamp>,
    /// Their number.
    pub(crate) count: u64,
    /// The moment at which the next run is due, after these.
    pub(crate) next: Option<Timestamp>,
}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Schedule")
            .field("name", &self.name)
            .field("timetable", &self.timetable)
            .finish_non_exhaustive()
    }
}
