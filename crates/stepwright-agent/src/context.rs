//! Sources of texts that are added to the instructions of an agent when a run begins.

use std::fmt;
use std::sync::Arc;
use stepwright_core::{BoxError, BoxFuture, Fingerprint, StepContext, StepError, StepInput};

/// A source of text for the instructions of an agent: what it knows of the user, the passages of
/// documents that its message is about, or instructions made from the context of the run.
///
/// It is asked once for each execution of the agent. Its text is a fact,
/// [`ContextAdded`](stepwright_core::EventKind::ContextAdded): a resumed run uses the recorded
/// text, and does not ask again.
///
/// ```
/// use stepwright_agent::{Agent, ContextSource};
/// use stepwright_core::{BoxFuture, StepContext, StepError, StepInput};
///
/// /// Tells the model the name of the workflow.
/// struct Workflow;
///
/// impl ContextSource for Workflow {
///     fn name(&self) -> &str {
///         "workflow"
///     }
///
///     fn gather<'a>(
///         &'a self,
///         _: &'a StepInput,
///         cx: &'a StepContext,
///     ) -> BoxFuture<'a, Result<Option<String>, StepError>> {
///         Box::pin(async move { Ok(Some(format!("You work in `{}`.", cx.run().workflow_name))) })
///     }
/// }
///
/// let agent = Agent::builder("Clerk").model("offline")?.context(Workflow).build()?;
/// # Ok::<(), stepwright_core::Error>(())
/// ```
pub trait ContextSource: Send + Sync + 'static {
    /// Returns the name of the source, which events show. An agent has one source of each name.
    fn name(&self) -> &str;

    /// Returns the text for this execution; `None` if there is nothing to add.
    ///
    /// # Errors
    /// Fails if the text cannot be made. The step of the agent then fails.
    fn gather<'a>(
        &'a self,
        input: &'a StepInput,
        cx: &'a StepContext,
    ) -> BoxFuture<'a, Result<Option<String>, StepError>>;

    /// Returns the settings that must be unchanged when a run resumes.
    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::default()
    }
}

/// A source of text of any type.
#[derive(Clone)]
pub(crate) struct AnyContext(pub(crate) Arc<dyn ContextSource>);

impl fmt::Debug for AnyContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AnyContext").field(&self.0.name()).finish()
    }
}

/// Instructions that a function makes.
pub(crate) struct MadeInstructions<F>(pub(crate) F);

/// The name of instructions that a function makes, in events.
pub(crate) const INSTRUCTIONS: &str = "instructions";

impl<F, Made, E> ContextSource for MadeInstructions<F>
where
    F: Fn(StepInput, StepContext) -> Made + Send + Sync + 'static,
    Made: Future<Output = Result<String, E>> + Send,
    E: Into<BoxError>,
{
    fn name(&self) -> &str {
        INSTRUCTIONS
    }

    fn gather<'a>(
        &'a self,
        input: &'a StepInput,
        cx: &'a StepContext,
    ) -> BoxFuture<'a, Result<Option<String>, StepError>> {
        Box::pin(async move {
            let made = (self.0)(input.clone(), cx.clone()).await;
            made.map(Some).map_err(StepError::from_error)
        })
    }
}
