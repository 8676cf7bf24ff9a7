//! Tools whose calls the caller of a run carries out.

use crate::shape;
use schemars::JsonSchema;
use serde_json::{Map, Value, json};
use std::time::Duration;
use stepwright_core::form;
use stepwright_core::requirement::{RequirementId, RequirementKind};
use stepwright_core::tool::{Tool, ToolEffect, ToolError, ToolSpec};
use stepwright_core::{
    Answer, BoxFuture, Content, ErrorId, Fingerprint, OnInterrupted, OnTimeout, Requirement,
    StepContext,
};

/// A tool without code: the caller of the run carries out its calls.
///
/// A call pauses the run with a request of the kind
/// [`ExternalExecution`](RequirementKind::ExternalExecution), which has the name of the tool and
/// the arguments. [`Answer::submit`] continues the run with the result, and
/// [`Answer::reject`] with an error, which the model reads. Other calls of the turn go on
/// meanwhile. The result is a fact: the call is not made again when the run is resumed.
///
/// ```
/// use schemars::JsonSchema;
/// use serde::Deserialize;
/// use stepwright_agent::{Agent, ExternalTool};
/// # use stepwright_core::Answer;
/// # use stepwright_core::requirement::RequirementKind;
/// # use stepwright_testing::model::{Reply, ScriptedModel};
/// #[derive(Deserialize, JsonSchema)]
/// struct OpenDoor {
///     /// The number of the room.
///     room: u32,
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), stepwright_core::Error> {
/// # let model = ScriptedModel::new([
/// #     Reply::call("open_door", serde_json::json!({"room": 7})), Reply::text("It is open."),
/// # ]);
/// let open_door = ExternalTool::new::<OpenDoor>("open_door", "Opens the door of a room.");
/// let porter = Agent::builder("Porter").model(model)?.tool(open_door).build()?;
/// # let workflow = stepwright_engine::Workflow::builder("Porter").step(porter)
/// #     .store(stepwright_core::Memory::default()).build()?;
/// let paused = workflow.run("Let me in.").await?;
/// let asked = &paused.requirements[0];
/// let RequirementKind::ExternalExecution { tool, arguments } = &asked.kind else {
///     panic!("{asked:?}")
/// };
/// assert_eq!((&**tool, &arguments["room"]), ("open_door", &7.into()));
/// let answers = [(asked.id.to_string(), Answer::submit("the door is open"))];
/// let output = workflow.continue_run(&paused.run_id, answers).await?;
/// assert_eq!(output.content.text(), "It is open.");
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct ExternalTool {
    spec: ToolSpec,
    timeout: Option<Duration>,
}

impl ExternalTool {
    /// Creates a tool whose arguments are those of the struct `A`.
    pub fn new<A: JsonSchema>(name: impl Into<String>, description: impl Into<String>) -> Self {
        Self::with_parameters(name, description, shape::schema_of::<A>())
    }

    /// Creates a tool with this JSON Schema of its arguments, which must be an object.
    pub fn with_parameters(
        name: impl Into<String>,
        description: impl Into<String>,
        mut parameters: Value,
    ) -> Self {
        if parameters["type"] == "object"
            && let Some(object) = parameters.as_object_mut()
        {
            // Some providers refuse an object schema without `properties`, even an empty one.
            object.entry("properties").or_insert_with(|| Map::new().into());
        }
        let spec = ToolSpec { name: name.into(), description: description.into(), parameters };
        Self { spec, timeout: None }
    }

    /// Sets how long a call waits for its result. When the time has passed, the model is told so.
    /// Without this, a call waits for any length of time.
    #[must_use]
    pub fn answer_within(mut self, limit: Duration) -> Self {
        self.timeout = Some(limit);
        self
    }
}

impl Tool for ExternalTool {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn call(&self, arguments: Value, cx: StepContext) -> BoxFuture<'_, Result<String, ToolError>> {
        Box::pin(async move {
            let name = &self.spec.name;
            let mistakes = form::mistakes(&self.spec.parameters, &arguments);
            if !mistakes.is_empty() {
                return Err(ToolError::Arguments(mistakes.join("; ")));
            }
            let requirement = Requirement {
                id: RequirementId::new(cx.path().clone(), "external").into(),
                path: cx.path().clone(),
                kind: RequirementKind::ExternalExecution {
                    tool: name.as_str().into(),
                    arguments: arguments.into(),
                },
                message: format!("Carry out the call of `{name}`, and answer with its result")
                    .into(),
                due: self.timeout.map(|limit| cx.world().now().plus(limit)),
                on_timeout: OnTimeout::Fail,
            };
            match cx.ask(requirement).await {
                Ok(Answer::Submit { value }) => Ok(Content::from(value).text().into_owned()),
                Ok(Answer::Reject { feedback: Some(why) }) => {
                    Err(ToolError::Failed(why.to_string()))
                }
                Ok(_) => Err(ToolError::Failed("the call was not carried out".into())),
                Err(late) if late.data.id == Some(ErrorId::ANSWER_NOT_IN_TIME) => {
                    Err(ToolError::Failed("the result of the call did not come in time".into()))
                }
                Err(error) => Err(ToolError::Fatal(error)),
            }
        })
    }

    fn effect(&self) -> ToolEffect {
        ToolEffect::Acts
    }

    /// Repeats the call: nothing but a recorded request happens in it.
    fn on_interrupted(&self) -> Option<OnInterrupted> {
        Some(OnInterrupted::Retry)
    }

    fn fingerprint(&self) -> Fingerprint {
        let limit = self.timeout.map(|limit| format!("{limit:?}"));
        let fingerprint = Fingerprint::default();
        fingerprint.with("external", json!({"answer_within": limit}).to_string())
    }

    fn asks(&self) -> bool {
        true
    }
}
