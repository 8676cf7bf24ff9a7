//! Agents with guardrails and a judge inside each container: killed, paused, cancelled, and resumed
//! by another process.

use serde_json::json;
use std::sync::{Arc, Mutex};
use stepwright::guardrails::{Guard, Judge, Length};
use stepwright::models::Message;
use stepwright::prelude::*;
use stepwright::tools::ToolError;
use stepwright::{IntoStep as _, Memory};
use stepwright_core::journal::Append;
use stepwright_core::store::RunStore as _;
use stepwright_testing::grammar;
use stepwright_testing::model::{FunctionModel, Reply};

#[derive(Clone, Copy, PartialEq)]
enum Act {
    Works,
    Asks,
    Hangs,
}

/// The requests that the processes have sent.
#[derive(Clone)]
struct Log {
    model: FunctionModel,
    judge: FunctionModel,
    work: Arc<Mutex<usize>>,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Go {}

impl Log {
    fn new(act: Act) -> Self {
        let model = FunctionModel::new(move |request| {
            let is_answer = |message: &&Message| matches!(message, Message::Assistant(_));
            match request.messages.iter().filter(is_answer).count() {
                0 => Reply::call("work", json!({})),
                1 if act == Act::Hangs => Reply::text("half of it ").and_hang(),
                1 => Reply::text("a promise"),
                _ => Reply::text("an answer"),
            }
        });
        let judge = FunctionModel::new(|request| {
            let broken = request.messages[0].text().contains("promise");
            let verdict = json!({"broken": broken, "reason": "Promise nothing."}).to_string();
            Reply::text(verdict).with_tokens(5, 2)
        });
        Self { model, judge, work: Arc::default() }
    }

    fn agent(&self, act: Act) -> Agent {
        let log = self.clone();
        let tool = FunctionTool::new("work", "Works.", move |_: Go, cx: StepContext| {
            let log = log.clone();
            async move {
                if act == Act::Asks {
                    cx.wait::<String>("tone").await.map_err(ToolError::Fatal)?;
                }
                *log.work.lock().unwrap() += 1;
                Ok::<_, ToolError>("done")
            }
        });
        let judge = || Judge::new(self.judge.clone(), "The text makes a promise.");
        Agent::builder("Worker")
            .model(self.model.clone())
            .unwrap()
            .tool(tool.idempotent())
            .guardrail(Guard::before(judge()).watching())
            .guardrail(Guard::after_tool(judge()))
            .guardrail(Guard::after(judge().retrying()))
            .build()
            .unwrap()
    }

    fn workflow(&self, container: usize, act: Act, store: &Memory) -> Workflow {
        let step = || {
            let own = Length::at_most(100);
            Step::new("subject", self.agent(act)).guardrail(Guard::after(own))
        };
        let beside = || Step::new("beside", |_: String| async { "beside" });
        let whole = match container {
            0 => Steps::new("in").step(step()).into_step(),
            1 => Parallel::new("in").branch(beside()).branch(step()).into_step(),
            2 => Loop::new("in").step(step()).at_most(1).into_step(),
            3 => Condition::constant("in", true).then(step()).into_step(),
            4 => Router::constant("in", ["subject"]).choice(step()).choice(beside()).into_step(),
            5 => Map::new("in").over(|_: &StepInput| vec!["x"]).step(step()).into_step(),
            _ => Workflow::builder("in").step(step()).build().unwrap().into_step(),
        };
        Workflow::builder("W").step(whole).store(store.clone()).build().unwrap()
    }

    fn requests(&self) -> (usize, usize) {
        (self.model.requests().len(), self.judge.requests().len())
    }
}

const CONTAINERS: usize = 7;

async fn journal(store: &Memory) -> Vec<Event> {
    store.load(&"r".parse().unwrap(), 0, usize::MAX).await.unwrap()
}

/// The requests that the facts have answers of.
fn answered(facts: &[Event]) -> (usize, usize) {
    let models = facts.iter().filter(|fact| fact.name() == "ModelRequestCompleted").count();
    let judged = facts.iter().filter(|fact| match &fact.kind {
        EventKind::GuardrailJudged { judged } => &*judged.guardrail == "judge",
        _ => false,
    });
    (models, judged.count())
}

#[tokio::test]
async fn a_kill_at_any_fact_repeats_no_completed_request_and_asks_no_judge_twice() {
    for container in 0..CONTAINERS {
        let (store, log) = (Memory::default(), Log::new(Act::Works));
        let flow = log.workflow(container, Act::Works, &store);
        let whole = flow.run("go").run_id("r").await.unwrap();
        assert_eq!(log.requests(), (3, 4), "container {container}");
        let facts = journal(&store).await;
        grammar::check(&facts);
        assert_eq!(answered(&facts), (3, 4), "container {container}");
        let used = whole.metrics.usage.total_tokens();
        assert!(used >= 28, "the judge is paid for: {used}");
        for at in 1..facts.len() {
            let (store, log) = (Memory::default(), Log::new(Act::Works));
            let (run, past) = (facts[0].run.clone(), facts[..at].to_vec());
            store.append(Append { run, facts: past, close: None, driver: None }).await.unwrap();
            let flow = log.workflow(container, Act::Works, &store);
            let output = flow.resume("r").await.unwrap();
            assert_eq!(output.content, whole.content, "container {container}, cut at {at}");
            let (models, judged) = answered(&facts[..at]);
            let left = (3 - models, 4 - judged);
            assert_eq!(log.requests(), left, "container {container}, cut at {at}");
            grammar::check(&journal(&store).await);
        }
    }
}

#[tokio::test]
async fn a_pause_is_continued_by_another_process_without_repeating_anything() {
    for container in 0..CONTAINERS {
        let (store, first) = (Memory::default(), Log::new(Act::Asks));
        let flow = first.workflow(container, Act::Asks, &store);
        let paused = flow.run("go").run_id("r").await.unwrap();
        assert_eq!(paused.status, RunStatus::Paused, "container {container}");
        assert_eq!(first.requests(), (1, 1), "container {container}");
        let second = Log::new(Act::Asks);
        let flow = second.workflow(container, Act::Asks, &store);
        let id = paused.requirements[0].id.to_string();
        let output = flow.continue_run("r", [(id, Answer::submit("dry"))]).await.unwrap();
        assert_eq!(output.status, RunStatus::Completed);
        assert_eq!(second.requests(), (2, 3), "container {container}");
        assert_eq!(*second.work.lock().unwrap(), 1);
    }
}

#[tokio::test]
async fn a_cancel_while_text_is_held_back_ends_the_run_and_shows_none_of_it() {
    for container in 0..CONTAINERS {
        let (store, log) = (Memory::default(), Log::new(Act::Hangs));
        let flow = log.workflow(container, Act::Hangs, &store);
        let mut run = flow.run("go").run_id("r").stream_events(true).stream();
        let mut requests = 0;
        while requests < 2 {
            let event = run.next().await.unwrap();
            requests += usize::from(event.name() == "ModelRequestStarted");
        }
        assert!(flow.cancel_run("r").await.unwrap(), "container {container}");
        let mut shown = false;
        while let Some(event) = run.next().await {
            shown |= event.name() == "RunContent";
        }
        assert!(!shown, "container {container}");
        let facts = journal(&store).await;
        grammar::check(&facts);
        assert_eq!(facts.last().unwrap().name(), "WorkflowCancelled");
        let text = serde_json::to_string(&facts).unwrap();
        assert!(!text.contains("half of it"), "what was held back is in no fact");
    }
}
