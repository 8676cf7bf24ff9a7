//! Agents of their specifications.

use crate::functions::{Asked, Functions, HostFunction, Place, function};
use crate::spec::{AgentSpec, ModelSpec, ToolData};
use serde_json::Value;
use std::sync::Arc;
use stepwright::models::{AnyModel, ModelOptions, Provider};
use stepwright::tools::{DuckDuckGo, Tool, ToolEffect, ToolError, ToolSpec};
use stepwright::{Agent, BoxFuture, Error, StepContext};

/// The provider of a model that is named without one.
const DEFAULT_PROVIDER: &str = "openai";

pub(crate) fn agent(spec: &AgentSpec, functions: &Functions) -> Result<Agent, Error> {
    let builder = Agent::builder(&spec.name);
    let mut builder = match given(&spec.model)? {
        Some(model) => builder.model(model)?,
        None => builder.model(spec.model.name.as_deref().unwrap_or("auto"))?,
    };
    if let Some(text) = &spec.instructions {
        builder = builder.instructions(text);
    }
    if let Some(turns) = spec.max_turns {
        builder = builder.max_turns(turns);
    }
    if let Some(budget) = &spec.budget {
        builder = builder.budget(budget.clone());
    }
    if spec.temperature.is_some() || spec.max_output_tokens.is_some() {
        builder = builder.options(ModelOptions {
            temperature: spec.temperature,
            max_output_tokens: spec.max_output_tokens,
            ..ModelOptions::default()
        });
    }
    if let Some(output) = &spec.output {
        let check = function(functions, output.check)?;
        builder = builder.output_schema_async(output.schema.clone(), move |value: Arc<Value>| {
            let checking = check.call(Asked::Check(value), None, Place { beside: true });
            async move { checking.await.map(drop).map_err(|error| error.to_string()) }
        });
    }
    for tool in &spec.tools {
        builder = match tool {
            ToolData::Function {
                name,
                description,
                parameters,
                function: at,
                requires_confirmation,
                read_only,
            } => builder.tool(FunctionOfHost {
                spec: ToolSpec {
                    name: name.clone(),
                    description: description.clone(),
                    parameters: parameters.clone(),
                },
                function: function(functions, *at)?,
                confirms: *requires_confirmation,
                read_only: *read_only,
            }),
            ToolData::Duckduckgo { base_url } => builder.tool(match base_url {
                Some(url) => DuckDuckGo::new().base_url(url),
                None => DuckDuckGo::new(),
            }),
            ToolData::Agent { name, description, agent: inner } => {
                builder.tool(agent(inner, functions)?.as_tool(name, description))
            }
        };
    }
    builder.build()
}

/// Returns the model if it has an address or a key of its own.
fn given(spec: &ModelSpec) -> Result<Option<AnyModel>, Error> {
    if spec.base_url.is_none() && spec.api_key.is_none() {
        return Ok(None);
    }
    let name = spec
        .name
        .as_deref()
        .ok_or_else(|| Error::usage("a model with `base_url` or `api_key` needs an `id`"))?;
    let (provider, name) = name.split_once(':').unwrap_or((DEFAULT_PROVIDER, name));
    let mut provider = Provider::named(provider)?;
    if let Some(url) = &spec.base_url {
        provider = provider.base_url(url);
    }
    if let Some(key) = &spec.api_key {
        provider = provider.api_key(key);
    }
    Ok(Some(provider.model(name)?))
}

/// A function of the host as a tool.
struct FunctionOfHost {
    spec: ToolSpec,
    function: Arc<dyn HostFunction>,
    confirms: bool,
    read_only: bool,
}

impl Tool for FunctionOfHost {
    fn spec(&self) -> &ToolSpec {
        &self.spec
    }

    fn call(&self, arguments: Value, cx: StepContext) -> BoxFuture<'_, Result<String, ToolError>> {
        // Several calls of one answer run at the same time.
        let place = Place { beside: true };
        let calling = self.function.call(Asked::Tool(arguments), Some(cx), place);
        Box::pin(async move {
            let answer = calling.await.map_err(|error| {
                // What is final fails the step; the model may react to anything else.
                if error.data.retryable {
                    ToolError::Failed(error.to_string())
                } else {
                    ToolError::Fatal(error)
                }
            })?;
            Ok(answer.content.text().into_owned())
        })
    }

    fn requires_confirmation(&self) -> bool {
        self.confirms
    }

    fn effect(&self) -> ToolEffect {
        if self.read_only { ToolEffect::ReadOnly } else { ToolEffect::Acts }
    }
}
