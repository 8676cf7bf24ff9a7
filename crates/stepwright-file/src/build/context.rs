//! The context of an agent of a file.

use super::Builder;
use crate::builtins::at_recorded_time;
use crate::format::{
    Agent as AgentOf, CompactBy, CompactWhen, ModelName, RememberBy, Remembered, SummariseWhen,
    Text,
};
use crate::reference::OwnedValues;
use crate::work::evaluate;
use stepwright_agent::{AgentBuilder, AgentMemory, Compaction, SessionSummary};
use stepwright_core::model::AnyModel;
use stepwright_core::{Error, StepContext, StepError, StepInput};

impl Builder<'_> {
    /// Adds the tools that search knowledge bases.
    #[cfg_attr(
        not(feature = "knowledge"),
        allow(clippy::unused_self, clippy::unnecessary_wraps, reason = "there are none")
    )]
    pub(super) fn searches(
        &self,
        agent: &AgentOf,
        builder: AgentBuilder,
    ) -> Result<AgentBuilder, Error> {
        let mut searched = agent.tools.iter().filter_map(|chosen| chosen.tool.searched());
        searched.try_fold(builder, |builder, searched| {
            #[cfg(feature = "knowledge")]
            if let Some(base) = self.file.base(&searched.base.text) {
                let with = (self.options, &self.granted.named_secrets);
                return base.give_to(builder, searched, with);
            }
            let _ = searched;
            Ok(builder)
        })
    }

    /// Adds the context of an agent.
    pub(super) fn context(
        &self,
        agent: &AgentOf,
        mut builder: AgentBuilder,
    ) -> Result<AgentBuilder, Error> {
        let context = &agent.context;
        if let Some(template) = context.template.clone() {
            builder =
                builder.instructions_from(move |input, cx| rendered(template.clone(), input, cx));
        }
        for (message, answer) in &context.examples {
            builder = builder.example(message, answer);
        }
        if let Some(CompactWhen { above, by, keep, model, instructions }) = &context.compaction {
            let mut compaction = match by {
                CompactBy::Summary => Compaction::summary(*above),
                CompactBy::DropTurns => Compaction::drop_turns(*above),
                CompactBy::ClearToolResults => Compaction::clear_tool_results(*above),
            };
            if let Some(turns) = keep {
                compaction = compaction.keep(*turns);
            }
            if let Some(model) = self.own_model(model.as_ref())? {
                compaction = compaction.model(model);
            }
            if let Some(text) = instructions {
                compaction = compaction.instructions(text);
            }
            builder = builder.compaction(compaction);
        }
        if let Some(SummariseWhen { every, key, model, instructions }) = &context.summary {
            let mut summary = SessionSummary::default();
            if let Some(runs) = every {
                summary = summary.every(*runs);
            }
            if let Some(key) = key {
                summary = summary.key(key);
            }
            if let Some(model) = self.own_model(model.as_ref())? {
                summary = summary.model(model);
            }
            if let Some(text) = instructions {
                summary = summary.instructions(text);
            }
            builder = builder.session_summary(summary);
        }
        if let Some(Remembered { by, known, model, instructions }) = &context.memory {
            let mut memory = match by {
                RememberBy::Tools => AgentMemory::by_tools(),
                RememberBy::AfterRun => AgentMemory::after_run(),
            };
            if let Some(known) = known {
                memory = memory.known(*known);
            }
            if let Some(model) = self.own_model(model.as_ref())? {
                memory = memory.model(model);
            }
            if let Some(text) = instructions {
                memory = memory.instructions(text);
            }
            builder = builder.memory(memory);
        }
        Ok(builder)
    }

    /// Makes a model for the work on the context. `None` for the model of the agent: a model that
    /// replaces those of the file replaces this one too, and a playback asks none.
    fn own_model(&self, model: Option<&ModelName>) -> Result<Option<AnyModel>, Error> {
        let Some(model) = model.filter(|_| self.forced.is_none() && !self.is_played) else {
            return Ok(None);
        };
        Ok(Some(crate::models::make(model, &self.granted.named_secrets)?))
    }
}

/// Renders instructions with the values of a step.
async fn rendered(template: Text, input: StepInput, cx: StepContext) -> Result<String, StepError> {
    let is_timed = template.template.references().iter().any(|reference| reference.root == "now");
    let input = if is_timed { at_recorded_time(input, &cx).await? } else { input };
    let text = evaluate(OwnedValues::of(input), move |values, budget| {
        template.template.render(values, budget)
    });
    text.await
}
