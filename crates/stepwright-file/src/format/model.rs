//! The models of an agent, and their settings.

use super::form::{Form, Mapping, key};
use super::reader::{Fields, Reader};
use super::{AgentLimits, ModelName, Settings, Word, WrittenPlace};
use crate::source::Span;
use crate::suggest::listed;
use crate::tree::{Node, Yaml};
use stepwright_core::ErrorId;
use stepwright_core::model::{CacheRetention, HostedTool, OutputMode, ReasoningEffort, ToolChoice};
use stepwright_models::{FallbackReason, MODELS_MAX, RetryPolicy};

/// The maximum number of tokens of an answer that a file may ask for. No model writes as many.
pub(super) const OUTPUT_TOKENS_MAX: u64 = 10_000_000;
/// The maximum temperature. No provider takes a higher one.
pub(super) const TEMPERATURE_MAX: f64 = 2.0;
/// The maximum number of tool calls at once that a file may set.
pub(super) const TOOL_CALLS_MAX: u64 = 1000;
/// The maximum of `defer_above`. No model reads as many tools.
pub(super) const TOOLS_MAX: u64 = 10_000;
/// The maximum number of retries of a request to a model.
pub(super) const MODEL_RETRIES_MAX: u64 = 100;
/// The maximum number of texts in `stop`. Providers take fewer.
pub(super) const STOPS_MAX: usize = 64;

pub(super) const EFFORTS: [(&str, ReasoningEffort); 6] = [
    ("none", ReasoningEffort::None),
    ("minimal", ReasoningEffort::Minimal),
    ("low", ReasoningEffort::Low),
    ("medium", ReasoningEffort::Medium),
    ("high", ReasoningEffort::High),
    ("max", ReasoningEffort::Max),
];

/// The maximum number of tokens of reasoning that a file may ask for.
pub(super) const REASONING_TOKENS_MAX: u64 = 1_000_000;

pub(super) const RETENTIONS: [(&str, CacheRetention); 2] =
    [("short", CacheRetention::Short), ("long", CacheRetention::Long)];

pub(super) const OUTPUT_MODES: [(&str, OutputMode); 3] =
    [("native", OutputMode::Native), ("tool", OutputMode::Tool), ("prompt", OutputMode::Prompt)];

pub(super) const HOSTED: [(&str, HostedTool); 2] =
    [("web_search", HostedTool::WebSearch), ("code_execution", HostedTool::CodeExecution)];

pub(super) const FALLBACKS: [(&str, FallbackReason); 6] = [
    ("overloaded", FallbackReason::Overloaded),
    ("rate_limited", FallbackReason::RateLimited),
    ("quota", FallbackReason::Quota),
    ("timeout", FallbackReason::Timeout),
    ("transport", FallbackReason::Transport),
    ("refused", FallbackReason::Refused),
];

pub(super) const CHOICES: [(&str, ToolChoice); 3] =
    [("auto", ToolChoice::Auto), ("none", ToolChoice::None), ("required", ToolChoice::Required)];

/// A model, or a model with its place.
pub(crate) const MODEL_WITH_PLACE: Form = Form::Either(&[Form::Text, Form::Mapping(&MODEL_PLACE)]);

static MODEL_PLACE: Mapping = Mapping {
    name: "model_place",
    what: "`model`",
    required: &[&["name"]],
    members: &[
        key("name", &Form::Text, "The model as `provider:model`."),
        key("base_url", &Form::Text, "The address of the server, such as `http://localhost/v1`."),
        key("key", &Form::Text, "The name of the secret that is its key: see `secrets`."),
        key("proxy", &Form::Text, "The address of the proxy for its requests."),
    ],
};

impl Reader<'_> {
    /// Takes `model`: a model, or a list of models in order of preference. A model is a name, or a
    /// mapping with its name and its place.
    pub(super) fn models(&mut self, fields: &mut Fields<'_>) -> Option<Vec<ModelName>> {
        let (_, node) = fields.take("model")?;
        let nodes = match &node.value {
            Yaml::List(list) if list.is_empty() || list.len() > MODELS_MAX => {
                let message = format!("`model` lists 1 to {MODELS_MAX} models");
                let mistake =
                    self.mistake(node.span, message).label(format!("these are {}", list.len()));
                self.push(mistake);
                return Some(Vec::new());
            }
            Yaml::List(list) => list.as_slice(),
            _ => std::slice::from_ref(node),
        };
        let mut models: Vec<ModelName> = Vec::with_capacity(nodes.len());
        for node in nodes {
            let Some(model) = self.model(node) else { continue };
            let word = Word { text: model.text.clone(), span: model.span };
            if let Some(first) = models.iter().find(|other| other.text == word.text) {
                let mistake = self.mistake(word.span, format!("`{}` is there twice", word.text));
                self.push(mistake.label("again here").also(first.span, "first here"));
                continue;
            }
            if let Err((message, help)) = crate::models::check_place(&model, self.options) {
                let mistake = self.mistake(word.span, message).coded(ErrorId::MODEL_UNKNOWN);
                self.push(mistake.maybe_help(help));
            }
            models.push(model);
        }
        Some(models)
    }

    /// Reads one model.
    pub(crate) fn model(&mut self, node: &Node) -> Option<ModelName> {
        if !matches!(node.value, Yaml::Map(_)) {
            let Word { text, span } = self.word(node, "model")?;
            return Some(ModelName { text, span, place: None });
        }
        let mut fields = Fields::of(self, node, "`model`")?;
        let name = fields.need(self, "name", "write `name: provider:model`");
        let name = name.and_then(|(_, node)| self.word(node, "name"));
        let mut word = |fields: &mut Fields<'_>, key: &'static str| {
            fields.take(key).and_then(|(_, node)| self.word(node, key))
        };
        let base_url = word(&mut fields, "base_url");
        let proxy = word(&mut fields, "proxy");
        let key = word(&mut fields, "key");
        fields.finish(self);
        let Word { text, span } = name?;
        Some(ModelName { text, span, place: Some(WrittenPlace { base_url, proxy, key }) })
    }

    /// Takes the settings of a model.
    pub(super) fn settings_of_model(&mut self, fields: &mut Fields<'_>) -> Settings {
        let mut settings = Settings::default();
        let options = &mut settings.options;
        let mut places: Vec<(&'static str, Span)> = Vec::new();
        if let Some((key, node)) = fields.take("temperature") {
            options.temperature = self.fraction(node, "temperature", TEMPERATURE_MAX);
            places.push(("temperature", key.span));
        }
        if let Some((key, node)) = fields.take("top_p") {
            options.top_p = self.fraction(node, "top_p", 1.0);
            places.push(("top_p", key.span));
        }
        let span = |fields: &Fields<'_>, name| fields.value_place(name).map(|span| (name, span));
        places.extend(span(fields, "max_output_tokens"));
        options.max_output_tokens =
            fields.number(self, "max_output_tokens", (1, OUTPUT_TOKENS_MAX));
        places.extend(span(fields, "seed"));
        options.seed = fields.number(self, "seed", (0, u64::from(u32::MAX)));
        places.extend(span(fields, "reasoning_effort"));
        options.reasoning_effort = fields.choice(self, "reasoning_effort", &EFFORTS);
        if let Some((key, node)) = fields.take("stop") {
            options.stop = self.stops(node);
            places.push(("stop", key.span));
        }
        if let Some((key, node)) = fields.take("tool_choice") {
            places.push(("tool_choice", key.span));
            settings.tool_choice = self.tool_choice(node);
        }
        let options = &mut settings.options;
        options.timeout = fields.duration(self, "request_timeout");
        places.extend(span(fields, "reasoning_budget"));
        let budget = fields.number(self, "reasoning_budget", (1, REASONING_TOKENS_MAX));
        options.reasoning_budget = budget.and_then(|tokens| u32::try_from(tokens).ok());
        if let Some((key, node)) = fields.take("cache") {
            options.cache = match &node.value {
                Yaml::Bool(cache) => cache.then_some(CacheRetention::Short),
                _ => self.one_of(node, "cache", &RETENTIONS),
            };
            places.push(("cache", key.span));
        }
        if let Some((key, node)) = fields.take("hosted_tools") {
            options.hosted_tools = self.several_of(node, "hosted_tools", &HOSTED);
            places.push(("hosted_tools", key.span));
        }
        places.extend(span(fields, "output_mode"));
        options.output_mode = fields.choice(self, "output_mode", &OUTPUT_MODES);
        if let Some((key, node)) = fields.take("extra") {
            if let Yaml::Map(_) = &node.value
                && let serde_json::Value::Object(extra) = node.value.to_json()
            {
                options.extra = extra;
            } else {
                self.wrong_type(node, "`extra` maps names of parameters to values");
            }
            places.push(("extra", key.span));
        }
        if let Some((key, node)) = fields.take("headers") {
            places.push(("headers", key.span));
            if let Yaml::Map(map) = &node.value {
                for (name, value) in map {
                    if let Some(word) = self.word(value, &name.name) {
                        options.headers.insert(name.name.clone(), word.text);
                    }
                }
            } else {
                self.wrong_type(node, "`headers` maps names to texts");
            }
        }
        settings.places = places;
        settings
    }

    /// Takes the limits of an agent.
    pub(super) fn limits_of_agent(&mut self, fields: &mut Fields<'_>) -> AgentLimits {
        let calls = |calls| usize::try_from(calls).unwrap_or(usize::MAX);
        AgentLimits {
            defer_above: fields
                .number(self, "defer_above", (0, TOOLS_MAX))
                .and_then(|tools| usize::try_from(tools).ok()),
            tool_timeout: fields.duration(self, "tool_timeout"),
            tool_concurrency: fields
                .number(self, "tool_concurrency", (1, TOOL_CALLS_MAX))
                .map(calls),
            idle_timeout: fields.duration(self, "idle_timeout"),
            model_retry: fields.take("model_retry").and_then(|(_, node)| self.model_retry(node)),
            fallback_on: fields
                .take("fallback_on")
                .map(|(_, node)| self.several_of(node, "fallback_on", &FALLBACKS)),
            fallback_restarts: fields.bool(self, "fallback_restarts") == Some(true),
        }
    }

    /// Parses a list of some of some words.
    fn several_of<T: Copy>(
        &mut self,
        node: &Node,
        name: &str,
        known: &[(&'static str, T)],
    ) -> Vec<T> {
        let Yaml::List(list) = &node.value else {
            self.wrong_type(node, &format!("`{name}` is a list"));
            return Vec::new();
        };
        let mut found: Vec<(String, T)> = Vec::new();
        for node in list {
            let Some(value) = self.one_of(node, name, known) else { continue };
            let word = self.word(node, name).map(|word| word.text).unwrap_or_default();
            if found.iter().any(|(other, _)| *other == word) {
                self.push(self.mistake(node.span, format!("`{word}` is there twice")));
                continue;
            }
            found.push((word, value));
        }
        found.into_iter().map(|(_, value)| value).collect()
    }

    /// Parses a number of retries, or a mapping with it.
    fn model_retry(&mut self, node: &Node) -> Option<RetryPolicy> {
        let range = (0, MODEL_RETRIES_MAX);
        let mut policy = RetryPolicy::default();
        let retries = |retries| u32::try_from(retries).unwrap_or(u32::MAX);
        if let Yaml::Number(number) = &node.value {
            let max = number.as_u64().filter(|max| *max <= MODEL_RETRIES_MAX);
            if max.is_none() {
                let message =
                    format!("`model_retry` is a whole number from 0 to {MODEL_RETRIES_MAX}");
                self.push(self.mistake(node.span, message).label(format!("this is {number}")));
            }
            policy.max = retries(max?);
            return Some(policy);
        }
        let mut fields = Fields::of(self, node, "`model_retry`")?;
        if !fields.has("max") {
            let mistake = self.mistake(node.span, "`model_retry` needs `max`");
            self.push(mistake.help("say how often it is sent again: `model_retry: {max: 4}`"));
        }
        policy.max = fields.number(self, "max", range).map_or(policy.max, retries);
        policy.delay = fields.duration(self, "backoff").unwrap_or(policy.delay);
        policy.delay_max =
            fields.duration(self, "max_backoff").unwrap_or(policy.delay_max.max(policy.delay));
        policy.retry_after_max =
            fields.duration(self, "max_retry_after").unwrap_or(policy.retry_after_max);
        fields.finish(self);
        Some(policy)
    }

    /// Parses a choice of tools: a word, or `{one: http_get}`.
    fn tool_choice(&mut self, node: &Node) -> ToolChoice {
        if let Yaml::Map(_) = &node.value {
            let Some(mut fields) = Fields::of(self, node, "`tool_choice`") else {
                return ToolChoice::default();
            };
            let one = fields.need(self, "one", "write `{one: http_get}`, with the name of a tool");
            let one = one.and_then(|(_, node)| self.word(node, "one"));
            fields.finish(self);
            return one.map(|one| ToolChoice::One(one.text)).unwrap_or_default();
        }
        let choice = self.word(node, "tool_choice");
        let found = choice.and_then(|word| {
            let found = CHOICES.iter().find(|(name, _)| *name == word.text);
            if found.is_none() {
                let names: Vec<&str> = CHOICES.iter().map(|(name, _)| *name).collect();
                let message = format!("`tool_choice` is one of {}", listed(&names));
                let label = format!("there is no `{}`", word.text);
                let mistake = self.mistake(word.span, message).label(label);
                self.push(mistake.help("for one tool, write `tool_choice: {one: http_get}`"));
            }
            found.map(|(_, choice)| choice.clone())
        });
        found.unwrap_or_default()
    }

    /// Parses a number from 0 to `most`.
    fn fraction(&mut self, node: &Node, name: &str, most: f64) -> Option<f64> {
        let Yaml::Number(number) = &node.value else {
            self.wrong_type(node, &format!("`{name}` is a number"));
            return None;
        };
        let value = number.as_f64().filter(|value| (0.0..=most).contains(value));
        if value.is_none() {
            let mistake = self.mistake(node.span, format!("`{name}` is a number from 0 to {most}"));
            self.push(mistake.label(format!("this is {number}")));
        }
        value
    }

    /// Parses a text, or a list of texts.
    fn stops(&mut self, node: &Node) -> Vec<String> {
        let nodes = match &node.value {
            Yaml::List(list) => list.as_slice(),
            _ => std::slice::from_ref(node),
        };
        if nodes.is_empty() || nodes.len() > STOPS_MAX {
            let mistake = self.mistake(node.span, format!("`stop` lists 1 to {STOPS_MAX} texts"));
            self.push(mistake);
        }
        let mut stops = Vec::new();
        for node in nodes.iter().take(STOPS_MAX) {
            let Some(word) = self.word(node, "stop") else { continue };
            if word.text.is_empty() {
                let mistake = self.mistake(word.span, "an empty text ends every answer");
                self.push(mistake.help("leave it out"));
            } else {
                stops.push(word.text);
            }
        }
        stops
    }
}
