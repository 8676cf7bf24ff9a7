//! Messages made from a step's input.

use crate::table::Blocking;
use serde::Serialize;
use std::sync::Arc;
use stepwright_core::executor::ExecutorType;
use stepwright_core::{
    AnyExecutor, BoxError, Content, ErrorCode, Executor, Fingerprint, Json, StepContext, StepError,
    StepInput, StepOutput,
};

/// Makes the message of a step.
pub(crate) type Prompt = Arc<dyn Fn(&StepInput) -> Result<Content, StepError> + Send + Sync>;

/// A result of a prompt function: text, `Json<T>`, `Content`, or a `Result` of these. See
/// [`Step::prompt`](crate::Step::prompt).
///
/// ```
/// use stepwright_core::StepInput;
/// use stepwright_engine::{IntoPrompt, Step};
/// fn told<R: IntoPrompt + 'static>(step: Step, prompt: fn(&StepInput) -> R) -> Step {
///     step.prompt(prompt)
/// }
/// # async fn write(text: String) -> String { text }
/// let _ = told(Step::new("write", write), |input| format!("In one line: {}", input.text()));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the message of a step",
    note = "return `String`, `Json<T>`, `Content`, or a `Result` of one of them"
)]
pub trait IntoPrompt {
    /// Converts the result into the message.
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

impl<T: IntoPrompt, E: Into<BoxError>> IntoPrompt for Result<T, E> {
    fn into_prompt(self) -> Result<Content, StepError> {
        self.map_err(StepError::from_error).and_then(T::into_prompt)
    }
}

/// Returns the input with the message in place of the output of the previous step.
fn told(prompt: &Prompt, mut input: StepInput) -> Result<StepInput, StepError> {
    let message = prompt(&input)?;
    input.previous = Some(Arc::new(StepOutput::from(message)));
    Ok(input)
}

/// Wraps a blocking function so that it gets the message that `prompt` makes from the step's input.
pub(crate) fn prompted(blocking: Blocking, prompt: Prompt) -> Blocking {
    let Blocking { name, call } = blocking;
    let call = move |input: &StepInput, cx: &StepContext| call(&told(&prompt, input.clone())?, cx);
    Blocking { name, call: Arc::new(call) }
}

/// An executor that gets a message made from its step's input.
pub(crate) struct Prompted {
    pub(crate) executor: AnyExecutor,
    pub(crate) prompt: Prompt,
}

impl Executor for Prompted {
    stepwright_core::as_inner_executor!(executor);

    fn fingerprint(&self) -> Fingerprint {
        self.executor.fingerprint()
    }

    async fn execute(&self, input: StepInput, cx: StepContext) -> Result<StepOutput, StepError> {
        let input = told(&self.prompt, input)?;
        // An agent with an empty message would get the run's input instead.
        if self.executor_type() != ExecutorType::Function && input.content().is_empty() {
            return Err(StepError::terminal("its prompt is empty")
                .with_code(ErrorCode::BadInput)
                .with_hint("return the text that the agent is to read"));
        }
        self.executor.execute(input, cx).await
    }
}
