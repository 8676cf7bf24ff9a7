//! Teams in each mode, agents in front of workflows, agents that remember, and agents with media,
//! inside each container: killed at each fact, paused inside a tool of a member, cancelled while an
//! answer streams, and resumed by another process.

use futures_util::StreamExt as _;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use stepwright_agent::{Agent, AgentMemory, Team, TeamMode, WorkflowAgent};
use stepwright_core::journal::Append;
use stepwright_core::message::{Message, Part};
use stepwright_core::model::ModelRequest;
use stepwright_core::store::RunStore as _;
use stepwright_core::tool::{Tool, ToolAnswer, ToolEffect, ToolError, ToolSpec};
use stepwright_core::{
    Answer, AnyStore, BoxFuture, Event, EventKind, Media, MediaKind, Memory, RunStatus,
    StepContext, StepError, StepInput,
};
use stepwright_engine::{
    AnyStep, Condition, IntoStep as _, Loop, Map, Parallel, Parts, Router, Run, Runs, Step, Steps,
    Workflow,
};
use stepwright_testing::grammar;
use stepwright_testing::model::{FunctionModel, Reply};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Subject {
    Team(TeamMode),
    InFront,
    Remembers,
    Draws,
}

/// The subjects, with the requests of a whole run, the requests until answers stream, and the calls
/// of the tool.
const SUBJECTS: [(Subject, usize, usize, usize); 7] = [
    (Subject::Team(TeamMode::Coordinate), 6, 5, 2),
    (Subject::Team(TeamMode::Route), 3, 3, 1),
    (Subject::Team(TeamMode::Collaborate), 5, 4, 2),
    (Subject::Team(TeamMode::Tasks), 5, 4, 1),
    (Subject::InFront, 3, 3, 1),
    (Subject::Remembers, 3, 2, 1),
    (Subject::Draws, 2, 2, 1),
];

const CONTAINERS: usize = 7;

/// The sizes of the image of the run and of the one that a tool draws. Both are kept by their hash.
const PHOTO: usize = 20_000;
const DRAWING: usize = 30_000;

#[derive(Clone, Copy, PartialEq)]
enum Act {
    Works,
    Asks,
    Hangs,
}

/// One process: its model, and the calls of its tool that ended.
#[derive(Clone)]
struct Process {
    subject: Subject,
    act: Act,
    model: FunctionModel,
    worked: Arc<AtomicUsize>,
}

/// A tool that may ask a person, and may draw.
struct Work(ToolSpec, Process);

impl Tool for Work {
    fn spec(&self) -> &ToolSpec {
        &self.0
    }

    fn effect(&self) -> ToolEffect {
        ToolEffect::Idempotent
    }

    fn call(&self, _: Value, _: StepContext) -> BoxFuture<'_, Result<String, ToolError>> {
        Box::pin(async { unreachable!("an agent takes the whole answer") })
    }

    fn answer(&self, _: Value, cx: StepContext) -> BoxFuture<'_, Result<ToolAnswer, ToolError>> {
        Box::pin(async move {
            if self.1.act == Act::Asks {
                cx.wait::<String>("tone").await.map_err(ToolError::Fatal)?;
            }
            self.1.worked.fetch_add(1, Ordering::SeqCst);
            let mut answer = ToolAnswer::from("done".to_owned());
            if self.1.subject == Subject::Draws {
                answer.media.push(image(DRAWING));
            }
            Ok(answer)
        })
    }
}

fn image(bytes: usize) -> Media {
    Media::bytes(MediaKind::Image, vec![7; bytes]).with_mime("image/png")
}

/// Returns the answer to a request of a leader, of an agent in front of a workflow, of a member, or
/// for memories.
fn reply(subject: Subject, act: Act, request: &ModelRequest) -> Reply {
    let instructions = request.instructions.as_deref().unwrap_or_default();
    let is_answer = |message: &&Message| matches!(message, Message::Assistant(_));
    let turns = request.messages.iter().filter(is_answer).count();
    if instructions.contains("You keep the memories of a user") {
        let add = json!({"change": "add", "memory": "Travels by train."});
        return Reply::text(json!({ "changes": [add] }).to_string());
    }
    if !instructions.contains("Work.") {
        return led(subject, turns);
    }
    match act {
        _ if turns == 0 => Reply::call("work", json!({})),
        Act::Hangs => Reply::text("half of it ").and_hang(),
        _ => Reply::text(format!("an answer after {} bytes", seen(request))),
    }
}

fn led(subject: Subject, turns: usize) -> Reply {
    let task = json!({"task": "x"});
    match (subject, turns) {
        (Subject::Team(TeamMode::Coordinate), 0) => {
            Reply::call("scout", task.clone()).and_call("critic", task)
        }
        (Subject::Team(TeamMode::Route), 0) => Reply::call("critic", task),
        (Subject::Team(TeamMode::Tasks), 0) => Reply::call("create_task", json!({"title": "t"})),
        (Subject::Team(TeamMode::Tasks), 1) => Reply::call("scout", json!({"task_id": "1"})),
        (Subject::InFront, 0) => Reply::call("run_workflow", json!({"message": "x"})),
        _ => Reply::text("the report"),
    }
}

/// Returns the number of bytes of media in a request. Those of a tool are shown in a message behind
/// its result.
fn seen(request: &ModelRequest) -> usize {
    let parts = request.messages.iter().flat_map(|message| match message {
        Message::User { parts } => parts.as_slice(),
        _ => &[],
    });
    let media = parts.filter_map(|part| match part {
        Part::Media { media } => media.live(),
        _ => None,
    });
    media.map(|bytes| bytes.len()).sum()
}

/// Adds up the bytes of all media that it can read.
async fn weigh(input: StepInput, cx: StepContext) -> Result<String, StepError> {
    let mut bytes = 0;
    for medium in input.media() {
        bytes += cx.media_bytes(&medium).await?.len();
    }
    Ok(format!("{}, and {bytes} bytes", input.text()))
}

impl Process {
    fn new(subject: Subject, act: Act) -> Self {
        let model = FunctionModel::new(move |request| reply(subject, act, request));
        Self { subject, act, model, worked: Arc::default() }
    }

    fn worker(&self, name: &str) -> Agent {
        let (tool, description) = ("work".into(), "Works.".into());
        let parameters = json!({"type": "object", "properties": {}});
        let spec = ToolSpec { name: tool, description, parameters };
        let agent = Agent::builder(name).model(self.model.clone()).unwrap().instructions("Work.");
        let agent = agent.tool(Work(spec, self.clone()));
        let remembers = self.subject == Subject::Remembers;
        let agent = if remembers { agent.memory(AgentMemory::after_run()) } else { agent };
        agent.build().unwrap()
    }

    /// The step with the team or the agent.
    fn step(&self) -> Step {
        match self.subject {
            Subject::Team(mode) => {
                let team = Team::builder("Desk").model(self.model.clone()).unwrap().mode(mode);
                let team = team
                    .member(self.worker("Scout"), "Finds sources.")
                    .member(self.worker("Critic"), "Finds mistakes.");
                Step::new("subject", team.build().unwrap())
            }
            Subject::InFront => {
                let plan = Workflow::builder("Plan").step(Step::new("made", self.worker("Maker")));
                let agent = WorkflowAgent::builder(&plan.build().unwrap());
                let agent = agent.model(self.model.clone()).unwrap();
                Step::new("subject", agent.build().unwrap())
            }
            Subject::Remembers | Subject::Draws => Step::new("subject", self.worker("Maker")),
        }
    }

    fn within(&self, container: usize) -> AnyStep {
        let beside = || Step::new("beside", |_: String| async { "beside" });
        match container {
            0 => Steps::new("in").step(self.step()).into_step(),
            1 => Parallel::new("in").branch(beside()).branch(self.step()).into_step(),
            2 => Loop::new("in").step(self.step()).at_most(1).into_step(),
            3 => Condition::constant("in", true).then(self.step()).into_step(),
            4 => {
                let router = Router::constant("in", ["subject"]).choice(self.step());
                router.choice(beside()).into_step()
            }
            5 => Map::new("in").over(|_: &StepInput| vec!["x"]).step(self.step()).into_step(),
            _ => Workflow::builder("in").step(self.step()).build().unwrap().into_step(),
        }
    }

    fn workflow(&self, container: usize, store: &Memory) -> Workflow {
        let steps = Workflow::builder("W").step(self.within(container)).step(Step::new("w", weigh));
        steps.store(store.clone()).build().unwrap()
    }

    fn run(&self, flow: &Workflow) -> Run {
        let parts = Parts::default().text("go");
        let draws = self.subject == Subject::Draws;
        let parts = if draws { parts.media(image(PHOTO)) } else { parts };
        flow.run(parts).run_id("r").user_id("ada")
    }

    fn requests(&self) -> usize {
        self.model.requests().len()
    }

    fn worked(&self) -> usize {
        self.worked.load(Ordering::SeqCst)
    }
}

async fn journal(store: &Memory) -> Vec<Event> {
    store.load(&"r".parse().unwrap(), 0, usize::MAX).await.unwrap()
}

/// Returns a store with the first facts of a run, as if its process had died behind them.
async fn cut(facts: &[Event], at: usize) -> Memory {
    let store = Memory::default();
    let (run, facts) = (facts[0].run.clone(), facts[..at].to_vec());
    store.append(Append { run, facts, close: None, driver: None }).await.unwrap();
    store
}

fn count(facts: &[Event], name: &str) -> usize {
    facts.iter().filter(|fact| fact.name() == name).count()
}

/// Returns the number of calls of the tool of a member that ended.
fn worked(facts: &[Event]) -> usize {
    let is_work = |fact: &&Event| match &fact.kind {
        EventKind::ToolCallCompleted { tool } => tool.name == "work",
        _ => false,
    };
    facts.iter().filter(is_work).count()
}

async fn memories(store: &Memory) -> Vec<String> {
    let runs = Runs::of(AnyStore::new(store.clone()));
    let all = runs.memories("ada").unwrap().list().await.unwrap();
    all.iter().map(|memory| memory.memory.to_string()).collect()
}

#[tokio::test]
async fn a_kill_at_any_fact_repeats_no_answered_request_and_no_completed_call() {
    for (subject, requests, _, calls) in SUBJECTS {
        for container in 0..CONTAINERS {
            let (store, process) = (Memory::default(), Process::new(subject, Act::Works));
            let flow = process.workflow(container, &store);
            let whole = process.run(&flow).await.unwrap();
            let place = format!("{subject:?} in container {container}");
            assert_eq!((process.requests(), process.worked()), (requests, calls), "{place}");
            let facts = journal(&store).await;
            grammar::check(&facts);
            for at in 1..facts.len() {
                let place = format!("{place}, cut at {at} of {}", facts.len());
                let (past, store) = (&facts[..at], cut(&facts, at).await);
                let process = Process::new(subject, Act::Works);
                let flow = process.workflow(container, &store);
                let output = flow.resume("r").await.unwrap();
                assert_eq!(output.content, whole.content, "{place}");
                assert_eq!(output.metrics.usage, whole.metrics.usage, "{place}");
                let left = requests - count(past, "ModelRequestCompleted");
                assert_eq!(process.requests(), left, "{place}");
                assert_eq!(process.worked(), calls - worked(past), "{place}");
                grammar::check(&journal(&store).await);
                // The store of the second process has what that process has changed.
                let is_due =
                    subject == Subject::Remembers && count(past, "MemoryUpdateCompleted") == 0;
                let wanted: &[&str] = if is_due { &["Travels by train."] } else { &[] };
                assert_eq!(memories(&store).await, wanted, "{place}");
            }
        }
    }
}

#[tokio::test]
async fn media_are_read_by_steps_and_models_and_are_in_no_fact() {
    for container in 0..CONTAINERS {
        let (store, process) = (Memory::default(), Process::new(Subject::Draws, Act::Works));
        let flow = process.workflow(container, &store);
        let output = process.run(&flow).await.unwrap();
        let text = output.content.text().into_owned();
        let (both, photo) = (PHOTO + DRAWING, PHOTO);
        assert!(text.contains(&format!("an answer after {both} bytes")), "{container}: {text}");
        assert!(text.ends_with(&format!(", and {photo} bytes")), "{container}: {text}");
        let written = serde_json::to_string(&journal(&store).await).unwrap();
        assert!(written.len() < PHOTO, "{container}: {} bytes of facts", written.len());
    }
}

#[tokio::test]
async fn a_pause_inside_a_member_is_continued_by_another_process_without_repeating_anything() {
    for (subject, requests, _, calls) in SUBJECTS {
        for container in 0..CONTAINERS {
            let place = format!("{subject:?} in container {container}");
            let (store, first) = (Memory::default(), Process::new(subject, Act::Asks));
            let paused = first.run(&first.workflow(container, &store)).await.unwrap();
            assert_eq!(paused.status, RunStatus::Paused, "{place}");
            // Members of one round ask at once.
            assert_eq!(paused.requirements.len(), calls, "{place}");
            let answered = count(&journal(&store).await, "ModelRequestCompleted");
            assert_eq!((first.requests(), first.worked()), (answered, 0), "{place}");
            let second = Process::new(subject, Act::Asks);
            let flow = second.workflow(container, &store);
            let ids = paused.requirements.iter().map(|asked| asked.id.to_string());
            let answers: Vec<_> = ids.map(|id| (id, Answer::submit("dry"))).collect();
            let output = flow.continue_run("r", answers).await.unwrap();
            assert_eq!(output.status, RunStatus::Completed, "{place}");
            let left = (requests - answered, calls);
            assert_eq!((second.requests(), second.worked()), left, "{place}");
            grammar::check(&journal(&store).await);
        }
    }
}

#[tokio::test]
async fn a_cancel_while_answers_stream_ends_the_run_and_changes_nothing() {
    for (subject, _, until, calls) in SUBJECTS {
        // The text of a member is a text of the team where it is its answer.
        let shows = matches!(
            subject,
            Subject::Team(TeamMode::Route) | Subject::InFront | Subject::Remembers | Subject::Draws
        );
        for container in 0..CONTAINERS {
            let place = format!("{subject:?} in container {container}");
            let (store, process) = (Memory::default(), Process::new(subject, Act::Hangs));
            let flow = process.workflow(container, &store);
            let mut run = process.run(&flow).stream_events(true).stream();
            let (mut begun, mut has_shown) = (0, !shows);
            while begun < until || !has_shown {
                let event = run.next().await.unwrap();
                begun += usize::from(event.name() == "ModelRequestStarted");
                has_shown |= event.name() == "RunContent";
            }
            assert!(flow.cancel_run("r").await.unwrap(), "{place}");
            while run.next().await.is_some() {}
            let facts = journal(&store).await;
            grammar::check(&facts);
            assert_eq!(facts.last().unwrap().name(), "WorkflowCancelled", "{place}");
            assert_eq!(process.requests(), until, "{place}");
            assert_eq!(worked(&facts), calls, "{place}");
            let partial = serde_json::to_string(&facts).unwrap().contains("half of it");
            assert_eq!(partial, shows, "{place}: the text that was shown is in the journal");
            assert!(memories(&store).await.is_empty(), "{place}");
        }
    }
}
