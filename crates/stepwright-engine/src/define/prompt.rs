//! Messages that are made of what a step is given.

use serde::Serialize;
use std::sync::Arc;
use stepwright_core::executor::ExecutorType;
use stepwright_core::{
    AnyExecutor, Content, ErrorCode, Executor, Json, StepContext, StepError, StepInput, StepOutput,
};

/// Makes the message of a step.
pub(crate) type Prompt = Arc<dyn Fn(&StepInput) -> Result<Content, StepError> + Send + Sync>;

/// What a message of a step can be made as: text, `Json<T>`, `Content`, or a `Result` of these.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the message of a step",
    note = "return `String`, `Json<T>`, `Content`, or a `Result` of one of them"
)]
pub trait IntoPrompt {
    /// The message.
    fn into_prompt(self) -> Result<Content, StepError>;
}

impl IntoPrompt for String {
    fn into_prompt(self) -> Result<Content, StepError> {
        Ok(self.into())
    }
}

impl IntoPrompt for &'static str {
    fn into_prompt(self) -> Result<Content, StepError> {
        Ok(self.into())
    }
}

impl IntoPrompt for Content {
    fn into_prompt(self) -> Result<Content, StepError> {
        Ok(self)
    }
}

impl<T: Serialize> IntoPrompt for Json<T> {
    fn into_prompt(self) -> Result<Content, StepError> {
        Content::json(&self.0).map_err(StepError::from)
    }
}

impl<T: IntoPrompt, E: Into<StepError>> IntoPrompt for Result<T, E> {
    fn into_prompt(self) -> Result<Content, StepError> {
        self.map_err(Into::into).and_then(T::into_prompt)
    }
}

/// `input` with the message in the place of what the step before gave.
pub(super) fn told(prompt: &Prompt, mut input: StepInput) -> Result<StepInput, StepError> {
    let message = prompt(&input)?;
    input.previous = Some(Arc::new(StepOutput::from(message)));
    Ok(input)
}

/// An executor that works on a message made of what its step is given.
pub(crate) struct Prompted {
    pub(crate) executor: AnyExecutor,
    pub(crate) prompt: Prompt,
}

impl Executor for Prompted {
    fn name(&self) -> &str {
        self.executor.name()
    }

    fn executor_type(&self) -> ExecutorType {
        self.executor.executor_type()
    }

    async fn execute(&self, input: StepInput, cx: StepContext) -> Result<StepOutput, StepError> {
        let input = told(&self.prompt, input)?;
        // An agent that is told nothing would be told the run's input instead.
        if self.executor_type() != ExecutorType::Function && input.content().is_empty() {
            return Err(StepError::terminal("its prompt is empty")
                .with_code(ErrorCode::BadInput)
                .with_hint("return the text that the agent is to read"));
        }
        self.executor.execute(input, cx).await
    }
}
