//! A validated workflow definition, with its runner.

use crate::definition::Definition;
use crate::runner::Runner;
use std::fmt;
use std::sync::Arc;
use stepwright_core::WorkflowId;
use stepwright_core::plan::Plan;

/// A named, validated definition. It is cheap to clone, no run changes it, and any number of its
/// runs may be under way at once.
///
/// The methods of a workflow see the runs and sessions of all users: they are for the owner of the
/// process. In a server that acts for users, use [`Workflow::as_user`].
///
/// ```
/// use stepwright_engine::{Loop, Workflow};
/// # async fn write(t: String) -> String { t + "." }
/// let workflow = Workflow::builder("Content Pipeline")
///     .step(Loop::new("Revise").step(write).forward().at_most(3))
///     .build()?;
/// assert_eq!(workflow.id().as_str(), "content-pipeline");
/// assert_eq!(workflow.run("A").blocking()?.content.text(), "A...");
/// # Ok::<(), stepwright_core::Error>(())
/// ```
#[derive(Clone)]
pub struct Workflow(Arc<Runner>);

impl Workflow {
    /// Returns the name.
    pub fn name(&self) -> &str {
        &self.definition().name
    }

    /// Returns the workflow's id.
    pub fn id(&self) -> &WorkflowId {
        &self.definition().id
    }

    /// Returns the description, if there is one.
    pub fn description(&self) -> Option<&str> {
        self.definition().description.as_deref()
    }

    /// Returns the plan: the shape of the workflow as data.
    pub fn plan(&self) -> &Plan {
        &self.definition().compiled.plan
    }

    /// Returns `true` if the workflow has a store, so that its runs outlive this process: see
    /// [`WorkflowBuilder::store`](crate::WorkflowBuilder::store).
    pub fn has_store(&self) -> bool {
        self.0.has_store()
    }

    /// Returns the fingerprint of the plan's shape and content: see [`Plan::digest`].
    pub fn digest(&self) -> &str {
        &self.definition().digest
    }

    pub(crate) fn of(runner: Runner) -> Self {
        Self(Arc::new(runner))
    }

    pub(crate) fn runner(&self) -> &Arc<Runner> {
        &self.0
    }

    pub(crate) fn definition(&self) -> &Definition {
        &self.0.definition
    }
}

impl fmt::Debug for Workflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Workflow").field(&self.name()).finish()
    }
}
