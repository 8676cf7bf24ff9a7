//! A process that drives the background runs of several workflows.

use crate::Workflow;
use crate::runner::{Runner, serve};
use std::fmt;
use std::sync::Arc;
use stepwright_core::Error;
use tokio_util::sync::CancellationToken;

/// A process that drives background runs of several workflows.
///
/// A dispatcher hands it the runs of each of them: see
/// [`WorkflowBuilder::dispatcher`](crate::WorkflowBuilder::dispatcher). Of a workflow without a
/// dispatcher, it drives the runs that other processes left behind.
///
/// ```
/// # use std::sync::Arc;
/// # use stepwright_core::Memory;
/// # use stepwright_engine::{LocalDispatcher, Worker, Workflow, real_world};
/// # use tokio_util::sync::CancellationToken;
/// # async fn think(topic: String) -> String { topic }
/// # async fn write(topic: String) -> String { topic }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), stepwright_core::Error> {
/// let queue = Arc::new(LocalDispatcher::new(real_world()));
/// # let store = Memory::default();
/// let research = Workflow::builder("Research").step(think).store(store.clone());
/// let research = research.dispatcher(queue.clone()).build()?;
/// let blog = Workflow::builder("Blog").step(write).store(store).dispatcher(queue).build()?;
/// let handle = blog.run("ants").background().await?;
///
/// let stop = CancellationToken::new();
/// let worker = Worker::new().workflow(&research).workflow(&blog);
/// let serving = tokio::spawn(worker.serve(stop.clone()));
/// assert_eq!(handle.wait().await?.content.text(), "ants");
/// stop.cancel();
/// serving.await.unwrap()?;
/// # Ok(()) }
/// ```
#[must_use = "a worker does nothing until it serves"]
#[derive(Clone, Default)]
pub struct Worker {
    runners: Vec<Arc<Runner>>,
    queues: Option<Vec<Arc<str>>>,
}

impl Worker {
    /// Creates a worker without workflows.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a workflow. Of two versions of a workflow, each drives the runs that began with it.
    pub fn workflow(mut self, workflow: &Workflow) -> Self {
        self.runners.push(workflow.runner().clone());
        self
    }

    /// Sets the queues that the worker serves: it begins the runs of workflows of these queues, and
    /// carries out their steps. The steps of other queues are left to other workers: see
    /// [`Step::queue`](crate::Step::queue). By default a worker serves the queue `default` alone,
    /// or all of them if the dispatcher has no queues.
    ///
    /// ```no_run
    /// # use stepwright_engine::{Worker, Workflow};
    /// # async fn example(train: &Workflow) -> Result<(), stepwright_core::Error> {
    /// # let stop = tokio_util::sync::CancellationToken::new();
    /// // On a machine with a GPU, which does other work too.
    /// Worker::new().workflow(train).queues(["gpu", "default"]).serve(stop).await
    /// # }
    /// ```
    pub fn queues(mut self, names: impl IntoIterator<Item = impl Into<Arc<str>>>) -> Self {
        self.queues = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Drives runs until `stop` is cancelled.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`](stepwright_core::ErrorKind::Usage) if a workflow has a dispatcher and
    /// no store, or if the worker has queues and a dispatcher has none.
    /// [`ErrorKind::Store`](stepwright_core::ErrorKind::Store) if a dispatcher fails.
    pub async fn serve(self, stop: CancellationToken) -> Result<(), Error> {
        serve(&self.runners, self.queues.as_deref(), stop).await
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.runners.iter().map(|runner| &runner.definition.name);
        f.debug_list().entries(names).finish()
    }
}
