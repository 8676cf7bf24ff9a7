//! The passage of effects through the gate: the one place where an effect of a step begins. It asks
//! for the permission of the effect, and reserves what the effect takes from budgets.

use crate::budget::{ASSUMED_OUTPUT_TOKENS, Budget};
use crate::call::Call;
use crate::context::StepContext;
use crate::failure::StepError;
use crate::gate::{Admission, Demand, Permit, Reservation};
use crate::media::{MediaKind, MediaSource};
use crate::message::{Arguments, Message, Part};
use crate::model::ModelRequest;
use crate::permission::{Effect, Verdict};

/// The bytes that a message of a request takes besides its text, as an upper bound of its tokens.
const TOKENS_OF_MESSAGE: u64 = 16;

/// The tokens that a medium of a request takes, as an upper bound for images.
const TOKENS_OF_MEDIA: u64 = 4096;

impl Demand {
    /// Returns the demand of a request. Its input has at most as many tokens as bytes.
    pub fn of_request(model: &str, request: &ModelRequest) -> Self {
        let bytes = |text: &str| u64::try_from(text.len()).unwrap_or(u64::MAX);
        let mut input = request.instructions.as_deref().map_or(0, bytes);
        for message in &request.messages {
            input = input.saturating_add(weight(message)).saturating_add(TOKENS_OF_MESSAGE);
        }
        for tool in &request.tools {
            input = input
                .saturating_add(bytes(&tool.name) + bytes(&tool.description) + TOKENS_OF_MESSAGE)
                .saturating_add(bytes(&tool.parameters.to_string()));
        }
        if let Some(schema) = &request.output_schema {
            input = input.saturating_add(bytes(&schema.to_string()));
        }
        let output = request.options.max_output_tokens.unwrap_or(ASSUMED_OUTPUT_TOKENS);
        Self::Request { models: vec![model.into()], tokens: (input, output), before: None }
    }
}

/// Returns the largest number of tokens of a message.
fn weight(message: &Message) -> u64 {
    let bytes = |bytes: usize| u64::try_from(bytes).unwrap_or(u64::MAX);
    let parts = match message {
        Message::User { parts } => parts,
        Message::Assistant(turn) => &turn.parts,
        Message::Tool { results } => {
            return results.iter().map(|r| bytes(r.text.len()) + TOKENS_OF_MESSAGE).sum();
        }
    };
    let part = |part: &Part| match part {
        Part::Text { text } | Part::Reasoning { text } => bytes(text.len()),
        Part::ToolCall(call) => match &call.arguments {
            Arguments::Json(value) => bytes(value.to_string().len()) + TOKENS_OF_MESSAGE,
            Arguments::Invalid(raw) => bytes(raw.len()) + TOKENS_OF_MESSAGE,
        },
        Part::Media { media } => match &media.source {
            MediaSource::Bytes(_) | MediaSource::Stored(_) if media.kind == MediaKind::File => {
                media.size().unwrap_or(u64::MAX)
            }
            _ => TOKENS_OF_MEDIA,
        },
    };
    parts.iter().map(part).fold(0, u64::saturating_add)
}

impl StepContext {
    /// Begins an effect of this step: asks for its permission, and for what it takes from budgets.
    /// Keep the reservation until the effect has ended.
    ///
    /// Every executor and tool that acts on the world calls this, or [`StepContext::permit`], ahead
    /// of the effect. Without permissions and budgets it costs nothing.
    ///
    /// ```
    /// # use futures_util::FutureExt as _;
    /// use stepwright_core::permission::{CommandLine, Effect};
    /// use stepwright_core::{StepContext, StepError};
    /// async fn deploy(cx: StepContext) -> Result<String, StepError> {
    ///     let command = CommandLine::of_words(["make", "deploy"]);
    ///     let _running = cx.begin_effect(&Effect::command("shell", command)).await?;
    ///     // Run the command here.
    ///     Ok("deployed".into())
    /// }
    /// let deployed = deploy(StepContext::detached("Deploy")).now_or_never().unwrap()?;
    /// assert_eq!(deployed, "deployed");
    /// # Ok::<(), StepError>(())
    /// ```
    ///
    /// # Errors
    /// Fails if the effect is refused, if a budget is spent, or if the journal is lost.
    pub async fn begin_effect(&self, effect: &Effect) -> Result<Reservation, StepError> {
        match self.permit(effect).await? {
            Permit::Granted => {}
            Permit::Refused(error) => return Err(error),
        }
        match self.reserve(&Demand::Nothing).await? {
            Admission::Granted(held) | Admission::Last(held) => Ok(held),
            Admission::Spent(error) => Err(error),
        }
    }

    /// Asks for the permission of an effect. If its permissions say so, a person is asked, and the
    /// run may pause meanwhile.
    ///
    /// # Errors
    /// Fails if the journal is lost.
    pub async fn permit(&self, effect: &Effect) -> Result<Permit, StepError> {
        let effect = self.placed(effect);
        self.host().permit(self.path(), self.path(), self.attempt(), &effect).await
    }

    /// Returns the verdict about an effect, without asking a person. For the parts of an effect
    /// that has begun, such as a redirect.
    pub fn verdict(&self, effect: &Effect) -> Verdict {
        self.host().verdict(self.path(), effect)
    }

    /// Adds a budget for the rest of this step or tool call. For executors that have one, such as
    /// agents.
    pub fn limit(&self, budget: &Budget) {
        self.host().limit(self.path(), budget);
    }

    /// Reserves what an effect takes from budgets, and waits while other effects hold what is left.
    ///
    /// # Errors
    /// Fails if a budget is spent, or if the journal is lost.
    pub async fn reserve(&self, demand: &Demand) -> Result<Admission, StepError> {
        self.shared_host().reserve(self.path(), demand).await
    }
}

impl Call {
    /// Asks for the permission of this call: see [`StepContext::permit`].
    ///
    /// # Errors
    /// Fails if the journal is lost.
    pub async fn permit(&self, effect: &Effect) -> Result<Permit, StepError> {
        let cx = self.context();
        let effect = cx.placed(effect);
        cx.host().permit(&self.caller, self.path(), cx.attempt(), &effect).await
    }
}
