//! Branches that run at the same time.

use super::{AnyStep, Body, Common, IntoStep, container};
use stepwright_core::plan::Join;

/// A container that executes its branches at the same time.
///
/// Its output is an object with a key for each branch, in declaration order. An agent reads it as
/// one section with a heading for each branch. Branches do not see each other. Their changes of the
/// session state are combined when all have ended. If two branches set one key to different values,
/// the container fails, unless a [reducer](crate::WorkflowBuilder::reducer) combines them.
///
/// All branches share the task of their run: while one waits, the others work. Use
/// [`Step::blocking`](super::Step::blocking) for work that keeps a processor busy.
///
/// ```
/// # use stepwright_engine::{Parallel, Workflow};
/// # async fn web(t: String) -> String { format!("web: {t}") }
/// # async fn papers(t: String) -> String { format!("papers: {t}") }
/// let facts = Parallel::new("Facts").branch(web).branch(papers);
/// let output = Workflow::builder("Research").step(facts).build()?.run("ants").blocking()?;
/// assert_eq!(output.content.text(), r#"{"web":"web: ants","papers":"papers: ants"}"#);
/// # Ok::<(), stepwright_core::Error>(())
/// ```
#[must_use = "a container does nothing until it is part of a workflow"]
pub struct Parallel {
    common: Common,
    branches: Vec<AnyStep>,
    join: Join,
    concurrency: Option<u32>,
}

impl Parallel {
    /// Creates a container without branches.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            common: Common::named(name),
            branches: Vec::new(),
            join: Join::default(),
            concurrency: None,
        }
    }

    /// Adds a branch.
    pub fn branch<M>(mut self, step: impl IntoStep<M>) -> Self {
        self.branches.push(step.into_step());
        self
    }

    /// Sets the policy for a branch that fails. By default the other branches finish, and then the
    /// container fails. [`Map::join`](crate::Map::join) has an example.
    pub fn join(mut self, join: Join) -> Self {
        self.join = join;
        self
    }

    /// Sets the number of branches that run at the same time. By default all do.
    pub fn concurrency(mut self, at_a_time: u32) -> Self {
        self.concurrency = Some(at_a_time);
        self
    }
}

container!(Parallel, self => Body::Parallel {
    branches: self.branches,
    join: self.join,
    concurrency: self.concurrency,
});
