//! The check of the input of a workflow.

use super::WorkflowBuilder;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use stepwright_core::Content;

impl WorkflowBuilder {
    /// Requires inputs that parse as `T`. A run with another input is refused before any step
    /// begins. The example of [`WorkflowBuilder`] shows it.
    #[doc(alias = "input_schema")]
    pub fn input<T: DeserializeOwned>(self) -> Self {
        self.check_input(|content| {
            content.parse::<T>().map(drop).map_err(|error| error.to_string())
        })
    }

    /// Checks inputs with a function. It returns an error message for an input that it refuses.
    ///
    /// ```
    /// use stepwright_engine::Workflow;
    /// # async fn greet(name: String) -> String { format!("Hello {name}") }
    /// let check = |name: &stepwright_core::Content| match name.is_empty() {
    ///     true => Err("a name is missing".to_owned()),
    ///     false => Ok(()),
    /// };
    /// let workflow = Workflow::builder("Greeting").check_input(check).step(greet).build()?;
    /// let error = workflow.run("").blocking().unwrap_err();
    /// assert!(error.to_string().ends_with("a name is missing"));
    /// # Ok::<(), stepwright_core::Error>(())
    /// ```
    pub fn check_input(
        self,
        check: impl Fn(&Content) -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        self.prepare_input(move |content| check(content).map(|()| None))
    }

    /// Checks inputs as [`WorkflowBuilder::check_input`] does, and may complete them. The content
    /// that the function returns replaces the input of the run, and is recorded as the input.
    ///
    /// ```
    /// use stepwright_core::{Content, StepInput};
    /// use stepwright_engine::{Step, Workflow};
    /// let workflow = Workflow::builder("Greeting")
    ///     .prepare_input(|name| Ok(name.is_empty().then(|| Content::from("reader"))))
    ///     .step(Step::new("Greet", |name: String| async move { format!("Dear {name}") }))
    ///     .build()?;
    /// assert_eq!(workflow.run("").blocking()?.content.text(), "Dear reader");
    /// # Ok::<(), stepwright_core::Error>(())
    /// ```
    pub fn prepare_input(
        self,
        prepare: impl Fn(&Content) -> Result<Option<Content>, String> + Send + Sync + 'static,
    ) -> Self {
        self.prepare_input_async(move |content| std::future::ready(prepare(&content)))
    }

    /// Checks and completes inputs as [`WorkflowBuilder::prepare_input`] does, with a function that
    /// takes time. For a workflow in a step, the future is dropped when the step times out or the
    /// run is cancelled.
    ///
    /// ```
    /// use stepwright_core::Content;
    /// use stepwright_engine::Workflow;
    /// # async fn greet(name: String) -> String { format!("Hello {name}") }
    /// # async fn is_known(name: &str) -> bool { !name.is_empty() }
    /// let workflow = Workflow::builder("Greeting")
    ///     .prepare_input_async(|name: Content| async move {
    ///         match is_known(&name.text()).await {
    ///             true => Ok(None),
    ///             false => Ok(Some("reader".into())),
    ///         }
    ///     })
    ///     .step(greet)
    ///     .build()?;
    /// assert_eq!(workflow.run("").blocking()?.content.text(), "Hello reader");
    /// # Ok::<(), stepwright_core::Error>(())
    /// ```
    pub fn prepare_input_async<Prepared>(
        mut self,
        prepare: impl Fn(Content) -> Prepared + Send + Sync + 'static,
    ) -> Self
    where
        Prepared: Future<Output = Result<Option<Content>, String>> + Send + 'static,
    {
        self.input = Some(Arc::new(move |content| Box::pin(prepare(content))));
        self
    }
}
