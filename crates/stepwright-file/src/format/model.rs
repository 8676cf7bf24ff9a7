//! The models of an agent, and their settings.

use super::reader::{Fields, Reader};
use super::{Settings, Word};
use crate::source::Span;
use crate::suggest::listed;
use crate::tree::{Node, Yaml};
use stepwright_core::ErrorId;
use stepwright_core::model::{ReasoningEffort, ToolChoice};
use stepwright_models::MODELS_MAX;

/// The maximum number of tokens of an answer that a file may ask for. No model writes as many.
const OUTPUT_TOKENS_MAX: u64 = 10_000_000;
/// The maximum temperature. No provider takes a higher one.
const TEMPERATURE_MAX: f64 = 2.0;
/// The maximum number of texts in `stop`. Providers take fewer.
const STOPS_MAX: usize = 64;

const EFFORTS: [(&str, ReasoningEffort); 6] = [
    ("none", ReasoningEffort::None),
    ("minimal", ReasoningEffort::Minimal),
    ("low", ReasoningEffort::Low),
    ("medium", ReasoningEffort::Medium),
    ("high", ReasoningEffort::High),
    ("max", ReasoningEffort::Max),
];

const CHOICES: [(&str, ToolChoice); 3] =
    [("auto", ToolChoice::Auto), ("none", ToolChoice::None), ("required", ToolChoice::Required)];

impl Reader<'_> {
    /// Takes `model`: a name, or a list of names in order of preference.
    pub(super) fn models(&mut self, fields: &mut Fields<'_>) -> Option<Vec<Word>> {
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
        let mut models: Vec<Word> = Vec::with_capacity(nodes.len());
        for node in nodes {
            let Some(word) = self.word(node, "model") else { continue };
            if let Some(first) = models.iter().find(|other| other.text == word.text) {
                let mistake = self.mistake(word.span, format!("`{}` is there twice", word.text));
                self.push(mistake.label("again here").also(first.span, "first here"));
                continue;
            }
            if let Err((message, help)) = crate::models::check(&word.text, self.options) {
                let mistake = self.mistake(word.span, message).coded(ErrorId::MODEL_UNKNOWN);
                self.push(mistake.maybe_help(help));
            }
            models.push(word);
        }
        Some(models)
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
