//! The deliveries of notifications, as the store has them.
//!
//! A delivery that is to be sent and one that is dead are shared values of two kinds, so that a
//! long list of dead ones does not slow the others.

use crate::notification::RunEvent;
use crate::tokens::hash;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use stepwright_core::store::{SharedValue, StoreError, ValueChange};
use stepwright_core::{AnyStore, Error, ErrorId, ErrorKind, RunId, Timestamp, WorkflowId, World};

/// The kind of shared values that are deliveries to send.
const PENDING: &str = "delivery";

/// The kind of shared values that are deliveries which are not tried any more.
const DEAD: &str = "dead_delivery";

/// The number of deliveries that one query reads.
const PAGE: usize = 200;

/// The hexadecimal digits of an id.
const ID_DIGITS: usize = 32;

/// A delivery.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) workflow: WorkflowId,
    /// The name of the notification.
    pub(crate) name: Arc<str>,
    pub(crate) run: RunId,
    pub(crate) event: RunEvent,
    /// The number of the fact that it is about.
    pub(crate) sequence: u64,
    /// The time of that fact.
    pub(crate) at: Timestamp,
    /// The requests that were sent, or begun.
    #[serde(default)]
    pub(crate) attempts: u32,
    /// The time of the next attempt. While an attempt is under way, the time at which another
    /// process takes it over.
    #[serde(default)]
    pub(crate) next: Timestamp,
    /// The reason that the last attempt failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    /// The time at which it was given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) died: Option<Timestamp>,
}

/// A delivery with the mark that it was read with.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) id: Arc<str>,
    pub(crate) state: State,
    pub(crate) seen: i64,
}

/// A delivery of a notification, as its store has it. One that has arrived is not stored any more.
///
/// ```
/// use stepwright_triggers::StoredDelivery;
/// fn line(delivery: &StoredDelivery) -> String {
///     format!("{} {} {}", delivery.id, delivery.run, delivery.event)
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredDelivery {
    /// The id, which its requests have as `webhook-id`.
    pub id: String,
    /// The workflow.
    pub workflow: WorkflowId,
    /// The name of the notification.
    pub name: String,
    /// The run.
    pub run: RunId,
    /// The thing that happened to the run.
    pub event: RunEvent,
    /// The time at which it happened.
    pub at: Timestamp,
    /// The number of requests that were sent.
    pub attempts: u32,
    /// The time of the next attempt. `None` if it is dead.
    pub next: Option<Timestamp>,
    /// The reason that the last attempt failed.
    pub error: Option<String>,
}

/// The deliveries of notifications in a store, for readers that have no definition: list them, and
/// redeliver dead ones.
///
/// ```
/// # use stepwright_core::{AnyStore, Memory};
/// # use stepwright_engine::real_world;
/// use stepwright_triggers::Deliveries;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), stepwright_core::Error> {
/// # let store = AnyStore::new(Memory::default());
/// let deliveries = Deliveries::of(store, real_world());
/// assert!(deliveries.dead().await?.is_empty());
/// assert!(deliveries.redeliver("msg_1").await.is_err(), "there is none");
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Deliveries {
    pub(crate) store: AnyStore,
    pub(crate) world: World,
}

impl State {
    /// Returns the id: the same in all processes, so that a fact has one delivery for each
    /// notification.
    pub(crate) fn id(&self) -> Arc<str> {
        let Self { workflow, name, run, event, sequence, .. } = self;
        let whole = format!("{workflow} {name} {run} {event} {sequence}");
        format!("msg_{}", &hash(whole.as_bytes())[..ID_DIGITS]).into()
    }

    fn shown(self, id: &str) -> StoredDelivery {
        StoredDelivery {
            id: id.to_owned(),
            workflow: self.workflow,
            name: self.name.to_string(),
            run: self.run,
            event: self.event,
            at: self.at,
            attempts: self.attempts,
            next: self.died.is_none().then_some(self.next),
            error: self.error,
        }
    }
}

impl Deliveries {
    /// Returns the deliveries in a store.
    pub fn of(store: AnyStore, world: World) -> Self {
        Self { store, world }
    }

    /// Lists the deliveries that are to be sent, the oldest event first.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn pending(&self) -> Result<Vec<StoredDelivery>, Error> {
        self.list(PENDING).await
    }

    /// Lists the dead deliveries, which are not tried any more, the oldest event first.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn dead(&self) -> Result<Vec<StoredDelivery>, Error> {
        self.list(DEAD).await
    }

    /// Sends a dead delivery again, with all its attempts. Returns it as it is to be sent. A server
    /// with its notification sends it within seconds.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if no dead delivery has this id.
    pub async fn redeliver(&self, id: &str) -> Result<StoredDelivery, Error> {
        let found = self.store.shared_value(DEAD, id).await?;
        let dead = read(&found.ok_or_else(|| not_found(id))?)?;
        let state = State {
            attempts: 0,
            next: self.world.wall(),
            error: None,
            died: None,
            ..dead.state.clone()
        };
        // First, so that a process that dies in between loses nothing.
        self.change(PENDING, &dead.id, Some(&state), None).await?;
        self.change(DEAD, &dead.id, None, Some(dead.seen)).await?;
        Ok(state.shown(id))
    }

    async fn list(&self, kind: &str) -> Result<Vec<StoredDelivery>, Error> {
        let mut all: Vec<_> = self.all(kind).await?;
        all.sort_by(|one, other| (one.state.at, &one.id).cmp(&(other.state.at, &other.id)));
        Ok(all.into_iter().map(|held| held.state.shown(&held.id)).collect())
    }

    /// Returns the deliveries to send.
    pub(crate) async fn to_send(&self) -> Result<Vec<Held>, Error> {
        self.all(PENDING).await
    }

    async fn all(&self, kind: &str) -> Result<Vec<Held>, Error> {
        let mut all = Vec::new();
        let mut after = String::new();
        loop {
            let page = self.store.shared_values(kind, &after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(all) };
            last.key.as_ref().clone_into(&mut after);
            all.extend(page.iter().filter_map(sound));
            if page.len() < PAGE {
                return Ok(all);
            }
        }
    }

    /// Stores the change of a delivery that is to be sent. Returns `None` if another process has
    /// changed it since it was read.
    pub(crate) async fn save(&self, held: &Held) -> Result<Option<Held>, Error> {
        let changed = self.change(PENDING, &held.id, Some(&held.state), Some(held.seen)).await?;
        Ok(changed.map(|seen| Held { seen, ..held.clone() }))
    }

    /// Removes a delivery that has arrived, or that is about nothing.
    pub(crate) async fn remove(&self, held: &Held) -> Result<(), Error> {
        self.change(PENDING, &held.id, None, Some(held.seen)).await?;
        Ok(())
    }

    /// Moves a delivery that was given up to the dead ones. A process that dies in between leaves
    /// one with the mark, and the next one moves it.
    pub(crate) async fn bury(&self, held: &Held) -> Result<(), Error> {
        self.change(DEAD, &held.id, Some(&held.state), None).await?;
        self.remove(held).await
    }

    /// Returns the new mark, or `None` if another process was first.
    async fn change(
        &self,
        kind: &str,
        id: &Arc<str>,
        state: Option<&State>,
        seen: Option<i64>,
    ) -> Result<Option<i64>, Error> {
        Ok(change(&self.store, kind, id, state, seen).await?)
    }
}

/// Stores a new delivery. There may be one already: then it stays.
pub(crate) async fn add(store: &AnyStore, state: &State) -> Result<(), StoreError> {
    change(store, PENDING, &state.id(), Some(state), None).await.map(drop)
}

async fn change(
    store: &AnyStore,
    kind: &str,
    id: &Arc<str>,
    state: Option<&State>,
    seen: Option<i64>,
) -> Result<Option<i64>, StoreError> {
    let value =
        state.map(serde_json::to_string).transpose().map_err(|error| StoreError::Unavailable {
            what: format!("delivery `{id}` cannot be written"),
            source: error.into(),
            hint: None,
            id: ErrorId::STORE_UNAVAILABLE,
        })?;
    #[expect(clippy::disallowed_methods, reason = "a mark of a change, which no replay repeats")]
    let (version, _) = uuid::Uuid::new_v4().as_u64_pair();
    let version = i64::from_ne_bytes(version.to_ne_bytes());
    let value = value.map(Into::into);
    let change = ValueChange { kind: kind.into(), key: id.clone(), value, seen, version };
    Ok(store.change_value(change).await?.then_some(version))
}

/// Reads a delivery. One that is damaged is logged: it must not stop the others.
fn sound(value: &SharedValue) -> Option<Held> {
    read(value).inspect_err(|error| tracing::warn!(target: "stepwright", "{}", error.report())).ok()
}

fn read(value: &SharedValue) -> Result<Held, Error> {
    let state = serde_json::from_str(&value.value).map_err(|error| {
        let what = format!("the state of delivery `{}` is damaged", value.key);
        Error::new(ErrorKind::Store, what).with_source(error)
    })?;
    Ok(Held { id: value.key.clone(), state, seen: value.version })
}

fn not_found(id: &str) -> Error {
    let error = Error::new(ErrorKind::NotFound, format!("no dead delivery has the id `{id}`"));
    error
        .with_id(ErrorId::DELIVERY_NOT_FOUND)
        .with_hint("`stepwright deliveries list` lists those that are there")
}
