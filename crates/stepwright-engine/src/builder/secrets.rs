//! The secrets of a workflow.

use super::WorkflowBuilder;
use stepwright_core::redact::Secrets;

impl WorkflowBuilder {
    /// Removes secrets from what people give its runs: inputs with their additional data, and
    /// answers. For what steps make, see [`Secrets::within`] and [`Secrets::redact_output`].
    ///
    /// ```
    /// use stepwright_core::redact::Secrets;
    /// use stepwright_engine::Workflow;
    /// # async fn echo(text: String) -> String { text }
    /// let secrets = Secrets::new(["hunter2"]);
    /// let workflow = Workflow::builder("Echo").secrets(secrets).step(echo).build()?;
    /// assert_eq!(workflow.run("it is hunter2").blocking()?.content.text(), "it is [redacted]");
    /// # Ok::<(), stepwright_core::Error>(())
    /// ```
    pub fn secrets(mut self, secrets: Secrets) -> Self {
        self.secrets = secrets;
        self
    }
}
