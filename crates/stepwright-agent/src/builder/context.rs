//! The context of an agent: instructions made for a run, examples, compaction and summaries.

use super::AgentBuilder;
use crate::compaction::Compaction;
use crate::context::{AnyContext, ContextSource, MadeInstructions};
use crate::memories::{self, AgentMemory, MemoryBy};
use crate::summary::SessionSummary;
use crate::toolkit::ToolSet;
use serde_json::json;
use std::collections::BTreeSet;
use std::sync::Arc;
use stepwright_core::message::{AssistantTurn, Message};
use stepwright_core::{BoxError, Fingerprint, StepContext, StepInput};

impl AgentBuilder {
    /// Makes instructions when the agent is executed, from its input and context. They stand after
    /// the fixed [`instructions`](AgentBuilder::instructions), if there are any. They are recorded:
    /// a resumed run uses the same.
    ///
    /// ```
    /// # use stepwright_agent::Agent;
    /// # use stepwright_testing::model::ScriptedModel;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), stepwright_core::Error> {
    /// # let model = ScriptedModel::new(["Hello, Ada."]);
    /// # let asked = model.clone();
    /// let agent = Agent::builder("Clerk")
    ///     .model(model)?
    ///     .instructions_from(|_input, cx| async move {
    ///         let user = cx.run().user_id.clone();
    ///         let user = user.map_or("a guest".to_owned(), |user| user.to_string());
    ///         Ok::<_, stepwright_core::StepError>(format!("You talk to {user}."))
    ///     })
    ///     .build()?;
    /// agent.run("Hello").user_id("ada").await?;
    /// # assert_eq!(asked.requests()[0].instructions.as_deref(), Some("You talk to ada."));
    /// # Ok(()) }
    /// ```
    #[doc(alias = "callable instructions")]
    pub fn instructions_from<F, Made, E>(self, make: F) -> Self
    where
        F: Fn(StepInput, StepContext) -> Made + Send + Sync + 'static,
        Made: Future<Output = Result<String, E>> + Send + 'static,
        E: Into<BoxError> + 'static,
    {
        self.context(MadeInstructions(make))
    }

    /// Adds a source of text for the instructions: see [`ContextSource`].
    pub fn context(mut self, source: impl ContextSource) -> Self {
        self.upkeep.contexts.push(AnyContext(Arc::new(source)));
        self
    }

    /// Adds an example of a message and its answer, which the model reads before the conversation.
    ///
    /// ```
    /// use stepwright_agent::Agent;
    /// let agent = Agent::builder("Sorter")
    ///     .model("offline")?
    ///     .instructions("Name the mood of a review.")
    ///     .example("It broke after a day.", "negative")
    ///     .example("I bought a second one.", "positive")
    ///     .build()?;
    /// # Ok::<(), stepwright_core::Error>(())
    /// ```
    #[doc(alias = "additional_input")]
    pub fn example(mut self, message: impl Into<String>, answer: impl Into<String>) -> Self {
        self.upkeep.examples.push(Message::user(message));
        self.upkeep.examples.push(Message::Assistant(AssistantTurn::text_only(answer)));
        self
    }

    /// Keeps long conversations within the window of the model: see [`Compaction`].
    #[doc(alias = "compression_manager")]
    pub fn compaction(mut self, compaction: Compaction) -> Self {
        self.upkeep.compaction = Some(compaction);
        self
    }

    /// Keeps a summary of the session: see [`SessionSummary`].
    #[doc(alias = "enable_session_summaries")]
    pub fn session_summary(mut self, summary: SessionSummary) -> Self {
        self.upkeep.summary = Some(summary);
        self
    }

    /// Gives the agent memories of the user of its runs, over all sessions: see [`AgentMemory`].
    #[doc(alias = "memory_manager")]
    pub fn memory(mut self, memory: AgentMemory) -> Self {
        if memory.by == MemoryBy::Tools {
            let instructions = Some(memory.tool_instructions());
            let tools = memories::tools();
            self = self.tool_set(ToolSet { tools, instructions, ..ToolSet::default() });
        }
        self.upkeep.memory = Some(memory);
        self
    }

    /// Returns the mistakes of the context.
    pub(super) fn context_mistakes(&self) -> Vec<String> {
        let upkeep = &self.upkeep;
        let mut mistakes = Vec::new();
        let mut names = BTreeSet::new();
        for source in &upkeep.contexts {
            let name = source.0.name();
            if !names.insert(name) {
                mistakes.push(format!("two sources of context are called `{name}`; leave one out"));
            }
        }
        let empty = |message: &Message| message.text().trim().is_empty();
        if upkeep.examples.iter().any(empty) {
            mistakes.push("an example has an empty message or answer; write both".into());
        }
        mistakes.extend(upkeep.compaction.as_ref().and_then(Compaction::mistake));
        mistakes.extend(upkeep.summary.as_ref().and_then(SessionSummary::mistake));
        mistakes.extend(upkeep.memory.as_ref().and_then(AgentMemory::mistake));
        mistakes
    }

    /// Adds the context to the content that must be unchanged when a run resumes.
    pub(super) fn with_context_content(&self, mut content: Fingerprint) -> Fingerprint {
        for (nth, pair) in (1..).zip(self.upkeep.examples.chunks(2)) {
            let texts: Vec<_> = pair.iter().map(Message::text).collect();
            content = content.with(format!("example {nth}"), json!(texts).to_string());
        }
        if let Some(compaction) = &self.upkeep.compaction {
            content = content.with("compaction", compaction.written());
        }
        if let Some(summary) = &self.upkeep.summary {
            content = content.with("session_summary", summary.written());
        }
        if let Some(memory) = &self.upkeep.memory {
            content = content.with("memory", memory.written());
        }
        for source in &self.upkeep.contexts {
            let own = source.0.fingerprint();
            let own = serde_json::to_string(&own).unwrap_or_default();
            content = content.with(format!("context {}", source.0.name()), own);
        }
        content
    }
}
