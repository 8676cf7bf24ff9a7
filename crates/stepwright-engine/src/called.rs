//! Workflows as tools: a tool call that runs a workflow, within the run that makes the call.

use crate::compile::{Settings, compile};
use crate::define::{IntoStep as _, Step};
use crate::effects::{Facts, Journaled, Live, Recalled, Retrying, Timed};
use crate::interpret::{Flow, Walk, whole_at};
use crate::recorder::{CalledPast, Recorder};
use crate::stop::{Failure, Stop};
use crate::table::{Compiled, InputCheck};
use crate::workflow::Workflow;
use serde_json::{Value, json};
use std::fmt;
use std::sync::Arc;
use stepwright_core::context::StepHost as _;
use stepwright_core::executor::RunInput;
use stepwright_core::path::CALLED_WORKFLOW;
use stepwright_core::tool::{Tool, ToolAnswer, ToolError, ToolSpec};
use stepwright_core::{
    BoxFuture, Content, Error, ErrorCode, ErrorId, Fingerprint, OnInterrupted, StepContext,
    StepError, StepOutput, form,
};

impl Workflow {
    /// Returns this workflow as a tool. A model calls it with a message, which is the input of the
    /// workflow, and reads its output. `description` tells the model when to call it.
    ///
    /// The workflow runs within the run that makes the call, beneath the path of the call:
    /// `order/plan#1/(workflow)/outline`. Its events, usage, questions and budgets are those of
    /// that run. After a crash it goes on where it stopped, and repeats no step that completed. If
    /// it fails, the step of the agent fails. The model reads what is wrong with an input that the
    /// workflow refuses, and may correct it. A `stop` inside of it ends the workflow, and not the
    /// run.
    ///
    /// # Errors
    /// Returns an error if the workflow sets what only the workflow around it can set: a session
    /// state, the budget of a session, or limits of runs.
    ///
    /// ```
    /// use stepwright_core::tool::Tool as _;
    /// use stepwright_engine::Workflow;
    /// # async fn outline(topic: String) -> String { format!("1. {topic}") }
    /// let plan = Workflow::builder("Plan").step(outline).build()?;
    /// let plan = plan.as_tool("plan", "Plans an article about a topic.")?;
    /// assert_eq!(plan.spec().parameters["required"][0], "message");
    /// # Ok::<(), stepwright_core::Error>(())
    /// ```
    pub fn as_tool(
        &self,
        name: impl Into<String>,
        description: impl Into<String>,
    ) -> Result<WorkflowTool, Error> {
        let step = Step::workflow(self.name(), self.clone()).into_step();
        let mut compiled = compile(self.name(), vec![step], Settings::default())?;
        for node in &mut compiled.plan.body {
            node.name = CALLED_WORKFLOW.into();
        }
        let parameters = json!({
            "type": "object",
            "properties": {
                "message": { "type": "string", "description": "The input of the workflow." },
            },
            "required": ["message"],
            "additionalProperties": false,
        });
        let spec = ToolSpec { name: name.into(), description: description.into(), parameters };
        let fingerprint = Fingerprint::default().with("workflow", self.digest());
        let (check, compiled) = (self.definition().compiled.input.clone(), Arc::new(compiled));
        Ok(WorkflowTool { spec, takes_object: false, fingerprint, check, compiled })
    }
}

/// A workflow used as a tool of an agent: see [`Workflow::as_tool`].
///
/// ```
/// use stepwright_core::tool::Tool as _;
/// use stepwright_engine::{Workflow, WorkflowTool};
/// # async fn outline(topic: String) -> String { topic }
/// let plan = Workflow::builder("Plan").step(outline).build()?;
/// let tool: WorkflowTool = plan.as_tool("plan", "Plans an article.")?;
/// assert_eq!(tool.spec().name, "plan");
/// # Ok::<(), stepwright_core::Error>(())
/// ```
#[derive(Clone)]
pub struct WorkflowTool {
    spec: ToolSpec,
    /// `true` if the arguments as a whole are the input.
    takes_object: bool,
    fingerprint: Fingerprint,
    /// The check of the input that the workflow has.
    check: Option<InputCheck>,
    /// A workflow whose only step is this one.
    compiled: Arc<Compiled>,
}

impl WorkflowTool {
    /// Sets the JSON Schema of the input, which must be an object. The model writes its members as
    /// arguments, and the workflow gets them as a JSON input.
    ///
    /// ```
    /// use stepwright_core::tool::Tool as _;
    /// use stepwright_engine::Workflow;
    /// # use serde_json::json;
    /// # async fn outline(topic: String) -> String { topic }
    /// let plan = Workflow::builder("Plan").step(outline).build()?;
    /// let schema = json!({"type": "object", "properties": {"topic": {"type": "string"}}});
    /// let plan = plan.as_tool("plan", "Plans an article.")?.parameters(schema);
    /// assert!(plan.spec().parameters["properties"]["topic"].is_object());
    /// # Ok::<(), stepwright_core::Error>(())
    /// ```
    #[must_use]
    pub fn parameters(mut self, schema: Value) -> Self {
        self.spec.parameters = schema;
        self.takes_object = true;
        self
    }

    /// Returns the input of the workflow.
    ///
    /// # Errors
    /// Returns what is wrong with the arguments, for the model.
    async fn input(&self, arguments: Value) -> Result<Content, ToolError> {
        let mistakes = form::mistakes(&self.spec.parameters, &arguments);
        if !mistakes.is_empty() {
            return Err(ToolError::Arguments(mistakes.join("; ")));
        }
        let content: Content = match arguments["message"].as_str() {
            _ if self.takes_object => arguments.into(),
            Some(message) if !message.trim().is_empty() => message.into(),
            _ => return Err(ToolError::Arguments("`message` must be a non-empty string".into())),
        };
        if let Some(check) = &self.check {
            // The workflow completes its input itself, when it begins.
            check(content.clone()).await.map_err(ToolError::Arguments)?;
        }
        Ok(content)
    }
}

impl Tool for WorkflowTool {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn call(&self, arguments: Value, cx: StepContext) -> BoxFuture<'_, Result<String, ToolError>> {
        Box::pin(async move { self.answer(arguments, cx).await.map(|answer| answer.text) })
    }

    fn answer(
        &self,
        arguments: Value,
        cx: StepContext,
    ) -> BoxFuture<'_, Result<ToolAnswer, ToolError>> {
        Box::pin(async move {
            let content = self.input(arguments).await?;
            let output = walk(&self.compiled, content, &cx).await.map_err(ToolError::Fatal)?;
            Ok(ToolAnswer { text: output.content.text().into_owned(), media: output.media })
        })
    }

    /// Repeats the call: steps that completed are not repeated, and each other step follows its own
    /// policy.
    fn on_interrupted(&self) -> Option<OnInterrupted> {
        Some(OnInterrupted::Retry)
    }

    fn fingerprint(&self) -> Fingerprint {
        self.fingerprint.clone()
    }

    fn asks(&self) -> bool {
        self.compiled.asks
    }
}

impl fmt::Debug for WorkflowTool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WorkflowTool").field(&self.spec.name).finish()
    }
}

/// Walks the workflow within the run of `cx`, beneath the tool call at its path.
async fn walk(
    compiled: &Compiled,
    content: Content,
    cx: &StepContext,
) -> Result<StepOutput, StepError> {
    let recorder = cx.engine().and_then(|engine| engine.downcast::<Recorder>().ok());
    let call = cx.path();
    let Some(recorder) = recorder.filter(|_| call.number().is_some()) else {
        return Err(StepError::terminal("a workflow as a tool needs a step that calls it")
            .with_id(ErrorId::RECORD_REFUSED)
            .with_hint("call it in an agent that is a step, and not while a container decides"));
    };
    let past = recorder
        .begin_called(&call.child(CALLED_WORKFLOW))
        .map_err(|stop| ended(&stop, &recorder))?;
    let recalled = match &past {
        CalledPast::Left(facts) => Some(Recalled::of(facts)),
        CalledPast::Earlier(facts) if facts.is_empty() => None,
        CalledPast::Earlier(facts) => Some(Recalled::of_earlier(facts)),
    };
    let mut values = cx.values().clone();
    values.add_missing(&compiled.values);
    let (media, additional_data) = recorder.given();
    let run = RunInput { content, media, additional_data };
    let state = cx.session_state().cloned().unwrap_or_default();
    let mut flow = Flow { run: Arc::new(run), state, ..Flow::default() };
    let walked = {
        let facts = Facts::new(recorder.clone(), recalled.as_ref(), &compiled.plan.reducers);
        let facts = facts.within(call.clone(), &compiled.guards);
        let (table, deadlines) = (&compiled.table, &compiled.deadlines);
        let live = Live { table, deadlines, facts, values: &values };
        let (world, pending, activity) =
            (recorder.world(), recorder.pending(), recorder.activity());
        let journaled = Journaled { inner: Timed { inner: live, world, pending, activity } };
        let fx = Retrying { inner: journaled, world };
        whole_at(&fx, &compiled.plan, call, &mut flow).await
    };
    let Walk { body, after } = walked.map_err(|stop| ended(&stop, &recorder))?;
    body.map_err(|stop| ended(&stop, &recorder))?;
    if let Some(failure) = flow.broken.as_ref().or(after.as_ref()) {
        return Err(failed(failure));
    }
    if !flow.patches.is_empty() {
        let what = "a workflow that a tool call runs cannot change the session state";
        let error = StepError::terminal(what).with_code(ErrorCode::State);
        return Err(error.with_hint("return the value, and change the state in a step after it"));
    }
    let output = match flow.previous {
        Some(output) => Arc::unwrap_or_clone(output),
        None => StepOutput::from(flow.run.content.clone()),
    };
    Ok(output)
}

/// Returns the failure of the workflow as that of the call.
fn failed(failure: &Failure) -> StepError {
    let mut data = failure.error.clone();
    let inner = failure.path.as_str();
    let step = inner.rsplit_once(CALLED_WORKFLOW).map_or(inner, |(_, step)| step);
    let step = step.trim_start_matches('/');
    if !step.is_empty() {
        data.message = format!("step `{step}`: {}", data.message);
    }
    StepError { data: Box::new(data) }
}

/// Returns the reason that a walk ended early as the failure of the call.
fn ended(stop: &Stop, recorder: &Recorder) -> StepError {
    match stop {
        Stop::Failed(failure) => failed(failure),
        Stop::Cancelled(reason) => {
            recorder.cancel();
            StepError::terminal(format!("the run was cancelled: {reason}"))
                .with_id(ErrorId::STEP_STOPPED)
        }
        Stop::Sibling => {
            StepError::terminal("the workflow was stopped").with_id(ErrorId::STEP_STOPPED)
        }
        Stop::Lost(_) => {
            StepError::terminal("the journal of the run is lost").with_id(ErrorId::STEP_STOPPED)
        }
    }
}
