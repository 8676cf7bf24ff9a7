//! The tokens of a stream, by model.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use stepwright_core::StepPath;
use stepwright_core::message::Usage;

/// The tokens that models have used since the stream began.
#[derive(Default)]
pub(super) struct Used {
    /// The models of agents, as `provider:model`.
    models: BTreeMap<StepPath, String>,
    by_model: BTreeMap<String, Usage>,
}

impl Used {
    pub(super) fn names(&mut self, agent: &StepPath, model: &str) {
        self.models.insert(agent.clone(), model.to_owned());
    }

    /// Adds a request. `model` is the model that answered, if the agent has several.
    pub(super) fn add(&mut self, agent: &StepPath, model: Option<&str>, usage: Usage) {
        let named = self.models.get(agent).map(String::as_str);
        let model = model.or(named).unwrap_or_default().to_owned();
        *self.by_model.entry(model).or_default() += usage;
    }

    /// Returns all of it, or `null` if no model was asked.
    pub(super) fn all(&self) -> Value {
        let entries = self.by_model.iter().map(|(model, usage)| {
            let (provider, model) = match model.split_once(':') {
                Some((provider, model)) => (Some(provider), model),
                None => (None, model.as_str()),
            };
            let entry = json!({
                "provider": provider, "model": model,
                "inputTokens": usage.input_tokens, "outputTokens": usage.output_tokens,
                "totalTokens": usage.total_tokens(), "reasoningTokens": usage.reasoning_tokens,
                "cachedInputTokens": usage.cache_read_tokens,
                "cacheWriteInputTokens": usage.cache_write_tokens,
            });
            let entry = entry.as_object().cloned().unwrap_or_default().into_iter();
            Value::Object(entry.filter(|(_, value)| !value.is_null()).collect())
        });
        let entries: Vec<Value> = entries.collect();
        if entries.is_empty() { Value::Null } else { Value::Array(entries) }
    }
}
