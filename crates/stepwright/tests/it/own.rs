//! A model, a tool, an executor and a store of one's own, from what the facade offers alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use stepwright::execution::{FromContext, RunInfo, RunInput};
use stepwright::models::{
    Arguments, AssistantTurn, Completion, Model, ModelEvent, ModelRequest, ModelStream, Part,
    StopReason, ToolCall,
};
use stepwright::store::{
    Append, Claim, Claimed, Heard, Inbox, Leases, RunFilter, RunRow, RunStore, SeenDriver,
    SessionFilter, SessionStore, Signal, Waiting, WaitingFilter, Watched,
};
use stepwright::time::{Clock, VirtualClock};
use stepwright::tools::{Tool, ToolError, ToolSpec};
use stepwright::{
    Agent, AnyStore, BoxError, BoxFuture, Event, Executor, Memory, Patch, RunId, Session,
    SessionId, State, StepContext, StepError, StepInput, StepOutput, Store, StoreError, Timestamp,
    Workflow, WorkflowId, World,
};

/// Calls its only tool once, and says what it gave.
struct Caller;

impl Model for Caller {
    fn id(&self) -> &'static str {
        "own:caller"
    }

    fn stream(&self, request: ModelRequest) -> ModelStream {
        let (parts, stop) = match (request.tools.first(), request.messages.last()) {
            (Some(tool), Some(last)) if request.messages.len() == 1 => {
                let arguments = Arguments::json(last.text().into());
                let call = ToolCall { id: "c-1".into(), name: tool.name.clone(), arguments };
                (vec![Part::ToolCall(call)], StopReason::ToolCalls)
            }
            (_, last) => {
                let text = last.map(stepwright::models::Message::text).unwrap_or_default();
                (vec![Part::Text { text }], StopReason::EndTurn)
            }
        };
        let turn = AssistantTurn { parts, ..AssistantTurn::default() };
        let done = ModelEvent::Done(Completion { turn, stop, ..Completion::default() });
        Box::pin(futures_util::stream::iter([Ok(done)]))
    }
}

/// Counts its calls in the state of the host.
struct Counter(ToolSpec);

impl Tool for Counter {
    fn spec(&self) -> &ToolSpec {
        &self.0
    }

    fn call(
        &self,
        arguments: serde_json::Value,
        cx: StepContext,
    ) -> BoxFuture<'_, Result<String, ToolError>> {
        Box::pin(async move {
            let State(calls) =
                State::<Arc<AtomicUsize>>::from_context(&cx).map_err(ToolError::Fatal)?;
            Ok(format!("{arguments} is call {}", calls.fetch_add(1, Ordering::SeqCst) + 1))
        })
    }
}

/// Names the run and its input.
struct Named;

impl Executor for Named {
    fn name(&self) -> &'static str {
        "named"
    }

    async fn execute(&self, input: StepInput, cx: StepContext) -> Result<StepOutput, StepError> {
        let (run, given): (&RunInfo, &RunInput) = (cx.run(), &input.run);
        Ok(format!("{}: {} -> {}", run.run_id, given.content, input.text()).into())
    }
}

/// Counts the facts that are appended.
struct Counted(AnyStore, Arc<AtomicUsize>);

type Answer<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

impl RunStore for Counted {
    fn append(&self, append: Append) -> Answer<'_, ()> {
        self.1.fetch_add(append.facts.len(), Ordering::SeqCst);
        self.0.append(append)
    }
    fn load<'a>(&'a self, run: &'a RunId, from: u64, limit: usize) -> Answer<'a, Vec<Event>> {
        self.0.load(run, from, limit)
    }
    fn run<'a>(&'a self, run: &'a RunId) -> Answer<'a, Option<RunRow>> {
        self.0.run(run)
    }
    fn runs(&self, filter: RunFilter) -> Answer<'_, Vec<RunRow>> {
        self.0.runs(filter)
    }
    fn remember_plan<'a>(&'a self, digest: &'a str, plan: &'a str) -> Answer<'a, ()> {
        self.0.remember_plan(digest, plan)
    }
    fn plan<'a>(&'a self, digest: &'a str) -> Answer<'a, Option<String>> {
        self.0.plan(digest)
    }
    fn is_shared(&self) -> bool {
        self.0.is_shared()
    }
}

impl SessionStore for Counted {
    fn session<'a>(&'a self, session: &'a SessionId) -> Answer<'a, Option<Session>> {
        self.0.session(session)
    }
    fn sessions(&self, filter: SessionFilter) -> Answer<'_, Vec<Session>> {
        self.0.sessions(filter)
    }
    fn open_session(&self, session: Session) -> Answer<'_, bool> {
        self.0.open_session(session)
    }
    fn rename_session<'a>(
        &'a self,
        session: &'a SessionId,
        name: &'a str,
        now: Timestamp,
    ) -> Answer<'a, ()> {
        self.0.rename_session(session, name, now)
    }
    fn patch_session<'a>(
        &'a self,
        session: &'a SessionId,
        patches: &'a [Patch],
        now: Timestamp,
    ) -> Answer<'a, Session> {
        self.0.patch_session(session, patches, now)
    }
    fn delete_session<'a>(&'a self, session: &'a SessionId) -> Answer<'a, bool> {
        self.0.delete_session(session)
    }
}

impl Inbox for Counted {
    fn submit(&self, signal: Signal) -> Answer<'_, bool> {
        self.0.submit(signal)
    }
    fn inbox<'a>(&'a self, run: &'a RunId) -> Answer<'a, Vec<Signal>> {
        self.0.inbox(run)
    }
    fn unread<'a>(&'a self, session: &'a SessionId) -> Answer<'a, Vec<Signal>> {
        self.0.unread(session)
    }
    fn forward<'a>(
        &'a self,
        run: &'a RunId,
        id: &'a str,
        to: Option<&'a RunId>,
    ) -> Answer<'a, bool> {
        self.0.forward(run, id, to)
    }
    fn changed(&self, watched: Watched) -> BoxFuture<'static, ()> {
        self.0.changed(watched)
    }
}

impl Leases for Counted {
    fn claim(&self, claim: Claim) -> Answer<'_, Claimed> {
        self.0.claim(claim)
    }
    fn release<'a>(&'a self, run: &'a RunId, driver: &'a str) -> Answer<'a, ()> {
        self.0.release(run, driver)
    }
    fn heartbeat<'a>(&'a self, driver: &'a str, now: Timestamp) -> Answer<'a, Heard> {
        self.0.heartbeat(driver, now)
    }
    fn drivers<'a>(&'a self, workflow: &'a WorkflowId) -> Answer<'a, Vec<SeenDriver>> {
        self.0.drivers(workflow)
    }
    fn waiting(&self, filter: WaitingFilter) -> Answer<'_, Waiting> {
        self.0.waiting(filter)
    }
}

/// A clock that the program moves.
#[derive(Clone, Default)]
struct Own(VirtualClock);

impl Clock for Own {
    fn now(&self) -> Timestamp {
        self.0.now()
    }
    fn sleep(&self, duration: std::time::Duration) -> BoxFuture<'static, ()> {
        self.0.sleep(duration)
    }
}

fn is_store(_: &impl Store) {}

#[tokio::test]
async fn a_program_writes_every_seam_with_the_facade_alone() -> Result<(), BoxError> {
    let (calls, facts) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let spec = ToolSpec {
        name: "count".into(),
        description: "Counts.".into(),
        parameters: serde_json::json!({ "type": "object", "properties": {} }),
    };
    let agent = Agent::builder("Caller").model(Caller)?.tool(Counter(spec)).build()?;
    // A store behind a handle is a store.
    let store = AnyStore::new(Counted(AnyStore::new(Memory::default()), facts.clone()));
    is_store(&store);
    let workflow = Workflow::builder("Own")
        .step(agent)
        .step(Named)
        .store(store)
        .world(World::new(Own::default(), 7))
        .state(calls.clone())
        .build()?;
    let output = tokio::spawn(workflow.run("apples").run_id("r-1")).await??;
    assert_eq!(output.content.text(), "r-1: apples -> \"apples\" is call 1");
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    assert!(facts.load(Ordering::SeqCst) > 6);
    Ok(())
}

/// Nothing but the facade is named above.
#[test]
fn this_file_names_no_other_crate_of_ours() {
    let text = include_str!("own.rs");
    let inner = ["core", "engine", "agent", "models", "store"];
    assert!(!inner.iter().any(|name| text.contains(&format!("stepwright_{name}"))));
}
