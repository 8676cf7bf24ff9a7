//! The executors that files put around agents and functions.

use crate::builtins::at_recorded_time;
use crate::format::Text;
use crate::reference::OwnedValues;
use crate::work::evaluate;
use std::sync::Arc;
use stepwright_core::redact::Secrets;
use stepwright_core::{
    AnyExecutor, ErrorCode, Executor, Fingerprint, StepContext, StepError, StepInput, StepOutput,
};

/// Work whose outputs, errors and events have no secret in them.
pub(crate) struct Discreet<W> {
    pub(crate) work: W,
    pub(crate) secrets: Secrets,
}

impl<W: Executor> Executor for Discreet<W> {
    stepwright_core::as_inner_executor!(work);

    fn fingerprint(&self) -> Fingerprint {
        self.work.fingerprint()
    }

    async fn execute(&self, input: StepInput, cx: StepContext) -> Result<StepOutput, StepError> {
        match self.work.execute(input, self.secrets.within(&cx)).await {
            Ok(output) => Ok(self.secrets.redact_output(output)),
            Err(error) => Err(self.secrets.redact_error(error)),
        }
    }
}

/// An agent whose message is a template. Without one, the executor as it is.
pub(crate) struct Prompted {
    pub(crate) agent: AnyExecutor,
    pub(crate) prompt: Option<Text>,
}

impl Executor for Prompted {
    stepwright_core::as_inner_executor!(agent);

    fn fingerprint(&self) -> Fingerprint {
        self.agent.fingerprint()
    }

    async fn execute(
        &self,
        mut input: StepInput,
        cx: StepContext,
    ) -> Result<StepOutput, StepError> {
        if let Some(prompt) = &self.prompt {
            if prompt.template.references().iter().any(|reference| reference.root == "now") {
                input = at_recorded_time(input, &cx).await?;
            }
            input = with_prompt(prompt, input).await?;
        }
        self.agent.execute(input, cx).await
    }
}

/// Returns the input of an agent whose message is a template.
pub(crate) async fn with_prompt(
    prompt: &Text,
    mut input: StepInput,
) -> Result<StepInput, StepError> {
    let template = prompt.clone();
    let text = evaluate(OwnedValues::of(input.clone()), move |values, budget| {
        template.render(values, budget)
    });
    let text = text.await?;
    // An agent with an empty message would get the run's input instead.
    if text.trim().is_empty() {
        return Err(StepError::terminal("its prompt is empty")
            .with_code(ErrorCode::BadInput)
            .with_hint("give `prompt` a text for the case that a value in it is empty"));
    }
    // Values that the template uses are not added to the prompt again.
    let tells = |word: &str| prompt.template.references().iter().any(|r| r.root == word);
    if tells("user_input") {
        input.user_input = None;
    }
    if tells("feedback") || tells("rejected") {
        input.feedback = None;
    }
    // An agent takes its message from the previous output.
    input.previous = Some(Arc::new(StepOutput::from(text)));
    Ok(input)
}
