//! The subjects of options: every kind of step, and where it stands.

use crate::support::{call_tools, mark, part};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use stepwright_core::executor::ExecutorType;
use stepwright_core::message::{AssistantTurn, Usage};
use stepwright_core::model::StopReason;
use stepwright_core::plan::{After, OnError, Retry};
use stepwright_core::{
    Error, EventKind, Executor, HumanReview, OnInterrupted, Patch, StepContext, StepError,
    StepInput, StepOutput,
};
use stepwright_engine::{AnyStep, Condition, Loop, Map, Parallel, Router, Step, Steps, Workflow};

/// The kinds of steps with work of their own, and a workflow as a step.
pub(super) const STEPS: [&str; 4] = ["function", "blocking function", "agent", "workflow"];

/// The containers. The options are set on them too.
pub(super) const CONTAINERS: [&str; 6] =
    ["Steps", "Parallel", "Loop", "Condition", "Router", "Map"];

/// The surroundings that a step can have. The first is none.
pub(super) const AROUND: [&str; 8] =
    ["top level", "Steps", "Parallel", "Loop", "Condition", "Router", "Map", "workflow"];

/// The name of what an option is set on.
pub(super) const NAME: &str = "subject";

/// The behaviour of the work.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Act {
    Works,
    /// The first attempt fails.
    Flaky,
    Fails,
    Hangs,
    /// Calls a tool twice at once, which does something once and asks a person.
    CallsTools,
}

/// A record of what was really done.
#[derive(Debug, Default)]
pub(super) struct Probe {
    /// Attempts that began, by address.
    pub(super) ran: Mutex<Vec<String>>,
    /// Models that were asked, by address.
    pub(super) asked: Mutex<Vec<String>>,
    /// Lets functions go that block.
    pub(super) released: AtomicBool,
    /// The number of functions that block.
    pub(super) blocked: AtomicU32,
    /// Steps that ran after the subject, by address.
    pub(super) after: Mutex<Vec<String>>,
}

impl Probe {
    pub(super) fn count(&self) -> usize {
        self.ran.lock().unwrap().len()
    }

    fn begin(&self, cx: &StepContext) {
        self.ran.lock().unwrap().push(cx.path().to_string());
    }

    /// The calls of one turn, if there are any.
    async fn calls(&self, act: Act, cx: &StepContext) -> Result<(), StepError> {
        if act != Act::CallsTools {
            return Ok(());
        }
        call_tools(cx, &[1, 2], |number, cx| async move {
            let charge = async {
                self.asked.lock().unwrap().push(cx.path().to_string());
                Ok::<_, StepError>(number)
            };
            let charged = cx.once("charge", charge).await?;
            Ok(charged * cx.wait::<u64>("size").await?)
        })
        .await
        .map(|told| assert_eq!(told, [10, 40], "each call has its own answer"))
    }

    /// Returns the result of the work.
    fn answer(act: Act, input: &StepInput, cx: &StepContext) -> Result<StepOutput, StepError> {
        match act {
            Act::Flaky if cx.attempt() == 1 => Err(StepError::new("flaky")),
            Act::Fails => Err(StepError::terminal("kaput")),
            _ => {
                let text = format!("{}X", input.text());
                Ok(StepOutput::from(text).patch(Patch::increment("count", 1)))
            }
        }
    }
}

/// The options that are set on the subject.
#[derive(Clone, Default)]
pub(super) struct Options {
    pub(super) review: Option<HumanReview>,
    pub(super) on_error: Option<OnError>,
    pub(super) retries: Option<u32>,
    pub(super) timeout: Option<Duration>,
    /// The time from its beginning to its deadline.
    pub(super) deadline: Option<Duration>,
    pub(super) version: Option<&'static str>,
    pub(super) on_interrupted: Option<OnInterrupted>,
    /// A step that runs after the subject, or undoes it.
    pub(super) after: Option<After>,
}

impl Options {
    pub(super) fn review(review: HumanReview) -> Self {
        Self { review: Some(review), ..Self::default() }
    }
}

/// An executor that works as agents do: it records what its model says, and recalls it.
struct Agent {
    act: Act,
    probe: Arc<Probe>,
}

impl Executor for Agent {
    fn name(&self) -> &'static str {
        "agent"
    }

    fn executor_type(&self) -> ExecutorType {
        ExecutorType::Agent
    }

    async fn execute(&self, input: StepInput, cx: StepContext) -> Result<StepOutput, StepError> {
        self.probe.begin(&cx);
        let past = cx.past();
        if past.is_empty() {
            let (agent, model) = ("agent".into(), "scripted".into());
            let message = input.message();
            cx.record(EventKind::RunStarted { agent, model, notice: None, message }).await?;
        }
        let said = past.iter().find_map(|fact| match &fact.kind {
            EventKind::ModelRequestCompleted { answer, .. } => Some(answer.text()),
            _ => None,
        });
        let said = if let Some(said) = said {
            said
        } else {
            cx.record(EventKind::ModelRequestStarted { turn: 1, reserved: None, purpose: None })
                .await?;
            if self.act != Act::CallsTools {
                self.probe.asked.lock().unwrap().push(cx.path().to_string());
            }
            if self.act == Act::Hangs {
                std::future::pending::<()>().await;
            }
            let said = Probe::answer(self.act, &input, &cx)?.content.text().into_owned();
            let answer = std::sync::Arc::new(AssistantTurn::text_only(said.clone()));
            let (stop, usage) = (StopReason::EndTurn, Usage::default());
            let warning = None;
            cx.record(EventKind::ModelRequestCompleted {
                turn: 1,
                answer,
                stop,
                usage,
                warning,
                hosted_tools: Vec::new(),
                model: None,
                cost: None,
                purpose: None,
            })
            .await?;
            said
        };
        self.probe.calls(self.act, &cx).await?;
        let content = said.clone().into();
        cx.record(EventKind::RunCompleted { content, usage: Usage::default() }).await?;
        Ok(StepOutput::from(said).patch(Patch::increment("count", 1)))
    }
}

fn function(name: &str, act: Act, probe: &Arc<Probe>) -> Step {
    let probe = probe.clone();
    Step::new(name, move |input: StepInput, cx: StepContext| {
        let probe = probe.clone();
        async move {
            probe.begin(&cx);
            if act == Act::Hangs {
                std::future::pending::<()>().await;
            }
            probe.calls(act, &cx).await?;
            Probe::answer(act, &input, &cx)
        }
    })
}

fn blocking(name: &str, act: Act, probe: &Arc<Probe>) -> Step {
    let probe = probe.clone();
    Step::blocking(name, move |input: StepInput, cx: StepContext| {
        probe.begin(&cx);
        if act == Act::Hangs {
            probe.blocked.fetch_add(1, Ordering::SeqCst);
            while !probe.released.load(Ordering::SeqCst) && !cx.is_cancelled() {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        Probe::answer(act, &input, &cx)
    })
}

/// A node of this kind, whose work does `act`, with `options` set on it. `None` where its type does
/// not have such a setting, so that a program with it does not compile.
pub(super) fn subject(
    kind: &str,
    act: Act,
    options: &Options,
    probe: &Arc<Probe>,
) -> Result<Option<AnyStep>, Error> {
    let Options { review, on_error, retries, timeout, deadline, on_interrupted, version, after } =
        options.clone();
    let on_error = on_error.unwrap_or_default();
    macro_rules! whole {
        ($node:expr) => {{
            let node = $node.on_error(on_error);
            let node = match timeout {
                Some(timeout) => node.timeout(timeout),
                None => node,
            };
            let node = match deadline {
                Some(time) => node.deadline(move |input: &StepInput| input.now.plus(time)),
                None => node,
            };
            let node = match version {
                Some(version) => node.version(version),
                None => node,
            };
            let node = match on_interrupted {
                Some(policy) => node.on_interrupted(policy),
                None => node,
            };
            match review {
                Some(review) => part(node.human_review(review)),
                None => part(node),
            }
        }};
    }
    let step = |step: Step| match retries {
        Some(retries) => step.retry(Retry { retries, jitter: false, ..Retry::default() }),
        None => step,
    };
    let leaf = || function("leaf", act, probe);
    let built = match kind {
        "function" => whole!(step(function(NAME, act, probe))),
        "blocking function" => whole!(step(blocking(NAME, act, probe))),
        "agent" => {
            whole!(step(Step::new(NAME, Agent { act, probe: probe.clone() })))
        }
        "workflow" => {
            let inner = Workflow::builder("inner").step(leaf()).build()?;
            whole!(step(Step::workflow(NAME, inner)))
        }
        _ if retries.is_some() => return Ok(None),
        "Steps" => whole!(Steps::new(NAME).step(leaf())),
        "Parallel" => whole!(Parallel::new(NAME).branch(leaf())),
        "Loop" => whole!(Loop::new(NAME).step(leaf()).at_most(1)),
        "Condition" => whole!(Condition::constant(NAME, true).then(leaf())),
        "Router" => whole!(Router::constant(NAME, ["leaf"]).choice(leaf())),
        "Map" => {
            let over = |input: &StepInput| vec![input.text()];
            whole!(Map::new(NAME).over(over).step(leaf()))
        }
        other => unreachable!("{other}"),
    };
    let probe = probe.clone();
    let back = Step::new("back", move |cx: StepContext| {
        probe.after.lock().unwrap().push(cx.path().to_string());
        async { "back" }
    });
    Ok(Some(match after {
        None => built,
        Some(After::Undo) => built.undo(back),
        Some(After::Failure) => built.on_failure(back),
        Some(After::Always) => built.finally(back),
    }))
}

/// `inside` in a container of this kind that is called `name`, with siblings.
fn around(kind: &str, name: &str, inside: AnyStep) -> Result<AnyStep, Error> {
    Ok(match kind {
        "top level" => inside,
        "Steps" => part(Steps::new(name).step(mark("a")).step(inside).step(mark("z"))),
        "Parallel" => part(Parallel::new(name).branch(mark("a")).branch(inside)),
        "Loop" => part(Loop::new(name).step(inside).step(mark("z")).forward().at_most(2)),
        "Condition" => {
            part(Condition::new(name, |_| true).then(inside).then(mark("z")).otherwise(mark("n")))
        }
        "Router" => {
            let inner = inside.name().to_owned();
            let choose = move |_: &StepInput| vec![inner.clone(), "r".into()];
            part(Router::new(name, choose).choice(mark("r")).choice(inside))
        }
        "Map" => {
            let over = |input: &StepInput| vec![format!("{}1", input.text()), "2".into()];
            part(Map::new(name).over(over).step(inside).step(mark("z")))
        }
        "workflow" => {
            let inner = Workflow::builder("inner").step(inside).step(mark("z")).build()?;
            part(Step::workflow(name, inner))
        }
        other => unreachable!("{other}"),
    })
}

/// Where a subject stands: in a container, in a container.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) outer: &'static str,
    pub(super) inner: &'static str,
}

impl Place {
    /// Nowhere, in every container, and in every container in every container.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let each = |inner| AROUND.into_iter().map(move |outer| Self { outer, inner });
        // Around nothing there is nothing.
        AROUND.into_iter().flat_map(each).filter(|p| p.inner != AROUND[0] || p.outer == AROUND[0])
    }

    /// Nowhere, and in every container.
    pub(super) fn flat() -> impl Iterator<Item = Self> {
        Self::all().filter(|place| place.outer == AROUND[0])
    }

    pub(super) fn put(self, inside: AnyStep) -> Result<AnyStep, Error> {
        around(self.outer, "outer", around(self.inner, "inner", inside)?)
    }
}
