//! A request, changed where a provider has its own way.

use crate::catalogue::{Schema, Spec, Wire};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use stepwright_core::model::{HostedTool, ModelOptions, ModelRequest, ToolChoice};

/// The name of Anthropic's execution of code among its features that a header asks for.
const CODE_EXECUTION: &str = "code-execution-2025-08-25";

/// Returns the headers that the caller wrote, with those that the provider wants for its tools.
pub(crate) fn headers(options: &ModelOptions, spec: &Spec) -> BTreeMap<String, String> {
    let mut headers = options.headers.clone();
    if spec.wire == Wire::Anthropic && options.hosted_tools.contains(&HostedTool::CodeExecution) {
        let is_beta = |name: &&String| name.eq_ignore_ascii_case("anthropic-beta");
        let name = headers.keys().find(is_beta).cloned();
        let features = headers.entry(name.unwrap_or_else(|| "anthropic-beta".to_owned()));
        features
            .and_modify(|features| *features = format!("{features},{CODE_EXECUTION}"))
            .or_insert_with(|| CODE_EXECUTION.to_owned());
    }
    headers
}

/// Returns the member of a request that asks for a tool of the provider, and its element for this
/// tool. `None` if the provider does not have it.
pub(crate) fn hosted(wire: Wire, tool: HostedTool) -> Option<(&'static str, Value)> {
    use HostedTool::{CodeExecution, WebSearch};
    let tools = |asked: Value| Some(("tools", asked));
    match (wire, tool) {
        (Wire::OpenAi | Wire::Xai, WebSearch) => tools(json!({"type": "web_search"})),
        (Wire::OpenAi, CodeExecution) => {
            tools(json!({"type": "code_interpreter", "container": {"type": "auto"}}))
        }
        (Wire::Xai, CodeExecution) => tools(json!({"type": "code_interpreter"})),
        (Wire::Anthropic, WebSearch) => {
            tools(json!({"type": "web_search_20250305", "name": "web_search"}))
        }
        (Wire::Anthropic, CodeExecution) => {
            tools(json!({"type": "code_execution_20250825", "name": "code_execution"}))
        }
        (Wire::Gemini, WebSearch) => tools(json!({"googleSearch": {}})),
        (Wire::Gemini, CodeExecution) => tools(json!({"codeExecution": {}})),
        (Wire::Groq, WebSearch) => tools(json!({"type": "browser_search"})),
        (Wire::Groq, CodeExecution) => tools(json!({"type": "code_interpreter"})),
        (Wire::OpenRouter, WebSearch) => Some(("plugins", json!({"id": "web"}))),
        _ => None,
    }
}

/// `request` as the provider is to be asked.
pub(crate) fn adapted(mut request: ModelRequest, spec: &Spec) -> ModelRequest {
    if spec.wire == Wire::Ollama && request.tool_choice == ToolChoice::None {
        // It has no way to be told; what it does not know it does not call.
        request.tools.clear();
    }
    let is_told = match spec.schema {
        Schema::Always => false,
        Schema::WithoutTools => !request.tools.is_empty(),
        Schema::Told | Schema::OnlyTold => true,
    };
    if is_told && let Some(schema) = request.output_schema.take() {
        let told = format!(
            "The last answer must be one JSON value that follows this JSON Schema, and nothing \
             else:\n{schema}"
        );
        request.instructions = Some(match request.instructions {
            Some(instructions) if !instructions.is_empty() => format!("{instructions}\n\n{told}"),
            _ => told,
        });
        if spec.schema == Schema::Told {
            let format = || json!({"type": "json_object"});
            request.options.extra.entry("response_format").or_insert_with(format);
        }
    }
    for tool in std::mem::take(&mut request.options.hosted_tools) {
        let Some((place, asked)) = hosted(spec.wire, tool) else { continue };
        let list = request.options.extra.entry(place).or_insert_with(|| json!([]));
        // What is no list is the caller's own, and the provider's to judge.
        if let Value::Array(list) = list {
            list.push(asked);
        }
    }
    if matches!(spec.wire, Wire::OpenAi | Wire::Xai) {
        // Nothing stays with the provider: thoughts come back encrypted, and go along next time.
        request.options.extra.entry("store").or_insert(Value::Bool(false));
    }
    request
}

#[cfg(test)]
mod tests {
    use super::*;
    use stepwright_core::tool::ToolSpec;

    fn asked(provider: &str, with_tool: bool) -> ModelRequest {
        let tool = ToolSpec { name: "t".into(), description: String::new(), parameters: json!({}) };
        let request = ModelRequest {
            instructions: Some("Be short.".into()),
            output_schema: Some(json!({"type": "object"})),
            tools: if with_tool { vec![tool] } else { Vec::new() },
            ..ModelRequest::default()
        };
        adapted(request, Spec::named(provider).unwrap())
    }

    #[test]
    fn a_schema_is_told_where_it_cannot_be_a_parameter() {
        for (provider, with_tool, is_parameter) in [
            ("openai", true, true),
            ("openai-chat", true, true),
            ("google", false, true),
            ("google", true, false),
            ("ollama", true, false),
            ("deepseek", false, false),
        ] {
            let asked = asked(provider, with_tool);
            assert_eq!(asked.output_schema.is_some(), is_parameter, "{provider}");
            let instructions = asked.instructions.unwrap();
            assert!(instructions.starts_with("Be short."));
            assert_eq!(instructions.ends_with(r#"{"type":"object"}"#), !is_parameter, "{provider}");
        }
        assert_eq!(
            asked("deepseek", false).options.extra["response_format"]["type"],
            "json_object"
        );
    }

    #[test]
    fn what_the_caller_says_comes_first() {
        assert_eq!(asked("openai", false).options.extra["store"], json!(false));
        let mut request = ModelRequest::default();
        request.options.extra.insert("store".into(), json!(true));
        let request = adapted(request, Spec::named("openai").unwrap());
        assert_eq!(request.options.extra["store"], json!(true));
    }
}
