//! A request, changed where a provider has its own way.

use crate::answer_tool::{self, ANSWER_TOOL};
use crate::catalogue::{Gateway, Schema, Spec, Wire};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use stepwright_core::model::{HostedTool, ModelOptions, ModelRequest, OutputMode, ToolChoice};

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

/// Returns the way in which the model gets the schema of the answer. `calls_tools` says that the
/// model can call tools.
pub(crate) fn mode(request: &ModelRequest, spec: &Spec, calls_tools: bool) -> OutputMode {
    if let Some(mode) = request.options.output_mode {
        return mode;
    }
    match spec.schema {
        Schema::Always => OutputMode::Native,
        Schema::WithoutTools if request.tools.is_empty() => OutputMode::Native,
        // Providers refuse tools of a caller beside those that they run themselves.
        _ if calls_tools
            && can_be_forced(request, spec)
            && request.options.hosted_tools.is_empty()
            && request.tools.iter().all(|tool| tool.name != ANSWER_TOOL) =>
        {
            OutputMode::Tool
        }
        _ => OutputMode::Prompt,
    }
}

/// Returns the reason that a provider cannot get a schema in the way that the caller chose.
pub(crate) fn refused_mode(
    request: &ModelRequest,
    spec: &Spec,
    calls_tools: bool,
) -> Option<&'static str> {
    request.output_schema.as_ref()?;
    match request.options.output_mode? {
        OutputMode::Native if matches!(spec.schema, Schema::Told | Schema::OnlyTold) => {
            Some("takes no schema as a parameter")
        }
        OutputMode::Tool if !calls_tools => Some("calls no tools"),
        OutputMode::Tool if request.tools.iter().any(|tool| tool.name == ANSWER_TOOL) => {
            Some("has a tool of the name `final_answer` already")
        }
        _ => None,
    }
}

/// Returns `true` if the provider can make its model call a tool.
fn can_be_forced(request: &ModelRequest, spec: &Spec) -> bool {
    let options = &request.options;
    let reasons = options.reasoning_effort.is_some() || options.reasoning_budget.is_some();
    match spec.wire {
        Wire::Ollama | Wire::Gateway(Gateway::Moonshot) => false,
        // Its server knows no tool that must be called by name.
        Wire::Gateway(Gateway::LlamaCpp) => {
            request.tool_choice == ToolChoice::Auto && !request.tools.is_empty()
        }
        // It refuses that beside extended thinking.
        Wire::Anthropic => !reasons,
        _ => true,
    }
}

/// `request` as the provider is to be asked.
pub(crate) fn adapted(mut request: ModelRequest, spec: &Spec, calls_tools: bool) -> ModelRequest {
    if spec.wire == Wire::Ollama && request.tool_choice == ToolChoice::None {
        // It has no way to be told; what it does not know it does not call.
        request.tools.clear();
    }
    let mode = mode(&request, spec, calls_tools);
    if mode == OutputMode::Tool {
        let forced = can_be_forced(&request, spec);
        answer_tool::add(&mut request, forced);
    }
    if mode == OutputMode::Prompt
        && let Some(schema) = request.output_schema.take()
    {
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

    fn asked(provider: &str, with_tool: bool, mode: Option<OutputMode>) -> ModelRequest {
        let tool = ToolSpec { name: "t".into(), description: String::new(), parameters: json!({}) };
        let request = ModelRequest {
            instructions: Some("Be short.".into()),
            output_schema: Some(json!({"type": "object"})),
            tools: if with_tool { vec![tool] } else { Vec::new() },
            ..ModelRequest::default()
        };
        let request = ModelRequest {
            options: ModelOptions { output_mode: mode, ..ModelOptions::default() },
            ..request
        };
        adapted(request, Spec::named(provider).unwrap(), true)
    }

    #[test]
    fn a_schema_goes_the_best_way_that_the_wire_has() {
        use OutputMode::{Native, Prompt, Tool};
        for (provider, with_tool, mode, expected) in [
            ("openai", true, None, Native),
            ("openai-chat", true, None, Native),
            ("google", false, None, Native),
            ("google", true, None, Tool),
            ("ollama", true, None, Prompt),
            ("deepseek", false, None, Tool),
            ("deepseek", true, None, Tool),
            ("moonshot", false, None, Prompt),
            // As the caller says.
            ("openai", false, Some(Tool), Tool),
            ("google", true, Some(Native), Native),
            ("deepseek", false, Some(Prompt), Prompt),
            ("ollama", false, Some(Tool), Tool),
        ] {
            let asked = asked(provider, with_tool, mode);
            let case = format!("{provider}, {with_tool}, {mode:?}: {asked:?}");
            assert_eq!(asked.output_schema.is_some(), expected == Native, "{case}");
            let instructions = asked.instructions.unwrap();
            assert!(instructions.starts_with("Be short."), "{case}");
            let is_told = instructions.ends_with(r#"{"type":"object"}"#);
            assert_eq!(is_told, expected == Prompt, "{case}");
            let answer = asked.tools.iter().find(|tool| tool.name == ANSWER_TOOL);
            assert_eq!(answer.is_some(), expected == Tool, "{case}");
            if provider == "ollama" {
                assert_eq!(asked.tool_choice, ToolChoice::Auto, "{case}");
            } else if expected == Tool && with_tool {
                assert_eq!(asked.tool_choice, ToolChoice::Required, "{case}");
            } else if expected == Tool {
                assert_eq!(asked.tool_choice, ToolChoice::One(ANSWER_TOOL.into()), "{case}");
            }
        }
        let told = asked("deepseek", false, Some(Prompt));
        assert_eq!(told.options.extra["response_format"]["type"], "json_object");
    }

    #[test]
    fn what_the_caller_says_comes_first() {
        assert_eq!(asked("openai", false, None).options.extra["store"], json!(false));
        let mut request = ModelRequest::default();
        request.options.extra.insert("store".into(), json!(true));
        let request = adapted(request, Spec::named("openai").unwrap(), true);
        assert_eq!(request.options.extra["store"], json!(true));
    }
}
