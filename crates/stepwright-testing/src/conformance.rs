//! The conformance test for stores.
//!
//! A store that passes can be used by the engine. The built-in stores pass. Run the test on your
//! own store:
//!
//! ```
//! use stepwright_core::Memory;
//! use stepwright_testing::conformance;
//!
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! conformance::store(|| async { Memory::default() }).await;
//! # });
//! ```

mod appends;
mod deleting;
mod forks;
mod media;
mod memories;
mod messages;
mod requests;
mod runs;
mod samples;
mod sessions;
mod slots;
mod values;
mod waiting;

use futures_util::future::BoxFuture;
use std::error::Error as StdError;
use std::fmt::{self, Debug};
use stepwright_core::cost::Cost;
use stepwright_core::event::WorkflowStarted;
use stepwright_core::journal::{Append, SessionClose};
use stepwright_core::{
    ContainerKind, Decision, Event, EventKind, Metrics, Patch, RunId, Session, SessionId, StepPath,
    Store, Timestamp, UserId, WorkflowId,
};

/// A day in 2026.
const START: u64 = 1_780_000_000_000;

/// Runs all cases. `open` returns a new, empty store for each.
///
/// # Panics
/// Panics if the store does not conform, with the case and the difference.
pub async fn store<S: Store, F: Future<Output = S>>(open: impl Fn() -> F) {
    let cases = appends::CASES.iter().chain(runs::CASES).chain(sessions::CASES);
    let cases = cases.chain(waiting::CASES).chain(forks::CASES).chain(deleting::CASES);
    let cases = cases.chain(memories::CASES).chain(values::CASES).chain(media::CASES);
    for (name, case) in cases.chain(slots::CASES).chain(messages::CASES).chain(requests::CASES) {
        let store = open().await;
        if let Err(wrong) = case(&store).await {
            panic!("the store does not conform, case `{name}`: {wrong}");
        }
    }
}

type Case = (&'static str, for<'a> fn(&'a dyn Store) -> BoxFuture<'a, Outcome>);
type Outcome = Result<(), Nonconformance>;

/// A difference between the store and its contract.
struct Nonconformance(String);

impl fmt::Display for Nonconformance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<E: StdError> From<E> for Nonconformance {
    fn from(error: E) -> Self {
        let mut text = format!("it returned an error: {error}");
        let mut source = error.source();
        while let Some(cause) = source {
            text.push_str(", caused by: ");
            text.push_str(&cause.to_string());
            source = cause.source();
        }
        Self(text)
    }
}

/// Lists the cases of a file under the names of their functions.
macro_rules! cases {
    ($($name:ident),* $(,)?) => {
        pub(super) const CASES: &[super::Case] =
            &[$((stringify!($name), |store| Box::pin($name(store)))),*];
    };
}

/// Fails the case unless the value matches the pattern.
macro_rules! wants {
    ($what:literal, $value:expr, $pattern:pat $(if $guard:expr)?) => {
        match $value {
            $pattern $(if $guard)? => {}
            other => {
                let wanted = stringify!($pattern $(if $guard)?);
                return Err(crate::conformance::wrong($what, &other, &format_args!("{wanted}")));
            }
        }
    };
}

use {cases, wants};

fn wrong(what: &str, found: &dyn Debug, wanted: &dyn Debug) -> Nonconformance {
    let (found, wanted) = (format!("{found:?}"), format!("{wanted:?}"));
    let alike = found.chars().zip(wanted.chars()).take_while(|(a, b)| a == b).count();
    // Show only the surroundings of the first difference between long values.
    let brief = |text: &str| match text.chars().count() {
        0..600 => text.to_owned(),
        length => {
            let from = alike.saturating_sub(100);
            let part: String = text.chars().skip(from).take(300).collect();
            format!("…{part}… (from character {from} of {length})")
        }
    };
    Nonconformance(format!("{what}: found {}, wanted {}", brief(&found), brief(&wanted)))
}

/// Fails the case unless both values are equal.
#[expect(clippy::needless_pass_by_value, reason = "reads better with fresh values and literals")]
fn same<T: PartialEq + Debug>(what: &str, found: T, wanted: T) -> Outcome {
    if found == wanted { Ok(()) } else { Err(wrong(what, &found, &wanted)) }
}

/// A run whose facts are appended in order.
struct TestRun<'a> {
    store: &'a dyn Store,
    run: RunId,
    start: WorkflowStarted,
    next: u64,
}

impl<'a> TestRun<'a> {
    /// Creates a run that has not started, of workflow `w`, in a session without an owner.
    fn new(store: &'a dyn Store, run: &str, session: &str) -> Self {
        // Start from JSON, so that new optional fields do not have to be listed here.
        let start = serde_json::json!({
            "workflow_id": "w",
            "workflow_name": "W",
            "digest": "d1",
            "session_id": session,
            "input": {"content": "in"},
        });
        let start = serde_json::from_value(start).expect("the beginning of a run");
        Self { store, run: RunId::new(run).expect("an identifier"), start, next: 0 }
    }

    fn user(mut self, user: &str) -> Self {
        self.start.user_id = Some(user_id(user));
        self
    }

    fn workflow(mut self, id: &str) -> Self {
        self.start.workflow_id = workflow(id);
        self
    }

    fn start_kind(&self) -> EventKind {
        EventKind::WorkflowStarted(std::sync::Arc::new(self.start.clone()))
    }

    /// Returns the fact with this number. Facts are ten milliseconds apart.
    fn fact(&self, sequence: u64, kind: EventKind) -> Event {
        let path = match (sequence, kind.is_terminal()) {
            (0, _) | (_, true) => StepPath::root(),
            _ => StepPath::from("ä step/loop#2/write"),
        };
        let time = Timestamp(START + sequence * 10);
        Event { sequence, delta: 0, time, run: self.run.clone(), path, kind }
    }

    /// Returns an append of these kinds from a number on, without regard to the run's state.
    fn append_at(&self, first: u64, kinds: Vec<EventKind>) -> Append {
        let facts = (first..).zip(kinds).map(|(at, kind)| self.fact(at, kind)).collect();
        Append { run: self.run.clone(), facts, close: None, driver: None }
    }

    async fn append(&mut self, kinds: Vec<EventKind>) -> Result<(), stepwright_core::StoreError> {
        let count = kinds.len() as u64;
        self.store.append(self.append_at(self.next, kinds)).await?;
        self.next += count;
        Ok(())
    }

    async fn begin(&mut self) -> Result<(), stepwright_core::StoreError> {
        self.append(vec![self.start_kind()]).await
    }

    /// Ends the run as completed, and updates its session.
    async fn close(&mut self, patches: Vec<Patch>) -> Result<(), stepwright_core::StoreError> {
        let mut append = self.append_at(self.next, vec![completed("done")]);
        let (metrics, run) = (metrics(), Some(metrics()));
        append.close = Some(SessionClose { patches, metrics, retried: false, run });
        self.store.append(append).await?;
        self.next += 1;
        Ok(())
    }

    async fn journal(&self) -> Result<Vec<Event>, stepwright_core::StoreError> {
        self.store.load(&self.run, 0, usize::MAX).await
    }

    /// Checks that the journal contains only the facts that this driver appended.
    async fn unchanged(&self, after: &str) -> Outcome {
        same(after, self.journal().await?.len() as u64, self.next)
    }
}

fn session_id(text: &str) -> SessionId {
    SessionId::new(text).expect("an identifier")
}

fn user_id(text: &str) -> UserId {
    UserId::new(text).expect("an identifier")
}

fn workflow(text: &str) -> WorkflowId {
    WorkflowId::new(text).expect("an identifier")
}

fn started(count: u32) -> EventKind {
    EventKind::ContainerStarted { kind: ContainerKind::Steps, decision: Decision::Count(count) }
}

fn completed(text: &str) -> EventKind {
    EventKind::WorkflowCompleted { content: text.into(), stopped_at: None }
}

fn metrics() -> Metrics {
    let usage = stepwright_core::message::Usage {
        input_tokens: Some(100),
        output_tokens: Some(7),
        ..Default::default()
    };
    Metrics {
        duration_ms: 1_500,
        steps: 4,
        retries: 1,
        model_calls: 3,
        tool_calls: 2,
        usage,
        cost: Cost::usd(0.25),
    }
}

async fn session(store: &dyn Store, id: &str) -> Result<Session, Nonconformance> {
    let found = store.session(&session_id(id)).await?;
    found.ok_or_else(|| Nonconformance(format!("session `{id}` was not found")))
}
