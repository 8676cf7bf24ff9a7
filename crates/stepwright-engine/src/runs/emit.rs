//! Events from outside, for the runs that wait for them.

use super::Runs;
use super::snapshot::Snapshot;
use crate::waits::{Found, WaitIndex};
use serde_json::Value;
use std::fmt;
use std::future::IntoFuture;
use std::sync::Arc;
use stepwright_core::awaited::{EVENT_BYTES_MAX, EVENT_KEY_MAX};
use stepwright_core::event::Reply;
use stepwright_core::requirement::RequirementKind;
use stepwright_core::store::{Signal, SignalKind};
use stepwright_core::wait::check_event_name;
use stepwright_core::{
    Answer, BoxFuture, Error, ErrorId, Event, RunId, StoreError, Timestamp, UserId, World,
};

/// An event from outside, before it is sent. Await it.
///
/// It reaches each run that waits for its name and its key at that moment, and whose condition its
/// payload meets: [`StepContext::wait_for`](stepwright_core::StepContext::wait_for). It is not
/// kept for runs that wait later. When it has been sent, it is stored for those runs: a crash does
/// not lose it.
///
/// ```
/// # use stepwright_core::{AnyStore, Memory, StepContext, StepError};
/// # use stepwright_engine::{Runs, Workflow};
/// async fn settle(order: String, cx: StepContext) -> Result<String, StepError> {
///     let paid: u64 = cx.wait_for("order.paid").key(order).await?;
///     Ok(format!("{paid} EUR"))
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), stepwright_core::Error> {
/// let memory = Memory::default();
/// let workflow = Workflow::builder("Orders").store(memory.clone()).step(settle).build()?;
/// let paused = workflow.run("o-17").await?;
/// let runs = Runs::of(AnyStore::new(memory));
/// let emitted = runs.emit("order.paid").key("o-17").payload(5).await?;
/// assert_eq!(emitted.received, [paused.run_id.clone()]);
/// let output = workflow.resume(&paused.run_id).await?;
/// assert_eq!(output.content.text(), "5 EUR");
/// # Ok(()) }
/// ```
///
/// # Errors
/// [`ErrorKind::Usage`](stepwright_core::ErrorKind) if the name, the key, the id or the payload
/// cannot be used. If the store fails half-way, some runs may have the event: send it again with
/// the same [`Emit::id`].
#[must_use = "an event is not sent until it is awaited"]
pub struct Emit {
    /// `None` if there is no store, where no run can wait.
    runs: Option<Runs>,
    world: World,
    name: Arc<str>,
    key: Option<Arc<str>>,
    payload: Value,
    id: Option<Arc<str>>,
    by: Option<Arc<str>>,
}

/// An event that was sent.
///
/// ```
/// use stepwright_engine::Emitted;
/// fn told(emitted: &Emitted) -> String {
///     format!("{} runs received event {}", emitted.received.len(), emitted.id)
/// }
/// # let _ = told;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Emitted {
    /// The id of the event, as the journals of the runs have it.
    pub id: Arc<str>,
    /// The runs that received it by this call, each once. A run that has received the same id
    /// before is not among them.
    pub received: Vec<RunId>,
    /// The runs that received the same id before, and wait for the same event: they did not receive
    /// it again.
    pub before: Vec<RunId>,
}

/// The result of an event for one run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reception {
    Now,
    /// The run has received the same id.
    Before,
    Not,
}

impl Runs {
    /// Prepares an event from outside: see [`Emit`]. A reader of one user reaches only that user's
    /// runs.
    pub fn emit(&self, name: impl Into<Arc<str>>) -> Emit {
        let emit = Emit::new(Some(self.clone()), self.world.clone(), name);
        match &self.user {
            Some(user) => emit.by(user.as_str()),
            None => emit,
        }
    }
}

impl Emit {
    pub(crate) fn new(runs: Option<Runs>, world: World, name: impl Into<Arc<str>>) -> Self {
        let (name, payload) = (name.into(), Value::Null);
        Self { runs, world, name, key: None, payload, id: None, by: None }
    }

    /// Limits the event to the runs of one user, who is the sender.
    pub(crate) fn of_user(mut self, user: &UserId) -> Self {
        if let Some(runs) = &mut self.runs {
            runs.user = Some(user.clone());
        }
        self.by(user.as_str())
    }

    /// Sets the key of the event. It reaches the runs that wait for this key, and those that wait
    /// without one.
    pub fn key(mut self, key: impl Into<Arc<str>>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// Sets the payload, which becomes the output of the waits. By default it is `null`.
    pub fn payload(mut self, payload: impl Into<Value>) -> Self {
        self.payload = payload.into();
        self
    }

    /// Sets the id of the event. Sent again with the same id, it reaches no run a second time: a
    /// wait that began after the run had received it is passed by. By default it is random.
    pub fn id(mut self, id: impl Into<Arc<str>>) -> Self {
        self.id = Some(id.into());
        self
    }

    /// Sets the name of the sender, which the journals have.
    pub fn by(mut self, sender: impl Into<Arc<str>>) -> Self {
        self.by = Some(sender.into());
        self
    }

    fn check(&self) -> Result<(), Error> {
        check_event_name(&self.name)?;
        let too_long = |what: &str, bytes: usize, limit: usize| {
            let what = format!("the {what} of the event has {bytes} bytes; the limit is {limit}");
            Err(Error::usage(what).with_id(ErrorId::EVENT_INVALID))
        };
        for (what, text) in [("key", &self.key), ("id", &self.id)] {
            let bytes = text.as_ref().map_or(0, |text| text.len());
            if bytes > EVENT_KEY_MAX {
                return too_long(what, bytes, EVENT_KEY_MAX);
            }
        }
        if self.id.as_deref() == Some("") {
            let error = Error::usage("the id of the event is empty");
            return Err(error.with_id(ErrorId::EVENT_INVALID).with_hint("leave it out"));
        }
        match self.payload.to_string().len() {
            0..=EVENT_BYTES_MAX => Ok(()),
            bytes => too_long("payload", bytes, EVENT_BYTES_MAX),
        }
    }

    async fn send(self) -> Result<Emitted, Error> {
        self.check()?;
        let Self { runs, world, name, key, payload, id, by } = self;
        let id = id.unwrap_or_else(|| world.run_id().as_str().into());
        let (mut received, mut before) = (Vec::new(), Vec::new());
        let Some(runs) = runs else { return Ok(Emitted { id, received, before }) };
        let answer = Answer::Event { id: id.clone(), payload };
        let index = WaitIndex { store: &runs.store, world: &world };
        // Runs that wait for the key, and then those that wait without one.
        for key in [key.as_deref().map(Some), Some(None)].into_iter().flatten() {
            let mut after = None;
            loop {
                let (page, next) = index.list(&name, key, after).await?;
                for found in page {
                    let run = found.entry.run.clone();
                    let reception =
                        runs.offer(&index, found, (&*name, key), &answer, by.as_ref()).await?;
                    match reception {
                        Reception::Now if !received.contains(&run) => received.push(run),
                        Reception::Before if !before.contains(&run) => before.push(run),
                        _ => {}
                    }
                }
                after = next;
                if after.is_none() {
                    break;
                }
            }
        }
        before.retain(|run| !received.contains(run));
        Ok(Emitted { id, received, before })
    }
}

impl Runs {
    /// Leaves the event in the inbox of a run, if the run waits for it. One damaged run does not
    /// keep the event from the others.
    async fn offer(
        &self,
        index: &WaitIndex<'_>,
        found: Found,
        place: (&str, Option<&str>),
        answer: &Answer,
        by: Option<&Arc<str>>,
    ) -> Result<Reception, Error> {
        let run = found.entry.run.clone();
        match self.leave_event(index, found, place, answer, by).await {
            Err(error) if matches!(error.id(), ErrorId::JOURNAL_DAMAGED | ErrorId::ROW_DAMAGED) => {
                let event = place.0;
                tracing::warn!(
                    target: "stepwright", %run, "a run that may wait for `{event}` is left out: \
                     {error}"
                );
                Ok(Reception::Not)
            }
            left => left,
        }
    }

    async fn leave_event(
        &self,
        index: &WaitIndex<'_>,
        found: Found,
        (event, key): (&str, Option<&str>),
        answer: &Answer,
        by: Option<&Arc<str>>,
    ) -> Result<Reception, Error> {
        let (run, asked) = (found.entry.run.clone(), found.entry.asked.clone());
        let Some(row) = self.store.run(&run).await? else {
            index.clear(found).await?;
            return Ok(Reception::Not);
        };
        let is_elsewhere = self.workflow.as_ref().is_some_and(|id| *id != row.workflow_id);
        if is_elsewhere || self.user.as_ref().is_some_and(|id| row.user_id.as_ref() != Some(id)) {
            return Ok(Reception::Not);
        }
        if row.status.is_terminal() {
            index.clear(found).await?;
            return Ok(Reception::Not);
        }
        let snapshot = Snapshot::load(&self.store, row, true).await?;
        match snapshot.expects(&asked, event, key, answer, self.world.now()) {
            Reception::Now => {}
            other => return Ok(other),
        }
        let reply = Reply {
            requirement_id: asked,
            answer: answer.clone(),
            by: by.cloned(),
            timed_out: false,
        };
        let signal = Signal::answer(run.clone(), reply, self.world.now());
        // Of two events, one is the answer; the run may also have been deleted meanwhile.
        match self.store.submit(signal).await {
            Err(StoreError::NotFound(_)) => Ok(Reception::Not),
            submitted => Ok(if submitted? { Reception::Now } else { Reception::Not }),
        }
    }
}

impl Snapshot {
    /// Returns [`Reception::Now`] if the run waits for this event, and had not received it when
    /// that wait began.
    fn expects(
        &self,
        asked: &str,
        event: &str,
        wanted: Option<&str>,
        answer: &Answer,
        now: Timestamp,
    ) -> Reception {
        let Answer::Event { id, payload } = answer else { return Reception::Not };
        let open = self.fold().requirements().iter().find(|open| *open.id == *asked);
        let Some(RequirementKind::Event { name, key, condition, .. }) = open.map(|open| &open.kind)
        else {
            return Reception::Not;
        };
        if **name != *event || key.as_deref() != wanted {
            return Reception::Not;
        }
        if self.has_received(id, asked) {
            return Reception::Before;
        }
        match self.waiting_answer(asked).map(|signal| &signal.kind) {
            Some(SignalKind::Answer(reply)) if is_of_event(reply, id) => Reception::Before,
            Some(_) => Reception::Not,
            None => {
                let fits = condition.as_ref().is_none_or(|condition| condition.holds(payload));
                let in_time = self.answer_due(asked).is_none_or(|due| now <= due);
                if fits && in_time { Reception::Now } else { Reception::Not }
            }
        }
    }

    /// Returns `true` if the run received an event before it made this request.
    fn has_received(&self, event: &str, asked: &str) -> bool {
        let is_same = |reply: &Reply| is_of_event(reply, event);
        let facts = self.facts();
        let is_asked = |fact: &Event| fact.kind.requirement().is_some_and(|one| *one.id == *asked);
        let Some(begun) = facts.iter().rposition(is_asked) else { return false };
        let before = |signal: &Signal| signal.at < facts[begun].time;
        facts[..begun].iter().filter_map(|fact| fact.kind.reply()).any(is_same)
            || self
                .inbox()
                .iter()
                .filter(|signal| before(signal))
                .any(|signal| matches!(&signal.kind, SignalKind::Answer(reply) if is_same(reply)))
    }
}

fn is_of_event(reply: &Reply, event: &str) -> bool {
    matches!(&reply.answer, Answer::Event { id, .. } if **id == *event)
}

impl IntoFuture for Emit {
    type Output = Result<Emitted, Error>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

impl fmt::Debug for Emit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emit")
            .field("name", &self.name)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}
