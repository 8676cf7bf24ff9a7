//! Messages to agents at work: checked, and left in the inbox of their run.

use super::Runs;
use super::snapshot::Snapshot;
use std::collections::BTreeSet;
use std::fmt;
use std::future::IntoFuture;
use std::sync::Arc;
use stepwright_core::event::EventClass;
use stepwright_core::plan::{Node, NodeKind, Plan};
use stepwright_core::rewind::effective;
use stepwright_core::sent::{SENT_BYTES_MAX, SENT_WAITING_MAX, SendMode, SentMessage};
use stepwright_core::step::ExecutorType;
use stepwright_core::store::Signal;
use stepwright_core::{BoxFuture, Error, ErrorId, Event, EventKind, RunId, StepPath};

/// A message to an agent at work, before it is sent. Await it.
///
/// When it has been sent, it is stored: a crash does not lose it. The agent gets it at its next
/// safe point, by its [`SendMode`], and exactly once. If the run ends before that, or has ended,
/// the first agent of the next run of the session gets it ahead of its first request.
///
/// ```
/// # use stepwright_core::{Memory, StepContext, StepInput, StepOutput, StepError, Executor};
/// # use stepwright_core::executor::ExecutorType;
/// # use stepwright_engine::{Step, Workflow};
/// # struct Waits(tokio::sync::Semaphore);
/// # impl Executor for Waits {
/// #     fn name(&self) -> &str { "writer" }
/// #     fn executor_type(&self) -> ExecutorType { ExecutorType::Agent }
/// #     async fn execute(&self, _: StepInput, cx: StepContext) -> Result<StepOutput, StepError> {
/// #         let agent = stepwright_core::EventKind::RunStarted {
/// #             agent: "writer".into(), model: "m".into(), notice: None, message: "".into() };
/// #         cx.record(agent).await?;
/// #         loop {
/// #             if let Some(message) = cx.receive(false).await?.pop() {
/// #                 return Ok(format!("a text: {}", message.text).into());
/// #             }
/// #             tokio::task::yield_now().await;
/// #         }
/// #     }
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), stepwright_core::Error> {
/// # let writer = Waits(tokio::sync::Semaphore::new(0));
/// // `writer` is an agent that works for a while.
/// let workflow = Workflow::builder("News").store(Memory::default()).step(writer).build()?;
/// let handle = workflow.run("bridges").background().await?;
/// let sent = handle.steer("Leave out the costs.").await?;
/// assert!(!sent.is_for_next_run);
/// assert_eq!(handle.wait().await?.content.text(), "a text: Leave out the costs.");
/// # Ok(()) }
/// ```
///
/// # Errors
/// The errors of [`Runs::row`]. [`ErrorKind::Usage`](stepwright_core::ErrorKind) if the message is
/// empty or too long, if no agent of the workflow can get it, or if it has no path and several
/// agents are at work.
#[must_use = "a message is not sent until it is awaited"]
pub struct SendMessage {
    runs: Result<Runs, Error>,
    run: Result<RunId, Error>,
    to: Option<String>,
    message: SentMessage,
}

/// A message that was sent.
///
/// ```
/// use stepwright_engine::Sent;
/// fn told(sent: &Sent) -> &'static str {
///     if sent.is_for_next_run { "kept for the next run" } else { "sent" }
/// }
/// # let _ = told;
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sent {
    /// The id of the message, as the fact has it that an agent got it.
    pub id: Arc<str>,
    /// The run in whose inbox it is.
    pub run_id: RunId,
    /// `true` if the run has ended, so that the next run of its session gets the message.
    pub is_for_next_run: bool,
}

impl SendMessage {
    pub(crate) fn new(
        runs: Result<Runs, Error>,
        run: Result<RunId, Error>,
        text: impl Into<Arc<str>>,
    ) -> Self {
        let (id, text) = ("".into(), text.into());
        let message = SentMessage { id, text, mode: SendMode::Steer, to: None, by: None };
        Self { runs, run, to: None, message }
    }

    /// Sets the moment at which the agent gets the message. By default, before its next request to
    /// the model.
    pub fn mode(mut self, mode: SendMode) -> Self {
        self.message.mode = mode;
        self
    }

    /// Sets the path of the agent, such as `panel/critic`, or of a container around it. It is
    /// needed while several agents are at work.
    pub fn to(mut self, path: impl AsRef<str>) -> Self {
        self.to = Some(path.as_ref().to_owned());
        self
    }

    /// Sets the name of the sender, which the journal has.
    pub fn by(mut self, sender: impl Into<Arc<str>>) -> Self {
        self.message.by = Some(sender.into());
        self
    }

    async fn send(self) -> Result<Sent, Error> {
        let Self { runs, run, to, mut message } = self;
        let (run, runs) = (run?, runs?);
        check_text(&message.text)?;
        if let Some(to) = to {
            let to: StepPath = to.parse().map_err(|error: stepwright_core::path::PathError| {
                Error::usage(error.to_string()).with_id(ErrorId::MESSAGE_INVALID)
            })?;
            message.to = Some(to);
        }
        let snapshot = runs.load_with_facts(&run).await?;
        let is_for_next_run = snapshot.status().is_terminal();
        runs.check_agent(&snapshot, &message, is_for_next_run).await?;
        let inbox = runs.store.inbox(&run).await?;
        let waiting = inbox.iter().filter(|signal| signal.is_message()).count();
        let given = |fact: &Event| matches!(fact.kind, EventKind::MessageReceived { .. });
        let given = snapshot.facts().iter().filter(|fact| given(fact)).count();
        if waiting.saturating_sub(given) >= SENT_WAITING_MAX {
            let what = format!(
                "{SENT_WAITING_MAX} messages wait in the inbox of run `{run}`, which is the limit"
            );
            let error = Error::usage(what).with_id(ErrorId::MESSAGE_INVALID);
            return Err(error.with_hint("wait until an agent has got some of them"));
        }
        message.id = runs.world.run_id().as_str().into();
        let id = message.id.clone();
        let signal = Signal::message(run.clone(), message, runs.world.now());
        runs.store.submit(signal).await?;
        if let Some(local) = runs.known_here(&run) {
            local.mail_arrived();
        }
        Ok(Sent { id, run_id: run, is_for_next_run })
    }
}

impl IntoFuture for SendMessage {
    type Output = Result<Sent, Error>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

impl fmt::Debug for SendMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let run = self.run.as_ref().ok();
        f.debug_struct("SendMessage").field("run", &run).finish_non_exhaustive()
    }
}

fn check_text(text: &str) -> Result<(), Error> {
    let wrong = |what: String| Error::usage(what).with_id(ErrorId::MESSAGE_INVALID);
    if text.trim().is_empty() {
        return Err(
            wrong("the message is empty".to_owned()).with_hint("write what the agent is to do")
        );
    }
    if text.len() > SENT_BYTES_MAX {
        let what = format!("the message has {} bytes; the limit is {SENT_BYTES_MAX}", text.len());
        return Err(
            wrong(what).with_hint("send what is long as a file, and its name as the message")
        );
    }
    Ok(())
}

impl Runs {
    /// Prepares a message to an agent of a run, in whichever process the run is driven: see
    /// [`SendMessage`].
    pub fn send(&self, run: &RunId, text: impl Into<Arc<str>>) -> SendMessage {
        SendMessage::new(Ok(self.clone()), Ok(run.clone()), text)
    }

    /// Checks that an agent of the run, or of the next one, may get a message.
    async fn check_agent(
        &self,
        snapshot: &Snapshot,
        message: &SentMessage,
        has_ended: bool,
    ) -> Result<(), Error> {
        let (run, to) = (&snapshot.row().run_id, message.to.as_ref());
        let wrong = |what: String| Error::usage(what).with_id(ErrorId::MESSAGE_NO_AGENT);
        if let Some(to) = to.filter(|_| has_ended) {
            let what = format!("run `{run}` has ended, and no agent at `{to}` can get a message");
            let hint = "leave out the path: the next run of the session gets the message";
            return Err(wrong(what).with_hint(hint));
        }
        let at_work = agents_at_work(snapshot.facts());
        if to.is_none() {
            let ready: Vec<&StepPath> =
                at_work.iter().filter(|agent| message.is_for(agent)).collect();
            if ready.len() > 1 {
                let names: Vec<String> = ready.iter().map(|path| format!("`{path}`")).collect();
                let what =
                    format!("several agents of run `{run}` are at work: {}", names.join(", "));
                let error = Error::usage(what).with_id(ErrorId::MESSAGE_AMBIGUOUS);
                return Err(error.with_hint("name one of these paths with `to`"));
            }
        }
        if at_work.iter().any(|agent| message.is_for(agent)) {
            return Ok(());
        }
        let known = self.agents_of(snapshot).await?;
        let Some(to) = to else {
            if known.as_ref().is_some_and(BTreeSet::is_empty) && !has_agents(snapshot.facts()) {
                let workflow = &snapshot.row().workflow_id;
                let what = format!("workflow `{workflow}` of run `{run}` has no agent");
                return Err(wrong(what).with_hint("only agents get messages"));
            }
            return Ok(());
        };
        let Some(known) = known else { return Ok(()) };
        let leads = |name: &str| known.iter().any(|path| path.split('/').any(|part| part == name));
        if leads(to.name()) {
            return Ok(());
        }
        let paths = at_work.iter().map(ToString::to_string).chain(known);
        let paths: BTreeSet<String> = paths.map(|path| format!("`{path}`")).collect();
        let hint = match paths.len() {
            0 => "it has no agents".to_owned(),
            _ => format!("its agents are {}", Vec::from_iter(paths).join(", ")),
        };
        Err(wrong(format!("run `{run}` has no agent at `{to}`")).with_hint(hint))
    }

    /// Returns the paths of the agents that are steps, without the numbers of turns and items.
    /// `None` if the plan is not stored.
    async fn agents_of(&self, snapshot: &Snapshot) -> Result<Option<BTreeSet<String>>, Error> {
        let Some(plan) = self.store.plan(&snapshot.row().digest).await? else { return Ok(None) };
        let Ok(plan) = serde_json::from_str::<Plan>(&plan) else { return Ok(None) };
        let mut agents = BTreeSet::new();
        collect(&plan.body, "", &mut agents);
        collect(&plan.after, "", &mut agents);
        Ok(Some(agents))
    }
}

fn collect(nodes: &[Node], within: &str, agents: &mut BTreeSet<String>) {
    for node in nodes {
        let path = match within {
            "" => node.name.to_string(),
            within => format!("{within}/{}", node.name),
        };
        if let NodeKind::Step { executor_type: ExecutorType::Agent | ExecutorType::Team, .. } =
            node.kind
        {
            agents.insert(path.clone());
        }
        for body in node.kind.bodies() {
            collect(body, &path, agents);
        }
        collect(&node.after, &path, agents);
    }
}

fn has_agents(facts: &[Event]) -> bool {
    facts.iter().any(|fact| matches!(fact.kind, EventKind::RunStarted { .. }))
}

/// Returns the paths of the agents at work, in the order in which they started.
fn agents_at_work(facts: &[Event]) -> Vec<StepPath> {
    let mut agents: Vec<StepPath> = Vec::new();
    for fact in effective(facts).iter() {
        let (path, kind) = (&fact.path, &fact.kind);
        let kind = match kind {
            EventKind::DeciderRecorded { fact } => fact,
            kind => kind,
        };
        match kind {
            EventKind::RunStarted { .. } => {
                agents.retain(|agent| agent != path);
                agents.push(path.clone());
            }
            EventKind::RunCompleted { .. } | EventKind::RunError { .. } => {
                agents.retain(|agent| agent != path);
            }
            kind => match kind.class() {
                EventClass::StepEnded(_) | EventClass::ContainerEnded(_) => {
                    agents.retain(|agent| !path.contains(agent));
                }
                EventClass::Attempt if matches!(kind, EventKind::StepRetrying { .. }) => {
                    agents.retain(|agent| !path.contains(agent));
                }
                EventClass::RunEnded(_) => agents.clear(),
                _ => {}
            },
        }
    }
    agents
}
