//! Sends the deliveries of notifications.
//!
//! A process claims a delivery by a change of its state, which succeeds for one of them, and sends
//! it then. If the process dies meanwhile, the claim ends by itself, and the next process sends
//! the delivery again, under the same id.

use crate::about::{self, About};
use crate::attempts::{Outcome, judge, wait_after};
use crate::delivery::{Deliveries, Held, State};
use crate::notification::Notification;
use crate::outbox::Notifications;
use crate::signature::sign;
use futures_util::future::select_all;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use stepwright_core::{
    AnyStore, BoxFuture, Error, Requirement, RunId, Timestamp, WorkflowId, World,
};
use stepwright_http::reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use stepwright_http::reqwest::{self, Client};
use tokio_util::sync::CancellationToken;

/// The interval at which the store is asked for new deliveries.
const POLL: Duration = Duration::from_secs(2);

/// A round that reads many deliveries is followed by a pause of so many times its length.
const REST: u32 = 10;

/// The requests under way at once, and those to one notification.
const AT_ONCE: usize = 32;
const AT_ONCE_TO_ONE: usize = 4;

/// The time beyond the timeout of a request after which its process is taken for dead.
const DEAD_AFTER: Duration = Duration::from_secs(5);

/// The time for which a delivery waits for a fact that the journal does not have, and the shortest
/// and the longest time after which it looks again.
const WITHOUT_FACT: Duration = Duration::from_hours(72);
const LOOK_MIN: Duration = Duration::from_millis(200);
const LOOK_MAX: Duration = Duration::from_mins(1);

/// The largest body of a request, in bytes.
pub const NOTIFY_BODY_BYTES_MAX: usize = 1024 * 1024;

/// Makes the address at which a person answers a request of a run.
pub type MakeLink = Arc<
    dyn Fn(RunId, Requirement, Arc<str>) -> BoxFuture<'static, Result<Option<String>, Error>>
        + Send
        + Sync,
>;

/// Sends the deliveries of notifications. Cheap to clone. Several processes on one store share the
/// work: each delivery is sent by one of them, and by another one if that dies.
///
/// ```no_run
/// # use stepwright_core::{AnyStore, Memory};
/// # use stepwright_engine::real_world;
/// use stepwright_triggers::{Notification, Notifications, Notifier};
/// use tokio_util::sync::CancellationToken;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), stepwright_core::Error> {
/// # let store = AnyStore::new(Memory::default());
/// let told = Notification::new("told", "https://hooks.example.org/runs")?;
/// let notifier = Notifier::new(store, real_world());
/// let notifier = notifier.add("greeting".parse()?, Notifications::new([told]));
/// notifier.serve(CancellationToken::new()).await;
/// # Ok(()) }
/// ```
#[derive(Clone)]
#[must_use]
pub struct Notifier {
    deliveries: Deliveries,
    workflows: Arc<BTreeMap<WorkflowId, Notifications>>,
    make_link: Option<MakeLink>,
    client: Arc<Result<Client, String>>,
}

/// The deliveries that are due, and the time of the next one.
struct Due {
    now: Vec<Held>,
    next: Option<Timestamp>,
}

impl Notifier {
    /// Creates a notifier without notifications. The store is that of the workflows.
    pub fn new(store: AnyStore, world: World) -> Self {
        let client = stepwright_http::builder().map_err(|error| error.to_string());
        let client = client.and_then(|builder| builder.build().map_err(|error| error.to_string()));
        Self {
            deliveries: Deliveries::of(store, world),
            workflows: Arc::default(),
            make_link: None,
            client: Arc::new(client),
        }
    }

    /// Adds the notifications of a workflow.
    pub fn add(mut self, workflow: WorkflowId, notifications: Notifications) -> Self {
        if !notifications.is_empty() {
            Arc::make_mut(&mut self.workflows).insert(workflow, notifications);
        }
        self
    }

    /// Sets the function that makes links for [`Notification::link_for`].
    pub fn links(mut self, make: MakeLink) -> Self {
        self.make_link = Some(make);
        self
    }

    /// Returns `true` if it has no notification.
    pub fn is_empty(&self) -> bool {
        self.workflows.is_empty()
    }

    /// Returns the deliveries in the store.
    pub fn deliveries(&self) -> Deliveries {
        self.deliveries.clone()
    }

    /// Sends deliveries until `stop` is cancelled. A store that fails is asked again.
    pub async fn serve(&self, stop: CancellationToken) {
        if self.is_empty() {
            return;
        }
        let mut sending: FuturesUnordered<BoxFuture<'_, (Arc<str>, Arc<str>)>> = <_>::default();
        let mut under_way: Vec<(Arc<str>, Arc<str>)> = Vec::new();
        let mut was_failing = false;
        while !stop.is_cancelled() {
            let began = self.world().wall();
            let due = self.due().await;
            if let Err(error) = &due
                && !was_failing
            {
                let report = error.report();
                tracing::warn!(target: "stepwright", "notifications wait for the store: {report}");
            }
            was_failing = due.is_err();
            let mut nap = POLL.max(self.world().wall().since(began) * REST);
            if let Ok(due) = due {
                for held in due.now {
                    let key = (held.id.clone(), held.state.name.clone());
                    let to_one = under_way.iter().filter(|(_, name)| *name == key.1).count();
                    let is_known = under_way.iter().any(|(id, _)| *id == key.0);
                    if is_known || under_way.len() >= AT_ONCE || to_one >= AT_ONCE_TO_ONE {
                        continue;
                    }
                    under_way.push(key.clone());
                    sending.push(Box::pin(async move {
                        if !self.attempt(held).await {
                            self.world().sleep(POLL).await;
                        }
                        key
                    }));
                }
                let next = due.next.map(|next| next.since(self.world().wall()));
                nap = nap.min(next.unwrap_or(nap));
            }
            let nap = self.world().sleep(nap);
            let done = async {
                match sending.next().await {
                    Some(done) => Some(done),
                    None => std::future::pending().await,
                }
            };
            let waits: [BoxFuture<'_, Option<_>>; 3] = [
                Box::pin(async {
                    nap.await;
                    None
                }),
                Box::pin(async {
                    stop.cancelled().await;
                    None
                }),
                Box::pin(done),
            ];
            let (done, ..) = select_all(waits).await;
            under_way.retain(|key| Some(key) != done.as_ref());
        }
    }

    /// Sends what is due now, and waits for the answers. Returns the time of the next attempt, if
    /// there is one.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn look(&self) -> Result<Option<Timestamp>, Error> {
        let due = self.due().await?;
        let mut sending: FuturesUnordered<_> =
            due.now.into_iter().map(|held| self.attempt(held)).collect();
        while sending.next().await.is_some() {}
        Ok(self.due().await?.next)
    }

    fn world(&self) -> &World {
        &self.deliveries.world
    }

    fn find(&self, state: &State) -> Option<&Notification> {
        self.workflows.get(&state.workflow)?.find(&state.name)
    }

    /// Returns the deliveries that this process can send.
    async fn due(&self) -> Result<Due, Error> {
        let now = self.world().wall();
        let mut due = Due { now: Vec::new(), next: None };
        for held in self.deliveries.to_send().await? {
            if self.find(&held.state).is_none() {
                continue;
            }
            let at = held.state.next;
            if at <= now {
                due.now.push(held);
            } else {
                due.next = Some(due.next.map_or(at, |next| next.min(at)));
            }
        }
        // The oldest first, so that none waits for ever behind new ones.
        due.now.sort_by_key(|held| (held.state.next, held.state.at));
        Ok(due)
    }

    /// Sends a delivery, unless another process does, and stores the result. Returns `false` if the
    /// store fails. A claim ends by itself then.
    async fn attempt(&self, held: Held) -> bool {
        let tried = self.try_attempt(&held).await;
        if let Err(error) = &tried {
            let (id, report) = (&held.id, error.report());
            tracing::warn!(target: "stepwright", "delivery `{id}` waits for the store: {report}");
        }
        tried.is_ok()
    }

    async fn try_attempt(&self, held: &Held) -> Result<(), Error> {
        let store = &self.deliveries.store;
        let Some(notification) = self.find(&held.state) else { return Ok(()) };
        if held.state.died.is_some() {
            return self.deliveries.bury(held).await;
        }
        let now = self.world().wall();
        let (fact, asked) = match about::find(store, &held.state).await? {
            About::Fact(fact, asked) => (fact, asked),
            About::NotYet if now.since(held.state.at) < WITHOUT_FACT => {
                let wait = now.since(held.state.at).clamp(LOOK_MIN, LOOK_MAX);
                let state = State { next: now.plus(wait), ..held.state.clone() };
                self.deliveries.save(&Held { state, ..held.clone() }).await?;
                return Ok(());
            }
            About::NotYet | About::Nothing => return self.deliveries.remove(held).await,
        };
        let mut state = held.state.clone();
        state.attempts += 1;
        state.next = now.plus(notification.timeout + DEAD_AFTER);
        let claim = Held { state, ..held.clone() };
        let Some(mut held) = self.deliveries.save(&claim).await? else { return Ok(()) };
        let requests = self.linked(notification, &held.state, asked).await?;
        let delivery = (&*held.id, &held.state);
        let values = about::values(store, delivery, &fact, requests).await?;
        let outcome = match body(notification, values).await {
            Ok(body) => self.send(notification, &held.id, body).await,
            // What cannot be made now cannot be made later.
            Err(why) => Outcome::Refused(why),
        };
        let now = self.world().wall();
        match outcome {
            Outcome::Arrived => return self.deliveries.remove(&held).await,
            Outcome::Failed(why, asked) => {
                let wait = wait_after(held.state.attempts, asked, self.world().chance());
                match wait {
                    Some(wait) => held.state.next = now.plus(wait),
                    None => held.state.died = Some(now),
                }
                held.state.error = Some(why);
            }
            Outcome::Refused(why) => {
                held.state.died = Some(now);
                held.state.error = Some(why);
            }
        }
        let Some(held) = self.deliveries.save(&held).await? else { return Ok(()) };
        if held.state.died.is_some() {
            let (run, error) = (&held.state.run, held.state.error.as_deref().unwrap_or_default());
            let (id, name) = (&held.id, notification.name());
            tracing::warn!(
                target: "stepwright",
                "delivery `{id}` about run `{run}` to `{name}` is dead: {error}"
            );
            self.deliveries.bury(&held).await?;
        }
        Ok(())
    }

    /// Makes the links of requests, for the person that they are for.
    async fn linked(
        &self,
        notification: &Notification,
        state: &State,
        asked: Vec<Requirement>,
    ) -> Result<Vec<(Requirement, Option<String>)>, Error> {
        let mut all = Vec::with_capacity(asked.len());
        for one in asked {
            let link = match (&notification.link_for, &self.make_link) {
                (Some(person), Some(make)) => {
                    make(state.run.clone(), one.clone(), person.clone()).await?
                }
                _ => None,
            };
            all.push((one, link));
        }
        Ok(all)
    }

    async fn send(&self, notification: &Notification, id: &str, body: Vec<u8>) -> Outcome {
        let now = self.world().wall();
        let client = match &*self.client {
            Ok(client) => client,
            Err(why) => return Outcome::Failed(why.clone(), None),
        };
        let time = now.seconds().to_string();
        let mut request = client
            .post(notification.to.clone())
            .timeout(notification.timeout)
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", &time);
        if let Some(secret) = &notification.secret {
            request = request.header("webhook-signature", sign(secret, id, &time, &body));
        }
        match request.body(body).send().await {
            Ok(answer) => {
                let after = answer.headers().get(RETRY_AFTER).and_then(|text| text.to_str().ok());
                judge(answer.status().as_u16(), after, now)
            }
            Err(error) => Outcome::Failed(failed(&error, notification.timeout), None),
        }
    }
}

/// Makes the body of a request, or returns the reason that there is none.
async fn body(notification: &Notification, values: Value) -> Result<Vec<u8>, String> {
    let body = match &notification.make_body {
        Some(make) => make(values).await.map_err(|error| error.report())?,
        None => about::body(&values),
    };
    let body = body.to_string().into_bytes();
    if body.len() > NOTIFY_BODY_BYTES_MAX {
        let bytes = body.len();
        return Err(format!("the body has {bytes} bytes; the limit is {NOTIFY_BODY_BYTES_MAX}"));
    }
    Ok(body)
}

/// Says why a request failed, without its address, which may hold a secret.
fn failed(error: &reqwest::Error, timeout: Duration) -> String {
    if error.is_timeout() {
        return format!("the receiver did not answer within {timeout:?}");
    }
    format!("the receiver cannot be reached: {}", stepwright_http::causes(error))
}

impl fmt::Debug for Notifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notifier").field("workflows", &self.workflows).finish_non_exhaustive()
    }
}
