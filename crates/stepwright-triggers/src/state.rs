//! The state of a schedule, which all processes of a store share.

use crate::timetable::Timetable;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use stepwright_core::store::{SharedValue, ValueChange};
use stepwright_core::{AnyStore, Error, ErrorKind, RunId, Timestamp, WorkflowId, World};

/// The kind of shared values that are schedules.
const KIND: &str = "schedule";

/// The number of schedules that one query reads.
const PAGE: usize = 200;

/// The state of a schedule.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) workflow: WorkflowId,
    pub(crate) name: Arc<str>,
    pub(crate) timetable: Timetable,
    #[serde(default)]
    pub(crate) paused: bool,
    /// All times up to this one are decided.
    pub(crate) done: Timestamp,
    /// The last of the missed times that are being caught up, one after the other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) catch_up_until: Option<Timestamp>,
    /// The moment since which no server that starts has the schedule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) gone_since: Option<Timestamp>,
    /// A run that was decided and may not have begun. Any process begins it: it has an id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) firing: Option<Firing>,
    /// Runs that people asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) asked: Vec<RunId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) last: Option<Last>,
}

/// A run that is to begin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Firing {
    pub(crate) at: Timestamp,
    pub(crate) run: RunId,
}

/// The last thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Last {
    pub(crate) at: Timestamp,
    /// The last run that began, which may belong to an earlier time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) run: Option<RunId>,
    /// The reason that the time has no run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<String>,
}

impl State {
    /// The state of a schedule that is new at `now`: earlier times are not missed.
    pub(crate) fn new(
        workflow: WorkflowId,
        name: Arc<str>,
        timetable: Timetable,
        now: Timestamp,
    ) -> Self {
        Self {
            workflow,
            name,
            timetable,
            paused: false,
            done: now,
            catch_up_until: None,
            gone_since: None,
            firing: None,
            asked: Vec::new(),
            last: None,
        }
    }

    /// Notes the end of a firing.
    pub(crate) fn fired(&mut self, firing: Firing, note: Option<String>) {
        let earlier = self.last.take().and_then(|last| last.run);
        let run = if note.is_none() { Some(firing.run) } else { earlier };
        self.last = Some(Last { at: firing.at, run, note });
        self.firing = None;
    }

    /// Notes that a time has no run.
    pub(crate) fn skipped(&mut self, at: Timestamp, note: String) {
        let run = self.last.take().and_then(|last| last.run);
        self.last = Some(Last { at, run, note: Some(note) });
    }
}

/// A state with the mark that it was read with.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) id: Arc<str>,
    pub(crate) state: State,
    /// `None` for a state that is not stored yet.
    pub(crate) seen: Option<i64>,
}

/// The states in a store.
#[derive(Clone, Debug)]
pub(crate) struct States {
    pub(crate) store: AnyStore,
    pub(crate) world: World,
}

impl States {
    pub(crate) async fn find(&self, id: &str) -> Result<Option<Held>, Error> {
        self.store.shared_value(KIND, id).await?.map(|value| read(&value)).transpose()
    }

    /// Returns `false` for a state that cannot be read, and logs it.
    pub(crate) async fn is_sound(&self, id: &str) -> Result<bool, Error> {
        let value = self.store.shared_value(KIND, id).await?;
        Ok(value.is_none_or(|value| sound(&value).is_some()))
    }

    pub(crate) async fn list(&self) -> Result<Vec<Held>, Error> {
        let mut all = Vec::new();
        let mut after = String::new();
        loop {
            let page = self.store.shared_values(KIND, &after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(all) };
            last.key.as_ref().clone_into(&mut after);
            all.extend(page.iter().filter_map(sound));
            if page.len() < PAGE {
                return Ok(all);
            }
        }
    }

    /// Stores a state. Returns `false` if another process has changed it since it was read.
    pub(crate) async fn save(&self, held: &Held) -> Result<bool, Error> {
        let value = serde_json::to_string(&held.state).map_err(|error| {
            let what = format!("the state of schedule `{}` cannot be written", held.id);
            Error::new(ErrorKind::Store, what).with_source(error)
        })?;
        self.change(&held.id, Some(value.into()), held.seen).await
    }

    pub(crate) async fn remove(&self, held: &Held) -> Result<bool, Error> {
        self.change(&held.id, None, held.seen).await
    }

    async fn change(
        &self,
        id: &Arc<str>,
        value: Option<Arc<str>>,
        seen: Option<i64>,
    ) -> Result<bool, Error> {
        let version = i64::from_ne_bytes(self.world.chance().to_ne_bytes());
        let change = ValueChange { kind: KIND.into(), key: id.clone(), value, seen, version };
        Ok(self.store.change_value(change).await?)
    }

    /// Changes a state until no other process comes in between. Returns `None` if there is none.
    pub(crate) async fn update(
        &self,
        id: &str,
        mut change: impl FnMut(&mut State),
    ) -> Result<Option<State>, Error> {
        loop {
            let Some(mut held) = self.find(id).await? else { return Ok(None) };
            change(&mut held.state);
            if self.save(&held).await? {
                return Ok(Some(held.state));
            }
        }
    }
}

/// Reads a state. One that is damaged is logged: it must not stop the others.
fn sound(value: &SharedValue) -> Option<Held> {
    read(value).inspect_err(|error| tracing::warn!(target: "stepwright", "{}", error.report())).ok()
}

fn read(value: &SharedValue) -> Result<Held, Error> {
    let state = serde_json::from_str(&value.value).map_err(|error| {
        let what = format!("the state of schedule `{}` is damaged", value.key);
        Error::new(ErrorKind::Store, what).with_source(error)
    })?;
    Ok(Held { id: value.key.clone(), state, seen: Some(value.version) })
}
