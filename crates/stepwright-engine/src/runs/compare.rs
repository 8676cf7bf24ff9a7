//! A comparison of two runs.

use super::Runs;
use serde::{Deserialize, Serialize};
use std::fmt;
use stepwright_core::event::Origin;
use stepwright_core::{Content, Error, Metrics, RunId, RunOutput, RunStatus, StepPath, StepResult};

/// Two runs beside each other: see [`Runs::compare`].
///
/// ```
/// # use stepwright_core::{AnyStore, Memory, RunId};
/// # use stepwright_engine::{Runs, Workflow};
/// # async fn greet(name: String) -> String { format!("Hello {name}") }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), stepwright_core::Error> {
/// # let memory = Memory::default();
/// # let workflow = Workflow::builder("Greeting").store(memory.clone()).step(greet).build()?;
/// workflow.run("Ada").run_id("a").await?;
/// workflow.run("Bob").run_id("b").await?;
/// let runs = Runs::of(AnyStore::new(memory));
/// let compared = runs.compare(&RunId::new("a")?, &RunId::new("b")?).await?;
/// assert_eq!(compared.first_difference.unwrap().to_string(), "the input of the run differs");
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Comparison {
    /// The first run.
    pub first: Compared,
    /// The second run.
    pub second: Compared,
    /// The first difference in the order of the steps, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_difference: Option<Difference>,
}

/// One of two runs that are compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Compared {
    /// The id of the run.
    pub run_id: RunId,
    /// Its status.
    pub status: RunStatus,
    /// The run from which it was forked, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// The digest of its definition when it began.
    pub digest: String,
    /// Its output.
    pub content: Content,
    /// The message of its failure, if it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Its metrics. Those of a fork are without what it shares with its origin.
    pub metrics: Metrics,
}

/// The first difference between two runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Difference {
    /// The path of the step. The root if it concerns the runs as a whole.
    pub path: StepPath,
    /// The difference, as a phrase.
    pub what: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_root() {
            return f.write_str(&self.what);
        }
        write!(f, "`{}`: {}", self.path, self.what)
    }
}

impl Runs {
    /// Compares two runs: their outputs and metrics, and the first step that differs.
    ///
    /// # Errors
    /// The errors of [`Runs::load`], for either run.
    pub async fn compare(&self, first: &RunId, second: &RunId) -> Result<Comparison, Error> {
        let (one, other) = (self.load(first).await?, self.load(second).await?);
        let digests = [one.row().digest.to_string(), other.row().digest.to_string()];
        let (one, other) = (one.into_output(), other.into_output());
        let first_difference = difference(&one, &other);
        let [first, second] = digests;
        Ok(Comparison {
            first: compared(one, first),
            second: compared(other, second),
            first_difference,
        })
    }
}

fn compared(output: RunOutput, digest: String) -> Compared {
    Compared {
        run_id: output.run_id,
        status: output.status,
        origin: output.origin,
        digest,
        content: output.content,
        error: output.error.map(|failure| failure.error.message),
        metrics: output.metrics,
    }
}

fn difference(one: &RunOutput, other: &RunOutput) -> Option<Difference> {
    let found = |path: &StepPath, what: String| Some(Difference { path: path.clone(), what });
    let root = StepPath::root();
    if one.workflow_id != other.workflow_id {
        let what = format!("the workflows are `{}` and `{}`", one.workflow_id, other.workflow_id);
        return found(&root, what);
    }
    if one.input != other.input {
        return found(&root, "the input of the run differs".to_owned());
    }
    let theirs: std::collections::HashMap<&StepPath, &StepResult> =
        other.walk().map(|step| (&step.path, step)).collect();
    let ours: std::collections::HashSet<&StepPath> = one.walk().map(|step| &step.path).collect();
    for step in one.walk() {
        let Some(counterpart) = theirs.get(&step.path) else {
            return found(&step.path, format!("only `{}` has begun it", one.run_id));
        };
        // The result of a container is that of its steps, which follow.
        if !step.steps.is_empty() && !counterpart.steps.is_empty() {
            continue;
        }
        if step.status != counterpart.status {
            let what = format!("it is {} and {}", step.status, counterpart.status);
            return found(&step.path, what);
        }
        if step.content != counterpart.content {
            return found(&step.path, "its outputs differ".to_owned());
        }
        let message = |step: &StepResult| step.error.as_ref().map(|error| error.message.clone());
        if let (Some(ours), Some(theirs)) = (message(step), message(counterpart))
            && ours != theirs
        {
            return found(&step.path, format!("it failed with `{ours}` and with `{theirs}`"));
        }
    }
    if let Some(more) = other.walk().find(|step| !ours.contains(&step.path)) {
        return found(&more.path, format!("only `{}` has begun it", other.run_id));
    }
    if one.status != other.status {
        return found(&root, format!("the runs are {} and {}", one.status, other.status));
    }
    (one.content != other.content)
        .then(|| Difference { path: root, what: "the outputs of the runs differ".to_owned() })
}
