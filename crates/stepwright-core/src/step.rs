//! The type of a step's executor, the input of its run, and its output.

use crate::content::Content;
use crate::media::Media;
use crate::message::Usage;
use crate::state::Patch;
use crate::workspace::WorkspaceFile;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fmt::Write as _;

/// The type of an executor.
///
/// ```
/// use stepwright_core::{EventKind, executor::ExecutorType};
/// let by_agent = |kind: &EventKind| {
///     matches!(kind, EventKind::StepStarted { executor_type: ExecutorType::Agent, .. })
/// };
/// let (executor_type, executor_name) = (ExecutorType::Agent, "writer".into());
/// assert!(by_agent(&EventKind::StepStarted { executor_type, executor_name }));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ExecutorType {
    /// A function.
    Function,
    /// An agent.
    Agent,
    /// A team of agents.
    Team,
    /// A whole workflow.
    Workflow,
}

/// The input of a run, the same for all of its steps.
///
/// ```
/// use stepwright_core::{StepInput, executor::RunInput};
/// fn language(input: &StepInput) -> Option<&str> {
///     let run: &RunInput = &input.run;
///     run.additional_data.get("language")?.as_str()
/// }
/// assert_eq!(language(&StepInput::of("bridges")), None);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RunInput {
    /// The main content.
    pub content: Content,
    /// Images, videos, audio and files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub media: Vec<Media>,
    /// Additional data for the steps.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub additional_data: Map<String, Value>,
}

/// The output of a step.
///
/// ```
/// use stepwright_core::{Patch, StepOutput};
/// let output = StepOutput::from("done").patch(Patch::increment("visits", 1)).stop();
/// assert!(output.stop);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StepOutput {
    /// The input of the next step.
    pub content: Content,
    /// Images, videos, audio and files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub media: Vec<Media>,
    /// Changes of the session state.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub patches: Vec<Patch>,
    /// `true` to end the whole run here, as completed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stop: bool,
    /// `true` if the content holds the outputs of branches as an object, and a model should read
    /// each member under a heading.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub headed: bool,
    /// The usage of models for this output.
    #[serde(default, skip_serializing_if = "Usage::is_empty")]
    pub usage: Usage,
    /// The files that were made or changed in the workspace of the step until now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<WorkspaceFile>,
}

impl StepOutput {
    /// Adds a change of the session state.
    #[must_use]
    pub fn patch(mut self, patch: Patch) -> Self {
        self.patches.push(patch);
        self
    }

    /// Adds a media item.
    #[must_use]
    pub fn medium(mut self, medium: Media) -> Self {
        self.media.push(medium);
        self
    }

    /// Ends the whole run here, as completed, from any depth.
    #[must_use]
    pub fn stop(mut self) -> Self {
        self.stop = true;
        self
    }

    pub(crate) fn headings(&self) -> String {
        let Content::Json(value) = &self.content else { return self.content.text().into_owned() };
        let Value::Object(members) = &**value else { return self.content.pretty().into_owned() };
        let mut text = String::new();
        for (name, value) in members {
            let gap = if text.is_empty() { "" } else { "\n\n" };
            let value = Content::from(value.clone());
            let _ = write!(text, "{gap}## {name}\n\n{}", value.pretty());
        }
        text
    }
}

impl<C: Into<Content>> From<C> for StepOutput {
    fn from(content: C) -> Self {
        // Field by field: the default makes a content of its own, and drops it.
        Self {
            content: content.into(),
            media: Vec::new(),
            patches: Vec::new(),
            stop: false,
            headed: false,
            usage: Usage::default(),
            files: Vec::new(),
        }
    }
}
