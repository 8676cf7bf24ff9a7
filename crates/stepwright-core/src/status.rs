//! The status of runs and steps.

use crate::container::ContainerKind;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The status of a run.
///
/// ```
/// use stepwright_core::RunStatus;
/// let asked = RunStatus::from_word("completed").unwrap();
/// assert_eq!(asked, RunStatus::Completed);
/// assert_eq!(asked.to_string(), "COMPLETED");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
pub enum RunStatus {
    /// The run is queued.
    #[default]
    Pending,
    /// The run is running, or was when its process died.
    Running,
    /// The run waits for an answer or a timer.
    Paused,
    /// The run completed.
    Completed,
    /// The run was cancelled.
    Cancelled,
    /// The run failed.
    Error,
}

impl RunStatus {
    /// Returns `true` for the final statuses: completed, cancelled and error.
    ///
    /// ```
    /// use stepwright_core::RunStatus;
    /// assert!(RunStatus::Cancelled.is_terminal() && !RunStatus::Paused.is_terminal());
    /// ```
    #[doc(alias = "has_completed")]
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Cancelled | Self::Error)
    }

    /// Returns the status in capitals, as Agno writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Running => "RUNNING",
            Self::Paused => "PAUSED",
            Self::Completed => "COMPLETED",
            Self::Cancelled => "CANCELLED",
            Self::Error => "ERROR",
        }
    }

    /// Parses a status, ignoring case.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Pending, Self::Running, Self::Paused, Self::Completed, Self::Cancelled, Self::Error]
            .into_iter()
            .find(|status| status.as_str().eq_ignore_ascii_case(word))
    }
}

impl fmt::Display for RunStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The status of a step or a container.
///
/// ```
/// use stepwright_core::StepStatus;
/// assert!(StepStatus::Completed.has_output() && !StepStatus::Skipped.has_output());
/// assert_eq!(StepStatus::Skipped.to_string(), "skipped");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StepStatus {
    /// The step is running, or was when its process died.
    #[default]
    Running,
    /// The step completed.
    Completed,
    /// The step failed.
    Failed,
    /// The step failed and its definition ignores that, or a person rejected it. Later steps also
    /// see this status for a container that completed without running any step.
    Skipped,
    /// The step was stopped.
    Cancelled,
}

impl StepStatus {
    /// Returns `true` if the step has an output.
    pub fn has_output(self) -> bool {
        self == Self::Completed
    }

    /// Returns the status as a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for StepStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The kind of node that a step result belongs to. In JSON it is one word, such as `Step` or
/// `Loop`.
///
/// ```
/// use stepwright_core::ContainerKind;
/// use stepwright_core::output::StepType;
/// let json = serde_json::to_string(&StepType::Container(ContainerKind::Loop))?;
/// assert_eq!(json, r#""Loop""#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "&'static str", try_from = "String")]
#[non_exhaustive]
pub enum StepType {
    /// A step with an executor.
    Step,
    /// A container, a turn of a loop or an item of a map.
    Container(ContainerKind),
    /// A tool call of a step. It has no [`StepResult`](crate::StepResult) of its own.
    ToolCall,
}

impl StepType {
    /// Returns the name, which is the type in JSON.
    ///
    /// ```
    /// use stepwright_core::output::StepType;
    /// assert_eq!(StepType::Step.as_str(), "Step");
    /// ```
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Step => "Step",
            Self::Container(kind) => kind.name(),
            Self::ToolCall => "ToolCall",
        }
    }
}

impl From<StepType> for &'static str {
    fn from(step_type: StepType) -> Self {
        step_type.as_str()
    }
}

impl TryFrom<String> for StepType {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        match &*name {
            "Step" => Ok(Self::Step),
            "ToolCall" => Ok(Self::ToolCall),
            name => match ContainerKind::named(name) {
                Some(kind) => Ok(Self::Container(kind)),
                None => Err(format!("unknown step type `{name}`")),
            },
        }
    }
}
