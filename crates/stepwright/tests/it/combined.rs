//! Agents with tools, agents as tools and workflows as tools: killed between two calls, paused in a
//! branch, cancelled while text is streamed, and resumed by another process.

use serde_json::json;
use std::sync::{Arc, Mutex};
use stepwright::Memory;
use stepwright::models::Message;
use stepwright::prelude::*;
use stepwright::tools::ToolError;
use stepwright::{Team, WorkflowAgent};
use stepwright_core::journal::Append;
use stepwright_core::store::RunStore as _;
use stepwright_testing::grammar;
use stepwright_testing::model::{FunctionModel, Reply};

/// The kinds of agents, by what their two pieces of work are.
const KINDS: [&str; 5] =
    ["tools", "an agent as a tool", "a workflow as a tool", "a team", "an agent for a workflow"];

/// The behaviour of the second piece of work, and of the last answer.
#[derive(Clone, Copy, PartialEq)]
enum Act {
    Works,
    Asks,
    /// The model that answers last says something and then nothing more.
    Hangs,
}

/// A record of what a process has really done: the work, and the requests to models.
#[derive(Clone, Default)]
struct Log {
    work: Arc<Mutex<Vec<String>>>,
    models: Arc<Mutex<Vec<FunctionModel>>>,
}

impl Log {
    fn work(&self) -> Vec<String> {
        self.work.lock().unwrap().clone()
    }

    fn requests(&self) -> usize {
        self.models.lock().unwrap().iter().map(|model| model.requests().len()).sum()
    }

    /// A model that calls these tools, one in each turn, and then answers.
    fn model(&self, calls: &'static [&'static str], act: Act) -> FunctionModel {
        let model = FunctionModel::new(move |request| {
            let is_answer = |message: &&Message| matches!(message, Message::Assistant(_));
            let turn = request.messages.iter().filter(is_answer).count();
            match calls.get(turn) {
                Some(name @ (&"early" | &"late")) => Reply::call(*name, json!({"task": "go"})),
                Some(name) => Reply::call(*name, json!({"message": "go"})),
                None if act == Act::Hangs => Reply::text("half of it ").and_hang(),
                None => Reply::text(request.messages.last().unwrap().text()),
            }
        });
        self.models.lock().unwrap().push(model.clone());
        model
    }

    /// Does a piece of work, which may ask a person first.
    async fn done(&self, name: &str, act: Act, cx: &StepContext) -> Result<String, StepError> {
        let told = match (name, act) {
            ("second", Act::Asks) => cx.wait::<String>("tone").await?,
            _ => "done".to_owned(),
        };
        self.work.lock().unwrap().push(name.to_owned());
        Ok(format!("{name} {told}"))
    }

    fn tool(&self, name: &'static str, act: Act) -> FunctionTool {
        let log = self.clone();
        FunctionTool::new(name, "Works.", move |_: Go, cx: StepContext| {
            let log = log.clone();
            async move { log.done(name, act, &cx).await.map_err(ToolError::Fatal) }
        })
        .idempotent()
    }

    fn agent(&self, kind: &str, act: Act) -> Agent {
        let inner = if act == Act::Asks { Act::Asks } else { Act::Works };
        let with_tools = |model| {
            Agent::builder("Worker")
                .model(model)
                .unwrap()
                .tools(["first", "second"].map(|name| self.tool(name, inner)))
        };
        match kind {
            "tools" => with_tools(self.model(&["first", "second"], act)).build().unwrap(),
            "an agent as a tool" => {
                let worker = with_tools(self.model(&["first", "second"], inner)).build().unwrap();
                let outer = Agent::builder("Chief").model(self.model(&["ask"], act)).unwrap();
                outer.tool(worker.as_tool("ask", "Works.")).build().unwrap()
            }
            "a team" => {
                let worker = |name, called: &'static [&'static str]| {
                    let worker = Agent::builder(name).model(self.model(called, inner)).unwrap();
                    worker.tool(self.tool(called[0], inner)).build().unwrap()
                };
                let chief = self.model(&["early", "late"], act);
                let team = Team::builder("Chief").model(chief).unwrap();
                let team = team.member(worker("Early", &["first"]), "Works.");
                let team = team.member(worker("Late", &["second"]), "Works.");
                team.build().unwrap().leader().clone()
            }
            "an agent for a workflow" => {
                let plan = self.plan(inner);
                let chief = self.model(&["run_workflow"], act);
                let chief = WorkflowAgent::builder(&plan).model(chief).unwrap();
                chief.build().unwrap().agent().clone()
            }
            _ => {
                let plan = self.plan(inner).as_tool("plan", "Plans.").unwrap();
                let outer = Agent::builder("Chief").model(self.model(&["plan"], act)).unwrap();
                outer.tool(plan).build().unwrap()
            }
        }
    }

    /// A workflow of the two pieces of work.
    fn plan(&self, inner: Act) -> Workflow {
        let step = |name: &'static str| {
            let log = self.clone();
            Step::new(name, move |_: String, cx: StepContext| {
                let log = log.clone();
                async move { log.done(name, inner, &cx).await }
            })
        };
        let plan = Workflow::builder("Plan").step(step("first")).step(step("second"));
        plan.build().unwrap()
    }

    /// The agent in a branch, beside another one.
    fn workflow(&self, kind: &str, act: Act, store: &Memory) -> Workflow {
        let beside = Step::new("beside", |_: String| async { "beside" });
        let agent = Step::new("subject", self.agent(kind, act));
        let both = Parallel::new("both").branch(beside).branch(agent);
        Workflow::builder("W").step(both).store(store.clone()).build().unwrap()
    }
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Go {
    #[allow(dead_code, reason = "all tools have the same arguments")]
    message: String,
}

async fn journal(store: &Memory) -> Vec<Event> {
    store.load(&"r".parse().unwrap(), 0, usize::MAX).await.unwrap()
}

async fn cut(facts: &[Event], at: usize) -> Memory {
    let store = Memory::default();
    let (run, facts) = (facts[0].run.clone(), facts[..at].to_vec());
    store.append(Append { run, facts, close: None, driver: None }).await.unwrap();
    store
}

fn count(facts: &[Event], name: &str, end: &str) -> usize {
    facts.iter().filter(|fact| fact.name() == name && fact.path.as_str().contains(end)).count()
}

#[tokio::test]
async fn a_kill_between_two_calls_repeats_no_completed_call_and_pays_for_no_answer_again() {
    for kind in KINDS {
        let (store, log) = (Memory::default(), Log::default());
        log.workflow(kind, Act::Works, &store).run("go").run_id("r").await.unwrap();
        assert_eq!(log.work(), ["first", "second"], "{kind}");
        let (facts, requests) = (journal(&store).await, log.requests());
        for at in 1..facts.len() {
            let (store, log) = (cut(&facts, at).await, Log::default());
            let output = log.workflow(kind, Act::Works, &store).resume("r").await.unwrap();
            assert!(output.content.text().contains("second done"), "{kind}, cut at {at}");
            let end = if [KINDS[2], KINDS[4]].contains(&kind) {
                "StepCompleted"
            } else {
                "ToolCallCompleted"
            };
            for name in ["first", "second"] {
                let done = count(&facts[..at], end, &format!("/{name}"));
                let again = log.work().iter().filter(|work| *work == name).count();
                assert_eq!(again, 1 - done, "{kind}, cut at {at}: {name}");
            }
            let answered = count(&facts[..at], "ModelRequestCompleted", "");
            assert_eq!(log.requests(), requests - answered, "{kind}, cut at {at}");
            grammar::check(&journal(&store).await);
        }
    }
}

#[tokio::test]
async fn a_pause_inside_a_branch_is_continued_by_another_process_without_repeating_anything() {
    for kind in KINDS {
        let (store, first) = (Memory::default(), Log::default());
        let paused = first.workflow(kind, Act::Asks, &store).run("go").run_id("r").await.unwrap();
        assert_eq!(paused.status, RunStatus::Paused, "{kind}");
        assert_eq!(first.work(), ["first"], "{kind}");
        let second = Log::default();
        let flow = second.workflow(kind, Act::Asks, &store);
        let id = paused.requirements[0].id.to_string();
        let output = flow.continue_run("r", [(id, Answer::submit("dry"))]).await.unwrap();
        assert!(output.content.text().contains("second dry"), "{kind}: {}", output.content.text());
        assert_eq!(second.work(), ["second"], "{kind}");
        let answers = count(&journal(&store).await, "ModelRequestCompleted", "");
        assert_eq!(first.requests() + second.requests(), answers, "{kind}");
    }
}

#[tokio::test]
async fn a_run_that_is_cancelled_while_text_is_streamed_ends_and_keeps_what_was_said() {
    // The last text of an agent for a workflow is not its own.
    for kind in &KINDS[..4] {
        let (store, log) = (Memory::default(), Log::default());
        let flow = log.workflow(kind, Act::Hangs, &store);
        let mut run = flow.run("go").run_id("r").stream_events(true).stream();
        while run.next().await.unwrap().name() != "RunContent" {}
        assert!(flow.cancel_run("r").await.unwrap(), "{kind}");
        let error = run.output().await.unwrap_err();
        assert_eq!(error.output().unwrap().status, RunStatus::Cancelled, "{kind}");
        let facts = journal(&store).await;
        grammar::check(&facts);
        assert_eq!(log.work(), ["first", "second"], "{kind}");
        let partial = facts.iter().filter_map(|fact| match &fact.kind {
            EventKind::StepCancelled { partial } => Some(partial.text().into_owned()),
            _ => None,
        });
        assert!(partial.into_iter().any(|said| said.starts_with("half")), "{kind}");
    }
}
